//! What a campaign does next.

use std::collections::BTreeSet;

use jiff::Timestamp;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::beyond::Elsewhere;
use super::event::{CampaignEvent, Member};
use super::state::{CampaignState, Over};
use crate::arn::ClusterArn;
use crate::command;
use crate::control::Controls;
use crate::door::UpgradeRequest;
use crate::hold::{Hold, switched_off};
use crate::ids::ApprovalId;
use crate::ledger::{Harm, Standing};
use crate::policy::{ApprovalRule, Before};
use crate::waits::{self, later, seconds_between};

/// What a wait of a campaign is for: each is a state of its state machine, `WaitFor` and this name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum CampaignWait {
    /// The time after a wave in which no other begins.
    Soak,
    /// The kill switch to be lifted.
    KillSwitch,
    /// Upgrades of the wave that another execution of the campaign started.
    Upgrades,
    /// An earlier ring that another campaign has clusters of left.
    EarlierRing,
}

/// What to do now.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", rename_all_fields = "camelCase", tag = "next")]
pub enum CampaignDecision {
    /// Upgrade these clusters.
    Wave {
        /// Their ring's name.
        ring: String,
        /// The wave's number in the ring, from 0.
        wave: usize,
        /// One upgrade each.
        requests: Vec<UpgradeRequest>,
        /// How many at once.
        clusters_at_once: u8,
        /// In words.
        text: String,
    },
    /// Look again after a while.
    Wait {
        /// What for.
        wait_for: CampaignWait,
        /// How long, in seconds.
        seconds: u32,
        /// In words.
        text: String,
    },
    /// Ask people, and wait for their answer, or look again after a while.
    Ask {
        /// The question.
        approval: ApprovalId,
        /// Before what, in words.
        before: String,
        /// When it counts as a no.
        expires_at: Timestamp,
        /// The same in seconds from now, with a minute on top: by then it has been looked at again.
        expires_s: u32,
        /// How long to wait before looking again, in seconds.
        seconds: u32,
        /// In words.
        text: String,
    },
    /// Start nothing further; a person is wanted.
    Stop {
        /// Why, as a name.
        code: String,
        /// Why, in words.
        message: String,
        /// The next safe thing to do.
        next_action: String,
    },
    /// Every cluster was seen to.
    Complete {
        /// Upgraded.
        completed: usize,
        /// Harmed, within what the rule tolerates.
        failed: usize,
        /// Not touched.
        untouched: usize,
    },
}

/// How often an open question is looked at again, in seconds, should the word of its answer be lost.
const QUESTION_PAUSE_S: u32 = 3600;
/// The longest single sleep, in seconds: Step Functions waits for a year at most.
const SLEEP_S_MAX: u32 = 300 * 24 * 3600;

/// After how long the clusters that could not be looked at after a soak are tried again, in seconds.
const LOOK_PAUSE_S: u32 = 30;

/// How often another campaign's earlier ring is looked at again, in seconds: soaks are longer.
const EARLIER_RING_PAUSE_S: u32 = 600;

/// What to do about the campaign now, given its record, what people said, which clusters of the open wave have a
/// running upgrade, and how the other campaigns stand.
#[must_use]
pub fn next(
    state: &CampaignState,
    controls: &Controls,
    running: &BTreeSet<ClusterArn>,
    elsewhere: &Elsewhere,
    now: Timestamp,
) -> CampaignDecision {
    if let Some(over) = &state.over {
        return of_over(state, over);
    }
    if state.open_wave().is_some() {
        return go_on(state, controls, running, now);
    }
    if let Some(ring) = state.failure() {
        return stop_for(state, ring);
    }
    if let Some((wave, until)) = state.soaking() {
        let which = format!("wave {} of ring {}", wave.number + 1, state.ring_name(wave.ring));
        let (seconds, text) = if now < until {
            (seconds_between(now, until).clamp(1, SLEEP_S_MAX), format!("{which} soaks"))
        } else {
            let left = state.unlooked().count();
            (LOOK_PAUSE_S, format!("{which} has soaked; {left} of its clusters are to be looked at again"))
        };
        return CampaignDecision::Wait { wait_for: CampaignWait::Soak, seconds, text };
    }
    let Some(ring) = state.current_ring() else { return complete(state) };
    if let Some(wait) = held(controls, now) {
        return wait;
    }
    let mut members: Vec<&Member> = state.pending().filter(|member| member.ring == ring).collect();
    if let Some(hold) = held_elsewhere(state, ring, elsewhere) {
        // A run that was interrupted is gone on with all the same: its cluster is safer at the end than midway.
        members.retain(|member| member.resume.is_some());
        if members.is_empty() {
            return hold;
        }
    } else if let Some(question) = unapproved(state, ring, now) {
        return question;
    }
    members.truncate(state.wave_size(ring));
    wave(state, ring, state.next_number(ring), &members)
}

/// The event that a decision is recorded as, if it says anything new.
#[must_use]
pub fn said_of(state: &CampaignState, decision: &CampaignDecision) -> Option<CampaignEvent> {
    if state.over.is_some() {
        return None;
    }
    match decision.clone() {
        CampaignDecision::Wave { wave, requests, .. } if state.open_wave().is_none() => {
            let members = requests.iter().filter_map(|request| request.cluster.parse().ok()).collect();
            Some(CampaignEvent::WaveStarted { ring: state.current_ring()?, wave, members })
        }
        CampaignDecision::Ask { approval, before, expires_at, .. } => (!state
            .approvals
            .contains_key(&approval))
        .then_some(CampaignEvent::ApprovalAsked { approval, before, expires_at }),
        CampaignDecision::Wait { wait_for: CampaignWait::KillSwitch, text, .. } => {
            (!state.paused).then_some(CampaignEvent::Paused { text })
        }
        CampaignDecision::Stop { code, message, next_action } => {
            Some(CampaignEvent::Stopped { code, message, next_action })
        }
        CampaignDecision::Complete { completed, failed, untouched } => {
            Some(CampaignEvent::Ended { completed, failed, untouched })
        }
        CampaignDecision::Wave { .. } | CampaignDecision::Wait { .. } => None,
    }
}

/// What the answers, and the time, mean for a campaign's record.
#[must_use]
pub fn settle(state: &CampaignState, controls: &Controls, now: Timestamp) -> Vec<CampaignEvent> {
    let open = state.approvals.iter().filter_map(|(id, standing)| match standing {
        Standing::Asked { before, expires_at } => Some((id.clone(), before.clone(), *expires_at)),
        _ => None,
    });
    open.filter_map(|(approval, before, expires_at)| {
        let asked = controls.approvals.iter().find(|asked| asked.id == approval);
        match asked.and_then(|asked| asked.answered.clone()) {
            Some(answered) => Some(CampaignEvent::ApprovalAnswered { approval, before, answered }),
            None if now >= expires_at => Some(CampaignEvent::ApprovalExpired { approval, before }),
            None => None,
        }
    })
    .collect()
}

fn of_over(state: &CampaignState, over: &Over) -> CampaignDecision {
    match over.clone() {
        Over::Stopped { code, message, next_action } => CampaignDecision::Stop { code, message, next_action },
        Over::Ended => complete(state),
    }
}

fn complete(state: &CampaignState) -> CampaignDecision {
    let all = state.tally_of_all();
    CampaignDecision::Complete { completed: all.completed, failed: all.failed, untouched: all.untouched }
}

/// A wave that an execution left open: what lies still is started, what runs is waited for.
fn go_on(
    state: &CampaignState,
    controls: &Controls,
    running: &BTreeSet<ClusterArn>,
    now: Timestamp,
) -> CampaignDecision {
    let still: Vec<&Member> =
        state.open_members().filter(|member| !running.contains(&member.cluster)).collect();
    let open = state.open_wave();
    let (ring, number) = open.map_or((0, 0), |wave| (wave.ring, wave.number));
    let stops = state.failure();
    if let (false, None) = (still.is_empty(), stops) {
        return held(controls, now).unwrap_or_else(|| wave(state, ring, number, &still));
    }
    if let Some(ring) = stops.filter(|_| running.is_empty()) {
        return stop_for(state, ring);
    }
    let since = open.map_or(now, |wave| wave.started_at);
    CampaignDecision::Wait {
        wait_for: CampaignWait::Upgrades,
        seconds: waits::UNKNOWN.pause_s(since, now),
        text: format!("{} upgrades of wave {} run on", running.len(), number + 1),
    }
}

fn wave(state: &CampaignState, ring: usize, number: usize, members: &[&Member]) -> CampaignDecision {
    let name = state.ring_name(ring).to_owned();
    CampaignDecision::Wave {
        text: format!("wave {} of ring {name}: {} clusters", number + 1, members.len()),
        ring: name,
        wave: number,
        requests: members.iter().map(|member| member.request(&state.campaign)).collect(),
        clusters_at_once: state.opened.clusters_at_once,
    }
}

fn held(controls: &Controls, now: Timestamp) -> Option<CampaignDecision> {
    match switched_off(controls, now)? {
        Hold::Until { seconds, text, .. } => {
            Some(CampaignDecision::Wait { wait_for: CampaignWait::KillSwitch, seconds, text })
        }
        Hold::Approval { .. } | Hold::Never { .. } | Hold::PlanAgain { .. } => None,
    }
}

/// What holds a ring that is not this campaign's own doing.
fn held_elsewhere(state: &CampaignState, ring: usize, elsewhere: &Elsewhere) -> Option<CampaignDecision> {
    if let Some((name, cluster, Harm { run, code, target })) = elsewhere.failed(state, ring) {
        return Some(CampaignDecision::Stop {
            code: "EarlierRingFailed".into(),
            message: format!(
                "ring {name} has failures that stand: run {run} of {} failed with {code}",
                cluster.name
            ),
            next_action: format!(
                "put it right and upgrade it by hand ({}): once its run completes, the next sweep goes on with the rest",
                command::start(&cluster.name, target)
            ),
        });
    }
    let unread =
        |unread| format!("campaign {unread}, whose record cannot be read: which rings it is at is not known");
    let text = elsewhere.unread.as_ref().map(unread).or_else(|| elsewhere.ahead(state, ring))?;
    let (wait_for, seconds) = (CampaignWait::EarlierRing, EARLIER_RING_PAUSE_S);
    Some(CampaignDecision::Wait { wait_for, seconds, text })
}

/// How many harmed clusters a message names.
const NAMED_MAX: usize = 5;

fn stop_for(state: &CampaignState, ring: usize) -> CampaignDecision {
    let name = state.ring_name(ring);
    let tally = state.tally(ring);
    let mut named: Vec<String> = state
        .failed_of(ring)
        .take(NAMED_MAX)
        .map(|(cluster, how)| format!("{} ({how})", cluster.name))
        .collect();
    if tally.failed > NAMED_MAX {
        named.push(format!("{} more", tally.failed - NAMED_MAX));
    }
    let left = state.pending().count();
    CampaignDecision::Stop {
        code: "RingFailed".into(),
        message: format!(
            "{} of {} clusters of ring {name} failed: {}; {left} clusters were not begun",
            tally.failed,
            tally.size,
            named.join(", ")
        ),
        next_action: "find out what failed there (eks-upgrade history RUN), put it right and upgrade those \
                      clusters by hand: once their runs complete, the next sweep goes on with the rest"
            .into(),
    }
}

/// The first yes that is wanted before the next wave of `ring` and not there: a question, or the end.
fn unapproved(state: &CampaignState, ring: usize, now: Timestamp) -> Option<CampaignDecision> {
    state.opened.approvals.iter().find_map(|rule| {
        let before = wanted_before(state, ring, rule)?;
        let id = ApprovalId::of(state.campaign.as_str(), &before);
        match state.approvals.get(&id) {
            Some(Standing::Approved { .. }) => None,
            Some(Standing::Rejected { by, reason }) => Some(CampaignDecision::Stop {
                code: "Rejected".into(),
                message: format!("{before}: rejected by {by}: {reason}"),
                next_action: "settle it with whoever said no; the next sweep asks again".into(),
            }),
            Some(Standing::Expired) => Some(CampaignDecision::Stop {
                code: "ApprovalExpired".into(),
                message: format!("{before}: nobody answered {id} in time"),
                next_action: "nothing, if that was meant; the next sweep asks again".into(),
            }),
            Some(Standing::Asked { expires_at, .. }) => Some(ask(id, before, *expires_at, now)),
            None => {
                let expires_s = u32::try_from(rule.expires.as_secs()).unwrap_or(u32::MAX);
                Some(ask(id, before, later(now, expires_s), now))
            }
        }
    })
}

fn ask(approval: ApprovalId, before: String, expires_at: Timestamp, now: Timestamp) -> CampaignDecision {
    let open_s = seconds_between(now, expires_at).max(1);
    CampaignDecision::Ask {
        text: format!("a yes to {before}: {}", command::approve(&approval)),
        approval,
        before,
        expires_at,
        expires_s: open_s.saturating_add(60),
        seconds: open_s.min(QUESTION_PAUSE_S),
    }
}

fn wanted_before(state: &CampaignState, ring: usize, rule: &ApprovalRule) -> Option<String> {
    let (name, campaign) = (state.ring_name(ring), &state.campaign);
    match rule.before {
        Before::Campaign => Some(format!("campaign {campaign}")),
        Before::Ring => {
            let named = rule.rings.is_empty() || rule.rings.iter().any(|ring| ring == name);
            named.then(|| format!("ring {name} of campaign {campaign}"))
        }
        Before::Run | Before::Step => None,
    }
}
