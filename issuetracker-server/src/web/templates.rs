//! The pages' templates, compiled into the binary and parsed once at the start. Every name ends in `.html`: that is what
//! makes tera escape.

use serde::Serialize;
use tera::{Context, Tera};

use super::pages::layout::PageView;

/// A template is broken, or was given a context that it does not fit.
pub type TemplateError = tera::Error;

const TEMPLATES: [(&str, &str); 18] = [
    ("base.html", include_str!("../../templates/base.html")),
    ("components.html", include_str!("../../templates/components.html")),
    ("partials/row.html", include_str!("../../templates/partials/row.html")),
    ("issues.html", include_str!("../../templates/issues.html")),
    ("issue.html", include_str!("../../templates/issue.html")),
    ("new_issue.html", include_str!("../../templates/new_issue.html")),
    ("pending.html", include_str!("../../templates/pending.html")),
    ("users.html", include_str!("../../templates/users.html")),
    ("keys.html", include_str!("../../templates/keys.html")),
    ("notifications.html", include_str!("../../templates/notifications.html")),
    ("analytics.html", include_str!("../../templates/analytics.html")),
    ("docs.html", include_str!("../../templates/docs.html")),
    ("sessions.html", include_str!("../../templates/sessions.html")),
    ("audit.html", include_str!("../../templates/audit.html")),
    ("dead_letters.html", include_str!("../../templates/dead_letters.html")),
    ("dead_letter.html", include_str!("../../templates/dead_letter.html")),
    ("logged_out.html", include_str!("../../templates/logged_out.html")),
    ("error.html", include_str!("../../templates/error.html")),
];

/// All templates, ready.
pub struct Templates(Tera);

impl Templates {
    /// Parses them.
    ///
    /// # Errors
    /// If one is broken, which a test would have told.
    pub fn compiled_in() -> Result<Self, TemplateError> {
        let mut tera = Tera::new();
        tera.add_raw_templates(TEMPLATES)?;
        Ok(Self(tera))
    }

    /// One page: `page` is what all pages have, `content` what this one shows.
    pub(crate) fn render(
        &self,
        name: &str,
        page: &PageView<'_>,
        content: &impl Serialize,
    ) -> Result<String, TemplateError> {
        let mut context = Context::from_serialize(content)?;
        context.insert("page", page);
        self.0.render(name, &context)
    }
}
