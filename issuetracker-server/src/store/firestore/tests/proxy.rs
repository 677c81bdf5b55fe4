//! A TCP proxy before the emulator that can go away in several ways. It knows nothing of what passes.

use std::sync::{
    Arc,
    atomic::{AtomicUsize, Ordering},
};

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{
        TcpListener, TcpStream,
        tcp::{OwnedReadHalf, OwnedWriteHalf},
    },
    sync::watch,
};

/// What it does with what it gets.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Mode {
    /// Passes it on.
    Pass,
    /// Closes every connection.
    Refuse,
    /// Passes nothing on, in neither direction, and keeps connections open: a peer that was stopped.
    Freeze,
    /// Passes requests on, and then closes instead of answering: what was asked has happened.
    Swallow,
    /// Passes one answer on, then swallows.
    PassOnce,
}

pub(super) struct Proxy {
    pub(super) address: String,
    mode: watch::Sender<Mode>,
    connections: Arc<AtomicUsize>,
}

impl Proxy {
    pub(super) async fn to(target: String) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap().to_string();
        let (mode, connections) = (watch::Sender::new(Mode::Pass), Arc::new(AtomicUsize::new(0)));
        let (modes, count) = (mode.clone(), Arc::clone(&connections));
        tokio::spawn(async move {
            while let Ok((client, _)) = listener.accept().await {
                count.fetch_add(1, Ordering::Relaxed);
                tokio::spawn(serve(client, target.clone(), modes.clone()));
            }
        });
        Self { address, mode, connections }
    }

    /// From now on.
    pub(super) fn set(&self, mode: Mode) {
        self.mode.send_replace(mode);
    }

    /// How many were opened so far.
    pub(super) fn connections(&self) -> usize {
        self.connections.load(Ordering::Relaxed)
    }
}

async fn serve(client: TcpStream, target: String, mode: watch::Sender<Mode>) {
    if *mode.borrow() == Mode::Refuse {
        return;
    }
    let Ok(server) = TcpStream::connect(target).await else { return };
    let (from_client, to_client) = client.into_split();
    let (from_server, to_server) = server.into_split();
    // Either direction's end is the end of both.
    tokio::select! {
        () = pass(from_client, to_server, &mode, false) => (),
        () = pass(from_server, to_client, &mode, true) => (),
        _ = refused(&mode) => (),
    }
}

async fn refused(mode: &watch::Sender<Mode>) {
    let _ = mode.subscribe().wait_for(|mode| *mode == Mode::Refuse).await;
}

async fn pass(mut from: OwnedReadHalf, mut to: OwnedWriteHalf, mode: &watch::Sender<Mode>, is_answer: bool) {
    let mut buffer = vec![0; 64 << 10];
    while let Ok(length @ 1..) = from.read(&mut buffer).await {
        let _ = mode.subscribe().wait_for(|mode| *mode != Mode::Freeze).await;
        // A few bytes are no answer but HTTP/2's own: acknowledgements and windows.
        if is_answer && length > 64 {
            let now = *mode.borrow();
            match now {
                Mode::Swallow => return,
                Mode::PassOnce => {
                    mode.send_replace(Mode::Swallow);
                }
                Mode::Pass | Mode::Refuse | Mode::Freeze => (),
            }
        }
        if to.write_all(&buffer[..length]).await.is_err() {
            return;
        }
    }
}
