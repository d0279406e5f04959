//! The parameters of a call of the query protocol: `Tags.member.1.Key` is the key of the first of its tags.

use std::collections::BTreeMap;
use std::ops::RangeInclusive;

use serde_json::{Map, Value};

use crate::http::{ApiError, Protocol};
use crate::route::Call;
use crate::xml::Dialect;

/// Parameters of one call.
pub(super) struct Form<'a> {
    fields: Option<&'a Map<String, Value>>,
    operation: &'static str,
    dialect: Dialect,
}

/// What somebody looks for: any of `values` under `name`.
pub(super) struct Filter<'a> {
    pub(super) name: &'a str,
    pub(super) values: Vec<&'a str>,
}

/// Some of what was found.
pub(super) struct Page {
    pub(super) items: Vec<Value>,
    /// Where the next page begins, if there is one.
    pub(super) next: Option<String>,
}

/// The parameters that every call has.
const ENVELOPE: [&str; 2] = ["Action", "Version"];

impl<'a> Form<'a> {
    pub(super) fn of(call: &'a Call) -> Self {
        let dialect = match call.protocol {
            Protocol::Query(dialect) => dialect,
            Protocol::RestJson | Protocol::JsonRpc => Dialect::AutoScaling,
        };
        Self { fields: call.body.as_object(), operation: call.operation, dialect }
    }

    /// A refusal of what was sent.
    pub(super) fn wrong(&self, message: impl Into<String>) -> ApiError {
        let kind = if self.dialect == Dialect::Ec2 { "InvalidParameterValue" } else { "ValidationError" };
        ApiError::new(kind, 400, message)
    }

    /// A parameter, if it is there and not empty.
    pub(super) fn text(&self, name: &str) -> Option<&'a str> {
        self.fields?.get(name)?.as_str().filter(|text| !text.is_empty())
    }

    /// A parameter that must be there.
    pub(super) fn required(&self, name: &str) -> Result<&'a str, ApiError> {
        let kind = if self.dialect == Dialect::Ec2 { "MissingParameter" } else { "ValidationError" };
        let missing = || ApiError::new(kind, 400, format!("The request must contain the parameter {name}"));
        self.text(name).ok_or_else(missing)
    }

    /// A number that is not negative.
    pub(super) fn number(&self, name: &str) -> Result<Option<u32>, ApiError> {
        let read = |text: &str| {
            text.parse().map_err(|_| self.wrong(format!("{name} must be a number from 0, not {text:?}")))
        };
        self.text(name).map(read).transpose()
    }

    /// `true` or `false`.
    pub(super) fn flag(&self, name: &str) -> Result<Option<bool>, ApiError> {
        match self.text(name) {
            None => Ok(None),
            Some("true") => Ok(Some(true)),
            Some("false") => Ok(Some(false)),
            Some(text) => Err(self.wrong(format!("{name} must be true or false, not {text:?}"))),
        }
    }

    /// The entries of a list of texts.
    pub(super) fn list(&self, prefix: &str) -> Vec<&'a str> {
        (1..).map_while(|n| self.text(&format!("{prefix}.{n}"))).collect()
    }

    /// The entry of a list that has no other.
    pub(super) fn only_entry(&self, prefix: &str) -> Option<&'a str> {
        match self.list(prefix).as_slice() {
            [one] => Some(one),
            _ => None,
        }
    }

    /// The prefixes of the entries of a list of structures.
    pub(super) fn entries(&self, prefix: &str) -> Vec<String> {
        let there = |entry: &String| {
            let inside = format!("{entry}.");
            self.fields.is_some_and(|fields| fields.keys().any(|key| key.starts_with(&inside)))
        };
        let entry = |n| Some(format!("{prefix}.{n}")).filter(|entry| there(entry));
        (1..).map_while(entry).collect()
    }

    /// What is looked for.
    pub(super) fn filters(&self) -> Vec<Filter<'a>> {
        let (list, values) = match self.dialect {
            Dialect::Ec2 => ("Filter", "Value"),
            Dialect::Sts | Dialect::AutoScaling => ("Filters.member", "Values.member"),
        };
        let entries = self.entries(list).into_iter();
        let filters = entries.filter_map(|entry| {
            let name = self.text(&format!("{entry}.Name"))?;
            Some(Filter { name, values: self.list(&format!("{entry}.{values}")) })
        });
        filters.collect()
    }

    /// Whether all filters fit something. `told` gives what it says under a filter's name; `None`: nobody can
    /// filter by that here.
    pub(super) fn fits(
        &self,
        filters: &[Filter<'_>],
        told: impl Fn(&str) -> Option<Vec<String>>,
    ) -> Result<bool, ApiError> {
        for filter in filters {
            let says = told(filter.name)
                .ok_or_else(|| self.wrong(format!("The filter '{}' is invalid", filter.name)))?;
            if !says.iter().any(|said| filter.values.contains(&said.as_str())) {
                return Ok(false);
            }
        }
        Ok(true)
    }

    /// Refuses parameters other than these, and what is in them: what the simulator would forget silently.
    pub(super) fn only(&self, known: &[&str]) -> Result<(), ApiError> {
        let is_known = |name: &str| {
            let inside = |whole: &&str| name.strip_prefix(*whole).is_some_and(|rest| rest.starts_with('.'));
            ENVELOPE.contains(&name) || known.contains(&name) || known.iter().any(inside)
        };
        let strange = self.fields.and_then(|fields| fields.keys().find(|name| !is_known(name)));
        match strange {
            None => Ok(()),
            Some(name) => Err(self.wrong(format!("The simulator knows no {name} of {}", self.operation))),
        }
    }

    /// The page of `items` that is asked for; its size stands under the name `size`.
    pub(super) fn page(
        &self,
        mut items: Vec<Value>,
        size: &str,
        usual: u32,
        bounds: RangeInclusive<u32>,
    ) -> Result<Page, ApiError> {
        let asked = self.number(size)?.unwrap_or(usual);
        if !bounds.contains(&asked) {
            let (least, most) = (bounds.start(), bounds.end());
            return Err(self.wrong(format!("{size} must be between {least} and {most}, not {asked}")));
        }
        let from = match self.text("NextToken") {
            None => 0,
            Some(token) => self.offset(token).filter(|from| *from <= items.len()).ok_or_else(|| {
                ApiError::new("InvalidNextToken", 400, format!("The token '{token}' is invalid."))
            })?,
        };
        let asked = usize::try_from(asked).unwrap_or(usize::MAX);
        let mut rest = items.split_off(from);
        let next = (rest.len() > asked).then(|| format!("{}-{}", self.operation, from + asked));
        rest.truncate(asked);
        Ok(Page { items: rest, next })
    }

    fn offset(&self, token: &str) -> Option<usize> {
        token.strip_prefix(self.operation)?.strip_prefix('-')?.parse().ok()
    }
}

/// What tags say under a filter's name; `None` for a filter that is none of tags.
pub(super) fn tags_say(tags: &BTreeMap<&str, &str>, filter: &str) -> Option<Vec<String>> {
    let owned = |text: &&str| (*text).to_owned();
    match filter {
        "tag-key" => Some(tags.keys().map(owned).collect()),
        "tag-value" => Some(tags.values().map(owned).collect()),
        _ => filter.strip_prefix("tag:").map(|key| tags.get(key).map(owned).into_iter().collect()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn call(body: Value) -> Call {
        let protocol = Protocol::Query(Dialect::AutoScaling);
        Call { operation: "SetDesiredCapacity", body, protocol, ..Call::default() }
    }

    #[test]
    fn lists_end_at_the_first_gap() {
        let call = call(json!({"A.member.1": "x", "A.member.2": "y", "A.member.4": "z", "A.member.10": "w"}));
        assert_eq!(Form::of(&call).list("A.member"), ["x", "y"]);
        let call = self::call(json!({"T.member.1.Key": "x", "T.member.2.Key": "y", "T.member.22.Key": "z"}));
        assert_eq!(Form::of(&call).entries("T.member"), ["T.member.1", "T.member.2"]);
    }

    #[test]
    fn what_is_not_known_is_refused_and_what_is_in_what_is_known_is_not() {
        let call = call(json!({"Action": "x", "Tags.member.1.Key": "y", "Tag": "z"}));
        let refusal = Form::of(&call).only(&["Tags"]).unwrap_err();
        assert!(refusal.message.contains("no Tag of SetDesiredCapacity"), "{}", refusal.message);
        assert!(Form::of(&call).only(&["Tags", "Tag"]).is_ok());
    }

    #[test]
    fn pages_follow_one_another_to_the_end() {
        let items = || (0..5).map(Value::from).collect::<Vec<_>>();
        let mut token = String::new();
        let mut sizes = Vec::new();
        loop {
            let call = call(json!({"MaxRecords": "2", "NextToken": token}));
            let page = Form::of(&call).page(items(), "MaxRecords", 50, 1..=100).unwrap();
            sizes.push(page.items.len());
            match page.next {
                Some(next) => token = next,
                None => break,
            }
        }
        assert_eq!(sizes, [2, 2, 1]);
        for (size, token, kind) in [("0", "", "ValidationError"), ("2", "other-2", "InvalidNextToken")] {
            let call = call(json!({"MaxRecords": size, "NextToken": token}));
            let refusal = Form::of(&call).page(items(), "MaxRecords", 50, 1..=100).err().map(|e| e.kind);
            assert_eq!(refusal.as_deref(), Some(kind));
        }
    }
}
