//! Help, exit codes, devices, doctor.

use serde_json::Value;

use crate::support::{TINY, WIDTH, bare_infer, infer, run};

#[test]
fn help_and_version_go_to_stdout() {
    let help = run(bare_infer().arg("--help")).ok();
    for word in [
        "embed",
        "similarity",
        "search",
        "recommend",
        "bench",
        "doctor",
        "export",
        "completions",
        "Examples:",
    ] {
        assert!(help.contains(word), "{word}: {help}");
    }
    assert!(
        run(bare_infer().arg("--version"))
            .ok()
            .starts_with("infer ")
    );
    for command in [
        "embed",
        "similarity",
        "search",
        "recommend",
        "bench",
        "export",
    ] {
        assert!(
            run(bare_infer().args([command, "--help"]))
                .ok()
                .contains("Example"),
            "{command}"
        );
    }
}

#[test]
fn completions_are_printed_for_every_shell() {
    for shell in ["bash", "zsh", "fish", "powershell", "elvish"] {
        assert!(
            run(bare_infer().args(["completions", shell]))
                .ok()
                .contains("skip-bad-rows"),
            "{shell}"
        );
    }
}

#[test]
fn wrong_usage_is_exit_code_2() {
    for arguments in [
        &["unknown"][..],
        &["embed"],
        &["embed", "a", "--input", "b.txt"],
        &["embed", "a", "--output", "vectors.xyz"],
        &["embed", "a", "--device", "abacus"],
        &["embed", "a", "--threads", "0"],
        &["embed", "a", "--threads", "many"],
        &["embed", "a", "--threads", "1000000"],
        &["search", "a"],
        &["recommend", "--corpus", "x.txt"],
        &["similarity", "a"],
        &["search", "a", "--corpus", "-"],
        &["embed", "a", "--column", "title"],
        &["embed", "a", "--output-format", "npy"],
        &["similarity", "a", "b", "--format", "csv"],
    ] {
        let message = run(&mut infer(arguments)).failed(2);
        assert!(message.starts_with("error: "), "{arguments:?}: {message}");
    }
}

#[test]
fn a_backend_that_is_not_compiled_in_names_its_feature() {
    let compiled = model::Device::compiled_in();
    for backend in ["cpu", "ndarray", "wgpu", "cuda"] {
        if !compiled.contains(&backend) {
            let message = run(&mut infer(&["embed", "a", "--device", backend])).failed(1);
            assert!(
                message.contains(&format!("--features {backend}")),
                "{message}"
            );
        }
    }
}

#[test]
fn a_model_that_is_not_there_is_one_clear_error() {
    let message = run(bare_infer().args(["--model", "./no-such-model", "embed", "a"])).failed(1);
    assert!(
        message.starts_with("error: ./no-such-model: no such folder"),
        "{message}"
    );
    let cache = tempfile::tempdir().unwrap();
    let mut command = bare_infer();
    command
        .env("HF_HUB_CACHE", cache.path())
        .env("MPNET_BURN_CACHE", cache.path());
    let message = run(command.args(["--offline", "embed", "a"])).failed(1);
    assert!(
        message.contains("the Hugging Face cache") && message.contains("ways out"),
        "{message}"
    );
}

#[test]
fn doctor_tells_what_runs() {
    let report: Value = serde_json::from_str(&run(&mut infer(&["doctor", "--json"])).ok()).unwrap();
    assert_eq!(report["width"], WIDTH);
    assert_eq!(report["folder"], TINY);
    assert_eq!(report["origin"], "a folder");
    assert!(report["load_seconds"].as_f64().unwrap() > 0.0);
    assert!(!report["backends"].as_array().unwrap().is_empty());
    let text = run(&mut infer(&["doctor"])).ok();
    assert!(
        text.contains("self-check") && text.contains("threads"),
        "{text}"
    );
}

#[test]
fn threads_are_as_the_flag_says_then_the_variable_then_the_cores() {
    let threads = |arguments: &[&str], variable: Option<&str>| {
        let mut command = infer(&["doctor", "--json"]);
        command.args(arguments).env_remove("RAYON_NUM_THREADS");
        if let Some(threads) = variable {
            command.env("RAYON_NUM_THREADS", threads);
        }
        let report: Value = serde_json::from_str(&run(&mut command).ok()).unwrap();
        report["threads"].as_u64().unwrap() as usize
    };
    assert_eq!(threads(&["--threads", "3"], Some("5")), 3);
    assert_eq!(threads(&[], Some("5")), 5);
    assert_eq!(threads(&[], None), model::threads::physical_cores());
}
