//! picohttpparser, to compare with: the safe face of its C functions, as thin as it can be.

use std::{ffi::c_char, ptr};

use picohttpparser_sys::{phr_chunked_decoder, phr_decode_chunked, phr_header, phr_parse_request};

/// A request's head, as offsets and lengths in the bytes that it was read from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Head {
    /// Bytes of the head, its empty line included.
    pub length: usize,
    /// The method.
    pub method: (usize, usize),
    /// The request target.
    pub target: (usize, usize),
    /// The minor version: 1 for HTTP/1.1.
    pub minor: i32,
    /// How many of [`Fields`] are filled.
    pub fields: usize,
}

/// Memory for a head's fields. They hold addresses, which only [`Fields::name_and_value`] looks at.
#[derive(Debug)]
pub struct Fields {
    table: [phr_header; 100],
}

impl Fields {
    /// Memory for 100 fields.
    #[must_use]
    pub fn new() -> Self {
        Self { table: [phr_header::default(); 100] }
    }

    /// Where a field's name and value stand in the bytes that the head was read from: offset and length of each.
    #[must_use]
    pub fn name_and_value(&self, index: usize, bytes: &[u8]) -> Option<[(usize, usize); 2]> {
        let field = self.table.get(index)?;
        Some([(offset(bytes, field.name), field.name_len), (offset(bytes, field.value), field.value_len)])
    }
}

impl Default for Fields {
    fn default() -> Self {
        Self::new()
    }
}

/// Reads a request's head from the front of `bytes`; `None` if it isn't there whole, or not well-formed.
#[must_use]
#[inline]
pub fn parse_request(bytes: &[u8], fields: &mut Fields) -> Option<Head> {
    let (mut method, mut method_length) = (ptr::null(), 0);
    let (mut target, mut target_length) = (ptr::null(), 0);
    let (mut minor, mut count) = (0, fields.table.len());
    #[expect(unsafe_code, reason = "a C function is called")]
    // SAFETY: `bytes` is readable for its length, `table` writable for `count` entries, and all else is written to locals. What is written
    // are addresses within `bytes` and lengths; none of them is read through here.
    let length = unsafe {
        phr_parse_request(
            bytes.as_ptr().cast(),
            bytes.len(),
            &raw mut method,
            &raw mut method_length,
            &raw mut target,
            &raw mut target_length,
            &raw mut minor,
            fields.table.as_mut_ptr(),
            &raw mut count,
            0,
        )
    };
    let length = usize::try_from(length).ok()?;
    let (method, target) = ((offset(bytes, method), method_length), (offset(bytes, target), target_length));
    Some(Head { length, method, target, minor, fields: count })
}

/// Decodes a whole chunked body to the front of `bytes`, and gives its length; `None` if it isn't there whole, or not well-formed.
/// What follows the last chunk is left alone.
#[must_use]
#[inline]
pub fn decode_chunked(bytes: &mut [u8]) -> Option<usize> {
    let mut length = bytes.len();
    let mut decoder = Zeroed { bytes_left: 0, flags: [0; 3] };
    #[expect(unsafe_code, reason = "a C function is called")]
    // SAFETY: `bytes` is readable and writable for `length`, and the decoder is the C structure, cleared as its documentation wants it.
    let left = unsafe {
        phr_decode_chunked((&raw mut decoder).cast::<phr_chunked_decoder>(), bytes.as_mut_ptr().cast(), &raw mut length)
    };
    (left >= 0).then_some(length)
}

/// `phr_chunked_decoder`, whose binding has private members and no constructor.
#[repr(C)]
struct Zeroed {
    bytes_left: usize,
    flags: [c_char; 3],
}

const _: () = assert!(size_of::<Zeroed>() == size_of::<phr_chunked_decoder>());
const _: () = assert!(align_of::<Zeroed>() == align_of::<phr_chunked_decoder>());

fn offset(bytes: &[u8], address: *const c_char) -> usize {
    address.addr().wrapping_sub(bytes.as_ptr().addr())
}
