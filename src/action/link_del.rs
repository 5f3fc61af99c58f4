//! Links are deleted: one by the script's wish, or all of a lab's at once when it is undone.

use serde::{Deserialize, Serialize};

use super::link_add::is_ours;
use super::text::{Names, dev};
use super::{After, Change, Context, Failure, Subject, Undone, deleted, failed};
use crate::diag::{Code, Diagnostic, Result};
use crate::kernel::link::{self, LinkKey};
use crate::kernel::space::NetnsCookie;
use crate::probe::state::link::LinkState;
use crate::snapshot::scope::Touch;
use crate::types::name::IfName;

/// A link is deleted by the script.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LinkDel {
    /// The link.
    pub link: LinkKey,
    /// The link's name.
    pub dev: IfName,
}

impl Change for LinkDel {
    fn apply(&self, ctx: &mut Context<'_>) -> std::result::Result<After, Failure> {
        let (message, flags) = link::del(self.link.index);
        let socket = ctx.socket(self.link.netns).map_err(Failure::clean)?;
        socket.change(message, flags).map_err(|e| {
            Failure::clean(match e.errno {
                libc::ENODEV => {
                    Diagnostic::new(Code::NoSuchLink, format!("link `{}` is gone already", self.dev)).kernel(e)
                }
                _ => failed(&format!("delete the link `{}`", self.dev), e),
            })
        })?;
        Ok(After::Nothing)
    }

    fn touches(&self, _ctx: &mut Context<'_>) -> Result<Vec<Touch>> {
        Ok(vec![Touch::Link(self.link, Vec::new())])
    }

    fn subject(&self) -> Subject {
        Subject::Link(self.link)
    }

    fn ip(&self, names: &Names) -> Vec<String> {
        vec![format!("{} link del {}", names.ip(self.link.netns), dev(self.dev.as_str()))]
    }

    fn rhai(&self, names: &Names) -> String {
        format!("{}[{:?}].del()", names.handle(self.link.netns), self.dev.as_str())
    }
}

/// A link that is to be deleted if it still is what the lab made.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Doomed {
    /// Where it is now.
    pub key: LinkKey,
    /// What it is called now.
    pub name: String,
    /// Its kind.
    pub kind: &'static str,
    /// The group it was put into when it was made.
    pub group: Option<u32>,
}

/// Deletes one link, if it still is what the lab made.
///
/// # Errors
/// What the kernel said.
pub fn delete(key: LinkKey, name: &str, kind: &str, ctx: &mut Context<'_>) -> Result<Undone> {
    let socket = ctx.socket(key.netns)?;
    let found = match link::get(socket, key.index) {
        Ok(message) => LinkState::new(&message),
        Err(e) if matches!(e.errno, libc::ENODEV | libc::ENOENT) => return Ok(Undone::Already),
        Err(e) => return Err(failed(&format!("look for the link `{name}`"), e)),
    };
    if !is_ours(&found, key, name, kind) {
        return Ok(theirs(name, &found));
    }
    let (message, flags) = link::del(key.index);
    deleted(socket.change(message, flags), &format!("delete the link `{name}`"))
}

/// Deletes many links of one namespace, with one message if they are all of one group and nobody else is in it: the kernel
/// then waits for RCU once, and not 20 ms for each.
///
/// # Errors
/// What the kernel said to a dump; what it said to a deletion stands with the link.
pub fn delete_all(netns: NetnsCookie, doomed: &[Doomed], ctx: &mut Context<'_>) -> Result<Vec<Result<Undone>>> {
    let socket = ctx.socket(netns)?;
    let links: Vec<LinkState> =
        link::dump(socket).map_err(|e| failed("list the links", e))?.iter().map(LinkState::new).collect();
    let find = |d: &Doomed| links.iter().find(|l| l.ifindex == d.key.index);
    let ours = |d: &Doomed| find(d).is_some_and(|l| is_ours(l, d.key, &d.name, d.kind));
    let group = doomed.first().and_then(|d| d.group);
    if let Some(group) = group.filter(|_| doomed.len() > 1) {
        let members: Vec<&LinkState> = links.iter().filter(|l| l.group == group).collect();
        let all_doomed = members.iter().all(|l| doomed.iter().any(|d| is_ours(l, d.key, &d.name, d.kind)));
        if members.len() > 1 && all_doomed {
            let (message, flags) = link::del_group(group);
            // What the group did not take, or all of it if this fails, is tried one by one below.
            let _ = socket.change(message, flags);
        }
    }
    Ok(doomed
        .iter()
        .map(|d| match find(d) {
            None => Ok(Undone::Already),
            Some(found) if !ours(d) => Ok(theirs(&d.name, found)),
            Some(_) if group.is_some() && group == d.group && link::get(socket, d.key.index).is_err() => {
                Ok(Undone::Yes)
            }
            Some(_) => {
                let (message, flags) = link::del(d.key.index);
                deleted(socket.change(message, flags), &format!("delete the link `{}`", d.name))
            }
        })
        .collect())
}

fn theirs(name: &str, found: &LinkState) -> Undone {
    Undone::Theirs(format!(
        "link {} was `{name}` and is a {} called `{}` now",
        found.ifindex,
        found.kind(),
        found.ifname
    ))
}
