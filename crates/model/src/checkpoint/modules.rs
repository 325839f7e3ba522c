//! `modules.json` and the pooling configuration, of old and new sentence-transformers.

use std::path::{Component, Path, PathBuf};

use serde::Deserialize;
use serde_json::{Map, Value};

use super::pooled_modules::ModuleSettings;
use crate::error::{ModelError, Result};
use crate::file::{read_json, read_optional_json};
use crate::modules::pooling::PoolingMode;

pub(crate) const MODULES_FILE: &str = "modules.json";
pub(super) const POOLING_FOLDER: &str = "1_Pooling";
pub(crate) const POOLING_FILE: &str = "config.json";

/// The stack of `modules.json`, with complete folder paths.
pub(crate) struct Stack {
    pub(crate) transformer_folder: PathBuf,
    /// `None` for a plain transformer, a folder without `modules.json`.
    pub(crate) pooling_folder: Option<PathBuf>,
    /// The modules after the pooling: class and folder of each.
    pub(crate) rest: Vec<StackedModule>,
}

/// A module after the pooling.
pub(crate) struct StackedModule {
    /// Its number in `modules.json`.
    index: usize,
    /// Its type as the file has it.
    module_type: String,
    pub(crate) folder: PathBuf,
}

/// One entry of `modules.json`.
#[derive(Deserialize)]
pub(crate) struct Module {
    #[serde(default)]
    path: String,
    #[serde(rename = "type")]
    module_type: String,
}

/// Reads the stack; a folder without `modules.json` is a plain transformer.
pub(crate) fn read(folder: &Path) -> Result<Stack> {
    match read_optional_json::<Vec<Module>>(&folder.join(MODULES_FILE))? {
        Some(modules) => stack(folder, &modules),
        None => Ok(Stack {
            transformer_folder: folder.to_owned(),
            pooling_folder: None,
            rest: Vec::new(),
        }),
    }
}

/// The stack that the entries of `modules.json` describe: Transformer, Pooling, and any others.
pub(crate) fn stack(folder: &Path, modules: &[Module]) -> Result<Stack> {
    let path = folder.join(MODULES_FILE);
    let inside = |index: usize, expected: &str| {
        let module = modules.get(index);
        match module.filter(|module| class(&module.module_type) == expected) {
            Some(module) => subfolder(folder, &module.path, &path),
            None => {
                let module_type = module.map_or("(none)", |module| &module.module_type);
                Err(unsupported(folder, index, module_type))
            }
        }
    };
    let rest = modules.iter().enumerate().skip(2).map(|(index, module)| {
        Ok(StackedModule {
            index,
            module_type: module.module_type.clone(),
            folder: subfolder(folder, &module.path, &path)?,
        })
    });
    Ok(Stack {
        transformer_folder: inside(0, "Transformer")?,
        pooling_folder: Some(inside(1, "Pooling")?),
        rest: rest.collect::<Result<_>>()?,
    })
}

/// The folder of a table of rows and whether vectors are scaled to norm 1, for a `modules.json` that begins with a
/// `StaticEmbedding`.
pub(crate) fn static_embedding(folder: &Path) -> Result<Option<(PathBuf, bool)>> {
    let path = folder.join(MODULES_FILE);
    let modules: Option<Vec<Module>> = read_optional_json(&path)?;
    let modules = modules.unwrap_or_default();
    let first = modules.first();
    let Some(first) = first.filter(|module| class(&module.module_type) == "StaticEmbedding") else {
        return Ok(None);
    };
    let normalize = modules.get(1).map(|module| class(&module.module_type));
    let wrong = match normalize {
        None | Some("Normalize") => 2,
        Some(_) => 1,
    };
    match modules.get(wrong) {
        None => Ok(Some((
            subfolder(folder, &first.path, &path)?,
            normalize.is_some(),
        ))),
        Some(module) => Err(unsupported(folder, wrong, &module.module_type)),
    }
}

/// The folder of the encoder where it is the only module, as of a cross-encoder.
pub(super) fn encoder_alone(folder: &Path) -> Result<PathBuf> {
    let path = folder.join(MODULES_FILE);
    let modules: Vec<Module> = read_json(&path)?;
    match modules.as_slice() {
        [module] if class(&module.module_type) == "Transformer" => {
            subfolder(folder, &module.path, &path)
        }
        [] => Err(unsupported(folder, 0, "(none)")),
        [module] => Err(unsupported(folder, 0, &module.module_type)),
        [_, module, ..] => Err(unsupported(folder, 1, &module.module_type)),
    }
}

/// The class of a module's type. The path between the package and the class differs between versions; a class of
/// another package is unknown.
fn class(module_type: &str) -> &str {
    let inside = module_type.strip_prefix("sentence_transformers.");
    inside
        .and_then(|path| path.rsplit('.').next())
        .unwrap_or_default()
}

fn unsupported(folder: &Path, index: usize, module_type: &str) -> ModelError {
    ModelError::UnsupportedModule {
        path: folder.join(MODULES_FILE),
        index,
        module_type: module_type.to_owned(),
    }
}

impl Stack {
    /// The folders of the modules after the pooling that have weights.
    pub(crate) fn weighted_folders(&self) -> impl Iterator<Item = &Path> {
        let weighted = self
            .rest
            .iter()
            .filter(|module| ["Dense", "LayerNorm"].contains(&class(&module.module_type)));
        weighted.map(|module| module.folder.as_path())
    }

    /// The settings of the modules after the pooling, whose vectors have `width` dimensions.
    pub(super) fn pooled_modules(
        &self,
        folder: &Path,
        mut width: usize,
    ) -> Result<Vec<ModuleSettings>> {
        let mut settings = Vec::new();
        for module in &self.rest {
            let class = class(&module.module_type);
            let module = ModuleSettings::read(class, module.folder.clone(), width)?
                .ok_or_else(|| unsupported(folder, module.index, &module.module_type))?;
            width = module.width(width);
            settings.push(module);
        }
        Ok(settings)
    }
}

/// A module's folder must lie inside the model's.
fn subfolder(folder: &Path, name: &str, modules_file: &Path) -> Result<PathBuf> {
    let name = Path::new(name);
    if name
        .components()
        .all(|part| matches!(part, Component::Normal(_) | Component::CurDir))
    {
        return Ok(folder.join(name));
    }
    Err(ModelError::Field {
        path: modules_file.to_owned(),
        field: "path",
        reason: format!("\"{}\" leads out of the model folder", name.display()),
    })
}

/// The pooling of a model.
pub(crate) struct Pooling {
    pub(crate) modes: Vec<PoolingMode>,
    /// Whether the tokens of a prompt are pooled too.
    pub(super) include_prompt: bool,
}

impl Default for Pooling {
    fn default() -> Self {
        Self {
            modes: vec![PoolingMode::Mean],
            include_prompt: true,
        }
    }
}

/// Reads the pooling: `pooling_mode` (a name or a list of names) or, before 5.7, one flag per mode; and
/// `include_prompt`.
pub(super) fn read_pooling(folder: &Path, hidden_size: usize) -> Result<Pooling> {
    let path = folder.join(POOLING_FILE);
    pooling(&path, &read_json(&path)?, hidden_size)
}

/// The pooling that `config` describes; `path` is named in errors.
pub(crate) fn pooling(
    path: &Path,
    config: &Map<String, Value>,
    hidden_size: usize,
) -> Result<Pooling> {
    let wrong = |field, reason| ModelError::Field {
        path: path.to_owned(),
        field,
        reason,
    };
    let modes = pooling_modes(config, hidden_size, wrong)?;
    let include_prompt = match config.get("include_prompt") {
        None => true,
        // As in sentence-transformers, which takes no value for no.
        Some(Value::Null) => false,
        Some(Value::Bool(include)) => *include,
        Some(other) => {
            let reason = format!("{other} is neither true nor false");
            return Err(wrong("include_prompt", reason));
        }
    };
    Ok(Pooling {
        modes,
        include_prompt,
    })
}

fn pooling_modes(
    config: &Map<String, Value>,
    hidden_size: usize,
    wrong: impl Fn(&'static str, String) -> ModelError,
) -> Result<Vec<PoolingMode>> {
    for field in ["embedding_dimension", "word_embedding_dimension"] {
        if let Some(width) = config.get(field)
            && width.as_u64() != Some(hidden_size as u64)
        {
            return Err(wrong(
                field,
                format!("{width} differs from hidden_size {hidden_size} in config.json"),
            ));
        }
    }
    let by_name = |name: &Value| {
        PoolingMode::ALL
            .into_iter()
            .find(|mode| name.as_str() == Some(mode.name()))
            .ok_or_else(|| {
                wrong(
                    "pooling_mode",
                    format!("{name} is not supported (only {})", supported_names()),
                )
            })
    };
    let flag = |field| match config.get(field) {
        None | Some(Value::Null) => Ok(false),
        Some(Value::Bool(flag)) => Ok(*flag),
        Some(other) => Err(wrong(field, format!("{other} is neither true nor false"))),
    };
    match config.get("pooling_mode") {
        Some(Value::Array(names)) if names.is_empty() => {
            Err(wrong("pooling_mode", "names no mode".to_owned()))
        }
        Some(Value::Array(names)) => names.iter().map(by_name).collect(),
        Some(name) => Ok(vec![by_name(name)?]),
        None => {
            let mut modes = Vec::new();
            for mode in PoolingMode::ALL {
                if flag(mode.flag())? {
                    modes.push(mode);
                }
            }
            // As in sentence-transformers: without a flag, the mean.
            Ok(if modes.is_empty() {
                vec![PoolingMode::Mean]
            } else {
                modes
            })
        }
    }
}

fn supported_names() -> String {
    PoolingMode::ALL.map(PoolingMode::name).join(", ")
}
