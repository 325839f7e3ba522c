//! `index build` and `index add`: the rows of files into an index.

use std::cell::RefCell;
use std::collections::HashSet;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use model::{Embeddings, Prompt, SentenceEncoder};
use program::Console;
use program::text::count;
use records::RowReader;
use search::Fusion;
use search::filter::{ColumnKind, FilterColumn};
use search::index::{Change, Document, IndexError, IndexWriter, Settings, TextColumn, joined};

use super::documents::Documents;
use crate::attributes::Attributes;
use crate::check::check_rows;
use crate::cli::{AddArgs, BuildArgs, ModelArgs, ReadArgs, VectorArgs};
use crate::commands::load;
use crate::error::{Error, UsageError};
use crate::index_model::load_model_of;
use crate::input::{only_files, open_texts};
use crate::stream::{embed_windows, note_skipped};

/// A run that is killed loses what it embedded since the last commit.
pub(super) const COMMIT_TIME: Duration = Duration::from_secs(60);

/// The name of the text of a file that names no columns.
const TEXT: &str = "text";

pub(super) fn build(model: &ModelArgs, args: &BuildArgs, console: Console) -> Result<(), Error> {
    let read = ReadArgs {
        columns: with_filter_columns(args)?,
        ..args.read.clone()
    };
    let Some(id_column) = read.id_column.clone() else {
        return Err(UsageError::IndexWithoutIds.into());
    };
    let reader = open_texts(&args.corpus, &read)?;
    let text_columns = text_columns(args, &reader)?;
    let attributes = read_attributes(args.attributes.as_deref())?;
    let earlier = match IndexWriter::open(&args.output) {
        Ok(writer) => Some(writer),
        Err(IndexError::NoIndex { .. }) => None,
        Err(error) => return Err(error.into()),
    };
    let vectors = VectorArgs {
        no_normalize: false,
        dimensions: args.dimensions,
        prompts: args.prompts.clone(),
        corpus_prompt: args.corpus_prompts.chosen(),
    };
    // What the model does not decide is checked before it is loaded.
    let mut settings = Settings {
        id_column,
        text_columns,
        filter_columns: args.filter_columns.clone(),
        language: args.language,
        fusion: args
            .weight
            .map_or_else(Fusion::default, |weight| Fusion::WeightedSum { weight }),
        ..Settings::default()
    };
    if let Some(attributes) = &attributes {
        let known = earlier
            .as_ref()
            .map(|writer| writer.settings().attribute_columns.as_slice());
        let known = known.unwrap_or_default();
        add_attribute_columns(&mut settings, attributes, known, console);
    }
    check_documents(&args.corpus, &read, &settings, attributes.as_ref(), console)?;
    let encoder = load(model, vectors, console)?;
    settings.model = encoder.fingerprint(model.hub.name())?;
    settings.width = encoder.width();
    settings.similarity = encoder.similarity();
    let mut writer = match earlier {
        Some(mut writer) if writer.settings().holds_like(&settings) => {
            if args.weight.is_some() {
                writer.set_fusion(settings.fusion)?;
            }
            writer
        }
        Some(writer) => {
            writer.settings().model.check(&settings.model)?;
            return Err(UsageError::OtherIndex(args.output.clone()).into());
        }
        None => IndexWriter::create(&args.output, settings)?,
    };
    let skip_bad = read.skip_bad_rows;
    let documents = Documents::new(writer.settings(), &reader, skip_bad, attributes.as_ref());
    write_rows(
        &mut writer,
        reader,
        documents,
        &encoder,
        &args.output,
        console,
    )
}

pub(super) fn add(args: AddArgs, console: Console) -> Result<(), Error> {
    let mut writer = IndexWriter::open(&args.index)?;
    let settings = writer.settings().clone();
    if !args.read.columns.is_empty() {
        return Err(UsageError::ColumnsOfIndex.into());
    }
    let read = ReadArgs {
        columns: columns(&settings),
        id_column: Some(
            args.read
                .id_column
                .clone()
                .unwrap_or_else(|| settings.id_column.clone()),
        ),
        ..args.read
    };
    let reader = open_texts(&args.corpus, &read)?;
    let attributes = read_attributes(args.attributes.as_deref())?;
    check_attributes(&settings, attributes.as_ref(), &args.index, console)?;
    check_documents(&args.corpus, &read, &settings, attributes.as_ref(), console)?;
    let encoder = load_model_of(&settings, &args.model, console)?;
    let skip_bad = read.skip_bad_rows;
    let documents = Documents::new(&settings, &reader, skip_bad, attributes.as_ref());
    write_rows(
        &mut writer,
        reader,
        documents,
        &encoder,
        &args.index,
        console,
    )
}

/// The attributes of rows with ids.
fn read_attributes(path: Option<&Path>) -> Result<Option<Attributes>, Error> {
    let Some(path) = path else {
        return Ok(None);
    };
    let attributes = Attributes::read(path)?;
    attributes.require_ids()?;
    Ok(Some(attributes))
}

/// A filter column of texts for each label that no column of the corpus has the name of. `known` are those of an index that
/// exists already: a file of some more rows need not have the same labels.
fn add_attribute_columns(
    settings: &mut Settings,
    attributes: &Attributes,
    known: &[String],
    console: Console,
) {
    let of_corpus =
        |label: &&String| FilterColumn::position(&settings.filter_columns, label).is_some();
    let (taken, free): (Vec<&String>, Vec<&String>) =
        attributes.labels().iter().partition(of_corpus);
    for label in taken {
        console.note(format_args!(
            "note: {}: `{label}` does not count, because --filter-column reads it from the corpus",
            attributes.path().display()
        ));
    }
    let columns: Vec<String> = if known.is_empty() {
        free.into_iter().cloned().collect()
    } else {
        note_other_labels(attributes, free, known, console);
        let known = known.iter().filter(|label| !of_corpus(label));
        known.cloned().collect()
    };
    let added = columns.iter().map(|name| FilterColumn {
        name: name.clone(),
        kind: ColumnKind::Text,
    });
    settings.filter_columns.extend(added);
    settings.attribute_columns = columns;
}

/// Fails where an index has columns of attributes and there is no file of them, or the other way round: rows that are
/// added again would lose theirs.
fn check_attributes(
    settings: &Settings,
    attributes: Option<&Attributes>,
    index: &Path,
    console: Console,
) -> Result<(), UsageError> {
    let columns = &settings.attribute_columns;
    match attributes {
        None if columns.is_empty() => Ok(()),
        None => Err(UsageError::NoAttributes {
            index: index.to_owned(),
            columns: columns.join(", "),
        }),
        Some(_) if columns.is_empty() => Err(UsageError::IndexWithoutAttributes(index.to_owned())),
        Some(attributes) => {
            note_other_labels(attributes, attributes.labels(), columns, console);
            Ok(())
        }
    }
}

/// Says which of some labels are no columns of attributes of an index.
fn note_other_labels<'a>(
    attributes: &Attributes,
    labels: impl IntoIterator<Item = &'a String>,
    columns: &[String],
    console: Console,
) {
    let others = labels.into_iter().filter(|label| !columns.contains(label));
    for label in others {
        console.note(format_args!(
            "note: {}: `{label}` does not count, because the index has no such column of attributes",
            attributes.path().display()
        ));
    }
}

/// The columns to read: those of the text, then those of filters.
fn with_filter_columns(args: &BuildArgs) -> Result<Vec<String>, UsageError> {
    let texts = &args.read.columns;
    if texts.is_empty() && !args.filter_columns.is_empty() {
        return Err(UsageError::FilterWithoutColumn);
    }
    let filters = args.filter_columns.iter().map(|column| &column.name);
    Ok(texts.iter().chain(filters).cloned().collect())
}

fn columns(settings: &Settings) -> Vec<String> {
    let texts = settings.text_columns.iter().map(|column| &column.name);
    let filters = settings.filter_columns.iter().map(|column| &column.name);
    let of_corpus = filters.filter(|name| !settings.attribute_columns.contains(name));
    texts.chain(of_corpus).cloned().collect()
}

/// The text columns and the weights of their words.
fn text_columns(args: &BuildArgs, reader: &RowReader) -> Result<Vec<TextColumn>, UsageError> {
    let named = match (args.read.columns.as_slice(), reader.columns()) {
        // Plain text names no columns.
        ([], []) => &[TEXT.to_owned()][..],
        ([], found) => found,
        (named, _) => named,
    };
    if let Some((name, _)) = args
        .column_weights
        .iter()
        .find(|(name, _)| !named.contains(name))
    {
        return Err(UsageError::NoTextColumn(name.clone()));
    }
    let weight = |name: &String| {
        let given = args.column_weights.iter().find(|(of, _)| of == name);
        given.map_or(1.0, |(_, weight)| *weight)
    };
    Ok(named
        .iter()
        .map(|name| TextColumn {
            name: name.clone(),
            weight: weight(name),
        })
        .collect())
}

/// A bad row or value is found before the model is loaded, not in the last hour of a run.
fn check_documents(
    corpus: &[PathBuf],
    read: &ReadArgs,
    settings: &Settings,
    attributes: Option<&Attributes>,
    console: Console,
) -> Result<(), Error> {
    check_rows(corpus, read, console)?;
    if read.skip_bad_rows || settings.filter_columns.is_empty() || !only_files(corpus) {
        return Ok(());
    }
    let reader = open_texts(corpus, read)?;
    let mut documents = Documents::new(settings, &reader, false, attributes);
    for row in reader {
        documents.next(row?)?;
    }
    Ok(documents.check_attributes()?)
}

/// Embeds the rows that are new or changed, and commits about once a minute.
fn write_rows(
    writer: &mut IndexWriter,
    mut reader: RowReader,
    mut documents: Documents<'_>,
    encoder: &SentenceEncoder,
    index: &Path,
    console: Console,
) -> Result<(), Error> {
    let start = Instant::now();
    let (mut unchanged, mut written) = (0, 0);
    let mut committed = Instant::now();
    let writer = RefCell::new(writer);
    let embedded = embed_windows(
        &mut reader,
        &Prompt::Document,
        encoder,
        console,
        |rows| {
            let mut changed: Vec<(Document, Change)> = Vec::with_capacity(rows.len());
            let mut texts = Vec::new();
            let mut ids = HashSet::new();
            for row in rows {
                let Some(document) = documents.next(row)? else {
                    continue;
                };
                // The vector of a row that this window replaces is not that of the index.
                let change = if ids.insert(document.id.clone()) {
                    writer.borrow_mut().needed(&document)?
                } else {
                    Change::New
                };
                match change {
                    Change::Unchanged => {
                        unchanged += 1;
                        continue;
                    }
                    Change::SameTexts => {}
                    Change::New => texts.push(joined(&document.texts)),
                }
                changed.push((document, change));
            }
            Ok((changed, texts))
        },
        |changed, vectors: &Embeddings| {
            let mut writer = writer.borrow_mut();
            let mut vectors = vectors.rows();
            written += changed.len();
            for (document, change) in changed {
                let vector = match change {
                    Change::New => vectors.next(),
                    _ => None,
                };
                writer.add(&document, vector)?;
            }
            if committed.elapsed() > COMMIT_TIME {
                writer.commit()?;
                committed = Instant::now();
            }
            Ok(())
        },
    );
    // The rows before a bad one are good, and a later run need not embed them again.
    let writer = writer.into_inner();
    let committed = writer.commit();
    let embedded = embedded?;
    let rows = committed?.rows;
    note_skipped(&reader, console);
    documents.note(console);
    if unchanged > 0 {
        console.note(format_args!(
            "note: {} in the index already",
            count(unchanged, "row")
        ));
    }
    let seconds = start.elapsed().as_secs_f64();
    console.note(format_args!(
        "wrote {}, embedded {} in {seconds:.2} s ({:.1} texts/s); {} holds {}",
        count(written, "row"),
        count(embedded, "text"),
        embedded as f64 / seconds.max(1e-9),
        index.display(),
        super::rows(rows),
    ));
    Ok(())
}
