//! Training rows: read from files, held in memory, split, and grouped into batches.
//!
//! | subject | module |
//! | --- | --- |
//! | kinds of rows, roles of the columns | `kind`, `role`, `columns`, and `inference` if they are not given |
//! | all rows in memory | `table` |
//! | reading files into a table | `read`, and `texts` for texts without pairs |
//! | training and validation rows | `split` |
//! | batches of rows | `sampler` |
//! | vectors of a guide | `distinct_texts`, `vectors`, and `axes` of narrower ones |
//! | texts with spans, for a tagger | `tagged` |
//! | texts of other rows of a batch that are wrong for a row | `negatives` |
//! | identity of the rows of a run | `fingerprint` |
//! | the same order on every machine | `random`, `hash` |

mod axes;
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
mod tagged;
mod texts;
mod vectors;

pub(crate) use axes::Axes;
pub use columns::ColumnMap;
pub use error::DataError;
pub(crate) use fingerprint::Fingerprint;
pub(crate) use hash::{hash_normalised as normalised_hash, hash_text};
pub use kind::RowKind;
pub(crate) use negatives::in_batch_negatives;
pub use read::ReadOptions;
pub(crate) use role::Role;
pub(crate) use sampler::{EpochRows, Sampler, SamplerKind, SamplerOptions};
pub(crate) use split::split;
pub(crate) use table::Row;
pub use table::{Example, TextTable};
pub use tagged::TaggedFault;
pub(crate) use tagged::{
    Known, LabelColumn, LabelledSpan, TaggedOptions, schema, targets, value, write,
};
pub(crate) use vectors::TextVectors;
