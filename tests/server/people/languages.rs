//! Notices in another language.

use super::ask;
use crate::support::{Server, wait_for};

const JOINED: &str = "가 접속했습니다.\n";

#[test]
fn a_korean_server_says_all_in_korean_behind_the_same_mark() {
    let mut server = Server::start(&["--lang", "ko", "--history", "5", "--max-line", "100"]);
    let mut alice = server.connect();
    alice.read_until(JOINED);
    let address = alice.address();
    let welcome = format!("* 환영합니다, guest1 ({address})님. 지금 1명이 있습니다\n");
    let history = "* 지난 대화\n";
    assert!(!alice.read_text().contains(history));
    let joined = format!("* guest1 유저({address})가 접속했습니다.\n");
    assert_eq!(alice.read_text(), format!("{welcome}{joined}"));
    alice.send("네\n");
    alice.read_until("guest1: 네\n");
    let mut bob = server.connect();
    bob.read_until(&format!("유저({})가 접속했습니다.", bob.address()));
    assert!(bob.read_text().contains(&format!("{history}guest1: 네\n* 여기부터 지금\n")));
    alice.read_until("* guest2 유저(");
    alice.read_until_last(JOINED);
    [&mut alice, &mut bob].into_iter().for_each(|client| client.forget());
    for (command, answer) in [
        ("/who", "* 지금 2명: guest1, guest2\n"),
        ("/echo", "* 사용법: /echo on|off\n"),
        ("/nick", "* 사용법: /nick 이름\n"),
        ("/없음", "* 없는 명령입니다: /없음. /help로 목록을 보세요. //글은 /글로 보냅니다\n"),
        ("/nick 서버", "* 서버은(는) 쓸 수 없는 이름입니다\n"),
    ] {
        assert_eq!(ask(&mut alice, &mut bob, command), answer);
    }
    alice.send(format!("{}\n", "가".repeat(34)));
    alice.read_until_last("* 줄이 너무 길어 보내지 않았습니다: 최대 100바이트\n");
    alice.forget();
    let help = ask(&mut alice, &mut bob, "/help");
    assert!(help.contains("* /msg 이름 글") && help.lines().all(|line| line.starts_with("* ")));
    alice.send("/nick 철수\n/quit 안녕\n");
    assert!(alice.read_to_end().ends_with("* 안녕히 가세요\n"));
    drop(alice);
    bob.read_until_last("철수: 안녕\n* 철수님이 나갔습니다\n");
    let mut stranger = server.connect();
    stranger.send("SSH-2.0-x\r\n");
    let told = "* 여기는 채팅 서버이며 SSH을(를) 쓰지 않습니다. nc나 telnet으로 접속하세요\n";
    assert_eq!(stranger.read_to_end(), told);
    server.signal("TERM");
    bob.read_to_end();
    assert!(bob.read_text().ends_with("* 서버를 종료합니다\n"));
    assert!(server.wait_for_end().success());
}

/// Whether a server with these flags, and only these variables, speaks Korean.
fn is_korean(flags: &[&str], variables: &[(&str, &str)]) -> bool {
    let server = Server::start_with(flags, |command| {
        ["LC_ALL", "LC_MESSAGES", "LANG", "CHINWAG_LANG"].into_iter().for_each(|name| {
            command.env_remove(name);
        });
        command.envs(variables.iter().copied());
    });
    let mut alice = server.connect();
    alice.send("hello\n");
    alice.read_until("guest1: hello\n");
    wait_for("the transcript", || server.stdout().contains("hello").then_some(()));
    let korean =
        alice.read_text().contains(&format!("유저({})가 접속했습니다.\n", alice.address()));
    assert_eq!(korean, !alice.read_text().contains(" joined\n"));
    assert_eq!(korean, server.stdout().contains("접속했습니다."));
    korean
}

#[test]
fn the_language_is_from_the_flag_the_environment_or_english() {
    assert!(!is_korean(&[], &[]));
    assert!(is_korean(&["--lang", "ko"], &[]));
    assert!(is_korean(&[], &[("LC_ALL", "ko_KR.UTF-8")]));
    assert!(is_korean(&[], &[("LANG", "ko_KR.UTF-8")]));
    assert!(is_korean(&[], &[("LANG", "C.UTF-8"), ("LC_MESSAGES", "ko_KR.UTF-8")]));
    assert!(!is_korean(&[], &[("LANG", "ko_KR.UTF-8"), ("LC_ALL", "C.UTF-8")]));
    assert!(is_korean(&[], &[("CHINWAG_LANG", "ko"), ("LC_ALL", "en_US.UTF-8")]));
    assert!(!is_korean(&["--lang", "en"], &[("LC_ALL", "ko_KR.UTF-8"), ("CHINWAG_LANG", "ko")]));
    // An empty variable counts as not set.
    assert!(is_korean(&[], &[("LC_ALL", ""), ("CHINWAG_LANG", ""), ("LANG", "ko_KR.UTF-8")]));
    assert!(!is_korean(&[], &[("LC_ALL", "tlh_QO.UTF-8"), ("LANG", "ko_KR.UTF-8")]));
}
