//! The dependency rules, as a check. Each rule brings a positive control: a violation that it must find before its
//! silence about the code means anything.

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
};

use crate::run::{Outcome, output, root, say};

/// Text that must not stand in some files.
struct SourceRule {
    /// Why, for whoever breaks it.
    why: &'static str,
    /// Files whose path starts like one of these.
    within: &'static [&'static str],
    /// But not these.
    except: &'static [&'static str],
    /// What must not stand there, outside comments and tests.
    forbidden: &'static [&'static str],
    /// A line that breaks the rule.
    control: &'static str,
}

const SERVER: &str = "issuetracker-server/src/";

const SOURCE_RULES: [SourceRule; 8] = [
    SourceRule {
        why: "web and ingest never import each other: both are roads to intake",
        within: &["issuetracker-server/src/web/"],
        except: &[],
        forbidden: &["crate::ingest"],
        control: "use crate::ingest::Ingest;",
    },
    SourceRule {
        why: "web and ingest never import each other: both are roads to intake",
        within: &["issuetracker-server/src/ingest/"],
        except: &[],
        forbidden: &["crate::web", "axum::"],
        control: "use crate::web::WebState;",
    },
    SourceRule {
        why: "arrows point inward: the domain knows nobody, and is pure",
        within: &["issuetracker-server/src/domain/"],
        except: &[],
        forbidden: &[
            "crate::store",
            "crate::web",
            "crate::ingest",
            "crate::intake",
            "crate::app",
            "crate::config",
            "crate::auth",
            "serde::",
            "Timestamp::now",
            "SystemTime",
            "Instant::now",
            "std::fs",
            "std::net",
            "std::env",
            "tokio::",
        ],
        control: "let now = Timestamp::now();",
    },
    SourceRule {
        why: "arrows point inward: stores, intake and notifier know neither web, ingest nor app",
        within: &[
            "issuetracker-server/src/store/",
            "issuetracker-server/src/intake/",
            "issuetracker-server/src/notify.rs",
            "issuetracker-server/src/triage.rs",
        ],
        except: &[],
        forbidden: &["crate::web", "crate::ingest", "crate::app"],
        control: "use crate::app;",
    },
    SourceRule {
        why: "app.rs is the one place that names concrete stores",
        within: &[SERVER],
        except: &["issuetracker-server/src/app.rs", "issuetracker-server/src/store/"],
        forbidden: &["EmbeddedStore", "FirestoreStore"],
        control: "let store = EmbeddedStore::open(path)?;",
    },
    SourceRule {
        why: "the firestore crate stays inside store/firestore, rusqlite inside store/embedded",
        within: &[SERVER],
        except: &["issuetracker-server/src/store/firestore", "issuetracker-server/src/store/embedded"],
        forbidden: &["use firestore", "firestore::Firestore", "rusqlite"],
        control: "use rusqlite::Connection;",
    },
    SourceRule {
        why: "metrics.rs types every metric name; everybody else calls its functions",
        within: &[SERVER],
        except: &["issuetracker-server/src/metrics.rs"],
        forbidden: &["counter!(", "gauge!(", "histogram!("],
        control: "counter!(\"x\").increment(1);",
    },
    SourceRule {
        why: "the layer filters nothing for others: overriding these silences neighbouring layers",
        within: &["tracing-issues/src/"],
        except: &[],
        forbidden: &["fn enabled(", "Interest::never(", "Interest::sometimes(", "fn max_level_hint(", "set_default("],
        control: "fn max_level_hint(&self) -> Option<LevelFilter> {",
    },
];

/// Packages that must not be in a dependency tree.
struct TreeRule {
    why: &'static str,
    arguments: &'static [&'static str],
    forbidden: &'static [&'static str],
    /// The same question asked where the answer must be yes.
    control: &'static [&'static str],
}

const TREE_RULES: [TreeRule; 3] = [
    TreeRule {
        why: "the library's default tree stays small: no runtime, no Kafka, no Redis, and never the server",
        arguments: &["-p", "tracing-issues"],
        forbidden: &["tokio", "rdkafka", "redis", "deadpool-redis", "issuetracker-server", "reqwest", "openssl-sys"],
        control: &["-p", "tracing-issues", "--all-features"],
    },
    TreeRule {
        why: "the server does not use Redis: deduplication is the services' business",
        arguments: &["-p", "issuetracker-server", "--all-features"],
        forbidden: &["redis", "deadpool-redis"],
        control: &["-p", "examples", "--all-features"],
    },
    TreeRule {
        why: "features only add code: the embedded server needs neither Kafka nor Firestore",
        arguments: &["-p", "issuetracker-server", "--no-default-features"],
        forbidden: &["rdkafka", "firestore", "openssl-sys"],
        control: &["-p", "issuetracker-server"],
    },
];

/// The longest file: beyond that it tells a second story.
const MAX_LINES: usize = 500;

pub(crate) fn run(_: &[String]) -> Outcome {
    let files = rust_files()?;
    let mut violations = Vec::new();
    for rule in &SOURCE_RULES {
        if violations_in(rule, &format!("{}control.rs", rule.within[0]), rule.control).is_empty() {
            return Err(format!("a rule is blind, it did not find its control `{}`: {}", rule.control, rule.why));
        }
        for (path, text) in &files {
            violations.extend(violations_in(rule, path, text));
        }
    }
    for rule in &TREE_RULES {
        if found_in_tree(rule.control, rule.forbidden)?.is_empty() {
            return Err(format!(
                "a rule is blind, cargo tree {} shows none of {:?}",
                rule.control.join(" "),
                rule.forbidden
            ));
        }
        for package in found_in_tree(rule.arguments, rule.forbidden)? {
            violations.push(format!("cargo tree {}: {package}: {}", rule.arguments.join(" "), rule.why));
        }
    }
    for (path, text) in &files {
        if !text.starts_with("//!") {
            violations.push(format!("{path}:1: every file opens with `//!`: what it is, and what it is not"));
        }
        if text.lines().count() > MAX_LINES && !path.contains("/tests/") {
            violations.push(format!("{path}: more than {MAX_LINES} lines: it tells a second story, make it a folder"));
        }
    }
    if violations.is_empty() {
        let rules = SOURCE_RULES.len() + TREE_RULES.len();
        say(&format!("tidy: {} files keep {rules} rules, and each rule found its control", files.len()));
        return Ok(());
    }
    Err(violations.join("\n"))
}

fn violations_in(rule: &SourceRule, path: &str, text: &str) -> Vec<String> {
    let concerns = |prefixes: &[&str]| prefixes.iter().any(|prefix| path.starts_with(prefix));
    if !concerns(rule.within) || concerns(rule.except) {
        return Vec::new();
    }
    let code = text.lines().enumerate().take_while(|(_, line)| line.trim() != "#[cfg(test)]");
    code.filter(|(_, line)| !line.trim_start().starts_with("//"))
        .filter_map(|(number, line)| {
            let found = rule.forbidden.iter().find(|forbidden| line.contains(**forbidden))?;
            Some(format!("{path}:{}: `{found}`: {}", number + 1, rule.why))
        })
        .collect()
}

fn found_in_tree(arguments: &[&str], forbidden: &[&str]) -> Outcome<Vec<String>> {
    let cargo = std::env::var("CARGO").unwrap_or_else(|_| "cargo".to_owned());
    let mut command = Command::new(cargo);
    command.args(["tree", "--quiet", "--edges", "normal", "--prefix", "none", "--format", "{p}"]).args(arguments);
    let tree = output(&mut command, &format!("cargo tree {}", arguments.join(" ")))?;
    let mut found: Vec<String> = tree
        .lines()
        .filter_map(|line| line.split_whitespace().next())
        .filter(|package| forbidden.contains(package))
        .map(str::to_owned)
        .collect();
    found.sort();
    found.dedup();
    Ok(found)
}

/// Every Rust file of the workspace, by its path from the root.
fn rust_files() -> Outcome<Vec<(String, String)>> {
    let mut files = Vec::new();
    for package in ["tracing-issues", "issuetracker-server", "examples", "benches", "fuzz", "xtask"] {
        collect(&root().join(package), package, &mut files).map_err(|error| format!("{package}: {error}"))?;
    }
    if files.len() < 50 {
        return Err(format!("only {} files were found: the rules would check nothing", files.len()));
    }
    Ok(files)
}

fn collect(directory: &Path, shown: &str, files: &mut Vec<(String, String)>) -> std::io::Result<()> {
    let mut entries: Vec<PathBuf> =
        fs::read_dir(directory)?.map(|entry| entry.map(|entry| entry.path())).collect::<Result<_, _>>()?;
    entries.sort();
    for path in entries {
        let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        let shown = format!("{shown}/{name}");
        if path.is_dir() && name != "target" {
            collect(&path, &shown, files)?;
        } else if name.ends_with(".rs") {
            files.push((shown, fs::read_to_string(&path)?));
        }
    }
    Ok(())
}
