//! The API server's own version.

use eks_upgrade_core::version::Minor;
use serde::Deserialize;

use crate::failed::Failed;
use crate::link::Link;

const OP: &str = "kubernetes:get /version";

#[derive(Deserialize)]
struct Version {
    /// On EKS with a plus: `33+`.
    minor: String,
}

/// The minor that it says it is.
pub(super) async fn minor(link: &Link) -> Result<Minor, Failed> {
    let version: Option<Version> = link.find(OP, "/version").await?;
    let text = version.map(|version| version.minor).unwrap_or_default();
    minor_of(&text).ok_or_else(|| Failed::odd(OP, format!("{text:?} is no minor version")))
}

fn minor_of(text: &str) -> Option<Minor> {
    text.trim_end_matches('+').parse().ok().and_then(Minor::new)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_minor_reads_with_and_without_its_plus() {
        assert_eq!(minor_of("33+"), Minor::new(33));
        assert_eq!(minor_of("34"), Minor::new(34));
        assert_eq!(minor_of(""), None);
    }
}
