//! The files of a repository that belong to a model.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use super::damage::{Damaged, check_whole};
use crate::architecture::CONFIG_FILE;
use crate::checkpoint::folders::{self, Role};
use crate::checkpoint::modules::MODULES_FILE;
use crate::checkpoint::router;
use crate::checkpoint::sentence::OLD_SENTENCE_FILES;
use crate::checkpoint::weights_files;
use crate::error::{ModelError, Result};

/// All files except the weights. Other formats in a repository are large and not needed.
const SMALL_FILES: &[&str] = &[
    "README.md",
    "config.json",
    "config_sentence_transformers.json",
    "modules.json",
    "router_config.json",
    "sentence_bert_config.json",
    "special_tokens_map.json",
    "tagger.json",
    "tokenizer.json",
    "tokenizer_config.json",
    "vocab.txt",
];

/// Files without which vectors are others, though nothing fails; of the model, and of its encoder.
const DECISIVE_OF_MODEL: [&str; 2] = [MODULES_FILE, "config_sentence_transformers.json"];
const DECISIVE_OF_ENCODER: [&str; 3] = [
    "sentence_bert_config.json",
    "tokenizer.json",
    "tokenizer_config.json",
];

/// Whether a file of a repository is wanted whatever its weights are: at the top, or in the folder of a
/// module.
pub(super) fn is_small(file: &str) -> bool {
    let is_small = |name| SMALL_FILES.contains(&name) || OLD_SENTENCE_FILES.contains(&name);
    match file.rsplit_once('/') {
        None => is_small(file),
        Some((folders, name)) => folders.split('/').all(is_module) && is_small(name),
    }
}

/// The folder of a module: `0_Transformer` in older models, `1_Pooling`, `2_Normalize`, …; of a route
/// `query_0_StaticEmbedding`.
fn is_module(folder: &str) -> bool {
    let number = |part: &str| !part.is_empty() && part.bytes().all(|c| c.is_ascii_digit());
    folder.split('_').rev().skip(1).any(number)
}

/// The files that say which modules a model has, besides `modules.json`.
pub(super) fn router_files(folder: &Path) -> Vec<String> {
    let files = router::files(folder);
    files.iter().filter_map(|file| name_of(file)).collect()
}

/// The folders with a tokenizer, from the top of a model: `""` for most, or for example `"0_Transformer/"`. A model
/// with a Router has several.
pub(super) fn encoders_of(folder: &Path) -> Vec<String> {
    let encoders = folders_of(folder, &[Role::Encoder, Role::Table]);
    if encoders.is_empty() {
        vec![String::new()]
    } else {
        encoders
    }
}

/// The folders of all modules with weights, from the top of a model.
pub(super) fn weighted_of(folder: &Path) -> Vec<String> {
    let mut folders = encoders_of(folder);
    folders.extend(folders_of(folder, &[Role::Weighted]));
    folders
}

/// The folders of these modules. An unreadable file is reported when the model is loaded.
fn folders_of(folder: &Path, roles: &[Role]) -> Vec<String> {
    let found = folders::folders(folder).unwrap_or_default();
    let found = found.iter().filter(|(role, _)| roles.contains(role));
    let names = found.filter_map(|(_, path)| name_of(path.strip_prefix(folder).ok()?));
    names
        .map(|name| if name.is_empty() { name } else { name + "/" })
        .collect()
}

/// A path inside a repository, as its name there.
fn name_of(path: &Path) -> Option<String> {
    let parts = path.iter().filter(|part| *part != ".");
    let parts: Option<Vec<&str>> = parts.map(|part| part.to_str()).collect();
    Some(parts?.join("/"))
}

/// The files, by their names in a repository, that settle how vectors are computed: there, or known to be
/// nowhere.
pub(super) fn decisive(encoders: &[String]) -> Vec<String> {
    let of_model = DECISIVE_OF_MODEL.iter().map(|name| (*name).to_owned());
    let of_encoder = encoders
        .iter()
        .flat_map(|encoder| DECISIVE_OF_ENCODER.map(|name| format!("{encoder}{name}")));
    of_model.chain(of_encoder).collect()
}

/// Why a folder is not the whole model.
#[derive(Debug, thiserror::Error)]
pub(super) enum Incomplete {
    /// A file that every model of this kind has.
    #[error("{}: the model there lacks {file}", folder.display())]
    Lacks { folder: PathBuf, file: String },
    /// Programs that load only the encoder leave such a folder.
    #[error(
        "{}: it has no {MODULES_FILE}, and whether the model has one is not known; without it the \
         pooling may be wrong",
        folder.display()
    )]
    Unknown { folder: PathBuf },
    #[error(transparent)]
    Damaged(#[from] Damaged),
}

/// The weights that would be loaded: one file, or an index and all that it names.
pub(super) fn weights(encoder: &Path) -> Result<Vec<PathBuf>> {
    let found = weights_files::find(encoder)?;
    let mut files = Vec::new();
    if weights_files::is_index(&found) {
        let shards = weights_files::shards(&found)?;
        files.extend(shards.iter().map(|shard| encoder.join(shard)));
    }
    files.push(found);
    Ok(files)
}

/// Checks that a snapshot is the whole model, as far as it shows. `is_absent` tells which files its
/// repository is known not to have.
pub(super) fn check(
    folder: &Path,
    is_absent: impl Fn(&str) -> bool,
) -> std::result::Result<(), Incomplete> {
    let modules_file = folder.join(MODULES_FILE);
    check_whole(&modules_file)?;
    if !modules_file.is_file() && !is_absent(MODULES_FILE) {
        return Err(Incomplete::Unknown {
            folder: folder.to_owned(),
        });
    }
    let routers = router_files(folder);
    for file in &routers {
        check_whole(&folder.join(file))?;
    }
    if let Some(file) = routers.first()
        && !routers.iter().any(|file| folder.join(file).is_file())
    {
        return Err(Incomplete::Lacks {
            folder: folder.to_owned(),
            file: file.clone(),
        });
    }
    // Modules that are not supported are reported when the model is loaded.
    let Ok(modules) = folders::folders(folder) else {
        return Ok(());
    };
    let needed: Vec<PathBuf> = modules
        .iter()
        .flat_map(|(role, module)| needed(*role, module))
        .collect();
    if let Some(path) = needed.iter().find(|path| !path.is_file()) {
        let file = path.strip_prefix(folder).unwrap_or(path);
        return Err(Incomplete::Lacks {
            folder: folder.to_owned(),
            file: file.display().to_string(),
        });
    }
    let places = std::iter::once(folder).chain(modules.iter().map(|(_, module)| module.as_path()));
    let small = places.flat_map(|place| SMALL_FILES.iter().map(|name| place.join(name)));
    let all: BTreeSet<PathBuf> = needed.iter().cloned().chain(small).collect();
    all.iter().try_for_each(|path| check_whole(path))?;
    Ok(())
}

/// The files without which a module cannot be loaded. A Normalize module has no file, and git keeps no empty folder.
fn needed(role: Role, module: &Path) -> Vec<PathBuf> {
    let mut needed = Vec::new();
    if role != Role::Table {
        needed.push(module.join(CONFIG_FILE));
    }
    if matches!(role, Role::Encoder | Role::Table) {
        let tokenizer = ["tokenizer.json", "vocab.txt"].map(|name| module.join(name));
        needed.push(match tokenizer {
            [json, vocabulary] if !json.is_file() && vocabulary.is_file() => vocabulary,
            [json, _] => json,
        });
    }
    if role != Role::Pooling {
        needed.extend(match weights(module) {
            Ok(weights) => weights,
            Err(ModelError::NoWeights { folder }) => vec![folder.join(weights_files::NAMES[0])],
            // An index that cannot be read is reported when the model is loaded.
            Err(_) => Vec::new(),
        });
    }
    needed
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A model with modules after the pooling is whole only with the weights of these.
    #[test]
    fn weights_of_every_module_belong_to_a_model() {
        let fixture = Path::new("tests/fixtures/architectures/xlm-roberta");
        assert_eq!(weighted_of(fixture), ["", "2_Dense/", "3_LayerNorm/"]);
        let copy = tempfile::tempdir().unwrap();
        let folder = copy.path();
        for file in [
            "modules.json",
            "config.json",
            "tokenizer.json",
            "model.safetensors",
            "1_Pooling/config.json",
            "2_Dense/config.json",
            "2_Dense/model.safetensors",
            "3_LayerNorm/config.json",
        ] {
            let to = folder.join(file);
            std::fs::create_dir_all(to.parent().unwrap()).unwrap();
            std::fs::copy(fixture.join(file), to).unwrap();
        }
        let error = check(folder, |_| true).unwrap_err().to_string();
        assert!(
            error.contains("lacks 3_LayerNorm/model.safetensors"),
            "{error}"
        );
        let last = "3_LayerNorm/model.safetensors";
        std::fs::copy(fixture.join(last), folder.join(last)).unwrap();
        check(folder, |_| true).unwrap();
    }

    /// A model with a Router is whole only with the modules of every route.
    #[test]
    fn the_folders_of_every_route_belong_to_a_model() {
        let fixture = Path::new("tests/fixtures/router");
        let encoders = ["document_0_Transformer/", "query_0_StaticEmbedding/"];
        assert_eq!(encoders_of(fixture), encoders);
        let weighted = [encoders[0], encoders[1], "document_2_Dense/"];
        assert_eq!(weighted_of(fixture), weighted);
        check(fixture, |_| true).unwrap();
        let copy = tempfile::tempdir().unwrap();
        let folder = copy.path();
        let lacks = |file: &str| {
            let error = check(folder, |_| true).unwrap_err().to_string();
            assert!(error.ends_with(&format!("lacks {file}")), "{error}");
            let to = folder.join(file);
            std::fs::create_dir_all(to.parent().unwrap()).unwrap();
            std::fs::copy(fixture.join(file), to).unwrap();
        };
        std::fs::copy(fixture.join(MODULES_FILE), folder.join(MODULES_FILE)).unwrap();
        for file in [
            "router_config.json",
            "document_0_Transformer/config.json",
            "document_0_Transformer/tokenizer.json",
            "document_0_Transformer/model.safetensors",
            "document_1_Pooling/config.json",
            "document_2_Dense/config.json",
            "document_2_Dense/model.safetensors",
            "query_0_StaticEmbedding/tokenizer.json",
            "query_0_StaticEmbedding/model.safetensors",
        ] {
            lacks(file);
        }
        check(folder, |_| true).unwrap();
        let nested = Path::new("tests/fixtures/static/nested");
        assert_eq!(weighted_of(nested), ["0_StaticEmbedding/"]);
    }
}
