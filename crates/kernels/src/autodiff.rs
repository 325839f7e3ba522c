//! The operations under autodiff: each is one node of the graph, with the backend's own forward and backward pass.
//!
//! Derived from the reference implementations, a layer's operations would be some seventy nodes, each with tensors that are
//! written, kept and read again. These nodes keep only their input. (A whole layer takes packed weights, for which there
//! are no gradients, so it has its reference implementation.)

mod attention;

use burn::backend::Autodiff;
use burn::backend::autodiff::checkpoint::base::Checkpointer;
use burn::backend::autodiff::checkpoint::strategy::CheckpointStrategy;
use burn::backend::autodiff::grads::Gradients;
use burn::backend::autodiff::ops::{Backward, Ops, OpsKind, unary};
use burn::tensor::backend::Backend;
use burn::tensor::ops::FloatTensor;
use burn::tensor::{Tensor, TensorPrimitive};
use cpu_kernels::{Activation, DropoutMask, Precision, RotaryTable};

use crate::attention_options::AttentionOptions;
use crate::encoder_ops::EncoderOps;
use crate::reference;
use crate::sequences::SequenceRanges;
use crate::weights::{LayerNormWeights, LinearWeights};

impl<B: EncoderOps, C: CheckpointStrategy> EncoderOps for Autodiff<B, C> {
    const VARLEN: bool = B::VARLEN;
    const THREADS_SHARE_A_DEVICE: bool = B::THREADS_SHARE_A_DEVICE;

    fn matmul_uses_tf32() -> bool {
        B::matmul_uses_tf32()
    }

    /// Gradients are float32.
    fn precisions(_: &Self::Device) -> Vec<Precision> {
        vec![Precision::Float32]
    }

    fn exact_matmul<const D: usize>(
        left: Tensor<Self, D>,
        right: Tensor<Self, D>,
    ) -> Tensor<Self, D> {
        if !B::matmul_uses_tf32() {
            return left.matmul(right);
        }
        matmul_node(left, right)
    }

    fn linear(
        input: Tensor<Self, 2>,
        weights: LinearWeights<Self>,
        activation: Activation,
    ) -> Tensor<Self, 2> {
        let LinearWeights::Unpacked { weight, bias } = weights else {
            return reference::linear(input, weights, activation);
        };
        let (input, weight, bias) = (primitive(input), primitive(weight), primitive(bias));
        let inner = LinearWeights::Unpacked {
            weight: tensor(weight.primitive.clone()),
            bias: tensor(bias.primitive.clone()),
        };
        let sum = tensor(input.primitive.clone());
        let sum = <B as EncoderOps>::linear(sum, inner, Activation::Identity);
        // Each is only needed for the gradient of the other.
        let state = LinearState {
            input: weight.is_tracked().then(|| input.primitive.clone()),
            weight: input.is_tracked().then(|| weight.primitive.clone()),
        };
        let parents = [input.node.clone(), weight.node.clone(), bias.node.clone()];
        let node = Linear.prepare::<C>(parents).compute_bound();
        let sum = tensor(match node.stateful() {
            OpsKind::Tracked(node) => node.finish(state, primitive(sum)),
            OpsKind::UnTracked(node) => node.finish(primitive(sum)),
        });
        // A separate node: its backward pass needs the sum.
        <Self as EncoderOps>::activation(sum, activation)
    }

    fn activation(values: Tensor<Self, 2>, activation: Activation) -> Tensor<Self, 2> {
        if activation == Activation::Identity {
            return values;
        }
        let values = primitive(values);
        let output = <B as EncoderOps>::activation(tensor(values.primitive.clone()), activation);
        let node = Activated
            .prepare::<C>([values.node.clone()])
            .compute_bound();
        tensor(match node.stateful() {
            OpsKind::Tracked(node) => {
                node.finish((values.primitive, activation), primitive(output))
            }
            OpsKind::UnTracked(node) => node.finish(primitive(output)),
        })
    }

    fn rotary(
        values: Tensor<Self, 2>,
        table: &RotaryTable,
        sequences: &SequenceRanges,
    ) -> Tensor<Self, 2> {
        let values = primitive(values);
        let output = B::rotary(tensor(values.primitive), table, sequences);
        let node = Rotary.prepare::<C>([values.node.clone()]).compute_bound();
        tensor(match node.stateful() {
            OpsKind::Tracked(node) => {
                node.finish((table.clone(), sequences.clone()), primitive(output))
            }
            OpsKind::UnTracked(node) => node.finish(primitive(output)),
        })
    }

    fn layer_norm(values: Tensor<Self, 2>, norm: LayerNormWeights<Self>) -> Tensor<Self, 2> {
        let (values, gamma, beta) = (
            primitive(values),
            primitive(norm.gamma),
            primitive(norm.beta),
        );
        let epsilon = norm.epsilon;
        let inner = LayerNormWeights {
            gamma: tensor(gamma.primitive.clone()),
            beta: tensor(beta.primitive.clone()),
            epsilon,
        };
        let output = <B as EncoderOps>::layer_norm(tensor(values.primitive.clone()), inner);
        let parents = [values.node.clone(), gamma.node.clone(), beta.node.clone()];
        let node = LayerNorm.prepare::<C>(parents).compute_bound();
        tensor(match node.stateful() {
            OpsKind::Tracked(node) => {
                let state = LayerNormState {
                    values: values.primitive,
                    gamma: gamma.primitive,
                    beta: beta.primitive,
                    epsilon,
                };
                node.finish(state, primitive(output))
            }
            OpsKind::UnTracked(node) => node.finish(primitive(output)),
        })
    }

    fn varlen_attention(
        query_key_value: [Tensor<Self, 2>; 3],
        options: AttentionOptions<Self>,
        sequences: &SequenceRanges,
        dropout: Option<DropoutMask>,
        precision: Precision,
    ) -> Tensor<Self, 2> {
        attention::varlen_attention(query_key_value, options, sequences, dropout, precision)
    }

    fn dropout<const D: usize>(values: Tensor<Self, D>, mask: DropoutMask) -> Tensor<Self, D> {
        let values = primitive(values);
        let output = B::dropout(tensor::<B, D>(values.primitive), mask);
        let node = Dropout::<D>
            .prepare::<C>([values.node.clone()])
            .compute_bound();
        tensor(match node.stateful() {
            OpsKind::Tracked(node) => node.finish(mask, primitive(output)),
            OpsKind::UnTracked(node) => node.finish(primitive(output)),
        })
    }
}

/// A matmul as one node, whose backward pass is two matmuls of the backend.
pub(crate) fn matmul_node<B: EncoderOps, C: CheckpointStrategy, const D: usize>(
    left: Tensor<Autodiff<B, C>, D>,
    right: Tensor<Autodiff<B, C>, D>,
) -> Tensor<Autodiff<B, C>, D> {
    let (left, right) = (primitive(left), primitive(right));
    let output = B::exact_matmul::<D>(
        tensor(left.primitive.clone()),
        tensor(right.primitive.clone()),
    );
    // Each is only needed for the gradient of the other.
    let state = MatmulState {
        left: right.is_tracked().then(|| left.primitive.clone()),
        right: left.is_tracked().then(|| right.primitive.clone()),
    };
    let parents = [left.node.clone(), right.node.clone()];
    let node = ExactMatmul::<D>.prepare::<C>(parents).compute_bound();
    tensor(match node.stateful() {
        OpsKind::Tracked(node) => node.finish(state, primitive(output)),
        OpsKind::UnTracked(node) => node.finish(primitive(output)),
    })
}

fn primitive<B: Backend, const D: usize>(tensor: Tensor<B, D>) -> FloatTensor<B> {
    tensor.into_primitive().tensor()
}

fn tensor<B: Backend, const D: usize>(primitive: FloatTensor<B>) -> Tensor<B, D> {
    Tensor::from_primitive(TensorPrimitive::Float(primitive))
}

#[derive(Debug)]
struct ExactMatmul<const D: usize>;

#[derive(Clone, Debug)]
struct MatmulState<T> {
    left: Option<T>,
    right: Option<T>,
}

impl<B: EncoderOps, const D: usize> Backward<B, 2> for ExactMatmul<D> {
    type State = MatmulState<FloatTensor<B>>;

    fn backward(self, ops: Ops<Self::State, 2>, gradients: &mut Gradients, _: &mut Checkpointer) {
        let gradient = tensor::<B, D>(gradients.consume::<B>(&ops.node));
        let [of_left, of_right] = ops.parents;
        if let (Some(parent), Some(right)) = (of_left, ops.state.right) {
            let found = B::exact_matmul(gradient.clone(), tensor::<B, D>(right).transpose());
            gradients.register::<B>(parent.id, primitive(found));
        }
        if let (Some(parent), Some(left)) = (of_right, ops.state.left) {
            let found = B::exact_matmul(tensor::<B, D>(left).transpose(), gradient);
            gradients.register::<B>(parent.id, primitive(found));
        }
    }
}

#[derive(Debug)]
struct Linear;

#[derive(Clone, Debug)]
struct LinearState<T> {
    input: Option<T>,
    weight: Option<T>,
}

impl<B: EncoderOps> Backward<B, 3> for Linear {
    type State = LinearState<FloatTensor<B>>;

    fn backward(self, ops: Ops<Self::State, 3>, gradients: &mut Gradients, _: &mut Checkpointer) {
        let gradient = gradients.consume::<B>(&ops.node);
        let [of_input, of_weight, of_bias] = ops.parents;
        let of = B::linear_backward(
            ops.state.input.map(tensor),
            ops.state.weight.map(tensor),
            tensor(gradient),
        );
        let found = [
            (of_input, of.input.map(primitive)),
            (of_weight, of.weight.map(primitive)),
            (of_bias, Some(primitive(of.bias))),
        ];
        for (parent, gradient) in found {
            if let (Some(parent), Some(gradient)) = (parent, gradient) {
                gradients.register::<B>(parent.id, gradient);
            }
        }
    }
}

#[derive(Debug)]
struct Activated;

impl<B: EncoderOps> Backward<B, 1> for Activated {
    /// The input.
    type State = (FloatTensor<B>, Activation);

    fn backward(self, ops: Ops<Self::State, 1>, gradients: &mut Gradients, _: &mut Checkpointer) {
        let (values, activation) = ops.state;
        unary::<B, _>(ops.parents, ops.node, gradients, |gradient| {
            let gradient = B::activation_backward(tensor(values), tensor(gradient), activation);
            primitive(gradient)
        });
    }
}

#[derive(Debug)]
struct Rotary;

impl<B: EncoderOps> Backward<B, 1> for Rotary {
    type State = (RotaryTable, SequenceRanges);

    fn backward(self, ops: Ops<Self::State, 1>, gradients: &mut Gradients, _: &mut Checkpointer) {
        let (table, sequences) = ops.state;
        unary::<B, _>(ops.parents, ops.node, gradients, |gradient| {
            primitive(B::rotary_backward(tensor(gradient), &table, &sequences))
        });
    }
}

#[derive(Debug)]
struct Dropout<const D: usize>;

impl<B: EncoderOps, const D: usize> Backward<B, 1> for Dropout<D> {
    type State = DropoutMask;

    fn backward(self, ops: Ops<Self::State, 1>, gradients: &mut Gradients, _: &mut Checkpointer) {
        unary::<B, _>(ops.parents, ops.node, gradients, |gradient| {
            primitive(B::dropout(tensor::<B, D>(gradient), ops.state))
        });
    }
}

#[derive(Debug)]
struct LayerNorm;

#[derive(Clone, Debug)]
struct LayerNormState<T> {
    values: T,
    gamma: T,
    beta: T,
    epsilon: f64,
}

impl<B: EncoderOps> Backward<B, 3> for LayerNorm {
    type State = LayerNormState<FloatTensor<B>>;

    fn backward(self, ops: Ops<Self::State, 3>, gradients: &mut Gradients, _: &mut Checkpointer) {
        let gradient = gradients.consume::<B>(&ops.node);
        let state = ops.state;
        let norm = LayerNormWeights {
            gamma: tensor(state.gamma),
            beta: tensor(state.beta),
            epsilon: state.epsilon,
        };
        let of = B::layer_norm_backward(tensor(state.values), norm, tensor(gradient));
        let found = [
            primitive(of.values),
            primitive(of.gamma),
            primitive(of.beta),
        ];
        for (parent, gradient) in ops.parents.into_iter().zip(found) {
            if let Some(parent) = parent {
                gradients.register::<B>(parent.id, gradient);
            }
        }
    }
}
