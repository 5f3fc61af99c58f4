//! What went wrong, as data: a stable code, a sentence, a hint to type, the kernel's own words, and the place in the script.
//!
//! Text is made where the facts are; how it looks on a terminal or as JSON is decided by [`crate::report`] alone.

use std::fmt;

use serde::{Deserialize, Serialize};

/// The result of everything that can fail for a reason a user should read.
pub type Result<T> = std::result::Result<T, Box<Diagnostic>>;

/// One error, complete enough to be printed, thrown into a script, or written to the journal.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Diagnostic {
    /// What kind of error this is; stable across releases.
    pub code: Code,
    /// One sentence: lower case, names in backticks, no final dot.
    pub message: String,
    /// What to type next.
    pub help: Option<String>,
    /// The kernel's own words, when a system call failed.
    pub kernel: Option<KernelError>,
    /// Where in which script it happened; filled in at the edge to Rhai.
    pub site: Option<Site>,
}

impl Diagnostic {
    /// An error with a code and a sentence; the rest is added by the methods below.
    pub fn new(code: Code, message: impl Into<String>) -> Box<Self> {
        Box::new(Self { code, message: message.into(), help: None, kernel: None, site: None })
    }

    /// Adds what the user should type next.
    pub fn help(mut self: Box<Self>, help: impl Into<String>) -> Box<Self> {
        self.help = Some(help.into());
        self
    }

    /// Adds the kernel's words.
    pub fn kernel(mut self: Box<Self>, kernel: KernelError) -> Box<Self> {
        self.kernel = Some(kernel);
        self
    }

    /// Adds the place in the script, unless a deeper layer knew it already.
    pub fn at(mut self: Box<Self>, site: Site) -> Box<Self> {
        self.site.get_or_insert(site);
        self
    }
}

impl fmt::Display for Diagnostic {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.message)?;
        if let Some(kernel) = &self.kernel {
            write!(f, " ({kernel})")?;
        }
        Ok(())
    }
}

impl std::error::Error for Diagnostic {}

/// A failed system call: which, the errno, and the extended-ACK text if the kernel sent one.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct KernelError {
    /// The request in the kernel's name for it, for example `RTM_NEWLINK` or `open /proc/sys/…`.
    pub request: String,
    /// The errno, positive.
    pub errno: i32,
    /// The extended-ACK text (`NLMSGERR_ATTR_MSG`), which many errors lack.
    pub text: Option<String>,
}

impl KernelError {
    /// A failed call without an extended ACK.
    pub fn new(request: impl Into<String>, errno: i32) -> Self {
        Self { request: request.into(), errno, text: None }
    }

    /// The same from a standard library error; errors without an errno count as `EIO`.
    pub fn from_io(request: impl Into<String>, error: &std::io::Error) -> Self {
        Self::new(request, error.raw_os_error().unwrap_or(libc::EIO))
    }
}

impl fmt::Display for KernelError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let name = nix::errno::Errno::from_raw(self.errno);
        // `Errno::desc` is wrong for two of them, so the C library's words are taken.
        let words = std::io::Error::from_raw_os_error(self.errno).to_string();
        let words = words.split(" (os error").next().unwrap_or_default();
        write!(f, "{} → {name:?}: {words}", self.request)?;
        match &self.text {
            Some(text) => write!(f, " — {text}"),
            None => Ok(()),
        }
    }
}

/// A place in a script.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Site {
    /// The script's path as it was given, or `<name>` for what has no file.
    pub file: String,
    /// Line, from 1.
    pub line: usize,
    /// Column in characters, from 1.
    pub column: usize,
}

impl fmt::Display for Site {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}:{}", self.file, self.line, self.column)
    }
}

/// The kinds of error; the number is what users see (`NL0101`) and never changes its meaning.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[repr(u16)]
pub enum Code {
    /// The name of a link, namespace or file is taken.
    NameTaken = 101,
    /// A name that the kernel would refuse or change.
    BadName = 102,
    /// An address that cannot be read, or lacks its prefix length.
    BadAddress = 103,
    /// A gateway that is in no network of the namespace.
    GatewayUnreachable = 104,
    /// No such link.
    NoSuchLink = 105,
    /// A number out of its range: VLAN id, VNI, MTU, metric.
    OutOfRange = 106,
    /// The address is there already.
    AddressTaken = 107,
    /// No such namespace.
    NoSuchNetns = 108,
    /// The process lacks a privilege.
    NotPermitted = 109,
    /// No such address, route, rule or neighbour.
    NoSuchEntry = 110,
    /// The route, rule or neighbour is there already.
    EntryTaken = 111,
    /// A destination with host bits, or one that cannot be read.
    BadDestination = 112,
    /// An address on a bridge port, where it does not work.
    AddressOnPort = 113,
    /// A MAC address that cannot be read or used.
    BadMac = 114,
    /// The thing belongs to somebody else: it was there before, or is another lab's.
    NotOurs = 115,
    /// A handle whose object is gone.
    HandleGone = 116,
    /// A setting under /proc/sys/net that is not there or refuses the value.
    BadSetting = 117,
    /// A wrong option key or a value of the wrong kind.
    BadOption = 118,
    /// A file that cannot be read or written.
    BadFile = 119,
    /// A program that cannot be started.
    BadProgram = 120,
    /// The object is in use.
    Busy = 121,
    /// The kernel refused for a reason that only its own words tell.
    Refused = 122,
    /// It could not be given back exactly, or would cut off whoever runs this; `--force` does it all the same.
    CannotComeBack = 123,
    /// Whoever runs the script did not allow it that.
    Forbidden = 130,
    /// No DHCP server gave a lease.
    NoLease = 128,
    /// No such container, container network or machine, or one that does not run.
    NoSuchContainer = 124,
    /// No such image, or folder to run a machine from.
    NoSuchImage = 125,
    /// The daemon refused for a reason that only its own words tell.
    DaemonRefused = 126,

    /// The script does not parse.
    Parse = 201,
    /// A function or method that does not exist.
    UnknownFunction = 202,
    /// A variable that does not exist.
    UnknownVariable = 203,
    /// Arguments of the wrong types.
    WrongArguments = 204,
    /// A word of the language used as a name.
    ReservedWord = 205,
    /// A runtime error of the language itself.
    Runtime = 206,
    /// A limit on operations, depth or size was reached.
    Limit = 207,
    /// A module that cannot be imported.
    BadImport = 208,
    /// The script threw something of its own.
    Thrown = 209,
    /// Wrong usage of the command line.
    Usage = 210,
    /// The script file cannot be read.
    NoScript = 211,

    /// An expectation of the script was not met.
    ExpectFailed = 301,
    /// A probe could not be made at all.
    ProbeFailed = 302,
    /// A plan ends: what follows depends on what only a run can tell.
    Untold = 303,

    /// This kernel lacks a feature.
    NoFeature = 401,
    /// The machine is not as netlab needs it.
    Environment = 402,

    /// A lab of this name exists already.
    LabExists = 501,
    /// No such lab.
    NoSuchLab = 502,
    /// Another netlab works on this lab now.
    LabBusy = 503,
    /// A journal that cannot be read or was written by another version.
    BadJournal = 504,
    /// The undo is incomplete.
    Stuck = 505,
    /// A signal ended the run.
    Interrupted = 506,
    /// The time limit was reached.
    Timeout = 507,

    /// `why`: a namespace on the way has no route to the destination.
    WhyNoRoute = 601,
    /// `why`: a link on the way is down.
    WhyLinkDown = 602,
    /// `why`: a namespace on the way gets the packet and does not pass it on.
    WhyNotForwarding = 603,
    /// `why`: the packet arrives, but on the way back a namespace has no route.
    WhyNoReturnRoute = 604,
    /// `why`: a link is up, and its other end is down.
    WhyPeerDown = 605,
    /// `why`: a link is up and has no carrier.
    WhyNoCarrier = 606,
    /// `why`: an address has a prefix length that does not fit its wire.
    WhyWrongPrefix = 607,
    /// `why`: nobody on the wire has the gateway's address.
    WhyWrongGateway = 608,
    /// `why`: no namespace has the destination's address.
    WhyNobodyHas = 609,
    /// `why`: the namespace that is asked for has no address.
    WhyNoAddress = 610,
    /// `why`: several namespaces on one wire have the same address.
    WhyDuplicate = 611,
    /// `why`: a route or rule refuses the packet (`blackhole`, `unreachable`, `prohibit`).
    WhyRefused = 612,
    /// `why`: a bridge on the way is down.
    WhyBridgeDown = 613,
    /// `why`: a wire ends beside a bridge, not in it.
    WhyNotAPort = 614,
    /// `why`: a port of a bridge does not forward.
    WhyPortBlocked = 615,
    /// `why`: two ports of a bridge are isolated from each other.
    WhyIsolated = 616,
    /// `why`: a neighbour entry holds the wrong Ethernet address.
    WhyWrongNeighbour = 617,
    /// `why`: the source address is refused on the link that it comes in by (`rp_filter`).
    WhyReversePath = 618,
    /// `why`: a packet comes in whose source address is the namespace's own, or one that no packet may have.
    WhyMartian = 619,
    /// `why`: the destination is told not to answer pings.
    WhyEchoIgnored = 620,
    /// `why`: the packet is bigger than a link on the way takes.
    WhyTooBig = 621,
    /// `why`: nothing listens on the port.
    WhyNobodyListens = 622,
    /// `why`: `lo` is down, which a namespace needs to reach itself.
    WhyLoopbackDown = 623,
    /// `why`: the packet goes in a circle.
    WhyLoop = 624,
    /// `why`: two links are in the same network, but on different wires.
    WhyApart = 625,
    /// `why`: a namespace is told not to answer for its address (`arp_ignore`, `arp off`).
    WhyArpSilent = 626,
    /// `why`: a macvlan link does not talk to its parent, or to its siblings.
    WhyMacvlan = 627,
    /// `why`: packets leave by a link that is a port of a bridge, so that no answer comes back to it.
    WhyAddressOnPort = 628,
    /// `why`: an address cannot be used yet, or was found taken.
    WhyAddressNotReady = 629,
    /// `why`: it does not get through, and the cause was not found.
    WhyUnknown = 690,

    /// There are warnings, and none was to be.
    Warned = 700,
    /// A warning: an address that belongs to somebody on the internet.
    PublicAddress = 701,
    /// A warning: two links of one namespace in networks that overlap.
    Overlap = 702,
    /// A warning: one address twice on a wire.
    DuplicateAddress = 703,
    /// A warning: an address that went when its link was moved.
    LostAddress = 704,
    /// A warning: a route by a link that is down, or whose other end is.
    DeadGateway = 705,
    /// A warning: a wire whose ends take packets of different sizes.
    MtuMismatch = 706,
    /// A warning: a bridge with ports that is down.
    BridgeDown = 707,

    /// A file that is no proper exercise.
    BadExercise = 801,
    /// No such exercise, or none that has been started.
    NoSuchExercise = 802,

    /// A bug in netlab itself.
    Internal = 901,
}

impl Code {
    /// Whether it is a warning: nothing has failed.
    pub fn is_warning(self) -> bool {
        (Code::PublicAddress as u16..=Code::BridgeDown as u16).contains(&(self as u16))
    }

    /// The exit code that an uncaught error of this kind ends `netlab` with.
    pub fn exit_code(self) -> u8 {
        match self {
            Code::Parse
            | Code::UnknownFunction
            | Code::UnknownVariable
            | Code::ReservedWord
            | Code::Usage
            | Code::NoScript
            | Code::LabExists
            | Code::NoSuchLab
            | Code::BadExercise
            | Code::NoSuchExercise => 2,
            Code::NotPermitted | Code::NoFeature | Code::Environment => 3,
            Code::Stuck => 4,
            Code::Timeout => 124,
            _ => 1,
        }
    }
}

impl fmt::Display for Code {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "NL{:04}", *self as u16)
    }
}

/// The name most like a misspelt one, if one is near enough to be meant.
pub fn nearest<'a>(wrong: &str, names: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let near = |name: &&str| strsim::damerau_levenshtein(wrong, name);
    let best = names.into_iter().min_by_key(near)?;
    let length = wrong.chars().count();
    // Of a name of one letter nothing would be left.
    (near(&best) <= 1 + length / 4 && near(&best) < length).then_some(best)
}
