//! Reads a model and writes it again, as a sentence-transformers folder with safetensors weights
//! that older and newer versions open.
//!
//! ```console
//! cargo run --release -p model --example convert -- sentence-transformers/all-mpnet-base-v2 copy
//! ```

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use burn::tensor::backend::Backend;
use model::backend::BackendTask;
use model::hub::{self, HubOptions};
use model::{Checkpoint, Device, ModelError};

/// Reads the weights onto the chosen backend and writes them from there.
struct Convert {
    checkpoint: Checkpoint,
    output: PathBuf,
}

impl BackendTask for Convert {
    type Output = Result<(), ModelError>;

    fn run<B: Backend>(self, device: B::Device) -> Self::Output {
        let model = self.checkpoint.load::<B>(&device)?;
        self.checkpoint.save(&model, &self.output)
    }
}

fn convert(name_or_folder: &str, output: &str) -> Result<(), ModelError> {
    let folder = hub::resolve(name_or_folder, &HubOptions::default())?;
    let task = Convert {
        checkpoint: Checkpoint::open(&folder.path)?,
        output: Path::new(output).to_owned(),
    };
    Device::Auto.run(task)?
}

#[allow(clippy::print_stderr, reason = "the program's only messages")]
fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [input, output] = arguments.as_slice() else {
        eprintln!("usage: convert NAME|DIR OUTPUT_DIR");
        return ExitCode::from(2);
    };
    match convert(input, output) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error}");
            ExitCode::FAILURE
        }
    }
}
