//! SSM's public parameters of node images.

use serde_json::{Value, json};

use crate::asg::image::Published;
use crate::fleet::{Architecture, ImageFamily};
use crate::http::ApiError;
use crate::minor::Minor;
use crate::ops::Done;
use crate::route::Call;
use crate::time::epoch_seconds;
use crate::world::World;

/// Most parameters of one call.
const NAMES_MAX: usize = 10;

fn invalid(message: impl Into<String>) -> ApiError {
    ApiError::new("ValidationException", 400, message)
}

pub(super) fn one(world: &World, call: &Call) -> Result<Done, ApiError> {
    let name = call.text("Name")?.ok_or_else(|| invalid("Name is required"))?;
    let missing = || ApiError::new("ParameterNotFound", 400, format!("Parameter {name} not found."));
    let parameter = describe(world, call, name).ok_or_else(missing)?;
    Ok(Done::read(json!({"Parameter": parameter})))
}

pub(super) fn several(world: &World, call: &Call) -> Result<Done, ApiError> {
    let names = call.texts("/Names");
    if !(1..=NAMES_MAX).contains(&names.len()) {
        return Err(invalid(format!("Names has 1 to {NAMES_MAX} entries")));
    }
    let (mut found, mut unknown) = (Vec::new(), Vec::new());
    for name in names {
        match describe(world, call, name) {
            Some(parameter) => found.push(parameter),
            None => unknown.push(name),
        }
    }
    Ok(Done::read(json!({"Parameters": found, "InvalidParameters": unknown})))
}

fn describe(world: &World, call: &Call, name: &str) -> Option<Value> {
    let value = value(world, name)?;
    Some(json!({
        "Name": name,
        "Type": "String",
        "Value": value,
        "Version": 1,
        "LastModifiedDate": epoch_seconds(world.start),
        "ARN": format!("arn:aws:ssm:{}::parameter{name}", call.caller.region),
        "DataType": "text",
    }))
}

/// What AWS publishes under that name, for minors that EKS has released.
fn value(world: &World, name: &str) -> Option<String> {
    let path = name.strip_prefix("/aws/service/")?;
    let (minor, family, architecture, leaf) = match path.split('/').collect::<Vec<_>>().as_slice() {
        ["eks", "optimized-ami", minor, "amazon-linux-2023", architecture, variant, "recommended", leaf] => {
            let family = match *variant {
                "standard" => ImageFamily::Al2023Standard,
                "nvidia" => ImageFamily::Al2023Nvidia,
                "neuron" => ImageFamily::Al2023Neuron,
                _ => return None,
            };
            (*minor, family, *architecture, *leaf)
        }
        ["bottlerocket", variant, architecture, "latest", "image_id"] => {
            (variant.strip_prefix("aws-k8s-")?, ImageFamily::Bottlerocket, *architecture, "image_id")
        }
        _ => return None,
    };
    let architecture = match architecture {
        "x86_64" => Architecture::X86,
        "arm64" => Architecture::Arm64,
        _ => return None,
    };
    let minor: Minor = minor.parse().ok()?;
    if !world.calendar.offers(minor, world.now) {
        return None;
    }
    let image = Published::recommended(minor, family, architecture)?;
    match leaf {
        "image_id" => Some(image.id()),
        "image_name" => Some(image.name()),
        "release_version" => Some(image.release()),
        _ => None,
    }
}
