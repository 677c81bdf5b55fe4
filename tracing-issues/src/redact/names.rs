//! Which names name a secret, and which words only speak about one.
//! Judges names alone; what stands behind a name is `pairs`' business.

use super::bytes::{Bytes, is_alnum};

/// Ends of names, without what separates their words: `api_key`, `apiKey`, `API key` and `x-api-key` end with `apikey`.
#[rustfmt::skip]
const SECRETS: &[&str] = &[
    "password", "passwords", "passwd", "passphrase", "passwort", "passcode", "secret", "secrets", "token", "authorization",
    "cookie", "cookies", "credential", "credentials",
    "apikey", "apikeys", "accesskey", "privatekey", "secretkey", "encryptionkey", "signingkey", "masterkey", "accountkey",
    "authkey", "sessionkey", "sessionid", "sshkey", "storagekey", "subscriptionkey", "deploykey", "consumerkey",
    "appkey", "applicationkey", "decryptionkey", "integrationkey", "licensekey", "signaturekey",
    "refreshtokens", "accesstokens", "apitokens", "authtokens", "sessiontokens",
    "authcode", "authorizationcode", "verificationcode", "recoverycode", "recoverycodes", "backupcodes", "securitycode",
    "seedphrase", "recoveryphrase", "mnemonic", "cardnumber", "awssecret", "xauth", "sessid",
    "connectsid", "secretkeybase", "githubpat", "gitlabpat", "azurepat", "ghpat", "npmauth", "mackey",
];

/// As above, but too short to be the end of a longer word.
const SHORT_SECRETS: &[&str] =
    &["pwd", "pw", "pswd", "psw", "jwt", "creds", "otp", "totp", "cvv", "cvc", "cvv2", "ssn", "bearer"];

/// `pass` is a secret behind these only: a test may `pass`, and a renderer has passes.
#[rustfmt::skip]
const PASS_OF: &[&str] = &[
    "db", "database", "user", "smtp", "mysql", "postgres", "pg", "redis", "mongo", "admin", "root", "login", "auth", "ftp",
    "ssh", "http", "basic", "proxy", "mail", "email", "imap", "ldap", "sasl", "key", "keystore", "amqp", "rabbitmq", "kafka",
];

/// Ends that leave a name what it was: `password_confirmation`, `authorization-header`, `tokenValue`.
#[rustfmt::skip]
const TAILS: &[&str] = &[
    "value", "hash", "header", "string", "plain", "plaintext", "raw", "encoded", "base64", "confirm", "confirmation", "new",
    "old", "again", "repeat",
];

/// In front of `token`: what continues a list, stops a task or is read by a parser is no secret.
#[rustfmt::skip]
const HARMLESS_TOKENS: &[&str] = &[
    "next", "nextpage", "page", "continuation", "pagination", "cancellation", "cancel", "stop", "eos", "bos", "pad",
    "start", "end", "expected", "unexpected", "max", "min", "num", "current", "lookahead", "eof", "resume",
];

/// Parameters that are a secret in the query of an address only.
pub(super) const IN_QUERIES: &[&str] =
    &["sig", "signature", "x-amz-signature", "x-goog-signature", "code", "key", "auth", "sid", "pass"];

/// What can be the matter with a secret: no secret is one of these words.
#[rustfmt::skip]
const STATES: &[&str] = &[
    "absent", "bad", "closed", "corrupt", "denied", "disabled", "duplicate", "empty", "enabled", "eof", "error", "exceeded",
    "expired", "failed", "failure", "forbidden", "found", "incorrect", "invalid", "locked", "malformed", "mismatch", "missing",
    "nil", "no", "none", "not", "null", "ok", "optional", "overflow", "premature", "present", "provided", "refused", "rejected",
    "required", "reset", "revoked", "set", "timeout", "unable", "unauthorized", "undefined", "unexpected", "unknown", "unset",
    "unsupported", "wrong", "yes",
];

/// Words that sentences about secrets go on with. Behind a `=` they could be a secret.
#[rustfmt::skip]
const SPEECH: &[&str] = &[
    "a", "an", "and", "any", "are", "argument", "at", "auth", "authentication", "authorization", "be", "been", "but", "by",
    "can", "cannot", "contains", "could", "credentials", "deserialize", "did", "does", "encountered", "expected", "fetch",
    "field", "file", "flag", "for", "format", "from", "has", "have", "header", "headers", "i64", "if", "illegal", "in",
    "integer", "io", "is", "it", "key", "length", "line", "may", "must", "of", "on", "option", "or", "parse", "permission",
    "realm", "received", "requires", "scheme", "scope", "should", "signature", "str", "string", "the", "timed", "to", "token",
    "tokens", "too", "type", "u64", "value", "verification", "was", "were", "when", "while", "will", "with", "without", "you",
    "your",
];

/// What others put in place of a secret.
#[rustfmt::skip]
const MASKS: &[&str] = &[
    "redacted", "filtered", "masked", "hidden", "removed", "censored", "omitted", "sanitized", "sensitive", "null", "none",
    "nil", "undefined", "n/a",
];

/// A name does not get secret by what stands this far before its end.
const TAIL_BYTES: usize = 48;

/// Whether a field, header, key or parameter of this name holds a secret.
pub(super) fn is_secret(name: &str) -> bool {
    let mut tail = Tail::of(name);
    while let Some(strip) = TAILS.iter().find(|end| tail.ends_with_word(end)) {
        tail.len -= strip.len();
    }
    if tail.has_question() {
        return false;
    }
    if tail.ends_with("token") {
        let rest = tail.without("token");
        return !HARMLESS_TOKENS.iter().any(|word| rest.ends_with_word(word));
    }
    if tail.ends_with_word("pass") {
        let rest = tail.without("pass");
        return PASS_OF.iter().any(|word| rest.ends_with_word(word));
    }
    // Alone it is a session's; `account_sid` is public.
    tail.letters() == b"sid"
        || SECRETS.iter().any(|end| tail.ends_with(end))
        || SHORT_SECRETS.iter().any(|end| tail.ends_with_word(end))
}

/// Whether a name is that of a password, which people choose and write into sentences.
pub(super) fn is_password(name: &str) -> bool {
    ["password", "passwd", "passphrase", "passwort", "pwd"].iter().any(|end| Tail::of(name).ends_with_word(end))
}

/// Whether a secret of this name is made of digits: `OTP 482913`.
pub(super) fn is_of_digits(name: &str) -> bool {
    ["otp", "totp", "cvv", "cvc", "ssn", "verificationcode", "securitycode"]
        .iter()
        .any(|end| Tail::of(name).ends_with_word(end))
}

/// Whether a secret of this name has several words.
pub(super) fn is_phrase(name: &str) -> bool {
    ["passphrase", "seedphrase", "recoveryphrase", "mnemonic"].iter().any(|end| Tail::of(name).ends_with(end))
}

/// Whether this is the number that a person types in, and not that of a pin of a chip.
pub(super) fn is_pin(name: &str, value: &str) -> bool {
    Tail::of(name).ends_with_word("pin")
        && (4..=8).contains(&value.len())
        && value.bytes().all(|byte| byte.is_ascii_digit())
}

/// Whether a name ends with these words, however either is spelled.
pub(super) fn ends_with(name: &str, end: &str) -> bool {
    let end = Tail::of(end);
    end.len > 0 && std::str::from_utf8(end.letters()).is_ok_and(|end| Tail::of(name).ends_with_word(end))
}

/// Whether a value says what is the matter with the secret: `expired`.
pub(super) fn is_state(value: &str) -> bool {
    is_in(STATES, word(value).as_bytes())
}

/// Whether a value is the next word of a sentence about the secret.
pub(super) fn is_speech(value: &str) -> bool {
    is_state(value) || is_in(SPEECH, word(value).as_bytes())
}

/// Whether a value is an error's name: `ExpiredSignature`, `not_found`.
pub(super) fn is_error_name(value: &str) -> bool {
    let word = word(value);
    let is_identifier = word.len() <= TAIL_BYTES && word.bytes().all(|byte| byte.is_ascii_alphabetic() || byte == b'_');
    is_identifier && Tail::of(word).words().any(|part| part.len() > 2 && is_in(STATES, part))
}

fn word(value: &str) -> &str {
    value.trim_end_matches(['.', ',', ';', ':', '!', '?', ')', '"', '`', '\''])
}

fn is_in(words: &[&str], word: &[u8]) -> bool {
    words.iter().any(|known| word.eq_ignore_ascii_case(known.as_bytes()))
}

/// Whether somebody else has already replaced the secret, or there was none.
pub(super) fn is_mask(value: &str) -> bool {
    let bare = value.trim_matches(|c: char| c.is_whitespace() || "\"'`()[]<>{}\\".contains(c));
    let mut chars = bare.chars();
    let Some(first) = chars.next() else { return true };
    if chars.all(|c| c == first) && ("*•#●".contains(first) || ("xX".contains(first) && bare.len() >= 3)) {
        return true;
    }
    let (word, rest) = bare.split_once(' ').unwrap_or((bare, ""));
    // As the crate `secrecy` prints it: `[REDACTED alloc::string::String]`.
    let is_type = rest.contains("::") && rest.bytes().all(|byte| is_alnum(byte) || b":_<>, ".contains(&byte));
    (rest.is_empty() || is_type) && MASKS.iter().any(|mask| word.eq_ignore_ascii_case(mask))
}

/// Whether an empty place of a template or a statement stands for the value.
pub(super) fn is_placeholder(value: &str) -> bool {
    matches!(value, "?" | "%s" | "%v" | "%@") || {
        let digits = value.strip_prefix(['$', '?', ':']).unwrap_or_default();
        !digits.is_empty() && digits.len() <= 3 && digits.bytes().all(|byte| byte.is_ascii_digit())
    }
}

/// The last letters of a name, in lower case and without separators, and which of them start a word.
#[derive(Clone, Copy)]
struct Tail {
    letters: [u8; TAIL_BYTES],
    starts: [bool; TAIL_BYTES],
    len: usize,
}

impl Tail {
    fn of(name: &str) -> Self {
        let bytes = Bytes::new(name);
        // `password2`, `passwords[0]`.
        let end = bytes.skip_back(bytes.len(), 8, |byte| !byte.is_ascii_alphabetic());
        let end = if bytes.slice(0, end).ends_with(b"cvv") || bytes.slice(0, end).ends_with(b"base") {
            bytes.len()
        } else {
            end
        };
        let mut tail = Self { letters: [0; TAIL_BYTES], starts: [false; TAIL_BYTES], len: 0 };
        let slots = tail.letters.iter_mut().zip(&mut tail.starts);
        let from = end.saturating_sub(TAIL_BYTES);
        for ((letter, start), at) in slots.zip((from..end).filter(|at| is_alnum(bytes.at(*at)))) {
            let (before, byte, after) = (bytes.before(at), bytes.at(at), bytes.at(at + 1));
            *letter = byte.to_ascii_lowercase();
            // `apiKey`, `APIKey`, `api-key`.
            *start = !is_alnum(before)
                || (byte.is_ascii_uppercase() && (!before.is_ascii_uppercase() || after.is_ascii_lowercase()));
            tail.len += 1;
        }
        tail
    }

    fn letters(&self) -> &[u8] {
        self.letters.get(..self.len).unwrap_or_default()
    }

    fn ends_with(&self, end: &str) -> bool {
        self.letters().ends_with(end.as_bytes())
    }

    fn ends_with_word(&self, end: &str) -> bool {
        self.ends_with(end) && self.starts.get(self.len - end.len()).copied().unwrap_or(false)
    }

    fn without(mut self, end: &str) -> Self {
        self.len -= end.len();
        self
    }

    /// `is_secret` and `has_password` say yes or no.
    fn has_question(&self) -> bool {
        let is_word =
            |word: &str| self.letters().starts_with(word.as_bytes()) && self.starts.get(word.len()) == Some(&true);
        ["is", "has", "needs", "requires"].into_iter().any(|word| self.len > word.len() && is_word(word))
    }

    fn words(&self) -> impl Iterator<Item = &[u8]> {
        let starts = (0..self.len).filter(|at| *at == 0 || self.starts.get(*at) == Some(&true));
        starts.map(|start| {
            let next = (start + 1..self.len).find(|at| self.starts.get(*at) == Some(&true)).unwrap_or(self.len);
            self.letters.get(start..next).unwrap_or_default()
        })
    }
}
