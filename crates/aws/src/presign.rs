//! `sts:GetCallerIdentity` requests that are signed and not sent: whoever is given one may send it, and learns from
//! STS who signed it. Both proofs of ours and tokens of EKS's are made of them; a signed header tells them apart.

use std::time::{Duration, SystemTime};

use aws_config::SdkConfig;
use aws_sdk_sts::config::{Credentials, ProvideCredentials};
use aws_sigv4::http_request::{SignableBody, SignableRequest, SignatureLocation, SigningSettings, sign};
use aws_sigv4::sign::v4;
use eks_upgrade_pipeline::ports::EksDown;
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};

use crate::chain;

pub(crate) const OP: &str = "sts:GetCallerIdentity";
/// What a signature of version 4 leaves as it is.
pub(crate) const ENCODED: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'_').remove(b'.').remove(b'~');

/// A header that is signed with the request: without the same name and value STS refuses it.
#[derive(Clone, Copy, Debug)]
pub struct Header<'a> {
    /// Its name, in lower case.
    pub name: &'a str,
    /// Its value.
    pub value: &'a str,
}

pub(crate) fn failed(why: impl Into<String>) -> EksDown {
    EksDown { operation: OP, denied: false, why: why.into() }
}

/// STS of a local stack, where there is one.
pub(crate) fn local_endpoint() -> Option<String> {
    let set = |name: &str| std::env::var(name).ok().filter(|url| !url.is_empty());
    let url = set("AWS_ENDPOINT_URL_STS").or_else(|| set("AWS_ENDPOINT_URL"))?;
    Some(url.trim_end_matches('/').to_owned())
}

/// STS of a Region.
pub(crate) fn endpoint_of(region: &str) -> String {
    let suffix = if region.starts_with("cn-") { "amazonaws.com.cn" } else { "amazonaws.com" };
    format!("https://sts.{region}.{suffix}")
}

/// The URL of a request to the Region's STS, signed with this header by whoever has these credentials, valid for
/// so many seconds. Whoever has the URL can pass for the signer where such URLs are believed: it is a secret.
pub async fn caller_identity(
    config: &SdkConfig,
    header: Header<'_>,
    valid_s: u64,
) -> Result<String, EksDown> {
    let provider = config.credentials_provider().ok_or_else(|| failed("there are no AWS credentials"))?;
    let credentials = provider.provide_credentials().await.map_err(|error| failed(chain(&error)))?;
    let region = config.region().ok_or_else(|| failed("no AWS Region is set"))?.as_ref();
    let endpoint = local_endpoint().unwrap_or_else(|| endpoint_of(region));
    // By the system's clock and not the deployment's: it is STS that compares it.
    presign(credentials, region, &endpoint, header, valid_s, SystemTime::now())
}

pub(crate) fn presign(
    credentials: Credentials,
    region: &str,
    endpoint: &str,
    header: Header<'_>,
    valid_s: u64,
    now: SystemTime,
) -> Result<String, EksDown> {
    let identity = credentials.into();
    let mut settings = SigningSettings::default();
    settings.signature_location = SignatureLocation::QueryParams;
    settings.expires_in = Some(Duration::from_secs(valid_s));
    let params = v4::SigningParams::builder()
        .identity(&identity)
        .region(region)
        .name("sts")
        .time(now)
        .settings(settings)
        .build()
        .map_err(|error| failed(chain(&error)))?
        .into();
    let url = format!("{endpoint}/?Action=GetCallerIdentity&Version=2011-06-15");
    let headers = std::iter::once((header.name, header.value));
    let request = SignableRequest::new("GET", &url, headers, SignableBody::Bytes(&[]))
        .map_err(|error| failed(chain(&error)))?;
    let (signed, _) = sign(request, &params).map_err(|error| failed(chain(&error)))?.into_parts();
    let more: Vec<String> = signed
        .params()
        .iter()
        .map(|(name, value)| format!("{name}={}", utf8_percent_encode(value, ENCODED)))
        .collect();
    Ok(format!("{url}&{}", more.join("&")))
}
