//! Scores of pairs against the `CrossEncoder` of sentence-transformers.

use model::PairScorer;

use crate::common::{TOLERANCE, assert_close, fixture, report};
use crate::test_device::test_device;

/// What `rerankers.py` writes.
#[derive(serde::Deserialize)]
struct Answers {
    pairs: Vec<(String, String)>,
    scores: Vec<f32>,
}

#[test]
fn scores_are_those_of_sentence_transformers() {
    for name in ["bert", "roberta", "xlm-roberta", "mpnet", "distilbert"] {
        let path = fixture("rerankers").join(format!("{name}.json"));
        let answers: Answers = serde_json::from_slice(&std::fs::read(path).unwrap()).unwrap();
        let folder = fixture("rerankers").join(name);
        for tokens in [100, 1 << 20] {
            let builder = PairScorer::builder()
                .device(test_device())
                .batch_tokens(tokens);
            let scorer = builder.load(folder.to_str().unwrap()).unwrap();
            let scores = scorer.scores(&answers.pairs).unwrap();
            let largest = assert_close(name, &scores, &answers.scores, TOLERANCE);
            report(
                &format!("{name}, scores of pairs, batches of {tokens} tokens"),
                largest,
            );
        }
    }
}

#[test]
fn an_encoder_without_a_head_of_one_label_is_refused() {
    let load = |folder: &str| {
        let scorer = PairScorer::builder().device(test_device()).load(folder);
        scorer.err().unwrap().to_string()
    };
    let error = load(fixture("architectures/bert").to_str().unwrap());
    assert!(
        error.contains("config.json") && error.contains("2 labels"),
        "{error}"
    );
}
