//! `gates`: a walk through one cell in the order of its equations (what is erased, what is written,
//! the cell state, what leaves), over time for one sequence, and the gradient on the same time axis.

use std::collections::HashSet;

use super::FigureError;
use super::canvas::{Anchor, Canvas, Stroke, draw_svg};
use super::chart::{
    self, Caption, ColourScale, Frame, HeatCell, MARGIN, Panel, padded_range, runs, small_font,
    solid, text_font,
};
use super::data::{self, Group, Request};
use super::palette::{ColourMap, Rgb};
use super::{labels, placement, ticks};
use crate::network::split_layer;
use crate::tables::{CurveRow, Key, SeriesRow, Table};

/// Rows of a heat map; more units than these are thinned evenly.
const MAX_UNITS: usize = 32;

/// How the values of a series are coloured.
#[derive(Clone, Copy, PartialEq)]
enum Values {
    /// A gate, 0…1.
    Fraction,
    /// −1…1.
    Unit,
    /// Symmetric about 0, as far as the values go.
    Symmetric,
}

/// The series in the order in which the cell computes them.
const SERIES: [(&str, &str, &str, Values); 6] = [
    ("f", "forget gate f", "1 keeps, 0 erases", Values::Fraction),
    (
        "i",
        "input gate i",
        "1 writes, 0 does not",
        Values::Fraction,
    ),
    ("g", "candidate g", "what is written", Values::Unit),
    ("c", "cell state c", "f × old c + i × g", Values::Symmetric),
    (
        "o",
        "output gate o",
        "1 lets out, 0 holds",
        Values::Fraction,
    ),
    ("h", "hidden state h", "o × tanh c", Values::Unit),
];

/// The gradients in the order in which they are drawn: quantity, label.
const GRADIENTS: [(&str, &str); 4] = [
    ("h", "h"),
    ("c_gated", "c, through gates"),
    ("c_direct", "c, direct path"),
    ("c", "c, total"),
];

pub fn draw(request: &Request<'_>) -> Result<String, FigureError> {
    let mut series = request.table(|row: &SeriesRow| &row.key)?;
    let mut curves = request.table(|row: &CurveRow| &row.key)?;
    let number_of_points = data::by_point(&series.rows, |row: &SeriesRow| &row.key).len();
    by_layer(request, &mut series, &mut curves);
    let points = data::by_point(&series.rows, |row: &SeriesRow| &row.key);
    // The walk is one through a cell with gates, if there is such a cell.
    let has_gates = |(_, rows): &&Group<'_, SeriesRow>| rows.iter().any(|row| row.series == "f");
    let Some((point, rows)) = points.iter().find(has_gates).or(points.first()) else {
        let title = request.title(|| "Nothing to draw".into());
        return Ok(chart::empty_figure(
            &title,
            "series.csv has no rows for this figure.",
        ));
    };
    let curves: Vec<&CurveRow> = curves
        .rows
        .iter()
        .filter(|row| row.key == **point)
        .collect();
    let last_step = rows.iter().map(|row| row.t).max().unwrap_or(1).max(1);
    let walk = Walk {
        point,
        rows,
        curves,
        last_step,
        colour: request
            .cells
            .iter()
            .find(|style| style.label == point.cell)
            .map_or(Rgb::INK, |style| style.colour),
    };
    let factors: Vec<usize> = (0..series.factors.len())
        .filter(|&factor| !point.factors[factor].is_empty())
        .collect();
    let described = data::describe(
        &series.factors,
        &factors,
        &data::combination(point, &factors),
    );
    Ok(walk.draw(request, &described, number_of_points))
}

/// Makes each of several layers a cell of its own, the lowest with the input, and keeps the one to be
/// drawn.
fn by_layer(request: &Request<'_>, series: &mut Table<SeriesRow>, curves: &mut Table<CurveRow>) {
    let layers = |row: &SeriesRow| split_layer(&row.series).0.map(|_| row.key.clone());
    let with_layers: HashSet<Key> = series.rows.iter().filter_map(layers).collect();
    let wanted = |layer| request.layer().is_none_or(|wanted| layer == Some(wanted));
    series.rows.retain_mut(|row| {
        let (layer, name) = split_layer(&row.series);
        let is_input = layer.is_none() && with_layers.contains(&row.key);
        let layer = if is_input { Some(0) } else { layer };
        row.series = name.to_owned();
        if let Some(layer) = layer {
            row.key.cell = data::layer_label(&row.key.cell, layer);
        }
        wanted(layer)
    });
    curves.rows.retain_mut(|row| {
        let (layer, name) = split_layer(&row.quantity);
        row.quantity = name.to_owned();
        if let Some(layer) = layer {
            row.key.cell = data::layer_label(&row.key.cell, layer);
        }
        wanted(layer)
    });
}

struct Walk<'a> {
    point: &'a Key,
    rows: &'a [&'a SeriesRow],
    curves: Vec<&'a CurveRow>,
    last_step: usize,
    colour: Rgb,
}

impl Walk<'_> {
    fn draw(&self, request: &Request<'_>, described: &str, points: usize) -> String {
        const WIDTH: f64 = 700.0;
        const LINE_HEIGHT: f64 = 44.0;
        const MAP_HEIGHT: f64 = 62.0;
        const GRADIENT_HEIGHT: f64 = 150.0;
        const GAP: f64 = 9.0;
        let caption = self.caption(request, WIDTH, described, points);
        let present: Vec<&(&str, &str, &str, Values)> = SERIES
            .iter()
            .filter(|(name, ..)| self.rows.iter().any(|row| row.series == *name))
            .collect();
        let has_gates = self.has_gates();
        let has_input = self.rows.iter().any(|row| row.series == "x");
        let gradients = self.gradients();
        let left = MARGIN + 126.0;
        let right = WIDTH - MARGIN - 104.0;
        let time = (0.5, self.last_step as f64 + 0.5);
        let mut top = caption.top() + 6.0;
        let maps = (MAP_HEIGHT + GAP) * present.len() as f64;
        let input = if has_input { LINE_HEIGHT + GAP } else { 0.0 };
        let height = top + input + maps + GRADIENT_HEIGHT + 46.0 + caption.bottom();
        let frame_at = |top: f64, height: f64| Frame {
            left,
            right,
            top,
            bottom: top + height,
        };
        let x_ticks = ticks::whole(0.0, time.1, 10);
        let x_ticks: Vec<ticks::Tick> = x_ticks.into_iter().filter(|tick| tick.at >= 1.0).collect();

        draw_svg(WIDTH, height, |canvas| {
            caption.draw(canvas, height);
            if has_input {
                let frame = frame_at(top, LINE_HEIGHT);
                self.input(canvas, frame, time);
                row_label(canvas, &frame, "input x", "largest unit");
                top += LINE_HEIGHT + GAP;
            }
            let order = self.unit_order();
            for (name, label, remark, values) in present {
                let frame = frame_at(top, MAP_HEIGHT);
                self.heat_map(canvas, frame, time, name, *values, &order);
                // Without gates the equations are others.
                let remark = if has_gates { remark } else { "" };
                row_label(canvas, &frame, label, remark);
                top += MAP_HEIGHT + GAP;
            }
            let frame = frame_at(top + 4.0, GRADIENT_HEIGHT);
            let all = gradients.iter().flat_map(|(_, points)| points.iter());
            let range = padded_range(all.map(|(_, y)| *y), 0.06);
            let range = (range.0.min(range.1 - 1.0), range.1);
            let panel = Panel::new(frame, time, range);
            let y_ticks = ticks::powers(range.0, range.1, 5);
            panel.grid(canvas, &y_ticks);
            for (index, (label, points)) in gradients.iter().enumerate() {
                let stroke = self.gradient_stroke(label);
                panel.line(canvas, points, stroke);
                // All lines meet at T: a legend beside the panel, the last drawn on top.
                let y = frame.top + 8.0 + 34.0 * (gradients.len() - 1 - index) as f64;
                let x = frame.right + 10.0;
                canvas.line(&[(x, y), (x + 24.0, y)], stroke);
                let font = small_font(Rgb::INK);
                canvas.text((x, y + 13.0), Anchor::Start, label, font);
            }
            panel.y_axis(canvas, &y_ticks, true);
            panel.x_axis(canvas, &x_ticks, true);
            let middle = 0.5 * (frame.top + frame.bottom);
            let ink = text_font(Rgb::INK);
            canvas.text((MARGIN, middle - 24.0), Anchor::Start, "gradient", ink);
            for (index, line) in ["‖∂L/∂·(t)‖", "/ ‖∂L/∂h(T)‖"].iter().enumerate()
            {
                let at = (MARGIN, middle - 8.0 + 15.0 * index as f64);
                canvas.text(at, Anchor::Start, line, small_font(Rgb::GREY));
            }
            let at = (0.5 * (left + right), frame.bottom + 32.0);
            canvas.text(at, Anchor::Middle, "step t", ink);
        })
    }

    /// The unit of the input that deviates most, which in a pulse is any of them.
    fn input(&self, canvas: &mut Canvas<'_>, frame: Frame, time: (f64, f64)) {
        let inputs = self.rows.iter().filter(|row| row.series == "x");
        let unit = inputs
            .clone()
            .max_by(|a, b| a.value.abs().total_cmp(&b.value.abs()))
            .map_or(0, |row| row.unit);
        let points: Vec<(f64, f64)> = inputs
            .filter(|row| row.unit == unit)
            .map(|row| (row.t as f64, row.value))
            .collect();
        let range = padded_range(points.iter().map(|(_, y)| *y).chain([0.0]), 0.1);
        let panel = Panel::new(frame, time, range);
        panel.rule(canvas, 0.0, solid(Rgb::GRID, 0.7));
        panel.line(canvas, &points, solid(Rgb::INK, 1.2));
        // 0, and the ends that are not beside it.
        let [low, high] =
            [f64::min, f64::max].map(|pick| points.iter().map(|(_, y)| *y).fold(0.0, pick));
        let marks: Vec<ticks::Tick> = [low, 0.0, high]
            .into_iter()
            .filter(|end| *end == 0.0 || end.abs() > 0.35 * (high - low))
            .map(|at| ticks::Tick {
                at,
                label: labels::concise(at),
            })
            .collect();
        panel.y_axis(canvas, &marks, true);
    }

    /// Whether not every step is stored.
    fn is_thinned(&self) -> bool {
        let Some(first) = self.rows.first() else {
            return false;
        };
        let same = |row: &&&SeriesRow| row.series == first.series && row.unit == first.unit;
        self.rows.iter().filter(same).count() < self.last_step
    }

    fn has_gates(&self) -> bool {
        self.rows.iter().any(|row| row.series == "f")
    }

    /// Units by the mean of their forget gate (or else of their hidden state), the same order in
    /// every map, so that a unit can be followed through the cell.
    fn unit_order(&self) -> Vec<usize> {
        let sorted_by = if self.has_gates() { "f" } else { "h" };
        let units = self
            .rows
            .iter()
            .filter(|row| row.series == sorted_by)
            .map(|row| row.unit + 1)
            .max()
            .unwrap_or(0);
        let mut sums = vec![0.0; units];
        for row in self.rows.iter().filter(|row| row.series == sorted_by) {
            sums[row.unit] += row.value;
        }
        let mut order: Vec<usize> = (0..units).collect();
        order.sort_by(|&a, &b| sums[a].total_cmp(&sums[b]));
        placement::choose(units, MAX_UNITS)
            .into_iter()
            .map(|index| order[index])
            .collect()
    }

    fn heat_map(
        &self,
        canvas: &mut Canvas<'_>,
        frame: Frame,
        time: (f64, f64),
        series: &str,
        values: Values,
        order: &[usize],
    ) {
        let rows = self
            .rows
            .iter()
            .filter(|row| row.series == series && row.t > 0);
        let largest = rows
            .clone()
            .map(|row| row.value.abs())
            .filter(|value| value.is_finite())
            .fold(0.0, f64::max);
        let bound = match values {
            Values::Symmetric if largest > 0.0 => largest,
            _ => 1.0,
        };
        let scale = match values {
            Values::Fraction => ColourScale {
                map: ColourMap::SEQUENTIAL,
                low: 0.0,
                high: 1.0,
                middle: 0.5,
            },
            _ => ColourScale {
                map: ColourMap::DIVERGING,
                low: -bound,
                high: bound,
                middle: 0.0,
            },
        };
        // Long sequences are stored thinned: a step stands for its surroundings, as far as halfway
        // to the steps stored beside it.
        let mut times: Vec<usize> = rows.clone().map(|row| row.t).collect();
        times.sort_unstable();
        times.dedup();
        let halfway = |pair: &[usize]| 0.5 * (pair[0] + pair[1]) as f64;
        let mut edges = vec![time.0];
        edges.extend(times.windows(2).map(halfway));
        edges.push(time.1);
        let mut grid = vec![vec![f64::NAN; times.len()]; order.len()];
        for row in rows {
            let place = order.iter().position(|&unit| unit == row.unit);
            if let (Some(place), Ok(column)) = (place, times.binary_search(&row.t)) {
                grid[place][column] = row.value;
            }
        }
        let panel = Panel::new(frame, time, (0.0, order.len().max(1) as f64));
        let mut cells = Vec::new();
        for (place, values) in grid.iter().enumerate() {
            let colours: Vec<Rgb> = values.iter().map(|&value| scale.colour(value)).collect();
            for (from, to, colour) in runs(&colours) {
                cells.push(HeatCell {
                    x: (edges[from], edges[to]),
                    y: (place as f64, place as f64 + 1.0),
                    colour,
                });
            }
        }
        panel.heat_map(canvas, &cells);
        let bar = Frame {
            left: frame.right + 10.0,
            right: frame.right + 20.0,
            ..frame
        };
        let marks = [scale.low, scale.middle, scale.high];
        let decimals = if bound < 10.0 { 1 } else { 0 };
        let marks: Vec<ticks::Tick> = marks
            .iter()
            .map(|&at| ticks::Tick {
                at,
                label: if values == Values::Symmetric {
                    labels::number(at, decimals)
                } else {
                    labels::concise(at)
                },
            })
            .collect();
        scale.bar(canvas, bar, (scale.low, scale.high), &marks);
    }

    /// The stored gradients of this point as (label, points over t).
    fn gradients(&self) -> Vec<(&'static str, Vec<(f64, f64)>)> {
        GRADIENTS
            .iter()
            .filter_map(|&(quantity, label)| {
                let points: Vec<(f64, f64)> = self
                    .curves
                    .iter()
                    .filter(|row| row.quantity == quantity && row.lag <= self.last_step)
                    .map(|row| ((self.last_step - row.lag) as f64, row.median))
                    .collect();
                (!points.is_empty()).then_some((label, points))
            })
            .collect()
    }

    fn gradient_stroke(&self, label: &str) -> Stroke {
        match label {
            "c, total" => solid(self.colour.mix(Rgb::BLACK, 0.7), 1.1),
            "c, direct path" => solid(self.colour, 2.4),
            "c, through gates" => solid(self.colour.mix(Rgb::WHITE, 0.5), 2.0),
            _ => solid(Rgb(110, 110, 110), 1.5),
        }
    }

    fn caption(
        &self,
        request: &Request<'_>,
        width: f64,
        described: &str,
        points: usize,
    ) -> Caption {
        let n = data::median_of(self.curves.iter().map(|row| row.n));
        let separator = if described.is_empty() { "" } else { ", " };
        let sorted_by = if self.has_gates() { "forget gate" } else { "h" };
        let subtitle = format!(
            "{}{separator}{described}. Maps: one sequence of replicate 0, one unit per row, the \
             highest mean {sorted_by} on top. Gradient: {n}.",
            self.point.cell
        );
        let mut notes = Vec::new();
        if points > 1 && request.has_where {
            notes.push(format!(
                "One of {points} grid points; “where” chooses another."
            ));
        }
        let units = self.rows.iter().map(|row| row.unit + 1).max().unwrap_or(0);
        if units > MAX_UNITS {
            notes.push(format!("{MAX_UNITS} of {units} units are shown."));
        }
        if self.is_thinned() {
            notes.push("More than 1,000 steps before the end, 100 per decade are stored.".into());
        }
        let zeros = self
            .gradients()
            .iter()
            .flat_map(|(_, points)| points)
            .filter(|(_, y)| *y == f64::NEG_INFINITY)
            .count();
        if zeros > 0 {
            let median = match data::median_or_value(self.curves.iter().map(|row| row.n)) {
                "value" => "",
                _ => "median ",
            };
            notes.push(format!(
                "{} where the {median}gradient is exactly zero: gaps.",
                labels::count(zeros, "point")
            ));
        }
        let title = request.title(|| match points {
            1 => self.title(),
            _ => format!(
                "{} ({}{separator}{described})",
                self.title(),
                self.point.cell
            ),
        });
        Caption::new(width, &title, &subtitle, &notes)
    }

    /// How far the gradient of the cell state has come, and on which path.
    fn title(&self) -> String {
        let at_first_step = |quantity: &str| {
            self.curves
                .iter()
                .find(|row| row.quantity == quantity && row.lag + 1 == self.last_step)
                .map(|row| row.median)
        };
        let steps = labels::thousands(self.last_step - 1);
        match (
            at_first_step("c"),
            at_first_step("c_direct"),
            at_first_step("c_gated"),
        ) {
            (Some(total), Some(direct), Some(gated)) => {
                let fraction = 1.0 / (1.0 + 10f64.powf(gated - direct));
                let path = if fraction.is_nan() {
                    String::new()
                } else {
                    // Norms of parts do not add up to the norm of the whole.
                    let percent = 100.0 * fraction;
                    format!("; {percent:.0} % of the two paths’ norms is direct")
                };
                format!(
                    "{steps} steps back, the gradient of c is {}{path}",
                    labels::approximate_power(total)
                )
            }
            _ => match at_first_step("h") {
                Some(total) => format!(
                    "{steps} steps back, the gradient of the hidden state is {}",
                    labels::approximate_power(total)
                ),
                None => format!("One sequence through {}", self.point.cell),
            },
        }
    }
}

fn row_label(canvas: &mut Canvas<'_>, frame: &Frame, label: &str, remark: &str) {
    let middle = 0.5 * (frame.top + frame.bottom);
    let font = text_font(Rgb::INK);
    canvas.text((MARGIN, middle - 8.0), Anchor::Start, label, font);
    let at = (MARGIN, middle + 8.0);
    canvas.text(at, Anchor::Start, remark, small_font(Rgb::GREY));
}
