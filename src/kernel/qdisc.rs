//! Queueing disciplines: netem, which makes a wire slow and bad (`net/sched/sch_netem.c`, tc-netem(8)).

use serde::{Deserialize, Serialize};

use super::raw::{Attribute, Raw};

/// What netem does to the packets that leave by a link.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct NetemSpec {
    /// How much later they leave, in nanoseconds.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub delay: Option<u64>,
    /// By how much that varies, in nanoseconds.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub jitter: Option<u64>,
    /// The share that is lost, in percent.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub loss: Option<f64>,
    /// The share that is sent twice, in percent.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub duplicate: Option<f64>,
    /// The share in which a bit is changed, in percent.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub corrupt: Option<f64>,
    /// The share that is not delayed, and so overtakes others, in percent.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reorder: Option<f64>,
    /// The most that is sent, in bits per second.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub rate: Option<u64>,
    /// How many packets wait at most; 1000 if not said.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub limit: Option<u32>,
}

// No share is NaN: each was compared with its bounds.
impl Eq for NetemSpec {}

const RTM_NEWQDISC: u16 = 36;
const RTM_DELQDISC: u16 = 37;
/// `TC_H_ROOT`, and `TCA_KIND` and `TCA_OPTIONS` of linux/rtnetlink.h.
const ROOT: u32 = 0xffff_ffff;
const KIND: u16 = 1;
const OPTIONS: u16 = 2;
/// `TCA_NETEM_*` of linux/pkt_sched.h.
const REORDER: u16 = 3;
const CORRUPT: u16 = 4;
const RATE: u16 = 6;
const RATE64: u16 = 8;
const LATENCY64: u16 = 10;
const JITTER64: u16 = 11;
const LIMIT: u32 = 1000;

/// The message that puts it at the root of a link, in the place of what is there.
pub fn netem(index: u32, spec: &NetemSpec) -> Raw {
    // `struct tc_netem_qopt`: latency and jitter in ticks, which LATENCY64 and JITTER64 say better.
    let mut options = Vec::new();
    let gap = u32::from(spec.reorder.is_some());
    for word in [0, spec.limit.unwrap_or(LIMIT), share(spec.loss), gap, share(spec.duplicate), 0] {
        options.extend(word.to_ne_bytes());
    }
    let mut attributes = Vec::new();
    // A probability, and how much one packet's lot depends on that of the one before.
    let chance = |percent: f64| [share(Some(percent)).to_ne_bytes(), [0; 4]].concat();
    attributes.extend(spec.reorder.map(|percent| Attribute::new(REORDER, chance(percent))));
    attributes.extend(spec.corrupt.map(|percent| Attribute::new(CORRUPT, chance(percent))));
    if let Some(bits) = spec.rate {
        let bytes = bits / 8;
        if bytes > u64::from(u32::MAX) {
            attributes.push(Attribute::new(RATE64, bytes.to_ne_bytes().to_vec()));
        }
        // `struct tc_netem_rate`: the rate, and overheads of packets and cells.
        let word = u32::try_from(bytes).unwrap_or(u32::MAX);
        attributes.push(Attribute::new(RATE, [word.to_ne_bytes().as_slice(), &[0; 12]].concat()));
    }
    attributes.extend(spec.delay.map(|nanos| Attribute::new(LATENCY64, nanos.to_ne_bytes().to_vec())));
    attributes.extend(spec.jitter.map(|nanos| Attribute::new(JITTER64, nanos.to_ne_bytes().to_vec())));
    options.extend(super::raw::encode(&attributes));
    let mut message = root(RTM_NEWQDISC, index);
    message.attributes = vec![Attribute::text(KIND, "netem"), Attribute::new(OPTIONS, options)];
    message
}

/// The message that takes away what is at the root of a link: the kernel puts its own there again.
pub fn delete(index: u32) -> Raw {
    root(RTM_DELQDISC, index)
}

/// What a netem at the root of a link does, from the kernel's own message, each word left out that says nothing; `None` for
/// another discipline, or a netem that does what this type cannot say.
pub fn read(message: &Raw) -> Option<NetemSpec> {
    /// `TCA_NETEM_CORR`, `_DELAY_DIST`, `_LOSS`, `_SLOT` and their like, which netlab does not set.
    const OTHERS: [u16; 5] = [2, 5, 7, 9, 12];
    let is_netem = message.get(KIND).is_some_and(|kind| kind.string() == "netem");
    let options = &message.get(OPTIONS).filter(|_| is_netem && message.header_u32(12) == ROOT)?.value;
    let word = |bytes: &[u8], at: usize| bytes.get(at..at + 4).and_then(|b| b.try_into().ok()).map(u32::from_ne_bytes);
    let long = |bytes: &[u8]| bytes.get(..8).and_then(|b| b.try_into().ok()).map(u64::from_ne_bytes);
    let [limit, loss, duplicate] = [word(options, 4)?, word(options, 8)?, word(options, 16)?];
    let mut spec = NetemSpec {
        limit: Some(limit).filter(|limit| *limit != LIMIT),
        loss: percent(loss),
        duplicate: percent(duplicate),
        ..NetemSpec::default()
    };
    for attribute in super::raw::decode(options.get(24..)?) {
        let value = attribute.value.as_slice();
        match attribute.kind {
            REORDER => spec.reorder = word(value, 0).and_then(percent),
            CORRUPT => spec.corrupt = word(value, 0).and_then(percent),
            RATE if spec.rate.is_none() => {
                spec.rate = word(value, 0).filter(|bytes| *bytes != 0).map(|bytes| u64::from(bytes) * 8);
            }
            RATE64 => spec.rate = long(value).map(|bytes| bytes * 8),
            LATENCY64 => spec.delay = long(value).filter(|nanos| *nanos != 0),
            JITTER64 => spec.jitter = long(value).filter(|nanos| *nanos != 0),
            kind if OTHERS.contains(&kind) && value.iter().any(|byte| *byte != 0) && kind != 5 => return None,
            _ => {}
        }
    }
    Some(spec)
}

fn root(kind: u16, index: u32) -> Raw {
    let mut message = Raw { kind, header: vec![0; 20], attributes: Vec::new() };
    message.set_header_u32(4, index);
    message.set_header_u32(12, ROOT);
    message
}

/// A share as netem counts it: of 2^32 - 1.
fn share(percent: Option<f64>) -> u32 {
    percent.map_or(0, |percent| (percent / 100.0 * f64::from(u32::MAX)).round() as u32)
}

/// The same back: the shortest number of percent that comes to this share; nothing for none.
fn percent(counted: u32) -> Option<f64> {
    let exact = f64::from(counted) / f64::from(u32::MAX) * 100.0;
    let rounded = (0..8).filter_map(|digits| format!("{exact:.digits$}").parse::<f64>().ok());
    let shortest = rounded.into_iter().find(|rounded| share(Some(*rounded)) == counted);
    (counted > 0).then(|| shortest.unwrap_or(exact))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Written by hand from pkt_sched.h, as `tc qdisc replace dev … root netem delay 10ms loss 50% rate 8mbit` means it.
    #[test]
    fn as_the_kernel_reads_it() {
        let spec =
            NetemSpec { delay: Some(10_000_000), loss: Some(50.0), rate: Some(8_000_000), ..NetemSpec::default() };
        let bytes = netem(7, &spec).payload();
        let is: Vec<String> = bytes.iter().map(|b| format!("{b:02x}")).collect();
        let wanted = "00 00 00 00 07 00 00 00 00 00 00 00 ff ff ff ff 00 00 00 00 \
                      0a 00 01 00 6e 65 74 65 6d 00 00 00 \
                      3c 00 02 00 00 00 00 00 e8 03 00 00 00 00 00 80 00 00 00 00 00 00 00 00 00 00 00 00 \
                      14 00 06 00 40 42 0f 00 00 00 00 00 00 00 00 00 00 00 00 00 \
                      0c 00 0a 00 80 96 98 00 00 00 00 00";
        assert_eq!(is.join(" "), wanted);
        assert_eq!(share(Some(100.0)), u32::MAX);
        assert_eq!(read(&netem(7, &spec)), Some(spec));
        assert_eq!(percent(share(Some(0.3))), Some(0.3));
    }
}
