//! Files of every kind, right and wrong.

use tempfile::TempDir;

use super::*;
use crate::data::{ReadOptions, RowKind, TextTable};
use crate::evaluation::testing::FakeEncoder;
use crate::evaluation::{Description, Evaluator, Ranking, of_rows};

/// Files of a name and content each.
struct Files(TempDir);

impl Files {
    fn new(files: &[(&str, &str)]) -> Self {
        let folder = Self(tempfile::tempdir().unwrap());
        for (name, content) in files {
            std::fs::write(folder.path(name), content).unwrap();
        }
        folder
    }

    fn path(&self, name: &str) -> std::path::PathBuf {
        self.0.path().join(name)
    }

    /// An error's message, without the folder.
    fn message(&self, error: impl std::fmt::Display) -> String {
        let folder = format!("{}/", self.0.path().display());
        error.to_string().replace(&folder, "")
    }
}

fn retrieval(files: &Files, queries: Option<&str>) -> Result<RetrievalEvaluator, FileError> {
    let files = RetrievalFiles::new(
        queries.map(|name| files.path(name)),
        files.path("documents.tsv"),
        files.path("judgements.tsv"),
    );
    RetrievalEvaluator::from_files(&files, RetrievalOptions::default())
}

const DOCUMENTS: (&str, &str) = ("documents.tsv", "id\ttitle\nx\t0\ny\t2\nz\t4\n");

fn direction(text: &str) -> [f32; 2] {
    match text {
        "0" => [1.0, 0.0],
        "2" => [0.0, 1.0],
        "4" => [-1.0, 0.0],
        other => panic!("{other} was not to be embedded"),
    }
}

#[test]
fn judgements_that_name_queries_by_text() {
    let files = Files::new(&[
        DOCUMENTS,
        (
            "judgements.tsv",
            "query\tdocid\trating\n0\tz\t0\n0\ty\t3\n4\tz\t1\n0\ty\t3\n2\tx\t0\n",
        ),
    ]);
    let evaluator = retrieval(&files, None).unwrap();
    let description = evaluator.description();
    assert!(
        matches!(
            description,
            Description::Retrieval {
                queries: 2,
                queries_left_out: 1,
                documents: 3,
                judgements: 3,
                ..
            }
        ),
        "{description:?}"
    );
    let scores = evaluator.evaluate(&FakeEncoder::of(direction)).unwrap();
    // y is the second for 0, z the first for 4.
    assert_eq!(scores.get("cosine_mrr@10"), Some(0.75));
}

#[test]
fn judgements_that_name_queries_by_id() {
    let files = Files::new(&[
        DOCUMENTS,
        (
            "queries.jsonl",
            "{\"_id\": \"a\", \"text\": \"0\"}\n{\"_id\": \"b\", \"text\": \"4\"}\n",
        ),
        (
            "judgements.tsv",
            "query-id\tcorpus-id\tscore\nb\tz\t1\na\ty\t3\n",
        ),
    ]);
    let evaluator = retrieval(&files, Some("queries.jsonl")).unwrap();
    let scores = evaluator.evaluate(&FakeEncoder::of(direction)).unwrap();
    assert_eq!(scores.get("cosine_mrr@10"), Some(0.75));
}

#[test]
fn named_columns() {
    let files = Files::new(&[
        ("judgements.tsv", "q\td\tg\n0\t7\t1\n"),
        (
            "documents.jsonl",
            "{\"sku\": 7, \"name\": \"red\", \"kind\": \"kettle\"}\n\
             {\"sku\": 8, \"name\": \"0\", \"kind\": \"\"}\n",
        ),
    ]);
    let described = RetrievalFiles {
        document_columns: Some(TextColumns {
            id: "sku".to_owned(),
            text: vec!["name".to_owned(), "kind".to_owned()],
        }),
        queries: QueryFiles {
            queries: None,
            judgements: files.path("judgements.tsv"),
            query_columns: None,
            judgement_columns: Some(["q", "d", "g"].map(str::to_owned)),
        },
        documents: files.path("documents.jsonl"),
    };
    let evaluator = RetrievalEvaluator::from_files(&described, RetrievalOptions::default());
    let encoder = FakeEncoder::of(|_| [1.0, 0.0]);
    evaluator.unwrap().evaluate(&encoder).unwrap();
    assert_eq!(encoder.encoded(), ["0", "red kettle", "0"]);
}

/// The open data of this project, gzipped where they are large: as many queries and documents as
/// the reference scores are of.
#[test]
fn open_data() {
    let datasets = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../datasets");
    let reference = datasets.join("../benchmarks/results/pytorch/quality.json");
    let reference = std::fs::read(reference).unwrap();
    let reference: serde_json::Value = serde_json::from_slice(&reference).unwrap();
    let count = |dataset: &str, metric: &str| {
        usize::try_from(reference[dataset][metric].as_u64().unwrap()).unwrap()
    };
    let retrieval = |folder: &str, queries: Option<&str>, documents: &str, ranking| {
        let folder = datasets.join(folder);
        let files = RetrievalFiles::new(
            queries.map(|queries| folder.join(queries)),
            folder.join(documents),
            folder.join("qrels.tsv"),
        );
        let options = RetrievalOptions {
            ranking,
            ..RetrievalOptions::default()
        };
        match RetrievalEvaluator::from_files(&files, options)
            .unwrap()
            .description()
        {
            Description::Retrieval {
                queries, documents, ..
            } => (queries, documents),
            other => panic!("{other:?}"),
        }
    };
    let chorus = |ranking| retrieval("chorus-electronics", None, "titles.tsv.gz", ranking);
    let all = count("chorus_title", "documents");
    assert_eq!(
        chorus(Ranking::All),
        (count("chorus_title", "full_queries"), all)
    );
    assert_eq!(
        chorus(Ranking::Judged).0,
        count("chorus_title", "judged_queries")
    );

    let folder = "dbpedia-entity-sample";
    let dbpedia = retrieval(
        folder,
        Some("queries.jsonl"),
        "corpus.jsonl.gz",
        Ranking::All,
    );
    assert_eq!(dbpedia, (count("dbpedia_sample", "queries"), 5000));

    for dataset in ["stsb_open_dev", "stsb_open_test"] {
        let file = datasets.join("sts").join(dataset).with_extension("tsv");
        let options = ReadOptions {
            kind: Some(RowKind::Scored),
            ..ReadOptions::default()
        };
        let table = TextTable::read(&[file], &options).unwrap();
        let rows: Vec<usize> = (0..table.len()).collect();
        let evaluator = of_rows(&table, &rows).unwrap();
        let pairs = count(dataset, "n");
        assert_eq!(evaluator.description(), Description::Similarity { pairs });
    }
}

#[test]
fn bad_judgements_are_named_by_file_line_and_column() {
    let queries = ("queries.tsv", "id\ttext\na\t0\n");
    let error = |rows: &str| {
        let judgements = format!("query-id\tcorpus-id\tscore\na\tx\t1\n{rows}\n");
        let files = Files::new(&[DOCUMENTS, queries, ("judgements.tsv", &judgements)]);
        files.message(retrieval(&files, Some("queries.tsv")).unwrap_err())
    };
    assert_eq!(
        error("b\tx\t1"),
        "judgements.tsv, line 3, column `query-id`: no row of queries.tsv has the id `b`; add the \
         row, or remove the judgement"
    );
    assert_eq!(
        error("a\tw\t1"),
        "judgements.tsv, line 3, column `corpus-id`: no row of documents.tsv has the id `w`; add \
         the row, or remove the judgement"
    );
    assert_eq!(
        error("a\ty\t-1"),
        "judgements.tsv, line 3, column `score`: relevance -1 must be from 0 (irrelevant) to 1000"
    );
    assert_eq!(
        error("a\ty\tNaN"),
        "judgements.tsv, line 3, column `score`: `NaN` is not a finite number"
    );
    assert_eq!(
        error("a\ty\t1\na\tx\t0"),
        "judgements.tsv, line 4, column `score`: document `x` has another relevance for query `a` in \
         line 2; keep one of them"
    );
}

#[test]
fn ids_must_differ() {
    let files = Files::new(&[
        ("documents.tsv", "id\ttitle\nx\t0\ny\t2\nx\t4\n"),
        ("judgements.tsv", "query\tdocid\trating\n0\tx\t1\n"),
    ]);
    assert_eq!(
        files.message(retrieval(&files, None).unwrap_err()),
        "documents.tsv, line 4, column `id`: `x` is also the id of line 2; ids must be unique"
    );
}

#[test]
fn nothing_relevant_is_an_error_of_the_judgements() {
    let files = Files::new(&[
        DOCUMENTS,
        ("judgements.tsv", "query\tdocid\trating\n0\tx\t0\n"),
    ]);
    assert_eq!(
        files.message(retrieval(&files, None).unwrap_err()),
        "judgements.tsv: no query has a relevant document: every relevance is 0"
    );
}

#[test]
fn files_without_the_usual_columns_are_told_what_was_tried() {
    let files = Files::new(&[
        ("documents.tsv", "sku\tname\nx\t0\n"),
        ("judgements.tsv", "query\tdocid\trating\n0\tx\t1\n"),
    ]);
    assert_eq!(
        files.message(retrieval(&files, None).unwrap_err()),
        "documents.tsv: has none of the default columns (_id + title + text, or _id + text, or id + \
         title + text, or id + text, or id + title); name the columns to read, among: sku, name"
    );
}
