//! The page: search in a browser. It works without JavaScript; with it, hits come while somebody types.

mod address;
mod view;

use std::time::Instant;

use askama::Template;
use axum::extract::{RawQuery, State};
use axum::http::header::{CACHE_CONTROL, CONTENT_SECURITY_POLICY, CONTENT_TYPE};
use axum::http::{HeaderName, HeaderValue, StatusCode};
use axum::response::{IntoResponse, Response};
use search::{Mode, VectorsView, examples_vector};

use crate::app::{Service, Shared};
use crate::hits::{answer, catalogue};
use crate::problem::{Kind, Problem, Rendered};
use crate::routes::search::{LONGEST_TEXT, MOST_HITS};
use address::{Address, View};
use view::{Choice, Facet, List, Page, Results, facet_columns};

/// Hits of a list.
const HITS: usize = 20;

/// Nothing from elsewhere, no script or style in the page itself, and no frame around it.
const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src 'self' data:; \
                      form-action 'self'; base-uri 'none'; frame-ancestors 'none'";

const STYLE: &str = include_str!("../../assets/page.css");
const SCRIPT: &str = include_str!("../../assets/page.js");

/// The page; without products an empty answer, as text-embeddings-inference gives it.
pub(crate) async fn page(
    State(app): State<Shared>,
    RawQuery(text): RawQuery,
) -> Result<Response, Problem> {
    let service = app.ready()?;
    let Some(catalogue) = &service.catalogue else {
        return Ok(StatusCode::OK.into_response());
    };
    let address = address(&text)?;
    let (problem, results) = found(&app, service, &address).await;
    let snapshot = catalogue.snapshot();
    let page = Page {
        query: address.query.clone(),
        views: Choice::views(&address),
        orders: Choice::orders(&address, snapshot.settings()),
        chosen: address.chosen.clone(),
        results,
    };
    Ok(html(problem, page.render()))
}

/// The part of the page that a query changes.
pub(crate) async fn results(
    State(app): State<Shared>,
    RawQuery(text): RawQuery,
) -> Result<Response, Problem> {
    let service = app.ready()?;
    catalogue(service)?;
    let address = address(&text)?;
    let (problem, results) = found(&app, service, &address).await;
    Ok(html(problem, results.render()))
}

/// The style of the page.
pub(crate) async fn style() -> Response {
    asset("text/css; charset=utf-8", STYLE)
}

/// The script of the page.
pub(crate) async fn script() -> Response {
    asset("text/javascript; charset=utf-8", SCRIPT)
}

fn asset(kind: &'static str, text: &'static str) -> Response {
    let headers = [(CONTENT_TYPE, kind), (CACHE_CONTROL, "no-cache")];
    (headers, text).into_response()
}

/// What the address shows.
fn address(text: &Option<String>) -> Result<Address, Problem> {
    let text = text.as_deref().unwrap_or_default();
    if text.len() > LONGEST_TEXT {
        return Err(Problem::new(Kind::Malformed, "the address is too long"));
    }
    let address = Address::parse(text);
    Ok(Address {
        offset: address.offset.min(MOST_HITS),
        ..address
    })
}

fn html(problem: Option<Problem>, page: askama::Result<String>) -> Response {
    // Templates fail only where a value does, and theirs are texts.
    let page = page.unwrap_or_default();
    let headers = [
        (
            CONTENT_TYPE,
            HeaderValue::from_static("text/html; charset=utf-8"),
        ),
        (CONTENT_SECURITY_POLICY, HeaderValue::from_static(POLICY)),
        (CACHE_CONTROL, HeaderValue::from_static("no-store")),
        (
            HeaderName::from_static("x-content-type-options"),
            HeaderValue::from_static("nosniff"),
        ),
        (
            HeaderName::from_static("referrer-policy"),
            HeaderValue::from_static("same-origin"),
        ),
    ];
    let mut response = (headers, page).into_response();
    if let Some(problem) = problem {
        *response.status_mut() = problem.kind.status();
        response.extensions_mut().insert(Rendered(problem));
    }
    response
}

/// What the address asks for; a problem is shown on the page.
async fn found(app: &Shared, service: &Service, address: &Address) -> (Option<Problem>, Results) {
    match answered(app, service, address).await {
        Ok(results) => (None, results),
        Err(problem) => {
            let results = Results {
                problem: problem.message.clone(),
                ..Results::default()
            };
            (Some(problem), results)
        }
    }
}

async fn answered(app: &Shared, service: &Service, address: &Address) -> Result<Results, Problem> {
    let catalogue = catalogue(service)?;
    let snapshot = catalogue.snapshot();
    let settings = snapshot.settings();
    let columns = facet_columns(settings);
    let question = address.question(&settings.filter_columns, &columns, HITS);
    let mut results = Results::default();
    let mut last = None;
    if !address.like.is_empty() {
        let begin = Instant::now();
        let (alike, document) = app
            .blocking(|| {
                let ids = [address.like.clone()];
                let vector = snapshot.vectors(&ids)?;
                let wrong = |error: search::SearchError| Problem::field("like", error.to_string());
                let width = settings.width;
                let like = VectorsView::new(&vector, width).map_err(wrong)?;
                let unlike = VectorsView::new(&[], width).map_err(wrong)?;
                let alike = snapshot.answer(&search::Query {
                    vector: examples_vector(like, unlike).map_err(wrong)?,
                    mode: Mode::Meaning,
                    without: ids.to_vec(),
                    ..question.clone()
                })?;
                Ok::<_, Problem>((alike, snapshot.document(&address.like)?))
            })
            .await?;
        let milliseconds = begin.elapsed().as_secs_f64() * 1e3;
        results
            .lists
            .push(List::new(None, &alike, settings, milliseconds));
        results.like = document.map_or_else(String::new, |document| {
            search::index::joined(&document.texts)
        });
        last = Some(alike);
    } else if !address.query.trim().is_empty() {
        for mode in address.view.modes() {
            let question = search::Query {
                mode: *mode,
                text: match mode {
                    Mode::Meaning => String::new(),
                    _ => address.query.clone(),
                },
                ..question.clone()
            };
            let begin = Instant::now();
            let (found, _, _) = answer(
                app,
                service,
                snapshot.clone(),
                question,
                &address.query,
                None,
            )
            .await?;
            let milliseconds = begin.elapsed().as_secs_f64() * 1e3;
            results
                .lists
                .push(List::new(Some(*mode), &found, settings, milliseconds));
            // The last mode knows most rows.
            last = Some(found);
        }
    }
    let Some(last) = last else {
        return Ok(results);
    };
    results.facets = Facet::of(&last, &columns, address);
    let most = results.lists.iter().map(List::len).max().unwrap_or(0);
    results.status = match (most, results.like.is_empty()) {
        (0, _) => "No product found.".to_owned(),
        (1, true) => format!("1 product for “{}”.", address.query.trim()),
        (HITS, true) => format!("The best {HITS} products for “{}”.", address.query.trim()),
        (count, true) => format!("{count} products for “{}”.", address.query.trim()),
        (count, false) => format!("{count} products alike."),
    };
    if most == 0 && !address.chosen.is_empty() {
        let all = Address {
            chosen: Vec::new(),
            offset: 0,
            ..address.clone()
        };
        results.without_filter = all.link();
    }
    let page = |offset| Address {
        offset,
        ..address.clone()
    };
    if address.offset > 0 {
        results.before = page(address.offset.saturating_sub(HITS)).link();
    }
    if most == HITS && address.view != View::Compare {
        results.after = page(address.offset + HITS).link();
    }
    Ok(results)
}
