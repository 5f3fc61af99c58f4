//! Daemons that do not answer, or not as Docker does: the run ends in its time, with a reason.

use std::time::{Duration, Instant};

use nix::sys::signal::Signal;

use crate::house::House;

/// A socket that takes connections and answers each with `text`, or with nothing for ever.
fn daemon(house: &House, text: &str) {
    let line = format!(
        r#"
        cat >/run/daemon.py <<'X'
import socket, sys, time
s = socket.socket(socket.AF_UNIX); s.bind("/run/docker.sock"); s.listen(5); open("/run/ready", "w")
kept = []
while True:
    c, _ = s.accept(); c.recv(65536)
    if sys.argv[1]: c.sendall(sys.argv[1].encode().decode("unicode_escape").encode("latin1")); c.close()
    else: kept.append(c)
X
        rm -f /run/docker.sock /run/ready; python3 /run/daemon.py '{text}' >/dev/null 2>&1 &
        until [ -e /run/ready ]; do sleep 0.05; done
        "#
    );
    house.sh(&line);
}

#[test]
fn one_that_never_answers() {
    let Some(house) = House::new() else { return };
    daemon(&house, "");
    house.sandbox.write("/run/x.rhai", r#"print("begun"); docker_images();"#);
    let begun = Instant::now();
    let run = house.sandbox.netlab(&["run", "--quiet", "--timeout", "1", "/run/x.rhai"]).ends_with(124);
    assert!(run.stderr.contains("error[NL0507]: the time limit was reached"), "{run}");
    assert!(begun.elapsed() < Duration::from_secs(5), "{:?}", begun.elapsed());
    let mut run = house.sandbox.start_netlab(&["run", "/run/x.rhai"]);
    run.wait_for("begun");
    std::thread::sleep(Duration::from_millis(300));
    let begun = Instant::now();
    run.signal(Signal::SIGINT);
    let run = run.end();
    assert_eq!(run.code, Some(130), "{run}");
    assert!(begun.elapsed() < Duration::from_secs(3), "{:?}", begun.elapsed());
}

/// Asked to make something, it may have done so: that is said, with what a person can type.
#[test]
fn one_that_never_says_whether_it_did() {
    let Some(house) = House::new() else { return };
    daemon(&house, "");
    house.sandbox.write("/run/x.rhai", r#"docker_run("web", #{ image: "busybox" });"#);
    let begun = Instant::now();
    let run = house.sandbox.netlab(&["run", "--quiet", "--timeout", "1", "/run/x.rhai"]).ends_with(4);
    assert!(run.stderr.contains("docker rm -f web"), "{run}");
    assert!(begun.elapsed() < Duration::from_secs(40), "{:?}", begun.elapsed());
}

#[test]
fn ones_that_answer_something_else() {
    let Some(house) = House::new() else { return };
    let cases = [
        ("SSH-2.0-OpenSSH\\r\\n", "does not answer as Docker does: this is no HTTP"),
        (
            "HTTP/1.1 200 OK\\r\\nContent-Length: 100\\r\\n\\r\\nshort",
            "does not answer as Docker does: the answer has no end",
        ),
        (
            "HTTP/1.1 200 OK\\r\\nTransfer-Encoding: chunked\\r\\n\\r\\nffffffffff\\r\\n",
            "does not answer as Docker does: a chunk that is too long",
        ),
        (
            "HTTP/1.1 500 Oops\\r\\nContent-Length: 2\\r\\n\\r\\n{}",
            "error[NL0126]: cannot list the images: no reason given",
        ),
        ("HTTP/1.1 503 No\\r\\nContent-Length: 6\\r\\n\\r\\nbusy.\\n", "error[NL0126]: cannot list the images: busy"),
    ];
    for (answer, said) in cases {
        daemon(&house, answer);
        let run = house.run("docker_images();");
        assert!(matches!(run.code, Some(1 | 3)) && run.stderr.contains(said), "{answer}: {run}");
    }
    // JSON that is something else is nothing of what was asked for.
    daemon(&house, "HTTP/1.1 200 OK\\r\\nContent-Length: 7\\r\\n\\r\\n[1,2,3]");
    house.run("expect(docker_images() == []);").ends_with(0);
    house.down();
    let run = house.run(r#"docker("web");"#).ends_with(1);
    assert!(run.stderr.contains("there is no container `web`"), "{run}");
}
