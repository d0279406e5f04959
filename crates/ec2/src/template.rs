//! Launch templates: what a version of one starts, and a version with another image.

use aws_sdk_ec2::types::{LaunchTemplateVersion, RequestLaunchTemplateData};
use eks_upgrade_core::inside::Template;
use eks_upgrade_core::version::Minor;

use crate::family::Family;
use crate::sdks::Sdks;
use crate::{Read, down, is_code, odd};

pub(crate) const DESCRIBE_VERSIONS: &str = "ec2:DescribeLaunchTemplateVersions";
const CREATE_VERSION: &str = "ec2:CreateLaunchTemplateVersion";
const GET_PARAMETER: &str = "ssm:GetParameter";

/// A version of a launch template.
pub(crate) struct Version {
    /// Its number.
    number: i64,
    /// Its image: an id, or `resolve:ssm:` and a parameter; `None` where the template leaves it open.
    pub(crate) image: Option<String>,
}

impl Version {
    fn read(from: &LaunchTemplateVersion) -> Option<Self> {
        let image = from.launch_template_data().and_then(|data| data.image_id());
        Some(Self { number: from.version_number()?, image: image.map(str::to_owned) })
    }
}

/// The version that a template means, `$Latest` and `$Default` too.
pub(crate) async fn version(sdks: &Sdks, template: &Template) -> Read<Version> {
    let call = sdks.compute.describe_launch_template_versions().launch_template_id(&template.id);
    let answer = call.versions(&template.version).send().await.map_err(down(DESCRIBE_VERSIONS))?;
    let there = answer.launch_template_versions().iter().find_map(Version::read);
    there
        .ok_or_else(|| odd(DESCRIBE_VERSIONS, format!("{} has no version {}", template.id, template.version)))
}

/// The id of the image that AWS recommends of a family for a minor.
pub(crate) async fn recommended(sdks: &Sdks, family: Family, minor: Minor) -> Read<String> {
    let name = family.parameter(minor);
    let answer = match sdks.parameters.get_parameter().name(&name).send().await {
        Ok(answer) => answer,
        Err(error) if is_code(&error, "ParameterNotFound") => {
            let why =
                format!("AWS publishes no image of {family} for {minor} (there is no parameter {name})");
            return Err(odd(GET_PARAMETER, why));
        }
        Err(error) => return Err(down(GET_PARAMETER)(error)),
    };
    let image = answer.parameter().and_then(|parameter| parameter.value());
    image.map(str::to_owned).ok_or_else(|| odd(GET_PARAMETER, format!("{name} has no value")))
}

/// A version like `from` with another image; the one that was made with this token, where there is one. Gives the
/// version and its image.
///
/// EC2 gives the same version for the same token while it remembers it, if the request is the same. It need not be:
/// another image may be recommended since, and `$Latest` means what was made. Then the version's description tells.
pub(crate) async fn derive(
    sdks: &Sdks,
    from: &Template,
    image: &str,
    minor: Minor,
    token: &str,
) -> Read<(Template, String)> {
    let source = version(sdks, from).await?;
    let mark = format!("eks-upgrade {minor} {token}");
    let data = RequestLaunchTemplateData::builder().image_id(image).build();
    let call = sdks
        .compute
        .create_launch_template_version()
        .launch_template_id(&from.id)
        .source_version(source.number.to_string())
        .version_description(&mark)
        .client_token(token)
        .launch_template_data(data);
    let made = match call.send().await {
        Ok(answer) => answer.launch_template_version().and_then(Version::read),
        Err(error) if is_code(&error, "IdempotentParameterMismatch") => marked(sdks, &from.id, &mark).await?,
        Err(error) => return Err(down(CREATE_VERSION)(error)),
    };
    let made = made.ok_or_else(|| odd(CREATE_VERSION, format!("{} has no version of {token}", from.id)))?;
    let image = made.image.unwrap_or_else(|| image.to_owned());
    Ok((Template { id: from.id.clone(), version: made.number.to_string() }, image))
}

/// The version with this description.
async fn marked(sdks: &Sdks, template: &str, mark: &str) -> Read<Option<Version>> {
    let call = sdks.compute.describe_launch_template_versions().launch_template_id(template);
    let mut pages = call.into_paginator().items().send();
    while let Some(version) = pages.next().await {
        let version = version.map_err(down(DESCRIBE_VERSIONS))?;
        if version.version_description() == Some(mark) {
            return Ok(Version::read(&version));
        }
    }
    Ok(None)
}
