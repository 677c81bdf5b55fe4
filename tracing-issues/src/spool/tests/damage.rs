//! Files that a crash, a bad disk or a person has damaged: what is intact is found, and the rest is told.

use super::*;

/// The bytes of a file in which these wait.
fn file_of(envelopes: &[Envelope]) -> Vec<u8> {
    let dir = temp_dir();
    let (mut spool, _) = open_in(dir.path());
    envelopes.iter().for_each(|envelope| spool.append(envelope).unwrap());
    flush(&mut spool);
    spool.file.read_all().unwrap()
}

/// What is adopted from a directory with one file of these bytes.
fn adopt(bytes: &[u8]) -> (TempDir, Spool, Adopted) {
    let dir = temp_dir();
    fs::write(dir.path().join(format!("{SERVICE}-1-0.spool")), bytes).unwrap();
    let (mut spool, adopted) = Spool::open(dir.path(), SERVICE, DEFAULT_MAX_BYTES).unwrap();
    flush(&mut spool);
    (dir, spool, adopted)
}

/// Where each of three entries ends in their file.
fn ends(envelopes: &[Envelope]) -> Vec<usize> {
    (0..=envelopes.len()).map(|count| file_of(&envelopes[..count]).len().max(HEADER.len())).collect()
}

#[test]
fn a_file_torn_anywhere_gives_all_that_is_before_the_tear() {
    let envelopes = events(0..3);
    let (bytes, ends) = (file_of(&envelopes), ends(&envelopes));
    for length in 0..bytes.len() {
        let (dir, mut spool, adopted) = adopt(&bytes[..length]);
        let whole = ends.iter().filter(|end| **end <= length).count().saturating_sub(1);
        assert_eq!(adopted.envelopes, envelopes[..whole], "torn at {length}");
        let is_at_an_end = length == 0 || ends.contains(&length);
        assert_eq!(adopted.problems.is_empty(), is_at_an_end, "torn at {length}: {:?}", adopted.problems);
        // Whoever goes on from here has a file without the tear.
        spool.append(&event(9)).unwrap();
        flush(&mut spool);
        crash(spool);
        let (_, found) = open_in(dir.path());
        assert_eq!(found.len(), whole + 1, "torn at {length}");
    }
}

#[test]
fn a_damaged_byte_costs_one_entry_and_no_other() {
    let envelopes = events(0..3);
    let (bytes, ends) = (file_of(&envelopes), ends(&envelopes));
    for position in 0..bytes.len() {
        let mut damaged = bytes.clone();
        damaged[position] ^= 0x55;
        let (_dir, _spool, adopted) = adopt(&damaged);
        if position == HEADER.len() - 1 {
            assert_eq!(adopted.envelopes, [], "this byte is the version");
            continue;
        }
        let lost = ends.iter().position(|end| position < *end).unwrap().checked_sub(1);
        let expected: Vec<Envelope> = (0..3).filter(|n| Some(*n) != lost).map(|n| envelopes[n].clone()).collect();
        assert_eq!(adopted.envelopes, expected, "damaged at {position}");
        assert_eq!(adopted.problems.len(), 1, "damaged at {position}");
    }
}

#[test]
fn bytes_that_are_missing_or_too_many_cost_no_other_entry() {
    let envelopes = events(0..3);
    let (bytes, ends) = (file_of(&envelopes), ends(&envelopes));
    let (before, after) = bytes.split_at(ends[1]);
    let zeros = [0; 4096];
    for middle in [&zeros[..], &bytes[8..20], b"\xFF", &before[..ends[1] - 1], &b"{\"n\":1}".repeat(100)] {
        let (_dir, _spool, adopted) = adopt(&[before, middle, after].concat());
        assert_eq!(adopted.envelopes, envelopes);
        assert_eq!(adopted.problems.len(), 1);
    }
    let (_dir, _spool, adopted) = adopt(&[before, &after[7..]].concat());
    assert_eq!(adopted.envelopes, [envelopes[0].clone(), envelopes[2].clone()]);
}

#[test]
fn an_entry_inside_a_text_is_text() {
    // Even a payload that is a whole file, when the entry around it is damaged, cannot pass as one: our payloads are
    // UTF-8, and the mark of an entry is not.
    let inner = String::from_utf8_lossy(&file_of(&events([7]))).into_owned();
    let envelopes = [envelope(0, &inner), event(1)];
    let mut bytes = file_of(&envelopes);
    bytes[HEADER.len() + 5] ^= 1;
    let (_dir, _spool, adopted) = adopt(&bytes);
    assert_eq!(adopted.envelopes, events([1]));
}

#[test]
fn a_file_that_nobody_can_read_is_kept_out_of_the_way() {
    let noise: Vec<u8> = (0..200_000u32).map(|n| (n.wrapping_mul(2_654_435_761) >> 13) as u8).collect();
    for garbage in [&noise[..], b"not a spool file", &[0; 10_000], &[0xFF; 10_000]] {
        let (dir, mut spool, adopted) = adopt(garbage);
        assert_eq!(adopted.envelopes, []);
        assert_eq!(adopted.problems.len(), 1);
        assert_eq!(fs::read(dir.path().join(format!("{SERVICE}-1-0.damaged"))).unwrap(), garbage);
        assert!(spool.adopt().problems.is_empty(), "told once");
    }
}

#[test]
fn a_file_of_a_later_version_is_left_to_it() {
    let mut bytes = file_of(&events([0]));
    bytes[HEADER.len() - 1] += 1;
    let (dir, mut spool, adopted) = adopt(&bytes);
    assert_eq!(adopted.envelopes, []);
    assert!(adopted.problems[0].contains("later version"), "{:?}", adopted.problems);
    assert!(spool.adopt().problems.is_empty(), "told once");
    assert_eq!(fs::read(dir.path().join(format!("{SERVICE}-1-0.spool"))).unwrap(), bytes);
}

#[test]
fn the_same_entries_in_two_files_are_one() {
    // What a crash leaves between the copy and the removal of the original, and then another one.
    let dir = temp_dir();
    let [older, newer] = ["1-0", "2-1"].map(|name| dir.path().join(format!("{SERVICE}-{name}.spool")));
    let (whole, half) = (file_of(&events(0..4)), file_of(&events(0..2)));
    for (first, second) in [(&whole, &half), (&whole, &whole), (&half, &whole)] {
        fs::write(&older, first).unwrap();
        fs::write(&newer, second).unwrap();
        let (mut spool, found) = open_in(dir.path());
        assert_eq!(found, events(0..4));
        flush(&mut spool);
        (0..4).for_each(|number| spool.settled(id(number)));
    }
}
