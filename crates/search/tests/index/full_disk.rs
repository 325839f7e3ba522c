//! Writes that fail or are cut short: the index stays as the last commit left it.

#![cfg(unix)]

use std::path::Path;
use std::process::Command;

use search::index::{IndexError, IndexReader, IndexWriter};

use crate::operations::{self, Expected};

/// The folder of the index on which a child process works.
const FOLDER: &str = "INDEX_FULL_DISK_FOLDER";

/// In a child process whose files may not grow beyond a limit, as on a full disk: commits until that fails.
#[test]
fn child() {
    let Some(folder) = std::env::var_os(FOLDER) else {
        return;
    };
    let folder = Path::new(&folder);
    let mut writer = match operations::writer(folder) {
        Ok(writer) => writer,
        Err(error) => return assert_full(&error),
    };
    let mut number = IndexReader::open(folder).map_or(0, |reader| reader.info().number);
    let error = loop {
        match operations::commit(&mut writer, number + 1) {
            Ok(committed) => number = committed,
            Err(error) => break error,
        }
    };
    assert_full(&error);
    // Half of the commit is in files: the writer must not commit it.
    assert!(matches!(
        writer.commit(),
        Err(IndexError::WriterFailed { .. })
    ));
    drop(writer);
    assert_eq!(IndexReader::open(folder).unwrap().info().number, number);
    IndexWriter::open(folder).unwrap();
}

fn assert_full(error: &IndexError) {
    let said = error.to_string();
    println!("{said}");
    assert!(
        matches!(error, IndexError::Io { .. } | IndexError::Words(_))
            && said.contains("File too large"),
        "{error:?}"
    );
}

#[test]
fn a_full_disk_leaves_the_last_commit() {
    let mut failed_at = Vec::new();
    // Blocks of 512 bytes: the manifest, vectors and the files of words outgrow different limits.
    for blocks in [0, 1, 2, 3, 4, 6, 8, 10, 12] {
        let folder = crate::common::folder();
        let folder = folder.path();
        let output = Command::new("sh")
            .args([
                "-c",
                &format!("trap '' XFSZ; ulimit -f {blocks}; exec \"$0\" \"$@\""),
            ])
            .arg(std::env::current_exe().unwrap())
            .args(["--exact", "full_disk::child", "--nocapture"])
            .env(FOLDER, folder)
            // Through a pipe: a file would be limited too.
            .output()
            .unwrap();
        let said = String::from_utf8_lossy(&output.stdout);
        assert!(output.status.success(), "{blocks} blocks: {said}");
        if !folder.join("MANIFEST.json").exists() {
            continue;
        }
        let number = IndexReader::open(folder).unwrap().info().number;
        failed_at.push(number);
        let mut expected = Expected::default();
        expected.advance(number);
        expected.check(folder);
        // With room again, it goes on.
        let mut writer = operations::writer(folder).unwrap();
        operations::commit(&mut writer, number + 1).unwrap();
        expected.advance(number + 1);
        expected.check(folder);
    }
    failed_at.dedup();
    assert!(failed_at.len() > 1, "{failed_at:?}");
}
