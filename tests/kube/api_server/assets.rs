//! The binaries of a control plane: where they are, and what to say when they are not.

use std::env;
use std::fmt;
use std::path::{Path, PathBuf};

/// Names the folder with the binaries, as everywhere in Kubernetes' own tests.
const FOLDER: &str = "KUBEBUILDER_ASSETS";
/// Set to `1` where a missing binary must fail a test instead of skipping it.
const REQUIRED: &str = "EKS_UPGRADE_KUBE_REQUIRED";

/// The binaries in the folder that `KUBEBUILDER_ASSETS` names.
#[derive(Clone, Debug)]
pub struct Assets {
    pub(super) etcd: PathBuf,
    pub(super) apiserver: PathBuf,
    pub(super) kubectl: PathBuf,
    /// `setup-envtest` brings neither of these.
    pub(super) controllers: Option<Controllers>,
}

/// What makes pods of deployments, keeps the status of budgets, and binds pods to nodes.
#[derive(Clone, Debug)]
pub(super) struct Controllers {
    pub(super) manager: PathBuf,
    pub(super) scheduler: PathBuf,
}

/// What is not there; its text says how to get it.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Missing {
    folder: Option<PathBuf>,
    names: Vec<&'static str>,
}

impl fmt::Display for Missing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "no {} ", self.names.join(", "))?;
        match &self.folder {
            Some(folder) => write!(f, "in {FOLDER}={}", folder.display())?,
            None => write!(f, "because {FOLDER} is not set")?,
        }
        write!(f, ": `make kube-assets` builds all; `setup-envtest use -p path` has all but the controllers")
    }
}

impl Assets {
    /// What `KUBEBUILDER_ASSETS` names, or nothing, after one loud line.
    ///
    /// # Panics
    /// When something is missing and `EKS_UPGRADE_KUBE_REQUIRED` is `1`.
    #[must_use]
    pub fn find() -> Option<Self> {
        let folder = env::var_os(FOLDER).filter(|folder| !folder.is_empty()).map(PathBuf::from);
        Self::within(folder.as_deref()).map_err(|missing| skip(&missing)).ok()
    }

    /// What a folder holds.
    pub fn within(folder: Option<&Path>) -> Result<Self, Missing> {
        let at = |name: &str| folder.map(|folder| folder.join(name)).filter(|path| path.is_file());
        match (at("etcd"), at("kube-apiserver"), at("kubectl")) {
            (Some(etcd), Some(apiserver), Some(kubectl)) => {
                let controllers = at("kube-controller-manager")
                    .zip(at("kube-scheduler"))
                    .map(|(manager, scheduler)| Controllers { manager, scheduler });
                Ok(Self { etcd, apiserver, kubectl, controllers })
            }
            _ => Err(Missing::of(folder, &["etcd", "kube-apiserver", "kubectl"])),
        }
    }
}

impl Missing {
    /// Which of these a folder lacks.
    fn of(folder: Option<&Path>, wanted: &[&'static str]) -> Self {
        let lacks = |name: &&&str| folder.is_none_or(|folder| !folder.join(name).is_file());
        let names = wanted.iter().filter(lacks).copied().collect();
        Self { folder: folder.map(Path::to_owned), names }
    }

    /// That the controllers are not there.
    pub(super) fn controllers() -> Self {
        let folder = env::var_os(FOLDER).map(PathBuf::from);
        Self::of(folder.as_deref(), &["kube-controller-manager", "kube-scheduler"])
    }
}

/// Says loudly that a test does not run, or fails it where it must run.
///
/// # Panics
/// When `EKS_UPGRADE_KUBE_REQUIRED` is `1`.
pub(super) fn skip(missing: &Missing) {
    assert!(env::var_os(REQUIRED).is_none_or(|set| set != "1"), "{REQUIRED}=1 and {missing}");
    eprintln!("SKIPPED, NOT TESTED: {missing}");
}
