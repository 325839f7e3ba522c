//! What rows say about labels: which ones a category has, and of which a text has one span.

use std::collections::{BTreeMap, BTreeSet};

use model::TaggerSettings;

use super::{Annotation, Annotations};

/// The settings of a tagger by some rows: a label is single-valued if no row has two spans of it, and a category has the
/// labels of its rows, those that are open included.
pub(crate) fn schema(annotations: &Annotations, rows: &[usize]) -> TaggerSettings {
    let labels = &annotations.labels;
    let mut most = vec![0; labels.len()];
    let mut categories: BTreeMap<&str, BTreeSet<usize>> = BTreeMap::new();
    for Annotation {
        spans,
        open,
        category,
    } in rows.iter().map(|&row| &annotations.rows[row])
    {
        let mut counts = vec![0; labels.len()];
        for span in spans {
            counts[span.label] += 1;
        }
        for (most, count) in most.iter_mut().zip(counts) {
            *most = count.max(*most);
        }
        if let Some(category) = category {
            let known = categories.entry(category).or_default();
            known.extend(
                spans
                    .iter()
                    .map(|span| span.label)
                    .chain(open.iter().copied()),
            );
        }
    }
    let mut settings = TaggerSettings::default();
    let single = labels.iter().zip(most).filter(|(_, most)| *most == 1);
    settings.single_valued = single.map(|(label, _)| label.clone()).collect();
    settings.categories = categories
        .into_iter()
        .map(|(category, known)| {
            let known = known.into_iter().map(|label| labels[label].clone());
            (category.to_owned(), known.collect())
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
        let row = |labels: &[usize], open: &[usize], category: Option<&str>| Annotation {
            spans: labels
                .iter()
                .map(|&label| LabelledSpan {
                    start: 0,
                    end: 1,
                    label,
                })
                .collect(),
            open: open.to_vec(),
            category: category.map(str::to_owned),
        };
        let annotations = Annotations {
            labels: ["a", "b", "c"].map(str::to_owned).to_vec(),
            rows: vec![
                row(&[0, 1], &[], Some("x")),
                row(&[1, 1], &[0], Some("y")),
                row(&[2], &[], None),
            ],
            notes: Vec::new(),
        };
        let all = schema(&annotations, &[0, 1, 2]);
        assert_eq!(all.single_valued, ["a", "c"]);
        let of = |category: &str| all.categories[category].join(" ");
        assert_eq!(
            (of("x"), of("y"), all.categories.len()),
            ("a b".to_owned(), "a b".to_owned(), 2)
        );
        assert_eq!(schema(&annotations, &[0]).single_valued, ["a", "b"]);
        assert_eq!(schema(&annotations, &[0]).categories.len(), 1);
    }
}
