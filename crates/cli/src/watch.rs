//! `eks-upgrade watch`: a line per cluster while it goes on, a table when it is over.

use std::collections::{BTreeMap, BTreeSet};
use std::io::IsTerminal;
use std::process::ExitCode;
use std::time::Duration;

use clap::Args;
use eks_upgrade_aws::campaigns::LeftAloneIn;
use eks_upgrade_aws::ledger::AwsLedger;
use eks_upgrade_core::arn::ClusterArn;
use eks_upgrade_core::finding::{Finding, Level};
use eks_upgrade_core::ids::RunId;
use eks_upgrade_core::ledger::{Ending, RunState};
use eks_upgrade_core::waits::seconds_between;
use eks_upgrade_pipeline::ports::Ledger;
use indicatif::{MultiProgress, ProgressBar, ProgressStyle};
use jiff::Timestamp;
use serde_json::json;

use crate::cluster_ref::{ClusterRef, label};
use crate::left_alone::{self, CAMPAIGNS_LOOKED_AT};
use crate::reach::{RUNS_LOOKED_AT, Reach};
use crate::waiting::waiting;
use crate::{Common, show};

/// Arguments of `watch`.
#[derive(Args, Debug)]
pub struct WatchArgs {
    /// Only these clusters, by name or ARN, each until its latest run has ended [default: all, until none runs]
    clusters: Vec<ClusterRef>,
    /// Do not end before this cluster has had a run too; may be repeated
    #[arg(long, value_name = "CLUSTER")]
    wait_for: Vec<ClusterRef>,
    /// Real seconds between two looks
    #[arg(long, default_value_t = 1.0)]
    every: f64,
}

impl WatchArgs {
    /// For one cluster.
    pub fn of(cluster: ClusterRef) -> Self {
        Self { clusters: vec![cluster], wait_for: Vec::new(), every: 1.0 }
    }
}

/// Runs it.
pub async fn run(common: &Common, args: &WatchArgs) -> anyhow::Result<ExitCode> {
    let reach = Reach::new(common).await?;
    let ledger = reach.ledger();
    let mut runs = Runs::default();
    let awaited: Vec<ClusterRef> = args.clusters.iter().chain(&args.wait_for).cloned().collect();
    let mut screen = Screen::new(common.json);
    let pause = Duration::from_secs_f64(args.every.clamp(0.1, 3_600.0));
    loop {
        runs.look(&ledger, &args.clusters).await?;
        screen.show(&runs, &awaited, reach.clock.now());
        if runs.are_over(&awaited) {
            break;
        }
        tokio::select! {
            () = tokio::time::sleep(pause) => {}
            _ = tokio::signal::ctrl_c() => {
                screen.close();
                eprintln!("stopped watching; the upgrades go on");
                return Ok(ExitCode::SUCCESS);
            }
        }
    }
    screen.close();
    summary(common, &runs, &ledger, &args.clusters, reach.clock.now()).await?;
    let stopped = runs.by_cluster.values().any(stopped);
    Ok(if stopped { ExitCode::FAILURE } else { ExitCode::SUCCESS })
}

/// Whether the run ended otherwise than whoever started it wanted.
fn stopped(run: &RunState) -> bool {
    match &run.ended {
        Some(Ending::Halted { .. }) => true,
        Some(Ending::RolledBack { .. }) => !run.opened.roll_back,
        Some(Ending::Completed) | None => false,
    }
}

/// The latest run of each cluster.
#[derive(Default)]
pub struct Runs {
    /// By the cluster.
    pub by_cluster: BTreeMap<ClusterArn, RunState>,
    over: BTreeSet<RunId>,
}

impl Runs {
    /// Reads the ledgers of those that are not over, of the clusters wanted; none is all.
    pub async fn look(&mut self, ledger: &AwsLedger, wanted: &[ClusterRef]) -> anyhow::Result<()> {
        let mut seen = BTreeSet::new();
        for head in ledger.runs(RUNS_LOOKED_AT).await? {
            let unwanted = !wanted.is_empty() && !wanted.iter().any(|meant| meant.is(&head.cluster));
            // Heads come newest first: the first of a cluster is its latest.
            if unwanted || !seen.insert(head.cluster.clone()) || self.over.contains(&head.run) {
                continue;
            }
            if let Some(state) = RunState::read(&ledger.lines(&head.run).await?)? {
                if state.ended.is_some() {
                    self.over.insert(head.run);
                }
                self.by_cluster.insert(head.cluster, state);
            }
        }
        Ok(())
    }

    fn are_over(&self, wanted: &[ClusterRef]) -> bool {
        wanted.iter().all(|meant| self.has(meant))
            && self.by_cluster.values().all(|state| state.ended.is_some())
    }

    fn has(&self, meant: &ClusterRef) -> bool {
        self.by_cluster.keys().any(|cluster| meant.is(cluster))
    }

    /// Whether a run of a cluster of that name began after it was left alone.
    fn began_after(&self, left: &LeftAloneIn) -> bool {
        self.by_cluster
            .iter()
            .any(|(cluster, state)| cluster.name.as_str() == left.left.cluster && state.opened_at > left.at)
    }

    /// The runs, each with what to call its cluster beside the others.
    fn labelled(&self) -> impl Iterator<Item = (String, &RunState)> {
        self.by_cluster.iter().map(|(cluster, state)| (label(cluster, self.by_cluster.keys()), state))
    }
}

/// Lines on the terminal: moving ones where there is a terminal, else one for each change.
enum Screen {
    Bars { all: MultiProgress, bars: BTreeMap<String, ProgressBar> },
    Lines { last: BTreeMap<String, String> },
    Silent,
}

impl Screen {
    fn new(json: bool) -> Self {
        match (json, std::io::stdout().is_terminal()) {
            (true, _) => Self::Silent,
            (false, true) => Self::Bars { all: MultiProgress::new(), bars: BTreeMap::new() },
            (false, false) => Self::Lines { last: BTreeMap::new() },
        }
    }

    fn show(&mut self, runs: &Runs, wanted: &[ClusterRef], now: Timestamp) {
        let mut rows: BTreeMap<String, Option<&RunState>> =
            runs.labelled().map(|(label, state)| (label, Some(state))).collect();
        for meant in wanted.iter().filter(|meant| !runs.has(meant)) {
            rows.insert(meant.to_string(), None);
        }
        let width = rows.keys().map(String::len).max().unwrap_or(0);
        match self {
            Self::Silent => {}
            Self::Lines { last } => print_changes(last, &rows, width, now),
            Self::Bars { all, bars } => {
                // One that was waited for has another name once it is there, or another of its name is.
                bars.retain(|label, bar| rows.contains_key(label) || gone(all, bar));
                for (label, run) in rows {
                    let bar = bars.entry(label.clone()).or_insert_with(|| new_bar(all));
                    bar.set_message(format!("{label:width$}  {}", line(run, now)));
                    if let Some(run) = run.filter(|run| run.ended.is_some() && !bar.is_finished()) {
                        finish(bar, run);
                    }
                }
            }
        }
    }

    fn close(&self) {
        if let Self::Bars { all, .. } = self {
            let _ = all.clear();
        }
    }
}

/// Puts a mark where the spinner was.
fn finish(bar: &ProgressBar, run: &RunState) {
    let mark = if stopped(run) { console::style("✗").red() } else { console::style("✓").green() };
    if let Ok(style) = ProgressStyle::with_template(&format!("{mark} {{wide_msg}}")) {
        bar.set_style(style);
    }
    bar.finish();
}

/// Takes a line off the terminal; it is kept no more.
fn gone(all: &MultiProgress, bar: &ProgressBar) -> bool {
    bar.finish_and_clear();
    all.remove(bar);
    false
}

fn new_bar(all: &MultiProgress) -> ProgressBar {
    let bar = all.add(ProgressBar::new_spinner());
    if let Ok(style) = ProgressStyle::with_template("{spinner:.cyan} {wide_msg}") {
        bar.set_style(style.tick_chars("⠋⠙⠹⠸⠼⠴⠦⠧⠇⠏ "));
    }
    bar.enable_steady_tick(Duration::from_millis(120));
    bar
}

/// What has happened is what makes a new line, not that time has passed.
fn print_changes(
    last: &mut BTreeMap<String, String>,
    rows: &BTreeMap<String, Option<&RunState>>,
    width: usize,
    now: Timestamp,
) {
    for (label, run) in rows {
        let mark = run.map_or_else(String::new, |state| format!("{}/{}", state.run, state.seq));
        if last.get(label) != Some(&mark) {
            println!("{label:width$}  {}", line(*run, now));
            last.insert(label.clone(), mark);
        }
    }
}

fn line(run: Option<&RunState>, now: Timestamp) -> String {
    let Some(state) = run else { return "no run yet".to_owned() };
    let until = if state.ended.is_some() { state.updated_at } else { now };
    let elapsed = show::duration(seconds_between(state.opened_at, until));
    let moving = state.vitals.as_ref().filter(|_| state.ended.is_none());
    let vitals = moving.map_or_else(String::new, |(vitals, _)| format!("  [{vitals}]"));
    format!("{elapsed:>8}  {:>5}  {}{vitals}", show::steps(state), show::doing(state, now))
}

async fn summary(
    common: &Common,
    runs: &Runs,
    ledger: &AwsLedger,
    wanted: &[ClusterRef],
    now: Timestamp,
) -> anyhow::Result<()> {
    // Of all the clusters that were left alone, those that nobody has upgraded since.
    let mut left_alone = Vec::new();
    if wanted.is_empty() {
        left_alone = ledger.left_alone(CAMPAIGNS_LOOKED_AT).await?;
        left_alone.retain(|left| !runs.began_after(left));
    }
    if common.json {
        let rows: Vec<_> = runs.by_cluster.values().map(|state| row(state, now)).collect();
        show::json(&json!({"runs": rows, "leftAlone": left_alone}))?;
        return Ok(());
    }
    print_runs(runs);
    if !left_alone.is_empty() {
        println!("\n{}", left_alone::table(&left_alone));
    }
    Ok(())
}

fn print_runs(runs: &Runs) {
    if runs.by_cluster.is_empty() {
        println!("no runs");
    } else {
        let mut table = show::table(&["cluster", "from", "to", "hops", "steps", "duration", "outcome"]);
        for (label, state) in runs.labelled() {
            table.add_row([
                label,
                state.opened.from.to_string(),
                state.opened.target.to_string(),
                state.upgrades().to_string(),
                show::steps(state),
                show::duration(seconds_between(state.opened_at, state.updated_at)),
                show::outcome(state),
            ]);
        }
        println!("{table}");
    }
    for (label, state) in runs.labelled() {
        let cluster = console::style(&label).bold();
        if let Some(
            Ending::Halted { code, message, next_action }
            | Ending::RolledBack { code, message, next_action, .. },
        ) = &state.ended
        {
            println!("\n{cluster} {code}: {message}\n  → {next_action}");
        }
        let findings = state.plan.iter().flat_map(|plan| &plan.findings);
        for finding in findings.filter(|finding| finding.level > Level::Pass) {
            let Finding { subject, message, next_action, .. } = finding;
            println!("\n{cluster} {subject}: {message}\n  → {next_action}");
        }
    }
}

fn row(state: &RunState, now: Timestamp) -> serde_json::Value {
    let opened = &state.opened;
    let (done, all) = state.steps_done();
    json!({
        "cluster": opened.cluster.name, "arn": opened.cluster, "run": state.run, "from": opened.from, "target": opened.target,
        "campaign": opened.campaign, "reason": opened.reason,
        "steps": all, "stepsDone": done, "hops": state.upgrades(),
        "findings": state.plan.as_ref().map(|plan| &plan.findings),
        "openedAt": state.opened_at, "updatedAt": state.updated_at,
        "durationSeconds": seconds_between(state.opened_at, state.updated_at),
        "vitals": state.vitals.as_ref().map(|(vitals, at)| json!({"seenAt": at, "vitals": vitals})),
        "rollBack": opened.roll_back, "waitsFor": waiting(state, now), "ending": state.ended,
    })
}
