//! What the server kept before it was started: files of the directory of `--keep`.
//!
//! They are read before the loop starts, as reading may wait for the disk. This file does not know
//! what is in them.

use std::fs::File;
use std::io::{self, ErrorKind, Read};
use std::path::Path;

use rustix::fs::{Mode, OFlags};

use crate::keep::frame::FILE_BYTES_MAX;

/// The content of a file; `None` if nothing was kept under this name. An error names the file.
pub fn load(dir: &Path, name: &str) -> io::Result<Option<Vec<u8>>> {
    let path = dir.join(name);
    match open(&path).and_then(read) {
        Ok(content) => Ok(Some(content)),
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
        Err(error) => Err(io::Error::new(error.kind(), format!("{}: {error}", path.display()))),
    }
}

/// Opens a regular file. Anything else, such as a named pipe, could make the reader wait for ever.
pub(super) fn open(path: &Path) -> io::Result<File> {
    let flags = OFlags::RDONLY | OFlags::NONBLOCK | OFlags::CLOEXEC;
    let file = File::from(rustix::fs::open(path, flags, Mode::empty())?);
    match file.metadata()?.is_file() {
        true => Ok(file),
        false => Err(io::Error::new(ErrorKind::InvalidInput, "not a regular file")),
    }
}

/// Reads a file of at most [`FILE_BYTES_MAX`] bytes, as the keeper can have written it.
pub(super) fn read(file: File) -> io::Result<Vec<u8>> {
    let (mut content, most) = (Vec::new(), FILE_BYTES_MAX as u64);
    if file.take(most + 1).read_to_end(&mut content)? > FILE_BYTES_MAX {
        let why = format!("more than {FILE_BYTES_MAX} bytes");
        return Err(io::Error::new(ErrorKind::FileTooLarge, why));
    }
    Ok(content)
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    #[test]
    fn what_was_kept_is_read_and_what_was_not_is_none() {
        let dir = std::env::temp_dir().join(format!("chinwag-kept-{}", std::process::id()));
        assert_eq!(load(&dir, "bans").unwrap(), None);
        fs::create_dir_all(dir.join("topics")).unwrap();
        fs::write(dir.join("bans"), "10.0.0.1\n").unwrap();
        assert_eq!(load(&dir, "bans").unwrap().unwrap(), b"10.0.0.1\n");
        assert_eq!(load(&dir, "rooms").unwrap(), None);
        // What cannot be read, or is none of ours, is an error that names it.
        let told = load(&dir, "topics").unwrap_err().to_string();
        assert!(told.starts_with(&format!("{}: ", dir.join("topics").display())), "{told}");
        File::create(dir.join("bans")).unwrap().set_len(FILE_BYTES_MAX as u64 + 1).unwrap();
        assert_eq!(load(&dir, "bans").unwrap_err().kind(), ErrorKind::FileTooLarge);
        fs::remove_dir_all(&dir).unwrap();
    }
}
