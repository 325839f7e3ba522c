//! The model card: the README.md of a tuned model, as the hub shows it.

use std::path::Path;

use super::format::{bytes, counted, duration, thousands};
use super::summary::{RunSummary, difference, fall, score};
use crate::config::Task;
use crate::shell::quoted;

/// The model card of a run: YAML front matter with the fields of sentence-transformers, then Markdown.
/// Escapes all text from the files and settings of the run.
///
/// The front matter has `base_model` only if that is a name on the hub, `owner/name`, and not a folder
/// of that name.
#[must_use]
pub(crate) fn model_card(summary: &RunSummary) -> String {
    let mut card = Card::default();
    front_matter(&mut card, summary);
    introduction(&mut card, summary);
    usage(&mut card, summary);
    scores(&mut card, summary);
    training(&mut card, summary);
    limits(&mut card, summary);
    card.text
}

#[derive(Default)]
struct Card {
    text: String,
}

impl Card {
    fn line(&mut self, line: &str) {
        self.text.push_str(line);
        self.text.push('\n');
    }

    /// A heading or a paragraph, after a blank line.
    fn block(&mut self, text: &str) {
        self.text.push('\n');
        self.line(text);
    }

    /// A code block of a language.
    fn code(&mut self, language: &str, code: &str) {
        let longest = code.split(|letter| letter != '`').map(str::len).max();
        let fence = "`".repeat(longest.map_or(3, |longest| (longest + 1).max(3)));
        self.block(&format!("{fence}{language}\n{code}\n{fence}"));
    }

    /// A table; columns whose names begin with `>` are right-aligned.
    fn table(&mut self, columns: &[&str], rows: impl Iterator<Item = Vec<String>>) {
        let names: Vec<&str> = columns
            .iter()
            .map(|name| name.trim_start_matches('>'))
            .collect();
        let sides = columns
            .iter()
            .map(|name| if name.starts_with('>') { "---:" } else { "---" });
        let sides: Vec<&str> = sides.collect();
        self.block(&format!("| {} |", names.join(" | ")));
        self.line(&format!("| {} |", sides.join(" | ")));
        for row in rows {
            self.line(&format!("| {} |", row.join(" | ")));
        }
    }
}

fn front_matter(card: &mut Card, summary: &RunSummary) {
    card.line("---");
    card.line("tags:");
    let (library, tags, pipeline) = match summary.task {
        Task::Encoder => (
            "sentence-transformers",
            ["sentence-similarity", "feature-extraction"],
            "sentence-similarity",
        ),
        Task::Reranker => (
            "sentence-transformers",
            ["cross-encoder", "reranker"],
            "text-ranking",
        ),
        Task::Tagger => (
            "transformers",
            ["named-entity-recognition", "product-attributes"],
            "token-classification",
        ),
    };
    card.line(&format!("- {library}"));
    for tag in tags {
        card.line(&format!("- {tag}"));
    }
    if is_hub_name(&summary.base_model) {
        card.line(&format!("base_model: {}", summary.base_model));
    }
    card.line(&format!("pipeline_tag: {pipeline}"));
    card.line(&format!("library_name: {library}"));
    card.line("---");
}

/// Whether a model is `owner/name` on the hub. Such a name needs no quotes in YAML.
fn is_hub_name(model: &str) -> bool {
    let is_part = |part: &str| {
        part.starts_with(|first: char| first.is_ascii_alphanumeric())
            && part
                .chars()
                .all(|letter| letter.is_ascii_alphanumeric() || "-_.".contains(letter))
    };
    model
        .split_once('/')
        .is_some_and(|(owner, name)| is_part(owner) && is_part(name))
        && !Path::new(model).is_dir()
}

fn introduction(card: &mut Card, summary: &RunSummary) {
    let base = text(&summary.base_model);
    let base_link = if is_hub_name(&summary.base_model) {
        format!("[{base}](https://huggingface.co/{})", summary.base_model)
    } else {
        base.clone()
    };
    if summary.task == Task::Tagger {
        card.block(&format!("# Tagger fine-tuned from {base}"));
        card.block(&format!(
            "A model of [transformers](https://huggingface.co/docs/transformers) for token classification, fine-tuned from \
             {base_link}. It finds attributes in the texts of products, such as the brand and the colour."
        ));
        return;
    }
    if summary.task == Task::Reranker {
        card.block(&format!("# Reranker fine-tuned from {base}"));
        card.block(&format!(
            "A cross-encoder of [sentence-transformers](https://www.sbert.net), fine-tuned from {base_link}. It reads a \
             query and a text together and gives the pair a score. Use it to order what a search finds."
        ));
        return;
    }
    card.block(&format!("# Sentence embeddings fine-tuned from {base}"));
    card.block(&format!(
        "A [sentence-transformers](https://www.sbert.net) model, fine-tuned from {base_link}. It \
         encodes sentences and short paragraphs as vectors; texts of similar meaning have a high \
         cosine similarity. Use it for semantic search, recommendation and clustering."
    ));
}

fn usage(card: &mut Card, summary: &RunSummary) {
    // Only the name of the folder: the card is public.
    let folder = summary.output.file_name().map_or_else(
        || summary.output.display().to_string(),
        |name| name.to_string_lossy().into_owned(),
    );
    card.block("## Usage");
    if summary.task == Task::Tagger {
        card.block("In Python, after `pip install transformers`:");
        card.code(
            "python",
            &format!(
                "from transformers import pipeline\n\n\
                 tagger = pipeline(\"token-classification\", model={}, aggregation_strategy=\"simple\")\n\
                 print(tagger(\"acme steel water bottle, 1 l, dark blue\"))",
                python_string(&folder)
            ),
        );
        card.block("From the command line, over the column `title` of a file:");
        card.code(
            "console",
            &format!(
                "$ infer attributes --model {} --input products.csv --column title",
                quoted(&folder)
            ),
        );
        return;
    }
    card.block("In Python, after `pip install sentence-transformers`:");
    if summary.task == Task::Reranker {
        card.code(
            "python",
            &format!(
                "from sentence_transformers import CrossEncoder\n\n\
                 model = CrossEncoder({})\n\
                 print(model.predict([(\"high end water bottle\", \"insulated steel bottle, 1 l\")]))",
                python_string(&folder)
            ),
        );
        card.block("From the command line, after a search over the column `title` of a file:");
        card.code(
            "console",
            &format!(
                "$ infer search \"high end water bottle\" --corpus products.csv --column title --rerank {}",
                quoted(&folder)
            ),
        );
        return;
    }
    card.code(
        "python",
        &format!(
            "from sentence_transformers import SentenceTransformer\n\n\
             model = SentenceTransformer({})\n\
             embeddings = model.encode([\"high end water bottle\", \"smart home speaker\"])\n\
             print(model.similarity(embeddings, embeddings))",
            python_string(&folder)
        ),
    );
    card.block("From the command line, over the column `title` of a file:");
    card.code(
        "console",
        &format!(
            "$ infer --model {} search \"high end water bottle\" --corpus products.csv \
             --column title",
            quoted(&folder)
        ),
    );
}

fn scores(card: &mut Card, summary: &RunSummary) {
    card.block("## Scores");
    let changes = summary.score_changes();
    if changes.is_empty() {
        card.block("No scores: the run had no validation rows, so the gain is unknown.");
        return;
    }
    card.block("Scores of the base model (before) and of this model (after); higher is better:");
    card.table(
        &["score", ">before", ">after", ">difference"],
        changes.iter().map(|change| {
            let difference = difference(change);
            vec![
                text(change.name),
                score(change.before),
                score(change.after),
                match (change.is_worse(), difference.as_str()) {
                    (true, "") => "**worse**".to_owned(),
                    (true, _) => format!("**{difference} worse**"),
                    (false, _) => difference,
                },
            ]
        }),
    );
    for change in &changes {
        if let Some(fall) = fall(change) {
            card.block(&format!("**{} {fall}**", text(change.name)));
        }
    }
}

fn training(card: &mut Card, summary: &RunSummary) {
    card.block("## Training");
    if !summary.data.is_empty() {
        card.table(
            &["data", "use", ">rows", ">skipped"],
            summary.data.iter().map(|file| {
                // The card is public: hide the folders of this machine.
                let name = file.path.file_name().unwrap_or(file.path.as_os_str());
                vec![
                    text(&name.to_string_lossy()),
                    file.role.name().to_owned(),
                    thousands(file.rows),
                    thousands(file.skipped),
                ]
            }),
        );
    }
    let mut how = format!(
        "Loss: {}. {} in {} on {}",
        text(&summary.loss),
        counted(summary.steps as u64, "step"),
        duration(summary.seconds),
        text(&summary.device)
    );
    if let Some(memory) = summary.peak_memory_bytes {
        how.push_str(&format!(", with a peak memory of {}", bytes(memory)));
    }
    card.block(&format!("{how}. {}", sentence(&text(&summary.ending()))));
    if !summary.settings.is_empty() {
        let settings = summary.settings.iter();
        card.table(
            &["setting", "value"],
            settings.map(|(name, value)| vec![text(name), text(value)]),
        );
    }
    card.block(&format!(
        "Trained with `train` {} of mpnet-burn{}",
        text(&summary.program_version),
        if summary.command.is_empty() { "." } else { ":" }
    ));
    if !summary.command.is_empty() {
        card.code("console", &format!("$ {}", summary.command));
    }
}

fn limits(card: &mut Card, summary: &RunSummary) {
    card.block("## Limits");
    card.text.push('\n');
    card.line(
        "- The scores hold for the validation data. Other data, languages and uses may be worse \
         than with the base model: evaluate on your own data first.",
    );
    card.line("- The model inherits errors and biases of the training data and of the base model.");
    let longest = thousands(summary.max_length as u64);
    if summary.task == Task::Tagger {
        card.line(&format!(
            "- The model reads the first {longest} tokens of a text: attributes behind them are not found."
        ));
        card.line(
            "- Python's pipeline takes the best tag of each token by itself; `infer attributes` takes the best legal sequence \
             of tags, so that spans may differ where the model is not sure.",
        );
    } else if summary.task == Task::Reranker {
        card.line(&format!(
            "- A pair that is longer than {longest} tokens loses tokens of its longer text."
        ));
    } else {
        card.line(
            "- Vectors of this model and of the base model cannot be compared: embed all texts again.",
        );
        card.line(&format!(
            "- The model truncates texts to the first {longest} tokens."
        ));
    }
    card.line("- The licences of the base model and of the training data apply.");
    for warning in &summary.warnings {
        card.line(&format!("- {}", sentence(&text(warning))));
    }
}

/// Adds a missing full stop.
fn sentence(text: &str) -> String {
    if text.ends_with(['.', '!', '?']) {
        text.to_owned()
    } else {
        format!("{text}.")
    }
}

/// Escapes text for paragraphs and table cells, in one line. Uses character references, because
/// backslashes may not work in tables.
fn text(text: &str) -> String {
    let letters: Vec<char> = text.trim().chars().collect();
    let mut escaped = String::with_capacity(text.len());
    for (place, letter) in letters.iter().copied().enumerate() {
        let in_word = |place: Option<usize>| {
            place
                .and_then(|place| letters.get(place))
                .is_some_and(|letter| letter.is_alphanumeric())
        };
        let means_something = match letter {
            '\\' | '`' | '*' | '[' | ']' | '<' | '>' | '&' | '|' | '~' | '$' | '#' | '!' => true,
            // Within a word it has no meaning.
            '_' => !(in_word(place.checked_sub(1)) && in_word(Some(place + 1))),
            // List markers.
            '-' | '+' | '=' => place == 0,
            '.' | ')' => {
                let ends_word = letters
                    .get(place + 1)
                    .is_none_or(|next| next.is_whitespace());
                place > 0 && ends_word && letters[..place].iter().all(char::is_ascii_digit)
            }
            _ => false,
        };
        if means_something {
            escaped.push_str(&format!("&#{};", u32::from(letter)));
        } else if letter.is_control() || letter.is_whitespace() {
            escaped.push(' ');
        } else {
            escaped.push(letter);
        }
    }
    escaped
}

/// A Python string literal.
fn python_string(text: &str) -> String {
    let mut literal = String::from("\"");
    for letter in text.chars() {
        match letter {
            '"' | '\\' => literal.extend(['\\', letter]),
            letter if letter.is_control() => {
                literal.push_str(&format!("\\u{:04x}", u32::from(letter)));
            }
            letter => literal.push(letter),
        }
    }
    literal.push('"');
    literal
}

#[cfg(test)]
mod tests;
