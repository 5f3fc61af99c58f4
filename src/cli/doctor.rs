//! `netlab doctor`: what this machine and kernel can do, and how to get the rest.

use std::fs;
use std::os::fd::AsFd;
use std::path::{Path, PathBuf};

use nix::unistd::{AccessFlags, access};
use serde_json::{Value, json};

use super::out::{self, Paint};
use super::settle;
use crate::container::engine::Engine;
use crate::diag::{Diagnostic, Result};
use crate::journal::store::Store;
use crate::kernel::space::Kernel;
use crate::kernel::{netlink, netns, relay, sysctl};
use crate::lab;
use crate::lab::open::{is_privileged, privileged};
use crate::probe::feature::{Feature, features};
use crate::sandbox::{
    self,
    obstacle::{self, Obstacle},
};

/// The arguments of `doctor`.
#[derive(Debug, clap::Args)]
#[command(after_help = "The exit code is 3 if no lab can run here. Example:\n  sudo netlab doctor")]
pub struct Args {
    /// Print JSON, an array of checks.
    #[arg(long)]
    pub json: bool,
}

/// One line.
struct Check {
    name: String,
    verdict: Verdict,
    /// What was found.
    found: String,
    /// What to do about it.
    help: Option<String>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Verdict {
    /// It is as it should be, or nothing to judge.
    Ok,
    /// It works, but may surprise.
    Warn,
    /// Some labs cannot run.
    Missing,
    /// No lab can run.
    Needed,
    /// It could not be tried.
    Unknown,
}

/// Looks at everything.
///
/// # Errors
/// None: what is wrong is what it prints.
pub fn run(args: Args) -> Result<u8> {
    if is_privileged() {
        return report(&args, vec![privileges(), names_folder()].into_iter().chain(state_folders()));
    }
    let folder = sandbox::folder();
    let place = match unwritable(&folder) {
        None => check(&folder.display().to_string(), Verdict::Ok, "writable"),
        Some(why) => check(&folder.display().to_string(), Verdict::Needed, why)
            .help("the sandboxes of labs are written down there; set XDG_RUNTIME_DIR to a folder of yours"),
    };
    // What a lab can do is tried where it would run.
    let tried = sandbox::throw_away(|processes| {
        let with = if processes { "" } else { "; not of its processes, since /proc cannot be mounted" };
        let found = format!("none, but labs run in a sandbox of their own{with}");
        settle(report(&args, [check("privileges", Verdict::Ok, found), place]), args.json, false)
    });
    match tried {
        Ok(end) => Ok(relay::die_as(end)),
        Err(error) => {
            let Obstacle { cause, help } = obstacle::behind(&error);
            let found = format!("none, and a sandbox cannot be made here: {cause}");
            report(&args, [check("privileges", Verdict::Needed, found).help(help)])
        }
    }
}

/// Looks at the machine that this process is in.
fn report(args: &Args, first: impl IntoIterator<Item = Check>) -> Result<u8> {
    let mut checks = vec![kernel()];
    checks.extend(first);
    checks.extend(features().iter().map(feature));
    checks.extend([tun_device(), bridge_firewall(), forwarding(), open_files(), namespaces(), user_namespaces()]);
    checks.extend([docker(), nspawn()]);
    if args.json {
        out::json(&checks.iter().map(value).collect::<Vec<Value>>());
    } else {
        let width = checks.iter().map(|c| c.name.len()).max().unwrap_or(0);
        checks.iter().for_each(|c| print(c, width));
    }
    Ok(if checks.iter().any(|c| c.verdict == Verdict::Needed) { 3 } else { 0 })
}

fn print(check: &Check, width: usize) {
    let (word, colour) = match check.verdict {
        Verdict::Ok => ("ok", Paint::Green),
        Verdict::Warn => ("warning", Paint::Yellow),
        Verdict::Missing | Verdict::Needed => ("missing", Paint::Red),
        Verdict::Unknown => ("unknown", Paint::Yellow),
    };
    // Padded before it is coloured, since the escapes have no width.
    let word = out::paint(&format!("{word:<8}"), colour);
    out::line(format!("{word} {:<width$}  {}", check.name, check.found).trim_end());
    if let Some(help) = &check.help {
        out::line(format!("{:9}help: {help}", ""));
    }
}

fn value(check: &Check) -> Value {
    let verdict = match check.verdict {
        Verdict::Ok => "ok",
        Verdict::Warn => "warning",
        Verdict::Missing | Verdict::Needed => "missing",
        Verdict::Unknown => "unknown",
    };
    json!({
        "name": check.name,
        "verdict": verdict,
        "needed": check.verdict == Verdict::Needed,
        "found": check.found,
        "help": check.help,
    })
}

fn check(name: &str, verdict: Verdict, found: impl Into<String>) -> Check {
    Check { name: name.into(), verdict, found: found.into(), help: None }
}

impl Check {
    fn help(mut self, help: impl Into<String>) -> Self {
        self.help = Some(help.into());
        self
    }
}

/// Namespaces are told apart by their cookies, which came with Linux 5.14: asked for, not read off the version.
fn kernel() -> Check {
    let release =
        nix::sys::utsname::uname().map_or_else(|_| "?".into(), |u| u.release().to_string_lossy().into_owned());
    let cookie = netlink::Socket::open().and_then(|socket| netns::cookie(socket.as_fd()));
    match cookie {
        Ok(_) => check("kernel", Verdict::Ok, release),
        Err(e) => check("kernel", Verdict::Needed, format!("{release}: {e}")).help("netlab needs Linux 5.14 or later"),
    }
}

fn privileges() -> Check {
    match privileged() {
        Ok(()) => check("privileges", Verdict::Ok, "CAP_NET_ADMIN, CAP_SYS_ADMIN, CAP_NET_RAW"),
        Err(error) => {
            let Diagnostic { message, help, .. } = *error;
            Check { name: "privileges".into(), verdict: Verdict::Needed, found: message, help }
        }
    }
}

fn names_folder() -> Check {
    let name = netns::DIR;
    match unwritable(Path::new(netns::DIR)) {
        None => check(name, Verdict::Ok, "writable"),
        Some(why) => check(name, Verdict::Needed, why).help("namespaces get their names there; mount a tmpfs on /run"),
    }
}

fn state_folders() -> Vec<Check> {
    match Store::open() {
        Ok(store) => [store.places().0, store.places().1]
            .into_iter()
            .map(|dir| {
                let name = dir.display().to_string();
                match unwritable(dir) {
                    None => check(&name, Verdict::Ok, "writable"),
                    Some(why) => check(&name, Verdict::Needed, why).help("the journals of labs are kept there"),
                }
            })
            .collect(),
        Err(error) => vec![check("state folders", Verdict::Needed, error.to_string())],
    }
}

/// Why nothing can be made in a folder, or in the nearest one above that is there.
fn unwritable(dir: &Path) -> Option<String> {
    let there: PathBuf = dir.ancestors().find(|d| d.exists())?.into();
    access(&there, AccessFlags::W_OK | AccessFlags::X_OK).err().map(|e| format!("{}: {}", there.display(), e.desc()))
}

fn feature(feature: &Feature) -> Check {
    let verdict = match feature.works {
        Some(true) => Verdict::Ok,
        // Without namespaces wired together there is no lab.
        Some(false) if feature.name == "veth" => Verdict::Needed,
        Some(false) => Verdict::Missing,
        None => Verdict::Unknown,
    };
    let why = feature.why.as_ref().map_or_else(String::new, |why| format!(": {why}"));
    let check = check(feature.name, verdict, format!("{}{why}", feature.needs));
    match feature.works {
        Some(false) if has_module(feature.module) => check.help(format!("sudo modprobe {}", feature.module)),
        Some(false) => check.help(format!("install the kernel's extra modules, or a kernel with {}", feature.needs)),
        Some(true) | None => check,
    }
}

/// Whether a module of this kernel is installed. Without modprobe(8) the kernel cannot load it by itself.
fn has_module(name: &str) -> bool {
    let Ok(uname) = nix::sys::utsname::uname() else { return false };
    let list = Path::new("/lib/modules").join(uname.release()).join("modules.dep");
    fs::read_to_string(list).is_ok_and(|text| text.contains(&format!("/{name}.ko")))
}

fn tun_device() -> Check {
    let path = "/dev/net/tun";
    match fs::OpenOptions::new().read(true).write(true).open(path) {
        Ok(_) => check(path, Verdict::Ok, "can be opened"),
        Err(e) if e.kind() == std::io::ErrorKind::NotFound => check(path, Verdict::Missing, words(&e))
            .help("sudo mkdir -p /dev/net && sudo mknod -m 666 /dev/net/tun c 10 200"),
        Err(e) => check(path, Verdict::Missing, words(&e)).help(format!("sudo chmod 666 {path}")),
    }
}

/// A new namespace takes this over, and then a firewall that is meant for routed packets drops bridged ones.
fn bridge_firewall() -> Check {
    let name = "bridge-nf-call-iptables";
    match setting("net/bridge/bridge-nf-call-iptables").as_deref() {
        Some("1") => check(name, Verdict::Warn, "1: a firewall that drops what is forwarded drops what is bridged too")
            .help("sudo sysctl net.bridge.bridge-nf-call-iptables=0, unless Docker or Kubernetes needs it"),
        Some(value) => check(name, Verdict::Ok, value),
        None => check(name, Verdict::Ok, "br_netfilter is not loaded"),
    }
}

/// Looked up in a new namespace: which one it takes the value from is a setting of its own (devconf_inherit_init_net).
fn forwarding() -> Check {
    let name = "net.ipv4.ip_forward";
    let path = sysctl::path(name).unwrap_or_default();
    let new = Kernel::open().ok().and_then(|mut kernel| {
        let netns = kernel.make().ok()?;
        sysctl::read(kernel.fd(netns)?, &path).ok()
    });
    let here = setting("net/ipv4/ip_forward").unwrap_or_else(|| "?".into());
    match new.as_deref() {
        Some("1") => check(name, Verdict::Ok, format!("{here}, and 1 in a new namespace"))
            .help("a lab's routers forward here without being told to, but not on another machine"),
        Some(new) => check(name, Verdict::Ok, format!("{here}, and {new} in a new namespace")),
        None => check(name, Verdict::Ok, here),
    }
}

fn open_files() -> Check {
    use nix::sys::resource::{Resource, getrlimit};
    match getrlimit(Resource::RLIMIT_NOFILE) {
        // Two for each namespace, and some for netlab itself.
        Ok((_, hard)) => {
            check("open files", Verdict::Ok, format!("{hard}: enough for {} namespaces", hard.saturating_sub(64) / 2))
        }
        Err(e) => check("open files", Verdict::Unknown, e.desc()),
    }
}

fn namespaces() -> Check {
    let name = "max_net_namespaces";
    match limit("max_net_namespaces") {
        Some(0) => check(name, Verdict::Needed, "0").help("sudo sysctl user.max_net_namespaces=10000"),
        Some(n) => check(name, Verdict::Ok, n.to_string()),
        None => check(name, Verdict::Unknown, "cannot be read"),
    }
}

/// For labs without privilege.
fn user_namespaces() -> Check {
    let name = "user namespaces";
    let read = |path: &str| fs::read_to_string(path).map(|t| t.trim().to_owned()).ok();
    if limit("max_user_namespaces") == Some(0) {
        return check(name, Verdict::Missing, "max_user_namespaces is 0")
            .help("sudo sysctl user.max_user_namespaces=10000");
    }
    if read("/proc/sys/kernel/unprivileged_userns_clone").as_deref() == Some("0") {
        return check(name, Verdict::Missing, "only for root").help("sudo sysctl kernel.unprivileged_userns_clone=1");
    }
    if read("/proc/sys/kernel/apparmor_restrict_unprivileged_userns").as_deref() == Some("1") {
        return check(name, Verdict::Missing, "AppArmor restricts them")
            .help("sudo sysctl kernel.apparmor_restrict_unprivileged_userns=0");
    }
    match fs::metadata("/proc/self/ns/user") {
        Ok(_) => check(name, Verdict::Ok, "for ordinary users too"),
        Err(_) => check(name, Verdict::Missing, "CONFIG_USER_NS"),
    }
}

/// For labs with containers, which the others do not need.
fn docker() -> Check {
    let name = "docker";
    match Engine::find().and_then(|engine| engine.ping().map(|()| engine)) {
        Ok(engine) => check(name, Verdict::Ok, format!("answers at {}", engine.socket().display())),
        Err(error) => Check { help: error.help, ..check(name, Verdict::Missing, error.message) },
    }
}

fn nspawn() -> Check {
    let name = "nspawn";
    match lab::nspawn::require() {
        Ok(()) => check(name, Verdict::Ok, lab::nspawn::PROGRAM),
        Err(error) => Check { help: error.help, ..check(name, Verdict::Missing, error.message) },
    }
}

fn setting(path: &str) -> Option<String> {
    fs::read_to_string(Path::new("/proc/sys").join(path)).ok().map(|text| text.trim().to_owned())
}

fn limit(name: &str) -> Option<u64> {
    setting(&format!("user/{name}"))?.parse().ok()
}

fn words(error: &std::io::Error) -> String {
    error.to_string().split(" (os error").next().unwrap_or_default().to_lowercase()
}
