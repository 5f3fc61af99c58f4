//! Why a probe could not be made, or its packet not be sent, in words.

use std::fmt::Display;
use std::io;
use std::net::IpAddr;
use std::time::Duration;

use crate::diag::{Code, Diagnostic, KernelError};
use crate::kernel::probe_socket::Family;

/// The error for a system call without which there is no probe.
pub(crate) fn failed(what: impl Display, request: &str, error: &io::Error) -> Box<Diagnostic> {
    let kernel = KernelError::from_io(request, error);
    let refused = matches!(kernel.errno, libc::EPERM | libc::EACCES);
    let code = if refused { Code::NotPermitted } else { Code::ProbeFailed };
    let diagnostic = Diagnostic::new(code, what.to_string()).kernel(kernel);
    match (refused, error.raw_os_error()) {
        (true, _) => {
            diagnostic.help("run netlab as root: probes need the capabilities CAP_NET_RAW and CAP_NET_BIND_SERVICE")
        }
        (_, Some(libc::EAFNOSUPPORT)) => diagnostic.help("this kernel has no IPv6; use IPv4 addresses"),
        (_, Some(libc::EADDRINUSE)) => diagnostic.help("another program listens there: choose another port"),
        (_, Some(libc::EADDRNOTAVAIL)) => diagnostic
            .help("the address must be one of this namespace; a new IPv6 address takes a second or two to settle"),
        _ => diagnostic,
    }
}

/// The error for an address of the other family than the socket's.
pub(crate) fn check_family(socket: Family, to: IpAddr) -> crate::diag::Result<()> {
    if Family::of(to) == socket {
        return Ok(());
    }
    let name = if socket == Family::V4 { "IPv4" } else { "IPv6" };
    Err(Diagnostic::new(Code::BadAddress, format!("`{to}` cannot be reached from an {name} socket")))
}

/// Why the own kernel did not send (or why a connection failed), as a sentence about the destination.
pub(crate) fn send_words(error: &KernelError, to: impl Display) -> String {
    match error.errno {
        libc::ENETUNREACH => format!("network is unreachable: no route to {to}"),
        libc::EHOSTUNREACH => format!("host is unreachable: {to} does not answer on its link, or a route says so"),
        libc::EMSGSIZE => format!("the packet is too big for the way to {to}"),
        libc::EADDRNOTAVAIL => format!("no address to send from to {to}; a new IPv6 address takes a second to settle"),
        libc::EINVAL => format!("the kernel refuses to send to {to}; is there a `blackhole` route?"),
        libc::EACCES => format!("sending to {to} is forbidden: a `prohibit` route, or a broadcast address"),
        libc::EPERM => format!("sending to {to} is forbidden: a firewall on this side drops it"),
        libc::ENETDOWN => format!("the link to {to} is down"),
        libc::ENOBUFS => format!("no buffer space to send to {to}"),
        _ => format!("cannot send to {to}: {error}"),
    }
}

/// A time as people say it: `1 s`, `1.5 s`, `200 ms`.
pub(crate) fn time(time: Duration) -> String {
    if time < Duration::from_secs(1) { format!("{} ms", time.as_millis()) } else { format!("{} s", time.as_secs_f64()) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words() {
        let say = |errno| send_words(&KernelError::new("sendto", errno), "10.9.9.9");
        assert_eq!(say(libc::ENETUNREACH), "network is unreachable: no route to 10.9.9.9");
        assert!(say(libc::EIO).starts_with("cannot send to 10.9.9.9: sendto → EIO: "));
        assert_eq!(time(Duration::from_millis(200)), "200 ms");
        assert_eq!(time(Duration::from_millis(1500)), "1.5 s");
        assert_eq!(time(Duration::from_secs(2)), "2 s");
        let refused = failed("cannot open", "socket", &io::Error::from_raw_os_error(libc::EPERM));
        assert_eq!(refused.code, Code::NotPermitted);
        assert!(check_family(Family::V4, "::1".parse().unwrap()).is_err());
    }
}
