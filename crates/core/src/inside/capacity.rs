//! What AWS says of the room that a cluster has.

use serde::{Deserialize, Serialize};

use super::Seen;

/// A subnet.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Subnet {
    /// Its id.
    pub id: String,
    /// Its availability zone.
    pub zone: String,
    /// How many addresses are free.
    pub free: u32,
    /// Whether the control plane is in it.
    pub control_plane: bool,
}

/// The launch template of an Auto Scaling group.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct Template {
    /// Its id.
    pub id: String,
    /// Its version: a number, `$Latest` or `$Default`.
    pub version: String,
}

/// An EC2 Auto Scaling group whose instances are nodes of the cluster, and that EKS does not manage.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct AutoScalingGroup {
    /// Its name.
    pub name: String,
    /// The instances in service.
    pub instances: Vec<String>,
    /// Its least size.
    pub min: u32,
    /// How many it wants.
    pub desired: u32,
    /// Its greatest size.
    pub max: u32,
    /// Its zones.
    pub zones: Vec<String>,
    /// Its subnets.
    pub subnets: Vec<String>,
    /// Its launch template; `None` for a launch configuration or a mixed-instances policy, which are not moved here.
    pub template: Option<Template>,
    /// Names of suspended processes.
    pub suspended: Vec<String>,
    /// Whether its owner lets it be rolled: it bears the tag `eks-upgrade:managed` with the value `true`.
    pub released: bool,
}

/// What AWS says.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Capacity {
    /// The subnets of the control plane, and of the nodes.
    pub subnets: Seen<Vec<Subnet>>,
    /// The Auto Scaling groups behind the nodes that nobody manages.
    pub groups: Seen<Vec<AutoScalingGroup>>,
}
