//! Which names name a secret, and which words only speak about one.
//! Judges names alone; what stands behind a name is `pairs`' business.

use super::bytes::{Bytes, is_alnum};

/// Ends of names, without what separates their words: `api_key`, `apiKey`, `API key` and `x-api-key` end with `apikey`.
#[rustfmt::skip]
const SECRETS: &[&str] = &[
    "password", "passwords", "passwd", "passphrase", "passwort", "passcode", "secret", "secrets", "token", "authorization",
    "cookie", "cookies", "credential", "credentials",
    "apikey", "apikeys", "accesskey", "privatekey", "secretkey", "encryptionkey", "signingkey", "masterkey", "accountkey",
    "authkey", "sessionkey", "sessionid", "sshkey", "storagekey", "subscriptionkey", "deploykey", "consumerkey", "hmackey",
    "appkey", "applicationkey", "decryptionkey", "integrationkey", "licensekey", "signaturekey",
    "refreshtokens", "accesstokens", "apitokens", "authtokens", "sessiontokens",
    "authcode", "authorizationcode", "verificationcode", "recoverycode", "recoverycodes", "backupcodes", "securitycode",
    "seedphrase", "recoveryphrase", "mnemonic", "cardnumber", "awssecret", "xauth", "sessid",
];

/// As above, but too short to be the end of a longer word.
const SHORT_SECRETS: &[&str] =
    &["pwd", "pw", "pswd", "psw", "jwt", "creds", "otp", "totp", "cvv", "cvc", "cvv2", "ssn"];

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

/// What messages say about secrets: no secret starts with one of these words.
#[rustfmt::skip]
const SPEECH: &[&str] = &[
    "a", "an", "and", "any", "are", "argument", "at", "auth", "authentication", "authorization", "bad", "be", "been", "but",
    "by", "can", "cannot", "closed", "contains", "corrupt", "could", "credentials", "denied", "deserialize", "did",
    "disabled", "does", "duplicate", "eof", "empty", "enabled", "encountered", "error", "exceeded", "expected", "expired",
    "failed", "failure", "fetch", "field", "file", "flag", "for", "forbidden", "format", "found", "from", "has", "have",
    "header", "headers", "i64", "if", "illegal", "in", "incorrect", "ineligible", "integer", "invalid", "io", "is", "it",
    "key", "length", "line", "locked", "malformed", "may", "mismatch", "missing", "must", "nil", "no", "none", "not",
    "null", "of", "ok", "on", "option", "or", "overflow", "parse", "permission", "present", "premature", "provided",
    "realm", "received", "refused", "rejected", "required", "requires", "reset", "revoked", "scheme", "scope", "should",
    "signature", "string", "str", "the", "timeout", "timed", "to", "token", "tokens", "too", "type", "u64", "unable",
    "unauthorized", "undefined", "unexpected", "unknown", "unset", "unsupported", "value", "verification", "was", "were",
    "when", "while", "will", "with", "without", "wrong", "yes", "you", "your",
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
    SECRETS.iter().any(|end| tail.ends_with(end)) || SHORT_SECRETS.iter().any(|end| tail.ends_with_word(end))
}

/// Whether a name ends with these words, however either is spelled.
pub(super) fn ends_with(name: &str, end: &str) -> bool {
    let end = Tail::of(end);
    end.len > 0 && std::str::from_utf8(end.letters()).is_ok_and(|end| Tail::of(name).ends_with_word(end))
}

/// Whether what follows a name is a sentence about it. Parts of an identifier count: `ExpiredSignature`, `not_found`.
pub(super) fn is_speech(text: &str) -> bool {
    let word = text.trim_end_matches(['.', ',', ';', ':', '!', '?', ')', '"', '`', '\'']);
    let is_in = |part: &[u8]| SPEECH.iter().any(|speech| part.eq_ignore_ascii_case(speech.as_bytes()));
    if is_in(word.as_bytes()) {
        return true;
    }
    let is_identifier = word.len() <= TAIL_BYTES && word.bytes().all(|byte| byte.is_ascii_alphabetic() || byte == b'_');
    let tail = Tail::of(word);
    is_identifier && tail.words().any(|part| part.len() > 2 && is_in(part)) && tail.words().count() > 1
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
