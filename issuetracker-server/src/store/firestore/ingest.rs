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
    numbers::Numbers,
    service_days, unavailable,
    value::Fields,
    write::{ATTEMPTS, absent, create, pause, put, save},
};
use crate::{
    domain::{ActivityKind, Effect, Issue, IssueId, Occurrence, fold},
    store::{
        Batch, StoreError, Stored, Watermark,
        resolve::{Alias, Destination, Found, Resolver, by_issue},
    },
};

/// The most occurrences of one commit. Each makes one to four writes.
pub(super) const MAX_OCCURRENCES: usize = 500;

/// The most bytes of one commit. Firestore takes 10 MiB, index entries included.
const MAX_BYTES: usize = 4 << 20;

/// What is stored of the issues of a batch.
pub(super) struct Loaded {
    /// Where each occurrence goes.
    pub(super) destinations: Vec<Destination>,
    /// Issues, daily comments and the watermark, by name.
    pub(super) documents: HashMap<String, Document>,
    /// The names of activities that events made before; empty if they were not looked for.
    pub(super) activities: HashSet<String>,
}

/// A commit to be made, and what it means.
pub(super) struct Plan {
    pub(super) writes: Vec<Write>,
    /// Documents that may be wanted again soon, each with the index of its write.
    pub(super) saved: Vec<(usize, Document)>,
    /// The issues among them, for the projection.
    issues: Vec<(usize, Issue)>,
    /// New aliases, likewise.
    aliases: Vec<(usize, IssueId)>,
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
    /// what was committed is known by its event ids. What can never be taken is halved until it stands alone: were the
    /// caller to do that, it would take what is committed already for duplicates.
    pub(super) async fn ingest_batch(&self, batch: &Batch) -> Result<Vec<Stored>, StoreError> {
        let mut stored = Vec::with_capacity(batch.occurrences.len());
        let mut parts: Vec<&[Occurrence]> = batch.occurrences.chunks(MAX_OCCURRENCES).rev().collect();
        if parts.is_empty() {
            parts.push(&[]);
        }
        while let Some(part) = parts.pop() {
            let watermark = batch.watermark.as_ref().filter(|_| parts.is_empty());
            match self.commit_part(part, watermark).await {
                Ok(Some(of_part)) => stored.extend(of_part),
                Err(error @ (StoreError::Refused(_) | StoreError::Corrupt { .. })) if part.len() < 2 => {
                    // Without an event it is the place that cannot be written, and nothing goes on.
                    let [occurrence] = part else { return Err(error) };
                    stored.push(Stored::refused(occurrence, &error));
                    if watermark.is_some() {
                        parts.push(&[]);
                    }
                }
                Ok(None) | Err(StoreError::Refused(_) | StoreError::Corrupt { .. }) => {
                    let (first, second) = part.split_at(part.len() / 2);
                    parts.extend([second, first]);
                }
                Err(error) => return Err(error),
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
        let (mut refusal, mut numbers) = (None, Numbers::default());
        for attempt in 0..ATTEMPTS {
            pause(attempt).await;
            let loaded = self.load(part, watermark, attempt > 0).await?;
            self.take_numbers(part, &loaded, &mut numbers).await?;
            let plan = self.plan(part, watermark, &loaded, &mut numbers)?;
            let Plan { writes, saved, issues, aliases, stored, grown } = plan;
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
                    grown.iter().for_each(|(id, events)| self.grown.add(id, *events));
                    let issues = issues.into_iter().filter_map(|(index, issue)| Some((issue, time_of(index)?)));
                    let aliases = aliases.into_iter().filter_map(|(index, id)| Some((id, time_of(index)?)));
                    self.projection.take_committed(issues, aliases).await;
                    return Ok(Some(stored));
                }
                Err(Refused::Stale(status)) => refusal = Some(status.to_string()),
                // It may be the guards of what was not read that it cannot take: once more without any.
                Err(Refused::Failed(StoreError::Refused(error))) if attempt == 0 => refusal = Some(error.to_string()),
                Err(Refused::Failed(error)) => {
                    self.projection.doubt(issues.iter().map(|(_, issue)| self.paths().issue(issue.id.as_str())));
                    return Err(error);
                }
            }
        }
        let refusal = refusal.unwrap_or_default();
        Err(unavailable(format!("others kept changing the same issues: {refusal}")))
    }

    /// Reads what is stored of the issues of `part`. After a refusal nothing is taken from memory, and it is asked which
    /// of the events are there.
    async fn load(
        &self,
        part: &[Occurrence],
        watermark: Option<&Watermark>,
        is_refused: bool,
    ) -> Result<Loaded, StoreError> {
        let paths = self.paths();
        let own: BTreeSet<&IssueId> = part.iter().map(|occurrence| &occurrence.issue_id).collect();
        let (mut documents, mut impossible) = (HashMap::new(), HashSet::new());
        if !is_refused {
            impossible = self.impossible(part).await;
        }
        let own = own.into_iter().filter(|id| !impossible.contains(id.as_str()));
        let mut names: Vec<String> = own.map(|id| paths.issue(id.as_str())).collect();
        let mut place: Vec<String> =
            watermark.iter().map(|watermark| paths.watermark(&watermark.topic, watermark.partition)).collect();
        if !is_refused {
            self.recent.find(&mut names, &mut documents);
            self.recent.find(&mut place, &mut documents);
        }
        let (looks, places) = tokio::try_join!(self.client.look(names, None), self.client.get(place, None))?;
        documents.extend(places);
        documents.extend(looks.iter().filter_map(|look| Some((look.name.clone(), look.document.clone()?))));
        // Somebody else has written them, and may have died before he told.
        self.projection.take_looks(looks.into_iter().filter(|_| is_refused)).await;
        let others = self.client.get(self.other_ids(part, &documents, &impossible), None).await?;
        self.projection.take_aliases(others.values().filter(|document| paths.is_alias(&document.name))).await;
        documents.extend(others);
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

    /// The issues of `part` of which is known that they do not exist, under no name; should one be there after all, the
    /// commit is refused, and then nothing is taken for known.
    async fn impossible(&self, part: &[Occurrence]) -> HashSet<String> {
        let ids = |occurrence: &Occurrence| {
            let ids = occurrence.former_issue_ids.iter().chain([&occurrence.issue_id]);
            ids.map(ToString::to_string).collect::<Vec<_>>()
        };
        // A comment on an issue that is not there creates nothing, so no refusal would tell that it is there after all.
        let (comments, others): (Vec<_>, Vec<_>) =
            part.iter().partition(|occurrence| occurrence.effect == Effect::Commented);
        let mut unknown: HashSet<String> = others.into_iter().flat_map(ids).collect();
        for id in comments.into_iter().flat_map(ids) {
            unknown.remove(&id);
        }
        self.projection.impossible(unknown).await
    }

    /// Under which other names the issues of `part` may be known that are not among `documents`.
    fn other_ids(
        &self,
        part: &[Occurrence],
        documents: &HashMap<String, Document>,
        impossible: &HashSet<String>,
    ) -> Vec<String> {
        let paths = self.paths();
        let is_possible = |id: &&IssueId| !impossible.contains(id.as_str());
        let is_missing = |occurrence: &&Occurrence| !documents.contains_key(&paths.issue(occurrence.issue_id.as_str()));
        let names = part.iter().filter(is_missing).flat_map(|occurrence| {
            let former = occurrence.former_issue_ids.iter().filter(is_possible);
            let former = former.flat_map(move |id| [paths.issue(id.as_str()), paths.alias(id.as_str())]);
            let own = Some(&occurrence.issue_id).filter(is_possible);
            former.chain(own.map(|id| paths.alias(id.as_str())))
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

    pub(super) fn plan(
        &self,
        part: &[Occurrence],
        watermark: Option<&Watermark>,
        loaded: &Loaded,
        numbers: &mut Numbers,
    ) -> Result<Plan, StoreError> {
        let mut plan = Plan {
            writes: Vec::new(),
            saved: Vec::new(),
            issues: Vec::new(),
            aliases: Vec::new(),
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
                plan.aliases.push((plan.writes.len(), alias.clone()));
                plan.writes.push(create(self.paths().alias(alias.as_str()), fields));
                // An id is an issue or an alias, whoever makes it the other at this moment.
                plan.writes.push(absent(self.paths().issue(alias.as_str())));
            }
            plan.grown.push((id.clone(), fresh.len()));
            for (nth, index) in fresh.into_iter().enumerate() {
                plan.stored[index] = Stored::of(&folded, nth);
            }
            if folded.is_created {
                folded.issue.short_id = numbers.next(&occurrences);
                plan.writes.push(absent(self.paths().alias(id.as_str())));
                if let Some(short_id) = &folded.issue.short_id {
                    let fields = document::alias_fields(&Alias { issue_id: id.clone(), via: Vec::new() });
                    plan.writes.push(create(self.paths().alias(short_id.as_str()), fields));
                }
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
        let place = plan.writes.len();
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
        plan.issues.push((place, issue));
        Ok(())
    }

    /// The name of the activity by which an event is known under an issue.
    fn activity_of(&self, issue_id: &IssueId, occurrence: &Occurrence) -> String {
        self.paths().activity(issue_id, &occurrence.event_id.to_string())
    }
}
