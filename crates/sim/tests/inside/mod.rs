//! The API server of cluster `a` in a story.
#![allow(dead_code, clippy::unwrap_used, reason = "helpers of tests; not each test needs all")]

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use eks_upgrade_sim::{Request, Response};
use jiff::Timestamp;
use serde_json::{Value, json};

use crate::story::Story;

/// The account of cluster `a`.
pub const ACCOUNT: &str = "123456789012";

/// A token that was made at `at` and holds a minute.
pub fn token(key: &str, at: Timestamp) -> String {
    let date = at.strftime("%Y%m%dT%H%M%SZ").to_string();
    let scope = format!("{key}/{}/us-east-1/sts/aws4_request", &date[..8]);
    let mut query = form_urlencoded::Serializer::new(String::new());
    for (name, value) in [
        ("Action", "GetCallerIdentity"),
        ("Version", "2011-06-15"),
        ("X-Amz-Algorithm", "AWS4-HMAC-SHA256"),
        ("X-Amz-Credential", &scope),
        ("X-Amz-Date", &date),
        ("X-Amz-Expires", "60"),
        ("X-Amz-SignedHeaders", "host;x-k8s-aws-id"),
        ("X-Amz-Signature", "5ec7e7"),
    ] {
        query.append_pair(name, value);
    }
    let url = format!("https://sts.us-east-1.amazonaws.com/?{}", query.finish());
    format!("k8s-aws-v1.{}", URL_SAFE_NO_PAD.encode(url))
}

impl Story {
    /// Sends a request with these headers to the API server.
    pub fn knock(&mut self, method: &str, path: &str, headers: &[(&str, &str)], body: &str) -> Response {
        let (path, query) = path.split_once('?').unwrap_or((path, ""));
        let own = |(name, value): &(&str, &str)| ((*name).to_owned(), (*value).to_owned());
        let request = Request {
            method: method.to_owned(),
            path: format!("/{ACCOUNT}/us-east-1/a{path}"),
            query: query.to_owned(),
            headers: headers.iter().map(own).collect(),
            body: body.as_bytes().to_vec(),
            received: None,
        };
        self.world.kubernetes(self.now, &request)
    }

    pub fn kube_with(&mut self, method: &str, path: &str, content_type: &str, body: &Value) -> (u16, Value) {
        let bearer = format!("Bearer {}", token("AKID", self.now));
        let headers = [("authorization", bearer.as_str()), ("content-type", content_type)];
        let body = if body.is_null() { String::new() } else { body.to_string() };
        let response = self.knock(method, path, &headers, &body);
        let answer = serde_json::from_str(&response.body).unwrap_or_else(|_| json!(response.body));
        (response.status, answer)
    }

    pub fn kube(&mut self, method: &str, path: &str, body: &Value) -> (u16, Value) {
        self.kube_with(method, path, "application/json", body)
    }

    /// Reads something that must be there.
    pub fn get(&mut self, path: &str) -> Value {
        let (status, body) = self.kube("GET", path, &Value::Null);
        assert_eq!(status, 200, "{path}: {body}");
        body
    }

    /// The members of a list.
    pub fn list(&mut self, path: &str) -> Vec<Value> {
        self.get(path)["items"].as_array().unwrap().clone()
    }

    /// Names of the pods that a label selects.
    pub fn pods(&mut self, app: &str) -> Vec<Value> {
        self.list(&format!("/api/v1/namespaces/default/pods?labelSelector=app%3D{app}"))
    }

    pub fn merge(&mut self, path: &str, change: &Value) -> Value {
        let (status, body) = self.kube_with("PATCH", path, "application/merge-patch+json", change);
        assert_eq!(status, 200, "{path}: {body}");
        body
    }

    /// Asks for the eviction of a pod; gives the answer.
    pub fn evict(&mut self, pod: &str, options: &Value) -> (u16, Value) {
        let body = json!({"apiVersion": "policy/v1", "kind": "Eviction",
                          "metadata": {"name": pod, "namespace": "default"}, "deleteOptions": options});
        self.kube("POST", &format!("/api/v1/namespaces/default/pods/{pod}/eviction"), &body)
    }

    pub fn cordon(&mut self, node: &str) {
        self.merge(&format!("/api/v1/nodes/{node}"), &json!({"spec": {"unschedulable": true}}));
    }
}

/// The name of an object.
pub fn name(object: &Value) -> &str {
    object["metadata"]["name"].as_str().unwrap()
}

/// What a condition says.
pub fn condition<'a>(object: &'a Value, kind: &str) -> &'a str {
    let conditions = object["status"]["conditions"].as_array().unwrap();
    let found = conditions.iter().find(|condition| condition["type"] == kind);
    found.and_then(|condition| condition["status"].as_str()).unwrap_or("absent")
}

/// How many of the pods are ready.
pub fn ready(pods: &[Value]) -> usize {
    pods.iter().filter(|pod| condition(pod, "Ready") == "True").count()
}
