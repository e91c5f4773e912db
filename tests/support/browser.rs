//! A browser, driven by the commands of WebDriver (W3C Recommendation of 2018) over HTTP.

use std::io::{BufRead, BufReader, Lines, Write};
use std::net::{SocketAddr, TcpStream};
use std::path::Path;
use std::process::{Child, ChildStdout, Command, Stdio};

use serde_json::{Value, json};

use crate::{PATIENCE, wait_for};

/// The key Enter, as WebDriver writes it.
pub const ENTER: &str = "\u{e007}";
pub const TAB: &str = "\u{e004}";

/// The name that the page has, as an expression.
pub const NAME: &str = "document.getElementById('me').textContent";

/// A browser without a display. It is closed when dropped.
pub struct Browser {
    driver: Child,
    /// It ends if nothing reads what it prints.
    _printed: Lines<BufReader<ChildStdout>>,
    port: u16,
    session: String,
}

/// A driver, what it prints behind its port, and that port; none if it has ended.
fn start_driver() -> Option<(Child, Lines<BufReader<ChildStdout>>, u16)> {
    let mut command = Command::new("chromedriver");
    command.arg("--port=0").stdout(Stdio::piped()).stderr(Stdio::null());
    let mut driver = command.spawn().unwrap();
    let mut printed = BufReader::new(driver.stdout.take().unwrap()).lines();
    let port = printed.by_ref().map_while(Result::ok).find_map(|line| {
        line.rsplit_once("successfully on port ")?.1.strip_suffix('.')?.parse().ok()
    });
    if port.is_none() {
        driver.wait().unwrap();
    }
    Some((driver, printed, port?))
}

impl Browser {
    /// Starts one that shows nothing yet. It prefers this language, as `en` or `ko`.
    pub fn start(lang: &str) -> Browser {
        // It takes a free port of IPv4, and ends if another program has the same one of IPv6.
        let started = (0..10).find_map(|_| start_driver());
        let (driver, printed, port) = started.expect("the port of chromedriver");
        let mut browser = Browser { driver, _printed: printed, port, session: String::new() };
        let arguments = [
            "--headless=new",
            "--no-sandbox",
            "--disable-gpu",
            "--disable-dev-shm-usage",
            "--disable-background-networking",
            "--no-first-run",
            "--window-size=1280,800",
            &format!("--lang={lang}"),
        ];
        let options = json!({
            "args": arguments,
            // It opens no connection before it needs one.
            "prefs": { "intl.accept_languages": lang, "net.network_prediction_options": 2 },
        });
        let wanted = json!({ "capabilities": { "alwaysMatch": {
            "browserName": "chrome",
            "goog:chromeOptions": options,
            "goog:loggingPrefs": { "browser": "ALL" },
        } } });
        let session = browser.ask("POST", "/session", &wanted);
        browser.session = session["sessionId"].as_str().unwrap().to_owned();
        browser
    }

    /// One that shows the page of this server and is in its room.
    pub fn open(server: SocketAddr) -> Browser {
        let browser = Browser::start("en");
        browser.visit(&format!("http://{server}/"));
        browser.wait_for_line("* welcome, you are ");
        browser
    }

    /// One that shows the page of this server and has taken a name there.
    pub fn open_as(name: &str, server: SocketAddr) -> Browser {
        let browser = Browser::open(server);
        browser.take_name(name);
        browser
    }

    /// Takes a name in the room.
    pub fn take_name(&self, name: &str) {
        self.type_keys(&format!("/nick {name}{ENTER}"));
        self.wait_until(NAME, name);
    }

    /// Goes to an address, and shows what is there.
    pub fn visit(&self, address: &str) {
        self.order("/url", &json!({ "url": address }));
        // The driver does not tell of a page that the browser shows in its place.
        assert_ne!(self.text("location.protocol"), "chrome-error:", "{}", self.shown());
    }

    /// All text that it shows.
    fn shown(&self) -> String {
        self.text("document.body.innerText")
    }

    /// Runs a function body in the page.
    pub fn run(&self, script: &str) {
        self.call(script);
    }

    /// The same for one that calls `done` later. Returns the text that it calls it with, if any.
    pub fn run_until_done(&self, script: &str) -> String {
        let script = format!("const done = arguments[0]; {script}");
        let done = self.order("/execute/async", &json!({ "script": script, "args": [] }));
        done.as_str().unwrap_or_default().to_owned()
    }

    /// Runs this in each page before the scripts of the page.
    pub fn run_first(&self, script: &str) {
        self.command("Page.addScriptToEvaluateOnNewDocument", json!({ "source": script }));
    }

    /// Composes this text in the input method.
    pub fn compose(&self, text: &str) {
        let end = text.encode_utf16().count();
        let composed = json!({ "text": text, "selectionStart": end, "selectionEnd": end });
        self.command("Input.imeSetComposition", composed);
    }

    /// Presses Enter in the input method, which ends a composition with this text.
    pub fn end_composition(&self, text: &str) {
        let press = |kind: &str| {
            let key = json!({
                "type": kind, "key": "Enter", "code": "Enter", "windowsVirtualKeyCode": 229,
            });
            self.command("Input.dispatchKeyEvent", key);
        };
        press("rawKeyDown");
        self.command("Input.insertText", json!({ "text": text }));
        press("keyUp");
    }

    /// Presses these keys in the input of the page.
    pub fn type_keys(&self, keys: &str) {
        let found = json!({ "using": "css selector", "value": "#line" });
        let found = self.order("/element", &found);
        let id = found.as_object().unwrap().values().next().unwrap().as_str().unwrap();
        self.order(&format!("/element/{id}/value"), &json!({ "text": keys }));
    }

    /// What stands in the input.
    pub fn typed(&self) -> String {
        self.text("document.getElementById('line').value")
    }

    /// The text that an expression has.
    pub fn text(&self, expression: &str) -> String {
        self.call(&format!("return String({expression});")).as_str().unwrap().to_owned()
    }

    /// The texts in the list that a function body returns.
    pub fn texts(&self, script: &str) -> Vec<String> {
        texts_of(&self.call(script))
    }

    /// The lines of the conversation, without their times.
    pub fn lines(&self) -> Vec<String> {
        self.texts(
            "return [...document.querySelectorAll('#log p')].map(p => p.lastChild.textContent);",
        )
    }

    /// Waits for a line of the conversation that contains this.
    pub fn wait_for_line(&self, text: &str) -> String {
        let found = || self.lines().into_iter().rev().find(|line| line.contains(text));
        wait_for(&format!("a line with {text:?}"), found)
    }

    /// Waits until an expression is this text.
    pub fn wait_until(&self, expression: &str, text: &str) {
        wait_for(&format!("{expression} to be {text:?}"), || {
            (self.text(expression) == text).then_some(())
        });
    }

    /// The windows that it has, in the order of their making.
    pub fn windows(&self) -> Vec<String> {
        texts_of(&self.ask("GET", &self.path("/window/handles"), &Value::Null))
    }

    /// Opens one more window, which hides the others, and goes on in it.
    pub fn open_window(&self) -> String {
        let window = self.order("/window/new", &json!({ "type": "tab" }));
        let window = window["handle"].as_str().unwrap().to_owned();
        self.go_to_window(&window);
        window
    }

    /// Goes on in this window.
    pub fn go_to_window(&self, window: &str) {
        self.order("/window", &json!({ "handle": window }));
    }

    /// Hides the window, as a person does.
    pub fn minimize(&self) {
        self.order("/window/minimize", &json!({}));
    }

    /// Shows it again.
    pub fn restore(&self) {
        self.order("/window/rect", &json!({ "width": 1280, "height": 800 }));
    }

    /// Makes the page so many pixels of CSS wide and high, and prefers this colour scheme.
    pub fn look_like(&self, width: u32, height: u32, scheme: &str) {
        let size = json!({
            "width": width, "height": height, "deviceScaleFactor": 2, "mobile": width < 600,
        });
        self.command("Emulation.setDeviceMetricsOverride", size);
        let feature = json!({ "name": "prefers-color-scheme", "value": scheme });
        self.command("Emulation.setEmulatedMedia", json!({ "features": [feature] }));
    }

    /// Shows no scroll bars.
    pub fn hide_scrollbars(&self) {
        self.command("Emulation.setScrollbarsHidden", json!({ "hidden": true }));
    }

    /// Saves a picture of the page.
    pub fn save_picture(&self, path: &Path) {
        save_base64(&self.picture(), path);
    }

    /// A picture of the page, in PNG and base64.
    pub fn picture(&self) -> String {
        let picture = self.ask("GET", &self.path("/screenshot"), &Value::Null);
        picture.as_str().unwrap().to_owned()
    }

    /// Asserts that the console of the browser has no warning and no error, since the last time.
    pub fn assert_no_complaint(&self) {
        let log = self.complaints();
        assert!(log.is_empty(), "{log:?}");
    }

    /// The warnings and errors of the console since the last time.
    pub fn complaints(&self) -> Vec<String> {
        let log = self.order("/se/log", &json!({ "type": "browser" }));
        let is_complaint =
            |entry: &&Value| entry["level"] == "SEVERE" || entry["level"] == "WARNING";
        let complaints = log.as_array().unwrap().iter().filter(is_complaint);
        complaints.map(|entry| entry["message"].as_str().unwrap().to_owned()).collect()
    }

    fn call(&self, script: &str) -> Value {
        self.order("/execute/sync", &json!({ "script": script, "args": [] }))
    }

    /// A command of the DevTools protocol.
    fn command(&self, name: &str, params: Value) {
        self.order("/goog/cdp/execute", &json!({ "cmd": name, "params": params }));
    }

    fn order(&self, path: &str, body: &Value) -> Value {
        self.ask("POST", &self.path(path), body)
    }

    fn path(&self, rest: &str) -> String {
        format!("/session/{}{rest}", self.session)
    }

    /// Sends a command to the driver, and returns the value of its answer.
    fn ask(&self, method: &str, path: &str, body: &Value) -> Value {
        let body = if body.is_null() { String::new() } else { body.to_string() };
        let mut socket = TcpStream::connect(("127.0.0.1", self.port)).unwrap();
        write!(
            socket,
            "{method} {path} HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\n\
             Content-Length: {}\r\n\r\n{body}",
            body.len()
        )
        .unwrap();
        socket.set_read_timeout(Some(2 * PATIENCE)).unwrap();
        let (status, body) = read_answer(BufReader::new(socket));
        let mut answer: Value = serde_json::from_slice(&body).unwrap();
        assert!(status.starts_with("HTTP/1.1 200 "), "{method} {path}: {answer}");
        answer["value"].take()
    }
}

impl Drop for Browser {
    fn drop(&mut self) {
        // The browser ends with its session. If that fails, the test has failed already.
        if !self.session.is_empty() && !std::thread::panicking() {
            self.ask("DELETE", &self.path(""), &Value::Null);
        }
        self.driver.kill().unwrap();
        self.driver.wait().unwrap();
    }
}

fn texts_of(list: &Value) -> Vec<String> {
    list.as_array().unwrap().iter().map(|it| it.as_str().unwrap().to_owned()).collect()
}

/// The first line of an answer of HTTP, and its body.
fn read_answer(mut answer: impl BufRead) -> (String, Vec<u8>) {
    let mut head = Vec::new();
    while head.last().is_none_or(|line: &String| !line.trim_end().is_empty()) {
        let mut line = String::new();
        assert_ne!(answer.read_line(&mut line).unwrap(), 0, "{head:?}");
        head.push(line.to_ascii_lowercase());
    }
    let length = head.iter().find_map(|line| line.strip_prefix("content-length:")).unwrap();
    let mut body = vec![0; length.trim().parse().unwrap()];
    answer.read_exact(&mut body).unwrap();
    (head.swap_remove(0).to_ascii_uppercase(), body)
}

/// Saves what this text stands for.
pub fn save_base64(text: &str, path: &Path) {
    std::fs::create_dir_all(path.parent().unwrap()).unwrap();
    std::fs::write(path, from_base64(text)).unwrap();
}

fn from_base64(text: &str) -> Vec<u8> {
    let digit = |letter: u8| match letter {
        b'A'..=b'Z' => letter - b'A',
        b'a'..=b'z' => letter - b'a' + 26,
        b'0'..=b'9' => letter - b'0' + 52,
        b'+' => 62,
        _ => 63,
    };
    let letters: Vec<u8> = text.bytes().filter(|letter| *letter != b'=').collect();
    let bytes = letters.chunks(4).flat_map(|four| {
        let bits = four.iter().fold(0, |bits: u32, letter| bits << 6 | u32::from(digit(*letter)));
        let bits = bits << (6 * (4 - four.len()));
        bits.to_be_bytes().into_iter().skip(1).take(four.len() - 1)
    });
    bytes.collect()
}
