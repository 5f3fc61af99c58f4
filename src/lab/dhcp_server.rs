//! DHCP servers that run as long as a lab.

use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr};

use super::Lab;
use super::dhcp::ethernet;
use super::objects::LinkId;
use crate::action::Action;
use crate::action::keeper_start::{KeeperStart, Role};
use crate::dhcp::lease::Options;
use crate::dhcp::pool::Binding;
use crate::dhcp::serve;
use crate::dhcp::server::Config;
use crate::diag::{Code, Diagnostic, KernelError, Result, Site};
use crate::kernel::link::LinkSet;
use crate::kernel::process::since_boot;
use crate::probe::state;
use crate::types::address::{Cidr, Prefix};
use crate::types::mac::Mac;
use crate::types::name::IfName;

/// What a script wants of a server.
#[derive(Debug, Clone)]
pub struct Service {
    /// The first and the last address that it gives; the whole network if absent.
    pub pool: Option<(Ipv4Addr, Ipv4Addr)>,
    /// Whether its own address is the router, if there is none among the options.
    pub is_router: bool,
    /// Which client always gets which address.
    pub reservations: BTreeMap<Mac, Ipv4Addr>,
    /// For how many seconds.
    pub seconds: u32,
    /// What comes with a lease.
    pub options: Options,
}

impl Lab {
    /// Starts a server on a link, which has to have an address.
    ///
    /// # Errors
    /// `NL0103` without an address, `NL0106` for addresses outside its network, `NL0121` if there is one on the link.
    pub fn dhcp_server(&mut self, site: &Site, id: LinkId, service: Service) -> Result<()> {
        let (link, dev) = (self.objects.link(id)?.key(), self.dev(id)?);
        if self.server_step(id)?.is_some() {
            return Err(Diagnostic::new(Code::Busy, format!("there is a DHCP server on `{dev}` already")));
        }
        let state = self.link_state(id)?;
        let mac = ethernet(&dev, state.address.filter(|_| !state.loopback))?;
        let addrs = state::addr::read(self.context_socket(link.netns)?, Some(link.index), &Default::default());
        let own: Vec<Cidr> = addrs
            .map_err(|e| crate::action::failed(&format!("read the addresses of `{dev}`"), e))?
            .iter()
            .filter(|a| a.local.is_ipv4())
            .filter_map(|a| Cidr::with_len(a.local, a.prefixlen).ok())
            .collect();
        let wanted = service.pool.map(|(first, _)| IpAddr::V4(first));
        let cidr = own.iter().find(|c| wanted.is_some_and(|first| c.network().contains(first))).or(own.first());
        let Some((cidr, IpAddr::V4(address))) = cidr.map(|c| (*c, c.addr())) else {
            return Err(Diagnostic::new(Code::BadAddress, format!("`{dev}` has no IPv4 address to serve from"))
                .help("give it one first, with the network's prefix length: .addr(\"10.0.0.1/24\")"));
        };
        let (first, last) = range(&dev, cidr, service.pool)?;
        for ip in service.reservations.values().chain(&service.options.routers) {
            inside(&dev, cidr.network(), *ip)?;
        }
        if let Some((mac, _)) = service.reservations.iter().find(|(_, ip)| **ip == address) {
            return Err(Diagnostic::new(
                Code::BadOption,
                format!("{address} is reserved for {mac}, and is the server's own"),
            ));
        }
        if !state.up {
            self.set_link(site, id, LinkSet { up: Some(true), ..LinkSet::default() }, "set up")?;
        }
        let Some(ns) = self.objects.netns_by_cookie(link.netns) else { return Err(crate::action::gone(link.netns)) };
        let mut options = service.options;
        if options.routers.is_empty() && service.is_router {
            options.routers.push(address);
        }
        let file = self.store.dir(&self.header.lab).join(format!("dhcp-server-{}.json", self.next_seq()));
        let config = Config {
            index: link.index,
            dev: dev.to_string(),
            mac,
            address,
            len: cidr.len(),
            pool: (first, last),
            reservations: service.reservations,
            seconds: service.seconds,
            options,
            file: file.clone(),
        };
        let role = Role::DhcpServer { pool: (first.to_string(), last.to_string()), file, link };
        let told = serde_json::to_string(&config).unwrap_or_default();
        self.start_keeper(site, ns, &dev, role, "dhcp-server", told)
    }

    /// Who has which address from the server on a link.
    ///
    /// # Errors
    /// `NL0110` if there is no server.
    pub fn dhcp_leases(&self, id: LinkId) -> Result<Vec<Binding>> {
        let dev = self.dev(id)?;
        let Some(KeeperStart { role: Role::DhcpServer { file, .. }, .. }) = self.server_step(id)? else {
            return Err(Diagnostic::new(Code::NoSuchEntry, format!("there is no DHCP server on `{dev}`"))
                .help("start one first: .dhcp_server(#{ pool: [first, last] })"));
        };
        let mut all = serve::load(file).map_err(|e| {
            Diagnostic::new(Code::BadFile, format!("cannot read the leases of the DHCP server on `{dev}`"))
                .kernel(KernelError::from_io(format!("read {}", file.display()), &e))
        })?;
        all.retain(|binding| binding.holds(since_boot()));
        Ok(all)
    }

    fn server_step(&self, id: LinkId) -> Result<Option<&KeeperStart>> {
        let key = self.objects.link(id)?.key();
        let mut open = self.steps.iter().filter(|(_, step)| step.phase.is_open());
        Ok(open.find_map(|(_, step)| match &step.action {
            Action::KeeperStart(start) if matches!(start.role, Role::DhcpServer { link, .. } if link == key) => {
                Some(start)
            }
            _ => None,
        }))
    }
}

/// The addresses that are given: those that were asked for, if they are in the network, or all of it.
fn range(dev: &IfName, cidr: Cidr, pool: Option<(Ipv4Addr, Ipv4Addr)>) -> Result<(Ipv4Addr, Ipv4Addr)> {
    let network = cidr.network();
    if let Some((first, last)) = pool {
        inside(dev, network, first)?;
        inside(dev, network, last)?;
        if first > last {
            return Err(Diagnostic::new(Code::OutOfRange, format!("a pool from {first} to {last} is empty"))
                .help(format!("write the lower one first: [\"{last}\", \"{first}\"]")));
        }
        return Ok((first, last));
    }
    let IpAddr::V4(base) = network.addr else { return Err(Diagnostic::new(Code::Internal, "no IPv4 network")) };
    let host = u32::MAX.checked_shr(cidr.len().into()).unwrap_or(0);
    if host == 0 {
        return Err(Diagnostic::new(
            Code::OutOfRange,
            format!("`{dev}` has {cidr}, a network of one address: none is left to give"),
        )
        .help("give it an address with the network's prefix length: \"10.0.0.1/24\""));
    }
    Ok((base, Ipv4Addr::from(u32::from(base) | host)))
}

fn inside(dev: &IfName, network: Prefix, ip: Ipv4Addr) -> Result<()> {
    if network.contains(IpAddr::V4(ip)) {
        return Ok(());
    }
    Err(Diagnostic::new(Code::OutOfRange, format!("{ip} is not in {network}, the network of `{dev}`"))
        .help("a server gives addresses of the network that it is in itself"))
}
