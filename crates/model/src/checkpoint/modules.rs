//! `modules.json` and the pooling configuration, of old and new sentence-transformers.

use std::path::{Component, Path, PathBuf};

use serde::Deserialize;
use serde_json::{Map, Value};

use super::pooled_modules::ModuleSettings;
use crate::error::{ModelError, Result};
use crate::file::{read_json, read_optional_json};
use crate::modules::pooling::PoolingMode;
use crate::router_error::RouterError;

pub(crate) const MODULES_FILE: &str = "modules.json";
pub(super) const POOLING_FOLDER: &str = "1_Pooling";
pub(crate) const POOLING_FILE: &str = "config.json";

/// The modules of an encoder, with complete folder paths.
pub(crate) struct Stack {
    /// The file that names the modules.
    file: PathBuf,
    pub(crate) transformer_folder: PathBuf,
    /// `None` for a plain transformer, a folder without `modules.json`.
    pub(crate) pooling_folder: Option<PathBuf>,
    /// The modules after the pooling: class and folder of each.
    pub(crate) rest: Vec<StackedModule>,
}

/// A module after the pooling.
pub(crate) struct StackedModule {
    /// Its number in the list.
    index: usize,
    /// Its type as the file has it.
    module_type: String,
    pub(crate) folder: PathBuf,
}

/// One entry of `modules.json`, or of a route.
#[derive(Clone, Debug, Deserialize)]
pub(crate) struct Module {
    /// The folder, from that of the model.
    #[serde(default)]
    pub(super) path: String,
    #[serde(rename = "type")]
    pub(super) module_type: String,
}

impl Module {
    pub(super) fn class(&self) -> &str {
        class(&self.module_type)
    }

    /// Whether it is a Router, by its present or its older name.
    pub(super) fn is_router(&self) -> bool {
        ["Router", "Asym"].contains(&self.class())
    }
}

/// The modules of a model, or of one route of it, in their order.
#[derive(Clone, Debug)]
pub(crate) struct ModuleList {
    /// The model folder.
    pub(super) folder: PathBuf,
    /// The file that names the modules.
    pub(super) file: PathBuf,
    pub(super) modules: Vec<Module>,
}

impl ModuleList {
    /// Reads `modules.json`; `None` without it.
    pub(crate) fn read(folder: &Path) -> Result<Option<Self>> {
        let file = folder.join(MODULES_FILE);
        let modules = read_optional_json(&file)?;
        Ok(modules.map(|modules| Self::new(folder, modules)))
    }

    /// The entries of the `modules.json` of a folder.
    pub(crate) fn new(folder: &Path, modules: Vec<Module>) -> Self {
        Self {
            folder: folder.to_owned(),
            file: folder.join(MODULES_FILE),
            modules,
        }
    }

    /// The stack of an encoder: Transformer, Pooling, and any others.
    pub(crate) fn stack(&self) -> Result<Stack> {
        self.check_no_router()?;
        let inside = |index: usize, expected: &str| {
            let module = self.modules.get(index);
            match module.filter(|module| module.class() == expected) {
                Some(module) => self.subfolder(module),
                None => Err(self.unsupported(index)),
            }
        };
        let rest = self.modules.iter().enumerate().skip(2);
        let rest = rest.map(|(index, module)| {
            Ok(StackedModule {
                index,
                module_type: module.module_type.clone(),
                folder: self.subfolder(module)?,
            })
        });
        Ok(Stack {
            file: self.file.clone(),
            transformer_folder: inside(0, "Transformer")?,
            pooling_folder: Some(inside(1, "Pooling")?),
            rest: rest.collect::<Result<_>>()?,
        })
    }

    /// The folder of a table of rows and whether vectors are scaled to norm 1, where the first module is a
    /// `StaticEmbedding`.
    pub(crate) fn static_embedding(&self) -> Result<Option<(PathBuf, bool)>> {
        let first = self.modules.first();
        let Some(first) = first.filter(|module| module.class() == "StaticEmbedding") else {
            return Ok(None);
        };
        let normalize = self.modules.get(1).map(Module::class);
        let wrong = match normalize {
            None | Some("Normalize") => 2,
            Some(_) => 1,
        };
        if wrong < self.modules.len() {
            return Err(self.unsupported(wrong));
        }
        Ok(Some((self.subfolder(first)?, normalize.is_some())))
    }

    /// The folder of the encoder where it is the only module, as of a cross-encoder.
    pub(super) fn encoder_alone(&self) -> Result<PathBuf> {
        self.check_no_router()?;
        match self.modules.as_slice() {
            [module] if module.class() == "Transformer" => self.subfolder(module),
            [_, _, ..] => Err(self.unsupported(1)),
            _ => Err(self.unsupported(0)),
        }
    }

    /// The folder of a module, which must lie inside the model's.
    pub(super) fn subfolder(&self, module: &Module) -> Result<PathBuf> {
        let name = Path::new(&module.path);
        if name
            .components()
            .all(|part| matches!(part, Component::Normal(_) | Component::CurDir))
        {
            return Ok(self.folder.join(name));
        }
        Err(ModelError::Field {
            path: self.file.clone(),
            field: "path",
            reason: format!("\"{}\" leads out of the model folder", name.display()),
        })
    }

    /// Refuses a Router, which has several lists of modules, where one is needed.
    fn check_no_router(&self) -> Result<()> {
        match self.modules.first() {
            Some(router) if router.is_router() => Err(RouterError::OneListNeeded {
                path: self.file.clone(),
            }
            .into()),
            _ => Ok(()),
        }
    }

    fn unsupported(&self, index: usize) -> ModelError {
        let module = self.modules.get(index);
        let module_type = module.map_or("(none)", |module| &module.module_type);
        unsupported(&self.file, index, module_type)
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

fn unsupported(file: &Path, index: usize, module_type: &str) -> ModelError {
    ModelError::UnsupportedModule {
        path: file.to_owned(),
        index,
        module_type: module_type.to_owned(),
    }
}

impl Stack {
    /// A folder without `modules.json`: a plain transformer.
    pub(super) fn plain(folder: &Path) -> Self {
        Self {
            file: folder.join(MODULES_FILE),
            transformer_folder: folder.to_owned(),
            pooling_folder: None,
            rest: Vec::new(),
        }
    }

    /// The settings of the modules after the pooling, whose vectors have `width` dimensions.
    pub(super) fn pooled_modules(&self, mut width: usize) -> Result<Vec<ModuleSettings>> {
        let mut settings = Vec::new();
        for module in &self.rest {
            let class = class(&module.module_type);
            let module = ModuleSettings::read(class, module.folder.clone(), width)?
                .ok_or_else(|| unsupported(&self.file, module.index, &module.module_type))?;
            width = module.width(width);
            settings.push(module);
        }
        Ok(settings)
    }
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
