//! The guides or teachers of a run: they embed all texts before the first step.
//!
//! Their vectors are in the folder of checkpoints until the run is over, so that a resumed run does not compute them
//! again. Blocks of texts are appended to a file with another name, which is renamed when it is complete.

use std::fs::{self, File, OpenOptions};
use std::io::{Seek, SeekFrom, Write};
use std::iter::repeat;
use std::ops::{ControlFlow, Range};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use model::{Checkpoint, ModelError, Prompt, SentenceEncoder, SentenceEncoderBuilder};
use program::{Unit, atomic_file};

use super::RunContext;
use super::rows::Rows;
use crate::config::FitConfig;
use crate::data::{Axes, RowKind, TextTable, TextVectors};
use crate::download::hub_options;
use crate::error::TrainError;
use crate::losses::Loss;
use crate::settings::Settings;
use crate::train::checkpoint::CheckpointFolder;

/// Texts between two writes: 25 MB of vectors of 768 numbers.
const BLOCK: usize = 8192;

/// The models of `--guide`, with the share of each in the mean of their cosines.
pub(super) struct Guides(Vec<(SentenceEncoder, f64)>);

impl Guides {
    /// Opens the models; `None` if there are none.
    ///
    /// # Errors
    ///
    /// One cannot be found or loaded, or their vectors do not fit those of the model.
    pub(super) fn load(
        settings: &Settings,
        checkpoint: &Checkpoint,
        context: &RunContext,
    ) -> Result<Option<Self>, TrainError> {
        if settings.guide.is_empty() {
            return Ok(None);
        }
        let weights = &settings.guide_weights;
        let sum = weights.iter().sum::<f64>();
        let shares = weights.iter().map(|weight| weight / sum);
        let equal = repeat(1.0 / settings.guide.len() as f64);
        let mut guides = Vec::with_capacity(settings.guide.len());
        let mut tables = 0;
        for (name, share) in settings.guide.iter().zip(shares.chain(equal)) {
            let guide = match open(name, &settings.config, context) {
                // A precision is for the networks among several models.
                Err(TrainError::Model(ModelError::StaticPrecision { .. }))
                    if tables + 1 < settings.guide.len() =>
                {
                    tables += 1;
                    let mut config = settings.config.clone();
                    config.guide_precision = None;
                    open(name, &config, context)?
                }
                opened => opened?,
            };
            if settings.objective.loss == Loss::EmbedDistill {
                check_whole("teacher", name, guide.width(), guide.full_width())?;
            }
            guides.push((guide, share));
        }
        let guides = Self(guides);
        if settings.objective.loss == Loss::EmbedDistill {
            let width = checkpoint.width();
            let kept = checkpoint.truncate_dim.unwrap_or(width);
            check_whole("student", &settings.model, kept, width)?;
            if guides.width() < width {
                return Err(TrainError::Usage(format!(
                    "the vectors of {} have {} numbers and those of the model {width}: embed-distill compares them; give a \
                     guide or teacher with more, or several of them",
                    settings.guide.join(" and "),
                    guides.width(),
                )));
            }
        }
        Ok(Some(guides))
    }

    /// Numbers of the vectors of all of them, side by side.
    fn width(&self) -> usize {
        self.0.iter().map(|(guide, _)| guide.width()).sum()
    }

    /// Whether their vectors are projected on axes for a model whose vectors have `width` numbers.
    fn project(&self, settings: &Settings, width: usize) -> bool {
        settings.objective.loss == Loss::EmbedDistill && self.width() > width
    }

    /// Refuses training texts of which there are fewer than axes.
    pub(super) fn check_count(
        &self,
        rows: &Rows,
        settings: &Settings,
        width: usize,
    ) -> Result<(), TrainError> {
        let texts = rows.train.distinct_texts(true).texts.len();
        if texts >= width || !self.project(settings, width) {
            return Ok(());
        }
        Err(TrainError::Usage(format!(
            "{texts} texts cannot tell the {width} directions of the model's vectors apart: give at least {width}, or \
             one guide or teacher whose vectors are as wide as the model's"
        )))
    }

    /// What tells the models from others: hashes of their files.
    pub(super) fn identity(&self) -> Result<String, TrainError> {
        let all = self.0.iter().map(|(guide, _)| guide.identity());
        let all: Result<Vec<String>, _> = all.collect();
        Ok(all?.join(" "))
    }

    /// The vectors of all models for the texts of a table. Those of several are side by side, each with the root of its
    /// share as its norm: a cosine of two such vectors is the weighted mean of the models' cosines.
    fn embed(
        &self,
        table: &TextTable,
        folder: Option<&CheckpointFolder>,
        context: &RunContext,
    ) -> Result<TextVectors, TrainError> {
        let mut all = Vec::with_capacity(self.0.len());
        for (place, (guide, share)) in self.0.iter().enumerate() {
            let vectors = embed(table, guide, place, folder, context)?;
            all.push((vectors, share.sqrt() as f32));
        }
        Ok(TextVectors::side_by_side(all))
    }
}

/// Refuses a model that keeps a part of its vectors: embed-distill compares whole ones.
fn check_whole(role: &str, name: &str, kept: usize, width: usize) -> Result<(), TrainError> {
    if kept >= width {
        return Ok(());
    }
    Err(TrainError::Usage(format!(
        "the {role} {name} keeps {kept} of {width} numbers of its vectors: remove `truncate_dim` from its \
         config_sentence_transformers.json, and cut the vectors of the new model instead"
    )))
}

/// Opens a guide or a teacher.
pub(super) fn open(
    name: &str,
    config: &FitConfig,
    context: &RunContext,
) -> Result<SentenceEncoder, TrainError> {
    let guide = builder(config, context).load(name)?;
    for note in guide.notes() {
        context.notes.note(format_args!("note: {note}"));
    }
    Ok(guide)
}

/// The settings with which a guide or a teacher is loaded.
pub(super) fn builder(config: &FitConfig, context: &RunContext) -> SentenceEncoderBuilder {
    // The revision is that of the model.
    let hub = hub_options(None, config.offline, context.notes, context.stop.clone());
    let device = config.device.first().copied().unwrap_or_default();
    let builder = SentenceEncoder::builder().device(device).hub(hub);
    match config.guide_precision {
        Some(precision) => builder.precision(precision),
        None => builder,
    }
}

/// Adds the guides' vectors to the tables of a run. For embed-distill, vectors wider than the model's, of `width` numbers,
/// are projected on the principal axes of the training texts.
pub(super) fn embed_all(
    rows: &Rows,
    guides: &Guides,
    settings: &Settings,
    width: usize,
    folder: Option<&CheckpointFolder>,
    context: &RunContext,
) -> Result<(), TrainError> {
    let projects = guides.project(settings, width);
    let mut axes = None;
    for table in rows.for_guide(settings) {
        let mut vectors = guides.embed(table, folder, context)?;
        if projects {
            let axes = match &axes {
                Some(axes) => Arc::clone(axes),
                None => {
                    context.notes.note(format_args!(
                        "the {width} principal axes of vectors of {} numbers",
                        guides.width()
                    ));
                    let found = self::axes(&vectors, width, table.text_columns(), context)?;
                    // A student that begins with the vectors of the first guide has the least to learn.
                    let found = match &guides.0[..] {
                        [(first, _), _, ..] if first.width() == width => found.turned(),
                        _ => found,
                    };
                    Arc::clone(axes.insert(Arc::new(found)))
                }
            };
            vectors.project(axes);
        }
        table.set_vectors(vectors);
    }
    Ok(())
}

/// The first principal axes of vectors.
///
/// # Errors
///
/// The vectors cannot be read, or have fewer directions than `count`.
pub(super) fn axes(
    vectors: &TextVectors,
    count: usize,
    columns: usize,
    context: &RunContext,
) -> Result<Axes, TrainError> {
    let axes = vectors.axes(count, columns)?;
    let (found, texts) = (axes.count(), vectors.count());
    if found < count {
        return Err(TrainError::Usage(format!(
            "the teacher's vectors of these {texts} texts have {found} directions, and the student's vectors {count}: \
             give more texts, or fewer --dimensions to a static student"
        )));
    }
    if texts < count {
        context.notes.warning(format_args!(
            "{texts} texts are too few to tell {count} directions apart: give more"
        ));
    }
    Ok(axes)
}

/// Goes on unless a stop was asked.
pub(super) fn go_on(context: &RunContext) -> ControlFlow<()> {
    match context.stop.is_asked() {
        true => ControlFlow::Break(()),
        false => ControlFlow::Continue(()),
    }
}

/// The vectors of a table by the guide at a place among several. Anchors have the prompt for queries, other texts that for
/// documents. Without a folder of checkpoints the vectors are in a temporary file.
pub(super) fn embed(
    table: &TextTable,
    guide: &SentenceEncoder,
    place: usize,
    folder: Option<&CheckpointFolder>,
    context: &RunContext,
) -> Result<TextVectors, TrainError> {
    // Texts without pairs are neither queries nor documents.
    let prompts = match table.kind() {
        RowKind::Texts => [Prompt::Default, Prompt::Default],
        _ => [Prompt::Query, Prompt::Document],
    };
    let [query, document] = prompts.each_ref().map(|prompt| guide.prompt_text(prompt));
    let distinct = table.distinct_texts(guide.has_router() || query? != document?);
    let count = distinct.texts.len();
    let (mut file, path, done) = match folder {
        None => {
            let path = std::env::temp_dir();
            let file = tempfile::tempfile().map_err(TrainError::io(&path))?;
            (file, path, 0)
        }
        Some(folder) => {
            let model = format!("{}-{}", guide.identity()?, guide.precision());
            let path = folder.vectors(&model, place, table.fingerprint().hash);
            let row = guide.width() * size_of::<f32>();
            let (file, done) = file(&path, row, count).map_err(TrainError::io(&path))?;
            (file, path, done)
        }
    };
    if done < count {
        context
            .notes
            .note(format_args!("the guide embeds {} texts", count - done));
    }
    let bar = context.notes.progress_bar(Some(count as u64), Unit::Texts);
    bar.set_message("guide");
    for start in (done..count).step_by(BLOCK) {
        let end = count.min(start + BLOCK);
        let parts: [Range<usize>; 2] = [
            start..end.min(distinct.anchors).max(start),
            start.max(distinct.anchors).min(end)..end,
        ];
        for (part, prompt) in parts.into_iter().zip(&prompts) {
            let before = part.start;
            let vectors = guide.encode_with_progress(&distinct.texts[part], prompt, |progress| {
                bar.set_position((before + progress.done) as u64);
                go_on(context)
            });
            context.stop.check()?;
            let vectors = vectors?.into_values();
            let bytes: Vec<u8> = vectors.into_iter().flat_map(f32::to_le_bytes).collect();
            file.write_all(&bytes).map_err(TrainError::io(&path))?;
        }
        // A block that counts when the run resumes must be on the disk.
        file.sync_data().map_err(TrainError::io(&path))?;
    }
    bar.finish_and_clear();
    if folder.is_some() && done < count {
        fs::rename(unfinished(&path), &path)
            .and_then(|()| atomic_file::sync_folder_of(&path))
            .map_err(TrainError::io(&path))?;
    }
    Ok(TextVectors::new(file, path, guide.width(), distinct.places))
}

/// The file of vectors, of `row` bytes each, and how many of `count` it has. A file that is not complete has whole
/// blocks, and what follows is written at its end.
fn file(path: &Path, row: usize, count: usize) -> std::io::Result<(File, usize)> {
    if let Ok(file) = File::open(path)
        && file.metadata()?.len() == (count * row) as u64
    {
        return Ok((file, count));
    }
    let mut options = OpenOptions::new();
    let options = options.read(true).write(true).create(true).truncate(false);
    let mut file = options.open(unfinished(path))?;
    let blocks = file.metadata()?.len() / (BLOCK * row) as u64;
    // At least one block is left, and with it the file gets its name.
    let done = (blocks as usize * BLOCK).min(count.saturating_sub(1) / BLOCK * BLOCK);
    file.set_len((done * row) as u64)?;
    file.seek(SeekFrom::End(0))?;
    Ok((file, done))
}

fn unfinished(path: &Path) -> PathBuf {
    path.with_extension("part")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whole_blocks_of_an_unfinished_file_count() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("vectors.f32");
        let (row, count) = (4, 2 * BLOCK + 5);
        let begun = |blocks: usize, more: usize| {
            fs::write(unfinished(&path), vec![7; blocks * BLOCK * row + more]).unwrap();
            let (mut file, done) = file(&path, row, count).unwrap();
            // The file goes on after the last whole block.
            assert_eq!(file.stream_position().unwrap(), (done * row) as u64);
            done
        };
        assert_eq!(begun(0, 3), 0);
        assert_eq!(begun(1, 0), BLOCK);
        assert_eq!(begun(1, 9), BLOCK);
        assert_eq!(begun(3, 0), 2 * BLOCK);
        fs::write(&path, vec![7; count * row]).unwrap();
        assert_eq!(file(&path, row, count).unwrap().1, count);
        // A damaged file is none.
        fs::write(&path, [7; 9]).unwrap();
        assert_eq!(begun(0, 0), 0);
    }
}
