//! Valid and invalid settings.

use program::ProgramError as _;

use super::*;
use crate::data::Example;

fn resolve(change: impl FnOnce(&mut FitOptions)) -> Result<Settings, TrainError> {
    let mut options = FitOptions {
        train: vec!["pairs.tsv".into()],
        output: Some("tuned".into()),
        ..FitOptions::default()
    };
    change(&mut options);
    Settings::resolve(options)
}

#[track_caller]
fn refused(change: impl FnOnce(&mut FitOptions), word: &str) {
    match resolve(change) {
        Err(TrainError::Usage(message)) => assert!(message.contains(word), "{message}"),
        other => panic!("{word}: {other:?}"),
    }
}

#[test]
fn without_arguments_the_demo_pairs_have_their_own_defaults() {
    let settings = Settings::resolve(FitOptions::default()).unwrap();
    assert_eq!(settings.objective.loss, Loss::MeanSquaredError);
    assert_eq!(settings.learning_rate, 1e-5);
    assert_eq!((settings.warmup, settings.decay), (0.0, Decay::Constant));
    assert_eq!(settings.model, DEFAULT_MODEL);
}

#[test]
fn files_are_trained_with_negatives_of_the_batch_and_no_text_twice() {
    let settings = resolve(|_| ()).unwrap();
    assert_eq!(settings.sampler, SamplerKind::NoDuplicates);
    assert_eq!(settings.activations, Activations::Stored);
    let needs = settings.objective.loss.needs();
    assert!(needs.in_batch_negatives);
}

#[test]
fn cached_losses_use_grad_cache() {
    let settings = resolve(|options| {
        options.loss = Some("cached-multiple-negatives-ranking".to_owned());
    })
    .unwrap();
    assert_eq!(settings.mini_batch_size, Some(32));
    assert_eq!(settings.activations, Activations::GradCache);
    assert!(settings.objective.loss.needs().in_batch_negatives);
}

#[test]
fn resolved_settings_resolve_to_themselves() {
    let settings = resolve(|options| {
        options.lora = Some(8);
        options.matryoshka = vec![64];
    })
    .unwrap();
    let again = Settings::resolve(settings.options.clone()).unwrap();
    assert_eq!(again.options, settings.options);
}

#[test]
fn invalid_settings_are_named() {
    refused(|options| options.output = None, "--output");
    refused(|options| options.loss = Some("mnlr".to_owned()), "--loss");
    refused(|options| options.batch_size = Some(0), "--batch-size");
    refused(|options| options.lr = Some(-1.0), "--lr");
    refused(|options| options.lr = Some(f64::NAN), "--lr");
    refused(|options| options.warmup = Some(1.0), "--warmup");
    refused(|options| options.patience = Some(2), "--valid");
    refused(|options| options.epochs = Some(0), "--epochs");
    refused(|options| options.margin = Some(1.0), "--margin");
    refused(|options| options.max_length = Some(0), "--max-length");
    refused(|options| options.replicas = Some(0), "--replicas");
    refused(|options| options.workers = Some(1_000_000_000), "--workers");
    refused(
        |options| options.group_column = Some("product".to_owned()),
        "--split",
    );
    refused(|options| options.matryoshka = vec![64, 0], "--matryoshka");
    refused(
        |options| options.matryoshka_weights = vec![1.0],
        "--matryoshka",
    );
    refused(
        |options| {
            options.lora = Some(4);
            options.freeze = Some(2);
        },
        "--freeze",
    );
    refused(
        |options| options.devices = Some("cuda:0,wgpu:1".to_owned()),
        "one kind",
    );
    refused(|options| options.save_adapter = Some(true), "--lora");
    refused(
        |options| options.devices = Some("cuda:0,cuda:0".to_owned()),
        "twice",
    );
}

#[test]
fn a_file_cannot_combine_settings_that_exclude_each_other() {
    refused(
        |options| {
            options.split = Some(0.1);
            options.valid = vec!["held-out.tsv".into()];
        },
        "--valid",
    );
    refused(
        |options| {
            options.device = Some("cpu".to_owned());
            options.devices = Some("cuda:0,cuda:1".to_owned());
        },
        "--devices",
    );
}

#[test]
fn parameters_of_a_loss_are_checked_before_anything_is_read() {
    type Change = fn(&mut FitOptions);
    let changes: [(Change, &str); 6] = [
        (|options| options.scale = Some(0.0), "scale"),
        (|options| options.scale = Some(f64::INFINITY), "scale"),
        (
            |options| {
                options.loss = Some("contrastive".to_owned());
                options.margin = Some(-1.0);
            },
            "margin",
        ),
        (|options| options.matryoshka = vec![64, 64], "twice"),
        (
            |options| {
                options.matryoshka = vec![64, 32];
                options.matryoshka_weights = vec![1.0];
            },
            "1 weights for 2",
        ),
        (
            |options| {
                options.matryoshka = vec![64];
                options.matryoshka_weights = vec![0.0];
            },
            "weight",
        ),
    ];
    for (change, words) in changes {
        let error = resolve(change).unwrap_err();
        assert_eq!(error.exit_code(), 2, "{error}");
        assert!(error.to_string().contains(words), "{error}");
    }
}

#[test]
fn a_loss_that_does_not_fit_the_rows_says_what_it_needs() {
    let settings = resolve(|options| options.loss = Some("cosent".to_owned())).unwrap();
    assert!(settings.check_kind(RowKind::Scored).is_ok());
    assert!(settings.check_kind(RowKind::Labelled).is_ok());
    let message = settings.check_kind(RowKind::Pairs).unwrap_err().to_string();
    assert!(message.contains("score"), "{message}");
}

#[test]
fn a_number_that_the_report_cannot_hold_is_refused_before_training() {
    refused(|options| options.seed = Some(u64::MAX), "--seed");
    refused(
        |options| options.batch_size = Some(usize::MAX),
        "--batch-size",
    );
    refused(
        |options| options.max_length = Some(usize::MAX),
        "--max-length",
    );
    let settings = resolve(|options| options.seed = Some(i64::MAX as u64)).unwrap();
    assert!(toml::Table::try_from(&settings.options).is_ok());
}

#[test]
fn nothing_is_frozen_unless_asked_and_the_embeddings_with_any_number() {
    assert_eq!(resolve(|_| ()).unwrap().trained, Trained::All);
    let settings = resolve(|options| options.freeze = Some(0)).unwrap();
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
    let cosine = resolve(|options| options.loss = Some("cosine-similarity".to_owned())).unwrap();
    assert!(cosine.check_scores(&table(-1.0)).is_ok());
    let message = cosine.check_scores(&table(4.5)).unwrap_err().to_string();
    for part in ["line 2", "4.5", "cosent"] {
        assert!(message.contains(part), "{message}");
    }
    let cosent = resolve(|options| options.loss = Some("cosent".to_owned())).unwrap();
    assert!(cosent.check_scores(&table(4.5)).is_ok());
}
