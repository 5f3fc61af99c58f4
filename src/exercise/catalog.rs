//! Where exercises are found: those that come with netlab, and those in files.

use std::path::{Path, PathBuf};

use crate::diag::{Code, Diagnostic, KernelError, Result, nearest};
use crate::script::error::Trace;
use crate::script::run::Script;
use crate::script::workbook::Workbook;

/// An exercise's file.
#[derive(Debug, Clone)]
pub struct Source {
    /// What errors call it.
    pub file: String,
    /// Its text.
    pub text: String,
    /// Where it may import from.
    pub folder: PathBuf,
}

impl Source {
    /// Reads what the file says.
    ///
    /// # Errors
    /// `NL0801`, and those of any script.
    pub fn declare(&self, seed: u64) -> std::result::Result<Workbook, Trace> {
        Script::new(&self.file, &self.text, &[], &self.folder)?.declare(seed)
    }
}

/// The exercises that come with netlab, in the order of a course.
pub const ALL: &[(&str, &str)] = &[
    ("two-namespaces", include_str!("../../stdlib/exercises/two-namespaces.rhai")),
    ("bridge", include_str!("../../stdlib/exercises/bridge.rhai")),
    ("router", include_str!("../../stdlib/exercises/router.rhai")),
    ("router-chain", include_str!("../../stdlib/exercises/router-chain.rhai")),
    ("subnets", include_str!("../../stdlib/exercises/subnets.rhai")),
    ("longest-prefix", include_str!("../../stdlib/exercises/longest-prefix.rhai")),
    ("find-wire", include_str!("../../stdlib/exercises/find-wire.rhai")),
    ("find-route", include_str!("../../stdlib/exercises/find-route.rhai")),
    ("vlan", include_str!("../../stdlib/exercises/vlan.rhai")),
    ("vlan-bridge", include_str!("../../stdlib/exercises/vlan-bridge.rhai")),
    ("router-on-a-stick", include_str!("../../stdlib/exercises/router-on-a-stick.rhai")),
    ("macvlan", include_str!("../../stdlib/exercises/macvlan.rhai")),
    ("vxlan", include_str!("../../stdlib/exercises/vxlan.rhai")),
    ("by-pid", include_str!("../../stdlib/exercises/by-pid.rhai")),
    ("dhcp", include_str!("../../stdlib/exercises/dhcp.rhai")),
    ("nat", include_str!("../../stdlib/exercises/nat.rhai")),
    ("firewall", include_str!("../../stdlib/exercises/firewall.rhai")),
    ("mtu", include_str!("../../stdlib/exercises/mtu.rhai")),
    ("reverse-path", include_str!("../../stdlib/exercises/reverse-path.rhai")),
    ("policy-routing", include_str!("../../stdlib/exercises/policy-routing.rhai")),
    ("spanning-tree", include_str!("../../stdlib/exercises/spanning-tree.rhai")),
    ("ipv6", include_str!("../../stdlib/exercises/ipv6.rhai")),
];

/// The exercise of a name, or in a file.
///
/// # Errors
/// `NL0802` if there is none, with the names that there are.
pub fn find(target: &str) -> Result<Source> {
    if let Some((name, text)) = ALL.iter().find(|(name, _)| *name == target) {
        return Ok(embedded(name, text));
    }
    let path = Path::new(target);
    if path.is_file() {
        return read(path);
    }
    let error = Diagnostic::new(Code::NoSuchExercise, format!("there is no exercise `{target}`, and no such file"));
    Err(match nearest(target, ALL.iter().map(|(name, _)| *name)) {
        Some(near) => error.help(format!("did you mean `{near}`?")),
        None => error.help("`netlab exercise list` shows those that there are"),
    })
}

/// All exercises that come with netlab.
pub fn all() -> Vec<Source> {
    ALL.iter().map(|(name, text)| embedded(name, text)).collect()
}

/// The exercises in a file or a folder, sorted by name.
///
/// # Errors
/// `NL0119` for what cannot be read, `NL0802` for a folder without any.
pub fn below(path: &Path) -> Result<Vec<Source>> {
    if !path.is_dir() {
        return match path.to_str().filter(|_| !path.exists()) {
            Some(name) => Ok(vec![find(name)?]),
            None => Ok(vec![read(path)?]),
        };
    }
    let unreadable = |e: &std::io::Error| {
        Diagnostic::new(Code::BadFile, format!("cannot read the folder {}", path.display()))
            .kernel(KernelError::from_io(format!("open {}", path.display()), e))
    };
    let mut files: Vec<PathBuf> =
        std::fs::read_dir(path).map_err(|e| unreadable(&e))?.flatten().map(|f| f.path()).collect();
    files.retain(|f| f.extension().is_some_and(|e| e == "rhai"));
    files.sort();
    if files.is_empty() {
        return Err(Diagnostic::new(Code::NoSuchExercise, format!("there is no .rhai file in {}", path.display())));
    }
    files.iter().map(|file| read(file)).collect()
}

fn embedded(name: &str, text: &str) -> Source {
    Source { file: format!("{name}.rhai"), text: text.to_owned(), folder: ".".into() }
}

/// Reads a file.
///
/// # Errors
/// `NL0119` if it cannot be read or is no text.
pub fn read(path: &Path) -> Result<Source> {
    /// Larger ones are no exercises, whatever else they are.
    const MOST: u64 = 4 << 20;
    let failed = |e: &std::io::Error| {
        Diagnostic::new(Code::BadFile, format!("cannot read {}", path.display()))
            .kernel(KernelError::from_io(format!("open {}", path.display()), e))
    };
    let size = std::fs::metadata(path).map_err(|e| failed(&e))?.len();
    if size > MOST {
        return Err(Diagnostic::new(Code::BadFile, format!("{} is too large to be a script", path.display())));
    }
    let bytes = std::fs::read(path).map_err(|e| failed(&e))?;
    let text = String::from_utf8(bytes).map_err(|_| {
        Diagnostic::new(Code::BadFile, format!("{} is no text", path.display()))
            .help("is it UTF-8, and a script at all?")
    })?;
    let folder = path.parent().filter(|p| !p.as_os_str().is_empty()).unwrap_or(Path::new("."));
    Ok(Source { file: path.display().to_string(), text, folder: folder.to_owned() })
}
