//! Every function of the wire layer that the rest of the engine may call, and every trait's that it implements.

use core::{fmt, hint::black_box};

use crate::http1::{
    answer::{AnswerBody, AnswerError, AnswerFraming, AnswerHead, AnswerPiece, Outline},
    chunked::{ChunkError, Chunked, Step},
    date::Date,
    decode::{Decoder, Piece},
    fields::{self, Field, Fields, Section, Span},
    framing::{self, BodyFraming, Facts, Framing},
    head::{self, Head, HeadRef, Parts, Seen},
    host::{self, Host, LastHost},
    letters,
    limits::Limits,
    method::{Method, Version},
    reject::Reject,
    state::{Deadline, Event, State},
    status::Status,
    token, trailers,
};

/// Exports functions by their own names: what comes in may be anything.
macro_rules! prove {
    ($($name:ident$(<$($lifetime:lifetime),+>)?($($argument:ident: $type:ty),* $(,)?) $(-> $result:ty)? { $body:expr })+) => {
        $(
            #[doc = concat!("`", stringify!($body), "`")]
            #[expect(unsafe_code, reason = "exported, to be linked; nobody calls it")]
            #[unsafe(no_mangle)]
            pub fn $name$(<$($lifetime),+>)?($($argument: $type),*) $(-> $result)? {
                $body
            }
        )+
    };
}

prove! {
    prove_head_parse(
        bytes: &[u8], head_bytes: usize, table: &mut [Field], seen: &mut Seen, limits: &Limits, parts: &mut Parts,
    ) -> Result<bool, Reject> { head::parse(bytes, head_bytes, table, seen, limits, parts) }
    prove_head_method<'a>(head: &Head<'a>) -> Method<'a> { head.method() }
    prove_head_target<'a>(head: &Head<'a>) -> &'a str { head.target() }
    prove_head_path<'a>(head: &Head<'a>) -> &'a str { head.path() }
    prove_head_query<'a>(head: &Head<'a>) -> Option<&'a str> { head.query() }
    prove_head_authority<'a>(head: &Head<'a>) -> &'a str { head.authority() }
    prove_head_version(head: &Head<'_>) -> Version { head.version() }
    prove_head_fields<'a>(head: &Head<'a>) -> Fields<'a> { head.fields() }
    prove_head_framing(head: &Head<'_>) -> Framing { head.framing() }
    prove_head_ref_head<'a>(head: &HeadRef<'a>) -> Head<'a> { head.head() }
}

// No part of the proof: what is known of the parser that stands below.
prove! {
    known_httparse<'b, 'h>(bytes: &'b [u8], batch: &'h mut [real::Header<'b>]) -> real::Result<(usize, &'h [real::Header<'b>])> {
        real::parse_headers(bytes, batch)
    }
}

prove! {
    prove_host_add(host: &mut Host, value: Span) { host.add(value) }
    prove_host_checked(host: Host, bytes: &[u8], version: Version) -> Result<Option<Span>, Reject> {
        host.checked(bytes, version)
    }
    prove_host_read_line(last: &mut LastHost, bytes: &[u8], from: usize) -> Option<(Field, usize)> {
        last.read_line(bytes, from)
    }
    prove_host_is_host(value: &[u8]) -> bool { host::is_host(value) }
}

prove! {
    prove_field_new(name: Span, value: Span) -> Field { Field::new(name, value) }
    prove_span_new(start: usize, end: usize) -> Span { Span::new(start, end) }
    prove_span_with_length(start: usize, length: usize) -> Span { Span::with_length(start, length) }
    prove_span_of(span: Span, bytes: &[u8]) -> &[u8] { span.of(bytes) }
    prove_span_text(span: Span, bytes: &[u8]) -> &str { span.text(bytes) }
    prove_span_start(span: Span) -> usize { span.start() }
    prove_span_end(span: Span) -> usize { span.end() }
    prove_fields_new<'a>(bytes: &'a [u8], table: &'a [Field]) -> Fields<'a> { Fields::new(bytes, table) }
    prove_fields_get<'a>(fields: &Fields<'a>, name: &str) -> Option<&'a [u8]> { fields.get(name) }
    prove_fields_text<'a>(fields: &Fields<'a>, span: Span) -> &'a str { fields.text(span) }
    prove_fields_all(fields: &Fields<'_>, name: &str) { fields.all(name).for_each(see) }
    prove_fields_iter(fields: &Fields<'_>) { fields.iter().for_each(see) }
    prove_fields_iter_len(fields: &Fields<'_>) -> usize { fields.iter().len() }
    prove_fields_bytes(fields: &Fields<'_>) { fields.bytes().for_each(see) }
    prove_fields_bytes_len(fields: &Fields<'_>) -> usize { fields.bytes().len() }
    prove_fields_len(fields: &Fields<'_>) -> usize { fields.len() }
    prove_fields_is_empty(fields: &Fields<'_>) -> bool { fields.is_empty() }
    prove_fields_read_1(bytes: &[u8], from: usize, table: &mut [Field]) -> Result<Option<Section>, Reject> {
        fields::read::<1>(bytes, from, table, |name, value, field| see((name, value, field)))
    }
    prove_fields_read_8(bytes: &[u8], from: usize, table: &mut [Field]) -> Result<Option<Section>, Reject> {
        fields::read::<8>(bytes, from, table, |name, value, field| see((name, value, field)))
    }
    prove_fields_has_empty_line(bytes: &[u8], scanned: &mut usize) -> bool { fields::has_empty_line(bytes, scanned) }
    prove_trailers_read(
        bytes: &[u8], scanned: &mut usize, table: &mut [Field], limits: &Limits,
    ) -> Result<Option<Section>, Reject> {
        trailers::read(bytes, scanned, table, limits, |name| black_box(name).is_empty())
    }
    prove_trailers_read_allowed(
        bytes: &[u8], scanned: &mut usize, table: &mut [Field], limits: &Limits,
    ) -> Result<Option<Section>, Reject> {
        trailers::read(bytes, scanned, table, limits, trailers::is_allowed)
    }
    prove_trailers_is_allowed(name: &[u8]) -> bool { trailers::is_allowed(name) }
}

prove! {
    prove_framing(facts: &Facts) -> Result<Framing, Reject> { framing::framing(facts) }
    prove_framing_reads_on(framing: &Framing) -> bool { framing.reads_on() }
    prove_framing_is(bytes: &[u8], lower: &[u8; 7]) -> bool { framing::is(bytes, lower) }
    prove_framing_elements(value: &[u8]) -> usize { framing::elements(value).count() }
    prove_facts_new(version: Version) -> Facts { Facts::new(version) }
    prove_facts_note(facts: &mut Facts, name: &[u8], value: &[u8]) { facts.note(name, value) }
}

prove! {
    prove_chunked_new() -> Chunked { Chunked::new() }
    prove_chunked_default() -> Chunked { Chunked::default() }
    prove_chunked_step(chunked: &mut Chunked, bytes: &[u8], max: usize, limits: &Limits) -> Result<Step, ChunkError> {
        chunked.step(bytes, max, limits)
    }
    prove_chunked_remaining_in_chunk(chunked: &Chunked) -> u64 { chunked.remaining_in_chunk() }
    prove_chunk_error_message(error: ChunkError) -> &'static str { error.message() }
    prove_decoder_new(framing: BodyFraming) -> Decoder { Decoder::new(framing) }
    prove_decoder_is_over(decoder: &Decoder) -> bool { decoder.is_over() }
    prove_decoder_next(decoder: &mut Decoder, bytes: &[u8], max: usize, limits: &Limits) -> Result<Piece, Reject> {
        decoder.next(bytes, max, limits)
    }
    prove_decoder_fail(decoder: &mut Decoder, reject: Reject) -> Result<Piece, Reject> { decoder.fail(reject) }
}

prove! {
    prove_answer_head_parse<'a>(
        bytes: &'a [u8], table: &'a mut [Field], to_head: bool, limits: &Limits,
    ) -> Result<Option<AnswerHead<'a>>, AnswerError> { AnswerHead::parse(bytes, table, to_head, limits) }
    prove_answer_head_again<'a>(outline: Outline, bytes: &'a [u8], table: &'a [Field]) -> AnswerHead<'a> {
        AnswerHead::again(outline, bytes, table)
    }
    prove_answer_head_outline(head: &AnswerHead<'_>) -> Outline { head.outline() }
    prove_answer_head_status(head: &AnswerHead<'_>) -> Status { head.status() }
    prove_answer_head_fields<'a>(head: &AnswerHead<'a>) -> Fields<'a> { head.fields() }
    prove_answer_head_framing(head: &AnswerHead<'_>) -> AnswerFraming { head.framing() }
    prove_answer_head_keep_alive(head: &AnswerHead<'_>) -> bool { head.keep_alive() }
    prove_answer_head_len(head: &AnswerHead<'_>) -> usize { head.len() }
    prove_answer_body_new(framing: AnswerFraming) -> AnswerBody { AnswerBody::new(framing) }
    prove_answer_body_step(body: &mut AnswerBody, bytes: &[u8], limits: &Limits) -> Result<AnswerPiece, AnswerError> {
        body.step(bytes, limits)
    }
    prove_answer_body_end_of_stream(body: &AnswerBody) -> Result<(), AnswerError> { body.end_of_stream() }
}

prove! {
    prove_date_from_unix_seconds(seconds: u64) -> Date { Date::from_unix_seconds(seconds) }
    prove_date_as_bytes(date: &Date) -> &[u8; Date::LEN] { date.as_bytes() }
    prove_date_as_str(date: &Date) -> &str { date.as_str() }
    prove_limits_default() -> Limits { Limits::default() }
    prove_method_from_token(token: &str) -> Method<'_> { Method::from_token(token) }
    prove_method_as_str<'a>(method: &Method<'a>) -> &'a str { method.as_str() }
    prove_method_is_idempotent(method: &Method<'_>) -> bool { method.is_idempotent() }
    prove_version_as_str(version: Version) -> &'static str { version.as_str() }
    prove_reject_status(reject: Reject) -> Status { reject.status() }
    prove_reject_message(reject: Reject) -> &'static str { reject.message() }
    prove_reject_from_chunk_error(error: ChunkError) -> Reject { Reject::from(error) }
    prove_answer_error_from_reject(reject: Reject) -> AnswerError { AnswerError::from(reject) }
    prove_state_after(state: State, event: Event) -> State { state.after(event) }
    prove_state_deadline(state: State) -> Deadline { state.deadline() }
    prove_status_new(code: u16) -> Option<Status> { Status::new(code) }
    prove_status_code(status: Status) -> u16 { status.code() }
    prove_status_is_interim(status: Status) -> bool { status.is_interim() }
    prove_status_is_bodiless(status: Status) -> bool { status.is_bodiless() }
    prove_status_has_body(status: Status) -> bool { status.has_body() }
    prove_status_digits(status: Status) -> [u8; 3] { status.digits() }
    prove_status_reason(status: Status) -> &'static str { status.reason() }
    prove_letters_letter_bits(block: &[u8; 16]) -> u32 { letters::letter_bits(block) }
    prove_token_is_tchar(byte: u8) -> bool { token::is_tchar(byte) }
    prove_token_is_target(byte: u8) -> bool { token::is_target(byte) }
}

prove! {
    prove_display_answer_error(f: &mut fmt::Formatter<'_>, error: &AnswerError) -> fmt::Result { fmt::Display::fmt(error, f) }
    prove_display_chunk_error(f: &mut fmt::Formatter<'_>, error: &ChunkError) -> fmt::Result { fmt::Display::fmt(error, f) }
    prove_display_date(f: &mut fmt::Formatter<'_>, date: &Date) -> fmt::Result { fmt::Display::fmt(date, f) }
    prove_display_method(f: &mut fmt::Formatter<'_>, method: &Method<'_>) -> fmt::Result { fmt::Display::fmt(method, f) }
    prove_display_version(f: &mut fmt::Formatter<'_>, version: &Version) -> fmt::Result { fmt::Display::fmt(version, f) }
    prove_display_reject(f: &mut fmt::Formatter<'_>, reject: &Reject) -> fmt::Result { fmt::Display::fmt(reject, f) }
    prove_display_status(f: &mut fmt::Formatter<'_>, status: &Status) -> fmt::Result { fmt::Display::fmt(status, f) }
    prove_debug_fields(f: &mut fmt::Formatter<'_>, fields: &Fields<'_>) -> fmt::Result { fmt::Debug::fmt(fields, f) }
    prove_debug_date(f: &mut fmt::Formatter<'_>, date: &Date) -> fmt::Result { fmt::Debug::fmt(date, f) }
    prove_debug_method(f: &mut fmt::Formatter<'_>, method: &Method<'_>) -> fmt::Result { fmt::Debug::fmt(method, f) }
    prove_debug_head(f: &mut fmt::Formatter<'_>, head: &Head<'_>) -> fmt::Result { fmt::Debug::fmt(head, f) }
}

/// Takes what comes out, whatever it is.
fn see<T>(value: T) {
    black_box(value);
}
