//! What nobody controls any more goes.

use std::collections::BTreeSet;

use crate::kube::Surroundings;
use crate::kube::object::{controller, is_leaving, uid};
use crate::kube::pods;
use crate::kube::resource::Resource;
use crate::kube::store::{Key, Store};

/// What can control something.
const OWNERS: [Resource; 4] =
    [Resource::Deployment, Resource::ReplicaSet, Resource::StatefulSet, Resource::DaemonSet];

/// Takes away replica sets and pods whose controller is gone.
pub(super) fn collect(store: &mut Store, around: &Surroundings<'_>) {
    let owners = OWNERS.into_iter().flat_map(|resource| store.of(resource));
    let owners: BTreeSet<&str> = owners.map(|(_, owner)| uid(owner)).collect();
    let orphans = [Resource::ReplicaSet, Resource::Pod].into_iter().flat_map(|resource| store.of(resource));
    let orphans = orphans.filter(|(_, object)| {
        !is_leaving(object) && controller(object).is_some_and(|controller| !owners.contains(controller.uid))
    });
    let orphans: Vec<Key> = orphans.map(|(key, _)| key.clone()).collect();
    for key in orphans {
        if key.resource == Resource::Pod {
            pods::ask_to_go(store, around, &key, None);
        } else {
            store.remove(&key);
        }
    }
}
