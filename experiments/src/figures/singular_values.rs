//! `singular-values`: how far the network can stretch and must squeeze what it carries back, against
//! lag, and how the gradient fares between the two.

use super::FigureError;
use super::canvas::{Anchor, draw_svg};
use super::chart::{
    self, Caption, EndLabel, Frame, MARGIN, Panel, bold_font, padded_range, solid, text_font,
};
use super::data::{self, Heading, PointPanel, Request};
use super::palette::{self, Rgb};
use super::{labels, placement, ticks};
use crate::network::split_layer;
use crate::tables::{CurveRow, Key, SingularValueRow};

/// Lines of a panel; more singular values than these are thinned evenly.
const MAX_LINES: usize = 24;

/// One singular value: its index and its rows by lag.
type Line<'a> = (usize, Vec<&'a SingularValueRow>);

struct Fan<'a, 'b> {
    panel: PointPanel<'a, 'b, SingularValueRow>,
    /// σ_1 first.
    lines: Vec<Line<'a>>,
    size: usize,
    /// The measured gradient of h, where it is stored.
    gradient: Vec<(f64, f64)>,
}

pub fn draw(request: &Request<'_>) -> Result<String, FigureError> {
    let table = request.table(|row: &SingularValueRow| &row.key)?;
    let curves = request.table_if_stored(|row: &CurveRow| &row.key)?;
    let curves = curves.map_or_else(Vec::new, |table| table.rows);
    let groups = data::by_point(&table.rows, |row: &SingularValueRow| &row.key);
    let (panels, headings) = data::panels(request, &table.factors, &groups);
    if panels.is_empty() {
        let title = request.title(|| "Nothing to draw".into());
        let reason = "singular-values.csv has no rows for this figure.";
        return Ok(chart::empty_figure(&title, reason));
    }
    let fans: Vec<Fan<'_, '_>> = panels
        .into_iter()
        .map(|panel| {
            let size = panel.rows.iter().map(|row| row.index).max().unwrap_or(1);
            let lines = placement::choose(size, MAX_LINES).into_iter().map(|place| {
                let rows = panel.rows.iter().filter(|row| row.index == place + 1);
                (place + 1, rows.copied().collect())
            });
            // That of the top layer, where there are several.
            let layers = curves.iter().filter(|row| row.key == *panel.key);
            let top = layers
                .clone()
                .filter_map(|row| split_layer(&row.quantity).0)
                .max();
            let gradient = layers.filter(|row| split_layer(&row.quantity) == (top, "h"));
            Fan {
                lines: lines.collect(),
                size,
                gradient: gradient.map(|row| (row.lag as f64, row.median)).collect(),
                panel,
            }
        })
        .collect();
    let keys: Vec<&Key> = fans.iter().map(|fan| fan.panel.key).collect();
    let only = request.only(&table.factors, &keys, &[]);
    Ok(render(request, &fans, &headings, &only))
}

fn render(request: &Request<'_>, fans: &[Fan<'_, '_>], headings: &[Heading], only: &str) -> String {
    let rows = || fans.iter().flat_map(|fan| fan.panel.rows.iter());
    let n = data::replicates(rows().map(|row| row.n));
    let middle = data::median_or_value(rows().map(|row| row.n));
    let (median, band) = match middle {
        "value" => (String::new(), ""),
        _ => (
            format!("median of {n}, "),
            ", band: quartiles of the largest and the smallest",
        ),
    };
    let mut notes: Vec<String> = data::panels_note(request, fans.len(), headings)
        .into_iter()
        .collect();
    let thinned = fans.iter().filter(|fan| fan.lines.len() < fan.size);
    let thinned: Vec<String> = thinned
        .map(|fan| {
            let (drawn, all) = (fan.lines.len(), fan.size);
            format!("{drawn} of {all} ({})", fan.panel.heading)
        })
        .collect();
    if !thinned.is_empty() {
        notes.push(format!("Singular values drawn: {}.", thinned.join(", ")));
    }
    let zeros = rows().filter(|row| row.median == f64::NEG_INFINITY).count();
    if zeros > 0 {
        notes.push(format!(
            "{} where the {middle} is exactly zero: gaps.",
            labels::count(zeros, "point")
        ));
    }
    let has_gradient = fans.iter().any(|fan| !fan.gradient.is_empty());
    let subtitle = format!(
        "Singular values σ of ∂s(T)/∂s(T−k), first sequence, s the whole state: {median}\
         dark to light from the largest to the smallest{band}.{}{only}",
        if has_gradient {
            " Black: the gradient ratio of h."
        } else {
            ""
        }
    );
    let width = [430.0, 720.0, 900.0][fans.len().clamp(1, 3) - 1];
    let caption = Caption::new(width, &request.title(|| title(fans)), &subtitle, &notes);

    let drawn = fans.iter().flat_map(|fan| {
        let lines = fan.lines.iter().flat_map(|(_, rows)| rows.iter());
        let gradient = fan.gradient.iter().map(|(_, y)| *y);
        lines.map(|row| row.median).chain(gradient)
    });
    let range = padded_range(drawn.chain([0.0]), 0.04);
    let last_lag = rows().map(|row| row.lag).max().unwrap_or(1).max(1) as f64;
    let y_ticks = ticks::powers(range.0, range.1, 6);
    const LABELS: f64 = 62.0;
    const GAP: f64 = 14.0;
    let left = MARGIN + 20.0 + chart::widest(&y_ticks, chart::TEXT) + 8.0;
    let each = (width - MARGIN - left + GAP) / fans.len() as f64 - GAP;
    let top = caption.top() + 26.0;
    let bottom = top + 290.0;
    let height = bottom + 40.0 + caption.bottom();
    let x_ticks = ticks::whole(0.0, last_lag, if fans.len() == 1 { 6 } else { 4 });

    draw_svg(width, height, |canvas| {
        caption.draw(canvas, height);
        for (index, fan) in fans.iter().enumerate() {
            let start = left + (each + GAP) * index as f64;
            let frame = Frame {
                left: start,
                right: start + each - LABELS,
                top,
                bottom,
            };
            let panel = Panel::new(frame, (0.0, last_lag), range);
            panel.grid(canvas, &y_ticks);
            let mut shades = palette::shades(fan.panel.colour, fan.lines.len().max(2));
            shades.reverse();
            let ends = [0, fan.lines.len() - 1];
            for end in ends {
                let band: Vec<(f64, f64, f64)> = fan.lines[end]
                    .1
                    .iter()
                    .map(|row| (row.lag as f64, row.q25, row.q75))
                    .collect();
                panel.band(canvas, &band, fan.panel.colour);
            }
            for (place, (_, rows)) in fan.lines.iter().enumerate().rev() {
                let points: Vec<(f64, f64)> = rows
                    .iter()
                    .map(|row| (row.lag as f64, row.median))
                    .collect();
                let width = if ends.contains(&place) { 1.8 } else { 0.9 };
                panel.line(canvas, &points, solid(shades[place], width));
            }
            panel.line(canvas, &fan.gradient, solid(Rgb::INK, 1.5));
            panel.end_labels(canvas, &fan.end_labels(&shades));
            panel.y_axis(canvas, &y_ticks, index == 0);
            panel.x_axis(canvas, &x_ticks, true);
            let font = bold_font(fan.panel.colour.mix(Rgb::BLACK, 0.1));
            let heading = (start, top - 13.0);
            canvas.text(heading, Anchor::Start, &fan.panel.heading, font);
            let middle = (0.5 * (frame.left + frame.right), bottom + 32.0);
            canvas.text(middle, Anchor::Middle, "lag k (steps)", text_font(Rgb::INK));
        }
        let middle = (MARGIN + 5.0, 0.5 * (top + bottom));
        canvas.text_upwards(middle, "singular value", text_font(Rgb::INK));
    })
}

impl Fan<'_, '_> {
    /// The largest, the middle and the smallest one, and the gradient, where they end.
    fn end_labels(&self, shades: &[Rgb]) -> Vec<EndLabel> {
        let mut wanted = vec![0, self.lines.len() / 2, self.lines.len() - 1];
        wanted.dedup();
        let mut labels: Vec<EndLabel> = wanted
            .into_iter()
            .filter_map(|place| {
                let (index, rows) = &self.lines[place];
                let last = rows.iter().max_by_key(|row| row.lag)?;
                Some(EndLabel {
                    at: last.median,
                    text: format!("σ{}", subscript(*index)),
                    colour: shades[place],
                })
            })
            .collect();
        labels.extend(self.gradient.last().map(|(_, at)| EndLabel {
            at: *at,
            text: "∂L/∂h".into(),
            colour: Rgb::INK,
        }));
        labels
    }

    /// The last lag, and there the medians of σ_1 and of the last one that is not zero.
    fn at_end(&self) -> Option<(usize, f64, f64)> {
        let lag = self.panel.rows.iter().map(|row| row.lag).max()?;
        let at_end = || self.panel.rows.iter().filter(|row| row.lag == lag);
        let largest = at_end().find(|row| row.index == 1)?;
        let smallest = at_end()
            .filter(|row| row.median.is_finite())
            .max_by_key(|row| row.index)
            .unwrap_or(largest);
        Some((lag, largest.median, smallest.median))
    }
}

fn title(fans: &[Fan<'_, '_>]) -> String {
    let ends: Vec<(usize, String)> = fans
        .iter()
        .filter_map(|fan| {
            let (lag, largest, smallest) = fan.at_end()?;
            let text = if largest == f64::NEG_INFINITY {
                format!("nowhere above 0 ({})", fan.panel.heading)
            } else {
                format!(
                    "from {} down to {} ({})",
                    labels::approximate_power(largest),
                    labels::approximate_power(smallest),
                    fan.panel.heading
                )
            };
            Some((lag, text))
        })
        .collect();
    let lag = ends.iter().map(|(lag, _)| *lag).max().unwrap_or(0);
    let parts: Vec<String> = ends
        .into_iter()
        .filter(|(own, _)| *own == lag)
        .map(|(_, text)| text)
        .collect();
    format!(
        "At lag {} the singular values reach {}",
        labels::thousands(lag),
        parts.join(", ")
    )
}

fn subscript(number: usize) -> String {
    const DIGITS: [char; 10] = ['₀', '₁', '₂', '₃', '₄', '₅', '₆', '₇', '₈', '₉'];
    let digits = number.to_string();
    let digits = digits
        .bytes()
        .map(|digit| DIGITS[usize::from(digit - b'0')]);
    digits.collect()
}
