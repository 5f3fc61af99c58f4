//! Ethernet addresses.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::diag::{Code, Diagnostic, Result};

/// An Ethernet address.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Mac([u8; 6]);

impl Mac {
    /// All stations of a network.
    pub const BROADCAST: Self = Self([0xff; 6]);

    /// Reads six hexadecimal bytes with `:` or `-` between them.
    ///
    /// # Errors
    /// `NL0114` for anything else, for a multicast address and for all zeros: no link can have those.
    pub fn new(text: &str) -> Result<Self> {
        let mac = Self::any(text)?;
        if mac.0[0] & 1 == 1 {
            return Err(Diagnostic::new(
                Code::BadMac,
                format!("MAC `{text}` is a multicast address; no link can have it"),
            )
            .help("the lowest bit of the first byte must be 0: \"02:00:00:00:00:01\" is free for your own use"));
        }
        if mac.0 == [0; 6] {
            return Err(Diagnostic::new(Code::BadMac, format!("MAC `{text}` is all zeros; no link can have it")));
        }
        Ok(mac)
    }

    /// The same without the rules for links: FDB entries may hold zeros (the VXLAN default destination) or multicast.
    ///
    /// # Errors
    /// `NL0114` for what is not six hexadecimal bytes.
    pub fn any(text: &str) -> Result<Self> {
        let bad = || {
            Diagnostic::new(Code::BadMac, format!("`{text}` is not a MAC address"))
                .help("write six bytes: \"02:00:00:00:00:01\"")
        };
        let mut bytes = [0; 6];
        let mut parts = text.split([':', '-']);
        for byte in &mut bytes {
            let part = parts.next().ok_or_else(bad)?;
            if part.is_empty() || part.len() > 2 || part.starts_with('+') {
                return Err(bad());
            }
            *byte = u8::from_str_radix(part, 16).map_err(|_| bad())?;
        }
        if parts.next().is_some() { Err(bad()) } else { Ok(Self(bytes)) }
    }

    /// From the bytes of a netlink attribute; `None` for links without an Ethernet address.
    pub fn from_bytes(bytes: &[u8]) -> Option<Self> {
        Some(Self(bytes.try_into().ok()?))
    }

    /// The bytes on the wire.
    pub fn bytes(self) -> [u8; 6] {
        self.0
    }
}

impl fmt::Display for Mac {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [a, b, c, d, e, g] = self.0;
        write!(f, "{a:02x}:{b:02x}:{c:02x}:{d:02x}:{e:02x}:{g:02x}")
    }
}

impl fmt::Debug for Mac {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl TryFrom<String> for Mac {
    type Error = Box<Diagnostic>;
    fn try_from(text: String) -> Result<Self> {
        Self::any(&text)
    }
}

impl From<Mac> for String {
    fn from(mac: Mac) -> String {
        mac.to_string()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_and_refuses() {
        assert_eq!(Mac::new("02:00:00:00:00:0A").unwrap().to_string(), "02:00:00:00:00:0a");
        assert_eq!(Mac::new("2-0-0-0-0-a").unwrap().to_string(), "02:00:00:00:00:0a");
        for bad in ["", "02:00", "02:00:00:00:00:00:00", "02:00:00:00:00:zz", "02:00:00:00:00:+1", "02:00:00:00:00:100"]
        {
            assert_eq!(Mac::new(bad).unwrap_err().message, format!("`{bad}` is not a MAC address"));
        }
        assert!(Mac::new("01:00:00:00:00:00").unwrap_err().message.contains("multicast"));
        assert!(Mac::new("00:00:00:00:00:00").unwrap_err().message.contains("all zeros"));
        assert!(Mac::any("00:00:00:00:00:00").is_ok());
    }
}
