//! Gradient checkpointing: the forward pass keeps the input of every layer, and the backward pass
//! computes each layer again.
//!
//! burn's own strategy (`Autodiff<B, BalancedCheckpointing>`) recomputes single element-wise
//! operations and keeps every matrix product; here the activations of one layer live at a time.

use burn::optim::{GradientsAccumulator, GradientsParams};
use burn::tensor::Tensor;
use burn::tensor::backend::Backend;
use model::attention::AttentionContext;
use model::{EncoderOps, MpNet, SentenceModel, TokenBatch, TrainingBackend};

use super::lane::{Dropping, is_trainable};
use crate::random::mix;

/// What the forward pass keeps.
pub(super) struct LayerInputs<B: Backend> {
    /// The input of every layer, and the output of the last: `[rows, hidden]` each, as
    /// [`MpNet::embed_batch`] lays them.
    states: Vec<Tensor<B, 2>>,
}

/// The vectors of a chunk, without a graph behind them.
pub(super) fn forward<B: EncoderOps>(
    model: &SentenceModel<B>,
    tokens: &TokenBatch,
    seed: u64,
    dropping: Dropping,
) -> (Tensor<B, 2>, LayerInputs<B>) {
    let network = &model.network;
    let device = network.device();
    let bias = network.position_bias(tokens.length());
    let (hidden, context) =
        dropping.run::<B, _>(mix(seed, 0), &device, || network.embed_batch(tokens, bias));
    let mut states = vec![hidden];
    for (index, layer) in network.layers().iter().enumerate() {
        let input = states[index].clone();
        let output = dropping.run::<B, _>(mix(seed, index as u64 + 1), &device, || {
            layer.forward(input, &context)
        });
        states.push(output);
    }
    let last = states[network.layers().len()].clone();
    let vectors = model.batch_vectors(last, tokens);
    (vectors, LayerInputs { states })
}

/// The gradients of all parameters, from those of the vectors, `[batch, width]`.
pub(super) fn backward<B: TrainingBackend>(
    model: &SentenceModel<B>,
    tokens: &TokenBatch,
    LayerInputs { mut states }: LayerInputs<B::InnerBackend>,
    of_vectors: Tensor<B::InnerBackend, 2>,
    seed: u64,
    dropping: Dropping,
) -> GradientsParams {
    let network = &model.network;
    let device = network.device();
    let mut sum = GradientsAccumulator::<MpNet<B>>::new();

    let Some(last) = states.pop() else {
        return sum.grads();
    };
    let hidden = Tensor::<B, 2>::from_inner(last).require_grad();
    let vectors = model.batch_vectors(hidden.clone(), tokens);
    let mut of_hidden = gradient(&hidden, &mut pull(vectors, of_vectors).backward());

    // The bias is one tensor for all layers: its gradient is a sum over them.
    let trains_bias = is_trainable::<B, _>(network.relative_bias());
    let bias = network.position_bias(tokens.length());
    let layout = network.layout(tokens);
    let mut of_bias: Option<Tensor<B::InnerBackend, 4>> = None;
    let lowest = lowest_trainable(network);
    for (index, layer) in network.layers().iter().enumerate().rev() {
        let Some(input) = states.pop() else { break };
        if index < lowest {
            break;
        }
        let input = Tensor::<B, 2>::from_inner(input).require_grad();
        let bias = bias.clone().detach();
        let bias = if trains_bias {
            bias.require_grad()
        } else {
            bias
        };
        let context = AttentionContext {
            bias: bias.clone(),
            layout: layout.clone(),
        };
        let output = dropping.run::<B, _>(mix(seed, index as u64 + 1), &device, || {
            layer.forward(input.clone(), &context)
        });
        let mut gradients = pull(output, of_hidden).backward();
        of_hidden = gradient(&input, &mut gradients);
        if let Some(of_layer) = bias.grad_remove(&mut gradients) {
            of_bias = Some(match of_bias {
                Some(sum) => sum + of_layer,
                None => of_layer,
            });
        }
        let of_parameters = GradientsParams::from_module::<B, _>(&mut gradients, layer);
        sum.accumulate(network, of_parameters);
    }

    let mut below: Vec<Tensor<B, 1>> = Vec::new();
    if is_trainable::<B, _>(network.embeddings()) {
        let (hidden, _) = dropping.run::<B, _>(mix(seed, 0), &device, || {
            network.embed_batch(tokens, bias.clone().detach())
        });
        below.push(pull(hidden, of_hidden));
    }
    if let Some(of_bias) = of_bias {
        below.push(pull(bias, of_bias));
    }
    if let Some(total) = below.into_iter().reduce(|total, part| total + part) {
        let mut gradients = total.backward();
        let of_parameters = GradientsParams::from_module::<B, _>(&mut gradients, network);
        sum.accumulate(network, of_parameters);
    }
    sum.grads()
}

/// A number whose gradient for what `output` depends on is that of `output` times `gradient`.
pub(super) fn pull<B: TrainingBackend, const D: usize>(
    output: Tensor<B, D>,
    gradient: Tensor<B::InnerBackend, D>,
) -> Tensor<B, 1> {
    (output * Tensor::from_inner(gradient)).sum()
}

/// The gradient of a leaf, zero where nothing depends on it.
fn gradient<B: TrainingBackend, const D: usize>(
    leaf: &Tensor<B, D>,
    gradients: &mut B::Gradients,
) -> Tensor<B::InnerBackend, D> {
    leaf.grad_remove(gradients)
        .unwrap_or_else(|| leaf.clone().inner().zeros_like())
}

/// Below this layer nothing is trained, and no gradient needs to go.
fn lowest_trainable<B: TrainingBackend>(network: &MpNet<B>) -> usize {
    if is_trainable::<B, _>(network.embeddings()) || is_trainable::<B, _>(network.relative_bias()) {
        return 0;
    }
    let layers = network.layers();
    layers
        .iter()
        .position(is_trainable::<B, _>)
        .unwrap_or(layers.len())
}
