//! Once nothing goes wrong any more, every run ends, with a name and what to do next.

use crate::evidence::Evidence;
use crate::ledger::Entry;
use crate::{Objection, Rule};

pub(crate) fn judge(evidence: &Evidence) -> Vec<Objection> {
    let unended = evidence.over_s.into_iter().flat_map(|over_s| {
        evidence.ledgers.values().filter_map(move |lines| unended(evidence, lines, over_s))
    });
    unended.chain(evidence.entries().filter_map(nameless)).collect()
}

fn unended(evidence: &Evidence, lines: &[Entry], over_s: i64) -> Option<Objection> {
    let last = lines.last()?;
    if last.event() == "ended" || watches(evidence, lines) {
        return None;
    }
    let text = format!("{} never ended; its last line is {}", last.run, last.event());
    Some(Objection { rule: Rule::Endings, at_s: over_s, text })
}

/// Whether an update of the run, or one that stands in its way, is still under way by EKS's last word: then watching is
/// all that is right to do.
fn watches(evidence: &Evidence, lines: &[Entry]) -> bool {
    let under_way = |update: &str| {
        let last = evidence.told.iter().rev().find(|told| told.update == update);
        last.is_some_and(|told| told.status == "InProgress")
    };
    let begun = lines.iter().filter(|entry| matches!(entry.event(), "started" | "foreign-update"));
    begun.map(|entry| entry.text("update")).any(under_way)
}

fn nameless(entry: &Entry) -> Option<Objection> {
    let named = || !entry.text("code").is_empty() && !entry.text("nextAction").is_empty();
    let wrong = entry.event() == "ended" && entry.text("outcome") != "completed" && !named();
    wrong.then(|| Objection {
        rule: Rule::Endings,
        at_s: entry.at_s,
        text: format!("{} ended as {} without a name or a next action", entry.run, entry.text("outcome")),
    })
}
