//! Exact search over rows of vectors, and the metrics of retrieval. No tensors, no files.
//!
//! ```
//! use search::{Index, Rows, Similarity};
//!
//! // Three vectors of width 2.
//! let index = Index::new(vec![1.0, 0.0, 0.0, 1.0, 1.0, 1.0], 2, Similarity::Cosine)?;
//! let query = [2.0, 0.1];
//! let hits = &index.search(Rows::new(&query, 2)?, 2)?[0];
//! assert_eq!((hits[0].index, hits[1].index), (0, 2));
//! // What is like vector 1? Not itself.
//! assert_eq!(index.recommend(1, 1)?[0].index, 2);
//! # Ok::<(), search::SearchError>(())
//! ```
//!
//! # What is defined
//!
//! - Hits are ordered by score, highest first; of equal scores the lower index comes first.
//! - No vectors, or `k` = 0, give no hits; a `k` above their number gives them all.
//! - The cosine with a zero vector is 0.
//! - A NaN or an infinity is an error that names its row and column: it would make every order
//!   arbitrary.
//! - A score depends on its two vectors alone, not on their place, the other vectors, the number of
//!   threads or the processor: equal vectors have equal scores.

mod dot;
mod error;
mod index;
pub mod metrics;
mod rows;
mod similarity;
mod top_k;

pub use error::SearchError;
pub use index::Index;
pub use rows::Rows;
pub use similarity::{Similarity, pairwise_similarity, similarity_matrix};
pub use top_k::Hit;
