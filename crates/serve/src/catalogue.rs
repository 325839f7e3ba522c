//! The products behind a service: an index on disk, or a store on servers.

use std::collections::{BTreeMap, HashMap};
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};

use search::index::{Document, IndexError, IndexReader, ModelFingerprint, Settings};
use search::{Answer, Boost, Query};
use store::PostgresStore;

use crate::problem::{Kind, Problem};

/// Where products are.
pub enum CatalogueSource {
    /// An index on disk, which may be changed meanwhile by this service and by other programs.
    Index {
        /// Its folder.
        folder: PathBuf,
        /// The index as it was opened.
        reader: IndexReader,
    },
    /// A store on servers of PostgreSQL.
    Store(PostgresStore),
}

/// What is shown until a later state takes its place. A request keeps the one that it began with.
pub(crate) struct Current<T>(Arc<Mutex<Arc<T>>>);

impl<T> Current<T> {
    fn new(state: T) -> Self {
        Self(Arc::new(Mutex::new(Arc::new(state))))
    }

    pub(crate) fn get(&self) -> Arc<T> {
        Arc::clone(&self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }

    fn set(&self, state: T) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Arc::new(state);
    }
}

impl<T> Clone for Current<T> {
    fn clone(&self) -> Self {
        Self(Arc::clone(&self.0))
    }
}

/// An opened catalogue.
pub(crate) struct Catalogue {
    pub(crate) place: Place,
    /// Held by whoever takes up changes, so that a later state is not replaced by an earlier one.
    refreshing: Mutex<()>,
}

/// Where the products of a catalogue are.
pub(crate) enum Place {
    Index {
        folder: PathBuf,
        reader: Current<IndexReader>,
    },
    Store(Current<PostgresStore>),
}

impl Catalogue {
    pub(crate) fn new(source: CatalogueSource) -> Self {
        let place = match source {
            CatalogueSource::Index { folder, reader } => Place::Index {
                folder,
                reader: Current::new(reader),
            },
            CatalogueSource::Store(store) => Place::Store(Current::new(store)),
        };
        Self {
            place,
            refreshing: Mutex::default(),
        }
    }

    /// What requests are answered from.
    pub(crate) fn snapshot(&self) -> Snapshot {
        match &self.place {
            Place::Index { reader, .. } => Snapshot::Index(reader.get()),
            Place::Store(store) => Snapshot::Store(store.get()),
        }
    }

    /// Takes up an index that has changed on disk, or a store that has taken the place of the opened one. What was made
    /// for another model is not taken up.
    ///
    /// # Errors
    ///
    /// When the index or the store cannot be read, or is of another model; requests are answered from the earlier
    /// snapshot, as far as it is there.
    pub(crate) fn refresh(&self, model: &ModelFingerprint) -> Result<(), Problem> {
        let _refreshing = self.refreshing.lock();
        match &self.place {
            Place::Index { reader, .. } => {
                if let Some(newer) = reader.get().refreshed()? {
                    newer.settings().model.check(model)?;
                    reader.set(newer);
                }
            }
            Place::Store(store) => {
                // It has the model of the opened one.
                if let Some(newer) = store.get().refreshed()? {
                    store.set(newer);
                }
            }
        }
        Ok(())
    }
}

/// A state of the catalogue.
#[derive(Clone)]
pub(crate) enum Snapshot {
    Index(Arc<IndexReader>),
    Store(Arc<PostgresStore>),
}

impl Snapshot {
    pub(crate) fn settings(&self) -> &Settings {
        match self {
            Self::Index(index) => index.settings(),
            Self::Store(store) => store.settings(),
        }
    }

    /// The number of products; a store does not count them.
    pub(crate) fn rows(&self) -> Option<u64> {
        match self {
            Self::Index(index) => Some(index.len()),
            Self::Store(_) => None,
        }
    }

    pub(crate) fn answer(&self, query: &Query) -> Result<Answer, Problem> {
        match self {
            Self::Index(index) => Ok(index.answer(query)?),
            Self::Store(store) => Ok(store.answer(query)?),
        }
    }

    /// The documents with these ids that there are.
    pub(crate) fn documents(&self, ids: &[&str]) -> Result<HashMap<String, Document>, Problem> {
        match self {
            Self::Index(index) => {
                let mut documents = HashMap::new();
                for id in ids {
                    let document = index.document(id)?;
                    documents.extend(document.map(|document| (document.id.clone(), document)));
                }
                Ok(documents)
            }
            Self::Store(store) => {
                let rows = store.rows(ids)?.into_iter();
                Ok(rows.map(|(id, (document, _))| (id, document)).collect())
            }
        }
    }

    /// What raises scores, of the values of columns that a query names; weights are by column.
    ///
    /// # Errors
    ///
    /// When a column or a weight is wrong, or the products are in a store, which has no boosts.
    pub(crate) fn boosts(
        &self,
        query: &str,
        weights: &BTreeMap<String, f32>,
    ) -> Result<Vec<Boost>, Problem> {
        if weights.is_empty() {
            return Ok(Vec::new());
        }
        let Self::Index(index) = self else {
            let message = "products in a store have no `boost`: serve an index";
            return Err(Problem::field("boost", message));
        };
        let wrong = |error: IndexError| Problem::field("boost", error.to_string());
        for (column, &weight) in weights {
            if !(weight >= 0.0 && weight.is_finite()) {
                let message = format!("the boost of {column:?} must be a number from 0 on");
                return Err(Problem::field("boost", message));
            }
        }
        let weights: Vec<(String, f32)> = weights.clone().into_iter().collect();
        if let Some(column) = Boost::repeated_column(&weights) {
            let message = format!("{column:?} is the same column as another one");
            return Err(Problem::field("boost", message));
        }
        let columns: Vec<String> = weights.iter().map(|(column, _)| column.clone()).collect();
        let named = index.named_values(query, &columns).map_err(wrong)?;
        Ok(Boost::of_named(named, &weights))
    }

    pub(crate) fn document(&self, id: &str) -> Result<Option<Document>, Problem> {
        match self {
            Self::Index(index) => Ok(index.document(id)?),
            Self::Store(store) => Ok(store.document(id)?),
        }
    }

    /// The vectors of rows, one after the other.
    pub(crate) fn vectors(&self, ids: &[String]) -> Result<Vec<f32>, Problem> {
        let mut values = Vec::with_capacity(ids.len() * self.settings().width);
        for id in ids {
            let vector = match self {
                Self::Index(index) => index.vector(id)?,
                Self::Store(store) => store.vector(id)?,
            };
            let unknown = || Problem::new(Kind::NotFound, format!("no product has the id {id:?}"));
            values.extend(vector.ok_or_else(unknown)?);
        }
        Ok(values)
    }
}
