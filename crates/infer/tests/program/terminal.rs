//! Results on a terminal that the test creates: cut to its width, without control characters.
#![cfg(target_os = "linux")]

use std::fs::File;
use std::io::Read;
use std::process::{Command, Stdio};

use program::text::columns;
use rustix::pty::{OpenptFlags, grantpt, ioctl_tiocgptpeer, openpt, unlockpt};
use rustix::termios::{Winsize, tcsetwinsize};

use crate::support::{file, infer, run, text};

/// Runs a program with its standard output on a terminal of that width, and returns what the
/// terminal was sent.
fn on_terminal(width: u16, command: &mut Command) -> String {
    let flags = OpenptFlags::RDWR | OpenptFlags::NOCTTY | OpenptFlags::CLOEXEC;
    let screen = openpt(flags).unwrap();
    grantpt(&screen).unwrap();
    unlockpt(&screen).unwrap();
    let size = Winsize {
        ws_row: 40,
        ws_col: width,
        ws_xpixel: 0,
        ws_ypixel: 0,
    };
    tcsetwinsize(&screen, size).unwrap();
    let terminal = File::from(ioctl_tiocgptpeer(&screen, flags).unwrap());
    let mut child = command
        .stdin(Stdio::null())
        .stdout(terminal.try_clone().unwrap())
        .stderr(terminal)
        .spawn()
        .unwrap();
    // It holds the test's own ends of the terminal.
    command.stdout(Stdio::null()).stderr(Stdio::null());
    let (mut screen, mut sent, mut bytes) = (File::from(screen), Vec::new(), [0; 4096]);
    // The end of a terminal that nobody writes to any more is an error on Linux.
    while let Ok(count @ 1..) = screen.read(&mut bytes) {
        sent.extend(&bytes[..count]);
    }
    let sent = String::from_utf8(sent).unwrap();
    assert!(child.wait().unwrap().success(), "{sent}");
    sent.replace("\r\n", "\n")
}

fn products() -> String {
    let long = "a long title ".repeat(40);
    format!(
        "sku,title\n1,\"\u{1b}]0;owned\u{7}\u{1b}[2J{long}\"\n2,{}\n",
        "茶碗 ".repeat(60)
    )
}

#[test]
fn hits_fit_the_terminal_and_command_nothing() {
    let (_folder, path) = file("p.csv", products());
    let arguments = [
        "search",
        "cup",
        "-q",
        "--corpus",
        text(&path),
        "--column",
        "title",
    ];
    for width in [60, 100] {
        let shown = on_terminal(width, &mut infer(&arguments));
        assert_eq!(shown.lines().count(), 3, "{shown}");
        assert!(
            !shown.contains('\u{1b}') && !shown.contains('\u{7}'),
            "{shown:?}"
        );
        assert!(shown.contains("\\u{1b}]0;owned\\u{7}"), "{shown}");
        for line in shown.lines().skip(1) {
            assert!(line.ends_with('…'), "{line}");
            let width = usize::from(width);
            assert!(
                (width - 2..=width).contains(&columns(line)),
                "{width}: {line}"
            );
        }
    }
    // A pipe gets whole texts.
    let piped = run(&mut infer(&arguments)).ok();
    assert!(
        !piped.contains('…') && piped.contains("茶碗 茶碗"),
        "{piped}"
    );
    assert!(!piped.contains('\u{1b}'), "{piped:?}");
}

#[test]
fn pairs_fit_the_terminal_too() {
    let (_folder, path) = file("p.csv", products());
    let arguments = ["similarity", "-q", "--input", text(&path)];
    let shown = on_terminal(70, &mut infer(&arguments));
    assert_eq!(shown.lines().count(), 2, "{shown}");
    assert!(!shown.contains('\u{1b}'), "{shown:?}");
    for line in shown.lines() {
        assert!(columns(&line.replace('\t', "        ")) <= 86, "{line}");
    }
}

#[test]
fn json_on_a_terminal_is_the_json_of_a_pipe() {
    let (_folder, path) = file("p.csv", "title\n\u{1b}[31mred\u{9b}2J\n");
    let arguments = ["search", "red", "-q", "--json", "--corpus", text(&path)];
    let shown = on_terminal(40, &mut infer(&arguments));
    assert_eq!(shown, run(&mut infer(&arguments)).ok());
    assert!(!shown.trim_end().contains(char::is_control), "{shown:?}");
    let value: serde_json::Value = serde_json::from_str(&shown).unwrap();
    assert_eq!(value["hits"][0]["text"], "\u{1b}[31mred\u{9b}2J");
}

#[test]
fn errors_command_nothing() {
    let (_folder, path) = file("p.csv", "a\u{1b}[2J,b\n1,2\n");
    let message = run(&mut infer(&[
        "embed",
        "--input",
        text(&path),
        "--column",
        "c",
    ]))
    .failed(2);
    assert!(message.contains("a\\u{1b}[2J, b"), "{message:?}");
    assert!(!message.contains('\u{1b}'), "{message:?}");
}
