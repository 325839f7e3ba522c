//! The products of the matrix unit: a loop over the depth for each shape, written out because the compiler's own names for
//! these instructions are not yet stable. A loop is one block of assembly: the compiler knows nothing of what tiles hold
//! between two.
//!
//! The eight tile registers:
//!
//! | | 0 | 1 | 2 | 3 | 4 | 5 | 6 | 7 |
//! | --- | --- | --- | --- | --- | --- | --- | --- | --- |
//! | two tiles of rows | sums | sums | sums | sums | rows 0-15 | rows 16-31 | columns 0-15 | columns 16-31 |
//! | one tile of rows | sums | sums | | | rows 0-15 | | columns 0-15 | columns 16-31 |
//!
//! Split numbers need four kinds of tile at a step where there is room for two. In the order `low *
//! high`, `high * high`, `high * low` each step replaces the rows, then the columns: every tile is
//! still read once, eight reads for twelve products. On the first walk over a panel the columns' `low` is made of its
//! bytes and bits by vector instructions between the first of the products that do not need it yet (the others give it
//! time to reach the cache): 29 operations for a row of both tiles, 232 cycles of two vector units for a step, where two
//! tiles of rows keep the matrix unit busy for 192. (On Zen 4 these alone take 64 ns a step from the cache, 3 KiB at 50 GB/s
//! on one core: several times what memory gives it.)
//!
//! A tile of weights that comes from memory is waited for. So where a panel meets its first rows, every step asks for
//! as many bytes as it takes, 16 KiB further on; behind a panel's last weights stand the next one's first. On two cores
//! of a Xeon of 2023 a stream of split weights through these loops came at 13 GB/s without that, at 15.5 asked for 4 KiB
//! ahead, 21.0 at 8 KiB, 21.8 at 16 and 32 KiB, 21.2 at 128 KiB; at 18 if it was to come into the first-level cache, and
//! at 16 if every second line was asked for (medians of seven), all at the end of a step; loads of vectors alone come to
//! 28. Since then the requests are spread over the step, because a core waits for a dozen lines or two at a time and stands
//! still before one more. The vector instructions of the split step alone, which run on two cores of a Zen 4 as well, came
//! to 18 GB/s there without requests, to 26 with all at the step's end and to 31 with three beside every row, where loads
//! came to 30 to 32 (best of five).

#![allow(
    unsafe_code,
    reason = "instructions that stable Rust writes only as assembly"
)]

use std::arch::asm;

use super::multiply::Sums;
use crate::cpu::bf16::split_weights::StepBits;
use crate::cpu::bf16::tiles::{PAIR, ROW_BYTES, Tile, WIDTH};

/// How far behind a step's weights it asks for more, in bytes.
const AHEAD: usize = 16 * 1024;

/// Bytes of a row of [`Sums`].
const SUMS_ROW_BYTES: usize = WIDTH * size_of::<f32>();

/// Asks for lines of the weights, named by where they begin behind `ahead`.
macro_rules! request {
    ($times:literal $part:literal: $($line:literal)*) => {
        concat!($("prefetcht1 [{ahead} + ", $times, $part, " + ", $line, "]\n",)*)
    };
}

/// Eighths of the two tiles of weights that a step takes, to be asked for.
macro_rules! eighths {
    (start) => {
        ""
    };
    ($($eighth:literal)*) => {
        concat!($(request!("256*" $eighth: "0" "64" "128" "192"),)*)
    };
}

/// Rows of both tiles of `low`: [`low_tiles`](super::split_weights::low_tiles) in instructions. Each asks for as much as it
/// reads. (`VPTERNLOGD` looks up in `0xea`: first and second, or third; in `0x6a`: first and second, exclusive or third.)
macro_rules! low_rows {
    // Masks, the middle of a place and the lowest bit, in registers.
    (start) => {
        concat!(
            "mov eax, 0x80\n",
            "vpbroadcastd zmm28, eax\n",
            "mov eax, 0xffff0000\n",
            "vpbroadcastd zmm29, eax\n",
            "mov eax, 0x8000\n",
            "vpbroadcastd zmm30, eax\n",
            "mov eax, 0xff00\n",
            "vpbroadcastd zmm31, eax\n",
        )
    };
    ($($row:literal)*) => {
        concat!($(
            "vmovdqa64 zmm16, [{weights} + 2048 + 64*", $row, "]\n",
            "vmovdqa64 zmm17, [{weights} + 64*", $row, "]\n",
            "vmovdqa64 zmm18, [{weights} + 1024 + 64*", $row, "]\n",
            "kmovw k1, word ptr [{bits} + 8*", $row, "]\n",
            "kmovw k2, word ptr [{bits} + 2 + 8*", $row, "]\n",
            "kmovw k3, word ptr [{bits} + 4 + 8*", $row, "]\n",
            "kmovw k4, word ptr [{bits} + 6 + 8*", $row, "]\n",
            // The middles of the even and the odd depths' last places, in either column ...
            "vpslld zmm19, zmm17, 16\n",
            "vpslld zmm20, zmm18, 16\n",
            "vpord zmm19, zmm19, zmm30\n",
            "vpord zmm20, zmm20, zmm30\n",
            "vpternlogd zmm17, zmm29, zmm30, 0xea\n",
            "vpternlogd zmm18, zmm29, zmm30, 0xea\n",
            // ... with their bytes and bits below ...
            "vpslld zmm21, zmm16, 8\n",
            "vpsrld zmm22, zmm16, 8\n",
            "vpsrld zmm23, zmm16, 16\n",
            "vpternlogd zmm21, zmm31, zmm19, 0x6a\n",
            "vpternlogd zmm22, zmm31, zmm20, 0x6a\n",
            "vpternlogd zmm16, zmm31, zmm17, 0x6a\n",
            "vpternlogd zmm23, zmm31, zmm18, 0x6a\n",
            "vpxord zmm21{{k1}}, zmm21, zmm28\n",
            "vpxord zmm16{{k2}}, zmm16, zmm28\n",
            "vpxord zmm22{{k3}}, zmm22, zmm28\n",
            "vpxord zmm23{{k4}}, zmm23, zmm28\n",
            // ... less the middles, and both depths' upper halves together.
            "vsubps zmm21, zmm21, zmm19\n",
            "vsubps zmm22, zmm22, zmm20\n",
            "vsubps zmm16, zmm16, zmm17\n",
            "vsubps zmm23, zmm23, zmm18\n",
            "vpsrld zmm21, zmm21, 16\n",
            "vpsrld zmm22, zmm22, 16\n",
            "vpternlogd zmm16, zmm29, zmm21, 0xea\n",
            "vpternlogd zmm23, zmm29, zmm22, 0xea\n",
            "vmovdqa64 [{low} + 64*", $row, "], zmm16\n",
            "vmovdqa64 [{low} + 1024 + 64*", $row, "], zmm23\n",
            request!("192*" $row: "0" "64" "128"),
            request!("3072 + 8*" $row: "0"),
        )*)
    };
}

/// A loop over the depth: what starts it, a step, how far a step goes in tiles of rows, of columns and of their `low`, what
/// ends it. After `&` stand the parts of what is done beside an instruction where weights come from memory, and behind
/// `beside` what that is: it is spread over the step, because the processor can wait for no more than some lines at a time.
macro_rules! product {
    (
        $(#[$attribute:meta])*
        $name:ident,
        start: [$($start:literal)*],
        step: [$($step:literal $(& $parts:tt)?)*], beside: $beside:ident,
            tiles_in_step: $rows:tt, $columns:tt, $lows:tt,
        end: [$($end:literal)*]
    ) => {
        $(#[$attribute])*
        ///
        /// # Safety
        ///
        /// The thread holds its [`Unit`](super::unit::Unit); `steps` is not 0; each of `input`, and `weights`, points to
        /// the tiles of `steps` steps. If the numbers are split, `bits` and `low` do so as well, the processor has AVX-512,
        /// and if `FIRST`, nobody else has a reference to `low`, which is written.
        pub(super) unsafe fn $name<const FIRST: bool>(
            input: [*const Tile; 2],
            bits: *const StepBits,
            weights: *const Tile,
            low: *mut Tile,
            steps: usize,
            sums: &mut Sums,
        ) {
            macro_rules! walk {
                ($before:expr, $in_step:expr) => {
                    asm!(
                        $before,
                        $($start,)*
                        "2:",
                        $in_step,
                        "add {above}, {rows}",
                        "add {below}, {rows}",
                        "add {weights}, {columns}",
                        "add {low}, {lows}",
                        "add {bits}, {step_bits}",
                        "add {ahead}, {step_bytes}",
                        "dec {steps}",
                        "jnz 2b",
                        $($end,)*
                        above = inout(reg) input[0] => _,
                        below = inout(reg) input[1] => _,
                        weights = inout(reg) weights => _,
                        low = inout(reg) low => _,
                        bits = inout(reg) bits => _,
                        ahead = inout(reg) bits.wrapping_byte_add(AHEAD) => _,
                        out("rax") _,
                        steps = inout(reg) steps => _,
                        stride = in(reg) ROW_BYTES,
                        sums = in(reg) sums.0.as_mut_ptr(),
                        sums_stride = in(reg) SUMS_ROW_BYTES,
                        rows = const $rows * size_of::<Tile>(),
                        columns = const $columns * size_of::<Tile>(),
                        lows = const $lows * size_of::<Tile>(),
                        step_bits = const size_of::<StepBits>(),
                        // Only of split numbers there are bits, and a `low`.
                        step_bytes = const $columns * size_of::<Tile>()
                            + $lows / PAIR * size_of::<StepBits>(),
                        out("tmm0") _, out("tmm1") _, out("tmm2") _, out("tmm3") _,
                        out("tmm4") _, out("tmm5") _, out("tmm6") _, out("tmm7") _,
                        out("zmm16") _, out("zmm17") _, out("zmm18") _, out("zmm19") _,
                        out("zmm20") _, out("zmm21") _, out("zmm22") _, out("zmm23") _,
                        out("zmm28") _, out("zmm29") _, out("zmm30") _, out("zmm31") _,
                        out("k1") _, out("k2") _, out("k3") _, out("k4") _,
                        options(nostack),
                    )
                };
            }
            // SAFETY: by the contract above every address read lies in the tiles, or the bits, of a step; written is only
            // to `sums`, 16 rows at each of up to four quarters, and to `low` if `FIRST`. The registers that change are
            // named, all tiles among them. Requests go beyond the weights: they are hints, which read nothing that
            // the program sees and fault nowhere.
            unsafe {
                if FIRST {
                    walk!($beside!(start), concat!($($step, "\n", $($beside! $parts,)?)*));
                } else {
                    walk!("", concat!($($step, "\n",)*));
                }
            }
        }
    };
}

product!(
    /// Two tiles of rows, rounded.
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
    beside: eighths,
    tiles_in_step: 1, 2, 0,
    end: [
        "tilestored [{sums} + {sums_stride}*1], tmm0"
        "tilestored [{sums} + {sums_stride}*1 + 64], tmm1"
        "tilestored [{sums} + {sums_stride}*1 + 2048], tmm2"
        "tilestored [{sums} + {sums_stride}*1 + 2112], tmm3"
    ]
);

product!(
    /// One tile of rows, rounded.
    one_single,
    start: ["tilezero tmm0" "tilezero tmm1"],
    step: [
        "tileloadd tmm6, [{weights} + {stride}*1]" & ("0" "1")
        "tileloadd tmm4, [{above} + {stride}*1]" & ("2")
        "tileloadd tmm7, [{weights} + {stride}*1 + 1024]" & ("3" "4")
        "tdpbf16ps tmm0, tmm4, tmm6" & ("5")
        "tdpbf16ps tmm1, tmm4, tmm7" & ("6" "7")
    ],
    beside: eighths,
    tiles_in_step: 1, 2, 0,
    end: [
        "tilestored [{sums} + {sums_stride}*1], tmm0"
        "tilestored [{sums} + {sums_stride}*1 + 64], tmm1"
    ]
);

product!(
    /// Two tiles of rows, whole numbers.
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
    beside: eighths,
    tiles_in_step: 1, 2, 0,
    end: [
        "tilestored [{sums} + {sums_stride}*1], tmm0"
        "tilestored [{sums} + {sums_stride}*1 + 64], tmm1"
        "tilestored [{sums} + {sums_stride}*1 + 2048], tmm2"
        "tilestored [{sums} + {sums_stride}*1 + 2112], tmm3"
    ]
);

product!(
    /// One tile of rows, whole numbers.
    one_bytes,
    start: ["tilezero tmm0" "tilezero tmm1"],
    step: [
        "tileloadd tmm6, [{weights} + {stride}*1]" & ("0" "1")
        "tileloadd tmm4, [{above} + {stride}*1]" & ("2")
        "tileloadd tmm7, [{weights} + {stride}*1 + 1024]" & ("3" "4")
        "tdpbusd tmm0, tmm4, tmm6" & ("5")
        "tdpbusd tmm1, tmm4, tmm7" & ("6" "7")
    ],
    beside: eighths,
    tiles_in_step: 1, 2, 0,
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
        "tileloadd tmm6, [{weights} + {stride}*1]"
        "tileloadd tmm5, [{below} + {stride}*1 + 1024]"
        "tileloadd tmm7, [{weights} + {stride}*1 + 1024]"
        "tdpbf16ps tmm0, tmm4, tmm6" & ("0" "1" "2" "3")
        "tdpbf16ps tmm1, tmm4, tmm7" & ("4" "5" "6" "7")
        "tdpbf16ps tmm2, tmm5, tmm6" & ("8" "9" "10" "11")
        "tdpbf16ps tmm3, tmm5, tmm7" & ("12" "13" "14" "15")
        "tileloadd tmm4, [{above} + {stride}*1]"
        "tileloadd tmm5, [{below} + {stride}*1]"
        "tdpbf16ps tmm0, tmm4, tmm6"
        "tdpbf16ps tmm1, tmm4, tmm7"
        "tdpbf16ps tmm2, tmm5, tmm6"
        "tdpbf16ps tmm3, tmm5, tmm7"
        "tileloadd tmm6, [{low} + {stride}*1]"
        "tileloadd tmm7, [{low} + {stride}*1 + 1024]"
        "tdpbf16ps tmm0, tmm4, tmm6"
        "tdpbf16ps tmm2, tmm5, tmm6"
        "tdpbf16ps tmm1, tmm4, tmm7"
        "tdpbf16ps tmm3, tmm5, tmm7"
    ],
    beside: low_rows,
    tiles_in_step: 2, 3, 2,
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
        "tileloadd tmm6, [{weights} + {stride}*1]"
        "tileloadd tmm7, [{weights} + {stride}*1 + 1024]"
        "tdpbf16ps tmm0, tmm4, tmm6" & ("0" "1" "2" "3" "4" "5" "6" "7")
        "tdpbf16ps tmm1, tmm4, tmm7" & ("8" "9" "10" "11" "12" "13" "14" "15")
        "tileloadd tmm5, [{above} + {stride}*1]"
        "tdpbf16ps tmm0, tmm5, tmm6"
        "tdpbf16ps tmm1, tmm5, tmm7"
        "tileloadd tmm6, [{low} + {stride}*1]"
        "tileloadd tmm7, [{low} + {stride}*1 + 1024]"
        "tdpbf16ps tmm0, tmm5, tmm6"
        "tdpbf16ps tmm1, tmm5, tmm7"
    ],
    beside: low_rows,
    tiles_in_step: 2, 3, 2,
    end: [
        "tilestored [{sums} + {sums_stride}*1], tmm0"
        "tilestored [{sums} + {sums_stride}*1 + 64], tmm1"
    ]
);
