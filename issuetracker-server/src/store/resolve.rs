//! Which issue an occurrence goes to: its own, or the one that its id has become an alias of, because that was merged or
//! because other rules of grouping gave it another fingerprint. How ids are looked up is each store's own.

use std::collections::{BTreeMap, HashMap};

use super::StoreError;
use crate::domain::{Effect, IssueId, Occurrence};

/// What an id stands for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Found {
    /// An issue that is there.
    Issue,
    /// Another id of an issue that is there.
    Alias(Alias),
}

/// Another id of an issue.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Alias {
    /// The issue.
    pub(super) issue_id: IssueId,
    /// Issues that are gone, and under which events of this id may still be stored.
    pub(super) via: Vec<IssueId>,
}

/// Where one occurrence goes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Destination {
    /// Its issue.
    pub(super) issue_id: IssueId,
    /// Where else the event may have been stored before.
    pub(super) via: Vec<IssueId>,
    /// Ids that stand for this issue from now on.
    pub(super) new_aliases: Vec<IssueId>,
}

/// Finds the destinations of a batch; what was decided for one occurrence holds for the next.
pub(super) struct Resolver<F> {
    find: F,
    decided: HashMap<IssueId, Found>,
}

impl<F: FnMut(&IssueId) -> Result<Option<Found>, StoreError>> Resolver<F> {
    /// `find` looks up one id.
    pub(super) fn new(find: F) -> Self {
        Self { find, decided: HashMap::new() }
    }

    /// The destinations of all of them, in order.
    pub(super) fn resolve_all(&mut self, occurrences: &[Occurrence]) -> Result<Vec<Destination>, StoreError> {
        occurrences.iter().map(|occurrence| self.resolve(occurrence)).collect()
    }

    fn resolve(&mut self, occurrence: &Occurrence) -> Result<Destination, StoreError> {
        let own = &occurrence.issue_id;
        match self.look_up(own)? {
            Some(Found::Issue) => {
                return Ok(Destination { issue_id: own.clone(), via: Vec::new(), new_aliases: Vec::new() });
            }
            Some(Found::Alias(Alias { issue_id, via })) => {
                return Ok(Destination { issue_id, via, new_aliases: Vec::new() });
            }
            None if occurrence.effect == Effect::Commented => {
                return Ok(Destination { issue_id: own.clone(), via: Vec::new(), new_aliases: Vec::new() });
            }
            None => (),
        }
        // Its fingerprint is new. Is it an issue that is known by an older one? Else it is the older ones' issue, too.
        let (mut known, mut new_aliases) = (None, Vec::new());
        for former in &occurrence.former_issue_ids {
            match self.look_up(former)? {
                Some(Found::Issue) if known.is_none() => known = Some(former.clone()),
                Some(Found::Alias(alias)) if known.is_none() => known = Some(alias.issue_id),
                Some(_) => (),
                None => new_aliases.push(former.clone()),
            }
        }
        new_aliases.extend(known.is_some().then(|| own.clone()));
        let issue_id = known.unwrap_or_else(|| own.clone());
        self.decided.insert(issue_id.clone(), Found::Issue);
        for alias in &new_aliases {
            let alias_of = Alias { issue_id: issue_id.clone(), via: Vec::new() };
            self.decided.insert(alias.clone(), Found::Alias(alias_of));
        }
        Ok(Destination { issue_id, via: Vec::new(), new_aliases })
    }

    fn look_up(&mut self, id: &IssueId) -> Result<Option<Found>, StoreError> {
        if let Some(found) = self.decided.get(id) {
            return Ok(Some(found.clone()));
        }
        let found = (self.find)(id)?;
        if let Some(found) = &found {
            self.decided.insert(id.clone(), found.clone());
        }
        Ok(found)
    }
}

/// The occurrences of a batch by issue: indexes in the order they arrived. All stores fold by this.
pub(super) fn by_issue(destinations: &[Destination]) -> BTreeMap<&IssueId, Vec<usize>> {
    let mut by_issue: BTreeMap<&IssueId, Vec<usize>> = BTreeMap::new();
    for (index, destination) in destinations.iter().enumerate() {
        by_issue.entry(&destination.issue_id).or_default().push(index);
    }
    by_issue
}
