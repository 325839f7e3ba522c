//! The regression of a static model: its rows change until the means of rows point where the teacher's vectors point.

use burn::backend::Autodiff;
use burn::tensor::Tensor;
use model::backend::{BackendTask, EncoderOps};

use super::super::RunContext;
use crate::data::TextTable;
use crate::error::TrainError;
use crate::losses::similarity_distill;

/// A regression.
pub(super) struct Regression<'a> {
    /// A row per token, `[tokens, width]`.
    pub(super) rows: Vec<f32>,
    pub(super) width: usize,
    /// The tokens of every text.
    pub(super) tokens: &'a [Vec<u32>],
    /// The texts, with the vectors of the teacher.
    pub(super) table: &'a TextTable,
    /// The texts of every step, epoch by epoch.
    pub(super) epochs: Vec<Vec<Vec<usize>>>,
    /// The learning rate of the first step, which falls to 0.
    pub(super) rate: f64,
    pub(super) context: &'a RunContext,
}

impl BackendTask for Regression<'_> {
    type Output = Result<Vec<f32>, TrainError>;

    fn run<B: EncoderOps>(mut self, device: B::Device) -> Self::Output {
        let steps: usize = self.epochs.iter().map(Vec::len).sum();
        let mut optimizer = SparseAdam::new(self.rows.len(), self.width);
        let mut step = 0usize;
        for (epoch, batches) in (1..).zip(std::mem::take(&mut self.epochs)) {
            let mut total = 0.0;
            for batch in &batches {
                self.context.stop.check()?;
                let targets = self.table.targets_or_vectors(batch)?;
                let (loss, gradients) = self.gradients::<B>(batch, &targets, &device);
                total += f64::from(loss);
                for (text, gradient) in batch.iter().zip(gradients.chunks_exact(self.width)) {
                    optimizer.add(&self.tokens[*text], gradient);
                }
                let rate = self.rate * (1.0 - step as f64 / steps as f64);
                optimizer.step(&mut self.rows, rate);
                step += 1;
            }
            self.context.notes.note(format_args!(
                "epoch {epoch}: loss {:.4}",
                total / batches.len() as f64
            ));
        }
        Ok(self.rows)
    }
}

impl Regression<'_> {
    /// The loss of a batch, and its gradient for the mean of every text's rows.
    fn gradients<B: EncoderOps>(
        &self,
        batch: &[usize],
        targets: &[f32],
        device: &B::Device,
    ) -> (f32, Vec<f32>) {
        let mut means = vec![0.0; batch.len() * self.width];
        for (mean, &text) in means.chunks_exact_mut(self.width).zip(batch) {
            let tokens = &self.tokens[text];
            for &token in tokens {
                let row = &self.rows[token as usize * self.width..][..self.width];
                mean.iter_mut()
                    .zip(row)
                    .for_each(|(sum, value)| *sum += value);
            }
            let count = tokens.len().max(1) as f32;
            mean.iter_mut().for_each(|sum| *sum /= count);
        }
        let shape = [batch.len(), self.width];
        let tensor =
            |values: &[f32]| Tensor::<Autodiff<B>, 1>::from_floats(values, device).reshape(shape);
        let means = tensor(&means).require_grad();
        let loss = similarity_distill(means.clone(), tensor(targets));
        let gradients = loss.backward();
        let numbers = |tensor: Tensor<B, 1>| tensor.into_data().iter::<f32>().collect::<Vec<_>>();
        let gradient = means.grad(&gradients);
        let gradient = gradient.map(|gradient| numbers(gradient.reshape([-1])));
        let loss = numbers(loss.inner()).first().copied();
        (loss.unwrap_or(f32::NAN), gradient.unwrap_or_default())
    }
}

/// Adam that changes only the rows with a gradient, as PyTorch's `SparseAdam`.
struct SparseAdam {
    width: usize,
    /// The gradient of every row of the step, and the rows that have one.
    gradient: Vec<f32>,
    touched: Vec<u32>,
    is_touched: Vec<bool>,
    /// Running means of gradients and of their squares.
    first: Vec<f32>,
    second: Vec<f32>,
    steps: i32,
}

impl SparseAdam {
    const BETAS: [f32; 2] = [0.9, 0.999];
    const EPSILON: f32 = 1e-8;

    fn new(numbers: usize, width: usize) -> Self {
        Self {
            width,
            gradient: vec![0.0; numbers],
            touched: Vec::new(),
            is_touched: vec![false; numbers / width.max(1)],
            first: vec![0.0; numbers],
            second: vec![0.0; numbers],
            steps: 0,
        }
    }

    /// Adds the gradient for the mean of some rows.
    fn add(&mut self, tokens: &[u32], gradient: &[f32]) {
        let share = 1.0 / tokens.len().max(1) as f32;
        for &token in tokens {
            let row = token as usize;
            if !std::mem::replace(&mut self.is_touched[row], true) {
                self.touched.push(token);
            }
            let own = &mut self.gradient[row * self.width..][..self.width];
            own.iter_mut()
                .zip(gradient)
                .for_each(|(sum, value)| *sum += share * value);
        }
    }

    /// Changes the rows with a gradient, which then have none.
    fn step(&mut self, rows: &mut [f32], rate: f64) {
        self.steps += 1;
        let corrections = Self::BETAS.map(|beta| 1.0 - f64::from(beta).powi(self.steps));
        let size = (rate * corrections[1].sqrt() / corrections[0]) as f32;
        for row in self.touched.drain(..) {
            self.is_touched[row as usize] = false;
            let part = row as usize * self.width..(row as usize + 1) * self.width;
            let means = self.first[part.clone()]
                .iter_mut()
                .zip(&mut self.second[part.clone()]);
            let gradients = &mut self.gradient[part.clone()];
            for ((value, gradient), (first, second)) in
                rows[part].iter_mut().zip(gradients).zip(means)
            {
                let gradient = std::mem::take(gradient);
                *first += (1.0 - Self::BETAS[0]) * (gradient - *first);
                *second += (1.0 - Self::BETAS[1]) * (gradient * gradient - *second);
                *value -= size * *first / (second.sqrt() + Self::EPSILON);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::assert_close;

    #[test]
    fn rows_without_a_gradient_stay_as_in_pytorch() {
        let mut rows = vec![0.5, -0.25, 1.0, 0.75, -0.5, 0.125];
        let mut optimizer = SparseAdam::new(rows.len(), 2);
        let [a, b] = [[0.3, -0.6], [0.9, 0.2]];
        // torch 2.15: SparseAdam after an EmbeddingBag with the mode "mean" and the loss `sum of mean * gradient`.
        type Texts<'a> = &'a [(&'a [u32], [f32; 2])];
        let steps: [(f64, Texts<'_>, [f32; 6]); 3] = [
            (
                0.1,
                &[(&[0, 1], a), (&[1], b)],
                [
                    0.400_000_2,
                    -0.150_000_13,
                    0.900_000_04,
                    0.849_999_67,
                    -0.5,
                    0.125,
                ],
            ),
            (
                0.05,
                &[(&[2], [0.6, -1.2])],
                [
                    0.400_000_2,
                    -0.150_000_13,
                    0.900_000_04,
                    0.849_999_67,
                    -0.537_206_8,
                    0.162_206_83,
                ],
            ),
            (
                0.025,
                &[(&[0, 2], [-0.9, -0.2])],
                [
                    0.410_606_3,
                    -0.131_305_75,
                    0.900_000_04,
                    0.849_999_67,
                    -0.539_123_9,
                    0.177_864_52,
                ],
            ),
        ];
        for (rate, texts, expected) in steps {
            for (tokens, gradient) in texts {
                optimizer.add(tokens, gradient);
            }
            optimizer.step(&mut rows, rate);
            assert_close("rows", &rows, &expected, 2e-6);
        }
    }
}
