//! The server's own lines, in one table: another language is one more column. Where English needs a
//! singular, the sentence stands there twice.
//!
//! Every notice is a line of its own. It begins with `* `, and no client's line does: those begin
//! with a name, `~ ` or `[`. A notice that lacks a translation does not compile. This module knows
//! words only, not when or to which client they go.

use std::fmt;

use super::reading;
use super::sentences::notices;

pub use super::help::{help, usage};
pub use super::lang::{LANGS, Lang};
pub use super::values::{Counted, Shown, Span, Whence, Why};

notices! {
    /// To a new client: its name, its address (unless hidden), and how many clients are here.
    Welcome { name: &'a str, address: Shown, here: usize }
        en "welcome, you are {name}{address}, {here} here"
        ko "환영합니다, {name}{address}님. 지금 {here}명이 있습니다";
    /// To all: a client joined, and its address (unless hidden).
    Joined { name: &'a str, address: Shown }
        en "{name}{address} joined"
        ko "{name} 유저{address:#}가 접속했습니다.";
    /// To all: a client left.
    Left { name: &'a str }
        en "{name} left"
        ko "{name}님이 나갔습니다";
    /// To all: a client has taken a name.
    Renamed { from: &'a str, to: &'a str }
        en "{from} is now {to}"
        ko "{from}님의 이름이 이제 {to}입니다";
    /// To all, instead of single notices when too many join.
    ManyJoined { joined: u64, here: usize }
        en "{joined} joined ({here} here)"
        ko "{joined}명이 접속했습니다 (지금 {here}명)";
    /// To all, instead of single notices when too many leave.
    ManyLeft { left: u64, here: usize }
        en "{left} left ({here} here)"
        ko "{left}명이 나갔습니다 (지금 {here}명)";
    /// To all, instead of single notices when too many join and leave.
    ManyJoinedAndLeft { joined: u64, left: u64, here: usize }
        en "{joined} joined, {left} left ({here} here)"
        ko "{joined}명이 접속하고 {left}명이 나갔습니다 (지금 {here}명)";
    /// Before earlier lines.
    History
        en "history"
        ko "지난 대화";
    /// After earlier lines.
    Now
        en "now"
        ko "여기부터 지금";
    /// Instead of earlier lines, if there are none.
    NoHistory
        en "no history"
        ko "지난 대화가 없습니다";
    /// To a client that fell behind.
    Missed { lines: u64 }
        en "you missed {lines} lines", if lines == 1 => "you missed 1 line"
        ko "{lines}줄을 놓쳤습니다";
    /// To the sender of a line that was dropped.
    LineTooLong { bytes_max: usize }
        en "line too long, not sent (limit {bytes_max} bytes)", if bytes_max == 1 =>
            "line too long, not sent (limit 1 byte)"
        ko "줄이 너무 길어 보내지 않았습니다: 최대 {bytes_max}바이트";
    /// To the sender of a line that is not UTF-8, once.
    NotUtf8
        en "what you type is not UTF-8, so others see \u{fffd}; set your terminal to UTF-8"
        ko "입력이 UTF-8이 아니어서 다른 사람에게는 \u{fffd}로 보입니다. 터미널을 UTF-8로 바꾸세요";
    /// The same to a client that ends its lines as telnet does and has sent no telnet command. It
    /// may be GNU telnet, which then takes some bytes of typed text for its control keys.
    NotUtf8ThroughTelnet
        en "what you type is not UTF-8, so others see \u{fffd}; with telnet press Ctrl-C once, or \
            start it as telnet -- HOST -PORT; else set your terminal to UTF-8"
        ko "입력이 UTF-8이 아니어서 다른 사람에게는 \u{fffd}로 보입니다. telnet에서는 Ctrl-C를 한 번 \
            누르거나 telnet -- 주소 -포트로 접속하세요. 아니면 터미널을 UTF-8로 바꾸세요";
    /// The same to a client that has sent telnet commands, perhaps in the middle of this line. The
    /// server has asked it for binary mode, in which it passes all bytes.
    NotUtf8BeforeBinary
        en "what you typed was not UTF-8, so others see \u{fffd}; telnet passes it whole from now \
            on; if it does not, set your terminal to UTF-8"
        ko "입력이 UTF-8이 아니어서 다른 사람에게는 \u{fffd}로 보입니다. telnet이 이제부터는 그대로 \
            보냅니다. 그래도 같으면 터미널을 UTF-8로 바꾸세요";
    /// To a client that is disconnected for sending this much without a line end.
    Endless { bytes_max: usize }
        en "closed: {bytes_max} bytes without a line end", if bytes_max == 1 =>
            "closed: 1 byte without a line end"
        ko "연결을 끊습니다: 줄바꿈 없이 {bytes_max}바이트";
    /// To a client that is disconnected for sending nothing for this long.
    Idle { seconds: u64 }
        en "closed: nothing said for {seconds} s"
        ko "연결을 끊습니다: {seconds}초 동안 말이 없었습니다";
    /// To a client that is disconnected with too many unread replies.
    TooManyReplies { bytes_max: usize }
        en "closed: {bytes_max} bytes of replies unread"
        ko "연결을 끊습니다: 읽지 않은 답이 {bytes_max}바이트";
    /// To a client that is refused: the server is full.
    Full { clients_max: usize }
        en "server full ({clients_max})"
        ko "서버가 가득 찼습니다 ({clients_max})";
    /// To a client that is refused: too many connections from its address.
    TooManyFromAddress { per_address: usize }
        en "too many connections from your address ({per_address}, --per-address)"
        ko "같은 주소에서 온 연결이 너무 많습니다 ({per_address}, --per-address)";
    /// To a client of another protocol.
    NotChat { protocol: &'a str }
        en "this is a chat server and does not speak {protocol}; try nc or telnet"
        ko "여기는 채팅 서버이며 {protocol}을(를) 쓰지 않습니다. nc나 telnet으로 접속하세요";
    /// To a client of a binary protocol.
    NotText
        en "this is a chat server and takes only text in UTF-8; try nc or telnet"
        ko "여기는 채팅 서버이며 UTF-8로 쓴 글만 받습니다. nc나 telnet으로 접속하세요";
    /// To a client that sends UTF-16.
    Utf16
        en "this is a chat server for UTF-8 and you send UTF-16; set your client to UTF-8"
        ko "여기는 UTF-8 채팅 서버인데 UTF-16으로 보내고 있습니다. 프로그램을 UTF-8로 바꾸세요";
    /// To a client that has come into another room.
    Entered { room: &'a str, here: usize }
        en "you are in {room}, {here} here"
        ko "{room} 방입니다. 지금 {here}명이 있습니다";
    /// To all in a room: a client went to another.
    Moved { name: &'a str, room: &'a str }
        en "{name} went to {room}"
        ko "{name}님이 {room} 방으로 갔습니다";
    /// To a client that is to go where it is.
    InRoom { room: &'a str }
        en "you are in {room} already"
        ko "이미 {room} 방에 있습니다";
    /// What a room is about.
    Topic { topic: &'a str }
        en "topic: {topic}"
        ko "주제: {topic}";
    /// A room has no topic.
    NoTopic
        en "no topic; the host of a room sets it"
        ko "주제가 없습니다. 방장이 정합니다";
    /// To all in a room: a client has changed what it is about.
    TopicSet { name: &'a str, topic: &'a str }
        en "{name} set the topic: {topic}"
        ko "{name}님이 주제를 정했습니다: {topic}";
    /// The rooms, and how many are in each.
    Rooms { rooms: usize, names: &'a str }
        en "{rooms} rooms: {names}", if rooms == 1 => "1 room: {names}"
        ko "방 {rooms}개: {names}";
    /// The same if they are too many to list.
    RoomsAndMore { rooms: usize, names: &'a str, more: usize }
        en "{rooms} rooms: {names} and {more} more"
        ko "방 {rooms}개: {names} 외 {more}개";
    /// The name of a new room is too much like that of another.
    RoomLooksTaken { room: &'a str }
        en "{room} looks like the name of another room"
        ko "{room}은(는) 다른 방의 이름과 비슷하게 보입니다";
    /// A client wants one room more than its address may have.
    TooManyRooms { most: usize }
        en "your address has made {most} rooms that are still there, which is the most"
        ko "같은 주소에서 만든 방이 이미 {most}개 있어 더는 안 됩니다";
    /// To all: the server stops.
    Stopping
        en "server shutting down"
        ko "서버를 종료합니다";
    /// To all: the order that several servers share is not there.
    Unreachable
        en "the other servers cannot be reached: what you say waits"
        ko "다른 서버에 닿지 않습니다. 하시는 말은 기다립니다";
    /// To all: it is there again.
    Reached
        en "the other servers can be reached again"
        ko "다른 서버에 다시 닿습니다";
    /// To all: another server is gone, and its clients here with it.
    ServerGone { node: &'a str, left: usize }
        en "server {node} is gone ({left} left)"
        ko "서버 {node}가 사라져 {left}명이 나갔습니다";
    /// To a client that sent an unknown command.
    Unknown { command: &'a str }
        en "no such command: {command}; /help lists them, //text says /text"
        ko "없는 명령입니다: {command}. /help로 목록을 보세요. //글은 /글로 보냅니다";
    /// To a client whose command has a missing or wrong argument.
    Usage { usage: &'a str }
        en "usage: {usage}"
        ko "사용법: {usage}";
    /// The same, and how many others only read. They are read before the shorter forms.
    HereMoreAndReading { here: usize, names: &'a str, more: usize, readers: usize }
        en "{here} here: {names} and {more} more + {readers} reading"
        ko "지금 {here}명: {names} 외 {more}명 + 읽기만 {readers}명";
    /// How many are here, and their names, and how many others only read.
    HereAndReading { here: usize, names: &'a str, readers: usize }
        en "{here} here: {names} + {readers} reading"
        ko "지금 {here}명: {names} + 읽기만 {readers}명";
    /// How many are here, and the names of some. It is read before [`Notice::Here`], whose form it
    /// has too.
    HereAndMore { here: usize, names: &'a str, more: usize }
        en "{here} here: {names} and {more} more"
        ko "지금 {here}명: {names} 외 {more}명";
    /// How many are here, and their names.
    Here { here: usize, names: &'a str }
        en "{here} here: {names}"
        ko "지금 {here}명: {names}";
    /// To a client that has said something by `POST /say`: all of it was said.
    SaidAs { name: &'a str }
        en "said as {name}"
        ko "{name} 이름으로 말했습니다";
    /// To a client that leaves by `/quit`.
    Bye
        en "bye"
        ko "안녕히 가세요";
    /// No client here has this name.
    Nobody { name: &'a str }
        en "nobody here is called {name}"
        ko "{name}이라는 사람이 없습니다";
    /// To a client that sent `/r`, but has no private message from a client that is still here.
    NobodyToAnswer
        en "nobody to answer: you have had no private message from anyone here"
        ko "답할 사람이 없습니다: 지금 있는 사람에게서 받은 귓속말이 없습니다";
    /// A private message was refused: too much waits for its recipient.
    NotDelivered { name: &'a str }
        en "not sent: {name} has too much unread"
        ko "보내지 않았습니다: {name}님이 읽지 않은 것이 너무 많습니다";
    /// From now on a client gets its own lines.
    EchoOn
        en "echo is on: you see your own lines"
        ko "에코 켜짐: 자기 말이 보입니다";
    /// From now on a client does not get its own lines.
    EchoOff
        en "echo is off: you do not see your own lines"
        ko "에코 꺼짐: 자기 말이 보이지 않습니다";
    /// From now on a client does not see this one's lines.
    Ignoring { name: &'a str }
        en "ignoring {name}"
        ko "{name}님을 무시합니다";
    /// From now on a client sees this one's lines again.
    NoLongerIgnoring { name: &'a str }
        en "no longer ignoring {name}"
        ko "{name}님을 더는 무시하지 않습니다";
    /// `/unignore` of a client that was not ignored.
    NotIgnoring { name: &'a str }
        en "you are not ignoring {name}"
        ko "{name}님을 무시하고 있지 않습니다";
    /// The clients that are ignored.
    IgnoringThese { names: &'a str }
        en "ignoring: {names}"
        ko "무시하는 사람: {names}";
    /// No client is ignored.
    IgnoringNobody
        en "ignoring nobody"
        ko "무시하는 사람이 없습니다";
    /// The client ignores as many as it may.
    IgnoringTooMany { most: usize }
        en "you already ignore {most} people, the maximum"
        ko "이미 {most}명을 무시하고 있어 더는 안 됩니다";
    /// A client cannot ignore itself.
    IgnoringYourself
        en "that is you; /echo off hides your own lines"
        ko "자기 자신입니다. /echo off는 자기 말을 감춥니다";
    /// The name has too many characters.
    NameTooLong { characters_max: usize }
        en "that name is too long: at most {characters_max} characters"
        ko "이름이 너무 깁니다: 최대 {characters_max}자";
    /// The name has a character that is not allowed.
    NameCharacter { character: &'a str }
        en "names cannot contain {character}: use letters, digits, _ - or ."
        ko "이름에 {character}을(를) 쓸 수 없습니다: 글자, 숫자, _ - . 만 됩니다";
    /// The name begins with a character that may only follow others.
    NameFirst { character: &'a str }
        en "names cannot begin with {character}: begin with a letter or a digit"
        ko "이름은 {character}(으)로 시작할 수 없습니다: 글자나 숫자로 시작하세요";
    /// The name is reserved for the server, or looks like one that is.
    NameReserved { name: &'a str }
        en "{name} is reserved"
        ko "{name}은(는) 쓸 수 없는 이름입니다";
    /// The client has this name already.
    NameIsYours { name: &'a str }
        en "you are {name} already"
        ko "이미 {name}님입니다";
    /// Another client has this name.
    NameTaken { name: &'a str }
        en "{name} is taken"
        ko "{name}은(는) 이미 쓰는 이름입니다";
    /// Another client has a name that looks like this one.
    NameLooksTaken { name: &'a str }
        en "{name} looks like the name of someone here"
        ko "{name}은(는) 여기 있는 사람의 이름과 비슷하게 보입니다";
    /// To a client that gives a command of the host.
    OnlyHost { command: &'a str }
        en "only the host of this room or an operator can use {command}"
        ko "{command}은(는) 이 방의 방장이나 운영자만 쓸 수 있습니다";
    /// To a client that gives a command of an operator.
    OnlyOperator { command: &'a str }
        en "only an operator can use {command}"
        ko "{command}은(는) 운영자만 쓸 수 있습니다";
    /// To a client that is disconnected by a host or an operator.
    Kicked { by: &'a str, why: Why<'a> }
        en "closed: {by} disconnected you{why}"
        ko "연결을 끊습니다: {by}님이 내보냈습니다{why}";
    /// The same to all in its room.
    WasKicked { name: &'a str, by: &'a str, why: Why<'a> }
        en "{name} was disconnected by {by}{why}"
        ko "{name}님을 내보낸 사람: {by}{why}";
    /// To a client of a network that may not come in.
    Banned { time: Span, why: Why<'a> }
        en "closed: your address is banned{time}{why}"
        ko "연결을 끊습니다: 차단된 주소입니다{time}{why}";
    /// To an operator: a ban holds from now on.
    BanSet { network: &'a str, time: Span, gone: usize }
        en "banned {network}{time}, {gone} disconnected"
        ko "{network}{time} 차단, {gone}명을 내보냈습니다";
    /// A ban no longer holds.
    BanLifted { network: &'a str }
        en "the ban of {network} is lifted"
        ko "{network} 차단을 풀었습니다";
    /// There is no such ban.
    NotBanned { network: &'a str }
        en "there is no ban of {network}; /bans lists them"
        ko "{network} 차단이 없습니다. /bans로 목록을 보세요";
    /// One ban in the list.
    Ban { network: &'a str, time: Span, by: &'a str, why: Why<'a> }
        en "ban of {network}{time} by {by}{why}"
        ko "차단: {network}{time} 운영자 {by}{why}";
    /// The number of bans that the list has left out.
    MoreBans { more: usize }
        en "and {more} more bans"
        ko "그 밖의 차단 {more}개";
    /// The list of bans is empty.
    NoBans
        en "no bans"
        ko "차단이 없습니다";
    /// A client cannot be banned by its address.
    SharesAddress { name: &'a str }
        en "{name} has no address of its own: use /kick or /mute"
        ko "{name}님은 자기 주소가 없습니다. /kick이나 /mute를 쓰세요";
    /// A ban would hit the operator that asks for it.
    BansYourself
        en "that would ban your own address"
        ko "자기 주소도 차단됩니다";
    /// There are as many bans as there may be.
    TooManyBans { most: usize }
        en "there are {most} bans, the maximum"
        ko "차단이 이미 {most}개 있어 더는 안 됩니다";
    /// To all in a room: a client may say nothing.
    WasMuted { name: &'a str, by: &'a str, time: Span }
        en "{name} was muted by {by}{time}"
        ko "{name}님의 말을 막은 사람: {by}{time}";
    /// To all in a room: a client may talk again.
    WasUnmuted { name: &'a str, by: &'a str }
        en "{name} was unmuted by {by}"
        ko "{name}님이 다시 말하게 한 사람: {by}";
    /// A client is not muted.
    NotMuted { name: &'a str }
        en "{name} is not muted"
        ko "{name}님은 말할 수 있습니다";
    /// To a client that is muted: its line was dropped.
    Muted
        en "not sent: you are muted in this room"
        ko "보내지 않았습니다: 이 방에서 말할 수 없게 되었습니다";
    /// To all in a room: each may say a line in this time.
    SlowSet { by: &'a str, seconds: u64 }
        en "{by} slowed the room down: one line in {seconds} s"
        ko "{by}님이 방을 느리게 했습니다: {seconds}초에 한 줄";
    /// To all in a room: it is no longer slow.
    SlowEnded { by: &'a str }
        en "{by} set the room to its usual speed"
        ko "{by}님이 방을 다시 빠르게 했습니다";
    /// To all in a room: only invited clients may come in.
    LockSet { by: &'a str }
        en "{by} locked the room; /invite lets a client in"
        ko "{by}님이 방을 잠갔습니다. /invite로 들어올 수 있습니다";
    /// To all in a room: all may come in again.
    LockEnded { by: &'a str }
        en "{by} unlocked the room"
        ko "{by}님이 방을 열었습니다";
    /// To a client that may not come into a room.
    Locked { room: &'a str }
        en "{room} is locked: it takes an invitation"
        ko "{room} 방은 잠겨 있어 초대가 있어야 합니다";
    /// To a client that is invited.
    Invited { name: &'a str, room: &'a str }
        en "{name} invites you to {room}; /join goes there"
        ko "{name}님이 {room} 방으로 초대합니다. /join으로 갑니다";
    /// To the client that has invited one.
    InvitationSent { name: &'a str }
        en "{name} is invited"
        ko "{name}님을 초대했습니다";
    /// To all rooms, from an operator.
    Announcement { text: &'a str }
        en "announcement: {text}"
        ko "알림: {text}";
    /// To an operator: the address of a client, and for how long it has been here.
    Where { name: &'a str, address: Shown, time: Span }
        en "{name}{address} is here{time}"
        ko "{name}{address} 접속{time}";
    /// To all in a room: a client is away.
    Away { name: &'a str, text: &'a str }
        en "{name} is away: {text}"
        ko "{name}님이 자리를 비웠습니다: {text}";
    /// To the sender of a private message to a client that is away.
    AwayNow { name: &'a str, text: &'a str }
        en "{name} may read this later, being away: {text}"
        ko "{name}님은 자리에 없어 나중에 읽을 수 있습니다: {text}";
    /// To all in a room: a client is no longer away.
    Back { name: &'a str }
        en "{name} is back"
        ko "{name}님이 돌아왔습니다";
    /// The client was not away.
    NotAway
        en "you are not away; /away TEXT says that you are"
        ko "자리를 비우지 않았습니다. /away 글로 알립니다";
    /// To a client that becomes an operator.
    Operator
        en "you are an operator now; /help lists what you can do"
        ko "이제 운영자입니다. /help로 할 수 있는 일을 보세요";
    /// To a client that is no longer an operator.
    NoOperator
        en "you are no longer an operator"
        ko "더는 운영자가 아닙니다";
    /// To the operator that has made it one.
    OperatorMade { name: &'a str }
        en "{name} is an operator now"
        ko "{name}님이 이제 운영자입니다";
    /// To the operator that has ended that.
    OperatorUnmade { name: &'a str }
        en "{name} is no longer an operator"
        ko "{name}님이 더는 운영자가 아닙니다";
    /// A secret or password was wrong.
    WrongSecret { left: u8 }
        en "wrong, {left} tries left", if left == 1 => "wrong, 1 try left"
        ko "틀렸습니다. {left}번 남았습니다";
    /// To a client that is disconnected for wrong secrets.
    TooManyTries
        en "closed: too many wrong tries"
        ko "연결을 끊습니다: 너무 많이 틀렸습니다";
    /// To a client that has to tell the password of the server, or of its room.
    PasswordNeeded
        en "a password is needed: /password SECRET lets you in"
        ko "암호가 필요합니다. /password 암호로 들어옵니다";
    /// To a client that wants to go to a room with a password.
    RoomPasswordNeeded { room: &'a str }
        en "{room} has a password: /join {room} SECRET"
        ko "{room} 방에는 암호가 있습니다: /join {room} 암호";
    /// To all in a room: it has a password.
    PasswordSet { by: &'a str }
        en "{by} set a password for the room"
        ko "{by}님이 방의 암호를 정했습니다";
    /// To all in a room: it has no password any more.
    PasswordGone { by: &'a str }
        en "{by} removed the password of the room"
        ko "{by}님이 방의 암호를 없앴습니다";
    /// There is no welcome text.
    NoMotd
        en "no welcome text"
        ko "환영 글이 없습니다";
    /// To the operator that has set the welcome text.
    MotdSet
        en "the welcome text is set"
        ko "환영 글을 정했습니다";
    /// To the operator that wants the files to be read again.
    Reloading
        en "reloading; the log says what was read"
        ko "다시 읽습니다. 무엇을 읽었는지는 로그에 나옵니다";
    /// To the operator that has changed the level of the log.
    LogLevel { level: &'a str }
        en "log level: {level}"
        ko "로그 수준: {level}";
    /// To a client that has done something which is told in another room.
    Done
        en "done"
        ko "했습니다";
    /// To an operator that gets replies only from now on.
    RepliesOnly
        en "replies only"
        ko "답만 보입니다";
}

impl Notice<'_> {
    /// The notice as sent, with its mark and its line end.
    pub fn to_line(&self, lang: Lang) -> Vec<u8> {
        format!("* {}\n", self.text(lang)).into_bytes()
    }

    /// The shortest notice for these numbers of joins and leaves.
    pub fn summary(joined: u64, left: u64, here: usize) -> Notice<'static> {
        match (joined, left) {
            (joined, 0) => Notice::ManyJoined { joined, here },
            (0, left) => Notice::ManyLeft { left, here },
            (joined, left) => Notice::ManyJoinedAndLeft { joined, left, here },
        }
    }
}

/// As the log has it, which is always English.
impl fmt::Display for Notice<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text(Lang::En))
    }
}

/// The one notice of raw mode, exactly as clients of the old server expect it, without a line end.
pub fn joined_raw(shown: Shown) -> String {
    format!("유저{shown:#}가 접속했습니다.")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn address(text: &str) -> Shown {
        Shown(Some(text.parse().unwrap()))
    }

    #[test]
    fn notices_are_marked_lines() {
        let joined = Notice::Joined { name: "guest3", address: address("127.0.0.1:40112") };
        assert_eq!(joined.to_line(Lang::En), b"* guest3 (127.0.0.1:40112) joined\n");
        assert_eq!(
            Notice::Joined { name: "guest3", address: Shown(None) }.to_string(),
            "guest3 joined"
        );
        let summary = Notice::summary(532, 12, 1204);
        assert_eq!(summary.to_line(Lang::En), b"* 532 joined, 12 left (1204 here)\n");
        assert_eq!(Notice::Missed { lines: 7 }.to_line(Lang::En), b"* you missed 7 lines\n");
    }

    #[test]
    fn one_is_counted_as_one() {
        for (notice, en) in [
            (Notice::Missed { lines: 1 }, "you missed 1 line"),
            (Notice::LineTooLong { bytes_max: 1 }, "line too long, not sent (limit 1 byte)"),
            (Notice::Endless { bytes_max: 1 }, "closed: 1 byte without a line end"),
            (Notice::Missed { lines: 21 }, "you missed 21 lines"),
        ] {
            assert_eq!(notice.to_string(), en);
        }
        assert_eq!(Notice::Missed { lines: 1 }.text(Lang::Ko), "1줄을 놓쳤습니다");
        let counted = [0, 1, 2].map(|count| Counted(count, "line").to_string());
        assert_eq!(counted, ["0 lines", "1 line", "2 lines"]);
    }

    #[test]
    fn a_hidden_address_leaves_nothing_behind_in_any_language() {
        let hidden = Shown(None);
        for (notice, en, ko) in [
            (
                Notice::Welcome { name: "bob", address: address("[::1]:7"), here: 2 },
                "welcome, you are bob ([::1]:7), 2 here",
                "환영합니다, bob ([::1]:7)님. 지금 2명이 있습니다",
            ),
            (
                Notice::Welcome { name: "bob", address: hidden, here: 2 },
                "welcome, you are bob, 2 here",
                "환영합니다, bob님. 지금 2명이 있습니다",
            ),
            (
                Notice::Joined { name: "bob", address: hidden },
                "bob joined",
                "bob 유저가 접속했습니다.",
            ),
        ] {
            assert_eq!((&*notice.text(Lang::En), &*notice.text(Lang::Ko)), (en, ko));
        }
        assert_eq!(joined_raw(hidden), "유저가 접속했습니다.");
    }

    #[test]
    fn a_client_without_an_address_shows_none_and_logs_its_kind() {
        let (unix, bob) = (address("0.0.0.0:0"), "[::1]:7".parse().unwrap());
        assert_eq!(Notice::Joined { name: "bob", address: unix }.to_string(), "bob joined");
        assert_eq!(Whence(unix.0.unwrap()).to_string(), "unix");
        assert_eq!(Whence(bob).to_string(), "[::1]:7");
    }

    #[test]
    fn a_notice_is_read_back_in_every_language() {
        let address = address("[::1]:7");
        for notice in [
            Notice::Welcome { name: "bob", address, here: 2 },
            Notice::Welcome { name: "이", address: Shown(None), here: 2 },
            Notice::Joined { name: "bob", address },
            Notice::Joined { name: "이", address: Shown(None) },
            Notice::Left { name: "bob" },
            Notice::Renamed { from: "가님의", to: "이입니다" },
            Notice::ManyJoined { joined: 3, here: 5 },
            Notice::ManyLeft { left: 12, here: 5 },
            Notice::History,
            Notice::Now,
            Notice::Here { here: 2, names: "bob, 이" },
            Notice::HereAndMore { here: 9, names: "bob, 이", more: 7 },
            Notice::HereAndReading { here: 2, names: "bob, 이", readers: 3 },
            Notice::HereMoreAndReading { here: 9, names: "bob, 이", more: 7, readers: 3 },
            Notice::SaidAs { name: "bob" },
            Notice::Usage { usage: "/nick NAME" },
            Notice::NameTaken { name: "is" },
        ] {
            for lang in [Lang::En, Lang::Ko] {
                let text = notice.text(lang);
                let read = Notice::read(&text);
                assert_eq!(format!("{read:?}"), format!("{:?}", Some(notice)), "{text}");
            }
        }
        for text in ["", "is now bob", "eve is now ", "bob has come", "x here: bob"] {
            assert!(Notice::read(text).is_none(), "{text}");
        }
    }

    #[test]
    fn the_korean_join_notice_contains_that_of_the_old_server() {
        let shown = address("10.0.0.7:1234");
        let text = Notice::Joined { name: "guest3", address: shown }.text(Lang::Ko);
        assert_eq!(text, "guest3 유저(10.0.0.7:1234)가 접속했습니다.");
        assert!(text.contains(&joined_raw(shown)));
    }

    #[test]
    fn the_raw_join_notice_is_that_of_the_old_server() {
        let shown = address("[::ffff:10.0.0.7]:1234");
        assert_eq!(joined_raw(shown), "유저(10.0.0.7:1234)가 접속했습니다.");
    }

    #[test]
    fn a_locale_has_a_language() {
        for (locale, lang) in [
            ("ko_KR.UTF-8", Lang::Ko),
            ("ko", Lang::Ko),
            ("en_US.UTF-8", Lang::En),
            ("C.UTF-8", Lang::En),
            ("kok_IN", Lang::En),
            ("", Lang::En),
        ] {
            assert_eq!(Lang::of_locale(locale), lang, "{locale}");
        }
    }
}
