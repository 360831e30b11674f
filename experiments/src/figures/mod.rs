//! Stored tables to figures: SVG text, and PNG of the same drawing.
//!
//! Figures are functions of the config and the CSV files alone, so every one can be redrawn without
//! recomputing, and of nothing else: the same files give the same bytes. A kind of figure is one file here and
//! one line in `drawing`; what they share is `chart` (axes, lines, bands, heat maps, labels) on
//! `canvas` (plotters' SVG backend). Plotters' own chart layer is not used: its log axis loses its
//! labels over hundreds of decades, and it knows no view box, dashes or label placement.
//!
//! Vertical axes show log₁₀ on a linear scale, labelled as powers of ten. An exact zero is a gap,
//! counted in a note.

mod against_factor;
mod canvas;
mod chart;
mod chosen;
mod contour;
mod data;
mod decay;
mod error_surface;
mod factor_axis;
mod gate_means;
mod gates;
mod half_life;
mod heading;
pub(crate) mod labels;
mod loss_state;
mod lyapunov;
mod palette;
mod pdf;
mod phase;
mod placement;
mod plane;
mod plot;
mod png;
mod rate;
mod singular_values;
#[cfg(test)]
mod tests;
mod ticks;
mod trace;
mod unit_gradient;

use cell_config::Scheme;
use thiserror::Error;
use vanilla_rnn::Activation;

use crate::config::{CellEntry, Config, FigureKind};
use crate::registry::Cell;
use crate::tables::TableError;
use data::{CellStyle, Request};

pub use chosen::chosen_in_words;
pub use heading::heading;
pub use pdf::render_pdf;
pub use plot::{Mark, Plot, PlotAxis, PlotHeat, PlotSeries};
pub use png::{FONT_NAME, missing_characters, render_png};
pub use trace::{TRACE_FIGURES, draw_trace};

/// A drawn figure.
#[derive(Clone, Debug, PartialEq)]
pub struct Figure {
    /// File stem.
    pub name: String,
    /// The drawing.
    pub svg: String,
}

/// Why a figure cannot be drawn.
#[derive(Debug, Error, PartialEq)]
pub enum FigureError {
    /// A file the figure is drawn from is not there.
    #[error("figure `{figure}` is drawn from {file}, which is not there; `vangrad run` writes it")]
    MissingFile {
        /// The figure's name.
        figure: String,
        /// The file.
        file: &'static str,
    },
    /// A file is not what it should be.
    #[error(
        "{0}\nhelp: the command that made the folder, be it of an earlier version, writes its tables anew; \
         `vangrad run` uses the runs that are stored"
    )]
    Table(#[from] TableError),
    /// A file that the figures of a trace are drawn from is not there.
    #[error(
        "the figures of a trace are drawn from {file}, which is not there; `vangrad trace` writes it"
    )]
    MissingOfTrace {
        /// The file.
        file: &'static str,
    },
    /// `trace.json` is not what `trace` writes.
    #[error("trace.json: {reason}; the same `vangrad trace` writes it again")]
    Request {
        /// What the JSON parser says.
        reason: String,
    },
    /// A figure needs a sweep key on an axis.
    #[error("figure `{figure}`: expected a sweep key in `{axis}`, found none")]
    NoFactor {
        /// The figure's name.
        figure: String,
        /// The axis, `x` or `y`.
        axis: &'static str,
    },
    /// A sweep key that the stored tables do not have as a column.
    #[error("figure `{figure}`: {file} has no column `{factor}`; its factors are {found}")]
    UnknownFactor {
        /// The figure's name.
        figure: String,
        /// The sweep key.
        factor: String,
        /// The file.
        file: &'static str,
        /// The factor columns there are.
        found: String,
    },
}

/// Draws every figure of the config from stored files, in the config's order. `files` gives the
/// text of a CSV file by its name, such as `curves.csv`, or `None` if it is not there.
///
/// # Errors
///
/// If a needed file is missing or malformed, or does not have a factor the figure names.
pub fn draw(
    config: &Config,
    files: &dyn Fn(&str) -> Option<String>,
) -> Result<Vec<Figure>, FigureError> {
    let kinds: Vec<&str> = config.cells.iter().map(|entry| entry.cell.kind()).collect();
    let cells: Vec<CellStyle> = config
        .cells
        .iter()
        .zip(palette::cell_colours(&kinds))
        .flat_map(|(entry, colour)| {
            let cell = CellStyle {
                label: entry.label.clone(),
                colour,
                hidden: entry.cell.hidden(),
                logistic_unit: logistic_unit(entry),
            };
            let sizes: Vec<usize> = entry.cell.layers().iter().map(|c| c.hidden()).collect();
            let layers = (0..most_layers(config, entry)).map(move |layer| CellStyle {
                label: data::layer_label(&entry.label, layer),
                colour,
                hidden: *sizes.get(layer).unwrap_or(&sizes[0]),
                logistic_unit: None,
            });
            std::iter::once(cell).chain(layers)
        })
        .collect();
    config
        .figures
        .iter()
        .map(|spec| {
            let request = Request {
                spec,
                cells: &cells,
                sequence: &config.sequence,
                has_where: true,
                files,
            };
            Ok(Figure {
                name: spec.name.clone(),
                svg: drawing(spec.kind)(&request)?,
            })
        })
        .collect()
}

/// Input weight and bias of a cell that is a single logistic unit with one input.
fn logistic_unit(entry: &CellEntry) -> Option<(f64, f64)> {
    let [Cell::VanillaRnn(config)] = entry.cell.layers()[..] else {
        return None;
    };
    let is_unit = config.hidden == 1
        && config.activation == Activation::Logistic
        && config.recurrent_weights.init == Scheme::Identity
        && config.input_weights.init == Scheme::Identity;
    is_unit.then_some((config.input_weights.gain, config.bias))
}

/// The largest number of layers a cell has on the grid.
fn most_layers(config: &Config, entry: &CellEntry) -> usize {
    let axes = config.sweep.iter().filter(|axis| {
        let address = axis.key.strip_suffix(".layers");
        address.is_some_and(|address| address == "cell" || address == entry.label)
    });
    let swept = axes.flat_map(|axis| axis.values.iter().filter_map(toml::Value::as_integer));
    let swept = swept.filter_map(|layers| usize::try_from(layers).ok());
    swept.fold(entry.cell.layers().len(), usize::max)
}

type Drawing = fn(&Request<'_>) -> Result<String, FigureError>;

fn drawing(kind: FigureKind) -> Drawing {
    match kind {
        FigureKind::Decay => decay::draw,
        FigureKind::Phase => phase::draw,
        FigureKind::Rate => rate::draw,
        FigureKind::HalfLife => half_life::draw,
        FigureKind::Plane => plane::draw,
        FigureKind::Gates => gates::draw,
        FigureKind::SingularValues => singular_values::draw,
        FigureKind::Lyapunov => lyapunov::draw,
        FigureKind::LossState => loss_state::draw,
        FigureKind::UnitGradient => unit_gradient::draw,
        FigureKind::ErrorSurface => error_surface::draw,
    }
}
