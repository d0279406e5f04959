//! `simulate`: tells stories by the thousand, says what the judge objects to, and what was never tried.

use std::collections::BTreeMap;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use clap::Parser;
use eks_upgrade_judge::What;
use eks_upgrade_simulation::coverage::Coverage;
use eks_upgrade_simulation::lie::Lie;
use eks_upgrade_simulation::run::{Outcome, run};
use eks_upgrade_simulation::story::Story;
use eks_upgrade_simulation::trace::Happened;
use indicatif::{ProgressBar, ProgressStyle};
use serde_json::{Value, json};

/// A fifth of the time of a simulation goes into memory.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// Whole upgrades in simulation: random clusters, policies, people and faults, and a judge who knows the rules.
///
/// Exits with 1 when a rule was broken, or when something that should have been tried never was.
#[derive(Parser)]
#[command(version)]
struct Arguments {
    /// How many seeds.
    #[arg(long, default_value_t = 20_000)]
    seeds: u64,
    /// The first of them.
    #[arg(long, default_value_t = 0)]
    from: u64,
    /// Replays one seed: its story, its whole trace, the hash of that, and what the judge says.
    #[arg(long)]
    seed: Option<u64>,
    /// Tells the story in this file (JSON: fleet, policy, events), without chance, and prints what every execution went
    /// through and what EKS was called for, as JSON.
    #[arg(long, value_name = "FILE", conflicts_with = "seed")]
    tell: Option<PathBuf>,
    /// Tells the product a lie at its doors, which the judge has to object to.
    #[arg(long)]
    lie: Option<Lie>,
    /// Tells every lie in turn, until the judge objects: shows that each rule is tried.
    #[arg(long, conflicts_with_all = ["seed", "lie"])]
    lies: bool,
    /// In how many of a million simulations each failure has to strike.
    #[arg(long, default_value_t = 1_000)]
    least: u64,
    /// Threads; each has simulations of its own.
    #[arg(long, default_value_t = std::thread::available_parallelism().map_or(1, std::num::NonZero::get))]
    threads: usize,
    /// For machines.
    #[arg(long)]
    json: bool,
}

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    if let Some(file) = &arguments.tell {
        return match tell_file(file) {
            Ok(told) => {
                println!("{told}");
                ExitCode::SUCCESS
            }
            Err(why) => {
                eprintln!("error: {}: {why}", file.display());
                ExitCode::from(2)
            }
        };
    }
    // A panic is an objection like any other, told with its seed.
    if arguments.seed.is_none() {
        std::panic::set_hook(Box::new(|_| ()));
    }
    let well = match arguments.seed {
        Some(seed) => replay(seed, arguments.lie),
        None if arguments.lies => lies(&arguments),
        None => simulate(&arguments),
    };
    if well { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

/// What the executions of a written story went through, and the calls that changed something, in order.
fn tell_file(file: &Path) -> anyhow::Result<Value> {
    let story: Story = serde_json::from_slice(&std::fs::read(file)?)?;
    let outcome = run(&story, None);
    let mut executions: BTreeMap<String, Vec<String>> = BTreeMap::new();
    let mut calls = Vec::new();
    for (_, happened) in outcome.trace.all() {
        match happened {
            Happened::Entered { execution, state } => executions.entry(execution).or_default().push(state),
            Happened::Told(What::Request { record, .. }) if record["mutated"] == true => calls.push(record),
            _ => {}
        }
    }
    Ok(json!({"executions": executions, "calls": calls, "objections": outcome.objections}))
}

fn replay(seed: u64, lie: Option<Lie>) -> bool {
    let story = Story::of(seed);
    println!("{}", serde_json::to_string_pretty(&story).unwrap_or_default());
    let outcome = run(&story, lie);
    print!("{}", outcome.trace.readable());
    for objection in &outcome.objections {
        println!("✗ {}", serde_json::to_string(objection).unwrap_or_default());
    }
    println!("trace {} of {} days", outcome.trace.hash(), outcome.virtual_s / 86_400);
    outcome.objections.is_empty()
}

/// What many simulations came to.
#[derive(Default)]
struct Tally {
    coverage: Coverage,
    virtual_s: i64,
    happened: u64,
    wrong: Vec<(u64, String)>,
    slowest: (Duration, u64),
}

impl Tally {
    fn take(&mut self, story: &Story, outcome: &Outcome, took: Duration) {
        self.coverage.add(outcome.trace.read(|happened| Coverage::of(story, happened)));
        self.virtual_s += outcome.virtual_s;
        self.happened += u64::try_from(outcome.trace.len()).unwrap_or(u64::MAX);
        self.slowest = self.slowest.max((took, story.seed));
        if let Some(objection) = outcome.objections.first() {
            self.wrong.push((story.seed, format!("{:?}: {}", objection.rule, objection.text)));
        }
    }

    fn add(&mut self, other: Self) {
        self.coverage.add(other.coverage);
        self.virtual_s += other.virtual_s;
        self.happened += other.happened;
        self.wrong.extend(other.wrong);
        self.slowest = self.slowest.max(other.slowest);
    }
}

fn simulate(arguments: &Arguments) -> bool {
    let begun = Instant::now();
    let mut tally = tell(arguments);
    tally.wrong.sort();
    let missing = match arguments.lie {
        None => tally.coverage.missing(arguments.seeds, arguments.least),
        Some(_) => Vec::new(),
    };
    let report = json!({
        "seeds": arguments.seeds,
        "from": arguments.from,
        "seconds": begun.elapsed().as_secs_f64(),
        "virtualDays": tally.virtual_s / 86_400,
        "happenings": tally.happened,
        "objections": tally.wrong,
        "missing": missing,
        "failures": tally.coverage.rows,
        "decisions": tally.coverage.decisions,
        "lines": tally.coverage.lines,
        "states": tally.coverage.states,
        "slowest": {"seed": tally.slowest.1, "seconds": tally.slowest.0.as_secs_f64()},
    });
    if arguments.json {
        println!("{report}");
    } else {
        print(&report, &tally, &missing);
    }
    tally.wrong.is_empty() && missing.is_empty()
}

fn print(report: &Value, tally: &Tally, missing: &[String]) {
    for (seed, text) in tally.wrong.iter().take(20) {
        println!("✗ seed {seed}  {text}");
    }
    if tally.wrong.len() > 20 {
        println!("  and {} more", tally.wrong.len() - 20);
    }
    for text in missing {
        println!("✗ {text}");
    }
    println!(
        "{} simulations in {:.0} s: {} years of virtual time, {} things happened, {} with objections",
        report["seeds"],
        report["seconds"].as_f64().unwrap_or_default(),
        tally.virtual_s / 86_400 / 365,
        tally.happened,
        tally.wrong.len(),
    );
    let coverage = &tally.coverage;
    let rarest = coverage.rows.iter().min_by_key(|(_, count)| **count);
    println!(
        "tried: {} failures of the matrix{}, {} decisions, {} kinds of ledger lines, {} states",
        coverage.rows.len(),
        rarest.map_or(String::new(), |(row, count)| format!(" (the rarest, {row}, {count} times)")),
        coverage.decisions.len(),
        coverage.lines.len(),
        coverage.states.len(),
    );
    println!("replay one with --seed N; the slowest, {}, took {:.1?}", tally.slowest.1, tally.slowest.0);
}

/// Tells all stories, on all threads.
fn tell(arguments: &Arguments) -> Tally {
    let next = AtomicU64::new(arguments.from);
    let end = arguments.from + arguments.seeds;
    let all = Mutex::new(Tally::default());
    let bar = progress(arguments);
    std::thread::scope(|scope| {
        for _ in 0..arguments.threads.max(1) {
            scope.spawn(|| {
                let mut tally = Tally::default();
                loop {
                    let seed = next.fetch_add(1, Ordering::Relaxed);
                    if seed >= end {
                        break;
                    }
                    one(seed, arguments.lie, &mut tally);
                    bar.inc(1);
                }
                if let Ok(mut all) = all.lock() {
                    all.add(tally);
                }
            });
        }
    });
    bar.finish_and_clear();
    all.into_inner().unwrap_or_default()
}

fn one(seed: u64, lie: Option<Lie>, tally: &mut Tally) {
    let begun = Instant::now();
    let told = catch_unwind(AssertUnwindSafe(|| {
        let story = Story::of(seed);
        let outcome = run(&story, lie);
        (story, outcome)
    }));
    match told {
        Ok((story, outcome)) => tally.take(&story, &outcome, begun.elapsed()),
        Err(panic) => {
            let text = panic.downcast_ref::<String>().cloned();
            let text = text.or_else(|| panic.downcast_ref::<&str>().map(|text| (*text).to_owned()));
            tally.wrong.push((seed, format!("panicked: {}", text.unwrap_or_default())));
        }
    }
}

fn progress(arguments: &Arguments) -> ProgressBar {
    if arguments.json {
        return ProgressBar::hidden();
    }
    let style = "{bar:40} {pos}/{len} simulations, {per_sec}, {eta} left";
    let style = ProgressStyle::with_template(style).unwrap_or_else(|_| ProgressStyle::default_bar());
    ProgressBar::new(arguments.seeds).with_style(style)
}

/// In so many simulations a lie has to be found.
const LIE_SEEDS_MAX: u64 = 2_000;

/// Tells every lie until the judge objects to what it breaks.
fn lies(arguments: &Arguments) -> bool {
    let mut all_found = true;
    for lie in Lie::ALL {
        let found = (arguments.from..arguments.from + arguments.seeds.min(LIE_SEEDS_MAX)).find_map(|seed| {
            let outcome = catch_unwind(|| run(&Story::of(seed), Some(lie))).ok()?;
            let broken =
                outcome.objections.iter().find(|objection| lie.breaks().contains(&objection.rule))?;
            Some((seed, format!("{:?}: {}", broken.rule, broken.text)))
        });
        all_found &= found.is_some();
        match found {
            Some((seed, text)) => println!("✓ {lie:?}: seed {seed}  {text}"),
            None => println!(
                "✗ {lie:?}: in {} simulations the judge did not object",
                arguments.seeds.min(LIE_SEEDS_MAX)
            ),
        }
    }
    all_found
}
