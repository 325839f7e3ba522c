//! Room for the pairs of a search: it is admitted or refused before anything of it is computed, and its hits are not
//! known by then.

use std::sync::Arc;

use super::work::{WorkKind, pair_tokens};
use super::{Engine, Priority, Shared};
use crate::problem::Problem;

/// Tokens of a product, about: those of a title and a few words more.
const PRODUCT_TOKENS: usize = 32;

/// Pairs that are admitted, and do not wait yet. Dropped, it gives its room back.
pub(crate) struct Reservation {
    shared: Arc<Shared>,
    tokens: usize,
}

impl Engine {
    /// Takes room for a query with so many products.
    ///
    /// # Errors
    ///
    /// While more waits in front of them than the limit of their priority. Pairs that other searches have reserved count.
    pub(crate) fn reserve_pairs(
        &self,
        query: &str,
        products: usize,
        priority: Priority,
    ) -> Result<Reservation, Problem> {
        let pair = (pair_tokens(query, "") + PRODUCT_TOKENS).min(self.longest_pair());
        let tokens = products.saturating_mul(pair);
        let mut state = self.shared.state();
        let turn = self.shared.turn_budget(state.rate(WorkKind::Pairs));
        let priority = priority.within(turn, tokens);
        state.admit_pairs(priority, &self.shared.limits)?;
        state.reserved_pairs = state.reserved_pairs.saturating_add(tokens);
        Ok(Reservation {
            shared: Arc::clone(&self.shared),
            tokens,
        })
    }
}

impl Drop for Reservation {
    fn drop(&mut self) {
        let mut state = self.shared.state();
        state.reserved_pairs = state.reserved_pairs.saturating_sub(self.tokens);
    }
}
