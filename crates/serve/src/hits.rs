//! From a question to hits: the vector of a text, the search, and a reranker.

use std::time::Instant;

use model::{EncodeOptions, Prompt};
use search::index::joined;
use search::{Answer, Found, Mode, Query};

use crate::app::{Service, Shared};
use crate::catalogue::{Catalogue, Snapshot};
use crate::engine::{Output, Priority, Reservation};
use crate::problem::{Kind, Problem};
use crate::texts::{self, Cost, Texts};

/// Answers a question about a query, with its vector unless words alone are asked. The moment is that of the search.
pub(crate) async fn answer(
    app: &Shared,
    service: &Service,
    snapshot: Snapshot,
    question: Query,
    query: &str,
    priority: Option<Priority>,
) -> Result<(Answer, Instant, Cost), Problem> {
    if question.mode == Mode::Words {
        let searched = Instant::now();
        let answer = app.searching(|| snapshot.answer(&question)).await?;
        return Ok((answer, searched, Cost::default()));
    }
    embedded(
        app,
        service,
        snapshot,
        question,
        query,
        Prompt::Query,
        priority,
    )
    .await
}

/// Embeds a text and answers a question about its vector. The moment is that of the search.
pub(crate) async fn embedded(
    app: &Shared,
    service: &Service,
    snapshot: Snapshot,
    question: Query,
    text: &str,
    prompt: Prompt,
    priority: Option<Priority>,
) -> Result<(Answer, Instant, Cost), Problem> {
    let questions = vec![question];
    let (answers, cost) =
        embedded_all(app, service, snapshot, questions, text, prompt, priority).await?;
    let first = answers.into_iter().next();
    let Timed { answer, begin, .. } = first.ok_or_else(no_vector)?;
    Ok((answer, begin, cost))
}

/// An answer, and when it was searched.
pub(crate) struct Timed {
    pub(crate) answer: Answer,
    pub(crate) begin: Instant,
    pub(crate) end: Instant,
}

/// Embeds a text once and answers several questions about its vector. An index is searched on the engine's thread, right
/// behind the network: what waits there cannot come between.
pub(crate) async fn embedded_all(
    app: &Shared,
    service: &Service,
    snapshot: Snapshot,
    questions: Vec<Query>,
    text: &str,
    prompt: Prompt,
    priority: Option<Priority>,
) -> Result<(Vec<Timed>, Cost), Problem> {
    let options = EncodeOptions::with_prompt(prompt);
    let texts = Texts {
        texts: vec![text.to_owned()],
        options: options.clone(),
        truncate: true,
        side: None,
        field: "query",
    };
    match snapshot {
        Snapshot::Index(index) => {
            let models = service.engine.models_handle();
            let then = move |output| {
                let Output::Vectors(pooled) = output else {
                    return Err(no_vector());
                };
                let vector = models.encoder.finish(&pooled, &options)?;
                answers(&Snapshot::Index(index), questions, vector.values())
            };
            texts::pooled(app, service, texts, priority, then).await
        }
        Snapshot::Store(_) => {
            let embedded = texts::embed(app, service, texts, priority).await?;
            let vector = embedded.vectors.values();
            let answers = app.searching(|| answers(&snapshot, questions, vector));
            Ok((answers.await?, embedded.cost))
        }
    }
}

/// The answers to questions about a vector.
fn answers(
    snapshot: &Snapshot,
    questions: Vec<Query>,
    vector: &[f32],
) -> Result<Vec<Timed>, Problem> {
    let answer = |question: Query| {
        let begin = Instant::now();
        let vector = vector.to_vec();
        let answer = snapshot.answer(&Query { vector, ..question })?;
        Ok(Timed {
            answer,
            begin,
            end: Instant::now(),
        })
    };
    questions.into_iter().map(answer).collect()
}

fn no_vector() -> Problem {
    Problem::new(Kind::Backend, "the query has no vector")
}

/// Orders hits by the reranker, for which there is room, and keeps those that are shown.
pub(crate) async fn rerank(
    service: &Service,
    query: &str,
    answer: &mut Answer,
    (offset, k): (usize, usize),
    priority: Option<Priority>,
    reservation: Option<Reservation>,
) -> Result<(), Problem> {
    let texts: Vec<String> = answer.hits.iter().map(|hit| joined(&hit.texts)).collect();
    let priority = priority.unwrap_or(Priority::Interactive);
    let (scores, _) = service
        .engine
        .score(query.to_owned(), texts, None, priority, reservation)
        .await?;
    let mut hits: Vec<Found> = std::mem::take(&mut answer.hits)
        .into_iter()
        .zip(scores)
        .map(|(hit, score)| Found {
            // What raises a hit raises it in every ranking.
            score: score + hit.explanation.boost.unwrap_or(0.0),
            ..hit
        })
        .collect();
    // Equal scores keep their order.
    hits.sort_by(|one, other| other.score.total_cmp(&one.score));
    answer.hits = hits.into_iter().skip(offset).take(k).collect();
    Ok(())
}

/// The products of the service.
///
/// # Errors
///
/// When it has none.
pub(crate) fn catalogue(service: &Service) -> Result<&Catalogue, Problem> {
    let none = || {
        Problem::new(
            Kind::Backend,
            "this service has no products: start it with --index or --store",
        )
    };
    service.catalogue.as_ref().ok_or_else(none)
}

/// # Errors
///
/// When the service has no reranker.
pub(crate) fn reranker(service: &Service) -> Result<&str, Problem> {
    let none = || {
        Problem::new(
            Kind::Backend,
            "this service has no reranker: start it with --reranker",
        )
    };
    service.reranker_name.as_deref().ok_or_else(none)
}
