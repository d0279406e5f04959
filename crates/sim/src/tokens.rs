//! Client request tokens: the same request again is the same update, not a second one.

use crate::http::ApiError;
use crate::state::{Cluster, Scope};
use crate::time::Ms;

/// A token that was used, and for what.
#[derive(Clone, Debug)]
pub(crate) struct Token {
    text: String,
    scope: Scope,
    /// Everything else that was asked, as text.
    asked: String,
    update: String,
    at: Ms,
}

/// What a request says of itself: its token, if any, and the rest of it as text.
pub(crate) struct Claim<'a> {
    pub(crate) token: Option<&'a str>,
    pub(crate) scope: Scope,
    pub(crate) asked: String,
}

impl Cluster {
    /// The update that this claim has started before; a refusal when its token was used for something else.
    pub(crate) fn claimed(
        &self,
        claim: &Claim<'_>,
        now: Ms,
        honoured: Option<Ms>,
    ) -> Result<Option<&str>, ApiError> {
        let Some(token) = claim.token else { return Ok(None) };
        let fresh = |used: &&Token| honoured.is_none_or(|honoured| now - used.at < honoured);
        match self.tokens.iter().filter(fresh).find(|used| used.text == token) {
            None => Ok(None),
            Some(used) if used.scope == claim.scope && used.asked == claim.asked => Ok(Some(&used.update)),
            Some(_) => Err(ApiError::invalid_parameter(format!(
                "The client request token {token} was used before in a request with other parameters."
            ))
            .with("clusterName", &self.spec.name)),
        }
    }

    /// Remembers what the claim has started.
    pub(crate) fn remember(&mut self, claim: Claim<'_>, update: &str, now: Ms) {
        if let Some(token) = claim.token {
            let Claim { scope, asked, .. } = claim;
            let text = token.to_owned();
            self.tokens.push(Token { text, scope, asked, update: update.to_owned(), at: now });
        }
    }
}
