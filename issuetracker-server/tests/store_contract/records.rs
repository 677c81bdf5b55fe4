//! Records: texts and times come back, a condition that does not hold writes nothing, lists are in order.

use issuetracker_server::store::{Expect, Field, Fields, IssueStore, Kind, RecordQuery, RecordWrite, StoreError};

use super::at;

fn fields(email: &str) -> Fields {
    let text = |text: &str| Field::Text(text.to_owned());
    [("email".to_owned(), text(email)), ("created_at".to_owned(), Field::Time(at(7)))].into()
}

fn write(kind: Kind, id: &str, fields: Option<Fields>, expect: Expect) -> RecordWrite {
    RecordWrite { kind, id: id.to_owned(), fields, expect }
}

pub(crate) async fn records_are_written_on_conditions(store: &dyn IssueStore) {
    let (kind, id) = (Kind::User, "a/../b\u{fc} '");
    assert_eq!(store.record(kind, id).await.unwrap(), None);
    store.write_records(vec![write(kind, id, Some(fields("a@b.c")), Expect::Absent)]).await.unwrap();
    let first = store.record(kind, id).await.unwrap().unwrap();
    assert_eq!((first.id.as_str(), &first.fields), (id, &fields("a@b.c")));
    assert_eq!(store.record(Kind::Session, id).await.unwrap(), None, "of another kind there is none");

    let again = store.write_records(vec![write(kind, id, Some(fields("x")), Expect::Absent)]).await;
    assert!(matches!(again, Err(StoreError::Conflict)), "{again:?}");
    store.write_records(vec![write(kind, id, Some(fields("d@e.f")), Expect::Version(first.version))]).await.unwrap();
    let both = vec![
        write(kind, "other", Some(fields("o")), Expect::Absent),
        write(kind, id, None, Expect::Version(first.version)),
    ];
    assert!(matches!(store.write_records(both).await, Err(StoreError::Conflict)), "it was changed meanwhile");
    assert_eq!(store.record(kind, "other").await.unwrap(), None, "all or nothing");
    assert_eq!(store.record(kind, id).await.unwrap().unwrap().fields, fields("d@e.f"));

    let second = store.record(kind, id).await.unwrap().unwrap();
    store.write_records(vec![write(kind, id, None, Expect::Version(second.version))]).await.unwrap();
    let gone = store.write_records(vec![write(kind, id, None, Expect::Version(second.version))]).await;
    assert!(matches!(gone, Err(StoreError::Conflict)), "only one of two deletes it: {gone:?}");
    store.write_records(vec![write(kind, id, None, Expect::Anything)]).await.unwrap();
}

pub(crate) async fn records_are_listed_by_id_and_field(store: &dyn IssueStore) {
    let emails = [("c", "x"), ("a", "x"), ("b", "y' OR 1=1 --"), ("d", "x")];
    let writes = emails.map(|(id, email)| write(Kind::Session, id, Some(fields(email)), Expect::Anything));
    store.write_records(writes.into()).await.unwrap();
    let ids = async |equals, after, limit| {
        let query = RecordQuery { kind: Kind::Session, equals, after, limit };
        store.records(query).await.unwrap().into_iter().map(|record| record.id).collect::<Vec<_>>()
    };
    assert_eq!(ids(None, None, 10).await, ["a", "b", "c", "d"]);
    assert_eq!(ids(None, Some("b"), 1).await, ["c"]);
    assert_eq!(ids(Some(("email", "x")), None, 10).await, ["a", "c", "d"]);
    assert_eq!(ids(Some(("email", "x")), Some("a"), 10).await, ["c", "d"]);
    assert_eq!(ids(Some(("email", "y' OR 1=1 --")), None, 10).await, ["b"]);
    assert_eq!(ids(Some(("email", "nobody")), None, 10).await, [""; 0]);
}
