//! The name of named memory.

use std::fmt;
use std::str::FromStr;

/// 128 random bits, of which nobody makes the same ones twice and which nobody guesses.
///
/// As text it is what the system is told: `/rw-` and 26 digits. Whoever has it can open the memory, for as long as the name is
/// there, if it is the same user.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct Name([u8; Name::LEN]);

/// What was to be a [`Name`] and is none: not `/rw-` and 26 digits of `a` to `z`, `2` to `7`, of which the last is `a` to `h`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NameError;

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
/// How many of them it has.
const PLACES: usize = 26;
/// What comes before them.
const PREFIX: &str = "/rw-";

/// As the system is told: `/rw-` and 26 digits, 30 bytes in all, which is what macOS takes at most (31 with the 0 behind it);
/// Linux takes 255.
impl fmt::Display for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let bits = u128::from_le_bytes(self.0);
        let digits = (0..PLACES).map(|place| char::from(DIGITS[(bits >> (5 * place) & 31) as usize]));
        write!(f, "{PREFIX}{}", digits.collect::<String>())
    }
}

impl FromStr for Name {
    type Err = NameError;

    fn from_str(text: &str) -> Result<Self, NameError> {
        let digits = text.strip_prefix(PREFIX).filter(|digits| digits.len() == PLACES).ok_or(NameError)?;
        let mut bits = 0_u128;
        for digit in digits.bytes().rev() {
            let value = DIGITS.iter().position(|known| *known == digit).ok_or(NameError)?;
            if bits.leading_zeros() < 5 {
                return Err(NameError);
            }
            bits = bits << 5 | value as u128;
        }
        Ok(Self(bits.to_le_bytes()))
    }
}

impl fmt::Display for NameError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("this is no name of memory: pass what the end that made it shows, `/rw-` and 26 digits")
    }
}

impl std::error::Error for NameError {}

impl fmt::Debug for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Name({self})")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

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

    #[test]
    fn a_name_is_read_as_it_is_shown_and_nothing_else_is_one() {
        for bits in (0..128).map(|bit| 1_u128 << bit).chain([0, u128::MAX, u128::MAX / 3]) {
            let name = Name::from_bytes(bits.to_le_bytes());
            assert_eq!(name.to_string().parse(), Ok(name));
        }
        let last = |digit: char| format!("/rw-{}{digit}", "a".repeat(25));
        assert!(last('h').parse::<Name>().is_ok());
        let a = "a".repeat(26);
        let wrong = [
            "",
            "/rw-",
            &a,
            &format!("/rw-{a}a"),
            &format!("/rx-{a}"),
            &last('i'),
            &last('A'),
            &last('1'),
            &last('/'),
        ];
        for text in wrong {
            let error = text.parse::<Name>().unwrap_err();
            assert!(error.to_string().contains("26 digits"), "{text}");
        }
    }
}
