//! Settings that were given, on the command line or in a file: names and values.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::path::Path;

use clap::parser::ValueSource;
use clap::{Arg, ArgAction, ArgMatches, Args, Command, FromArgMatches};
use serde_json::Value;

use super::FitConfig;
use crate::error::TrainError;

/// Settings by the names of their flags, without defaults.
///
/// As part of a command line it has all flags of [`FitConfig`], and keeps those that were typed.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Given(BTreeMap<String, Values>);

/// The values of a setting.
#[derive(Clone, Debug, PartialEq)]
struct Values {
    words: Vec<OsString>,
    /// File and line, for messages; `None` if the values were typed.
    place: Option<String>,
}

/// Settings that exclude each other: of two sources, the one that counts first decides.
const EXCLUSIVE: [(&str, &str); 2] = [("split", "valid"), ("lora", "freeze")];

/// Settings that are nothing without another one.
const NEEDS: [(&str, &str); 7] = [
    ("category-column", "label"),
    ("column", "label"),
    ("guide-precision", "guide"),
    ("guide-weights", "guide"),
    ("lora-alpha", "lora"),
    ("matryoshka-weights", "matryoshka"),
    ("train-weights", "train"),
];

/// Settings that only a reranker has.
const OF_RERANKERS: [&str; 1] = ["negatives"];

/// Settings that only an encoder has.
pub(super) const OF_ENCODERS: [&str; 10] = [
    "document_prompt",
    "guide",
    "guide_precision",
    "guide_weights",
    "margin",
    "matryoshka",
    "matryoshka_weights",
    "query_prompt",
    "save_adapter",
    "texts",
];

/// Settings that only a tagger has.
const OF_TAGGERS: [&str; 4] = ["category_column", "column", "complete", "label"];

/// The help of options that say something else of a reranker.
const HELP_OF_RERANKERS: [(&str, &str); 8] = [
    (
        "train",
        "Read training rows from FILE: CSV, TSV, JSON or Parquet, compressed or not except Parquet; repeat for several \
         files",
    ),
    (
        "max_length",
        "Truncate pairs to N tokens, in training and in the tuned model [default: the model's]",
    ),
    ("loss", "Minimise this loss; `train losses` lists them"),
    (
        "scale",
        "Multiply scores between 0 and 1 by X in multiple-negatives-ranking [default: 10]",
    ),
    ("epochs", "Pass N times over the training rows"),
    ("lr", "Set the peak learning rate"),
    (
        "warmup",
        "Raise the learning rate from 0 during this share of the steps, from 0 to below 1",
    ),
    (
        "decay",
        "Change the learning rate after the warm-up: linear falls to 0, constant stays",
    ),
];

/// Defaults of the demo pairs, which keep the results of earlier releases.
const DEMO_PAIRS: [(&str, &str); 5] = [
    ("loss", "mse"),
    ("epochs", "10"),
    ("lr", "1e-5"),
    ("warmup", "0"),
    ("decay", "constant"),
];

impl Given {
    /// Reads a config file: JSON if its name ends in `.json`, else TOML. Relative paths start from the
    /// working directory, as on the command line.
    ///
    /// # Errors
    ///
    /// The file cannot be read, or holds an unknown setting; the error names the line.
    pub(crate) fn read(path: &Path) -> Result<Self, TrainError> {
        let text = std::fs::read_to_string(path).map_err(TrainError::io(path))?;
        let is_json = path.extension().is_some_and(|end| end == "json");
        let table: BTreeMap<String, Value> = if is_json {
            serde_json::from_str(&text).map_err(TrainError::config(path))?
        } else {
            toml::from_str(&text).map_err(TrainError::config(path))?
        };
        let command = FitConfig::augment_args(Command::new("fit"));
        let mut given = Self::default();
        for (name, value) in table {
            let line = line_of(&name, &text);
            let at_line =
                |problem: String| TrainError::config(path)(format!("line {line}: {problem}"));
            let mut options = command.get_arguments();
            let Some(option) = options.find(|option| has_name(option, &name)) else {
                return Err(at_line(format!(
                    "there is no setting `{name}`; `train fit --help` lists them"
                )));
            };
            let Some(words) = words(value) else {
                return Err(at_line(format!(
                    "`{name}` takes one value or a list of values"
                )));
            };
            if words.len() > 1 && !matches!(option.get_action(), ArgAction::Append) {
                return Err(at_line(format!("`{name}` takes one value, not a list")));
            }
            let name = option.get_long().unwrap_or(&name).to_owned();
            if !words.is_empty() {
                let place = Some(format!("{}, line {line}", path.display()));
                given.0.insert(name, Values { words, place });
            }
        }
        Ok(given)
    }

    /// These settings, completed by those of `other`.
    #[must_use]
    pub(crate) fn over(mut self, mut other: Self) -> Self {
        for (one, another) in EXCLUSIVE {
            for (first, excluded) in [(one, another), (another, one)] {
                if self.has(first) {
                    other.remove(excluded);
                    // Nor what is nothing without it.
                    for (name, _) in NEEDS.iter().filter(|(_, needed)| *needed == excluded) {
                        other.remove(name);
                    }
                }
            }
        }
        for (name, values) in other.0 {
            self.0.entry(name).or_insert(values);
        }
        self
    }

    /// Whether the setting was given.
    #[must_use]
    pub(crate) fn has(&self, name: &str) -> bool {
        self.0.contains_key(name)
    }

    /// The value of a setting that has one.
    #[must_use]
    pub(crate) fn value(&self, name: &str) -> Option<&OsString> {
        self.0.get(name)?.words.first()
    }

    /// The settings with this one.
    pub(super) fn with(mut self, name: &str, value: &str) -> Self {
        self.set(name, value);
        self
    }

    /// The names of the given settings.
    pub(crate) fn names(&self) -> impl Iterator<Item = &str> {
        self.0.keys().map(String::as_str)
    }

    /// Gives a setting another value.
    pub(crate) fn set(&mut self, name: &str, value: &str) {
        self.set_all(name, &[value.to_owned()]);
    }

    /// Gives a setting other values.
    pub(crate) fn set_all(&mut self, name: &str, values: &[String]) {
        let words = values.iter().map(OsString::from).collect();
        self.0
            .insert(name.to_owned(), Values { words, place: None });
    }

    /// Gives settings that are not given a value.
    pub(crate) fn set_missing(&mut self, defaults: &[(&str, &str)]) {
        for (name, value) in defaults {
            if !self.has(name) {
                self.set(name, value);
            }
        }
    }

    /// Takes a number for `--valid` as that for `--split`.
    pub(crate) fn share_of_valid(&mut self) {
        let share = match self.0.get("valid").map(|values| values.words.as_slice()) {
            Some([word]) => word.to_str().filter(|word| word.parse::<f64>().is_ok()),
            _ => None,
        };
        let Some(share) = share.map(str::to_owned) else {
            return;
        };
        if let Some(values) = self.0.remove("valid") {
            self.0.insert(
                "split".to_owned(),
                Values {
                    words: vec![share.into()],
                    ..values
                },
            );
        }
    }

    /// Leaves a setting at its default.
    pub(crate) fn remove(&mut self, name: &str) {
        self.0.remove(name);
    }

    /// The settings with all defaults: those of the demo pairs without a file of training rows.
    ///
    /// # Errors
    ///
    /// A value is wrong, two settings exclude each other, or one needs another one.
    pub(crate) fn complete(&self) -> Result<FitConfig, TrainError> {
        for (name, needed) in NEEDS {
            if self.has(name) && !self.has(needed) {
                let problem = format!("--{name} needs --{needed}: give both, or neither");
                return Err(self.located(TrainError::Usage(problem)));
            }
        }
        let demo_pairs = DEMO_PAIRS
            .iter()
            .filter(|(name, _)| !self.has("train") && !self.has(name))
            .map(|(name, value)| format!("--{name}={value}").into());
        let given = self.0.iter().flat_map(|(name, values)| {
            values.words.iter().map(move |value| {
                let mut word = OsString::from(format!("--{name}="));
                word.push(value);
                word
            })
        });
        let words = demo_pairs.chain(given);
        let command = FitConfig::augment_args(Command::new("fit").no_binary_name(true));
        program::arguments::without_empty_variables(command)
            .try_get_matches_from(words)
            .and_then(|matches| FitConfig::from_arg_matches(&matches))
            .map_err(|error| {
                // Without the usage, which is that of the command line.
                let text = error.to_string();
                let problem = text.lines().take_while(|line| !line.is_empty());
                let problem: Vec<&str> = problem.map(str::trim).collect();
                let problem = problem.join(" ").trim_start_matches("error: ").to_owned();
                self.located(TrainError::Usage(problem))
            })
    }

    /// The error, with the place of the first setting that it names and that a file has.
    #[must_use]
    pub(crate) fn located(&self, error: TrainError) -> TrainError {
        if !matches!(error, TrainError::Usage(_) | TrainError::Loss(_)) {
            return error;
        }
        let text = error.to_string();
        let mut names = text
            .split(not_in_a_name)
            .filter_map(|word| word.strip_prefix("--"));
        match names.find_map(|name| self.0.get(name)?.place.as_deref()) {
            Some(place) if !text.starts_with(place) => {
                TrainError::Usage(format!("{place}: {text}"))
            }
            _ => error,
        }
    }
}

/// Whether the name of a setting ends before this letter.
fn not_in_a_name(letter: char) -> bool {
    !letter.is_ascii_alphanumeric() && letter != '-'
}

/// The line of a setting in a file, from 1.
fn line_of(name: &str, text: &str) -> usize {
    let mut lines = text.lines();
    let place = lines.position(|line| {
        !line.trim_start().starts_with('#') && line.split(not_in_a_name).any(|word| word == name)
    });
    place.unwrap_or_default() + 1
}

/// Whether an option has this long name, or had it in an earlier release.
fn has_name(option: &Arg, name: &str) -> bool {
    option.get_long() == Some(name)
        || option
            .get_all_aliases()
            .is_some_and(|aliases| aliases.contains(&name))
}

/// A value as it is typed, or a list of them; `None` for a table, and for a number that is not finite.
fn words(value: Value) -> Option<Vec<OsString>> {
    Some(match value {
        Value::Array(values) => {
            let words: Option<Vec<_>> = values.into_iter().map(words).collect();
            words?.concat()
        }
        Value::String(text) => vec![text.into()],
        Value::Bool(_) | Value::Number(_) => vec![value.to_string().into()],
        Value::Null | Value::Object(_) => return None,
    })
}

/// Makes a type of settings a part of a command line: with the options of `$options`, of which `$typed` keeps what was typed.
macro_rules! as_arguments {
    ($type:ident, $options:expr, $typed:expr) => {
        impl clap::Args for $type {
            fn augment_args(command: clap::Command) -> clap::Command {
                $options(command)
            }

            fn augment_args_for_update(command: clap::Command) -> clap::Command {
                $options(command)
            }
        }

        impl clap::FromArgMatches for $type {
            fn from_arg_matches(matches: &clap::ArgMatches) -> Result<Self, clap::Error> {
                Ok($typed($crate::config::Given::typed(matches)))
            }

            fn update_from_arg_matches(
                &mut self,
                matches: &clap::ArgMatches,
            ) -> Result<(), clap::Error> {
                *self = Self::from_arg_matches(matches)?;
                Ok(())
            }
        }
    };
}
pub(crate) use as_arguments;

as_arguments!(Given, options_of_encoder, |given| given);

pub(crate) fn options_of_encoder(command: Command) -> Command {
    let command = hide(FitConfig::augment_args(command), &OF_RERANKERS);
    hide(command, &OF_TAGGERS)
}

/// [`Given`] on the command line of `train rerank`.
#[derive(Clone, Debug)]
pub struct GivenForReranker(pub(crate) Given);

as_arguments!(GivenForReranker, options_of_reranker, |given: Given| {
    Self(given.with("task", "reranker"))
});

fn options_of_reranker(command: Command) -> Command {
    let command = hide(FitConfig::augment_args(command), &OF_ENCODERS);
    let command = hide(command, &OF_TAGGERS);
    let helps = HELP_OF_RERANKERS.iter();
    helps.fold(command, |command, &(option, help)| {
        command.mut_arg(option, |option| option.help(help))
    })
}

/// Leaves options out of the help of a command that refuses them.
pub(super) fn hide(command: Command, options: &[&'static str]) -> Command {
    options.iter().fold(command, |command, &option| {
        command.mut_arg(option, |option| option.hide(true))
    })
}

impl Given {
    /// What was typed.
    pub(crate) fn typed(matches: &ArgMatches) -> Self {
        let command = FitConfig::augment_args(Command::new("fit"));
        let mut given = Self::default();
        for option in command.get_arguments() {
            let id = option.get_id().as_str();
            if matches.value_source(id) == Some(ValueSource::CommandLine) {
                let words = matches.get_raw(id).into_iter().flatten();
                let words = words.map(OsString::from).collect();
                let name = option.get_long().unwrap_or(id).to_owned();
                given.0.insert(name, Values { words, place: None });
            }
        }
        given
    }
}
