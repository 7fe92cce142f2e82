//! Wall-clock time as text, for provenance and events. Never part of a digest.

use jiff::Timestamp;

/// Now, as `2026-01-31T23:59:59Z`.
#[must_use]
pub fn timestamp() -> String {
    rfc3339(u64::try_from(Timestamp::now().as_second()).unwrap_or(0))
}

/// Seconds since 1970 as RFC 3339 text in UTC.
#[must_use]
pub fn rfc3339(seconds: u64) -> String {
    let time = i64::try_from(seconds).ok().and_then(|seconds| Timestamp::from_second(seconds).ok());
    time.unwrap_or(Timestamp::MAX).to_string()
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
    time.parse::<Timestamp>().ok().and_then(|time| u64::try_from(time.as_second()).ok()).unwrap_or(0)
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
