//! Runs with a dashboard, on a terminal that the test creates.

use std::fs::File;
use std::io::{Read, Write};
use std::process::{Child, Command};
use std::thread::JoinHandle;

use rustix::pty::{OpenptFlags, grantpt, ioctl_tiocgptpeer, openpt, unlockpt};
use rustix::termios::{Winsize, tcsetwinsize};

use crate::interruption::{assert_same_end, long, wait_for_checkpoint};
use crate::support::{checkpoints, fit, folder, inside, repeatable, steps, succeed};

/// Terminal codes that enter and leave the alternate screen.
const ENTER: &str = "\x1b[?1049h";
const LEAVE: &str = "\x1b[?1049l";

/// A program on a terminal.
struct Watched {
    child: Child,
    keyboard: File,
    screen: Option<JoinHandle<String>>,
}

impl Watched {
    fn start(program: &Command) -> Self {
        let flags = OpenptFlags::RDWR | OpenptFlags::NOCTTY | OpenptFlags::CLOEXEC;
        let keyboard = openpt(flags).unwrap();
        grantpt(&keyboard).unwrap();
        unlockpt(&keyboard).unwrap();
        let size = Winsize {
            ws_row: 40,
            ws_col: 120,
            ws_xpixel: 0,
            ws_ypixel: 0,
        };
        tcsetwinsize(&keyboard, size).unwrap();
        let terminal = File::from(ioctl_tiocgptpeer(&keyboard, flags).unwrap());
        // A new session with this terminal, so that Ctrl-C reaches the program.
        let mut command = Command::new("setsid");
        command
            .args(["--ctty", "--wait"])
            .arg(program.get_program())
            .args(program.get_args())
            .current_dir(program.get_current_dir().unwrap())
            .env("TERM", "xterm-256color");
        for (name, value) in program.get_envs() {
            command.env(name, value.unwrap());
        }
        let child = command
            .stdin(terminal.try_clone().unwrap())
            .stdout(terminal.try_clone().unwrap())
            .stderr(terminal)
            .spawn()
            .unwrap();
        // It holds the test's own ends of the terminal.
        drop(command);
        let keyboard = File::from(keyboard);
        let mut from_terminal = keyboard.try_clone().unwrap();
        let screen = std::thread::spawn(move || {
            let (mut screen, mut bytes) = (Vec::new(), [0; 4096]);
            // The end of a terminal that nobody writes to any more is an error on Linux.
            while let Ok(count @ 1..) = from_terminal.read(&mut bytes) {
                screen.extend(&bytes[..count]);
            }
            String::from_utf8_lossy(&screen).into_owned()
        });
        Self {
            child,
            keyboard,
            screen: Some(screen),
        }
    }

    /// Its exit code, and all that was on the screen.
    fn end(mut self) -> (Option<i32>, String) {
        let status = self.child.wait().unwrap();
        let screen = self.screen.take().unwrap();
        (status.code(), screen.join().unwrap())
    }
}

impl Drop for Watched {
    /// No run outlives a test that failed.
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// What came while the second screen was shown, and what after it.
#[track_caller]
fn screens(text: &str) -> (&str, &str) {
    let rest = text.split_once(ENTER).map(|(_, rest)| rest);
    match rest.and_then(|rest| rest.rsplit_once(LEAVE)) {
        Some(screens) => screens,
        None => panic!("no alternate screen, or it was not left: {text}"),
    }
}

#[test]
fn a_terminal_shows_the_dashboard_and_then_the_results() {
    let folder = folder();
    let arguments = "--epochs 2 --batch-size 6 --split 0.25";
    let program = fit(folder.path(), &format!("{arguments} --output watched"));
    let (code, text) = Watched::start(&program).end();
    assert_eq!(code, Some(0), "{text}");
    let (dashboard, after) = screens(&text);
    for figure in ["Loss", "Learning Rate"] {
        assert!(dashboard.contains(figure), "no {figure} in {dashboard}");
    }
    assert!(after.contains("watched"), "{after}");

    // Without a dashboard the run is the same, with progress lines.
    let plain = format!("{arguments} --output plain --no-dashboard");
    let program = fit(folder.path(), &plain);
    let (code, text) = Watched::start(&program).end();
    assert_eq!(code, Some(0), "{text}");
    assert!(!text.contains(ENTER), "{text}");
    let losses = |output: &str| -> Vec<f64> {
        let steps = steps(&inside(folder.path(), output));
        steps
            .iter()
            .map(|step| step["loss"].as_f64().unwrap())
            .collect()
    };
    let (watched, plain) = (losses("watched"), losses("plain"));
    assert_eq!((watched.len(), plain.len()), (6, 6));
    if repeatable() {
        assert_eq!(watched, plain);
    }
}

#[test]
fn ctrl_c_reaches_a_run_below_its_dashboard() {
    let folder = folder();
    let output = inside(folder.path(), "stopped");
    let arguments = long("stopped").replace("--no-dashboard", "");
    let mut run = Watched::start(&fit(folder.path(), &arguments));
    wait_for_checkpoint(&mut run.child, &output, 1);
    run.keyboard.write_all(b"\x03").unwrap();
    let (code, text) = run.end();
    assert_eq!(code, Some(130), "{text}");
    let (_, after) = screens(&text);
    assert!(after.contains("--resume"), "{after}");
    let last = steps(&output).last().unwrap()["step"].as_u64().unwrap();
    assert_eq!(checkpoints(&output), [last as usize]);
    succeed(fit(
        folder.path(),
        "--resume --no-dashboard --output stopped",
    ));
    assert_same_end(folder.path(), "stopped");
}
