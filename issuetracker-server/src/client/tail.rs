//! New issues as they come. A connection that breaks is made again, and nothing between is missed as long as the server
//! remembers it; if it does not, that is said.

use std::{io::Write, time::Duration};

use serde_json::Value;

use super::{
    issues_of, line,
    server::{Refused, RunningServer},
};

/// The first wait before it is tried again, and the longest.
const BACKOFF: (Duration, Duration) = (Duration::from_secs(1), Duration::from_secs(30));

/// New issues that are read at once: of a storm, the newest.
const PAGE: &str = "100";

/// What follows a stream: the id of the last event, and what of the next one has come.
#[derive(Default)]
struct Reader {
    last: Option<String>,
    name: String,
    data: String,
    rest: Vec<u8>,
}

impl Reader {
    /// The events that are whole now: name and data.
    fn read(&mut self, bytes: &[u8]) -> Vec<(String, String)> {
        self.rest.extend(bytes);
        let mut events = Vec::new();
        while let Some(end) = self.rest.iter().position(|byte| *byte == b'\n') {
            let text: Vec<u8> = self.rest.drain(..=end).collect();
            let text = String::from_utf8_lossy(&text);
            let text = text.trim_end_matches(['\r', '\n']);
            match text.split_once(": ") {
                _ if text.is_empty() && !self.name.is_empty() => {
                    events.push((std::mem::take(&mut self.name), std::mem::take(&mut self.data)));
                }
                Some(("event", name)) => name.clone_into(&mut self.name),
                Some(("data", data)) => data.clone_into(&mut self.data),
                Some(("id", id)) => self.last = Some(id.to_owned()),
                _ => (),
            }
        }
        events
    }
}

pub(super) async fn follow(
    server: &RunningServer,
    filter: &str,
    as_json: bool,
    out: &mut (dyn Write + Send),
    progress: &mut (dyn Write + Send),
) -> anyhow::Result<()> {
    // A filter that cannot be used is told at once.
    newest(server, filter).await?;
    writeln!(progress, "following new issues: {filter}")?;
    let (mut reader, mut wait) = (Reader::default(), BACKOFF.0);
    loop {
        match listen(server, filter, as_json, &mut reader, out, progress).await {
            Ok(()) => wait = BACKOFF.0,
            Err(error) if error.is::<Refused>() || error.is::<std::io::Error>() => return Err(error),
            Err(error) => {
                writeln!(progress, "{error:#}; trying again in {} s", wait.as_secs())?;
                tokio::time::sleep(wait).await;
                wait = (wait * 2).min(BACKOFF.1);
            }
        }
    }
}

/// Listens until the connection ends.
async fn listen(
    server: &RunningServer,
    filter: &str,
    as_json: bool,
    reader: &mut Reader,
    out: &mut (dyn Write + Send),
    progress: &mut (dyn Write + Send),
) -> anyhow::Result<()> {
    let mut stream = server.stream(reader.last.as_deref()).await?;
    // What was half told is told again.
    *reader = Reader { last: reader.last.take(), ..Reader::default() };
    while let Some(bytes) = stream.chunk().await? {
        for (name, data) in reader.read(&bytes) {
            if name == "missed" {
                writeln!(progress, "some issues may have come unseen: `issues list --sort first_seen` has them")?;
                continue;
            }
            let data: Value = serde_json::from_str(&data).unwrap_or_default();
            let created = data["created"].as_array().cloned().unwrap_or_default();
            if created.is_empty() {
                continue;
            }
            let page = newest(server, filter).await?;
            // The oldest first, as they came.
            let new: Vec<&Value> = issues_of(&page).filter(|issue| created.contains(&issue["id"])).collect();
            for issue in new.into_iter().rev() {
                if as_json { writeln!(out, "{issue}")? } else { writeln!(out, "{}", line(issue))? }
            }
            out.flush()?;
        }
    }
    Ok(())
}

async fn newest(server: &RunningServer, filter: &str) -> anyhow::Result<Value> {
    server.get("/api/v1/issues", &[("q", filter), ("sort", "first_seen"), ("limit", PAGE)]).await
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn events_are_read_in_any_pieces() {
        let text = ": hello\n\nevent: issues\ndata: {\"ids\":[]}\nid: p-1\n\nevent: missed\r\ndata: {}\r\n\r\n";
        for size in 1..text.len() {
            let mut reader = Reader::default();
            let events: Vec<_> = text.as_bytes().chunks(size).flat_map(|part| reader.read(part)).collect();
            let expected = [("issues", "{\"ids\":[]}"), ("missed", "{}")];
            assert_eq!(events, expected.map(|(name, data)| (name.to_owned(), data.to_owned())), "{size}");
            assert_eq!(reader.last.as_deref(), Some("p-1"));
        }
    }
}
