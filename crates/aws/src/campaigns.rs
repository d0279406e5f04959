//! The DynamoDB table behind the `CampaignLedger` port.

use std::collections::BTreeMap;

use aws_sdk_dynamodb::operation::transact_write_items::TransactWriteItemsError;
use aws_sdk_dynamodb::types::{AttributeValue, Put, TransactWriteItem};
use eks_upgrade_core::arn::ClusterArn;
use eks_upgrade_core::campaign::{CampaignEntry, CampaignState, Over};
use eks_upgrade_core::ids::{CampaignId, ExecutionArn};
use eks_upgrade_core::ledger::Sealed;
use eks_upgrade_core::screen::{Lease, LeftAlone};
use eks_upgrade_pipeline::ports::{CampaignLedger, LedgerDown, WriteError};
use jiff::Timestamp;
use serde::Serialize;

use crate::ledger::{AwsLedger, broken, down, lease_of};
use crate::table::{BY_KIND, Building, Item, PK, text};
use crate::transaction::transaction;

fn campaign_key(campaign: &CampaignId) -> String {
    format!("CAMPAIGN#{campaign}")
}

/// A cluster that a campaign left alone.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct LeftAloneIn {
    /// When the campaign was opened.
    pub at: Timestamp,
    /// That campaign.
    pub campaign: CampaignId,
    /// The cluster, and why.
    #[serde(flatten)]
    pub left: LeftAlone,
}

impl AwsLedger {
    /// Each cluster that was left alone by one of the newest campaigns, as the latest of them has it; up to `limit`
    /// campaigns. One whose record does not read says nothing.
    pub async fn left_alone(&self, limit: i32) -> Result<Vec<LeftAloneIn>, LedgerDown> {
        let mut latest: BTreeMap<String, LeftAloneIn> = BTreeMap::new();
        for campaign in named(&self.by_kind("campaign", limit).await?)? {
            let Ok(Some(state)) = CampaignState::read(&self.campaign_lines(&campaign).await?) else {
                continue;
            };
            let at = state.opened_at;
            for (cluster, left) in state.left_alone {
                if latest.get(&cluster).is_none_or(|other| other.at < at) {
                    latest.insert(cluster, LeftAloneIn { at, campaign: campaign.clone(), left });
                }
            }
        }
        Ok(latest.into_values().collect())
    }

    async fn all_of_kind(&self, kind: &str, standing: Option<&str>) -> Result<Vec<Item>, LedgerDown> {
        let mut query = self
            .client
            .query()
            .table_name(&self.table)
            .index_name(BY_KIND)
            .key_condition_expression("kind = :kind")
            .expression_attribute_values(":kind", AttributeValue::S(kind.to_owned()))
            .scan_index_forward(false);
        if let Some(standing) = standing {
            query = query
                .filter_expression("standing = :standing")
                .expression_attribute_values(":standing", AttributeValue::S(standing.to_owned()));
        }
        let mut pages = query.into_paginator().items().send();
        let mut items = Vec::new();
        while let Some(item) = pages.next().await {
            items.push(item.map_err(|error| down(&error))?);
        }
        Ok(items)
    }

    fn insertion(&self, item: Item) -> Result<TransactWriteItem, LedgerDown> {
        let put = Put::builder()
            .table_name(&self.table)
            .set_item(Some(item))
            .condition_expression("attribute_not_exists(pk)")
            .build()
            .map_err(broken)?;
        Ok(TransactWriteItem::builder().put(put).build())
    }
}

/// The campaigns whose heads these are.
fn named(items: &[Item]) -> Result<Vec<CampaignId>, LedgerDown> {
    items.iter().filter_map(|item| text(item, "campaign")).map(|id| id.parse().map_err(broken)).collect()
}

/// A line: its exact text and hash, and for people who look at the table what it is about.
fn line_item(campaign: &CampaignId, line: &Sealed) -> Result<Item, LedgerDown> {
    let entry: CampaignEntry = line.read().map_err(broken)?;
    let body: serde_json::Value = serde_json::from_str(&line.body).map_err(broken)?;
    let event = body.get("event").and_then(serde_json::Value::as_str);
    Ok(Building::key(campaign_key(campaign), format!("E#{:08}", line.seq))
        .text("body", &line.body)
        .text("hash", &line.hash)
        .text("at", entry.at.to_string())
        .maybe("event", event)
        .build())
}

/// The campaign at a glance, for lists; follows from the lines.
fn head_item(state: &CampaignState) -> Item {
    let standing = match &state.over {
        None => "open",
        Some(Over::Stopped { .. }) => "stopped",
        Some(Over::Ended) => "ended",
    };
    let all = state.tally_of_all();
    Building::key(campaign_key(&state.campaign), "HEAD")
        .text("kind", "campaign")
        .text("updated_at", state.updated_at.to_string())
        .text("campaign", state.campaign.as_str())
        .text("standing", standing)
        .number("clusters", all.size)
        .number("completed", all.completed)
        .number("failed", all.failed)
        .number("untouched", all.untouched)
        .maybe("execution", state.driver.as_ref().map(ExecutionArn::as_str))
        .number("seq", state.seq)
        .text("hash", &state.hash)
        .build()
}

impl CampaignLedger for AwsLedger {
    async fn campaign_lines(&self, campaign: &CampaignId) -> Result<Vec<Sealed>, LedgerDown> {
        self.chain(campaign_key(campaign), &format!("campaign {campaign}")).await
    }

    async fn append(&self, state: &CampaignState, lines: &[Sealed]) -> Result<(), WriteError> {
        let mut items = Vec::with_capacity(lines.len() + 1);
        for line in lines {
            let item = line_item(&state.campaign, line).map_err(WriteError::Down)?;
            items.push(self.insertion(item).map_err(WriteError::Down)?);
        }
        let head = Put::builder().table_name(&self.table).set_item(Some(head_item(state))).build();
        let head = head.map_err(|error| WriteError::Down(broken(error)))?;
        items.push(TransactWriteItem::builder().put(head).build());
        let sent = transaction(&self.client, items).send().await;
        let Err(error) = sent else { return Ok(()) };
        if let Some(TransactWriteItemsError::TransactionCanceledException(cancelled)) =
            error.as_service_error()
        {
            let theirs = ["ConditionalCheckFailed", "TransactionConflict"];
            let reasons = cancelled.cancellation_reasons();
            if reasons.iter().any(|reason| reason.code().is_some_and(|code| theirs.contains(&code))) {
                return Err(WriteError::Conflict);
            }
        }
        Err(WriteError::Down(down(&error)))
    }

    async fn open_campaigns(&self) -> Result<Vec<CampaignId>, LedgerDown> {
        named(&self.all_of_kind("campaign", Some("open")).await?)
    }

    async fn leases(&self) -> Result<Vec<(ClusterArn, Lease)>, LedgerDown> {
        let items = self.all_of_kind("lease", None).await?;
        let read = |item: &Item| {
            let unreadable = || LedgerDown("a lease has no readable key".into());
            let arn = text(item, PK).and_then(|pk| pk.strip_prefix("CLUSTER#")).ok_or_else(unreadable)?;
            let cluster: ClusterArn = arn.parse().map_err(broken)?;
            let lease = lease_of(&cluster, item)?;
            Ok((cluster, lease))
        };
        items.iter().map(read).collect()
    }
}
