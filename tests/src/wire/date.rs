//! IMF-fixdate, RFC 9110 section 5.6.7.

const DAYS: [&[u8]; 7] = [b"Thu", b"Fri", b"Sat", b"Sun", b"Mon", b"Tue", b"Wed"];
const MONTHS: [&[u8]; 12] =
    [b"Jan", b"Feb", b"Mar", b"Apr", b"May", b"Jun", b"Jul", b"Aug", b"Sep", b"Oct", b"Nov", b"Dec"];

/// Whether `value` is an IMF-fixdate that names a real day by its right weekday.
#[must_use]
pub fn is_imf_fixdate(value: &[u8]) -> bool {
    parse(value).is_some()
}

fn parse(value: &[u8]) -> Option<()> {
    // Sun, 06 Nov 1994 08:49:37 GMT
    if value.len() != 29 {
        return None;
    }
    let fixed = [(3, ", "), (7, " "), (11, " "), (16, " "), (19, ":"), (22, ":"), (25, " GMT")];
    if fixed.iter().any(|(at, text)| !value[*at..].starts_with(text.as_bytes())) {
        return None;
    }
    let weekday = DAYS.iter().position(|name| *name == &value[..3])?;
    let month = MONTHS.iter().position(|name| *name == &value[8..11])?;
    let (day, year) = (number(&value[5..7])?, number(&value[12..16])?);
    let (hour, minute, second) = (number(&value[17..19])?, number(&value[20..22])?, number(&value[23..25])?);
    // 60 is a leap second.
    if hour > 23 || minute > 59 || second > 60 || year < 1970 || day < 1 || day > days_in(year, month) {
        return None;
    }
    let years: usize = (1970..year).map(|year| (0..12).map(|month| days_in(year, month)).sum::<usize>()).sum();
    let months: usize = (0..month).map(|month| days_in(year, month)).sum();
    // The first of January 1970 was a Thursday.
    ((years + months + day - 1) % 7 == weekday).then_some(())
}

fn number(digits: &[u8]) -> Option<usize> {
    let value = digits.iter().try_fold(0, |value, digit| Some(value * 10 + (*digit as char).to_digit(10)?))?;
    usize::try_from(value).ok()
}

/// `month` counts from zero.
fn days_in(year: usize, month: usize) -> usize {
    let leap = (year.is_multiple_of(4) && !year.is_multiple_of(100)) || year.is_multiple_of(400);
    match month {
        1 if leap => 29,
        1 => 28,
        3 | 5 | 8 | 10 => 30,
        _ => 31,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_real_day_in_the_one_form_is_a_date() {
        for good in ["Sun, 06 Nov 1994 08:49:37 GMT", "Thu, 01 Jan 1970 00:00:00 GMT", "Thu, 29 Feb 2024 23:59:60 GMT"]
        {
            assert!(is_imf_fixdate(good.as_bytes()), "{good}");
        }
        for bad in [
            "",
            "Mon, 06 Nov 1994 08:49:37 GMT",
            "Sunday, 06-Nov-94 08:49:37 GMT",
            "Sun Nov  6 08:49:37 1994",
            "Sun, 6 Nov 1994 08:49:37 GMT",
            "Sun, 06 nov 1994 08:49:37 GMT",
            "Sun, 06 Nov 1994 24:49:37 GMT",
            "Sun, 06 Nov 1994 08:49:37 UTC",
            "Wed, 29 Feb 2023 00:00:00 GMT",
        ] {
            assert!(!is_imf_fixdate(bad.as_bytes()), "{bad}");
        }
    }
}
