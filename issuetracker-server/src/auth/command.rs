//! `issuetracker-server keys`: the keys of services on a command line, straight in the store and whether or not the server
//! runs.

use std::io::Write;

use anyhow::Context;
use jiff::{SignedDuration, Timestamp};

use super::{Key, Keys, Principal};
use crate::{app, config::Config, domain::Role};

/// Keys that are read at once.
const PAGE: usize = 500;

/// What can be said on the command line.
#[derive(Debug, clap::Args)]
pub struct Arguments {
    #[command(subcommand)]
    task: Task,
}

#[derive(Debug, clap::Subcommand)]
enum Task {
    /// Makes a key and prints it, alone, on standard output. Nobody can see it again.
    Create {
        /// The service that will show it, as it reports itself.
        service: String,
        /// It is valid for so many days; without it until it is revoked.
        #[arg(long, value_name = "DAYS", value_parser = clap::value_parser!(u16).range(1..))]
        days: Option<u16>,
    },
    /// Lists all keys, without their secrets.
    List,
    /// Ends a key: the next request with it is refused.
    Revoke {
        /// The 16 letters behind `itk_`.
        id: String,
    },
}

/// Does what `arguments` say; answers go to `out`, notes to `progress`.
///
/// # Errors
/// If there is no such key, or the store does not answer.
pub async fn run(
    arguments: Arguments,
    config: &Config,
    out: &mut (dyn Write + Send),
    progress: &mut (dyn Write + Send),
) -> anyhow::Result<()> {
    let keys = Keys::new(app::open_store(&config.store).await?);
    let (by, now) = (operator(), Timestamp::now());
    match arguments.task {
        Task::Create { service, days } => {
            let expires_at = days.map(|days| now + SignedDuration::from_hours(24 * i64::from(days)));
            let (key, text) = keys.create(&service, expires_at, &by, now).await.context("SERVICE")?;
            writeln!(out, "{text}")?;
            writeln!(progress, "Set TRACING_ISSUES_API_KEY of {} to this; it is not shown again.", key.service)?;
            if config.login.is_none() {
                writeln!(progress, "Login is not configured here: as long as it is not, no service needs a key.")?;
            }
        }
        Task::List => {
            let mut after: Option<String> = None;
            loop {
                let page = keys.list(after.as_deref(), PAGE).await?;
                for key in &page {
                    writeln!(out, "{}", line(key, now))?;
                }
                match page.into_iter().nth(PAGE - 1) {
                    Some(last) => after = Some(last.id),
                    None => break,
                }
            }
        }
        Task::Revoke { id } => {
            let id = id.strip_prefix("itk_").unwrap_or(&id);
            let key = keys.revoke(id, &by, now).await.with_context(|| format!("{id} cannot be revoked"))?;
            writeln!(progress, "The key {id} of {} is refused from now on.", key.service)?;
        }
    }
    Ok(())
}

/// Who has a shell on the machine is nobody in particular.
fn operator() -> Principal {
    Principal { role: Role::Admin, ..Principal::named("command-line", "Command line") }
}

fn line(key: &Key, now: Timestamp) -> String {
    let moment =
        |at: Option<Timestamp>| at.map_or("never".to_owned(), |at| at.strftime("%Y-%m-%d %H:%M UTC").to_string());
    let expiry = if key.is_expired(now) { "expired" } else { "expires" };
    format!(
        "itk_{}  {:<24}  created {}  {expiry} {}  last used {}",
        key.id,
        key.service,
        moment(key.created_at),
        moment(key.expires_at),
        moment(key.last_used)
    )
}
