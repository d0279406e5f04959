//! A run's record as it lies in the table, to be verified: its lines, its head, and what is kept beside their text.
//!
//! What is wrong with lines and head is for `core` to say. Here is only what the table's layout adds: an item has
//! copies of what the text of a line says, for people who look at the table, and those must say the same.

use eks_upgrade_core::ids::RunId;
use eks_upgrade_core::ledger::{Flaw, Head, RunState, Sealed};
use eks_upgrade_core::screen::Lease;
use eks_upgrade_pipeline::ports::{LeaseChange, LedgerDown, Write};

use crate::ledger::{AwsLedger, head_item, line_item, line_of, run_key};
use crate::table::{Item, number, text};

/// How often a record is read until nobody writes to it meanwhile. Lines are seconds apart, a reading is not.
const READINGS_MAX: usize = 5;

/// The record of a run.
#[derive(Clone, Debug)]
pub struct Record {
    /// Its lines, in the order of their places.
    pub lines: Vec<Sealed>,
    /// Where it ends, if its head says so.
    pub head: Option<Head>,
    line_items: Vec<Item>,
    head_item: Item,
}

impl AwsLedger {
    /// The record of a run, read strongly, with the head that belongs to its lines. Without lines and without a head
    /// where there is no such run.
    pub async fn record(&self, run: &RunId) -> Result<Record, LedgerDown> {
        let mut before = self.head(run).await?;
        for _ in 0..READINGS_MAX {
            let line_items = self.line_items(run_key(run)).await?;
            let after = self.head(run).await?;
            if after == before {
                let whose = format!("run {run}");
                let lines = line_items.iter().map(|item| line_of(item, &whose)).collect::<Result<_, _>>()?;
                return Ok(Record { lines, head: head_of(&after), line_items, head_item: after });
            }
            before = after;
        }
        Err(LedgerDown(format!("run {run} is being written to; try again")))
    }

    async fn head(&self, run: &RunId) -> Result<Item, LedgerDown> {
        Ok(self.get(run_key(run), "HEAD").await?.unwrap_or_default())
    }
}

fn head_of(item: &Item) -> Option<Head> {
    Some(Head { seq: number(item, "seq")?, hash: text(item, "hash")?.to_owned() })
}

impl Record {
    /// Whether there is nothing at all of such a run.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.line_items.is_empty() && self.head_item.is_empty()
    }

    /// Checks what is kept beside the lines against `state`, which is what the lines add up to.
    pub fn check_copies(&self, state: &RunState) -> Result<(), Flaw> {
        for (line, item) in self.lines.iter().zip(&self.line_items) {
            let should_be = line_item(&state.run, line)
                .map_err(|error| Flaw::Unreadable { line: line.seq, why: error.to_string() })?;
            if let Some(attribute) = difference(item, &should_be) {
                return Err(Flaw::Miscopied { line: line.seq, attribute });
            }
        }
        let should_be = self.head_by(state)?;
        difference(&self.head_item, &should_be)
            .map_or(Ok(()), |attribute| Err(Flaw::MiscopiedHead { attribute }))
    }

    /// The head as the last line's write put it there.
    fn head_by(&self, state: &RunState) -> Result<Item, Flaw> {
        let last = self.lines.last().ok_or(Flaw::Missing { line: 1 })?;
        let entry =
            last.open().map_err(|error| Flaw::Unreadable { line: last.seq, why: error.to_string() })?;
        let lease = Lease::of(state.run.clone(), &state.opened, entry.actor, entry.fence);
        let lease = Lease { touched: state.touched, ended: state.ended.clone(), ..lease };
        Ok(head_item(&Write {
            cluster: &state.opened.cluster,
            lease: &lease,
            change: LeaseChange::Hold,
            lines: &self.lines,
            campaign: state.opened.campaign.as_ref(),
            at: entry.at,
        }))
    }
}

/// The first attribute, by name, that an item should not have, or has with another value. One that it has not is no
/// lie: an earlier version may have kept less beside a line.
fn difference(item: &Item, should_be: &Item) -> Option<String> {
    let mut names: Vec<&String> = item.keys().collect();
    names.sort_unstable();
    names.into_iter().find(|name| item.get(*name) != should_be.get(*name)).cloned()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::table::Building;

    #[test]
    fn what_an_item_has_and_should_not_is_named() {
        let item = || Building::key("RUN#r".into(), "HEAD").text("outcome", "running");
        assert_eq!(difference(&item().build(), &item().build()), None);
        let more = item().number("expires_at", 1).build();
        assert_eq!(difference(&more, &item().build()).as_deref(), Some("expires_at"));
        assert_eq!(difference(&item().build(), &more), None);
        let other = item().text("outcome", "completed").build();
        assert_eq!(difference(&item().build(), &other).as_deref(), Some("outcome"));
    }

    #[test]
    fn a_head_that_does_not_say_where_the_record_ends_is_none() {
        let item = || Building::key("RUN#r".into(), "HEAD").number("seq", 3);
        assert_eq!(head_of(&item().build()), None);
        let head = Head { seq: 3, hash: "ab".into() };
        assert_eq!(head_of(&item().text("hash", "ab").build()), Some(head));
    }
}
