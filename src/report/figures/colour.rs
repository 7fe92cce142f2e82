//! The colour map of free energies: viridis, uniform to the eye and legible in grey and for the colour-blind.

use plotters::style::RGBColor;

/// Every 15th of the 256 colours of viridis (S. van der Walt and N. Smith, public domain by CC0), darkest first; between
/// them linear, which is within 5 of 255 of the full table.
const VIRIDIS: [[u8; 3]; 18] = [
    [68, 1, 84],
    [72, 23, 105],
    [71, 42, 122],
    [67, 61, 132],
    [61, 78, 138],
    [53, 94, 141],
    [46, 109, 142],
    [41, 123, 142],
    [35, 137, 142],
    [31, 151, 139],
    [33, 165, 133],
    [46, 179, 124],
    [70, 192, 111],
    [101, 203, 94],
    [137, 213, 72],
    [176, 221, 47],
    [216, 226, 25],
    [253, 231, 37],
];

/// The colour at `x`, from darkest (0) to lightest (1); beyond them the ends.
pub(super) fn viridis(x: f64) -> RGBColor {
    let place = x.clamp(0.0, 1.0) * (VIRIDIS.len() - 1) as f64;
    let i = (place as usize).min(VIRIDIS.len() - 2);
    let part = place - i as f64;
    let channel = |c: usize| {
        let (a, b) = (f64::from(VIRIDIS[i][c]), f64::from(VIRIDIS[i + 1][c]));
        (a + part * (b - a)).round() as u8
    };
    RGBColor(channel(0), channel(1), channel(2))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Relative luminance (ITU-R BT.709 of linearised sRGB).
    fn luminance(RGBColor(r, g, b): RGBColor) -> f64 {
        let linear = |v: u8| {
            let v = f64::from(v) / 255.0;
            if v <= 0.040_45 { v / 12.92 } else { ((v + 0.055) / 1.055).powf(2.4) }
        };
        0.2126 * linear(r) + 0.7152 * linear(g) + 0.0722 * linear(b)
    }

    /// What makes the map legible in grey: lightness (CIE L*) rises evenly, from about 15 to 91.
    #[test]
    fn lightness_rises_evenly() {
        let lightness = |x: f64| 116.0 * luminance(viridis(x)).cbrt() - 16.0;
        let steps: Vec<f64> = (0..17).map(|i| lightness((i + 1) as f64 / 17.0) - lightness(i as f64 / 17.0)).collect();
        assert!(steps.iter().all(|s| (3.0..6.0).contains(s)), "{steps:?}");
        assert!((lightness(0.0) - 14.9).abs() < 0.5 && (lightness(1.0) - 90.9).abs() < 0.5);
    }
}
