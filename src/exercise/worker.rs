//! Jobs in processes of their own, some at a time: whatever one does to itself, the others go on.

use std::fs::File;
use std::io::{self, Read, Seek, Write};
use std::os::unix::process::ExitStatusExt;
use std::process::{Command, Stdio};
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use nix::sys::memfd::{MFdFlags, memfd_create};
use nix::sys::signal::Signal;

use super::job::{self, Done, Job, Stage};
use crate::diag::{Code, Diagnostic, KernelError, Result};
use crate::kernel::relay;
use crate::sandbox::{self, obstacle};

/// The word that such a process is started with.
pub const WORD: &str = "exercise-job";

/// What became of a job.
#[derive(Debug)]
pub enum Fate {
    /// It came to its end.
    Done(Box<Done>),
    /// Its process was ended before: by a signal that it brought on itself, mostly because of its memory.
    Died(i32),
    /// It had not ended when its time was over.
    Late,
    /// It could not be run, whatever it is.
    Unrun(Box<Diagnostic>),
}

/// A fate, and how long it took.
pub type Ran = (Fate, Duration);

/// Runs jobs, `at_once` of them at a time, and tells `each` of every one that has ended.
pub fn run(jobs: &[Job], at_once: usize, each: impl Fn(usize, &Ran) + Sync) -> Vec<Ran> {
    let next = AtomicUsize::new(0);
    let all: Mutex<Vec<(usize, Ran)>> = Mutex::default();
    std::thread::scope(|scope| {
        for _ in 0..at_once.clamp(1, jobs.len().max(1)) {
            scope.spawn(|| {
                loop {
                    let i = next.fetch_add(1, Ordering::Relaxed);
                    let Some(job) = jobs.get(i) else { break };
                    let begun = Instant::now();
                    let ran = (start(job).unwrap_or_else(unrun), begun.elapsed());
                    each(i, &ran);
                    all.lock().unwrap_or_else(std::sync::PoisonError::into_inner).push((i, ran));
                }
            });
        }
    });
    let mut all = all.into_inner().unwrap_or_else(std::sync::PoisonError::into_inner);
    all.sort_by_key(|(i, _)| *i);
    all.into_iter().map(|(_, ran)| ran).collect()
}

fn unrun(error: io::Error) -> Fate {
    Fate::Unrun(
        Diagnostic::new(Code::Environment, "cannot start a process for a sandbox")
            .kernel(KernelError::from_io("execve /proc/self/exe", &error)),
    )
}

fn start(job: &Job) -> io::Result<Fate> {
    /// For all that is not in the job's hands.
    const SPARE: Duration = Duration::from_secs(30);
    /// The start, the work, the checks twice, and the undo.
    const STAGES: u32 = 5;
    let mut child = Command::new("/proc/self/exe")
        .arg(WORD)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()?;
    let text = serde_json::to_vec(job)?;
    // It reads all before it does anything; if it is gone, it says so below.
    let _ = child.stdin.take().map(|mut stdin| stdin.write_all(&text));
    let mut stdout = child.stdout.take();
    let reader = std::thread::spawn(move || {
        let mut answer = Vec::new();
        let _ = stdout.as_mut().map(|stdout| stdout.read_to_end(&mut answer));
        answer
    });
    let most = Duration::from_secs(job.time) * STAGES + SPARE;
    let begun = Instant::now();
    let status = loop {
        if let Some(status) = child.try_wait()? {
            break status;
        }
        if begun.elapsed() > most {
            // Its sandbox ends with it.
            child.kill()?;
            child.wait()?;
            return Ok(Fate::Late);
        }
        std::thread::sleep(Duration::from_millis(3));
    };
    let answer = reader.join().unwrap_or_default();
    Ok(match (serde_json::from_slice::<Done>(&answer), status.signal()) {
        (Ok(done), _) => Fate::Done(Box::new(done)),
        (Err(_), Some(signal)) => Fate::Died(signal),
        (Err(error), None) => Fate::Unrun(Diagnostic::new(
            Code::Internal,
            format!("a sandbox's process gave no answer ({error}; {status})"),
        )),
    })
}

/// Whether this process is one for a job.
pub fn asked() -> bool {
    std::env::args_os().nth(1).is_some_and(|word| word == WORD)
}

/// The life of such a process.
///
/// # Errors
/// What keeps it from its work.
pub fn work() -> Result<u8> {
    let failed = |what: &str| {
        let what = what.to_owned();
        move |e: io::Error| {
            Diagnostic::new(Code::Environment, "a job cannot be run").kernel(KernelError::from_io(what, &e))
        }
    };
    // Nobody would read the answer, and the sandbox ends with this process.
    relay::set_end_with_parent(Some(Signal::SIGKILL));
    let mut text = String::new();
    io::stdin().read_to_string(&mut text).map_err(failed("read"))?;
    let job: Job = serde_json::from_str(&text).map_err(|e| {
        Diagnostic::new(Code::Usage, format!("this is started by `netlab exercise`, which tells it what to do: {e}"))
    })?;
    let done = in_sandbox(&job).map_err(failed("memfd_create"))?;
    let answer = serde_json::to_vec(&done).unwrap_or_default();
    io::stdout().write_all(&answer).map_err(failed("write"))?;
    Ok(0)
}

/// Runs it in a sandbox. The answer comes in a file that the work of the job knows nothing of.
fn in_sandbox(job: &Job) -> io::Result<Done> {
    let mut file = File::from(memfd_create(c"netlab-job", MFdFlags::MFD_CLOEXEC)?);
    let mut inside = file.try_clone()?;
    let end = sandbox::throw_away(|_| {
        let done = silent().map(|()| job::run(job));
        let Ok(done) = done else { return 1 };
        // What the work wrote there, if it found a way, is not the answer.
        let written = inside.set_len(0).and_then(|()| inside.write_all(&serde_json::to_vec(&done).unwrap_or_default()));
        u8::from(written.is_err())
    });
    match end {
        Err(error) => return Ok(Done::trouble(Stage::Read, obstacle::refused(error))),
        // As it did: whoever started it wants to know.
        Ok(end) => drop(relay::die_as(end)),
    }
    let mut answer = Vec::new();
    file.rewind()?;
    file.read_to_end(&mut answer)?;
    serde_json::from_slice(&answer).map_err(io::Error::from)
}

/// What the script prints is nobody's business, and must not be taken for the answer.
fn silent() -> io::Result<()> {
    let null = File::options().write(true).open("/dev/null")?;
    nix::unistd::dup2_stdout(&null)?;
    nix::unistd::dup2_stderr(&null)?;
    Ok(())
}
