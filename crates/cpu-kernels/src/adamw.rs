//! The parameters of an AdamW step.

/// The parameters of a step of AdamW (Loshchilov and Hutter, "Decoupled Weight Decay Regularization",
/// 2019, algorithm 2).
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct AdamWStep {
    /// Factor of the direction.
    pub learning_rate: f64,
    /// Times the learning rate, the share of a weight that decays.
    pub weight_decay: f64,
    /// Decay of the mean of gradients.
    pub beta_1: f32,
    /// Decay of the mean of squared gradients.
    pub beta_2: f32,
    /// Added to the root of the second mean.
    pub epsilon: f32,
    /// Number of this step, from 1 on.
    pub time: i32,
}

impl AdamWStep {
    /// Factor of a weight for its decay.
    #[must_use]
    pub fn kept(&self) -> f64 {
        1.0 - self.learning_rate * self.weight_decay
    }

    /// Divisors that correct the bias of the two moments, which begin at 0.
    #[must_use]
    pub fn corrections(&self) -> [f32; 2] {
        [self.beta_1, self.beta_2].map(|beta| 1.0 - beta.powi(self.time))
    }
}
