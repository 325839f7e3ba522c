//! The losses against sentence-transformers, and at the edges of what data can be.

mod edges;
mod names;
mod reference;
mod tiny_model;
