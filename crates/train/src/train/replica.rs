//! A model replica, which runs the forward and backward pass of some micro-batches.

use burn::module::{AutodiffModule, Module};
use burn::optim::{GradientsAccumulator, GradientsParams};
use burn::tensor::{Int, Tensor, TensorData};
use model::backend::{EncoderOps, TrainingBackend};
use model::parts::SentenceModel;

use super::backward::{self, LayerInputs, vector_jacobian_product};
use super::dropout::DropoutRng;
use super::micro_batch::{Activations, MicroBatch};

/// One model replica of a step.
///
/// Its model is a fork: the same values under separate leaves, so the graphs of replicas share nothing
/// and can run backward in parallel.
pub(super) struct Replica<B: TrainingBackend> {
    model: SentenceModel<B>,
    device: B::Device,
    micro_batches: Vec<MicroBatch>,
    kept: Vec<Kept<B>>,
    activations: Activations,
    dropout_rng: DropoutRng,
}

enum Kept<B: TrainingBackend> {
    Graph(Tensor<B, 2>),
    Layers(LayerInputs<B::InnerBackend>),
    Nothing,
}

impl<B: TrainingBackend> Replica<B> {
    pub(super) fn new(
        model: &SentenceModel<B>,
        device: B::Device,
        micro_batches: Vec<MicroBatch>,
        activations: Activations,
        dropout_rng: DropoutRng,
    ) -> Self {
        Self {
            model: model.clone().fork(&device),
            device,
            micro_batches,
            kept: Vec::new(),
            activations,
            dropout_rng,
        }
    }

    /// Positions in the output for the whole batch of [`forward`](Self::forward)'s rows.
    pub(super) fn rows(&self) -> impl Iterator<Item = usize> + '_ {
        self.micro_batches
            .iter()
            .flat_map(|micro_batch| micro_batch.rows.iter().copied())
    }

    /// Number of tokens that the replica computes.
    pub(super) fn tokens(&self) -> usize {
        let micro_batches = self.micro_batches.iter();
        micro_batches.map(MicroBatch::computed_tokens::<B>).sum()
    }

    /// The vectors of this replica's texts, or of their tokens, in the order of its micro-batches: `[rows, width]`.
    pub(super) fn forward(&mut self) -> Tensor<B::InnerBackend, 2> {
        let mut vectors = Vec::with_capacity(self.micro_batches.len());
        // Passes that are computed twice run without autodiff first, so that no graph is kept.
        let plain = self.model.valid();
        for micro_batch in &self.micro_batches {
            let (rows, kept) = match self.activations {
                Activations::Stored => {
                    let rows = self.forward_graph(micro_batch);
                    (rows.clone().inner(), Kept::Graph(rows))
                }
                Activations::Checkpointed => {
                    let (rows, inputs) = self.forward_layers(&plain, micro_batch);
                    (rows, Kept::Layers(inputs))
                }
                Activations::GradCache => {
                    let forward = || plain.forward_batch(&micro_batch.tokens);
                    let rows = self.dropout_rng.run::<B::InnerBackend, _>(
                        micro_batch.seed,
                        &self.device,
                        forward,
                    );
                    (rows, Kept::Nothing)
                }
                Activations::GradCacheCheckpointed => {
                    let (rows, _) = self.forward_layers(&plain, micro_batch);
                    (rows, Kept::Nothing)
                }
            };
            vectors.push(rows);
            self.kept.push(kept);
        }
        Tensor::cat(vectors, 0)
    }

    /// The gradients of the parameters, from those of the rows of [`forward`](Self::forward), which may be on another
    /// device. The gradients stay on the device of the replica.
    pub(super) fn backward(mut self, of_vectors: Tensor<B::InnerBackend, 2>) -> GradientsParams {
        let of_vectors = of_vectors.to_device(&self.device);
        let mut sum = GradientsAccumulator::<SentenceModel<B>>::new();
        let mut graphs: Option<Tensor<B, 1>> = None;
        let mut begin = 0;
        for (micro_batch, kept) in self
            .micro_batches
            .iter()
            .zip(std::mem::take(&mut self.kept))
        {
            let count = micro_batch.rows.len();
            let of_rows = of_vectors.clone().narrow(0, begin, count);
            begin += count;
            match kept {
                // One backward pass over all graphs of the replica adds up the gradients.
                Kept::Graph(rows) => {
                    let part = vector_jacobian_product(rows, of_rows);
                    graphs = Some(match graphs {
                        Some(total) => total + part,
                        None => part,
                    });
                }
                Kept::Layers(inputs) => {
                    let gradients = self.backward_layers(micro_batch, inputs, of_rows);
                    sum.accumulate(&self.model, gradients);
                }
                Kept::Nothing if self.activations == Activations::GradCacheCheckpointed => {
                    let (_, inputs) = self.forward_layers(&self.model.valid(), micro_batch);
                    let gradients = self.backward_layers(micro_batch, inputs, of_rows);
                    sum.accumulate(&self.model, gradients);
                }
                Kept::Nothing => {
                    let rows = self.forward_graph(micro_batch);
                    sum.accumulate(
                        &self.model,
                        self.backward_graph(vector_jacobian_product(rows, of_rows)),
                    );
                }
            }
        }
        match graphs {
            Some(total) => self.backward_graph(total),
            None => sum.grads(),
        }
    }

    fn forward_graph(&self, micro_batch: &MicroBatch) -> Tensor<B, 2> {
        self.dropout_rng
            .run::<B, _>(micro_batch.seed, &self.device, || {
                self.model.forward_batch(&micro_batch.tokens)
            })
    }

    fn forward_layers(
        &self,
        plain: &SentenceModel<B::InnerBackend>,
        micro_batch: &MicroBatch,
    ) -> (Tensor<B::InnerBackend, 2>, LayerInputs<B::InnerBackend>) {
        backward::forward(
            plain,
            &micro_batch.tokens,
            micro_batch.seed,
            self.dropout_rng,
        )
    }

    fn backward_layers(
        &self,
        micro_batch: &MicroBatch,
        inputs: LayerInputs<B::InnerBackend>,
        of_rows: Tensor<B::InnerBackend, 2>,
    ) -> GradientsParams {
        let (tokens, seed) = (&micro_batch.tokens, micro_batch.seed);
        backward::backward(&self.model, tokens, inputs, of_rows, seed, self.dropout_rng)
    }

    fn backward_graph(&self, total: Tensor<B, 1>) -> GradientsParams {
        GradientsParams::from_grads(total.backward(), &self.model)
    }
}

/// The rows of `vectors` at `positions`.
pub(super) fn select<B: EncoderOps>(vectors: Tensor<B, 2>, positions: &[usize]) -> Tensor<B, 2> {
    let device = vectors.device();
    let indices: Vec<i32> = positions.iter().map(|&position| position as i32).collect();
    let indices = TensorData::new(indices, [positions.len()]);
    vectors.select(0, Tensor::<B, 1, Int>::from_data(indices, &device))
}
