//! The antisymmetric RNN's modes grow by exactly √((1 − εγ)² + ε²ω²) per step.
//!
//! B. Chang, M. Chen, E. Haber, E. Chi, ICLR 2019. h_t = h_{t−1} + ε tanh(M h_{t−1} + …), M = A − Aᵀ − γI,
//! whose eigenvalues are −γ ± iω whatever A is. At the origin the Jacobian is I + εM, which is normal, with
//! J·Jᵀ = (1 − εγ)² I + ε² SᵀS for S = A − Aᵀ. Three things are measured there:
//!
//! * single modes, S = [[0, ω], [−ω, 0]], over a grid of ε, γ and ω, lags to 100: the factor per step;
//! * random A (Gaussian, H = 32), lags to 200: r_k² = Σᵢ (v·eᵢ)² ((1 − εγ)² + ε²ωᵢ²)ᵏ with ωᵢ², eᵢ the
//!   eigenvalues and -vectors of SᵀS and v the terminal adjoint;
//! * A = 0, where a leaky unit is left: (1 − εγ)ᵏ.
//!
//! All are exact, so the thresholds are rounding: some 10⁻¹⁶ for each of 200 steps and for the logarithms,
//! 10⁻¹² in ln r_k; the eigenvectors' part in the second is 10⁻¹⁵ relative, too. The real parts of M's
//! eigenvalues, before and after a thousand random updates of A, come from a backward stable algorithm:
//! ‖M‖·H·10⁻¹⁶ with ‖M‖ up to 20, below 10⁻¹².

use antisymmetric_rnn::AntisymmetricRnn;
use cell_config::{Initialization, Streams, uniform};
use gradient_tracking::Trainable;
use nalgebra::{DMatrix, DVector};

use super::measure::largest;
use super::one_cell::{gradients, ln_ratios};
use super::{Check, Claim, Evidence, Scale};
use crate::figures::{Mark, Plot, PlotAxis, PlotSeries};

/// See the [module](self).
pub const CLAIM: Claim = Claim {
    id: "antisymmetric-2019",
    source: "B. Chang, M. Chen, E. Haber, E. Chi, ICLR 2019 (arXiv:1902.09689); growth per step derived",
    statement: "An antisymmetric RNN's eigenvalues keep the real part −γ, and a mode of frequency ω grows \
                by √((1 − εγ)² + ε²ω²) per step of length ε",
    scale: Scale::Full,
    cost_seconds: 1.0,
    check,
};

const SEEDS: usize = 10;
const HIDDEN: usize = 32;

/// γ, ε of the random networks: the defaults of the cell.
const STEP: f64 = 0.1;
const DIFFUSION: f64 = 0.1;

fn check() -> Result<Evidence, String> {
    let (single, plot) = single_modes()?;
    let (mut mixed, mut real_parts) = (0.0, 0.0);
    for replicate in 0..SEEDS as u64 {
        let streams = Streams { seed: 1, replicate };
        mixed = largest([mixed, deviation_of_all_modes(&streams)?]);
        real_parts = largest([real_parts, deviation_of_real_parts(&streams)]);
    }
    Ok(Evidence {
        checks: vec![
            Check::at_most(
                "single modes: largest |ln r_k − k ln √((1 − εγ)² + ε²ω²)|, k ≤ 100",
                single,
                1e-12,
            ),
            Check::at_most(
                "random A, H = 32: largest deviation of ln r_k from the sum over its modes, k ≤ 200",
                mixed,
                1e-12,
            ),
            Check::at_most(
                "A = 0: largest |ln r_k − k ln(1 − εγ)|, k ≤ 200",
                leaky()?,
                1e-12,
            ),
            Check::at_most(
                "largest |Re λ + γ| over M's eigenvalues, before and after 1000 random updates of A",
                real_parts,
                1e-12,
            ),
        ],
        seeds: SEEDS,
        plot: Some(plot),
        remark: String::new(),
    })
}

/// ln r_k at the origin without inputs, where tanh is linear.
fn at_the_origin(
    cell: &AntisymmetricRnn,
    adjoint: &DVector<f64>,
    steps: usize,
) -> Result<Vec<f64>, String> {
    let hidden = adjoint.len();
    let adjoint = DMatrix::from_column_slice(hidden, 1, adjoint.as_slice());
    let (inputs, initial) = (DMatrix::zeros(1, steps), DMatrix::zeros(hidden, 1));
    let found = gradients(cell, inputs, &initial, &adjoint)?;
    Ok(ln_ratios(&found.norms, 0))
}

fn growth(step: f64, diffusion: f64, square_of_frequency: f64) -> f64 {
    ((1.0 - step * diffusion).powi(2) + step * step * square_of_frequency).sqrt()
}

fn with(step: f64, diffusion: f64, a: DMatrix<f64>) -> AntisymmetricRnn {
    let hidden = a.ncols();
    AntisymmetricRnn::new(
        step,
        diffusion,
        a,
        DMatrix::zeros(hidden, 1),
        DVector::zeros(hidden),
    )
}

fn single_modes() -> Result<(f64, Plot), String> {
    let lags = 100;
    let adjoint = DVector::from_column_slice(&[0.6, -0.8]);
    let (mut deviation, mut series) = (0.0, Vec::new());
    for (colour, (step, diffusion)) in [(0.1, 0.0), (0.1, 0.1), (0.1, 1.0), (0.5, 0.0), (0.5, 1.0)]
        .into_iter()
        .enumerate()
    {
        let frequencies: Vec<f64> = (0..=16).map(|k| 0.25 * f64::from(k)).collect();
        let mut measured = Vec::new();
        for frequency in &frequencies {
            let a = DMatrix::from_row_slice(2, 2, &[0.0, *frequency, 0.0, 0.0]);
            let ratios = at_the_origin(&with(step, diffusion, a), &adjoint, lags)?;
            let ln_growth = growth(step, diffusion, frequency * frequency).ln();
            let errors = ratios.iter().enumerate();
            let errors = errors.map(|(k, ratio)| (ratio - k as f64 * ln_growth).abs());
            deviation = largest(errors.chain([deviation]));
            measured.push((*frequency, (ratios[lags] / lags as f64).exp()));
        }
        let label = format!("ε = {step}, γ = {diffusion}");
        let smooth = (0..=160).map(|k| 0.025 * f64::from(k));
        let theory = smooth.map(|omega| (omega, growth(step, diffusion, omega * omega)));
        series.push(PlotSeries::new(label, Mark::Dashed, colour, theory));
        series.push(PlotSeries::new("", Mark::Points, colour, measured));
    }
    let plot = Plot {
        title: "Euler steps let every mode grow that the diffusion does not hold".to_owned(),
        subtitle: "dots: gradient per step over 100 steps; dashed: √((1 − εγ)² + ε²ω²)".to_owned(),
        x: PlotAxis::linear("frequency ω of the mode"),
        y: PlotAxis::linear("factor per step"),
        series,
        heat: None,
    };
    Ok((deviation, plot))
}

fn gaussian(streams: &Streams, name: &str) -> DMatrix<f64> {
    let stream = streams.stream(&["antisymmetric-2019", name], &[HIDDEN, HIDDEN]);
    Initialization::default().draw(HIDDEN, HIDDEN, HIDDEN, stream)
}

fn deviation_of_all_modes(streams: &Streams) -> Result<f64, String> {
    let lags = 200;
    let a = gaussian(streams, "a");
    let stream = streams.stream(&["antisymmetric-2019", "adjoint"], &[HIDDEN]);
    let adjoint = uniform(HIDDEN, 1, -1.0, 1.0, stream).column(0).into_owned();
    let s = &a - a.transpose();
    let modes = s.tr_mul(&s).symmetric_eigen();
    let parts = modes.eigenvectors.tr_mul(&adjoint);
    let ratios = at_the_origin(&with(STEP, DIFFUSION, a), &adjoint, lags)?;
    let expected = |k: usize| {
        let terms = parts.iter().zip(modes.eigenvalues.iter());
        let square: f64 = terms
            .map(|(part, square)| part * part * growth(STEP, DIFFUSION, *square).powi(2 * k as i32))
            .sum();
        0.5 * (square / adjoint.norm_squared()).ln()
    };
    let errors = ratios.iter().enumerate();
    Ok(largest(
        errors.map(|(k, ratio)| (ratio - expected(k)).abs()),
    ))
}

fn leaky() -> Result<f64, String> {
    let adjoint = DVector::from_column_slice(&[2.0, -1.0, 2.0]);
    let ratios = at_the_origin(&with(STEP, DIFFUSION, DMatrix::zeros(3, 3)), &adjoint, 200)?;
    let ln_factor = (1.0 - STEP * DIFFUSION).ln();
    let errors = ratios.iter().enumerate();
    Ok(largest(
        errors.map(|(k, ratio)| (ratio - k as f64 * ln_factor).abs()),
    ))
}

fn deviation_of_real_parts(streams: &Streams) -> f64 {
    let mut cell = with(STEP, DIFFUSION, gaussian(streams, "a"));
    let deviation = |cell: &AntisymmetricRnn| {
        let eigenvalues = cell
            .affine()
            .recurrent_weights()
            .into_owned()
            .complex_eigenvalues();
        largest(eigenvalues.iter().map(|value| (value.re + DIFFUSION).abs()))
    };
    let before = deviation(&cell);
    for update in 0..1000 {
        let change = gaussian(streams, &format!("update {update}")) * 0.1;
        let mut parameters = cell.parameters().to_vec();
        for (parameter, change) in parameters.iter_mut().zip(change.iter()) {
            *parameter += change;
        }
        cell.set_parameters(&parameters);
    }
    largest([before, deviation(&cell)])
}
