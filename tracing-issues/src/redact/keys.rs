//! Secrets that are known by their looks: keys with the prefix of who issued them, JSON web tokens, private keys.
//! What needs a name in front is `pairs`' business.

use std::ops::Range;

use super::{
    bytes::{Bytes, changes, is_alnum, is_digit, is_name},
    names,
};

/// Prefixes of keys, and how many characters follow at least. Most have more; tests and logs have shortened ones.
#[rustfmt::skip]
const PREFIXES: &[(&str, usize)] = &[
    // Ours
    ("itk_", 10),
    // GitHub, GitLab
    ("ghp_", 10), ("gho_", 10), ("ghs_", 10), ("ghu_", 10), ("ghr_", 10), ("github_pat_", 10),
    ("glpat-", 10), ("gldt-", 10), ("glrt-", 10), ("glptt-", 10), ("glcbt-", 10), ("glimt-", 10),
    ("glsoat-", 10), ("gloas-", 10), ("glagent-", 10),
    // Slack, Discord
    ("xoxb-", 10), ("xoxp-", 10), ("xoxa-", 10), ("xoxe-", 10), ("xoxe.", 10), ("xoxo-", 10), ("xoxr-", 10), ("xoxs-", 10),
    ("xoxc-", 10), ("xoxd-", 10), ("xapp-", 10), ("hooks.slack.com/services/", 8), ("hooks.slack.com/workflows/", 8),
    ("discord.com/api/webhooks/", 20), ("discordapp.com/api/webhooks/", 20),
    // Stripe, Square
    ("sk_live_", 8), ("rk_live_", 8), ("sk_test_", 8), ("rk_test_", 8), ("whsec_", 8), ("sq0atp-", 16), ("sq0csp-", 16),
    // Google, AWS, Azure, DigitalOcean, Cloudflare, Heroku
    ("AIza", 20), ("ya29.", 10), ("GOCSPX-", 10), ("AKIA", 12), ("ASIA", 12), ("ABSK", 40), ("dop_v1_", 10), ("doo_v1_", 10), ("dor_v1_", 10),
    ("HRKU-", 20),
    // OpenAI, Anthropic, Hugging Face, and others of their kind
    ("sk-proj-", 10), ("sk-ant-", 10), ("sk-svcacct-", 10), ("sk-or-v1-", 10), ("hf_", 16), ("r8_", 30), ("gsk_", 20),
    ("xai-", 40), ("pplx-", 30), ("tvly-", 20), ("nvapi-", 20), ("jina_", 20), ("csk-", 30),
    // Registries
    ("npm_", 16), ("pypi-", 16), ("rubygems_", 16), ("dckr_pat_", 10),
    // Mail, shops, monitoring, secrets
    ("SG.", 20), ("key-", 32), ("shpat_", 10), ("shpca_", 10), ("shppa_", 10), ("shpss_", 10), ("NRAK-", 16), ("glsa_", 20),
    ("sntrys_", 20), ("dp.pt.", 20), ("hvs.", 20), ("hvb.", 20), ("lin_api_", 16), ("PMAK-", 20), ("dapi", 32), ("AGE-SECRET-KEY-1", 20),
    ("xkeysib-", 20), ("mlsn.", 20), ("dt0c01.", 20), ("ntn_", 20), ("CCIPAT_", 10), ("bkua_", 20), ("sgp_", 20), ("pul-", 30),
    ("nfp_", 30), ("ops_eyJ", 20), ("ATATT3", 20), ("ATCTT3", 20), ("ATBB", 24), ("fo1_", 20),
    ("figd_", 16), ("tskey-", 10), ("sbp_", 30), ("EAAG", 40), ("AC-", 60),
];

/// The shortest key with its prefix; shorter words need no look at the list.
const MIN_KEY: usize = 12;

/// So many characters of a key tell whether it is one.
const MAX_LOOK: usize = 64;

/// Base64 of `{"`: how each JSON web token starts.
const JWT: &str = "eyJ";

/// The rules, and what they remember, so that nothing is searched twice.
#[derive(Default)]
pub(super) struct Keys {
    /// An AWS key id was seen: the secret, which has no prefix, is often next to it.
    has_aws_id: bool,
    /// There is no end of a private key from here on.
    has_no_end: bool,
}

impl Keys {
    /// The key that starts here, within a word.
    pub(super) fn known(&mut self, bytes: Bytes<'_>, at: usize, word_end: usize) -> Option<Range<usize>> {
        let is_cut = word_end == bytes.len() || is_name(bytes.at(word_end)) || bytes.at(word_end) == b'/';
        if word_end - at < MIN_KEY && !is_cut {
            // The secret of AWS may have a `+` or a slash early.
            return self.aws_secret(bytes, at);
        }
        if bytes.slice(at, at + 3) == JWT.as_bytes() {
            let end = bytes.skip(at, |byte| is_alnum(byte) || b"-_.=".contains(&byte));
            let end = bytes.skip_back(end, end - at, |byte| byte == b'.');
            return (end - at >= MIN_KEY).then_some(at..end);
        }
        // Looks a bounded way ahead, since a word may have many places where a key could start.
        let is_issued = |(prefix, least): &&(&str, usize)| {
            let start = at + prefix.len();
            if bytes.slice(at, start) != prefix.as_bytes() {
                return false;
            }
            let end = bytes.skip_most(start, MAX_LOOK, |byte| is_tail(byte, prefix));
            let least = if end == bytes.len() && prefix.len() > 3 { 4.min(*least) } else { *least };
            end >= start + least && is_key(bytes.slice(start, end), prefix)
        };
        if let Some((prefix, _)) = PREFIXES.iter().find(is_issued) {
            self.has_aws_id |= prefix.ends_with("IA");
            return Some(at..tail_end(bytes, at, prefix));
        }
        self.generic(bytes, at).or_else(|| self.aws_secret(bytes, at))
    }

    /// Keys whose prefix is an everyday one.
    fn generic(&self, bytes: Bytes<'_>, at: usize) -> Option<Range<usize>> {
        let end = bytes.skip_most(at, 256, |byte| is_alnum(byte) || b"-_".contains(&byte));
        let key = bytes.slice(at, end);
        // OpenAI's older keys, and Twilio's.
        let is_openai = key.starts_with(b"sk-") && key.len() >= 23 && changes(key) >= 4;
        let is_twilio = key.len() == 34
            && key.starts_with(b"SK")
            && key.iter().skip(2).all(u8::is_ascii_hexdigit)
            && changes(key) >= 4;
        if is_openai || is_twilio {
            return Some(at..end);
        }
        // Discord's: the id of a bot, a time and a signature, in Base64.
        let part = |start, least: usize, most: usize| {
            let end = bytes.skip_most(start, most + 1, |byte| is_alnum(byte) || b"-_".contains(&byte));
            (least..=most).contains(&(end - start)).then_some(end)
        };
        let time = part(at, 23, 28).filter(|end| bytes.at(*end) == b'.' && changes(bytes.slice(at, *end)) >= 6)?;
        let signature = part(time + 1, 6, 7).filter(|end| bytes.at(*end) == b'.')?;
        part(signature + 1, 27, 40).map(|end| at..end)
    }

    /// Forty characters of Base64 with all classes, behind a key id of AWS.
    fn aws_secret(&self, bytes: Bytes<'_>, at: usize) -> Option<Range<usize>> {
        if !self.has_aws_id {
            return None;
        }
        let end = bytes.skip_most(at, 41, |byte| is_alnum(byte) || b"+/".contains(&byte));
        let key = bytes.slice(at, end);
        let has = |class: fn(&u8) -> bool| key.iter().any(class);
        let is_mixed = has(u8::is_ascii_digit) && has(u8::is_ascii_uppercase) && has(u8::is_ascii_lowercase);
        (key.len() == 40 && is_mixed).then_some(at..end)
    }

    /// The body of a private key whose `-----BEGIN` is here, also if its end was cut. Certificates stay.
    pub(super) fn private_key(&mut self, bytes: Bytes<'_>, at: usize) -> Option<Range<usize>> {
        if bytes.slice(at, at + 11) != b"-----BEGIN " {
            return None;
        }
        let label_end =
            bytes.skip_most(at + 11, 48, |byte| byte.is_ascii_uppercase() || is_digit(byte) || byte == b' ');
        let start = bytes.skip_most(label_end, 5, |byte| byte == b'-');
        if start == label_end || !bytes.str(at, label_end).contains("PRIVATE KEY") {
            return None;
        }
        let end = if self.has_no_end { None } else { bytes.find(start, "-----END") };
        self.has_no_end = end.is_none();
        let body = start..end.unwrap_or(bytes.len());
        // A message may tell what it expected to find.
        let is_body = |byte: u8| is_alnum(byte) || byte.is_ascii_whitespace() || b"+/=\\:,-".contains(&byte);
        let is_key = end.is_some() || bytes.skip_most(start, 16, is_body) - start == 16 || is_body_cut(bytes, start);
        (is_key && !names::is_mask(bytes.str(body.start, body.end))).then_some(body)
    }

    /// The token of a Telegram bot behind its number: `123456789:AA..`.
    pub(super) fn telegram(&self, bytes: Bytes<'_>, at: usize) -> Option<Range<usize>> {
        let digits = at - bytes.skip_back(at, 13, is_digit);
        let end = bytes.skip_most(at + 1, 64, |byte| is_alnum(byte) || b"-_".contains(&byte));
        let is_token = (6..=12).contains(&digits) && end - at > 30 && changes(bytes.slice(at + 1, end)) >= 4;
        is_token.then_some(at + 1..end)
    }
}

/// A body of less than 16 characters is one if the text ends there.
fn is_body_cut(bytes: Bytes<'_>, start: usize) -> bool {
    bytes.skip(start, |byte| is_alnum(byte) || byte.is_ascii_whitespace() || b"+/=\\".contains(&byte)) == bytes.len()
}

fn is_tail(byte: u8, prefix: &str) -> bool {
    is_alnum(byte) || matches!(byte, b'-' | b'_') || (matches!(byte, b'.' | b'/') && prefix.contains(char::from(byte)))
}

fn tail_end(bytes: Bytes<'_>, at: usize, prefix: &str) -> usize {
    let end = bytes.skip(at + prefix.len(), |byte| is_tail(byte, prefix));
    bytes.skip_back(end, end.saturating_sub(at + prefix.len()), |byte| byte == b'.')
}

/// Prefixes without a mark of their own are those of keys only with random letters behind them.
fn is_key(tail: &[u8], prefix: &str) -> bool {
    match prefix {
        "AKIA" | "ASIA" => tail.iter().all(|byte| byte.is_ascii_uppercase() || is_digit(*byte)),
        "key-" | "dapi" => tail.iter().all(u8::is_ascii_hexdigit),
        "xai-" | "hf_" | "npm_" | "pypi-" | "gsk_" | "r8_" | "pul-" | "sgp_" | "nfp_" | "csk-" | "ATBB" => {
            // Names have separators between their words.
            changes(tail) >= 2 || (tail.len() >= 30 && tail.iter().all(|byte| is_alnum(*byte)))
        }
        _ => true,
    }
}
