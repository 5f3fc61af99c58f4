//! What the kernel takes without a word and a network suffers from: judged when a script has ended, on what it has made.
//!
//! A script is half-way wrong all the time (a bridge is made and raised two lines later), so nothing is said before its end.
//! What is known comes from the lab's own steps; the machine is asked only about namespaces that were there before.

mod address;
mod link;
mod net;
mod route;

use crate::diag::{Code, Diagnostic, Site, nearest};
use crate::lab::Lab;

use self::net::Net;

/// A thing to be warned about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Lint {
    /// What `allow` calls it.
    pub name: &'static str,
    /// Its number.
    pub code: Code,
    /// What it is about, in one sentence.
    pub about: &'static str,
}

/// All of them.
pub const LINTS: [Lint; 7] = [
    Lint {
        name: "public-address",
        code: Code::PublicAddress,
        about: "an address that belongs to somebody on the internet",
    },
    Lint { name: "overlap", code: Code::Overlap, about: "two links of one namespace in networks that overlap" },
    Lint { name: "duplicate-address", code: Code::DuplicateAddress, about: "one address twice on a wire" },
    Lint { name: "lost-address", code: Code::LostAddress, about: "an address that went when its link was moved" },
    Lint {
        name: "dead-gateway",
        code: Code::DeadGateway,
        about: "a route by a link that is down, or whose other end is",
    },
    Lint { name: "mtu-mismatch", code: Code::MtuMismatch, about: "a wire whose ends take packets of different sizes" },
    Lint { name: "bridge-down", code: Code::BridgeDown, about: "a bridge with ports that is down" },
];

/// The lint that `allow` is given, by its name or its number.
///
/// # Errors
/// `NL0118` for one that there is not.
pub fn find(name: &str) -> crate::diag::Result<&'static Lint> {
    let is_it = |lint: &&Lint| lint.name == name || lint.code.to_string() == name;
    LINTS.iter().find(is_it).ok_or_else(|| {
        let names = LINTS.iter().map(|lint| lint.name);
        let error = Diagnostic::new(Code::BadOption, format!("there is no warning `{name}`"));
        error.help(match nearest(name, names.clone()) {
            Some(near) => format!("did you mean {near:?}?"),
            None => format!("these can be allowed: {}", names.collect::<Vec<_>>().join(", ")),
        })
    })
}

/// The warnings about what a lab has made, each with the place in the script that it is about, in the order of these.
pub fn judge(lab: &mut Lab) -> Vec<Diagnostic> {
    let net = Net::of(lab);
    let mut warnings = address::judge(&net);
    warnings.extend(link::judge(&net));
    warnings.extend(route::judge(&net));
    warnings.retain(|warning| !lab.allowed.contains(&warning.code));
    let place = |warning: &Diagnostic| warning.site.as_ref().map(|site| (site.file.clone(), site.line, site.column));
    warnings.sort_by_key(|warning| (place(warning), warning.code as u16));
    warnings
}

fn warn(code: Code, message: String, site: &Site, help: impl Into<String>) -> Diagnostic {
    *Diagnostic::new(code, message).help(help).at(site.clone())
}
