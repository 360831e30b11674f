//! Chaos in random networks is extensive: the spectrum does not depend on the size.
//!
//! R. Engelken, F. Wolf, L. Abbott, Phys. Rev. Research 5:043044 (2023): in random rate networks the
//! Lyapunov spectrum against i/N does not depend on N, the attractor's Kaplan–Yorke dimension D is
//! proportional to N and far below it, and fluctuating input lowers it. Checked in discrete time, h ←
//! tanh(W·h + σξ), where the paper compares with random matrix theory; its point symmetry concerns
//! continuous time. D/N at N = 50, 100, 200 within 20 % of each other and below 0.35, at g = 2 and 3, well
//! away from the onset, where small networks scatter. Half of the exponents are enough for D.

use cell_config::Streams;
use lyapunov::{Options, Spectrum, spectrum};

use super::measure::{largest, smallest};
use super::networks::{gaussian, mean, tanh_network, trajectory};
use super::{Check, Claim, Evidence, Scale};
use crate::figures::{Mark, Plot, PlotAxis, PlotSeries};

/// The claim.
pub const CLAIM: Claim = Claim {
    id: "engelken-2023-spectra",
    source: "R. Engelken, F. Wolf, L. Abbott, Phys. Rev. Research 5:043044 (2023)",
    statement: "Chaos is extensive: D/N does not depend on N, is far below 1, and input noise lowers it",
    scale: Scale::Reduced("discrete time, N up to 200, 6 to 12 networks, 1000 steps"),
    cost_seconds: 25.0,
    check,
};

/// Networks of this size: D of one scatters by a fifth of its mean at N = 150, more below, so that the mean
/// of three would not tell 20 %.
fn seeds(size: usize) -> u64 {
    if size < 200 { 12 } else { 6 }
}

const STEPS: usize = 1300;
const TRANSIENT: usize = 300;
const SIZES: [usize; 3] = [50, 100, 200];
const NOISE: f64 = 0.5;

fn check() -> Result<Evidence, String> {
    let (mut checks, mut series) = (Vec::new(), Vec::new());
    let mut remarks = Vec::new();
    for gain in [2.0, 3.0] {
        let mut dimensions = Vec::new();
        for (colour, size) in SIZES.into_iter().enumerate() {
            let spectra = networks(size, gain, 0.0)?;
            let of = |value: &dyn Fn(&Spectrum) -> f64| {
                let values: Vec<f64> = spectra.iter().map(value).collect();
                mean(&values) / size as f64
            };
            let dimension = of(&|found| found.kaplan_yorke_dimension().unwrap_or(f64::NAN));
            let squares = of(&|found| {
                let own = found.kaplan_yorke_dimension().unwrap_or(f64::NAN) / size as f64;
                (own - dimension).powi(2) * size as f64
            });
            let error = (squares / (spectra.len() as f64 - 1.0)).sqrt();
            let entropy = of(&Spectrum::entropy_bound);
            remarks.push(format!(
                "g = {gain}, N = {size}: D/N = {dimension:.3} ± {error:.3}, entropy/N ≤ {entropy:.4}"
            ));
            dimensions.push(dimension);
            if gain == 3.0 {
                let count = spectra[0].exponents.len();
                let points = (0..count).map(|i| {
                    let values: Vec<f64> = spectra.iter().map(|found| found.exponents[i]).collect();
                    ((i + 1) as f64 / size as f64, mean(&values))
                });
                let name = format!("N = {size}");
                series.push(PlotSeries::new(name, Mark::Line, colour, points));
            }
        }
        let of_largest = largest(dimensions.iter().copied());
        let by_smallest = of_largest / smallest(dimensions.iter().copied());
        let what = format!("largest by smallest D/N of N = 50, 100, 200 at g = {gain}");
        checks.push(Check::at_most(what, by_smallest, 1.2));
        let what = format!("largest D/N at g = {gain}");
        checks.push(Check::at_most(what, of_largest, 0.35));
        let noisy = networks(100, gain, NOISE)?;
        let noisy: Vec<f64> = noisy
            .iter()
            .map(|found| found.kaplan_yorke_dimension().unwrap_or(f64::NAN) / 100.0)
            .collect();
        let what =
            format!("D/N under input noise of {NOISE}, g = {gain}, N = 100: below that without");
        checks.push(Check::at_most(what, mean(&noisy), dimensions[1]));
    }
    Ok(Evidence {
        checks,
        seeds: seeds(SIZES[0]) as usize,
        plot: Some(Plot {
            title: "The larger a chaotic network, the closer its spectrum to one curve".to_owned(),
            subtitle:
                "Upper half of the Lyapunov spectrum of h ← tanh(W·h), gain 3, mean over networks."
                    .to_owned(),
            x: PlotAxis::linear("i / N"),
            y: PlotAxis::linear("λ (nats per step)"),
            series,
            heat: None,
        }),
        remark: format!(
            "at g = 2 some networks of 50 units are not chaotic at all, which lowers their mean: the onset \
             of a finite network scatters; {}",
            remarks.join("; ")
        ),
    })
}

fn networks(size: usize, gain: f64, noise: f64) -> Result<Vec<Spectrum>, String> {
    let spectra = (0..seeds(size)).map(|replicate| {
        let streams = Streams { seed: 7, replicate };
        let network = tanh_network(&streams, size, gain, noise);
        let inputs = gaussian(&streams, "noise", size, STEPS, 1.0);
        let tape = trajectory(&streams, &network, &inputs)?;
        let options = Options {
            exponents: Some(size / 2),
            transient: TRANSIENT,
            ..Options::default()
        };
        spectrum(&network, &tape, 0, options).map_err(|error| error.to_string())
    });
    spectra.collect()
}
