//! Errors that differ: 64 callsites times 50 words. Numbers would not do, because grouping takes them out, and one callsite
//! would not either, because a service that makes thousands of errors in one line has one problem, and a library may say so.

use std::error::Error;

use tracing::error;

/// How many different errors there are.
pub(crate) const DIFFERENT: u64 = (SITES.len() * WORDS.len()) as u64;

/// Logs the error of this number, modulo [`DIFFERENT`].
#[inline]
pub(crate) fn different_error(number: u64, cause: Option<&(dyn Error + 'static)>) {
    let number = number as usize;
    SITES[number % SITES.len()](WORDS[number / SITES.len() % WORDS.len()], cause);
}

type Site = fn(&str, Option<&(dyn Error + 'static)>);

/// A line that logs.
macro_rules! site {
    ($verb:literal) => {
        |word, cause| error!(error = cause, concat!("the order of {} was not ", $verb), word)
    };
}

// A line each: the line is part of what tells callsites apart.
#[rustfmt::skip]
const SITES: [Site; 64] = [
    site!("accepted"),
    site!("amended"),
    site!("archived"),
    site!("assigned"),
    site!("audited"),
    site!("balanced"),
    site!("batched"),
    site!("booked"),
    site!("cached"),
    site!("cancelled"),
    site!("charged"),
    site!("checked"),
    site!("cleared"),
    site!("closed"),
    site!("compared"),
    site!("confirmed"),
    site!("converted"),
    site!("copied"),
    site!("counted"),
    site!("created"),
    site!("credited"),
    site!("debited"),
    site!("decoded"),
    site!("deleted"),
    site!("delivered"),
    site!("encoded"),
    site!("enriched"),
    site!("exported"),
    site!("fetched"),
    site!("filled"),
    site!("filtered"),
    site!("forwarded"),
    site!("hedged"),
    site!("imported"),
    site!("indexed"),
    site!("inserted"),
    site!("issued"),
    site!("joined"),
    site!("loaded"),
    site!("locked"),
    site!("logged"),
    site!("mapped"),
    site!("matched"),
    site!("merged"),
    site!("moved"),
    site!("opened"),
    site!("packed"),
    site!("parsed"),
    site!("posted"),
    site!("priced"),
    site!("printed"),
    site!("queued"),
    site!("quoted"),
    site!("read"),
    site!("rebuilt"),
    site!("refunded"),
    site!("released"),
    site!("renewed"),
    site!("replayed"),
    site!("routed"),
    site!("saved"),
    site!("sent"),
    site!("settled"),
    site!("signed"),
];

#[rustfmt::skip]
const WORDS: [&str; 50] = [
    "badger", "beaver", "bison", "bobcat", "camel", "cheetah", "condor", "cougar", "coyote", "dingo", "dolphin",
    "donkey", "eagle", "falcon", "ferret", "finch", "gazelle", "gecko", "gibbon", "giraffe", "heron", "hornet",
    "ibex", "iguana", "jackal", "jaguar", "koala", "lemur", "leopard", "lizard", "lobster", "magpie", "marten",
    "mongoose", "ocelot", "otter", "panther", "parrot", "pelican", "penguin", "puffin", "python", "rabbit",
    "raccoon", "salmon", "sparrow", "tapir", "toucan", "walrus", "zebra",
];

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use tracing::subscriber::with_default;
    use tracing_subscriber::{layer::SubscriberExt as _, registry};

    use super::*;
    use crate::{Scenario, receiver::Discard};

    #[test]
    fn no_two_of_them_are_one_issue() {
        let (issues, guard) = tracing_issues::builder("bench").publisher(Discard::default()).build().unwrap();
        // A burst at a time: what the worker cannot keep up with is counted by place, which is no question here.
        with_default(registry().with(issues), || {
            for first in (0..DIFFERENT).step_by(640) {
                (first..DIFFERENT.min(first + 640)).for_each(|number| Scenario::NewWithCauses.run(number));
                assert!(guard.flush(Duration::from_secs(60)));
            }
        });
        let stats = guard.shutdown();
        assert_eq!((stats.published, stats.delivered, stats.suppressed), (DIFFERENT, DIFFERENT, 0));
    }
}
