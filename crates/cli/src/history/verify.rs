//! `eks-upgrade history --verify`: whether a run's record is still the one that was written.

use std::process::ExitCode;

use eks_upgrade_aws::record::Record;
use eks_upgrade_core::ids::RunId;
use eks_upgrade_core::ledger::{Flaw, RunState, verify};
use serde::Serialize;

use crate::reach::Reach;
use crate::show;

/// What is said of a record, for machines.
#[derive(Serialize)]
struct Verdict<'a> {
    run: &'a RunId,
    lines: usize,
    intact: bool,
    #[serde(flatten)]
    flaw: Option<&'a Flaw>,
    message: String,
}

/// Runs it.
pub async fn run(reach: &Reach, meant: &str, json: bool) -> anyhow::Result<ExitCode> {
    let (run, record) = find(reach, meant).await?;
    let checked = check(&run, &record);
    let verdict = verdict(&run, record.lines.len(), &checked);
    if json {
        show::json(&verdict)?;
    } else {
        show::line(&verdict.message)?;
    }
    Ok(if verdict.intact { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// The record that is meant. A run without a head is in no list, and is found by its id all the same.
async fn find(reach: &Reach, meant: &str) -> anyhow::Result<(RunId, Record)> {
    if let Ok(run) = meant.parse::<RunId>() {
        let record = reach.ledger().record(&run).await?;
        if !record.is_empty() {
            return Ok((run, record));
        }
    }
    let run = reach.run_meant(meant).await?;
    let record = reach.ledger().record(&run).await?;
    Ok((run, record))
}

fn check(run: &RunId, record: &Record) -> Result<RunState, Flaw> {
    let state = verify(run, &record.lines, record.head.as_ref())?;
    record.check_copies(&state)?;
    Ok(state)
}

fn verdict<'a>(run: &'a RunId, lines: usize, checked: &'a Result<RunState, Flaw>) -> Verdict<'a> {
    let message = match checked {
        Ok(state) => format!(
            "run {run} is as it was written: {lines} lines, chain of hashes intact to the last, {}",
            show::outcome(state)
        ),
        Err(flaw) => format!("run {run} is not as it was written: {flaw}"),
    };
    Verdict { run, lines, intact: checked.is_ok(), flaw: checked.as_ref().err(), message }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::samples;

    #[test]
    fn a_flaw_is_told_in_one_sentence_and_by_name() {
        let state = samples::run();
        let checked = Err(Flaw::Moved { line: 3, written: 4 });
        let verdict = verdict(&state.run, 5, &checked);
        let message =
            format!("run {} is not as it was written: line 3 was moved: it was written as line 4", state.run);
        let shown = json!({
            "run": state.run, "lines": 5, "intact": false,
            "flaw": "moved", "line": 3, "written": 4, "message": message,
        });
        assert_eq!(serde_json::to_value(&verdict).unwrap(), shown);
    }

    #[test]
    fn a_whole_record_says_how_the_run_stands() {
        let checked = Ok(samples::run());
        let run = samples::run().run;
        let verdict = verdict(&run, 2, &checked);
        assert!(
            verdict.intact
                && verdict.message.ends_with("2 lines, chain of hashes intact to the last, running")
        );
        assert_eq!(serde_json::to_value(&verdict).unwrap().get("flaw"), None);
    }
}
