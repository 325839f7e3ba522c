//! Files of every kind, right and wrong.

use tempfile::TempDir;

use super::*;
use crate::evaluation::testing::{FakeEncoder, encoder, reference, strings};
use crate::evaluation::{Description, Evaluator, Ranking, RetrievalEvaluator, RetrievalOptions};

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
fn pairs_with_scores() {
    let files = Files::new(&[
        (
            "sts.tsv",
            "genre\tscore\tsentence1\tsentence2\nnews\t5\t0\t0\nnews\t1.5\t0\t2\nnews\t0\t0\t4\n",
        ),
        ("other.csv", "a,b,gold\n0,0,5\n0,2,1.5\n0,4,0\n"),
        (
            "wrong.tsv",
            "sentence1\tsentence2\tscore\n0\t0\t1\n0\t2\tgood\n",
        ),
        (
            "equal.tsv",
            "sentence1\tsentence2\tscore\n0\t0\t1\n0\t2\t1\n",
        ),
    ]);
    let usual = SimilarityEvaluator::from_file(&files.path("sts.tsv"), None).unwrap();
    let named = SimilarityEvaluator::from_file(&files.path("other.csv"), Some(["a", "b", "gold"]));
    let encoder = FakeEncoder::of(direction);
    let scores = usual.evaluate(&encoder).unwrap();
    // The ranks agree; their correlation is rounded in f64.
    assert!((scores.get("spearman_cosine").unwrap() - 1.0).abs() < 1e-12);
    assert_eq!(named.unwrap().evaluate(&encoder).unwrap(), scores);

    let error = |name| {
        let error = SimilarityEvaluator::from_file(&files.path(name), None);
        files.message(error.unwrap_err())
    };
    assert_eq!(
        error("wrong.tsv"),
        "wrong.tsv, line 3, column `score`: `good` is not a finite number"
    );
    assert_eq!(
        error("equal.tsv"),
        "equal.tsv: all 2 pairs have the score 1; a correlation needs different scores"
    );
    // There is one default set of columns, so the error names the first missing one.
    assert_eq!(
        error("other.csv"),
        "other.csv: no column `sentence1`; there are: a, b, gold"
    );
}

#[test]
fn pairs_with_any_of_the_usual_columns() {
    let files = Files::new(&[
        (
            "products.tsv",
            "source\tid\ttitle\tdescription\nshop\t1\t0\t2\nshop\t2\t4\t0\n",
        ),
        (
            "pairs.jsonl",
            "{\"query\": \"0\", \"description\": \"2\", \"n\": 1}\n\
             {\"query\": \"4\", \"description\": \"0\"}\n",
        ),
        (
            "blank.jsonl",
            "\n{\"query\": \"0\", \"description\": \"2\"}\n\
             {\"query\": \"4\", \"description\": \"0\"}\n",
        ),
        ("wrong.tsv", "a\tb\n0\t2\n"),
        ("wrong.jsonl", "{\"a\": \"0\"}\n"),
        (
            "later.jsonl",
            "{\"title\": \"0\", \"description\": \"2\"}\n{\"query\": \"4\"}\n",
        ),
        ("empty.tsv", "anchor\tpositive\n"),
    ]);
    for name in ["products.tsv", "pairs.jsonl", "blank.jsonl"] {
        let evaluator = PairedEvaluator::from_file(&files.path(name), None).unwrap();
        let encoder = FakeEncoder::of(direction);
        let scores = evaluator.evaluate(&encoder).unwrap();
        // 0 is nearer to the other second text, 0, than to its own, 2; 4 nearer to 2 than to 0.
        assert_eq!(scores.get("mrr@10"), Some(0.5), "{name}");
        assert_eq!(encoder.encoded(), ["2", "0", "4"], "{name}");
    }
    let error =
        |name| files.message(PairedEvaluator::from_file(&files.path(name), None).unwrap_err());
    let tried = "anchor + positive, or query + description, or title + description, or \
                 sentence1 + sentence2";
    assert_eq!(
        error("wrong.tsv"),
        format!(
            "wrong.tsv: has none of the default columns ({tried}); name the columns to read, among: \
             a, b"
        )
    );
    assert_eq!(
        error("wrong.jsonl"),
        format!(
            "wrong.jsonl: has none of the default columns ({tried}); name the columns to read, \
             among: a"
        )
    );
    assert_eq!(error("later.jsonl"), "later.jsonl, line 2: no `title`");
    assert_eq!(
        error("empty.tsv"),
        "empty.tsv: there are no pairs; an evaluation needs at least one"
    );
    assert!(error("missing.tsv").starts_with("missing.tsv: "));
}

#[test]
fn triplets() {
    let files = Files::new(&[
        ("triplets.csv", "anchor,positive,negative\n0,2,4\n0,4,2\n"),
        ("wide.csv", "anchor,positive,negative\n0,2,4,5\n"),
    ]);
    let evaluator = TripletEvaluator::from_file(&files.path("triplets.csv"), None).unwrap();
    let scores = evaluator.evaluate(&FakeEncoder::of(direction)).unwrap();
    assert_eq!(scores.primary(), ("cosine_accuracy", 0.5));
    let named = Some(["positive", "anchor", "negative"]);
    assert!(TripletEvaluator::from_file(&files.path("triplets.csv"), named).is_ok());
    let error = TripletEvaluator::from_file(&files.path("wide.csv"), None).unwrap_err();
    assert_eq!(
        files.message(error),
        "wide.csv, line 2: 4 columns where the header has 3"
    );
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
        judgement_columns: Some(["q", "d", "g"].map(str::to_owned)),
        ..RetrievalFiles::new(
            None,
            files.path("documents.jsonl"),
            files.path("judgements.tsv"),
        )
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
        let evaluator = SimilarityEvaluator::from_file(&file, None).unwrap();
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

/// A file gives the evaluator that its texts give.
#[test]
fn from_a_file_as_from_memory() {
    let reference = reference("triplet");
    let sides = ["anchors", "positives", "negatives"].map(|side| strings(&reference[side]));
    let [anchors, positives, negatives] = &sides;
    let rows = anchors
        .iter()
        .zip(positives)
        .zip(negatives)
        .map(|((a, p), n)| {
            let row = serde_json::json!({"anchor": a, "positive": p, "negative": n});
            format!("{row}\n")
        });
    let files = Files::new(&[("triplets.jsonl", &rows.collect::<String>())]);
    let evaluator = TripletEvaluator::from_file(&files.path("triplets.jsonl"), None).unwrap();
    let scores = evaluator.evaluate(&encoder()).unwrap();
    crate::evaluation::testing::assert_reference(&scores, &reference["result"]);
}
