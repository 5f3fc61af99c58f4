//! The server as a state machine (RFC 2131, 4.3): it takes messages and the time, and says what to answer to whom.

use std::collections::BTreeMap;
use std::net::Ipv4Addr;
use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use super::field::{Field, Kind};
use super::lease::{FOR_EVER, Options, Route};
use super::message::{Draft, Heard};
use super::pool::{ClientKey, Pool};
use super::wire::BROADCAST;
use crate::types::mac::Mac;

/// What a server is told.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Config {
    /// The link, in the namespace that the server is started in.
    pub index: u32,
    /// The link's name.
    pub dev: String,
    /// The link's Ethernet address.
    pub mac: Mac,
    /// The server's own address.
    pub address: Ipv4Addr,
    /// The prefix length of its network.
    pub len: u8,
    /// The first and the last address that it gives.
    pub pool: (Ipv4Addr, Ipv4Addr),
    /// Which client always gets which address.
    #[serde(default)]
    pub reservations: BTreeMap<Mac, Ipv4Addr>,
    /// For how many seconds.
    pub seconds: u32,
    /// What comes with a lease.
    pub options: Options,
    /// Where it writes down who has what.
    pub file: PathBuf,
}

/// An answer.
#[derive(Debug, Clone)]
pub struct Answer {
    /// What to send.
    pub draft: Draft,
    /// To which Ethernet address.
    pub mac: Mac,
    /// To which address.
    pub ip: Ipv4Addr,
    /// The same in words.
    pub said: String,
}

/// The server.
#[derive(Debug)]
pub struct Server {
    config: Config,
    pool: Pool,
}

impl Server {
    /// A server that has given nothing yet.
    pub fn new(config: Config) -> Self {
        let host = u32::MAX.checked_shr(config.len.into()).unwrap_or(0);
        let network = u32::from(config.address) & !host;
        let mut taken = vec![config.address];
        if config.len < 31 {
            taken.extend([Ipv4Addr::from(network), Ipv4Addr::from(network | host)]);
        }
        taken.extend(&config.options.routers);
        let pool = Pool::new(config.pool, taken, config.reservations.clone());
        Self { config, pool }
    }

    /// Who has what.
    pub fn pool(&self) -> &Pool {
        &self.pool
    }

    /// What is answered to a message; nothing for what is not for a server of this link.
    pub fn hear(&mut self, heard: &Heard, now: u64) -> Option<Answer> {
        // A relay speaks for another network than this one.
        if heard.is_reply || !heard.giaddr.is_unspecified() || !is_station(heard.mac) {
            return None;
        }
        let client = ClientKey::new(heard.client_id.as_deref(), heard.mac);
        match heard.kind {
            Kind::Discover => {
                let address = self.pool.choose(&client, heard.requested, now)?;
                self.pool.offer(&client, address, now);
                Some(self.grant(Kind::Offer, heard, address))
            }
            Kind::Request => self.request(&client, heard, now),
            Kind::Decline => {
                if heard.server == Some(self.config.address) {
                    self.pool.decline(&client, heard.requested?, now);
                }
                None
            }
            Kind::Release => {
                if heard.server.is_none_or(|server| server == self.config.address) {
                    self.pool.release(&client, heard.ciaddr);
                }
                None
            }
            Kind::Inform => {
                let draft = self.with_options(self.reply(Kind::Ack, heard));
                Some(self.answer(draft, heard, heard.ciaddr, format!("DHCPACK to {} for {}", heard.ciaddr, heard.mac)))
            }
            _ => None,
        }
    }

    fn request(&mut self, client: &ClientKey, heard: &Heard, now: u64) -> Option<Answer> {
        if heard.server.is_some_and(|server| server != self.config.address) {
            // The client took another's offer.
            self.pool.withdraw(client);
            return None;
        }
        // One that renews says which address it has, any other which it wants.
        let address = heard.requested.filter(|_| heard.ciaddr.is_unspecified()).unwrap_or(heard.ciaddr);
        // A wrong request is answered at once: this is the only server of its network that it knows of.
        let why = if !self.is_own_network(address) {
            Some("wrong network")
        } else if !self.pool.is_free_for(client, address, now) {
            Some("address not available")
        } else {
            None
        };
        if let Some(why) = why {
            let draft = self.reply(Kind::Nak, heard).with(Field::Message(why.into()));
            let said = format!("DHCPNAK of {address} to {}: {why}", heard.mac);
            return Some(Answer { draft, mac: BROADCAST, ip: Ipv4Addr::BROADCAST, said });
        }
        let until = (self.seconds(heard) != FOR_EVER).then(|| now + u64::from(self.seconds(heard)) * 1000);
        self.pool.bind(client, address, heard.hostname.clone(), until);
        Some(self.grant(Kind::Ack, heard, address))
    }

    fn grant(&self, kind: Kind, heard: &Heard, address: Ipv4Addr) -> Answer {
        let seconds = self.seconds(heard);
        let part = |eighths: u64| u32::try_from(u64::from(seconds) * eighths / 8).unwrap_or(FOR_EVER).max(1);
        let times = if seconds == FOR_EVER { (FOR_EVER, FOR_EVER) } else { (part(4), part(7)) };
        let draft = self.reply(kind, heard).yiaddr(address).ciaddr(heard.ciaddr);
        let draft = draft.with(Field::LeaseTime(seconds));
        let draft = draft.with(Field::RenewalTime(times.0)).with(Field::RebindingTime(times.1));
        let word = if kind == Kind::Offer { "DHCPOFFER" } else { "DHCPACK" };
        self.answer(self.with_options(draft), heard, address, format!("{word} of {address} to {}", heard.mac))
    }

    fn reply(&self, kind: Kind, heard: &Heard) -> Draft {
        let draft = Draft::reply(kind, heard).with(Field::ServerIdentifier(self.config.address));
        // RFC 6842: whoever names itself is told whose answer it is.
        draft.with_some(heard.client_id.clone().map(Field::ClientIdentifier))
    }

    fn with_options(&self, draft: Draft) -> Draft {
        let options = &self.config.options;
        let host = u32::MAX.checked_shr(self.config.len.into()).unwrap_or(0);
        let some = |all: &Vec<Ipv4Addr>| Some(all.clone()).filter(|all| !all.is_empty());
        let address = u32::from(self.config.address);
        draft
            .with(Field::SubnetMask(Ipv4Addr::from(!host)))
            .with_some((self.config.len < 31).then(|| Field::BroadcastAddress(Ipv4Addr::from(address | host))))
            .with_some(some(&options.routers).map(Field::Router))
            .with_some(some(&options.dns).map(Field::DomainNameServer))
            .with_some(options.domain.clone().map(Field::DomainName))
            .with_some((!options.search.is_empty()).then(|| Field::DomainSearch(options.search.clone())))
            .with_some(options.mtu.map(Field::InterfaceMtu))
            .with_some(self.routes())
    }

    /// Whoever takes these does not look at the routers (RFC 3442), so the default route is among them.
    fn routes(&self) -> Option<Field> {
        let options = &self.config.options;
        if options.routes.is_empty() {
            return None;
        }
        let default = options.routers.first().map(|via| Route { dst: Ipv4Addr::UNSPECIFIED, len: 0, via: *via });
        let is_default = |route: &Route| route.len == 0;
        let default = default.filter(|_| !options.routes.iter().any(is_default));
        let all = options.routes.iter().copied().chain(default).collect();
        Some(Field::ClasslessRoutes(all))
    }

    /// To whom it goes (RFC 2131, 4.1): one that has its address gets it there; one that has none cannot answer to ARP, so it
    /// is sent to its Ethernet address, or to all if it says that it cannot hear that.
    fn answer(&self, draft: Draft, heard: &Heard, address: Ipv4Addr, said: String) -> Answer {
        let (mac, ip) = match (heard.ciaddr.is_unspecified(), heard.broadcast) {
            (false, _) => (heard.mac, heard.ciaddr),
            (true, true) => (BROADCAST, Ipv4Addr::BROADCAST),
            (true, false) => (heard.mac, address),
        };
        Answer { draft, mac, ip, said }
    }

    /// A client may ask for less time.
    fn seconds(&self, heard: &Heard) -> u32 {
        heard.seconds.filter(|s| *s > 0).map_or(self.config.seconds, |s| s.min(self.config.seconds))
    }

    fn is_own_network(&self, address: Ipv4Addr) -> bool {
        let host = u32::MAX.checked_shr(self.config.len.into()).unwrap_or(0);
        u32::from(address) & !host == u32::from(self.config.address) & !host
    }
}

/// Whether a link can have this Ethernet address.
fn is_station(mac: Mac) -> bool {
    mac.bytes()[0] & 1 == 0 && mac.bytes() != [0; 6]
}
