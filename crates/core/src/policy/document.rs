//! The document that people write, and what follows from it for one cluster.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use jiff::{SignedDuration, Timestamp};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::kubernetes::Kubernetes;
use super::rings::Rings;
use super::settings::{Bake, EndOfSupport, NodeHops, NodeStrategy, StepName};
use super::{Policy, TargetRule, tags};
use crate::arn::{AccountId, ClusterArn, Home, Region};
use crate::ids::digest;
use crate::text::quoted;
use crate::window::{Freeze, Schedule, Window};

/// Which clusters take part: those that carry this tag.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct OptIn {
    /// The tag's key.
    pub key: String,
    /// The tag's value.
    pub value: String,
}

impl Default for OptIn {
    fn default() -> Self {
        Self { key: "eks-upgrade:enabled".into(), value: "true".into() }
    }
}

/// Which clusters something is for: those that satisfy everything that is given; all when nothing is.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields, rename_all = "camelCase")]
pub struct Selector {
    /// Tags that the cluster carries, each with this value.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub tags: BTreeMap<String, String>,
    /// Its name is one of these; `prod-*` means every name that begins so.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub names: Vec<String>,
    /// Its account is one of these.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub accounts: Vec<AccountId>,
    /// Its Region is one of these.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub regions: Vec<Region>,
}

impl Selector {
    /// Whether it means this cluster.
    #[must_use]
    pub fn selects(&self, cluster: &ClusterArn, tags: &BTreeMap<String, String>) -> bool {
        let named = |pattern: &String| match pattern.strip_suffix('*') {
            Some(start) => cluster.name.as_str().starts_with(start),
            None => cluster.name.as_str() == pattern,
        };
        self.tags.iter().all(|(key, value)| tags.get(key) == Some(value))
            && (self.names.is_empty() || self.names.iter().any(named))
            && (self.accounts.is_empty() || self.accounts.contains(&cluster.account))
            && (self.regions.is_empty() || self.regions.contains(&cluster.region))
    }
}

/// What wants a person's yes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Before {
    /// A campaign begins.
    Campaign,
    /// A ring of a campaign begins.
    Ring,
    /// A run makes its first mutating call.
    Run,
    /// A step makes its mutating call.
    Step,
}

/// One approval that is wanted.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct ApprovalRule {
    /// Before what.
    pub before: Before,
    /// With `ring`: which rings, by name; left out: each.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub rings: Vec<String>,
    /// With `run` and `step`: of which clusters.
    #[serde(default)]
    pub clusters: Selector,
    /// With `step`: which kinds of step; left out: each.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    pub steps: BTreeSet<StepName>,
    /// How long the question stays open, like `3d`; 5 minutes to `30d`. Unanswered by then, it counts as a no.
    #[serde(default = "ApprovalRule::usual_expiry", with = "crate::length")]
    #[schemars(schema_with = "crate::length::schema")]
    pub expires: SignedDuration,
}

impl ApprovalRule {
    fn usual_expiry() -> SignedDuration {
        SignedDuration::from_hours(7 * 24)
    }

    fn check(&self, rings: &Rings) -> Result<(), String> {
        let bounds = SignedDuration::from_mins(5)..=SignedDuration::from_hours(30 * 24);
        if !bounds.contains(&self.expires) {
            return Err(format!("an approval expires after {:#}; 5m to 30d are possible", self.expires));
        }
        match self.rings.iter().find(|name| rings.order.iter().all(|ring| ring.name != **name)) {
            Some(name) => {
                Err(format!("an approval is wanted before ring {name}, which is not in rings.order"))
            }
            None => Ok(()),
        }
    }
}

/// An account with clusters that this deployment upgrades from afar, through a role there.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct Spoke {
    /// The account.
    pub account: AccountId,
    /// Its Regions.
    pub regions: Vec<Region>,
    /// The name of the role to assume there; infra/spoke.yaml makes it.
    #[serde(default = "Spoke::usual_role")]
    pub role: String,
    /// The external id that the role asks for.
    pub external_id: String,
}

impl fmt::Debug for Spoke {
    /// Without the external id: no log shows it.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { account, regions, role, external_id: _ } = self;
        let mut shown = f.debug_struct("Spoke");
        shown.field("account", account).field("regions", regions).field("role", role).finish_non_exhaustive()
    }
}

impl Spoke {
    fn usual_role() -> String {
        "eks-upgrade-spoke".into()
    }

    /// The places that it has.
    pub fn homes<'a>(&'a self, partition: &'a str) -> impl Iterator<Item = Home> + 'a {
        self.regions.iter().map(move |region| Home {
            partition: partition.to_owned(),
            account: self.account.clone(),
            region: region.clone(),
        })
    }
}

/// What is otherwise for some clusters. Where several select a cluster, the last that says something wins;
/// freezes add up.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields, rename_all = "camelCase")]
pub struct Override {
    /// For which.
    pub clusters: Selector,
    /// In place of `target`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub target: Option<TargetRule>,
    /// In place of `nodes`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub nodes: Option<NodeHops>,
    /// In place of `strategy`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub strategy: Option<NodeStrategy>,
    /// On top of `nodeGroupStrategy`.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub node_group_strategy: BTreeMap<String, NodeStrategy>,
    /// In place of `windows`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub windows: Option<Vec<Window>>,
    /// On top of `freezes`.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub freezes: Vec<Freeze>,
    /// In place of `bake`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub bake: Option<Bake>,
    /// In place of `kubernetes`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub kubernetes: Option<Kubernetes>,
    /// In place of `endOfSupport`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub end_of_support: Option<EndOfSupport>,
}

/// The policy of a deployment. Every field may be left out; an empty document is the default policy.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields, rename_all = "camelCase")]
pub struct PolicyDocument {
    /// Which clusters take part in automatic and scheduled upgrades.
    pub opt_in: OptIn,
    /// How many days before the end of standard support a cluster is due; 1 to 400.
    #[schemars(range(min = 1, max = 400))]
    pub lead_days: u16,
    /// Where an upgrade without a stated target goes.
    pub target: TargetRule,
    /// The rule takes no version that EKS released fewer days ago than this; 0 to 365.
    #[schemars(range(min = 0, max = 365))]
    pub min_version_age_days: u16,
    /// When node groups follow.
    pub nodes: NodeHops,
    /// How nodes are replaced.
    pub strategy: NodeStrategy,
    /// How single node groups are replaced, by name.
    pub node_group_strategy: BTreeMap<String, NodeStrategy>,
    /// How many node groups of a cluster roll at once; 1 to 20.
    #[schemars(range(min = 1, max = 20))]
    pub node_groups_at_once: u8,
    /// How many add-ons of a cluster are updated at once; 1 to 20.
    #[schemars(range(min = 1, max = 20))]
    pub addons_at_once: u8,
    /// How many clusters of a wave are upgraded at once; 1 to 40 (the limit of an inline Map).
    #[schemars(range(min = 1, max = 40))]
    pub clusters_at_once: u8,
    /// How often one step is tried before the run stops; 1 to 5.
    #[schemars(range(min = 1, max = 5))]
    pub attempts: u8,
    /// Add-ons whose fields people changed that may be overwritten once `PRESERVE` found a conflict.
    pub overwrite_addons: BTreeSet<String>,
    /// When mutating calls may start; without any, always.
    pub windows: Vec<Window>,
    /// When they may not, whatever the windows say.
    pub freezes: Vec<Freeze>,
    /// What wins when support ends before the next window opens.
    pub end_of_support: EndOfSupport,
    /// What follows each control-plane hop before anything else moves.
    pub bake: Bake,
    /// Environments in order.
    pub rings: Rings,
    /// What may be seen of the inside of clusters, and done to it.
    pub kubernetes: Kubernetes,
    /// What wants a person's yes.
    pub approvals: Vec<ApprovalRule>,
    /// What is otherwise for some clusters.
    pub overrides: Vec<Override>,
    /// Other accounts and Regions whose clusters are upgraded from here.
    pub spokes: Vec<Spoke>,
}

impl Default for PolicyDocument {
    fn default() -> Self {
        Self {
            opt_in: OptIn::default(),
            // AWS Health announces the end of support about 180 days ahead: notice and sweep agree.
            lead_days: 180,
            target: TargetRule::default(),
            // A month lets the first patch releases of a minor come out.
            min_version_age_days: 30,
            nodes: NodeHops::default(),
            strategy: NodeStrategy::default(),
            node_group_strategy: BTreeMap::new(),
            // Three groups at once keep at least most of a usual cluster's groups untouched.
            node_groups_at_once: 3,
            addons_at_once: 5,
            clusters_at_once: 10,
            // A second try tells a passing failure from a lasting one; a third seldom does better.
            attempts: 2,
            overwrite_addons: BTreeSet::new(),
            windows: Vec::new(),
            freezes: Vec::new(),
            end_of_support: EndOfSupport::default(),
            bake: Bake::default(),
            rings: Rings::default(),
            kubernetes: Kubernetes::default(),
            approvals: Vec::new(),
            overrides: Vec::new(),
            spokes: Vec::new(),
        }
    }
}

/// Why a policy was refused.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PolicyError {
    /// It does not read.
    #[error("line {line}, column {column}{}: {message}", field.as_ref().map_or_else(String::new, |field| format!(", {field}")))]
    Form {
        /// Where, from 1.
        line: u64,
        /// Where, from 1.
        column: u64,
        /// In which field, as a path.
        field: Option<String>,
        /// What is wrong with it.
        message: String,
    },
    /// It reads, and cannot be meant.
    #[error("{0}")]
    Sense(String),
    /// A tag of the cluster with a value that means nothing.
    #[error("the tag {tag} of the cluster: {message}")]
    Tag {
        /// Which tag.
        tag: &'static str,
        /// What is wrong with it.
        message: String,
    },
}

impl PolicyDocument {
    /// Reads the document, YAML or JSON. Empty text is the default policy.
    pub fn read(yaml: &str) -> Result<Self, PolicyError> {
        let has_content = yaml.lines().any(|line| {
            let line = line.trim();
            !(line.is_empty() || line.starts_with('#') || line == "---")
        });
        let document = if has_content { parse(yaml)? } else { Self::default() };
        document.check().map_err(|message| {
            let message = quoted(&message);
            let (line, field) = place_of(yaml, &message);
            match line {
                Some(line) => PolicyError::Form { line, column: 1, field, message },
                None => PolicyError::Sense(message),
            }
        })?;
        Ok(document)
    }

    fn check(&self) -> Result<(), String> {
        let bounds = [
            ("leadDays", self.lead_days, 1, 400),
            ("minVersionAgeDays", self.min_version_age_days, 0, 365),
            ("nodeGroupsAtOnce", self.node_groups_at_once.into(), 1, 20),
            ("addonsAtOnce", self.addons_at_once.into(), 1, 20),
            ("clustersAtOnce", self.clusters_at_once.into(), 1, 40),
            ("attempts", self.attempts.into(), 1, 5),
            ("endOfSupport.noticeDays", self.end_of_support.notice_days, 1, 90),
        ];
        for (field, value, min, max) in bounds {
            if !(min..=max).contains(&value) {
                return Err(format!("{field} is {value}; it may be {min} to {max}"));
            }
        }
        self.rings.check()?;
        for bake in self.overrides.iter().filter_map(|other| other.bake.as_ref()).chain([&self.bake]) {
            bake.check()?;
        }
        let others = self.overrides.iter().filter_map(|other| other.kubernetes.as_ref());
        others.chain([&self.kubernetes]).try_for_each(Kubernetes::check)?;
        self.approvals.iter().try_for_each(|rule| rule.check(&self.rings))
    }

    /// What in it can be meant and hardly is: windows that a freeze always covers, and the like.
    #[must_use]
    pub fn doubts(&self, now: Timestamp) -> Vec<String> {
        let schedule = |windows: &[Window], freezes: &[Freeze]| {
            Schedule { windows: windows.to_vec(), freezes: freezes.to_vec() }.check(now)
        };
        let mut doubts = schedule(&self.windows, &self.freezes);
        for (place, other) in self.overrides.iter().enumerate() {
            let windows = other.windows.as_ref().unwrap_or(&self.windows);
            let freezes: Vec<Freeze> = self.freezes.iter().chain(&other.freezes).cloned().collect();
            doubts.extend(
                schedule(windows, &freezes).into_iter().map(|doubt| format!("overrides[{place}]: {doubt}")),
            );
        }
        doubts
    }

    /// The SHA-256 over the document as it was understood.
    #[must_use]
    pub fn hash(&self) -> String {
        digest(&[&serde_json::to_string(self).unwrap_or_default()])
    }

    /// What holds for a cluster that nothing selects.
    pub(super) fn settings(&self) -> Policy {
        Policy {
            document: self.hash(),
            target: self.target,
            min_version_age_days: self.min_version_age_days,
            nodes: self.nodes,
            strategy: self.strategy,
            node_group_strategy: self.node_group_strategy.clone(),
            node_groups_at_once: self.node_groups_at_once,
            addons_at_once: self.addons_at_once,
            attempts: self.attempts,
            overwrite_addons: self.overwrite_addons.clone(),
            schedule: Schedule { windows: self.windows.clone(), freezes: self.freezes.clone() },
            end_of_support: self.end_of_support.clone(),
            bake: self.bake.clone(),
            kubernetes: self.kubernetes.clone(),
            approvals: Vec::new(),
            ring: None,
        }
    }

    /// The policy of one cluster: the document, what it says otherwise for such clusters, the cluster's own tags.
    pub fn for_cluster(
        &self,
        cluster: &ClusterArn,
        tags: &BTreeMap<String, String>,
    ) -> Result<Policy, PolicyError> {
        let mut policy = self.settings();
        for other in self.overrides.iter().filter(|other| other.clusters.selects(cluster, tags)) {
            other.apply(&mut policy);
        }
        tags::apply(&mut policy, tags)?;
        let wanted = |rule: &&ApprovalRule| {
            matches!(rule.before, Before::Run | Before::Step) && rule.clusters.selects(cluster, tags)
        };
        policy.approvals = self.approvals.iter().filter(wanted).cloned().collect();
        policy.ring = (!self.rings.order.is_empty()).then(|| self.rings.of(cluster, tags).1.to_owned());
        Ok(policy)
    }

    /// Whether a cluster with these tags takes part.
    #[must_use]
    pub fn opted_in(&self, tags: &BTreeMap<String, String>) -> bool {
        tags.get(&self.opt_in.key) == Some(&self.opt_in.value)
    }

    /// [`PolicyDocument::lead_days`] as a duration.
    #[must_use]
    pub fn lead(&self) -> SignedDuration {
        SignedDuration::from_hours(24 * i64::from(self.lead_days))
    }

    /// The spoke that a place belongs to.
    #[must_use]
    pub fn spoke(&self, home: &Home) -> Option<&Spoke> {
        self.spokes.iter().find(|spoke| spoke.account == home.account && spoke.regions.contains(&home.region))
    }
}

impl Override {
    fn apply(&self, policy: &mut Policy) {
        fn set<T: Clone>(into: &mut T, from: Option<&T>) {
            if let Some(from) = from {
                into.clone_from(from);
            }
        }
        set(&mut policy.target, self.target.as_ref());
        set(&mut policy.nodes, self.nodes.as_ref());
        set(&mut policy.strategy, self.strategy.as_ref());
        set(&mut policy.schedule.windows, self.windows.as_ref());
        set(&mut policy.bake, self.bake.as_ref());
        set(&mut policy.kubernetes, self.kubernetes.as_ref());
        set(&mut policy.end_of_support, self.end_of_support.as_ref());
        policy.node_group_strategy.extend(self.node_group_strategy.clone());
        policy.schedule.freezes.extend(self.freezes.iter().cloned());
    }
}

fn parse(yaml: &str) -> Result<PolicyDocument, PolicyError> {
    let mut field = None;
    let parsed = serde_saphyr::with_deserializer_from_str(yaml, |deserializer| {
        serde_path_to_error::deserialize(deserializer).map_err(|error| {
            let path = error.path().to_string();
            field = Some(quoted(&path)).filter(|path| path != ".");
            error.into_inner()
        })
    });
    parsed.map_err(|error| {
        let place = error.location();
        let message = error.without_snippet().to_string();
        // The position is reported separately.
        let message = quoted(message.split(" at line ").next().unwrap_or_default());
        PolicyError::Form {
            line: place.map_or(1, |place| place.line()),
            column: place.map_or(1, |place| place.column()),
            field,
            message,
        }
    })
}

/// The line on which a message's field stands, as its last name is written there.
fn place_of(yaml: &str, message: &str) -> (Option<u64>, Option<String>) {
    let field = message.split(' ').next().unwrap_or_default();
    let key = field.rsplit('.').next().unwrap_or_default();
    let line = (!key.is_empty())
        .then(|| {
            yaml.lines()
                .position(|line| line.trim_start().trim_start_matches("- ").starts_with(&format!("{key}:")))
        })
        .flatten();
    match line {
        Some(line) => (u64::try_from(line + 1).ok(), Some(field.to_owned())),
        None => (None, None),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn arn(name: &str) -> ClusterArn {
        format!("arn:aws:eks:us-east-1:123456789012:cluster/{name}").parse().unwrap()
    }

    fn tags<const N: usize>(pairs: [(&str, &str); N]) -> BTreeMap<String, String> {
        pairs.map(|(key, value)| (key.to_owned(), value.to_owned())).into()
    }

    #[test]
    fn an_empty_document_is_the_default() {
        for text in ["", "{}", "---\n# nothing yet\n"] {
            assert_eq!(PolicyDocument::read(text).unwrap(), PolicyDocument::default());
        }
    }

    #[test]
    fn what_does_not_read_is_refused_with_its_line_and_field() {
        for (text, line, says) in [
            ("leadDays: 90\nleadDayz: 3\n", 2, "leadDayz"),
            ("attempts: 9\n", 1, "attempts is 9; it may be 1 to 5"),
            ("leadDays: 90\nattempts: many\n", 2, "attempts"),
            ("rings:\n  order:\n    - {name: dev}\n    - {name: dev, waves: []}\n", 4, "waves"),
            ("bake:\n  duration: 9d\n", 2, "bake.duration is"),
            ("target: oldest\n", 1, "target"),
            ("strategy: brute\n", 1, "strategy"),
        ] {
            let error = PolicyDocument::read(text).unwrap_err();
            let PolicyError::Form { line: found, .. } = &error else { panic!("{text:?}: {error}") };
            assert_eq!(*found, line, "{text:?}: {error}");
            assert!(error.to_string().contains(says), "{text:?}: {error}");
        }
    }

    #[test]
    fn an_external_id_shows_itself_nowhere() {
        let spoke = |more: &str| {
            format!(
                "spokes:\n  - {{account: '222222222222', regions: [eu-west-1], externalId: canary{more}}}\n"
            )
        };
        let document = PolicyDocument::read(&spoke("")).unwrap();
        assert!(!format!("{document:?}").contains("canary"));
        for wrong in [", role: [x]", ", nme: x", "}, {account: 1", "]"] {
            let error = PolicyDocument::read(&spoke(wrong)).unwrap_err();
            assert!(!format!("{error} {error:?}").contains("canary"), "{error}");
        }
    }

    #[test]
    fn a_refusal_is_one_line_and_short_whatever_was_written() {
        let long = "x".repeat(10_000);
        for text in [
            format!("{long}: 1"),
            format!("nodeGroupStrategy: {{{long}: brute}}"),
            format!("strategy: {long}"),
            "\"lead\\nDays\": 1".to_owned(),
            "nodeGroupStrategy: {\"a\\nb\": brute}".to_owned(),
            format!("approvals: [{{before: ring, rings: [\"a\\n{long}\"]}}]"),
        ] {
            let message = PolicyDocument::read(&text).unwrap_err().to_string();
            assert!(message.chars().count() < 1_500 && !message.contains('\n'), "{message}");
        }
        let tags = tags([(super::super::WINDOW_TAG, "at\nnight")]);
        let message = PolicyDocument::default().for_cluster(&arn("a"), &tags).unwrap_err().to_string();
        assert!(!message.contains('\n'), "{message}");
    }

    #[test]
    fn what_cannot_be_meant_is_refused() {
        for text in [
            "rings: {order: [{name: dev}, {name: dev}]}",
            "approvals: [{before: ring, rings: [prod]}]",
            "approvals: [{before: run, expires: 1m}]",
        ] {
            assert!(PolicyDocument::read(text).is_err(), "{text}");
        }
    }

    #[test]
    fn the_last_override_that_says_something_wins_and_tags_go_before_all() {
        let document = PolicyDocument::read(
            "strategy: rolling\n\
             overrides:\n\
             - {clusters: {tags: {env: prod}}, strategy: force, bake: {duration: 2h}}\n\
             - {clusters: {names: [prod-*]}, strategy: rolling-then-force}\n",
        )
        .unwrap();
        let of =
            |name: &str, given: &BTreeMap<String, String>| document.for_cluster(&arn(name), given).unwrap();
        let prod = tags([("env", "prod")]);
        assert_eq!(of("dev-a", &tags([])).strategy, NodeStrategy::Rolling);
        assert_eq!(of("a", &prod).strategy, NodeStrategy::Force);
        assert_eq!(of("prod-a", &prod).strategy, NodeStrategy::RollingThenForce);
        assert_eq!(of("prod-a", &prod).bake.duration, SignedDuration::from_hours(2));
        let own = tags([("env", "prod"), (super::super::STRATEGY_TAG, "rolling")]);
        assert_eq!(of("prod-a", &own).strategy, NodeStrategy::Rolling);
    }

    #[test]
    fn nonsense_in_a_tag_is_refused() {
        for (tag, value) in [
            (super::super::STRATEGY_TAG, "forse"),
            (super::super::NODES_TAG, "never"),
            (super::super::TARGET_TAG, "up"),
            (super::super::WINDOW_TAG, "at night"),
            (super::super::BAKE_TAG, "9d"),
        ] {
            let error = PolicyDocument::default().for_cluster(&arn("a"), &tags([(tag, value)])).unwrap_err();
            assert!(error.to_string().contains(tag), "{error}");
        }
    }
}
