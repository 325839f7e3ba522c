//! Errors of models with a Router.

use std::path::PathBuf;

/// Why a model with a Router cannot be used so.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum RouterError {
    /// One list of modules is needed, and a Router has several.
    #[error(
        "{}: a model with a Router only computes vectors; it is neither trained nor exported, and is no reranker",
        path.display()
    )]
    OneListNeeded {
        /// The file that names the Router.
        path: PathBuf,
    },
    /// No route takes a text.
    #[error("{}: no route takes a {text}; the routes are {}", path.display(), routes.join(", "))]
    NoRoute {
        /// The model folder, or the file that names the routes.
        path: PathBuf,
        /// What the text is.
        text: &'static str,
        /// The names of the routes.
        routes: Vec<String>,
    },
    /// The vectors of two routes cannot be compared.
    #[error(
        "{}: the route `{}` gives vectors of {} dimensions and the route `{}` of {}; both must have the same number",
        folder.display(), names[0], widths[0], names[1], widths[1]
    )]
    Widths {
        /// The model folder.
        folder: PathBuf,
        /// The names of the routes.
        names: [String; 2],
        /// The dimensions of their vectors.
        widths: [usize; 2],
    },
}
