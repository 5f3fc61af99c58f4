//! Warnings: none where there is nothing to be warned about, all of them as JSON, and a run that goes on all the same.
//!
//! What each of them says stands in `tests/errors/warnings.txt`.

// In a test an `unwrap` is the assertion that it holds.
#![allow(clippy::unwrap_used)]

mod common;

use common::labs::LABS;
use common::sandbox::Sandbox;
use common::side_by_side;

/// Scripts with nothing to be warned about, though some look like it half-way.
const SOUND: &[(&str, &str)] = &[
    (
        "raised and mended before the end",
        r#"let lan = bridge("lan").down();
           let a = netns("a");
           veth(a.port("eth0", "10.0.0.1/24", #{ mtu: 1400 }), lan.port("p0"));
           veth(netns("b").port("eth0", "10.0.0.1/24"), lan.port("p1"));
           get_netns("b")["eth0"].del_addr("10.0.0.1/24").addr("10.0.0.2/24");
           a["eth0"].mtu(1500);
           lan.up();"#,
    ),
    (
        "given again after a move",
        r#"let w = veth("veth0", "veth1");
           w.a.addr("10.0.0.1/24").move_to(netns("a")).addr("10.0.0.1/24").up();"#,
    ),
    (
        "taken back by an attempt",
        r#"try { attempt { bridge("lan").down(); veth("x0", host.port("x1", "8.8.8.8/24")); throw 0; } } catch {}"#,
    ),
    ("deleted again", r#"let w = veth("x0", host.port("x1", "8.8.8.8/24")); w.a.del();"#),
    (
        "one address on two wires, and two of one network on one link",
        r#"let r = netns("r");
           veth(netns("a").port("eth0", "10.0.0.1/24"), netns("b").port("eth0", "10.0.0.2/24"));
           veth(netns("c").port("eth0", "10.0.0.1/24"), r.port("eth0", "10.0.0.2/24", "10.0.0.3/24"));"#,
    ),
    (
        "host addresses, documentation and link-local",
        r#"let a = netns("a");
           veth(a.port("eth0", "192.0.2.1/32", "2001:db8::1/64"), netns("b").port("eth0", "192.0.2.2/32", "fe80::1/64"));
           a["lo"].addr("192.0.2.1/32");"#,
    ),
    ("what is allowed", r#"allow("NL0701", "overlap"); veth("x0", host.port("x1", "8.8.8.8/24"));"#),
    (
        "topologies",
        r#"let sw = bridge("sw");
           star(sw, [netns("a"), netns("b"), netns("c")], "10.1.0.0/24");
           line([netns("d"), netns("e"), netns("f")], "10.2.0.0/16");
           ring([netns("g"), netns("h"), netns("i")], "10.3.0.0/16");
           mesh([netns("j"), netns("k"), netns("l")], "10.4.0.0/16");
           tree([netns("m"), netns("n"), netns("o")], 2, "10.5.0.0/16");"#,
    ),
];

#[test]
fn sound_scripts() {
    side_by_side(SOUND.to_vec(), |(name, script)| {
        let Some(sandbox) = Sandbox::new() else { return };
        sandbox.write("/mnt/sound.rhai", script);
        let run = sandbox.netlab(&["run", "--quiet", "--deny-warnings", "/mnt/sound.rhai"]).ends_with(0);
        assert_eq!(run.stderr, "", "{name}");
    });
}

#[test]
fn labs_of_the_training() {
    let plain: Vec<_> = LABS.iter().filter(|lab| lab.needs.is_none() && lab.args.is_empty()).collect();
    assert!(plain.len() > 8);
    side_by_side(plain, |lab| {
        let Some(sandbox) = Sandbox::new() else { return };
        sandbox.netlab(&["run", "--deny-warnings", &lab.script()]).ends_with(0);
    });
}

/// Seven warnings in one run that goes on all the same; the place of each is the line that it is about.
#[test]
fn all_at_once_and_as_json() {
    let Some(sandbox) = Sandbox::new() else { return };
    sandbox.write(
        "/mnt/all.rhai",
        r#"let a = netns("a"); let b = netns("b"); let c = netns("c");
let sw = bridge(c.port("sw"));
veth(a.port("eth0", "10.0.0.1/24"), sw.port("p1"));
veth(b.port("eth0", "10.0.0.1/24", #{ mtu: 1400 }), sw.port("p2"));
let w = veth(a.port("eth1", "10.0.0.3/16"), b.port("eth1", "10.9.9.3/24"));
a.route("10.8.0.0/16", "10.0.9.3");
let v = veth("v0", host.port("v1", "8.8.8.8/24"));
v.b.addr("8.8.8.9/24").move_to(a).addr("8.8.8.8/24");
w.b.down();
sw.down();
"#,
    );
    let run = sandbox.netlab(&["run", "--json", "/mnt/all.rhai"]).ends_with(0);
    let told: serde_json::Value = serde_json::from_str(&run.stdout).unwrap();
    let found: Vec<(String, u64)> = told["warnings"]
        .as_array()
        .unwrap()
        .iter()
        .map(|w| (w["code"].as_str().unwrap().to_owned(), w["line"].as_u64().unwrap()))
        .collect();
    let expected =
        [("NL0703", 4), ("NL0706", 4), ("NL0702", 5), ("NL0705", 6), ("NL0704", 8), ("NL0701", 8), ("NL0707", 10)];
    let expected: Vec<(String, u64)> = expected.into_iter().map(|(code, line)| (code.to_owned(), line)).collect();
    assert_eq!(found, expected);
    // The lab is up, and the witness sees what it was warned about.
    assert!(sandbox.sh("ip -n c -j link show sw").contains(r#""operstate":"DOWN""#));
    sandbox.netlab(&["down", "all"]).ends_with(0);
    // Denied, the same leaves nothing.
    let run = sandbox.netlab(&["run", "--json", "--deny-warnings", "/mnt/all.rhai"]).ends_with(1);
    let told: serde_json::Value = serde_json::from_str(&run.stdout).unwrap();
    assert_eq!((told["outcome"].as_str(), told["error"]["code"].as_str()), (Some("rolled back"), Some("NL0700")));
    assert_eq!(sandbox.sh("ip netns list; ip -o link | grep -cv LOOPBACK || true").trim(), "0");
}
