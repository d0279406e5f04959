//! Where a policy is read from, and where in it something is wrong.

use std::io::Read;
use std::path::{Path, PathBuf};

use anyhow::Context;
use clap::Args;
use eks_upgrade_core::policy::{PolicyDocument, PolicyError};

/// The policy that a command goes by.
#[derive(Args, Debug)]
pub struct PolicyFile {
    /// The policy's YAML file [default: the default policy]
    #[arg(long, value_name = "FILE", env = "EKS_UPGRADE_POLICY_FILE")]
    policy: Option<PathBuf>,
}

impl PolicyFile {
    /// Reads it.
    pub fn read(&self) -> anyhow::Result<PolicyDocument> {
        let Some(path) = &self.policy else { return Ok(PolicyDocument::default()) };
        let document = PolicyDocument::read(&text(path)?);
        document.map_err(|error| anyhow::anyhow!(located(&name(path), &error)))
    }
}

/// The text of a file; `-` is standard input.
pub fn text(path: &Path) -> anyhow::Result<String> {
    if path.as_os_str() != "-" {
        return std::fs::read_to_string(path).with_context(|| format!("cannot read {}", path.display()));
    }
    let mut text = String::new();
    std::io::stdin().read_to_string(&mut text).context("cannot read standard input")?;
    Ok(text)
}

/// What a file is called in messages.
pub fn name(path: &Path) -> String {
    if path.as_os_str() == "-" { "stdin".into() } else { path.display().to_string() }
}

/// `FILE:LINE:COLUMN: FIELD: MESSAGE`, in one line.
pub fn located(file: &str, error: &PolicyError) -> String {
    let text = match error {
        PolicyError::Form { line, column, field, message } => {
            // What a message begins with need not be said twice; `?` is a place that is no field.
            let is_news = |field: &&String| *field != "?" && !message.starts_with(field.as_str());
            let field = field.as_ref().filter(is_news);
            let field = field.map_or_else(String::new, |field| format!("{field}: "));
            format!("{file}:{line}:{column}: {field}{}", plain(message))
        }
        PolicyError::Sense(message) => format!("{file}: {message}"),
        PolicyError::Tag { .. } => format!("{file}: {error}"),
    };
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

/// The message in the words of whoever writes a policy.
fn plain(message: &str) -> &str {
    match message {
        "invalid u8" | "invalid u16" | "invalid u32" => "a whole number is wanted here",
        other => other,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refused(text: &str) -> String {
        located("policy.yaml", &PolicyDocument::read(text).unwrap_err())
    }

    #[test]
    fn what_is_wrong_is_told_with_its_place() {
        for (text, start, says) in [
            ("leadDays: 90\nleadDayz: 3\n", "policy.yaml:2:", "leadDayz"),
            ("leadDays: 90\nattempts: many\n", "policy.yaml:2:11: attempts: ", "a whole number"),
            ("attempts: 9\n", "policy.yaml:1:1: ", "attempts is 9; it may be 1 to 5"),
            ("rings:\n  order:\n    - {name: dev, waves: []}\n", "policy.yaml:3:", "rings.order[0].waves"),
            ("windows:\n- {start: \"25:00\", duration: 4h}\n", "policy.yaml:2:", "25:00"),
            ("windows:\n- {start: \"22:00\", duration: 4h}\n  x\n", "policy.yaml:3:3: while parsing", ""),
        ] {
            let error = refused(text);
            assert!(error.starts_with(start), "{text:?}: {error}");
            assert!(error.contains(says), "{text:?}: {error}");
            assert_eq!(error.lines().count(), 1, "{error}");
        }
    }
}
