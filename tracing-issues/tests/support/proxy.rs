//! A TCP proxy with weather: in front of a real service it makes the network slow, deaf, silent or gone, and well again.
//! In front of Kafka it also rewrites the address that the broker tells its clients, so that they stay with it.

#![allow(dead_code, reason = "each test binary uses its part")]

use std::{
    io::{ErrorKind, Read, Write},
    net::{Shutdown, SocketAddr, TcpListener, TcpStream},
    sync::{
        Arc,
        atomic::{AtomicU8, AtomicU64, Ordering::Relaxed},
    },
    thread,
    time::Duration,
};

use tokio::net::TcpSocket;

/// How the network is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub(crate) enum Weather {
    Clear,
    /// Each answer takes 50 to 500 ms.
    Slow,
    /// Connections are accepted, and nothing ever comes back: a black hole.
    Silent,
    /// Half open: what is said arrives, the answer does not.
    Deaf,
    /// Whatever is said, the answer is nonsense.
    Nonsense,
    /// Connections are closed, new ones refused.
    Gone,
}

use Weather::{Clear, Deaf, Gone, Nonsense, Silent, Slow};

const ALL: [Weather; 6] = [Clear, Slow, Silent, Deaf, Nonsense, Gone];
const TICK: Duration = Duration::from_millis(20);

/// A proxy on an address of its own, for as long as the process lives.
#[derive(Clone)]
pub(crate) struct Proxy {
    pub(crate) address: SocketAddr,
    inner: Arc<Inner>,
}

struct Inner {
    /// Never listens. It keeps the port from everybody else while the network is gone.
    _reservation: TcpSocket,
    weather: AtomicU8,
    connections: AtomicU64,
    upstream: String,
    /// In a frame of Kafka's: what stands for the broker's address, and what stands for the proxy's.
    rewrite: Vec<(Vec<u8>, Vec<u8>)>,
}

impl Proxy {
    /// In front of any service at `upstream`, `host:port`.
    pub(crate) fn to(upstream: &str, weather: Weather) -> Self {
        Self::new(upstream, weather, |_| Vec::new())
    }

    /// In front of a Kafka broker.
    pub(crate) fn to_kafka(upstream: &str, weather: Weather) -> Self {
        let port: u16 = upstream.rsplit(':').next().unwrap().parse().unwrap();
        // A string, then the port as an `i32`: what `Metadata` answers with, whatever its version.
        let address = |host: &str, port: u16| [host.as_bytes(), &i32::from(port).to_be_bytes()].concat();
        Self::new(upstream, weather, |own| {
            ["127.0.0.1", "localhost"].map(|host| (address(host, port), address(host, own))).into()
        })
    }

    fn new(upstream: &str, weather: Weather, rewrite: impl Fn(u16) -> Vec<(Vec<u8>, Vec<u8>)>) -> Self {
        let reservation = TcpSocket::new_v4().unwrap();
        reservation.set_reuseaddr(true).unwrap();
        reservation.bind(([127, 0, 0, 1], 0).into()).unwrap();
        let address = reservation.local_addr().unwrap();
        let inner = Arc::new(Inner {
            _reservation: reservation,
            weather: AtomicU8::new(weather as u8),
            connections: AtomicU64::new(0),
            upstream: upstream.to_owned(),
            rewrite: rewrite(address.port()),
        });
        let proxy = Self { address, inner };
        let accepting = proxy.clone();
        let listener = TcpListener::bind(address).unwrap();
        thread::spawn(move || accepting.accept(listener));
        proxy
    }

    pub(crate) fn set(&self, weather: Weather) {
        self.inner.weather.store(weather as u8, Relaxed);
    }

    /// How many connections were made so far.
    pub(crate) fn connections(&self) -> u64 {
        self.inner.connections.load(Relaxed)
    }

    fn weather(&self) -> Weather {
        ALL[usize::from(self.inner.weather.load(Relaxed))]
    }

    fn accept(&self, listener: TcpListener) {
        let mut listener = Some(listener);
        loop {
            if self.weather() == Gone {
                listener = None;
                thread::sleep(TICK);
                continue;
            }
            let door = listener.take().unwrap_or_else(|| TcpListener::bind(self.address).unwrap());
            door.set_nonblocking(true).unwrap();
            match door.accept() {
                Ok((client, _)) => {
                    self.inner.connections.fetch_add(1, Relaxed);
                    client.set_nonblocking(false).unwrap();
                    if let Ok(upstream) = TcpStream::connect(&self.inner.upstream) {
                        self.join(&client, &upstream);
                    }
                }
                Err(_) => thread::sleep(TICK),
            }
            listener = Some(door);
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
        let (mut buffer, mut is_broken, mut held) = (vec![0; 64 * 1024], false, Vec::new());
        loop {
            let length = match from.read(&mut buffer) {
                Ok(0) => return,
                Ok(length) => length,
                Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) => 0,
                Err(_) => return,
            };
            let weather = self.weather();
            // A connection of which something was swallowed does not recover with the weather.
            if weather == Gone || is_broken && weather == Clear {
                return;
            }
            if length == 0 {
                continue;
            }
            match weather {
                Silent => is_broken = true,
                Deaf if is_answer => is_broken = true,
                Nonsense if is_answer => (),
                Nonsense => {
                    let _ = from.write_all(b"\x00\x00\x00\x10HTTP/1.1 418 I am a teapot\r\n\r\n");
                    return;
                }
                _ if is_broken => (),
                _ => {
                    if weather == Slow && is_answer {
                        thread::sleep(Duration::from_millis(
                            50 + u64::from(uuid::Uuid::now_v7().as_bytes()[15]) * 450 / 255,
                        ));
                    }
                    held.extend_from_slice(&buffer[..length]);
                    let ready = if is_answer { self.rewritten(&mut held) } else { std::mem::take(&mut held) };
                    if to.write_all(&ready).is_err() {
                        return;
                    }
                }
            }
        }
    }

    /// Takes the whole frames of what is held, with the proxy's address in place of the broker's.
    fn rewritten(&self, held: &mut Vec<u8>) -> Vec<u8> {
        if self.inner.rewrite.is_empty() {
            return std::mem::take(held);
        }
        let mut end = 0;
        while let Some(length) = held.get(end..end + 4) {
            let next = end + 4 + u32::from_be_bytes(length.try_into().unwrap()) as usize;
            if next > held.len() {
                break;
            }
            end = next;
        }
        let rest = held.split_off(end);
        let mut ready = std::mem::replace(held, rest);
        for (theirs, ours) in &self.inner.rewrite {
            for at in 0..ready.len().saturating_sub(theirs.len()) {
                if ready[at..].starts_with(theirs) {
                    ready[at..at + ours.len()].copy_from_slice(ours);
                }
            }
        }
        ready
    }
}
