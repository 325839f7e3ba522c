//! The source of the random numbers of dropout.

use std::sync::{Mutex, PoisonError};

use model::backend::EncoderOps;
use model::parts::{with_device_dropout, with_dropout_seed};

/// Source of the random numbers of dropout.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DropoutRng {
    /// The computing thread on the host: replicas can run in parallel on one device.
    Host,
    /// The generator of the device: no masks are copied to a GPU. Replicas take turns.
    Device,
}

impl DropoutRng {
    /// Runs `task` with dropout seeded by `seed`.
    pub(super) fn run<B: EncoderOps, T>(
        self,
        seed: u64,
        device: &B::Device,
        task: impl FnOnce() -> T,
    ) -> T {
        match self {
            Self::Host => with_dropout_seed(seed, task),
            Self::Device => {
                // burn's GPU backends have one generator per process: no other replica may seed it in between.
                static TURN: Mutex<()> = Mutex::new(());
                let _turn = TURN.lock().unwrap_or_else(PoisonError::into_inner);
                with_device_dropout::<B, _>(seed, device, task)
            }
        }
    }
}
