//! Rules of notification as a page: which there are, how it goes with each, a form for a new one or for one that is
//! changed, and the button that sends a test.

use axum::{
    Form,
    extract::{Path, State, rejection::FormRejection},
    http::StatusCode,
    response::{IntoResponse, Redirect, Response},
};
use jiff::Timestamp;
use serde::Serialize;

use super::{
    Shown,
    layout::{OptionView, TimeView, query_string},
};
use crate::{
    auth::Principal,
    domain::Period,
    notifications::{Channel, Draft, Rule, RuleError},
    triage::{InvalidField, invalid},
    web::{
        WebState,
        problem::Problem,
        require::{Require, permission},
    },
};

/// What a new rule is like before anything was typed.
const DEFAULT_PAUSE: &str = "5";
const DEFAULT_COOL_DOWN: &str = "60";

#[derive(Serialize)]
struct NotificationsView {
    rows: Vec<RowView>,
    form: FormView,
    /// What has just been done.
    notice: String,
    is_bad_news: bool,
    /// A webhook's secret, once.
    secret: String,
}

#[derive(Serialize)]
struct RowView {
    id: String,
    name: String,
    channel: &'static str,
    place: String,
    filter: String,
    filter_url: String,
    on: String,
    every_minutes: u32,
    is_active: bool,
    waiting: u64,
    last_sent: Option<TimeView>,
    failures: u32,
    error: String,
    next_at: String,
}

/// The form, as it was typed.
#[derive(Serialize, Default)]
struct FormView {
    /// Of the rule that is changed; empty for a new one.
    id: String,
    name: String,
    channels: Vec<OptionView>,
    address: String,
    /// Where it goes now, if it is changed: the address itself is not shown.
    place: String,
    filter: String,
    on: Vec<OptionView>,
    threshold_count: String,
    pers: Vec<OptionView>,
    cool_down_minutes: String,
    every_minutes: String,
    is_active: bool,
    problems: Vec<ProblemView>,
    has_mail: bool,
}

#[derive(Serialize)]
struct ProblemView {
    field: &'static str,
    label: &'static str,
    message: String,
}

/// `GET /notifications`
pub(crate) async fn show(
    State(state): State<WebState>,
    Require(principal, ..): Require<permission::ManageRules>,
) -> Shown {
    let form = Typed::default().view(&state, None, Vec::new());
    render(&state, &principal, form, Notice::default()).await
}

/// `GET /notifications/{id}`: the form has this rule.
pub(crate) async fn edit(
    State(state): State<WebState>,
    Require(principal, ..): Require<permission::ManageRules>,
    Path(id): Path<String>,
) -> Shown {
    let rule = state.notifications.rule(&id).await?;
    let form = Typed::of(&rule).view(&state, Some(&rule), Vec::new());
    render(&state, &principal, form, Notice::default()).await
}

/// `POST /notifications`
pub(crate) async fn create(
    State(state): State<WebState>,
    Require(principal, ..): Require<permission::ManageRules>,
    form: Result<Form<Vec<(String, String)>>, FormRejection>,
) -> Result<Response, Problem> {
    let typed = Typed::read(form)?;
    let created = match typed.draft() {
        Ok(draft) => state.notifications.create(draft, &principal, Timestamp::now()).await,
        Err(wrong) => Err(RuleError::Invalid(wrong)),
    };
    match created {
        Ok(rule) => saved(&state, &principal, &rule, rule.secret.is_some()).await,
        Err(RuleError::Invalid(wrong)) => {
            let form = typed.view(&state, None, wrong);
            Ok((StatusCode::BAD_REQUEST, render(&state, &principal, form, Notice::default()).await?).into_response())
        }
        Err(error) => Err(error.into()),
    }
}

/// `POST /notifications/{id}`
pub(crate) async fn change(
    State(state): State<WebState>,
    Require(principal, ..): Require<permission::ManageRules>,
    Path(id): Path<String>,
    form: Result<Form<Vec<(String, String)>>, FormRejection>,
) -> Result<Response, Problem> {
    let before = state.notifications.rule(&id).await?;
    let typed = Typed::read(form)?;
    let changed = match typed.draft() {
        Ok(draft) => state.notifications.change(&id, draft, &principal, Timestamp::now()).await,
        Err(wrong) => Err(RuleError::Invalid(wrong)),
    };
    match changed {
        Ok(rule) => saved(&state, &principal, &rule, before.secret.is_none() && rule.secret.is_some()).await,
        Err(RuleError::Invalid(wrong)) => {
            let form = typed.view(&state, Some(&before), wrong);
            Ok((StatusCode::BAD_REQUEST, render(&state, &principal, form, Notice::default()).await?).into_response())
        }
        Err(error) => Err(error.into()),
    }
}

/// `POST /notifications/{id}/delete`
pub(crate) async fn delete(
    State(state): State<WebState>,
    Require(principal, ..): Require<permission::ManageRules>,
    Path(id): Path<String>,
) -> Result<Redirect, Problem> {
    state.notifications.delete(&id, &principal, Timestamp::now()).await?;
    Ok(Redirect::to("/notifications"))
}

/// `POST /notifications/{id}/test`: answered when the receiver has answered.
pub(crate) async fn test(
    State(state): State<WebState>,
    Require(principal, ..): Require<permission::ManageRules>,
    Path(id): Path<String>,
) -> Shown {
    let rule = state.notifications.rule(&id).await?;
    let sent = state.notifications.test(&id, &principal, Timestamp::now()).await?;
    let notice = match sent {
        Ok(()) => Notice { text: format!("A test was sent by {}.", rule.name), ..Notice::default() },
        Err(reason) => Notice {
            text: format!("The test of {} could not be sent: {reason}.", rule.name),
            is_bad: true,
            ..Notice::default()
        },
    };
    let form = Typed::default().view(&state, None, Vec::new());
    render(&state, &principal, form, notice).await
}

/// After a rule was saved. A new secret is in this answer and in no other.
async fn saved(
    state: &WebState,
    principal: &Principal,
    rule: &Rule,
    has_new_secret: bool,
) -> Result<Response, Problem> {
    let secret = rule.secret.as_ref().filter(|_| has_new_secret);
    let Some(secret) = secret else { return Ok(Redirect::to("/notifications").into_response()) };
    let notice = Notice { secret: secret.0.clone(), ..Notice::default() };
    let form = Typed::default().view(state, None, Vec::new());
    Ok(render(state, principal, form, notice).await.into_response())
}

#[derive(Default)]
struct Notice {
    text: String,
    is_bad: bool,
    secret: String,
}

/// What was typed into the form, as it was typed.
struct Typed {
    name: String,
    channel: String,
    address: String,
    filter: String,
    on: Vec<String>,
    threshold_count: String,
    threshold_per: String,
    cool_down_minutes: String,
    every_minutes: String,
    is_active: bool,
}

impl Default for Typed {
    fn default() -> Self {
        Self {
            name: String::new(),
            channel: String::new(),
            address: String::new(),
            filter: String::new(),
            on: ["new", "regressed", "unmuted"].map(str::to_owned).to_vec(),
            threshold_count: String::new(),
            threshold_per: "hour".to_owned(),
            cool_down_minutes: DEFAULT_COOL_DOWN.to_owned(),
            every_minutes: DEFAULT_PAUSE.to_owned(),
            is_active: true,
        }
    }
}

impl Typed {
    fn of(rule: &Rule) -> Self {
        let threshold = rule.threshold;
        Self {
            name: rule.name.clone(),
            channel: rule.channel.as_str().to_owned(),
            address: if rule.channel == Channel::Mail { rule.place() } else { String::new() },
            filter: rule.filter.to_string(),
            on: rule.on.words().map(str::to_owned).collect(),
            threshold_count: threshold.map(|threshold| threshold.count.to_string()).unwrap_or_default(),
            threshold_per: threshold.map_or("hour", |threshold| threshold.per.as_str()).to_owned(),
            cool_down_minutes: threshold
                .map_or(DEFAULT_COOL_DOWN.to_owned(), |threshold| threshold.cool_down_minutes.to_string()),
            every_minutes: rule.every_minutes.to_string(),
            is_active: rule.is_active,
        }
    }

    fn read(form: Result<Form<Vec<(String, String)>>, FormRejection>) -> Result<Self, Problem> {
        let Form(fields) = form?;
        let mut typed = Self { on: Vec::new(), is_active: false, ..Self::default() };
        for (name, value) in fields {
            match name.as_str() {
                "name" => typed.name = value,
                "channel" => typed.channel = value,
                "address" => typed.address = value,
                "filter" => typed.filter = value,
                "on" => typed.on.push(value),
                "threshold_count" => typed.threshold_count = value,
                "threshold_per" => typed.threshold_per = value,
                "cool_down_minutes" => typed.cool_down_minutes = value,
                "every_minutes" => typed.every_minutes = value,
                "active" => typed.is_active = true,
                _ => (),
            }
        }
        Ok(typed)
    }

    fn draft(&self) -> Result<Draft, Vec<InvalidField>> {
        let mut wrong = Vec::new();
        let mut number = |field: &'static str, text: &str, default: u64| match text.trim() {
            "" => default,
            text => text.parse().unwrap_or_else(|_| {
                wrong.push(invalid(field, "expected a whole number"));
                default
            }),
        };
        let threshold_count = number("threshold_count", &self.threshold_count, 0);
        let cool_down_minutes = number("cool_down_minutes", &self.cool_down_minutes, 60);
        let every_minutes = number("every_minutes", &self.every_minutes, 5);
        let channel = self.channel.parse::<Channel>();
        if channel.is_err() {
            wrong.push(invalid("channel", "choose one"));
        }
        let draft = Draft {
            name: Some(self.name.clone()),
            channel: channel.ok(),
            address: Some(self.address.clone()),
            filter: Some(self.filter.clone()),
            on: Some(self.on.clone()),
            threshold_count: Some(threshold_count),
            threshold_per: self.threshold_per.parse::<Period>().ok(),
            cool_down_minutes: Some(cool_down_minutes),
            every_minutes: Some(every_minutes),
            is_active: Some(self.is_active),
        };
        if wrong.is_empty() { Ok(draft) } else { Err(wrong) }
    }

    fn view(self, state: &WebState, rule: Option<&Rule>, wrong: Vec<InvalidField>) -> FormView {
        let channel_label = |channel: Channel| match channel {
            Channel::Slack => "Slack",
            Channel::Mail => "Mail",
            Channel::Webhook => "Webhook",
        };
        let on_label = |word: &str| match word {
            "new" => "A new issue",
            "regressed" => "An issue that came back",
            _ => "An issue whose mute has ended",
        };
        let problem =
            |wrong: InvalidField| ProblemView { field: wrong.field, label: label(wrong.field), message: wrong.message };
        FormView {
            id: rule.map(|rule| rule.id.clone()).unwrap_or_default(),
            place: rule.map(Rule::place).unwrap_or_default(),
            name: self.name,
            channels: Channel::ALL
                .into_iter()
                .map(|channel| {
                    let word = channel.as_str();
                    OptionView::new(word, channel_label(channel), self.channel == word)
                })
                .collect(),
            address: self.address,
            filter: self.filter,
            on: crate::notifications::On::WORDS
                .into_iter()
                .map(|word| OptionView::new(word, on_label(word), self.on.iter().any(|on| on == word)))
                .collect(),
            threshold_count: self.threshold_count,
            pers: [("hour", "in one hour"), ("day", "in one day")]
                .map(|(word, label)| OptionView::new(word, label, self.threshold_per == word))
                .into(),
            cool_down_minutes: self.cool_down_minutes,
            every_minutes: self.every_minutes,
            is_active: self.is_active,
            problems: wrong.into_iter().map(problem).collect(),
            has_mail: state.notifications.has_mail(),
        }
    }
}

/// What a field is called in the form.
fn label(field: &str) -> &'static str {
    match field {
        "name" => "Name",
        "channel" => "How",
        "address" => "Where",
        "filter" => "Only these issues",
        "on" => "When",
        "threshold_count" => "Threshold",
        "cool_down_minutes" => "Again after",
        "every_minutes" => "Pause",
        _ => "Rule",
    }
}

fn row(rule: &Rule, how: crate::notifications::State, now: Timestamp) -> RowView {
    let mut on: Vec<String> = rule
        .on
        .words()
        .map(|word| match word {
            "new" => "new issues".to_owned(),
            "regressed" => "issues that came back".to_owned(),
            _ => "issues whose mute has ended".to_owned(),
        })
        .collect();
    on.extend(rule.threshold.map(|threshold| format!("{} in one {}", threshold.count, threshold.per.as_str())));
    let filter = rule.filter.to_string();
    RowView {
        id: rule.id.clone(),
        name: rule.name.clone(),
        channel: rule.channel.as_str(),
        place: rule.place(),
        filter_url: format!("/issues?{}", query_string(&[("q", &filter)])),
        filter,
        on: on.join(", "),
        every_minutes: rule.every_minutes,
        is_active: rule.is_active,
        waiting: how.waiting,
        last_sent: how.last_sent.map(|at| TimeView::new(at, now)),
        failures: how.failures,
        error: how.error,
        next_at: how.next_at.map(|at| at.strftime("%H:%M:%S UTC").to_string()).unwrap_or_default(),
    }
}

async fn render(state: &WebState, principal: &Principal, form: FormView, notice: Notice) -> Shown {
    let now = Timestamp::now();
    let mut rows = Vec::new();
    for rule in state.notifications.rules().await? {
        let how = state.notifications.state(&rule).await?;
        rows.push(row(&rule, how, now));
    }
    let view = NotificationsView { rows, form, notice: notice.text, is_bad_news: notice.is_bad, secret: notice.secret };
    super::show(state, principal, "notifications.html", "Notifications", "notifications", &view)
}
