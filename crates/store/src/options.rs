//! How a store is reached and searched.

use std::time::Duration;

/// How a store is reached and searched.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Options {
    /// The name of the store: the schema in each server's database that holds its tables.
    pub name: String,
    /// The longest wait for a connection.
    pub connect_timeout: Duration,
    /// The longest wait for the answer to a question; loading and building indexes may take longer.
    pub answer_timeout: Duration,
    /// Whether questions are answered without the shards that do not answer, which
    /// [`Answer::missing`](search::Answer::missing) then names. Otherwise they are an error.
    pub partial: bool,
    /// Whether the nearest vectors are found by a scan of all rows instead of the HNSW index.
    pub exact: bool,
    /// Rows that a search of the HNSW index keeps in view, from 1 to 1000: more find more of the nearest and take
    /// longer. A question that names its recall chooses by itself.
    pub ef_search: usize,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            name: "catalogue".to_owned(),
            connect_timeout: Duration::from_secs(5),
            answer_timeout: Duration::from_secs(30),
            partial: false,
            exact: false,
            ef_search: 200,
        }
    }
}
