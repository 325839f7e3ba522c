//! Principal axes of vectors, onto which a teacher's vectors are projected for a narrower student.

use std::iter::Sum;
use std::ops::{AddAssign, Mul};

/// The directions in which vectors have most of their length, seen from zero: cosines are measured from zero, too.
#[derive(Debug)]
pub(crate) struct Axes {
    /// Numbers of a vector.
    width: usize,
    /// The axes, of norm 1: row-major `[axes, width]`. That with most length is the first, unless they are turned.
    values: Vec<f32>,
    /// The sum of the squared coordinates of all vectors along each axis, before it was turned.
    lengths: Vec<f64>,
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
        let (lengths, axes): (Vec<f64>, Vec<Vec<f64>>) = axes.into_iter().unzip();
        let values = axes.into_iter().flatten().map(|value| value as f32);
        Self {
            width,
            values: values.collect(),
            lengths,
        }
    }

    /// Turns the axes within the space that they span, so that the coordinates of the vectors are as near as possible to
    /// the first numbers of the vectors themselves. Cosines of coordinates stay as they are.
    ///
    /// This is the orthogonal Procrustes problem (Schönemann 1966): the turn is the orthogonal factor of the matrix of
    /// second moments between coordinates and first numbers. For principal axes that matrix is the axes' first numbers
    /// times the length along each axis.
    pub(crate) fn turned(self) -> Self {
        let count = self.count();
        let axes = || self.values.chunks_exact(self.width);
        // The moments, and beside them the identity, which becomes the rotations that make them orthogonal.
        let moments = axes()
            .zip(&self.lengths)
            .enumerate()
            .map(|(place, (axis, length))| {
                let first = axis[..count].iter().map(|value| f64::from(*value) * length);
                first
                    .chain((0..count).map(|other| f64::from(u8::from(place == other))))
                    .collect()
            });
        let mut moments: Vec<Vec<f64>> = moments.collect();
        make_orthogonal(&mut moments, count);
        let norm = |row: &Vec<f64>| dot(&row[..count], &row[..count]).sqrt();
        moments.sort_by(|one, other| norm(other).total_cmp(&norm(one)));
        let shortest = moments.first().map_or(0.0, norm) * NO_LENGTH;
        let long = moments.iter().take_while(|row| norm(row) > shortest);
        let unit = |row: &Vec<f64>| row[..count].iter().map(|value| value / norm(row)).collect();
        let directions = completed(long.map(unit).collect(), count);
        let mut turned = vec![0.0; count * self.width];
        for (row, direction) in moments.iter().zip(directions) {
            let mut own = vec![0.0; self.width];
            for (factor, axis) in row[count..].iter().zip(axes()) {
                add(
                    &mut own,
                    *factor,
                    axis.iter().map(|value| f64::from(*value)),
                );
            }
            for (factor, axis) in direction.iter().zip(turned.chunks_exact_mut(self.width)) {
                add(axis, *factor, own.iter().copied());
            }
        }
        Self {
            values: turned.into_iter().map(|value| value as f32).collect(),
            ..self
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

/// Adds numbers times a factor.
fn add(sums: &mut [f64], factor: f64, values: impl Iterator<Item = f64>) {
    for (sum, value) in sums.iter_mut().zip(values) {
        *sum += factor * value;
    }
}

/// The eigenvalues and eigenvectors of a symmetric matrix without negative eigenvalues, the largest first.
///
/// The orthogonal rows of such a matrix are the eigenvectors, each times its eigenvalue.
fn eigenvectors(mut rows: Vec<Vec<f64>>, width: usize) -> Vec<(f64, Vec<f64>)> {
    make_orthogonal(&mut rows, width);
    let mut rows: Vec<(f64, Vec<f64>)> = rows
        .into_iter()
        .map(|row| (dot(&row, &row).sqrt(), row))
        .collect();
    rows.sort_by(|one, other| other.0.total_cmp(&one.0));
    // A direction in which the vectors have no length but rounding errors has no axis.
    let longest = rows.first().map_or(0.0, |(norm, _)| *norm);
    rows.retain(|(norm, _)| *norm > longest * NO_LENGTH);
    for (norm, row) in &mut rows {
        row.iter_mut().for_each(|value| *value /= *norm);
    }
    rows
}

/// Orthogonal directions of norm 1 and further ones, as many as there are dimensions.
fn completed(mut directions: Vec<Vec<f64>>, width: usize) -> Vec<Vec<f64>> {
    while directions.len() < width {
        // The unit vector of which the directions have least.
        let squares = |place: &usize| {
            directions
                .iter()
                .map(|row| row[*place].powi(2))
                .sum::<f64>()
        };
        let places = 0..width;
        let Some(place) = places.min_by(|one, other| squares(one).total_cmp(&squares(other)))
        else {
            break;
        };
        let mut rest = vec![0.0; width];
        rest[place] = 1.0;
        // The second time removes what rounding left.
        for _ in 0..2 {
            for row in &directions {
                let share = dot(row, &rest);
                add(&mut rest, -share, row.iter().copied());
            }
        }
        let norm = dot(&rest, &rest).sqrt();
        rest.iter_mut().for_each(|value| *value /= norm);
        directions.push(rest);
    }
    directions
}

/// Rotates pairs of rows until the first `width` numbers of all rows are orthogonal: one-sided Jacobi rotations (Hestenes
/// 1958). Short rows become as exact as long ones. Further numbers of a row are rotated with it.
fn make_orthogonal(rows: &mut [Vec<f64>], width: usize) {
    for _ in 0..MOST_PASSES {
        let mut rotated = false;
        for first in 0..rows.len() {
            let (before, after) = rows.split_at_mut(first + 1);
            let one = &mut before[first];
            let mut square = dot(&one[..width], &one[..width]);
            for other in after {
                let mixed = dot(&one[..width], &other[..width]);
                let other_square = dot(&other[..width], &other[..width]);
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
    fn turned_axes_give_the_first_numbers() {
        let count = 7;
        // Some numbers are far smaller than others, and one is always 0.
        let number = |index: usize| {
            let size = match index % count {
                3 => 0.0,
                place => 0.3f32.powi(place as i32),
            };
            ((index * 37 % 101) as f32 - 50.0) / 50.0 * size
        };
        let rows: Vec<f32> = (0..count * 50).map(number).collect();
        let rows = rows.chunks_exact(count).flat_map(|row| [row, row]);
        let first = rows.collect::<Vec<_>>().concat();
        // Every number is there twice, so the coordinates are longer by the root of 2.
        // A further number makes up for the one that is 0.
        let twice = first
            .chunks_exact(count)
            .enumerate()
            .flat_map(|(row, first)| [first, first, if row % 2 == 0 { &[0.5] } else { &[-0.5] }]);
        let vectors = twice.collect::<Vec<_>>().concat();
        let axes = Axes::of(&vectors, 2 * count + 1, count);
        let straight = axes.project(&vectors);
        let turned = axes.turned().project(&vectors);
        let longest = |rows: &[f32]| {
            let differences = rows
                .iter()
                .zip(&first)
                .enumerate()
                .map(|(index, (value, first))| match index % count {
                    3 => value.abs() - 0.5,
                    _ => value - first * 2.0f32.sqrt(),
                });
            differences.map(f32::abs).fold(0.0, f32::max)
        };
        assert!(longest(&straight) > 0.1);
        assert!(longest(&turned) < 1e-5, "{}", longest(&turned));
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
