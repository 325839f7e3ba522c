//! From a filter's tree to its text.

use std::fmt;

use super::condition::Filter;
use super::token::is_bare;
use super::value::Value;

impl fmt::Display for Filter {
    /// As [`Filter::parse`] reads it. The tree is the same again if every [`Filter::And`] and [`Filter::Or`] has two
    /// parts or more and every text of a value is neither blank nor has white space around it.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Compare {
                column,
                comparison,
                value,
            } => write!(
                f,
                "{} {} {}",
                Quoted(column),
                comparison.sign(),
                QuotedValue(value)
            ),
            Self::In { column, values } => {
                write!(f, "{} IN (", Quoted(column))?;
                for (place, value) in values.iter().enumerate() {
                    let separator = if place == 0 { "" } else { ", " };
                    write!(f, "{separator}{}", QuotedValue(value))?;
                }
                f.write_str(")")
            }
            Self::IsMissing { column } => write!(f, "{} IS MISSING", Quoted(column)),
            Self::And(parts) => join(f, parts, " AND "),
            Self::Or(parts) => join(f, parts, " OR "),
            Self::Not(inner) => {
                f.write_str("NOT ")?;
                part(f, inner)
            }
        }
    }
}

fn join(f: &mut fmt::Formatter<'_>, parts: &[Filter], keyword: &str) -> fmt::Result {
    for (place, inner) in parts.iter().enumerate() {
        if place > 0 {
            f.write_str(keyword)?;
        }
        part(f, inner)?;
    }
    Ok(())
}

fn part(f: &mut fmt::Formatter<'_>, filter: &Filter) -> fmt::Result {
    match filter {
        Filter::And(_) | Filter::Or(_) => write!(f, "({filter})"),
        _ => write!(f, "{filter}"),
    }
}

/// In quotation marks where they are needed.
struct Quoted<'a>(&'a str);

impl fmt::Display for Quoted<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if is_bare(self.0) {
            return f.write_str(self.0);
        }
        write!(f, "'{}'", self.0.replace('\'', "''"))
    }
}

struct QuotedValue<'a>(&'a Value);

impl fmt::Display for QuotedValue<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", Quoted(&self.0.to_string()))
    }
}
