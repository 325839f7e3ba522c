//! The options of prompts: texts that a model wants before every text.

use clap::{Args, ValueEnum};
use model::Prompt;

/// The prompt of the texts that a command embeds.
#[derive(Clone, Debug, Default, Args)]
#[command(next_help_heading = "Vectors")]
pub struct PromptArgs {
    /// Put this text before every text; in a search, before every query [default: the model's own
    /// prompt].
    #[arg(long, value_name = "TEXT", conflicts_with = "prompt_name")]
    pub prompt: Option<String>,
    /// Put the model's prompt with this name before every text; in a search, before every query.
    #[arg(long, value_name = "NAME")]
    pub prompt_name: Option<String>,
}

impl PromptArgs {
    /// The prompt that the options name.
    #[must_use]
    pub fn chosen(&self) -> Option<Prompt> {
        chosen(&self.prompt, &self.prompt_name)
    }
}

/// What texts are for in a search.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Task {
    /// Queries
    Query,
    /// Texts of the corpus
    Document,
}

impl Task {
    /// The prompt with which an encoder takes such texts.
    #[must_use]
    pub fn prompt(self) -> Prompt {
        match self {
            Self::Query => Prompt::Query,
            Self::Document => Prompt::Document,
        }
    }
}

/// The prompt of the corpus of a search.
#[derive(Clone, Debug, Default, Args)]
#[command(next_help_heading = "Vectors")]
pub struct CorpusPromptArgs {
    /// Put this text before every text of the corpus [default: the model's own prompt].
    #[arg(long, value_name = "TEXT", conflicts_with = "corpus_prompt_name")]
    pub corpus_prompt: Option<String>,
    /// Put the model's prompt with this name before every text of the corpus.
    #[arg(long, value_name = "NAME")]
    pub corpus_prompt_name: Option<String>,
}

impl CorpusPromptArgs {
    /// The prompt that the options name.
    #[must_use]
    pub fn chosen(&self) -> Option<Prompt> {
        chosen(&self.corpus_prompt, &self.corpus_prompt_name)
    }
}

fn chosen(text: &Option<String>, name: &Option<String>) -> Option<Prompt> {
    let text = text.clone().map(Prompt::Text);
    text.or_else(|| name.clone().map(Prompt::Named))
}
