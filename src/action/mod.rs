//! Every change that netlab can make, one file each: how it is done, how it is undone, how it reads as iproute2 and as Rhai.
//!
//! An action names all that it touches before it happens (ifindexes and namespaces are chosen beforehand), so that the
//! journal's line written before the system call is enough to undo it after a kill at any moment.

pub mod addr;
pub mod dhcp_lease;
pub mod docker_network;
pub mod docker_pull;
pub mod docker_run;
pub mod docker_start;
pub mod docker_stop;
pub mod file_put;
pub mod holders;
pub mod keeper_start;
pub mod link_add;
pub mod link_del;
pub mod link_move;
pub mod link_set;
mod link_words;
pub mod neigh;
pub mod netns;
pub mod nspawn_run;
pub mod port;
pub mod process_start;
pub mod qdisc_set;
pub mod route;
pub mod rule;
pub mod sysctl_set;
pub mod text;

use serde::{Deserialize, Serialize};

use crate::container::engine::Wait;
use crate::dhcp::lease::Lease;
use crate::diag::{Code, Diagnostic, KernelError, Result};
use crate::kernel::link::LinkKey;
use crate::kernel::netlink::{Request, Socket};
use crate::kernel::process::ProcessKey;
use crate::kernel::space::{Kernel, NetnsCookie};
use crate::snapshot::change::Changed;
use crate::snapshot::scope::Touch;
use crate::types::name::LabName;

use self::holders::Holders;
use self::text::Names;

/// One change.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "do", rename_all = "snake_case")]
#[allow(missing_docs)] // Each has its own file and docs.
pub enum Action {
    NetnsAdd(netns::NetnsAdd),
    NetnsAttach(netns::NetnsAttach),
    NetnsDel(netns::NetnsDel),
    LinkAdd(link_add::LinkAdd),
    LinkSet(link_set::LinkChange),
    LinkMove(link_move::LinkMove),
    LinkDel(link_del::LinkDel),
    PortSet(port::PortSet),
    VlanAdd(port::VlanAdd),
    VlanDel(port::VlanDel),
    AddrAdd(addr::AddrAdd),
    AddrDel(addr::AddrDel),
    RouteAdd(route::RouteAdd),
    RouteReplace(route::RouteReplace),
    RouteDel(route::RouteDel),
    RuleAdd(rule::RuleAdd),
    RuleDel(rule::RuleDel),
    NeighAdd(neigh::NeighAdd),
    NeighDel(neigh::NeighDel),
    QdiscSet(qdisc_set::QdiscSet),
    SysctlSet(sysctl_set::SysctlSet),
    FilePut(file_put::FilePut),
    ProcessStart(process_start::ProcessStart),
    KeeperStart(keeper_start::KeeperStart),
    DhcpLease(dhcp_lease::DhcpLease),
    DockerNetwork(docker_network::DockerNetwork),
    DockerRun(docker_run::DockerRun),
    DockerStart(docker_start::DockerStart),
    DockerStop(docker_stop::DockerStop),
    DockerPull(docker_pull::DockerPull),
    NspawnRun(nspawn_run::NspawnRun),
}

/// What every action can do. The compiler asks for all of it, so no change comes without its undo.
pub trait Change {
    /// Looks whether it may be done, before anything is written down: mainly that what it would make is not there yet.
    ///
    /// # Errors
    /// Why not.
    fn check(&self, _ctx: &mut Context<'_>) -> Result<()> {
        Ok(())
    }

    /// Does it.
    ///
    /// # Errors
    /// What the kernel said, and whether a part of it has happened all the same.
    fn apply(&self, ctx: &mut Context<'_>) -> std::result::Result<After, Failure>;

    /// What it may change of what was there before, however indirectly: that is looked at before and after, and given back.
    /// What it makes is not among it; see [`Change::undo`].
    ///
    /// # Errors
    /// What the kernel said to a look.
    fn touches(&self, _ctx: &mut Context<'_>) -> Result<Vec<Touch>> {
        Ok(Vec::new())
    }

    /// Takes back what it made or moved, after looking; to do so twice, or when it never happened, changes nothing. Nothing
    /// has to be done for what it merely changed.
    ///
    /// # Errors
    /// What the kernel said.
    fn undo(&self, _after: &After, _ctx: &mut Context<'_>) -> Result<Undone> {
        Ok(Undone::Already)
    }

    /// What has to live on for the undo to be needed: it is skipped when that goes in the same rollback.
    fn subject(&self) -> Subject;

    /// The namespaces in which it does something; one that it makes is not among them.
    fn places(&self) -> Vec<NetnsCookie> {
        match self.subject() {
            Subject::MakesLink(link) | Subject::Link(link) => vec![link.netns],
            Subject::Netns(netns, _) => vec![netns],
            Subject::MakesNetns(_) | Subject::Machine => Vec::new(),
        }
    }

    /// The features of the kernel that it needs beyond namespaces and IPv4, by the names in [`crate::probe::feature`].
    fn needs(&self) -> Vec<&'static str> {
        Vec::new()
    }

    /// The same as commands of iproute2.
    fn ip(&self, names: &Names) -> Vec<String>;

    /// The commands by which a person can take it back, unless that depends on what was there.
    fn by_hand(&self, _names: &Names) -> Vec<String> {
        Vec::new()
    }

    /// The same as a call in a script.
    fn rhai(&self, names: &Names) -> String;
}

impl Action {
    /// The behaviour of whichever action it is.
    pub fn change(&self) -> &dyn Change {
        match self {
            Action::NetnsAdd(a) => a,
            Action::NetnsAttach(a) => a,
            Action::NetnsDel(a) => a,
            Action::LinkAdd(a) => a,
            Action::LinkSet(a) => a,
            Action::LinkMove(a) => a,
            Action::LinkDel(a) => a,
            Action::PortSet(a) => a,
            Action::VlanAdd(a) => a,
            Action::VlanDel(a) => a,
            Action::AddrAdd(a) => a,
            Action::AddrDel(a) => a,
            Action::RouteAdd(a) => a,
            Action::RouteReplace(a) => a,
            Action::RouteDel(a) => a,
            Action::RuleAdd(a) => a,
            Action::RuleDel(a) => a,
            Action::NeighAdd(a) => a,
            Action::NeighDel(a) => a,
            Action::QdiscSet(a) => a,
            Action::SysctlSet(a) => a,
            Action::FilePut(a) => a,
            Action::ProcessStart(a) => a,
            Action::KeeperStart(a) => a,
            Action::DhcpLease(a) => a,
            Action::DockerNetwork(a) => a,
            Action::DockerRun(a) => a,
            Action::DockerStart(a) => a,
            Action::DockerStop(a) => a,
            Action::DockerPull(a) => a,
            Action::NspawnRun(a) => a,
        }
    }
}

impl Action {
    /// Whether what it makes is still there after the machine was started again.
    pub fn outlives_boot(&self) -> bool {
        matches!(self, Action::FilePut(_) | Action::DockerNetwork(_) | Action::DockerRun(_) | Action::DockerPull(_))
    }
}

/// What actions work with.
pub struct Context<'a> {
    /// The kernel, with its open namespaces.
    pub kernel: &'a mut Kernel,
    /// The lab on whose behalf.
    pub lab: &'a LabName,
    /// Who else holds which setting or file.
    pub holders: &'a Holders,
    /// Who is told what an action wants to say while it works.
    pub voice: Option<fn(&str)>,
    /// What ends a wait, for a daemon or a server.
    pub wait: Wait,
}

impl Context<'_> {
    /// The socket in a namespace; it is looked for among all names and processes if this process has not opened it yet.
    ///
    /// # Errors
    /// `NL0108` if nothing leads to it any more.
    pub fn socket(&mut self, netns: NetnsCookie) -> Result<&mut Socket> {
        self.kernel.find(netns);
        self.kernel.socket(netns).ok_or_else(|| gone(netns))
    }

    /// Whether the namespace can still be reached.
    pub fn exists(&mut self, netns: NetnsCookie) -> bool {
        self.kernel.find(netns)
    }
}

/// The error for a namespace that nothing leads to any more.
pub fn gone(netns: NetnsCookie) -> Box<Diagnostic> {
    Diagnostic::new(Code::NoSuchNetns, format!("the namespace {netns} is gone"))
}

/// The error for a link that this script did not delete, and that is not there any more.
pub(crate) fn deleted_by_others(dev: &str) -> Box<Diagnostic> {
    Diagnostic::new(Code::NoSuchLink, format!("link `{dev}` is gone"))
        .help("this script did not delete it: a program did, or somebody else")
}

/// What became true by doing it, and could not be known before.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum After {
    /// Nothing of interest.
    #[default]
    Nothing,
    /// What it changed of what was there before.
    Changed {
        /// When, in nanoseconds since the boot.
        time: u64,
        /// The groups of things that it changed.
        changes: Vec<Changed>,
    },
    /// The program that was started.
    Process(ProcessKey),
    /// The lease that was given.
    Lease(Box<Lease>),
    /// What Docker made or started.
    Docker {
        /// Its id.
        id: String,
        /// When it was started, in Docker's words.
        #[serde(default, skip_serializing_if = "String::is_empty")]
        started: String,
    },
}

/// Why an action failed.
#[derive(Debug)]
pub struct Failure {
    /// What the user reads.
    pub error: Box<Diagnostic>,
    /// Whether some of it may have happened, so that it must be undone like one that succeeded.
    pub partial: bool,
}

impl Failure {
    /// A failure after which nothing has happened.
    pub fn clean(error: Box<Diagnostic>) -> Self {
        Self { error, partial: false }
    }

    /// A failure half-way.
    pub fn partial(error: Box<Diagnostic>) -> Self {
        Self { error, partial: true }
    }
}

/// What an undo found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Undone {
    /// It was there and is gone now.
    Yes,
    /// It was gone already.
    Already,
    /// Somebody changed it since; it is theirs now and was left alone. The sentence says what it is now.
    Theirs(String),
}

/// What an action's effect depends on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Subject {
    /// It makes this namespace.
    MakesNetns(NetnsCookie),
    /// It makes this link.
    MakesLink(LinkKey),
    /// It changes something of this link.
    Link(LinkKey),
    /// It changes something in this namespace, perhaps by way of a link.
    Netns(NetnsCookie, Option<LinkKey>),
    /// It changes something outside of namespaces.
    Machine,
}

/// Turns the kernel's answer to a deletion into what an undo found: what is not there need not be deleted.
pub(crate) fn deleted(answer: std::result::Result<(), KernelError>, what: &str) -> Result<Undone> {
    match answer {
        Ok(()) => Ok(Undone::Yes),
        Err(e) if matches!(e.errno, libc::ENODEV | libc::ENOENT | libc::ESRCH | libc::EADDRNOTAVAIL) => {
            Ok(Undone::Already)
        }
        Err(e) => Err(failed(what, e)),
    }
}

/// Takes something away that has to be there; `what` is done, and `missing` said if there is no such thing.
pub(crate) fn take_away(
    (message, flags): Request,
    netns: NetnsCookie,
    (what, missing): (&str, String),
    ctx: &mut Context<'_>,
) -> std::result::Result<After, Failure> {
    let answer = ctx.socket(netns).map_err(Failure::clean)?.change(message, flags);
    match deleted(answer, what).map_err(Failure::clean)? {
        Undone::Already => Err(Failure::clean(Diagnostic::new(Code::NoSuchEntry, missing))),
        _ => Ok(After::Nothing),
    }
}

/// The error for a request that failed in a way nobody foresaw: the kernel's words have to do.
pub(crate) fn failed(what: &str, error: KernelError) -> Box<Diagnostic> {
    let code = match error.errno {
        libc::EPERM | libc::EACCES => Code::NotPermitted,
        libc::EOPNOTSUPP | libc::EPROTONOSUPPORT | libc::EAFNOSUPPORT => Code::NoFeature,
        libc::EBUSY => Code::Busy,
        _ => Code::Refused,
    };
    let words = std::io::Error::from_raw_os_error(error.errno).to_string();
    let words = words.split(" (os error").next().unwrap_or_default().to_lowercase();
    let reason = error.text.clone().unwrap_or(words);
    let mut diagnostic = Diagnostic::new(code, format!("cannot {what}: {reason}"));
    if code == Code::NotPermitted {
        diagnostic = diagnostic.help("netlab needs CAP_NET_ADMIN and CAP_SYS_ADMIN; try `sudo netlab …`");
    }
    diagnostic.kernel(error)
}
