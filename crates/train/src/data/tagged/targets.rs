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
/// tag of a label that is open. Of overlapping spans the longer one counts. Tokens without a place may be anything.
///
/// `labels` are those of the tagger, and `numbers` theirs by the labels of the table: a label that the tagger does not have
/// is `O` for it.
pub(crate) fn targets(
    places: &[Option<(usize, usize)>],
    annotation: &Annotation,
    labels: &TagLabels,
    numbers: &[Option<usize>],
) -> TagTargets {
    let tags = tags(places, annotation, numbers);
    let outputs = labels.outputs().len();
    let mut outside = vec![0.0; outputs];
    outside[labels.output(Tag::Outside)] = 1.0;
    for label in annotation.open.iter().filter_map(|&label| numbers[label]) {
        outside[labels.output(Tag::Begin(label))] = 1.0;
        outside[labels.output(Tag::Inside(label))] = 1.0;
    }
    let mut found = TagTargets::default();
    for (place, tag) in places.iter().zip(tags) {
        let start = found.possible.len();
        match (place, tag) {
            (None, _) => found.possible.resize(start + outputs, 1.0),
            (_, Tag::Outside) => found.possible.extend_from_slice(&outside),
            (_, tag) => {
                found.possible.resize(start + outputs, 0.0);
                found.possible[start + labels.output(tag)] = 1.0;
            }
        }
        found.scored += usize::from(found.possible[start..].contains(&0.0));
    }
    found
}

/// The tag of every token by the spans alone.
fn tags(
    places: &[Option<(usize, usize)>],
    annotation: &Annotation,
    numbers: &[Option<usize>],
) -> Vec<Tag> {
    let mut spans: Vec<&LabelledSpan> = annotation.spans.iter().collect();
    spans.sort_by_key(|span| std::cmp::Reverse(span.end - span.start));
    let mut tags = vec![Tag::Outside; places.len()];
    let mut taken = vec![false; places.len()];
    for span in spans {
        let overlaps = |place: &Option<(usize, usize)>| {
            place.is_some_and(|(start, end)| start < span.end && span.start < end)
        };
        let tokens = places
            .iter()
            .enumerate()
            .filter(|(_, place)| overlaps(place));
        let tokens: Vec<usize> = tokens.map(|(token, _)| token).collect();
        let Some(label) = numbers[span.label].filter(|_| !tokens.iter().any(|&token| taken[token]))
        else {
            continue;
        };
        for (place, &token) in tokens.iter().enumerate() {
            taken[token] = true;
            tags[token] = if place == 0 {
                Tag::Begin(label)
            } else {
                Tag::Inside(label)
            };
        }
    }
    tags
}

#[cfg(test)]
mod tests {
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
    fn labels_that_are_open_may_be_right_outside_of_spans() {
        let annotation = Annotation {
            spans: vec![span(0, 5, 0)],
            open: vec![1],
            category: None,
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
            open: vec![0, 1],
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
            open: Vec::new(),
            ..annotation
        };
        assert_eq!(
            targets(&PLACES, &annotation, &one, &[None, Some(0)]).scored,
            4
        );
    }
}
