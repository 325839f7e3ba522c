//! The prompts of a run: those of the model, unless the settings name others.

use model::{Checkpoint, Prompt};

use crate::batch::TextPrompts;
use crate::config::FitConfig;
use crate::data::RowKind;
use crate::error::TrainError;

/// Gives the model the prompts of the settings, so that the tuned model has them too.
pub(super) fn set_prompts(checkpoint: &mut Checkpoint, config: &FitConfig) {
    for (name, text) in [
        ("query", &config.query_prompt),
        ("document", &config.document_prompt),
    ] {
        if let Some(text) = text {
            checkpoint.set_prompt(name, text);
        }
    }
}

/// The prompts of the rows, as the evaluators use them: texts alone, and the texts of rows with a score or a label, are of
/// one kind. They have the default prompt of the model unless the settings name one.
///
/// # Errors
///
/// The model has a prompt whose tokens it does not pool.
pub(super) fn prompts(
    checkpoint: &Checkpoint,
    config: &FitConfig,
    kind: RowKind,
) -> Result<TextPrompts, TrainError> {
    let symmetric = matches!(kind, RowKind::Texts | RowKind::Scored | RowKind::Labelled);
    let text = |given: &Option<String>, prompt: Prompt| {
        let prompt = match given {
            None if symmetric => Prompt::Default,
            _ => prompt,
        };
        checkpoint.prompts.text(&prompt).map(str::to_owned)
    };
    let prompts = TextPrompts {
        anchors: text(&config.query_prompt, Prompt::Query)?,
        others: text(&config.document_prompt, Prompt::Document)?,
    };
    if !checkpoint.include_prompt && prompts != TextPrompts::default() {
        return Err(TrainError::usage(
            "the model leaves the tokens of a prompt out of its vectors, which training cannot do yet; train \
             without a prompt: --query-prompt= --document-prompt=",
        ));
    }
    Ok(prompts)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Given;
    use crate::testing::tiny_model;

    fn of(line: &str, kind: RowKind) -> [String; 2] {
        let mut checkpoint = Checkpoint::open(&tiny_model()).unwrap();
        checkpoint.set_prompt("query", "query: ");
        checkpoint.set_prompt("document", "passage: ");
        let config = Given::from(line).complete().unwrap();
        set_prompts(&mut checkpoint, &config);
        let TextPrompts { anchors, others } = prompts(&checkpoint, &config, kind).unwrap();
        [anchors, others]
    }

    #[test]
    fn queries_and_products_have_the_prompts_of_the_model() {
        assert_eq!(of("", RowKind::Pairs), ["query: ", "passage: "]);
        assert_eq!(of("--query-prompt=", RowKind::Pairs), ["", "passage: "]);
        let both = "--query-prompt=q: --document-prompt=d:";
        assert_eq!(of(both, RowKind::Pairs), ["q:", "d:"]);
        let tuples = RowKind::Tuples { negatives: 2 };
        assert_eq!(of(both, tuples), ["q:", "d:"]);
    }

    #[test]
    fn scored_pairs_have_the_default_prompt_of_the_model() {
        assert_eq!(of("", RowKind::Scored), ["", ""]);
        assert_eq!(of("--query-prompt=q:", RowKind::Labelled), ["q:", ""]);
    }

    #[test]
    fn a_prompt_that_is_not_pooled_is_refused() {
        let mut checkpoint = Checkpoint::open(&tiny_model()).unwrap();
        checkpoint.include_prompt = false;
        let config = Given::from("--query-prompt=q:").complete().unwrap();
        assert!(prompts(&checkpoint, &config, RowKind::Pairs).is_ok());
        set_prompts(&mut checkpoint, &config);
        assert!(prompts(&checkpoint, &config, RowKind::Pairs).is_err());
    }
}
