//! systemd-nspawn machines: found by the process, whoever started them, and ended with the lab.

use crate::house::House;

/// In the background, as a person would, and waited for until its first process is there.
const START: &str = r#"
systemd-nspawn -q -D /mnt/tree -M theirs --register=no --keep-unit --private-network --as-pid2 /bin/sleep 1000 >/dev/null 2>&1 &
until pgrep -x sleep >/dev/null; do sleep 0.05; done
"#;

#[test]
fn one_that_runs_is_found_and_stays() {
    let Some(house) = House::new() else { return };
    house.sh(START);
    let before = house.look();
    house
        .run(r#"let m = nspawn("theirs"); veth(m.port("e0", "10.5.0.2/24"), host.port("e1", "10.5.0.1/24")); expect(m.ping("10.5.0.1")); expect(m.name == "nspawn:theirs");"#)
        .ends_with(0);
    let sleeper = house.sh("pgrep -x sleep");
    let shown = house.sh(&format!("nsenter -n -t {} ip -j addr show e0", sleeper.trim()));
    assert!(shown.contains("10.5.0.2"), "{shown}");
    house.sh("ping -c1 -W2 10.5.0.2");
    house.down();
    house.assert_same(&before, "down");
}

#[test]
fn two_that_the_lab_starts_reach_each_other() {
    let Some(house) = House::new() else { return };
    house.sh("cp -a /mnt/tree /mnt/second");
    let before = house.look();
    let script = r#"
        let a = nspawn_run("a1", #{ directory: "/mnt/tree" });
        let b = nspawn_run("b1", #{ directory: "/mnt/second", command: ["/bin/sleep", "1000"] });
        veth(a.port("e0", "10.5.0.1/24"), b.port("e0", "10.5.0.2/24"));
        expect(a.ping(b));
    "#;
    house.run(script).ends_with(0);
    let run = house.sandbox.netlab(&["list", "--json"]).ends_with(0);
    assert!(run.stdout.contains(r#""nspawn:a1""#) && run.stdout.contains(r#""nspawn:b1""#), "{run}");
    house.down();
    house.assert_same(&before, "down");
    // Ended by somebody else meanwhile.
    house.run(script).ends_with(0);
    house.sh("kill -KILL $(pgrep -o -f 'systemd-nspawn.*--machine a1')");
    house.down();
    house.assert_same(&before, "down after one of them was killed");
}

/// As it is where machined runs, whose files are all that is looked at.
#[test]
fn found_by_the_files_of_machined() {
    let Some(house) = House::new() else { return };
    house.sh(START);
    house.sh("mkdir -p /run/systemd/machines; printf 'NAME=registered\\nCLASS=container\\nLEADER=%s\\n' $(pgrep -x sleep) >/run/systemd/machines/registered; printf 'NAME=vm\\nCLASS=vm\\nLEADER=1\\n' >/run/systemd/machines/vm");
    let run = house
        .run(r#"veth(nspawn("registered").port("e0", "10.5.0.2/24"), host.port("e1", "10.5.0.1/24")); nspawn("vm");"#);
    let run = run.ends_with(1);
    assert!(run.stderr.contains("no machine called `vm` runs"), "{run}");
}
