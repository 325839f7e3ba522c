//! `bench` prints the rows that comparisons are made of.

use serde_json::Value;

use crate::support::{file, infer, run, text};

#[test]
fn a_row_for_each_file_then_load_time_and_memory() {
    let (folder, queries) = file("queries.txt", "water bottle\nkeyboard\n\nspeaker\n");
    let singles = folder.path().join("singles.txt");
    std::fs::write(&singles, "one\ntwo\n").unwrap();
    let arguments = ["bench", text(&singles), text(&queries), "--runs", "1"];
    let report: Value = serde_json::from_str(&run(infer(&arguments).arg("--json")).ok()).unwrap();
    let rows = report["rows"].as_array().unwrap();
    for (row, (workload, texts)) in rows.iter().zip([("singles", 2), ("queries", 4)]) {
        assert_eq!(row["workload"], workload);
        assert_eq!(row["texts"], texts);
        let (seconds, rate) = (
            row["seconds"].as_f64().unwrap(),
            row["texts_per_second"].as_f64().unwrap(),
        );
        assert!((seconds * rate - f64::from(texts)).abs() < 1e-6, "{row}");
    }
    assert!(report["load_seconds"].as_f64().unwrap() > 0.0);
    if cfg!(target_os = "linux") {
        assert!(report["peak_memory_bytes"].as_u64().unwrap() > 1 << 20);
    }
    let table = run(&mut infer(&arguments)).ok();
    assert_eq!(table.lines().count(), 4, "{table}");
    assert!(table.starts_with("workload"), "{table}");
}
