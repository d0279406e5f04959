//! Who asks: an EKS token, which is a presigned request to STS.
//!
//! The header that binds it to a cluster, `x-k8s-aws-id`, is signed but not part of the URL, and signatures are not
//! checked here: a token that was made for another cluster is not noticed.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

use super::status::Failure;
use crate::caller::credential;
use crate::http::Request;

const PREFIX: &str = "k8s-aws-v1.";
/// The header that must be signed.
const CLUSTER_HEADER: &str = "x-k8s-aws-id";
/// What `X-Amz-Expires` may be. The authenticator of EKS accepts up to a quarter of an hour.
const EXPIRES: std::ops::RangeInclusive<u32> = 1..=900;

/// What a token says, as the request that it stands for. No `Debug`: a token is never shown.
pub(crate) struct Token(Request);

/// 401, as the API server says it; it never says why.
pub(crate) fn unauthorized() -> Failure {
    Failure::new(401, "Unauthorized", "Unauthorized")
}

impl Token {
    /// The token of a request, if it has the form of one: for `GetCallerIdentity`, with the right header signed, valid
    /// for no longer than tokens may be.
    pub(crate) fn of(request: &Request) -> Option<Self> {
        let (scheme, token) = request.header("authorization")?.split_once(' ')?;
        let encoded = token.trim().strip_prefix(PREFIX).filter(|_| scheme.eq_ignore_ascii_case("bearer"))?;
        let url = String::from_utf8(URL_SAFE_NO_PAD.decode(encoded).ok()?).ok()?;
        let (base, query) = url.split_once('?')?;
        let host = base.split_once("://")?.1;
        let (_, path) = host.split_once('/').unwrap_or((host, ""));
        let presigned = Request {
            method: "GET".to_owned(),
            path: format!("/{path}"),
            query: query.to_owned(),
            received: request.received,
            ..Request::default()
        };
        let token = Self(presigned);
        let signed: Vec<String> =
            token.parameter("X-Amz-SignedHeaders")?.split(';').map(str::to_owned).collect();
        let valid = token.parameter("X-Amz-Expires")?.parse().is_ok_and(|seconds| EXPIRES.contains(&seconds));
        let fits = path.is_empty()
            && valid
            && token.parameter("Action")? == "GetCallerIdentity"
            && ["host", CLUSTER_HEADER].iter().all(|header| signed.iter().any(|name| name == header))
            && token.parameter("X-Amz-Signature").is_some()
            && credential(&token.0).is_some();
        fits.then_some(token)
    }

    /// The request that STS would get.
    pub(crate) fn presigned(&self) -> &Request {
        &self.0
    }

    fn parameter(&self, name: &str) -> Option<String> {
        let mut pairs = form_urlencoded::parse(self.0.query.as_bytes());
        pairs.find(|(key, _)| key == name).map(|(_, value)| value.into_owned())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const QUERY: [(&str, &str); 8] = [
        ("Action", "GetCallerIdentity"),
        ("Version", "2011-06-15"),
        ("X-Amz-Algorithm", "AWS4-HMAC-SHA256"),
        ("X-Amz-Credential", "AKID/20260818/us-east-1/sts/aws4_request"),
        ("X-Amz-Date", "20260818T091500Z"),
        ("X-Amz-Expires", "60"),
        ("X-Amz-SignedHeaders", "host;x-k8s-aws-id"),
        ("X-Amz-Signature", "00"),
    ];

    fn is_token(changed: Option<(&str, &str)>, scheme: &str) -> bool {
        let mut query = form_urlencoded::Serializer::new(String::new());
        for (name, value) in QUERY {
            let value = changed.filter(|(other, _)| *other == name).map_or(value, |(_, value)| value);
            query.append_pair(name, value);
        }
        let url = format!("https://sts.us-east-1.amazonaws.com/?{}", query.finish());
        let header = format!("{scheme} {PREFIX}{}", URL_SAFE_NO_PAD.encode(url));
        let headers = vec![("authorization".to_owned(), header)];
        Token::of(&Request { headers, ..Request::default() }).is_some()
    }

    #[test]
    fn only_what_sts_would_answer_who_asks_is_a_token() {
        assert!(is_token(None, "Bearer"));
        assert!(!is_token(None, "Basic"));
        for wrong in [
            ("Action", "AssumeRole"),
            ("X-Amz-SignedHeaders", "host"),
            ("X-Amz-SignedHeaders", "x-k8s-aws-id"),
            ("X-Amz-Expires", "901"),
            ("X-Amz-Expires", "soon"),
            ("X-Amz-Credential", "AKID"),
        ] {
            assert!(!is_token(Some(wrong), "Bearer"), "{wrong:?}");
        }
        let headers = vec![("authorization".to_owned(), "Bearer k8s-aws-v1.%%%".to_owned())];
        assert!(Token::of(&Request { headers, ..Request::default() }).is_none());
    }
}
