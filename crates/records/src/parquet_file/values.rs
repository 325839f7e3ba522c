//! Values of Arrow arrays as texts.

use arrow_array::cast::AsArray;
use arrow_array::types::{Float32Type, Float64Type};
use arrow_array::{Array, ArrayRef, BinaryArray, FixedSizeBinaryArray, StringArray};
use arrow_cast::{can_cast_types, cast};
use arrow_schema::{ArrowError, DataType, Fields};
use serde::Serialize;

use crate::columns::place_in_list;

const UTC: &str = "+00:00";

/// A value of a column.
#[derive(Clone, Debug)]
pub(super) enum Value {
    Text(String),
    Missing,
    NotUtf8,
    NotFinite,
}

/// Whether the values at `path` can become texts, `false` if there is no such path; else the kind of
/// the values.
pub(super) fn can_be_text(data_type: &DataType, path: &str) -> Result<bool, &'static str> {
    match data_type {
        DataType::Struct(_) if path.is_empty() => {
            Err("nested values, whose names are such as `product.title`,")
        }
        DataType::Struct(fields) => match nested(fields, path) {
            Some((_, data_type, rest)) => can_be_text(data_type, rest),
            None => Ok(false),
        },
        DataType::List(field) | DataType::LargeList(field) | DataType::FixedSizeList(field, _) => {
            let rest = place_in_list(path).map_or(path, |(_, rest)| rest);
            can_be_text(field.data_type(), rest)
        }
        DataType::Map(..) => Err("maps"),
        _ if !path.is_empty() => Ok(false),
        DataType::Null | DataType::Binary | DataType::FixedSizeBinary(_) => Ok(true),
        data_type if can_cast_types(data_type, &DataType::Utf8) => Ok(true),
        _ => Err("values of an unknown kind"),
    }
}

/// The nested column that `path` leads to, and the rest of the path.
fn nested<'a, 'b>(fields: &'a Fields, path: &'b str) -> Option<(usize, &'a DataType, &'b str)> {
    let found = fields.iter().enumerate().filter_map(|(index, field)| {
        let rest = path.strip_prefix(field.name().as_str())?;
        let rest = if rest.is_empty() {
            rest
        } else {
            rest.strip_prefix('.')?
        };
        Some((index, field.data_type(), rest))
    });
    found.min_by_key(|(.., rest)| rest.len())
}

/// One value per row: a text unchanged, a number or boolean as JSON writes it, a date or time as ISO
/// 8601 has it, and the values of a list with spaces between them.
pub(super) fn texts_of(array: &dyn Array, path: &str) -> Result<Vec<Value>, ArrowError> {
    let rows = 0..array.len();
    Ok(match array.data_type() {
        DataType::Null => vec![Value::Missing; array.len()],
        DataType::Struct(fields) => {
            let Some((index, _, rest)) = nested(fields, path) else {
                return Ok(vec![Value::Missing; array.len()]);
            };
            let values = texts_of(array.as_struct().column(index).as_ref(), rest)?;
            let present = |(row, value)| {
                if array.is_valid(row) {
                    value
                } else {
                    Value::Missing
                }
            };
            values.into_iter().enumerate().map(present).collect()
        }
        DataType::List(_) => joined(rows.map(|row| list_item(array.as_list::<i32>(), row)), path)?,
        DataType::LargeList(_) => {
            joined(rows.map(|row| list_item(array.as_list::<i64>(), row)), path)?
        }
        DataType::FixedSizeList(..) => {
            let list = array.as_fixed_size_list();
            let item = |row| list.is_valid(row).then(|| list.value(row));
            joined(rows.map(item), path)?
        }
        DataType::Binary => {
            let bytes: &BinaryArray = array.as_binary();
            bytes.iter().map(of_bytes).collect()
        }
        DataType::FixedSizeBinary(_) => {
            let bytes: &FixedSizeBinaryArray = array.as_fixed_size_binary();
            let value =
                |bytes: Option<&[u8]>| bytes.and_then(uuid).unwrap_or_else(|| of_bytes(bytes));
            bytes.iter().map(value).collect()
        }
        DataType::Float16 => {
            let wide = cast(array, &DataType::Float32)?;
            texts_of(wide.as_ref(), path)?
        }
        DataType::Float32 => {
            let numbers = array.as_primitive::<Float32Type>().iter();
            numbers
                .map(|number| of_number(number, number.is_some_and(f32::is_nan)))
                .collect()
        }
        DataType::Float64 => {
            let numbers = array.as_primitive::<Float64Type>().iter();
            numbers
                .map(|number| of_number(number, number.is_some_and(f64::is_nan)))
                .collect()
        }
        // Times of a zone are stored in UTC, and without a list of zones only an offset has a name.
        DataType::Timestamp(unit, Some(zone)) if zone.as_ref() != UTC => {
            let utc = cast(array, &DataType::Timestamp(*unit, Some(UTC.into())))?;
            texts_of(utc.as_ref(), path)?
        }
        _ => {
            let texts = cast(array, &DataType::Utf8)?;
            let texts: &StringArray = texts.as_string();
            texts
                .iter()
                .map(|text| text.map_or(Value::Missing, |text| Value::Text(text.to_owned())))
                .collect()
        }
    })
}

fn list_item<O: arrow_array::OffsetSizeTrait>(
    list: &arrow_array::GenericListArray<O>,
    row: usize,
) -> Option<ArrayRef> {
    list.is_valid(row).then(|| list.value(row))
}

/// The texts of lists, each joined.
fn joined(
    lists: impl Iterator<Item = Option<ArrayRef>>,
    path: &str,
) -> Result<Vec<Value>, ArrowError> {
    let join = |list: Option<ArrayRef>| {
        let Some(list) = list else {
            return Ok(Value::Missing);
        };
        if let Some((place, rest)) = place_in_list(path) {
            if place >= list.len() {
                return Ok(Value::Missing);
            }
            let mut value = texts_of(list.slice(place, 1).as_ref(), rest)?;
            return Ok(value.pop().unwrap_or(Value::Missing));
        }
        let mut texts = Vec::new();
        for value in texts_of(list.as_ref(), path)? {
            match value {
                Value::Text(text) => texts.push(text),
                Value::Missing => {}
                bad => return Ok(bad),
            }
        }
        Ok(Value::Text(texts.join(" ")))
    };
    lists.map(join).collect()
}

fn of_bytes(bytes: Option<&[u8]>) -> Value {
    match bytes.map(str::from_utf8) {
        None => Value::Missing,
        Some(Ok(text)) => Value::Text(text.to_owned()),
        Some(Err(_)) => Value::NotUtf8,
    }
}

/// pandas writes NaN for a missing value. JSON has no infinite numbers: serde_json writes `null`.
fn of_number(number: Option<impl Serialize>, is_nan: bool) -> Value {
    match number {
        None => Value::Missing,
        Some(_) if is_nan => Value::Missing,
        Some(number) => match serde_json::to_string(&number) {
            Ok(text) if text != "null" => Value::Text(text),
            _ => Value::NotFinite,
        },
    }
}

/// Sixteen bytes that are no printable text are a UUID.
fn uuid(bytes: &[u8]) -> Option<Value> {
    let is_text = str::from_utf8(bytes).is_ok_and(|text| !text.contains(char::is_control));
    if bytes.len() != 16 || is_text {
        return None;
    }
    let mut text = String::new();
    for (place, byte) in bytes.iter().enumerate() {
        if matches!(place, 4 | 6 | 8 | 10) {
            text.push('-');
        }
        text.push_str(&format!("{byte:02x}"));
    }
    Some(Value::Text(text))
}
