//! What `rate` and `half-life` share: fits against a factor, one panel per cell that has it, one
//! line per combination of the remaining factors.

use super::FigureError;
use super::canvas::{Anchor, Canvas, Dash, Stroke, draw_svg};
use super::chart::{
    self, Caption, EndLabel, Frame, MARGIN, Panel, Scale, bold_font, padded_range, small_font,
    solid, text_font,
};
use super::data::{self, CellStyle, Group, LawKind, Request};
use super::factor_axis::FactorAxis;
use super::labels;
use super::palette::{Rgb, shades};
use super::ticks::Tick;
use crate::tables::{FitRow, Key, LawRow};

/// A fit in the vertical axis's unit.
#[derive(Clone, Copy)]
pub struct Measured {
    /// Its height; infinite is drawn as an arrow at the top.
    pub at: f64,
    /// Lower and upper end of its interval.
    pub interval: Option<(f64, f64)>,
}

impl Measured {
    /// The ends of its interval, the upper one maybe infinite; `None` where there is no interval, or
    /// nothing of it but infinity.
    fn whisker(&self) -> Option<(f64, f64)> {
        self.interval.filter(|(low, _)| low.is_finite())
    }
}

/// What a figure shows of the fits.
pub struct Shown {
    /// Name of the vertical axis.
    pub y_label: &'static str,
    /// A fit's height and interval; `None` if it has none.
    pub measured: fn(&FitRow) -> Option<Measured>,
    /// Height of a rate given by theory; `None` where it has none.
    pub of_rate: fn(f64) -> Option<f64>,
    /// Whether early and late slopes are shown beside the one line.
    pub with_early_and_late: bool,
    /// A height that separates two regimes.
    pub border: Option<f64>,
    /// Marks of the vertical axis.
    pub ticks: fn(f64, f64) -> Vec<Tick>,
    /// The title, from what is seen in each panel.
    pub title: fn(&[Seen<'_>]) -> String,
}

/// One panel, for titles.
pub struct Seen<'a> {
    pub cell: &'a str,
    pub factor: String,
    /// Whether the factor is a number, so that neighbours have something in between.
    pub is_numeric: bool,
    pub lines: Vec<SeenLine<'a>>,
}

/// One line of a panel.
pub struct SeenLine<'a> {
    /// What tells it apart from the panel's other lines; empty if it is the only one.
    pub label: &'a str,
    /// Factor value and fit, in axis order.
    pub points: Vec<(String, Measured)>,
}

impl Seen<'_> {
    /// The lowest and the highest point of all lines, the first of equals, each with its place
    /// (`0.5, H = 64`); `None` without points.
    pub fn extremes(&self) -> Option<[(String, f64); 2]> {
        let points = || {
            self.lines.iter().flat_map(|line| {
                let points = line.points.iter();
                points.map(|(value, measured)| (line.label, value, measured.at))
            })
        };
        let lowest = points().min_by(|a, b| a.2.total_cmp(&b.2))?;
        let highest =
            points().reduce(|highest, point| if point.2 > highest.2 { point } else { highest })?;
        Some([lowest, highest].map(|(label, value, height)| {
            let separator = if label.is_empty() { "" } else { ", " };
            (format!("{value}{separator}{label}"), height)
        }))
    }
}

struct CellPanel<'a> {
    style: &'a CellStyle,
    axis: FactorAxis,
    lines: Vec<Line<'a>>,
}

struct Line<'a> {
    label: String,
    colour: Rgb,
    /// In axis order.
    fits: Vec<(f64, &'a FitRow)>,
}

/// Draws the figure.
pub fn draw(request: &Request<'_>, shown: &Shown) -> Result<String, FigureError> {
    let mut table = request.table(|row: &FitRow| &row.key)?;
    for fit in &mut table.rows {
        *fit = fit.shown();
    }
    request.keep_quantity(&mut table, |row| (&mut row.key, &mut row.quantity));
    let mut laws = request.table_if_stored(|row: &LawRow| &row.key)?;
    if let Some(laws) = &mut laws {
        request.keep_quantity(laws, |row| (&mut row.key, &mut row.quantity));
    }
    let quantity = request.quantity();
    let (x, x_key) = request.x(&table)?;
    let groups = data::by_point(&table.rows, |row: &FitRow| &row.key);
    let panels: Vec<CellPanel<'_>> = request
        .cells
        .iter()
        .filter_map(|style| CellPanel::new(style, x, &table.factors, &groups))
        .collect();
    if panels.is_empty() {
        let title = request.title(|| "Nothing to draw".into());
        let reason = format!("fits.csv has no rows of {quantity} for different values of {x_key}.");
        return Ok(chart::empty_figure(&title, &reason));
    }
    let is_shown = |law: &&LawRow| {
        let mut lines = panels.iter().flat_map(|panel| &panel.lines);
        lines.any(|line| line.fits.iter().any(|(_, fit)| fit.key == law.key))
    };
    let laws: Vec<&LawRow> = laws
        .iter()
        .flat_map(|laws| &laws.rows)
        .filter(is_shown)
        .collect();
    let fits = panels.iter().flat_map(|panel| &panel.lines);
    let fits = fits.flat_map(|line| line.fits.iter().map(|(_, fit)| &fit.key));
    let keys: Vec<&Key> = fits.collect();
    let figure = AgainstFactor {
        only: request.only(&table.factors, &keys, &[]),
        shown,
        x,
        name: labels::factor_name(x_key),
        panels,
        laws,
    };
    Ok(figure.draw(request))
}

impl<'a> CellPanel<'a> {
    fn new(
        style: &'a CellStyle,
        x: usize,
        names: &[String],
        groups: &[Group<'a, FitRow>],
    ) -> Option<Self> {
        let points: Vec<&Group<'a, FitRow>> = groups
            .iter()
            .filter(|(key, _)| key.cell == style.label && !key.factors[x].is_empty())
            .collect();
        let keys: Vec<&Key> = points.iter().map(|(key, _)| *key).collect();
        if keys.is_empty() {
            return None;
        }
        let axis = FactorAxis::new(data::values(&keys, x));
        let other_factors: Vec<usize> = data::varying(&keys)
            .into_iter()
            .filter(|&factor| factor != x)
            .collect();
        let combinations = data::combinations(&keys, &other_factors);
        let colours = shades(style.colour, combinations.len());
        let lines = combinations
            .iter()
            .zip(colours)
            .map(|(combination, colour)| {
                let mut fits: Vec<(f64, &FitRow)> = points
                    .iter()
                    .filter(|(key, _)| data::combination(key, &other_factors) == *combination)
                    .filter_map(|(key, rows)| {
                        Some((axis.position(&key.factors[x])?, *rows.first()?))
                    })
                    .collect();
                fits.sort_by(|a, b| a.0.total_cmp(&b.0));
                Line {
                    label: data::describe(names, &other_factors, combination),
                    colour,
                    fits,
                }
            })
            .collect();
        Some(Self { style, axis, lines })
    }
}

/// A drawn line without markers: theory, or early and late slopes.
struct Guide {
    label: Option<String>,
    stroke: Stroke,
    points: Vec<(f64, f64)>,
}

impl Guide {
    /// Draws it and names it, if it has a name: beside the panel, or where it leaves the panel.
    fn draw(
        &self,
        canvas: &mut Canvas<'_>,
        panel: &Panel,
        axis: &FactorAxis,
        end_labels: &mut Vec<EndLabel>,
    ) {
        // Numbers stand before words.
        let is_number = |(x, _): &(f64, f64)| axis.numbers_end().is_some_and(|end| *x <= end);
        let (numbers, words) = self.points.split_at(self.points.partition_point(is_number));
        panel.line(canvas, numbers, self.stroke);
        // Words have no in-between: a short line at each.
        let half = 0.03 * (panel.x.high - panel.x.low);
        for &(x, y) in words {
            panel.line(canvas, &[(x - half, y), (x + half, y)], self.stroke);
        }
        let Some(text) = &self.label else { return };
        let seen = self.points.iter().rposition(|(_, y)| panel.y.contains(*y));
        match seen.map(|index| &self.points[index..]) {
            Some([from, to, ..]) if is_number(to) => {
                let edge = if to.1 > from.1 {
                    panel.y.high
                } else {
                    panel.y.low
                };
                let part = (edge - from.1) / (to.1 - from.1);
                let (x, y) = panel.at(from.0 + part * (to.0 - from.0), edge);
                let y = y.clamp(panel.frame.top + 7.0, panel.frame.bottom - 7.0);
                let room = x - panel.frame.left;
                let (x, anchor) = if labels::width(text, chart::SMALL) + 8.0 < room {
                    (x - 8.0, Anchor::End)
                } else {
                    (x + 8.0, Anchor::Start)
                };
                canvas.text((x, y), anchor, text, small_font(self.stroke.colour));
            }
            Some([from, ..]) => end_labels.push(EndLabel {
                at: from.1,
                text: text.clone(),
                colour: self.stroke.colour,
            }),
            _ => {}
        }
    }
}

struct AgainstFactor<'a> {
    /// What [`Request::only`] says.
    only: String,
    shown: &'a Shown,
    x: usize,
    name: String,
    panels: Vec<CellPanel<'a>>,
    laws: Vec<&'a LawRow>,
}

impl AgainstFactor<'_> {
    fn draw(&self, request: &Request<'_>) -> String {
        let width = match self.panels.len() {
            1 => 560.0,
            2 => 700.0,
            count => 60.0 + 320.0 * count as f64,
        };
        let guides: Vec<Vec<Guide>> = self.panels.iter().map(|panel| self.guides(panel)).collect();
        let y_range = self.y_range(&guides);
        let y_ticks = (self.shown.ticks)(y_range.0, y_range.1);
        let tick_width = y_ticks
            .iter()
            .map(|tick| labels::width(&tick.label, chart::TEXT))
            .fold(0.0, f64::max);
        let caption = self.caption(request, width);
        let left = MARGIN + 20.0 + tick_width + 7.0;
        let label_widths: Vec<f64> = self
            .panels
            .iter()
            .zip(&guides)
            .map(|(panel, guides)| {
                let lines = panel.lines.iter().map(|line| line.label.as_str());
                let theory = guides.iter().filter_map(|guide| guide.label.as_deref());
                lines
                    .chain(theory)
                    .map(|text| labels::width(text, chart::SMALL))
                    .fold(0.0, f64::max)
                    + 20.0
            })
            .collect();
        let count = self.panels.len() as f64;
        let plots = width - MARGIN - left - label_widths.iter().sum::<f64>() - 16.0 * (count - 1.0);
        let plot_width = (plots / count).max(80.0);
        let top = caption.top() + 24.0;
        let bottom = top + 280.0;
        let below = self
            .panels
            .iter()
            .map(|panel| {
                let (low, high) = panel.axis.range(0.06);
                panel.axis.height(&Scale::new(low, high, 0.0, plot_width))
            })
            .fold(0.0, f64::max);
        let height = bottom + below + caption.bottom();
        draw_svg(width, height, |canvas| {
            caption.draw(canvas, height);
            let mut x = left;
            for (index, cell) in self.panels.iter().enumerate() {
                let frame = Frame {
                    left: x,
                    right: x + plot_width,
                    top,
                    bottom,
                };
                let panel = Panel::new(frame, cell.axis.range(0.06), y_range);
                panel.grid(canvas, &y_ticks);
                if let Some(border) = self.shown.border {
                    panel.rule(canvas, border, solid(Rgb::INK, 0.7));
                }
                self.panel(canvas, &panel, cell, &guides[index]);
                panel.y_axis(canvas, &y_ticks, index == 0);
                cell.axis.draw(canvas, &panel, &self.name);
                let font = bold_font(cell.style.colour.mix(Rgb::BLACK, 0.1));
                canvas.text((x, top - 12.0), Anchor::Start, &cell.style.label, font);
                x += plot_width + label_widths[index] + 16.0;
            }
            let middle = 0.5 * (top + bottom);
            let font = text_font(Rgb::INK);
            canvas.text_upwards((MARGIN + 5.0, middle), self.shown.y_label, font);
        })
    }

    fn panel(
        &self,
        canvas: &mut Canvas<'_>,
        panel: &Panel,
        cell: &CellPanel<'_>,
        guides: &[Guide],
    ) {
        let mut end_labels: Vec<EndLabel> = Vec::new();
        // Slopes below what is measured, theory over it, so that it is seen where they agree.
        let is_slope = |guide: &&Guide| guide.stroke.dash == Dash::Solid;
        for guide in guides.iter().filter(is_slope) {
            guide.draw(canvas, panel, &cell.axis, &mut end_labels);
        }
        for line in &cell.lines {
            self.line(canvas, panel, cell, line, &mut end_labels);
        }
        for guide in guides.iter().filter(|guide| !is_slope(guide)) {
            guide.draw(canvas, panel, &cell.axis, &mut end_labels);
        }
        panel.end_labels(canvas, &end_labels);
    }

    fn line(
        &self,
        canvas: &mut Canvas<'_>,
        panel: &Panel,
        cell: &CellPanel<'_>,
        line: &Line<'_>,
        end_labels: &mut Vec<EndLabel>,
    ) {
        let points: Vec<(f64, f64, &FitRow)> = line
            .fits
            .iter()
            .filter_map(|&(x, fit)| Some((x, (self.shown.measured)(fit)?.at, fit)))
            .collect();
        let joined: Vec<(f64, f64)> = points
            .iter()
            .filter(|(_, _, fit)| cell.axis.is_number(&fit.key.factors[self.x]))
            .map(|&(x, y, _)| (x, y))
            .collect();
        if joined.len() > 1 {
            panel.line(canvas, &joined, solid(line.colour, 1.6));
        }
        for &(x, y, fit) in &points {
            let whisker = (self.shown.measured)(fit).and_then(|fit| fit.whisker());
            if let Some((low, high)) = whisker {
                let ends = [(x, low), (x, high.min(panel.y.high))];
                panel.line(canvas, &ends, solid(line.colour, 1.2));
                if high == f64::INFINITY {
                    tip(canvas, panel, x, line.colour);
                }
            }
            if y == f64::INFINITY {
                arrow(canvas, panel, x, line.colour);
            } else {
                canvas.dot(panel.at(x, y), 3.0, line.colour);
            }
        }
        let last = points.iter().rev().find(|(_, y, _)| y.is_finite());
        if let (Some(&(_, y, _)), false) = (last, line.label.is_empty()) {
            end_labels.push(EndLabel {
                at: y,
                text: line.label.clone(),
                colour: line.colour,
            });
        }
    }

    /// Theory for each line, named once; early and late slopes of each line that bends.
    fn guides(&self, cell: &CellPanel<'_>) -> Vec<Guide> {
        let mut guides: Vec<Guide> = Vec::new();
        let laws = self.laws.iter().copied();
        let laws: Vec<&LawRow> = laws
            .filter(|law| law.key.cell == cell.style.label)
            .collect();
        for theory in data::theories(&laws) {
            let remark = match theory.kind {
                LawKind::Theory => "",
                LawKind::UpperBound => " (bound)",
                LawKind::Measured => ", measured",
            };
            let mut label = Some(format!("{}{remark}", theory.label));
            // The last line that has the theory names it.
            for line in cell.lines.iter().rev() {
                let points: Vec<(f64, f64)> = line
                    .fits
                    .iter()
                    .filter_map(|(x, fit)| {
                        let mut laws = laws.iter();
                        let law = laws.find(|law| law.key == fit.key && theory.has(law))?;
                        Some((*x, (self.shown.of_rate)(law.rate)?))
                    })
                    .collect();
                if points.is_empty() {
                    continue;
                }
                guides.push(Guide {
                    label: label.take(),
                    stroke: Stroke {
                        colour: Rgb::INK.mix(line.colour, 0.35),
                        width: 1.2,
                        dash: theory.kind.dash(),
                    },
                    points,
                });
            }
        }
        for line in cell.lines.iter().filter(|line| self.bends(line)) {
            let slope = |paleness: f64, slope: fn(&FitRow) -> Option<f64>| Guide {
                label: None,
                stroke: solid(line.colour.mix(Rgb::WHITE, paleness), 1.0),
                points: line
                    .fits
                    .iter()
                    .filter_map(|(x, fit)| Some((*x, slope(fit)?)))
                    .collect(),
            };
            guides.push(slope(0.55, |fit| fit.early_rate));
            guides.push(slope(0.1, |fit| fit.late_rate));
        }
        guides
    }

    /// Whether a line's early and late slopes are drawn.
    fn bends(&self, line: &Line<'_>) -> bool {
        self.shown.with_early_and_late && line.fits.iter().any(|(_, fit)| bends(fit))
    }

    fn y_range(&self, guides: &[Vec<Guide>]) -> (f64, f64) {
        let fits = self.fits().flat_map(|fit| {
            let measured = (self.shown.measured)(fit);
            let ends = measured.as_ref().and_then(|measured| measured.interval);
            let at = measured.map_or(f64::NAN, |measured| measured.at);
            let (low, high) = ends.unwrap_or((at, at));
            [at, low, high]
        });
        let measured = padded_range(fits.chain(self.shown.border), 0.0);
        let theory = guides
            .iter()
            .flatten()
            .flat_map(|guide| guide.points.iter().map(|&(_, y)| y));
        let whole = padded_range(theory.chain([measured.0, measured.1]), 0.0);
        // What is measured keeps half of the panel, however far off theory is.
        let span = (measured.1 - measured.0).max(0.1);
        let is_seen_whole = whole.1 - whole.0 <= 2.0 * span;
        let reach = if is_seen_whole { span } else { 0.5 * span };
        let low = whole.0.max(measured.0 - reach);
        let high = whole.1.min(measured.1 + reach);
        let (low, high) = padded_range([low, high], 0.06);
        // Arrows stand above all that is finite, or they would hide intervals that begin there.
        let is_infinite = |measured: Measured| measured.at == f64::INFINITY;
        let mut measured = self.fits().filter_map(self.shown.measured);
        let above = if measured.any(is_infinite) {
            ARROW
        } else {
            0.0
        };
        (low, high + above * (high - low))
    }

    fn fits(&self) -> impl Iterator<Item = &FitRow> {
        let lines = self.panels.iter().flat_map(|panel| &panel.lines);
        lines.flat_map(|line| line.fits.iter().map(|&(_, fit)| fit))
    }

    fn caption(&self, request: &Request<'_>, width: f64) -> Caption {
        let title = request.title(|| {
            let seen: Vec<Seen<'_>> = self.panels.iter().map(|panel| self.seen(panel)).collect();
            (self.shown.title)(&seen)
        });
        let counts = || self.fits().map(|fit| fit.n);
        let mean = match data::median_or_value(counts()) {
            "value" => "",
            _ => "mean over ",
        };
        let n = data::replicates(counts());
        let has_interval = |fit: &FitRow| {
            (self.shown.measured)(fit).is_some_and(|measured| measured.interval.is_some())
        };
        let interval = match self.fits().any(has_interval) {
            true => ", with Student’s 95 % interval",
            false => "",
        };
        let meanings = [
            (LawKind::Theory, " Dashed: theory."),
            (LawKind::UpperBound, " Dotted: upper bound."),
            (
                LawKind::Measured,
                " Dash-dotted: λ₁, measured in the same runs.",
            ),
        ];
        let is_drawn = |kind: LawKind| self.laws.iter().any(|law| LawKind::of(law) == kind);
        let strokes: String = meanings
            .into_iter()
            .filter(|(kind, _)| is_drawn(*kind))
            .map(|(_, meaning)| meaning)
            .collect();
        let mut lines = self.panels.iter().flat_map(|panel| &panel.lines);
        let thin = if lines.any(|line| self.bends(line)) {
            " Thin: slope over the lags up to 10 (pale) and over the last half."
        } else {
            ""
        };
        let subtitle = format!(
            "Gradient of {}: {mean}{n}{interval}.{strokes}{thin}{}",
            request.quantity(),
            self.only
        );
        let mut notes = Vec::new();
        let missing = self
            .fits()
            .filter(|fit| (self.shown.measured)(fit).is_none())
            .count();
        if missing > 0 {
            notes.push(format!(
                "{} without a rate (too few lags that are not exactly zero).",
                labels::count(missing, "grid point")
            ));
        }
        if self.fits().any(|fit| {
            (self.shown.measured)(fit).is_some_and(|measured| measured.at == f64::INFINITY)
        }) {
            notes.push("Arrows: infinite, the gradient does not vanish.".into());
        }
        let is_open = |fit: &FitRow| {
            let whisker = (self.shown.measured)(fit).and_then(|fit| fit.whisker());
            whisker.is_some_and(|(_, high)| high == f64::INFINITY)
        };
        if self.fits().any(is_open) {
            notes.push("Intervals with a tip at the top reach to infinity.".into());
        }
        Caption::new(width, &title, &subtitle, &notes)
    }

    fn seen<'b>(&self, panel: &'b CellPanel<'_>) -> Seen<'b> {
        Seen {
            cell: &panel.style.label,
            factor: self.name.clone(),
            is_numeric: panel.axis.is_numeric(),
            lines: panel
                .lines
                .iter()
                .map(|line| SeenLine {
                    label: &line.label,
                    points: line
                        .fits
                        .iter()
                        .filter_map(|(_, fit)| {
                            let value = labels::factor_value(&fit.key.factors[self.x]);
                            Some((value, (self.shown.measured)(fit)?))
                        })
                        .collect(),
                })
                .collect(),
        }
    }
}

/// Whether early and late slopes differ enough to be told apart in a figure.
fn bends(fit: &FitRow) -> bool {
    match (fit.rate, fit.early_rate, fit.late_rate) {
        (Some(rate), Some(early), Some(late)) => (early - late).abs() > 0.05 * rate.abs() + 1e-3,
        _ => false,
    }
}

/// Height of an arrow as a part of a panel's.
const ARROW: f64 = 0.1;

/// The tip of an interval that goes on above the panel.
fn tip(canvas: &mut Canvas<'_>, panel: &Panel, x: f64, colour: Rgb) {
    let (x, top) = (panel.x.at(x), panel.frame.top);
    canvas.polygon(
        &[(x, top), (x - 2.5, top + 5.0), (x + 2.5, top + 5.0)],
        colour,
        1.0,
    );
}

/// An arrow at the top of the panel: a value beyond every scale.
fn arrow(canvas: &mut Canvas<'_>, panel: &Panel, x: f64, colour: Rgb) {
    let (x, top) = (panel.x.at(x), panel.frame.top);
    canvas.line(&[(x, top + 16.0), (x, top + 5.0)], solid(colour, 1.6));
    let head = [(x, top), (x - 4.0, top + 7.0), (x + 4.0, top + 7.0)];
    canvas.polygon(&head, colour, 1.0);
    canvas.text(
        (x + 6.0, top + 5.0),
        Anchor::Start,
        "∞",
        small_font(Rgb::INK),
    );
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_interval_is_drawn_as_far_as_it_is_finite() {
        let infinity = f64::INFINITY;
        let whisker = |at, interval| Measured { at, interval }.whisker();
        for at in [1.5, infinity] {
            assert_eq!(whisker(at, Some((1.0, infinity))), Some((1.0, infinity)));
        }
        assert_eq!(whisker(1.5, Some((1.0, 2.0))), Some((1.0, 2.0)));
        assert_eq!(whisker(infinity, Some((infinity, infinity))), None);
        assert_eq!(whisker(1.5, None), None);
    }
}
