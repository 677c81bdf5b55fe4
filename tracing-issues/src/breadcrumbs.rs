//! Breadcrumbs: the last events before an error in the same span tree, kept with the root span, so that they follow the
//! work across `.await` and threads. Off unless configured, and then nothing here runs.

use std::{collections::VecDeque, fmt::Write as _, time::SystemTime};

use tracing::{Event, Metadata};
use tracing_subscriber::{
    layer::Context,
    registry::{LookupSpan, SpanRef},
};

use crate::{event::truncate_chars, fields::Fields, spans::unless_poisoned};

/// The longest text of one breadcrumb, in characters.
pub(crate) const MAX_CHARS: usize = 512;
/// What is kept until the secrets are taken out: one that was cut in half might not be seen.
const MAX_KEPT_CHARS: usize = 2 * MAX_CHARS;

/// One event that led up to an error.
#[derive(Debug, Clone)]
pub(crate) struct Crumb {
    pub(crate) at: SystemTime,
    pub(crate) metadata: &'static Metadata<'static>,
    /// The message, and the fields as `name=value`.
    pub(crate) text: String,
}

impl Crumb {
    /// The bytes that it occupies, about.
    pub(crate) fn weight(&self) -> usize {
        size_of::<Self>() + self.text.capacity()
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
    let crumb = Crumb { at: SystemTime::now(), metadata: event.metadata(), text: text_of(fields) };
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

fn text_of(fields: &Fields) -> String {
    let mut text = String::new();
    for (name, value) in fields.iter().filter(|(name, _)| !name.starts_with("log.")) {
        let separator = if text.is_empty() { "" } else { " " };
        // Writing into a string cannot fail.
        let _ = match name {
            "message" => write!(text, "{separator}{value}"),
            name => write!(text, "{separator}{name}={value}"),
        };
    }
    truncate_chars(&text, MAX_KEPT_CHARS)
}
