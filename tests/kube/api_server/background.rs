//! A thread for what runs around a server.
//!
//! Every test has a runtime of its own, which ends before the server that it shares with others: what serves them
//! all cannot live on it.

use std::net::{self, Ipv4Addr};
use std::{io, thread};

use tokio::net::TcpListener;
use tokio::runtime::{Builder, Handle};
use tokio::sync::oneshot;

/// Runs tasks until it is dropped.
#[derive(Debug)]
pub(super) struct Background {
    handle: Handle,
    /// The thread ends when this is gone.
    _until: oneshot::Sender<()>,
}

impl Background {
    pub(super) fn start() -> Self {
        let runtime = Builder::new_current_thread().enable_all().build().expect("a runtime starts");
        let handle = runtime.handle().clone();
        let (until, gone) = oneshot::channel::<()>();
        thread::spawn(move || runtime.block_on(gone));
        Self { handle, _until: until }
    }

    /// A listener on a free port of this machine, for a task that runs here; and its port.
    pub(super) fn listen(&self) -> io::Result<(TcpListener, u16)> {
        let listener = net::TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
        listener.set_nonblocking(true)?;
        let port = listener.local_addr()?.port();
        let _here = self.handle.enter();
        Ok((TcpListener::from_std(listener)?, port))
    }

    /// Runs a task for as long as this lives.
    pub(super) fn run(&self, task: impl Future<Output = ()> + Send + 'static) {
        self.handle.spawn(task);
    }
}
