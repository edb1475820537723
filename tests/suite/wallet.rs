//! The demo wallet stack, started as a user starts it.

use std::net::IpAddr;

use crate::firedrill::{Firedrill, Started};
use crate::ground::{Folder, own_address};
use crate::proxies::Proxies;

#[derive(Debug)]
pub(crate) struct Wallet {
    pub(crate) host: IpAddr,
    pub(crate) proxies: Proxies,
    pub(crate) firedrill: Firedrill,
    _process: Started,
    pub(crate) folder: Folder,
}

impl Wallet {
    pub(crate) fn start() -> Self {
        let (host, folder) = (own_address(), Folder::new());
        let firedrill = Firedrill::within(folder.path());
        let mut process = firedrill.start(["wallet", "--host", &host.to_string()]);
        process.wait_for("wallet API on");
        Self {
            host,
            proxies: Proxies::on(host),
            firedrill,
            _process: process,
            folder,
        }
    }

    /// The `--var` that puts the shipped stack onto this one's address.
    pub(crate) fn variable(&self) -> String {
        format!("host={}", self.host)
    }
}
