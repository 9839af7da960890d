//! Takes in what the platform says of an invocation beside its event.

use std::{
    rc::Rc,
    str,
    time::{Duration, Instant, SystemTime, UNIX_EPOCH},
};

use midge::AnswerHead;

use crate::context::Invocation;

/// The last invocation's memory, or other memory if a handler kept that one's context.
pub(crate) fn emptied(last: &mut Option<Rc<Invocation>>) -> Option<&mut Invocation> {
    if last.as_mut().and_then(Rc::get_mut).is_none() {
        *last = Some(Rc::default());
    }
    last.as_mut().and_then(Rc::get_mut)
}

/// Takes in what the platform says of an invocation.
pub(crate) fn note(invocation: &mut Invocation, head: &AnswerHead<'_>, margin: Duration) {
    invocation.clear();
    for (name, value) in head.fields().bytes() {
        // The length first: it tells nearly all of them apart.
        let place = match name.len() {
            29 if is(name, b"Lambda-Runtime-Aws-Request-Id") => {
                invocation.request_id.clear();
                invocation.request_id.push_str(id(value).unwrap_or_default());
                continue;
            }
            28 if is(name, b"Lambda-Runtime-Invocation-Id") => &mut invocation.invocation_id,
            35 if is(name, b"Lambda-Runtime-Invoked-Function-Arn") => &mut invocation.function_arn,
            23 if is(name, b"Lambda-Runtime-Trace-Id") => &mut invocation.trace_id,
            29 if is(name, b"Lambda-Runtime-Client-Context") => &mut invocation.client_context,
            31 if is(name, b"Lambda-Runtime-Cognito-Identity") => &mut invocation.cognito_identity,
            28 if is(name, b"Lambda-Runtime-Aws-Tenant-Id") => &mut invocation.tenant_id,
            26 if is(name, b"Lambda-Runtime-Deadline-Ms") => {
                let left = millis(value).and_then(|millis| remaining(Duration::from_millis(millis)));
                if let Some((now, left)) = left.map(|left| (Instant::now(), left)) {
                    invocation.deadline = now.checked_add(left);
                    invocation.handler_deadline = now.checked_add(left - margin.min(left / 2));
                }
                continue;
            }
            _ => continue,
        };
        place.clear();
        place.extend_from_slice(value);
    }
}

/// Whether it is this name, in any case. As the platform writes it, it is told at once.
#[inline]
fn is<const N: usize>(name: &[u8], wanted: &[u8; N]) -> bool {
    name == wanted || is_in_another_case(name, wanted)
}

#[cold]
#[inline(never)]
fn is_in_another_case(name: &[u8], wanted: &[u8]) -> bool {
    name.eq_ignore_ascii_case(wanted)
}

/// A number of decimal digits; none that has more than a time has.
fn millis(value: &[u8]) -> Option<u64> {
    let (eights, rest) = value.as_chunks();
    let mut number = 0_u64;
    for eight in eights {
        number = number.wrapping_mul(100_000_000).wrapping_add(eight_digits(eight)?);
    }
    for byte in rest {
        let digit = byte.wrapping_sub(b'0');
        if digit > 9 {
            return None;
        }
        number = number.wrapping_mul(10).wrapping_add(u64::from(digit));
    }
    if (1..=19).contains(&value.len()) { Some(number) } else { None }
}

/// The number that eight digits make: pairs of digits become numbers below 100, and so on.
#[inline]
const fn eight_digits(digits: &[u8; 8]) -> Option<u64> {
    const EACH: u64 = u64::MAX / 0xff;
    let word = u64::from_le_bytes(*digits);
    let high = EACH * 0xf0;
    // Only digits have a 3 in front both as they are and with 6 more.
    if word & high != EACH * 0x30 || word.wrapping_add(EACH * 6) & high != EACH * 0x30 {
        return None;
    }
    let ones = word & (EACH * 0x0f);
    let pairs = (ones * 10 + (ones >> 8)) & 0x00ff_00ff_00ff_00ff;
    let fours = (pairs * 100 + (pairs >> 16)) & 0x0000_ffff_0000_ffff;
    Some((fours * 10_000 + (fours >> 32)) & 0xffff_ffff)
}

/// The time that is left until `deadline`, since 1970. Emulators send deadlines that are past, or days away: those count as none.
fn remaining(deadline: Duration) -> Option<Duration> {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).ok()?;
    deadline.checked_sub(now).filter(|left| !left.is_zero() && *left <= LONGEST)
}

/// An id, if it can stand in a request target.
fn id(value: &[u8]) -> Option<&str> {
    let is_id = value.len() <= 256 && value.iter().fold(true, |all, byte| all & in_id(*byte));
    if is_id { str::from_utf8(value).ok() } else { None }
}

#[expect(clippy::indexing_slicing, reason = "the table has an entry for every u8")]
const fn in_id(byte: u8) -> bool {
    IN_ID[byte as usize]
}

/// Letters, digits, and `-._~:`.
static IN_ID: [bool; 256] = {
    let mut table = [false; 256];
    let mut byte = 0_u8;
    while byte < 0x7f {
        #[expect(clippy::indexing_slicing, reason = "the loop ends before the table does")]
        {
            table[byte as usize] = byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_' | b'~' | b':');
        }
        byte += 1;
    }
    table
};

/// A deadline further away than this is an emulator's.
const LONGEST: Duration = Duration::from_secs(24 * 60 * 60);

#[cfg(test)]
mod tests {
    use super::{id, millis};

    #[test]
    fn a_time_is_digits_and_nothing_else() {
        for number in [0, 7, 12_345_678, 99_999_999, 100_000_000, 1_542_409_706_888, 9_999_999_999_999_999_999] {
            assert_eq!(millis(number.to_string().as_bytes()), Some(number));
            assert_eq!(millis(format!("{number:019}").as_bytes()), Some(number));
        }
        for (byte, at) in (0..=u8::MAX).flat_map(|byte| (0..19).map(move |at| (byte, at))) {
            let mut text = *b"1111111111111111111";
            text.iter_mut().skip(at).take(1).for_each(|place| *place = byte);
            let expected =
                str::from_utf8(&text).ok().filter(|_| byte.is_ascii_digit()).and_then(|text| text.parse().ok());
            assert_eq!(millis(&text), expected, "{byte:#x} at {at}");
        }
        assert_eq!(millis(b""), None);
        assert_eq!(millis(b"00000000000000000001"), None);
    }

    #[test]
    fn an_id_can_stand_in_a_target() {
        assert_eq!(id(b"8476a536-e9f4-11e8-9739-2dfe598c3fcd"), Some("8476a536-e9f4-11e8-9739-2dfe598c3fcd"));
        for byte in 0..=u8::MAX {
            let allowed = byte.is_ascii_alphanumeric() || b"-._~:".contains(&byte);
            assert_eq!(id(&[b'a', byte]).is_some(), allowed, "{byte:#x}");
        }
        assert_eq!(id(&[b'a'; 257]), None);
    }
}
