//! Success is claimed only where EKS says so, or where the cluster shows it.

use crate::evidence::Evidence;
use crate::inside;
use crate::ledger::Entry;
use crate::skew::minor;
use crate::{Objection, Rule};

pub(crate) fn judge(evidence: &Evidence) -> Vec<Objection> {
    evidence.entries().filter_map(|entry| unfounded(evidence, entry)).collect()
}

fn unfounded(evidence: &Evidence, entry: &Entry) -> Option<Objection> {
    let why = match entry.event() {
        "succeeded" => {
            let update = entry.text("update");
            if update.starts_with("inside-") {
                return inside::unfounded(evidence, entry);
            }
            let said = |told: &&crate::evidence::Told| told.update == update && told.place < entry.place;
            let last = evidence.told.iter().rev().find(said).map(|told| told.status.as_str());
            (last != Some("Successful"))
                .then(|| format!("update {update}, of which EKS said {}", last.unwrap_or("nothing")))
        }
        "ended" if entry.text("outcome") == "completed" => {
            let opened = evidence.opened(&entry.run)?;
            let cluster = opened.text("cluster").rsplit('/').next().unwrap_or_default();
            let seen = evidence.versions.iter().rev();
            let last = seen.clone().find(|(place, name, _)| *place < entry.place && name == cluster);
            let is = last.and_then(|(.., version)| minor(&version.as_str().into()));
            let wanted = minor(&opened.value["target"]);
            let back = opened.value["rollBack"] == true;
            let there =
                matches!((is, wanted), (Some(is), Some(wanted)) if is == wanted || (is > wanted && !back));
            (!there)
                .then(|| format!("the run as completed, with the control plane seen at {is:?} of {wanted:?}"))
        }
        _ => None,
    };
    why.map(|why| Objection {
        rule: Rule::Success,
        at_s: entry.at_s,
        text: format!("line {} of {} counts {why}", entry.seq, entry.run),
    })
}
