//! Runs that are killed at random moments and resumed: the file has the bytes of a run without an
//! interruption.

use std::fmt::Write;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use crate::support::{infer, names, run, text};

/// Kills of the gate; the long check takes more: see `.ci/nightly`.
const KILLS: u32 = 8;

const FORMATS: [&str; 5] = ["parquet", "safetensors", "npy", "pt", "jsonl"];

/// More rows than the largest window has.
const ROWS: usize = 4500;

fn embed(folder: &Path, format: &str, arguments: &[&str]) -> Command {
    let (input, output) = (folder.join("p.csv"), folder.join(format!("v.{format}")));
    let mut command = infer(&[
        "embed",
        "-q",
        "--input",
        text(&input),
        "--output",
        text(&output),
    ]);
    command.args([
        "--column",
        "title",
        "--column",
        "brand",
        "--id-column",
        "sku",
    ]);
    command.args(arguments);
    command
}

/// The files of a finished run, with their content.
fn files(folder: &Path) -> Vec<(String, Vec<u8>)> {
    let outputs = names(folder).into_iter().filter(|name| name != "p.csv");
    outputs
        .map(|name| {
            let content = std::fs::read(folder.join(&name)).unwrap();
            (name, content)
        })
        .collect()
}

/// Numbers that look random, the same in every run of the test.
struct Random(u64);

impl Random {
    /// From 0 to 1.
    fn next(&mut self) -> f64 {
        self.0 = self
            .0
            .wrapping_mul(6364136223846793005)
            .wrapping_add(1442695040888963407);
        (self.0 >> 11) as f64 / (1u64 << 53) as f64
    }
}

#[test]
fn a_run_that_is_killed_at_random_moments_ends_with_the_same_bytes() {
    let kills = std::env::var("RESUME_KILLS").map_or(KILLS, |kills| kills.parse().unwrap());
    let folder = tempfile::tempdir().unwrap();
    let mut rows = "sku,title,brand\n".to_owned();
    for row in 0..ROWS {
        let words = "word ".repeat(row * 7 % 23);
        writeln!(rows, "{row},product {row} {words},brand {}", row % 9).unwrap();
    }
    std::fs::write(folder.path().join("p.csv"), rows).unwrap();
    let mut random = Random(5);
    let (mut killed, mut resumed) = (0, 0);
    for (round, format) in (0u32..).zip(FORMATS.iter().cycle()) {
        // Integers have ranges, which must be those of the same rows.
        let options: &[&str] = match format {
            &"npy" => &["--output-type", "i8"],
            _ => &[],
        };
        let start = Instant::now();
        run(&mut embed(folder.path(), format, options)).ok();
        let time = start.elapsed().as_secs_f64();
        let expected = files(folder.path());
        remove(&expected, folder.path());
        loop {
            let mut child = embed(folder.path(), format, options)
                .arg("--resume")
                .stdin(Stdio::null())
                .stderr(Stdio::piped())
                .spawn()
                .unwrap();
            std::thread::sleep(Duration::from_secs_f64(time * random.next()));
            let journal = folder.path().join(format!("v.{format}.partial"));
            let ended = child.try_wait().unwrap().is_some();
            if !ended {
                child.kill().unwrap();
                killed += 1;
            }
            let output = child.wait_with_output().unwrap();
            if output.status.success() {
                break;
            }
            assert!(!ended, "{}", String::from_utf8_lossy(&output.stderr));
            resumed +=
                u32::from(std::fs::metadata(journal).is_ok_and(|found| found.len() > 10_000));
        }
        let found = files(folder.path());
        let names = |files: &[(String, Vec<u8>)]| -> Vec<String> {
            files.iter().map(|file| file.0.clone()).collect()
        };
        assert_eq!(names(&found), names(&expected), "{format}");
        assert!(
            found == expected,
            "{format}: other bytes after {killed} kills"
        );
        remove(&found, folder.path());
        if killed >= kills && round + 1 >= FORMATS.len() as u32 {
            break;
        }
    }
    // Else the test would not have met a run with something to resume.
    assert!(resumed > 0, "no kill left a journal with vectors");
    println!("{killed} kills, {resumed} of them with vectors in the journal");
}

fn remove(files: &[(String, Vec<u8>)], folder: &Path) {
    for (name, _) in files {
        std::fs::remove_file(folder.join(name)).unwrap();
    }
}
