//! The names of the services and the ports they own.

use std::fmt;
use std::str::FromStr;

/// One service of the stack.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Service {
    WalletApi,
    SignerA,
    SignerB,
    NodeA,
    NodeB,
    Prices,
    Ledger,
}

/// A name that is no service of the stack.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "no wallet service is called `{0}`; hint: wallet-api, signer-a, signer-b, node-a, node-b, prices or ledger"
)]
pub struct UnknownService(pub String);

impl Service {
    pub const ALL: [Self; 7] = [
        Self::WalletApi,
        Self::SignerA,
        Self::SignerB,
        Self::NodeA,
        Self::NodeB,
        Self::Prices,
        Self::Ledger,
    ];

    pub fn name(self) -> &'static str {
        match self {
            Self::WalletApi => "wallet-api",
            Self::SignerA => "signer-a",
            Self::SignerB => "signer-b",
            Self::NodeA => "node-a",
            Self::NodeB => "node-b",
            Self::Prices => "prices",
            Self::Ledger => "ledger",
        }
    }

    /// The TCP port that the service listens on unless told otherwise.
    pub fn port(self) -> u16 {
        match self {
            Self::WalletApi => 7000,
            Self::SignerA => 7001,
            Self::SignerB => 7002,
            Self::NodeA => 7003,
            Self::NodeB => 7004,
            Self::Prices => 7005,
            Self::Ledger => 7006,
        }
    }
}

impl fmt::Display for Service {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

impl FromStr for Service {
    type Err = UnknownService;

    fn from_str(name: &str) -> Result<Self, Self::Err> {
        Self::ALL
            .into_iter()
            .find(|service| service.name() == name)
            .ok_or_else(|| UnknownService(name.to_owned()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_name_reads_back_as_its_service() {
        for service in Service::ALL {
            assert_eq!(service.to_string().parse(), Ok(service));
        }
        assert!("signer-c".parse::<Service>().is_err());
    }
}
