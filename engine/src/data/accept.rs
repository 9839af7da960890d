//! Choosing what a client likes best (RFC 9110, section 12.5).

use crate::{exchange::Request, http1::fields::Fields};

use super::media::{BLANKS, MediaType, Parameter, Parameters, is_token};

impl Request<'_> {
    /// Which of the `offers` the client likes best, by its `Accept` (RFC 9110, section 12.5.1): the one whose most specific range has the greatest
    /// weight, and of several the one that comes first. `None` if it accepts none of them; what is to be done then (406, or the first all the same) is
    /// the handler's to say. A client without `Accept` takes anything. An answer that was chosen so says it to caches: `vary: accept`.
    ///
    /// ```
    /// # use midge::{testing, Failure, Request, Response};
    /// # let mut scratch = testing::Scratch::new();
    /// # let handler =
    /// async |request: Request<'_>, response: Response<'_>| {
    ///     match request.accepts(&["text/html", "application/json"]) {
    ///         Some("text/html") => response.status(200).html("<p>Hello").await,
    ///         Some(_) => response.status(200).header("content-type", "application/json").body("\"Hello\"").await,
    ///         None => Err(Failure::new(406)),
    ///     }
    /// }
    /// # ;
    /// # let request = b"GET / HTTP/1.1\r\nHost: a\r\nAccept: text/*;q=0.1, application/json;q=0.2\r\n\r\n";
    /// # assert_eq!(testing::call(&handler, request, &mut scratch)?.body(), b"\"Hello\"");
    /// # let request = b"GET / HTTP/1.1\r\nHost: a\r\nAccept: image/png\r\n\r\n";
    /// # assert_eq!(testing::call(&handler, request, &mut scratch)?.status(), 406);
    /// # Ok::<(), testing::CallError>(())
    /// ```
    #[must_use]
    pub fn accepts<'o>(&self, offers: &[&'o str]) -> Option<&'o str> {
        let fields = self.headers();
        if fields.get("accept").is_none() {
            return offers.first().copied();
        }
        best(offers, |offer| MediaType::parse(offer).map_or(0, |offer| media_weight(fields, offer)))
    }

    /// Which of the `offers`, such as `br`, `gzip` and `identity`, the client likes best, by its `Accept-Encoding` (RFC 9110, section 12.5.3). `identity`
    /// stands for no coding at all: it is accepted last, unless the client refuses it, and preferred where the client says nothing.
    #[must_use]
    pub fn accepts_encoding<'o>(&self, offers: &[&'o str]) -> Option<&'o str> {
        const IDENTITY: &str = "identity";
        let fields = self.headers();
        if fields.get("accept-encoding").is_none() {
            let identity = offers.iter().find(|offer| offer.eq_ignore_ascii_case(IDENTITY));
            return identity.or(offers.first()).copied();
        }
        best(offers, |offer| {
            let found = weight(fields, "accept-encoding", |range| match range {
                "*" => Some(0),
                _ => range.eq_ignore_ascii_case(offer).then_some(1),
            });
            // Where nothing is said of it, it is worth less than anything that is accepted.
            found.unwrap_or(if offer.eq_ignore_ascii_case(IDENTITY) { 1 } else { 0 })
        })
    }

    /// Which of the `offers`, language tags such as `en` and `de-CH`, the client likes best, by its `Accept-Language` (RFC 9110, section 12.5.4). A range and
    /// an offer fit if one of them begins the other (RFC 4647, sections 3.3.1 and 3.4): `de-CH` gets `de`, and `de` gets `de-CH`. Without the field, the
    /// first.
    #[must_use]
    pub fn accepts_language<'o>(&self, offers: &[&'o str]) -> Option<&'o str> {
        let fields = self.headers();
        if fields.get("accept-language").is_none() {
            return offers.first().copied();
        }
        best(offers, |offer| {
            let found = weight(fields, "accept-language", |range| match range {
                "*" => Some(0),
                // A range that the offer only begins is one that the client would like better.
                _ if begins(range, offer) => Some(CLOSE + range.len()),
                _ if begins(offer, range) => Some(1 + offer.len()),
                _ => None,
            });
            found.unwrap_or(0)
        })
    }
}

/// The first offer of the greatest weight that isn't 0.
fn best<'o>(offers: &[&'o str], mut weigh: impl FnMut(&'o str) -> u16) -> Option<&'o str> {
    let mut best = (0, None);
    for offer in offers {
        let weight = weigh(offer);
        if weight > best.0 {
            best = (weight, Some(*offer));
        }
    }
    best.1
}

/// The weight of the most specific range that `specificity` finds to fit; of several, the greatest.
fn weight(fields: Fields<'_>, name: &str, specificity: impl Fn(&str) -> Option<usize>) -> Option<u16> {
    let mut found: Option<(usize, u16)> = None;
    for element in elements(fields, name) {
        let (range, parameters) = element.split_at(element.find(';').unwrap_or(element.len()));
        let mut weight = WHOLE;
        let is_sound = Parameters { rest: parameters }.all(|parameter| match parameter {
            Some((name, value)) if is_weight(name) => quality(value).is_some_and(|quality| {
                weight = quality;
                true
            }),
            // Nothing but a weight belongs here.
            _ => false,
        });
        let range = range.trim_matches(BLANKS);
        if is_sound
            && is_token(range)
            && let Some(specificity) = specificity(range)
        {
            found = found.max(Some((specificity, weight)));
        }
    }
    found.map(|(_, weight)| weight)
}

/// The weight of the most specific media range that fits `offer`.
fn media_weight(fields: Fields<'_>, offer: MediaType<'_>) -> u16 {
    let mut found: Option<(usize, u16)> = None;
    for range in elements(fields, "accept").filter_map(MediaType::parse) {
        // A type with a wildcard is one token with a star in it, as a name is.
        let specificity = match (range.kind(), range.subtype()) {
            ("*", "*") => 0,
            (kind, "*") if kind.eq_ignore_ascii_case(offer.kind()) => 1,
            (kind, subtype) if offer.is(kind, subtype) => 2,
            _ => continue,
        };
        let (mut weight, mut parameters, mut fits) = (Some(WHOLE), 0, true);
        for (name, value) in range.parameters() {
            if is_weight(name) {
                weight = quality(value);
                // What follows the weight isn't the type's.
                break;
            }
            parameters += 1;
            fits &= offer.parameters().any(|(each, other)| each.eq_ignore_ascii_case(name) && is_same(value, other));
        }
        if let (Some(weight), true) = (weight, fits) {
            found = found.max(Some((specificity + parameters, weight)));
        }
    }
    found.map_or(0, |(_, weight)| weight)
}

/// Whether two parameters have the same value, whatever the case: that of charsets and the like doesn't matter.
fn is_same(one: Parameter<'_>, other: Parameter<'_>) -> bool {
    other.plain().is_some_and(|other| one.is_ignoring_case(other))
}

/// The elements of a list in all fields of this name, without blanks; a comma in quotes ends none.
fn elements<'f>(fields: Fields<'f>, name: &str) -> impl Iterator<Item = &'f str> {
    fields.all(name).filter_map(|field| core::str::from_utf8(field).ok()).flat_map(|field| {
        let (mut is_quoted, mut is_escaped) = (false, false);
        field.split(move |char| {
            match char {
                _ if is_escaped => is_escaped = false,
                '\\' if is_quoted => is_escaped = true,
                '"' => is_quoted = !is_quoted,
                _ => return char == ',' && !is_quoted,
            }
            false
        })
    })
}

/// Whether `text` is `start`, or begins with it and a hyphen.
fn begins(start: &str, text: &str) -> bool {
    text.get(..start.len()).is_some_and(|front| front.eq_ignore_ascii_case(start))
        && matches!(text.as_bytes().get(start.len()), None | Some(b'-'))
}

const fn is_weight(name: &str) -> bool {
    name.eq_ignore_ascii_case("q")
}

/// A `qvalue` (RFC 9110, section 12.4.2), in thousandths.
fn quality(value: Parameter<'_>) -> Option<u16> {
    let (whole, rest) = value.plain()?.split_at_checked(1)?;
    let digits = match rest.strip_prefix('.') {
        Some(digits) => digits,
        None if rest.is_empty() => "",
        None => return None,
    };
    if digits.len() > 3 || !digits.bytes().all(|digit| digit.is_ascii_digit()) {
        return None;
    }
    let thousandths = digits.bytes().zip([100, 10, 1]).map(|(digit, place)| u16::from(digit - b'0') * place).sum();
    match (whole, thousandths) {
        ("0", thousandths) => Some(thousandths),
        ("1", 0) => Some(WHOLE),
        _ => None,
    }
}

const WHOLE: u16 = 1_000;
/// More than the length of any field.
const CLOSE: usize = 1 << 20;
