//! Reading news off the lines of a campaign.

use super::campaign_detail::{
    CampaignAbout, CampaignApprovalWanted, CampaignDetail, CampaignLeftAlone, CampaignOpened, CampaignPaused,
    CampaignStopped, CampaignWhat, Counts, RingSize, UnwellCluster, WaveEnded, WaveRef, WaveSoaked,
    WaveStarted,
};
use super::detail::Question;
use super::{Detail, News, NewsKind};
use crate::campaign::outcome::Outcome;
use crate::campaign::rule::Tally;
use crate::campaign::{CampaignEntry, CampaignEvent, CampaignState, Unwell, Wave};
use crate::command;
use crate::contract::Notification;
use crate::ledger::{LedgerError, Sealed};
use crate::report;
use crate::screen::LeftAlone;

/// Takes the lines of one campaign, in order, and makes news of them.
#[derive(Debug, Default)]
pub struct CampaignTeller {
    state: Option<CampaignState>,
}

impl CampaignTeller {
    /// Takes the next line.
    pub fn take(&mut self, line: &Sealed) -> Result<Option<News>, LedgerError> {
        let before = self.state.as_ref().map_or(0, |state| state.generation);
        let state = CampaignState::extend(self.state.take(), line)?;
        let news = of_line(&state, &line.read()?, before);
        self.state = Some(state);
        Ok(news)
    }
}

/// Kind, words, what the event has of its own, and what people are told.
type Told = (NewsKind, String, CampaignWhat, Option<Notification>);

/// The news in a line, if there are any; `state` is what stands after it, `before` the generation before it.
fn of_line(state: &CampaignState, entry: &CampaignEntry, before: u32) -> Option<News> {
    let (kind, text, what, tell) = match &entry.event {
        // By then its clusters are enrolled.
        CampaignEvent::TakenUp { .. } if before == 0 => opened(state),
        CampaignEvent::LeftAlone { clusters, notification } => left_alone(clusters, notification.clone()),
        CampaignEvent::ApprovalAsked { approval, before, expires_at } => {
            let how = command::approve(approval);
            let question =
                Question { id: approval.clone(), before: before.clone(), expires_at: *expires_at, how };
            asked(state, question)
        }
        CampaignEvent::Paused { text } => {
            let tell = report::of_campaign_switch(state, text);
            let what = CampaignWhat::Paused(CampaignPaused {});
            (NewsKind::CampaignPaused, text.clone(), what, Some(tell))
        }
        CampaignEvent::WaveStarted { members, .. } => {
            let (wave, text) = wave_of(state, state.waves.last()?);
            let text = format!("{text} begins with {} clusters", members.len());
            let what = WaveStarted { wave, clusters: members.clone() };
            (NewsKind::WaveStarted, text, CampaignWhat::WaveStarted(what), None)
        }
        CampaignEvent::WaveEnded { .. } => wave_ended(state, state.waves.last()?),
        CampaignEvent::Soaked { failures } => soaked(state, state.waves.last()?, failures),
        CampaignEvent::Stopped { code, message, next_action } => stopped(state, code, message, next_action),
        CampaignEvent::Ended { completed, failed, untouched } => {
            let counts = Counts { completed: *completed, failed: *failed, untouched: *untouched };
            let text = format!("{completed} upgraded, {failed} failed, {untouched} not changed");
            let tell = report::of_campaign_end(state);
            (NewsKind::CampaignCompleted, text, CampaignWhat::Completed(counts), tell)
        }
        CampaignEvent::Opened { .. }
        | CampaignEvent::Enrolled { .. }
        | CampaignEvent::TakenUp { .. }
        | CampaignEvent::ApprovalAnswered { .. }
        | CampaignEvent::ApprovalExpired { .. }
        | CampaignEvent::Counted { .. }
        | CampaignEvent::Looked { .. } => return None,
    };
    let detail = CampaignDetail { about: about(state, entry, text), what };
    Some(News { kind, detail: Detail::Campaign(Box::new(detail)), tell })
}

fn about(state: &CampaignState, entry: &CampaignEntry, text: String) -> CampaignAbout {
    CampaignAbout {
        version: "1".into(),
        id: format!("{}/{}", entry.campaign, entry.seq),
        campaign: entry.campaign.clone(),
        at: entry.at,
        reason: state.opened.reason.clone(),
        text,
    }
}

fn opened(state: &CampaignState) -> Told {
    let size = |place| state.members.values().filter(|(member, _)| member.ring == place).count();
    let rings = state.opened.rings.iter().enumerate();
    let what = CampaignOpened {
        clusters: state.members.len(),
        rings: rings
            .map(|(place, ring)| RingSize { name: ring.name.clone(), clusters: size(place) })
            .collect(),
    };
    let text = format!("{} clusters in {} rings", what.clusters, what.rings.len());
    (NewsKind::CampaignOpened, text, CampaignWhat::Opened(what), None)
}

fn left_alone(clusters: &[LeftAlone], tell: Option<Notification>) -> Told {
    let what = CampaignLeftAlone { left_alone: clusters.to_vec() };
    let text = format!("{} clusters are left alone", clusters.len());
    (NewsKind::CampaignLeftAlone, text, CampaignWhat::LeftAlone(what), tell)
}

fn asked(state: &CampaignState, question: Question) -> Told {
    let tell = report::of_campaign_question(state, &question);
    let text = format!("a yes is wanted before: {}", question.before);
    let what = CampaignApprovalWanted { approval: question };
    (NewsKind::CampaignApprovalWanted, text, CampaignWhat::ApprovalWanted(what), Some(tell))
}

/// The wave, as an event names it, and in words.
fn wave_of(state: &CampaignState, wave: &Wave) -> (WaveRef, String) {
    let (ring, number) = (state.ring_name(wave.ring).to_owned(), wave.number + 1);
    let text = format!("wave {number} of ring {ring}");
    (WaveRef { ring, number }, text)
}

fn wave_ended(state: &CampaignState, wave: &Wave) -> Told {
    let outcomes = wave.members.iter().filter_map(|cluster| state.members.get(cluster)?.1.as_ref());
    let mut counts = Counts::default();
    for outcome in outcomes {
        match outcome {
            Outcome::Completed { .. } => counts.completed += 1,
            Outcome::Failed { .. } => counts.failed += 1,
            Outcome::Untouched { .. } => counts.untouched += 1,
        }
    }
    let (wave, text) = wave_of(state, wave);
    let text = format!("{text} is over: {} upgraded, {} failed", counts.completed, counts.failed);
    (NewsKind::WaveEnded, text, CampaignWhat::WaveEnded(WaveEnded { wave, counts }), None)
}

fn soaked(state: &CampaignState, wave: &Wave, failures: &[Unwell]) -> Told {
    let unwell = failures.iter().map(|one| UnwellCluster {
        cluster: one.cluster.clone(),
        code: one.code.clone(),
        text: one.text.clone(),
    });
    let (wave, text) = wave_of(state, wave);
    let text = format!("{text} was looked at again: {} went bad", failures.len());
    let tell = (!failures.is_empty()).then(|| report::of_soak(state, failures));
    let what = WaveSoaked { wave, unwell: unwell.collect() };
    (NewsKind::WaveSoaked, text, CampaignWhat::WaveSoaked(what), tell)
}

fn stopped(state: &CampaignState, code: &str, message: &str, next_action: &str) -> Told {
    let Tally { completed, failed, untouched, .. } = state.tally_of_all();
    let what = CampaignStopped {
        code: code.into(),
        message: message.into(),
        next_action: next_action.into(),
        counts: Counts { completed, failed, untouched },
    };
    let tell = report::of_campaign_stop(state, code, message, next_action);
    (NewsKind::CampaignStopped, format!("stopped: {code}"), CampaignWhat::Stopped(what), Some(tell))
}

#[cfg(test)]
mod tests {
    use jiff::Timestamp;

    use super::*;
    use crate::arn::ClusterArn;
    use crate::campaign::{ClusterEnd, Member};
    use crate::ids::CampaignId;
    use crate::policy::Ring;
    use crate::screen::LeftAloneCode;

    /// The lines of a campaign of two clusters in one ring, and the news in each.
    #[derive(Default)]
    struct Story {
        seq: u32,
        hash: String,
        teller: CampaignTeller,
    }

    fn id() -> CampaignId {
        "sweep-1".parse().unwrap()
    }

    fn at() -> Timestamp {
        "2026-08-18T09:15:00Z".parse().unwrap()
    }

    fn cluster(name: &str) -> ClusterArn {
        format!("arn:aws:eks:us-east-1:123456789012:cluster/{name}").parse().unwrap()
    }

    impl Story {
        fn line(&mut self, event: CampaignEvent) -> Option<News> {
            let previous = self.hash.clone();
            self.seq += 1;
            let entry =
                CampaignEntry { campaign: id(), seq: self.seq, at: at(), actor: None, event, previous };
            let line = entry.seal().unwrap();
            self.hash.clone_from(&line.hash);
            self.teller.take(&line).unwrap()
        }

        fn enrolled() -> Self {
            let mut story = Self::default();
            let ring = Ring { name: "prod".into(), ..Ring::default() };
            let opened = CampaignEvent::Opened {
                reason: "the sweep".into(),
                rings: vec![ring],
                approvals: Vec::new(),
                clusters_at_once: 10,
            };
            assert_eq!(story.line(opened), None);
            let member = |name| Member {
                cluster: cluster(name),
                ring: 0,
                created_at: None,
                target: None,
                reason: None,
                resume: None,
            };
            let members = vec![member("a"), member("b")];
            assert_eq!(story.line(CampaignEvent::Enrolled { members }), None);
            story
        }

        fn take_up(&mut self, execution: &str, generation: u32) -> Option<News> {
            self.line(CampaignEvent::TakenUp { execution: execution.parse().unwrap(), generation })
        }

        /// A wave of one cluster, and what becomes of it.
        fn wave(&mut self, wave: usize, name: &str, outcome: Outcome) -> [Option<News>; 2] {
            let members = vec![cluster(name)];
            let started = self.line(CampaignEvent::WaveStarted { ring: 0, wave, members });
            let outcomes = vec![ClusterEnd { cluster: cluster(name), outcome }];
            [started, self.line(CampaignEvent::WaveEnded { ring: 0, wave, outcomes })]
        }
    }

    fn completed() -> Outcome {
        Outcome::Completed { run: None, version: None }
    }

    /// The kind, and what people are told.
    fn said(news: Option<News>) -> (NewsKind, Option<String>) {
        let news = news.unwrap();
        (news.kind, news.tell.map(|told| format!("{}\n{}", told.subject, told.message)))
    }

    fn contains(told: Option<String>, words: &[&str]) {
        let told = told.unwrap();
        for word in words {
            assert!(told.contains(word), "{word:?} is not in:\n{told}");
        }
    }

    #[test]
    fn it_is_opened_once_whoever_goes_on_with_it() {
        let mut story = Story::enrolled();
        let news = story.take_up("arn:one", 1).unwrap();
        let detail = serde_json::to_value(&news.detail).unwrap();
        let expected = serde_json::json!({
            "version": "1",
            "id": "sweep-1/3",
            "campaign": "sweep-1",
            "at": "2026-08-18T09:15:00Z",
            "reason": "the sweep",
            "text": "2 clusters in 1 rings",
            "clusters": 2,
            "rings": [{"name": "prod", "clusters": 2}],
        });
        assert_eq!((news.kind, detail, news.tell), (NewsKind::CampaignOpened, expected, None));
        assert_eq!(story.take_up("arn:two", 2), None);
    }

    #[test]
    fn waves_are_told_to_machines_and_the_end_to_people() {
        let mut story = Story::enrolled();
        story.take_up("arn:one", 1);
        for (wave, name) in [(0, "a"), (1, "b")] {
            let [started, ended] = story.wave(wave, name, completed());
            assert_eq!(said(started), (NewsKind::WaveStarted, None));
            assert_eq!(said(ended), (NewsKind::WaveEnded, None));
            let soaked = story.line(CampaignEvent::Soaked { failures: Vec::new() });
            assert_eq!(said(soaked), (NewsKind::WaveSoaked, None));
        }
        let ended = CampaignEvent::Ended { completed: 2, failed: 0, untouched: 0 };
        let (kind, told) = said(story.line(ended));
        assert_eq!(kind, NewsKind::CampaignCompleted);
        contains(told, &["sweep-1: 2 of 2 clusters upgraded", "Because: the sweep", "Nothing is wanted"]);
    }

    #[test]
    fn what_went_wrong_is_told_to_people() {
        let mut story = Story::enrolled();
        story.take_up("arn:one", 1);
        let [_, ended] = story.wave(0, "a", completed());
        let counts = Counts { completed: 1, failed: 0, untouched: 0 };
        let wave = WaveRef { ring: "prod".into(), number: 1 };
        let Detail::Campaign(detail) = ended.unwrap().detail else { panic!("it is a campaign's") };
        assert_eq!(detail.what, CampaignWhat::WaveEnded(WaveEnded { wave, counts }));

        let unwell = Unwell { cluster: cluster("a"), code: "Unwell".into(), text: "coredns is down".into() };
        let (kind, told) = said(story.line(CampaignEvent::Soaked { failures: vec![unwell] }));
        assert_eq!(kind, NewsKind::WaveSoaked);
        contains(told, &["coredns is down", "eks-upgrade roll-back CLUSTER"]);

        let stopped = CampaignEvent::Stopped {
            code: "RingFailed".into(),
            message: "1 of 2 clusters of ring prod failed".into(),
            next_action: "find out what failed there".into(),
        };
        let (kind, told) = said(story.line(stopped));
        assert_eq!(kind, NewsKind::CampaignStopped);
        contains(told, &["stopped: RingFailed", "Wanted of whoever runs the fleet: find out", "1 failed"]);
    }

    #[test]
    fn people_are_asked_and_told_what_holds_it() {
        let mut story = Story::enrolled();
        let asked = CampaignEvent::ApprovalAsked {
            approval: "ap-1".parse().unwrap(),
            before: "ring prod of campaign sweep-1".into(),
            expires_at: "2026-08-21T09:15:00Z".parse().unwrap(),
        };
        let (kind, told) = said(story.line(asked));
        assert_eq!(kind, NewsKind::CampaignApprovalWanted);
        contains(told, &["Until 2026-08-21 09:15 UTC", "eks-upgrade approve ap-1 --reason", "reject ap-1"]);

        let (kind, told) = said(story.line(CampaignEvent::Paused { text: "the kill switch".into() }));
        assert_eq!(kind, NewsKind::CampaignPaused);
        contains(told, &["eks-upgrade kill-switch lift --reason"]);
    }

    #[test]
    fn clusters_left_alone_are_told_in_the_words_of_the_line() {
        let mut story = Story::enrolled();
        let left = LeftAlone { cluster: "c".into(), code: LeftAloneCode::NotOptedIn, text: "no tag".into() };
        let words = Notification { subject: "subject".into(), message: "message".into() };
        let mut tell = |notification| {
            said(story.line(CampaignEvent::LeftAlone { clusters: vec![left.clone()], notification }))
        };
        let told = (NewsKind::CampaignLeftAlone, Some("subject\nmessage".to_owned()));
        assert_eq!(tell(Some(words)), told);
        assert_eq!(tell(None), (NewsKind::CampaignLeftAlone, None));
    }
}
