//! Reading the dates that HTTP has.

use crate::http1::date::Date;

impl Date {
    /// Reads a date in any of the three forms that HTTP has had (RFC 9110, section 5.6.7), and gives the seconds since
    /// 1970-01-01T00:00:00Z; `None` where it is none of them, or before that.
    ///
    /// The weekday has to be one, and isn't compared with the day. Two-digit years are 1970 to 2069: the engine doesn't know the time that the
    /// RFC would have them compared with. A leap second is taken for the second behind it.
    ///
    /// ```
    /// use midge::Date;
    ///
    /// for text in ["Sun, 06 Nov 1994 08:49:37 GMT", "Sunday, 06-Nov-94 08:49:37 GMT", "Sun Nov  6 08:49:37 1994"] {
    ///     assert_eq!(Date::parse_unix_seconds(text.as_bytes()), Some(784_111_777));
    /// }
    /// assert_eq!(Date::parse_unix_seconds(b"yesterday"), None);
    /// ```
    #[must_use]
    pub fn parse_unix_seconds(text: &[u8]) -> Option<u64> {
        match (text.len(), text.get(3)) {
            (Self::LEN, Some(b',')) => imf_fixdate(text),
            (24, Some(b' ')) => asctime(text),
            _ => rfc_850(text),
        }
    }
}

/// `Sun, 06 Nov 1994 08:49:37 GMT`
fn imf_fixdate(text: &[u8]) -> Option<u64> {
    let (weekday, rest) = text.split_first_chunk::<3>()?;
    let [b',', b' ', d1, d0, b' ', m2, m1, m0, b' ', y3, y2, y1, y0, b' ', time @ .., b' ', b'G', b'M', b'T'] = rest
    else {
        return None;
    };
    let year = number(&[*y3, *y2, *y1, *y0])?;
    is_weekday(weekday).then_some(())?;
    seconds(year, month(&[*m2, *m1, *m0])?, number(&[*d1, *d0])?, clock(time)?)
}

/// `Sunday, 06-Nov-94 08:49:37 GMT`
fn rfc_850(text: &[u8]) -> Option<u64> {
    let comma = text.iter().position(|byte| *byte == b',')?;
    let (weekday, rest) = text.split_at_checked(comma)?;
    let [b',', b' ', d1, d0, b'-', m2, m1, m0, b'-', y1, y0, b' ', time @ .., b' ', b'G', b'M', b'T'] = rest else {
        return None;
    };
    let year = number(&[*y1, *y0])?;
    let year = if year < 70 { 2_000 + year } else { 1_900 + year };
    LONG_WEEKDAYS.contains(&weekday).then_some(())?;
    seconds(year, month(&[*m2, *m1, *m0])?, number(&[*d1, *d0])?, clock(time)?)
}

/// `Sun Nov  6 08:49:37 1994`
fn asctime(text: &[u8]) -> Option<u64> {
    let (weekday, rest) = text.split_first_chunk::<3>()?;
    let [b' ', m2, m1, m0, b' ', d1, d0, b' ', time @ .., b' ', y3, y2, y1, y0] = rest else { return None };
    let day = if *d1 == b' ' { number(&[*d0])? } else { number(&[*d1, *d0])? };
    is_weekday(weekday).then_some(())?;
    seconds(number(&[*y3, *y2, *y1, *y0])?, month(&[*m2, *m1, *m0])?, day, clock(time)?)
}

/// `08:49:37`, in seconds.
fn clock(text: &[u8]) -> Option<u64> {
    let [h1, h0, b':', m1, m0, b':', s1, s0] = text else { return None };
    let (hour, minute, second) = (number(&[*h1, *h0])?, number(&[*m1, *m0])?, number(&[*s1, *s0])?);
    (hour < 24 && minute < 60 && second <= 60).then_some(hour * 3_600 + minute * 60 + second)
}

fn number(digits: &[u8]) -> Option<u64> {
    digits.iter().try_fold(0, |value, digit| digit.is_ascii_digit().then(|| value * 10 + u64::from(digit - b'0')))
}

/// 1 to 12.
fn month(name: &[u8; 3]) -> Option<u64> {
    MONTHS.iter().position(|month| *month == name).map(|index| index as u64 + 1)
}

fn is_weekday(name: &[u8; 3]) -> bool {
    LONG_WEEKDAYS.iter().any(|weekday| weekday.starts_with(name))
}

/// Seconds since 1970 (Howard Hinnant's `days_from_civil`: the year is taken to begin in March, so that the leap day comes last).
fn seconds(year: u64, month: u64, day: u64, clock: u64) -> Option<u64> {
    let is_leap = (year.is_multiple_of(4) && !year.is_multiple_of(100)) || year.is_multiple_of(400);
    let length = match month {
        2 => 28 + u64::from(is_leap),
        4 | 6 | 9 | 11 => 30,
        _ => 31,
    };
    if year < 1_970 || !(1..=length).contains(&day) {
        return None;
    }
    let march_year = if month > 2 { year } else { year - 1 };
    let (era, year_of_era) = (march_year / 400, march_year % 400);
    let day_of_year = (153 * ((month + 9) % 12) + 2) / 5 + day - 1;
    let day_of_era = year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year;
    Some((era * 146_097 + day_of_era - 719_468) * 86_400 + clock)
}

const MONTHS: [&[u8; 3]; 12] =
    [b"Jan", b"Feb", b"Mar", b"Apr", b"May", b"Jun", b"Jul", b"Aug", b"Sep", b"Oct", b"Nov", b"Dec"];
const LONG_WEEKDAYS: [&[u8]; 7] = [b"Monday", b"Tuesday", b"Wednesday", b"Thursday", b"Friday", b"Saturday", b"Sunday"];
