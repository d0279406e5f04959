//! The way back: one minor down, while EKS still takes it and nothing stands against it.

use eks_upgrade_core::calendar::{Calendar, Release, SupportStatus};
use eks_upgrade_core::cluster::{Insight, InsightCategory, InsightStatus, Update, UpdateStatus};
use eks_upgrade_core::control::{Consent, ConsentScope};
use eks_upgrade_core::finding::{Code, Level};
use eks_upgrade_core::plan::{Plan, StepKind};
use eks_upgrade_core::remedy::{Failure, Remedy};
use eks_upgrade_core::way_back::{Past, plan_back};
use jiff::{SignedDuration, Timestamp};

use crate::given::{Case, found, ids, minor, now, step, waits_for};

const DAY_S: i64 = 86_400;

/// A cluster at 1.34, which came there from 1.33 a day ago.
struct Back {
    case: Case,
    updates: Vec<Update>,
    insights: Vec<Insight>,
    support: SupportStatus,
}

impl Back {
    fn new() -> Self {
        let mut case = Case::to(34);
        case.inventory.cluster.version = minor(34);
        Self {
            case,
            updates: vec![update("VersionUpdate", "1.34", DAY_S)],
            insights: vec![insight(InsightStatus::Passing)],
            support: SupportStatus::Standard,
        }
    }

    fn plan(&self) -> Plan {
        let release = |at, status| Release {
            minor: minor(at),
            is_default: false,
            status,
            released: None,
            standard_until: None,
            extended_until: None,
        };
        let releases = vec![release(33, self.support), release(34, SupportStatus::Standard)];
        self.plan_by(&Calendar::new(releases))
    }

    fn plan_by(&self, calendar: &Calendar) -> Plan {
        let because = Failure {
            code: "GateFailed".into(),
            message: "in words".into(),
            resources: Vec::new(),
            remedy: Remedy::RollBack,
            next_action: "look at it".into(),
        };
        let past = Past { updates: &self.updates, insights: &self.insights, calendar, because };
        self.case.wish(|wish| plan_back(&self.case.inventory, &past, wish, now()))
    }

    /// Somebody takes the insights upon themselves.
    fn overridden(mut self) -> Self {
        self.case.controls.consents.push(Consent {
            id: "co-1".parse().unwrap(),
            cluster: self.case.inventory.cluster.arn.clone(),
            scope: ConsentScope::Override { finding: Code::RollBackInsight, subject: None },
            by: "arn:aws:sts::123456789012:assumed-role/sre/ada".parse().unwrap(),
            reason: "looked at it".into(),
            at: now(),
            expires_at: Timestamp::MAX,
        });
        self
    }
}

fn update(kind: &str, to: &str, ago_s: i64) -> Update {
    Update {
        id: "u-1".parse().unwrap(),
        kind: kind.into(),
        status: UpdateStatus::Successful,
        created_at: now() - SignedDuration::from_secs(ago_s),
        to: Some(to.into()),
        errors: Vec::new(),
    }
}

fn insight(status: InsightStatus) -> Insight {
    Insight {
        name: "API usage".into(),
        category: InsightCategory::RollbackReadiness,
        status,
        about: None,
        reason: "a client uses it".into(),
        refreshed_at: None,
        deprecated: Vec::new(),
    }
}

/// The codes of what blocks.
fn blocks(plan: &Plan) -> Vec<Code> {
    plan.findings.iter().filter(|finding| finding.level == Level::Block).map(|finding| finding.code).collect()
}

fn forced(plan: &Plan) -> bool {
    match step(plan, "1.33/roll-back").kind {
        StepKind::RollBack { from, to, force } => {
            assert_eq!((from, to), (minor(34), minor(33)));
            force
        }
        ref other => panic!("{other:?}"),
    }
}

#[test]
fn it_goes_back_one_minor_and_looks_at_it() {
    let plan = Back::new().plan();
    assert_eq!((plan.from, plan.target), (minor(34), minor(33)));
    assert_eq!(plan.hops.len(), 1);
    assert_eq!(plan.hops[0].to, minor(33));
    assert_eq!(ids(&plan), ["1.33/roll-back"]);
    assert!(waits_for(&plan, "1.33/verify", "1.33/roll-back"));
    assert_eq!(plan.rolls_back.as_ref().map(|because| because.code.as_str()), Some("GateFailed"));
    assert_eq!(plan.findings, []);
    assert!(!forced(&plan));
}

#[test]
fn only_the_last_upgrade_in_place_is_taken_back() {
    let with = |updates: Vec<Update>| blocks(&Back { updates, ..Back::new() }.plan());
    let up = |ago_s| update("VersionUpdate", "1.34", ago_s);
    assert_eq!(with(vec![]), [Code::NothingToRollBack]);
    assert_eq!(with(vec![Update { status: UpdateStatus::Failed, ..up(1) }]), [Code::NothingToRollBack]);
    assert_eq!(with(vec![update("VersionUpdate", "1.33", 1)]), [Code::NothingToRollBack]);
    assert_eq!(with(vec![update("ConfigUpdate", "1.34", 1)]), [Code::NothingToRollBack]);
    let rolled_back = update("VersionRollback", "1.34", 1);
    assert_eq!(with(vec![up(2), rolled_back.clone()]), [Code::NothingToRollBack]);
    assert_eq!(with(vec![rolled_back]), [Code::NothingToRollBack]);
    let earlier = || update("VersionUpdate", "1.33", 5);
    assert_eq!(with(vec![earlier(), up(2)]), []);
    assert_eq!(with(vec![up(2), earlier()]), []);
    let failed = Update { status: UpdateStatus::Failed, ..update("VersionRollback", "1.33", 1) };
    assert_eq!(with(vec![up(2), failed]), [], "a way back that failed has changed nothing");
}

#[test]
fn it_is_taken_back_within_seven_days() {
    let after =
        |ago_s| blocks(&Back { updates: vec![update("VersionUpdate", "1.34", ago_s)], ..Back::new() }.plan());
    assert_eq!(after(7 * DAY_S), []);
    assert_eq!(after(7 * DAY_S + 1), [Code::RollBackTooLate]);
    assert_eq!(after(30 * DAY_S), [Code::RollBackTooLate]);
}

#[test]
fn no_node_may_be_newer() {
    for (at, blocked) in [(32, false), (33, false), (34, true)] {
        let mut back = Back::new();
        back.case.group().version = minor(at);
        assert_eq!(blocks(&back.plan()), if blocked { vec![Code::NodesNewer] } else { vec![] }, "1.{at}");
    }
    let mut back = Back::new();
    back.case.inventory.fargate_profiles = vec!["jobs".into()];
    let plan = back.plan();
    assert_eq!(found(&plan, Code::Fargate), [(Level::Warn, "jobs")]);
    assert!(!forced(&plan), "a warning of another kind overrides nothing");
}

#[test]
fn an_insight_that_is_error_or_unknown_stands_against_it() {
    for (status, word) in [(InsightStatus::Error, "ERROR"), (InsightStatus::Unknown, "UNKNOWN")] {
        let plan = Back { insights: vec![insight(status)], ..Back::new() }.plan();
        assert_eq!(blocks(&plan), [Code::RollBackInsight]);
        assert!(plan.findings[0].message.starts_with(&format!("EKS says {word}:")));
        assert!(!forced(&plan));
    }
    let plan = Back { insights: vec![insight(InsightStatus::Warning)], ..Back::new() }.plan();
    assert_eq!(plan.findings, []);
    let plan = Back { insights: vec![], ..Back::new() }.plan();
    assert_eq!(found(&plan, Code::RollBackInsight), [(Level::Unknown, "prod-a")]);
}

#[test]
fn an_insight_is_overridden_by_consent_and_by_force() {
    let plan = Back { insights: vec![insight(InsightStatus::Error)], ..Back::new() }.overridden().plan();
    assert_eq!(found(&plan, Code::RollBackInsight), [(Level::Warn, "API usage")]);
    assert!(forced(&plan));
    assert!(!forced(&Back::new().overridden().plan()), "there is nothing to override");
}

#[test]
fn into_extended_support_the_support_type_goes_first() {
    let with = |support, extended| {
        let mut back = Back { support, ..Back::new() };
        back.case.inventory.cluster.extended_support = extended;
        let plan = back.plan();
        assert_eq!(blocks(&plan), []);
        ids(&plan).into_iter().map(str::to_owned).collect::<Vec<_>>()
    };
    assert_eq!(with(SupportStatus::Extended, false), ["1.33/support-type", "1.33/roll-back"]);
    assert_eq!(with(SupportStatus::Extended, true), ["1.33/roll-back"]);
    assert_eq!(with(SupportStatus::Standard, false), ["1.33/roll-back"]);
    let plan = Back { support: SupportStatus::Extended, ..Back::new() }.plan();
    assert!(waits_for(&plan, "1.33/roll-back", "1.33/support-type"));
}

#[test]
fn what_eks_no_longer_supports_is_no_way_back() {
    let plan = Back { support: SupportStatus::Unsupported, ..Back::new() }.plan();
    assert_eq!(blocks(&plan), [Code::SupportType]);
    assert_eq!(blocks(&Back::new().plan_by(&Calendar::default())), [Code::SupportType]);
}
