//! Numbers with a range: VLAN ids and VXLAN network identifiers.

use serde::{Deserialize, Serialize};

use crate::diag::{Code, Diagnostic, Result};

/// A VLAN id, 1 to 4094 (IEEE 802.1Q: 0 is the priority tag, 4095 reserved).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct VlanId(u16);

impl VlanId {
    /// VLAN 1, in which a bridge puts each port unless it is told otherwise.
    pub const FIRST: VlanId = VlanId(1);

    /// Checks a VLAN id.
    ///
    /// # Errors
    /// `NL0106` outside 1 to 4094.
    pub fn new(id: i64) -> Result<Self> {
        match u16::try_from(id) {
            Ok(small) if (1..=4094).contains(&small) => Ok(Self(small)),
            _ => Err(Diagnostic::new(
                Code::OutOfRange,
                format!("VLAN id {id} is out of range: 12 bits, 1 to 4094 (0 is the priority tag, 4095 reserved)"),
            )
            .help("more than 4094 segments need vxlan, whose identifier has 24 bits")),
        }
    }

    /// The id as the kernel takes it.
    pub fn get(self) -> u16 {
        self.0
    }
}

/// A VXLAN network identifier, 0 to 2^24 - 1 (RFC 7348).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Vni(u32);

impl Vni {
    /// Checks a VNI.
    ///
    /// # Errors
    /// `NL0106` outside 0 to 16777215.
    pub fn new(vni: i64) -> Result<Self> {
        match u32::try_from(vni) {
            Ok(small) if small < 1 << 24 => Ok(Self(small)),
            _ => Err(Diagnostic::new(Code::OutOfRange, format!("VNI {vni} is out of range: 24 bits, 0 to 16777215"))),
        }
    }

    /// The identifier as the kernel takes it.
    pub fn get(self) -> u32 {
        self.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranges() {
        assert_eq!(VlanId::new(10).unwrap().get(), 10);
        assert!(VlanId::new(0).is_err() && VlanId::new(4095).is_err() && VlanId::new(-1).is_err());
        assert_eq!(
            VlanId::new(5000).unwrap_err().message,
            "VLAN id 5000 is out of range: 12 bits, 1 to 4094 (0 is the priority tag, 4095 reserved)"
        );
        assert_eq!(Vni::new(16777215).unwrap().get(), 16777215);
        assert_eq!(Vni::new(16777216).unwrap_err().message, "VNI 16777216 is out of range: 24 bits, 0 to 16777215");
    }
}
