//! What the lines of a campaign add up to, and which event may follow which.

use std::collections::{BTreeMap, BTreeSet};

use jiff::{SignedDuration, Timestamp};

use super::event::{CampaignEntry, CampaignEvent, Member, Unwell};
use super::outcome::{ClusterEnd, Outcome};
use super::rule::Tally;
use crate::arn::ClusterArn;
use crate::control::{Answer, Answered};
use crate::ids::{ApprovalId, CampaignId, ExecutionArn};
use crate::ledger::{LedgerError, Sealed, Standing};
use crate::policy::{ApprovalRule, Ring};
use crate::screen::LeftAlone;

/// How a campaign was opened.
#[derive(Clone, Debug, PartialEq)]
pub struct Opened {
    /// The trigger, in words.
    pub reason: String,
    /// Its rings, in order.
    pub rings: Vec<Ring>,
    /// The approvals that are wanted.
    pub approvals: Vec<ApprovalRule>,
    /// How many upgrades of a wave run at once.
    pub clusters_at_once: u8,
}

/// A wave.
#[derive(Clone, Debug, PartialEq)]
pub struct Wave {
    /// The place of its ring.
    pub ring: usize,
    /// Its number in the ring, from 0.
    pub number: usize,
    /// Its clusters.
    pub members: Vec<ClusterArn>,
    /// When it began.
    pub started_at: Timestamp,
    /// When its last cluster was over.
    pub ended_at: Option<Timestamp>,
    /// Those of its clusters that were looked at after the soak, while others could not be: each with how it went bad,
    /// if it did.
    pub looked: BTreeMap<ClusterArn, Option<Unwell>>,
    /// Whether all of its clusters were looked at after the soak.
    pub soaked: bool,
}

/// How a campaign ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Over {
    /// It stopped, and wants a person.
    Stopped {
        /// Why, as a name.
        code: String,
        /// Why, in words.
        message: String,
        /// The next safe thing to do.
        next_action: String,
    },
    /// Every cluster was seen to.
    Ended,
}

/// What the record of a campaign adds up to.
#[derive(Clone, Debug, PartialEq)]
pub struct CampaignState {
    /// The campaign.
    pub campaign: CampaignId,
    /// The number of its last line.
    pub seq: u32,
    /// The hash of its last line.
    pub hash: String,
    /// How it was opened.
    pub opened: Opened,
    /// When.
    pub opened_at: Timestamp,
    /// When the last line was written.
    pub updated_at: Timestamp,
    /// Its clusters, each with what became of it once it is over.
    pub members: BTreeMap<ClusterArn, (Member, Option<Outcome>)>,
    /// The clusters that were looked at and not taken, by how they were named.
    pub left_alone: BTreeMap<String, LeftAlone>,
    /// The waves, in order. Only the last may be open.
    pub waves: Vec<Wave>,
    /// The questions to people.
    pub approvals: BTreeMap<ApprovalId, Standing>,
    /// The execution that drives it.
    pub driver: Option<ExecutionArn>,
    /// The number of that execution among those of this campaign; 0 before the first.
    pub generation: u32,
    /// Those that drove it before: none of them may again.
    pub superseded: BTreeSet<ExecutionArn>,
    /// Whether nothing was started since it last paused.
    pub paused: bool,
    /// How it ended, if it has.
    pub over: Option<Over>,
}

impl CampaignState {
    /// Reads a whole record: checks the chain, then adds it up. `None` for an empty one.
    pub fn read(lines: &[Sealed]) -> Result<Option<Self>, LedgerError> {
        let mut state: Option<Self> = None;
        for line in lines {
            state = Some(Self::extend(state, line)?);
        }
        Ok(state)
    }

    /// Adds one line to a state.
    pub fn extend(state: Option<Self>, line: &Sealed) -> Result<Self, LedgerError> {
        let (seq, hash) = state.as_ref().map_or((0, ""), |state| (state.seq, state.hash.as_str()));
        let entry: CampaignEntry = line.after(seq, hash)?;
        let mut state = match state {
            Some(mut state) => {
                state.apply(&entry)?;
                state
            }
            None => Self::open(&entry)?,
        };
        state.seq = entry.seq;
        state.hash.clone_from(&line.hash);
        state.updated_at = entry.at;
        Ok(state)
    }

    fn open(entry: &CampaignEntry) -> Result<Self, LedgerError> {
        let CampaignEvent::Opened { reason, rings, approvals, clusters_at_once } = &entry.event else {
            return Err(illegal(entry, "a campaign begins with opened"));
        };
        if rings.is_empty() {
            return Err(illegal(entry, "a campaign has a ring"));
        }
        Ok(Self {
            campaign: entry.campaign.clone(),
            seq: entry.seq,
            hash: String::new(),
            opened: Opened {
                reason: reason.clone(),
                rings: rings.clone(),
                approvals: approvals.clone(),
                clusters_at_once: *clusters_at_once,
            },
            opened_at: entry.at,
            updated_at: entry.at,
            members: BTreeMap::new(),
            left_alone: BTreeMap::new(),
            waves: Vec::new(),
            approvals: BTreeMap::new(),
            driver: None,
            generation: 0,
            superseded: BTreeSet::new(),
            paused: false,
            over: None,
        })
    }

    /// Takes one event in, or says why it may not follow. Total; changes nothing when it refuses.
    pub fn apply(&mut self, entry: &CampaignEntry) -> Result<(), LedgerError> {
        if self.over.is_some() {
            return Err(illegal(entry, "the campaign is over"));
        }
        match &entry.event {
            CampaignEvent::Opened { .. } => return Err(illegal(entry, "the campaign is open already")),
            CampaignEvent::Enrolled { members } => self.enrol(entry, members)?,
            CampaignEvent::LeftAlone { clusters, .. } => {
                self.left_alone.extend(clusters.iter().map(|left| (left.cluster.clone(), left.clone())));
            }
            CampaignEvent::TakenUp { execution, generation } => {
                self.take_up(entry, execution, *generation)?;
            }
            CampaignEvent::Paused { .. } => self.paused = true,
            CampaignEvent::ApprovalAsked { approval, before, expires_at } => {
                if self.approvals.contains_key(approval) {
                    return Err(illegal(entry, "it was asked before"));
                }
                let asked = Standing::Asked { before: before.clone(), expires_at: *expires_at };
                self.approvals.insert(approval.clone(), asked);
            }
            CampaignEvent::ApprovalAnswered { approval, answered, .. } => {
                self.close_question(entry, approval, answer(answered))?;
            }
            CampaignEvent::ApprovalExpired { approval, .. } => {
                self.close_question(entry, approval, Standing::Expired)?;
            }
            CampaignEvent::WaveStarted { ring, wave, members } => {
                self.start_wave(entry, *ring, *wave, members)?;
            }
            CampaignEvent::Counted { outcomes } => {
                self.check_outcomes(entry, outcomes)?;
                self.count(outcomes);
            }
            CampaignEvent::WaveEnded { ring, wave, outcomes } => {
                self.end_wave(entry, (*ring, *wave), outcomes)?;
            }
            CampaignEvent::Looked { well, unwell } => self.looked(entry, well, unwell)?,
            CampaignEvent::Soaked { failures } => self.soaked(entry, failures)?,
            CampaignEvent::Stopped { code, message, next_action } => {
                let (code, message, next_action) = (code.clone(), message.clone(), next_action.clone());
                self.over = Some(Over::Stopped { code, message, next_action });
            }
            CampaignEvent::Ended { .. } => {
                if self.current_ring().is_some() || !self.last_is_through() {
                    return Err(illegal(entry, "not every cluster was seen to"));
                }
                self.over = Some(Over::Ended);
            }
        }
        Ok(())
    }

    fn enrol(&mut self, entry: &CampaignEntry, members: &[Member]) -> Result<(), LedgerError> {
        let mut names = BTreeSet::new();
        for member in members {
            if member.ring >= self.opened.rings.len() {
                return Err(illegal(entry, "there is no such ring"));
            }
            if self.members.contains_key(&member.cluster) || !names.insert(&member.cluster) {
                return Err(illegal(entry, "a cluster is enrolled once"));
            }
        }
        self.members.extend(members.iter().map(|one| (one.cluster.clone(), (one.clone(), None))));
        Ok(())
    }

    fn take_up(&mut self, entry: &CampaignEntry, by: &ExecutionArn, number: u32) -> Result<(), LedgerError> {
        if self.driver.as_ref() == Some(by) || self.superseded.contains(by) {
            return Err(illegal(entry, "that execution drove it before"));
        }
        self.superseded.extend(self.driver.replace(by.clone()));
        self.generation = self.generation.max(number);
        Ok(())
    }

    fn close_question(
        &mut self,
        entry: &CampaignEntry,
        approval: &ApprovalId,
        standing: Standing,
    ) -> Result<(), LedgerError> {
        match self.approvals.get_mut(approval) {
            Some(open @ Standing::Asked { .. }) => *open = standing,
            _ => return Err(illegal(entry, "no such question is open")),
        }
        Ok(())
    }

    fn start_wave(
        &mut self,
        entry: &CampaignEntry,
        ring: usize,
        number: usize,
        members: &[ClusterArn],
    ) -> Result<(), LedgerError> {
        if !self.last_is_through() {
            return Err(illegal(entry, "the wave before is not through"));
        }
        if self.failure().is_some() {
            return Err(illegal(entry, "failures stop the campaign"));
        }
        if self.current_ring() != Some(ring) || number != self.waves_of(ring).count() {
            return Err(illegal(entry, "another wave is next"));
        }
        let distinct: BTreeSet<&ClusterArn> = members.iter().collect();
        if members.is_empty() || distinct.len() != members.len() || members.len() > self.wave_size(ring) {
            return Err(illegal(entry, "the wave is empty, or larger than it may be"));
        }
        let pending = |cluster: &ClusterArn| {
            self.members
                .get(cluster)
                .is_some_and(|(member, outcome)| member.ring == ring && outcome.is_none())
        };
        if !members.iter().all(pending) {
            return Err(illegal(entry, "a cluster is of another ring, or over"));
        }
        self.waves.push(Wave {
            ring,
            number,
            members: members.to_vec(),
            started_at: entry.at,
            ended_at: None,
            looked: BTreeMap::new(),
            soaked: false,
        });
        self.paused = false;
        Ok(())
    }

    fn check_outcomes(&self, entry: &CampaignEntry, outcomes: &[ClusterEnd]) -> Result<(), LedgerError> {
        let Some(wave) = self.open_wave() else { return Err(illegal(entry, "no wave is open")) };
        let mut names = BTreeSet::new();
        let open = |end: &ClusterEnd| {
            wave.members.contains(&end.cluster)
                && self.members.get(&end.cluster).is_some_and(|(_, outcome)| outcome.is_none())
        };
        if outcomes.iter().all(|end| open(end) && names.insert(&end.cluster)) {
            Ok(())
        } else {
            Err(illegal(entry, "a cluster is not of the wave, or was counted before"))
        }
    }

    fn count(&mut self, outcomes: &[ClusterEnd]) {
        for end in outcomes {
            if let Some((_, outcome)) = self.members.get_mut(&end.cluster) {
                *outcome = Some(end.outcome.clone());
            }
        }
    }

    fn end_wave(
        &mut self,
        entry: &CampaignEntry,
        which: (usize, usize),
        outcomes: &[ClusterEnd],
    ) -> Result<(), LedgerError> {
        self.check_outcomes(entry, outcomes)?;
        let left = self.open_members().count();
        if self.open_wave().is_none_or(|wave| (wave.ring, wave.number) != which) || left != outcomes.len() {
            return Err(illegal(entry, "another wave is open, or not all of it is over"));
        }
        self.count(outcomes);
        if let Some(wave) = self.waves.last_mut() {
            wave.ended_at = Some(entry.at);
        }
        Ok(())
    }

    fn looked(
        &mut self,
        entry: &CampaignEntry,
        well: &[ClusterArn],
        unwell: &[Unwell],
    ) -> Result<(), LedgerError> {
        let seen: BTreeMap<ClusterArn, Option<Unwell>> = well
            .iter()
            .map(|cluster| (cluster.clone(), None))
            .chain(unwell.iter().map(|one| (one.cluster.clone(), Some(one.clone()))))
            .collect();
        let left: BTreeSet<&ClusterArn> = self.unlooked().map(|(cluster, _)| cluster).collect();
        if seen.is_empty() {
            return Err(illegal(entry, "it looks at nothing"));
        }
        if seen.len() != well.len() + unwell.len() || !seen.keys().all(|cluster| left.contains(cluster)) {
            return Err(illegal(entry, "a cluster does not soak, or was looked at before"));
        }
        if let Some(wave) = self.waves.last_mut() {
            wave.looked.extend(seen);
        }
        Ok(())
    }

    fn soaked(&mut self, entry: &CampaignEntry, failures: &[Unwell]) -> Result<(), LedgerError> {
        let Some((wave, _)) = self.soaking() else { return Err(illegal(entry, "no wave soaks")) };
        let completed: BTreeSet<ClusterArn> = self.completed_of(wave).map(|(arn, _)| arn.clone()).collect();
        if !failures.iter().all(|one| completed.contains(&one.cluster)) {
            return Err(illegal(entry, "a cluster is not of the wave, or was not upgraded"));
        }
        if !wave.looked.values().flatten().all(|one| failures.contains(one)) {
            return Err(illegal(entry, "a cluster that was found to have gone bad is left out"));
        }
        for one in failures {
            if let Some((_, Some(outcome))) = self.members.get_mut(&one.cluster) {
                let run = match outcome {
                    Outcome::Completed { run, .. } => run.take(),
                    Outcome::Failed { .. } | Outcome::Untouched { .. } => None,
                };
                *outcome = Outcome::Failed { run, code: one.code.clone() };
            }
        }
        if let Some(wave) = self.waves.last_mut() {
            wave.soaked = true;
        }
        Ok(())
    }

    /// The wave that was started and has not ended.
    #[must_use]
    pub fn open_wave(&self) -> Option<&Wave> {
        self.waves.last().filter(|wave| wave.ended_at.is_none())
    }

    /// The clusters of the open wave that are not over.
    pub fn open_members(&self) -> impl Iterator<Item = &Member> {
        let members = self.open_wave().into_iter().flat_map(|wave| &wave.members);
        members.filter_map(|cluster| match self.members.get(cluster) {
            Some((member, None)) => Some(member),
            _ => None,
        })
    }

    /// The clusters of a wave that were upgraded, each with its outcome.
    pub fn completed_of<'a>(&'a self, wave: &'a Wave) -> impl Iterator<Item = (&'a ClusterArn, &'a Outcome)> {
        wave.members.iter().filter_map(|cluster| match self.members.get(cluster) {
            Some((_, Some(outcome @ Outcome::Completed { .. }))) => Some((cluster, outcome)),
            _ => None,
        })
    }

    /// The wave that soaks, and until when. One that upgraded nothing has nothing to soak.
    #[must_use]
    pub fn soaking(&self) -> Option<(&Wave, Timestamp)> {
        let wave = self.waves.last().filter(|wave| !wave.soaked)?;
        let ended_at = wave.ended_at?;
        self.completed_of(wave).next()?;
        let soak = self.opened.rings.get(wave.ring).map_or(SignedDuration::ZERO, |ring| ring.soak);
        Some((wave, ended_at.checked_add(soak).unwrap_or(Timestamp::MAX)))
    }

    /// The clusters of the wave that soaks which were not looked at again yet, each with its outcome.
    pub fn unlooked(&self) -> impl Iterator<Item = (&ClusterArn, &Outcome)> {
        self.soaking().into_iter().flat_map(|(wave, _)| {
            self.completed_of(wave).filter(|(cluster, _)| !wave.looked.contains_key(*cluster))
        })
    }

    /// Whether no wave is open or soaks.
    #[must_use]
    pub fn last_is_through(&self) -> bool {
        self.open_wave().is_none() && self.soaking().is_none()
    }

    /// The clusters that no wave has had yet, or whose wave has not ended.
    pub fn pending(&self) -> impl Iterator<Item = &Member> {
        self.members.values().filter(|(_, outcome)| outcome.is_none()).map(|(member, _)| member)
    }

    /// The first ring that has clusters left.
    #[must_use]
    pub fn current_ring(&self) -> Option<usize> {
        self.pending().map(|member| member.ring).min()
    }

    fn waves_of(&self, ring: usize) -> impl Iterator<Item = &Wave> {
        self.waves.iter().filter(move |wave| wave.ring == ring)
    }

    /// The number of the next wave of a ring.
    #[must_use]
    pub fn next_number(&self, ring: usize) -> usize {
        self.waves_of(ring).count()
    }

    /// How many clusters the next wave of a ring may take. It grows with the waves that brought a cluster through:
    /// one whose clusters were all turned away has shown nothing.
    #[must_use]
    pub fn wave_size(&self, ring: usize) -> usize {
        let shown = self.waves_of(ring).filter(|wave| self.completed_of(wave).next().is_some()).count();
        self.opened.rings.get(ring).map_or(1, |ring| ring.waves.size(shown))
    }

    /// How a ring fares.
    #[must_use]
    pub fn tally(&self, ring: usize) -> Tally {
        tally(
            self.members
                .values()
                .filter(|(member, _)| member.ring == ring)
                .map(|(_, outcome)| outcome.as_ref()),
        )
    }

    /// How all of it fares.
    #[must_use]
    pub fn tally_of_all(&self) -> Tally {
        tally(self.members.values().map(|(_, outcome)| outcome.as_ref()))
    }

    /// The ring whose failures stop the campaign, if one's do: too many of it, or all that a wave touched.
    #[must_use]
    pub fn failure(&self) -> Option<usize> {
        let rings = (0..self.opened.rings.len()).find(|ring| self.tally(*ring).stops());
        let of = |cluster: &ClusterArn| self.members.get(cluster).and_then(|(_, outcome)| outcome.as_ref());
        rings.or_else(|| {
            let wave = self.waves.last().filter(|wave| wave.ended_at.is_some())?;
            tally(wave.members.iter().map(of)).none_came_through().then_some(wave.ring)
        })
    }

    /// The clusters of a ring that were harmed, each with its run and code.
    pub fn failed_of(&self, ring: usize) -> impl Iterator<Item = (&ClusterArn, String)> {
        self.members.iter().filter(move |(_, (member, _))| member.ring == ring).filter_map(
            |(cluster, (_, outcome))| match outcome {
                Some(Outcome::Failed { run: Some(run), code }) => {
                    Some((cluster, format!("{code} in run {run}")))
                }
                Some(Outcome::Failed { run: None, code }) => Some((cluster, code.clone())),
                _ => None,
            },
        )
    }

    /// What a ring is called.
    #[must_use]
    pub fn ring_name(&self, ring: usize) -> &str {
        self.opened.rings.get(ring).map_or(crate::policy::REST, |ring| ring.name.as_str())
    }
}

fn tally<'a>(outcomes: impl Iterator<Item = Option<&'a Outcome>>) -> Tally {
    outcomes.fold(Tally::default(), |mut tally, outcome| {
        tally.size += 1;
        match outcome {
            None => {}
            Some(Outcome::Completed { .. }) => tally.completed += 1,
            Some(Outcome::Failed { .. }) => tally.failed += 1,
            Some(Outcome::Untouched { .. }) => tally.untouched += 1,
        }
        tally
    })
}

fn answer(answered: &Answered) -> Standing {
    let by = answered.by.clone();
    match answered.answer {
        Answer::Approve => Standing::Approved { by },
        Answer::Reject => Standing::Rejected { by, reason: answered.reason.clone() },
    }
}

fn illegal(entry: &CampaignEntry, why: &str) -> LedgerError {
    let event = serde_json::to_value(&entry.event).ok();
    let name = event.as_ref().and_then(|event| event.get("event")).and_then(serde_json::Value::as_str);
    LedgerError::Illegal { seq: entry.seq, event: name.unwrap_or("event").to_owned(), why: why.to_owned() }
}
