//! The quantities that can be recorded, one file each.

mod contributions;
mod gate_totals;
mod gates;
mod input_gradient;
mod norms;
mod parameter_gradient;
mod path_split;
mod series;

pub use contributions::ContributionNorms;
pub use gate_totals::{GateTotals, Totals};
pub use gates::{GateStatistics, Summary};
pub use input_gradient::InputGradientNorms;
pub use norms::{BlockGradients, BlockNorms, Norms};
pub use parameter_gradient::ParameterGradient;
pub use path_split::PathSplit;
pub use series::Series;
