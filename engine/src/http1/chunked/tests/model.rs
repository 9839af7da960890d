//! RFC 9112, section 7.1, as a recogniser of whole texts that follows every alternative at once.

use super::{super::ChunkError, End, Outcome};

/// Bit n: a parse may stand before byte n.
pub(super) type Places = u64;

/// The verdict on the size line that `text` begins with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Line {
    Error,
    Incomplete,
    Size { size: u64, consumed: usize },
}

pub(super) fn model_line(text: &[u8]) -> Line {
    let mut grammar = Grammar { text, wants_more: false };
    let ends = grammar.line(1);
    if ends != 0 {
        assert_eq!(ends.count_ones(), 1, "the grammar is unambiguous");
        let digits = text.iter().position(|byte| !byte.is_ascii_hexdigit()).unwrap();
        let size = u64::from_str_radix(str::from_utf8(&text[..digits]).unwrap(), 16).unwrap();
        return Line::Size { size, consumed: ends.trailing_zeros() as usize };
    }
    if grammar.wants_more { Line::Incomplete } else { Line::Error }
}

/// *chunk last-chunk
pub(super) fn model(text: &[u8]) -> Outcome {
    let (mut at, mut payload) = (0, 0);
    let end = loop {
        let (size, consumed) = match model_line(&text[at..]) {
            Line::Error => break End::Failed(ChunkError::Line),
            Line::Incomplete => break End::Incomplete(0),
            Line::Size { size, consumed } => (size, consumed),
        };
        at += consumed;
        if size == 0 {
            break End::Last(at);
        }
        let data = &text[at..][..size.min((text.len() - at) as u64) as usize];
        payload |= ((1 << data.len()) - 1) << at;
        at += data.len();
        if (data.len() as u64) < size {
            break End::Incomplete(size - data.len() as u64);
        }
        match &text[at..] {
            [b'\r', b'\n', ..] => at += 2,
            [] | [b'\r'] => break End::Incomplete(0),
            _ => break End::Failed(ChunkError::DataEnd),
        }
    };
    Outcome { payload, end }
}

/// One rule of the grammar: from where it may begin to where it may end.
type Rule = fn(&mut Grammar<'_>, Places) -> Places;

struct Grammar<'a> {
    text: &'a [u8],
    /// A parse wanted a byte where the text ends. Every rule can be completed, so the text is a prefix of a valid one.
    wants_more: bool,
}

impl Grammar<'_> {
    /// chunk-size [ chunk-ext ] CRLF
    fn line(&mut self, from: Places) -> Places {
        let sized = self.some(from, |g, at| g.byte(at, |byte| byte.is_ascii_hexdigit()));
        let extended = self.chunk_ext(sized);
        let cr = self.literal(extended, b'\r');
        self.literal(cr, b'\n')
    }

    /// chunk-ext = *( BWS ";" BWS chunk-ext-name [ BWS "=" BWS chunk-ext-val ] )
    fn chunk_ext(&mut self, from: Places) -> Places {
        self.any(from, |g, at| {
            let semicolon = g.separator(at, b';');
            let name = g.token(semicolon);
            let equals = g.separator(name, b'=');
            name | g.token(equals) | g.quoted_string(equals)
        })
    }

    /// BWS separator BWS
    fn separator(&mut self, from: Places, separator: u8) -> Places {
        let before = self.bws(from);
        let after = self.literal(before, separator);
        self.bws(after)
    }

    /// BWS = *( SP / HTAB )
    fn bws(&mut self, from: Places) -> Places {
        self.any(from, |g, at| g.literal(at, b' ') | g.literal(at, b'\t'))
    }

    /// token = 1*tchar
    fn token(&mut self, from: Places) -> Places {
        self.some(from, |g, at| g.byte(at, |byte| byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte)))
    }

    /// quoted-string = DQUOTE *( qdtext / quoted-pair ) DQUOTE
    fn quoted_string(&mut self, from: Places) -> Places {
        let open = self.literal(from, b'"');
        let text = self.any(open, |g, at| g.qdtext(at) | g.quoted_pair(at));
        self.literal(text, b'"')
    }

    /// qdtext = HTAB / SP / %x21 / %x23-5B / %x5D-7E / obs-text
    fn qdtext(&mut self, from: Places) -> Places {
        self.byte(from, |byte| matches!(byte, b'\t' | b' ' | 0x21 | 0x23..=0x5b | 0x5d..=0x7e | 0x80..=0xff))
    }

    /// quoted-pair = "\" ( HTAB / SP / VCHAR / obs-text )
    fn quoted_pair(&mut self, from: Places) -> Places {
        let backslash = self.literal(from, b'\\');
        self.byte(backslash, |byte| matches!(byte, b'\t' | b' ' | 0x21..=0x7e | 0x80..=0xff))
    }

    /// 1*rule
    fn some(&mut self, from: Places, rule: Rule) -> Places {
        let first = rule(self, from);
        self.any(first, rule)
    }

    /// *rule
    fn any(&mut self, from: Places, rule: Rule) -> Places {
        let (mut all, mut new) = (from, from);
        while new != 0 {
            new = rule(self, new) & !all;
            all |= new;
        }
        all
    }

    fn literal(&mut self, from: Places, literal: u8) -> Places {
        self.byte(from, |byte| byte == literal)
    }

    fn byte(&mut self, from: Places, class: impl Fn(u8) -> bool) -> Places {
        let (mut from, mut to) = (from, 0);
        while from != 0 {
            let place = from.trailing_zeros();
            from &= from - 1;
            match self.text.get(place as usize) {
                Some(byte) if class(*byte) => to |= 2 << place,
                Some(_) => {}
                None => self.wants_more = true,
            }
        }
        to
    }
}
