//! A drawing that carries its own data: lines, points with error bars, and at most one heat map, on
//! one pair of axes. What a claim shows is one of these, stored as JSON and drawn from that.

use serde::{Deserialize, Serialize};

use super::canvas::{Anchor, Canvas, Dash, Stroke, draw_svg};
use super::chart::{
    self, Caption, ColourScale, EndLabel, Frame, HeatCell, MARGIN, Panel, SMALL, TEXT,
    padded_range, runs, solid, text_font,
};
use super::palette::{self, ColourMap, Rgb};
use super::ticks::Tick;
use super::{factor_axis, labels, ticks};

/// A drawing and its data.
///
/// Numbers that are not finite have no place on an axis: points with one are gaps in lines.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Plot {
    /// What is seen.
    pub title: String,
    /// What is drawn, in which setup.
    pub subtitle: String,
    /// The horizontal axis.
    pub x: PlotAxis,
    /// The vertical axis.
    pub y: PlotAxis,
    /// Drawn one over the other, in this order.
    pub series: Vec<PlotSeries>,
    /// Below the series.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub heat: Option<PlotHeat>,
}

/// An axis.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct PlotAxis {
    /// Its name, with the unit.
    pub label: String,
    /// Whether its numbers are log₁₀ of what is meant, and marks powers of ten.
    pub log10: bool,
}

impl PlotAxis {
    /// An axis of the numbers themselves.
    pub fn linear(label: impl Into<String>) -> Self {
        Self {
            label: label.into(),
            log10: false,
        }
    }

    /// An axis of log₁₀ of what is meant.
    pub fn log10(label: impl Into<String>) -> Self {
        Self {
            label: label.into(),
            log10: true,
        }
    }
}

/// How a series is drawn.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Mark {
    /// A solid line: something computed or measured without gaps.
    Line,
    /// A dashed line: theory.
    Dashed,
    /// Dots: single measurements.
    Points,
}

/// A series of points.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct PlotSeries {
    /// What it is; written beside its last point. Empty: no label.
    pub label: String,
    /// How it is drawn.
    pub mark: Mark,
    /// Which of six colours. Theory has the colour of what it is the theory of.
    pub colour: usize,
    /// (x, y); `None` is a gap.
    pub points: Vec<Option<(f64, f64)>>,
    /// One standard error of each y, if there are any.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub errors: Vec<f64>,
}

impl PlotSeries {
    /// A series without error bars.
    pub fn new(
        label: impl Into<String>,
        mark: Mark,
        colour: usize,
        points: impl IntoIterator<Item = (f64, f64)>,
    ) -> Self {
        let points = points.into_iter();
        let points = points.map(|(x, y)| (x.is_finite() && y.is_finite()).then_some((x, y)));
        Self {
            label: label.into(),
            mark,
            colour,
            points: points.collect(),
            errors: Vec::new(),
        }
    }

    /// The same with one standard error of each y.
    pub fn with_errors(self, errors: Vec<f64>) -> Self {
        Self { errors, ..self }
    }
}

/// A value at every place of a grid.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct PlotHeat {
    /// What the colours show.
    pub label: String,
    /// Whether the values are log₁₀ of what is meant.
    pub log10: bool,
    /// Whether 0 has the middle colour of a map with two ends.
    pub diverging: bool,
    /// Columns.
    pub x: Vec<f64>,
    /// Rows.
    pub y: Vec<f64>,
    /// One row of values per y; `None` where there is none.
    pub values: Vec<Vec<Option<f64>>>,
}

const COLOURS: [Rgb; 6] = [
    palette::BLUE,
    palette::VERMILLION,
    palette::FURTHER[0],
    palette::FURTHER[1],
    palette::FURTHER[2],
    palette::FURTHER[3],
];

impl Plot {
    /// The SVG text.
    pub fn draw(&self) -> String {
        let points = || self.series.iter().flat_map(PlotSeries::extent);
        let (heat_x, heat_y) = match &self.heat {
            Some(heat) => (factor_axis::borders(&heat.x), factor_axis::borders(&heat.y)),
            None => (Vec::new(), Vec::new()),
        };
        let (x, y) = if self.heat.is_some() {
            (
                padded_range(heat_x.iter().copied(), 0.0),
                padded_range(heat_y.iter().copied(), 0.0),
            )
        } else {
            (
                padded_range(points().map(|(x, _)| x), 0.02),
                padded_range(points().map(|(_, y)| y), 0.06),
            )
        };
        const WIDTH: f64 = 640.0;
        const HEIGHT: f64 = 300.0;
        let caption = Caption::new(WIDTH, &self.title, &self.subtitle, &[]);
        let x_ticks = self.x.ticks(x, 6);
        let y_ticks = self.y.ticks(y, 6);
        let named = self.series.iter().filter(|series| !series.label.is_empty());
        let widest_label = named
            .map(|series| labels::width(&series.label, SMALL))
            .fold(0.0, f64::max);
        let scale = self.heat.as_ref().map(PlotHeat::scale);
        let bar_ticks = match (&self.heat, &scale) {
            (Some(heat), Some(scale)) => heat.ticks(scale, HEIGHT),
            _ => Vec::new(),
        };
        let at_right = if self.heat.is_some() {
            26.0 + chart::widest(&bar_ticks, SMALL) + 30.0
        } else if widest_label > 0.0 {
            18.0 + widest_label
        } else {
            4.0
        };
        let top = caption.top() + if self.heat.is_some() { 20.0 } else { 6.0 };
        let frame = Frame {
            left: MARGIN + 20.0 + chart::widest(&y_ticks, TEXT) + 8.0,
            top,
            right: WIDTH - MARGIN - at_right,
            bottom: top + HEIGHT,
        };
        let height = frame.bottom + 42.0 + caption.bottom();
        let panel = Panel::new(frame, x, y);
        draw_svg(WIDTH, height, |canvas| {
            caption.draw(canvas, height);
            match (&self.heat, &scale) {
                (Some(heat), Some(scale)) => {
                    panel.heat_map(canvas, &heat.cells(&heat_x, &heat_y, scale));
                    let left = frame.right + 20.0;
                    let bar = Frame {
                        left,
                        right: left + 13.0,
                        ..frame
                    };
                    scale.bar(canvas, bar, (scale.low, scale.high), &bar_ticks);
                    let at = (WIDTH - MARGIN, frame.top - 11.0);
                    canvas.text(at, Anchor::End, &heat.label, chart::small_font(Rgb::INK));
                }
                _ => panel.grid(canvas, &y_ticks),
            }
            for series in &self.series {
                series.draw(canvas, &panel);
            }
            panel.x_axis(canvas, &x_ticks, true);
            panel.y_axis(canvas, &y_ticks, true);
            let middle = 0.5 * (frame.left + frame.right);
            let font = text_font(Rgb::INK);
            let below = (middle, frame.bottom + 33.0);
            canvas.text(below, Anchor::Middle, &self.x.label, font);
            let beside = (MARGIN + 6.0, 0.5 * (frame.top + frame.bottom));
            canvas.text_upwards(beside, &self.y.label, font);
            self.name_series(canvas, &panel);
        })
    }

    /// Beside the last point of each series; on a heat map, which needs that room for its colour
    /// bar, at the point itself.
    fn name_series(&self, canvas: &mut Canvas<'_>, panel: &Panel) {
        let named = self.series.iter().filter(|series| !series.label.is_empty());
        let named = named.filter_map(|series| {
            let last = series.points.iter().flatten().next_back()?;
            Some((series, *last))
        });
        if self.heat.is_some() {
            for (series, (x, y)) in named {
                let (x, y) = panel.at(x, y);
                let at = (
                    x.min(panel.frame.right) - 6.0,
                    y.max(panel.frame.top) + 12.0,
                );
                let font = chart::bold_font(palette::readable(series.rgb()));
                canvas.text(at, Anchor::End, &series.label, font);
            }
            return;
        }
        let ends: Vec<EndLabel> = named
            .map(|(series, (_, y))| EndLabel {
                at: y,
                text: series.label.clone(),
                colour: series.rgb(),
            })
            .collect();
        panel.end_labels(canvas, &ends);
    }
}

impl PlotAxis {
    fn ticks(&self, (low, high): (f64, f64), count: usize) -> Vec<Tick> {
        if self.log10 {
            ticks::powers(low, high, count)
        } else {
            ticks::linear(low, high, count)
        }
    }
}

impl PlotSeries {
    fn rgb(&self) -> Rgb {
        COLOURS[self.colour % COLOURS.len()]
    }

    /// Its points and the ends of their error bars.
    fn extent(&self) -> Vec<(f64, f64)> {
        let errors = self.errors.iter().copied().chain(std::iter::repeat(0.0));
        let ends = self.points.iter().zip(errors).filter_map(|(point, error)| {
            let (x, y) = (*point)?;
            Some([(x, y - error), (x, y + error)])
        });
        ends.flatten().collect()
    }

    fn draw(&self, canvas: &mut Canvas<'_>, panel: &Panel) {
        let colour = self.rgb();
        let gap = (f64::NAN, f64::NAN);
        let points: Vec<(f64, f64)> = self.points.iter().map(|p| p.unwrap_or(gap)).collect();
        match self.mark {
            Mark::Line => panel.line(canvas, &points, solid(colour, 1.8)),
            Mark::Dashed => {
                let stroke = Stroke {
                    colour: colour.mix(Rgb::BLACK, 0.25),
                    width: 1.6,
                    dash: Dash::Dashed,
                };
                panel.line(canvas, &points, stroke);
            }
            Mark::Points => {
                let errors = self.errors.iter().copied().chain(std::iter::repeat(0.0));
                for (&(x, y), error) in points.iter().zip(errors) {
                    if error > 0.0 {
                        let bar = [(x, y - error), (x, y + error)];
                        panel.line(canvas, &bar, solid(colour, 1.2));
                    }
                    if panel.x.contains(x) && panel.y.contains(y) {
                        canvas.dot(panel.at(x, y), 2.6, colour);
                    }
                }
            }
        }
    }
}

impl PlotHeat {
    fn scale(&self) -> ColourScale {
        let finite = || self.values.iter().flatten().flatten().copied();
        let (low, high) = padded_range(finite(), 0.0);
        if self.diverging && low < 0.0 && high > 0.0 {
            return ColourScale {
                map: ColourMap::DIVERGING,
                low,
                high,
                middle: 0.0,
            };
        }
        ColourScale {
            map: ColourMap::SEQUENTIAL,
            low,
            high,
            middle: 0.5 * (low + high),
        }
    }

    fn ticks(&self, scale: &ColourScale, height: f64) -> Vec<Tick> {
        if self.log10 {
            chart::bar_ticks((scale.low, scale.high), height)
        } else {
            ticks::linear(scale.low, scale.high, 6)
        }
    }

    fn cells(&self, x: &[f64], y: &[f64], scale: &ColourScale) -> Vec<HeatCell> {
        let mut cells = Vec::new();
        for (row, values) in self.values.iter().enumerate() {
            let colours: Vec<Rgb> = values
                .iter()
                .map(|value| scale.colour(value.unwrap_or(f64::NAN)))
                .collect();
            for (from, to, colour) in runs(&colours) {
                cells.push(HeatCell {
                    x: (x[from], x[to]),
                    y: (y[row], y[row + 1]),
                    colour,
                });
            }
        }
        cells
    }

    /// Whether there is a value for every place.
    fn is_complete(&self) -> bool {
        self.values.len() == self.y.len() && self.values.iter().all(|row| row.len() == self.x.len())
    }
}

impl Plot {
    /// Its data as text, which [`from_json`](Self::from_json) reads.
    ///
    /// # Panics
    /// If a heat map does not have one value per place.
    pub fn to_json(&self) -> String {
        assert!(self.heat.as_ref().is_none_or(PlotHeat::is_complete));
        let mut text = serde_json::to_string(self).expect("a plot is plain data");
        text.push('\n');
        text
    }

    /// Reads what [`to_json`](Self::to_json) wrote.
    ///
    /// # Errors
    /// What is wrong with the text.
    pub fn from_json(text: &str) -> Result<Self, String> {
        let plot: Self = serde_json::from_str(text).map_err(|error| error.to_string())?;
        if plot.heat.as_ref().is_some_and(|heat| !heat.is_complete()) {
            return Err("the heat map does not have one value per place".to_owned());
        }
        Ok(plot)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn plot() -> Plot {
        Plot {
            title: "Noise suppresses chaos".into(),
            subtitle: "tanh".into(),
            x: PlotAxis::linear("noise"),
            y: PlotAxis::log10("norm"),
            series: vec![
                PlotSeries::new("theory", Mark::Dashed, 0, [(0.0, 1.0), (1.0, -3.0)]),
                PlotSeries::new("measured", Mark::Points, 0, [(0.0, 1.1), (1.0, f64::NAN)])
                    .with_errors(vec![0.2, 0.2]),
            ],
            heat: None,
        }
    }

    #[test]
    fn a_plot_survives_its_text_and_draws_the_same() {
        let plot = plot();
        let again = Plot::from_json(&plot.to_json()).unwrap();
        assert_eq!(again, plot);
        assert_eq!(again.draw(), plot.draw());
        assert_eq!(plot.series[1].points[1], None);
        for text in ["Noise suppresses chaos", "theory", "measured", "noise"] {
            assert!(plot.draw().contains(text), "{text}");
        }
    }

    #[test]
    fn an_incomplete_heat_map_is_refused() {
        let heat = PlotHeat {
            label: "rate".into(),
            log10: false,
            diverging: true,
            x: vec![0.0, 1.0],
            y: vec![0.0, 1.0],
            values: vec![vec![Some(-1.0), None], vec![Some(1.0), Some(2.0)]],
        };
        let mut plot = Plot {
            heat: Some(heat),
            ..plot()
        };
        let text = plot.to_json();
        assert_eq!(Plot::from_json(&text).unwrap(), plot);
        assert!(plot.draw().contains("rate"));
        let cut = text.replace("[[-1.0,null],", "[[-1.0],");
        assert!(cut != text && Plot::from_json(&cut).is_err());
        plot.series.clear();
        assert!(plot.draw().contains("</svg>"));
    }
}
