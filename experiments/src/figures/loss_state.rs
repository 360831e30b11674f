//! `loss-state`: which loss hears which state, as a heat map over the step of the state and that of
//! the loss.

use super::FigureError;
use super::canvas::{Anchor, draw_svg};
use super::chart::{
    self, Caption, ColourScale, Frame, HeatCell, MARGIN, Panel, bold_font, runs, solid, text_font,
};
use super::data::{self, Heading, PointPanel, Request};
use super::factor_axis;
use super::palette::{ColourMap, Rgb};
use super::{labels, ticks};
use crate::tables::{Key, LossStateRow};

pub fn draw(request: &Request<'_>) -> Result<String, FigureError> {
    let mut table = request.table(|row: &LossStateRow| &row.key)?;
    request.keep_quantity(&mut table, |row| (&mut row.key, &mut row.quantity));
    let quantity = request.quantity();
    let groups = data::by_point(&table.rows, |row: &LossStateRow| &row.key);
    let (panels, headings) = data::panels(request, &table.factors, &groups);
    if panels.is_empty() {
        let title = request.title(|| "Nothing to draw".into());
        let reason = format!("loss-state.csv has no rows of {quantity} for this figure.");
        return Ok(chart::empty_figure(&title, &reason));
    }
    let keys: Vec<&Key> = panels.iter().map(|panel| panel.key).collect();
    let only = request.only(&table.factors, &keys, &[]);
    Ok(render(request, &panels, &headings, &only))
}

fn render(
    request: &Request<'_>,
    panels: &[PointPanel<'_, '_, LossStateRow>],
    headings: &[Heading],
    only: &str,
) -> String {
    let quantity = request.quantity();
    let rows = || panels.iter().flat_map(|panel| panel.rows.iter());
    let finite = || {
        rows()
            .map(|row| row.median)
            .filter(|value| value.is_finite())
    };
    let low = finite().fold(-1.0, f64::min);
    let high = finite().fold(0.0, f64::max);
    let scale = ColourScale {
        map: ColourMap::SEQUENTIAL,
        low,
        high,
        middle: 0.5 * (low + high),
    };
    let middle = data::median_or_value(rows().map(|row| row.n));
    let mut notes: Vec<String> = data::panels_note(request, panels.len(), headings)
        .into_iter()
        .collect();
    let zeros = rows().filter(|row| row.median == f64::NEG_INFINITY).count();
    if zeros > 0 {
        notes.push(format!(
            "Grey: {} where the {middle} is exactly zero.",
            labels::count(zeros, "point")
        ));
    }
    let stride = stride(panels);
    if stride > 1 {
        notes.push(format!("Losses are {stride} steps apart."));
    }
    let median = match middle {
        "value" => String::new(),
        _ => format!(" Median of {}.", data::replicates(rows().map(|row| row.n))),
    };
    let subtitle = format!(
        "Each row is a loss of its own, a random unit gradient on h(τ).{median} Colour: \
         ‖∂L(τ)/∂{quantity}(t)‖ / ‖∂L(τ)/∂h(τ)‖. White: states after the loss.{only}"
    );
    let width = [500.0, 760.0, 940.0][panels.len().clamp(1, 3) - 1];
    let title = request.title(|| title(panels));
    let caption = Caption::new(width, &title, &subtitle, &notes);

    let last = rows().map(|row| row.tau).max().unwrap_or(1) as f64;
    let y_ticks = ticks::whole(0.0, last, 5);
    // The bar is as high as the panels are wide, to which all labels it may have leave room.
    let widest = chart::widest(&chart::bar_ticks((low, high), f64::INFINITY), chart::SMALL);
    const GAP: f64 = 26.0;
    const BAR: f64 = 13.0;
    let bar_right = width - MARGIN - widest - 8.0;
    let left = MARGIN + 20.0 + chart::widest(&y_ticks, chart::TEXT) + 8.0;
    let right = bar_right - BAR - 22.0;
    let count = panels.len() as f64;
    let each = (right - left - GAP * (count - 1.0)) / count;
    let top = caption.top() + 26.0;
    // Both axes count steps: a square has its diagonal at 45°.
    let bottom = top + each.clamp(150.0, 330.0);
    let bar_ticks = chart::bar_ticks((low, high), bottom - top);
    let height = bottom + 40.0 + caption.bottom();

    draw_svg(width, height, |canvas| {
        caption.draw(canvas, height);
        for (index, point) in panels.iter().enumerate() {
            let start = left + (each + GAP) * index as f64;
            let frame = Frame {
                left: start,
                right: start + each,
                top,
                bottom,
            };
            let margin = 0.5 * stride as f64;
            let range = (-margin, last + margin);
            let panel = Panel::new(frame, range, range);
            panel.heat_map(canvas, &cells(point, &scale));
            panel.y_axis(canvas, &y_ticks, index == 0);
            let room = if panels.len() == 1 { 5 } else { 4 };
            panel.x_axis(canvas, &ticks::whole(0.0, last, room), true);
            let font = bold_font(point.colour.mix(Rgb::BLACK, 0.1));
            canvas.text((start, top - 13.0), Anchor::Start, &point.heading, font);
            let middle = (0.5 * (frame.left + frame.right), bottom + 32.0);
            let ink = text_font(Rgb::INK);
            canvas.text(middle, Anchor::Middle, "step of the state, t", ink);
        }
        let bar = Frame {
            left: bar_right - BAR,
            right: bar_right,
            top,
            bottom,
        };
        scale.bar(canvas, bar, (low, high), &bar_ticks);
        canvas.line(
            &[(bar.left, bar.bottom), (bar.right, bar.bottom)],
            solid(Rgb::GRID, 0.7),
        );
        let middle = (MARGIN + 5.0, 0.5 * (top + bottom));
        canvas.text_upwards(middle, "step of the loss, τ", text_font(Rgb::INK));
    })
}

/// Steps from one loss to the next.
fn stride(panels: &[PointPanel<'_, '_, LossStateRow>]) -> usize {
    let mut times: Vec<usize> = panels
        .iter()
        .flat_map(|panel| panel.rows.iter().map(|row| row.tau))
        .collect();
    times.sort_unstable();
    times.dedup();
    match times.as_slice() {
        [.., before, last] => last - before,
        _ => 1,
    }
}

/// The coloured rectangles; equal neighbours along t are one.
fn cells(point: &PointPanel<'_, '_, LossStateRow>, scale: &ColourScale) -> Vec<HeatCell> {
    let mut states: Vec<usize> = point.rows.iter().map(|row| row.t).collect();
    states.sort_unstable();
    states.dedup();
    let mut losses: Vec<usize> = point.rows.iter().map(|row| row.tau).collect();
    losses.sort_unstable();
    losses.dedup();
    let [state_borders, loss_borders] = [&states, &losses].map(|steps| {
        let steps: Vec<f64> = steps.iter().map(|&step| step as f64).collect();
        factor_axis::borders(&steps)
    });
    let mut grid: Vec<Vec<Option<f64>>> = vec![vec![None; states.len()]; losses.len()];
    for row in point.rows {
        if let (Ok(i), Ok(j)) = (losses.binary_search(&row.tau), states.binary_search(&row.t)) {
            grid[i][j] = Some(row.median);
        }
    }
    let mut cells = Vec::new();
    for (i, values) in grid.iter().enumerate() {
        let colours: Vec<Option<Rgb>> = values
            .iter()
            .map(|value| value.map(|value| scale.colour(value)))
            .collect();
        for (from, to, colour) in runs(&colours) {
            cells.extend(colour.map(|colour| HeatCell {
                x: (state_borders[from], state_borders[to]),
                y: (loss_borders[i], loss_borders[i + 1]),
                colour,
            }));
        }
    }
    cells
}

/// What the last loss hears of the first state that was made from an input.
fn title(panels: &[PointPanel<'_, '_, LossStateRow>]) -> String {
    let parts: Vec<(usize, usize, String)> = panels
        .iter()
        .filter_map(|panel| {
            let tau = panel.rows.iter().map(|row| row.tau).max()?;
            let of_last = panel.rows.iter().filter(|row| row.tau == tau);
            let first = of_last.min_by_key(|row| row.t)?;
            let heard = labels::approximate_power(first.median);
            Some((tau, first.t, format!("{heard} ({})", panel.heading)))
        })
        .collect();
    let Some((tau, t, _)) = parts.first() else {
        return "Nothing to draw".into();
    };
    let (tau, t) = (*tau, *t);
    let heard: Vec<String> = parts
        .into_iter()
        .filter(|part| (part.0, part.1) == (tau, t))
        .map(|part| part.2)
        .collect();
    format!(
        "Of the state at step {t} the loss at step {} hears {}",
        labels::thousands(tau),
        heard.join(", ")
    )
}
