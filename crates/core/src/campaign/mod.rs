//! A campaign: what one notice or sweep asks for, ring by ring and wave by wave.
//!
//! Its record is a chain of sealed lines, as a run's is: [`CampaignEntry`] is one line, [`CampaignState`] is what the
//! lines add up to, and [`CampaignState::apply`] is the one place that says which event may follow which. [`next`]
//! decides from the record what to do; [`outcome`] tells what became of a cluster, [`rule`] when failures stop, and
//! [`beyond`] which failures stand after the campaign is over.
//!
//! # What ten thousand clusters ask of EKS
//!
//! EKS counts calls an account and Region, and a campaign's calls are those of the upgrades that run, plus one
//! `DescribeCluster` a cluster when intake judges it, and one when its wave has soaked. By `waits`, one hop of a
//! cluster with three node groups of three nodes and four add-ons takes about two hours and 200 reads: 17 to plan
//! it, 12 looks at its control plane (quiet for 480 s, then every fortieth of the time elapsed), 8 at each add-on, 15
//! at each node group, 12 at its bake of an hour with 6 reads each, and some 20 in the moments of acting and
//! verifying. That is one read in 36 seconds.
//!
//! `clustersAtOnce` bounds the upgrades that run, and so the rate, whatever the size of the fleet: the usual 10 make
//! 0.3 reads a second, and the most, 40, make 1.1. Ten thousand clusters at 40 a time take 250 rounds of two hours: three
//! weeks, and a soak an hour after each of 50 waves of 200. Their two million reads are spread over that time; only
//! intake reads in a burst, six at a time and one a cluster.

pub mod beyond;
mod event;
mod next;
pub mod outcome;
pub mod rule;
mod soak;
mod state;

pub use event::{CampaignEntry, CampaignEvent, LISTED_MAX, Member, Unwell};
pub use next::{CampaignDecision, CampaignWait, next, said_of, settle};
pub use outcome::{ClusterEnd, Heard, Outcome};
pub use soak::{Look, looked, unwell};
pub use state::{CampaignState, Opened, Over, Wave};
