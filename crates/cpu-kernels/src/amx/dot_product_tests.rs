//! The bfloat16 dot product over tiles against AMX or its emulation.

use proptest::prelude::*;

use super::tests::{Case, run_by_dot_product};
use crate::activation::Activation;
use crate::bf16::tiles::Form;
use crate::tests::skipped;

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    /// Closer than either is to the definition: both multiply the same bfloat16, and round only their sums.
    #[test]
    fn rounded_products_of_the_bf16_dot_product_are_those_of_tiles(
        rows in 1usize..60,
        // One k-block, and several.
        depth in prop::sample::select(vec![1usize, 31, 32, 33, 200, 1025, 2500]),
        outputs in 1usize..70,
        seed in any::<u64>(),
    ) {
        let case = Case::new(rows, depth, outputs, seed);
        let weights = case.pack(Form::Single);
        let tiles = case.run(&weights, Activation::Identity);
        let Some(dot_product) = run_by_dot_product(&case.input, &weights, &case.bias, Activation::Identity) else {
            skipped("dot products against tiles", "AVX512-BF16");
            return Ok(());
        };
        for ((dot_product, tiles), magnitude) in dot_product.iter().zip(&tiles).zip(&case.magnitudes()) {
            let difference = f64::from((dot_product - tiles).abs());
            // Both round as many sums, of at most all absolute products (1.01: of rounded numbers).
            let tolerance = 1.01 * (depth + 1) as f64 * f64::from(f32::EPSILON) * magnitude;
            prop_assert!(difference <= tolerance, "{dot_product}, over tiles {tiles}");
        }
    }
}

#[test]
fn however_the_bf16_dot_product_share_the_work_out_a_row_gives_the_same_bits() {
    // Several k-blocks.
    let case = Case::new(150, 2500, 70, 3);
    let weights = case.pack(Form::Single);
    let run_with = |threads: usize, rows: usize| {
        let pool = rayon::ThreadPoolBuilder::new()
            .num_threads(threads)
            .build()
            .unwrap();
        let input = &case.input[..rows * case.depth()];
        pool.install(|| run_by_dot_product(input, &weights, &case.bias, Activation::Gelu))
    };
    let Some(all) = run_with(1, 150) else {
        skipped("dot products", "AVX512-BF16");
        return;
    };
    for (threads, rows) in [
        (2, 150),
        (7, 150),
        (1, 1),
        (2, 11),
        (2, 47),
        (2, 48),
        (3, 97),
        (40, 97),
        (40, 150),
    ] {
        let some = run_with(threads, rows);
        assert_eq!(
            some.as_deref(),
            Some(&all[..rows * 70]),
            "{rows} rows, {threads} threads"
        );
    }
}
