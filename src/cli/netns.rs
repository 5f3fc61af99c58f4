//! Namespaces as they are named on the command line.

use std::os::fd::OwnedFd;

use super::guest::Guest;
use crate::diag::{Code, Diagnostic, KernelError, Result, nearest};
use crate::kernel::netns;
use crate::types::name::NsName;

/// The word for the namespace that netlab itself is started in; no namespace that netlab makes may be called so.
pub const HOST: &str = "host";

/// How many names an error lists before it gives up.
const MANY: usize = 12;

/// Opens a namespace: any name in /run/netns; `host`, which has no name; `docker:NAME` and `nspawn:NAME`.
///
/// # Errors
/// `NL0108` with the names that are near.
pub fn open(name: &str) -> Result<(Option<NsName>, OwnedFd)> {
    if name == HOST {
        let fd = netns::of_this_thread().map_err(|e| broken(name, "/proc/thread-self/ns/net", &e))?;
        return Ok((None, fd));
    }
    if let Some(guest) = Guest::find(name) {
        return Ok((None, guest?.network()?));
    }
    let wanted = NsName::new(name)?;
    match netns::of_name(&wanted) {
        Ok(Some(fd)) => Ok((Some(wanted), fd)),
        Ok(None) => Err(Diagnostic::new(Code::NoSuchNetns, format!("`{name}` is a name without a namespace"))
            .help(format!("what it stood for has ended; remove the name with `ip netns del {name}`"))),
        Err(e) if e.kind() == std::io::ErrorKind::NotFound => Err(missing(name)),
        Err(e) => Err(broken(name, &netns::path(&wanted).display().to_string(), &e)),
    }
}

/// A sentence that says which namespaces there are.
pub fn which(names: &[String]) -> String {
    match names.len() {
        0 => "there is none at all; `netlab run FILE` makes some".into(),
        n if n > MANY => format!("there are {} and {} more", names[..MANY].join(", "), n - MANY),
        1 => format!("there is {}", names[0]),
        _ => format!("there are {}", names.join(", ")),
    }
}

/// All names in /run/netns.
pub fn names() -> Vec<String> {
    netns::names().iter().map(ToString::to_string).collect()
}

fn missing(name: &str) -> Box<Diagnostic> {
    let names = names();
    let error = Diagnostic::new(Code::NoSuchNetns, format!("there is no namespace `{name}`"));
    match nearest(name, names.iter().map(String::as_str).chain([HOST])) {
        Some(near) => error.help(format!("did you mean `{near}`?")),
        None => error.help(which(&names)),
    }
}

fn broken(name: &str, path: &str, error: &std::io::Error) -> Box<Diagnostic> {
    crate::action::failed(&format!("open the namespace `{name}`"), KernelError::from_io(format!("open {path}"), error))
}
