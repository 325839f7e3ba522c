//! Filters: conditions on the columns of a row, as `brand = Logitech AND price < 50`.

mod column;
mod condition;
mod date;
mod dictionary;
mod display;
mod error;
mod facets;
mod named_values;
mod parse_value;
mod parser;
mod rows;
mod token;
mod value;

pub use column::{Column, ColumnBuilder};
pub use condition::{Comparison, Filter};
pub use error::{ColumnError, FilterError, ValueError};
pub use facets::{FacetCounter, SortKey};
pub use named_values::{is_inside_word, named_values};
pub use parse_value::{NumberChanges, ParsedValue};
pub use value::{ColumnKind, FilterColumn, Value, fold_case};
