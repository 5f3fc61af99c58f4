//! Why a machine has no sandboxes for an ordinary user, and what to do about it.

use std::fs;
use std::path::Path;

use crate::diag::{Code, Diagnostic, KernelError};

/// Something that is in the way.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Obstacle {
    /// What it is.
    pub cause: String,
    /// The way out.
    pub help: String,
}

/// The error for a sandbox that the kernel refused.
pub fn refused(error: KernelError) -> Box<Diagnostic> {
    let Obstacle { cause, help } = behind(&error);
    Diagnostic::new(Code::Environment, format!("a sandbox cannot be made here: {cause}")).help(help).kernel(error)
}

/// What is behind a refusal.
pub fn behind(error: &KernelError) -> Obstacle {
    find(error, |setting| {
        fs::read_to_string(Path::new("/proc/sys").join(setting)).ok().map(|text| text.trim().to_owned())
    })
}

fn find(error: &KernelError, setting: impl Fn(&str) -> Option<String>) -> Obstacle {
    let is = |name: &str, value: &str| setting(name).as_deref() == Some(value);
    let obstacle = |cause: &str, help: &str| Obstacle { cause: cause.into(), help: help.into() };
    for kind in ["user", "net", "mnt", "pid"] {
        let name = format!("max_{kind}_namespaces");
        if is(&format!("user/{name}"), "0") {
            return obstacle(
                &format!("user.{name} is 0"),
                &format!(
                    "an administrator switches them on with `sudo sysctl user.{name}=10000`; or use netlab as root"
                ),
            );
        }
    }
    if is("kernel/unprivileged_userns_clone", "0") {
        return obstacle(
            "user namespaces are only for root, by kernel.unprivileged_userns_clone",
            "an administrator allows them with `sudo sysctl kernel.unprivileged_userns_clone=1`; or use netlab as root",
        );
    }
    if is("kernel/apparmor_restrict_unprivileged_userns", "1") {
        return obstacle(
            "AppArmor restricts user namespaces",
            "an administrator lifts that with `sudo sysctl kernel.apparmor_restrict_unprivileged_userns=0`; or use netlab as root",
        );
    }
    match (error.request.as_str(), error.errno) {
        ("unshare", libc::EINVAL | libc::ENOSYS) => obstacle(
            "this kernel lacks user namespaces (CONFIG_USER_NS)",
            "boot a kernel that has them, or use netlab as root",
        ),
        ("unshare", libc::ENOSPC | libc::EUSERS) => obstacle(
            "there are as many namespaces as are allowed, or they are nested too deep",
            "end what is not needed (`netlab list`), or raise the limits under /proc/sys/user",
        ),
        ("unshare", libc::EPERM) => obstacle(
            "user namespaces are forbidden, as containers (seccomp) and some systems do",
            "start the container with `--security-opt seccomp=unconfined`, ask an administrator, or use netlab as root",
        ),
        (request, _) if request.starts_with("mount") => obstacle(
            "its files cannot be mounted",
            "containers and security modules may forbid that; ask an administrator, or use netlab as root",
        ),
        _ => obstacle("the kernel refused", "use netlab as root"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_cause_is_named() {
        let cause = |setting: Option<(&str, &str)>, request: &str, errno: i32| {
            find(&KernelError::new(request, errno), |name| {
                setting.filter(|(given, _)| *given == name).map(|(_, value)| value.to_owned())
            })
            .cause
        };
        assert_eq!(
            cause(Some(("user/max_user_namespaces", "0")), "unshare", libc::ENOSPC),
            "user.max_user_namespaces is 0"
        );
        assert_eq!(
            cause(Some(("user/max_net_namespaces", "0")), "unshare", libc::ENOSPC),
            "user.max_net_namespaces is 0"
        );
        assert_eq!(
            cause(Some(("kernel/unprivileged_userns_clone", "0")), "unshare", libc::EPERM),
            "user namespaces are only for root, by kernel.unprivileged_userns_clone"
        );
        assert_eq!(
            cause(Some(("kernel/apparmor_restrict_unprivileged_userns", "1")), "write /proc/7/uid_map", libc::EPERM),
            "AppArmor restricts user namespaces"
        );
        assert_eq!(
            cause(None, "unshare", libc::EPERM),
            "user namespaces are forbidden, as containers (seccomp) and some systems do"
        );
        assert_eq!(cause(None, "mount /run", libc::EACCES), "its files cannot be mounted");
    }
}
