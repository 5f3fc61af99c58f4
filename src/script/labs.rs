//! The labs of the training, embedded, so that they run by name from anywhere.

/// One lab.
#[derive(Debug, Clone, Copy)]
pub struct Embedded {
    /// Its file's name without the ending.
    pub name: &'static str,
    /// Its text.
    pub text: &'static str,
}

/// All labs, in the order in which a course would take them.
pub const ALL: &[Embedded] = &[
    Embedded { name: "netns-basics", text: include_str!("../../scripts/netns-basics.rhai") },
    Embedded { name: "veth-host-guest", text: include_str!("../../scripts/veth-host-guest.rhai") },
    Embedded { name: "bridge-web-db", text: include_str!("../../scripts/bridge-web-db.rhai") },
    Embedded { name: "routed-web-db", text: include_str!("../../scripts/routed-web-db.rhai") },
    Embedded { name: "routed-workshop", text: include_str!("../../scripts/routed-workshop.rhai") },
    Embedded { name: "create-ns-bridge", text: include_str!("../../scripts/create-ns-bridge.rhai") },
    Embedded { name: "create-ns", text: include_str!("../../scripts/create-ns.rhai") },
    Embedded { name: "serialnet-ns", text: include_str!("../../scripts/serialnet-ns.rhai") },
    Embedded { name: "vlan", text: include_str!("../../scripts/vlan.rhai") },
    Embedded { name: "vlan-bridge", text: include_str!("../../scripts/vlan-bridge.rhai") },
    Embedded { name: "vxlan", text: include_str!("../../scripts/vxlan.rhai") },
    Embedded { name: "macvlan", text: include_str!("../../scripts/macvlan.rhai") },
    Embedded { name: "macvlan-network", text: include_str!("../../scripts/macvlan-network.rhai") },
    Embedded { name: "dhclient", text: include_str!("../../scripts/dhclient.rhai") },
    Embedded { name: "docker-macvlan", text: include_str!("../../scripts/docker-macvlan.rhai") },
    Embedded { name: "connect-containers", text: include_str!("../../scripts/connect-containers.rhai") },
    Embedded { name: "nspawn-veth", text: include_str!("../../scripts/nspawn-veth.rhai") },
];

/// The lab of a name, with or without the ending.
pub fn find(name: &str) -> Option<Embedded> {
    ALL.iter().find(|lab| lab.name == name.trim_end_matches(".rhai")).copied()
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    #[test]
    fn every_script_is_embedded() {
        let folder = std::fs::read_dir(concat!(env!("CARGO_MANIFEST_DIR"), "/scripts")).unwrap();
        let files: BTreeSet<String> = folder
            .map(|f| f.unwrap().file_name().into_string().unwrap())
            .filter(|f| f.ends_with(".rhai"))
            .map(|f| f.trim_end_matches(".rhai").to_owned())
            .collect();
        let embedded: BTreeSet<String> = super::ALL.iter().map(|l| l.name.to_owned()).collect();
        assert_eq!(embedded, files);
    }
}
