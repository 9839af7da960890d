//! Invariant: the messages that the example's reader puts together of frames are those of a plain reading of RFC 6455, section 5, however the bytes are
//! cut, and the first thing that a client must not send ends them with the code that it is closed for.
//!
//! Input: a byte (where to cut), then what a client sends behind its handshake.

use self::messages::{MESSAGE_BYTES, Message, Messages, Violation};
use crate::number;

/// The example's reader: the engine has an upgraded connection's bytes, and no frames.
#[allow(dead_code, missing_docs)]
#[path = "../../examples/src/websocket/messages.rs"]
mod messages;

/// Reads one client whole, cut and byte by byte.
pub fn check(mut data: &[u8]) {
    let cut = number(&mut data, 64) + 1;
    let expected = plain(data);
    for piece in [data.len().max(1), 1, cut] {
        assert_eq!(read(data, piece), expected, "\"{}\" in pieces of {piece}", data.escape_ascii());
    }
}

#[derive(Debug, PartialEq, Eq)]
enum Said {
    Text(String),
    Binary(Vec<u8>),
    Ping(Vec<u8>),
    Pong,
    Close(Option<u16>),
    Violation(u16),
}

fn read(data: &[u8], piece: usize) -> Vec<Said> {
    let (mut messages, mut said) = (Messages::new(), Vec::new());
    for piece in data.chunks(piece) {
        let (mut bytes, mut at) = (piece.to_vec(), 0);
        loop {
            said.push(match messages.next(&mut bytes, &mut at) {
                Ok(Some(Message::Text(text))) => Said::Text(text.to_owned()),
                Ok(Some(Message::Binary(bytes))) => Said::Binary(bytes.to_vec()),
                Ok(Some(Message::Ping(bytes))) => Said::Ping(bytes.to_vec()),
                Ok(Some(Message::Pong)) => Said::Pong,
                Ok(Some(Message::Close(code))) => Said::Close(code),
                Ok(None) => break,
                Err(Violation(code)) => {
                    said.push(Said::Violation(code));
                    return said;
                }
            });
        }
        assert_eq!(at, bytes.len(), "bytes that nobody reads");
    }
    said
}

fn plain(mut data: &[u8]) -> Vec<Said> {
    let mut said = Vec::new();
    // The message that was begun: whether it is text, and its content so far.
    let mut begun: Option<(bool, Vec<u8>)> = None;
    while let Some((head, length, rest)) = header(data) {
        let (is_last, kind, is_control) = (head & 0x80 != 0, head & 0x0f, head & 0x08 != 0);
        let before = begun.as_ref().map_or(0, |(_, content)| content.len());
        let has_room = length.bytes <= (MESSAGE_BYTES - before) as u64;
        let is_known = matches!(kind, 0 | 1 | 2 | 8 | 9 | 10) && head & 0x70 == 0;
        let is_allowed = if is_control { is_last && length.bytes <= 125 } else { (kind == 0) == begun.is_some() };
        let Some(mask) = length.mask.filter(|_| is_known && is_allowed && length.is_shortest) else {
            said.push(Said::Violation(1_002));
            return said;
        };
        if !is_control && !has_room {
            said.push(Said::Violation(1_009));
            return said;
        }
        let payload = usize::try_from(length.bytes).ok().and_then(|length| rest.split_at_checked(length));
        let Some((payload, rest)) = payload else { break };
        data = rest;
        let payload: Vec<u8> = payload.iter().zip(mask.iter().cycle()).map(|(byte, mask)| byte ^ mask).collect();
        said.push(match kind {
            9 => Said::Ping(payload),
            10 => Said::Pong,
            8 => closing(&payload),
            _ => {
                let (is_text, mut content) = begun.take().unwrap_or((kind == 1, Vec::new()));
                content.extend(payload);
                if !is_last {
                    begun = Some((is_text, content));
                    continue;
                }
                match (is_text, String::from_utf8(content)) {
                    (true, Ok(text)) => Said::Text(text),
                    (true, Err(_)) => Said::Violation(1_007),
                    (false, content) => {
                        Said::Binary(content.map_or_else(|error| error.into_bytes(), String::into_bytes))
                    }
                }
            }
        });
        if matches!(said.last(), Some(Said::Violation(_))) {
            return said;
        }
    }
    said
}

struct Length {
    bytes: u64,
    /// The minimal number of bytes was used for it.
    is_shortest: bool,
    mask: Option<[u8; 4]>,
}

/// A frame's first byte, its length and mask, and what is behind them.
fn header(data: &[u8]) -> Option<(u8, Length, &[u8])> {
    let (&[head, second], rest) = data.split_first_chunk()?;
    let (bytes, is_shortest, rest) = match second & 0x7f {
        126 => {
            let (length, rest) = rest.split_first_chunk()?;
            let bytes = u64::from(u16::from_be_bytes(*length));
            (bytes, bytes > 125, rest)
        }
        127 => {
            let (length, rest) = rest.split_first_chunk()?;
            let bytes = u64::from_be_bytes(*length);
            (bytes, bytes > 0xffff, rest)
        }
        length => (u64::from(length), true, rest),
    };
    if second & 0x80 == 0 {
        return Some((head, Length { bytes, is_shortest, mask: None }, rest));
    }
    let (mask, rest) = rest.split_first_chunk()?;
    Some((head, Length { bytes, is_shortest, mask: Some(*mask) }, rest))
}

fn closing(payload: &[u8]) -> Said {
    let Some((code, reason)) = payload.split_first_chunk() else {
        return if payload.is_empty() { Said::Close(None) } else { Said::Violation(1_002) };
    };
    let code = u16::from_be_bytes(*code);
    // Section 7.4.2, and the codes that were registered since.
    let may_be_sent = matches!(code, 1_000..=1_003 | 1_007..=1_014 | 3_000..=4_999);
    match std::str::from_utf8(reason) {
        _ if !may_be_sent => Said::Violation(1_002),
        Ok(_) => Said::Close(Some(code)),
        Err(_) => Said::Violation(1_007),
    }
}
