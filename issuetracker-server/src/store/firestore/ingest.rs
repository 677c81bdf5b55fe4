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
    service_days, unavailable,
    value::Fields,
    write::{ATTEMPTS, create, pause, put, save},
};
use crate::{
    domain::{ActivityKind, Effect, IssueId, Occurrence, fold},
    store::{
        Batch, StoreError, Stored, Watermark,
        resolve::{Alias, Destination, Found, Resolver, by_issue},
    },
};

/// The most occurrences of one commit. Each makes one to four writes.
const MAX_OCCURRENCES: usize = 500;

/// The most bytes of one commit. Firestore takes 10 MiB, index entries included.
const MAX_BYTES: usize = 4 << 20;

/// What is stored of the issues of a batch.
struct Loaded {
    /// Where each occurrence goes.
    destinations: Vec<Destination>,
    /// Issues, daily comments, facets and the watermark, by name.
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
    /// Events that issues have more.
    grown: Vec<(IssueId, usize)>,
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
            let loaded = self.load(part, &facets, watermark, attempt > 0).await?;
            let Plan { mut writes, saved, stored, grown } = self.plan(part, watermark, &loaded)?;
            let facets_name = self.paths().facets();
            writes.extend(facets::addition(facets_name.clone(), loaded.documents.get(&facets_name), &facets)?);
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
                    grown.iter().for_each(|(id, events)| self.grown.add(id, *events));
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
        watermark: Option<&Watermark>,
        is_refused: bool,
    ) -> Result<Loaded, StoreError> {
        let paths = self.paths();
        let own: BTreeSet<String> = part.iter().map(|occurrence| paths.issue(occurrence.issue_id.as_str())).collect();
        let mut names: Vec<String> = own.into_iter().collect();
        names.extend(watermark.map(|watermark| paths.watermark(&watermark.topic, watermark.partition)));
        let mut documents = HashMap::new();
        if !is_refused {
            self.recent.find(&mut names, &mut documents);
        }
        names.extend((!facets.is_empty()).then(|| paths.facets()));
        documents.extend(self.client.get(names, None).await?);
        documents.extend(self.client.get(self.other_ids(part, &documents), None).await?);
        let destinations = Resolver::new(|id: &IssueId| self.found(id, &documents)).resolve_all(part)?;

        let mut names: BTreeSet<String> = BTreeSet::new();
        let mut activities: BTreeSet<String> = BTreeSet::new();
        for (occurrence, destination) in part.iter().zip(&destinations) {
            let issue = paths.issue(destination.issue_id.as_str());
            let is_other = destination.issue_id != occurrence.issue_id;
            // An issue that is not there has no daily comments.
            if occurrence.effect == Effect::Occurred && (is_other || documents.contains_key(&issue)) {
                names.insert(paths.comment(&destination.issue_id, &fold::daily_comment_id(occurrence)));
            }
            names.extend(is_other.then_some(issue));
            if is_refused {
                activities.insert(self.activity_of(&destination.issue_id, occurrence));
            }
            activities.extend(destination.via.iter().map(|id| self.activity_of(id, occurrence)));
        }
        let mut names: Vec<String> = names.into_iter().filter(|name| !documents.contains_key(name)).collect();
        if !is_refused {
            self.recent.find(&mut names, &mut documents);
        }
        let (found, activities) = tokio::try_join!(
            self.client.get(names, None),
            // One field, since only their being there matters.
            self.client.get(activities.into_iter().collect(), Some("type")),
        )?;
        documents.extend(found);
        Ok(Loaded { destinations, documents, activities: activities.into_keys().collect() })
    }

    /// Under which other names the issues of `part` may be known that are not among `documents`.
    fn other_ids(&self, part: &[Occurrence], documents: &HashMap<String, Document>) -> Vec<String> {
        let paths = self.paths();
        let is_missing = |occurrence: &&Occurrence| !documents.contains_key(&paths.issue(occurrence.issue_id.as_str()));
        let names = part.iter().filter(is_missing).flat_map(|occurrence| {
            let former = occurrence.former_issue_ids.iter();
            let former = former.flat_map(move |id| [paths.issue(id.as_str()), paths.alias(id.as_str())]);
            former.chain([paths.alias(occurrence.issue_id.as_str())])
        });
        names.collect::<BTreeSet<_>>().into_iter().collect()
    }

    fn found(&self, id: &IssueId, documents: &HashMap<String, Document>) -> Result<Option<Found>, StoreError> {
        if documents.contains_key(&self.paths().issue(id.as_str())) {
            return Ok(Some(Found::Issue));
        }
        let alias = documents.get(&self.paths().alias(id.as_str()));
        alias.map(|document| document::read(document, document::alias).map(Found::Alias)).transpose()
    }

    fn plan(&self, part: &[Occurrence], watermark: Option<&Watermark>, loaded: &Loaded) -> Result<Plan, StoreError> {
        let mut plan = Plan {
            writes: Vec::new(),
            saved: Vec::new(),
            stored: vec![Stored::Duplicate; part.len()],
            grown: Vec::new(),
        };
        let (mut counted, mut created) = (Vec::with_capacity(part.len()), Vec::new());
        for (id, indexes) in by_issue(&loaded.destinations) {
            let mut in_batch = HashSet::new();
            let is_fresh = |index: &usize| {
                let (occurrence, via) = (&part[*index], &loaded.destinations[*index].via);
                let mut places = via.iter().chain([id]);
                in_batch.insert(occurrence.event_id)
                    && !places.any(|id| loaded.activities.contains(&self.activity_of(id, occurrence)))
            };
            let fresh: Vec<usize> = indexes.into_iter().filter(is_fresh).collect();
            if fresh.is_empty() {
                continue;
            }
            let before = loaded.documents.get(&self.paths().issue(id.as_str()));
            let existing = before.map(|document| document::read(document, document::issue)).transpose()?;
            let occurrences: Vec<&Occurrence> = fresh.iter().map(|index| &part[*index]).collect();
            let Some(mut folded) = fold::fold(existing, &occurrences) else {
                fresh.into_iter().for_each(|index| plan.stored[index] = Stored::NoIssue);
                continue;
            };
            let aliases = fresh.iter().flat_map(|index| &loaded.destinations[*index].new_aliases);
            folded.note_aliases(aliases.clone());
            for alias in aliases {
                let fields = document::alias_fields(&Alias { issue_id: id.clone(), via: Vec::new() });
                plan.writes.push(create(self.paths().alias(alias.as_str()), fields));
            }
            plan.grown.push((id.clone(), fresh.len()));
            for (nth, index) in fresh.into_iter().enumerate() {
                plan.stored[index] = Stored::of(&folded, nth);
            }
            counted.extend(occurrences);
            created.extend(folded.is_created.then(|| folded.issue.clone()));
            self.add(&mut plan, before, folded, &loaded.documents)?;
        }
        plan.writes.extend(service_days::additions(self.paths(), fold::service_hours(counted, &created)));
        if let Some(watermark) = watermark {
            let name = self.paths().watermark(&watermark.topic, watermark.partition);
            let before = loaded.documents.get(&name);
            let stored = before.map(|document| document::read(document, document::watermark)).transpose()?;
            // On the condition that it is as it was read: of two consumers of a partition, one reads again what the other
            // has done.
            if let Some(moved) = watermark.moved_from(stored.as_ref()) {
                plan.save(name, before, document::watermark_fields(&moved));
            }
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
            // What has an event's id must be new; all others have ids of their own and may be there.
            let is_of_event = activity.id != fold::CREATED_ID
                && matches!(activity.kind, ActivityKind::Occurrence | ActivityKind::Created | ActivityKind::Commented);
            plan.writes.push(if is_of_event { create(name, fields) } else { put(name, fields) });
        }
        Ok(())
    }

    /// The name of the activity by which an event is known under an issue.
    fn activity_of(&self, issue_id: &IssueId, occurrence: &Occurrence) -> String {
        self.paths().activity(issue_id, &occurrence.event_id.to_string())
    }
}
