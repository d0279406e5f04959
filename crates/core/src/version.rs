//! Kubernetes minors, the distance between them, and add-on versions.

use std::fmt;
use std::str::FromStr;

/// A Kubernetes minor version of EKS, such as `1.35`. The major is always 1.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Minor(u8);

/// Text that names no Kubernetes minor.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is not a Kubernetes minor version; write it like 1.35")]
pub struct NotAMinor(pub String);

impl Minor {
    /// `1.n`; `n` up to 254, so that the next minor always exists.
    #[must_use]
    pub const fn new(n: u8) -> Option<Self> {
        if n < u8::MAX { Some(Self(n)) } else { None }
    }

    /// The number behind the dot.
    #[must_use]
    pub const fn number(self) -> u8 {
        self.0
    }

    /// The minor one above: the only one that a hop may go to.
    #[must_use]
    pub const fn next(self) -> Self {
        Self(self.0.saturating_add(1))
    }

    /// How many minors `self` is above `older`; 0 when it is not above.
    #[must_use]
    pub const fn above(self, older: Self) -> u8 {
        self.0.saturating_sub(older.0)
    }

    /// The minors above `self` up to and with `target`, one hop each.
    pub fn hops_to(self, target: Self) -> impl Iterator<Item = Self> {
        (self.0.saturating_add(1)..=target.0).map(Self)
    }
}

impl FromStr for Minor {
    type Err = NotAMinor;

    fn from_str(text: &str) -> Result<Self, NotAMinor> {
        let refused = || NotAMinor(text.chars().take(40).collect());
        let digits = text.strip_prefix("1.").ok_or_else(refused)?;
        let plain = !digits.is_empty()
            && digits.bytes().all(|b| b.is_ascii_digit())
            && (digits == "0" || !digits.starts_with('0'));
        let number = digits.parse().ok().filter(|_| plain);
        number.and_then(Self::new).ok_or_else(refused)
    }
}

impl fmt::Display for Minor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "1.{}", self.0)
    }
}

crate::string_on_the_wire!(
    Minor,
    "Minor",
    r"^1\.(0|[1-9][0-9]{0,2})$",
    "A Kubernetes minor version, e.g. 1.35"
);

/// How many minors a kubelet may be older than the API server (Kubernetes version skew policy; 3 since
/// kubelet 1.25, 2 before).
#[must_use]
pub const fn kubelet_skew_max(kubelet: Minor) -> u8 {
    if kubelet.number() >= 25 { 3 } else { 2 }
}

/// Whether a kubelet of version `node` is supported beside an API server of version `control_plane`: never
/// newer, and at most [`kubelet_skew_max`] older.
#[must_use]
pub const fn skew_allows(control_plane: Minor, node: Minor) -> bool {
    node.number() <= control_plane.number() && control_plane.above(node) <= kubelet_skew_max(node)
}

/// The version of an EKS add-on, such as `v1.19.2-eksbuild.1`. Ordered by its numbers, then by its build.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct AddonVersion(String);

/// Text that does not read as an add-on version.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is not an add-on version; EKS writes them like v1.19.2-eksbuild.1")]
pub struct NotAnAddonVersion(pub String);

impl AddonVersion {
    /// Its text, as EKS wrote it.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Major and minor: the part in which vpc-cni may move by one a call.
    #[must_use]
    pub fn major_minor(&self) -> (u32, u32) {
        let numbers = self.numbers();
        (numbers.first().copied().unwrap_or(0), numbers.get(1).copied().unwrap_or(0))
    }

    fn numbers(&self) -> Vec<u32> {
        self.0.split(|c: char| !c.is_ascii_digit()).filter_map(|part| part.parse().ok()).collect()
    }
}

impl FromStr for AddonVersion {
    type Err = NotAnAddonVersion;

    fn from_str(text: &str) -> Result<Self, NotAnAddonVersion> {
        let rest = text.strip_prefix('v').unwrap_or(text);
        let starts_right = rest.split('.').next().is_some_and(|major| major.parse::<u32>().is_ok());
        if starts_right && rest.contains('.') && text.len() <= 63 {
            Ok(Self(text.to_owned()))
        } else {
            Err(NotAnAddonVersion(text.chars().take(63).collect()))
        }
    }
}

impl fmt::Display for AddonVersion {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl Ord for AddonVersion {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        self.numbers().cmp(&other.numbers()).then_with(|| self.0.cmp(&other.0))
    }
}

impl PartialOrd for AddonVersion {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

crate::string_on_the_wire!(
    AddonVersion,
    "AddonVersion",
    r"^v?[0-9]+\..+$",
    "An EKS add-on version, e.g. v1.19.2-eksbuild.1"
);

#[cfg(test)]
mod tests {
    use super::*;

    fn minor(text: &str) -> Minor {
        text.parse().unwrap()
    }

    #[test]
    fn only_plain_minors_parse() {
        assert_eq!(minor("1.35").to_string(), "1.35");
        for text in
            ["", "1", "1.", "1.035", "2.35", "v1.35", "1.35.1", "1.999", "1.255", "1.+5", " 1.35", "1.³"]
        {
            assert!(text.parse::<Minor>().is_err(), "{text:?} was accepted");
        }
    }

    #[test]
    fn hops_go_up_one_at_a_time() {
        let hops: Vec<_> = minor("1.32").hops_to(minor("1.35")).map(|m| m.to_string()).collect();
        assert_eq!(hops, ["1.33", "1.34", "1.35"]);
        assert_eq!(minor("1.35").hops_to(minor("1.34")).count(), 0);
    }

    #[test]
    fn skew_is_three_minors_and_never_newer() {
        assert!(skew_allows(minor("1.35"), minor("1.32")));
        assert!(!skew_allows(minor("1.36"), minor("1.32")));
        assert!(!skew_allows(minor("1.34"), minor("1.35")));
        assert!(!skew_allows(minor("1.27"), minor("1.24")));
    }

    #[test]
    fn addon_versions_order_by_number_not_by_letter() {
        let version = |text: &str| text.parse::<AddonVersion>().unwrap();
        assert!(version("v1.9.0-eksbuild.1") < version("v1.19.0-eksbuild.1"));
        assert!(version("v1.19.0-eksbuild.2") < version("v1.19.0-eksbuild.10"));
        assert_eq!(version("v1.19.2-eksbuild.1").major_minor(), (1, 19));
    }
}
