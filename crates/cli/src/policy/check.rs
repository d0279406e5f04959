//! `eks-upgrade policy check`.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::process::ExitCode;

use clap::Args;
use eks_upgrade_core::policy::{PolicyDocument, PolicyError};
use jiff::Timestamp;
use serde_json::{Value, json};

use super::effective::Effective;
use super::{file, summary};
use crate::fault::Usage;
use crate::{Common, reach, show};

/// Arguments of `policy check`.
#[derive(Args, Debug)]
pub struct CheckArgs {
    /// The policy's YAML file; - reads standard input
    file: PathBuf,
    /// Take doubts for errors
    #[arg(long)]
    strict: bool,
    /// Show what holds for this cluster, as a run would record it: its name, or its ARN
    #[arg(long)]
    cluster: Option<String>,
    /// A tag of that cluster; may be repeated
    #[arg(long = "tag", value_name = "KEY=VALUE", value_parser = tag, requires = "cluster")]
    tags: Vec<(String, String)>,
}

fn tag(text: &str) -> Result<(String, String), String> {
    let (key, value) = text.split_once('=').filter(|(key, _)| !key.is_empty()).ok_or("write KEY=VALUE")?;
    Ok((key.to_owned(), value.to_owned()))
}

/// Runs it.
pub fn run(common: &Common, args: &CheckArgs) -> anyhow::Result<ExitCode> {
    let now = reach::clock()?.now();
    let text = file::text(&args.file).map_err(|error| Usage(format!("{error:#}")))?;
    let file = file::name(&args.file);
    let document = match PolicyDocument::read(&text) {
        Ok(document) => document,
        Err(error) => return Ok(refuse(common, &file, &error)),
    };
    let mut checked = Checked { doubts: document.doubts(now), file, document, now };
    if let Some(cluster) = &args.cluster {
        let tags: BTreeMap<_, _> = args.tags.iter().cloned().collect();
        return match Effective::of(&checked.document, cluster, &tags, now)? {
            Ok(mut effective) => {
                checked.doubts = std::mem::take(&mut effective.doubts);
                checked.show_for(common, &effective, args.strict)
            }
            Err(error) => Ok(refuse(common, &checked.file, &error)),
        };
    }
    checked.show(common, args.strict)
}

/// A policy that reads.
struct Checked {
    file: String,
    document: PolicyDocument,
    doubts: Vec<String>,
    now: Timestamp,
}

impl Checked {
    fn fails(&self, strict: bool) -> bool {
        strict && !self.doubts.is_empty()
    }

    fn verdict(&self, strict: bool) -> String {
        let ok =
            if self.fails(strict) { console::style("doubtful").red() } else { console::style("ok").green() };
        format!("{}: {ok}", self.file)
    }

    fn exit(&self, strict: bool) -> ExitCode {
        if self.fails(strict) { ExitCode::FAILURE } else { ExitCode::SUCCESS }
    }

    fn show(&self, common: &Common, strict: bool) -> anyhow::Result<ExitCode> {
        if common.json {
            show::json(&self.json(strict))?;
        } else {
            println!("{}", self.verdict(strict));
            print_rows(&summary::of_document(&self.document, self.now));
            self.print_doubts(strict);
        }
        Ok(self.exit(strict))
    }

    fn json(&self, strict: bool) -> Value {
        let Self { file, document, doubts, .. } = self;
        json!({
            "file": file, "ok": !self.fails(strict), "doubts": doubts,
            "hash": document.hash(), "policy": document,
        })
    }

    fn show_for(&mut self, common: &Common, effective: &Effective, strict: bool) -> anyhow::Result<ExitCode> {
        self.doubts.extend(effective.doubts.iter().cloned());
        if common.json {
            show::json(&effective.policy)?;
            self.print_doubts(strict);
            return Ok(self.exit(strict));
        }
        println!("{}", self.verdict(strict));
        println!("\n{}", console::style(effective.title()).bold());
        print_rows(&summary::of_policy(&effective.policy, self.now));
        self.print_doubts(strict);
        Ok(self.exit(strict))
    }

    fn print_doubts(&self, strict: bool) {
        let level = if strict {
            console::style("error:").for_stderr().red().bold()
        } else {
            console::style("warning:").for_stderr().yellow().bold()
        };
        for doubt in &self.doubts {
            eprintln!("{level} {}: {doubt}", self.file);
        }
    }
}

fn refuse(common: &Common, file: &str, error: &PolicyError) -> ExitCode {
    if common.json {
        println!("{}", json!({"file": file, "ok": false, "errors": [error_json(error)]}));
    } else {
        eprintln!("{}", file::located(file, error));
    }
    ExitCode::FAILURE
}

fn error_json(error: &PolicyError) -> Value {
    match error {
        PolicyError::Form { line, column, field, message } => {
            let field = field.as_ref().filter(|field| *field != "?");
            json!({"line": line, "column": column, "field": field, "message": message})
        }
        PolicyError::Sense(message) => json!({"message": message}),
        PolicyError::Tag { tag, message } => json!({"tag": tag, "message": message}),
    }
}

fn print_rows(rows: &[(String, String)]) {
    let mut table = show::table(&["setting", "what holds"]);
    for (setting, holds) in rows {
        table.add_row([setting, holds]);
    }
    println!("{table}");
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tags_are_pairs() {
        assert_eq!(tag("env=prod").unwrap(), ("env".into(), "prod".into()));
        assert_eq!(tag("eks-upgrade:window=sat 22:00 4h").unwrap().1, "sat 22:00 4h");
        assert!(tag("env").is_err() && tag("=prod").is_err());
    }

    #[test]
    fn doubts_fail_only_when_they_are_to() {
        let document = PolicyDocument::default();
        let now = Timestamp::UNIX_EPOCH;
        let sure = Checked { file: "p".into(), document, doubts: Vec::new(), now };
        assert!(!sure.fails(true));
        let doubtful = Checked { doubts: vec!["it never starts".into()], ..sure };
        assert!(doubtful.fails(true) && !doubtful.fails(false));
        assert_eq!(doubtful.json(false)["ok"], true);
        assert_eq!(doubtful.json(true)["ok"], false);
    }
}
