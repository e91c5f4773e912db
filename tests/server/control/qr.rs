//! The QR code on the server's own terminal, as a camera sees it.

use std::fs;
use std::net::TcpStream;
use std::process::Command;

use super::terminal::{LEADER, Screen};
use crate::support::network::{in_own_network, run_here};
use crate::support::{Client, Folder, wait_for};

const COLUMNS: u16 = 80;
const ROWS: u16 = 24;

/// How many pixels a half block is wide and high.
const PIXELS: usize = 6;

/// A picture of a terminal on which this was printed, as a PGM.
fn picture(printed: &str) -> Vec<u8> {
    let mut terminal = vt100::Parser::new(ROWS.try_into().unwrap(), COLUMNS.try_into().unwrap(), 0);
    terminal.process(printed.replace("\n", "\r\n").as_bytes());
    let grey = |colour, default| match colour {
        vt100::Color::Default => default,
        vt100::Color::Idx(16) => 0,
        vt100::Color::Idx(231) => 255,
        other => panic!("{other:?}"),
    };
    let (width, height) = (usize::from(COLUMNS) * PIXELS, usize::from(ROWS) * 2 * PIXELS);
    let mut pgm = format!("P5 {width} {height} 255\n").into_bytes();
    for y in 0..height / PIXELS {
        let row = (0..COLUMNS).map(|x| {
            let cell = terminal.screen().cell((y / 2) as u16, x).unwrap();
            // Of a terminal with a light background.
            let (ink, paper) = (grey(cell.fgcolor(), 40), grey(cell.bgcolor(), 220));
            match cell.contents() {
                "\u{2588}" => ink,
                "\u{2580}" if y % 2 == 0 => ink,
                "\u{2584}" if y % 2 == 1 => ink,
                _ => paper,
            }
        });
        let row: Vec<u8> = row.flat_map(|grey| [grey; PIXELS]).collect();
        (0..PIXELS).for_each(|_| pgm.extend_from_slice(&row));
    }
    pgm
}

/// What a camera reads in this picture.
fn scanned(printed: &str) -> String {
    let folder = Folder::new("qr");
    let file = folder.at("terminal.pgm");
    fs::write(&file, picture(printed)).unwrap();
    let read = Command::new("zbarimg").args(["--quiet", "--raw"]).arg(&file).output().unwrap();
    String::from_utf8(read.stdout).unwrap()
}

/// All that a server prints that listens here, on a terminal, before the first client.
fn printed(listen: &str, flags: &[&str], last: &str) -> String {
    let flags = [&["--listen", listen], flags].concat();
    let screen = Screen::of_size(LEADER, &flags, (COLUMNS, ROWS));
    let mut alice = Client::new(TcpStream::connect(listen).unwrap());
    alice.read_until(" joined\n");
    let whole = || Some(screen.printed.text()).filter(|text| text.contains("joined"));
    let text = wait_for("the join notice", whole);
    let text = text.split_once("* guest").unwrap().0.to_owned();
    assert!(text.contains(last), "{text}");
    text
}

#[test]
#[ignore = "needs zbarimg, setsid and unshare"]
fn a_camera_reads_the_address_from_the_terminal() {
    in_own_network(|| {
        run_here("ip link set lo up; ip address add 192.168.77.7/32 dev lo");
        let (listen, page) = ("192.168.77.7:50005", "http://192.168.77.7:50005/");
        let last = format!(" or: {page} in a browser\n");
        let shown = printed(listen, &[], &last);
        assert!(shown.lines().count() < ROWS.into(), "it scrolls");
        assert_eq!(scanned(&shown), format!("{page}\n"));
        let hidden = printed(listen, &["--no-qr"], &last);
        assert_eq!((scanned(&hidden).as_str(), hidden.lines().count()), ("", 5));
        let own = printed("127.0.0.1:50005", &[], " in a browser\n");
        assert_eq!(own.lines().count(), 5, "{own}");
    });
}
