//! What a page shows, as its address says it: an address that is sent to somebody shows them the same.

use form_urlencoded::Serializer;
use search::filter::{Comparison, Filter, FilterColumn, Value};
use search::{Mode, Query};

/// Before the column in the name of a chosen value: `in.brand=Acme`.
const CHOSEN: &str = "in.";

/// How hits are shown.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum View {
    /// One list.
    Mode(Mode),
    /// A list for each mode, side by side.
    #[default]
    Compare,
}

impl View {
    /// Every view, with its name in the address and on the page.
    pub(super) const ALL: [(Self, &'static str, &'static str); 4] = [
        (Self::Mode(Mode::Hybrid), "hybrid", "Both"),
        (Self::Mode(Mode::Meaning), "meaning", "Meaning"),
        (Self::Mode(Mode::Words), "words", "Words"),
        (Self::Compare, "compare", "Side by side"),
    ];

    pub(super) fn modes(self) -> &'static [Mode] {
        match self {
            Self::Mode(Mode::Hybrid) => &[Mode::Hybrid],
            Self::Mode(Mode::Meaning) => &[Mode::Meaning],
            Self::Mode(Mode::Words) => &[Mode::Words],
            Self::Compare => &[Mode::Words, Mode::Meaning, Mode::Hybrid],
        }
    }
}

/// What a page shows.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Address {
    pub(super) query: String,
    /// The product that hits are like, instead of a query.
    pub(super) like: String,
    pub(super) view: View,
    /// A filter column, with a - before it for the largest first; empty for the best first.
    pub(super) sort: String,
    pub(super) offset: usize,
    /// Columns and their chosen values.
    pub(super) chosen: Vec<(String, String)>,
}

impl Address {
    /// Reads the part of an address behind its question mark. What it does not know, it passes over.
    pub(super) fn parse(text: &str) -> Self {
        let mut address = Self {
            view: View::Mode(Mode::Hybrid),
            ..Self::default()
        };
        for (name, value) in form_urlencoded::parse(text.as_bytes()) {
            let value = value.into_owned();
            match &*name {
                "q" => address.query = value,
                "like" => address.like = value,
                "sort" => address.sort = value,
                "offset" => address.offset = value.parse().unwrap_or(0),
                "mode" => {
                    let known = View::ALL.iter().find(|(_, name, _)| *name == value);
                    address.view = known.map_or(address.view, |(view, _, _)| *view);
                }
                name => {
                    if let Some(column) = name.strip_prefix(CHOSEN) {
                        let chosen = (column.to_owned(), value);
                        if !address.chosen.contains(&chosen) {
                            address.chosen.push(chosen);
                        }
                    }
                }
            }
        }
        // Somebody typed a query over products that are alike.
        if !address.query.trim().is_empty() {
            address.like.clear();
        }
        address
    }

    /// The link to it.
    pub(super) fn link(&self) -> String {
        let mut text = Serializer::for_suffix(String::from("/?"), 2);
        let view = View::ALL.iter().find(|(view, _, _)| *view == self.view);
        for (name, value) in [
            ("q", &self.query),
            ("like", &self.like),
            ("sort", &self.sort),
        ] {
            if !value.is_empty() {
                text.append_pair(name, value);
            }
        }
        if let Some((_, name, _)) = view.filter(|(view, _, _)| *view != View::Mode(Mode::Hybrid)) {
            text.append_pair("mode", name);
        }
        for (column, value) in &self.chosen {
            text.append_pair(&format!("{CHOSEN}{column}"), value);
        }
        if self.offset > 0 {
            text.append_pair("offset", &self.offset.to_string());
        }
        text.finish()
    }

    /// The same with a value chosen, or no longer chosen; from the first hit on.
    pub(super) fn with_toggled(&self, column: &str, value: &str) -> Self {
        let mut other = Self {
            offset: 0,
            ..self.clone()
        };
        let toggled = (column.to_owned(), value.to_owned());
        match other.chosen.iter().position(|chosen| *chosen == toggled) {
            Some(place) => {
                other.chosen.remove(place);
            }
            None => other.chosen.push(toggled),
        }
        other
    }

    /// The filter of the chosen values: one of those of each column. Unknown columns and values that are none are
    /// passed over, since addresses outlive catalogues.
    pub(super) fn filter(&self, columns: &[FilterColumn]) -> Option<Filter> {
        let mut parts = Vec::new();
        for column in columns {
            let values = self.chosen.iter().filter(|(name, _)| *name == column.name);
            let values =
                values.filter_map(|(_, value)| Value::parse(column.kind, value).ok().flatten());
            let values: Vec<Value> = values.map(|parsed| parsed.value).collect();
            let column = column.name.clone();
            parts.extend(match <[Value; 1]>::try_from(values) {
                Ok([value]) => Some(Filter::Compare {
                    column,
                    comparison: Comparison::Equal,
                    value,
                }),
                Err(values) if values.is_empty() => None,
                Err(values) => Some(Filter::In { column, values }),
            });
        }
        match parts.len() {
            0 | 1 => parts.pop(),
            _ => Some(Filter::And(parts)),
        }
    }

    /// The order, if the catalogue has the column.
    pub(super) fn sort(&self, columns: &[FilterColumn]) -> Option<search::Sort> {
        let column = self.sort.strip_prefix('-').unwrap_or(&self.sort);
        columns
            .iter()
            .any(|known| known.name == column)
            .then(|| search::Sort {
                column: column.to_owned(),
                descending: self.sort.starts_with('-'),
            })
    }

    /// What every list of the page asks.
    pub(super) fn question(
        &self,
        columns: &[FilterColumn],
        facets: &[String],
        hits: usize,
    ) -> Query {
        Query {
            k: hits,
            offset: self.offset,
            filter: self.filter(columns),
            facets: facets.to_vec(),
            sort: self.sort(columns),
            typos: true,
            ..Query::default()
        }
    }
}

#[cfg(test)]
mod tests {
    use search::filter::ColumnKind;

    use super::*;

    fn column(name: &str, kind: ColumnKind) -> FilterColumn {
        FilterColumn {
            name: name.to_owned(),
            kind,
        }
    }

    #[test]
    fn a_link_leads_to_the_same_page() {
        let address = Address {
            query: "tea & \"coffee\" <b> ä+".to_owned(),
            like: String::new(),
            view: View::Compare,
            sort: "-price".to_owned(),
            offset: 20,
            chosen: vec![
                ("brand".to_owned(), "A&B".to_owned()),
                ("brand".to_owned(), "C=D".to_owned()),
                ("a b".to_owned(), "1".to_owned()),
            ],
        };
        let link = address.link();
        assert_eq!(
            Address::parse(link.strip_prefix("/?").unwrap()),
            address,
            "{link}"
        );
        assert_eq!(Address::parse("").link(), "/?");
        assert_eq!(Address::parse("mode=magic&offset=x&unknown=1").link(), "/?");
    }

    #[test]
    fn chosen_values_become_a_filter() {
        let columns = [
            column("brand", ColumnKind::Text),
            column("price", ColumnKind::Number),
        ];
        let filter = |text: &str| {
            Address::parse(text)
                .filter(&columns)
                .map(|filter| filter.to_string())
        };
        assert_eq!(filter("q=a"), None);
        assert_eq!(filter("in.brand=Acme").as_deref(), Some("brand = Acme"));
        assert_eq!(
            filter("in.brand=Acme&in.brand=Bolt").as_deref(),
            Some("brand IN (Acme, Bolt)")
        );
        assert_eq!(
            filter("in.price=5&in.brand=Acme").as_deref(),
            Some("brand = Acme AND price = 5")
        );
        assert_eq!(filter("in.colour=red&in.price=cheap"), None);
    }

    #[test]
    fn a_second_click_takes_a_value_back() {
        let address = Address::parse("q=a&offset=20");
        let chosen = address.with_toggled("brand", "Acme");
        assert_eq!(chosen.link(), "/?q=a&in.brand=Acme");
        assert_eq!(chosen.with_toggled("brand", "Acme").link(), "/?q=a");
    }

    #[test]
    fn only_known_columns_order() {
        let columns = [column("price", ColumnKind::Number)];
        let sort = |text: &str| {
            Address::parse(text)
                .sort(&columns)
                .map(|sort| (sort.column, sort.descending))
        };
        assert_eq!(sort("sort=-price"), Some(("price".to_owned(), true)));
        assert_eq!(sort("sort=price"), Some(("price".to_owned(), false)));
        assert_eq!(sort("sort=colour"), None);
        assert_eq!(sort(""), None);
    }
}
