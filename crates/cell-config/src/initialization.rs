//! Initial weights.

use nalgebra::DMatrix;
use rand::RngExt;
use rand::rngs::ChaCha8Rng;
use rand_distr::{Distribution, StandardNormal};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::{InvalidConfig, require, require_finite, spectral_radius};

/// How a weight matrix is drawn.
///
/// In a config file a table: `{ init = "orthogonal", gain = 0.9 }`. A key left out has its
/// default: `gaussian`, gain 1.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Initialization {
    /// The shape of the distribution.
    pub init: Scheme,
    /// Its scale: finite and not negative. (The random schemes are symmetric, so a sign would
    /// change nothing, and no spectral radius is negative.)
    #[schemars(range(min = 0.0))]
    pub gain: f64,
}

impl Default for Initialization {
    fn default() -> Self {
        Initialization {
            init: Scheme::Gaussian,
            gain: 1.0,
        }
    }
}

/// The shape of an [`Initialization`]'s distribution.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Scheme {
    /// Independent normal entries of mean 0 and standard deviation gain/√fan-in, the fan-in being
    /// the number of columns: the singular values of a square one fill 0…2·gain.
    Gaussian,
    /// gain·Q, Q uniform (Haar) on the orthogonal matrices: QᵀQ = I, or QQᵀ = I for a wide one.
    Orthogonal,
    /// gain·I; ones on the main diagonal where it is not square.
    Identity,
    /// Independent entries uniform in ±gain/√H, H the hidden size: PyTorch's default at gain 1.
    Uniform,
    /// The Gaussian one, rescaled to the spectral radius ρ = gain. Square matrices only.
    SpectralRadius,
    /// All zero, whatever the gain.
    Zero,
}

impl Initialization {
    /// Checks the gain, and that the scheme exists for a matrix of this shape. `key` names the
    /// initialization in the cell's table, such as `recurrent_weights`.
    pub fn validate(&self, key: &str, rows: usize, cols: usize) -> Result<(), InvalidConfig> {
        let gain = format!("{key}.gain");
        require_finite(&gain, self.gain)?;
        require(
            self.gain >= 0.0,
            &gain,
            "a gain of at least 0; a scale has no sign",
            self.gain,
        )?;
        require(
            self.init != Scheme::SpectralRadius || rows == cols,
            &format!("{key}.init"),
            "gaussian, orthogonal, identity, uniform or zero; only a square matrix has a spectral radius",
            format_args!("spectral-radius for a {rows}×{cols} matrix"),
        )
    }

    /// Draws a matrix of this shape; `hidden` is the hidden size H that [`Scheme::Uniform`] scales
    /// by. Every scheme and gain sees the same underlying numbers.
    ///
    /// # Panics
    ///
    /// If the scheme is [`Scheme::SpectralRadius`] and the matrix not square; see
    /// [`validate`](Self::validate).
    pub fn draw(&self, rows: usize, cols: usize, hidden: usize, rng: ChaCha8Rng) -> DMatrix<f64> {
        let gain = self.gain;
        match self.init {
            Scheme::Gaussian => standard_normal(rows, cols, rng) * (gain / (cols as f64).sqrt()),
            Scheme::Orthogonal => haar(standard_normal(rows, cols, rng)) * gain,
            Scheme::Identity => DMatrix::from_diagonal_element(rows, cols, gain),
            Scheme::Uniform => {
                let bound = gain / (hidden as f64).sqrt();
                uniform(rows, cols, -bound, bound, rng)
            }
            Scheme::SpectralRadius => {
                let gaussian = standard_normal(rows, cols, rng);
                let rho = spectral_radius(&gaussian);
                gaussian * (gain / rho)
            }
            Scheme::Zero => DMatrix::zeros(rows, cols),
        }
    }
}

/// Independent entries uniform in [low, high), drawn column by column.
pub fn uniform(rows: usize, cols: usize, low: f64, high: f64, mut rng: ChaCha8Rng) -> DMatrix<f64> {
    DMatrix::from_fn(rows, cols, |_, _| low + (high - low) * rng.random::<f64>())
}

/// Independent standard normal entries, drawn column by column.
fn standard_normal(rows: usize, cols: usize, mut rng: ChaCha8Rng) -> DMatrix<f64> {
    DMatrix::from_fn(rows, cols, |_, _| StandardNormal.sample(&mut rng))
}

/// The orthogonal factor of a Gaussian matrix, uniform on the orthogonal matrices.
///
/// A QR decomposition is unique only up to the signs of R's diagonal, and Q is Haar-distributed
/// for the choice R_ii > 0 alone (F. Mezzadri, Notices of the AMS 54, 2007, §5).
fn haar(gaussian: DMatrix<f64>) -> DMatrix<f64> {
    if gaussian.nrows() < gaussian.ncols() {
        return haar(gaussian.transpose()).transpose();
    }
    let (mut q, r) = gaussian.qr().unpack();
    for (mut column, r_ii) in q.column_iter_mut().zip(r.diagonal().iter()) {
        if *r_ii < 0.0 {
            column.neg_mut();
        }
    }
    q
}

#[cfg(test)]
mod tests {
    use serde::de::value::{Error, MapDeserializer, StrDeserializer};

    use super::*;
    use crate::{Streams, largest_singular_value};

    const RANDOM: [Scheme; 4] = [
        Scheme::Gaussian,
        Scheme::Orthogonal,
        Scheme::Uniform,
        Scheme::SpectralRadius,
    ];

    fn draw(init: Scheme, gain: f64, shape: (usize, usize), hidden: usize) -> DMatrix<f64> {
        let streams = Streams {
            seed: 20,
            replicate: 3,
        };
        let rng = streams.weights("test").stream("weight_hh", shape);
        Initialization { init, gain }.draw(shape.0, shape.1, hidden, rng)
    }

    #[track_caller]
    fn assert_orthonormal_columns(q: &DMatrix<f64>) {
        let error = (q.tr_mul(q) - DMatrix::identity(q.ncols(), q.ncols())).amax();
        assert!(error <= 1e-12, "QᵀQ − I has an entry {error:e}");
    }

    /// Changing these numbers changes every published result. The tolerance allows for matrix
    /// kernels and libraries that round differently, not for another algorithm.
    #[test]
    fn first_draws_are_pinned() {
        for (init, expected) in [
            (Scheme::Gaussian, [0.6326395185035127, -0.10147879468554173]),
            (
                Scheme::Orthogonal,
                [0.5506231493091424, -0.0883229262219075],
            ),
            (Scheme::Uniform, [0.36222274893352496, -0.30225634279199143]),
            (
                Scheme::SpectralRadius,
                [0.822047355327321, -0.13186083441385676],
            ),
        ] {
            let matrix = draw(init, 0.9, (5, 5), 5);
            for (entry, expected) in matrix.iter().zip(expected) {
                assert!(
                    (entry - expected).abs() <= 1e-13,
                    "{init:?}: {:?}",
                    &matrix.as_slice()[..2]
                );
            }
        }
    }

    #[test]
    fn gain_scales_the_same_draw() {
        for init in RANDOM {
            // A power of two, so that scaling is exact.
            assert_eq!(draw(init, 0.5, (6, 6), 6), draw(init, 1.0, (6, 6), 6) * 0.5);
            assert_eq!(draw(init, 0.0, (6, 6), 6), DMatrix::zeros(6, 6));
        }
    }

    #[test]
    fn gaussian_entries_have_variance_one_over_fan_in() {
        let (rows, cols, gain) = (400, 100, 1.5);
        let matrix = draw(Scheme::Gaussian, gain, (rows, cols), rows);
        let n = matrix.len() as f64;
        let std = gain / (cols as f64).sqrt();
        // Standard errors: σ/√n of the mean, σ²·√(2/n) of the variance; five of them.
        assert!(matrix.mean().abs() <= 5.0 * std / n.sqrt());
        assert!((matrix.variance() / (std * std) - 1.0).abs() <= 5.0 * (2.0 / n).sqrt());
    }

    #[test]
    fn uniform_entries_fill_plus_minus_gain_over_root_hidden() {
        let (rows, cols, hidden, gain) = (400, 100, 25, 1.5);
        let matrix = draw(Scheme::Uniform, gain, (rows, cols), hidden);
        let n = matrix.len() as f64;
        let bound: f64 = 0.3; // 1.5/√25
        let variance = bound * bound / 3.0;
        assert!(matrix.amax() <= bound && matrix.amax() >= 0.999 * bound);
        // Standard errors: σ/√n of the mean, σ²·√(0.8/n) of the variance (kurtosis 1.8).
        assert!(matrix.mean().abs() <= 5.0 * (variance / n).sqrt());
        assert!((matrix.variance() / variance - 1.0).abs() <= 5.0 * (0.8 / n).sqrt());
    }

    #[test]
    fn orthogonal_columns_or_rows_are_orthonormal() {
        for size in [1, 2, 33, 64] {
            assert_orthonormal_columns(&draw(Scheme::Orthogonal, 1.0, (size, size), size));
        }
        assert_orthonormal_columns(&draw(Scheme::Orthogonal, 1.0, (9, 4), 9));
        let wide = draw(Scheme::Orthogonal, 1.0, (4, 9), 4);
        assert_eq!(wide.shape(), (4, 9));
        assert_orthonormal_columns(&wide.transpose());
    }

    /// Q is Haar only if R has a positive diagonal, and R = QᵀG shows whether it has.
    #[test]
    fn orthogonal_factor_leaves_a_positive_diagonal() {
        for shape in [(33, 33), (9, 4)] {
            let q = draw(Scheme::Orthogonal, 1.0, shape, shape.0);
            let gaussian = draw(Scheme::Gaussian, 1.0, shape, shape.0);
            assert!(
                q.tr_mul(&gaussian)
                    .diagonal()
                    .iter()
                    .all(|&r_ii| r_ii > 0.0)
            );
        }
    }

    /// E tr Q = 0 and E (tr Q)² = 1 under the Haar measure, whatever the size.
    #[test]
    fn orthogonal_traces_have_haar_moments() {
        let n = 4000;
        let traces: Vec<f64> = (0..n)
            .map(|replicate| {
                let streams = Streams { seed: 1, replicate };
                let rng = streams.stream(&["trace"], &[4, 4]);
                let init = Scheme::Orthogonal;
                Initialization { init, gain: 1.0 }
                    .draw(4, 4, 4, rng)
                    .trace()
            })
            .collect();
        let moment = |power| traces.iter().map(|t: &f64| t.powi(power)).sum::<f64>() / n as f64;
        // E (tr Q)⁴ = 3, as for a normal variable: standard errors 1/√n and √(2/n); five of them.
        let standard_error = 1.0 / (n as f64).sqrt();
        assert!(moment(1).abs() <= 5.0 * standard_error);
        assert!((moment(2) - 1.0).abs() <= 5.0 * 2f64.sqrt() * standard_error);
    }

    #[test]
    fn spectral_radius_equals_gain() {
        for size in [1, 2, 5, 64] {
            let matrix = draw(Scheme::SpectralRadius, 0.95, (size, size), size);
            let eigenvalues = matrix.complex_eigenvalues();
            let rho = eigenvalues.iter().map(|z| z.norm()).fold(0.0, f64::max);
            assert!((rho - 0.95).abs() <= 1e-10, "size {size}: {rho}");
        }
    }

    #[test]
    fn gaussian_singular_values_reach_twice_the_gain() {
        // σ_max → 2·gain, with fluctuations of order H^(−2/3) = 0.03.
        let matrix = draw(Scheme::Gaussian, 0.5, (200, 200), 200);
        assert!((largest_singular_value(&matrix) - 1.0).abs() <= 0.05);
    }

    #[test]
    fn identity_and_zero_are_exact() {
        assert_eq!(
            draw(Scheme::Identity, 0.5, (2, 3), 2),
            DMatrix::from_row_slice(2, 3, &[0.5, 0.0, 0.0, 0.0, 0.5, 0.0])
        );
        assert_eq!(draw(Scheme::Zero, 2.0, (2, 3), 2), DMatrix::zeros(2, 3));
    }

    #[test]
    fn every_scheme_draws_every_shape_it_accepts() {
        for init in RANDOM.into_iter().chain([Scheme::Identity, Scheme::Zero]) {
            for (rows, cols) in [(1, 1), (3, 0), (1, 4), (4, 1)] {
                let initialization = Initialization { init, gain: 1.0 };
                if initialization.validate("input_weights", rows, cols).is_ok() {
                    let matrix = draw(init, 1.0, (rows, cols), rows);
                    assert_eq!(matrix.shape(), (rows, cols));
                    assert!(matrix.iter().all(|w| w.is_finite()));
                }
            }
        }
    }

    #[test]
    fn meaningless_values_are_refused_by_key() {
        let refusal = |init, gain| {
            Initialization { init, gain }
                .validate("input_weights", 3, 2)
                .unwrap_err()
        };
        for gain in [-0.5, f64::NAN, f64::INFINITY] {
            assert_eq!(refusal(Scheme::Gaussian, gain).key, "input_weights.gain");
        }
        assert_eq!(
            refusal(Scheme::SpectralRadius, 1.0).to_string(),
            "`input_weights.init`: expected gaussian, orthogonal, identity, uniform or zero; only a \
             square matrix has a spectral radius, found spectral-radius for a 3×2 matrix"
        );
        let square = Initialization {
            init: Scheme::SpectralRadius,
            gain: 0.0,
        };
        assert_eq!(square.validate("recurrent_weights", 3, 3), Ok(()));
    }

    #[test]
    fn a_key_left_out_has_its_default() {
        let read = |entries: &[(&'static str, f64)]| {
            Initialization::deserialize(MapDeserializer::<_, Error>::new(entries.iter().copied()))
        };
        assert_eq!(read(&[]), Ok(Initialization::default()));
        assert_eq!(
            read(&[("gain", 0.5)]),
            Ok(Initialization {
                init: Scheme::Gaussian,
                gain: 0.5
            })
        );
        assert!(read(&[("std", 0.5)]).is_err());
    }

    #[test]
    fn schemes_are_named_as_in_config_files() {
        let read = |name| Scheme::deserialize(StrDeserializer::<Error>::new(name));
        for (name, scheme) in [
            ("gaussian", Scheme::Gaussian),
            ("orthogonal", Scheme::Orthogonal),
            ("identity", Scheme::Identity),
            ("uniform", Scheme::Uniform),
            ("spectral-radius", Scheme::SpectralRadius),
            ("zero", Scheme::Zero),
        ] {
            assert_eq!(read(name), Ok(scheme));
        }
        assert!(read("normal").is_err());
    }
}
