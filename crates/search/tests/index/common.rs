//! Small indexes.

use search::filter::{ColumnKind, FilterColumn, Value};
use search::index::{Document, ModelFingerprint, Settings, TextColumn};
use search::words::Language;
use search::{Fusion, Similarity};

/// Vectors of three values, a text, a brand, a price and a part number.
pub(crate) fn settings() -> Settings {
    let column = |name: &str, kind| FilterColumn {
        name: name.to_owned(),
        kind,
    };
    Settings {
        model: ModelFingerprint {
            name: "three-numbers".to_owned(),
            identity: "1f".to_owned(),
            precision: "float32".to_owned(),
            ..ModelFingerprint::default()
        },
        width: 3,
        similarity: Similarity::Cosine,
        id_column: "id".to_owned(),
        text_columns: vec![TextColumn {
            name: "title".to_owned(),
            weight: 1.0,
        }],
        filter_columns: vec![
            column("brand", ColumnKind::Text),
            column("price", ColumnKind::Number),
            column("part", ColumnKind::Key),
        ],
        attribute_columns: Vec::new(),
        language: Language::English,
        fusion: Fusion::WeightedSum { weight: 0.3 },
    }
}

/// A document of [`settings`].
pub(crate) fn document(id: &str, title: &str, brand: Option<&str>, price: Option<f64>) -> Document {
    let text = |text: &str| Value::Text(text.to_owned());
    Document {
        id: id.to_owned(),
        texts: vec![title.to_owned()],
        values: vec![
            brand.map(text),
            price.map(Value::Number),
            Some(text(&format!("P-{id}"))),
        ],
    }
}

/// A new folder, in memory where the system has such folders: most tests are not about the disk, whose
/// syncs take most of their time.
pub(crate) fn folder() -> tempfile::TempDir {
    let memory = std::path::Path::new("/dev/shm");
    match memory.is_dir() {
        true => tempfile::tempdir_in(memory).unwrap(),
        false => tempfile::tempdir().unwrap(),
    }
}
