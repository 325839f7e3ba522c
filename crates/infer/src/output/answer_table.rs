//! Answers of an index or a store as lines of text. On a terminal a line is cut to its width, and
//! words that match are bold.

use std::io::{self, Write};

use program::text::{columns, one_line};
use search::index::joined;
use search::{Answer, Asked, Explanation, Found};

use super::Subject;
use super::table::{BEFORE_ID, ID_WIDTH, LEAST_WIDTH, print_boosts, print_facets};

/// The subject, then one hit per line: rank, score, id, text; then the facets.
pub(super) fn print(
    subject: Subject<'_>,
    answer: &Answer,
    asked: Asked<'_>,
    width: Option<usize>,
    out: &mut dyn Write,
) -> io::Result<()> {
    writeln!(out, "{}", one_line(&subject.headline(), width))?;
    let id_width = width.map(|_| ID_WIDTH);
    let ids: Vec<String> = answer
        .hits
        .iter()
        .map(|hit| one_line(&hit.id, id_width))
        .collect();
    let widest = ids.iter().map(|id| columns(id)).max().unwrap_or(0);
    let text_width =
        width.map(|width| LEAST_WIDTH.max(width.saturating_sub(BEFORE_ID + widest + 2)));
    for (rank, (hit, id)) in (1usize..).zip(answer.hits.iter().zip(&ids)) {
        let padding = " ".repeat(widest - columns(id));
        let text = text(hit, text_width);
        writeln!(out, "{rank:4}  {:7.4}  {id}{padding}  {text}", hit.score)?;
        if asked.explain {
            let indent = " ".repeat(BEFORE_ID);
            writeln!(out, "{indent}{}", because(hit.explanation))?;
        }
    }
    print_boosts(&answer.boosts, width, out)?;
    let facets = asked.facets.iter().zip(&answer.facets);
    let facets = facets.map(|(name, counts)| (name.as_str(), counts.as_slice()));
    print_facets(facets, width, out)
}

/// The texts of a hit in one line.
fn text(hit: &Found, width: Option<usize>) -> String {
    let whole = joined(&hit.texts);
    let line = one_line(&whole, width);
    // Of a text that is printed as it is, the places of the words are known.
    let kept = line.strip_suffix('…').unwrap_or(&line);
    match (width, hit.highlights.first()) {
        (Some(_), Some(places))
            if whole.starts_with(kept) && std::env::var_os("NO_COLOR").is_none() =>
        {
            let mut marked = String::new();
            let mut end = 0;
            for place in places.iter().filter(|place| place.end <= kept.len()) {
                if let (Some(before), Some(word)) =
                    (line.get(end..place.start), line.get(place.clone()))
                {
                    marked.push_str(before);
                    marked.push_str("\u{1b}[1m");
                    marked.push_str(word);
                    marked.push_str("\u{1b}[0m");
                    end = place.end;
                }
            }
            marked.push_str(line.get(end..).unwrap_or_default());
            marked
        }
        _ => line,
    }
}

fn because(of: Explanation) -> String {
    let rank = |rank: Option<usize>| rank.map_or(String::new(), |rank| format!(" (rank {rank})"));
    let part = |name: &str, score: Option<f32>, place: Option<usize>| {
        score.map(|score| format!("{name} {score:.4}{}", rank(place)))
    };
    let key = of.key.then(|| "the query is its id or key".to_owned());
    let parts = [
        key,
        part("similarity", of.similarity, of.similarity_rank),
        part("BM25", of.bm25, of.bm25_rank),
        part("boost", of.boost.filter(|boost| *boost > 0.0), None),
    ];
    parts.into_iter().flatten().collect::<Vec<_>>().join(", ")
}
