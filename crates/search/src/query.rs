//! A question to an index or a store, and its answer.

use crate::filter::{Filter, Value, fold_case};

/// What hits are ranked by.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Mode {
    /// The similarity of vectors.
    Meaning,
    /// BM25 of the words.
    Words,
    /// Both.
    #[default]
    Hybrid,
}

impl Mode {
    /// Every mode.
    pub const ALL: [Self; 3] = [Self::Meaning, Self::Words, Self::Hybrid];

    /// The name: `meaning`, `words` or `hybrid`.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Meaning => "meaning",
            Self::Words => "words",
            Self::Hybrid => "hybrid",
        }
    }

    /// The mode with that [`name`](Self::name).
    #[must_use]
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|mode| mode.name() == name)
    }
}

/// How [`Mode::Hybrid`] joins two rankings.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Fusion {
    /// `(1 - weight) * meaning + weight * words`, of scores that are scaled to `[0, 1]`.
    WeightedSum {
        /// The weight of words, in `[0, 1]`.
        weight: f32,
    },
    /// The sum of `1 / (60 + rank)` over both rankings (Cormack, Clarke and Buettcher, SIGIR 2009).
    ReciprocalRank,
}

/// The weighted sum, with the weight that was chosen on one half of Chorus's queries: see the page on hybrid search of
/// the documentation.
impl Default for Fusion {
    fn default() -> Self {
        Self::WeightedSum { weight: 0.17 }
    }
}

/// An order other than by score.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sort {
    /// The filter column.
    pub column: String,
    /// Largest first.
    pub descending: bool,
}

/// Raises the scores of the rows with a value.
#[derive(Clone, Debug, PartialEq)]
pub struct Boost {
    /// The filter column.
    pub column: String,
    /// The value, compared as a filter compares it.
    pub value: Value,
    /// What is added to the score, whatever the mode: finite, and not below 0.
    pub weight: f32,
}

impl Boost {
    /// The boosts of values that a query names, by the weights of their columns. Names may be in any case. A value counts
    /// once, however often it is named, and values of columns without a weight do not count.
    #[must_use]
    pub fn of_named(
        named: impl IntoIterator<Item = (String, Value)>,
        weights: &[(String, f32)],
    ) -> Vec<Self> {
        let mut boosts: Vec<Self> = Vec::new();
        let mut counted: Vec<(String, Value)> = Vec::new();
        for (column, value) in named {
            let folded = fold_case(&column);
            let of_column = |(name, _): &&(String, f32)| fold_case(name) == folded;
            let Some((_, weight)) = weights.iter().find(of_column) else {
                continue;
            };
            let same = match &value {
                Value::Text(text) => Value::Text(fold_case(text)),
                other => other.clone(),
            };
            let key = (folded, same);
            if !counted.contains(&key) {
                counted.push(key);
                boosts.push(Self {
                    column,
                    value,
                    weight: *weight,
                });
            }
        }
        boosts
    }

    /// A column that has two weights: its names may be in different cases.
    #[must_use]
    pub fn repeated_column(weights: &[(String, f32)]) -> Option<&str> {
        let mut names = Vec::new();
        for (name, _) in weights {
            let folded = fold_case(name);
            if names.contains(&folded) {
                return Some(name);
            }
            names.push(folded);
        }
        None
    }
}

/// A question. Vectors have the index's width.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Query {
    /// What hits should be similar to: `[width]`. Empty for [`Mode::Words`].
    pub vector: Vec<f32>,
    /// The words. Empty for [`Mode::Meaning`].
    pub text: String,
    /// What hits are ranked by.
    pub mode: Mode,
    /// How both rankings are joined; of none, as the index was built for.
    pub fusion: Option<Fusion>,
    /// The most hits, behind the first [`offset`](Self::offset).
    pub k: usize,
    /// Hits to pass over.
    pub offset: usize,
    /// The rows to choose from; of none, all.
    pub filter: Option<Filter>,
    /// The rows to choose from, by their ids; of none, all.
    pub only: Vec<String>,
    /// Rows that are no hits, by their ids.
    pub without: Vec<String>,
    /// Columns whose values are counted over the rows that could be hits. Conditions of the filter on the column itself do
    /// not count, so that values beside the chosen ones keep their numbers: see [`facet_filter`](Self::facet_filter).
    pub facets: Vec<String>,
    /// What raises scores; of several values of a row, the sum.
    pub boosts: Vec<Boost>,
    /// An order other than by score.
    pub sort: Option<Sort>,
    /// Hits with a lower score are left out.
    pub min_score: Option<f32>,
    /// The share of the exact hits that must be found, in `(0, 1]`. Of none, an index is searched exactly, and a store
    /// as its options say.
    pub recall: Option<f32>,
    /// Whether typing errors are forgiven where a word is unknown.
    pub typos: bool,
}

impl Query {
    /// The filter of the rows that the facet of a column counts: that of the query, without the conditions that are on this
    /// column alone.
    #[must_use]
    pub fn facet_filter(&self, column: &str) -> Option<Filter> {
        self.filter.as_ref()?.without_column(column)
    }

    /// The question whose answer has the values of a facet, where the filter has conditions on its column alone.
    #[must_use]
    pub fn of_facet(&self, column: &str) -> Option<Self> {
        let filter = self.facet_filter(column);
        (filter != self.filter).then(|| Self {
            filter,
            facets: vec![column.to_owned()],
            k: 0,
            offset: 0,
            ..self.clone()
        })
    }

    /// How many rows of each ranking are joined where two rankings become one: at least 100, so that more rows of the
    /// first page are in both than are on it, and in steps of ten times as many, so that the pages of a list are of one
    /// ranking.
    #[must_use]
    pub fn joined_rows(&self) -> usize {
        let hits = self.k.saturating_add(self.offset);
        (2..)
            .map(|power| 10usize.saturating_pow(power))
            .find(|rows| *rows >= hits)
            .unwrap_or(hits)
    }
}

/// Where a score comes from.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Explanation {
    /// Similarity of the vectors; none where words alone were asked.
    pub similarity: Option<f32>,
    /// The place in the ranking by meaning, from 1; none beyond the rows that were ranked.
    pub similarity_rank: Option<usize>,
    /// BM25 of the words; none where no word matches.
    pub bm25: Option<f32>,
    /// The place in the ranking by words, from 1.
    pub bm25_rank: Option<usize>,
    /// Whether the query equals the id or a key.
    pub key: bool,
    /// What the [boosts](Query::boosts) added; none where the query has no boosts.
    pub boost: Option<f32>,
}

/// A row that was found.
#[derive(Clone, Debug, PartialEq)]
pub struct Found {
    /// The id.
    pub id: String,
    /// By which hits are ordered, unless a column does.
    pub score: f32,
    /// The texts of the row, by the index's text columns.
    pub texts: Vec<String>,
    /// The values of the filter columns, in their order.
    pub values: Vec<Option<Value>>,
    /// Where the score comes from.
    pub explanation: Explanation,
    /// The words that match, for every text: ranges of its bytes.
    pub highlights: Vec<Vec<std::ops::Range<usize>>>,
}

/// How often a value of a column occurs.
#[derive(Clone, Debug, PartialEq)]
pub struct FacetCount {
    /// The value.
    pub value: Value,
    /// Rows with it.
    pub rows: usize,
}

/// The answer to a query.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Answer {
    /// Best first.
    pub hits: Vec<Found>,
    /// For every facet asked for, the values, most frequent first.
    pub facets: Vec<Vec<FacetCount>>,
    /// The boosts of the query.
    pub boosts: Vec<Boost>,
    /// Shards of a store that did not answer; empty for an index.
    pub missing: Vec<String>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_value_is_boosted_once() {
        let text = |column: &str, value: &str| (column.to_owned(), Value::Text(value.to_owned()));
        let named = [
            text("brand", "Sony"),
            text("Brand", "sony"),
            text("brand", "Acme"),
            text("size", "XL"),
        ];
        let weights = [("BRAND".to_owned(), 0.25)];
        let boost = |value: &str| Boost {
            column: "brand".to_owned(),
            value: Value::Text(value.to_owned()),
            weight: 0.25,
        };
        assert_eq!(
            Boost::of_named(named, &weights),
            [boost("Sony"), boost("Acme")]
        );
    }

    #[test]
    fn a_column_has_one_weight() {
        let weights = |names: [&str; 2]| names.map(|name| (name.to_owned(), 0.5));
        assert_eq!(Boost::repeated_column(&weights(["brand", "colour"])), None);
        assert_eq!(
            Boost::repeated_column(&weights(["brand", "Brand"])),
            Some("Brand")
        );
    }
}
