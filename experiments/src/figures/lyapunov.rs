//! `lyapunov`: the exponents of each cell against their place in the spectrum, and how the largest one
//! converges.

use decay_analysis::ROUNDING;

use super::FigureError;
use super::canvas::{Anchor, Dash, Stroke, draw_svg};
use super::chart::{
    self, Caption, EndLabel, Frame, MARGIN, Panel, bold_font, padded_range, solid, text_font,
};
use super::data::{self, CellStyle, Group, Request};
use super::palette::{self, Rgb};
use super::{labels, ticks};
use crate::tables::{Key, LyapunovMeanRow, LyapunovRow};

/// One cell: a line for each of its grid points.
struct Column<'a> {
    heading: String,
    colour: Rgb,
    lines: Vec<Line<'a>>,
}

struct Line<'a> {
    key: &'a Key,
    /// What tells it apart from the cell's other lines.
    label: String,
    colour: Rgb,
    /// λ_1 first.
    spectrum: Vec<&'a LyapunovRow>,
    /// λ_1 by step.
    largest: Vec<&'a LyapunovMeanRow>,
}

pub fn draw(request: &Request<'_>) -> Result<String, FigureError> {
    let table = request.table(|row: &LyapunovRow| &row.key)?;
    let means = request.table_if_stored(|row: &LyapunovMeanRow| &row.key)?;
    let means = means.map_or_else(Vec::new, |table| table.rows);
    let groups = data::by_point(&table.rows, |row: &LyapunovRow| &row.key);
    let columns: Vec<Column<'_>> = request
        .cells
        .iter()
        .filter_map(|style| Column::new(style, &table.factors, &groups, &means))
        .collect();
    if columns.is_empty() {
        let title = request.title(|| "Nothing to draw".into());
        let reason = "lyapunov.csv has no rows for this figure.";
        return Ok(chart::empty_figure(&title, reason));
    }
    let lines = columns.iter().flat_map(|column| &column.lines);
    let keys: Vec<&Key> = lines.map(|line| line.key).collect();
    let only = request.only(&table.factors, &keys, &[]);
    Ok(render(request, &columns, &only))
}

impl<'a> Column<'a> {
    fn new(
        style: &CellStyle,
        names: &[String],
        groups: &[Group<'a, LyapunovRow>],
        means: &'a [LyapunovMeanRow],
    ) -> Option<Self> {
        let own: Vec<&Group<'a, LyapunovRow>> = groups
            .iter()
            .filter(|(key, _)| key.cell == style.label)
            .collect();
        let keys: Vec<&Key> = own.iter().map(|(key, _)| *key).collect();
        let factors = data::varying(&keys);
        let combinations = data::combinations(&keys, &factors);
        let colours = palette::shades(style.colour, combinations.len());
        let lines = combinations
            .iter()
            .zip(colours)
            .filter_map(|(combination, colour)| {
                let has = |key: &Key| data::combination(key, &factors) == *combination;
                let (key, rows) = own.iter().find(|(key, _)| has(key))?;
                let mut spectrum = rows.clone();
                spectrum.sort_by_key(|row| row.index);
                let largest = means
                    .iter()
                    .filter(|row| row.key == **key && row.index == 1);
                Some(Line {
                    key,
                    label: match (factors.len(), combination.first()) {
                        (1, Some(value)) => labels::factor_value(value),
                        _ => data::describe(names, &factors, combination),
                    },
                    colour,
                    spectrum,
                    largest: largest.collect(),
                })
            });
        let lines: Vec<Line<'a>> = lines.collect();
        let heading = match factors[..] {
            [factor] => format!(
                "{}, by {}",
                style.label,
                labels::factor_name(&names[factor])
            ),
            _ => style.label.clone(),
        };
        (!lines.is_empty()).then_some(Column {
            heading,
            colour: style.colour,
            lines,
        })
    }
}

fn render(request: &Request<'_>, columns: &[Column<'_>], only: &str) -> String {
    let lines = || columns.iter().flat_map(|column| &column.lines);
    let rows = || lines().flat_map(|line| &line.spectrum);
    let n = data::replicates(rows().map(|row| row.n));
    let (median, band) = match data::median_or_value(rows().map(|row| row.n)) {
        "value" => (String::new(), ""),
        _ => (format!(" (median of {n})"), ", band: quartiles"),
    };
    let subtitle = format!(
        "Lyapunov exponents λ of the whole state s, first sequence{median}. Above: the i-th of S against i/S, S exponents \
         in all. Below: λ₁ as the mean over the steps up to t, after a transient{band}.{only}"
    );
    let lost = rows().filter(|row| row.median == f64::NEG_INFINITY).count();
    let notes: Vec<String> = (lost > 0)
        .then(|| {
            format!(
                "{} of −∞, dimensions that are lost: gaps.",
                labels::count(lost, "exponent")
            )
        })
        .into_iter()
        .collect();
    let width = [460.0, 760.0, 940.0][columns.len().clamp(1, 3) - 1];
    let title = request.title(|| title(columns));
    let caption = Caption::new(width, &title, &subtitle, &notes);

    let range = padded_range(rows().map(|row| row.median).chain([0.0]), 0.04);
    let steps = || lines().flat_map(|line| &line.largest);
    let largest = steps().flat_map(|row| [row.q25, row.q75]);
    let largest_range = padded_range(largest.chain([0.0]), 0.06);
    let last = steps().map(|row| row.t).max().unwrap_or(1) as f64;
    let y_ticks = ticks::linear(range.0, range.1, 6);
    let largest_ticks = ticks::linear(largest_range.0, largest_range.1, 5);
    let longest =
        chart::widest(&y_ticks, chart::TEXT).max(chart::widest(&largest_ticks, chart::TEXT));
    let label_width = lines().map(|line| 6.3 * line.label.chars().count() as f64 + 14.0);
    let label_width = label_width.fold(26.0, f64::max);
    const GAP: f64 = 10.0;
    let left = MARGIN + 20.0 + longest + 8.0;
    let each = (width - MARGIN - left + GAP) / columns.len() as f64 - GAP;
    let top = caption.top() + 26.0;
    let bottom = top + 250.0;
    let (lower_top, lower_bottom) = (bottom + 62.0, bottom + 212.0);
    let height = lower_bottom + 40.0 + caption.bottom();
    let places = ticks::linear(0.0, 1.0, 4);
    let times = ticks::whole(0.0, last, if columns.len() == 1 { 6 } else { 3 });
    let zero = Stroke {
        dash: Dash::Dashed,
        ..solid(Rgb::INK, 0.7)
    };

    draw_svg(width, height, |canvas| {
        caption.draw(canvas, height);
        for (index, column) in columns.iter().enumerate() {
            let start = left + (each + GAP) * index as f64;
            let frame = |top, bottom| Frame {
                left: start,
                right: start + each - label_width,
                top,
                bottom,
            };
            let upper = Panel::new(frame(top, bottom), (0.0, 1.0), range);
            upper.grid(canvas, &y_ticks);
            upper.rule(canvas, 0.0, zero);
            let mut ends = Vec::new();
            for line in &column.lines {
                let size = line.spectrum.len() as f64;
                let at = |row: &LyapunovRow| row.index as f64 / size;
                let band: Vec<(f64, f64, f64)> = line
                    .spectrum
                    .iter()
                    .map(|row| (at(row), row.q25, row.q75))
                    .collect();
                upper.band(canvas, &band, line.colour);
                let points: Vec<(f64, f64)> = line
                    .spectrum
                    .iter()
                    .map(|row| (at(row), row.median))
                    .collect();
                upper.line(canvas, &points, solid(line.colour, 1.6));
                let mut finite = points.iter().rev().filter(|(_, y)| y.is_finite());
                ends.extend(finite.next().map(|(_, at)| EndLabel {
                    at: *at,
                    text: line.label.clone(),
                    colour: palette::readable(line.colour),
                }));
            }
            upper.end_labels(canvas, &ends);
            upper.y_axis(canvas, &y_ticks, index == 0);
            upper.x_axis(canvas, &places, true);

            let lower = Panel::new(frame(lower_top, lower_bottom), (0.0, last), largest_range);
            lower.grid(canvas, &largest_ticks);
            lower.rule(canvas, 0.0, zero);
            let mut ends = Vec::new();
            for line in &column.lines {
                let at = |row: &LyapunovMeanRow| row.t as f64;
                let means = line.largest.iter();
                let band: Vec<(f64, f64, f64)> = means
                    .clone()
                    .map(|row| (at(row), row.q25, row.q75))
                    .collect();
                lower.band(canvas, &band, line.colour);
                let points: Vec<(f64, f64)> = means.map(|row| (at(row), row.median)).collect();
                lower.line(canvas, &points, solid(line.colour, 1.4));
                ends.extend(points.last().map(|(_, at)| EndLabel {
                    at: *at,
                    text: line.label.clone(),
                    colour: palette::readable(line.colour),
                }));
            }
            lower.end_labels(canvas, &ends);
            lower.y_axis(canvas, &largest_ticks, index == 0);
            lower.x_axis(canvas, &times, true);

            let font = bold_font(column.colour.mix(Rgb::BLACK, 0.1));
            canvas.text((start, top - 13.0), Anchor::Start, &column.heading, font);
            let middle = 0.5 * (start + start + each - label_width);
            let ink = text_font(Rgb::INK);
            canvas.text((middle, bottom + 32.0), Anchor::Middle, "i / S", ink);
            canvas.text((middle, lower_bottom + 32.0), Anchor::Middle, "step t", ink);
        }
        let ink = text_font(Rgb::INK);
        let x = MARGIN + 5.0;
        canvas.text_upwards((x, 0.5 * (top + bottom)), "λ (nats per step)", ink);
        canvas.text_upwards((x, 0.5 * (lower_top + lower_bottom)), "λ₁ up to t", ink);
    })
}

/// Between which points each cell's largest exponent lies, and whether it is positive anywhere.
fn title(columns: &[Column<'_>]) -> String {
    let parts: Vec<String> = columns
        .iter()
        .filter_map(|column| {
            let largest = column.lines.iter().filter_map(|line| {
                let first = line.spectrum.first()?;
                Some(first.median)
            });
            let (low, high) = largest.fold((f64::INFINITY, f64::NEG_INFINITY), |(low, high), l| {
                (low.min(l), high.max(l))
            });
            let cell = &column.lines.first()?.key.cell;
            let number = |value: f64| {
                if value == f64::NEG_INFINITY {
                    "−∞".to_owned()
                } else if value.abs() < ROUNDING {
                    // Whatever its sign, it is rounding that has left it.
                    "0".to_owned()
                } else {
                    format!("{value:+.3}").replace('-', "−")
                }
            };
            Some(if high - low < ROUNDING || low == high {
                format!("{} ({cell})", number(low))
            } else {
                format!("{} to {} ({cell})", number(low), number(high))
            })
        })
        .collect();
    format!("Largest Lyapunov exponent: {}", parts.join(", "))
}
