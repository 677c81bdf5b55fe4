//! A full disk under SQLite, on a small file system of its own; and room again. Needs the right to mount: root, or `sudo`
//! that does not ask.

use std::{fs, io::Write as _, path::Path, process::Command};

use tempfile::TempDir;

use super::{
    long,
    report::Report,
    source::Source,
    stage::{Stage, Store, logged, ready, unready},
};

#[test]
fn a_full_disk_is_waited_for_and_the_file_stays_whole() {
    let mut report = Report::new("full disk", "SQLite");
    let disk = Disk::mount(if long().is_some() { 256 } else { 32 });
    let stage = Stage::without_topic(Store::Sqlite).with_store_in(disk.path());
    stage.create_topic();
    let mut source = Source::new(&stage, 100);
    let server = stage.start();
    source.send(500);
    stage.settle(&server, &source.ledger);

    let ballast = disk.fill();
    // What the file has in reserve is used up first.
    for _ in 0..50 {
        source.send(200);
        if server.get("/readyz").status == 503 {
            break;
        }
    }
    report.note(unready(&server, &["ingest", "store"]));
    logged(&server, "consumption waits");
    // It can still be read.
    server.get("/api/v1/issues").expect(200);
    server.get("/issues").expect(200);
    source.send(if long().is_some() { 50_000 } else { 1_000 });

    fs::remove_file(ballast).unwrap();
    stage.settle(&server, &source.ledger);
    ready(&server);
    logged(&server, "consumption goes on");
    assert!(server.terminate().status.success());
    let file = rusqlite::Connection::open(disk.path().join("issues.sqlite")).unwrap();
    let verdict: String = file.query_row("PRAGMA integrity_check", (), |row| row.get(0)).unwrap();
    assert_eq!(verdict, "ok");
    report.note("integrity_check ok");
    report.done(&source.ledger);
}

/// A file system in memory, unmounted when this is dropped.
struct Disk {
    directory: TempDir,
}

impl Disk {
    fn mount(megabytes: u32) -> Self {
        let disk = Self { directory: tempfile::tempdir().unwrap() };
        let options = format!("size={megabytes}m,mode=0777");
        let path = disk.path().to_str().unwrap();
        let is_mounted = as_root(&["mount", "-t", "tmpfs", "-o", &options, "chaos", path]);
        assert!(is_mounted, "a small file system cannot be mounted: be root, or let `sudo -n mount` work");
        disk
    }

    fn path(&self) -> &Path {
        self.directory.path()
    }

    /// Leaves no byte free, and returns the file that takes them.
    fn fill(&self) -> std::path::PathBuf {
        let path = self.path().join("ballast");
        let mut file = fs::File::create(&path).unwrap();
        // Page by page: a larger write that does not fit leaves room.
        while file.write_all(&[0; 4_096]).is_ok() {}
        path
    }
}

impl Drop for Disk {
    fn drop(&mut self) {
        // Lazily: a server that is still there keeps it until it ends.
        as_root(&["umount", "--lazy", self.path().to_str().unwrap()]);
    }
}

fn as_root(command: &[&str]) -> bool {
    let run = |program: &str, arguments: &[&str]| Command::new(program).args(arguments).status();
    run(command[0], &command[1..]).is_ok_and(|status| status.success())
        || run("sudo", &[&["-n"], command].concat()).is_ok_and(|status| status.success())
}
