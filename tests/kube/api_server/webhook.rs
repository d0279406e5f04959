//! The webhook that the server asks who a token is of, in EKS's stead.

use axum::extract::State;
use axum::routing::post;
use axum::{Json, Router};
use jiff::Timestamp;
use serde_json::{Value, json};
use tokio::net::TcpListener;

use super::caller::Callers;
use super::token::verify;

/// Whose cluster this is, and who has an access entry.
#[derive(Clone, Debug)]
pub(super) struct Webhook {
    pub(super) cluster: String,
    pub(super) callers: Callers,
}

impl Webhook {
    /// Answers `TokenReview`s, without end.
    pub(super) async fn serve(self, listener: TcpListener) {
        let routes = Router::new().route("/", post(review)).with_state(self);
        axum::serve(listener, routes).await.expect("it serves on a listener that is bound");
    }
}

async fn review(State(webhook): State<Webhook>, Json(asked): Json<Value>) -> Json<Value> {
    let token = asked["spec"]["token"].as_str().unwrap_or_default();
    let status = match verify(token, &webhook.cluster, &webhook.callers, Timestamp::now()) {
        Ok(caller) => json!({
            "authenticated": true,
            "user": {"username": caller.username, "groups": caller.groups},
        }),
        // The server logs why; the client gets to see a 401 and nothing else.
        Err(why) => json!({"authenticated": false, "error": why}),
    };
    Json(json!({"apiVersion": asked["apiVersion"], "kind": "TokenReview", "status": status}))
}
