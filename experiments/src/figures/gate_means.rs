//! `gates` of a trace: how open the gates of each layer are, step by step, from its `gates.csv`.

use super::FigureError;
use super::canvas::{Anchor, draw_svg};
use super::chart::{self, Caption, EndLabel, MARGIN, Panel, SMALL, bold_font, solid, text_font};
use super::palette::{FURTHER, PURPLE, Rgb, VERMILLION};
use super::trace::{MAX_PANELS, described, frames, layer_name};
use super::{labels, placement, ticks};
use crate::network::split_layer;
use crate::tables::{GateRow, Table};
use crate::trace::request::Request;

/// The gates: name, word, colour. Those that keep, of an LSTM and of a GRU, have their cell's.
const GATES: [(&str, &str, Rgb); 5] = [
    ("f", "forget", VERMILLION),
    ("z", "update", PURPLE),
    ("i", "input", FURTHER[0]),
    ("o", "output", FURTHER[3]),
    ("r", "reset", FURTHER[0]),
];

/// One gate of one layer.
struct Gate<'a> {
    layer: usize,
    word: &'a str,
    colour: Rgb,
    rows: Vec<&'a GateRow>,
}

/// Draws the table `text`.
///
/// # Errors
///
/// If it is malformed.
pub fn draw(request: &Request, text: &str) -> Result<String, FigureError> {
    // As many steps as are seen: as far before T as the lags of a curve.
    let steps = request.sequences.steps;
    let lags = decay_analysis::thinned_lags(steps);
    let mut rows: Vec<GateRow> = Vec::new();
    Table::for_each(text, |row: GateRow| {
        let lag = steps.checked_sub(row.t);
        if lag.is_some_and(|lag| lags.binary_search(&lag).is_ok()) {
            rows.push(row);
        }
    })?;
    let of_layer = |row: &GateRow| split_layer(&row.gate).0.unwrap_or(0);
    let mut layers: Vec<usize> = rows.iter().map(of_layer).collect();
    layers.sort_unstable();
    layers.dedup();
    let all = layers.len();
    let kept = placement::choose(all, MAX_PANELS);
    let layers: Vec<usize> = kept.into_iter().map(|k| layers[k]).collect();
    let mut gates: Vec<Gate<'_>> = Vec::new();
    for &layer in &layers {
        for (name, word, colour) in GATES {
            let is_of = |row: &&GateRow| of_layer(row) == layer && split_layer(&row.gate).1 == name;
            let rows: Vec<&GateRow> = rows.iter().filter(is_of).collect();
            if !rows.is_empty() {
                gates.push(Gate {
                    layer,
                    word,
                    colour,
                    rows,
                });
            }
        }
    }
    if gates.is_empty() {
        return Ok(chart::empty_figure(
            "Nothing to draw",
            "gates.csv has no rows.",
        ));
    }
    Ok(render(request, &layers, all, &gates))
}

fn render(request: &Request, layers: &[usize], all: usize, gates: &[Gate<'_>]) -> String {
    let width = match layers.len() {
        1 => 520.0,
        2 => 680.0,
        count => 60.0 + 270.0 * count as f64,
    };
    let mut notes = Vec::new();
    if layers.len() < all {
        let shown = layers.len();
        notes.push(format!(
            "{shown} of {all} layers are shown; gates.csv has all."
        ));
    }
    let network = request.networks.first();
    let subtitle = format!(
        "{}; means over the units and {}. Bands: quartiles.",
        network.map_or(String::new(), described),
        request.sequences.describe()
    );
    let caption = Caption::new(width, &title(gates), &subtitle, &notes);

    let last = request.sequences.steps.max(2) as f64;
    let y_ticks = ticks::linear(0.0, 1.0, 6);
    let tick_width = chart::widest(&y_ticks, chart::TEXT);
    let words = gates.iter().map(|gate| labels::width(gate.word, SMALL));
    let label_width = 16.0 + words.fold(0.0, f64::max);
    const HEIGHT: f64 = 230.0;
    let top = caption.top() + 22.0;
    let frames = frames(top, (width, HEIGHT), layers.len(), tick_width, label_width);
    let height = top + HEIGHT + 40.0 + caption.bottom();

    draw_svg(width, height, |canvas| {
        caption.draw(canvas, height);
        for (index, (layer, frame)) in layers.iter().zip(frames).enumerate() {
            let panel = Panel::new(frame, (1.0, last), (0.0, 1.0));
            panel.grid(canvas, &y_ticks);
            let own = || gates.iter().filter(|gate| gate.layer == *layer);
            for gate in own() {
                let rows = gate.rows.iter();
                let band: Vec<_> = rows.map(|row| (row.t as f64, row.q25, row.q75)).collect();
                panel.band(canvas, &band, gate.colour);
            }
            for gate in own() {
                let rows = gate.rows.iter();
                let line: Vec<_> = rows.map(|row| (row.t as f64, row.mean)).collect();
                panel.line(canvas, &line, solid(gate.colour, 1.8));
            }
            let ends = own().filter_map(|gate| {
                Some(EndLabel {
                    at: gate.rows.last()?.mean,
                    text: gate.word.to_owned(),
                    colour: gate.colour,
                })
            });
            panel.end_labels(canvas, &ends.collect::<Vec<_>>());
            panel.y_axis(canvas, &y_ticks, index == 0);
            let x_ticks = ticks::whole(1.0, last, ((frame.right - frame.left) / 48.0) as usize);
            panel.x_axis(canvas, &x_ticks, true);
            let heading = (frame.left, frame.top - 10.0);
            let font = bold_font(Rgb::INK);
            canvas.text(heading, Anchor::Start, &layer_name(*layer, all), font);
            let centre = (0.5 * (frame.left + frame.right), frame.bottom + 31.0);
            canvas.text(centre, Anchor::Middle, "step t", text_font(Rgb::INK));
        }
        let middle = (MARGIN + 5.0, top + 0.5 * HEIGHT);
        canvas.text_upwards(middle, "0 closed, 1 open", text_font(Rgb::INK));
    })
}

/// How the gate that keeps begins and ends, in each layer.
fn title(gates: &[Gate<'_>]) -> String {
    let keeps = |gate: &&Gate<'_>| ["forget", "update"].contains(&gate.word);
    let keeping: Vec<&Gate<'_>> = gates.iter().filter(keeps).collect();
    let several = keeping.len() > 1;
    let parts = keeping.iter().filter_map(|gate| {
        let [first, .., last] = gate.rows.as_slice() else {
            return None;
        };
        let [first, last] = [first, last].map(|row| labels::number(row.mean, 2));
        let layer = match several {
            true => format!(" (layer {})", gate.layer),
            false => String::new(),
        };
        Some(format!("from {first} to {last}{layer}"))
    });
    let parts: Vec<String> = parts.collect();
    match keeping.first() {
        Some(gate) if !parts.is_empty() => {
            format!("The mean {} gate goes {}", gate.word, parts.join(" and "))
        }
        _ => "How open the gates are".to_owned(),
    }
}
