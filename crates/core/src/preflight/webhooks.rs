//! Admission webhooks that can stop pods from leaving a node, or from starting on another.

use super::report::Hit;
use super::{Look, Upgrade};
use crate::finding::Level;
use crate::inside::{Backend, Inside, Webhook};

/// Webhooks that fail closed with nobody behind them.
pub(super) fn unanswered(inside: &Inside, _: Upgrade) -> Look {
    let closed = inside.webhooks.get()?.iter().filter(|webhook| webhook.fails_closed);
    Ok(closed.filter_map(judge).collect())
}

fn judge(webhook: &Webhook) -> Option<Hit> {
    let matters = webhook.on_evictions || webhook.on_pods || webhook.on_nodes;
    let (level, message) = match &webhook.backend {
        Backend::Service { namespace, name, ready_endpoints: Some(0), .. } => {
            let level = if matters { Level::Block } else { Level::Warn };
            (
                level,
                format!("it is asked about {}, and {namespace}/{name} has no ready endpoint", asked(webhook)),
            )
        }
        Backend::Service { ready_endpoints: Some(_), .. } => return None,
        Backend::Service { namespace, name, ready_endpoints: None, .. } => {
            (Level::Unknown, format!("the endpoints of {namespace}/{name} could not be read"))
        }
        // Nodes cannot be hurt by it, so nobody has to know.
        Backend::Url if !matters => return None,
        Backend::Url => (
            Level::Unknown,
            format!("it is asked about {} at a URL that cannot be looked at", asked(webhook)),
        ),
    };
    Some(Hit::new(level, subject(webhook), message))
}

/// Webhooks that are asked about evictions, and answer.
pub(super) fn on_evictions(inside: &Inside, _: Upgrade) -> Look {
    let asked = inside.webhooks.get()?.iter().filter(|webhook| webhook.on_evictions);
    let hits = asked.map(|webhook| {
        let away = if webhook.fails_closed {
            "fails them when it does not answer"
        } else {
            "lets them pass when it does not answer"
        };
        Hit::new(Level::Warn, subject(webhook), format!("it is asked about evictions, and {away}"))
    });
    Ok(hits.collect())
}

fn subject(webhook: &Webhook) -> String {
    format!("{}/{}", webhook.configuration, webhook.name)
}

/// What it is asked about, as far as nodes and pods go.
fn asked(webhook: &Webhook) -> String {
    let about =
        [(webhook.on_evictions, "evictions"), (webhook.on_pods, "new pods"), (webhook.on_nodes, "nodes")];
    let about: Vec<&str> = about.iter().filter(|(asked, _)| *asked).map(|(_, what)| *what).collect();
    if about.is_empty() { "other things".to_owned() } else { about.join(", ") }
}
