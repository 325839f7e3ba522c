//! Weights that stay as they are.

use burn::module::{Module, ModuleMapper, Param};
use burn::tensor::Tensor;
use burn::tensor::backend::Backend;
use model::MpNet;

/// Field of the network that holds its layers.
const LAYERS: &str = "layers";

/// Freezes the embeddings, the position bias (shared by all layers) and the lowest `layers` layers.
pub(super) fn freeze<B: Backend>(network: MpNet<B>, layers: usize) -> MpNet<B> {
    network.freeze(layers).map(&mut BelowLayers::default())
}

/// Freezes everything outside the layers.
#[derive(Default)]
struct BelowLayers {
    path: Vec<String>,
}

impl<B: Backend> ModuleMapper<B> for BelowLayers {
    fn enter_module(&mut self, name: &str, _container: &str) {
        self.path.push(name.to_owned());
    }

    fn exit_module(&mut self, _name: &str, _container: &str) {
        self.path.pop();
    }

    fn map_float<const D: usize>(&mut self, param: Param<Tensor<B, D>>) -> Param<Tensor<B, D>> {
        if self.path.first().is_some_and(|name| name == LAYERS) {
            param
        } else {
            param.set_require_grad(false)
        }
    }
}

#[cfg(test)]
mod tests {
    use burn::backend::Autodiff;
    use burn::module::ModuleVisitor;
    use model::Checkpoint;
    use model::backend::EncoderOps;

    use super::*;
    use crate::test_device::on_test_device;
    use crate::testing::tiny_model;

    /// The parts of a network with a trainable weight.
    #[derive(Default)]
    struct Trained {
        path: Vec<String>,
        parts: Vec<String>,
    }

    impl<B: Backend> ModuleVisitor<B> for Trained {
        fn enter_module(&mut self, name: &str, _container: &str) {
            self.path.push(name.to_owned());
        }

        fn exit_module(&mut self, _name: &str, _container: &str) {
            self.path.pop();
        }

        fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<B, D>>) {
            if param.is_require_grad() {
                self.parts.push(self.path[..2].join("."));
            }
        }
    }

    #[test]
    fn the_embeddings_stay_whatever_the_number_of_layers() {
        fn body<B: EncoderOps>(device: &B::Device) {
            let checkpoint = Checkpoint::open(&tiny_model()).unwrap();
            for (layers, expected) in [(0, &["layers.0", "layers.1"][..]), (1, &["layers.1"])] {
                let model = checkpoint.load::<Autodiff<B>>(device).unwrap();
                let mut trained = Trained::default();
                freeze(model.network, layers).visit(&mut trained);
                trained.parts.dedup();
                assert_eq!(trained.parts, expected);
            }
        }
        on_test_device!(body);
    }
}
