//! Snapshots: texts of a program that are held in files. Tests of several packages include this file.

use std::path::Path;

/// Compares a text with a file, given from the folder of this package. With `UPDATE_SNAPSHOTS=1` in
/// the environment, writes the file instead.
#[track_caller]
pub(crate) fn assert_snapshot(path: &str, text: &str) {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(path);
    if std::env::var_os("UPDATE_SNAPSHOTS").is_some_and(|value| value == "1") {
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(&path, text).unwrap();
    }
    // Git on Windows may check files out with other line breaks.
    let expected = std::fs::read_to_string(&path).unwrap_or_default();
    let expected = expected.replace("\r\n", "\n");
    let difference = text.lines().zip(expected.lines()).find(|(a, b)| a != b);
    assert!(
        text == expected,
        "{} is not current; run this test with UPDATE_SNAPSHOTS=1 and look at the difference, which begins at:\n{}",
        path.display(),
        difference.map_or_else(
            || format!(
                "{} lines instead of {}",
                text.lines().count(),
                expected.lines().count()
            ),
            |(is, was)| format!("  was: {was}\n  is:  {is}"),
        )
    );
}
