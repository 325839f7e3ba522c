//! Losses as words, and what is refused.

use crate::losses::{Loss, LossError, Matryoshka, Objective, TargetKind};

#[test]
fn every_loss_is_read_from_its_name() {
    for loss in Loss::ALL {
        assert_eq!(loss.to_string().parse::<Loss>().unwrap(), loss);
        assert_eq!(loss.validate(), Ok(()));
    }
    let ranking = Loss::MultipleNegativesRanking { scale: 20.0 };
    assert_eq!("mnrl".parse::<Loss>().unwrap(), ranking);
}

#[test]
fn an_unknown_word_lists_the_losses() {
    for word in ["", "MSE", "mnr", "cosine "] {
        let error = word.parse::<Loss>().unwrap_err();
        assert_eq!(error, LossError::Unknown(word.to_owned()));
        let message = error.to_string();
        for loss in Loss::ALL {
            assert!(message.contains(loss.name()), "{message}");
        }
    }
}

#[test]
fn what_would_be_ignored_is_refused() {
    let error = Loss::Cosine.with_scale(2.0).unwrap_err();
    assert!(matches!(
        error,
        LossError::NoSuchParameter {
            loss: "cosine",
            parameter: "scale"
        }
    ));
}

#[test]
fn parameters_are_checked() {
    for loss in Loss::ALL {
        for scale in [0.0, -1.0, f64::NAN, f64::INFINITY, 1e300, 1e-300] {
            if let Ok(loss) = loss.with_scale(scale) {
                assert!(
                    matches!(
                        loss.validate(),
                        Err(LossError::Parameter {
                            parameter: "scale",
                            ..
                        })
                    ),
                    "{loss}, {scale}"
                );
            }
        }
        for margin in [-0.1, f64::NAN, f64::INFINITY, 1e300] {
            if let Ok(loss) = loss.with_margin(margin) {
                assert!(
                    matches!(
                        loss.validate(),
                        Err(LossError::Parameter {
                            parameter: "margin",
                            ..
                        })
                    ),
                    "{loss}, {margin}"
                );
            }
        }
        assert!(
            loss.with_margin(0.0)
                .is_ok_and(|loss| loss.validate().is_ok())
                == loss.margin().is_some()
        );
    }
    let message = LossError::Parameter {
        loss: "cosent",
        parameter: "scale",
        value: 0.0,
        range: "above 0",
    }
    .to_string();
    assert!(
        message.starts_with("--scale of `cosent` is 0; it must be"),
        "{message}"
    );
}

#[test]
fn matryoshka_is_checked_against_the_width() {
    let refused = |dimensions: &[usize], weights: &[f64]| {
        let matryoshka = Matryoshka {
            dimensions: dimensions.to_vec(),
            weights: weights.to_vec(),
        };
        Objective::new(Loss::Cosine)
            .with_matryoshka(matryoshka)
            .validate(8)
            .unwrap_err()
    };
    for dimension in [0, 9] {
        let expected = LossError::Dimension {
            dimension,
            width: 8,
        };
        assert_eq!(refused(&[8, dimension], &[1.0, 1.0]), expected);
    }
    assert_eq!(
        refused(&[4, 2, 4], &[1.0; 3]),
        LossError::RepeatedDimension(4)
    );
    for weights in [1, 3] {
        let expected = LossError::WeightCount {
            weights,
            dimensions: 2,
        };
        assert_eq!(refused(&[8, 4], &vec![1.0; weights]), expected);
    }
    for weight in [-1.0, f64::NAN, f64::INFINITY] {
        let error = refused(&[8, 4], &[1.0, weight]);
        assert!(
            matches!(error, LossError::Weight { dimension: 4, .. }),
            "{error}"
        );
    }
    assert_eq!(refused(&[8, 4], &[0.0, 0.0]), LossError::NoWeight);
    let vectors = Objective::new(Loss::EmbedDistill).with_matryoshka(Matryoshka::new(vec![4]));
    assert_eq!(
        vectors.validate(8),
        Err(LossError::NoMatryoshka("embed-distill"))
    );
    let good = Objective::new(Loss::Cosine).with_matryoshka(Matryoshka::new(vec![1, 8]));
    assert_eq!(good.validate(8), Ok(()));
}

#[test]
fn every_loss_has_needs_and_advice() {
    for loss in Loss::ALL {
        let needs = loss.needs();
        assert!(needs.takes_columns(needs.min_columns));
        assert!(!needs.takes_columns(needs.min_columns - 1));
        assert_eq!(needs.takes_columns(9), needs.max_columns.is_none());
        // One line of the table of `train losses`.
        assert!(!loss.when_to_use().is_empty(), "{loss}");
        assert!(!loss.when_to_use().contains('\n'), "{loss}");
        // Only a loss that cannot collapse is a better choice, and it accepts the same data.
        assert_eq!(loss.can_collapse(), loss.better_choice().is_some());
        if let Some(better) = loss.better_choice() {
            assert_eq!(better.name(), "multiple-negatives-ranking");
            assert_eq!(better.needs().target, TargetKind::None);
            assert!(better.needs().takes_columns(needs.min_columns));
        }
    }
    let words = Loss::ALL.map(|loss| loss.needs().to_string());
    assert_eq!(words[0], "2 columns");
    assert_eq!(words[2], "2 columns and a score");
    assert_eq!(words[4], "2 columns and a label");
    assert_eq!(words[6], "3 columns");
    assert_eq!(words[8], "2 or more columns");
    assert_eq!(words[10], "3 or more columns and scores or margins");
    assert_eq!(words[11], "3 or more columns and scores");
    assert_eq!(words[12], "2 or more columns and a guide");
}
