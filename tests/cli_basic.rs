//! The command line where no lab is up: what it prints, word for word, and its exit codes.

mod common;

use common::sandbox::{Run, Sandbox};
use common::side_by_side;
use serde_json::Value;

/// Arguments, exit code, standard output, standard error; in a sandbox with the namespaces `ns1` and `ns2`.
const CASES: &[(&[&str], i32, &str, &str)] = &[
    (&["down"], 0, "no lab is up\n", ""),
    (&["down", "--quiet"], 0, "", ""),
    (&["down", "--all"], 0, "no lab is up\n", ""),
    (&["down", "nosuch"], 2, "", "error[NL0502]: there is no lab `nosuch`\n  help: no lab is up\n"),
    (
        &["down", "../x"],
        2,
        "",
        "error[NL0102]: lab name `../x` contains '/', which no lab name may\n  help: \"x\" would do\n",
    ),
    (
        &["down", "nosuch", "--json"],
        2,
        "",
        "{\"code\":\"NL0502\",\"column\":null,\"file\":null,\"help\":\"no lab is up\",\"kernel\":null,\"line\":null,\
         \"message\":\"there is no lab `nosuch`\"}\n",
    ),
    (&["list"], 0, "no lab is up\n", ""),
    (&["list", "--json"], 0, "[]\n", ""),
    (&["recover"], 0, "nothing to recover: no run died\n", ""),
    (&["recover", "--json"], 0, "", ""),
    (
        &["exec", "ns", "--", "true"],
        125,
        "",
        "error[NL0108]: there is no namespace `ns`\n  help: did you mean `ns1`?\n",
    ),
    (
        &["exec", "nosuch", "--", "true"],
        125,
        "",
        "error[NL0108]: there is no namespace `nosuch`\n  help: there are empty, ns1, ns2\n",
    ),
    (
        &["exec", "empty", "--", "true"],
        125,
        "",
        "error[NL0108]: `empty` is a name without a namespace\n  help: what it stood for has ended; remove the name \
         with `ip netns del empty`\n",
    ),
    (
        &["exec", "ns1", "--", "nosuch"],
        125,
        "",
        "error[NL0120]: there is no program `nosuch`\n  help: the files are the machine's own: a namespace has only a \
         network of its own\n  kernel: execve nosuch → ENOENT: No such file or directory\n",
    ),
    (
        &["exec", "ns1", "--", "/etc/hosts"],
        125,
        "",
        "error[NL0120]: `/etc/hosts` may not be executed\n  kernel: execve /etc/hosts → EACCES: Permission denied\n",
    ),
    (&["exec", "ns1", "--", "true"], 0, "", ""),
    (&["exec", "ns1", "--", "sh", "-c", "exit 7"], 7, "", ""),
    (
        &["exec", "ns1", "ls", "/sys/nosuch", "--", "-x"],
        2,
        "",
        "ls: cannot access '/sys/nosuch': No such file or directory\nls: cannot access '-x': No such file or directory\n",
    ),
    (&["exec", "ns1", "--", "cat", "/etc/resolv.conf"], 0, "nameserver 10.0.0.1\n", ""),
    (&["exec", "host", "--", "cat", "/etc/resolv.conf"], 0, "nameserver 192.0.2.53\n", ""),
    (&["exec", "ns2", "--", "cat", "/etc/resolv.conf"], 0, "nameserver 192.0.2.53\n", ""),
    (
        &["shell"],
        2,
        "",
        "error[NL0210]: say in which namespace: `netlab shell NS`\n  help: there are empty, ns1, ns2\n",
    ),
    (&["show", "ns3"], 1, "", "error[NL0108]: there is no namespace `ns3`\n  help: did you mean `ns1`?\n"),
    (
        &["show"],
        0,
        "NAMESPACE  LAB  LINKS  ADDRESSES    DEFAULT\n\
         ns1        -    eth0   10.0.0.2/24  10.0.0.1\n\
         ns2        -    -      -            -\n",
        "",
    ),
];

#[test]
fn words_and_codes() {
    let Some(sandbox) = furnished() else { return };
    side_by_side(CASES.to_vec(), |(args, code, stdout, stderr)| {
        let run = sandbox.netlab(args);
        assert_eq!(
            (run.code, run.stdout.as_str(), run.stderr.as_str()),
            (Some(code), stdout, stderr),
            "netlab {}",
            args.join(" ")
        );
    });
}

#[test]
fn usage() {
    let Some(sandbox) = Sandbox::new() else { return };
    let run = sandbox.netlab(&[]).ends_with(2);
    assert!(run.stderr.contains("Usage: netlab <COMMAND>"), "{run}");
    let run = sandbox.netlab(&["lits"]).ends_with(2);
    assert!(run.stderr.contains("unrecognized subcommand 'lits'"), "{run}");
    assert!(run.stderr.contains("tip: a similar subcommand exists: 'list'"), "{run}");
    let run = sandbox.netlab(&["exec", "ns1"]).ends_with(2);
    assert!(run.stderr.contains("Usage: netlab exec <NS> -- <CMD>..."), "{run}");
    sandbox.netlab(&["down", "x", "--all"]).ends_with(2);
    let run = sandbox.netlab(&["--help"]).ends_with(0);
    assert!(run.stdout.lines().all(|line| line.chars().count() <= 100), "{run}");
    let run = sandbox.netlab(&["--version"]).ends_with(0);
    assert_eq!(run.stdout, concat!("netlab ", env!("CARGO_PKG_VERSION"), "\n"));
    let run = sandbox.netlab(&["completions", "bash"]).ends_with(0);
    assert!(run.stdout.contains("complete -F _netlab"), "{run}");
}

/// The program is in netlab's place, so a signal that ends it is seen by whoever started netlab.
#[test]
fn a_signal_of_the_program_is_passed_on() {
    let Some(sandbox) = furnished() else { return };
    let script = format!("{} exec ns1 -- sh -c 'kill -TERM $$'; echo $?", env!("CARGO_BIN_EXE_netlab"));
    assert_eq!(sandbox.sh(&script), "143\n");
}

#[test]
fn a_shell_knows_where_it_is() {
    let Some(sandbox) = furnished() else { return };
    let netlab = env!("CARGO_BIN_EXE_netlab");
    let ask = "echo $NETLAB_NETNS; ip -o link | grep -c eth0";
    for shell in ["/bin/bash", "/bin/sh", "/nosuch"] {
        assert_eq!(sandbox.sh(&format!("echo '{ask}' | SHELL={shell} {netlab} shell ns1")), "ns1\n1\n", "{shell}");
    }
    // A bash on a terminal of its own, with a prompt of the user's.
    sandbox.sh("cp /bin/bash /mnt/bash; echo \"PS1='mine> '\" >/mnt/.bashrc");
    let typed = format!("echo exit | SHELL=/mnt/bash HOME=/mnt script -qec '{netlab} shell ns1' /dev/null");
    if sandbox.try_sh("command -v script").status.success() {
        let seen = sandbox.sh(&typed);
        assert!(seen.contains("you are in the namespace `ns1`"), "{seen}");
        assert!(seen.contains("(ns1) mine> "), "{seen}");
    }
}

#[test]
fn a_closed_pipe_is_no_error() {
    let Some(sandbox) = Sandbox::new() else { return };
    let netlab = env!("CARGO_BIN_EXE_netlab");
    for args in ["list", "completions bash", "doctor", "--help", "show host"] {
        let script = format!("{netlab} {args} 2>/mnt/err | sleep 0; echo ${{PIPESTATUS[0]}}; cat /mnt/err");
        assert_eq!(sandbox.sh(&script), "0\n", "{args}");
    }
    let run = sandbox.sh(&format!("{netlab} list 2>&1 >/dev/full; echo $?"));
    assert_eq!(
        run,
        "error[NL0402]: the output could not be written\n  kernel: write stdout → ENOSPC: No space left on device\n3\n"
    );
}

/// Each field that netlab prints is the one that `ip -j` prints, as far as both have it.
#[test]
fn show_speaks_as_ip_does() {
    let Some(sandbox) = furnished() else { return };
    sandbox.sh("ip -n ns1 link add br0 type bridge stp_state 1
         ip -n ns1 link add v0 type veth peer name v1 netns ns2
         ip -n ns1 link set v0 master br0 up alias 'the first'
         ip -n ns2 link set v1 up
         ip -n ns1 addr add 10.5.0.1 peer 10.5.0.2/32 dev br0
         ip -n ns1 addr add 2001:db8::1/64 dev br0 nodad
         ip -n ns1 link set br0 up mtu 1400
         ip -n ns1 route add 10.7.0.0/16 via 10.0.0.1 metric 5
         ip -n ns1 route add blackhole 10.8.0.0/16
         ip -n ns1 rule add from 10.9.0.0/16 table 7
         ip -n ns1 neigh add 10.0.0.77 lladdr 02:00:00:00:00:77 dev eth0");
    // The kernel sits on news of a carrier for up to a second.
    std::thread::sleep(std::time::Duration::from_millis(1300));
    let ours = parse(&sandbox.netlab(&["show", "ns1", "--json"]).ends_with(0).stdout);
    let ip = |what: &str| parse(&sandbox.sh(&format!("ip -n ns1 -j -d {what}")));
    assert_eq!(ours["netns"], "ns1");
    let links = ip("link show");
    let fields = [
        "ifindex",
        "ifname",
        "flags",
        "mtu",
        "operstate",
        "address",
        "master",
        "txqlen",
        "link_index",
        "link_netnsid",
        "ifalias",
    ];
    compare(&ours["links"], &links, "ifname", &fields);
    let kind = |list: &Value| {
        let list = list.as_array().cloned().unwrap_or_default();
        list.iter().map(|l| l["linkinfo"]["info_kind"].clone()).collect::<Vec<_>>()
    };
    assert_eq!(kind(&ours["links"]), kind(&links));
    let mut addrs = Vec::new();
    for link in ip("addr show").as_array().into_iter().flatten() {
        for addr in link["addr_info"].as_array().into_iter().flatten() {
            let mut addr = addr.clone();
            addr["dev"] = link["ifname"].clone();
            addrs.push(addr);
        }
    }
    let fields = ["dev", "family", "local", "prefixlen", "address", "scope", "label", "valid_life_time"];
    compare(&ours["addrs"], &Value::Array(addrs), "local", &fields);
    let mut routes = ip("-4 route show").as_array().cloned().unwrap_or_default();
    routes.extend(ip("-6 route show").as_array().cloned().unwrap_or_default());
    compare(
        &ours["routes"],
        &Value::Array(routes),
        "dst",
        &["dst", "gateway", "dev", "metric", "prefsrc", "protocol", "flags"],
    );
    assert!(ours["rules"].to_string().contains("\"src\":\"10.9.0.0/16\",\"table\":7"), "{}", ours["rules"]);
    let neighbour = ours["neigh"].as_array().into_iter().flatten().find(|n| n["dst"] == "10.0.0.77").cloned();
    assert_eq!(neighbour.unwrap_or_default()["lladdr"], "02:00:00:00:00:77");
    let text = sandbox.netlab(&["show", "ns1"]).ends_with(0).stdout;
    for cell in ["v1@ns2", "peer 10.5.0.2/32", "blackhole 10.8.0.0/16", "table 7", "permanent", "e1@host", "no carrier"]
    {
        assert!(text.contains(cell), "{cell}\n{text}");
    }
    let all = parse(&sandbox.netlab(&["show", "--json"]).ends_with(0).stdout);
    let names: Vec<&Value> = all.as_array().into_iter().flatten().map(|n| &n["netns"]).collect();
    assert_eq!(names, ["ns1", "ns2", "host"]);
}

#[test]
fn doctor_tries_and_leaves_nothing() {
    let Some(sandbox) = Sandbox::new() else { return };
    let before = common::world::World::settled(&sandbox);
    let checks = parse(&sandbox.netlab(&["doctor", "--json"]).ends_with(0).stdout);
    common::world::assert_same(&before, &sandbox, "doctor");
    let verdict =
        |name: &str| checks.as_array().into_iter().flatten().find(|c| c["name"] == name).map(|c| c["verdict"].clone());
    for kind in ["veth", "bridge", "vxlan", "macvlan", "dummy", "ifb", "vlan vlan id 2 link try0"] {
        let (name, options) = kind.split_once(' ').unwrap_or((kind, kind));
        let works = sandbox.try_sh(&format!(
            "ip link add try0 type veth peer name try1; ip link add try2 {} type {options}{}",
            if matches!(name, "macvlan") { "link try0" } else { "" },
            if name == "vxlan" { " id 9 dstport 4789" } else { "" },
        ));
        let works = if name == "vlan" {
            sandbox.try_sh("ip link add link try0 name try3 type vlan id 2").status.success()
        } else {
            works.status.success()
        };
        sandbox.try_sh("ip link del try2; ip link del try0");
        let expected = if works { "ok" } else { "missing" };
        assert_eq!(verdict(name), Some(expected.into()), "{name}");
    }
    let netem = sandbox.try_sh("tc qdisc add dev lo root netem delay 1ms").status.success();
    assert_eq!(verdict("netem"), Some(if netem { "ok" } else { "missing" }.into()));
}

/// Without privilege each says what is missing, and nothing is touched.
#[test]
fn an_ordinary_user_is_told() {
    if !nix::unistd::Uid::effective().is_root() {
        return common::skip("only root can try to be somebody else");
    }
    let Some(sandbox) = furnished() else { return };
    let netlab = "/mnt/netlab";
    sandbox.sh(&format!("cp {} {netlab}; chmod 755 /mnt {netlab}", env!("CARGO_BIN_EXE_netlab")));
    let as_nobody = |args: &str| -> Run {
        let line = format!("cd /; HOME=/mnt/home setpriv --reuid 65534 --regid 65534 --clear-groups {netlab} {args}");
        let output = sandbox.try_sh(&line);
        Run {
            code: output.status.code(),
            signal: None,
            stdout: String::from_utf8_lossy(&output.stdout).into_owned(),
            stderr: String::from_utf8_lossy(&output.stderr).into_owned(),
        }
    };
    sandbox.sh("mkdir /mnt/home; chown 65534 /mnt/home");
    for (args, code) in
        [("run --host create-ns.rhai", 3), ("show ns1", 3), ("exec ns1 -- true", 125), ("shell ns1", 125)]
    {
        let run = as_nobody(args).ends_with(code);
        assert_eq!(
            run.stderr,
            format!(
                "error[NL0109]: netlab needs CAP_NET_ADMIN, CAP_SYS_ADMIN, CAP_NET_RAW\n  help: run it as root: sudo \
                 {netlab} {args}\n"
            )
        );
    }
    for (args, code, what) in
        [("show", 2, "502]: no lab of yours is up"), ("exec ns7 -- true", 125, "108]: there is no namespace `ns7`")]
    {
        let run = as_nobody(args).ends_with(code);
        let help = "`netlab run FILE` starts a lab in a sandbox of its own; what root started, root sees: sudo";
        assert_eq!(run.stderr, format!("error[NL0{what}\n  help: {help} {netlab} {args}\n"));
    }
    let run = as_nobody("list").ends_with(0);
    assert_eq!(run.stdout, "no lab is up\n");
    assert_eq!(run.stderr, "labs that root started are listed by `sudo netlab list`\n");
    // Whether there can be one is another matter: tests/rootless.rs.
    let run = as_nobody("doctor");
    assert!(run.stdout.contains("labs run in a sandbox of their own") == (run.code == Some(0)), "{run}");
}

/// A sandbox with `ns1`, which has a cable to the host and a resolv.conf, `ns2`, and a name without a namespace.
fn furnished() -> Option<Sandbox> {
    let sandbox = Sandbox::new()?;
    sandbox.sh("ip netns add ns1; ip netns add ns2; touch /run/netns/empty
         ip link add e1 type veth peer name eth0 netns ns1
         ip link set e1 up
         ip -n ns1 addr add 10.0.0.2/24 dev eth0
         ip -n ns1 link set eth0 up
         ip -n ns1 route add default via 10.0.0.1
         mkdir -p /etc/netns/ns1
         echo nameserver 10.0.0.1 >/etc/netns/ns1/resolv.conf");
    Some(sandbox)
}

#[track_caller]
fn parse(text: &str) -> Value {
    serde_json::from_str(text).unwrap_or_else(|e| panic!("{e}: {text}"))
}

/// Compares two lists of records by some of their fields; `key` names a record in the message.
#[track_caller]
fn compare(ours: &Value, theirs: &Value, key: &str, fields: &[&str]) {
    let only = |list: &Value| -> Vec<(String, Vec<(String, Value)>)> {
        let mut list: Vec<_> = list
            .as_array()
            .into_iter()
            .flatten()
            .map(|record| {
                let fields = fields.iter().map(|f| ((*f).to_owned(), record[*f].clone())).collect();
                (record[key].to_string(), fields)
            })
            .collect();
        list.sort_by_key(|(key, fields)| (key.clone(), format!("{fields:?}")));
        list
    };
    let (ours, theirs) = (only(ours), only(theirs));
    for (a, b) in ours.iter().zip(&theirs) {
        assert_eq!(a, b);
    }
    assert_eq!(ours.len(), theirs.len());
}
