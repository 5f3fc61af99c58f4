//! What two readings may differ in: what runs by itself, and what means nothing.

use serde_json::Value;

use super::dump::Netns;

pub(crate) const ROUTE_NOISE: &[&str] = &["expires", "users", "age", "used"];
pub(crate) const NEIGH_NOISE: &[&str] = &["used", "updated", "confirmed", "probes", "refcnt", "stats"];
const FOREVER: u64 = u32::MAX as u64;

/// A record on one line, without what changes by itself. A lifetime that runs down is noise, one that does not is not.
pub(crate) fn line(record: &Value, noise: &[&str]) -> String {
    let Value::Object(fields) = record else { return record.to_string() };
    let fields = fields.iter().filter(|(key, value)| {
        let runs_down = key.ends_with("_life_time") && value.as_u64() != Some(FOREVER) && value.as_u64() != Some(0);
        !runs_down && !noise.contains(&key.as_str())
    });
    fields.map(|(key, value)| format!("{key} {value}")).collect::<Vec<_>>().join(", ")
}

/// A queue on one line, without its counters.
pub(crate) fn queue(qdisc: &Value) -> String {
    let mut qdisc = qdisc.clone();
    if let Some(Value::Object(options)) = qdisc.get_mut("options") {
        options.remove("direct_packets_stat");
    }
    line(&qdisc, &["refcnt"])
}

/// Timers run, and the number of a namespace is given at the first look, not at a change.
pub(crate) fn is_link_noise(key: &str) -> bool {
    key.ends_with("_timer") || key.starts_with("stats") || key == "link_netnsid"
}

/// Random keys, counters, and what cannot be read.
pub(crate) fn is_noise(key: &str) -> bool {
    key.ends_with("_count")
        || key.ends_with("fastopen_key")
        || key.ends_with("stable_secret")
        || key.ends_with("_rss_key")
}

/// Whether a field, a word or a list of words, holds `word`.
pub(crate) fn has(field: &Value, word: &str) -> bool {
    field == word || field.as_array().is_some_and(|list| list.iter().any(|w| w == word))
}

/// Takes out what a link that is down holds only because it has been up before, or has not: its first queue, and the
/// groups that it would listen to. And altnames have no order.
pub(crate) fn drop_noise(netns: &mut Netns) {
    let names = netns.links.iter().filter(|l| !has(&l["flags"], "UP")).map(|l| l["ifname"].clone());
    let down: Vec<Value> = names.collect();
    for link in &mut netns.links {
        // What an empty bridge could hand over at once depends on the ports that it once had. Nobody can set it, and with
        // the next port it is chosen anew.
        let is_bridge = link["linkinfo"]["info_kind"] == "bridge";
        if let (true, Value::Object(fields)) = (is_bridge, &mut *link) {
            fields.remove("tso_max_size");
            fields.remove("tso_max_segs");
        }
        if let Some(Value::Array(names)) = link.get_mut("altnames") {
            names.sort_by_key(Value::to_string);
        }
        let is_own = |q: &&Value| q["dev"] == link["ifname"] && q["handle"] != "0:" && q["root"] == true;
        let has_own_queue = netns.qdiscs.iter().any(|q| is_own(&q));
        if let (true, Value::Object(fields)) = (down.contains(&link["ifname"]), &mut *link) {
            // Nobody counts anew how many listen to everything, for a link that is down (`__dev_set_rx_mode` in
            // net/core/dev.c): the count is of when it was up last. That it was told to is one of its flags.
            fields.remove("promiscuity");
            fields.retain(|key, _| key != "qdisc" || has_own_queue);
        }
        // Which of the two it is the kernel decides by what has, when it looks, the number of the other end in this
        // namespace (`default_operstate` in net/core/link_watch.c), which may be any link.
        if link["operstate"] == "LOWERLAYERDOWN" {
            link["operstate"] = "DOWN".into();
        }
    }
    // Over a link without carrier the kernel marks those that were there when it lost that, and not all that came since
    // (with an IPv6 gateway it does not look); the link's own state tells the carrier.
    let is_dark = |l: &&Value| !has(&l["flags"], "LOWER_UP");
    let dark: Vec<Value> = netns.links.iter().filter(is_dark).map(|l| l["ifname"].clone()).collect();
    for route in netns.routes4.iter_mut().filter(|r| dark.contains(&r["dev"])) {
        if let Some(Value::Array(flags)) = route.get_mut("flags") {
            flags.retain(|flag| flag != "linkdown");
        }
    }
    netns.qdiscs.retain(|q| q["handle"] != "0:" || !down.contains(&q["dev"]));
    netns.fdb.retain(|f| !(has(&f["flags"], "self") && is_group(&f["mac"]) && down.contains(&f["ifname"])));
    for link in netns.groups.iter_mut().filter(|g| down.contains(&g["ifname"])) {
        if let Some(Value::Array(groups)) = link.get_mut("maddr") {
            groups.retain(|g| g["features"] == "static");
        }
    }
}

/// Whether a MAC stands for many.
fn is_group(mac: &Value) -> bool {
    let first = mac.as_str().and_then(|m| u8::from_str_radix(m.get(..2)?, 16).ok());
    first.is_some_and(|byte| byte & 1 == 1)
}
