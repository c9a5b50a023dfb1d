//! The name of a link's named memory.

use std::fmt;

/// 128 random bits, of which nobody makes the same ones twice and which nobody guesses.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Name([u8; Name::LEN]);

impl Name {
    /// The number of bytes on the wire.
    pub(crate) const LEN: usize = 16;

    /// The name of these bits.
    pub(crate) const fn from_bytes(bytes: [u8; Self::LEN]) -> Self {
        Self(bytes)
    }

    /// Its bits.
    pub(crate) const fn to_bytes(self) -> [u8; Self::LEN] {
        self.0
    }
}

/// The digits of the name that the system is told, five bits each. No system takes two of them for one.
const DIGITS: &[u8; 32] = b"abcdefghijklmnopqrstuvwxyz234567";

/// As the system is told: `/rw-` and 26 digits, 30 bytes in all, which is what macOS takes at most (31 with the 0 behind it);
/// Linux takes 255.
impl fmt::Display for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let bits = u128::from_le_bytes(self.0);
        let digits = (0..26).map(|place| char::from(DIGITS[(bits >> (5 * place) & 31) as usize]));
        write!(f, "/rw-{}", digits.collect::<String>())
    }
}

impl fmt::Debug for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Name({self})")
    }
}

#[cfg(test)]
mod tests {
    use super::Name;

    #[test]
    fn a_name_is_short_enough_for_every_system_and_tells_every_bit() {
        let names: Vec<String> =
            (0..128).map(|bit| Name::from_bytes((1_u128 << bit).to_le_bytes()).to_string()).collect();
        for (place, name) in names.iter().enumerate() {
            assert_eq!(name.len(), 30);
            let rest = name.strip_prefix("/rw-").unwrap();
            assert!(rest.bytes().all(|digit| digit.is_ascii_lowercase() || digit.is_ascii_digit()), "{name}");
            assert!(!names[..place].contains(name));
        }
        assert_eq!(Name::from_bytes([0; 16]).to_string(), "/rw-aaaaaaaaaaaaaaaaaaaaaaaaaa");
    }
}
