//! Valid and invalid settings.

use program::ProgramError as _;

use super::*;
use crate::config::Given;
use crate::data::Example;

/// Settings of a run on `pairs.tsv`, with further words of a command line.
fn resolve(line: &str) -> Result<Settings, TrainError> {
    let given = Given::from(line).over(Given::from("--train pairs.tsv --output tuned"));
    Settings::resolve(given.complete()?)
}

#[test]
fn without_arguments_the_demo_pairs_have_their_own_defaults() {
    let settings = Settings::resolve(Given::default().complete().unwrap()).unwrap();
    assert_eq!(settings.objective.loss, Loss::MeanSquaredError);
}

#[test]
fn files_are_trained_with_negatives_of_the_batch_and_no_text_twice() {
    let settings = resolve("").unwrap();
    assert_eq!(settings.sampler, SamplerKind::NoDuplicates);
    assert_eq!(settings.activations, Activations::Stored);
    assert!(settings.objective.loss.needs().in_batch_negatives);
}

#[test]
fn cached_losses_use_grad_cache() {
    let settings = resolve("--loss cached-multiple-negatives-ranking").unwrap();
    assert_eq!(settings.mini_batch_size, Some(32));
    assert_eq!(settings.activations, Activations::GradCache);
    assert!(settings.objective.loss.needs().in_batch_negatives);
}

#[test]
fn resolved_settings_resolve_to_themselves() {
    let settings = resolve("--lora 8 --matryoshka 64").unwrap();
    assert_eq!(settings.lora_alpha, Some(16.0));
    let again = Settings::resolve(settings.config.clone()).unwrap();
    assert_eq!(again.config, settings.config);
}

#[test]
fn invalid_settings_are_named() {
    for (line, word) in [
        ("--loss mnlr", "--loss"),
        ("--patience 2", "--valid"),
        ("--eval-steps 2", "--valid"),
        ("--margin 1", "--margin"),
        ("--group-column product", "--split"),
        ("--save-adapter", "--lora"),
        ("--device cuda:0,wgpu:1", "one kind"),
        ("--device cuda:0,auto", "one kind"),
        ("--device cuda:0,cuda:0", "twice"),
        ("--scale 0", "scale"),
        ("--scale inf", "scale"),
        ("--loss contrastive --margin -1", "margin"),
        ("--matryoshka 64,64", "twice"),
        (
            "--matryoshka 64,32 --matryoshka-weights 1",
            "1 weights for 2",
        ),
        ("--matryoshka 64 --matryoshka-weights 0", "weight"),
    ] {
        let error = resolve(&line.replace("--margin -1", "--margin=-1")).unwrap_err();
        assert_eq!(error.exit_code(), 2, "{error}");
        assert!(error.to_string().contains(word), "{line}: {error}");
    }
    let without_output = Given::from("--train pairs.tsv").complete().unwrap();
    let error = Settings::resolve(without_output).unwrap_err();
    assert!(error.to_string().contains("--output"), "{error}");
}

#[test]
fn a_loss_that_does_not_fit_the_rows_says_what_it_needs() {
    let settings = resolve("--loss cosent").unwrap();
    assert!(settings.check_kind(RowKind::Scored).is_ok());
    assert!(settings.check_kind(RowKind::Labelled).is_ok());
    let message = settings.check_kind(RowKind::Pairs).unwrap_err().to_string();
    assert!(message.contains("score"), "{message}");
}

#[test]
fn nothing_is_frozen_unless_asked_and_the_embeddings_with_any_number() {
    assert_eq!(resolve("").unwrap().trained, Trained::All);
    let settings = resolve("--freeze 0").unwrap();
    assert_eq!(settings.trained, Trained::Above(0));
}

#[test]
fn a_score_that_is_to_be_a_cosine_is_one() {
    let table = |score: f32| {
        let rows = [0.5, score].map(|score| Example {
            texts: vec!["a".to_owned(), "b".to_owned()],
            target: Some(score),
        });
        TextTable::from_rows(RowKind::Scored, rows).unwrap()
    };
    let cosine = resolve("--loss cosine-similarity").unwrap();
    assert!(cosine.check_scores(&table(-1.0)).is_ok());
    let message = cosine.check_scores(&table(4.5)).unwrap_err().to_string();
    for part in ["line 2", "4.5", "cosent"] {
        assert!(message.contains(part), "{message}");
    }
    let cosent = resolve("--loss cosent").unwrap();
    assert!(cosent.check_scores(&table(4.5)).is_ok());
}
