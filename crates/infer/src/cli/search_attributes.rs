//! The options of attributes in a search.

use std::path::PathBuf;
use std::str::FromStr;

use clap::Args;

/// Attributes of products, and those of queries.
#[derive(Clone, Debug, Args)]
#[command(next_help_heading = "Attributes")]
pub struct AttributeArgs {
    /// Read attributes of the rows of the corpus from this file of `infer attributes`, for --filter, --facets and --boost.
    /// An index has those of `index build --attributes`.
    #[arg(long, value_name = "FILE", group = "with_columns")]
    pub attributes: Option<PathBuf>,
    /// Add WEIGHT to the score of products whose value of this column the query names; repeat it for several columns.
    #[arg(
        long = "boost",
        value_name = "COLUMN=WEIGHT",
        requires = "with_columns",
        conflicts_with_all = ["store", "sort"],
        value_parser = boost
    )]
    pub boosts: Vec<(String, f32)>,
    /// Find what a query names by this tagger: a folder of `train tag`, whose labels are names of columns [default: the
    /// values of the columns that are in the query].
    #[arg(long, value_name = "DIR", requires = "boosts")]
    pub query_model: Option<String>,
}

/// A column and a number above 0.
fn boost(word: &str) -> Result<(String, f32), String> {
    let parsed = word.rsplit_once('=').and_then(|(name, weight)| {
        let weight = f32::from_str(weight).ok()?;
        (weight > 0.0 && weight.is_finite() && !name.is_empty()).then(|| (name.to_owned(), weight))
    });
    parsed.ok_or_else(|| "it must be a column, = and a number above 0, as brand=0.2".to_owned())
}
