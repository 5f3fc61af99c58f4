//! The TCP and UDP sockets of a namespace that wait for somebody.

use std::fs;
use std::io;
use std::net::{IpAddr, SocketAddr};

/// The addresses that sockets of the calling thread's namespace listen on.
///
/// # Errors
/// Those of reading /proc.
pub fn read(udp: bool) -> io::Result<Vec<SocketAddr>> {
    let name = if udp { "udp" } else { "tcp" };
    let mut all = Vec::new();
    for file in [name.to_owned(), format!("{name}6")] {
        match fs::read_to_string(format!("/proc/thread-self/net/{file}")) {
            Ok(text) => all.extend(text.lines().skip(1).filter_map(|line| waiting(line, udp))),
            // A kernel without IPv6.
            Err(e) if e.kind() == io::ErrorKind::NotFound && file.ends_with('6') => {}
            Err(e) => return Err(e),
        }
    }
    Ok(all)
}

/// Reads a line; `None` for a socket that is connected to somebody.
fn waiting(line: &str, udp: bool) -> Option<SocketAddr> {
    // `TCP_LISTEN`; a UDP socket that is not connected is in state `TCP_CLOSE`.
    let wanted = if udp { "07" } else { "0A" };
    let words: Vec<&str> = line.split_whitespace().collect();
    if *words.get(3)? != wanted {
        return None;
    }
    let (addr, port) = words.get(1)?.split_once(':')?;
    let port = u16::from_str_radix(port, 16).ok()?;
    // Words of 32 bits, each in the machine's order.
    let mut bytes = Vec::with_capacity(16);
    for at in (0..addr.len()).step_by(8) {
        bytes.extend(u32::from_str_radix(addr.get(at..at + 8)?, 16).ok()?.to_ne_bytes());
    }
    let addr = match bytes.len() {
        4 => IpAddr::from(<[u8; 4]>::try_from(bytes).ok()?),
        16 => IpAddr::from(<[u8; 16]>::try_from(bytes).ok()?),
        _ => return None,
    };
    Some(SocketAddr::new(addr, port))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    #[cfg(target_endian = "little")]
    fn lines_of_the_kernel() {
        let line = |addr: &str, state: &str| format!("   0: {addr} 00000000:0000 {state} 00000000:00000000 00:0");
        assert_eq!(waiting(&line("0100007F:1F90", "0A"), false), "127.0.0.1:8080".parse().ok());
        assert_eq!(waiting(&line("0100007F:1F90", "01"), false), None);
        let any6 = "00000000000000000000000000000000:0050";
        assert_eq!(waiting(&line(any6, "07"), true), "[::]:80".parse().ok());
        for cut in ["", "0: 01", "0: 0100007F:x 0 0A", "0: 010007F:1F90 0 0A"] {
            assert_eq!(waiting(cut, false), None, "{cut}");
        }
    }
}
