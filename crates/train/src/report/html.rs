//! The report of a run as one self-contained page: no scripts, no links, inline charts.

use super::History;
use super::format::{bytes, counted, duration, thousands};
use super::summary::{RunSummary, difference, fall, score};
use crate::evaluation::ScoreChange;

/// The charts of a run, as SVG; `None` without data.
pub(super) struct Pictures {
    pub(super) loss: Option<String>,
    pub(super) learning_rate: Option<String>,
    pub(super) scores: Option<String>,
}

/// Style sheet. Dark mode inverts the brightness of the charts and keeps their hues.
const STYLE: &str = "
:root { color-scheme: light dark; --text: #1d2329; --quiet: #5d6872; --back: #ffffff;
  --panel: #f5f7f9; --line: #dde3e8; --good: #14713d; --bad: #b3261e; --note: #fff6e0; }
@media (prefers-color-scheme: dark) {
  :root { --text: #e4e8ec; --quiet: #9aa5af; --back: #14181c; --panel: #1d2328; --line: #343c44;
    --good: #6fd19a; --bad: #ff8f87; --note: #3a3016; }
  figure svg { filter: invert(0.91) hue-rotate(180deg); }
}

body { margin: 0 auto; padding: 2rem 1.25rem 4rem; max-width: 52rem; color: var(--text);
  background: var(--back); font: 16px/1.5 system-ui, -apple-system, 'Segoe UI', sans-serif; }
h1 { margin: 0 0 .25rem; font-size: 1.7rem; line-height: 1.25; overflow-wrap: anywhere; }
h2 { margin: 2.5rem 0 .75rem; font-size: 1.2rem; }
p { margin: .5rem 0; }
.quiet { color: var(--quiet); }
table { width: 100%; border-collapse: collapse; font-size: .95rem; }
th, td { padding: .35rem .75rem .35rem 0; border-bottom: 1px solid var(--line); text-align: left;
  vertical-align: top; overflow-wrap: anywhere; }
thead th { color: var(--quiet); font-weight: 600; }
tbody th { font-weight: 400; }
.number { text-align: right; font-variant-numeric: tabular-nums; white-space: nowrap; }
.better { color: var(--good); }
.worse { color: var(--bad); font-weight: 600; }
.facts { display: grid; grid-template-columns: repeat(auto-fit, minmax(9.5rem, 1fr)); gap: .75rem;
  margin: 1.25rem 0; }
.facts div { padding: .6rem .8rem; border-radius: .5rem; background: var(--panel); }
.facts dt { color: var(--quiet); font-size: .85rem; }
.facts dd { margin: 0; font-size: 1.1rem; overflow-wrap: anywhere; }
.notes { padding: .6rem 1rem .6rem 2rem; border-radius: .5rem; background: var(--note); }
figure { margin: 1rem 0 1.5rem; }
figure svg { display: block; width: 100%; height: auto; border-radius: .5rem; }
figcaption { margin-top: .4rem; color: var(--quiet); font-size: .9rem; }
pre { padding: .8rem 1rem; border-radius: .5rem; background: var(--panel); white-space: pre-wrap;
  overflow-wrap: anywhere; font: .9rem/1.45 ui-monospace, Consolas, monospace; }
";

/// The page. Escapes all text from the files and settings of the run.
pub(super) fn page(summary: &RunSummary, history: &History, pictures: &Pictures) -> String {
    let mut page = Page::default();
    let base = escape(&summary.base_model);
    page.add(&format!(
        "<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n\
         <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n\
         <title>Fine-tuning of {base}</title>\n<style>{STYLE}</style>\n</head>\n<body>\n\
         <h1>Fine-tuning of {base}</h1>"
    ));
    page.add(&format!(
        "<p class=\"quiet\">The tuned model is in {}. Written by train {}.</p>",
        escape(&summary.output.display().to_string()),
        escape(&summary.program_version)
    ));
    page.add(&format!("<p>{}</p>", escape(&summary.ending())));
    facts(&mut page, summary);
    warnings(&mut page, summary, history);
    scores(&mut page, summary);
    figures(&mut page, pictures);
    data(&mut page, summary);
    settings(&mut page, summary);
    page.add("</body>\n</html>");
    page.text
}

#[derive(Default)]
struct Page {
    text: String,
}

impl Page {
    fn add(&mut self, line: &str) {
        self.text.push_str(line);
        self.text.push('\n');
    }
}

fn facts(page: &mut Page, summary: &RunSummary) {
    let mut facts = vec![
        ("Base model", summary.base_model.clone()),
        ("Device", summary.device.clone()),
        ("Loss", summary.loss.clone()),
        (
            "Length",
            format!(
                "{}, {:.1} epochs",
                counted(summary.steps as u64, "step"),
                summary.epochs
            ),
        ),
        ("Training time", duration(summary.seconds)),
    ];
    if let Some(speed) = speed(summary) {
        facts.push(("Speed", speed));
    }
    if let Some(memory) = summary.peak_memory_bytes {
        facts.push(("Peak memory", bytes(memory)));
    }
    page.add("<dl class=\"facts\">");
    for (name, value) in facts {
        page.add(&format!(
            "<div><dt>{name}</dt><dd>{}</dd></div>",
            escape(&value)
        ));
    }
    page.add("</dl>");
}

/// Tokens per second; `None` if none were counted.
fn speed(summary: &RunSummary) -> Option<String> {
    let speed = summary.tokens_per_second;
    (speed.is_finite() && speed > 0.0)
        .then(|| format!("{} tokens/s", thousands(speed.round() as u64)))
}

fn warnings(page: &mut Page, summary: &RunSummary, history: &History) {
    let mut warnings = summary.warnings.clone();
    let steps = history.steps().count();
    let undefined = history
        .steps()
        .filter(|step| !step.loss.is_finite())
        .count();
    if undefined > 0 {
        warnings.push(format!(
            "the loss of {undefined} of {} is NaN or infinite and missing from the chart",
            counted(steps as u64, "step")
        ));
    }
    if warnings.is_empty() {
        return;
    }
    page.add("<h2>Before you use the model</h2>\n<ul class=\"notes\">");
    for warning in warnings {
        page.add(&format!("<li>{}</li>", escape(&warning)));
    }
    page.add("</ul>");
}

fn scores(page: &mut Page, summary: &RunSummary) {
    page.add("<h2>Scores before and after</h2>");
    let changes = summary.score_changes();
    if changes.is_empty() {
        page.add("<p>No scores: the run had no validation rows, so the gain is unknown.</p>");
        return;
    }
    for change in &changes {
        if let Some(fall) = fall(change) {
            page.add(&format!(
                "<p class=\"worse\">{} {fall}</p>",
                escape(change.name)
            ));
        }
    }
    page.add(
        "<table>\n<thead><tr><th scope=\"col\">score</th><th scope=\"col\" class=\"number\">before\
         </th><th scope=\"col\" class=\"number\">after</th><th scope=\"col\" class=\"number\">\
         difference</th></tr></thead>\n<tbody>",
    );
    for change in &changes {
        page.add(&format!(
            "<tr><th scope=\"row\">{}</th><td class=\"number\">{}</td><td class=\"number\">{}</td>\
             <td class=\"number{}\">{}</td></tr>",
            escape(change.name),
            score(change.before),
            score(change.after),
            verdict(change),
            difference(change)
        ));
    }
    page.add("</tbody>\n</table>\n<p class=\"quiet\">Higher is better for every score.</p>");
}

/// CSS class of a difference, with a leading space.
fn verdict(change: &ScoreChange<'_>) -> &'static str {
    if change.is_worse() {
        " worse"
    } else if change.is_better() {
        " better"
    } else {
        ""
    }
}

fn figures(page: &mut Page, pictures: &Pictures) {
    let figures = [
        (&pictures.loss, "Loss per step (lower is better)."),
        (
            &pictures.scores,
            "Scores per validation (higher is better).",
        ),
        (&pictures.learning_rate, "Learning rate per step."),
    ];
    if figures.iter().all(|(picture, _)| picture.is_none()) {
        return;
    }
    page.add("<h2>Charts</h2>");
    for (picture, caption) in figures {
        if let Some(picture) = picture {
            page.add(&format!(
                "<figure>\n{picture}\n<figcaption>{caption}</figcaption>\n</figure>"
            ));
        }
    }
}

fn data(page: &mut Page, summary: &RunSummary) {
    if summary.data.is_empty() {
        return;
    }
    page.add(
        "<h2>Data</h2>\n<table>\n<thead><tr><th scope=\"col\">file</th><th scope=\"col\">use</th>\
         <th scope=\"col\" class=\"number\">rows</th><th scope=\"col\" class=\"number\">skipped\
         </th></tr></thead>\n<tbody>",
    );
    for file in &summary.data {
        page.add(&format!(
            "<tr><th scope=\"row\">{}</th><td>{}</td><td class=\"number\">{}</td>\
             <td class=\"number\">{}</td></tr>",
            escape(&file.path.display().to_string()),
            file.role.name(),
            thousands(file.rows),
            thousands(file.skipped)
        ));
    }
    page.add("</tbody>\n</table>");
}

fn settings(page: &mut Page, summary: &RunSummary) {
    if !summary.settings.is_empty() {
        page.add("<h2>Settings</h2>\n<table>\n<tbody>");
        for (name, value) in &summary.settings {
            page.add(&format!(
                "<tr><th scope=\"row\">{}</th><td>{}</td></tr>",
                escape(name),
                escape(value)
            ));
        }
        page.add("</tbody>\n</table>");
    }
    if !summary.command.is_empty() {
        page.add(&format!(
            "<h2>Command</h2>\n<pre>{}</pre>",
            escape(&summary.command)
        ));
    }
}

/// Escapes text for elements and attributes. Control characters become `�`.
fn escape(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for letter in text.chars() {
        match letter {
            '&' => escaped.push_str("&amp;"),
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            '"' => escaped.push_str("&quot;"),
            '\'' => escaped.push_str("&#39;"),
            '\n' | '\t' => escaped.push(letter),
            letter if letter.is_control() => escaped.push('\u{fffd}'),
            letter => escaped.push(letter),
        }
    }
    escaped
}

#[cfg(test)]
pub(super) mod tests;
