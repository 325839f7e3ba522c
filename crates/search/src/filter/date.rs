//! Days and moments as texts: `2024-05-01` and RFC 3339.

/// Seconds of a day.
const DAY: i64 = 86_400;

/// Seconds since 1970-01-01T00:00:00Z of `2024-05-01` (its first moment in UTC) or of a moment as RFC 3339 writes it.
/// A space may replace the `T`; the seconds, their fraction (which is cut off) and the zone (UTC if there is none)
/// may be absent. A leap second is the second after it.
pub(super) fn parse(text: &str) -> Option<i64> {
    let mut rest = text;
    let year = digits(&mut rest, 4)?;
    expect(&mut rest, "-")?;
    let month = digits(&mut rest, 2)?;
    expect(&mut rest, "-")?;
    let day = digits(&mut rest, 2)?;
    if !(1..=12).contains(&month) || !(1..=days_in_month(year, month)).contains(&day) {
        return None;
    }
    let midnight = days_since_1970(year, month, day) * DAY;
    if rest.is_empty() {
        return Some(midnight);
    }
    rest = rest.strip_prefix(['T', 't', ' '])?;
    Some(midnight + time_of_day(rest)?)
}

/// Seconds since midnight in UTC, of `12:30`, `12:30:15.5+02:00` and the like; with some zones beyond the day.
fn time_of_day(mut rest: &str) -> Option<i64> {
    let hour = digits(&mut rest, 2)?;
    expect(&mut rest, ":")?;
    let minute = digits(&mut rest, 2)?;
    let mut second = 0;
    if expect(&mut rest, ":").is_some() {
        second = digits(&mut rest, 2)?;
        if expect(&mut rest, ".").is_some() {
            let fraction = rest.trim_start_matches(|c: char| c.is_ascii_digit());
            if fraction.len() == rest.len() {
                return None;
            }
            rest = fraction;
        }
    }
    if hour > 23 || minute > 59 || second > 60 {
        return None;
    }
    Some(hour * 3600 + minute * 60 + second - zone(rest)?)
}

/// Seconds east of UTC.
fn zone(text: &str) -> Option<i64> {
    if matches!(text, "" | "Z" | "z") {
        return Some(0);
    }
    let (sign, mut rest) = match text.strip_prefix('+') {
        Some(rest) => (1, rest),
        None => (-1, text.strip_prefix('-')?),
    };
    let hour = digits(&mut rest, 2)?;
    expect(&mut rest, ":")?;
    let minute = digits(&mut rest, 2)?;
    (rest.is_empty() && hour < 24 && minute < 60).then_some(sign * (hour * 3600 + minute * 60))
}

/// As [`parse`] reads it: the day alone where the moment is its first. Only years from 0 to 9999 can be read back.
pub(super) fn format(seconds: i64) -> String {
    let (days, second) = (seconds.div_euclid(DAY), seconds.rem_euclid(DAY));
    let (year, month, day) = civil(days);
    let date = format!("{year:04}-{month:02}-{day:02}");
    if second == 0 {
        return date;
    }
    let (hour, minute, second) = (second / 3600, second / 60 % 60, second % 60);
    format!("{date}T{hour:02}:{minute:02}:{second:02}Z")
}

fn digits(rest: &mut &str, count: usize) -> Option<i64> {
    let (number, after) = rest.split_at_checked(count)?;
    if !number.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    *rest = after;
    number.parse().ok()
}

fn expect(rest: &mut &str, text: &str) -> Option<()> {
    *rest = rest.strip_prefix(text)?;
    Some(())
}

fn days_in_month(year: i64, month: i64) -> i64 {
    let leap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
    match month {
        2 => 28 + i64::from(leap),
        4 | 6 | 9 | 11 => 30,
        _ => 31,
    }
}

/// Days since 1970-01-01 in the Gregorian calendar. Years begin in March, so that the leap day is their last, and 400
/// of them have 146,097 days.
fn days_since_1970(year: i64, month: i64, day: i64) -> i64 {
    let year = year - i64::from(month <= 2);
    let (era, year_of_era) = (year.div_euclid(400), year.rem_euclid(400));
    let day_of_year = (153 * ((month + 9) % 12) + 2) / 5 + day - 1;
    era * 146_097 + year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year - 719_468
}

/// The inverse of [`days_since_1970`].
fn civil(days: i64) -> (i64, i64, i64) {
    let days = days + 719_468;
    let (era, day_of_era) = (days.div_euclid(146_097), days.rem_euclid(146_097));
    let year_of_era =
        (day_of_era - day_of_era / 1460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let shifted_month = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * shifted_month + 2) / 5 + 1;
    let month = (shifted_month + 2) % 12 + 1;
    (era * 400 + year_of_era + i64::from(month <= 2), month, day)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn moments_by_hand() {
        for (text, seconds) in [
            ("1970-01-01", 0),
            ("2024-05-01", 1_714_521_600),
            ("2024-02-29T12:30", 1_709_209_800),
            ("2024-02-29 12:30:15.999", 1_709_209_815),
            ("2024-02-29t14:30:15+02:00", 1_709_209_815),
            ("2024-02-29T12:30:15-00:30", 1_709_211_615),
            ("2016-12-31T23:59:60Z", 1_483_228_800),
            ("1969-12-31T23:59:59z", -1),
            ("0000-03-01", -62_162_035_200),
        ] {
            assert_eq!(parse(text), Some(seconds), "{text}");
        }
    }

    #[test]
    fn what_is_no_date_is_refused() {
        for text in [
            "",
            "2024",
            "2024-5-1",
            "2023-02-29",
            "1900-02-29",
            "2024-13-01",
            "2024-00-01",
            "2024-01-00",
            "2024-01-01T",
            "2024-01-01T24:00",
            "2024-01-01T10:60",
            "2024-01-01T10:00:61",
            "2024-01-01T10:00:00.",
            "2024-01-01T10:00+2",
            "2024-01-01T10:00+02:00x",
            "2024-01-01x",
            "01.05.2024",
            "２０２４-01-01",
            "+024-01-01",
            "2024-01-€",
        ] {
            assert_eq!(parse(text), None, "{text}");
        }
    }

    proptest! {
        #[test]
        fn moments_are_read_as_written(seconds in -62_167_219_200i64..253_402_300_800, whole_days in any::<bool>()) {
            let seconds = if whole_days { seconds.div_euclid(DAY) * DAY } else { seconds };
            prop_assert_eq!(parse(&format(seconds)), Some(seconds));
        }

        #[test]
        fn any_text_is_a_date_or_none(text in "\\PC{0,30}|[0-9]{4}-[0-9]{2}-[0-9]{2}[T ][0-9:.+Z-]{0,12}") {
            if let Some(seconds) = parse(&text) {
                prop_assert!(parse(&format(seconds)).is_none_or(|again| again == seconds));
            }
        }
    }
}
