//! The queue: what is computed next.
//!
//! Each turn takes interactive work first, then fills up with bulk work. Bulk work comes first in every third turn, and
//! when its first request has waited for two seconds. A bulk request gives its place to the next one after each turn.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use model::TokenizedTexts;

use super::Priority;
use super::work::{Task, Work, pair_tokens};

/// Turns in a row that may pass over bulk work.
const TURNS_WITHOUT_BULK: u32 = 2;

/// Bulk work that waited longer since its last turn comes first.
const LONGEST_WAIT: Duration = Duration::from_secs(2);

/// The work that waits.
#[derive(Default)]
pub(super) struct Queue {
    interactive: VecDeque<Work>,
    bulk: VecDeque<Work>,
    /// Tokens of both priorities, those of the running turn included.
    tokens: [usize; 2],
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
    /// A query and texts to score, of the only work.
    pub(super) pairs: Option<(String, Vec<String>)>,
    /// Texts of each work.
    pub(super) counts: Vec<usize>,
    pub(super) tokens: usize,
    /// Tokens of each priority.
    by_priority: [usize; 2],
}

impl Queue {
    pub(super) fn push(&mut self, work: Work) {
        self.tokens[work.priority as usize] += work.tokens();
        self.waiting(work.priority).push_back(work);
    }

    fn waiting(&mut self, priority: Priority) -> &mut VecDeque<Work> {
        match priority {
            Priority::Interactive => &mut self.interactive,
            Priority::Bulk => &mut self.bulk,
        }
    }

    /// Tokens that wait or run in a priority.
    pub(super) fn tokens(&self, priority: Priority) -> usize {
        self.tokens[priority as usize]
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
    ) -> Option<Turn> {
        self.drop_unwanted(now, late);
        let mut turn = Turn::default();
        for priority in self.order(now) {
            while turn.tokens < budget || turn.works.is_empty() {
                let Some(work) = self.waiting(priority).pop_front() else {
                    break;
                };
                if let Err(work) = turn.add(work, budget, now) {
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
                } else if work.deadline <= now {
                    self.forget(&work);
                    late.push(work);
                } else {
                    self.waiting(priority).push_back(work);
                }
            }
        }
    }

    /// Puts work back that is not done: interactive work to the front, bulk work behind the others.
    pub(super) fn put_back(&mut self, work: Work) {
        match work.priority {
            Priority::Interactive => self.interactive.push_front(work),
            Priority::Bulk => self.bulk.push_back(work),
        }
    }

    /// Takes the tokens of a turn off the count.
    pub(super) fn computed(&mut self, turn: &Turn) {
        for (waiting, tokens) in self.tokens.iter_mut().zip(turn.by_priority) {
            *waiting -= tokens;
        }
    }

    /// Takes the rest of a work that failed off the count.
    pub(super) fn forget(&mut self, work: &Work) {
        self.tokens[work.priority as usize] -= work.tokens();
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

impl Turn {
    /// Adds the next part of a work, or gives the work back if it does not go with the others.
    fn add(&mut self, mut work: Work, budget: usize, now: Instant) -> Result<(), Work> {
        let left = budget.saturating_sub(self.tokens);
        let (tokens, count) = match &mut work.task {
            Task::Embed { waiting, .. } => {
                let fits = match (&self.texts, &self.pairs) {
                    (Some(texts), _) => texts.is_like(waiting),
                    (None, pairs) => pairs.is_none(),
                };
                // A text that does not fit into the rest waits for a turn of its own.
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
        self.by_priority[work.priority as usize] += tokens;
        self.counts.push(count);
        self.works.push(work);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use model::{Device, Prompt, SentenceEncoder};

    use super::super::work::Reply;
    use super::super::{Output, Times};
    use super::*;
    use crate::problem::Problem;

    /// A reply that nobody reads.
    struct Silent {
        gone: bool,
    }

    impl Reply for Silent {
        fn is_gone(&self) -> bool {
            self.gone
        }

        fn send(self: Box<Self>, _: Result<(Output, Times), Problem>) {}
    }

    fn encoder() -> SentenceEncoder {
        let folder = concat!(
            env!("CARGO_MANIFEST_DIR"),
            "/../model/tests/fixtures/tiny-mpnet"
        );
        SentenceEncoder::builder()
            .device(Device::Auto)
            .load(folder)
            .unwrap()
    }

    /// Texts of three tokens each.
    fn work(encoder: &SentenceEncoder, priority: Priority, texts: usize, now: Instant) -> Work {
        Work {
            priority,
            deadline: now + Duration::from_secs(60),
            queued: now,
            started: None,
            task: Task::Embed {
                waiting: encoder
                    .tokenize(&vec!["a"; texts], &Prompt::Default, None)
                    .unwrap(),
                done: Vec::new(),
            },
            reply: Box::new(Silent { gone: false }),
        }
    }

    fn score(pairs: usize, now: Instant) -> Work {
        Work {
            task: Task::Score {
                query: "a".to_owned(),
                waiting: vec!["b".to_owned(); pairs].into(),
                done: Vec::new(),
            },
            ..work(&encoder(), Priority::Bulk, 0, now)
        }
    }

    /// Takes a turn, and puts back what is not done: the priority and the texts of each part.
    fn turn(queue: &mut Queue, budget: usize, now: Instant) -> Vec<(Priority, usize)> {
        let Some(turn) = queue.next(budget, now, &mut Vec::new()) else {
            return Vec::new();
        };
        queue.computed(&turn);
        let parts = turn
            .works
            .iter()
            .zip(&turn.counts)
            .map(|(work, count)| (work.priority, *count))
            .collect();
        for work in turn.works {
            if !work.is_done() {
                queue.put_back(work);
            }
        }
        parts
    }

    #[test]
    fn interactive_work_comes_first_and_bulk_work_fills_up() {
        use Priority::{Bulk, Interactive};
        let (encoder, now, mut queue) = (encoder(), Instant::now(), Queue::default());
        queue.push(work(&encoder, Bulk, 10, now));
        queue.push(work(&encoder, Interactive, 2, now));
        assert_eq!((queue.tokens(Interactive), queue.tokens(Bulk)), (6, 30));
        assert_eq!(turn(&mut queue, 12, now), [(Interactive, 2), (Bulk, 2)]);
        assert_eq!(turn(&mut queue, 12, now), [(Bulk, 4)]);
        assert_eq!(turn(&mut queue, 12, now), [(Bulk, 4)]);
        assert_eq!(turn(&mut queue, 12, now), []);
        assert_eq!(
            (queue.tokens(Interactive), queue.tokens(Bulk), queue.len()),
            (0, 0, 0)
        );
    }

    #[test]
    fn every_third_turn_is_for_bulk_work() {
        use Priority::{Bulk, Interactive};
        let (encoder, now, mut queue) = (encoder(), Instant::now(), Queue::default());
        queue.push(work(&encoder, Bulk, 4, now));
        for _ in 0..12 {
            queue.push(work(&encoder, Interactive, 1, now));
        }
        let first: Vec<Priority> = (0..6).map(|_| turn(&mut queue, 6, now)[0].0).collect();
        assert_eq!(
            first,
            [
                Interactive,
                Interactive,
                Bulk,
                Interactive,
                Interactive,
                Bulk
            ]
        );
    }

    #[test]
    fn bulk_work_that_waited_long_comes_first() {
        use Priority::{Bulk, Interactive};
        let (encoder, now, mut queue) = (encoder(), Instant::now(), Queue::default());
        queue.push(work(&encoder, Bulk, 4, now));
        queue.push(work(&encoder, Interactive, 4, now));
        let later = now + LONGEST_WAIT + Duration::from_millis(1);
        assert_eq!(turn(&mut queue, 6, later), [(Bulk, 2)]);
        assert_eq!(turn(&mut queue, 6, later), [(Interactive, 2)]);
    }

    #[test]
    fn bulk_requests_take_turns() {
        let (encoder, now, mut queue) = (encoder(), Instant::now(), Queue::default());
        for texts in [6, 4] {
            queue.push(work(&encoder, Priority::Bulk, texts, now));
        }
        let counts: Vec<usize> = std::iter::repeat_with(|| turn(&mut queue, 6, now))
            .take_while(|parts| !parts.is_empty())
            .map(|parts| parts[0].1)
            .collect();
        // Of six, of four, of six, of four, of six.
        assert_eq!(counts, [2, 2, 2, 2, 2]);
    }

    #[test]
    fn work_that_nobody_waits_for_leaves_the_queue() {
        let (encoder, now, mut queue) = (encoder(), Instant::now(), Queue::default());
        queue.push(Work {
            reply: Box::new(Silent { gone: true }),
            ..work(&encoder, Priority::Bulk, 3, now)
        });
        queue.push(Work {
            deadline: now,
            ..work(&encoder, Priority::Interactive, 2, now)
        });
        let mut late = Vec::new();
        assert!(queue.next(100, now, &mut late).is_none());
        assert_eq!(late.len(), 1);
        assert_eq!(
            (
                queue.tokens(Priority::Interactive),
                queue.tokens(Priority::Bulk),
                queue.len()
            ),
            (0, 0, 0)
        );
    }

    #[test]
    fn a_text_longer_than_a_turn_has_one_of_its_own() {
        let (encoder, now, mut queue) = (encoder(), Instant::now(), Queue::default());
        queue.push(work(&encoder, Priority::Interactive, 1, now));
        queue.push(work(&encoder, Priority::Bulk, 1, now));
        assert_eq!(turn(&mut queue, 2, now), [(Priority::Interactive, 1)]);
        assert_eq!(turn(&mut queue, 2, now), [(Priority::Bulk, 1)]);
    }

    #[test]
    fn pairs_are_not_mixed_with_texts() {
        let (encoder, now, mut queue) = (encoder(), Instant::now(), Queue::default());
        queue.push(work(&encoder, Priority::Interactive, 1, now));
        queue.push(score(5, now));
        assert_eq!(turn(&mut queue, 100, now), [(Priority::Interactive, 1)]);
        // Three tokens for each pair of two bytes.
        assert_eq!(turn(&mut queue, 9, now), [(Priority::Bulk, 3)]);
        assert_eq!(turn(&mut queue, 9, now), [(Priority::Bulk, 2)]);
        assert_eq!((queue.tokens(Priority::Bulk), queue.len()), (0, 0));
    }
}
