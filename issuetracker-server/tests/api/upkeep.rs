//! What operators do with the store: backup, export, import; also while the server is at work.

use super::*;

/// Runs a command on the store of `place` and returns what it said.
#[track_caller]
fn done(place: &Place, arguments: &[&str]) -> String {
    let output = place.run(&[], arguments);
    let said = format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success(), "{said}");
    said
}

#[track_caller]
fn refused(place: &Place, arguments: &[&str], why: &str) {
    let output = place.run(&[], arguments);
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(!output.status.success() && said.contains(why), "{said}");
}

fn path(place: &Place, name: &str) -> String {
    place.path().join(name).to_str().unwrap().to_owned()
}

#[test]
fn a_backup_is_a_store_as_it_was() {
    let place = Place::new();
    let server = place.start(&[]);
    server.ingest(&[event("feed stalled"), event("order refused")]);
    let backup = path(&place, "backup.sqlite");
    let said = done(&place, &["backup", &backup]);
    assert!(said.contains("whole and checked"), "{said}");
    server.ingest(&[event("feed stalled")]);
    refused(&place, &["backup", &backup], "is there already");

    let restored = Place::new();
    let restored = restored.start(&[("ISSUETRACKER_STORE_PATH", &backup)]);
    let counts: Vec<_> = restored.issues("").iter().map(|issue| issue["occurrences"].clone()).collect();
    assert_eq!(counts, [1, 1]);
    restored.ingest(&[event("feed stalled")]);
    assert_eq!(restored.issues("q=stalled")[0]["occurrences"], 2);
}

#[test]
fn a_backup_while_events_arrive_is_whole() {
    let place = Place::new();
    let server = place.start(&[]);
    thread::scope(|scope| {
        let writing = scope.spawn(|| (0..60).for_each(|_| _ = server.ingest(&vec![event("feed stalled"); 20])));
        for number in 0..3 {
            done(&place, &["backup", &path(&place, &format!("backup-{number}.sqlite"))]);
        }
        writing.join().unwrap();
    });
    for number in 0..3 {
        let other = Place::new();
        let server = other.start(&[("ISSUETRACKER_STORE_PATH", &path(&place, &format!("backup-{number}.sqlite")))]);
        for issue in server.issues("") {
            let page = server.get(&format!("/api/v1/issues/{}/occurrences?limit=100", issue["id"].as_str().unwrap()));
            let stored = page.expect(200).json()["occurrences"].as_array().unwrap().len();
            assert_eq!(issue["occurrences"], stored, "an issue and what is beneath it are of one moment");
        }
    }
}

#[test]
fn an_export_is_imported_elsewhere_with_everything() {
    let place = Place::new();
    let server = place.start(&[]);
    let stalled = issue_of(&server, event("feed stalled"));
    let refused_order = issue_of(&server, event("order refused"));
    server.post(&format!("{stalled}/comments"), r#"{"content": "Looking *into* it."}"#).expect(201);
    let into = stalled.rsplit('/').next().unwrap();
    server.post(&format!("{refused_order}/merge"), format!(r#"{{"into": "{into}"}}"#)).expect(200);
    let file = path(&place, "all.jsonl");
    let said = done(&place, &["export", &file]);
    assert!(said.contains("exported 1 issues, 2 comments"), "{said}");
    refused(&place, &["export", &file], "exists");
    refused(&place, &["export", "--resume", &file], "is complete");

    let other = Place::new();
    done(&other, &["import", &file]);
    refused(&other, &["import", &file], "--overwrite");
    done(&other, &["import", "--overwrite", &file]);
    let imported = other.start(&[]);
    for address in [&stalled, &refused_order] {
        for what in ["", "/comments", "/activities", "/occurrences"] {
            let address = format!("{address}{what}");
            assert_eq!(imported.get(&address).expect(200).json(), server.get(&address).expect(200).json(), "{address}");
        }
    }
    refused(&other, &["import", &path(&other, "issues.sqlite")], "not an export of this server");
}
