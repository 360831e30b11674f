//! `decay`: the gradient against lag. One column of panels per cell, one row per combination of
//! the factors that are not told apart by lines, all on the same vertical scale.

use std::collections::HashMap;

use super::FigureError;
use super::canvas::{Canvas, Font, Pixel, Stroke, draw_svg};
use super::chart::{
    self, Caption, EndLabel, Frame, MARGIN, Panel, SMALL, bold_font, padded_range, small_font,
    solid, text_font,
};
use super::data::{self, CellStyle, Group, LawKind, Request};
use super::palette::{Rgb, line_colours, readable};
use super::{canvas::Anchor, labels, placement, ticks};
use crate::tables::{CurveRow, FitRow, Key, LawRow};
use decay_analysis::{F32_ZERO_LOG10, F64_ZERO_LOG10};

/// Rows of panels that fit a page.
const MAX_ROWS: usize = 3;

/// A precision that norms are usually computed in.
#[derive(Clone, Copy)]
pub struct Precision {
    pub name: &'static str,
    /// log₁₀ of the number below which it prints 0.
    pub zero_log10: f64,
    /// That number as text.
    pub zero: &'static str,
    /// The first lag at which it prints 0.
    zero_lag: fn(&FitRow) -> Option<usize>,
}

impl Precision {
    pub fn in_words(&self) -> String {
        format!("{} prints 0 below {}", self.name, self.zero)
    }
}

pub const PRECISIONS: [Precision; 2] = [
    Precision {
        name: "f32",
        zero_log10: F32_ZERO_LOG10,
        zero: "10⁻⁴⁵",
        zero_lag: |fit| fit.f32_zero_lag,
    },
    Precision {
        name: "f64",
        zero_log10: F64_ZERO_LOG10,
        zero: "10⁻³²⁴",
        zero_lag: |fit| fit.f64_zero_lag,
    },
];

/// A lag at which something is so for the first time.
#[derive(Clone, Copy, Debug, PartialEq)]
struct FirstLag {
    lag: usize,
    /// Whether it may be earlier, because not every lag before it is stored.
    is_rounded_up: bool,
}

impl FirstLag {
    /// That of the stored row with this index, or what `fitted` from every lag says of those between that
    /// row and the one before.
    fn new(rows: &[&CurveRow], index: usize, fitted: Option<usize>) -> Self {
        let stored = rows[index].lag;
        let start = index
            .checked_sub(1)
            .map_or(0, |before| rows[before].lag + 1);
        match fitted.filter(|lag| (start..=stored).contains(lag)) {
            Some(lag) => Self {
                lag,
                is_rounded_up: false,
            },
            None => Self {
                lag: stored,
                is_rounded_up: start < stored,
            },
        }
    }
}

impl std::fmt::Display for FirstLag {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let sign = if self.is_rounded_up { "≈" } else { "" };
        write!(f, "{sign}{}", labels::thousands(self.lag))
    }
}

/// Lines that a panel holds: of more, no two neighbours could be told apart, and ten thousand take
/// minutes to draw.
const MAX_LINES: usize = 64;

/// Dots on a precision's line that are closer than this, in pixels, share a label.
const LAG_LABEL_WIDTH: f64 = 30.0;

/// Columns side by side; more continue in a further band below, or the page would be wider than
/// it can be read.
const MAX_COLUMNS: usize = 4;

/// Columns side by side where there are `count`: bands are as equal as they can be.
fn columns_per_band(count: usize) -> usize {
    count.div_ceil(count.div_ceil(MAX_COLUMNS).max(1))
}

/// Width of the figure, in pixels.
fn page_width(columns: usize) -> f64 {
    match columns_per_band(columns) {
        1 => 520.0,
        2 => 640.0,
        count => 60.0 + 290.0 * count as f64,
    }
}

/// Columns side by side.
struct Band {
    /// The panels of each column, top to bottom.
    columns: Vec<Vec<Frame>>,
    plot_width: f64,
    /// Height at which the vertical axis is named.
    middle: f64,
    /// Below the names of the horizontal axes.
    bottom: f64,
}

/// Where the panels are: those of all bands as wide and as high, one column below the other.
///
/// `facets` and `label_widths` have one number per column: its panels, and the room right of them.
fn bands(facets: &[usize], label_widths: &[f64], (left, right): (f64, f64), top: f64) -> Vec<Band> {
    const GAP: f64 = 14.0;
    let per_band = columns_per_band(facets.len());
    let rows: Vec<usize> = facets
        .chunks(per_band)
        .map(|facets| facets.iter().copied().max().unwrap_or(1))
        .collect();
    let plot_height = match rows.iter().sum() {
        1 => 290.0,
        2 => 205.0,
        _ => 165.0,
    };
    // Room for the widest label of the columns below one another.
    let label_widths: Vec<f64> = (0..per_band)
        .map(|column| {
            let below = label_widths.iter().skip(column).step_by(per_band);
            below.copied().fold(0.0, f64::max)
        })
        .collect();
    let plots = right - left - label_widths.iter().sum::<f64>() - GAP * (per_band - 1) as f64;
    let plot_width = (plots / per_band as f64).max(80.0);
    let row_height = plot_height + 32.0;
    let mut top = top;
    let mut bands = Vec::new();
    for (facets, rows) in facets.chunks(per_band).zip(rows) {
        let mut x = left;
        let mut columns = Vec::new();
        for (&facets, label_width) in facets.iter().zip(&label_widths) {
            let frame = |row: usize| Frame {
                left: x,
                right: x + plot_width,
                top: top + row_height * row as f64 + 22.0,
                bottom: top + row_height * row as f64 + 22.0 + plot_height,
            };
            columns.push((0..facets).map(frame).collect());
            x += plot_width + label_width + GAP;
        }
        let bottom = top + row_height * rows as f64 + 30.0;
        bands.push(Band {
            columns,
            plot_width,
            middle: top + 22.0 + 0.5 * (row_height * rows as f64 - 32.0),
            bottom,
        });
        top = bottom + 14.0;
    }
    bands
}

/// The panels of one cell, top to bottom.
struct Column<'a> {
    style: &'a CellStyle,
    line_factor: Option<usize>,
    line_values: Vec<String>,
    /// Of the lines of each of these values.
    colours: Vec<Rgb>,
    /// Number of values before they were thinned to [`MAX_LINES`].
    all_line_values: usize,
    facet_factors: Vec<usize>,
    facets: Vec<Vec<String>>,
    /// Number of facets before they were thinned to [`MAX_ROWS`].
    all_facets: usize,
    /// The last lag, and there the lowest and the highest median, of all facets.
    reach: Option<(usize, f64, f64)>,
    curves: Vec<Group<'a, CurveRow>>,
    /// Of the quantity that is drawn, of all cells.
    fits: &'a [FitRow],
}

impl<'a> Column<'a> {
    fn new(
        style: &'a CellStyle,
        names: &[String],
        groups: &[Group<'a, CurveRow>],
        fits: &'a [FitRow],
    ) -> Option<Self> {
        let mut curves: Vec<Group<'a, CurveRow>> = groups
            .iter()
            .filter(|(key, _)| key.cell == style.label)
            .cloned()
            .collect();
        let keys: Vec<&Key> = curves.iter().map(|(key, _)| *key).collect();
        if keys.is_empty() {
            return None;
        }
        let varying = data::varying(&keys);
        let count = |factor: usize| data::values(&keys, factor).len();
        // Hidden sizes are told apart by lines only if nothing else is swept.
        let line_factor = varying
            .iter()
            .copied()
            .filter(|&factor| !names[factor].ends_with(".hidden"))
            .rev()
            .max_by_key(|&factor| count(factor))
            .or(varying.first().copied());
        let facet_factors: Vec<usize> = varying
            .into_iter()
            .filter(|&factor| Some(factor) != line_factor)
            .collect();
        let facets = data::combinations(&keys, &facet_factors);
        let all_facets = facets.len();
        let reach = reach(&curves);
        let facets: Vec<Vec<String>> = placement::choose(all_facets, MAX_ROWS)
            .into_iter()
            .map(|index| facets[index].clone())
            .collect();
        curves.retain(|(key, _)| facets.contains(&data::combination(key, &facet_factors)));
        let line_values = line_factor.map_or_else(Vec::new, |factor| data::values(&keys, factor));
        let all_line_values = line_values.len();
        let line_values: Vec<String> = placement::choose(all_line_values, MAX_LINES)
            .into_iter()
            .map(|index| line_values[index].clone())
            .collect();
        if let Some(factor) = line_factor.filter(|_| all_line_values > MAX_LINES) {
            curves.retain(|(key, _)| line_values.contains(&key.factors[factor]));
        }
        Some(Self {
            style,
            line_factor,
            colours: line_colours(style.colour, &line_values),
            line_values,
            all_line_values,
            facet_factors,
            facets,
            all_facets,
            reach,
            curves,
            fits,
        })
    }

    fn colour(&self, key: &Key) -> Rgb {
        self.line_factor
            .and_then(|factor| {
                let value = &key.factors[factor];
                let index = self.line_values.iter().position(|known| known == value)?;
                Some(self.colours[index])
            })
            .unwrap_or(self.style.colour)
    }

    /// The line's factor value, and where the line ends because the gradient is exactly zero.
    fn line_label(&self, key: &Key, rows: &[&CurveRow]) -> String {
        let Some(factor) = self.line_factor else {
            return String::new();
        };
        let value = labels::factor_value(&key.factors[factor]);
        let drawn = rows.iter().rposition(|row| row.median.is_finite());
        match drawn.map(|last| last + 1).filter(|zero| *zero < rows.len()) {
            Some(zero) => {
                let fitted = self.fit(key).and_then(|fit| fit.exact_zero_lag);
                format!("{value} (0 from {})", FirstLag::new(rows, zero, fitted))
            }
            None => value,
        }
    }

    /// What is fitted to a line; `None` if that is not stored.
    fn fit(&self, key: &Key) -> Option<&FitRow> {
        self.fits.iter().find(|fit| fit.key == *key)
    }

    /// Where the median of a line is below what a precision prints as 0.
    fn zero_lag(&self, key: &Key, rows: &[&CurveRow], precision: &Precision) -> Option<FirstLag> {
        let is_below =
            |row: &&CurveRow| row.median.is_finite() && row.median < precision.zero_log10;
        let index = rows.iter().position(is_below)?;
        let fitted = self.fit(key).and_then(precision.zero_lag);
        Some(FirstLag::new(rows, index, fitted))
    }

    /// Width of the labels right of the panels, their heading included.
    fn label_width(&self, names: &[String]) -> f64 {
        let heading = self.line_factor.map_or(0.0, |factor| {
            labels::width(&labels::factor_name(&names[factor]), SMALL)
        });
        let heading = heading.max(labels::width(PRECISIONS[0].name, SMALL));
        self.curves
            .iter()
            .map(|(key, rows)| labels::width(&self.line_label(key, rows), SMALL))
            .fold(heading, f64::max)
            + 18.0
    }

    fn facet_curves(&self, facet: &[String]) -> impl Iterator<Item = &Group<'a, CurveRow>> {
        self.curves
            .iter()
            .filter(move |(key, _)| data::combination(key, &self.facet_factors) == facet)
    }

    fn rows(&self) -> impl Iterator<Item = &'a CurveRow> {
        self.curves
            .iter()
            .flat_map(|(_, rows)| rows.iter().copied())
    }
}

/// The last lag, and there the lowest and the highest median.
fn reach(curves: &[Group<'_, CurveRow>]) -> Option<(usize, f64, f64)> {
    let rows = || curves.iter().flat_map(|(_, rows)| rows);
    let lag = rows().map(|row| row.lag).max()?;
    let (low, high) = rows()
        .filter(|row| row.lag == lag)
        .fold((f64::INFINITY, f64::NEG_INFINITY), |(low, high), row| {
            (low.min(row.median), high.max(row.median))
        });
    Some((lag, low, high))
}

pub fn draw(request: &Request<'_>) -> Result<String, FigureError> {
    let mut table = request.table(|row: &CurveRow| &row.key)?;
    request.keep_quantity(&mut table, |row| (&mut row.key, &mut row.quantity));
    let mut laws = request.table_if_stored(|row: &LawRow| &row.key)?;
    if let Some(laws) = &mut laws {
        request.keep_quantity(laws, |row| (&mut row.key, &mut row.quantity));
    }
    let mut fits = request.table_if_stored(|row: &FitRow| &row.key)?;
    if let Some(fits) = &mut fits {
        request.keep_quantity(fits, |row| (&mut row.key, &mut row.quantity));
    }
    let fits: &[FitRow] = fits.as_ref().map_or(&[], |fits| &fits.rows);
    let quantity = request.quantity();
    let groups = data::by_point(&table.rows, |row: &CurveRow| &row.key);
    let columns: Vec<Column<'_>> = request
        .cells
        .iter()
        .filter_map(|style| Column::new(style, &table.factors, &groups, fits))
        .collect();
    if columns.is_empty() {
        let title = request.title(|| "Nothing to draw".into());
        let reason = format!("curves.csv has no rows of the quantity {quantity} for this figure.");
        return Ok(chart::empty_figure(&title, &reason));
    }
    let laws: Vec<&LawRow> = laws.iter().flat_map(|laws| &laws.rows).collect();
    let all = Decay {
        names: &table.factors,
        columns,
        laws: Vec::new(),
    };
    let curves = all.columns.iter().flat_map(|column| &column.curves);
    let seen = Seen {
        curves: curves.map(|(key, rows)| (*key, rows.as_slice())).collect(),
        last_lag: all.last_lag(),
        y_range: all.y_range(),
    };
    let laws = laws.into_iter().filter(|law| seen.shows(law)).collect();
    Ok(Decay { laws, ..all }.draw(request))
}

/// What is seen of all curves, by grid point, and where.
struct Seen<'a> {
    curves: HashMap<&'a Key, &'a [&'a CurveRow]>,
    last_lag: f64,
    y_range: (f64, f64),
}

impl Seen<'_> {
    /// Whether a law has a line to speak of, and is seen in its panel.
    fn shows(&self, law: &LawRow) -> bool {
        let Some(rows) = self.curves.get(&law.key) else {
            return false;
        };
        let has_line = rows.iter().any(|row| row.lag > 0 && row.median.is_finite());
        // A stub at the edge of the panel would only look like a mistake.
        let (low, high) = self.y_range;
        let quarter = law_height(law, rows, 0.25 * self.last_lag);
        has_line && (low..=high).contains(&quarter)
    }
}

struct Decay<'a> {
    names: &'a [String],
    columns: Vec<Column<'a>>,
    /// Those that are drawn.
    laws: Vec<&'a LawRow>,
}

impl Decay<'_> {
    /// The right end of the x-axis.
    fn last_lag(&self) -> f64 {
        self.rows().map(|row| row.lag).max().unwrap_or(0).max(1) as f64
    }

    fn draw(&self, request: &Request<'_>) -> String {
        let facets: Vec<usize> = self.columns.iter().map(|c| c.facets.len()).collect();
        let last_lag = self.last_lag();
        let y_range = self.y_range();
        let y_ticks = ticks::powers(y_range.0, y_range.1, 6);
        let tick_width = y_ticks
            .iter()
            .map(|tick| labels::width(&tick.label, chart::TEXT))
            .fold(0.0, f64::max);
        let label_widths: Vec<f64> = self
            .columns
            .iter()
            .map(|column| column.label_width(self.names))
            .collect();
        let width = page_width(facets.len());
        let caption = self.caption(request, width);
        let left = MARGIN + 20.0 + tick_width + 7.0;
        let bands = bands(
            &facets,
            &label_widths,
            (left, width - MARGIN),
            caption.top(),
        );
        let height = bands.last().map_or(caption.top(), |band| band.bottom) + caption.bottom();

        draw_svg(width, height, |canvas| {
            caption.draw(canvas, height);
            let mut columns = self.columns.iter();
            for band in &bands {
                for (index, (frames, column)) in band.columns.iter().zip(&mut columns).enumerate() {
                    for (row, (&frame, facet)) in frames.iter().zip(&column.facets).enumerate() {
                        let panel = Panel::new(frame, (0.0, last_lag), y_range);
                        panel.grid(canvas, &y_ticks);
                        self.panel(canvas, &panel, column, facet);
                        panel.y_axis(canvas, &y_ticks, index == 0);
                        let plot_width = band.plot_width;
                        let x_ticks = ticks::whole(0.0, last_lag, (plot_width / 45.0) as usize);
                        let is_lowest = row + 1 == column.facets.len();
                        panel.x_axis(canvas, &x_ticks, is_lowest);
                        if is_lowest {
                            let centre = 0.5 * (frame.left + frame.right);
                            canvas.text(
                                (centre, frame.bottom + 31.0),
                                Anchor::Middle,
                                "lag k = T − t (steps)",
                                text_font(Rgb::INK),
                            );
                        }
                    }
                }
                let ratio = labels::ratio_name(request.quantity());
                let beside = (MARGIN + 5.0, band.middle);
                canvas.text_upwards(beside, &ratio, text_font(Rgb::INK));
            }
        })
    }

    fn panel(&self, canvas: &mut Canvas<'_>, panel: &Panel, column: &Column<'_>, facet: &[String]) {
        let frame = &panel.frame;
        let described = data::describe(self.names, &column.facet_factors, facet);
        let heading = if described.is_empty() {
            column.style.label.clone()
        } else {
            format!("{}, {described}", column.style.label)
        };
        let font = bold_font(column.style.colour.mix(Rgb::BLACK, 0.1));
        canvas.text(
            (frame.left, frame.top - 10.0),
            Anchor::Start,
            &heading,
            font,
        );
        if let Some(factor) = column.line_factor {
            let name = labels::factor_name(&self.names[factor]);
            let at = (frame.right + 16.0, frame.top - 12.0);
            canvas.text(at, Anchor::Start, &name, small_font(Rgb::GREY));
        }

        let curves: Vec<&Group<'_, CurveRow>> = column.facet_curves(facet).collect();
        for (key, rows) in &curves {
            let band: Vec<(f64, f64, f64)> = rows
                .iter()
                .map(|row| (row.lag as f64, row.q25, row.q75))
                .collect();
            panel.band(canvas, &band, column.colour(key));
        }
        let mut drawn: Vec<Pixel> = Vec::new();
        for (key, rows) in &curves {
            let median: Vec<(f64, f64)> = rows
                .iter()
                .map(|row| (row.lag as f64, row.median))
                .collect();
            panel.line(canvas, &median, solid(column.colour(key), 1.7));
            drawn.extend(median.iter().map(|&(x, y)| panel.at(x, y)));
        }
        for (key, rows) in &curves {
            for law in self.laws.iter().filter(|law| law.key == **key) {
                let end = panel.x.high;
                // In its line’s shade, a little darker so as to be seen where they agree.
                let colour = column.colour(key).mix(Rgb::BLACK, 0.25);
                let stroke = law_stroke(LawKind::of(law), colour);
                let at = |lag: f64| (lag, law_height(law, rows, lag));
                panel.line(canvas, &[at(0.0), at(end)], stroke);
                drawn.extend((0..=100).map(|part| {
                    let (lag, height) = at(end * f64::from(part) / 100.0);
                    panel.at(lag, height)
                }));
            }
        }
        self.underflows(canvas, panel, column, &curves, drawn);
        let lines = curves
            .iter()
            .filter(|_| column.line_factor.is_some())
            .filter_map(|(key, rows)| {
                let last = rows.iter().rev().find(|row| row.median.is_finite())?;
                Some(EndLabel {
                    // A line that is zero throughout lies below all others.
                    at: if last.lag == 0 && rows.len() > 1 {
                        panel.y.low
                    } else {
                        last.median
                    },
                    text: column.line_label(key, rows),
                    colour: column.colour(key),
                })
            });
        let precisions = self.underflowing().map(|precision| EndLabel {
            at: precision.zero_log10,
            text: precision.name.to_owned(),
            colour: Rgb::INK,
        });
        let end_labels: Vec<EndLabel> = lines.chain(precisions).collect();
        panel.end_labels(canvas, &end_labels);
    }

    /// The lines below which f32 and f64 print 0, and the lags at which the medians pass them.
    fn underflows(
        &self,
        canvas: &mut Canvas<'_>,
        panel: &Panel,
        column: &Column<'_>,
        curves: &[&Group<'_, CurveRow>],
        mut obstacles: Vec<Pixel>,
    ) {
        for precision in self.underflowing() {
            panel.rule(canvas, precision.zero_log10, solid(Rgb::INK, 0.8));
            let y = panel.y.at(precision.zero_log10);
            let mut crossings: Vec<(FirstLag, Rgb)> = curves
                .iter()
                .filter_map(|(key, rows)| {
                    let lag = column.zero_lag(key, rows, precision)?;
                    Some((lag, column.colour(key)))
                })
                .collect();
            crossings.sort_by_key(|(first, _)| first.lag);
            let at = |first: FirstLag| panel.x.at(first.lag as f64);
            for &(lag, colour) in &crossings {
                canvas.dot((at(lag), y), 2.6, colour.mix(Rgb::BLACK, 0.2));
            }
            // Dots too close for a label each share one.
            for group in crossings.chunk_by(|a, b| at(b.0) - at(a.0) < LAG_LABEL_WIDTH) {
                let (first, last) = (group[0], group[group.len() - 1]);
                let lags: Vec<String> = group.iter().map(|(lag, _)| lag.to_string()).collect();
                let colour = if group.len() == 1 { first.1 } else { Rgb::INK };
                let text = lags.join(", ");
                let width = labels::width(&text, SMALL);
                let candidates = [
                    (at(first.0) - 4.0 - width, y + 9.0),
                    (at(last.0) + 5.0, y - 8.0),
                    (at(last.0) + 5.0, y + 9.0),
                    (at(last.0) + 20.0, y + 9.0),
                ];
                let font = small_font(readable(colour));
                annotate(canvas, panel, &mut obstacles, &candidates, &text, font);
            }
        }
    }

    /// The precisions that would have printed 0 for some median.
    fn underflowing(&self) -> impl Iterator<Item = &'static Precision> {
        let precisions = PRECISIONS.iter();
        precisions.filter(|precision| self.goes_below(precision.zero_log10))
    }

    fn rows(&self) -> impl Iterator<Item = &CurveRow> {
        self.columns.iter().flat_map(Column::rows)
    }

    fn goes_below(&self, threshold: f64) -> bool {
        self.rows()
            .any(|row| row.median.is_finite() && row.median < threshold)
    }

    fn y_range(&self) -> (f64, f64) {
        let values = self.rows().flat_map(|row| [row.q25, row.median, row.q75]);
        let (low, high) = padded_range(values.chain([0.0, -1.0]), 0.0);
        let margin = 0.03 * (high - low);
        (low - margin, high + margin)
    }

    fn caption(&self, request: &Request<'_>, width: f64) -> Caption {
        let title = request.title(|| self.title(request.quantity()));
        let counts = || self.rows().map(|row| row.n);
        let middle = data::median_or_value(counts());
        let band = match middle {
            "value" => "",
            _ => "Median and quartile band of ",
        };
        let n = data::replicates(counts());
        let curves = self.columns.iter().flat_map(|column| &column.curves);
        let points: Vec<&Key> = curves.map(|(key, _)| *key).collect();
        let sizes = request.sizes(self.names, &points);
        let only = request.only(self.names, &points, &sizes);
        let separator = if sizes.is_empty() { "" } else { "; " };
        let subtitle = format!("{band}{n}{separator}{}.{only}", sizes.join(", "));
        let mut notes = Vec::new();
        let shown = |column: &&Column<'_>| column.all_facets > column.facets.len();
        if let Some(column) = self.columns.iter().find(shown) {
            notes.push(format!(
                "{} of {} combinations of {} are shown; “where” chooses, the tables have all.",
                column.facets.len(),
                column.all_facets,
                column
                    .facet_factors
                    .iter()
                    .map(|&factor| labels::factor_name(&self.names[factor]))
                    .collect::<Vec<_>>()
                    .join(" and "),
            ));
        }
        let is_thinned = |column: &&Column<'_>| column.all_line_values > column.line_values.len();
        let thinned = self.columns.iter().find(is_thinned);
        if let Some((column, factor)) = thinned.and_then(|c| Some((c, c.line_factor?))) {
            notes.push(format!(
                "{} of {} values of {} are shown; the tables have all.",
                column.line_values.len(),
                labels::thousands(column.all_line_values),
                labels::factor_name(&self.names[factor]),
            ));
        }
        let zeros = self
            .rows()
            .filter(|row| row.median == f64::NEG_INFINITY)
            .count();
        if zeros > 0 {
            notes.push(format!(
                "{} where the {middle} is exactly zero have no logarithm: gaps.",
                labels::count(zeros, "point")
            ));
        }
        let mut legend: Vec<(Stroke, String)> = Vec::new();
        for theory in data::theories(&self.laws) {
            let text = match theory.kind {
                LawKind::Theory => {
                    // Of units with rates of their own laws.csv has the slope of a curve.
                    let is_curve = |law: &LawRow| theory.has(law) && law.law.contains("^k");
                    let remark = match self.laws.iter().any(|law| is_curve(law)) {
                        true => " (a curve: its slope only)",
                        false => "",
                    };
                    format!("theory in its line’s shade: rate {}{remark}", theory.label)
                }
                LawKind::UpperBound => {
                    format!("upper bound in its line’s shade: rate {}", theory.label)
                }
                LawKind::Measured => {
                    format!("{}, measured, in its line’s shade", theory.label)
                }
            };
            legend.push((law_stroke(theory.kind, Rgb::INK), text));
        }
        let precisions: Vec<String> = self.underflowing().map(Precision::in_words).collect();
        if !precisions.is_empty() {
            let text = format!("{} (dots: from this lag on)", precisions.join(", "));
            legend.push((solid(Rgb::INK, 0.8), text));
        }
        Caption::new(width, &title, &subtitle, &notes).with_legend(legend)
    }

    fn title(&self, quantity: &str) -> String {
        let reaches: Vec<(&str, (usize, f64, f64))> = self
            .columns
            .iter()
            .filter_map(|column| Some((column.style.label.as_str(), column.reach?)))
            .collect();
        // Less than what is written as 10⁰.
        let shrinks = reaches.iter().all(|(_, (_, _, high))| *high < -0.05);
        let verb = if shrinks { "has shrunk to" } else { "is" };
        let lag = reaches.iter().map(|(_, (lag, ..))| *lag).max().unwrap_or(0);
        let parts: Vec<String> = reaches
            .iter()
            .map(|(label, (_, low, high))| {
                let (low, high) = (
                    labels::approximate_power(*low),
                    labels::approximate_power(*high),
                );
                let range = if low == high {
                    low
                } else {
                    format!("{low}\u{a0}…\u{a0}{high}")
                };
                format!("{range} ({label})")
            })
            .collect();
        let subject = match quantity {
            "h" => "the gradient",
            other => &format!("the gradient of {other}"),
        };
        format!(
            "At lag {} {subject} {verb} {}",
            labels::thousands(lag),
            parts.join(" and ")
        )
    }
}

/// Writes a text at the candidate where it covers least, and makes it an obstacle for later ones.
pub fn annotate(
    canvas: &mut Canvas<'_>,
    panel: &Panel,
    obstacles: &mut Vec<Pixel>,
    candidates: &[Pixel],
    text: &str,
    font: Font,
) {
    let width = labels::width(text, font.size);
    let frame = &panel.frame;
    let inside: Vec<Pixel> = candidates
        .iter()
        .copied()
        .filter(|&(x, y)| {
            x > frame.left
                && x + width < frame.right + 4.0
                && y > frame.top
                && y < frame.bottom - 6.0
        })
        .collect();
    if let Some((x, y)) = placement::freest(&inside, (width, font.size + 1.0), obstacles) {
        canvas.text((x, y), Anchor::Start, text, font);
        let steps = (width / 4.0) as usize + 1;
        for step in 0..=steps {
            let x = x + width * step as f64 / steps as f64;
            // A text weighs more than a line that it would cross.
            obstacles.extend((-4..=4).map(|row| (x, y + f64::from(row))));
        }
    }
}

/// log₁₀ of the ratio by a law at this lag: like what is measured, it starts with the median at lag 0,
/// which for c is not 10⁰.
fn law_height(law: &LawRow, rows: &[&CurveRow], lag: f64) -> f64 {
    let start = rows.first().filter(|row| row.lag == 0);
    let start = start
        .map(|row| row.median)
        .filter(|start| start.is_finite());
    start.unwrap_or(0.0) + lag * law.rate / std::f64::consts::LN_10
}

fn law_stroke(kind: LawKind, colour: Rgb) -> Stroke {
    Stroke {
        colour,
        width: 1.2,
        dash: kind.dash(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn laws_start_where_the_median_does() {
        let key = Key {
            cell: "lstm".into(),
            factors: Vec::new(),
        };
        let row = |lag, median| CurveRow {
            key: key.clone(),
            quantity: "c".into(),
            lag,
            median,
            q25: median,
            q75: median,
            min: median,
            max: median,
            n: 1,
        };
        let law = LawRow {
            key: key.clone(),
            quantity: "c".into(),
            law: "ln sigma(b)".into(),
            relation: "rate".into(),
            rate: -std::f64::consts::LN_10,
            rate_low: 0.0,
            rate_high: 0.0,
            n: 1,
        };
        let height = |first: &CurveRow| law_height(&law, &[first, &row(5, -9.0)], 2.0);
        assert_eq!(height(&row(0, -0.25)), -2.25);
        // Of a carried cell state nothing arrives at lag 0.
        assert_eq!(height(&row(0, f64::NEG_INFINITY)), -2.0);
        assert_eq!(height(&row(1, -0.25)), -2.0);
    }

    /// Frames of columns with labels of unequal widths, and the page's width and height.
    fn page(facets: &[usize]) -> (Vec<Band>, f64, f64) {
        let labels: Vec<f64> = (0..facets.len()).map(|i| 20.0 + 9.0 * i as f64).collect();
        let width = page_width(facets.len());
        let bands = bands(facets, &labels, (70.0, width - MARGIN), 60.0);
        let height = bands.last().unwrap().bottom;
        (bands, width, height)
    }

    #[test]
    fn up_to_four_columns_are_side_by_side_and_more_are_spread_over_equal_bands() {
        let sizes = |count: usize| -> Vec<usize> {
            let (bands, ..) = page(&vec![1; count]);
            bands.iter().map(|band| band.columns.len()).collect()
        };
        assert_eq!(sizes(1), [1]);
        assert_eq!(sizes(4), [4]);
        assert_eq!(sizes(5), [3, 2]);
        assert_eq!(sizes(7), [4, 3]);
        assert_eq!(sizes(8), [4, 4]);
        assert_eq!(sizes(9), [3, 3, 3]);
    }

    #[test]
    fn panels_of_a_further_band_lie_below_the_others_and_none_leaves_the_figure() {
        for facets in [vec![1; 7], vec![1, 3, 1, 2, 2, 1], vec![1; 13]] {
            let (bands, width, height) = page(&facets);
            assert!(bands.len() > 1);
            let drawn: Vec<usize> = bands
                .iter()
                .flat_map(|band| band.columns.iter().map(Vec::len))
                .collect();
            assert_eq!(drawn, facets);
            let frames = |band: &Band| -> Vec<Frame> { band.columns.concat() };
            for pair in bands.windows(2) {
                let lowest = frames(&pair[0])
                    .iter()
                    .map(|f| f.bottom)
                    .fold(0.0, f64::max);
                for frame in frames(&pair[1]) {
                    // The axis name's baseline is 31 below a panel, a heading's 10 above one.
                    assert!(frame.top - 10.0 - chart::TEXT > lowest + 31.0);
                }
                for (above, below) in pair[0].columns.iter().zip(&pair[1].columns) {
                    assert_eq!(above[0].left, below[0].left);
                    assert_eq!(above[0].right, below[0].right);
                }
            }
            for frame in bands.iter().flat_map(frames) {
                assert!(frame.left >= 70.0 && frame.right < width - MARGIN);
                assert!(frame.top > 60.0 && frame.bottom + 30.0 <= height);
                assert!(frame.left < frame.right && frame.top < frame.bottom);
            }
        }
    }
}
