//! Settings of the command line and of files.

use std::path::PathBuf;

use clap::Command;

use super::*;

fn file(name: &str, text: &str) -> Result<Given, TrainError> {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join(name);
    std::fs::write(&path, text).unwrap();
    Given::read(&path)
}

#[test]
fn command_line_settings_override_the_file() {
    let file = file(
        "run.toml",
        "train = [\"pairs.tsv\"]\nvalid = [\"other.tsv\"]\nlr = 1e-5\nbatch-size = 8\ncheckpointing = true",
    )
    .unwrap();
    let both = Given::from("--lr 1e-4 --split 0.1").over(file.clone());
    let config = both.complete().unwrap();
    assert_eq!((config.lr, config.batch_size), (1e-4, 8));
    assert!(config.checkpointing);
    assert_eq!(config.train, [PathBuf::from("pairs.tsv")]);
    assert!(config.valid.is_empty(), "--split replaces valid");
    // A list is replaced, not continued.
    let config = Given::from("--train new.tsv")
        .over(file)
        .complete()
        .unwrap();
    assert_eq!(config.train, [PathBuf::from("new.tsv")]);
}

/// Of a file that a run with adapters has written, which names their scale too.
#[test]
fn what_needs_an_overridden_setting_goes_with_it() {
    let file = file("run.toml", "lora = 4\nlora-alpha = 8").unwrap();
    let config = Given::from("--freeze 2")
        .over(file.clone())
        .complete()
        .unwrap();
    assert_eq!(
        (config.freeze, config.lora, config.lora_alpha),
        (Some(2), None, None)
    );
    let config = Given::from("--lora 8").over(file).complete().unwrap();
    assert_eq!((config.lora, config.lora_alpha), (Some(8), Some(8.0)));
}

#[test]
fn a_config_is_written_as_it_is_read() {
    let line = "--train a.tsv --train b.tsv --loss cosent --decay constant --matryoshka 64,128 --seed 7 --lr 1e-5 \
                --columns anchor=q,positive=d,score=s --device cuda:0,cuda:1 --save-adapter --lora 4 --sampler length --label brand";
    let config = Given::from(line).complete().unwrap();
    let table = config.to_toml().unwrap();
    let toml = table.to_string();
    assert_eq!(file("run.toml", &toml).unwrap().complete().unwrap(), config);
    let json = serde_json::to_string(&table).unwrap();
    assert_eq!(file("run.json", &json).unwrap().complete().unwrap(), config);
}

#[test]
fn one_value_is_a_list_of_it() {
    let text = "train = \"pairs.tsv\"\nvalid = [\"a.tsv\", \"b.tsv\"]\nmatryoshka = 64\nmatryoshka-weights = 1";
    let config = file("run.toml", text).unwrap().complete().unwrap();
    assert_eq!(config.train, [PathBuf::from("pairs.tsv")]);
    assert_eq!(config.valid.len(), 2);
    assert_eq!(
        (config.matryoshka, config.matryoshka_weights),
        (vec![64], vec![1.0])
    );
    let wrong = file("run.toml", "epochs = 1\nmatryoshka = \"wide\"").unwrap();
    let message = wrong.complete().unwrap_err().to_string();
    assert!(
        message.contains("wide") && message.contains("--matryoshka"),
        "{message}"
    );
}

#[test]
fn an_unknown_setting_is_named() {
    for text in [
        "epochs = 2\nlearning-rate = 1e-5\n",
        "epochs = 2\nlr = { peak = 1 }\n",
        "epochs = 2\nlr = nan\n",
        "epochs = 2\nresume = true\n",
    ] {
        let message = file("run.toml", text).unwrap_err().to_string();
        let name = text.lines().nth(1).and_then(|line| line.split(' ').next());
        for part in ["run.toml", "line 2", name.unwrap()] {
            assert!(message.contains(part), "{message}");
        }
    }
}

/// Config files of earlier versions have `lanes` and `devices`.
#[test]
fn old_names_are_still_read() {
    let given = file("run.toml", "lanes = 3\ndevices = \"cuda:0,cuda:1\"").unwrap();
    let config = given.complete().unwrap();
    assert_eq!(config.replicas, Some(3));
    assert_eq!(config.device, [Device::Cuda(0), Device::Cuda(1)]);
    let typed = Given::from("--lanes 3 --devices cuda:0,cuda:1");
    assert_eq!(typed.complete().unwrap(), config);
    // The name of today counts, whichever was typed.
    assert!(typed.has("replicas") && typed.has("device"));
}

#[test]
fn demo_pairs_have_defaults_of_their_own() {
    let config = Given::default().complete().unwrap();
    assert_eq!(
        (config.loss.as_str(), config.epochs, config.lr),
        ("mse", 10, 1e-5)
    );
    assert_eq!((config.warmup, config.decay), (0.0, Decay::Constant));
    assert_eq!(Given::from("--epochs 2").complete().unwrap().epochs, 2);
    let config = Given::from("--train pairs.tsv").complete().unwrap();
    assert_eq!((config.lr, config.warmup, config.epochs), (2e-5, 0.1, 1));
}

#[test]
fn wrong_values_are_named() {
    for (text, words) in [
        ("batch-size = 0", "--batch-size"),
        ("lr = -1.0", "--lr"),
        ("warmup = 1.0", "--warmup"),
        ("split = 0", "--split"),
        ("dropout = 1", "--dropout"),
        ("epochs = 0", "--epochs"),
        ("max-length = 0", "--max-length"),
        ("replicas = 0", "--replicas"),
        ("workers = 17", "--workers"),
        ("weight-decay = -1", "--weight-decay"),
        ("seed = -1", "--seed"),
        ("device = \"abacus\"", "is not a device"),
        ("sampler = \"random\"", "--sampler"),
        ("columns = \"anchor\"", "--columns"),
        ("split = 0.1\nvalid = \"held-out.tsv\"", "--valid"),
        ("lora = 4\nfreeze = 2", "--freeze"),
        (
            "category-column = \"a\"",
            "--category-column needs --label:",
        ),
        ("column = \"a\"", "--column needs --label:"),
        (
            "guide-precision = \"int8\"",
            "--guide-precision needs --guide:",
        ),
        ("guide-weights = 2", "--guide-weights needs --guide:"),
        ("train-weights = 1", "--train-weights needs --train:"),
        ("lora-alpha = 4", "--lora-alpha needs --lora:"),
        (
            "matryoshka-weights = 1",
            "--matryoshka-weights needs --matryoshka",
        ),
    ] {
        let message = file("run.toml", text).unwrap().complete().unwrap_err();
        assert!(matches!(message, TrainError::Usage(_)), "{message:?}");
        let message = message.to_string();
        assert!(message.contains(words), "{text}: {message}");
        assert!(message.contains("run.toml, line "), "{text}: {message}");
    }
}

/// The line is that of the setting, not of a comment or of a setting with a longer name.
#[test]
fn a_wrong_value_is_named_with_its_line() {
    let text = "# lr = 3\nmatryoshka = 64\nlr = -1\n";
    let given = file("run.toml", text).unwrap();
    let message = given.complete().unwrap_err().to_string();
    assert!(
        message.contains("run.toml, line 3: ") && message.contains("--lr"),
        "{message}"
    );
    // What was typed has no line.
    let typed = Given::from("--lr 1").over(given.clone());
    assert_eq!(typed.complete().unwrap().lr, 1.0);
    let error = |problem: &str| TrainError::Usage(problem.to_owned());
    let located = |problem: &str| typed.located(error(problem)).to_string();
    assert!(located("--matryoshka is wrong").contains("run.toml, line 2: --matryoshka is wrong"));
    assert_eq!(located("--lr is wrong"), "--lr is wrong");
    assert_eq!(located("--epochs is wrong"), "--epochs is wrong");
}

#[test]
fn absolute_paths_are_those_of_files_and_folders() {
    let line = "--train pairs.tsv --train /data/more.tsv --model a/b --output tuned";
    let config = Given::from(line).complete().unwrap();
    let absolute = config.clone().with_absolute_paths();
    let here = std::env::current_dir().unwrap();
    assert_eq!(
        absolute.train,
        [here.join("pairs.tsv"), "/data/more.tsv".into()]
    );
    assert_eq!(
        (&absolute.model, &absolute.output),
        (&config.model, &config.output)
    );
    let folder = Given::from("--model src").complete().unwrap();
    assert_eq!(
        PathBuf::from(folder.with_absolute_paths().model),
        here.join("src")
    );
}

/// Settings from words as they are typed.
impl From<&str> for Given {
    #[track_caller]
    fn from(line: &str) -> Self {
        let command = Self::augment_args(Command::new("fit").no_binary_name(true));
        let matches = command.try_get_matches_from(line.split_whitespace());
        Self::typed(&matches.unwrap())
    }
}
