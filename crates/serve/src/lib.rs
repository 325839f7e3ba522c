//! Vectors, search and recommendations over HTTP.
//!
//! A [`Server`] listens at once and answers requests when its model is [loaded](Server::load). Routes and names are those
//! of text-embeddings-inference and of OpenAI, so that their clients need another address alone;
//! `/api-doc/openapi.json` describes them.
//!
//! | what | module |
//! | --- | --- |
//! | connections, from the listener to the end | `server` |
//! | one thread that owns the model, and what it computes next | `engine` |
//! | from texts to vectors | `texts` |
//! | from a question to hits | `hits` |
//! | an index or a store, and its changes | `catalogue`, `writer` |
//! | a file for each task of a client | `routes` |
//! | search in a browser | `page` |
//! | answers, written where they delay nobody, and errors in the words of the route | `response`, `problem` |

mod app;
mod body;
mod catalogue;
mod engine;
mod field;
mod hits;
mod inputs;
mod keys;
mod metrics;
mod openapi;
mod options;
mod origin;
mod page;
mod problem;
mod response;
mod router;
mod routes;
mod server;
mod texts;
mod write_timeout;
mod writer;

pub use app::Loaded;
pub use catalogue::CatalogueSource;
pub use options::ServeOptions;
pub use origin::{Origin, OriginError};
pub use server::{Control, ServeError, Server};
