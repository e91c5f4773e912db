//! A server of our own, which ends with this process.

use std::ffi::OsStr;
use std::io::{BufRead, BufReader};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdout, Command, Stdio};
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
    child: Child,
    /// Kept open: a server with a closed standard output would behave differently.
    _stdout: Option<BufReader<ChildStdout>>,
}

impl Started {
    /// Starts a program whose first line is `listening on ADDRESS`.
    pub fn new(program: &Path, flags: &[&str]) -> Outcome<Started> {
        let mut child = spawn(Command::new(program).args(flags).stdout(Stdio::piped()))?;
        let mut stdout = child.stdout.take().map(BufReader::new);
        let mut line = String::new();
        let read = stdout.as_mut().map(|stdout| stdout.read_line(&mut line)).transpose();
        let address = line.trim().strip_prefix("listening on ").and_then(|at| at.parse().ok());
        let Some(address) = address else {
            child.kill()?;
            child.wait()?;
            read?;
            return Err(format!("{} does not say where it listens", program.display()).into());
        };
        Ok(Started { address, child, _stdout: stdout })
    }

    /// Starts a program without such a line, and waits until it listens on this address.
    pub fn at(mut command: Command, address: SocketAddr) -> Outcome<Started> {
        let child = spawn(command.stdout(Stdio::null()).stderr(Stdio::null()))?;
        let mut started = Started { address, child, _stdout: None };
        let mut patience = Patience::full();
        while gauge::listener_pid(address) != Some(started.pid()) {
            if let Some(status) = started.child.try_wait()? {
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
        Started::chinwag_logging("warn", flags)
    }

    /// The same, with another log level.
    pub fn chinwag_logging(level: &str, flags: &[&str]) -> Outcome<Started> {
        // The soak test waits for some of its words.
        let usual = ["--listen", "127.0.0.1:0", "--log-level", level, "--lang", "en", "--quiet"];
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
        self.child.id()
    }
}

impl Drop for Started {
    fn drop(&mut self) {
        // It may have ended already; then there is nothing to kill or to wait for.
        self.child.kill().unwrap_or_default();
        self.child.wait().ok();
    }
}

fn spawn(command: &mut Command) -> Outcome<Child> {
    let child = command.stdin(Stdio::null()).spawn();
    let started =
        child.map_err(|error| format!("cannot start {}: {error}", command.get_program().display()));
    Ok(started?)
}

/// `cargo run` builds only one program. Without this, the server would be old, or missing.
/// `cargo test --workspace` has built it.
static BUILT: LazyLock<Result<(), String>> =
    LazyLock::new(|| build().map_err(|error| error.to_string()));

fn build() -> Outcome<()> {
    let Some(cargo) = std::env::var_os("CARGO") else { return Ok(()) };
    if is_test(&std::env::current_exe()?) {
        return Ok(());
    }
    let mut build = Command::new(cargo);
    // Together with the scripts, so that nothing is built a second time with other features.
    build.args(["build", "--quiet", "--workspace", "--bins"]);
    if !cfg!(debug_assertions) {
        build.arg("--release");
    }
    let status = build.stdin(Stdio::null()).status()?;
    if status.success() { Ok(()) } else { Err("the server cannot be built".into()) }
}

/// Cargo puts test programs into a folder beside the others.
fn is_test(own: &Path) -> bool {
    own.parent().and_then(Path::file_name) == Some(OsStr::new("deps"))
}

/// A program that was built together with this one.
pub fn beside(name: &str) -> Outcome<PathBuf> {
    BUILT.clone()?;
    let own = std::env::current_exe()?;
    let up = if is_test(&own) { 2 } else { 1 };
    let program = own.ancestors().nth(up).unwrap_or(Path::new(".")).join(name);
    match program.exists() {
        true => Ok(program),
        false => Err(format!("there is no {} (cargo build --workspace)", program.display()).into()),
    }
}
