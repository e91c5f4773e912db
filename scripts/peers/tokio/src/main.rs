//! A chat server with a tokio task for each client and a broadcast channel, as in tutorials.
//!
//! It sends each line of a client to all clients. A client that is more than [`CHANNEL_LINES`]
//! behind loses lines without a notice. Its first line tells the address it listens on. It was
//! written for the comparison with chinwag.

use std::error::Error;
use std::net::SocketAddr;
use std::sync::Arc;

use rustix::process::{Resource, Rlimit};
use socket2::{Domain, Socket, Type};
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::broadcast;

const CHANNEL_LINES: usize = 4096;
const BACKLOG: i32 = 4096;

type Line = Arc<[u8]>;

fn main() -> Result<(), Box<dyn Error>> {
    let Rlimit { maximum, .. } = rustix::process::getrlimit(Resource::Nofile);
    rustix::process::setrlimit(Resource::Nofile, Rlimit { current: maximum, maximum })?;
    tokio::runtime::Builder::new_multi_thread().enable_all().build()?.block_on(accept())
}

async fn accept() -> Result<(), Box<dyn Error>> {
    let socket = Socket::new(Domain::IPV4, Type::STREAM.nonblocking(), None)?;
    socket.bind(&SocketAddr::from(([127, 0, 0, 1], 0)).into())?;
    socket.listen(BACKLOG)?;
    let listener = TcpListener::from_std(socket.into())?;
    println!("listening on {}", listener.local_addr()?);
    let (lines, _) = broadcast::channel(CHANNEL_LINES);
    loop {
        let (client, _) = listener.accept().await?;
        tokio::spawn(serve(client, lines.clone()));
    }
}

/// Serves one client, until it leaves or the first error.
async fn serve(client: TcpStream, lines: broadcast::Sender<Line>) -> std::io::Result<()> {
    client.set_nodelay(true)?;
    let (read, mut write) = client.into_split();
    let mut heard = lines.subscribe();
    write.write_all(b"* welcome\n").await?;
    let writing = tokio::spawn(async move {
        loop {
            match heard.recv().await {
                Ok(line) => write.write_all(&line).await?,
                Err(broadcast::error::RecvError::Lagged(_)) => {}
                Err(broadcast::error::RecvError::Closed) => return std::io::Result::Ok(()),
            }
        }
    });
    let mut read = BufReader::new(read);
    let mut line = Vec::new();
    while read.read_until(b'\n', &mut line).await? > 0 {
        // There is always a receiver: the sender itself.
        lines.send(line.as_slice().into()).ok();
        line.clear();
    }
    writing.abort();
    Ok(())
}
