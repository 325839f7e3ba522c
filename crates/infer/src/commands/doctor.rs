//! `doctor`: what runs where, and whether it is right.

use std::io::Write;
use std::time::Instant;

use model::{Device, Precision, hub};
use serde::Serialize;

use super::load;
use crate::cli::{DoctorArgs, ModelArgs, VectorArgs};
use crate::failure::Failure;
use crate::terminal::Terminal;

/// The text whose vector is known.
const KNOWN_TEXT: &str = "high end water bottle";

/// PyTorch's vector of [`KNOWN_TEXT`] by the default model: 768 little-endian `f32`.
const KNOWN_VECTOR: &[u8] = include_bytes!("known_vector.f32");

/// What "exact" means in this project; see the README.
const TOLERANCE: f32 = 1e-5;

#[derive(Serialize)]
struct Report {
    version: &'static str,
    device: String,
    device_description: String,
    backends: Vec<&'static str>,
    threads: usize,
    simd: Vec<&'static str>,
    model: String,
    folder: String,
    origin: String,
    max_length: usize,
    width: usize,
    precision: String,
    load_seconds: f64,
    encode_milliseconds: f64,
    /// Largest difference of a value to PyTorch's; none where the model's vectors are not known.
    difference: Option<f32>,
}

pub(super) fn run(
    model: &ModelArgs,
    args: &DoctorArgs,
    terminal: &mut Terminal,
) -> Result<(), Failure> {
    let start = Instant::now();
    let encoder = load(model, VectorArgs::default(), terminal.notes())?;
    let load_seconds = start.elapsed().as_secs_f64();
    let start = Instant::now();
    let vectors = encoder.encode(&[KNOWN_TEXT])?;
    let encode_milliseconds = start.elapsed().as_secs_f64() * 1e3;
    let known = is_known(model) && encoder.precision() == Precision::Float32;
    let difference = known.then(|| largest_difference(vectors.values()));

    let report = Report {
        version: env!("CARGO_PKG_VERSION"),
        device: encoder.device().to_string(),
        device_description: encoder.device().description(),
        backends: Device::compiled_in(),
        threads: rayon::current_num_threads(),
        simd: simd(),
        model: model.model.clone(),
        folder: encoder.folder().display().to_string(),
        origin: encoder.origin().to_string(),
        max_length: encoder.tokenizer().max_length(),
        width: encoder.width(),
        precision: encoder.precision().to_string(),
        load_seconds,
        encode_milliseconds,
        difference,
    };
    if args.json {
        serde_json::to_writer_pretty(terminal.out(), &report)?;
        writeln!(terminal.out())?;
    } else {
        print(&report, terminal)?;
    }
    match difference {
        // A NaN is not within the tolerance either.
        Some(difference) if difference.is_nan() || difference > TOLERANCE => {
            Err(Failure::SelfCheck {
                text: KNOWN_TEXT,
                difference,
            })
        }
        _ => Ok(()),
    }
}

fn print(report: &Report, terminal: &mut Terminal) -> Result<(), Failure> {
    let check = match report.difference {
        Some(difference) if difference <= TOLERANCE => {
            format!("ok: \"{KNOWN_TEXT}\" within {difference:.1e} of PyTorch's vector")
        }
        Some(difference) => {
            format!("FAILED: \"{KNOWN_TEXT}\" is {difference:.1e} away from PyTorch's vector")
        }
        None => "none: no vector of this model, revision, length and precision is known".to_owned(),
    };
    let rows = [
        ("version", report.version.to_owned()),
        (
            "device",
            format!("{} ({})", report.device, report.device_description),
        ),
        ("backends", report.backends.join(", ")),
        ("threads", report.threads.to_string()),
        ("SIMD", report.simd.join(", ")),
        ("model", report.model.clone()),
        ("folder", report.folder.clone()),
        ("origin", report.origin.clone()),
        (
            "vectors",
            format!(
                "{} values, of at most {} tokens",
                report.width, report.max_length
            ),
        ),
        ("precision", report.precision.clone()),
        ("load time", format!("{:.2} s", report.load_seconds)),
        (
            "first vector",
            format!("{:.0} ms", report.encode_milliseconds),
        ),
        ("self-check", check),
    ];
    for (name, value) in rows {
        writeln!(terminal.out(), "{name:<13} {value}")?;
    }
    Ok(())
}

/// Whether the vector is known: that of the published default model, read to its own length.
fn is_known(model: &ModelArgs) -> bool {
    let named = [
        Some(hub::DEFAULT_MODEL),
        hub::DEFAULT_MODEL.split('/').next_back(),
    ];
    named.contains(&Some(model.model.as_str()))
        && model
            .revision
            .as_deref()
            .is_none_or(|revision| revision == "main")
        && model.max_length.is_none()
}

/// The largest difference to the known vector; infinite where the widths differ.
fn largest_difference(vector: &[f32]) -> f32 {
    let known: Vec<f32> = KNOWN_VECTOR
        .chunks_exact(4)
        .filter_map(|bytes| bytes.try_into().ok().map(f32::from_le_bytes))
        .collect();
    if known.len() != vector.len() {
        return f32::INFINITY;
    }
    // `max` would drop a NaN.
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

/// The instructions of this processor that the CPU backends use.
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
            ("amx", model::uses_amx()),
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
}
