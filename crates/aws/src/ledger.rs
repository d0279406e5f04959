//! The DynamoDB table behind the `Ledger` and `Inbox` ports. Its layout is in `table.rs`; what people say is
//! in `said.rs`.

use aws_config::SdkConfig;
use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::operation::put_item::PutItemError;
use aws_sdk_dynamodb::operation::transact_write_items::TransactWriteItemsError;
use aws_sdk_dynamodb::types::{AttributeValue, ConditionCheck, Put, TransactWriteItem};
use eks_upgrade_core::arn::ClusterArn;
use eks_upgrade_core::ids::{CampaignId, Fence, RunId};
use eks_upgrade_core::ledger::{Ending, Entry, Sealed};
use eks_upgrade_core::screen::Lease;
use eks_upgrade_pipeline::ports::{Claim, Inbox, LeaseChange, Ledger, LedgerDown, Write, WriteError};
use jiff::Timestamp;

use crate::chain;
use crate::table::{BY_KIND, Building, Item, PK, SK, flag, number, text};
use crate::transaction::transaction;

/// The table.
#[derive(Clone, Debug)]
pub struct AwsLedger {
    pub(crate) client: Client,
    pub(crate) table: String,
}

/// A run at a glance.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RunHead {
    /// The run.
    pub run: RunId,
    /// Its cluster.
    pub cluster: ClusterArn,
    /// The execution that works on it.
    pub execution: String,
    /// When its last line was written.
    pub updated_at: String,
}

pub(crate) fn broken(error: impl std::fmt::Display) -> LedgerDown {
    LedgerDown(error.to_string())
}

pub(crate) fn down(error: &(impl std::error::Error + 'static)) -> LedgerDown {
    LedgerDown(chain(error))
}

fn lease_key(cluster: &ClusterArn) -> String {
    format!("CLUSTER#{cluster}")
}

pub(crate) fn run_key(run: &RunId) -> String {
    format!("RUN#{run}")
}

impl AwsLedger {
    /// The table of this name.
    #[must_use]
    pub fn new(config: &SdkConfig, table: String) -> Self {
        Self { client: Client::new(config), table }
    }

    /// The newest runs, up to `limit`, the one written to last first.
    pub async fn runs(&self, limit: i32) -> Result<Vec<RunHead>, LedgerDown> {
        let items = self.by_kind("run", limit).await?;
        let head = |item: &Item| {
            Some(RunHead {
                run: text(item, "run")?.parse().ok()?,
                cluster: text(item, "cluster_arn")?.parse().ok()?,
                execution: text(item, "execution")?.to_owned(),
                updated_at: text(item, "updated_at")?.to_owned(),
            })
        };
        Ok(items.iter().filter_map(head).collect())
    }

    pub(crate) async fn by_kind(&self, kind: &str, limit: i32) -> Result<Vec<Item>, LedgerDown> {
        let answer = self
            .client
            .query()
            .table_name(&self.table)
            .index_name(BY_KIND)
            .key_condition_expression("kind = :kind")
            .expression_attribute_values(":kind", AttributeValue::S(kind.to_owned()))
            .scan_index_forward(false)
            .limit(limit)
            .send()
            .await
            .map_err(|error| down(&error))?;
        Ok(answer.items.unwrap_or_default())
    }

    pub(crate) async fn get(&self, pk: String, sk: &str) -> Result<Option<Item>, LedgerDown> {
        let answer = self
            .client
            .get_item()
            .table_name(&self.table)
            .key(PK, AttributeValue::S(pk))
            .key(SK, AttributeValue::S(sk.to_owned()))
            .consistent_read(true)
            .send()
            .await
            .map_err(|error| down(&error))?;
        Ok(answer.item)
    }

    pub(crate) async fn put(&self, item: Item) -> Result<(), LedgerDown> {
        let put = self.client.put_item().table_name(&self.table).set_item(Some(item));
        put.send().await.map(|_| ()).map_err(|error| down(&error))
    }

    /// All lines of a chain in order, read strongly.
    pub(crate) async fn chain(&self, pk: String, whose: &str) -> Result<Vec<Sealed>, LedgerDown> {
        self.line_items(pk).await?.iter().map(|item| line_of(item, whose)).collect()
    }

    /// The items of those lines.
    pub(crate) async fn line_items(&self, pk: String) -> Result<Vec<Item>, LedgerDown> {
        let mut pages = self
            .client
            .query()
            .table_name(&self.table)
            .key_condition_expression("pk = :pk AND begins_with(sk, :e)")
            .expression_attribute_values(":pk", AttributeValue::S(pk))
            .expression_attribute_values(":e", AttributeValue::S("E#".into()))
            .consistent_read(true)
            .into_paginator()
            .items()
            .send();
        let mut items = Vec::new();
        while let Some(item) = pages.next().await {
            items.push(item.map_err(|error| down(&error))?);
        }
        Ok(items)
    }

    fn lease_write(&self, write: &Write<'_>) -> Result<TransactWriteItem, LedgerDown> {
        let ended = match &write.change {
            LeaseChange::Release(ending) => Some(ending),
            LeaseChange::Hold | LeaseChange::Take { .. } => write.lease.ended.as_ref(),
        };
        let held = "run = :run AND fence = :fence AND attribute_not_exists(ended)";
        if write.change == LeaseChange::Hold {
            let check = ConditionCheck::builder()
                .table_name(&self.table)
                .key(PK, AttributeValue::S(lease_key(write.cluster)))
                .key(SK, AttributeValue::S("LEASE".into()))
                .condition_expression(held)
                .expression_attribute_values(":run", AttributeValue::S(write.lease.run.to_string()))
                .expression_attribute_values(":fence", AttributeValue::N(write.lease.fence.0.to_string()))
                .build()
                .map_err(broken)?;
            return Ok(TransactWriteItem::builder().condition_check(check).build());
        }
        let item = lease_item(write.cluster, write.lease, ended, write.at)?;
        let put = Put::builder().table_name(&self.table).set_item(Some(item));
        let put = match &write.change {
            LeaseChange::Take { seen: None } => put.condition_expression("attribute_not_exists(pk)"),
            LeaseChange::Take { seen: Some(seen) } => {
                let is_held = if seen.ended.is_none() {
                    held
                } else {
                    "run = :run AND fence = :fence AND attribute_exists(ended)"
                };
                put.condition_expression(is_held)
                    .expression_attribute_values(":run", AttributeValue::S(seen.run.to_string()))
                    .expression_attribute_values(":fence", AttributeValue::N(seen.fence.0.to_string()))
            }
            LeaseChange::Hold | LeaseChange::Release(_) => put
                .condition_expression(held)
                .expression_attribute_values(":run", AttributeValue::S(write.lease.run.to_string()))
                .expression_attribute_values(":fence", AttributeValue::N(write.lease.fence.0.to_string())),
        };
        Ok(TransactWriteItem::builder().put(put.build().map_err(broken)?).build())
    }

    fn transaction(&self, write: &Write<'_>) -> Result<Vec<TransactWriteItem>, LedgerDown> {
        let mut items = vec![self.lease_write(write)?];
        for line in write.lines {
            let put = Put::builder()
                .table_name(&self.table)
                .set_item(Some(line_item(&write.lease.run, line)?))
                .condition_expression("attribute_not_exists(pk)")
                .build()
                .map_err(broken)?;
            items.push(TransactWriteItem::builder().put(put).build());
        }
        let head = Put::builder()
            .table_name(&self.table)
            .set_item(Some(head_item(write)))
            .build()
            .map_err(broken)?;
        items.push(TransactWriteItem::builder().put(head).build());
        Ok(items)
    }
}

/// The line that an item holds.
pub(crate) fn line_of(item: &Item, whose: &str) -> Result<Sealed, LedgerDown> {
    let key = text(item, SK).unwrap_or_default();
    let unreadable = || LedgerDown(format!("line {key} of {whose} does not read"));
    Ok(Sealed {
        seq: key.strip_prefix("E#").and_then(|place| place.parse().ok()).ok_or_else(unreadable)?,
        body: text(item, "body").ok_or_else(unreadable)?.to_owned(),
        hash: text(item, "hash").ok_or_else(unreadable)?.to_owned(),
    })
}

fn lease_item(
    cluster: &ClusterArn,
    lease: &Lease,
    ended: Option<&Ending>,
    at: Timestamp,
) -> Result<Item, LedgerDown> {
    let ended = ended.map(serde_json::to_string).transpose().map_err(broken)?;
    let harm = lease.harm.as_ref().map(serde_json::to_string).transpose().map_err(broken)?;
    Ok(Building::key(lease_key(cluster), "LEASE")
        .text("kind", "lease")
        .text("updated_at", at.to_string())
        .text("run", lease.run.as_str())
        .text("cluster_created_at", lease.cluster_created_at.to_string())
        .text("from", lease.from.to_string())
        .text("target", lease.target.to_string())
        .text("execution", lease.execution.as_str())
        .number("fence", lease.fence.0)
        .maybe("campaign", lease.campaign.as_ref().map(CampaignId::as_str))
        .maybe("ring", lease.ring.as_deref())
        .flag("touched", lease.touched)
        .maybe("harm", harm)
        .maybe("ended", ended)
        .build())
}

/// The lease that an item holds.
pub(crate) fn lease_of(cluster: &ClusterArn, item: &Item) -> Result<Lease, LedgerDown> {
    let missing = |name: &str| LedgerDown(format!("the lease on {cluster} has no readable {name}"));
    let field = |name: &str| text(item, name).ok_or_else(|| missing(name));
    let target = field("target")?.parse().map_err(broken)?;
    Ok(Lease {
        run: field("run")?.parse().map_err(broken)?,
        cluster_created_at: field("cluster_created_at")?.parse().map_err(broken)?,
        from: text(item, "from").map_or(Ok(target), str::parse).map_err(broken)?,
        target,
        execution: field("execution")?.parse().map_err(broken)?,
        fence: Fence(number(item, "fence").ok_or_else(|| missing("fence"))?),
        campaign: text(item, "campaign").map(str::parse).transpose().map_err(broken)?,
        ring: text(item, "ring").map(str::to_owned),
        touched: flag(item, "touched"),
        harm: text(item, "harm").map(serde_json::from_str).transpose().map_err(broken)?,
        ended: text(item, "ended").map(serde_json::from_str).transpose().map_err(broken)?,
    })
}

/// A line: its exact text and hash, and for people who look at the table what it is about.
pub(crate) fn line_item(run: &RunId, line: &Sealed) -> Result<Item, LedgerDown> {
    let entry: Entry = line.open().map_err(broken)?;
    let body: serde_json::Value = serde_json::from_str(&line.body).map_err(broken)?;
    let field = |name: &str| body.get(name).and_then(serde_json::Value::as_str).map(str::to_owned);
    Ok(Building::key(run_key(run), format!("E#{:08}", line.seq))
        .text("body", &line.body)
        .text("hash", &line.hash)
        .text("at", entry.at.to_string())
        .maybe("event", field("event"))
        .maybe("step", field("step"))
        .maybe("update", field("update"))
        .build())
}

/// The run at a glance, for lists; follows from the lines.
pub(crate) fn head_item(write: &Write<'_>) -> Item {
    let ended = match &write.change {
        LeaseChange::Release(ending) => Some(ending),
        LeaseChange::Hold | LeaseChange::Take { .. } => write.lease.ended.as_ref(),
    };
    let outcome = match ended {
        Some(Ending::Completed) => "completed",
        Some(Ending::RolledBack { .. }) => "rolled-back",
        Some(Ending::Halted { .. }) => "halted",
        None => "running",
    };
    let last = write.lines.last();
    Building::key(run_key(&write.lease.run), "HEAD")
        .text("kind", "run")
        .text("updated_at", write.at.to_string())
        .text("run", write.lease.run.as_str())
        .text("cluster", write.cluster.name.as_str())
        .text("cluster_arn", write.cluster.to_string())
        .text("target", write.lease.target.to_string())
        .text("execution", write.lease.execution.as_str())
        .text("outcome", outcome)
        .maybe("campaign", write.campaign.map(CampaignId::as_str))
        .number("seq", last.map_or(0, |line| line.seq))
        .maybe("hash", last.map(|line| line.hash.as_str()))
        .build()
}

impl Ledger for AwsLedger {
    async fn lease(&self, cluster: &ClusterArn) -> Result<Option<Lease>, LedgerDown> {
        let item = self.get(lease_key(cluster), "LEASE").await?;
        item.map(|item| lease_of(cluster, &item)).transpose()
    }

    async fn lines(&self, run: &RunId) -> Result<Vec<Sealed>, LedgerDown> {
        self.chain(run_key(run), &format!("run {run}")).await
    }

    async fn write(&self, write: Write<'_>) -> Result<(), WriteError> {
        let items = self.transaction(&write).map_err(WriteError::Down)?;
        let sent = transaction(&self.client, items).send().await;
        let Err(error) = sent else { return Ok(()) };
        if let Some(TransactWriteItemsError::TransactionCanceledException(cancelled)) =
            error.as_service_error()
        {
            let failed = |reason: &aws_sdk_dynamodb::types::CancellationReason| {
                reason.code() == Some("ConditionalCheckFailed")
            };
            let reasons = cancelled.cancellation_reasons();
            // The lease comes first: whoever lost it does not try again, whatever else failed.
            let place_taken = reasons.iter().skip(1).any(failed);
            let lease_gone = reasons.first().is_some_and(failed);
            let contended = reasons.iter().any(|reason| reason.code() == Some("TransactionConflict"));
            if lease_gone {
                return Err(WriteError::LeaseLost);
            }
            if place_taken || contended {
                return Err(WriteError::Conflict);
            }
        }
        Err(WriteError::Down(down(&error)))
    }
}

impl Inbox for AwsLedger {
    async fn claim(
        &self,
        notice: &str,
        subject: &str,
        campaign: &CampaignId,
        at: Timestamp,
    ) -> Result<Claim, LedgerDown> {
        let pk = format!("NOTICE#{notice}");
        let item = Building::key(pk.clone(), subject)
            .text("kind", "notice")
            .text("updated_at", at.to_string())
            .text("campaign", campaign.as_str())
            .expiring()
            .build();
        let put = self
            .client
            .put_item()
            .table_name(&self.table)
            .set_item(Some(item))
            .condition_expression("attribute_not_exists(pk)");
        match put.send().await {
            Ok(_) => return Ok(Claim::Ours),
            Err(error)
                if error
                    .as_service_error()
                    .is_some_and(PutItemError::is_conditional_check_failed_exception) => {}
            Err(error) => return Err(down(&error)),
        }
        let kept = self.get(pk, subject).await?.unwrap_or_default();
        let ours = text(&kept, "campaign") == Some(campaign.as_str()) && text(&kept, "outcome").is_none();
        Ok(if ours { Claim::Ours } else { Claim::Taken })
    }

    async fn settle(
        &self,
        notice: &str,
        subject: &str,
        outcome: &str,
        at: Timestamp,
    ) -> Result<(), LedgerDown> {
        self.client
            .update_item()
            .table_name(&self.table)
            .key(PK, AttributeValue::S(format!("NOTICE#{notice}")))
            .key(SK, AttributeValue::S(subject.to_owned()))
            .update_expression("SET outcome = :outcome, updated_at = :at")
            .condition_expression("attribute_exists(pk)")
            .expression_attribute_values(":outcome", AttributeValue::S(outcome.to_owned()))
            .expression_attribute_values(":at", AttributeValue::S(at.to_string()))
            .send()
            .await
            .map(|_| ())
            .map_err(|error| down(&error))
    }

    async fn refuse(&self, what: &str, code: &str, message: &str, at: Timestamp) -> Result<(), LedgerDown> {
        let item = Building::key(format!("REFUSED#{what}"), "REFUSED")
            .text("kind", "refused")
            .text("updated_at", at.to_string())
            .text("code", code)
            .text("message", message)
            .expiring()
            .build();
        self.put(item).await
    }
}

#[cfg(test)]
mod tests {
    use eks_upgrade_core::ledger::Harm;

    use super::*;

    fn lease() -> Lease {
        Lease {
            run: "prod-a-1.35-2".parse().unwrap(),
            cluster_created_at: Timestamp::UNIX_EPOCH,
            from: "1.34".parse().unwrap(),
            target: "1.35".parse().unwrap(),
            execution: "arn:aws:states:us-east-1:123456789012:execution:m:e".parse().unwrap(),
            fence: Fence(2),
            campaign: Some("sweep-1".parse().unwrap()),
            ring: Some("dev".into()),
            touched: true,
            harm: Some(Harm {
                run: "prod-a-1.35-1".parse().unwrap(),
                code: "PodEvictionFailure".into(),
                target: "1.35".parse().unwrap(),
            }),
            ended: None,
        }
    }

    fn kept(lease: &Lease) -> (ClusterArn, Item) {
        let cluster = "arn:aws:eks:us-east-1:123456789012:cluster/prod-a".parse().unwrap();
        let item = lease_item(&cluster, lease, lease.ended.as_ref(), Timestamp::UNIX_EPOCH).unwrap();
        (cluster, item)
    }

    #[test]
    fn a_lease_reads_as_it_was_written() {
        let bare = Lease { campaign: None, ring: None, harm: None, ..lease() };
        let over = Lease { ended: Some(Ending::Completed), ..lease() };
        for lease in [lease(), bare, over] {
            let (cluster, item) = kept(&lease);
            assert_eq!(lease_of(&cluster, &item).unwrap(), lease);
        }
    }

    #[test]
    fn a_lease_that_does_not_say_where_its_run_started_still_reads() {
        let (cluster, mut item) = kept(&lease());
        item.remove("from");
        item.remove("harm");
        let read = lease_of(&cluster, &item).unwrap();
        assert_eq!((read.from, read.harm), (read.target, None));
    }
}
