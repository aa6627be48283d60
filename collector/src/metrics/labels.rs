//! Label values that come from plugins: a bounded number of them, the rest is `other`.

use std::collections::HashSet;

/// The first so many values are kept, later ones become `other`.
pub struct Bounded {
    seen: HashSet<String>,
    most: usize,
}

impl Bounded {
    /// Keeps at most `most` values.
    pub fn new(most: usize) -> Bounded {
        Bounded { seen: HashSet::new(), most }
    }

    /// The value, or `other`.
    pub fn value<'a>(&mut self, value: &'a str) -> &'a str {
        if self.seen.contains(value) {
            return value;
        }
        if self.seen.len() >= self.most {
            return "other";
        }
        self.seen.insert(value.to_owned());
        value
    }
}

#[cfg(test)]
mod tests {
    use super::Bounded;

    #[test]
    fn a_flood_of_names_becomes_other() {
        let mut plugins = Bounded::new(2);
        assert_eq!(plugins.value("a"), "a");
        assert_eq!(plugins.value("b"), "b");
        assert_eq!(plugins.value("c"), "other");
        assert_eq!(plugins.value("a"), "a");
    }
}
