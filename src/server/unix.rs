//! Unix sockets: where operators connect, and where a proxy may. This file knows no client.
//!
//! A socket is a file until something removes it. The file of a server that was killed is replaced,
//! the file of one that lives is not. It has its rights from the first moment.

use std::env;
use std::fs::{self, DirBuilder};
use std::io::{self, ErrorKind};
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::fs::{DirBuilderExt, FileTypeExt, MetadataExt};
use std::path::{Path, PathBuf};

use rustix::fs::Mode;
use socket2::{Domain, SockAddr, Socket, Type};

/// Which users may connect to a socket.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Access {
    /// All that can reach the path.
    All,
    /// The user of this process, and root.
    Owner,
}

impl Access {
    /// What the file does not allow. Connecting takes the right to write (unix(7)).
    fn mask(self) -> Mode {
        match self {
            Access::All => Mode::from_raw_mode(0o111),
            Access::Owner => Mode::from_raw_mode(0o177),
        }
    }
}

/// The file of a socket that listens. It is removed when this is dropped, if it is still the same.
#[derive(Debug)]
pub struct SocketFile {
    path: PathBuf,
    inode: Inode,
}

/// A device, and a number there.
type Inode = (u64, u64);

impl SocketFile {
    fn at(path: &Path) -> io::Result<SocketFile> {
        Ok(SocketFile { path: path.to_owned(), inode: SocketFile::inode_at(path)? })
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        &self.path
    }

    fn inode_at(path: &Path) -> io::Result<Inode> {
        fs::symlink_metadata(path).map(|its| (its.dev(), its.ino()))
    }
}

impl Drop for SocketFile {
    fn drop(&mut self) {
        let now = SocketFile::inode_at(&self.path);
        if now.is_ok_and(|now| now == self.inode) {
            // One that cannot be removed is replaced by the next server.
            fs::remove_file(&self.path).unwrap_or_default();
        }
    }
}

/// Listens at a path, and never blocks.
pub fn listen_on(path: &Path, access: Access, queue: i32) -> io::Result<(OwnedFd, SocketFile)> {
    let socket = Socket::new(Domain::UNIX, Type::STREAM, None)?;
    socket.set_nonblocking(true)?;
    let address = SockAddr::unix(path)?;
    if let Err(error) = bind(&socket, &address, access) {
        if error.kind() != ErrorKind::AddrInUse {
            return Err(error);
        }
        remove_stale(path, &address)?;
        bind(&socket, &address, access)?;
    }
    let file = SocketFile::at(path)?;
    socket.listen(queue)?;
    Ok((socket.into(), file))
}

/// Makes the file, with its rights. This process has one thread, so nothing else is made with this
/// mask.
fn bind(socket: &Socket, address: &SockAddr, access: Access) -> io::Result<()> {
    let before = rustix::process::umask(access.mask());
    let bound = socket.bind(address);
    rustix::process::umask(before);
    bound
}

/// Removes the file of a server that is gone. Of any other file it says what it is.
fn remove_stale(path: &Path, address: &SockAddr) -> io::Result<()> {
    let in_use = |why| Err(io::Error::new(ErrorKind::AddrInUse, why));
    match fs::symlink_metadata(path) {
        Ok(file) if file.file_type().is_socket() => {}
        Ok(_) => return in_use("there is a file of another kind"),
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(()),
        Err(error) => return Err(error),
    }
    let probe = Socket::new(Domain::UNIX, Type::STREAM, None)?;
    // The queue of one that lives may be full: this does not wait for it.
    probe.set_nonblocking(true)?;
    match probe.connect(address) {
        Err(error) if error.kind() == ErrorKind::ConnectionRefused => match fs::remove_file(path) {
            Err(error) if error.kind() != ErrorKind::NotFound => Err(error),
            _ => Ok(()),
        },
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(()),
        _ => in_use("another program listens there"),
    }
}

/// Where operators connect by default to the server that has this port: the first is where a server
/// of this user listens. Root may have another, which systemd has started.
pub fn usual_controls(port: u16) -> impl Iterator<Item = PathBuf> {
    let set = env::var_os("XDG_RUNTIME_DIR").filter(|folder| !folder.is_empty());
    let for_root = rustix::process::geteuid().is_root().then(|| "/run".into());
    let folders = set.into_iter().chain(for_root);
    folders.map(move |folder| Path::new(&folder).join("chinwag").join(format!("{port}.sock")))
}

/// Makes the folder of such a path, if it is not there. One of another user is an error: that could
/// replace the socket by its own.
pub fn make_folder(path: &Path) -> io::Result<()> {
    let Some(folder) = path.parent() else { return Ok(()) };
    match DirBuilder::new().mode(0o700).create(folder) {
        Err(error) if error.kind() != ErrorKind::AlreadyExists => return Err(error),
        _ => {}
    }
    let its = fs::symlink_metadata(folder)?;
    match its.is_dir() && its.uid() == rustix::process::geteuid().as_raw() {
        true => Ok(()),
        false => Err(io::Error::other(format!("{} is not our folder", folder.display()))),
    }
}

/// Whether an operator is at the other end: any other user is an error.
pub fn check_peer(connection: impl AsFd) -> io::Result<()> {
    let peer = user_of_peer(connection)?;
    match is_operator(peer, rustix::process::geteuid().as_raw()) {
        true => Ok(()),
        false => Err(io::Error::other(format!("user {peer} is none"))),
    }
}

/// The user at the other end, as the kernel knows it.
#[cfg(target_os = "linux")]
fn user_of_peer(connection: impl AsFd) -> io::Result<u32> {
    Ok(rustix::net::sockopt::socket_peercred(connection)?.uid.as_raw())
}

/// The user at the other end, as the kernel knows it.
#[cfg(not(target_os = "linux"))]
fn user_of_peer(connection: impl AsFd) -> io::Result<u32> {
    let (user, _) = nix::unistd::getpeereid(connection).map_err(io::Error::from)?;
    Ok(user.as_raw())
}

fn is_operator(peer: u32, own: u32) -> bool {
    peer == own || peer == 0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_operator_is_the_own_user_or_root() {
        for (peer, own, is_one) in
            [(1000, 1000, true), (0, 1000, true), (1001, 1000, false), (1000, 0, false)]
        {
            assert_eq!(is_operator(peer, own), is_one, "{peer} {own}");
        }
    }
}
