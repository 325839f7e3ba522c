//! Filters: conditions on the columns of a row, as `brand = Logitech AND price < 50`.

mod condition;
mod value;

pub use condition::{Comparison, Filter};
pub use value::{ColumnKind, FilterColumn, Value};
