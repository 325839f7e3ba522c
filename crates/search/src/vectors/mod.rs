//! Vectors: their similarity, and exact search over them.

mod blocks;
mod bounded;
mod brute_force;
mod codes;
mod dot;
mod examples;
mod length;
mod one_bit;
mod request;
mod rotation;
mod rows;
mod similarity;
mod top_k;
mod vector_index;
mod vectors_view;

pub use codes::Codes;
pub use examples::examples_vector;
pub use rows::Rows;
pub use similarity::{Similarity, pairwise_similarity, similarity_matrix};
pub use top_k::Hit;
pub(crate) use top_k::TopK;
pub use vector_index::{Recall, SearchOptions, VectorIndex};
pub use vectors_view::VectorsView;
