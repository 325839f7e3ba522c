//! Ctrl-C, closed pipes and kills leave no file under its final name, and a journal.
#![cfg(unix)]

use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use infer::vectors::read_vectors;

use crate::support::{WIDTH, bare_infer, infer, names, run_with_input, text};

/// More rows than a window has, and more bytes than the format is recognised from, so that values are
/// written before the end of the input.
const ROWS: usize = 4100;

/// Starts an `embed` with ids that has written values and waits for more input.
fn waiting_embed(folder: &Path) -> Child {
    let output = folder.join("v.npy");
    let mut child = infer(&[
        "embed", "--input", "-", "--format", "csv", "--column", "title",
    ])
    .args(["--id-column", "sku", "--output", text(&output)])
    .stdin(Stdio::piped())
    .stderr(Stdio::piped())
    .spawn()
    .unwrap();
    let rows: String = (0..ROWS)
        .map(|row| format!("{row},a steel water bottle\n"))
        .collect();
    let stdin = child.stdin.as_mut().unwrap();
    stdin.write_all(b"sku,title\n").unwrap();
    stdin.write_all(rows.as_bytes()).unwrap();
    let start = Instant::now();
    while sizes(folder).iter().all(|size| *size < 10_000) {
        assert!(
            start.elapsed() < Duration::from_secs(120),
            "no values were written: {:?}",
            sizes(folder)
        );
        std::thread::sleep(Duration::from_millis(20));
    }
    child
}

/// The sizes of the files of a folder.
fn sizes(folder: &Path) -> Vec<u64> {
    let entries = folder.read_dir().unwrap();
    entries
        .map(|entry| entry.unwrap().metadata().unwrap().len())
        .collect()
}

fn signal(child: &Child, name: &str) {
    let status = Command::new("kill")
        .args([name, &child.id().to_string()])
        .status()
        .unwrap();
    assert!(status.success());
}

#[test]
fn an_interrupt_leaves_a_journal_alone() {
    for (name, code) in [("-INT", 130), ("-TERM", 143), ("-HUP", 129)] {
        let folder = tempfile::tempdir().unwrap();
        let mut child = waiting_embed(folder.path());
        // `wait` would close it, and the end of the input completes the output.
        let input = child.stdin.take();
        signal(&child, name);
        let ended = child.wait_with_output().unwrap();
        assert_eq!(ended.status.code(), Some(code), "{name}");
        assert_eq!(names(folder.path()), ["v.npy.partial"], "{name}");
        let message = String::from_utf8_lossy(&ended.stderr);
        assert!(
            message.contains("interrupted; the same command with --resume continues"),
            "{message}"
        );
        drop(input);
    }
}

/// Standard output is buffered: a signal must neither lose whole lines nor cut one.
#[test]
fn a_signal_writes_whole_lines_of_standard_output() {
    for (name, code) in [("-INT", 130), ("-TERM", 143), ("-HUP", 129)] {
        let folder = tempfile::tempdir().unwrap();
        let output = folder.path().join("v.jsonl");
        let mut child = infer(&["embed", "--input", "-"])
            .stdin(Stdio::piped())
            .stdout(std::fs::File::create(&output).unwrap())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let mut input = child.stdin.take().unwrap();
        input
            .write_all("a steel water bottle\n".repeat(ROWS).as_bytes())
            .unwrap();
        let start = Instant::now();
        while sizes(folder.path()) == [0] {
            assert!(
                start.elapsed() < Duration::from_secs(120),
                "nothing was written"
            );
            std::thread::sleep(Duration::from_millis(20));
        }
        // All lines of the first window are written soon after the first: the file is whole when it grows no longer.
        let mut size = sizes(folder.path());
        let mut since = Instant::now();
        while since.elapsed() < Duration::from_secs(1) {
            std::thread::sleep(Duration::from_millis(20));
            let now = sizes(folder.path());
            if now != size {
                (size, since) = (now, Instant::now());
            }
        }
        signal(&child, name);
        assert_eq!(child.wait().unwrap().code(), Some(code), "{name}");
        drop(input);
        let written = std::fs::read_to_string(&output).unwrap();
        assert!(written.ends_with('\n'), "{name}: half a line");
        for line in written.lines() {
            let row: serde_json::Value = serde_json::from_str(line).unwrap();
            assert_eq!(row["embedding"].as_array().unwrap().len(), WIDTH);
        }
        // 16,000 bytes of work, of which each row is 70: the first window.
        assert!(
            written.lines().count() >= 229,
            "{name}: whole lines are lost"
        );
    }
}

#[test]
fn a_kill_leaves_a_journal_alone_and_the_next_run_starts_or_resumes() {
    let folder = tempfile::tempdir().unwrap();
    let mut child = waiting_embed(folder.path());
    child.kill().unwrap();
    child.wait().unwrap();
    assert_eq!(names(folder.path()), ["v.npy.partial"]);
    let output = folder.path().join("v.npy");
    // Another input is refused, and nothing is lost by that.
    let csv = [
        "embed", "--input", "-", "--format", "csv", "--column", "title",
    ];
    let resume = ["--id-column", "sku", "--output", text(&output), "--resume"];
    let other = run_with_input(infer(&csv).args(resume), "sku,title\nother,bottle\n");
    assert!(
        other
            .failed(1)
            .contains("rows of the input are not those of the interrupted run")
    );
    let settings = ["--max-length", "8"];
    let other = run_with_input(
        infer(&csv).args(resume).args(settings),
        "sku,title\n0,bottle\n",
    );
    assert!(other.failed(2).contains("--max-length 62, not 8"));
    assert_eq!(names(folder.path()), ["v.npy.partial"]);
    // The note of a resumed run has the rows of the file, and the texts of this run.
    let kept = std::fs::read(folder.path().join("v.npy.partial")).unwrap();
    let rows: String = (0..ROWS)
        .map(|row| format!("{row},a steel water bottle\n"))
        .collect();
    let all = format!("sku,title\n{rows}");
    let resumed = run_with_input(infer(&csv).args(resume), &all);
    let shape = format!(" texts [{ROWS}, {WIDTH}] in");
    assert!(
        resumed.err.contains(&shape) && !resumed.err.contains(&format!("{ROWS} texts [")),
        "{}",
        resumed.err
    );
    resumed.ok();
    std::fs::remove_file(&output).unwrap();
    std::fs::remove_file(folder.path().join("v.npy.ids.txt")).unwrap();
    std::fs::write(folder.path().join("v.npy.partial"), kept).unwrap();
    // Without --resume it is an error, and nothing is lost; --restart drops the rows.
    let again = |arguments: &[&str]| {
        let embed = ["embed", "--input", "-", "--output", text(&output)];
        run_with_input(infer(&embed).args(arguments), "bottle\n")
    };
    let kept = sizes(folder.path());
    let message = again(&[]).failed(2);
    assert!(
        message.contains("v.npy.partial: holds the rows of an interrupted run")
            && message.contains("--resume")
            && message.contains("--restart"),
        "{message}"
    );
    assert_eq!(sizes(folder.path()), kept);
    again(&["--resume", "--restart"]).failed(2);
    again(&["--restart"]).ok();
    assert_eq!(names(folder.path()), ["v.npy"]);
    assert_eq!(read_vectors(&output).unwrap().values.len(), WIDTH);
}

#[test]
fn a_closed_pipe_is_quiet() {
    let mut child = infer(&["embed", "--input", "-", "-q"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    // More output than a pipe holds, so that writing goes on after the reader has gone.
    let lines = "water bottle\n".repeat(5000);
    let mut stdin = child.stdin.take().unwrap();
    let feeder = std::thread::spawn(move || {
        // The program may stop reading first.
        let _ = stdin.write_all(lines.as_bytes());
    });
    let mut first = String::new();
    BufReader::new(child.stdout.take().unwrap())
        .read_line(&mut first)
        .unwrap();
    assert!(first.contains("embedding"));
    let output = child.wait_with_output().unwrap();
    feeder.join().unwrap();
    assert_eq!(String::from_utf8_lossy(&output.stderr), "");
    assert_eq!(output.status.code(), Some(0));
}

#[test]
fn completions_end_quietly_on_a_closed_pipe() {
    let mut child = bare_infer()
        .args(["completions", "bash"])
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    drop(child.stdout.take());
    let output = child.wait_with_output().unwrap();
    assert_eq!(String::from_utf8_lossy(&output.stderr), "");
    assert_eq!(output.status.code(), Some(0));
}
