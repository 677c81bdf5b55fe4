//! Connections that send too little, too slowly or too much.

use std::{
    io::{Read as _, Write as _},
    net::TcpStream,
    time::{Duration, Instant},
};

use super::*;

/// Sends `head` and nothing more; tells what came back, and after how long the server has ended it.
fn end_of(server: &Server, head: &[u8]) -> (String, Duration) {
    let mut stream = TcpStream::connect(&server.address).unwrap();
    stream.set_read_timeout(Some(Duration::from_secs(60))).unwrap();
    let start = Instant::now();
    stream.write_all(head).unwrap();
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).expect("the server ends the connection");
    (String::from_utf8_lossy(&answer).into_owned(), start.elapsed())
}

#[test]
fn what_stays_half_open_is_closed() {
    let place = Place::new();
    let server = place.start(&[]);
    std::thread::scope(|scope| {
        let host = format!("GET /healthz HTTP/1.1\r\nhost: {}\r\n", server.address);
        for head in [String::new(), "GE".to_owned(), host.clone(), format!("{host}\r\n")] {
            let server = &server;
            scope.spawn(move || {
                let (answer, took) = end_of(server, head.as_bytes());
                assert!(took < Duration::from_secs(30), "{head:?}: {took:?}, {answer}");
            });
        }
    });
    server.get("/healthz").expect(200);
}

#[test]
fn a_head_without_end_is_refused() {
    let place = Place::new();
    let server = place.start(&[]);
    let head = format!("GET /healthz HTTP/1.1\r\nhost: {}\r\nx: {}", server.address, "x".repeat(65 * 1024));
    let (answer, took) = end_of(&server, head.as_bytes());
    assert!(answer.starts_with("HTTP/1.1 431 "), "{took:?}: {answer}");
    server.get("/healthz").expect(200);
}
