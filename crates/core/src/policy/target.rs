//! Which minor an upgrade without a stated target goes to.

use std::fmt;
use std::str::FromStr;

use jiff::{SignedDuration, Timestamp};

use crate::calendar::{Calendar, SupportStatus};
use crate::version::Minor;

/// The rule.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum TargetRule {
    /// The minor that EKS gives to new clusters.
    #[default]
    EksDefault,
    /// The next minor.
    Next,
    /// So many minors below the newest in standard support; 0 is the newest itself.
    Newest {
        /// How many below.
        minus: u8,
    },
    /// This one.
    Fixed(Minor),
}

/// Text that is no target rule.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is no target: eks-default, next, newest, newest-1 to newest-9, or a minor like 1.35")]
pub struct NotATarget(String);

impl FromStr for TargetRule {
    type Err = NotATarget;

    fn from_str(text: &str) -> Result<Self, NotATarget> {
        let refused = || NotATarget(text.chars().take(40).collect());
        match text {
            "eks-default" => Ok(Self::EksDefault),
            "next" => Ok(Self::Next),
            "newest" => Ok(Self::Newest { minus: 0 }),
            _ => match text.strip_prefix("newest-") {
                Some(minus) => match minus.as_bytes() {
                    [digit @ b'1'..=b'9'] => Ok(Self::Newest { minus: digit - b'0' }),
                    _ => Err(refused()),
                },
                None => text.parse().map(Self::Fixed).map_err(|_| refused()),
            },
        }
    }
}

impl fmt::Display for TargetRule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::EksDefault => f.write_str("eks-default"),
            Self::Next => f.write_str("next"),
            Self::Newest { minus: 0 } => f.write_str("newest"),
            Self::Newest { minus } => write!(f, "newest-{minus}"),
            Self::Fixed(minor) => write!(f, "{minor}"),
        }
    }
}

crate::string_on_the_wire!(
    TargetRule,
    "TargetRule",
    "^(eks-default|next|newest(-[1-9])?|1\\.[0-9]+)$",
    "eks-default, next, newest, newest-1 to newest-9, or a minor like 1.35"
);

impl TargetRule {
    /// Where a cluster at `current` goes by this rule, past no version that was released within `min_age` of
    /// `now`; `None` when there is nowhere to go, or it is there already.
    #[must_use]
    pub fn target(
        self,
        current: Minor,
        calendar: &Calendar,
        min_age: SignedDuration,
        now: Timestamp,
    ) -> Option<Minor> {
        let wanted = match self {
            Self::Next => Some(current.next()),
            Self::Newest { minus } => {
                calendar.newest().and_then(|newest| Minor::new(newest.number().checked_sub(minus)?))
            }
            Self::EksDefault => calendar.default_minor(),
            Self::Fixed(minor) => Some(minor),
        }?;
        let may_go_to = |minor: &Minor| {
            calendar.get(*minor).is_some_and(|release| {
                let old_enough =
                    release.released.is_some_and(|released| now.duration_since(released) >= min_age);
                release.status != SupportStatus::Unsupported && (old_enough || min_age.is_zero())
            })
        };
        current.hops_to(wanted).filter(may_go_to).last()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rules_read_and_write_the_same() {
        for text in ["eks-default", "next", "newest", "newest-2", "1.35"] {
            assert_eq!(text.parse::<TargetRule>().unwrap().to_string(), text);
        }
        for text in ["", "newest-0", "newest-10", "oldest", "1.", "2.1"] {
            assert!(text.parse::<TargetRule>().is_err(), "{text:?}");
        }
    }
}
