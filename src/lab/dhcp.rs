//! Leases: what a lab does with one it was given, and how it gives it back.

use std::path::PathBuf;

use super::Lab;
use super::objects::{LinkId, NsId};
use super::rollback::Undoing;
use crate::action::dhcp_lease::DhcpLease;
use crate::action::keeper_start::{KeeperStart, Role};
use crate::action::process_start::ProcessStart;
use crate::action::{Action, After};
use crate::dhcp::client::Who;
use crate::dhcp::keep::{self, Keep};
use crate::dhcp::lease::Lease;
use crate::diag::{Code, Diagnostic, KernelError, Result, Site};
use crate::kernel::link::{LinkKey, LinkSet};
use crate::kernel::process::{self, since_boot};
use crate::kernel::route::RouteSpec;
use crate::types::mac::Mac;
use crate::types::name::IfName;

/// What a script wants of a lease.
#[derive(Debug, Clone)]
pub struct Wants {
    /// How long an answer is waited for, in milliseconds.
    pub timeout: u64,
    /// The name to tell the server.
    pub hostname: Option<String>,
    /// By what to be known to it.
    pub client_id: Option<String>,
    /// Whether to say what happens.
    pub verbose: bool,
    /// Whether to take its routes.
    pub routes: bool,
    /// Their metric.
    pub metric: Option<u32>,
    /// Whether to write its name servers down; by default, in a namespace that has a name.
    pub dns: Option<bool>,
}

/// A lease that the lab has, by the numbers of its steps.
#[derive(Debug, Clone)]
pub(super) struct Held {
    link: LinkId,
    file: PathBuf,
    lease: u64,
    keeper: u64,
    resolv_conf: Option<u64>,
    mtu: Option<u32>,
    routes: Vec<RouteSpec>,
}

impl Lab {
    /// Obtains a lease for a link and puts in place what comes with it. If that fails nothing of it is left.
    ///
    /// # Errors
    /// `NL0128` if nobody gives one, `NL0121` if the link has one, and those of the single steps.
    pub fn dhcp(&mut self, site: &Site, id: LinkId, wants: &Wants) -> Result<Lease> {
        if self.held(id).is_some() {
            let dev = self.dev(id)?;
            return Err(Diagnostic::new(Code::Busy, format!("`{dev}` has a lease already"))
                .help(".dhcp_renew() asks for more time, .dhcp_release() gives it back"));
        }
        let point = self.savepoint();
        let result = self.obtain(site, id, wants);
        if result.is_err() {
            let undoing = self.rollback(point);
            self.release(point);
            // Ctrl-C and the time limit are told as what they are.
            self.may_go_on()?;
            if let Some(leftover) = undoing.leftovers.into_iter().next() {
                return Err(leftover.why);
            }
            return result;
        }
        self.release(point);
        result
    }

    fn obtain(&mut self, site: &Site, id: LinkId, wants: &Wants) -> Result<Lease> {
        let (link, dev) = (self.objects.link(id)?.key(), self.dev(id)?);
        let state = self.link_state(id)?;
        let mac = ethernet(&dev, state.address.filter(|_| !state.loopback))?;
        if state.is_bridge_port() {
            let bridge = state.master_index.and_then(|index| self.objects.link_by_key(LinkKey { index, ..link }));
            let bridge = bridge.and_then(|id| Some(format!("`{}`", self.objects.link(id).ok()?.name())));
            let bridge = bridge.unwrap_or_else(|| "a bridge".into());
            return Err(Diagnostic::new(
                Code::AddressOnPort,
                format!("`{dev}` is a port of {bridge}, and cannot use an address of its own"),
            )
            .help("ask for the lease on the bridge itself"));
        }
        if !state.up {
            self.set_link(site, id, LinkSet { up: Some(true), ..LinkSet::default() }, "set up")?;
        }
        let who =
            Who { mac, dev: dev.to_string(), hostname: wants.hostname.clone(), client_id: wants.client_id.clone() };
        let seq = self.next_seq();
        let file = self.store.dir(&self.header.lab).join(format!("lease-{seq}.json"));
        let ask = DhcpLease {
            link,
            who: who.clone(),
            timeout: wants.timeout,
            xid: (self.header.seed >> 16) as u32 ^ (seq as u32).rotate_left(16),
            file: file.clone(),
            verbose: wants.verbose,
        };
        if let Err(error) = self.perform(site, Action::DhcpLease(ask)) {
            return Err(self.silent(id, error));
        }
        let Some(After::Lease(lease)) = self.steps.last().map(|(_, step)| step.after.clone()) else {
            return Err(Diagnostic::new(Code::Internal, "a lease was obtained, and is not there"));
        };
        let mut held = Held {
            link: id,
            file: file.clone(),
            lease: seq,
            keeper: 0,
            resolv_conf: None,
            mtu: None,
            routes: Vec::new(),
        };
        if let Some(spec) = keep::spec(&lease, since_boot()) {
            self.add_addr(site, id, spec)?;
        }
        if let Some(mtu) = lease.options.mtu.map(u32::from).filter(|mtu| *mtu != state.mtu) {
            // One that the link cannot have does not make the address any worse.
            match self.set_link(site, id, LinkSet { mtu: Some(mtu), ..LinkSet::default() }, "change the MTU of") {
                Ok(()) => held.mtu = Some(state.mtu),
                Err(error) if error.kernel.as_ref().is_none_or(|k| k.errno != libc::EINVAL) => return Err(error),
                Err(error) => {
                    if let Some(voice) = self.voice {
                        voice(&format!("the MTU of {mtu} that came with the lease is not taken: {}", error.message));
                    }
                }
            }
        }
        let Some(ns) = self.objects.netns_by_cookie(link.netns) else { return Err(crate::action::gone(link.netns)) };
        if wants.routes {
            held.routes = keep::routes(&lease, link.index, wants.metric);
            for route in held.routes.clone() {
                self.add_route(site, ns, route, false).map_err(|e| match e.code {
                    Code::EntryTaken => e.help(
                        "dhcp(#{ metric: 100 }) lets both be, and the lower metric wins; #{ routes: false } leaves routes as they are",
                    ),
                    _ => e,
                })?;
            }
        }
        if let Some(text) = lease.resolv_conf().filter(|_| self.takes_dns(ns, wants.dns)) {
            held.resolv_conf = Some(self.next_seq());
            self.put_etc(site, ns, "resolv.conf", &text)?;
        }
        held.keeper = self.next_seq();
        let own = self.objects.made_link_at(link).is_some();
        let keep = Keep { index: link.index, who, file, own, routes: held.routes.clone() };
        let text = serde_json::to_string(&keep).unwrap_or_default();
        self.start_keeper(site, ns, &dev, Role::DhcpClient, "dhcp-client", text)?;
        self.leases.push(held);
        Ok(*lease)
    }

    /// Says more about a server that is not heard, if the link tells why.
    fn silent(&mut self, id: LinkId, error: Box<Diagnostic>) -> Box<Diagnostic> {
        let has_carrier = self.link_state(id).is_ok_and(|state| !state.flags.contains(&"NO-CARRIER"));
        if error.code != Code::NoLease || has_carrier {
            return error;
        }
        error.help("the link has no carrier: the other end of its wire is down, or is not there; set it up with .up()")
    }

    /// Starts a process of netlab's own in a namespace.
    pub(super) fn start_keeper(
        &mut self,
        site: &Site,
        ns: NsId,
        dev: &IfName,
        role: Role,
        work: &str,
        told: String,
    ) -> Result<()> {
        let object = self.objects.netns(ns)?;
        let seq = self.next_seq();
        let process = ProcessStart {
            netns: object.cookie,
            name: object.name.clone(),
            argv: vec![own_program(), "keeper".into(), work.into(), told],
            log: self.store.dir(&self.header.lab).join(format!("keeper-{seq}.log")),
            mark: format!("{}:{}:{seq}", self.header.lab, self.header.seed),
            stop: Vec::new(),
        };
        self.perform(site, Action::KeeperStart(KeeperStart { process, role, dev: dev.clone() }))
    }

    /// Asks for more time for a lease now, and waits for the answer.
    ///
    /// # Errors
    /// `NL0110` if there is no lease, `NL0128` if it is lost or nobody answers.
    pub fn dhcp_renew(&mut self, id: LinkId) -> Result<Lease> {
        let (held, dev) = (self.need(id)?, self.dev(id)?);
        let before = self.current(&held, &dev)?;
        let keeper = self.process_of(held.keeper).filter(|key| process::is_alive(*key));
        let Some(keeper) = keeper else {
            return Err(Diagnostic::new(
                Code::NoLease,
                format!("the process that keeps the lease of `{dev}` has ended"),
            )
            .help(".dhcp_release() and then .dhcp() asks for a new one"));
        };
        process::nudge(keeper).map_err(|e| {
            crate::action::failed("ask for more time", KernelError::from_io(format!("kill {}", keeper.pid), &e))
        })?;
        let until = since_boot() + 5000;
        loop {
            self.may_go_on()?;
            let now = self.current(&held, &dev)?;
            if now.renewals > before.renewals {
                return Ok(now);
            }
            if since_boot() > until {
                return Err(Diagnostic::new(
                    Code::NoLease,
                    format!("{} does not renew the lease of `{dev}`", now.server),
                )
                .help("the lease stays as long as it was given for; its keeper goes on asking"));
            }
            std::thread::sleep(std::time::Duration::from_millis(5));
        }
    }

    /// Gives a lease back, with all that came with it.
    ///
    /// # Errors
    /// `NL0110` if there is none, and those of the single steps.
    pub fn dhcp_release(&mut self, site: &Site, id: LinkId) -> Result<()> {
        let held = self.need(id)?;
        let lease = Lease::load(&held.file);
        let netns = self.objects.link(id)?.key().netns;
        let Some(ns) = self.objects.netns_by_cookie(netns) else { return Err(crate::action::gone(netns)) };
        self.leases.retain(|h| h.lease != held.lease);
        for seq in [Some(held.keeper), held.resolv_conf].into_iter().flatten() {
            self.undo_now(seq)?;
        }
        for route in held.routes.iter().rev() {
            // One that is gone is as good; somebody else may have taken it.
            match self.del_route(site, ns, route) {
                Err(e) if e.code == Code::NoSuchEntry => {}
                result => result?,
            }
        }
        if let Some(mtu) = held.mtu {
            self.set_link(site, id, LinkSet { mtu: Some(mtu), ..LinkSet::default() }, "change the MTU of")?;
        }
        if let Some(spec) = lease.as_ref().and_then(|lease| keep::spec(lease, since_boot())) {
            match self.del_addr(site, id, spec) {
                Err(e) if e.code == Code::NoSuchEntry => {}
                result => result?,
            }
        }
        self.undo_now(held.lease)
    }

    /// Undoes one step by itself.
    fn undo_now(&mut self, seq: u64) -> Result<()> {
        let mut undoing = Undoing::default();
        self.undo_one(seq, &mut undoing)?;
        undoing.leftovers.pop().map_or(Ok(()), |leftover| Err(leftover.why))
    }

    fn held(&self, id: LinkId) -> Option<&Held> {
        let is_open = |seq: u64| self.steps.iter().any(|(s, step)| *s == seq && step.phase.is_open());
        self.leases.iter().find(|held| held.link == id && is_open(held.lease))
    }

    fn need(&self, id: LinkId) -> Result<Held> {
        let dev = self.dev(id)?;
        self.held(id).cloned().ok_or_else(|| {
            Diagnostic::new(Code::NoSuchEntry, format!("`{dev}` has no lease")).help("ask for one first: .dhcp()")
        })
    }

    fn current(&self, held: &Held, dev: &IfName) -> Result<Lease> {
        match Lease::load(&held.file) {
            Some(Lease { lost: Some(why), .. }) => {
                Err(Diagnostic::new(Code::NoLease, format!("the lease of `{dev}` is lost: {why}"))
                    .help(".dhcp_release() and then .dhcp() asks for a new one"))
            }
            Some(lease) => Ok(lease),
            None => Err(Diagnostic::new(Code::NoLease, format!("the lease of `{dev}` cannot be read"))),
        }
    }

    fn process_of(&self, seq: u64) -> Option<process::ProcessKey> {
        match self.steps.iter().find(|(s, _)| *s == seq).map(|(_, step)| &step.after) {
            Some(After::Process(key)) => Some(*key),
            _ => None,
        }
    }

    /// The host's own file is not written unless that is said; a namespace without a name has none.
    fn takes_dns(&self, ns: NsId, asked: Option<bool>) -> bool {
        let has_name = self.objects.netns(ns).is_ok_and(|object| object.name.is_some());
        asked.unwrap_or(has_name)
    }
}

pub(super) fn ethernet(dev: &IfName, mac: Option<Mac>) -> Result<Mac> {
    mac.ok_or_else(|| {
        Diagnostic::new(Code::NoFeature, format!("`{dev}` is no Ethernet link, and DHCP works on no other"))
            .help("use an end of a veth pair, a macvlan, a VLAN or a card")
    })
}

/// This very program. Where its file has been replaced or removed since, the kernel still has it.
fn own_program() -> String {
    let path = std::env::current_exe().ok().filter(|path| path.exists());
    path.map_or_else(|| "/proc/self/exe".into(), |path| path.display().to_string())
}
