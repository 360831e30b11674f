//! Central differences on every parameter: relative error below 10⁻⁶ in f64 with step 10⁻⁵.
//!
//! Of vanilla RNNs of every smooth activation, an LSTM and their readouts, with squared error and cross
//! entropy at every step. A central difference has an error of about 10⁻¹⁰ from curvature, h²·L‴/6, and a
//! few times that from rounding, 10⁻¹⁶·L/h with L about 20. Both are absolute, so an entry below 3·10⁻³
//! is compared as if it were that large.

use gradient_tracking::Trainable;
use gradient_tracking::probes::ParameterGradient;
use gradient_tracking::source::{Readout, Target};
use nalgebra::{DMatrix, DVector};
use vanilla_rnn::Activation;

use super::measure::{Draws, Trajectory, labels, largest, random_lstm, random_rnn};
use super::{Check, Claim, Evidence, Scale};

/// The claim.
pub const CLAIM: Claim = Claim {
    id: "oracle-finite-differences",
    source: "definition",
    statement: "Every parameter's gradient agrees with central differences to 10⁻⁶",
    scale: Scale::Full,
    cost_seconds: 0.1,
    check,
};

const HIDDEN: usize = 4;
const INPUT: usize = 2;
const CLASSES: usize = 3;
const STEPS: usize = 6;
const BATCH: usize = 3;
const DIFFERENCE: f64 = 1e-5;
const SMALLEST: f64 = 3e-3;

fn check() -> Result<Evidence, String> {
    let draws = Draws {
        claim: CLAIM.id,
        replicate: 0,
    };
    let rnn = |activation| Box::new(random_rnn(draws, activation, HIDDEN, INPUT));
    let mut checks = Vec::new();
    for classify in [false, true] {
        let cells: [(&str, Box<dyn Trainable>); 4] = [
            ("tanh RNN", rnn(Activation::Tanh)),
            ("logistic RNN", rnn(Activation::Logistic)),
            ("linear RNN", rnn(Activation::Identity)),
            ("LSTM", Box::new(random_lstm(draws, HIDDEN, INPUT))),
        ];
        for (name, cell) in cells {
            let loss = if classify {
                "cross entropy"
            } else {
                "squared error"
            };
            let error = largest_error(&mut Learner::new(draws, cell, classify))?;
            checks.push(Check::at_most(
                format!("{name}, {loss}: largest relative error"),
                error,
                1e-6,
            ));
        }
    }
    Ok(Evidence {
        checks,
        seeds: 1,
        plot: None,
        remark: String::new(),
    })
}

fn largest_error(learner: &mut Learner) -> Result<f64, String> {
    let (_, found) = learner.evaluate()?;
    let mut numbers = learner.numbers();
    let mut errors = Vec::new();
    for k in 0..numbers.len() {
        let value = numbers[k];
        let mut at = |by: f64| {
            numbers[k] = value + by;
            learner.set(&numbers);
            Ok::<_, String>(learner.evaluate()?.0)
        };
        let difference = (at(DIFFERENCE)? - at(-DIFFERENCE)?) / (2.0 * DIFFERENCE);
        numbers[k] = value;
        errors.push((found[k] - difference).abs() / largest([difference.abs(), SMALLEST]));
    }
    Ok(largest(errors))
}

/// A loss through a readout at every step, with everything that its value depends on.
struct Learner {
    cell: Box<dyn Trainable>,
    inputs: DMatrix<f64>,
    initial: DMatrix<f64>,
    weights: DMatrix<f64>,
    bias: DVector<f64>,
    targets: DMatrix<f64>,
    labels: Option<Vec<usize>>,
}

impl Learner {
    fn new(draws: Draws, cell: Box<dyn Trainable>, classify: bool) -> Self {
        let columns = STEPS * BATCH;
        Learner {
            inputs: draws.uniform("inputs", INPUT, columns, 1.0),
            initial: draws.uniform("initial", cell.shape().state, BATCH, 0.5),
            weights: draws.uniform("readout", CLASSES, HIDDEN, 1.0),
            bias: draws
                .uniform("readout bias", CLASSES, 1, 0.5)
                .column(0)
                .into_owned(),
            targets: draws.uniform("targets", CLASSES, columns, 1.0),
            labels: classify.then(|| labels(draws, "labels", CLASSES, columns)),
            cell,
        }
    }

    /// Parameters of the cell, then of the readout.
    fn numbers(&self) -> Vec<f64> {
        let cell = self.cell.parameters();
        [cell, self.weights.as_slice(), self.bias.as_slice()].concat()
    }

    fn set(&mut self, numbers: &[f64]) {
        let (cell, readout) = numbers.split_at(self.cell.parameters().len());
        let (weights, bias) = readout.split_at(self.weights.len());
        self.cell.set_parameters(cell);
        self.weights.copy_from_slice(weights);
        self.bias.copy_from_slice(bias);
    }

    /// The loss and the gradient of all numbers.
    fn evaluate(&self) -> Result<(f64, Vec<f64>), String> {
        let trajectory = Trajectory::new(&*self.cell, self.inputs.clone(), &self.initial)?;
        let target = match &self.labels {
            Some(labels) => Target::CrossEntropy(labels),
            None => Target::SquaredError(self.targets.as_view()),
        };
        let (weights, bias) = (self.weights.clone(), self.bias.clone());
        let mut readout = Readout::new(weights, bias, target, 1, BATCH);
        let mut cell = ParameterGradient::new(&*self.cell, STEPS, BATCH);
        trajectory.backpropagate(&mut readout, None, &mut [&mut cell])?;
        let (weights, bias) = (&readout.weights_gradient, &readout.bias_gradient);
        let gradient = [&cell.to_f64(), weights.as_slice(), bias.as_slice()].concat();
        Ok((readout.loss, gradient))
    }
}
