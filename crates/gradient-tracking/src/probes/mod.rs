//! The quantities that can be recorded, one file each.

mod contributions;
mod gate_totals;
mod gates;
mod input_gradient;
mod loss_state;
mod norms;
mod parameter_gradient;
mod path_split;
mod sequence_gradients;
mod series;
mod singular_values;
mod unit_gradients;

pub use contributions::ContributionNorms;
pub use gate_totals::{GateTotals, Totals};
pub use gates::{GateStatistics, Summary};
pub use input_gradient::InputGradientNorms;
pub use loss_state::LossState;
pub use norms::{BlockGradients, BlockNorms, Norms};
pub use parameter_gradient::ParameterGradient;
pub use path_split::PathSplit;
pub use sequence_gradients::SequenceGradients;
pub use series::Series;
pub use singular_values::SingularValues;
pub use unit_gradients::{UnitGradients, UnitNorms};
