//! An index that stays: a folder of immutable segments and a manifest that says which they are.
//!
//! ```
//! use search::index::{Document, IndexReader, IndexWriter, ModelFingerprint, Settings};
//! use search::{Mode, Query};
//!
//! let folder = tempfile::tempdir()?;
//! let settings = Settings {
//!     model: ModelFingerprint { name: "two-numbers".to_owned(), ..Default::default() },
//!     width: 2,
//!     ..Default::default()
//! };
//! let mut writer = IndexWriter::create(folder.path(), settings)?;
//! for (id, vector) in [("east", [1.0, 0.0]), ("north", [0.0, 1.0])] {
//!     let document = Document { id: id.to_owned(), ..Default::default() };
//!     writer.add(&document, Some(&vector))?;
//! }
//! writer.commit()?;
//!
//! let reader = IndexReader::open(folder.path())?;
//! let query = Query { vector: vec![0.5, 2.0], mode: Mode::Meaning, k: 1, ..Default::default() };
//! assert_eq!(reader.answer(&query)?.hits[0].id, "north");
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

mod answer;
mod background_merge;
mod boosts;
mod commit;
mod document;
mod error;
mod files;
mod folder;
mod keys;
mod manifest;
mod merge;
mod names;
mod place;
mod pool;
mod question;
mod reader;
mod rebuild;
mod recall;
mod segment;
mod segment_writer;
mod settings;
mod stored;
mod strings;
mod verify;
mod writer;
mod written;

pub use background_merge::{Merge, MergedSegment};
pub use document::{Change, Document, joined};
pub use error::IndexError;
pub use reader::{IndexReader, Info};
pub use settings::{ModelFingerprint, Settings, TextColumn};
pub use verify::{Report, verify};
pub use writer::{Committed, IndexWriter};
