//! Entity tags: names for versions of a representation.

use core::fmt;

/// An entity tag (RFC 9110, section 8.8.3). A strong one changes with every byte; a weak one stays while what changed doesn't matter.
///
/// ```
/// use midge::EntityTag;
///
/// let tag = EntityTag::strong("v1").expect("it has no quote or blank in it");
/// assert_eq!(tag.to_string(), "\"v1\"");
/// assert_eq!(EntityTag::weak("v1").map(|tag| tag.to_string()).as_deref(), Some("W/\"v1\""));
/// assert!(EntityTag::strong("v 1").is_none());
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct EntityTag<'a> {
    is_weak: bool,
    opaque: &'a str,
}

impl<'a> EntityTag<'a> {
    /// The strong tag with this text, which goes between the quotes; `None` if a quote, a blank or a control is in it.
    #[must_use]
    pub fn strong(opaque: &'a str) -> Option<Self> {
        opaque.bytes().all(is_etagc).then_some(Self { is_weak: false, opaque })
    }

    /// The weak tag with this text; `None` as for [`EntityTag::strong`].
    #[must_use]
    pub fn weak(opaque: &'a str) -> Option<Self> {
        Self::strong(opaque).map(|tag| Self { is_weak: true, ..tag })
    }

    /// Whether it is weak.
    #[must_use]
    pub const fn is_weak(&self) -> bool {
        self.is_weak
    }

    /// The text between the quotes.
    #[must_use]
    pub const fn opaque(&self) -> &'a str {
        self.opaque
    }

    /// Strong comparison (RFC 9110, section 8.8.3.2): both are strong and have the same text.
    pub(super) fn is_strongly(&self, sent: SentTag<'_>) -> bool {
        !self.is_weak && !sent.is_weak && self.opaque.as_bytes() == sent.opaque
    }

    /// Weak comparison: both have the same text.
    pub(super) fn is_weakly(&self, sent: SentTag<'_>) -> bool {
        self.opaque.as_bytes() == sent.opaque
    }
}

/// As it goes into a field.
impl fmt::Display for EntityTag<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}\"{}\"", if self.is_weak { "W/" } else { "" }, self.opaque)
    }
}

/// A tag that a client sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct SentTag<'a> {
    is_weak: bool,
    opaque: &'a [u8],
}

impl<'a> SentTag<'a> {
    /// Reads a tag from the front of `bytes`, and gives what is behind it.
    pub(super) fn read(bytes: &'a [u8]) -> Option<(Self, &'a [u8])> {
        // `W` in upper case alone.
        let (is_weak, quoted) = bytes.strip_prefix(b"W/").map_or((false, bytes), |rest| (true, rest));
        let quoted = quoted.strip_prefix(b"\"")?;
        let end = quoted.iter().position(|byte| !is_etagc(*byte))?;
        let (opaque, rest) = quoted.split_at_checked(end)?;
        Some((Self { is_weak, opaque }, rest.strip_prefix(b"\"")?))
    }
}

/// The tags of a list (RFC 9110, section 5.6.1), up to the first thing that is none.
pub(super) fn tags(field: &[u8]) -> impl Iterator<Item = SentTag<'_>> {
    let mut rest = field;
    core::iter::from_fn(move || {
        while let Some((b' ' | b'\t' | b',', behind)) = rest.split_first() {
            rest = behind;
        }
        let (tag, behind) = SentTag::read(rest)?;
        // A comma has to follow, or nothing.
        rest = behind.trim_ascii_start();
        if !(rest.is_empty() || rest.starts_with(b",")) {
            rest = &[];
        }
        Some(tag)
    })
}

const fn is_etagc(byte: u8) -> bool {
    matches!(byte, 0x21 | 0x23..=0x7e | 0x80..)
}
