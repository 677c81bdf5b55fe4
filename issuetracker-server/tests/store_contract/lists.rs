//! What lists, search and counts promise.

use std::collections::BTreeMap;

use issuetracker_server::{
    domain::{Filter, IssueChange, IssueType, MutedUntil, Occurrence, Severity, Status, hour_of},
    store::{Breakdown, Facet, IssueQuery, IssueStore, Sort},
};

use crate::{at, ingest, occurrence, resolve};

async fn titles(store: &dyn IssueStore, query: IssueQuery) -> Vec<String> {
    store.issues(&query).await.unwrap().items.into_iter().map(|issue| issue.title).collect()
}

pub(crate) async fn lists_filter_sort_and_page(store: &dyn IssueStore) {
    let all = [
        Occurrence { count: 5, ..occurrence("alpha one", 10) },
        Occurrence { count: 9, service: "social".into(), severity: Severity::Critical, ..occurrence("beta two", 20) },
        Occurrence {
            count: 9,
            environment: "staging".into(),
            tags: vec!["team:x".into()],
            ..occurrence("gamma three", 30)
        },
        Occurrence { count: 1, issue_type: IssueType::Task, component: "db".into(), ..occurrence("delta four", 40) },
    ];
    ingest(store, &all).await;
    let change =
        IssueChange { assignee_id: Some(Some("ada".into())), status: Some(Status::Closed), ..IssueChange::default() };
    store.change(&all[0].issue_id, &change, "ada", at(50), None).await.unwrap();

    let any = IssueQuery { limit: 10, user_id: "ada".into(), now: at(100), ..IssueQuery::default() };
    let by = |filter: &str| titles(store, IssueQuery { filter: filter.parse().unwrap(), ..any.clone() });
    let sorted = titles(store, IssueQuery { sort: Sort::Occurrences, ..any.clone() }).await;
    assert_eq!((sorted[2].as_str(), sorted[3].as_str()), ("alpha one", "delta four"));
    let cases: [(&str, &[&str]); 22] = [
        ("", &["delta four", "gamma three", "beta two", "alpha one"]),
        ("service:social", &["beta two"]),
        ("service:social,none -severity:error", &["beta two"]),
        ("env:staging", &["gamma three"]),
        ("-env:staging is:open", &["delta four", "beta two"]),
        ("component:db", &["delta four"]),
        ("severity:critical", &["beta two"]),
        ("type:task", &["delta four"]),
        ("priority:low", &[]),
        ("tag:team:x", &["gamma three"]),
        ("tag.team:y,x", &["gamma three"]),
        ("-tag.team:x", &["delta four", "beta two", "alpha one"]),
        ("assigned:ada", &["alpha one"]),
        ("assigned:me", &["alpha one"]),
        ("assigned:none", &["delta four", "gamma three", "beta two"]),
        ("-assigned:none", &["alpha one"]),
        ("-assigned:me", &["delta four", "gamma three", "beta two"]),
        ("is:resolved,closed", &["alpha one"]),
        ("is:unassigned,closed", &["delta four", "gamma three", "beta two", "alpha one"]),
        ("is:muted,regressed", &[]),
        ("last:<1m", &["delta four"]),
        ("last:>1m -two", &["gamma three", "alpha one"]),
    ];
    for (filter, expected) in cases {
        assert_eq!(by(filter).await, expected, "{filter}");
    }

    for sort in Sort::ALL {
        let whole = titles(store, IssueQuery { sort, ..any.clone() }).await;
        let (mut paged, mut after, mut pages) = (Vec::new(), None, 0);
        loop {
            let page = store.issues(&IssueQuery { sort, after, limit: 1, ..any.clone() }).await.unwrap();
            paged.extend(page.items.into_iter().map(|issue| issue.title));
            pages += 1;
            let Some(next) = page.next else { break };
            after = Some(next);
        }
        assert_eq!((paged, pages), (whole, 4), "{sort:?}");
    }
}

pub(crate) async fn search_finds_words_in_what_people_search_for(store: &dyn IssueStore) {
    let refused = Occurrence { description: "upstream kraken".into(), ..occurrence("Connection refused by peer", 10) };
    ingest(store, &[refused, occurrence("order_book is empty", 20)]).await;
    let search = |words: &[&str]| {
        let filter = Filter::of_words(words.iter().copied());
        titles(store, IssueQuery { filter, limit: 10, ..IssueQuery::default() })
    };
    assert_eq!(search(&["REFUSED"]).await, ["Connection refused by peer"]);
    assert_eq!(
        search(&["refu", "connection"]).await,
        ["Connection refused by peer"],
        "prefixes, all of them, any order"
    );
    assert_eq!(search(&["kraken"]).await, ["Connection refused by peer"]);
    assert_eq!(search(&["order_book"]).await, ["order_book is empty"]);
    assert_eq!(search(&["refused", "empty"]).await, [""; 0]);
    let mut event = occurrence("with fields", 30);
    event.details.context.insert("venue".to_owned(), "bitfinex".into());
    event.details.host = "host-7".to_owned();
    ingest(store, &[event]).await;
    assert_eq!(search(&["bitfinex"]).await, ["with fields"], "values of fields");
    assert_eq!(search(&["host-7"]).await, ["with fields"]);
    for hostile in ["\"", "a\" OR \"b", "*", "NEAR(", "-", "title:x", "'; DROP TABLE issues; --"] {
        assert_eq!(search(&[hostile]).await, [""; 0], "{hostile}");
    }
}

pub(crate) async fn the_overview_counts_what_the_list_would_show(store: &dyn IssueStore) {
    let all = [
        occurrence("alpha one", 10),
        Occurrence { service: "social".into(), environment: "staging".into(), ..occurrence("beta two", 20) },
        occurrence("gamma three", 30),
    ];
    ingest(store, &all).await;
    resolve(store, &all[2].issue_id, 40).await;
    let overview =
        store.overview(&IssueQuery { filter: "is:open".parse().unwrap(), ..IssueQuery::default() }).await.unwrap();
    assert_eq!(overview.by_status, BTreeMap::from([("open", 2), ("resolved", 1)]));
    assert_eq!(overview.services, ["newsfeed", "social"]);
    assert_eq!(overview.environments, ["production", "staging"]);
    let social = IssueQuery { filter: "service:social is:closed".parse().unwrap(), ..IssueQuery::default() };
    let overview = store.overview(&social).await.unwrap();
    assert_eq!(overview.by_status, BTreeMap::from([("open", 1)]));
    assert_eq!((overview.unassigned, overview.regressed, overview.muted), (1, 0, 0));
}

pub(crate) async fn hosts_are_known_by_the_list(store: &dyn IssueStore) {
    let on = |title: &str, second: i64, host: &str| {
        let mut occurrence = occurrence(title, second);
        occurrence.event_id = uuid::Uuid::from_u128(u128::try_from(second).unwrap());
        occurrence.details.host = host.to_owned();
        occurrence
    };
    let all = [on("alpha one", 10, "b"), on("alpha one", 20, "a"), on("alpha one", 30, "b"), on("beta two", 40, "c")];
    ingest(store, &all[..1]).await;
    ingest(store, &all[1..]).await;
    let issue = store.issue(&all[0].issue_id).await.unwrap().unwrap();
    assert_eq!(issue.hosts, ["a", "b"]);
    let by = |filter: &str| {
        titles(store, IssueQuery { filter: filter.parse().unwrap(), limit: 10, ..IssueQuery::default() })
    };
    assert_eq!(by("host:a").await, ["alpha one"]);
    assert_eq!(by("host:a,c").await, ["beta two", "alpha one"]);
    assert_eq!(by("-host:c").await, ["alpha one"]);
    assert_eq!(store.values(Facet::Host, "", 10).await.unwrap(), ["a", "b", "c"]);
    store.merge(&all[3].issue_id, &all[0].issue_id, "ada", at(50)).await.unwrap();
    assert_eq!(by("host:c").await, ["alpha one"]);
    store.split(&all[0].issue_id, std::slice::from_ref(&all[3].issue_id), "ada", at(60)).await.unwrap();
    assert_eq!(by("host:c").await, ["beta two"]);
}

/// What came back, what is muted and for how long; in lists and in counts.
pub(crate) async fn states_are_asked_for(store: &dyn IssueStore) {
    let all = ["alpha one", "beta two", "gamma three"].map(|title| occurrence(title, 10));
    ingest(store, &all).await;
    resolve(store, &all[0].issue_id, 20).await;
    ingest(store, &[Occurrence { event_id: uuid::Uuid::from_u128(77), ..occurrence("alpha one", 30) }]).await;
    let mute = IssueChange { mute: Some(Some(MutedUntil::Time(at(100)))), ..IssueChange::default() };
    store.change(&all[1].issue_id, &mute, "ada", at(40), None).await.unwrap();
    let by = |filter: &str, second: i64| {
        let filter = filter.parse().unwrap();
        titles(store, IssueQuery { filter, now: at(second), limit: 10, ..IssueQuery::default() })
    };
    assert_eq!(by("is:regressed", 50).await, ["alpha one"]);
    assert_eq!(by("is:muted", 50).await, ["beta two"]);
    assert_eq!(by("is:muted", 100).await, [""; 0], "its mute is over");
    let mut unmuted = by("-is:muted", 50).await;
    unmuted.sort();
    assert_eq!(unmuted, ["alpha one", "gamma three"]);
    for filter in ["", "service:newsfeed"] {
        let query = IssueQuery { filter: filter.parse().unwrap(), now: at(50), ..IssueQuery::default() };
        let overview = store.overview(&query).await.unwrap();
        assert_eq!((overview.unassigned, overview.regressed, overview.muted), (3, 1, 1), "{filter:?}");
    }
}

pub(crate) async fn a_trend_adds_the_hours_of_what_passes(store: &dyn IssueStore) {
    let hour = 3_600;
    let all = [
        Occurrence { count: 5, ..occurrence("alpha one", 10) },
        Occurrence { count: 3, severity: Severity::Critical, ..occurrence("beta two", 10 + hour) },
        Occurrence { count: 2, service: "social".into(), ..occurrence("gamma three", 10 + 2 * hour) },
    ];
    ingest(store, &all).await;
    let of = async |filter: &str, from: i64| {
        let query = IssueQuery { filter: filter.parse().unwrap(), ..IssueQuery::default() };
        let trend = store.trend(&query, hour_of(at(0)) + from).await.unwrap();
        let sums = trend.by_severity.iter().map(|(severity, hours)| (*severity, hours.iter().map(|(_, n)| n).sum()));
        sums.collect::<Vec<(Severity, u64)>>()
    };
    assert_eq!(of("", 0).await, [(Severity::Error, 7), (Severity::Critical, 3)]);
    assert_eq!(of("", 1).await, [(Severity::Error, 2), (Severity::Critical, 3)]);
    assert_eq!(of("service:social", 0).await, [(Severity::Error, 2)]);
    assert_eq!(of("-severity:critical -service:social", 0).await, [(Severity::Error, 5)]);
}

pub(crate) async fn a_breakdown_tells_by_what_and_how_long(store: &dyn IssueStore) {
    let hour = 3_600;
    let all = [
        Occurrence { count: 5, component: "db".into(), ..occurrence("alpha one", 10) },
        Occurrence { count: 3, component: "db".into(), release: "1.1".into(), ..occurrence("beta two", 10 + hour) },
        Occurrence {
            count: 9,
            service: "social".into(),
            component: "api".into(),
            ..occurrence("gamma three", 10 + hour)
        },
        Occurrence { count: 2, service: "social".into(), ..occurrence("delta four", 20) },
    ];
    ingest(store, &all).await;
    resolve(store, &all[0].issue_id, 10 + 2 * hour).await;
    let of = async |filter: &str, from: i64| {
        let query = IssueQuery { filter: filter.parse().unwrap(), now: at(3 * hour), ..IssueQuery::default() };
        store.breakdown(&query, hour_of(at(0)) + from).await.unwrap()
    };
    let counts = |breakdown: &Breakdown, key: &str| {
        let (_, values) = breakdown.by.iter().find(|(fact, _)| fact.key() == key).unwrap();
        values.iter().map(|(value, count)| format!("{value} {count}")).collect::<Vec<_>>()
    };

    let whole = of("", 0).await;
    assert_eq!(counts(&whole, "service"), ["social 11", "newsfeed 8"]);
    assert_eq!(counts(&whole, "component"), ["api 9", "db 8", "feed 2"]);
    assert_eq!(counts(&whole, "release"), ["1.0.0 16", "1.1 3"]);
    let first = hour_of(at(0));
    assert_eq!(whole.created, BTreeMap::from([(first, 2), (first + 1, 2)]));
    assert_eq!((whole.resolved, whole.mean_seconds_to_resolve), (1, Some(7_200)));
    assert_eq!(whole.trend.by_severity[&Severity::Error].sum(first..first + 3), 19);

    let later = of("", 1).await;
    assert_eq!(counts(&later, "component"), ["api 9", "db 3"], "what happened before is not counted");
    assert_eq!(later.created, BTreeMap::from([(first + 1, 2)]));
    let social = of("service:social", 0).await;
    assert_eq!((counts(&social, "service"), social.resolved), (vec!["social 11".to_owned()], 0));
    assert_eq!(social.mean_seconds_to_resolve, None);
}

pub(crate) async fn hostile_text_comes_back_as_it_went_in(store: &dyn IssueStore) {
    let title = "'; DROP TABLE issues; -- <script>alert(1)</script> \u{202e} 𝕏 {{ 7*7 }} %00 \\";
    let event = Occurrence { reporter_id: "../../etc".into(), tags: vec!["a/b:c\"d".into()], ..occurrence(title, 10) };
    ingest(store, std::slice::from_ref(&event)).await;
    let issue = store.issue(&event.issue_id).await.unwrap().unwrap();
    assert_eq!((issue.title.as_str(), issue.reporter_id.as_str()), (title, "../../etc"));
    assert_eq!(issue.tags, ["a/b:c\"d"]);
    assert_eq!(store.comments(&event.issue_id, None, 10).await.unwrap().items[0].author_id, "../../etc");
}
