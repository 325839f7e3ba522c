//! Values of Parquet columns as texts.

use parquet::basic::{ConvertedType, LogicalType, Repetition, Type as PhysicalType};
use parquet::record::Field;
use parquet::schema::types::Type;
use serde::Serialize;

use crate::columns::Kind;

/// Maximum number of digits of a decimal: 32 bytes, the widest decimal in use.
const MOST_DIGITS: i32 = 76;

/// Type of a column, or the kind of its values if they cannot become texts.
///
/// Accepts only the pairs of types that the row API can read: it panics on others.
pub(super) fn kind_of(field: &Type) -> Result<Kind, &'static str> {
    let info = field.get_basic_info();
    if field.is_group() || !info.has_repetition() || info.repetition() == Repetition::REPEATED {
        return Err("nested values");
    }
    match info.logical_type_ref() {
        Some(LogicalType::Unknown) => return Err("nothing but nulls"),
        // Without this check, nanoseconds would pass as integers: they have no converted type.
        Some(LogicalType::Timestamp(_) | LogicalType::Time(_)) => return Err("dates or times"),
        _ => {}
    }
    use ConvertedType as Converted;
    match (field.get_physical_type(), info.converted_type()) {
        (PhysicalType::BYTE_ARRAY, Converted::UTF8 | Converted::ENUM | Converted::JSON) => {
            Ok(Kind::Text)
        }
        (PhysicalType::BOOLEAN | PhysicalType::FLOAT | PhysicalType::DOUBLE, _)
        | (
            PhysicalType::INT32,
            Converted::NONE
            | Converted::INT_8
            | Converted::INT_16
            | Converted::INT_32
            | Converted::UINT_8
            | Converted::UINT_16
            | Converted::UINT_32,
        )
        | (PhysicalType::INT64, Converted::NONE | Converted::INT_64 | Converted::UINT_64) => {
            Ok(Kind::NumberOrBoolean)
        }
        (
            PhysicalType::INT32 | PhysicalType::INT64 | PhysicalType::FIXED_LEN_BYTE_ARRAY,
            Converted::DECIMAL,
        ) if field.get_precision() <= MOST_DIGITS => Ok(Kind::NumberOrBoolean),
        (PhysicalType::FIXED_LEN_BYTE_ARRAY, Converted::NONE)
            if info.logical_type_ref() == Some(&LogicalType::Float16) =>
        {
            Ok(Kind::NumberOrBoolean)
        }
        (PhysicalType::INT32 | PhysicalType::INT64 | PhysicalType::INT96, _)
        | (_, Converted::INTERVAL) => Err("dates or times"),
        _ => Err("bytes"),
    }
}

/// A text unchanged, a number or boolean as JSON writes it; else the kind of the value, in words. A
/// missing value is null.
pub(super) fn text_of(value: Option<&Field>) -> Result<String, &'static str> {
    match value {
        None | Some(Field::Null) => Err("null"),
        Some(Field::Str(text)) => Ok(text.clone()),
        Some(Field::Bool(value)) => json(value),
        Some(Field::Byte(value)) => json(value),
        Some(Field::Short(value)) => json(value),
        Some(Field::Int(value)) => json(value),
        Some(Field::Long(value)) => json(value),
        Some(Field::UByte(value)) => json(value),
        Some(Field::UShort(value)) => json(value),
        Some(Field::UInt(value)) => json(value),
        Some(Field::ULong(value)) => json(value),
        Some(Field::Float16(value)) => json(&value.to_f32()),
        Some(Field::Float(value)) => json(value),
        Some(Field::Double(value)) => json(value),
        // The crate writes the decimal point even without digits after it.
        Some(decimal @ Field::Decimal(_)) => {
            Ok(decimal.to_string().trim_end_matches('.').to_owned())
        }
        Some(_) => Err("neither a text nor a number nor a boolean"),
    }
}

/// JSON has no infinite numbers and no NaN: serde_json writes `null` for them.
fn json(value: &impl Serialize) -> Result<String, &'static str> {
    match serde_json::to_string(value) {
        Ok(text) if text != "null" => Ok(text),
        _ => Err("not a finite number"),
    }
}
