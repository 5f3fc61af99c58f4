//! A setting under /proc/sys/net is written; some settings write others along.

use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::text::Names;
use super::{After, Change, Context, Failure, Subject, failed};
use crate::diag::{Code, Diagnostic, KernelError, Result};
use crate::kernel::link::LinkKey;
use crate::kernel::space::NetnsCookie;
use crate::kernel::sysctl;
use crate::snapshot::group::Of;
use crate::snapshot::scope::Touch;
use crate::snapshot::{link, setting};

/// A setting is written.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SysctlSet {
    /// The namespace.
    pub netns: NetnsCookie,
    /// The file.
    pub path: PathBuf,
    /// The new value.
    pub value: String,
}

impl SysctlSet {
    /// Its name as sysctl(8) writes it: a dot of a link's name is a slash.
    fn leaf(&self) -> String {
        let path = self.path.strip_prefix(sysctl::ROOT).unwrap_or(&self.path).display().to_string();
        path.chars()
            .map(|c| {
                if c == '/' {
                    '.'
                } else if c == '.' {
                    '/'
                } else {
                    c
                }
            })
            .collect()
    }

    /// Reads a setting.
    ///
    /// # Errors
    /// `NL0117` if there is no such setting.
    pub fn look(netns: NetnsCookie, path: &Path, ctx: &mut Context<'_>) -> Result<String> {
        ctx.exists(netns);
        let fd = ctx.kernel.fd(netns).ok_or_else(|| super::gone(netns))?;
        sysctl::read(fd, path).map_err(|e| explain(path, "", e))
    }
}

impl Change for SysctlSet {
    fn check(&self, ctx: &mut Context<'_>) -> Result<()> {
        Self::look(self.netns, &self.path, ctx).map(|_| ())
    }

    fn apply(&self, ctx: &mut Context<'_>) -> std::result::Result<After, Failure> {
        ctx.exists(self.netns);
        let fd = ctx.kernel.fd(self.netns).ok_or_else(|| Failure::clean(super::gone(self.netns)))?;
        let written = sysctl::write(fd, &self.path, &self.value);
        written.map_err(|e| Failure::clean(explain(&self.path, &self.value, e)))?;
        Ok(After::Nothing)
    }

    fn touches(&self, ctx: &mut Context<'_>) -> Result<Vec<Touch>> {
        let links = link::dump(ctx.socket(self.netns)?).map_err(|e| failed("list the links", e))?;
        let (of, name) = setting::place(&self.path, &link::names(&links));
        let indexes: Vec<u32> = links.iter().map(link::index).collect();
        let along = along(of, &name, &indexes);
        let mut touches = vec![Touch::Settings(self.netns, (of, name.clone()), along)];
        if takes_away(&name) {
            let is_meant = |index: &&u32| of == Of::Link(**index) || of == Of::All;
            let keys = indexes.iter().filter(is_meant).map(|index| LinkKey { netns: self.netns, index: *index });
            touches.extend(keys.map(|key| Touch::Link(key, Vec::new())));
        }
        Ok(touches)
    }

    fn subject(&self) -> Subject {
        Subject::Netns(self.netns, None)
    }

    fn ip(&self, names: &Names) -> Vec<String> {
        let is_word = self.value.chars().all(|c| c.is_ascii_alphanumeric() || "-_.:".contains(c));
        let value = if is_word && !self.value.is_empty() { self.value.clone() } else { format!("{:?}", self.value) };
        vec![format!("{}sysctl -w {}={value}", names.exec(self.netns), self.leaf())]
    }

    fn rhai(&self, names: &Names) -> String {
        let (leaf, ns) = (self.leaf(), names.handle(self.netns));
        let truth = ["0", "1"].iter().position(|digit| *digit == self.value).map(|digit| digit == 1);
        match (leaf.as_str(), truth) {
            ("net.ipv4.ip_forward", Some(on)) => format!("{ns}.forward({on})"),
            ("net.ipv6.conf.all.forwarding", Some(on)) => format!("{ns}.forward6({on})"),
            _ => format!("{ns}.sysctl({leaf:?}, {:?})", self.value),
        }
    }
}

/// Which settings the kernel writes when this one is written.
///
/// `ip_forward` and `conf/all/forwarding` are one switch that writes every link's `forwarding` and turns `all`'s
/// `accept_redirects` the other way (net/ipv4/devinet.c, `inet_forward_change`). Values of `all` and `default` go to the
/// links as well, for some leaves at once and for others only to links that were never set.
fn along(of: Of, name: &str, links: &[u32]) -> Vec<(Of, String)> {
    if !matches!(of, Of::All | Of::Default) {
        return Vec::new();
    }
    let everywhere = [Of::All, Of::Default].into_iter().chain(links.iter().map(|index| Of::Link(*index)));
    let mut along: Vec<(Of, String)> = everywhere.filter(|o| *o != of).map(|o| (o, name.to_owned())).collect();
    if of == Of::All && name == "ipv4/conf/forwarding" {
        along.push((Of::All, "ipv4/conf/accept_redirects".into()));
    }
    along
}

/// Whether more may go by it than settings: addresses, routes, neighbours.
fn takes_away(name: &str) -> bool {
    matches!(
        name,
        "ipv6/conf/disable_ipv6"
            | "ipv6/conf/addr_gen_mode"
            | "ipv6/conf/ignore_routes_with_linkdown"
            // A router forgets the default routes that other routers told it.
            | "ipv6/conf/forwarding"
            | "ipv6/conf/use_tempaddr"
    )
}

/// The setting beside it whose name is nearest, as dots write it.
fn nearest_setting(path: &Path) -> Option<String> {
    let (folder, wrong) = (path.parent()?, path.file_name()?.to_str()?);
    let beside = std::fs::read_dir(folder).ok()?.flatten().filter_map(|e| e.file_name().into_string().ok());
    let names: Vec<String> = beside.collect();
    let near = crate::diag::nearest(wrong, names.iter().map(String::as_str))?;
    Some(folder.join(near).strip_prefix(sysctl::ROOT).ok()?.display().to_string().replace('/', "."))
}

/// What a refused setting means.
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
        let of = |of, name: &str| along(of, name, &[1, 7]);
        assert_eq!(of(Of::All, "ipv4/conf/forwarding").len(), 4);
        assert_eq!(of(Of::Default, "ipv6/conf/hop_limit").len(), 3);
        assert_eq!(of(Of::Link(7), "ipv4/conf/forwarding"), vec![]);
        assert_eq!(of(Of::Netns, "net/core/somaxconn"), vec![]);
    }
}
