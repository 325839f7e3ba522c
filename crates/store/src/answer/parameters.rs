//! Filters as SQL: every value is a parameter, and no text of a question becomes part of a statement.

use search::filter::{Comparison, Filter, FilterColumn, Value, fold_case};
use tokio_postgres::types::ToSql;

use crate::error::StoreError;
use crate::rows::without_nul;
use crate::schema::compared;
use search::index::Settings;

/// The parameters of a statement.
#[derive(Default)]
pub(crate) struct Parameters {
    values: Vec<Box<dyn ToSql + Sync>>,
}

impl Parameters {
    /// Adds one, and gives the text that stands for it.
    pub(crate) fn add(&mut self, value: impl ToSql + Sync + 'static) -> String {
        self.values.push(Box::new(value));
        format!("${}", self.values.len())
    }

    pub(crate) fn values(&self) -> Vec<&(dyn ToSql + Sync)> {
        self.values.iter().map(|value| &**value as _).collect()
    }

    /// Adds a value in the form in which values are compared.
    fn add_value(&mut self, value: &Value) -> String {
        match value {
            Value::Text(text) => self.add(without_nul(&fold_case(text))),
            Value::Number(number) => self.add(*number),
            Value::Boolean(flag) => self.add(*flag),
            Value::Date(seconds) => self.add(*seconds),
        }
    }
}

/// The number of a filter column, whose name may be in another case.
pub(crate) fn column_number(settings: &Settings, name: &str) -> Result<usize, StoreError> {
    let columns = &settings.filter_columns;
    FilterColumn::position(columns, name).ok_or_else(|| {
        let names: Vec<String> = columns
            .iter()
            .map(|column| format!("`{}`", column.name))
            .collect();
        StoreError::Query {
            reason: if names.is_empty() {
                format!("there is no column `{name}`: the store has no filter columns")
            } else {
                format!(
                    "there is no filter column `{name}`: the store has {}",
                    names.join(", ")
                )
            },
        }
    })
}

/// A filter as a condition, which is true for the rows that fulfil it, and false or null for others.
pub(crate) fn condition(
    settings: &Settings,
    filter: &Filter,
    parameters: &mut Parameters,
) -> Result<String, StoreError> {
    // The column by which values are compared, of a kind that the value has.
    let column = |name: &str, values: &[&Value]| {
        let number = column_number(settings, name)?;
        let kind = settings.filter_columns[number].kind;
        if values.iter().all(|value| value.fits(kind)) {
            return Ok(compared(number, kind));
        }
        Err(StoreError::Query {
            reason: format!(
                "column `{name}` is of kind {} and is compared with another kind",
                kind.name()
            ),
        })
    };
    Ok(match filter {
        Filter::Compare {
            column: name,
            comparison,
            value,
        } => {
            let sign = match comparison {
                Comparison::Equal => "=",
                Comparison::NotEqual => "<>",
                Comparison::Less => "<",
                Comparison::LessOrEqual => "<=",
                Comparison::Greater => ">",
                Comparison::GreaterOrEqual => ">=",
            };
            format!(
                "{} {sign} {}",
                column(name, &[value])?,
                parameters.add_value(value)
            )
        }
        Filter::In {
            column: name,
            values,
        } => {
            let column = column(name, &values.iter().collect::<Vec<_>>())?;
            let values: Vec<String> = values
                .iter()
                .map(|value| parameters.add_value(value))
                .collect();
            if values.is_empty() {
                "false".to_owned()
            } else {
                format!("{column} IN ({})", values.join(", "))
            }
        }
        Filter::IsMissing { column: name } => format!("{} IS NULL", column(name, &[])?),
        Filter::And(filters) => joined(settings, filters, "AND", "true", parameters)?,
        Filter::Or(filters) => joined(settings, filters, "OR", "false", parameters)?,
        // Null, of a missing value, becomes true as false does.
        Filter::Not(filter) => {
            format!("({}) IS NOT TRUE", condition(settings, filter, parameters)?)
        }
    })
}

fn joined(
    settings: &Settings,
    filters: &[Filter],
    word: &str,
    of_none: &str,
    parameters: &mut Parameters,
) -> Result<String, StoreError> {
    if filters.is_empty() {
        return Ok(of_none.to_owned());
    }
    let conditions = filters
        .iter()
        .map(|filter| Ok(format!("({})", condition(settings, filter, parameters)?)))
        .collect::<Result<Vec<_>, StoreError>>()?;
    Ok(conditions.join(&format!(" {word} ")))
}

#[cfg(test)]
mod tests {
    use search::filter::ColumnKind;

    use super::*;

    fn settings() -> Settings {
        let column = |name: &str, kind| FilterColumn {
            name: name.to_owned(),
            kind,
        };
        Settings {
            width: 2,
            filter_columns: vec![
                column("brand", ColumnKind::Text),
                column("price", ColumnKind::Number),
            ],
            ..Settings::default()
        }
    }

    fn compare(column: &str, comparison: Comparison, value: Value) -> Filter {
        Filter::Compare {
            column: column.to_owned(),
            comparison,
            value,
        }
    }

    #[test]
    fn values_are_parameters() {
        let brand = compare(
            "brand",
            Comparison::Equal,
            Value::Text("'; DROP TABLE x".to_owned()),
        );
        let price = compare("price", Comparison::Less, Value::Number(50.0));
        let filter = Filter::And(vec![brand, Filter::Not(Box::new(price))]);
        let mut parameters = Parameters::default();
        let sql =
            condition(&settings(), &filter, &mut parameters).map_err(|error| error.to_string());
        assert_eq!(sql.as_deref(), Ok("(k0 = $1) AND ((f1 < $2) IS NOT TRUE)"));
        assert_eq!(parameters.values().len(), 2);
    }

    #[test]
    fn unknown_columns_and_other_kinds_are_named() {
        let error = |filter: &Filter| {
            condition(&settings(), filter, &mut Parameters::default())
                .map_err(|error| error.to_string())
                .err()
        };
        assert_eq!(
            error(&compare("colour", Comparison::Equal, Value::Boolean(true))).as_deref(),
            Some("there is no filter column `colour`: the store has `brand`, `price`")
        );
        assert_eq!(
            error(&compare("price", Comparison::Equal, Value::Boolean(true))).as_deref(),
            Some("column `price` is of kind number and is compared with another kind")
        );
    }
}
