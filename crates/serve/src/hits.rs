//! From a question to hits: the vector of a text, the search, and a reranker.

use std::time::Instant;

use model::{EncodeOptions, Prompt};
use search::index::joined;
use search::{Answer, Found, Mode, Query};

use crate::app::{Service, Shared};
use crate::catalogue::{Catalogue, Snapshot};
use crate::engine::{Output, Priority};
use crate::problem::{Kind, Problem};
use crate::texts::{self, Cost, Texts};

/// Answers a question about a query, with its vector unless words alone are asked. The moment is that of the search.
pub(crate) async fn answer(
    app: &Shared,
    service: &Service,
    snapshot: Snapshot<'_>,
    question: Query,
    query: &str,
    priority: Option<Priority>,
) -> Result<(Answer, Instant, Cost), Problem> {
    if question.mode == Mode::Words {
        let searched = Instant::now();
        let answer = app.blocking(|| snapshot.answer(&question)).await?;
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

/// Embeds a text and answers a question about its vector. An index is searched on the engine's thread, right behind the
/// network: what waits there cannot come between.
pub(crate) async fn embedded(
    app: &Shared,
    service: &Service,
    snapshot: Snapshot<'_>,
    mut question: Query,
    text: &str,
    prompt: Prompt,
    priority: Option<Priority>,
) -> Result<(Answer, Instant, Cost), Problem> {
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
                let searched = Instant::now();
                let Output::Vectors(pooled) = output else {
                    return Err(Problem::new(Kind::Backend, "the query has no vector"));
                };
                let vector = models.encoder.finish(&pooled, &options)?;
                question.vector = vector.into_values();
                Ok((index.answer(&question)?, searched))
            };
            let ((answer, searched), cost) =
                texts::pooled(app, service, texts, priority, then).await?;
            Ok((answer, searched, cost))
        }
        Snapshot::Store(store) => {
            let embedded = texts::embed(app, service, texts, priority).await?;
            question.vector = embedded.vectors.into_values();
            let searched = Instant::now();
            let answer = app.blocking(|| store.answer(&question)).await?;
            Ok((answer, searched, embedded.cost))
        }
    }
}

/// Orders hits by the reranker, and keeps those that are shown.
pub(crate) async fn rerank(
    service: &Service,
    query: &str,
    answer: &mut Answer,
    (offset, k): (usize, usize),
    priority: Option<Priority>,
) -> Result<(), Problem> {
    let texts: Vec<String> = answer.hits.iter().map(|hit| joined(&hit.texts)).collect();
    let priority = priority.unwrap_or(Priority::Interactive);
    let (scores, _) = service
        .engine
        .score(query.to_owned(), texts, priority)
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
