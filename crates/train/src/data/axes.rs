//! Principal axes of vectors, onto which a teacher's vectors are projected for a narrower student.

use std::iter::Sum;
use std::ops::{AddAssign, Mul};

/// The directions in which vectors have most of their length, seen from zero: cosines are measured from zero, too.
#[derive(Debug)]
pub(crate) struct Axes {
    /// Numbers of a vector.
    width: usize,
    /// The axes, the one with most length first, of norm 1: row-major `[axes, width]`.
    values: Vec<f32>,
}

/// Rotations of a pair of rows below this cosine are left out.
const ORTHOGONAL: f64 = 1e-12;

/// A direction has an axis if the vectors have more than this share of the greatest length in it. Sums of float64 have
/// errors of about 1e-16.
const NO_LENGTH: f64 = 1e-12;

/// Passes over all pairs of rows. Ten are usual.
const MOST_PASSES: usize = 40;

impl Axes {
    /// The first `count` axes of `vectors`, `[vectors, width]`. At most `width` of them exist.
    pub(crate) fn of(vectors: &[f32], width: usize, count: usize) -> Self {
        let moments = second_moments(vectors, width);
        let mut axes = eigenvectors(moments, width);
        axes.truncate(count);
        let values = axes.into_iter().flatten().map(|value| value as f32);
        Self {
            width,
            values: values.collect(),
        }
    }

    /// Number of axes.
    pub(crate) fn count(&self) -> usize {
        self.values.len() / self.width.max(1)
    }

    /// The coordinates of vectors along the axes, `[vectors, axes]`.
    pub(crate) fn project(&self, vectors: &[f32]) -> Vec<f32> {
        let vectors = vectors.chunks_exact(self.width);
        let axes = || self.values.chunks_exact(self.width);
        vectors
            .flat_map(|vector| axes().map(move |axis| dot(vector, axis)))
            .collect()
    }
}

/// The sum in eight parts, which the processor adds at once.
fn dot<T: Copy + Default + AddAssign + Mul<Output = T> + Sum>(left: &[T], right: &[T]) -> T {
    let (left, left_rest) = left.as_chunks::<8>();
    let (right, right_rest) = right.as_chunks::<8>();
    let mut sums = [T::default(); 8];
    for (left, right) in left.iter().zip(right) {
        for ((sum, left), right) in sums.iter_mut().zip(left).zip(right) {
            *sum += *left * *right;
        }
    }
    let rest = left_rest.iter().zip(right_rest).map(|(a, b)| *a * *b);
    sums.into_iter().chain(rest).sum()
}

/// The sum of the outer products of the vectors with themselves: rows of a symmetric matrix.
fn second_moments(vectors: &[f32], width: usize) -> Vec<Vec<f64>> {
    let mut rows = vec![vec![0.0; width]; width];
    for vector in vectors.chunks_exact(width) {
        for (place, row) in rows.iter_mut().enumerate() {
            let factor = f64::from(vector[place]);
            for (sum, value) in row[place..].iter_mut().zip(&vector[place..]) {
                *sum += factor * f64::from(*value);
            }
        }
    }
    for row in 1..width {
        let (above, below) = rows.split_at_mut(row);
        for (place, above) in above.iter().enumerate() {
            below[0][place] = above[row];
        }
    }
    rows
}

/// The eigenvectors of a symmetric matrix without negative eigenvalues, that of the largest first.
///
/// One-sided Jacobi rotations (Hestenes 1958) make all rows of the matrix orthogonal. For a symmetric matrix these
/// rows are the eigenvectors, each times its eigenvalue.
fn eigenvectors(mut rows: Vec<Vec<f64>>, width: usize) -> Vec<Vec<f64>> {
    for _ in 0..MOST_PASSES {
        let mut rotated = false;
        for first in 0..width {
            let (before, after) = rows.split_at_mut(first + 1);
            let one = &mut before[first];
            let mut square = dot(one, one);
            for other in after {
                let (mixed, other_square) = (dot(one, other), dot(other, other));
                if mixed.abs() <= ORTHOGONAL * (square * other_square).sqrt() {
                    continue;
                }
                rotated = true;
                let ratio = (other_square - square) / (2.0 * mixed);
                let tangent = ratio.signum() / (ratio.abs() + ratio.hypot(1.0));
                let cosine = 1.0 / tangent.hypot(1.0);
                let sine = cosine * tangent;
                for (a, b) in one.iter_mut().zip(other.iter_mut()) {
                    (*a, *b) = (cosine * *a - sine * *b, sine * *a + cosine * *b);
                }
                square -= tangent * mixed;
            }
        }
        if !rotated {
            break;
        }
    }
    let mut rows: Vec<(f64, Vec<f64>)> = rows
        .into_iter()
        .map(|row| (dot(&row, &row).sqrt(), row))
        .collect();
    rows.sort_by(|one, other| other.0.total_cmp(&one.0));
    // A direction in which the vectors have no length but rounding errors has no axis.
    let longest = rows.first().map_or(0.0, |(norm, _)| *norm);
    rows.retain(|(norm, _)| *norm > longest * NO_LENGTH);
    let unit = |(norm, row): (f64, Vec<f64>)| row.into_iter().map(|value| value / norm).collect();
    rows.into_iter().map(unit).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// 300 vectors that have most length along the first axis, then the second, then the third.
    fn vectors(axes: &[[f32; 3]; 3]) -> Vec<f32> {
        let lengths = [5.0, 2.0, 0.5];
        (0..300)
            .flat_map(|row| {
                let mut vector = [0.0f32; 3];
                for (place, (axis, length)) in axes.iter().zip(lengths).enumerate() {
                    // Uncorrelated: each combination of signs as often as every other.
                    let sign = if row >> place & 1 == 0 { 1.0 } else { -1.0 };
                    for (sum, value) in vector.iter_mut().zip(axis) {
                        *sum += sign * length * value;
                    }
                }
                vector
            })
            .collect()
    }

    #[test]
    fn axes_are_those_of_most_length() {
        let third = 1.0 / 3.0f32;
        let axes = [
            [2.0 * third, 2.0 * third, third],
            [-2.0 * third, third, 2.0 * third],
            [third, -2.0 * third, 2.0 * third],
        ];
        let vectors = vectors(&axes);
        let found = Axes::of(&vectors, 3, 2);
        assert_eq!(found.values.len(), 6);
        for (axis, found) in axes.iter().zip(found.values.chunks_exact(3)) {
            // An axis has no sign. 300 is no multiple of 8, so signs are a little correlated.
            assert!(dot(axis, found).abs() > 0.999, "{axis:?} {found:?}");
        }
        let projected = found.project(&vectors[..3]);
        assert!((projected[0].abs() - 5.0).abs() < 0.1, "{projected:?}");
        assert!((projected[1].abs() - 2.0).abs() < 0.1, "{projected:?}");
    }

    #[test]
    fn all_axes_keep_every_product() {
        let width = 20;
        let number = |index: usize| ((index * 37 % 101) as f32 - 50.0) / 50.0;
        let vectors: Vec<f32> = (0..width * 50).map(number).collect();
        let projected = Axes::of(&vectors, width, width).project(&vectors);
        assert_eq!(projected.len(), vectors.len());
        for row in 1..50 {
            let [own, turned] =
                [&vectors, &projected].map(|all| dot(&all[..width], &all[row * width..][..width]));
            assert!((own - turned).abs() < 1e-4, "{row}: {own} {turned}");
        }
    }
}
