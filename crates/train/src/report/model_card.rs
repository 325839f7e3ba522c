//! The model card: the README.md of a tuned model, as the hub shows it.

use std::path::Path;

use super::format::{bytes, counted, duration, thousands};
use super::summary::{RunSummary, difference, score};
use crate::shell::quoted;

/// The model card of a run: YAML front matter with the fields of sentence-transformers, then Markdown.
/// Escapes all text from the files and settings of the run.
///
/// The front matter has `base_model` only if that is a name on the hub, `owner/name`, and not a folder
/// of that name.
#[must_use]
pub fn model_card(summary: &RunSummary) -> String {
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
    for tag in [
        "sentence-transformers",
        "sentence-similarity",
        "feature-extraction",
    ] {
        card.line(&format!("- {tag}"));
    }
    if is_hub_name(&summary.base_model) {
        card.line(&format!("base_model: {}", summary.base_model));
    }
    card.line("pipeline_tag: sentence-similarity");
    card.line("library_name: sentence-transformers");
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
    card.block("In Python, after `pip install sentence-transformers`:");
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
            let difference = difference(change.difference());
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
        if let Some(fall) = change.fall() {
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
    card.line(
        "- Vectors of this model and of the base model cannot be compared: embed all texts again.",
    );
    card.line(&format!(
        "- The model truncates texts to the first {} tokens.",
        thousands(summary.max_length as u64)
    ));
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
mod tests {
    use proptest::prelude::*;

    use super::super::summary::tests::{edge_case, plain};
    use super::*;

    /// The fields of the front matter, and the rest of the card.
    fn parts(card: &str) -> (Vec<(String, Vec<String>)>, String) {
        let mut lines = card.lines();
        assert_eq!(lines.next(), Some("---"));
        let mut fields: Vec<(String, Vec<String>)> = Vec::new();
        for line in lines.by_ref().take_while(|line| *line != "---") {
            if let Some(item) = line.strip_prefix("- ") {
                fields.last_mut().unwrap().1.push(item.to_owned());
                continue;
            }
            let (name, value) = line.split_once(':').unwrap();
            let value = value.trim_start();
            let values = if value.is_empty() {
                vec![]
            } else {
                vec![value.to_owned()]
            };
            fields.push((name.to_owned(), values));
        }
        (fields, lines.collect::<Vec<_>>().join("\n"))
    }

    /// The lines of Markdown outside of fences, which must all be closed.
    fn outside(markdown: &str) -> Vec<&str> {
        let mut fence: Option<&str> = None;
        let mut lines = Vec::new();
        for line in markdown.lines() {
            let ticks = &line[..line.len() - line.trim_start_matches('`').len()];
            match fence {
                Some(open) if line == open => fence = None,
                Some(_) => {}
                None if ticks.len() >= 3 => fence = Some(ticks),
                None => lines.push(line),
            }
        }
        assert_eq!(fence, None, "a fence is open in {markdown}");
        lines
    }

    /// The rows of each table, which must be of as many cells as its head.
    fn tables(markdown: &str) -> Vec<usize> {
        let mut rows = Vec::new();
        let mut cells = None;
        for line in outside(markdown) {
            if !line.starts_with('|') {
                cells = None;
                continue;
            }
            let found = line.matches('|').count();
            match cells {
                None => rows.push(0),
                Some(cells) => {
                    assert_eq!(found, cells, "{line}");
                    *rows.last_mut().unwrap() += 1;
                }
            }
            cells = Some(found);
        }
        // Less the line below the head.
        rows.iter().map(|rows| rows - 1).collect()
    }

    #[test]
    fn the_front_matter_is_sentence_transformers() {
        let field = |name: &str, values: &[&str]| {
            let values = values.iter().map(|value| (*value).to_owned());
            (name.to_owned(), values.collect::<Vec<_>>())
        };
        let tags = [
            "sentence-transformers",
            "sentence-similarity",
            "feature-extraction",
        ];
        let mut expected = vec![
            field("tags", &tags),
            field("base_model", &["sentence-transformers/all-mpnet-base-v2"]),
            field("pipeline_tag", &["sentence-similarity"]),
            field("library_name", &["sentence-transformers"]),
        ];
        assert_eq!(parts(&model_card(&edge_case())).0, expected);
        expected.remove(1);
        assert_eq!(parts(&model_card(&plain())).0, expected);
    }

    #[test]
    fn only_names_of_the_hub_are_base_models() {
        for name in ["sentence-transformers/all-mpnet-base-v2", "me/a_b.c"] {
            assert!(is_hub_name(name), "{name}");
        }
        let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/src");
        for name in [
            "", "mpnet", "a/b/c", "/a/b", "./a", "../a", "a/", "~/a", "a/b: c", "a/b\n", folder,
        ] {
            assert!(!is_hub_name(name), "{name}");
        }
    }

    #[test]
    fn the_card_says_what_was_done() {
        let card = model_card(&edge_case());
        for text in [
            "fine-tuned from [sentence-transformers/all-mpnet-base-v2](https://huggingface.co/",
            r#"SentenceTransformer("it's \"mine\" & <yours>")"#,
            r#"$ infer --model 'it'\''s "mine" & <yours>' search"#,
            "| ndcg@10 | 0.5000 | 0.6250 | +0.1250 |",
            "| **-0.0500 worse** |",
            "dropped by 0.0500, from 0.7500 to 0.7000.**",
            "| held_out.tsv | validation | 1 | 0 |",
            "Loss: multiple-negatives-ranking, scale 20. 1,000 steps in ",
            "- 1 row of &#60;pairs&#62; &#124; had an empty text.",
            "no gain in 3 evaluations &#60;early&#62;.",
            "to the first 1,384 tokens",
        ] {
            assert!(card.contains(text), "{text}\nin\n{card}");
        }
    }

    #[test]
    fn markup_in_names_is_text() {
        let card = model_card(&edge_case());
        let (_, markdown) = parts(&card);
        assert_eq!(tables(&markdown), [2, 2, 2]);
        for line in outside(&markdown) {
            assert!(!line.contains('<'), "{line}");
        }
        // The command has three backticks: its fence is longer.
        assert!(markdown.contains("\n````console\n$ train fit --train 'a b.tsv' \\\n"));
    }

    #[test]
    fn without_scores_it_says_so() {
        let card = model_card(&plain());
        assert!(card.contains("No scores"));
        assert!(!card.contains("NaN") && !card.contains("$ \n"));
        assert_eq!(tables(&parts(&card).1), [0_usize; 0]);
    }

    #[test]
    fn words_are_left_alone() {
        assert_eq!(text("a_b-c (d) 0.5 é"), "a_b-c (d) 0.5 é");
        assert_eq!(text(" _a_\n*b* "), "&#95;a&#95; &#42;b&#42;");
        assert_eq!(text("- a"), "&#45; a");
        assert_eq!(text("12. a"), "12&#46; a");
        assert_eq!(text("0.1.0"), "0.1.0");
        assert_eq!(python_string("a\n\\"), r#""a\u000a\\""#);
    }

    proptest! {
        #![proptest_config(ProptestConfig {
            failure_persistence: None, ..ProptestConfig::default()
        })]

        #[test]
        fn any_text_keeps_the_card_whole(any in any::<String>(), value in any::<f64>()) {
            let mut summary = edge_case();
            summary.base_model.clone_from(&any);
            summary.loss.clone_from(&any);
            summary.command = any.replace(['\n', '\r'], " ");
            summary.settings = vec![(any.clone(), any.clone())];
            summary.after = Some(vec![(any, value)]);
            let card = model_card(&summary);
            let (fields, markdown) = parts(&card);
            prop_assert!(fields.len() >= 3);
            prop_assert_eq!(tables(&markdown), [3, 2, 1]);
        }
    }
}
