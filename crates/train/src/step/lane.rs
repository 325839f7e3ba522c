//! A copy of the model that carries some of a batch's chunks forth and back.

use burn::module::{AutodiffModule, Module, ModuleVisitor, Param};
use burn::optim::{GradientsAccumulator, GradientsParams};

use burn::tensor::{Int, Tensor, TensorData};
use model::{EncoderOps, TrainingBackend};
use model::{SentenceModel, with_dropout_seed};

use super::chunks::{Activations, Chunk};
use super::layer_by_layer::{self, LayerInputs, pull};

/// Where the random numbers of dropout come from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Dropping {
    /// From the thread that computes: lanes can run side by side on one device.
    Thread,
    /// From the device's own generator: masks need not be carried to a GPU.
    Device,
}

impl Dropping {
    /// Does `task` with dropout that begins at `seed`.
    pub(super) fn run<B: EncoderOps, T>(
        self,
        seed: u64,
        device: &B::Device,
        task: impl FnOnce() -> T,
    ) -> T {
        match self {
            Self::Thread => with_dropout_seed(seed, task),
            Self::Device => {
                B::seed(device, seed);
                task()
            }
        }
    }
}

/// One lane of a step.
///
/// Its model is a fork: the same numbers under leaves of its own, so that the graphs of lanes have
/// nothing in common and can be walked at the same time.
pub(super) struct Lane<B: TrainingBackend> {
    model: SentenceModel<B>,
    device: B::Device,
    chunks: Vec<Chunk>,
    kept: Vec<Kept<B>>,
    activations: Activations,
    dropping: Dropping,
}

enum Kept<B: TrainingBackend> {
    Graph(Tensor<B, 2>),
    Layers(LayerInputs<B::InnerBackend>),
    Nothing,
}

impl<B: TrainingBackend> Lane<B> {
    pub(super) fn new(
        model: &SentenceModel<B>,
        device: B::Device,
        chunks: Vec<Chunk>,
        activations: Activations,
        dropping: Dropping,
    ) -> Self {
        Self {
            model: model.clone().fork(&device),
            device,
            chunks,
            kept: Vec::new(),
            activations,
            // Two passes of a device's own generator, with and without autodiff, are not the same.
            dropping: match activations {
                Activations::Kept => dropping,
                _ => Dropping::Thread,
            },
        }
    }

    /// Where the texts of [`forward`](Self::forward)'s rows stand in the batch.
    pub(super) fn texts(&self) -> impl Iterator<Item = usize> + '_ {
        self.chunks
            .iter()
            .flat_map(|chunk| chunk.texts.iter().copied())
    }

    /// Tokens, padding included.
    pub(super) fn tokens(&self) -> usize {
        self.chunks
            .iter()
            .map(|chunk| chunk.tokens.texts() * chunk.tokens.length())
            .sum()
    }

    /// The vectors of this lane's texts, chunk by chunk: `[texts, width]`.
    pub(super) fn forward(&mut self) -> Tensor<B::InnerBackend, 2> {
        let mut vectors = Vec::with_capacity(self.chunks.len());
        // Passes that will be forgotten run below autodiff: it holds a graph until it is walked back.
        let plain = self.model.valid();
        for chunk in &self.chunks {
            let (rows, kept) = match self.activations {
                Activations::Kept => {
                    let rows = self.through(chunk);
                    (rows.clone().inner(), Kept::Graph(rows))
                }
                Activations::LayerInputs => {
                    let (rows, inputs) = self.layers_forth(&plain, chunk);
                    (rows, Kept::Layers(inputs))
                }
                Activations::Forgotten => {
                    let forward = || plain.forward_batch(&chunk.tokens);
                    let rows =
                        self.dropping
                            .run::<B::InnerBackend, _>(chunk.seed, &self.device, forward);
                    (rows, Kept::Nothing)
                }
                Activations::ForgottenAndLayerInputs => {
                    let (rows, _) = self.layers_forth(&plain, chunk);
                    (rows, Kept::Nothing)
                }
            };
            vectors.push(rows);
            self.kept.push(kept);
        }
        Tensor::cat(vectors, 0)
    }

    /// The gradients of the parameters, from those of [`forward`](Self::forward)'s rows.
    pub(super) fn backward(mut self, of_vectors: Tensor<B::InnerBackend, 2>) -> GradientsParams {
        let mut sum = GradientsAccumulator::<SentenceModel<B>>::new();
        let mut graphs: Option<Tensor<B, 1>> = None;
        let mut begin = 0;
        for (chunk, kept) in self.chunks.iter().zip(std::mem::take(&mut self.kept)) {
            let of_rows = of_vectors.clone().narrow(0, begin, chunk.texts.len());
            begin += chunk.texts.len();
            match kept {
                // One walk back over all graphs of the lane adds up gradients as it goes.
                Kept::Graph(rows) => {
                    let part = pull(rows, of_rows);
                    graphs = Some(match graphs {
                        Some(total) => total + part,
                        None => part,
                    });
                }
                Kept::Layers(inputs) => {
                    let gradients = self.layers_back(chunk, inputs, of_rows);
                    sum.accumulate(&self.model, gradients);
                }
                Kept::Nothing if self.activations == Activations::ForgottenAndLayerInputs => {
                    let (_, inputs) = self.layers_forth(&self.model.valid(), chunk);
                    let gradients = self.layers_back(chunk, inputs, of_rows);
                    sum.accumulate(&self.model, gradients);
                }
                Kept::Nothing => {
                    let rows = self.through(chunk);
                    sum.accumulate(&self.model, self.graph_back(pull(rows, of_rows)));
                }
            }
        }
        match graphs {
            Some(total) => self.graph_back(total),
            None => sum.grads(),
        }
    }

    fn through(&self, chunk: &Chunk) -> Tensor<B, 2> {
        self.dropping.run::<B, _>(chunk.seed, &self.device, || {
            self.model.forward_batch(&chunk.tokens)
        })
    }

    fn layers_forth(
        &self,
        plain: &SentenceModel<B::InnerBackend>,
        chunk: &Chunk,
    ) -> (Tensor<B::InnerBackend, 2>, LayerInputs<B::InnerBackend>) {
        layer_by_layer::forward(plain, &chunk.tokens, chunk.seed, self.dropping)
    }

    fn layers_back(
        &self,
        chunk: &Chunk,
        inputs: LayerInputs<B::InnerBackend>,
        of_rows: Tensor<B::InnerBackend, 2>,
    ) -> GradientsParams {
        let (tokens, seed) = (&chunk.tokens, chunk.seed);
        layer_by_layer::backward(&self.model, tokens, inputs, of_rows, seed, self.dropping)
    }

    fn graph_back(&self, total: Tensor<B, 1>) -> GradientsParams {
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

/// Whether any parameter of `module` is trained.
pub(super) fn is_trainable<B: TrainingBackend, M: AutodiffModule<B>>(module: &M) -> bool {
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
