//! Batches of occurrences: load, fold, and one commit that fails if anything that it builds on has changed.
//!
//! An event is known by its activity, which has its id. The first attempt does not look for these: it creates them on the
//! condition that they do not exist, so usual traffic costs no reads for them. Only if that commit is refused, because an
//! event came twice or somebody wrote the same issue, are they read, and the batch is folded again without the known ones.
//! An unknown outcome (a time-out) is therefore safe to repeat.

use std::collections::{BTreeSet, HashMap, HashSet};

use firestore::gcloud_sdk::{
    google::firestore::v1::{Document, Write},
    prost::Message,
};

use super::{
    FirestoreStore,
    client::Refused,
    document,
    facets::{self, Facet},
    unavailable,
    value::Fields,
    write::{ATTEMPTS, create, pause, put, save},
};
use crate::{
    domain::{ActivityKind, Effect, Occurrence, fold},
    store::{Batch, StoreError, Stored, Watermark, by_issue},
};

/// The most occurrences of one commit. Each makes one to four writes.
const MAX_OCCURRENCES: usize = 500;

/// The most bytes of one commit. Firestore takes 10 MiB, index entries included.
const MAX_BYTES: usize = 4 << 20;

/// What is stored of the issues of a batch.
struct Loaded {
    /// Issues, daily comments and facets, by name.
    documents: HashMap<String, Document>,
    /// The names of activities that events made before; empty if they were not looked for.
    activities: HashSet<String>,
}

/// A commit to be made, and what it means.
struct Plan {
    writes: Vec<Write>,
    /// Documents that may be wanted again soon, each with the index of its write.
    saved: Vec<(usize, Document)>,
    /// What became of each occurrence.
    stored: Vec<Stored>,
}

impl Plan {
    fn save(&mut self, name: String, before: Option<&Document>, fields: Fields) {
        let document = Document { name: name.clone(), fields: fields.clone(), ..Document::default() };
        self.saved.push((self.writes.len(), document));
        self.writes.push(save(name, before, fields));
    }
}

impl FirestoreStore {
    /// One commit, unless the batch is larger than Firestore takes: then one after another, and the watermark goes with
    /// the last. If one in between fails, the caller has an error and an old watermark: it repeats the whole batch, and
    /// what was committed is known by its event ids.
    pub(super) async fn ingest_batch(&self, batch: &Batch) -> Result<Vec<Stored>, StoreError> {
        let mut stored = Vec::with_capacity(batch.occurrences.len());
        let mut parts: Vec<&[Occurrence]> = batch.occurrences.chunks(MAX_OCCURRENCES).rev().collect();
        if parts.is_empty() {
            parts.push(&[]);
        }
        while let Some(part) = parts.pop() {
            let watermark = batch.watermark.as_ref().filter(|_| parts.is_empty());
            match self.commit_part(part, watermark).await? {
                Some(of_part) => stored.extend(of_part),
                None => {
                    let (first, second) = part.split_at(part.len() / 2);
                    parts.extend([second, first]);
                }
            }
        }
        Ok(stored)
    }

    /// `None` if the commit would be too large, and can be divided.
    async fn commit_part(
        &self,
        part: &[Occurrence],
        watermark: Option<&Watermark>,
    ) -> Result<Option<Vec<Stored>>, StoreError> {
        let facets = self.facets.unseen(part);
        for attempt in 0..ATTEMPTS {
            pause(attempt).await;
            let loaded = self.load(part, &facets, attempt > 0).await?;
            let Plan { mut writes, saved, stored } = self.plan(part, &loaded)?;
            let facets_name = self.paths().facets();
            writes.extend(facets::addition(facets_name.clone(), loaded.documents.get(&facets_name), &facets)?);
            // No precondition: of two consumers the later one stands, as in the embedded store. A place that is too
            // early only makes somebody read again what is known by its event ids.
            writes.extend(watermark.map(|watermark| {
                put(
                    self.paths().watermark(&watermark.topic, watermark.partition),
                    document::watermark_fields(watermark),
                )
            }));
            if part.len() > 1 && writes.iter().map(Message::encoded_len).sum::<usize>() > MAX_BYTES {
                return Ok(None);
            }
            // Before the answer is known: this future may be dropped while it waits.
            self.recent.forget(saved.iter().map(|(_, document)| &document.name));
            let committed = if writes.is_empty() { Ok(Vec::new()) } else { self.client.commit(writes).await };
            match committed {
                Ok(times) => {
                    let time_of = |index: usize| times.get(index).copied().flatten();
                    self.recent.remember(saved.into_iter().filter_map(|(index, document)| {
                        Some(Document { update_time: Some(time_of(index)?), ..document })
                    }));
                    self.facets.remember(facets);
                    return Ok(Some(stored));
                }
                Err(Refused::Stale) => (),
                Err(Refused::Failed(error)) => return Err(error),
            }
        }
        Err(unavailable("others kept changing the same issues"))
    }

    /// Reads what is stored of the issues of `part`. After a refusal nothing is taken from memory, and it is asked which
    /// of the events are there.
    async fn load(
        &self,
        part: &[Occurrence],
        facets: &BTreeSet<Facet>,
        is_refused: bool,
    ) -> Result<Loaded, StoreError> {
        let paths = self.paths();
        let names: BTreeSet<String> = part.iter().map(|occurrence| paths.issue(occurrence.issue_id.as_str())).collect();
        let mut names: Vec<String> = names.into_iter().collect();
        let mut documents = HashMap::new();
        if !is_refused {
            self.recent.find(&mut names, &mut documents);
        }
        names.extend((!facets.is_empty()).then(|| paths.facets()));
        let activities: BTreeSet<String> =
            part.iter().filter(|_| is_refused).map(|occurrence| self.activity_of(occurrence)).collect();
        let (found, activities) = tokio::try_join!(
            self.client.get(names, None),
            // One field, since only their being there matters.
            self.client.get(activities.into_iter().collect(), Some("type")),
        )?;
        documents.extend(found);

        // An issue that is not there has no daily comments: new issues cost one read.
        let comments: BTreeSet<String> = part
            .iter()
            .filter(|occurrence| occurrence.effect == Effect::Occurred)
            .filter(|occurrence| documents.contains_key(&paths.issue(occurrence.issue_id.as_str())))
            .map(|occurrence| paths.comment(&occurrence.issue_id, &fold::daily_comment_id(occurrence)))
            .collect();
        let mut comments: Vec<String> = comments.into_iter().collect();
        if !is_refused {
            self.recent.find(&mut comments, &mut documents);
        }
        documents.extend(self.client.get(comments, None).await?);
        Ok(Loaded { documents, activities: activities.into_keys().collect() })
    }

    fn plan(&self, part: &[Occurrence], loaded: &Loaded) -> Result<Plan, StoreError> {
        let mut plan = Plan { writes: Vec::new(), saved: Vec::new(), stored: vec![Stored::Duplicate; part.len()] };
        for (id, indexes) in by_issue(part) {
            let mut in_batch = HashSet::new();
            let is_fresh = |index: &usize| {
                let occurrence = &part[*index];
                in_batch.insert(occurrence.event_id) && !loaded.activities.contains(&self.activity_of(occurrence))
            };
            let fresh: Vec<usize> = indexes.into_iter().filter(is_fresh).collect();
            if fresh.is_empty() {
                continue;
            }
            let before = loaded.documents.get(&self.paths().issue(id.as_str()));
            let existing = before.map(|document| document::read(document, document::issue)).transpose()?;
            let occurrences: Vec<&Occurrence> = fresh.iter().map(|index| &part[*index]).collect();
            let Some(folded) = fold::fold(existing, &occurrences) else {
                fresh.into_iter().for_each(|index| plan.stored[index] = Stored::NoIssue);
                continue;
            };
            for (nth, index) in fresh.into_iter().enumerate() {
                plan.stored[index] = Stored::of(&folded, nth);
            }
            self.add(&mut plan, before, folded, &loaded.documents)?;
        }
        Ok(plan)
    }

    fn add(
        &self,
        plan: &mut Plan,
        before: Option<&Document>,
        folded: fold::Folded,
        documents: &HashMap<String, Document>,
    ) -> Result<(), StoreError> {
        let (paths, issue) = (self.paths(), folded.issue);
        for (comment_id, recurrence) in &folded.recurrences {
            let name = paths.comment(&issue.id, comment_id);
            let before = documents.get(&name);
            let told = before.map(|document| document::read(document, document::comment)).transpose()?;
            plan.save(name, before, document::comment_fields(&recurrence.apply(comment_id, told.as_ref())));
        }
        plan.save(paths.issue(issue.id.as_str()), before, document::issue_fields(&issue));
        for comment in &folded.comments {
            plan.writes.push(create(paths.comment(&issue.id, &comment.id), document::comment_fields(comment)));
        }
        for activity in &folded.activities {
            let (name, fields) = (paths.activity(&issue.id, &activity.id), document::activity_fields(activity));
            // Those two have ids of their own and may be there; all others have an event's, which must be new.
            let may_exist = activity.id == fold::CREATED_ID || activity.kind == ActivityKind::Regressed;
            plan.writes.push(if may_exist { put(name, fields) } else { create(name, fields) });
        }
        Ok(())
    }

    /// The name of the activity by which an event is known.
    fn activity_of(&self, occurrence: &Occurrence) -> String {
        self.paths().activity(&occurrence.issue_id, &occurrence.event_id.to_string())
    }
}
