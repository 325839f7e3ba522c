//! `attributes`: brands, colours and other attributes of texts, from the command line or streamed from a file.

mod input;
mod lines;

use std::collections::BTreeSet;
use std::io::{BufWriter, Write};
use std::path::{Path, PathBuf};
use std::time::Instant;

use model::{Span, TagOptions, Tagger};
use program::text::{count, quoted};
use program::{AtomicFile, Console};
use records::{Row, Source};

use self::input::Input;
use self::lines::Lines;
use super::with_head;
use crate::check::check_rows;
use crate::cli::{AttributesArgs, AttributesForm, ModelArgs, ReadArgs};
use crate::error::{Error, UsageError};
use crate::stdin::{is_dash, piped};
use crate::stream::{compute_windows, note_skipped, note_truncated};
use crate::vectors::{
    Earlier, Journal, Provenance, Settings, TextsHash, VectorError, Windows, check_target,
};

/// The most keys that a note names.
const MOST_KEYS: usize = 20;

pub(super) fn run(
    model: &ModelArgs,
    args: &AttributesArgs,
    console: Console,
    out: &mut dyn Write,
) -> Result<(), Error> {
    // Wrong arguments are an error before the model is loaded.
    if model.hub.model.is_none() {
        return Err(UsageError::NoTagger.into());
    }
    let form = form(args)?;
    let target = target(args)?;
    let mut input = args.input.clone();
    if input.is_empty() && args.texts.is_empty() {
        input.extend(piped());
    }
    match (input.as_slice(), args.texts.is_empty()) {
        ([_, ..], false) => Err(UsageError::TextsAndInput.into()),
        ([], true) => Err(UsageError::NoText.into()),
        ([], false) if args.read != ReadArgs::default() => Err(UsageError::ReadWithoutInput.into()),
        ([], false) => tag_texts(model, args, form, target.as_deref(), console, out),
        (paths, true) => {
            let input = Input::open(paths, args, form)?;
            if let Some(target) = &target {
                check_inputs(target, paths)?;
                Journal::check(target, earlier(args))?;
            }
            if !args.no_check {
                check_rows(paths, &input.checked(args), console)?;
            }
            tag_rows(model, args, form, input, target.as_deref(), console, out)
        }
    }
}

/// The form of the output: by the option, else by the name of the file.
fn form(args: &AttributesArgs) -> Result<AttributesForm, UsageError> {
    let output = args.output.as_deref();
    let ending = output.and_then(Path::extension).map(|ending| {
        let ending = ending.to_string_lossy();
        ending.to_ascii_lowercase()
    });
    // Neither compressed files nor Parquet are written.
    if let (Some(output), Some("gz" | "zst" | "parquet")) = (output, ending.as_deref()) {
        return Err(UsageError::AttributesFormat(output.to_owned()));
    }
    match (args.output_format, ending.as_deref()) {
        (Some(form), _) => Ok(form),
        (None, Some("csv")) => Ok(AttributesForm::Csv),
        (None, Some("tsv")) => Ok(AttributesForm::Tsv),
        (None, _) => Ok(AttributesForm::Spans),
    }
}

/// The file of the output; `None` for standard output.
fn target(args: &AttributesArgs) -> Result<Option<PathBuf>, Error> {
    match args.output.as_deref().filter(|path| !is_dash(path)) {
        Some(path) => Ok(Some(check_target(path)?)),
        None if args.resume => Err(UsageError::NeedsFile("--resume").into()),
        None if args.restart => Err(UsageError::NeedsFile("--restart").into()),
        None => Ok(None),
    }
}

/// Refuses an output that would replace an input.
fn check_inputs(target: &Path, input: &[PathBuf]) -> Result<(), Error> {
    let outputs = [target.to_owned(), Journal::path_of(target)];
    let outputs: Vec<PathBuf> = outputs
        .iter()
        .filter_map(|path| path.canonicalize().ok())
        .collect();
    for source in Source::expand(input)? {
        if let Source::File(path) = &source
            && path
                .canonicalize()
                .is_ok_and(|path| outputs.contains(&path))
        {
            return Err(UsageError::OutputIsInput("--input").into());
        }
    }
    Ok(())
}

fn earlier(args: &AttributesArgs) -> Earlier {
    match args {
        AttributesArgs { resume: true, .. } => Earlier::Resume,
        AttributesArgs { restart: true, .. } => Earlier::Restart,
        _ => Earlier::Refuse,
    }
}

/// Loads the tagger that the command line names.
pub(super) fn load(model: &ModelArgs, console: Console) -> Result<Tagger, Error> {
    let name = model.hub.name();
    let tagger = with_head(Tagger::builder(), model, console).load(name)?;
    for note in tagger.notes() {
        console.note(format_args!("note: {note}"));
    }
    console.detail(format_args!(
        "tagger: {name} on {}, {}",
        tagger.device(),
        tagger.precision()
    ));
    Ok(tagger)
}

/// Tags the few texts of a command line.
fn tag_texts(
    model: &ModelArgs,
    args: &AttributesArgs,
    form: AttributesForm,
    target: Option<&Path>,
    console: Console,
    out: &mut dyn Write,
) -> Result<(), Error> {
    if form != AttributesForm::Spans {
        return Err(UsageError::RowsOfTexts.into());
    }
    let tagger = load(model, console)?;
    let mut options = TagOptions::default();
    options.threshold = args.threshold;
    let tagged = tagger.tag(&args.texts, &options)?;
    note_truncated(
        tagged.truncated,
        args.texts.len(),
        "texts",
        tagger.tokenizer(),
        console,
    );
    let lines = Lines::new(form, &[], tagger.labels().labels());
    let rows = Row::from_texts(&args.texts);
    let of_row = |(row, spans): (&Row, &Vec<Span>)| lines.of_row(row, &row.text(), spans);
    let lines: Vec<String> = rows
        .iter()
        .zip(&tagged.spans)
        .map(of_row)
        .collect::<Result<_, _>>()?;
    match target {
        None => write_lines(out, &lines)?,
        Some(path) => {
            let io = VectorError::io(path);
            let mut file = BufWriter::new(AtomicFile::create(path).map_err(io)?);
            write_lines(&mut file, &lines).map_err(io)?;
            finish(file).map_err(io)?;
        }
    }
    Ok(())
}

/// Tags the rows of a file or of standard input.
fn tag_rows(
    model: &ModelArgs,
    args: &AttributesArgs,
    form: AttributesForm,
    mut input: Input,
    target: Option<&Path>,
    console: Console,
    out: &mut dyn Write,
) -> Result<(), Error> {
    let tagger = load(model, console)?;
    let start = Instant::now();
    let lines = Lines::new(form, input.reader.columns(), tagger.labels().labels());
    let Some(target) = target else {
        if let Some(header) = lines.header() {
            write_lines(out, &[header])?;
        }
        let sink = |_: Vec<Row>, lines: Vec<String>| Ok(write_lines(out, &lines)?);
        tag_windows(&mut input, &tagger, args.threshold, &lines, console, sink)?;
        note_skipped(&input.reader, console);
        return Ok(());
    };
    let settings = settings(model, args, form, &input, &tagger);
    let mut journal = Journal::open(target, &settings, true, earlier(args))?;
    let tagged = journal.rows();
    for row in input
        .reader
        .by_ref()
        .take(usize::try_from(tagged).unwrap_or(usize::MAX))
    {
        journal.pass(&row?);
    }
    journal.check_passed()?;
    if args.resume && tagged == 0 {
        console.note(format_args!(
            "note: starting at the first row; {} holds no row",
            Journal::path_of(target).display()
        ));
    } else if args.resume {
        console.note(format_args!("note: {tagged} rows are tagged already"));
    }
    let sink = |rows: Vec<Row>, lines: Vec<String>| Ok(journal.append_lines(&rows, lines)?);
    let texts = tag_windows(&mut input, &tagger, args.threshold, &lines, console, sink)?;
    write_file(target, lines.header(), &mut journal)?;
    let rows = journal.rows();
    journal.remove()?;
    note_skipped(&input.reader, console);
    let seconds = start.elapsed().as_secs_f64();
    console.note(format_args!(
        "tagged {}, {rows} rows, in {seconds:.2} s ({:.1} texts/s) to {}",
        count(texts, "text"),
        texts as f64 / seconds.max(1e-9),
        target.display()
    ));
    Ok(())
}

/// What a run must share with the interrupted one.
fn settings(
    model: &ModelArgs,
    args: &AttributesArgs,
    form: AttributesForm,
    input: &Input,
    tagger: &Tagger,
) -> Settings {
    let category = args.category_column.as_deref().unwrap_or("none");
    Settings {
        provenance: Provenance {
            texts: TextsHash::default().hex(),
            model: model.hub.name().to_owned(),
            model_identity: tagger.identity().to_owned(),
            columns: input.reader.columns().to_vec(),
            route: None,
            precision: tagger.precision().to_string(),
            dimensions: 0,
            max_length: tagger.tokenizer().max_length(),
            prompt: None,
            normalized: false,
            similarity: String::new(),
            output_type: String::new(),
            numbers: None,
        },
        format: format!(
            "{} with the texts of {}, --threshold {} and --category-column {category}",
            form.name(),
            args.read.columns.join(", "),
            args.threshold
        ),
        id_column: args.read.id_column.clone(),
        device: tagger.device().to_string(),
    }
}

/// Tags all rows of the input, and gives each window with its lines to `sink`. Returns the number of texts.
fn tag_windows(
    input: &mut Input,
    tagger: &Tagger,
    threshold: f32,
    lines: &Lines,
    console: Console,
    mut sink: impl FnMut(Vec<Row>, Vec<String>) -> Result<(), Error>,
) -> Result<usize, Error> {
    let places = input.places.clone();
    let mut left_out: BTreeSet<String> = BTreeSet::new();
    let texts_of = |window: &[Row]| window.iter().map(|row| places.text(row)).collect();
    let tagged = compute_windows(
        &mut input.reader,
        (tagger.device(), tagger.tokenizer()),
        console,
        |window| {
            let texts: Vec<String> = texts_of(&window);
            for key in window.iter().flat_map(|row| lines.left_out(row)) {
                if left_out.len() < MOST_KEYS && !left_out.contains(key) {
                    left_out.insert(key.to_owned());
                }
            }
            Ok((window, texts))
        },
        |window, texts, progress| {
            let mut options = TagOptions::default();
            options.categories = window.iter().map(|row| places.category(row)).collect();
            options.threshold = threshold;
            let tagged = tagger.tag_with_progress(texts, &options, progress)?;
            let rows = window.iter().zip(texts).zip(&tagged.spans);
            let of_rows = rows.map(|((row, text), spans)| lines.of_row(row, text, spans));
            let of_rows: Vec<String> = of_rows.collect::<Result<_, _>>()?;
            Ok((of_rows, tagged.truncated))
        },
        |window, lines| sink(window, lines.clone()),
    )?;
    if !left_out.is_empty() {
        let keys = left_out.iter().map(|key| format!("`{}`", quoted(key)));
        console.note(format_args!(
            "note: {} has no column for lists, objects and keys that only later rows have: {}; rows-jsonl keeps them",
            lines.form().name(),
            keys.collect::<Vec<_>>().join(", ")
        ));
    }
    Ok(tagged)
}

fn write_lines(out: &mut (impl Write + ?Sized), lines: &[String]) -> std::io::Result<()> {
    for line in lines {
        out.write_all(line.as_bytes())?;
        out.write_all(b"\n")?;
    }
    Ok(())
}

/// Writes the file, which replaces a file of that name when it is complete.
fn write_file(
    path: &Path,
    header: Option<String>,
    journal: &mut Journal,
) -> Result<(), VectorError> {
    let io = VectorError::io(path);
    let mut file = BufWriter::new(AtomicFile::create(path).map_err(io)?);
    write_lines(&mut file, header.as_slice()).map_err(io)?;
    journal.for_each(&mut |rows, _| {
        let lines = rows.iter().flat_map(|row| row.fields.iter().cloned());
        write_lines(&mut file, &lines.collect::<Vec<_>>()).map_err(io)
    })?;
    finish(file).map_err(io)
}

fn finish(file: BufWriter<AtomicFile>) -> std::io::Result<()> {
    file.into_inner()
        .map_err(std::io::IntoInnerError::into_error)?
        .commit()
}
