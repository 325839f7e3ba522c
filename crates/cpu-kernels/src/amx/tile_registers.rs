//! This thread's AMX unit (x86-64 Linux): configuration, release, and calls of the [`loops`](super::loops).

#![allow(
    unsafe_code,
    reason = "instructions that stable Rust writes only as assembly"
)]

use std::arch::asm;
use std::cell::Cell;
use std::marker::PhantomData;

use super::detect;
use super::loops::{one_bytes, one_single, one_split, two_bytes, two_single, two_split};
use super::multiply::{Multiply, Pass, Sums, steps_of};
use crate::bf16::tiles::{Form, ROW_BYTES, SIDE, Tile, TileFormat};

/// The configuration of the tiles: what `LDTILECFG` reads.
#[repr(C, align(64))]
struct Configuration {
    palette: u8,
    start_row: u8,
    reserved: [u8; 14],
    row_bytes: [u16; 16],
    rows: [u8; 16],
}

/// Eight full tiles, for any format.
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

/// This thread's AMX unit, configured until it is dropped.
///
/// A thread holds one at a time: dropping a second one would release the configuration, and the next product of the first
/// would be an illegal instruction.
pub(super) struct TileRegisters {
    /// The configuration belongs to the thread.
    _not_send: PhantomData<*const ()>,
}

impl TileRegisters {
    /// Configures this thread's tiles, where there are any.
    ///
    /// # Panics
    ///
    /// When this thread holds a unit already.
    pub(super) fn hold() -> Option<Self> {
        if !detect::usable() {
            return None;
        }
        assert!(!HELD.replace(true), "a thread has one AMX unit");
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

impl Drop for TileRegisters {
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

impl Multiply for TileRegisters {
    fn multiply(
        &mut self,
        format: TileFormat,
        pass: Pass,
        input: &[&[Tile]],
        weights: &[Tile],
        sums: &mut Sums,
    ) {
        let steps = steps_of(format, input, weights);
        if steps == 0 {
            *sums = Sums::ZERO;
            return;
        }
        let above = input[0].as_ptr();
        let below = input.last().map_or(above, |tiles| tiles.as_ptr());
        macro_rules! of_pass {
            ($product:ident) => {
                match pass {
                    Pass::First => $product::<true>,
                    Pass::Later => $product::<false>,
                }
            };
        }
        let product = match (format, input.len()) {
            (TileFormat::Bfloat16(Form::Single), 1) => of_pass!(one_single),
            (TileFormat::Bfloat16(Form::Single), _) => of_pass!(two_single),
            (TileFormat::Bfloat16(Form::Split), 1) => of_pass!(one_split),
            (TileFormat::Bfloat16(Form::Split), _) => of_pass!(two_split),
            (TileFormat::Int8, 1) => of_pass!(one_bytes),
            (TileFormat::Int8, _) => of_pass!(two_bytes),
        };
        // SAFETY: `self` holds the configured unit; `steps_of` has checked that there are `steps` steps' tiles behind each
        // pointer, and `steps` is not 0.
        unsafe { product([above, below], weights.as_ptr(), steps, sums) }
    }
}
