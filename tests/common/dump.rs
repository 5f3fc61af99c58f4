//! What the kernel says about every namespace of a sandbox, gathered by one shell with `ip -j` and `bridge -j`.

use std::collections::BTreeMap;
use std::path::Path;

use serde_json::Value;

use super::sandbox::Sandbox;

/// The name under which the sandbox's own namespace stands; no namespace in /run/netns may be called so.
pub(crate) const HOST: &str = "host";

/// Batches, since a process costs more than a question. `bridge vlan` comes last and alone: it ends in an error where
/// the kernel has no VLAN filtering.
const SCRIPT: &str = r#"
look() { # namespace, option for ip, prefix for the rest
    echo "@@ $1 main"
    printf '%s\n' 'link show' 'addr show' 'neigh show' 'neigh show proxy' 'nexthop show' 'netns list-id' | ip -j -d $2 -batch -
    echo "@@ $1 four"
    printf '%s\n' 'route show table all' 'rule show' | ip -j -4 $2 -batch -
    echo "@@ $1 six"
    printf '%s\n' 'route show table all' 'rule show' | ip -j -6 $2 -batch -
    echo "@@ $1 bridge"
    printf '%s\n' 'fdb show' 'link show' | bridge -j -d $2 -batch -
    echo "@@ $1 vlan"
    bridge -j $2 vlan show 2>/dev/null
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
find /run/netlab /var/lib/netlab -printf '%y %s %p\n' 2>/dev/null
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
                [self.links, self.addrs, self.neighbours, self.proxies, self.nexthops, nsids] = lists(body)?;
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
