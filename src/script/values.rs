//! The values that scripts hold: small handles, which are ids in the lab's object table, and plain data.

use std::net::IpAddr;
use std::rc::Rc;

use rhai::{Array, Dynamic, Map};

use crate::kernel::process::ProcessKey;
use crate::lab::objects::{LinkId, NsId};
use crate::lab::port::Port;
use crate::lab::wire::Wire;

/// A namespace.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Ns(pub NsId);

/// A link.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Link(pub LinkId);

/// A veth pair.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Cable(pub Wire);

/// A link end that is not born yet.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PortValue(pub Rc<Port>);

/// A program that the lab started.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Program(pub ProcessKey);

/// A network to take addresses from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Subnet {
    /// The network's own address.
    pub base: IpAddr,
    /// Its prefix length.
    pub len: u8,
}

/// What kind of value a function belongs to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Of {
    /// None: it stands alone.
    Free,
    /// A namespace.
    Netns,
    /// A link.
    Link,
    /// A veth pair.
    Wire,
    /// A started program.
    Program,
    /// A subnet.
    Subnet,
}

impl Of {
    /// The kind of a value.
    pub fn value(value: &Dynamic) -> Option<Of> {
        if value.is::<Ns>() {
            Some(Of::Netns)
        } else if value.is::<Link>() {
            Some(Of::Link)
        } else if value.is::<Cable>() {
            Some(Of::Wire)
        } else if value.is::<Program>() {
            Some(Of::Program)
        } else if value.is::<Subnet>() {
            Some(Of::Subnet)
        } else {
            None
        }
    }

    /// The name that the engine knows the values by.
    pub fn type_name(self) -> &'static str {
        match self {
            Of::Free => "",
            Of::Netns => "namespace",
            Of::Link => "link",
            Of::Wire => "wire",
            Of::Program => "program",
            Of::Subnet => "subnet",
        }
    }

    /// The kind with such a name.
    pub fn named(type_name: &str) -> Option<Of> {
        [Of::Netns, Of::Link, Of::Wire, Of::Program, Of::Subnet].into_iter().find(|of| of.type_name() == type_name)
    }

    /// The word for a receiver in signatures.
    pub fn word(self) -> &'static str {
        match self {
            Of::Free => "",
            Of::Netns => "ns",
            Of::Link => "link",
            Of::Wire => "wire",
            Of::Program => "program",
            Of::Subnet => "net",
        }
    }
}

/// What a value is, in words for errors.
pub fn kind(value: &Dynamic) -> &'static str {
    match Of::value(value) {
        Some(Of::Netns) => "a namespace",
        Some(Of::Link) => "a link",
        Some(Of::Wire) => "a wire",
        Some(Of::Program) => "a program",
        Some(Of::Subnet) => "a subnet",
        _ if value.is::<PortValue>() => "a port",
        _ if value.is_string() => "a string",
        _ if value.is_int() => "an integer",
        _ if value.is_bool() => "a bool",
        _ if value.is_float() => "a float",
        _ if value.is_array() => "an array",
        _ if value.is_map() => "a map",
        _ if value.is_unit() => "nothing: ()",
        _ if value.is_fnptr() => "a function",
        _ if value.is::<std::ops::Range<i64>>() || value.is::<std::ops::RangeInclusive<i64>>() => "a range",
        _ => "something else",
    }
}

/// Plain data as a value of the language.
pub fn from_json(json: serde_json::Value) -> Dynamic {
    use serde_json::Value;
    match json {
        Value::Null => Dynamic::UNIT,
        Value::Bool(b) => b.into(),
        Value::Number(n) => n.as_i64().map_or_else(|| Dynamic::from(n.as_f64().unwrap_or(0.0)), Dynamic::from),
        Value::String(s) => s.into(),
        Value::Array(items) => items.into_iter().map(from_json).collect::<Array>().into(),
        Value::Object(fields) => fields.into_iter().map(|(k, v)| (k.into(), from_json(v))).collect::<Map>().into(),
    }
}
