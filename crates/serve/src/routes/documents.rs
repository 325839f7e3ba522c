//! Products that are added, replaced and removed.

use std::collections::{BTreeMap, HashSet};
use std::net::IpAddr;

use axum::Json;
use axum::extract::State;
use axum::http::HeaderMap;
use axum::http::header::{HOST, ORIGIN};
use axum::http::uri::Authority;
use model::{EncodeOptions, Prompt};
use search::filter::Value;
use search::index::{Document, Settings, joined};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::app::Shared;
use crate::body::Body;
use crate::catalogue::Snapshot;
use crate::engine::Priority;
use crate::field::Field;
use crate::hits::catalogue;
use crate::problem::{ErrorBody, Kind, Problem};
use crate::texts::{self, Texts};
use crate::writer::{Changed, Changes};

/// Changes of the products.
#[derive(Debug, Deserialize, ToSchema)]
pub(crate) struct DocumentsRequest {
    /// Products to add, or to replace where the id is known: objects with the id column, the text columns and the
    /// filter columns of the index.
    #[serde(default)]
    #[schema(value_type = Vec<serde_json::Value>)]
    documents: Vec<BTreeMap<String, Field>>,
    /// Ids of products to remove. One that is also added is removed alone.
    #[serde(default)]
    remove: Vec<String>,
}

/// What has changed. It is on disk, or committed by the servers of a store.
#[derive(Serialize, ToSchema)]
pub(crate) struct DocumentsResponse {
    /// Products that were added or replaced.
    written: usize,
    /// Products that were there already.
    unchanged: usize,
    /// Products that were removed.
    removed: usize,
    /// Products that there are then; a store does not count them.
    rows: Option<u64>,
}

/// Adds, replaces and removes products. The answer comes when the changes are on disk, and searches see them.
#[utoipa::path(
    post, path = "/documents", tag = "search",
    request_body(
        content = DocumentsRequest,
        example = json!({ "documents": [{ "id": "A1", "title": "Steel bottle", "brand": "Acme" }], "remove": ["B2"] })
    ),
    responses(
        (status = 200, description = "The changes are on disk", body = DocumentsResponse),
        (status = "4XX", description = "The request is wrong, this service does not write, or too much waits", body = ErrorBody),
        (status = 503, description = "The service starts, stops or hangs", body = ErrorBody),
    )
)]
pub(crate) async fn change(
    State(app): State<Shared>,
    headers: HeaderMap,
    Body(DocumentsRequest {
        documents: objects,
        remove,
    }): Body<DocumentsRequest>,
) -> Result<Json<DocumentsResponse>, Problem> {
    let service = app.service()?;
    let Some(writer) = app.writer()? else {
        let _ = catalogue(service)?;
        return Err(Problem::new(
            Kind::Forbidden,
            "this service does not write: beyond loopback that needs --api-key-file",
        ));
    };
    let (count, most) = (
        objects.len() + remove.len(),
        app.options().max_client_batch_size,
    );
    if count > most {
        let message = format!(
            "the request names {count} documents, and may name {most} (--max-client-batch-size)"
        );
        return Err(Problem::field("documents", message));
    }
    let may_change = is_local(&headers) && is_of_no_other_site(&headers);
    if !app.keys().are_needed() && !may_change {
        // A page of another site may reach this address by a name of its own, or be allowed to search.
        let message = "without keys, only programs and pages of this service change products, and only at the name localhost or a loopback address";
        return Err(Problem::new(Kind::Forbidden, message));
    }
    let snapshot = catalogue(service)?.snapshot();
    let (documents, new) = app
        .searching(|| {
            let documents = documents(snapshot.settings(), &objects, &remove)?;
            let new = new_texts(&snapshot, &documents)?;
            Ok((documents, new))
        })
        .await?;
    drop(objects);
    // Changes wait for the disk or for servers.
    let bytes = documents.iter().map(bytes).sum();
    let room = (bytes > SMALL).then(|| app.room(bytes)).transpose()?;
    let mut vectors = if new.iter().any(Option::is_some) {
        let texts = Texts {
            texts: new.iter().flatten().cloned().collect(),
            options: EncodeOptions::with_prompt(Prompt::Document),
            truncate: true,
            side: None,
            field: "documents",
        };
        let priority = texts::priority(&headers)?.unwrap_or(Priority::Bulk);
        texts::embed(&app, service, texts, Some(priority))
            .await?
            .vectors
    } else {
        model::Embeddings::default()
    }
    .rows()
    .map(<[f32]>::to_vec)
    .collect::<Vec<_>>()
    .into_iter();
    let documents = documents.into_iter().zip(new);
    let changes = Changes {
        documents: documents
            .map(|(document, new)| (document, new.and_then(|_| vectors.next())))
            .collect(),
        remove,
        settings: snapshot.settings().clone(),
        room,
    };
    let Changed {
        written,
        unchanged,
        removed,
        rows,
    } = writer.change(changes).await?;
    Ok(Json(DocumentsResponse {
        written,
        unchanged,
        removed,
        rows,
    }))
}

/// Bytes of documents that need no room of their own.
const SMALL: usize = 64 * 1024;

/// Bytes of a document, about.
fn bytes(document: &Document) -> usize {
    document.texts.iter().map(String::len).sum::<usize>() + 64 * document.values.len()
}

/// Whether a request names this machine.
fn is_local(headers: &HeaderMap) -> bool {
    let host = headers.get(HOST).and_then(|host| host.to_str().ok());
    let name = host.and_then(|host| host.parse::<Authority>().ok());
    name.is_some_and(|name| {
        let name = name.host().trim_start_matches('[').trim_end_matches(']');
        let address = name.parse::<IpAddr>();
        name.eq_ignore_ascii_case("localhost") || address.is_ok_and(|address| address.is_loopback())
    })
}

/// Whether a request comes from no page in a browser, or from one of this service.
fn is_of_no_other_site(headers: &HeaderMap) -> bool {
    let Some(origin) = headers.get(ORIGIN) else {
        return true;
    };
    let origin = origin
        .to_str()
        .ok()
        .and_then(|origin| origin.split_once("://"));
    let host = headers.get(HOST).and_then(|host| host.to_str().ok());
    origin
        .zip(host)
        .is_some_and(|((_, authority), host)| authority.eq_ignore_ascii_case(host))
}

/// The documents of a request that are not removed by it. Of several with one id, the last replaces the others.
fn documents(
    settings: &Settings,
    objects: &[BTreeMap<String, Field>],
    remove: &[String],
) -> Result<Vec<Document>, Problem> {
    let documents = objects.iter().enumerate();
    let documents: Vec<Document> = documents
        .map(|(place, fields)| document(settings, place, fields))
        .collect::<Result<_, _>>()?;
    let mut passed: HashSet<String> = remove.iter().cloned().collect();
    let later = documents.into_iter().rev();
    let mut kept: Vec<Document> = later
        .filter(|document| passed.insert(document.id.clone()))
        .collect();
    kept.reverse();
    Ok(kept)
}

/// The texts to embed; `None` for a document whose vector is there already.
fn new_texts(snapshot: &Snapshot, documents: &[Document]) -> Result<Vec<Option<String>>, Problem> {
    let ids: Vec<&str> = documents.iter().map(|row| row.id.as_str()).collect();
    let known = snapshot.documents(&ids)?;
    let texts = documents.iter().map(|document| {
        let known = known.get(&document.id);
        let same = known.is_some_and(|known| known.texts == document.texts);
        (!same).then(|| joined(&document.texts))
    });
    Ok(texts.collect())
}

/// The document of a JSON object.
fn document(
    settings: &Settings,
    place: usize,
    fields: &BTreeMap<String, Field>,
) -> Result<Document, Problem> {
    let wrong =
        |what: String| Problem::field("documents", format!("document {}: {what}", place + 1));
    let is_known = |name: &str| {
        name == settings.id_column
            || settings
                .text_columns
                .iter()
                .any(|column| column.name == name)
            || settings
                .filter_columns
                .iter()
                .any(|column| column.name == name)
    };
    if let Some(name) = fields.keys().find(|name| !is_known(name)) {
        return Err(wrong(format!("the index has no column {name:?}")));
    }
    let text = |name: &str| match fields.get(name) {
        None => Ok(String::new()),
        Some(Field::Scalar(text)) => Ok(text.clone()),
        Some(Field::Nested) => Err(wrong(format!("{name:?} is neither a text nor a number"))),
    };
    let id = text(&settings.id_column)?.trim().to_owned();
    if id.is_empty() {
        return Err(wrong(format!(
            "the id is missing: name it {:?}",
            settings.id_column
        )));
    }
    let texts = settings
        .text_columns
        .iter()
        .map(|column| text(&column.name));
    let texts: Vec<String> = texts.collect::<Result<_, _>>()?;
    if texts.iter().all(|text| text.trim().is_empty()) {
        return Err(wrong(format!("{id:?} has no text")));
    }
    let values = settings.filter_columns.iter().map(|column| {
        let value = Value::parse(column.kind, &text(&column.name)?);
        let value = value.map_err(|error| wrong(format!("{:?}: {error}", column.name)))?;
        Ok(value.map(|parsed| parsed.value))
    });
    Ok(Document {
        id,
        texts,
        values: values.collect::<Result<_, Problem>>()?,
    })
}
