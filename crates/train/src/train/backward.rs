//! Gradient checkpointing: the forward pass keeps the input of every layer, and the backward pass
//! computes each layer again.
//!
//! burn's strategy (`Autodiff<B, BalancedCheckpointing>`) recomputes only element-wise operations and
//! keeps the result of every matmul. This one holds the activations of one layer at a time.

use burn::module::{AutodiffModule, ModuleVisitor, Param};
use burn::optim::{GradientsAccumulator, GradientsParams};
use burn::tensor::Tensor;
use burn::tensor::backend::Backend;
use model::MpNet;
use model::backend::{EncoderOps, TrainingBackend};
use model::parts::AttentionContext;
use model::parts::{SentenceModel, TokenBatch};

use super::dropout::DropoutRng;
use crate::random::derive_seed;

/// Activations that the forward pass keeps.
pub(super) struct LayerInputs<B: Backend> {
    /// The input of every layer, and the output of the last: `[rows, hidden]` each, in
    /// the layout of [`MpNet::embed_batch`].
    states: Vec<Tensor<B, 2>>,
}

/// The vectors of a micro-batch, without an autodiff graph.
pub(super) fn forward<B: EncoderOps>(
    model: &SentenceModel<B>,
    tokens: &TokenBatch,
    seed: u64,
    dropout_rng: DropoutRng,
) -> (Tensor<B, 2>, LayerInputs<B>) {
    let network = &model.network;
    let device = network.device();
    let bias = network.position_bias(tokens.length());
    let (hidden, context) = dropout_rng.run::<B, _>(derive_seed(seed, 0), &device, || {
        network.embed_batch(tokens, bias)
    });
    let mut states = vec![hidden];
    for (index, layer) in network.layers().iter().enumerate() {
        let input = states[index].clone();
        let output = dropout_rng.run::<B, _>(derive_seed(seed, index as u64 + 1), &device, || {
            layer.forward(input, &context)
        });
        states.push(output);
    }
    let layers = network.layers().len();
    let last = states[layers].clone();
    let vectors = dropout_rng.run::<B, _>(derive_seed(seed, layers as u64 + 1), &device, || {
        model.batch_vectors(last, tokens)
    });
    (vectors, LayerInputs { states })
}

/// The gradients of all parameters, from those of the vectors, `[batch, width]`.
pub(super) fn backward<B: TrainingBackend>(
    model: &SentenceModel<B>,
    tokens: &TokenBatch,
    LayerInputs { mut states }: LayerInputs<B::InnerBackend>,
    of_vectors: Tensor<B::InnerBackend, 2>,
    seed: u64,
    dropout_rng: DropoutRng,
) -> GradientsParams {
    let network = &model.network;
    let device = network.device();
    let mut sum = GradientsAccumulator::<SentenceModel<B>>::new();

    let Some(last) = states.pop() else {
        return sum.grads();
    };
    let hidden = Tensor::<B, 2>::from_inner(last).require_grad();
    // A module after the pooling may drop, too.
    let of_modules = derive_seed(seed, network.layers().len() as u64 + 1);
    let vectors = dropout_rng.run::<B, _>(of_modules, &device, || {
        model.batch_vectors(hidden.clone(), tokens)
    });
    let mut gradients = vector_jacobian_product(vectors, of_vectors).backward();
    let mut of_hidden = gradient(&hidden, &mut gradients);
    // Of what follows the last layer, the head of a cross-encoder included.
    let of_parameters = GradientsParams::from_module::<B, _>(&mut gradients, model);
    sum.accumulate(model, of_parameters);

    // All layers share the bias, so its gradient is the sum over the layers.
    let trains_bias = network.relative_bias().is_some_and(is_trainable::<B, _>);
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
        let bias = bias.clone().map(|bias| {
            let bias = bias.detach();
            if trains_bias {
                bias.require_grad()
            } else {
                bias
            }
        });
        let context = AttentionContext {
            bias: bias.clone(),
            layout: layout.clone(),
        };
        let output = dropout_rng.run::<B, _>(derive_seed(seed, index as u64 + 1), &device, || {
            layer.forward(input.clone(), &context)
        });
        let mut gradients = vector_jacobian_product(output, of_hidden).backward();
        of_hidden = gradient(&input, &mut gradients);
        if let Some(of_layer) = bias.and_then(|bias| bias.grad_remove(&mut gradients)) {
            of_bias = Some(match of_bias {
                Some(sum) => sum + of_layer,
                None => of_layer,
            });
        }
        let of_parameters = GradientsParams::from_module::<B, _>(&mut gradients, layer);
        sum.accumulate(model, of_parameters);
    }

    let mut below: Vec<Tensor<B, 1>> = Vec::new();
    if is_trainable::<B, _>(network.embeddings()) {
        let (hidden, _) = dropout_rng.run::<B, _>(derive_seed(seed, 0), &device, || {
            network.embed_batch(tokens, bias.clone().map(Tensor::detach))
        });
        below.push(vector_jacobian_product(hidden, of_hidden));
    }
    if let (Some(bias), Some(of_bias)) = (bias, of_bias) {
        below.push(vector_jacobian_product(bias, of_bias));
    }
    if let Some(total) = below.into_iter().reduce(|total, part| total + part) {
        let mut gradients = total.backward();
        let of_parameters = GradientsParams::from_module::<B, _>(&mut gradients, network);
        sum.accumulate(model, of_parameters);
    }
    sum.grads()
}

/// A scalar whose backward pass computes the vector-Jacobian product of `output` with `gradient`.
pub(super) fn vector_jacobian_product<B: TrainingBackend, const D: usize>(
    output: Tensor<B, D>,
    gradient: Tensor<B::InnerBackend, D>,
) -> Tensor<B, 1> {
    (output * Tensor::from_inner(gradient)).sum()
}

/// The gradient of a leaf, zero if nothing depends on it.
fn gradient<B: TrainingBackend, const D: usize>(
    leaf: &Tensor<B, D>,
    gradients: &mut B::Gradients,
) -> Tensor<B::InnerBackend, D> {
    leaf.grad_remove(gradients)
        .unwrap_or_else(|| leaf.clone().inner().zeros_like())
}

/// The lowest layer with a trainable parameter at or below it: the backward pass ends there.
fn lowest_trainable<B: TrainingBackend>(network: &MpNet<B>) -> usize {
    let of_bias = network.relative_bias().is_some_and(is_trainable::<B, _>);
    if of_bias || is_trainable::<B, _>(network.embeddings()) {
        return 0;
    }
    let layers = network.layers();
    layers
        .iter()
        .position(is_trainable::<B, _>)
        .unwrap_or(layers.len())
}

/// Whether any parameter of `module` is trainable.
fn is_trainable<B: TrainingBackend, M: AutodiffModule<B>>(module: &M) -> bool {
    struct Any(bool);
    impl<B: EncoderOps> ModuleVisitor<B> for Any {
        fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<B, D>>) {
            self.0 |= param.is_require_grad();
        }
    }
    let mut any = Any(false);
    module.visit(&mut any);
    any.0
}
