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

/// An opened catalogue.
pub(crate) enum Catalogue {
    Index {
        folder: PathBuf,
        /// The last snapshot. A request keeps the one that it began with.
        reader: Mutex<Arc<IndexReader>>,
        /// Held by whoever takes up changes, so that a later state is not replaced by an earlier one.
        refreshing: Mutex<()>,
    },
    Store(Arc<PostgresStore>),
}

impl Catalogue {
    pub(crate) fn new(source: CatalogueSource) -> Self {
        match source {
            CatalogueSource::Index { folder, reader } => Self::Index {
                folder,
                reader: Mutex::new(Arc::new(reader)),
                refreshing: Mutex::default(),
            },
            CatalogueSource::Store(store) => Self::Store(Arc::new(store)),
        }
    }

    /// What requests are answered from.
    pub(crate) fn snapshot(&self) -> Snapshot<'_> {
        match self {
            Self::Index { reader, .. } => {
                let reader = reader.lock().unwrap_or_else(PoisonError::into_inner);
                Snapshot::Index(Arc::clone(&reader))
            }
            Self::Store(store) => Snapshot::Store(store),
        }
    }

    /// Takes up what has changed on disk. An index that was rebuilt for another model is not taken up.
    ///
    /// # Errors
    ///
    /// When the index cannot be read, or is of another model; requests are answered from the earlier snapshot.
    pub(crate) fn refresh(&self, model: &ModelFingerprint) -> Result<(), Problem> {
        let Self::Index {
            reader, refreshing, ..
        } = self
        else {
            return Ok(());
        };
        let _refreshing = refreshing.lock().unwrap_or_else(PoisonError::into_inner);
        let current = Arc::clone(&reader.lock().unwrap_or_else(PoisonError::into_inner));
        let Some(newer) = current.refreshed()? else {
            return Ok(());
        };
        newer.settings().model.check(model)?;
        *reader.lock().unwrap_or_else(PoisonError::into_inner) = Arc::new(newer);
        Ok(())
    }
}

/// A state of the catalogue.
#[derive(Clone)]
pub(crate) enum Snapshot<'a> {
    Index(Arc<IndexReader>),
    Store(&'a PostgresStore),
}

impl Snapshot<'_> {
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
