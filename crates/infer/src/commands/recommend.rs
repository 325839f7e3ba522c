//! `recommend`: products like another one, or like a text.

use std::io::Write;

use ::search::{Hit, Rows};

use super::search::{print_hits, print_json};
use super::{encode, load};
use crate::catalogue::Catalogue;
use crate::cli::{ModelArgs, RecommendArgs, VectorArgs};
use crate::failure::{Failure, UsageError};
use crate::terminal::Terminal;

pub(super) fn run(
    model: &ModelArgs,
    args: RecommendArgs,
    terminal: &mut Terminal,
) -> Result<(), Failure> {
    let vectors = VectorArgs {
        dimensions: args.dimensions,
        ..VectorArgs::default()
    };
    let encoder = load(model, vectors, terminal.notes())?;
    let catalogue = Catalogue::load(&args.corpus, &encoder, terminal.notes())?;
    let hits: Vec<Hit> = match (&args.id, &args.text) {
        (Some(id), _) => {
            let position = catalogue.position(id).ok_or_else(|| Failure::UnknownId {
                path: args.corpus.corpus.clone(),
                id: id.clone(),
            })?;
            let seed = catalogue
                .record(position)
                .map(crate::records::Record::text)
                .unwrap_or_default();
            if !args.json {
                writeln!(terminal.out(), "like {id}: {seed}")?;
            }
            catalogue.index().recommend(position, args.k)?
        }
        (None, Some(text)) => {
            if !args.json {
                writeln!(terminal.out(), "like: {text}")?;
            }
            let query = encode(&encoder, std::slice::from_ref(text), terminal.notes())?;
            let found = catalogue
                .index()
                .search(Rows::new(query.values(), query.width())?, args.k)?;
            found.into_iter().next().unwrap_or_default()
        }
        (None, None) => return Err(UsageError::NoSeed.into()),
    };
    if !args.json {
        return print_hits(&hits, &catalogue, terminal);
    }
    let seed = match (&args.id, &args.text) {
        (Some(id), _) => ("id", id.as_str()),
        (None, text) => ("text", text.as_deref().unwrap_or_default()),
    };
    print_json(&[seed], &hits, &catalogue, terminal)
}
