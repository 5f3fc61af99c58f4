//! What only a run can tell: it goes through expressions, and the plan ends aloud where something is decided by it.

use super::common::sandbox::Sandbox;
use super::common::world::World;
use super::plan;

/// Programs are told, and not run.
#[test]
fn programs_are_not_run() {
    let Some(sandbox) = Sandbox::new() else { return };
    let before = World::settled(&sandbox);
    let text = "let a = netns(\"a\");\nlet r = a.exec(\"touch /mnt/made\");\nexpect(r.ok, \"it was made\");\nprint(r.stdout);\nlet p = host.start(\"touch /mnt/made\");\nexpect(netns_of(p.pid) == host);\np.stop();\n";
    let run = plan(&sandbox, &before, text, 0);
    assert!(sandbox.try_sh("test -e /mnt/made").status.code() == Some(1), "no program was run");
    assert_eq!(
        run.stdout,
        " step  line  changes
    1     1           netns(\"a\")
                        ip netns add a
                        ip -n a link set lo up
    2     2           get_netns(\"a\").exec(\"touch /mnt/made\")
                        ip netns exec a touch /mnt/made
                        a program, not run in a plan
          3           taken to hold: \"it was made\", which depends on the program `touch /mnt/made` of line 2
(only a run can tell)
    3     5  host     host.start(\"touch /mnt/made\")
                        touch /mnt/made &
                        a program, not run in a plan
          6           taken to hold: `pid` of the program `touch /mnt/made` of line 5
          7           ends the program `touch /mnt/made` of line 5
plan of t.rhai: 3 steps, nothing was changed
  needs root: step 3 changes the host; without root a run changes a sandbox of its own
"
    );
}

#[test]
fn a_branch_ends_the_plan() {
    let Some(sandbox) = Sandbox::new() else { return };
    let before = World::settled(&sandbox);
    let run = plan(
        &sandbox,
        &before,
        "let r = host.exec(\"uname -r\");\nif r.stdout.contains(\"uml\") {\n    netns(\"a\");\n}\n",
        0,
    );
    assert_eq!(
        run.stderr,
        "error[NL0303]: the plan ends here: what follows depends on the program `uname -r` of line 1, which only a run can tell
 --> t.rhai:2:6
  |
2 | if r.stdout.contains(\"uml\") {
  |      ^^^^^^
"
    );
    assert!(run.stdout.contains("plan of t.rhai: 1 step, as far as a plan can tell, nothing was changed\n"), "{run}");
}

/// Whatever decides, and whatever catches: none of these goes on.
#[test]
fn nothing_is_decided_by_it() {
    let Some(sandbox) = Sandbox::new() else { return };
    let before = World::settled(&sandbox);
    let on = "what follows depends on the program `x` of line 1, which only a run can tell";
    for then in [
        "if r.ok { end(); }",
        "if 0 == r.code { end(); }",
        "if r.code != 0 { end(); }",
        "if r.stdout in [\"a\"] { end(); }",
        "if \"a\" in r.stdout { end(); }",
        "if [r.code] == [1] { end(); }",
        "if `a${r.code}` == \"a0\" { end(); }",
        "let x = if r.ok { 1 } else { 2 }; end();",
        "while !r.ok { end(); } end();",
        "for line in r.stdout.split(\"\\n\") { end(); } end();",
        "switch r.code { 0 => end(), _ => end() }",
        "try { if r.ok { end(); } } catch { } end();",
        "if [1, 2].some(|x| x == r.code) { end(); } end();",
        "let x = r.ok && host.name == \"host\"; end();",
        "netns(r.stdout); end();",
        "netns(`n${r.code}`); end();",
        "netns(\"n\" + r.code); end();",
        "host[\"lo\"].mtu(r.code + 1); end();",
        "let a = [1, 2]; a[r.code]; end();",
        "r.x = 1; end();",
        "attempt { if r.ok { end(); } } end();",
        "fn f(x) { if x { 1 } else { 2 } } f(r.ok); end();",
        "star(bridge(\"b\"), netns(\"n\", 1..=2), r.stdout); end();",
    ] {
        let text = format!("let r = host.exec(\"x\");\n{then}\nfn end() {{ print(\"decided\"); }}\n");
        let run = plan(&sandbox, &before, &text, 0);
        assert!(
            run.stderr.starts_with(&format!("error[NL0303]: the plan ends here: {on}\n --> t.rhai:2:")),
            "{then}\n{run}"
        );
        assert!(!run.stdout.contains("decided"), "{then}\n{run}");
    }
}

/// What goes on: an expectation is taken to hold, and what is printed is told to be unknown.
#[test]
fn what_goes_on() {
    let Some(sandbox) = Sandbox::new() else { return };
    let before = World::settled(&sandbox);
    for (then, printed) in [
        ("expect(r.ok); expect(!r.ok); expect(r.stdout.trim().len() > 3);", ""),
        ("print(r.stdout);", "(only a run can tell)\n"),
        ("print(`code ${r.code}!`);", "code (only a run can tell)!\n"),
        ("let n = 1; n += r.code; print(n);", "(only a run can tell)\n"),
        ("let m = #{ a: r.code }; print(m);", "#{\"a\": (only a run can tell)}\n"),
        ("fn f(x) { x.ok } print(f(r));", "(only a run can tell)\n"),
    ] {
        let run = plan(&sandbox, &before, &format!("let r = host.exec(\"x\");\n{then}\nprint(\"end\");\n"), 0);
        assert!(run.stdout.contains(&format!("{printed}end\n")) || printed.is_empty(), "{then}\n{run}");
        assert!(run.stdout.contains("end\n") && run.stderr.is_empty(), "{then}\n{run}");
    }
}

/// A probe counts where the sandbox can know its answer.
#[test]
fn probes() {
    let Some(sandbox) = Sandbox::new() else { return };
    sandbox.sh("ip link add eth0 type veth peer name far; ip addr add 192.0.2.1/24 dev eth0; ip link set eth0 up; ip link set far up; ip route add default via 192.0.2.254");
    let before = World::settled(&sandbox);
    let wires =
        "let a = netns(\"a\");\nlet b = netns(\"b\");\nveth(a.port(\"10.0.0.1/24\"), b.port(\"10.0.0.2/24\"));\n";
    let known = [
        "expect(a.ping(\"10.0.0.2\").ok); if !a.ping(\"10.0.0.2\").ok { fail(\"no\"); }",
        "b[\"eth0\"].down(); if a.ping(\"10.0.0.2\").ok { fail(\"no\"); } expect(!a.ping(b));",
        "if a.tcp(\"10.0.0.2\", 80).ok { fail(\"no\"); } b.listen(80); if !a.tcp(\"10.0.0.2\", 80).ok { fail(\"no\"); }",
        "if pingall([a, b]).pairs != 2 { fail(\"no\"); }",
        "a.hosts(\"10.0.0.2 b\\n\"); if a.lookup(\"b\").addresses != [\"10.0.0.2\"] { fail(\"no\"); }",
    ];
    for then in known {
        let run = plan(&sandbox, &before, &format!("{wires}{then}\n"), 0);
        assert!(run.stderr.is_empty() && !run.stdout.contains("taken to hold"), "{then}\n{run}");
    }
    let unknown = [
        ("if host.ping(\"192.0.2.254\").ok { }", "the ping of 192.0.2.254 in line 4"),
        ("if a.ping(\"10.0.0.9\", #{ timeout: 0.1 }).ok { }", "the ping of 10.0.0.9 in line 4"),
        ("if host.tcp(\"127.0.0.1\", 22).ok { }", "the tcp of 127.0.0.1 in line 4"),
        ("if a.lookup(\"example.org\", #{ timeout: 0.1 }).ok { }", "the lookup of example.org in line 4"),
        // Whatever the program does may change the answer.
        ("a.exec(\"ip link set eth0 down\"); if a.ping(\"10.0.0.2\").ok { }", "the ping of 10.0.0.2 in line 4"),
    ];
    for (then, what) in unknown {
        let text = format!("{wires}{}\n", then.replace("{ }", "{ print(1); } else { print(2); }"));
        let run = plan(&sandbox, &before, &text, 0);
        assert!(run.stderr.contains(" depends on ") && run.stderr.contains(what), "{then}\n{run}");
    }
    // A script that makes sure that something is silent goes on, and the plan says what that rests on.
    let run = plan(&sandbox, &before, "expect(!host.ping(\"192.0.2.254\"), \"nobody is there\");\nnetns(\"a\");\n", 0);
    assert!(
        run.stdout.contains("taken to hold: \"nobody is there\", which depends on the ping of 192.0.2.254 in line 1\n"),
        "{run}"
    );
}

/// After a program that was not run, an error may be due to that, also one that the script catches.
#[test]
fn errors_that_a_program_may_explain() {
    let Some(sandbox) = Sandbox::new() else { return };
    let before = World::settled(&sandbox);
    let why = "the plan ends here: namespace `host` has no link `tap0`; in a run that may be otherwise, since programs are not run \
               in a plan (line 1)";
    for then in ["host[\"tap0\"].up();", "try { host[\"tap0\"].up(); } catch { netns(\"a\"); }"] {
        let run = plan(&sandbox, &before, &format!("host.exec(\"openvpn --mktun --dev tap0\");\n{then}\n"), 0);
        assert!(run.stderr.starts_with(&format!("error[NL0303]: {why}\n")), "{run}");
    }
    // One of the language is none of these.
    let run = plan(&sandbox, &before, "host.exec(\"true\");\nlet x = 1 + host;\n", 1);
    assert!(
        run.stderr.starts_with("plan: the script would fail here\nerror[NL0204]: `+` does not work between"),
        "{run}"
    );
}

#[test]
fn an_attempt_that_is_taken_back() {
    let Some(sandbox) = Sandbox::new() else { return };
    let before = World::settled(&sandbox);
    let text = "netns(\"a\");\ntry {\n    attempt { netns(\"b\"); netns(\"c\"); throw \"x\"; }\n} catch { }\nexpect(netns_list() == [\"a\"]);\n";
    let run = plan(&sandbox, &before, text, 0);
    assert!(run.stdout.contains("          3           steps 2-3 are taken back\n"), "{run}");
}
