//! `export` writes a model that the other commands take.

use crate::support::{TINY, bare_infer, names, run, text};

fn vector(model: &str) -> String {
    run(bare_infer().args(["embed", "water bottle", "--model", model])).ok()
}

#[test]
fn a_model_is_written_and_used_in_every_precision() {
    let parent = tempfile::tempdir().unwrap();
    for precision in ["f32", "f16", "bf16", "int8"] {
        let folder = parent.path().join(precision);
        let arguments = [
            "export",
            "--model",
            TINY,
            "--precision",
            precision,
            "--output",
        ];
        let outcome = run(bare_infer().args(arguments).arg(&folder));
        assert_eq!(outcome.ok().trim_end(), text(&folder));
        let exported = vector(text(&folder));
        assert_eq!(exported == vector(TINY), precision == "f32");

        // Without a precision: as it is.
        let again = parent.path().join("again");
        let arguments = ["export", "--model", text(&folder), "--output", text(&again)];
        run(bare_infer().args(arguments)).ok();
        assert_eq!(vector(text(&again)), exported);
    }
    assert_eq!(
        names(parent.path()),
        ["again", "bf16", "f16", "f32", "int8"]
    );
}

#[test]
fn a_folder_without_a_model_is_not_replaced() {
    let parent = tempfile::tempdir().unwrap();
    std::fs::write(parent.path().join("cat.jpg"), "miaow").unwrap();
    let output = text(parent.path());
    let arguments = [
        "export",
        "--model",
        TINY,
        "--precision",
        "int8",
        "--output",
        output,
    ];
    let message = run(bare_infer().args(arguments)).failed(2);
    assert!(message.contains("is not a model folder"), "{message}");
    assert_eq!(names(parent.path()), ["cat.jpg"]);
    let message = run(bare_infer().args(["export", "--precision", "int4"])).failed(2);
    assert!(message.contains("int8"), "{message}");
}
