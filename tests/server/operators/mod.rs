//! Operators of the real server: how a client becomes one, what the files of the server are, what
//! outlasts a restart, and what fail2ban reads in the log.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::{Command, Output, Stdio};

use crate::support::{Client, Folder, Server, connect_from, enter, wait_for};

mod control;
mod fail2ban;
mod files;
mod floods;
mod passwords;
mod restarts;
mod secrets;

/// The secret in the file of operators.
const SECRET: &str = "open-sesame";

/// A file with the only operator, and its path as a flag has it.
pub fn operators(folder: &Folder) -> String {
    write_private(&folder.at("operators"), &format!("# all of us\nkim {SECRET}\n"))
}

/// Writes a file for its owner alone. Returns its path.
fn write_private(path: &Path, text: &str) -> String {
    fs::write(path, text).unwrap();
    fs::set_permissions(path, fs::Permissions::from_mode(0o600)).unwrap();
    path.display().to_string()
}

/// A client from 127.0.0.`last` that has read its welcome, and its name.
fn enter_from(last: u8, server: &Server) -> (Client, String) {
    enter(Client::new(connect_from([127, 0, 0, last], server.address)))
}

/// All that a client from 127.0.0.`last` reads until the server closes the connection.
fn refused_from(last: u8, server: &Server) -> String {
    Client::new(connect_from([127, 0, 0, last], server.address)).read_to_end()
}

/// Makes a client an operator.
pub fn become_operator(client: &mut Client) {
    client.send(format!("/oper {SECRET}\n"));
    client.read_until("* you are an operator now; ");
    client.forget();
}

/// Sends a line and reads until this answer has come; returns what was read.
fn ask(client: &mut Client, line: &str, answer: &str) -> String {
    client.forget();
    client.send(format!("{line}\n"));
    client.read_until(answer)
}

/// Waits until this is in the log.
fn wait_for_log(server: &Server, text: &str) {
    wait_for(&format!("{text:?} in the log"), || server.stderr().contains(text).then_some(()));
}

/// Runs `chinwag ctl` at this control socket. Returns its exit code and what it prints.
fn ctl(path: &Path, words: &[&str]) -> (Option<i32>, String) {
    let mut command = Command::new(env!("CARGO_BIN_EXE_chinwag"));
    command.args(["ctl", "--control"]).arg(path).args(words).stdin(Stdio::null());
    let Output { status, stdout, .. } = command.output().unwrap();
    (status.code(), String::from_utf8(stdout).unwrap())
}
