//! What AdamW does to one tensor of weights.

/// The numbers of a step of AdamW (Loshchilov and Hutter, "Decoupled Weight Decay Regularization",
/// 2019, algorithm 2).
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct AdamWStep {
    /// What the direction is multiplied with.
    pub learning_rate: f64,
    /// Share of a weight, times the learning rate, that goes away.
    pub weight_decay: f64,
    /// Decay of the mean of gradients.
    pub beta_1: f32,
    /// Decay of the mean of squared gradients.
    pub beta_2: f32,
    /// Added to the root of the second mean.
    pub epsilon: f32,
    /// Steps that the moments have seen, with this one: from 1 on.
    pub time: i32,
}

impl AdamWStep {
    /// What a weight is multiplied with before it is moved.
    pub(crate) fn kept(&self) -> f64 {
        1.0 - self.learning_rate * self.weight_decay
    }

    /// What the two moments are divided by: they began at 0.
    pub(crate) fn corrections(&self) -> [f32; 2] {
        [self.beta_1, self.beta_2].map(|beta| 1.0 - beta.powi(self.time))
    }
}
