//! `issuetracker-server issues` and `tail`: a client of a running server, for the acts of every day. It knows the API and
//! nothing of this process's configuration or store.

mod server;
mod tail;

use std::io::Write;

use serde_json::{Value, json};

use self::server::RunningServer;

/// Where the server is, and who asks.
#[derive(Debug, clap::Args)]
pub struct Connection {
    /// Address of the server; ISSUES_SERVER, or http://127.0.0.1:8080, unless given.
    #[arg(long, global = true, value_name = "URL")]
    server: Option<String>,
    /// Answers as JSON, as the API gives them.
    #[arg(long, global = true)]
    json: bool,
}

/// What can be said on the command line.
#[derive(Debug, clap::Args)]
pub struct Issues {
    #[command(flatten)]
    connection: Connection,
    #[command(subcommand)]
    task: Task,
}

#[derive(Debug, clap::Subcommand)]
enum Task {
    /// Lists issues that pass a filter, such as `is:open service:newsfeed "connection refused"`; open ones unless said.
    List {
        /// As in the dashboard's search box; options come before it.
        #[arg(allow_hyphen_values = true)]
        filter: Vec<String>,
        /// At most so many, 1 to 100.
        #[arg(long, default_value_t = 25)]
        limit: u8,
        /// The order: last_seen, first_seen, occurrences, trend or priority.
        #[arg(long, default_value = "last_seen")]
        sort: String,
    },
    /// Shows one issue with its latest occurrence and its comments, as Markdown.
    Show {
        /// NEWS-42, or the long id.
        id: String,
    },
    /// Resolves issues.
    Resolve {
        /// NEWS-42, or long ids.
        #[arg(required = true)]
        ids: Vec<String>,
        /// They are resolved in the next release: an older one does not reopen them.
        #[arg(long)]
        next_release: bool,
    },
    /// Comments on an issue.
    Comment {
        /// NEWS-42, or the long id.
        id: String,
        /// Markdown.
        text: String,
    },
}

/// What can be said to `tail`.
#[derive(Debug, clap::Args)]
pub struct Tail {
    #[command(flatten)]
    connection: Connection,
    /// Only issues that pass this filter; options come before it.
    #[arg(allow_hyphen_values = true)]
    filter: Vec<String>,
}

impl Connection {
    fn open(&self) -> anyhow::Result<RunningServer> {
        let variable = |name| std::env::var(name).ok().filter(|text| !text.is_empty());
        let url = self.server.clone().or_else(|| variable("ISSUES_SERVER"));
        RunningServer::at(url.as_deref().unwrap_or("http://127.0.0.1:8080"), variable("ISSUES_SESSION").as_deref())
    }
}

/// Does what `arguments` say. Tells whether all of it could be done.
///
/// # Errors
/// If the server does not answer, or says no.
pub async fn run(arguments: Issues, out: &mut (dyn Write + Send)) -> anyhow::Result<bool> {
    let (server, as_json) = (arguments.connection.open()?, arguments.connection.json);
    match arguments.task {
        Task::List { filter, limit, sort } => {
            let filter = if filter.is_empty() { "is:open".to_owned() } else { filter.join(" ") };
            let limit = limit.to_string();
            let page = server.get("/api/v1/issues", &[("q", &filter), ("limit", &limit), ("sort", &sort)]).await?;
            if as_json {
                writeln!(out, "{page}")?;
            } else {
                issues_of(&page).try_for_each(|issue| writeln!(out, "{}", line(issue)))?;
            }
            Ok(true)
        }
        Task::Show { id } => {
            let form = if as_json { "json" } else { "md" };
            write!(out, "{}", server.text(&format!("/issues/{}.{form}", segment(&id)?)).await?)?;
            writeln!(out)?;
            Ok(true)
        }
        Task::Resolve { ids, next_release } => {
            let mut is_done = true;
            for id in ids {
                let change = json!({"status": "resolved", "in_next_release": next_release});
                match server.send("PATCH", &format!("/api/v1/issues/{}", segment(&id)?), &change).await {
                    Ok(issue) if as_json => writeln!(out, "{issue}")?,
                    Ok(issue) => writeln!(out, "{}", line(&issue))?,
                    Err(error) => {
                        is_done = false;
                        writeln!(out, "{id}: {error:#}")?;
                    }
                }
            }
            Ok(is_done)
        }
        Task::Comment { id, text } => {
            let path = format!("/api/v1/issues/{}/comments", segment(&id)?);
            let comment = server.send("POST", &path, &json!({"content": text})).await?;
            if as_json {
                writeln!(out, "{comment}")?;
            } else {
                writeln!(out, "{} commented on {id}", comment["author_id"].as_str().unwrap_or_default())?;
            }
            Ok(true)
        }
    }
}

/// Follows new issues, for ever.
///
/// # Errors
/// If the server refuses the filter, or whoever asks.
pub async fn tail(
    arguments: Tail,
    out: &mut (dyn Write + Send),
    progress: &mut (dyn Write + Send),
) -> anyhow::Result<()> {
    let (server, as_json) = (arguments.connection.open()?, arguments.connection.json);
    let filter = if arguments.filter.is_empty() { "is:all".to_owned() } else { arguments.filter.join(" ") };
    tail::follow(&server, &filter, as_json, out, progress).await
}

/// An id as a part of a path; what is none names nothing.
fn segment(id: &str) -> anyhow::Result<&str> {
    let is_id = !id.is_empty() && id.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_'));
    if is_id { Ok(id) } else { anyhow::bail!("{id:?} is no id of an issue, such as NEWS-42") }
}

fn issues_of(page: &Value) -> impl Iterator<Item = &Value> {
    page["issues"].as_array().into_iter().flatten()
}

/// An issue in one line, in columns.
fn line(issue: &Value) -> String {
    let text = |name: &str| issue[name].as_str().unwrap_or_default();
    let id = issue["short_id"].as_str().unwrap_or(text("id"));
    // What others have written does not steer this terminal.
    let title: String = text("title").chars().map(|c| if c.is_control() { ' ' } else { c }).collect();
    // A JSON value ignores the width it is given.
    let occurrences = issue["occurrences"].to_string();
    let seen = text("last_seen").get(..16).unwrap_or_default().replace('T', " ");
    format!(
        "{id:<10}  {:<11}  {:<8}  {occurrences:>7}  {seen}  {:<16}  {title}",
        text("status"),
        text("severity"),
        text("service")
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_has_columns_and_nothing_that_steers_a_terminal() {
        let issue = json!({"short_id": "NEWS-7", "status": "open", "severity": "error", "occurrences": 12, "title": "a\u{1b}[2Jb",
            "last_seen": "2026-11-25T22:46:27.9Z", "service": "newsfeed"});
        assert_eq!(
            line(&issue),
            "NEWS-7      open         error          12  2026-11-25 22:46  newsfeed          a [2Jb"
        );
        assert!(segment("NEWS-42").is_ok());
        for id in ["", "../x", "a/b", "a?b"] {
            assert!(segment(id).is_err(), "{id}");
        }
    }
}
