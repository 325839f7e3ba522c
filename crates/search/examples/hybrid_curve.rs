//! Measures how well meaning and words find together, for every weight, on judged products.
//!
//! ```text
//! infer embed --corpus titles.tsv --output titles.npy ...
//! cargo run --release -p search --example hybrid_curve -- titles.tsv qrels.tsv queries.txt titles.npy queries.npy
//! ```
//!
//! `titles.tsv` has a header, and an id and a title per line; `qrels.tsv` a header, and a query, an id and a relevance
//! per line; `queries.txt` a query per line. The `.npy` files hold a float32 vector per title and per query. stdout
//! gets a JSON object per fusion and weight: that of the crate, and others that we tried. The means are over all queries
//! and over two halves, by a hash of the query. stderr gets the best weight of each fusion, chosen on one half.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::error::Error;
use std::io::Write;

use search::metrics::{self, Gain};
use search::words::{Language, Words, WordsField, WordsQuery, WordsSettings, WordsWriter};
use search::{Candidate, Fusion, SearchOptions, Similarity, VectorIndex, VectorsView};

#[path = "files/mod.rs"]
mod files;

use files::{npy, records};

/// Rows of each ranking that are joined, as in an index for up to 100 hits.
const DEPTH: usize = 100;

struct Query {
    text: String,
    /// Every title's cosine and BM25.
    titles: Vec<Candidate>,
    /// The rows of titles that are among the best of a ranking.
    best: Vec<usize>,
    /// Judged rows, in the order of the judgements.
    judged: Vec<(usize, f64)>,
}

/// Means over some queries that have a relevant title.
#[derive(Default)]
struct Means {
    queries: usize,
    /// Graded NDCG@10 over all titles.
    ndcg: f64,
    /// Recall@100 over all titles.
    recall: f64,
    /// Those whose judgements differ.
    judged_queries: usize,
    /// Graded NDCG@10 over the judged titles alone.
    judged_ndcg: f64,
}

fn main() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [titles, qrels, queries, title_vectors, query_vectors] = arguments.as_slice() else {
        return Err("give titles.tsv, qrels.tsv, queries.txt, titles.npy and queries.npy".into());
    };
    let titles = records::<2>(titles)?;
    let queries = std::fs::read_to_string(queries)?;
    let queries: Vec<&str> = queries.lines().collect();
    let (title_vectors, width) = npy(title_vectors)?;
    let (query_vectors, _) = npy(query_vectors)?;
    let queries = scored(&titles, &queries, title_vectors, &query_vectors, width)?;
    let queries = with_judgements(queries, &titles, &records::<3>(qrels)?)?;

    let mut stdout = std::io::stdout().lock();
    let mut stderr = std::io::stderr().lock();
    for (name, fusion) in FUSIONS {
        let mut best: Option<(f64, f32, Means)> = None;
        for percent in (0..=30).chain((35..=100).step_by(5)) {
            let weight = percent as f32 / 100.0;
            let of = |half: Option<bool>| {
                let chosen = queries
                    .iter()
                    .filter(|query| half.is_none_or(|half| other_half(&query.text) == half));
                means(chosen, |candidates| fusion(candidates, weight))
            };
            let (all, first, other) = (of(None), of(Some(false)), of(Some(true)));
            let mut row = serde_json::Map::new();
            row.insert("fusion".to_owned(), name.into());
            row.insert("weight".to_owned(), rounded(f64::from(weight)));
            for (half, means) in [
                ("", &all),
                ("_choosing_half", &first),
                ("_other_half", &other),
            ] {
                let mut insert = |name: &str, value: serde_json::Value| {
                    row.insert(format!("{name}{half}"), value)
                };
                insert("queries", means.queries.into());
                insert("ndcg", rounded(means.ndcg));
                insert("recall_100", rounded(means.recall));
                insert("judged_queries", means.judged_queries.into());
                insert("judged_ndcg", rounded(means.judged_ndcg));
            }
            writeln!(stdout, "{}", serde_json::Value::Object(row))?;
            let sum = first.ndcg + first.judged_ndcg;
            if best.as_ref().is_none_or(|(highest, ..)| sum > *highest) {
                best = Some((sum, weight, other));
            }
        }
        if let Some((sum, weight, other)) = best {
            let (ndcg, judged) = (other.ndcg, other.judged_ndcg);
            writeln!(
                stderr,
                "{name}: weight {weight:.2} (sum {sum:.4}); other half: {ndcg:.4} and {judged:.4}"
            )?;
        }
    }
    Ok(())
}

/// Scores of candidates for a weight of words.
type Fuse = fn(&[Candidate], f32) -> Vec<f32>;

/// The first two are those of the crate.
const FUSIONS: [(&str, Fuse); 9] = [
    ("weighted sum", |candidates, weight| {
        Fusion::WeightedSum { weight }.scores(Similarity::Cosine, candidates)
    }),
    ("reciprocal rank", |candidates, _| {
        Fusion::ReciprocalRank.scores(Similarity::Cosine, candidates)
    }),
    ("share", |candidates, weight| power(candidates, weight, 1.0)),
    ("share^2", |candidates, weight| {
        power(candidates, weight, 2.0)
    }),
    ("share^2.5", |candidates, weight| {
        power(candidates, weight, 2.5)
    }),
    ("share^3", |candidates, weight| {
        power(candidates, weight, 3.0)
    }),
    ("share^4", |candidates, weight| {
        power(candidates, weight, 4.0)
    }),
    ("min-max of both", |candidates, weight| {
        let meaning = min_max(candidates, |candidate| candidate.meaning);
        let words = min_max(candidates, |candidate| candidate.words);
        meaning
            .iter()
            .zip(words)
            .map(|(meaning, words)| (1.0 - weight) * meaning + weight * words)
            .collect()
    }),
    ("cosine + bm25 / (bm25 + 10)", |candidates, weight| {
        let score = |candidate: &Candidate| {
            let words = candidate.words.unwrap_or(0.0);
            (1.0 - weight) * candidate.meaning.unwrap_or(0.0) + weight * words / (words + 10.0)
        };
        candidates.iter().map(score).collect()
    }),
];

/// The cosine and a power of BM25's share of the highest.
fn power(candidates: &[Candidate], weight: f32, exponent: f32) -> Vec<f32> {
    let most = candidates
        .iter()
        .filter_map(|candidate| candidate.words)
        .fold(f32::MIN_POSITIVE, f32::max);
    let score = |candidate: &Candidate| {
        let share = candidate.words.unwrap_or(0.0) / most;
        (1.0 - weight) * candidate.meaning.unwrap_or(0.0) + weight * share.powf(exponent)
    };
    candidates.iter().map(score).collect()
}

fn min_max(candidates: &[Candidate], score: impl Fn(&Candidate) -> Option<f32>) -> Vec<f32> {
    let scores: Vec<f32> = candidates
        .iter()
        .map(|candidate| score(candidate).unwrap_or(0.0))
        .collect();
    let least = scores.iter().copied().fold(f32::INFINITY, f32::min);
    let most = scores.iter().copied().fold(f32::NEG_INFINITY, f32::max);
    scores
        .iter()
        .map(|score| (score - least) / (most - least).max(f32::MIN_POSITIVE))
        .collect()
}

fn rounded(value: f64) -> serde_json::Value {
    ((value * 1e4).round() / 1e4).into()
}

/// By the lowest bit of the 64-bit FNV-1a hash, so that nobody chose the halves.
fn other_half(query: &str) -> bool {
    let hash = query.bytes().fold(0xcbf2_9ce4_8422_2325u64, |hash, byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
    });
    hash & 1 == 1
}

fn means<'a>(
    queries: impl Iterator<Item = &'a Query>,
    fuse: impl Fn(&[Candidate]) -> Vec<f32>,
) -> Means {
    let mut means = Means::default();
    for query in queries {
        let relevances: Vec<f64> = query
            .judged
            .iter()
            .map(|(_, relevance)| *relevance)
            .collect();
        let relevant = relevances
            .iter()
            .filter(|&&relevance| relevance > 0.0)
            .count();
        if relevant == 0 {
            continue;
        }
        let judged: HashMap<usize, f64> = query.judged.iter().copied().collect();
        let ranked = ranked(query, &query.best, &fuse);
        let found: Vec<f64> = ranked
            .iter()
            .map(|row| judged.get(row).copied().unwrap_or(0.0))
            .collect();
        let found_relevant: Vec<bool> = found.iter().map(|&relevance| relevance > 0.0).collect();
        means.queries += 1;
        means.ndcg += metrics::ndcg(&found, &relevances, 10, Gain::Exponential).unwrap_or(0.0);
        means.recall += metrics::recall(&found_relevant, relevant, 100);
        if relevances
            .iter()
            .any(|relevance| *relevance != relevances[0])
        {
            let rows: Vec<usize> = query.judged.iter().map(|(row, _)| *row).collect();
            let found: Vec<f64> = self::ranked(query, &rows, &fuse)
                .iter()
                .map(|row| judged[row])
                .collect();
            means.judged_queries += 1;
            means.judged_ndcg +=
                metrics::ndcg(&found, &relevances, 10, Gain::Exponential).unwrap_or(0.0);
        }
    }
    means.ndcg /= means.queries as f64;
    means.recall /= means.queries as f64;
    means.judged_ndcg /= means.judged_queries as f64;
    means
}

/// Some rows, best first.
fn ranked(query: &Query, rows: &[usize], fuse: impl Fn(&[Candidate]) -> Vec<f32>) -> Vec<usize> {
    let candidates: Vec<Candidate> = rows.iter().map(|&row| query.titles[row]).collect();
    let scores = fuse(&candidates);
    let mut order: Vec<usize> = (0..rows.len()).collect();
    order.sort_by(|&left, &right| scores[right].total_cmp(&scores[left]));
    order.into_iter().map(|place| rows[place]).collect()
}

fn scored(
    titles: &[[String; 2]],
    queries: &[&str],
    title_vectors: Vec<f32>,
    query_vectors: &[f32],
    width: usize,
) -> Result<Vec<Query>, Box<dyn Error>> {
    let index = VectorIndex::new(title_vectors, width, Similarity::Cosine)?;
    if index.len() != titles.len() || query_vectors.len() != queries.len() * width {
        return Err("there must be a vector for every title and every query".into());
    }
    let options = SearchOptions {
        k: titles.len(),
        ..SearchOptions::default()
    };
    let hits = index.search_with(VectorsView::new(query_vectors, width)?, &options)?;

    let folder = tempfile::tempdir()?;
    let settings = WordsSettings {
        fields: vec![WordsField {
            name: "title".to_owned(),
            weight: 1.0,
        }],
        language: Language::English,
    };
    let mut writer = WordsWriter::create(folder.path(), &settings)?;
    for [_, title] in titles {
        writer.add(&[title])?;
    }
    writer.finish()?;
    let words = Words::open(folder.path(), &settings)?;

    let mut scored = Vec::new();
    for (text, hits) in queries.iter().zip(hits) {
        let mut candidates = vec![Candidate::default(); titles.len()];
        for hit in &hits {
            candidates[hit.index].meaning = Some(hit.score);
        }
        let query = WordsQuery::new(text, &[&words], true)?;
        let matches = words.matches(&query, titles.len(), None)?;
        for hit in &matches {
            candidates[hit.index].words = Some(hit.score);
        }
        let best: BTreeSet<usize> = hits
            .iter()
            .take(DEPTH)
            .chain(matches.iter().take(DEPTH))
            .map(|hit| hit.index)
            .collect();
        scored.push(Query {
            text: (*text).to_owned(),
            titles: candidates,
            best: best.into_iter().collect(),
            judged: Vec::new(),
        });
    }
    Ok(scored)
}

fn with_judgements(
    mut queries: Vec<Query>,
    titles: &[[String; 2]],
    judgements: &[[String; 3]],
) -> Result<Vec<Query>, Box<dyn Error>> {
    let rows: HashMap<&str, usize> = titles
        .iter()
        .enumerate()
        .map(|(row, [id, _])| (id.as_str(), row))
        .collect();
    let places: BTreeMap<String, usize> = queries
        .iter()
        .enumerate()
        .map(|(place, query)| (query.text.clone(), place))
        .collect();
    for [query, id, relevance] in judgements {
        let place = *places
            .get(query)
            .ok_or_else(|| format!("there is no vector of the query '{query}'"))?;
        let row = *rows
            .get(id.as_str())
            .ok_or_else(|| format!("there is no title with the id '{id}'"))?;
        let relevance = relevance.parse()?;
        let judged = &mut queries[place].judged;
        match judged.iter_mut().find(|(other, _)| *other == row) {
            Some((_, other)) => *other = relevance,
            None => judged.push((row, relevance)),
        }
    }
    Ok(queries)
}
