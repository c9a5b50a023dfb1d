//! Who a worker is: its slot and generation, a name, and labels that both ends can read.

use std::fmt;

/// The longest name, in bytes.
pub const NAME_MAX: usize = 64;
/// The largest number of labels.
pub const LABELS_MAX: usize = 16;
/// The longest key of a label, in bytes.
pub const KEY_MAX: usize = 64;
/// The longest value of a label, in bytes.
pub const VALUE_MAX: usize = 128;

/// Who the accepting end is, as the offering end tells it.
///
/// Everything in it is bounded, so that it fits one control message: a name of at most [`NAME_MAX`] bytes, at
/// most [`LABELS_MAX`] labels with different keys of 1 to [`KEY_MAX`] bytes and values of at most [`VALUE_MAX`]
/// bytes.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Identity {
    slot: u32,
    generation: u32,
    name: String,
    labels: Vec<(String, String)>,
}

impl Identity {
    /// An identity without a name and labels.
    #[must_use]
    pub fn new(slot: u32, generation: u32) -> Self {
        Self { slot, generation, name: String::new(), labels: Vec::new() }
    }

    /// The same identity with this name.
    ///
    /// # Errors
    /// [`IdentityError::NameTooLong`].
    pub fn with_name(mut self, name: impl Into<String>) -> Result<Self, IdentityError> {
        let name = name.into();
        if name.len() > NAME_MAX {
            return Err(IdentityError::NameTooLong { len: name.len() });
        }
        self.name = name;
        Ok(self)
    }

    /// The same identity with one more label.
    ///
    /// # Errors
    /// An [`IdentityError`] if the key is empty or there already, or a bound is passed.
    pub fn with_label(
        mut self,
        key: impl Into<String>,
        value: impl Into<String>,
    ) -> Result<Self, IdentityError> {
        let (key, value) = (key.into(), value.into());
        if key.is_empty() || key.len() > KEY_MAX {
            return Err(IdentityError::KeyLength { len: key.len() });
        }
        if value.len() > VALUE_MAX {
            return Err(IdentityError::ValueTooLong { len: value.len() });
        }
        if self.label(&key).is_some() {
            return Err(IdentityError::DuplicateKey);
        }
        if self.labels.len() == LABELS_MAX {
            return Err(IdentityError::TooManyLabels { count: LABELS_MAX + 1 });
        }
        self.labels.push((key, value));
        Ok(self)
    }

    /// The worker's slot.
    #[must_use]
    pub fn slot(&self) -> u32 {
        self.slot
    }

    /// Which of the processes that have held the slot this one is.
    #[must_use]
    pub fn generation(&self) -> u32 {
        self.generation
    }

    /// The worker's name; empty if it has none.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The labels, in the order in which they were added.
    #[must_use]
    pub fn labels(&self) -> &[(String, String)] {
        &self.labels
    }

    /// The value of one label.
    #[must_use]
    pub fn label(&self, key: &str) -> Option<&str> {
        self.labels.iter().find(|(known, _)| known == key).map(|(_, value)| value.as_str())
    }
}

/// What is wrong with a name or a label.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum IdentityError {
    /// The name is longer than [`NAME_MAX`].
    NameTooLong {
        /// Its length in bytes.
        len: usize,
    },
    /// There are more labels than [`LABELS_MAX`].
    TooManyLabels {
        /// How many there are.
        count: usize,
    },
    /// A key is empty or longer than [`KEY_MAX`].
    KeyLength {
        /// Its length in bytes.
        len: usize,
    },
    /// A value is longer than [`VALUE_MAX`].
    ValueTooLong {
        /// Its length in bytes.
        len: usize,
    },
    /// Two labels have the same key.
    DuplicateKey,
    /// The name, a key or a value is not UTF-8.
    NotUtf8,
}

impl fmt::Display for IdentityError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NameTooLong { len } => {
                write!(f, "the name has {len} bytes, {NAME_MAX} are allowed: shorten it")
            }
            Self::TooManyLabels { count } => {
                write!(f, "{count} labels, {LABELS_MAX} are allowed: drop some")
            }
            Self::KeyLength { len } => {
                write!(f, "a label's key has {len} bytes, 1 to {KEY_MAX} are allowed: change it")
            }
            Self::ValueTooLong { len } => {
                write!(f, "a label's value has {len} bytes, {VALUE_MAX} are allowed: shorten it")
            }
            Self::DuplicateKey => f.write_str("two labels have the same key: rename one"),
            Self::NotUtf8 => f.write_str("a name, key or value is not UTF-8"),
        }
    }
}

impl std::error::Error for IdentityError {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_full_identity_is_accepted_and_one_step_more_is_not() {
        let mut identity = Identity::new(1, 2).with_name("n".repeat(NAME_MAX)).unwrap();
        for at in 0..LABELS_MAX {
            identity = identity.with_label(format!("{at:0>KEY_MAX$}"), "v".repeat(VALUE_MAX)).unwrap();
        }
        assert_eq!(identity.labels().len(), LABELS_MAX);
        assert_eq!(identity.label(&format!("{:0>KEY_MAX$}", 3)), Some("v".repeat(VALUE_MAX).as_str()));
        assert_eq!(
            identity.clone().with_label("more", ""),
            Err(IdentityError::TooManyLabels { count: LABELS_MAX + 1 })
        );
        assert_eq!(
            identity.with_name("n".repeat(NAME_MAX + 1)),
            Err(IdentityError::NameTooLong { len: NAME_MAX + 1 })
        );
    }

    #[test]
    fn keys_are_bounded_and_different_and_values_bounded() {
        let identity = Identity::new(0, 0);
        assert_eq!(identity.clone().with_label("", "v"), Err(IdentityError::KeyLength { len: 0 }));
        let long = "k".repeat(KEY_MAX + 1);
        assert_eq!(identity.clone().with_label(long, ""), Err(IdentityError::KeyLength { len: KEY_MAX + 1 }));
        let long = "v".repeat(VALUE_MAX + 1);
        assert_eq!(
            identity.clone().with_label("k", long),
            Err(IdentityError::ValueTooLong { len: VALUE_MAX + 1 })
        );
        let labelled = identity.with_label("k", "").unwrap();
        assert_eq!(labelled.with_label("k", "other"), Err(IdentityError::DuplicateKey));
    }
}
