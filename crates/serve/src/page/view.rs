//! What the templates show.

use std::ops::Range;

use askama::Template;
use search::filter::{ColumnKind, fold_case};
use search::index::Settings;
use search::{Answer, Found, Mode};

use super::address::{Address, View};

/// Columns whose values can be chosen.
const FACETS: usize = 6;

/// Values of a column that can be chosen.
const FACET_VALUES: usize = 12;

/// The page.
#[derive(Template)]
#[template(path = "page.html")]
pub(super) struct Page {
    pub(super) query: String,
    pub(super) views: Vec<Choice>,
    pub(super) orders: Vec<Choice>,
    /// Hidden fields of the form: the chosen values.
    pub(super) chosen: Vec<(String, String)>,
    /// A hidden field too: the product that hits are like.
    pub(super) like: String,
    pub(super) results: Results,
}

/// An entry of a list to choose from.
pub(super) struct Choice {
    pub(super) value: String,
    pub(super) name: String,
    pub(super) selected: bool,
}

/// The part of the page that a query changes.
#[derive(Default, Template)]
#[template(path = "results.html")]
pub(super) struct Results {
    /// What the hits are like, instead of a query.
    pub(super) like: String,
    /// A sentence for screen readers and eyes.
    pub(super) status: String,
    /// Why there is nothing to see.
    pub(super) problem: String,
    pub(super) facets: Vec<Facet>,
    pub(super) lists: Vec<List>,
    pub(super) before: String,
    pub(super) after: String,
    /// The address without the chosen values, where a filter leaves nothing.
    pub(super) without_filter: String,
}

/// The values of a column.
pub(super) struct Facet {
    name: String,
    values: Vec<FacetValue>,
}

/// A value that can be chosen.
struct FacetValue {
    value: String,
    rows: usize,
    link: String,
    chosen: bool,
}

/// The hits of a mode.
pub(super) struct List {
    title: &'static str,
    time: String,
    hits: Vec<Hit>,
}

/// A hit.
struct Hit {
    id: String,
    score: String,
    title: Vec<Piece>,
    texts: Vec<Vec<Piece>>,
    values: Vec<(String, String)>,
    like: String,
}

/// A part of a text.
struct Piece {
    text: String,
    marked: bool,
}

impl Choice {
    pub(super) fn views(address: &Address) -> Vec<Self> {
        let views = View::ALL.iter().map(|(view, value, name)| Self {
            value: (*value).to_owned(),
            name: (*name).to_owned(),
            selected: *view == address.view,
        });
        views.collect()
    }

    /// By score, and by each column of numbers or dates in both directions.
    pub(super) fn orders(address: &Address, settings: &Settings) -> Vec<Self> {
        let choice = |value: String, name: String| Self {
            selected: value == address.sort,
            value,
            name,
        };
        let mut orders = vec![choice(String::new(), "Best first".to_owned())];
        for column in &settings.filter_columns {
            let (low, high) = match column.kind {
                ColumnKind::Number => ("lowest first", "highest first"),
                ColumnKind::Date => ("oldest first", "newest first"),
                _ => continue,
            };
            orders.push(choice(
                column.name.clone(),
                format!("{}, {low}", column.name),
            ));
            orders.push(choice(
                format!("-{}", column.name),
                format!("{}, {high}", column.name),
            ));
        }
        orders
    }
}

/// The columns whose values can be chosen.
pub(super) fn facet_columns(settings: &Settings) -> Vec<String> {
    let columns = settings.filter_columns.iter();
    let columns =
        columns.filter(|column| matches!(column.kind, ColumnKind::Text | ColumnKind::Boolean));
    columns
        .take(FACETS)
        .map(|column| column.name.clone())
        .collect()
}

impl Facet {
    pub(super) fn of(answer: &Answer, columns: &[String], address: &Address) -> Vec<Self> {
        let facets = columns.iter().zip(&answer.facets).map(|(name, counts)| {
            let chosen = address.chosen.iter();
            // As the address spells them, so that a second click takes them back.
            let mut chosen: Vec<&String> = chosen
                .filter(|(column, _)| column == name)
                .map(|(_, value)| value)
                .collect();
            let mut values = Vec::new();
            for (place, count) in counts.iter().enumerate() {
                let value = count.value.to_string();
                let folded = fold_case(&value);
                let spelled = chosen.iter().position(|other| fold_case(other) == folded);
                // A chosen value is always there, however rare it is.
                if place < FACET_VALUES || spelled.is_some() {
                    let spelled = spelled.map(|place| chosen.remove(place).clone());
                    values.push(FacetValue {
                        rows: count.rows,
                        link: (address.with_toggled(name, spelled.as_ref().unwrap_or(&value)))
                            .link(),
                        chosen: spelled.is_some(),
                        value,
                    });
                }
            }
            values.extend(chosen.into_iter().map(|value| FacetValue {
                rows: 0,
                link: address.with_toggled(name, value).link(),
                chosen: true,
                value: value.clone(),
            }));
            Self {
                name: name.clone(),
                values,
            }
        });
        facets.filter(|facet| !facet.values.is_empty()).collect()
    }
}

impl List {
    pub(super) fn new(
        mode: Option<Mode>,
        answer: &Answer,
        settings: &Settings,
        milliseconds: f64,
    ) -> Self {
        Self {
            title: match mode {
                None => "Alike",
                Some(Mode::Words) => "Words",
                Some(Mode::Meaning) => "Meaning",
                Some(Mode::Hybrid) => "Both",
            },
            time: format!("{milliseconds:.0} ms"),
            hits: answer
                .hits
                .iter()
                .map(|hit| Hit::new(hit, settings))
                .collect(),
        }
    }

    pub(super) fn len(&self) -> usize {
        self.hits.len()
    }
}

impl Hit {
    fn new(found: &Found, settings: &Settings) -> Self {
        let no_marks = Vec::new();
        let marks = found.highlights.iter().chain(std::iter::repeat(&no_marks));
        let mut texts: Vec<Vec<Piece>> = found
            .texts
            .iter()
            .zip(marks)
            .filter(|(text, _)| !text.trim().is_empty())
            .map(|(text, marks)| pieces(text, marks))
            .collect();
        let columns = settings.filter_columns.iter().zip(&found.values);
        let values = columns.filter_map(|(column, value)| {
            let value = value.as_ref()?.to_string();
            Some((column.name.clone(), value))
        });
        let like = Address {
            like: found.id.clone(),
            view: View::Mode(Mode::Hybrid),
            ..Address::default()
        };
        Self {
            id: found.id.clone(),
            score: format!("{:.3}", found.score),
            title: if texts.is_empty() {
                Vec::new()
            } else {
                texts.remove(0)
            },
            texts,
            values: values.collect(),
            like: like.link(),
        }
    }
}

/// A text as parts that are marked and parts that are not.
fn pieces(text: &str, marks: &[Range<usize>]) -> Vec<Piece> {
    let mut pieces = Vec::new();
    let mut push = |range: Range<usize>, marked| {
        if let Some(text) = text.get(range).filter(|text| !text.is_empty()) {
            pieces.push(Piece {
                text: text.to_owned(),
                marked,
            });
        }
    };
    let mut end = 0;
    for mark in marks {
        push(end..mark.start, false);
        push(mark.clone(), true);
        end = mark.end;
    }
    push(end..text.len(), false);
    pieces
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pieces_are_the_text() {
        let text = "Ärger mit Lampe";
        let found = pieces(text, &[0..6, 11..16]);
        let found: Vec<(&str, bool)> = found
            .iter()
            .map(|piece| (piece.text.as_str(), piece.marked))
            .collect();
        assert_eq!(found, [("Ärger", true), (" mit ", false), ("Lampe", true)]);
        // A place inside a character is passed over.
        let odd: String = pieces(text, std::slice::from_ref(&(1..6)))
            .into_iter()
            .map(|piece| piece.text)
            .collect();
        assert_eq!(odd, " mit Lampe");
    }
}
