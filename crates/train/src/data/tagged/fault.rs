//! Errors of one row of a tagger.

/// Why a row of a tagger is unusable.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum TaggedFault {
    /// The line is not the JSON of a row.
    #[error(
        "{0}; a row is {{\"text\": …, \"spans\": [{{\"start\": 0, \"end\": 4, \"label\": \"brand\"}}]}}, or has attributes or tokens"
    )]
    Json(#[from] serde_json::Error),
    /// A row without spans, attributes or tokens.
    #[error(
        "the row has neither `spans` nor `attributes`, nor `tokens` with `tags`; for columns of a product file use `train tag --label NAME`, and --convert to write them as such rows"
    )]
    NoSpans,
    /// A row without a text.
    #[error("the text is empty; fill it in, or skip bad rows with --skip-bad-rows")]
    Empty,
    /// A span that is not within its text.
    #[error(
        "the span {start} to {end} of `{label}` is not within the text of {length} characters; offsets count Unicode scalar values, and the end is behind the span"
    )]
    Range {
        /// The start as given.
        start: usize,
        /// The end as given.
        end: usize,
        /// Its label.
        label: String,
        /// Characters of the text.
        length: usize,
    },
    /// A label that cannot be one.
    #[error("a label is empty; give every span a label")]
    NoLabel,
    /// Other numbers of tokens and tags.
    #[error("{tokens} tokens have {tags} tags; give each token one")]
    TagCount {
        /// Number of tokens.
        tokens: usize,
        /// Number of tags.
        tags: usize,
    },
    /// A line of CoNLL without a tag.
    #[error(
        "the line has no tag behind the token `{0}`; separate them by a tab or a space; for columns of a product file use `train tag --label NAME`"
    )]
    NoTag(String),
    /// A tag that is none of IOB2.
    #[error(
        "the tag `{0}` is neither O nor B- or I- with a label; for columns of a product file use `train tag --label NAME`"
    )]
    UnknownTag(String),
    /// `I-` where no span of its label is open.
    #[error(
        "the tag `{0}` follows neither B- nor I- of its label; the tags must be IOB2, in which B- begins every span"
    )]
    NotIob2(String),
}
