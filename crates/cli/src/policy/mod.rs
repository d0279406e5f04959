//! `eks-upgrade policy`: looks at a policy before it is deployed. Needs no AWS credentials.

mod check;
mod effective;
pub mod file;
mod summary;

use std::process::ExitCode;

use clap::{Args, Subcommand};
use eks_upgrade_core::policy::PolicyDocument;

use crate::{Common, show};

/// Arguments of `policy`.
#[derive(Args, Debug)]
pub struct PolicyArgs {
    #[command(subcommand)]
    what: What,
}

#[derive(Debug, Subcommand)]
enum What {
    /// Check a policy: what is wrong with it and where, or what it says and when each window opens next
    #[command(after_help = "Errors read FILE:LINE:COLUMN: FIELD: MESSAGE. Examples:\n  \
        eks-upgrade policy check policy.yaml\n  \
        eks-upgrade policy check - --strict < policy.yaml\n  \
        eks-upgrade policy check policy.yaml --cluster prod-a --tag env=prod --tag eks-upgrade:bake=4h")]
    Check(check::CheckArgs),
    /// Print the JSON Schema of policies, for editors
    #[command(
        after_help = "An editor with the YAML language server completes and checks a policy by it:\n  \
        eks-upgrade policy schema > policy.schema.json\n\
        and, in the first line of policy.yaml:\n  \
        # yaml-language-server: $schema=policy.schema.json"
    )]
    Schema,
}

/// Runs it.
pub fn run(common: &Common, args: &PolicyArgs) -> anyhow::Result<ExitCode> {
    match &args.what {
        What::Check(args) => check::run(common, args),
        What::Schema => {
            show::json(&schemars::schema_for!(PolicyDocument))?;
            Ok(ExitCode::SUCCESS)
        }
    }
}
