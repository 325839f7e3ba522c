//! The queue: what is computed next.
//!
//! Each step takes interactive work first, then fills up with bulk work. Bulk work comes first in every third step, and
//! when its first request has waited for two seconds. A bulk request gives its place to the next one after each step.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use model::TokenizedTexts;

use super::Lane;
use super::work::{Task, Work, pair_tokens};

/// Steps in a row that may pass over bulk work.
const STEPS_WITHOUT_BULK: u32 = 2;

/// Bulk work that waited longer since its last step comes first.
const LONGEST_WAIT: Duration = Duration::from_secs(2);

/// The work that waits.
#[derive(Default)]
pub(super) struct Queue {
    interactive: VecDeque<Work>,
    bulk: VecDeque<Work>,
    /// Tokens of both lanes, those of the running step included.
    tokens: [usize; 2],
    without_bulk: u32,
    last_bulk: Option<Instant>,
    pub(super) closed: bool,
}

/// A step: parts of works that are computed together.
#[derive(Default)]
pub(super) struct Step {
    pub(super) works: Vec<Work>,
    /// Texts to embed, of the works in their order.
    pub(super) texts: Option<TokenizedTexts>,
    /// A query and texts to score, of the only work.
    pub(super) pairs: Option<(String, Vec<String>)>,
    /// Texts of each work.
    pub(super) counts: Vec<usize>,
    pub(super) tokens: usize,
    /// Tokens of each lane.
    by_lane: [usize; 2],
}

impl Queue {
    pub(super) fn push(&mut self, work: Work) {
        self.tokens[work.lane as usize] += work.tokens();
        self.lane(work.lane).push_back(work);
    }

    fn lane(&mut self, lane: Lane) -> &mut VecDeque<Work> {
        match lane {
            Lane::Interactive => &mut self.interactive,
            Lane::Bulk => &mut self.bulk,
        }
    }

    /// Tokens that wait or run in a lane.
    pub(super) fn tokens(&self, lane: Lane) -> usize {
        self.tokens[lane as usize]
    }

    /// Requests that wait.
    pub(super) fn len(&self) -> usize {
        self.interactive.len() + self.bulk.len()
    }

    /// Takes what is computed next, of at most `budget` tokens, or a single text. Work that nobody waits for is
    /// dropped, and `late` gets work whose time is over.
    pub(super) fn next(
        &mut self,
        budget: usize,
        now: Instant,
        late: &mut Vec<Work>,
    ) -> Option<Step> {
        self.drop_unwanted(now, late);
        let mut step = Step::default();
        for lane in self.order(now) {
            while step.tokens < budget || step.works.is_empty() {
                let Some(work) = self.lane(lane).pop_front() else {
                    break;
                };
                if let Err(work) = step.add(work, budget, now) {
                    self.lane(lane).push_front(work);
                    break;
                }
            }
        }
        if self.bulk.is_empty() || step.by_lane[Lane::Bulk as usize] > 0 {
            self.without_bulk = 0;
            self.last_bulk = Some(now);
        } else {
            self.without_bulk += 1;
        }
        (!step.works.is_empty()).then_some(step)
    }

    fn order(&self, now: Instant) -> [Lane; 2] {
        let waited = self.bulk.front().is_some_and(|first| {
            let since = self
                .last_bulk
                .map_or(first.queued, |last| last.max(first.queued));
            now - since > LONGEST_WAIT
        });
        if waited || self.without_bulk >= STEPS_WITHOUT_BULK {
            [Lane::Bulk, Lane::Interactive]
        } else {
            [Lane::Interactive, Lane::Bulk]
        }
    }

    fn drop_unwanted(&mut self, now: Instant, late: &mut Vec<Work>) {
        for lane in [Lane::Interactive, Lane::Bulk] {
            let works = std::mem::take(self.lane(lane));
            for work in works {
                if work.reply.is_gone() {
                    self.forget(&work);
                } else if work.deadline <= now {
                    self.forget(&work);
                    late.push(work);
                } else {
                    self.lane(lane).push_back(work);
                }
            }
        }
    }

    /// Puts work back that is not done: interactive work to the front, bulk work behind the others.
    pub(super) fn put_back(&mut self, work: Work) {
        match work.lane {
            Lane::Interactive => self.interactive.push_front(work),
            Lane::Bulk => self.bulk.push_back(work),
        }
    }

    /// Takes the tokens of a step off the count.
    pub(super) fn computed(&mut self, step: &Step) {
        for (waiting, tokens) in self.tokens.iter_mut().zip(step.by_lane) {
            *waiting -= tokens;
        }
    }

    /// Takes the rest of a work that failed off the count.
    pub(super) fn forget(&mut self, work: &Work) {
        self.tokens[work.lane as usize] -= work.tokens();
    }

    /// Takes everything that waits.
    pub(super) fn take_all(&mut self) -> Vec<Work> {
        self.tokens = [0; 2];
        self.interactive
            .drain(..)
            .chain(self.bulk.drain(..))
            .collect()
    }
}

impl Step {
    /// Adds the next part of a work, or gives the work back if it does not go with the others.
    fn add(&mut self, mut work: Work, budget: usize, now: Instant) -> Result<(), Work> {
        let left = budget.saturating_sub(self.tokens);
        let (tokens, count) = match &mut work.task {
            Task::Embed { waiting, .. } => {
                let fits = match (&self.texts, &self.pairs) {
                    (Some(texts), _) => texts.is_like(waiting),
                    (None, pairs) => pairs.is_none(),
                };
                // A text that does not fit into the rest waits for a step of its own.
                if !fits || (!self.works.is_empty() && waiting.first_tokens() > left) {
                    return Err(work);
                }
                let part = waiting.take(left);
                let sizes = (part.tokens(), part.len());
                match &mut self.texts {
                    Some(texts) => texts.append(part),
                    None => self.texts = Some(part),
                }
                sizes
            }
            Task::Score { query, waiting, .. } => {
                // Pairs go alone: another model reads them.
                if !self.works.is_empty() {
                    return Err(work);
                }
                let mut sum = 0;
                let fitting = waiting.iter().take_while(|text| {
                    let tokens = pair_tokens(query, text);
                    let fits = sum == 0 || sum + tokens <= budget;
                    sum += if fits { tokens } else { 0 };
                    fits
                });
                let count = fitting.count();
                self.pairs = Some((query.clone(), waiting.drain(..count).collect()));
                (sum, count)
            }
        };
        work.started.get_or_insert(now);
        self.tokens += tokens;
        self.by_lane[work.lane as usize] += tokens;
        self.counts.push(count);
        self.works.push(work);
        Ok(())
    }
}
