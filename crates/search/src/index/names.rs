//! Names of files and folders.

/// Normalized vectors: float32, row-major.
pub(super) const VECTORS: &str = "vectors.f32";

/// Codes of the vectors.
pub(super) const CODES: &str = "codes.bin";

/// How many candidates a search by 1-bit codes needs; of many rows alone.
pub(super) const RECALL: &str = "recall.json";

/// Texts of all text columns: those of the first row, those of the second …
pub(super) const TEXTS: &str = "texts.bin";

/// Ids of the rows.
pub(super) const IDS: &str = "ids.bin";

/// Rows by their ids.
pub(super) const ID_KEYS: &str = "ids.keys";

/// The folder of the words.
pub(super) const WORDS: &str = "words";

/// The lock of the one writer.
pub(super) const LOCK: &str = "LOCK";

/// The lock of the one merge beside writers.
pub(super) const MERGE_LOCK: &str = "MERGE.LOCK";

/// The folder of a segment that such a merge writes.
pub(super) const MERGE: &str = "merge";

/// The start of every segment's name.
const SEGMENT: &str = "segment-";

/// The start of the name of every file of deleted rows.
const DELETED: &str = "deleted-";

/// The start of the name of every file of a filter column.
const COLUMN: &str = "column-";

/// The folder of a segment.
pub(super) fn segment(number: u64) -> String {
    format!("{SEGMENT}{number:08}")
}

/// The number in the name of a segment's folder.
pub(super) fn segment_number(name: &str) -> Option<u64> {
    name.strip_prefix(SEGMENT)?.parse().ok()
}

/// The file of a filter column.
pub(super) fn column(number: usize) -> String {
    format!("{COLUMN}{number}.bin")
}

/// Whether a file holds texts or values, by whose size the memory of writing grows.
pub(super) fn holds_texts(name: &str) -> bool {
    name == TEXTS || name.starts_with(COLUMN)
}

/// The deleted rows of a segment since a commit.
pub(super) fn deleted(commit: u64) -> String {
    format!("{DELETED}{commit:08}")
}

/// Whether a file belongs to the words.
pub(super) fn is_of_words(name: &str) -> bool {
    name.strip_prefix(WORDS)
        .is_some_and(|rest| rest.starts_with('/'))
}

/// Whether a file of a segment has a name of [`deleted`].
pub(super) fn is_deleted(name: &str) -> bool {
    name.starts_with(DELETED)
}
