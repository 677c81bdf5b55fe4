//! Places in documents: `<!-- bench:NAME -->` to `<!-- /bench:NAME -->`, replaced by what was measured.

use std::{fs, path::PathBuf};

use anyhow::Context as _;

/// Replaces what stands between the two marks of `place`.
///
/// # Errors
/// If the file or its marks are not there.
pub fn replace(path: &str, place: &str, text: &str) -> anyhow::Result<()> {
    let path = in_repository(path);
    let before = fs::read_to_string(&path).with_context(|| path.display().to_string())?;
    let after = replaced(&before, place, text)
        .with_context(|| format!("{} has no place for <!-- bench:{place} -->", path.display()))?;
    Ok(fs::write(&path, after)?)
}

/// Where it was measured, in a sentence: figures without that are worth little.
pub fn conditions() -> String {
    let cores = std::thread::available_parallelism().map_or(0, usize::from);
    let about = fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let model = about.lines().find_map(|line| line.strip_prefix("model name")).and_then(|line| line.split_once(": "));
    let model = model.map_or("an unknown processor", |(_, model)| model);
    let (rounds, os) = (super::Effort::Full.rounds(), std::env::consts::OS);
    format!("Measured on {cores} cores of {model}, {os}, in {rounds} rounds.")
}

/// A path from the repository's root.
fn in_repository(path: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("..").join(path)
}

fn replaced(document: &str, place: &str, text: &str) -> Option<String> {
    let (opening, closing) = (format!("<!-- bench:{place} -->"), format!("<!-- /bench:{place} -->"));
    let start = document.find(&opening)? + opening.len();
    let end = start + document[start..].find(&closing)?;
    Some(format!("{}\n\n{}\n\n{}", &document[..start], text.trim_end(), &document[end..]))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(document: &str, expected: Option<&str>) {
        assert_eq!(replaced(document, "a", "new\n").as_deref(), expected);
    }

    #[test]
    fn only_its_own_place_is_replaced() {
        check("<!-- bench:a -->old<!-- /bench:a -->", Some("<!-- bench:a -->\n\nnew\n\n<!-- /bench:a -->"));
        check(
            "x <!-- bench:b -->b<!-- /bench:b --> <!-- bench:a -->\nold\n<!-- /bench:a --> y",
            Some("x <!-- bench:b -->b<!-- /bench:b --> <!-- bench:a -->\n\nnew\n\n<!-- /bench:a --> y"),
        );
    }

    #[test]
    fn a_missing_mark_is_told() {
        check("nothing", None);
        check("<!-- bench:a --> no end", None);
        check("<!-- /bench:a --> <!-- bench:a -->", None);
    }
}
