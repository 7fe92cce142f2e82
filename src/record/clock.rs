//! Wall-clock time as text, for provenance and events. Never part of a digest.

use std::time::{SystemTime, UNIX_EPOCH};

/// Now, as `2026-01-31T23:59:59Z`.
#[must_use]
pub fn timestamp() -> String {
    rfc3339(SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |d| d.as_secs()))
}

/// Seconds since 1970 as RFC 3339 text in UTC (days to civil date: Hinnant, "chrono-compatible date algorithms").
#[must_use]
pub fn rfc3339(seconds: u64) -> String {
    let (days, second) = (seconds / 86_400, seconds % 86_400);
    let shifted = days + 719_468;
    let (era, day_of_era) = (shifted / 146_097, shifted % 146_097);
    let year_of_era = (day_of_era - day_of_era / 1_460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let month = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * month + 2) / 5 + 1;
    let month = if month < 10 { month + 3 } else { month - 9 };
    let year = year_of_era + era * 400 + u64::from(month <= 2);
    format!("{year:04}-{month:02}-{day:02}T{:02}:{:02}:{:02}Z", second / 3_600, second / 60 % 60, second % 60)
}

/// Whether text is a time such as `2026-11-25T09:00:00Z`, or a beginning of one that ends with a whole part, from the year
/// on: `2026-11`, `2026-11-25T09`.
#[must_use]
pub fn is_time(text: &str) -> bool {
    const WHOLE: &str = "0000-01-01T00:00:00Z";
    let ends = [4, 7, 10, 13, 16, 19, 20];
    if !text.is_ascii() || !ends.contains(&text.len()) {
        return false;
    }
    let fits = |(found, form): (u8, u8)| if form.is_ascii_digit() { found.is_ascii_digit() } else { found == form };
    // A day that there is not is another one when it is written again.
    let time = format!("{text}{}", &WHOLE[text.len()..]);
    text.bytes().zip(WHOLE.bytes()).all(fits) && text >= "1970" && rfc3339(seconds_of(&time)) == time
}

/// The inverse of [`rfc3339`]; 0 for text that is no such time.
#[must_use]
pub fn seconds_of(time: &str) -> u64 {
    let number = |range: std::ops::Range<usize>| time.get(range).and_then(|t| t.parse::<u64>().ok());
    let parse = || {
        let (year, month, day) = (number(0..4)?, number(5..7)?, number(8..10)?);
        let (hour, minute, second) = (number(11..13)?, number(14..16)?, number(17..19)?);
        let (year, month) = if month > 2 { (year, month - 3) } else { (year.checked_sub(1)?, month + 9) };
        let day_of_year = (153 * month + 2) / 5 + day.checked_sub(1)?;
        let days = 365 * year + year / 4 - year / 100 + year / 400 + day_of_year;
        Some(days.checked_sub(719_468)? * 86_400 + hour * 3_600 + minute * 60 + second)
    };
    parse().unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::{is_time, rfc3339, seconds_of};

    #[test]
    fn there_and_back() {
        for seconds in (0..5_000_000_000).step_by(12_345_677) {
            assert_eq!(seconds_of(&rfc3339(seconds)), seconds);
        }
        assert_eq!(seconds_of("yesterday"), 0);
    }

    /// From `date -u -d @N`.
    #[test]
    fn known_dates() {
        assert_eq!(rfc3339(0), "1970-01-01T00:00:00Z");
        assert_eq!(rfc3339(951_782_399), "2000-02-28T23:59:59Z");
        assert_eq!(rfc3339(951_782_400), "2000-02-29T00:00:00Z");
        assert_eq!(rfc3339(1_735_689_599), "2024-12-31T23:59:59Z");
        assert_eq!(rfc3339(4_107_542_400), "2100-03-01T00:00:00Z");
    }

    #[test]
    fn times_and_their_beginnings() {
        for good in ["2026", "2026-11", "2026-11-25", "2024-02-29", "2026-11-25T09", "2026-11-25T23:59:59Z", "1970"] {
            assert!(is_time(good), "{good}");
        }
        for bad in [
            "",
            "26",
            "yesterday",
            "2026-1",
            "2026-13",
            "2026-00-01",
            "2026-02-29",
            "2026-11-31",
            "2026-11-25T24",
            "2026-11-25 09",
            "2026-11-25T09:60",
            "2026/11/25",
            "----",
            "2026-11-25T09:00:00+",
            "1969",
            "２０２６",
        ] {
            assert!(!is_time(bad), "{bad}");
        }
    }
}
