//! The drawing surface: plotters' SVG backend in pixels.
//!
//! The backend's coordinates are whole numbers, so the drawing is [`UNITS`] times as large as the
//! figure, and the view box scales it down. What the backend lacks (dashes) is made from what it
//! has, here and nowhere else.

use plotters::prelude::{DrawingBackend, RGBColor, SVGBackend, ShapeStyle};
use plotters::style::text_anchor::{HPos, Pos, VPos};
use plotters::style::{Color, FontStyle, FontTransform, IntoFont, TextStyle};

use super::palette::Rgb;

/// Drawing units per pixel.
const UNITS: f64 = 10.0;

/// How far a drawn line may be from its points, in pixels.
const TOLERANCE: f64 = 0.12;

/// The shipped font first, then what is on most machines.
const FONT_FAMILY: &str = "Inter, 'Helvetica Neue', Helvetica, Arial, 'DejaVu Sans', sans-serif";

/// The backend divides font sizes by this.
const BACKEND_FONT_SCALE: f64 = 1.24;

/// A position in pixels from the top left corner.
pub type Pixel = (f64, f64);

/// Which point of a text its position gives, horizontally.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Anchor {
    Start,
    Middle,
    End,
}

/// How a line is drawn.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Stroke {
    pub colour: Rgb,
    /// In pixels.
    pub width: f64,
    pub dash: Dash,
}

/// Measured values are solid, theory is dashed, bounds are dotted, what is measured in another way is
/// dash-dotted.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Dash {
    Solid,
    Dashed,
    Dotted,
    Alternating,
}

impl Dash {
    /// Lengths of a drawn part, of the gap after it, and so on, in pixels; none of a solid line.
    fn pattern(self) -> &'static [f64] {
        match self {
            Self::Solid => &[],
            Self::Dashed => &[6.0, 3.5],
            Self::Dotted => &[1.5, 2.5],
            Self::Alternating => &[7.0, 2.5, 1.5, 2.5],
        }
    }
}

/// How a text is drawn.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Font {
    /// In pixels.
    pub size: f64,
    pub bold: bool,
    pub colour: Rgb,
}

/// A surface of fixed size that is being drawn on.
pub struct Canvas<'a> {
    backend: SVGBackend<'a>,
}

/// Draws a figure of the given size in pixels and returns its SVG text.
pub fn draw_svg(width: f64, height: f64, paint: impl FnOnce(&mut Canvas<'_>)) -> String {
    let mut svg = String::new();
    let size = (unit(width) as u32, unit(height) as u32);
    let mut canvas = Canvas {
        backend: SVGBackend::with_string(&mut svg, size),
    };
    canvas.rect((0.0, 0.0), (width, height), Rgb::WHITE);
    paint(&mut canvas);
    canvas.backend.present().expect(IN_MEMORY);
    drop(canvas);
    with_scripts(&svg.replacen(
        &format!("width=\"{}\" height=\"{}\"", size.0, size.1),
        &format!("width=\"{width}\" height=\"{height}\""),
        1,
    ))
}

/// Sets subscripts (`σ_w`, `W_hh`) and superscripts (`0.95^k`) of all texts as such. Unicode has too few letters
/// for them, and the backend knows but one size in a text.
fn with_scripts(svg: &str) -> String {
    let mut found = String::with_capacity(svg.len());
    let mut tag = "";
    for line in svg.split_inclusive('\n') {
        let size = tag.strip_prefix("<text ").and_then(|attributes| {
            let (_, rest) = attributes.split_once("font-size=\"")?;
            rest.split_once('"')?.0.parse::<f64>().ok()
        });
        match size {
            Some(size) => found.push_str(&set_scripts(line, size)),
            None => found.push_str(line),
        }
        tag = line;
    }
    found
}

/// Parts of a text of this size that are lower or higher, and smaller, than the rest, which comes back to its
/// height after them.
///
/// A subscript is one to three letters or digits after `_` after a single letter, so that names such as
/// `forget_bias` and `h_carried` are none; a superscript is as short, after `^`.
fn set_scripts(text: &str, size: f64) -> String {
    let is_part = |c: char| c.is_ascii_alphanumeric() || ('α'..='ω').contains(&c);
    let chars: Vec<char> = text.chars().collect();
    let mut set = String::with_capacity(text.len());
    let mut from = 0;
    while from < chars.len() {
        let mark = chars[from];
        let length = chars[from + 1..]
            .iter()
            .take_while(|c| is_part(**c))
            .count();
        let after = chars.get(from + 1 + length);
        let is_short = (1..=3).contains(&length) && after.is_none_or(|c| !"_^".contains(*c));
        let before = |back: usize| from.checked_sub(back).map(|index| chars[index]);
        let is_letter = |c: char| c.is_alphabetic();
        let is_symbol = before(1).is_some_and(is_letter)
            && before(2).is_none_or(|c| !(is_part(c) || c == '_' || c == '-'));
        let shift = match mark {
            '_' if is_short && is_symbol => 0.22,
            '^' if is_short => -0.34,
            _ => {
                set.push(mark);
                from += 1;
                continue;
            }
        };
        let script: String = chars[from + 1..=from + length].iter().collect();
        let (shift, small) = ((shift * size).round(), (0.72 * size).round());
        let rest: String = chars[from + 1 + length..].iter().collect();
        set.push_str(&format!(
            "<tspan dy=\"{shift}\" font-size=\"{small}\">{script}</tspan>"
        ));
        let rest = set_scripts(rest.trim_end_matches('\n'), size);
        if !rest.is_empty() {
            set.push_str(&format!("<tspan dy=\"{}\">{rest}</tspan>", -shift));
        }
        if text.ends_with('\n') {
            set.push('\n');
        }
        break;
    }
    set
}

const IN_MEMORY: &str = "drawing to memory cannot fail";

impl Canvas<'_> {
    /// A line through the points.
    pub fn line(&mut self, points: &[Pixel], stroke: Stroke) {
        match stroke.dash.pattern() {
            [] => self.path(points, stroke),
            pattern => {
                for dash in dashes(points, pattern) {
                    self.path(&dash, stroke);
                }
            }
        }
    }

    fn path(&mut self, points: &[Pixel], stroke: Stroke) {
        let style = ShapeStyle {
            color: plotters_colour(stroke.colour).to_rgba(),
            filled: false,
            stroke_width: unit(stroke.width) as u32,
        };
        self.backend
            .draw_path(simplify(points).into_iter().map(units), &style)
            .expect(IN_MEMORY);
    }

    /// A filled polygon; `opacity` lets what is below shine through.
    pub fn polygon(&mut self, points: &[Pixel], colour: Rgb, opacity: f64) {
        let style = plotters_colour(colour).mix(opacity).filled();
        self.backend
            .fill_polygon(simplify(points).into_iter().map(units), &style)
            .expect(IN_MEMORY);
    }

    /// A filled rectangle.
    pub fn rect(&mut self, top_left: Pixel, bottom_right: Pixel, colour: Rgb) {
        let style = plotters_colour(colour).filled();
        self.backend
            .draw_rect(units(top_left), units(bottom_right), &style, true)
            .expect(IN_MEMORY);
    }

    /// Filled rectangles of one colour, as a single polygon: an element per cell would make the
    /// files of heat maps several times as large. The bridges between rectangles have no area.
    pub fn rects(&mut self, rects: &[(Pixel, Pixel)], colour: Rgb) {
        let Some(&(home, _)) = rects.first() else {
            return;
        };
        let corners = rects.iter().flat_map(|&((left, top), (right, bottom))| {
            [
                (left, top),
                (right, top),
                (right, bottom),
                (left, bottom),
                (left, top),
                home,
            ]
        });
        let style = plotters_colour(colour).filled();
        self.backend
            .fill_polygon(corners.map(units), &style)
            .expect(IN_MEMORY);
    }

    /// A filled disc.
    pub fn dot(&mut self, centre: Pixel, radius: f64, colour: Rgb) {
        let style = plotters_colour(colour).filled();
        self.backend
            .draw_circle(units(centre), unit(radius) as u32, &style, true)
            .expect(IN_MEMORY);
    }

    /// A text whose lower-case letters are centred on the position's height.
    pub fn text(&mut self, at: Pixel, anchor: Anchor, text: &str, font: Font) {
        self.text_turned(at, anchor, text, font, FontTransform::None);
    }

    /// A text that reads from bottom to top, for the y-axis.
    pub fn text_upwards(&mut self, at: Pixel, text: &str, font: Font) {
        self.text_turned(at, Anchor::Middle, text, font, FontTransform::Rotate270);
    }

    fn text_turned(
        &mut self,
        at: Pixel,
        anchor: Anchor,
        text: &str,
        font: Font,
        turn: FontTransform,
    ) {
        let colour = plotters_colour(font.colour);
        let horizontal = match anchor {
            Anchor::Start => HPos::Left,
            Anchor::Middle => HPos::Center,
            Anchor::End => HPos::Right,
        };
        let style = if font.bold {
            FontStyle::Bold
        } else {
            FontStyle::Normal
        };
        let style = TextStyle::from(
            (FONT_FAMILY, font.size * UNITS * BACKEND_FONT_SCALE)
                .into_font()
                .style(style)
                .transform(turn),
        )
        .color(&colour)
        .pos(Pos::new(horizontal, VPos::Center));
        self.backend
            .draw_text(text, &style, units(at))
            .expect(IN_MEMORY);
    }
}

/// Leaves out points that are not missed at [`TOLERANCE`] (Ramer, Douglas and Peucker): a curve has
/// far more lags than pixels.
fn simplify(points: &[Pixel]) -> Vec<Pixel> {
    let Some(last) = points.len().checked_sub(1) else {
        return Vec::new();
    };
    let mut kept = vec![false; points.len()];
    (kept[0], kept[last]) = (true, true);
    let mut open = vec![(0, last)];
    while let Some((from, to)) = open.pop() {
        let farthest = (from + 1..to)
            .map(|index| (distance(points[index], points[from], points[to]), index))
            .max_by(|a, b| a.0.total_cmp(&b.0));
        if let Some((distance, index)) = farthest
            && distance > TOLERANCE
        {
            kept[index] = true;
            open.extend([(from, index), (index, to)]);
        }
    }
    let points = points.iter().zip(kept);
    points
        .filter(|(_, kept)| *kept)
        .map(|(point, _)| *point)
        .collect()
}

/// The distance of a point from a segment.
fn distance((x, y): Pixel, from: Pixel, to: Pixel) -> f64 {
    let (dx, dy) = (to.0 - from.0, to.1 - from.1);
    let square = dx * dx + dy * dy;
    let part = if square > 0.0 {
        (((x - from.0) * dx + (y - from.1) * dy) / square).clamp(0.0, 1.0)
    } else {
        0.0
    };
    (x - from.0 - part * dx).hypot(y - from.1 - part * dy)
}

/// Cuts a line into parts of the lengths of `pattern`, in turn drawn and gaps, over and over.
fn dashes(points: &[Pixel], pattern: &[f64]) -> Vec<Vec<Pixel>> {
    let mut dashes = Vec::new();
    let mut lengths = pattern.iter().copied().cycle();
    let (Some(&first), Some(mut remaining)) = (points.first(), lengths.next()) else {
        return dashes;
    };
    let mut dash = vec![first];
    let mut drawing = true;
    for pair in points.windows(2) {
        let ((x0, y0), (x1, y1)) = (pair[0], pair[1]);
        let length = (x1 - x0).hypot(y1 - y0);
        let mut done = 0.0;
        while length - done > remaining {
            done += remaining;
            let part = done / length;
            let cut = (x0 + part * (x1 - x0), y0 + part * (y1 - y0));
            if drawing {
                dash.push(cut);
                dashes.push(std::mem::take(&mut dash));
            } else {
                dash = vec![cut];
            }
            drawing = !drawing;
            remaining = lengths.next().unwrap_or(f64::INFINITY);
        }
        remaining -= length - done;
        if drawing {
            dash.push((x1, y1));
        }
    }
    if dash.len() > 1 {
        dashes.push(dash);
    }
    dashes
}

fn plotters_colour(colour: Rgb) -> RGBColor {
    RGBColor(colour.0, colour.1, colour.2)
}

fn unit(pixels: f64) -> i32 {
    (pixels * UNITS).round() as i32
}

fn units((x, y): Pixel) -> (i32, i32) {
    (unit(x), unit(y))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dashes_follow_the_line_around_corners() {
        let corner = [(0.0, 0.0), (5.0, 0.0), (5.0, 5.0)];
        assert_eq!(
            dashes(&corner, &[3.0, 1.0]),
            [
                vec![(0.0, 0.0), (3.0, 0.0)],
                vec![(4.0, 0.0), (5.0, 0.0), (5.0, 2.0)],
                vec![(5.0, 3.0), (5.0, 5.0)],
            ]
        );
        assert_eq!(
            dashes(&corner[..2], &[2.0, 1.0, 0.5, 1.0]),
            [
                vec![(0.0, 0.0), (2.0, 0.0)],
                vec![(3.0, 0.0), (3.5, 0.0)],
                vec![(4.5, 0.0), (5.0, 0.0)],
            ]
        );
        assert!(dashes(&[], &[3.0, 1.0]).is_empty());
    }

    #[test]
    fn points_on_a_straight_line_are_left_out() {
        let bend = [(0.0, 0.0), (1.0, 1.0), (2.0, 2.05), (3.0, 3.0), (4.0, 0.0)];
        assert_eq!(simplify(&bend), [(0.0, 0.0), (3.0, 3.0), (4.0, 0.0)]);
        assert!(simplify(&[]).is_empty());
    }

    #[test]
    fn scripts_are_set_and_names_stay_as_they_are() {
        let sub = |text: &str| format!("<tspan dy=\"22\" font-size=\"72\">{text}</tspan>");
        let back = |text: &str| format!("<tspan dy=\"-22\">{text}</tspan>");
        for (text, expected) in [
            ("gain σ_w", format!("gain σ{}", sub("w"))),
            (
                "σ_b = 0.05\n",
                format!("σ{}{}\n", sub("b"), back(" = 0.05")),
            ),
            (
                "W_ij ~ N(0, σ_w²/N)",
                format!(
                    "W{}{}",
                    sub("ij"),
                    back(&format!(" ~ N(0, σ{}{}", sub("w"), back("²/N)")))
                ),
            ),
            (
                "‖∂E/∂(W_hh, b)‖",
                format!("‖∂E/∂(W{}{}", sub("hh"), back(", b)‖")),
            ),
            (
                "0.95^k",
                "0.95<tspan dy=\"-34\" font-size=\"72\">k</tspan>".to_owned(),
            ),
        ] {
            assert_eq!(set_scripts(text, 100.0), expected);
        }
        for name in [
            "h_carried",
            "forget_bias",
            "step_100",
            "a_b_c",
            "my-x_1",
            "weight_hh",
            "_w",
            "x_",
            "2_w",
            "a ^ b",
        ] {
            assert_eq!(set_scripts(name, 100.0), name);
        }
    }

    #[test]
    fn only_texts_have_scripts() {
        let font = Font {
            size: 10.0,
            bold: false,
            colour: Rgb::INK,
        };
        let svg = draw_svg(60.0, 40.0, |canvas| {
            canvas.text((10.0, 10.0), Anchor::Start, "h_T < 1", font);
        });
        let expected =
            "\nh<tspan dy=\"22\" font-size=\"72\">T</tspan><tspan dy=\"-22\"> &lt; 1</tspan>\n";
        assert!(svg.contains(expected), "{svg}");
        assert_eq!(svg.matches("tspan").count(), 4);
    }

    #[test]
    fn drawing_is_scaled_by_the_view_box() {
        let svg = draw_svg(60.0, 40.0, |_| {});
        assert!(svg.starts_with("<svg width=\"60\" height=\"40\" viewBox=\"0 0 600 400\""));
    }
}
