//! Node images: AWS's, whose ids tell what is in them, and the customer's own.
//!
//! The id of a published image spells its minor, patch, date, family and architecture in 17 digits, so that every
//! id that SSM has ever told maps back to its kubelet without a table.

use crate::catalogue::{image_exists, newest_image};
use crate::fleet::{Architecture, ImageFamily};
use crate::minor::Minor;

/// What an instance starts from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Image {
    /// One that AWS publishes.
    Published(Published),
    /// One that the customer made.
    Own {
        /// Its id.
        id: String,
        /// The kubelet in it.
        kubelet: Minor,
    },
}

/// An image that AWS publishes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Published {
    pub(crate) family: ImageFamily,
    pub(crate) architecture: Architecture,
    pub(crate) minor: Minor,
    patch: u8,
    /// Eight digits.
    date: u32,
}

const FAMILIES: [ImageFamily; 4] = [
    ImageFamily::Al2023Standard,
    ImageFamily::Al2023Nvidia,
    ImageFamily::Al2023Neuron,
    ImageFamily::Bottlerocket,
];
const ARCHITECTURES: [Architecture; 2] = [Architecture::X86, Architecture::Arm64];

impl Image {
    /// Its id.
    pub(crate) fn id(&self) -> String {
        match self {
            Self::Published(image) => image.id(),
            Self::Own { id, .. } => id.clone(),
        }
    }

    /// The kubelet in it.
    pub(crate) fn kubelet(&self) -> Minor {
        match self {
            Self::Published(image) => image.minor,
            Self::Own { kubelet, .. } => *kubelet,
        }
    }

    /// What nodes are told to run: the release, or the id of an image of their own.
    pub(crate) fn release(&self) -> String {
        match self {
            Self::Published(image) => image.release(),
            Self::Own { id, .. } => id.clone(),
        }
    }
}

impl Published {
    /// The image of a release such as `1.33.5-20251103`, if it reads like one.
    pub(crate) fn of_release(release: &str, family: ImageFamily, architecture: Architecture) -> Option<Self> {
        let (version, date) = release.split_once('-')?;
        let (minor, patch) = version.rsplit_once('.')?;
        let digits = date.len() == 8 && date.bytes().all(|byte| byte.is_ascii_digit());
        let date = digits.then(|| date.parse().ok())??;
        Some(Self { family, architecture, minor: minor.parse().ok()?, patch: patch.parse().ok()?, date })
    }

    /// The one that AWS recommends for a minor.
    pub(crate) fn recommended(minor: Minor, family: ImageFamily, architecture: Architecture) -> Option<Self> {
        Self::of_release(&newest_image(minor), family, architecture)
    }

    /// The image of that id, if AWS has ever published it.
    pub(crate) fn of_id(id: &str) -> Option<Self> {
        let digits = id.strip_prefix("ami-0").filter(|digits| digits.len() == 16 && digits.is_ascii())?;
        let hex = |range| digits.get(range).and_then(|text| u16::from_str_radix(text, 16).ok());
        let image = Self {
            family: *FAMILIES.get(usize::from(hex(14..15)?))?,
            architecture: *ARCHITECTURES.get(usize::from(hex(15..16)?))?,
            minor: Minor::new(hex(0..4)?),
            patch: u8::try_from(hex(4..6)?).ok()?,
            date: digits.get(6..14)?.parse().ok()?,
        };
        // Nothing but what `id` writes is read, and no release that never was.
        (image.id() == id && image_exists(image.minor, &image.release())).then_some(image)
    }

    /// Its id.
    pub(crate) fn id(&self) -> String {
        let family = FAMILIES.iter().position(|family| *family == self.family).unwrap_or(0);
        let architecture = ARCHITECTURES.iter().position(|one| *one == self.architecture).unwrap_or(0);
        // How far a minor is from 1.0 is its number.
        let minor = Minor::new(0).behind(self.minor);
        format!("ami-0{minor:04x}{:02x}{:08}{family:x}{architecture:x}", self.patch, self.date)
    }

    /// E.g. `1.33.5-20251103`.
    pub(crate) fn release(&self) -> String {
        format!("{}.{}-{:08}", self.minor, self.patch, self.date)
    }

    /// As EC2 writes its architecture.
    pub(crate) fn architecture_name(&self) -> &'static str {
        match self.architecture {
            Architecture::X86 => "x86_64",
            Architecture::Arm64 => "arm64",
        }
    }

    /// As AWS names it, e.g. `amazon-eks-node-al2023-x86_64-standard-1.33-v20251103`.
    pub(crate) fn name(&self) -> String {
        let (architecture, minor, date) = (self.architecture_name(), self.minor, self.date);
        let variant = match self.family {
            ImageFamily::Al2023Standard => "standard",
            ImageFamily::Al2023Nvidia => "nvidia",
            ImageFamily::Al2023Neuron => "neuron",
            ImageFamily::Bottlerocket => {
                return format!("bottlerocket-aws-k8s-{minor}-{architecture}-v{date:08}");
            }
        };
        format!("amazon-eks-node-al2023-{architecture}-{variant}-{minor}-v{date:08}")
    }

    /// As AWS describes it.
    pub(crate) fn description(&self) -> String {
        let (minor, patch) = (self.minor, self.patch);
        match self.family {
            ImageFamily::Bottlerocket => self.name(),
            _ => format!(
                "EKS-optimized Kubernetes node based on Amazon Linux 2023, (k8s: {minor}.{patch}, containerd: 2.1.*)"
            ),
        }
    }

    /// The account that publishes it: that of EKS, or that of Bottlerocket.
    pub(crate) fn owner(&self) -> &'static str {
        match self.family {
            ImageFamily::Bottlerocket => "092701018921",
            _ => "602401143452",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_id_tells_what_is_in_the_image() {
        for family in FAMILIES {
            for architecture in ARCHITECTURES {
                let image = Published::of_release("1.33.10-20260810", family, architecture).unwrap();
                assert_eq!(image.id().len(), "ami-0123456789abcdef0".len());
                assert_eq!(Published::of_id(&image.id()), Some(image));
                assert_eq!(image.release(), "1.33.10-20260810");
            }
        }
    }

    #[test]
    fn what_was_never_published_has_no_image() {
        let x86 = |release| Published::of_release(release, ImageFamily::Al2023Standard, Architecture::X86);
        for release in ["1.33.10", "1.33-20260810", "1.33.10-2026081", "1.33.300-20260810", "2.0.1-20260810"]
        {
            assert_eq!(x86(release), None, "{release}");
        }
        let never = x86("1.33.11-20260810").unwrap();
        assert_eq!(Published::of_id(&never.id()), None, "a release that is not in the list");
        for id in ["ami-0c0ffee0000000001", "ami-0", "ami-000210a2026081000x", "lt-000210a20260810000"] {
            assert_eq!(Published::of_id(id), None, "{id}");
        }
    }

    #[test]
    fn names_read_like_those_of_aws() {
        let image =
            Published::of_release("1.33.5-20251103", ImageFamily::Al2023Standard, Architecture::X86).unwrap();
        assert_eq!(image.name(), "amazon-eks-node-al2023-x86_64-standard-1.33-v20251103");
    }
}
