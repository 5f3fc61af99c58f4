//! The container labs: each runs, pings across, and goes without a trace.

use crate::house::House;

#[test]
fn docker_macvlan() {
    let Some(house) = House::with_docker() else { return };
    let before = house.look();
    house.sandbox.netlab(&["run", "docker-macvlan.rhai"]).ends_with(0);
    assert_eq!(house.sh("docker ps --format '{{.Names}}' | sort"), "db\nweb\n");
    assert_eq!(
        house
            .sh("docker network inspect -f '{{.Driver}} {{.Options.parent}} {{.Options.macvlan_mode}}' my-macvlan-net"),
        "macvlan eno4 bridge\n"
    );
    house.sh("docker exec web ping -c1 -W2 192.168.8.12");
    house.sh("docker exec db ping -c1 -W2 192.168.8.1");
    house.sh("ip netns exec outside ping -c1 -W2 192.168.8.11");
    house.down();
    house.assert_same(&before, "down");
}

#[test]
fn docker_macvlan_on_a_card_of_the_users() {
    let Some(house) = House::with_docker() else { return };
    house.sh("ip link add card type veth peer name plug && ip link set card up && ip link set plug up && ip addr add 192.168.8.1/24 dev plug");
    let before = house.look();
    house.sandbox.netlab(&["run", "docker-macvlan.rhai", "--", "card", "busybox:latest"]).ends_with(0);
    house.sh("docker exec web ping -c1 -W2 192.168.8.1");
    house.down();
    house.assert_same(&before, "down");
}

#[test]
fn connect_containers() {
    let Some(house) = House::with_docker() else { return };
    let before = house.look();
    house.sandbox.netlab(&["run", "connect-containers.rhai"]).ends_with(0);
    house.sh("docker exec bindspain ping -c1 -W2 10.0.1.102");
    house.sh("docker exec infallible_ride ping -c1 -W2 10.0.1.101");
    house.down();
    house.assert_same(&before, "down");
    // Two of the user's, which run on afterwards and have lost the cable.
    house.sh("docker run -d --name one --network none busybox sleep 1000; docker run -d --name two --network none busybox sleep 1000");
    let before = house.look();
    house.sandbox.netlab(&["run", "connect-containers.rhai", "--", "one", "two"]).ends_with(0);
    house.sh("docker exec one ping -c1 -W2 10.0.1.102");
    house.down();
    house.assert_same(&before, "down beside two containers of the user's");
    assert_eq!(house.sh("docker exec one ls /sys/class/net"), "lo\n");
}

#[test]
fn nspawn_veth() {
    let Some(house) = House::new() else { return };
    let before = house.look();
    house.sandbox.netlab(&["run", "nspawn-veth.rhai", "--", "/mnt/tree"]).ends_with(0);
    house.sh("ping -c1 -W2 192.168.10.2");
    house.down();
    house.assert_same(&before, "down");
}

/// Every kind of network that Docker makes, as `docker network inspect` shows it.
#[test]
fn networks() {
    let Some(house) = House::with_docker() else { return };
    let before = house.look();
    let run = house.run(
        r#"
        let cable = veth("card", "plug");
        for mode in ["private", "vepa", "bridge"] { docker_network(`mv-${mode}`, #{ parent: veth(`c-${mode}`, `p-${mode}`).a, mode: mode, subnet: subnet("10.1.0.0/16").split(24)[mode.len()] }); }
        docker_network("br-net", #{ subnet: ["10.2.0.0/24", "fd00:2::/64"], gateway: "10.2.0.9" });
        docker_network("in-net", #{ subnet: "10.3.0.0/24", internal: true });
        let a = docker_run("aa", #{ image: "busybox", network: "br-net", ip: "10.2.0.7", hostname: "alpha", command: ["sleep", "1000"], env: ["X=1 2"] });
        let b = docker_run("bb", #{ image: "busybox", network: "br-net" });
        expect(a.ping("10.2.0.9"));
        expect(b.ping("10.2.0.7"));
        docker_rm("bb");
        "#,
    );
    run.ends_with(0);
    let inspect = |what: &str, format: &str| house.sh(&format!("docker {what} -f '{format}'")).trim().to_owned();
    for mode in ["private", "vepa", "bridge"] {
        assert_eq!(
            inspect(&format!("network inspect mv-{mode}"), "{{.Driver}} {{.Options.macvlan_mode}}"),
            format!("macvlan {mode}")
        );
    }
    assert_eq!(
        inspect("network inspect br-net", "{{range .IPAM.Config}}{{.Subnet}} {{.Gateway}},{{end}}"),
        "10.2.0.0/24 10.2.0.9,fd00:2::/64 ,"
    );
    assert_eq!(inspect("network inspect in-net", "{{.Internal}}"), "true");
    assert_eq!(house.sh("docker exec aa sh -c 'hostname; echo $X'"), "alpha\n1 2\n");
    assert_eq!(house.sh("docker ps -a --format '{{.Names}}'"), "aa\n");
    house.down();
    house.assert_same(&before, "down");
}
