//! `unit-gradient`: the gradient unit by unit, as a heat map over unit and lag, and the distribution
//! over units below it on the same axis.

use super::FigureError;
use super::canvas::{Anchor, draw_svg};
use super::chart::{
    self, Caption, ColourScale, Frame, HeatCell, MARGIN, Panel, bold_font, padded_range, runs,
    solid, text_font,
};
use super::data::{self, Heading, PointPanel, Request};
use super::factor_axis;
use super::palette::{ColourMap, Rgb};
use super::{labels, placement, ticks};
use crate::tables::{Key, UnitGradientRow, UnitQuantileRow};

/// Rows of a heat map; more units than these are thinned evenly.
const MAX_UNITS: usize = 64;

/// The units of one grid point.
struct Units<'a, 'b> {
    panel: PointPanel<'a, 'b, UnitQuantileRow>,
    lags: Vec<usize>,
    /// The drawn units, the one that keeps most of its gradient first; values by lag.
    map: Vec<Vec<f64>>,
    count: usize,
}

pub fn draw(request: &Request<'_>) -> Result<String, FigureError> {
    let mut gradients = request.table(|row: &UnitGradientRow| &row.key)?;
    let mut quantiles = request.table(|row: &UnitQuantileRow| &row.key)?;
    request.keep_quantity(&mut gradients, |row| (&mut row.key, &mut row.quantity));
    request.keep_quantity(&mut quantiles, |row| (&mut row.key, &mut row.quantity));
    let quantity = request.quantity();
    let groups = data::by_point(&quantiles.rows, |row: &UnitQuantileRow| &row.key);
    let (panels, headings) = data::panels(request, &quantiles.factors, &groups);
    if panels.is_empty() {
        let title = request.title(|| "Nothing to draw".into());
        let reason = format!("unit-quantiles.csv has no rows of {quantity} for this figure.");
        return Ok(chart::empty_figure(&title, &reason));
    }
    let units: Vec<Units<'_, '_>> = panels
        .into_iter()
        .map(|panel| {
            let rows: Vec<&UnitGradientRow> = gradients
                .rows
                .iter()
                .filter(|row| row.key == *panel.key)
                .collect();
            Units::new(panel, &rows)
        })
        .collect();
    let keys: Vec<&Key> = units.iter().map(|units| units.panel.key).collect();
    let only = request.only(&quantiles.factors, &keys, &[]);
    Ok(render(request, &units, &headings, &only))
}

impl<'a, 'b> Units<'a, 'b> {
    fn new(panel: PointPanel<'a, 'b, UnitQuantileRow>, rows: &[&UnitGradientRow]) -> Self {
        let mut lags: Vec<usize> = rows.iter().map(|row| row.lag).collect();
        lags.sort_unstable();
        lags.dedup();
        let count = rows.iter().map(|row| row.unit + 1).max().unwrap_or(0);
        let mut map = vec![vec![f64::NAN; lags.len()]; count];
        for row in rows {
            if let Ok(lag) = lags.binary_search(&row.lag) {
                map[row.unit][lag] = row.log10_ratio;
            }
        }
        // By what is left over the last half, where fast units and deaf ones have parted; an exact
        // zero is below everything.
        let kept = |values: &Vec<f64>| values[values.len() / 2..].iter().sum::<f64>();
        map.sort_by(|a, b| kept(b).total_cmp(&kept(a)));
        let map = placement::choose(count, MAX_UNITS)
            .into_iter()
            .map(|place| std::mem::take(&mut map[place]))
            .collect();
        Units {
            panel,
            lags,
            map,
            count,
        }
    }

    fn cells(&self, scale: &ColourScale) -> Vec<HeatCell> {
        let lags: Vec<f64> = self.lags.iter().map(|&lag| lag as f64).collect();
        let borders = factor_axis::borders(&lags);
        let mut cells = Vec::new();
        for (place, values) in self.map.iter().enumerate() {
            let bottom = (self.map.len() - 1 - place) as f64;
            let colours: Vec<Rgb> = values.iter().map(|&value| scale.colour(value)).collect();
            for (from, to, colour) in runs(&colours) {
                cells.push(HeatCell {
                    x: (borders[from], borders[to]),
                    y: (bottom, bottom + 1.0),
                    colour,
                });
            }
        }
        cells
    }

    /// The quantiles of one kind by lag.
    fn line(&self, of: impl Fn(&UnitQuantileRow) -> f64) -> Vec<(f64, f64)> {
        let rows = self.panel.rows.iter();
        rows.map(|row| (row.lag as f64, of(row))).collect()
    }

    fn band(
        &self,
        low: impl Fn(&UnitQuantileRow) -> f64,
        high: impl Fn(&UnitQuantileRow) -> f64,
    ) -> Vec<(f64, f64, f64)> {
        let rows = self.panel.rows.iter();
        rows.map(|row| (row.lag as f64, low(row), high(row)))
            .collect()
    }
}

fn render(
    request: &Request<'_>,
    units: &[Units<'_, '_>],
    headings: &[Heading],
    only: &str,
) -> String {
    let quantity = request.quantity();
    let mapped = || units.iter().flat_map(|units| units.map.iter().flatten());
    let rows = || units.iter().flat_map(|units| units.panel.rows.iter());
    let drawn = rows().flat_map(|row| [row.min, row.max]);
    let finite = || mapped().copied().filter(|value| value.is_finite());
    let low = finite().fold(0.0, f64::min);
    let high = finite().fold(f64::NEG_INFINITY, f64::max).max(low + 1.0);
    let scale = ColourScale {
        map: ColourMap::SEQUENTIAL,
        low,
        high,
        middle: 0.5 * (low + high),
    };
    let mut notes: Vec<String> = data::panels_note(request, units.len(), headings)
        .into_iter()
        .collect();
    if let Some(thinned) = units.iter().find(|units| units.map.len() < units.count) {
        notes.push(format!(
            "{} of {} units are mapped ({}).",
            thinned.map.len(),
            thinned.count,
            thinned.panel.heading
        ));
    }
    let zeros = mapped()
        .filter(|value| **value == f64::NEG_INFINITY)
        .count();
    let silent = rows().map(|row| row.zero_fraction).fold(0.0, f64::max);
    if zeros > 0 || silent > 0.0 {
        notes.push(format!(
            "Grey: {} where a unit’s gradient is exactly zero; at most {} % of all units at one \
             lag. Quantiles that are zero are gaps.",
            labels::count(zeros, "point"),
            labels::concise(100.0 * silent)
        ));
    }
    let pooled = rows()
        .map(|row| row.n)
        .fold((usize::MAX, 0), |(low, high), n| (low.min(n), high.max(n)));
    let pooled = if pooled.0 < pooled.1 {
        format!("{}–{} units", pooled.0, pooled.1)
    } else {
        labels::count(pooled.1, "unit")
    };
    // Else the distribution is that of the units of the map.
    let has_replicates = units
        .iter()
        .any(|units| units.panel.rows.iter().any(|row| row.n > units.count));
    let (of_map, of_all) = if has_replicates {
        ("replicate 0, ", " of all replicates")
    } else {
        ("", "")
    };
    let subtitle = format!(
        "‖∂L/∂{quantity}(T−k)‖ / ‖∂L/∂h(T)‖ of each unit alone, norms over the batch. Map: {of_map}\
         one unit per row, the one that keeps most on top. Below: median, quartiles, 10–90 % and \
         extremes of the {pooled}{of_all}.{only}"
    );
    let width = [500.0, 760.0, 940.0][units.len().clamp(1, 3) - 1];
    let title = request.title(|| title(units, quantity));
    let caption = Caption::new(width, &title, &subtitle, &notes);

    let last_lag = rows().map(|row| row.lag).max().unwrap_or(1).max(1) as f64;
    let range = padded_range(drawn, 0.04);
    let y_ticks = ticks::powers(range.0, range.1, 5);
    const GAP: f64 = 22.0;
    const BAR: f64 = 13.0;
    const MAP_HEIGHT: f64 = 200.0;
    let bar_ticks = chart::bar_ticks((low, high), MAP_HEIGHT);
    const FAN_HEIGHT: f64 = 190.0;
    let bar_right = width - MARGIN - chart::widest(&bar_ticks, chart::SMALL) - 8.0;
    let left = MARGIN + 20.0 + chart::widest(&y_ticks, chart::TEXT) + 8.0;
    let right = bar_right - BAR - 20.0;
    let count = units.len() as f64;
    let each = (right - left - GAP * (count - 1.0)) / count;
    let top = caption.top() + 26.0;
    let fan_top = top + MAP_HEIGHT + 16.0;
    let bottom = fan_top + FAN_HEIGHT;
    let height = bottom + 40.0 + caption.bottom();
    let x_range = (-0.5, last_lag + 0.5);
    let x_ticks = ticks::whole(0.0, last_lag, if units.len() == 1 { 6 } else { 4 });

    draw_svg(width, height, |canvas| {
        caption.draw(canvas, height);
        for (index, units) in units.iter().enumerate() {
            let start = left + (each + GAP) * index as f64;
            let frame = |top: f64, height: f64| Frame {
                left: start,
                right: start + each,
                top,
                bottom: top + height,
            };
            let map = Panel::new(
                frame(top, MAP_HEIGHT),
                x_range,
                (0.0, units.map.len().max(1) as f64),
            );
            map.heat_map(canvas, &units.cells(&scale));
            map.y_axis(canvas, &[], false);
            let fan = Panel::new(frame(fan_top, FAN_HEIGHT), x_range, range);
            fan.grid(canvas, &y_ticks);
            let colour = units.panel.colour;
            fan.band(canvas, &units.band(|row| row.q10, |row| row.q90), colour);
            fan.band(canvas, &units.band(|row| row.q25, |row| row.q75), colour);
            for extreme in [units.line(|row| row.min), units.line(|row| row.max)] {
                fan.line(canvas, &extreme, solid(colour.mix(Rgb::WHITE, 0.35), 0.9));
            }
            fan.line(canvas, &units.line(|row| row.median), solid(colour, 2.0));
            fan.y_axis(canvas, &y_ticks, index == 0);
            fan.x_axis(canvas, &x_ticks, true);
            let font = bold_font(colour.mix(Rgb::BLACK, 0.1));
            let heading = &units.panel.heading;
            canvas.text((start, top - 13.0), Anchor::Start, heading, font);
            let middle = (0.5 * (fan.frame.left + fan.frame.right), bottom + 32.0);
            let ink = text_font(Rgb::INK);
            canvas.text(middle, Anchor::Middle, "lag k = T − t (steps)", ink);
        }
        let bar = Frame {
            left: bar_right - BAR,
            right: bar_right,
            top,
            bottom: top + MAP_HEIGHT,
        };
        scale.bar(canvas, bar, (low, high), &bar_ticks);
        let ink = text_font(Rgb::INK);
        let map_middle = (left - 14.0, top + 0.5 * MAP_HEIGHT);
        canvas.text_upwards(map_middle, "units", ink);
        let fan_middle = (MARGIN + 5.0, 0.5 * (fan_top + bottom));
        canvas.text_upwards(fan_middle, "gradient ratio", ink);
    })
}

/// How far the best unit is from the typical one at the end.
fn title(units: &[Units<'_, '_>], quantity: &str) -> String {
    let parts: Vec<(usize, String)> = units
        .iter()
        .filter_map(|units| {
            let last = units.panel.rows.iter().max_by_key(|row| row.lag)?;
            let text = format!(
                "{} in the best unit and {} in the median one ({})",
                labels::approximate_power(last.max),
                labels::approximate_power(last.median),
                units.panel.heading
            );
            Some((last.lag, text))
        })
        .collect();
    let lag = parts.iter().map(|(lag, _)| *lag).max().unwrap_or(0);
    let parts: Vec<String> = parts
        .into_iter()
        .filter(|(own, _)| *own == lag)
        .map(|(_, text)| text)
        .collect();
    format!(
        "At lag {} the gradient of {quantity} is {}",
        labels::thousands(lag),
        parts.join(", ")
    )
}
