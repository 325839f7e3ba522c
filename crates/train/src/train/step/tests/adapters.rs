//! Steps of low-rank adapters.

use model::MpNet;
use model::parts::LowRankConfig;

use super::*;

fn with_adapters<B: TrainingBackend>(model: &SentenceModel<B>) -> SentenceModel<B> {
    let mut adapted = model.clone();
    adapted.network = adapted.network.with_adapters(LowRankConfig {
        rank: 3,
        alpha: 6.0,
        seed: 5,
    });
    adapted
}

#[test]
fn adapters_begin_as_nothing_and_are_all_that_is_trained() {
    fn body<B: TrainingBackend>(device: &B::Device) {
        let model = checkpoint(0.0).load::<B>(device).unwrap();
        let (loss, _) = plain(&model);
        let adapted = with_adapters(&model);
        for activations in ALL {
            let (adapted_loss, gradients) = step(&adapted, settings(activations, 2, 3));
            assert!((adapted_loss - loss).abs() <= 1e-6 * loss, "{adapted_loss}");
            // Two layers of four adapters of two matrices.
            assert_eq!(gradients.len(), 16, "{:?}", gradients.keys());
            assert!(gradients.keys().all(|path| path.contains("adapters")));
            for (path, values) in &gradients {
                let moves = values.iter().any(|value| *value != 0.0);
                // `down` has no gradient while `up` is zero.
                assert_eq!(moves, path.ends_with("up"), "{path}");
            }
        }
    }
    on_test_device!(body with gradients);
}

#[test]
fn merged_adapters_give_the_same_vectors() {
    fn body<B: TrainingBackend>(device: &B::Device) {
        let model = checkpoint(0.0).load::<B>(device).unwrap();
        let mut adapted = with_adapters(&model);
        // Values other than zero, of the size of the weights.
        adapted.network = adapted.network.map(&mut Shift);
        let vectors = |network: &MpNet<B>| {
            let batch = batch();
            let tokens = TokenBatch::new(batch.texts.iter().map(Vec::as_slice), 1);
            let (ids, mask) = tokens.to_tensors(device);
            let model =
                SentenceModel::new(network.clone(), vec![model::parts::PoolingMode::Mean], true);
            crate::testing::values(model.forward(ids, mask))
        };
        let (before, with) = (vectors(&model.network), vectors(&adapted.network));
        let merged = vectors(&adapted.network.clone().merge_adapters());
        // A few sums in another order.
        crate::testing::assert_close("merged", &merged, &with, 2e-6);
        let moved = before.iter().zip(&with).any(|(a, b)| (a - b).abs() > 1e-3);
        assert!(moved, "the adapters do something");
    }
    on_test_device!(body with gradients);
}

/// Adds a little to the adapters.
struct Shift;

impl<B: TrainingBackend> burn::module::ModuleMapper<B> for Shift {
    fn map_float<const D: usize>(&mut self, param: Param<Tensor<B, D>>) -> Param<Tensor<B, D>> {
        if param.is_require_grad() {
            param.map(|tensor| (tensor + 0.05).detach().require_grad())
        } else {
            param
        }
    }
}
