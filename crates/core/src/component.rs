//! The images of core components that are no EKS add-on: kube-proxy, CoreDNS and vpc-cni as somebody installed them.
//!
//! EKS publishes the images of its add-ons under the versions of the add-ons, so the right image for a minor is the one
//! that carries the version which EKS offers there, in the repository that the component has already.

use crate::version::{AddonVersion, Minor};

/// An image, taken apart.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Image<'a> {
    /// Registry and repository.
    pub repository: &'a str,
    /// The tag, such as `v1.33.0-minimal-eksbuild.2`.
    pub tag: &'a str,
}

/// What EKS writes into the tags of images without a shell.
const MINIMAL: &str = "-minimal-eksbuild";

impl<'a> Image<'a> {
    /// Reads an image with a tag; `None` for one by its digest alone, or without a tag.
    #[must_use]
    pub fn read(image: &'a str) -> Option<Self> {
        let image = image.split('@').next().unwrap_or_default();
        let (repository, tag) = image.rsplit_once(':')?;
        // A colon before the last slash is a registry's port.
        (!tag.contains('/') && !tag.is_empty()).then_some(Self { repository, tag })
    }

    /// The version that it carries, as EKS spells its add-ons'; `None` where it is no build of EKS's.
    #[must_use]
    pub fn version(&self) -> Option<AddonVersion> {
        let plain = self.tag.replace(MINIMAL, "-eksbuild");
        plain.contains("-eksbuild.").then(|| plain.parse().ok())?
    }

    /// The same image at another version, minimal if it was.
    #[must_use]
    pub fn at(&self, version: &AddonVersion) -> String {
        let tag = if self.tag.contains(MINIMAL) {
            version.as_str().replace("-eksbuild", MINIMAL)
        } else {
            version.as_str().to_owned()
        };
        format!("{}:{tag}", self.repository)
    }
}

/// The Kubernetes minor of a component that has one: kube-proxy is released with Kubernetes.
#[must_use]
pub fn minor_of(component: &str, image: &str) -> Option<Minor> {
    let tag = Image::read(image)?.tag;
    let mut numbers = tag.strip_prefix('v')?.split('.');
    let (major, minor) = (numbers.next()?, numbers.next()?);
    (component == "kube-proxy" && major == "1").then(|| minor.parse().ok().and_then(Minor::new))?
}

#[cfg(test)]
mod tests {
    use super::*;

    const PROXY: &str =
        "602401143452.dkr.ecr.us-east-1.amazonaws.com/eks/kube-proxy:v1.33.0-minimal-eksbuild.2";

    #[test]
    fn the_image_for_another_version_stays_in_its_repository_and_minimal() {
        let image = Image::read(PROXY).unwrap();
        assert_eq!(image.version().unwrap().as_str(), "v1.33.0-eksbuild.2");
        let next = image.at(&"v1.34.1-eksbuild.3".parse().unwrap());
        assert_eq!(
            next,
            "602401143452.dkr.ecr.us-east-1.amazonaws.com/eks/kube-proxy:v1.34.1-minimal-eksbuild.3"
        );
    }

    #[test]
    fn only_kube_proxy_has_the_minor_of_kubernetes() {
        assert_eq!(minor_of("kube-proxy", PROXY), Minor::new(33));
        assert_eq!(minor_of("coredns", "eks/coredns:v1.11.4-eksbuild.2"), None);
    }

    #[test]
    fn what_is_no_build_of_eks_has_no_version() {
        for image in ["coredns/coredns:1.11.1", "localhost:5000/kube-proxy", "kube-proxy@sha256:00"] {
            assert_eq!(Image::read(image).and_then(|image| image.version()), None, "{image}");
        }
    }
}
