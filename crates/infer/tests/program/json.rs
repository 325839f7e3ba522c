//! The JSON of `search`, `recommend` and `similarity`, compared with its schema in the documentation.

use serde_json::{Map, Value, json};

use crate::support::{file, infer, run, text};

const PRODUCTS: &str = "sku,title,brand\nA,steel water bottle,Acme\nB,wireless keyboard,Keys\nC,\"smart\n\u{7f}speaker\",Acme\n";

fn schema() -> Value {
    let path = concat!(
        env!("CARGO_MANIFEST_DIR"),
        "/../../docs/src/reference/results.schema.json"
    );
    serde_json::from_str(&std::fs::read_to_string(path).unwrap()).unwrap()
}

/// The first difference between a value and a schema of the keywords that ours uses.
fn difference(schema: &Value, root: &Value, value: &Value, place: &str) -> Option<String> {
    for (keyword, rule) in schema.as_object().unwrap() {
        let wrong = match keyword.as_str() {
            "$schema" | "$id" | "$defs" | "title" | "description" => None,
            "$ref" => {
                let pointer = rule.as_str().unwrap().strip_prefix('#').unwrap();
                difference(root.pointer(pointer).unwrap(), root, value, place)
            }
            "oneOf" => {
                let rules = rule.as_array().unwrap().iter();
                let differences: Vec<String> = rules
                    .clone()
                    .filter_map(|rule| difference(rule, root, value, place))
                    .collect();
                (rules.len() - differences.len() != 1)
                    .then(|| format!("{place}: not one of: {}", differences.join("; ")))
            }
            "type" => {
                let types = rule.as_array().cloned().unwrap_or(vec![rule.clone()]);
                let has = |name: &Value| match name.as_str().unwrap() {
                    "object" => value.is_object(),
                    "array" => value.is_array(),
                    "string" => value.is_string(),
                    "number" => value.is_number(),
                    "integer" => value.is_u64(),
                    "boolean" => value.is_boolean(),
                    "null" => value.is_null(),
                    other => panic!("{other}"),
                };
                (!types.iter().any(has)).then(|| format!("{place}: {value} is no {rule}"))
            }
            "const" => (value != rule).then(|| format!("{place}: {value} instead of {rule}")),
            "enum" => (!rule.as_array().unwrap().contains(value))
                .then(|| format!("{place}: {value} instead of one of {rule}")),
            "minimum" => {
                (value.as_f64() < rule.as_f64()).then(|| format!("{place}: {value} below {rule}"))
            }
            "required" => rule
                .as_array()
                .unwrap()
                .iter()
                .find(|key| value.get(key.as_str().unwrap()).is_none())
                .map(|key| format!("{place}: no {key}")),
            "properties" => {
                let rules = rule.as_object().unwrap();
                rules.iter().find_map(|(key, rule)| {
                    difference(rule, root, value.get(key)?, &format!("{place}/{key}"))
                })
            }
            "additionalProperties" => {
                let empty = Map::new();
                let known = schema.get("properties").and_then(Value::as_object);
                let known = known.unwrap_or(&empty);
                let mut others = value
                    .as_object()
                    .unwrap_or(&empty)
                    .iter()
                    .filter(|(key, _)| !known.contains_key(*key));
                others.find_map(|(key, value)| {
                    if rule == &Value::Bool(false) {
                        return Some(format!("{place}: {key} is not in the schema"));
                    }
                    difference(rule, root, value, &format!("{place}/{key}"))
                })
            }
            "items" => value
                .as_array()?
                .iter()
                .find_map(|item| difference(rule, root, item, &format!("{place}[]"))),
            other => panic!("the test does not know the keyword {other}"),
        };
        if wrong.is_some() {
            return wrong;
        }
    }
    None
}

/// The values of a run, one per line, all as the schema says.
#[track_caller]
pub(crate) fn results(arguments: &[&str]) -> Vec<Value> {
    let schema = schema();
    let out = run(&mut infer(arguments)).ok();
    out.lines()
        .map(|line| {
            let value: Value = serde_json::from_str(line).unwrap();
            assert_eq!(difference(&schema, &schema, &value, ""), None, "{line}");
            value
        })
        .collect()
}

#[test]
fn every_result_has_the_schema() {
    let (_folder, path) = file("p.csv", PRODUCTS);
    let corpus = [
        "--json",
        "--corpus",
        text(&path),
        "--column",
        "title",
        "--column",
        "brand",
    ];
    let with_ids = [&corpus[..], &["--id-column", "sku"]].concat();
    let plain = file("p.txt", "bottle\nspeaker\n");

    let found = results(&[&["search", "bottle", "speaker", "-k", "2"], &corpus[..]].concat());
    assert_eq!(found.len(), 2);
    assert_eq!(
        (&found[0]["query"], &found[0]["metric"]),
        (&json!("bottle"), &json!("cosine"))
    );
    assert_eq!(found[0]["hits"].as_array().unwrap().len(), 2);
    assert_eq!(found[0]["hits"][0]["id"], Value::Null);

    let found = results(&[&["search", "smart speaker", "-k", "1"], &with_ids[..]].concat());
    let hit = &found[0]["hits"][0];
    assert_eq!(
        (&hit["rank"], &hit["row"], &hit["id"]),
        (&json!(1), &json!(3), &json!("C"))
    );
    assert_eq!(
        hit["columns"],
        json!({"title": "smart\n\u{7f}speaker", "brand": "Acme"})
    );
    assert_eq!(hit["text"], "smart\n\u{7f}speaker Acme");

    let found = results(&[&["recommend", "B", "--similarity", "dot"], &with_ids[..]].concat());
    assert_eq!(
        (&found[0]["id"], &found[0]["metric"]),
        (&json!("B"), &json!("dot"))
    );
    let found = results(&[&["recommend", "--text", "keys"], &with_ids[..]].concat());
    assert_eq!(found[0]["text"], "keys");

    let found = results(&["search", "bottle", "--json", "--corpus", text(&plain.1)]);
    assert_eq!(found[0]["hits"][0]["columns"], json!({}));

    let found = results(&["similarity", "a b", "a b", "--json"]);
    assert_eq!(
        (&found[0]["a"], &found[0]["row"]),
        (&json!("a b"), &Value::Null)
    );
    assert!((found[0]["score"].as_f64().unwrap() - 1.0).abs() < 1e-6);
    let pairs = [
        "similarity",
        "--json",
        "--input",
        text(&path),
        "--id-column",
        "sku",
    ];
    let found = results(&[&pairs[..], &["--column", "title", "--column", "brand"]].concat());
    let rows: Vec<(&Value, &Value)> = found
        .iter()
        .map(|pair| (&pair["row"], &pair["id"]))
        .collect();
    assert_eq!(
        rows,
        [
            (&json!(1), &json!("A")),
            (&json!(2), &json!("B")),
            (&json!(3), &json!("C"))
        ]
    );
}

/// `hits[0].row` of a search is what `recommend` calls that product.
#[test]
fn a_row_of_a_hit_is_the_number_that_recommend_takes() {
    let (_folder, path) = file("p.csv", PRODUCTS);
    let corpus = ["--json", "--corpus", text(&path), "--column", "title"];
    let found = results(&[&["search", "wireless keyboard"], &corpus[..]].concat());
    let hit = &found[0]["hits"][0];
    assert_eq!(
        (&hit["row"], &hit["text"]),
        (&json!(2), &json!("wireless keyboard"))
    );
    let row = hit["row"].to_string();
    let found = results(&[&["recommend", &row], &corpus[..]].concat());
    let others: Vec<u64> = found[0]["hits"]
        .as_array()
        .unwrap()
        .iter()
        .map(|hit| hit["row"].as_u64().unwrap())
        .collect();
    assert_eq!(others.len(), 2);
    assert!(!others.contains(&2), "{others:?}");
}

#[test]
fn the_schema_refuses_other_values() {
    let schema = schema();
    let hit = json!({"rank": 1, "score": 0.5, "row": 1, "id": null, "text": "a", "columns": {}});
    let found = json!({"version": 1, "query": "a", "metric": "cosine", "hits": [hit]});
    assert_eq!(difference(&schema, &schema, &found, ""), None);
    for (pointer, wrong) in [
        ("/version", json!(2)),
        ("/metric", json!("angle")),
        ("/hits/0/row", json!(0)),
        ("/hits/0/rank", json!(0)),
        ("/hits/0/score", json!("high")),
        ("/hits/0/id", json!(7)),
        ("/hits/0/columns", json!({"title": 1})),
    ] {
        let mut other = found.clone();
        *other.pointer_mut(pointer).unwrap() = wrong;
        assert!(
            difference(&schema, &schema, &other, "").is_some(),
            "{pointer}"
        );
    }
    let mut without = found.clone();
    without.as_object_mut().unwrap().remove("query");
    assert!(difference(&schema, &schema, &without, "").is_some());
}
