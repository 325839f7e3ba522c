//! `distill`: make a smaller model that has the vectors of a teacher.

use std::io::Write;
use std::num::NonZeroUsize;

use model::hub::DEFAULT_MODEL;
use program::Console;

use super::fit;
use crate::cli::{DECIDED, DistillArgs, FitArgs};
use crate::config::Given;
use crate::error::TrainError;
use crate::run::static_model::{self, StaticSize};

/// Numbers of a row of a static model, and its rows: those of the model that comes with mpnet-burn.
const DIMENSIONS: NonZeroUsize = NonZeroUsize::MIN.saturating_add(255);
const ROWS: usize = 29_800;

/// The command.
const NAME: &str = "distill";

/// The variable of `--teacher`.
const VARIABLE: &str = "MPNET_BURN_MODEL";

/// The word of `--student` for a static model.
const STATIC: &str = "static";

/// What is wrong with the size of another student.
const SIZE_OF_STATIC: &str = "--dimensions and --rows are for --student static; leave them out";

/// The start of a list of layers in `--student`.
const LAYERS: &str = "layers=";

/// Defaults of a student with layers. The learning rate is that of sentence-transformers' example. Without dropout the
/// student can have exactly the teacher's vectors.
const OF_LAYERS: [(&str, &str); 3] = [("batch-size", "64"), ("lr", "1e-4"), ("dropout", "0")];

/// Defaults of a static student.
const OF_STATIC: [(&str, &str); 3] = [("batch-size", "512"), ("lr", "1e-3"), ("epochs", "6")];

/// The settings that a static student has.
const STATIC_SETTINGS: [&str; 12] = [
    "train",
    "columns",
    "skip-bad-rows",
    "offline",
    "device",
    "epochs",
    "batch-size",
    "lr",
    "seed",
    "output",
    "guide",
    "guide-precision",
];

pub(super) fn run(arguments: DistillArgs, notes: Console) -> Result<(), TrainError> {
    let sized = arguments.dimensions.is_some() || arguments.rows.is_some();
    let size = StaticSize {
        dimensions: arguments.dimensions.unwrap_or(DIMENSIONS),
        rows: arguments.rows.unwrap_or(ROWS),
    };
    let mut fit = arguments.fit.map(|settings| settings.0);
    fit.read_config()?;
    // As `fit`, a resumed run does not follow the variable.
    let variable = std::env::var(VARIABLE).ok();
    let mut teachers = arguments.teacher;
    if fit.resume && teachers.iter().eq(&variable) {
        teachers.clear();
    }
    let Some(student) = arguments.student else {
        // A resumed run has a student, and a teacher that a given one must be.
        if sized {
            return Err(TrainError::usage(SIZE_OF_STATIC));
        }
        if !teachers.is_empty() {
            fit.settings.set_all("guide", &teachers);
        }
        return fit::run(NAME, fit, notes);
    };
    let is_new = !fit.resume || student == STATIC;
    if teachers.is_empty() && is_new {
        teachers.push(DEFAULT_MODEL.to_owned());
    }
    let usage = |problem: String| Err(TrainError::Usage(problem));
    let given = &mut fit.settings;
    if let Some(name) = given.names().find(|name| DECIDED.contains(name)) {
        let problem = format!("--{name} follows from --teacher and --student; leave it out");
        return Err(given.located(TrainError::Usage(problem)));
    }
    if !given.has("train") && !fit.resume {
        return usage("give the texts to learn from: --train FILE".to_owned());
    }
    if !teachers.is_empty() {
        given.set_all("guide", &teachers);
    }
    if student == STATIC {
        return run_static(fit, size, notes);
    }
    if sized {
        return usage(SIZE_OF_STATIC.to_owned());
    }
    match student.strip_prefix(LAYERS) {
        Some(layers) => {
            if let Some(teacher) = teachers.first() {
                given.set("model", teacher);
            }
            given.set("layers", layers);
        }
        None => given.set("model", &student),
    }
    given.set("texts", "true");
    given.set("loss", "embed-distill");
    // A resumed run has what it was started with.
    if is_new {
        given.set_missing(&OF_LAYERS);
    }
    fit::run(NAME, fit, notes)
}

fn run_static(fit: FitArgs<Given>, size: StaticSize, notes: Console) -> Result<(), TrainError> {
    let mut given = fit.settings.clone();
    if let Some(name) = given.names().find(|name| !STATIC_SETTINGS.contains(name)) {
        let problem = format!("--{name} is not for --student {STATIC}; leave it out");
        return Err(given.located(TrainError::Usage(problem)));
    }
    if fit.resume {
        return Err(TrainError::Usage(format!(
            "--student {STATIC} keeps the teacher's vectors in its folder: give the same command without --resume"
        )));
    }
    given.set_missing(&OF_STATIC);
    let config = given.complete()?;
    let result = static_model::distill(&config, size, &fit::context(NAME, &fit, notes))?;
    super::print(|out| {
        writeln!(
            out,
            "rows          {} of {} numbers\nteacher       mean cosine {:.4}\nmodel         {}",
            result.shape[0],
            result.shape[1],
            result.cosine,
            result.output.display()
        )
    })
}
