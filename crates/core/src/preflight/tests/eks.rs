//! EKS's own insights, judged.

use std::collections::BTreeMap;

use jiff::Timestamp;

use super::super::fixture::{minor, upgrade};
use crate::cluster::{
    AmiFamily, Cluster, DeprecatedUse, Insight, InsightCategory, InsightStatus, Inventory, NodeGroup, Status,
};
use crate::finding::{Code, Finding, Level};
use crate::inspection::Inspection;
use crate::preflight::of_eks;

const NOW: &str = "2026-08-18T09:00:00Z";
const DEPRECATED: &str = "Deprecated APIs removed in Kubernetes v1.35";

fn time(text: &str) -> Timestamp {
    text.parse().unwrap()
}

fn insight(name: &str, status: InsightStatus, about: &str) -> Insight {
    Insight {
        name: name.into(),
        category: InsightCategory::UpgradeReadiness,
        status,
        about: Some(minor(about)),
        reason: "in EKS's words".into(),
        refreshed_at: Some(time("2026-08-18T08:00:00Z")),
        deprecated: Vec::new(),
    }
}

fn used(client: &str, last: Option<&str>) -> DeprecatedUse {
    DeprecatedUse {
        usage: "/apis/example.com/v1beta1/things".into(),
        replaced_with: "/apis/example.com/v1/things".into(),
        stops_serving: Some(minor("1.35")),
        client: client.into(),
        requests_30d: 12,
        last: last.map(time),
    }
}

fn judged(insights: Vec<Insight>) -> Vec<Finding> {
    of_eks(&cluster(insights), upgrade("1.34", "1.35"), time(NOW))
}

fn cluster(insights: Vec<Insight>) -> Inventory {
    Inventory {
        cluster: Cluster {
            arn: "arn:aws:eks:eu-central-1:123456789012:cluster/prod-a".parse().unwrap(),
            created_at: time("2025-01-01T00:00:00Z"),
            version: minor("1.34"),
            status: Status::Active,
            tags: BTreeMap::new(),
            auto_mode: false,
            extended_support: true,
            health_issues: Vec::new(),
        },
        node_groups: Vec::new(),
        addons: Vec::new(),
        fargate_profiles: Vec::new(),
        catalogue: BTreeMap::new(),
        insights,
        inside: None,
    }
}

fn node_group(version: &str) -> NodeGroup {
    NodeGroup {
        name: "web".into(),
        version: minor(version),
        release: None,
        ami: AmiFamily::Published,
        launch_template: None,
        status: Status::Active,
        size: 3,
        max_unavailable: 1,
        health_issues: Vec::new(),
    }
}

fn told(insights: Vec<Insight>) -> Vec<(Code, Level)> {
    judged(insights).iter().map(|finding| (finding.code, finding.level)).collect()
}

#[test]
fn an_insights_status_is_a_level() {
    let of = |status| told(vec![insight("Cluster health issues", status, "1.35")]);
    assert_eq!(of(InsightStatus::Passing), []);
    assert_eq!(of(InsightStatus::Warning), [(Code::InsightWarning, Level::Warn)]);
    assert_eq!(of(InsightStatus::Error), [(Code::InsightError, Level::Block)]);
    assert_eq!(of(InsightStatus::Unknown), [(Code::InsightError, Level::Unknown)]);
}

#[test]
fn insights_about_later_minors_and_the_way_back_are_not_this_upgrades() {
    let later = insight("Cluster health issues", InsightStatus::Error, "1.36");
    let mut back = insight("Incompatible API usage", InsightStatus::Error, "1.33");
    back.category = InsightCategory::RollbackReadiness;
    assert_eq!(told(vec![later, back]), []);
}

#[test]
fn what_the_plan_judges_by_itself_does_not_block() {
    for name in ["kube-proxy version skew", "EKS add-on version compatibility"] {
        let error = insight(name, InsightStatus::Error, "1.35");
        assert_eq!(told(vec![error]), [(Code::InsightWarning, Level::Warn)], "{name}");
        let unknown = insight(name, InsightStatus::Unknown, "1.35");
        assert_eq!(told(vec![unknown]), [(Code::InsightError, Level::Unknown)], "{name}");
    }
    assert_eq!(told(vec![insight("Amazon Linux 2 compatibility", InsightStatus::Error, "1.35")]), []);
}

#[test]
fn kubelets_too_far_behind_block_unless_the_plan_sees_whose_they_are() {
    let lag = || vec![insight("Kubelet version skew", InsightStatus::Error, "1.35")];
    let of = |inventory: &Inventory| -> Vec<(Code, Level)> {
        let found = of_eks(inventory, upgrade("1.34", "1.35"), time(NOW));
        found.iter().map(|finding| (finding.code, finding.level)).collect()
    };
    let blocks = [(Code::InsightError, Level::Block)];
    let warns = [(Code::InsightWarning, Level::Warn)];
    let with = |version: &str| Inventory { node_groups: vec![node_group(version)], ..cluster(lag()) };
    assert_eq!(of(&cluster(lag())), blocks, "nodes of nobody's");
    assert_eq!(of(&with("1.32")), blocks, "the group is near enough: others are behind");
    assert_eq!(of(&with("1.31")), warns, "the plan rolls it first");
    let unseen = Inspection::unseen(time(NOW), "403 Forbidden");
    let seen = Inspection { unread: None, ..unseen.clone() };
    let inside = |inside: Inspection| Inventory { inside: Some(inside), ..with("1.34") };
    assert_eq!(of(&inside(unseen)), blocks, "it was to be looked inside");
    assert_eq!(of(&inside(seen)), warns, "every node is judged by itself");
    let unknown = insight("Kubelet version skew", InsightStatus::Unknown, "1.35");
    assert_eq!(told(vec![unknown]), [(Code::InsightError, Level::Unknown)]);
}

#[test]
fn a_live_caller_blocks_and_a_silent_one_is_a_memory() {
    let callers = |uses: Vec<DeprecatedUse>| {
        let mut error = insight(DEPRECATED, InsightStatus::Error, "1.35");
        error.deprecated = uses;
        judged(vec![error])
    };
    let both = callers(vec![
        used("kubectl/v1.20", Some("2026-07-25T10:00:00Z")),
        used("operator/v3", Some("2026-08-12T10:00:00Z")),
    ]);
    assert_eq!(both.len(), 2);
    assert_eq!((both[0].code, both[0].level), (Code::DeprecatedApiCalled, Level::Block));
    assert!(both[0].message.contains("operator/v3"), "{both:?}");
    assert!(both[0].next_action.contains("/apis/example.com/v1/things"), "{both:?}");
    assert_eq!(both[1].level, Level::Warn);
    assert!(both[1].message.contains("2026-07-25"), "the date of its last call: {both:?}");

    let undated = callers(vec![used("operator/v3", None)]);
    assert_eq!(undated[0].level, Level::Block, "it called, and it is not said when");
    let mut silent = used("operator/v3", None);
    silent.requests_30d = 0;
    assert_eq!(callers(vec![silent])[0].level, Level::Warn);
}

#[test]
fn an_error_on_deprecated_apis_without_evidence_is_an_error() {
    let error = insight(DEPRECATED, InsightStatus::Error, "1.35");
    assert_eq!(told(vec![error]), [(Code::InsightError, Level::Block)]);
}

#[test]
fn an_api_that_goes_after_the_target_blocks_nobody() {
    let mut error = insight(DEPRECATED, InsightStatus::Error, "1.35");
    let mut later = used("operator/v3", Some("2026-08-18T08:00:00Z"));
    later.stops_serving = Some(minor("1.36"));
    error.deprecated = vec![later];
    assert_eq!(told(vec![error]), []);
}

#[test]
fn old_insights_are_said_to_be_old_once() {
    let aged = |at: Option<&str>| {
        let mut insight = insight("Cluster health issues", InsightStatus::Passing, "1.35");
        insight.refreshed_at = at.map(time);
        insight
    };
    assert_eq!(told(vec![aged(Some("2026-08-17T09:00:00Z"))]), []);
    let stale = vec![aged(Some("2026-08-17T08:59:59Z")), aged(Some("2026-08-10T00:00:00Z")), aged(None)];
    let found = judged(stale);
    assert_eq!(found.len(), 1);
    assert_eq!((found[0].code, found[0].level), (Code::InsightsStale, Level::Warn));
    assert!(found[0].message.contains("2026-08-10"), "{found:?}");
}
