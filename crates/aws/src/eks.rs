//! Amazon EKS behind the `Eks` and `EksWrites` ports.

use std::collections::BTreeMap;

use aws_config::SdkConfig;
use aws_sdk_eks::Client;
use aws_sdk_eks::config::http::HttpResponse;
use aws_sdk_eks::error::{ProvideErrorMetadata, SdkError};
use aws_sdk_eks::types::{LaunchTemplateSpecification, ResolveConflicts};
use eks_upgrade_core::arn::ClusterName;
use eks_upgrade_core::calendar::Calendar;
use eks_upgrade_core::cluster::{Addon, Cluster, Found, LaunchTemplate, NodeGroup, Offer, Resource, Update};
use eks_upgrade_core::guard::Call;
use eks_upgrade_core::ids::{Token, UpdateId};
use eks_upgrade_core::remedy::Refusal;
use eks_upgrade_core::version::Minor;
use eks_upgrade_pipeline::ports::{CallError, Eks, EksDown, EksWrites};

use crate::translate::{self, Odd};
use crate::{chain, down};

/// EKS in one account and Region.
#[derive(Clone, Debug)]
pub struct AwsEks(Client);

impl AwsEks {
    /// A client from the environment's configuration.
    #[must_use]
    pub fn new(config: &SdkConfig) -> Self {
        Self(Client::new(config))
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
    async fn cluster(&self, name: &ClusterName) -> Read<Found<Cluster>> {
        const OP: &str = "eks:DescribeCluster";
        let answer = found(OP, self.0.describe_cluster().name(name.as_str()).send().await)?;
        map_found(answer, |output| {
            let cluster = output.cluster().ok_or_else(|| odd(OP)("EKS's answer has no cluster".into()))?;
            translate::cluster(cluster).map_err(odd(OP))
        })
    }

    async fn cluster_names(&self) -> Read<Vec<ClusterName>> {
        const OP: &str = "eks:ListClusters";
        let mut pages = self.0.list_clusters().into_paginator().items().send();
        let mut names = Vec::new();
        while let Some(name) = pages.next().await {
            let name = name.map_err(|error| down(OP, &error))?;
            names.push(name.parse().map_err(|error| odd(OP)(format!("{error}")))?);
        }
        Ok(names)
    }

    async fn calendar(&self) -> Read<Calendar> {
        const OP: &str = "eks:DescribeClusterVersions";
        let mut pages = self.0.describe_cluster_versions().include_all(true).into_paginator().items().send();
        let mut releases = Vec::new();
        while let Some(version) = pages.next().await {
            let version = version.map_err(|error| down(OP, &error))?;
            releases.push(translate::release(&version).map_err(odd(OP))?);
        }
        Ok(Calendar::new(releases))
    }

    async fn node_group_names(&self, cluster: &ClusterName) -> Read<Vec<String>> {
        let mut pages =
            self.0.list_nodegroups().cluster_name(cluster.as_str()).into_paginator().items().send();
        let mut names = Vec::new();
        while let Some(name) = pages.next().await {
            names.push(name.map_err(|error| down("eks:ListNodegroups", &error))?);
        }
        Ok(names)
    }

    async fn node_group(&self, cluster: &ClusterName, name: &str) -> Read<Found<NodeGroup>> {
        const OP: &str = "eks:DescribeNodegroup";
        let call = self.0.describe_nodegroup().cluster_name(cluster.as_str()).nodegroup_name(name);
        map_found(found(OP, call.send().await)?, |output| {
            let group = output.nodegroup().ok_or_else(|| odd(OP)("EKS's answer has no nodegroup".into()))?;
            translate::node_group(group).map_err(odd(OP))
        })
    }

    async fn addon_names(&self, cluster: &ClusterName) -> Read<Vec<String>> {
        let mut pages = self.0.list_addons().cluster_name(cluster.as_str()).into_paginator().items().send();
        let mut names = Vec::new();
        while let Some(name) = pages.next().await {
            names.push(name.map_err(|error| down("eks:ListAddons", &error))?);
        }
        Ok(names)
    }

    async fn addon(&self, cluster: &ClusterName, name: &str) -> Read<Found<Addon>> {
        const OP: &str = "eks:DescribeAddon";
        let call = self.0.describe_addon().cluster_name(cluster.as_str()).addon_name(name);
        map_found(found(OP, call.send().await)?, |output| {
            let addon = output.addon().ok_or_else(|| odd(OP)("EKS's answer has no addon".into()))?;
            translate::addon(addon).map_err(odd(OP))
        })
    }

    async fn offers(&self, addon: &str) -> Read<BTreeMap<Minor, Vec<Offer>>> {
        let mut pages = self.0.describe_addon_versions().addon_name(addon).into_paginator().items().send();
        let mut offers = BTreeMap::new();
        while let Some(info) = pages.next().await {
            let info = info.map_err(|error| down("eks:DescribeAddonVersions", &error))?;
            for version in info.addon_versions() {
                translate::offers(version, &mut offers);
            }
        }
        Ok(offers)
    }

    async fn fargate_profiles(&self, cluster: &ClusterName) -> Read<Vec<String>> {
        let mut pages =
            self.0.list_fargate_profiles().cluster_name(cluster.as_str()).into_paginator().items().send();
        let mut names = Vec::new();
        while let Some(name) = pages.next().await {
            names.push(name.map_err(|error| down("eks:ListFargateProfiles", &error))?);
        }
        Ok(names)
    }

    async fn update_ids(&self, cluster: &ClusterName, resource: &Resource) -> Read<Vec<UpdateId>> {
        const OP: &str = "eks:ListUpdates";
        let (group, addon) = names(resource);
        let call =
            self.0.list_updates().name(cluster.as_str()).set_nodegroup_name(group).set_addon_name(addon);
        let mut pages = call.into_paginator().items().send();
        let mut ids = Vec::new();
        while let Some(id) = pages.next().await {
            let id = id.map_err(|error| down(OP, &error))?;
            ids.push(id.parse().map_err(|error| odd(OP)(format!("{error}")))?);
        }
        Ok(ids)
    }

    async fn update(&self, cluster: &ClusterName, resource: &Resource, id: &UpdateId) -> Read<Found<Update>> {
        const OP: &str = "eks:DescribeUpdate";
        let (group, addon) = names(resource);
        let call = self
            .0
            .describe_update()
            .name(cluster.as_str())
            .update_id(id.as_str())
            .set_nodegroup_name(group)
            .set_addon_name(addon);
        map_found(found(OP, call.send().await)?, |output| {
            let update = output.update().ok_or_else(|| odd(OP)("EKS's answer has no update".into()))?;
            translate::update(update).map_err(odd(OP))
        })
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

impl EksWrites for AwsEks {
    async fn call(&self, cluster: &ClusterName, call: &Call, token: &Token) -> Result<UpdateId, CallError> {
        let update = match call {
            Call::UpdateClusterVersion { version } => {
                let call =
                    self.0.update_cluster_version().name(cluster.as_str()).version(version.to_string());
                let answer = call.client_request_token(token.as_str()).send().await;
                answer.map_err(|error| call_error(&error))?.update
            }
            Call::UpdateNodegroupVersion { name, version, launch_template, force } => {
                let call = self.0.update_nodegroup_version().cluster_name(cluster.as_str());
                let answer = call
                    .nodegroup_name(name)
                    .set_version(version.map(|version| version.to_string()))
                    .set_launch_template(launch_template.as_ref().map(template))
                    .force(*force)
                    .client_request_token(token.as_str())
                    .send()
                    .await;
                answer.map_err(|error| call_error(&error))?.update
            }
            Call::UpdateAddon { name, version, role, configuration } => {
                let call = self.0.update_addon().cluster_name(cluster.as_str()).addon_name(name);
                let answer = call
                    .addon_version(version.as_str())
                    .set_service_account_role_arn(role.clone())
                    .set_configuration_values(configuration.clone())
                    .resolve_conflicts(ResolveConflicts::Preserve)
                    .client_request_token(token.as_str())
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
