//! Who is who: users by their ids, mail addresses and names, for pages that show people and forms that name them. Read as a
//! whole, and kept for a while: a page with fifty rows asks once.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, Instant},
};

use super::users::Users;
use crate::domain::{Role, clean};

/// How long it is believed. A change on this server is seen at once.
const KEPT: Duration = Duration::from_secs(120);

/// The most users that are known; the others are shown by their ids.
const MAX_PEOPLE: usize = 5_000;

/// How many are read at once.
const STEP: usize = 500;

/// A user, as others see them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Person {
    pub(crate) uid: String,
    pub(crate) name: String,
    pub(crate) email: String,
    /// Whether issues can be assigned to them.
    pub(crate) can_work: bool,
}

/// Everybody.
#[derive(Debug, Default)]
pub(crate) struct People {
    by_uid: HashMap<String, Person>,
}

impl People {
    /// What to call whoever has this id: their name, or the id of somebody who is not known.
    pub(crate) fn name<'a>(&'a self, id: &'a str) -> &'a str {
        self.by_uid.get(id).map_or(id, |person| &person.name)
    }

    /// What a form shows for an id, and [`resolve`](Self::resolve) takes back.
    pub(crate) fn handle<'a>(&'a self, id: &'a str) -> &'a str {
        self.by_uid.get(id).map_or(id, |person| &person.email)
    }

    /// The id of whom a mail address, or a name that only one has, means; anything else is an id as it is.
    pub(crate) fn resolve(&self, text: &str) -> String {
        let is = |known: &str| known.eq_ignore_ascii_case(text);
        if let Some(person) = self.by_uid.values().find(|person| is(&person.email)) {
            return person.uid.clone();
        }
        let mut named = self.by_uid.values().filter(|person| is(&person.name));
        match (named.next(), named.next()) {
            (Some(person), None) => person.uid.clone(),
            _ => text.to_owned(),
        }
    }

    /// Those to whom issues can be assigned, by name.
    pub(crate) fn workers(&self) -> Vec<&Person> {
        let mut workers: Vec<&Person> = self.by_uid.values().filter(|person| person.can_work).collect();
        workers.sort_by_cached_key(|person| person.name.to_lowercase());
        workers
    }
}

/// What was read last.
#[derive(Debug, Default)]
pub(crate) struct Directory(Mutex<Option<(Instant, Arc<People>)>>);

impl Directory {
    /// Everybody; nobody if the store does not answer and nothing was read yet: ids are shown then.
    pub(crate) async fn people(&self, users: &Users) -> Arc<People> {
        let known = self.0.lock().unwrap_or_else(PoisonError::into_inner).clone();
        if let Some((read_at, people)) = &known
            && read_at.elapsed() < KEPT
        {
            return Arc::clone(people);
        }
        match read(users).await {
            Ok(people) => {
                let people = Arc::new(people);
                *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Some((Instant::now(), Arc::clone(&people)));
                people
            }
            Err(error) => {
                tracing::debug!(%error, "people are shown by their ids");
                known.map(|(_, people)| people).unwrap_or_default()
            }
        }
    }

    /// Has the next who asks read again.
    pub(crate) fn forget(&self) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = None;
    }
}

async fn read(users: &Users) -> Result<People, crate::store::StoreError> {
    let (mut people, mut after) = (People::default(), None::<String>);
    while people.by_uid.len() < MAX_PEOPLE {
        let step = users.list(after.as_deref(), STEP).await?;
        after = (step.len() == STEP).then(|| step.last().map(|user| user.uid.clone())).flatten();
        for user in step {
            let can_work = user.is_active && matches!(user.role, Role::Developer | Role::Admin);
            // A name of another one's letters is still another mail address, and that is shown where one is chosen.
            let name = if user.display_name.trim().is_empty() { user.email.clone() } else { clean(&user.display_name) };
            let person = Person { uid: user.uid.clone(), name, email: user.email, can_work };
            people.by_uid.insert(user.uid, person);
        }
        if after.is_none() {
            break;
        }
    }
    Ok(people)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn people(all: &[(&str, &str)]) -> People {
        let person = |(uid, name): &(&str, &str)| Person {
            uid: (*uid).to_owned(),
            name: (*name).to_owned(),
            email: format!("{uid}@quantory.app"),
            can_work: true,
        };
        People { by_uid: all.iter().map(|of| (of.0.to_owned(), person(of))).collect() }
    }

    #[test]
    fn people_are_meant_by_mail_address_and_by_a_name_of_their_own() {
        let people = people(&[("a1", "Ada"), ("b2", "Sam"), ("c3", "Sam")]);
        assert_eq!(people.resolve("A1@quantory.app"), "a1");
        assert_eq!(people.resolve("ada"), "a1");
        assert_eq!(people.resolve("Sam"), "Sam", "nobody is taken for another");
        assert_eq!(people.resolve("b2"), "b2");
        assert_eq!((people.name("a1"), people.name("newsfeed-service")), ("Ada", "newsfeed-service"));
        assert_eq!(people.handle("a1"), "a1@quantory.app");
        assert_eq!(
            people.workers().iter().map(|person| person.name.as_str()).collect::<Vec<_>>(),
            ["Ada", "Sam", "Sam"]
        );
    }
}
