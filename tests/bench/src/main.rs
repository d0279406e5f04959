//! Prints how the wait rule does next to those of other tools and what whole upgrades cost, and fails if a budget is missed.

use std::error::Error;
use std::process::ExitCode;

use clap::Parser;
use eks_upgrade_bench::durations::Steps;
use eks_upgrade_bench::report::Report;
use eks_upgrade_bench::simulated::{Simulated, campaign};
use eks_upgrade_bench::{budgets, print, simulated};

/// A campaign of ten thousand clusters allocates a few billion times.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// How long after the end of an EKS update it is known, and what that costs: by our wait rule and by those of eksctl, the
/// AWS CLI, Terraform and eksupgrade. Then, in the simulator, how long whole upgrades take next to what EKS needs for
/// them, and what they cost.
#[derive(Parser)]
#[command(version, after_help = "Ends with 1 if a budget is missed. The same seed prints the same.")]
struct Arguments {
    /// Where the random numbers begin.
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// How many clusters the campaigns are of.
    #[arg(long, default_value_t = campaign::CLUSTERS)]
    clusters: usize,
    /// JSON instead of tables.
    #[arg(long)]
    json: bool,
}

fn main() -> Result<ExitCode, Box<dyn Error>> {
    let arguments = Arguments::parse();
    let report = Report::measure(arguments.seed, &Steps::new()?).ok_or("nothing was measured")?;
    let simulated = Simulated::measure(arguments.seed, arguments.clusters)?;
    let mut missed = budgets::missed(&report);
    missed.extend(simulated::budgets::missed(&simulated));
    if arguments.json {
        println!("{:#}", serde_json::json!({ "report": report, "simulated": simulated, "missed": missed }));
    } else {
        println!("{}", print::markdown(&report));
        println!("{}", simulated::print::markdown(&simulated));
    }
    eprint!("{}", print::lines(&missed));
    Ok(if missed.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}
