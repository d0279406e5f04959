//! Launch templates: EC2's reads of them, its new versions, and how Auto Scaling is told of one.

use serde_json::{Value, json};

use super::form::Form;
use super::{clusters_of, invalid};
use crate::asg::group::TemplateUse;
use crate::asg::template::{Claim, LaunchTemplate, TemplateData, TemplateVersion, VersionName};
use crate::http::ApiError;
use crate::ops::Done;
use crate::route::Call;
use crate::state::Cluster;
use crate::time::{Ms, rfc3339};
use crate::world::World;

/// Id and name of a template, as far as a request says them.
type Named<'a> = (Option<&'a str>, Option<&'a str>);

/// The template of that id or name.
pub(super) fn find<'a>(cluster: &'a Cluster, (id, name): Named<'_>) -> Option<&'a LaunchTemplate> {
    let is = |template: &&LaunchTemplate| match (id, name) {
        (Some(id), _) => template.id == id,
        (None, Some(name)) => template.name == name,
        (None, None) => false,
    };
    cluster.templates.iter().find(is)
}

/// What a request to Auto Scaling says of a launch template, if it does.
pub(super) fn asked(cluster: &Cluster, form: &Form<'_>) -> Result<Option<TemplateUse>, ApiError> {
    let part = |name: &str| form.text(&format!("LaunchTemplate.{name}"));
    let named = (part("LaunchTemplateId"), part("LaunchTemplateName"));
    let version = part("Version");
    match named {
        (None, None) if version.is_none() => return Ok(None),
        (Some(_), None) | (None, Some(_)) => {}
        _ => {
            let message = "Valid requests must contain either launchTemplateId or LaunchTemplateName";
            return Err(invalid(message));
        }
    }
    let unfit = |why| invalid(format!("You must use a valid fully-formed launch template. {why}"));
    let template = find(cluster, named).ok_or_else(|| unfit(not_found(named).message))?;
    let version = version.map_or(Ok(VersionName::Default), str::parse);
    let version = version.map_err(|()| unfit("The version is a number, $Latest or $Default.".to_owned()))?;
    let wanted = TemplateUse { id: template.id.clone(), version };
    match cluster.template_problem(&wanted) {
        Some(problem) => Err(invalid(problem)),
        None => Ok(Some(wanted)),
    }
}

/// EC2's refusal of a template that is not there.
fn not_found(named: Named<'_>) -> ApiError {
    match named {
        (Some(id), _) => ApiError::new(
            "InvalidLaunchTemplateId.NotFound",
            400,
            format!("The specified launch template, with template ID {id}, does not exist."),
        ),
        (None, name) => ApiError::new(
            "InvalidLaunchTemplateName.NotFoundException",
            400,
            format!(
                "The specified launch template, with template name {}, does not exist.",
                name.unwrap_or_default()
            ),
        ),
    }
}

fn named<'a>(form: &Form<'a>) -> Result<Named<'a>, ApiError> {
    match (form.text("LaunchTemplateId"), form.text("LaunchTemplateName")) {
        (Some(_), Some(_)) => Err(ApiError::new(
            "InvalidParameterCombination",
            400,
            "LaunchTemplateId or LaunchTemplateName, not both",
        )),
        (None, None) => Err(ApiError::new(
            "MissingParameter",
            400,
            "The request must contain either the parameter LaunchTemplateId or LaunchTemplateName",
        )),
        named => Ok(named),
    }
}

/// The number of the version that `text` names.
fn number(form: &Form<'_>, template: &LaunchTemplate, text: &str) -> Result<u32, ApiError> {
    let name: VersionName = text
        .parse()
        .map_err(|()| form.wrong(format!("A version is a number, $Latest or $Default, not {text}")))?;
    let number = template.number(name);
    let missing = || {
        ApiError::new(
            "InvalidLaunchTemplateId.VersionNotFound",
            400,
            format!(
                "Could not find the specified version {text} for the launch template with ID {}.",
                template.id
            ),
        )
    };
    template.version(number).map(|_| number).ok_or_else(missing)
}

pub(super) fn versions(world: &World, call: &Call) -> Result<Done, ApiError> {
    let form = Form::of(call);
    form.only(&[
        "LaunchTemplateId",
        "LaunchTemplateName",
        "LaunchTemplateVersion",
        "MaxResults",
        "NextToken",
    ])?;
    let named = named(&form)?;
    let template = clusters_of(world, &call.caller).find_map(|cluster| find(cluster, named));
    let template = template.ok_or_else(|| not_found(named))?;
    let asked = form.list("LaunchTemplateVersion");
    let numbers = if asked.is_empty() {
        // Newest first, as EC2 answers.
        (1..=template.latest()).rev().collect()
    } else {
        asked.into_iter().map(|text| number(&form, template, text)).collect::<Result<Vec<_>, _>>()?
    };
    let found = numbers.into_iter().map(|number| describe(template, number, &call.caller.account)).collect();
    let page = form.page(found, "MaxResults", 200, 1..=200)?;
    Ok(Done::read(json!({"launchTemplateVersionSet": page.items, "nextToken": page.next})))
}

pub(super) fn create_version(world: &mut World, call: &Call) -> Result<Done, ApiError> {
    let (form, now) = (Form::of(call), world.now);
    form.only(&[
        "LaunchTemplateId",
        "LaunchTemplateName",
        "SourceVersion",
        "VersionDescription",
        "ClientToken",
        "LaunchTemplateData.ImageId",
        "LaunchTemplateData.InstanceType",
        "LaunchTemplateData.UserData",
        "LaunchTemplateData.SecurityGroupId",
    ])?;
    let named = named(&form)?;
    let cluster = call.cluster.as_ref().and_then(|cluster| world.clusters.get_mut(cluster));
    let id = cluster.as_ref().and_then(|cluster| find(cluster, named)).map(|template| template.id.clone());
    let templates = cluster.map(|cluster| cluster.templates.iter_mut()).into_iter().flatten();
    let template = templates.into_iter().find(|template| Some(&template.id) == id.as_ref());
    let template = template.ok_or_else(|| not_found(named))?;
    let (made, mutated) = new_version(template, &form, now)?;
    let body = json!({"launchTemplateVersion": describe(template, made, &call.caller.account)});
    Ok(Done::changed(body, mutated))
}

/// The number of the version that the request makes, and whether it is this request that made it.
fn new_version(template: &mut LaunchTemplate, form: &Form<'_>, now: Ms) -> Result<(u32, bool), ApiError> {
    let change = TemplateData {
        image: form.text("LaunchTemplateData.ImageId").map(str::to_owned),
        instance_type: form.text("LaunchTemplateData.InstanceType").map(str::to_owned),
        user_data: form.text("LaunchTemplateData.UserData").map(str::to_owned),
        security_groups: owned(&form.list("LaunchTemplateData.SecurityGroupId")),
    };
    let (source, description) = (form.text("SourceVersion"), form.text("VersionDescription"));
    let asked = format!("{source:?} {description:?} {change:?}");
    let token = form.text("ClientToken");
    match template.claim(token, &asked) {
        Claim::Made(number) => return Ok((number, false)),
        Claim::Taken => {
            let message =
                "The client token was used before in a request with other parameters. Use another token.";
            return Err(ApiError::new("IdempotentParameterMismatch", 400, message));
        }
        Claim::New => {}
    }
    if change == TemplateData::default() {
        return Err(ApiError::new(
            "MissingParameter",
            400,
            "The request must contain the parameter LaunchTemplateData",
        ));
    }
    let data = match source {
        None => change,
        Some(source) => {
            let source = number(form, template, source)?;
            template.version(source).map(|version| version.data.with(change)).unwrap_or_default()
        }
    };
    let version = TemplateVersion { created: now, description: description.map(str::to_owned), data };
    Ok((template.add(version, token, &asked), true))
}

fn owned(texts: &[&str]) -> Vec<String> {
    texts.iter().map(|text| (*text).to_owned()).collect()
}

/// A version as EC2 shows it; null when there is none of that number.
fn describe(template: &LaunchTemplate, number: u32, account: &str) -> Value {
    let Some(version) = template.version(number) else { return Value::Null };
    let data = &version.data;
    json!({
        "launchTemplateId": template.id,
        "launchTemplateName": template.name,
        "versionNumber": number,
        "versionDescription": version.description,
        "createTime": rfc3339(version.created),
        "createdBy": format!("arn:aws:iam::{account}:root"),
        "defaultVersion": number == template.default,
        "launchTemplateData": {
            "imageId": data.image,
            "instanceType": data.instance_type,
            "userData": data.user_data,
            "securityGroupIdSet": data.security_groups,
        },
    })
}
