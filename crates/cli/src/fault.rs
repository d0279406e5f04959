//! What went wrong, on its way to the terminal: a name, a sentence, an exit status.

use std::io;
use std::process::ExitCode;

use eks_upgrade_pipeline::error::PipelineError;
use serde_json::json;

/// Wrong usage that the parser of arguments cannot see: exit status 2.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub struct Usage(pub String);

/// What the deployment refused, by its name there.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[error("{name}: {message}")]
pub struct Refused {
    /// Its name, such as `NotCounted`.
    pub name: String,
    /// In words.
    pub message: String,
}

/// The exit status of wrong usage; the parser of arguments uses the same.
const USAGE: u8 = 2;

/// Says what went wrong, and gives the exit status for it.
pub fn report(error: &anyhow::Error, json: bool) -> ExitCode {
    // Whoever read the output has read enough of it.
    if error.downcast_ref::<io::Error>().is_some_and(|error| error.kind() == io::ErrorKind::BrokenPipe) {
        return ExitCode::SUCCESS;
    }
    if json {
        let (name, message) = named(error);
        println!("{}", json!({"error": name, "message": message}));
    }
    eprintln!("{} {error:#}", console::style("error:").for_stderr().red().bold());
    if error.is::<Usage>() { ExitCode::from(USAGE) } else { ExitCode::FAILURE }
}

/// The name and the sentence of an error.
fn named(error: &anyhow::Error) -> (String, String) {
    if let Some(Refused { name, message }) = error.downcast_ref() {
        return (name.clone(), message.clone());
    }
    let name = match error.downcast_ref::<PipelineError>() {
        Some(refused) => refused.name(),
        None if error.is::<Usage>() => "Usage",
        None => "Failed",
    };
    (name.to_owned(), format!("{error:#}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_error_has_the_name_that_it_has_in_the_deployment() {
        let refused = Refused { name: "NotCounted".into(), message: "too late".into() };
        assert_eq!(named(&refused.into()), ("NotCounted".into(), "too late".into()));
        let denied = PipelineError::NotSayable("say why".into());
        assert_eq!(named(&denied.into()).0, "NotSayable");
        assert_eq!(named(&Usage("give --yes".into()).into()).0, "Usage");
        assert_eq!(named(&anyhow::anyhow!("no Region")).0, "Failed");
    }
}
