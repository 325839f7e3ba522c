//! `recommend`: products like another one, or like a text.

use std::io::Write;

use ::search::VectorsView;
use records::Row;

use super::search::{About, one_line, print_hits, print_json};
use super::{encode, load};
use crate::catalogue::{Catalogue, Corpus};
use crate::cli::{ModelArgs, RecommendArgs};
use crate::failure::Failure;
use crate::terminal::Terminal;

pub(super) fn run(
    model: &ModelArgs,
    args: RecommendArgs,
    terminal: &mut Terminal,
) -> Result<(), Failure> {
    let corpus = Corpus::open(&args.corpus)?;
    let encoder = load(model, args.compare.vectors(), terminal.notes())?;
    let similarity = args.compare.similarity.into();
    let catalogue = Catalogue::load(corpus, &encoder, similarity, terminal.notes())?;
    let (about, headline, hits) = if let Some(id) = &args.id {
        let position = catalogue.position(id).ok_or_else(|| Failure::UnknownId {
            path: args.corpus.corpus.clone(),
            id: id.clone(),
        })?;
        let seed = catalogue.record(position).map(Row::text);
        let headline = format!("like {id}: {}", one_line(&seed.unwrap_or_default()));
        let hits = catalogue.index().recommend(position, args.k)?;
        (About::Id(id), headline, hits)
    } else {
        // Without an id, clap has asked for a text.
        let text = args.text.as_deref().unwrap_or_default();
        let query = encode(&encoder, &[text.to_owned()], terminal.notes())?;
        let found = catalogue
            .index()
            .search(VectorsView::new(query.values(), query.width())?, args.k)?;
        let hits = found.into_iter().next().unwrap_or_default();
        (About::Text(text), format!("like: {}", one_line(text)), hits)
    };
    if args.json {
        return print_json(about, &hits, &catalogue, terminal);
    }
    writeln!(terminal.out(), "{headline}")?;
    print_hits(&hits, &catalogue, terminal)
}
