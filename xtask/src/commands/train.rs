//! `train`: fine-tunes the model.

use crate::backend::Backend;
use crate::cargo::{Package, run_package};
use crate::error::TaskError;
use crate::runner::Runner;
use crate::step::Step;

/// The commands of the program `train`, the one that is meant without a word first.
const COMMANDS: [&str; 3] = ["fit", "evaluate", "losses"];

/// Flags that name devices, or files of settings that may.
const ELSEWHERE: [&str; 4] = ["--device", "--devices", "--config", "--resume"];

/// Whether a flag stands among arguments.
pub(super) fn is_given(flag: &str, arguments: &[String]) -> bool {
    arguments.iter().any(|argument| {
        argument
            .strip_prefix(flag)
            .is_some_and(|rest| rest.is_empty() || rest.starts_with('='))
    })
}

pub(super) fn run(
    backend: Backend,
    arguments: &[String],
    runner: &mut Runner,
) -> Result<(), TaskError> {
    runner.run(&training(backend, arguments))
}

fn training(backend: Backend, arguments: &[String]) -> Step {
    let (command, more) = match arguments.split_first() {
        Some((first, more)) if COMMANDS.contains(&first.as_str()) => (first.as_str(), more),
        _ => (COMMANDS[0], arguments),
    };
    program("training", command, backend, more)
}

/// The program with one of its commands, on the backend that it is built with.
pub(super) fn program(
    title: &'static str,
    command: &str,
    backend: Backend,
    more: &[String],
) -> Step {
    let mut arguments = vec!["--", command];
    // A list of losses needs no device. Settings that the program reads elsewhere may name one, or
    // several; where they do not, the only backend that is compiled in is taken.
    if command != "losses" && !ELSEWHERE.iter().any(|flag| is_given(flag, more)) {
        arguments.extend(["--device", backend.name()]);
    }
    arguments.extend(more.iter().map(String::as_str));
    run_package(title, Package::Train, backend, &arguments)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn line(backend: Backend, arguments: &[&str]) -> String {
        let arguments: Vec<String> = arguments.iter().map(|&word| word.to_owned()).collect();
        training(backend, &arguments).command_line()
    }

    #[test]
    fn without_arguments_the_program_fits_on_what_is_its_own_default() {
        assert_eq!(
            line(Backend::Cuda, &[]),
            "cargo run --release --package train --no-default-features --features cuda \
             -- fit --device cuda"
        );
    }

    #[test]
    fn arguments_are_those_of_fit() {
        let line = line(Backend::Cpu, &["--max-steps", "100"]);
        assert!(
            line.ends_with(" -- fit --device cpu --max-steps 100"),
            "{line}"
        );
    }

    #[test]
    fn a_device_that_is_named_elsewhere_is_left_alone() {
        for arguments in [
            &["--devices", "cuda:0,cuda:1"][..],
            &["--device=cuda:1"],
            &["evaluate", "--device", "cuda:1"],
            &["--config", "run.toml"],
            &["--output", "tuned", "--resume"],
        ] {
            let line = line(Backend::Cuda, arguments);
            assert!(!line.contains("--device cuda "), "{line}");
            assert!(line.ends_with(&arguments.join(" ")), "{line}");
        }
        let other = line(Backend::Cuda, &["--devices-of-mine"]);
        assert!(other.contains("--device cuda"), "{other}");
    }

    #[test]
    fn another_command_of_the_program_takes_the_place_of_fit() {
        for (command, device) in COMMANDS
            .iter()
            .zip([" --device wgpu", " --device wgpu", ""])
        {
            let line = line(Backend::Wgpu, &[command, "--quiet"]);
            let end = format!(" -- {command}{device} --quiet");
            assert!(line.ends_with(&end), "{line}");
        }
    }

    #[test]
    fn a_command_further_back_is_an_argument() {
        let line = line(Backend::Cpu, &["--output", "evaluate"]);
        assert!(
            line.ends_with(" -- fit --device cpu --output evaluate"),
            "{line}"
        );
    }
}
