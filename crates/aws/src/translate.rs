//! SDK shapes to domain types. A shape that lacks what it must have is an error in words, not a default.

use std::collections::BTreeMap;

use aws_sdk_eks::primitives::DateTime;
use aws_sdk_eks::types as sdk;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use eks_upgrade_core::calendar::{Release, SupportStatus};
use eks_upgrade_core::cluster::{
    Addon, AmiFamily, Cluster, DeprecatedUse, Insight, InsightCategory, InsightStatus, LaunchTemplate,
    NodeGroup, Offer, Status, Update, UpdateError, UpdateStatus,
};
use eks_upgrade_core::version::Minor;
use eks_upgrade_pipeline::ports::inside::ApiServer;
use jiff::Timestamp;

/// What an answer of EKS lacks or has wrong.
pub type Odd = String;

fn required<T>(value: Option<T>, what: &str) -> Result<T, Odd> {
    value.ok_or_else(|| format!("EKS's answer has no {what}"))
}

fn parsed<T: std::str::FromStr>(text: &str) -> Result<T, Odd>
where
    T::Err: std::fmt::Display,
{
    text.parse().map_err(|error: T::Err| error.to_string())
}

pub fn timestamp(at: &DateTime) -> Result<Timestamp, Odd> {
    let nanos = i32::try_from(at.subsec_nanos()).unwrap_or(0);
    Timestamp::new(at.secs(), nanos).map_err(|error| error.to_string())
}

fn status(text: &str) -> Status {
    match text {
        "ACTIVE" => Status::Active,
        "UPDATING" => Status::Updating,
        "CREATING" | "DELETING" | "PENDING" => Status::Transient(text.to_owned()),
        other => Status::Unwell(other.to_owned()),
    }
}

fn issues<'a>(issues: impl Iterator<Item = (Option<&'a str>, Option<&'a str>)>) -> Vec<String> {
    issues.map(|(code, message)| format!("{}: {}", code.unwrap_or("?"), message.unwrap_or(""))).collect()
}

pub fn cluster(from: &sdk::Cluster) -> Result<Cluster, Odd> {
    let health = from.health().map(sdk::ClusterHealth::issues).unwrap_or_default();
    Ok(Cluster {
        arn: parsed(required(from.arn(), "cluster.arn")?)?,
        created_at: timestamp(required(from.created_at(), "cluster.createdAt")?)?,
        version: parsed(required(from.version(), "cluster.version")?)?,
        status: status(required(from.status(), "cluster.status")?.as_str()),
        tags: from.tags().into_iter().flatten().map(|(k, v)| (k.clone(), v.clone())).collect(),
        auto_mode: from.compute_config().and_then(sdk::ComputeConfigResponse::enabled).unwrap_or(false),
        // EKS's default, for those that were made before there was a choice.
        extended_support: from
            .upgrade_policy()
            .and_then(sdk::UpgradePolicyResponse::support_type)
            .is_none_or(|kind| *kind == sdk::SupportType::Extended),
        health_issues: issues(
            health.iter().map(|i| (i.code().map(sdk::ClusterIssueCode::as_str), i.message())),
        ),
    })
}

pub fn node_group(from: &sdk::Nodegroup) -> Result<NodeGroup, Odd> {
    let health = from.health().map(sdk::NodegroupHealth::issues).unwrap_or_default();
    let size = from.scaling_config().and_then(sdk::NodegroupScalingConfig::desired_size).unwrap_or(0);
    let size = u32::try_from(size).unwrap_or(0);
    Ok(NodeGroup {
        name: required(from.nodegroup_name(), "nodegroup.nodegroupName")?.to_owned(),
        version: parsed(required(from.version(), "nodegroup.version")?)?,
        release: from.release_version().map(str::to_owned),
        ami: ami(from),
        launch_template: from.launch_template().and_then(|template| {
            let (id, version) = (template.id()?.to_owned(), template.version()?.to_owned());
            Some(LaunchTemplate { id, version })
        }),
        status: status(required(from.status(), "nodegroup.status")?.as_str()),
        size,
        max_unavailable: max_unavailable(from.update_config(), size),
        health_issues: issues(
            health.iter().map(|i| (i.code().map(sdk::NodegroupIssueCode::as_str), i.message())),
        ),
    })
}

fn ami(from: &sdk::Nodegroup) -> AmiFamily {
    match from.ami_type().map(sdk::AmiTypes::as_str) {
        Some("CUSTOM") => AmiFamily::Custom,
        Some(text) if text.starts_with("AL2_") => AmiFamily::AmazonLinux2,
        _ => AmiFamily::Published,
    }
}

fn max_unavailable(config: Option<&sdk::NodegroupUpdateConfig>, size: u32) -> u32 {
    let count = config.and_then(sdk::NodegroupUpdateConfig::max_unavailable);
    let percentage = config.and_then(sdk::NodegroupUpdateConfig::max_unavailable_percentage);
    let unsigned = |n: i32| u32::try_from(n).unwrap_or(1);
    match (count, percentage) {
        (Some(count), _) => unsigned(count).max(1),
        (None, Some(percent)) => (size.saturating_mul(unsigned(percent)) / 100).max(1),
        (None, None) => 1,
    }
}

pub fn addon(from: &sdk::Addon) -> Result<Addon, Odd> {
    let health = from.health().map(sdk::AddonHealth::issues).unwrap_or_default();
    Ok(Addon {
        name: required(from.addon_name(), "addon.addonName")?.to_owned(),
        version: parsed(required(from.addon_version(), "addon.addonVersion")?)?,
        status: status(required(from.status(), "addon.status")?.as_str()),
        role: from.service_account_role_arn().map(str::to_owned),
        configuration: from.configuration_values().map(str::to_owned),
        health_issues: issues(
            health.iter().map(|i| (i.code().map(sdk::AddonIssueCode::as_str), i.message())),
        ),
    })
}

/// The offers of one version, one a minor that it serves; what does not read is left out, so that it is
/// never chosen.
pub fn offers(from: &sdk::AddonVersionInfo, into: &mut BTreeMap<Minor, Vec<Offer>>) {
    let Some(version) = from.addon_version().and_then(|text| text.parse().ok()) else { return };
    for compatibility in from.compatibilities() {
        if let Some(minor) = compatibility.cluster_version().and_then(|text| text.parse().ok()) {
            let offer =
                Offer { version: Clone::clone(&version), is_default: compatibility.default_version() };
            into.entry(minor).or_default().push(offer);
        }
    }
}

pub fn release(from: &sdk::ClusterVersionInformation) -> Result<Release, Odd> {
    let date = |at: Option<&DateTime>| at.map(timestamp).transpose();
    Ok(Release {
        minor: parsed(required(from.cluster_version(), "clusterVersion")?)?,
        is_default: from.default_version(),
        status: match from.version_status().map(sdk::VersionStatus::as_str) {
            Some("STANDARD_SUPPORT") => SupportStatus::Standard,
            Some("EXTENDED_SUPPORT") => SupportStatus::Extended,
            Some("UNSUPPORTED") => SupportStatus::Unsupported,
            _ => SupportStatus::Unknown,
        },
        released: date(from.release_date())?,
        standard_until: date(from.end_of_standard_support_date())?,
        extended_until: date(from.end_of_extended_support_date())?,
    })
}

pub fn insight(from: &sdk::InsightSummary, category: InsightCategory) -> Result<Insight, Odd> {
    let stands = from.insight_status();
    let status = match stands.and_then(sdk::InsightStatus::status).map(sdk::InsightStatusValue::as_str) {
        Some("PASSING") => InsightStatus::Passing,
        Some("WARNING") => InsightStatus::Warning,
        Some("ERROR") => InsightStatus::Error,
        _ => InsightStatus::Unknown,
    };
    let reason = stands.and_then(sdk::InsightStatus::reason).or(from.description());
    Ok(Insight {
        name: required(from.name(), "insight.name")?.to_owned(),
        category,
        status,
        about: from.kubernetes_version().map(parsed).transpose()?,
        reason: reason.unwrap_or("EKS gives no reason").to_owned(),
        refreshed_at: from.last_refresh_time().and_then(|at| timestamp(at).ok()),
        deprecated: Vec::new(),
    })
}

/// Where the API server is. A cluster that is being made has none yet.
pub fn api_server(from: &sdk::Cluster) -> Result<ApiServer, Odd> {
    let ca = required(
        from.certificate_authority().and_then(sdk::Certificate::data),
        "cluster.certificateAuthority",
    )?;
    let ca = STANDARD.decode(ca).map_err(|error| format!("cluster.certificateAuthority: {error}"))?;
    Ok(ApiServer {
        endpoint: required(from.endpoint(), "cluster.endpoint")?.to_owned(),
        ca,
        subnets: from.resources_vpc_config().map_or_else(Vec::new, |vpc| vpc.subnet_ids().to_vec()),
    })
}

/// Who uses the deprecated APIs that an insight is about. A row that does not read is left out: it is evidence for a
/// person, and the insight's status stands without it.
pub fn deprecated(from: &sdk::Insight) -> Vec<DeprecatedUse> {
    let details = from.category_specific_summary().map_or(&[][..], |summary| summary.deprecation_details());
    let rows = details.iter().flat_map(|detail| {
        detail.client_stats().iter().filter_map(move |client| {
            Some(DeprecatedUse {
                usage: detail.usage()?.to_owned(),
                replaced_with: detail.replaced_with().unwrap_or_default().to_owned(),
                stops_serving: detail.stop_serving_version().and_then(|minor| minor.parse().ok()),
                client: client.user_agent()?.to_owned(),
                requests_30d: u32::try_from(client.number_of_requests_last30_days()).unwrap_or(0),
                last: client.last_request_time().and_then(|at| timestamp(at).ok()),
            })
        })
    });
    rows.collect()
}

pub fn update(from: &sdk::Update) -> Result<Update, Odd> {
    let parameter = |wanted: &str| {
        let named = |p: &&sdk::UpdateParam| p.r#type().is_some_and(|kind| kind.as_str() == wanted);
        from.params().iter().find(named).and_then(sdk::UpdateParam::value).map(str::to_owned)
    };
    Ok(Update {
        id: parsed(required(from.id(), "update.id")?)?,
        kind: required(from.r#type(), "update.type")?.as_str().to_owned(),
        status: match required(from.status(), "update.status")?.as_str() {
            "InProgress" => UpdateStatus::InProgress,
            "Successful" => UpdateStatus::Successful,
            "Failed" => UpdateStatus::Failed,
            "Cancelled" => UpdateStatus::Cancelled,
            other => UpdateStatus::Unknown(other.to_owned()),
        },
        created_at: timestamp(required(from.created_at(), "update.createdAt")?)?,
        to: parameter("Version")
            .or_else(|| parameter("AddonVersion"))
            .or_else(|| parameter("ReleaseVersion")),
        errors: from
            .errors()
            .iter()
            .map(|error| UpdateError {
                code: error.error_code().map_or("Unknown", sdk::ErrorCode::as_str).to_owned(),
                message: error.error_message().unwrap_or("EKS gives no reason").to_owned(),
                resources: error.resource_ids().to_vec(),
            })
            .collect(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn summary(status: &str, version: Option<&str>) -> sdk::InsightSummary {
        let status = sdk::InsightStatus::builder().status(status.into()).reason("because").build();
        let summary = sdk::InsightSummary::builder().name("Kubelet version skew").insight_status(status);
        summary.set_kubernetes_version(version.map(str::to_owned)).build()
    }

    #[test]
    fn an_insight_that_is_not_known_to_pass_does_not_pass() {
        for (text, status) in [
            ("PASSING", InsightStatus::Passing),
            ("WARNING", InsightStatus::Warning),
            ("ERROR", InsightStatus::Error),
            ("UNKNOWN", InsightStatus::Unknown),
            ("SPLENDID", InsightStatus::Unknown),
        ] {
            let read = insight(&summary(text, Some("1.35")), InsightCategory::UpgradeReadiness).unwrap();
            assert_eq!(read.status, status, "{text}");
            assert_eq!(read.about, Some("1.35".parse().unwrap()));
            assert_eq!(read.reason, "because");
        }
        let bare = sdk::InsightSummary::builder().name("Cluster health issues").build();
        let read = insight(&bare, InsightCategory::RollbackReadiness).unwrap();
        assert_eq!((read.status, read.about), (InsightStatus::Unknown, None));
        assert_eq!(read.category, InsightCategory::RollbackReadiness);
    }

    #[test]
    fn an_insight_that_does_not_read_is_an_error_in_words() {
        let wrong = |of: &sdk::InsightSummary| insight(of, InsightCategory::UpgradeReadiness).unwrap_err();
        let nameless = sdk::InsightSummary::builder().build();
        assert_eq!(wrong(&nameless), "EKS's answer has no insight.name");
        let words = "\"new\" is not a Kubernetes minor version; write it like 1.35";
        assert_eq!(wrong(&summary("PASSING", Some("new"))), words);
    }
}
