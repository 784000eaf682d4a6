//! Child processes that never outlive this one.

use std::ffi::OsStr;
use std::io::{self, Write as _};
use std::os::unix::process::CommandExt as _;
use std::path::Path;
use std::process::{Child, Command, ExitStatus, Output, Stdio};
use std::sync::{Mutex, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process_group};

use crate::error::{Doing, Error, Result};

/// The children alive now, for [`kill_all`].
static ALIVE: Mutex<Vec<u32>> = Mutex::new(Vec::new());

/// A command that the kernel kills when the thread that starts it ends, however that comes about.
///
/// `setpriv` (util-linux, so on every Debian) asks for the death signal and then becomes the program, so the process
/// id is the program's own. Start long-lived children from a thread that lives as long as they shall.
#[must_use]
pub fn guarded(program: impl AsRef<OsStr>) -> Command {
    if Path::new("/usr/bin/setpriv").exists() {
        let mut command = Command::new("/usr/bin/setpriv");
        command.args(["--pdeathsig", "KILL", "--"]).arg(program);
        command
    } else {
        Command::new(program)
    }
}

/// A running child that is killed when this value goes.
#[derive(Debug)]
pub struct Guard {
    child: Child,
}

impl Guard {
    /// Starts the command, as the head of a process group: what it starts is killed with it.
    ///
    /// # Errors
    /// If the program cannot be started.
    pub fn spawn(command: &mut Command) -> Result<Self> {
        let child = command
            .process_group(0)
            .spawn()
            .doing(format!("starting `{}`", line(command)))?;
        alive(|pids| pids.push(child.id()));
        Ok(Self { child })
    }

    /// The process id.
    #[must_use]
    pub fn id(&self) -> u32 {
        self.child.id()
    }

    /// The child itself, for its pipes.
    pub fn child(&mut self) -> &mut Child {
        &mut self.child
    }

    /// How it ended, if it has.
    ///
    /// # Errors
    /// If the system cannot tell.
    pub fn exited(&mut self) -> Result<Option<ExitStatus>> {
        self.child.try_wait().doing("waiting for a child")
    }

    /// Waits for the end.
    ///
    /// # Errors
    /// If the system cannot tell.
    pub fn wait(&mut self) -> Result<ExitStatus> {
        self.child.wait().doing("waiting for a child")
    }

    /// Asks it to end (SIGTERM), and kills it when it has not after `patience`.
    pub fn stop(&mut self, patience: Duration) {
        signal(self.child.id(), Signal::TERM);
        let deadline = Instant::now() + patience;
        while Instant::now() < deadline {
            if matches!(self.child.try_wait(), Ok(Some(_)) | Err(_)) {
                return;
            }
            thread::sleep(Duration::from_millis(10));
        }
        self.kill();
    }

    /// Kills it (SIGKILL) and waits for the end.
    pub fn kill(&mut self) {
        // A child that was waited for is gone, and its number may be another's.
        if matches!(self.child.try_wait(), Ok(None)) {
            signal(self.child.id(), Signal::KILL);
            let _ = self.child.wait();
        }
    }
}

impl Drop for Guard {
    fn drop(&mut self) {
        self.kill();
        let id = self.child.id();
        alive(|pids| pids.retain(|pid| *pid != id));
    }
}

/// Kills every child that is still alive: for the moment before this process exits on a signal.
pub fn kill_all() {
    alive(|pids| {
        for pid in pids.drain(..) {
            signal(pid, Signal::KILL);
        }
    });
}

fn alive<R>(change: impl FnOnce(&mut Vec<u32>) -> R) -> R {
    change(&mut ALIVE.lock().unwrap_or_else(PoisonError::into_inner))
}

fn signal(pid: u32, signal: Signal) {
    if let Some(pid) = i32::try_from(pid).ok().and_then(Pid::from_raw) {
        // It fails only when the group is gone already.
        let _ = kill_process_group(pid, signal);
    }
}

/// Runs a command to its end and gives back what it printed.
///
/// # Errors
/// If it cannot be started or ends with a failure.
pub fn capture(command: &mut Command) -> Result<String> {
    let output = output(command)?;
    printed(command, &output)
}

fn printed(command: &Command, output: &Output) -> Result<String> {
    if output.status.success() {
        return Ok(String::from_utf8_lossy(&output.stdout).into_owned());
    }
    Err(Error::Command {
        command: line(command),
        status: output.status.to_string(),
        output: format!(
            "{}{}",
            String::from_utf8_lossy(&output.stdout),
            String::from_utf8_lossy(&output.stderr)
        ),
    })
}

/// Runs a command to its end, whatever that is.
///
/// # Errors
/// If it cannot be started.
pub fn output(command: &mut Command) -> Result<Output> {
    command
        .stdin(Stdio::null())
        .output()
        .doing(format!("starting `{}`", line(command)))
}

/// Runs a command to its end with something to read, and gives back what it printed.
///
/// # Errors
/// If it cannot be started, does not read all of it or ends with a failure.
pub fn feed(command: &mut Command, input: &[u8]) -> Result<String> {
    let doing = format!("running `{}`", line(command));
    let piped = command
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    let mut child = piped.spawn().doing(&doing)?;
    let fed = child.stdin.take().map(|mut stdin| stdin.write_all(input));
    let output = child.wait_with_output().doing(&doing)?;
    let printed = printed(command, &output)?;
    fed.transpose().doing(doing)?;
    Ok(printed)
}

/// A command line for a message: programs without their folders, and no environment, which may hold secrets.
#[must_use]
pub fn line(command: &Command) -> String {
    let words = std::iter::once(command.get_program()).chain(command.get_args());
    let mut words: Vec<_> = words
        .map(|word| word.to_string_lossy().into_owned())
        .collect();
    if words[0].ends_with("/setpriv") {
        // What is meant is what it starts.
        words.drain(..4.min(words.len() - 1));
    }
    let program = words[0].rsplit('/').next().unwrap_or_default().to_owned();
    words[0] = program;
    words.join(" ")
}

/// Whether a program is on the PATH or in the folders where Debian keeps servers.
#[must_use]
pub fn find(program: &str) -> Option<std::path::PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    std::env::split_paths(&path)
        .chain(["/usr/sbin".into(), "/usr/local/sbin".into()])
        .map(|dir| dir.join(program))
        .find(|file| file.is_file())
}

/// Looks at a condition every 20 ms until it holds.
///
/// # Errors
/// What `ready` says last, when `patience` is over.
pub fn until<T>(patience: Duration, mut ready: impl FnMut() -> Result<T>) -> Result<T> {
    let deadline = Instant::now() + patience;
    loop {
        match ready() {
            Ok(value) => return Ok(value),
            Err(error) if Instant::now() >= deadline => return Err(error),
            Err(_) => thread::sleep(Duration::from_millis(20)),
        }
    }
}

/// A TCP port that nothing listens on, and that the system gives to nobody who asks for any, as a free one may be given to
/// the next test: `tcpmux`.
pub const CLOSED_PORT: u16 = 1;

/// A TCP port of the loopback interface that nothing listens on now.
///
/// # Errors
/// If the system has none.
pub fn free_port() -> Result<u16> {
    let listener =
        std::net::TcpListener::bind("127.0.0.1:0").doing("looking for a free port on 127.0.0.1")?;
    let address: io::Result<_> = listener.local_addr();
    Ok(address
        .doing("looking for a free port on 127.0.0.1")?
        .port())
}

/// The processor seconds that a living process has used, in user and kernel mode.
#[must_use]
pub fn cpu_seconds(pid: u32) -> Option<f64> {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    // The second field, the name in parentheses, may hold anything; what follows it is numbers.
    let mut fields = stat.rsplit_once(')')?.1.split_whitespace().skip(11);
    let user: f64 = fields.next()?.parse().ok()?;
    let kernel: f64 = fields.next()?.parse().ok()?;
    // Linux counts these in hundredths of a second on every machine we know.
    Some((user + kernel) / 100.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_command_line_in_a_message_has_no_environment() {
        let mut command = guarded("/usr/bin/env");
        command.arg("-i").env("PASSWORD", "secret");
        assert_eq!(line(&command), "env -i");
    }

    #[test]
    fn a_guarded_child_goes_with_its_guard() {
        let guard = Guard::spawn(guarded("sleep").arg("60")).expect("sleep starts");
        let proc = format!("/proc/{}", guard.id());
        assert!(Path::new(&proc).exists());
        drop(guard);
        assert!(!Path::new(&proc).exists());
    }
}
