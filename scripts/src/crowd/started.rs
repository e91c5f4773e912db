//! A server of our own, which ends with this process.

use std::io::{BufRead, BufReader};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::LazyLock;
use std::thread::sleep;
use std::time::Duration;

use super::{Outcome, Patience, gauge};

/// How long to wait before looking again whether a server listens, or has ended.
const LOOK_AGAIN: Duration = Duration::from_millis(10);

/// A server that listens; it is killed when dropped.
#[derive(Debug)]
pub struct Started {
    /// The address that it listens on.
    pub address: SocketAddr,
    process: Process,
}

/// A process that is killed when dropped. Its standard output, if it is a pipe, stays open until
/// then: a server with a closed one would behave differently.
#[derive(Debug)]
struct Process(Child);

impl Started {
    /// Starts a program whose first line is `listening on ADDRESS`.
    pub fn new(program: &Path, flags: &[&str]) -> Outcome<Started> {
        let mut process = spawn(Command::new(program).args(flags).stdout(Stdio::piped()))?;
        let mut line = String::new();
        if let Some(stdout) = &mut process.0.stdout {
            BufReader::new(stdout).read_line(&mut line)?;
        }
        let address = line.trim().strip_prefix("listening on ").and_then(|at| at.parse().ok());
        let untold = || format!("{} does not say where it listens", program.display());
        Ok(Started { address: address.ok_or_else(untold)?, process })
    }

    /// Starts a program without such a line, and waits until it listens on this address.
    pub fn at(mut command: Command, address: SocketAddr) -> Outcome<Started> {
        let process = spawn(command.stdout(Stdio::null()).stderr(Stdio::null()))?;
        let mut started = Started { address, process };
        let mut patience = Patience::full();
        while gauge::listener_pid(address) != Some(started.pid()) {
            if let Some(status) = started.process.0.try_wait()? {
                let program = command.get_program().display();
                return Err(format!("{program} has ended at once: {status}").into());
            }
            patience.check(0, || "it does not listen".to_owned())?;
            sleep(LOOK_AGAIN);
        }
        Ok(started)
    }

    /// Starts the server that was built beside this program.
    pub fn chinwag(flags: &[&str]) -> Outcome<Started> {
        let usual = ["--listen=127.0.0.1:0", "--log-level=error", "--lang=en", "--quiet"];
        // A test has a server of its own, which is wrong.
        let program = std::env::var_os("CHINWAG_PROGRAM").map(PathBuf::from);
        let program = program.map_or_else(|| beside("chinwag"), Ok)?;
        Started::new(&program, &[&usual[..], flags].concat())
    }

    /// Starts one of the references that were built beside this program.
    pub fn floor(kind: &str) -> Outcome<Started> {
        Started::new(&beside("bench")?, &["floor", kind])
    }

    /// Its process.
    pub fn pid(&self) -> u32 {
        self.process.0.id()
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        // It may have ended already; then there is nothing to kill or to wait for.
        self.0.kill().unwrap_or_default();
        self.0.wait().ok();
    }
}

fn spawn(command: &mut Command) -> Outcome<Process> {
    let child = command.stdin(Stdio::null()).spawn();
    let program = command.get_program().display();
    Ok(Process(child.map_err(|error| format!("cannot start {program}: {error}"))?))
}

/// A program that was built together with this one.
pub fn beside(name: &str) -> Outcome<PathBuf> {
    let own = std::env::current_exe()?;
    // Cargo puts a test program into a folder beside the others. It has built them before.
    let program = match own.parent().filter(|folder| folder.ends_with("deps")) {
        Some(folder) => folder.with_file_name(name),
        None => BUILT.clone().map(|()| own.with_file_name(name))?,
    };
    match program.exists() {
        true => Ok(program),
        false => Err(format!("there is no {} (cargo build --workspace)", program.display()).into()),
    }
}

/// `cargo run` builds only one program. Without this, the server would be old, or missing.
static BUILT: LazyLock<Result<(), String>> = LazyLock::new(|| {
    let Some(cargo) = std::env::var_os("CARGO") else { return Ok(()) };
    let mut build = Command::new(cargo);
    // Together with the scripts, so that nothing is built a second time with other features.
    build.args(["build", "--quiet", "--workspace", "--bins"]).stdin(Stdio::null());
    build.args((!cfg!(debug_assertions)).then_some("--release"));
    match build.status() {
        Ok(status) if status.success() => Ok(()),
        Ok(status) => Err(format!("the server cannot be built: {status}")),
        Err(error) => Err(format!("cannot start cargo: {error}")),
    }
});
