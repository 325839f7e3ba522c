//! The similarity of vectors.

use numpy::ndarray::Array2;
use numpy::{IntoPyArray, PyArrayDyn, PyArrayMethods, PyReadonlyArray2};
use pyo3::prelude::*;
use search::{Similarity, VectorsView, pairwise_similarity, similarity_matrix};

use crate::encoder::Encoder;
use crate::error::{Error, shape, unknown};

/// The measure with this name.
pub(crate) fn measure(name: &str) -> Result<Similarity, Error> {
    let known = Similarity::ALL.map(Similarity::name);
    Similarity::from_name(name).ok_or_else(|| unknown("the similarity", name, &known))
}

/// Compares the rows of two matrices by a measure: every row with every row, `[left, right]`, or `pairwise` each with
/// the one in its place, `[left]`. Rows must be contiguous. The threads are those of the encoder.
#[pyfunction]
pub(crate) fn similarity<'py>(
    py: Python<'py>,
    encoder: &Encoder,
    left: PyReadonlyArray2<'py, f32>,
    right: PyReadonlyArray2<'py, f32>,
    name: &str,
    pairwise: bool,
) -> PyResult<Bound<'py, PyArrayDyn<f32>>> {
    let measure = measure(name)?;
    let (rows, columns) = (left.as_array().nrows(), right.as_array().nrows());
    let (left_width, right_width) = (left.as_array().ncols(), right.as_array().ncols());
    let (left, right) = (left.as_slice()?, right.as_slice()?);
    let scores = py.detach(|| {
        encoder.threads.pool()?.install(|| {
            let left = VectorsView::new(left, left_width)?;
            let right = VectorsView::new(right, right_width)?;
            let compare = if pairwise {
                pairwise_similarity
            } else {
                similarity_matrix
            };
            Ok::<_, Error>(compare(left, right, measure)?)
        })
    })?;
    if pairwise {
        return Ok(scores.into_pyarray(py).to_dyn().clone());
    }
    let scores = Array2::from_shape_vec((rows, columns), scores).map_err(shape)?;
    Ok(scores.into_pyarray(py).to_dyn().clone())
}
