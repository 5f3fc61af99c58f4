//! rtnetlink messages as bytes: what a dump says, kept whole, so that it can be sent back as it was.
//!
//! A parsed message holds what its library knows; what the library does not know would be lost on the way back. So what has
//! to come back exactly is kept as the kernel wrote it: a fixed header and attributes (`include/uapi/linux/rtnetlink.h`).

use std::fmt;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// A message without its netlink header.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Raw {
    /// `RTM_*`.
    pub kind: u16,
    /// The fixed part, for example a `struct rtmsg`.
    pub header: Vec<u8>,
    /// The attributes, in the kernel's order.
    pub attributes: Vec<Attribute>,
}

/// One attribute, without the flags for nesting and byte order in its type.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Attribute {
    /// Its type.
    pub kind: u16,
    /// Its value; of a nested one, the attributes inside.
    pub value: Vec<u8>,
}

const TYPE_MASK: u16 = 0x3fff;
const NESTED: u16 = 1 << 15;

impl Attribute {
    /// An attribute with bytes.
    pub fn new(kind: u16, value: impl Into<Vec<u8>>) -> Self {
        Self { kind, value: value.into() }
    }

    /// A number of 32 bits.
    pub fn u32(kind: u16, value: u32) -> Self {
        Self::new(kind, value.to_ne_bytes())
    }

    /// A text with its final zero.
    pub fn text(kind: u16, value: &str) -> Self {
        let mut bytes = value.as_bytes().to_vec();
        bytes.push(0);
        Self::new(kind, bytes)
    }

    /// A nested one, marked as such, which the kernel demands of newer kinds.
    pub fn nested(kind: u16, inside: &[Attribute]) -> Self {
        Self::new(kind | NESTED, encode(inside))
    }

    /// The value as a number of up to 32 bits in the machine's order.
    pub fn number(&self) -> Option<u32> {
        match self.value.as_slice() {
            [byte] => Some(u32::from(*byte)),
            [a, b] => Some(u32::from(u16::from_ne_bytes([*a, *b]))),
            [a, b, c, d] => Some(u32::from_ne_bytes([*a, *b, *c, *d])),
            _ => None,
        }
    }

    /// The value as a text.
    pub fn string(&self) -> String {
        String::from_utf8_lossy(&self.value).trim_end_matches('\0').to_owned()
    }

    /// The attributes inside.
    pub fn inside(&self) -> Vec<Attribute> {
        decode(&self.value)
    }
}

impl Raw {
    /// Reads a message; `None` for one that is shorter than its kind's header.
    pub fn read(kind: u16, payload: &[u8]) -> Option<Self> {
        let length = header_length(kind)?;
        let header = payload.get(..length)?.to_vec();
        Some(Self { kind, header, attributes: decode(&payload[length..]) })
    }

    /// The message as it is sent.
    pub fn payload(&self) -> Vec<u8> {
        let mut bytes = self.header.clone();
        bytes.extend(encode(&self.attributes));
        bytes
    }

    /// The first attribute of a type.
    pub fn get(&self, kind: u16) -> Option<&Attribute> {
        self.attributes.iter().find(|a| a.kind == kind)
    }

    /// Leaves out all attributes of some types.
    pub fn drop(&mut self, kinds: &[u16]) {
        self.attributes.retain(|a| !kinds.contains(&a.kind));
    }

    /// A number of 32 bits in the header.
    pub fn header_u32(&self, at: usize) -> u32 {
        self.header.get(at..at + 4).and_then(|b| b.try_into().ok()).map_or(0, u32::from_ne_bytes)
    }

    /// Sets a number of 32 bits in the header.
    pub fn set_header_u32(&mut self, at: usize, value: u32) {
        if let Some(bytes) = self.header.get_mut(at..at + 4) {
            bytes.copy_from_slice(&value.to_ne_bytes());
        }
    }
}

/// The length of the header of a kind of message: the structs of linux/rtnetlink.h, if_link.h, neighbour.h, fib_rules.h
/// and nexthop.h.
fn header_length(kind: u16) -> Option<usize> {
    match kind {
        16..=19 => Some(16),
        20..=23 => Some(8),
        24..=35 => Some(12),
        36..=47 => Some(20),
        84..=87 => Some(8),
        // A `struct rtgenmsg` of one byte, with its padding.
        88..=91 => Some(4),
        104..=107 => Some(8),
        108..=110 => Some(16),
        _ => None,
    }
}

/// Attributes one after the other, as in a message or in a nested attribute.
pub fn decode(mut bytes: &[u8]) -> Vec<Attribute> {
    let mut attributes = Vec::new();
    while let Some(head) = bytes.get(..4) {
        let length = usize::from(u16::from_ne_bytes([head[0], head[1]]));
        let Some(value) = bytes.get(4..length) else { break };
        attributes.push(Attribute::new(u16::from_ne_bytes([head[2], head[3]]) & TYPE_MASK, value));
        bytes = bytes.get(length.div_ceil(4) * 4..).unwrap_or_default();
    }
    attributes
}

/// The same as bytes.
pub fn encode(attributes: &[Attribute]) -> Vec<u8> {
    let mut bytes = Vec::new();
    for attribute in attributes {
        // An attribute came out of a message, or is a few numbers: it is far from 64 KiB.
        let length = u16::try_from(4 + attribute.value.len()).unwrap_or(u16::MAX);
        bytes.extend(length.to_ne_bytes());
        bytes.extend(attribute.kind.to_ne_bytes());
        bytes.extend(&attribute.value);
        bytes.resize(bytes.len().div_ceil(4) * 4, 0);
    }
    bytes
}

/// Bytes that are written as text where they are one, and in hexadecimal digits otherwise.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Bytes(pub Vec<u8>);

const HEX: &str = "0x";

impl Bytes {
    /// The bytes of a text.
    pub fn text(text: impl AsRef<str>) -> Self {
        Self(text.as_ref().as_bytes().to_vec())
    }

    /// The text that they are; of other bytes, their digits.
    pub fn as_text(&self) -> String {
        match std::str::from_utf8(&self.0) {
            Ok(text) if !text.starts_with(HEX) && !text.contains('\0') => text.to_owned(),
            _ => {
                let digits: Vec<String> = self.0.iter().map(|b| format!("{b:02x}")).collect();
                format!("{HEX}{}", digits.concat())
            }
        }
    }
}

impl fmt::Debug for Bytes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.as_text())
    }
}

impl Serialize for Bytes {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.as_text())
    }
}

impl<'de> Deserialize<'de> for Bytes {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        let Some(digits) = text.strip_prefix(HEX) else { return Ok(Self(text.into_bytes())) };
        let bytes = digits.as_bytes().chunks(2).map(|pair| {
            let pair = std::str::from_utf8(pair).map_err(serde::de::Error::custom)?;
            u8::from_str_radix(pair, 16).map_err(serde::de::Error::custom)
        });
        bytes.collect::<Result<_, _>>().map(Self)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_read_is_sent_back_the_same() {
        let mut payload = vec![2u8, 24, 0, 0, 254, 3, 0, 1, 0, 0, 0, 0];
        payload.extend(encode(&[Attribute::u32(4, 7), Attribute::text(3, "v0:1"), Attribute::new(1, [10, 0, 0, 1])]));
        let raw = Raw::read(24, &payload).unwrap();
        assert_eq!(raw.get(3).unwrap().string(), "v0:1");
        assert_eq!(raw.payload(), payload);
        for cut in 0..payload.len() {
            // A cut message is read as far as it goes.
            let _ = Raw::read(24, &payload[..cut]);
        }
    }

    #[test]
    fn bytes_as_text() {
        for bytes in [b"plain 1".to_vec(), vec![0, 255], b"0x12".to_vec(), vec![]] {
            let text = serde_json::to_string(&Bytes(bytes.clone())).unwrap();
            assert_eq!(serde_json::from_str::<Bytes>(&text).unwrap().0, bytes, "{text}");
        }
    }
}
