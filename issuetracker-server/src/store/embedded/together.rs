//! Batches that come while another is being committed are committed together: a commit waits for the disk, and an issue
//! that is in several of them is read and written once.

use std::{
    collections::VecDeque,
    mem,
    sync::{Mutex, PoisonError},
};

use rusqlite::{Connection, TransactionBehavior};
use tokio::sync::oneshot;

use super::{unavailable, write};
use crate::{
    domain::Occurrence,
    store::{Batch, StoreError, Stored, Watermark},
};

/// Occurrences in one commit, at most, unless one batch alone has more. Readers and other writers do not wait long for it.
const OCCURRENCES: usize = 4_000;

type Answer = Result<Vec<Stored>, StoreError>;

struct Queued {
    batch: Batch,
    answer: oneshot::Sender<Answer>,
}

/// What waits for the writer.
#[derive(Default)]
pub(super) struct Waiting(Mutex<VecDeque<Queued>>);

impl Waiting {
    pub(super) fn add(&self, batch: Batch) -> oneshot::Receiver<Answer> {
        let (answer, answered) = oneshot::channel();
        self.0.lock().unwrap_or_else(PoisonError::into_inner).push_back(Queued { batch, answer });
        answered
    }

    /// Commits what waits, as far as it fits into one commit. Once for each batch is enough; with nothing left it does nothing.
    pub(super) fn commit(&self, connection: &mut Connection) {
        let mut queued = self.take();
        if queued.len() > 1 {
            let batches: Vec<Batch> = queued.iter_mut().map(|queued| mem::take(&mut queued.batch)).collect();
            let lengths: Vec<usize> = batches.iter().map(|batch| batch.occurrences.len()).collect();
            let watermarks: Vec<Watermark> = batches.iter().filter_map(|batch| batch.watermark.clone()).collect();
            let mut occurrences: Vec<Occurrence> = batches.into_iter().flat_map(|batch| batch.occurrences).collect();
            if let Ok(mut stored) = commit(connection, &occurrences, &watermarks) {
                for (queued, length) in queued.into_iter().zip(lengths) {
                    let rest = stored.split_off(length);
                    let _ = queued.answer.send(Ok(mem::replace(&mut stored, rest)));
                }
                return;
            }
            // One of them stands in the way of the others: each alone then, so that only that one fails.
            for (queued, length) in queued.iter_mut().zip(lengths) {
                let rest = occurrences.split_off(length);
                queued.batch.occurrences = mem::replace(&mut occurrences, rest);
            }
        }
        for Queued { batch, answer } in queued {
            // The caller may have gone; the commit stands, and every effect is safe to repeat.
            let _ = answer.send(commit(connection, &batch.occurrences, batch.watermark.as_slice()));
        }
    }

    fn take(&self) -> Vec<Queued> {
        let mut waiting = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let (mut taken, mut occurrences) = (Vec::new(), 0);
        while let Some(next) = waiting.front() {
            occurrences += next.batch.occurrences.len();
            if !taken.is_empty() && occurrences > OCCURRENCES {
                break;
            }
            taken.extend(waiting.pop_front());
        }
        taken
    }
}

fn commit(connection: &mut Connection, occurrences: &[Occurrence], watermarks: &[Watermark]) -> Answer {
    let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate).map_err(unavailable)?;
    let stored = write::ingest(&transaction, occurrences, watermarks)?;
    transaction.commit().map_err(unavailable)?;
    Ok(stored)
}
