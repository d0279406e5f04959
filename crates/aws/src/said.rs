//! What people have said, in the table: the `Said`, `Hears` and `Durations` ports.

use aws_sdk_dynamodb::operation::put_item::PutItemError;
use aws_sdk_dynamodb::operation::update_item::UpdateItemError;
use aws_sdk_dynamodb::types::{AttributeValue, Put, ReturnValue, TransactWriteItem};
use eks_upgrade_core::arn::ClusterArn;
use eks_upgrade_core::control::{Answered, Approval, Consent, KillSwitch, NotCounted};
use eks_upgrade_core::ids::{ApprovalId, ConsentId, TaskToken};
use eks_upgrade_core::waits::Learned;
use eks_upgrade_pipeline::ports::{Durations, Hears, LedgerDown, NotKept, Said};
use jiff::{SignedDuration, Timestamp};
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::ledger::{AwsLedger, broken, down};
use crate::table::{BY_KIND, Building, Item, PK, SK, text};
use crate::transaction::transaction;

const CONTROL: &str = "CONTROL";
const KILL_SWITCH: &str = "KILL-SWITCH";
const HEAD: &str = "HEAD";
const LEARNED: &str = "LEARNED";
const DURATIONS: &str = "DURATIONS";
/// What the item says in full, as JSON. The other attributes are for keys, conditions and people.
const BODY: &str = "body";
/// The kind of a question that nobody answered; it gets another with the answer.
const OPEN: &str = "approval";
const CLOSED: &str = "approval-answered";
/// The task token: an attribute of its own, that no list reads.
const TASK_TOKEN: &str = "task_token";
/// No question stays open longer (the policy's upper bound).
const OPEN_AT_MOST: SignedDuration = SignedDuration::from_hours(30 * 24);

fn consent_key(cluster: &ClusterArn) -> String {
    format!("CONSENT#{cluster}")
}

fn approval_key(id: &ApprovalId) -> String {
    format!("APPROVAL#{id}")
}

fn json(value: &impl Serialize) -> Result<String, LedgerDown> {
    serde_json::to_string(value).map_err(broken)
}

fn body<T: DeserializeOwned>(item: &Item) -> Result<T, LedgerDown> {
    let what = text(item, PK).unwrap_or_default();
    let body = text(item, BODY).ok_or_else(|| LedgerDown(format!("{what} has no body")))?;
    serde_json::from_str(body).map_err(|error| LedgerDown(format!("{what} does not read: {error}")))
}

/// A question: as it was asked, and its answer, which came later.
fn approval(item: &Item) -> Result<Approval, LedgerDown> {
    let asked: Approval = body(item)?;
    let answered = text(item, "answered").map(serde_json::from_str).transpose().map_err(broken)?;
    Ok(Approval { answered, ..asked })
}

/// The token of whoever asked last.
fn token(item: &Item) -> Option<TaskToken> {
    text(item, TASK_TOKEN).map(|token| TaskToken(token.to_owned()))
}

/// A consent: as it was given, and when it was taken back, if it was.
fn consent(item: &Item) -> Result<Consent, LedgerDown> {
    let given: Consent = body(item)?;
    let revoked: Option<Timestamp> = text(item, "revoked_at").map(str::parse).transpose().map_err(broken)?;
    let expires_at = revoked.map_or(given.expires_at, |at| at.min(given.expires_at));
    Ok(Consent { expires_at, ..given })
}

fn approval_item(approval: &Approval, token: Option<&TaskToken>) -> Result<Item, LedgerDown> {
    let asked = Approval { answered: None, ..approval.clone() };
    Ok(Building::key(approval_key(&approval.id), HEAD)
        .text("kind", OPEN)
        .text("updated_at", approval.asked_at.to_string())
        .text("approval", approval.id.as_str())
        .text("before", &approval.before)
        .text(BODY, json(&asked)?)
        .maybe(TASK_TOKEN, token.map(|token| token.0.as_str()))
        .build())
}

fn switch_item(sk: String, switch: &KillSwitch) -> Result<Item, LedgerDown> {
    Ok(Building::key(CONTROL.into(), sk)
        .text("updated_at", switch.at.to_string())
        .text("thrown", if switch.thrown { "yes" } else { "no" })
        .text("by", switch.by.as_str())
        .text("reason", &switch.reason)
        .text(BODY, json(switch)?)
        .build())
}

impl AwsLedger {
    /// The item of a question that must be there.
    async fn question(&self, id: &ApprovalId) -> Result<Item, NotKept> {
        let item = self.get(approval_key(id), HEAD).await.map_err(NotKept::Down)?;
        item.ok_or_else(|| NotKept::NotCounted(NotCounted::Unknown(id.clone())))
    }
}

impl Said for AwsLedger {
    async fn kill_switch(&self) -> Result<Option<KillSwitch>, LedgerDown> {
        self.get(CONTROL.into(), KILL_SWITCH).await?.as_ref().map(body).transpose()
    }

    async fn consents(&self, cluster: &ClusterArn) -> Result<Vec<Consent>, LedgerDown> {
        let mut pages = self
            .client
            .query()
            .table_name(&self.table)
            .key_condition_expression("pk = :pk")
            .expression_attribute_values(":pk", AttributeValue::S(consent_key(cluster)))
            .consistent_read(true)
            .into_paginator()
            .items()
            .send();
        let mut consents = Vec::new();
        while let Some(item) = pages.next().await {
            consents.push(consent(&item.map_err(|error| down(&error))?)?);
        }
        Ok(consents)
    }

    async fn approval(&self, id: &ApprovalId) -> Result<Option<Approval>, LedgerDown> {
        self.get(approval_key(id), HEAD).await?.as_ref().map(approval).transpose()
    }

    async fn ask(&self, approval: &Approval, token: Option<&TaskToken>) -> Result<(), LedgerDown> {
        let put = self
            .client
            .put_item()
            .table_name(&self.table)
            .set_item(Some(approval_item(approval, token)?))
            .condition_expression("attribute_not_exists(pk)");
        match put.send().await {
            Ok(_) => return Ok(()),
            Err(error)
                if error
                    .as_service_error()
                    .is_some_and(PutItemError::is_conditional_check_failed_exception) => {}
            Err(error) => return Err(down(&error)),
        }
        let Some(token) = token else { return Ok(()) };
        // It was asked before, by a task that is gone: the new one is to be woken in its stead.
        let update = self
            .client
            .update_item()
            .table_name(&self.table)
            .key(PK, AttributeValue::S(approval_key(&approval.id)))
            .key(SK, AttributeValue::S(HEAD.into()))
            .update_expression("SET task_token = :token")
            .condition_expression("attribute_exists(pk) AND attribute_not_exists(answered)")
            .expression_attribute_values(":token", AttributeValue::S(token.0.clone()));
        match update.send().await {
            Ok(_) => Ok(()),
            Err(error)
                if error
                    .as_service_error()
                    .is_some_and(UpdateItemError::is_conditional_check_failed_exception) =>
            {
                Ok(())
            }
            Err(error) => Err(down(&error)),
        }
    }
}

impl Hears for AwsLedger {
    async fn open_approvals(&self, now: Timestamp) -> Result<Vec<Approval>, LedgerDown> {
        let since = now.checked_sub(OPEN_AT_MOST).unwrap_or(Timestamp::MIN);
        let mut pages = self
            .client
            .query()
            .table_name(&self.table)
            .index_name(BY_KIND)
            .key_condition_expression("kind = :kind AND updated_at >= :since")
            .projection_expression("pk, body, answered")
            .expression_attribute_values(":kind", AttributeValue::S(OPEN.into()))
            .expression_attribute_values(":since", AttributeValue::S(since.to_string()))
            .into_paginator()
            .items()
            .send();
        let mut open = Vec::new();
        while let Some(item) = pages.next().await {
            let approval = approval(&item.map_err(|error| down(&error))?)?;
            if approval.answered.is_none() && now < approval.expires_at {
                open.push(approval);
            }
        }
        Ok(open)
    }

    async fn answer(
        &self,
        id: &ApprovalId,
        answered: Answered,
    ) -> Result<(Approval, Option<TaskToken>), NotKept> {
        let asked = self.question(id).await?;
        let question = approval(&asked).map_err(NotKept::Down)?;
        let was_open = question.answered.is_none();
        let settled = question.answer(answered.clone()).map_err(NotKept::NotCounted)?;
        if !was_open {
            return Ok((settled, token(&asked)));
        }
        let update = self
            .client
            .update_item()
            .table_name(&self.table)
            .key(PK, AttributeValue::S(approval_key(id)))
            .key(SK, AttributeValue::S(HEAD.into()))
            .update_expression("SET answered = :answered, kind = :closed, updated_at = :at")
            .condition_expression("attribute_exists(pk) AND attribute_not_exists(answered)")
            .expression_attribute_values(
                ":answered",
                AttributeValue::S(json(&answered).map_err(NotKept::Down)?),
            )
            .expression_attribute_values(":closed", AttributeValue::S(CLOSED.into()))
            .expression_attribute_values(":at", AttributeValue::S(answered.at.to_string()))
            // The token of whoever asked last, at the moment of the answer.
            .return_values(ReturnValue::AllNew);
        match update.send().await {
            Ok(output) => {
                let kept = output.attributes.unwrap_or_default();
                Ok((settled, token(&kept)))
            }
            Err(error)
                if error
                    .as_service_error()
                    .is_some_and(UpdateItemError::is_conditional_check_failed_exception) =>
            {
                // Somebody was faster by a moment, and what they said stands; or the SDK was, whose first try was kept
                // and its answer lost.
                let first = self.question(id).await?;
                let question = approval(&first).map_err(NotKept::Down)?;
                if question.answered.is_none() {
                    let why = format!("{id} is answered and is not; try again");
                    return Err(NotKept::Down(LedgerDown(why)));
                }
                let settled = question.answer(answered).map_err(NotKept::NotCounted)?;
                Ok((settled, token(&first)))
            }
            Err(error) => Err(NotKept::Down(down(&error))),
        }
    }

    async fn consent(&self, consent: &Consent) -> Result<(), LedgerDown> {
        let item = Building::key(consent_key(&consent.cluster), consent.id.as_str())
            .text("kind", "consent")
            .text("updated_at", consent.at.to_string())
            .text("cluster_arn", consent.cluster.to_string())
            .text("to", consent.scope.to_string())
            .text("by", consent.by.as_str())
            .text("reason", &consent.reason)
            .text(BODY, json(consent)?)
            .build();
        self.put(item).await
    }

    async fn revoke(&self, cluster: &ClusterArn, id: &ConsentId, at: Timestamp) -> Result<bool, LedgerDown> {
        let update = self
            .client
            .update_item()
            .table_name(&self.table)
            .key(PK, AttributeValue::S(consent_key(cluster)))
            .key(SK, AttributeValue::S(id.as_str().to_owned()))
            .update_expression("SET revoked_at = if_not_exists(revoked_at, :at), updated_at = :at")
            .condition_expression("attribute_exists(pk)")
            .expression_attribute_values(":at", AttributeValue::S(at.to_string()));
        match update.send().await {
            Ok(_) => Ok(true),
            Err(error)
                if error
                    .as_service_error()
                    .is_some_and(UpdateItemError::is_conditional_check_failed_exception) =>
            {
                Ok(false)
            }
            Err(error) => Err(down(&error)),
        }
    }

    async fn put_switch(&self, switch: &KillSwitch) -> Result<(), LedgerDown> {
        let put = |sk: String| -> Result<TransactWriteItem, LedgerDown> {
            let item = switch_item(sk, switch)?;
            let put = Put::builder().table_name(&self.table).set_item(Some(item)).build();
            Ok(TransactWriteItem::builder().put(put.map_err(broken)?).build())
        };
        let items = vec![put(KILL_SWITCH.into())?, put(format!("S#{}", switch.at))?];
        let sent = transaction(&self.client, items).send().await;
        sent.map(|_| ()).map_err(|error| down(&error))
    }
}

impl Durations for AwsLedger {
    async fn learned(&self) -> Result<Learned, LedgerDown> {
        let item = self.get(LEARNED.into(), DURATIONS).await?;
        Ok(item.as_ref().map(body).transpose()?.unwrap_or_default())
    }

    async fn learn(&self, learned: &Learned) -> Result<(), LedgerDown> {
        let item = Building::key(LEARNED.into(), DURATIONS).text(BODY, json(learned)?).build();
        self.put(item).await
    }
}

#[cfg(test)]
mod tests {
    use eks_upgrade_core::control::{Answer, ConsentScope, Subject};

    use super::*;

    fn at(text: &str) -> Timestamp {
        text.parse().unwrap()
    }

    fn question() -> Approval {
        let cluster: ClusterArn = "arn:aws:eks:us-east-1:123456789012:cluster/prod-a".parse().unwrap();
        Approval {
            id: "ap-5f0c2a91d3e4".parse().unwrap(),
            subject: Subject::Run { run: "prod-a-1.35-5f0c2a91".parse().unwrap(), cluster },
            before: "control plane 1.34 → 1.35 of prod-a".into(),
            asked_at: at("2026-11-24T10:00:00Z"),
            expires_at: at("2026-12-01T10:00:00Z"),
            answered: None,
        }
    }

    #[test]
    fn a_question_reads_as_it_was_asked_and_its_token_is_in_no_text() {
        let token = TaskToken("secret-token".into());
        let mut item = approval_item(&question(), Some(&token)).unwrap();
        assert_eq!(approval(&item).unwrap(), question());
        assert!(!text(&item, BODY).unwrap().contains("secret-token"));
        assert_eq!(text(&item, TASK_TOKEN), Some("secret-token"));
        let answered = Answered {
            answer: Answer::Approve,
            by: "arn:aws:iam::123456789012:user/ada".parse().unwrap(),
            reason: "tested in dev".into(),
            at: at("2026-11-24T11:00:00Z"),
        };
        item.insert("answered".into(), AttributeValue::S(json(&answered).unwrap()));
        assert_eq!(approval(&item).unwrap().answered, Some(answered));
    }

    #[test]
    fn a_revoked_consent_has_expired() {
        let given = Consent {
            id: "co-5f0c2a91d3e4".parse().unwrap(),
            cluster: "arn:aws:eks:us-east-1:123456789012:cluster/prod-a".parse().unwrap(),
            scope: ConsentScope::RollBack,
            by: "arn:aws:iam::123456789012:user/ada".parse().unwrap(),
            reason: "errors since the upgrade".into(),
            at: at("2026-11-24T10:00:00Z"),
            expires_at: at("2026-11-24T12:00:00Z"),
        };
        let mut item = Building::key("CONSENT#a".into(), "co").text(BODY, json(&given).unwrap()).build();
        assert_eq!(consent(&item).unwrap(), given);
        item.insert("revoked_at".into(), AttributeValue::S("2026-11-24T11:00:00Z".into()));
        assert_eq!(consent(&item).unwrap().expires_at, at("2026-11-24T11:00:00Z"));
        item.insert("revoked_at".into(), AttributeValue::S("2026-11-25T11:00:00Z".into()));
        assert_eq!(consent(&item).unwrap().expires_at, given.expires_at);
    }
}
