//! The manifest: which files are the index. It is replaced as a whole, and that is a commit.

use std::io;
use std::path::Path;

use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use crate::filter::{ColumnKind, FilterColumn};
use crate::index::error::IndexError;
use crate::index::files::{FileEntry, replace};
use crate::index::settings::{ModelFingerprint, Settings, TextColumn};
use crate::query::Fusion;
use crate::vectors::Similarity;
use crate::words::Language;

/// The name of the manifest in the folder of the index.
pub(super) const MANIFEST: &str = "MANIFEST.json";

/// The name of the manifest of a rebuild, until it takes the place of the other.
pub(super) const REBUILD: &str = "REBUILD.json";

/// The version of all files of an index. A change that an older program would misread raises it.
pub(super) const FORMAT: u32 = 1;

/// What the index consists of.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Manifest {
    /// Counts commits, from 0 for a new index.
    pub(super) number: u64,
    /// The number of the next segment. No number is used twice.
    pub(super) next_segment: u64,
    pub(super) settings: Settings,
    /// In the order in which their rows were added.
    pub(super) segments: Vec<SegmentEntry>,
}

/// A segment: a folder of files that never change.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct SegmentEntry {
    /// The name of its folder.
    pub(super) name: String,
    /// Its rows, with the deleted ones.
    pub(super) rows: u32,
    /// Its deleted rows; of none, no row is deleted.
    pub(super) deleted: Option<FileEntry>,
    /// Its other files.
    pub(super) files: Vec<FileEntry>,
}

impl SegmentEntry {
    /// The entry of a file.
    pub(super) fn file(&self, folder: &Path, name: &str) -> Result<&FileEntry, IndexError> {
        self.files
            .iter()
            .find(|file| file.name == name)
            .ok_or_else(|| IndexError::damaged(&folder.join(name), "the manifest lacks it"))
    }
}

/// The manifest and the checksum of its bytes.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Envelope {
    crc32: u32,
    manifest: Box<RawValue>,
}

/// Read before anything else of a manifest.
#[derive(Deserialize)]
struct Version {
    format: u32,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Body {
    format: u32,
    number: u64,
    next_segment: u64,
    settings: SettingsBody,
    segments: Vec<SegmentEntry>,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct SettingsBody {
    model: ModelFingerprint,
    width: usize,
    similarity: String,
    id_column: String,
    text_columns: Vec<TextColumnBody>,
    filter_columns: Vec<FilterColumnBody>,
    /// Absent in an index without such columns, which earlier versions of this program read.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    attribute_columns: Vec<String>,
    language: String,
    fusion: FusionBody,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct TextColumnBody {
    name: String,
    weight: f32,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct FilterColumnBody {
    name: String,
    kind: String,
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum FusionBody {
    WeightedSum { weight: f32 },
    ReciprocalRank,
}

impl Manifest {
    /// Reads the manifest of the index in `folder`.
    pub(super) fn read(folder: &Path) -> Result<Self, IndexError> {
        Self::read_named(folder, MANIFEST)
    }

    /// Reads a manifest of this name; none where there is none, or one that is of no use.
    pub(super) fn read_usable(folder: &Path, name: &str) -> Result<Option<Self>, IndexError> {
        match Self::read_named(folder, name) {
            Ok(manifest) => Ok(Some(manifest)),
            // A file that cannot be read just now may well be of use.
            Err(error @ IndexError::Io { .. }) => Err(error),
            Err(_) => Ok(None),
        }
    }

    /// Reads a manifest of this name.
    pub(super) fn read_named(folder: &Path, name: &str) -> Result<Self, IndexError> {
        let path = folder.join(name);
        let bytes = match std::fs::read(&path) {
            Err(error) if is_absent(&error) => {
                return Err(IndexError::NoIndex {
                    folder: folder.to_owned(),
                });
            }
            bytes => bytes.map_err(IndexError::io("read", &path))?,
        };
        Self::parse(&path, &bytes)
    }

    fn parse(path: &Path, bytes: &[u8]) -> Result<Self, IndexError> {
        let damaged = |source| IndexError::Manifest {
            path: path.to_owned(),
            source,
        };
        let envelope: Envelope = serde_json::from_slice(bytes).map_err(damaged)?;
        let text = envelope.manifest.get();
        if crc32fast::hash(text.as_bytes()) != envelope.crc32 {
            return Err(IndexError::damaged(path, "its checksum differs"));
        }
        let version: Version = serde_json::from_str(text).map_err(damaged)?;
        if version.format != FORMAT {
            return Err(IndexError::Format {
                path: path.to_owned(),
                expected: FORMAT,
                found: version.format,
            });
        }
        let body: Body = serde_json::from_str(text).map_err(damaged)?;
        let settings = body
            .settings
            .settings()
            .ok_or_else(|| IndexError::damaged(path, "a setting has an unknown name"))?;
        settings.check()?;
        Ok(Self {
            number: body.number,
            next_segment: body.next_segment,
            settings,
            segments: body.segments,
        })
    }

    /// Replaces the manifest of this name in `folder`. With that the index is the new one.
    pub(super) fn write(&self, folder: &Path, name: &str) -> Result<(), IndexError> {
        let path = folder.join(name);
        let not_written = |source: serde_json::Error| IndexError::Io {
            action: "write",
            path: path.clone(),
            source: source.into(),
        };
        let body = Body {
            format: FORMAT,
            number: self.number,
            next_segment: self.next_segment,
            settings: SettingsBody::of(&self.settings),
            segments: self.segments.clone(),
        };
        let text = serde_json::to_string_pretty(&body).map_err(not_written)?;
        let envelope = Envelope {
            crc32: crc32fast::hash(text.as_bytes()),
            manifest: RawValue::from_string(text).map_err(not_written)?,
        };
        let bytes = serde_json::to_vec(&envelope).map_err(not_written)?;
        replace(folder, name, &bytes)
    }
}

/// Whether an error says that there is no such file.
pub(super) fn is_absent(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::NotFound | io::ErrorKind::NotADirectory
    )
}

impl SettingsBody {
    fn of(settings: &Settings) -> Self {
        Self {
            model: settings.model.clone(),
            width: settings.width,
            similarity: settings.similarity.name().to_owned(),
            id_column: settings.id_column.clone(),
            text_columns: settings
                .text_columns
                .iter()
                .map(|column| TextColumnBody {
                    name: column.name.clone(),
                    weight: column.weight,
                })
                .collect(),
            filter_columns: settings
                .filter_columns
                .iter()
                .map(|column| FilterColumnBody {
                    name: column.name.clone(),
                    kind: column.kind.name().to_owned(),
                })
                .collect(),
            attribute_columns: settings.attribute_columns.clone(),
            language: settings.language.name().to_owned(),
            fusion: match settings.fusion {
                Fusion::WeightedSum { weight } => FusionBody::WeightedSum { weight },
                Fusion::ReciprocalRank => FusionBody::ReciprocalRank,
            },
        }
    }

    /// The settings, where every name is known.
    fn settings(self) -> Option<Settings> {
        Some(Settings {
            model: self.model,
            width: self.width,
            similarity: Similarity::from_name(&self.similarity)?,
            id_column: self.id_column,
            text_columns: self
                .text_columns
                .into_iter()
                .map(|column| TextColumn {
                    name: column.name,
                    weight: column.weight,
                })
                .collect(),
            filter_columns: self
                .filter_columns
                .into_iter()
                .map(|column| {
                    Some(FilterColumn {
                        kind: ColumnKind::from_name(&column.kind)?,
                        name: column.name,
                    })
                })
                .collect::<Option<_>>()?,
            attribute_columns: self.attribute_columns,
            language: Language::from_name(&self.language)?,
            fusion: match self.fusion {
                FusionBody::WeightedSum { weight } => Fusion::WeightedSum { weight },
                FusionBody::ReciprocalRank => Fusion::ReciprocalRank,
            },
        })
    }
}
