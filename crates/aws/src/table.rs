//! The one table: its keys, its attributes, and how items are written and read.
//!
//! | pk | sk | what |
//! |---|---|---|
//! | `CLUSTER#arn` | `LEASE` | who may act on the cluster, or how its last run ended |
//! | `RUN#id` | `E#00000001` | one line of the run's ledger; never changed |
//! | `RUN#id` | `HEAD` | the run at a glance, for lists; follows from the lines |
//! | `NOTICE#key` | subject | what became of one subject of a notice or sweep |
//! | `REFUSED#digest` | `REFUSED` | an event that was refused |
//! | `CAMPAIGN#id` | `E#00000001` | one line of the campaign's record; never changed |
//! | `CAMPAIGN#id` | `HEAD` | the campaign at a glance, for lists; follows from the lines |
//! | `CONTROL` | `KILL-SWITCH` | how the kill switch stands |
//! | `CONTROL` | `S#time` | how it was put then; never changed |
//! | `CONSENT#arn` | consent id | a consent; revoked or expired, it stays |
//! | `APPROVAL#id` | `HEAD` | a question, the token that waits for its answer, the answer |
//! | `LEARNED` | `DURATIONS` | how long steps took here |
//!
//! Items with `kind` and `updated_at` are in the index `by-kind`. Only notices and refusals expire.

use std::collections::HashMap;

use aws_sdk_dynamodb::types::AttributeValue;

pub const PK: &str = "pk";
pub const SK: &str = "sk";
pub const BY_KIND: &str = "by-kind";

pub type Item = HashMap<String, AttributeValue>;

/// Days after which notices and refusals are forgotten: Health repeats itself within half a year.
const REMEMBERED_DAYS: u64 = 400;

/// Builds an item.
#[derive(Default)]
pub struct Building(Item);

impl Building {
    pub fn key(pk: String, sk: impl Into<String>) -> Self {
        Self::default().text(PK, pk).text(SK, sk)
    }

    pub fn text(mut self, name: &str, value: impl Into<String>) -> Self {
        self.0.insert(name.to_owned(), AttributeValue::S(value.into()));
        self
    }

    pub fn maybe(self, name: &str, value: Option<impl Into<String>>) -> Self {
        match value {
            Some(value) => self.text(name, value),
            None => self,
        }
    }

    pub fn number(mut self, name: &str, value: impl std::fmt::Display) -> Self {
        self.0.insert(name.to_owned(), AttributeValue::N(value.to_string()));
        self
    }

    pub fn flag(mut self, name: &str, value: bool) -> Self {
        self.0.insert(name.to_owned(), AttributeValue::Bool(value));
        self
    }

    /// Lets DynamoDB delete the item one day. By the system's clock and not the deployment's: it is
    /// DynamoDB that compares it.
    pub fn expiring(self) -> Self {
        let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
        let at_s = now.map_or(0, |since| since.as_secs()) + REMEMBERED_DAYS * 86_400;
        self.number("expires_at", at_s)
    }

    pub fn build(self) -> Item {
        self.0
    }
}

/// The text of an attribute.
pub fn text<'a>(item: &'a Item, name: &str) -> Option<&'a str> {
    item.get(name).and_then(|value| value.as_s().ok()).map(String::as_str)
}

/// The number of an attribute.
pub fn number<T: std::str::FromStr>(item: &Item, name: &str) -> Option<T> {
    item.get(name).and_then(|value| value.as_n().ok()).and_then(|text| text.parse().ok())
}

/// Whether an attribute is there and true.
pub fn flag(item: &Item, name: &str) -> bool {
    item.get(name).and_then(|value| value.as_bool().ok()).copied().unwrap_or(false)
}
