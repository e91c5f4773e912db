//! Client programs, run as a person runs them.

use std::fs::File;
use std::io::Write;
use std::os::fd::OwnedFd;
use std::process::{Child, Command, ExitStatus, Stdio};

use super::process::Collected;
use super::terminal::Terminal;
use super::{Server, send_signal, wait_for};

/// A running client program; it is killed when dropped.
pub struct Program {
    child: Child,
    /// `None` once its input has ended.
    input: Option<File>,
    output: Collected,
}

impl Program {
    /// Runs a shell command in which `$HOST` and `$PORT` are the server. Its input and output are
    /// pipes.
    pub fn start(server: &Server, script: &str) -> Program {
        let mut shell = shell(server, script);
        let mut child = shell.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
        let input = child.stdin.take().map(|input| File::from(OwnedFd::from(input)));
        let output = Collected::from(child.stdout.take().unwrap());
        Program { child, input, output }
    }

    /// The same, on a terminal.
    pub fn start_on_terminal(server: &Server, script: &str) -> Program {
        let Terminal { person, program } = Terminal::open();
        let mut shell = shell(server, script);
        shell.stdin(program.try_clone().unwrap()).stderr(program.try_clone().unwrap());
        let child = shell.stdout(program).spawn().unwrap();
        let output = Collected::from(person.try_clone().unwrap());
        Program { child, input: Some(person), output }
    }

    /// Types this text.
    pub fn say(&mut self, text: &str) {
        self.input.as_mut().unwrap().write_all(text.as_bytes()).unwrap();
    }

    /// Sends it a signal, such as `STOP`.
    pub fn signal(&self, name: &str) {
        send_signal(self.child.id(), name);
    }

    /// Ends its input.
    pub fn end_input(&mut self) {
        self.input = None;
    }

    /// Waits until it shows this text; returns all that it has shown.
    pub fn read_until(&self, text: &str) -> String {
        self.output.read_until(text)
    }

    /// Waits until it ends by itself. Returns its exit status and all that it has shown.
    pub fn wait_for_end(&mut self) -> (ExitStatus, String) {
        let status = wait_for("the end of the program", || self.child.try_wait().unwrap());
        wait_for("the end of its output", || self.output.has_ended().then_some(()));
        (status, self.output.text())
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        // It may have ended already; then there is nothing to kill.
        if self.child.kill().is_ok() {
            self.child.wait().unwrap();
        }
    }
}

fn shell(server: &Server, script: &str) -> Command {
    let mut shell = Command::new("sh");
    shell.args(["-c", script]).stderr(Stdio::null());
    shell.env("HOST", server.address.ip().to_string());
    shell.env("PORT", server.address.port().to_string());
    shell
}
