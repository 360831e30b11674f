//! What the norms say: rates, half-lives, effective memory, verdicts, and the gates' state.

use std::collections::BTreeMap;
use std::f64::consts::{LN_10, LOG10_E};

use decay_analysis::{DecayFit, Verdict, Window, f32_zero_lag};
use serde::Serialize;

use crate::figures::labels::{NONE, rate, significant};
use crate::tables::{CONSTANT, TOO_SHORT};
use crate::trace::compute::{LayerGradients, Quantity, Traced};
use crate::trace::request::{Network, Request};

/// How [`QuantitySummary::effective_memory`] is defined, as stored beside it.
const EFFECTIVE_MEMORY: &str = "the largest lag at which the norm is at least 1/e of its largest \
                                over all lags";
/// What the verdicts' words mean.
const VERDICT: &str = "the fitted line over all lags from 1 on falls (vanishes) or rises \
                       (explodes) by a decade or more, or changes by less (stable); zero: fewer \
                       than three norms are not exactly zero; null: fewer than three lags, and not \
                       all exactly zero";

/// `summary.json`. With several networks it has one of `Found` for each in `networks`, with one
/// its entries stand at the top.
#[derive(Clone, Debug, Serialize)]
pub struct Summary {
    version: &'static str,
    #[serde(flatten)]
    request: Request,
    effective_memory: &'static str,
    verdict: &'static str,
    #[serde(flatten)]
    found: OneOrMore,
}

#[derive(Clone, Debug, Serialize)]
#[serde(untagged)]
enum OneOrMore {
    One(Found),
    More { found: Vec<Found> },
}

/// What one network's norms say.
#[derive(Clone, Debug, Serialize)]
pub struct Found {
    /// The network's name in tables and figures.
    pub label: String,
    /// The t whose ‖∂L/∂h_t‖ of the top layer is the denominator of all ratios: T, or the largest
    /// at which it is not zero. Absent if there is none.
    pub reference_t: Option<usize>,
    /// log₁₀ of that norm.
    pub reference_log10_norm: Option<f64>,
    /// Bottom first.
    pub layers: Vec<LayerSummary>,
    /// Where they were asked for.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub singular_values: Option<Extremes>,
    /// Where they were asked for.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub lyapunov: Option<Spectrum>,
}

/// What the Lyapunov exponents of the state of all layers say, along the first sequence. JSON has no
/// infinity: an exponent of −∞ is null.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Spectrum {
    /// λ_1, nats per step.
    pub largest: f64,
    /// Its standard error, by batch means over time.
    pub standard_error: Option<f64>,
    /// Kaplan–Yorke dimension.
    pub kaplan_yorke_dimension: Option<f64>,
    /// The sum of the positive exponents, nats per step.
    pub entropy_bound: f64,
}

/// The largest and the smallest singular value of ∂s_T/∂s_{T−k} at lag k = T, of the first sequence. JSON has no infinity: log₁₀ of an exact zero is null.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Extremes {
    /// k = T.
    pub lag: usize,
    /// log₁₀ σ_1.
    pub log10_largest: f64,
    /// log₁₀ σ_S.
    pub log10_smallest: f64,
}

/// One layer.
#[derive(Clone, Debug, Serialize)]
pub struct LayerSummary {
    /// Counted from 0, as in PyTorch's names.
    pub layer: usize,
    /// By name: `h`, `h_carried`, `c`, `c_carried`.
    pub quantities: BTreeMap<String, QuantitySummary>,
    /// By name: `i`, `f` and `o` of an LSTM, `r` and `z` of a GRU.
    pub gates: BTreeMap<String, Gate>,
}

/// One gradient.
#[derive(Clone, Debug, Serialize)]
pub struct QuantitySummary {
    /// Least-squares slope of ln r_k over lags 1…T, nats per step.
    pub rate: Option<f64>,
    /// ln 2 / −rate in steps; null if it does not decay.
    pub half_life: Option<f64>,
    /// Explained variance of that line.
    pub r_squared: Option<f64>,
    /// Slope over lags 1…10.
    pub early_rate: Option<f64>,
    /// Slope over the last half of the lags.
    pub late_rate: Option<f64>,
    /// The largest lag at which the norm is at least 1/e of its largest. Null for a gradient that is
    /// zero throughout.
    pub effective_memory: Option<usize>,
    /// The first lag at which the norm itself would have been 0 in f32.
    pub f32_zero_lag: Option<usize>,
    /// `vanishes`, `stable`, `explodes` or `zero`; null where there are too few lags for one.
    pub verdict: Option<String>,
    /// How many of the T + 1 norms are exactly zero.
    pub exact_zeros: usize,
}

/// A gate over all steps, units and sequences.
#[derive(Clone, Copy, Debug, Serialize)]
pub struct Gate {
    /// Mean.
    pub mean: f64,
    /// Share below 0.1.
    pub low_fraction: f64,
    /// Share above 0.9.
    pub high_fraction: f64,
}

impl Summary {
    /// Of all networks of a request, in its order; those that failed have nothing.
    pub fn new(request: &Request, mut found: Vec<Found>) -> Self {
        let found = match (request.networks.len(), found.pop()) {
            (1, Some(only)) => OneOrMore::One(only),
            (_, last) => {
                found.extend(last);
                OneOrMore::More { found }
            }
        };
        Summary {
            version: env!("CARGO_PKG_VERSION"),
            request: request.clone(),
            effective_memory: EFFECTIVE_MEMORY,
            verdict: VERDICT,
            found,
        }
    }

    /// The text of the file. Infinite half-lives are null: JSON has no infinity.
    pub fn to_json(&self) -> String {
        let json = serde_json::to_string_pretty(self).expect("a summary is plain data");
        json + "\n"
    }
}

impl Found {
    /// What `traced` says.
    pub fn new(label: &str, traced: &Traced) -> Self {
        let reference = traced.reference();
        let log10_reference = reference.map_or(0.0, |(_, norm)| norm);
        let layer = |(layer, gradients): (usize, &LayerGradients)| LayerSummary {
            layer,
            quantities: gradients
                .quantities
                .iter()
                .map(|quantity| {
                    let summary = QuantitySummary::new(quantity, log10_reference);
                    (quantity.name.clone(), summary)
                })
                .collect(),
            gates: gradients
                .gates
                .iter()
                .filter_map(|(name, totals)| {
                    let [mean, low_fraction, high_fraction] = totals.fractions()?;
                    let gate = Gate {
                        mean,
                        low_fraction,
                        high_fraction,
                    };
                    Some((name.clone(), gate))
                })
                .collect(),
        };
        Found {
            label: label.to_owned(),
            reference_t: reference.map(|(t, _)| t),
            reference_log10_norm: reference.map(|(_, norm)| norm),
            layers: traced.layers.iter().enumerate().map(layer).collect(),
            singular_values: None,
            lyapunov: None,
        }
    }
}

impl QuantitySummary {
    fn new(quantity: &Quantity, log10_reference: f64) -> Self {
        let by_lag = || quantity.log10_norm.iter().rev();
        let ratios: Vec<f64> = by_lag()
            .map(|norm| (norm - log10_reference) * LN_10)
            .collect();
        let window = Window {
            from: 1,
            to: ratios.len() - 1,
        };
        // The seed is that of an interval, which one curve has none of.
        let fit = DecayFit::new(&[&ratios], window);
        let norms: Vec<f64> = by_lag().map(|norm| norm * LN_10).collect();
        QuantitySummary {
            rate: fit.rate,
            half_life: fit.half_life.filter(|steps| steps.is_finite()),
            r_squared: fit.r_squared,
            early_rate: fit.early_rate,
            late_rate: fit.late_rate,
            effective_memory: effective_memory(&quantity.log10_norm),
            f32_zero_lag: f32_zero_lag(&[&norms]),
            verdict: fit.verdict.map(|verdict| verdict.to_string()),
            exact_zeros: by_lag().filter(|norm| **norm == f64::NEG_INFINITY).count(),
        }
    }

    /// As [`FitRow::is_constant`](crate::tables::FitRow::is_constant).
    fn is_constant(&self) -> bool {
        self.rate.is_some() && self.r_squared.is_none()
    }

    /// What happens to it over `steps` lags, in words.
    fn in_words(&self, steps: usize) -> String {
        let Some(verdict) = self.verdict.as_deref() else {
            return TOO_SHORT.to_owned();
        };
        let is = |other: Verdict| verdict == other.to_string();
        let zeros = match self.exact_zeros {
            1 => "exactly 0 at 1 lag".to_owned(),
            lags => format!("exactly 0 at {lags} lags"),
        };
        match self.f32_zero_lag {
            _ if self.is_constant() => format!("{verdict}; {CONSTANT}"),
            // Lag 0 and 1…T.
            _ if is(Verdict::Zero) && self.exact_zeros == steps + 1 => "exactly zero".to_owned(),
            _ if is(Verdict::Zero) => format!("{verdict}; {zeros}"),
            Some(lag) if is(Verdict::Vanishes) => {
                let vanishes = format!("{verdict}; f32 would print 0 from lag {lag}");
                match self.exact_zeros {
                    0 => vanishes,
                    _ => format!("{vanishes}; {zeros}"),
                }
            }
            _ => verdict.to_owned(),
        }
    }
}

/// The largest lag at which a curve (t = 0…T) is at least 1/e of its largest: the e-folding
/// convention of relaxation times, asked of the last lag, so that a gradient that dips and recovers
/// is not forgotten early. `None` for a curve that is zero throughout.
fn effective_memory(log10_norm: &[f64]) -> Option<usize> {
    let largest = log10_norm.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    let steps = log10_norm.len() - 1;
    let first = log10_norm
        .iter()
        .position(|norm| *norm >= largest - LOG10_E)?;
    (largest > f64::NEG_INFINITY).then_some(steps - first)
}

/// A few lines to read on a terminal.
pub fn in_words(network: &Network, steps: usize, found: &Found) -> String {
    let mut lines = vec![
        [
            "layer",
            "gradient",
            "rate (nats/step)",
            "half-life (steps)",
            "effective memory (steps)",
            "verdict",
        ]
        .map(str::to_owned)
        .to_vec(),
    ];
    for layer in &found.layers {
        for name in ["h", "c"] {
            let Some(quantity) = layer.quantities.get(name) else {
                continue;
            };
            let memory = match quantity.effective_memory {
                Some(lag) if lag == steps => format!("≥ {lag}, all of the sequence"),
                Some(lag) => lag.to_string(),
                None => NONE.to_owned(),
            };
            let half_life = match (quantity.half_life, quantity.rate) {
                (Some(_), _) if quantity.is_constant() => "∞".to_owned(),
                (Some(half_life), _) => significant(half_life, 4),
                (None, Some(_)) => "∞".to_owned(),
                (None, None) => NONE.to_owned(),
            };
            lines.push(vec![
                layer.layer.to_string(),
                name.to_owned(),
                quantity.rate.map_or(NONE.to_owned(), |v| {
                    significant(if quantity.is_constant() { 0.0 } else { v }, 4)
                }),
                half_life,
                memory,
                quantity.in_words(steps),
            ]);
        }
    }
    let ignored = match network.ignored_tensors {
        0 => String::new(),
        1 => "; 1 other tensor of the file ignored".to_owned(),
        n => format!("; {n} other tensors of the file ignored"),
    };
    let mut text = format!("{}: {}{ignored}\n", network.file, network.describe());
    text.push_str(&crate::commands::aligned(&lines));
    for layer in &found.layers {
        let percent = |fraction: f64| format!("{:.1} %", 100.0 * fraction);
        // An LSTM has the one, a GRU the other.
        let keeping = [("f", "forget"), ("z", "update")];
        let keeping = keeping.map(|(name, words)| layer.gates.get(name).zip(Some(words)));
        if let Some((gate, words)) = keeping.into_iter().flatten().next() {
            text.push_str(&format!(
                "layer {}: {words} gate {:.3} on average, {} above 0.9, {} below 0.1",
                layer.layer,
                gate.mean,
                percent(gate.high_fraction),
                percent(gate.low_fraction)
            ));
            for (name, words) in [("i", "input"), ("o", "output"), ("r", "reset")] {
                if let Some(gate) = layer.gates.get(name) {
                    text.push_str(&format!("; {words} gate {:.3}", gate.mean));
                }
            }
            text.push('\n');
        }
    }
    if let Some(spectrum) = &found.lyapunov {
        let error = spectrum.standard_error.map_or(String::new(), |error| {
            format!(" ± {}", significant(error, 2))
        });
        let dimension = spectrum
            .kaplan_yorke_dimension
            .map_or("unknown".to_owned(), |dimension| significant(dimension, 4));
        text.push_str(&format!(
            "Lyapunov exponents of the whole state: λ₁ = {}{error} nats per step, Kaplan–Yorke dimension \
             {dimension}, entropy at most {} nats per step\n",
            rate(spectrum.largest, 4),
            rate(spectrum.entropy_bound, 4)
        ));
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn effective_memory_is_the_last_lag_within_a_factor_e_of_the_largest() {
        // t = 0…5, so lags 5…0.
        let e = LOG10_E;
        assert_eq!(
            effective_memory(&[-9.0, -9.0, -e, -0.1, 0.0, -2.0]),
            Some(3)
        );
        assert_eq!(effective_memory(&[0.0, -1.0, -2.0]), Some(2), "explodes");
        assert_eq!(effective_memory(&[0.0, -9.0, 0.0]), Some(2), "recovers");
        let zero = f64::NEG_INFINITY;
        assert_eq!(effective_memory(&[zero, zero, -500.0]), Some(0));
        assert_eq!(effective_memory(&[zero; 3]), None);
    }

    fn traced(log10_norm: Vec<f64>) -> Traced {
        let carried = log10_norm.clone();
        let quantity = |name: &str, log10_norm| Quantity {
            name: name.to_owned(),
            log10_norm,
            sequences: Vec::new(),
        };
        Traced {
            steps: log10_norm.len() - 1,
            layers: vec![LayerGradients {
                quantities: vec![quantity("h", log10_norm), quantity("h_carried", carried)],
                gates: Vec::new(),
                units: Vec::new(),
            }],
        }
    }

    #[test]
    fn rates_are_those_of_the_curve_and_an_infinite_half_life_is_null() {
        let decaying = traced((0..=50).map(|t| 3.0 - f64::from(50 - t)).collect());
        let found = Found::new("x", &decaying);
        let h = &found.layers[0].quantities["h"];
        assert!((h.rate.unwrap() + LN_10).abs() < 1e-12);
        assert_eq!(
            (h.verdict.as_deref(), h.effective_memory),
            (Some("vanishes"), Some(0))
        );
        // 10³ at lag 0: below 10⁻⁴⁵ from lag 49 on.
        assert_eq!(h.f32_zero_lag, Some(49));
        assert_eq!(
            (found.reference_t, found.reference_log10_norm),
            (Some(50), Some(3.0))
        );

        let found = Found::new("x", &traced(vec![1.0; 5]));
        let h = &found.layers[0].quantities["h"];
        assert_eq!((h.half_life, h.verdict.as_deref()), (None, Some("stable")));
        assert_eq!(h.in_words(4), "stable; constant to rounding");
        // Half a nat over the lags is no rounding.
        let slow = traced((0..=50).map(|t| 0.002 * f64::from(t)).collect());
        let found = Found::new("x", &slow);
        assert_eq!(found.layers[0].quantities["h"].in_words(50), "stable");
    }

    #[test]
    fn a_gradient_of_zero_has_a_verdict_and_no_reference() {
        let found = Found::new("x", &traced(vec![f64::NEG_INFINITY; 5]));
        let h = &found.layers[0].quantities["h"];
        assert_eq!(
            (h.rate, h.verdict.as_deref(), h.exact_zeros),
            (None, Some("zero"), 5)
        );
        assert_eq!(h.in_words(4), "exactly zero");
        assert_eq!(found.reference_t, None);
    }

    #[test]
    fn what_is_too_short_for_a_rate_is_not_called_zero() {
        for steps in [1, 2] {
            let found = Found::new("x", &traced(vec![0.5; steps + 1]));
            let h = &found.layers[0].quantities["h"];
            assert_eq!((&h.verdict, h.exact_zeros), (&None, 0));
            assert_eq!(h.in_words(steps), "too few lags for a rate");
        }
        // Without recurrent weights h hears the loss at lag 0 alone.
        let zero = f64::NEG_INFINITY;
        let found = Found::new("x", &traced(vec![zero, zero, zero, 0.5]));
        let h = &found.layers[0].quantities["h"];
        assert_eq!(h.in_words(3), "zero; exactly 0 at 3 lags");
    }
}
