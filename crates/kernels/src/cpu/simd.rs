//! Which vector instructions there are, and how tall a tile they want.

use pulp::{Arch, Simd, WithSimd};

use super::tile::REGISTERS;

/// Work that is compiled once for every instruction set, with tiles of its size.
pub(super) trait Vectorized {
    /// What it gives.
    type Output;

    /// The work; inlined into a function that may use the wide instructions. A full tile has `ROWS`
    /// rows.
    fn run<S: Simd, const ROWS: usize>(self, simd: S) -> Self::Output;
}

/// Does `work` with the widest instructions of this processor.
pub(super) fn dispatch<W: Vectorized>(work: W) -> W::Output {
    Arch::new().dispatch(Dispatched(work))
}

/// Columns of a panel on this processor.
pub(super) fn panel_width() -> usize {
    struct Width;
    impl Vectorized for Width {
        type Output = usize;

        #[inline(always)]
        fn run<S: Simd, const ROWS: usize>(self, _: S) -> usize {
            REGISTERS * S::F32_LANES
        }
    }
    dispatch(Width)
}

struct Dispatched<W>(W);

impl<W: Vectorized> WithSimd for Dispatched<W> {
    type Output = W::Output;

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) -> W::Output {
        // See the table in `tile`.
        if S::REGISTER_COUNT >= 32 {
            self.0.run::<S, 12>(simd)
        } else {
            self.0.run::<S, 6>(simd)
        }
    }
}
