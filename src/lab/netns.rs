//! Making, finding and deleting namespaces.

use super::Lab;
use super::objects::{HOST, NsId};
use crate::action::Action;
use crate::action::netns::{NetnsAdd, NetnsAttach, NetnsDel};
use crate::action::text::Guest;
use crate::diag::{Code, Diagnostic, KernelError, Result, Site};
use crate::journal::record::Record;
use crate::kernel::netns;
use crate::kernel::process::ProcessKey;
use crate::kernel::space::NetnsCookie;
use crate::types::name::NsName;

impl Lab {
    /// Makes a namespace. `lo` says whether its loopback is set up.
    ///
    /// # Errors
    /// `NL0101` if the name is taken, and the kernel's.
    pub fn add_netns(&mut self, site: &Site, name: NsName, lo: bool) -> Result<NsId> {
        if name.as_str() == "host" {
            return Err(Diagnostic::new(
                Code::BadName,
                "a namespace cannot be called `host`: that is the namespace the script runs in",
            ));
        }
        self.may_go_on()?;
        let cookie = self.kernel.make().map_err(|e| {
            let kernel = KernelError::from_io("unshare CLONE_NEWNET", &e);
            let diagnostic = crate::action::failed(&format!("make the namespace `{name}`"), kernel);
            match e.raw_os_error() {
                Some(libc::ENOSPC) => diagnostic.help("the limit is in /proc/sys/user/max_net_namespaces"),
                Some(libc::EMFILE) => {
                    diagnostic.help("two files are open per namespace; raise the limit with `ulimit -n`")
                }
                _ => diagnostic,
            }
        })?;
        self.perform(site, Action::NetnsAdd(NetnsAdd { name, cookie, lo }))?;
        Ok(self.objects.netns_by_cookie(cookie).unwrap_or(HOST))
    }

    /// Finds a namespace by its name, however it was made.
    ///
    /// # Errors
    /// `NL0108` with the names that are nearest.
    pub fn find_netns(&mut self, name: &str) -> Result<NsId> {
        let made = self.objects.named_netns().find(|n| n.name.as_ref().is_some_and(|n| n.as_str() == name));
        if let Some(id) = made.and_then(|n| self.objects.netns_by_cookie(n.cookie)) {
            return Ok(id);
        }
        let wanted = NsName::new(name)?;
        match self.kernel.adopt_name(&wanted) {
            Ok(Some(cookie)) => Ok(self.objects.add_netns(cookie, Some(wanted), false, None)),
            Ok(None) => Err(Diagnostic::new(Code::NoSuchNetns, format!("`{name}` is a name without a namespace"))
                .help(format!("the process that it stood for has ended; remove the name with `ip netns del {name}`"))),
            Err(e) if e.kind() == std::io::ErrorKind::NotFound => Err(self.no_such_netns(name)),
            Err(e) => Err(crate::action::failed(
                &format!("open the namespace `{name}`"),
                KernelError::from_io(format!("open {}", netns::path(&wanted).display()), &e),
            )),
        }
    }

    fn no_such_netns(&self, name: &str) -> Box<Diagnostic> {
        let names: Vec<String> = netns::names().iter().map(ToString::to_string).collect();
        let error = Diagnostic::new(Code::NoSuchNetns, format!("there is no namespace `{name}`"));
        match crate::diag::nearest(name, names.iter().map(String::as_str)) {
            Some(near) => error.help(format!("did you mean \"{near}\"?")),
            None if names.is_empty() => error.help(format!("there is none at all; netns(\"{name}\") makes it")),
            None => {
                let is = if names.len() == 1 { "is" } else { "are" };
                error.help(format!("there {is} {}; netns(\"{name}\") makes it", names.join(", ")))
            }
        }
    }

    /// Finds the namespace that a process is in.
    ///
    /// # Errors
    /// `NL0108` if there is no such process.
    pub fn netns_of(&mut self, pid: i32) -> Result<NsId> {
        let cookie = self.adopt_pid(pid)?;
        let name = self.name_of(cookie);
        Ok(self.objects.add_netns(cookie, name, false, None))
    }

    /// Gives the namespace that a process is in a name, which goes at `down`.
    ///
    /// # Errors
    /// `NL0108` if there is no such process, `NL0101` if the name is taken.
    pub fn attach(&mut self, site: &Site, name: NsName, pid: i32) -> Result<NsId> {
        let cookie = self.adopt_pid(pid)?;
        self.perform(site, Action::NetnsAttach(NetnsAttach { name, cookie, pid }))?;
        Ok(self.objects.netns_by_cookie(cookie).unwrap_or(HOST))
    }

    /// Takes a namespace's name away; it dies unless somebody uses it. One that was there before is kept out of sight until
    /// the lab goes.
    ///
    /// # Errors
    /// `NL0115` for another lab's.
    pub fn del_netns(&mut self, site: &Site, id: NsId) -> Result<()> {
        let object = self.objects.netns(id)?;
        let Some(name) = object.name.clone() else {
            return Err(Diagnostic::new(Code::NotOurs, "the host's namespace cannot be deleted")
                .help("what a lab made is deleted by `netlab down`, without a line in the script"));
        };
        let (cookie, keep) = (object.cookie, self.must_keep(object.made_at));
        if !object.made {
            self.refuse_of_another(&format!("the namespace `{name}`"), "delete", cookie, None)?;
        }
        self.perform(site, Action::NetnsDel(NetnsDel { name, cookie, keep }))
    }

    /// Enters the namespace of a container or machine, found by a process.
    pub(super) fn enter_guest(&mut self, process: ProcessKey, guest: Guest) -> Result<NsId> {
        let pid = process.pid;
        let opened = netns::of_pid(pid).and_then(|fd| self.kernel.adopt(fd));
        let cookie = opened.map_err(|e| {
            let kernel = KernelError::from_io(format!("setns /proc/{pid}/ns/net"), &e);
            crate::action::failed(&format!("enter the namespace of `{}`", guest.title), kernel)
        })?;
        let id = self.objects.add_netns(cookie, None, false, None);
        // One that shares the host's network has no namespace of its own.
        if cookie != self.header.host && self.objects.netns(id).is_ok_and(|netns| netns.guest.is_none()) {
            self.log.write(&Record::Guest { netns: cookie, guest: guest.clone() })?;
            self.objects.set_guest(id, process, guest);
        }
        Ok(id)
    }

    fn adopt_pid(&mut self, pid: i32) -> Result<NetnsCookie> {
        let opened = netns::of_pid(pid).and_then(|fd| self.kernel.adopt(fd));
        opened.map_err(|e| {
            let kernel = KernelError::from_io(format!("open /proc/{pid}/ns/net"), &e);
            match e.kind() {
                std::io::ErrorKind::NotFound => {
                    Diagnostic::new(Code::NoSuchNetns, format!("there is no process {pid}")).kernel(kernel)
                }
                _ => crate::action::failed(&format!("open the namespace of process {pid}"), kernel),
            }
        })
    }

    /// The name of a namespace that was found by a process, if it has one.
    fn name_of(&mut self, cookie: NetnsCookie) -> Option<NsName> {
        if let Some(id) = self.objects.netns_by_cookie(cookie) {
            return self.objects.netns(id).ok()?.name.clone();
        }
        let names = netns::names();
        let opened: Vec<_> = names.into_iter().filter_map(|n| Some((netns::of_name(&n).ok()??, n))).collect();
        let fds: Vec<_> = opened.iter().map(|(fd, _)| std::os::fd::AsFd::as_fd(fd)).collect();
        let place = netns::cookies(&fds).iter().position(|c| matches!(c, Ok(c) if *c == cookie))?;
        opened.into_iter().nth(place).map(|(_, name)| name)
    }
}
