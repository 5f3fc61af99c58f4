//! A script over a made-up machine: verbs on the user's things and on the lab's own, each in a `try`.

use super::common::random::Random;
use super::host::Host;

/// A head that finds the user's things and must hold, and verbs, one a line, of which any may be left out.
pub(crate) struct Script {
    pub(crate) head: Vec<String>,
    pub(crate) verbs: Vec<String>,
    /// Whether it ends with a `throw`.
    pub(crate) throws: bool,
}

/// What `#` letters stand for: V a link of the user's, R a bridge of the user's, P a port of one, U a namespace of the
/// user's, H that or the host; O a link of the lab's own, M a namespace, A an own bridge; W any link, N any namespace,
/// B any bridge; l m b a place to keep a new link, namespace, bridge; n a new name, k the number in addresses, s one of
/// six, d a byte, t a truth. The first number is how often.
const VERBS: &[(u64, &str)] = &[
    (5, "#m = netns(\"#n\")"),
    (2, "#m = netns(\"#n\", #{ forward: #t })"),
    (4, "let w = veth(#N.port(\"#n\", \"10.#k.0.#d/24\"), #N.port(\"#n\")); #l = w.a; #l = w.b"),
    (4, "let w = veth(#M.port(\"#n\", \"10.#k.0.#d/24\"), #R.port(\"#n\")); #l = w.a; #l = w.b"),
    (2, "let w = veth(#M.port(\"#n\"), #R.port(#{ cost: #d, isolated: #t })); #l = w.b"),
    (2, "#b = bridge(#N.port(\"#n\", \"10.#k.#s.#d/24\"))"),
    (1, "#l = ifb(#N.port(\"#n\"))"),
    (2, "#l = #V.macvlan(#N.port(\"#n\"), \"bridge\")"),
    (1, "#l = vxlan(host.port(\"#n\"), #d, #{ remote: \"10.#k.0.#d\", dev: #V })"),
    (8, "#V.down()"),
    (6, "#V.up()"),
    (2, "#V.down().up()"),
    (4, "#V.mtu(13#d)"),
    (3, "#V.mtu(10#d)"),
    (4, "#V.mac(\"02:00:00:00:00:#d\")"),
    (5, "#V.rename(\"#n\")"),
    (3, "#V.alias(\"#n\")"),
    (3, "#V.master(#R)"),
    (2, "#V.master(#A)"),
    (4, "#P.nomaster()"),
    (4, "#V.move_to(#M)"),
    (4, "#V.move_to(#H)"),
    (3, "#V.del()"),
    (6, "#V.addr(\"10.#k.0.#d/24\")"),
    (3, "#V.addr(\"10.#k.#s.#d/24\", #{ label: \"#n\" })"),
    (4, "#V.addr(\"2001:db8:#k::#d/64\", #{ nodad: true })"),
    (1, "#V.addr(\"10.#k.9.1/32\", #{ peer: \"10.#k.9.2/32\" })"),
    (2, "#V.set(#{ txqueuelen: #d })"),
    (1, "#V.set(#{ promisc: #t })"),
    (3, "#P.set(#{ cost: #d, learning: #t })"),
    (2, "#P.set(#{ hairpin: #t, flood: #t, isolated: #t })"),
    (1, "#P.set(#{ state: #s })"),
    (2, "#P.fdb(\"02:00:00:00:00:#d\")"),
    (2, "#R.set(#{ ageing_time: 1#d, priority: #d })"),
    (2, "#R.mac(\"02:00:00:00:00:#d\")"),
    (2, "#R.down()"),
    (1, "#R.del()"),
    (5, "#H.route(\"10.2#k.0.0/16\", \"10.#k.0.#d\")"),
    (3, "#H.route(\"10.1#k.3.0/24\", \"10.#k.0.#d\", #{ metric: #d })"),
    (2, "#H.route(\"10.1#k.#s.0/24\", \"10.#k.0.#d\", #{ replace: true })"),
    (2, "#H.route(\"10.1#k.#s.0/24\", #{ type: \"blackhole\", replace: #t, table: 100 })"),
    (3, "#H.route(\"fd02:#k::/64\", \"2001:db8:#k::#d\")"),
    (1, "#H.route(\"fd01:#k:#s::/64\", \"2001:db8:#k::#d\", #{ replace: true })"),
    (2, "#H.del_route(\"10.1#k.#s.0/24\")"),
    (2, "#H.del_route(\"fd01:#k:#s::/64\")"),
    (1, "#H.del_route(\"10.#k.0.0/24\")"),
    (1, "#H.route(\"default\", \"10.#k.0.#d\", #{ replace: #t })"),
    (3, "#H.rule(#{ from: \"10.#k.0.0/16\", table: #d, priority: 1#d })"),
    (1, "#H.rule(#{ fwmark: #d, table: #d, ipv6: true })"),
    (3, "#H.neigh(\"10.#k.0.#d\", \"02:00:00:00:00:#d\", #{ dev: #V })"),
    (1, "#H.neigh(\"2001:db8:#k::#d\", \"02:00:00:00:00:#d\", #{ dev: #V })"),
    (1, "#H.neigh(\"10.#k.0.#d\", #{ dev: #V, proxy: true })"),
    (4, "#H.forward(#t)"),
    (3, "#H.forward6(#t)"),
    (2, "#H.sysctl(`net.ipv4.conf.${#V.name}.rp_filter`, \"#s\")"),
    (2, "#H.sysctl(`net.ipv4.conf.${#V.name}.forwarding`, \"1\")"),
    (2, "#H.sysctl(`net.ipv6.conf.${#V.name}.hop_limit`, \"#d\")"),
    (2, "#H.sysctl(`net.ipv6.conf.${#V.name}.disable_ipv6`, \"1\")"),
    (1, "#H.sysctl(`net.ipv6.conf.${#V.name}.mtu`, \"1290\")"),
    (1, "#H.sysctl(`net.ipv6.conf.${#V.name}.forwarding`, \"1\")"),
    (1, "#H.sysctl(\"net.ipv6.conf.all.disable_ipv6\", \"1\")"),
    (1, "#H.sysctl(\"net.ipv6.conf.all.hop_limit\", \"#d\")"),
    (1, "#H.sysctl(\"net.ipv4.conf.all.rp_filter\", \"#s\")"),
    (1, "#H.sysctl(\"net.ipv4.conf.default.rp_filter\", \"#s\")"),
    (1, "#H.sysctl(\"net.ipv4.conf.default.forwarding\", \"1\")"),
    (1, "#H.sysctl(\"net.ipv4.ip_default_ttl\", \"#d\")"),
    (3, "#U.del()"),
    (2, "get_netns(\"mine\").del()"),
    (1, "#M.del()"),
    (2, "#O.del()"),
    (2, "#O.move_to(#N)"),
    (2, "#O.master(#B)"),
    (1, "#O.down()"),
    (1, "#O.mtu(13#d)"),
    (1, "#O.addr(\"10.#k.0.#d/24\")"),
    (1, "#O.rename(\"#n\")"),
    (2, "#M.route(\"default\", \"10.#k.0.1\")"),
    (1, "#M.start(\"sleep 1000\")"),
    (1, "#H.resolv_conf([\"10.#k.0.#d\"])"),
];

/// What catches a refusal; a fault that the test asked for has to end the script.
pub(crate) const HEAD: &str = "fn no(e) { if type_of(e) == \"map\" && \"code\" in e { \
    if e.message.contains(\"NETLAB_FAULT\") { throw e; } print(`refused ${e.code}`); } }";

impl Script {
    pub(crate) fn new(host: &Host, throws: bool, random: &mut Random) -> Self {
        let mut head = vec![HEAD.to_owned(), "let o = #{};".to_owned()];
        head.extend(host.places[1..].iter().map(|p| format!("let {p} = get_netns(\"{p}\");")));
        head.extend(host.links.iter().map(|l| format!("let {} = {}[\"{}\"];", l.name, host.places[l.place], l.name)));
        let verbs = (0..5 + random.below(36)).map(|_| line(host, random)).collect();
        Self { head, verbs, throws }
    }

    pub(crate) fn text(&self) -> String {
        let end: &[String] = if self.throws { &["throw \"the end\";".to_owned()] } else { &[] };
        [&self.head, &self.verbs, end].concat().join("\n") + "\n"
    }
}

fn line(host: &Host, random: &mut Random) -> String {
    let mut verb = || {
        if !host.calls.is_empty() && random.below(3) == 0 {
            return random.pick(&host.calls).clone();
        }
        fill(host, weighted(random), random)
    };
    let (first, second) = (verb(), verb());
    match random.below(12) {
        0 => format!("try {{ attempt {{ {first}; {second}; throw 0; }} }} catch (e) {{ no(e); }}"),
        1 => format!("try {{ attempt {{ {first}; {second}; }} }} catch (e) {{ no(e); }}"),
        _ => format!("try {{ {first}; }} catch (e) {{ no(e); }}"),
    }
}

fn weighted(random: &mut Random) -> &'static str {
    let mut at = random.below(VERBS.iter().map(|(often, _)| often).sum());
    for (often, verb) in VERBS {
        if at < *often {
            return verb;
        }
        at -= often;
    }
    ""
}

fn fill(host: &Host, verb: &str, random: &mut Random) -> String {
    let links = |fits: &dyn Fn(&super::host::Link) -> bool| -> Vec<String> {
        host.links.iter().filter(|l| fits(l)).map(|l| l.name.clone()).collect()
    };
    let users = links(&|_| true);
    let places: Vec<String> = host.places.iter().map(|p| (*p).to_owned()).collect();
    let own = |letter: &str, count: u64| -> Vec<String> { (0..count).map(|n| format!("o.{letter}{n}")).collect() };
    // Where there is none of the user's, the lab's own does.
    let or = |list: Vec<String>, other: Vec<String>| if list.is_empty() { other } else { list };
    let mut text = String::new();
    let mut rest = verb;
    while let Some((before, after)) = rest.split_once('#') {
        text.push_str(before);
        let mut letters = after.chars();
        let choices = match letters.next().unwrap_or(' ') {
            'V' => users.clone(),
            'R' => or(links(&|l| l.kind == "bridge"), own("b", 2)),
            'P' => or(links(&|l| l.master.is_some()), users.clone()),
            'U' => or(places[1..].to_vec(), own("m", 3)),
            'H' => [&places[..1], &places[..]].concat(),
            'O' | 'l' => own("l", 4),
            'M' | 'm' => own("m", 3),
            'A' | 'b' => own("b", 2),
            'W' => [users.clone(), own("l", 4)].concat(),
            'N' => [places.clone(), own("m", 3)].concat(),
            'B' => [links(&|l| l.kind == "bridge"), own("b", 2)].concat(),
            'n' => (0..12).map(|n| format!("x{n}")).collect(),
            'k' => (1..=host.count).map(|k| k.to_string()).collect(),
            's' => (1..=6).map(|n| n.to_string()).collect(),
            'd' => (10..100).map(|n| n.to_string()).collect(),
            't' => vec!["true".to_owned(), "false".to_owned()],
            other => vec![format!("#{other}")],
        };
        text.push_str(random.pick(&choices).as_str());
        rest = letters.as_str();
    }
    text + rest
}
