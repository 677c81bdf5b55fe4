//! Numbers of payment cards: the length and the first digits of an issuer, and a check digit that fits.
//! Other long numbers (ids, timestamps, phone numbers) stay.

use std::ops::Range;

use super::bytes::{Bytes, is_alnum, is_digit};

/// Card numbers have 13 to 19 digits.
const MAX_DIGITS: usize = 19;

/// How the digits are printed in groups, besides not at all.
const GROUPS: &[&[usize]] = &[&[4, 4, 4, 4], &[4, 4, 4, 4, 3], &[4, 6, 5], &[4, 6, 4], &[4, 4, 4, 1]];

/// The card number that starts here.
pub(super) fn number(bytes: Bytes<'_>, at: usize) -> Option<Range<usize>> {
    // A fraction, the rest of a number with a sign, or a phone number.
    if !is_digit(bytes.at(at)) || matches!(bytes.before(at), b'.' | b'+') {
        return None;
    }
    let mut digits = [0; MAX_DIGITS];
    let mut groups = [0; 5];
    let (mut count, mut group, mut separator, mut end) = (0, 0, None, at);
    loop {
        let byte = bytes.at(end);
        if is_digit(byte) {
            *digits.get_mut(count)? = byte - b'0';
            *groups.get_mut(group)? += 1;
            count += 1;
        } else if matches!(byte, b' ' | b'-')
            && separator.is_none_or(|known| known == byte)
            && is_digit(bytes.at(end + 1))
        {
            // A number that follows is not a group of this one.
            if (byte == b' ' || group == 0) && is_whole(digits.get(..count)?, groups.get(..=group)?) {
                break;
            }
            separator = Some(byte);
            group += 1;
        } else {
            break;
        }
        end += 1;
    }
    let is_bounded =
        !is_alnum(bytes.at(end)) && bytes.at(end) != b'_' && !(bytes.at(end) == b'.' && is_digit(bytes.at(end + 1)));
    (is_bounded && is_whole(digits.get(..count)?, groups.get(..=group)?)).then_some(at..end)
}

fn is_whole(digits: &[u8], groups: &[usize]) -> bool {
    let is_grouped = groups.len() == 1 || GROUPS.contains(&groups);
    is_grouped && digits.len() >= 13 && is_issued(digits) && has_check_digit(digits)
}

/// Prefixes and lengths by ISO/IEC 7812 issuer ranges in use.
fn is_issued(digits: &[u8]) -> bool {
    let prefix = digits.iter().take(4).fold(0, |prefix, digit| prefix * 10 + u32::from(*digit));
    match digits.len() {
        13 => (4000..=4999).contains(&prefix),
        14 => matches!(prefix, 3000..=3059 | 3095 | 3600..=3699 | 3800..=3999),
        15 => matches!(prefix, 3400..=3499 | 3700..=3799),
        16 => matches!(prefix, 2200..=2204 | 2221..=2720 | 3528..=3589 | 4000..=5899 | 6011 | 6200..=6299 | 6304 | 6390
            | 6440..=6599 | 6759..=6763),
        17..=19 => matches!(prefix, 3528..=3589 | 4000..=4999 | 5018 | 5020 | 5038 | 5600..=5899 | 6011 | 6200..=6299
            | 6440..=6599 | 6759..=6763),
        _ => false,
    }
}

/// Luhn's: every second digit from the right counts twice.
fn has_check_digit(digits: &[u8]) -> bool {
    let weigh = |(index, digit): (usize, &u8)| {
        let weighed = u32::from(*digit) * if index % 2 == 1 { 2 } else { 1 };
        if weighed > 9 { weighed - 9 } else { weighed }
    };
    digits.iter().rev().enumerate().map(weigh).sum::<u32>() % 10 == 0
}
