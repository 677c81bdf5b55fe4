//! [`Facts`]: what of a report decides which issue it is. The caller hashes the facts to a cheap key, the worker to the
//! fingerprint: the same facts, so that equal keys are equal fingerprints.

use std::{
    borrow::Cow,
    hash::{BuildHasher, Hash as _, Hasher},
};

use tracing::Metadata;

use super::{Cause, Origin, Place, Report};
use crate::{
    error_text::ErrorText,
    fields::ErrorName,
    fingerprint::{Fingerprint, Identity},
    normalize::Normalizer,
    redact::Redactor,
};

/// What of a report decides its issue.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Facts<'a> {
    origin: FactsOrigin<'a>,
    /// The field `fingerprint`; empty if there is none.
    custom: &'a str,
    /// As the event or a span names it; else it is the target.
    component: &'a str,
    kind: ErrorName<'a>,
    message: &'a str,
    root_cause: &'a str,
    /// Not part of the fingerprint; but an error that is suddenly worse is captured anew.
    severity: &'a str,
}

/// Where it was reported, as cheap to hash as can be.
#[derive(Debug, Clone, Copy)]
enum FactsOrigin<'a> {
    /// A callsite has one module and one file: its address stands for both.
    Callsite(&'static Metadata<'static>),
    /// Records of the `log` crate share one callsite, panics have none.
    Place(Place<'a>),
    /// A custom fingerprint counts wherever it is used.
    Anywhere,
}

impl Report {
    /// What decides the issue.
    pub(crate) fn facts(&self) -> Facts<'_> {
        self.plain_facts().unwrap_or_else(|| self.facts_of_roles())
    }

    /// The cheap key of its facts, as if normalising changed nothing.
    #[inline]
    pub(crate) fn key_as_is(&self, hashing: &impl BuildHasher) -> u64 {
        match self.plain_facts() {
            Some(facts) => facts.key_as_is(hashing),
            None => self.key_of_roles_as_is(hashing),
        }
    }

    #[inline(never)]
    fn key_of_roles_as_is(&self, hashing: &impl BuildHasher) -> u64 {
        self.facts_of_roles().key_as_is(hashing)
    }

    /// Of an error with nothing but a message that says something: what most errors are.
    #[inline]
    fn plain_facts(&self) -> Option<Facts<'_>> {
        if let Origin::Event(metadata) = self.origin
            && self.roles.are_few()
            && !self.has_fields_of_spans()
        {
            let message = self.message();
            if message.as_bytes().first().is_some_and(|byte| !byte.is_ascii_whitespace()) {
                return Some(Facts { message, ..Facts::at(FactsOrigin::Callsite(metadata)) });
            }
        }
        None
    }

    fn facts_of_roles(&self) -> Facts<'_> {
        let origin = match self.origin {
            Origin::Event(metadata) if !self.roles.is_log => FactsOrigin::Callsite(metadata),
            Origin::Event(_) | Origin::Panic => FactsOrigin::Place(self.place()),
        };
        let mut facts = Facts { message: self.message(), ..Facts::at(origin) };
        facts.custom = self.role_text(self.roles.fingerprint);
        facts.severity = self.role_text(self.roles.severity);
        if !facts.custom.is_empty() && !Fingerprint::is_refining(facts.custom) {
            // Nothing else counts then.
            return Facts { custom: facts.custom, severity: facts.severity, ..Facts::at(FactsOrigin::Anywhere) };
        }
        facts.component = self.named_component();
        let mut outermost = "";
        match self.cause() {
            Some((_, Cause::Chain(chain))) => {
                let mut kinds = chain.links().map(|link| link.kind);
                facts.kind = kinds.find(|kind| kind.is_known()).unwrap_or(ErrorName::UNKNOWN);
                facts.root_cause = chain.links().next_back().map_or("", |link| link.message);
                outermost = chain.message();
            }
            Some((_, Cause::Text(text))) => {
                let text = ErrorText::parse(text);
                (facts.kind, facts.root_cause, outermost) = (ErrorName::Name(text.kind()), text.root(), text.message);
                if facts.root_cause.is_empty() {
                    facts.root_cause = outermost;
                }
            }
            None => (),
        }
        if matches!(self.origin, Origin::Panic) {
            facts.kind = ErrorName::Name("panic");
        }
        if facts.message.trim_ascii_start().is_empty() {
            facts.message = outermost;
        }
        if facts.message.is_empty()
            && let Some((name, value)) = self.context().next()
        {
            // Of an event with neither message nor error, the first field tells most.
            (facts.message, facts.root_cause) = (name, value.as_text().unwrap_or_default());
        }
        facts
    }
}

impl<'a> Facts<'a> {
    #[inline]
    fn at(origin: FactsOrigin<'a>) -> Self {
        Self { origin, custom: "", component: "", kind: ErrorName::UNKNOWN, message: "", root_cause: "", severity: "" }
    }

    /// Takes a message apart that brings an error's chain: `error!("{e:?}")`.
    fn taken_apart(self) -> Self {
        if !self.message.contains('\n') {
            return self;
        }
        let text = ErrorText::parse(self.message);
        let root_cause = if self.root_cause.is_empty() { text.root() } else { self.root_cause };
        Self { message: text.message, root_cause, ..self }
    }

    /// The fingerprint, for the worker. Of texts without secrets: one that differs each time makes no new issue, and nobody
    /// can find it out by trying which one has the same hash.
    pub(crate) fn fingerprint(&self, project: &str, service: &str, redactor: &Redactor) -> Fingerprint {
        let Self { origin, custom, component, kind, message, root_cause, .. } = self.taken_apart();
        let (target, module, file) = match origin {
            FactsOrigin::Callsite(metadata) => {
                let target = metadata.target();
                (target, metadata.module_path().unwrap_or(target), metadata.file().unwrap_or_default())
            }
            FactsOrigin::Place(Place { target, module, file, .. }) => (target, module, file),
            FactsOrigin::Anywhere => ("", "", ""),
        };
        let component = if component.is_empty() { target } else { component };
        let kind = &kind.to_text();
        let (message, root_cause) =
            (&without_named_secrets(message, redactor), &without_named_secrets(root_cause, redactor));
        let identity = Identity { project, service, component, kind, message, root_cause, module, file };
        if custom.is_empty() { Fingerprint::of(&identity) } else { Fingerprint::custom(custom, &identity) }
    }

    /// The cheap key, for the caller, as if normalising changed nothing. It is the key of a known error only if that is
    /// true; then no work was done to find out. (A message of several lines always changes: its lines become one.)
    /// Inlined, so that nobody looks at what plain facts have not.
    #[inline(always)]
    pub(crate) fn key_as_is(&self, hashing: &impl BuildHasher) -> u64 {
        let mut hasher = hashing.build_hasher();
        self.hash_what_is_not_normalised(&mut hasher);
        hash_text(&mut hasher, 4, self.message);
        hash_text(&mut hasher, 5, self.root_cause);
        hasher.write_u8(0);
        hasher.finish()
    }

    /// The cheap key, for the caller. Equal keys are equal fingerprints, but for a chance of one in 2^64: everything that
    /// the fingerprint takes is in it, normalised in the same way. Whether that changed anything is in it too: a
    /// message that only looks like a normalised one has another key.
    pub(crate) fn key(&self, hashing: &impl BuildHasher, normalizer: &mut Normalizer) -> u64 {
        let mut hasher = hashing.build_hasher();
        self.hash_what_is_not_normalised(&mut hasher);
        let parts = self.taken_apart();
        let mut is_changed = parts.message != self.message;
        for (place, text) in [(4, parts.message), (5, parts.root_cause)] {
            if text.is_empty() {
                continue;
            }
            let normal = normalizer.normalize(text);
            // Most are the text itself.
            is_changed |= !std::ptr::eq(normal, text) && normal != text;
            hash_text(&mut hasher, place, normal);
        }
        hasher.write_u8(is_changed.into());
        hasher.finish()
    }

    #[inline(always)]
    fn hash_what_is_not_normalised(&self, hasher: &mut impl Hasher) {
        match self.origin {
            FactsOrigin::Callsite(metadata) => hasher.write_usize(std::ptr::from_ref(metadata).addr()),
            // The line is no part of the identity.
            FactsOrigin::Place(place) => (place.target, place.module, place.file).hash(hasher),
            FactsOrigin::Anywhere => (),
        }
        hash_text(hasher, 0, self.custom);
        hash_text(hasher, 1, self.component);
        match self.kind {
            ErrorName::Name(name) => hash_text(hasher, 2, name),
            ErrorName::Io(kind) => kind.hash(hasher),
        }
        hash_text(hasher, 3, self.severity);
    }
}

/// Takes out what normalising may leave: secrets that are words. They have a name or an address in front, and looking for
/// those signs first is much cheaper than looking for secrets in every report of a storm.
fn without_named_secrets<'a>(text: &'a str, redactor: &Redactor) -> Cow<'a, str> {
    let may_have_some = text.bytes().any(|byte| matches!(byte, b'=' | b':' | b'@'));
    if may_have_some { redactor.text(text) } else { Cow::Borrowed(text) }
}

/// Which text and how long first, so that no two lists of texts share their bytes.
#[inline]
fn hash_text(hasher: &mut impl Hasher, place: u64, text: &str) {
    if !text.is_empty() {
        hasher.write_u64(place << 32 | text.len() as u64);
        hasher.write(text.as_bytes());
    }
}

#[cfg(test)]
mod tests {
    use std::hash::RandomState;

    use proptest::prelude::*;

    use super::*;

    const FACTS: Facts<'_> = Facts {
        origin: FactsOrigin::Place(Place { target: "feed", module: "newsfeed::feed", file: "src/feed.rs", line: None }),
        custom: "",
        component: "",
        kind: ErrorName::Io(std::io::ErrorKind::ConnectionRefused),
        message: "refresh failed",
        root_cause: "refused",
        severity: "",
    };

    #[test]
    fn the_key_as_is_is_the_key_of_a_text_without_anything_that_varies() {
        let (hashing, mut normalizer) = (RandomState::new(), Normalizer::default());
        let mut check = |facts: Facts<'_>, is_same: bool| {
            assert_eq!(facts.key_as_is(&hashing) == facts.key(&hashing, &mut normalizer), is_same, "{facts:?}");
        };
        check(FACTS, true);
        check(Facts { message: "order 17 refused", ..FACTS }, false);
        check(Facts { root_cause: "after 30 s", ..FACTS }, false);
        // It looks like what normalising leaves of another message.
        check(Facts { message: "order \u{1a} refused", ..FACTS }, false);
    }

    /// Texts that are often equal, and often equal but for what varies.
    fn text() -> impl Strategy<Value = String> {
        let piece = prop_oneof![
            Just("HTTP 502".to_owned()),
            Just("HTTP 503".to_owned()),
            Just("os error 111".to_owned()),
            Just("\u{1a}".to_owned()),
            "order [0-9]{1,6}",
            "after [0-9]{1,3}ms",
            "[ab]",
            "status: [0-9]{3}",
            "\\PC{0,3}",
            Just(String::new()),
        ];
        prop::collection::vec(piece, 0..3).prop_map(|pieces| pieces.join(" "))
    }

    proptest! {
        #[test]
        fn equal_keys_are_equal_fingerprints(
            texts in [text(), text(), text(), text()],
            custom in prop_oneof![Just(["", ""]), Just(["x", "x"]), Just(["{{ default }} x", "{{ default }} x"]), Just(["x", "y"])],
        ) {
            let (hashing, mut normalizer) = (RandomState::new(), Normalizer::default());
            let facts = |custom, message, root_cause| {
                let is_alone = custom == "x" || custom == "y";
                let origin = if is_alone { FactsOrigin::Anywhere } else { FACTS.origin };
                let (message, root_cause) = if is_alone { ("", "") } else { (message, root_cause) };
                Facts { origin, custom, message, root_cause, ..FACTS }
            };
            let (a, b) = (facts(custom[0], &texts[0], &texts[1]), facts(custom[1], &texts[2], &texts[3]));
            let redactor = Redactor::default();
            let is_one_issue = a.fingerprint("p", "s", &redactor) == b.fingerprint("p", "s", &redactor);
            let keys = [a.key(&hashing, &mut normalizer), b.key(&hashing, &mut normalizer)];
            if keys[0] == keys[1] || a.key_as_is(&hashing) == keys[1] {
                prop_assert!(is_one_issue, "{a:?} {b:?}");
            }
        }
    }
}
