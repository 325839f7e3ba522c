//! Axes of charts.

use std::ops::Range;

use plotters::coord::ranged1d::{KeyPointHint, NoDefaultFormatting, Ranged, ValueFormatter};

/// Whether the value axis starts at zero, if no value is negative.
#[derive(Clone, Copy, PartialEq)]
pub(super) enum Zero {
    Shown,
    /// If the lowest value is less than half the highest.
    IfNear,
    Hidden,
}

/// An axis. That of plotters would loop or divide by zero if values are equal or almost equal.
pub(super) struct Axis {
    low: f64,
    high: f64,
    /// Distance between labels: 1, 2 or 5 times a power of ten.
    tick: f64,
}

impl Axis {
    /// An axis of whole steps.
    pub(super) fn steps(steps: impl Iterator<Item = f64>) -> Self {
        let (low, high) = extent(steps);
        let (low, high) = if is_one(low, high) {
            ((low - 1.0).max(0.0), high + low.abs().max(1.0))
        } else {
            (low, high)
        };
        let mut axis = Self::between(low, high, 8.0);
        axis.tick = axis.tick.max(1.0);
        axis
    }

    /// An axis of values, with a margin.
    pub(super) fn values(values: impl Iterator<Item = f64>, zero: Zero) -> Self {
        let (low, high) = extent(values);
        let from_zero = low >= 0.0
            && match zero {
                Zero::Shown => true,
                Zero::IfNear => low < high / 2.0,
                Zero::Hidden => false,
            };
        let low = if from_zero { 0.0 } else { low };
        let room = if !is_one(low, high) {
            0.05 * (high - low)
        } else if low == 0.0 {
            1.0
        } else {
            0.1 * low.abs()
        };
        let below = if from_zero { 0.0 } else { room };
        Self::between(low - below, high + room, 6.0)
    }

    pub(super) fn between(low: f64, high: f64, labels: f64) -> Self {
        let least = (high - low) / labels;
        let power = 10_f64.powf(least.log10().floor());
        let factor = [1.0, 2.0, 5.0]
            .into_iter()
            .find(|factor| factor * power >= least);
        Self {
            low,
            high,
            tick: factor.unwrap_or(10.0) * power,
        }
    }
}

/// Minimum and maximum of some values.
pub(super) fn extent(values: impl Iterator<Item = f64>) -> (f64, f64) {
    values.fold((f64::INFINITY, f64::NEG_INFINITY), |(low, high), value| {
        (low.min(value), high.max(value))
    })
}

/// Whether a range is too small for different labels.
fn is_one(low: f64, high: f64) -> bool {
    high - low <= 1e-9 * low.abs().max(high.abs())
}

impl Ranged for Axis {
    type FormatOption = NoDefaultFormatting;
    type ValueType = f64;

    fn map(&self, value: &f64, limit: (i32, i32)) -> i32 {
        let share = ((value - self.low) / (self.high - self.low)).clamp(0.0, 1.0);
        limit.0 + (share * f64::from(limit.1 - limit.0)).round() as i32
    }

    fn key_points<Hint: KeyPointHint>(&self, _: Hint) -> Vec<f64> {
        let (first, last) = (self.low / self.tick, self.high / self.tick);
        // Rounding may move a label at the end out of the range.
        let (first, last) = ((first - 1e-6).ceil(), (last + 1e-6).floor());
        (0..=(last - first).clamp(0.0, 20.0) as u32)
            .map(|number| (first + f64::from(number)) * self.tick)
            .collect()
    }

    fn range(&self) -> Range<f64> {
        self.low..self.high
    }
}

impl ValueFormatter<f64> for Axis {
    fn format_ext(&self, value: &f64) -> String {
        if value.abs() < self.tick / 2.0 {
            return "0".to_owned();
        }
        let power = |number: f64| (number.abs().log10() + 1e-9).floor();
        let largest = self.low.abs().max(self.high.abs());
        if (1e-3..1e7).contains(&largest) {
            let decimals = (-power(self.tick)).clamp(0.0, 15.0) as usize;
            format!("{value:.decimals$}")
        } else {
            let digits = (power(*value) - power(self.tick)).clamp(0.0, 15.0) as usize;
            format!("{value:.digits$e}")
        }
    }
}
