//! `eks-upgrade consent`, `consents` and `revoke`: a scoped, expiring yes to something that nobody asked yet.

use std::process::ExitCode;

use clap::{Args, Subcommand};
use eks_upgrade_core::command;
use eks_upgrade_core::contract::Say;
use eks_upgrade_core::control::{Consent, ConsentScope};
use eks_upgrade_core::finding::Code;
use eks_upgrade_core::ids::ConsentId;
use eks_upgrade_core::length;
use eks_upgrade_pipeline::ports::Said;
use jiff::Timestamp;

use crate::reach::Reach;
use crate::{Common, show, voice};

/// Arguments of `consent`.
#[derive(Args, Debug)]
pub struct ConsentArgs {
    /// The cluster: its name, or its ARN
    cluster: String,
    #[command(subcommand)]
    to: To,
}

/// What is consented to.
#[derive(Debug, Subcommand)]
enum To {
    /// Pods of this node group are deleted where they do not leave, after a rolling update failed on them
    Force {
        /// The node group
        group: String,
        #[command(flatten)]
        terms: Terms,
    },
    /// What people changed in this add-on is overwritten, after EKS found a conflict
    Overwrite {
        /// The add-on
        addon: String,
        #[command(flatten)]
        terms: Terms,
    },
    /// A finding that blocks does not
    Override {
        /// The finding's code, as `eks-upgrade plan` prints it
        code: Code,
        /// On what [default: on anything]
        subject: Option<String>,
        #[command(flatten)]
        terms: Terms,
    },
    /// The control plane goes back one minor; `eks-upgrade roll-back` says this by itself
    RollBack {
        #[command(flatten)]
        terms: Terms,
    },
}

/// For how long, and why.
#[derive(Args, Debug)]
struct Terms {
    /// How long it holds, like 90m, 24h or 3d: 5 minutes to 30 days
    #[arg(long = "for", value_name = "LENGTH", default_value = "24h", value_parser = expiry)]
    for_s: u32,
    /// Why; kept with your name
    #[arg(long, value_parser = voice::reason)]
    reason: String,
}

/// Arguments of `consents`.
#[derive(Args, Debug)]
pub struct ConsentsArgs {
    /// The cluster: its name, or its ARN
    cluster: String,
}

/// Arguments of `revoke`.
#[derive(Args, Debug)]
pub struct RevokeArgs {
    /// The consent's cluster: its name, or its ARN
    cluster: String,
    /// The consent, as `eks-upgrade consents` lists it
    id: ConsentId,
    /// Why; kept with your name
    #[arg(long, value_parser = voice::reason)]
    reason: String,
}

/// The bounds of a consent, in seconds: 5 minutes to 30 days.
const EXPIRES_S: std::ops::RangeInclusive<u32> = 300..=30 * 86_400;

/// Reads how long a consent holds, in seconds.
pub fn expiry(text: &str) -> Result<u32, String> {
    let length = length::read(text)?;
    let seconds = u32::try_from(length.as_secs()).ok().filter(|seconds| EXPIRES_S.contains(seconds));
    seconds.ok_or_else(|| format!("a consent holds for 5m to 30d, not for {}", length::write(length)))
}

impl To {
    fn scope(&self) -> (ConsentScope, &Terms) {
        match self {
            Self::Force { group, terms } => (ConsentScope::Force { node_group: group.clone() }, terms),
            Self::Overwrite { addon, terms } => (ConsentScope::Overwrite { addon: addon.clone() }, terms),
            Self::Override { code, subject, terms } => {
                (ConsentScope::Override { finding: *code, subject: subject.clone() }, terms)
            }
            Self::RollBack { terms } => (ConsentScope::RollBack, terms),
        }
    }
}

/// Gives a consent.
pub async fn give(common: &Common, args: &ConsentArgs) -> anyhow::Result<ExitCode> {
    let reach = Reach::new(common).await?;
    let cluster = reach.cluster(&args.cluster).await?;
    let (scope, terms) = args.to.scope();
    let say = Say::Consent { cluster, scope, expires_s: terms.for_s, reason: terms.reason.clone() };
    let answer = voice::say_and_tell(common, &reach, say).await?;
    if let Some(id) = answer.consent.filter(|_| !common.json) {
        println!("  take it back: {}", command::revoke(&args.cluster, &id));
    }
    Ok(ExitCode::SUCCESS)
}

/// Lists the consents for a cluster.
pub async fn list(common: &Common, args: &ConsentsArgs) -> anyhow::Result<ExitCode> {
    let reach = Reach::new(common).await?;
    let cluster = reach.cluster(&args.cluster).await?;
    let mut consents = reach.ledger().consents(&cluster).await?;
    consents.sort_by_key(|consent| std::cmp::Reverse(consent.expires_at));
    if common.json {
        show::json(&consents)?;
    } else if consents.is_empty() {
        println!("nobody has consented to anything for {}", cluster.name);
    } else {
        println!("{}", table(&consents, reach.clock.now()));
    }
    Ok(ExitCode::SUCCESS)
}

fn table(consents: &[Consent], now: Timestamp) -> comfy_table::Table {
    let mut table = show::table(&["id", "to", "by", "why", "given (UTC)", "expires in"]);
    for consent in consents {
        let left = if now < consent.expires_at {
            show::until(now, consent.expires_at)
        } else {
            format!("over since {}", show::instant(consent.expires_at))
        };
        table.add_row([
            consent.id.to_string(),
            consent.scope.to_string(),
            consent.by.to_string(),
            consent.reason.clone(),
            show::instant(consent.at),
            left,
        ]);
    }
    table
}

/// Lets a consent end now.
pub async fn revoke(common: &Common, args: &RevokeArgs) -> anyhow::Result<ExitCode> {
    let reach = Reach::new(common).await?;
    let cluster = reach.cluster(&args.cluster).await?;
    let say = Say::Revoke { cluster, id: args.id.clone(), reason: args.reason.clone() };
    voice::say_and_tell(common, &reach, say).await?;
    Ok(ExitCode::SUCCESS)
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;

    #[derive(Parser)]
    struct Line {
        #[command(flatten)]
        args: ConsentArgs,
    }

    fn read(words: &str) -> Result<(ConsentScope, u32), clap::Error> {
        let words = std::iter::once("consent").chain(words.split(' ')).chain(["--reason", "checked twice"]);
        let line = Line::try_parse_from(words)?;
        let (scope, terms) = line.args.to.scope();
        Ok((scope, terms.for_s))
    }

    #[test]
    fn scopes_read_as_the_messages_of_the_product_print_them() {
        let finding = Code::RollBackInsight;
        let day = 86_400;
        for (words, expected) in [
            ("prod-a force web", (ConsentScope::Force { node_group: "web".into() }, day)),
            (
                "prod-a overwrite vpc-cni --for 90m",
                (ConsentScope::Overwrite { addon: "vpc-cni".into() }, 5_400),
            ),
            ("prod-a override roll-back-insight", (ConsentScope::Override { finding, subject: None }, day)),
            (
                "prod-a override roll-back-insight web --for 3d",
                (ConsentScope::Override { finding, subject: Some("web".into()) }, 3 * day),
            ),
            ("prod-a roll-back", (ConsentScope::RollBack, day)),
        ] {
            assert_eq!(read(words).unwrap(), expected, "{words}");
        }
    }

    #[test]
    fn what_is_no_scope_or_no_length_is_wrong_usage() {
        for words in [
            "prod-a",
            "prod-a forse web",
            "prod-a force",
            "prod-a override everything",
            "prod-a roll-back --for 4m",
            "prod-a roll-back --for 31d",
            "prod-a roll-back --for soon",
        ] {
            assert_eq!(read(words).unwrap_err().exit_code(), 2, "{words}");
        }
    }
}
