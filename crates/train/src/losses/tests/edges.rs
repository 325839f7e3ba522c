//! Data that no training is made of, but that files hold: nothing may become NaN, nothing panic.

use burn::backend::Autodiff;
use burn::tensor::Tensor;
use model::backend::EncoderOps;
use proptest::prelude::*;

use crate::losses::{Loss, Matryoshka, Objective, TargetKind};
use crate::test_device::on_test_device;
use crate::testing::{assert_close, cases, values};

const WIDTH: usize = 4;

/// Every loss, plain and at two dimensions.
fn objectives() -> Vec<Objective> {
    let plain = Loss::ALL.map(Objective::new);
    let cut = Matryoshka::new(vec![WIDTH, 2]);
    let both = |objective: Objective| [objective.clone(), objective.with_matryoshka(cut.clone())];
    let all = plain.into_iter().flat_map(both);
    all.filter(|objective| objective.validate(WIDTH).is_ok())
        .collect()
}

/// Column counts that a loss takes, as far as 4.
fn column_counts(loss: &Loss) -> impl Iterator<Item = usize> {
    let needs = loss.needs();
    (2..=4).filter(move |&columns| needs.takes_columns(columns))
}

/// The numbers that a loss of some columns needs, made of one target per row.
fn numbers(objective: &Objective, columns: usize, targets: &[f32]) -> Vec<f32> {
    let of_row = |&target: &f32| match objective.loss.needs().target {
        // The tests of `tags` are beside it: its rows are tokens.
        TargetKind::None | TargetKind::Spans => Vec::new(),
        TargetKind::Score | TargetKind::Label | TargetKind::Probability => vec![target],
        TargetKind::Scores | TargetKind::Margins => {
            (1..columns).map(|place| target * place as f32).collect()
        }
        TargetKind::Vectors => (0..columns)
            .flat_map(|place| [1.0, target, place as f32 / 2.0, -0.5])
            .collect(),
    };
    targets.iter().flat_map(of_row).collect()
}

/// Value and the gradients of all columns in one list.
fn differentiate(objective: &Objective, columns: &[Vec<f32>], targets: &[f32]) -> (f32, Vec<f32>) {
    on_test_device!(differentiate_on(
        objective: &Objective,
        columns: &[Vec<f32>],
        targets: &[f32]
    ) -> (f32, Vec<f32>))
}

fn differentiate_on<B: EncoderOps>(
    device: &B::Device,
    objective: &Objective,
    columns: &[Vec<f32>],
    targets: &[f32],
) -> (f32, Vec<f32>) {
    let tensors: Vec<Tensor<Autodiff<B>, 2>> = columns
        .iter()
        .map(|column| {
            Tensor::<Autodiff<B>, 1>::from_floats(column.as_slice(), device)
                .reshape([column.len() / WIDTH, WIDTH])
                .require_grad()
        })
        .collect();
    let targets = numbers(objective, columns.len(), targets);
    let targets = (!targets.is_empty()).then(|| Tensor::from_floats(targets.as_slice(), device));
    let loss = objective.forward(&tensors, targets.as_ref());
    assert_eq!(loss.dims(), [1]);
    let gradients = loss.backward();
    let gradients = tensors
        .iter()
        .flat_map(|tensor| values(tensor.grad(&gradients).unwrap()))
        .collect();
    (values(loss)[0], gradients)
}

#[track_caller]
fn assert_finite(what: &str, columns: &[Vec<f32>], targets: &[f32]) {
    let largest = columns
        .iter()
        .flatten()
        .fold(0.0, |most, value: &f32| value.abs().max(most));
    for objective in objectives() {
        // The square of a dot product of such vectors is no f32.
        if matches!(objective.loss, Loss::MarginMeanSquaredError { .. }) && largest > 1e9 {
            continue;
        }
        for count in column_counts(&objective.loss) {
            let (value, gradients) = differentiate(&objective, &columns[..count], targets);
            assert!(
                value.is_finite() && gradients.iter().all(|gradient| gradient.is_finite()),
                "{what}: {objective:?} of {count} columns is {value}, gradients {gradients:?}"
            );
        }
    }
}

/// Four columns of some rows.
fn columns(rows: usize) -> Vec<Vec<f32>> {
    let value = |index: usize| ((index * 37 % 23) as f32 - 11.0) / 7.0;
    (0..4)
        .map(|column| {
            (0..rows * WIDTH)
                .map(|index| value(index + 5 * column))
                .collect()
        })
        .collect()
}

#[test]
fn a_batch_of_one() {
    for target in [0.0, 1.0] {
        assert_finite("one row", &columns(1), &[target]);
    }
}

#[test]
fn identical_texts() {
    let row = [0.5, -0.5, 0.1, 0.7];
    let same = vec![row.repeat(3); 4];
    assert_finite("all rows equal", &same, &[1.0, 0.0, 0.4]);
    let rows = columns(3).swap_remove(0);
    assert_finite("all columns equal", &vec![rows; 4], &[1.0, 0.0, 0.4]);
}

#[test]
fn zero_vectors() {
    assert_finite("all zero", &vec![vec![0.0; 3 * WIDTH]; 4], &[1.0, 0.0, 0.4]);
    for zero in 0..4 {
        let mut columns = columns(3);
        columns[zero][..WIDTH].fill(0.0);
        assert_finite("a zero row", &columns, &[1.0, 0.0, 0.4]);
        assert_finite("a zero row", &columns, &[0.0, 1.0, 0.4]);
    }
}

#[test]
fn very_long_and_very_short_vectors() {
    // Squares stay between the smallest and the largest f32.
    for factor in [1e15, 1e-6, 1e-10, 1e-15, 1e-30] {
        let mut columns = columns(3);
        for value in columns.iter_mut().flatten() {
            *value *= factor;
        }
        assert_finite(&format!("times {factor:e}"), &columns, &[1.0, 0.0, 0.4]);
    }
}

#[test]
fn equal_labels() {
    for target in [0.0, 1.0, 0.5] {
        assert_finite("equal targets", &columns(3), &[target; 3]);
    }
}

#[test]
fn extreme_scores() {
    assert_finite("scores", &columns(3), &[-1.0, 1.0, 1.0]);
    assert_finite("scores", &columns(3), &[-1e9, 1e9, 0.0]);
    assert_finite("scores", &columns(3), &[f32::MIN_POSITIVE, -0.0, 0.0]);
}

#[test]
fn the_largest_scales() {
    let rows = columns(3).swap_remove(0);
    let opposite: Vec<f32> = rows.iter().map(|value| -value).collect();
    let mut tested = 0;
    for loss in Loss::ALL {
        let Ok(loss) = loss.with_scale(1e30) else {
            continue;
        };
        if !loss.needs().takes_columns(2) || loss.needs().target == TargetKind::Vectors {
            continue;
        }
        let columns = [rows.clone(), opposite.clone()];
        let (value, gradients) = differentiate(&Objective::new(loss), &columns, &[1.0, 0.0, 0.4]);
        assert!(value.is_finite(), "{loss}: {value}");
        assert!(gradients.iter().all(|value| value.is_finite()), "{loss}");
        tested += 1;
    }
    assert_eq!(tested, 3);
}

#[test]
fn a_weight_counts_its_dimension() {
    let plain = Objective::new(Loss::MultipleNegativesRanking { scale: 20.0 });
    let with = |dimensions: &[usize], weights: &[f64]| {
        let objective = plain.clone().with_matryoshka(Matryoshka {
            dimensions: dimensions.to_vec(),
            weights: weights.to_vec(),
        });
        differentiate(&objective, &columns(3)[..2], &[])
    };
    // Cosines do not depend on norms: at only the full width it is the plain loss.
    let (value, gradients) = differentiate(&plain, &columns(3)[..2], &[]);
    let (full, full_gradients) = with(&[WIDTH], &[1.0]);
    assert_close("full width", &[full], &[value], 1e-5);
    assert_close("full width", &full_gradients, &gradients, 1e-5);
    // A weight of 0 is a dimension less, and weights are not divided by their sum.
    let (half, _) = with(&[2], &[1.0]);
    assert_close(
        "weight 0",
        &[with(&[WIDTH, 2], &[0.0, 1.0]).0],
        &[half],
        0.0,
    );
    let expected = 2.0 * full + 0.5 * half;
    assert_close(
        "weighted sum",
        &[with(&[2, WIDTH], &[0.5, 2.0]).0],
        &[expected],
        1e-4,
    );
    // What is cut off has no gradient.
    let (_, cut) = with(&[2], &[1.0]);
    let behind = cut.chunks(WIDTH).flat_map(|row| &row[2..]);
    assert!(behind.clone().count() == 12 && behind.copied().all(|value| value == 0.0));
}

#[test]
#[should_panic(expected = "the loss `cosent` was given 2 columns without targets")]
fn a_missing_target_is_a_bug() {
    fn body<B: EncoderOps>(device: &B::Device) {
        let column = Tensor::<Autodiff<B>, 2>::zeros([2, WIDTH], device);
        Loss::CoSent { scale: 20.0 }.forward(&[column.clone(), column], None);
    }
    on_test_device!(body);
}

#[test]
#[should_panic(expected = "the loss `multiple-negatives-ranking` was given 1 columns")]
fn a_missing_column_is_a_bug() {
    fn body<B: EncoderOps>(device: &B::Device) {
        let column = Tensor::<Autodiff<B>, 2>::zeros([2, WIDTH], device);
        Loss::MultipleNegativesRanking { scale: 20.0 }.forward(&[column], None);
    }
    on_test_device!(body);
}

/// Rows of multiples of 1/4, zero rows and equal rows among them, and a target for each.
fn batch() -> impl Strategy<Value = (Vec<[i8; 4 * WIDTH]>, Vec<u8>)> {
    (1usize..6).prop_flat_map(|rows| {
        let row = prop::array::uniform16(-4i8..=4);
        (
            prop::collection::vec(row, rows),
            prop::collection::vec(0u8..=2, rows),
        )
    })
}

/// The four columns of a batch, and its targets 0, 0.5 and 1.
fn unpack(rows: &[[i8; 4 * WIDTH]], targets: &[u8]) -> (Vec<Vec<f32>>, Vec<f32>) {
    let column = |column: usize| {
        let values = rows.iter().flat_map(|row| &row[column * WIDTH..][..WIDTH]);
        values.map(|&value| f32::from(value) / 4.0).collect()
    };
    (
        (0..4).map(column).collect(),
        targets
            .iter()
            .map(|&target| f32::from(target) / 2.0)
            .collect(),
    )
}

proptest! {
    #![proptest_config(ProptestConfig {
        failure_persistence: None, ..ProptestConfig::with_cases(cases())
    })]
    #[test]
    fn any_batch_has_a_loss_and_gradients((rows, targets) in batch()) {
        let (columns, targets) = unpack(&rows, &targets);
        for objective in objectives() {
            for count in column_counts(&objective.loss) {
                let (value, gradients) = differentiate(&objective, &columns[..count], &targets);
                // 1 - cos may be a rounding below 0.
                prop_assert!(value.is_finite() && value > -1e-6, "{objective:?}: {value}");
                prop_assert!(gradients.iter().all(|gradient| gradient.is_finite()));
            }
        }
    }

    #[test]
    fn the_order_of_rows_does_not_matter((rows, targets) in batch()) {
        let (columns, scores) = unpack(&rows, &targets);
        let reversed: Vec<_> = rows.iter().rev().copied().collect();
        let reversed_targets: Vec<_> = targets.iter().rev().copied().collect();
        let (reversed, reversed_scores) = unpack(&reversed, &reversed_targets);
        for objective in objectives() {
            // Without pairs of both labels online-contrastive compares distances with a mean, whose
            // rounding depends on the order. With both, it compares them with each other.
            let both_labels = scores.contains(&0.0) && scores.contains(&1.0);
            if matches!(objective.loss, Loss::OnlineContrastive { .. }) && !both_labels {
                continue;
            }
            // Rows of equal targets have equal guide vectors: rounding decides which are more similar.
            if matches!(objective.loss, Loss::Gist { .. }) {
                continue;
            }
            for count in column_counts(&objective.loss) {
                let (value, _) = differentiate(&objective, &columns[..count], &scores);
                let (other, _) = differentiate(&objective, &reversed[..count], &reversed_scores);
                // The sums run in another order.
                prop_assert!((value - other).abs() <= 1e-5 * value.abs().max(1.0));
            }
        }
    }
}
