//! A dictionary of properties, decoded where anybody looks and skipped elsewhere.
//!
//! A service has 400 properties of which a third is looked at, and with the general decoder the auditor would spend
//! most of its own time here (measured: 0.2 ms per unit against 0.03 ms). This takes no more than the alignment and
//! length rules of the D-Bus specification, "Marshaling (Wire Format)".

use thiserror::Error;
use zbus::wire::Endian;

use super::value::SettingValue;

/// Bytes that are not a dictionary of properties.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[error("malformed at byte {0}")]
pub(super) struct Malformed(usize);

/// How deep types may be nested (D-Bus specification, "Valid Signatures": 32 arrays and 32 structures).
const DEPTH_MAX: usize = 64;

/// Reads a body of type `a{sv}` and hands over the values of the properties that are `wanted`, under the name that this
/// gives them. A value that [`SettingValue`] has no form for (a floating-point number, a dictionary) is skipped.
pub(super) fn read_properties<N>(
    body: &[u8],
    endian: Endian,
    wanted: impl Fn(&[u8]) -> Option<N>,
    mut keep: impl FnMut(N, SettingValue),
) -> Result<(), Malformed> {
    let mut reader = Reader { bytes: body, position: 0, endian };
    let length = reader.length()?;
    reader.align(8)?;
    let end = reader.position.checked_add(length).filter(|end| *end == body.len()).ok_or(Malformed(0))?;
    while reader.position < end {
        reader.align(8)?;
        let length = reader.length()?;
        match wanted(reader.terminated(length)?) {
            None => reader.skip_variant(0)?,
            Some(name) => {
                if let Some(value) = reader.variant(0)? {
                    keep(name, value);
                }
            }
        }
    }
    Ok(())
}

struct Reader<'a> {
    bytes: &'a [u8],
    position: usize,
    endian: Endian,
}

impl<'a> Reader<'a> {
    fn malformed<T>(&self) -> Result<T, Malformed> {
        Err(Malformed(self.position))
    }

    fn take(&mut self, length: usize) -> Result<&'a [u8], Malformed> {
        let end = self.position.checked_add(length);
        match end.and_then(|end| self.bytes.get(self.position..end)) {
            Some(bytes) => {
                self.position += length;
                Ok(bytes)
            }
            None => self.malformed(),
        }
    }

    fn align(&mut self, to: usize) -> Result<(), Malformed> {
        self.take(self.position.next_multiple_of(to) - self.position).map(drop)
    }

    /// The length of a string or array, in bytes.
    fn length(&mut self) -> Result<usize, Malformed> {
        let length = u32::from_ne_bytes(self.fixed()?);
        usize::try_from(length).map_err(|_| Malformed(self.position))
    }

    /// `length` bytes and the zero byte behind them.
    fn terminated(&mut self, length: usize) -> Result<&'a [u8], Malformed> {
        let bytes = self.take(length)?;
        if self.take(1)? == [0] { Ok(bytes) } else { self.malformed() }
    }

    fn string(&mut self) -> Result<&'a str, Malformed> {
        let length = self.length()?;
        let bytes = self.terminated(length)?;
        std::str::from_utf8(bytes).or_else(|_| self.malformed())
    }

    /// A signature: its length takes a single byte.
    fn signature(&mut self) -> Result<&'a [u8], Malformed> {
        let length = self.take(1)?.first().copied().map_or(0, usize::from);
        self.terminated(length)
    }

    fn variant(&mut self, depth: usize) -> Result<Option<SettingValue>, Malformed> {
        let signature = self.signature()?;
        match self.value(signature, depth)? {
            (value, []) => Ok(value),
            _ => self.malformed(),
        }
    }

    fn skip_variant(&mut self, depth: usize) -> Result<(), Malformed> {
        let signature = self.signature()?;
        match self.skip(signature, depth)? {
            [] => Ok(()),
            _ => self.malformed(),
        }
    }

    /// Reads a value of the first complete type of `signature`; and the rest of the signature.
    fn value<'s>(
        &mut self,
        signature: &'s [u8],
        depth: usize,
    ) -> Result<(Option<SettingValue>, &'s [u8]), Malformed> {
        let (kind, rest) = self.kind(signature, depth)?;
        let value = match kind {
            b'y' => SettingValue::Unsigned(u64::from(u8::from_ne_bytes(self.fixed()?))),
            b'q' => SettingValue::Unsigned(u64::from(u16::from_ne_bytes(self.fixed()?))),
            b'u' => SettingValue::Unsigned(u64::from(u32::from_ne_bytes(self.fixed()?))),
            b't' => SettingValue::Unsigned(u64::from_ne_bytes(self.fixed()?)),
            b'n' => SettingValue::Signed(i64::from(i16::from_ne_bytes(self.fixed()?))),
            b'i' => SettingValue::Signed(i64::from(i32::from_ne_bytes(self.fixed()?))),
            b'x' => SettingValue::Signed(i64::from_ne_bytes(self.fixed()?)),
            b'b' => SettingValue::Bool(u32::from_ne_bytes(self.fixed()?) != 0),
            b's' | b'o' => SettingValue::Text(self.string()?.to_owned()),
            b'v' => return Ok((self.variant(depth + 1)?, rest)),
            b'a' if rest.first() != Some(&b'{') => {
                let length = self.length()?;
                self.align(alignment(rest))?;
                let end = self.position.checked_add(length).filter(|end| *end <= self.bytes.len());
                let end = end.ok_or(Malformed(self.position))?;
                let mut values = Vec::new();
                while self.position < end {
                    let start = self.position;
                    values.extend(self.value(rest, depth + 1)?.0);
                    if self.position == start {
                        // A structure without fields takes no bytes: an array of them would never end.
                        return self.malformed();
                    }
                }
                if self.position != end {
                    return self.malformed();
                }
                let after = after_type(rest, depth + 1).ok_or(Malformed(self.position))?;
                return Ok((Some(SettingValue::List(values)), after));
            }
            b'(' => {
                self.align(8)?;
                let mut fields = rest;
                let mut values = Vec::new();
                loop {
                    if let Some((b')', after)) = fields.split_first() {
                        return Ok((Some(SettingValue::List(values)), after));
                    }
                    let (value, after) = self.value(fields, depth + 1)?;
                    values.extend(value);
                    fields = after;
                }
            }
            _ => return self.skip(signature, depth).map(|rest| (None, rest)),
        };
        Ok((Some(value), rest))
    }

    /// Skips a value of the first complete type of `signature`; the rest of the signature.
    fn skip<'s>(&mut self, signature: &'s [u8], depth: usize) -> Result<&'s [u8], Malformed> {
        let (kind, rest) = self.kind(signature, depth)?;
        match kind {
            b'y' => drop(self.fixed::<1>()?),
            b'n' | b'q' => drop(self.fixed::<2>()?),
            b'b' | b'i' | b'u' | b'h' => drop(self.fixed::<4>()?),
            b'x' | b't' | b'd' => drop(self.fixed::<8>()?),
            b's' | b'o' => {
                let length = self.length()?;
                self.take(length)?;
                self.take(1)?;
            }
            b'g' => drop(self.signature()?),
            b'v' => self.skip_variant(depth + 1)?,
            b'a' => {
                let length = self.length()?;
                self.align(alignment(rest))?;
                self.take(length)?;
                return after_type(rest, depth + 1).ok_or(Malformed(self.position));
            }
            b'(' => {
                self.align(8)?;
                let mut fields = rest;
                loop {
                    if let Some((b')', after)) = fields.split_first() {
                        return Ok(after);
                    }
                    fields = self.skip(fields, depth + 1)?;
                }
            }
            _ => return self.malformed(),
        }
        Ok(rest)
    }

    /// The first character of a signature.
    fn kind<'s>(&self, signature: &'s [u8], depth: usize) -> Result<(u8, &'s [u8]), Malformed> {
        match signature.split_first() {
            Some((kind, rest)) if depth < DEPTH_MAX => Ok((*kind, rest)),
            _ => self.malformed(),
        }
    }

    /// A number of `SIZE` bytes, which is aligned to its size; in the byte order of this machine.
    fn fixed<const SIZE: usize>(&mut self) -> Result<[u8; SIZE], Malformed> {
        self.align(SIZE)?;
        let mut bytes: [u8; SIZE] = self.take(SIZE)?.try_into().map_err(|_| Malformed(self.position))?;
        if self.endian != Endian::native() {
            bytes.reverse();
        }
        Ok(bytes)
    }
}

/// The alignment of the first type of `signature`.
fn alignment(signature: &[u8]) -> usize {
    match signature.first() {
        Some(b'y' | b'g' | b'v') => 1,
        Some(b'n' | b'q') => 2,
        Some(b'x' | b't' | b'd' | b'(' | b'{') => 8,
        _ => 4,
    }
}

/// What follows the first complete type of `signature`.
fn after_type(signature: &[u8], depth: usize) -> Option<&[u8]> {
    let (kind, mut rest) = signature.split_first().filter(|_| depth < DEPTH_MAX)?;
    let close = match kind {
        b'a' => return after_type(rest, depth + 1),
        b'(' => b')',
        b'{' => b'}',
        b')' | b'}' => return None,
        _ => return Some(rest),
    };
    loop {
        let (first, after) = rest.split_first()?;
        if *first == close {
            return Some(after);
        }
        rest = after_type(rest, depth + 1)?;
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use zbus::wire::serialized::Context;
    use zbus::wire::to_bytes;
    use zbus::{ObjectPath, Variant};

    use super::*;

    /// Each value, and what it is read as.
    fn dictionary() -> Vec<(&'static str, Variant<'static>, Option<SettingValue>)> {
        let text = |text: &str| SettingValue::Text(text.to_owned());
        let list = |values: &[SettingValue]| SettingValue::List(values.to_vec());
        let (signed, unsigned) = (SettingValue::Signed, SettingValue::Unsigned);
        vec![
            ("a", Variant::from(1_u8), Some(unsigned(1))),
            ("b", Variant::from(true), Some(SettingValue::Bool(true))),
            ("c", Variant::from("text"), Some(text("text"))),
            ("d", Variant::from(vec![1_u64, u64::MAX]), Some(list(&[unsigned(1), unsigned(u64::MAX)]))),
            ("e", Variant::from(Vec::<u64>::new()), Some(list(&[]))),
            (
                "f",
                Variant::from((1_u8, 2_u64, "x", vec![("y", -3_i16)])),
                Some(list(&[unsigned(1), unsigned(2), text("x"), list(&[list(&[text("y"), signed(-3)])])])),
            ),
            ("g", Variant::from(ObjectPath::try_from("/a/b").unwrap()), Some(text("/a/b"))),
            ("h", Variant::Variant(Box::new(Variant::from(-2_i32))), Some(signed(-2))),
            ("i", Variant::from(2.5), None),
            ("j", Variant::from(BTreeMap::from([("k", Variant::from(1_i32))])), None),
            (
                "k",
                Variant::from(vec![vec![(1_u8, vec![1_u8])], vec![]]),
                Some(list(&[list(&[list(&[unsigned(1), list(&[unsigned(1)])])]), list(&[])])),
            ),
            ("l", Variant::from(-7_i64), Some(signed(-7))),
            ("m", Variant::from(7_u16), Some(unsigned(7))),
        ]
    }

    fn encoded(endian: Endian) -> Vec<u8> {
        let values: BTreeMap<_, _> = dictionary().into_iter().map(|(name, value, _)| (name, value)).collect();
        to_bytes(Context::new(endian, 0), &values).unwrap().bytes().to_vec()
    }

    fn read(body: &[u8], endian: Endian, wanted: &str) -> Result<Vec<(String, SettingValue)>, Malformed> {
        let mut read = Vec::new();
        let name = |name: &[u8]| {
            std::str::from_utf8(name).ok().filter(|name| wanted.contains(name)).map(str::to_owned)
        };
        read_properties(body, endian, name, |name, value| read.push((name, value)))?;
        Ok(read)
    }

    #[test]
    fn values_are_read_or_skipped_in_both_byte_orders() {
        for endian in [Endian::Little, Endian::Big] {
            for wanted in ["abcdefghijklm", "", "dgm", "fk"] {
                let expected: Vec<(String, SettingValue)> = dictionary()
                    .into_iter()
                    .filter(|(name, _, _)| wanted.contains(name))
                    .filter_map(|(name, _, value)| Some((name.to_owned(), value?)))
                    .collect();
                assert_eq!(read(&encoded(endian), endian, wanted).unwrap(), expected);
            }
        }
    }

    #[test]
    fn no_damage_makes_it_panic_or_run_away() {
        let whole = encoded(Endian::Little);
        for wanted in ["abcdefghijklm", ""] {
            for length in 0..whole.len() {
                assert!(read(&whole[..length], Endian::Little, wanted).is_err(), "{length}");
            }
            for position in 0..whole.len() {
                for value in [0, 1, 0x7f, 0xff, b'(', b'a', b'v', b'{', b')'] {
                    let mut damaged = whole.clone();
                    damaged[position] = value;
                    let values = read(&damaged, Endian::Little, wanted).unwrap_or_default();
                    assert!(values.len() <= whole.len());
                }
            }
        }
    }

    #[test]
    fn deep_nesting_is_malformed() {
        let mut body = vec![0, 0, 0, 0, 0, 0, 0, 0, 1, 0, 0, 0, b'x', 0];
        for _ in 0..200 {
            body.extend([1, b'v', 0]);
        }
        body.extend([1, b'y', 0, 7]);
        let length = u32::try_from(body.len() - 8).unwrap();
        body[..4].copy_from_slice(&length.to_le_bytes());
        for wanted in ["x", ""] {
            assert!(read(&body, Endian::Little, wanted).is_err());
        }
    }

    #[test]
    fn an_array_of_nothing_is_malformed() {
        let body = [
            24, 0, 0, 0, 0, 0, 0, 0, 1, 0, 0, 0, b'x', 0, 3, b'a', b'(', b')', 0, 0, 8, 0, 0, 0, 0, 0, 0, 0,
            0, 0, 0, 0,
        ];
        assert!(read(&body, Endian::Little, "x").is_err());
    }
}
