//! Launch templates: numbered versions of what instances start with.

use std::str::FromStr;

use crate::time::Ms;

/// A launch template. Its versions are numbered from 1; none is ever deleted.
#[derive(Clone, Debug)]
pub(crate) struct LaunchTemplate {
    /// E.g. `lt-0abc`.
    pub(crate) id: String,
    pub(crate) name: String,
    /// What `$Default` means.
    pub(crate) default: u32,
    pub(crate) versions: Vec<TemplateVersion>,
    tokens: Vec<UsedToken>,
}

/// One version of a launch template.
#[derive(Clone, Debug)]
pub(crate) struct TemplateVersion {
    pub(crate) created: Ms,
    pub(crate) description: Option<String>,
    pub(crate) data: TemplateData,
}

/// What an instance starts with; a launch template need not say all of it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct TemplateData {
    pub(crate) image: Option<String>,
    pub(crate) instance_type: Option<String>,
    /// Base64.
    pub(crate) user_data: Option<String>,
    pub(crate) security_groups: Vec<String>,
}

/// A client token that made a version.
#[derive(Clone, Debug)]
struct UsedToken {
    text: String,
    asked: String,
    number: u32,
}

/// How somebody names a version.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum VersionName {
    /// By its number.
    Number(u32),
    /// `$Latest`.
    Latest,
    /// `$Default`.
    Default,
}

/// What a client token says of a request for a new version.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Claim {
    /// It is new, or there is none.
    New,
    /// The same request made this version before.
    Made(u32),
    /// Another request used it.
    Taken,
}

impl LaunchTemplate {
    /// One whose versions 1 to `newest` all hold `data`.
    pub(crate) fn new(id: String, name: String, newest: u32, data: &TemplateData, created: Ms) -> Self {
        let versions =
            (0..newest).map(|_| TemplateVersion { created, description: None, data: data.clone() });
        Self { id, name, default: newest, versions: versions.collect(), tokens: Vec::new() }
    }

    /// The number of the newest version.
    pub(crate) fn latest(&self) -> u32 {
        u32::try_from(self.versions.len()).unwrap_or(u32::MAX)
    }

    /// The number that `name` means; whether there is such a version, `version` tells.
    pub(crate) fn number(&self, name: VersionName) -> u32 {
        match name {
            VersionName::Number(number) => number,
            VersionName::Latest => self.latest(),
            VersionName::Default => self.default,
        }
    }

    /// The version of that number.
    pub(crate) fn version(&self, number: u32) -> Option<&TemplateVersion> {
        self.versions.get(usize::try_from(number.checked_sub(1)?).ok()?)
    }

    /// What `token` says of a request that asks for `asked`.
    pub(crate) fn claim(&self, token: Option<&str>, asked: &str) -> Claim {
        match self.tokens.iter().find(|used| token == Some(&used.text)) {
            None => Claim::New,
            Some(used) if used.asked == asked => Claim::Made(used.number),
            Some(_) => Claim::Taken,
        }
    }

    /// Adds a version and remembers the token that asked for it; gives its number.
    pub(crate) fn add(&mut self, version: TemplateVersion, token: Option<&str>, asked: &str) -> u32 {
        self.versions.push(version);
        let number = self.latest();
        if let Some(text) = token {
            self.tokens.push(UsedToken { text: text.to_owned(), asked: asked.to_owned(), number });
        }
        number
    }
}

impl TemplateData {
    /// The same with what `change` says instead.
    pub(crate) fn with(&self, change: Self) -> Self {
        let groups = if change.security_groups.is_empty() {
            self.security_groups.clone()
        } else {
            change.security_groups
        };
        Self {
            image: change.image.or_else(|| self.image.clone()),
            instance_type: change.instance_type.or_else(|| self.instance_type.clone()),
            user_data: change.user_data.or_else(|| self.user_data.clone()),
            security_groups: groups,
        }
    }
}

impl std::fmt::Display for VersionName {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Number(number) => write!(f, "{number}"),
            Self::Latest => f.write_str("$Latest"),
            Self::Default => f.write_str("$Default"),
        }
    }
}

impl FromStr for VersionName {
    type Err = ();

    fn from_str(text: &str) -> Result<Self, ()> {
        match text {
            "$Latest" => Ok(Self::Latest),
            "$Default" => Ok(Self::Default),
            number => number.parse().ok().filter(|number| *number > 0).map(Self::Number).ok_or(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn template() -> LaunchTemplate {
        let data = TemplateData {
            image: Some("ami-1".to_owned()),
            user_data: Some("eA==".to_owned()),
            ..TemplateData::default()
        };
        LaunchTemplate::new("lt-1".to_owned(), "web".to_owned(), 3, &data, 0)
    }

    #[test]
    fn versions_are_named_by_number_or_by_what_they_are() {
        let mut template = template();
        let version = TemplateVersion { created: 5, description: None, data: TemplateData::default() };
        assert_eq!(template.add(version, None, ""), 4);
        let number = |name: &str| name.parse().map(|name| template.number(name));
        assert_eq!(number("2"), Ok(2));
        assert_eq!(number("$Latest"), Ok(4));
        assert_eq!(number("$Default"), Ok(3), "a new version is not the default by itself");
        assert_eq!(number("0"), Err(()));
        assert_eq!(number("latest"), Err(()));
        assert!(
            template.version(4).is_some() && template.version(5).is_none() && template.version(0).is_none()
        );
    }

    #[test]
    fn a_token_makes_one_version() {
        let mut template = template();
        let version = TemplateVersion { created: 5, description: None, data: TemplateData::default() };
        assert_eq!(template.claim(Some("t"), "a"), Claim::New);
        template.add(version, Some("t"), "a");
        assert_eq!(template.claim(Some("t"), "a"), Claim::Made(4));
        assert_eq!(template.claim(Some("t"), "b"), Claim::Taken);
        assert_eq!(template.claim(None, "a"), Claim::New);
    }

    #[test]
    fn a_change_leaves_the_rest_as_it_was() {
        let change = TemplateData { image: Some("ami-2".to_owned()), ..TemplateData::default() };
        let data = template().version(1).unwrap().data.with(change);
        assert_eq!((data.image.as_deref(), data.user_data.as_deref()), (Some("ami-2"), Some("eA==")));
    }
}
