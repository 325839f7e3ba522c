//! What is computed next.

use model::{Device, EncodeOptions, SentenceEncoder};

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

pub(in super::super) fn encoder() -> SentenceEncoder {
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
pub(in super::super) fn work(
    encoder: &SentenceEncoder,
    priority: Priority,
    texts: usize,
    now: Instant,
) -> Work {
    Work {
        priority,
        deadline: now + Duration::from_secs(60),
        queued: now,
        started: None,
        task: Task::Embed {
            waiting: encoder
                .tokenize(&vec!["a"; texts], &EncodeOptions::default(), None)
                .unwrap(),
            done: Vec::new(),
        },
        reply: Box::new(Silent { gone: false }),
    }
}

/// Pairs of three tokens each.
pub(in super::super) fn score(pairs: usize, now: Instant) -> Work {
    Work {
        task: Task::Score {
            query: "a".to_owned(),
            side: None,
            waiting: vec!["b".to_owned(); pairs].into(),
            done: Vec::new(),
            most_tokens: 62,
        },
        ..work(&encoder(), Priority::Bulk, 0, now)
    }
}

/// Tokens of texts in each priority.
fn tokens(queue: &Queue) -> [usize; 2] {
    [Priority::Interactive, Priority::Bulk].map(|of| queue.tokens(WorkKind::Texts, of))
}

/// Takes a turn, and puts back what is not done: the priority and the texts of each part.
fn turn(queue: &mut Queue, budget: usize, now: Instant) -> Vec<(Priority, usize)> {
    let Some(turn) = queue.next([budget; 2], now, &mut Vec::new()) else {
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
fn interactive_work_comes_first_and_alone() {
    use Priority::{Bulk, Interactive};
    let (encoder, now, mut queue) = (encoder(), Instant::now(), Queue::default());
    queue.push(work(&encoder, Bulk, 10, now));
    queue.push(work(&encoder, Interactive, 2, now));
    assert_eq!(tokens(&queue), [6, 30]);
    assert_eq!(turn(&mut queue, 12, now), [(Interactive, 2)]);
    assert_eq!(turn(&mut queue, 12, now), [(Bulk, 4)]);
    assert_eq!(turn(&mut queue, 12, now), [(Bulk, 4)]);
    assert_eq!(turn(&mut queue, 12, now), [(Bulk, 2)]);
    assert_eq!(turn(&mut queue, 12, now), []);
    assert_eq!((tokens(&queue), queue.len()), ([0, 0], 0));
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
    assert!(queue.next([100; 2], now, &mut late).is_none());
    assert_eq!(late.len(), 1);
    assert_eq!((tokens(&queue), queue.len()), ([0, 0], 0));
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
    assert_eq!(tokens(&queue), [3, 0]);
    assert_eq!(queue.tokens(WorkKind::Pairs, Priority::Bulk), 15);
    assert_eq!(turn(&mut queue, 100, now), [(Priority::Interactive, 1)]);
    // Three tokens for each pair of two bytes.
    assert_eq!(turn(&mut queue, 9, now), [(Priority::Bulk, 3)]);
    assert_eq!(turn(&mut queue, 9, now), [(Priority::Bulk, 2)]);
    assert_eq!((queue.all_tokens(), queue.len()), (0, 0));
}
