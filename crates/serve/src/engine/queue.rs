//! The queue: what is computed next.
//!
//! A turn is for interactive work alone while there is some, so that a query never waits for the bulk work of its own
//! turn. Bulk work comes first in every third turn, and when its first request has waited for two seconds; such a turn
//! fills up with interactive work. A request gives its place to the next one after each turn.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use model::{TokenizedTexts, TruncationSide};

use super::Priority;
use super::work::{Task, Work, WorkKind, pair_tokens};

/// Turns in a row that may pass over bulk work.
const TURNS_WITHOUT_BULK: u32 = 2;

/// Bulk work that waited longer since its last turn comes first.
const LONGEST_WAIT: Duration = Duration::from_secs(2);

/// The work that waits.
#[derive(Default)]
pub(super) struct Queue {
    interactive: VecDeque<Work>,
    bulk: VecDeque<Work>,
    /// Tokens of each kind in both priorities, those of the running turn included.
    tokens: [[usize; 2]; 2],
    without_bulk: u32,
    last_bulk: Option<Instant>,
    pub(super) closed: bool,
}

/// A turn: parts of works that are computed together.
#[derive(Default)]
pub(super) struct Turn {
    pub(super) works: Vec<Work>,
    /// Texts to embed, of the works in their order.
    pub(super) texts: Option<TokenizedTexts>,
    /// What is scored, of the only work.
    pub(super) pairs: Option<Pairs>,
    /// Texts of each work.
    pub(super) counts: Vec<usize>,
    pub(super) tokens: usize,
    /// The tokens that it may have.
    pub(super) budget: usize,
    /// Tokens of each priority.
    by_priority: [usize; 2],
}

/// A query, and texts that are scored with it.
pub(super) struct Pairs {
    pub(super) query: String,
    pub(super) texts: Vec<String>,
    pub(super) side: Option<TruncationSide>,
}

impl Queue {
    pub(super) fn push(&mut self, work: Work) {
        *self.tokens_of(&work) += work.tokens();
        self.waiting(work.priority).push_back(work);
    }

    fn waiting(&mut self, priority: Priority) -> &mut VecDeque<Work> {
        match priority {
            Priority::Interactive => &mut self.interactive,
            Priority::Bulk => &mut self.bulk,
        }
    }

    /// Tokens of a kind that wait or run in a priority.
    pub(super) fn tokens(&self, kind: WorkKind, priority: Priority) -> usize {
        self.tokens[kind as usize][priority as usize]
    }

    /// Tokens that wait or run.
    pub(super) fn all_tokens(&self) -> usize {
        self.tokens.iter().flatten().sum()
    }

    fn tokens_of(&mut self, work: &Work) -> &mut usize {
        &mut self.tokens[work.kind() as usize][work.priority as usize]
    }

    /// Requests that wait.
    pub(super) fn len(&self) -> usize {
        self.interactive.len() + self.bulk.len()
    }

    /// Takes what is computed next, of at most as many tokens as the budget of its kind, or a single text. Work that
    /// nobody waits for is dropped, and `late` gets work whose time is over.
    pub(super) fn next(
        &mut self,
        budgets: [usize; 2],
        now: Instant,
        late: &mut Vec<Work>,
    ) -> Option<Turn> {
        self.drop_unwanted(now, late);
        let mut turn = Turn::default();
        for priority in self.order(now) {
            if priority == Priority::Bulk && !turn.works.is_empty() {
                break;
            }
            while turn.tokens < turn.budget || turn.works.is_empty() {
                let Some(work) = self.waiting(priority).pop_front() else {
                    break;
                };
                if let Some(work) = turn.add(work, budgets, now) {
                    self.waiting(priority).push_front(work);
                    break;
                }
            }
        }
        if self.bulk.is_empty() || turn.by_priority[Priority::Bulk as usize] > 0 {
            self.without_bulk = 0;
            self.last_bulk = Some(now);
        } else {
            self.without_bulk += 1;
        }
        (!turn.works.is_empty()).then_some(turn)
    }

    fn order(&self, now: Instant) -> [Priority; 2] {
        let waited = self.bulk.front().is_some_and(|first| {
            let since = self
                .last_bulk
                .map_or(first.queued, |last| last.max(first.queued));
            now - since > LONGEST_WAIT
        });
        if waited || self.without_bulk >= TURNS_WITHOUT_BULK {
            [Priority::Bulk, Priority::Interactive]
        } else {
            [Priority::Interactive, Priority::Bulk]
        }
    }

    fn drop_unwanted(&mut self, now: Instant, late: &mut Vec<Work>) {
        for priority in [Priority::Interactive, Priority::Bulk] {
            let works = std::mem::take(self.waiting(priority));
            for work in works {
                if work.reply.is_gone() {
                    self.forget(&work);
                } else if work.started.is_none() && work.deadline <= now {
                    self.forget(&work);
                    late.push(work);
                } else {
                    self.waiting(priority).push_back(work);
                }
            }
        }
    }

    /// Puts work back that is not done, behind the others.
    pub(super) fn put_back(&mut self, work: Work) {
        self.waiting(work.priority).push_back(work);
    }

    /// Takes the tokens of a turn off the count.
    pub(super) fn computed(&mut self, turn: &Turn) {
        let of_kind = &mut self.tokens[turn.kind() as usize];
        for (waiting, tokens) in of_kind.iter_mut().zip(turn.by_priority) {
            *waiting = waiting.saturating_sub(tokens);
        }
    }

    /// Takes the rest of a work that failed off the count.
    pub(super) fn forget(&mut self, work: &Work) {
        let tokens = self.tokens_of(work);
        *tokens = tokens.saturating_sub(work.tokens());
    }

    /// Counts the tokens of what waits.
    pub(super) fn count_again(&mut self) {
        self.tokens = WorkKind::ALL.map(|kind| {
            [&self.interactive, &self.bulk].map(|works| {
                let works = works.iter().filter(|work| work.kind() == kind);
                works.map(Work::tokens).sum()
            })
        });
    }

    /// Takes everything that waits.
    pub(super) fn take_all(&mut self) -> Vec<Work> {
        let interactive = std::mem::take(&mut self.interactive);
        let works: Vec<Work> = interactive.into_iter().chain(self.bulk.drain(..)).collect();
        // The running turn keeps its own.
        works.iter().for_each(|work| self.forget(work));
        works
    }
}

impl Turn {
    pub(super) fn kind(&self) -> WorkKind {
        match self.pairs {
            None => WorkKind::Texts,
            Some(_) => WorkKind::Pairs,
        }
    }

    /// Adds the next part of a work, or gives the work back if it does not go with the others.
    fn add(&mut self, mut work: Work, budgets: [usize; 2], now: Instant) -> Option<Work> {
        if self.works.is_empty() {
            self.budget = budgets[work.kind() as usize];
        }
        let left = self.budget.saturating_sub(self.tokens);
        let (tokens, count) = match &mut work.task {
            Task::Embed { waiting, .. } => {
                let fits = match (&self.texts, &self.pairs) {
                    (Some(texts), _) => texts.is_like(waiting),
                    (None, pairs) => pairs.is_none(),
                };
                // A text that does not fit into the rest waits for a turn of its own.
                if !fits || (!self.works.is_empty() && waiting.first_tokens() > left) {
                    return Some(work);
                }
                let part = waiting.take(left);
                let sizes = (part.tokens(), part.len());
                match &mut self.texts {
                    Some(texts) => texts.append(part),
                    None => self.texts = Some(part),
                }
                sizes
            }
            Task::Score {
                query,
                side,
                waiting,
                most_tokens,
                ..
            } => {
                // Pairs go alone: another model reads them.
                if !self.works.is_empty() {
                    return Some(work);
                }
                let mut sum = 0;
                let fitting = waiting.iter().take_while(|text| {
                    let tokens = pair_tokens(query, text).min(*most_tokens);
                    let fits = sum == 0 || sum + tokens <= left;
                    sum += if fits { tokens } else { 0 };
                    fits
                });
                let count = fitting.count();
                self.pairs = Some(Pairs {
                    query: query.clone(),
                    texts: waiting.drain(..count).collect(),
                    side: *side,
                });
                (sum, count)
            }
        };
        work.started.get_or_insert(now);
        self.tokens += tokens;
        self.by_priority[work.priority as usize] += tokens;
        self.counts.push(count);
        self.works.push(work);
        None
    }
}

#[cfg(test)]
pub(super) mod tests;
