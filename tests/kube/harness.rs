//! The harness keeps what it promises: without that, nothing that is tested with it means anything.

mod assets;
mod bridged;
mod evictions;
mod lifetime;
mod manifests;
mod nodes;
mod tokens;
