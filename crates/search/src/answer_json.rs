//! An answer as JSON: the form that the programs print and a service sends.

use std::ops::Range;

use serde::ser::SerializeMap;
use serde::{Serialize, Serializer};

use crate::filter::Value;
use crate::index::{Settings, joined};
use crate::query::{Answer, Boost, Explanation, Found};

/// What an index or a store was asked, as far as its answer tells it.
#[derive(Clone, Copy, Debug)]
pub struct Asked<'a> {
    /// The columns of the hits.
    pub settings: &'a Settings,
    /// What the scores are.
    pub metric: &'static str,
    /// The columns whose values are counted.
    pub facets: &'a [String],
    /// Whether to say where scores come from.
    pub explain: bool,
}

/// An answer that is written as JSON.
#[derive(Serialize)]
pub struct AnswerJson<'a> {
    metric: &'static str,
    hits: Vec<Hit<'a>>,
    #[serde(skip_serializing_if = "<[String]>::is_empty")]
    missing: &'a [String],
    #[serde(skip_serializing_if = "Option::is_none")]
    facets: Option<Named<'a, Vec<Facet>>>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    boosts: Vec<BoostJson<'a>>,
}

impl<'a> AnswerJson<'a> {
    /// The JSON form of an answer.
    #[must_use]
    pub fn new(answer: &'a Answer, asked: Asked<'a>) -> Self {
        let counted = asked.facets.iter().zip(&answer.facets);
        let facets = counted.map(|(name, counts)| {
            let counts = counts.iter().map(|count| Facet {
                value: (&count.value).into(),
                rows: count.rows,
            });
            (name.as_str(), counts.collect())
        });
        let hits = (1usize..).zip(&answer.hits);
        Self {
            metric: asked.metric,
            hits: hits.map(|(rank, found)| hit(rank, found, asked)).collect(),
            missing: &answer.missing,
            facets: (!asked.facets.is_empty()).then(|| Named(facets.collect())),
            boosts: answer.boosts.iter().map(Into::into).collect(),
        }
    }
}

#[derive(Serialize)]
struct Hit<'a> {
    rank: usize,
    score: f32,
    id: &'a str,
    text: String,
    columns: Named<'a, &'a str>,
    values: Named<'a, Option<JsonValue>>,
    /// Places of matching words, in characters.
    highlights: Named<'a, Vec<[usize; 2]>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    explanation: Option<Because>,
}

#[derive(Serialize)]
struct Facet {
    value: JsonValue,
    rows: usize,
}

#[derive(Serialize)]
struct BoostJson<'a> {
    column: &'a str,
    value: JsonValue,
    weight: f32,
}

impl<'a> From<&'a Boost> for BoostJson<'a> {
    fn from(boost: &'a Boost) -> Self {
        Self {
            column: &boost.column,
            value: (&boost.value).into(),
            weight: boost.weight,
        }
    }
}

#[derive(Serialize)]
struct Because {
    similarity: Option<f32>,
    similarity_rank: Option<usize>,
    bm25: Option<f32>,
    bm25_rank: Option<usize>,
    key: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    boost: Option<f32>,
}

impl From<Explanation> for Because {
    fn from(because: Explanation) -> Self {
        Self {
            similarity: because.similarity,
            similarity_rank: because.similarity_rank,
            bm25: because.bm25,
            bm25_rank: because.bm25_rank,
            key: because.key,
            boost: because.boost,
        }
    }
}

/// A value with the type that JSON has for it; dates are texts.
#[derive(Serialize)]
#[serde(untagged)]
enum JsonValue {
    Text(String),
    Number(f64),
    Boolean(bool),
}

impl From<&Value> for JsonValue {
    fn from(value: &Value) -> Self {
        match value {
            Value::Number(number) => Self::Number(*number),
            Value::Boolean(boolean) => Self::Boolean(*boolean),
            Value::Text(_) | Value::Date(_) => Self::Text(value.to_string()),
        }
    }
}

/// Values by the names of their columns.
struct Named<'a, V>(Vec<(&'a str, V)>);

impl<V: Serialize> Serialize for Named<'_, V> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(Some(self.0.len()))?;
        for (name, value) in &self.0 {
            map.serialize_entry(name, value)?;
        }
        map.end()
    }
}

fn hit<'a>(rank: usize, found: &'a Found, asked: Asked<'a>) -> Hit<'a> {
    let texts = asked
        .settings
        .text_columns
        .iter()
        .map(|column| column.name.as_str());
    let filters = asked
        .settings
        .filter_columns
        .iter()
        .map(|column| column.name.as_str());
    let values = found
        .values
        .iter()
        .map(|value| value.as_ref().map(Into::into));
    let places = found.texts.iter().zip(&found.highlights);
    let places = places.map(|(text, places)| in_characters(text, places));
    let marked = texts
        .clone()
        .zip(places)
        .filter(|(_, places)| !places.is_empty());
    Hit {
        rank,
        score: found.score,
        id: &found.id,
        text: joined(&found.texts),
        columns: Named(texts.zip(found.texts.iter().map(String::as_str)).collect()),
        values: Named(filters.zip(values).collect()),
        highlights: Named(marked.collect()),
        explanation: asked.explain.then(|| found.explanation.into()),
    }
}

/// Ranges of bytes as ranges of characters: other languages count these.
fn in_characters(text: &str, places: &[Range<usize>]) -> Vec<[usize; 2]> {
    let characters = |bytes: usize| text.get(..bytes).map(|before| before.chars().count());
    let place = |range: &Range<usize>| Some([characters(range.start)?, characters(range.end)?]);
    places.iter().filter_map(place).collect()
}
