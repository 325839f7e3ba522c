use super::*;

#[test]
fn dropout_is_the_same_in_the_second_pass() {
    fn body<B: TrainingBackend>(device: &B::Device) {
        let model = checkpoint(0.3).load::<B>(device).unwrap();
        let (loss, kept) = step(&model, settings(Activations::Stored, 2, 3));
        // The gradient belongs to the loss only if both passes drop the same elements.
        let forgotten = step(&model, settings(Activations::GradCache, 2, 3));
        assert_same("forgotten", forgotten, &(loss, kept.clone()));
        // Per layer the seeds are others, but the two ways over layers have them in common.
        let layers = step(&model, settings(Activations::Checkpointed, 2, 3));
        assert!((layers.0 - loss).abs() > 1e-6);
        let again = step(&model, settings(Activations::GradCacheCheckpointed, 2, 3));
        assert_same("layers", again, &layers);
        // And a step can be had again, bit for bit.
        assert_eq!(
            step(&model, settings(Activations::Stored, 2, 3)),
            (loss, kept)
        );
        let (undropped, _) = plain(&checkpoint(0.0).load::<B>(device).unwrap());
        assert!((undropped - loss).abs() > 1e-4, "dropout acts");
    }
    on_test_device!(body with gradients);
}

/// Masks of the device's generator, too, are drawn again: with and without gradients, in the second pass as in the first.
///
/// Runs in a child process: other tests draw from the same generator.
#[test]
fn the_device_draws_the_same_masks_again() {
    fn body<B: TrainingBackend>(device: &B::Device) {
        let model = checkpoint(0.3).load::<B>(device).unwrap();
        let on_device = |activations| StepSettings {
            dropout_rng: DropoutRng::Device,
            ..settings(activations, 2, 3)
        };
        let stored = step(&model, on_device(Activations::Stored));
        let again = step(&model, on_device(Activations::GradCache));
        assert_same("GradCache", again, &stored);
        let layers = step(&model, on_device(Activations::Checkpointed));
        let again = step(&model, on_device(Activations::GradCacheCheckpointed));
        assert_same("layers", again, &layers);
        let (undropped, _) = plain(&checkpoint(0.0).load::<B>(device).unwrap());
        assert!((undropped - stored.0).abs() > 1e-4, "dropout acts");
        assert!((undropped - layers.0).abs() > 1e-4, "dropout acts");
    }
    const CHILD: &str = "TRAIN_TEST_DEVICE_DROPOUT";
    if std::env::var_os(CHILD).is_some() {
        on_test_device!(body with gradients);
        return;
    }
    let name = "train::step::tests::dropout::the_device_draws_the_same_masks_again";
    let output = std::process::Command::new(std::env::current_exe().unwrap())
        .args(["--exact", name])
        .env(CHILD, "1")
        .output()
        .unwrap();
    let text = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success(), "{text}");
    assert!(text.contains("1 passed"), "{text}");
}

/// Recomputed layers against one graph over all of them, which draws the same random numbers once.
#[test]
fn layers_computed_again_drop_what_they_dropped() {
    fn body<B: TrainingBackend>(device: &B::Device) {
        let model = checkpoint(0.3).load::<B>(device).unwrap();
        let settings = || settings(Activations::Checkpointed, 1, 100);
        let found = step(&model, settings());

        let batch = batch();
        let mut vectors: BTreeMap<usize, Tensor<B, 2>> = BTreeMap::new();
        for micro_batch in plan_micro_batches(&batch, settings().micro_batch, None, 1, 1) {
            let seed = |index: usize| crate::random::derive_seed(micro_batch.seed, index as u64);
            let (network, tokens) = (&model.network, &micro_batch.tokens);
            let bias = network.position_bias(tokens.length());
            let (mut hidden, context) =
                model::parts::with_dropout_seed(seed(0), || network.embed_batch(tokens, bias));
            for (index, layer) in network.layers().iter().enumerate() {
                let forward = || layer.forward(hidden, &context);
                hidden = model::parts::with_dropout_seed(seed(index + 1), forward);
            }
            let rows = model.batch_vectors(hidden, tokens);
            let places = micro_batch.rows.iter().enumerate();
            vectors.extend(places.map(|(row, &text)| (text, rows.clone().narrow(0, row, 1))));
        }
        let all = Tensor::cat(vectors.into_values().collect(), 0);
        let columns = [0, batch.rows].map(|first| all.clone().narrow(0, first, batch.rows));
        let loss = settings().objective.forward(&columns, None);
        let value = loss.clone().into_data().iter::<f64>().next().unwrap();
        let training_model = TrainingModel::new(model.clone(), settings());
        let gradients = GradientsParams::from_grads(loss.backward(), &training_model);
        assert_same(
            "layers",
            found,
            &(value, by_path::<B, _>(&training_model, &gradients)),
        );
    }
    on_test_device!(body with gradients);
}

/// The device's generator belongs to all replicas: one must not draw between the seed and the pass of another.
#[test]
fn replicas_take_turns_at_the_generator_of_the_device() {
    use std::sync::atomic::{AtomicUsize, Ordering};
    fn body<B: model::backend::EncoderOps>(device: &B::Device) {
        let inside = AtomicUsize::new(0);
        std::thread::scope(|scope| {
            for seed in 0..4 {
                let inside = &inside;
                scope.spawn(move || {
                    DropoutRng::Device.run::<B, _>(seed, device, || {
                        assert_eq!(inside.fetch_add(1, Ordering::SeqCst), 0);
                        std::thread::sleep(std::time::Duration::from_millis(5));
                        inside.fetch_sub(1, Ordering::SeqCst);
                    });
                });
            }
        });
    }
    on_test_device!(body);
}
