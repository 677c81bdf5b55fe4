//! The form for a new issue.

use std::{collections::BTreeMap, str::FromStr};

use axum::{
    Form,
    extract::{State, rejection::FormRejection},
    http::StatusCode,
    response::{IntoResponse, Redirect, Response},
};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use tracing_issues::event::UnknownWord;

use super::{
    Shown,
    layout::{OptionView, PersonView, word_options},
};
use crate::{
    auth::Principal,
    domain::{IssueType, Priority, Source},
    triage::{InvalidField, NewIssue, TriageError, invalid},
    web::{
        WebState,
        problem::Problem,
        require::{Require, permission},
    },
};

/// What the form holds, also when it comes back with complaints.
#[derive(Debug, Default, Serialize, Deserialize)]
#[serde(default)]
pub(crate) struct NewIssueForm {
    title: String,
    description: String,
    #[serde(rename = "type")]
    issue_type: String,
    priority: String,
    component: String,
    service: String,
    tags: String,
    assignee_id: String,
}

#[derive(Serialize)]
struct NewIssueView<'a> {
    form: &'a NewIssueForm,
    errors: BTreeMap<&'static str, &'a str>,
    types: Vec<OptionView>,
    priorities: Vec<OptionView>,
    /// To whom it can be assigned.
    people: Vec<PersonView>,
}

/// `GET /issues/new`
pub(crate) async fn show(
    State(state): State<WebState>,
    Require(principal, ..): Require<permission::CreateIssue>,
) -> Shown {
    let form = NewIssueForm { issue_type: "task".to_owned(), priority: "medium".to_owned(), ..NewIssueForm::default() };
    render(&state, &principal, &form, &[]).await
}

/// `POST /issues`
pub(crate) async fn submit(
    State(state): State<WebState>,
    Require(principal, ..): Require<permission::CreateIssue>,
    form: Result<Form<NewIssueForm>, FormRejection>,
) -> Result<Response, Problem> {
    let Form(form) = form?;
    let issue = match form.read() {
        Ok(issue) => issue,
        Err(wrong) => {
            return Ok((StatusCode::BAD_REQUEST, render(&state, &principal, &form, &wrong).await?).into_response());
        }
    };
    let people = state.people().await;
    let issue = NewIssue { assignee_id: issue.assignee_id.map(|person| people.resolve(&person)), ..issue };
    match state.triage.create(issue, None, &principal, Timestamp::now()).await {
        Ok(id) => Ok(Redirect::to(&format!("/issues/{id}")).into_response()),
        Err(TriageError::Invalid(wrong)) => {
            Ok((StatusCode::BAD_REQUEST, render(&state, &principal, &form, &wrong).await?).into_response())
        }
        Err(error) => Err(error.into()),
    }
}

impl NewIssueForm {
    fn read(&self) -> Result<NewIssue, Vec<InvalidField>> {
        let mut wrong = Vec::new();
        let issue = NewIssue {
            title: self.title.clone(),
            description: self.description.clone(),
            issue_type: word(&self.issue_type, "type", &mut wrong),
            priority: word(&self.priority, "priority", &mut wrong),
            assignee_id: some(&self.assignee_id),
            tags: self.tags.split(',').filter_map(some).collect(),
            component: self.component.trim().to_owned(),
            service: self.service.trim().to_owned(),
            source: Some(Source::Web),
            ..NewIssue::default()
        };
        if wrong.is_empty() { Ok(issue) } else { Err(wrong) }
    }
}

fn some(text: &str) -> Option<String> {
    Some(text.trim().to_owned()).filter(|text| !text.is_empty())
}

fn word<T: FromStr<Err = UnknownWord>>(text: &str, field: &'static str, wrong: &mut Vec<InvalidField>) -> Option<T> {
    match some(text)?.parse() {
        Ok(word) => Some(word),
        Err(error) => {
            wrong.push(invalid(field, &error.to_string()));
            None
        }
    }
}

async fn render(state: &WebState, principal: &Principal, form: &NewIssueForm, wrong: &[InvalidField]) -> Shown {
    let people = state.people().await;
    let view = NewIssueView {
        form,
        people: people.workers().into_iter().map(PersonView::new).collect(),
        errors: wrong.iter().map(|wrong| (wrong.field, wrong.message.as_str())).collect(),
        types: word_options(IssueType::ALL.iter().map(|word| word.as_str()), &form.issue_type),
        priorities: word_options(Priority::ALL.iter().map(|word| word.as_str()), &form.priority),
    };
    super::show(state, principal, "new_issue.html", "New issue", "new", &view)
}
