//! What lists, search and counts promise.

use std::collections::BTreeMap;

use issuetracker_server::{
    domain::{IssueChange, IssueType, Occurrence, Priority, Severity, Status},
    store::{IssueQuery, IssueStore, Sort},
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

    let any = IssueQuery { limit: 10, ..IssueQuery::default() };
    let by = |query: IssueQuery| titles(store, query);
    assert_eq!(by(any.clone()).await, ["delta four", "gamma three", "beta two", "alpha one"]);
    let sorted = by(IssueQuery { sort: Sort::Occurrences, ..any.clone() }).await;
    assert_eq!((sorted[2].as_str(), sorted[3].as_str()), ("alpha one", "delta four"));
    assert_eq!(by(IssueQuery { service: Some("social".into()), ..any.clone() }).await, ["beta two"]);
    assert_eq!(by(IssueQuery { environment: Some("staging".into()), ..any.clone() }).await, ["gamma three"]);
    assert_eq!(by(IssueQuery { component: Some("db".into()), ..any.clone() }).await, ["delta four"]);
    assert_eq!(by(IssueQuery { severity: Some(Severity::Critical), ..any.clone() }).await, ["beta two"]);
    assert_eq!(by(IssueQuery { issue_type: Some(IssueType::Task), ..any.clone() }).await, ["delta four"]);
    assert_eq!(by(IssueQuery { priority: Some(Priority::Low), ..any.clone() }).await, [""; 0]);
    assert_eq!(by(IssueQuery { tag: Some("team:x".into()), ..any.clone() }).await, ["gamma three"]);
    assert_eq!(by(IssueQuery { assignee_id: Some(Some("ada".into())), ..any.clone() }).await, ["alpha one"]);
    assert_eq!(
        by(IssueQuery { assignee_id: Some(None), ..any.clone() }).await,
        ["delta four", "gamma three", "beta two"]
    );
    assert_eq!(by(IssueQuery { statuses: vec![Status::Resolved, Status::Closed], ..any.clone() }).await, ["alpha one"]);

    for sort in Sort::ALL {
        let whole = by(IssueQuery { sort, ..any.clone() }).await;
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
        let words = words.iter().map(|word| (*word).to_owned()).collect();
        titles(store, IssueQuery { words, limit: 10, ..IssueQuery::default() })
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
    let overview = store.overview(&IssueQuery { statuses: vec![Status::Open], ..IssueQuery::default() }).await.unwrap();
    assert_eq!(overview.by_status, BTreeMap::from([("open", 2), ("resolved", 1)]));
    assert_eq!(overview.services, ["newsfeed", "social"]);
    assert_eq!(overview.environments, ["production", "staging"]);
    let social = IssueQuery { service: Some("social".into()), ..IssueQuery::default() };
    assert_eq!(store.overview(&social).await.unwrap().by_status, BTreeMap::from([("open", 1)]));
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
