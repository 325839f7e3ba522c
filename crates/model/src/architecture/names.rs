//! Names of tensors in `transformers`: the data of a page.

/// Names of the tensors of an architecture, without a prefix and without `.weight` and `.bias`.
pub(crate) struct Names {
    /// The table of words, which every file of the architecture has.
    pub(crate) words: &'static str,
    /// The table of positions.
    pub(crate) positions: &'static str,
    /// The table of token types.
    pub(crate) token_types: &'static str,
    /// LayerNorm of the embeddings.
    pub(crate) embedding_norm: &'static str,
    /// The table of the relative position bias.
    pub(crate) relative_bias: &'static str,
    /// LayerNorm after the last layer, in pre-norm order.
    pub(crate) final_norm: &'static str,
    /// The list of layers.
    pub(crate) layers: &'static str,
    /// Modules of a layer.
    pub(crate) layer: LayerNames,
    /// Tensors that published files have and no vector depends on.
    pub(crate) unused: &'static [&'static str],
    /// Heads that `transformers` puts on the encoder, by the start of their tensors' names.
    pub(crate) heads: &'static [&'static str],
}

/// Names within a layer.
pub(crate) struct LayerNames {
    pub(crate) projections: Projections,
    pub(crate) attention_output: &'static str,
    pub(crate) attention_norm: &'static str,
    pub(crate) intermediate: &'static str,
    pub(crate) output: &'static str,
    pub(crate) output_norm: &'static str,
}

/// Names of the linear layers for query, key and value.
pub(crate) enum Projections {
    Separate {
        query: &'static str,
        key: &'static str,
        value: &'static str,
    },
    /// One layer, whose outputs are the queries, then the keys, then the values.
    Joined(&'static str),
}
