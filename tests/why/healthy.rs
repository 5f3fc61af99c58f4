//! A network in which nothing is wrong: `why` says yes, and nothing else.

use super::common::side_by_side;
use super::shapes::{ALL, LINE};
use super::{built, ping, why};

#[test]
fn every_shape_is_healthy() {
    side_by_side(ALL.to_vec(), |shape| {
        let Some(sandbox) = built(&shape) else { return };
        let (code, said) = why(&sandbox, &format!("{} {}", shape.from, shape.to));
        assert!(ping(&sandbox, shape.from, shape.to, ""), "{}: the network itself is broken", shape.name);
        assert_eq!(code, 0, "{}: {said:#}", shape.name);
        assert_eq!(
            (&said["cause"], said["more"].as_array().map(Vec::len)),
            (&serde_json::Value::Null, Some(0)),
            "{said:#}"
        );
        assert_eq!(said["ok"], true);
        // The other way round as well.
        if shape.from != "host" {
            let owner = said["netns"].as_str().unwrap().to_owned();
            let (code, said) = why(&sandbox, &format!("{owner} {}", shape.from));
            assert_eq!(code, 0, "{} back: {said:#}", shape.name);
        }
    });
}

#[test]
fn whom_one_may_ask_for() {
    let Some(sandbox) = built(&LINE) else { return };
    // An address of one's own, a neighbour, the router, with sizes and ports.
    for args in ["ns1 10.0.1.10", "ns1 ns4", "ns1 ns2", "ns1 127.0.0.1", "ns1 ns3 --size 1472", "ns1 ns1"] {
        let (code, said) = why(&sandbox, args);
        assert_eq!(code, 0, "{args}: {said:#}");
    }
    for (port, kind) in [("--tcp 80", "NL0622"), ("--udp 53", "NL0622")] {
        let (code, said) = why(&sandbox, &format!("ns1 ns3 {port}"));
        assert_eq!((code, said["code"].as_str()), (1, Some(kind)), "{said:#}");
    }
    // The same packet without the order not to fragment it gets there in pieces.
    let (code, said) = why(&sandbox, "ns1 ns3 --size 1473");
    assert_eq!((code, said["code"].as_str()), (1, Some("NL0621")), "{said:#}");
}
