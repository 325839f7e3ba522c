//! The product of tiles by the matrix unit (x86-64 Linux).
//!
//! Everything that is not safe Rust here is four instructions to hold the unit and one loop for each
//! shape of product, written out because the compiler's own names for these instructions are not yet
//! stable. A loop is one block of assembly: the compiler knows nothing of what tiles hold between two.
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
//! still read once, eight reads for twelve products.
//!
//! A tile of weights that comes from memory is waited for. So where a panel meets its first rows, every step asks for
//! as many bytes as it takes, 16 KiB further on; behind a panel's last weights stand the next one's first. On two cores
//! of a Xeon of 2023 a stream of split weights through these loops came at 13 GB/s without that, at 15.5 asked for 4 KiB
//! ahead, 21.0 at 8 KiB, 21.8 at 16 and 32 KiB, 21.2 at 128 KiB; at 18 if it was to come into the first-level cache, and
//! at 16 if every second line was asked for (medians of seven). Loads of vectors alone come to 28.

#![allow(
    unsafe_code,
    reason = "instructions that stable Rust writes only as assembly"
)]

use std::arch::asm;
use std::cell::Cell;
use std::marker::PhantomData;

use super::tiles::{Multiply, Pass, ROW_BYTES, SIDE, Sums, Tile, WIDTH, steps_of};
use super::{Form, Numbers, detect};

/// The configuration of the tiles: what `LDTILECFG` reads.
#[repr(C, align(64))]
struct Configuration {
    palette: u8,
    start_row: u8,
    reserved: [u8; 14],
    row_bytes: [u16; 16],
    rows: [u8; 16],
}

/// Eight full tiles; nothing in it depends on what they hold, so it serves bytes as well.
static FULL_TILES: Configuration = {
    let mut configuration = Configuration {
        palette: 1,
        start_row: 0,
        reserved: [0; 14],
        row_bytes: [0; 16],
        rows: [0; 16],
    };
    let mut tile = 0;
    while tile < 8 {
        configuration.row_bytes[tile] = ROW_BYTES as u16;
        configuration.rows[tile] = SIDE as u8;
        tile += 1;
    }
    configuration
};

thread_local! {
    /// Whether this thread's tiles are configured.
    static HELD: Cell<bool> = const { Cell::new(false) };
}

/// This thread's unit, configured until it is dropped.
///
/// A thread holds one at a time: a second one would take the configuration away when it is dropped, and the
/// first one's next product would be an illegal instruction.
pub(super) struct Unit {
    /// The configuration is the thread's.
    _not_send: PhantomData<*const ()>,
}

impl Unit {
    /// Configures this thread's tiles, where there are any.
    ///
    /// # Panics
    ///
    /// When this thread holds them already.
    pub(super) fn hold() -> Option<Self> {
        if !detect::usable() {
            return None;
        }
        assert!(!HELD.replace(true), "a thread has one matrix unit");
        // SAFETY: the processor has tiles and the system lets this process use them (just checked).
        // The instruction reads the 64 bytes of a valid configuration; what it changes, the
        // compiler uses for nothing.
        unsafe {
            asm!(
                "ldtilecfg [{configuration}]",
                configuration = in(reg) &raw const FULL_TILES,
                out("tmm0") _, out("tmm1") _, out("tmm2") _, out("tmm3") _,
                out("tmm4") _, out("tmm5") _, out("tmm6") _, out("tmm7") _,
                options(readonly, nostack, preserves_flags),
            );
        }
        Some(Self {
            _not_send: PhantomData,
        })
    }
}

impl Drop for Unit {
    fn drop(&mut self) {
        HELD.set(false);
        // SAFETY: there are tiles (`hold` has checked); the instruction empties them, and nobody
        // expects anything of them any more.
        unsafe {
            asm!(
                "tilerelease",
                out("tmm0") _, out("tmm1") _, out("tmm2") _, out("tmm3") _,
                out("tmm4") _, out("tmm5") _, out("tmm6") _, out("tmm7") _,
                options(nomem, nostack, preserves_flags),
            );
        }
    }
}

/// Bytes of a row of [`Sums`].
const SUMS_ROW_BYTES: usize = WIDTH * size_of::<f32>();

/// Asks for as many tiles of weights as a step takes, from 16 KiB behind those of this step on.
macro_rules! request {
    (2 tiles) => {
        concat!(request!("16384"), request!("17408"))
    };
    (4 tiles) => {
        concat!(request!(2 tiles), request!("18432"), request!("19456"))
    };
    ($ahead:literal) => {
        request!($ahead: 0 64 128 192 256 320 384 448 512 576 640 704 768 832 896 960)
    };
    ($ahead:literal: $($line:literal)*) => {
        concat!($("prefetcht1 [{weights} + ", $ahead, " + ", $line, "]\n"),*)
    };
}

/// A loop over the depth: what starts it, a step, how far a step goes in tiles of rows and of columns, what ends it.
macro_rules! product {
    (
        $(#[$attribute:meta])*
        $name:ident,
        start: [$($start:literal)*],
        step: [$($step:literal)*],
            tiles_in_step: $rows:tt, $columns:tt,
        end: [$($end:literal)*]
    ) => {
        $(#[$attribute])*
        ///
        /// # Safety
        ///
        /// The thread's tiles are configured as [`FULL_TILES`]; `steps` is not 0; each of `input`, and
        /// `weights`, points to the tiles of `steps` steps.
        unsafe fn $name<const ASK: bool>(
            input: [*const Tile; 2],
            weights: *const Tile,
            steps: usize,
            sums: &mut Sums,
        ) {
            macro_rules! walk {
                ($request:expr) => {
                    asm!(
                        $($start,)*
                        "2:",
                        $($step,)*
                        $request,
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
            // SAFETY: by the contract above every address read lies in the tiles of a step; written
            // is only to `sums`, 16 rows at each of up to four quarters. The registers that change
            // are named, all tiles among them. Requests go up to 20 KiB beyond the weights: they are hints, which
            // read nothing that the program sees and fault nowhere.
            unsafe {
                if ASK {
                    walk!(request!($columns tiles));
                } else {
                    walk!("");
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
        "tileloadd tmm6, [{weights} + {stride}*1]"
        "tileloadd tmm4, [{above} + {stride}*1]"
        "tileloadd tmm7, [{weights} + {stride}*1 + 1024]"
        "tileloadd tmm5, [{below} + {stride}*1]"
        "tdpbf16ps tmm0, tmm4, tmm6"
        "tdpbf16ps tmm1, tmm4, tmm7"
        "tdpbf16ps tmm2, tmm5, tmm6"
        "tdpbf16ps tmm3, tmm5, tmm7"
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
    /// One tile of rows, rounded.
    one_single,
    start: ["tilezero tmm0" "tilezero tmm1"],
    step: [
        "tileloadd tmm6, [{weights} + {stride}*1]"
        "tileloadd tmm4, [{above} + {stride}*1]"
        "tileloadd tmm7, [{weights} + {stride}*1 + 1024]"
        "tdpbf16ps tmm0, tmm4, tmm6"
        "tdpbf16ps tmm1, tmm4, tmm7"
    ],
    tiles_in_step: 1, 2,
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
        "tileloadd tmm6, [{weights} + {stride}*1]"
        "tileloadd tmm4, [{above} + {stride}*1]"
        "tileloadd tmm7, [{weights} + {stride}*1 + 1024]"
        "tileloadd tmm5, [{below} + {stride}*1]"
        "tdpbusd tmm0, tmm4, tmm6"
        "tdpbusd tmm1, tmm4, tmm7"
        "tdpbusd tmm2, tmm5, tmm6"
        "tdpbusd tmm3, tmm5, tmm7"
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
    /// One tile of rows, whole numbers.
    one_bytes,
    start: ["tilezero tmm0" "tilezero tmm1"],
    step: [
        "tileloadd tmm6, [{weights} + {stride}*1]"
        "tileloadd tmm4, [{above} + {stride}*1]"
        "tileloadd tmm7, [{weights} + {stride}*1 + 1024]"
        "tdpbusd tmm0, tmm4, tmm6"
        "tdpbusd tmm1, tmm4, tmm7"
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
        "tileloadd tmm6, [{weights} + {stride}*1]"
        "tileloadd tmm5, [{below} + {stride}*1 + 1024]"
        "tileloadd tmm7, [{weights} + {stride}*1 + 1024]"
        "tdpbf16ps tmm0, tmm4, tmm6"
        "tdpbf16ps tmm1, tmm4, tmm7"
        "tdpbf16ps tmm2, tmm5, tmm6"
        "tdpbf16ps tmm3, tmm5, tmm7"
        "tileloadd tmm4, [{above} + {stride}*1]"
        "tileloadd tmm5, [{below} + {stride}*1]"
        "tdpbf16ps tmm0, tmm4, tmm6"
        "tdpbf16ps tmm1, tmm4, tmm7"
        "tdpbf16ps tmm2, tmm5, tmm6"
        "tdpbf16ps tmm3, tmm5, tmm7"
        "tileloadd tmm6, [{weights} + {stride}*1 + 2048]"
        "tileloadd tmm7, [{weights} + {stride}*1 + 3072]"
        "tdpbf16ps tmm0, tmm4, tmm6"
        "tdpbf16ps tmm2, tmm5, tmm6"
        "tdpbf16ps tmm1, tmm4, tmm7"
        "tdpbf16ps tmm3, tmm5, tmm7"
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
        "tileloadd tmm6, [{weights} + {stride}*1]"
        "tileloadd tmm7, [{weights} + {stride}*1 + 1024]"
        "tdpbf16ps tmm0, tmm4, tmm6"
        "tdpbf16ps tmm1, tmm4, tmm7"
        "tileloadd tmm5, [{above} + {stride}*1]"
        "tdpbf16ps tmm0, tmm5, tmm6"
        "tdpbf16ps tmm1, tmm5, tmm7"
        "tileloadd tmm6, [{weights} + {stride}*1 + 2048]"
        "tileloadd tmm7, [{weights} + {stride}*1 + 3072]"
        "tdpbf16ps tmm0, tmm5, tmm6"
        "tdpbf16ps tmm1, tmm5, tmm7"
    ],
    tiles_in_step: 2, 4,
    end: [
        "tilestored [{sums} + {sums_stride}*1], tmm0"
        "tilestored [{sums} + {sums_stride}*1 + 64], tmm1"
    ]
);

impl Multiply for Unit {
    fn multiply(
        &mut self,
        numbers: Numbers,
        pass: Pass,
        input: &[&[Tile]],
        weights: &[Tile],
        sums: &mut Sums,
    ) {
        let steps = steps_of(numbers, input, weights);
        if steps == 0 {
            *sums = Sums::ZERO;
            return;
        }
        let above = input[0].as_ptr();
        macro_rules! of_pass {
            ($product:ident) => {
                match pass {
                    Pass::First => $product::<true>,
                    Pass::Later => $product::<false>,
                }
            };
        }
        let product = match (numbers, input.len()) {
            (Numbers::Bfloat16(Form::Single), 1) => of_pass!(one_single),
            (Numbers::Bfloat16(Form::Single), _) => of_pass!(two_single),
            (Numbers::Bfloat16(Form::Split), 1) => of_pass!(one_split),
            (Numbers::Bfloat16(Form::Split), _) => of_pass!(two_split),
            (Numbers::Bytes, 1) => of_pass!(one_bytes),
            (Numbers::Bytes, _) => of_pass!(two_bytes),
        };
        let below = input.last().map_or(above, |tiles| tiles.as_ptr());
        // SAFETY: `self` holds the configured unit; `steps_of` has checked that there are `steps`
        // steps' tiles behind each pointer, and `steps` is not 0.
        unsafe { product([above, below], weights.as_ptr(), steps, sums) }
    }
}
