//! Route patterns: their grammar, and walking a path along one that it was matched with.
//!
//! ```text
//!   pattern   = "/" / 1*( "/" segment ) [ "/" ] / *( "/" segment ) "/{*" name "}"
//!   segment   = literal / "{" name "}"
//!   name      = 1*( ALPHA / DIGIT / "_" )
//! ```

/// What one segment of a pattern matches.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Segment {
    /// These bytes, as the client wrote them.
    Literal(&'static [u8]),
    /// One segment that is not empty.
    Param(&'static [u8]),
    /// Everything that is left, if that is something.
    Rest(&'static [u8]),
}

/// The first segment of a pattern, and what follows it.
///
/// # Panics
///
/// If the pattern is malformed.
#[expect(clippy::panic, reason = "meant for constants, where a panic is a compiler's error")]
pub(crate) const fn first(pattern: &'static [u8]) -> (Segment, &'static [u8]) {
    let [b'/', rest @ ..] = pattern else { panic!("a route's pattern begins with '/'") };
    let (segment, rest) = split(rest);
    let segment = match segment {
        [b'{', b'*', name @ .., b'}'] => {
            assert!(is_name(name), "a wildcard's name has letters, digits and '_', and at least one of them");
            assert!(rest.is_empty(), "nothing can follow '{{*name}}' in a route's pattern");
            Segment::Rest(name)
        }
        [b'{', name @ .., b'}'] => {
            assert!(is_name(name), "a parameter's name has letters, digits and '_', and at least one of them");
            Segment::Param(name)
        }
        literal => {
            assert!(
                is_literal(literal),
                "a segment of a route's pattern is '{{name}}', '{{*name}}', or what can stand in a path"
            );
            assert!(!literal.is_empty() || rest.is_empty(), "a route's pattern has an empty segment");
            Segment::Literal(literal)
        }
    };
    (segment, rest)
}

/// Fails if a pattern has a parameter's name twice.
///
/// # Panics
///
/// If it has, or is malformed.
pub(crate) const fn check_names(pattern: &'static [u8]) {
    let mut left = pattern;
    while !left.is_empty() {
        let (segment, rest) = first(left);
        if let Segment::Param(name) | Segment::Rest(name) = segment {
            let mut others = rest;
            while !others.is_empty() {
                let (other, rest) = first(others);
                if let Segment::Param(other) | Segment::Rest(other) = other {
                    assert!(!is_same(name, other), "a route's pattern has two parameters of the same name");
                }
                others = rest;
            }
        }
        left = rest;
    }
}

/// Whether something can be nested under a pattern.
///
/// # Panics
///
/// If it is malformed.
pub(crate) const fn is_prefix(pattern: &'static [u8]) -> bool {
    let mut left = pattern;
    while !left.is_empty() {
        let (segment, rest) = first(left);
        if matches!(segment, Segment::Rest(_) | Segment::Literal([])) {
            return false;
        }
        left = rest;
    }
    !pattern.is_empty()
}

/// Splits in front of the first `/`.
#[inline]
pub(crate) const fn split(bytes: &[u8]) -> (&[u8], &[u8]) {
    let mut rest = bytes;
    while let [byte, tail @ ..] = rest {
        if *byte == b'/' {
            break;
        }
        rest = tail;
    }
    match bytes.split_at_checked(bytes.len().saturating_sub(rest.len())) {
        Some(parts) => parts,
        None => (bytes, b""),
    }
}

/// Whether two texts are the same, also when the compiler asks.
pub(crate) const fn is_same(one: &[u8], other: &[u8]) -> bool {
    let (mut one, mut other) = (one, other);
    while let ([first, one_rest @ ..], [second, other_rest @ ..]) = (one, other) {
        if *first != *second {
            return false;
        }
        (one, other) = (one_rest, other_rest);
    }
    one.is_empty() && other.is_empty()
}

const fn is_name(name: &[u8]) -> bool {
    let mut rest = name;
    while let [byte, tail @ ..] = rest {
        if !byte.is_ascii_alphanumeric() && *byte != b'_' {
            return false;
        }
        rest = tail;
    }
    !name.is_empty()
}

/// What a client can write into a path: visible ASCII that ends no path and is no brace.
const fn is_literal(literal: &[u8]) -> bool {
    let mut rest = literal;
    while let [byte, tail @ ..] = rest {
        if !byte.is_ascii_graphic() || matches!(*byte, b'{' | b'}' | b'?' | b'#' | b'"' | b'<' | b'>') {
            return false;
        }
        rest = tail;
    }
    true
}

/// What `name` stands for in a path that was matched with `patterns`, one behind the other.
pub(crate) fn param<'x>(patterns: &[&'static str], path: &'x str, name: &str) -> Option<&'x str> {
    let mut found = None;
    walk(patterns, path, |pattern, text| {
        if pattern == name {
            found = Some(text);
        }
    });
    found
}

/// What is left of a path behind the patterns.
pub(crate) fn below<'x>(patterns: &[&'static str], path: &'x str) -> &'x str {
    walk(patterns, path, |_, _| {})
}

/// Shows each parameter's name and text; gives what is left of the path.
fn walk<'x>(patterns: &[&'static str], path: &'x str, mut see: impl FnMut(&'static str, &'x str)) -> &'x str {
    let mut path = path;
    for pattern in patterns {
        let mut pattern = *pattern;
        while let Some(piece) = pattern.strip_prefix('/') {
            let Some(text) = path.strip_prefix('/') else { break };
            let (piece, rest) = cut(piece);
            if let Some(name) = piece.strip_prefix("{*") {
                see(name.strip_suffix('}').unwrap_or(name), text);
                return "";
            }
            let (text, behind) = cut(text);
            if let Some(name) = piece.strip_prefix('{') {
                see(name.strip_suffix('}').unwrap_or(name), text);
            }
            (pattern, path) = (rest, behind);
        }
    }
    path
}

/// Cuts in front of the first `/`.
fn cut(text: &str) -> (&str, &str) {
    text.split_at_checked(text.find('/').unwrap_or(text.len())).unwrap_or((text, ""))
}
