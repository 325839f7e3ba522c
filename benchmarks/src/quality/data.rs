//! The open data in `datasets/`, and which figures of `train`'s evaluators PyTorch's file has.

use train::TrainError;
use train::data::{ReadOptions, RowKind, TextTable};
use train::evaluation::{
    Cutoffs, Description, Evaluator, Ranking, RetrievalEvaluator, RetrievalFiles, RetrievalOptions,
    of_rows,
};

use super::report::Figure;
use crate::error::BenchmarkError;
use crate::in_repository;

/// A name in PyTorch's file, and the evaluator's name of the same metric.
type Metric = (&'static str, &'static str);

const SIMILARITY: &[Metric] = &[
    ("spearman_cosine", "spearman_cosine"),
    ("pearson_cosine", "pearson_cosine"),
];

/// One evaluator and the figures that are taken from it.
pub(super) struct Evaluation {
    /// The data set, as in PyTorch's file.
    pub(super) dataset: &'static str,
    /// Names of the counts of queries or pairs, and of documents, as in PyTorch's file.
    counts: [Option<&'static str>; 2],
    pub(super) metrics: &'static [Metric],
    pub(super) evaluator: Box<dyn Evaluator>,
}

impl Evaluation {
    /// How much data the evaluator has.
    pub(super) fn counts(&self) -> Vec<Figure> {
        let found = match self.evaluator.description() {
            Description::Retrieval {
                queries, documents, ..
            } => [queries, documents],
            Description::Similarity { pairs } => [pairs, 0],
            _ => [0, 0],
        };
        std::iter::zip(self.counts, found)
            .filter_map(|(metric, value)| {
                Some(Figure {
                    dataset: self.dataset,
                    metric: metric?,
                    value: value as f64,
                    known: None,
                })
            })
            .collect()
    }
}

/// How well cosines of sentence pairs follow the scores that people gave them.
pub(super) fn sts() -> Result<Vec<Evaluation>, BenchmarkError> {
    ["stsb_open_dev", "stsb_open_test"]
        .into_iter()
        .map(|dataset| {
            let file = in_repository("datasets/sts")
                .join(dataset)
                .with_extension("tsv");
            let options = ReadOptions {
                kind: Some(RowKind::Scored),
                ..ReadOptions::default()
            };
            let table = TextTable::read(&[file], &options).map_err(TrainError::from)?;
            let rows: Vec<usize> = (0..table.len()).collect();
            Ok(Evaluation {
                dataset,
                counts: [Some("n"), None],
                metrics: SIMILARITY,
                evaluator: of_rows(&table, &rows).map_err(TrainError::from)?,
            })
        })
        .collect()
}

/// Search over abstracts.
pub(super) fn dbpedia() -> Result<Vec<Evaluation>, BenchmarkError> {
    let folder = in_repository("datasets/dbpedia-entity-sample");
    let files = RetrievalFiles::new(
        Some(folder.join("queries.jsonl")),
        folder.join("corpus.jsonl.gz"),
        folder.join("qrels.tsv"),
    );
    Ok(vec![Evaluation {
        dataset: "dbpedia_sample",
        counts: [Some("queries"), None],
        metrics: &[("ndcg10", "cosine_graded_ndcg@10")],
        evaluator: retrieval(&files, Ranking::All)?,
    }])
}

/// Search over product titles: among the judged ones of each query, and among all.
pub(super) fn chorus() -> Result<Vec<Evaluation>, BenchmarkError> {
    let folder = in_repository("datasets/chorus-electronics");
    let files = RetrievalFiles::new(None, folder.join("titles.tsv.gz"), folder.join("qrels.tsv"));
    Ok(vec![
        Evaluation {
            dataset: "chorus_title",
            counts: [Some("judged_queries"), None],
            metrics: &[("ndcg10_judged", "cosine_graded_ndcg@10")],
            evaluator: retrieval(&files, Ranking::Judged)?,
        },
        Evaluation {
            dataset: "chorus_title",
            counts: [Some("full_queries"), Some("documents")],
            metrics: &[
                ("ndcg10_full", "cosine_graded_ndcg@10"),
                ("mrr10_full", "cosine_mrr@10"),
                ("recall100_full", "cosine_recall@100"),
            ],
            evaluator: retrieval(&files, Ranking::All)?,
        },
    ])
}

fn retrieval(
    files: &RetrievalFiles,
    ranking: Ranking,
) -> Result<Box<dyn Evaluator>, BenchmarkError> {
    let options = RetrievalOptions {
        ranking,
        cutoffs: Cutoffs {
            precision_recall: vec![10, 100],
            ..Cutoffs::default()
        },
        ..RetrievalOptions::default()
    };
    Ok(Box::new(RetrievalEvaluator::from_files(files, options)?))
}

#[cfg(test)]
mod tests {
    use super::super::report::Reference;
    use super::*;

    /// Every count equals PyTorch's, and PyTorch's file has every figure.
    #[test]
    fn the_data_is_that_of_the_reference() {
        let path = in_repository("benchmarks/results/pytorch/quality.json");
        let reference = Reference::read(&path).unwrap();
        for evaluations in [sts, dbpedia, chorus] {
            for evaluation in evaluations().unwrap() {
                let counts = evaluation.counts();
                assert!(!counts.is_empty());
                for count in counts {
                    assert!(reference.compare(count).unwrap().equal);
                }
                for (metric, _) in evaluation.metrics {
                    let figure = Figure {
                        dataset: evaluation.dataset,
                        metric,
                        value: 0.5,
                        known: None,
                    };
                    assert!(!reference.compare(figure).unwrap().equal);
                }
            }
        }
    }
}
