//! The wait rules of other tools, as their sources have them.
//!
//! Only when they look and when they give up is taken over. What else they do is left out in their favour: that a
//! waiter for `ACTIVE` may look before EKS shows the change and take the old state for success, that a failed update is
//! `ACTIVE` too, and the calls that each makes besides its waits.

use serde::Serialize;

use crate::durations::Kind;
use crate::schedule::Schedule;

/// Another tool.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Peer {
    /// `eksctl upgrade cluster`, `upgrade nodegroup` and `update addon --wait`.
    Eksctl,
    /// `aws eks wait cluster-active`, `nodegroup-active` and `addon-active`.
    AwsCli,
    /// The AWS provider of Terraform: `aws_eks_cluster`, `aws_eks_node_group` and `aws_eks_addon`.
    Terraform,
    /// aws-samples/eks-cluster-upgrade.
    Eksupgrade,
}

impl Peer {
    /// All of them.
    pub const ALL: [Self; 4] = [Self::Eksctl, Self::AwsCli, Self::Terraform, Self::Eksupgrade];

    /// Its name.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Eksctl => "eksctl",
            Self::AwsCli => "AWS CLI",
            Self::Terraform => "Terraform",
            Self::Eksupgrade => "eksupgrade",
        }
    }

    /// When it looks at an update of this kind.
    #[must_use]
    pub fn schedule(self, kind: Kind) -> Schedule {
        match self {
            Self::Eksctl => eksctl(kind),
            Self::AwsCli => aws_cli(kind),
            Self::Terraform => terraform(kind),
            Self::Eksupgrade => EKSUPGRADE,
        }
    }
}

/// Control plane and node groups: `DescribeUpdate` by a waiter of eksctl's own, 30 to 120 s
/// (eksctl-io/eksctl, `pkg/eks/waiter/waiter.go` at 370366a16dd5, used by `pkg/eks/update.go` and
/// `pkg/actions/nodegroup/upgrade.go`); its timeouts are 65 and 45 minutes (`pkg/ctl/upgrade/cluster.go` at
/// 00153f2cb9f7, `pkg/ctl/upgrade/nodegroup.go` at 09b78de3d00c). Add-ons: the SDK's `AddonActiveWaiter`
/// (`pkg/actions/addon/addon.go`), 10 to 120 s (aws/aws-sdk-go-v2, `service/eks/api_op_DescribeAddon.go` at
/// cf022e81a07d), for 25 minutes (`DefaultWaitTimeout` of `pkg/apis/eksctl.io/v1alpha5/types.go`). Both take their pauses
/// from aws/smithy-go, `waiter/waiter.go` at 6f950470a81f. Before 2022 eksctl looked every 15 to 20 s; a node group that
/// eksctl made itself it updates through `CloudFormation`, whose waits are not EKS calls.
fn eksctl(kind: Kind) -> Schedule {
    let jittered =
        |least_s: u32, minutes: u32| Schedule::Jittered { least_s, most_s: 120, timeout_s: minutes * 60 };
    match kind {
        Kind::ControlPlane => jittered(30, 65),
        Kind::NodeGroup { .. } => jittered(30, 45),
        Kind::AddOn => jittered(10, 25),
    }
}

/// `ClusterActive`, `NodegroupActive` and `AddonActive` of botocore 1.44.8, `data/eks/2017-11-01/waiters-2.json`; that it
/// looks before it sleeps is in `waiter.py` of the same.
fn aws_cli(kind: Kind) -> Schedule {
    let every = |every_s, looks| Schedule::Every { first_s: 0, every_s, looks };
    match kind {
        Kind::ControlPlane => every(30, 40),
        Kind::NodeGroup { .. } => every(30, 80),
        Kind::AddOn => every(10, 60),
    }
}

/// Updates are waited for without a delay, a least or a fixed pause (hashicorp/terraform-provider-aws,
/// `internal/service/eks/cluster.go` at 00555dc5b38f, `node_group.go` at 012e0a32f068, `addon.go` at 00a35305dc1b), so
/// the pauses are the usual ones of `internal/retry/state.go` at c4a74b6e3bd5 and `internal/backoff/backoff.go`; the
/// timeouts of an update are 60, 60 and 20 minutes.
fn terraform(kind: Kind) -> Schedule {
    match kind {
        Kind::ControlPlane | Kind::NodeGroup { .. } => Schedule::Doubling { timeout_s: 3_600 },
        Kind::AddOn => Schedule::Doubling { timeout_s: 1_200 },
    }
}

/// `wait_for_active`, the same for clusters, node groups and add-ons (aws-samples/eks-cluster-upgrade,
/// `eksupgrade/models/eks.py` at 371081e515e2): half a minute of sleep, then botocore's waiter with its own pause.
const EKSUPGRADE: Schedule = Schedule::Every { first_s: 30, every_s: 35, looks: 160 };

#[cfg(test)]
#[allow(clippy::float_cmp, reason = "these times are sums of whole seconds")]
mod tests {
    use super::*;

    const GROUP: Kind = Kind::NodeGroup { nodes: 5 };

    fn looks(peer: Peer, kind: Kind) -> Vec<f64> {
        peer.schedule(kind).looks(&mut fastrand::Rng::with_seed(1)).collect()
    }

    #[test]
    fn the_aws_cli_looks_at_once_and_gives_up_after_twenty_and_forty_minutes() {
        assert_eq!(looks(Peer::AwsCli, Kind::ControlPlane)[..3], [0.0, 30.0, 60.0]);
        assert_eq!(looks(Peer::AwsCli, Kind::ControlPlane).last(), Some(&(39.0 * 30.0)));
        assert_eq!(looks(Peer::AwsCli, GROUP).last(), Some(&(79.0 * 30.0)));
        assert_eq!(looks(Peer::AwsCli, Kind::AddOn)[..3], [0.0, 10.0, 20.0]);
    }

    #[test]
    fn eksupgrade_sleeps_before_it_looks() {
        for kind in [Kind::ControlPlane, GROUP, Kind::AddOn] {
            assert_eq!(looks(Peer::Eksupgrade, kind)[..3], [30.0, 65.0, 100.0]);
            assert_eq!(looks(Peer::Eksupgrade, kind).len(), 160);
        }
    }

    #[test]
    fn terraform_looks_every_ten_seconds_after_the_first_few() {
        let at_s = looks(Peer::Terraform, Kind::ControlPlane);
        assert!(at_s[1] < 0.21 && at_s[2] < 0.61, "{at_s:?}");
        assert!(at_s[7..].windows(2).all(|pair| (pair[1] - pair[0] - 10.0).abs() < 1e-6));
        assert!((3_590.0..=3_600.0).contains(at_s.last().unwrap()));
    }

    #[test]
    fn eksctl_looks_at_once_then_after_its_shortest_pause_and_then_up_to_two_minutes_apart() {
        for (kind, least_s, last_s) in [
            (Kind::ControlPlane, 30.0, 65.0 * 60.0 - 30.0),
            (GROUP, 30.0, 45.0 * 60.0 - 30.0),
            (Kind::AddOn, 10.0, 25.0 * 60.0 - 10.0),
        ] {
            let at_s = looks(Peer::Eksctl, kind);
            assert_eq!(at_s[..2], [0.0, least_s]);
            assert!(at_s[2] >= 2.0 * least_s && at_s[2] < 3.0 * least_s, "{at_s:?}");
            assert!((at_s.last().unwrap() - last_s).abs() < 0.01, "{at_s:?}");
        }
    }
}
