//! A writer is killed at any moment: what it has acknowledged is there, whole, and nothing half.

use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use search::index::IndexReader;

use crate::operations::{self, Expected};

/// The folder of the index on which a child process works.
const FOLDER: &str = "INDEX_CRASH_FOLDER";

/// How often the writer is killed; `.ci/nightly` kills it more often.
const KILLS: &str = "INDEX_CRASH_KILLS";

/// The longest that a child works: a few commits. On a slow disk it is less than one, and then it is doubled
/// until there is one.
const LONGEST: Duration = Duration::from_millis(800);

/// In a child process: commits until it is killed, and says so after every commit.
#[test]
fn child() {
    let Some(folder) = std::env::var_os(FOLDER) else {
        return;
    };
    let folder = Path::new(&folder);
    let mut writer = operations::writer(folder).unwrap();
    let mut number = IndexReader::open(folder).unwrap().info().number;
    let mut stdout = std::io::stdout().lock();
    loop {
        number = operations::commit(&mut writer, number + 1).unwrap();
        writeln!(stdout, "committed {number}").unwrap();
        stdout.flush().unwrap();
    }
}

#[test]
fn a_killed_writer_leaves_every_commit_whole() {
    let kills = std::env::var(KILLS).map_or(5, |kills| kills.parse().unwrap());
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    let mut expected = Expected::default();
    let mut acknowledged = 0;
    let mut state = 0;
    let mut longest = LONGEST;
    for kill in 0..kills {
        let started = Instant::now();
        let mut child = Command::new(std::env::current_exe().unwrap())
            .args(["--exact", "crash::child", "--nocapture"])
            .env(FOLDER, folder)
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let stdout = BufReader::new(child.stdout.take().unwrap());
        let delay = operations::random(&mut state) % longest.as_nanos() as u64;
        std::thread::sleep(Duration::from_nanos(delay));
        child.kill().unwrap();
        child.wait().unwrap();
        for line in stdout.lines() {
            let line = line.unwrap();
            if let Some((_, number)) = line.split_once("committed ") {
                acknowledged = number.parse().unwrap();
            }
        }
        if !folder.join("MANIFEST.json").exists() {
            assert_eq!(acknowledged, 0);
            continue;
        }
        let number = IndexReader::open(folder).unwrap().info().number;
        // It may be killed between a commit and its acknowledgement.
        assert!(
            (acknowledged..=acknowledged + 1).contains(&number),
            "kill {kill} after {:?}: {number} of {acknowledged}",
            started.elapsed()
        );
        longest = match number > expected.commits() {
            true => LONGEST,
            false => longest * 2,
        };
        acknowledged = number;
        expected.advance(number);
        expected.check(folder);
    }
    // The writer that comes next removes what was left over.
    drop(operations::writer(folder).unwrap());
    let mut left: Vec<_> = std::fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .filter(|name| !name.starts_with("segment-"))
        .collect();
    left.sort_unstable();
    assert_eq!(left, ["LOCK", "MANIFEST.json"]);
    let info = IndexReader::open(folder).unwrap().info();
    let segments = std::fs::read_dir(folder).unwrap().count() - left.len();
    assert_eq!(segments, info.segments);
    println!("{kills} kills, {} commits, {} rows", info.number, info.rows);
}
