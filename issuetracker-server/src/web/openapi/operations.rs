//! What the API can do, a row for each method of each route.

use crate::domain::Permission;

/// One method of one route.
pub(super) struct Operation {
    pub(super) method: &'static str,
    pub(super) path: &'static str,
    pub(super) group: &'static str,
    pub(super) summary: &'static str,
    pub(super) permission: Permission,
    /// Sets of parameters in the query.
    pub(super) query: &'static [&'static [Parameter]],
    pub(super) body: Option<Body>,
    /// Status, when, and the schema of what comes; no schema is no body.
    pub(super) answers: &'static [(u16, &'static str, &'static str)],
}

/// A parameter in the query.
pub(super) struct Parameter {
    pub(super) name: &'static str,
    pub(super) text: &'static str,
    pub(super) schema: Type,
}

/// What a parameter can be.
#[derive(Clone, Copy)]
pub(super) enum Type {
    Text,
    Limit,
    Words(&'static [&'static str]),
}

/// What is sent.
#[derive(Clone, Copy)]
pub(super) enum Body {
    Json(&'static str),
    Lines(&'static str),
}

impl Operation {
    /// `get_issues_id`: the same as long as the route is.
    pub(super) fn id(&self) -> String {
        let path: String =
            self.path.trim_start_matches("/api/v1").chars().filter(|c| !matches!(c, '{' | '}')).collect();
        format!("{}{}", self.method.to_lowercase(), path.replace(['/', '-'], "_"))
    }

    /// The parameters in the path, and what they are.
    pub(super) fn path_parameters(&self) -> impl Iterator<Item = (&'static str, &'static str)> {
        let is_issue = self.path.contains("/issues/");
        let names = self.path.split('{').skip(1).filter_map(|rest| rest.split_once('}')).map(|(name, _)| name);
        names.map(move |name| {
            let text = match name {
                "id" if is_issue => "The id of an issue, short (`NEWS-42`) or long; of a merged one, too.",
                "id" => "Its id.",
                "uid" => "The id of a user.",
                "comment" => "The id of a comment.",
                "event" => "The id of an event, `first` or `latest`.",
                _ => "A name.",
            };
            (name, text)
        })
    }

    /// Answers that say no.
    pub(super) fn problems(&self) -> Vec<(u16, &'static str)> {
        let mut problems = vec![
            (401, "Nobody is logged in, or the key is not valid."),
            (403, "The role may not do this, or a page of another site asks."),
            (421, "Without login: the host is not this machine."),
            (429, "Too many requests; `Retry-After` says when to come back."),
            (500, "Our fault; the request id finds it in the log."),
            (503, "The store or Kafka cannot be used right now; nothing is lost."),
        ];
        if self.body.is_some() || !self.query.is_empty() {
            problems.push((400, "Something in the request cannot be used; the message names it."));
        }
        if self.body.is_some() {
            problems.push((413, "The body is too large."));
        }
        if self.path.contains('{') || self.group == LETTERS {
            problems.push((404, "There is none of this id."));
        }
        if matches!(self.method, "PATCH" | "POST" | "DELETE") && self.path.contains('{') {
            problems.push((409, "As things are, this cannot be done; the message says why."));
            problems.push((412, "Somebody else changed it meanwhile."));
        }
        problems
    }
}

const fn text(name: &'static str, text: &'static str) -> Parameter {
    Parameter { name, text, schema: Type::Text }
}

const PAGE: &[Parameter] = &[
    text("cursor", "`next_cursor` of the page before, unchanged."),
    Parameter { name: "limit", text: "At most so many, 1 to 100; 50 unless said.", schema: Type::Limit },
];

const FILTER: &[Parameter] = &[
    text("q", "The filter as text: words, \"phrases\" and keys such as `is:open service:newsfeed`."),
    text("status", "`open`, `in-progress`, `resolved` or `closed`; several separated by commas."),
    text("service", "The service."),
    text("environment", "The environment."),
    text("component", "The component."),
    text("severity", "`warning`, `error` or `critical`."),
    text("priority", "`low`, `medium`, `high` or `critical`."),
    text("type", "`bug`, `feature`, `task` or `enhancement`."),
    text("assignee", "A user's id, `me` or `none`."),
    text("tag", "A label."),
    text("seen", "When it was seen, such as `<24h`."),
];

const SORT: &[Parameter] = &[Parameter {
    name: "sort",
    text: "The order; always descending.",
    schema: Type::Words(&["", "last_seen", "first_seen", "occurrences", "trend", "priority"]),
}];

const RANGE: &[Parameter] = &[Parameter {
    name: "range",
    text: "The time that the numbers are about; 7d unless said.",
    schema: Type::Words(&["", "24h", "3d", "7d", "14d"]),
}];

const AUDIT: &[Parameter] =
    &[text("action", "Only entries of this action."), text("actor", "Only entries of this user id.")];

const ISSUES: &str = "Issues";
const HISTORY: &str = "History and comments";
const EVENTS: &str = "Events";
const LETTERS: &str = "Dead letters";
const PEOPLE: &str = "People, sessions and keys";

const GET: Operation = Operation {
    method: "GET",
    path: "",
    group: ISSUES,
    summary: "",
    permission: Permission::Read,
    query: &[],
    body: None,
    answers: &[],
};
const CHANGE: Operation = Operation { method: "POST", permission: Permission::ChangeIssue, ..GET };

#[rustfmt::skip]
pub(super) const OPERATIONS: &[Operation] = &[
    Operation { path: "/api/v1/issues", summary: "Search, filter and sort issues.", query: &[FILTER, SORT, PAGE],
        answers: &[(200, "A page of issues.", "IssuePage")], ..GET },
    Operation { path: "/api/v1/issues", summary: "Write an issue. The id is final at once, also while it is on its way to the store. With `Idempotency-Key` it is made once, however often it is sent.",
        permission: Permission::CreateIssue, body: Some(Body::Json("NewIssue")), answers: &[(202, "It is durable.", "Accepted"), (422, "The key was used for another request.", "Problem")], ..CHANGE },
    Operation { path: "/api/v1/issues/recent", summary: "The newest issues.", query: &[PAGE], answers: &[(200, "A page of issues.", "IssuePage")], ..GET },
    Operation { path: "/api/v1/issues/complete", summary: "How a term of a filter may go on.", query: &[&[text("q", "The term so far.")]],
        answers: &[(200, "At most 12 completions.", "Completions")], ..GET },
    Operation { path: "/api/v1/issues/bulk", summary: "One change of many issues, answered for each.", body: Some(Body::Json("BulkChange")),
        answers: &[(200, "A result for each id, in their order.", "BulkResults")], ..CHANGE },
    Operation { path: "/api/v1/issues/{id}", summary: "One issue, with its ETag.", answers: &[(200, "The issue.", "Issue"), (304, "It is as `If-None-Match` names it.", "")], ..GET },
    Operation { method: "PATCH", path: "/api/v1/issues/{id}", summary: "Change an issue. With `If-Match` only if nobody else did meanwhile.",
        body: Some(Body::Json("IssueChange")), answers: &[(200, "The issue as it is now.", "Issue")], ..CHANGE },
    Operation { path: "/api/v1/issues/{id}/merge", summary: "Make this issue a part of another one.", body: Some(Body::Json("Merge")),
        answers: &[(200, "The issue that stays.", "Issue")], ..CHANGE },
    Operation { path: "/api/v1/issues/{id}/split", summary: "Make parts of a merged issue issues of their own again.", body: Some(Body::Json("Split")),
        answers: &[(200, "What became of it.", "Object")], ..CHANGE },
    Operation { path: "/api/v1/stats", summary: "Counts, series and rankings of the issues that a filter is about.", query: &[RANGE, FILTER],
        answers: &[(200, "The numbers.", "Stats")], ..GET },
    Operation { path: "/api/v1/stream", summary: "Live updates as server-sent events, which carry ids only.", answers: &[(200, "A stream that goes on.", "stream")], ..GET },

    Operation { path: "/api/v1/issues/{id}/occurrences", group: HISTORY, summary: "Each occurrence with all that is known of it, newest first.", query: &[PAGE],
        answers: &[(200, "A page of occurrences.", "OccurrencePage")], ..GET },
    Operation { path: "/api/v1/issues/{id}/occurrences/{event}", group: HISTORY, summary: "One occurrence, and those around it.",
        answers: &[(200, "The occurrence.", "OccurrenceInPlace")], ..GET },
    Operation { path: "/api/v1/issues/{id}/activities", group: HISTORY, summary: "The history without occurrences, newest first.", query: &[PAGE],
        answers: &[(200, "A page of the history.", "ActivityPage")], ..GET },
    Operation { path: "/api/v1/issues/{id}/comments", group: HISTORY, summary: "Comments, oldest first.", query: &[PAGE],
        answers: &[(200, "A page of comments.", "CommentPage")], ..GET },
    Operation { path: "/api/v1/issues/{id}/comments", group: HISTORY, summary: "Comment. With `Idempotency-Key` once, however often it is sent.", permission: Permission::Comment, body: Some(Body::Json("CommentText")),
        answers: &[(201, "The comment.", "Comment"), (422, "The key was used for another request.", "Problem")], ..CHANGE },
    Operation { method: "PATCH", path: "/api/v1/issues/{id}/comments/{comment}", group: HISTORY, summary: "Edit a comment of one's own; ADMINs anyone's.",
        permission: Permission::Comment, body: Some(Body::Json("CommentText")), answers: &[(200, "The comment as it is now.", "Comment")], ..CHANGE },
    Operation { method: "DELETE", path: "/api/v1/issues/{id}/comments/{comment}", group: HISTORY, summary: "Delete a comment of one's own; ADMINs anyone's.",
        permission: Permission::Comment, answers: &[(204, "It is gone.", "")], ..CHANGE },

    Operation { path: "/api/v1/events", group: EVENTS, summary: "Take a batch of events, at most 1,000, answered one by one when they are durable.",
        permission: Permission::Ingest, body: Some(Body::Lines("Event")), answers: &[(200, "A result for each line.", "Receipts")], ..CHANGE },

    Operation { path: "/api/v1/dead-letters", group: LETTERS, summary: "Records that could not be read, newest first.", permission: Permission::ManageDeadLetters,
        query: &[&[text("reason", "Only those with this reason.")], PAGE], answers: &[(200, "A page of letters.", "LetterPage")], ..GET },
    Operation { path: "/api/v1/dead-letters/{id}", group: LETTERS, summary: "One letter; secrets are redacted.", permission: Permission::ManageDeadLetters,
        answers: &[(200, "The letter.", "Object")], ..GET },
    Operation { path: "/api/v1/dead-letters/{id}/replay", group: LETTERS, summary: "Publish its original again. What was counted is not counted twice.",
        permission: Permission::ManageDeadLetters, answers: &[(200, "What came of it.", "Object")], ..CHANGE },
    Operation { path: "/api/v1/dead-letters/replay", group: LETTERS, summary: "The same for many.", permission: Permission::ManageDeadLetters,
        body: Some(Body::Json("Replay")), answers: &[(200, "A result for each.", "ReplayResults")], ..CHANGE },

    Operation { path: "/api/v1/me", group: PEOPLE, summary: "Who asks.", answers: &[(200, "Oneself.", "Me")], ..GET },
    Operation { path: "/api/v1/users", group: PEOPLE, summary: "All users.", permission: Permission::ManageUsers, query: &[PAGE],
        answers: &[(200, "A page of users.", "UserPage")], ..GET },
    Operation { method: "PATCH", path: "/api/v1/users/{uid}", group: PEOPLE, summary: "Say what a user may do.", permission: Permission::ManageUsers,
        body: Some(Body::Json("UserChange")), answers: &[(200, "The user as it is now.", "User")], ..CHANGE },
    Operation { path: "/api/v1/users/{uid}/sessions", group: PEOPLE, summary: "Where a user is logged in.", permission: Permission::ManageUsers,
        answers: &[(200, "The sessions.", "Sessions")], ..GET },
    Operation { method: "DELETE", path: "/api/v1/users/{uid}/sessions", group: PEOPLE, summary: "End all sessions of a user.", permission: Permission::ManageUsers,
        answers: &[(204, "They have ended.", "")], ..CHANGE },
    Operation { path: "/api/v1/sessions", group: PEOPLE, summary: "Where one is logged in.", answers: &[(200, "The sessions.", "Sessions")], ..GET },
    Operation { method: "DELETE", path: "/api/v1/sessions/{id}", group: PEOPLE, summary: "End a session of one's own.", answers: &[(204, "It has ended.", "")], ..GET },
    Operation { path: "/api/v1/keys", group: PEOPLE, summary: "The keys of services, without their secrets.", permission: Permission::ManageKeys, query: &[PAGE],
        answers: &[(200, "A page of keys.", "KeyPage")], ..GET },
    Operation { path: "/api/v1/keys", group: PEOPLE, summary: "Create a key; it is shown once.", permission: Permission::ManageKeys, body: Some(Body::Json("NewKey")),
        answers: &[(201, "The key.", "Key"), (409, "Without login services need no key.", "Problem")], ..CHANGE },
    Operation { method: "DELETE", path: "/api/v1/keys/{id}", group: PEOPLE, summary: "Revoke a key.", permission: Permission::ManageKeys,
        answers: &[(204, "It is refused from now on.", "")], ..CHANGE },
    Operation { path: "/api/v1/rules", group: PEOPLE, summary: "The rules of notification, and how it goes with each.", permission: Permission::ManageRules,
        answers: &[(200, "All rules.", "Rules")], ..GET },
    Operation { path: "/api/v1/rules", group: PEOPLE, summary: "Make a rule. A webhook's secret is shown once.", permission: Permission::ManageRules,
        body: Some(Body::Json("NewRule")), answers: &[(201, "The rule.", "Rule"), (409, "There are too many rules.", "Problem")], ..CHANGE },
    Operation { method: "PATCH", path: "/api/v1/rules/{id}", group: PEOPLE, summary: "Change a rule; what is not named stays.", permission: Permission::ManageRules,
        body: Some(Body::Json("RuleChange")), answers: &[(200, "The rule as it is now.", "Rule")], ..CHANGE },
    Operation { method: "DELETE", path: "/api/v1/rules/{id}", group: PEOPLE, summary: "Delete a rule, with what waits to be told by it.", permission: Permission::ManageRules,
        answers: &[(204, "It is gone.", "")], ..CHANGE },
    Operation { path: "/api/v1/rules/{id}/test", group: PEOPLE, summary: "Send a message that says it is a test, at once.", permission: Permission::ManageRules,
        answers: &[(200, "What came of it.", "RuleTest")], ..CHANGE },
    Operation { path: "/api/v1/audit", group: PEOPLE, summary: "Who did what, newest first.", permission: Permission::ReadAudit, query: &[AUDIT, PAGE],
        answers: &[(200, "A page of entries.", "AuditPage")], ..GET },
];
