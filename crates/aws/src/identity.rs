//! Who speaks: proven by a presigned `sts:GetCallerIdentity` request, as `aws eks get-token` does it.
//!
//! The client signs a request that it does not send, with a header whose value is the digest of what is said and to
//! which voice function. That function sends it in the client's stead, with the digest of itself and of what it was
//! told: STS answers who signed, and only if exactly this was signed, so that no deployment can pass it on to another.
//! Nothing that the client claims about itself is believed. A request that was presigned for anything else, such as a
//! token of EKS's, lacks the header and is refused unsent.

use std::collections::BTreeMap;
use std::fmt;

use aws_config::SdkConfig;
use aws_sdk_sts::Client;
use aws_sdk_sts::config::http::HttpResponse;
use aws_sdk_sts::config::interceptors::BeforeTransmitInterceptorContextMut;
use aws_sdk_sts::config::{ConfigBag, Intercept, RuntimeComponents};
use aws_sdk_sts::error::{BoxError, ProvideErrorMetadata, SdkError};
use eks_upgrade_core::arn::{Home, Region};
use eks_upgrade_core::contract::Proof;
use eks_upgrade_core::ids::{Principal, digest};
use eks_upgrade_pipeline::ports::{EksDown, Identifies, Unproven};
use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp, civil};
use percent_encoding::utf8_percent_encode;

use crate::presign::{ENCODED, Header, OP, caller_identity, failed, local_endpoint};
use crate::{chain, down};

/// The signed header that binds a proof to what is said, and to whom.
pub const HEADER: &str = "x-eks-upgrade-say";
/// How long a proof holds, in seconds.
pub const VALID_S: u64 = 60;

const SIGNED_HEADERS: &str = "host;x-eks-upgrade-say";
/// Longer than any URL with a session token in it.
const URL_CHARS_MAX: usize = 8_192;
/// How much the client's clock may be ahead of ours. STS allows five minutes.
const CLOCKS_DIFFER: SignedDuration = SignedDuration::from_secs(60);

/// What a proof's URL says besides its host: each exactly once, and nothing else.
const PARAMETERS: [&str; 8] = [
    "Action",
    "Version",
    "X-Amz-Algorithm",
    "X-Amz-Credential",
    "X-Amz-Date",
    "X-Amz-Expires",
    "X-Amz-SignedHeaders",
    "X-Amz-Signature",
];
/// With temporary credentials, this too.
const SESSION_TOKEN: &str = "X-Amz-Security-Token";

/// Proves that whoever has these credentials says this to the voice function with this ARN. Nothing is sent.
pub async fn prove(config: &SdkConfig, to: &str, said: &str) -> Result<Proof, EksDown> {
    let bound_to = digest(&[to, said]);
    let header = Header { name: HEADER, value: &bound_to };
    Ok(Proof { url: caller_identity(config, header, VALID_S).await? })
}

/// Whether a URL's scheme and host are STS's own, or the local stack's where there is one.
fn is_sts(base: &str, local: Option<&str>) -> bool {
    if let Some(local) = local {
        return base == local;
    }
    let Some(host) = base.strip_prefix("https://") else { return false };
    let Some(rest) = host.strip_prefix("sts.") else { return false };
    if rest == "amazonaws.com" {
        return true;
    }
    let region = rest.strip_suffix(".amazonaws.com").or_else(|| rest.strip_suffix(".amazonaws.com.cn"));
    region.is_some_and(|region| region.parse::<Region>().is_ok())
}

/// The URL to send, built anew from what was read of it: nothing passes that was not looked at.
fn check(proof: &Proof, now: Timestamp, local: Option<&str>) -> Result<String, String> {
    if proof.url.len() > URL_CHARS_MAX {
        return Err("its URL is too long".into());
    }
    let (base, query) = proof.url.split_once("/?").ok_or("its URL has no query")?;
    if !is_sts(base, local) {
        return Err("its URL is not of AWS STS".into());
    }
    let mut parameters = BTreeMap::new();
    for (name, value) in form_urlencoded::parse(query.as_bytes()) {
        if !PARAMETERS.contains(&&*name) && name != SESSION_TOKEN {
            return Err("its URL says something that a proof does not say".into());
        }
        if parameters.insert(name.into_owned(), value.into_owned()).is_some() {
            return Err("its URL says something twice".into());
        }
    }
    let of = |name: &str| parameters.get(name).map(String::as_str).ok_or(format!("its URL has no {name}"));
    for name in PARAMETERS {
        of(name)?;
    }
    if of("Action")? != "GetCallerIdentity" || of("Version")? != "2011-06-15" {
        return Err("it is a request for something else than GetCallerIdentity".into());
    }
    if of("X-Amz-Algorithm")? != "AWS4-HMAC-SHA256" || !of("X-Amz-Credential")?.ends_with("/sts/aws4_request")
    {
        return Err("it is not signed for STS".into());
    }
    if of("X-Amz-SignedHeaders")? != SIGNED_HEADERS {
        return Err(format!("it does not sign the header {HEADER}: it was made for something else"));
    }
    let signed = civil::DateTime::strptime("%Y%m%dT%H%M%SZ", of("X-Amz-Date")?)
        .and_then(|at| at.to_zoned(TimeZone::UTC))
        .map_err(|_| "its date does not read")?
        .timestamp();
    let valid = of("X-Amz-Expires")?.parse::<u64>().ok().filter(|seconds| *seconds <= VALID_S);
    let valid = valid.and_then(|seconds| i64::try_from(seconds).ok());
    let valid = valid.ok_or(format!("it holds longer than {VALID_S} seconds"))?;
    let age = now.duration_since(signed);
    if age > SignedDuration::from_secs(valid) {
        return Err(format!("it expired: it was made on {signed} for {valid} seconds"));
    }
    if -age > CLOCKS_DIFFER {
        return Err(format!("it was made on {signed}, which is yet to come; check the client's clock"));
    }
    let query: Vec<String> = parameters
        .iter()
        .map(|(name, value)| format!("{name}={}", utf8_percent_encode(value, ENCODED)))
        .collect();
    Ok(format!("{base}/?{}", query.join("&")))
}

/// STS behind the `Identifies` port.
#[derive(Clone, Debug)]
pub struct AwsIdentities(Client);

impl AwsIdentities {
    /// A client from the environment's configuration.
    #[must_use]
    pub fn new(config: &SdkConfig) -> Self {
        Self(Client::new(config))
    }
}

impl Identifies for AwsIdentities {
    async fn verify(&self, proof: &Proof, to: &str, said: &str) -> Result<Principal, Unproven> {
        let local = local_endpoint();
        // By the system's clock and not the deployment's: it is STS that compares it.
        let url = check(proof, Timestamp::now(), local.as_deref()).map_err(Unproven::Refused)?;
        let presigned = Presigned { url, bound_to: digest(&[to, said]) };
        let answer = self.0.get_caller_identity().customize().interceptor(presigned).send().await;
        let answer = answer.map_err(|error| refusal(&error))?;
        let arn = answer.arn().unwrap_or_default();
        arn.parse().map_err(|error| Unproven::Refused(format!("STS names nobody that can be: {error}")))
    }
}

/// Only STS's own no is one; when it cannot say, another try may do.
fn refusal<E>(error: &SdkError<E, HttpResponse>) -> Unproven
where
    E: ProvideErrorMetadata + std::error::Error + 'static,
{
    let throttled = error.code().is_some_and(|code| code.contains("Throttl"));
    match error {
        SdkError::ServiceError(answer) if answer.raw().status().is_client_error() && !throttled => {
            let words = error.message().map_or_else(|| chain(error), str::to_owned);
            Unproven::Refused(format!("STS does not accept it: {words}"))
        }
        _ => Unproven::Down(down(OP, error)),
    }
}

/// Puts the presigned request in place of the one that the SDK made.
struct Presigned {
    url: String,
    bound_to: String,
}

impl fmt::Debug for Presigned {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Presigned(..)")
    }
}

impl Intercept for Presigned {
    fn name(&self) -> &'static str {
        "Presigned"
    }

    fn modify_before_transmit(
        &self,
        context: &mut BeforeTransmitInterceptorContextMut<'_>,
        _: &RuntimeComponents,
        _: &mut ConfigBag,
    ) -> Result<(), BoxError> {
        let request = context.request_mut();
        let names: Vec<String> = request.headers().iter().map(|(name, _)| name.to_owned()).collect();
        for name in names {
            request.headers_mut().remove(name);
        }
        request.set_method("GET")?;
        request.set_uri(self.url.as_str())?;
        *request.body_mut() = "".into();
        request.headers_mut().insert(HEADER, self.bound_to.clone());
        Ok(())
    }
}

/// The account and Region that these credentials are at home in.
pub async fn home(config: &SdkConfig) -> Result<Home, EksDown> {
    let answer = Client::new(config).get_caller_identity().send().await;
    let answer = answer.map_err(|error| down(OP, &error))?;
    let region = config.region().ok_or_else(|| failed("no AWS Region is set"))?;
    let partition = answer.arn().and_then(|arn| arn.split(':').nth(1)).unwrap_or("aws");
    let place = format!("arn:{partition}:sts:{region}:{}:", answer.account().unwrap_or_default());
    Home::of_arn(&place).map_err(|error| failed(error.to_string()))
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, SystemTime};

    use aws_sdk_sts::config::Credentials;

    use super::*;
    use crate::presign::{endpoint_of, presign};

    const NOW_S: u64 = 1_795_000_000;
    const VOICE: &str = "arn:aws:lambda:eu-west-1:123456789012:function:eks-upgrade-voice";
    const SAID: &str = r#"{"op":"throw","reason":"drill"}"#;

    fn system(at_s: u64) -> SystemTime {
        SystemTime::UNIX_EPOCH + Duration::from_secs(at_s)
    }

    fn now() -> Timestamp {
        Timestamp::from_second(i64::try_from(NOW_S).unwrap()).unwrap()
    }

    fn made(endpoint: &str, at_s: u64) -> Proof {
        let token = "tok/en+with==".to_owned();
        let credentials = Credentials::new("AKIDEXAMPLE", "secret", Some(token), None, "test");
        proof(credentials, endpoint, VOICE, SAID, at_s)
    }

    fn proof(credentials: Credentials, endpoint: &str, to: &str, said: &str, at_s: u64) -> Proof {
        let bound_to = digest(&[to, said]);
        let header = Header { name: HEADER, value: &bound_to };
        let url = presign(credentials, "eu-west-1", endpoint, header, VALID_S, system(at_s)).unwrap();
        Proof { url }
    }

    fn refused(url: String) -> String {
        check(&Proof { url }, now(), None).unwrap_err()
    }

    #[test]
    fn a_proof_of_ours_is_sent_as_it_was_signed() {
        let proof = made(&endpoint_of("eu-west-1"), NOW_S);
        let sent = check(&proof, now(), None).unwrap();
        let pairs = |url: &str| -> BTreeMap<String, String> {
            let (_, query) = url.split_once("/?").unwrap();
            form_urlencoded::parse(query.as_bytes()).into_owned().collect()
        };
        assert_eq!(pairs(&sent), pairs(&proof.url));
        assert_eq!(pairs(&sent)[SESSION_TOKEN], "tok/en+with==");
        assert!(sent.starts_with("https://sts.eu-west-1.amazonaws.com/?Action=GetCallerIdentity&"));
    }

    #[test]
    fn the_signature_is_of_exactly_what_is_said_and_to_whom() {
        let other = |to: &str, said: &str| {
            let credentials = Credentials::new("AKIDEXAMPLE", "secret", None, None, "test");
            proof(credentials, "https://sts.amazonaws.com", to, said, NOW_S)
        };
        assert_eq!(other(VOICE, SAID), other(VOICE, SAID));
        assert_ne!(other(VOICE, SAID), other(VOICE, r#"{"op":"lift","reason":"drill"}"#));
        assert_ne!(other(VOICE, SAID), other(&VOICE.replace("123456789012", "210987654321"), SAID));
    }

    #[test]
    fn only_sts_is_asked() {
        for base in [
            "https://sts.amazonaws.com",
            "https://sts.us-gov-west-1.amazonaws.com",
            "https://sts.cn-north-1.amazonaws.com.cn",
        ] {
            assert!(is_sts(base, None), "{base}");
        }
        for base in [
            "http://sts.amazonaws.com",
            "https://sts.amazonaws.com:8443",
            "https://sts.amazonaws.com.evil.example",
            "https://evil.example/sts.eu-west-1.amazonaws.com",
            "https://sts.evil.example#.amazonaws.com",
            "https://sts.x@evil.amazonaws.com",
            "https://user@sts.amazonaws.com",
            "https://s3.eu-west-1.amazonaws.com",
            "https://sts.eu-west-1.bucket.amazonaws.com",
            "https://169.254.169.254",
            "http://127.0.0.1:4566",
        ] {
            assert!(!is_sts(base, None), "{base}");
        }
        let local = Some("http://127.0.0.1:4566");
        assert!(is_sts("http://127.0.0.1:4566", local));
        assert!(!is_sts("http://127.0.0.1:45667", local) && !is_sts("https://sts.amazonaws.com", local));
    }

    #[test]
    fn a_proof_that_was_tampered_with_is_refused() {
        let url = made("https://sts.amazonaws.com", NOW_S).url;
        for (from, to, says) in [
            ("Action=GetCallerIdentity", "Action=AssumeRole", "something else than GetCallerIdentity"),
            ("Version=2011-06-15", "Version=2010-05-08", "something else than GetCallerIdentity"),
            ("host%3Bx-eks-upgrade-say", "host%3Bx-k8s-aws-id", "does not sign the header"),
            ("host%3Bx-eks-upgrade-say", "host", "does not sign the header"),
            ("%2Fsts%2Faws4_request", "%2Fiam%2Faws4_request", "not signed for STS"),
            ("X-Amz-Expires=60", "X-Amz-Expires=900", "longer than 60 seconds"),
            ("X-Amz-Expires=60", "X-Amz-Expires=-1", "longer than 60 seconds"),
            ("X-Amz-Signature=", "x-amz-signature=", "does not say"),
            ("&Version", "&RoleArn=a&Version", "does not say"),
            ("&Version", "&Action=AssumeRole&Version", "twice"),
            ("X-Amz-Date=2", "X-Amz-Date=x", "does not read"),
            ("sts.amazonaws.com", "evil.example", "not of AWS STS"),
            ("/?", "/path?", "no query"),
        ] {
            assert!(url.contains(from), "{from} is not in {url}");
            let message = refused(url.replace(from, to));
            assert!(message.contains(says), "{from} → {to}: {message}");
        }
        let oversized = format!("{url}{}", "a".repeat(URL_CHARS_MAX));
        assert!(refused(oversized).contains("too long"));
    }

    #[test]
    fn a_proof_holds_for_a_minute() {
        let message = refused(made("https://sts.amazonaws.com", NOW_S - 61).url);
        assert!(message.contains("expired"), "{message}");
        let message = refused(made("https://sts.amazonaws.com", NOW_S + 120).url);
        assert!(message.contains("yet to come"), "{message}");
        assert!(check(&made("https://sts.amazonaws.com", NOW_S - 59), now(), None).is_ok());
    }
}
