//! `issuetracker-server doctor` on the road over HTTP. On the road through Kafka it is tested in `tests/kafka`.

use super::*;

/// Examines the server at `address` and returns what was said, checked for the exit code.
#[track_caller]
fn examine(address: &str, code: i32) -> String {
    Place::new().examine(&[("ISSUETRACKER_HTTP_ADDR", address)], &["--timeout", "5"], code)
}

/// What every examination's issue is called.
fn marked(server: &Server) -> Vec<Value> {
    server.issues("tag=doctor:true")
}

#[test]
fn a_healthy_server_shows_the_error() {
    let place = Place::new();
    let server = place.start(&[]);
    for examinations in 1..=2 {
        let said = examine(&server.address, 0);
        let steps =
            ["configuration is valid", "server is reachable", "event is accepted", "event is stored", "issue is shown"];
        assert_eq!(said.lines().filter(|line| line.starts_with("ok  ")).count(), steps.len(), "{said}");
        let places: Vec<_> = steps.iter().map(|step| said.find(step).unwrap()).collect();
        assert!(places.is_sorted(), "{said}");

        let issues = marked(&server);
        assert_eq!(issues.len(), 1, "each examination adds to one issue: {issues:#?}");
        assert_eq!((&issues[0]["occurrences"], &issues[0]["severity"]), (&json!(examinations), &json!("warning")));
        assert_eq!(issues[0]["service"], "issuetracker-doctor");
        let url = format!("http://{}{}", server.address, issues[0]["url"].as_str().unwrap());
        assert!(said.contains(&url), "{url} is not in:\n{said}");
    }
}

#[test]
fn the_address_on_the_command_line_wins() {
    let server_place = Place::new();
    let server = server_place.start(&[]);
    let url = format!("http://{}/", server.address);
    let variables = [("ISSUETRACKER_HTTP_ADDR", "127.0.0.1:1")];
    Place::new().examine(&variables, &["--url", &url], 0);
    assert_eq!(marked(&server).len(), 1);
}

#[test]
fn a_server_that_is_down_is_where_it_gets_stuck() {
    let place = Place::new();
    let server = place.start(&[]);
    let address = server.address.clone();
    assert!(server.terminate().status.success());
    let said = examine(&address, 1);
    assert!(said.contains("\nFAILED  server is reachable") && said.contains(&address), "{said}");
    assert!(said.contains("What to do: start issuetracker-server"), "{said}");
    assert!(!said.contains("accepted"), "{said}");
}

#[test]
fn another_program_is_not_taken_for_the_server() {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap().to_string();
    thread::spawn(move || {
        for stream in listener.incoming() {
            let mut stream = stream.unwrap();
            BufReader::new(&stream).lines().find(|line| line.as_ref().unwrap().is_empty());
            std::io::Write::write_all(&mut stream, b"HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\nhello").unwrap();
        }
    });
    let said = examine(&address, 1);
    assert!(said.contains("FAILED  server is reachable") && said.contains("not issuetracker-server"), "{said}");
}

#[test]
fn a_configuration_that_cannot_be_used_is_told_whole() {
    let variables = [("ISSUETRACKER_STORE", "mongo"), ("ISSUETRACKER_KAFKA_BROKER", "typo:9092")];
    let said = Place::new().examine(&variables, &[], 1);
    assert!(said.contains("FAILED  configuration is valid"), "{said}");
    assert!(variables.iter().all(|(name, _)| said.contains(&format!("{name}: "))), "{said}");
}

#[test]
fn it_explains_itself() {
    let said = Place::new().examine(&[], &["--help"], 0);
    assert!(said.contains("--url") && said.contains("--timeout") && said.contains("marked error"), "{said}");
}
