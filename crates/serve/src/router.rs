//! The router: routes behind keys, errors in the words of their route, counters.

use std::time::Instant;

use axum::Router;
use axum::extract::{MatchedPath, Request, State};
use axum::http::header::{ALLOW, WWW_AUTHENTICATE};
use axum::http::{HeaderValue, Method};
use axum::middleware::{self, Next};
use axum::response::{IntoResponse, Response};
use tower_http::catch_panic::CatchPanicLayer;

use crate::app::Shared;
use crate::origin::cors;
use crate::problem::{Dialect, Kind, Problem, Rendered};
use crate::routes;

/// All routes.
pub(crate) fn router(app: Shared) -> Router {
    let keyed = middleware::from_fn_with_state(app.clone(), require_key);
    let finished = middleware::from_fn_with_state(app.clone(), finish);
    let router = routes::with_key()
        .layer(keyed)
        .merge(routes::public())
        .fallback(|| async { no_route() })
        .layer(CatchPanicLayer::custom(panicked))
        .layer(finished);
    let router = match cors(&app.options().cors_allow_origin) {
        Some(cors) => router.layer(cors),
        None => router,
    };
    router.with_state(app)
}

fn no_route() -> Problem {
    Problem::new(
        Kind::NotFound,
        "there is no such route; /api-doc/openapi.json lists all",
    )
}

async fn require_key(State(app): State<Shared>, request: Request, next: Next) -> Response {
    if app.keys().allow(request.headers()) {
        return next.run(request).await;
    }
    let message = "a key is needed: send the header `authorization: Bearer KEY`";
    Problem::new(Kind::Unauthorized, message).into_response()
}

/// Counts a request, and writes its problem in the words of the route.
async fn finish(State(app): State<Shared>, request: Request, next: Next) -> Response {
    let begin = Instant::now();
    let path = request.uri().path().to_owned();
    let matched = request.extensions().get::<MatchedPath>();
    let route = matched.map_or_else(|| "other".to_owned(), |path| path.as_str().to_owned());
    let method = request.method().clone();
    let mut response = next.run(request).await;
    let rendered = response.extensions_mut().remove::<Rendered>();
    let (is_rendered, problem) = match rendered {
        Some(Rendered(problem)) => (true, Some(problem)),
        None => (false, problem_of(&mut response)),
    };
    app.metrics().request(
        &route,
        problem.as_ref().map(|problem| problem.kind),
        begin.elapsed(),
    );
    let Some(problem) = problem else {
        return response;
    };
    app.refused(format!(
        "{method} {path}: {}: {}",
        problem.kind.status().as_u16(),
        // Words of the request may be in it, and must not look like lines of their own.
        problem.message.replace(char::is_control, " ")
    ));
    if is_rendered {
        return response;
    }
    let allow = response.headers_mut().remove(ALLOW);
    let mut response = problem.render(Dialect::of_path(&path));
    if problem.kind == Kind::Unauthorized
        && matches!(path.as_str(), "/" | "/results")
        && matches!(method, Method::GET | Method::HEAD)
    {
        // A browser asks its user for the key.
        let basic = HeaderValue::from_static("Basic realm=\"key as password\", charset=\"UTF-8\"");
        response.headers_mut().insert(WWW_AUTHENTICATE, basic);
    }
    if let Some(allow) = allow {
        response.headers_mut().insert(ALLOW, allow);
    }
    response
}

/// The problem of a response; axum has statuses of its own.
fn problem_of(response: &mut Response) -> Option<Problem> {
    let problem = response.extensions_mut().remove::<Problem>();
    problem.or_else(|| {
        let (kind, message) = Kind::of_status(response.status())?;
        Some(Problem::new(kind, message))
    })
}

/// A panic of a handler costs its request.
fn panicked(_: Box<dyn std::any::Any + Send>) -> Response {
    Problem::new(Kind::Backend, "the request failed; the service goes on").into_response()
}
