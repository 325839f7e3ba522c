//! What a run does to a model, and what it leaves behind.

use clap::Parser;
use model::{Device, SentenceEncoder};
use program::Console;
use train::cli::{Cli, Command};
use train::run::{RunContext, SAMPLE_QUERIES};
use train::stop::Stop;

use crate::support::{
    command, device, evaluations, fit, folder, inside, repeatable, stderr, stdout, steps, succeed,
    tensors, tiny, weights,
};

#[test]
fn thirty_steps_reduce_the_loss_and_the_tuned_model_opens() {
    let folder = folder();
    let output = succeed(fit(
        folder.path(),
        "--split 0.25 --epochs 10 --batch-size 6 --lr 5e-3 --output tuned --keep-last --no-dashboard",
    ));
    let tuned = inside(folder.path(), "tuned");
    let steps = steps(&tuned);
    assert_eq!(steps.len(), 30);
    let mean = |steps: &[serde_json::Value]| {
        let losses = steps.iter().map(|step| step["loss"].as_f64().unwrap());
        losses.sum::<f64>() / steps.len() as f64
    };
    let (first, last) = (mean(&steps[..5]), mean(&steps[25..]));
    assert!(last < 0.7 * first, "{first} -> {last}");
    // Before the first step, and after each epoch.
    assert_eq!(evaluations(&tuned).len(), 11);

    // The folder is a model: the vectors of a fresh encoder are those that the run showed.
    let device: Device = device().parse().unwrap();
    let encoder = SentenceEncoder::from_pretrained(tuned.to_str().unwrap(), device).unwrap();
    let vector = encoder.encode(&["high end water bottle"]).unwrap();
    let text = stdout(&output);
    let values = &vector.values()[..3];
    let shown = format!(
        "[{:.5}, {:.5}, {:.5}, ...]",
        values[0], values[1], values[2]
    );
    assert!(text.contains(&shown), "{shown} in\n{text}");
    for file in [
        "README.md",
        "report.html",
        "training.toml",
        "loss.svg",
        "modules.json",
    ] {
        assert!(tuned.join(file).is_file(), "{file}");
    }
    let card = std::fs::read_to_string(tuned.join("README.md")).unwrap();
    assert!(card.contains("multiple-negatives-ranking"), "{card}");
}

#[test]
fn without_arguments_the_pairs_of_the_seed_are_learned() {
    let folder = folder();
    let output = succeed(command(
        folder.path(),
        &[
            "fit",
            "--model",
            &tiny(),
            "--device",
            &device(),
            "--no-dashboard",
            // Dropout draws other numbers on each backend; without it the loss falls on all of them.
            "--dropout",
            "0",
        ],
    ));
    let text = stdout(&output);
    let field = |name: &str| {
        let line = text.lines().find(|line| line.starts_with(name));
        line.unwrap()[name.len()..].trim().to_owned()
    };
    assert_eq!(field("steps"), "10");
    let losses = field("loss");
    let (first, last) = losses.split_once(" -> ").unwrap();
    let [first, last]: [f64; 2] = [first, last].map(|loss| loss.parse().unwrap());
    assert!(last > 0.0 && last < first, "{losses}");
    // Two of 37 tensors are biases of keys, which cancel out in attention.
    let weights = field("weights");
    let (changed, _) = weights.split_once(" of 37 tensors changed").unwrap();
    assert!(changed.parse::<usize>().unwrap() >= 35, "{weights}");
    for query in SAMPLE_QUERIES {
        let mut lines = text.lines().skip_while(|line| *line != query);
        let vectors = lines.nth(1).unwrap();
        let cosine: f64 = vectors.rsplit_once(' ').unwrap().1.parse().unwrap();
        assert!((0.5..0.999_999).contains(&cosine), "{vectors}");
    }
    // Only the pairs of this folder: without --output the run writes nothing.
    assert_eq!(folder.path().read_dir().unwrap().count(), 1);
}

#[test]
fn the_vectors_of_a_run_are_those_of_its_folder() {
    let folder = folder();
    let (pairs, tuned) = (
        folder.path().join("pairs.tsv"),
        inside(folder.path(), "tuned"),
    );
    let (pairs, tuned) = (pairs.to_str().unwrap(), tuned.to_str().unwrap());
    let (model, device) = (tiny(), device());
    let arguments = [
        "train", "fit", "--device", &device, "--model", &model, "--train", pairs,
    ];
    let more = ["--max-steps", "5", "--lr", "5e-3", "--output", tuned];
    let Command::Fit(arguments) = Cli::parse_from(arguments.into_iter().chain(more)).command else {
        panic!("`fit`");
    };
    let context = RunContext {
        name: "fit",
        resume: false,
        notes: Console::new(true),
        dashboard: false,
        stop: Stop::default(),
        command: String::new(),
    };
    let result = train::run::fit(&arguments.settings, &context)
        .unwrap()
        .unwrap();
    let encoder = SentenceEncoder::from_pretrained(tuned, device.parse().unwrap()).unwrap();
    let vectors = encoder.encode(&SAMPLE_QUERIES).unwrap();
    let samples = result.samples.unwrap();
    let (shown, opened) = (samples.after.values(), vectors.values());
    assert_eq!(shown.len(), opened.len());
    for (place, (shown, opened)) in shown.iter().zip(opened).enumerate() {
        // The network of a run multiplies in another order than one that is packed for reading; a
        // graphics adapter chooses among orders.
        assert!((shown - opened).abs() < 1e-5, "{place}: {shown}, {opened}");
    }
    let cosines = samples.cosines();
    assert!(cosines.iter().all(|cosine| *cosine < 0.999), "{cosines:?}");
}

#[test]
fn the_same_seed_gives_the_same_weights_whatever_the_workers_and_threads() {
    let folder = folder();
    for (output, more, threads) in [
        ("a", "--workers 1", "2"),
        ("b", "--workers 3", "2"),
        ("c", "--seed 1", "2"),
        // As on smaller and larger machines.
        ("one", "", "1"),
        ("five", "", "5"),
    ] {
        let arguments = format!("--max-steps 3 --batch-size 8 --output {output} {more}");
        let mut command = fit(folder.path(), &arguments);
        command.env("RAYON_NUM_THREADS", threads);
        succeed(command);
    }
    let weights = |name: &str| weights(&inside(folder.path(), name));
    if repeatable() {
        assert!(weights("a") == weights("b"), "workers change nothing");
        for threads in ["one", "five"] {
            assert!(weights("a") == weights(threads), "{threads} threads");
        }
    }
    assert!(weights("a") != weights("c"), "the seed does");
}

/// Of losses and norms of gradients, relative: sums in another order.
const ACCUMULATION_TOLERANCE: f64 = 1e-4;

/// Of the change of all weights together, relative. AdamW makes full steps of gradients next to zero
/// too, where rounding decides, so a single weight may differ by more.
const CHANGE_TOLERANCE: f64 = 1e-2;

#[test]
fn accumulated_batches_are_one_large_batch() {
    let folder = folder();
    let common =
        "--loss mse --sampler sequential --dropout 0 --lr 1e-3 --warmup 0 --decay constant";
    // 24 rows: steps of 16 and of 8 rows, so that the last is a remainder; its learning rate is that
    // of a second step, not of a fourth.
    for (output, batch, accumulation) in [("large", "16", "1"), ("small", "4", "4")] {
        let arguments = format!(
            "{common} --batch-size {batch} --accumulation {accumulation} --output {output}"
        );
        succeed(fit(folder.path(), &arguments));
    }
    let (large, small) = (
        inside(folder.path(), "large"),
        inside(folder.path(), "small"),
    );
    assert_eq!((steps(&large).len(), steps(&small).len()), (2, 2));
    for (a, b) in steps(&large).iter().zip(&steps(&small)) {
        // AdamW hardly cares whether gradients are averaged or added up: the norm tells.
        for key in ["loss", "gradient_norm"] {
            let (a, b) = (a[key].as_f64().unwrap(), b[key].as_f64().unwrap());
            assert!(
                (a - b).abs() <= ACCUMULATION_TOLERANCE * a,
                "{key}: {a} {b}"
            );
        }
    }
    let (mut difference, mut change) = (0f64, 0f64);
    let before = tensors(std::path::Path::new(&tiny()));
    for (((name, before), (_, a)), (_, b)) in
        before.iter().zip(tensors(&large)).zip(tensors(&small))
    {
        // A key's bias has no gradient but rounding.
        if name.ends_with("attn.k.bias") {
            continue;
        }
        for ((before, a), b) in before.iter().zip(a).zip(b) {
            difference += f64::from(a - b).powi(2);
            change += f64::from(a - before).powi(2);
        }
    }
    let relative = (difference / change).sqrt();
    assert!(relative <= CHANGE_TOLERANCE, "{relative}");
    let rates = |output: &std::path::Path| -> Vec<f64> {
        steps(output)
            .iter()
            .map(|step| step["learning_rate"].as_f64().unwrap())
            .collect()
    };
    assert_eq!(rates(&large), rates(&small));
}

#[test]
fn the_learning_rate_moves_once_an_optimiser_step() {
    let folder = folder();
    succeed(fit(
        folder.path(),
        "--batch-size 3 --accumulation 2 --lr 1e-3 --warmup 0.5 --output tuned",
    ));
    let rates: Vec<f64> = steps(&inside(folder.path(), "tuned"))
        .iter()
        .map(|step| step["learning_rate"].as_f64().unwrap())
        .collect();
    // 8 batches make 4 steps, of which 2 warm up.
    assert_eq!(rates, [0.0, 0.0005, 0.001, 0.0005]);
}

#[test]
fn what_is_frozen_stays_and_adapters_are_saved_alone() {
    let folder = folder();
    let run = |arguments: &str| {
        let all = format!("--max-steps 2 --lr 1e-2 --warmup 0 {arguments}");
        succeed(fit(folder.path(), &all));
    };
    run("--freeze 1 --output frozen");
    run("--lora 2 --save-adapter --output adapted");
    let before = tensors(std::path::Path::new(&tiny()));
    let changed = |output: &str| -> Vec<String> {
        let after = tensors(&inside(folder.path(), output));
        let both = before.iter().zip(after);
        both.filter(|((_, before), (_, after))| before != after)
            .map(|((name, _), _)| name.clone())
            .collect()
    };
    let frozen = changed("frozen");
    assert!(!frozen.is_empty());
    assert!(
        frozen.iter().all(|name| name.contains("encoder.layer.1.")),
        "{frozen:?}"
    );
    let adapted = changed("adapted");
    assert_eq!(adapted.len(), 8, "{adapted:?}");
    assert!(
        adapted
            .iter()
            .all(|name| name.contains("attention.attn.") && name.ends_with("weight"))
    );

    let adapter = inside(folder.path(), "adapted/adapter");
    let config = std::fs::read(adapter.join("adapter_config.json")).unwrap();
    let config: serde_json::Value = serde_json::from_slice(&config).unwrap();
    assert_eq!(
        (&config["r"], &config["lora_alpha"]),
        (&2.into(), &4.0.into())
    );
    let bytes = std::fs::read(adapter.join("adapter_model.safetensors")).unwrap();
    let file = safetensors::SafeTensors::deserialize(&bytes).unwrap();
    assert_eq!(file.len(), 16);
    let down = file
        .tensor("base_model.model.encoder.layer.0.attention.attn.q.lora_A.weight")
        .unwrap();
    assert_eq!(down.shape(), [2, 32]);
}

#[test]
fn memory_savers_train_the_same_model() {
    let folder = folder();
    let run = |output: &str, more: &str| {
        let arguments = format!(
            "--dropout 0 --max-steps 1 --lr 1e-3 --warmup 0 --max-grad-norm 0 --output {output} {more}"
        );
        succeed(fit(folder.path(), &arguments));
        steps(&inside(folder.path(), output))[0].clone()
    };
    let plain = run("plain", "");
    for (output, more) in [
        ("checkpointing", "--checkpointing"),
        ("cached", "--mini-batch-size 5"),
        ("cached-name", "--loss cached-multiple-negatives-ranking"),
    ] {
        let other = run(output, more);
        for key in ["loss", "gradient_norm"] {
            let (a, b) = (plain[key].as_f64().unwrap(), other[key].as_f64().unwrap());
            // Sums in another order, in f32.
            assert!((a - b).abs() <= 1e-4 * a.abs(), "{output}: {key} {a} {b}");
        }
    }
}

#[test]
fn a_score_that_does_not_rise_stops_the_run() {
    let folder = folder();
    let output = succeed(fit(
        folder.path(),
        // A learning rate that changes next to nothing.
        "--split 0.25 --lr 1e-12 --epochs 9 --patience 2 --output tuned",
    ));
    assert!(stdout(&output).contains("stopped"), "{}", stdout(&output));
    // It is no better than without training, and the run says so.
    let words = "no checkpoint scored above the base model";
    assert!(stderr(&output).contains(words), "{}", stderr(&output));
    let card = std::fs::read_to_string(inside(folder.path(), "tuned/README.md")).unwrap();
    assert!(card.contains(words), "{card}");
    // Before the first step, the first epoch, which is the best, and two more.
    assert_eq!(evaluations(&inside(folder.path(), "tuned")).len(), 4);
}

#[test]
fn settings_come_from_a_file_and_the_command_line() {
    let folder = folder();
    std::fs::write(
        folder.path().join("run.toml"),
        "train = [\"pairs.tsv\"]\nloss = \"cosine\"\nmax-steps = 9\nbatch-size = 12\noutput = \"tuned\"\n",
    )
    .unwrap();
    succeed(fit(folder.path(), "--config run.toml --max-steps 1"));
    let tuned = inside(folder.path(), "tuned");
    assert_eq!(steps(&tuned).len(), 1);
    let resolved = std::fs::read_to_string(tuned.join("training.toml")).unwrap();
    for line in [
        "loss = \"cosine\"",
        "max-steps = 1",
        "batch-size = 12",
        "seed = 42",
    ] {
        assert!(resolved.contains(line), "{line} in\n{resolved}");
    }
}

#[test]
fn validation_rows_may_be_of_another_kind_and_have_other_columns() {
    let folder = folder();
    let rows = "genre\tscore\tsentence1\tsentence2\nx\t5\tred chair\tsteel chair\nx\t0\tred cable\tshoes\n\
                x\t2\tsteel bottle\tred bottle\n";
    std::fs::write(folder.path().join("sts.tsv"), rows).unwrap();
    succeed(fit(
        folder.path(),
        "--columns anchor=query,positive=description --valid sts.tsv --max-steps 2 --output tuned",
    ));
    let evaluations = evaluations(&inside(folder.path(), "tuned"));
    assert_eq!(evaluations[0]["primary"], "spearman_cosine");
    // The loss is not of such rows.
    assert!(evaluations[0].get("loss").is_none(), "{}", evaluations[0]);
}

#[cfg(unix)]
#[test]
fn weights_are_as_readable_as_the_rest_of_the_model() {
    use std::os::unix::fs::PermissionsExt;
    let folder = folder();
    succeed(fit(
        folder.path(),
        "--lora 2 --save-adapter --max-steps 1 --output tuned",
    ));
    let mode = |name: &str| {
        let path = inside(folder.path(), "tuned").join(name);
        std::fs::metadata(path).unwrap().permissions().mode()
    };
    for name in ["model.safetensors", "adapter/adapter_model.safetensors"] {
        assert_eq!(mode(name), mode("config.json"), "{name}");
    }
}
