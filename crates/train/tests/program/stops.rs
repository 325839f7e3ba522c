//! What a run says that Ctrl-C stops, and what it keeps.

use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Child, Command, Stdio};

use crate::guides::vectors;
use crate::interruption::wait_for_checkpoint;
use crate::support::{checkpoints, command, device, folder, inside, stderr, tiny};

/// `train NAME` with more arguments, parted by spaces, whose messages are read.
fn start(folder: &Path, arguments: &str) -> Child {
    let device = device();
    let mut words: Vec<&str> = arguments.split_whitespace().collect();
    words.extend(["--device", &device, "--no-dashboard"]);
    let mut command = command(folder, &words);
    command.stderr(Stdio::piped()).stdout(Stdio::null());
    command.spawn().unwrap()
}

fn interrupt(child: &Child) {
    let mut kill = Command::new("kill");
    let status = kill.args(["-INT", &child.id().to_string()]).status();
    assert!(status.unwrap().success());
}

/// The rest of the messages of a run that was interrupted.
#[track_caller]
fn last_words(child: &mut Child, lines: impl Iterator<Item = std::io::Result<String>>) -> String {
    let text: String = lines.map(|line| line.unwrap() + "\n").collect();
    assert_eq!(child.wait().unwrap().code(), Some(130), "{text}");
    text
}

#[test]
fn the_advice_names_the_command_of_the_run() {
    let folder = folder();
    let tiny = tiny();
    for (name, more) in [
        ("rerank", format!("--model {tiny}")),
        ("distill", format!("--teacher {tiny} --student layers=0")),
    ] {
        let run = format!(
            "{name} {more} --train pairs.tsv --epochs 1000 --batch-size 4 --save-steps 3 --output {name}"
        );
        let mut child = start(folder.path(), &run);
        wait_for_checkpoint(&mut child, &inside(folder.path(), name), 3);
        interrupt(&child);
        let output = child.wait_with_output().unwrap();
        let text = stderr(&output);
        assert_eq!(output.status.code(), Some(130), "{text}");
        for part in [
            "stopping after this step, with a checkpoint",
            &format!("resume with `train {name} --output {name} --resume`"),
        ] {
            assert!(text.contains(part), "{part} in\n{text}");
        }
    }
}

/// Enough texts that a guide does not embed them between two lines of a test.
fn many_texts(folder: &Path) {
    let rows = (0..40_000).map(|row| format!("red chair {row}\tA chair with {row} legs\n"));
    let text = "query\tdescription\n".to_owned() + &rows.collect::<String>();
    std::fs::write(inside(folder, "many.tsv"), text).unwrap();
}

#[test]
fn a_stop_while_a_guide_embeds_says_how_to_go_on() {
    let folder = folder();
    many_texts(folder.path());
    let tiny = tiny();
    for (name, line, advice) in [
        (
            "fit",
            format!("fit --model {tiny} --loss gist --guide {tiny}"),
            "resume with `train fit --output fit --resume`",
        ),
        (
            "static",
            format!("distill --teacher {tiny} --student static --dimensions 8"),
            "give the same command again",
        ),
    ] {
        let run = format!("{line} --train many.tsv --output {name}");
        let mut child = start(folder.path(), &run);
        let mut lines = BufReader::new(child.stderr.take().unwrap()).lines();
        let embeds = |line: &std::io::Result<String>| {
            let line = line.as_ref().unwrap();
            line.contains("the guide embeds")
        };
        assert!(lines.any(|line| embeds(&line)), "{name} ended before");
        interrupt(&child);
        let text = last_words(&mut child, lines);
        assert!(text.contains("stopping before the first step"), "{text}");
        let kept = format!("interrupted; the vectors that are done are kept: {advice}");
        assert!(text.contains(&kept), "{text}");
        let output = inside(folder.path(), name);
        assert_eq!(vectors(&output).len(), 1, "{name}");
        assert_eq!(checkpoints(&output), [0; 0]);
    }
}
