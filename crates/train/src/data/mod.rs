//! Training rows: read from files, held in memory, split, and grouped into batches.
//!
//! | subject | module |
//! | --- | --- |
//! | kinds of rows, roles of the columns | `kind`, `role`, `columns`, and `inference` if they are not given |
//! | all rows in memory | `table` |
//! | reading files into a table | `read`, and `texts` for texts without pairs |
//! | checks of a row | `checks` |
//! | training and validation rows | `split` |
//! | batches of rows | `sampler` |
//! | vectors of a guide | `distinct_texts`, `vectors`, and `axes` of narrower ones |
//! | texts of other rows of a batch that are wrong for a row | `negatives` |
//! | identity of the rows of a run | `fingerprint` |
//! | the same order on every machine | `random`, `hash` |
//!
//! ```
//! use std::num::NonZeroUsize;
//! use train::data::{Example, RowKind, Sampler, SamplerKind, SamplerOptions, TextTable, split};
//!
//! let pair = |anchor: &str, positive: &str| Example {
//!     texts: vec![anchor.to_owned(), positive.to_owned()],
//!     target: None,
//! };
//! let table = TextTable::from_rows(
//!     RowKind::Pairs,
//!     [
//!         pair("kettle", "boils water"),
//!         pair("lamp", "gives light"),
//!         pair("chair", "to sit on"),
//!         pair("Kettle", "1.7 litres, steel"),
//!     ],
//! )?;
//! // Rows with the same anchor are on the same side.
//! let parts = split(&table, 0.25, 1)?;
//! assert_eq!((parts.train.len(), parts.validation.len()), (3, 1));
//!
//! let options = SamplerOptions {
//!     kind: SamplerKind::NoDuplicates,
//!     batch_size: NonZeroUsize::MIN.saturating_add(1),
//!     drop_last: false,
//! };
//! let sampler = Sampler::new(&table, parts.train, options)?;
//! for batch in sampler.batches(1, 0) {
//!     for row in batch {
//!         println!("{} -> {}", table.text(row, 0), table.text(row, 1));
//!     }
//! }
//! # Ok::<(), train::data::DataError>(())
//! ```

mod axes;
mod checks;
mod column_error;
mod columns;
mod distinct_texts;
mod error;
mod fingerprint;
mod hash;
mod inference;
mod kind;
mod negatives;
mod random;
mod read;
mod role;
mod sampler;
mod split;
mod table;
mod texts;
mod vectors;

pub(crate) use axes::Axes;
pub use column_error::ColumnMapError;
pub use columns::ColumnMap;
pub use error::{Cell, DataError, ExampleProblem};
pub use fingerprint::Fingerprint;
pub(crate) use hash::{hash_normalised as normalised_hash, hash_text};
pub use kind::RowKind;
pub(crate) use negatives::in_batch_negatives;
pub use read::ReadOptions;
pub use role::Role;
pub use sampler::{EpochRows, Sampler, SamplerKind, SamplerOptions};
pub use split::{Split, split};
pub use table::{Example, Row, TextTable};
pub(crate) use vectors::TextVectors;
