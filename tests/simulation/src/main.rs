//! `simulate`: tells stories, and says what the judge objects to.

use std::time::Instant;

use clap::Parser;
use eks_upgrade_simulation::lie::Lie;
use eks_upgrade_simulation::run::run;
use eks_upgrade_simulation::story::Story;

/// Upgrades in simulation: random clusters, policies, people and faults, and a judge.
#[derive(Parser)]
struct Arguments {
    /// How many seeds.
    #[arg(long, default_value_t = 1_000)]
    seeds: u64,
    /// The first of them.
    #[arg(long, default_value_t = 0)]
    from: u64,
    /// One seed alone, with its full trace.
    #[arg(long)]
    seed: Option<u64>,
    /// A lie told to the product, which the judge has to find.
    #[arg(long)]
    lie: Option<Lie>,
}

fn main() {
    let arguments = Arguments::parse();
    if let Some(seed) = arguments.seed {
        let story = Story::of(seed);
        println!("{}", serde_json::to_string_pretty(&story).unwrap_or_default());
        let outcome = run(&story, arguments.lie);
        print!("{}", outcome.trace.readable());
        println!("trace {}", outcome.trace.hash());
        for objection in &outcome.objections {
            println!("{:?}: {}", objection.rule, objection.text);
        }
        return;
    }
    let begun = Instant::now();
    let (mut virtual_s, mut wrong) = (0, 0);
    for seed in arguments.from..arguments.from + arguments.seeds {
        let outcome = run(&Story::of(seed), arguments.lie);
        virtual_s += outcome.virtual_s;
        if !outcome.objections.is_empty() {
            wrong += 1;
            if wrong <= 20 {
                println!("seed {seed}: {:?}", outcome.objections[0]);
            }
        }
    }
    let took = begun.elapsed();
    println!("{} seeds, {wrong} with objections, {} days of virtual time, {took:.1?}", arguments.seeds, virtual_s / 86_400);
}
