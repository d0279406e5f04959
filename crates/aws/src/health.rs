//! AWS Health behind the `Health` port.

use aws_config::{Region, SdkConfig};
use aws_sdk_health::Client;
use aws_sdk_health::error::ProvideErrorMetadata;
use aws_sdk_health::types::EntityFilter;
use eks_upgrade_pipeline::ports::{Affected, EksDown, Health};

use crate::down;

/// The Health API; it lives in one Region whatever Region asks.
#[derive(Clone, Debug)]
pub struct AwsHealth(Client);

/// The Region of the Health API's active endpoint in the `aws` partition.
const HEALTH_REGION: &str = "us-east-1";

impl AwsHealth {
    /// A client from the environment's configuration.
    #[must_use]
    pub fn new(config: &SdkConfig) -> Self {
        let there = aws_sdk_health::config::Builder::from(config).region(Region::new(HEALTH_REGION));
        Self(Client::from_conf(there.build()))
    }
}

impl Health for AwsHealth {
    async fn affected(&self, event_arn: &str) -> Result<Affected, EksDown> {
        const OP: &str = "health:DescribeAffectedEntities";
        let filter = EntityFilter::builder().event_arns(event_arn).build();
        let filter =
            filter.map_err(|error| EksDown { operation: OP, denied: false, why: error.to_string() })?;
        let mut pages = self.0.describe_affected_entities().filter(filter).into_paginator().items().send();
        let mut entities = Vec::new();
        while let Some(entity) = pages.next().await {
            match entity {
                Ok(entity) => entities.extend(entity.entity_value().map(str::to_owned)),
                // Without a business-level support plan; usual, and the notice itself has to do.
                Err(error) if error.code() == Some("SubscriptionRequiredException") => {
                    return Ok(Affected::NoSubscription);
                }
                Err(error) => return Err(down(OP, &error)),
            }
        }
        Ok(Affected::Entities(entities))
    }
}
