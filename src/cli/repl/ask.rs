//! What is asked at the prompt and changes nothing, and programs that are started in a namespace.

use std::fs::File;
use std::io::Write;
use std::os::fd::AsRawFd;
use std::process::Command;

use nix::sys::memfd::{MFdFlags, memfd_create};
use rhai::Dynamic;

use super::session::{Session, usage};
use super::values;
use super::words::WORDS;
use crate::cli::netns;
use crate::diag::{Code, Diagnostic, KernelError, Result, nearest};
use crate::report::Sources;
use crate::script::reference;
use crate::script::values::Of;
use crate::types::address::ip;

impl Session {
    /// Runs a question that is no statement of the user's.
    pub(super) fn ask(&mut self, call: &str) {
        let state = self.live.state();
        let result = self.live.run("<prompt>", call);
        self.live.set_state(state);
        match result {
            Ok(value) => {
                if let Some(text) = values::text(&self.live, &value) {
                    self.record.say(&text);
                }
            }
            Err(trace) => {
                self.live.stop().reset();
                self.tell(&trace, &Sources::new("<prompt>", call));
            }
        }
    }

    /// A namespace by the name of a variable or its own, as a script would write it.
    pub(super) fn meant(&self, name: &str) -> Result<String> {
        let variables = self.live.variables();
        if variables.iter().any(|(known, of)| known == name && matches!(of, Some(Of::Netns | Of::Link))) {
            return Ok(name.to_owned());
        }
        let names = netns::names();
        if names.iter().any(|known| known == name) {
            return Ok(format!("get_netns({name:?})"));
        }
        let known = variables.iter().filter(|(_, of)| *of == Some(Of::Netns)).map(|(name, _)| name.as_str());
        let near = nearest(name, known.chain(names.iter().map(String::as_str)));
        let error = Diagnostic::new(Code::NoSuchNetns, format!("there is no namespace `{name}`"));
        Err(match near {
            Some(near) => error.help(format!("did you mean `{near}`?")),
            None => error.help(netns::which(&names)),
        })
    }

    /// The same, or an address.
    pub(super) fn target(&self, name: &str) -> Result<String> {
        if ip(name).is_ok() { Ok(format!("{name:?}")) } else { self.meant(name) }
    }

    /// `ns1 ping ns2`, and any program.
    pub(super) fn there(&mut self, place: &str, words: &[String]) -> Result<()> {
        let from = self.meant(place)?;
        if let [word, to] = words
            && word == "ping"
            && !to.starts_with('-')
        {
            let call = format!("{from}.ping({})", self.target(to)?);
            self.ask(&call);
            return Ok(());
        }
        let value = self.live.value(place);
        let handle = value.and_then(|value| self.live.handle(&value)).unwrap_or(from);
        // Its name, where the variable is called otherwise.
        let name = handle.split('"').nth(1).unwrap_or("host").to_owned();
        let mut command = Command::new("/proc/self/exe");
        match words {
            [word] if word == "sh" => command.args(["shell", &name]),
            _ => command.args(["exec", &name, "--"]).args(words),
        };
        let may = self.live.with_lab(|lab| lab.permissions.programs)?;
        if !may {
            return Err(Diagnostic::new(Code::Forbidden, "programs are not allowed here: --no-exec"));
        }
        // What is recorded is printed by us, and so no terminal for the program.
        let ended = if self.record.is_on() {
            command.output().map(|output| {
                for bytes in [output.stdout, output.stderr] {
                    let text = String::from_utf8_lossy(&bytes);
                    if !text.is_empty() {
                        self.record.say(text.trim_end());
                    }
                }
                output.status
            })
        } else {
            command.status()
        };
        self.live.stop().reset();
        match ended {
            Ok(status) => self.failed = !status.success(),
            Err(e) => {
                return Err(crate::action::failed(
                    &format!("start `{}`", words.join(" ")),
                    KernelError::from_io("execve", &e),
                ));
            }
        }
        Ok(())
    }

    /// Plans a statement in a sandbox that is thrown away, with what is there as it is.
    pub(super) fn explain(&mut self, statement: &str) -> Result<()> {
        if statement.is_empty() {
            return Err(usage("say what: explain veth(\"a\", \"b\")"));
        }
        let mut script = String::new();
        for (name, _) in self.live.variables() {
            let value = self.live.value(&name).filter(|_| name != "host" && name != "args");
            if let Some(text) = value.and_then(|value| self.live.handle(&value).or_else(|| literal(&value))) {
                script.push_str(&format!("let {name} = {text}; "));
            }
        }
        for function in self.functions() {
            script.push_str(&function);
            script.push(' ');
        }
        script.push_str(statement);
        let failed = |e: &std::io::Error| crate::action::failed("plan it", KernelError::from_io("memfd_create", e));
        // A file without a name: nobody can put another in its place.
        let mut file = File::from(memfd_create(c"statement", MFdFlags::empty()).map_err(|e| failed(&e.into()))?);
        let path = format!("/proc/self/fd/{}", file.as_raw_fd());
        let output = file
            .write_all(script.as_bytes())
            .and_then(|()| Command::new("/proc/self/exe").arg("plan").arg(&path).output())
            .map_err(|e| failed(&e))?;
        self.failed = !output.status.success();
        let clean = |bytes: &[u8]| String::from_utf8_lossy(bytes).replace(&path, "<statement>");
        let text = clean(&output.stdout);
        // Of the last lines only what matters here: the number of steps is seen.
        let told: Vec<&str> =
            text.lines().filter(|l| !l.starts_with("plan of") && !l.starts_with("  needs root")).collect();
        if !told.is_empty() {
            self.record.say(&told.join("\n"));
        }
        let complaint = clean(&output.stderr);
        if !complaint.trim().is_empty() {
            self.record.note(complaint.trim_end());
        }
        Ok(())
    }

    pub(super) fn vars(&mut self) {
        let mut lines = Vec::new();
        for (name, _) in self.live.variables() {
            let Some(value) = self.live.value(&name).filter(|_| name != "args") else { continue };
            let kind = crate::script::values::kind(&value);
            let handle = self.live.handle(&value).filter(|handle| *handle != name);
            lines.push(format!("{name}: {kind}{}", handle.map_or_else(String::new, |handle| format!(", {handle}"))));
        }
        lines.extend(self.live.functions().into_iter().map(|call| format!("fn {call}")));
        self.record.say(&lines.join("\n"));
    }

    pub(super) fn ping_all(&mut self) -> Result<()> {
        let names = self.live.with_lab(|lab| {
            let named = lab.objects.named_netns().filter_map(|ns| ns.name.as_ref());
            named.map(|name| format!("get_netns({:?})", name.as_str())).collect::<Vec<_>>()
        })?;
        if names.len() < 2 {
            return Err(usage("it takes two namespaces that this session knows"));
        }
        self.ask(&format!("pingall([{}])", names.join(", ")));
        Ok(())
    }

    pub(super) fn help(&mut self, name: &str) -> Result<()> {
        let name = name.trim_matches(['(', ')', ';', '"']);
        if name.is_empty() {
            let mut lines: Vec<String> = WORDS
                .iter()
                .map(|(word, _, rest, about)| format!("  {:<28}{about}", format!("{word} {rest}")))
                .collect();
            lines.insert(
                0,
                "Statements are run at once; one that fails leaves nothing. Tab completes, and shows what there is."
                    .into(),
            );
            lines.extend([
                "  NS ping NS".to_owned() + "                  one namespace pings another, by their names",
                "  NS sh, NS COMMAND".to_owned() + "           your shell, or a program, in a namespace",
                String::new(),
                "Begin with: let a = netns(\"a\"); let b = netns(\"b\");".into(),
                "            veth(a.port(\"eth0\", \"10.0.0.1/24\"), b.port(\"eth0\", \"10.0.0.2/24\"));".into(),
                "            a ping b".into(),
            ]);
            self.record.say(&lines.join("\n"));
            return Ok(());
        }
        if let Some(explained) = crate::script::codes::find(name) {
            self.record.say(&format!("{}  {}\n\n{}", explained.code, explained.title, explained.text));
            return Ok(());
        }
        let entries = reference::entries();
        let found: Vec<_> = entries.iter().filter(|e| e.name == name).collect();
        if found.is_empty() {
            let error = usage(&format!("there is no function `{name}`"));
            return Err(match nearest(name, entries.iter().map(|e| e.name)) {
                Some(near) => error.help(format!("did you mean `{near}`?")),
                None => error.help("`netlab docs` lists all"),
            });
        }
        let texts: Vec<String> =
            found.iter().map(|e| format!("{}  →  {}\n\n{}", e.signature, e.gives, e.doc)).collect();
        self.record.say(&texts.join("\n\n"));
        Ok(())
    }
}

/// A plain value as a script writes it.
fn literal(value: &Dynamic) -> Option<String> {
    if let Ok(text) = value.clone().into_string() {
        return Some(format!("{text:?}"));
    }
    (value.is_int() || value.is_bool()).then(|| value.to_string())
}
