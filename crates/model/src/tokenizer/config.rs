//! `tokenizer_config.json`: the settings with which transformers loads a tokenizer.

use std::collections::BTreeMap;

use serde::Deserialize;
use serde_json::{Map, Number, Value};
use tokenizers::normalizers::{Lowercase, NormalizerWrapper, Sequence};
use tokenizers::{PreTokenizerWrapper, Tokenizer, TruncationDirection};

use crate::architecture::TokenizerFamily;
use crate::boxed_error::BoxedError;

/// File name of these settings in a model folder.
pub(crate) const TOKENIZER_CONFIG_FILE: &str = "tokenizer_config.json";

/// The fields of the file that change token ids.
#[derive(Clone, Debug, Default, Deserialize)]
pub(crate) struct TokenizerConfig {
    pub(crate) model_max_length: Option<Number>,
    tokenizer_class: Option<String>,
    truncation_side: Option<TruncationSide>,
    pub(super) do_lower_case: Option<bool>,
    pub(super) strip_accents: Option<bool>,
    pub(super) tokenize_chinese_chars: Option<bool>,
    pub(super) do_basic_tokenize: Option<bool>,
    /// Tokens by id, as newer versions of transformers write them.
    pub(super) added_tokens_decoder: Option<BTreeMap<u32, AddedTokenFields>>,
    /// The class where the file names none.
    #[serde(skip)]
    family: TokenizerFamily,
    /// Among them the special tokens, such as `cls_token`.
    #[serde(flatten)]
    pub(super) others: BTreeMap<String, Value>,
}

/// A token of `tokenizer_config.json` or `special_tokens_map.json`.
#[derive(Clone, Debug, Default, Deserialize)]
pub(super) struct AddedTokenFields {
    pub(super) content: String,
    #[serde(default)]
    pub(super) single_word: bool,
    #[serde(default)]
    pub(super) lstrip: bool,
    #[serde(default)]
    pub(super) rstrip: bool,
    pub(super) normalized: Option<bool>,
    #[serde(default)]
    pub(super) special: bool,
}

/// Settings of `sentence_bert_config.json` that count more than those of `tokenizer_config.json`.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct TokenizerOverrides {
    pub(crate) truncation_side: Option<TruncationSide>,
    pub(crate) do_lower_case: Option<bool>,
}

impl TokenizerOverrides {
    /// Changes the settings of a `tokenizer_config.json`.
    pub(crate) fn write(self, fields: &mut Map<String, Value>) {
        if let Some(side) = self.truncation_side {
            fields.insert("truncation_side".to_owned(), side.name().into());
        }
        if let Some(lowercase) = self.do_lower_case {
            fields.insert("do_lower_case".to_owned(), lowercase.into());
        }
    }
}

/// The side from which tokens are cut.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum TruncationSide {
    Left,
    Right,
}

impl TruncationSide {
    fn name(self) -> &'static str {
        match self {
            Self::Left => "left",
            Self::Right => "right",
        }
    }
}

impl TokenizerConfig {
    /// The settings for a model of this family.
    pub(super) fn of(self, family: TokenizerFamily) -> Self {
        Self { family, ..self }
    }

    /// Takes the settings that count more.
    pub(super) fn replace(&mut self, overrides: TokenizerOverrides) {
        self.truncation_side = overrides.truncation_side.or(self.truncation_side);
        self.do_lower_case = overrides.do_lower_case.or(self.do_lower_case);
    }

    /// The family of the class that transformers chooses.
    pub(super) fn family(&self) -> TokenizerFamily {
        let name = self.tokenizer_class.as_deref();
        match name.map(|name| name.trim_end_matches("Fast")) {
            None => self.family,
            Some("MPNetTokenizer") => TokenizerFamily::Mpnet,
            // Classes of Python that take the same settings.
            Some(
                "BertTokenizer"
                | "ConvBertTokenizer"
                | "DistilBertTokenizer"
                | "ElectraTokenizer"
                | "FunnelTokenizer"
                | "LxmertTokenizer"
                | "MobileBertTokenizer",
            ) => TokenizerFamily::Bert,
            Some(_) => TokenizerFamily::Other,
        }
    }

    /// Whether transformers passes the types of tokens to the network: by `model_input_names`, or else by the class.
    pub(super) fn passes_types(&self) -> bool {
        let named = self
            .others
            .get("model_input_names")
            .and_then(Value::as_array);
        if let Some(names) = named {
            return names.iter().any(|name| name == "token_type_ids");
        }
        let class = self.tokenizer_class.as_deref().unwrap_or_default();
        let without = ["Roberta", "Camembert", "DistilBert", "MPNet"];
        !without.iter().any(|part| class.contains(part))
    }

    /// Gives a byte-level pre-tokenizer of `tokenizer.json` the `add_prefix_space` of this file, or false, as transformers
    /// does.
    pub(super) fn change_pre_tokenizer(&self, tokenizer: &mut Tokenizer) {
        let space = self.others.get("add_prefix_space").and_then(Value::as_bool);
        if let Some(PreTokenizerWrapper::ByteLevel(bytes)) = tokenizer.get_pre_tokenizer() {
            let bytes = bytes.add_prefix_space(space.unwrap_or(false));
            tokenizer.with_pre_tokenizer(Some(bytes));
        }
    }

    /// The name of the class, for errors.
    pub(super) fn class_name(&self) -> &str {
        self.tokenizer_class.as_deref().unwrap_or_default()
    }

    /// The side of this file, or that of the truncation of `tokenizer.json`.
    pub(super) fn truncation_direction(
        &self,
        of_file: Option<TruncationDirection>,
    ) -> TruncationDirection {
        match self.truncation_side {
            Some(TruncationSide::Left) => TruncationDirection::Left,
            Some(TruncationSide::Right) => TruncationDirection::Right,
            None => of_file.unwrap_or_default(),
        }
    }

    /// Whether texts are lower-cased, unless the file says otherwise.
    pub(super) fn lowercase(&self) -> bool {
        self.do_lower_case.unwrap_or(true)
    }

    /// Gives the normalizer of `tokenizer.json` these settings, as transformers does: they count
    /// more than those of the file.
    pub(super) fn change_normalizer(&self, tokenizer: &mut Tokenizer) -> Result<(), BoxedError> {
        let family = self.family();
        let Some(NormalizerWrapper::BertNormalizer(normalizer)) = tokenizer.get_normalizer() else {
            return Ok(());
        };
        if family == TokenizerFamily::Other {
            return Ok(());
        }
        let mut normalizer = *normalizer;
        normalizer.lowercase = self.lowercase();
        normalizer.strip_accents = self.strip_accents;
        if family == TokenizerFamily::Bert {
            normalizer.handle_chinese_chars = self.tokenize_chinese_chars.unwrap_or(true);
        }
        tokenizer.with_normalizer(Some(normalizer))?;
        Ok(())
    }
}

/// Lower-cases texts before the other normalizers (`do_lower_case` of `sentence_bert_config.json`).
///
/// As in sentence-transformers 5.7 this is inside the tokenizer, which finds special tokens first: `<S>`
/// does not become the special token `<s>`.
pub(super) fn lowercase_first(tokenizer: &mut Tokenizer) -> Result<(), BoxedError> {
    let own = match tokenizer.get_normalizer() {
        None => Vec::new(),
        Some(NormalizerWrapper::Sequence(sequence)) => sequence.as_ref().to_vec(),
        Some(other) => vec![other.clone()],
    };
    if own
        .iter()
        .any(|normalizer| matches!(normalizer, NormalizerWrapper::Lowercase(_)))
    {
        return Ok(());
    }
    let mut all = vec![NormalizerWrapper::Lowercase(Lowercase)];
    all.extend(own);
    tokenizer.with_normalizer(Some(Sequence::new(all)))?;
    Ok(())
}
