//! The regulariser Ω that asks a gradient to keep its norm, in both of its forms.
//!
//! R. Pascanu, T. Mikolov, Y. Bengio, ICML 2013 (arXiv:1211.5063), Eqs. 9 and 10. With g_k = ∂E/∂x_k and
//! J_k = ∂x_{k+1}/∂x_k,
//!
//! ```text
//! Ω = Σ_k (‖g_{k+1} J_k‖ / ‖g_{k+1}‖ − 1)²      norm form, Eq. 9
//! Ω = Σ_k (‖g_{k+1} J_k‖² / ‖g_{k+1}‖² − 1)²    squared form, Eq. 10 and the published code
//! ```
//!
//! and of its gradient only the immediate part in W is taken, g and x held fixed. The paper is ambiguous,
//! so both are implemented under these names. In the paper's pre-activation form x_{k+1} = Wσ(x_k) +
//! …, J_k = W·diag(σ'(x_k)), and g_k is our δ_k = ∂L/∂a_k: the ratios are those of successive δ.
//!
//! With q_k = g_{k+1}J_k, ρ_k = ‖q_k‖/‖g_{k+1}‖, the immediate derivative in W is, for the norm form,
//! 2(ρ_k − 1)·g_{k+1}(σ'(x_k) ⊙ q_k)ᵀ/(‖q_k‖‖g_{k+1}‖), for the squared one 4(ρ_k² − 1)·…/‖g_{k+1}‖².
//!
//! Linear W = ρQ: every term is (ρ − 1)² or (ρ² − 1)², to rounding: each ratio is a sum of 12
//! products, Q is orthogonal to rounding. The gradient agrees with central differences, adjoints
//! frozen. One step on Ω alone must move the rate of ρQ, and of a random tanh network, towards 0.

use gradient_tracking::Trainable;
use nalgebra::{DMatrix, DVector};
use vanilla_rnn::{Activation, VanillaRnn};

use super::measure::{Cases, Draws, EPSILON, Trajectory, Worst, largest, slope, undriven};
use super::{Check, Claim, Evidence, Scale};

/// The claim.
pub const CLAIM: Claim = Claim {
    id: "pascanu-2013-omega",
    source: "R. Pascanu, T. Mikolov, Y. Bengio, ICML 2013 (arXiv:1211.5063), Eqs. 9 and 10",
    statement: "Ω of a linear network ρQ is (ρ−1)² a step (norm form) or (ρ²−1)² (squared form), and a step \
                down it brings the rate nearer to 0",
    scale: Scale::Full,
    cost_seconds: 0.05,
    check,
};

/// Which ratio is to be 1.
#[derive(Clone, Copy)]
enum Form {
    /// Of norms, Eq. 9.
    Norm,
    /// Of squared norms, Eq. 10.
    Squared,
}

impl Form {
    /// The term of a ratio of norms.
    fn term(self, ratio: f64) -> f64 {
        match self {
            Form::Norm => (ratio - 1.0).powi(2),
            Form::Squared => (ratio * ratio - 1.0).powi(2),
        }
    }

    /// d(term)/d(½ ratio²).
    fn slope(self, ratio: f64) -> f64 {
        match self {
            Form::Norm => 2.0 * (ratio - 1.0) / ratio,
            Form::Squared => 4.0 * (ratio * ratio - 1.0),
        }
    }
}

/// What is held fixed: for each k the adjoint g_{k+1} and the slopes σ'(x_k).
struct Frozen {
    steps: Vec<(DVector<f64>, DVector<f64>)>,
}

impl Frozen {
    /// Along one sequence, from a terminal adjoint ∂L/∂h_T.
    fn of(
        trajectory: &Trajectory,
        activation: Activation,
        adjoint: &DMatrix<f64>,
    ) -> Result<Self, String> {
        let mut source = trajectory.terminal_source(adjoint);
        let deltas = trajectory.adjoints(&mut source, None)?.deltas;
        let steps = (1..trajectory.steps()).map(|k| {
            // δ_{k+1}, whose index is k.
            let adjoint = deltas[k].plain().column(0).into_owned();
            let slopes = trajectory.state(k).column(0).map(|h| match activation {
                Activation::Tanh => 1.0 - h * h,
                Activation::Logistic => h * (1.0 - h),
                Activation::Identity => 1.0,
                Activation::Relu => f64::from(u8::from(h > 0.0)),
            });
            (adjoint, slopes)
        });
        Ok(Frozen {
            steps: steps.collect(),
        })
    }

    /// ‖g_{k+1}J_k‖/‖g_{k+1}‖ for each k.
    fn ratios<'a>(&'a self, weights: &'a DMatrix<f64>) -> impl Iterator<Item = f64> + 'a {
        self.steps.iter().map(move |(adjoint, slopes)| {
            let pulled = weights.tr_mul(adjoint).component_mul(slopes);
            pulled.norm() / adjoint.norm()
        })
    }

    fn omega(&self, weights: &DMatrix<f64>, form: Form) -> f64 {
        self.ratios(weights).map(|ratio| form.term(ratio)).sum()
    }

    /// The immediate derivative of Ω in W.
    fn gradient(&self, weights: &DMatrix<f64>, form: Form) -> DMatrix<f64> {
        let mut sum = DMatrix::zeros(weights.nrows(), weights.ncols());
        for (adjoint, slopes) in &self.steps {
            let pulled = weights.tr_mul(adjoint).component_mul(slopes);
            let ratio = pulled.norm() / adjoint.norm();
            let factor = form.slope(ratio) / adjoint.norm_squared();
            sum.ger(factor, adjoint, &pulled.component_mul(slopes), 1.0);
        }
        sum
    }
}

const SIZE: usize = 12;
const STEPS: usize = 40;

fn check() -> Result<Evidence, String> {
    let draws = Draws {
        claim: CLAIM.id,
        replicate: 0,
    };
    let adjoint = draws.gaussian("adjoint", SIZE, 1, 1.0);
    let q = draws.orthogonal("Q", SIZE);
    let defect = (q.tr_mul(&q) - DMatrix::identity(SIZE, SIZE)).norm();
    let forms = [("norm", Form::Norm), ("squared", Form::Squared)];
    let mut checks = Vec::new();
    for (name, form) in forms {
        let (mut terms, mut nearer) = (Worst::default(), Cases::default());
        for rho in [0.6_f64, 0.9, 1.1, 1.3] {
            let weights = rho * &q;
            let cell = undriven(Activation::Identity, weights.clone());
            let trajectory = Trajectory::undriven(&cell, &DMatrix::zeros(SIZE, 1), STEPS)?;
            let frozen = Frozen::of(&trajectory, Activation::Identity, &adjoint)?;
            let error = SIZE as f64 * EPSILON + defect;
            for ratio in frozen.ratios(&weights) {
                // The ratio's error times the slope of the term, and that of the reference.
                let tolerance = 8.0 * largest([rho.powi(3), 1.0]) * error;
                terms.see(form.term(ratio), form.term(rho), tolerance);
            }
            // Small enough to stay on this side of 1 where the squared form is steepest.
            let stepped = &weights - 1e-3 * frozen.gradient(&weights, form);
            let before = rate(Activation::Identity, &weights, &adjoint)?;
            let after = rate(Activation::Identity, &stepped, &adjoint)?;
            nearer.see(after.abs() < before.abs());
        }
        checks.push(Check::at_most(
            format!("{name} form, W = ρQ: terms of Ω in units of rounding"),
            terms.0,
            1.0,
        ));
        checks.push(Check::none(
            format!("{name} form: steps on Ω that do not bring the rate of ρQ nearer to 0"),
            nearer.violations,
            nearer.of,
        ));
    }

    let cell = driven(draws, 1.0);
    let weights = cell.affine().recurrent_weights().into_owned();
    let inputs = draws.gaussian("inputs", 2, STEPS, 1.0);
    let trajectory = Trajectory::new(&cell, inputs, &DMatrix::zeros(SIZE, 1))?;
    let frozen = Frozen::of(&trajectory, Activation::Tanh, &adjoint)?;
    for (name, form) in forms {
        let gradient = frozen.gradient(&weights, form);
        let mut differences = Vec::new();
        for entry in 0..weights.len() {
            let at = |by: f64| {
                let mut shifted = weights.clone();
                shifted[entry] += by;
                frozen.omega(&shifted, form)
            };
            let difference = (at(1e-5) - at(-1e-5)) / 2e-5;
            differences.push((gradient[entry] - difference).abs());
        }
        // h²·Ω‴/6 and 10⁻¹⁶·Ω/h are both about 10⁻⁹ of the largest entry.
        let what = format!(
            "{name} form, tanh: gradient against central differences, relative to its largest"
        );
        let size = largest(gradient.iter().map(|g| g.abs()));
        checks.push(Check::at_most(what, largest(differences) / size, 1e-6));
    }
    let decaying = driven(draws, 0.5);
    let before = decaying.affine().recurrent_weights().into_owned();
    let inputs = draws.gaussian("inputs", 2, STEPS, 1.0);
    let trajectory = Trajectory::new(&decaying, inputs, &DMatrix::zeros(SIZE, 1))?;
    let frozen = Frozen::of(&trajectory, Activation::Tanh, &adjoint)?;
    let start = slope(&trajectory.terminal(&adjoint)?.ratios("h"), 1..STEPS);
    for (name, form) in forms {
        let stepped = &before - 1e-3 * frozen.gradient(&before, form);
        let mut cell = driven(draws, 0.5);
        set_recurrent(&mut cell, &stepped);
        let inputs = draws.gaussian("inputs", 2, STEPS, 1.0);
        let moved = Trajectory::new(&cell, inputs, &DMatrix::zeros(SIZE, 1))?;
        let rate = slope(&moved.terminal(&adjoint)?.ratios("h"), 1..STEPS);
        let what = format!("{name} form, decaying tanh network: |rate| after a step / before");
        checks.push(Check::at_most(what, rate.abs() / start.abs(), 1.0 - 1e-6));
    }
    Ok(Evidence {
        checks,
        seeds: 1,
        plot: None,
        remark: "Eq. 9 asks for norms of ratio 1, Eq. 10 and the published code for squared norms: both are \
                 checked"
            .to_owned(),
    })
}

/// A tanh network with Gaussian weights of this gain, and inputs.
fn driven(draws: Draws, gain: f64) -> VanillaRnn {
    VanillaRnn::new(
        Activation::Tanh,
        draws.gaussian("weight_hh", SIZE, SIZE, gain / (SIZE as f64).sqrt()),
        draws.gaussian("weight_ih", SIZE, 2, 0.5),
        DVector::zeros(SIZE),
    )
}

fn set_recurrent(cell: &mut VanillaRnn, weights: &DMatrix<f64>) {
    let mut parameters = cell.parameters().to_vec();
    parameters[..weights.len()].copy_from_slice(weights.as_slice());
    cell.set_parameters(&parameters);
}

/// The rate of an undriven network at rest.
fn rate(
    activation: Activation,
    weights: &DMatrix<f64>,
    adjoint: &DMatrix<f64>,
) -> Result<f64, String> {
    let cell = undriven(activation, weights.clone());
    let rest = DMatrix::zeros(SIZE, 1);
    let trajectory = Trajectory::undriven(&cell, &rest, STEPS)?;
    Ok(slope(
        &trajectory.terminal(adjoint)?.ratios("h"),
        1..STEPS + 1,
    ))
}
