//! Comparison of the scores of two models.

use std::fmt;

use super::is_worse;
use super::scores::{SHOWN, Scores};
use super::suite::SuiteScores;
use super::table::{TableRow, write_table};

/// Scores of a suite before and after. As text it is a table that flags metrics that dropped.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Comparison<'a> {
    pub(crate) before: &'a SuiteScores,
    pub(crate) after: &'a SuiteScores,
}

/// The metrics before, then new ones: models with different similarities have other names of metrics.
fn metrics<'a>(before: &'a Scores, after: &'a Scores) -> impl Iterator<Item = &'a str> {
    let new = after
        .iter()
        .filter(|(metric, _)| before.get(metric).is_none());
    before.iter().chain(new).map(|(metric, _)| metric)
}

impl fmt::Display for Comparison<'_> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let value =
            |value: Option<f64>| value.map_or("-".to_owned(), |value| format!("{value:.4}"));
        let pairs = self.before.0.iter().zip(&self.after.0);
        let rows = pairs.flat_map(|(before, after)| {
            metrics(&before.scores, &after.scores).map(move |metric| {
                let [was, is] = [before, after].map(|named| named.scores.get(metric));
                let both = was.zip(is);
                TableRow {
                    evaluation: &before.name,
                    metric,
                    primary: metric == before.scores.primary().0,
                    numbers: vec![
                        value(was),
                        value(is),
                        both.map_or("-".to_owned(), |(was, is)| signed(is - was)),
                    ],
                    note: match both {
                        Some((was, is)) if is_worse(was, is) => "worse",
                        _ => "",
                    },
                }
            })
        });
        write_table(formatter, &["before", "after", "difference"], rows)
    }
}

/// Four decimals with a sign, except for 0.
fn signed(difference: f64) -> String {
    if difference.abs() < SHOWN {
        format!("{:.4}", 0.0)
    } else {
        format!("{difference:+.4}")
    }
}

#[cfg(test)]
mod tests {
    use super::super::Description;
    use super::super::suite::NamedScores;
    use super::*;

    #[test]
    fn dropped_metrics_are_flagged() {
        let suite = |sts: Scores, products: Scores| {
            let named = [("sts", sts), ("products", products)];
            let named = named.map(|(name, scores)| NamedScores {
                name: name.to_owned(),
                data: Description::Similarity { pairs: 9 },
                scores,
            });
            SuiteScores(named.to_vec())
        };
        let before = suite(
            Scores::new("spearman", 0.5).with("pearson", 0.7),
            Scores::new("ndcg", 0.25)
                .with("mrr", 0.125)
                .with("old", 1.0),
        );
        let after = suite(
            Scores::new("spearman", 0.49996).with("pearson", f64::NAN),
            Scores::new("ndcg", 0.5)
                .with("mrr", 0.0625)
                .with("new", -1.0),
        );
        let comparison = Comparison {
            before: &before,
            after: &after,
        };
        assert_eq!(
            comparison.to_string(),
            "\
evaluation  metric      before    after  difference
sts         spearman *  0.5000   0.5000      0.0000
            pearson     0.7000      NaN         NaN  worse
products    ndcg *      0.2500   0.5000     +0.2500
            mrr         0.1250   0.0625     -0.0625  worse
            old         1.0000        -           -
            new              -  -1.0000           -
"
        );
    }
}
