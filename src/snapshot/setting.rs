//! Settings under /proc/sys/net: found by what they are about, since a link's are renamed with it.

use std::collections::BTreeMap;
use std::fs;
use std::os::fd::BorrowedFd;
use std::path::{Path, PathBuf};

use super::group::{Item, Of};
use crate::diag::KernelError;
use crate::kernel::{netns, sysctl};

const IPV4_CONF: &str = "ipv4/conf";

/// The folders that hold one folder per link.
const PER_LINK: [&str; 4] = [IPV4_CONF, "ipv4/neigh", "ipv6/conf", "ipv6/neigh"];

/// Settings that cannot be read or written, or that say of themselves what others say.
const SKIPPED: [&str; 3] = ["stable_secret", "mc_forwarding", "tcp_fastopen_key"];

/// The links' names by ifindex.
pub type LinkNames = BTreeMap<u32, String>;

/// What a setting is about, and its name without the link's, for example `ipv4/conf/rp_filter`.
///
/// `net/ipv4/ip_forward` is another name of `net/ipv4/conf/all/forwarding`.
pub fn place(path: &Path, names: &LinkNames) -> (Of, String) {
    let text = path.strip_prefix(sysctl::ROOT).unwrap_or(path).display().to_string();
    if text == "net/ipv4/ip_forward" {
        return (Of::All, "ipv4/conf/forwarding".into());
    }
    let parts: Vec<&str> = text.split('/').collect();
    let ["net", family, table, link, leaf] = parts[..] else { return (Of::Netns, text) };
    let folder = format!("{family}/{table}");
    if !PER_LINK.contains(&folder.as_str()) {
        return (Of::Netns, text);
    }
    let of = match link {
        "all" => Some(Of::All),
        "default" => Some(Of::Default),
        name => names.iter().find(|(_, n)| *n == name).map(|(index, _)| Of::Link(*index)),
    };
    match of {
        Some(of) => (of, format!("{folder}/{leaf}")),
        None => (Of::Netns, text),
    }
}

/// The file of a setting; `None` for one of a link that is not there.
pub fn path(of: Of, name: &str, names: &LinkNames) -> Option<PathBuf> {
    let root = Path::new(sysctl::ROOT);
    let middle = match of {
        Of::Netns => return Some(root.join(name)),
        Of::All => "all",
        Of::Default => "default",
        Of::Link(index) => names.get(&index)?,
    };
    let (folder, leaf) = name.rsplit_once('/')?;
    Some(root.join("net").join(folder).join(middle).join(leaf))
}

/// Reads all settings of some links and some others. Links that are `alike` have the same under `ipv4/conf`, and only those
/// of one are read: each file costs some microseconds, and a machine with hundreds of links has tens of thousands of them.
///
/// # Errors
/// Those of setns(2).
pub fn read(
    fd: BorrowedFd<'_>,
    links: &[u32],
    others: &[(Of, String)],
    names: &LinkNames,
    alike: &BTreeMap<u32, Vec<u8>>,
) -> Result<BTreeMap<Of, Vec<Item>>, KernelError> {
    const MANY: usize = 32;
    if links.len() > MANY {
        let (some, rest) = links.split_at(links.len() / 2);
        let (first, second) = std::thread::scope(|scope| {
            let other = scope.spawn(|| read(fd, some, &[], names, alike));
            (
                read(fd, rest, others, names, alike),
                other.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic)),
            )
        });
        let mut groups = first?;
        groups.extend(second?);
        return Ok(groups);
    }
    let walk = || {
        let mut groups: BTreeMap<Of, Vec<Item>> = BTreeMap::new();
        for folder in PER_LINK {
            let root = Path::new(sysctl::ROOT).join("net").join(folder);
            // What one link of a folder has, all have.
            let mut leaves = Vec::new();
            let mut seen: BTreeMap<&[u8], Vec<Item>> = BTreeMap::new();
            for (index, name) in links.iter().filter_map(|index| Some((index, names.get(index)?))) {
                let items = groups.entry(Of::Link(*index)).or_default();
                let likeness = alike.get(index).filter(|_| folder == IPV4_CONF);
                if let Some(same) = likeness.and_then(|likeness| seen.get(likeness.as_slice())) {
                    items.extend_from_slice(same);
                    continue;
                }
                let before = items.len();
                let Ok(folder_of_link) = sysctl::Folder::open(&root.join(name)) else { continue };
                if leaves.is_empty() {
                    leaves = folder_of_link.leaves();
                    leaves.retain(|leaf| !SKIPPED.contains(&leaf.as_str()));
                }
                for leaf in &leaves {
                    if let Some(value) = folder_of_link.read(leaf) {
                        items.push(Item::named(format!("{folder}/{leaf}"), value));
                    }
                }
                if let Some(likeness) = likeness {
                    seen.insert(likeness, items[before..].to_vec());
                }
            }
        }
        groups.values_mut().for_each(|items| items.sort_by(|a, b| a.name.cmp(&b.name)));
        for (of, name) in others {
            let is_there = |items: &Vec<Item>| items.iter().any(|i| i.label() == *name);
            if let (Some(path), false) = (path(*of, name, names), groups.get(of).is_some_and(is_there))
                && let Some(value) = value(&path)
            {
                groups.entry(*of).or_default().push(Item::named(name, value));
            }
        }
        groups
    };
    netns::within(fd, walk).map_err(|e| KernelError::from_io("setns", &e))
}

/// All settings of a namespace but those of single links, and those that count or change by themselves.
pub fn all(fd: BorrowedFd<'_>) -> Vec<(Of, String)> {
    let mut found = Vec::new();
    let root = Path::new(sysctl::ROOT).join("net");
    // What cannot be looked at is not there.
    let _ = netns::within(fd, || walk(&root, &mut found));
    let names = LinkNames::new();
    found.iter().map(|path| place(path, &names)).collect()
}

fn walk(dir: &Path, found: &mut Vec<PathBuf>) {
    const RESTLESS: [&str; 6] = ["_count", "dentry-state", "random", "flush", "tcp_available", "tcp_allowed"];
    let is_of_links = PER_LINK.iter().any(|folder| dir.ends_with(Path::new("net").join(folder)));
    for path in fs::read_dir(dir).into_iter().flatten().flatten().map(|f| f.path()) {
        let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        if path.is_dir() {
            if !is_of_links || name == "all" || name == "default" {
                walk(&path, found);
            }
        } else if !RESTLESS.iter().any(|word| name.contains(word)) && !name.ends_with("_key") {
            found.push(path);
        }
    }
}

fn value(path: &Path) -> Option<String> {
    if SKIPPED.iter().any(|leaf| path.ends_with(leaf)) {
        return None;
    }
    fs::read_to_string(path).ok().map(|text| text.trim_end().to_owned())
}

/// When a setting is written among others: first what writes others along, last what others overwrite.
///
/// The kernel sets a link's IPv6 MTU anew with each carrier and each MTU; and while addresses are put back it must not look
/// for duplicates, so that comes at the very end and is not written here.
pub fn turn(of: Of, name: &str) -> u8 {
    match (of, name) {
        (_, "ipv6/conf/disable_ipv6") => 0,
        // The switch for forwarding turns this one round.
        (Of::All, "ipv4/conf/accept_redirects") => 2,
        (Of::All, _) => 1,
        (Of::Default, _) => 2,
        (_, "ipv6/conf/mtu") => 5,
        (_, "ipv4/conf/forwarding" | "ipv6/conf/forwarding") => 3,
        _ => 4,
    }
}

/// The switch for duplicate address detection.
pub const ACCEPT_DAD: &str = "ipv6/conf/accept_dad";

/// Writes a setting.
///
/// # Errors
/// Those of open(2) and write(2), in kernel words.
pub fn write(fd: BorrowedFd<'_>, of: Of, name: &str, value: &str, names: &LinkNames) -> Result<(), KernelError> {
    let path = path(of, name, names).ok_or_else(|| KernelError::new(format!("write {name}"), libc::ENOENT))?;
    sysctl::write(fd, &path, value)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_setting_is_found_whatever_its_link_is_called() {
        let names = LinkNames::from([(7, "eth0".to_owned())]);
        let of = |path: &str| place(&Path::new(sysctl::ROOT).join(path), &names);
        assert_eq!(of("net/ipv4/conf/eth0/rp_filter"), (Of::Link(7), "ipv4/conf/rp_filter".into()));
        assert_eq!(of("net/ipv4/ip_forward"), (Of::All, "ipv4/conf/forwarding".into()));
        assert_eq!(of("net/core/somaxconn"), (Of::Netns, "net/core/somaxconn".into()));
        let renamed = LinkNames::from([(7, "lan0".to_owned())]);
        let path = path(Of::Link(7), "ipv4/conf/rp_filter", &renamed).unwrap();
        assert_eq!(path, Path::new("/proc/sys/net/ipv4/conf/lan0/rp_filter"));
    }
}
