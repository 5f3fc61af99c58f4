//! Programs: run to their end, started for as long as the lab; what they see, what comes back.

use crate::common::witness::{Case, case, refused, run_cases};

#[test]
fn exec() {
    run_cases(EXEC);
}

/// What came back is written to files by another program, so that not netlab's own `expect` judges.
macro_rules! save {
    ($script:literal) => {
        concat!("fn save(n, text) { host.exec([\"sh\", \"-c\", \"printf '%s' \\\"$1\\\" >/run/out-$2\", \"sh\", `${text}`, n]); }\n", $script)
    };
}

const EXEC: &[Case] = &[
    case(
        "output, errors and codes come back",
        save!(
            r#"
        let a = netns("a"); let r = a.exec(["sh", "-c", "echo out; echo err >&2; exit 7"]);
        save("code", r.code); save("ok", r.ok); save("stdout", r.stdout); save("stderr", r.stderr);
        save("true", a.exec("true").ok); save("false", host.exec("false").code); save("signal", a.exec(["sh", "-c", "kill -9 $$"]).code);
        "#
        ),
        &[
            ("cat /run/out-code; echo; cat /run/out-ok", "7\nfalse"),
            ("od -An -c /run/out-stdout /run/out-stderr | tr -s ' \\n' ' '", "o u t \\n e r r \\n"),
            ("cat /run/out-true /run/out-false /run/out-signal", "true1137"),
        ],
    ),
    case(
        "words as a shell would split them, arrays as they are, numbers",
        save!(
            r#"
        let a = netns("a"); save("1", a.exec("printf [%s] 'a b' \"c d\" e\\ f '' $HOME *").stdout); save("2", a.exec(["printf", "[%s]", "a b", "$HOME", 5, ""]).stdout);
        "#
        ),
        &[("printf 1; cat /run/out-1; echo; cat /run/out-2", "1[a b][c d][e f][][$HOME][*]\n[a b][$HOME][5][]")],
    ),
    case(
        "much output on both pipes, nothing to read, no text",
        save!(
            r#"
        let a = netns("a"); let r = a.exec(["sh", "-c", "head -c 500000 /dev/zero | tr '\\0' x >&2; head -c 500000 /dev/zero | tr '\\0' y"]); save("len", r.stdout.len() + r.stderr.len());
        save("cat", a.exec("cat").code); save("bytes", a.exec(["printf", "\\377x"]).stdout);
        "#
        ),
        &[("cat /run/out-len; echo; cat /run/out-cat; echo; cat /run/out-bytes", "1000000\n0\n\u{fffd}x")],
    ),
    case(
        "in its namespace, with its files and its own sysfs",
        r#"
        let a = netns("a", #{ dns: ["10.0.0.53"] }); a.hosts("10.0.0.1 x\n"); veth(a.port("e0", "10.0.0.1/24"), "h0");
        a.exec(["sh", "-c", "ip -j addr show e0 >/run/out-ip; cat /etc/resolv.conf /etc/hosts >/run/out-etc; ls /sys/class/net | tr '\\n' ' ' >/run/out-sys; readlink /proc/self/ns/net >/run/out-ns"]);
        host.exec(["sh", "-c", "cat /etc/resolv.conf >/run/out-host; ls /sys/class/net | grep -c -e '^e0$' >/run/out-hostsys"]);
        get_netns("mine").exec(["sh", "-c", "ip -j link show my1 >/run/out-mine; cat /etc/resolv.conf >/run/out-minedns"]);
        "#,
        &[
            ("cat /run/out-ip", r#"{"ifname":"e0","addr_info":[{"local":"10.0.0.1"}]}"#),
            ("cat /run/out-etc", "nameserver 10.0.0.53\n10.0.0.1 x"),
            ("cat /run/out-sys", "e0 lo"),
            ("[ \"$(cat /run/out-ns)\" = \"$(ip netns exec a readlink /proc/self/ns/net)\" ] && echo same", "same"),
            ("cat /run/out-host; cat /run/out-hostsys", "nameserver 192.0.2.53\n0"),
            ("cat /run/out-mine", r#"{"ifname":"my1"}"#),
            ("cat /run/out-minedns", "nameserver 192.0.2.53"),
        ],
    ),
    refused("no such program", r#"netns("a").exec("nosuch");"#, "NL0120"),
    refused("a quote without its end", r#"netns("a").exec("echo 'x");"#, "NL0204"),
    refused("an empty line", r#"netns("a").exec("");"#, "NL0204"),
];

#[test]
fn start() {
    run_cases(START);
}

const START: &[Case] = &[
    case(
        "lives in its namespace until down, in a group of its own",
        save!(
            r#"
        let a = netns("a", #{ dns: ["10.0.0.53"] }); let p = a.start(["sh", "-c", "cat /etc/resolv.conf >/run/out-dns; sleep 1001 & wait"]); let q = a.start("sleep 1002"); get_netns("mine").start("sleep 1003"); host.start("sleep 1004", #{ ready: 0.1 });
        save("pid", q.pid); save("alive", q.is_alive);
        "#
        ),
        &[
            ("pgrep -c -f '^sleep 100[1-4]'", "4"),
            ("[ \"$(pgrep -f '^sleep 1002')\" = \"$(cat /run/out-pid)\" ] && cat /run/out-alive", "true"),
            ("ip netns identify $(pgrep -f '^sleep 1001'); ip netns identify $(pgrep -f '^sleep 1003')", "a\nmine"),
            ("cat /run/out-dns", "nameserver 10.0.0.53"),
        ],
    ),
    case(
        "stopped: kindly by its own word, by SIGTERM, by SIGKILL",
        save!(
            r#"
        let a = netns("a");
        let p = a.start(["sh", "-c", "trap 'echo term >>/run/out-p; exit' TERM; echo up >/run/out-p; while :; do sleep 0.05; done"], #{ ready: 0.3 }); p.stop(); save("p-alive", p.is_alive); p.stop();
        let q = a.start(["sh", "-c", "trap 'echo kindly >/run/out-q; exit' USR1; while :; do sleep 0.05; done"], #{ stop: ["sh", "-c", "pkill -USR1 -f out-q"], ready: 0.3 }); q.stop();
        let r = a.start(["sh", "-c", "trap '' TERM; while :; do sleep 0.05; done"], #{ ready: 0.3 }); r.stop(); save("r-alive", r.is_alive);
        "#
        ),
        &[(
            "cat /run/out-p /run/out-q; cat /run/out-p-alive; echo; cat /run/out-r-alive",
            "up\nterm\nkindly\nfalse\nfalse",
        )],
    ),
    case(
        "one that ended by itself is no hindrance",
        save!(r#"let p = netns("a").start("sleep 0.1"); sleep(0.4); save("alive", p.is_alive); p.stop();"#),
        &[("cat /run/out-alive", "false")],
    ),
    refused("ended before it was ready", r#"netns("a").start("sleep 0.05", #{ ready: 1 });"#, "NL0120"),
    refused("no such program", r#"netns("a").start("nosuch");"#, "NL0120"),
    refused("an option that is none", r#"netns("a").start("sleep 1", #{ wait: 1 });"#, "NL0118"),
];
