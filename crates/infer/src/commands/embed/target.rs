//! Where `embed` writes the vectors, and in which form.

use std::path::{Path, PathBuf};

use model::SentenceEncoder;
use program::text::count;
use program::{Console, atomic_file};
use records::Source;

use crate::cli::EmbedArgs;
use crate::error::{Error, UsageError};
use crate::stdin::is_dash;
use crate::vectors::{
    CALIBRATION_ROWS, FileForm, Journal, OutputType, Ranges, VectorError, VectorFormat, Windows,
    check_target, earlier_ids, ids_path, is_ranges_file, ranges_path, write_vectors,
};

/// Fewer rows give poor ranges of 8-bit integers: sentence-transformers warns below this number too.
const FEW_ROWS: u64 = 100;

pub(super) enum Target {
    /// JSON Lines of float32.
    Stdout,
    File(FileTarget),
}

pub(super) struct FileTarget {
    pub(super) path: PathBuf,
    pub(super) format: VectorFormat,
    output_type: OutputType,
    /// The ranges of 8-bit integers that the command line names.
    ranges: Option<PathBuf>,
    with_ids: bool,
}

impl Target {
    /// Notes files of earlier runs beside the output.
    pub(super) fn new(args: &EmbedArgs, console: Console) -> Result<Self, Error> {
        let Some(path) = args.output.as_deref().filter(|path| !is_dash(path)) else {
            return match args {
                EmbedArgs { resume: true, .. } => Err(UsageError::NeedsFile("--resume").into()),
                EmbedArgs { restart: true, .. } => Err(UsageError::NeedsFile("--restart").into()),
                EmbedArgs { output_type, .. } if *output_type != OutputType::F32 => {
                    Err(UsageError::NeedsFile("--output-type").into())
                }
                EmbedArgs {
                    output_format: None | Some(VectorFormat::Jsonl),
                    ..
                } => Ok(Self::Stdout),
                _ => Err(UsageError::StdoutFormat.into()),
            };
        };
        let format = args
            .output_format
            .or_else(|| VectorFormat::from_path(path))
            .ok_or_else(|| UsageError::VectorFormat(path.to_owned()))?;
        if format == VectorFormat::Pt && args.output_type != OutputType::F32 {
            return Err(UsageError::PtOutputType(args.output_type.to_string()).into());
        }
        if args.ranges.is_some() && !args.output_type.needs_ranges() {
            return Err(UsageError::RangesWithoutIntegers.into());
        }
        if args.shard.is_some() && args.output_type.needs_ranges() && args.ranges.is_none() {
            return Err(UsageError::ShardsWithoutRanges.into());
        }
        let path = check_target(path)?;
        let with_ids = args.read.id_column.is_some();
        if let Some(ids) = earlier_ids(&path, format, with_ids)? {
            let ids = ids.display();
            console.note(if with_ids {
                format!("note: {ids} of an earlier run will be replaced")
            } else {
                format!(
                    "note: {ids} is left as it is, but is not of these vectors; remove it, or give --id-column"
                )
            });
        }
        let file = FileTarget {
            path,
            format,
            output_type: args.output_type,
            ranges: args.ranges.clone(),
            with_ids,
        };
        file.check_ranges()?;
        Ok(Self::File(file))
    }

    /// Refuses an output that would replace an input.
    pub(super) fn check_inputs(&self, input: &[PathBuf]) -> Result<(), Error> {
        let Self::File(file) = self else {
            return Ok(());
        };
        let outputs = file.outputs();
        let is_output = |input: &Path| {
            // An output that does not exist yet is no input.
            input.canonicalize().is_ok_and(|input| {
                let same = |output: &PathBuf| output.canonicalize().is_ok_and(|file| file == input);
                outputs.iter().any(same)
            })
        };
        if file.ranges.as_deref().is_some_and(is_output) {
            return Err(UsageError::OutputIsInput("--ranges").into());
        }
        for source in Source::expand(input)? {
            if matches!(&source, Source::File(source) if is_output(source)) {
                return Err(UsageError::OutputIsInput("--input").into());
            }
        }
        Ok(())
    }

    /// A note on the written file of so many rows; results on standard output need none. A resumed
    /// run embedded fewer `texts`.
    pub(super) fn note(
        &self,
        texts: usize,
        rows: u64,
        encoder: &SentenceEncoder,
        seconds: f64,
        console: Console,
    ) {
        if let Self::File(file) = self {
            let rate = texts as f64 / seconds.max(1e-9);
            console.note(format_args!(
                "embedded {} [{rows}, {}] in {seconds:.2} s ({rate:.1} texts/s) to {}",
                count(texts, "text"),
                file.output_type.numbers(encoder.width()),
                file.path.display()
            ));
        }
    }
}

impl FileTarget {
    /// Every file that is written or replaced.
    fn outputs(&self) -> Vec<PathBuf> {
        let mut outputs = vec![self.path.clone(), Journal::path_of(&self.path)];
        if self.with_ids && !self.format.keeps_ids() {
            outputs.push(ids_path(&self.path));
        }
        if self.saves_ranges() {
            outputs.push(ranges_path(&self.path));
        }
        outputs
    }

    fn saves_ranges(&self) -> bool {
        self.output_type.needs_ranges() && self.ranges.is_none()
    }

    /// The ranges of an earlier run are replaced, another file is not.
    fn check_ranges(&self) -> Result<(), VectorError> {
        let path = ranges_path(&self.path);
        let exists = path.symlink_metadata().is_ok();
        if self.saves_ranges() && exists && !(self.path.is_file() && is_ranges_file(&path)) {
            return Err(VectorError::ForeignFile { path });
        }
        Ok(())
    }

    /// The form of the file, with the ranges that the command line names.
    pub(super) fn form(&self, encoder: &SentenceEncoder) -> Result<FileForm, Error> {
        let mut form = FileForm::new(self.format, encoder.width());
        form.output_type = self.output_type;
        if let Some(path) = &self.ranges {
            form.ranges = Some(Ranges::read(path, encoder.width())?);
        }
        Ok(form)
    }

    /// Refuses ranges of one row, of which every number would be the smallest, and notes few rows.
    pub(super) fn check_calibration(&self, rows: u64, console: Console) -> Result<(), UsageError> {
        if !self.saves_ranges() || rows == 0 || rows >= FEW_ROWS {
            return Ok(());
        }
        if rows == 1 {
            return Err(UsageError::OneRow(self.output_type.to_string()));
        }
        console.note(format_args!(
            "note: the ranges of {} come from {rows} rows only; give --ranges with those of more rows",
            self.output_type
        ));
        Ok(())
    }

    /// Writes the file, and beside it the ranges of its rows if it needs some.
    pub(super) fn write(&self, mut form: FileForm, windows: &mut dyn Windows) -> Result<(), Error> {
        if let Some(provenance) = &mut form.provenance {
            provenance.output_type = form.output_type.sentence_transformers().to_owned();
        }
        if !self.saves_ranges() {
            write_vectors(&self.path, &form, windows)?;
            return Ok(());
        }
        form.ranges = calibrate(form.width, windows)?;
        // Vectors never have the ranges of another run, as with ids.
        let path = ranges_path(&self.path);
        atomic_file::remove(&path).map_err(|source| VectorError::Io {
            path: path.clone(),
            source,
        })?;
        write_vectors(&self.path, &form, windows)?;
        if let Some(ranges) = &form.ranges {
            ranges.write(&path)?;
        }
        Ok(())
    }
}

/// The ranges of the first rows; `None` without a row.
fn calibrate(width: usize, windows: &mut dyn Windows) -> Result<Option<Ranges>, VectorError> {
    let mut ranges = Ranges::of_width(width);
    let mut left = CALIBRATION_ROWS;
    windows.for_each(&mut |rows, values| {
        let taken = rows.len().min(left);
        ranges.include(&values[..taken * width]);
        left -= taken;
        Ok(())
    })?;
    Ok((left < CALIBRATION_ROWS).then_some(ranges))
}
