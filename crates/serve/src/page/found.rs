//! The hits that a page shows.

use std::time::{Duration, Instant};

use model::Prompt;
use search::index::Document;
use search::{Answer, Mode, Query, VectorsView, examples_vector};

use super::HITS;
use super::address::Address;
use super::view::facet_columns;
use crate::app::{Service, Shared};
use crate::catalogue::Snapshot;
use crate::hits::embedded_all;
use crate::problem::Problem;
use crate::response::bytes_of_answer;

/// The lists that an address asks for.
#[derive(Default)]
pub(super) struct Found {
    pub(super) lists: Vec<FoundList>,
    /// What the hits are like, instead of a query.
    pub(super) like: Option<Document>,
}

/// The hits of a mode; none of products that are alike.
pub(super) struct FoundList {
    pub(super) mode: Option<Mode>,
    pub(super) answer: Answer,
    pub(super) milliseconds: f64,
}

/// Bytes of what is shown, about.
pub(super) fn size(found: &Result<Found, Problem>) -> usize {
    let lists = found.iter().flat_map(|found| &found.lists);
    lists.map(|list| bytes_of_answer(&list.answer)).sum()
}

pub(super) async fn found(
    app: &Shared,
    service: &Service,
    snapshot: &Snapshot,
    address: &Address,
) -> Result<Found, Problem> {
    let settings = snapshot.settings();
    let columns = facet_columns(settings);
    let question = address.question(&settings.filter_columns, &columns, HITS);
    if !address.like.is_empty() {
        app.searching(|| alike(snapshot, question, &address.like))
            .await
    } else if !address.query.trim().is_empty() {
        let modes = address.view.modes();
        let lists = ranked(app, service, snapshot, question, &address.query, modes).await?;
        Ok(Found { lists, like: None })
    } else {
        Ok(Found::default())
    }
}

/// Products that are like one.
fn alike(snapshot: &Snapshot, question: Query, id: &str) -> Result<Found, Problem> {
    let begin = Instant::now();
    let ids = [id.to_owned()];
    let vector = snapshot.vectors(&ids)?;
    let wrong = |error: search::SearchError| Problem::field("like", error.to_string());
    let width = snapshot.settings().width;
    let like = VectorsView::new(&vector, width).map_err(wrong)?;
    let unlike = VectorsView::new(&[], width).map_err(wrong)?;
    let answer = snapshot.answer(&Query {
        vector: examples_vector(like, unlike).map_err(wrong)?,
        mode: Mode::Meaning,
        without: ids.to_vec(),
        ..question
    })?;
    let like = snapshot.document(id)?;
    let list = FoundList {
        mode: None,
        answer,
        milliseconds: milliseconds(begin.elapsed()),
    };
    Ok(Found {
        lists: vec![list],
        like,
    })
}

/// A list of each mode. The query is embedded once for all of them.
async fn ranked(
    app: &Shared,
    service: &Service,
    snapshot: &Snapshot,
    question: Query,
    text: &str,
    modes: &[Mode],
) -> Result<Vec<FoundList>, Problem> {
    let question = |mode| Query {
        mode,
        text: match mode {
            Mode::Meaning => String::new(),
            _ => text.to_owned(),
        },
        ..question.clone()
    };
    let mut lists = Vec::with_capacity(modes.len());
    if modes.contains(&Mode::Words) {
        let begin = Instant::now();
        let answer = app
            .searching(|| snapshot.answer(&question(Mode::Words)))
            .await?;
        lists.push(FoundList {
            mode: Some(Mode::Words),
            answer,
            milliseconds: milliseconds(begin.elapsed()),
        });
    }
    let others = modes.iter().copied().filter(|mode| *mode != Mode::Words);
    let others: Vec<Mode> = others.collect();
    if others.is_empty() {
        return Ok(lists);
    }
    let begin = Instant::now();
    let questions = others.iter().map(|mode| question(*mode)).collect();
    let (answers, _) = embedded_all(
        app,
        service,
        snapshot.clone(),
        questions,
        text,
        Prompt::Query,
        None,
    )
    .await?;
    let embedding = answers.first().map(|first| first.begin - begin);
    let embedding = embedding.unwrap_or_default();
    lists.extend(others.into_iter().zip(answers).map(|(mode, timed)| {
        let search = timed.end - timed.begin;
        FoundList {
            mode: Some(mode),
            answer: timed.answer,
            milliseconds: milliseconds(embedding + search),
        }
    }));
    Ok(lists)
}

fn milliseconds(time: Duration) -> f64 {
    time.as_secs_f64() * 1e3
}
