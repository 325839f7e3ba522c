//! `sentence_bert_config.json`: the arguments with which sentence-transformers makes the encoder and its tokenizer.

use std::path::{Path, PathBuf};

use serde::Deserialize;
use serde_json::{Map, Number, Value, json};

use crate::error::{ModelError, Result};
use crate::file::read_optional_json;
use crate::tokenizer::TokenizerOverrides;

/// The file of these settings.
pub(crate) const SENTENCE_FILE: &str = "sentence_bert_config.json";

/// Its names in old models, in the order of sentence-transformers.
pub(crate) const OLD_SENTENCE_FILES: [&str; 6] = [
    "sentence_roberta_config.json",
    "sentence_distilbert_config.json",
    "sentence_camembert_config.json",
    "sentence_albert_config.json",
    "sentence_xlm-roberta_config.json",
    "sentence_xlnet_config.json",
];

/// Arguments of `from_pretrained` that sentence-transformers replaces by its own, or that change no token.
const WITHOUT_EFFECT: [&str; 8] = [
    "cache_dir",
    "local_files_only",
    "max_length",
    "padding_side",
    "revision",
    "subfolder",
    "token",
    "trust_remote_code",
];

#[derive(Default, Deserialize)]
pub(crate) struct SentenceConfig {
    max_seq_length: Option<Number>,
    do_lower_case: Option<bool>,
    #[serde(flatten)]
    others: Map<String, Value>,
}

/// What the encoder's output is used for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Task {
    /// Its hidden states are pooled.
    Vectors,
    /// A head gives pairs of texts a score.
    Scores,
}

impl Task {
    /// Its `transformer_task`, the output in `modality_config`, and the name of that output.
    pub(super) fn settings(self) -> [&'static str; 3] {
        match self {
            Self::Vectors => [
                "feature-extraction",
                "last_hidden_state",
                "token_embeddings",
            ],
            Self::Scores => ["sequence-classification", "logits", "scores"],
        }
    }
}

/// The settings of the file.
pub(crate) struct SentenceSettings {
    pub(super) path: PathBuf,
    /// The field that states the maximum length, and the length.
    pub(super) length: Option<(&'static str, Number)>,
    pub(super) lowercase: bool,
    pub(super) tokenizer: TokenizerOverrides,
}

/// Reads the first file that is not empty, as sentence-transformers does.
pub(super) fn read(folder: &Path, task: Task) -> Result<Option<SentenceSettings>> {
    for name in std::iter::once(SENTENCE_FILE).chain(OLD_SENTENCE_FILES) {
        let path = folder.join(name);
        let config = read_optional_json::<SentenceConfig>(&path)?;
        if let Some(config) = config.filter(|config| !config.is_empty()) {
            return settings(path, config, task).map(Some);
        }
    }
    Ok(None)
}

/// The settings of a parsed file; `path` is named in errors.
pub(crate) fn settings(
    path: PathBuf,
    config: SentenceConfig,
    task: Task,
) -> Result<SentenceSettings> {
    let wrong = |field, reason| ModelError::Field {
        path: path.clone(),
        field,
        reason,
    };
    config
        .check_network(task)
        .map_err(|(field, reason)| wrong(field, reason))?;
    let mut length = config
        .max_seq_length
        .clone()
        .map(|length| ("max_seq_length", length));
    let number = |value: &Value| match value {
        Value::Number(number) => Ok(number.clone()),
        other => Err(format!("`{other}` is not a number")),
    };

    let mut tokenizer = TokenizerOverrides::default();
    let (field, arguments) = config.arguments("tokenizer_args", "processor_kwargs");
    let unsupported = |name: &str| {
        format!("`{name}` is not supported (only truncation_side, do_lower_case, model_max_length)")
    };
    for (name, value) in arguments.into_iter().flatten() {
        let parsed = match name.as_str() {
            "model_max_length" => number(value).map(|number| length = Some((field, number))),
            "truncation_side" => serde_json::from_value(value.clone())
                .map(|side| tokenizer.truncation_side = Some(side))
                .map_err(|error| error.to_string()),
            "do_lower_case" => match value {
                Value::Bool(lowercase) => {
                    tokenizer.do_lower_case = Some(*lowercase);
                    Ok(())
                }
                other => Err(format!("`{other}` is neither true nor false")),
            },
            name if WITHOUT_EFFECT.contains(&name) => Ok(()),
            name => return Err(wrong(field, unsupported(name))),
        };
        parsed.map_err(|reason| wrong(field, format!("`{name}`: {reason}")))?;
    }

    // Arguments of each call: they count more, and those of all modalities count most.
    let field = "processing_kwargs";
    for group in ["text", "common"] {
        let arguments = config
            .others
            .get(field)
            .and_then(|groups| groups.get(group));
        for (name, value) in arguments.and_then(Value::as_object).into_iter().flatten() {
            if name != "max_length" {
                let reason = format!("`{group}.{name}` is not supported (only max_length)");
                return Err(wrong(field, reason));
            }
            let number = number(value);
            let number =
                number.map_err(|reason| wrong(field, format!("`{group}.{name}`: {reason}")))?;
            length = Some((field, number));
        }
    }
    Ok(SentenceSettings {
        length,
        lowercase: config.do_lower_case.unwrap_or_default(),
        tokenizer,
        path,
    })
}

impl SentenceConfig {
    fn is_empty(&self) -> bool {
        self.max_seq_length.is_none() && self.do_lower_case.is_none() && self.others.is_empty()
    }

    /// The arguments by their older name, which counts more, or by the newer one; and that name.
    fn arguments(
        &self,
        old: &'static str,
        new: &'static str,
    ) -> (&'static str, Option<&Map<String, Value>>) {
        let (name, value) = match self.others.get(old) {
            Some(value) => (old, Some(value)),
            None => (new, self.others.get(new)),
        };
        (name, value.and_then(Value::as_object))
    }

    /// Refuses arguments by which the network is another one, or another output of it is pooled: a field and
    /// what is wrong with it.
    fn check_network(&self, task: Task) -> std::result::Result<(), (&'static str, String)> {
        let others = &self.others;
        let (field, arguments) = self.arguments("config_args", "config_kwargs");
        let mut names = arguments
            .into_iter()
            .flatten()
            .map(|(name, _)| name.as_str());
        if let Some(name) = names.find(|name| !WITHOUT_EFFECT.contains(name)) {
            return Err((
                field,
                format!("`{name}` is not supported; set it in config.json"),
            ));
        }
        let [task, output, name] = task.settings();
        let mut usual = vec![("transformer_task", json!(task))];
        // Without the modalities, sentence-transformers takes the usual output whatever its name is.
        if others.contains_key("modality_config") {
            let text = json!({ "method": "forward", "method_output_name": output });
            usual.push(("modality_config", json!({ "text": text })));
            usual.push(("module_output_name", json!(name)));
        }
        for (field, usual) in usual {
            if let Some(found) = others.get(field)
                && *found != usual
            {
                return Err((field, format!("{found} is not supported (only {usual})")));
            }
        }
        let field = "tokenizer_name_or_path";
        match others.get(field) {
            None | Some(Value::Null) => Ok(()),
            Some(name) => Err((
                field,
                format!("{name}: a tokenizer of another model is not supported"),
            )),
        }
    }
}
