//! AWS Health: events about the end of standard support, and whom they affect.

use serde_json::{Value, json};

use super::{Done, page};
use crate::fleet::{HealthEventSpec, SupportPlan};
use crate::http::ApiError;
use crate::minor::Minor;
use crate::rng::Rng;
use crate::route::Call;
use crate::state::Place;
use crate::time::{DAY, MINUTE, Ms, epoch_seconds};
use crate::world::World;

const CODE: &str = "AWS_EKS_PLANNED_LIFECYCLE_EVENT";
/// Notices are sent that long before the end of standard support.
const NOTICE: Ms = 180 * DAY;
/// Health learns of an upgrade that late.
const ENTITY_LAG: Ms = DAY;

/// Events as AWS would have sent them by the start of the world.
pub(crate) fn usual_events(world: &World) -> Vec<HealthEventSpec> {
    let mut told: Vec<(Minor, &str, &str)> = world
        .clusters
        .values()
        .map(|cluster| (cluster.version, cluster.place.account.as_str(), cluster.place.region.as_str()))
        .collect();
    told.sort_unstable();
    told.dedup();
    let announced = |minor: Minor| {
        let end = world.calendar.end_of_standard(minor);
        end.is_some_and(|end| (world.start..world.start + NOTICE).contains(&end))
    };
    told.into_iter()
        .filter(|(minor, ..)| announced(*minor))
        .map(|(version, account, region)| event_of(world, version, account, region))
        .collect()
}

/// All accounts of a Region are told by the same event.
fn event_of(world: &World, version: Minor, account: &str, region: &str) -> HealthEventSpec {
    let number = Rng::new(world.place.seed, &version.to_string()).between(0, i64::MAX);
    HealthEventSpec {
        arn: format!("arn:aws:health:{region}::event/EKS/{CODE}/{CODE}_{number}"),
        version,
        account: Some(account.to_owned()),
        region: Some(region.to_owned()),
        clusters: None,
        last_updated: None,
    }
}

/// Where an event is told, and what it is about.
fn place(world: &World, event: &HealthEventSpec) -> Place {
    world.place.of(event.account.as_ref(), event.region.as_ref())
}

/// Health is one for all Regions: the caller sees the events of its account.
fn of_caller<'a>(world: &'a World, call: &'a Call) -> impl Iterator<Item = &'a HealthEventSpec> {
    world.events.iter().filter(|event| place(world, event).account == call.caller.account)
}

fn allowed(world: &World) -> Result<(), ApiError> {
    match world.plan {
        SupportPlan::Business => Ok(()),
        SupportPlan::None => Err(ApiError::new(
            "SubscriptionRequiredException",
            400,
            "Customer does not have the Support plan that the AWS Health API needs.",
        )),
    }
}

fn updated(world: &World, event: &HealthEventSpec) -> Ms {
    event.last_updated.map_or(world.start - 6 * MINUTE, jiff::Timestamp::as_millisecond)
}

fn status(world: &World, event: &HealthEventSpec) -> &'static str {
    let ended = |end: Option<Ms>| end.is_some_and(|end| world.now >= end);
    match () {
        () if ended(world.calendar.end_of_extended(event.version)) => "closed",
        () if ended(world.calendar.end_of_standard(event.version)) => "open",
        () => "upcoming",
    }
}

fn body(world: &World, event: &HealthEventSpec) -> Value {
    let start = world.calendar.end_of_standard(event.version).unwrap_or(world.start);
    json!({
        "arn": event.arn,
        "service": "EKS",
        "eventTypeCode": CODE,
        "eventTypeCategory": "scheduledChange",
        "region": place(world, event).region,
        "startTime": epoch_seconds(start),
        "lastUpdatedTime": epoch_seconds(updated(world, event)),
        "statusCode": status(world, event),
        "eventScopeCode": "ACCOUNT_SPECIFIC",
        "actionability": "ACTION_REQUIRED",
        "personas": ["OPERATIONS"],
    })
}

/// What an event says of one cluster: name, ARN, status.
fn affected<'a>(
    world: &'a World,
    event: &'a HealthEventSpec,
) -> impl Iterator<Item = (String, &'static str)> + 'a {
    let place = place(world, event);
    event.clusters.iter().flatten().map(move |name| {
        let resolved = world.clusters.get(name).is_none_or(|cluster| {
            cluster.version > event.version && world.now - cluster.version_since >= ENTITY_LAG
        });
        (place.arn(&format!("cluster/{name}")), if resolved { "RESOLVED" } else { "PENDING" })
    })
}

pub(super) fn events(world: &World, call: &Call) -> Result<Done, ApiError> {
    allowed(world)?;
    let wanted = |filter: &str, value: &str| {
        let list = call.texts(&format!("/filter/{filter}"));
        list.is_empty() || list.contains(&value)
    };
    let touches = |event: &HealthEventSpec| {
        let mut named = call.texts("/filter/entityValues");
        named.extend(call.texts("/filter/entityArns"));
        named.is_empty() || affected(world, event).any(|(arn, _)| named.contains(&arn.as_str()))
    };
    let events = of_caller(world, call).filter(|event| {
        wanted("services", "EKS")
            && wanted("regions", &place(world, event).region)
            && wanted("eventTypeCodes", CODE)
            && wanted("eventTypeCategories", "scheduledChange")
            && wanted("eventStatusCodes", status(world, event))
            && wanted("eventArns", &event.arn)
            && touches(event)
    });
    page(call, "events", events.map(|event| body(world, event)).collect())
}

pub(super) fn entities(world: &World, call: &Call) -> Result<Done, ApiError> {
    allowed(world)?;
    let arns = call.texts("/filter/eventArns");
    if arns.is_empty() {
        return Err(ApiError::new("ValidationException", 400, "filter.eventArns is required"));
    }
    let (values, statuses) = (call.texts("/filter/entityValues"), call.texts("/filter/statusCodes"));
    let (account, mut entities) = (&call.caller.account, Vec::new());
    for event in of_caller(world, call).filter(|event| arns.contains(&event.arn.as_str())) {
        for (arn, status) in affected(world, event) {
            if (values.is_empty() || values.contains(&arn.as_str()))
                && (statuses.is_empty() || statuses.contains(&status))
            {
                let id = Rng::new(world.place.seed, &arn).uuid();
                entities.push(json!({
                    "entityArn": format!("arn:aws:health:{}:{account}:entity/{id}", place(world, event).region),
                    "eventArn": event.arn,
                    "entityValue": arn,
                    "awsAccountId": account,
                    "lastUpdatedTime": epoch_seconds(updated(world, event)),
                    "statusCode": status,
                }));
            }
        }
    }
    page(call, "entities", entities)
}

pub(super) fn details(world: &World, call: &Call) -> Result<Done, ApiError> {
    allowed(world)?;
    let mut found = Vec::new();
    let mut missing = Vec::new();
    for arn in call.texts("/eventArns") {
        match of_caller(world, call).find(|event| event.arn == arn) {
            Some(event) => {
                let version = event.version;
                found.push(json!({
                    "event": body(world, event),
                    "eventDescription": {"latestDescription": format!(
                        "Standard support for Kubernetes version {version} in Amazon EKS will end."
                    )},
                    "eventMetadata": {"deprecated_versions": format!("Kubernetes {version} in EKS")},
                }));
            }
            None => missing.push(json!({
                "eventArn": arn, "errorName": "InvalidEvent", "errorMessage": "There is no such event."
            })),
        }
    }
    Ok(Done::read(json!({"successfulSet": found, "failedSet": missing})))
}
