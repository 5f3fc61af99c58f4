//! The texts that say how names are looked up: resolv.conf(5) and hosts(5).

use std::net::{IpAddr, Ipv4Addr};
use std::time::Duration;

/// The most name servers that the C library looks at (`MAXNS`).
const MAX_SERVERS: usize = 3;

/// What resolv.conf says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ResolvConf {
    /// The name servers, in the order in which they are asked; never empty.
    pub nameservers: Vec<IpAddr>,
    /// The domains in which a short name is looked up.
    pub search: Vec<String>,
    /// A name with at least so many dots is tried as it is first.
    pub ndots: usize,
    /// How long each server is waited for.
    pub timeout: Duration,
    /// How often the list of servers is gone through.
    pub attempts: u32,
}

impl ResolvConf {
    /// Reads the text. As in the C library, what cannot be understood is skipped, and without a server the own machine
    /// is asked. A server with a scope (`fe80::1%eth0`) is skipped, too.
    pub fn parse(text: &str) -> Self {
        let timeout = Duration::from_secs(5);
        let mut conf = Self { nameservers: Vec::new(), search: Vec::new(), ndots: 1, timeout, attempts: 2 };
        for line in text.lines() {
            // A comment sign counts at the beginning of a line only.
            let mut words = line.split_whitespace();
            match words.next() {
                Some("nameserver") if conf.nameservers.len() < MAX_SERVERS => {
                    conf.nameservers.extend(words.next().and_then(|w| w.parse::<IpAddr>().ok()));
                }
                // The last of these lines counts.
                Some("domain") => conf.search = words.take(1).map(domain).collect(),
                Some("search") => conf.search = words.map(domain).collect(),
                Some("options") => words.for_each(|w| conf.option(w)),
                _ => {}
            }
        }
        conf.search.retain(|d| !d.is_empty());
        if conf.nameservers.is_empty() {
            conf.nameservers.push(IpAddr::V4(Ipv4Addr::LOCALHOST));
        }
        conf
    }

    /// The full names to try for a name, in order. One that ends in a dot is taken as it is.
    pub fn candidates(&self, name: &str) -> Vec<String> {
        if let Some(full) = name.strip_suffix('.') {
            return vec![full.to_string()];
        }
        let mut names: Vec<String> = self.search.iter().map(|domain| format!("{name}.{domain}")).collect();
        let dots = name.matches('.').count();
        let at = if dots >= self.ndots { 0 } else { names.len() };
        names.insert(at, name.to_string());
        names
    }

    fn option(&mut self, word: &str) {
        let Some((key, Ok(value))) = word.split_once(':').map(|(k, v)| (k, v.parse::<u32>())) else { return };
        // The upper limits are the C library's.
        match key {
            "ndots" => self.ndots = value.min(15) as usize,
            "timeout" => self.timeout = Duration::from_secs(value.clamp(1, 30).into()),
            "attempts" => self.attempts = value.clamp(1, 5),
            _ => {}
        }
    }
}

fn domain(word: &str) -> String {
    word.trim_end_matches('.').to_string()
}

/// What the hosts file says.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Hosts(Vec<(IpAddr, Vec<String>)>);

impl Hosts {
    /// Reads the text; what cannot be understood is skipped.
    pub fn parse(text: &str) -> Self {
        let line = |line: &str| {
            let mut words = line.split('#').next()?.split_whitespace();
            let addr = words.next()?.parse().ok()?;
            Some((addr, words.map(str::to_string).collect()))
        };
        Self(text.lines().filter_map(line).collect())
    }

    /// The addresses of a name, in the order of the file; upper and lower case are the same.
    pub fn get(&self, name: &str) -> Vec<IpAddr> {
        let name = name.strip_suffix('.').unwrap_or(name);
        let named = |names: &[String]| names.iter().any(|n| n.eq_ignore_ascii_case(name));
        self.0.iter().filter(|(_, names)| named(names)).map(|(addr, _)| *addr).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn resolv_conf() {
        let conf = ResolvConf::parse(
            "# made by hand\n; too\ndomain old.test\nnameserver 10.0.0.53\nnameserver fd00::53\nnameserver nonsense\n\
             search lab.test. corp.test\noptions ndots:2 timeout:1 attempts:3 rotate\nnameserver 10.0.0.54\n\
             nameserver 10.0.0.55\n",
        );
        let servers: Vec<String> = conf.nameservers.iter().map(ToString::to_string).collect();
        assert_eq!(servers, ["10.0.0.53", "fd00::53", "10.0.0.54"]);
        assert_eq!((conf.ndots, conf.timeout, conf.attempts), (2, Duration::from_secs(1), 3));
        assert_eq!(conf.candidates("web"), ["web.lab.test", "web.corp.test", "web"]);
        assert_eq!(conf.candidates("a.b.c"), ["a.b.c", "a.b.c.lab.test", "a.b.c.corp.test"]);
        assert_eq!(conf.candidates("web."), ["web"]);
        let empty = ResolvConf::parse("");
        assert_eq!((empty.nameservers[0].to_string(), empty.candidates("x")), ("127.0.0.1".into(), vec!["x".into()]));
        assert_eq!(ResolvConf::parse("options ndots:99 timeout:0 attempts:x").timeout, Duration::from_secs(1));
    }

    #[test]
    fn hosts() {
        let hosts =
            Hosts::parse("127.0.0.1 localhost\n10.0.0.2\tweb.lab.test web # the server\nfd00::2 Web\nbad line\n#\n");
        assert_eq!(hosts.get("web").len(), 2);
        assert_eq!(hosts.get("WEB.lab.test."), ["10.0.0.2".parse::<IpAddr>().unwrap()]);
        assert!(hosts.get("the").is_empty());
    }
}
