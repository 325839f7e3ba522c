//! Ctrl-C, closed pipes and kills leave nothing behind under a final name.
#![cfg(unix)]

use std::io::{BufRead, BufReader, Write};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use crate::support::{infer, names, text};

/// Starts an `embed` that has begun its output and waits for more input.
fn waiting_embed(folder: &std::path::Path) -> Child {
    let output = folder.join("v.npy");
    let mut child = infer(&["embed", "--input", "-", "--output", text(&output)])
        .stdin(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    child
        .stdin
        .as_mut()
        .unwrap()
        .write_all(b"one\ntwo\n")
        .unwrap();
    // The temporary file is made once the model is loaded.
    let start = Instant::now();
    while names(folder).is_empty() {
        assert!(
            start.elapsed() < Duration::from_secs(120),
            "no output was begun"
        );
        std::thread::sleep(Duration::from_millis(20));
    }
    child
}

fn signal(child: &Child, name: &str) {
    let status = Command::new("kill")
        .args([name, &child.id().to_string()])
        .status()
        .unwrap();
    assert!(status.success());
}

#[test]
fn an_interrupt_removes_what_was_begun() {
    for name in ["-INT", "-TERM"] {
        let folder = tempfile::tempdir().unwrap();
        let mut child = waiting_embed(folder.path());
        // `wait` would close it, and the end of the input completes the output.
        let input = child.stdin.take();
        signal(&child, name);
        assert_eq!(child.wait().unwrap().code(), Some(130), "{name}");
        assert!(
            names(folder.path()).is_empty(),
            "{name}: {:?}",
            names(folder.path())
        );
        drop(input);
    }
}

#[test]
fn a_kill_leaves_nothing_under_the_final_name() {
    let folder = tempfile::tempdir().unwrap();
    let mut child = waiting_embed(folder.path());
    child.kill().unwrap();
    child.wait().unwrap();
    assert!(!folder.path().join("v.npy").exists());
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
fn a_full_disk_or_closed_pipe_is_no_panic_for_completions() {
    let mut child = infer(&["completions", "bash"])
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    drop(child.stdout.take());
    let output = child.wait_with_output().unwrap();
    assert_eq!(String::from_utf8_lossy(&output.stderr), "");
    assert_eq!(output.status.code(), Some(0));
}
