//! What servers tell each other: a JSON object of ids. It is between servers only, and no event.

use std::collections::BTreeMap;

use serde_json::{Value, json};
use uuid::Uuid;

use crate::{domain::IssueId, notify::News};

/// The most ids in one record: some 40 KB.
const MAX_IDS: usize = 1_000;

/// One record of the topic.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Message {
    /// Who says it; a server passes over its own.
    pub(super) server: Uuid,
    /// What it says.
    pub(super) news: News,
}

/// A record that says nothing that this server understands.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub(super) struct Unreadable(&'static str);

impl Message {
    /// As many as it takes.
    pub(super) fn of(server: Uuid, news: News) -> Vec<Self> {
        let issues = match news {
            News::Everything => return vec![Self { server, news }],
            News::Issues(issues) => issues.into_iter().collect::<Vec<_>>(),
        };
        let part = |part: &[(IssueId, bool)]| Self { server, news: News::Issues(part.iter().cloned().collect()) };
        issues.chunks(MAX_IDS).map(part).collect()
    }

    pub(super) fn to_json(&self) -> String {
        let News::Issues(issues) = &self.news else {
            return json!({"v": 1, "server": self.server.to_string(), "everything": true}).to_string();
        };
        let ids: Vec<String> = issues.keys().map(ToString::to_string).collect();
        let created: Vec<String> = issues.iter().filter(|(_, is_new)| **is_new).map(|(id, _)| id.to_string()).collect();
        json!({"v": 1, "server": self.server.to_string(), "ids": ids, "created": created}).to_string()
    }

    pub(super) fn read(bytes: &[u8]) -> Result<Self, Unreadable> {
        let message: Value = serde_json::from_slice(bytes).map_err(|_| Unreadable("it is not JSON"))?;
        if message["v"] != 1 {
            return Err(Unreadable("it has another version"));
        }
        let server = message["server"].as_str().and_then(|server| server.parse().ok());
        let server = server.ok_or(Unreadable("it names no server"))?;
        if message["everything"] == true {
            return Ok(Self { server, news: News::Everything });
        }
        let mut issues: BTreeMap<IssueId, bool> = BTreeMap::new();
        for (field, is_new) in [("ids", false), ("created", true)] {
            let ids = message[field].as_array().ok_or(Unreadable("it lists no ids"))?;
            for id in ids {
                let id = id.as_str().and_then(|id| id.parse().ok()).ok_or(Unreadable("an id cannot be one"))?;
                issues.insert(id, is_new);
            }
        }
        Ok(Self { server, news: News::Issues(issues) })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check_comes_back(news: News) {
        let message = Message { server: Uuid::now_v7(), news };
        assert_eq!(Message::read(message.to_json().as_bytes()).unwrap(), message);
    }

    #[test]
    fn what_is_told_is_heard() {
        check_comes_back(News::Everything);
        check_comes_back(News::Issues(BTreeMap::from([("a".parse().unwrap(), true), ("b".parse().unwrap(), false)])));
    }

    #[test]
    fn many_ids_are_several_records() {
        let ids = (0..2_500).map(|index| (index.to_string().parse().unwrap(), index == 7)).collect();
        let messages = Message::of(Uuid::now_v7(), News::Issues(ids));
        assert_eq!(messages.len(), 3);
        assert!(messages.iter().all(|message| message.to_json().len() < 100_000));
        assert!(Message::of(Uuid::now_v7(), News::default()).is_empty());
    }

    #[test]
    fn foreign_records_are_told_apart() {
        for text in ["", "[]", "{}", r#"{"v":2}"#, r#"{"v":1,"server":"x"}"#] {
            assert!(Message::read(text.as_bytes()).is_err(), "{text}");
        }
        let of = |ids: &str| format!(r#"{{"v":1,"server":"{}","ids":{ids},"created":[]}}"#, Uuid::now_v7());
        assert!(Message::read(of("[]").as_bytes()).is_ok());
        assert!(Message::read(of("[1]").as_bytes()).is_err());
    }
}
