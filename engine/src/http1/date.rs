//! The `Date` field's text.

use core::fmt;

/// A date in the form that HTTP writes, IMF-fixdate: `Sun, 06 Nov 1994 08:49:37 GMT` (RFC 9110, section 5.6.7).
///
/// ```
/// assert_eq!(midge::Date::from_unix_seconds(784_111_777).as_str(), "Sun, 06 Nov 1994 08:49:37 GMT");
/// ```
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Date([u8; Self::LEN]);

impl Date {
    /// Bytes of the text.
    pub const LEN: usize = 29;

    /// The date `seconds` after 1970-01-01T00:00:00Z; dates past the year 9999 stay at its last second.
    #[must_use]
    pub fn from_unix_seconds(seconds: u64) -> Self {
        let seconds = seconds.min(LAST_SECOND);
        let days = seconds / 86_400;
        let clock = seconds % 86_400;
        let (year, month, day) = civil(days);

        let mut text = *b"Thu, 01 Jan 1970 00:00:00 GMT";
        put(&mut text, 0, WEEKDAYS, days % 7);
        two_digits(&mut text, 5, day);
        put(&mut text, 8, MONTHS, month);
        two_digits(&mut text, 12, year / 100);
        two_digits(&mut text, 14, year % 100);
        two_digits(&mut text, 17, clock / 3_600);
        two_digits(&mut text, 20, clock / 60 % 60);
        two_digits(&mut text, 23, clock % 60);
        Self(text)
    }

    /// The text's bytes.
    #[must_use]
    pub const fn as_bytes(&self) -> &[u8; Self::LEN] {
        &self.0
    }

    /// The text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        // ASCII by construction.
        core::str::from_utf8(&self.0).unwrap_or_default()
    }
}

impl fmt::Debug for Date {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Date({})", self.as_str())
    }
}

impl fmt::Display for Date {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// Year, month (0 to 11) and day of the month, `days` after 1970-01-01 (Howard Hinnant's `civil_from_days`: the year
/// is taken to begin in March, so that the leap day comes last).
fn civil(days: u64) -> (u64, u64, u64) {
    let days = days + 719_468;
    let era = days / 146_097;
    let day_of_era = days % 146_097;
    let year_of_era = (day_of_era - day_of_era / 1_460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let march_month = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * march_month + 2) / 5 + 1;
    let month = (march_month + 2) % 12;
    let year = year_of_era + era * 400 + u64::from(month < 2);
    (year, month, day)
}

/// Copies the three letters of `names` at `index` into `text` at `at`.
fn put(text: &mut [u8; Date::LEN], at: usize, names: &[u8], index: u64) {
    let from = index as usize * 3;
    if let (Some(to), Some(name)) = (text.get_mut(at..at + 3), names.get(from..from + 3)) {
        to.copy_from_slice(name);
    }
}

fn two_digits(text: &mut [u8; Date::LEN], at: usize, value: u64) {
    if let Some([tens, ones]) = text.get_mut(at..at + 2) {
        *tens = b'0' + (value / 10 % 10) as u8;
        *ones = b'0' + (value % 10) as u8;
    }
}

/// 9999-12-31T23:59:59Z.
const LAST_SECOND: u64 = 253_402_300_799;
/// From the weekday of 1970-01-01 on.
const WEEKDAYS: &[u8] = b"ThuFriSatSunMonTueWed";
const MONTHS: &[u8] = b"JanFebMarAprMayJunJulAugSepOctNovDec";

#[cfg(test)]
mod tests {
    use super::*;

    fn text(seconds: u64) -> Date {
        Date::from_unix_seconds(seconds)
    }

    #[test]
    fn known_dates() {
        assert_eq!(text(0).as_str(), "Thu, 01 Jan 1970 00:00:00 GMT");
        assert_eq!(text(784_111_777).as_str(), "Sun, 06 Nov 1994 08:49:37 GMT");
        assert_eq!(text(951_782_400).as_str(), "Tue, 29 Feb 2000 00:00:00 GMT");
        assert_eq!(text(1_709_251_199).as_str(), "Thu, 29 Feb 2024 23:59:59 GMT");
        assert_eq!(text(4_107_542_400).as_str(), "Mon, 01 Mar 2100 00:00:00 GMT");
        assert_eq!(text(LAST_SECOND).as_str(), "Fri, 31 Dec 9999 23:59:59 GMT");
        assert_eq!(text(u64::MAX), text(LAST_SECOND));
    }

    #[test]
    fn every_day_follows_the_one_before() {
        let lengths = |year: u64| {
            let leap = (year.is_multiple_of(4) && !year.is_multiple_of(100)) || year.is_multiple_of(400);
            [31, 28 + u64::from(leap), 31, 30, 31, 30, 31, 31, 30, 31, 30, 31]
        };
        let (mut year, mut month, mut day) = (1970, 0, 1);
        for days in 0..LAST_SECOND / 86_400 {
            assert_eq!(civil(days), (year, month, day));
            day += 1;
            if Some(&day) > lengths(year).get(month as usize) {
                (month, day) = (month + 1, 1);
            }
            if month == 12 {
                (year, month) = (year + 1, 0);
            }
        }
    }
}
