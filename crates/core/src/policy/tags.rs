//! Tags of a cluster that override the policy for it. A tag that does not read is refused, not ignored: its author
//! meant something.

use std::collections::BTreeMap;
use std::fmt::Display;
use std::str::FromStr;

use super::{Policy, PolicyError};
use crate::text::quoted;

/// The tag that overrides how nodes are replaced.
pub const STRATEGY_TAG: &str = "eks-upgrade:strategy";
/// The tag that overrides when node groups follow.
pub const NODES_TAG: &str = "eks-upgrade:nodes";
/// The tag that overrides the target rule.
pub const TARGET_TAG: &str = "eks-upgrade:target";
/// The tag that names the ring.
pub const RING_TAG: &str = "eks-upgrade:ring";
/// The tag that gives one window in place of the policy's, like `sat sun 22:00 4h Europe/Berlin`.
pub const WINDOW_TAG: &str = "eks-upgrade:window";
/// The tag that overrides how long a hop bakes.
pub const BAKE_TAG: &str = "eks-upgrade:bake";

/// All of them.
pub const TAGS: [&str; 6] = [STRATEGY_TAG, NODES_TAG, TARGET_TAG, RING_TAG, WINDOW_TAG, BAKE_TAG];

pub(super) fn apply(policy: &mut Policy, tags: &BTreeMap<String, String>) -> Result<(), PolicyError> {
    read(tags, STRATEGY_TAG, &mut policy.strategy)?;
    read(tags, NODES_TAG, &mut policy.nodes)?;
    read(tags, TARGET_TAG, &mut policy.target)?;
    if let Some(text) = tags.get(BAKE_TAG) {
        policy.bake.duration = crate::length::read(text).map_err(|error| refused(BAKE_TAG, &error))?;
    }
    policy.bake.check().map_err(|message| PolicyError::Tag { tag: BAKE_TAG, message })?;
    if let Some(text) = tags.get(WINDOW_TAG) {
        let window = text.parse().map_err(|error| refused(WINDOW_TAG, &error))?;
        policy.schedule.windows = vec![window];
    }
    Ok(())
}

fn read<T: FromStr<Err: Display>>(
    tags: &BTreeMap<String, String>,
    tag: &'static str,
    into: &mut T,
) -> Result<(), PolicyError> {
    if let Some(text) = tags.get(tag) {
        *into = text.parse().map_err(|error| refused(tag, &error))?;
    }
    Ok(())
}

fn refused(tag: &'static str, error: &impl Display) -> PolicyError {
    PolicyError::Tag { tag, message: quoted(&error.to_string()) }
}
