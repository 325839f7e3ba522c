//! The figures of each part, computed as the Python reference computes them.

use std::ops::ControlFlow;
use std::path::Path;
use std::time::{Duration, Instant};

use infer::terminal::BarKind;
use infer::{Failure, Terminal};
use model::{Embeddings, SentenceEncoder};
use records::Row;
use search::{Hit, Index, Similarity, VectorsView, metrics, pairwise_similarity};

use crate::data::{Judgements, field, known_vectors, number, positions, read, read_judgements};
use crate::error::QualityError;
use crate::report::Figure;

/// All vectors have length 1, so this is their cosine.
const SIMILARITY: Similarity = Similarity::DotProduct;

/// How often a log hears of progress.
const NOTE_INTERVAL: Duration = Duration::from_secs(30);

/// Computes the figures of each part.
pub(crate) struct Scorer<'a> {
    encoder: &'a SentenceEncoder,
    datasets: &'a Path,
    terminal: &'a Terminal,
}

impl<'a> Scorer<'a> {
    pub(crate) fn new(
        encoder: &'a SentenceEncoder,
        datasets: &'a Path,
        terminal: &'a Terminal,
    ) -> Self {
        Self {
            encoder,
            datasets,
            terminal,
        }
    }

    /// How near the vectors of awkward texts are to PyTorch's.
    pub(crate) fn texts(&self, fixtures: &Path) -> Result<Vec<Figure>, QualityError> {
        let dataset = "awkward_texts";
        let (texts, expected) = known_vectors(fixtures)?;
        let found = self.encode(dataset, &texts)?;
        if expected.len() != found.values().len() {
            self.terminal
                .notes()
                .note("no vectors of awkward texts are known for a model of this width");
            return Ok(Vec::new());
        }
        let expected = VectorsView::new(&expected, found.width()).map_err(Failure::from)?;
        let cosines =
            pairwise_similarity(rows(&found)?, expected, SIMILARITY).map_err(Failure::from)?;
        let cosines: Vec<f64> = cosines.into_iter().map(f64::from).collect();
        let smallest = cosines.iter().copied().min_by(f64::total_cmp);
        let far = cosines.iter().filter(|cosine| **cosine < 0.985).count();
        let figure = |metric, value, known| Figure {
            dataset,
            metric,
            value,
            known: Some(known),
        };
        let count = texts.len() as f64;
        Ok(vec![
            figure("n", cosines.len() as f64, count),
            figure("cosine_min", smallest.unwrap_or(f64::NAN), 1.0),
            figure("cosine_mean", mean(&cosines), 1.0),
            figure("below_0.985", far as f64, 0.0),
        ])
    }

    /// How well cosines of sentence pairs follow the scores that people gave them.
    pub(crate) fn sts(&self) -> Result<Vec<Figure>, QualityError> {
        let mut figures = Vec::new();
        for dataset in ["stsb_open_dev", "stsb_open_test"] {
            let path = self
                .datasets
                .join("sts")
                .join(dataset)
                .with_extension("tsv");
            let pairs = read(&path, &["sentence1", "sentence2", "score"], None)?;
            let scores = pairs
                .iter()
                .map(|pair| number(&path, pair, 2))
                .collect::<Result<Vec<f64>, _>>()?;
            let side = |position| {
                pairs
                    .iter()
                    .map(|pair| field(pair, position))
                    .collect::<Vec<_>>()
            };
            let first = self.encode(dataset, &side(0))?;
            let second = self.encode(dataset, &side(1))?;
            let cosines = pairwise_similarity(rows(&first)?, rows(&second)?, SIMILARITY)
                .map_err(Failure::from)?;
            let cosines: Vec<f64> = cosines.into_iter().map(f64::from).collect();
            let figure = |metric, value: Option<f64>| Figure {
                dataset,
                metric,
                value: value.unwrap_or(f64::NAN),
                known: None,
            };
            figures.extend([
                figure("n", Some(pairs.len() as f64)),
                figure("spearman_cosine", metrics::spearman(&cosines, &scores)),
                figure("pearson_cosine", metrics::pearson(&cosines, &scores)),
            ]);
        }
        Ok(figures)
    }

    /// Search over abstracts.
    pub(crate) fn dbpedia(&self) -> Result<Vec<Figure>, QualityError> {
        let dataset = "dbpedia_sample";
        let folder = self.datasets.join("dbpedia-entity-sample");
        let documents = read(
            &folder.join("corpus.jsonl.gz"),
            &["title", "text"],
            Some("_id"),
        )?;
        let columns = ["query-id", "corpus-id", "score"];
        let mut judged =
            read_judgements(&folder.join("qrels.tsv"), columns, &positions(&documents))?;
        judged.retain(|query| query.relevant() > 0);
        let queries = query_texts(&folder.join("queries.jsonl"), &judged)?;

        let texts: Vec<String> = documents.iter().map(Row::text).collect();
        let documents = self.encode(dataset, &texts)?;
        let queries = self.encode(dataset, &queries)?;
        let found = search(documents.into_values(), &queries, 10)?;
        let found = judged.iter().zip(&found);
        let ndcg: Vec<f64> = found
            .filter_map(|(query, hits)| query.ndcg_at_10(&query.grades_of(hits)))
            .collect();
        Ok(vec![
            Figure {
                dataset,
                metric: "queries",
                value: ndcg.len() as f64,
                known: None,
            },
            Figure {
                dataset,
                metric: "ndcg10",
                value: mean(&ndcg),
                known: None,
            },
        ])
    }

    /// Product search: over the judged products of each query, then over all products.
    pub(crate) fn chorus(&self) -> Result<Vec<Figure>, QualityError> {
        let dataset = "chorus_title";
        let folder = self.datasets.join("chorus-electronics");
        let products = read(&folder.join("titles.tsv.gz"), &["title"], Some("id"))?;
        let columns = ["query", "docid", "rating"];
        let judged = read_judgements(&folder.join("qrels.tsv"), columns, &positions(&products))?;
        let titles: Vec<&str> = products.iter().map(|product| field(product, 0)).collect();
        let queries: Vec<&str> = judged.iter().map(|query| query.query.as_str()).collect();
        let titles = self.encode(dataset, &titles)?;
        let queries = self.encode(dataset, &queries)?;

        let mut judged_ndcg = Vec::new();
        for (query, vector) in judged.iter().zip(queries.rows()) {
            // Where all judged products are equally good, so is every order.
            if query.tell_apart() {
                judged_ndcg.extend(query.ndcg_at_10(&rank_judged(query, vector, &titles)?));
            }
        }

        let count = titles.len();
        let found = search(titles.into_values(), &queries, 100)?;
        let (mut ndcg, mut reciprocal_ranks, mut recalls) = (Vec::new(), Vec::new(), Vec::new());
        for (query, hits) in judged
            .iter()
            .zip(&found)
            .filter(|(query, _)| query.relevant() > 0)
        {
            let grades = query.grades_of(hits);
            let relevant: Vec<bool> = grades.iter().map(|&grade| grade > 0.0).collect();
            ndcg.extend(query.ndcg_at_10(&grades));
            reciprocal_ranks.push(metrics::reciprocal_rank(&relevant, 10));
            recalls.push(metrics::recall(&relevant, query.relevant(), 100));
        }
        let figure = |metric, value| Figure {
            dataset,
            metric,
            value,
            known: None,
        };
        Ok(vec![
            figure("documents", count as f64),
            figure("judged_queries", judged_ndcg.len() as f64),
            figure("ndcg10_judged", mean(&judged_ndcg)),
            figure("full_queries", ndcg.len() as f64),
            figure("ndcg10_full", mean(&ndcg)),
            figure("mrr10_full", mean(&reciprocal_ranks)),
            figure("recall100_full", mean(&recalls)),
        ])
    }

    /// Encodes texts under a bar or, where stderr is no terminal, with a line now and then.
    fn encode<S: AsRef<str> + Sync>(
        &self,
        dataset: &str,
        texts: &[S],
    ) -> Result<Embeddings, QualityError> {
        let start = Instant::now();
        let mut last_note = start;
        let bar = self
            .terminal
            .notes()
            .bar(u64::try_from(texts.len()).ok(), BarKind::Texts);
        let vectors = self.encoder.encode_with_progress(texts, |progress| {
            bar.set_position(u64::try_from(progress.done).unwrap_or(u64::MAX));
            if bar.is_hidden() && last_note.elapsed() >= NOTE_INTERVAL {
                last_note = Instant::now();
                let (done, total) = (progress.done, progress.total);
                self.terminal
                    .notes()
                    .note(format_args!("{dataset}: {done} of {total} texts"));
            }
            ControlFlow::Continue(())
        });
        bar.finish_and_clear();
        let vectors = vectors.map_err(Failure::from)?;
        let (count, seconds) = (texts.len(), start.elapsed().as_secs_f64());
        self.terminal.notes().note(format_args!(
            "{dataset}: encoded {count} texts in {seconds:.1} s"
        ));
        Ok(vectors)
    }
}

/// The texts of the judged queries, which the judgements know by id.
fn query_texts(path: &Path, judged: &[Judgements]) -> Result<Vec<String>, QualityError> {
    let queries = read(path, &["text"], Some("_id"))?;
    let positions = positions(&queries);
    let text = |query: &Judgements| match positions.get(query.query.as_str()) {
        Some(&position) => Ok(field(&queries[position], 0).to_owned()),
        None => Err(QualityError::UnknownId {
            path: path.to_owned(),
            id: query.query.clone(),
        }),
    };
    judged.iter().map(text).collect()
}

/// The best `k` documents of every query; of equally good ones the first.
fn search(
    documents: Vec<f32>,
    queries: &Embeddings,
    k: usize,
) -> Result<Vec<Vec<Hit>>, QualityError> {
    let index = Index::new(documents, queries.width(), SIMILARITY).map_err(Failure::from)?;
    Ok(index.search(rows(queries)?, k).map_err(Failure::from)?)
}

/// The grades of the judged documents of a query, best match first; of equal ones the first judged.
fn rank_judged(
    query: &Judgements,
    vector: &[f32],
    documents: &Embeddings,
) -> Result<Vec<f64>, QualityError> {
    let width = documents.width();
    let rows = query
        .documents
        .iter()
        .map(|&document| &documents.values()[document * width..][..width]);
    let index = Index::new(rows.flatten().copied().collect(), width, SIMILARITY);
    let hits = index
        .and_then(|index| index.search(VectorsView::new(vector, width)?, index.len()))
        .map_err(Failure::from)?;
    Ok(hits
        .into_iter()
        .flatten()
        .map(|hit| query.grades[hit.index])
        .collect())
}

fn rows(vectors: &Embeddings) -> Result<VectorsView<'_>, Failure> {
    Ok(VectorsView::new(vectors.values(), vectors.width())?)
}

/// NaN where there are no values.
fn mean(values: &[f64]) -> f64 {
    values.iter().sum::<f64>() / values.len() as f64
}
