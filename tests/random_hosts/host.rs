//! A machine that somebody has set up, made up from a seed: lines of bash, and what a script could take from it again.

use super::common::random::Random;
use super::words::{ADDRS4, ADDRS6, LINK_LINES, PORT_OPTIONS, ROUTES, RULES, SETTINGS, Thing};

/// A link of the user's. In the script it is a variable of its name.
pub(crate) struct Link {
    pub(crate) name: String,
    /// The index of its namespace in [`Host::places`].
    pub(crate) place: usize,
    pub(crate) kind: &'static str,
    pub(crate) is_up: bool,
    /// The number in its addresses.
    k: usize,
    /// What a macvlan or a tunnel sits on.
    below: Option<String>,
    pub(crate) master: Option<String>,
    mtu: u64,
    addrs: Vec<String>,
}

/// What a seed makes of an empty machine.
pub(crate) struct Host {
    /// Bash, one thing a line, in which every line succeeds.
    pub(crate) lines: Vec<String>,
    /// What the namespaces are called in the script; the first is `host`.
    pub(crate) places: Vec<&'static str>,
    pub(crate) links: Vec<Link>,
    /// Calls in Rhai that take something of it away or put something in its place.
    pub(crate) calls: Vec<String>,
    /// The numbers in its addresses end here.
    pub(crate) count: u64,
}

const PLACES: &[&str] = &["host", "mine", "isp"];

impl Host {
    pub(crate) fn new(random: &mut Random) -> Self {
        let places = PLACES[..=random.below(3) as usize].to_vec();
        let mut host =
            Self { lines: Vec::new(), places, links: Vec::new(), calls: Vec::new(), count: 2 + random.below(5) };
        host.namespaces(random);
        for k in 1..=host.count as usize {
            host.link(k, random);
        }
        host.ports(random);
        host.sizes(random);
        for at in 0..host.links.len() {
            host.furnish(at, random);
        }
        for (table, one_in) in [(ROUTES, 5), (RULES, 16)] {
            for at in 0..host.links.len() {
                // Both ends of a cable have one number, and one set of networks where they are in one place.
                let link = &host.links[at];
                if !host.links[..at].iter().any(|l| l.k == link.k && l.place == link.place) {
                    host.things(table, at, one_in, random);
                }
            }
        }
        host.defaults(random);
        host.hurry();
        host
    }

    /// Somebody's namespaces, and settings that new links are made with. Every fourth machine looks for duplicate
    /// addresses, as machines do; the others do not, since it takes two seconds.
    fn namespaces(&mut self, random: &mut Random) {
        // The first of them makes /run/netns a mount for good.
        self.lines.push("ip netns add first; ip netns del first".to_owned());
        let looks = random.one_in(4);
        for place in self.places.clone() {
            if place != "host" {
                self.lines.push(format!("ip netns add {place}"));
                self.lines.push(format!("ip -n {place} link set lo up"));
            }
            if !looks {
                self.set(place, "net/ipv6/conf/default/accept_dad=0");
            }
            for setting in ["net/ipv4/conf/default/arp_ignore=1", "net/ipv6/conf/default/hop_limit=77"] {
                if random.one_in(4) {
                    self.set(place, setting);
                }
            }
        }
    }

    fn link(&mut self, k: usize, random: &mut Random) {
        // The first is always a cable out of the host.
        let place = if k == 1 || random.below(5) > 0 { 0 } else { random.below(self.places.len() as u64) as usize };
        let below = self.links.iter().find(|l| l.place == place && ["veth", "bridge"].contains(&l.kind));
        let below = below.map(|l| l.name.clone()).filter(|_| random.below(4) > 0);
        let ip = ip(self.places[place]);
        let mac = if random.one_in(2) { format!("address 02:00:00:00:0{k}:01 ") } else { String::new() };
        let kind = if k == 1 { 0 } else { random.below(10) };
        let (kind, name, line) = match (kind, &below) {
            (0..=4, _) | (7 | 8, None) => {
                let there = random.below(self.places.len() as u64) as usize;
                // A name of one's own is only needed where both ends are in one place.
                let netns = if self.places[there] == "host" { "1".to_owned() } else { self.places[there].to_owned() };
                let netns = if there == place { String::new() } else { format!(" netns {netns}") };
                let line = format!("{ip} link add v{k} {mac}type veth peer name p{k}{netns}");
                let (name, addrs) = (format!("p{k}"), Vec::new());
                let kind = "peer";
                self.links.push(Link {
                    name,
                    place: there,
                    kind,
                    is_up: false,
                    k,
                    below: None,
                    master: None,
                    mtu: 1500,
                    addrs,
                });
                ("veth", format!("v{k}"), line)
            }
            // Nor to a bridge that never had a port: one that has none now had one, and its MAC is not left to its ports.
            (5 | 6, _) => {
                let line = format!(
                    "{ip} link add br{k} address 02:00:00:00:0{k}:01 type bridge stp_state 0; \
                     {ip} link add t0 type veth peer name t1; {ip} link set t0 master br{k}; {ip} link del t0"
                );
                ("bridge", format!("br{k}"), line)
            }
            (7, Some(dev)) => {
                let mode = random.pick(&["bridge", "private", "vepa"]);
                ("macvlan", format!("mv{k}"), format!("{ip} link add mv{k} link {dev} {mac}type macvlan mode {mode}"))
            }
            (8, Some(dev)) => {
                let line =
                    format!("{ip} link add vx{k} {mac}type vxlan id {k}00 dev {dev} dstport 4789 local 10.1.0.1");
                ("vxlan", format!("vx{k}"), line)
            }
            _ => ("ifb", format!("ifb{k}"), format!("{ip} link add ifb{k} type ifb")),
        };
        self.lines.push(line);
        let below = below.filter(|_| ["macvlan", "vxlan"].contains(&kind));
        self.links.push(Link { name, place, kind, is_up: false, k, below, master: None, mtu: 1500, addrs: Vec::new() });
    }

    /// Cables and tunnels become ports of the bridge beside them, half of them.
    fn ports(&mut self, random: &mut Random) {
        for at in 0..self.links.len() {
            let link = &self.links[at];
            let bridge = self.links.iter().find(|l| l.kind == "bridge" && l.place == link.place);
            let Some(bridge) = bridge.filter(|_| ["veth", "peer", "vxlan"].contains(&link.kind) && random.one_in(2))
            else {
                continue;
            };
            let (ip, name) = (ip(self.places[link.place]), link.name.clone());
            // What leaves by the bridge cannot be its port, nor what something sits on.
            let is_below = self.links.iter().any(|l| l.below.as_ref() == Some(&name));
            // And a cable with both ends in bridges may close a loop, in which a single packet goes round for ever and takes a
            // whole processor.
            let is_looped = self.links.iter().any(|l| l.k == link.k && l.master.is_some());
            if is_below || is_looped || link.below.as_ref() == Some(&bridge.name) {
                continue;
            }
            let bridge = bridge.name.clone();
            self.lines.push(format!("{ip} link set {name} master {bridge}"));
            self.links[at].master = Some(bridge);
            self.things(PORT_OPTIONS, at, 4, random);
        }
    }

    /// Which links are up, and the MTU, which others may follow: a bridge the smallest port, a macvlan what it sits on.
    fn sizes(&mut self, random: &mut Random) {
        for at in 0..self.links.len() {
            let below = self.links[at].below.clone();
            // A macvlan cannot be up on what is down.
            let can = self.links.iter().all(|l| l.is_up || Some(&l.name) != below.as_ref());
            // Nor is a tunnel wider than what it sits on: netlab would not delete it, since one made again is cut to fit.
            let name = self.links[at].name.clone();
            let carries = self.links.iter().any(|l| l.kind == "vxlan" && l.below.as_ref() == Some(&name));
            let link = &mut self.links[at];
            link.is_up = can && random.below(8) > 0;
            let is_free = link.below.is_none() && link.kind != "bridge" && !carries;
            if is_free && random.one_in(5) {
                link.mtu = *random.pick(&[1400, 1300, 1280, 1000]);
                self.lines.push(format!("{} link set {} mtu {}", ip(self.places[link.place]), link.name, link.mtu));
            }
        }
        for kind in ["bridge", "macvlan"] {
            for at in (0..self.links.len()).filter(|at| self.links[*at].kind == kind).collect::<Vec<_>>() {
                let link = &self.links[at];
                let (name, below) = (Some(&link.name), link.below.as_ref());
                let before = self.links.iter().filter(|l| l.master.as_ref() == name || Some(&l.name) == below);
                self.links[at].mtu = before.map(|l| l.mtu).min().unwrap_or(1500);
            }
        }
        // All of them once, since the kernel has no way back to a link that never was up.
        for link in &self.links {
            self.lines.push(format!("{} link set {} up", ip(self.places[link.place]), link.name));
        }
        // A bridge hears of its ports, a macvlan of what it sits on.
        self.hurry();
        self.hurry();
        for link in self.links.iter().filter(|l| !l.is_up) {
            self.lines.push(format!("{} link set {} down", ip(self.places[link.place]), link.name));
        }
        self.hurry();
        self.hurry();
    }

    /// The kernel may sit on news of a carrier for a second, unless it is asked for that one link.
    fn hurry(&mut self) {
        for link in &self.links {
            self.lines.push(format!("{} link show {} >/dev/null", ip(self.places[link.place]), link.name));
        }
    }

    /// What a link is and has for itself: options, addresses, neighbours, settings.
    fn furnish(&mut self, at: usize, random: &mut Random) {
        let link = &self.links[at];
        let (place, name, k) = (self.places[link.place], link.name.clone(), link.k);
        let ip = ip(place);
        self.things(LINK_LINES, at, 8, random);
        let link = &mut self.links[at];
        let four = if link.master.is_some() { 8 } else { 3 };
        let mut wanted: Vec<&str> = Vec::new();
        if link.kind == "peer" {
            wanted.extend(["10.@k.0.200/24", "2001:db8:@k::200/64 nodad"].into_iter().filter(|_| four == 3));
        } else {
            wanted.extend(ADDRS4.iter().filter(|a| random.one_in(if a.ends_with("0.1/24") { four / 2 } else { four })));
            wanted.extend(ADDRS6.iter().filter(|a| random.one_in(if a.contains("::1/64 ") { four / 2 } else { four })));
        }
        shuffle(&mut wanted, random);
        for addr in wanted {
            // Below 1280 there is no IPv6.
            if addr.contains("::") && link.mtu < 1280 {
                continue;
            }
            let addr = addr.replace("@k", &k.to_string()).replace("@dev", &name);
            let words: Vec<&str> = addr.split(' ').collect();
            self.calls.push(match words[..] {
                [local, "peer", peer, ..] => {
                    format!("{name}.del_addr(\"{local}/32\", #{{ peer: \"{peer}\" }})").replace("::1/32\"", "::1/128\"")
                }
                [local, ..] => format!("{name}.del_addr(\"{local}\")"),
                [] => continue,
            });
            self.lines.push(format!("{ip} addr add {addr} dev {name}"));
            link.addrs.push(addr);
        }
        for setting in SETTINGS.iter().filter(|s| random.one_in(10) && (s.contains("ipv4") || link.mtu >= 1280)) {
            self.lines.push(setting_line(place, &setting.replace("@dev", &name)));
        }
    }

    /// Each thing of a table that fits the link, once in `one_in`.
    fn things(&mut self, table: &[Thing], at: usize, one_in: u64, random: &mut Random) {
        let link = &self.links[at];
        let other = self.links.iter().find(|l| {
            l.place == link.place && l.k != link.k && l.is_up && l.addrs.iter().any(|a| a.contains(".0.1/24"))
        });
        let fill = |text: &str| {
            let place = self.places[link.place];
            let text = text.replace("@ip", &ip(place)).replace("@ns", place).replace("@at", &format!("{at:02}"));
            let text = text.replace("@bridge", &ip(place).replacen("ip", "bridge", 1));
            let text = text.replace("@tc", &ip(place).replacen("ip", "tc", 1));
            let text = text.replace("@dev", &link.name).replace("@k", &link.k.to_string());
            let text = text.replace("@other", other.map_or("", |l| &l.name));
            text.replace("@j", &other.map_or(0, |l| l.k).to_string())
        };
        let (mut lines, mut calls) = (Vec::new(), Vec::new());
        for thing in table {
            let has = |need: &str| match need {
                "" => true,
                "up" => link.is_up,
                "four" => link.is_up && link.addrs.iter().any(|a| a.starts_with(&format!("10.{}.0.1/24", link.k))),
                "six" => link.is_up && link.addrs.iter().any(|a| a.starts_with(&format!("2001:db8:{}::1/64", link.k))),
                "ipv6" => link.mtu >= 1280,
                "frames" => link.kind != "ifb",
                "carrier" => self.has_carrier(link),
                "other" => other.is_some(),
                kind => link.kind == kind || link.addrs.iter().any(|a| *a == kind.replace("@k", &link.k.to_string())),
            };
            let (needs, line, undo) = *thing;
            if !needs.split(' ').all(|need| has(&need.replace('_', " "))) || !random.one_in(one_in) {
                continue;
            }
            lines.push(fill(line));
            calls.extend(undo.split(" | ").filter(|c| !c.is_empty()).map(fill));
        }
        self.lines.extend(lines);
        self.calls.extend(calls);
    }

    /// Whether traffic could leave by it.
    fn has_carrier(&self, link: &Link) -> bool {
        let has = |l: &Link| self.has_carrier(l);
        let below = || self.links.iter().find(|l| Some(&l.name) == link.below.as_ref());
        link.is_up
            && match link.kind {
                "veth" | "peer" => self.links.iter().any(|l| l.k == link.k && l.kind != link.kind && l.is_up),
                "bridge" => self.links.iter().any(|l| l.master.as_ref() == Some(&link.name) && has(l)),
                "macvlan" => below().is_some_and(has),
                _ => true,
            }
    }

    /// Default routes, and the switches of the whole machine, which come last since they write all the others.
    fn defaults(&mut self, random: &mut Random) {
        for at in 0..self.places.len() {
            let place = self.places[at];
            let way = self.links.iter().find(|l| {
                l.place == at
                    && l.is_up
                    && l.addrs.iter().any(|a| a.starts_with(&format!("10.{}.0.", l.k)) && a.ends_with("/24"))
            });
            if let Some(link) = way.filter(|_| random.one_in(if at == 0 { 4 } else { 2 })) {
                let line = format!("{} route add default via 10.{}.0.99 dev {}", ip(place), link.k, link.name);
                self.lines.push(line);
                self.calls.push(format!("{place}.del_route(\"default\")"));
            }
            for setting in [
                "net/ipv4/ip_forward=1",
                "net/ipv4/conf/all/accept_redirects=0",
                "net/ipv4/conf/all/rp_filter=1",
                "net/ipv6/conf/all/forwarding=1",
                "net/ipv6/conf/all/keep_addr_on_down=1",
                "net/ipv4/conf/all/promote_secondaries=1",
            ] {
                if random.one_in(6) {
                    self.set(place, setting);
                }
            }
            // One link unlike the others, which a switch on and off would lose.
            let link = self.links.iter().find(|l| l.place == at && l.mtu >= 1280);
            if let Some(name) = link.filter(|_| random.one_in(3)).map(|l| l.name.clone()) {
                let family = random.pick(&["ipv4", "ipv6"]);
                let on = random.below(2);
                self.set(place, &format!("net/{family}/conf/{name}/forwarding={on}"));
            }
        }
    }

    fn set(&mut self, place: &str, setting: &str) {
        self.lines.push(setting_line(place, setting));
    }
}

fn setting_line(place: &str, setting: &str) -> String {
    let (path, value) = setting.split_once('=').unwrap_or((setting, "0"));
    match place {
        "host" => format!("echo {value} >/proc/sys/{path}"),
        _ => format!("nsenter --net=/run/netns/{place} sh -c 'echo {value} >/proc/sys/{path}'"),
    }
}

fn ip(place: &str) -> String {
    if place == "host" { "ip".to_owned() } else { format!("ip -n {place}") }
}

fn shuffle<T>(list: &mut [T], random: &mut Random) {
    for at in (1..list.len()).rev() {
        list.swap(at, random.below(at as u64 + 1) as usize);
    }
}
