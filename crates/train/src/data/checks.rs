//! Checks of a training row.

use super::error::{Cell, ExampleProblem};
use super::role::Role;

/// Refuses an empty text: its vector means nothing, and empty texts of a batch are duplicates.
pub(super) fn check_text(text: &str, cell: impl FnOnce() -> Cell) -> Result<(), ExampleProblem> {
    if text.trim().is_empty() {
        return Err(ExampleProblem::Empty { cell: cell() });
    }
    Ok(())
}

/// Checks that a score is finite and a label 0 or 1; `written` is the value in the file.
pub(super) fn check_target(
    role: Role,
    target: f32,
    written: &str,
    cell: impl FnOnce() -> Cell,
) -> Result<(), ExampleProblem> {
    let value = || written.to_owned();
    if role == Role::Label && target != 0.0 && target != 1.0 {
        let (cell, value) = (cell(), value());
        return Err(ExampleProblem::NotLabel { cell, value });
    }
    if !target.is_finite() {
        let (cell, value) = (cell(), value());
        return Err(ExampleProblem::NotFinite { cell, value });
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cell(role: Role) -> Cell {
        Cell { role, column: None }
    }

    #[test]
    fn white_space_is_no_text() {
        for (text, good) in [
            ("a", true),
            (" ä ", true),
            ("", false),
            (" \u{a0}\n", false),
        ] {
            assert_eq!(
                check_text(text, || cell(Role::Anchor)).is_ok(),
                good,
                "{text:?}"
            );
        }
    }

    #[test]
    fn a_score_is_finite_and_a_label_is_0_or_1() {
        for (target, score, label) in [
            (0.0, true, true),
            (-0.0, true, true),
            (1.0, true, true),
            (0.5, true, false),
            (-1e30, true, false),
            (f32::NAN, false, false),
            (f32::INFINITY, false, false),
        ] {
            let good = |role| check_target(role, target, "", || cell(role)).is_ok();
            assert_eq!(
                (good(Role::Score), good(Role::Label)),
                (score, label),
                "{target}"
            );
        }
    }
}
