//! With random forget gates the mean gradient outlives the typical one.
//!
//! Source: D. Gilboa et al., "Dynamical isometry and a mean field theory of LSTMs and GRUs",
//! arXiv:1901.08987, 2019. Its full equations are not repeated; this is their core, derived.
//!
//! Setup: no recurrent weights, and forget pre-activations N(b, q), independent from step to step,
//! made of random inputs to that gate. The gradient of a unit's c is then a product of independent
//! factors: its logarithm falls at E[ln σ(a)] per step, the typical rate, and its root mean square at
//! ½ ln E[σ(a)²], which is larger, because rare units carry it. Measured on 10,000 units over 50 lags.
//! Typical: within 0.01 nats, beyond four standard errors (those of ln σ(a), below 1.2, over
//! √(500,000) steps) by a wide margin. The root mean square is dominated by units too rare to occur in
//! a product, so it is estimated step by step, from the gates; tolerance alike.

use lstm::Lstm;
use nalgebra::{DMatrix, DVector};
use theory::gate_decay::{rms_rate, typical_rate};

use super::measure::{Draws, Trajectory};
use super::{Check, Claim, Evidence, Scale};

pub const CLAIM: Claim = Claim {
    id: "gilboa-2019-lstm",
    source: "D. Gilboa et al., arXiv:1901.08987 (2019)",
    statement: "Behind random forget gates the typical gradient falls at E[ln σ], its root mean square more slowly, at ½ ln E[σ²]",
    scale: Scale::Reduced("independent gates without recurrent weights; nothing is trained"),
    cost_seconds: 0.5,
    check,
};

const UNITS: usize = 10_000;
const LAG: usize = 50;

fn check() -> Result<Evidence, String> {
    let mut checks = Vec::new();
    let published = [
        (0.0, 1.0, -0.806059, -0.613145),
        (1.0, 1.0, -0.406856, -0.328127),
        (2.0, 1.0, -0.182737, -0.158192),
        (1.0, 4.0, -0.642495, -0.339397),
    ];
    for (case, (bias, variance, typical, rms)) in published.into_iter().enumerate() {
        let of = format!("b = {bias}, q = {variance}");
        checks.push(Check::within(
            format!("E[ln σ] by quadrature, {of}"),
            typical_rate(bias, variance),
            typical,
            5.1e-7,
        ));
        checks.push(Check::within(
            format!("½ ln E[σ²] by quadrature, {of}"),
            rms_rate(bias, variance),
            rms,
            5.1e-7,
        ));
        // The units are sequences of a single one: they share no weights.
        let (biases, weights) = ([0.0, bias, 0.0, 0.0], [0.0, f64::sqrt(variance), 0.0, 0.0]);
        let cell = Lstm::new(
            DMatrix::zeros(4, 1),
            DMatrix::from_column_slice(4, 1, &weights),
            DVector::from_column_slice(&biases),
            true,
        );
        let draws = Draws {
            claim: CLAIM.id,
            replicate: case as u64,
        };
        let inputs = draws.gaussian("inputs", 1, LAG * UNITS, 1.0);
        let trajectory = Trajectory::new(&cell, inputs, &DMatrix::zeros(2, UNITS))?;
        let gradients = trajectory.terminal(&DMatrix::from_element(1, UNITS, 1.0))?;
        // log₁₀ norms of every sequence, t = 0…T.
        let of_units = gradients.block("c").node.per_sequence.as_deref();
        let of_units = of_units.ok_or("norms per sequence are not recorded")?;
        let (start, end) = (&of_units[..UNITS], &of_units[LAG * UNITS..]);
        let fall: f64 = start.iter().zip(end).map(|(start, end)| start - end).sum();
        checks.push(Check::within(
            format!("typical rate of c over {LAG} lags and {UNITS} units, {of}"),
            fall * std::f64::consts::LN_10 / (UNITS * LAG) as f64,
            typical,
            0.01,
        ));
        let squares: f64 = (1..=LAG)
            .map(|t| trajectory.saved("f", t).norm_squared())
            .sum();
        checks.push(Check::within(
            format!(
                "½ ln of the mean squared forget gate over {LAG} steps and {UNITS} units, {of}"
            ),
            0.5 * (squares / (UNITS * LAG) as f64).ln(),
            rms,
            0.01,
        ));
    }
    Ok(Evidence::of(checks, published.len()))
}
