//! [`Report`]: one error as capture took it, in process, in buffers that are used again; and [`Facts`], what of it decides
//! which issue it is. The caller hashes the facts to a cheap key, the worker to the fingerprint: the same facts, so that
//! equal keys are equal fingerprints.
//! What a report means to people is worked out on the worker, in [`categorise`](crate::categorise).

use std::{
    backtrace::Backtrace,
    hash::{BuildHasher, Hash as _, Hasher},
    ops::Range,
    sync::Arc,
    thread::Thread,
    time::SystemTime,
};

use tracing::Metadata;

use crate::{
    breadcrumbs::Crumb,
    error_text::ErrorText,
    event::Severity,
    fields::{Chain, ErrorName, Fields, Value, names_an_error},
    fingerprint::{Fingerprint, Identity},
    normalize::Normalizer,
    repeats::Handle,
    trace::TraceIds,
};

/// How cheap keys are made. Seeded per process: nobody outside can make two of them meet.
pub(crate) type KeyHashing = foldhash::quality::RandomState;

/// One error, with everything that was known at its place.
#[derive(Debug)]
pub(crate) struct Report {
    pub(crate) at: SystemTime,
    pub(crate) origin: Origin,
    /// The event's own fields, and behind them those of its spans.
    fields: Fields,
    /// How many of the fields are the event's own.
    own: usize,
    roles: Roles,
    /// Nearest first.
    spans: Vec<SpanMark>,
    pub(crate) crumbs: Vec<Crumb>,
    pub(crate) thread: Option<Thread>,
    pub(crate) backtrace: Option<Arc<Backtrace>>,
    pub(crate) trace: Option<TraceIds>,
    /// The counter that repeats of it go to from now on.
    pub(crate) repeats: Option<Handle>,
    /// That counter takes whatever comes from this callsite: the queue was crowded when this was reported.
    pub(crate) is_crowded: bool,
}

/// Who reported.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Origin {
    /// An event.
    Event(&'static Metadata<'static>),
    /// The panic hook.
    Panic,
}

#[derive(Debug, Clone)]
struct SpanMark {
    metadata: &'static Metadata<'static>,
    fields: Range<usize>,
}

/// Where in the source an error was reported.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) struct Place<'a> {
    pub(crate) target: &'a str,
    pub(crate) module: &'a str,
    pub(crate) file: &'a str,
    pub(crate) line: Option<u32>,
}

/// The error of a report: with its chain, or as somebody wrote it out.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Cause<'a> {
    Chain(Chain<'a>),
    Text(&'a str),
}

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

/// Which of the own fields have a meaning of their own.
#[derive(Debug, Clone, Copy, Default)]
struct Roles {
    message: Option<u8>,
    error: Option<u8>,
    component: Option<u8>,
    fingerprint: Option<u8>,
    severity: Option<u8>,
    /// It is a record of the `log` crate.
    is_log: bool,
}

impl Default for Report {
    fn default() -> Self {
        Self {
            at: SystemTime::UNIX_EPOCH,
            origin: Origin::Panic,
            fields: Fields::default(),
            own: 0,
            roles: Roles::default(),
            spans: Vec::new(),
            crumbs: Vec::new(),
            thread: None,
            backtrace: None,
            trace: None,
            repeats: None,
            is_crowded: false,
        }
    }
}

impl Report {
    /// A blank one with room for an ordinary error.
    pub(crate) fn with_buffers() -> Self {
        Self { fields: Fields::with_buffers(), spans: Vec::with_capacity(8), ..Self::default() }
    }

    /// Starts over, for an event or panic whose own fields `record` records. The buffers are kept.
    pub(crate) fn begin(&mut self, origin: Origin, record: impl FnOnce(&mut Fields)) {
        self.clear();
        self.origin = origin;
        record(&mut self.fields);
        self.own = self.fields.len();
        self.roles = Roles::of(&self.fields);
    }

    /// Forgets everything but the buffers.
    pub(crate) fn clear(&mut self) {
        self.fields.clear();
        self.spans.clear();
        self.crumbs.clear();
        (self.own, self.is_crowded) = (0, false);
        (self.thread, self.backtrace, self.trace, self.repeats) = (None, None, None, None);
    }

    /// Adds the next span outwards.
    pub(crate) fn push_span(&mut self, metadata: &'static Metadata<'static>) {
        let end = self.fields.len();
        self.spans.push(SpanMark { metadata, fields: end..end });
    }

    /// Adds the fields of the span that was pushed last.
    pub(crate) fn push_span_fields(&mut self, fields: &Fields) {
        let added = self.fields.append(fields);
        if let Some(span) = self.spans.last_mut() {
            span.fields = added;
        }
    }

    /// How many spans were added.
    pub(crate) fn spans_len(&self) -> usize {
        self.spans.len()
    }

    /// The bytes that it occupies, about.
    pub(crate) fn weight(&self) -> usize {
        let crumbs: usize = self.crumbs.iter().map(Crumb::weight).sum();
        size_of::<Self>() + self.fields.weight() + size_of::<SpanMark>() * self.spans.capacity() + crumbs
    }

    /// A copy that occupies no more than it has to, to be kept.
    pub(crate) fn compact(&self) -> Box<Self> {
        Box::new(Self {
            at: self.at,
            origin: self.origin,
            fields: self.fields.clone(),
            own: self.own,
            roles: self.roles,
            spans: self.spans.clone(),
            crumbs: self.crumbs.clone(),
            thread: self.thread.clone(),
            backtrace: self.backtrace.clone(),
            trace: self.trace,
            repeats: None,
            is_crowded: false,
        })
    }

    /// A copy with what identifies the error only, where there is no room for more.
    pub(crate) fn without_details(&self) -> Box<Self> {
        let mut own = Fields::default();
        own.append(&self.fields);
        own.truncate(self.own);
        let roles = Roles::of(&own);
        Box::new(Self { at: self.at, origin: self.origin, fields: own, own: self.own, roles, ..Self::default() })
    }

    /// The fingerprint of everything that comes from this callsite. It has the line, since it stands for one callsite.
    pub(crate) fn fingerprint_of_place(&self, project: &str, service: &str) -> Fingerprint {
        let Place { module, file, line, .. } = self.place();
        let place = format!("too many different errors at {module} {file}:{}", line.unwrap_or_default());
        Fingerprint::custom(&place, &Identity { project, service, ..Identity::default() })
    }

    /// The event's own fields.
    pub(crate) fn own_fields(&self) -> impl Iterator<Item = (&'static str, Value<'_>)> {
        self.fields.iter().take(self.own)
    }

    /// Those of the event's own fields that are told nowhere else in the event: also one that is named as if it had a
    /// meaning, but has a value that means nothing.
    pub(crate) fn context(&self) -> impl Iterator<Item = (&'static str, Value<'_>)> {
        let is_panic = matches!(self.origin, Origin::Panic);
        self.own_fields().filter(move |(name, value)| match *name {
            "message" | "component" | "fingerprint" => value.as_text().is_none(),
            "severity" => value.as_text().and_then(severity_named).is_none(),
            "log.target" | "log.module_path" | "log.file" | "log.line" => !self.roles.is_log,
            "panic.file" | "panic.line" => !is_panic,
            _ => true,
        })
    }

    /// The enclosing spans with their fields, nearest first.
    pub(crate) fn spans(
        &self,
    ) -> impl DoubleEndedIterator<
        Item = (&'static Metadata<'static>, impl DoubleEndedIterator<Item = (&'static str, Value<'_>)>),
    > {
        self.spans.iter().map(|span| (span.metadata, span.fields.clone().filter_map(|index| self.fields.at(index))))
    }

    fn own(&self, name: &str) -> Option<Value<'_>> {
        self.own_fields().find(|(own, _)| *own == name).map(|(_, value)| value)
    }

    #[inline]
    fn role(&self, role: Option<u8>) -> Option<(&'static str, Value<'_>)> {
        self.fields.at(usize::from(role?))
    }

    /// The text of the field with a role; empty if there is none.
    #[inline]
    fn role_text(&self, role: Option<u8>) -> &str {
        self.role(role).and_then(|(_, value)| value.as_text()).unwrap_or_default()
    }

    /// The message as it was logged; empty if there is none.
    #[inline]
    pub(crate) fn message(&self) -> &str {
        self.role_text(self.roles.message)
    }

    /// What the field `severity` says, if it is a known word.
    pub(crate) fn severity(&self) -> Option<Severity> {
        severity_named(self.role_text(self.roles.severity))
    }

    /// The error and the field that it is in: the first one that holds a chain, else the first one named so.
    pub(crate) fn cause(&self) -> Option<(&'static str, Cause<'_>)> {
        match self.role(self.roles.error)? {
            (name, Value::Error(chain)) => Some((name, Cause::Chain(chain))),
            (name, value) => Some((name, Cause::Text(value.as_text()?))),
        }
    }

    /// Where it was reported: by the callsite, or as a record of the `log` crate tells, which all share one.
    pub(crate) fn place(&self) -> Place<'_> {
        let own = |name| self.own(name).and_then(Value::as_text).unwrap_or_default();
        let line = |name| match self.own(name) {
            Some(Value::U64(line)) => u32::try_from(line).ok(),
            _ => None,
        };
        match self.origin {
            Origin::Event(metadata) if !self.roles.is_log => Place {
                target: metadata.target(),
                module: metadata.module_path().unwrap_or(metadata.target()),
                file: metadata.file().unwrap_or_default(),
                line: metadata.line(),
            },
            Origin::Event(_) => {
                let (target, module) = (own("log.target"), own("log.module_path"));
                let module = if module.is_empty() { target } else { module };
                Place { target, module, file: own("log.file"), line: line("log.line") }
            }
            Origin::Panic => {
                let target = self.spans.first().map_or("panic", |span| span.metadata.target());
                Place { target, module: "", file: own("panic.file"), line: line("panic.line") }
            }
        }
    }

    /// The key of everything that comes from this callsite, whatever it says.
    pub(crate) fn key_of_place(&self, hashing: &impl BuildHasher) -> u64 {
        hashing.hash_one(("place", self.place()))
    }

    /// The component: a field of the event, else of the nearest span that has one, else the target.
    pub(crate) fn component(&self) -> &str {
        match self.named_component() {
            "" => self.place().target,
            component => component,
        }
    }

    fn named_component(&self) -> &str {
        if self.roles.component.is_some() || self.fields.len() == self.own {
            return self.role_text(self.roles.component);
        }
        let of_spans = self.fields.iter().skip(self.own).find(|(name, _)| *name == "component");
        of_spans.and_then(|(_, value)| value.as_text()).unwrap_or_default()
    }

    /// What decides the issue.
    #[inline]
    pub(crate) fn facts(&self) -> Facts<'_> {
        match self.origin {
            // Nothing but a message that says something: what most errors are.
            Origin::Event(metadata)
                if self.roles.are_few()
                    && self.fields.len() == self.own
                    && !self.message().trim_ascii_start().is_empty() =>
            {
                Facts { message: self.message(), ..Facts::at(FactsOrigin::Callsite(metadata)) }
            }
            _ => self.facts_of_roles(),
        }
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

fn severity_named(word: &str) -> Option<Severity> {
    word.to_ascii_lowercase().parse().ok()
}

impl Roles {
    #[inline]
    fn of(fields: &Fields) -> Self {
        let mut roles = Self::default();
        let (mut chain, mut named) = (None, None);
        for (position, name, is_chain) in fields.names() {
            let index = u8::try_from(position).ok();
            match name {
                "message" => roles.message = index,
                "component" => roles.component = index,
                "fingerprint" => roles.fingerprint = index,
                "severity" => roles.severity = index,
                "log.target" => roles.is_log = true,
                name if is_chain => chain = chain.or(index).filter(|_| !name.is_empty()),
                // A number is no error, whatever it is called.
                name if names_an_error(name)
                    && fields.at(position).is_some_and(|(_, value)| value.as_text().is_some()) =>
                {
                    named = named.or(index);
                }
                _ => (),
            }
        }
        roles.error = chain.or(named);
        roles
    }

    /// Whether nothing but the message has a meaning of its own.
    #[inline]
    fn are_few(&self) -> bool {
        let Self { message, error, component, fingerprint, severity, is_log } = self;
        message.is_some() && error.or(*component).or(*fingerprint).or(*severity).is_none() && !is_log
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

    /// The fingerprint, for the worker.
    pub(crate) fn fingerprint(&self, project: &str, service: &str) -> Fingerprint {
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
        let identity = Identity { project, service, component, kind, message, root_cause, module, file };
        if custom.is_empty() { Fingerprint::of(&identity) } else { Fingerprint::custom(custom, &identity) }
    }

    /// The cheap key, for the caller, as if normalising changed nothing. It is the key of a known error only if that is
    /// true; then no work was done to find out. (A message of several lines always changes: its lines become one.)
    #[inline]
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
            let normal = normalizer.normalize(text);
            is_changed |= normal != text;
            hash_text(&mut hasher, place, normal);
        }
        hasher.write_u8(is_changed.into());
        hasher.finish()
    }

    #[inline]
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
            let is_one_issue = a.fingerprint("p", "s") == b.fingerprint("p", "s");
            let keys = [a.key(&hashing, &mut normalizer), b.key(&hashing, &mut normalizer)];
            if keys[0] == keys[1] || a.key_as_is(&hashing) == keys[1] {
                prop_assert!(is_one_issue, "{a:?} {b:?}");
            }
        }
    }
}
