//! The three ways in which the bytes behind a head become a body.

use super::{
    chunked::{Chunked, Step},
    framing::BodyFraming,
    limits::Limits,
    reject::Reject,
};

/// Decodes one body. It holds no bytes: it is shown what is there, and says what that is.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Decoder {
    /// This many bytes are still to come; the body is over at 0.
    Length(u64),
    /// The chunked coding.
    Chunked(Chunked),
    /// The chunked coding's trailer section is next.
    Trailers,
    /// Everything up to the end of the stream: an upgraded connection, or a host that doesn't know the length.
    UntilEnd,
    /// Refused; every later call says so again.
    Failed(Reject),
}

/// What the bytes at the front are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Piece {
    /// `len` bytes of the body (one at least), after `skip` bytes of framing.
    Data { skip: usize, len: usize },
    /// `skip` bytes of framing, and nothing more without more bytes.
    Need { skip: usize },
    /// The trailer section, after `skip` bytes of framing.
    Trailers { skip: usize },
    /// The body is over.
    End,
}

impl Decoder {
    #[inline]
    pub(crate) const fn new(framing: BodyFraming) -> Self {
        match framing {
            BodyFraming::Length(bytes) => Self::Length(bytes),
            BodyFraming::Chunked => Self::Chunked(Chunked::new()),
        }
    }

    /// Whether the body was read to its end.
    #[inline]
    pub(crate) const fn is_over(&self) -> bool {
        matches!(self, Self::Length(0))
    }

    /// Says what the front of `bytes` is, at most `max` bytes of the body at once, and takes it as read.
    #[inline]
    pub(crate) fn next(&mut self, bytes: &[u8], max: usize, limits: &Limits) -> Result<Piece, Reject> {
        match self {
            Self::Length(0) => Ok(Piece::End),
            Self::Length(left) => {
                let whole = usize::try_from(*left).unwrap_or(usize::MAX);
                let len = bytes.len().min(max).min(whole);
                *left -= len as u64;
                Ok(if len == 0 { Piece::Need { skip: 0 } } else { Piece::Data { skip: 0, len } })
            }
            Self::UntilEnd => {
                let len = bytes.len().min(max);
                Ok(if len == 0 { Piece::Need { skip: 0 } } else { Piece::Data { skip: 0, len } })
            }
            Self::Chunked(chunked) => match chunked.step(bytes, max, limits) {
                Ok(Step::Data { start, len }) => Ok(Piece::Data { skip: start, len }),
                Ok(Step::More) => Ok(Piece::Need { skip: bytes.len() }),
                Ok(Step::Last { consumed }) => {
                    *self = Self::Trailers;
                    Ok(Piece::Trailers { skip: consumed })
                }
                Err(error) => self.fail(error.into()),
            },
            Self::Trailers => Ok(Piece::Trailers { skip: 0 }),
            Self::Failed(reject) => Err(*reject),
        }
    }

    /// Refuses the rest of the body.
    #[cold]
    pub(crate) fn fail(&mut self, reject: Reject) -> Result<Piece, Reject> {
        *self = Self::Failed(reject);
        Err(reject)
    }
}
