//! Λ and γ, and what the passes need of them.

/// The eigenvalues Λ = exp(−exp(ν) + iθ) of H units, and γ.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Spectrum {
    normalized: bool,
    real: Vec<f64>,
    imaginary: Vec<f64>,
    modulus: Vec<f64>,
    gamma: Vec<f64>,
    /// 1/γ.
    by_theta: Vec<f64>,
    /// −exp(ν)/γ: what ∂h_t/∂ν, divided by γ, has of Λ ⊙ h_{t−1} …
    by_nu: Vec<f64>,
    /// … and (∂γ/∂ν)/γ, what it has of a_t.
    by_nu_through_gamma: Vec<f64>,
}

impl Spectrum {
    /// Of these ν and θ, one each for a unit.
    pub fn new(nu: &[f64], theta: &[f64], normalized: bool) -> Self {
        let mut spectrum = Spectrum {
            normalized,
            ..Self::default()
        };
        spectrum.set(nu, theta);
        spectrum
    }

    pub(crate) fn set(&mut self, nu: &[f64], theta: &[f64]) {
        for values in [
            &mut self.real,
            &mut self.imaginary,
            &mut self.modulus,
            &mut self.gamma,
            &mut self.by_theta,
            &mut self.by_nu,
            &mut self.by_nu_through_gamma,
        ] {
            values.clear();
            values.reserve(nu.len());
        }
        for (nu, theta) in nu.iter().zip(theta) {
            let decay = nu.exp();
            let modulus = (-decay).exp();
            // 1 − |Λ|², without cancellation where |Λ| is near 1.
            let lost = -(-2.0 * decay).exp_m1();
            let (gamma, through_gamma) = if self.normalized {
                // ∂γ/∂ν = exp(ν)·|Λ|²/γ.
                (lost.sqrt(), decay * modulus * modulus / lost)
            } else {
                (1.0, 0.0)
            };
            self.real.push(modulus * theta.cos());
            self.imaginary.push(modulus * theta.sin());
            self.modulus.push(modulus);
            self.gamma.push(gamma);
            self.by_theta.push(1.0 / gamma);
            self.by_nu.push(-decay / gamma);
            self.by_nu_through_gamma.push(through_gamma);
        }
    }

    /// H.
    #[inline]
    pub fn hidden(&self) -> usize {
        self.real.len()
    }

    /// Re Λ.
    #[inline]
    pub fn real(&self) -> &[f64] {
        &self.real
    }

    /// Im Λ.
    #[inline]
    pub fn imaginary(&self) -> &[f64] {
        &self.imaginary
    }

    /// |Λ|.
    pub fn modulus(&self) -> &[f64] {
        &self.modulus
    }

    /// γ.
    #[inline]
    pub fn gamma(&self) -> &[f64] {
        &self.gamma
    }

    #[inline]
    pub(crate) fn by_theta(&self) -> &[f64] {
        &self.by_theta
    }

    #[inline]
    pub(crate) fn by_nu(&self) -> (&[f64], &[f64]) {
        (&self.by_nu, &self.by_nu_through_gamma)
    }
}
