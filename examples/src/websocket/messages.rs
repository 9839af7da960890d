//! WebSocket messages from frames, as a server reads them (RFC 6455): everything that the protocol forbids a client is refused here.

use websocket_sans_io::{FrameInfo, Opcode, WebsocketFrameDecoder, WebsocketFrameEncoder, WebsocketFrameEvent};

/// The longest message; a longer one ends its connection with 1009.
pub const MESSAGE_BYTES: usize = 4_096;
/// The longest payload of a control frame (section 5.5).
pub const CONTROL_BYTES: usize = 125;

/// What came.
#[derive(Debug, PartialEq, Eq)]
pub enum Message<'m> {
    /// Text, of all its fragments.
    Text(&'m str),
    /// Bytes, of all their fragments.
    Binary(&'m [u8]),
    /// Has to be answered by a pong with the same bytes.
    Ping(&'m [u8]),
    /// Says that the peer is there.
    Pong,
    /// The peer closes, with this code, or none. It is answered with the same.
    Close(Option<u16>),
}

/// Why a connection is closed (section 7.4.1).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Violation(pub u16);

/// A frame that isn't allowed where it stands.
pub const PROTOCOL_ERROR: Violation = Violation(1_002);
/// Text that is not UTF-8.
pub const INVALID_TEXT: Violation = Violation(1_007);
/// A message longer than [`MESSAGE_BYTES`].
pub const TOO_BIG: Violation = Violation(1_009);

/// Bytes with a length, in an array.
#[derive(Debug)]
struct Gathered<const N: usize> {
    bytes: [u8; N],
    length: usize,
}

impl<const N: usize> Gathered<N> {
    const fn new() -> Self {
        Self { bytes: [0; N], length: 0 }
    }

    fn push(&mut self, bytes: &[u8]) -> bool {
        let end = self.length.saturating_add(bytes.len());
        let Some(place) = self.bytes.get_mut(self.length..end) else { return false };
        place.copy_from_slice(bytes);
        self.length = end;
        true
    }

    fn bytes(&self) -> &[u8] {
        self.bytes.get(..self.length).unwrap_or_default()
    }
}

/// Puts messages together: control frames may stand between the fragments of one.
#[derive(Debug)]
pub struct Messages {
    decoder: WebsocketFrameDecoder,
    /// Bytes of the frame's header so far.
    header: usize,
    /// Whether the message that has begun is text.
    text: Option<bool>,
    message: Gathered<MESSAGE_BYTES>,
    control: Gathered<CONTROL_BYTES>,
    /// The message was handed out, and its room is free.
    done: bool,
}

impl Messages {
    /// None yet.
    #[must_use]
    pub const fn new() -> Self {
        Self {
            decoder: WebsocketFrameDecoder::new(),
            header: 0,
            text: None,
            message: Gathered::new(),
            control: Gathered::new(),
            done: false,
        }
    }

    /// The next message in `bytes` from `at` on, which moves behind what was read. None when all was read.
    ///
    /// The decoder takes the masks off where the bytes stand.
    ///
    /// # Errors
    ///
    /// What the connection is to be closed for.
    pub fn next(&mut self, bytes: &mut [u8], at: &mut usize) -> Result<Option<Message<'_>>, Violation> {
        if core::mem::take(&mut self.done) {
            self.message.length = 0;
        }
        loop {
            let rest = bytes.get_mut(*at..).unwrap_or_default();
            let before = rest.len();
            let result = match self.decoder.add_data(rest) {
                Ok(result) => result,
                Err(never) => match never {},
            };
            let (consumed, begun) = (result.consumed_bytes, *at);
            *at = begun.saturating_add(consumed);
            if matches!(result.event, None | Some(WebsocketFrameEvent::Start { .. })) {
                self.header = self.header.saturating_add(consumed);
            }
            match result.event {
                None if consumed == 0 || consumed == before => return Ok(None),
                None => {}
                Some(WebsocketFrameEvent::Start { frame_info, .. }) => self.begin(&frame_info)?,
                Some(WebsocketFrameEvent::PayloadChunk { original_opcode }) => {
                    let payload = bytes.get(begun..*at).unwrap_or_default();
                    let fits = if original_opcode.is_control() {
                        self.control.push(payload)
                    } else {
                        self.message.push(payload)
                    };
                    if !fits {
                        return Err(TOO_BIG);
                    }
                }
                Some(WebsocketFrameEvent::End { frame_info, .. })
                    if frame_info.opcode.is_control() || frame_info.fin =>
                {
                    return self.end(frame_info.opcode).map(Some);
                }
                Some(WebsocketFrameEvent::End { .. }) => {}
            }
        }
    }

    fn begin(&mut self, frame: &FrameInfo) -> Result<(), Violation> {
        let shortest = match frame.payload_length {
            0..=125 => 6,
            126..=0xffff => 8,
            _ => 14,
        };
        let header = core::mem::take(&mut self.header);
        // Without a mask, with reserved bits, of a reserved kind, a control frame in fragments, or a length in more bytes than it needs (sections
        // 5.1, 5.2, 5.5).
        if frame.mask.is_none() || !frame.is_reasonable() || header != shortest {
            return Err(PROTOCOL_ERROR);
        }
        if frame.opcode.is_control() {
            self.control.length = 0;
            return if frame.payload_length > CONTROL_BYTES as u64 { Err(PROTOCOL_ERROR) } else { Ok(()) };
        }
        match (frame.opcode, self.text) {
            (Opcode::Continuation, Some(_)) => {}
            (Opcode::Text | Opcode::Binary, None) => self.text = Some(frame.opcode == Opcode::Text),
            // A continuation of nothing, or a message within another (section 5.4).
            _ => return Err(PROTOCOL_ERROR),
        }
        let room = MESSAGE_BYTES.saturating_sub(self.message.length);
        if frame.payload_length > room as u64 { Err(TOO_BIG) } else { Ok(()) }
    }

    fn end(&mut self, opcode: Opcode) -> Result<Message<'_>, Violation> {
        match opcode {
            Opcode::Ping => Ok(Message::Ping(self.control.bytes())),
            Opcode::Pong => Ok(Message::Pong),
            Opcode::ConnectionClose => close(self.control.bytes()),
            _ => {
                self.done = true;
                let bytes = self.message.bytes();
                if self.text.take() == Some(true) {
                    core::str::from_utf8(bytes).map(Message::Text).map_err(|_| INVALID_TEXT)
                } else {
                    Ok(Message::Binary(bytes))
                }
            }
        }
    }
}

impl Default for Messages {
    fn default() -> Self {
        Self::new()
    }
}

/// A code that may be sent, and text that says why (sections 5.5.1 and 7.4).
fn close(payload: &[u8]) -> Result<Message<'_>, Violation> {
    match payload {
        [] => Ok(Message::Close(None)),
        [high, low, reason @ ..] => match u16::from_be_bytes([*high, *low]) {
            code @ (1_000..=1_003 | 1_007..=1_014 | 3_000..=4_999) => match core::str::from_utf8(reason) {
                Ok(_) => Ok(Message::Close(Some(code))),
                Err(_) => Err(INVALID_TEXT),
            },
            _ => Err(PROTOCOL_ERROR),
        },
        [_] => Err(PROTOCOL_ERROR),
    }
}

/// The header of a whole frame from the server, which masks nothing.
#[must_use]
pub fn header(opcode: Opcode, length: usize) -> impl AsRef<[u8]> {
    let frame = FrameInfo { opcode, payload_length: length as u64, mask: None, fin: true, reserved: 0 };
    WebsocketFrameEncoder::new().start_frame(&frame)
}

#[cfg(test)]
#[allow(clippy::indexing_slicing, reason = "a test fails by panicking")]
mod tests {
    use super::*;

    const MASK: [u8; 4] = [0x37, 0xfa, 0x21, 0x3d];

    /// A client's frame: the first byte, and a payload.
    fn frame(first: u8, payload: &[u8]) -> Vec<u8> {
        let mut frame = vec![first];
        match payload.len() {
            length @ 0..=125 => frame.push(0x80 | length as u8),
            length @ 126..=0xffff => {
                frame.push(0x80 | 126);
                frame.extend((length as u16).to_be_bytes());
            }
            length => {
                frame.push(0x80 | 127);
                frame.extend((length as u64).to_be_bytes());
            }
        }
        frame.extend(MASK);
        frame.extend(payload.iter().zip(MASK.iter().cycle()).map(|(byte, mask)| byte ^ mask));
        frame
    }

    /// Everything that is read from `input` in pieces of `piece` bytes.
    fn read(input: &[u8], piece: usize) -> Vec<String> {
        let mut messages = Messages::new();
        let mut said = Vec::new();
        for piece in input.chunks(piece) {
            let (mut bytes, mut at) = (piece.to_vec(), 0);
            loop {
                match messages.next(&mut bytes, &mut at) {
                    Ok(Some(message)) => said.push(format!("{message:?}")),
                    Ok(None) => break,
                    Err(Violation(code)) => {
                        said.push(code.to_string());
                        return said;
                    }
                }
            }
        }
        said
    }

    fn check(input: &[u8], wanted: &[&str]) {
        for piece in [1, 2, 3, 7, input.len().max(1)] {
            assert_eq!(read(input, piece), wanted, "in pieces of {piece}");
        }
    }

    /// Section 5.7.
    #[test]
    fn the_rfcs_examples() {
        check(b"\x81\x85\x37\xfa\x21\x3d\x7f\x9f\x4d\x51\x58", &["Text(\"Hello\")"]);
        check(&[frame(0x01, b"Hel"), frame(0x80, b"lo")].concat(), &["Text(\"Hello\")"]);
        check(&frame(0x89, b"Hello"), &["Ping([72, 101, 108, 108, 111])"]);
        check(&frame(0x8a, b"Hello"), &["Pong"]);
        for length in [256, MESSAGE_BYTES] {
            check(&frame(0x82, &vec![7; length]), &[&format!("Binary({:?})", vec![7; length])]);
        }
    }

    #[test]
    fn messages_one_after_the_other_and_control_frames_between_fragments() {
        let input = [
            frame(0x81, b""),
            frame(0x01, b"\xc3"),
            frame(0x89, b"?"),
            frame(0x00, b""),
            frame(0x8a, b""),
            frame(0x80, b"\xa9"),
            frame(0x82, b"\xff"),
            frame(0x88, b""),
        ];
        let wanted = ["Text(\"\")", "Ping([63])", "Pong", "Text(\"é\")", "Binary([255])", "Close(None)"];
        check(&input.concat(), &wanted);
    }

    #[test]
    fn what_a_client_must_not_send() {
        let big = vec![b'x'; MESSAGE_BYTES + 1];
        let half = &big[..MESSAGE_BYTES / 2 + 1];
        for (input, code) in [
            (b"\x81\x05Hello".to_vec(), "1002"),
            (frame(0xc1, b"reserved bit"), "1002"),
            (frame(0x83, b"reserved kind"), "1002"),
            (frame(0x8b, b"reserved kind"), "1002"),
            (frame(0x09, b"ping in fragments"), "1002"),
            (frame(0x89, &[0; 126]), "1002"),
            (frame(0x80, b"continues nothing"), "1002"),
            ([frame(0x01, b"one"), frame(0x81, b"within another")].concat(), "1002"),
            (frame(0x81, b"\xc0\xaf"), "1007"),
            (frame(0x81, b"\xed\xa0\x80"), "1007"),
            ([frame(0x01, b"\xc3"), frame(0x80, b"x")].concat(), "1007"),
            (frame(0x81, &big), "1009"),
            ([frame(0x01, half), frame(0x80, half)].concat(), "1009"),
            (b"\x82\xff\xff\xff\xff\xff\xff\xff\xff\xff\0\0\0\0".to_vec(), "1009"),
            (b"\x81\xfe\0\x01\0\0\0\0a".to_vec(), "1002"),
            (b"\x82\xff\0\0\0\0\0\0\0\x7e\0\0\0\0".to_vec(), "1002"),
            (frame(0x88, b"\x03"), "1002"),
            (frame(0x88, b"\x03\xed"), "1002"),
            (frame(0x88, b"\0\0"), "1002"),
            (frame(0x88, b"\x03\xe8\xff"), "1007"),
        ] {
            check(&input, &[code]);
        }
    }

    #[test]
    fn codes_that_may_be_sent_are_read() {
        for code in [1_000_u16, 1_001, 1_003, 1_007, 1_014, 3_000, 4_999] {
            check(&frame(0x88, &[&code.to_be_bytes()[..], b"why"].concat()), &[&format!("Close(Some({code}))")]);
        }
        for code in [0_u16, 999, 1_004, 1_005, 1_006, 1_015, 2_999, 5_000] {
            check(&frame(0x88, &code.to_be_bytes()), &["1002"]);
        }
    }
}
