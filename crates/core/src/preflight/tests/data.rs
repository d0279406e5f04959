//! The built-in data, row by row.

use std::collections::BTreeSet;

use crate::finding::{Code, Level};
use crate::preflight::data::{changes, daemon_sets, removed_apis};

fn is_source(text: &str) -> bool {
    text.starts_with("https://") && !text.contains(char::is_whitespace)
}

#[test]
fn every_removed_api_is_a_whole_row() {
    let rows = removed_apis().unwrap();
    let mut known = BTreeSet::new();
    for row in rows {
        assert!(known.insert((&row.group, &row.version, &row.kind)), "twice: {row:?}");
        assert!(!row.version.is_empty() && row.version.starts_with('v'), "{row:?}");
        assert!(row.kind.starts_with(|c: char| c.is_ascii_uppercase()), "{row:?}");
        assert!(row.resource.bytes().all(|b| b.is_ascii_lowercase()), "{row:?}");
        let stem: String = row.kind.to_lowercase().chars().take(row.kind.len() - 1).collect();
        assert!(row.resource.starts_with(&stem), "the resource of another kind: {row:?}");
        assert!(row.deprecated.is_none_or(|since| since < row.removed), "{row:?}");
        assert!(is_source(&row.source), "{row:?}");
        if let Some(replacement) = &row.replacement {
            let (api, kind) = replacement.split_once(' ').expect("group/version Kind");
            assert!(api.contains('v') && !kind.is_empty(), "{row:?}");
            assert_ne!(*api, format!("{}/{}", row.group, row.version), "replaced by itself: {row:?}");
        }
    }
    let named =
        |group: &str, version: &str| rows.iter().any(|row| row.group == group && row.version == version);
    assert!(named("flowcontrol.apiserver.k8s.io", "v1beta3"), "the last one of the guide");
    assert!(named("extensions", "v1beta1"), "the first one of the guide");
}

#[test]
fn every_change_is_a_whole_row() {
    let mut last = None;
    for change in changes().unwrap() {
        assert!(last.is_none_or(|last| last <= change.minor), "in the order of the minors: {change:?}");
        last = Some(change.minor);
        assert!(
            !change.title.is_empty() && !change.what.is_empty() && is_source(&change.source),
            "{change:?}"
        );
        assert!(!change.what.ends_with('.'), "it is joined to others: {change:?}");
    }
}

#[test]
fn every_daemon_set_is_a_whole_row() {
    for vendor in daemon_sets().unwrap() {
        assert!(
            !vendor.images.is_empty() && !vendor.supports.is_empty() && is_source(&vendor.source),
            "{vendor:?}"
        );
        let minors: Vec<_> = vendor.supports.iter().map(|row| row.minor).collect();
        assert!(minors.is_sorted_by(|a, b| a < b), "ascending: {vendor:?}");
        for row in &vendor.supports {
            assert_eq!(row.since.split('.').filter(|part| part.parse::<u32>().is_ok()).count(), 3, "{row:?}");
        }
    }
}

#[test]
fn every_code_says_what_it_is_about() {
    let mut titles = BTreeSet::new();
    for code in Code::ALL {
        let about = code.about();
        assert!(titles.insert(about.title), "{code}: the title of another");
        assert!(!about.remediation.is_empty() && is_source(about.source), "{code}");
        assert!(about.from.is_none() || about.until.is_none() || about.from <= about.until, "{code}");
    }
}

#[test]
fn all_codes_are_listed() {
    let schema = serde_json::to_value(schemars::schema_for!(Code)).unwrap();
    let variants = schema["oneOf"].as_array().unwrap();
    let names: BTreeSet<&str> = variants.iter().filter_map(|one| one["const"].as_str()).collect();
    let listed: BTreeSet<String> = Code::ALL.iter().map(ToString::to_string).collect();
    assert_eq!(names, listed.iter().map(String::as_str).collect());
    assert_eq!(Code::ALL.len(), listed.len());
}

#[test]
fn what_kubernetes_or_eks_refuses_may_not_be_overridden() {
    let refused = [Code::KubeletSkew, Code::SkewExceeded, Code::ControlPlaneAddresses];
    for code in Code::ALL.iter().filter(|code| code.about().level == Level::Block) {
        assert!(!(refused.contains(code) && code.may_be_overridden()), "{code}");
    }
    for code in [Code::InsightError, Code::DeprecatedApiCalled, Code::DrainBlocked] {
        assert!(code.may_be_overridden(), "{code}");
    }
}
