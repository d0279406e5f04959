//! Processes that end when the test does, even when it is killed.
//!
//! Each runs under a shell that reads a pipe from the test. However the test ends, the kernel closes the pipe; the
//! shell then kills the process and removes its folder. Who kills the whole group of processes at once ends the
//! shell as well: then the folder stays, and nothing else does.

use std::ffi::OsStr;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

/// `$1` is the process's folder, the rest its command. Signals to the whole group, such as Ctrl-C, must not end
/// the shell before it has tidied up.
const SHELL: &str = r#"
trap '' HUP INT TERM
exec 3<&0
folder=$1
shift
"$@" </dev/null 3<&- >"$folder/log" 2>&1 &
process=$!
(read -r _ <&3; kill -KILL "$process" 2>/dev/null) &
watch=$!
wait "$process"
echo "$?" >"$folder/exited"
wait "$watch"
rm -rf "$folder"
rmdir "${folder%/*}" 2>/dev/null
"#;

/// How much of a log a failed start shows.
const TAIL_LINES: usize = 20;

/// A process with a folder of its own; both are gone when this is dropped.
#[derive(Debug)]
pub(super) struct Guarded {
    shell: Child,
    name: String,
    folder: PathBuf,
}

impl Guarded {
    /// Starts a program with a folder that is there already, for what it reads and writes.
    pub(super) fn start<A: AsRef<OsStr>>(folder: &Path, program: &Path, args: &[A]) -> Self {
        let mut shell = Command::new("sh");
        shell.args(["-c", SHELL, "guard"]).arg(folder).arg(program).args(args);
        let quiet = shell.stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::null());
        let name = program.file_name().unwrap_or_default().to_string_lossy().into_owned();
        Self { shell: quiet.spawn().expect("there is a shell"), name, folder: folder.to_owned() }
    }

    /// The folder of the process.
    pub(super) fn folder(&self) -> &Path {
        &self.folder
    }

    /// Why the process ended, when it ended by itself.
    pub(super) fn crash(&self) -> Option<String> {
        let status = fs::read_to_string(self.folder.join("exited")).ok()?;
        Some(format!("{} ended with {}: {}", self.name, status.trim(), self.tail()))
    }

    /// The last lines of its log.
    pub(super) fn tail(&self) -> String {
        let log = fs::read_to_string(self.folder.join("log")).unwrap_or_default();
        let lines: Vec<&str> = log.lines().collect();
        lines[lines.len().saturating_sub(TAIL_LINES)..].join("\n")
    }
}

impl Drop for Guarded {
    fn drop(&mut self) {
        drop(self.shell.stdin.take());
        // The shell ends once the process has and the folder is gone.
        let _ = self.shell.wait();
    }
}
