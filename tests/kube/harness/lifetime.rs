//! Nothing lingers, however a test ends.

use std::env;
use std::net::{SocketAddr, TcpStream};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant};

use crate::api_server::Server;

/// Set in a process that is there to be killed.
const FOLDER: &str = "EKS_UPGRADE_TEST_HELD_FOLDER";

/// Ends it when the test fails before it does.
struct Held(Child);

impl Drop for Held {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn within_10_s(what: &str, look: impl Fn() -> bool) {
    let until = Instant::now() + Duration::from_secs(10);
    while !look() {
        assert!(Instant::now() < until, "{what}");
        sleep(Duration::from_millis(50));
    }
}

fn processes_with(text: &str) -> usize {
    let of_process =
        |entry: std::io::Result<std::fs::DirEntry>| std::fs::read(entry.ok()?.path().join("cmdline")).ok();
    let lines = std::fs::read_dir("/proc").unwrap().filter_map(of_process);
    lines.filter(|line| String::from_utf8_lossy(line).contains(text)).count()
}

fn is_empty(folder: &PathBuf) -> bool {
    std::fs::read_dir(folder).unwrap().next().is_none()
}

#[tokio::test]
async fn a_server_that_is_dropped_is_gone() {
    let Some(server) = Server::start().await else { return };
    let address: SocketAddr = server.endpoint().trim_start_matches("https://").parse().unwrap();
    let folder = server.folder().to_owned();
    // With a slash, as the name of another one may begin with this one's.
    let name = format!("{}/", folder.display());
    assert!(processes_with(&name) >= 2);
    drop(server);
    assert_eq!(processes_with(&name), 0);
    assert!(!folder.exists());
    within_10_s("the endpoint still listens", || TcpStream::connect(address).is_err());
}

/// Holds a server until it is killed: the test below runs it in a process of its own.
#[tokio::test]
#[ignore = "it is there to be killed by another test"]
async fn held() {
    let Some(folder) = env::var_os(FOLDER) else { return };
    let Some(_server) = Server::start().await else { return };
    std::fs::write(PathBuf::from(folder).join("ready"), "").unwrap();
    tokio::time::sleep(Duration::from_mins(2)).await;
}

#[tokio::test]
async fn a_test_that_is_killed_leaves_nothing() {
    if crate::api_server::Assets::find().is_none() {
        return;
    }
    let folder = env::temp_dir().join(format!("eks-upgrade-held-{}", std::process::id()));
    std::fs::create_dir_all(&folder).unwrap();
    let mut test = Command::new(env::current_exe().unwrap());
    test.args(["--exact", "harness::lifetime::held", "--ignored"]);
    // Its temporary files are to be found here.
    test.env(FOLDER, &folder).env("TMPDIR", &folder).stdout(Stdio::null()).stderr(Stdio::null());
    let mut held = Held(test.spawn().unwrap());
    let is_ready = folder.join("ready");
    let until = Instant::now() + Duration::from_secs(90);
    while !is_ready.exists() {
        assert!(held.0.try_wait().unwrap().is_none(), "it ended by itself");
        assert!(Instant::now() < until, "no server within 90 s");
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    let name = folder.display().to_string();
    assert!(processes_with(&name) >= 2);

    held.0.kill().unwrap();
    within_10_s("processes linger", || processes_with(&name) == 0);
    std::fs::remove_file(&is_ready).unwrap();
    within_10_s("files linger", || is_empty(&folder));
    std::fs::remove_dir(&folder).unwrap();
}
