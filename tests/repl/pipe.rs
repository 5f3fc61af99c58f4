//! Statements on standard input.

use std::path::Path;

use crate::common::sandbox::{Run, Sandbox};
use crate::common::world::{World, assert_same};

/// Two namespaces on a wire.
const TWO: &str = "let a = netns(\"a\"); let b = netns(\"b\");
veth(a.port(\"eth0\", \"10.0.0.1/24\"), b.port(\"eth0\", \"10.0.0.2/24\"));\n";

/// Runs a session in /mnt.
fn session(sandbox: &Sandbox, args: &str, lines: &str) -> Run {
    sandbox.write("/mnt/lines", lines);
    let netlab = Path::new(env!("CARGO_BIN_EXE_netlab")).display();
    let output = sandbox.try_sh(&format!("cd /mnt; {netlab} repl {args} < lines"));
    Run {
        code: output.status.code(),
        signal: None,
        stdout: String::from_utf8_lossy(&output.stdout).into_owned(),
        stderr: String::from_utf8_lossy(&output.stderr).into_owned(),
    }
}

#[test]
fn values_and_short_forms() {
    let Some(sandbox) = Sandbox::new() else { return };
    // Like `ip netns`, netlab leaves the folder behind.
    sandbox.sh("ip netns add first; ip netns del first");
    let before = World::settled(&sandbox);
    let run = session(
        &sandbox,
        "",
        &format!(
            "{TWO}1 + 1
// a comment
fn twice(x) {{
    x * 2
}}
twice(21)
let net = subnet(\"10.9.0.0/16\");
net[5]
b.addrs().filter(|x| x.dev == \"eth0\" && x.family == \"inet\")
a.routes().filter(|r| r.dst == \"10.0.0.0/24\")
a sh -c \"ip -br -4 addr show eth0 | tr -s ' ' | cut -d' ' -f3\"
a sysctl -n net.ipv4.ip_default_ttl
expect(a.ping(b));
vars
"
        ),
    )
    .ends_with(0);
    assert_eq!(
        run.stdout,
        "2
42
10.9.0.5/16
DEV   LOCAL     PREFIXLEN  SCOPE   LABEL
eth0  10.0.0.2  24         global  eth0
TYPE     DST          DEV   PROTOCOL  PREFSRC   TABLE
unicast  10.0.0.0/24  eth0  kernel    10.0.0.1  main
10.0.0.1/24
64
a: a namespace, get_netns(\"a\")
b: a namespace, get_netns(\"b\")
host: a namespace
net: a subnet
fn twice(x)
`repl`: 3 steps taken back
host unchanged
"
    );
    assert_eq!(run.stderr, "");
    assert_same(&before, &sandbox, "a session that ended");
}

/// Each statement is whole or not at all.
#[test]
fn a_failure_leaves_nothing() {
    let Some(sandbox) = Sandbox::new() else { return };
    let run = session(
        &sandbox,
        "",
        "let x = 1;
let y = 2; bridge(\"br0\"); x = 7; netns(\"c\"); netns(\"c\");
x
host ip -o link show type bridge
host ip netns list
y
",
    )
    .ends_with(1);
    assert_eq!(run.stdout, "2 steps taken back\n1\n");
    assert_eq!(
        run.stderr,
        "error[NL0101]: there is a namespace called `c` already
 --> [2]:1:46
  |
1 | let y = 2; bridge(\"br0\"); x = 7; netns(\"c\"); netns(\"c\");
  |                                              ^^^^^
  help: this script made it in line 1 of [2]; reach it with get_netns(\"c\")
  kernel: link /run/netns/c → EEXIST: File exists
error[NL0203]: there is no variable `y`
 --> [4]:1:1
  |
1 | y
  | ^
  help: make it first: let y = …
"
    );
}

#[test]
fn undo_redo_and_checkpoints() {
    let Some(sandbox) = Sandbox::new() else { return };
    let run = session(
        &sandbox,
        "",
        &format!(
            "{TWO}a[\"eth0\"].mtu(1400);
a[\"eth0\"].mtu(1300);
undo
a cat /sys/class/net/eth0/mtu
redo
a cat /sys/class/net/eth0/mtu
checkpoint \"two\"
b[\"eth0\"].del_addr(\"10.0.0.2/24\");
let late = 1;
rollback two
b sh -c \"ip -br -4 addr show eth0 | tr -s ' ' | cut -d' ' -f3\"
undo 2
a cat /sys/class/net/eth0/mtu
undo 9
redo
redo
redo
undo x
late
rollback
host ip netns list
changes
"
        ),
    )
    .ends_with(1);
    assert_eq!(
        run.stdout,
        "1 step taken back
undone: a[\"eth0\"].mtu(1300);
1400
a[\"eth0\"].mtu(1300);
1300
1 step taken back
undone: let late = 1;
undone: b[\"eth0\"].del_addr(\"10.0.0.2/24\");
10.0.0.2/24
2 steps taken back
undone: a[\"eth0\"].mtu(1300);
undone: a[\"eth0\"].mtu(1400);
1500
a[\"eth0\"].mtu(1400);
a[\"eth0\"].mtu(1300);
b[\"eth0\"].del_addr(\"10.0.0.2/24\");
6 steps taken back
undone: b[\"eth0\"].del_addr(\"10.0.0.2/24\");
undone: a[\"eth0\"].mtu(1300);
undone: a[\"eth0\"].mtu(1400);
undone: veth(a.port(\"eth0\", \"10.0.0.1/24\"), b.port(\"eth0\", \"10.0.0.2/24\"));
undone: let a = netns(\"a\"); let b = netns(\"b\");
nothing has been changed
"
    );
    assert_eq!(
        run.stderr,
        "error[NL0210]: there are 2 statements to take back
error[NL0210]: `x` is no number
error[NL0203]: there is no variable `late`
 --> [11]:1:1
  |
1 | late
  | ^^^^
  help: make it first: let late = …
"
    );
}

/// The saved script makes, in a machine of its own, what the session had made.
#[test]
fn what_is_saved_makes_the_same() {
    let (Some(typed), Some(saved)) = (Sandbox::new(), Sandbox::new()) else { return };
    let look = "for n in a b; do ip -n $n -j addr show eth0 | sed 's/\"address\":\"[^\"]*\"//; s/fe80[^\"]*//'; ip -n $n -j route; done";
    let run = session(
        &typed,
        "",
        &format!(
            "{TWO}a.route(\"10.5.0.0/16\", \"10.0.0.2\");
a.route(\"10.6.0.0/16\", \"10.0.0.2\");
undo
netns(\"a\");
a.links();
b[\"eth0\"].mtu(1400)
expect(a.ping(b));
changes
save lab.rhai
save lab.rhai
save
exit keep
"
        ),
    )
    .ends_with(1);
    assert!(
        run.stdout.contains(
            "a.route(\"10.5.0.0/16\", \"10.0.0.2\");\n    ip -n a route add 10.5.0.0/16 via 10.0.0.2\nb[\"eth0\"].mtu(1400)\n    \
             ip -n b link set eth0 mtu 1400\nwrote lab.rhai; try it: netlab run --sandbox lab.rhai\n`repl` is up\n"
        ),
        "{run}"
    );
    assert!(run.stderr.contains("help: it is there already; take another name, or remove it first"), "{run}");
    let script = typed.sh("cat /mnt/lab.rhai");
    assert_eq!(
        script,
        format!("{TWO}a.route(\"10.5.0.0/16\", \"10.0.0.2\");\nb[\"eth0\"].mtu(1400);\nexpect(a.ping(b));\n")
    );
    saved.write("/mnt/lab.rhai", &script);
    saved.netlab(&["run", "/mnt/lab.rhai"]).ends_with(0);
    let indexes = |text: String| -> String {
        let parts = text.split("\"ifindex\":").flat_map(|part| part.split_once(',').map(|(_, rest)| rest.to_owned()));
        parts.collect()
    };
    assert_eq!(indexes(typed.sh(look)), indexes(saved.sh(look)));
    typed.netlab(&["down", "repl"]).ends_with(0);
    assert_eq!(typed.sh("ip netns list"), "");
}

#[test]
fn a_script_first_and_a_lab_that_is_up() {
    let Some(sandbox) = Sandbox::new() else { return };
    sandbox.write("/mnt/lab.rhai", &format!("{TWO}fn up(n) {{ n + 1 }}\n"));
    let run = session(&sandbox, "lab.rhai", "up(1)\na ping b\na[\"eth0\"].mtu(1400);\nsave more.rhai\n").ends_with(0);
    assert!(run.stdout.starts_with("2\nok: "), "{run}");
    assert_eq!(sandbox.sh("cat /mnt/more.rhai"), format!("{TWO}fn up(n) {{ n + 1 }}\n\na[\"eth0\"].mtu(1400);\n"));
    assert_eq!(sandbox.sh("ip netns list"), "");
    // A lab that is up: what is done belongs to it, or goes with the session.
    sandbox.netlab(&["run", "/mnt/lab.rhai"]).ends_with(0);
    session(&sandbox, "--lab lab", "a[\"eth0\"].mtu(1300);\nexit rollback\n").ends_with(0);
    assert_eq!(sandbox.sh("ip netns exec a cat /sys/class/net/eth0/mtu"), "1500\n");
    session(&sandbox, "--lab lab", "a[\"eth0\"].mtu(1300);\nexit keep\n").ends_with(0);
    assert_eq!(sandbox.sh("ip netns exec a cat /sys/class/net/eth0/mtu"), "1300\n");
    sandbox.netlab(&["down", "lab"]).ends_with(0);
    assert_eq!(sandbox.sh("ip netns list"), "");
    let run = session(&sandbox, "--lab nowhere", "1\n").ends_with(2);
    assert!(run.stderr.starts_with("error[NL0502]: there is no lab `nowhere`"), "{run}");
    // A script that fails is rolled back, and no prompt comes.
    sandbox.write("/mnt/wrong.rhai", "netns(\"a\"); netns(\"a\");");
    let run = session(&sandbox, "wrong.rhai", "print(1)\n").ends_with(1);
    assert!(run.stderr.starts_with("error[NL0101]") && !run.stdout.starts_with('1'), "{run}");
    assert_eq!(sandbox.sh("ip netns list"), "");
}

#[test]
fn explained_recorded_and_shown() {
    let Some(sandbox) = Sandbox::new() else { return };
    sandbox.write("/mnt/tools.rhai", "fn double(x) { x * 2 }\n");
    let run = session(
        &sandbox,
        "",
        &format!(
            "{TWO}let plus = \"10.0.0.9/24\";
fn give(link, addr) {{ link.addr(addr) }}
explain give(a[\"eth0\"], plus)
a sh -c \"ip -br -4 addr show eth0 | tr -s ' ' | cut -d' ' -f3\"
show as ip
a[\"eth0\"].mtu(1400);
show as nothing
import \"tools\" as tools;
record notes.md
tools::double(4)
a sh -c 'echo out; echo err >&2'
?vethx
record off
pingall
why a b
why a nowhere
?nl0112
?vethh
"
        ),
    )
    .ends_with(1);
    let expected = " step  line  changes
    1     1  a        get_netns(\"a\")[\"eth0\"].addr(\"10.0.0.9/24\")
                        ip -n a address add 10.0.0.9/24 dev eth0
10.0.0.1/24
ip -n a link set eth0 mtu 1400
8
out
err
the recording has ended
ok: 2 pairs
a → 10.0.0.2 (b): yes
";
    assert!(run.stdout.starts_with(expected), "{run}");
    assert!(run.stdout.contains("NL0112  No destination"), "{run}");
    assert_eq!(
        run.stderr,
        "error[NL0210]: there is no function `vethx`\n  help: did you mean `veth`?\nerror[NL0108]: there is no namespace `nowhere`\n  help: there are a, b\nerror[NL0210]: there is no function `vethh`\n  \
         help: did you mean `veth`?\n"
    );
    let notes = sandbox.sh("cat /mnt/notes.md");
    assert!(notes.contains("```text\nout\nerr\n```") && notes.contains("there is no function `vethx`"), "{notes}");
    assert!(notes.contains("```rhai\ntools::double(4)\n```\n\n```text\n8\n```\n"), "{notes}");
}
