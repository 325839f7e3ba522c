//! The different texts of a column.

use std::cmp::Ordering;
use std::collections::HashMap;
use std::io::{self, Write};
use std::ops::Range;

use super::error::ColumnError;
use super::value::fold_case;

/// Different texts with codes from 0, sorted by what they are compared by ([`fold_case`]), then by their bytes. So the
/// texts that compare as equal, as lower or as higher than another are ranges of codes.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Dictionary {
    /// All texts, one behind the other.
    texts: String,
    /// Where each ends in `texts`.
    ends: Vec<u32>,
    /// For each, the number of different folded texts before its own: equal for texts that compare as equal.
    groups: Vec<u32>,
}

impl Dictionary {
    /// Of texts with provisional codes; and for each of those its code. `None` if the texts take 4 GiB or more.
    pub(super) fn of(texts: HashMap<String, u32>) -> Option<(Self, Vec<u32>)> {
        let mut sorted: Vec<(String, String, u32)> = texts
            .into_iter()
            .map(|(text, provisional)| (fold_case(&text), text, provisional))
            .collect();
        sorted.sort_unstable();
        let mut dictionary = Self::default();
        let mut codes = vec![0; sorted.len()];
        let mut group = 0;
        for (code, (folded, text, provisional)) in sorted.iter().enumerate() {
            if code > 0 && sorted[code - 1].0 != *folded {
                group += 1;
            }
            dictionary.texts.push_str(text);
            dictionary
                .ends
                .push(u32::try_from(dictionary.texts.len()).ok()?);
            dictionary.groups.push(group);
            codes[*provisional as usize] = u32::try_from(code).ok()?;
        }
        Some((dictionary, codes))
    }

    pub(super) fn len(&self) -> usize {
        self.ends.len()
    }

    pub(super) fn text(&self, code: u32) -> Option<&str> {
        let code = code as usize;
        let end = *self.ends.get(code)? as usize;
        let start = match code {
            0 => 0,
            _ => self.ends[code - 1] as usize,
        };
        self.texts.get(start..end)
    }

    /// The rank of a text among the folded texts.
    pub(super) fn group(&self, code: u32) -> Option<u32> {
        self.groups.get(code as usize).copied()
    }

    /// The codes of the texts that are equal to a text but for case.
    pub(super) fn equal(&self, text: &str) -> Range<u32> {
        let folded = fold_case(text);
        let below = |wanted: &[Ordering]| {
            let (mut low, mut high) = (0, self.ends.len() as u32);
            while low < high {
                let middle = low + (high - low) / 2;
                let order = fold_case(self.text(middle).unwrap_or_default()).cmp(&folded);
                if wanted.contains(&order) {
                    low = middle + 1;
                } else {
                    high = middle;
                }
            }
            low
        };
        below(&[Ordering::Less])..below(&[Ordering::Less, Ordering::Equal])
    }

    /// The number of texts, their ends, their groups (32-bit little endian), and the texts.
    pub(super) fn write(&self, to: &mut impl Write) -> io::Result<()> {
        to.write_all(&(self.ends.len() as u32).to_le_bytes())?;
        for number in self.ends.iter().chain(&self.groups) {
            to.write_all(&number.to_le_bytes())?;
        }
        to.write_all(self.texts.as_bytes())
    }

    /// From exactly the bytes of [`write`](Self::write).
    pub(super) fn read(bytes: &[u8]) -> Result<Self, ColumnError> {
        const DAMAGED: ColumnError = ColumnError::Damaged { part: "texts" };
        let (count, rest) = bytes.split_first_chunk().ok_or(DAMAGED)?;
        let count = u32::from_le_bytes(*count) as usize;
        let size = count.checked_mul(8).ok_or(DAMAGED)?;
        let (numbers, texts) = rest.split_at_checked(size).ok_or(DAMAGED)?;
        let (ends, groups) = numbers.split_at(count * 4);
        let texts = String::from_utf8(texts.to_vec()).map_err(|_| DAMAGED)?;
        let (ends, groups) = (numbers_of(ends), numbers_of(groups));
        let whole = ends.is_sorted()
            && ends.iter().all(|&end| texts.is_char_boundary(end as usize))
            && ends.last().map_or(0, |&end| end as usize) == texts.len()
            && groups.first().is_none_or(|&first| first == 0)
            && groups
                .windows(2)
                .all(|pair| pair[1].wrapping_sub(pair[0]) <= 1);
        if !whole {
            return Err(DAMAGED);
        }
        Ok(Self {
            texts,
            ends,
            groups,
        })
    }
}

/// 32-bit little-endian numbers.
pub(super) fn numbers_of(bytes: &[u8]) -> Vec<u32> {
    let (numbers, _) = bytes.as_chunks();
    numbers
        .iter()
        .map(|number| u32::from_le_bytes(*number))
        .collect()
}
