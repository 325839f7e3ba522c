//! The report of `doctor`, as a table or as JSON.

use std::collections::BTreeMap;
use std::io::{self, Write};

use serde::Serialize;

/// Device, model and self-check.
#[derive(Serialize)]
pub(crate) struct Report {
    pub(crate) version: &'static str,
    pub(crate) commit: &'static str,
    pub(crate) device: String,
    pub(crate) device_description: String,
    pub(crate) backends: Vec<&'static str>,
    pub(crate) threads: usize,
    pub(crate) simd: Vec<&'static str>,
    pub(crate) model: String,
    pub(crate) folder: String,
    pub(crate) origin: String,
    /// Files whose SHA-256 is known, and right.
    pub(crate) verified_files: usize,
    pub(crate) max_length: usize,
    pub(crate) width: usize,
    pub(crate) precision: String,
    pub(crate) similarity: &'static str,
    /// The model's prompts that are not empty, by name.
    pub(crate) prompts: BTreeMap<String, String>,
    pub(crate) default_prompt: Option<String>,
    pub(crate) load_seconds: f64,
    pub(crate) encode_milliseconds: f64,
    /// Largest difference of a value from PyTorch's; `None` where PyTorch's vector is unknown.
    pub(crate) difference: Option<f32>,
}

impl Report {
    /// Prints a line for each value, and one for the verdict of the self-check.
    pub(crate) fn print(&self, verdict: &str, out: &mut dyn Write) -> io::Result<()> {
        let rows = [
            ("version", self.version.to_owned()),
            ("commit", self.commit.to_owned()),
            (
                "device",
                format!("{} ({})", self.device, self.device_description),
            ),
            ("backends", self.backends.join(", ")),
            ("threads", self.threads.to_string()),
            ("SIMD", self.simd.join(", ")),
            ("model", self.model.clone()),
            ("folder", self.folder.clone()),
            ("origin", self.origin.clone()),
            (
                "files",
                match self.verified_files {
                    0 => "not verified: no SHA-256 of them is known".to_owned(),
                    verified => format!("the SHA-256 of {verified} files is right"),
                },
            ),
            (
                "vectors",
                format!(
                    "{} values, of at most {} tokens",
                    self.width, self.max_length
                ),
            ),
            ("precision", self.precision.clone()),
            ("similarity", self.similarity.to_owned()),
            ("prompts", self.prompts()),
            ("load time", format!("{:.2} s", self.load_seconds)),
            (
                "first vector",
                format!("{:.0} ms", self.encode_milliseconds),
            ),
            ("self-check", verdict.to_owned()),
        ];
        for (name, value) in rows {
            writeln!(out, "{name:<13} {value}")?;
        }
        Ok(())
    }

    fn prompts(&self) -> String {
        let named = self.prompts.iter().map(|(name, text)| {
            let default = if self.default_prompt.as_ref() == Some(name) {
                " (default)"
            } else {
                ""
            };
            format!("{name} {text:?}{default}")
        });
        let named: Vec<String> = named.collect();
        if named.is_empty() {
            return "none".to_owned();
        }
        named.join(", ")
    }
}
