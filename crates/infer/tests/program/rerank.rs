//! `rerank`, and the second ranking of `search`.

use std::path::Path;

use model::PairScorer;
use serde_json::Value;

use crate::support::{infer, run, test_device_arguments, text};

const CATALOGUE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/catalogue/plain.csv");
const RERANKER: &str = concat!(
    env!("CARGO_MANIFEST_DIR"),
    "/../model/tests/fixtures/rerankers/bert"
);
