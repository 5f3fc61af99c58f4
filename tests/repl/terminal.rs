//! A session in a real terminal.

use std::time::{Duration, Instant};

use crate::common::sandbox::Sandbox;
use crate::common::skip;

/// How long a screen may take; a machine with much to do is slow, and not wrong.
const PATIENCE: Duration = Duration::from_secs(20);

/// A terminal in a sandbox, with netlab in it.
struct Terminal<'a> {
    sandbox: &'a Sandbox,
}

impl<'a> Terminal<'a> {
    fn start(sandbox: &'a Sandbox, args: &str) -> Option<Self> {
        if !sandbox.try_sh("command -v tmux").status.success() {
            skip("no tmux, which the prompt is tried in");
            return None;
        }
        let netlab = env!("CARGO_BIN_EXE_netlab");
        // A shell with job control, as at a terminal: Ctrl-C is netlab's alone.
        sandbox.sh(&format!(
            "cd /mnt; TERM=xterm-256color HOME=/mnt TMUX_TMPDIR=/mnt SHELL=/bin/sh NO_COLOR=1 tmux -L t -f /dev/null \
             new-session -d -x 100 -y 50 \"bash -c 'set -m; {netlab} repl {args}; echo ended with \\$?; sleep 1000'\""
        ));
        let terminal = Self { sandbox };
        terminal.shows("netlab>");
        Some(terminal)
    }

    fn tmux(&self, args: &str) -> String {
        self.sandbox.sh(&format!("TMUX_TMPDIR=/mnt tmux -L t {args}"))
    }

    /// Types a text.
    fn types(&self, text: &str) -> &Self {
        // tmux takes a semicolon at the end for its own.
        let text = text.replace('\'', "'\\''");
        let text = text.strip_suffix(';').map_or(text.clone(), |rest| format!("{rest}\\;"));
        self.tmux(&format!("send-keys -l -- '{text}'"));
        self
    }

    /// Presses a key, in the words of tmux.
    fn key(&self, key: &str) -> &Self {
        self.tmux(&format!("send-keys {key}"));
        self
    }

    fn screen(&self) -> String {
        self.tmux("capture-pane -p -S -200").trim_end().to_owned()
    }

    /// Waits until the screen shows a text.
    #[track_caller]
    fn shows(&self, text: &str) -> &Self {
        let begun = Instant::now();
        while !self.screen().contains(text) {
            assert!(begun.elapsed() < PATIENCE, "{text:?} is not shown:\n{}", self.screen());
            std::thread::sleep(Duration::from_millis(30));
        }
        self
    }

    /// Types a line and waits until the prompt is back.
    #[track_caller]
    fn enters(&self, text: &str) -> &Self {
        let before = self.prompts();
        self.types(text).key("Enter");
        let begun = Instant::now();
        while self.prompts() <= before || !self.screen().ends_with("netlab>") {
            assert!(begun.elapsed() < PATIENCE, "no prompt after {text:?}:\n{}", self.screen());
            std::thread::sleep(Duration::from_millis(30));
        }
        self
    }

    fn prompts(&self) -> usize {
        self.screen().matches("netlab>").count()
    }
}

#[test]
fn completion() {
    let Some(sandbox) = Sandbox::new() else { return };
    let Some(terminal) = Terminal::start(&sandbox, "") else { return };
    terminal
        .enters("let a = netns(\"made-now\");")
        .enters("veth(a.port(\"left0\", \"10.0.0.1/24\"), netns(\"other\"));");
    // The methods of the value before the dot, with their help.
    terminal.types("a.forw").key("Tab").key("Tab");
    terminal.shows("ns.forward(on)                  Switches IPv4 forwarding on or off");
    terminal.shows("ns.forward6(on)");
    assert!(!terminal.screen().contains("link.mtu"), "{}", terminal.screen());
    terminal.key("C-c");
    // Names of what is there, also of what was made a moment ago.
    terminal.types("get_netns(\"made").key("Tab").shows("get_netns(\"made-now\"");
    terminal
        .types(")[\"le")
        .key("Tab")
        .shows("[\"left0\"")
        .types("].na")
        .key("Tab")
        .shows("[\"left0\"].name")
        .key("Enter");
    terminal.shows("\nleft0\n");
    terminal.types("a.ping(\"10.0").key("Tab").shows("a.ping(\"10.0.0.1\"").key("C-c");
    terminal.types("made-now ip -br link show le").key("C-c");
    terminal.types("veth(\"x\", \"y\").a.promi").key("C-c");
    // Commands and functions, with what they do.
    terminal.types("checkp").key("Tab").shows("netlab> checkpoint");
    terminal.key("C-c").types("brid").key("Tab").shows("netlab> bridge(").key("C-c");
    terminal.key("C-d").shows("roll back (r), keep it as a lab (k), save as a script (s FILE), or go on (g)?");
    terminal.types("s kept.rhai").key("Enter").shows("wrote kept.rhai").types("r").key("Enter");
    terminal.shows("host unchanged").shows("ended with 0");
    assert_eq!(sandbox.sh("ip netns list"), "");
    assert!(sandbox.sh("cat /mnt/kept.rhai").starts_with("let a = netns(\"made-now\");\nveth("));
}

#[test]
fn several_lines_errors_and_undo() {
    let Some(sandbox) = Sandbox::new() else { return };
    let Some(terminal) = Terminal::start(&sandbox, "") else { return };
    terminal.types("fn f(x) {").key("Enter").types("    x + 1").key("Enter").enters("}");
    terminal.enters("f(41)").shows("\n42\n");
    terminal.enters("let a = netns(\"a\");").enters("a.adr(\"10.0.0.1/24\");");
    terminal.shows(" | a.adr(\"10.0.0.1/24\");\n  |   ^^^\n  help: did you mean `addr`?");
    assert_eq!(sandbox.sh("ip netns list").trim(), "a");
    terminal.enters("undo").shows("undone: let a = netns(\"a\");");
    assert_eq!(sandbox.sh("ip netns list"), "");
    terminal.enters("redo");
    assert_eq!(sandbox.sh("ip netns list").trim(), "a");
    // What was typed before comes back by the arrow, and is remembered by the next session.
    terminal.key("Up").key("Up").shows("netlab> undo").key("C-c");
    terminal.enters("exit rollback-not").shows("exit, exit keep, or exit rollback");
    terminal.types("exit rollback").key("Enter").shows("ended with 0");
    assert!(sandbox.sh("cat /mnt/.local/state/netlab/history").contains("f(41)"));
    assert_eq!(sandbox.sh("ip netns list"), "");
}

/// Ctrl-C ends the statement that runs and undoes it, and never the session.
#[test]
fn interrupted_statements() {
    let Some(sandbox) = Sandbox::new() else { return };
    let Some(terminal) = Terminal::start(&sandbox, "") else { return };
    terminal.enters("let a = netns(\"a\");");
    terminal.types("netns(\"b\"); loop {}").key("Enter");
    while !sandbox.sh("ip netns list").contains('b') {}
    terminal.key("C-c").shows("1 step taken back");
    assert_eq!(sandbox.sh("ip netns list").trim(), "a");
    terminal.enters("veth(a.port(\"eth0\", \"10.0.0.1/24\"), netns(\"silent\"));");
    terminal.types("a.ping(\"10.0.0.2\", #{ timeout: 300 })").key("Enter");
    std::thread::sleep(Duration::from_millis(300));
    let begun = Instant::now();
    terminal.key("C-c").enters("1 + 2").shows("\n3\n");
    assert!(begun.elapsed() < Duration::from_secs(100), "the ping was waited for");
    // Links as they change, until Ctrl-C.
    terminal.types("watch links").key("Enter").shows("a eth0                  up, ");
    sandbox.sh("ip -n a link set eth0 mtu 1333");
    terminal.shows("mtu 1333").key("C-c").enters("3 + 2").shows("\n5\n");
    terminal.types("a sleep 1000").key("Enter");
    std::thread::sleep(Duration::from_millis(300));
    terminal.key("C-c").enters("2 + 2").shows("\n4\n");
    assert!(sandbox.sh("ip netns list").contains("silent"));
    terminal.types("exit keep").key("Enter").shows("`repl` is up").shows("ended with 0");
    sandbox.netlab(&["down"]).ends_with(0);
}

#[test]
fn killed_and_recovered() {
    let Some(sandbox) = Sandbox::new() else { return };
    for signal in ["KILL", "TERM", "HUP"] {
        let Some(terminal) = Terminal::start(&sandbox, "") else { return };
        terminal.enters("let a = netns(\"a\"); bridge(\"br0\");");
        assert!(sandbox.sh("ip netns list; ip -br link show br0").contains("br0"));
        sandbox.sh(&format!("kill -{signal} $(pgrep -x netlab)"));
        terminal.shows("ended with ");
        sandbox.netlab(&["recover"]).ends_with(0);
        assert_eq!(sandbox.sh("ip netns list; ip -br link show type bridge"), "", "{signal}");
        terminal.tmux("kill-server");
    }
}
