//! The command line of a process: options before the command, and variables that are empty.
//!
//! An option belongs to the commands that use it, so that a command refuses those that it does not
//! use. In clap, such an option comes after the command. Here it may also come before:
//! `tool --fast run` means `tool run --fast`.

use std::ffi::OsString;

use clap::builder::Resettable;
use clap::{Arg, Command, FromArgMatches};

/// Parses the command line of this process. A wrong one ends the process, as `--help` does.
#[must_use]
pub fn parse<T: FromArgMatches>(command: Command) -> T {
    let words = options_after_command(&command, std::env::args_os());
    let mut matches = without_empty_variables(command).get_matches_from(words);
    T::from_arg_matches_mut(&mut matches).unwrap_or_else(|error| error.exit())
}

/// The command without variables that are empty: they name nothing, as those that are not set.
#[must_use]
pub fn without_empty_variables(command: Command) -> Command {
    let without = |option: Arg| {
        let variable = option.get_env().and_then(std::env::var_os);
        if variable.is_some_and(|value| value.is_empty()) {
            option.env(Resettable::Reset)
        } else {
            option
        }
    };
    command
        .mut_args(without)
        .mut_subcommands(without_empty_variables)
}

/// The command line with the options before the command moved behind its name.
///
/// Nothing is moved where a word before the command is no option of `command` or of its commands.
fn options_after_command(
    command: &Command,
    words: impl IntoIterator<Item = OsString>,
) -> Vec<OsString> {
    let mut words: Vec<OsString> = words.into_iter().collect();
    move_options(command, command, &mut words);
    words
}

/// Moves the options behind the name of the command, and behind that of its own command if it has some.
/// The first word is the name of `command`, which belongs to `program`.
fn move_options(program: &Command, command: &Command, words: &mut [OsString]) {
    let Some(place) = command_place(program, command, words) else {
        return;
    };
    words[1..=place].rotate_right(1);
    let inner = words[1]
        .to_str()
        .and_then(|name| command.find_subcommand(name));
    if let Some(inner) = inner {
        move_options(program, inner, &mut words[1..]);
    }
}

/// The place of the command's name, behind known options and their values.
fn command_place(program: &Command, command: &Command, words: &[OsString]) -> Option<usize> {
    let mut place = 1;
    loop {
        let word = words.get(place)?.to_str()?;
        if command.find_subcommand(word).is_some() {
            return Some(place);
        }
        let (name, has_value) = match word.split_once('=') {
            Some((name, _)) => (name, true),
            None => (word, false),
        };
        let takes_value = option(program, name)?.get_action().takes_values();
        place += if takes_value && !has_value { 2 } else { 1 };
    }
}

/// The option of the program, or of one of its commands, with that name.
fn option<'a>(command: &'a Command, name: &str) -> Option<&'a Arg> {
    let is_named = |option: &&Arg| match name.strip_prefix("--") {
        Some(long) => option.get_long() == Some(long),
        None => name.strip_prefix('-').is_some_and(|short| {
            let mut letters = short.chars();
            letters.next() == option.get_short() && letters.next().is_none()
        }),
    };
    let own = command.get_arguments().find(is_named);
    own.or_else(|| {
        command
            .get_subcommands()
            .find_map(|inner| option(inner, name))
    })
}

#[cfg(test)]
mod tests {
    use std::ffi::OsStr;

    use clap::ArgAction;

    use super::*;

    fn moved(line: &str) -> String {
        let quiet = Arg::new("quiet").short('q').long("quiet");
        let run = Command::new("run")
            .arg(Arg::new("depth").long("depth"))
            .arg(Arg::new("text"));
        let command = Command::new("tool")
            .arg(quiet.action(ArgAction::SetTrue))
            .subcommand(run)
            .subcommand(
                Command::new("list")
                    .subcommand(Command::new("add").arg(Arg::new("width").long("width"))),
            );
        let words = options_after_command(&command, line.split(' ').map(OsString::from));
        words.join(OsStr::new(" ")).into_string().unwrap()
    }

    #[test]
    fn options_move_behind_the_command() {
        for (line, expected) in [
            ("tool run --depth 3", "tool run --depth 3"),
            ("tool --depth 3 run a", "tool run --depth 3 a"),
            ("tool -q --depth=3 run a", "tool run -q --depth=3 a"),
            // The value of an option is no command.
            ("tool --depth list run a", "tool run --depth list a"),
            ("tool --depth 3 list", "tool list --depth 3"),
            (
                "tool --width 3 list -q add a",
                "tool list add --width 3 -q a",
            ),
            ("tool --depth", "tool --depth"),
            ("tool", "tool"),
            // Unknown words are left to clap, and so are those of clap.
            ("tool --fast run", "tool --fast run"),
            ("tool --help run", "tool --help run"),
            ("tool x run", "tool x run"),
        ] {
            assert_eq!(moved(line), expected);
        }
    }
}
