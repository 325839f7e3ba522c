//! What rows say about labels: which ones a category has, and of which a text has one span.

use std::collections::{BTreeMap, BTreeSet};

use model::TaggerSettings;

use super::{Annotation, Annotations, Known};

/// Fewer rows of a category, or rows with a label, say too little of the others: a label of which few texts have two values,
/// or few of a category have one, would be lost.
const FEWEST_ROWS: usize = 20;

/// The settings of a tagger by some rows: a label is single-valued if at least 20 rows have a span of it and none has two. A
/// category of at least 20 rows has the labels of its spans, and those that complete rows list as open. Those that other rows
/// leave open do not count: a column that is blank in all rows of a category is none of its attributes.
pub(crate) fn schema(annotations: &Annotations, rows: &[usize]) -> TaggerSettings {
    let labels = &annotations.labels;
    // The most spans of a row, and the rows with any.
    let (mut most, mut with_spans) = (vec![0; labels.len()], vec![0; labels.len()]);
    let mut categories: BTreeMap<&str, (usize, BTreeSet<usize>)> = BTreeMap::new();
    for annotation in rows.iter().map(|&row| &annotations.rows[row]) {
        let Annotation {
            spans,
            known,
            category,
            ..
        } = annotation;
        let mut counts = vec![0; labels.len()];
        for span in spans {
            counts[span.label] += 1;
        }
        for (label, count) in counts.into_iter().enumerate() {
            most[label] = count.max(most[label]);
            with_spans[label] += usize::from(count > 0);
        }
        if let Some(category) = category {
            let (rows, of_category) = categories.entry(category).or_default();
            *rows += 1;
            of_category.extend(spans.iter().map(|span| span.label));
            if let Known::AllBut(open) = known {
                of_category
                    .extend((0..labels.len()).filter(|&label| open.contains(&labels[label])));
            }
        }
    }
    let mut settings = TaggerSettings::default();
    let is_single = |label: &usize| most[*label] == 1 && with_spans[*label] >= FEWEST_ROWS;
    let single = (0..labels.len()).filter(is_single);
    settings.single_valued = single.map(|label| labels[label].clone()).collect();
    settings.categories = categories
        .into_iter()
        .filter(|(_, (rows, _))| *rows >= FEWEST_ROWS)
        .map(|(category, (_, of_category))| {
            let of_category = of_category.into_iter().map(|label| labels[label].clone());
            (category.to_owned(), of_category.collect())
        })
        .collect();
    settings
}

#[cfg(test)]
mod tests {
    use super::super::LabelledSpan;
    use super::*;

    #[test]
    fn categories_and_single_values_are_those_of_the_rows() {
        let row = |labels: &[usize], open: &[&str], category: Option<&str>| Annotation {
            spans: labels
                .iter()
                .map(|&label| LabelledSpan {
                    start: 0,
                    end: 1,
                    label,
                })
                .collect(),
            known: Known::AllBut(open.iter().map(|&label| label.to_owned()).collect()),
            category: category.map(str::to_owned),
            ..Annotation::default()
        };
        let annotations = Annotations {
            labels: ["a", "b", "c"].map(str::to_owned).to_vec(),
            rows: vec![
                row(&[0, 1], &[], Some("x")),
                row(&[1, 1], &["a"], Some("y")),
                row(&[2], &[], None),
            ],
            ..Annotations::default()
        };
        let times = |count: usize, rows: &[usize]| rows.repeat(count);
        let all = schema(&annotations, &times(FEWEST_ROWS, &[0, 1, 2]));
        assert_eq!(all.single_valued, ["a", "c"]);
        let of = |category: &str| all.categories[category].join(" ");
        assert_eq!(
            (of("x"), of("y"), all.categories.len()),
            ("a b".to_owned(), "a b".to_owned(), 2)
        );
        let first = schema(&annotations, &times(FEWEST_ROWS, &[0]));
        assert_eq!(first.single_valued, ["a", "b"]);
        assert_eq!(first.categories.len(), 1);
        // One row fewer says too little.
        let few = schema(&annotations, &times(FEWEST_ROWS - 1, &[0, 1, 2]));
        assert!(few.single_valued.is_empty() && few.categories.is_empty());
        // A column that is blank in all rows of a category is none of its labels.
        let mut columns = annotations;
        columns.rows[0].known = Known::Only(vec!["a".to_owned(), "b".to_owned()]);
        let of_columns = schema(&columns, &times(FEWEST_ROWS, &[0, 1]));
        assert_eq!(of_columns.categories["x"], ["a", "b"]);
    }
}
