//! From TOML text to a checked [`Config`].
//!
//! [`Config::load`] is the only door: what comes out has been validated in full, every axis value
//! on its cell included, so nothing downstream checks again. The text is held as a tree that
//! remembers where each key and value was written (`tree`), because every error names file, key,
//! line and column; `--set` arguments and axis values keep their own places in it. `load` puts the
//! sections together: `top`, `cells`, `grid` (the axes) and `figures`; `write` goes the other way.
//!
//! This module reads no files: the caller brings the text.

mod cells;
mod de;
mod error;
mod figures;
mod filter;
mod grid;
mod load;
#[cfg(test)]
mod properties;
mod reader;
mod schema;
mod source;
#[cfg(test)]
mod tests;
mod top;
mod tree;
mod write;

use std::collections::BTreeMap;

use gradient_tracking::segment_steps;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

pub use error::{ConfigError, OutOfMemory};
pub(crate) use error::{in_digits, in_units};
pub use filter::Filter;
pub use grid::Point;
pub use load::Loaded;
pub use source::Location;
pub(crate) use write::readable;
pub use write::{difference, figure_names};

use crate::network::Network;

/// An experiment: what to compute, what to record, what to draw.
#[derive(Clone, Debug, PartialEq, JsonSchema)]
#[schemars(deny_unknown_fields)]
pub struct Config {
    /// What the comment at the head of the file says, without `#`: what the experiment shows, for its report.
    #[schemars(skip)]
    pub about: String,
    /// Names the experiment and its default results folder, `results/<name>`: letters, digits, `_`
    /// and `-`.
    #[schemars(regex(pattern = "^[A-Za-z0-9_-]+$"))]
    pub name: String,
    /// Seed from which every random stream is derived.
    #[schemars(default)]
    pub seed: u64,
    /// Runs per grid point, each with its own streams.
    #[schemars(default = "top::ten")]
    pub replicates: usize,
    /// How much of a trajectory is held at once. No result depends on it.
    #[schemars(default)]
    pub memory: Memory,
    /// What the cells are fed.
    pub sequence: Sequence,
    /// Where the gradient starts.
    #[schemars(default)]
    pub loss: Loss,
    /// The cells that are compared.
    #[schemars(rename = "cell", length(min = 1))]
    pub cells: Vec<CellEntry>,
    /// Axes of the grid, in the order of the file: each a list of values for a key of `sequence` or
    /// `loss`, for `seed`, or for a cell's key. `cell.KEY` addresses every cell that has it,
    /// `LABEL.KEY` one; of a stack that is every layer that has it, `LABEL.0.KEY` the lowest alone.
    #[schemars(
        default = "BTreeMap::<String, Vec<serde_json::Value>>::new",
        with = "BTreeMap<String, Vec<serde_json::Value>>"
    )]
    pub sweep: Vec<Axis>,
    /// What each run keeps.
    #[schemars(default)]
    pub record: Record,
    /// Lag window of the fits.
    #[schemars(default)]
    pub fit: Fit,
    /// What to draw. If nothing is given: the decay of `h`, where that is recorded, and one figure for
    /// each of `singular-values`, `lyapunov`, `loss-state` and `unit-gradient` that is.
    #[schemars(rename = "figure", default = "FigureSpec::unless_given")]
    pub figures: Vec<FigureSpec>,
}

/// `memory`: how much of a trajectory is held at once. No part of a run's identity: no result depends
/// on it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Memory {
    /// All of it.
    #[default]
    Full,
    /// About √T steps; the others are computed once more on the way back.
    Checkpointed,
}

impl Memory {
    /// Steps held at once, of `steps` steps of `batch` sequences.
    pub fn segment(self, steps: usize, batch: usize) -> usize {
        match self {
            Self::Full => steps,
            Self::Checkpointed => segment_steps(steps, batch).min(steps),
        }
    }
}

/// `[sequence]`: length, width and content of the input sequences.
#[derive(Clone, Debug, PartialEq, Serialize, JsonSchema)]
#[schemars(deny_unknown_fields)]
pub struct Sequence {
    /// Number of steps T.
    pub steps: usize,
    /// Number of sequences B.
    #[schemars(default = "top::sixteen")]
    pub batch: usize,
    /// What the inputs are.
    #[schemars(default)]
    pub input: Input,
    /// Every element of the initial state, h_0 and an LSTM's c_0, of all sequences; 0 if not given.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub initial_state: Option<f64>,
}

/// `[sequence.input]`: the input x_t.
#[derive(Clone, Debug, PartialEq, Serialize, JsonSchema)]
#[serde(tag = "kind", rename_all = "lowercase")]
#[schemars(deny_unknown_fields)]
pub enum Input {
    /// Independent normal inputs of mean zero.
    Gaussian {
        /// Input size I.
        #[schemars(default = "top::eight")]
        size: usize,
        /// Standard deviation.
        #[schemars(default = "top::one", range(min = 0.0))]
        std: f64,
    },
    /// No input.
    Zero {
        /// Input size I.
        #[schemars(default = "top::eight")]
        size: usize,
    },
    /// The same value in every coordinate at every step.
    Constant {
        /// Input size I.
        #[schemars(default = "top::eight")]
        size: usize,
        /// The value.
        #[schemars(default = "top::one")]
        value: f64,
    },
    /// A value for each sequence, the same in every coordinate at every step, in equal steps from the first
    /// sequence to the last: a bias that differs between them.
    Ramp {
        /// Input size I.
        #[schemars(default = "top::eight")]
        size: usize,
        /// The value of the first sequence.
        #[schemars(default = "top::minus_one")]
        from: f64,
        /// The value of the last sequence.
        #[schemars(default = "top::one")]
        to: f64,
    },
    /// An event in time, over background noise.
    Pulse {
        /// Input size I.
        #[schemars(default = "top::eight")]
        size: usize,
        /// Height of the event, in every coordinate.
        #[schemars(default = "top::one")]
        value: f64,
        /// First step of the event, counted from 1.
        at: usize,
        /// Steps the event lasts.
        #[schemars(default = "top::one_step")]
        width: usize,
        /// Standard deviation of the background noise.
        #[schemars(default, range(min = 0.0))]
        std: f64,
    },
    /// A T×B×I array in a safetensors or `.npy` file.
    File {
        /// The file, relative to the working directory.
        path: String,
        /// Input size I, which the file must have.
        #[schemars(default = "top::eight")]
        size: usize,
    },
}

impl Default for Input {
    fn default() -> Self {
        Self::Gaussian {
            size: top::eight(),
            std: top::one(),
        }
    }
}

impl Input {
    /// Input size I.
    pub fn size(&self) -> usize {
        match *self {
            Self::Gaussian { size, .. }
            | Self::Zero { size }
            | Self::Constant { size, .. }
            | Self::Ramp { size, .. }
            | Self::Pulse { size, .. }
            | Self::File { size, .. } => size,
        }
    }

    /// E\[x²\] over coordinates and steps, as laws take it: outside the event of a pulse, and not of
    /// a ramp, whose sequences differ, or of a file, which may hold anything.
    pub fn mean_square(&self) -> Option<f64> {
        match *self {
            Self::Gaussian { std, .. } | Self::Pulse { std, .. } => Some(std * std),
            Self::Zero { .. } => Some(0.0),
            Self::Constant { value, .. } => Some(value * value),
            Self::Ramp { .. } | Self::File { .. } => None,
        }
    }
}

/// `[loss]`: where the gradient starts and how far it travels.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Loss {
    /// Where the loss sits.
    pub kind: LossKind,
    /// Backpropagate at most this many steps; all of them if not given.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub truncation: Option<usize>,
    /// What every unit of h_T is to be, for a loss of kind `squared-error`; 0 if not given. Other kinds
    /// ignore it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub target: Option<f64>,
}

/// Placement of the loss.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum LossKind {
    /// A random unit adjoint on h_T, per sequence.
    #[default]
    Terminal,
    /// An independent random unit adjoint on every h_t.
    EveryStep,
    /// ‖h_T − target‖² of each sequence, without a ½.
    SquaredError,
}

/// A `[[cell]]` under the name it has in sweeps, tables and figures.
#[derive(Clone, Debug, PartialEq, JsonSchema)]
pub struct CellEntry {
    /// Unique name in sweeps, tables and figures; the cell's kind if not given. No table or key of
    /// the top level has it.
    #[schemars(regex(pattern = "^[A-Za-z0-9_-]+$"))]
    pub label: String,
    /// Its configuration.
    #[schemars(skip)]
    pub cell: Network,
}

/// One key of `[sweep]`.
#[derive(Clone, Debug, PartialEq)]
pub struct Axis {
    /// The key, verbatim: also the name of the factor's column.
    pub key: String,
    /// Its values, in the order of the file.
    pub values: Vec<toml::Value>,
}

/// `[record]`: what each run keeps. No part of a run's identity.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Record {
    /// The quantities kept.
    #[schemars(length(min = 1), extend("uniqueItems" = true))]
    pub quantities: Vec<Recorded>,
    /// Also write `gradients.csv`, one row per run, quantity and step.
    pub gradients: bool,
}

impl Default for Record {
    fn default() -> Self {
        Self {
            quantities: vec![Recorded::Adjoint],
            gradients: false,
        }
    }
}

/// A group of quantities a run can keep.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Recorded {
    /// Node gradients and carried adjoints of the states.
    Adjoint,
    /// Node gradients of the states alone.
    Node,
    /// Gradients of the inputs.
    InputGradient,
    /// Total gradients of the parameters.
    ParameterGradient,
    /// What each step adds to the parameters' gradients.
    ParameterContributions,
    /// Statistics of the gates by step.
    Gates,
    /// The direct and the gated part of the cell state's gradient.
    PathSplit,
    /// Norms per sequence beside those over the batch.
    PerSequence,
    /// The states and gates of the first sequence.
    Series,
    /// Laws that take the spectrum of the drawn weights.
    Spectrum,
    /// Singular values of ∂s_T/∂s_t by lag.
    SingularValues,
    /// Lyapunov exponents of the whole state, and how they converge.
    Lyapunov,
    /// Which loss hears which state: gradients of a loss of its own at every step.
    LossState,
    /// Node gradients of the states unit by unit.
    UnitGradient,
    /// The loss and the parameters' gradients of each sequence on its own.
    SequenceGradient,
}

/// `[fit]`: the lag window of the fits. No part of a run's identity.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Fit {
    /// First lag; the window holds three at least.
    #[schemars(range(max = reader::MAX_SIZE - 2))]
    pub from: usize,
    /// Last lag; the last one there is (T) if not given.
    #[schemars(range(min = 3))]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub to: Option<usize>,
}

impl Default for Fit {
    fn default() -> Self {
        Self { from: 1, to: None }
    }
}

/// A `[[figure]]`.
#[derive(Clone, Debug, PartialEq, Serialize, JsonSchema)]
#[schemars(deny_unknown_fields)]
pub struct FigureSpec {
    /// What kind of figure.
    pub kind: FigureKind,
    /// File stem, in `figures/`; the kind if not given.
    #[schemars(regex(pattern = "^[A-Za-z0-9_-]+$"))]
    pub name: String,
    /// The quantity drawn: of every layer, or of one, counted from 0 at the inputs, as in `0.h`.
    #[schemars(default = "FigureSpec::quantity_unless_given")]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub quantity: Option<String>,
    /// The sweep key on the x-axis.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub x: Option<String>,
    /// The sweep key on the y-axis.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub y: Option<String>,
    /// Only these grid points: `cell` names a cell by its label, a key of `[sweep]` a value of its axis,
    /// and a list of either means any of them. All grid points if not given.
    #[serde(rename = "where", skip_serializing_if = "Filter::is_empty")]
    #[schemars(default)]
    pub filter: Filter,
    /// The heading; what is seen if not given.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub title: Option<String>,
}

/// The kinds of figures.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum FigureKind {
    /// Log-norm against lag.
    Decay,
    /// Log-norm over a factor and lag.
    Phase,
    /// Fitted rate against a factor.
    Rate,
    /// Half-life against a factor.
    HalfLife,
    /// Fitted rate over two factors, with the line of rate 0.
    Plane,
    /// The gates, states and gradients of one sequence over time.
    Gates,
    /// Singular values of ∂s_T/∂s_t against lag.
    SingularValues,
    /// Lyapunov exponents against their place in the spectrum, and how they converge.
    Lyapunov,
    /// Gradients over the step of the loss and that of the state.
    LossState,
    /// Gradients over unit and lag, and their distribution over units.
    UnitGradient,
    /// Loss and gradient over a ramp of inputs and a factor.
    ErrorSurface,
}

impl FigureKind {
    /// The kinds that show one recorded quantity and nothing else, with it.
    const OF_ONE: [(Self, Recorded); 5] = [
        (Self::SingularValues, Recorded::SingularValues),
        (Self::Lyapunov, Recorded::Lyapunov),
        (Self::LossState, Recorded::LossState),
        (Self::UnitGradient, Recorded::UnitGradient),
        (Self::ErrorSurface, Recorded::SequenceGradient),
    ];

    /// The recorded quantity that is all this kind shows, if it is one of those.
    fn of_one(self) -> Option<Recorded> {
        let found = Self::OF_ONE.iter().find(|(kind, _)| *kind == self);
        found.map(|(_, recorded)| *recorded)
    }

    /// The quantities that a figure of this kind may show, without their layers; none if it shows no
    /// single one.
    fn quantities(self) -> Vec<&'static str> {
        match self {
            Self::SingularValues | Self::Lyapunov | Self::ErrorSurface => Vec::new(),
            Self::LossState | Self::UnitGradient => vec!["h", "c"],
            _ => QUANTITIES.iter().map(|(name, _)| *name).collect(),
        }
    }

    /// Whether a figure of this kind has a sweep key on its x-axis.
    pub fn has_factor_axis(self) -> bool {
        matches!(
            self,
            Self::Phase | Self::Rate | Self::HalfLife | Self::Plane | Self::ErrorSurface
        )
    }

    /// Whether a figure of this kind has a sweep key on its y-axis too.
    pub fn has_two_factor_axes(self) -> bool {
        self == Self::Plane
    }
}

impl FigureSpec {
    /// The quantity drawn unless one is given.
    pub const QUANTITY: &str = "h";

    fn quantity_unless_given() -> Option<&'static str> {
        Some(Self::QUANTITY)
    }

    /// The figures drawn of a node gradient unless any is given.
    fn unless_given() -> Vec<Self> {
        vec![Self::of_kind(FigureKind::Decay)]
    }

    /// With nothing said but its kind.
    fn of_kind(kind: FigureKind) -> Self {
        Self {
            kind,
            name: write::name_of(&kind),
            quantity: None,
            x: None,
            y: None,
            filter: Filter::default(),
            title: None,
        }
    }
}

/// The quantities a figure may show, with what must be recorded for them: any of these.
const QUANTITIES: [(&str, &[Recorded]); 10] = [
    ("h", &[Recorded::Adjoint, Recorded::Node]),
    ("c", &[Recorded::Adjoint, Recorded::Node]),
    ("h_carried", &[Recorded::Adjoint]),
    ("c_carried", &[Recorded::Adjoint]),
    ("x", &[Recorded::InputGradient]),
    ("c_direct", &[Recorded::PathSplit]),
    ("c_gated", &[Recorded::PathSplit]),
    ("weight_hh", &[Recorded::ParameterContributions]),
    ("weight_ih", &[Recorded::ParameterContributions]),
    ("bias", &[Recorded::ParameterContributions]),
];

/// The only one of them that is the network's, and no layer's.
const OF_NO_LAYER: &str = "x";

impl Config {
    /// Reads, completes and checks an experiment. `file` names the text in errors; `sets` are the
    /// arguments of `--set`, as `key=value`.
    pub fn load(text: &str, file: &str, sets: &[String]) -> Result<Loaded, ConfigError> {
        load::load(text, file, sets)
    }

    /// The JSON Schema of a configuration file (draft 2020-12), for editors and validators.
    pub fn schema() -> serde_json::Value {
        schema::schema()
    }

    /// The configuration as TOML, every default spelled out. Loads back to an equal one.
    pub fn to_toml(&self) -> String {
        write::to_toml(self)
    }
}
