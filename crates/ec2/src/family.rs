//! The families of node images that AWS publishes for EKS, and how it names them: in the names of images
//! (`amazon-eks-node-al2023-x86_64-standard-1.33-v20251103`, `bottlerocket-aws-k8s-1.33-x86_64-v1.49.0-713f44ce`) and
//! in the paths of SSM's public parameters.
//!
//! From "Retrieve recommended Amazon Linux AMI IDs" and "Retrieve recommended Bottlerocket AMI IDs" of the EKS user
//! guide. Amazon Linux 2 is not among them: it ends at 1.32. Windows is not either: its images are not named by
//! architecture and variant.

use std::fmt;
use std::str::FromStr;

use eks_upgrade_core::version::Minor;

/// One family. Written `amazon-linux-2023/x86_64/standard`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Family {
    system: System,
    architecture: Architecture,
    variant: Variant,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum System {
    AmazonLinux2023,
    Bottlerocket,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Architecture {
    X86,
    Arm,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Variant {
    Standard,
    Nvidia,
    Neuron,
    Fips,
}

/// What begins the value of a template's image that is read from a parameter at each launch.
const RESOLVED: &str = "resolve:ssm:";

impl Family {
    /// The family of an image of AWS's, by its name; `None` for another.
    pub(crate) fn of_name(name: &str) -> Option<Self> {
        if let Some(rest) = name.strip_prefix("amazon-eks-node-al2023-") {
            let parts: Vec<&str> = rest.split('-').collect();
            let [architecture, variant, minor, date] = parts.as_slice() else { return None };
            minor.parse::<Minor>().ok().filter(|_| date.starts_with('v'))?;
            return Self::checked(System::AmazonLinux2023, architecture, variant);
        }
        let rest = name.strip_prefix("bottlerocket-aws-k8s-")?;
        let (kind, release) = rest.split_once("-v")?;
        let (minor_and_variant, architecture) = kind.rsplit_once('-')?;
        Self::of_bottlerocket(minor_and_variant, architecture).filter(|_| !release.is_empty())
    }

    /// The family that a template's image means by `resolve:ssm:PATH`, with or without a version or label at its end;
    /// `None` for a path that is not AWS's, or another kind of image.
    pub(crate) fn of_resolved(image: &str) -> Option<Self> {
        let path = image.strip_prefix(RESOLVED)?.strip_prefix("/aws/service/")?;
        let path = path.split_once(':').map_or(path, |(path, _)| path);
        match path.split('/').collect::<Vec<_>>().as_slice() {
            ["eks", "optimized-ami", minor, "amazon-linux-2023", architecture, variant, _, "image_id"] => {
                minor.parse::<Minor>().ok()?;
                Self::checked(System::AmazonLinux2023, architecture, variant)
            }
            ["bottlerocket", kind, architecture, _, "image_id"] => {
                Self::of_bottlerocket(kind.strip_prefix("aws-k8s-")?, architecture)
            }
            _ => None,
        }
    }

    /// Whether a template's image is read from a parameter at each launch.
    pub(crate) fn is_resolved(image: &str) -> bool {
        image.starts_with(RESOLVED)
    }

    /// The public parameter with the id of its recommended image for a minor.
    pub(crate) fn parameter(self, minor: Minor) -> String {
        let Self { system, architecture, variant } = self;
        match (system, variant) {
            (System::AmazonLinux2023, _) => {
                format!("/aws/service/eks/optimized-ami/{minor}/{self}/recommended/image_id")
            }
            (System::Bottlerocket, Variant::Standard) => {
                format!("/aws/service/bottlerocket/aws-k8s-{minor}/{}/latest/image_id", architecture.word())
            }
            (System::Bottlerocket, _) => format!(
                "/aws/service/bottlerocket/aws-k8s-{minor}-{}/{}/latest/image_id",
                variant.word(),
                architecture.word()
            ),
        }
    }

    /// By `1.33` or `1.33-nvidia`, and an architecture.
    fn of_bottlerocket(minor_and_variant: &str, architecture: &str) -> Option<Self> {
        let (minor, variant) =
            minor_and_variant.split_once('-').unwrap_or((minor_and_variant, Variant::Standard.word()));
        minor.parse::<Minor>().ok()?;
        Self::checked(System::Bottlerocket, architecture, variant)
    }

    /// Only what AWS publishes: Neuron is Amazon Linux's alone, FIPS Bottlerocket's.
    fn checked(system: System, architecture: &str, variant: &str) -> Option<Self> {
        let (architecture, variant) = (Architecture::of(architecture)?, Variant::of(variant)?);
        let published = match system {
            System::AmazonLinux2023 => variant != Variant::Fips,
            System::Bottlerocket => variant != Variant::Neuron,
        };
        published.then_some(Self { system, architecture, variant })
    }
}

impl System {
    const ALL: [Self; 2] = [Self::AmazonLinux2023, Self::Bottlerocket];

    fn word(self) -> &'static str {
        match self {
            Self::AmazonLinux2023 => "amazon-linux-2023",
            Self::Bottlerocket => "bottlerocket",
        }
    }
}

impl Architecture {
    /// Bottlerocket's images say `aarch64` where parameters say `arm64`.
    fn of(word: &str) -> Option<Self> {
        match word {
            "x86_64" => Some(Self::X86),
            "arm64" | "aarch64" => Some(Self::Arm),
            _ => None,
        }
    }

    fn word(self) -> &'static str {
        match self {
            Self::X86 => "x86_64",
            Self::Arm => "arm64",
        }
    }
}

impl Variant {
    const ALL: [Self; 4] = [Self::Standard, Self::Nvidia, Self::Neuron, Self::Fips];

    fn of(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|variant| variant.word() == word)
    }

    fn word(self) -> &'static str {
        match self {
            Self::Standard => "standard",
            Self::Nvidia => "nvidia",
            Self::Neuron => "neuron",
            Self::Fips => "fips",
        }
    }
}

impl fmt::Display for Family {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { system, architecture, variant } = self;
        write!(f, "{}/{}/{}", system.word(), architecture.word(), variant.word())
    }
}

/// No family of node images that AWS publishes for EKS.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is no family of node images that AWS publishes for EKS")]
pub(crate) struct NoFamily(String);

impl FromStr for Family {
    type Err = NoFamily;

    fn from_str(text: &str) -> Result<Self, NoFamily> {
        let read = || match text.split('/').collect::<Vec<_>>().as_slice() {
            [system, architecture, variant] => {
                let system = System::ALL.into_iter().find(|known| known.word() == *system)?;
                Self::checked(system, architecture, variant)
            }
            _ => None,
        };
        read().ok_or_else(|| NoFamily(text.to_owned()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn written(family: Option<Family>) -> Option<String> {
        family.map(|family| family.to_string())
    }

    #[test]
    fn names_of_images_tell_the_family() {
        let rows = [
            (
                "amazon-eks-node-al2023-x86_64-standard-1.33-v20251103",
                Some("amazon-linux-2023/x86_64/standard"),
            ),
            (
                "amazon-eks-node-al2023-arm64-standard-1.34-v20260301",
                Some("amazon-linux-2023/arm64/standard"),
            ),
            ("amazon-eks-node-al2023-x86_64-nvidia-1.33-v20251103", Some("amazon-linux-2023/x86_64/nvidia")),
            ("amazon-eks-node-al2023-x86_64-neuron-1.33-v20251103", Some("amazon-linux-2023/x86_64/neuron")),
            ("bottlerocket-aws-k8s-1.33-x86_64-v1.49.0-713f44ce", Some("bottlerocket/x86_64/standard")),
            ("bottlerocket-aws-k8s-1.33-aarch64-v1.49.0-713f44ce", Some("bottlerocket/arm64/standard")),
            ("bottlerocket-aws-k8s-1.33-nvidia-x86_64-v1.49.0-713f44ce", Some("bottlerocket/x86_64/nvidia")),
            ("bottlerocket-aws-k8s-1.33-fips-aarch64-v1.49.0-713f44ce", Some("bottlerocket/arm64/fips")),
            ("amazon-eks-node-1.32-v20251103", None),
            ("amazon-eks-node-al2023-x86_64-standard-1.33", None),
            ("amazon-eks-node-al2023-x86_64-fips-1.33-v20251103", None),
            ("amazon-eks-node-al2023-riscv-standard-1.33-v20251103", None),
            ("amazon-eks-node-al2023-x86_64-standard-latest-v20251103", None),
            ("bottlerocket-aws-ecs-2-x86_64-v1.49.0-713f44ce", None),
            ("my-amazon-eks-node-al2023-x86_64-standard-1.33-v20251103", None),
            ("Windows_Server-2022-English-Core-EKS_Optimized-1.33-2025.11.12", None),
        ];
        for (name, expected) in rows {
            assert_eq!(written(Family::of_name(name)).as_deref(), expected, "{name}");
        }
    }

    #[test]
    fn parameters_tell_the_family() {
        let al2023 = "resolve:ssm:/aws/service/eks/optimized-ami/1.33/amazon-linux-2023/arm64/standard";
        let rows = [
            (format!("{al2023}/recommended/image_id"), Some("amazon-linux-2023/arm64/standard")),
            (format!("{al2023}/recommended/image_id:7"), Some("amazon-linux-2023/arm64/standard")),
            (
                format!("{al2023}/amazon-eks-node-al2023-arm64-standard-1.33-v20251103/image_id"),
                Some("amazon-linux-2023/arm64/standard"),
            ),
            (format!("{al2023}/recommended/release_version"), None),
            (
                "resolve:ssm:/aws/service/bottlerocket/aws-k8s-1.33-nvidia/x86_64/latest/image_id".into(),
                Some("bottlerocket/x86_64/nvidia"),
            ),
            ("resolve:ssm:/golden/eks/image_id".into(), None),
            ("ami-0123456789abcdef0".into(), None),
        ];
        for (image, expected) in rows {
            assert_eq!(written(Family::of_resolved(&image)).as_deref(), expected, "{image}");
        }
    }

    #[test]
    fn a_family_names_its_parameter_and_the_parameter_the_family() {
        let minor: Minor = "1.34".parse().unwrap();
        let rows = [
            (
                "amazon-linux-2023/x86_64/standard",
                "/aws/service/eks/optimized-ami/1.34/amazon-linux-2023/x86_64/standard/recommended/image_id",
            ),
            ("bottlerocket/arm64/standard", "/aws/service/bottlerocket/aws-k8s-1.34/arm64/latest/image_id"),
            (
                "bottlerocket/x86_64/fips",
                "/aws/service/bottlerocket/aws-k8s-1.34-fips/x86_64/latest/image_id",
            ),
        ];
        for (text, parameter) in rows {
            let family: Family = text.parse().unwrap();
            assert_eq!(family.parameter(minor), parameter);
            assert_eq!(family.to_string(), text);
            assert_eq!(Family::of_resolved(&format!("resolve:ssm:{parameter}")), Some(family));
        }
    }

    #[test]
    fn no_other_text_is_a_family() {
        for text in ["", "amazon-linux-2023", "amazon-linux-2/x86_64/standard", "bottlerocket/x86_64/neuron"]
        {
            let refused = text.parse::<Family>().unwrap_err().to_string();
            assert!(refused.contains("no family of node images"), "{refused}");
        }
    }
}
