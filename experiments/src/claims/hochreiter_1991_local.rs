//! Hochreiter's local bound on the error that flows back through a logistic network.
//!
//! S. Hochreiter, *Untersuchungen zu dynamischen neuronalen Netzen*, diploma thesis, TU München, 1991;
//! restated in Hochreiter & Schmidhuber, *Neural Computation* 9(8), 1997, §3.1. The error of unit u at
//! time t, ϑ_u(t), is ∂L/∂net_u(t): our δ_t. Scaled back q steps to unit v it is a sum over n^(q−1)
//! paths of products of q factors f'(net)·w, each at most w_max/4 in modulus, so
//!
//! ```text
//! |∂ϑ_v(t−q)/∂ϑ_u(t)| ≤ n·τ^q,   τ = n·w_max/4.
//! ```
//!
//! Counting the paths gives τ^q/n, n² times sharper than the paper states; both are checked. A whole
//! q-step Jacobian is one way back of n columns along copies of one trajectory: column u starts from
//! ∂L/∂h_T = e_u, and divided by its own δ_T it is column u of ∂ϑ(T−q)/∂ϑ(T).
//!
//! For one weight the factor |f'(w·y)·w| at a fixed activation y of the unit before has its largest
//! value, 0.2238716/y, at w = coth(net/2)/y = 1.5434/y; it is the one-step gradient of a scalar
//! network that starts at h_0 = y, here 1. The stated digits bound the tolerances.

use nalgebra::{DMatrix, DVector};
use theory::bounds::ln_path_bound;
use vanilla_rnn::{Activation, VanillaRnn};

use super::measure::{Cases, Draws, Trajectory, largest, maximum, same_sequence, scalar};
use super::{Check, Claim, Evidence, Scale};

/// The claim.
pub const CLAIM: Claim = Claim {
    id: "hochreiter-1991-local",
    source: "S. Hochreiter, diploma thesis, TU München (1991); Hochreiter & Schmidhuber, Neural \
             Computation 9(8) (1997), §3.1",
    statement: "A logistic network with |w| < 4/n passes errors back that shrink as n·τ^q, τ = n·w_max/4",
    scale: Scale::Full,
    cost_seconds: 0.2,
    check,
};

const SEEDS: u64 = 100;
const LAGS: usize = 60;

fn check() -> Result<Evidence, String> {
    let (mut of_paper, mut of_paths) = (Cases::default(), Cases::default());
    for n in [1, 4, 16] {
        let limit = 0.9 * 4.0 / n as f64;
        for replicate in 0..SEEDS {
            let draws = Draws {
                claim: CLAIM.id,
                replicate,
            };
            let weights = draws.uniform("weight_hh", n, n, limit);
            let w_max = largest(weights.iter().map(|w| w.abs()));
            for (q, jacobian) in error_jacobians(draws, weights)?.iter().enumerate().skip(1) {
                // 60 sums of at most 16 terms, each rounded to 10⁻¹⁶.
                let bound = ln_path_bound(n, w_max, q).exp() * (1.0 + 1e-12);
                for entry in jacobian.iter() {
                    of_paper.see(entry.abs() <= bound);
                    of_paths.see(entry.abs() <= bound / (n * n) as f64);
                }
            }
        }
    }

    let factor = |w: f64| one_step_factor(w).unwrap_or(f64::NAN);
    let (place, value) = maximum(0.1, 10.0, factor);
    let coth = 1.0 / (place / 2.0).tanh();
    let far = [factor(-100.0), factor(100.0)].map(f64::abs);
    Ok(Evidence {
        checks: vec![
            Check::none(
                "entries of q-step Jacobians above n·τ^q, q ≤ 60",
                of_paper.violations,
                of_paper.of,
            ),
            Check::none(
                "entries above τ^q/n, the number of paths counted",
                of_paths.violations,
                of_paths.of,
            ),
            Check::within("max over w of |f'(wy)·w|, y = 1", value, 0.223_871_6, 1e-6),
            // Four decimals are stated; a place of a maximum is found to 10⁻⁸.
            Check::within("the w where it is", place, 1.5434, 5e-5),
            Check::within("coth(net/2)/y there, against w", coth, place, 1e-6),
            Check::at_most("|f'(wy)·w| at w = ±100", largest(far), 1e-30),
        ],
        seeds: SEEDS as usize,
        plot: None,
        remark: String::new(),
    })
}

/// ∂ϑ(T−q)/∂ϑ(T) for q = 0…60: entry (v, u) of matrix q.
fn error_jacobians(draws: Draws, weights: DMatrix<f64>) -> Result<Vec<DMatrix<f64>>, String> {
    let n = weights.nrows();
    let cell = VanillaRnn::new(
        Activation::Logistic,
        weights,
        draws.uniform("weight_ih", n, 2, 1.0),
        DVector::zeros(n),
    );
    let steps = LAGS + 1;
    let inputs = draws.gaussian("inputs", 2, steps, 1.0);
    let initial = draws.uniform("initial", n, 1, 1.0);
    let (inputs, initial) = same_sequence(&inputs, &initial, n);
    let trajectory = Trajectory::new(&cell, inputs, &initial)?;
    let identity = DMatrix::identity(n, n);
    let mut source = trajectory.terminal_source(&identity);
    let mut deltas = trajectory.adjoints(&mut source, None)?.deltas;
    deltas.reverse();
    let own = deltas[0].plain().diagonal();
    Ok(deltas
        .iter()
        .map(|delta| {
            let mut jacobian = delta.plain();
            for (mut column, own) in jacobian.column_iter_mut().zip(own.iter()) {
                column /= *own;
            }
            jacobian
        })
        .collect())
}

/// |∂h_1/∂h_0| of h_1 = f(w·h_0) at h_0 = 1.
fn one_step_factor(w: f64) -> Result<f64, String> {
    let cell = scalar(Activation::Logistic, w, 0.0);
    let trajectory = Trajectory::undriven(&cell, &DMatrix::from_element(1, 1, 1.0), 1)?;
    Ok(10_f64.powf(trajectory.scalar_ratios()?[1]))
}
