//! The reference of a command line, as a page of the documentation.

use std::fmt::Write;

use clap::Command;

/// The width of every help text, in characters.
const WIDTH: usize = 100;

/// A Markdown page with the `--help` of a program and of all its commands.
///
/// `regenerate` is the shell command that writes the page; the page names it.
#[must_use]
pub fn page(mut command: Command, regenerate: &str) -> String {
    command = at_fixed_width(command);
    command.build();
    let name = command.get_name().to_owned();
    let mut page = format!(
        "# Command line: {name}\n\n<!-- Generated from the program. Do not edit this page; run: {regenerate} -->\n"
    );
    add_section(&mut page, &name, &mut command);
    page
}

fn at_fixed_width(command: Command) -> Command {
    let names: Vec<String> = command
        .get_subcommands()
        .map(|subcommand| subcommand.get_name().to_owned())
        .collect();
    names
        .into_iter()
        .fold(command.term_width(WIDTH), |command, name| {
            command.mut_subcommand(name, at_fixed_width)
        })
}

fn add_section(page: &mut String, path: &str, command: &mut Command) {
    let help = command.render_long_help().to_string();
    // Writing to a string cannot fail.
    let _ = write!(page, "\n## {path}\n\n```text\n");
    for line in help.trim_end().lines() {
        let _ = writeln!(page, "{}", line.trim_end());
    }
    page.push_str("```\n");
    for subcommand in command.get_subcommands_mut() {
        // clap adds `help` itself; hidden commands are for the release.
        if subcommand.get_name() != "help" && !subcommand.is_hide_set() {
            let path = format!("{path} {}", subcommand.get_name());
            add_section(page, &path, subcommand);
        }
    }
}

#[cfg(test)]
mod tests {
    use clap::Arg;

    use super::*;

    #[test]
    fn a_page_has_a_section_for_each_command() {
        let run = Command::new("run")
            .about("Run it.")
            .arg(Arg::new("fast").long("fast").help("Run fast."));
        let command = Command::new("tool").about("A tool.").subcommand(run);
        let page = page(command, "make page");
        assert!(page.starts_with("# Command line: tool\n"), "{page}");
        for part in [
            "run: make page",
            "\n## tool\n\n```text\nA tool.\n",
            "\n## tool run\n\n```text\nRun it.\n",
            "--fast",
        ] {
            assert!(page.contains(part), "{part} in\n{page}");
        }
        assert!(!page.contains("## tool help"), "{page}");
    }
}
