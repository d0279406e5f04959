//! The objects of a cluster, with their revisions, and when something happens to them by itself.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::object::{entry, stamp};
use super::resource::Resource;
use crate::rng::Rng;
use crate::time::Ms;

/// What names an object.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Key {
    pub(crate) resource: Resource,
    /// Empty for what is in none.
    pub(crate) namespace: String,
    pub(crate) name: String,
}

impl Key {
    pub(crate) fn new(resource: Resource, namespace: &str, name: &str) -> Self {
        Self { resource, namespace: namespace.to_owned(), name: name.to_owned() }
    }

    pub(crate) fn node(name: &str) -> Self {
        Self::new(Resource::Node, "", name)
    }
}

/// All objects of one cluster.
#[derive(Clone, Debug)]
pub(crate) struct Store {
    objects: BTreeMap<Key, Value>,
    /// When the next thing happens to an object by itself.
    due: BTreeMap<Key, Ms>,
    revision: u64,
    pub(crate) rng: Rng,
}

impl Store {
    pub(crate) fn new(rng: Rng) -> Self {
        Self { objects: BTreeMap::new(), due: BTreeMap::new(), revision: 1, rng }
    }

    /// Grows with every change.
    pub(crate) fn revision(&self) -> u64 {
        self.revision
    }

    pub(crate) fn get(&self, key: &Key) -> Option<&Value> {
        self.objects.get(key)
    }

    /// All objects of a resource, in the order of namespaces and names.
    pub(crate) fn of(&self, resource: Resource) -> impl Iterator<Item = (&Key, &Value)> {
        let first = Key::new(resource, "", "");
        self.objects.range(first..).take_while(move |(key, _)| key.resource == resource)
    }

    /// The keys of all objects of a resource.
    pub(crate) fn keys(&self, resource: Resource) -> Vec<Key> {
        self.of(resource).map(|(key, _)| key.clone()).collect()
    }

    /// Puts a new object there, with what the API server adds to it. What was there before is lost.
    pub(crate) fn insert(&mut self, key: Key, mut object: Value, now: Ms) {
        let facts = key.resource.facts();
        object["apiVersion"] = json!(facts.api_version());
        object["kind"] = json!(facts.kind);
        *entry(&mut object, &["metadata", "name"]) = json!(key.name);
        if facts.namespaced {
            *entry(&mut object, &["metadata", "namespace"]) = json!(key.namespace);
        }
        *entry(&mut object, &["metadata", "uid"]) = json!(self.rng.uuid());
        *entry(&mut object, &["metadata", "creationTimestamp"]) = json!(stamp(now));
        if object.get("spec").is_some() {
            *entry(&mut object, &["metadata", "generation"]) = json!(1);
        }
        self.put(key, object);
    }

    /// Replaces an object by what it has become: a changed `spec` is a new generation, and no change is none.
    pub(crate) fn replace(&mut self, key: &Key, mut object: Value) -> bool {
        let Some(old) = self.objects.get(key) else { return false };
        if *old == object {
            return false;
        }
        if old.get("spec") != object.get("spec") {
            let generation = old.pointer("/metadata/generation").and_then(Value::as_u64).unwrap_or(1);
            *entry(&mut object, &["metadata", "generation"]) = json!(generation + 1);
        }
        self.put(key.clone(), object);
        true
    }

    /// Changes an object, if it is there.
    pub(crate) fn change(&mut self, key: &Key, change: impl FnOnce(&mut Value)) -> bool {
        let Some(mut object) = self.objects.get(key).cloned() else { return false };
        change(&mut object);
        self.replace(key, object)
    }

    /// Sets fields of an object's status, if they differ.
    pub(crate) fn set_status(&mut self, key: &Key, fields: &Value) {
        let Some(object) = self.objects.get(key) else { return };
        let told = fields.as_object().into_iter().flatten();
        let same = told.clone().all(|(name, value)| object["status"].get(name) == Some(value));
        if same {
            return;
        }
        let mut object = object.clone();
        for (name, value) in told {
            *entry(&mut object, &["status", name]) = value.clone();
        }
        self.put(key.clone(), object);
    }

    fn put(&mut self, key: Key, mut object: Value) {
        self.revision += 1;
        *entry(&mut object, &["metadata", "resourceVersion"]) = json!(self.revision.to_string());
        self.objects.insert(key, object);
    }

    /// Takes an object away.
    pub(crate) fn remove(&mut self, key: &Key) -> Option<Value> {
        self.due.remove(key);
        let gone = self.objects.remove(key);
        self.revision += u64::from(gone.is_some());
        gone
    }

    /// Something happens to that object then.
    pub(crate) fn plan(&mut self, key: Key, at: Ms) {
        self.due.insert(key, at);
    }

    /// When something happens to that object.
    pub(crate) fn planned(&self, key: &Key) -> Option<Ms> {
        self.due.get(key).copied()
    }

    /// When something happens next by itself.
    pub(crate) fn next_due(&self) -> Option<Ms> {
        self.due.values().min().copied()
    }

    /// An object to which something happens by now; it is not planned any more.
    pub(crate) fn take_due(&mut self, now: Ms) -> Option<Key> {
        let key = self.due.iter().filter(|(_, at)| **at <= now).min_by_key(|(_, at)| **at)?.0.clone();
        self.due.remove(&key);
        Some(key)
    }

    /// A name that begins like that, and that nobody has: five more letters.
    pub(crate) fn fresh_name(&mut self, prefix: &str) -> String {
        /// No vowels, as the API server has it: no name becomes a word.
        const LETTERS: &[u8] = b"bcdfghjklmnpqrstvwxz2456789";
        let last = i64::try_from(LETTERS.len() - 1).unwrap_or(0);
        let drawn = (0..5).map(|_| {
            let at = usize::try_from(self.rng.between(0, last)).unwrap_or(0);
            char::from(LETTERS.get(at).copied().unwrap_or(b'b'))
        });
        format!("{prefix}-{}", drawn.collect::<String>())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn store() -> (Store, Key) {
        let mut store = Store::new(Rng::new(1, "a"));
        let key = Key::new(Resource::Deployment, "default", "web");
        store.insert(key.clone(), json!({"spec": {"replicas": 1}}), 0);
        (store, key)
    }

    #[test]
    fn only_a_changed_spec_is_a_new_generation_and_no_change_none() {
        let (mut store, key) = store();
        let generation = |store: &Store| store.get(&key).unwrap()["metadata"]["generation"].clone();
        let before = store.revision();
        assert!(!store.change(&key, |object| object["spec"]["replicas"] = json!(1)));
        store.set_status(&key, &json!({}));
        assert_eq!(store.revision(), before);
        store.set_status(&key, &json!({"replicas": 1}));
        assert_eq!((store.revision(), generation(&store)), (before + 1, json!(1)));
        assert!(store.change(&key, |object| object["spec"]["replicas"] = json!(2)));
        assert_eq!((store.revision(), generation(&store)), (before + 2, json!(2)));
    }

    #[test]
    fn what_is_due_comes_in_order_and_once() {
        let (mut store, key) = store();
        let other = Key::node("n");
        store.plan(key.clone(), 20);
        store.plan(other.clone(), 10);
        assert_eq!(store.next_due(), Some(10));
        assert_eq!(store.take_due(20), Some(other));
        assert_eq!(store.take_due(20), Some(key));
        assert_eq!(store.take_due(20), None);
    }
}
