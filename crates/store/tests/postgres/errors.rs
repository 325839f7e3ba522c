//! One sentence for everything that goes wrong.
