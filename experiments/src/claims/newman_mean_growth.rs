//! How a fresh Gaussian matrix stretches a vector: the mean logarithm and the mean square.
//!
//! ‖Wv‖²/‖v‖² of W with independent elements of variance σ²/N is σ²·χ²_N/N, whatever v is. So
//! E ln ‖Wv‖/‖v‖ is λ_1 of Newman's spectrum with the variance ¼ψ′(N/2), while after k factors
//! E ‖W_k⋯W_1v‖² = σ^{2k}‖v‖² with the variance (1 + 2/N)^k − 1 of the ratio: the mean of the square grows
//! as if nothing fluctuated, the typical vector more slowly. Both within 3 standard errors, which are
//! known, not estimated.

use cell_config::Streams;
use rand_distr::{Distribution, StandardNormal};
use theory::newman;

use super::{Check, Claim, Evidence, Scale};

/// The claim.
pub const CLAIM: Claim = Claim {
    id: "newman-mean-growth",
    source: "derived; C. Newman, Commun. Math. Phys. 103:121 (1986) for the logarithm",
    statement: "E ln ‖Wv‖/‖v‖ is Newman’s λ₁, and E ‖W_k⋯W_1v‖² = σ^{2k}‖v‖²",
    scale: Scale::Full,
    cost_seconds: 2.0,
    check,
};

/// Factors of a product, and its σ.
const FACTORS: usize = 10;
const DEVIATION: f64 = 1.2;

fn check() -> Result<Evidence, String> {
    let streams = Streams {
        seed: 2,
        replicate: 0,
    };
    let mut checks = Vec::new();
    for (size, samples) in [(8, 40_000), (64, 4_000)] {
        let mut stream = streams.stream(&["claims", "one factor"], &[size]);
        let mut multiply = multiplier(size, DEVIATION, &mut stream);
        let mut v: Vec<f64> = (0..size).map(|i| 1.0 + i as f64).collect();
        let mut sum = 0.0;
        for _ in 0..samples {
            let before = norm(&v);
            multiply(&mut v);
            let after = norm(&v);
            sum += (after / before).ln();
            v.iter_mut().for_each(|x| *x /= after);
        }
        checks.push(Check::standard_errors(
            format!("E ln ‖Wv‖/‖v‖, N = {size}, {samples} factors"),
            sum / samples as f64,
            newman::standard_error(1, size, samples),
            newman::exponent(1, size, DEVIATION),
            3.0,
        ));
    }
    let (size, samples) = (16, 6_000);
    let mut stream = streams.stream(&["claims", "ten factors"], &[size]);
    let mut multiply = multiplier(size, DEVIATION, &mut stream);
    let mut sum = 0.0;
    for _ in 0..samples {
        let mut v = vec![0.0; size];
        v[0] = 1.0;
        for _ in 0..FACTORS {
            multiply(&mut v);
        }
        sum += norm(&v).powi(2) / DEVIATION.powi(2 * FACTORS as i32);
    }
    let variance = (1.0 + 2.0 / size as f64).powi(FACTORS as i32) - 1.0;
    checks.push(Check::standard_errors(
        format!("E ‖W_k⋯W_1v‖²/(σ^2k·‖v‖²), k = {FACTORS}, N = {size}, {samples} products"),
        sum / samples as f64,
        (variance / samples as f64).sqrt(),
        1.0,
        3.0,
    ));
    Ok(Evidence::of(checks, 1))
}

fn norm(v: &[f64]) -> f64 {
    v.iter().map(|x| x * x).sum::<f64>().sqrt()
}

/// v ← W·v, W fresh at every call.
fn multiplier<R: rand::Rng>(
    size: usize,
    deviation: f64,
    stream: &mut R,
) -> impl FnMut(&mut Vec<f64>) {
    let scale = deviation / (size as f64).sqrt();
    move |v: &mut Vec<f64>| {
        let rows = (0..size).map(|_| {
            let elements = v.iter().map(|x| {
                let z: f64 = StandardNormal.sample(stream);
                scale * z * x
            });
            elements.sum()
        });
        *v = rows.collect();
    }
}
