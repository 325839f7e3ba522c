mod bad_rows;

use std::fs;
use std::path::PathBuf;

use proptest::prelude::*;
use tempfile::TempDir;

use super::super::kind::RowKind;
use super::*;

struct Folder(TempDir);

impl Folder {
    fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    fn file(&self, name: &str, bytes: impl AsRef<[u8]>) -> PathBuf {
        let path = self.0.path().join(name);
        fs::write(&path, bytes).unwrap();
        path
    }
}

fn read(path: &Path) -> Result<TextTable, DataError> {
    TextTable::read(&[path], &ReadOptions::default())
}

fn with_columns(columns: &str) -> ReadOptions {
    ReadOptions {
        columns: Some(columns.parse().unwrap()),
        ..ReadOptions::default()
    }
}

fn texts(table: &TextTable) -> Vec<Vec<&str>> {
    table.rows().map(|row| row.texts().collect()).collect()
}

/// The message of an error without the folder of the file.
fn message(error: &DataError, folder: &Folder) -> String {
    let folder = format!("{}/", folder.0.path().display());
    error.to_string().replace(&folder, "")
}

/// A gzip file of one block that is stored rather than compressed (RFC 1951, RFC 1952).
fn gzip(bytes: &[u8]) -> Vec<u8> {
    let crc = bytes.iter().fold(u32::MAX, |crc, &byte| {
        (0..8).fold(crc ^ u32::from(byte), |crc, _| {
            (crc >> 1) ^ (0xedb8_8320 * (crc & 1))
        })
    });
    let length = u16::try_from(bytes.len()).unwrap();
    let mut file = vec![0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 255, 1];
    file.extend(length.to_le_bytes());
    file.extend((!length).to_le_bytes());
    file.extend(bytes);
    file.extend((!crc).to_le_bytes());
    file.extend(u32::from(length).to_le_bytes());
    file
}

/// The scores or labels of all rows.
fn targets(table: &TextTable) -> Vec<f32> {
    table.targets(&(0..table.len()).collect::<Vec<_>>())
}

#[test]
fn every_format_gives_the_same_rows() {
    let folder = Folder::new();
    let csv = "id,query,product,score\n1,\"kettle, steel\",boils water,0.5\n2,größe,日本,1\n";
    let tsv = "id\tquery\tproduct\tscore\n1\tkettle, steel\tboils water\t0.5\n2\tgröße\t日本\t1\n";
    let jsonl = r#"{"id": "1", "query": "kettle, steel", "product": "boils water", "score": 0.5, "tags": ["x"]}
{"score": 1, "id": "2", "query": "gr\u00f6\u00dfe", "product": "日本"}
"#;
    let files = [
        folder.file("rows.csv", csv),
        folder.file("rows.csv.gz", gzip(csv.as_bytes())),
        folder.file("rows.tsv", tsv),
        folder.file("rows.tsv.gz", gzip(tsv.as_bytes())),
        folder.file("rows.jsonl", jsonl),
        folder.file("rows.ndjson.gz", gzip(jsonl.as_bytes())),
    ];
    for path in &files {
        for options in [
            ReadOptions::default(),
            with_columns("anchor=query,positive=product,score=score"),
        ] {
            let table = TextTable::read(&[path], &options).unwrap();
            assert_eq!(table.kind(), RowKind::Scored);
            assert_eq!(
                texts(&table),
                [["kettle, steel", "boils water"], ["größe", "日本"]],
                "{}",
                path.display()
            );
            assert_eq!(targets(&table), [0.5, 1.0]);
            assert_eq!(table.skipped(), 0);
        }
    }
}

#[test]
fn the_columns_may_be_given() {
    let folder = Folder::new();
    let path = folder.file(
        "rows.csv",
        "title,description,rating,query\nt1,d1,3,q1\nt2,d2,5,q2\n",
    );
    let table = TextTable::read(&[&path], &with_columns("anchor=query,positive=title")).unwrap();
    assert_eq!(table.kind(), RowKind::Pairs);
    assert_eq!(texts(&table), [["q1", "t1"], ["q2", "t2"]]);
    // The description and the rating are not there.
    assert_eq!(super::super::table::bytes_held(&table), 8 + 4 * 8 + 2 * 8);

    let options = with_columns("anchor=query,positive=title,negative=description");
    let table = TextTable::read(&[&path], &options).unwrap();
    assert_eq!(table.kind(), RowKind::Tuples { negatives: 1 });
    assert_eq!(texts(&table)[1], ["q2", "t2", "d2"]);

    let error = TextTable::read(&[&path], &with_columns("anchor=query,positive=name")).unwrap_err();
    assert_eq!(
        message(&error, &folder),
        "rows.csv: no column `name`; there are: title, description, rating, query"
    );
}

#[test]
fn a_text_may_be_made_of_several_columns() {
    let folder = Folder::new();
    let path = folder.file(
        "rows.jsonl",
        "{\"query\": \"kettle\", \"title\": \"Steel kettle\", \"brand\": \"Acme\", \"color\": \"red\"}\n\
         {\"query\": \"mug\", \"title\": \"Mug\", \"brand\": \"\", \"color\": \"blue\"}\n\
         {\"query\": \"pot\", \"title\": \"Pot\"}\n\
         {\"query\": \"pan\"}\n",
    );
    let columns = "anchor=query,positive={title}. {brand} {color}";
    let mut options = with_columns(columns);
    let error = TextTable::read(&[&path], &options).unwrap_err();
    assert_eq!(
        message(&error, &folder),
        "rows.jsonl, line 4: the positive (column `{title}. {brand} {color}`) is empty; fill it in, or leave the row out (`train fit` does with --skip-bad-rows)"
    );
    options.skip_bad_rows = true;
    let table = TextTable::read(&[&path], &options).unwrap();
    assert_eq!(
        texts(&table),
        [
            ["kettle", "Steel kettle. Acme red"],
            ["mug", "Mug. blue"],
            ["pot", "Pot."]
        ]
    );
    let missing = with_columns("anchor=query,positive={name} {color}");
    let error = TextTable::read(&[&path], &missing).unwrap_err();
    assert!(
        message(&error, &folder).contains("no column `name`"),
        "{error}"
    );
}

#[test]
fn rows_with_negatives_may_have_scores() {
    let folder = Folder::new();
    let path = folder.file("rows.csv", "q,p,n,of_p,of_n\na,b,c,0.75,-2\nd,e,f,1,0.5\n");
    let columns = "anchor=q,positive=p,negative=n,score=of_p,score=of_n";
    let table = TextTable::read(&[&path], &with_columns(columns)).unwrap();
    assert_eq!(
        table.kind().to_string(),
        "pairs with a negative and 2 scores"
    );
    assert_eq!(table.row(0).targets(), [0.75, -2.0]);
    assert_eq!(table.row(1).targets(), [1.0, 0.5]);
    assert_eq!(table.targets(&[1, 0]), [1.0, 0.5, 0.75, -2.0]);
}

#[test]
fn a_kind_of_rows_leaves_columns_out() {
    let folder = Folder::new();
    let path = folder.file(
        "rows.csv",
        "query,positive,negative,label\na,b,c,1\nd,e,f,0\n",
    );
    let read = |kind, columns: Option<&str>| {
        let options = ReadOptions {
            columns: columns.map(|columns| columns.parse().unwrap()),
            infer_where_missing: true,
            kind: Some(kind),
            ..ReadOptions::default()
        };
        TextTable::read(&[&path], &options)
    };
    let given = "anchor=positive,positive=query,score=label";
    let scored = read(RowKind::Scored, Some(given)).unwrap();
    assert_eq!(texts(&scored), [["b", "a"], ["e", "d"]]);
    assert_eq!(scored.row(0).targets(), [1.0]);
    assert!(scored.used_given_columns());
    // These columns have no negative, so the file's own names count.
    let error = read(RowKind::Tuples { negatives: 1 }, Some(given)).unwrap_err();
    assert_eq!(
        message(&error, &folder),
        "rows.csv: rows with negatives cannot have a label; leave out the label or the negatives"
    );
    let missing = read(
        RowKind::Scored,
        Some("anchor=title,positive=query,score=label"),
    );
    assert!(missing.is_err());
}

#[test]
fn groups_are_read_from_their_column() {
    let folder = Folder::new();
    let path = folder.file("rows.tsv", "sku\tx\ty\n7\ta\tb\n8\tc\td\n7\te\tf\n");
    let mut options = ReadOptions {
        group_column: Some("sku".to_owned()),
        ..ReadOptions::default()
    };
    let table = TextTable::read(&[&path], &options).unwrap();
    assert_eq!(texts(&table), [["a", "b"], ["c", "d"], ["e", "f"]]);
    let group = |row| table.row(row).group().unwrap();
    assert_eq!(group(0), group(2));
    assert_ne!(group(0), group(1));

    // The group may be a text as well.
    options.columns = Some("anchor=x,positive=sku".parse().unwrap());
    let table = TextTable::read(&[&path], &options).unwrap();
    assert_eq!(texts(&table)[2], ["e", "7"]);
    assert_eq!(table.row(0).group(), table.row(2).group());

    options.group_column = Some("brand".to_owned());
    let error = TextTable::read(&[&path], &options).unwrap_err();
    assert_eq!(
        message(&error, &folder),
        "rows.tsv: no column `brand`; there are: sku, x, y"
    );
}

#[test]
fn labels_are_zero_and_one_or_false_and_true() {
    let folder = Folder::new();
    let path = folder.file(
        "rows.csv",
        "a,b,label\nx,y,1\nx,y,0\nx,y,True\nx,y,false\nx,y, 1.0\nx,y,2\n",
    );
    let mut options = ReadOptions::default();
    let error = TextTable::read(&[&path], &options).unwrap_err();
    assert_eq!(
        message(&error, &folder),
        "rows.csv, line 7: the label is `2`, neither 0 nor 1; if it is a score, give --columns anchor=COLUMN,positive=COLUMN,score=COLUMN"
    );
    options.skip_bad_rows = true;
    let table = TextTable::read(&[&path], &options).unwrap();
    assert_eq!(table.kind(), RowKind::Labelled);
    assert_eq!(targets(&table), [1.0, 0.0, 1.0, 0.0, 1.0]);
}

#[test]
fn several_files_become_one_table() {
    let folder = Folder::new();
    let first = folder.file("first.csv", "query,answer\na,b\nc,d\n");
    let empty = folder.file("empty.csv", "query,answer\n");
    let second = folder.file(
        "second.jsonl",
        "\n{\"title\": \"e\", \"description\": \"f\"}\n",
    );
    let paths = [&first, &empty, &second];
    let table = TextTable::read(&paths, &ReadOptions::default()).unwrap();
    assert_eq!(texts(&table), [["a", "b"], ["c", "d"], ["e", "f"]]);
    let places: Vec<_> = table
        .rows()
        .map(|row| (row.file().unwrap().clone(), row.line()))
        .collect();
    assert_eq!(
        places,
        [
            (Source::File(first.clone()), 2),
            (Source::File(first.clone()), 3),
            (Source::File(second.clone()), 2)
        ]
    );

    let files: Vec<_> = table.files().collect();
    let [of_first, of_empty, of_second] =
        [&first, &empty, &second].map(|path| Source::File(path.clone()));
    assert_eq!(
        files,
        [(&of_first, 2, 0), (&of_empty, 0, 0), (&of_second, 1, 0)]
    );
    // An empty file may also come first or last.
    for paths in [[&empty, &first], [&first, &empty]] {
        let table = TextTable::read(&paths, &ReadOptions::default()).unwrap();
        assert_eq!(texts(&table), [["a", "b"], ["c", "d"]]);
        assert_eq!(table.row(1).file(), Some(&of_first));
    }

    let scored = folder.file("scored.csv", "query,answer,score\na,b,1\n");
    let error = TextTable::read(&[&first, &scored], &ReadOptions::default()).unwrap_err();
    assert_eq!(
        message(&error, &folder),
        "scored.csv has pairs with a score, but the rows before it are pairs; name the columns with --columns, or train on files of one kind"
    );
    let pairs = with_columns("anchor=query,positive=answer");
    assert_eq!(
        TextTable::read(&[&first, &scored], &pairs).unwrap().len(),
        3
    );
}

#[test]
fn the_format_may_be_given() {
    let folder = Folder::new();
    let path = folder.file("rows.txt", "query\tanswer\na\tb\n");
    let options = ReadOptions {
        format: Some(Format::Tsv),
        ..ReadOptions::default()
    };
    let table = TextTable::read(&[&path], &options).unwrap();
    assert_eq!(texts(&table), [["a", "b"]]);
}

/// Columns `genre, source, year, id, score, sentence1, sentence2`.
#[test]
fn sentence_similarity_is_read_as_it_is_published() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../datasets/sts/stsb_open_dev.tsv");
    let table = read(&path).unwrap();
    assert_eq!(table.kind(), RowKind::Scored);
    assert_eq!(table.len(), 1_000);
    assert_eq!(
        texts(&table)[0],
        [
            "A cat standing on tree branches.",
            "A black and white cat is high up on tree branches."
        ]
    );
    assert_eq!(targets(&table)[0], 3.6);
    assert!(
        targets(&table)
            .iter()
            .all(|score| (0.0..=5.0).contains(score))
    );
}

proptest! {
    #[test]
    fn texts_come_back_as_they_were_written(
        rows in prop::collection::vec(("\\PC*[a-z]", "[a-z](\\PC|\n|\"|,)*", -1e30_f32..1e30), 1..20),
    ) {
        let folder = Folder::new();
        let mut csv = "x,y,z\n".to_owned();
        let mut jsonl = String::new();
        for (anchor, positive, score) in &rows {
            let quoted = |text: &str| format!("\"{}\"", text.replace('"', "\"\""));
            csv += &format!("{},{},{score}\n", quoted(anchor), quoted(positive));
            let object = serde_json::json!({ "x": anchor, "y": positive, "z": score.to_string() });
            jsonl += &format!("{object}\n");
        }
        let options = with_columns("anchor=x,positive=y,score=z");
        for path in [folder.file("rows.csv", csv), folder.file("rows.jsonl", jsonl)] {
            let table = TextTable::read(&[path], &options).unwrap();
            prop_assert_eq!(table.len(), rows.len());
            for (row, (anchor, positive, score)) in table.rows().zip(&rows) {
                prop_assert_eq!(row.texts().collect::<Vec<_>>(), [anchor, positive]);
                prop_assert_eq!(row.target(), Some(*score));
            }
        }
    }
}

#[test]
fn a_large_file_without_the_columns_has_them_not() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("large.jsonl");
    let row = format!("{{\"other\": \"a\", \"text\": \"{}\"}}\n", "b".repeat(1000));
    std::fs::write(&path, row.repeat(10_000)).unwrap();
    let options = ReadOptions::default();
    let has = |columns: &str| {
        let columns: ColumnMap = columns.parse().unwrap();
        has(&Source::from(path.as_path()), &columns, &options).unwrap()
    };
    assert!(!has("anchor=query,positive=title"));
    assert!(has("anchor=other,positive={text}, {other}"));
}
