//! Vectors in both forms are those of the model.

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use serde_json::{Value, json};
use serve::ServeOptions;

use crate::support::{Service, tiny};

const TEXTS: [&str; 3] = ["high end water bottle", "", "Ärger mit dem Lautsprecher"];

fn rows(value: &Value) -> Vec<Vec<f32>> {
    serde_json::from_value(value.clone()).unwrap()
}

/// The bits of the model's own vectors: shortest decimal numbers name them exactly.
fn expected() -> Vec<Vec<f32>> {
    tiny()
        .encode(&TEXTS)
        .unwrap()
        .rows()
        .map(<[f32]>::to_vec)
        .collect()
}

#[test]
fn vectors_are_those_of_the_model_to_the_bit() {
    let service = Service::new(ServeOptions::default());
    for path in ["/embed", "/", "/invocations"] {
        let answer = service.post(path, &json!({ "inputs": TEXTS }));
        assert_eq!(answer.status, 200, "{answer:?}");
        assert_eq!(rows(&answer.json()), expected(), "{path}");
    }
    let one = service.post("/embed", &json!({ "inputs": TEXTS[0] }));
    assert_eq!(rows(&one.json()), expected()[..1]);
    for (name, most) in [("x-compute-tokens", 100), ("x-total-time", 60_000)] {
        let value: u64 = one.headers[name].to_str().unwrap().parse().unwrap();
        assert!(value < most, "{name}: {value}");
    }
    assert_eq!(one.headers["x-compute-characters"], "21");
}

#[test]
fn token_ids_become_their_texts_again() {
    let service = Service::new(ServeOptions::default());
    let text = "water bottle, 5 l";
    let tokens = service.post("/tokenize", &json!({ "inputs": [text, "a"] }));
    let ids = |tokens: &Value| -> Vec<u64> {
        let tokens = tokens.as_array().unwrap().iter();
        tokens.map(|token| token["id"].as_u64().unwrap()).collect()
    };
    let tokens = tokens.json();
    let lists = [ids(&tokens[0]), ids(&tokens[1])];
    let texts = service.post("/decode", &json!({ "ids": lists }));
    assert_eq!(texts.json(), json!([text, "a"]), "{texts:?}");
    // One list is one text, and special tokens are shown if they are asked for.
    let one = json!({ "ids": lists[1], "skip_special_tokens": false });
    assert_eq!(service.post("/decode", &one).json(), json!(["<s> a </s>"]));
    for (body, message) in [
        (json!({ "ids": [] }), "`ids` has no token"),
        (json!({ "ids": ["a"] }), "a list of token ids"),
        (json!({ "ids": [-1] }), "a list of token ids"),
        (json!({ "ids": vec![[0]; 3000] }), "--max-client-batch-size"),
        (json!({ "inputs": [1] }), "missing field `ids`"),
    ] {
        let answer = service.post("/decode", &body);
        assert_eq!(answer.status, 422, "{answer:?}");
        assert!(answer.error().contains(message), "{answer:?}");
    }
    // Ids that are no token are passed over.
    let unknown = service.post("/decode", &json!({ "ids": [u32::MAX] }));
    assert_eq!(unknown.json(), json!([""]), "{unknown:?}");
}

#[test]
fn openai_clients_get_numbers_or_base64() {
    let service = Service::new(ServeOptions::default());
    let tokens = tiny().encode(&TEXTS).unwrap().tokens();
    for path in ["/v1/embeddings", "/embeddings"] {
        for format in ["float", "base64"] {
            let request =
                json!({ "input": TEXTS, "model": "any", "encoding_format": format, "user": "x" });
            let answer = service.post(path, &request).json();
            assert_eq!(answer["object"], "list");
            assert_eq!(answer["model"], "tiny");
            assert_eq!(
                answer["usage"],
                json!({ "prompt_tokens": tokens, "total_tokens": tokens })
            );
            let data = answer["data"].as_array().unwrap();
            for (place, (object, expected)) in data.iter().zip(expected()).enumerate() {
                assert_eq!(
                    (&object["object"], &object["index"]),
                    (&json!("embedding"), &json!(place))
                );
                let values: Vec<f32> = match &object["embedding"] {
                    Value::String(text) => {
                        let bytes = BASE64_STANDARD.decode(text).unwrap();
                        let values = bytes.chunks_exact(4);
                        values
                            .map(|value| f32::from_le_bytes(value.try_into().unwrap()))
                            .collect()
                    }
                    numbers => serde_json::from_value(numbers.clone()).unwrap(),
                };
                assert_eq!(values, expected);
            }
            assert_eq!(data.len(), TEXTS.len());
        }
    }
}

#[test]
fn a_request_chooses_the_form_of_its_vectors() {
    let service = Service::new(ServeOptions::default());
    let length = |row: &[f32]| row.iter().map(|value| value * value).sum::<f32>().sqrt();
    let raw = rows(
        &service
            .post("/embed", &json!({ "inputs": TEXTS, "normalize": false }))
            .json(),
    );
    let cut = rows(
        &service
            .post("/embed", &json!({ "inputs": TEXTS, "dimensions": 5 }))
            .json(),
    );
    for ((raw, cut), own) in raw.iter().zip(&cut).zip(expected()) {
        assert!((length(raw) - 1.0).abs() > 1e-3, "{raw:?}");
        assert_eq!(cut.len(), 5);
        // Values of f32 around 1.
        assert!((length(cut) - 1.0).abs() < 1e-6, "{cut:?}");
        let norm = length(raw);
        for (raw, own) in raw.iter().zip(own) {
            // The same numbers but for the rounding of the norm.
            assert!((raw / norm - own).abs() < 1e-6, "{raw} {own}");
        }
    }
    let openai = service
        .post(
            "/v1/embeddings",
            &json!({ "input": TEXTS, "dimensions": 5 }),
        )
        .json();
    assert_eq!(rows(&json!([openai["data"][0]["embedding"]]))[0], cut[0]);
}

#[test]
fn a_long_text_is_truncated_or_refused() {
    let service = Service::new(ServeOptions::default());
    let long = "water bottle ".repeat(100);
    let own = tiny().encode(&[&long]).unwrap();
    let truncated = service.post("/embed", &json!({ "inputs": long }));
    assert_eq!(rows(&truncated.json())[0], own.values());
    let refused = service.post(
        "/embed",
        &json!({ "inputs": ["a", long], "truncate": false }),
    );
    assert_eq!(refused.status, 422);
    assert!(
        refused
            .error()
            .contains("text 2 of `inputs` has more than 62 tokens"),
        "{refused:?}"
    );
    let left = json!({ "inputs": format!("{long} speaker"), "truncation_direction": "left" });
    let left = rows(&service.post("/embed", &left).json());
    assert_ne!(left[0], own.values());
    let strict = Service::new(ServeOptions {
        auto_truncate: false,
        ..ServeOptions::default()
    });
    assert_eq!(
        strict
            .post("/v1/embeddings", &json!({ "input": long }))
            .status,
        422
    );
}

#[test]
fn similarities_are_cosines() {
    let service = Service::new(ServeOptions::default());
    let request = json!({ "inputs": { "source_sentence": TEXTS[0], "sentences": TEXTS } });
    let expected: Vec<f32> = {
        let rows = expected();
        let cosine = |row: &Vec<f32>| std::iter::zip(&rows[0], row).map(|(a, b)| a * b).sum();
        rows.iter().map(cosine).collect()
    };
    for path in ["/similarity", "/"] {
        let cosines: Vec<f32> =
            serde_json::from_value(service.post(path, &request).json()).unwrap();
        for (cosine, expected) in cosines.iter().zip(&expected) {
            // The same numbers, normalized once more.
            assert!((cosine - expected).abs() < 1e-6, "{cosines:?} {expected:?}");
        }
        assert_eq!(cosines.len(), 3);
    }
}

#[test]
fn tokens_say_where_they_stand() {
    let service = Service::new(ServeOptions::default());
    let tokens = service
        .post("/tokenize", &json!({ "inputs": ["smart speaker", "a"] }))
        .json();
    let first = &tokens[0];
    assert_eq!(
        (&first[0]["special"], &first[0]["start"]),
        (&json!(true), &Value::Null)
    );
    assert_eq!(
        first[1],
        json!({ "id": first[1]["id"], "text": "smart", "special": false, "start": 0, "stop": 5 })
    );
    let bare = service.post(
        "/tokenize",
        &json!({ "inputs": "a", "add_special_tokens": false }),
    );
    assert_eq!(bare.json()[0].as_array().unwrap().len(), 1);
}
