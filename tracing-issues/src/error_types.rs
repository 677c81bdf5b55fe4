//! What a service says about its own error types: their names, and how bad they are. Asked on the caller's thread, once per
//! link of an error chain. It does not filter: [`Builder::filter`](crate::Builder::filter) and
//! [`Builder::before_send`](crate::Builder::before_send) do.

use std::{any, error::Error, fmt};

use crate::event::Severity;

/// The known error types of a service.
#[derive(Default)]
pub(crate) struct ErrorTypes(Vec<ErrorType>);

/// One error type of a service: what it is called, and how bad it is. It is recognised wherever it stands in the chain of an
/// error that is recorded as `&dyn Error`; in a text nobody can see it. Without one, the name is the first word that the
/// error's `Debug` writes.
///
/// ```
/// use tracing_issues::{ErrorType, event::Severity};
///
/// # #[derive(Debug)] struct VenueClosed;
/// # impl std::fmt::Display for VenueClosed { fn fmt(&self, f: &mut std::fmt::Formatter) -> std::fmt::Result { f.write_str("") } }
/// # impl std::error::Error for VenueClosed {}
/// let builder = tracing_issues::builder("orders").error_type(ErrorType::of::<VenueClosed>().severity(Severity::Warning));
/// ```
#[derive(Clone, Copy)]
#[must_use = "an error type is known once it is given to `Builder::error_type`"]
pub struct ErrorType {
    is: fn(&(dyn Error + 'static)) -> bool,
    name: &'static str,
    pub(crate) severity: Option<Severity>,
}

impl ErrorType {
    /// The type `E`, under its own name (without the path to it).
    pub fn of<E: Error + 'static>() -> Self {
        let path = any::type_name::<E>();
        // Generic arguments have paths of their own: they are not part of the name.
        let path = path.split('<').next().unwrap_or(path);
        Self { is: |error| error.is::<E>(), name: path.rsplit("::").next().unwrap_or(path), severity: None }
    }

    /// Calls it differently: the kind that the issue shows. It is part of the fingerprint, so another name is another issue.
    pub fn named(self, name: &'static str) -> Self {
        Self { name, ..self }
    }

    /// How bad it is, unless the event itself says so in its field `severity`. Of several in a chain the outermost counts.
    pub fn severity(self, severity: Severity) -> Self {
        Self { severity: Some(severity), ..self }
    }

    pub(crate) fn name(self) -> &'static str {
        self.name
    }
}

impl ErrorTypes {
    pub(crate) fn add(&mut self, error_type: ErrorType) {
        self.0.push(error_type);
    }

    pub(crate) fn of(&self, error: &(dyn Error + 'static)) -> Option<ErrorType> {
        self.0.iter().rev().find(|known| (known.is)(error)).copied()
    }
}

impl fmt::Debug for ErrorType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ErrorType").field("name", &self.name).field("severity", &self.severity).finish_non_exhaustive()
    }
}

impl fmt::Debug for ErrorTypes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}
