//! Twenty labs come and go at once on one machine and change what is the user's, too; some are killed on the way.
//!
//! `SEED=7 cargo test --test twenty` has others killed at other places.

mod common;

use std::thread;

use common::labs::furnish;
use common::random::Random;
use common::sandbox::{Run, Sandbox};
use common::world::assert_same;
use common::{aloud, is_root};

const LABS: usize = 20;

/// Its own namespaces, an address on the user's link, a route, a setting, a port on the user's bridge; and every fifth
/// one something ruder, each on a thing of its own.
fn script(i: usize) -> String {
    let setting = match i % 4 {
        0 => "host.forward(true);".to_owned(),
        1 => format!("host.sysctl(\"net.ipv4.conf.my0.rp_filter\", \"{}\");", i % 2),
        2 => format!("host.sysctl(\"net.ipv6.conf.mybr.hop_limit\", \"{}\");", 70 + i),
        _ => "host.sysctl(\"net.ipv4.conf.mybr.forwarding\", \"1\");".to_owned(),
    };
    let ruder = match i {
        3 => "host[\"eth0\"].down();",
        7 => "host[\"eno4\"].rename(\"tw7\").mtu(1400);",
        11 => "host.route(\"10.97.0.0/16\", \"10.98.0.77\", #{ metric: 50, replace: true });",
        13 => "host[\"mybr\"].set(#{ ageing_time: 1000 });",
        17 => "host[\"my0\"].mtu(1400);",
        19 => "get_netns(\"mine\")[\"myplug\"].addr(\"10.94.0.9/24\");",
        _ => "",
    };
    format!(
        "let a = netns(\"tw{i}-a\"); let b = netns(\"tw{i}-b\");\n\
         veth(a.port(\"eth0\", \"10.{i}.0.1/24\"), b.port(\"eth0\", \"10.{i}.0.2/24\"));\n\
         veth(a.port(\"eth1\", \"10.94.0.1{i:02}/24\"), host[\"mybr\"].port(\"tw{i}-p\"));\n\
         host[\"my0\"].addr(\"10.98.0.1{i:02}/24\");\n\
         host.route(\"10.1{i:02}.0.0/16\", \"10.98.0.2\");\n\
         {setting}\n{ruder}\n\
         b.start(\"sleep 1000\");\n\
         expect(b.ping(\"10.{i}.0.1\"));\n"
    )
}

/// Runs netlab for each lab at the same time, some with a fault, while others look. Gives back how each ended.
fn all(sandbox: &Sandbox, labs: &[usize], faults: &[String], args: &(dyn Fn(usize) -> Vec<String> + Sync)) -> Vec<Run> {
    thread::scope(|scope| {
        let runs: Vec<_> = labs
            .iter()
            .map(|i| {
                let fault = &faults[*i];
                scope.spawn(move || {
                    let args = args(*i);
                    sandbox.netlab_fault(fault, &args.iter().map(String::as_str).collect::<Vec<_>>())
                })
            })
            .collect();
        for args in [&["list"][..], &["recover"], &["list", "--json"], &["show"]] {
            scope.spawn(move || sandbox.netlab(args).ends_with(0));
        }
        runs.into_iter().map(|run| run.join().expect("netlab was run")).collect()
    })
}

/// Every third is killed somewhere.
fn faults(random: &mut Random) -> Vec<String> {
    let fault =
        |random: &mut Random| if random.one_in(3) { format!("kill@{}", 1 + random.below(60)) } else { String::new() };
    (0..LABS).map(|_| fault(random)).collect()
}

#[test]
fn twenty_at_once() {
    if !is_root("twenty labs at once") {
        return;
    }
    let seed = std::env::var("SEED").ok().and_then(|n| n.parse().ok()).unwrap_or(1);
    let mut random = Random(seed);
    let Some(sandbox) = Sandbox::new() else { return };
    let before = furnish(&sandbox);
    for i in 0..LABS {
        sandbox.write(&format!("/mnt/tw{i}.rhai"), &script(i));
    }
    let everyone: Vec<usize> = (0..LABS).collect();
    let (mut killed, mut was_up) = (0, 0);
    for round in 1..=3 {
        let title = format!("seed {seed}, round {round}");
        let faults_up = faults(&mut random);
        let runs = all(&sandbox, &everyone, &faults_up, &|i| vec!["run".into(), format!("/mnt/tw{i}.rhai")]);
        let up: Vec<usize> = everyone.iter().copied().filter(|i| runs[*i].code == Some(0)).collect();
        for (i, run) in runs.iter().enumerate() {
            assert!(run.code == Some(0) || run.was_killed() && !faults_up[i].is_empty(), "{title}: tw{i}: {run}");
            killed += usize::from(run.was_killed());
        }
        was_up += up.len();
        sandbox.netlab(&["recover"]).ends_with(0);
        let list = sandbox.netlab(&["list"]).ends_with(0).stdout;
        assert_eq!(list.matches(" up ").count(), up.len(), "{title}: {list}");
        // What is up works, whatever went away beside it.
        for i in &up {
            sandbox.sh(&format!("ip netns exec tw{i}-b ping -c1 -W2 10.{i}.0.1 >/dev/null; ip addr show my0 | grep -q '10.98.0.1{i:02}/24'; ip route | grep -q 10.1{i:02}.0.0/16"));
        }
        // Half of them go at once, and some of those are killed; the rest goes by one word.
        let going: Vec<usize> = up.iter().copied().filter(|_| random.one_in(2)).collect();
        let faults_down = faults(&mut random);
        let runs = all(&sandbox, &going, &faults_down, &|i| vec!["down".into(), format!("tw{i}")]);
        for (i, run) in going.iter().zip(&runs) {
            assert!(
                run.code == Some(0) || run.was_killed() && !faults_down[*i].is_empty(),
                "{title}: down of tw{i}: {run}"
            );
            killed += usize::from(run.was_killed());
        }
        sandbox.netlab(&["recover"]).ends_with(0);
        sandbox.netlab(&["down", "--all"]).ends_with(0);
        assert_eq!(sandbox.netlab(&["list"]).ends_with(0).stdout.matches(" up ").count(), 0, "{title}");
        let same = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| assert_same(&before, &sandbox, &title)));
        if let Err(panic) = same {
            let text = panic.downcast_ref::<String>().cloned().unwrap_or_default();
            panic!("{text}\nup killed {faults_up:?}\nwent {going:?}, killed {faults_down:?}");
        }
    }
    assert!(killed > 5, "only {killed} were killed");
    aloud(&format!("twenty labs at once, three times: {was_up} came up, {killed} were killed"));
}
