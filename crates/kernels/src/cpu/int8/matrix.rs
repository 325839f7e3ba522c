//! Weights as whole numbers of eight bits, with a scale for every output.

/// The largest magnitude of a weight. Not 128: the numbers are then symmetric, and nothing is
/// clipped.
pub(super) const LARGEST_WEIGHT: f32 = 127.0;

/// A weight matrix of eight-bit whole numbers: weight `[output][input]` is
/// `values[output * input_width + input] * scales[output]`.
///
/// The order is that of a PyTorch checkpoint (an output's weights stand together), and of the tensors
/// `weight` and `weight_scale` that the compressed-tensors convention stores.
#[derive(Clone, Debug, PartialEq)]
pub struct Int8Matrix {
    values: Vec<i8>,
    scales: Vec<f32>,
    input: usize,
}

impl Int8Matrix {
    /// The matrix of these values, `[outputs, input]` row-major, and scales, one an output; `None`
    /// when their numbers do not fit each other.
    #[must_use]
    pub fn new(values: Vec<i8>, scales: Vec<f32>, input: usize) -> Option<Self> {
        (scales.len().checked_mul(input) == Some(values.len())).then_some(Self {
            values,
            scales,
            input,
        })
    }

    /// Rounds `[outputs, input]`, row-major, to the nearest multiples of each output's largest
    /// weight / 127.
    ///
    /// An output whose weights are not all finite gets a scale that is not a number.
    ///
    /// # Panics
    ///
    /// When `weights` does not hold whole rows.
    #[must_use]
    pub fn quantize(weights: &[f32], input: usize) -> Self {
        assert_eq!(weights.len() % input.max(1), 0, "whole rows");
        let mut matrix = Self {
            values: Vec::with_capacity(weights.len()),
            scales: Vec::new(),
            input,
        };
        for row in weights.chunks_exact(input.max(1)) {
            let scale = scale_of(row.iter().copied());
            matrix.scales.push(scale);
            let inverse = inverse(scale);
            matrix
                .values
                .extend(row.iter().map(|&weight| round(weight, inverse)));
        }
        matrix
    }

    /// As [`quantize`](Self::quantize), of `[input, outputs]`, row-major.
    ///
    /// # Panics
    ///
    /// When `weights` does not hold whole rows.
    #[must_use]
    pub fn quantize_transposed(weights: &[f32], outputs: usize) -> Self {
        assert_eq!(weights.len() % outputs.max(1), 0, "whole rows");
        let input = weights.len() / outputs.max(1);
        let column = |output: usize| weights.iter().skip(output).step_by(outputs.max(1)).copied();
        let scales: Vec<f32> = (0..outputs)
            .map(|output| scale_of(column(output)))
            .collect();
        let values = scales.iter().enumerate().flat_map(|(output, &scale)| {
            let inverse = inverse(scale);
            column(output).map(move |weight| round(weight, inverse))
        });
        Self {
            values: values.collect(),
            input,
            scales,
        }
    }

    /// The values, `[outputs, input]`.
    #[must_use]
    pub fn values(&self) -> &[i8] {
        &self.values
    }

    /// What each output's values are multiples of.
    #[must_use]
    pub fn scales(&self) -> &[f32] {
        &self.scales
    }

    /// Width of the rows that go in.
    #[must_use]
    pub fn input(&self) -> usize {
        self.input
    }

    /// The weights as float32, `[outputs, input]`.
    #[must_use]
    pub fn dequantize(&self) -> Vec<f32> {
        let rows = self.values.chunks_exact(self.input.max(1));
        rows.zip(&self.scales)
            .flat_map(|(row, scale)| row.iter().map(move |&value| f32::from(value) * scale))
            .collect()
    }
}

fn scale_of(weights: impl Iterator<Item = f32>) -> f32 {
    let (mut largest, mut finite) = (0.0f32, 0.0f32);
    for weight in weights {
        largest = largest.max(weight.abs());
        // Not a number if the weight is not finite.
        finite += weight * 0.0;
    }
    largest / LARGEST_WEIGHT + finite
}

/// What weights are multiplied with; 0 where all are as good as 0 (or not finite).
fn inverse(scale: f32) -> f32 {
    if scale >= f32::MIN_POSITIVE {
        1.0 / scale
    } else {
        0.0
    }
}

fn round(weight: f32, inverse: f32) -> i8 {
    // Conversion saturates, and makes 0 of what is not a number.
    (weight * inverse).round_ties_even() as i8
}
