//! From the texts of a request to their vectors.

use std::time::Instant;

use axum::http::{HeaderMap, HeaderValue};
use model::{Embeddings, EncodeOptions, Prompt, SentenceEncoder, TokenizedTexts, TruncationSide};

use crate::app::{Service, Shared};
use crate::engine::{Output, Priority, Times};
use crate::problem::{Kind, Problem};

/// The header that chooses a priority.
const PRIORITY: &str = "x-priority";

/// Bytes of texts that are tokenized at once; more would keep other connections waiting.
const TOKENIZED_AT_ONCE: usize = 4096;

/// Vectors that are given their form at once.
const FINISHED_AT_ONCE: usize = 32;

/// Texts, and what is asked of their vectors.
#[derive(Debug)]
pub(crate) struct Texts {
    pub(crate) texts: Vec<String>,
    /// The prompt, and the form of the vectors.
    pub(crate) options: EncodeOptions,
    /// Whether long texts are truncated; else they are refused.
    pub(crate) truncate: bool,
    pub(crate) side: Option<TruncationSide>,
    /// The field of the texts, for messages.
    pub(crate) field: &'static str,
}

impl Texts {
    /// Numbers of their vectors.
    pub(crate) fn numbers(&self, service: &Service) -> usize {
        let width = service.encoder().full_width();
        let width = self
            .options
            .dimensions
            .map_or(width, |most| width.min(most));
        self.texts.len() * width
    }
}

/// Vectors, and what they cost.
pub(crate) struct Embedded {
    pub(crate) vectors: Embeddings,
    pub(crate) cost: Cost,
}

/// What a request cost.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Cost {
    pub(crate) characters: usize,
    pub(crate) tokens: usize,
    /// Seconds until the texts were tokenized.
    pub(crate) tokenization: f64,
    pub(crate) times: Times,
    pub(crate) total: f64,
}

/// The prompt of a request.
pub(crate) fn prompt(name: Option<String>) -> Prompt {
    match name.as_deref() {
        None => Prompt::Default,
        Some("query") => Prompt::Query,
        Some("document") => Prompt::Document,
        Some(_) => Prompt::Named(name.unwrap_or_default()),
    }
}

/// The options of a request. Vectors that are cut are scaled to length 1 again where the model's are, as in
/// text-embeddings-inference.
pub(crate) fn options(
    prompt: Prompt,
    normalize: Option<bool>,
    dimensions: Option<usize>,
    service: &Service,
) -> EncodeOptions {
    let route = service.encoder().route(&prompt);
    let normalizes = route.is_ok_and(model::Route::model_normalizes);
    let mut options = EncodeOptions::with_prompt(prompt);
    options.dimensions = dimensions;
    options.normalize = normalize.or(dimensions.is_some().then_some(normalizes));
    options
}

/// The priority that a request asks for.
///
/// # Errors
///
/// When there is no such priority.
pub(crate) fn priority(headers: &HeaderMap) -> Result<Option<Priority>, Problem> {
    match headers.get(PRIORITY).map(HeaderValue::as_bytes) {
        None => Ok(None),
        Some(b"interactive") => Ok(Some(Priority::Interactive)),
        Some(b"bulk") => Ok(Some(Priority::Bulk)),
        Some(_) => Err(Problem::field(
            "x-priority",
            "the header x-priority is interactive or bulk",
        )),
    }
}

/// Checks, tokenizes and computes texts.
///
/// # Errors
///
/// When there are too many texts, one is too long, too much waits already, or the model fails.
pub(crate) async fn embed(
    app: &Shared,
    service: &Service,
    texts: Texts,
    priority: Option<Priority>,
) -> Result<Embedded, Problem> {
    let options = texts.options.clone();
    let (pooled, cost) = pooled(app, service, texts, priority, |output| match output {
        Output::Vectors(vectors) => Ok(vectors),
        Output::Scores(_) => Ok(Embeddings::default()),
    })
    .await?;
    let finish = || service.encoder().finish(&pooled, &options);
    let vectors = if pooled.len() <= FINISHED_AT_ONCE {
        finish()
    } else {
        app.blocking(finish).await
    }?;
    Ok(Embedded { vectors, cost })
}

/// As [`embed`], with what `then` makes of the vectors as the network pools them, on the engine's thread.
pub(crate) async fn pooled<R: Send + 'static>(
    app: &Shared,
    service: &Service,
    texts: Texts,
    priority: Option<Priority>,
    then: impl FnOnce(Output) -> Result<R, Problem> + Send + 'static,
) -> Result<(R, Cost), Problem> {
    let begin = Instant::now();
    check(app, service, &texts)?;
    let guess = Priority::of(
        texts.texts.len(),
        texts.texts.iter().map(|text| text.len() / 4).sum(),
    );
    // Before the texts are tokenized: a refusal is cheap.
    service.engine.admit(priority.unwrap_or(guess))?;
    let characters = texts.texts.iter().map(|text| text.chars().count()).sum();
    let tokenized = tokenized(app, service, texts).await?;
    let tokenization = begin.elapsed().as_secs_f64();
    let tokens = tokenized.tokens();
    let priority = priority.unwrap_or_else(|| Priority::of(tokenized.len(), tokens));
    let (result, times) = service.engine.embed(tokenized, priority, then).await?;
    app.metrics()
        .computed(tokenization, times.queue, times.inference);
    let cost = Cost {
        characters,
        tokens,
        tokenization,
        times,
        total: begin.elapsed().as_secs_f64(),
    };
    Ok((result, cost))
}

/// Checks the number of texts and of dimensions.
///
/// # Errors
///
/// When a request may not have so many.
pub(crate) fn check(app: &Shared, service: &Service, texts: &Texts) -> Result<(), Problem> {
    let field = texts.field;
    if texts.texts.is_empty() {
        return Err(Problem::field(field, format!("`{field}` has no text")));
    }
    check_count(app, field, texts.texts.len())?;
    let width = service.encoder().full_width();
    match texts.options.dimensions {
        Some(dimensions) if !(1..=width).contains(&dimensions) => Err(Problem::field(
            "dimensions",
            format!("`dimensions` is {dimensions}, and the vectors of this model have {width}"),
        )),
        _ => Ok(()),
    }
}

/// Fails for more texts than a request may have.
pub(crate) fn check_count(app: &Shared, field: &'static str, count: usize) -> Result<(), Problem> {
    let most = app.options().max_client_batch_size;
    if count <= most {
        return Ok(());
    }
    let message = format!(
        "`{field}` has {count} texts, and a request may have {most} (--max-client-batch-size)"
    );
    Err(Problem::field(field, message))
}

async fn tokenized(
    app: &Shared,
    service: &Service,
    texts: Texts,
) -> Result<TokenizedTexts, Problem> {
    let encoder = service.encoder();
    let bytes: usize = texts.texts.iter().map(String::len).sum();
    let tokenize = || encoder.tokenize(&texts.texts, &texts.options, texts.side);
    let tokenized = if bytes <= TOKENIZED_AT_ONCE {
        tokenize()
    } else {
        app.blocking(tokenize).await
    }?;
    match tokenized.first_truncated() {
        Some(place) if !texts.truncate => Err(too_long(encoder, &texts, place)),
        _ => Ok(tokenized),
    }
}

fn too_long(encoder: &SentenceEncoder, texts: &Texts, place: usize) -> Problem {
    let (field, most) = (texts.field, encoder.tokenizer().max_length());
    let text = format!(
        "text {} of `{field}` has more than {most} tokens",
        place + 1
    );
    Problem::new(
        Kind::Validation,
        format!("{text}: shorten it, or send `truncate: true`"),
    )
}

impl Cost {
    /// The headers of text-embeddings-inference about the cost of a request; times are in milliseconds.
    pub(crate) fn headers(&self, device: model::Device) -> HeaderMap {
        let mut headers = HeaderMap::new();
        let milliseconds = |seconds: f64| (seconds * 1000.0).round() as u64;
        let compute = if device.is_gpu() { "gpu" } else { "cpu" };
        headers.insert("x-compute-type", HeaderValue::from_static(compute));
        for (name, value) in [
            ("x-compute-characters", self.characters as u64),
            ("x-compute-tokens", self.tokens as u64),
            ("x-compute-time", milliseconds(self.total)),
            ("x-total-time", milliseconds(self.total)),
            ("x-tokenization-time", milliseconds(self.tokenization)),
            ("x-queue-time", milliseconds(self.times.queue)),
            ("x-inference-time", milliseconds(self.times.inference)),
        ] {
            headers.insert(name, HeaderValue::from(value));
        }
        headers
    }
}
