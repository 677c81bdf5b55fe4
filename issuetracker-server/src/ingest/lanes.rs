//! The loop of the consumer: it serves the group, and starts and stops the lanes. It takes no records itself, so nothing
//! that a lane waits for keeps it from polling.

use std::{
    collections::{BTreeMap, btree_map::Entry},
    sync::Arc,
    time::Duration,
};

use rdkafka::{
    Message, Offset, TopicPartitionList,
    consumer::{CommitMode, Consumer, StreamConsumer, stream_consumer::StreamPartitionQueue},
    error::{KafkaError, RDKafkaErrorCode as Code},
};
use tokio::{
    sync::mpsc::UnboundedReceiver,
    task::JoinHandle,
    time::{Instant, sleep, timeout_at},
};
use tokio_util::sync::CancellationToken;

use super::{
    Shared,
    lane::Lane,
    members::{Change, Context, numbers},
};

/// How long a commit that is under way may take when its partition is given away, so that the next owner does not repeat it.
const REVOKE_GRACE: Duration = Duration::from_secs(1);
/// The same when the server stops.
const STOP_GRACE: Duration = Duration::from_secs(5);
/// Errors of the client come in a tight loop.
const ERROR_PAUSE: Duration = Duration::from_millis(250);

/// The records of one partition.
pub(super) type Queue = StreamPartitionQueue<Context>;

pub(super) struct Lanes {
    consumer: Arc<StreamConsumer<Context>>,
    shared: Arc<Shared>,
    changes: UnboundedReceiver<Change>,
    /// Kept when a partition goes: dropping one would take the wake-up from the next of the same partition.
    queues: BTreeMap<i32, Arc<Queue>>,
    running: BTreeMap<i32, (CancellationToken, JoinHandle<()>)>,
}

impl Lanes {
    pub(super) fn new(
        consumer: Arc<StreamConsumer<Context>>,
        shared: Arc<Shared>,
        changes: UnboundedReceiver<Change>,
    ) -> Self {
        Self { consumer, shared, changes, queues: BTreeMap::new(), running: BTreeMap::new() }
    }

    /// Runs until `shutdown`; then all lanes have ended, and what they have done is stored.
    pub(super) async fn run(mut self, shutdown: &CancellationToken) {
        let consumer = Arc::clone(&self.consumer);
        loop {
            tokio::select! {
                biased;
                () = shutdown.cancelled() => break,
                Some(change) = self.changes.recv() => self.answer(change).await,
                received = consumer.recv() => match received {
                    Err(error) => self.told(&error).await,
                    Ok(record) => {
                        // It cannot be: each partition is split before it is assigned. To go on would lose it.
                        tracing::error!(partition = record.partition(), "a record came outside its partition's queue");
                        break;
                    }
                },
            }
        }
        let all: Vec<i32> = self.running.keys().copied().collect();
        self.stop(&all, STOP_GRACE).await;
        // The group still waits for these answers, and without them the consumer would not close.
        self.changes.close();
        while let Ok(change) = self.changes.try_recv() {
            if let Change::Assigned(partitions) | Change::Revoked(partitions) = change {
                let _ = self.consumer.incremental_unassign(&partitions);
            }
        }
    }

    async fn answer(&mut self, change: Change) {
        match change {
            Change::Assigned(partitions) => {
                self.assign(&partitions);
                tracing::info!(partitions = ?numbers(&partitions), "partitions assigned");
            }
            Change::Revoked(partitions) => {
                let given = numbers(&partitions);
                // What a lane has stored until now is committed by this answer.
                self.stop(&given, REVOKE_GRACE).await;
                if let Err(error) = self.consumer.incremental_unassign(&partitions) {
                    tracing::warn!(%error, "partitions could not be given away");
                }
                tracing::info!(partitions = ?given, "partitions revoked");
            }
            Change::CreatedAnew { partition, from } if self.running.contains_key(&partition) => {
                tracing::warn!(partition, from, "the topic was created anew; the partition is read from its beginning");
                self.stop(&[partition], REVOKE_GRACE).await;
                self.go_back(partition, from);
                self.start(partition, Some(from));
            }
            Change::CreatedAnew { .. } => (),
        }
    }

    /// Tells the group that a partition begins again: the client itself never commits less than it has committed.
    fn go_back(&self, partition: i32, from: i64) {
        let mut place = TopicPartitionList::new();
        let committed = place
            .add_partition_offset(&self.shared.config.topic, partition, Offset::Offset(from))
            .and_then(|()| self.consumer.commit(&place, CommitMode::Async));
        if let Err(error) = committed {
            tracing::warn!(%error, partition, "the group was not told that the partition begins again");
        }
    }

    fn assign(&mut self, partitions: &TopicPartitionList) {
        // Split first: a record that came before would be met by nobody.
        for partition in numbers(partitions) {
            if let Entry::Vacant(place) = self.queues.entry(partition)
                && let Some(queue) = self.consumer.split_partition_queue(&self.shared.config.topic, partition)
            {
                place.insert(Arc::new(queue));
            }
        }
        if let Err(error) = self.consumer.incremental_assign(partitions) {
            tracing::error!(%error, "partitions could not be taken");
        }
        numbers(partitions).into_iter().for_each(|partition| self.start(partition, None));
    }

    fn start(&mut self, partition: i32, from: Option<i64>) {
        let Some(queue) = self.queues.get(&partition) else { return };
        self.shared.places.assigned(partition);
        let stop = CancellationToken::new();
        let (shared, consumer, queue) = (Arc::clone(&self.shared), Arc::clone(&self.consumer), Arc::clone(queue));
        let lane = Lane::new(shared, consumer, queue, partition, from);
        self.running.insert(partition, (stop.clone(), tokio::spawn(lane.run(stop))));
    }

    /// Ends lanes: those that wait at once, those that commit when they are done, but not later than in `grace`.
    async fn stop(&mut self, partitions: &[i32], grace: Duration) {
        let stopped: Vec<_> = partitions.iter().filter_map(|number| self.running.remove(number)).collect();
        stopped.iter().for_each(|(stop, _)| stop.cancel());
        let deadline = Instant::now() + grace;
        for (_, mut lane) in stopped {
            if timeout_at(deadline, &mut lane).await.is_err() {
                // The commit may still happen; the next owner reads the records again, to the same effect.
                lane.abort();
            }
        }
        partitions.iter().for_each(|number| self.shared.places.revoked(*number));
    }

    async fn told(&self, error: &KafkaError) {
        if !is_outage(error) {
            self.shared.places.is_in_trouble(error.to_string());
        }
        sleep(ERROR_PAUSE).await;
    }
}

/// Whether the error only says that no broker can be reached, that there is nothing to read yet, or what the check of the
/// topic says better.
pub(super) fn is_outage(error: &KafkaError) -> bool {
    matches!(
        error.rdkafka_error_code(),
        Some(
            Code::BrokerTransportFailure
                | Code::AllBrokersDown
                | Code::Resolve
                | Code::OperationTimedOut
                | Code::RequestTimedOut
                | Code::PartitionEOF
                | Code::NotCoordinator
                | Code::CoordinatorLoadInProgress
                | Code::CoordinatorNotAvailable
                | Code::UnknownTopic
                | Code::UnknownPartition
                | Code::UnknownTopicOrPartition
                | Code::UnknownTopicId
        )
    )
}
