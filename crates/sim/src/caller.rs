//! For whom a request is made: the account of its access key, the Region of its signature.
//!
//! Signatures are never checked; only what they say is read.

use crate::http::Request;

/// For whom a request is made.
#[derive(Clone, Debug, Default)]
pub(crate) struct Caller {
    /// The access key id, if the request is signed at all.
    pub(crate) key: Option<String>,
    pub(crate) account: String,
    pub(crate) region: String,
}

/// What `AKID/date/REGION/service/aws4_request` says.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Credential {
    pub(crate) key: String,
    pub(crate) region: String,
}

/// The credential of a signed request: from its header, or from its query when it was signed beforehand.
pub(crate) fn credential(request: &Request) -> Option<Credential> {
    let scope = match request.header("authorization") {
        Some(header) => {
            let (_, rest) = header.split_once("Credential=")?;
            rest.split([',', ' ']).next()?.to_owned()
        }
        None => form_urlencoded::parse(request.query.as_bytes())
            .find(|(name, _)| name == "X-Amz-Credential")
            .map(|(_, value)| value.into_owned())?,
    };
    match scope.split('/').collect::<Vec<_>>().as_slice() {
        [key, _date, region, _service, "aws4_request"] => {
            Some(Credential { key: (*key).to_owned(), region: (*region).to_owned() })
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn signed(header: &str, query: &str) -> Option<(String, String)> {
        let headers = match header {
            "" => Vec::new(),
            header => vec![("authorization".to_owned(), header.to_owned())],
        };
        let request = Request { headers, query: query.to_owned(), ..Request::default() };
        credential(&request).map(|credential| (credential.key, credential.region))
    }

    #[test]
    fn the_scope_is_read_from_header_or_query() {
        let expected = Some(("AKID".to_owned(), "eu-west-1".to_owned()));
        let header =
            "AWS4-HMAC-SHA256 Credential=AKID/20260818/eu-west-1/eks/aws4_request, SignedHeaders=host";
        assert_eq!(signed(header, ""), expected);
        assert_eq!(
            signed("", "a=b&X-Amz-Credential=AKID%2F20260818%2Feu-west-1%2Fsts%2Faws4_request"),
            expected
        );
        assert_eq!(signed("Bearer x", ""), None);
        assert_eq!(signed("AWS4-HMAC-SHA256 Credential=AKID/x", ""), None);
        assert_eq!(signed("", ""), None);
    }
}
