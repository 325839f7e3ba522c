//! The attributes of a query, and what they raise.

use std::collections::HashMap;

use search::Boost;
use search::filter::Value;

use crate::error::Error;

/// Where the attributes of a query come from.
pub(crate) enum QueryAttributes {
    /// The values of the boosted columns that the query has verbatim, which needs no model.
    KnownValues,
    /// What a model read: labels with values, by query.
    Model(HashMap<String, Vec<(String, String)>>),
}

impl QueryAttributes {
    /// The boosts of a query. `weights` are those of columns, and `known_values` finds their values in a text.
    ///
    /// # Errors
    ///
    /// Those of `known_values`.
    pub(crate) fn boosts(
        &self,
        query: &str,
        weights: &[(String, f32)],
        known_values: impl Fn(&str, &[String]) -> Result<Vec<(String, Value)>, Error>,
    ) -> Result<Vec<Boost>, Error> {
        if weights.is_empty() {
            return Ok(Vec::new());
        }
        let named = match self {
            Self::KnownValues => {
                let columns: Vec<String> = weights.iter().map(|(name, _)| name.clone()).collect();
                known_values(query, &columns)?
            }
            Self::Model(of_queries) => {
                let read = of_queries.get(query).into_iter().flatten();
                read.map(|(label, value)| (label.clone(), Value::Text(value.clone())))
                    .collect()
            }
        };
        Ok(Boost::of_named(named, weights))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn labels_of_a_model_find_their_columns() {
        let pair = |label: &str| (label.to_owned(), "Sony".to_owned());
        let read = vec![pair("BRAND"), pair("size")];
        let model = QueryAttributes::Model(HashMap::from([("Sony".to_owned(), read)]));
        let weights = [("Brand".to_owned(), 0.5)];
        let boosts = model
            .boosts("Sony", &weights, |_, _| Ok(Vec::new()))
            .unwrap();
        let expected = Boost {
            column: "BRAND".to_owned(),
            value: Value::Text("Sony".to_owned()),
            weight: 0.5,
        };
        assert_eq!(boosts, [expected]);
        assert_eq!(
            model.boosts("Sony", &[], |_, _| Ok(Vec::new())).unwrap(),
            []
        );
    }
}
