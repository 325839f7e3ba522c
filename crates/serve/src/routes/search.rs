//! The products that are closest to a query.

use std::collections::{BTreeMap, HashSet};
use std::time::Instant;

use axum::extract::State;
use axum::http::HeaderMap;
use axum::response::Response;
use search::filter::Filter;
use search::{Answer, AnswerJson, Asked, Fusion, Mode, Query, Sort};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::app::{Service, Shared};
use crate::body::{Body, QUESTION};
use crate::catalogue::Snapshot;
use crate::engine::Priority;
use crate::hits::{answer, catalogue, rerank, reranker};
use crate::problem::{ErrorBody, Problem};
use crate::response::{ResponseRoom, bytes_of_answer};
use crate::texts::{self, Cost};

/// The version of the JSON form, that of `infer search --json`.
const VERSION: u32 = 1;

/// Hits that a reranker reads, unless a request says otherwise.
const RERANK_DEPTH: usize = 50;

/// Most hits of an answer, and most that are passed over.
pub(crate) const MOST_HITS: usize = 10_000;

/// Most bytes of a query and of a filter: each word and each condition looks through the whole catalogue.
pub(crate) const LONGEST_TEXT: usize = 8192;

/// A query, and what is asked of its hits.
#[derive(Debug, Deserialize, ToSchema)]
pub(crate) struct SearchRequest {
    #[schema(min_length = 1)]
    query: String,
    /// What hits are ranked by.
    #[serde(default)]
    mode: Option<ModeName>,
    /// Order the best hits by the reranker.
    #[serde(default)]
    rerank: bool,
    /// Hits that the reranker reads, 50 unless given. Give all pages of a search the same.
    #[serde(default)]
    #[schema(minimum = 1)]
    rerank_depth: Option<usize>,
    /// The weight of words in hybrid mode, from 0 to 1; unless given, that of the index.
    #[serde(default)]
    #[schema(minimum = 0, maximum = 1)]
    weight: Option<f32>,
    /// Whether typing errors are forgiven where a word is unknown.
    #[serde(default = "yes")]
    typos: bool,
    /// By filter column, what is added to the score of products whose value in it the query names.
    #[serde(default)]
    boost: BTreeMap<String, f32>,
    #[serde(flatten)]
    page: Page,
}

fn yes() -> bool {
    true
}

/// Which hits are shown, and what is told of them.
#[derive(Debug, Default, Deserialize, ToSchema)]
pub(crate) struct Page {
    /// Most hits.
    #[serde(default)]
    #[schema(minimum = 1, maximum = 10000)]
    pub(crate) top_k: Option<usize>,
    /// Hits to pass over.
    #[serde(default)]
    #[schema(maximum = 10000)]
    pub(crate) offset: Option<usize>,
    /// Rows to choose from, as `brand = Acme AND price < 50`.
    #[serde(default)]
    pub(crate) filter: Option<String>,
    /// Filter columns whose values are counted.
    #[serde(default)]
    pub(crate) facets: Vec<String>,
    /// A filter column to order by; a - before it puts the largest first.
    #[serde(default)]
    pub(crate) sort: Option<String>,
    /// Leave out hits with a lower score.
    #[serde(default)]
    pub(crate) min_score: Option<f32>,
    /// Whether to say where scores come from.
    #[serde(default)]
    pub(crate) explain: bool,
}

/// What hits are ranked by.
#[derive(Clone, Copy, Debug, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub(crate) enum ModeName {
    /// The similarity of vectors.
    Meaning,
    /// BM25 of the words.
    Words,
    /// Both.
    Hybrid,
}

impl From<ModeName> for Mode {
    fn from(name: ModeName) -> Self {
        match name {
            ModeName::Meaning => Self::Meaning,
            ModeName::Words => Self::Words,
            ModeName::Hybrid => Self::Hybrid,
        }
    }
}

/// Hits, in the form of `infer search --json`, and the time that they took.
#[derive(Serialize)]
pub(super) struct SearchResponse<'a, S: Serialize> {
    pub(super) version: u32,
    #[serde(flatten)]
    pub(super) subject: S,
    #[serde(flatten)]
    pub(super) answer: AnswerJson<'a>,
    pub(super) milliseconds: Milliseconds,
}

#[derive(Serialize)]
struct QuerySubject<'a> {
    query: &'a str,
}

/// Times of a search.
#[derive(Clone, Copy, Debug, Default, Serialize)]
pub(crate) struct Milliseconds {
    /// From the query to its vector, the wait for the model included.
    pub(crate) embedding: f64,
    /// From the vector to the hits.
    pub(crate) search: f64,
    /// Of the reranker.
    pub(crate) rerank: f64,
}

/// The products that are closest to a query.
#[utoipa::path(
    post, path = "/search", tag = "search",
    request_body(content = SearchRequest, example = json!({ "query": "gift for a runner", "top_k": 3 })),
    responses(
        (status = 200, description = "Hits, as `infer search --json` prints them", body = serde_json::Value),
        (status = "4XX", description = "The request is wrong, there are no products, or too much waits", body = ErrorBody),
        (status = 503, description = "The service starts, stops or hangs", body = ErrorBody),
    )
)]
pub(crate) async fn search(
    State(app): State<Shared>,
    headers: HeaderMap,
    Body(request): Body<SearchRequest, QUESTION>,
) -> Result<Response, Problem> {
    let service = app.service()?;
    let priority = texts::priority(&headers)?;
    let snapshot = catalogue(service)?.snapshot();
    let found = find(&app, service, snapshot.clone(), &request, priority).await?;
    let asked = Asked {
        settings: snapshot.settings(),
        metric: found.metric,
        facets: &request.page.facets,
        explain: request.page.explain,
    };
    let response = SearchResponse {
        version: VERSION,
        subject: QuerySubject {
            query: &request.query,
        },
        answer: AnswerJson::new(&found.answer, asked),
        milliseconds: found.milliseconds,
    };
    let room = ResponseRoom::new(&app, bytes_of_answer(&found.answer))?;
    let (cost, device) = (found.cost, service.device());
    Ok(room.computed(&app, &response, cost, device).await)
}

/// Hits and what they cost.
struct FoundHits {
    answer: Answer,
    metric: &'static str,
    milliseconds: Milliseconds,
    cost: Cost,
}

/// Answers a query.
///
/// # Errors
///
/// When there are no products, the request is wrong, too much waits, or the model fails.
async fn find(
    app: &Shared,
    service: &Service,
    snapshot: Snapshot,
    request: &SearchRequest,
    priority: Option<Priority>,
) -> Result<FoundHits, Problem> {
    let begin = Instant::now();
    if request.query.trim().is_empty() {
        return Err(Problem::field("query", "`query` is empty"));
    }
    if request.query.len() > LONGEST_TEXT {
        let message = format!("`query` has more than {LONGEST_TEXT} bytes");
        return Err(Problem::field("query", message));
    }
    let mode = request.mode.map_or_else(Mode::default, Mode::from);
    if request
        .weight
        .is_some_and(|weight| !(0.0..=1.0).contains(&weight))
    {
        return Err(Problem::field(
            "weight",
            "`weight` must be a number from 0 to 1",
        ));
    }
    let mut question = Query {
        mode,
        text: match mode {
            Mode::Meaning => String::new(),
            _ => request.query.clone(),
        },
        fusion: request.weight.map(|weight| Fusion::WeightedSum { weight }),
        typos: request.typos,
        boosts: snapshot.boosts(&request.query, &request.boost)?,
        ..request.page.question(&snapshot)?
    };
    let shown = (question.offset, question.k);
    let mut reservation = None;
    if request.rerank {
        reranker(service)?;
        if question.sort.is_some() {
            let message = "a reranked search has the order of the reranker: leave `sort` out";
            return Err(Problem::field("sort", message));
        }
        let depth = request.rerank_depth.unwrap_or(RERANK_DEPTH);
        if depth == 0 {
            return Err(Problem::field(
                "rerank_depth",
                "`rerank_depth` must be at least 1",
            ));
        }
        let end = shown.0 + shown.1;
        if shown.0 > 0 && end > depth {
            // A second ranking of more hits for each page would repeat hits.
            let message = format!(
                "`offset` + `top_k` is {end}, and the reranker orders only the best {depth} hits: give all pages a `rerank_depth` of at least {end}"
            );
            return Err(Problem::field("rerank_depth", message));
        }
        // The second ranking is of the hits from the first on, whatever part of it is shown.
        question.k = depth.max(shown.1);
        let most = app.options().max_client_batch_size;
        if question.k > most {
            let message =
                format!("the reranker reads at most {most} hits (--max-client-batch-size)");
            return Err(Problem::field("rerank_depth", message));
        }
        question.offset = 0;
        // Before anything is computed: a search is refused as a whole.
        let priority = priority.unwrap_or(Priority::Interactive);
        let engine = &service.engine;
        reservation = Some(engine.reserve_pairs(&request.query, question.k, priority)?);
    }
    let similarity = snapshot.settings().similarity.name();
    let (answer, searched, cost) =
        answer(app, service, snapshot, question, &request.query, priority).await?;
    let mut milliseconds = Milliseconds {
        embedding: (searched - begin).as_secs_f64() * 1e3,
        search: searched.elapsed().as_secs_f64() * 1e3,
        rerank: 0.0,
    };
    let mut found = FoundHits {
        answer,
        metric: match mode {
            Mode::Meaning => similarity,
            Mode::Words => "bm25",
            Mode::Hybrid => "hybrid",
        },
        milliseconds,
        cost,
    };
    if request.rerank {
        let begin = Instant::now();
        rerank(
            service,
            &request.query,
            &mut found.answer,
            shown,
            priority,
            reservation,
        )
        .await?;
        milliseconds.rerank = begin.elapsed().as_secs_f64() * 1e3;
        found.milliseconds = milliseconds;
        found.metric = "rerank";
    }
    Ok(found)
}

impl Page {
    /// What every question asks.
    ///
    /// # Errors
    ///
    /// When the filter is wrong, or a number is out of range.
    pub(crate) fn question(&self, snapshot: &Snapshot) -> Result<Query, Problem> {
        let columns = &snapshot.settings().filter_columns;
        let filter = match self.filter.as_deref().map(str::trim) {
            None | Some("") => None,
            Some(filter) if filter.len() > LONGEST_TEXT => {
                let message = format!("`filter` has more than {LONGEST_TEXT} bytes");
                return Err(Problem::field("filter", message));
            }
            Some(filter) => Some(
                Filter::parse(filter, columns)
                    .map_err(|error| Problem::field("filter", error.to_string()))?,
            ),
        };
        let (k, offset) = (self.top_k.unwrap_or(10), self.offset.unwrap_or(0));
        if !(1..=MOST_HITS).contains(&k) {
            return Err(Problem::field(
                "top_k",
                format!("`top_k` must be from 1 to {MOST_HITS}"),
            ));
        }
        if offset > MOST_HITS {
            return Err(Problem::field(
                "offset",
                format!("`offset` must be at most {MOST_HITS}"),
            ));
        }
        let known = columns.len();
        let mut facets = HashSet::new();
        if self.facets.len() > known || !self.facets.iter().all(|name| facets.insert(name)) {
            return Err(Problem::field(
                "facets",
                format!("`facets` names a column twice, or more than the {known} of the index"),
            ));
        }
        let sort = self.sort.as_deref().filter(|sort| !sort.is_empty());
        Ok(Query {
            k,
            offset,
            filter,
            facets: self.facets.clone(),
            sort: sort.map(|sort| Sort {
                column: sort.strip_prefix('-').unwrap_or(sort).to_owned(),
                descending: sort.starts_with('-'),
            }),
            min_score: self.min_score,
            ..Query::default()
        })
    }
}
