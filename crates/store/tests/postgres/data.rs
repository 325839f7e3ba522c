//! Rows of a small shop, and the titles of Chorus.

use std::io::Read;

use search::filter::{ColumnKind, FilterColumn, Value};
use search::index::{Document, ModelFingerprint, Settings, TextColumn};
use search::words::Language;
use search::{Fusion, Similarity};
use store::{BuildOptions, Options, PostgresStore};

/// A number that looks random, the same for the same seed.
pub(crate) fn random(seed: u64) -> u64 {
    let mut bits = seed.wrapping_add(0x9e37_79b9_7f4a_7c15);
    bits = (bits ^ (bits >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    bits = (bits ^ (bits >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    bits ^ (bits >> 31)
}

/// A vector of a text that is similar to those of texts with some of its words: the sum of a random vector of each.
pub(crate) fn vector_of(text: &str, width: usize) -> Vec<f32> {
    let mut vector = vec![0.0; width];
    for word in text.to_lowercase().split_whitespace() {
        let seed = word
            .bytes()
            .fold(7_u64, |seed, byte| random(seed ^ u64::from(byte)));
        for (column, value) in vector.iter_mut().enumerate() {
            *value += (random(seed ^ (column as u64) << 32) >> 40) as f32 / (1 << 23) as f32 - 1.0;
        }
    }
    vector
}

pub(crate) fn settings(width: usize, similarity: Similarity) -> Settings {
    let column = |name: &str, kind| FilterColumn {
        name: name.to_owned(),
        kind,
    };
    Settings {
        model: ModelFingerprint {
            name: "a/model".to_owned(),
            identity: "1234".to_owned(),
            precision: "f32".to_owned(),
            ..ModelFingerprint::default()
        },
        width,
        similarity,
        id_column: "id".to_owned(),
        text_columns: vec![TextColumn {
            name: "title".to_owned(),
            weight: 1.0,
        }],
        filter_columns: vec![
            column("brand", ColumnKind::Text),
            column("price", ColumnKind::Number),
            column("stock", ColumnKind::Boolean),
            column("since", ColumnKind::Date),
            column("sku", ColumnKind::Key),
        ],
        language: Language::English,
        attribute_columns: Vec::new(),
        fusion: Fusion::WeightedSum { weight: 0.3 },
    }
}

/// A shop of a given number of rows, of which some lack a value.
pub(crate) fn shop(rows: usize) -> Vec<Document> {
    let words = [
        "mouse", "keyboard", "monitor", "cable", "wireless", "black", "silver", "usb", "gaming",
        "office",
    ];
    let brands = ["Logitech", "logitech", "Dell", "HP", "Ångström"];
    (0..rows)
        .map(|row| {
            let bits = random(row as u64);
            let pick = |shift: u32, of: usize| (bits >> shift) as usize % of;
            let title: Vec<&str> = (0..3 + pick(3, 4))
                .map(|word| words[pick(7 * word as u32 % 50, words.len())])
                .collect();
            let given = |shift: u32, value: Value| (pick(shift, 7) != 0).then_some(value);
            Document {
                id: format!("id-{row:05}"),
                texts: vec![title.join(" ")],
                values: vec![
                    given(11, Value::Text(brands[pick(13, brands.len())].to_owned())),
                    given(17, Value::Number(pick(19, 500) as f64 / 4.0)),
                    given(23, Value::Boolean(pick(29, 2) == 0)),
                    given(
                        31,
                        Value::Date(1_700_000_000 + pick(37, 1000) as i64 * 86_400),
                    ),
                    Some(Value::Text(format!("XJ-{row}"))),
                ],
            }
        })
        .collect()
}

pub(crate) fn vectors_of(documents: &[Document], width: usize) -> Vec<Vec<f32>> {
    documents
        .iter()
        .map(|document| vector_of(&document.texts[0], width))
        .collect()
}

/// The 19,406 product titles of Chorus, with their ids.
pub(crate) fn chorus() -> Vec<(String, String)> {
    let path = concat!(
        env!("CARGO_MANIFEST_DIR"),
        "/../../datasets/chorus-electronics/titles.tsv.gz"
    );
    let mut text = String::new();
    flate2::read::GzDecoder::new(std::fs::File::open(path).expect("the titles"))
        .read_to_string(&mut text)
        .expect("the titles");
    let rows = text
        .lines()
        .skip(1)
        .filter_map(|line| line.split_once('\t'));
    rows.map(|(id, title)| (id.to_owned(), title.to_owned()))
        .collect()
}

pub(crate) fn options(name: &str) -> Options {
    Options {
        name: name.to_owned(),
        ..Options::default()
    }
}

/// A loaded store.
pub(crate) fn loaded(
    addresses: &[String],
    options: Options,
    settings: &Settings,
    documents: &[Document],
    vectors: &[Vec<f32>],
) -> PostgresStore {
    let store = PostgresStore::create(addresses, options, settings).expect("a store");
    let mut load = store.load("test").expect("a load");
    for (block, (documents, vectors)) in
        documents.chunks(2000).zip(vectors.chunks(2000)).enumerate()
    {
        load.write(block as u64, documents, vectors)
            .expect("a block");
    }
    store
        .build_indexes(BuildOptions {
            workers: 0,
            ..BuildOptions::default()
        })
        .expect("the indexes");
    load.finish().expect("the end");
    store
}
