//! Stored shapes that both stores share: what is one value in the domain and has no column or field of its own, as JSON.
//! Everything else is each store's own.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::domain::{Hours, Mute, MutedUntil, Status, issue::Regression};

type Error = Box<dyn std::error::Error + Send + Sync>;

/// `[[491000, 3], …]`: hour and errors, oldest first.
pub(super) fn hours(hours: &Hours) -> String {
    serde_json::Value::from_iter(hours.iter().map(|(hour, count)| serde_json::json!([hour, count]))).to_string()
}

pub(super) fn read_hours(text: &str) -> Result<Hours, Error> {
    Ok(serde_json::from_str::<Vec<(i64, u64)>>(text)?.into_iter().collect())
}

/// Times are microseconds since 1970.
#[derive(Serialize, Deserialize)]
struct MuteShape {
    since: i64,
    #[serde(skip_serializing_if = "Option::is_none")]
    until: Option<i64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    rate: Option<RateShape>,
}

#[derive(Serialize, Deserialize)]
struct RateShape {
    count: u64,
    per: String,
    before: u64,
}

pub(super) fn mute(mute: &Mute) -> String {
    let since = mute.since.as_microsecond();
    let shape = match mute.until {
        MutedUntil::Unmuted => MuteShape { since, until: None, rate: None },
        MutedUntil::Time(until) => MuteShape { since, until: Some(until.as_microsecond()), rate: None },
        MutedUntil::Rate { count, per, before } => {
            let rate = RateShape { count, per: per.as_str().to_owned(), before };
            MuteShape { since, until: None, rate: Some(rate) }
        }
    };
    to_json(&shape)
}

pub(super) fn read_mute(text: &str) -> Result<Mute, Error> {
    let MuteShape { since, until, rate } = serde_json::from_str(text)?;
    let until = match (until, rate) {
        (Some(until), _) => MutedUntil::Time(Timestamp::from_microsecond(until)?),
        (None, Some(RateShape { count, per, before })) => MutedUntil::Rate { count, per: per.parse()?, before },
        (None, None) => MutedUntil::Unmuted,
    };
    Ok(Mute { since: Timestamp::from_microsecond(since)?, until })
}

#[derive(Serialize, Deserialize)]
struct RegressionShape {
    resolved_at: i64,
    from: String,
    at: i64,
    event: Uuid,
}

pub(super) fn regression(regression: &Regression) -> String {
    let Regression { resolved_at, from, at, event } = regression;
    to_json(&RegressionShape {
        resolved_at: resolved_at.as_microsecond(),
        from: from.as_str().to_owned(),
        at: at.as_microsecond(),
        event: *event,
    })
}

pub(super) fn read_regression(text: &str) -> Result<Regression, Error> {
    let RegressionShape { resolved_at, from, at, event } = serde_json::from_str(text)?;
    Ok(Regression {
        resolved_at: Timestamp::from_microsecond(resolved_at)?,
        from: from.parse::<Status>()?,
        at: Timestamp::from_microsecond(at)?,
        event,
    })
}

fn to_json(shape: &impl Serialize) -> String {
    // Numbers and texts: it cannot fail.
    serde_json::to_string(shape).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::Period;

    #[test]
    fn what_is_written_is_read_again() {
        let time = |second| Timestamp::from_second(second).unwrap();
        let known: Hours = [(491_000, 3), (491_007, u64::MAX)].into_iter().collect();
        assert_eq!(hours(&known), "[[491000,3],[491007,18446744073709551615]]");
        assert_eq!(read_hours(&hours(&known)).unwrap(), known);
        let rate = MutedUntil::Rate { count: 100, per: Period::Day, before: 7 };
        for until in [MutedUntil::Unmuted, MutedUntil::Time(time(9)), rate] {
            let known = Mute { since: time(1), until };
            assert_eq!(read_mute(&mute(&known)).unwrap(), known);
        }
        let known = Regression { resolved_at: time(1), from: Status::Closed, at: time(2), event: Uuid::from_u128(3) };
        assert_eq!(read_regression(&regression(&known)).unwrap(), known);
        assert!(read_mute("{}").is_err());
    }
}
