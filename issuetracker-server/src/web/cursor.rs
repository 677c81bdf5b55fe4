//! The cursor of a page as it stands in addresses: opaque to clients, checked when it comes back.

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};

use crate::store::Cursor;

/// `cursor` for an address.
pub(crate) fn encode(cursor: &Cursor) -> String {
    URL_SAFE_NO_PAD.encode(format!("{}.{}", cursor.key, cursor.id))
}

/// What [`encode`] has made; `None` for anything else.
pub(crate) fn decode(text: &str) -> Option<Cursor> {
    let bytes = URL_SAFE_NO_PAD.decode(text).ok()?;
    let text = String::from_utf8(bytes).ok()?;
    let (key, id) = text.split_once('.')?;
    let is_id = (1..=200).contains(&id.len()) && id.bytes().all(|byte| byte.is_ascii_graphic());
    Some(Cursor { key: key.parse().ok()?, id: is_id.then(|| id.to_owned())? })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cursor_comes_back_and_nothing_else_is_one() {
        let cursor = Cursor { key: -17, id: "seen-2026-01-01-a_b".to_owned() };
        assert_eq!(decode(&encode(&cursor)), Some(cursor));
        for text in ["", "x", "%%%", &URL_SAFE_NO_PAD.encode("17"), &URL_SAFE_NO_PAD.encode("x.y")] {
            assert_eq!(decode(text), None, "{text}");
        }
    }
}
