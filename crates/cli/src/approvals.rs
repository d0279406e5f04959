//! `eks-upgrade approvals`, `approve` and `reject`: the questions that wait for a person.

use std::process::ExitCode;

use clap::Args;
use eks_upgrade_core::contract::Say;
use eks_upgrade_core::control::{Approval, Subject};
use eks_upgrade_core::ids::ApprovalId;
use jiff::Timestamp;

use crate::reach::Reach;
use crate::{Common, show, voice};

/// Arguments of `approve` and `reject`.
#[derive(Args, Debug)]
pub struct AnswerArgs {
    /// The question: its id, or the cluster (or run, or campaign) that has exactly one open
    id: String,
    /// Why; kept with your name
    #[arg(long, value_parser = voice::reason)]
    reason: String,
}

/// Lists the open questions.
pub async fn list(common: &Common) -> anyhow::Result<ExitCode> {
    let reach = Reach::new(common).await?;
    let mut open = voice::say(&reach, Say::Approvals {}).await?.approvals;
    open.sort_by_key(|approval| approval.expires_at);
    if common.json {
        show::json(&open)?;
    } else if open.is_empty() {
        println!("no question is open");
    } else {
        println!("{}", table(&open, reach.clock.now()));
        println!("answer one: eks-upgrade approve ID --reason TEXT, or eks-upgrade reject ID --reason TEXT");
    }
    Ok(ExitCode::SUCCESS)
}

fn table(open: &[Approval], now: Timestamp) -> comfy_table::Table {
    let mut table = show::table(&["id", "before", "of", "asked (UTC)", "expires in"]);
    for approval in open {
        table.add_row([
            approval.id.to_string(),
            approval.before.clone(),
            subject(&approval.subject),
            show::instant(approval.asked_at),
            show::until(now, approval.expires_at),
        ]);
    }
    table
}

fn subject(subject: &Subject) -> String {
    match subject {
        Subject::Run { cluster, .. } => format!("cluster {}", cluster.name),
        Subject::Campaign { campaign } => format!("campaign {campaign}"),
    }
}

/// Says yes.
pub async fn approve(common: &Common, args: &AnswerArgs) -> anyhow::Result<ExitCode> {
    let reach = Reach::new(common).await?;
    let id = meant(&reach, &args.id).await?;
    let say = Say::Approve { id, reason: args.reason.clone() };
    voice::say_and_tell(common, &reach, say).await?;
    Ok(ExitCode::SUCCESS)
}

/// Says no.
pub async fn reject(common: &Common, args: &AnswerArgs) -> anyhow::Result<ExitCode> {
    let reach = Reach::new(common).await?;
    let id = meant(&reach, &args.id).await?;
    let say = Say::Reject { id, reason: args.reason.clone() };
    voice::say_and_tell(common, &reach, say).await?;
    Ok(ExitCode::SUCCESS)
}

/// The question that a person means; what reads as an id is not looked up.
async fn meant(reach: &Reach, text: &str) -> anyhow::Result<ApprovalId> {
    if is_id(text) {
        return Ok(text.parse()?);
    }
    let open = voice::say(reach, Say::Approvals {}).await?.approvals;
    resolve(text, &open).map_err(anyhow::Error::msg)
}

/// Whether it has the form of an approval's id: `ap-` and twelve hexadecimal digits.
fn is_id(text: &str) -> bool {
    text.strip_prefix("ap-")
        .is_some_and(|rest| rest.len() == 12 && rest.bytes().all(|byte| byte.is_ascii_hexdigit()))
}

/// The one open question of the cluster, run or campaign of this name.
fn resolve(text: &str, open: &[Approval]) -> Result<ApprovalId, String> {
    let is_meant = |approval: &&Approval| match &approval.subject {
        Subject::Run { run, cluster } => {
            run.as_str() == text || cluster.name.as_str() == text || cluster.to_string() == text
        }
        Subject::Campaign { campaign } => campaign.as_str() == text,
    };
    let found: Vec<&Approval> = open.iter().filter(is_meant).collect();
    match found[..] {
        [one] => Ok(one.id.clone()),
        [] => Err(format!(
            "no question is open for {text}, nor is it an approval's id; `eks-upgrade approvals` lists those that are"
        )),
        _ => {
            let listed: Vec<String> = found
                .iter()
                .map(|approval| format!("{} (before {})", approval.id, approval.before))
                .collect();
            Err(format!(
                "{text} has {} open questions; name one by its id: {}",
                listed.len(),
                listed.join(", ")
            ))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn question(id: &str, cluster: &str) -> Approval {
        let at: Timestamp = "2026-11-24T10:00:00Z".parse().unwrap();
        Approval {
            id: id.parse().unwrap(),
            subject: Subject::Run {
                run: format!("{cluster}-1.35-5f0c2a91").parse().unwrap(),
                cluster: format!("arn:aws:eks:us-east-1:123456789012:cluster/{cluster}").parse().unwrap(),
            },
            before: format!("upgrade of {cluster} to 1.35"),
            asked_at: at,
            expires_at: at,
            answered: None,
        }
    }

    fn open() -> Vec<Approval> {
        let of_campaign = Approval {
            subject: Subject::Campaign { campaign: "sweep-1".parse().unwrap() },
            ..question("ap-000000000004", "any")
        };
        vec![
            question("ap-000000000001", "prod-a"),
            question("ap-000000000002", "prod-b"),
            question("ap-000000000003", "prod-b"),
            of_campaign,
        ]
    }

    #[test]
    fn the_one_open_question_of_a_cluster_run_or_campaign_is_meant() {
        for (text, id) in [
            ("prod-a", "ap-000000000001"),
            ("arn:aws:eks:us-east-1:123456789012:cluster/prod-a", "ap-000000000001"),
            ("prod-a-1.35-5f0c2a91", "ap-000000000001"),
            ("sweep-1", "ap-000000000004"),
        ] {
            assert_eq!(resolve(text, &open()).unwrap().as_str(), id, "{text}");
        }
    }

    #[test]
    fn none_and_several_are_refused_with_what_to_do() {
        let none = resolve("prod-c", &open()).unwrap_err();
        assert!(none.contains("eks-upgrade approvals"), "{none}");
        let several = resolve("prod-b", &open()).unwrap_err();
        assert!(several.contains("2 open questions") && several.contains("ap-000000000003"), "{several}");
    }

    #[test]
    fn an_id_is_told_from_a_cluster_of_a_like_name() {
        assert!(is_id("ap-5f0c2a91d3e4"));
        for name in ["ap-prod", "ap-5f0c2a91d3e45", "prod-a"] {
            assert!(!is_id(name), "{name}");
        }
    }
}
