//! What clients do and see: names, commands, safe text, telnet, and clients of other protocols.

mod commands;
mod languages;
mod names;
mod private;
mod rooms;
mod safety;
mod strangers;
mod telnet;

use crate::support::{Client, Server};

/// This many clients. Each has read that the others joined, and nothing after that.
pub fn people<const MANY: usize>(server: &Server) -> [Client; MANY] {
    let mut people: Vec<(Client, String)> = Vec::new();
    for _ in 0..MANY {
        let newcomer = server.join();
        for (earlier, _) in &mut people {
            let joined = format!("* {} ({}) joined\n", newcomer.1, newcomer.0.address());
            earlier.read_until_last(&joined);
            earlier.forget();
        }
        people.push(newcomer);
    }
    let people: Vec<Client> = people.into_iter().map(|(client, _)| client).collect();
    people.try_into().unwrap_or_else(|_| panic!("{MANY} people"))
}

/// Has a client give a command between two lines of its own, all in one write. Returns what that
/// client and another one have read between the two.
pub fn give(giver: &mut Client, witness: &mut Client, command: &str) -> (String, String) {
    giver.send(format!("before\n{command}\nafter\n"));
    (between(giver), between(witness))
}

/// The answer to a command. It stands between the lines around it, and no other client gets it.
pub fn ask(asker: &mut Client, witness: &mut Client, command: &str) -> String {
    let (answer, seen) = give(asker, witness, command);
    assert_eq!(seen, "", "{command}");
    answer
}

fn between(client: &mut Client) -> String {
    client.read_until_last(": after\n");
    let read = client.read_text();
    client.forget();
    let (name, rest) = read.split_once(": before\n").unwrap();
    assert!(!name.contains([' ', '\n']), "{read:?}");
    let last = rest.trim_end_matches('\n').rfind('\n').map_or(0, |at| at + 1);
    rest[..last].to_owned()
}

/// Sends a line and reads up to it. Returns all that was read before.
pub fn read_up_to_mark(client: &mut Client) -> String {
    client.send("the mark\n");
    client.read_until_last(": the mark\n");
    let read = client.read_text();
    client.forget();
    let line = read.trim_end_matches('\n').rfind('\n').map_or(0, |at| at + 1);
    read[..line].to_owned()
}
