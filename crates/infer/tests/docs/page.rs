//! The `console` blocks of a page.
//!
//! A line that starts with `$ ` is a command; after ` \` it goes on in the next line, with or without
//! `> `. The lines after it are its output. A last line `? 2` is an exit code other than 0.

use crate::output;
use crate::shell::Run;

/// The comment before a block.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Marker {
    Tiny,
    Real,
    Store,
    NotRun(String),
}

/// A block of commands.
#[derive(Debug)]
pub(crate) struct Block {
    /// The line of its fence, from 1.
    pub(crate) line: usize,
    pub(crate) marker: Option<Marker>,
    pub(crate) commands: Vec<Command>,
}

/// A command, its output and its exit code.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Command {
    pub(crate) text: String,
    pub(crate) output: Vec<String>,
    pub(crate) code: i32,
}

impl Command {
    /// Compares the exit code, and the output if there is one and `compares` says so: with stdout, or
    /// with stdout and then stderr.
    pub(crate) fn check(&self, run: &Run, compares: bool) -> Result<(), String> {
        if run.code != self.code {
            return Err(format!(
                "exit code {} instead of {}\n{}{}",
                run.code, self.code, run.out, run.err
            ));
        }
        let both = format!("{}{}", run.out, run.err);
        let matches = |text: &str| output::matches(&self.output, text);
        if !compares || self.output.is_empty() || matches(&run.out) || matches(&both) {
            return Ok(());
        }
        let expected = self.output.join("\n");
        Err(format!("expected:\n{expected}\nfound:\n{both}"))
    }
}

/// All `console` blocks of a page.
pub(crate) fn blocks(page: &str) -> Vec<Block> {
    let mut blocks = Vec::new();
    let mut marker = None;
    let mut lines = (1..).zip(page.lines());
    while let Some((line, text)) = lines.next() {
        let trimmed = text.trim_start();
        let Some(language) = trimmed.strip_prefix("```") else {
            if !trimmed.is_empty() {
                marker = parse_marker(trimmed.trim_end());
            }
            continue;
        };
        let indentation = text.len() - trimmed.len();
        let content = lines
            .by_ref()
            .map(|(_, text)| text)
            .take_while(|text| text.trim() != "```");
        let content: Vec<&str> = content
            .map(|text| text.get(indentation..).unwrap_or_default())
            .collect();
        let marker = marker.take();
        if language.trim() == "console" {
            let commands = commands(&content);
            blocks.push(Block {
                line,
                marker,
                commands,
            });
        }
    }
    blocks
}

fn parse_marker(line: &str) -> Option<Marker> {
    let comment = line.strip_prefix("<!--")?.strip_suffix("-->")?.trim();
    match comment {
        "test: tiny" => Some(Marker::Tiny),
        "test: real" => Some(Marker::Real),
        "test: store" => Some(Marker::Store),
        other => {
            let reason = other.strip_prefix("not run:")?.trim();
            (!reason.is_empty()).then(|| Marker::NotRun(reason.to_owned()))
        }
    }
}

fn commands(lines: &[&str]) -> Vec<Command> {
    let mut commands: Vec<Command> = Vec::new();
    let mut lines = lines.iter();
    while let Some(line) = lines.next() {
        if let Some(command) = line.strip_prefix("$ ") {
            let mut text = command.to_owned();
            while text.ends_with('\\')
                && let Some(next) = lines.next()
            {
                text.push('\n');
                text.push_str(next.strip_prefix("> ").unwrap_or(next));
            }
            commands.push(Command {
                text,
                ..Command::default()
            });
        } else if let Some(command) = commands.last_mut() {
            match line.strip_prefix("? ").and_then(|code| code.parse().ok()) {
                Some(code) => command.code = code,
                None => command.output.push(line.trim_end().to_owned()),
            }
        }
    }
    for command in &mut commands {
        while command.output.last().is_some_and(String::is_empty) {
            command.output.pop();
        }
    }
    commands
}

#[test]
fn blocks_have_markers_and_commands() {
    let page = "\
<!-- test: tiny -->

```console
$ infer embed a \\
>     b
out
...

$ infer unknown
? 2
```

<!-- test: real -->
Other text takes the comment away.
```console
$ infer doctor
```
  <!-- not run: needs a GPU -->
  ```console
  $ infer doctor
    indented
  ```
```sh
$ ignored
```
";
    let blocks = blocks(page);
    let markers: Vec<_> = blocks.iter().map(|block| block.marker.clone()).collect();
    let reason = "needs a GPU".to_owned();
    assert_eq!(
        markers,
        [Some(Marker::Tiny), None, Some(Marker::NotRun(reason))]
    );
    assert_eq!(blocks[0].line, 3);
    let expected = [
        Command {
            text: "infer embed a \\\n    b".to_owned(),
            output: vec!["out".to_owned(), "...".to_owned()],
            code: 0,
        },
        Command {
            text: "infer unknown".to_owned(),
            output: Vec::new(),
            code: 2,
        },
    ];
    assert_eq!(blocks[0].commands, expected);
    assert_eq!(blocks[2].commands[0].output, ["  indented"]);
}
