//! `error-surface`: the loss, and how steep it is, over a factor and a ramp of inputs, for which every
//! sequence stands for a value.
//!
//! For one logistic unit whose recurrent weight is the factor, and whose input is its bias, theory says
//! where two attractors coexist: the strip between two saddle-nodes is drawn over both panels.

use std::collections::BTreeMap;

use theory::scalar_maps::bistable_biases;

use super::FigureError;
use super::canvas::{Anchor, Dash, Stroke, draw_svg};
use super::chart::{
    self, Caption, ColourScale, Frame, HeatCell, MARGIN, Panel, bold_font, padded_range, runs,
    text_font,
};
use super::data::{CellStyle, Request};
use super::factor_axis::borders;
use super::palette::{self, ColourMap, Rgb};
use super::{labels, ticks};
use crate::config::Input;
use crate::sequences::ramp;
use crate::tables::{Key, SequenceRow};

/// A value for each value of the factor and each sequence.
type Surface = BTreeMap<(usize, usize), f64>;

pub fn draw(request: &Request<'_>) -> Result<String, FigureError> {
    let table = request.table(|row: &SequenceRow| &row.key)?;
    let (factor, name) = request.x(&table)?;
    // One cell, the first that has the factor.
    let first = table
        .rows
        .iter()
        .find(|row| !row.key.factors[factor].is_empty());
    let Some(cell) = first.map(|row| row.key.cell.clone()) else {
        let title = request.title(|| "Nothing to draw".into());
        let reason = format!("sequences.csv has no rows with a value of {name}.");
        return Ok(chart::empty_figure(&title, &reason));
    };
    let rows = || table.rows.iter().filter(|row| row.key.cell == cell);
    let number = |row: &SequenceRow| row.key.factors[factor].parse::<f64>().ok();
    let mut weights: Vec<f64> = rows().filter_map(number).collect();
    weights.sort_by(f64::total_cmp);
    weights.dedup();
    let count = 1 + rows().map(|row| row.sequence).max().unwrap_or(0);

    let (mut loss, mut squares) = (Surface::new(), Surface::new());
    for row in rows() {
        let Some(column) = number(row).and_then(|w| weights.iter().position(|own| *own == w))
        else {
            continue;
        };
        let place = (column, row.sequence);
        match row.quantity.as_str() {
            "loss" => {
                loss.insert(place, row.value);
            }
            "weight_hh" | "bias" => {
                *squares.entry(place).or_default() += 100_f64.powf(row.value);
            }
            _ => {}
        }
    }
    let steepness: Surface = squares
        .into_iter()
        .map(|(place, square)| (place, 0.5 * square.log10()))
        .collect();
    if steepness.is_empty() {
        let title = request.title(|| "Nothing to draw".into());
        return Ok(chart::empty_figure(
            &title,
            "sequences.csv has no gradients.",
        ));
    }
    let inputs: Vec<f64> = match request.sequence.input {
        Input::Ramp { from, to, .. } => (0..count).map(|k| ramp(from, to, k, count)).collect(),
        _ => (0..count).map(|k| k as f64).collect(),
    };
    let style = request.cells.iter().find(|style| style.label == cell);
    let strip = style.and_then(|style| strip(style, name, &weights));
    let keys: Vec<&Key> = rows().map(|row| &row.key).collect();
    Ok(render(
        request,
        &request.only(&table.factors, &keys, &[]),
        name,
        &weights,
        &inputs,
        [&loss, &steepness],
        strip,
    ))
}

/// The edges of the strip with two attractors, input over recurrent weight.
type Strip = [Vec<(f64, f64)>; 2];

fn strip(style: &CellStyle, factor: &str, weights: &[f64]) -> Option<Strip> {
    let (input_weight, bias) = style.logistic_unit?;
    if !factor.ends_with("recurrent_weights.gain") || input_weight == 0.0 {
        return None;
    }
    let (low, high) = (*weights.first()?, *weights.last()?);
    const POINTS: usize = 400;
    let at = |k: usize| low + (high - low) * k as f64 / (POINTS - 1) as f64;
    let edges: Vec<(f64, (f64, f64))> = (0..POINTS)
        .filter_map(|k| Some((at(k), bistable_biases(at(k))?)))
        .collect();
    let input = |b: f64| (b - bias) / input_weight;
    Some([
        edges
            .iter()
            .map(|(w, (low, _))| (*w, input(*low)))
            .collect(),
        edges
            .iter()
            .map(|(w, (_, high))| (*w, input(*high)))
            .collect(),
    ])
}

fn render(
    request: &Request<'_>,
    only: &str,
    factor: &str,
    weights: &[f64],
    inputs: &[f64],
    surfaces: [&Surface; 2],
    strip: Option<Strip>,
) -> String {
    let (weight_borders, input_borders) = (borders(weights), borders(inputs));
    let x = padded_range(weight_borders.iter().copied(), 0.0);
    let y = padded_range(input_borders.iter().copied(), 0.0);
    let finite = surfaces[1]
        .values()
        .copied()
        .filter(|value| value.is_finite());
    let mut sorted: Vec<f64> = finite.collect();
    sorted.sort_by(f64::total_cmp);
    let decades = match sorted.as_slice() {
        [] => 0.0,
        values => values[values.len() - 1] - values[values.len() / 2],
    };
    let title = request.title(|| {
        format!("The steepest place of the surface is {decades:.1} decades steeper than the median")
    });
    let mut subtitle =
        "Left: the loss E after the last step. Right: ‖∂E/∂(W_hh, b)‖. One sequence for each \
                        input, replicate 0."
            .to_owned();
    if strip.is_some() {
        subtitle.push_str(" Dashed: between these edges the unit has two attractors (theory).");
    }
    subtitle.push_str(only);
    const WIDTH: f64 = 940.0;
    const BAR: f64 = 13.0;
    let caption = Caption::new(WIDTH, &title, &subtitle, &[]);
    let scales = surfaces.map(|surface| {
        let (low, high) = padded_range(surface.values().copied(), 0.0);
        ColourScale {
            map: ColourMap::SEQUENTIAL,
            low,
            high,
            middle: 0.5 * (low + high),
        }
    });
    const HEIGHT: f64 = 300.0;
    let bar_ticks = [
        ticks::linear(scales[0].low, scales[0].high, 6),
        chart::bar_ticks((scales[1].low, scales[1].high), HEIGHT),
    ];
    let (x_ticks, y_ticks) = (ticks::linear(x.0, x.1, 7), ticks::linear(y.0, y.1, 6));
    let bar_rooms = bar_ticks
        .each_ref()
        .map(|ticks| 14.0 + BAR + 8.0 + chart::widest(ticks, chart::SMALL));
    let left = MARGIN + 20.0 + chart::widest(&y_ticks, chart::TEXT) + 8.0;
    let between = bar_rooms[0] + 34.0;
    let each = (WIDTH - MARGIN - left - between - bar_rooms[1]) / 2.0;
    let top = caption.top() + 24.0;
    let bottom = top + HEIGHT;
    let height = bottom + 44.0 + caption.bottom();
    let names = ["error E", "‖∂E/∂(W_hh, b)‖"];
    draw_svg(WIDTH, height, |canvas| {
        caption.draw(canvas, height);
        for (index, surface) in surfaces.into_iter().enumerate() {
            let start = left + (each + between) * index as f64;
            let frame = Frame {
                left: start,
                right: start + each,
                top,
                bottom,
            };
            let panel = Panel::new(frame, x, y);
            let scale = &scales[index];
            let rows = inputs.len();
            let places = (weights.len(), rows);
            let heat = cells(surface, places, (&weight_borders, &input_borders), scale);
            panel.heat_map(canvas, &heat);
            for edge in strip.iter().flatten() {
                let stroke = Stroke {
                    colour: palette::VERMILLION,
                    width: 1.5,
                    dash: Dash::Dashed,
                };
                panel.line(canvas, edge, stroke);
            }
            panel.x_axis(canvas, &x_ticks, true);
            panel.y_axis(canvas, &y_ticks, index == 0);
            let heading = bold_font(Rgb::INK);
            canvas.text((start, top - 12.0), Anchor::Start, names[index], heading);
            let middle = (0.5 * (frame.left + frame.right), bottom + 33.0);
            let name = match labels::factor_name(factor).as_str() {
                "gain" => "recurrent weight w".to_owned(),
                other => other.to_owned(),
            };
            canvas.text(middle, Anchor::Middle, &name, text_font(Rgb::INK));
            let bar = Frame {
                left: frame.right + 14.0,
                right: frame.right + 14.0 + BAR,
                ..frame
            };
            scale.bar(canvas, bar, (scale.low, scale.high), &bar_ticks[index]);
        }
        let middle = (MARGIN + 5.0, 0.5 * (top + bottom));
        canvas.text_upwards(middle, "input, a bias b", text_font(Rgb::INK));
    })
}

/// The coloured rectangles; equal neighbours along the inputs are one.
fn cells(
    surface: &Surface,
    (columns, rows): (usize, usize),
    (x, y): (&[f64], &[f64]),
    scale: &ColourScale,
) -> Vec<HeatCell> {
    let mut cells = Vec::new();
    for column in 0..columns {
        let colours: Vec<Rgb> = (0..rows)
            .map(|row| {
                let value = surface.get(&(column, row));
                scale.colour(value.copied().unwrap_or(f64::NAN))
            })
            .collect();
        for (from, to, colour) in runs(&colours) {
            cells.push(HeatCell {
                x: (x[column], x[column + 1]),
                // The inputs may fall.
                y: (y[from].min(y[to]), y[from].max(y[to])),
                colour,
            });
        }
    }
    cells
}
