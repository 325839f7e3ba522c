//! `doctor`: the device, the model and a self-check.

use std::collections::BTreeMap;
use std::io::Write;
use std::time::Instant;

use model::{Device, ModelError, Precision, Prompts, hub};
use program::{Console, version};

use super::load;
use crate::cli::{DoctorArgs, ModelArgs, VectorArgs};
use crate::error::Error;
use crate::output::doctor::Report;

/// The text of the self-check.
const KNOWN_TEXT: &str = "high end water bottle";

/// PyTorch's vector of [`KNOWN_TEXT`] by the default model: 768 little-endian `f32`.
const KNOWN_VECTOR: &[u8] = include_bytes!("known_vector.f32");

/// The largest difference of a value that counts as exact in this project.
const TOLERANCE: f32 = 1e-5;

pub(super) fn run(args: &DoctorArgs, console: Console, out: &mut dyn Write) -> Result<(), Error> {
    let model = args.model();
    let start = Instant::now();
    let encoder = load(&model, VectorArgs::default(), console)?;
    let load_seconds = start.elapsed().as_secs_f64();
    let verified_files =
        hub::verify(encoder.folder(), *encoder.origin()).map_err(ModelError::from)?;
    let start = Instant::now();
    let vectors = encoder.encode(&[KNOWN_TEXT])?;
    let encode_milliseconds = start.elapsed().as_secs_f64() * 1e3;
    let known = is_known(&model) && encoder.precision() == Precision::Float32;
    let difference = known.then(|| largest_difference(vectors.values()));

    let report = Report {
        version: env!("CARGO_PKG_VERSION"),
        commit: version::COMMIT,
        device: encoder.device().to_string(),
        device_description: encoder.device().description(),
        backends: Device::compiled_in(),
        threads: rayon::current_num_threads(),
        simd: simd(),
        model: model.hub.name().to_owned(),
        folder: encoder.folder().display().to_string(),
        origin: encoder.origin().to_string(),
        verified_files,
        max_length: encoder.tokenizer().max_length(),
        width: encoder.width(),
        precision: encoder.precision().to_string(),
        similarity: encoder.similarity().name(),
        prompts: prompts(encoder.prompts()),
        default_prompt: encoder.prompts().default_name().map(str::to_owned),
        load_seconds,
        encode_milliseconds,
        difference,
    };
    if args.json {
        serde_json::to_writer_pretty(&mut *out, &report)?;
        writeln!(out)?;
    } else {
        report.print(&verdict(difference), out)?;
    }
    self_check(difference)
}

/// The prompts that are not empty.
fn prompts(prompts: &Prompts) -> BTreeMap<String, String> {
    let named = prompts.names().filter_map(|name| {
        let text = prompts.get(name).filter(|text| !text.is_empty())?;
        Some((name.to_owned(), text.to_owned()))
    });
    named.collect()
}

/// Fails where the difference is beyond the tolerance, or NaN.
fn self_check(difference: Option<f32>) -> Result<(), Error> {
    match difference {
        Some(difference) if difference.is_nan() || difference > TOLERANCE => {
            Err(Error::SelfCheck {
                text: KNOWN_TEXT,
                difference,
            })
        }
        _ => Ok(()),
    }
}

/// The self-check in words.
fn verdict(difference: Option<f32>) -> String {
    match difference {
        Some(difference) if difference <= TOLERANCE => {
            format!("ok: \"{KNOWN_TEXT}\" within {difference:.1e} of PyTorch's vector")
        }
        Some(difference) => {
            format!("FAILED: \"{KNOWN_TEXT}\" differs by {difference:.1e} from PyTorch's vector")
        }
        None => {
            "none: no vector is known for this model, revision, length and precision".to_owned()
        }
    }
}

/// Whether [`KNOWN_VECTOR`] applies: the published default model, with its own maximum length.
fn is_known(model: &ModelArgs) -> bool {
    let named = [
        Some(hub::DEFAULT_MODEL),
        hub::DEFAULT_MODEL.split('/').next_back(),
    ];
    named.contains(&Some(model.hub.name()))
        && model
            .hub
            .revision
            .as_deref()
            .is_none_or(|revision| revision == "main")
        && model.max_length.is_none()
}

/// The largest difference from [`KNOWN_VECTOR`]; infinite where the widths differ.
fn largest_difference(vector: &[f32]) -> f32 {
    let known: Vec<f32> = KNOWN_VECTOR
        .chunks_exact(4)
        .filter_map(|bytes| bytes.try_into().ok().map(f32::from_le_bytes))
        .collect();
    if known.len() != vector.len() {
        return f32::INFINITY;
    }
    // `f32::max` would drop a NaN.
    let differences = known
        .iter()
        .zip(vector)
        .map(|(known, value)| (known - value).abs());
    differences.fold(0.0, |largest, difference| {
        if difference > largest || difference.is_nan() {
            difference
        } else {
            largest
        }
    })
}

/// The SIMD instructions of this processor that the CPU backends use.
fn simd() -> Vec<&'static str> {
    #[cfg(target_arch = "x86_64")]
    {
        [
            ("avx2", is_x86_feature_detected!("avx2")),
            ("fma", is_x86_feature_detected!("fma")),
            ("avxvnni", is_x86_feature_detected!("avxvnni")),
            ("avx512f", is_x86_feature_detected!("avx512f")),
            ("avx512vnni", is_x86_feature_detected!("avx512vnni")),
            ("avx512bf16", is_x86_feature_detected!("avx512bf16")),
            ("amx", model::backend::uses_amx()),
        ]
        .into_iter()
        .filter_map(|(name, found)| found.then_some(name))
        .collect()
    }
    #[cfg(target_arch = "aarch64")]
    {
        vec!["neon"]
    }
    #[cfg(not(any(target_arch = "x86_64", target_arch = "aarch64")))]
    {
        Vec::new()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_known_vector_is_a_unit_vector_of_768_values() {
        let known: Vec<f32> = KNOWN_VECTOR
            .chunks_exact(4)
            .map(|bytes| f32::from_le_bytes(bytes.try_into().unwrap()))
            .collect();
        assert_eq!(known.len(), 768);
        let norm = known
            .iter()
            .map(|value| f64::from(*value).powi(2))
            .sum::<f64>()
            .sqrt();
        assert!((norm - 1.0).abs() < 1e-6, "{norm}");
        assert_eq!(largest_difference(&known), 0.0);
        assert_eq!(largest_difference(&known[1..]), f32::INFINITY);
        let mut wrong = known.clone();
        wrong[700] = f32::NAN;
        assert!(largest_difference(&wrong).is_nan());
    }

    #[test]
    fn a_wrong_vector_fails_the_self_check() {
        for (difference, passes, verdict) in [
            (None, true, "none:"),
            (Some(0.0), true, "ok:"),
            (Some(TOLERANCE), true, "ok:"),
            (Some(1e-4), false, "FAILED:"),
            (Some(f32::INFINITY), false, "FAILED:"),
            (Some(f32::NAN), false, "FAILED:"),
        ] {
            let result = self_check(difference);
            assert_eq!(result.is_ok(), passes, "{difference:?}");
            if let Err(error) = result {
                let message = error.to_string();
                assert!(message.contains(KNOWN_TEXT), "{message}");
            }
            let line = super::verdict(difference);
            assert!(line.starts_with(verdict), "{difference:?}: {line}");
        }
    }

    #[test]
    fn the_vector_is_known_of_the_default_model_as_published() {
        use clap::Parser;
        let known = |arguments: &[&str]| {
            let arguments = [&["infer", "doctor"], arguments].concat();
            match crate::Cli::parse_from(arguments).command {
                Some(crate::cli::Command::Doctor(args)) => is_known(&args.model()),
                other => panic!("{other:?}"),
            }
        };
        assert!(known(&[]));
        assert!(known(&["--model", "all-mpnet-base-v2"]));
        assert!(known(&["--revision", "main"]));
        assert!(!known(&["--revision", "v1"]));
        assert!(!known(&["--model", "tuned"]));
        assert!(!known(&["--max-length", "128"]));
    }
}
