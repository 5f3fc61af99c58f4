//! Labs of random verbs, many of which are refused.

use super::random::Random;

/// What `#` letters stand for: N a namespace, L a link, B a bridge, W a wire, n a new name, a an IPv4 address, s one of six,
/// b a byte, t a truth.
const VERBS: &[&str] = &[
    "N.push(netns(\"#n\"));",
    "N.push(netns(\"#n\", #{ forward: #t, lo: #t, dns: [\"10.0.0.#b\"] }));",
    "for x in netns(\"#n\", 1..=3) { N.push(x); }",
    "keep(veth(#N, #N));",
    "keep(veth(#N.port(\"#a/24\"), #N.port(\"#a/24\")));",
    "keep(veth(#N.port(\"#n\", \"#a/24\", #{ up: #t, mtu: 13#b }), \"#n\"));",
    "keep(veth(#N, #B));",
    "keep(veth(#N.port(\"#a/24\"), #B.port(#{ isolated: #t, cost: #b })));",
    "keep(veth(host[\"mybr\"].port(), #N));",
    "B.push(bridge(\"#n\"));",
    "B.push(bridge(#N.port(\"#n\", \"#a/16\"), #{ stp_state: #t, priority: #b }));",
    "L.push(vxlan(#N, #b, #{ remote: \"#a\" }));",
    "L.push(vxlan(host.port(\"#n\"), #b, #{ group: \"239.0.0.1\", dev: \"my0\" }));",
    "L.push(#L.macvlan(#N.port(\"#n\"), \"bridge\"));",
    "L.push(host[\"eth0\"].macvlan(#N.port(\"#n\"), \"bridge\"));",
    "L.push(ifb(#N.port(\"#n\")));",
    "L.push(tap(#N.port(\"#n\")));",
    "#L.addr(\"#a/24\");",
    "#L.addr(\"fd00::#b/64\", #{ nodad: #t });",
    "#L.del_addr(\"#a/24\");",
    "#L.up();",
    "#L.down();",
    "#L.mtu(13#b);",
    "#L.mac(\"02:00:00:00:00:#b\");",
    "#L.rename(\"#n\");",
    "#L.alias(\"#n\");",
    "#L.master(#B);",
    "#L.nomaster();",
    "#L.move_to(#N);",
    "#L.set(#{ txqueuelen: #b });",
    "#L.set(#{ cost: #b, learning: #t });",
    "#L.fdb(\"02:00:00:00:00:#b\");",
    "#L.del();",
    "#B.set(#{ stp_state: #t, ageing_time: 1#b });",
    "#B.addr(\"#a/24\");",
    "#B.del();",
    "#N.del();",
    "#N.route(\"default\", \"#a\");",
    "#N.route(\"10.#b.0.0/16\", \"#a\", #{ metric: #b, table: #b });",
    "#N.route(\"10.#s.0.0/16\", #{ type: \"blackhole\", replace: #t });",
    "#N.del_route(\"10.#s.0.0/16\");",
    "#N.rule(#{ from: \"#a\", table: #b, priority: #b });",
    "#N.neigh(\"#a\", \"02:00:00:00:00:#b\");",
    "#N.forward(#t);",
    "#N.forward6(#t);",
    "#N.sysctl(\"net.ipv4.conf.all.rp_filter\", #s);",
    "#N.sysctl(\"net.ipv4.ip_default_ttl\", #b);",
    "#N.resolv_conf([\"#a\"]);",
    "#N.start(\"sleep 1000\");",
    "host.forward(#t);",
    "host.forward6(#t);",
    "host.sysctl(\"net.ipv4.conf.all.rp_filter\", #s);",
    "host.sysctl(\"net.ipv4.conf.my0.rp_filter\", #s);",
    "host.sysctl(\"net.ipv6.conf.all.hop_limit\", #b);",
    "host.hosts(\"127.0.0.1 x#b\\n\");",
    "host.route(\"10.97.0.0/16\", \"10.98.0.#b\", #{ metric: 50, replace: true });",
    "host.route(\"2001:db8:97::/64\", \"2001:db8:98::#b\", #{ replace: true });",
    "host.route(\"10.#s.0.0/16\", \"10.98.0.#s\", #{ replace: #t });",
    "host.del_route(\"10.#s.0.0/16\");",
    "host.rule(#{ fwmark: #b, table: #b });",
    "host.neigh(\"10.98.0.#b\", \"02:00:00:00:00:#b\", #{ dev: \"my0\" });",
    "host[\"my0\"].addr(\"10.98.0.#b/24\");",
    "host[\"my0\"].del_addr(\"10.98.0.#b/24\");",
    "host[\"myport\"].fdb(\"02:00:00:00:00:#b\");",
    "get_netns(\"mine\").route(\"10.#s.0.0/16\", \"10.98.0.1\");",
    "get_netns(\"mine\").forward(#t);",
    "host[\"my0\"].down();",
    "host[\"mybr\"].del();",
];

fn verb(random: &mut Random) -> String {
    let mut text = String::new();
    let mut rest = VERBS[random.below(VERBS.len() as u64) as usize];
    while let Some((before, after)) = rest.split_once('#') {
        text.push_str(before);
        let mut letters = after.chars();
        let any = random.below(1000);
        match letters.next() {
            Some(list @ ('N' | 'L' | 'B')) => text.push_str(&format!("{list}[{any} % {list}.len()]")),
            Some('n') => text.push_str(&format!("x{}", random.below(20))),
            Some('a') => text.push_str(&format!("10.0.{}.{}", random.below(3), 1 + random.below(5))),
            Some('s') => text.push_str(&(1 + random.below(6)).to_string()),
            Some('b') => text.push_str(&(10 + random.below(90)).to_string()),
            Some('t') => text.push_str(if random.one_in(2) { "true" } else { "false" }),
            Some(other) => {
                text.push('#');
                text.push(other);
            }
            None => {}
        }
        rest = letters.as_str();
    }
    text + rest
}

/// The script of a seed.
pub(crate) fn script(seed: u64) -> String {
    let mut random = Random(seed);
    let mut text = "let N = [netns(\"p\"), netns(\"q\"), host]; let L = []; let B = [];\nlet keep = |w| { L.push(w.a); L.push(w.b); };\n"
        .replace("let keep = |w| { L.push(w.a); L.push(w.b); };\n", "");
    // A closure cannot be asked to change a list; the text is put in its place.
    let own = |verb: String| match verb.strip_prefix("keep(").and_then(|v| v.strip_suffix(");")) {
        Some(maker) => format!("let w = {maker}; L.push(w.a); L.push(w.b);"),
        None => verb,
    };
    for _ in 0..10 + random.below(21) {
        let one = own(verb(&mut random));
        match random.below(8) {
            0 => text
                .push_str(&format!("try {{ attempt {{ {one} {} throw 0; }} }} catch {{}}\n", own(verb(&mut random)))),
            1 => text.push_str(&format!("try {{ attempt {{ {one} {} }} }} catch {{}}\n", own(verb(&mut random)))),
            _ => text.push_str(&format!("try {{ {one} }} catch {{}}\n")),
        }
    }
    if seed.is_multiple_of(3) {
        text.push_str("throw \"the end\";\n");
    }
    text
}
