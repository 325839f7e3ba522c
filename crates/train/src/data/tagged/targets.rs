//! The tags of the tokens of a text: IOB2 by the places of the tokens.

use model::{Tag, TagLabels};

use super::{Annotation, LabelledSpan};

/// The outputs of a tagger that may be right, for each token of a text.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct TagTargets {
    /// `[tokens, outputs]`: 1 for an output that may be right, 0 for one that is wrong.
    pub(crate) possible: Vec<f32>,
    /// Number of tokens of which an output is wrong: the others teach nothing.
    pub(crate) scored: usize,
}

/// The tags of tokens with these places. The first token of a span is `B-`, the others are `I-`, and all others `O`, or any
/// tag of a label that is open or that the text may have again in this place. Of spans with a common token the longer one
/// counts, and the other tokens of the shorter one may be anything, as tokens without a place.
///
/// `labels` are those of the tagger, and `numbers` theirs by the labels of the table: a label that the tagger does not have
/// is `O` for it.
pub(crate) fn targets(
    places: &[Option<(usize, usize)>],
    annotation: &Annotation,
    labels: &TagLabels,
    numbers: &[Option<usize>],
) -> TagTargets {
    let outputs = labels.outputs().len();
    let allow = |row: &mut [f32], label: usize| {
        row[labels.output(Tag::Begin(label))] = 1.0;
        row[labels.output(Tag::Inside(label))] = 1.0;
    };
    let mut outside = vec![0.0; outputs];
    outside[labels.output(Tag::Outside)] = 1.0;
    for (number, label) in labels.labels().iter().enumerate() {
        if annotation.known.is_open(label) {
            allow(&mut outside, number);
        }
    }
    let mut found = TagTargets::default();
    for (place, aim) in places.iter().zip(aims(places, annotation, numbers)) {
        let mut row = vec![0.0; outputs];
        match (place, aim) {
            (None, _) | (_, Aim::Anything) => row.fill(1.0),
            (_, Aim::Tag(tag)) => row[labels.output(tag)] = 1.0,
            (Some(place), Aim::Outside) => {
                row.copy_from_slice(&outside);
                let here = annotation.repeats.iter();
                let here = here.filter(|repeat| overlaps(*place, repeat));
                for label in here.filter_map(|repeat| numbers[repeat.label]) {
                    allow(&mut row, label);
                }
            }
        }
        found.scored += usize::from(row.contains(&0.0));
        found.possible.extend(row);
    }
    found
}

/// What the spans of a text say about a token.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Aim {
    Tag(Tag),
    /// It is in no span.
    Outside,
    /// It is in a span, of which another token belongs to a longer one.
    Anything,
}

fn aims(
    places: &[Option<(usize, usize)>],
    annotation: &Annotation,
    numbers: &[Option<usize>],
) -> Vec<Aim> {
    let mut spans: Vec<&LabelledSpan> = annotation.spans.iter().collect();
    spans.sort_by_key(|span| std::cmp::Reverse(span.end - span.start));
    let mut aims = vec![Aim::Outside; places.len()];
    for span in spans {
        let Some(label) = numbers[span.label] else {
            continue;
        };
        let of_span = |place: &Option<(usize, usize)>| place.is_some_and(|at| overlaps(at, span));
        let tokens = (0..places.len()).filter(|&token| of_span(&places[token]));
        let tokens: Vec<usize> = tokens.collect();
        let is_taken = |token: &usize| matches!(aims[*token], Aim::Tag(_));
        if tokens.iter().any(is_taken) {
            for token in tokens {
                if aims[token] == Aim::Outside {
                    aims[token] = Aim::Anything;
                }
            }
            continue;
        }
        for (place, token) in tokens.into_iter().enumerate() {
            aims[token] = Aim::Tag(match place {
                0 => Tag::Begin(label),
                _ => Tag::Inside(label),
            });
        }
    }
    aims
}

fn overlaps((start, end): (usize, usize), span: &LabelledSpan) -> bool {
    start < span.end && span.start < end
}

#[cfg(test)]
mod tests {
    use super::super::Known;
    use super::*;

    const PLACES: [Option<(usize, usize)>; 6] = [
        None,
        Some((0, 3)),
        Some((3, 5)),
        Some((6, 9)),
        Some((9, 10)),
        None,
    ];

    fn span(start: usize, end: usize, label: usize) -> LabelledSpan {
        LabelledSpan { start, end, label }
    }

    fn labels() -> TagLabels {
        TagLabels::new(["a", "b"].map(str::to_owned))
    }

    /// The outputs that may be right of each token.
    fn possible(targets: &TagTargets) -> Vec<Vec<usize>> {
        let row = |row: &[f32]| {
            row.iter()
                .enumerate()
                .filter(|(_, value)| **value == 1.0)
                .map(|(output, _)| output)
                .collect()
        };
        targets.possible.chunks(5).map(row).collect()
    }

    #[test]
    fn the_first_token_of_a_span_begins_it() {
        // The second span begins within a token, and the third overlaps it and is shorter.
        let annotation = Annotation {
            spans: vec![span(0, 5, 1), span(7, 10, 0), span(9, 10, 1)],
            ..Annotation::default()
        };
        let found = targets(&PLACES, &annotation, &labels(), &[Some(0), Some(1)]);
        let all: Vec<usize> = (0..5).collect();
        assert_eq!(
            possible(&found),
            [all.clone(), vec![3], vec![4], vec![1], vec![2], all]
        );
        assert_eq!(found.scored, 4);
    }

    #[test]
    fn of_spans_with_a_common_token_the_rest_may_be_anything() {
        // The token from 3 to 5 is in both.
        let annotation = Annotation {
            spans: vec![span(0, 4, 0), span(4, 7, 1)],
            ..Annotation::default()
        };
        let found = targets(&PLACES, &annotation, &labels(), &[Some(0), Some(1)]);
        let all: Vec<usize> = (0..5).collect();
        assert_eq!(
            possible(&found),
            [all.clone(), vec![1], vec![2], all.clone(), vec![0], all]
        );
    }

    #[test]
    fn a_value_that_the_text_has_again_may_be_a_span_or_not() {
        let annotation = Annotation {
            spans: vec![span(0, 5, 0)],
            repeats: vec![span(3, 9, 0)],
            ..Annotation::default()
        };
        let found = targets(&PLACES, &annotation, &labels(), &[Some(0), Some(1)]);
        let all: Vec<usize> = (0..5).collect();
        assert_eq!(
            possible(&found),
            [all.clone(), vec![1], vec![2], vec![0, 1, 2], vec![0], all]
        );
    }

    #[test]
    fn labels_that_are_open_may_be_right_outside_of_spans() {
        let annotation = Annotation {
            spans: vec![span(0, 5, 0)],
            known: Known::Only(vec!["a".to_owned()]),
            ..Annotation::default()
        };
        let found = targets(&PLACES, &annotation, &labels(), &[Some(0), Some(1)]);
        let all: Vec<usize> = (0..5).collect();
        assert_eq!(
            possible(&found),
            [
                all.clone(),
                vec![1],
                vec![2],
                vec![0, 3, 4],
                vec![0, 3, 4],
                all
            ]
        );
        let silent = Annotation {
            known: Known::Only(Vec::new()),
            ..Annotation::default()
        };
        assert_eq!(
            targets(&PLACES, &silent, &labels(), &[Some(0), Some(1)]).scored,
            0
        );
        // The tagger has one label alone.
        let one = TagLabels::new(["b".to_owned()]);
        let found = targets(&PLACES, &annotation, &one, &[None, Some(0)]);
        assert_eq!(found.scored, 0);
        let annotation = Annotation {
            known: Known::All,
            ..annotation
        };
        assert_eq!(
            targets(&PLACES, &annotation, &one, &[None, Some(0)]).scored,
            4
        );
    }
}
