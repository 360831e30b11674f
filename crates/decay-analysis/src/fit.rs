//! What a set of replicate curves says about decay.

use std::f64::consts::{LN_2, LN_10};
use std::fmt;

use crate::{
    FLAT, Interval, Line, MIN_LAGS, Summary, Window, mean, mean_and_standard_error, mean_interval,
};

/// log₁₀ of the largest number that f32 rounds to zero: half its smallest subnormal, 2⁻¹⁵⁰.
pub const F32_ZERO_LOG10: f64 = -45.15;

/// log₁₀ of the largest number that f64 rounds to zero: half its smallest subnormal, 2⁻¹⁰⁷⁵.
pub const F64_ZERO_LOG10: f64 = -323.6;

/// What happens to the gradient over the fitted window.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// The fitted line falls by a decade or more, or the median gradient is exactly zero at the end of
    /// the window, as behind a truncation: no line through what comes before says that.
    Vanishes,
    /// The fitted line changes by less than a decade.
    Stable,
    /// The fitted line rises by a decade or more.
    Explodes,
    /// The gradient is exactly zero: of the lags of the window, no replicate has
    /// [`MIN_LAGS`](crate::MIN_LAGS) finite ones.
    Zero,
}

impl fmt::Display for Verdict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Vanishes => "vanishes",
            Self::Stable => "stable",
            Self::Explodes => "explodes",
            Self::Zero => "zero",
        })
    }
}

/// The decay of one quantity at one grid point, over its replicates.
#[derive(Debug, Clone, PartialEq)]
pub struct DecayFit {
    /// The least-squares slope of ln r_k of every replicate, in nats per step; `None` with too few
    /// finite lags.
    pub slopes: Vec<Option<f64>>,
    /// Mean over replicates of their slopes.
    pub rate: Option<f64>,
    /// 95 % interval of the rate, of [`mean_interval`]; `None` for fewer than three replicates.
    pub interval: Option<Interval>,
    /// Steps in which the gradient halves; infinite unless it decays.
    pub half_life: Option<f64>,
    /// Mean over the replicates whose curve varies by [`FLAT`] or more.
    pub r_squared: Option<f64>,
    /// Mean slope over lags 1 … 10, as far as they lie in the window.
    pub early_rate: Option<f64>,
    /// Mean slope over the last half of the window.
    pub late_rate: Option<f64>,
    /// Whether the early and the late rate differ so that one line misleads: see
    /// [`DecayFit::new`].
    pub one_line_is_wrong: bool,
    /// The first lag of the median curve that f32 could not tell from zero.
    pub f32_zero_lag: Option<usize>,
    /// The first lag of the median curve that f64 could not tell from zero.
    pub f64_zero_lag: Option<usize>,
    /// The lag from which on the median curve is exactly zero; `None` if it is not at its end.
    pub exact_zero_lag: Option<usize>,
    /// What the gradient does; `None` where the window has fewer than [`MIN_LAGS`](crate::MIN_LAGS)
    /// lags, so that no gradient has a line through it, unless it is exactly zero at all of them.
    pub verdict: Option<Verdict>,
    /// The replicates that have a slope and so enter the rate; without a rate, all.
    pub n: usize,
}

impl DecayFit {
    /// Fits `curves`, one per replicate, each ln r_k indexed by lag, over `window`.
    ///
    /// A replicate with fewer than three finite lags in the window has no slope and does not
    /// enter the rate.
    ///
    /// **When one line is wrong.** A linear network already decays at ln σ_w at first and at
    /// ln ρ(W) later, so a single slope can describe neither. With d_i = early − late slope of
    /// replicate i (paired, because replicates differ in level more than in shape), the flag
    /// asks for three things of its mean d: |d| > 3 standard errors over the replicates, so that
    /// it is not chance (this needs three replicates); |d| > 5 % of |rate|, so that it is worth
    /// mentioning however many replicates there are; and |d| · window > [`FLAT`], so that it is
    /// not rounding where the rate is zero.
    ///
    /// # Panics
    ///
    /// If the curves differ in length.
    pub fn new(curves: &[&[f64]], window: Window) -> Self {
        let lines: Vec<Option<Line>> = curves
            .iter()
            .map(|curve| Line::fit(curve, window))
            .collect();
        let of_replicates: Vec<Option<f64>> = lines
            .iter()
            .map(|line| line.as_ref().map(|line| line.slope))
            .collect();
        let slopes: Vec<f64> = of_replicates.iter().flatten().copied().collect();
        let ZeroLags {
            in_f32: f32_zero_lag,
            in_f64: f64_zero_lag,
            exact: exact_zero_lag,
        } = ZeroLags::new(curves);
        let clipped = curves.first().and_then(|curve| window.clip(curve.len()));
        let (Some(window), Some(rate)) = (clipped, mean(&slopes)) else {
            return Self {
                slopes: of_replicates,
                rate: None,
                interval: None,
                half_life: None,
                r_squared: None,
                early_rate: None,
                late_rate: None,
                one_line_is_wrong: false,
                f32_zero_lag,
                f64_zero_lag,
                exact_zero_lag,
                verdict: verdict_without_line(curves, clipped),
                n: curves.len(),
            };
        };

        let slope_in = |curve: &[f64], part: Option<Window>| Some(Line::fit(curve, part?)?.slope);
        let parts = curves.iter().map(|curve| {
            let early = slope_in(curve, window.early());
            (early, slope_in(curve, Some(window.late())))
        });
        let (mut early, mut late, mut differences) = (Vec::new(), Vec::new(), Vec::new());
        for part in parts {
            early.extend(part.0);
            late.extend(part.1);
            differences.extend(part.0.zip(part.1).map(|(early, late)| early - late));
        }
        let lines = lines.iter().flatten();
        let r_squared: Vec<f64> = lines.filter_map(|line| line.r_squared).collect();
        let mut last: Vec<f64> = curves.iter().map(|curve| curve[window.to]).collect();
        let is_zero_at_last =
            Summary::new(&mut last).is_some_and(|summary| summary.median == f64::NEG_INFINITY);

        Self {
            slopes: of_replicates,
            rate: Some(rate),
            interval: mean_interval(&slopes),
            half_life: Some(half_life(rate)),
            r_squared: mean(&r_squared),
            early_rate: mean(&early),
            late_rate: mean(&late),
            one_line_is_wrong: is_significant(&differences, rate, window),
            f32_zero_lag,
            f64_zero_lag,
            exact_zero_lag,
            verdict: Some(if is_zero_at_last {
                Verdict::Vanishes
            } else {
                verdict(rate, window)
            }),
            n: slopes.len(),
        }
    }
}

/// Steps in which a gradient of this rate halves, ln 2 / −λ; infinite for λ ≥ 0.
///
/// ```
/// use decay_analysis::half_life;
///
/// assert_eq!(half_life(-std::f64::consts::LN_2), 1.0);
/// assert_eq!(half_life(0.0), f64::INFINITY);
/// ```
pub fn half_life(rate: f64) -> f64 {
    if rate < 0.0 {
        LN_2 / -rate
    } else {
        f64::INFINITY
    }
}

/// The first lag at which the median over replicates of ln r_k lies below what f32 rounds to
/// zero ([`F32_ZERO_LOG10`]): there, a study in f32 would have printed 0. Zeros at the start do
/// not count where something follows them: the carried adjoint of a cell state is exactly zero at
/// lag 0, because the loss does not touch it.
///
/// # Panics
///
/// If the curves differ in length.
pub fn f32_zero_lag(curves: &[&[f64]]) -> Option<usize> {
    ZeroLags::new(curves).in_f32
}

/// From where on the median over replicates is zero, or is printed so.
struct ZeroLags {
    in_f32: Option<usize>,
    in_f64: Option<usize>,
    exact: Option<usize>,
}

impl ZeroLags {
    /// One lag after the other: a curve of medians would be as long as a trajectory.
    fn new(curves: &[&[f64]]) -> Self {
        let lags = curves.first().map_or(0, |curve| curve.len());
        for curve in curves {
            assert_eq!(curve.len(), lags, "replicate curves differ in length");
        }
        let [mut in_f32, mut in_f64] = [F32_ZERO_LOG10, F64_ZERO_LOG10].map(FirstZero::below);
        let mut exact = None;
        let mut values = Vec::with_capacity(curves.len());
        for lag in 0..lags {
            values.clear();
            values.extend(curves.iter().map(|curve| curve[lag]));
            let median = Summary::new(&mut values).map_or(f64::NAN, |summary| summary.median);
            in_f32.see(lag, median);
            in_f64.see(lag, median);
            exact = match exact {
                _ if median != f64::NEG_INFINITY => None,
                None => Some(lag),
                since => since,
            };
        }
        ZeroLags {
            in_f32: in_f32.lag(),
            in_f64: in_f64.lag(),
            exact,
        }
    }
}

/// The first lag at which ln r_k lies below a number, those at the start not counted unless nothing
/// follows them.
struct FirstZero {
    below: f64,
    /// Whether anything lay above it so far.
    has_begun: bool,
    at_start: Option<usize>,
    after: Option<usize>,
}

impl FirstZero {
    /// Below a power of ten.
    fn below(log10_zero: f64) -> Self {
        FirstZero {
            below: log10_zero * LN_10,
            has_begun: false,
            at_start: None,
            after: None,
        }
    }

    fn see(&mut self, lag: usize, ln_ratio: f64) {
        let is_zero = ln_ratio < self.below;
        self.has_begun |= !is_zero;
        if is_zero {
            let first = match self.has_begun {
                true => &mut self.after,
                false => &mut self.at_start,
            };
            first.get_or_insert(lag);
        }
    }

    fn lag(self) -> Option<usize> {
        match self.has_begun {
            true => self.after,
            false => self.at_start,
        }
    }
}

fn verdict(rate: f64, window: Window) -> Verdict {
    let change = rate * window.steps() as f64;
    if change.abs() < LN_10 {
        Verdict::Stable
    } else if change < 0.0 {
        Verdict::Vanishes
    } else {
        Verdict::Explodes
    }
}

/// The verdict on curves without a slope. `window` is the part of it that they have.
fn verdict_without_line(curves: &[&[f64]], window: Option<Window>) -> Option<Verdict> {
    let lags = window.map_or(0, |window| window.steps() + 1);
    let is_zero = |curve: &&[f64]| {
        let fitted = window.map_or(*curve, |window| &curve[window.from..=window.to]);
        fitted.iter().all(|ln_r| *ln_r == f64::NEG_INFINITY)
    };
    (lags >= MIN_LAGS || curves.iter().all(is_zero)).then_some(Verdict::Zero)
}

/// The rule stated at [`DecayFit::new`].
fn is_significant(differences: &[f64], rate: f64, window: Window) -> bool {
    let estimate = mean_and_standard_error(differences).filter(|_| differences.len() >= 3);
    let Some((difference, standard_error)) = estimate else {
        return false;
    };
    let size = difference.abs();
    size > 3.0 * standard_error && size > 0.05 * rate.abs() && size * window.steps() as f64 > FLAT
}

#[cfg(test)]
mod tests {
    use super::*;

    const ZERO: f64 = f64::NEG_INFINITY;
    const WINDOW: Window = Window { from: 1, to: 199 };

    /// A curve of 201 lags (0 … 200).
    fn curve(ln_r: impl Fn(f64) -> f64) -> Vec<f64> {
        (0..=200).map(|lag| ln_r(f64::from(lag))).collect()
    }

    fn fit(curves: &[Vec<f64>]) -> DecayFit {
        let curves: Vec<&[f64]> = curves.iter().map(Vec::as_slice).collect();
        DecayFit::new(&curves, WINDOW)
    }

    #[test]
    fn the_rate_is_the_mean_of_the_replicates_slopes() {
        let curves = [-0.1, -0.2, -0.6].map(|rate| curve(|k| rate * k));
        let fit = fit(&curves);
        assert!((fit.rate.unwrap() + 0.3).abs() < 1e-12);
        assert!((fit.half_life.unwrap() - LN_2 / 0.3).abs() < 1e-9);
        assert!((fit.r_squared.unwrap() - 1.0).abs() < 1e-12);
        let interval = fit.interval.unwrap();
        // Standard deviation √0.07, and 4.302653 of its third for 2 degrees of freedom.
        let reach = 4.302_653 * (0.07_f64 / 3.0).sqrt();
        assert!((interval.low - (-0.3 - reach)).abs() < 1e-6);
        assert!((interval.high - (-0.3 + reach)).abs() < 1e-6);
        assert_eq!((fit.verdict, fit.n), (Some(Verdict::Vanishes), 3));
    }

    #[test]
    fn two_replicates_have_a_rate_and_no_interval() {
        let fit = fit(&[curve(|k| -k), curve(|k| -2.0 * k)]);
        assert!((fit.rate.unwrap() + 1.5).abs() < 1e-12);
        assert_eq!(fit.interval, None);
        assert!(!fit.one_line_is_wrong);
    }

    #[test]
    fn a_decade_over_the_window_separates_stable_from_the_rest() {
        let decade = LN_10 / 198.0;
        for (rate, expected) in [
            (-1.001 * decade, Verdict::Vanishes),
            (-0.999 * decade, Verdict::Stable),
            (0.0, Verdict::Stable),
            (0.999 * decade, Verdict::Stable),
            (1.001 * decade, Verdict::Explodes),
        ] {
            assert_eq!(
                fit(&[curve(|k| rate * k)]).verdict,
                Some(expected),
                "{rate}"
            );
        }
    }

    #[test]
    fn a_gradient_that_does_not_decay_has_an_infinite_half_life_and_no_r_squared() {
        let fit = fit(&[curve(|_| 0.0), curve(|_| 0.0), curve(|_| 0.0)]);
        assert_eq!(fit.half_life, Some(f64::INFINITY));
        assert_eq!(fit.r_squared, None);
        assert!(!fit.one_line_is_wrong);
    }

    #[test]
    fn an_exactly_zero_gradient_has_a_verdict_and_no_rate() {
        // Lag 0 lies outside the window, as for h of an LSTM without recurrent weights.
        let dead = || curve(|k| if k == 0.0 { 0.0 } else { ZERO });
        let fit = fit(&[dead(), dead(), dead()]);
        assert_eq!((fit.verdict, fit.n), (Some(Verdict::Zero), 3));
        assert_eq!((fit.rate, fit.interval, fit.half_life), (None, None, None));
        let lags = (fit.f32_zero_lag, fit.f64_zero_lag, fit.exact_zero_lag);
        assert_eq!(lags, (Some(1), Some(1), Some(1)));
    }

    /// Truncated after ten lags, over which next to nothing is lost.
    #[test]
    fn a_gradient_that_becomes_exactly_zero_vanishes_however_slowly_it_began() {
        let cut = || curve(|k| if k <= 10.0 { -0.001 * k } else { ZERO });
        let whole = || curve(|k| -0.001 * k);
        let fit_of = |curves: &[Vec<f64>]| {
            let fit = fit(curves);
            assert!((fit.rate.unwrap() + 0.001).abs() < 1e-12);
            (fit.verdict, fit.f32_zero_lag)
        };
        let vanishes = (Some(Verdict::Vanishes), Some(11));
        assert_eq!(fit_of(&[cut(), cut(), cut()]), vanishes);
        assert_eq!(fit_of(&[cut(), whole(), cut()]), vanishes);
        assert_eq!(
            fit_of(&[whole(), cut(), whole()]),
            (Some(Verdict::Stable), None)
        );
        // Beyond the window nothing counts.
        let after = curve(|k| if k <= 199.0 { -0.001 * k } else { ZERO });
        assert_eq!(fit_of(&[after]), (Some(Verdict::Stable), Some(200)));
    }

    /// T = 2, and T = 1 where there is no lag but 0, as for ∂L/∂x.
    #[test]
    fn a_window_of_fewer_than_three_lags_has_no_verdict_unless_all_is_zero() {
        let verdict = |curves: &[&[f64]]| {
            let to = curves[0].len().max(2) - 1;
            let fit = DecayFit::new(curves, Window { from: 1, to });
            assert_eq!((fit.rate, fit.n), (None, curves.len()));
            fit.verdict
        };
        assert_eq!(verdict(&[&[0.0, -1.0, -2.0]]), None);
        assert_eq!(verdict(&[&[0.0]]), None);
        assert_eq!(verdict(&[&[0.0, ZERO, -2.0]]), None);
        assert_eq!(verdict(&[&[0.0, ZERO, ZERO], &[0.0, -1.0, -2.0]]), None);
        assert_eq!(verdict(&[&[0.0, ZERO, ZERO]]), Some(Verdict::Zero));
        assert_eq!(verdict(&[&[ZERO]]), Some(Verdict::Zero));
        // Three lags would do, were they not zero.
        assert_eq!(verdict(&[&[0.0, -1.0, -2.0, ZERO]]), Some(Verdict::Zero));
    }

    #[test]
    fn no_curves_are_a_zero_gradient_of_no_replicates() {
        let fit = DecayFit::new(&[], WINDOW);
        assert_eq!((fit.verdict, fit.n), (Some(Verdict::Zero), 0));
    }

    #[test]
    fn a_dead_replicate_does_not_enter_the_rate_and_is_not_counted() {
        let fit = fit(&[curve(|k| -k), curve(|_| ZERO), curve(|k| -3.0 * k)]);
        assert!((fit.rate.unwrap() + 2.0).abs() < 1e-12);
        assert_eq!(fit.n, 2);
    }

    #[test]
    fn two_regimes_are_flagged_with_the_rate_of_each() {
        // Slope −0.11 to lag 20, −0.04 after it; levels differ over replicates.
        let two =
            |level: f64| curve(move |k| level - 0.11 * k.min(20.0) - 0.04 * (k - 20.0).max(0.0));
        let fit = fit(&[two(0.0), two(-1.0), two(2.0)]);
        assert!((fit.early_rate.unwrap() + 0.11).abs() < 1e-12);
        assert!((fit.late_rate.unwrap() + 0.04).abs() < 1e-12);
        assert!(fit.one_line_is_wrong);
    }

    #[test]
    fn replicates_that_disagree_about_the_difference_raise_no_flag() {
        let bent = |early: f64| curve(move |k| -0.1 * k + early * k.min(10.0));
        let fit = fit(&[bent(0.1), bent(-0.1), bent(0.05)]);
        assert!(!fit.one_line_is_wrong);
    }

    #[test]
    fn a_difference_below_five_percent_raises_no_flag() {
        let fit =
            fit(&[0.0, 1.0, 2.0].map(|level| curve(|k| level - 0.1 * k - 0.004 * k.min(10.0))));
        assert!((fit.early_rate.unwrap() - fit.late_rate.unwrap() + 0.004).abs() < 1e-12);
        assert!(!fit.one_line_is_wrong);
    }

    #[test]
    fn rounding_about_a_constant_raises_no_flag() {
        let fit = fit(&[1e-14, 2e-14, 3e-14].map(|bend| curve(|k| bend * k.min(10.0))));
        assert!(!fit.one_line_is_wrong);
    }

    #[test]
    fn f32_prints_zero_where_the_median_falls_below_its_smallest_number() {
        // −1 decade per step: 10⁻⁴⁵ survives, 10⁻⁴⁶ does not.
        let fit_of = |decades: f64| fit(&[curve(|k| -decades * LN_10 * k)]);
        assert_eq!(fit_of(1.0).f32_zero_lag, Some(46));
        assert_eq!(fit_of(0.1).f32_zero_lag, None);
        assert_eq!(10_f64.powf(F32_ZERO_LOG10 + 0.01) as f32, f32::from_bits(1));
        assert_eq!(10_f64.powf(F32_ZERO_LOG10 - 0.01) as f32, 0.0);
    }

    #[test]
    fn each_precision_gives_up_at_its_own_lag_and_exact_zeros_are_apart() {
        // −2 decades per step, and truncated after 180 lags.
        let steep = |k: f64| if k <= 180.0 { -2.0 * LN_10 * k } else { ZERO };
        let lags = |curves: &[Vec<f64>]| {
            let fit = fit(curves);
            (fit.f32_zero_lag, fit.f64_zero_lag, fit.exact_zero_lag)
        };
        assert_eq!(lags(&[curve(steep)]), (Some(23), Some(162), Some(181)));
        // One decade per step: f64 has not given up before.
        let cut = |k: f64| if k <= 180.0 { -LN_10 * k } else { ZERO };
        assert_eq!(lags(&[curve(cut)]), (Some(46), Some(181), Some(181)));
        let gap = |k: f64| if k == 100.0 { ZERO } else { -0.001 * k };
        assert_eq!(lags(&[curve(gap)]), (Some(100), Some(100), None));
        assert_eq!(lags(&[curve(|_| ZERO)]), (Some(0), Some(0), Some(0)));
        assert_eq!(10_f64.powf(F64_ZERO_LOG10 + 0.01), f64::from_bits(1));
        assert_eq!(10_f64.powf(F64_ZERO_LOG10 - 0.01), 0.0);
    }

    #[test]
    fn zeros_before_the_first_gradient_are_not_where_f32_would_give_up() {
        let from_lag_one = curve(|k| if k == 0.0 { ZERO } else { -LN_10 * k });
        assert_eq!(fit(&[from_lag_one]).f32_zero_lag, Some(46));
        let stays = curve(|k| if k == 0.0 { ZERO } else { -1.0 });
        assert_eq!(fit(&[stays]).f32_zero_lag, None);
        assert_eq!(fit(&[curve(|_| ZERO)]).f32_zero_lag, Some(0));
    }

    #[test]
    fn the_window_is_clipped_to_the_curve() {
        let curve: Vec<f64> = (0..50).map(|k| -f64::from(k)).collect();
        let fit = DecayFit::new(&[&curve], Window { from: 1, to: 200 });
        assert!((fit.rate.unwrap() + 1.0).abs() < 1e-12);
        assert!((fit.late_rate.unwrap() + 1.0).abs() < 1e-12);
    }
}
