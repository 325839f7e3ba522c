//! The fields of `config.json`, as `transformers` 4 and 5 write them.

use serde::Deserialize;

use super::super::Refusal;

/// Fields with the defaults of `transformers`' `ModernBertConfig`.
#[derive(Deserialize)]
#[serde(default)]
pub(super) struct ModernbertFields {
    pub(super) vocab_size: usize,
    pub(super) hidden_size: usize,
    pub(super) intermediate_size: usize,
    pub(super) num_hidden_layers: usize,
    pub(super) num_attention_heads: usize,
    pub(super) hidden_activation: String,
    pub(super) max_position_embeddings: usize,
    pub(super) initializer_range: f64,
    pub(super) norm_eps: f64,
    pub(super) norm_bias: bool,
    pub(super) pad_token_id: u32,
    global_rope_theta: f64,
    local_rope_theta: Option<f64>,
    pub(super) attention_bias: bool,
    pub(super) attention_dropout: f64,
    pub(super) embedding_dropout: f64,
    global_attn_every_n_layers: usize,
    pub(super) local_attention: usize,
    pub(super) mlp_bias: bool,
    pub(super) mlp_dropout: f64,
    /// The bases, where `transformers` 5 writes them.
    rope_parameters: Option<RopeParameters>,
    /// Other angles than those of the bases: not supported.
    rope_scaling: Option<serde_json::Value>,
    /// The kind of every layer, which `transformers` 5 writes.
    layer_types: Option<Vec<String>>,
}

#[derive(Deserialize)]
struct RopeParameters {
    full_attention: RopeBase,
    sliding_attention: RopeBase,
}

#[derive(Deserialize)]
struct RopeBase {
    rope_theta: f64,
    rope_type: Option<String>,
}

impl Default for ModernbertFields {
    fn default() -> Self {
        Self {
            vocab_size: 50_368,
            hidden_size: 768,
            intermediate_size: 1_152,
            num_hidden_layers: 22,
            num_attention_heads: 12,
            hidden_activation: "gelu".to_owned(),
            max_position_embeddings: 8_192,
            initializer_range: 0.02,
            norm_eps: 1e-5,
            norm_bias: false,
            pad_token_id: 50_283,
            global_rope_theta: 160_000.0,
            local_rope_theta: Some(10_000.0),
            attention_bias: false,
            attention_dropout: 0.0,
            embedding_dropout: 0.0,
            global_attn_every_n_layers: 3,
            local_attention: 128,
            mlp_bias: false,
            mlp_dropout: 0.0,
            rope_parameters: None,
            rope_scaling: None,
            layer_types: None,
        }
    }
}

impl ModernbertFields {
    /// The bases of the angles: of layers that attend to the whole text, and of those that attend within a window.
    pub(super) fn bases(&self) -> Result<(f64, f64), Refusal> {
        if let Some(scaling) = self
            .rope_scaling
            .as_ref()
            .filter(|scaling| !scaling.is_null())
        {
            return Err(Refusal::Field(
                "rope_scaling",
                format!("{scaling} is not supported"),
            ));
        }
        let (base, local_base) = match &self.rope_parameters {
            None => {
                let base = self.global_rope_theta;
                (base, self.local_rope_theta.unwrap_or(base))
            }
            Some(RopeParameters {
                full_attention,
                sliding_attention,
            }) => {
                for rope in [full_attention, sliding_attention] {
                    let kind = rope.rope_type.as_deref().unwrap_or("default");
                    if kind != "default" {
                        let reason = format!("\"{kind}\" is not supported, only \"default\"");
                        return Err(Refusal::Field("rope_parameters", reason));
                    }
                }
                (full_attention.rope_theta, sliding_attention.rope_theta)
            }
        };
        for (field, base) in [
            ("global_rope_theta", base),
            ("local_rope_theta", local_base),
        ] {
            if !(base >= 1.0 && base.is_finite()) {
                return Err(Refusal::Field(
                    field,
                    format!("{base} is not a finite number of at least 1"),
                ));
            }
        }
        Ok((base, local_base))
    }

    /// Every so many layers, from the first on, one attends to the whole text.
    pub(super) fn global_every(&self) -> Result<usize, Refusal> {
        let every = match &self.layer_types {
            None => self.global_attn_every_n_layers,
            Some(kinds) => {
                let globals = (1..kinds.len()).filter(|&layer| kinds[layer] == FULL);
                globals.min().unwrap_or(kinds.len().max(1))
            }
        };
        if every == 0 {
            let reason = "0 is not a number of layers".to_owned();
            return Err(Refusal::Field("global_attn_every_n_layers", reason));
        }
        let Some(kinds) = &self.layer_types else {
            return Ok(every);
        };
        let fits = |(layer, kind): (usize, &String)| (kind == FULL) == layer.is_multiple_of(every);
        if kinds.len() != self.num_hidden_layers || !kinds.iter().enumerate().all(fits) {
            let reason = format!(
                "must have {} layers, of which the first and then every so many have {FULL}",
                self.num_hidden_layers
            );
            return Err(Refusal::Field("layer_types", reason));
        }
        Ok(every)
    }
}

/// The kind of a layer that attends to the whole text.
const FULL: &str = "full_attention";
