//! How kube-proxy works, by the file that it is given.

use eks_upgrade_core::inside::ProxyMode;
use k8s_openapi::api::core::v1::ConfigMap;
use kube::core::Resource;
use serde::Deserialize;

use crate::failed::Failed;
use crate::link::Link;

const OP: &str = "kubernetes:get configmap kube-system/kube-proxy-config";
/// Where the file is, and under which key: EKS's place, and kubeadm's.
const PLACES: [(&str, &str); 2] = [("kube-proxy-config", "config"), ("kube-proxy", "config.conf")];

#[derive(Default, Deserialize)]
struct Configuration {
    #[serde(default)]
    mode: Option<String>,
}

/// Its mode; none where there is no such file.
pub(super) async fn mode(link: &Link) -> Result<Option<ProxyMode>, Failed> {
    for (name, key) in PLACES {
        let path = format!("{}/{name}", ConfigMap::url_path(&(), Some("kube-system")));
        let map: Option<ConfigMap> = link.find(OP, &path).await?;
        let file = map.and_then(|map| map.data).and_then(|mut data| data.remove(key));
        if let Some(file) = file {
            return mode_of(&file).map(Some).map_err(|why| Failed::odd(OP, why));
        }
    }
    Ok(None)
}

fn mode_of(file: &str) -> Result<ProxyMode, String> {
    let configuration: Configuration =
        serde_saphyr::from_str(file).map_err(|error| format!("it does not read: {error}"))?;
    match configuration.mode.as_deref() {
        None | Some("" | "iptables") => Ok(ProxyMode::Iptables),
        Some("ipvs") => Ok(ProxyMode::Ipvs),
        Some("nftables") => Ok(ProxyMode::Nftables),
        Some(other) => Err(format!("its mode {other:?} is none that is known")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_mode_is_what_the_file_says() {
        let file = |mode: &str| {
            format!(
                "apiVersion: kubeproxy.config.k8s.io/v1alpha1\nkind: KubeProxyConfiguration\n{mode}ipvs: {{}}\n"
            )
        };
        assert_eq!(mode_of(&file("mode: \"ipvs\"\n")), Ok(ProxyMode::Ipvs));
        assert_eq!(mode_of(&file("mode: nftables\n")), Ok(ProxyMode::Nftables));
        for default in ["", "mode: \"\"\n", "mode: iptables\n"] {
            assert_eq!(mode_of(&file(default)), Ok(ProxyMode::Iptables), "{default}");
        }
        assert!(mode_of(&file("mode: userspace\n")).unwrap_err().contains("userspace"));
        assert!(mode_of("mode: [").is_err());
    }
}
