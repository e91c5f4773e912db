//! The frames pass Autobahn's suite: kosoku has its cases and plays a client that breaks each rule.
//!
//! It wants each message back, text or binary. So here is a server that does nothing else.

use std::io::{Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::path::Path;
use std::process::Command;
use std::{fs, thread};

use chinwag::wire::web::answer;
use chinwag::wire::web::frames::{Frames, NORMAL, push_message};
use chinwag::wire::web::head::{Asks, Rules, parse};
use chinwag::wire::web::origin::Hosts;

/// All but those of compression, which is not spoken.
const CASES: usize = 301;

#[test]
#[ignore = "needs kosoku in target/kosoku, which scripts/test.sh installs"]
fn every_case_of_autobahn_passes() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    thread::spawn(move || {
        for stream in listener.incoming() {
            thread::spawn(|| echo(stream.unwrap()));
        }
    });
    let target = Path::new(env!("CARGO_MANIFEST_DIR")).join("target");
    let (kosoku, reports) = (target.join("kosoku"), target.join("autobahn"));
    let mut suite = Command::new(kosoku.join("bin/kosoku"));
    suite.env("PYTHONPATH", &kosoku).arg("--outdir").arg(&reports);
    suite.args(["-x", "12.*", "-x", "13.*"]).arg(format!("ws://{address}/chat"));
    let output = suite.output().expect("kosoku is installed");
    let told = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(output.status.success(), "{told}");
    let index = fs::read_to_string(reports.join("index.json")).unwrap();
    for key in ["\"behavior\"", "\"behaviorClose\""] {
        // Behind each key stands its word, and further on the name of the case.
        let cases: Vec<&str> = index.split(key).skip(1).collect();
        assert_eq!(cases.len(), CASES);
        for case in cases {
            let word = case.split('"').nth(1);
            assert!(matches!(word, Some("OK" | "INFORMATIONAL")), "{key}{case}");
        }
    }
}

/// Opens a WebSocket and sends each message back.
fn echo(mut stream: TcpStream) {
    let hosts = Hosts::default();
    let rules = Rules { hosts: &hosts, body_bytes_max: 0 };
    let (mut begun, mut scratch) = (Vec::new(), vec![0; 64 * 1024]);
    let head = loop {
        match stream.read(&mut scratch) {
            Ok(0) | Err(_) => return,
            Ok(read) => begun.extend_from_slice(&scratch[..read]),
        }
        if let Some(head) = parse(&begun, &rules) {
            break head;
        }
    };
    let Ok(Asks::Chat { accept, .. }) = head.asks else { panic!("{head:?}") };
    stream.write_all(&answer::websocket(&accept)).unwrap();
    let mut frames = Frames::with_binary();
    let mut message = Vec::new();
    let mut read = begun.split_off(head.bytes);
    while frames.end().is_none() {
        let (mut at, mut sent) = (0, Vec::new());
        while let Some(piece) = frames.next(&mut read, &mut at, &mut sent) {
            message.extend_from_slice(&read[piece.range]);
            if let Some(kind) = piece.ends {
                push_message(kind, &std::mem::take(&mut message), &mut sent);
            }
        }
        if frames.end().is_some() {
            frames.push_close(NORMAL, &mut sent);
        }
        if stream.write_all(&sent).is_err() {
            return;
        }
        if frames.end().is_none() {
            match stream.read(&mut scratch) {
                Ok(0) | Err(_) => return,
                Ok(bytes) => read = scratch[..bytes].to_vec(),
            }
        }
    }
    // As a client is closed: what it still sends is read, or a reset would overtake the close.
    if stream.shutdown(Shutdown::Write).is_ok() {
        while stream.read(&mut scratch).is_ok_and(|bytes| bytes > 0) {}
    }
}
