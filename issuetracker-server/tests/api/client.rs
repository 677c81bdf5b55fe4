//! The command line as a client of a running server.

use std::{
    io::{BufRead as _, BufReader},
    process::Stdio,
};

use super::*;

#[test]
fn the_acts_of_every_day() {
    let place = Place::new();
    let server = place.start(&[]);
    server.ingest(&[event("feed stalled"), event("quote refused"), event("feed stalled")]);
    let url = format!("http://{}", server.address);
    let run = |arguments: &[&str]| {
        let output = place.run(&[("ISSUES_SERVER", &url)], arguments);
        let said = String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr);
        (output.status.code(), said)
    };
    let (code, listed) = run(&["issues", "list", "feed"]);
    assert_eq!((code, listed.lines().count()), (Some(0), 1), "{listed}");
    assert!(listed.contains("feed stalled") && listed.contains("open"), "{listed}");
    let id = listed.split_whitespace().next().unwrap().to_owned();
    let (_, json) = run(&["issues", "list", "--json", "--limit", "1", "is:all", "-quote"]);
    assert!(serde_json::from_str::<Value>(&json).unwrap()["issues"].is_array(), "{json}");

    let (code, said) = run(&["issues", "comment", &id, "Seen on **eu-west** only."]);
    assert_eq!((code, said.trim()), (Some(0), format!("local-admin commented on {id}").as_str()));
    let (code, said) = run(&["issues", "resolve", &id, "NOBODY-9"]);
    assert_eq!(code, Some(1), "one is not there: {said}");
    assert!(said.contains("resolved") && said.contains("NOBODY-9: There is no such issue."), "{said}");
    let (code, shown) = run(&["issues", "show", &id]);
    assert!(code == Some(0) && shown.contains("# ") && shown.contains("feed stalled"), "{shown}");
    assert!(run(&["issues", "list"]).1.contains("quote refused"));

    for (arguments, part) in [
        (&["issues", "list", "servce:x"][..], "did you mean `service:`"),
        (&["issues", "show", "../x"], "is no id of an issue"),
        (
            &["issues", "list", "--server", "http://127.0.0.1:1"],
            "no issuetracker-server answers at http://127.0.0.1:1/",
        ),
        (&["tail", "servce:x"], "did you mean `service:`"),
    ] {
        let (code, said) = run(arguments);
        assert!(code == Some(1) && said.contains(part), "{arguments:?}: {said}");
    }
}

#[test]
fn tail_tells_new_issues_as_they_come() {
    let place = Place::new();
    let server = place.start(&[]);
    server.ingest(&[event("feed stalled")]);
    let url = format!("http://{}", server.address);
    let mut command = place.command(&[]);
    command.args(["tail", "--server", &url, "-quote"]).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut tail = command.spawn().unwrap();
    let mut notes = BufReader::new(tail.stderr.take().unwrap()).lines();
    assert_eq!(notes.next().unwrap().unwrap(), "following new issues: -quote");
    let mut lines = BufReader::new(tail.stdout.take().unwrap()).lines();
    // It listens a moment after it has said so.
    let first = wait_until("a new issue is told", || {
        server.ingest(&[event("feed stalled"), event("quote refused"), event(&format!("deadline {}", unique()))]);
        Ok::<_, String>(lines.next().unwrap().unwrap())
    });
    assert!(first.contains("deadline"), "{first}");
    tail.kill().unwrap();
    tail.wait().unwrap();
}

fn unique() -> String {
    let letters = |digit: char| char::from(b'a' + u8::try_from(digit.to_digit(16).unwrap()).unwrap());
    uuid::Uuid::now_v7().simple().to_string()[20..].chars().map(letters).collect()
}
