//! One kernel on one size, ready to run repeatedly.

use divan::Bencher;
use divan::counter::{BytesCount, ItemsCount};

/// The work of one run.
#[derive(Clone, Copy)]
pub(crate) enum Amount {
    /// In float32 or in integers; a multiply-add is two.
    Operations(usize),
    /// Read and written.
    Bytes(usize),
}

/// A kernel with its input and its output.
pub(crate) struct Work {
    pub(crate) amount: Amount,
    pub(crate) run: Box<dyn FnMut()>,
}

impl Work {
    pub(crate) fn of_operations(operations: usize, run: impl FnMut() + 'static) -> Self {
        Self {
            amount: Amount::Operations(operations),
            run: Box::new(run),
        }
    }

    pub(crate) fn of_bytes(bytes: usize, run: impl FnMut() + 'static) -> Self {
        Self {
            amount: Amount::Bytes(bytes),
            run: Box::new(run),
        }
    }

    /// As a line of divan's table.
    pub(crate) fn bench(mut self, bencher: Bencher<'_, '_>) {
        match self.amount {
            Amount::Operations(count) => bencher
                .counter(ItemsCount::new(count))
                .bench_local(|| (self.run)()),
            Amount::Bytes(count) => bencher
                .counter(BytesCount::new(count))
                .bench_local(|| (self.run)()),
        }
    }
}
