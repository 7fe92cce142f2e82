//! A metric night by night: means with their standard errors, a marker for each version of the code.

use plotters::prelude::*;

use super::axes;
use super::histogram::range;
use super::style::{self, DOUBLE, Key, Mark, REFERENCE_FILL};
use super::{Area, Drawing, Figure};

/// One night.
#[derive(Debug, Clone, PartialEq)]
pub struct Night {
    /// Days since the first night.
    pub day: f64,
    /// Mean over seeds.
    pub mean: f64,
    /// Its standard error.
    pub error: f64,
    /// Version of the code.
    pub code: String,
}

/// One metric over the nights.
#[derive(Debug, Clone, PartialEq)]
pub struct History {
    /// Oldest first; at least one.
    pub nights: Vec<Night>,
    /// The accepted mean, and how far from it is a drift.
    pub accepted: Option<(f64, f64)>,
    /// Title of the value axis.
    pub metric: String,
    /// Date of the first night.
    pub first: String,
}

/// Versions of the code that get a marker of their own; older ones share the last.
const VERSIONS: usize = 6;

/// Height of the plot.
const HEIGHT: u32 = 480;

impl History {
    /// Versions of the code, newest first.
    fn codes(&self) -> Vec<&str> {
        let mut codes: Vec<&str> = Vec::new();
        for night in self.nights.iter().rev() {
            if !codes.contains(&night.code.as_str()) {
                codes.push(&night.code);
            }
        }
        codes
    }

    fn keys(&self, codes: &[&str]) -> Vec<Key> {
        let older = codes.len() > VERSIONS;
        let accepted = self.accepted.map(|_| (Mark::Reference, "accepted, no drift".into()));
        let versions = codes.iter().take(VERSIONS).enumerate().map(|(i, code)| {
            let rest = older && i == VERSIONS - 1;
            (Mark::Marker(i), if rest { format!("{code} and older") } else { (*code).to_owned() })
        });
        accepted.into_iter().chain(versions).collect()
    }
}

impl Figure for History {
    fn size(&self) -> (u32, u32) {
        axes::size(&self.keys(&self.codes()), DOUBLE, HEIGHT)
    }

    fn draw(&self, area: &Area<'_>) -> Drawing {
        let codes = self.codes();
        let number = |code: &str| codes.iter().position(|c| *c == code).unwrap_or(0).min(VERSIONS - 1);
        let rest = style::legend(area, &self.keys(&codes))?;
        let band = self.accepted.into_iter().flat_map(|(mean, width)| [mean - width, mean + width]);
        let ends = self.nights.iter().flat_map(|n| [n.mean - n.error, n.mean + n.error]).chain(band);
        let Some((low, high)) = range(ends) else { return Ok(()) };
        let pad = if high > low { 0.08 * (high - low) } else { 0.1 * high.abs().max(1.0) };
        let last = self.nights.iter().map(|n| n.day).fold(0.0, f64::max).max(1.0);
        let mut chart = axes::chart(&rest, (12, 40), -0.02 * last..1.02 * last, low - pad..high + pad)?;
        if let Some((mean, width)) = self.accepted {
            let corners = [(-0.02 * last, mean - width), (1.02 * last, mean + width)];
            chart.draw_series([Rectangle::new(corners, REFERENCE_FILL.filled())])?;
        }
        let days = format!("days since {}", self.first);
        axes::draw(&mut chart, (&days, 8, style::tick), (&self.metric, 5, style::tick), true)?;
        for n in &self.nights {
            let style = style::colour(number(&n.code)).stroke_width(4);
            axes::bar(&mut chart, n.day, (n.mean - n.error, n.mean + n.error), style)?;
        }
        for n in &self.nights {
            axes::markers(&mut chart, (number(&n.code), 12.0), [(n.day, n.mean)])?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::figures::tests::drawn;

    fn history(codes: &[&str], accepted: Option<(f64, f64)>) -> History {
        let night =
            |(i, code): (usize, &&str)| Night { day: i as f64, mean: 1.0, error: 0.1, code: (*code).to_owned() };
        let nights = codes.iter().enumerate().map(night).collect();
        History { nights, accepted, metric: "m".into(), first: "2026-11-25".into() }
    }

    #[test]
    fn draws() {
        let text = drawn(&history(&["one", "one", "two"], Some((1.0, 0.3))));
        for expected in ["accepted, no drift", "one", "two", "days since 2026-11-25"] {
            assert!(text.contains(expected), "{expected}");
        }
        let many = drawn(&history(&["1", "2", "3", "4", "5", "6", "7", "8"], None));
        assert!(many.contains("3 and older") && !many.contains("accepted"));
        let mut bare = history(&["x"], None);
        bare.nights[0].mean = f64::NAN;
        drawn(&bare);
    }
}
