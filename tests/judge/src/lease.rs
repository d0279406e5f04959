//! Nothing is called by whom the lease has left: the run of a call is the one that last took its cluster, and is open.

use crate::evidence::{Accepted, Evidence};
use crate::{Objection, Rule};

pub(crate) fn judge(evidence: &Evidence) -> Vec<Objection> {
    let mut objections: Vec<Objection> =
        evidence.accepted.iter().filter_map(|call| of_call(evidence, call)).collect();
    objections.extend(fences(evidence));
    objections.extend(takeovers(evidence));
    objections
}

fn of_call(evidence: &Evidence, call: &Accepted) -> Option<Objection> {
    let run = &evidence.intent(&call.token, call.place)?.run;
    let cluster = evidence.opened(run)?.text("cluster");
    let theirs = evidence.entries().filter(|entry| {
        entry.place < call.place
            && evidence.opened(&entry.run).is_some_and(|opened| opened.text("cluster") == cluster)
    });
    let holder = theirs.max_by_key(|entry| (entry.fence(), entry.place))?;
    let ended =
        evidence.ledgers[run].iter().any(|entry| entry.place < call.place && entry.event() == "ended");
    let why = if holder.run != *run {
        format!("run {} had taken the lease", holder.run)
    } else if ended {
        "the run was over".to_owned()
    } else {
        return None;
    };
    let text = format!("{} of {} for run {run}: {why}", call.operation, call.cluster);
    Some(Objection { rule: Rule::Lease, at_s: call.at_s, text })
}

/// In the ledger of a run fencing numbers never fall: whoever was fenced off writes no more.
fn fences(evidence: &Evidence) -> impl Iterator<Item = Objection> {
    let falls = evidence.ledgers.values().flat_map(|lines| lines.windows(2));
    falls.filter(|pair| pair[1].fence() < pair[0].fence()).map(|pair| Objection {
        rule: Rule::Lease,
        at_s: pair[1].at_s,
        text: format!("line {} of {} is by an earlier holder than the one before", pair[1].seq, pair[1].run),
    })
}

/// Whoever takes a run over has a higher fencing number than all before: else both would hold it.
fn takeovers(evidence: &Evidence) -> impl Iterator<Item = Objection> {
    let pairs = evidence.ledgers.values().flat_map(|lines| lines.windows(2));
    let taken = pairs.filter(|pair| pair[1].event() == "resumed" && pair[1].fence() <= pair[0].fence());
    taken.map(|pair| Objection {
        rule: Rule::Lease,
        at_s: pair[1].at_s,
        text: format!(
            "line {} of {} takes over with the fence of the holder before",
            pair[1].seq, pair[1].run
        ),
    })
}
