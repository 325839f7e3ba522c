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
    fn work(encoder: &SentenceEncoder, lane: Lane, texts: usize, now: Instant) -> Work {
        Work {
            lane,
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
            ..work(&encoder(), Lane::Bulk, 0, now)
        }
    }

    /// Takes a step, and puts back what is not done: the lane and the texts of each part.
    fn step(queue: &mut Queue, budget: usize, now: Instant) -> Vec<(Lane, usize)> {
        let Some(step) = queue.next(budget, now, &mut Vec::new()) else {
            return Vec::new();
        };
        queue.computed(&step);
        let parts = step
            .works
            .iter()
            .zip(&step.counts)
            .map(|(work, count)| (work.lane, *count))
            .collect();
        for work in step.works {
            if !work.is_done() {
                queue.put_back(work);
            }
        }
        parts
    }

    #[test]
    fn interactive_work_comes_first_and_bulk_work_fills_up() {
        use Lane::{Bulk, Interactive};
        let (encoder, now, mut queue) = (encoder(), Instant::now(), Queue::default());
        queue.push(work(&encoder, Bulk, 10, now));
        queue.push(work(&encoder, Interactive, 2, now));
        assert_eq!((queue.tokens(Interactive), queue.tokens(Bulk)), (6, 30));
        assert_eq!(step(&mut queue, 12, now), [(Interactive, 2), (Bulk, 2)]);
        assert_eq!(step(&mut queue, 12, now), [(Bulk, 4)]);
        assert_eq!(step(&mut queue, 12, now), [(Bulk, 4)]);
        assert_eq!(step(&mut queue, 12, now), []);
        assert_eq!(
            (queue.tokens(Interactive), queue.tokens(Bulk), queue.len()),
            (0, 0, 0)
        );
    }

    #[test]
    fn every_third_step_is_for_bulk_work() {
        use Lane::{Bulk, Interactive};
        let (encoder, now, mut queue) = (encoder(), Instant::now(), Queue::default());
        queue.push(work(&encoder, Bulk, 4, now));
        for _ in 0..12 {
            queue.push(work(&encoder, Interactive, 1, now));
        }
        let first: Vec<Lane> = (0..6).map(|_| step(&mut queue, 6, now)[0].0).collect();
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
        use Lane::{Bulk, Interactive};
        let (encoder, now, mut queue) = (encoder(), Instant::now(), Queue::default());
        queue.push(work(&encoder, Bulk, 4, now));
        queue.push(work(&encoder, Interactive, 4, now));
        let later = now + LONGEST_WAIT + Duration::from_millis(1);
        assert_eq!(step(&mut queue, 6, later), [(Bulk, 2)]);
        assert_eq!(step(&mut queue, 6, later), [(Interactive, 2)]);
    }

    #[test]
    fn bulk_requests_take_turns() {
        let (encoder, now, mut queue) = (encoder(), Instant::now(), Queue::default());
        for texts in [6, 4] {
            queue.push(work(&encoder, Lane::Bulk, texts, now));
        }
        let counts: Vec<usize> = std::iter::repeat_with(|| step(&mut queue, 6, now))
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
            ..work(&encoder, Lane::Bulk, 3, now)
        });
        queue.push(Work {
            deadline: now,
            ..work(&encoder, Lane::Interactive, 2, now)
        });
        let mut late = Vec::new();
        assert!(queue.next(100, now, &mut late).is_none());
        assert_eq!(late.len(), 1);
        assert_eq!(
            (
                queue.tokens(Lane::Interactive),
                queue.tokens(Lane::Bulk),
                queue.len()
            ),
            (0, 0, 0)
        );
    }

    #[test]
    fn a_text_longer_than_a_step_has_one_of_its_own() {
        let (encoder, now, mut queue) = (encoder(), Instant::now(), Queue::default());
        queue.push(work(&encoder, Lane::Interactive, 1, now));
        queue.push(work(&encoder, Lane::Bulk, 1, now));
        assert_eq!(step(&mut queue, 2, now), [(Lane::Interactive, 1)]);
        assert_eq!(step(&mut queue, 2, now), [(Lane::Bulk, 1)]);
    }

    #[test]
    fn pairs_are_not_mixed_with_texts() {
        let (encoder, now, mut queue) = (encoder(), Instant::now(), Queue::default());
        queue.push(work(&encoder, Lane::Interactive, 1, now));
        queue.push(score(5, now));
        assert_eq!(step(&mut queue, 100, now), [(Lane::Interactive, 1)]);
        // Three tokens for each pair of two bytes.
        assert_eq!(step(&mut queue, 9, now), [(Lane::Bulk, 3)]);
        assert_eq!(step(&mut queue, 9, now), [(Lane::Bulk, 2)]);
        assert_eq!((queue.tokens(Lane::Bulk), queue.len()), (0, 0));
    }
}
