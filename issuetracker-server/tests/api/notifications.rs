//! Notifications, as a receiver gets them: signed, once per pause, again after a failure, whatever is killed; and nowhere
//! where they must not go. Mail and Slack are in `tests/browser/notifications`.

use std::{
    io::{Read as _, Write as _},
    net::{Shutdown, TcpListener},
    sync::{Arc, Mutex, atomic::AtomicU16},
};

use hmac::{Hmac, KeyInit as _, Mac as _};
use sha2::Sha256;

use super::*;

/// A request that arrived: its head in small letters, and its body.
type Arrived = (String, String);

/// A receiver of webhooks, which answers what it is told to answer.
struct Receiver {
    port: u16,
    arrived: Arc<Mutex<Vec<Arrived>>>,
    status: Arc<AtomicU16>,
}

impl Receiver {
    fn new(status: u16) -> Self {
        Self::on(TcpListener::bind("127.0.0.1:0").unwrap(), status)
    }

    fn on(listener: TcpListener, status: u16) -> Self {
        let port = listener.local_addr().unwrap().port();
        let receiver = Self { port, arrived: Arc::default(), status: Arc::new(status.into()) };
        let (arrived, status) = (Arc::clone(&receiver.arrived), Arc::clone(&receiver.status));
        thread::spawn(move || {
            for mut stream in listener.incoming().map_while(Result::ok) {
                let mut reader = BufReader::new(stream.try_clone().unwrap());
                let mut head = String::new();
                while !head.ends_with("\r\n\r\n") && reader.read_line(&mut head).is_ok_and(|read| read > 0) {}
                let head = head.to_lowercase();
                let length = head.split("content-length: ").nth(1).and_then(|rest| rest.lines().next()?.parse().ok());
                let mut body = vec![0; length.unwrap_or(0)];
                if reader.read_exact(&mut body).is_err() {
                    continue;
                }
                let status = status.load(Ordering::Relaxed);
                let answer = format!(
                    "HTTP/1.1 {status} x\r\nlocation: http://127.0.0.1:{port}/elsewhere\r\ncontent-length: 0\r\n\
                     connection: close\r\n\r\n"
                );
                let _ = stream.write_all(answer.as_bytes());
                let _ = stream.shutdown(Shutdown::Write);
                arrived.lock().unwrap().push((head, String::from_utf8(body).unwrap()));
            }
        });
        receiver
    }

    fn url(&self) -> String {
        format!("http://127.0.0.1:{}/hooks/s3cr3t-part", self.port)
    }

    fn arrived(&self) -> Vec<Arrived> {
        self.arrived.lock().unwrap().clone()
    }

    /// The bodies, once there are so many.
    #[track_caller]
    fn messages(&self, count: usize) -> Vec<Value> {
        let arrived = wait_until("messages", || {
            let arrived = self.arrived();
            if arrived.len() >= count { Ok(arrived) } else { Err(format!("{} of {count}", arrived.len())) }
        });
        arrived.iter().map(|(_, body)| serde_json::from_str(body).unwrap()).collect()
    }
}

const INTERNAL: [(&str, &str); 1] = [("ISSUETRACKER_NOTIFY_INTERNAL_HOSTS", "127.0.0.1")];

/// A rule by webhook, without a pause, with these fields.
#[track_caller]
fn rule(server: &Server, receiver: &Receiver, fields: &Value) -> Value {
    let rule = json!({"name": "on call", "channel": "webhook", "address": receiver.url(), "every_minutes": 0});
    server.post("/api/v1/rules", with(rule, fields).to_string()).expect(201).json()
}

/// What became of which issue, over all messages.
fn told(messages: &[Value]) -> Vec<(String, String)> {
    let issues = messages.iter().flat_map(|message| message["issues"].as_array().unwrap());
    issues.map(|issue| (issue["event"].as_str().unwrap().into(), issue["title"].as_str().unwrap().into())).collect()
}

#[track_caller]
fn state(server: &Server, id: &Value) -> Value {
    let rules = server.get("/api/v1/rules").expect(200).json();
    rules["rules"].as_array().unwrap().iter().find(|rule| rule["id"] == *id).unwrap().clone()
}

#[test]
fn what_becomes_of_issues_is_told_and_signed() {
    let (place, receiver) = (Place::new(), Receiver::new(200));
    let server = place.start(&INTERNAL);
    let filter = json!({"filter": "service:newsfeed -tag:test", "threshold_count": 20, "cool_down_minutes": 60});
    let made = rule(&server, &receiver, &filter);
    let secret = made["secret"].as_str().unwrap();

    let issue = issue_of(&server, event("feed stalled"));
    issue_of(&server, with(event("of another service"), &json!({"service": "billing"})));
    issue_of(&server, with(event("of a test"), &json!({"tags": ["test"]})));
    let messages = receiver.messages(1);
    assert_eq!(told(&messages), [("new".to_owned(), "feed stalled".to_owned())]);
    let told_issue = &messages[0]["issues"][0];
    assert_eq!(told_issue["url"], format!("http://{}{}", server.address, issue.replace("/api/v1", "")));
    let (head, body) = receiver.arrived().remove(0);
    let signature = head.split("x-issuetracker-signature: ").nth(1).unwrap().lines().next().unwrap().to_owned();
    let (seconds, mac) = signature.strip_prefix("t=").unwrap().split_once(",v1=").unwrap();
    let mut expected = Hmac::<Sha256>::new_from_slice(secret.as_bytes()).unwrap();
    expected.update(format!("{seconds}.{body}").as_bytes());
    let expected: String = expected.finalize().into_bytes().iter().map(|byte| format!("{byte:02x}")).collect();
    assert_eq!(mac, expected);

    // It comes back, and then often.
    server.patch(&issue, &json!({"status": "resolved"})).expect(200);
    server.ingest(&[event("feed stalled")]);
    assert_eq!(told(&receiver.messages(2))[1].0, "regressed");
    server.ingest(&[with(event("feed stalled"), &json!({"occurrences": 30}))]);
    let messages = receiver.messages(3);
    assert_eq!(told(&messages)[2].0, "threshold");
    assert_eq!(messages[2]["issues"][0]["reached"], "20 in one hour");
    // Not again within the cool-down, nor while it is muted; but when that ends.
    server.ingest(&[with(event("feed stalled"), &json!({"occurrences": 30}))]);
    server.patch(&issue, &json!({"mute": {"count": 5, "per": "hour"}})).expect(200);
    server.ingest(&[event("feed stalled")]);
    server.ingest(&[with(event("feed stalled"), &json!({"occurrences": 7}))]);
    let messages = receiver.messages(4);
    assert_eq!(told(&messages)[3].0, "unmuted");
    assert_eq!((messages.len(), state(&server, &made["id"])["failures"].as_u64()), (4, Some(0)));
    assert!(server.metric("issuetracker_notifications_total", &[r#"channel="webhook""#, r#"result="sent""#]) >= 4.0);
}

#[test]
fn a_storm_is_one_message_and_the_rest_waits() {
    let (place, receiver) = (Place::new(), Receiver::new(200));
    let server = place.start(&INTERNAL);
    let made = rule(&server, &receiver, &json!({"every_minutes": 30, "on": ["new"]}));
    // Letters that are no digits of any number, so that each is an issue of its own.
    let title = |letter: char, times: usize| format!("{} failed", letter.to_string().repeat(times));
    let storm: Vec<Value> =
        ('g'..='z').flat_map(|letter| (3..16).map(move |times| event(&title(letter, times)))).collect();
    server.ingest(&storm);
    let messages = receiver.messages(1);
    let named = messages[0]["issues"].as_array().unwrap().len() as u64;
    assert_eq!((named, named + messages[0]["more"].as_u64().unwrap()), (20, 260), "{}", messages[0]["text"]);
    server.ingest(&[event("one more, later")]);
    let waiting = wait_until("it to wait", || {
        let state = state(&server, &made["id"]);
        if state["waiting"] == 1 { Ok(state) } else { Err(state.to_string()) }
    });
    assert!(waiting["last_sent"].is_string() && waiting["next_at"].is_string(), "{waiting}");
    assert_eq!(receiver.arrived().len(), 1);
}

#[test]
fn what_could_not_be_sent_is_sent_after_a_kill() {
    let place = Place::new();
    // A port on which nobody listens yet.
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    drop(listener);
    let server = place.start(&INTERNAL);
    let body =
        json!({"name": "x", "channel": "webhook", "address": format!("http://127.0.0.1:{port}/"), "every_minutes": 0});
    let made = server.post("/api/v1/rules", body.to_string()).expect(201).json();
    issue_of(&server, event("feed stalled"));
    let failed = wait_until("it to fail", || {
        let state = state(&server, &made["id"]);
        if state["failures"] == 1 { Ok(state) } else { Err(state.to_string()) }
    });
    assert!(failed["error"].as_str().unwrap().contains("127.0.0.1"), "{failed}");
    assert_eq!(failed["waiting"], 1);
    server.get("/readyz").expect(200);
    server.kill();

    let receiver = Receiver::on(TcpListener::bind(("127.0.0.1", port)).unwrap(), 200);
    let server = place.start(&INTERNAL);
    assert_eq!(told(&receiver.messages(1)), [("new".to_owned(), "feed stalled".to_owned())]);
    wait_until("it to be settled", || {
        let state = state(&server, &made["id"]);
        if state["waiting"] == 0 && state["failures"] == 0 { Ok(()) } else { Err(state.to_string()) }
    });
    assert_eq!(receiver.arrived().len(), 1);
}

#[test]
fn nothing_goes_where_it_must_not() {
    let (place, receiver) = (Place::new(), Receiver::new(302));
    let server = place.start(&[]);
    let body = |address: &str| json!({"name": "x", "channel": "slack", "address": address}).to_string();
    for address in [&receiver.url(), "https://127.0.0.1/", "https://localhost/x", "http://hooks.slack.com/x", "x"] {
        assert!(
            server.post("/api/v1/rules", body(address)).problem(400, "invalid_field").contains("address"),
            "{address}"
        );
    }
    let mail = json!({"name": "x", "channel": "mail", "address": "ada@example.com"}).to_string();
    let problem = server.post("/api/v1/rules", mail).problem(400, "invalid_field");
    assert!(problem.contains("ISSUETRACKER_SMTP_URL"), "{problem}");
    let unknown = json!({"name": "x", "channel": "slack", "address": "https://8.8.8.8/", "colour": "red"}).to_string();
    server.post("/api/v1/rules", unknown).problem(400, "unknown_field");
    for missing in ["0123456789abcdef", "x", "..%2Fx"] {
        server.patch(&format!("/api/v1/rules/{missing}"), &json!({})).problem(404, "not_found");
    }
    drop(server);

    let server = place.start(&INTERNAL);
    let made = rule(&server, &receiver, &json!({}));
    let path = format!("/api/v1/rules/{}", made["id"].as_str().unwrap());
    let test = server.post(&format!("{path}/test"), "").expect(200).json();
    assert_eq!(test["sent"], false);
    assert!(test["error"].as_str().unwrap().contains("redirects are not followed"), "{test}");
    let arrived = receiver.arrived();
    assert_eq!(arrived.len(), 1);
    assert!(arrived[0].0.starts_with("post /hooks/s3cr3t-part") && arrived[0].1.contains(r#""type":"test""#));
    // Taken off the list, the host is not reached any more.
    let place_of_rule = state(&server, &made["id"]);
    drop(server);
    let server = place.start(&[]);
    let test = server.post(&format!("{path}/test"), "").expect(200).json();
    assert!(test["error"].as_str().unwrap().contains("ISSUETRACKER_NOTIFY_INTERNAL_HOSTS"), "{test}");
    assert_eq!(receiver.arrived().len(), 1);

    // What proves that one may write there is shown nowhere.
    let secret = made["secret"].as_str().unwrap();
    let shown = [
        place_of_rule.to_string(),
        server.get("/api/v1/rules").text(),
        server.get("/notifications").text(),
        server.get("/api/v1/audit").text(),
        server.log(),
    ];
    for text in shown {
        assert!(!text.contains("s3cr3t-part") && !text.contains(secret), "{text}");
    }
    server.ask("DELETE", &path, &[], "").expect(204);
    server.ask("DELETE", &path, &[], "").problem(404, "not_found");
    let audit = server.get("/api/v1/audit").text();
    for action in ["rule_created", "rule_tested", "rule_deleted"] {
        assert!(audit.contains(action), "{audit}");
    }
}
