//! The two priorities of work.

/// Which work a request stands behind.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Priority {
    /// Few tokens, which somebody waits for.
    Interactive,
    /// The rest.
    Bulk,
}

impl Priority {
    /// Most texts of an interactive request.
    const TEXTS: usize = 4;

    /// Most tokens of an interactive request.
    const TOKENS: usize = 256;

    /// The priority of a request that names none.
    pub(crate) fn of(texts: usize, tokens: usize) -> Self {
        if texts <= Self::TEXTS && tokens <= Self::TOKENS {
            Self::Interactive
        } else {
            Self::Bulk
        }
    }

    /// Bulk for more tokens than a turn has: whoever calls them interactive would keep the others waiting.
    pub(super) fn within(self, turn: usize, tokens: usize) -> Self {
        if tokens > turn.max(Self::TOKENS) {
            Self::Bulk
        } else {
            self
        }
    }
}
