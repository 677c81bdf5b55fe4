//! A backtrace in groups: frames of the service's own code to be read, those of others to be unfolded.

use serde::Serialize;

/// Frames that belong together, in their order.
#[derive(Debug, PartialEq, Serialize)]
pub(super) struct FramesView {
    is_own: bool,
    frames: usize,
    text: String,
}

/// Where the code of others lies.
const FOREIGN_PLACES: [&str; 4] = ["/rustc/", "/.cargo/", "/rustlib/", "/vendor/"];

/// How the names of others begin, for frames without a place.
const FOREIGN_NAMES: [&str; 22] = [
    "std::",
    "core::",
    "alloc::",
    "<std::",
    "<core::",
    "<alloc::",
    "tokio::",
    "<tokio::",
    "tracing",
    "<tracing",
    "futures",
    "hyper",
    "axum",
    "tower",
    "backtrace::",
    "rust_begin_unwind",
    "__rust",
    "___rust",
    "_start",
    "__libc",
    "start_thread",
    "clone",
];

/// The groups of a backtrace; one, of the service's own, if nothing in it can be told apart.
pub(super) fn groups(text: &str) -> Vec<FramesView> {
    let mut groups: Vec<FramesView> = Vec::new();
    for frame in frames(text) {
        let is_own = !is_foreign(&frame);
        match groups.last_mut().filter(|group| group.is_own == is_own) {
            Some(group) => {
                group.frames += 1;
                group.text.push('\n');
                group.text.push_str(&frame);
            }
            None => groups.push(FramesView { is_own, frames: 1, text: frame }),
        }
    }
    if groups.iter().all(|group| !group.is_own) {
        let frames = groups.iter().map(|group| group.frames).sum();
        return Some(text).filter(|text| !text.is_empty()).map(|text| whole(text, frames)).into_iter().collect();
    }
    groups
}

fn whole(text: &str, frames: usize) -> FramesView {
    FramesView { is_own: true, frames, text: text.to_owned() }
}

/// Each frame with the lines that say where it is.
fn frames(text: &str) -> Vec<String> {
    let mut frames: Vec<String> = Vec::new();
    for line in text.lines() {
        let number = line.trim_start().split_once(':').map(|(number, _)| number);
        let is_start = number.is_some_and(|number| !number.is_empty() && number.bytes().all(|b| b.is_ascii_digit()));
        match frames.last_mut().filter(|_| !is_start) {
            Some(frame) => {
                frame.push('\n');
                frame.push_str(line);
            }
            None => frames.push(line.to_owned()),
        }
    }
    frames
}

fn is_foreign(frame: &str) -> bool {
    let place = frame.lines().find_map(|line| line.trim_start().strip_prefix("at "));
    if place.is_some_and(|place| FOREIGN_PLACES.iter().any(|foreign| place.contains(foreign))) {
        return true;
    }
    let first = frame.lines().next().unwrap_or_default();
    let name = first.split_once(':').map_or(first, |(_, name)| name).trim_start();
    // `0x55d - name`, as some write it.
    let name = name.split_once(" - ").filter(|(at, _)| at.starts_with("0x")).map_or(name, |(_, name)| name);
    place.is_none_or(|place| !place.starts_with('.') && !place.starts_with('/'))
        && FOREIGN_NAMES.iter().any(|foreign| name.starts_with(foreign))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(text: &str, expected: &[(bool, usize)]) {
        let groups = groups(text);
        assert_eq!(groups.iter().map(|group| (group.is_own, group.frames)).collect::<Vec<_>>(), expected, "{groups:?}");
        let joined: Vec<&str> = groups.iter().map(|group| group.text.as_str()).collect();
        assert_eq!(joined.join("\n"), text.trim_end_matches('\n'), "nothing is lost");
    }

    #[test]
    fn own_frames_are_told_from_others() {
        check(
            "   0: std::panicking::begin\n             at /rustc/abc/library/std/src/panicking.rs:9:5\n   1: core::panicking::panic_fmt\n\
             \n   2: feed::poll\n             at ./src/feed.rs:42:9\n   3: feed::main\n   4: std::rt::lang_start\n   5: _start",
            &[(false, 2), (true, 2), (false, 2)],
        );
        check("   0: std::a\n   1: core::b", &[(true, 2)]);
        check("no frames at all\nbut text", &[(true, 1)]);
        check("", &[]);
    }
}
