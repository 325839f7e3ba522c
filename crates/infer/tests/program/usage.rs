//! Version, exit codes, devices, doctor.

use std::path::Path;

use serde_json::Value;

use crate::support::{TINY, WIDTH, bare_infer, file, infer, run, text};
use crate::test_device::test_device;

#[test]
fn the_version_names_commit_backends_and_target() {
    let short = run(bare_infer().arg("-V")).ok();
    assert_eq!(short.lines().count(), 1, "{short}");
    let long = run(bare_infer().arg("--version")).ok();
    let backends = model::Device::compiled_in().join("+");
    let version = env!("CARGO_PKG_VERSION");
    for (text, start) in [
        (&short, format!("infer {version} (")),
        (&long, format!("infer {version}\n")),
    ] {
        assert!(text.starts_with(&start), "{text}");
        for part in [
            program::version::COMMIT,
            program::version::TARGET,
            backends.as_str(),
        ] {
            assert!(text.contains(part), "{part} in {text}");
        }
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
        &["search", "a", "--corpus", "x", "-k", "0"],
        &["recommend", "a", "--corpus", "x", "--top-k", "0"],
        &["embed", "a", "--max-length", "0"],
        &["embed", "a", "--dimensions", "0"],
        &["embed", "a", "--batch-tokens", "0"],
        &["embed", "a", "--output", "-", "--output-format", "npy"],
        &["fetch", "--device", "cpu"],
        &["completions", "bash", "--threads", "2"],
        &["embed", "a", "-q", "-v"],
        &["embed", "a", "--column", "title"],
        &["embed", "a", "--output-format", "npy"],
        &["similarity", "a", "b", "--format", "csv"],
    ] {
        let message = run(&mut infer(arguments)).failed(2);
        assert!(message.starts_with("error: "), "{arguments:?}: {message}");
        assert!(
            message.ends_with("\n\nFor more information, try '--help'.\n"),
            "{arguments:?}: {message}"
        );
    }
}

#[test]
fn a_backend_that_is_not_compiled_in_names_its_feature() {
    let compiled = model::Device::compiled_in();
    for backend in ["cpu", "ndarray", "wgpu", "cuda"] {
        if !compiled.contains(&backend) {
            let message = run(&mut infer(&["embed", "a", "--device", backend])).failed(2);
            assert!(
                message.contains(&format!("--features {backend}")),
                "{message}"
            );
        }
    }
}

#[test]
fn options_may_come_before_the_command() {
    let device = &test_device().to_string();
    let before = run(bare_infer().args(["--model", TINY, "--device", device, "embed", "a"])).ok();
    let after = run(bare_infer().args(["embed", "a", "--device", device, "--model", TINY])).ok();
    assert_eq!(before, after);
    let message = run(bare_infer().args(["--device", "cpu", "fetch"])).failed(2);
    assert!(
        message.contains("unexpected argument '--device'")
            && message.contains("Usage: infer fetch"),
        "{message}"
    );
}

#[test]
fn variables_name_the_model_the_device_and_the_threads() {
    let device = &test_device().to_string();
    let doctor = |arguments: &[&str]| {
        let mut command = bare_infer();
        command
            .args(["doctor", "--json"])
            .args(arguments)
            .env("MPNET_BURN_MODEL", TINY)
            .env("MPNET_BURN_DEVICE", device)
            .env("MPNET_BURN_THREADS", "2")
            .env("RAYON_NUM_THREADS", "4");
        let report: Value = serde_json::from_str(&run(&mut command).ok()).unwrap();
        let threads = report["threads"].as_u64().unwrap();
        (report["model"].clone(), report["device"].clone(), threads)
    };
    assert_eq!(doctor(&[]), (TINY.into(), device.as_str().into(), 2));
    // The command line counts first.
    assert_eq!(doctor(&["--threads", "3"]).2, 3);
    // An empty variable is none.
    let mut command = infer(&["embed", "a"]);
    command
        .env("MPNET_BURN_THREADS", "")
        .env("MPNET_BURN_DEVICE", "");
    run(&mut command).ok();
    let mut command = bare_infer();
    let command = command.args(["embed", "a", "--model", TINY]);
    let message = run(command.env("MPNET_BURN_DEVICE", "abacus")).failed(2);
    assert!(message.contains("abacus"), "{message}");
}

#[test]
fn verbose_says_what_was_chosen() {
    let (folder, path) = file("p.txt", "bottle\nspeaker\n");
    let vectors = folder.path().join("v.npy");
    let embed = ["embed", "--input", text(&path), "--output", text(&vectors)];
    let outcome = run(&mut infer(&embed));
    assert!(
        outcome.err.starts_with("embedded 2 texts [2, 32] in "),
        "{}",
        outcome.err
    );
    let search = ["search", "a", "--corpus", text(&path), "--threads", "2"];
    let device = crate::test_device::test_device();
    let outcome = run(infer(&search).arg("-v"));
    for part in [
        &format!("device: {device} ("),
        "threads: 2\n",
        &format!("model: {TINY} from a folder, {TINY}\n"),
        "precision: f32\n",
        "2 vectors computed\n",
    ] {
        assert!(outcome.err.contains(part), "{part} in {}", outcome.err);
    }
    let outcome = run(infer(&search).args(["--verbose", "--vectors", text(&vectors)]));
    let read = format!("2 vectors read from {}\n", text(&vectors));
    assert!(outcome.err.contains(&read), "{}", outcome.err);
    assert_eq!(run(&mut infer(&search)).err, "");
}

#[test]
fn results_on_standard_output_have_no_note() {
    for arguments in [&["embed", "a"][..], &["similarity", "a", "b"]] {
        let outcome = run(&mut infer(arguments));
        assert_eq!(
            (outcome.code, outcome.err.as_str()),
            (0, ""),
            "{arguments:?}"
        );
    }
    let (folder, path) = file("p.txt", "bottle\n");
    let vectors = folder.path().join("v.npy");
    let embed = ["embed", "--input", text(&path), "--output", text(&vectors)];
    let note = run(&mut infer(&embed)).err;
    assert!(note.starts_with("embedded 1 text [1, 32] in "), "{note}");
}

/// Another command line would mend these: they need no model, or no weights.
#[test]
fn usage_errors_come_before_the_model_is_loaded() {
    let (folder, path) = file("p.csv", "sku,title\nA,bottle\nB,speaker\n");
    let corpus = ["--corpus", text(&path), "--column", "title"];
    let columns = ["--column", "title", "--column", "name"];
    let device = &test_device().to_string();
    // One that the device does not have.
    let other = if device == "cpu" { "f16" } else { "int8" };
    let precision = ["embed", "a", "--precision", other, "--device", device];
    for (arguments, words) in [
        (
            &precision[..],
            format!("--precision {other} is for").as_str(),
        ),
        (
            &[&["embed", "--input", text(&path)], &columns[..]].concat(),
            "no column `name`",
        ),
        (
            &[&["recommend", "3"], &corpus[..]].concat(),
            "no row has the id `3`",
        ),
        (
            &[&["recommend", "C", "--id-column", "sku"], &corpus[..]].concat(),
            "`C`",
        ),
        (
            &[&["recommend", "--text", " "], &corpus[..]].concat(),
            "empty",
        ),
    ] {
        let message = run(bare_infer()
            .args(arguments)
            .args(["--model", "./no-such-model"]))
        .failed(2);
        assert!(message.contains(words), "{message}");
    }
    // The model without its weights.
    let model = folder.path().join("model");
    copy(Path::new(TINY), &model);
    std::fs::remove_file(model.join("model.safetensors")).unwrap();
    for (option, words) in [
        (["--max-length", "5000"], "5000 tokens"),
        (["--dimensions", "33"], "33 dimensions"),
    ] {
        let mut command = bare_infer();
        let command = command
            .args(["embed", "a", "--model", text(&model)])
            .args(option);
        let message = run(command).failed(2);
        assert!(message.contains(words), "{message}");
    }
}

fn copy(from: &Path, to: &Path) {
    std::fs::create_dir(to).unwrap();
    for entry in from.read_dir().unwrap() {
        let path = entry.unwrap().path();
        let target = to.join(path.file_name().unwrap());
        if path.is_dir() {
            copy(&path, &target);
        } else {
            std::fs::copy(&path, &target).unwrap();
        }
    }
}

/// A file cannot fill the terminal with one error.
#[test]
fn errors_have_a_bounded_length() {
    let long = "x".repeat(100_000);
    let (folder, path) = file("p.csv", format!("{long},b\n1,2\n"));
    let json = folder.path().join("p.jsonl");
    std::fs::write(
        &json,
        format!("{{\"title\": \"a\"}}\n{{\"title\": \"{long}\n"),
    )
    .unwrap();
    let vectors = folder.path().join("v.jsonl");
    std::fs::write(&vectors, format!("{{\"embedding\": \"{long}\"}}\n")).unwrap();
    let model = folder.path().join("model");
    copy(Path::new(TINY), &model);
    std::fs::write(
        model.join("config.json"),
        format!("{{\"vocab_size\": \"{long}\"}}"),
    )
    .unwrap();
    let input = ["embed", "--input"];
    for arguments in [
        &[&input[..], &[text(&path), "--column", "c"]].concat()[..],
        &[&input[..], &[text(&json), "--column", "title"]].concat(),
        &[
            "search",
            "a",
            "--corpus",
            text(&path),
            "--column",
            "b",
            "--vectors",
            text(&vectors),
        ],
        &["recommend", &long, "--corpus", text(&path), "--column", "b"],
        &["embed", "a", "--model", text(&model)],
    ] {
        let mut command = bare_infer();
        command.args(arguments);
        if !arguments.contains(&"--model") {
            command.args(["--model", TINY]);
        }
        let outcome = run(&mut command);
        assert!(outcome.code == 1 || outcome.code == 2, "{}", outcome.code);
        let length = outcome.err.chars().count();
        assert!(
            (20..1500).contains(&length),
            "{arguments:?}: {length} characters"
        );
    }
}

#[test]
fn a_missing_model_is_one_clear_error() {
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
fn doctor_reports_device_and_model() {
    let report: Value = serde_json::from_str(&run(&mut infer(&["doctor", "--json"])).ok()).unwrap();
    assert_eq!(report["width"], WIDTH);
    assert_eq!(report["folder"], TINY);
    assert_eq!(report["origin"], "a folder");
    assert!(report["load_seconds"].as_f64().unwrap() > 0.0);
    assert!(!report["backends"].as_array().unwrap().is_empty());
    let text = run(&mut infer(&["doctor"])).ok();
    assert!(
        text.contains("self-check    none: ") && text.contains("threads"),
        "{text}"
    );
}

/// The tiny model under the name of the default model: its vector is not PyTorch's.
#[cfg(unix)]
#[test]
fn doctor_fails_where_the_vector_is_wrong() {
    let folder = tempfile::tempdir().unwrap();
    std::os::unix::fs::symlink(TINY, folder.path().join("all-mpnet-base-v2")).unwrap();
    let arguments = ["doctor", "--model", "all-mpnet-base-v2"];
    let outcome = run(bare_infer().args(arguments).current_dir(folder.path()));
    assert!(
        outcome.out.contains("self-check    FAILED"),
        "{}",
        outcome.out
    );
    let message = outcome.failed(1);
    assert!(message.contains("error: self-check failed"), "{message}");
}

#[test]
fn the_flag_sets_threads_then_the_variable_then_the_cores() {
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
