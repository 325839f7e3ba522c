//! A model with a Router against sentence-transformers: the fixture of `router.py`.

use std::path::Path;

use model::{Checkpoint, Embeddings, ModelError, Precision, Prompt, RouterError, SentenceEncoder};
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::common::{
    TOLERANCE, assert_close, fixture, on_cpu, reference_tensor, reference_tokens, report,
};
use crate::test_device::test_device;

const ROUTER: &str = "router_config.json";

fn texts() -> Vec<String> {
    reference_tokens("all-mpnet-base-v2_tokens.json").texts
}

fn load(folder: &Path) -> SentenceEncoder {
    let builder = SentenceEncoder::builder().device(test_device());
    builder.load(folder.to_str().unwrap()).unwrap()
}

/// A copy of the fixture, in which `change` may change files.
fn changed(change: impl FnOnce(&Path)) -> TempDir {
    fn copy(from: &Path, to: &Path) {
        for entry in from.read_dir().unwrap() {
            let path = entry.unwrap().path();
            let target = to.join(path.file_name().unwrap());
            if path.is_dir() {
                std::fs::create_dir(&target).unwrap();
                copy(&path, &target);
            } else {
                std::fs::copy(&path, &target).unwrap();
            }
        }
    }
    let folder = tempfile::tempdir().unwrap();
    copy(&fixture("router"), folder.path());
    change(folder.path());
    folder
}

/// Changes a file of JSON.
fn edit(folder: &Path, file: &str, change: impl FnOnce(&mut Value)) {
    let path = folder.join(file);
    let mut value: Value = serde_json::from_slice(&std::fs::read(&path).unwrap()).unwrap();
    change(&mut value);
    std::fs::write(path, value.to_string()).unwrap();
}

fn error(folder: &Path) -> ModelError {
    let builder = SentenceEncoder::builder().device(test_device());
    builder.load(folder.to_str().unwrap()).err().unwrap()
}

#[track_caller]
fn assert_exact(vectors: &Embeddings, task: &str) {
    let (shape, expected) = reference_tensor("router.safetensors", task);
    assert_eq!(shape, [vectors.len(), vectors.width()]);
    report(
        &format!("router, {task}"),
        assert_close(task, vectors.values(), &expected, TOLERANCE),
    );
}

#[test]
fn queries_documents_and_other_texts_have_the_vectors_of_sentence_transformers() {
    let encoder = load(&fixture("router"));
    let texts = texts();
    assert_exact(&encoder.encode(&texts).unwrap(), "default");
    assert_exact(&encoder.encode_query(&texts).unwrap(), "query");
    assert_exact(&encoder.encode_document(&texts).unwrap(), "document");
    let name = |prompt: &Prompt| encoder.route(prompt).unwrap().name().map(str::to_owned);
    assert_eq!(name(&Prompt::Query).as_deref(), Some("query"));
    // A prompt by its name is no task, as in sentence-transformers.
    let named = Prompt::Named("query".to_owned());
    assert_eq!(name(&named).as_deref(), Some("document"));
}

#[test]
fn modules_after_the_router_belong_to_every_route() {
    let folder = changed(|folder| {
        edit(folder, ROUTER, |config| {
            config["structure"] = json!({ "document": ["document_0_Transformer"] });
        });
        edit(folder, "modules.json", |modules| {
            let module = |path: &str, class: &str| json!({ "path": path, "type": format!("sentence_transformers.models.{class}") });
            let [router, normalize] = [modules[0].clone(), modules[1].clone()];
            let pooling = module("document_1_Pooling", "Pooling");
            *modules = json!([
                router,
                pooling,
                module("document_2_Dense", "Dense"),
                normalize
            ]);
        });
    });
    let encoder = load(folder.path());
    assert_exact(&encoder.encode_document(&texts()).unwrap(), "document");
    let message = encoder.encode_query(&["kettle"]).unwrap_err().to_string();
    assert!(
        message.ends_with("no route takes a query; the routes are document"),
        "{message}"
    );
}

#[test]
fn routes_whose_vectors_cannot_be_compared_are_refused() {
    let folder = changed(|folder| {
        edit(folder, ROUTER, |config| {
            config["structure"]["document"] =
                json!(["document_0_Transformer", "document_1_Pooling"]);
        });
    });
    let message = error(folder.path()).to_string();
    let expected = "the route `document` gives vectors of 32 dimensions and the route `query` of 16; both must have the \
                    same number";
    assert!(message.ends_with(expected), "{message}");
}

#[test]
fn training_and_export_refuse_a_router() {
    let error = Checkpoint::open(&fixture("router")).unwrap_err();
    assert!(
        matches!(error, ModelError::Router(RouterError::OneListNeeded { .. })),
        "{error}"
    );
}

#[test]
fn a_router_after_another_module_is_refused() {
    let folder = changed(|folder| {
        edit(folder, "modules.json", |modules| {
            modules.as_array_mut().unwrap().reverse();
        });
    });
    let message = error(folder.path()).to_string();
    assert!(
        message.contains("a Router only as the first module"),
        "{message}"
    );
}

#[test]
fn the_identity_covers_the_files_of_every_route() {
    let identity = load(&fixture("router")).identity().unwrap();
    for file in [
        ROUTER,
        "query_0_StaticEmbedding/model.safetensors",
        "query_0_StaticEmbedding/tokenizer.json",
        "document_0_Transformer/model.safetensors",
        "document_0_Transformer/config.json",
        "document_1_Pooling/config.json",
        "document_2_Dense/model.safetensors",
    ] {
        let folder = changed(|_| {});
        let encoder = load(folder.path());
        assert_eq!(encoder.identity().unwrap(), identity);
        let path = folder.path().join(file);
        let mut content = std::fs::read(&path).unwrap();
        let middle = content.len() / 2;
        content[middle] ^= 1;
        std::fs::write(&path, content).unwrap();
        assert_ne!(encoder.identity().unwrap(), identity, "{file}");
    }
}

#[test]
fn a_maximum_length_and_a_precision_are_for_encoders() {
    let long = ["water bottle smart home speaker keyboard ".repeat(4)];
    let own = load(&fixture("router"));
    let builder = SentenceEncoder::builder()
        .device(test_device())
        .max_length(8);
    let cut = builder.load(fixture("router").to_str().unwrap()).unwrap();
    assert_eq!(cut.encode_document(&long).unwrap().truncated(), 1);
    assert_eq!(
        cut.encode_query(&long).unwrap(),
        own.encode_query(&long).unwrap()
    );
    if !on_cpu() {
        return;
    }
    let builder = SentenceEncoder::builder().device(test_device());
    let int8 = builder.precision(Precision::Int8);
    let int8 = int8.load(fixture("router").to_str().unwrap()).unwrap();
    let precision = |prompt| int8.route(&prompt).unwrap().precision();
    assert_eq!(precision(Prompt::Document), Precision::Int8);
    assert_eq!(precision(Prompt::Query), Precision::Float32);
    assert_eq!(int8.fingerprint("router").unwrap().precision, "int8");
}

/// An index states the maximum length of its documents: that of queries stays, unless the documents have another than
/// their own.
#[test]
fn the_maximum_length_of_an_index_is_that_of_its_documents() {
    // Queries and documents by copies of the same encoder, of which that of queries is shorter.
    let folder = changed(|folder| {
        edit(folder, ROUTER, |config| {
            let modules = [
                "query_0_Transformer",
                "document_1_Pooling",
                "document_2_Dense",
            ];
            config["structure"]["query"] = json!(modules);
            config["types"][modules[0]] = config["types"]["document_0_Transformer"].clone();
        });
        let [from, to] =
            ["document_0_Transformer", "query_0_Transformer"].map(|name| folder.join(name));
        std::fs::create_dir(&to).unwrap();
        for entry in from.read_dir().unwrap() {
            let path = entry.unwrap().path();
            std::fs::copy(&path, to.join(path.file_name().unwrap())).unwrap();
        }
        edit(&to, "tokenizer_config.json", |config| {
            config["model_max_length"] = json!(8)
        });
    });
    let name = folder.path().to_str().unwrap();
    let lengths = |encoder: &SentenceEncoder| {
        [Prompt::Query, Prompt::Document]
            .map(|prompt| encoder.route(&prompt).unwrap().tokenizer().max_length())
    };
    let own = load(folder.path());
    assert_eq!(lengths(&own), [8, 62]);
    let mut fingerprint = own.fingerprint("router").unwrap();
    assert_eq!(fingerprint.max_length, 62);
    let of_index = |fingerprint: &search::index::ModelFingerprint| {
        let builder = SentenceEncoder::builder().of_index(fingerprint).unwrap();
        builder.device(test_device()).load(name).unwrap()
    };
    assert_eq!(lengths(&of_index(&fingerprint)), [8, 62]);
    fingerprint.max_length = 30;
    assert_eq!(lengths(&of_index(&fingerprint)), [30, 30]);
}
