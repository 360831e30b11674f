//! `plane`: the fitted rate as a heat map over two factors, with the line on which the gradient
//! neither vanishes nor explodes: as measured, and as theory has it.

use super::FigureError;
use super::canvas::{Anchor, Dash, Stroke, draw_svg};
use super::chart::{
    self, Caption, ColourScale, Frame, HeatCell, MARGIN, Panel, Scale, bold_font, solid, text_font,
};
use super::data::{self, CellStyle, Group, Heading, LawKind, Request};
use super::factor_axis::FactorAxis;
use super::palette::{ColourMap, Rgb};
use super::{contour, labels, placement, ticks};
use crate::tables::{FitRow, Key, LawRow};

/// Panels that fit a page's width.
const MAX_PANELS: usize = 3;

/// The smallest rate, in nats per step, at which a colour is as strong as it gets: what is closer
/// to zero does not look like a regime.
const FAINTEST: f64 = 0.01;

/// The line of the measured rate 0.
const MEASURED: Stroke = Stroke {
    colour: Rgb::INK,
    width: 1.4,
    dash: Dash::Solid,
};

/// The line of the predicted rate 0.
const PREDICTED: Stroke = Stroke {
    colour: Rgb::INK,
    width: 1.4,
    dash: Dash::Dashed,
};

/// One heat map.
struct Map<'a> {
    style: &'a CellStyle,
    heading: Heading,
    x: FactorAxis,
    y: FactorAxis,
    /// Measured rates by value of x, then of y; `NaN` where a grid point has none.
    measured: Vec<Vec<f64>>,
    /// The same of theory.
    predicted: Vec<Vec<f64>>,
}

pub fn draw(request: &Request<'_>) -> Result<String, FigureError> {
    let mut fits = request.table(|row: &FitRow| &row.key)?;
    request.keep_quantity(&mut fits, |row| (&mut row.key, &mut row.quantity));
    let mut laws = request.table_if_stored(|row: &LawRow| &row.key)?;
    if let Some(laws) = &mut laws {
        request.keep_quantity(laws, |row| (&mut row.key, &mut row.quantity));
        laws.rows.retain(|law| LawKind::of(law) == LawKind::Theory);
    }
    let laws: Vec<&LawRow> = laws.iter().flat_map(|laws| &laws.rows).collect();
    let (x, x_key) = request.x(&fits)?;
    let (y, y_key) = request.y(&fits)?;
    let groups = data::by_point(&fits.rows, |row: &FitRow| &row.key);
    let all: Vec<Map<'_>> = request
        .cells
        .iter()
        .flat_map(|style| maps(style, (x, y), &fits.factors, &groups, &laws))
        .collect();
    if all.is_empty() {
        let title = request.title(|| "Nothing to draw".into());
        let reason = format!(
            "fits.csv has no rows of {} for values of both {x_key} and {y_key}.",
            request.quantity()
        );
        return Ok(chart::empty_figure(&title, &reason));
    }
    let headings: Vec<Heading> = all.iter().map(|map| map.heading.clone()).collect();
    let kept = placement::choose(all.len(), MAX_PANELS);
    let maps = all.into_iter().enumerate();
    let maps: Vec<Map<'_>> = maps
        .filter(|(index, _)| kept.contains(index))
        .map(|(_, map)| map)
        .collect();
    let names = [x_key, y_key].map(labels::factor_name);
    let theories = data::theories(&laws);
    let theory = theories.first().map(|theory| theory.label.as_str());
    let has_both = |key: &&Key| !key.factors[x].is_empty() && !key.factors[y].is_empty();
    let keys: Vec<&Key> = fits
        .rows
        .iter()
        .map(|row| &row.key)
        .filter(has_both)
        .collect();
    let counts = || fits.rows.iter().map(|row| row.n);
    let mean = match data::median_or_value(counts()) {
        "value" => "",
        _ => "mean over ",
    };
    let of = format!(
        "{mean}{}.{}",
        data::replicates(counts()),
        request.only(&fits.factors, &keys, &[])
    );
    Ok(render(request, &maps, &headings, &names, theory, &of))
}

/// The maps of one cell, one for every combination of the factors that are not on an axis.
fn maps<'a>(
    style: &'a CellStyle,
    (x, y): (usize, usize),
    names: &[String],
    groups: &[Group<'_, FitRow>],
    laws: &[&LawRow],
) -> Vec<Map<'a>> {
    let has_both = |key: &Key| !key.factors[x].is_empty() && !key.factors[y].is_empty();
    let points: Vec<&Group<'_, FitRow>> = groups
        .iter()
        .filter(|(key, _)| key.cell == style.label && has_both(key))
        .collect();
    let keys: Vec<&Key> = points.iter().map(|(key, _)| *key).collect();
    if keys.is_empty() {
        return Vec::new();
    }
    let others: Vec<usize> = data::varying(&keys)
        .into_iter()
        .filter(|&factor| factor != x && factor != y)
        .collect();
    data::combinations(&keys, &others)
        .into_iter()
        .map(|combination| {
            let points: Vec<&&Group<'_, FitRow>> = points
                .iter()
                .filter(|(key, _)| data::combination(key, &others) == combination)
                .collect();
            let keys: Vec<&Key> = points.iter().map(|(key, _)| *key).collect();
            let axes = [x, y].map(|factor| FactorAxis::new(data::values(&keys, factor)));
            let place = |key: &Key| {
                let index = |axis: &FactorAxis, factor: usize| {
                    let mut values = axis.values.iter();
                    values.position(|value| *value == key.factors[factor])
                };
                Some((index(&axes[0], x)?, index(&axes[1], y)?))
            };
            let none = vec![vec![f64::NAN; axes[1].values.len()]; axes[0].values.len()];
            let (mut measured, mut predicted) = (none.clone(), none);
            for (key, rows) in points {
                let Some((column, row)) = place(key) else {
                    continue;
                };
                if let Some(rate) = rows.first().and_then(|fit| fit.shown().rate) {
                    measured[column][row] = rate;
                }
                // The first law of a grid point is its prediction.
                if let Some(law) = laws.iter().find(|law| law.key == **key) {
                    predicted[column][row] = law.rate;
                }
            }
            let [x, y] = axes;
            Map {
                style,
                heading: Heading::new(&style.label, names, &others, &combination),
                x,
                y,
                measured,
                predicted,
            }
        })
        .collect()
}

impl Map<'_> {
    /// The coloured rectangles.
    fn cells(&self, scale: &ColourScale) -> Vec<HeatCell> {
        let (x, y) = (self.x.borders(), self.y.borders());
        let mut cells = Vec::new();
        for (column, rates) in self.measured.iter().enumerate() {
            for (row, &rate) in rates.iter().enumerate() {
                cells.push(HeatCell {
                    x: (x[column], x[column + 1]),
                    y: (y[row], y[row + 1]),
                    colour: scale.colour(rate),
                });
            }
        }
        cells
    }

    /// Where these rates are zero between neighbouring numbers of both factors.
    fn zero_lines(&self, rates: &[Vec<f64>]) -> Vec<Vec<(f64, f64)>> {
        let numbers = |axis: &FactorAxis| axis.positions()[..axis.numbers()].to_vec();
        let (x, y) = (numbers(&self.x), numbers(&self.y));
        contour::zero_lines(&x, &y, |column, row| rates[column][row])
    }
}

/// The ends of an axis: the outer borders of its cells.
fn ends(axis: &FactorAxis) -> (f64, f64) {
    match axis.borders().as_slice() {
        [first, .., last] => (*first, *last),
        _ => (0.0, 1.0),
    }
}

fn render(
    request: &Request<'_>,
    maps: &[Map<'_>],
    headings: &[Heading],
    names: &[String; 2],
    theory: Option<&str>,
    of: &str,
) -> String {
    let rates = || maps.iter().flat_map(|map| map.measured.iter().flatten());
    let finite = || rates().copied().filter(|rate| rate.is_finite());
    let scale = ColourScale {
        map: ColourMap::DIVERGING,
        low: finite().fold(-FAINTEST, f64::min),
        high: finite().fold(FAINTEST, f64::max),
        middle: 0.0,
    };
    let mut notes = Vec::new();
    notes.extend(data::panels_note(request, maps.len(), headings));
    let missing = rates().count() - finite().count();
    if missing > 0 {
        notes.push(format!(
            "Grey: {} without a rate (too few lags that are not exactly zero).",
            labels::count(missing, "grid point")
        ));
    }
    let width = match maps.len() {
        1 => 560.0,
        2 => 700.0,
        _ => 880.0,
    };
    let subtitle = format!(
        "Gradient of {}: colour is the rate λ (nats per step), {of}",
        request.quantity()
    );
    let mut legend = Vec::new();
    if maps
        .iter()
        .any(|map| !map.zero_lines(&map.measured).is_empty())
    {
        legend.push((MEASURED, "λ = 0, measured".to_owned()));
    }
    if let Some(theory) = theory
        && maps
            .iter()
            .any(|map| !map.zero_lines(&map.predicted).is_empty())
    {
        legend.push((PREDICTED, format!("{theory} = 0, theory")));
    }
    let title = request.title(|| title(maps, names));
    let caption = Caption::new(width, &title, &subtitle, &notes).with_legend(legend);

    let y_ticks: Vec<_> = maps.iter().map(|map| map.y.marks()).collect();
    let tick_width = y_ticks
        .iter()
        .map(|ticks| chart::widest(ticks, chart::TEXT))
        .fold(0.0, f64::max);
    const HEIGHT: f64 = 320.0;
    let (low, high) = (scale.low, scale.high);
    let marks = ticks::linear(low, high, 7);
    let bar_ticks = chart::with_ends(marks, (low, high), HEIGHT, labels::concise);
    let bar_label_width = chart::widest(&bar_ticks, chart::SMALL);
    const GAP: f64 = 30.0;
    const BAR: f64 = 13.0;
    let left = MARGIN + 20.0 + tick_width + 7.0;
    let right = width - MARGIN - bar_label_width - 8.0 - BAR - GAP;
    let plot_width = ((right - left - GAP * (maps.len() - 1) as f64) / maps.len() as f64).max(60.0);
    let top = caption.top() + 24.0;
    let bottom = top + HEIGHT;
    let below = maps
        .iter()
        .map(|map| {
            let (low, high) = ends(&map.x);
            map.x.height(&Scale::new(low, high, 0.0, plot_width))
        })
        .fold(0.0, f64::max);
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
            let panel = Panel::new(frame, ends(&map.x), ends(&map.y));
            panel.heat_map(canvas, &map.cells(&scale));
            for (rates, stroke) in [(&map.measured, MEASURED), (&map.predicted, PREDICTED)] {
                for line in map.zero_lines(rates) {
                    panel.line(canvas, &line, solid(Rgb::WHITE, 2.8));
                    panel.line(canvas, &line, stroke);
                }
            }
            panel.y_axis(canvas, &y_ticks[index], index == 0);
            map.x.draw(canvas, &panel, &names[0]);
            let font = bold_font(map.style.colour.mix(Rgb::BLACK, 0.1));
            let heading = map.heading.text();
            canvas.text((start, top - 12.0), Anchor::Start, &heading, font);
        }
        let bar = Frame {
            left: width - MARGIN - bar_label_width - 8.0 - BAR,
            right: width - MARGIN - bar_label_width - 8.0,
            top,
            bottom,
        };
        scale.bar(canvas, bar, (scale.low, scale.high), &bar_ticks);
        let middle = (MARGIN + 5.0, 0.5 * (top + bottom));
        canvas.text_upwards(middle, &names[1], text_font(Rgb::INK));
    })
}

/// The extremes of each map, with their places.
fn title(maps: &[Map<'_>], names: &[String; 2]) -> String {
    let parts = maps.iter().filter_map(|map| {
        let points = || {
            let columns = map.measured.iter().zip(&map.x.values);
            let points = columns.flat_map(|(rates, x)| {
                let rates = rates.iter().zip(&map.y.values);
                rates.map(move |(rate, y)| (*rate, x, y))
            });
            points.filter(|(rate, ..)| rate.is_finite())
        };
        let lowest = points().min_by(|a, b| a.0.total_cmp(&b.0))?;
        let highest = points().max_by(|a, b| a.0.total_cmp(&b.0))?;
        let at = |(rate, x, y): (f64, &String, &String)| {
            let (x, y) = (labels::factor_value(x), labels::factor_value(y));
            let rate = labels::concise(rate);
            format!("{rate} ({} {x}, {} {y})", names[0], names[1])
        };
        Some(format!(
            "{}: rates from {} to {}",
            map.heading.text(),
            at(lowest),
            at(highest)
        ))
    });
    let parts: Vec<String> = parts.collect();
    if parts.is_empty() {
        return "No rate could be fitted".into();
    }
    parts.join("; ")
}
