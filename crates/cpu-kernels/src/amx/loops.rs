//! The loops of AMX over the depth, one for each shape and format.
//!
//! They are assembly, because Rust's names for these instructions are not stable yet. A loop is one block of assembly: the
//! compiler knows nothing of the contents of tiles between two blocks.
//!
//! The eight tile registers:
//!
//! | | 0 | 1 | 2 | 3 | 4 | 5 | 6 | 7 |
//! | --- | --- | --- | --- | --- | --- | --- | --- | --- |
//! | two tiles of rows | sums | sums | sums | sums | rows 0-15 | rows 16-31 | columns 0-15 | columns 16-31 |
//! | one tile of rows | sums | sums | | | rows 0-15 | | columns 0-15 | columns 16-31 |
//!
//! Split numbers need four kinds of tile in a step, and there is room for two. In the order `low * high`, `high * high`,
//! `high * low` each step replaces the rows, then the columns. So every tile is still read once: eight reads for twelve
//! products.
//!
//! The unit waits for a tile of weights that comes from memory. So where a panel meets its first rows, every step prefetches
//! as many bytes as it takes, 16 KiB ahead; after a panel's last weights come the next one's first. The prefetches are
//! spread over the step, because a core waits for a dozen lines or two at a time and stalls before one more.

#![allow(
    unsafe_code,
    reason = "instructions that stable Rust writes only as assembly"
)]

use std::arch::asm;

use super::multiply::Sums;
use crate::bf16::tiles::{ROW_BYTES, Tile, WIDTH};

/// Bytes of a row of [`Sums`].
const SUMS_ROW_BYTES: usize = WIDTH * size_of::<f32>();

/// Software prefetch: parts of 256 bytes, by their index, of the weights 16 KiB behind those that the step takes.
macro_rules! prefetch {
    ($($part:literal)*) => {
        concat!($(prefetch!($part: "0" "64" "128" "192"),)*)
    };
    ($part:literal: $($line:literal)*) => {
        concat!($("prefetcht1 [{weights} + 16384 + 256*", $part, " + ", $line, "]\n",)*)
    };
}

/// A loop over the depth: its start, a step, how many tiles of rows and of columns a step takes, and its end. After `&`
/// are the parts of the next weights that are prefetched after an instruction where weights come from memory.
macro_rules! product {
    (
        $(#[$attribute:meta])*
        $name:ident,
        start: [$($start:literal)*],
        step: [$($step:literal $(& ($($part:literal)*))?)*],
            tiles_in_step: $rows:tt, $columns:tt,
        end: [$($end:literal)*]
    ) => {
        $(#[$attribute])*
        ///
        /// # Safety
        ///
        /// The thread holds its [`TileRegisters`](super::tile_registers::TileRegisters); `steps` is not 0; each of `input`, and `weights`, points to
        /// the tiles of `steps` steps.
        pub(super) unsafe fn $name<const FIRST: bool>(
            input: [*const Tile; 2],
            weights: *const Tile,
            steps: usize,
            sums: &mut Sums,
        ) {
            macro_rules! walk {
                ($step_and_prefetch:expr) => {
                    asm!(
                        $($start,)*
                        "2:",
                        $step_and_prefetch,
                        "add {above}, {rows}",
                        "add {below}, {rows}",
                        "add {weights}, {columns}",
                        "dec {steps}",
                        "jnz 2b",
                        $($end,)*
                        above = inout(reg) input[0] => _,
                        below = inout(reg) input[1] => _,
                        weights = inout(reg) weights => _,
                        steps = inout(reg) steps => _,
                        stride = in(reg) ROW_BYTES,
                        sums = in(reg) sums.0.as_mut_ptr(),
                        sums_stride = in(reg) SUMS_ROW_BYTES,
                        rows = const $rows * size_of::<Tile>(),
                        columns = const $columns * size_of::<Tile>(),
                        out("tmm0") _, out("tmm1") _, out("tmm2") _, out("tmm3") _,
                        out("tmm4") _, out("tmm5") _, out("tmm6") _, out("tmm7") _,
                        options(nostack),
                    )
                };
            }
            // SAFETY: by the contract above every address read lies in the tiles of a step; written is only to `sums`, 16
            // rows at each of up to four quarters. The registers that change are named, all tiles among them. Prefetches go
            // beyond the weights: they are hints, which read nothing that the program sees and fault nowhere.
            unsafe {
                if FIRST {
                    walk!(concat!($($step, "\n", $(prefetch!($($part)*),)?)*));
                } else {
                    walk!(concat!($($step, "\n",)*));
                }
            }
        }
    };
}

product!(
    /// Two tiles of rows, bfloat16.
    two_single,
    start: ["tilezero tmm0" "tilezero tmm1" "tilezero tmm2" "tilezero tmm3"],
    step: [
        "tileloadd tmm6, [{weights} + {stride}*1]" & ("0")
        "tileloadd tmm4, [{above} + {stride}*1]" & ("1")
        "tileloadd tmm7, [{weights} + {stride}*1 + 1024]" & ("2")
        "tileloadd tmm5, [{below} + {stride}*1]" & ("3")
        "tdpbf16ps tmm0, tmm4, tmm6" & ("4")
        "tdpbf16ps tmm1, tmm4, tmm7" & ("5")
        "tdpbf16ps tmm2, tmm5, tmm6" & ("6")
        "tdpbf16ps tmm3, tmm5, tmm7" & ("7")
    ],
        tiles_in_step: 1, 2,
    end: [
        "tilestored [{sums} + {sums_stride}*1], tmm0"
        "tilestored [{sums} + {sums_stride}*1 + 64], tmm1"
        "tilestored [{sums} + {sums_stride}*1 + 2048], tmm2"
        "tilestored [{sums} + {sums_stride}*1 + 2112], tmm3"
    ]
);

product!(
    /// One tile of rows, bfloat16.
    one_single,
    start: ["tilezero tmm0" "tilezero tmm1"],
    step: [
        "tileloadd tmm6, [{weights} + {stride}*1]" & ("0" "1")
        "tileloadd tmm4, [{above} + {stride}*1]" & ("2")
        "tileloadd tmm7, [{weights} + {stride}*1 + 1024]" & ("3" "4")
        "tdpbf16ps tmm0, tmm4, tmm6" & ("5")
        "tdpbf16ps tmm1, tmm4, tmm7" & ("6" "7")
    ],
        tiles_in_step: 1, 2,
    end: [
        "tilestored [{sums} + {sums_stride}*1], tmm0"
        "tilestored [{sums} + {sums_stride}*1 + 64], tmm1"
    ]
);

product!(
    /// Two tiles of rows, int8.
    two_bytes,
    start: ["tilezero tmm0" "tilezero tmm1" "tilezero tmm2" "tilezero tmm3"],
    step: [
        "tileloadd tmm6, [{weights} + {stride}*1]" & ("0")
        "tileloadd tmm4, [{above} + {stride}*1]" & ("1")
        "tileloadd tmm7, [{weights} + {stride}*1 + 1024]" & ("2")
        "tileloadd tmm5, [{below} + {stride}*1]" & ("3")
        "tdpbusd tmm0, tmm4, tmm6" & ("4")
        "tdpbusd tmm1, tmm4, tmm7" & ("5")
        "tdpbusd tmm2, tmm5, tmm6" & ("6")
        "tdpbusd tmm3, tmm5, tmm7" & ("7")
    ],
        tiles_in_step: 1, 2,
    end: [
        "tilestored [{sums} + {sums_stride}*1], tmm0"
        "tilestored [{sums} + {sums_stride}*1 + 64], tmm1"
        "tilestored [{sums} + {sums_stride}*1 + 2048], tmm2"
        "tilestored [{sums} + {sums_stride}*1 + 2112], tmm3"
    ]
);

product!(
    /// One tile of rows, int8.
    one_bytes,
    start: ["tilezero tmm0" "tilezero tmm1"],
    step: [
        "tileloadd tmm6, [{weights} + {stride}*1]" & ("0" "1")
        "tileloadd tmm4, [{above} + {stride}*1]" & ("2")
        "tileloadd tmm7, [{weights} + {stride}*1 + 1024]" & ("3" "4")
        "tdpbusd tmm0, tmm4, tmm6" & ("5")
        "tdpbusd tmm1, tmm4, tmm7" & ("6" "7")
    ],
        tiles_in_step: 1, 2,
    end: [
        "tilestored [{sums} + {sums_stride}*1], tmm0"
        "tilestored [{sums} + {sums_stride}*1 + 64], tmm1"
    ]
);

product!(
    /// Two tiles of rows, split.
    two_split,
    start: ["tilezero tmm0" "tilezero tmm1" "tilezero tmm2" "tilezero tmm3"],
    step: [
        "tileloadd tmm4, [{above} + {stride}*1 + 1024]"
        "tileloadd tmm6, [{weights} + {stride}*1]" & ("0")
        "tileloadd tmm5, [{below} + {stride}*1 + 1024]" & ("1")
        "tileloadd tmm7, [{weights} + {stride}*1 + 1024]" & ("2")
        "tdpbf16ps tmm0, tmm4, tmm6" & ("3")
        "tdpbf16ps tmm1, tmm4, tmm7" & ("4")
        "tdpbf16ps tmm2, tmm5, tmm6" & ("5")
        "tdpbf16ps tmm3, tmm5, tmm7" & ("6")
        "tileloadd tmm4, [{above} + {stride}*1]"
        "tileloadd tmm5, [{below} + {stride}*1]" & ("7")
        "tdpbf16ps tmm0, tmm4, tmm6" & ("8")
        "tdpbf16ps tmm1, tmm4, tmm7" & ("9")
        "tdpbf16ps tmm2, tmm5, tmm6" & ("10")
        "tdpbf16ps tmm3, tmm5, tmm7" & ("11")
        "tileloadd tmm6, [{weights} + {stride}*1 + 2048]"
        "tileloadd tmm7, [{weights} + {stride}*1 + 3072]"
        "tdpbf16ps tmm0, tmm4, tmm6" & ("12")
        "tdpbf16ps tmm2, tmm5, tmm6" & ("13")
        "tdpbf16ps tmm1, tmm4, tmm7" & ("14")
        "tdpbf16ps tmm3, tmm5, tmm7" & ("15")
    ],
    tiles_in_step: 2, 4,
    end: [
        "tilestored [{sums} + {sums_stride}*1], tmm0"
        "tilestored [{sums} + {sums_stride}*1 + 64], tmm1"
        "tilestored [{sums} + {sums_stride}*1 + 2048], tmm2"
        "tilestored [{sums} + {sums_stride}*1 + 2112], tmm3"
    ]
);

product!(
    /// One tile of rows, split.
    one_split,
    start: ["tilezero tmm0" "tilezero tmm1"],
    step: [
        "tileloadd tmm4, [{above} + {stride}*1 + 1024]"
        "tileloadd tmm6, [{weights} + {stride}*1]" & ("0" "1")
        "tileloadd tmm7, [{weights} + {stride}*1 + 1024]" & ("2" "3")
        "tdpbf16ps tmm0, tmm4, tmm6" & ("4" "5")
        "tdpbf16ps tmm1, tmm4, tmm7" & ("6" "7")
        "tileloadd tmm5, [{above} + {stride}*1]"
        "tdpbf16ps tmm0, tmm5, tmm6" & ("8" "9")
        "tdpbf16ps tmm1, tmm5, tmm7" & ("10" "11")
        "tileloadd tmm6, [{weights} + {stride}*1 + 2048]" & ("12")
        "tileloadd tmm7, [{weights} + {stride}*1 + 3072]" & ("13")
        "tdpbf16ps tmm0, tmm5, tmm6" & ("14")
        "tdpbf16ps tmm1, tmm5, tmm7" & ("15")
    ],
    tiles_in_step: 2, 4,
    end: [
        "tilestored [{sums} + {sums_stride}*1], tmm0"
        "tilestored [{sums} + {sums_stride}*1 + 64], tmm1"
    ]
);
