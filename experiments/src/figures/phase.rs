//! `phase`: the gradient as a heat map over a factor and lag, with the line on which it neither
//! vanishes nor explodes.

use super::FigureError;
use super::canvas::{Anchor, Dash, Stroke, draw_svg};
use super::chart::{
    self, Caption, ColourScale, Frame, HeatCell, MARGIN, Panel, Scale, bold_font, runs, solid,
    text_font,
};
use super::data::{self, CellStyle, Group, Heading, Request};
use super::factor_axis::{self, FactorAxis};
use super::palette::{ColourMap, Rgb};
use super::{contour, labels, placement, ticks};
use crate::tables::{CurveRow, Key};

/// Panels that fit a page's width.
const MAX_PANELS: usize = 3;

/// log₁₀ of a ratio that may be 10⁰ for all one can see.
const NOISE: f64 = 0.3;

/// One heat map.
struct Map<'a> {
    style: &'a CellStyle,
    heading: Heading,
    axis: FactorAxis,
    lags: Vec<usize>,
    /// Medians by factor value, then lag; `NaN` where a grid point has none.
    medians: Vec<Vec<f64>>,
}

pub fn draw(request: &Request<'_>) -> Result<String, FigureError> {
    let mut table = request.table(|row: &CurveRow| &row.key)?;
    request.keep_quantity(&mut table, |row| (&mut row.key, &mut row.quantity));
    let quantity = request.quantity();
    let (x, x_key) = request.x(&table)?;
    let groups = data::by_point(&table.rows, |row: &CurveRow| &row.key);
    let all: Vec<Map<'_>> = request
        .cells
        .iter()
        .flat_map(|style| maps(style, x, &table.factors, &groups))
        .collect();
    if all.is_empty() {
        let title = request.title(|| "Nothing to draw".into());
        let reason =
            format!("curves.csv has no rows of {quantity} for different values of {x_key}.");
        return Ok(chart::empty_figure(&title, &reason));
    }
    let headings: Vec<Heading> = all.iter().map(|map| map.heading.clone()).collect();
    let kept = placement::choose(all.len(), MAX_PANELS);
    let maps: Vec<Map<'_>> = all
        .into_iter()
        .enumerate()
        .filter(|(index, _)| kept.contains(index))
        .map(|(_, map)| map)
        .collect();
    let shown = groups.iter().filter(|(key, _)| !key.factors[x].is_empty());
    let keys: Vec<&Key> = shown.clone().map(|(key, _)| *key).collect();
    let only = request.only(&table.factors, &keys, &[]);
    let counts = shown.flat_map(|(_, rows)| rows.iter().map(|row| row.n));
    let name = labels::factor_name(x_key);
    Ok(render(request, &maps, &headings, &name, counts, &only))
}

fn maps<'a>(
    style: &'a CellStyle,
    x: usize,
    names: &[String],
    groups: &[Group<'_, CurveRow>],
) -> Vec<Map<'a>> {
    let points: Vec<&Group<'_, CurveRow>> = groups
        .iter()
        .filter(|(key, _)| key.cell == style.label && !key.factors[x].is_empty())
        .collect();
    let keys: Vec<&Key> = points.iter().map(|(key, _)| *key).collect();
    if keys.is_empty() {
        return Vec::new();
    }
    let others: Vec<usize> = data::varying(&keys)
        .into_iter()
        .filter(|&factor| factor != x)
        .collect();
    data::combinations(&keys, &others)
        .into_iter()
        .map(|combination| {
            let points: Vec<&&Group<'_, CurveRow>> = points
                .iter()
                .filter(|(key, _)| data::combination(key, &others) == combination)
                .collect();
            let keys: Vec<&Key> = points.iter().map(|(key, _)| *key).collect();
            let axis = FactorAxis::new(data::values(&keys, x));
            let mut lags: Vec<usize> = points
                .iter()
                .flat_map(|(_, rows)| rows.iter().map(|row| row.lag))
                .collect();
            lags.sort_unstable();
            lags.dedup();
            // Where the axis is the number of steps, the last lag of a column may lie between those at
            // which a longer one is stored, which would have a gap there.
            lags.retain(|lag| {
                let mut rows = points.iter().map(|(_, rows)| rows);
                rows.all(|rows| {
                    let is_beyond = rows.last().is_none_or(|row| row.lag < *lag);
                    is_beyond || rows.binary_search_by_key(lag, |row| row.lag).is_ok()
                })
            });
            let mut medians = vec![vec![f64::NAN; lags.len()]; axis.values.len()];
            for (key, rows) in points {
                let column = axis
                    .values
                    .iter()
                    .position(|value| *value == key.factors[x]);
                for row in rows {
                    if let (Some(column), Ok(lag)) = (column, lags.binary_search(&row.lag)) {
                        medians[column][lag] = row.median;
                    }
                }
            }
            Map {
                style,
                heading: Heading::new(&style.label, names, &others, &combination),
                axis,
                lags,
                medians,
            }
        })
        .collect()
}

fn render(
    request: &Request<'_>,
    maps: &[Map<'_>],
    headings: &[Heading],
    name: &str,
    counts: impl Iterator<Item = usize> + Clone,
    only: &str,
) -> String {
    let finite = || {
        maps.iter()
            .flat_map(|map| map.medians.iter().flatten().copied())
            .filter(|value| value.is_finite())
    };
    // At least a decade on both sides of 10⁰, so that noise about it does not look like a regime.
    let scale = ColourScale {
        map: ColourMap::DIVERGING,
        low: finite().fold(-1.0, f64::min),
        high: finite().fold(1.0, f64::max),
        middle: 0.0,
    };
    let zeros = maps
        .iter()
        .flat_map(|map| map.medians.iter().flatten())
        .filter(|value| **value == f64::NEG_INFINITY)
        .count();
    let middle = data::median_or_value(counts.clone());
    let mut notes = Vec::new();
    notes.extend(data::panels_note(request, maps.len(), headings));
    if zeros > 0 {
        notes.push(format!(
            "Grey: {} where the {middle} is exactly zero.",
            labels::count(zeros, "point")
        ));
    }
    let width = match maps.len() {
        1 => 560.0,
        2 => 700.0,
        _ => 880.0,
    };
    let title = request.title(|| title(maps, name));
    let has_line = maps.iter().any(|map| !map.balance().is_empty());
    let n = data::replicates(counts);
    let median = if middle == "value" { "" } else { "Median of " };
    let subtitle = format!(
        "{median}{n}. Colour: {}{}{only}",
        labels::ratio_name(request.quantity()),
        if has_line {
            "; the line is 10⁰."
        } else {
            "."
        }
    );
    let caption = Caption::new(width, &title, &subtitle, &notes);

    let last_lag = maps.iter().filter_map(|map| map.lags.last()).max();
    let y_high = last_lag.map_or(1.0, |&lag| lag as f64 + 0.5);
    let y_ticks = ticks::whole(0.0, y_high, 6);
    let tick_width = y_ticks
        .iter()
        .map(|tick| labels::width(&tick.label, chart::TEXT))
        .fold(0.0, f64::max);
    let shown = (finite().fold(0.0, f64::min), finite().fold(0.0, f64::max));
    let shown = if shown.0 < shown.1 {
        shown
    } else {
        (-1.0, 1.0)
    };
    const HEIGHT: f64 = 280.0;
    let bar_ticks = chart::bar_ticks(shown, HEIGHT);
    let bar_label_width = bar_ticks
        .iter()
        .map(|tick| labels::width(&tick.label, chart::SMALL))
        .fold(0.0, f64::max);
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
            map.axis
                .height(&Scale::new(map.range().0, map.range().1, 0.0, plot_width))
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
            let borders = map.axis.borders();
            let panel = Panel::new(frame, map.range(), (-0.5, y_high));
            panel.heat_map(canvas, &map.cells(&borders, &scale));
            for line in map.balance() {
                panel.line(canvas, &line, solid(Rgb::WHITE, 2.6));
                let stroke = Stroke {
                    colour: Rgb::INK,
                    width: 1.3,
                    dash: Dash::Solid,
                };
                panel.line(canvas, &line, stroke);
            }
            panel.y_axis(canvas, &y_ticks, index == 0);
            map.axis.draw(canvas, &panel, name);
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
        scale.bar(canvas, bar, shown, &bar_ticks);
        let middle = (MARGIN + 5.0, 0.5 * (top + bottom));
        canvas.text_upwards(middle, "lag k = T − t (steps)", text_font(Rgb::INK));
    })
}

impl Map<'_> {
    /// The ends of the x-axis: the outer borders of its cells.
    fn range(&self) -> (f64, f64) {
        match self.axis.borders().as_slice() {
            [first, .., last] => (*first, *last),
            _ => (0.0, 1.0),
        }
    }

    /// The coloured rectangles; equal neighbours in lag are one.
    fn cells(&self, borders: &[f64], scale: &ColourScale) -> Vec<HeatCell> {
        let lags: Vec<f64> = self.lags.iter().map(|&lag| lag as f64).collect();
        let lag_borders = factor_axis::borders(&lags);
        let mut cells = Vec::new();
        for (column, medians) in self.medians.iter().enumerate() {
            let colours: Vec<Rgb> = medians.iter().map(|&value| scale.colour(value)).collect();
            for (from, to, colour) in runs(&colours) {
                cells.push(HeatCell {
                    x: (borders[column], borders[column + 1]),
                    y: (
                        lag_borders[from].max(-0.5),
                        lag_borders[to].min(lags[lags.len() - 1] + 0.5),
                    ),
                    colour,
                });
            }
        }
        cells
    }

    /// Where the ratio is 1 on the way between neighbouring numbers of the factor, and between
    /// neighbouring lags: the whole contour, as lines.
    fn balance(&self) -> Vec<Vec<(f64, f64)>> {
        let numbers = self.axis.numbers();
        // At lag 0 the gradient is 1 by definition.
        let first = usize::from(self.lags.first() == Some(&0));
        let lags: Vec<f64> = self.lags[first..].iter().map(|&lag| lag as f64).collect();
        let medians = |column: usize, lag: usize| self.medians[column][first + lag];
        let mut lines = contour::zero_lines(&self.axis.positions()[..numbers], &lags, medians);
        // A shorter piece is where two noisy medians touch, not a border between regimes.
        let shortest = 0.05 * lags.last().map_or(0.0, |last| last - lags[0]);
        lines.retain(|line| {
            let ends = |(low, high): (f64, f64), at: &(f64, f64)| (low.min(at.1), high.max(at.1));
            let (low, high) = line.iter().fold((f64::INFINITY, f64::NEG_INFINITY), ends);
            high - low >= shortest
        });
        lines
    }

    /// Where the ratio passes 1 at the last lag, if it does so once, and how far the values are apart
    /// that it lies between.
    fn passage(&self) -> Option<(f64, f64)> {
        let at_end: Vec<f64> = self.medians[..self.axis.numbers()]
            .iter()
            .filter_map(|medians| medians.last().copied())
            .collect();
        let crossings = at_end.windows(2).enumerate().filter_map(|(column, pair)| {
            let from = self.axis.positions()[column];
            let to = self.axis.positions()[column + 1];
            let place = contour::zero_between((from, pair[0]), (to, pair[1]))?;
            Some((place, to - from))
        });
        let crossings: Vec<(f64, f64)> = crossings.collect();
        match crossings.as_slice() {
            [only] => Some(*only),
            _ => None,
        }
    }
}

fn title(maps: &[Map<'_>], name: &str) -> String {
    let last_lag = maps.iter().filter_map(|map| map.lags.last()).max();
    let Some(&lag) = last_lag else {
        return "Nothing to draw".into();
    };
    let parts: Vec<String> = maps
        .iter()
        .filter_map(|map| {
            let at_end = |column: usize| map.medians.get(column)?.last().copied();
            let last = map.axis.values.len().checked_sub(1)?;
            // A passage that is more than noise about 10⁰.
            let (start, end) = (at_end(0)?, at_end(last)?);
            let passage = map
                .passage()
                .filter(|_| start < -NOISE && end > NOISE && map.lags.last() == Some(&lag));
            Some(match passage {
                Some((x, spacing)) => format!(
                    "passes 10⁰ at {name} {} ({})",
                    labels::place_between(x, spacing),
                    map.heading.text()
                ),
                None if last == 0 => format!(
                    "is {} at {name} {} ({})",
                    labels::approximate_power(start),
                    labels::factor_value(&map.axis.values[0]),
                    map.heading.text()
                ),
                None => format!(
                    "is {} at {name} {} and {} at {} ({})",
                    labels::approximate_power(start),
                    labels::factor_value(&map.axis.values[0]),
                    labels::approximate_power(end),
                    labels::factor_value(&map.axis.values[last]),
                    map.heading.text()
                ),
            })
        })
        .collect();
    format!(
        "At lag {} the gradient {}",
        labels::thousands(lag),
        parts.join(", ")
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::figures::palette;

    /// The last lag of the shorter sequences, 150, is not among those at which the longer are stored.
    #[test]
    fn a_map_over_steps_has_no_gaps() {
        let point = |value: &str, lags: [usize; 3]| {
            let key = Key {
                cell: "lstm".to_owned(),
                factors: vec![value.to_owned()],
            };
            lags.map(|lag| CurveRow {
                key: key.clone(),
                quantity: "h".to_owned(),
                lag,
                median: -(lag as f64),
                q25: -(lag as f64),
                q75: -(lag as f64),
                min: -(lag as f64),
                max: -(lag as f64),
                n: 1,
            })
        };
        let rows = [point("150", [0, 100, 150]), point("200", [0, 100, 200])].concat();
        let groups = data::by_point(&rows, |row: &CurveRow| &row.key);
        let style = CellStyle {
            label: "lstm".to_owned(),
            colour: palette::cell_colours(&["lstm"])[0],
            hidden: 4,
            logistic_unit: None,
        };
        let maps = maps(&style, 0, &["sequence.steps".to_owned()], &groups);
        assert_eq!(maps[0].lags, [0, 100, 200]);
        assert_eq!(maps[0].medians[1], [0.0, -100.0, -200.0]);
        assert!(maps[0].medians[0][2].is_nan(), "beyond its end");
    }
}
