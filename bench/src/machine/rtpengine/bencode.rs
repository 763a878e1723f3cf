//! Bencode, as far as the “ng” protocol needs it: no crate of it bounds how deep a value may be.

use std::collections::BTreeMap;

use anyhow::{Context as _, Result, bail};

/// Lists and dictionaries within each other, at most.
const DEPTH_MAX: u32 = 16;

/// A value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Value {
    Integer(i64),
    Bytes(Vec<u8>),
    List(Vec<Self>),
    Dictionary(BTreeMap<Vec<u8>, Self>),
}

impl Value {
    pub(super) fn bytes(text: &str) -> Self {
        Self::Bytes(text.into())
    }

    /// The text, if it is some.
    pub(super) fn text(&self) -> Option<&str> {
        match self {
            Self::Bytes(bytes) => std::str::from_utf8(bytes).ok(),
            _ => None,
        }
    }
}

/// Appends `value` to `out`.
pub(super) fn encode(value: &Value, out: &mut Vec<u8>) {
    match value {
        Value::Integer(number) => out.extend(format!("i{number}e").into_bytes()),
        Value::Bytes(bytes) => encode_bytes(bytes, out),
        Value::List(values) => {
            out.push(b'l');
            for value in values {
                encode(value, out);
            }
            out.push(b'e');
        }
        Value::Dictionary(pairs) => {
            out.push(b'd');
            for (key, value) in pairs {
                encode_bytes(key, out);
                encode(value, out);
            }
            out.push(b'e');
        }
    }
}

fn encode_bytes(bytes: &[u8], out: &mut Vec<u8>) {
    out.extend(format!("{}:", bytes.len()).into_bytes());
    out.extend(bytes);
}

/// Reads one value that takes all of `bytes`.
pub(super) fn decode(bytes: &[u8]) -> Result<Value> {
    let mut rest = bytes;
    let value = value(&mut rest, DEPTH_MAX)?;
    if rest.is_empty() { Ok(value) } else { bail!("{} bytes follow the value", rest.len()) }
}

fn value(rest: &mut &[u8], depth: u32) -> Result<Value> {
    let depth = depth.checked_sub(1).context("the value is too deep")?;
    match rest.first() {
        Some(b'i') => {
            skip(rest);
            Ok(Value::Integer(number(rest, b'e')?))
        }
        Some(b'l') => {
            skip(rest);
            let mut values = Vec::new();
            while !ends(rest)? {
                values.push(value(rest, depth)?);
            }
            Ok(Value::List(values))
        }
        Some(b'd') => {
            skip(rest);
            let mut pairs = BTreeMap::new();
            while !ends(rest)? {
                let key = string(rest)?;
                pairs.insert(key, value(rest, depth)?);
            }
            Ok(Value::Dictionary(pairs))
        }
        Some(b'0'..=b'9') => Ok(Value::Bytes(string(rest)?)),
        _ => bail!("no value begins here"),
    }
}

fn skip(rest: &mut &[u8]) {
    *rest = rest.get(1..).unwrap_or_default();
}

/// Whether a list or a dictionary is over, and then goes past its end.
fn ends(rest: &mut &[u8]) -> Result<bool> {
    let is_end = *rest.first().context("the value is cut short")? == b'e';
    if is_end {
        skip(rest);
    }
    Ok(is_end)
}

fn number<T: std::str::FromStr>(rest: &mut &[u8], end: u8) -> Result<T> {
    let length = rest.iter().position(|byte| *byte == end).context("a number has no end")?;
    let (digits, after) = rest.split_at(length);
    *rest = after;
    skip(rest);
    std::str::from_utf8(digits).ok().and_then(|digits| digits.parse().ok()).context("this is no number")
}

fn string(rest: &mut &[u8]) -> Result<Vec<u8>> {
    let length = number(rest, b':')?;
    let (bytes, after) = rest.split_at_checked(length).context("a string is cut short")?;
    *rest = after;
    Ok(bytes.to_vec())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_encoded_is_decoded() {
        let pairs = [(b"a".to_vec(), Value::Integer(-7)), (b"list".to_vec(), Value::List(vec![Value::bytes("x:y")]))];
        let value = Value::Dictionary(pairs.into());
        let mut bytes = Vec::new();
        encode(&value, &mut bytes);
        assert_eq!(bytes, b"d1:ai-7e4:listl3:x:yee");
        assert_eq!(decode(&bytes).unwrap(), value);
    }

    #[test]
    fn what_is_wrong_is_refused() {
        for bytes in
            [&b""[..], b"i1", b"5:abc", b"l", b"d1:a", b"x", b"i1ei2e", b"99999999999999999999:", &[b'l'; 4096]]
        {
            assert!(decode(bytes).is_err(), "{bytes:?}");
        }
    }
}
