//! The attributes of the queries of a search: by a tagger, or by the known values.

use std::collections::HashMap;

use model::{Span, TagOptions};
use program::Console;
use search::filter::fold_case;

use super::attributes::load;
use crate::attributes::QueryAttributes;
use crate::cli::{HubArgs, ModelArgs, SearchArgs};
use crate::error::{Error, UsageError};
use crate::stream::note_truncated;

/// Where the attributes of these queries come from. A tagger reads all of them here, on the device of the model.
///
/// # Errors
///
/// When the tagger cannot be loaded, fails, or has no label for a boosted column.
pub(super) fn query_attributes(
    args: &SearchArgs,
    model: &ModelArgs,
    queries: &[String],
    console: Console,
) -> Result<QueryAttributes, Error> {
    let Some(name) = &args.attributes.query_model else {
        return Ok(QueryAttributes::KnownValues);
    };
    let mut model = model.clone();
    // The maximum length is that of the encoder's texts.
    model.max_length = None;
    model.hub = HubArgs {
        model: Some(name.clone()),
        revision: None,
        offline: model.hub.offline,
    };
    let tagger = load(&model, console)?;
    let labels = tagger.labels().labels();
    let folded: Vec<String> = labels.iter().map(|label| fold_case(label)).collect();
    for (column, _) in &args.attributes.boosts {
        if !folded.contains(&fold_case(column)) {
            return Err(Error::Usage(UsageError::NoLabel {
                model: name.clone(),
                column: column.clone(),
                labels: labels.to_vec(),
            }));
        }
    }
    let tagged = tagger.tag(queries, &TagOptions::default())?;
    let (truncated, tokenizer) = (tagged.truncated, tagger.tokenizer());
    note_truncated(truncated, queries.len(), "queries", tokenizer, console);
    let of_queries = queries.iter().zip(tagged.spans);
    let of_queries: HashMap<_, _> = of_queries
        .map(|(query, spans)| {
            let spans = spans.iter();
            let words = |span: &Span| {
                let words = span.text_in(query).split_whitespace();
                words.collect::<Vec<_>>().join(" ")
            };
            let values = spans.map(|span| (span.label.clone(), words(span)));
            (query.clone(), values.collect::<Vec<_>>())
        })
        .collect();
    Ok(QueryAttributes::Model(of_queries))
}
