//! A setting under /proc/sys/net is written; some settings write others along, which are given back too.

use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::held::Held;
use super::holders::Release;
use super::text::Names;
use super::{After, Change, Context, Failure, Subject, Undone, failed};
use crate::diag::{Code, Diagnostic, KernelError, Result};
use crate::kernel::link::LinkKey;
use crate::kernel::space::NetnsCookie;
use crate::kernel::sysctl;

/// A setting is written.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SysctlSet {
    /// The namespace.
    pub netns: NetnsCookie,
    /// The file.
    pub path: PathBuf,
    /// The new value.
    pub value: String,
    /// What it was, with all that it changes along; empty if the namespace goes with the lab.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub before: Vec<(PathBuf, String)>,
    /// The number by which the lab holds it, if others may need it too.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub held: Option<u64>,
    /// What links held that lose things by it, in a namespace of the lab's own.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub links: Vec<(LinkKey, Held)>,
}

impl SysctlSet {
    fn key(&self) -> String {
        // Two names of one switch: labs that use one each still hold the same thing.
        let all = Path::new(sysctl::ROOT).join("net/ipv4/conf/all/forwarding");
        let is_switch = self.path == Path::new(sysctl::ROOT).join("net/ipv4/ip_forward");
        format!("{} {}", self.netns, if is_switch { &all } else { &self.path }.display())
    }

    fn leaf(&self) -> String {
        self.path.strip_prefix(sysctl::ROOT).unwrap_or(&self.path).display().to_string()
    }

    /// Reads this setting and all that writing it would change along.
    ///
    /// # Errors
    /// `NL0117` if there is no such setting.
    pub fn look(netns: NetnsCookie, path: &Path, ctx: &mut Context<'_>) -> Result<Vec<(PathBuf, String)>> {
        ctx.exists(netns);
        let fd = ctx.kernel.fd(netns).ok_or_else(|| super::gone(netns))?;
        let own = sysctl::read(fd, path).map_err(|e| explain(path, "", e))?;
        let mut values = vec![(path.to_owned(), own)];
        let along = along(path)
            .into_iter()
            .flat_map(|(family, leaf)| sysctl::siblings(fd, family, &leaf).unwrap_or_default())
            .filter(|p| p != path)
            .collect::<Vec<_>>();
        let read = sysctl::read_all(fd, &along).unwrap_or_default();
        values.extend(along.into_iter().zip(read).filter_map(|(path, value)| Some((path, value?))));
        Ok(values)
    }

    fn write(&self, value: &str, ctx: &mut Context<'_>) -> std::result::Result<(), KernelError> {
        let gone = || KernelError::new(format!("write {}", self.path.display()), libc::ENOENT);
        sysctl::write(ctx.kernel.fd(self.netns).ok_or_else(gone)?, &self.path, value)
    }

    /// What of `back` is to be given back, or why nothing is. What somebody set since stays theirs, although the switch
    /// writes over it. `is_begun`: an undo was killed that had begun, so some may be as the switch left them.
    fn decide(
        &self,
        back: &[(PathBuf, String)],
        after: &After,
        is_begun: bool,
        ctx: &mut Context<'_>,
    ) -> Result<std::result::Result<Vec<(PathBuf, String)>, Undone>> {
        let Some((_, value)) = back.first() else { return Ok(Err(Undone::Already)) };
        let now = Self::look(self.netns, &self.path, ctx)?;
        let left: &[(PathBuf, String)] = if let After::Settings(left) = after { left } else { &[] };
        let current = of(&now, &self.path).unwrap_or_default();
        let ours = of(left, &self.path).unwrap_or_else(|| self.value.clone());
        if current != *value && current != ours {
            return Ok(Err(Undone::Theirs(format!("{} was {ours} and is {current} now", self.leaf()))));
        }
        let along = back.iter().skip(1).map(|(path, before)| match (of(&now, path), of(left, path)) {
            (Some(theirs), Some(left)) if theirs != left && !(is_begun && theirs == switched(path, value)) => {
                (path.clone(), theirs)
            }
            _ => (path.clone(), before.clone()),
        });
        Ok(Ok(std::iter::once((self.path.clone(), value.clone())).chain(along).collect()))
    }

    /// Writes what is not so yet: the switch first, since it writes the others along.
    fn write_all(&self, wanted: &[(PathBuf, String)], ctx: &mut Context<'_>) -> Result<Undone> {
        let Some(((_, value), along)) = wanted.split_first() else { return Ok(Undone::Already) };
        let mut changed = false;
        if of(&Self::look(self.netns, &self.path, ctx)?, &self.path).is_some_and(|now| now != *value) {
            self.write(value, ctx).map_err(|e| explain(&self.path, value, e))?;
            changed = true;
        }
        let now = Self::look(self.netns, &self.path, ctx)?;
        for (path, value) in along {
            if of(&now, path).is_some_and(|now| now != *value) {
                let fd = ctx.kernel.fd(self.netns).ok_or_else(|| super::gone(self.netns))?;
                sysctl::write(fd, path, value).map_err(|e| explain(path, value, e))?;
                changed = true;
            }
        }
        Ok(if changed { Undone::Yes } else { Undone::Already })
    }

    fn give_back(&self, back: &[(PathBuf, String)], after: &After, ctx: &mut Context<'_>) -> Result<Undone> {
        match self.decide(back, after, false, ctx)? {
            Ok(wanted) => self.write_all(&wanted, ctx),
            Err(undone) => Ok(undone),
        }
    }

    /// The same for what labs share. What it decides is written down before the switch destroys the grounds.
    fn give_back_held(
        &self,
        seq: u64,
        found: &[(PathBuf, String)],
        after: &After,
        is_begun: bool,
        ctx: &mut Context<'_>,
    ) -> Result<Undone> {
        match self.decide(found, after, is_begun, ctx)? {
            Ok(wanted) => {
                if !is_begun && wanted.len() > 1 {
                    ctx.holders.settle((ctx.lab, seq), &self.key(), wanted.clone())?;
                }
                self.write_all(&wanted, ctx)
            }
            Err(undone) => Ok(undone),
        }
    }
}

impl Change for SysctlSet {
    fn apply(&self, ctx: &mut Context<'_>) -> std::result::Result<After, Failure> {
        ctx.exists(self.netns);
        let _turn = self.held.map(|_| ctx.holders.turn()).transpose().map_err(Failure::clean)?;
        if let Some(seq) = self.held {
            // Looked at again: a lab that goes may have given it back since `before`.
            let found = Self::look(self.netns, &self.path, ctx).map_err(Failure::clean)?;
            ctx.holders.hold((ctx.lab, seq), &self.key(), found).map_err(Failure::partial)?;
        }
        self.write(&self.value, ctx).map_err(|e| Failure::partial(explain(&self.path, &self.value, e)))?;
        if self.before.is_empty() {
            return Ok(After::Nothing);
        }
        Self::look(self.netns, &self.path, ctx).map(After::Settings).map_err(Failure::partial)
    }

    fn undo(&self, after: &After, ctx: &mut Context<'_>) -> Result<Undone> {
        let Some(seq) = self.held else {
            if !ctx.exists(self.netns) {
                return Ok(Undone::Already);
            }
            let undone = self.give_back(&self.before, after, ctx)?;
            for (key, held) in &self.links {
                held.give_back(*key, ctx)?;
            }
            return Ok(undone);
        };
        let (key, _turn) = (self.key(), ctx.holders.turn()?);
        let undone = if !ctx.exists(self.netns) {
            Undone::Already
        } else {
            match ctx.holders.look((ctx.lab, seq), &key)? {
                Release::NotHeld => return Ok(Undone::Already),
                Release::Covered => Undone::Yes,
                Release::Back(found) => self.give_back_held(seq, &found, after, false, ctx)?,
                Release::Settled(wanted) => self.give_back_held(seq, &wanted, after, true, ctx)?,
            }
        };
        ctx.holders.release((ctx.lab, seq), &key)?;
        Ok(undone)
    }

    fn subject(&self) -> Subject {
        Subject::Netns(self.netns, None)
    }

    fn ip(&self, names: &Names) -> Vec<String> {
        vec![format!("{}sysctl -w {}={:?}", names.exec(self.netns), self.leaf(), self.value)]
    }

    fn by_hand(&self, names: &Names) -> Vec<String> {
        let line = |(path, value): &(PathBuf, String)| {
            let leaf = path.strip_prefix(sysctl::ROOT).unwrap_or(path).display().to_string();
            format!("{}sysctl -w {leaf}={value:?}", names.exec(self.netns))
        };
        self.before.first().map(line).into_iter().collect()
    }

    fn rhai(&self, names: &Names) -> String {
        format!("{}.sysctl({:?}, {:?})", names.handle(self.netns), self.leaf(), self.value)
    }
}

fn of(values: &[(PathBuf, String)], path: &Path) -> Option<String> {
    values.iter().find(|(p, _)| p == path).map(|(_, value)| value.clone())
}

/// What a switch that is set to `value` makes of one that changes along, see [`along`].
fn switched(path: &Path, value: &str) -> String {
    match (path.ends_with("accept_redirects"), value) {
        (true, "0") => "1".into(),
        (true, _) => "0".into(),
        (false, value) => value.into(),
    }
}

/// Which groups of settings the kernel writes when this one is written: the families and leaves of conf/*/LEAF.
///
/// `ip_forward` and `conf/all/forwarding` are one switch that writes every link's `forwarding` and turns
/// `accept_redirects` the other way (net/ipv4/devinet.c, `inet_forward_change`). Values of `all` and `default` go to the
/// links as well, for some leaves at once and for others only to links that were never set.
fn along(path: &Path) -> Vec<(&'static str, String)> {
    let parts: Vec<&str> = path.iter().filter_map(|p| p.to_str()).skip(3).collect();
    match parts.as_slice() {
        ["net", "ipv4", "ip_forward"] | ["net", "ipv4", "conf", "all", "forwarding"] => {
            vec![("ipv4", "forwarding".into()), ("ipv4", "accept_redirects".into())]
        }
        ["net", "ipv4", "conf", "all" | "default", leaf] => vec![("ipv4", (*leaf).into())],
        ["net", "ipv6", "conf", "all" | "default", leaf] => vec![("ipv6", (*leaf).into())],
        _ => Vec::new(),
    }
}

/// What a refused setting means.
/// The setting beside it whose name is nearest, as dots write it.
fn nearest_setting(path: &Path) -> Option<String> {
    let (folder, wrong) = (path.parent()?, path.file_name()?.to_str()?);
    let beside = std::fs::read_dir(folder).ok()?.flatten().filter_map(|e| e.file_name().into_string().ok());
    let names: Vec<String> = beside.collect();
    let near = crate::diag::nearest(wrong, names.iter().map(String::as_str))?;
    Some(folder.join(near).strip_prefix(sysctl::ROOT).ok()?.display().to_string().replace('/', "."))
}

fn explain(path: &Path, value: &str, error: KernelError) -> Box<Diagnostic> {
    let leaf = path.strip_prefix(sysctl::ROOT).unwrap_or(path).display().to_string().replace('/', ".");
    match error.errno {
        libc::ENOENT => Diagnostic::new(Code::BadSetting, format!("there is no setting `{leaf}` in this namespace"))
            .help(match nearest_setting(path) {
                Some(near) => format!("did you mean `{near}`?"),
                None => "a setting of a link is there only while the link is, and some exist only on the host".into(),
            })
            .kernel(error),
        libc::EINVAL | libc::ERANGE => {
            Diagnostic::new(Code::BadSetting, format!("setting `{leaf}` does not take the value {value:?}"))
                .kernel(error)
        }
        // A user without privileges has no lab; so root was refused, and it is the setting that cannot be written here.
        libc::EACCES | libc::EPERM if nix::unistd::geteuid().is_root() => {
            Diagnostic::new(Code::BadSetting, format!("setting `{leaf}` cannot be written in this namespace"))
                .help(
                    "it can only be read here: it belongs to the machine as a whole, or is written by the kernel alone",
                )
                .kernel(error)
        }
        _ => failed(&format!("set `{leaf}`"), error),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn which_settings_change_along() {
        let of = |key| along(&sysctl::path(key).unwrap());
        assert_eq!(of("net.ipv4.ip_forward").len(), 2);
        assert_eq!(of("net.ipv6.conf.all.forwarding"), vec![("ipv6", "forwarding".to_owned())]);
        assert_eq!(of("net.ipv4.conf.eth0.forwarding"), vec![]);
        assert_eq!(of("net.core.somaxconn"), vec![]);
    }
}
