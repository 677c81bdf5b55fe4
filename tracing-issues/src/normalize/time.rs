//! Dates and times of day in the common notations: RFC 3339, RFC 2822, syslog, asctime, access logs, compact.
//! Ranges are not checked: an impossible date in a parse error is a date to the reader, and varies as well.

use super::{
    names,
    text::{Segment, Text, is_alnum, is_alpha, is_digit, is_in},
};

/// The end of a duration of ISO 8601, as chrono and jiff write them: `PT30S`, `P1DT2H`, `PT1.5S`.
pub(super) fn iso_duration(text: Text<'_>, segment: &Segment<'_>) -> Option<usize> {
    if !matches!(segment.bytes, [b'P', b'T' | b'0'..=b'9', ..]) {
        return None;
    }
    let mut end = segment.start + 1;
    loop {
        end += usize::from(text.at(end) == b'T');
        let digits = text.skip(end, |byte| is_digit(byte) || byte == b'.');
        if digits == end || !matches!(text.at(digits), b'Y' | b'M' | b'W' | b'D' | b'H' | b'S') {
            return None;
        }
        end = digits + 1;
        if !is_alnum(text.at(end)) {
            return Some(end);
        }
    }
}

/// The end of the date, the time, or both that start with this segment.
pub(super) fn time(text: Text<'_>, segment: &Segment<'_>) -> Option<usize> {
    let (at, next) = (segment.start, text.at(segment.end));
    if !segment.has_digit() {
        if !segment.bytes[0].is_ascii_uppercase() || !matches!(next, b' ' | b',') {
            return None;
        }
        return if names::MONTHS.has(segment.bytes) {
            month_first(text, at)
        } else if names::WEEKDAYS.has(segment.bytes) {
            weekday(text, segment.end)
        } else {
            None
        };
    }
    match segment.bytes {
        // klog's first column: `E0104 23:30:50.123456`.
        [b'I' | b'W' | b'E' | b'F', day @ ..] if day.len() == 4 && day.iter().all(|byte| is_digit(*byte)) => {
            return text.byte(segment.end, b' ').and_then(|start| clock(text, start));
        }
        [b'Q', b'1'..=b'4'] if next == b' ' => return year(text, segment.end + 1),
        [first, ..] if !is_digit(*first) => return None,
        _ => (),
    }
    match next {
        b':' if segment.len() <= 2 => clock(text, at),
        b'-' | b'/' | b'.' if segment.len() <= 4 => with_clock(text, date(text, at)?),
        b' ' if segment.len() <= 2 => with_clock(text, date(text, at)?),
        _ if segment.len() >= "20260104T2330".len() => compact(text, at),
        _ => None,
    }
}

/// `2026-01-04`, `2026/1/4`, `04.01.2026`, `04/Jan/2026`, `4 Jan 2026`.
fn date(text: Text<'_>, at: usize) -> Option<usize> {
    let first = text.digits(at, 1, 4)?;
    let separator = text.at(first);
    if is_alpha(text.at(first + 1)) && matches!(separator, b' ' | b'-' | b'/') && first - at <= 2 {
        let end = text.byte(month(text, first + 1)?, separator)?;
        return text.digits(end, 4, 4);
    }
    if !matches!(separator, b'-' | b'/' | b'.') {
        return None;
    }
    // A week of ISO 8601, a quarter: `2026-W01`, `2026-W01-7`, `2026-Q1`.
    if first - at == 4 && separator == b'-' && matches!(text.at(first + 1), b'W' | b'Q') {
        let week = text.digits(first + 2, 1, 2)?;
        return text.byte(week, b'-').and_then(|day| text.digits(day, 1, 1)).or(Some(week));
    }
    let second = text.byte(text.digits(first + 1, 1, 2)?, separator)?;
    match first - at {
        4 => text.digits(second, 1, 2),
        1 | 2 => text.digits(second, 4, 4),
        _ => None,
    }
}

/// A date's end, or that of the time behind it.
fn with_clock(text: Text<'_>, date: usize) -> Option<usize> {
    let start = match text.at(date) {
        b'T' | b't' | b' ' | b'_' | b':' => date + 1,
        b',' if text.at(date + 1) == b' ' => date + 2,
        _ => return text.bounded(date),
    };
    clock(text, start).or_else(|| text.bounded(date))
}

/// `23:30`, `23:30:50`, `23:30:50.123456789`, with a zone.
fn clock(text: Text<'_>, at: usize) -> Option<usize> {
    let hours = text.digits(at, 1, 2)?;
    let minutes = text.digits(text.byte(hours, b':')?, 2, 2)?;
    let end = match text.byte(minutes, b':').and_then(|seconds| text.digits(seconds, 2, 2)) {
        Some(seconds) if matches!(text.at(seconds), b'.' | b',') && is_digit(text.at(seconds + 1)) => {
            text.skip(seconds + 1, is_digit)
        }
        Some(seconds) => seconds,
        None if hours - at == 2 => minutes,
        None => return None,
    };
    let end = zone(text, end);
    // Six groups of two are a hardware address.
    (text.at(end) != b':' || !text.at(end + 1).is_ascii_hexdigit()).then_some(end).and_then(|end| text.bounded(end))
}

/// `20260104T233050Z`, `20260104T233050.123+0100`.
fn compact(text: Text<'_>, at: usize) -> Option<usize> {
    let start = text.byte(text.digits(at, 8, 8)?, b'T')?;
    let mut end = text.digits(start, 4, 6)?;
    if text.at(end) == b'.' && is_digit(text.at(end + 1)) {
        end = text.skip(end + 1, is_digit);
    }
    text.bounded(zone(text, end))
}

/// The end of the zone (or of AM, PM) that starts here, or `at`.
fn zone(text: Text<'_>, at: usize) -> usize {
    let start = if text.at(at) == b' ' { at + 1 } else { at };
    let end = match text.at(start) {
        b'+' | b'-' => text.digits(start + 1, 2, 2).map(|hours| {
            let minutes = text.byte(hours, b':').and_then(|minutes| text.digits(minutes, 2, 2));
            minutes.unwrap_or(hours)
        }),
        _ => None,
    };
    let end = end.or_else(|| if matches!(text.at(start), b'+' | b'-') { text.digits(start + 1, 4, 4) } else { None });
    let end = end.or_else(|| {
        let end = text.skip_most(start, 5, is_alpha);
        let name = text.slice(start, end);
        let is_zone = names::ZONES.has(name) || is_in(name, &["am", "pm"]);
        is_zone.then_some(end).and_then(|end| text.bounded(end))
    });
    let Some(end) = end else { return at };
    // jiff and java.time add the name of the place.
    if text.at(end) == b'[' {
        let place = text.skip_most(end + 1, 40, |byte| is_alpha(byte) || matches!(byte, b'/' | b'_' | b'-'));
        return text.byte(place, b']').unwrap_or(end);
    }
    end
}

/// `Sun, 04 Jan 2026 23:30:50 +0000`, `Sun Jan 4 23:30:50 2026`, behind the day's name.
fn weekday(text: Text<'_>, end: usize) -> Option<usize> {
    let end = if text.at(end) == b',' { end + 1 } else { end };
    let start = text.byte(end, b' ')?;
    month_first(text, start).or_else(|| with_clock(text, date(text, start)?))
}

/// `Jan 4 23:30:50`, `Jan 4 23:30:50 2026`, `January 4, 2026 11:30 PM`, `Jan 4`, `January 2026`.
fn month_first(text: Text<'_>, at: usize) -> Option<usize> {
    let day = text.byte(month(text, at)?, b' ')?;
    let Some(day) = text.digits(day, 1, 2).filter(|end| !is_digit(text.at(*end))) else { return year(text, day) };
    let next = if text.at(day) == b',' { day + 1 } else { day };
    if let Some(year) = text.byte(next, b' ').and_then(|year| text.digits(year, 4, 4)) {
        return with_clock(text, year);
    }
    match text.byte(day, b' ').and_then(|start| clock(text, start)) {
        Some(end) => {
            let year =
                text.byte(end, b' ').filter(|year| text.starts_with(*year, "19") || text.starts_with(*year, "20"));
            Some(year.and_then(|year| text.digits(year, 4, 4)).unwrap_or(end))
        }
        // `May 5` and `March 5` can be a verb and its object, but then the number varies as well.
        None => text.bounded(day),
    }
}

/// A year of our time.
fn year(text: Text<'_>, at: usize) -> Option<usize> {
    let is_ours = text.starts_with(at, "19") || text.starts_with(at, "20");
    is_ours.then(|| text.digits(at, 4, 4).and_then(|end| text.bounded(end))).flatten()
}

fn month(text: Text<'_>, at: usize) -> Option<usize> {
    let end = text.skip_most(at, 10, is_alpha);
    names::MONTHS.has(text.slice(at, end)).then_some(end)
}
