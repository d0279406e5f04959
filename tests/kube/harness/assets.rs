//! What is said where binaries are missing.

use std::env;
use std::fs::{self, File};
use std::path::PathBuf;

use crate::api_server::Assets;

/// A folder with empty files of these names.
fn folder(test: &str, files: &[&str]) -> PathBuf {
    let folder = env::temp_dir().join(format!("eks-upgrade-assets-{test}-{}", std::process::id()));
    fs::create_dir_all(&folder).unwrap();
    for file in files {
        File::create(folder.join(file)).unwrap();
    }
    folder
}

#[test]
fn what_is_missing_is_named_and_how_to_get_it() {
    let folder = folder("missing", &["etcd"]);
    let missing = Assets::within(Some(&folder)).unwrap_err().to_string();
    fs::remove_dir_all(&folder).unwrap();
    assert!(missing.starts_with("no kube-apiserver, kubectl in KUBEBUILDER_ASSETS=/"), "{missing}");
    assert!(missing.contains("setup-envtest") && missing.contains("make kube-assets"), "{missing}");
    let unset = Assets::within(None).unwrap_err().to_string();
    assert!(
        unset.starts_with("no etcd, kube-apiserver, kubectl because KUBEBUILDER_ASSETS is not set"),
        "{unset}"
    );
}

#[test]
fn the_controllers_may_be_missing() {
    let folder = folder("envtest", &["etcd", "kube-apiserver", "kubectl"]);
    let found = Assets::within(Some(&folder));
    fs::remove_dir_all(&folder).unwrap();
    assert!(found.is_ok(), "{found:?}");
}
