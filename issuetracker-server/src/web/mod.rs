//! The HTTP side: one visible list of routes. Handlers are in `api` and `pages`; what surrounds every request is in
//! `observe`.

mod api;
mod assets;
mod cookies;
mod csrf;
mod cursor;
mod identify;
mod limit;
mod markdown;
mod observe;
mod openapi;
mod operations;
mod pages;
mod problem;
mod require;
mod search;
mod serve;
mod stats;
mod templates;
mod views;

use std::{net::SocketAddr, sync::Arc};

use axum::{
    Router,
    extract::DefaultBodyLimit,
    middleware,
    routing::{delete, get, patch, post},
};
use metrics_exporter_prometheus::PrometheusHandle;
use tokio_util::sync::CancellationToken;
use tower_http::{catch_panic::CatchPanicLayer, compression::CompressionLayer};

use self::{assets::Assets, limit::Limiter, problem::Problem};
pub use self::{
    serve::serve,
    templates::{TemplateError, Templates},
};
use crate::{
    auth::{Audit, Login, People},
    config::Limits,
    dead_letters::DeadLetters,
    domain::{Filter, filter::Test},
    health::Health,
    intake::Intake,
    notifications::Notifications,
    notify::Notifier,
    retention::Retention,
    store::IssueStore,
    triage::Triage,
};

/// The largest body of a request that is no batch of events.
const MAX_BODY_BYTES: usize = 512 * 1024;
/// What handlers work with.
#[derive(Clone)]
pub struct WebState {
    pub(crate) triage: Triage,
    pub(crate) intake: Intake,
    /// None without Kafka.
    pub(crate) dead_letters: Option<DeadLetters>,
    pub(crate) notifier: Notifier,
    pub(crate) notifications: Notifications,
    pub(crate) store: Arc<dyn IssueStore>,
    pub(crate) audit: Audit,
    pub(crate) health: Health,
    pub(crate) metrics: PrometheusHandle,
    pub(crate) templates: Arc<Templates>,
    pub(crate) assets: Arc<Assets>,
    pub(crate) shutdown: CancellationToken,
    /// Where services on this machine report to, for the page that teaches.
    pub(crate) address: SocketAddr,
    /// What is kept, for pages that show what is left.
    pub(crate) retention: Retention,
    pub(crate) limiter: Arc<Limiter>,
    /// None without login: then everybody on this machine is ADMIN.
    pub(crate) login: Option<Arc<Login>>,
}

impl WebState {
    /// Brings together what the app has made.
    #[expect(clippy::too_many_arguments, reason = "called once, by app.rs, with everything named there")]
    pub fn new(
        triage: Triage,
        intake: Intake,
        dead_letters: Option<DeadLetters>,
        notifier: Notifier,
        notifications: Notifications,
        store: Arc<dyn IssueStore>,
        health: Health,
        metrics: PrometheusHandle,
        templates: Templates,
        shutdown: CancellationToken,
        address: SocketAddr,
        retention: Retention,
        limits: &Limits,
        login: Option<Arc<Login>>,
    ) -> Self {
        let (templates, assets) = (Arc::new(templates), Arc::new(Assets::new()));
        Self {
            triage,
            intake,
            dead_letters,
            notifier,
            notifications,
            audit: Audit::new(Arc::clone(&store)),
            store,
            health,
            metrics,
            templates,
            assets,
            shutdown,
            address,
            retention,
            limiter: Arc::new(Limiter::new(limits)),
            login,
        }
    }
}

impl WebState {
    /// Who is who; without login nobody is anybody.
    pub(crate) async fn people(&self) -> Arc<People> {
        match &self.login {
            Some(login) => login.people().await,
            None => Arc::default(),
        }
    }

    /// Has a filter mean the ids of those whom it calls by mail address or name.
    pub(crate) async fn resolve_people(&self, filter: &mut Filter) {
        if self.login.is_none() || !filter.terms.iter().any(|term| matches!(term.test, Test::Assigned(_))) {
            return;
        }
        let people = self.people().await;
        for term in &mut filter.terms {
            if let Test::Assigned(assigned) = &mut term.test {
                assigned.iter_mut().flatten().for_each(|person| *person = people.resolve(person));
            }
        }
    }
}

/// Whether answers to this path are read by programs: then errors are JSON.
fn is_for_programs(path: &str) -> bool {
    path.starts_with("/api/") || matches!(path, "/healthz" | "/readyz" | "/metrics" | "/openapi.json")
}

/// Every route.
pub fn router(state: WebState) -> Router {
    let api = Router::new()
        .route("/issues", get(api::issues::list).post(api::issues::create))
        .route("/issues/recent", get(api::issues::recent))
        .route("/issues/bulk", post(api::bulk::change))
        .route("/issues/complete", get(api::complete::complete))
        .route("/issues/{id}", get(api::issues::read).patch(api::issues::change))
        .route("/issues/{id}/merge", post(api::issues::merge))
        .route("/issues/{id}/split", post(api::issues::split))
        .route("/issues/{id}/activities", get(api::issues::activities))
        .route("/issues/{id}/occurrences", get(api::occurrences::list))
        .route("/issues/{id}/occurrences/{event}", get(api::occurrences::read))
        .route("/issues/{id}/comments", get(api::comments::list).post(api::comments::create))
        .route("/issues/{id}/comments/{comment}", patch(api::comments::edit).delete(api::comments::delete))
        .route("/events", post(api::events::accept).layer(DefaultBodyLimit::max(api::events::MAX_BODY_BYTES)))
        .route("/dead-letters", get(api::dead_letters::list))
        .route("/dead-letters/replay", post(api::dead_letters::replay_many))
        .route("/dead-letters/{id}", get(api::dead_letters::read))
        .route("/dead-letters/{id}/replay", post(api::dead_letters::replay))
        .route("/me", get(api::users::me))
        .route("/users", get(api::users::list))
        .route("/users/{uid}", patch(api::users::change))
        .route("/users/{uid}/sessions", get(api::sessions::list_of_user).delete(api::sessions::end_of_user))
        .route("/sessions", get(api::sessions::list))
        .route("/sessions/{id}", delete(api::sessions::end))
        .route("/keys", get(api::keys::list).post(api::keys::create))
        .route("/keys/{id}", delete(api::keys::revoke))
        .route("/rules", get(api::rules::list).post(api::rules::create))
        .route("/rules/{id}", patch(api::rules::change).delete(api::rules::delete))
        .route("/rules/{id}/test", post(api::rules::test))
        .route("/audit", get(api::audit::list))
        .route("/stats", get(api::stats::read))
        .route("/stream", get(api::stream::stream))
        .fallback(api::no_such_route);
    let pages = Router::new()
        .route("/", get(pages::list::home))
        .route("/issues", get(pages::list::show).post(pages::new::submit))
        .route("/issues/new", get(pages::new::show))
        .route("/issues/bulk", post(pages::list::change_many))
        .route("/issues/test-error", post(pages::list::send_test_error))
        .route("/issues/{id}", get(pages::issue::show).post(pages::issue::change))
        .route("/issues/{id}/occurrences/{event}", get(pages::issue::show_occurrence))
        .route("/issues/{id}/merge", post(pages::merge::merge))
        .route("/issues/{id}/split", post(pages::merge::split))
        .route("/issues/{id}/comments", post(pages::issue::comment))
        .route("/issues/{id}/comments/{comment}", post(pages::issue::change_comment))
        .route("/analytics", get(pages::analytics::of_all))
        .route("/services/{service}", get(pages::analytics::of_service))
        .route("/dead-letters", get(pages::dead_letters::list))
        .route("/dead-letters/replay", post(pages::dead_letters::replay_many))
        .route("/dead-letters/{id}", get(pages::dead_letters::show))
        .route("/dead-letters/{id}/replay", post(pages::dead_letters::replay))
        .route("/users", get(pages::users::show))
        .route("/users/{uid}", post(pages::users::change))
        .route("/users/{uid}/end-sessions", post(pages::sessions::end_of_user))
        .route("/sessions", get(pages::sessions::show))
        .route("/sessions/end-others", post(pages::sessions::end_others))
        .route("/sessions/{id}/end", post(pages::sessions::end))
        .route("/keys", get(pages::keys::show).post(pages::keys::create))
        .route("/keys/{id}/revoke", post(pages::keys::revoke))
        .route("/notifications", get(pages::notifications::show).post(pages::notifications::create))
        .route("/notifications/{id}", get(pages::notifications::edit).post(pages::notifications::change))
        .route("/notifications/{id}/test", post(pages::notifications::test))
        .route("/notifications/{id}/delete", post(pages::notifications::delete))
        .route("/audit", get(pages::audit::show))
        .route("/openapi.json", get(openapi::show))
        .route("/docs", get(openapi::docs))
        .route("/login", get(pages::login::begin))
        .route("/oauth/callback", get(pages::login::finish))
        .route("/logout", post(pages::login::logout))
        .route("/logged-out", get(pages::login::logged_out))
        .route("/gaps/dismiss", post(operations::dismiss_gaps))
        .route("/assets/{name}", get(assets::serve))
        .route("/favicon.ico", get(assets::favicon));
    let operations = Router::new()
        .route("/healthz", get(operations::alive))
        .route("/readyz", get(operations::ready))
        .route("/metrics", get(operations::metrics));
    Router::new()
        .nest("/api/v1", api)
        .merge(pages)
        .merge(operations)
        .fallback(|| async { Problem::not_found("page") })
        .method_not_allowed_fallback(|| async {
            Problem::new(
                axum::http::StatusCode::METHOD_NOT_ALLOWED,
                "method_not_allowed",
                "This address does not do that.",
            )
        })
        .layer(DefaultBodyLimit::max(MAX_BODY_BYTES))
        .layer(CatchPanicLayer::custom(|_| {
            axum::response::IntoResponse::into_response(Problem::internal("a handler panicked"))
        }))
        // route_layer would miss the fallbacks, which need the security headers too.
        .layer(middleware::from_fn_with_state(state.clone(), observe::observe))
        .layer(CompressionLayer::new())
        .with_state(state)
}
