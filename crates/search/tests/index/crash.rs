//! A writer is killed at any moment: what it has acknowledged is there, whole, and nothing half.

use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Command, Stdio};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use search::index::{IndexError, IndexReader, MergedSegment};

use crate::operations::{self, Expected};

/// The folder of the index on which a child process works.
const FOLDER: &str = "INDEX_CRASH_FOLDER";

/// How often the writer is killed; `.ci/nightly` kills it more often.
const KILLS: &str = "INDEX_CRASH_KILLS";

/// The longest that a child works: a few commits. On a slow disk it is less than one, and then it is doubled
/// until there is one.
const LONGEST: Duration = Duration::from_millis(800);

/// Rows that a commit may rewrite, so that there is work for merges in the background.
const FEW: u64 = 20;

/// A merge in the background.
struct Running {
    segments: Vec<String>,
    merge: JoinHandle<Result<MergedSegment, IndexError>>,
}

/// In a child process: commits until it is killed, and says so after every commit. Segments are joined in the background
/// meanwhile.
#[test]
fn child() {
    let Some(folder) = std::env::var_os(FOLDER) else {
        return;
    };
    let folder = Path::new(&folder);
    let mut writer = operations::writer(folder).unwrap();
    let mut number = IndexReader::open(folder).unwrap().info().number;
    let mut stdout = std::io::stdout().lock();
    let mut running: Option<Running> = None;
    loop {
        let mut installed = false;
        if let Some(ended) = running.take_if(|running| running.merge.is_finished()) {
            // Segments of which no row was left are gone, and a merge of all may have replaced the others.
            if let Ok(merged) = ended.merge.join().unwrap() {
                installed = writer.install(merged).unwrap();
            }
        }
        let merges = operations::change(&mut writer, number + 1).unwrap();
        number = if merges {
            writer.merge().unwrap().number
        } else {
            let segments = running
                .as_ref()
                .map_or(&[][..], |running| &running.segments);
            let (committed, merge) = writer.commit_joining(FEW, segments).unwrap();
            if let (None, Some(merge)) = (&running, merge) {
                running = Some(Running {
                    segments: merge.segments(),
                    merge: std::thread::spawn(|| merge.write()),
                });
            }
            committed.number
        };
        if installed {
            writeln!(stdout, "installed").unwrap();
        }
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
    let (mut acknowledged, mut installed) = (0, 0);
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
            installed += usize::from(line == "installed");
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
        .filter(|name| !name.starts_with("segment-") && name != "MERGE.LOCK")
        .collect();
    left.sort_unstable();
    assert_eq!(left, ["LOCK", "MANIFEST.json"]);
    let info = IndexReader::open(folder).unwrap().info();
    let segments = std::fs::read_dir(folder).unwrap();
    let segments = segments.filter(|entry| entry.as_ref().unwrap().path().is_dir());
    assert_eq!(segments.count(), info.segments);
    println!(
        "{kills} kills, {} commits, {installed} merges in the background, {} rows",
        info.number, info.rows
    );
    // In the few moments of the gate there may be none.
    assert!(kills < 50 || installed > 0);
}
