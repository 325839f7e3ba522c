//! Settings that only a tagger has, and those that it does not have.

use crate::config::FitConfig;
use crate::error::TrainError;
use crate::losses::Loss;

/// The first setting that only a tagger has.
pub(super) fn of_taggers(config: &FitConfig) -> Option<&'static str> {
    let given = [
        ("--label", !config.label.is_empty()),
        ("--column", config.column.is_some()),
        ("--category-column", config.category_column.is_some()),
        ("--complete", config.complete),
    ];
    given
        .into_iter()
        .find(|(_, given)| *given)
        .map(|(flag, _)| flag)
}

/// Refuses what a tagger does not have.
pub(super) fn check_tagger(config: &FitConfig) -> Result<(), TrainError> {
    if config.train.is_empty() {
        return Err(TrainError::usage("train tag needs rows: give --train FILE"));
    }
    let others = [
        ("--loss", config.loss != Loss::OfTags.name()),
        ("--columns", config.columns.is_some()),
        ("--group-column", config.group_column.is_some()),
        ("--texts", config.texts),
        ("--matryoshka", !config.matryoshka.is_empty()),
        ("--save-adapter", config.save_adapter),
        ("--query-prompt", config.query_prompt.is_some()),
        ("--document-prompt", config.document_prompt.is_some()),
    ];
    if let Some((flag, _)) = others.into_iter().find(|(_, given)| *given) {
        return Err(TrainError::Usage(format!(
            "{flag} is not for a tagger; leave it out"
        )));
    }
    if config.complete && !config.label.is_empty() {
        return Err(TrainError::Usage(
            "--complete is for rows of JSON Lines, and a blank cell of a column says nothing: leave it out with --label".to_owned(),
        ));
    }
    let mut labels: Vec<&str> = config
        .label
        .iter()
        .map(|label| label.label.as_str())
        .collect();
    labels.sort_unstable();
    if let Some(twice) = labels.windows(2).find(|two| two[0] == two[1]) {
        return Err(TrainError::Usage(format!(
            "--label names {} twice; give each label one column",
            twice[0]
        )));
    }
    Ok(())
}
