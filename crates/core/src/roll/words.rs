//! What was done to a group, in words.

use std::fmt;

use super::{Effect, Moved, Paused};

impl fmt::Display for Moved {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Begun { was } => write!(f, "begun: {} node(s) to replace", was.nodes.len()),
            Self::Meant { effect } => write!(f, "to do: {effect}"),
            Self::Made { effect } => write!(f, "done: {effect}"),
            Self::TemplateMade { template, image } => {
                write!(f, "launch template {} version {} with image {image}", template.id, template.version)
            }
            Self::Emptied { node } => write!(f, "{node} is empty"),
            Self::Gone { node } => write!(f, "{node} is gone"),
            Self::Unsettled { why } => write!(f, "the next nodes wait: {why}"),
            Self::Settled => f.write_str("the next nodes need not wait any more"),
            Self::Unseen { why } => write!(f, "nodes and pods cannot be seen: {why}"),
            Self::Seen => f.write_str("nodes and pods are seen again"),
            Self::Left { effect } => write!(f, "left to a person: {effect}"),
            Self::GivenUp { failure, .. } => write!(f, "given up: {}", failure.message),
        }
    }
}

impl Paused {
    /// That it is still paused, for whoever has to put it back.
    #[must_use]
    pub fn in_words(&self) -> String {
        let Self { deployment, replicas } = self;
        format!("Cluster Autoscaler is still paused: {deployment} had {replicas} replica(s)")
    }

    /// The command that puts it back.
    #[must_use]
    pub fn restore_command(&self) -> String {
        let (namespace, name) = self.deployment.split_once('/').unwrap_or(("kube-system", &self.deployment));
        format!("kubectl --namespace {namespace} scale deployment {name} --replicas {}", self.replicas)
    }
}

impl fmt::Display for Effect {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::PauseAutoscaler { paused } => write!(f, "pause {}", paused.deployment),
            Self::ResumeAutoscaler { paused } => {
                write!(f, "resume {} with {} replica(s)", paused.deployment, paused.replicas)
            }
            Self::MakeTemplate => f.write_str("make a launch template version"),
            Self::Surge { sizes, .. } => write!(f, "make room for {} nodes", sizes.desired),
            Self::MakeGroup { name, sizes, .. } => write!(f, "make group {name} of {} nodes", sizes.desired),
            Self::Cordon { node, .. } => write!(f, "cordon {node}"),
            Self::DeletePods { node, pods, .. } => write!(f, "delete from {node}: {}", pods.join(", ")),
            Self::Terminate { node, .. } => write!(f, "end {node}"),
            Self::Release { node } => write!(f, "let {node} take pods again"),
            Self::Restore { group, sizes, .. } => {
                write!(f, "give {group} its sizes: {} to {}, {} wanted", sizes.min, sizes.max, sizes.desired)
            }
            Self::DeleteGroup { group } => write!(f, "delete group {group}"),
        }
    }
}
