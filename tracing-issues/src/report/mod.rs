//! [`Report`]: one error as capture took it, in process, in buffers that are used again. Which issue it is, its [`facts`]
//! decide. What a report means to people is worked out on the worker, in [`categorise`](crate::categorise).

mod facts;

use std::{backtrace::Backtrace, hash::BuildHasher, num::NonZero, sync::Arc, thread::Thread, time::SystemTime};

use tracing::Metadata;

use crate::{
    breadcrumbs::Crumb,
    event::Severity,
    fields::{Chain, Fields, Part, Value, names_an_error},
    fingerprint::{Fingerprint, Identity},
    repeats::Handle,
    trace::TraceIds,
};

/// What is kept of a report where there is no room: so many fields, and so many bytes of each.
const MAX_SHORT_FIELDS: usize = 16;
const MAX_SHORT_BYTES: usize = 256;

/// How cheap keys are made. Seeded per process: nobody outside can make two of them meet.
pub(crate) type KeyHashing = foldhash::quality::RandomState;

/// One error, with everything that was known at its place. A burst walks through hundreds of them, which come from memory
/// or from the worker's core: so what every error touches is together, in three cache lines.
#[derive(Debug)]
#[repr(C, align(64))]
pub(crate) struct Report {
    /// The event's own fields, and behind them those of its spans.
    fields: Fields,
    /// Nearest first.
    spans: Vec<SpanMark>,
    pub(crate) origin: Origin,
    roles: Roles,
    pub(crate) thread: Option<Thread>,
    /// The counter that repeats of it go to from now on.
    pub(crate) repeats: Option<Handle>,
    /// How many of the fields are the event's own.
    own: u8,
    /// That counter takes whatever comes from this callsite: the queue was crowded when this was reported.
    pub(crate) is_crowded: bool,
    pub(crate) at: SystemTime,
    pub(crate) backtrace: Option<Arc<Backtrace>>,
    pub(crate) crumbs: Vec<Crumb>,
    pub(crate) trace: Option<TraceIds>,
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
    fields: Part,
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

/// Which of the own fields have a meaning of their own.
#[derive(Debug, Clone, Copy, Default)]
struct Roles {
    message: Role,
    /// The first field that holds an error with its chain.
    chain: Role,
    /// The first one that is named as an error and holds a text.
    error: Role,
    component: Role,
    fingerprint: Role,
    severity: Role,
    /// It is a record of the `log` crate.
    is_log: bool,
    /// Another field than the message has a meaning.
    has_others: bool,
}

/// The field that has a role, counted from 1: all roles together are as large as one number.
type Role = Option<NonZero<u8>>;

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
        Self { fields: Fields::with_buffers(), spans: Vec::with_capacity(4), ..Self::default() }
    }

    /// Starts over, for an event or panic whose own fields `record` records. The buffers are kept.
    #[inline]
    pub(crate) fn begin(&mut self, origin: Origin, record: impl FnOnce(&mut Fields)) {
        self.clear();
        self.origin = origin;
        record(&mut self.fields);
        // There are at most 64.
        self.own = self.fields.len() as u8;
        self.roles = Roles::of(&self.fields);
    }

    /// Forgets everything but the buffers, and the thread, which is likely to be the next one's.
    #[inline]
    pub(crate) fn clear(&mut self) {
        self.fields.clear();
        self.spans.clear();
        self.crumbs.clear();
        (self.own, self.is_crowded) = (0, false);
        (self.backtrace, self.trace, self.repeats) = (None, None, None);
    }

    /// Forgets everything if that gives memory back: a thread that keeps one for its next error may never have another.
    #[inline]
    pub(crate) fn give_back_what_is_large(&mut self) {
        if self.fields.is_large() || !self.crumbs.is_empty() {
            self.clear();
        }
    }

    /// Notes whose error it is. It was the same thread's before, mostly: counting one more handle of a thread is an atomic
    /// operation on a line that is shared with the worker.
    pub(crate) fn note_thread(&mut self, thread: &Thread) {
        if self.thread.as_ref().map(Thread::id) != Some(thread.id()) {
            self.thread = Some(thread.clone());
        }
    }

    /// Adds the fields of a span, which is pushed then.
    #[inline]
    pub(crate) fn add_span_fields(&mut self, fields: &Fields) -> Part {
        self.fields.append(fields)
    }

    /// Adds the next span outwards.
    #[inline]
    pub(crate) fn push_span(&mut self, metadata: &'static Metadata<'static>, fields: Part) {
        self.spans.push(SpanMark { metadata, fields });
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
        let fields = self.fields.shortened(usize::from(self.own).min(MAX_SHORT_FIELDS), MAX_SHORT_BYTES);
        let (own, roles) = (fields.len() as u8, Roles::of(&fields));
        Box::new(Self { at: self.at, origin: self.origin, fields, own, roles, ..Self::default() })
    }

    /// The fingerprint of everything that comes from this callsite. It has the line, since it stands for one callsite.
    pub(crate) fn fingerprint_of_place(&self, project: &str, service: &str) -> Fingerprint {
        let Place { module, file, line, .. } = self.place();
        let place = format!("too many different errors at {module} {file}:{}", line.unwrap_or_default());
        Fingerprint::custom(&place, &Identity { project, service, ..Identity::default() })
    }

    /// The event's own fields.
    pub(crate) fn own_fields(&self) -> impl Iterator<Item = (&'static str, Value<'_>)> {
        self.fields.view().first(self.own.into()).iter()
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
        self.spans.iter().map(|span| (span.metadata, self.fields.part(&span.fields).iter()))
    }

    #[inline]
    fn has_fields_of_spans(&self) -> bool {
        self.fields.len() > self.own.into()
    }

    fn own(&self, name: &str) -> Option<Value<'_>> {
        self.own_fields().find(|(own, _)| *own == name).map(|(_, value)| value)
    }

    #[inline]
    fn role(&self, role: Role) -> Option<(&'static str, Value<'_>)> {
        self.fields.view().at(usize::from(role?.get()) - 1)
    }

    /// The text of the field with a role; empty if there is none.
    #[inline]
    fn role_text(&self, role: Role) -> &str {
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
        match self.role(self.roles.chain.or(self.roles.error))? {
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
        if self.roles.component.is_some() || !self.has_fields_of_spans() {
            return self.role_text(self.roles.component);
        }
        let of_spans = self.spans().flat_map(|(_, fields)| fields).find(|(name, _)| *name == "component");
        of_spans.and_then(|(_, value)| value.as_text()).unwrap_or_default()
    }
}

fn severity_named(word: &str) -> Option<Severity> {
    word.to_ascii_lowercase().parse().ok()
}

impl Roles {
    #[inline]
    fn of(fields: &Fields) -> Self {
        let mut names = fields.view().names();
        match (names.next(), names.next()) {
            // What most errors are.
            (Some((_, "message", _)), None) => Self { message: Some(NonZero::<u8>::MIN), ..Self::default() },
            _ => Self::of_many(fields),
        }
    }

    #[inline(never)]
    fn of_many(fields: &Fields) -> Self {
        let mut roles = Self::default();
        for (position, name, is_chain) in fields.view().names() {
            // There are at most 64.
            let index = NonZero::new(position as u8 + 1);
            match name {
                "message" => {
                    roles.message = index;
                    continue;
                }
                "component" => roles.component = index,
                "fingerprint" => roles.fingerprint = index,
                "severity" => roles.severity = index,
                "log.target" => roles.is_log = true,
                _ if is_chain => roles.chain = roles.chain.or(index),
                // A number is no error, whatever it is called.
                name if names_an_error(name)
                    && fields.view().at(position).is_some_and(|(_, value)| value.as_text().is_some()) =>
                {
                    roles.error = roles.error.or(index);
                }
                _ => continue,
            }
            roles.has_others = true;
        }
        roles
    }

    /// Whether nothing but the message has a meaning of its own.
    #[inline]
    fn are_few(&self) -> bool {
        self.message.is_some() && !self.has_others
    }
}
