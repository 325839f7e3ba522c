//! Relative links of Markdown files: the file exists, and the heading in it.

use std::collections::BTreeMap;
use std::path::Path;

use super::{read, tracked};
use crate::error::TaskError;

pub(crate) fn check(root: &Path) -> Result<Vec<String>, TaskError> {
    let mut findings = Vec::new();
    for file in tracked(root, ".md")? {
        let path = root.join(&file);
        let text = read(&path)?;
        for (line, target) in links(&text) {
            let (to, anchor) = target.split_once('#').unwrap_or((target, ""));
            let to = if to.is_empty() {
                path.clone()
            } else {
                path.with_file_name("").join(to)
            };
            let wrong = if !to.exists() {
                "no such file"
            } else if !anchor.is_empty()
                && to.extension().is_some_and(|ending| ending == "md")
                && !anchors(&read(&to)?).contains(&anchor.to_owned())
            {
                "no such heading"
            } else {
                continue;
            };
            findings.push(format!("{file}:{line}: {target}: {wrong}"));
        }
    }
    Ok(findings)
}

/// The lines outside code blocks, numbered from 1.
fn prose(text: &str) -> impl Iterator<Item = (usize, &str)> {
    let mut code = false;
    text.lines().enumerate().filter_map(move |(at, line)| {
        let fence = line.trim_start().starts_with("```");
        code ^= fence;
        (!code && !fence).then_some((at + 1, line))
    })
}

/// Relative targets of `[text](target)` and `[label]: target`, with their lines.
fn links(text: &str) -> Vec<(usize, &str)> {
    let mut found = Vec::new();
    for (at, line) in prose(text) {
        let spans = line.split('`').step_by(2);
        let inline = spans.flat_map(|span| span.split("](").skip(1));
        let inline = inline.filter_map(|rest| rest.split([')', ' ']).next());
        // The code of a link's text ends the span before the target.
        let after_code = line
            .split("`](")
            .skip(1)
            .filter_map(|rest| rest.split([')', ' ']).next());
        let label = line
            .starts_with('[')
            .then(|| line.split_once("]: "))
            .flatten();
        let targets = inline
            .chain(after_code)
            .chain(label.map(|(_, target)| target.trim()));
        let relative = |target: &&str| !target.contains("://") && !target.starts_with("mailto:");
        found.extend(targets.filter(relative).map(|target| (at, target)));
    }
    found.sort_unstable();
    found.dedup();
    found
}

/// The anchors of a file's headings, as GitHub and mdBook make them.
fn anchors(text: &str) -> Vec<String> {
    let mut counts = BTreeMap::new();
    let mut anchors = Vec::new();
    for (_, line) in prose(text) {
        anchors.extend(
            line.split("id=\"")
                .skip(1)
                .filter_map(|rest| rest.split('"').next())
                .map(str::to_owned),
        );
        let Some(heading) = line.strip_prefix('#') else {
            continue;
        };
        let heading = heading.trim_start_matches('#').trim().to_lowercase();
        let kept = |c: &char| c.is_alphanumeric() || [' ', '-', '_'].contains(c);
        let slug: String = heading
            .chars()
            .filter(kept)
            .collect::<String>()
            .replace(' ', "-");
        let count = counts.entry(slug.clone()).or_insert(0);
        anchors.push(if *count == 0 {
            slug
        } else {
            format!("{slug}-{count}")
        });
        *count += 1;
    }
    anchors
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn relative_links_are_found() {
        let text = "[a](b.md#c) and [`d`](e.md), `[no](link)`\n```\n[no](x)\n```\n[f]: g.md\n[h](https://i.org)";
        assert_eq!(links(text), [(1, "b.md#c"), (1, "e.md"), (5, "g.md")]);
    }

    #[test]
    fn headings_become_anchors() {
        let text = "# Why `burn` 0.21?\n## Twice\n## Twice";
        assert_eq!(anchors(text), ["why-burn-021", "twice", "twice-1"]);
    }
}
