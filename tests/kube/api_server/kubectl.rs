//! kubectl, as an administrator of a server.

use std::path::{Path, PathBuf};
use std::process::Stdio;

use tokio::io::AsyncWriteExt as _;
use tokio::process::Command;

/// The program, and the folder with its configuration.
#[derive(Debug)]
pub(super) struct Kubectl {
    program: PathBuf,
    folder: PathBuf,
}

/// What became of a command.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Ran {
    /// Whether it ended with status 0.
    pub ok: bool,
    /// What it wrote to its standard output.
    pub stdout: String,
    /// What it wrote to its standard error.
    pub stderr: String,
}

impl Kubectl {
    /// Keeps all that it writes in a folder that is there.
    pub(super) fn new(program: &Path, folder: &Path, kubeconfig: &str) -> Self {
        std::fs::write(folder.join("kubeconfig"), kubeconfig).expect("the folder can be written to");
        Self { program: program.to_owned(), folder: folder.to_owned() }
    }

    /// Runs a command, with this on its standard input.
    pub(super) async fn run(&self, args: &[&str], input: &str) -> Ran {
        let mut command = Command::new(&self.program);
        command.args(args).env("HOME", &self.folder).env("KUBECONFIG", self.folder.join("kubeconfig"));
        // What a person's shell sets must not lead it elsewhere.
        command.env_remove("HTTPS_PROXY").env_remove("https_proxy").kill_on_drop(true);
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().expect("kubectl starts");
        if let Some(mut stdin) = child.stdin.take() {
            // A command that reads nothing may have ended by now.
            let _ = stdin.write_all(input.as_bytes()).await;
        }
        let output = child.wait_with_output().await.expect("kubectl ends");
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        Ran { ok: output.status.success(), stdout: text(&output.stdout), stderr: text(&output.stderr) }
    }
}
