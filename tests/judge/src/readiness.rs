//! A control plane goes up only on what EKS's insights said within the last day, and since it went up last: they are about
//! the next minor.

use crate::evidence::{Accepted, Evidence};
use crate::skew::minor;
use crate::{Objection, Rule};

/// EKS makes its insights anew once a day; an hour more for what lies between planning and calling.
const FRESH_S: i64 = 25 * 3600;

pub(crate) fn judge(evidence: &Evidence) -> Vec<Objection> {
    evidence.accepted.iter().filter(|call| goes_up(call)).filter_map(|call| of_call(evidence, call)).collect()
}

fn goes_up(call: &Accepted) -> bool {
    call.operation == "UpdateClusterVersion" && minor(&call.input["version"]) > minor(&call.truth["version"])
}

fn of_call(evidence: &Evidence, call: &Accepted) -> Option<Objection> {
    let earlier = |before: &&Accepted| {
        before.place < call.place && before.cluster == call.cluster && before.operation == call.operation
    };
    // When the last of the upgrades before was seen to have ended well.
    let went_up = evidence.accepted.iter().filter(earlier).filter_map(|before| {
        let ended =
            |told: &&crate::evidence::Told| told.update == before.update && told.status == "Successful";
        evidence.told.iter().find(ended).map(|told| told.place).filter(|place| *place < call.place)
    });
    let went_up = went_up.max().unwrap_or(0);
    let last =
        evidence.looks.iter().rev().find(|look| look.place < call.place && look.cluster == call.cluster);
    let why = match last {
        None => "nobody had asked for EKS's insights",
        Some(look) if look.place < went_up => "EKS's insights were asked for at the minor before",
        Some(look) if call.at_s - look.at_s > FRESH_S => "EKS's insights were asked for more than a day ago",
        Some(_) => return None,
    };
    let text = format!("{} goes up, and {why}", call.cluster);
    Some(Objection { rule: Rule::Readiness, at_s: call.at_s, text })
}
