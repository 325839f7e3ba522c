//! Attention as one node: with a bias of four parents, without one of three.

use burn::backend::Autodiff;
use burn::backend::autodiff::NodeId;
use burn::backend::autodiff::checkpoint::base::Checkpointer;
use burn::backend::autodiff::checkpoint::strategy::CheckpointStrategy;
use burn::backend::autodiff::grads::Gradients;
use burn::backend::autodiff::ops::{Backward, Ops, OpsKind};
use burn::tensor::Tensor;
use burn::tensor::backend::Backend;
use burn::tensor::ops::FloatTensor;
use cpu_kernels::{DropoutMask, Precision};

use super::{primitive, tensor};
use crate::attention_options::AttentionOptions;
use crate::encoder_ops::EncoderOps;
use crate::sequences::SequenceRanges;

pub(super) fn varlen_attention<B: EncoderOps, C: CheckpointStrategy>(
    query_key_value: [Tensor<Autodiff<B, C>, 2>; 3],
    options: AttentionOptions<Autodiff<B, C>>,
    sequences: &SequenceRanges,
    dropout: Option<DropoutMask>,
    precision: Precision,
) -> Tensor<Autodiff<B, C>, 2> {
    // These live until their node has a child: until then another thread's backward pass may remove a node without an
    // owner.
    let query_key_value = query_key_value.map(primitive);
    let bias = options.bias.map(primitive);
    let [query, key, value] = query_key_value.each_ref().map(|parent| parent.node.clone());
    let state = AttentionState::<B> {
        query_key_value: query_key_value
            .each_ref()
            .map(|parent| parent.primitive.clone()),
        bias: bias.as_ref().map(|bias| bias.primitive.clone()),
        heads: options.heads,
        scale: options.scale,
        window: options.window,
        sequences: sequences.clone(),
        dropout,
    };
    let output = B::varlen_attention(
        state.query_key_value.clone().map(tensor),
        state.options(),
        sequences,
        dropout,
        precision,
    );
    let output = primitive(output);
    macro_rules! finish {
        ($node:ident, $parents:expr) => {
            match $node.prepare::<C>($parents).compute_bound().stateful() {
                OpsKind::Tracked(node) => node.finish(state, output),
                OpsKind::UnTracked(node) => node.finish(output),
            }
        };
    }
    tensor(match &bias {
        Some(bias) => finish!(WithBias, [query, key, value, bias.node.clone()]),
        None => finish!(WithoutBias, [query, key, value]),
    })
}

#[derive(Debug)]
struct WithBias;

#[derive(Debug)]
struct WithoutBias;

#[derive(Clone, Debug)]
struct AttentionState<B: Backend> {
    query_key_value: [FloatTensor<B>; 3],
    bias: Option<FloatTensor<B>>,
    heads: usize,
    scale: f64,
    window: Option<usize>,
    sequences: SequenceRanges,
    dropout: Option<DropoutMask>,
}

impl<B: EncoderOps> AttentionState<B> {
    fn options(&self) -> AttentionOptions<B> {
        AttentionOptions {
            heads: self.heads,
            scale: self.scale,
            bias: self.bias.clone().map(tensor),
            window: self.window,
        }
    }

    /// Computes the gradients, and registers them for those parents that need one.
    fn backward(
        self,
        gradient: FloatTensor<B>,
        of_projections: [Option<NodeId>; 3],
        of_bias: Option<NodeId>,
        gradients: &mut Gradients,
    ) {
        let options = self.options();
        let of = B::varlen_attention_backward(
            self.query_key_value.map(tensor),
            options,
            &self.sequences,
            self.dropout,
            tensor(gradient),
            of_bias.is_some(),
        );
        for (parent, gradient) in of_projections.into_iter().zip(of.query_key_value) {
            if let Some(parent) = parent {
                gradients.register::<B>(parent, primitive(gradient));
            }
        }
        if let (Some(parent), Some(gradient)) = (of_bias, of.bias) {
            gradients.register::<B>(parent, primitive(gradient));
        }
    }
}

impl<B: EncoderOps> Backward<B, 4> for WithBias {
    type State = AttentionState<B>;

    fn backward(self, ops: Ops<Self::State, 4>, gradients: &mut Gradients, _: &mut Checkpointer) {
        let gradient = gradients.consume::<B>(&ops.node);
        let [query, key, value, bias] = ops.parents.map(|parent| parent.map(|node| node.id));
        ops.state
            .backward(gradient, [query, key, value], bias, gradients);
    }
}

impl<B: EncoderOps> Backward<B, 3> for WithoutBias {
    type State = AttentionState<B>;

    fn backward(self, ops: Ops<Self::State, 3>, gradients: &mut Gradients, _: &mut Checkpointer) {
        let gradient = gradients.consume::<B>(&ops.node);
        let parents = ops.parents.map(|parent| parent.map(|node| node.id));
        ops.state.backward(gradient, parents, None, gradients);
    }
}
