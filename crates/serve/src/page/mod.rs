//! The page: search in a browser. It works without JavaScript; with it, hits come while somebody types.

mod address;
mod found;
mod view;

use askama::Template;
use axum::extract::{RawQuery, State};
use axum::http::header::{CACHE_CONTROL, CONTENT_SECURITY_POLICY, CONTENT_TYPE};
use axum::http::{HeaderName, HeaderValue, StatusCode};
use axum::response::{IntoResponse, Response};
use search::index::{Settings, joined};

use crate::app::Shared;
use crate::catalogue::Snapshot;
use crate::hits::catalogue;
use crate::problem::{Kind, Problem, Rendered};
use crate::response::{ResponseRoom, writing};
use crate::routes::search::{LONGEST_TEXT, MOST_HITS};
use address::{Address, View};
use found::{Found, found, size};
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
    // While the service stops, what was asked is answered.
    let service = app.service()?;
    let Some(catalogue) = &service.catalogue else {
        app.ready()?;
        return Ok(StatusCode::OK.into_response());
    };
    let address = address(&text)?;
    let snapshot = catalogue.snapshot();
    let found = found(&app, service, &snapshot, &address).await;
    let size = size(&found);
    let (found, room) = with_room(&app, found, size);
    let write = || {
        let (problem, results) = results_of(found, &address, &snapshot);
        let page = Page {
            query: address.query.clone(),
            views: Choice::views(&address),
            orders: Choice::orders(&address, snapshot.settings()),
            chosen: address.chosen.clone(),
            like: address.like.clone(),
            results,
        };
        html(problem, page.render(), room)
    };
    Ok(writing(&app, size, write).await)
}

/// The part of the page that a query changes.
pub(crate) async fn results(
    State(app): State<Shared>,
    RawQuery(text): RawQuery,
) -> Result<Response, Problem> {
    let service = app.service()?;
    let snapshot = catalogue(service)?.snapshot();
    let address = address(&text)?;
    let found = found(&app, service, &snapshot, &address).await;
    let size = size(&found);
    let (found, room) = with_room(&app, found, size);
    let write = || {
        let (problem, results) = results_of(found, &address, &snapshot);
        html(problem, results.render(), room)
    };
    Ok(writing(&app, size, write).await)
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

/// What was found, if there is room for a page with it.
fn with_room(
    app: &Shared,
    found: Result<Found, Problem>,
    size: usize,
) -> (Result<Found, Problem>, Option<ResponseRoom>) {
    match ResponseRoom::new(app, size) {
        Ok(room) => (found, Some(room)),
        Err(problem) => (Err(problem), None),
    }
}

fn html(
    problem: Option<Problem>,
    page: askama::Result<String>,
    room: Option<ResponseRoom>,
) -> Response {
    // Templates fail only where a value does, and theirs are texts.
    let page = page.unwrap_or_default().into_bytes();
    let page = match room {
        Some(room) => room.body(page),
        None => page.into(),
    };
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
        problem.kind.add_headers(response.headers_mut());
        response.extensions_mut().insert(Rendered(problem));
    }
    response
}

/// What is shown; a problem is shown on the page.
fn results_of(
    found: Result<Found, Problem>,
    address: &Address,
    snapshot: &Snapshot,
) -> (Option<Problem>, Results) {
    match found {
        Ok(found) => (None, shown(found, address, snapshot.settings())),
        Err(problem) => {
            let results = Results {
                problem: problem.message.clone(),
                ..Results::default()
            };
            (Some(problem), results)
        }
    }
}

fn shown(found: Found, address: &Address, settings: &Settings) -> Results {
    let Found { lists, like } = found;
    let mut results = Results::default();
    // The last mode knows most rows.
    let Some(last) = lists.last() else {
        return results;
    };
    results.facets = Facet::of(&last.answer, &facet_columns(settings), address);
    results.like = like.map_or_else(String::new, |document| joined(&document.texts));
    results.lists = lists
        .iter()
        .map(|list| List::new(list.mode, &list.answer, settings, list.milliseconds))
        .collect();
    let most = results.lists.iter().map(List::len).max().unwrap_or(0);
    let (first, last) = (address.offset + 1, address.offset + most);
    results.status = match (most, results.like.is_empty()) {
        (0, _) if address.offset > 0 => "No further product.".to_owned(),
        (0, _) => "No product found.".to_owned(),
        (_, true) if address.offset > 0 => {
            format!("Products {first} to {last} for “{}”.", address.query.trim())
        }
        (_, false) if address.offset > 0 => format!("Products {first} to {last}, alike."),
        (1, true) => format!("1 product for “{}”.", address.query.trim()),
        (HITS, true) => format!("The best {HITS} products for “{}”.", address.query.trim()),
        (count, true) => format!("{count} products for “{}”.", address.query.trim()),
        (count, false) => format!("{count} products alike."),
    };
    if most == 0 && address.offset == 0 && !address.chosen.is_empty() {
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
    let further = address.offset + HITS <= MOST_HITS;
    if most == HITS && further && address.view != View::Compare {
        results.after = page(address.offset + HITS).link();
    }
    results
}
