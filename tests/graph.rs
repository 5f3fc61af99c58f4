//! The picture: exactly as it is drawn, and whole for whatever the kernel holds.

// In a test an `unwrap` is the assertion that it holds.
#![allow(clippy::unwrap_used)]

mod common;

use common::sandbox::Sandbox;
use serde_json::Value;

/// Runs a script, and draws it.
fn drawn(sandbox: &Sandbox, script: &str, args: &[&str]) -> String {
    sandbox.write("/mnt/lab.rhai", script);
    sandbox.netlab(&["run", "--quiet", "/mnt/lab.rhai"]).ends_with(0);
    sandbox.netlab(&[&["graph", "lab"], args].concat()).ends_with(0).stdout
}

/// The one in the README is what the first lab gives, with one end down.
#[test]
fn the_first_lab() {
    let Some(sandbox) = Sandbox::new() else { return };
    sandbox.netlab(&["run", "--quiet", "create-ns-bridge.rhai"]).ends_with(0);
    sandbox.sh("ip -n ns2 link set veth2 down");
    let text = sandbox.netlab(&["graph", "create-ns-bridge"]).ends_with(0).stdout;
    assert!(
        include_str!("../README.md").contains(&format!("```\n{text}```\n")),
        "the README has another one than\n{text}"
    );
    let ascii = sandbox.netlab(&["graph", "--ascii"]).ends_with(0).stdout;
    assert!(ascii.is_ascii(), "{ascii}");
    assert_eq!(ascii.lines().nth(2).unwrap(), "            | veth0            : veth2 x down     | veth4");
    let list = sandbox.netlab(&["graph", "--width", "40"]).ends_with(0).stdout;
    assert_eq!(
        list,
        "bridge stdocker
  ├─ veth1 ── ns1 veth0 194.168.1.2/8
  ├─ veth3 ── ns2 veth2 194.168.1.3/8 ✗ down
  └─ veth5 ── ns3 veth4 194.168.1.4/8
(a picture would be 66 columns wide, and there are 40)
"
    );
}

#[test]
fn routers_tunnels_and_bridges_on_bridges() {
    let Some(sandbox) = Sandbox::new() else { return };
    let text = drawn(
        &sandbox,
        r#"let a = netns("a"); let r = netns("r", #{ forward: true }); let b = netns("b");
           veth(a.port("eth0", "10.0.1.2/24"), r.port("eth0", "10.0.1.1/24"));
           veth(r.port("eth1", "10.0.2.1/24", "fd00::1/64"), b.port("eth0", "10.0.2.2/24"));
           vxlan(a.port("vx0", "10.9.0.1/24"), 42, #{ local: "10.0.1.2", remote: "10.0.2.2" });
           let in_b = bridge(b.port("br0"));
           vxlan(in_b.port("vx0"), 42, #{ local: "10.0.2.2", remote: "10.0.1.2" });"#,
        &[],
    );
    assert_eq!(
        text,
        "          ┌─ b ──────────┐ ┌─ r (forwards) ─────────────┐ ┌─ a ────────────────────────┐
          └─┬────────────┘ └─┬─────────────┬────────────┘ └─┬─────────────┬────────────┘
            │ eth0           │ eth1        │ eth0           │ eth0        │ vx0
            │ 10.0.2.2/24    │ 10.0.2.1/24 │ 10.0.1.1/24    │ 10.0.1.2/24 │ 10.9.0.1/24
            │                │ fd00::1/64  │                │             │
           ─┴────────────────┴─            │                │             │
                                          ─┴────────────────┴─            │
VXLAN 42                                                                 ┄┴┄┄┄┄┄┄┄┄┄┄┄┄┄┄┬┄
                                                                                         │ vx0
br0 in b                                                                                ═╧═
"
    );
}

/// What `ip` says is there is in the picture, and names of any kind do no harm.
#[test]
fn as_data_and_for_others() {
    let Some(sandbox) = Sandbox::new() else { return };
    sandbox.sh(
        "ip netns add 'x<&\"y'; ip -n 'x<&\"y' link add 'l<&\"' type veth peer name p0; ip link add br0 type bridge
        ip -n 'x<&\"y' link set p0 netns 1; ip link set p0 master br0; ip -n 'x<&\"y' addr add 10.1.0.1/24 dev 'l<&\"'",
    );
    let json: Value =
        serde_json::from_str(&sandbox.netlab(&["graph", "--format", "json"]).ends_with(0).stdout).unwrap();
    assert_eq!(json["nodes"].as_array().unwrap().len(), 1, "{json}");
    assert_eq!(json["ties"][0]["lines"], serde_json::json!(["l<&\"", "10.1.0.1/24"]), "{json}");
    assert_eq!(
        (json["ties"][0]["port"].as_str(), json["ties"][0]["dead"].as_str()),
        (Some("p0"), Some("down")),
        "{json}"
    );
    assert_eq!(
        (json["bars"][0]["label"].as_str(), json["bars"][0]["down"].as_bool()),
        (Some("br0"), Some(true)),
        "{json}"
    );
    let svg = sandbox.netlab(&["graph", "--format", "svg"]).ends_with(0).stdout;
    assert!(svg.contains(">x&lt;&amp;&quot;y</text>") && svg.contains("br0 ✗ down</text>"), "{svg}");
    let dot = sandbox.netlab(&["graph", "--format", "dot"]).ends_with(0).stdout;
    assert!(dot.contains("n0 [label=\"x<&\\\"y\"];"), "{dot}");
    let mermaid = sandbox.netlab(&["graph", "--format", "mermaid"]).ends_with(0).stdout;
    assert!(mermaid.contains("n0[\"x#lt;#amp;#quot;y\"]"), "{mermaid}");
}

#[test]
fn macvlan_what_is_alone_and_nothing_at_all() {
    let Some(sandbox) = Sandbox::new() else { return };
    assert_eq!(sandbox.netlab(&["graph"]).ends_with(0).stdout, "there is nothing to draw\n");
    let wrong = sandbox.netlab(&["graph", "nowhere"]);
    assert!(wrong.code != Some(0) && wrong.stderr.contains("nowhere"), "{wrong}");
    let text = drawn(
        &sandbox,
        r#"let cable = veth(netns("out").port("eth0", "10.0.0.254/24"), "card");
           cable.b.macvlan(netns("m1").port("mv0", "10.0.0.1/24"), "bridge");
           netns("lonely")["lo"].addr("10.3.0.1/32");
           tap(get_netns("lonely").port("tap0"));
           print(graph(#{ width: 200 }));"#,
        &["--width", "200"],
    );
    for word in ["lo 10.3.0.1/32", "tap0 (tun)", "macvlan bridge", "┌─ host", "│ card"] {
        assert!(text.contains(word), "{word}: {text}");
    }
    assert_eq!(text.lines().filter(|line| line.contains("─┴─")).count(), 1, "one wire for all three:\n{text}");
}
