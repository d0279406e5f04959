//! From what a check found to what people read.

use super::Look;
use crate::finding::{Code, Finding, Level};

/// So many things are named for one code; the rest is counted.
const NAMED_MAX: usize = 20;
/// What the findings about no one thing are about.
/// The subject of what is of the cluster as a whole.
pub const CLUSTER: &str = "cluster";

/// One thing that a check found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Hit {
    /// How much it weighs.
    pub level: Level,
    /// On what.
    pub subject: String,
    /// In words.
    pub message: String,
    /// What to do, where that is more than the code's own remediation.
    next: Option<String>,
}

impl Hit {
    pub(super) fn new(level: Level, subject: impl Into<String>, message: impl Into<String>) -> Self {
        Self { level, subject: subject.into(), message: message.into(), next: None }
    }

    /// The same, with something better to do than the code's own remediation.
    pub(super) fn then(self, next: impl Into<String>) -> Self {
        Self { next: Some(next.into()), ..self }
    }
}

/// The findings of one code: one that passes where there are no hits, one that cannot tell where nothing could be seen.
pub(super) fn report(code: Code, look: Look) -> Vec<Finding> {
    let about = code.about();
    match look {
        Err(unseen) => {
            let next = format!(
                "let it be read (see `kubernetes.access` in the policy), or look by hand: {}",
                about.remediation
            );
            vec![Finding::new(code, Level::Unknown, CLUSTER, format!("could not be told: {unseen}"), next)]
        }
        Ok(hits) if hits.is_empty() => {
            vec![Finding::new(code, Level::Pass, CLUSTER, format!("none found: {}", about.title), "")]
        }
        Ok(hits) => named(code, hits),
    }
}

/// The worst first; what is too much to name is one line as bad as the worst in it.
fn named(code: Code, mut hits: Vec<Hit>) -> Vec<Finding> {
    let about = code.about();
    hits.sort_by_key(|hit| std::cmp::Reverse(hit.level));
    let rest = hits.split_off(hits.len().min(NAMED_MAX));
    let mut findings: Vec<Finding> = hits
        .into_iter()
        .map(|hit| {
            let next = hit.next.unwrap_or_else(|| about.remediation.to_owned());
            Finding::new(code, hit.level, &hit.subject, hit.message, next)
        })
        .collect();
    if let Some(worst) = rest.first() {
        let message = format!("{} more like these: {}", rest.len(), about.title);
        findings.push(Finding::new(code, worst.level, CLUSTER, message, about.remediation));
    }
    findings
}

/// The first few of these names, and how many there are beyond.
pub(super) fn some_of<T: std::fmt::Display>(names: impl IntoIterator<Item = T>) -> String {
    const SHOWN: usize = 5;
    let names: Vec<String> = names.into_iter().map(|name| name.to_string()).collect();
    let shown = names.iter().take(SHOWN).cloned().collect::<Vec<_>>().join(", ");
    if names.len() > SHOWN { format!("{shown} and {} more", names.len() - SHOWN) } else { shown }
}
