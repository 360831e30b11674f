//! What every figure is made of: headings, panels with axes, lines, bands, heat maps, labels.

use super::canvas::{Anchor, Canvas, Dash, Font, Pixel, Stroke};
use super::labels;
use super::palette::{ColourMap, Rgb};
use super::placement;
use super::ticks::Tick;

/// Size of ordinary text in pixels. Figures are 640 pixels wide or so: at half the width of an A4
/// page this text is 5 points high.
pub const TEXT: f64 = 13.0;
/// Size of labels inside panels and of notes.
pub const SMALL: f64 = 11.5;
const TITLE: f64 = 15.5;
/// Distance from the edge of the figure.
pub const MARGIN: f64 = 12.0;

/// Ordinary text.
pub fn text_font(colour: Rgb) -> Font {
    Font {
        size: TEXT,
        bold: false,
        colour,
    }
}

/// Headings of panels.
pub fn bold_font(colour: Rgb) -> Font {
    Font {
        bold: true,
        ..text_font(colour)
    }
}

/// Labels inside panels and notes.
pub fn small_font(colour: Rgb) -> Font {
    Font {
        size: SMALL,
        ..text_font(colour)
    }
}

/// A solid line.
pub fn solid(colour: Rgb, width: f64) -> Stroke {
    Stroke {
        colour,
        width,
        dash: Dash::Solid,
    }
}

/// The text above and below the panels, broken into lines that fit the figure's width.
#[derive(Clone, Debug, Default)]
pub struct Caption {
    title: Vec<String>,
    subtitle: Vec<String>,
    notes: Vec<String>,
    legend: Vec<(Stroke, String)>,
    width: f64,
}

impl Caption {
    /// A caption for a figure of this width.
    pub fn new(width: f64, title: &str, subtitle: &str, notes: &[String]) -> Self {
        let available = width - 2.0 * MARGIN;
        Self {
            title: labels::wrap(title, TITLE, available),
            subtitle: labels::wrap(subtitle, SMALL + 0.5, available),
            notes: notes
                .iter()
                .flat_map(|note| labels::wrap(note, SMALL, available))
                .collect(),
            legend: Vec::new(),
            width,
        }
    }

    /// Adds samples of lines, with what they mean, below the subtitle.
    pub fn with_legend(mut self, legend: Vec<(Stroke, String)>) -> Self {
        self.legend = legend;
        self
    }

    /// Height above the panels.
    pub fn top(&self) -> f64 {
        MARGIN
            + 20.0 * self.title.len() as f64
            + 16.0 * self.subtitle.len() as f64
            + 17.0 * self.legend_rows().len() as f64
            + 4.0
    }

    /// Height below the panels.
    pub fn bottom(&self) -> f64 {
        MARGIN - 4.0 + 15.0 * self.notes.len() as f64
    }

    fn legend_rows(&self) -> Vec<Vec<(f64, &(Stroke, String))>> {
        let mut rows: Vec<Vec<(f64, &(Stroke, String))>> = Vec::new();
        let mut x = MARGIN;
        for entry in &self.legend {
            let width = 30.0 + labels::width(&entry.1, SMALL) + 16.0;
            if rows.is_empty() || x + width - 16.0 > self.width - MARGIN {
                rows.push(Vec::new());
                x = MARGIN;
            }
            if let Some(row) = rows.last_mut() {
                row.push((x, entry));
            }
            x += width;
        }
        rows
    }

    /// Draws it on a figure of the given height.
    pub fn draw(&self, canvas: &mut Canvas<'_>, height: f64) {
        let mut y = MARGIN + 6.0;
        let title = Font {
            size: TITLE,
            bold: true,
            colour: Rgb::INK,
        };
        for line in &self.title {
            canvas.text((MARGIN, y), Anchor::Start, line, title);
            y += 20.0;
        }
        y -= 1.0;
        for line in &self.subtitle {
            let font = Font {
                size: SMALL + 0.5,
                ..text_font(Rgb::GREY)
            };
            canvas.text((MARGIN, y), Anchor::Start, line, font);
            y += 16.0;
        }
        y += 1.0;
        for row in self.legend_rows() {
            for (x, (stroke, text)) in row {
                canvas.line(&[(x, y), (x + 24.0, y)], *stroke);
                canvas.text((x + 30.0, y), Anchor::Start, text, small_font(Rgb::INK));
            }
            y += 17.0;
        }
        for (index, line) in self.notes.iter().enumerate() {
            let y = height - MARGIN + 2.0 - 15.0 * (self.notes.len() - 1 - index) as f64;
            canvas.text((MARGIN, y), Anchor::Start, line, small_font(Rgb::GREY));
        }
    }
}

/// A figure that has nothing to show says so.
pub fn empty_figure(title: &str, reason: &str) -> String {
    let (width, height) = (640.0, 120.0);
    let caption = Caption::new(width, title, reason, &[]);
    super::canvas::draw_svg(width, height, |canvas| caption.draw(canvas, height))
}

/// A linear map from data to pixels.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Scale {
    /// Lower end of the data.
    pub low: f64,
    /// Upper end of the data.
    pub high: f64,
    start: f64,
    end: f64,
}

impl Scale {
    /// Maps `low` to `start` and `high` to `end`; an empty range is widened to be one.
    pub fn new(low: f64, high: f64, start: f64, end: f64) -> Self {
        let (low, high) = if high > low {
            (low, high)
        } else {
            (low - 0.5, high + 0.5)
        };
        Self {
            low,
            high,
            start,
            end,
        }
    }

    /// The pixel of a value.
    pub fn at(&self, value: f64) -> f64 {
        self.start + (value - self.low) / (self.high - self.low) * (self.end - self.start)
    }

    /// Whether the value is on the scale.
    pub fn contains(&self, value: f64) -> bool {
        (self.low..=self.high).contains(&value)
    }
}

/// The area of one plot in pixels.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Frame {
    pub left: f64,
    pub top: f64,
    pub right: f64,
    pub bottom: f64,
}

/// One plot: an area and its two scales.
#[derive(Clone, Copy, Debug)]
pub struct Panel {
    pub frame: Frame,
    pub x: Scale,
    pub y: Scale,
}

/// A label that wants to stand to the right of a panel.
#[derive(Clone, Debug)]
pub struct EndLabel {
    /// Height of what it labels, in data coordinates.
    pub at: f64,
    pub text: String,
    pub colour: Rgb,
}

impl Panel {
    /// A panel whose scales cover the given ranges.
    pub fn new(frame: Frame, x: (f64, f64), y: (f64, f64)) -> Self {
        Self {
            frame,
            x: Scale::new(x.0, x.1, frame.left, frame.right),
            y: Scale::new(y.0, y.1, frame.bottom, frame.top),
        }
    }

    /// The pixel of a point.
    pub fn at(&self, x: f64, y: f64) -> Pixel {
        (self.x.at(x), self.y.at(y))
    }

    /// Thin horizontal grid lines at the marks of the y-axis.
    pub fn grid(&self, canvas: &mut Canvas<'_>, y_ticks: &[Tick]) {
        for tick in y_ticks {
            self.rule(canvas, tick.at, solid(Rgb::GRID, 0.7));
        }
    }

    /// A horizontal line across the panel.
    pub fn rule(&self, canvas: &mut Canvas<'_>, y: f64, stroke: Stroke) {
        if self.y.contains(y) {
            let y = self.y.at(y);
            canvas.line(&[(self.frame.left, y), (self.frame.right, y)], stroke);
        }
    }

    /// The x-axis below the panel.
    pub fn x_axis(&self, canvas: &mut Canvas<'_>, ticks: &[Tick], with_labels: bool) {
        let bottom = self.frame.bottom;
        canvas.line(
            &[(self.frame.left, bottom), (self.frame.right, bottom)],
            solid(Rgb::INK, 0.9),
        );
        for tick in ticks {
            let x = self.x.at(tick.at);
            canvas.line(&[(x, bottom), (x, bottom + 4.0)], solid(Rgb::INK, 0.9));
            if with_labels {
                let font = text_font(Rgb::INK);
                canvas.text((x, bottom + 13.0), Anchor::Middle, &tick.label, font);
            }
        }
    }

    /// The y-axis left of the panel.
    pub fn y_axis(&self, canvas: &mut Canvas<'_>, ticks: &[Tick], with_labels: bool) {
        let left = self.frame.left;
        canvas.line(
            &[(left, self.frame.top), (left, self.frame.bottom)],
            solid(Rgb::INK, 0.9),
        );
        for tick in ticks {
            let y = self.y.at(tick.at);
            canvas.line(&[(left - 4.0, y), (left, y)], solid(Rgb::INK, 0.9));
            if with_labels {
                let font = text_font(Rgb::INK);
                canvas.text((left - 7.0, y), Anchor::End, &tick.label, font);
            }
        }
    }

    /// A line through the points, cut at the panel's edges and interrupted where a value is not
    /// finite (an exact zero has no logarithm). A value between two gaps is drawn as a dot.
    pub fn line(&self, canvas: &mut Canvas<'_>, points: &[(f64, f64)], stroke: Stroke) {
        for part in points.split(|(x, y)| !x.is_finite() || !y.is_finite()) {
            if let [(x, y)] = *part {
                if self.x.contains(x) && self.y.contains(y) {
                    canvas.dot(self.at(x, y), 1.2 * stroke.width, stroke.colour);
                }
                continue;
            }
            for line in self.clip(part) {
                canvas.line(&line, stroke);
            }
        }
    }

    /// A band between two heights, interrupted where either is not finite.
    pub fn band(&self, canvas: &mut Canvas<'_>, points: &[(f64, f64, f64)], colour: Rgb) {
        for part in points.split(|(_, low, high)| !low.is_finite() || !high.is_finite()) {
            if part.len() < 2 {
                continue;
            }
            let inside = |y: f64| self.y.at(y.clamp(self.y.low, self.y.high));
            let below = part.iter().map(|&(x, low, _)| (self.x.at(x), inside(low)));
            let above = part
                .iter()
                .rev()
                .map(|&(x, _, high)| (self.x.at(x), inside(high)));
            let outline: Vec<Pixel> = below.chain(above).collect();
            canvas.polygon(&outline, colour, 0.2);
        }
    }

    /// The parts of a line inside the panel, in pixels.
    fn clip(&self, points: &[(f64, f64)]) -> Vec<Vec<Pixel>> {
        let mut parts: Vec<Vec<Pixel>> = Vec::new();
        let mut end = None;
        for pair in points.windows(2) {
            let Some((from, to)) = self.clip_segment(pair[0], pair[1]) else {
                continue;
            };
            if end != Some(from) {
                parts.push(vec![self.at(from.0, from.1)]);
            }
            if let Some(part) = parts.last_mut() {
                part.push(self.at(to.0, to.1));
            }
            end = Some(to);
        }
        parts
    }

    /// The part of a segment inside the panel, in data coordinates (Liang and Barsky, 1984).
    fn clip_segment(&self, from: Pixel, to: Pixel) -> Option<(Pixel, Pixel)> {
        let (dx, dy) = (to.0 - from.0, to.1 - from.1);
        let (mut enter, mut leave) = (0.0_f64, 1.0_f64);
        for (delta, room) in [
            (-dx, from.0 - self.x.low),
            (dx, self.x.high - from.0),
            (-dy, from.1 - self.y.low),
            (dy, self.y.high - from.1),
        ] {
            if delta == 0.0 {
                if room < 0.0 {
                    return None;
                }
            } else if delta < 0.0 {
                enter = enter.max(room / delta);
            } else {
                leave = leave.min(room / delta);
            }
        }
        if enter > leave {
            return None;
        }
        let at = |part: f64| (from.0 + part * dx, from.1 + part * dy);
        Some((
            if enter == 0.0 { from } else { at(enter) },
            if leave == 1.0 { to } else { at(leave) },
        ))
    }

    /// Labels right of the panel, moved apart, with a thin line to what they label. Where not all
    /// fit, they are thinned evenly.
    pub fn end_labels(&self, canvas: &mut Canvas<'_>, labels: &[EndLabel]) {
        // At least; where there is room, labels of lines that end together stand as apart as lines of a text.
        const GAP: f64 = 13.0;
        const WIDE_GAP: f64 = 17.0;
        let frame = &self.frame;
        let mut sorted: Vec<&EndLabel> = labels
            .iter()
            .filter(|label| label.at.is_finite() && !label.text.is_empty())
            .collect();
        sorted.sort_by(|a, b| b.at.total_cmp(&a.at));
        let room = ((frame.bottom - frame.top) / GAP) as usize + 1;
        let kept: Vec<&EndLabel> = placement::choose(sorted.len(), room)
            .into_iter()
            .map(|index| sorted[index])
            .collect();
        let wanted: Vec<f64> = kept
            .iter()
            .map(|label| self.y.at(label.at.clamp(self.y.low, self.y.high)))
            .collect();
        let gaps = kept.len().saturating_sub(1).max(1) as f64;
        let gap = ((frame.bottom - frame.top) / gaps).clamp(GAP, WIDE_GAP);
        let placed = placement::spread(&wanted, gap, frame.top, frame.bottom);
        for ((label, from), to) in kept.into_iter().zip(wanted).zip(placed) {
            let leader = [
                (frame.right + 2.0, from),
                (frame.right + 5.0, from),
                (frame.right + 11.0, to),
                (frame.right + 13.0, to),
            ];
            canvas.line(&leader, solid(label.colour.mix(Rgb::WHITE, 0.4), 0.7));
            let font = small_font(super::palette::readable(label.colour));
            canvas.text((frame.right + 16.0, to), Anchor::Start, &label.text, font);
        }
    }

    /// A heat map of cells, each a rectangle in data coordinates and its colour. Cells of one
    /// colour are one element of the file; each reaches a little under its right and lower
    /// neighbours, so that no seam shows when the drawing is scaled.
    pub fn heat_map(&self, canvas: &mut Canvas<'_>, cells: &[HeatCell]) {
        const OVERLAP: f64 = 0.3;
        let mut by_colour: Vec<(Rgb, Vec<(Pixel, Pixel)>)> = Vec::new();
        for cell in cells {
            let (x0, y0) = self.at(cell.x.0, cell.y.1);
            let (x1, y1) = self.at(cell.x.1, cell.y.0);
            let corner = (
                (x1 + OVERLAP).min(self.frame.right),
                (y1 + OVERLAP).min(self.frame.bottom),
            );
            let rect = ((x0, y0), corner);
            match by_colour
                .iter_mut()
                .find(|(colour, _)| *colour == cell.colour)
            {
                Some((_, rects)) => rects.push(rect),
                None => by_colour.push((cell.colour, vec![rect])),
            }
        }
        for (colour, rects) in by_colour {
            canvas.rects(&rects, colour);
        }
    }
}

/// A rectangle of a heat map in data coordinates: (low, high) on both axes.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct HeatCell {
    pub x: (f64, f64),
    pub y: (f64, f64),
    pub colour: Rgb,
}

/// Values to the colours of a heat map, in few enough steps that equal neighbours can be joined.
#[derive(Clone, Copy, Debug)]
pub struct ColourScale {
    pub map: ColourMap,
    pub low: f64,
    pub high: f64,
    /// The value that has the map's middle colour; the halves on both sides are scaled each by its
    /// own length.
    pub middle: f64,
}

impl ColourScale {
    const STEPS: f64 = 28.0;

    /// The colour of a value; grey where there is none.
    pub fn colour(&self, value: f64) -> Rgb {
        if !value.is_finite() {
            return Rgb::NO_VALUE;
        }
        let place = if value < self.middle {
            0.5 - 0.5 * (self.middle - value) / (self.middle - self.low).max(1e-300)
        } else {
            0.5 + 0.5 * (value - self.middle) / (self.high - self.middle).max(1e-300)
        };
        self.map
            .at((place.clamp(0.0, 1.0) * Self::STEPS).round() / Self::STEPS)
    }

    /// A vertical colour bar in `frame` for the values from `low` to `high`, its marks on the right.
    pub fn bar(
        &self,
        canvas: &mut Canvas<'_>,
        frame: Frame,
        (low, high): (f64, f64),
        ticks: &[Tick],
    ) {
        let panel = Panel::new(frame, (0.0, 1.0), (low, high));
        let steps = 80;
        let at = |index: usize| low + (high - low) * index as f64 / f64::from(steps);
        let cells: Vec<HeatCell> = (0..steps as usize)
            .map(|index| HeatCell {
                x: (0.0, 1.0),
                y: (at(index), at(index + 1)),
                colour: self.colour(0.5 * (at(index) + at(index + 1))),
            })
            .collect();
        panel.heat_map(canvas, &cells);
        for tick in ticks {
            let y = panel.y.at(tick.at);
            canvas.line(
                &[(frame.right, y), (frame.right + 3.0, y)],
                solid(Rgb::INK, 0.8),
            );
            let y = y.clamp(frame.top + BAR_INSET, frame.bottom - BAR_INSET);
            let font = small_font(Rgb::INK);
            canvas.text((frame.right + 6.0, y), Anchor::Start, &tick.label, font);
        }
    }
}

/// Marks for a colour bar of this height: round powers of ten, and both ends where there is room.
pub fn bar_ticks(range: (f64, f64), height: f64) -> Vec<Tick> {
    let marks = super::ticks::powers(range.0, range.1, 7);
    with_ends(marks, range, height, labels::approximate_power)
}

/// The marks of a colour bar of this height, and both ends of its range where their labels have room beside
/// those of the marks.
pub fn with_ends(
    mut marks: Vec<Tick>,
    (low, high): (f64, f64),
    height: f64,
    label: impl Fn(f64) -> String,
) -> Vec<Tick> {
    // The label of an end is moved towards the others; below the height of a text apart they overprint.
    let room = (BAR_INSET + SMALL) * (high - low) / height;
    for end in [low, high] {
        if marks.iter().all(|mark| (mark.at - end).abs() >= room) {
            marks.push(Tick {
                at: end,
                label: label(end),
            });
        }
    }
    marks
}

/// Labels of a colour bar stay this far within its ends: another bar may follow closely.
pub const BAR_INSET: f64 = 5.0;

/// The width of the widest of some labels.
pub fn widest(ticks: &[Tick], size: f64) -> f64 {
    let widths = ticks.iter().map(|tick| labels::width(&tick.label, size));
    widths.fold(0.0, f64::max)
}

/// Joins equal neighbours: (first index, index after the last, value).
pub fn runs<T: PartialEq + Copy>(values: &[T]) -> Vec<(usize, usize, T)> {
    let mut runs: Vec<(usize, usize, T)> = Vec::new();
    for (index, &value) in values.iter().enumerate() {
        match runs.last_mut() {
            Some(run) if run.2 == value => run.1 = index + 1,
            _ => runs.push((index, index + 1, value)),
        }
    }
    runs
}

/// The range of finite values with a margin of `part` of its length (of one half around a single
/// value, or around values that nothing but rounding tells apart); (0, 1) if there are none.
pub fn padded_range(values: impl IntoIterator<Item = f64>, part: f64) -> (f64, f64) {
    let (low, high) = values
        .into_iter()
        .filter(|value| value.is_finite())
        .fold((f64::INFINITY, f64::NEG_INFINITY), |(low, high), value| {
            (low.min(value), high.max(value))
        });
    if low > high {
        return (0.0, 1.0);
    }
    let is_single = high - low <= 1e-9 * low.abs().max(high.abs());
    let margin = if is_single { 0.5 } else { part * (high - low) };
    (low - margin, high + margin)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn panel() -> Panel {
        let frame = Frame {
            left: 0.0,
            top: 0.0,
            right: 100.0,
            bottom: 100.0,
        };
        Panel::new(frame, (0.0, 10.0), (-10.0, 0.0))
    }

    #[test]
    fn scale_maps_ends_to_ends_and_survives_an_empty_range() {
        let panel = panel();
        assert_eq!(panel.at(0.0, -10.0), (0.0, 100.0));
        assert_eq!(panel.at(10.0, 0.0), (100.0, 0.0));
        assert_eq!(Scale::new(3.0, 3.0, 0.0, 10.0).at(3.0), 5.0);
    }

    #[test]
    fn lines_are_cut_at_the_panel_and_resume_inside() {
        let parts = panel().clip(&[(0.0, 0.0), (5.0, -20.0), (10.0, 0.0)]);
        assert_eq!(
            parts,
            [
                vec![(0.0, 0.0), (25.0, 100.0)],
                vec![(75.0, 100.0), (100.0, 0.0)],
            ]
        );
        assert!(panel().clip(&[(0.0, 5.0), (10.0, 5.0)]).is_empty());
    }

    #[test]
    fn equal_neighbours_are_joined() {
        assert_eq!(runs(&[1, 1, 2, 1]), [(0, 2, 1), (2, 3, 2), (3, 4, 1)]);
    }

    #[test]
    fn ranges_ignore_what_is_not_finite() {
        assert_eq!(
            padded_range([f64::NEG_INFINITY, -2.0, 0.0], 0.5),
            (-3.0, 1.0)
        );
        assert_eq!(padded_range([f64::NEG_INFINITY], 0.5), (0.0, 1.0));
        assert_eq!(padded_range([3.0, 3.0], 0.1), (2.5, 3.5));
        let (low, high) = padded_range([3.0, 3.0 + 1e-12], 0.1);
        assert!(low == 2.5 && (3.5..3.6).contains(&high));
        assert_eq!(padded_range([0.0, 1e-12], 0.0), (0.0, 1e-12));
    }

    #[test]
    fn middle_of_a_colour_scale_is_kept_when_the_halves_differ() {
        let scale = ColourScale {
            map: ColourMap::DIVERGING,
            low: -90.0,
            high: 5.0,
            middle: 0.0,
        };
        assert_eq!(scale.colour(0.0), ColourMap::DIVERGING.at(0.5));
        assert_eq!(scale.colour(5.0), ColourMap::DIVERGING.at(1.0));
        assert_eq!(scale.colour(f64::NEG_INFINITY), Rgb::NO_VALUE);
    }
}
