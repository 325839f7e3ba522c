//! Products that are like others, or like a text.

use std::time::Instant;

use axum::extract::State;
use axum::http::HeaderMap;
use axum::response::Response;
use model::Prompt;
use search::{AnswerJson, Asked, Mode, Query, VectorsView, examples_vector};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::search::{Milliseconds, Page, SearchResponse};
use crate::app::Shared;
use crate::body::{Body, QUESTION};
use crate::catalogue::Snapshot;
use crate::hits::{catalogue, embedded};
use crate::problem::{ErrorBody, Problem};
use crate::response::{ResponseRoom, bytes_of_answer};
use crate::texts::{self, Cost};

/// The version of the JSON form, that of `infer recommend --json`.
const VERSION: u32 = 1;

/// Most products that an answer is like or unlike.
const MOST_EXAMPLES: usize = 1000;

/// Products, or a text, that hits should be like.
#[derive(Debug, Default, Deserialize, ToSchema)]
pub(crate) struct RecommendRequest {
    /// Products by their ids.
    #[serde(default)]
    pub(crate) ids: Vec<String>,
    /// Products that hits should not be like.
    #[serde(default)]
    pub(crate) not: Vec<String>,
    /// A text, instead of products.
    #[serde(default)]
    pub(crate) text: Option<String>,
    #[serde(flatten)]
    pub(crate) page: Page,
}

#[derive(Serialize)]
#[serde(untagged)]
enum Subject<'a> {
    Text {
        text: &'a str,
    },
    Ids {
        ids: &'a [String],
        not: &'a [String],
    },
}

/// Products that are like others, or like a text.
#[utoipa::path(
    post, path = "/recommend", tag = "search",
    request_body(content = RecommendRequest, example = json!({ "text": "steel bottle", "top_k": 3 })),
    responses(
        (status = 200, description = "Hits, as `infer recommend --json` prints them", body = serde_json::Value),
        (status = "4XX", description = "The request is wrong, a product is unknown, or too much waits", body = ErrorBody),
        (status = 503, description = "The service starts, stops or hangs", body = ErrorBody),
    )
)]
pub(crate) async fn recommend(
    State(app): State<Shared>,
    headers: HeaderMap,
    Body(request): Body<RecommendRequest, QUESTION>,
) -> Result<Response, Problem> {
    let service = app.service()?;
    let priority = texts::priority(&headers)?;
    let begin = Instant::now();
    let snapshot = catalogue(service)?.snapshot();
    let question = Query {
        mode: Mode::Meaning,
        ..request.page.question(&snapshot)?
    };
    let (answer, searched, cost) = match &request.text {
        Some(text) if request.ids.is_empty() && request.not.is_empty() => {
            if text.trim().is_empty() {
                return Err(Problem::field("text", "`text` is empty"));
            }
            embedded(
                &app,
                service,
                snapshot.clone(),
                question,
                text,
                Prompt::Document,
                priority,
            )
            .await?
        }
        Some(_) => return Err(Problem::field("text", "give `ids` or `text`, not both")),
        None => {
            let searched = Instant::now();
            let answer = app
                .searching(|| like(&snapshot, &request, question))
                .await?;
            (answer, searched, Cost::default())
        }
    };
    let milliseconds = Milliseconds {
        embedding: (searched - begin).as_secs_f64() * 1e3,
        search: searched.elapsed().as_secs_f64() * 1e3,
        rerank: 0.0,
    };
    let settings = snapshot.settings();
    let asked = Asked {
        settings,
        metric: settings.similarity.name(),
        facets: &request.page.facets,
        explain: request.page.explain,
    };
    let response = SearchResponse {
        version: VERSION,
        subject: match &request.text {
            Some(text) => Subject::Text { text },
            None => Subject::Ids {
                ids: &request.ids,
                not: &request.not,
            },
        },
        answer: AnswerJson::new(&answer, asked),
        milliseconds,
    };
    let bytes = bytes_of_answer(&answer);
    let room = ResponseRoom::new(&app, bytes)?;
    Ok(room.computed(&app, &response, cost, service.device()).await)
}

/// Answers a question about products that are like some and unlike others.
fn like(
    snapshot: &Snapshot,
    request: &RecommendRequest,
    question: Query,
) -> Result<search::Answer, Problem> {
    let (ids, not) = (&request.ids, &request.not);
    if ids.is_empty() {
        return Err(Problem::field(
            "ids",
            "`ids` names no product, and there is no `text`",
        ));
    }
    if ids.len() + not.len() > MOST_EXAMPLES {
        let message = format!("`ids` and `not` name more than {MOST_EXAMPLES} products");
        return Err(Problem::field("ids", message));
    }
    let width = snapshot.settings().width;
    let (like, unlike) = (snapshot.vectors(ids)?, snapshot.vectors(not)?);
    let wrong = |error: search::SearchError| Problem::field("ids", error.to_string());
    let vector = examples_vector(
        VectorsView::new(&like, width).map_err(wrong)?,
        VectorsView::new(&unlike, width).map_err(wrong)?,
    );
    snapshot.answer(&Query {
        vector: vector.map_err(wrong)?,
        without: ids.iter().chain(not).cloned().collect(),
        ..question
    })
}
