//! Vectors: their similarity, and exact search over them.

mod dot;
mod similarity;
mod top_k;
mod vector_index;
mod vectors_view;

pub use similarity::{Similarity, pairwise_similarity, similarity_matrix};
pub use top_k::Hit;
pub use vector_index::VectorIndex;
pub use vectors_view::VectorsView;
