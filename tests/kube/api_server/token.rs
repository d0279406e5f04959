//! EKS's tokens: a presigned `sts:GetCallerIdentity`, bound to one cluster by a signed header.
//!
//! EKS sends the request on to STS. Here the secret keys are known, so the signature is made again and compared.
//! What is checked follows aws-iam-authenticator's `pkg/token`, which EKS runs.

use std::collections::BTreeMap;
use std::time::{Duration, SystemTime};

use aws_credential_types::Credentials;
use aws_sigv4::http_request::{SignableBody, SignableRequest, SignatureLocation, SigningSettings, sign};
use aws_sigv4::sign::v4;
use base64::Engine as _;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp, civil};
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};

use super::caller::{Caller, Callers};

/// What every token begins with.
pub(super) const VERSION: &str = "k8s-aws-v1.";
/// The header that binds a token to a cluster.
const CLUSTER_HEADER: &str = "x-k8s-aws-id";
/// The longest that a token may be presigned for.
const VALID_S_MAX: u64 = 900;
/// How far the clocks of client and STS may differ.
const CLOCKS_DIFFER: SignedDuration = SignedDuration::from_mins(5);
/// What a signature of version 4 leaves as it is.
const ENCODED: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'_').remove(b'.').remove(b'~');
/// Longer than any token that aws-iam-authenticator reads.
const TOKEN_CHARS_MAX: usize = 16 * 1024;

/// A request for `sts:GetCallerIdentity` as it is to be signed.
#[derive(Clone, Copy, Debug)]
pub(super) struct Presigned<'a> {
    pub(super) host: &'a str,
    pub(super) region: &'a str,
    pub(super) cluster: &'a str,
    pub(super) at: SystemTime,
    pub(super) valid: Duration,
}

impl Presigned<'_> {
    fn bare(&self) -> String {
        format!("https://{}/?Action=GetCallerIdentity&Version=2011-06-15", self.host)
    }

    /// What signing adds to the URL.
    fn parameters(&self, caller: &Caller) -> Vec<(String, String)> {
        let session = Some(caller.session_token.clone());
        let keys = Credentials::new(&caller.access_key, &caller.secret_key, session, None, "harness").into();
        let mut settings = SigningSettings::default();
        settings.signature_location = SignatureLocation::QueryParams;
        settings.expires_in = Some(self.valid);
        let params = v4::SigningParams::builder()
            .identity(&keys)
            .region(self.region)
            .name("sts")
            .time(self.at)
            .settings(settings)
            .build()
            .expect("all that signing takes");
        let headers = std::iter::once((CLUSTER_HEADER, self.cluster));
        let url = self.bare();
        let request = SignableRequest::new("GET", &url, headers, SignableBody::Bytes(&[])).expect("a URL");
        let (signed, _) = sign(request, &params.into()).expect("it signs").into_parts();
        signed.params().iter().map(|(name, value)| ((*name).to_owned(), value.to_string())).collect()
    }

    /// The whole URL, signed.
    pub(super) fn url(&self, caller: &Caller) -> String {
        let encoded = |(name, value): (String, String)| {
            let value = utf8_percent_encode(&value, ENCODED);
            format!("&{name}={value}")
        };
        let signed: String = self.parameters(caller).into_iter().map(encoded).collect();
        self.bare() + &signed
    }

    fn signature(&self, caller: &Caller) -> Option<String> {
        let mut all = self.parameters(caller).into_iter();
        all.find(|(name, _)| name == "X-Amz-Signature").map(|(_, value)| value)
    }
}

/// Whom a token proves, or why it proves nobody.
pub(super) fn verify(
    token: &str,
    cluster: &str,
    callers: &Callers,
    now: Timestamp,
) -> Result<Caller, &'static str> {
    if token.len() > TOKEN_CHARS_MAX {
        return Err("the token is too long");
    }
    let url = token.strip_prefix(VERSION).ok_or("the token is not of EKS's form")?;
    let url = BASE64_URL_SAFE_NO_PAD.decode(url).map_err(|_| "the token is not base64 for URLs, unpadded")?;
    let url = String::from_utf8(url).map_err(|_| "the token holds no text")?;
    let (host, query) = url
        .strip_prefix("https://")
        .and_then(|rest| rest.split_once("/?"))
        .ok_or("the token holds no URL of an HTTPS endpoint's root")?;
    if !is_sts(host) {
        return Err("the URL is not of STS");
    }
    let query = Query::read(query)?;
    query.is_for_identity()?;
    let (access_key, region) = query.credential()?;
    let at = query.at()?;
    let valid = query.valid()?;
    let age = now.duration_since(at);
    if age > SignedDuration::try_from(valid).map_err(|_| "X-Amz-Expires is out of bounds")? {
        return Err("the token expired");
    }
    if -age > CLOCKS_DIFFER {
        return Err("the token is from the future");
    }
    let caller = callers.of(access_key).ok_or("nobody has this access key")?;
    if query.of("X-Amz-Security-Token")? != caller.session_token {
        return Err("the session token is another one");
    }
    let presigned = Presigned { host, region, cluster, at: at.into(), valid };
    if presigned.signature(&caller).as_deref() != Some(query.of("X-Amz-Signature")?) {
        return Err("the signature is of something else: other keys, another cluster, or other headers");
    }
    Ok(caller)
}

/// Whether a host is STS's, global or of a Region.
fn is_sts(host: &str) -> bool {
    let region = host.strip_suffix(".cn").unwrap_or(host).strip_suffix(".amazonaws.com");
    region.is_some_and(|rest| {
        rest == "sts"
            || rest.strip_prefix("sts.").is_some_and(|region| !region.contains(['.', '/', '@', ':']))
    })
}

/// What the URL of a token says.
struct Query(BTreeMap<String, String>);

impl Query {
    fn read(query: &str) -> Result<Self, &'static str> {
        let mut all = BTreeMap::new();
        for (name, value) in form_urlencoded::parse(query.as_bytes()) {
            if all.insert(name.into_owned(), value.into_owned()).is_some() {
                return Err("the URL says something twice");
            }
        }
        Ok(Self(all))
    }

    fn of(&self, name: &str) -> Result<&str, &'static str> {
        self.0.get(name).map(String::as_str).ok_or("the URL lacks a parameter")
    }

    fn is_for_identity(&self) -> Result<(), &'static str> {
        if self.of("Action")? != "GetCallerIdentity" || self.of("Version")? != "2011-06-15" {
            return Err("the URL asks for something else than the identity");
        }
        let signed = self.of("X-Amz-SignedHeaders")?;
        if !signed.split(';').any(|name| name == CLUSTER_HEADER) {
            return Err("the header x-k8s-aws-id is not signed");
        }
        Ok(())
    }

    /// The access key and the Region that it is signed for.
    fn credential(&self) -> Result<(&str, &str), &'static str> {
        let parts: Vec<&str> = self.of("X-Amz-Credential")?.split('/').collect();
        match parts[..] {
            [key, _, region, "sts", "aws4_request"] => Ok((key, region)),
            _ => Err("the URL is not signed for STS"),
        }
    }

    fn at(&self) -> Result<Timestamp, &'static str> {
        civil::DateTime::strptime("%Y%m%dT%H%M%SZ", self.of("X-Amz-Date")?)
            .and_then(|at| at.to_zoned(TimeZone::UTC))
            .map(|at| at.timestamp())
            .map_err(|_| "X-Amz-Date does not read")
    }

    fn valid(&self) -> Result<Duration, &'static str> {
        let seconds = self.of("X-Amz-Expires")?.parse().ok().filter(|seconds| *seconds <= VALID_S_MAX);
        seconds.map(Duration::from_secs).ok_or("X-Amz-Expires is out of bounds")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW_S: u64 = 1_795_000_000;

    fn system(at_s: u64) -> SystemTime {
        SystemTime::UNIX_EPOCH + Duration::from_secs(at_s)
    }

    fn presigned(host: &str) -> Presigned<'_> {
        let (at, valid) = (system(NOW_S), Duration::from_mins(1));
        Presigned { host, region: "eu-west-1", cluster: "a", at, valid }
    }

    fn told(url: &str, callers: &Callers) -> Result<Caller, &'static str> {
        let token = format!("{VERSION}{}", BASE64_URL_SAFE_NO_PAD.encode(url));
        verify(&token, "a", callers, system(NOW_S).try_into().unwrap())
    }

    #[test]
    fn a_token_of_any_sts_proves_its_caller() {
        let callers = Callers::default();
        let caller = callers.grant(&["readers"]);
        for host in ["sts.amazonaws.com", "sts.eu-west-1.amazonaws.com", "sts.cn-north-1.amazonaws.com.cn"] {
            let known = told(&presigned(host).url(&caller), &callers).unwrap();
            assert_eq!((known.username, known.groups), (caller.username.clone(), vec!["readers".to_owned()]));
        }
    }

    /// Signed well, but not for what a token is for.
    #[test]
    fn what_is_signed_for_something_else_proves_nobody() {
        let callers = Callers::default();
        let caller = callers.grant(&[]);
        let sts = presigned("sts.eu-west-1.amazonaws.com");
        let refused = |signed: Presigned<'_>| told(&signed.url(&caller), &callers).unwrap_err();
        for host in
            ["evil.example", "sts.amazonaws.com.evil.example", "sts.a.b.amazonaws.com", "s3.amazonaws.com"]
        {
            assert_eq!(refused(presigned(host)), "the URL is not of STS", "{host}");
        }
        let at = |at_s: u64| Presigned { at: system(at_s), ..sts };
        assert_eq!(refused(at(NOW_S - 61)), "the token expired");
        assert_eq!(refused(at(NOW_S + 301)), "the token is from the future");
        let long = Presigned { valid: Duration::from_secs(901), ..sts };
        assert_eq!(refused(long), "X-Amz-Expires is out of bounds");
        let other = Presigned { cluster: "b", ..sts };
        assert!(refused(other).starts_with("the signature is of something else"));
    }

    #[test]
    fn what_was_changed_after_signing_proves_nobody() {
        let callers = Callers::default();
        let caller = callers.grant(&[]);
        let url = presigned("sts.eu-west-1.amazonaws.com").url(&caller);
        for (from, to, why) in [
            ("https://", "http://", "no URL of an HTTPS endpoint"),
            ("/?", "/path?", "no URL of an HTTPS endpoint's root"),
            ("Action=GetCallerIdentity", "Action=AssumeRole", "something else than the identity"),
            ("Version=2011-06-15", "Version=2010-05-08", "something else than the identity"),
            ("host%3Bx-k8s-aws-id", "host", "x-k8s-aws-id is not signed"),
            ("%2Fsts%2F", "%2Fiam%2F", "not signed for STS"),
            ("&Version", "&Action=AssumeRole&Version", "twice"),
            ("X-Amz-Date=2", "X-Amz-Date=x", "does not read"),
            ("X-Amz-Signature=", "X-Other=", "lacks a parameter"),
            ("ASIA", "ASIX", "nobody has this access key"),
            ("X-Amz-Security-Token=", "X-Amz-Security-Token=x", "session token is another one"),
            ("X-Amz-Expires=60", "X-Amz-Expires=61", "the signature is of something else"),
        ] {
            assert!(url.contains(from), "{from} is not in {url}");
            let refused = told(&url.replacen(from, to, 1), &callers).unwrap_err();
            assert!(refused.contains(why), "{from} → {to}: {refused}");
        }
        let callers = Callers::default();
        let oversized = format!("{VERSION}{}", "a".repeat(TOKEN_CHARS_MAX));
        assert_eq!(verify(&oversized, "a", &callers, Timestamp::now()).unwrap_err(), "the token is too long");
    }
}
