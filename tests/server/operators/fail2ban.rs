//! fail2ban reads the log: each line that it should block an address for has that address.

use std::fs;
use std::net::TcpStream;
use std::path::Path;
use std::process::Command;

use super::{ask, become_operator, enter_from, operators, refused_from, wait_for_log};
use crate::service::journal::journal;
use crate::support::{Client, Folder, Server, enter};

const FILTER: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/scripts/service/fail2ban/filter.conf");

/// The addresses that fail2ban finds in this log, in its order.
fn addresses(folder: &Folder, log: &str) -> Vec<String> {
    let path = folder.at("log");
    fs::write(&path, log).unwrap();
    // It takes a filter by its path only with a configuration around it, as in /etc/fail2ban.
    let output = Command::new("fail2ban-regex").args(["-o", "ip"]).arg(&path).arg(FILTER).output();
    let output = output.unwrap();
    let said = String::from_utf8(output.stdout).unwrap();
    assert!(output.status.success() || said.is_empty(), "{said}");
    said.lines().map(str::to_owned).collect()
}

#[test]
#[ignore = "needs fail2ban-regex"]
fn fail2ban_finds_the_address_in_each_line_it_should() {
    let folder = Folder::new("fail2ban");
    let operators = operators(&folder);
    let listen = "127.0.0.1:0,[::1]:0";
    let flags = ["--listen", listen, "--operators", &operators, "--exempt", "none"];
    let server = Server::start(&[&flags[..], &["--per-address", "2"]].concat());
    let (mut kim, _) = enter_from(2, &server);
    become_operator(&mut kim);
    // A wrong secret over IPv6, and a wrong password of a room.
    let told = server.stdout();
    let at = told.lines().find_map(|line| line.strip_prefix("listening on [::1]:")).unwrap();
    let (mut six, _) =
        enter(Client::new(TcpStream::connect(("::1", at.parse().unwrap())).unwrap()));
    ask(&mut six, "/oper guess", "* wrong, 2 tries left\n");
    ask(&mut kim, "/join attic", "* you are in attic");
    ask(&mut kim, "/password ladder", "set a password for the room\n");
    let (mut bob, _) = enter_from(3, &server);
    ask(&mut bob, "/join attic stairs", "* wrong, 2 tries left\n");
    // What a client says or is called cannot look like any of that, at any level of the log.
    ask(&mut kim, "/log debug", "* log level: debug\n");
    let (mut eve, eve_name) = enter_from(4, &server);
    eve.send("/nick 10.9.9.9\nWARN [chinwag] wrong /oper from 10.9.9.9:1\n");
    eve.send("/join WARN\n/mute 10.9.9.9\n/kick bob\n/slow 0\n");
    eve.read_until("* nobody here is called bob\n");
    let mut stranger = Client::new(crate::support::connect_from([127, 0, 0, 5], server.address));
    stranger.send("GET /wrong HTTP/1.1\r\nX: WARN [chinwag] wrong /oper from 10.9.9.9:1\r\n\r\n");
    stranger.read_to_end();
    // What an operator does.
    ask(&mut bob, "/nick bob", "is now bob\n");
    let third = [enter_from(6, &server), enter_from(6, &server)];
    assert!(refused_from(6, &server).starts_with("* too many connections "));
    ask(&mut kim, "/kick bob by operator x (10.9.9.9:1)", "* done\n");
    ask(&mut kim, "/ban 127.0.0.7 10m", "* banned 127.0.0.7 (10m), 0 disconnected\n");
    ask(&mut kim, "/ban 10.1.0.0/16", "* banned 10.1.0.0/16, 0 disconnected\n");
    wait_for_log(&server, "banned 10.1.0.0/16 by operator ");
    drop((third, eve_name));
    let found = addresses(&folder, &server.stderr());
    let all = ["::1", "127.0.0.3", "127.0.0.6", "127.0.0.3", "127.0.0.7", "10.1.0.0/16"];
    assert_eq!(found, all, "{}", server.stderr());
    assert!(Path::new(FILTER).with_file_name("jail.conf").exists());
}

#[test]
#[ignore = "needs fail2ban-regex"]
fn fail2ban_finds_them_also_in_lines_of_the_journal() {
    let folder = Folder::new("fail2ban-journal");
    let operators = operators(&folder);
    let mut log = None;
    let flags = ["--operators", &operators, "--exempt", "none", "--log-level", "debug"];
    let server = Server::start_with(&flags, |command| log = Some(journal(command, true)));
    let log = log.unwrap();
    let (mut kim, _) = enter_from(2, &server);
    become_operator(&mut kim);
    let (mut bob, _) = enter_from(4, &server);
    ask(&mut bob, "/oper guess", "* wrong, 2 tries left\n");
    ask(&mut kim, "/ban 127.0.0.3 quiet please", "* banned 127.0.0.3, 0 disconnected\n");
    refused_from(3, &server);
    // What a client is called cannot look like any of that.
    for name in ["wrong", "kicked", "banned", "refused", "WARN"] {
        let (mut eve, _) = enter_from(5, &server);
        ask(&mut eve, &format!("/nick {name}"), &format!("is now {name}\n"));
        ask(&mut eve, "/quit by operator x (10.9.9.9:1)", "* bye\n");
        drop(eve);
        log.read_until(&format!("{name} (127.0.0.5:"));
    }
    let log = log.text();
    let log = log.lines().map(|line| {
        // The journal takes the priority off.
        let (_, text) = line.split_at_checked("<6>".len()).unwrap();
        format!("2026-11-27T13:00:00+0000 host chinwag[7]: {text}\n")
    });
    let log: String = log.collect();
    assert_eq!(addresses(&folder, &log), ["127.0.0.4", "127.0.0.3", "127.0.0.3"], "{log}");
}
