//! Steps of a loss with the vectors of a guide.

use super::*;

/// Loss and gradients of `gist` on the pairs of the reference.
fn gist_step<B: TrainingBackend>(
    model: &SentenceModel<B>,
    activations: Activations,
    texts: usize,
) -> (f64, Paths) {
    let mut settings = settings(activations, 2, texts);
    settings.objective = Objective::new("gist".parse().unwrap());
    let mut batch = batch();
    // A guide that finds some texts of other rows more similar than the own pair.
    let number = |index: usize| (index * 37 % 23) as f32 - 11.0;
    batch.targets = Some((0..batch.texts.len() * 4).map(number).collect());
    let training_model = TrainingModel::new(model.clone(), settings);
    let output = TrainStep::step(&training_model, batch);
    (
        output.item.loss,
        by_path::<B, _>(&training_model, &output.grads),
    )
}

#[test]
fn cached_gist_has_the_gradients_of_gist() {
    fn body<B: TrainingBackend>(device: &B::Device) {
        let model = checkpoint(0.0).load::<B>(device).unwrap();
        let plain = gist_step(&model, Activations::Stored, 100);
        assert!(plain.0 > 0.0);
        assert!(plain.1.values().flatten().any(|value| *value != 0.0));
        for texts in [1, 3, 100] {
            for activations in [Activations::GradCache, Activations::GradCacheCheckpointed] {
                let cached = gist_step(&model, activations, texts);
                assert_same(&format!("{activations:?} {texts}"), cached, &plain);
            }
        }
    }
    on_test_device!(body with gradients);
}
