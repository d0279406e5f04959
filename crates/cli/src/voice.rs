//! Saying something that binds the deployment: by its voice function, which asks STS who speaks.

use anyhow::Context;
use aws_sdk_lambda::Client;
use aws_sdk_lambda::error::{DisplayErrorContext, ProvideErrorMetadata};
use aws_sdk_lambda::primitives::Blob;
use eks_upgrade_aws::identity;
use eks_upgrade_core::contract::{Say, VoiceAnswer, VoiceRequest};
use eks_upgrade_core::text::unfit_reason;
use serde::Deserialize;

use crate::fault::Refused;
use crate::reach::Reach;
use crate::{Common, show};

/// Says it under the caller's own credentials; a refusal is a [`Refused`].
pub async fn say(reach: &Reach, say: Say) -> anyhow::Result<VoiceAnswer> {
    let function = reach.voice_function();
    let to = reach.home().await?.function(&function);
    let proof = identity::prove(&reach.sdk, &to, &say.text()).await?;
    let payload = serde_json::to_vec(&VoiceRequest { proof, say })?;
    let call = Client::new(&reach.sdk).invoke().function_name(&function).payload(Blob::new(payload));
    let answer = match call.send().await {
        Ok(answer) => answer,
        Err(error) => {
            let detail = DisplayErrorContext(&error).to_string();
            anyhow::bail!(not_invoked(&function, error.code(), &detail));
        }
    };
    let payload = answer.payload().map_or(&[][..], Blob::as_ref);
    match answer.function_error() {
        Some(kind) => Err(refusal(kind, payload).into()),
        None => serde_json::from_slice(payload)
            .with_context(|| format!("{function} answers what does not read; is it of another version?")),
    }
}

/// Says it, and tells what came of it.
pub async fn say_and_tell(common: &Common, reach: &Reach, what: Say) -> anyhow::Result<VoiceAnswer> {
    let answer = say(reach, what).await?;
    if common.json {
        show::json(&answer)?;
    } else {
        println!("{} {}", console::style("✓").green(), answer.text);
        println!("  as {}", answer.principal);
    }
    Ok(answer)
}

/// Why the function could not be invoked, and what to do.
fn not_invoked(function: &str, code: Option<&str>, detail: &str) -> String {
    match code {
        Some("AccessDeniedException") => {
            format!(
                "you may not invoke the function {function}: ask for lambda:InvokeFunction on it ({detail})"
            )
        }
        Some("ResourceNotFoundException") => {
            format!(
                "there is no function {function} here; are the stack's name (--stack) and the Region right?"
            )
        }
        _ => format!("{function} cannot be invoked: {detail}"),
    }
}

/// What a function that failed says about it.
#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct FunctionError {
    error_type: String,
    error_message: String,
}

fn refusal(kind: &str, payload: &[u8]) -> Refused {
    let FunctionError { error_type, error_message } = serde_json::from_slice(payload).unwrap_or_default();
    if error_message.is_empty() {
        let text = String::from_utf8_lossy(payload).into_owned();
        return Refused { name: kind.to_owned(), message: format!("the voice function failed: {text}") };
    }
    Refused { name: error_type, message: error_message }
}

/// Reads a reason, as the functions will.
pub fn reason(text: &str) -> Result<String, String> {
    unfit_reason(text).map_or_else(|| Ok(text.to_owned()), Err)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_function_error_is_a_refusal_in_words() {
        let payload = br#"{"errorType":"NotCounted","errorMessage":"ap-1 expired"}"#;
        let expected = Refused { name: "NotCounted".into(), message: "ap-1 expired".into() };
        assert_eq!(refusal("Unhandled", payload), expected);
        let crashed = refusal("Unhandled", b"out of memory");
        assert_eq!(crashed.name, "Unhandled");
        assert!(crashed.message.contains("out of memory"));
    }

    #[test]
    fn who_may_not_or_cannot_speak_is_told_what_to_do() {
        let denied = not_invoked("eks-upgrade-voice", Some("AccessDeniedException"), "denied");
        assert!(denied.contains("lambda:InvokeFunction"), "{denied}");
        let missing = not_invoked("eks-upgrade-voice", Some("ResourceNotFoundException"), "");
        assert!(missing.contains("--stack"), "{missing}");
    }

    #[test]
    fn a_reason_says_something() {
        assert!(reason("tested in dev").is_ok());
        for text in [String::new(), "  ".into(), "x".repeat(501)] {
            assert!(reason(&text).is_err());
        }
    }
}
