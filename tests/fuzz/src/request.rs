//! Manual input: what a person gives the upgrade state machine, or says through the voice function.
//!
//! A request is either refused by name and in one sentence, or it names a cluster within reach and a minor; written
//! again it reads as itself.

use eks_upgrade_core::arn::{ClusterArn, Home};
use eks_upgrade_core::contract::{
    ActRequest, CampaignRequest, DecideRequest, PlanRequest, Say, VoiceRequest,
};
use eks_upgrade_core::door::{DoorError, Reach, UpgradeRequest};
use eks_upgrade_core::policy::PolicyDocument;
use eks_upgrade_core::version::Minor;
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::Value;

use crate::{sentence, settled};

const SPOKE: &str = "spokes: [{account: '210987654321', regions: [eu-central-1], externalId: only-us}]";

/// Checks one input.
pub fn check(input: &[u8]) {
    let Ok(value) = serde_json::from_slice::<Value>(input) else { return };
    if let Err(refused) = let_in(&value) {
        assert!(!refused.name().is_empty());
        sentence::check(&refused.to_string());
    }
    payload::<Say>(&value);
    payload::<VoiceRequest>(&value);
    payload::<PlanRequest>(&value);
    payload::<ActRequest>(&value);
    payload::<DecideRequest>(&value);
    payload::<CampaignRequest>(&value);
    if let Ok(say) = serde_json::from_value::<Say>(value) {
        let text = say.text();
        assert_eq!(
            serde_json::from_str::<Say>(&text).ok(),
            Some(say),
            "a proof is bound to other words: {text}"
        );
    }
}

fn let_in(value: &Value) -> Result<(), DoorError> {
    let request = UpgradeRequest::read(value)?;
    settled::check(&request);
    let home =
        Home::of_arn("arn:aws:lambda:us-east-1:123456789012:function:eks-upgrade-plan").expect("it reads");
    let policy = PolicyDocument::read(SPOKE).expect("it reads");
    let reach = Reach { home: &home, spokes: &policy.spokes };
    let cluster = request.cluster_at(reach)?;
    assert!(reach.places().contains(&cluster.home()), "{cluster} is out of reach");
    assert_eq!(cluster.to_string().parse::<ClusterArn>().as_ref(), Ok(&cluster));
    if let Some(target) = request.stated_target()? {
        assert_eq!(target.to_string().parse::<Minor>().ok(), Some(target));
    }
    Ok(())
}

/// What functions send each other has no doors: it reads, and then as itself, or it does not.
fn payload<T: Serialize + DeserializeOwned + PartialEq + std::fmt::Debug>(value: &Value) {
    if let Ok(payload) = serde_json::from_value::<T>(value.clone()) {
        settled::check(&payload);
    }
}
