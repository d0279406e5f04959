//! `docs/preflight.md` against the table of codes. `EKS_UPGRADE_WRITE_DOCS=1` writes the table anew.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::path::{Path, PathBuf};

use eks_upgrade_core::finding::{Code, Level};

const BEGIN: &str = "<!-- The table is generated: EKS_UPGRADE_WRITE_DOCS=1 cargo test -p eks-upgrade-core --test preflight -->\n";
const END: &str = "<!-- end of the table -->\n";

fn page() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/preflight.md")
}

fn word(level: Level) -> &'static str {
    match level {
        Level::Pass => "pass",
        Level::Warn => "warn",
        Level::Unknown => "unknown",
        Level::Block => "block",
    }
}

fn row(code: Code) -> String {
    let about = code.about();
    let targets = match (about.from, about.until) {
        (None, None) => "any".to_owned(),
        (Some(from), None) => format!("{from} and later"),
        (None, Some(until)) => format!("up to {until}"),
        (Some(from), Some(until)) => format!("{from} to {until}"),
    };
    let over = if code.may_be_overridden() { "yes" } else { "" };
    format!(
        "| `{code}` | {} | {targets} | {over} | [{}]({}) | {} |\n",
        word(about.level),
        about.title,
        about.source,
        about.remediation
    )
}

fn table() -> String {
    let head = "| code | usually | targets | may be overridden | what it found | what to do |\n|---|---|---|---|---|---|\n";
    Code::ALL.iter().fold(head.to_owned(), |table, code| table + &row(*code))
}

#[test]
fn the_page_has_the_table_of_codes() {
    let text = std::fs::read_to_string(page()).unwrap();
    let (before, rest) = text.split_once(BEGIN).expect("the page marks where the table begins");
    let (present, after) = rest.split_once(END).expect("the page marks where the table ends");
    if std::env::var_os("EKS_UPGRADE_WRITE_DOCS").is_some() {
        std::fs::write(page(), format!("{before}{BEGIN}{}{END}{after}", table())).unwrap();
        return;
    }
    assert!(
        present == table(),
        "docs/preflight.md is not of this table; its first lines say how to write it anew"
    );
}
