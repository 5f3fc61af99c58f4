//! A container that was started again has another namespace: the old handle says so, and a new one works.

use crate::house::House;

#[test]
fn a_handle_says_so_and_is_renewed() {
    let Some(house) = House::with_docker() else { return };
    house.sh("docker run -d --name users --network none busybox sleep 1000");
    let run = house.run(
        r#"
        let web = docker("users");
        let cable = veth(web.port("v1", "10.5.0.1/24"), host.port("v2", "10.5.0.2/24"));
        host.exec("docker restart -t 0 users");
        let said = [];
        try { web.ping("127.0.0.1"); } catch (e) { said.push(e); }
        try { cable.a.addr("10.6.0.1/24"); } catch (e) { said.push(e); }
        try { web.port("x"); veth(web.port("x"), "y"); } catch (e) { said.push(e); }
        expect(said.len() == 3);
        for e in said { expect(e.code == "NL0116"); expect(e.message.contains("`docker:users` was stopped or started again")); expect(e.help == `docker("users") gives the one that it has now`); }
        let again = docker("users");
        expect(again != web);
        veth(again.port("v1", "10.5.1.1/24"), host.port("v3", "10.5.1.2/24"));
        expect(again.ping("10.5.1.2"));
        "#,
    );
    run.ends_with(0);
    house.sh("docker exec users ping -c1 -W2 10.5.1.2");
    house.down();
    assert_eq!(house.sh("ls /sys/class/net"), "lo\n");
    assert_eq!(house.sh("docker exec users ls /sys/class/net"), "lo\n");
}

/// Containers of the lab that somebody killed, started again or removed while it was up.
#[test]
fn down_after_the_containers_changed() {
    let Some(house) = House::with_docker() else { return };
    let before = house.look();
    let script = r#"
        let web = docker_run("web", #{ image: "busybox", network: "none", command: "sleep 1000" });
        let vic = docker_run("vic", #{ image: "busybox", network: "none", command: "sleep 1000" });
        veth(web.port("10.97.0.1/24"), vic.port("10.97.0.2/24"));
        veth(web.port("10.98.0.1/24"), host.port("10.98.0.2/24"));
        web["lo"].addr("10.8.8.8/32");
        vic.route("10.8.8.8/32", "10.97.0.1");
        expect(vic.ping("10.8.8.8"));
    "#;
    for meanwhile in [
        "docker kill web",
        "docker restart -t 0 web",
        "docker rm -f web",
        "docker rename web else",
        "docker kill web vic",
    ] {
        house.run(script).ends_with(0);
        house.sh(meanwhile);
        house.down();
        house.assert_same(&before, meanwhile);
    }
}

/// Stopped in a stretch that is taken back, a container runs again; so does the user's, if it was stopped by force.
#[test]
fn what_was_stopped_is_started_again() {
    let Some(house) = House::with_docker() else { return };
    let users = "sh -c 'trap exit TERM; while :; do sleep 0.1; done'";
    house.sh(&format!("docker run -d --name users --network none busybox {users}"));
    let run = house.run(
        r#"
        docker_run("own", #{ image: "busybox", network: "none", command: ["sh", "-c", "trap exit TERM; while :; do sleep 0.1; done"] });
        let failed = false;
        try { attempt { docker_stop("own"); throw "no"; } } catch { failed = true; }
        expect(failed);
        expect(docker("own").ping("127.0.0.1"));
        "#,
    );
    run.ends_with(0);
    house.down();
    house.sandbox.write("/run/x.rhai", r#"docker_stop("users");"#);
    house.sandbox.netlab(&["run", "--quiet", "--force", "/run/x.rhai"]).ends_with(0);
    assert_eq!(house.sh("docker ps -a --format '{{.Names}} {{.State}}'"), "users exited\n");
    house.down();
    assert_eq!(house.sh("docker ps -a --format '{{.Names}} {{.State}}'"), "users running\n");
}
