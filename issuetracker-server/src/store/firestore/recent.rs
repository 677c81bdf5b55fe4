//! Documents as this process last committed them, so that issues that keep coming back are not read again each time:
//! all that concerns one issue is on one partition, so mostly nobody else writes them. It cannot do harm, only be of no
//! use: every write of a document from here carries the time of that last commit as its precondition.

use std::{
    collections::HashMap,
    sync::{Mutex, MutexGuard, PoisonError},
};

use firestore::gcloud_sdk::{google::firestore::v1::Document, prost::Message};

/// The most that is kept, as encoded; in memory it is some times more. Then it starts again.
const MAX_BYTES: usize = 4 << 20;

/// What was committed recently, by name.
#[derive(Default)]
pub(super) struct Recent(Mutex<Held>);

#[derive(Default)]
struct Held {
    documents: HashMap<String, Document>,
    bytes: usize,
}

impl Recent {
    /// Moves what is known of `names` into `known`, and leaves the others in `names`.
    pub(super) fn find(&self, names: &mut Vec<String>, known: &mut HashMap<String, Document>) {
        let held = self.held();
        names.retain(|name| match held.documents.get(name) {
            Some(document) => known.insert(name.clone(), document.clone()).is_some(),
            None => true,
        });
    }

    /// Keeps documents that were committed, with the time at which they were.
    pub(super) fn remember(&self, documents: impl IntoIterator<Item = Document>) {
        let mut held = self.held();
        for document in documents {
            let bytes = document.encoded_len();
            if held.bytes + bytes > MAX_BYTES {
                *held = Held::default();
            }
            held.bytes += bytes;
            if let Some(old) = held.documents.insert(document.name.clone(), document) {
                held.bytes = held.bytes.saturating_sub(old.encoded_len());
            }
        }
    }

    /// Drops what may have been changed by somebody else, or by a commit whose outcome nobody knows.
    pub(super) fn forget<'a>(&self, names: impl IntoIterator<Item = &'a String>) {
        let mut held = self.held();
        for name in names {
            if let Some(old) = held.documents.remove(name) {
                held.bytes = held.bytes.saturating_sub(old.encoded_len());
            }
        }
    }

    fn held(&self) -> MutexGuard<'_, Held> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
