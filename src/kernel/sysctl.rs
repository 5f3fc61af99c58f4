//! Settings under /proc/sys/net, of any namespace.

use std::fs;
use std::io;
use std::os::fd::{BorrowedFd, OwnedFd};
use std::path::{Path, PathBuf};

use nix::fcntl::OFlag;
use nix::sys::stat::Mode;

use super::{effect, netns};
use crate::diag::{Code, Diagnostic, KernelError, Result};

/// Where they are.
pub const ROOT: &str = "/proc/sys";

/// The path of a setting's name, `net.ipv4.ip_forward` or `net/ipv4/conf/eth0.2/forwarding`.
///
/// As in sysctl(8), the first separator that occurs is the separator; with dots, a `/` stands for a dot in a link's name.
///
/// # Errors
/// `NL0117` for what is not below `net`.
pub fn path(key: &str) -> Result<PathBuf> {
    let slashes = match key.find(['.', '/']) {
        Some(i) if key.as_bytes()[i] == b'.' => key
            .chars()
            .map(|c| match c {
                '.' => '/',
                '/' => '.',
                c => c,
            })
            .collect(),
        _ => key.to_owned(),
    };
    let bad = |why: &str| Err(Diagnostic::new(Code::BadSetting, format!("setting `{key}` {why}")));
    if !slashes.starts_with("net/") {
        return bad("is not below net: netlab changes only the network's settings");
    }
    if slashes.split('/').any(|part| part.is_empty() || part == "." || part == "..") {
        return bad("is no path of a setting");
    }
    Ok(Path::new(ROOT).join(slashes))
}

/// Reads a setting, without the final newline.
///
/// # Errors
/// Those of open(2) and read(2), in kernel words.
pub fn read(netns: BorrowedFd<'_>, path: &Path) -> std::result::Result<String, KernelError> {
    within(netns, "read", path, || fs::read_to_string(path)).map(|text| text.trim_end().to_owned())
}

/// Writes a setting.
///
/// # Errors
/// Those of open(2) and write(2), in kernel words: `ENOENT` for one that is not there, `EINVAL` for a value it refuses.
pub fn write(netns: BorrowedFd<'_>, path: &Path, value: &str) -> std::result::Result<(), KernelError> {
    effect::here();
    within(netns, "write", path, || {
        // Not `fs::write`: these files cannot be created or truncated, and a second write would start over.
        io::Write::write_all(&mut fs::OpenOptions::new().write(true).open(path)?, value.as_bytes())
    })
}

/// A folder of settings, in the namespace of the thread that opened it.
///
/// For who reads many: the kernel walks the path once and not for each file, and each file is read in one call.
#[derive(Debug)]
pub struct Folder {
    fd: OwnedFd,
    path: PathBuf,
}

impl Folder {
    /// Opens a folder.
    ///
    /// # Errors
    /// Those of open(2).
    pub fn open(path: &Path) -> io::Result<Self> {
        let flags = OFlag::O_PATH | OFlag::O_DIRECTORY | OFlag::O_CLOEXEC;
        let fd = nix::fcntl::open(path, flags, Mode::empty())?;
        Ok(Self { fd, path: path.to_owned() })
    }

    /// The names of its settings.
    pub fn leaves(&self) -> Vec<String> {
        let files = fs::read_dir(&self.path).into_iter().flatten().flatten();
        files.map(|file| file.file_name().to_string_lossy().into_owned()).collect()
    }

    /// The value of a setting, without the final newline; `None` for one that cannot be read.
    pub fn read(&self, leaf: &str) -> Option<String> {
        // A link's settings are numbers; one that is longer than this would be told in part, and is not told.
        let mut text = [0; 256];
        let file = nix::fcntl::openat(&self.fd, leaf, OFlag::O_RDONLY | OFlag::O_CLOEXEC, Mode::empty()).ok()?;
        let length = nix::unistd::read(&file, &mut text).ok().filter(|length| *length < text.len())?;
        Some(String::from_utf8_lossy(&text[..length]).trim_end().to_owned())
    }
}

fn within<T: Send>(
    netns: BorrowedFd<'_>,
    verb: &str,
    path: &Path,
    f: impl FnOnce() -> io::Result<T> + Send,
) -> std::result::Result<T, KernelError> {
    let error = |e: &io::Error| KernelError::from_io(format!("{verb} {}", path.display()), e);
    netns::within(netns, f).map_err(|e| error(&e))?.map_err(|e| error(&e))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_and_paths() {
        for (key, to) in [
            ("net.ipv4.ip_forward", "/proc/sys/net/ipv4/ip_forward"),
            ("net/ipv4/conf/eth0.2/forwarding", "/proc/sys/net/ipv4/conf/eth0.2/forwarding"),
            ("net.ipv4.conf.eth0/2.forwarding", "/proc/sys/net/ipv4/conf/eth0.2/forwarding"),
        ] {
            assert_eq!(path(key).unwrap(), Path::new(to));
        }
        for key in ["kernel.panic", "net/../kernel/panic", "net..ipv4", "", "net"] {
            assert_eq!(path(key).unwrap_err().code, Code::BadSetting, "{key}");
        }
    }
}
