//! `eks-upgrade explain`: what the codes of findings are about. Needs neither AWS nor a cluster.

use std::process::ExitCode;

use clap::Args;
use eks_upgrade_core::command;
use eks_upgrade_core::finding::{About, Code};
use serde_json::{Value, json};

use crate::{Common, show};

/// Arguments of `explain`.
#[derive(Args, Debug)]
pub struct ExplainArgs {
    /// The code, such as budget-never-allows [default: all of them, in a table]
    code: Option<Code>,
}

/// Runs it.
pub fn run(common: &Common, args: &ExplainArgs) -> anyhow::Result<ExitCode> {
    let codes: Vec<Code> = args.code.map_or_else(|| Code::ALL.to_vec(), |code| vec![code]);
    match (common.json, args.code) {
        (true, _) => show::json(&codes.iter().map(|code| for_machines(*code)).collect::<Vec<_>>())?,
        (false, Some(code)) => explain(code),
        (false, None) => list(&codes),
    }
    Ok(ExitCode::SUCCESS)
}

/// One code, for machines.
pub fn for_machines(code: Code) -> Value {
    let About { title, level, from, until, remediation, source } = code.about();
    json!({
        "code": code, "title": title, "level": level, "from": from, "until": until,
        "mayBeOverridden": code.may_be_overridden(), "remediation": remediation, "source": source,
    })
}

fn targets(about: &About) -> String {
    match (about.from, about.until) {
        (None, None) => "any".into(),
        (Some(from), None) => format!("{from} and later"),
        (None, Some(until)) => format!("up to {until}"),
        (Some(from), Some(until)) => format!("{from} to {until}"),
    }
}

fn explain(code: Code) {
    let about = code.about();
    println!("{}  {}", console::style(code).bold(), about.title);
    println!("\n  usually      {:?}", about.level);
    println!("  targets      {}", targets(&about));
    println!("  what to do   {}", about.remediation);
    if code.may_be_overridden() {
        let to = format!("override {code} [SUBJECT] --for 24h");
        println!("  or           {}", command::consent("CLUSTER", &to));
    }
    println!("  source       {}", about.source);
}

fn list(codes: &[Code]) {
    let mut table = show::table(&["code", "usually", "targets", "what it found"]);
    for code in codes {
        let about = code.about();
        let level = format!("{:?}", about.level).to_lowercase();
        table.add_row([code.to_string(), level, targets(&about), about.title.to_owned()]);
    }
    println!("{table}");
}
