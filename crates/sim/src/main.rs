//! `eks-upgrade-sim`: serves a simulated EKS, AWS Health and STS on the loopback interface.

use std::net::Ipv4Addr;
use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::Context;
use clap::Parser;
use eks_upgrade_clock::Clock;
use eks_upgrade_sim::fleet::Fleet;
use eks_upgrade_sim::server::{Listeners, Simulator, serve};
use eks_upgrade_sim::tls::SecureListener;
use tokio::net::TcpListener;
use tokio::signal::unix::{SignalKind, signal};

/// A simulator of Amazon EKS, AWS Health and STS: point `AWS_ENDPOINT_URL_EKS`, `AWS_ENDPOINT_URL_HEALTH` and
/// `AWS_ENDPOINT_URL_STS` at it.
#[derive(Parser)]
#[command(version, after_help = "Fleet files are documented in docs/simulator.md.")]
struct Arguments {
    /// The fleet file (YAML): what the simulated accounts hold
    #[arg(long)]
    fleet: PathBuf,
    /// Port on 127.0.0.1; 0 takes a free one
    #[arg(long, default_value_t = 0)]
    port: u16,
    /// Port on 127.0.0.1 of the Kubernetes API of clusters that have one; 0 takes a free one
    #[arg(long)]
    kube_port: Option<u16>,
    /// Append every request to this file, a line of JSON each
    #[arg(long)]
    log: Option<PathBuf>,
    /// Virtual seconds in a real one, 0.001 to 10000; `EKS_UPGRADE_CLOCK`, if set, decides instead
    #[arg(long, default_value_t = 1.0)]
    speed: f64,
}

fn clock(fleet: &Fleet, speed: f64) -> anyhow::Result<Clock> {
    let shared = std::env::var(eks_upgrade_clock::ENV).is_ok_and(|text| !text.trim().is_empty());
    if shared { Ok(Clock::from_env()?) } else { Ok(Clock::starting_at(fleet.start, speed)?) }
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    match run(Arguments::parse()).await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            // One line for the person at the terminal; a backtrace would bury it.
            eprintln!("eks-upgrade-sim: {error:#}");
            ExitCode::FAILURE
        }
    }
}

async fn run(arguments: Arguments) -> anyhow::Result<()> {
    let place = arguments.fleet.display();
    let text =
        std::fs::read_to_string(&arguments.fleet).with_context(|| format!("{place} cannot be read"))?;
    let fleet = Fleet::parse(&text).with_context(|| format!("{place} is not a fleet"))?;
    let clock = clock(&fleet, arguments.speed)?;
    let inside = fleet.clusters.iter().any(|cluster| cluster.kubernetes.is_some());
    // Asked for by its port, it is there for clusters that come later.
    let port = arguments.kube_port.or_else(|| inside.then_some(0));
    let kubernetes = match port {
        Some(port) => Some(SecureListener::bind(port).await?),
        None => None,
    };
    let simulator = Simulator::new(fleet, clock, arguments.log.as_deref())?;
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, arguments.port))
        .await
        .with_context(|| format!("port {} of 127.0.0.1 is not free", arguments.port))?;
    let mut terminated = signal(SignalKind::terminate())?;
    let stop = async move {
        tokio::select! {
            _ = tokio::signal::ctrl_c() => {}
            _ = terminated.recv() => {}
        }
    };
    println!("listening on http://{}", listener.local_addr()?);
    if let Some(listener) = &kubernetes {
        println!("kubernetes on {}", listener.endpoint().url);
    }
    serve(simulator, Listeners { aws: listener, kubernetes }, stop).await
}
