//! `train evaluate`.

use crate::support::{DEVICE, command, fit, folder, stdout, succeed, tiny};

#[test]
fn pairs_are_scored_for_one_model_and_compared_for_two() {
    let folder = folder();
    succeed(fit(
        folder.path(),
        "--epochs 8 --lr 1e-3 --batch-size 8 --output tuned",
    ));
    let tiny = tiny();
    let evaluate = |more: &str| {
        let mut arguments = vec![
            "evaluate",
            "--device",
            DEVICE,
            "--pairs",
            "pairs.tsv",
            "--model",
            &tiny,
        ];
        arguments.extend(more.split_whitespace());
        stdout(&succeed(command(folder.path(), &arguments)))
    };
    let one = evaluate("--json");
    let one: serde_json::Value = serde_json::from_str(&one).unwrap();
    let before = one[0]["evaluations"][0]["metrics"]["ndcg@10"]
        .as_f64()
        .unwrap();
    let two = evaluate("--json --model tuned");
    let two: serde_json::Value = serde_json::from_str(&two).unwrap();
    assert_eq!(two[0], one[0]);
    let after = two[1]["evaluations"][0]["metrics"]["ndcg@10"]
        .as_f64()
        .unwrap();
    assert!(after > before + 0.05, "{before} -> {after}");
    let table = evaluate("--model tuned");
    for part in [
        format!("{before:.4}"),
        format!("{after:.4}"),
        "after".to_owned(),
    ] {
        assert!(table.contains(&part), "{part} in\n{table}");
    }
}
