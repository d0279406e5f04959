//! Where a policy is read from, and where in it something is wrong.

use std::io::Read;
use std::path::{Path, PathBuf};

use anyhow::Context;
use clap::Args;
use eks_upgrade_core::inspection::InspectAnswer;
use eks_upgrade_core::policy::{PolicyDocument, PolicyError};
use serde::Serialize;

/// The policy that a command goes by.
#[derive(Args, Debug)]
pub struct PolicyFile {
    /// The policy's YAML file [default: the deployment's, where its inspect function can be asked; else the default
    /// policy]
    #[arg(long, value_name = "FILE", env = "EKS_UPGRADE_POLICY_FILE")]
    policy: Option<PathBuf>,
}

impl PolicyFile {
    /// The policy of the file, if one is named.
    pub fn read(&self) -> anyhow::Result<Option<PolicyDocument>> {
        let Some(path) = &self.policy else { return Ok(None) };
        let document = PolicyDocument::read(&text(path)?);
        document.map(Some).map_err(|error| anyhow::anyhow!(located(&name(path), &error)))
    }
}

/// A policy, and whose it is.
#[derive(Clone, Debug, PartialEq)]
pub struct Meant {
    /// It.
    pub document: PolicyDocument,
    /// Whose it is.
    pub source: Source,
}

/// Whose policy a plan is made by.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase", tag = "of")]
pub enum Source {
    /// A file's, which was named.
    File,
    /// The deployment's own.
    Deployment,
    /// The default policy: no file was named, and the deployment did not say.
    Default {
        /// Why not.
        unread: String,
    },
}

impl Meant {
    /// The policy of the file, or else the one by which the deployment goes.
    pub async fn of(file: Option<PolicyDocument>, deployment: impl AsyncFnOnce() -> InspectAnswer) -> Self {
        let default =
            |unread| Self { document: PolicyDocument::default(), source: Source::Default { unread } };
        if let Some(document) = file {
            return Self { document, source: Source::File };
        }
        match deployment().await {
            InspectAnswer::Policy(document) => Self { document: *document, source: Source::Deployment },
            InspectAnswer::Unseen(why) => default(why),
            _ => default("its inspect function answers something else: is it of this version?".into()),
        }
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

    #[tokio::test]
    async fn a_file_goes_before_the_deployment_and_that_before_the_default() {
        let (strict, loose) =
            (PolicyDocument { attempts: 1, ..PolicyDocument::default() }, PolicyDocument::default());
        let answer = InspectAnswer::Policy(Box::new(strict.clone()));
        let of_file =
            Meant::of(Some(loose.clone()), async || -> InspectAnswer { panic!("nobody is asked") }).await;
        assert_eq!(of_file, Meant { document: loose.clone(), source: Source::File });
        let of_deployment = Meant::of(None, async || answer).await;
        assert_eq!(of_deployment, Meant { document: strict, source: Source::Deployment });
        let unread = || "no such function".to_owned();
        let by_default = Meant::of(None, async || InspectAnswer::Unseen(unread())).await;
        assert_eq!(by_default, Meant { document: loose, source: Source::Default { unread: unread() } });
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
