//! What the Python package `mpnet_burn` computes: `mpnet_burn._native`. Its Python side is in `python/mpnet_burn`.

mod encoder;
mod error;
mod index;
mod index_rows;
mod index_values;
mod loading;
mod pair_scorer;
mod similarity;
mod texts;
mod threads;
mod watch;

/// The part of `mpnet_burn` that is compiled; not for other modules.
#[pyo3::pymodule]
mod _native {
    use pyo3::prelude::*;

    #[pymodule_export]
    use crate::encoder::Encoder;
    #[pymodule_export]
    use crate::index::Index;
    #[pymodule_export]
    use crate::pair_scorer::PairScorer;
    #[pymodule_export]
    use crate::similarity::similarity;

    #[pymodule_init]
    fn init(module: &Bound<'_, PyModule>) -> PyResult<()> {
        // A panic that becomes an error is no news for standard error.
        guard::keep_guarded_panics_quiet();
        module.add("__version__", env!("CARGO_PKG_VERSION"))?;
        module.add("DEFAULT_MODEL", model::hub::DEFAULT_MODEL)
    }
}
