//! Watches what no record tells: how far each partition is behind, whether the topic is still there, which gaps there are. It
//! goes on while lanes wait, and changes nothing itself.

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use jiff::Timestamp;
use rdkafka::error::KafkaError;
use tokio::{
    sync::mpsc::UnboundedSender,
    time::{Instant, sleep},
};

use super::{Shared, members::Change, places::Place};
use crate::{
    gaps,
    health::{Health, KAFKA, LAG, TOPIC},
    metrics,
};

const EVERY: Duration = Duration::from_secs(3);
/// Gaps are in the store, and other servers find them or have them dismissed.
const GAPS_EVERY: Duration = Duration::from_secs(60);

pub(super) struct Watch {
    pub(super) shared: Arc<Shared>,
    pub(super) health: Health,
    pub(super) changes: UnboundedSender<Change>,
}

impl Watch {
    /// Runs until it is aborted.
    pub(super) async fn run(self) {
        let mut gaps_looked_at: Option<Instant> = None;
        let mut was_there = true;
        let mut new = Vec::new();
        let mut before = BTreeMap::new();
        loop {
            if gaps_looked_at.is_none_or(|at| at.elapsed() > GAPS_EVERY)
                && gaps::tell(&*self.shared.store, &self.health, Timestamp::now()).await.is_ok()
            {
                gaps_looked_at = Some(Instant::now());
            }
            sleep(EVERY).await;
            let answer = self.are_there().await;
            self.tell_connection(answer.is_ok());
            // No answer says nothing about the topics.
            if let Ok((topic, dead_letters)) = answer {
                self.tell_topics(topic, dead_letters);
                let was_away = !std::mem::replace(&mut was_there, topic);
                if topic && was_away {
                    // It was away and is there: it is another one.
                    new = self.shared.places.snapshot().into_iter().map(|(partition, _)| partition).collect();
                }
                new = self.begin_again(new).await;
            }
            before = self.look_at_partitions(Timestamp::now(), &before).await;
        }
    }

    fn tell_connection(&self, is_answered: bool) {
        metrics::kafka_up(is_answered);
        if is_answered {
            self.health.up(KAFKA);
        } else if self.health.is_ok(KAFKA) {
            self.health.down(KAFKA, "no broker answers in time");
            tracing::warn!("no Kafka broker answers in time; consumption goes on when one does");
        }
    }

    async fn are_there(&self) -> Result<(bool, bool), KafkaError> {
        let Shared { config, observer, .. } = &*self.shared;
        let topic = observer.partitions(&config.topic).await?.is_some();
        Ok((topic, observer.partitions(&config.dlq_topic).await?.is_some()))
    }

    fn tell_topics(&self, topic: bool, dead_letters: bool) {
        let config = &self.shared.config;
        let reason = match (topic, dead_letters) {
            (true, true) => return self.health.up(TOPIC),
            (true, false) => format!("there is no topic {}, and unreadable records wait for it", config.dlq_topic),
            (false, _) => {
                format!("there is no topic {} any more; consumption goes on when it is created again", config.topic)
            }
        };
        if self.health.down(TOPIC, reason.clone()) {
            tracing::error!(reason, "a topic is missing");
        }
    }

    /// Begins partitions again; answers with those that the broker does not know yet.
    async fn begin_again(&self, partitions: Vec<i32>) -> Vec<i32> {
        let mut unknown = Vec::new();
        for partition in partitions {
            match self.shared.observer.bounds(partition).await {
                Ok((from, _)) => _ = self.changes.send(Change::CreatedAnew { partition, from }),
                Err(_) => unknown.push(partition),
            }
        }
        unknown
    }

    /// Answers with the places that it has seen; `before` are those of the last look.
    async fn look_at_partitions(&self, now: Timestamp, before: &BTreeMap<i32, Place>) -> BTreeMap<i32, Place> {
        let (mut total, mut most) = (0, (0, 0));
        let firsts = self.shared.places.take_firsts();
        let mut places: BTreeMap<i32, Place> = self.shared.places.snapshot().into_iter().collect();
        for (partition, place) in places.clone() {
            let Some(next) = place.next else { continue };
            let observer = &self.shared.observer;
            let Ok((_, end)) = observer.bounds(partition).await else {
                self.health.tell(LAG, "not known: no broker answers, or the topic is away");
                return before.clone();
            };
            let lag = (end - next).max(0);
            let age = place.oldest_ms.filter(|_| lag > 0).map_or(0, |oldest| (now.as_millisecond() - oldest).max(0));
            metrics::consumer_lag(partition, lag, age);
            total += lag;
            most = most.max((lag, partition));
            match self.created_anew(partition, [before.get(&partition), firsts.get(&partition)], place).await {
                Ok(None) => (),
                Ok(Some(from)) => {
                    let _ = self.changes.send(Change::CreatedAnew { partition, from });
                    places.remove(&partition);
                }
                // What is not known yet keeps the older place.
                Err(_) => {
                    let known = before.get(&partition).or(firsts.get(&partition));
                    places.extend(known.map(|known| (partition, *known)));
                }
            }
        }
        match most {
            (0, _) => self.health.up(LAG),
            (lag, partition) => {
                self.health.tell(LAG, format!("{total} records behind, the most on partition {partition} ({lag})"));
            }
        }
        places
    }

    /// Where a partition begins again, if its topic was made anew. It is judged by places of before: by now the lane may have
    /// gone on in the new topic, and have its time. The first place since the last look is there for the lane that had begun
    /// again when yet another topic was made.
    async fn created_anew(
        &self,
        partition: i32,
        before: [Option<&Place>; 2],
        now: Place,
    ) -> Result<Option<i64>, KafkaError> {
        // Also if it has begun again by itself meanwhile: that may have been in yet another topic.
        for place in before.into_iter().flatten().chain([&now]) {
            let Some(next) = place.next else { continue };
            let from = self.shared.observer.created_anew(partition, next, place.time_ms).await?;
            if from.is_some() {
                return Ok(from);
            }
        }
        Ok(None)
    }
}
