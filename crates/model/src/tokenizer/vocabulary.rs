//! A tokenizer from `vocab.txt`, as transformers builds it where `tokenizer.json` is missing.

use std::collections::BTreeMap;
use std::path::Path;

use serde_json::{Map, Value, json};

use super::config::{AddedTokenFields, TOKENIZER_CONFIG_FILE, TokenizerConfig};
use crate::architecture::TokenizerFamily;
use crate::error::{ModelError, Result};
use crate::file::{is_git_lfs_pointer, read_optional_json};

/// File name of the vocabulary in a model folder, a token per line.
pub(crate) const VOCABULARY_FILE: &str = "vocab.txt";

/// File of the special tokens, which older versions of transformers read.
const SPECIAL_TOKENS_FILE: &str = "special_tokens_map.json";

/// A special token: its field in the files, its text in MPNet and in BERT.
const SPECIAL_TOKENS: [(&str, Option<&str>, Option<&str>); 7] = [
    ("bos_token", Some("<s>"), None),
    ("eos_token", Some("</s>"), None),
    ("unk_token", Some("[UNK]"), Some("[UNK]")),
    ("sep_token", Some("</s>"), Some("[SEP]")),
    ("pad_token", Some("<pad>"), Some("[PAD]")),
    ("cls_token", Some("<s>"), Some("[CLS]")),
    ("mask_token", Some("<mask>"), Some("[MASK]")),
];

/// The content of a `tokenizer.json` that has the vocabulary and the settings of `folder`.
pub(super) fn tokenizer_json(folder: &Path, config: &TokenizerConfig) -> Result<Vec<u8>> {
    let path = folder.join(VOCABULARY_FILE);
    let text = std::fs::read_to_string(&path).map_err(|source| ModelError::io(&path, source))?;
    if is_git_lfs_pointer(text.as_bytes()) {
        return Err(ModelError::GitLfsPointer { path });
    }
    let vocabulary = vocabulary(&text);
    let family = config.family();
    if family == TokenizerFamily::Other {
        return Err(ModelError::Field {
            path: folder.join(TOKENIZER_CONFIG_FILE),
            field: "tokenizer_class",
            reason: format!(
                "a tokenizer of the class {} cannot be built from {VOCABULARY_FILE}; write \
                 tokenizer.json with Python: AutoTokenizer.from_pretrained(DIR).save_pretrained(DIR)",
                config.class_name()
            ),
        });
    }
    let special = special_tokens(folder, config, family)?;
    let id = |field: &'static str| {
        let token = special
            .get(field)
            .map_or("", |token| token.content.as_str());
        let id = vocabulary.get(token).ok_or_else(|| ModelError::Field {
            path: path.clone(),
            field,
            reason: format!("`{token}` is not in the vocabulary"),
        })?;
        Ok::<_, ModelError>((token, *id))
    };
    let (unknown, _) = id("unk_token")?;
    let (cls, sep) = (id("cls_token")?, id("sep_token")?);
    let basic = config.do_basic_tokenize.unwrap_or(true);
    let tokenizer = json!({
        "version": "1.0",
        "added_tokens": added_tokens(&vocabulary, &special, config),
        "normalizer": {
            "type": "BertNormalizer",
            "clean_text": true,
            "handle_chinese_chars": basic && config.tokenize_chinese_chars.unwrap_or(true),
            "strip_accents": config.strip_accents,
            "lowercase": config.lowercase(),
        },
        "pre_tokenizer": { "type": "BertPreTokenizer" },
        "post_processor": { "type": "BertProcessing", "sep": sep, "cls": cls },
        "model": {
            "type": "WordPiece",
            "unk_token": unknown,
            "continuing_subword_prefix": "##",
            "max_input_chars_per_word": 100,
            "vocab": vocabulary,
        },
    });
    serde_json::to_vec(&tokenizer).map_err(|source| ModelError::Tokenizer {
        path,
        source: source.into(),
    })
}

/// Ids by token: the number of the line, from 0. Lines end as Python's do; of a repeated token the
/// last line counts.
fn vocabulary(text: &str) -> BTreeMap<String, u32> {
    let text = text.replace("\r\n", "\n").replace('\r', "\n");
    let text = text.strip_suffix('\n').unwrap_or(&text);
    let lines = text.split('\n').map(str::to_owned);
    lines.zip(0..).collect()
}

/// The special tokens by their field: of `tokenizer_config.json`, of `special_tokens_map.json`, or of the
/// class.
fn special_tokens(
    folder: &Path,
    config: &TokenizerConfig,
    family: TokenizerFamily,
) -> Result<BTreeMap<&'static str, AddedTokenFields>> {
    let map = match config.added_tokens_decoder {
        // As transformers: the newer form of the settings replaces the other file.
        Some(_) => None,
        None => read_optional_json::<Map<String, Value>>(&folder.join(SPECIAL_TOKENS_FILE))?,
    };
    let map = map.unwrap_or_default();
    let mut tokens = BTreeMap::new();
    for (field, of_mpnet, of_bert) in SPECIAL_TOKENS {
        let of_class = match family {
            TokenizerFamily::Mpnet => of_mpnet,
            TokenizerFamily::Bert | TokenizerFamily::Other => of_bert,
        };
        let in_files = map.get(field).or_else(|| config.others.get(field));
        let token = match in_files {
            Some(Value::String(text)) => Some(default_token(field, family, text)),
            Some(fields @ Value::Object(_)) => {
                let token = serde_json::from_value::<AddedTokenFields>(fields.clone());
                token.ok().map(|token| AddedTokenFields {
                    special: true,
                    ..token
                })
            }
            _ => of_class.map(|text| default_token(field, family, text)),
        };
        if let Some(token) = token {
            tokens.insert(field, token);
        }
    }
    Ok(tokens)
}

/// A special token of which only the text is known: MPNet's mask takes the space before it.
fn default_token(field: &str, family: TokenizerFamily, text: &str) -> AddedTokenFields {
    AddedTokenFields {
        content: text.to_owned(),
        lstrip: field == "mask_token" && family == TokenizerFamily::Mpnet,
        special: true,
        ..AddedTokenFields::default()
    }
}

/// The entry `added_tokens`: the special tokens of the vocabulary, and the tokens of
/// `added_tokens_decoder`, whose properties count more.
fn added_tokens(
    vocabulary: &BTreeMap<String, u32>,
    special: &BTreeMap<&'static str, AddedTokenFields>,
    config: &TokenizerConfig,
) -> Vec<Value> {
    let special = special
        .values()
        .filter_map(|token| Some((*vocabulary.get(&token.content)?, token)));
    let mut by_id: BTreeMap<u32, &AddedTokenFields> = special.collect();
    for (id, token) in config.added_tokens_decoder.iter().flatten() {
        let id = vocabulary.get(&token.content).unwrap_or(id);
        by_id.insert(*id, token);
    }
    let entry = |(id, token): (u32, &AddedTokenFields)| {
        json!({
            "id": id,
            "content": token.content,
            "single_word": token.single_word,
            "lstrip": token.lstrip,
            "rstrip": token.rstrip,
            "normalized": token.normalized.unwrap_or(!token.special),
            "special": token.special,
        })
    };
    by_id.into_iter().map(entry).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_of_the_vocabulary_end_as_in_python() {
        let ids = |text| vocabulary(text).into_iter().collect::<Vec<_>>();
        let expected = [("a".to_owned(), 0), ("b ".to_owned(), 1)];
        for text in ["a\nb ", "a\nb \n", "a\r\nb \r\n", "a\rb \r"] {
            assert_eq!(ids(text), expected, "{text:?}");
        }
        // An empty line is a token, and a repeated token has its last number.
        let expected = [(String::new(), 1), ("a".to_owned(), 2)];
        assert_eq!(ids("a\n\na\n"), expected);
    }
}
