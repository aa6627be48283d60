//! Label values that come from plugins: a bounded number of them, the rest is `other`.

use std::collections::HashSet;

/// Names of plugins told apart in labels.
const PLUGINS: usize = 100;
/// Pairs of plugin and cluster told apart in labels.
const PAIRS: usize = 1000;
/// Stands for all names beyond.
pub const OTHER: &str = "other";

/// The names of plugins and clusters that labels tell apart: the first so many.
pub struct Names {
    plugins: Bounded,
    pairs: Bounded,
}

impl Names {
    /// None yet.
    pub fn new() -> Names {
        Names { plugins: Bounded::new(PLUGINS), pairs: Bounded::new(PAIRS) }
    }

    /// The label of a plugin.
    pub fn plugin(&mut self, plugin: &str) -> String {
        self.plugins.value(plugin).to_owned()
    }

    /// All labels of plugins.
    pub fn plugins(&self) -> impl Iterator<Item = &str> {
        self.plugins.seen.iter().map(String::as_str).chain([OTHER])
    }

    /// The labels of a plugin and of a cluster that it calls; empty where no call is meant.
    pub fn pair(&mut self, plugin: &str, cluster: &str) -> (String, String) {
        let plugin = self.plugin(plugin);
        let pair = format!("{plugin}\0{cluster}");
        let is_told_apart = cluster.is_empty() || self.pairs.value(&pair) == pair;
        (plugin, if is_told_apart { cluster } else { OTHER }.to_owned())
    }
}

/// The first so many values are kept, later ones become `other`.
struct Bounded {
    seen: HashSet<String>,
    most: usize,
}

impl Bounded {
    fn new(most: usize) -> Bounded {
        Bounded { seen: HashSet::new(), most }
    }

    fn value<'a>(&mut self, value: &'a str) -> &'a str {
        if self.seen.contains(value) {
            return value;
        }
        if self.seen.len() >= self.most {
            return OTHER;
        }
        self.seen.insert(value.to_owned());
        value
    }
}

#[cfg(test)]
mod tests {
    use super::{Bounded, Names};

    #[test]
    fn a_flood_of_names_becomes_other() {
        let mut plugins = Bounded::new(2);
        assert_eq!(plugins.value("a"), "a");
        assert_eq!(plugins.value("b"), "b");
        assert_eq!(plugins.value("c"), "other");
        assert_eq!(plugins.value("a"), "a");
    }

    #[test]
    fn no_cluster_takes_no_place() {
        let mut names = Names { plugins: Bounded::new(1), pairs: Bounded::new(0) };
        assert_eq!(names.pair("auth", ""), ("auth".to_owned(), String::new()));
        assert_eq!(names.pair("auth", "slow"), ("auth".to_owned(), "other".to_owned()));
    }
}
