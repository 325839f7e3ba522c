//! Prompts: the text that an encoder puts before every text.
//!
//! The rules are those of sentence-transformers 5.7.

use std::collections::BTreeMap;

use crate::error::{ModelError, Result};

/// A prompt to put before every text.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Prompt {
    /// The model's default prompt, or none: as `encode` of sentence-transformers.
    #[default]
    Default,
    /// The prompt `query`: as `encode_query` of sentence-transformers.
    Query,
    /// The prompt `document`: as `encode_document` of sentence-transformers.
    Document,
    /// The prompt of the model with this name.
    Named(String),
    /// This text; the empty text is no prompt.
    Text(String),
}

/// The prompt names of a query.
const QUERY: [&str; 1] = ["query"];

/// The prompt names of a document: the first that the model has.
const DOCUMENT: [&str; 3] = ["document", "passage", "corpus"];

/// The names that sentence-transformers gives every model: their prompts are empty unless the model
/// has them.
const OF_EVERY_MODEL: [&str; 2] = ["query", "document"];

/// The prompts of a model by name, from `config_sentence_transformers.json`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Prompts {
    by_name: BTreeMap<String, String>,
    default: Option<String>,
}

impl Default for Prompts {
    fn default() -> Self {
        let by_name = OF_EVERY_MODEL.map(|name| (name.to_owned(), String::new()));
        Self {
            by_name: by_name.into(),
            default: None,
        }
    }
}

impl Prompts {
    /// Prompts by name, and the name of the default one; `None` if no prompt has that name.
    pub(crate) fn new(
        named: impl IntoIterator<Item = (String, String)>,
        default: Option<String>,
    ) -> Option<Self> {
        let mut prompts = Self::default();
        prompts.by_name.extend(named);
        prompts.default = default;
        match &prompts.default {
            Some(name) if !prompts.by_name.contains_key(name) => None,
            _ => Some(prompts),
        }
    }

    /// All names, `query` and `document` among them, in alphabetical order.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.by_name.keys().map(String::as_str)
    }

    /// Gives a name another prompt.
    pub(crate) fn set(&mut self, name: &str, text: &str) {
        self.by_name.insert(name.to_owned(), text.to_owned());
    }

    /// The prompt with that name; it may be empty.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<&str> {
        self.by_name.get(name).map(String::as_str)
    }

    /// The name of the default prompt.
    #[must_use]
    pub fn default_name(&self) -> Option<&str> {
        self.default.as_deref()
    }

    /// The text of a prompt; empty for no prompt.
    ///
    /// # Errors
    ///
    /// [`ModelError::UnknownPrompt`] if no prompt has that name.
    pub fn text<'a>(&'a self, prompt: &'a Prompt) -> Result<&'a str> {
        match prompt {
            Prompt::Default => Ok(self.default_text()),
            Prompt::Query => Ok(self.first(&QUERY)),
            Prompt::Document => Ok(self.first(&DOCUMENT)),
            Prompt::Text(text) => Ok(text),
            Prompt::Named(name) => self.get(name).ok_or_else(|| ModelError::UnknownPrompt {
                name: name.clone(),
                known: self.names().map(str::to_owned).collect(),
            }),
        }
    }

    fn default_text(&self) -> &str {
        let default = self.default.as_ref().and_then(|name| self.get(name));
        default.unwrap_or_default()
    }

    /// The prompt with the first of these names, or the default prompt.
    fn first(&self, names: &[&str]) -> &str {
        let named = names.iter().find_map(|name| self.get(name));
        named.unwrap_or_else(|| self.default_text())
    }

    /// The name of a prompt for documents that sentence-transformers does not use: `passage` or
    /// `corpus` next to an empty `document`.
    #[must_use]
    pub fn passed_over(&self) -> Option<&str> {
        if !self.first(&DOCUMENT).is_empty() {
            return None;
        }
        DOCUMENT
            .into_iter()
            .find(|name| self.get(name).is_some_and(|text| !text.is_empty()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn prompts(named: &[(&str, &str)], default: Option<&str>) -> Option<Prompts> {
        let named = named
            .iter()
            .map(|&(name, text)| (name.to_owned(), text.to_owned()));
        Prompts::new(named, default.map(str::to_owned))
    }

    fn texts(prompts: &Prompts) -> [&str; 3] {
        [&Prompt::Default, &Prompt::Query, &Prompt::Document]
            .map(|prompt| prompts.text(prompt).unwrap())
    }

    /// The right values are those of sentence-transformers 5.7.0, which adds empty prompts `query` and
    /// `document` to every model before it looks for them.
    #[test]
    fn queries_and_documents_have_the_prompts_of_sentence_transformers() {
        assert_eq!(texts(&Prompts::default()), ["", "", ""]);
        let named = [("query", "q: "), ("document", "d: "), ("passage", "p: ")];
        let all = prompts(&named, Some("passage")).unwrap();
        assert_eq!(texts(&all), ["p: ", "q: ", "d: "]);
        assert_eq!(all.passed_over(), None);
        let names: Vec<&str> = all.names().collect();
        assert_eq!(names, ["document", "passage", "query"]);

        let passage = prompts(&[("passage", "p: ")], Some("passage")).unwrap();
        assert_eq!(texts(&passage), ["p: ", "", ""]);
        assert_eq!(passage.passed_over(), Some("passage"));
    }

    #[test]
    fn an_unknown_name_lists_the_names() {
        let all = prompts(&[("search", "s: ")], None).unwrap();
        let named = Prompt::Named("search".to_owned());
        assert_eq!(all.text(&named).unwrap(), "s: ");
        let error = all.text(&Prompt::Named("quarry".to_owned())).unwrap_err();
        assert_eq!(
            error.to_string(),
            "the model has no prompt `quarry`; its prompts are: document, query, search"
        );
        assert_eq!(prompts(&[], Some("search")), None);
        assert!(prompts(&[], Some("document")).is_some());
    }
}
