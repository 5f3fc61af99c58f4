//! How a value looks at the prompt: tables for lists, a line for a probe.

use rhai::{Dynamic, Map};

use crate::cli::table::Table;
use crate::script::live::Live;

/// The columns of what has these keys, in this order; the first set that fits is taken.
const COLUMNS: [(&str, &[&str]); 5] = [
    ("ifname", &["ifname", "kind", "operstate", "address", "mtu", "master", "peer"]),
    ("lladdr", &["dst", "dev", "lladdr", "state"]),
    ("prefixlen", &["dev", "local", "prefixlen", "scope", "label"]),
    ("priority", &["priority", "src", "dst", "table", "action"]),
    ("dst", &["type", "dst", "gateway", "dev", "metric", "protocol", "prefsrc", "table"]),
];

/// The text of a value; nothing for what there is nothing to say of.
pub(super) fn text(live: &Live, value: &Dynamic) -> Option<String> {
    let value = value.flatten_clone();
    if value.is_unit() {
        return None;
    }
    if let Some(list) = value.clone().try_cast::<rhai::Array>() {
        let maps: Vec<Map> = list.iter().filter_map(|item| item.clone().try_cast::<Map>()).collect();
        if !maps.is_empty() && maps.len() == list.len() {
            return Some(table(live, &maps));
        }
        let texts: Vec<String> = list.iter().map(|item| live.text(item)).collect();
        return Some(format!("[{}]", texts.join(", ")));
    }
    if let Some(map) = value.clone().try_cast::<Map>() {
        return Some(self::map(live, &map));
    }
    Some(live.text(&value))
}

fn map(live: &Live, map: &Map) -> String {
    let field = |key: &str| map.get(key).map(|value| live.text(value)).filter(|text| !text.is_empty());
    if let Some(ok) = map.get("ok").and_then(|ok| ok.as_bool().ok()) {
        // A program's own output, or what a probe has to say.
        if let (Some(out), Some(err)) = (map.get("stdout"), map.get("stderr")) {
            let code = field("code").filter(|_| !ok).map(|code| format!("exit code {code}\n")).unwrap_or_default();
            return format!("{}{}{code}", live.text(out), live.text(err)).trim_end().to_owned();
        }
        if let Some(text) = field("text") {
            return text.trim_end().to_owned();
        }
        if !ok {
            return format!("no: {}", field("why").unwrap_or_else(|| "it failed".into()));
        }
        let told = [
            map.get("rtt").and_then(|rtt| rtt.as_float().ok()).map(|ms| format!("{ms:.3} ms")),
            field("pairs").map(|pairs| format!("{pairs} pairs")),
            field("path").map(|path| format!("by {path}")),
            field("addresses"),
        ];
        let told: Vec<String> = told.into_iter().flatten().collect();
        return if told.is_empty() { "ok".into() } else { format!("ok: {}", told.join(", ")) };
    }
    let lines: Vec<String> = map.iter().map(|(key, value)| format!("{key}: {}", live.text(value))).collect();
    lines.join("\n")
}

fn table(live: &Live, rows: &[Map]) -> String {
    let first = COLUMNS.iter().find(|(key, _)| rows.iter().all(|row| row.contains_key(*key)));
    let plain = |value: &Dynamic| !value.is_map() && !value.is_unit();
    let columns: Vec<String> = match first {
        Some((_, columns)) => {
            let is_used = |column: &&&str| rows.iter().any(|row| row.get(**column).is_some_and(plain));
            columns.iter().filter(is_used).map(ToString::to_string).collect()
        }
        None => {
            let mut all: Vec<String> = rows.iter().flat_map(Map::keys).map(ToString::to_string).collect();
            all.sort();
            all.dedup();
            all.retain(|column| rows.iter().any(|row| row.get(column.as_str()).is_some_and(plain)));
            all
        }
    };
    let heading: Vec<String> = columns.iter().map(|column| column.to_uppercase()).collect();
    let mut table = Table::new(&heading.iter().map(String::as_str).collect::<Vec<_>>());
    for row in rows {
        let cell =
            |column: &String| row.get(column.as_str()).filter(|v| plain(v)).map(|v| live.text(v)).unwrap_or_default();
        table.row(columns.iter().map(cell));
    }
    table.text()
}
