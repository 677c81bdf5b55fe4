//! Breadcrumbs: the last events before an error in the same span tree, kept with the root span, so that they follow the
//! work across `.await` and threads. Off unless configured, and then nothing here runs.

use std::{collections::VecDeque, fmt::Write as _, time::SystemTime};

use tracing::{Event, Metadata};
use tracing_subscriber::{
    layer::Context,
    registry::{LookupSpan, SpanRef},
};

use crate::{fields::Fields, spans::unless_poisoned};

/// The longest text of one breadcrumb, in characters.
pub(crate) const MAX_CHARS: usize = 512;
/// What is kept until the secrets are taken out: one that was cut in half might not be seen.
const MAX_KEPT_CHARS: usize = 2 * MAX_CHARS;

/// One event that led up to an error.
#[derive(Debug, Clone)]
pub(crate) struct Crumb {
    pub(crate) at: SystemTime,
    pub(crate) metadata: &'static Metadata<'static>,
    /// The texts of the fields, one behind the other.
    text: String,
    /// Their names, and where each ends.
    fields: Vec<(&'static str, usize)>,
}

impl Crumb {
    /// The bytes that it occupies, about.
    pub(crate) fn weight(&self) -> usize {
        size_of::<Self>() + self.text.capacity() + size_of::<(&str, usize)>() * self.fields.capacity()
    }

    /// The message, and the fields as `name=value`, each as `redact` leaves it. Only here, because the name of a field tells
    /// that all of it is a secret, and in one line it would not show where it ends.
    pub(crate) fn message(&self, redact: impl Fn(&str, &str) -> String) -> String {
        let (mut message, mut start) = (String::new(), 0);
        for (name, end) in &self.fields {
            if !message.is_empty() {
                message.push(' ');
            }
            if *name != "message" {
                message.push_str(name);
                message.push('=');
            }
            message.push_str(&redact(name, self.text.get(start..*end).unwrap_or_default()));
            start = *end;
        }
        message
    }
}

/// What a root span keeps, oldest first.
struct Trail(VecDeque<Crumb>);

/// Leaves a breadcrumb for `event`, whose fields are recorded already, and forgets the oldest one beyond `most`.
pub(crate) fn leave<S>(event: &Event<'_>, fields: &Fields, most: usize, ctx: &Context<'_, S>)
where
    S: tracing::Subscriber + for<'a> LookupSpan<'a>,
{
    let Some(root) = ctx.event_scope(event).and_then(Iterator::last) else { return };
    let crumb = crumb_of(event.metadata(), fields);
    unless_poisoned(|| {
        let mut extensions = root.extensions_mut();
        match extensions.get_mut::<Trail>() {
            Some(Trail(crumbs)) => {
                if crumbs.len() >= most {
                    crumbs.pop_front();
                }
                crumbs.push_back(crumb);
            }
            None => extensions.insert(Trail(VecDeque::from([crumb]))),
        }
    });
}

/// Adds what was left in the span tree of `root` to `crumbs`.
pub(crate) fn collect<'a, R: LookupSpan<'a> + 'a>(root: &SpanRef<'a, R>, crumbs: &mut Vec<Crumb>) {
    unless_poisoned(|| {
        if let Some(Trail(trail)) = root.extensions().get::<Trail>() {
            crumbs.extend(trail.iter().cloned());
        }
    });
}

fn crumb_of(metadata: &'static Metadata<'static>, recorded: &Fields) -> Crumb {
    let (mut text, mut fields, mut room) = (String::new(), Vec::new(), MAX_KEPT_CHARS);
    for (name, value) in recorded.view().iter().filter(|(name, _)| !name.starts_with("log.")) {
        if room == 0 {
            break;
        }
        let start = text.len();
        // Writing into a string cannot fail.
        let _ = write!(text, "{value}");
        let value = text.get(start..).unwrap_or_default();
        match value.char_indices().nth(room) {
            Some((end, _)) => {
                text.truncate(start + end);
                room = 0;
            }
            None => room -= value.chars().count(),
        }
        fields.push((name, text.len()));
    }
    Crumb { at: SystemTime::now(), metadata, text, fields }
}
