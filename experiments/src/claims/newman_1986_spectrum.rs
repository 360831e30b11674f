//! The Lyapunov spectrum of products of fresh Gaussian matrices.
//!
//! C. Newman, Commun. Math. Phys. 103:121 (1986): with independent elements of variance σ²/N in every
//! factor, λ_i = ln σ + ½[ln(2/N) + ψ((N−i+1)/2)]. The R_ii of repeated QR are independent of each other
//! and from step to step, ln R_ii with the variance ¼ψ′((N−i+1)/2), from the first step on and from any
//! start, so that every exponent comes with a z of its own and needs no tolerance: |z| ≤ 3.
//!
//! That is asked of all 72 exponents of N = 8 and N = 64. If the formula holds, one of them is beyond 3 by
//! chance in 18 of 100 choices of the seed. So Σz² stands beside it: χ² with 72 degrees of freedom, of which
//! 99.8 % lie between 40.5 and 114.9 (Wilson & Hilferty's approximation, good to 0.1 here).

use cell_config::Streams;
use kernels::View;
use lyapunov::Exponents;
use rand_distr::{Distribution, StandardNormal};
use theory::newman;

use super::measure::{Cases, largest};
use super::{Check, Claim, Evidence, Scale};
use crate::figures::{Mark, Plot, PlotAxis, PlotSeries};

/// The claim.
pub const CLAIM: Claim = Claim {
    id: "newman-1986-spectrum",
    source: "C. Newman, Commun. Math. Phys. 103:121 (1986)",
    statement: "Products of fresh Gaussian matrices have the exponents ln σ + ½[ln(2/N) + ψ((N−i+1)/2)]",
    scale: Scale::Full,
    cost_seconds: 3.0,
    check,
};

/// N, steps and σ.
const CASES: [(usize, usize, f64); 2] = [(8, 20_000, 1.0), (64, 10_000, 1.5)];

fn check() -> Result<Evidence, String> {
    let streams = Streams {
        seed: 1,
        replicate: 0,
    };
    let (mut checks, mut series) = (Vec::new(), Vec::new());
    let (mut squares, mut sizes) = (0.0, Vec::new());
    for (colour, (size, steps, deviation)) in CASES.into_iter().enumerate() {
        let mut stream = streams.stream(&["claims", "fresh factors"], &[size, size]);
        let mut exponents = Exponents::new(size, size);
        let mut factor = vec![0.0; size * size];
        let scale = deviation / (size as f64).sqrt();
        for _ in 0..steps {
            for value in &mut factor {
                let z: f64 = StandardNormal.sample(&mut stream);
                *value = scale * z;
            }
            exponents.push(View::from_slice(&factor, size, size));
        }
        let found = exponents.spectrum().exponents;
        let expected = newman::spectrum(size, deviation);
        let errors: Vec<f64> = (1..=size)
            .map(|index| newman::standard_error(index, size, steps))
            .collect();
        let mut near = Cases::default();
        for i in 0..size {
            let z = (found[i] - expected[i]) / errors[i];
            squares += z * z;
            sizes.push(z.abs());
            near.see(z.abs() <= 3.0);
        }
        checks.push(Check::none(
            format!("exponents beyond 3 standard errors at N = {size}"),
            near.violations,
            near.of,
        ));
        for i in [0, size / 2, size - 1] {
            let what = format!("λ_{} in nats per step, N = {size}, σ = {deviation}", i + 1);
            let check = Check::standard_errors(what, found[i], errors[i], expected[i], 3.0);
            checks.push(check);
        }
        let at = |values: &[f64]| -> Vec<(f64, f64)> {
            let points = values.iter().enumerate();
            points
                .map(|(i, v)| ((i + 1) as f64 / size as f64, *v))
                .collect()
        };
        let name = format!("N = {size}");
        series.push(PlotSeries::new("", Mark::Dashed, colour, at(&expected)));
        let measured = PlotSeries::new(name, Mark::Points, colour, at(&found));
        series.push(measured.with_errors(errors));
    }
    let what = "Σz² over all 72 exponents, χ² with 72 degrees of freedom";
    checks.push(Check::between(what, squares, 40.5, 114.9));
    Ok(Evidence {
        checks,
        seeds: 1,
        plot: Some(Plot {
            title: "Exponents of fresh Gaussian factors lie on Newman’s formula".to_owned(),
            subtitle: "Dots: repeated QR, σ = 1 over 20,000 steps (N = 8) and σ = 1.5 over 10,000 (N = 64), \
                       with one standard error. Dashed: theory."
                .to_owned(),
            x: PlotAxis::linear("i / N"),
            y: PlotAxis::linear("λ (nats per step)"),
            series,
            heat: None,
        }),
        remark: format!(
            "the largest |z| of 72 is {:.2}; beyond 3 is at least one of them by chance in 18 % of \
             seeds, which is why Σz² is checked as well",
            largest(sizes)
        ),
    })
}
