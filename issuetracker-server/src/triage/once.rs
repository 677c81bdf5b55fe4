//! Requests that make something once, however often they are sent: whoever sends one names it (`Idempotency-Key`), and the
//! same name means the same issue or comment. The name stands for the id of what is made, so even without the record of
//! the request it is not made twice; the record refuses the name for another request.

use jiff::{SignedDuration, Timestamp};
use sha2::{Digest, Sha256};
use uuid::Uuid;

use super::TriageError;
use crate::{
    domain::hex,
    store::{Expect, Field, Fields, IssueStore, Kind, RecordWrite, StoreError, sweep_records},
};

/// Names are remembered for so long: a day less than the ids of events are.
const KEPT: SignedDuration = SignedDuration::from_hours(13 * 24);

/// A request that has a name.
#[derive(Debug, Clone, Copy)]
pub struct Once<'a> {
    /// The name, as its sender chose it.
    pub key: &'a str,
    /// What the request says, to know it again.
    pub body: &'a [u8],
}

impl Once<'_> {
    /// The id of what is made by this request of this user at this place; the same for the same name.
    ///
    /// # Errors
    /// [`TriageError::KeyReused`] if the name was used for another request, or those of the store.
    pub(super) async fn id(
        &self,
        store: &dyn IssueStore,
        user_id: &str,
        place: &str,
        now: Timestamp,
    ) -> Result<Uuid, TriageError> {
        let mut hash = Sha256::new();
        for part in [user_id, place, self.key] {
            hash.update((part.len() as u64).to_be_bytes());
            hash.update(part);
        }
        let digest = hash.finalize();
        let mut bytes = [0; 16];
        bytes.copy_from_slice(&digest[..16]);
        let (name, said) = (hex(&digest), hex(&Sha256::digest(self.body)));
        let fields =
            Fields::from([("body".to_owned(), Field::Text(said.clone())), ("at".to_owned(), Field::Time(now))]);
        match store.write_records(vec![RecordWrite::put(Kind::Once, &name, fields, Expect::Absent)]).await {
            Err(StoreError::Conflict) => {
                let record = store.record(Kind::Once, &name).await?;
                if record.is_some_and(|record| record.text("body") != said) {
                    return Err(TriageError::KeyReused);
                }
            }
            written => written?,
        }
        Ok(Uuid::new_v8(bytes))
    }
}

/// Forgets names that are older than they are remembered.
///
/// # Errors
/// Those of the store; the next time does the rest.
pub async fn sweep(store: &dyn IssueStore, now: Timestamp) -> Result<(), StoreError> {
    let is_old = |at: Option<Timestamp>| at.is_none_or(|at| now.duration_since(at) > KEPT);
    sweep_records(store, Kind::Once, |record| is_old(record.time("at"))).await
}
