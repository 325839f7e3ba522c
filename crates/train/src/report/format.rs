//! Numbers with units for people.

use std::time::Duration;

use indicatif::{DecimalBytes, FormattedDuration, HumanCount};

/// Seconds: `0.4 s` below ten, else `00:02:40`. Negative, infinite and NaN values are `unknown`.
pub(crate) fn duration(seconds: f64) -> String {
    match Duration::try_from_secs_f64(seconds.round()) {
        // The limit accounts for rounding.
        Ok(_) if seconds < 9.95 => format!("{:.1} s", seconds.abs()),
        Ok(whole) => FormattedDuration(whole).to_string(),
        Err(_) => "unknown".to_owned(),
    }
}

/// Bytes in decimal units (1 kB is 1000 bytes).
pub(crate) fn bytes(count: u64) -> String {
    DecimalBytes(count).to_string()
}

/// A number with thousands separators: `12,345`.
pub(crate) fn thousands(number: u64) -> String {
    HumanCount(number).to_string()
}

/// A number with its unit in singular or plural: `12,345 rows`.
pub(crate) fn counted(number: u64, what: &str) -> String {
    let plural = if number == 1 { "" } else { "s" };
    format!("{} {what}{plural}", thousands(number))
}

/// A number with about two digits: `0.053`, `0.81`, `1.9`, `438`; very large and small ones as
/// `1.2e-5`.
pub(crate) fn two_digits(value: f64) -> String {
    if value == 0.0 {
        return "0".to_owned();
    }
    if !value.is_finite() {
        return value.to_string();
    }
    if !(1e-3..1e6).contains(&value.abs()) {
        return scientific(value);
    }
    let decimals = (1.0 - value.abs().log10().floor()).max(0.0) as usize;
    format!("{value:.decimals$}")
}

/// A number with two digits and an exponent, `1.2e-5` or `2e-5`; 0 is `0`.
pub(crate) fn scientific(value: f64) -> String {
    if value == 0.0 {
        return "0".to_owned();
    }
    format!("{value:.1e}").replace(".0e", "e")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_have_the_units_that_matter() {
        for (seconds, text) in [
            // What an empty sum of floats is.
            (-0.0, "0.0 s"),
            (9.94, "9.9 s"),
            (9.96, "00:00:10"),
            (59.7, "00:01:00"),
            (3.0 * 3600.0 + 5.0 * 60.0 + 20.0, "03:05:20"),
            (-1.0, "unknown"),
            (f64::NAN, "unknown"),
            (f64::INFINITY, "unknown"),
        ] {
            assert_eq!(duration(seconds), text, "{seconds}");
        }
        assert_eq!(bytes(945_000_000), "945.00 MB");
        assert_eq!(
            [0, 999, 1_234_567].map(thousands),
            ["0", "999", "1,234,567"]
        );
        assert_eq!(counted(1, "row"), "1 row");
    }

    #[test]
    fn numbers_keep_two_digits() {
        for (value, text) in [
            (0.0, "0"),
            (1.93, "1.9"),
            (0.814, "0.81"),
            (0.0532, "0.053"),
            (12.3, "12"),
            (438.4, "438"),
            (-1.93, "-1.9"),
            (1.24e-5, "1.2e-5"),
            (2e-9, "2e-9"),
            (3.0e7, "3e7"),
            (f64::NAN, "NaN"),
            (f64::INFINITY, "inf"),
        ] {
            assert_eq!(two_digits(value), text, "{value}");
        }
        assert_eq!(scientific(0.001), "1e-3");
        assert_eq!(scientific(-0.0), "0");
    }
}
