//! The command line.

use clap::Args;
use model::threads::ThreadCount;
use model::{Device, Precision, hub};

use crate::error::BenchmarkError;

/// Arguments of `scaling`.
#[derive(Debug, Args)]
pub(crate) struct ScalingArgs {
    /// cpu or ndarray: the roofline is that of a processor
    #[arg(long, default_value = "cpu")]
    pub(crate) device: Device,
    /// A model's name or folder
    #[arg(long, value_name = "NAME|DIR", default_value = hub::DEFAULT_MODEL)]
    pub(crate) model: String,
    /// f32, bf16 or int8; repeatable [default: all that the device computes in]
    #[arg(long = "precision", value_name = "PRECISION")]
    precision: Vec<Precision>,
    /// A number of threads; repeatable [default: 1, 2, 4, … and the number of physical cores]
    #[arg(long = "threads", value_name = "N")]
    threads: Vec<ThreadCount>,
    /// Timed repetitions after a warm-up; the best counts
    #[arg(long, value_name = "N", default_value_t = 3, value_parser = clap::value_parser!(u32).range(1..))]
    pub(crate) runs: u32,
    /// Print JSON
    #[arg(long)]
    pub(crate) json: bool,
    /// Measure one precision on one number of threads, in this process
    #[arg(long, value_enum, hide = true)]
    sheet: Option<SheetKind>,
}

/// The part that a process measures.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
enum SheetKind {
    /// Texts/s.
    Rates,
    /// The tables by length and by batch too.
    Tables,
}

/// The part that one process measures.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct OneSheet {
    pub(crate) precision: Precision,
    pub(crate) threads: ThreadCount,
    pub(crate) with_tables: bool,
}

impl ScalingArgs {
    /// The part that this process measures itself.
    pub(crate) fn one_sheet(&self) -> Option<OneSheet> {
        Some(OneSheet {
            with_tables: self.sheet? == SheetKind::Tables,
            precision: *self.precision.first()?,
            threads: *self.threads.first()?,
        })
    }

    /// The command line of a process that measures one part.
    pub(crate) fn of_one_sheet(
        &self,
        precision: Precision,
        threads: usize,
        with_tables: bool,
    ) -> Vec<String> {
        let kind = if with_tables { "tables" } else { "rates" };
        let flags = [
            ("--sheet", kind.to_owned()),
            ("--device", self.device.to_string()),
            ("--model", self.model.clone()),
            ("--precision", precision.to_string()),
            ("--threads", threads.to_string()),
            ("--runs", self.runs.to_string()),
        ]
        .into_iter()
        .flat_map(|(flag, value)| [flag.to_owned(), value]);
        std::iter::once("scaling".to_owned()).chain(flags).collect()
    }

    /// The precisions that are measured.
    pub(crate) fn precisions(&self) -> Result<Vec<Precision>, BenchmarkError> {
        let known = match self.device.to_string().as_str() {
            "cpu" => vec![Precision::Float32, Precision::Bfloat16, Precision::Int8],
            "ndarray" => vec![Precision::Float32],
            _ => return Err(BenchmarkError::NoRoofline(self.device)),
        };
        Ok(if self.precision.is_empty() {
            known
        } else {
            self.precision.clone()
        })
    }

    /// The numbers of threads that are measured, the largest last: powers of two, and all cores.
    pub(crate) fn thread_counts(&self, cores: usize) -> Vec<usize> {
        let mut counts: Vec<usize> = self.threads.iter().map(|threads| threads.get()).collect();
        if counts.is_empty() {
            let doubled = std::iter::successors(Some(1), |count| Some(2 * count));
            counts = doubled.take_while(|&count| count < cores).collect();
            counts.push(cores);
        }
        counts.sort_unstable();
        counts.dedup();
        counts
    }
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;

    fn arguments(line: &[&str]) -> ScalingArgs {
        let words = ["benchmarks", "scaling"].iter().chain(line);
        match crate::Cli::parse_from(words).command {
            crate::cli::Command::Scaling(arguments) => arguments,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn threads_are_doubled_up_to_all_cores() {
        let none = arguments(&[]);
        for (cores, counts) in [
            (1, &[1][..]),
            (2, &[1, 2]),
            (6, &[1, 2, 4, 6]),
            (8, &[1, 2, 4, 8]),
        ] {
            assert_eq!(none.thread_counts(cores), counts);
        }
        let some = arguments(&["--threads", "3", "--threads", "1", "--threads", "3"]);
        assert_eq!(some.thread_counts(8), [1, 3]);
    }

    #[test]
    fn a_device_is_measured_in_the_precisions_that_it_has() {
        let words = |line: &[&str]| -> Vec<String> {
            let precisions = arguments(line).precisions().unwrap();
            precisions.iter().map(Precision::to_string).collect()
        };
        assert_eq!(words(&[]), ["f32", "bf16", "int8"]);
        assert_eq!(words(&["--device", "ndarray"]), ["f32"]);
        assert_eq!(words(&["--precision", "int8"]), ["int8"]);
        let message = arguments(&["--device", "cuda"]).precisions().unwrap_err();
        assert!(message.to_string().contains("cuda"), "{message}");
    }

    #[test]
    fn a_process_is_told_what_to_measure() {
        let line =
            arguments(&["--model", "x", "--runs", "5"]).of_one_sheet(Precision::Int8, 4, true);
        assert_eq!(line[0], "scaling");
        let line: Vec<&str> = line[1..].iter().map(String::as_str).collect();
        let sheet = arguments(&line).one_sheet().unwrap();
        assert_eq!(sheet.precision, Precision::Int8);
        assert_eq!((sheet.threads.get(), sheet.with_tables), (4, true));
        assert_eq!(arguments(&line).runs, 5);
        assert_eq!(arguments(&["--precision", "int8"]).one_sheet(), None);
    }
}
