//! Answers of an index or a store as JSON, one per line.

use std::io::Write;

use search::{Answer, AnswerJson, Asked};
use serde::Serialize;

use super::Subject;
use super::json::{VERSION, print_line};
use crate::error::Error;

#[derive(Serialize)]
struct Line<'a> {
    version: u32,
    #[serde(flatten)]
    subject: Subject<'a>,
    #[serde(flatten)]
    answer: AnswerJson<'a>,
}

pub(super) fn print(
    subject: Subject<'_>,
    answer: &Answer,
    asked: Asked<'_>,
    out: &mut dyn Write,
) -> Result<(), Error> {
    let line = Line {
        version: VERSION,
        subject,
        answer: AnswerJson::new(answer, asked),
    };
    print_line(&line, out)
}
