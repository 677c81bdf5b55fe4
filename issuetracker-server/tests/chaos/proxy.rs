//! A network between the server and a store that can be slow or gone, and well again. It changes no byte.

use std::{
    io::{ErrorKind, Read as _, Write as _},
    net::{Shutdown, SocketAddr, TcpListener, TcpStream},
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering::Relaxed},
    },
    thread,
    time::Duration,
};

/// How often a connection looks how the network is.
const TICK: Duration = Duration::from_millis(20);

/// A proxy on an address of its own, for as long as the process lives.
#[derive(Clone)]
pub(crate) struct Proxy {
    pub(crate) address: SocketAddr,
    upstream: String,
    is_gone: Arc<AtomicBool>,
    delay_ms: Arc<AtomicU64>,
}

impl Proxy {
    pub(crate) fn to(upstream: &str) -> Self {
        let door = TcpListener::bind("127.0.0.1:0").unwrap();
        door.set_nonblocking(true).unwrap();
        let (is_gone, delay_ms) = Default::default();
        let proxy = Self { address: door.local_addr().unwrap(), upstream: upstream.to_owned(), is_gone, delay_ms };
        let accepting = proxy.clone();
        thread::spawn(move || accepting.accept(&door));
        proxy
    }

    /// Ends every connection, and new ones as soon as they are made.
    pub(crate) fn refuse(&self, is_gone: bool) {
        self.is_gone.store(is_gone, Relaxed);
    }

    /// From now on each answer takes so much longer.
    pub(crate) fn delay(&self, delay: Duration) {
        self.delay_ms.store(u64::try_from(delay.as_millis()).unwrap(), Relaxed);
    }

    fn accept(&self, door: &TcpListener) {
        loop {
            match door.accept() {
                Ok((client, _)) if !self.is_gone.load(Relaxed) => {
                    client.set_nonblocking(false).unwrap();
                    if let Ok(upstream) = TcpStream::connect(&self.upstream) {
                        self.join(&client, &upstream);
                    }
                }
                Ok(_) => (),
                Err(_) => thread::sleep(TICK),
            }
        }
    }

    fn join(&self, client: &TcpStream, upstream: &TcpStream) {
        for (from, to, is_answer) in [(client, upstream, false), (upstream, client, true)] {
            let (proxy, from, to) = (self.clone(), from.try_clone().unwrap(), to.try_clone().unwrap());
            thread::spawn(move || {
                proxy.pump(&from, &to, is_answer);
                let _ = (from.shutdown(Shutdown::Both), to.shutdown(Shutdown::Both));
            });
        }
    }

    /// Hands on what is said in one direction, until the connection ends.
    fn pump(&self, mut from: &TcpStream, mut to: &TcpStream, is_answer: bool) {
        from.set_read_timeout(Some(TICK)).unwrap();
        let mut buffer = vec![0; 64 * 1024];
        while !self.is_gone.load(Relaxed) {
            let length = match from.read(&mut buffer) {
                Ok(0) => return,
                Ok(length) => length,
                Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) => continue,
                Err(_) => return,
            };
            if is_answer {
                thread::sleep(Duration::from_millis(self.delay_ms.load(Relaxed)));
            }
            if to.write_all(&buffer[..length]).is_err() {
                return;
            }
        }
    }
}
