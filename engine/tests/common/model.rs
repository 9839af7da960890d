//! Where a request ends, by a model that is written straight from the RFCs: RFC 9112, sections 6.1 to 6.3 and 9.3, and RFC 9110,
//! sections 7.8, 8.6 and 10.1.1, as refused by a strict origin.

use midge::{BodyFraming, Framing, Reject, Version};

/// The verdict on the fields of one request.
pub fn model(version: Version, lines: &[(&str, &[u8])]) -> Result<Framing, Reject> {
    let texts = |name: &str| -> Vec<String> {
        let named = lines.iter().filter(|line| line.0.to_ascii_lowercase() == name);
        named.map(|line| line.1.iter().map(|byte| char::from(*byte).to_ascii_lowercase()).collect()).collect()
    };
    let (codings, lengths) = (texts("transfer-encoding"), texts("content-length"));
    let body = match (&codings[..], &lengths[..]) {
        ([], []) => BodyFraming::Length(0),
        ([], [length]) => model_length(length)?,
        ([], _) => return Err(Reject::ContentLengthRepeated),
        (_, _) if version == Version::Http10 => return Err(Reject::EncodingInHttp10),
        (_, [_, ..]) => return Err(Reject::LengthAndEncoding),
        ([coding], []) => model_coding(coding)?,
        (_, []) => return Err(Reject::TransferEncoding),
    };
    // A list in several lines is the list of all of them (RFC 9110, section 5.3).
    let options = texts("connection").join(",");
    let lists = |option: &str| options.split(',').any(|listed| listed.trim_matches([' ', '\t']) == option);
    let expect_continue = match &texts("expect")[..] {
        [] => false,
        [expectation] if expectation == "100-continue" => true,
        _ => return Err(Reject::Expectation),
    };
    let persists = if version == Version::Http10 { lists("keep-alive") } else { true };
    Ok(Framing {
        body,
        keep_alive: persists && !lists("close"),
        expect_continue: expect_continue && version == Version::Http11 && body != BodyFraming::Length(0),
        upgrade: version == Version::Http11 && lists("upgrade") && !texts("upgrade").is_empty(),
    })
}

fn model_length(text: &str) -> Result<BodyFraming, Reject> {
    if text.contains(',') {
        return Err(Reject::ContentLengthRepeated);
    }
    let digits = text.trim_start_matches('0');
    match digits.chars().all(|c| c.is_ascii_digit()) {
        true if text.is_empty() => Err(Reject::ContentLength),
        true if digits.is_empty() => Ok(BodyFraming::Length(0)),
        // What 64 bits don't hold has a parser's word for it.
        true => digits.parse().map(BodyFraming::Length).map_err(|_| Reject::BodyTooLarge),
        false => Err(Reject::ContentLength),
    }
}

fn model_coding(text: &str) -> Result<BodyFraming, Reject> {
    let trim = |coding: &str| coding.trim_matches([' ', '\t']).to_owned();
    match text.rsplit_once(',') {
        None if text == "chunked" => Ok(BodyFraming::Chunked),
        Some((before, last)) if trim(last) == "chunked" => {
            let known = before.split(',').map(trim).all(|coding| !coding.is_empty() && coding != "chunked");
            Err(if known { Reject::TransferEncodingUnknown } else { Reject::TransferEncoding })
        }
        _ => Err(Reject::TransferEncoding),
    }
}
