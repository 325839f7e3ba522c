//! A Router, which sends a text by its task to one of several lists of modules; sentence-transformers once called it
//! Asym.
//!
//! `router_config.json`, of an Asym `config.json`, has the class of every module in `types`, the modules of every route in
//! `structure`, and in `parameters` how a route is chosen. The modules after the Router follow those of every route.

use std::collections::BTreeMap;
use std::fmt;
use std::path::{Path, PathBuf};

use serde::Deserialize;
use serde::de::{Deserializer, MapAccess, Visitor};

use super::modules::{Module, ModuleList};
use crate::error::{ModelError, Result};
use crate::file::read_json;
use crate::router_error::RouterError;
use crate::routes::{RouteTask, Routes};

/// The files of the settings, the older one last.
pub(super) const ROUTER_FILES: [&str; 2] = ["router_config.json", "config.json"];

/// The modality of every text.
const TEXT: &str = "text";

#[derive(Deserialize)]
struct RouterConfig {
    types: BTreeMap<String, String>,
    /// In the order of the file, whose first route may be the default.
    #[serde(deserialize_with = "in_order")]
    structure: Vec<(String, Vec<String>)>,
    #[serde(default)]
    parameters: Parameters,
}

#[derive(Deserialize)]
#[serde(default)]
struct Parameters {
    default_route: Option<String>,
    allow_empty_key: bool,
    /// Routes by a task and a modality, written as a tuple of Python.
    route_mappings: Option<BTreeMap<String, String>>,
}

impl Default for Parameters {
    fn default() -> Self {
        Self {
            default_route: None,
            allow_empty_key: true,
            route_mappings: None,
        }
    }
}

/// The lists of modules of a model: one, or one for every route that a text can take; `None` without `modules.json`.
///
/// # Errors
///
/// When a file is damaged, or names a route or a module that is missing.
pub(crate) fn read(folder: &Path) -> Result<Routes<Option<ModuleList>>> {
    let Some(list) = ModuleList::read(folder)? else {
        return Ok(Routes::one(None));
    };
    match list.modules.split_first() {
        Some((router, after)) if router.is_router() => {
            let path = config_file(&list.subfolder(router)?);
            routes(&list, router, after, &path, &read_json(&path)?)
        }
        _ => Ok(Routes::one(Some(list))),
    }
}

/// The files that may hold the settings of a Router of a model, if it has one.
pub(crate) fn files(folder: &Path) -> Vec<PathBuf> {
    let list = ModuleList::read(folder).ok().flatten();
    let modules = list.iter().flat_map(|list| &list.modules);
    let places = modules.filter(|module| module.is_router());
    places
        .flat_map(|module| ROUTER_FILES.map(|name| Path::new(&module.path).join(name)))
        .collect()
}

/// The settings file of a Router in a folder.
fn config_file(folder: &Path) -> PathBuf {
    let [newer, older] = ROUTER_FILES.map(|name| folder.join(name));
    if newer.is_file() || !older.is_file() {
        newer
    } else {
        older
    }
}

fn routes(
    list: &ModuleList,
    router: &Module,
    after: &[Module],
    path: &Path,
    config: &RouterConfig,
) -> Result<Routes<Option<ModuleList>>> {
    config.check(path)?;
    let modules = |ids: &Vec<String>| {
        let of_route = ids.iter().map(|id| {
            let module_type = config.types.get(id);
            Ok(Module {
                path: match router.path.as_str() {
                    "" => id.clone(),
                    place => format!("{place}/{id}"),
                },
                module_type: module_type
                    .ok_or_else(|| wrong(path, "types", format!("has no type of `{id}`")))?
                    .clone(),
            })
        });
        Ok(ModuleList {
            folder: list.folder.clone(),
            file: path.to_owned(),
            modules: of_route
                .chain(after.iter().cloned().map(Ok))
                .collect::<Result<_>>()?,
        })
    };
    let by_name = |name: &str| config.structure.iter().find(|(route, _)| route == name);
    let routes = Routes::new(|task| config.route(task).and_then(by_name).cloned());
    let routes = routes.ok_or_else(|| RouterError::NoRoute {
        path: path.to_owned(),
        text: RouteTask::Document.text(),
        routes: config.names(),
    })?;
    routes.try_map(|_, ids| modules(&ids).map(Some))
}

impl RouterConfig {
    fn names(&self) -> Vec<String> {
        self.structure
            .iter()
            .map(|(name, _)| name.clone())
            .collect()
    }

    fn has(&self, name: &str) -> bool {
        self.structure.iter().any(|(route, _)| route == name)
    }

    /// The names of routes must be those of `structure`.
    fn check(&self, path: &Path) -> Result<()> {
        if self.structure.is_empty() {
            return Err(wrong(path, "structure", "has no route".to_owned()));
        }
        let mapped = self.parameters.route_mappings.iter().flatten();
        let mapped = mapped.map(|(_, name)| ("route_mappings", name));
        let default = self.parameters.default_route.iter();
        let mut named = default.map(|name| ("default_route", name)).chain(mapped);
        match named.find(|(_, name)| !self.has(name)) {
            None => Ok(()),
            Some((field, name)) => {
                let routes = self.names().join(", ");
                let reason = format!("\"{name}\" is not one of the routes {routes}");
                Err(wrong(path, field, reason))
            }
        }
    }

    /// The name of the route of a task: `_resolve_route` of sentence-transformers 5.7 for a text.
    fn route(&self, task: RouteTask) -> Option<&str> {
        let task = task.name();
        let mapped = |key: (Option<&str>, Option<&str>)| {
            let mut mappings = self.parameters.route_mappings.iter().flatten();
            let found = mappings.find(|(text, _)| mapping_key(text) == Some(key));
            found.map(|(_, route)| route.as_str())
        };
        let keys = [
            (task, Some(TEXT)),
            (task, None),
            (None, Some(TEXT)),
            (None, None),
        ];
        let named = keys
            .into_iter()
            .find_map(mapped)
            .or(task.filter(|task| self.has(task)))
            .or(self.has(TEXT).then_some(TEXT));
        if named.is_some() || task.is_some() {
            return named;
        }
        let first = self.structure.first().map(|(name, _)| name.as_str());
        let default = self.parameters.default_route.as_deref();
        default.or(first.filter(|_| self.parameters.allow_empty_key))
    }
}

/// Task and modality of a key such as `('query', 'text')` or `(None, 'image')`; `None` for several modalities, which no
/// text has, and for what sentence-transformers passes over.
fn mapping_key(key: &str) -> Option<(Option<&str>, Option<&str>)> {
    let (task, modality) = key
        .trim()
        .strip_prefix('(')?
        .strip_suffix(')')?
        .split_once(',')?;
    Some((python_name(task)?, python_name(modality)?))
}

/// A text or `None` as Python writes it.
fn python_name(text: &str) -> Option<Option<&str>> {
    let text = text.trim();
    if text == "None" {
        return Some(None);
    }
    let quoted = |quote| text.strip_prefix(quote)?.strip_suffix(quote);
    quoted('\'').or_else(|| quoted('"')).map(Some)
}

fn wrong(path: &Path, field: &'static str, reason: String) -> ModelError {
    ModelError::Field {
        path: path.to_owned(),
        field,
        reason,
    }
}

/// The entries of a JSON object in their order.
fn in_order<'de, D: Deserializer<'de>>(
    deserializer: D,
) -> std::result::Result<Vec<(String, Vec<String>)>, D::Error> {
    struct Entries;
    impl<'de> Visitor<'de> for Entries {
        type Value = Vec<(String, Vec<String>)>;

        fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
            formatter.write_str("an object of lists of modules")
        }

        fn visit_map<A: MapAccess<'de>>(
            self,
            mut map: A,
        ) -> std::result::Result<Self::Value, A::Error> {
            let mut entries = Vec::new();
            while let Some(entry) = map.next_entry()? {
                entries.push(entry);
            }
            Ok(entries)
        }
    }
    deserializer.deserialize_map(Entries)
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    const FIXTURE: &str = "tests/fixtures/router";

    fn config() -> Value {
        read_json(&Path::new(FIXTURE).join(ROUTER_FILES[0])).unwrap()
    }

    /// The routes of a folder with the `modules.json` of the fixture and these settings.
    fn routes(file: &str, config: &Value) -> Result<Routes<Option<ModuleList>>> {
        let folder = tempfile::tempdir().unwrap();
        let modules = Path::new(FIXTURE).join("modules.json");
        std::fs::copy(modules, folder.path().join("modules.json")).unwrap();
        std::fs::write(folder.path().join(file), text(config)).unwrap();
        read(folder.path())
    }

    /// The settings with the route of queries first, as in the fixture: a `Value` is written in alphabetical order.
    fn text(config: &Value) -> String {
        let structure = match &config["structure"] {
            Value::Object(routes) => {
                let routes = routes.iter().rev();
                let routes: Vec<String> = routes
                    .map(|(name, ids)| format!("{name:?}:{ids}"))
                    .collect();
                format!("{{{}}}", routes.join(","))
            }
            other => other.to_string(),
        };
        let [types, parameters] = ["types", "parameters"].map(|field| &config[field]);
        format!(r#"{{"types":{types},"structure":{structure},"parameters":{parameters}}}"#)
    }

    /// The first module of the route of a text without a task, of a query and of a document.
    fn first_modules(routes: &Routes<Option<ModuleList>>) -> [Option<&str>; 3] {
        [RouteTask::None, RouteTask::Query, RouteTask::Document].map(|task| {
            let list = routes.of(task)?.as_ref()?;
            Some(list.modules[0].path.as_str())
        })
    }

    /// The right values are those of sentence-transformers 5.7.0: `router.py` asked it.
    #[test]
    fn a_task_takes_the_route_that_sentence_transformers_chooses() {
        let answers: Value = read_json(&Path::new(FIXTURE).with_extension("json")).unwrap();
        let variants = answers["routes"].as_array().unwrap();
        assert_eq!(variants.len(), 8);
        for variant in variants {
            let mut config = config();
            config["parameters"] = variant["parameters"].clone();
            for file in ROUTER_FILES {
                let routes = routes(file, &config).unwrap();
                let expected = variant["routes"].as_array().unwrap().iter();
                let expected: Vec<Option<&str>> = expected
                    .map(|name| match name.as_str()? {
                        "query" => Some("query_0_StaticEmbedding"),
                        _ => Some("document_0_Transformer"),
                    })
                    .collect();
                assert_eq!(first_modules(&routes).to_vec(), expected, "{variant}");
            }
        }
    }

    #[test]
    fn the_modules_after_the_router_follow_those_of_every_route() {
        let routes = routes(ROUTER_FILES[0], &config()).unwrap();
        let lists = routes.all().map(|(name, list)| {
            let modules = list.iter().flat_map(|list| &list.modules);
            (
                name.as_str(),
                modules.map(Module::class).collect::<Vec<_>>(),
            )
        });
        let expected = [
            (
                "document",
                vec!["Transformer", "Pooling", "Dense", "Normalize"],
            ),
            ("query", vec!["StaticEmbedding", "Normalize"]),
        ];
        assert_eq!(lists.collect::<Vec<_>>(), expected);
    }

    #[test]
    fn a_damaged_file_names_its_field() {
        let cases = [
            ("/structure", json!({}), "field `structure`: has no route"),
            (
                "/types",
                json!({}),
                "field `types`: has no type of `document_0_Transformer`",
            ),
            (
                "/parameters/default_route",
                json!("image"),
                "field `default_route`: \"image\" is not one of the routes query, document",
            ),
            (
                "/parameters/route_mappings",
                json!({ "(None, None)": "image" }),
                "field `route_mappings`: \"image\" is not one of the routes",
            ),
            ("/structure", json!([]), "an object of lists of modules"),
            (
                "",
                json!({ "types": {}, "structure": { "a": [] }, "parameters": { "allow_empty_key": false } }),
                "no route takes a document; the routes are a",
            ),
        ];
        for (place, value, expected) in cases {
            let mut config = config();
            *config.pointer_mut(place).unwrap() = value;
            let message = routes(ROUTER_FILES[0], &config).unwrap_err().to_string();
            assert!(message.contains(expected), "{message}");
            assert!(message.contains(ROUTER_FILES[0]), "{message}");
        }
    }

    #[test]
    fn keys_are_read_as_python_writes_them() {
        for (key, expected) in [
            ("('query', 'text')", Some((Some("query"), Some("text")))),
            ("(None, \"text\")", Some((None, Some("text")))),
            ("( None , None )", Some((None, None))),
            ("('query', ('image', 'text'))", None),
            ("query", None),
            ("('query',)", None),
            ("('')", None),
        ] {
            assert_eq!(mapping_key(key), expected, "{key}");
        }
    }

    #[test]
    fn a_route_stays_in_the_folder() {
        let mut config = config();
        config["types"]["../x"] = json!("sentence_transformers.models.Transformer");
        config["structure"]["document"] = json!(["../x"]);
        let routes = routes(ROUTER_FILES[0], &config).unwrap();
        let list = routes.main().as_ref().unwrap();
        let error = list.subfolder(&list.modules[0]).unwrap_err().to_string();
        assert!(error.contains("leads out of the model folder"), "{error}");
    }
}
