//! Values of columns, read from the texts of a file or a filter.

use std::fmt;
use std::ops::BitOrAssign;

use super::date;
use super::error::ValueError;
use super::value::{ColumnKind, Value};

/// Currencies that may stand before or behind a number, apart from the signs `$ € £` and so on.
const CURRENCIES: [&str; 20] = [
    "AUD", "BRL", "CAD", "CHF", "CNY", "CZK", "DKK", "EUR", "GBP", "HUF", "INR", "JPY", "KR",
    "KRW", "NOK", "NZD", "PLN", "SEK", "TRY", "USD",
];

/// What was passed over or replaced to read a number.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct NumberChanges {
    /// A decimal comma: `12,50` is 12.5.
    pub decimal_comma: bool,
    /// Separators of thousands: `1,234,567` and `1'234` and `1 234`.
    pub thousands: bool,
    /// The sign or the code of a currency: `€ 12`, `12 EUR`.
    pub currency: bool,
    /// A percent sign: `15 %` is 15.
    pub percent: bool,
}

impl NumberChanges {
    /// Whether the number was a plain one.
    #[must_use]
    pub fn is_empty(self) -> bool {
        self == Self::default()
    }
}

impl BitOrAssign for NumberChanges {
    fn bitor_assign(&mut self, other: Self) {
        self.decimal_comma |= other.decimal_comma;
        self.thousands |= other.thousands;
        self.currency |= other.currency;
        self.percent |= other.percent;
    }
}

impl fmt::Display for NumberChanges {
    /// `decimal commas, currencies`; nothing for a plain number.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names = [
            (self.decimal_comma, "decimal commas"),
            (self.thousands, "separators of thousands"),
            (self.currency, "currencies"),
            (self.percent, "percent signs"),
        ];
        let mut separator = "";
        for (_, name) in names.iter().filter(|(changed, _)| *changed) {
            write!(f, "{separator}{name}")?;
            separator = ", ";
        }
        Ok(())
    }
}

/// A value, and how it was read.
#[derive(Clone, Debug, PartialEq)]
pub struct ParsedValue {
    /// The value.
    pub value: Value,
    /// What was passed over or replaced in a number; empty for other kinds.
    pub changes: NumberChanges,
}

impl Value {
    /// Reads a value of a kind; `None` if the text is blank. White space around it does not count.
    ///
    /// - A text or a key is taken as it is.
    /// - A boolean is `true`, `yes`, `on`, `y`, `t` or `1`, or `false`, `no`, `off`, `n`, `f` or `0`, in any case.
    /// - A date is `2024-05-01` or a moment as RFC 3339 writes it (UTC if no zone is given; fractions of a second are
    ///   cut off), in the years 0 to 9999.
    /// - A number may have an exponent (`1.5e3`), a currency or a percent sign around it and separators of thousands
    ///   (commas, points, white space or apostrophes before groups of three digits). Of a comma and a point the last
    ///   is the decimal one. A point alone is the decimal point: `1.234` is 1.234. A comma alone separates thousands
    ///   where a group of exactly three digits follows and one to three digits, not beginning with 0, precede: `1,234`
    ///   is 1234. Any other comma is a decimal comma: `12,50` is 12.5, `0,125` is 0.125.
    ///
    /// # Errors
    ///
    /// [`ValueError`] if the text is no value of the kind.
    pub fn parse(kind: ColumnKind, text: &str) -> Result<Option<ParsedValue>, ValueError> {
        let trimmed = text.trim();
        if trimmed.is_empty() {
            return Ok(None);
        }
        let text = || trimmed.to_owned();
        let mut changes = NumberChanges::default();
        let value = match kind {
            ColumnKind::Text | ColumnKind::Key => Self::Text(text()),
            ColumnKind::Number => {
                let (number, how) =
                    number(trimmed).ok_or_else(|| ValueError::Number { text: text() })?;
                changes = how;
                Self::Number(number)
            }
            ColumnKind::Boolean => {
                Self::Boolean(boolean(trimmed).ok_or_else(|| ValueError::Boolean { text: text() })?)
            }
            ColumnKind::Date => {
                Self::Date(date::parse(trimmed).ok_or_else(|| ValueError::Date { text: text() })?)
            }
        };
        Ok(Some(ParsedValue { value, changes }))
    }
}

fn boolean(text: &str) -> Option<bool> {
    let is = |names: &[&str]| names.iter().any(|name| name.eq_ignore_ascii_case(text));
    if is(&["true", "yes", "on", "y", "t", "1"]) {
        Some(true)
    } else if is(&["false", "no", "off", "n", "f", "0"]) {
        Some(false)
    } else {
        None
    }
}

fn number(text: &str) -> Option<(f64, NumberChanges)> {
    let mut changes = NumberChanges::default();
    let (mut negative, mut rest) = without_sign(text);
    if let Some(bare) = without_currency(rest) {
        changes.currency = true;
        rest = bare;
        if !negative {
            (negative, rest) = without_sign(rest);
        }
    } else if let Some(bare) = rest.strip_suffix('%') {
        changes.percent = true;
        rest = bare.trim_end();
    }
    let plain = plain_digits(rest, &mut changes)?;
    let number: f64 = plain.parse().ok()?;
    // Adding 0 turns -0 into 0, which is its equal but not its text.
    let number = if negative { -number } else { number } + 0.0;
    number.is_finite().then_some((number, changes))
}

fn without_sign(text: &str) -> (bool, &str) {
    match text.strip_prefix(['-', '\u{2212}']) {
        Some(rest) => (true, rest.trim_start()),
        None => (false, text.strip_prefix('+').unwrap_or(text).trim_start()),
    }
}

/// The number inside a currency; `None` if there is no currency.
fn without_currency(text: &str) -> Option<&str> {
    let sign = |c: char| matches!(c, '$' | '¢' | '£' | '¤' | '¥' | '\u{20a0}'..='\u{20c0}');
    if let Some(rest) = text.strip_prefix(sign) {
        return Some(rest.trim_start());
    }
    if let Some(rest) = text.strip_suffix(sign) {
        return Some(rest.trim_end());
    }
    let is_code = |code: &str| {
        CURRENCIES
            .iter()
            .any(|known| known.eq_ignore_ascii_case(code))
    };
    let letter = |c: char| c.is_ascii_alphabetic();
    let behind = text.trim_end_matches(letter);
    if is_code(&text[behind.len()..]) {
        return Some(behind.trim_end());
    }
    let front = text.trim_start_matches(letter);
    is_code(&text[..text.len() - front.len()]).then(|| front.trim_start())
}

/// The number as Rust writes it: without separators of thousands and with a decimal point.
fn plain_digits(text: &str, changes: &mut NumberChanges) -> Option<String> {
    let (mantissa, exponent) = match text.find(['e', 'E']) {
        Some(at) => text.split_at(at),
        None => (text, ""),
    };
    let is_exponent = |text: &str| {
        let digits = text[1..].strip_prefix(['+', '-']).unwrap_or(&text[1..]);
        !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit())
    };
    if !exponent.is_empty() && !is_exponent(exponent) {
        return None;
    }
    let decimal = decimal_mark(mantissa);
    let (whole, fraction) = match decimal {
        Some(mark) => mantissa.rsplit_once(mark)?,
        None => (mantissa, ""),
    };
    changes.decimal_comma |= decimal == Some(',');
    let separator = whole.chars().find(|c| !c.is_ascii_digit());
    let is_separator = |c: char| matches!(c, ',' | '.' | '\'' | '’') || c.is_whitespace();
    let whole = match separator {
        None => whole.to_owned(),
        Some(separator) if is_separator(separator) => {
            changes.thousands = true;
            let groups: Vec<&str> = whole.split(separator).collect();
            let fits = |(place, group): (usize, &&str)| match place {
                0 => (1..=3).contains(&group.len()),
                _ => group.len() == 3,
            };
            if !groups.iter().enumerate().all(fits) {
                return None;
            }
            groups.concat()
        }
        Some(_) => return None,
    };
    let digits = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit());
    if !digits(&whole) || !digits(fraction) || whole.len() + fraction.len() == 0 {
        return None;
    }
    Some(format!("{whole}.{fraction}0{exponent}"))
}

/// The character before the fraction, as [`Value::parse`] says.
fn decimal_mark(text: &str) -> Option<char> {
    let last = text.rfind([',', '.'])?;
    let mark = if text[last..].starts_with(',') {
        ','
    } else {
        '.'
    };
    let other = if mark == ',' { '.' } else { ',' };
    let (before, after) = (&text[..last], &text[last + 1..]);
    if before.contains(other) {
        return Some(mark);
    }
    if before.contains(mark) {
        // Several of one kind separate thousands.
        return None;
    }
    let thousands = mark == ','
        && after.len() == 3
        && (1..=3).contains(&before.len())
        && !before.starts_with('0');
    (!thousands).then_some(mark)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn parsed(kind: ColumnKind, text: &str) -> Option<Value> {
        Value::parse(kind, text).unwrap().map(|parsed| parsed.value)
    }

    #[test]
    fn numbers_as_shops_write_them() {
        for (text, number, changes) in [
            ("12", 12.0, ""),
            (" -12.5 ", -12.5, ""),
            ("+1.5e3", 1500.0, ""),
            (".5", 0.5, ""),
            ("5.", 5.0, ""),
            ("1.234", 1.234, ""),
            ("12,50", 12.5, "decimal commas"),
            ("0,125", 0.125, "decimal commas"),
            ("1234,567", 1234.567, "decimal commas"),
            ("1,234", 1234.0, "separators of thousands"),
            ("1,234,567", 1_234_567.0, "separators of thousands"),
            ("1.234.567", 1_234_567.0, "separators of thousands"),
            ("1'234.5", 1234.5, "separators of thousands"),
            ("1\u{202f}234", 1234.0, "separators of thousands"),
            ("1.234,5", 1234.5, "decimal commas, separators of thousands"),
            ("1,234.5", 1234.5, "separators of thousands"),
            ("$19.99", 19.99, "currencies"),
            ("-€ 5", -5.0, "currencies"),
            ("€-5", -5.0, "currencies"),
            ("\u{2212}5 %", -5.0, "percent signs"),
            (
                "1.299,00 €",
                1299.0,
                "decimal commas, separators of thousands, currencies",
            ),
            ("EUR 12", 12.0, "currencies"),
            ("1e3 usd", 1000.0, "currencies"),
            ("99kr", 99.0, "currencies"),
            ("-0", 0.0, ""),
        ] {
            let parsed = Value::parse(ColumnKind::Number, text).unwrap().unwrap();
            assert_eq!(parsed.value, Value::Number(number), "{text}");
            assert_eq!(parsed.changes.to_string(), changes, "{text}");
        }
    }

    #[test]
    fn what_is_no_number_is_refused() {
        for text in [
            "ten",
            "1,23,4",
            "12,3456.7",
            "1.2.3",
            "1 23",
            "1234,567,890",
            "nan",
            "inf",
            "1e999",
            "e5",
            "1e",
            "1e+",
            "-",
            "--5",
            "€",
            ",",
            ".",
            "5 apples",
            "0x10",
            "1_000",
            "٣",
            "12 EUR EUR",
            "1,234 567",
            "5%%",
            "-€-5",
        ] {
            let error = ValueError::Number {
                text: text.to_owned(),
            };
            assert_eq!(Value::parse(ColumnKind::Number, text), Err(error), "{text}");
        }
    }

    #[test]
    fn other_kinds() {
        assert_eq!(
            parsed(ColumnKind::Text, " Logitech "),
            Some(Value::Text("Logitech".to_owned()))
        );
        assert_eq!(
            parsed(ColumnKind::Key, "XJ-4520"),
            Some(Value::Text("XJ-4520".to_owned()))
        );
        assert_eq!(
            parsed(ColumnKind::Boolean, "Yes"),
            Some(Value::Boolean(true))
        );
        assert_eq!(
            parsed(ColumnKind::Boolean, "0"),
            Some(Value::Boolean(false))
        );
        assert_eq!(
            parsed(ColumnKind::Date, "1970-01-02"),
            Some(Value::Date(86_400))
        );
        for kind in ColumnKind::ALL {
            assert_eq!(parsed(kind, " \t"), None, "{kind:?}");
        }
        let error = Value::parse(ColumnKind::Boolean, "maybe").unwrap_err();
        assert_eq!(error.to_string(), "'maybe' is neither true nor false");
        let error = Value::parse(ColumnKind::Date, "May").unwrap_err();
        assert_eq!(
            error,
            ValueError::Date {
                text: "May".to_owned()
            }
        );
    }

    proptest! {
        #[test]
        fn a_value_is_read_as_it_is_written(number in any::<f64>(), seconds in -62_167_219_200i64..253_402_300_800, flag in any::<bool>()) {
            for (kind, value) in [
                (ColumnKind::Number, Value::Number(number + 0.0)),
                (ColumnKind::Date, Value::Date(seconds)),
                (ColumnKind::Boolean, Value::Boolean(flag)),
            ] {
                if kind == ColumnKind::Number && !number.is_finite() {
                    continue;
                }
                prop_assert_eq!(parsed(kind, &value.to_string()), Some(value));
            }
        }

        #[test]
        fn any_text_is_a_number_or_an_error(text in "\\PC{0,12}|[-+€$0-9., 'eE%]{0,12}") {
            if let Ok(Some(parsed)) = Value::parse(ColumnKind::Number, &text) {
                prop_assert!(matches!(parsed.value, Value::Number(number) if number.is_finite()));
            }
        }
    }
}
