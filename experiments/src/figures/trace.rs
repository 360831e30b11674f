//! The figures of a trace, from its `gradients.csv` and `trace.json` alone.
//!
//! `gradients`: the norms of one network against lag, a panel per layer. `checkpoints`: of several
//! networks, gradient ratios as heat maps, lag upwards and networks side by side. What else was
//! recorded has the figures of an experiment.

use super::canvas::{Anchor, Canvas, Dash, Pixel, Stroke, draw_svg};
use super::chart::bar_ticks;
use super::chart::{
    self, Caption, ColourScale, EndLabel, Frame, HeatCell, MARGIN, Panel, SMALL, Scale, bold_font,
    padded_range, runs, small_font, solid, text_font,
};
use super::data::{self, CellStyle};
use super::decay::{PRECISIONS, Precision, annotate};
use super::factor_axis::{self, FactorAxis};
use super::palette::{ColourMap, FURTHER, Rgb, cell_colours, readable};
use super::{Figure, FigureError, drawing, gate_means, labels, placement, ticks};
use crate::config::{FigureKind, FigureSpec, Filter, Input, Recorded, Sequence};
use crate::tables::{CurveRow, GateRow, Key, Row, Table, TraceRow};
use crate::trace::request::{Network, Request};

/// The names of all figures a trace may have.
pub const TRACE_FIGURES: [&str; 9] = [
    GRADIENTS,
    CHECKPOINTS,
    GATES,
    CLOSER[0].2,
    CLOSER[1].2,
    CLOSER[2].2,
    CLOSER[3].2,
    CLOSER[4].2,
    CLOSER[5].2,
];
const GRADIENTS: &str = "gradients";
const CHECKPOINTS: &str = "checkpoints";
const GATES: &str = "gates";

/// Figures of what is recorded beside norms, with their names and quantities.
const CLOSER: [(Recorded, FigureKind, &str, Option<&str>); 6] = [
    (
        Recorded::SingularValues,
        FigureKind::SingularValues,
        "singular-values",
        None,
    ),
    (Recorded::Lyapunov, FigureKind::Lyapunov, "lyapunov", None),
    (
        Recorded::LossState,
        FigureKind::LossState,
        "loss-state",
        None,
    ),
    (
        Recorded::LossState,
        FigureKind::LossState,
        "loss-state-cell-state",
        Some("c"),
    ),
    (
        Recorded::UnitGradient,
        FigureKind::UnitGradient,
        "unit-gradient",
        None,
    ),
    (
        Recorded::UnitGradient,
        FigureKind::UnitGradient,
        "unit-gradient-cell-state",
        Some("c"),
    ),
];

/// Panels that fit a page's width.
pub(super) const MAX_PANELS: usize = 4;

/// One quantity of one layer of one network, by lag.
struct Curve {
    /// The network's name; empty if there is but one.
    network: String,
    layer: usize,
    quantity: String,
    /// Lag and log₁₀ of the norm, lags ascending, thinned to those that are drawn.
    points: Vec<(usize, f64)>,
    /// The first of all lags whose norm each of [`PRECISIONS`] would print as 0.
    zero_lags: [Option<usize>; PRECISIONS.len()],
}

/// Draws the figures of a trace. `files` gives the text of a file by its name.
///
/// # Errors
///
/// If a file is missing or malformed.
pub fn draw_trace(files: &dyn Fn(&str) -> Option<String>) -> Result<Vec<Figure>, FigureError> {
    let missing = |file| FigureError::MissingOfTrace { file };
    let request = files("trace.json").ok_or_else(|| missing("trace.json"))?;
    let request: Request =
        serde_json::from_str(&request).map_err(|error| FigureError::Request {
            reason: error.to_string(),
        })?;
    let text = files("gradients.csv").ok_or_else(|| missing("gradients.csv"))?;
    // More lags than these are not seen, and a million of them would not fit into memory.
    let lags = decay_analysis::thinned_lags(request.sequences.steps);
    let curves = curves(&text, |lag| lags.binary_search(&lag).is_ok())?;
    if curves.is_empty() {
        let svg = chart::empty_figure("Nothing to draw", "gradients.csv has no rows.");
        return Ok(vec![figure(GRADIENTS, svg)]);
    }
    let mut figures = vec![if request.networks.len() > 1 {
        figure(CHECKPOINTS, checkpoints(&request, &curves))
    } else {
        figure(GRADIENTS, gradients(&request, &curves))
    }];
    if request.record.contains(&Recorded::Gates) {
        let text = files(GateRow::FILE).ok_or_else(|| missing(GateRow::FILE))?;
        figures.push(figure(GATES, gate_means::draw(&request, &text)?));
    }
    if let [network] = request.networks.as_slice() {
        figures.extend(closer(&request, network, &curves, files)?);
    }
    Ok(figures)
}

/// The figures of what was recorded beside norms.
fn closer(
    request: &Request,
    network: &Network,
    curves: &[Curve],
    files: &dyn Fn(&str) -> Option<String>,
) -> Result<Vec<Figure>, FigureError> {
    let (label, colour) = (network.cell(), colour(request, "h"));
    let style = |label| CellStyle {
        label,
        colour,
        hidden: network.hidden,
        logistic_unit: None,
    };
    let layers = (0..network.layers).map(|layer| style(data::layer_label(label, layer)));
    let cells: Vec<CellStyle> = std::iter::once(style(label.to_owned()))
        .chain(layers)
        .collect();
    let sequence = Sequence {
        steps: request.sequences.steps,
        batch: request.sequences.batch,
        input: Input::Zero {
            size: network.input,
        },
        initial_state: None,
    };
    let ratios = ratios(label, curves).to_csv();
    let mut figures = Vec::new();
    for (recorded, kind, name, quantity) in CLOSER {
        let is_drawn = quantity != Some("c") || network.is_lstm();
        if !request.record.contains(&recorded) || !is_drawn {
            continue;
        }
        let spec = FigureSpec {
            kind,
            name: name.to_owned(),
            quantity: quantity.map(str::to_owned),
            x: None,
            y: None,
            filter: Filter::default(),
            title: None,
        };
        let svg = drawing(kind)(&data::Request {
            spec: &spec,
            cells: &cells,
            sequence: &sequence,
            has_where: false,
            files: &|name| match name {
                CurveRow::FILE => Some(ratios.clone()),
                _ => files(name),
            },
        })
        .map_err(|error| match error {
            FigureError::MissingFile { file, .. } => FigureError::MissingOfTrace { file },
            error => error,
        })?;
        figures.push(figure(name, svg));
    }
    Ok(figures)
}

/// The gradient ratios of the top layer's h, as an experiment has them in its curves.
fn ratios(cell: &str, curves: &[Curve]) -> Table<CurveRow> {
    let of_h = curves.iter().filter(|curve| curve.quantity == "h");
    let top = of_h.max_by_key(|curve| curve.layer);
    let points = || top.iter().flat_map(|curve| &curve.points);
    let reference = points().find(|(_, norm)| norm.is_finite());
    let mut table = Table::new(Vec::new());
    if let Some((_, reference)) = reference {
        table.rows.extend(points().map(|(lag, norm)| {
            let ratio = norm - reference;
            CurveRow {
                key: Key {
                    cell: cell.to_owned(),
                    factors: Vec::new(),
                },
                quantity: "h".to_owned(),
                lag: *lag,
                median: ratio,
                q25: ratio,
                q75: ratio,
                min: ratio,
                max: ratio,
                n: 1,
            }
        }));
    }
    table
}

fn figure(name: &str, svg: String) -> Figure {
    Figure {
        name: name.to_owned(),
        svg,
    }
}

/// The gradients of h and c in a file, which come curve by curve.
fn curves(text: &str, is_drawn: impl Fn(usize) -> bool) -> Result<Vec<Curve>, FigureError> {
    let mut curves: Vec<Curve> = Vec::new();
    Table::for_each(text, |row: TraceRow| {
        if !matches!(row.quantity.as_str(), "h" | "c") {
            return;
        }
        let network = row.factors.into_iter().next().unwrap_or_default();
        let is_of = |curve: &Curve| {
            curve.network == network && curve.layer == row.layer && curve.quantity == row.quantity
        };
        if !curves.last().is_some_and(is_of) {
            curves.push(Curve {
                network,
                layer: row.layer,
                quantity: row.quantity,
                points: Vec::new(),
                zero_lags: [None; PRECISIONS.len()],
            });
        }
        let (lag, norm) = (row.lag, row.log10_norm);
        let Some(curve) = curves.last_mut() else {
            return;
        };
        for (first, precision) in curve.zero_lags.iter_mut().zip(&PRECISIONS) {
            if norm.is_finite() && norm < precision.zero_log10 {
                *first = Some(first.map_or(lag, |first| first.min(lag)));
            }
        }
        if is_drawn(lag) {
            curve.points.push((lag, norm));
        }
    })?;
    for curve in &mut curves {
        curve.points.sort_by_key(|(lag, _)| *lag);
    }
    Ok(curves)
}

/// The layers there are, thinned to those that have a panel.
fn shown_layers(curves: &[Curve], room: usize) -> (Vec<usize>, usize) {
    let mut layers: Vec<usize> = curves.iter().map(|curve| curve.layer).collect();
    layers.sort_unstable();
    layers.dedup();
    let kept = placement::choose(layers.len(), room);
    (kept.into_iter().map(|k| layers[k]).collect(), layers.len())
}

fn thinned_note(shown: usize, all: usize) -> Option<String> {
    (shown < all).then(|| format!("{shown} of {all} layers are shown; gradients.csv has all."))
}

/// h in the colour of its cell everywhere, c in one that no cell has.
fn colour(request: &Request, quantity: &str) -> Rgb {
    let kind = request.networks.first().map(|network| network.cell_kind());
    match quantity {
        "c" => FURTHER[0],
        _ => cell_colours(&[kind.unwrap_or("vanilla-rnn")])[0],
    }
}

fn gradients(request: &Request, curves: &[Curve]) -> String {
    let (layers, all) = shown_layers(curves, MAX_PANELS);
    let width = match layers.len() {
        1 => 520.0,
        2 => 680.0,
        count => 60.0 + 270.0 * count as f64,
    };
    let values = || curves.iter().flat_map(|curve| &curve.points);
    let last_lag = values().map(|(lag, _)| *lag).max().unwrap_or(1).max(1) as f64;
    let (low, high) = padded_range(values().map(|(_, norm)| *norm), 0.0);
    // At least a decade, so that noise about a constant does not fill the panel.
    let (low, high) = (low.min(high - 1.0), high);
    let margin = 0.04 * (high - low);
    let y_range = (low - margin, high + margin);
    let underflowing: Vec<(usize, &Precision)> = PRECISIONS
        .iter()
        .enumerate()
        .filter(|&(index, _)| curves.iter().any(|curve| curve.zero_lags[index].is_some()))
        .collect();

    let mut notes = Vec::new();
    notes.extend(thinned_note(layers.len(), all));
    let zeros = values()
        .filter(|(_, norm)| *norm == f64::NEG_INFINITY)
        .count();
    if zeros > 0 {
        notes.push(format!(
            "{} where the gradient is exactly zero have no logarithm: gaps.",
            labels::count(zeros, "point")
        ));
    }
    let network = request.networks.first();
    let subtitle = format!(
        "{}; norms over {}. Loss: {}.",
        network.map_or(String::new(), described),
        request.sequences.describe(),
        request.loss
    );
    let mut caption = Caption::new(width, &title(&layers, curves), &subtitle, &notes);
    if !underflowing.is_empty() {
        let printed: Vec<String> = underflowing
            .iter()
            .map(|(_, precision)| precision.in_words())
            .collect();
        let text = format!("{} (dots: from this lag on)", printed.join(", "));
        caption = caption.with_legend(vec![(solid(Rgb::INK, 0.8), text)]);
    }

    let y_ticks = ticks::powers(y_range.0, y_range.1, 6);
    let tick_width = y_ticks
        .iter()
        .map(|tick| labels::width(&tick.label, chart::TEXT))
        .fold(0.0, f64::max);
    let label_width = 16.0
        + ["∂h", "f32"]
            .map(|text| labels::width(text, SMALL))
            .into_iter()
            .fold(0.0, f64::max);
    const HEIGHT: f64 = 270.0;
    let top = caption.top() + 22.0;
    let frames = frames(top, (width, HEIGHT), layers.len(), tick_width, label_width);
    let height = top + HEIGHT + 40.0 + caption.bottom();

    draw_svg(width, height, |canvas| {
        caption.draw(canvas, height);
        for (index, (layer, frame)) in layers.iter().zip(frames).enumerate() {
            let panel = Panel::new(frame, (0.0, last_lag), y_range);
            panel.grid(canvas, &y_ticks);
            let own: Vec<&Curve> = curves.iter().filter(|c| c.layer == *layer).collect();
            lines(canvas, &panel, request, &own, &underflowing);
            panel.y_axis(canvas, &y_ticks, index == 0);
            let x_ticks = ticks::whole(0.0, last_lag, ((frame.right - frame.left) / 48.0) as usize);
            panel.x_axis(canvas, &x_ticks, true);
            let heading = (frame.left, frame.top - 10.0);
            let font = bold_font(Rgb::INK);
            canvas.text(heading, Anchor::Start, &layer_name(*layer, all), font);
            let centre = (0.5 * (frame.left + frame.right), frame.bottom + 31.0);
            let name = "lag k = T − t (steps)";
            canvas.text(centre, Anchor::Middle, name, text_font(Rgb::INK));
        }
        let middle = (MARGIN + 5.0, top + 0.5 * HEIGHT);
        let has_c = curves.iter().any(|curve| curve.quantity == "c");
        let name = match has_c {
            true => "‖∂L/∂h(T−k)‖, ‖∂L/∂c(T−k)‖",
            false => "‖∂L/∂h(T−k)‖",
        };
        canvas.text_upwards(middle, name, text_font(Rgb::INK));
    })
}

/// Panels of one height side by side from `top` down, `count` of them in a drawing of this width: with room
/// for the marks of the first one's axis, and right of each for the labels of its lines.
pub(super) fn frames(
    top: f64,
    (width, height): (f64, f64),
    count: usize,
    tick_width: f64,
    label_width: f64,
) -> Vec<Frame> {
    const GAP: f64 = 16.0;
    let left = MARGIN + 20.0 + tick_width + 7.0;
    let panels = count as f64;
    let plots = width - MARGIN - left - panels * label_width - GAP * (panels - 1.0);
    let plot_width = (plots / panels).max(80.0);
    let frame = |index: usize| {
        let start = left + (plot_width + label_width + GAP) * index as f64;
        Frame {
            left: start,
            right: start + plot_width,
            top,
            bottom: top + height,
        }
    };
    (0..count).map(frame).collect()
}

/// What a network is, in a figure, which has no markup.
pub(super) fn described(network: &Network) -> String {
    let with_markup = network.describe();
    with_markup.replacen('`', "“", 1).replacen('`', "”", 1)
}

pub(super) fn layer_name(layer: usize, layers: usize) -> String {
    match layer {
        _ if layers == 1 => "layer 0".to_owned(),
        0 => "layer 0 (bottom)".to_owned(),
        _ if layer + 1 == layers => format!("layer {layer} (top)"),
        _ => format!("layer {layer}"),
    }
}

fn lines(
    canvas: &mut Canvas<'_>,
    panel: &Panel,
    request: &Request,
    curves: &[&Curve],
    underflowing: &[(usize, &Precision)],
) {
    let mut drawn: Vec<Pixel> = Vec::new();
    let mut ends = Vec::new();
    for curve in curves {
        let colour = colour(request, &curve.quantity);
        let points = curve.points.iter().map(|(lag, norm)| (*lag as f64, *norm));
        let points: Vec<(f64, f64)> = points.collect();
        // c over h would hide it where they agree.
        let stroke = match curve.quantity.as_str() {
            "c" => Stroke {
                dash: Dash::Dashed,
                ..solid(colour, 1.8)
            },
            _ => solid(colour, 1.8),
        };
        panel.line(canvas, &points, stroke);
        drawn.extend(points.iter().map(|(x, y)| panel.at(*x, *y)));
        if let Some((_, last)) = points.iter().rev().find(|(_, norm)| norm.is_finite()) {
            ends.push(EndLabel {
                at: *last,
                text: format!("∂{}", curve.quantity),
                colour,
            });
        }
    }
    for &(index, precision) in underflowing {
        panel.rule(canvas, precision.zero_log10, solid(Rgb::INK, 0.8));
        ends.push(EndLabel {
            at: precision.zero_log10,
            text: precision.name.to_owned(),
            colour: Rgb::INK,
        });
        let y = panel.y.at(precision.zero_log10);
        for curve in curves {
            let Some(lag) = curve.zero_lags[index] else {
                continue;
            };
            let colour = colour(request, &curve.quantity);
            let x = panel.x.at(lag as f64);
            canvas.dot((x, y), 2.6, colour.mix(Rgb::BLACK, 0.2));
            let text = labels::thousands(lag);
            let width = labels::width(&text, SMALL);
            let candidates = [
                (x + 5.0, y - 8.0),
                (x - 4.0 - width, y + 9.0),
                (x + 5.0, y + 9.0),
                (x - 4.0 - width, y - 8.0),
            ];
            let font = small_font(readable(colour));
            annotate(canvas, panel, &mut drawn, &candidates, &text, font);
        }
    }
    panel.end_labels(canvas, &ends);
}

fn title(layers: &[usize], curves: &[Curve]) -> String {
    let ends: Vec<(usize, usize, f64)> = layers
        .iter()
        .filter_map(|layer| {
            let is_h = |curve: &&Curve| curve.layer == *layer && curve.quantity == "h";
            let (lag, norm) = *curves.iter().find(is_h)?.points.last()?;
            Some((*layer, lag, norm))
        })
        .collect();
    let Some((_, lag, _)) = ends.first() else {
        return "Gradients".to_owned();
    };
    let norms: Vec<String> = ends
        .iter()
        .map(|(layer, _, norm)| {
            let power = labels::approximate_power(*norm);
            if ends.len() == 1 {
                power
            } else {
                format!("{power} (layer {layer})")
            }
        })
        .collect();
    format!(
        "At lag {} the gradient of h is {}",
        labels::thousands(*lag),
        norms.join(" and ")
    )
}

/// One heat map.
struct Map<'a> {
    heading: String,
    /// One per network, in their order; none for one that failed.
    columns: Vec<Option<&'a Curve>>,
}

fn checkpoints(request: &Request, curves: &[Curve]) -> String {
    // Where layers have two quantities each, fewer of them fit.
    let quantities: Vec<&str> = ["h", "c"]
        .into_iter()
        .filter(|name| curves.iter().any(|curve| curve.quantity == *name))
        .collect();
    let (layers, all) = shown_layers(curves, MAX_PANELS / quantities.len().max(1));
    let networks: Vec<&str> = request.networks.iter().map(|n| n.label.as_str()).collect();
    let maps: Vec<Map<'_>> = layers
        .iter()
        .flat_map(|layer| quantities.iter().map(move |quantity| (*layer, *quantity)))
        .map(|(layer, quantity)| Map {
            heading: format!("∂{quantity}, {}", layer_name(layer, all)),
            columns: networks
                .iter()
                .map(|network| {
                    curves.iter().find(|curve| {
                        curve.network == *network
                            && curve.layer == layer
                            && curve.quantity == quantity
                    })
                })
                .collect(),
        })
        .collect();
    let references: Vec<Option<f64>> = networks
        .iter()
        .map(|network| reference(curves, network))
        .collect();
    let ratio = |column: usize, norm: f64| match references[column] {
        Some(reference) => norm - reference,
        None => f64::NEG_INFINITY,
    };

    let finite = || {
        let columns = maps.iter().flat_map(|map| map.columns.iter().enumerate());
        columns
            .filter_map(|(column, curve)| Some((column, (*curve)?)))
            .flat_map(|(column, curve)| curve.points.iter().map(move |(_, n)| ratio(column, *n)))
            .filter(|value| value.is_finite())
    };
    let (low, high) = (finite().fold(0.0, f64::min), finite().fold(0.0, f64::max));
    let scale = ColourScale {
        map: ColourMap::DIVERGING,
        // At least a decade on both sides of 10⁰, so that noise about it is no regime.
        low: low.min(-1.0),
        high: high.max(1.0),
        middle: 0.0,
    };
    let shown = if low < high { (low, high) } else { (-1.0, 1.0) };
    let width = match maps.len() {
        1 => 520.0,
        2 => 700.0,
        _ => 900.0,
    };
    let mut notes: Vec<String> = thinned_note(layers.len(), all).into_iter().collect();
    let empty = maps.iter().any(|map| {
        map.columns.iter().any(|curve| match curve {
            None => true,
            Some(curve) => curve.points.iter().any(|(_, norm)| !norm.is_finite()),
        })
    });
    if empty {
        notes.push("Grey: exactly zero, or a network whose states overflowed.".to_owned());
    }
    let subtitle = format!(
        "{}; norms over {}. Colour: ‖∂L/∂h(T−k)‖ or ‖∂L/∂c(T−k)‖ / ‖∂L/∂h(T)‖ of the top layer.",
        request.networks.first().map_or(String::new(), described),
        request.sequences.describe(),
    );
    let title = checkpoints_title(&networks, &maps, &ratio);
    let caption = Caption::new(width, &title, &subtitle, &notes);

    let last_lag = request.sequences.steps as f64;
    let y_ticks = ticks::whole(0.0, last_lag, 6);
    let tick_width = y_ticks
        .iter()
        .map(|tick| labels::width(&tick.label, chart::TEXT))
        .fold(0.0, f64::max);
    const HEIGHT: f64 = 280.0;
    let bar_ticks = bar_ticks(shown, HEIGHT);
    let bar_label_width = bar_ticks
        .iter()
        .map(|tick| labels::width(&tick.label, SMALL))
        .fold(0.0, f64::max);
    const GAP: f64 = 22.0;
    const BAR: f64 = 13.0;
    let left = MARGIN + 20.0 + tick_width + 7.0;
    let right = width - MARGIN - bar_label_width - 8.0 - BAR - GAP;
    let count = maps.len() as f64;
    let plot_width = ((right - left - GAP * (count - 1.0)) / count).max(60.0);
    let (names, axis_name) = axis_labels(&networks);
    let axis = FactorAxis::side_by_side(names, (plot_width / 34.0) as usize);
    let borders = axis.borders();
    let x_range = (borders[0], borders[borders.len() - 1]);
    let below = axis.height(&Scale::new(x_range.0, x_range.1, 0.0, plot_width));
    let top = caption.top() + 24.0;
    let bottom = top + HEIGHT;
    let height = bottom + below + caption.bottom();

    draw_svg(width, height, |canvas| {
        caption.draw(canvas, height);
        for (index, map) in maps.iter().enumerate() {
            let start = left + (plot_width + GAP) * index as f64;
            let frame = Frame {
                left: start,
                right: start + plot_width,
                top,
                bottom,
            };
            let panel = Panel::new(frame, x_range, (-0.5, last_lag + 0.5));
            let cells = map.cells(&borders, &scale, &ratio, last_lag);
            panel.heat_map(canvas, &cells);
            panel.y_axis(canvas, &y_ticks, index == 0);
            axis.draw(canvas, &panel, &axis_name);
            let heading = (start, top - 12.0);
            canvas.text(heading, Anchor::Start, &map.heading, bold_font(Rgb::INK));
        }
        let bar = Frame {
            left: width - MARGIN - bar_label_width - 8.0 - BAR,
            right: width - MARGIN - bar_label_width - 8.0,
            top,
            bottom,
        };
        scale.bar(canvas, bar, shown, &bar_ticks);
        let middle = (MARGIN + 5.0, 0.5 * (top + bottom));
        canvas.text_upwards(middle, "lag k = T − t (steps)", text_font(Rgb::INK));
    })
}

/// ‖∂L/∂h‖ of a network's top layer at the smallest lag where it is not zero: the denominator of
/// its ratios.
fn reference(curves: &[Curve], network: &str) -> Option<f64> {
    let own = curves
        .iter()
        .filter(|c| c.network == network && c.quantity == "h");
    let top = own.max_by_key(|curve| curve.layer)?;
    let norms = top.points.iter().map(|(_, norm)| *norm);
    norms.into_iter().find(|norm| norm.is_finite())
}

/// Short names for the axis, and what they have in common: `100`, `200` and `step-` for `step-100`
/// and `step-200`.
fn axis_labels(networks: &[&str]) -> (Vec<String>, String) {
    let prefix_length = networks.iter().fold(usize::MAX, |length, name| {
        length.min(name.trim_end_matches(|c: char| c.is_ascii_digit()).len())
    });
    let first = networks.first().copied().unwrap_or("");
    let prefix = first.get(..prefix_length).unwrap_or("");
    let numbers: Option<Vec<String>> = networks
        .iter()
        .map(|name| {
            let number = name.strip_prefix(prefix)?;
            let is_number = !number.is_empty() && number.chars().all(|c| c.is_ascii_digit());
            let trimmed = number.trim_start_matches('0');
            is_number.then(|| if trimmed.is_empty() { "0" } else { trimmed }.to_owned())
        })
        .collect();
    match numbers {
        Some(numbers) => {
            let name = prefix.trim_end_matches(['-', '_', '.', ' ', '=']);
            (
                numbers,
                if name.is_empty() { "checkpoint" } else { name }.to_owned(),
            )
        }
        None => (
            networks.iter().map(|name| (*name).to_owned()).collect(),
            "checkpoint".to_owned(),
        ),
    }
}

impl Map<'_> {
    /// The coloured rectangles; equal neighbours in lag are one.
    fn cells(
        &self,
        borders: &[f64],
        scale: &ColourScale,
        ratio: &impl Fn(usize, f64) -> f64,
        last_lag: f64,
    ) -> Vec<HeatCell> {
        let mut cells = Vec::new();
        for (column, curve) in self.columns.iter().enumerate() {
            let x = (borders[column], borders[column + 1]);
            let Some(curve) = curve else {
                cells.push(HeatCell {
                    x,
                    y: (-0.5, last_lag + 0.5),
                    colour: scale.colour(f64::NAN),
                });
                continue;
            };
            let lags: Vec<f64> = curve.points.iter().map(|(lag, _)| *lag as f64).collect();
            let lag_borders = factor_axis::borders(&lags);
            let colours = curve
                .points
                .iter()
                .map(|(_, n)| scale.colour(ratio(column, *n)));
            let colours: Vec<Rgb> = colours.collect();
            for (from, to, colour) in runs(&colours) {
                let y = (
                    lag_borders[from].max(-0.5),
                    lag_borders[to].min(last_lag + 0.5),
                );
                cells.push(HeatCell { x, y, colour });
            }
        }
        cells
    }
}

fn checkpoints_title(
    networks: &[&str],
    maps: &[Map<'_>],
    ratio: &impl Fn(usize, f64) -> f64,
) -> String {
    let ends = maps.first().map_or(Vec::new(), |map| {
        let columns = map.columns.iter().enumerate();
        let ends = columns.filter_map(|(column, curve)| {
            let (lag, norm) = *(*curve)?.points.last()?;
            Some((networks[column], lag, ratio(column, norm)))
        });
        ends.collect()
    });
    match (ends.first(), ends.last()) {
        (Some((first, lag, start)), Some((last, _, end))) => format!(
            "At lag {} the gradient of h goes from {} ({first}) to {} ({last}), layer 0",
            labels::thousands(*lag),
            labels::approximate_power(*start),
            labels::approximate_power(*end),
        ),
        _ => "Gradients over training".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;
    use crate::trace::request::{HALF_SQUARED_NORM, Over};

    fn request(labels: &[&str], steps: usize) -> Request {
        let network = |label: &&str| Network {
            label: (*label).to_owned(),
            file: format!("{label}.safetensors"),
            module: "rnn".to_owned(),
            kind: "LSTM".to_owned(),
            layers: 1,
            input: 2,
            hidden: 3,
            ignored_tensors: 0,
        };
        Request {
            networks: labels.iter().map(network).collect(),
            sequences: Over {
                file: "x.csv".to_owned(),
                steps,
                shortest: steps,
                batch: 1,
            },
            nonlinearity: None,
            loss: HALF_SQUARED_NORM.to_owned(),
            record: Vec::new(),
        }
    }

    /// The files of a trace whose h and c fall by these decades per step.
    fn files(labels: &[&str], steps: usize, decades: [f64; 2]) -> BTreeMap<&'static str, String> {
        let with_label = labels.len() > 1;
        let mut rows = Vec::new();
        for label in labels {
            for (quantity, decades) in ["h", "c"].into_iter().zip(decades) {
                rows.extend((0..=steps).map(|t| {
                    TraceRow {
                        factors: with_label
                            .then(|| (*label).to_owned())
                            .into_iter()
                            .collect(),
                        layer: 0,
                        quantity: quantity.to_owned(),
                        t,
                        lag: steps - t,
                        log10_norm: -decades * (steps - t) as f64,
                    }
                }));
            }
        }
        let factors = with_label
            .then(|| "weights".to_owned())
            .into_iter()
            .collect();
        let request = serde_json::to_string(&request(labels, steps)).unwrap();
        [
            ("gradients.csv", Table { factors, rows }.to_csv()),
            ("trace.json", request),
        ]
        .into()
    }

    fn draw(files: &BTreeMap<&'static str, String>) -> Result<Vec<Figure>, FigureError> {
        draw_trace(&|name| files.get(name).cloned())
    }

    #[test]
    fn what_each_precision_would_print_as_zero_is_marked_where_it_happens() {
        let drawn = |decades| {
            let mut figures = draw(&files(&["w"], 400, decades)).unwrap();
            assert_eq!(figures.len(), 1);
            assert_eq!(figures[0].name, "gradients");
            figures.remove(0).svg
        };
        let deep = drawn([1.0, 0.1]);
        for text in [
            "At lag 400 the gradient of h is 10⁻⁴⁰⁰",
            "f32 prints 0 below 10⁻⁴⁵, f64 prints 0 below 10⁻³²⁴",
            "LSTM “rnn”, 1 layer, input 2, hidden 3",
        ] {
            assert!(deep.contains(text), "{text}");
        }
        // At lags 46 and 324; c never gets there.
        assert!(deep.contains(">\n46\n<") && deep.contains(">\n324\n<"));
        assert!(!drawn([0.1, 0.01]).contains("prints 0"));
        // Of lags beyond 1000 not all are drawn; 1077 is the first below 10^−323.6.
        let mut figures = draw(&files(&["w"], 2000, [0.3005, 0.01])).unwrap();
        assert!(figures.remove(0).svg.contains(">\n1077\n<"));
    }

    #[test]
    fn checkpoints_are_a_heat_map_named_by_what_they_share() {
        let figures = draw(&files(&["step-000", "step-050"], 20, [1.0, 0.5])).unwrap();
        assert_eq!(figures[0].name, "checkpoints");
        for text in [
            "At lag 20 the gradient of h goes from 10⁻²⁰ (step-000) to 10⁻²⁰ (step-050)",
            ">\nstep\n<",
            ">\n50\n<",
        ] {
            assert!(figures[0].svg.contains(text), "{text}");
        }
        let words = |names: &[&str]| axis_labels(names);
        assert_eq!(words(&["a1", "b2"]).1, "checkpoint");
        assert_eq!(
            words(&["7", "12"]),
            (vec!["7".into(), "12".into()], "checkpoint".into())
        );
    }

    #[test]
    fn what_is_no_folder_of_a_trace_is_said() {
        let mut without_table = files(&["w"], 3, [1.0, 1.0]);
        without_table.remove("gradients.csv");
        let refusal = draw(&without_table).unwrap_err().to_string();
        assert!(
            refusal.contains("gradients.csv, which is not there"),
            "{refusal}"
        );
        let mut damaged = files(&["w"], 3, [1.0, 1.0]);
        damaged.insert("trace.json", "{}".to_owned());
        let refusal = draw(&damaged).unwrap_err().to_string();
        assert!(refusal.contains("trace.json: missing field"), "{refusal}");
    }
}
