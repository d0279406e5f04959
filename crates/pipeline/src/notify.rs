//! The notify function: turns each new line of a ledger into an event, and into a message where people are wanted.
//!
//! It is fed by the ledger's own stream, so nothing is told that is not written, and nothing that is written goes
//! untold: at least once, in order. A line that no try could tell of is logged as an error and passed over, because
//! it would hold up all that follow.

use std::collections::BTreeMap;

use eks_upgrade_core::ids::{CampaignId, RunId};
use eks_upgrade_core::ledger::{LedgerError, Sealed};
use eks_upgrade_core::news::{CampaignTeller, News, Teller};

use crate::ports::{CampaignLedger, Events, Ledger, LedgerDown, NotOut, Topic};

/// The use case.
pub struct Notify<L, E, P> {
    /// The ledger, to read.
    pub ledger: L,
    /// Where events go.
    pub events: E,
    /// Where people are told.
    pub topic: P,
}

/// A record of the stream: something that was written to the table.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Record {
    /// Its place in the stream.
    pub place: String,
    /// The line that it is, if it is one.
    pub line: Line,
}

/// The line that a record is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Line {
    /// A new one.
    New {
        /// Of this.
        of: Of,
        /// The line's place in its record.
        seq: u32,
    },
    /// None: a lease, a head, an inbox entry.
    None,
    /// It should be one, and cannot be told.
    Unreadable(String),
}

/// What a line is of.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Of {
    /// The ledger of a run.
    Run(RunId),
    /// The record of a campaign.
    Campaign(CampaignId),
}

/// Why nothing was told of a line.
enum Untold {
    /// Another try may cure it.
    Down(String),
    /// No try will.
    ForGood(String),
}

impl From<NotOut> for Untold {
    fn from(error: NotOut) -> Self {
        match error {
            NotOut::Down(why) => Self::Down(why),
            NotOut::Refused(why) => Self::ForGood(why),
        }
    }
}

impl From<LedgerDown> for Untold {
    fn from(LedgerDown(why): LedgerDown) -> Self {
        Self::Down(why)
    }
}

/// What the lines of one record say, read once for all of a batch.
#[derive(Default)]
struct Said {
    news: BTreeMap<u32, News>,
    read: u32,
    broken: Option<LedgerError>,
}

impl<L: Ledger + CampaignLedger, E: Events, P: Topic> Notify<L, E, P> {
    /// Tells of these records, in order. Gives the place of the first that has to be brought again, with all after
    /// it; `None` when everything was told.
    pub async fn tell(&self, records: &[Record]) -> Option<String> {
        let mut known: BTreeMap<Of, Said> = BTreeMap::new();
        for record in records {
            let told = match &record.line {
                Line::None => Ok(()),
                Line::Unreadable(why) => Err(Untold::ForGood(why.clone())),
                Line::New { of, seq } => self.tell_of(&mut known, of, *seq).await,
            };
            match told {
                Ok(()) => {}
                Err(Untold::ForGood(why)) => {
                    // The template counts these lines by their field, and raises an alarm.
                    tracing::error!(untold = true, line = ?record.line, "nothing was told of a line: {why}");
                }
                Err(Untold::Down(why)) => {
                    tracing::warn!(line = ?record.line, "to be told again: {why}");
                    return Some(record.place.clone());
                }
            }
        }
        None
    }

    async fn tell_of(&self, known: &mut BTreeMap<Of, Said>, of: &Of, seq: u32) -> Result<(), Untold> {
        if known.get(of).is_none_or(|said| said.read < seq && said.broken.is_none()) {
            let said = self.read(of).await?;
            known.insert(of.clone(), said);
        }
        let Some(said) = known.get(of) else { return Ok(()) };
        if said.read < seq {
            return Err(match &said.broken {
                Some(broken) => Untold::ForGood(broken.to_string()),
                None => Untold::Down(format!("line {seq} is not in the ledger yet")),
            });
        }
        let Some(news) = said.news.get(&seq) else { return Ok(()) };
        Ok(self.give_out(news).await?)
    }

    async fn read(&self, of: &Of) -> Result<Said, LedgerDown> {
        Ok(match of {
            Of::Run(run) => {
                let mut teller = Teller::default();
                Said::of(&self.ledger.lines(run).await?, |line| teller.take(line))
            }
            Of::Campaign(campaign) => {
                let mut teller = CampaignTeller::default();
                Said::of(&self.ledger.campaign_lines(campaign).await?, |line| teller.take(line))
            }
        })
    }

    /// The event first: a message that cannot be sent must not hold it back.
    async fn give_out(&self, news: &News) -> Result<(), NotOut> {
        let put = self.events.put(std::slice::from_ref(news)).await;
        if let (Some(notification), Ok(()) | Err(NotOut::Refused(_))) = (&news.tell, &put) {
            self.topic.publish(notification).await?;
        }
        put
    }
}

impl Said {
    fn of(lines: &[Sealed], mut news_in: impl FnMut(&Sealed) -> Result<Option<News>, LedgerError>) -> Self {
        let mut said = Self::default();
        for line in lines {
            match news_in(line) {
                Ok(news) => said.news.extend(news.map(|news| (line.seq, news))),
                Err(broken) => {
                    said.broken = Some(broken);
                    break;
                }
            }
            said.read = line.seq;
        }
        said
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Mutex;

    use eks_upgrade_core::campaign::{CampaignEntry, CampaignEvent};
    use eks_upgrade_core::contract::Notification;
    use eks_upgrade_core::ids::Fence;
    use eks_upgrade_core::ledger::{Ending, Entry, Event, Opened};
    use eks_upgrade_core::policy::{Policy, Ring};

    use super::*;
    use crate::memory::Memory;

    /// What was given out; down for as many more tries.
    #[derive(Default)]
    struct Out {
        events: Mutex<Vec<String>>,
        told: Mutex<Vec<String>>,
        down: Mutex<u32>,
    }

    impl Events for &Out {
        async fn put(&self, news: &[News]) -> Result<(), NotOut> {
            let mut down = self.down.lock().unwrap();
            if *down > 0 {
                *down -= 1;
                return Err(NotOut::Down("throttled".into()));
            }
            self.events.lock().unwrap().extend(news.iter().map(|news| news.detail.id().to_owned()));
            Ok(())
        }
    }

    impl Topic for &Out {
        async fn publish(&self, notification: &Notification) -> Result<(), NotOut> {
            self.told.lock().unwrap().push(notification.subject.clone());
            Ok(())
        }
    }

    fn opened() -> Event {
        let at = "2026-08-18T09:15:00Z".parse().unwrap();
        Event::Opened(Box::new(Opened {
            cluster: "arn:aws:eks:us-east-1:123456789012:cluster/prod-a".parse().unwrap(),
            cluster_created_at: at,
            from: "1.34".parse().unwrap(),
            target: "1.35".parse().unwrap(),
            policy: Policy::default(),
            campaign: None,
            reason: None,
            support_ends: None,
            roll_back: false,
            launch_templates: BTreeMap::default(),
            harm: None,
        }))
    }

    fn asked(id: &str) -> Event {
        let expires_at = "2026-08-21T09:15:00Z".parse().unwrap();
        Event::ApprovalAsked { approval: id.parse().unwrap(), before: "it".into(), expires_at }
    }

    fn halted() -> Event {
        let (code, message, next_action) = ("X".into(), "it was so".into(), "look".into());
        Event::Ended(Ending::Halted { code, message, next_action })
    }

    /// A run of four lines: two questions between its opening and its end.
    fn run(memory: &Memory, run: &str) {
        let mut lines: Vec<Sealed> = Vec::new();
        for (event, seq) in [opened(), asked("ap-1"), asked("ap-2"), halted()].into_iter().zip(1..) {
            let entry = Entry {
                run: run.parse().unwrap(),
                seq,
                at: "2026-08-18T09:15:00Z".parse().unwrap(),
                actor: "arn:x".parse().unwrap(),
                fence: Fence(1),
                event,
                previous: lines.last().map_or(String::new(), |line| line.hash.clone()),
            };
            lines.push(entry.seal().unwrap());
        }
        memory.kept().lines.insert(run.parse().unwrap(), lines);
    }

    fn record(place: usize, run: &str, seq: u32) -> Record {
        Record { place: place.to_string(), line: Line::New { of: Of::Run(run.parse().unwrap()), seq } }
    }

    async fn tell(memory: &Memory, out: &Out, records: &[Record]) -> Option<String> {
        Notify { ledger: memory, events: out, topic: out }.tell(records).await
    }

    #[tokio::test]
    async fn lines_of_several_runs_are_told_in_order() {
        let (memory, out) = (Memory::default(), Out::default());
        run(&memory, "a");
        run(&memory, "b");
        let mut records = vec![Record { place: "0".into(), line: Line::None }];
        for seq in 1..=4 {
            records.push(record(records.len(), "a", seq));
            records.push(record(records.len(), "b", seq));
        }
        assert_eq!(tell(&memory, &out, &records).await, None);
        assert_eq!(*out.events.lock().unwrap(), ["a/2", "b/2", "a/3", "b/3", "a/4", "b/4"]);
        assert_eq!(out.told.lock().unwrap().len(), 6);
    }

    #[tokio::test]
    async fn what_could_not_be_told_is_brought_again_with_all_after_it() {
        let (memory, out) = (Memory::default(), Out::default());
        run(&memory, "a");
        *out.down.lock().unwrap() = 1;
        let records = [1, 2, 3, 4].map(|seq| record(seq as usize, "a", seq));
        assert_eq!(tell(&memory, &out, &records).await.as_deref(), Some("2"));
        assert_eq!(tell(&memory, &out, &records[1..]).await, None);
        assert_eq!(*out.events.lock().unwrap(), ["a/2", "a/3", "a/4"]);
    }

    #[tokio::test]
    async fn a_line_that_is_told_twice_has_the_same_id() {
        let (memory, out) = (Memory::default(), Out::default());
        run(&memory, "a");
        for _ in 0..2 {
            assert_eq!(tell(&memory, &out, &[record(1, "a", 2)]).await, None);
        }
        assert_eq!(*out.events.lock().unwrap(), ["a/2", "a/2"]);
    }

    #[tokio::test]
    async fn a_line_that_never_reads_holds_nothing_up() {
        let (memory, out) = (Memory::default(), Out::default());
        run(&memory, "a");
        run(&memory, "b");
        if let Some(lines) = memory.kept().lines.get_mut(&"a".parse().unwrap()) {
            lines[2].body.push(' ');
        }
        let garbled = Record { place: "0".into(), line: Line::Unreadable("RUN#a b".into()) };
        let records = [garbled, record(1, "a", 2), record(2, "a", 3), record(3, "a", 4), record(4, "b", 4)];
        assert_eq!(tell(&memory, &out, &records).await, None);
        assert_eq!(*out.events.lock().unwrap(), ["a/2", "b/4"]);
    }

    #[tokio::test]
    async fn a_line_that_is_not_there_yet_is_waited_for() {
        let (memory, out) = (Memory::default(), Out::default());
        run(&memory, "a");
        assert_eq!(tell(&memory, &out, &[record(5, "a", 5)]).await.as_deref(), Some("5"));
    }

    #[tokio::test]
    async fn a_campaigns_lines_are_told_too() {
        let (memory, out) = (Memory::default(), Out::default());
        let entry = |seq, event, previous: &str| CampaignEntry {
            campaign: "sweep-1".parse().unwrap(),
            seq,
            at: "2026-08-18T09:15:00Z".parse().unwrap(),
            actor: None,
            event,
            previous: previous.into(),
        };
        let opened = CampaignEvent::Opened {
            reason: "the sweep".into(),
            rings: vec![Ring::default()],
            approvals: Vec::new(),
            clusters_at_once: 1,
        };
        let opened = entry(1, opened, "").seal().unwrap();
        let paused = CampaignEvent::Paused { text: "the kill switch".into() };
        let paused = entry(2, paused, &opened.hash).seal().unwrap();
        memory.kept().records.insert("sweep-1".parse().unwrap(), vec![opened, paused]);
        let record = |seq: u32| {
            let of = Of::Campaign("sweep-1".parse().unwrap());
            Record { place: seq.to_string(), line: Line::New { of, seq } }
        };
        assert_eq!(tell(&memory, &out, &[record(1), record(2)]).await, None);
        assert_eq!(*out.events.lock().unwrap(), ["sweep-1/2"]);
        assert_eq!(out.told.lock().unwrap().len(), 1);
    }
}
