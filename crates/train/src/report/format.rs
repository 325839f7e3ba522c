//! Numbers with units for people.

/// Seconds in suitable units: `40 ms`, `0.4 s`, `12 s`, `2m 40s`, `3h 05m`. Negative, infinite and NaN
/// values are `unknown`.
pub(crate) fn duration(seconds: f64) -> String {
    if !seconds.is_finite() || seconds < 0.0 {
        return "unknown".to_owned();
    }
    // The limits account for rounding: 59.7 s prints as a minute.
    if seconds < 0.0995 {
        return format!("{:.0} ms", seconds.abs() * 1000.0);
    }
    if seconds < 9.95 {
        return format!("{seconds:.1} s");
    }
    let whole = seconds.round() as u64;
    if whole < 60 {
        return format!("{whole} s");
    }
    if whole < 3600 {
        return format!("{}m {:02}s", whole / 60, whole % 60);
    }
    let minutes = (seconds / 60.0).round() as u64;
    format!("{}h {:02}m", minutes / 60, minutes % 60)
}

/// Bytes in decimal units (1 kB is 1000 bytes): `12 B`, `945 MB`, `3.2 GB`.
pub(crate) fn bytes(count: u64) -> String {
    const UNITS: [&str; 5] = ["kB", "MB", "GB", "TB", "PB"];
    if count < 1000 {
        return format!("{count} B");
    }
    let mut value = count as f64 / 1000.0;
    let mut unit = 0;
    // 999.5 would print as 1000.
    while value >= 999.5 && unit + 1 < UNITS.len() {
        value /= 1000.0;
        unit += 1;
    }
    let decimals = usize::from(value < 99.95);
    format!("{value:.decimals$} {}", UNITS[unit])
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
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn durations_have_the_units_that_matter() {
        for (seconds, text) in [
            (0.0, "0 ms"),
            // What an empty sum of floats is.
            (-0.0, "0 ms"),
            (0.04, "40 ms"),
            (0.0994, "99 ms"),
            (0.0996, "0.1 s"),
            (0.4, "0.4 s"),
            (9.94, "9.9 s"),
            (9.96, "10 s"),
            (12.3, "12 s"),
            (59.4, "59 s"),
            (59.7, "1m 00s"),
            (65.0, "1m 05s"),
            (160.0, "2m 40s"),
            (3599.4, "59m 59s"),
            (3599.7, "1h 00m"),
            (3.0 * 3600.0 + 5.0 * 60.0 + 20.0, "3h 05m"),
            (100.0 * 3600.0, "100h 00m"),
            (-1.0, "unknown"),
            (f64::NAN, "unknown"),
            (f64::INFINITY, "unknown"),
        ] {
            assert_eq!(duration(seconds), text, "{seconds}");
        }
    }

    #[test]
    fn bytes_have_decimal_units() {
        for (count, text) in [
            (0, "0 B"),
            (999, "999 B"),
            (1000, "1.0 kB"),
            (12_345, "12.3 kB"),
            (99_949, "99.9 kB"),
            (99_960, "100 kB"),
            (999_499, "999 kB"),
            (999_500, "1.0 MB"),
            (945_000_000, "945 MB"),
            (3_210_000_000, "3.2 GB"),
            (83_886_080_000, "83.9 GB"),
            (u64::MAX, "18447 PB"),
        ] {
            assert_eq!(bytes(count), text, "{count}");
        }
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

    /// Reads back what `duration` wrote, in seconds.
    fn seconds_of(text: &str) -> f64 {
        let (first, second) = text.split_once(' ').unwrap();
        let number = |text: &str, unit: char| text.trim_end_matches(unit).parse::<f64>().unwrap();
        match second {
            "ms" => number(first, ' ') / 1000.0,
            "s" => number(first, ' '),
            minutes if minutes.ends_with('m') => {
                number(first, 'h') * 3600.0 + number(minutes, 'm') * 60.0
            }
            seconds => number(first, 'm') * 60.0 + number(seconds, 's'),
        }
    }

    proptest! {
        /// Half of the last unit that is shown: 1 ms, 0.1 s, 1 s or 1 min; the rest is the
        /// rounding of the comparison itself.
        #[test]
        fn a_duration_is_rounded_not_wrong(
            seconds in prop_oneof![0.0..20.0, 20.0..4000.0, 0.0..1e6],
        ) {
            let half = match seconds {
                s if s < 0.0995 => 0.0005,
                s if s < 9.95 => 0.05,
                s if s < 3599.5 => 0.5,
                _ => 30.0,
            };
            let text = duration(seconds);
            prop_assert!((seconds_of(&text) - seconds).abs() <= half + 1e-6, "{seconds} is {text}");
        }

        /// Two digits are off by at most 5 %.
        #[test]
        fn two_digits_are_near(exponent in -9.0..9.0_f64) {
            let value = 10_f64.powf(exponent);
            let text = two_digits(value);
            let read: f64 = text.parse().unwrap();
            prop_assert!((read - value).abs() <= 0.05 * value, "{value} is {text}");
        }
    }
}
