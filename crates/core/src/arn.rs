//! Who a cluster is: account, Region, name, and the ARN that holds all three.

use std::fmt;
use std::str::FromStr;

/// A twelve-digit AWS account id.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct AccountId(String);

/// An AWS Region code, such as `eu-central-1`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Region(String);

/// An EKS cluster name: 1 to 100 letters, digits, `-` and `_`, starting with a letter or digit.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ClusterName(String);

/// The ARN of an EKS cluster: `arn:PARTITION:eks:REGION:ACCOUNT:cluster/NAME`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ClusterArn {
    partition: String,
    /// Where the cluster is.
    pub region: Region,
    /// Whose it is.
    pub account: AccountId,
    /// What it is called there.
    pub name: ClusterName,
}

/// Text that is not what it should name.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{text:?} is not {what}")]
pub struct NotOne {
    text: String,
    what: &'static str,
}

impl NotOne {
    fn new(text: &str, what: &'static str) -> Self {
        Self { text: text.chars().take(120).collect(), what }
    }
}

macro_rules! checked_word {
    ($type:ident, $what:literal, $pattern:literal, $check:expr) => {
        impl FromStr for $type {
            type Err = NotOne;

            fn from_str(text: &str) -> Result<Self, NotOne> {
                let check: fn(&str) -> bool = $check;
                if check(text) { Ok(Self(text.to_owned())) } else { Err(NotOne::new(text, $what)) }
            }
        }

        impl fmt::Display for $type {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }

        impl $type {
            /// Its text.
            #[must_use]
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        $crate::string_on_the_wire!($type, stringify!($type), $pattern, $what);
    };
}

checked_word!(AccountId, "a twelve-digit AWS account id", "^[0-9]{12}$", |text| {
    text.len() == 12 && text.bytes().all(|b| b.is_ascii_digit())
});

checked_word!(Region, "an AWS Region such as eu-central-1", "^[a-z]{2,4}(-[a-z]+)+-[0-9]{1,2}$", |text| {
    let parts: Vec<&str> = text.split('-').collect();
    let Some((number, words)) = parts.split_last() else { return false };
    words.len() >= 2
        && (2..=4).contains(&words.first().map_or(0, |word| word.len()))
        && text.len() <= 32
        && words.iter().all(|word| !word.is_empty() && word.bytes().all(|b| b.is_ascii_lowercase()))
        && (1..=2).contains(&number.len())
        && number.bytes().all(|b| b.is_ascii_digit())
});

checked_word!(ClusterName, "an EKS cluster name", "^[0-9A-Za-z][A-Za-z0-9_-]{0,99}$", |text| {
    (1..=100).contains(&text.len())
        && text.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-' || b == b'_')
        && text.bytes().next().is_some_and(|b| b.is_ascii_alphanumeric())
});

impl FromStr for ClusterArn {
    type Err = NotOne;

    fn from_str(text: &str) -> Result<Self, NotOne> {
        let refused =
            || NotOne::new(text, "the ARN of an EKS cluster (arn:aws:eks:REGION:ACCOUNT:cluster/NAME)");
        let parts: Vec<&str> = text.splitn(6, ':').collect();
        let [arn, partition, service, region, account, resource] = parts[..] else {
            return Err(refused());
        };
        let known_partition = partition == "aws"
            || partition.strip_prefix("aws-").is_some_and(|rest| {
                !rest.is_empty()
                    && rest.len() <= 16
                    && rest.bytes().all(|b| b.is_ascii_lowercase() || b == b'-')
            });
        let name = resource.strip_prefix("cluster/").ok_or_else(refused)?;
        if arn != "arn" || service != "eks" || !known_partition {
            return Err(refused());
        }
        Ok(Self {
            partition: partition.to_owned(),
            region: region.parse().map_err(|_| refused())?,
            account: account.parse().map_err(|_| refused())?,
            name: name.parse().map_err(|_| refused())?,
        })
    }
}

impl fmt::Display for ClusterArn {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { partition, region, account, name } = self;
        write!(f, "arn:{partition}:eks:{region}:{account}:cluster/{name}")
    }
}

impl ClusterArn {
    /// The account and Region that it is in.
    #[must_use]
    pub fn home(&self) -> Home {
        Home { partition: self.partition.clone(), account: self.account.clone(), region: self.region.clone() }
    }
}

crate::string_on_the_wire!(
    ClusterArn,
    "ClusterArn",
    "^arn:aws[a-z-]*:eks:[a-z0-9-]+:[0-9]{12}:cluster/.+$",
    "The ARN of an EKS cluster"
);

/// The account and Region that this deployment may act in.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, serde::Serialize, serde::Deserialize)]
pub struct Home {
    /// The partition of its ARNs, such as `aws`.
    pub partition: String,
    /// The account.
    pub account: AccountId,
    /// The Region.
    pub region: Region,
}

impl Home {
    /// The ARN that a function of this name has here.
    #[must_use]
    pub fn function(&self, name: &str) -> String {
        format!("arn:{}:lambda:{}:{}:function:{name}", self.partition, self.region, self.account)
    }

    /// The ARN that a cluster of this name has here.
    #[must_use]
    pub fn cluster(&self, name: &ClusterName) -> ClusterArn {
        ClusterArn {
            partition: self.partition.clone(),
            region: self.region.clone(),
            account: self.account.clone(),
            name: name.clone(),
        }
    }

    /// Reads the home off any ARN of this deployment, such as a function's own.
    pub fn of_arn(arn: &str) -> Result<Self, NotOne> {
        let parts: Vec<&str> = arn.splitn(6, ':').collect();
        let ["arn", partition, _, region, account, _] = parts[..] else {
            return Err(NotOne::new(arn, "an ARN with a Region and an account"));
        };
        Ok(Self { partition: partition.to_owned(), account: account.parse()?, region: region.parse()? })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cluster_arn_reads_and_writes_the_same() {
        for text in [
            "arn:aws:eks:us-east-1:123456789012:cluster/prod-a",
            "arn:aws-us-gov:eks:us-gov-west-1:123456789012:cluster/A_1",
        ] {
            assert_eq!(text.parse::<ClusterArn>().unwrap().to_string(), text);
        }
    }

    #[test]
    fn anything_else_is_refused() {
        for text in [
            "",
            "prod-a",
            "arn:aws:eks:us-east-1:123456789012:cluster/",
            "arn:aws:eks:us-east-1:12345678901:cluster/a",
            "arn:aws:eks:us-east-1:123456789012:nodegroup/a/b/c",
            "arn:aws:ec2:us-east-1:123456789012:cluster/a",
            "arn:aws:eks::123456789012:cluster/a",
            "arn:aws:eks:us-east-1:123456789012:cluster/a/b",
            "arn:aws:eks:us-east-1:123456789012:cluster/a\n",
            "arn:evil:eks:us-east-1:123456789012:cluster/a",
        ] {
            assert!(text.parse::<ClusterArn>().is_err(), "{text:?} was accepted");
        }
    }

    #[test]
    fn home_is_read_off_a_function_arn() {
        let home = Home::of_arn("arn:aws:lambda:eu-west-1:123456789012:function:eks-upgrade-plan").unwrap();
        assert_eq!(home.region.as_str(), "eu-west-1");
        assert_eq!(
            home.cluster(&"prod-a".parse().unwrap()).to_string(),
            "arn:aws:eks:eu-west-1:123456789012:cluster/prod-a"
        );
    }
}
