//! Hashes of texts, the same on every machine and in every release.

/// FNV-1a with 64 bits (Fowler, Noll and Vo).
///
/// The probability that two of a million texts share a hash is 3e-8. A collision would only keep two
/// unrelated rows together or apart.
pub(super) struct Fnv1a(u64);

impl Fnv1a {
    pub(super) fn new() -> Self {
        Self(0xcbf2_9ce4_8422_2325)
    }

    pub(super) fn write(&mut self, bytes: &[u8]) {
        for &byte in bytes {
            self.0 = (self.0 ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3);
        }
    }

    pub(super) fn finish(self) -> u64 {
        self.0
    }
}

/// The hash of a text's bytes.
pub(crate) fn hash_text(text: &str) -> u64 {
    let mut hash = Fnv1a::new();
    hash.write(text.as_bytes());
    hash.0
}

/// The hash of a text in lower case, with one space for every run of white space and none around.
pub(crate) fn hash_normalised(text: &str) -> u64 {
    let mut hash = Fnv1a::new();
    let mut buffer = [0; 4];
    for (place, word) in text.split_whitespace().enumerate() {
        if place > 0 {
            hash.write(b" ");
        }
        for letter in word.chars().flat_map(char::to_lowercase) {
            hash.write(letter.encode_utf8(&mut buffer).as_bytes());
        }
    }
    hash.0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_published_hashes() {
        assert_eq!(hash_text(""), 0xcbf2_9ce4_8422_2325);
        assert_eq!(hash_text("a"), 0xaf63_dc4c_8601_ec8c);
        assert_eq!(hash_text("foobar"), 0x8594_4171_f739_67e8);
    }

    #[test]
    fn case_and_white_space_do_not_matter_to_the_normalised_hash() {
        for same in ["Größe  XL", " größe xl\n", "GRÖßE\u{a0}\tXL"] {
            assert_eq!(hash_normalised(same), hash_text("größe xl"), "{same:?}");
        }
        assert_ne!(hash_normalised("größexl"), hash_text("größe xl"));
    }
}
