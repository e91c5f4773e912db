//! The terminal: raw while the client has it, and as it was before at all other times.
//!
//! However the client ends, it gives the terminal back. [`Terminal`] does so when it is dropped. On
//! a panic the hook does so before the message. Nothing here waits for the program that reads the
//! terminal, unless the terminal cannot be opened again. It never knows what is shown or typed.

use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use rustix::termios::{LocalModes, OptionalActions, QueueSelector, SpecialCodeIndex, Termios};

use crate::stdio::sink::Sink;

/// Turns bracketed paste on: pastes are marked.
const TAKE: &[u8] = b"\x1b[?2004h";

/// Turns bracketed paste off, resets the colour, shows the cursor, and turns autowrap on.
const GIVE_BACK: &[u8] = b"\x1b[?2004l\x1b[0m\x1b[?25h\x1b[?7h";

/// The terminal on standard input and output.
#[derive(Debug)]
pub struct Terminal {
    input: OwnedFd,
    output: OwnedFd,
    /// Takes the output, as much as the terminal takes now.
    pub sink: Sink,
    /// Its modes before the client took it.
    before: Termios,
    taken: bool,
}

impl Terminal {
    /// The terminal behind these two. Nothing is changed yet.
    pub fn open(input: BorrowedFd<'_>, output: BorrowedFd<'_>) -> io::Result<Terminal> {
        let input = input.try_clone_to_owned()?;
        let before = rustix::termios::tcgetattr(&input)?;
        let sink = Sink::open_patiently(output)?;
        Ok(Terminal { input, output: output.try_clone_to_owned()?, sink, before, taken: false })
    }

    /// Takes it, or takes it again after another program had it.
    pub fn take(&mut self) -> io::Result<()> {
        let now = rustix::termios::tcgetattr(&self.input)?;
        // The program that continues the client may have left the raw modes: those are not the old
        // ones.
        if now.local_modes.contains(LocalModes::ICANON) {
            self.before = now;
        }
        let mut raw = self.before.clone();
        raw.make_raw();
        raw.special_codes[SpecialCodeIndex::VMIN] = 0;
        raw.special_codes[SpecialCodeIndex::VTIME] = 0;
        rustix::termios::tcsetattr(&self.input, OptionalActions::Drain, &raw)?;
        self.taken = true;
        self.sink.write(TAKE);
        Ok(())
    }

    /// Gives it back as it was. That fails only for a terminal that is gone.
    pub fn give_back(&mut self) {
        if std::mem::take(&mut self.taken) {
            give_back(&self.input, &mut self.sink, &self.before);
        }
    }

    /// Discards the typed bytes that are not read yet. If that fails, the terminal is gone.
    pub fn forget_input(&mut self) {
        rustix::termios::tcflush(&self.input, QueueSelector::IFlush).unwrap_or_default();
    }

    /// Its columns and rows; 0 for what it does not know.
    pub fn size(&self) -> (usize, usize) {
        let size = rustix::termios::tcgetwinsize(&self.output);
        size.map_or((0, 0), |size| (size.ws_col.into(), size.ws_row.into()))
    }

    /// Makes a panic give it back before the message.
    pub fn hook_panics(&self) -> io::Result<()> {
        let (input, before) = (self.input.try_clone()?, self.before.clone());
        let output = self.output.try_clone()?;
        let tell = std::panic::take_hook();
        std::panic::set_hook(Box::new(move |panic| {
            if let Ok(mut sink) = Sink::open_patiently(output.as_fd()) {
                sink.write(b"\r\n");
                give_back(&input, &mut sink, &before);
            }
            tell(panic);
        }));
        Ok(())
    }
}

impl Drop for Terminal {
    fn drop(&mut self) {
        self.give_back();
    }
}

fn give_back(input: &OwnedFd, sink: &mut Sink, before: &Termios) {
    sink.write(GIVE_BACK);
    rustix::termios::tcsetattr(input, OptionalActions::Drain, before).unwrap_or_default();
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs::File;
    use std::io::Read;

    use rustix::event::{PollFd, PollFlags, Timespec, poll};
    use rustix::pty::OpenptFlags;

    /// A terminal: the user's side, and the program's.
    fn open() -> (File, File) {
        let person = rustix::pty::openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY).unwrap();
        rustix::pty::grantpt(&person).unwrap();
        rustix::pty::unlockpt(&person).unwrap();
        let name = rustix::pty::ptsname(&person, Vec::new()).unwrap();
        let program = File::options().read(true).write(true).open(name.to_str().unwrap());
        (File::from(person), program.unwrap())
    }

    fn modes(terminal: &File) -> String {
        format!("{:?}", rustix::termios::tcgetattr(terminal).unwrap())
    }

    /// Reads until the output ends like this. A terminal may deliver it in any number of pieces.
    fn read_until_last(person: &mut File, end: &str) {
        const PATIENCE: Timespec = Timespec { tv_sec: 20, tv_nsec: 0 };
        let mut shown = Vec::new();
        while !shown.ends_with(end.as_bytes()) {
            let ready = poll(&mut [PollFd::new(person, PollFlags::IN)], Some(&PATIENCE)).unwrap();
            assert!(ready > 0, "it does not come behind {:?}", String::from_utf8_lossy(&shown));
            let mut buffer = [0; 1000];
            let bytes = person.read(&mut buffer).unwrap();
            shown.extend_from_slice(&buffer[..bytes]);
        }
    }

    #[test]
    fn it_is_given_back_as_it_was() {
        let (mut person, program) = open();
        let before = modes(&program);
        let mut terminal = Terminal::open(program.as_fd(), program.as_fd()).unwrap();
        terminal.take().unwrap();
        assert_ne!(modes(&program), before);
        // It is taken twice without being given back, and its old modes are still known.
        terminal.take().unwrap();
        drop(terminal);
        assert_eq!(modes(&program), before);
        read_until_last(&mut person, "\x1b[?2004l\x1b[0m\x1b[?25h\x1b[?7h");
    }

    #[test]
    fn a_panic_gives_it_back_before_it_is_told() {
        let (mut person, program) = open();
        let before = modes(&program);
        let watched = program.try_clone().unwrap();
        let (at_panic, seen) = std::sync::mpsc::channel();
        let usual = std::panic::take_hook();
        std::panic::set_hook(Box::new(move |_| at_panic.send(modes(&watched)).unwrap_or(())));
        let mut terminal = Terminal::open(program.as_fd(), program.as_fd()).unwrap();
        terminal.take().unwrap();
        terminal.hook_panics().unwrap();
        let caught = std::thread::spawn(move || {
            // A drop during unwinding gives it back too, but later.
            std::mem::forget(terminal);
            panic!("for the test");
        });
        assert!(caught.join().is_err());
        std::panic::set_hook(usual);
        assert_eq!(seen.try_iter().next().unwrap(), before);
        read_until_last(&mut person, "\r\n\x1b[?2004l\x1b[0m\x1b[?25h\x1b[?7h");
    }
}
