//! Every row of the table of exit codes in the documentation.

use crate::support::{TINY, bare_infer, run};
use crate::test_device::test_device;

const PAGE: &str = include_str!("../../../../docs/src/reference/exit-codes.md");

/// The rows of the table: a code, and the command of its example if the row has one.
fn table() -> Vec<(i32, Option<String>)> {
    let rows = PAGE.lines().filter_map(|line| {
        let cells: Vec<&str> = line.strip_prefix("| ")?.split(" | ").collect();
        let code = cells.first()?.parse().ok()?;
        let example = cells.last()?.trim_end_matches(" |");
        let command = example.strip_prefix("`infer ")?.strip_suffix('`');
        Some((code, command.map(str::to_owned)))
    });
    rows.collect()
}

#[test]
fn every_example_of_the_table_has_its_code() {
    let folder = tempfile::tempdir().unwrap();
    for (name, content) in [
        (
            "products.csv",
            "sku,title\nA,water bottle\nB,smart speaker\n",
        ),
        ("damaged.csv", "sku,title\nA\n"),
        ("empty.txt", ""),
        ("damaged.npy", "\u{7f}NUMPY"),
    ] {
        std::fs::write(folder.path().join(name), content).unwrap();
    }
    let infer = |arguments: &str| {
        run(bare_infer()
            .current_dir(folder.path())
            .env("MPNET_BURN_MODEL", TINY)
            .env("MPNET_BURN_DEVICE", test_device().to_string())
            .args(arguments.split(' ')))
    };
    infer("embed --input products.csv --column title --output title.safetensors").ok();
    let table = table();
    for code in [0, 1, 2] {
        let examples = table.iter().filter(|(of, _)| *of == code).count();
        assert!(examples > 1, "the table has {examples} examples of {code}");
    }
    for (code, command) in table {
        let Some(command) = command else { continue };
        let outcome = infer(&command);
        assert_eq!(outcome.code, code, "{command}: {}", outcome.err);
        assert_eq!(
            outcome.err.contains("error: "),
            code != 0,
            "{command}: {}",
            outcome.err
        );
        let hint = outcome
            .err
            .ends_with("For more information, try '--help'.\n");
        assert_eq!(hint, code == 2, "{command}: {}", outcome.err);
    }
}
