//! Real terminals: tmux, mosh in it, GNU screen, and xterm on a display without a monitor.

use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};

use crate::support::{Client, send_signal, wait_for};

use super::fake::Fake;
use super::seat::State;

const COLUMNS: usize = 80;
const ROWS: usize = 12;

/// A terminal that runs a client.
trait Window {
    /// Types this.
    fn keys(&self, keys: &str);

    /// Resizes it.
    fn resize(&self, columns: usize, rows: usize);

    /// All rows, those of the scrollback first.
    fn text(&self) -> String;

    /// The same without empty rows, once they are as they should be.
    fn wait_until(&self, what: &str, is_so: impl Fn(&[String]) -> bool) -> Vec<String> {
        wait_for(&format!("{what} in {}", self.text()), || {
            let rows = self.text().lines().map(|row| row.trim_end().to_owned()).collect::<Vec<_>>();
            let rows: Vec<_> = rows.into_iter().filter(|row| !row.is_empty()).collect();
            is_so(&rows).then_some(rows)
        })
    }

    fn wait_for_last(&self, expected: &str) -> Vec<String> {
        self.wait_until(expected, |rows| rows.last().is_some_and(|last| last == expected))
    }
}

/// The command line of a client.
fn client(server: &Fake) -> [String; 5] {
    let program = env!("CARGO_BIN_EXE_chinwag");
    [program, "join", &server.address.to_string(), "--color", "never"].map(str::to_owned)
}

/// A command whose client keeps the history in a folder of its own.
fn command(program: &str, state: &State) -> Command {
    std::fs::create_dir_all(state.path()).unwrap();
    std::fs::set_permissions(state.path(), PermissionsExt::from_mode(0o700)).unwrap();
    let mut command = Command::new(program);
    command.env("XDG_STATE_HOME", state.path()).env("LC_ALL", "C.UTF-8").env_remove("TMUX");
    command.env("SCREENDIR", state.path()).stderr(Stdio::null());
    command
}

struct Tmux {
    state: State,
}

impl Tmux {
    fn start(server: &Fake) -> Tmux {
        Tmux::run(&client(server))
    }

    fn run(program: &[String]) -> Tmux {
        let tmux = Tmux { state: State::fresh() };
        let size = ["-x", &COLUMNS.to_string(), "-y", &ROWS.to_string()];
        let status = tmux.command("new-session").arg("-d").args(size).args(program).status();
        assert!(status.unwrap().success());
        tmux
    }

    fn command(&self, name: &str) -> Command {
        let mut command = command("tmux", &self.state);
        command.args(["-u", "-f", "/dev/null", "-S"]).arg(self.state.path().join("tmux")).arg(name);
        command
    }
}

impl Window for Tmux {
    fn keys(&self, keys: &str) {
        self.command("send-keys").args(["-l", keys]).status().unwrap();
    }

    fn resize(&self, columns: usize, rows: usize) {
        let size = ["-x", &columns.to_string(), "-y", &rows.to_string()];
        self.command("resize-window").args(size).status().unwrap();
    }

    fn text(&self) -> String {
        let output = self.command("capture-pane").args(["-p", "-S", "-"]).output().unwrap();
        String::from_utf8(output.stdout).unwrap()
    }
}

impl Drop for Tmux {
    fn drop(&mut self) {
        self.command("kill-server").status().unwrap();
    }
}

/// A mosh on this machine, in a tmux.
struct Mosh {
    tmux: Tmux,
    server_pid: u32,
    _state: State,
}

impl Mosh {
    fn start(server: &Fake) -> Mosh {
        let state = State::fresh();
        let mut mosh = command("mosh-server", &state);
        mosh.args(["new", "-i", "127.0.0.1", "-p", "0", "--"]).args(client(server));
        let output = mosh.stderr(Stdio::piped()).output().unwrap();
        let told = [output.stdout, output.stderr].concat();
        let words: Vec<_> = std::str::from_utf8(&told).unwrap().split_whitespace().collect();
        let behind = |mark: &str| &words[words.iter().position(|word| *word == mark).unwrap()..];
        let (port, key) = (behind("CONNECT")[1], behind("CONNECT")[2]);
        let server_pid = behind("pid")[2].trim_end_matches(']').parse().unwrap();
        let words = ["env", &format!("MOSH_KEY={key}"), "mosh-client", "127.0.0.1", port];
        Mosh { tmux: Tmux::run(&words.map(str::to_owned)), server_pid, _state: state }
    }
}

impl Drop for Mosh {
    fn drop(&mut self) {
        send_signal(self.server_pid, "TERM");
    }
}

/// GNU screen without an attached terminal. It has one size.
struct GnuScreen {
    child: Child,
    state: State,
}

impl GnuScreen {
    fn start(server: &Fake) -> GnuScreen {
        let state = State::fresh();
        let mut screen = command("screen", &state);
        screen.args(["-U", "-c", "/dev/null", "-S", "of-a-test", "-D", "-m"]);
        let child = screen.args(client(server)).spawn().unwrap();
        GnuScreen { child, state }
    }

    fn obey(&self, words: &[&str]) {
        let mut screen = command("screen", &self.state);
        screen.args(["-S", "of-a-test", "-X"]).args(words).stdout(Stdio::null()).status().unwrap();
    }
}

impl Window for GnuScreen {
    fn keys(&self, keys: &str) {
        self.obey(&["stuff", keys]);
    }

    fn resize(&self, _columns: usize, _rows: usize) {
        unreachable!("nobody looks at it")
    }

    fn text(&self) -> String {
        let copy = self.state.path().join("copy");
        self.obey(&["hardcopy", "-h", copy.to_str().unwrap()]);
        std::fs::read(&copy).map_or(String::new(), |text| String::from_utf8_lossy(&text).into())
    }
}

impl Drop for GnuScreen {
    fn drop(&mut self) {
        self.obey(&["quit"]);
        self.child.wait().unwrap();
    }
}

/// An xterm with cells of 6 x 13 dots, and its display.
struct Xterm {
    display: (Child, String),
    child: Child,
    window: String,
    state: State,
}

impl Xterm {
    /// The file that xterm prints to, and the terminal of its client.
    const PRINT: &str = "print";
    const TTY: &str = "tty";

    fn start(server: &Fake, flags: &[&str]) -> Xterm {
        Xterm::start_with(server, flags, State::fresh())
    }

    fn start_with(server: &Fake, flags: &[&str], state: State) -> Xterm {
        let display = Xterm::open_display(&state);
        let print = state.path().join(Xterm::PRINT);
        let print = print.to_str().unwrap();
        let mut xterm = command("xterm", &state);
        xterm.env("DISPLAY", &display.1).args(["-u8", "-fn", "fixed", "-b", "0"]).args(flags);
        xterm.args(["-geometry", &format!("{COLUMNS}x{ROWS}+0+0"), "-sl", "500", "-xrm"]);
        xterm.arg(format!("*printerCommand: cat > {print}.new && mv {print}.new {print}"));
        xterm.args(["-xrm", "*printAttributes: 0", "-e", "sh", "-c", r#"tty > "$0"; exec "$@""#]);
        let child = xterm.arg(state.path().join(Xterm::TTY)).args(client(server)).spawn().unwrap();
        let mut xterm = Xterm { display, child, window: String::new(), state };
        xterm.window = wait_for("the window", || {
            let output = xterm.xdotool(&["search", "--class", "xterm"]);
            output.lines().next().map(str::to_owned)
        });
        // The typed keys go to the window under the mouse.
        xterm.xdotool(&["mousemove", "20", "20"]);
        xterm
    }

    fn open_display(state: &State) -> (Child, String) {
        let mut display = command("Xvfb", state);
        let screen = ["-screen", "0", "1280x800x24", "-nolisten", "tcp", "-displayfd", "1"];
        // Without this the display resets after the first xdotool, while xterm is connecting.
        display.arg("-noreset");
        let mut child = display.args(screen).stdout(Stdio::piped()).spawn().unwrap();
        let mut number = String::new();
        let told = child.stdout.take().unwrap();
        std::io::BufRead::read_line(&mut std::io::BufReader::new(told), &mut number).unwrap();
        (child, format!(":{}", number.trim()))
    }

    fn xdotool(&self, words: &[&str]) -> String {
        let mut xdotool = command("xdotool", &self.state);
        let output = xdotool.env("DISPLAY", &self.display.1).args(words).output().unwrap();
        String::from_utf8(output.stdout).unwrap()
    }

    fn file(&self, name: &str) -> PathBuf {
        self.state.path().join(name)
    }
}

impl Window for Xterm {
    fn keys(&self, keys: &str) {
        match keys {
            "\x0c" => self.xdotool(&["key", "ctrl+l"]),
            "\x1b[A" => self.xdotool(&["key", "Up"]),
            _ => self.xdotool(&["type", "--delay", "5", keys]),
        };
    }

    fn resize(&self, columns: usize, rows: usize) {
        let (width, height) = ((columns * 6).to_string(), (rows * 13).to_string());
        self.xdotool(&["windowsize", &self.window, &width, &height]);
    }

    /// An escape sequence makes xterm print it.
    fn text(&self) -> String {
        std::fs::remove_file(self.file(Xterm::PRINT)).unwrap_or_default();
        let tty = std::fs::read_to_string(self.file(Xterm::TTY)).unwrap();
        std::fs::write(tty.trim_end(), "\x1b[?11i").unwrap();
        let text = wait_for("the print", || std::fs::read(self.file(Xterm::PRINT)).ok());
        String::from_utf8_lossy(&text).replace('\x0c', "\n")
    }
}

impl Drop for Xterm {
    fn drop(&mut self) {
        for child in [&mut self.child, &mut self.display.0] {
            send_signal(child.id(), "TERM");
            child.wait().unwrap();
        }
    }
}

/// Types more than half a row, makes the window narrower and lower, and sends a line each time.
fn assert_keeps_the_conversation(window: &impl Window, mut client: Client, rows: usize) {
    window.wait_for_last(">>");
    let mut lines: Vec<String> = (0..6).map(|number| format!("#{number}")).collect();
    client.send(lines.join("\n") + "\n");
    window.wait_until("the lines", |rows| rows.iter().any(|row| row == "#5"));
    // As wide as the first of the sizes, and twice as wide as the second.
    window.keys(&"x".repeat(37));
    window.wait_for_last(&format!(">> {}", "x".repeat(37)));
    for columns in [40, 20, 33] {
        window.resize(columns, rows);
        window.wait_until("the prompt", |rows| {
            rows.last().is_some_and(|last| last.starts_with(">> ") && last.len() < columns)
        });
        window.resize(COLUMNS, ROWS);
        lines.push(format!("#{}", lines.len()));
        client.send(format!("{}\n", lines[lines.len() - 1]));
        let last = lines.last();
        let shown = window.wait_until("a line", |rows| rows.iter().any(|row| Some(row) == last));
        let shown: Vec<&String> = shown.iter().filter(|row| row.starts_with('#')).collect();
        assert_eq!(shown, lines.iter().collect::<Vec<_>>());
        window.wait_for_last(&format!(">> {}", "x".repeat(37)));
    }
}

/// Types at the top of the screen.
fn assert_keeps_no_key(window: &impl Window) {
    window.wait_for_last(">>");
    window.keys("\x0c");
    for number in 1..=6 {
        window.keys(&"secret"[number - 1..number]);
        window.wait_for_last(&format!(">> {}", &"secret"[..number]));
    }
    window.keys("\x0c");
    let rows = window.wait_for_last(">> secret");
    let prompts = rows.iter().filter(|row| row.starts_with(">>")).count();
    assert_eq!(prompts, 1, "{rows:#?}");
}

#[test]
#[ignore = "needs tmux"]
fn tmux_of_another_size_keeps_the_conversation() {
    let server = Fake::listen();
    let tmux = Tmux::start(&server);
    assert_keeps_the_conversation(&tmux, server.accept(), 8);
}

#[test]
#[ignore = "needs tmux"]
fn tmux_keeps_no_key_in_its_scrollback() {
    let server = Fake::listen();
    let tmux = Tmux::start(&server);
    let _client = server.accept();
    assert_keeps_no_key(&tmux);
}

/// It cuts off its lowest rows, with the prompt.
#[test]
#[ignore = "needs mosh and tmux"]
fn a_lower_mosh_keeps_the_conversation() {
    let server = Fake::listen();
    let mosh = Mosh::start(&server);
    let mut client = server.accept();
    mosh.tmux.wait_for_last(">>");
    // From the top, so that the last line is in the last row of the lower one.
    mosh.tmux.keys("\x0c");
    wait_for("the top", || mosh.tmux.text().starts_with(">>").then_some(()));
    client.send("#0\n#1\n#2\n#3\n#4\n#5\n");
    mosh.tmux.wait_until("the lines", |rows| rows == ["#0", "#1", "#2", "#3", "#4", "#5", ">>"]);
    mosh.tmux.resize(COLUMNS, 6);
    mosh.tmux.keys("x");
    mosh.tmux.wait_until("the last", |rows| rows == ["#1", "#2", "#3", "#4", "#5", ">> x"]);
    client.send("#6\n");
    mosh.tmux.wait_until("another", |rows| rows == ["#2", "#3", "#4", "#5", "#6", ">> x"]);
}

#[test]
#[ignore = "needs screen"]
fn gnu_screen_keeps_no_key_in_its_scrollback() {
    let server = Fake::listen();
    let screen = GnuScreen::start(&server);
    let _client = server.accept();
    assert_keeps_no_key(&screen);
}

#[test]
#[ignore = "needs xterm, Xvfb and xdotool"]
fn xterm_of_another_size_keeps_the_conversation() {
    let server = Fake::listen();
    let xterm = Xterm::start(&server, &[]);
    assert_keeps_the_conversation(&xterm, server.accept(), 8);
}

/// With the option that East Asian users set, it draws Cyrillic in two columns.
#[test]
#[ignore = "needs xterm, Xvfb and xdotool"]
fn xterm_with_wider_letters_has_one_row_of_prompt() {
    let server = Fake::listen();
    let state = State::fresh();
    std::fs::create_dir_all(state.path().join("chinwag")).unwrap();
    std::fs::write(state.path().join("chinwag/history"), "я".repeat(60) + "\n").unwrap();
    let xterm = Xterm::start_with(&server, &["-cjk_width"], state);
    let mut client = server.accept();
    xterm.wait_for_last(">>");
    xterm.keys("\x1b[A");
    xterm.wait_until("what is typed", |rows| {
        rows.last().is_some_and(|last| last.matches('я').count() >= 38)
    });
    client.send("#1\n");
    let rows = xterm.wait_until("the line", |rows| rows.iter().any(|row| row == "#1"));
    assert_eq!((rows.len(), &*rows[0]), (2, "#1"), "{rows:#?}");
}
