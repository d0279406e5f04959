//! STS: assuming a role, and telling callers who they are.

use jiff::civil::DateTime;
use jiff::{SignedDuration, Timestamp};
use serde_json::json;

use super::Done;
use crate::http::ApiError;
use crate::route::Call;
use crate::sts::{is_account, role_parts};
use crate::time::{SECOND, rfc3339};
use crate::world::World;

/// Seconds that a session may last; an hour when nobody says.
const DURATION: std::ops::RangeInclusive<i64> = 900..=43_200;
const DURATION_USUAL: i64 = 3_600;

fn denied(kind: &str, message: impl Into<String>) -> ApiError {
    ApiError::new(kind, 403, message)
}

fn invalid(message: impl Into<String>) -> ApiError {
    ApiError::new("ValidationError", 400, message)
}

pub(super) fn assume_role(world: &mut World, call: &Call) -> Result<Done, ApiError> {
    let (caller, _) = identity(world, call)?;
    let required = |member: &str| call.text(member)?.ok_or_else(|| invalid(format!("{member} is required")));
    let (arn, name) = (required("RoleArn")?, required("RoleSessionName")?);
    if !(2..=64).contains(&name.len()) || !name.bytes().all(session_name_may_hold) {
        return Err(invalid("RoleSessionName has 2 to 64 letters, digits and any of _+=,.@-"));
    }
    let seconds = match call.text("DurationSeconds")? {
        None => DURATION_USUAL,
        Some(text) => text
            .parse()
            .ok()
            .filter(|seconds| DURATION.contains(seconds))
            .ok_or_else(|| invalid("DurationSeconds is between 900 and 43200"))?,
    };
    let external = call.text("ExternalId")?;
    let role = world.sts.roles.iter().find(|role| role.arn == arn);
    let trusted = role.filter(|role| role.external_id.is_none() || role.external_id.as_deref() == external);
    let parts = trusted.and_then(|role| role_parts(&role.arn));
    let Some((account, role)) = parts.map(|(account, role)| (account.to_owned(), role.to_owned())) else {
        let message =
            format!("User: {caller} is not authorized to perform: sts:AssumeRole on resource: {arn}");
        return Err(denied("AccessDenied", message));
    };
    let key = world.sts.begin(&account, &role, name);
    let user =
        world.sts.session(&key).map(|session| json!({"Arn": session.arn, "AssumedRoleId": session.user_id}));
    let ends = (call.received.as_second() + seconds) * SECOND;
    let body = json!({
        "AssumedRoleUser": user,
        "Credentials": {
            "AccessKeyId": key,
            "SecretAccessKey": world.sts.secret(),
            "SessionToken": world.sts.secret(),
            "Expiration": rfc3339(ends),
        },
    });
    Ok(Done::read(body))
}

fn session_name_may_hold(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"_+=,.@-".contains(&byte)
}

pub(super) fn caller_identity(world: &World, call: &Call) -> Result<Done, ApiError> {
    let (arn, user_id) = identity(world, call)?;
    let account = arn.split(':').nth(4).unwrap_or_default();
    Ok(Done::read(json!({"Arn": arn, "UserId": user_id, "Account": account})))
}

/// ARN and user id of the caller.
fn identity(world: &World, call: &Call) -> Result<(String, String), ApiError> {
    let Some(key) = call.caller.key.as_deref() else {
        return Err(denied("MissingAuthenticationToken", "Request is missing Authentication Token"));
    };
    if call.query("X-Amz-Credential").is_some() {
        still_valid(call)?;
    }
    if let Some(session) = world.sts.session(key) {
        return Ok((session.arn.clone(), session.user_id.clone()));
    }
    let account = if is_account(key) { key } else { &world.place.account };
    Ok((format!("arn:aws:iam::{account}:user/{key}"), key.to_owned()))
}

/// Whether a request that was signed beforehand may still be sent.
fn still_valid(call: &Call) -> Result<(), ApiError> {
    let signed = call.query("X-Amz-Date").and_then(signing_time);
    let valid = call.query("X-Amz-Expires").and_then(|text| text.parse::<u32>().ok());
    let (Some(signed), Some(valid)) = (signed, valid) else {
        let message = "A presigned request has X-Amz-Date and X-Amz-Expires.";
        return Err(ApiError::new("IncompleteSignature", 400, message));
    };
    let ends = signed.saturating_add(SignedDuration::from_secs(i64::from(valid)));
    match ends {
        Ok(ends) if call.received <= ends => Ok(()),
        _ => Err(denied(
            "SignatureDoesNotMatch",
            format!(
                "Signature expired: it was made at {signed} for {valid} seconds, and it is {}",
                call.received
            ),
        )),
    }
}

/// `20260818T091500Z`.
fn signing_time(text: &str) -> Option<Timestamp> {
    let moment = DateTime::strptime("%Y%m%dT%H%M%SZ", text).ok()?;
    moment.to_zoned(jiff::tz::TimeZone::UTC).ok().map(|zoned| zoned.timestamp())
}
