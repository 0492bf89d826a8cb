//! The chart of an incident's moment, as a picture for mails and as SVG for pages. PURE.
//!
//! The picture has no letters: drawing them would take a font. The mail says the figures beside it.

use crate::alert::incident::Incident;
use crate::alert::judge::Expected;
use std::fmt::Write as _;
use tiny_skia::{Color, Paint, PathBuilder, Pixmap, Rect, Stroke, Transform};

/// Size in points; the PNG has twice as many pixels each way, for fine screens.
const WIDTH: f32 = 640.0;
const HEIGHT: f32 = 240.0;
const MARGIN: f32 = 8.0;
const SCALE: f32 = 2.0;
const PIXELS: (u32, u32) = (1280, 480);

/// Points of time, values and the band, as places in the picture.
#[derive(Debug, Clone, PartialEq)]
pub struct Picture {
    line: Vec<(f32, f32)>,
    /// Top and bottom of the expected band.
    band: Option<(f32, f32)>,
    /// Where the incident began.
    began: f32,
    /// The time that it shows, in seconds since 1970.
    span: (i64, i64),
    /// Where else something happened: number and place.
    marks: Vec<(usize, f32)>,
}

impl Picture {
    /// `None` without at least two points.
    pub fn of(incident: &Incident) -> Option<Self> {
        Self::new(&incident.finding.series, incident.finding.expected, incident.began.seconds())
    }

    #[expect(clippy::cast_possible_truncation, reason = "places in a picture of some hundred points")]
    fn new(series: &[(i64, f64)], expected: Option<Expected>, began: i64) -> Option<Self> {
        let (first, last) = (series.first()?.0, series.last()?.0);
        if first >= last {
            return None;
        }
        // A limit without an upper end would squeeze everything to the ground.
        let band = expected.filter(|expected| expected.high < f64::MAX / 2.0);
        let highest = series.iter().map(|(_, value)| *value).fold(0.0, f64::max);
        let top = highest.max(band.map_or(0.0, |band| band.high)).max(f64::MIN_POSITIVE) * 1.1;
        let high = f64::from(HEIGHT - 2.0 * MARGIN);
        let x = |at: i64| place((first, last), at);
        let y = |value: f64| HEIGHT - MARGIN - (value / top * high) as f32;
        Some(Self {
            line: series.iter().map(|(at, value)| (x(*at), y(*value))).collect(),
            band: band.map(|band| (y(band.high), y(band.low))),
            began: x(began),
            span: (first, last),
            marks: Vec::new(),
        })
    }

    /// The time that it shows, in seconds since 1970.
    pub const fn span(&self) -> (i64, i64) {
        self.span
    }

    /// Marks what else happened, by numbers and times, in the SVG.
    #[must_use]
    pub fn marked(mut self, marks: &[(usize, i64)]) -> Self {
        self.marks = marks.iter().map(|(number, at)| (*number, place(self.span, *at))).collect();
        self
    }

    /// As PNG; `None` when it cannot be made, which no size of ours leads to.
    pub fn png(&self) -> Option<Vec<u8>> {
        let mut pixels = Pixmap::new(PIXELS.0, PIXELS.1)?;
        pixels.fill(Color::WHITE);
        let scale = Transform::from_scale(SCALE, SCALE);
        if let Some((top, bottom)) = self.band {
            let band = Rect::from_ltrb(MARGIN, top, WIDTH - MARGIN, bottom.max(top + 1.0))?;
            pixels.fill_rect(band, &paint(0x2e, 0x7d, 0x32, 48), scale, None);
        }
        let ground = Rect::from_xywh(MARGIN, HEIGHT - MARGIN, WIDTH - 2.0 * MARGIN, 1.0)?;
        pixels.fill_rect(ground, &paint(0x55, 0x55, 0x55, 255), scale, None);
        let began = Rect::from_xywh(self.began, MARGIN, 1.0, HEIGHT - 2.0 * MARGIN)?;
        pixels.fill_rect(began, &paint(0xc6, 0x28, 0x28, 160), scale, None);
        let mut path = PathBuilder::new();
        let (x, y) = *self.line.first()?;
        path.move_to(x, y);
        self.line.iter().skip(1).for_each(|(x, y)| path.line_to(*x, *y));
        let stroke = Stroke { width: 2.0, ..Stroke::default() };
        pixels.stroke_path(&path.finish()?, &paint(0x15, 0x65, 0xc0, 255), &stroke, scale, None);
        pixels.encode_png().ok()
    }

    /// As SVG; colours are given by classes.
    pub fn svg(&self, label: &str) -> String {
        let mut svg = format!(
            "<svg class=\"incident-chart\" viewBox=\"0 0 {WIDTH} {HEIGHT}\" role=\"img\" preserveAspectRatio=\"none\">\
             <title>{}</title>",
            label.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;"),
        );
        if let Some((top, bottom)) = self.band {
            let (width, height) = (WIDTH - 2.0 * MARGIN, (bottom - top).max(1.0));
            let _ = write!(
                svg,
                "<rect class=\"band\" x=\"{MARGIN}\" y=\"{top:.1}\" width=\"{width}\" height=\"{height:.1}\"/>"
            );
        }
        let (x, bottom) = (self.began, HEIGHT - MARGIN);
        for (number, x) in &self.marks {
            let _ = write!(
                svg,
                "<path class=\"mark\" d=\"M{x:.1} {MARGIN}V{bottom}\"><title>{number}</title></path>"
            );
        }
        let _ =
            write!(svg, "<path class=\"began\" d=\"M{x:.1} {MARGIN}V{bottom}\"/><path class=\"line\" d=\"");
        for (index, (x, y)) in self.line.iter().enumerate() {
            let _ = write!(svg, "{}{x:.1} {y:.1}", if index == 0 { 'M' } else { 'L' });
        }
        svg + "\"/></svg>"
    }
}

/// Where a time lies; what lies outside is at the edge.
#[expect(clippy::cast_possible_truncation, reason = "places in a picture of some hundred points")]
fn place((first, last): (i64, i64), at: i64) -> f32 {
    let share = seconds(at.clamp(first, last) - first) / seconds(last - first);
    MARGIN + (share * f64::from(WIDTH - 2.0 * MARGIN)) as f32
}

fn paint(red: u8, green: u8, blue: u8, alpha: u8) -> Paint<'static> {
    let mut paint = Paint { anti_alias: true, ..Paint::default() };
    paint.set_color_rgba8(red, green, blue, alpha);
    paint
}

#[expect(clippy::cast_precision_loss, reason = "seconds of a day")]
const fn seconds(seconds: i64) -> f64 {
    seconds as f64
}

#[cfg(test)]
mod tests {
    use super::*;

    fn picture() -> Picture {
        let series: Vec<_> = (0..96).map(|step| (step * 900, if step < 90 { 0.02 } else { 0.3 })).collect();
        Picture::new(&series, Some(Expected { low: 0.0, middle: 0.02, high: 0.05 }), 90 * 900).unwrap()
    }

    #[test]
    fn a_picture_is_a_png_that_shows_line_and_band() {
        let png = picture().png().unwrap();
        assert!(png.starts_with(b"\x89PNG\r\n\x1a\n"));
        let pixels = Pixmap::decode_png(&png).unwrap();
        let is_blue = |p: &tiny_skia::PremultipliedColorU8| p.blue() > 150 && p.red() < 80;
        assert!(pixels.pixels().iter().filter(|p| is_blue(p)).count() > 500, "no line is drawn");
    }

    #[test]
    fn the_svg_holds_no_text_of_others_unescaped() {
        let svg = picture().svg("<b>&");
        assert!(svg.contains("<title>&lt;b&gt;&amp;</title>") && svg.contains("class=\"band\""), "{svg}");
    }

    #[test]
    fn what_else_happened_is_marked_within_the_picture() {
        let svg = picture().marked(&[(1, 45 * 900), (2, -5)]).svg("rate");
        assert_eq!(svg.matches("class=\"mark\"").count(), 2, "{svg}");
        assert!(svg.contains("<title>2</title>") && svg.contains("d=\"M8.0 8V232\""), "{svg}");
    }

    #[test]
    fn one_point_is_no_line() {
        assert_eq!(Picture::new(&[(0, 1.0)], None, 0), None);
        assert_eq!(Picture::new(&[], None, 0), None);
    }
}
