//! Versions of add-ons, `v1.21.1-eksbuild.7`, compared by their numbers.

/// Its numbers from left to right: major, minor, patch, build. Text between them is left out.
pub(crate) fn numbers(version: &str) -> Vec<u64> {
    version
        .split(|c: char| !c.is_ascii_digit())
        .filter(|part| !part.is_empty())
        .filter_map(|part| part.parse().ok())
        .collect()
}

/// How many minors lie between two versions of one add-on; a different major counts as far apart.
pub(crate) fn minors_apart(one: &str, other: &str) -> u64 {
    let (one, other) = (numbers(one), numbers(other));
    let part = |numbers: &[u64], at: usize| numbers.get(at).copied().unwrap_or(0);
    if part(&one, 0) == part(&other, 0) { part(&one, 1).abs_diff(part(&other, 1)) } else { u64::MAX }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn builds_count_as_numbers() {
        assert!(numbers("v1.11.4-eksbuild.24") > numbers("v1.11.4-eksbuild.3"));
        assert_eq!(minors_apart("v1.18.6-eksbuild.1", "v1.20.1-eksbuild.3"), 2);
    }
}
