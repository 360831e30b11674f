//! Orthogonal chains keep every singular value, Gaussian chains become ill-conditioned.
//!
//! A. Saxe, J. McClelland, S. Ganguli, ICLR 2014 (arXiv:1312.6120): at equal growth of the norm, a product of
//! orthogonal matrices is an isometry at every depth, while one of Gaussian matrices loses all directions but
//! a few. N = 64. The condition number of 50 orthogonal factors is 1 to rounding (10⁻¹⁰). That of k Gaussian
//! factors grows as e^{(λ_1 − λ_N)k}, with Newman's exponents: ln κ/k over 2000 steps of QR, for the product
//! itself is beyond any floating-point number after ten; its standard error is known, and 3 of them allowed.

use cell_config::Streams;
use kernels::View;
use lyapunov::Exponents;
use nalgebra::DMatrix;
use rand_distr::{Distribution, StandardNormal};
use theory::newman;

use super::measure::{largest, smallest};
use super::networks::gaussian;
use super::{Check, Claim, Evidence, Scale};

/// The claim.
pub const CLAIM: Claim = Claim {
    id: "saxe-2014",
    source: "A. Saxe, J. McClelland, S. Ganguli, ICLR 2014 (arXiv:1312.6120)",
    statement: "Orthogonal chains keep all singular values; ln κ of Gaussian chains grows by λ₁ − λ_N per factor",
    scale: Scale::Full,
    cost_seconds: 1.0,
    check,
};

const SIZE: usize = 64;

fn check() -> Result<Evidence, String> {
    let mut product = DMatrix::identity(SIZE, SIZE);
    for replicate in 0..50 {
        let streams = Streams {
            seed: 10,
            replicate,
        };
        let factor = gaussian(&streams, "orthogonal", SIZE, SIZE, 1.0).qr().q();
        product = factor * product;
    }
    let values = product.singular_values();
    let steps = 2000;
    let streams = Streams {
        seed: 10,
        replicate: 0,
    };
    let mut stream = streams.stream(&["claims", "Gaussian chain"], &[SIZE, SIZE]);
    let mut exponents = Exponents::new(SIZE, SIZE);
    let mut factor = vec![0.0; SIZE * SIZE];
    let scale = 1.0 / (SIZE as f64).sqrt();
    for _ in 0..steps {
        for value in &mut factor {
            let z: f64 = StandardNormal.sample(&mut stream);
            *value = scale * z;
        }
        exponents.push(View::from_slice(&factor, SIZE, SIZE));
    }
    let found = exponents.spectrum().exponents;
    let expected = newman::exponent(1, SIZE, 1.0) - newman::exponent(SIZE, SIZE, 1.0);
    let variance = newman::step_variance(1, SIZE) + newman::step_variance(SIZE, SIZE);
    let checks = vec![
        Check::at_most(
            "κ − 1 of a product of 50 orthogonal matrices",
            largest(values.iter().copied()) / smallest(values.iter().copied()) - 1.0,
            1e-10,
        ),
        Check::standard_errors(
            "ln κ per factor of a product of 2000 Gaussian matrices",
            found[0] - found[SIZE - 1],
            (variance / f64::from(steps)).sqrt(),
            expected,
            3.0,
        ),
    ];
    Ok(Evidence::of(checks, 1))
}
