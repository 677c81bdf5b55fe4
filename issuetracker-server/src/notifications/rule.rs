//! A rule: of which issues whom to tell, by which channel, and how often.

use std::{fmt, str::FromStr};

use jiff::Timestamp;

use super::message::Event;
use crate::{
    auth::{Principal, random_secret},
    config::Secret,
    domain::{Filter, Period, clean, to_micros},
    store::{Field, Fields, Record},
    triage::{InvalidField, invalid},
};

/// The longest name, in characters.
const MAX_NAME_CHARS: usize = 100;

/// The longest address or filter, in bytes.
const MAX_TEXT_BYTES: usize = 1_000;

/// The most people who get one mail.
const MAX_RECIPIENTS: usize = 20;

/// The longest pause: a day.
const MAX_PAUSE_MINUTES: u32 = 24 * 60;

/// The longest cool-down: a week.
pub(super) const MAX_COOL_DOWN_MINUTES: u32 = 7 * 24 * 60;

/// The road a message takes.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Channel {
    /// A Slack channel, by an incoming webhook.
    #[default]
    Slack,
    /// Mail.
    Mail,
    /// A program, by a signed request.
    Webhook,
}

impl Channel {
    /// Every channel.
    pub const ALL: [Self; 3] = [Self::Slack, Self::Mail, Self::Webhook];

    /// The word for it outside the process.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Slack => "slack",
            Self::Mail => "mail",
            Self::Webhook => "webhook",
        }
    }
}

impl FromStr for Channel {
    type Err = String;

    fn from_str(word: &str) -> Result<Self, String> {
        let known = Self::ALL.into_iter().find(|channel| channel.as_str() == word);
        known.ok_or_else(|| "expected slack, mail or webhook".to_owned())
    }
}

/// What a rule tells of.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct On {
    /// A new issue.
    pub new: bool,
    /// One that came back after it was resolved.
    pub regressed: bool,
    /// One that was muted up to a rate, which is reached.
    pub unmuted: bool,
}

impl On {
    /// Its words.
    pub const WORDS: [&'static str; 3] = ["new", "regressed", "unmuted"];

    /// Those that are on.
    pub fn words(self) -> impl Iterator<Item = &'static str> {
        let is_on = [self.new, self.regressed, self.unmuted];
        Self::WORDS.into_iter().zip(is_on).filter(|(_, is_on)| *is_on).map(|(word, _)| word)
    }

    fn of<'a>(words: impl IntoIterator<Item = &'a str>) -> Option<Self> {
        let mut on = Self::default();
        for word in words {
            match word {
                "new" => on.new = true,
                "regressed" => on.regressed = true,
                "unmuted" => on.unmuted = true,
                _ => return None,
            }
        }
        Some(on)
    }
}

/// A number of errors in a clock hour or a UTC day that is worth a word.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Threshold {
    /// So many.
    pub count: u64,
    /// In one of these.
    pub per: Period,
    /// The same issue is not told of again for so long, by its threshold.
    pub cool_down_minutes: u32,
}

/// One rule.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rule {
    /// 16 hexadecimal digits.
    pub id: String,
    /// What people call it.
    pub name: String,
    /// How.
    pub channel: Channel,
    /// Where: an address of the web, which may prove that one may write there, or mail addresses.
    pub address: Secret,
    /// What webhooks are signed with.
    pub secret: Option<Secret>,
    /// Of which issues.
    pub filter: Filter,
    /// Of what that becomes of them.
    pub on: On,
    /// And of how often they happen.
    pub threshold: Option<Threshold>,
    /// The pause between two messages; what happens meanwhile is told in the next one.
    pub every_minutes: u32,
    /// Whether it is followed.
    pub is_active: bool,
    /// The user id of who made it.
    pub created_by: String,
    /// When.
    pub created_at: Option<Timestamp>,
    pub(super) version: i64,
}

impl Rule {
    pub(super) fn of(record: &Record) -> Self {
        let number = |name: &str| record.text(name).parse().unwrap_or_default();
        let threshold = record.text("threshold").split_once('/').and_then(|(count, per)| {
            let cool_down_minutes = number("cool_down_minutes");
            Some(Threshold { count: count.parse().ok()?, per: per.parse().ok()?, cool_down_minutes })
        });
        let filter = record.text("filter").parse();
        Self {
            id: record.id.clone(),
            name: record.text("name").to_owned(),
            channel: record.text("channel").parse().unwrap_or_default(),
            address: Secret(record.text("address").to_owned()),
            secret: Some(record.text("secret")).filter(|text| !text.is_empty()).map(|text| Secret(text.to_owned())),
            // A filter of a later version that this one cannot read must not become one that lets everything pass.
            is_active: record.text("active") == "true" && filter.is_ok(),
            filter: filter.unwrap_or_default(),
            on: On::of(record.text("on").split_whitespace()).unwrap_or_default(),
            threshold,
            every_minutes: number("every_minutes"),
            created_by: record.text("created_by").to_owned(),
            created_at: record.time("created_at"),
            version: record.version,
        }
    }

    pub(super) fn fields(&self) -> Fields {
        let text = |name: &str, text: String| (name.to_owned(), Field::Text(text));
        let mut fields = Fields::from([
            text("name", self.name.clone()),
            text("channel", self.channel.as_str().to_owned()),
            text("address", self.address.0.clone()),
            text("filter", self.filter.to_string()),
            text("on", self.on.words().collect::<Vec<_>>().join(" ")),
            text("every_minutes", self.every_minutes.to_string()),
            text("active", self.is_active.to_string()),
            text("created_by", self.created_by.clone()),
        ]);
        fields.extend(self.secret.as_ref().map(|secret| text("secret", secret.0.clone())));
        fields.extend(self.created_at.map(|at| ("created_at".to_owned(), Field::Time(at))));
        if let Some(threshold) = self.threshold {
            fields.extend([
                text("threshold", format!("{}/{}", threshold.count, threshold.per.as_str())),
                text("cool_down_minutes", threshold.cool_down_minutes.to_string()),
            ]);
        }
        fields
    }

    /// Where it goes, as far as everybody may see it: of an address of the web only the host.
    pub fn place(&self) -> String {
        match self.channel {
            Channel::Mail => self.address.0.clone(),
            Channel::Slack | Channel::Webhook => {
                let url = reqwest::Url::parse(&self.address.0).ok();
                let origin = url.map(|url| url.origin().ascii_serialization());
                origin.map_or_else(|| "…".to_owned(), |origin| format!("{origin}/…"))
            }
        }
    }

    /// The addresses that mail goes to.
    pub(super) fn recipients(&self) -> impl Iterator<Item = &str> {
        self.address.0.split(',').map(str::trim).filter(|address| !address.is_empty())
    }

    pub(super) fn describe(&self) -> String {
        let state = if self.is_active { "" } else { ", paused" };
        format!("{} to {}{state}", self.channel.as_str(), self.place())
    }

    /// Whether a thing of this kind is told.
    pub(super) fn tells(&self, event: Event) -> bool {
        match event {
            Event::New => self.on.new,
            Event::Regressed => self.on.regressed,
            Event::Unmuted => self.on.unmuted,
            Event::Threshold => self.threshold.is_some(),
        }
    }
}

/// What somebody wants a rule to be; what is `None` stays, or is as by default.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Draft {
    /// See [`Rule::name`].
    pub name: Option<String>,
    /// See [`Rule::channel`].
    pub channel: Option<Channel>,
    /// See [`Rule::address`].
    pub address: Option<String>,
    /// See [`Rule::filter`].
    pub filter: Option<String>,
    /// See [`Rule::on`].
    pub on: Option<Vec<String>>,
    /// See [`Threshold::count`]; 0: no threshold.
    pub threshold_count: Option<u64>,
    /// See [`Threshold::per`].
    pub threshold_per: Option<Period>,
    /// See [`Threshold::cool_down_minutes`].
    pub cool_down_minutes: Option<u64>,
    /// See [`Rule::every_minutes`].
    pub every_minutes: Option<u64>,
    /// See [`Rule::is_active`].
    pub is_active: Option<bool>,
}

impl Draft {
    pub(super) fn into_rule(self, id: String, by: &Principal, now: Timestamp) -> Result<Rule, Vec<InvalidField>> {
        let on = self.on.is_none().then_some(On { new: true, regressed: true, unmuted: true });
        self.apply(Rule {
            id,
            name: String::new(),
            channel: Channel::default(),
            address: Secret(String::new()),
            secret: None,
            filter: Filter::default(),
            on: on.unwrap_or_default(),
            threshold: None,
            every_minutes: 5,
            is_active: true,
            created_by: by.user_id.clone(),
            created_at: Some(to_micros(now)),
            version: 0,
        })
    }

    pub(super) fn apply(self, mut rule: Rule) -> Result<Rule, Vec<InvalidField>> {
        let mut wrong = Vec::new();
        if let Some(name) = &self.name {
            rule.name = clean(name.trim());
        }
        if rule.name.is_empty() || rule.name.chars().count() > MAX_NAME_CHARS || rule.name.contains('\n') {
            wrong.push(invalid("name", &format!("a name of 1 to {MAX_NAME_CHARS} characters, on one line")));
        }
        if let Some(channel) = self.channel.filter(|channel| *channel != rule.channel) {
            // An address of one channel is none of another.
            (rule.channel, rule.address) = (channel, Secret(String::new()));
        }
        if let Some(address) = self.address.filter(|address| !address.trim().is_empty()) {
            rule.address = Secret(address.trim().to_owned());
        }
        rule.secret = match rule.channel {
            Channel::Webhook => rule.secret.or_else(|| Some(Secret(format!("whsec_{}", random_secret())))),
            Channel::Slack | Channel::Mail => None,
        };
        wrong.extend(address_complaint(&rule).map(|what| invalid("address", &what)));
        if let Some(text) = self.filter {
            match text.parse::<Filter>() {
                _ if text.len() > MAX_TEXT_BYTES => wrong.push(invalid("filter", "at most 1,000 bytes")),
                Ok(filter) if filter.has_text() => {
                    let what = "words cannot be looked for here; use keys such as service:newsfeed or tag:billing";
                    wrong.push(invalid("filter", what));
                }
                Ok(filter) => rule.filter = filter,
                Err(error) => wrong.push(invalid("filter", &error.to_string())),
            }
        }
        if let Some(words) = self.on {
            match On::of(words.iter().map(String::as_str)) {
                Some(on) => rule.on = on,
                None => wrong.push(invalid("on", "expected words among new, regressed, unmuted")),
            }
        }
        let count = self.threshold_count.unwrap_or_else(|| rule.threshold.map_or(0, |threshold| threshold.count));
        let per = self.threshold_per.or(rule.threshold.map(|threshold| threshold.per)).unwrap_or(Period::Hour);
        let cool_down = self.cool_down_minutes.or(rule.threshold.map(|threshold| threshold.cool_down_minutes.into()));
        let cool_down = cool_down.unwrap_or(60);
        match u32::try_from(cool_down).ok().filter(|minutes| (1..=MAX_COOL_DOWN_MINUTES).contains(minutes)) {
            Some(cool_down_minutes) => {
                rule.threshold = (count > 0).then_some(Threshold { count, per, cool_down_minutes });
            }
            None => wrong.push(invalid("cool_down_minutes", "1 to 10080 minutes, which is a week")),
        }
        if rule.on == On::default() && rule.threshold.is_none() {
            wrong.push(invalid("on", "choose at least one, or a threshold: else there is nothing to tell"));
        }
        if let Some(minutes) = self.every_minutes {
            match u32::try_from(minutes).ok().filter(|minutes| *minutes <= MAX_PAUSE_MINUTES) {
                Some(minutes) => rule.every_minutes = minutes,
                None => wrong.push(invalid("every_minutes", "0 to 1440 minutes, which is a day")),
            }
        }
        rule.is_active = self.is_active.unwrap_or(rule.is_active);
        if wrong.is_empty() { Ok(rule) } else { Err(wrong) }
    }
}

/// What is wrong with an address by itself; whether it may be used, `send` knows.
fn address_complaint(rule: &Rule) -> Option<String> {
    if rule.address.0.is_empty() {
        return Some("where to? It is missing".to_owned());
    }
    if rule.address.0.len() > MAX_TEXT_BYTES {
        return Some("at most 1,000 bytes".to_owned());
    }
    if rule.channel == Channel::Mail {
        let is_address = |text: &str| text.parse::<lettre::Address>().is_ok();
        return match rule.recipients().count() {
            0 => Some("mail addresses, separated by commas".to_owned()),
            count if count > MAX_RECIPIENTS => Some(format!("at most {MAX_RECIPIENTS} mail addresses")),
            _ => rule
                .recipients()
                .find(|text| !is_address(text))
                .map(|text| format!("{:?} is no mail address", tracing_issues::event::truncate_chars(text, 80))),
        };
    }
    None
}

impl fmt::Display for Channel {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn draft() -> Draft {
        Draft {
            name: Some("on call".to_owned()),
            channel: Some(Channel::Webhook),
            address: Some("https://hooks.example.com/T0/s3cr3t".to_owned()),
            filter: Some("service:newsfeed severity:critical -tag:test".to_owned()),
            threshold_count: Some(100),
            ..Draft::default()
        }
    }

    fn rule(draft: Draft) -> Result<Rule, Vec<InvalidField>> {
        draft.into_rule("0".repeat(16), &Principal::local_admin(), Timestamp::UNIX_EPOCH)
    }

    #[test]
    fn what_is_stored_is_read_again_and_shows_no_secret() {
        let made = rule(draft()).unwrap();
        let record = Record { id: made.id.clone(), fields: made.fields(), version: 0 };
        assert_eq!(Rule::of(&record), made);
        let threshold = Threshold { count: 100, per: Period::Hour, cool_down_minutes: 60 };
        assert_eq!((made.threshold, made.every_minutes, made.on.words().count()), (Some(threshold), 5, 3));
        assert_eq!(made.place(), "https://hooks.example.com/…");
        let shown = format!("{made:?} {}", made.describe());
        assert!(!shown.contains("s3cr3t") && !shown.contains("whsec_"), "{shown}");

        let mut unreadable = record;
        unreadable.fields.insert("filter".to_owned(), Field::Text("colour:red".to_owned()));
        assert!(!Rule::of(&unreadable).is_active, "a filter nobody understands tells nobody anything");
    }

    #[test]
    fn a_change_leaves_the_rest_and_a_new_channel_needs_its_address() {
        let made = rule(draft()).unwrap();
        let pause = Draft { is_active: Some(false), address: Some(" ".to_owned()), ..Draft::default() };
        let paused = pause.apply(made.clone()).unwrap();
        assert_eq!(paused, Rule { is_active: false, ..made.clone() });
        let off = Draft { threshold_count: Some(0), ..Draft::default() }.apply(made.clone()).unwrap();
        assert_eq!(off.threshold, None);
        let mail = Draft { channel: Some(Channel::Mail), ..Draft::default() };
        assert_eq!(mail.clone().apply(made.clone()).unwrap_err()[0].field, "address");
        let mail = Draft { address: Some("a@example.com, b@example.com".to_owned()), ..mail };
        let mail = mail.apply(made).unwrap();
        assert_eq!((mail.recipients().count(), mail.secret), (2, None));
    }

    #[test]
    fn what_is_wrong_is_named() {
        #[track_caller]
        fn check(draft: Draft, field: &str) {
            let wrong = rule(draft).unwrap_err();
            assert!(wrong.iter().any(|wrong| wrong.field == field), "{field}: {wrong:?}");
        }
        let text = |text: &str| Some(text.to_owned());
        check(Draft { name: text(" "), ..draft() }, "name");
        check(Draft { name: text("a\nb"), ..draft() }, "name");
        check(Draft { name: Some("x".repeat(101)), ..draft() }, "name");
        check(Draft { address: None, ..draft() }, "address");
        let mail = |address| Draft { channel: Some(Channel::Mail), address: text(address), ..draft() };
        check(mail("ada"), "address");
        check(mail("a@example.com\r\nBcc: b@example.com"), "address");
        check(mail(","), "address");
        check(mail(&"a@example.com,".repeat(21)), "address");
        check(Draft { filter: text("colour:red"), ..draft() }, "filter");
        check(Draft { filter: text("refused"), ..draft() }, "filter");
        check(Draft { on: Some(vec!["old".to_owned()]), ..draft() }, "on");
        check(Draft { on: Some(Vec::new()), threshold_count: None, ..draft() }, "on");
        check(Draft { cool_down_minutes: Some(0), ..draft() }, "cool_down_minutes");
        check(Draft { every_minutes: Some(1_441), ..draft() }, "every_minutes");
    }
}
