//! A link that a test can break.

use std::net::SocketAddr;
use std::time::Duration;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::JoinSet;

const PAUSE: Duration = Duration::from_millis(50);

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Link {
    Up,
    /// Connections stay and nothing gets through, as when a router lost its memory.
    HalfOpen,
    /// Connections end, and new ones end at once.
    Down,
}

/// Forwards TCP connections to a server.
pub(crate) struct Proxy {
    pub(crate) address: SocketAddr,
    link: watch::Sender<Link>,
    _accepting: JoinSet<()>,
}

impl Proxy {
    pub(crate) async fn start(target: SocketAddr) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let address = listener.local_addr().expect("an address");
        let link = watch::Sender::new(Link::Up);
        let mut accepting = JoinSet::new();
        accepting.spawn(accept(listener, target, link.subscribe()));
        Self {
            address,
            link,
            _accepting: accepting,
        }
    }

    pub(crate) fn set(&self, link: Link) {
        self.link.send_replace(link);
    }
}

async fn accept(listener: TcpListener, target: SocketAddr, link: watch::Receiver<Link>) {
    let mut connections = JoinSet::new();
    loop {
        let Ok((client, _)) = listener.accept().await else {
            tokio::time::sleep(PAUSE).await;
            continue;
        };
        connections.spawn(forward(client, target, link.clone()));
    }
}

async fn forward(client: TcpStream, target: SocketAddr, mut link: watch::Receiver<Link>) {
    // A half-open link lets nobody through to the server either.
    let mut down = link.clone();
    let both = async {
        if link.wait_for(|link| *link != Link::HalfOpen).await.is_err() {
            return;
        }
        let Ok(server) = TcpStream::connect(target).await else {
            return;
        };
        let (from_client, to_client) = client.into_split();
        let (from_server, to_server) = server.into_split();
        tokio::select! {
            () = copy(from_client, to_server, link.clone()) => {}
            () = copy(from_server, to_client, link) => {}
        }
    };
    tokio::select! {
        () = both => {}
        _ = down.wait_for(|link| *link == Link::Down) => {}
    }
}

async fn copy(mut from: OwnedReadHalf, mut to: OwnedWriteHalf, mut link: watch::Receiver<Link>) {
    let mut buffer = vec![0; 64 * 1024];
    while let Ok(length @ 1..) = from.read(&mut buffer).await {
        if link.wait_for(|link| *link == Link::Up).await.is_err()
            || to.write_all(&buffer[..length]).await.is_err()
        {
            return;
        }
    }
}
