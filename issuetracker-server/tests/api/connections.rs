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
fn who_asks_too_often_is_told_when_to_come_back() {
    let place = Place::new();
    let server = place
        .start(&[("ISSUETRACKER_HTTP_REQUESTS_PER_MINUTE", "4"), ("ISSUETRACKER_HTTP_EVENT_REQUESTS_PER_MINUTE", "3")]);
    let answers: Vec<Answer> = (0..10).map(|_| server.get("/api/v1/issues")).collect();
    let refused = answers.iter().find(|answer| answer.status == 429).expect("a limit");
    refused.problem(429, "too_many_requests");
    let seconds: u32 = refused.header("retry-after").unwrap().parse().unwrap();
    assert!((1..=16).contains(&seconds), "{seconds}");
    assert!(answers.iter().filter(|answer| answer.status == 200).count() >= 4);
    // A header of the client's own makes it nobody else, and other budgets are untouched.
    server.ask("GET", "/api/v1/issues", &[("x-forwarded-for", "10.1.1.1")], "").expect(429);
    assert_eq!(server.ingest(&[event("feed stalled")])[0]["status"], "accepted");
    server.get("/healthz").expect(200);
    let page = server.get("/issues").expect(429);
    assert!(page.text().contains("too many requests"), "{}", page.text());
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

#[test]
fn who_is_known_has_a_budget_of_their_own() {
    let place = Place::new();
    let [issuer, credentials] = place.login();
    let variables = [issuer, credentials, ("ISSUETRACKER_HTTP_REQUESTS_PER_MINUTE", "2")];
    let keys = ["newsfeed", "billing"].map(|service| format!("Bearer {}", place.key(&variables, service)));
    let server = place.start(&variables);
    let ask = |authorization: &str| {
        let headers = [("authorization", authorization)];
        server.ask("POST", "/api/v1/issues", &headers, r#"{"title": "x"}"#).status
    };
    for key in &keys {
        assert_eq!([ask(key), ask(key), ask(key)], [202, 202, 429], "all of them come from one address");
    }
    let message = server.get("/api/v1/issues").problem(401, "unauthenticated");
    assert!(message.contains("Bearer itk_"), "{message}");
    assert_eq!(["Bearer itk_x", "Bearer itk_x"].map(ask), [401, 429], "a wrong key is nobody");
    server.get("/readyz").expect(200);
}
