//! Transposition of rows into micro-panels and tiles, where they are side by side: `[place][row]`.
//!
//! Element by element that is a strided store each. Where the compiler makes scatter instructions of these, it is slower
//! still on processors that execute them one element at a time (Zen 4). Instead registers are filled from as many rows as
//! they have SIMD lanes, transposed among themselves, and stored whole: 64 shuffles for 256 elements with AVX-512. A
//! register wider than the number of rows writes zeros after them, and later stores overwrite these. Processors other than
//! x86-64 take the loop.

#[cfg(target_arch = "x86_64")]
use std::any::Any;
#[cfg(target_arch = "x86_64")]
use std::arch::x86_64::{__m256, __m256d, __m512, __m512d};

use pulp::Simd;
#[cfg(target_arch = "x86_64")]
use pulp::x86::{V3, V4};

/// The largest number of rows: the SIMD lanes of the widest register.
pub(crate) const MOST_ROWS: usize = 16;

/// Interleaves the elements of `rows`, which have the same length: place `p` of row `r` goes to `p * stride + r`.
///
/// Between the last row and the next `stride`, and after the last place, it may write zeros: up to [`MOST_ROWS`] elements
/// from the first row on, and no further than `output` goes.
///
/// # Panics
///
/// With more than [`MOST_ROWS`] rows, and where `output` is too short.
#[inline(always)]
pub(crate) fn interleave<S: Simd>(simd: S, rows: &[&[u32]], stride: usize, output: &mut [u32]) {
    assert!(rows.len() <= MOST_ROWS, "{} rows", rows.len());
    #[cfg(not(target_arch = "x86_64"))]
    let _ = simd;
    #[cfg(target_arch = "x86_64")]
    {
        let length = rows.first().map_or(0, |row| row.len());
        let simd: &dyn Any = &simd;
        match (simd.downcast_ref::<V4>(), simd.downcast_ref::<V3>()) {
            (Some(simd), _) if length >= 16 => {
                return in_squares(*simd, rows, length, stride, output);
            }
            (_, Some(simd)) if length >= 8 && rows.len() <= 8 => {
                return in_squares(*simd, rows, length, stride, output);
            }
            _ => {}
        }
    }
    for (row, values) in rows.iter().enumerate().filter(|(_, row)| !row.is_empty()) {
        // (With a stride of 0 there are no rows.)
        let places = output[row..].iter_mut().step_by(stride.max(1));
        assert!(places.len() >= values.len(), "{} places", places.len());
        for (place, value) in places.zip(*values) {
            *place = *value;
        }
    }
}

/// Transposes in squares of `N` places and rows; there are at least `N` places, and missing rows become zeros.
#[cfg(target_arch = "x86_64")]
#[inline(always)]
fn in_squares<const N: usize>(
    simd: impl Transpose<N>,
    rows: &[&[u32]],
    length: usize,
    stride: usize,
    output: &mut [u32],
) {
    for start in (0..length).step_by(N) {
        // The last square begins earlier and repeats some places: none is shorter than a register.
        let start = start.min(length - N);
        let mut square = [[0; N]; N];
        for (place, row) in square.iter_mut().zip(rows) {
            place.copy_from_slice(&row[start..][..N]);
        }
        let lines = simd.transposed(square);
        let output = &mut output[start * stride..];
        if output.len() >= (N - 1) * stride + N {
            for (place, line) in lines.into_iter().enumerate() {
                output[place * stride..][..N].copy_from_slice(&line);
            }
        } else {
            for (place, line) in lines.iter().enumerate() {
                let output = &mut output[place * stride..];
                let kept = rows.len().max(N.min(output.len()));
                output[..kept].copy_from_slice(&line[..kept]);
            }
        }
    }
}

/// Instructions that transpose a square. (The compiler would not use them in a closure.)
#[cfg(target_arch = "x86_64")]
trait Transpose<const N: usize>: Copy {
    /// Pairs of rows are interleaved, then pairs of pairs. These hold four elements of each line in parts of 128 bits,
    /// which are joined last.
    fn transposed(self, square: [[u32; N]; N]) -> [[u32; N]; N];
}

#[cfg(target_arch = "x86_64")]
impl Transpose<16> for V4 {
    #[inline(always)]
    fn transposed(self, square: [[u32; 16]; 16]) -> [[u32; 16]; 16] {
        let avx = self.avx512f;
        let rows: [__m512; 16] = pulp::cast(square);
        let mut pairs: [__m512d; 16] = pulp::cast(square);
        for first in (0..16).step_by(2) {
            let (one, other) = (rows[first], rows[first + 1]);
            pairs[first] = pulp::cast(avx._mm512_unpacklo_ps(one, other));
            pairs[first + 1] = pulp::cast(avx._mm512_unpackhi_ps(one, other));
        }
        // Line `4 * quarter + column` of rows `4 * four..4 * four + 4` is quarter `quarter` of `fours[4 * four + column]`.
        let mut fours = rows;
        for first in (0..16).step_by(4) {
            for half in 0..2 {
                let (one, other) = (pairs[first + half], pairs[first + half + 2]);
                fours[first + 2 * half] = pulp::cast(avx._mm512_unpacklo_pd(one, other));
                fours[first + 2 * half + 1] = pulp::cast(avx._mm512_unpackhi_pd(one, other));
            }
        }
        let mut lines = rows;
        for column in 0..4 {
            let [first, second] = [fours[column], fours[4 + column]];
            let [third, fourth] = [fours[8 + column], fours[12 + column]];
            let even = avx._mm512_shuffle_f32x4::<0x88>(first, second);
            let odd = avx._mm512_shuffle_f32x4::<0xdd>(first, second);
            let next_even = avx._mm512_shuffle_f32x4::<0x88>(third, fourth);
            let next_odd = avx._mm512_shuffle_f32x4::<0xdd>(third, fourth);
            lines[column] = avx._mm512_shuffle_f32x4::<0x88>(even, next_even);
            lines[4 + column] = avx._mm512_shuffle_f32x4::<0x88>(odd, next_odd);
            lines[8 + column] = avx._mm512_shuffle_f32x4::<0xdd>(even, next_even);
            lines[12 + column] = avx._mm512_shuffle_f32x4::<0xdd>(odd, next_odd);
        }
        pulp::cast(lines)
    }
}

#[cfg(target_arch = "x86_64")]
impl Transpose<8> for V3 {
    #[inline(always)]
    fn transposed(self, square: [[u32; 8]; 8]) -> [[u32; 8]; 8] {
        let avx = self.avx;
        let rows: [__m256; 8] = pulp::cast(square);
        let mut pairs: [__m256d; 8] = pulp::cast(square);
        for first in (0..8).step_by(2) {
            let (one, other) = (rows[first], rows[first + 1]);
            pairs[first] = pulp::cast(avx._mm256_unpacklo_ps(one, other));
            pairs[first + 1] = pulp::cast(avx._mm256_unpackhi_ps(one, other));
        }
        let mut fours = rows;
        for first in (0..8).step_by(4) {
            for half in 0..2 {
                let (one, other) = (pairs[first + half], pairs[first + half + 2]);
                fours[first + 2 * half] = pulp::cast(avx._mm256_unpacklo_pd(one, other));
                fours[first + 2 * half + 1] = pulp::cast(avx._mm256_unpackhi_pd(one, other));
            }
        }
        let mut lines = rows;
        for column in 0..4 {
            let (first, second) = (fours[column], fours[4 + column]);
            lines[column] = avx._mm256_permute2f128_ps::<0x20>(first, second);
            lines[4 + column] = avx._mm256_permute2f128_ps::<0x31>(first, second);
        }
        pulp::cast(lines)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::simd::arch::{Vectorized, dispatch, every};

    struct Interleave<'a> {
        rows: &'a [&'a [u32]],
        stride: usize,
        output: &'a mut [u32],
    }

    impl Vectorized for Interleave<'_> {
        type Output = ();

        #[inline(always)]
        fn run<S: Simd, const ROWS: usize>(self, simd: S) {
            interleave(simd, self.rows, self.stride, self.output);
        }
    }

    #[test]
    fn rows_stand_side_by_side_whatever_their_number_and_length() {
        every::set_of_instructions(|| {
            for count in 0..=MOST_ROWS {
                for length in [0, 1, 7, 8, 15, 16, 17, 33, 64] {
                    for stride in [count, count + 1, 32] {
                        check(count, length, stride);
                    }
                }
            }
            Ok::<_, ()>(())
        })
        .unwrap();
    }

    fn check(count: usize, length: usize, stride: usize) {
        let value = |row: usize, place: usize| (1 + row * 1000 + place) as u32;
        let rows: Vec<Vec<u32>> = (0..count)
            .map(|row| (0..length).map(|place| value(row, place)).collect())
            .collect();
        let rows: Vec<&[u32]> = rows.iter().map(Vec::as_slice).collect();
        // As short as possible, and longer.
        let needed = match length {
            0 => 0,
            _ => (length - 1) * stride + count,
        };
        for size in [needed, needed + 100] {
            let output = interleaved(&rows, stride, size);
            for (index, found) in output.iter().enumerate() {
                let (place, row) = (index / stride.max(1), index % stride.max(1));
                let what = format!("{count} x {length} by {stride}, {place} of {row}");
                if row < count && place < length {
                    assert_eq!(*found, value(row, place), "{what}");
                } else if row < MOST_ROWS && index < needed + MOST_ROWS {
                    assert!([0, u32::MAX].contains(found), "{what}: {found}");
                } else {
                    assert_eq!(*found, u32::MAX, "{what}");
                }
            }
        }
    }

    fn interleaved(rows: &[&[u32]], stride: usize, size: usize) -> Vec<u32> {
        let mut output = vec![u32::MAX; size];
        dispatch(Interleave {
            rows,
            stride,
            output: &mut output,
        });
        output
    }
}
