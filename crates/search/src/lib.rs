//! Exact search over vectors, words, both together, an index on disk, and the metrics of retrieval.
//! The crate knows no tensors and no rows of files.
//!
//! ```
//! use search::{Similarity, VectorIndex, VectorsView};
//!
//! // Three vectors of width 2.
//! let index = VectorIndex::new(vec![1.0, 0.0, 0.0, 1.0, 1.0, 1.0], 2, Similarity::Cosine)?;
//! let query = [2.0, 0.1];
//! let hits = &index.search(VectorsView::new(&query, 2)?, 2)?[0];
//! assert_eq!((hits[0].index, hits[1].index), (0, 2));
//! // Vectors similar to vector 1, which is not among them.
//! assert_eq!(index.recommend(1, 1)?[0].index, 2);
//! # Ok::<(), search::SearchError>(())
//! ```
//!
//! Vectors are searched by int8 codes and bounds, which leave out vectors that cannot be hits: the result is that of comparing
//! all of them. [`SearchOptions::candidates`] is the one form of search that may miss a hit.
//!
//! # Guarantees
//!
//! - Hits are ordered by score, highest first. Hits of equal score are ordered by index, with boosts by the score without
//!   them first.
//! - An empty index and `k` = 0 give no hits. A `k` above the number of vectors gives all of them.
//! - The cosine with a zero vector is 0.
//! - A NaN or an infinity is an error that names its row and column, because it would make the
//!   order arbitrary.
//! - A score depends only on its two vectors: not on their position, the other vectors, the number
//!   of threads or the processor. Equal vectors have equal scores.

mod answer_json;
mod boost;
mod boosted_columns;
mod error;
pub mod filter;
mod fusion;
pub mod index;
pub mod metrics;
mod query;
mod table;
mod vectors;
pub mod words;

pub use answer_json::{AnswerJson, Asked};
pub use boost::{BoostedHit, Raised};
pub use error::SearchError;
pub use fusion::Candidate;
pub use query::{Answer, Boost, Explanation, FacetCount, Found, Fusion, Mode, Query, Sort};
pub use table::{Table, TableAnswer};
pub use vectors::{
    Codes, Hit, Recall, Rows, SearchOptions, Similarity, VectorIndex, VectorsView, examples_vector,
    pairwise_similarity, similarity_matrix,
};
