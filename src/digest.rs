//! Content digests.

use std::fmt;
use std::io::Read as _;

use serde::{Deserialize, Serialize};
use sha2::Digest as _;

/// A SHA-256 digest, printed and read as 64 lower-case hexadecimal digits.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Sha256([u8; 32]);

impl Sha256 {
    /// The digest of `content`.
    #[must_use]
    pub fn of(content: &[u8]) -> Self {
        Self::of_parts([content])
    }

    /// The digest of several parts, each with its length, so that moving a byte from one to the next changes it.
    pub fn of_parts<'a>(parts: impl IntoIterator<Item = &'a [u8]>) -> Self {
        let parts: Vec<&[u8]> = parts.into_iter().collect();
        let mut hasher = sha2::Sha256::new();
        if let [content] = parts.as_slice() {
            hasher.update(content);
        } else {
            for part in parts {
                hasher.update((part.len() as u64).to_le_bytes());
                hasher.update(part);
            }
        }
        Self(hasher.finalize().into())
    }

    /// A key, from the kernel; `salt` only makes two differ should it have nothing to give.
    #[must_use]
    pub fn random(salt: &[u8]) -> Self {
        let mut bytes = Vec::new();
        let read = fs_err::File::open("/dev/urandom").and_then(|file| file.take(32).read_to_end(&mut bytes));
        let length = read.unwrap_or_default();
        Self::of_parts([bytes.as_slice(), salt, &length.to_le_bytes()])
    }

    /// The digest of `content` with this key: that of a short secret alone could be guessed.
    #[must_use]
    pub fn keyed(&self, content: &[u8]) -> Self {
        Self::of_parts([self.to_string().as_bytes(), content])
    }

    /// The first 16 hexadecimal digits: enough to tell definitions apart, short enough for a log line.
    #[must_use]
    pub fn short(&self) -> String {
        self.to_string().chars().take(16).collect()
    }
}

impl From<sha2::Sha256> for Sha256 {
    fn from(hasher: sha2::Sha256) -> Self {
        Self(hasher.finalize().into())
    }
}

impl fmt::Display for Sha256 {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl fmt::Debug for Sha256 {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl TryFrom<String> for Sha256 {
    type Error = String;
    fn try_from(text: String) -> Result<Self, String> {
        let wrong = || format!("{text:?} is not a sha256 of 64 hexadecimal digits");
        if text.len() != 64 || !text.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f')) {
            return Err(wrong());
        }
        let mut bytes = [0; 32];
        for (byte, digits) in bytes.iter_mut().zip(text.as_bytes().chunks(2)) {
            *byte = std::str::from_utf8(digits)
                .ok()
                .and_then(|digits| u8::from_str_radix(digits, 16).ok())
                .ok_or_else(wrong)?;
        }
        Ok(Self(bytes))
    }
}

impl From<Sha256> for String {
    fn from(digest: Sha256) -> Self {
        digest.to_string()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn agrees_with_sha256sum_and_reads_back() {
        let digest = Sha256::of(b"abc");
        assert_eq!(digest.to_string(), "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
        assert_eq!(Sha256::try_from(digest.to_string()), Ok(digest));
        for wrong in ["zz", "+a", "AA"] {
            assert!(Sha256::try_from(wrong.repeat(32)).is_err(), "{wrong}");
        }
        assert_ne!(Sha256::of_parts([&b"ab"[..], b"c"]), Sha256::of_parts([&b"a"[..], b"bc"]));
    }
}
