//! Networks: addresses compared with CIDR blocks.

use std::fmt;
use std::net::IpAddr;
use std::str::FromStr;

/// A block of addresses, in CIDR form (RFC 4632, RFC 4291).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Network {
    base: IpAddr,
    bits: u8,
}

impl FromStr for Network {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let bad = || format!("`{text}` is not a network in CIDR form, such as `10.0.0.0/8`");
        let (base, bits) = text.trim().split_once('/').ok_or_else(bad)?;
        let base: IpAddr = base.parse().map_err(|_| bad())?;
        let bits: u8 = bits.parse().map_err(|_| bad())?;
        let longest = if base.is_ipv4() { 32 } else { 128 };
        if bits > longest {
            return Err(bad());
        }
        Ok(Self { base, bits })
    }
}

impl fmt::Display for Network {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.base, self.bits)
    }
}

impl Network {
    /// Whether the address is in the block. The families are kept apart; an IPv4 address that is mapped into IPv6 counts
    /// as the IPv4 address it is.
    pub fn contains(&self, address: IpAddr) -> bool {
        match (self.base, address.to_canonical()) {
            (IpAddr::V4(base), IpAddr::V4(address)) => {
                let differing = u32::from(base) ^ u32::from(address);
                differing.leading_zeros() >= u32::from(self.bits)
            }
            (IpAddr::V6(base), IpAddr::V6(address)) => {
                let differing = u128::from(base) ^ u128::from(address);
                differing.leading_zeros() >= u32::from(self.bits)
            }
            _ => false,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn is_in(address: &str, network: &str) -> bool {
        let network: Network = network.parse().expect("a network");
        network.contains(address.parse().expect("an address"))
    }

    #[test]
    fn a_block_holds_its_first_and_last_address_and_not_their_neighbours() {
        for (network, inside, outside) in [
            (
                "127.0.0.0/8",
                ["127.0.0.0", "127.255.255.255"],
                ["126.255.255.255", "128.0.0.0"],
            ),
            (
                "172.16.0.0/12",
                ["172.16.0.0", "172.31.255.255"],
                ["172.15.255.255", "172.32.0.0"],
            ),
            (
                "10.1.2.3/32",
                ["10.1.2.3", "10.1.2.3"],
                ["10.1.2.2", "10.1.2.4"],
            ),
            ("fd00::/8", ["fd00::", "fdff::1"], ["fc00::1", "fe00::"]),
            ("::1/128", ["::1", "::1"], ["::", "::2"]),
        ] {
            for address in inside {
                assert!(is_in(address, network), "{address} is not in {network}");
            }
            for address in outside {
                assert!(!is_in(address, network), "{address} is in {network}");
            }
        }
        assert!(is_in("8.8.8.8", "0.0.0.0/0"));
    }

    #[test]
    fn the_families_are_kept_apart_and_mapped_addresses_are_seen_through() {
        assert!(!is_in("::1", "0.0.0.0/0"));
        assert!(!is_in("127.0.0.1", "::/0"));
        assert!(is_in("::ffff:127.0.0.1", "127.0.0.0/8"));
        assert!(!is_in("::ffff:8.8.8.8", "::/0"));
    }

    #[test]
    fn what_is_no_block_is_refused() {
        for bad in [
            "",
            "10.0.0.0",
            "10.0.0.0/33",
            "::/129",
            "10.0.0/8",
            "a/8",
            "10.0.0.0/-1",
        ] {
            assert!(bad.parse::<Network>().is_err(), "{bad:?} was accepted");
        }
    }
}
