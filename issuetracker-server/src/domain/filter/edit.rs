//! Filters made from others: for tabs, choices and chips of a page.

use super::{Filter, FilterError, Term, Test};

impl Term {
    /// The key that it is printed with; text has none.
    pub const fn key(&self) -> Option<&'static str> {
        match &self.test {
            Test::Text(_) => None,
            Test::Is(_) => Some("is"),
            Test::Fact(fact, _) => Some(fact.key()),
            Test::Assigned(_) => Some("assigned"),
            Test::Tag(_) => Some("tag"),
            Test::Host(_) => Some("host"),
            Test::Seen(moment, _) => Some(moment.key()),
        }
    }

    fn is_set(&self, key: &str) -> bool {
        !self.is_negated && self.key() == Some(key)
    }
}

impl Filter {
    /// The one value that issues must have for this key; `None` if there is no such value, or are several.
    pub fn value(&self, key: &str) -> Option<String> {
        let mut terms = self.terms.iter().filter(|term| term.is_set(key));
        match (terms.next().map(|term| &term.test), terms.next()) {
            (Some(Test::Fact(_, values)), None) if values.len() == 1 => values.first().cloned(),
            (Some(Test::Seen(_, window)), None) => Some(window.to_string()),
            _ => None,
        }
    }

    /// Has issues have this value for the key, or any if it is empty. It stands where a value of this key stood.
    ///
    /// # Errors
    /// If there is no such key, or it does not know the value.
    pub fn set(&mut self, key: &str, value: &str) -> Result<(), FilterError> {
        let term = if value.is_empty() { None } else { Term::of(key, vec![value.to_owned()])? };
        let at = self.terms.iter().position(|term| term.is_set(key)).unwrap_or(self.terms.len());
        self.terms.retain(|term| !term.is_set(key));
        if let Some(term) = term {
            self.terms.insert(at, term);
        }
        Ok(())
    }

    /// What it says about states that issues must have.
    pub fn states(&self) -> Self {
        Self { terms: self.terms.iter().filter(|term| term.is_set("is")).cloned().collect() }
    }

    /// The same without that.
    pub fn without_states(&self) -> Self {
        Self { terms: self.terms.iter().filter(|term| !term.is_set("is")).cloned().collect() }
    }

    /// This filter and what another one says about states, which is said first.
    pub fn in_states(&self, states: &Self) -> Self {
        Self { terms: states.terms.iter().chain(&self.without_states().terms).cloned().collect() }
    }

    /// All terms but one.
    pub fn without(&self, nth: usize) -> Self {
        let mut terms = self.terms.clone();
        if nth < terms.len() {
            terms.remove(nth);
        }
        Self { terms }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn filter(text: &str) -> Filter {
        text.parse().unwrap()
    }

    #[test]
    fn a_value_is_set_in_its_place() {
        let mut changed = filter("is:open service:a -service:b x");
        changed.set("service", "c").unwrap();
        assert_eq!(changed.to_string(), "is:open service:c -service:b x");
        changed.set("service", "").unwrap();
        changed.set("seen", "<24h").unwrap();
        assert_eq!(changed.to_string(), "is:open -service:b x seen:<1d");
        assert_eq!((changed.value("seen").as_deref(), changed.value("service")), (Some("<1d"), None));
        assert!(changed.set("severity", "huge").is_err());
    }

    #[test]
    fn states_are_exchanged() {
        let some = filter("is:open is:unassigned x -is:muted");
        assert_eq!(some.states(), filter("is:open is:unassigned"));
        assert_eq!(some.in_states(&filter("is:closed")), filter("is:closed x -is:muted"));
        assert_eq!(some.without(1), filter("is:open x -is:muted"));
    }
}
