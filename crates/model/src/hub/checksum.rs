//! The size and the checksum of a file.

use std::fs::File;
use std::io::{self, BufReader, Read};
use std::path::Path;

use sha1::Sha1;
use sha2::{Digest, Sha256};

use super::error::HubError;
use super::names::is_hexadecimal;

/// Bytes that are read at a time.
const BUFFER: usize = 1 << 18;

/// What a file must hold, as far as that is known.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Content {
    pub size: Option<u64>,
    pub checksum: Option<Checksum>,
}

/// A checksum of a whole file, in lower-case hexadecimal digits.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Checksum {
    Sha256(String),
    /// The name of an object of git: SHA-1 of a header and the content.
    Git(String),
}

impl Checksum {
    /// A SHA-256; `None` if the text is none.
    pub(super) fn sha256(text: &str) -> Option<Self> {
        is_hexadecimal(text, 64).then(|| Self::Sha256(text.to_ascii_lowercase()))
    }

    /// A name of git; `None` if the text is none.
    pub(super) fn git(text: &str) -> Option<Self> {
        is_hexadecimal(text, 40).then(|| Self::Git(text.to_ascii_lowercase()))
    }

    fn expected(&self) -> &str {
        match self {
            Self::Sha256(digits) | Self::Git(digits) => digits,
        }
    }

    fn of_file(&self, path: &Path) -> io::Result<String> {
        let file = File::open(path)?;
        match self {
            Self::Sha256(_) => hashed(Sha256::new(), file),
            Self::Git(_) => {
                let header = format!("blob {}\0", file.metadata()?.len());
                hashed(Sha1::new_with_prefix(header), file)
            }
        }
    }
}

/// A file that does not hold what it must.
#[derive(Debug, thiserror::Error)]
#[error("its {what} is {found} instead of {expected}")]
pub(super) struct Mismatch {
    what: &'static str,
    found: String,
    expected: String,
}

impl Content {
    /// Compares a file; the inner error is the difference.
    pub(super) fn compare(&self, path: &Path) -> io::Result<Result<(), Mismatch>> {
        let size = std::fs::metadata(path)?.len();
        if let Some(expected) = self.size
            && expected != size
        {
            return Ok(Err(Mismatch {
                what: "size",
                found: size.to_string(),
                expected: expected.to_string(),
            }));
        }
        let Some(checksum) = &self.checksum else {
            return Ok(Ok(()));
        };
        let found = checksum.of_file(path)?;
        if found == checksum.expected() {
            return Ok(Ok(()));
        }
        Ok(Err(Mismatch {
            what: match checksum {
                Checksum::Sha256(_) => "SHA-256",
                Checksum::Git(_) => "name in git",
            },
            found,
            expected: checksum.expected().to_owned(),
        }))
    }
}

impl Content {
    /// Compares a file that the user already has.
    pub(super) fn verify(&self, path: &Path) -> Result<(), HubError> {
        let compared = self.compare(path).map_err(|source| HubError::Io {
            path: path.to_owned(),
            source,
        })?;
        compared.map_err(|mismatch| HubError::Damaged {
            path: path.to_owned(),
            reason: mismatch.to_string(),
        })
    }
}

fn hashed(mut hash: impl Digest, file: File) -> io::Result<String> {
    let mut file = BufReader::with_capacity(BUFFER, file);
    let mut buffer = vec![0; BUFFER];
    loop {
        match file.read(&mut buffer)? {
            0 => break,
            read => hash.update(&buffer[..read]),
        }
    }
    Ok(hash
        .finalize()
        .iter()
        .map(|byte| format!("{byte:02x}"))
        .collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn checksums_are_those_of_sha256sum_and_git() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("file");
        std::fs::write(&path, "hello\n").unwrap();
        let sha256 = "5891b5b522d5df086d0ff0b110fbd9d21bb4fc7163af34d08286a2e846f6be03";
        // `git hash-object`.
        let git = "ce013625030ba8dba906f756967f9e9ca394464a";
        let content = |size, checksum| Content { size, checksum };
        for right in [
            content(Some(6), Checksum::sha256(sha256)),
            content(None, Checksum::sha256(&sha256.to_uppercase())),
            content(Some(6), Checksum::git(git)),
            content(Some(6), None),
            Content::default(),
        ] {
            assert!(right.compare(&path).unwrap().is_ok(), "{right:?}");
        }
        for (wrong, part) in [
            (
                content(Some(7), Checksum::sha256(sha256)),
                "its size is 6 instead of 7",
            ),
            (content(None, Checksum::sha256(&"0".repeat(64))), "SHA-256"),
            (content(None, Checksum::git(&"0".repeat(40))), git),
        ] {
            let message = wrong.compare(&path).unwrap().unwrap_err().to_string();
            assert!(message.contains(part), "{message}");
        }
        assert_eq!(Checksum::sha256(git), None);
        assert_eq!(
            Checksum::git("an etag of forty characters, not a hash!"),
            None
        );
    }
}
