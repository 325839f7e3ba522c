//! Pooling: from the hidden states of a text's tokens to one vector.
//!
//! The formulas are those of sentence-transformers' `Pooling` module.

use burn::tensor::backend::Backend;
use burn::tensor::{Bool, Tensor};
use kernels::SequenceRanges;

/// How the token vectors of a text become one vector.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum PoolingMode {
    /// The vector of the first token, `<s>` or `[CLS]`.
    Cls,
    /// The largest value in every dimension.
    Max,
    /// The mean over the tokens.
    Mean,
    /// The sum over the tokens divided by the square root of their number.
    MeanSqrtLength,
    /// The mean over the tokens, each weighted with its number in the text, from 1 on.
    WeightedMean,
    /// The vector of the last token.
    LastToken,
}

impl PoolingMode {
    /// Every mode, in the order in which sentence-transformers joins them.
    pub const ALL: [Self; 6] = [
        Self::Cls,
        Self::Max,
        Self::Mean,
        Self::MeanSqrtLength,
        Self::WeightedMean,
        Self::LastToken,
    ];

    /// The name that sentence-transformers 5.7 and later write as `pooling_mode`.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Cls => "cls",
            Self::Max => "max",
            Self::Mean => "mean",
            Self::MeanSqrtLength => "mean_sqrt_len_tokens",
            Self::WeightedMean => "weightedmean",
            Self::LastToken => "lasttoken",
        }
    }

    /// The flag by which older sentence-transformers name it.
    #[must_use]
    pub fn flag(self) -> &'static str {
        match self {
            Self::Cls => "pooling_mode_cls_token",
            Self::Max => "pooling_mode_max_tokens",
            Self::Mean => "pooling_mode_mean_tokens",
            Self::MeanSqrtLength => "pooling_mode_mean_sqrt_len_tokens",
            Self::WeightedMean => "pooling_mode_weightedmean_tokens",
            Self::LastToken => "pooling_mode_lasttoken",
        }
    }

    fn pool<B: Backend>(
        self,
        hidden: &Tensor<B, 3>,
        mask: Option<&Tensor<B, 2, Bool>>,
        left_out: usize,
    ) -> Tensor<B, 2> {
        let [batch, length, width] = hidden.dims();
        match self {
            Self::Cls => {
                let first = hidden
                    .clone()
                    .slice([0..batch, 0..1])
                    .reshape([batch, width]);
                zero_without_tokens(first, mask)
            }
            Self::Max => {
                let kept = match mask {
                    Some(mask) => hidden
                        .clone()
                        .mask_fill(padding(mask, width), f32::NEG_INFINITY),
                    None => hidden.clone(),
                };
                zero_without_tokens(kept.max_dim(1).reshape([batch, width]), mask)
            }
            Self::Mean => token_sum(hidden, mask) / token_count(hidden, mask),
            Self::MeanSqrtLength => token_sum(hidden, mask) / token_count(hidden, mask).sqrt(),
            Self::WeightedMean => {
                let device = hidden.device();
                let numbers = left_out as i64 + 1..(left_out + length) as i64 + 1;
                let numbers = Tensor::arange(numbers, &device).float();
                let weights = numbers.reshape([1, length, 1]).expand([batch, length, 1]);
                token_sum(&(hidden.clone() * weights.clone()), mask) / weight_sum(weights, mask)
            }
            Self::LastToken => match mask {
                None => hidden
                    .clone()
                    .slice([0..batch, length - 1..length])
                    .reshape([batch, width]),
                Some(mask) => token_sum(hidden, Some(&last_tokens(mask))),
            },
        }
    }
}

/// True at the padding: `[batch, length, width]`.
fn padding<B: Backend>(mask: &Tensor<B, 2, Bool>, width: usize) -> Tensor<B, 3, Bool> {
    let [batch, length] = mask.dims();
    mask.clone()
        .bool_not()
        .reshape([batch, length, 1])
        .expand([batch, length, width])
}

/// Zeros for the texts without a token, whose hidden states are not numbers: `[batch, width]` in and
/// out. Tokens come before padding, so such a text has padding in the first place.
fn zero_without_tokens<B: Backend>(
    pooled: Tensor<B, 2>,
    mask: Option<&Tensor<B, 2, Bool>>,
) -> Tensor<B, 2> {
    let Some(mask) = mask else {
        return pooled;
    };
    let [batch, width] = pooled.dims();
    let empty = mask.clone().slice([0..batch, 0..1]).bool_not();
    pooled.mask_fill(empty.expand([batch, width]), 0.0)
}

/// Sum over the tokens: `[batch, width]`.
fn token_sum<B: Backend>(hidden: &Tensor<B, 3>, mask: Option<&Tensor<B, 2, Bool>>) -> Tensor<B, 2> {
    let [batch, _, width] = hidden.dims();
    let kept = match mask {
        Some(mask) => hidden.clone().mask_fill(padding(mask, width), 0.0),
        None => hidden.clone(),
    };
    kept.sum_dim(1).reshape([batch, width])
}

/// Number of tokens: `[batch, 1]`.
fn token_count<B: Backend>(
    hidden: &Tensor<B, 3>,
    mask: Option<&Tensor<B, 2, Bool>>,
) -> Tensor<B, 2> {
    let [batch, length, _] = hidden.dims();
    match mask {
        Some(mask) => mask.clone().float().sum_dim(1),
        None => Tensor::full([batch, 1], length as f32, &hidden.device()),
    }
    // As sentence-transformers: a text without a token gives zeros.
    .clamp_min(1e-9)
}

/// Sum of the tokens' weights, `[batch, length, 1]`: `[batch, 1]`.
fn weight_sum<B: Backend>(
    weights: Tensor<B, 3>,
    mask: Option<&Tensor<B, 2, Bool>>,
) -> Tensor<B, 2> {
    token_sum(&weights, mask).clamp_min(1e-9)
}

/// True at the last token of each text, in a mask whose tokens come before the padding: `[batch, length]`.
fn last_tokens<B: Backend>(mask: &Tensor<B, 2, Bool>) -> Tensor<B, 2, Bool> {
    let [batch, length] = mask.dims();
    let numbers = Tensor::arange(1..length as i64 + 1, &mask.device());
    let numbers = numbers.unsqueeze::<2>().expand([batch, length]);
    let count = mask.clone().int().sum_dim(1).expand([batch, length]);
    numbers.equal(count)
}

/// Pools with every given mode and joins the results: `[batch, modes * hidden]`. A text without a token
/// gives zeros.
///
/// # Shapes
///
/// - `hidden`: `[batch, length, hidden]`
/// - `mask`: `[batch, length]`, true for the tokens of the text; `None` when nothing is padded
///
/// `left_out` tokens of every text, those of a prompt, come before these.
pub(crate) fn pool<B: Backend>(
    modes: &[PoolingMode],
    hidden: &Tensor<B, 3>,
    mask: Option<&Tensor<B, 2, Bool>>,
    left_out: usize,
) -> Tensor<B, 2> {
    let pooled = modes.iter().map(|mode| mode.pool(hidden, mask, left_out));
    Tensor::cat(pooled.collect(), 1)
}

/// As [`pool`], for a varlen batch: `[tokens, hidden]` in, `[texts, modes * hidden]` out. The first `prompt`
/// tokens of each text are left out; a text without a token gives zeros.
pub(crate) fn pool_varlen<B: Backend>(
    modes: &[PoolingMode],
    hidden: &Tensor<B, 2>,
    texts: &SequenceRanges,
    prompt: usize,
) -> Tensor<B, 2> {
    let [_, width] = hidden.dims();
    let rows = texts.ranges().iter().map(|text| {
        if text.len() <= prompt {
            return Tensor::zeros([1, modes.len() * width], &hidden.device());
        }
        let text = text.start + prompt..text.end;
        let hidden = hidden.clone().slice([text, 0..width]);
        pool(modes, &hidden.unsqueeze::<3>(), None, prompt)
    });
    let rows: Vec<Tensor<B, 2>> = rows.collect();
    if rows.is_empty() {
        return Tensor::empty([0, modes.len() * width], &hidden.device());
    }
    Tensor::cat(rows, 0)
}

#[cfg(test)]
mod tests {
    use burn::tensor::TensorData;
    use kernels::EncoderOps;

    use super::*;
    use crate::test_device::on_test_device;
    use crate::testing::assert_close;

    fn pooled(mode: PoolingMode, masked: bool) -> Vec<f32> {
        let hidden = vec![vec![1.0, -8.0], vec![2.0, -4.0], vec![9.0, 9.0]];
        let mask = masked.then(|| vec![true, true, false]);
        pooled_by(vec![mode], hidden, mask)
    }

    /// Pools the rows of one text.
    fn pooled_by(
        modes: Vec<PoolingMode>,
        hidden: Vec<Vec<f32>>,
        mask: Option<Vec<bool>>,
    ) -> Vec<f32> {
        fn body<B: EncoderOps>(
            device: &B::Device,
            modes: Vec<PoolingMode>,
            hidden: Vec<Vec<f32>>,
            mask: Option<Vec<bool>>,
        ) -> Vec<f32> {
            let shape = [1, hidden.len(), hidden[0].len()];
            let hidden = TensorData::new(hidden.concat(), shape);
            let hidden = Tensor::<B, 3>::from_data(hidden, device);
            let mask = mask.map(|mask| {
                let shape = [1, mask.len()];
                Tensor::<B, 2, Bool>::from_data(TensorData::new(mask, shape), device)
            });
            let pooled = pool(&modes, &hidden, mask.as_ref(), 0);
            pooled.into_data().to_vec().unwrap()
        }
        on_test_device!(body(
            modes: Vec<PoolingMode>,
            hidden: Vec<Vec<f32>>,
            mask: Option<Vec<bool>>
        ) -> Vec<f32>)
    }

    /// A few additions and one division in f32.
    const TOLERANCE: f32 = 1e-6;

    #[test]
    fn padding_does_not_count() {
        assert_close(&pooled(PoolingMode::Cls, true), &[1.0, -8.0], TOLERANCE);
        assert_close(&pooled(PoolingMode::Max, true), &[2.0, -4.0], TOLERANCE);
        assert_close(&pooled(PoolingMode::Mean, true), &[1.5, -6.0], TOLERANCE);
        let root = 2f32.sqrt();
        assert_close(
            &pooled(PoolingMode::MeanSqrtLength, true),
            &[3.0 / root, -12.0 / root],
            TOLERANCE,
        );
    }

    #[test]
    fn without_a_mask_every_token_counts() {
        assert_close(&pooled(PoolingMode::Cls, false), &[1.0, -8.0], TOLERANCE);
        assert_close(&pooled(PoolingMode::Max, false), &[9.0, 9.0], TOLERANCE);
        assert_close(&pooled(PoolingMode::Mean, false), &[4.0, -1.0], TOLERANCE);
        let root = 3f32.sqrt();
        assert_close(
            &pooled(PoolingMode::MeanSqrtLength, false),
            &[12.0 / root, -3.0 / root],
            TOLERANCE,
        );
    }

    #[test]
    fn a_text_without_a_token_gives_zeros_in_every_mode() {
        // The attention of a padded batch gives such a text hidden states that are not numbers.
        let hidden = vec![vec![f32::NAN, f32::NAN], vec![f32::NAN, 3.0]];
        let mask = Some(vec![false, false]);
        let zeros = vec![0.0; 2 * PoolingMode::ALL.len()];
        assert_eq!(pooled_by(PoolingMode::ALL.to_vec(), hidden, mask), zeros);
    }

    #[test]
    fn several_modes_are_joined() {
        let modes = vec![PoolingMode::Cls, PoolingMode::Max];
        let joined = pooled_by(modes, vec![vec![1.0, 2.0], vec![3.0, 0.0]], None);
        assert_close(&joined, &[1.0, 2.0, 3.0, 2.0], TOLERANCE);
    }
}
