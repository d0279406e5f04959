//! The processes of a control plane: etcd, the API server, the controllers and the scheduler.

use std::fs;
use std::net::{Ipv4Addr, TcpListener};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use http::Request;
use kube::Client;
use serde_json::json;
use tokio::time::sleep;

use super::assets::{Assets, Controllers};
use super::certs::{self, Authority};
use super::connect::{Access, endpoint, kubeconfig};
use super::guard::Guarded;

/// Starting takes 4 to 9 seconds; more where the machine has other things to do.
const READY_WITHIN: Duration = Duration::from_mins(1);
const LOOK_EVERY: Duration = Duration::from_millis(100);

/// Running processes. They end in this order.
#[derive(Debug)]
pub(super) struct ControlPlane {
    controllers: Vec<Guarded>,
    apiserver: Guarded,
    etcd: Guarded,
    /// The way to the API server itself, with nothing before it.
    pub(super) access: Access,
    /// The port that the API server listens on.
    pub(super) port: u16,
}

impl ControlPlane {
    /// Starts one in a new folder. A port that was free may be taken a moment later: an error may be bad luck.
    pub(super) async fn start(
        assets: &Assets,
        folder: &Path,
        authority: &Authority,
        webhook: u16,
    ) -> Result<Self, String> {
        let (etcd, store) = start_etcd(assets, folder);
        let port = free_port();
        let (apiserver, access) = start_apiserver(assets, folder, authority, &store, (port, webhook));
        let mut plane = Self { controllers: Vec::new(), apiserver, etcd, access, port };
        plane.ready().await?;
        if let Some(controllers) = &assets.controllers {
            plane.controllers = start_controllers(controllers, folder, &plane.access);
        }
        Ok(plane)
    }

    /// Whether deployments get pods, and pods nodes.
    pub(super) fn has_controllers(&self) -> bool {
        !self.controllers.is_empty()
    }

    /// A folder that lives as long as this does.
    pub(super) fn folder(&self) -> &Path {
        self.apiserver.folder()
    }

    async fn ready(&self) -> Result<(), String> {
        let client = self.access.client();
        let until = Instant::now() + READY_WITHIN;
        while !answers(&client).await {
            if let Some(crash) = self.etcd.crash().or_else(|| self.apiserver.crash()) {
                return Err(crash);
            }
            if Instant::now() > until {
                return Err(format!("kube-apiserver is not ready: {}", self.apiserver.tail()));
            }
            sleep(LOOK_EVERY).await;
        }
        Ok(())
    }
}

async fn answers(client: &Client) -> bool {
    let request = Request::get("/readyz").body(Vec::new()).expect("a request");
    client.request_text(request).await.is_ok_and(|text| text == "ok")
}

fn start_etcd(assets: &Assets, folder: &Path) -> (Guarded, String) {
    let folder = subfolder(folder, "etcd");
    let clients = format!("http://127.0.0.1:{}", free_port());
    let peers = format!("http://127.0.0.1:{}", free_port());
    let args = [
        format!("--data-dir={}", folder.join("data").display()),
        format!("--listen-client-urls={clients}"),
        format!("--advertise-client-urls={clients}"),
        format!("--listen-peer-urls={peers}"),
        "--log-level=error".to_owned(),
        "--unsafe-no-fsync".to_owned(),
    ];
    (Guarded::start(&folder, &assets.etcd, &args), clients)
}

fn start_apiserver(
    assets: &Assets,
    folder: &Path,
    authority: &Authority,
    store: &str,
    (port, webhook): (u16, u16),
) -> (Guarded, Access) {
    let folder = subfolder(folder, "kube-apiserver");
    let access = Access {
        endpoint: endpoint(port),
        authority_der: authority.der().to_vec(),
        authority_pem: authority.pem(),
        token: certs::secret(),
    };

    let accounts = certs::key();
    let issued = authority.issue();
    let webhook = kubeconfig(&json!({"server": format!("http://127.0.0.1:{webhook}/")}), &json!({}));
    let admin = format!("{},harness,harness,\"system:masters\"\n", access.token);
    let file = |name: &str, content: &str| write(&folder, name, content);
    let args = [
        "--bind-address=127.0.0.1".to_owned(),
        format!("--secure-port={port}"),
        format!("--etcd-servers={store}"),
        format!("--cert-dir={}", folder.display()),
        format!("--tls-cert-file={}", file("tls.crt", &issued.certificate_pem())),
        format!("--tls-private-key-file={}", file("tls.key", &issued.key_pem())),
        format!("--token-auth-file={}", file("tokens.csv", &admin)),
        format!("--authentication-token-webhook-config-file={}", file("webhook.json", &webhook)),
        "--authentication-token-webhook-version=v1".to_owned(),
        "--authentication-token-webhook-cache-ttl=1s".to_owned(),
        "--authorization-mode=RBAC".to_owned(),
        "--service-account-issuer=https://kubernetes.default.svc".to_owned(),
        format!("--service-account-key-file={}", file("accounts.pub", &accounts.public_key_pem())),
        format!("--service-account-signing-key-file={}", file("accounts.key", &accounts.serialize_pem())),
        "--service-cluster-ip-range=10.96.0.0/16".to_owned(),
        // Nobody makes tokens for pods here, and nobody takes the taints off a node.
        "--disable-admission-plugins=ServiceAccount,TaintNodesByCondition".to_owned(),
        "--endpoint-reconciler-type=none".to_owned(),
    ];
    (Guarded::start(&folder, &assets.apiserver, &args), access)
}

fn start_controllers(controllers: &Controllers, folder: &Path, access: &Access) -> Vec<Guarded> {
    let start = |program: &Path, name: &str, more: &[&str]| {
        let folder = subfolder(folder, name);
        let kubeconfig = write(&folder, "kubeconfig", &access.kubeconfig());
        let mut args = vec![format!("--kubeconfig={kubeconfig}")];
        args.extend(["--leader-elect=false", "--secure-port=0"].map(str::to_owned));
        if has_plain_port(program) {
            args.push("--port=0".to_owned());
        }
        args.extend(more.iter().map(|arg| (*arg).to_owned()));
        Guarded::start(&folder, program, &args)
    };
    vec![
        // No kubelet renews a lease here: without a grace, every node is soon taken for dead, and with it every
        // pod for unhealthy.
        start(&controllers.manager, "kube-controller-manager", &["--node-monitor-grace-period=24h"]),
        start(&controllers.scheduler, "kube-scheduler", &[]),
    ]
}

/// Before 1.24 these listened without TLS as well, on a port that only one of them can have.
fn has_plain_port(program: &Path) -> bool {
    let help = Command::new(program).arg("--help").output().expect("it tells its flags");
    String::from_utf8_lossy(&help.stdout).contains("--port int")
}

fn subfolder(folder: &Path, name: &str) -> PathBuf {
    let folder = folder.join(name);
    fs::create_dir_all(&folder).expect("the folder of temporary files can be written to");
    folder
}

/// Writes a file, and says where it is.
fn write(folder: &Path, name: &str, content: &str) -> String {
    let path = folder.join(name);
    fs::write(&path, content).expect("the folder of temporary files can be written to");
    path.display().to_string()
}

fn free_port() -> u16 {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("this machine has a loopback");
    listener.local_addr().expect("it is bound").port()
}
