//! What the kernel says about every namespace of a sandbox, gathered by one shell with `ip -j`, `bridge -j`, `tc` and `nft`.

use std::collections::BTreeMap;
use std::path::Path;

use serde_json::Value;

use super::sandbox::Sandbox;

/// The name under which the sandbox's own namespace stands; no namespace in /run/netns may be called so.
pub(crate) const HOST: &str = "host";

/// Batches, since a process costs more than a question. `bridge vlan` and `bridge mdb` stand alone: they end in an error
/// where the kernel has no VLAN filtering or no snooping. So does `nft`, which a machine may lack. `tc` has no JSON for
/// classes, and only some queues have any. The host.json of a lab holds the time since the machine was started, which gets
/// longer by a digit now and then.
const SCRIPT: &str = r#"
look() { # namespace, option for ip, prefix for the rest
    echo "@@ $1 main"
    printf '%s\n' 'link show' 'addr show' 'neigh show' 'neigh show proxy' 'nexthop show' 'netns list-id' \
        'maddr show' 'token list' 'addrlabel list' | ip -j -d $2 -batch -
    echo "@@ $1 four"
    printf '%s\n' 'route show table all' 'rule show' | ip -j -4 $2 -batch -
    echo "@@ $1 six"
    printf '%s\n' 'route show table all' 'rule show' | ip -j -6 $2 -batch -
    echo "@@ $1 bridge"
    printf '%s\n' 'fdb show' 'link show' | bridge -j -d $2 -batch -
    echo "@@ $1 vlan"
    bridge -j $2 vlan show 2>/dev/null
    echo "@@ $1 mdb"
    bridge -j -d $2 mdb show 2>/dev/null
    echo "@@ $1 qdisc"
    queues=$(tc -j -d $2 qdisc show)
    echo "$queues"
    echo "@@ $1 class"
    case $queues in *htb*|*hfsc*|*drr*|*qfq*)
        ip $2 -br link | sed 's/[@ ].*//; s/^/class show dev /' | tc $2 -batch - ;;
    esac
    echo "@@ $1 nft"
    $3 nft -s list ruleset 2>/dev/null
    echo "@@ $1 sysctl"
    $3 grep -rHs '' /proc/sys/net
}
echo "@@ - names"
for name in /run/netns/*; do
    [ -e "$name" ] || [ -L "$name" ] || continue
    echo "$name $(stat -c %F "$name"), leads to $(stat -Lc '%t %i' "$name" 2>&1)"
done
echo "@@ - mounts"
awk '$5 ~ "^/run/netns" { print $5, "is", $4 }' /proc/self/mountinfo | sort
echo "@@ - files"
find /etc/resolv.conf /etc/hosts /etc/netns -printf '%y %m %U:%G %p %l\n' 2>/dev/null
find /etc/resolv.conf /etc/hosts /etc/netns -type f -size +0 -exec grep -Hn '' {} + 2>/dev/null
find /etc/resolv.conf /etc/hosts /etc/netns -type f -printf '%p has %s bytes\n' 2>/dev/null
echo "@@ - state"
find /run/netlab /var/lib/netlab -printf '%y %s %p\n' 2>/dev/null | sed 's,^f [0-9]* \(.*/host.json\)$,f ? \1,'
echo "@@ - processes"
for p in /proc/[0-9]*; do
    pid=${p#/proc/}
    [ $pid = 1 ] || [ $pid = $$ ] || { read -r comm <$p/comm && echo "$comm"; } 2>/dev/null
done
look host
for name in /run/netns/*; do
    [ -e "$name" ] && nsenter --net="$name" true 2>/dev/null || continue
    look "${name#/run/netns/}" "-n ${name#/run/netns/}" "nsenter --net=$name"
done
"#;

/// What one namespace holds, in the words of `ip -j`.
#[derive(Debug, Default, Clone)]
pub(crate) struct Netns {
    pub(crate) links: Vec<Value>,
    pub(crate) addrs: Vec<Value>,
    pub(crate) neighbours: Vec<Value>,
    pub(crate) proxies: Vec<Value>,
    pub(crate) nexthops: Vec<Value>,
    /// Namespaces by their number in this one; the sandbox's own has no name and is missing.
    pub(crate) nsids: BTreeMap<i64, String>,
    pub(crate) routes4: Vec<Value>,
    pub(crate) rules4: Vec<Value>,
    pub(crate) routes6: Vec<Value>,
    pub(crate) rules6: Vec<Value>,
    pub(crate) fdb: Vec<Value>,
    pub(crate) ports: Vec<Value>,
    pub(crate) vlans: Vec<Value>,
    pub(crate) mdb: Vec<Value>,
    pub(crate) groups: Vec<Value>,
    pub(crate) tokens: Vec<Value>,
    pub(crate) addrlabels: Vec<Value>,
    pub(crate) qdiscs: Vec<Value>,
    /// Classes of queues, in the text of `tc`.
    pub(crate) classes: Vec<String>,
    /// The rules of the firewall, in the text of `nft`.
    pub(crate) nft: Vec<String>,
    /// Settings by their path below /proc/sys.
    pub(crate) sysctl: BTreeMap<String, String>,
}

/// All that is in a sandbox.
#[derive(Debug, Default, Clone)]
pub(crate) struct Dump {
    /// [`HOST`], and the namespaces in /run/netns.
    pub(crate) netns: BTreeMap<String, Netns>,
    /// The names in /run/netns, with their type and inode.
    pub(crate) names: Vec<String>,
    pub(crate) mounts: Vec<String>,
    /// resolv.conf, hosts and /etc/netns, with their text.
    pub(crate) files: Vec<String>,
    /// What netlab keeps in /run and /var/lib.
    pub(crate) state: Vec<String>,
    pub(crate) processes: Vec<String>,
}

impl Dump {
    /// Looks at everything.
    #[track_caller]
    pub(crate) fn read(sandbox: &Sandbox) -> Self {
        let output = sandbox.command(Path::new("/"), "sh", &["-c", SCRIPT]).output().expect("nsenter can be started");
        let text = String::from_utf8_lossy(&output.stdout);
        let errors = String::from_utf8_lossy(&output.stderr);
        let mut dump = Self::default();
        let mut sections = text.split("@@ ");
        assert_eq!(sections.next(), Some(""), "{errors}");
        for section in sections {
            let (head, body) = section.split_once('\n').unwrap_or((section, ""));
            let (whose, what) = head.split_once(' ').unwrap_or((head, ""));
            dump.take(whose, what, body).unwrap_or_else(|why| panic!("{head}: {why}\n{body}\n{errors}"));
        }
        dump
    }

    /// Where the other end of a link is that stands in another namespace: `netns/name`, or nothing for other links.
    pub(crate) fn other_end(&self, netns: &Netns, link: &Value) -> Option<String> {
        let (index, nsid) = (link["link_index"].as_i64()?, link["link_netnsid"].as_i64()?);
        // The sandbox's own namespace is the one without a name.
        let there = netns.nsids.get(&nsid).map_or(HOST, String::as_str);
        let found = self.netns.get(there).and_then(|n| n.links.iter().find(|l| l["ifindex"] == index));
        Some(format!("{there}/{}", found.and_then(|l| l["ifname"].as_str()).unwrap_or("?")))
    }

    fn take(&mut self, whose: &str, what: &str, body: &str) -> Result<(), String> {
        let lines = || body.lines().map(str::to_owned).collect();
        match what {
            "names" => self.names = lines(),
            "mounts" => self.mounts = lines(),
            "files" => self.files = lines(),
            "state" => self.state = lines(),
            "processes" => self.processes = lines(),
            _ => self.netns.entry(whose.to_owned()).or_default().take(what, body)?,
        }
        Ok(())
    }
}

impl Netns {
    fn take(&mut self, what: &str, body: &str) -> Result<(), String> {
        match what {
            "main" => {
                let nsids;
                [
                    self.links,
                    self.addrs,
                    self.neighbours,
                    self.proxies,
                    self.nexthops,
                    nsids,
                    self.groups,
                    self.tokens,
                    self.addrlabels,
                ] = lists(body)?;
                self.nsids = nsids
                    .iter()
                    .filter_map(|id| Some((id["nsid"].as_i64()?, id["name"].as_str()?.to_owned())))
                    .collect();
            }
            "four" => [self.routes4, self.rules4] = lists(body)?,
            "six" => [self.routes6, self.rules6] = lists(body)?,
            "bridge" => [self.fdb, self.ports] = lists(body)?,
            // One list, or the beginning of one where the kernel cannot.
            "vlan" => [self.vlans] = lists(body).unwrap_or_default(),
            "mdb" => [self.mdb] = lists(body).unwrap_or_default(),
            "qdisc" => [self.qdiscs] = lists(body)?,
            "class" => self.classes = body.lines().map(|line| line.trim().to_owned()).collect(),
            "nft" => self.nft = body.lines().map(str::to_owned).collect(),
            "sysctl" => {
                self.sysctl = body
                    .lines()
                    .filter_map(|line| line.strip_prefix("/proc/sys/")?.split_once(':'))
                    .map(|(key, value)| (key.to_owned(), value.to_owned()))
                    .collect();
            }
            _ => return Err("unknown section".to_owned()),
        }
        Ok(())
    }
}

/// Exactly N lists, one after the other. `ip` writes an empty object for some things that it leaves out.
fn lists<const N: usize>(text: &str) -> Result<[Vec<Value>; N], String> {
    let lists = serde_json::Deserializer::from_str(text)
        .into_iter::<Vec<Value>>()
        .map(|list| list.map(|l| l.into_iter().filter(|v| *v != Value::Object(serde_json::Map::new())).collect()))
        .collect::<Result<Vec<Vec<Value>>, _>>()
        .map_err(|e| e.to_string())?;
    let count = lists.len();
    lists.try_into().map_err(|_| format!("{count} answers to {N} questions"))
}
