//! Amazon EKS behind the `Eks` and `EksWrites` ports.

use std::collections::BTreeMap;
use std::sync::Arc;

use aws_config::SdkConfig;
use aws_sdk_eks::Client;
use aws_sdk_eks::config::http::HttpResponse;
use aws_sdk_eks::error::{ProvideErrorMetadata, SdkError};
use aws_sdk_eks::types::{
    Category, InsightsFilter, InsightsRefreshStatus, LaunchTemplateSpecification, ResolveConflicts,
    SupportType, UpgradePolicyRequest,
};
use eks_upgrade_core::arn::{ClusterArn, Home};
use eks_upgrade_core::calendar::Calendar;
use eks_upgrade_core::cluster::{
    Addon, Cluster, DeprecatedUse, Found, Insight, InsightCategory, LaunchTemplate, NodeGroup, Offer,
    Resource, Update,
};
use eks_upgrade_core::guard::Call;
use eks_upgrade_core::ids::{Token, UpdateId};
use eks_upgrade_core::inspection::{InspectAnswer, InspectRequest};
use eks_upgrade_core::policy::Spoke;
use eks_upgrade_core::remedy::Refusal;
use eks_upgrade_core::version::Minor;
use eks_upgrade_pipeline::ports::inside::{ApiServer, Inspects};
use eks_upgrade_pipeline::ports::{CallError, Eks, EksDown, EksWrites, InsightsRefresh};

use crate::inspector::Inspector;
use crate::spokes::{Clients, Session, Spokes};
use crate::translate::{self, Odd};
use crate::{chain, down};

/// EKS at home and in the spokes of the policy. A clone shares its clients.
#[derive(Clone, Debug)]
pub struct AwsEks(Arc<Places>);

#[derive(Debug)]
struct Places {
    clients: Clients<Client>,
    inspector: Option<Inspector>,
}

impl AwsEks {
    /// EKS to look at, from the environment's configuration.
    #[must_use]
    pub fn new(config: &SdkConfig, home: Home, spokes: Vec<Spoke>) -> Self {
        Self::as_session(config, home, spokes, Session::Reading, None)
    }

    /// The same, with the function that looks into clusters by its name or ARN; without, their inside is unknown.
    #[must_use]
    pub fn inspecting(config: &SdkConfig, home: Home, spokes: Vec<Spoke>, function: Option<String>) -> Self {
        let inspector = function.map(|function| Inspector::new(config, function));
        Self::as_session(config, home, spokes, Session::Reading, inspector)
    }

    /// EKS to look at and to change. Only the act function has this.
    #[must_use]
    pub fn acting(config: &SdkConfig, home: Home, spokes: Vec<Spoke>) -> Self {
        Self::as_session(config, home, spokes, Session::Acting, None)
    }

    fn as_session(
        sdk: &SdkConfig,
        home: Home,
        spokes: Vec<Spoke>,
        session: Session,
        inspector: Option<Inspector>,
    ) -> Self {
        let clients = Clients::new(Spokes::new(sdk, home, spokes, session), Client::new);
        Self(Arc::new(Places { clients, inspector }))
    }

    /// The client for a place, made once. Nothing is sent before it is used.
    async fn at(&self, operation: &'static str, place: &Home) -> Read<Client> {
        self.0.clients.at(operation, place).await
    }
}

impl AwsEks {
    /// Where a cluster's API server is, and what is needed to believe it.
    pub async fn api_server(&self, cluster: &ClusterArn) -> Read<ApiServer> {
        const OP: &str = "eks:DescribeCluster";
        let eks = self.at(OP, &cluster.home()).await?;
        let answer = eks.describe_cluster().name(cluster.name.as_str()).send().await;
        let answer = answer.map_err(|error| down(OP, &error))?;
        let found = answer.cluster().ok_or_else(|| odd(OP)("EKS's answer has no cluster".into()))?;
        translate::api_server(found).map_err(odd(OP))
    }
}

type Read<T> = Result<T, EksDown>;

fn odd(operation: &'static str) -> impl Fn(Odd) -> EksDown {
    move |why| EksDown { operation, denied: false, why }
}

/// The answer, or `Gone` where EKS says that there is no such thing.
fn found<T, E>(operation: &'static str, answer: Result<T, SdkError<E, HttpResponse>>) -> Read<Found<T>>
where
    E: ProvideErrorMetadata + std::error::Error + 'static,
{
    match answer {
        Ok(answer) => Ok(Found::Is(answer)),
        Err(error) if error.code() == Some("ResourceNotFoundException") => Ok(Found::Gone),
        Err(error) => Err(down(operation, &error)),
    }
}

fn map_found<T, U>(found: Found<T>, map: impl FnOnce(T) -> Read<U>) -> Read<Found<U>> {
    match found {
        Found::Is(there) => map(there).map(Found::Is),
        Found::Gone => Ok(Found::Gone),
    }
}

impl Eks for AwsEks {
    async fn cluster(&self, cluster: &ClusterArn) -> Read<Found<Cluster>> {
        const OP: &str = "eks:DescribeCluster";
        let eks = self.at(OP, &cluster.home()).await?;
        let answer = found(OP, eks.describe_cluster().name(cluster.name.as_str()).send().await)?;
        map_found(answer, |output| {
            let cluster = output.cluster().ok_or_else(|| odd(OP)("EKS's answer has no cluster".into()))?;
            translate::cluster(cluster).map_err(odd(OP))
        })
    }

    async fn clusters(&self, place: &Home) -> Read<Vec<ClusterArn>> {
        const OP: &str = "eks:ListClusters";
        let mut pages = self.at(OP, place).await?.list_clusters().into_paginator().items().send();
        let mut names = Vec::new();
        while let Some(name) = pages.next().await {
            let name = name.map_err(|error| down(OP, &error))?;
            let name = name.parse().map_err(|error| odd(OP)(format!("{error}")))?;
            names.push(place.cluster(&name));
        }
        Ok(names)
    }

    async fn calendar(&self, place: &Home) -> Read<Calendar> {
        const OP: &str = "eks:DescribeClusterVersions";
        let eks = self.at(OP, place).await?;
        let mut pages = eks.describe_cluster_versions().include_all(true).into_paginator().items().send();
        let mut releases = Vec::new();
        while let Some(version) = pages.next().await {
            let version = version.map_err(|error| down(OP, &error))?;
            releases.push(translate::release(&version).map_err(odd(OP))?);
        }
        Ok(Calendar::new(releases))
    }

    async fn node_group_names(&self, cluster: &ClusterArn) -> Read<Vec<String>> {
        const OP: &str = "eks:ListNodegroups";
        let eks = self.at(OP, &cluster.home()).await?;
        let call = eks.list_nodegroups().cluster_name(cluster.name.as_str());
        let mut pages = call.into_paginator().items().send();
        let mut names = Vec::new();
        while let Some(name) = pages.next().await {
            names.push(name.map_err(|error| down(OP, &error))?);
        }
        Ok(names)
    }

    async fn node_group(&self, cluster: &ClusterArn, name: &str) -> Read<Found<NodeGroup>> {
        const OP: &str = "eks:DescribeNodegroup";
        let eks = self.at(OP, &cluster.home()).await?;
        let call = eks.describe_nodegroup().cluster_name(cluster.name.as_str()).nodegroup_name(name);
        map_found(found(OP, call.send().await)?, |output| {
            let group = output.nodegroup().ok_or_else(|| odd(OP)("EKS's answer has no nodegroup".into()))?;
            translate::node_group(group).map_err(odd(OP))
        })
    }

    async fn addon_names(&self, cluster: &ClusterArn) -> Read<Vec<String>> {
        const OP: &str = "eks:ListAddons";
        let eks = self.at(OP, &cluster.home()).await?;
        let call = eks.list_addons().cluster_name(cluster.name.as_str());
        let mut pages = call.into_paginator().items().send();
        let mut names = Vec::new();
        while let Some(name) = pages.next().await {
            names.push(name.map_err(|error| down(OP, &error))?);
        }
        Ok(names)
    }

    async fn addon(&self, cluster: &ClusterArn, name: &str) -> Read<Found<Addon>> {
        const OP: &str = "eks:DescribeAddon";
        let eks = self.at(OP, &cluster.home()).await?;
        let call = eks.describe_addon().cluster_name(cluster.name.as_str()).addon_name(name);
        map_found(found(OP, call.send().await)?, |output| {
            let addon = output.addon().ok_or_else(|| odd(OP)("EKS's answer has no addon".into()))?;
            translate::addon(addon).map_err(odd(OP))
        })
    }

    async fn offers(&self, place: &Home, addon: &str) -> Read<BTreeMap<Minor, Vec<Offer>>> {
        const OP: &str = "eks:DescribeAddonVersions";
        let eks = self.at(OP, place).await?;
        let mut pages = eks.describe_addon_versions().addon_name(addon).into_paginator().items().send();
        let mut offers = BTreeMap::new();
        while let Some(info) = pages.next().await {
            let info = info.map_err(|error| down(OP, &error))?;
            for version in info.addon_versions() {
                translate::offers(version, &mut offers);
            }
        }
        Ok(offers)
    }

    async fn fargate_profiles(&self, cluster: &ClusterArn) -> Read<Vec<String>> {
        const OP: &str = "eks:ListFargateProfiles";
        let eks = self.at(OP, &cluster.home()).await?;
        let call = eks.list_fargate_profiles().cluster_name(cluster.name.as_str());
        let mut pages = call.into_paginator().items().send();
        let mut names = Vec::new();
        while let Some(name) = pages.next().await {
            names.push(name.map_err(|error| down(OP, &error))?);
        }
        Ok(names)
    }

    async fn insights(&self, cluster: &ClusterArn, category: InsightCategory) -> Read<Vec<Insight>> {
        const OP: &str = "eks:ListInsights";
        let eks = self.at(OP, &cluster.home()).await?;
        let wanted = match category {
            InsightCategory::UpgradeReadiness => Category::UpgradeReadiness,
            InsightCategory::RollbackReadiness => Category::RollbackReadiness,
        };
        let filter = InsightsFilter::builder().categories(wanted).build();
        let call = eks.list_insights().cluster_name(cluster.name.as_str()).filter(filter);
        let mut pages = call.into_paginator().items().send();
        let mut insights = Vec::new();
        while let Some(insight) = pages.next().await {
            let insight = insight.map_err(|error| down(OP, &error))?;
            let mut read = translate::insight(&insight, category).map_err(odd(OP))?;
            // Who still calls what is removed is told in the details alone.
            if let Some(id) = insight.id().filter(|_| read.name.starts_with(DEPRECATED_APIS)) {
                read.deprecated = deprecated_uses(&eks, cluster, id).await?;
            }
            insights.push(read);
        }
        Ok(insights)
    }

    async fn insights_refresh(&self, cluster: &ClusterArn) -> Read<Option<InsightsRefresh>> {
        const OP: &str = "eks:DescribeInsightsRefresh";
        let eks = self.at(OP, &cluster.home()).await?;
        let call = eks.describe_insights_refresh().cluster_name(cluster.name.as_str());
        let Found::Is(answer) = found(OP, call.send().await)? else { return Ok(None) };
        let Some(started) = answer.started_at() else { return Ok(None) };
        let started = translate::timestamp(started).map_err(odd(OP))?;
        // One that failed has made nothing anew, and is waited for no longer than one that hangs.
        let made = answer.ended_at().filter(|_| answer.status() != Some(&InsightsRefreshStatus::Failed));
        let ended = made.map(translate::timestamp).transpose().map_err(odd(OP))?;
        Ok(Some(InsightsRefresh { started, ended }))
    }

    async fn refresh_insights(&self, cluster: &ClusterArn) -> Read<()> {
        const OP: &str = "eks:StartInsightsRefresh";
        let eks = self.at(OP, &cluster.home()).await?;
        let call = eks.start_insights_refresh().cluster_name(cluster.name.as_str());
        call.send().await.map(|_| ()).map_err(|error| down(OP, &error))
    }

    async fn update_ids(&self, cluster: &ClusterArn, resource: &Resource) -> Read<Vec<UpdateId>> {
        const OP: &str = "eks:ListUpdates";
        let (group, addon) = names(resource);
        let eks = self.at(OP, &cluster.home()).await?;
        let call =
            eks.list_updates().name(cluster.name.as_str()).set_nodegroup_name(group).set_addon_name(addon);
        let mut pages = call.into_paginator().items().send();
        let mut ids = Vec::new();
        while let Some(id) = pages.next().await {
            let Found::Is(id) = found(OP, id)? else { break };
            ids.push(id.parse().map_err(|error| odd(OP)(format!("{error}")))?);
        }
        Ok(ids)
    }

    async fn update(&self, cluster: &ClusterArn, resource: &Resource, id: &UpdateId) -> Read<Found<Update>> {
        const OP: &str = "eks:DescribeUpdate";
        let (group, addon) = names(resource);
        let eks = self.at(OP, &cluster.home()).await?;
        let call = eks
            .describe_update()
            .name(cluster.name.as_str())
            .update_id(id.as_str())
            .set_nodegroup_name(group)
            .set_addon_name(addon);
        map_found(found(OP, call.send().await)?, |output| {
            let update = output.update().ok_or_else(|| odd(OP)("EKS's answer has no update".into()))?;
            translate::update(update).map_err(odd(OP))
        })
    }
}

/// How EKS's insights on deprecated APIs begin: `Deprecated APIs removed in Kubernetes v1.32`.
const DEPRECATED_APIS: &str = "Deprecated APIs";

async fn deprecated_uses(eks: &Client, cluster: &ClusterArn, insight: &str) -> Read<Vec<DeprecatedUse>> {
    const OP: &str = "eks:DescribeInsight";
    let call = eks.describe_insight().cluster_name(cluster.name.as_str()).id(insight);
    match found(OP, call.send().await)? {
        Found::Is(answer) => Ok(answer.insight().map(translate::deprecated).unwrap_or_default()),
        Found::Gone => Ok(Vec::new()),
    }
}

/// The node group's and the add-on's name, as update calls want them.
fn names(resource: &Resource) -> (Option<String>, Option<String>) {
    match resource {
        Resource::ControlPlane => (None, None),
        Resource::NodeGroup(name) => (Some(name.clone()), None),
        Resource::AddOn(name) => (None, Some(name.clone())),
    }
}

impl Inspects for AwsEks {
    async fn inspect(&self, request: &InspectRequest) -> InspectAnswer {
        match &self.0.inspector {
            Some(inspector) => inspector.ask(request).await,
            None => InspectAnswer::Unseen("this deployment has no inspect function".into()),
        }
    }
}

impl EksWrites for AwsEks {
    async fn call(&self, cluster: &ClusterArn, call: &Call, token: &Token) -> Result<UpdateId, CallError> {
        let unreached = |down: EksDown| {
            CallError::Refused(Refusal { status: 403, name: "AccessDenied".into(), message: down.why })
        };
        let eks = self.at("eks:Update", &cluster.home()).await.map_err(unreached)?;
        let (name, token) = (cluster.name.as_str(), token.as_str());
        let update = match call {
            Call::UpdateClusterVersion { version } => {
                let call = eks.update_cluster_version().name(name).version(version.to_string());
                let answer = call.client_request_token(token).send().await;
                answer.map_err(|error| call_error(&error))?.update
            }
            Call::RollBackClusterVersion { version, force } => {
                let call = eks.update_cluster_version().name(name).version(version.to_string());
                let answer = call.force(*force).client_request_token(token).send().await;
                answer.map_err(|error| call_error(&error))?.update
            }
            Call::SetExtendedSupport => {
                let extended = UpgradePolicyRequest::builder().support_type(SupportType::Extended).build();
                let call = eks.update_cluster_config().name(name).upgrade_policy(extended);
                let answer = call.client_request_token(token).send().await;
                answer.map_err(|error| call_error(&error))?.update
            }
            Call::UpdateNodegroupVersion { name: group, version, launch_template, force } => {
                let call = eks.update_nodegroup_version().cluster_name(name).nodegroup_name(group);
                let answer = call
                    .set_version(version.map(|version| version.to_string()))
                    .set_launch_template(launch_template.as_ref().map(template))
                    .force(*force)
                    .client_request_token(token)
                    .send()
                    .await;
                answer.map_err(|error| call_error(&error))?.update
            }
            Call::UpdateAddon { name: addon, version, role, configuration, overwrite } => {
                let call = eks.update_addon().cluster_name(name).addon_name(addon);
                let resolve =
                    if *overwrite { ResolveConflicts::Overwrite } else { ResolveConflicts::Preserve };
                let answer = call
                    .addon_version(version.as_str())
                    .set_service_account_role_arn(role.clone())
                    .set_configuration_values(configuration.clone())
                    .resolve_conflicts(resolve)
                    .client_request_token(token)
                    .send()
                    .await;
                answer.map_err(|error| call_error(&error))?.update
            }
        };
        let id = update.and_then(|update| update.id).unwrap_or_default();
        // Accepted without an id: the next try finds the update by what it does.
        id.parse().map_err(|error| CallError::Unknown(format!("EKS accepted the call, but {error}")))
    }
}

fn template(template: &LaunchTemplate) -> LaunchTemplateSpecification {
    LaunchTemplateSpecification::builder().id(&template.id).version(&template.version).build()
}

/// Only an answer of EKS's own says that nothing began; anything else leaves the call's fate open. So does
/// a 5xx: the service may have failed after it had begun.
fn call_error<E>(error: &SdkError<E, HttpResponse>) -> CallError
where
    E: ProvideErrorMetadata + std::error::Error + 'static,
{
    match error {
        SdkError::ServiceError(refused) if refused.raw().status().as_u16() < 500 => {
            CallError::Refused(Refusal {
                status: refused.raw().status().as_u16(),
                name: error.code().unwrap_or("Unknown").to_owned(),
                message: error.message().map_or_else(|| chain(error), str::to_owned),
            })
        }
        SdkError::ConstructionFailure(_) => {
            CallError::Refused(Refusal { status: 400, name: "NotSent".into(), message: chain(error) })
        }
        _ => CallError::Unknown(chain(error)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn place(region: &str, account: &str) -> Home {
        Home::of_arn(&format!("arn:aws:lambda:{region}:{account}:function:f")).unwrap()
    }

    #[tokio::test]
    async fn a_place_out_of_reach_is_denied_in_words_and_nothing_is_sent() {
        let sdk = SdkConfig::builder().build();
        let eks = AwsEks::new(&sdk, place("us-east-1", "123456789012"), Vec::new());
        let down = eks.clusters(&place("us-east-1", "999999999999")).await.unwrap_err();
        assert!(down.denied);
        assert!(down.why.contains("neither home nor a spoke"), "{}", down.why);
    }
}
