//! Reads of EC2: subnets, instances, images.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Value, json};

use super::clusters_of;
use super::form::{Form, tags_say};
use crate::asg::group::Subnet;
use crate::asg::image::Image;
use crate::asg::instance::Instance;
use crate::http::ApiError;
use crate::ops::Done;
use crate::route::Call;
use crate::time::rfc3339;
use crate::world::World;

/// Most entries of a page, and how many there are when nobody says.
const PAGE_MAX: u32 = 1000;
/// Fewest entries of a page.
const PAGE_MIN: u32 = 5;

fn answer(form: &Form<'_>, key: &str, found: Vec<Value>) -> Result<Done, ApiError> {
    let page = form.page(found, "MaxResults", PAGE_MAX, PAGE_MIN..=PAGE_MAX)?;
    Ok(Done::read(json!({key: page.items, "nextToken": page.next})))
}

/// Refuses when one of the ids that were asked for is not there.
fn all_there(asked: &[&str], there: &BTreeSet<String>, kind: &str, what: &str) -> Result<(), ApiError> {
    match asked.iter().find(|id| !there.contains(**id)) {
        None => Ok(()),
        Some(id) => Err(ApiError::new(kind, 400, format!("The {what} ID '{id}' does not exist"))),
    }
}

pub(super) fn subnets(world: &World, call: &Call) -> Result<Done, ApiError> {
    let form = Form::of(call);
    form.only(&["SubnetId", "Filter", "MaxResults", "NextToken"])?;
    let (ids, filters) = (form.list("SubnetId"), form.filters());
    let (mut seen, mut found) = (BTreeSet::new(), Vec::new());
    for (subnet, free) in clusters_of(world, &call.caller).flat_map(crate::state::Cluster::subnets) {
        // Clusters may share a subnet; EC2 has it once.
        if !seen.insert(subnet.id.clone()) || !(ids.is_empty() || ids.contains(&subnet.id.as_str())) {
            continue;
        }
        let says = |filter: &str| match filter {
            "subnet-id" => Some(vec![subnet.id.clone()]),
            "availability-zone" => Some(vec![subnet.zone.clone()]),
            _ => None,
        };
        if form.fits(&filters, says)? {
            found.push(describe_subnet(&subnet, free, &call.caller.account));
        }
    }
    all_there(&ids, &seen, "InvalidSubnetID.NotFound", "subnet")?;
    answer(&form, "subnetSet", found)
}

fn describe_subnet(subnet: &Subnet, free: u32, account: &str) -> Value {
    json!({
        "subnetId": subnet.id,
        "vpcId": "vpc-0f00ba4",
        "ownerId": account,
        "availabilityZone": subnet.zone,
        "availableIpAddressCount": free,
        "state": "available",
    })
}

pub(super) fn instances(world: &World, call: &Call) -> Result<Done, ApiError> {
    let form = Form::of(call);
    form.only(&["InstanceId", "Filter", "MaxResults", "NextToken"])?;
    let (ids, filters) = (form.list("InstanceId"), form.filters());
    let groups = clusters_of(world, &call.caller).flat_map(|cluster| cluster.self_managed.values());
    let (mut seen, mut found) = (BTreeSet::new(), Vec::new());
    for instance in groups.flat_map(|group| &group.instances) {
        seen.insert(instance.id.clone());
        let asked = ids.is_empty() || ids.contains(&instance.id.as_str());
        if asked && form.fits(&filters, |filter| instance_says(instance, filter))? {
            found.push(describe_instance(instance, &call.caller.account));
        }
    }
    all_there(&ids, &seen, "InvalidInstanceID.NotFound", "instance")?;
    answer(&form, "reservationSet", found)
}

fn instance_says(instance: &Instance, filter: &str) -> Option<Vec<String>> {
    let one = |text: &str| Some(vec![text.to_owned()]);
    match filter {
        "instance-id" => one(&instance.id),
        "private-dns-name" => one(&instance.node),
        "instance-state-name" => one(instance.instance_state().1),
        _ => {
            let tags: BTreeMap<&str, &str> =
                instance.tags.iter().map(|(key, value)| (key.as_str(), value.as_str())).collect();
            tags_say(&tags, filter)
        }
    }
}

/// A reservation of one instance.
fn describe_instance(instance: &Instance, account: &str) -> Value {
    let (code, state) = instance.instance_state();
    let tags = instance.tags.iter().map(|(key, value)| json!({"key": key, "value": value}));
    json!({
        "reservationId": instance.id.replacen("i-", "r-", 1),
        "ownerId": account,
        "instancesSet": [{
            "instanceId": instance.id,
            "imageId": instance.image.id(),
            "instanceState": {"code": code, "name": state},
            "instanceType": instance.hardware,
            "launchTime": rfc3339(instance.launched),
            "placement": {"availabilityZone": instance.subnet.zone, "tenancy": "default"},
            "privateDnsName": instance.node,
            "privateIpAddress": instance.address(),
            "subnetId": instance.subnet.id,
            "vpcId": "vpc-0f00ba4",
            "tagSet": tags.collect::<Vec<_>>(),
        }],
    })
}

pub(super) fn images(world: &World, call: &Call) -> Result<Done, ApiError> {
    let form = Form::of(call);
    form.only(&["ImageId", "MaxResults", "NextToken"])?;
    let ids = form.list("ImageId");
    if ids.is_empty() {
        // All of AWS's images are a million; nobody who asks for them wants them.
        return Err(ApiError::new("MissingParameter", 400, "The simulator wants an ImageId"));
    }
    let find = |id: &str| {
        let mut clusters = clusters_of(world, &call.caller);
        let image = clusters.find_map(|cluster| cluster.image(id)).or_else(|| published(id));
        let missing =
            || ApiError::new("InvalidAMIID.NotFound", 400, format!("The image id '[{id}]' does not exist"));
        image.map(|image| describe_image(&image, &call.caller.account)).ok_or_else(missing)
    };
    let found = ids.into_iter().map(find).collect::<Result<Vec<_>, _>>()?;
    answer(&form, "imagesSet", found)
}

/// AWS's images are there for those without a cluster too.
fn published(id: &str) -> Option<Image> {
    crate::asg::image::Published::of_id(id).map(Image::Published)
}

fn describe_image(image: &Image, account: &str) -> Value {
    let mut body = match image {
        Image::Published(image) => json!({
            "name": image.name(),
            "description": image.description(),
            "architecture": image.architecture_name(),
            "imageOwnerId": image.owner(),
            "imageOwnerAlias": "amazon",
            "isPublic": true,
        }),
        // What is in an image of their own, its name need not tell.
        Image::Own { id, .. } => json!({
            "name": format!("own-{id}"),
            "architecture": "x86_64",
            "imageOwnerId": account,
            "isPublic": false,
        }),
    };
    body["imageId"] = json!(image.id());
    body["imageState"] = json!("available");
    body["imageType"] = json!("machine");
    body
}
