//! The fleet that notices point at, and a judgement of campaigns that owes nothing to the product's own.

use eks_upgrade_core::calendar::SupportStatus;
use eks_upgrade_core::cluster::Status;
use eks_upgrade_core::contract::CampaignInput;
use eks_upgrade_core::door::UpgradeRequest;
use eks_upgrade_pipeline::ports::Time;
use eks_upgrade_support::{Fleet, installed};
use serde_json::Value;

/// The notice in the documented form. It names prod-a and prod-b.
pub fn documented() -> Value {
    let text = include_str!("../local/notices/health-eks-end-of-support.json");
    serde_json::from_str(text).unwrap()
}

/// Two clusters that are due and opted in, and one of each kind that is to be left alone.
pub fn fleet() -> Fleet {
    let mut failed = installed("failed", "1.34");
    failed.cluster.status = Status::Unwell("FAILED".into());
    let mut not_opted_in = installed("prod-b", "1.34");
    not_opted_in.cluster.tags.clear();
    Fleet::new()
        .with(installed("prod-a", "1.34"))
        .with(installed("old", "1.33"))
        .with(not_opted_in)
        .with(installed("new", "1.36"))
        .with(failed)
}

/// Why the campaign should not have been started; empty when it should.
pub fn objections(fleet: &Fleet, campaign: &(CampaignInput, Vec<UpgradeRequest>)) -> Vec<String> {
    let (input, requests) = campaign;
    let state = fleet.eks.state();
    let mut found = Vec::new();
    for request in requests {
        let name = &request.cluster;
        let theirs = state.clusters.values().find(|installed| installed.cluster.arn.to_string() == *name);
        let Some(cluster) = theirs.map(|installed| &installed.cluster) else {
            found.push(format!("{name} is none of our clusters"));
            continue;
        };
        if !name.starts_with("arn:aws:eks:us-east-1:123456789012:cluster/") {
            found.push(format!("{name} is not at home"));
        }
        if cluster.tags.get("eks-upgrade:enabled").is_none_or(|value| value != "true") {
            found.push(format!("{name} is not opted in"));
        }
        let release = state.calendar.get(cluster.version).unwrap();
        let days_left = release.standard_until.unwrap().duration_since(fleet.clock.now()).as_hours() / 24;
        if release.status == SupportStatus::Standard && days_left > 180 {
            found.push(format!("{name} is not due: {days_left} days are left"));
        }
        if !matches!(cluster.status, Status::Active | Status::Updating) {
            found.push(format!("{name} is {:?}", cluster.status));
        }
        let target = request.target.as_ref().unwrap();
        if *target <= cluster.version.to_string() || state.calendar.get(target.parse().unwrap()).is_none() {
            found.push(format!("{name} would go to {target}"));
        }
    }
    let names: std::collections::BTreeSet<_> = requests.iter().map(|r| &r.cluster).collect();
    if names.len() != requests.len() {
        found.push("a cluster stands twice".into());
    }
    // What Step Functions takes as input, what SNS takes as a subject.
    let bytes = serde_json::to_string(input).unwrap().len();
    if bytes > 256 * 1024 {
        found.push(format!("the execution's input has {bytes} bytes"));
    }
    for told in fleet.told_of_campaigns() {
        if told.subject.len() > 100 || told.message.len() > 256 * 1024 {
            found.push("the notification is too long".into());
        }
    }
    found
}
