//! Addresses and networks, as `last_ip` and `allow_net` of an application password hold them.

use std::net::IpAddr;

/// An address, or a network in the notation of CIDR.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Network {
    address: u128,
    mask: u128,
}

impl Network {
    /// Reads `192.0.2.0/24`, `2001:db8::/32` or a single address.
    ///
    /// # Errors
    /// A clause that says what is expected.
    pub fn parse(text: &str) -> Result<Self, String> {
        let wrong = || format!("'{text}' is no network: give one such as 192.0.2.0/24 or 2001:db8::/32");
        let (address, length) = text.split_once('/').map_or((text, None), |(a, length)| (a, Some(length)));
        let address: IpAddr = address.parse().map_err(|_error| wrong())?;
        let (bits, longest) = number(address);
        let length: u32 = match length {
            None => longest,
            Some(digits) if !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit()) => {
                digits.parse().ok().filter(|length| *length <= longest).ok_or_else(wrong)?
            }
            Some(_) => return Err(wrong()),
        };
        let length = length + 128 - longest;
        let mask = if length == 0 { 0 } else { u128::MAX << (128 - length) };
        Ok(Self { address: bits & mask, mask })
    }

    /// Whether an address lies in it.
    pub fn contains(self, address: IpAddr) -> bool {
        number(address).0 & self.mask == self.address
    }
}

/// IPv4 addresses lie where IPv6 maps them, so that both spellings are the same.
fn number(address: IpAddr) -> (u128, u32) {
    match address.to_canonical() {
        IpAddr::V4(v4) => (u128::from(v4.to_ipv6_mapped()), 32),
        IpAddr::V6(v6) => (u128::from(v6), 128),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn networks_hold_their_addresses() {
        for (network, inside, outside) in [
            ("10.0.0.0/8", "10.255.0.1", "11.0.0.1"),
            ("203.0.113.7", "203.0.113.7", "203.0.113.8"),
            ("2001:db8::/32", "2001:db8:ffff::1", "2001:db9::1"),
            ("0.0.0.0/0", "8.8.8.8", "2001:db8::1"),
        ] {
            let network = Network::parse(network).unwrap();
            assert!(network.contains(inside.parse().unwrap()) && !network.contains(outside.parse().unwrap()));
        }
        for text in ["", "10.0.0.0/", "10.0.0.0/33", "10.0.0/8", "::/129", "10.0.0.0/+8", "localhost"] {
            assert!(Network::parse(text).is_err(), "{text}");
        }
    }
}
