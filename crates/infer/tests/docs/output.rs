//! The comparison of an output: `[..]` stands for any text within a line, `…` at the end of a line for
//! the rest of a line that a terminal cuts, and a line `...` for any number of lines. Spaces at the end of a line and empty lines at the end do not count.

/// Whether an output is as expected.
pub(crate) fn matches(expected: &[String], output: &str) -> bool {
    let lines: Vec<&str> = output.trim_end().lines().map(str::trim_end).collect();
    let lines = if output.trim().is_empty() {
        &[]
    } else {
        &lines[..]
    };
    lines_match(expected, lines)
}

fn lines_match(expected: &[String], lines: &[&str]) -> bool {
    match (expected.split_first(), lines.split_first()) {
        (None, None) => true,
        (None, Some(_)) => false,
        (Some((first, rest)), _) if first == "..." => {
            (0..=lines.len()).any(|skipped| lines_match(rest, &lines[skipped..]))
        }
        (Some(_), None) => false,
        (Some((first, expected)), Some((line, lines))) => {
            line_matches(first, line) && lines_match(expected, lines)
        }
    }
}

fn line_matches(expected: &str, line: &str) -> bool {
    match expected.split_once("[..]") {
        None => match expected.strip_suffix('…') {
            Some(start) => line.starts_with(start),
            None => expected == line,
        },
        Some((start, rest)) => line.strip_prefix(start).is_some_and(|line| {
            let mut ends = (0..=line.len()).filter(|&end| line.is_char_boundary(end));
            ends.any(|end| line_matches(rest, &line[end..]))
        }),
    }
}

#[test]
fn wildcards_stand_for_text_and_for_lines() {
    let expected = |text: &str| text.lines().map(str::to_owned).collect::<Vec<_>>();
    for (pattern, output, is_match) in [
        ("", "", true),
        ("", "a", false),
        ("a\nb", "a  \nb\n\n", true),
        ("a", "a\nb", false),
        ("a\n...", "a", true),
        ("...\nc", "a\nb\nc\n", true),
        ("...\nc", "a\nb\n", false),
        ("in [..] s", "in 0.01 s", true),
        ("in [..] s", "in 0.01 ms", false),
        ("in [..] s", "within 0.01 s", false),
        ("[..] é [..]", "1 é 2", true),
        ("long te…", "long text", true),
        ("long te…", "long", false),
        ("long … text", "long text", false),
    ] {
        let found = matches(&expected(pattern), output);
        assert_eq!(found, is_match, "{pattern:?} {output:?}");
    }
}
