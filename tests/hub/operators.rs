//! What hosts and operators can do, and that no other client can.

use std::net::SocketAddr;
use std::time::Duration;

use chinwag::config::{Config, Exempt};
use chinwag::hub::admit::Entrance;
use chinwag::hub::bans::{Bans, Moment};
use chinwag::hub::moderation::{Operators, Request};
use chinwag::room::LOBBY;
use chinwag::words::command::{COMMANDS, Rank};
use chinwag::words::notice::Lang;

use crate::small::{Seat, Small};

const SECOND: Duration = Duration::from_secs(1);

fn config() -> Config {
    Config { hide_addresses: true, rate: 0, per_address: 0, ..Config::default() }
}

/// `guest1`, `guest2` and an operator, which is `guest3`.
fn three() -> (Small, [Seat; 3]) {
    let (mut small, [alice, bob]) = Small::with_two(config());
    let operator = small.control();
    forget(&[&alice, &bob, &operator]);
    (small, [alice, bob, operator])
}

/// These have read what there was.
fn forget(seats: &[&Seat]) {
    seats.iter().for_each(|seat| _ = seat.take_text());
}

fn is_closed(seat: &Seat) -> bool {
    seat.pipe.borrow().closed
}

#[test]
fn a_command_of_an_operator_is_refused_to_all_others() {
    let (mut small, [alice, bob]) = Small::with_two(config());
    small.hub.set_operators(Operators::parse("kim s3cret").unwrap());
    for row in COMMANDS.iter().filter(|row| row.rank() > Rank::Anyone) {
        for words in ["", " guest1", " 10.0.0.1", " guest1 10m", " 5", " debug"] {
            small.say(&bob, format!("{}{words}\n", row.name()));
            let text = bob.take_text();
            let needs = match row.rank() {
                Rank::Host => "the host of this room or an operator",
                _ => "an operator",
            };
            assert_eq!(text, format!("* only {needs} can use {}\n", row.name()));
        }
    }
    for words in ["/topic x", "/motd x", "/password x"] {
        small.say(&bob, format!("{words}\n"));
        assert!(bob.take_text().starts_with("* only "), "{words}");
    }
    assert_eq!(alice.take_text(), "");
    assert_eq!(small.hub.take_requests(), []);
}

#[test]
fn a_muted_client_is_answered_from_its_place_in_the_order_on() {
    let (mut small, [alice, bob, operator]) = three();
    small.say(&bob, "before\n");
    small.say_later(&operator, "/mute GUEST2 10s\n");
    small.say(&bob, "behind\n/me waves\n//slash\n/away home\n/who\n");
    let all = "guest2: before\n* guest2 was muted by host (10s)\n";
    let muted = "* not sent: you are muted in this room\n".repeat(4);
    assert_eq!(alice.take_text(), all);
    assert_eq!(bob.take_text(), format!("{all}{muted}* 2 here: guest1, guest2\n"));
    small.say(&bob, "/quit last words\n");
    assert!(!alice.take_text().contains("words"));
    // It comes back from its address.
    let again = small.connect(2);
    alice.take_text();
    small.say(&again, "hello\n");
    assert_eq!(alice.take_text(), "");
    small.pass(10 * SECOND);
    small.say(&again, "hello\n");
    assert_eq!(alice.take_text(), "guest4: hello\n");
}

#[test]
fn an_unmuted_client_talks_again() {
    let (mut small, [alice, bob, operator]) = three();
    small.say(&operator, "/mute guest2\n/unmute guest2\n/unmute guest2\n");
    forget(&[&alice]);
    small.say(&bob, "hello\n");
    assert_eq!(alice.take_text(), "guest2: hello\n");
    assert!(operator.take_text().contains("* guest2 is not muted\n"));
}

#[test]
fn a_kicked_client_says_no_more_and_all_are_told_why() {
    let (mut small, [alice, bob, operator]) = three();
    small.say(&bob, "before\n");
    small.say_later(&operator, "/kick guest2 too loud\n");
    small.say(&bob, "behind\n/nick carol\n");
    let told = "guest2: before\n* guest2 was disconnected by host: too loud\n";
    assert_eq!(alice.take_text(), told);
    let own = "guest2: before\n* closed: host disconnected you: too loud\n";
    assert_eq!(bob.take_text(), own);
    small.pass(2 * SECOND);
    assert!(is_closed(&bob));
    assert_eq!(alice.take_text(), "");
}

#[test]
fn a_client_on_its_way_to_another_room_is_kicked_too() {
    let (mut small, [alice, bob, operator]) = three();
    bob.pipe.borrow_mut().room = Some(0);
    small.say(&alice, "unread\n");
    small.say(&bob, "/join garden\n");
    small.say(&operator, "/kick guest2\n");
    bob.pipe.borrow_mut().room = None;
    small.note(&bob);
    small.pass(2 * SECOND);
    assert!(is_closed(&bob));
    assert_eq!(small.hub.rooms(), 1);
    let text = alice.take_text();
    assert!(text.ends_with("* guest2 was disconnected by host\n"), "{text}");
}

#[test]
fn a_ban_closes_its_network_and_keeps_it_out_until_it_ends() {
    let (mut small, [alice, bob, operator]) = three();
    let other = small.connect(2);
    forget(&[&alice]);
    small.say(&operator, "/ban guest2 60s flood\n");
    let text = operator.take_text();
    assert!(text.contains("* banned 10.0.0.2 (1m), 2 disconnected\n"), "{text}");
    assert!(bob.take_text().ends_with("* closed: your address is banned (1m): flood\n"));
    small.pass(2 * SECOND);
    assert!(is_closed(&bob) && is_closed(&other) && !is_closed(&alice));
    let again = small.connect(2);
    assert_eq!(again.take_text(), "* closed: your address is banned (58s): flood\n");
    small.pass(59 * SECOND);
    let again = small.connect(2);
    assert!(again.take_text().starts_with("* welcome"));
    assert_eq!(small.hub.take_requests(), [Request::Keep]);
}

#[test]
fn a_nuisance_that_changes_all_it_can_is_out_by_one_command() {
    let (mut small, [alice, _bob, operator]) = three();
    let address = |last: u16| SocketAddr::from(([0x2001, 0xdb8, 0, 7, 0, 0, 0, last], 9));
    let nuisance = small.connect_from(address(1), Entrance::to(LOBBY));
    small.say(&nuisance, "/nick Noise\nnoise\n/nick Other\n");
    small.say(&operator, "/ban other\n");
    for last in 1..=9 {
        let again = small.connect_from(address(last), Entrance::to(LOBBY));
        small.say(&again, "/nick Third\nnoise\n");
        assert!(again.take_text().starts_with("* closed: your address is banned\n"));
    }
    forget(&[&alice]);
    small.pass(2 * SECOND);
    assert_eq!(alice.take_text(), "");
}

#[test]
fn twenty_bots_are_silent_once_an_operator_acts() {
    let (mut small, [alice, _bob, operator]) = three();
    let bots: Vec<Seat> = (0..20).map(|number| small.connect(50 + number)).collect();
    small.pass(2 * SECOND);
    for bot in &bots {
        small.say_later(bot, "spam\n".repeat(50));
    }
    small.say(&operator, "/lock\n/ban 10.0.0.32/27\n/ban 10.0.0.64/27 1h bots\n");
    forget(&[&alice]);
    for bot in &bots {
        small.say(bot, "spam\n");
        let again = small.connect(80);
        assert!(!again.take_text().contains("welcome"));
    }
    small.pass(2 * SECOND);
    assert_eq!(alice.take_text(), "");
    assert!(bots.iter().all(is_closed));
}

#[test]
fn bans_are_listed_and_lifted() {
    let (mut small, [_alice, _bob, operator]) = three();
    small.say(&operator, "/bans\n/ban 192.0.2.0/24 2h spam run\n/ban 2001:db8::1\n/bans\n");
    let text = operator.take_text();
    let list = "* ban of 192.0.2.0/24 (2h) by host: spam run\n* ban of 2001:db8::/64 by host\n";
    assert!(text.starts_with("* no bans\n") && text.ends_with(list), "{text}");
    small.say(&operator, "/unban 192.0.2.0/24\n/unban 192.0.2.1\n/bans\n/ban nobody\n");
    let text = operator.take_text();
    let lines: Vec<&str> = text.lines().collect();
    assert_eq!(lines[0], "* the ban of 192.0.2.0/24 is lifted");
    assert_eq!(lines[1], "* there is no ban of 192.0.2.1; /bans lists them");
    assert_eq!(lines[2..], ["* ban of 2001:db8::/64 by host", "* nobody here is called nobody"]);
    let at = Moment { now: small.now, unix_seconds: 1_800_000_000 };
    let kept = small.hub.bans_text(at);
    let mut again = Small::new(config());
    again.hub.set_bans(Bans::from_text(&kept, at).0);
    assert_eq!(again.hub.bans_text(at), kept);
}

#[test]
fn exempt_clients_are_not_banned_nor_an_operator_by_itself() {
    let exempt = vec![Exempt::Network("10.0.0.2/32".parse().unwrap())];
    let (mut small, [_alice, bob]) = Small::with_two(Config { exempt, ..config() });
    small.hub.set_operators(Operators::parse("kim s3cret").unwrap());
    let kim = small.connect(3);
    small.say(&kim, "/oper s3cret\n");
    forget(&[&kim]);
    small.say(&kim, "/ban guest2\n/ban 10.0.0.0/24\n/ban 10.0.0.3\n");
    assert_eq!(
        kim.take_text(),
        "* guest2 has no address of its own: use /kick or /mute\n\
         * that would ban your own address\n* that would ban your own address\n"
    );
    small.say(&kim, "/ban 10.0.0.2\n");
    assert!(kim.take_text().starts_with("* 10.0.0.2 has no address of its own"));
    assert!(!is_closed(&bob) && small.connect(2).take_text().starts_with("* welcome"));
}

#[test]
fn a_slow_room_reads_later_and_loses_nothing() {
    let (mut small, [alice, bob, operator]) = three();
    small.say(&operator, "/slow 5\n");
    forget(&[&alice, &bob]);
    small.say(&bob, "one\n/who\ntwo\nthree\n/who\n");
    assert_eq!(bob.take_text(), "guest2: one\n* 2 here: guest1, guest2\n");
    small.say(&alice, "mine\n");
    assert_eq!(alice.take_text(), "guest2: one\nguest1: mine\n");
    small.pass(5 * SECOND);
    assert_eq!(alice.take_text(), "guest2: two\n");
    small.pass(5 * SECOND);
    assert_eq!(alice.take_text(), "guest2: three\n");
    small.say(&operator, "/slow 0\n");
    small.say(&bob, "four\nfive\n");
    assert!(alice.take_text().ends_with("guest2: four\nguest2: five\n"));
}

#[test]
fn a_host_rules_its_own_room_and_no_other() {
    let (mut small, [alice, bob, operator]) = three();
    small.say(&alice, "/join garden\n/lock\n/kick guest2\n/mute host\n/topic mine\n");
    let text = alice.take_text();
    assert!(text.contains("* guest1 locked the room"), "{text}");
    assert!(text.contains("* nobody here is called guest2\n"), "{text}");
    small.say(&bob, "/join garden\n");
    assert!(bob.take_text().ends_with("* garden is locked: it takes an invitation\n"));
    small.say(&alice, "/invite guest2\n");
    assert_eq!(bob.take_text(), "* guest1 invites you to garden; /join goes there\n");
    small.say(&bob, "/join garden\n/kick guest1\n");
    assert!(bob.take_text().ends_with("can use /kick\n"));
    // An operator comes in, and is above the host.
    small.say(&operator, "/join garden\nhi\n");
    small.say(&alice, "/kick guest3\n");
    assert!(alice.take_text().ends_with("* nobody here is called guest3\n"));
    small.say(&alice, "/kick guest2 go\n/leave\n/unlock\n");
    assert!(bob.take_text().ends_with("* closed: guest1 disconnected you: go\n"));
    assert!(alice.take_text().ends_with("can use /unlock\n"));
    // With its maker the room has lost its host.
    small.say(&operator, "/unlock\n");
    small.say(&alice, "/join garden\n/lock\n");
    assert!(alice.take_text().ends_with("can use /lock\n"));
}

#[test]
fn a_locked_lobby_takes_no_new_clients_but_operators() {
    let (mut small, [_alice, _bob, operator]) = three();
    small.say(&operator, "/lock\n");
    assert_eq!(small.connect(4).take_text(), "* lobby is locked: it takes an invitation\n");
    let other = small.control();
    small.say(&other, "/unlock\n");
    assert!(small.connect(4).take_text().starts_with("* welcome"));
}

#[test]
fn three_wrong_secrets_end_a_connection_and_each_takes_a_second() {
    let (mut small, [alice, bob]) = Small::with_two(config());
    small.hub.set_operators(Operators::parse("kim s3cret").unwrap());
    small.say(&bob, "/oper a\n/oper b\n/oper c\n/oper s3cret\n");
    assert_eq!(bob.take_text(), "* wrong, 2 tries left\n");
    small.pass(SECOND);
    assert_eq!(bob.take_text(), "* wrong, 1 try left\n");
    small.pass(SECOND);
    assert_eq!(bob.take_text(), "* closed: too many wrong tries\n");
    small.pass(2 * SECOND);
    assert!(is_closed(&bob));
    assert_eq!(alice.take_text(), "* guest2 left\n");
    small.say(&alice, "/oper s3cret\n/kick guest1 myself\n");
    assert!(alice.take_text().contains("* you are an operator now"));
}

#[test]
fn an_operator_makes_another_and_ends_that() {
    let (mut small, [alice, bob, operator]) = three();
    small.say(&operator, "/op guest2\n");
    assert!(bob.take_text().starts_with("* you are an operator now"));
    small.say(&bob, "/where guest1\n/op guest1\n/op guest1 off\n");
    let text = bob.take_text();
    assert!(text.starts_with("* guest1 (10.0.0.1:1000) is here (0s)\n"), "{text}");
    assert!(alice.take_text().ends_with("* you are no longer an operator\n"));
    small.say(&operator, "/op guest2 off\n");
    forget(&[&bob]);
    small.say(&bob, "/bans\n");
    assert_eq!(bob.take_text(), "* only an operator can use /bans\n");
}

#[test]
fn an_operator_is_announced_when_it_says_a_line() {
    let (mut small, [alice, bob, operator]) = three();
    small.say(&alice, "/who\n");
    assert_eq!(alice.take_text(), "* 2 here: guest1, guest2\n");
    small.say(&operator, "/who\n/slow 1\n/slow 0\n/say all hear this\n");
    assert!(operator.take_text().starts_with("* 2 here: guest1, guest2\n"));
    assert!(bob.take_text().ends_with("* announcement: all hear this\n"));
    forget(&[&alice]);
    small.say(&operator, "hello\n/quit\n");
    assert_eq!(alice.take_text(), "* guest3 joined\nguest3: hello\n* guest3 left\n");
    let other = small.control();
    small.say(&other, "/quit\n");
    small.pass(2 * SECOND);
    assert!(is_closed(&other));
    assert_eq!(alice.take_text(), "");
}

#[test]
fn an_operator_may_get_replies_alone() {
    let (mut small, [alice, bob, operator]) = three();
    small.say(&operator, "/replies\n/kick guest2\n/mute guest2\n");
    let replies = "* replies only\n* done\n* nobody here is called guest2\n";
    assert_eq!(operator.take_text(), replies);
    small.say(&alice, "hello\n");
    small.say(&operator, "hello\n");
    assert_eq!(operator.take_text(), "");
    assert!(alice.take_text().ends_with("* guest3 joined\nguest3: hello\n"));
    assert!(bob.take_text().ends_with("* closed: host disconnected you\n"));
}

#[test]
fn the_terminal_of_the_server_is_the_host() {
    let (mut small, [alice, bob]) = Small::with_two(config());
    let host = small.host();
    assert_eq!((alice.take_text(), host.take_text()), (String::new(), String::new()));
    small.say(&host, "hello\n/kick guest2\n");
    assert_eq!(host.take_text(), "* done\n");
    assert_eq!(
        alice.take_text(),
        "* host joined\nhost: hello\n* guest2 was disconnected by host\n"
    );
    small.say(&bob, "/nick host\n");
    small.say(&alice, "/nick HOST\n/msg host hi\n");
    assert_eq!(alice.take_text(), "* HOST is reserved\n[guest1 -> host] hi\n");
    assert_eq!(host.take_text(), "[guest1 -> host] hi\n");
}

#[test]
fn a_client_that_is_away_says_so_to_those_that_write_to_it() {
    let (mut small, [alice, bob, _operator]) = three();
    small.say(&bob, "/away\n/away at lunch\n");
    let told = "* guest2 is away: at lunch\n";
    assert!(bob.take_text().ends_with(told));
    small.say(&alice, "/msg guest2 hi\n");
    let reply = "[guest1 -> guest2] hi\n* guest2 may read this later, being away: at lunch\n";
    assert_eq!(alice.take_text(), format!("{told}{reply}"));
    small.say(&bob, "/away\n");
    small.say(&alice, "/msg guest2 hi\n");
    assert_eq!(alice.take_text(), "* guest2 is back\n[guest1 -> guest2] hi\n");
}

#[test]
fn the_welcome_text_is_shown_to_all_that_come() {
    let (mut small, [alice, _bob, operator]) = three();
    small.hub.set_motd("be kind\n\nand short\n");
    small.say(&alice, "/motd\n");
    assert_eq!(alice.take_text(), "* be kind\n* \n* and short\n");
    assert!(small.connect(4).take_text().contains(" here\n* be kind\n* \n* and short\n"));
    small.hub.set_motd(&format!("{}\nlast\n", "x".repeat(4092)));
    small.say(&alice, "/motd\n");
    assert!(!alice.take_text().contains("last"));
    small.say(&operator, "/motd welcome all\n/motd\n");
    assert!(operator.take_text().ends_with("* the welcome text is set\n* welcome all\n"));
}

#[test]
fn what_an_operator_wants_of_the_server_is_handed_out_in_order() {
    let (mut small, [_alice, _bob, operator]) = three();
    small.say(&operator, "/log debug\n/reload\n/ban 192.0.2.1\n/topic x\n");
    let requests = small.hub.take_requests();
    let level = log::LevelFilter::Debug;
    assert_eq!(requests, [Request::Log(level), Request::Reload, Request::Keep]);
    assert_eq!(small.hub.take_requests(), []);
    let help = String::from_utf8(chinwag::words::notice::help(Lang::En, Rank::Operator)).unwrap();
    forget(&[&operator]);
    small.say(&operator, "/help\n");
    assert_eq!(operator.take_text(), help);
}

#[test]
fn what_is_done_in_another_room_is_told_there_at_its_place() {
    let (mut small, [alice, bob, operator]) = three();
    let carol = small.connect(5);
    for seat in [&bob, &carol] {
        small.say(seat, "/join attic\n");
    }
    forget(&[&alice, &bob, &carol, &operator]);
    small.say_later(&bob, "before\n");
    small.say(&operator, "/mute guest2\n/unmute guest2\n/kick guest2 go\n/who\n");
    assert_eq!(
        carol.take_text(),
        "guest2: before\n* guest2 was muted by host\n* guest2 was unmuted by host\n\
         * guest2 was disconnected by host: go\n"
    );
    assert_eq!(operator.take_text(), "* done\n* done\n* done\n* 1 here: guest1\n");
    assert!(bob.take_text().ends_with("* closed: host disconnected you: go\n"));
    assert_eq!(alice.take_text(), "");
}

#[test]
fn what_is_passed_on_is_done_though_its_author_ends() {
    let (mut small, [alice, bob, operator]) = three();
    small.say(&bob, "/join attic\n");
    forget(&[&alice, &bob, &operator]);
    small.say_later(&operator, "/replies\n/kick guest2\n");
    small.end(&operator);
    assert_eq!(operator.take_text(), "* replies only\n* done\n");
    small.pass(2 * SECOND);
    assert!(is_closed(&bob) && is_closed(&operator));
}

#[test]
fn in_a_slow_room_the_rate_costs_no_second_turn() {
    let exempt = vec![Exempt::Nobody];
    let config = Config { exempt, rate: 10, burst: 5, ..config() };
    let (mut small, [alice, bob]) = Small::with_two(config);
    let operator = small.control();
    small.say(&operator, "/slow 5\n");
    forget(&[&alice]);
    small.say(&bob, format!("{}hello\n", "/who\n".repeat(12)));
    small.pass(3 * SECOND);
    assert_eq!(alice.take_text(), "guest2: hello\n");
}
