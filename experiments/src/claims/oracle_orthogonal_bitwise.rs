//! W = ρQ, linear: r_k = ρ^k, bit for bit where Q permutes and ρ is a power of two.
//!
//! A signed permutation times 2^p moves every entry of the adjoint and adds p to its exponent: no
//! mantissa may ever change, at any lag, also where plain f64 has long ended: from a unit adjoint that is
//! 0 at lag 1075 for ρ = ½ (f32: 150) and infinite at lag 1024 for ρ = 2 (f32: 128). This tests that
//! norms are held in the log domain. For any orthogonal Q the equality holds to rounding: each step
//! sums n products of rounded weights, and Q is orthogonal only to rounding itself.

use gradient_tracking::scaled::scale_by_power_of_two;
use nalgebra::DMatrix;
use vanilla_rnn::Activation;

use super::measure::{
    Draws, EPSILON, Trajectory, Worst, largest, mantissa_and_exponent, undriven, unit_vector,
};
use super::{Check, Claim, Evidence, Scale};

/// The claim.
pub const CLAIM: Claim = Claim {
    id: "oracle-orthogonal-bitwise",
    source: "exact",
    statement: "A linear network with W = ρQ has r_k = ρ^k at every lag; with a permutation and ρ = 2^p bit \
                for bit",
    scale: Scale::Full,
    cost_seconds: 0.2,
    check,
};

const STEPS: usize = 5000;
const SIZE: usize = 7;
/// The signed permutation: unit i receives ± unit `SOURCE[i]`.
const SOURCE: [usize; SIZE] = [3, 0, 6, 5, 1, 2, 4];
const SIGN: [f64; SIZE] = [1.0, -1.0, 1.0, 1.0, -1.0, -1.0, 1.0];

fn check() -> Result<Evidence, String> {
    let draws = Draws {
        claim: CLAIM.id,
        replicate: 0,
    };
    let (mut changed, mut entries) = (0, 0);
    for power in [-7, -1, 0, 1, 7] {
        // One column and several take different paths through the kernels.
        for batch in [1, 3] {
            let adjoint = draws.uniform("adjoint", SIZE, batch, 1.0);
            changed += changed_entries(power, &adjoint)?;
            entries += (STEPS + 1) * SIZE * batch;
        }
    }
    let (last_nonzero, half) = unit_adjoint(0.5)?;
    let (last_finite, double) = unit_adjoint(2.0)?;

    let mut worst = Worst::default();
    let q = draws.orthogonal("Q", 12);
    let defect = (q.tr_mul(&q) - DMatrix::identity(12, 12)).norm();
    for rho in [0.5_f64, 0.9, 1.0, 1.1, 3.0] {
        let cell = undriven(Activation::Identity, rho * &q);
        let trajectory = Trajectory::undriven(&cell, &DMatrix::zeros(12, 1), 4000)?;
        let adjoint = draws.uniform("adjoint", 12, 1, 1.0);
        for (lag, found) in trajectory
            .terminal(&adjoint)?
            .ratios("h")
            .iter()
            .enumerate()
        {
            let expected = lag as f64 * rho.log10();
            let step = 12.0 * EPSILON + defect;
            worst.see(
                *found,
                expected,
                lag as f64 * step + 4.0 * EPSILON * (1.0 + expected.abs()),
            );
        }
    }
    Ok(Evidence {
        checks: vec![
            Check::none(
                "entries of adjoints that are not ±(their own bits)·2^(pk)",
                changed,
                entries,
            ),
            Check::exactly(
                "last lag at which plain f64 is not 0, ρ = ½",
                last_nonzero as f64,
                1074.0,
            ),
            Check::exactly(
                "last lag at which plain f64 is finite, ρ = 2",
                last_finite as f64,
                1023.0,
            ),
            Check::at_most(
                "log₁₀ r_k to lag 5000, ρ = ½ and 2, in units of its rounding",
                largest([half, double]),
                1.0,
            ),
            Check::at_most(
                "any Q: |log₁₀ r_k − k·log₁₀ ρ| in units of its rounding",
                worst.0,
                1.0,
            ),
        ],
        seeds: 1,
        plot: None,
        remark: String::new(),
    })
}

fn signed_permutation(factor: f64) -> DMatrix<f64> {
    DMatrix::from_fn(SIZE, SIZE, |i, j| {
        if SOURCE[i] == j {
            factor * SIGN[i]
        } else {
            0.0
        }
    })
}

/// Entries, over all lags, whose mantissa, sign or exponent is not what a permutation times 2^`power`
/// makes of `adjoint`.
fn changed_entries(power: i64, adjoint: &DMatrix<f64>) -> Result<usize, String> {
    let weights = signed_permutation(scale_by_power_of_two(1.0, power));
    let cell = undriven(Activation::Identity, weights);
    let initial = DMatrix::zeros(SIZE, adjoint.ncols());
    let trajectory = Trajectory::undriven(&cell, &initial, STEPS)?;
    let mut source = trajectory.terminal_source(adjoint);
    let found = trajectory.adjoints(&mut source, None)?.carried;
    let mut changed = 0;
    // Where entry i of the adjoint now stands, and with which sign.
    let mut place: Vec<(usize, f64)> = (0..SIZE).map(|i| (i, 1.0)).collect();
    for lag in 0..=STEPS {
        for (i, (unit, sign)) in place.iter().enumerate() {
            for j in 0..adjoint.ncols() {
                let (mantissa, exponent) = mantissa_and_exponent(adjoint[(i, j)]);
                let expected = (sign * mantissa, exponent + lag as i64 * power);
                changed += usize::from(found[STEPS - lag].entry(*unit, j) != expected);
            }
        }
        for (unit, sign) in &mut place {
            (*sign, *unit) = (*sign * SIGN[*unit], SOURCE[*unit]);
        }
    }
    Ok(changed)
}

/// From a unit adjoint: the last lag at which a plain product is neither 0 nor infinite, and the largest
/// deviation of our log₁₀ r_k from k·log₁₀ ρ in units of its rounding.
fn unit_adjoint(rho: f64) -> Result<(usize, f64), String> {
    let weights = signed_permutation(rho);
    let cell = undriven(Activation::Identity, weights.clone());
    let trajectory = Trajectory::undriven(&cell, &DMatrix::zeros(SIZE, 1), STEPS)?;
    let mut plain = unit_vector(SIZE, 2);
    let ratios = trajectory.terminal(&plain)?.ratios("h");
    let (mut last, mut worst) = (0, Worst::default());
    for (lag, found) in ratios.iter().enumerate() {
        let expected = lag as f64 * rho.log10();
        // Half a rounding each in log₁₀ 2, its product with the exponent, a logarithm and a sum.
        worst.see(*found, expected, 4.0 * EPSILON * expected.abs());
        let size = largest(plain.iter().map(|v| v.abs()));
        if size != 0.0 && size.is_finite() {
            last = lag;
        }
        plain = weights.tr_mul(&plain);
    }
    Ok((last, worst.0))
}
