//! The `inspect` function: looks into clusters through the Kubernetes API, and changes nothing.

use std::sync::OnceLock;

use eks_upgrade_aws::eks::AwsEks;
use eks_upgrade_aws::spokes::{Session, Spokes};
use eks_upgrade_clock::Clock;
use eks_upgrade_core::arn::Home;
use eks_upgrade_core::inspection::InspectRequest;
use eks_upgrade_ec2::AwsGroups;
use eks_upgrade_kube::{AwsClusters, KubeReads};
use eks_upgrade_pipeline::inspect::Inspect;
use eks_upgrade_runtime::{Deployment, serve};

type Inspecting = Inspect<KubeReads<AwsClusters, Clock>, AwsGroups>;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), lambda_runtime::Error> {
    let deployment = Deployment::from_env().await?;
    // Kept from one invocation to the next: links with API servers are dear.
    let inspecting = OnceLock::new();
    serve(async |request: InspectRequest, home| {
        let inspect = inspecting.get_or_init(|| inspecting_from(&deployment, home));
        Box::pin(inspect.answer(&request)).await
    })
    .await
}

fn inspecting_from(deployment: &Deployment, home: Home) -> Inspecting {
    let spokes = deployment.policy.spokes.clone();
    let eks = AwsEks::new(&deployment.sdk, home.clone(), spokes.clone());
    let spokes = Spokes::new(&deployment.sdk, home, spokes, Session::Reading);
    let groups = AwsGroups::new(spokes.clone());
    let policy = deployment.policy.clone();
    let inside = KubeReads::new(AwsClusters { eks, spokes }, deployment.clock);
    Inspect { inside, groups, policy }
}
