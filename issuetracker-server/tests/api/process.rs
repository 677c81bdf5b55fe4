//! The process: its start, its configuration, several of it on one file.

use super::*;

#[test]
fn a_port_that_is_taken_is_named() {
    let place = Place::new();
    let server = place.start(&[]);
    let second = Place::new().run(&[("ISSUETRACKER_HTTP_ADDR", &server.address)], &[]);
    let said = String::from_utf8_lossy(&second.stderr);
    assert_eq!(second.status.code(), Some(1), "{said}");
    assert!(said.contains(&format!("ISSUETRACKER_HTTP_ADDR: {}", server.address)), "{said}");
    server.get("/healthz").expect(200);
}

#[test]
fn a_store_that_cannot_be_used_is_named() {
    for (path, make) in [("nowhere/issues.sqlite", false), ("text.sqlite", true)] {
        let place = Place::new();
        let path = place.path().join(path);
        if make {
            std::fs::write(&path, "this is no database, but somebody's text of more than sixteen bytes").unwrap();
        }
        let output = place.run(&[("ISSUETRACKER_STORE_PATH", path.to_str().unwrap())], &[]);
        let said = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(1), "{said}");
        assert!(said.contains("ISSUETRACKER_STORE_PATH: ") && said.contains(path.to_str().unwrap()), "{said}");
    }
}

#[test]
fn servers_that_start_at_once_share_a_new_store() {
    for _ in 0..3 {
        let place = Place::new();
        let servers: Vec<Server> = thread::scope(|scope| {
            let starting: Vec<_> = (0..6).map(|_| scope.spawn(|| place.start(&[]))).collect();
            starting.into_iter().map(|starting| starting.join().unwrap()).collect()
        });
        // All write to one issue at the same time; nobody is refused, nothing is lost.
        thread::scope(|scope| {
            for server in &servers {
                scope.spawn(|| {
                    for _ in 0..20 {
                        assert_eq!(server.ingest(&[event("feed stalled")])[0]["status"], "accepted");
                    }
                });
            }
        });
        assert!(servers.iter().all(|server| server.issues("")[0]["occurrences"] == 120));
    }
}

#[test]
fn the_configuration_is_checked_without_starting() {
    let place = Place::new();
    let good = place.run(&[], &["--check-config"]);
    let said = String::from_utf8_lossy(&good.stdout);
    assert!(good.status.success(), "{said}{}", String::from_utf8_lossy(&good.stderr));
    assert!(said.contains("store: embedded") && said.contains("issues.sqlite"), "{said}");
    assert!(!Path::exists(&place.path().join("issues.sqlite")), "checking made a store");

    let bad = [
        ("ISSUETRACKER_HTTP_ADDR", "0.0.0.0:8080"),
        ("ISSUETRACKER_STORE", "mongo"),
        ("ISSUETRACKER_LOG_FORMAT", "xml"),
        ("ISSUETRACKER_KAFKA_PARTITIONS", "none"),
        ("ISSUETRACKER_KAFKA_BROKER", "typo:9092"),
    ];
    for arguments in [&["--check-config"][..], &[]] {
        let output = place.run(&bad, arguments);
        let said = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(2), "{said}");
        for (name, _) in bad {
            assert!(said.contains(&format!("{name}: ")), "{name} is not in:\n{said}");
        }
        assert!(said.contains("did you mean ISSUETRACKER_KAFKA_BROKERS?"), "{said}");
    }
}
