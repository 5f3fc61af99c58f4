//! `ns.why(…)` in scripts, and a failed `expect(ns.ping(…))`, which says what would mend it.

use super::common::sandbox::Sandbox;

#[test]
fn a_script_asks() {
    let Some(sandbox) = Sandbox::new() else { return };
    let script = r#"
let a = netns("a"); let r = netns("r", #{ forward: false }); let b = netns("b");
veth(a.port("10.0.1.2/24"), r.port("r0", "10.0.1.1/24"));
veth(b.port("10.0.2.2/24"), r.port("r1", "10.0.2.1/24"));
a.route("default", "10.0.1.1"); b.route("default", "10.0.2.1");
let found = a.why(b);
expect(!found.ok && found.code == "NL0603" && found.more.is_empty(), found.text);
expect(found.cause.fix == ["get_netns(\"r\").forward(true);"]);
expect(found.why == "`r` gets the packet and does not pass it on, so nothing gets from `a` to 10.0.2.2", found.why);
let message = "";
try { expect(a.ping(b, #{ timeout: 0.2 }), "a reaches b"); } catch (e) { message = e.message + "|" + e.help; }
expect(message == "expected: a reaches b; but no reply from 10.0.2.2 in 200 ms, since `r` gets the packet and does not pass it on (NL0603)|get_netns(\"r\").forward(true); — or: ip netns exec r sysctl -w net.ipv4.ip_forward=1", message);
expect(!a.ping(b, #{ timeout: 0.2 }));
r.forward(true);
expect(a.why(b));
expect(a.why("10.0.2.2", #{ size: 1472 }));
expect(a.why(b, #{ tcp: 80 }).code == "NL0622");
b.listen(80);
expect(a.why(b, #{ tcp: 80 }));
"#;
    sandbox.write("/mnt/ask.rhai", script);
    sandbox.netlab(&["run", "--quiet", "/mnt/ask.rhai"]).ends_with(0);
    sandbox.netlab(&["down", "--quiet"]).ends_with(0);
}
