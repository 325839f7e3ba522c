//! Rotary position embeddings against their definition in float64.

use proptest::prelude::*;

use super::{assert_close, numbers, sequences_of};
use crate::{RotaryRows, RotaryTable, Rotation, every, rotary};

#[test]
fn angles_are_rounded_as_in_float32() {
    for (head_size, base) in [(64, 160_000.0), (64, 10_000.0), (32, 1_000.0), (2, 10.0)] {
        let table = RotaryTable::new(head_size, base, 9000);
        assert_eq!((table.head_size(), table.positions()), (head_size, 9000));
        for (place, (cosine, sine)) in table.cosines().iter().zip(table.sines()).enumerate() {
            let (position, pair) = (place / (head_size / 2), place % (head_size / 2));
            let exponent = -2.0 * pair as f64 / head_size as f64;
            let angle = position as f64 * base.powf(exponent);
            // The exponent is rounded, which `ln(base) < 12` magnifies, then the power, its inverse and the angle, and at
            // last the sine.
            let lost = angle * 12.0 * 2f64.powi(-24) + 2f64.powi(-24);
            assert!((f64::from(*cosine) - angle.cos()).abs() <= lost, "{place}");
            assert!((f64::from(*sine) - angle.sin()).abs() <= lost, "{place}");
        }
    }
}

#[test]
fn the_first_pair_turns_by_one_radian_a_position() {
    let table = RotaryTable::new(64, 10_000.0, 5001);
    let row = 5000 * 32;
    let angle = 5000f64;
    assert_eq!(table.cosines()[row], angle.cos() as f32);
    assert_eq!(table.sines()[row], angle.sin() as f32);
    assert_eq!(table.cosines()[..32], [1.0; 32]);
    assert_eq!(table.sines()[..32], [0.0; 32]);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn rows_are_rotated_by_their_definition(
        lengths in prop::collection::vec(0usize..60, 0..5),
        heads in 1usize..4,
        pairs in 1usize..40,
        // Columns behind the heads, which stay.
        others in 0usize..50,
        seed in any::<u64>(),
    ) {
        let (sequences, head_size) = (sequences_of(&lengths), 2 * pairs);
        let (width, base) = (heads * head_size, 1000.0);
        let stride = width + others;
        let tokens: usize = lengths.iter().sum();
        let values = numbers(tokens * stride, seed, 1.0);
        let table = RotaryTable::new(head_size, base, 60);
        let mut expected: Vec<f64> = values.iter().map(|value| f64::from(*value)).collect();
        for sequence in &sequences {
            for row in sequence.clone() {
                for (head, pair) in (0..heads).flat_map(|head| (0..pairs).map(move |pair| (head, pair))) {
                    let exponent = -2.0 * pair as f64 / head_size as f64;
                    let angle = (row - sequence.start) as f64 * base.powf(exponent);
                    let first = row * stride + head * head_size + pair;
                    let [x, y] = [first, first + pairs].map(|place| f64::from(values[place]));
                    expected[first] = x * angle.cos() - y * angle.sin();
                    expected[first + pairs] = y * angle.cos() + x * angle.sin();
                }
            }
        }
        every::set_of_instructions(|| {
            let mut found = values.clone();
            rotary(RotaryRows { values: &mut found, stride, width }, &table, &sequences, Rotation::Forward);
            // Angles up to 60 are off by 60 * 12 * 2^-24; two products of numbers below 1.
            assert_close(&found, &expected, 1e-4);
            for (found, value) in found.chunks(stride).zip(values.chunks(stride)) {
                prop_assert_eq!(&found[width..], &value[width..]);
            }
            // The opposite rotation undoes it, as far as sine and cosine are on the circle.
            rotary(RotaryRows { values: &mut found, stride, width }, &table, &sequences, Rotation::Backward);
            let values: Vec<f64> = values.iter().map(|value| f64::from(*value)).collect();
            assert_close(&found, &values, 1e-6);
            Ok::<_, TestCaseError>(())
        })?;
    }
}

#[test]
#[should_panic(expected = "an angle for each of 4 positions")]
fn a_sequence_longer_than_the_table_is_refused() {
    let mut values = [0.0; 16];
    let rows = RotaryRows {
        values: &mut values,
        stride: 4,
        width: 4,
    };
    let table = RotaryTable::new(4, 10.0, 3);
    rotary(rows, &table, &sequences_of(&[4]), Rotation::Forward);
}
