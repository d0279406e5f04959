//! When something happens next by itself in each cluster, by cluster and in order of time.

use std::collections::{BTreeMap, BTreeSet};

use crate::time::Ms;

/// The instants; a cluster has one at most.
#[derive(Clone, Debug, Default)]
pub(crate) struct Beats {
    at: BTreeMap<String, Ms>,
    order: BTreeSet<(Ms, String)>,
}

impl Beats {
    /// Forgets all of them.
    pub(crate) fn clear(&mut self) {
        self.at.clear();
        self.order.clear();
    }

    /// Says when something happens next in a cluster, if anything will.
    pub(crate) fn set(&mut self, cluster: &str, at: Option<Ms>) {
        let before = self.at.get(cluster).copied();
        if before == at {
            return;
        }
        if let Some(before) = before {
            self.at.remove(cluster);
            self.order.remove(&(before, cluster.to_owned()));
        }
        if let Some(at) = at {
            self.at.insert(cluster.to_owned(), at);
            self.order.insert((at, cluster.to_owned()));
        }
    }

    /// The next instant of all.
    pub(crate) fn next(&self) -> Option<Ms> {
        self.order.first().map(|(at, _)| *at)
    }

    /// The clusters in which something happens by then.
    pub(crate) fn due(&self, by: Ms) -> Vec<String> {
        self.order.iter().take_while(|(at, _)| *at <= by).map(|(_, cluster)| cluster.clone()).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_next_instant_is_that_of_whichever_cluster_has_the_soonest() {
        let mut beats = Beats::default();
        for (cluster, at) in [("a", Some(5)), ("b", Some(3)), ("c", None), ("a", Some(2)), ("b", None)] {
            beats.set(cluster, at);
        }
        assert_eq!((beats.next(), beats.due(1), beats.due(2)), (Some(2), vec![], vec!["a".to_owned()]));
        beats.clear();
        assert_eq!(beats.next(), None);
    }
}
