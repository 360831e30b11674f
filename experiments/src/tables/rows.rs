//! One struct per CSV file; the fields are named as the columns.

use super::codec::{FieldReader, FieldWriter, Precise, Row, TableError};

/// A grid point: a cell and the values of the sweep's factors.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Key {
    /// The cell's label.
    pub cell: String,
    /// One value per factor, as printed (`0.5`, `64`, `tanh`); empty where a factor does not apply.
    pub factors: Vec<String>,
}

/// A row of `runs.csv`: how one run ended.
#[derive(Clone, Debug, PartialEq)]
pub struct RunRow {
    /// The run's identity.
    pub run_id: String,
    /// The grid point.
    pub key: Key,
    /// The replicate, counted from 0.
    pub replicate: usize,
    /// `done`, or `failed: ` and the reason.
    pub status: String,
}

/// A row of `curves.csv`: log₁₀ r_k at one lag, over replicates.
#[derive(Clone, Debug, PartialEq)]
pub struct CurveRow {
    /// The grid point.
    pub key: Key,
    /// The quantity whose gradient it is.
    pub quantity: String,
    /// The lag k = T − t in steps.
    pub lag: usize,
    /// Median over replicates.
    pub median: f64,
    /// Lower quartile.
    pub q25: f64,
    /// Upper quartile.
    pub q75: f64,
    /// Smallest replicate.
    pub min: f64,
    /// Largest replicate.
    pub max: f64,
    /// Number of replicates.
    pub n: usize,
}

/// A row of `fits.csv`: the rate of one grid point and quantity.
#[derive(Clone, Debug, PartialEq)]
pub struct FitRow {
    /// The grid point.
    pub key: Key,
    /// The quantity whose gradient it is.
    pub quantity: String,
    /// Slope of ln r_k in nats per step, the mean over replicates.
    pub rate: Option<f64>,
    /// Lower end of the rate's 95 % interval, by Student's t over replicates; none for fewer than three.
    pub rate_low: Option<f64>,
    /// Its upper end.
    pub rate_high: Option<f64>,
    /// ln 2 / −rate in steps; infinite for a rate ≥ 0.
    pub half_life: Option<f64>,
    /// Explained variance of the line.
    pub r_squared: Option<f64>,
    /// Slope over the first lags.
    pub early_rate: Option<f64>,
    /// Slope over the last lags.
    pub late_rate: Option<f64>,
    /// The first lag at which f32 would have printed 0.
    pub f32_zero_lag: Option<usize>,
    /// `vanishes`, `stable`, `explodes` or `zero`; empty where the window has too few lags for one.
    pub verdict: String,
    /// Number of replicates.
    pub n: usize,
    /// The rate that theory gives, the mean over the same replicates: by the first of the
    /// quantity's laws that predict one.
    pub predicted_rate: Option<f64>,
    /// Measured minus predicted rate in standard errors over replicates; none for fewer than three, or
    /// where they do not differ.
    pub difference_in_se: Option<f64>,
    /// The law that `predicted_rate` comes from, as `laws.csv` names it, such as `ln rho(W)`; empty where
    /// there is none.
    pub predicted_by: String,
    /// The first lag at which f64 would have printed 0; none in files that were written without.
    pub f64_zero_lag: Option<usize>,
    /// The lag from which on the median gradient is exactly zero, as behind a truncation; none in files
    /// that were written without.
    pub exact_zero_lag: Option<usize>,
}

impl FitRow {
    /// Whether the gradient is constant to rounding: it has a rate, but no replicate varies by
    /// [`FLAT`](decay_analysis::FLAT) or more over the window, so that there is no R².
    pub fn is_constant(&self) -> bool {
        self.rate.is_some() && self.r_squared.is_none()
    }

    /// The row as it is to be shown: of a gradient that is constant to rounding the rates are 0 and
    /// the half-life is infinite, whatever rounding has left of them (10⁻¹⁷ a step, say, and
    /// 10¹⁷ steps).
    pub fn shown(&self) -> FitRow {
        let mut row = self.clone();
        if self.is_constant() {
            let rates = [&mut row.rate, &mut row.rate_low, &mut row.rate_high];
            let parts = [&mut row.early_rate, &mut row.late_rate];
            for rate in rates.into_iter().chain(parts).flatten() {
                *rate = 0.0;
            }
            row.half_life = Some(f64::INFINITY);
        }
        row
    }
}

/// What to say of a gradient that [is constant](FitRow::is_constant), beside its verdict.
pub const CONSTANT: &str = "constant to rounding";

/// What to say where there is no verdict.
pub const TOO_SHORT: &str = "too few lags for a rate";

/// A row of `laws.csv`: what theory says of one grid point and quantity.
#[derive(Clone, Debug, PartialEq)]
pub struct LawRow {
    /// The grid point.
    pub key: Key,
    /// The quantity the law speaks of.
    pub quantity: String,
    /// The law as a formula, such as `ln rho(W)`.
    pub law: String,
    /// `rate` or `upper-bound`.
    pub relation: String,
    /// The rate it gives in nats per step, the median over replicates.
    pub rate: f64,
    /// Lower quartile.
    pub rate_low: f64,
    /// Upper quartile.
    pub rate_high: f64,
    /// Number of replicates.
    pub n: usize,
}

impl LawRow {
    /// What the largest Lyapunov exponent λ₁ is called as a law. It is no theory, but measured in the
    /// same runs.
    pub const LARGEST_EXPONENT: &'static str = "lambda_1";
}

/// A row of `gates.csv`: one gate at one step. Every statistic is that of a run, over its units and
/// sequences, averaged over replicates: quantiles too, which are not those of all replicates together.
#[derive(Clone, Debug, PartialEq)]
pub struct GateRow {
    /// The grid point.
    pub key: Key,
    /// The gate's name.
    pub gate: String,
    /// The step, counted from 1.
    pub t: usize,
    /// Mean activation.
    pub mean: f64,
    /// 10 % quantile.
    pub q10: f64,
    /// Lower quartile.
    pub q25: f64,
    /// Median.
    pub median: f64,
    /// Upper quartile.
    pub q75: f64,
    /// 90 % quantile.
    pub q90: f64,
    /// Fraction below 0.1.
    pub low_fraction: f64,
    /// Fraction above 0.9.
    pub high_fraction: f64,
    /// Number of replicates.
    pub n: usize,
}

/// A row of `series.csv`: one unit at one step, in replicate 0 and its first sequence.
#[derive(Clone, Debug, PartialEq)]
pub struct SeriesRow {
    /// The grid point.
    pub key: Key,
    /// `i`, `f`, `g`, `o`, `c`, `h` or `x`.
    pub series: String,
    /// The unit, counted from 0.
    pub unit: usize,
    /// The step.
    pub t: usize,
    /// Its value.
    pub value: f64,
}

/// A row of `parameters.csv`: log₁₀ norm of a parameter's whole gradient, over replicates.
#[derive(Clone, Debug, PartialEq)]
pub struct ParameterRow {
    /// The grid point.
    pub key: Key,
    /// The parameter's name.
    pub parameter: String,
    /// Median over replicates.
    pub median: f64,
    /// Lower quartile.
    pub q25: f64,
    /// Upper quartile.
    pub q75: f64,
    /// Smallest replicate.
    pub min: f64,
    /// Largest replicate.
    pub max: f64,
    /// Number of replicates.
    pub n: usize,
}

/// A row of `singular-values.csv`: one of the singular values of ∂s_T/∂s_{T−k}, over replicates.
#[derive(Clone, Debug, PartialEq)]
pub struct SingularValueRow {
    /// The grid point.
    pub key: Key,
    /// The lag k in steps.
    pub lag: usize,
    /// Its place in falling order, counted from 1: σ_1 is the largest.
    pub index: usize,
    /// log₁₀ σ, the median over replicates.
    pub median: f64,
    /// Lower quartile.
    pub q25: f64,
    /// Upper quartile.
    pub q75: f64,
    /// Number of replicates.
    pub n: usize,
}

/// A row of `lyapunov.csv`: one of the Lyapunov exponents of the whole state along the first sequence, over
/// replicates.
#[derive(Clone, Debug, PartialEq)]
pub struct LyapunovRow {
    /// The grid point.
    pub key: Key,
    /// Its place, counted from 1: λ_1 is the largest.
    pub index: usize,
    /// λ in nats per step, the median over replicates; −∞ where the state has lost a dimension.
    pub median: f64,
    /// Lower quartile.
    pub q25: f64,
    /// Upper quartile.
    pub q75: f64,
    /// The error within one run, by batch means over time: the median over replicates, if any has one.
    pub standard_error: Option<f64>,
    /// Number of replicates.
    pub n: usize,
}

/// A row of `lyapunov-convergence.csv`: the mean over the steps that count, up to t, of the first, the last
/// or one of three exponents between them.
#[derive(Clone, Debug, PartialEq)]
pub struct LyapunovMeanRow {
    /// The grid point.
    pub key: Key,
    /// The step t.
    pub t: usize,
    /// The exponent's place, counted from 1.
    pub index: usize,
    /// In nats per step, the median over replicates.
    pub median: f64,
    /// Lower quartile.
    pub q25: f64,
    /// Upper quartile.
    pub q75: f64,
    /// Number of replicates.
    pub n: usize,
}

/// A row of `lyapunov-summary.csv`: what a whole spectrum says, over replicates.
#[derive(Clone, Debug, PartialEq)]
pub struct LyapunovSummaryRow {
    /// The grid point.
    pub key: Key,
    /// [`DIMENSION`](Self::DIMENSION) or [`ENTROPY`](Self::ENTROPY).
    pub measure: String,
    /// The median over replicates, each by its own spectrum.
    pub median: f64,
    /// Lower quartile.
    pub q25: f64,
    /// Upper quartile.
    pub q75: f64,
    /// Number of replicates.
    pub n: usize,
}

impl LyapunovSummaryRow {
    /// The Kaplan–Yorke dimension.
    pub const DIMENSION: &'static str = "kaplan-yorke-dimension";
    /// The sum of the positive exponents, in nats per step.
    pub const ENTROPY: &'static str = "entropy-bound";
}

/// A row of `loss-state.csv`: how much of the gradient of a loss at τ reaches the state at t ≤ τ, over
/// replicates.
#[derive(Clone, Debug, PartialEq)]
pub struct LossStateRow {
    /// The grid point.
    pub key: Key,
    /// The block of the state, `h` or `c`.
    pub quantity: String,
    /// The step of the loss, τ.
    pub tau: usize,
    /// The step of the state, t.
    pub t: usize,
    /// log₁₀ ‖∂L_τ/∂q_t‖ / ‖∂L_τ/∂h_τ‖, the median over replicates.
    pub median: f64,
    /// Lower quartile.
    pub q25: f64,
    /// Upper quartile.
    pub q75: f64,
    /// Number of replicates.
    pub n: usize,
}

/// A row of `unit-gradients.csv`: the gradient of one unit at one lag, in replicate 0.
#[derive(Clone, Debug, PartialEq)]
pub struct UnitGradientRow {
    /// The grid point.
    pub key: Key,
    /// The block of the state, `h` or `c`.
    pub quantity: String,
    /// The unit, counted from 0.
    pub unit: usize,
    /// The lag k = T − t in steps.
    pub lag: usize,
    /// log₁₀ ‖∂L/∂q_{t,u}‖ / ‖∂L/∂h_T‖, norms over the batch.
    pub log10_ratio: f64,
}

/// A row of `sequences.csv`: what one sequence of replicate 0 has on its own.
#[derive(Clone, Debug, PartialEq)]
pub struct SequenceRow {
    /// The grid point.
    pub key: Key,
    /// `loss`, or a parameter.
    pub quantity: String,
    /// The sequence, counted from 0.
    pub sequence: usize,
    /// The loss itself, or log₁₀ ‖∂L/∂W‖.
    pub value: f64,
}

/// A row of `unit-quantiles.csv`: the distribution over the units of all replicates at one lag.
#[derive(Clone, Debug, PartialEq)]
pub struct UnitQuantileRow {
    /// The grid point.
    pub key: Key,
    /// The block of the state, `h` or `c`.
    pub quantity: String,
    /// The lag k = T − t in steps.
    pub lag: usize,
    /// The smallest log₁₀ ‖∂L/∂q_{t,u}‖ / ‖∂L/∂h_T‖.
    pub min: f64,
    /// 10 % quantile.
    pub q10: f64,
    /// Lower quartile.
    pub q25: f64,
    /// Median.
    pub median: f64,
    /// Upper quartile.
    pub q75: f64,
    /// 90 % quantile.
    pub q90: f64,
    /// The largest.
    pub max: f64,
    /// Fraction of units whose gradient is exactly zero.
    pub zero_fraction: f64,
    /// Number of units, all replicates together.
    pub n: usize,
}

/// A row of `gradients.csv`: the norm of one run, quantity and step.
#[derive(Clone, Debug, PartialEq)]
pub struct GradientRow {
    /// The run's identity.
    pub run_id: String,
    /// The quantity whose gradient it is.
    pub quantity: String,
    /// The step.
    pub t: usize,
    /// The lag k = T − t in steps.
    pub lag: usize,
    /// log₁₀ of the norm itself, not of a ratio.
    pub log10_norm: f64,
}

/// A row of `claims.csv`: the verdict on one claim.
#[derive(Clone, Debug, PartialEq)]
pub struct ClaimRow {
    /// The claim.
    pub id: String,
    /// `pass`, `fail`, or `error` where nothing could be measured.
    pub status: String,
    /// What was expected, as mathematics: `-0.5 ± 1e-9`, `≤ 1`.
    pub expected: String,
    /// What was found; none where that is not a number.
    pub measured: Option<f64>,
    /// One standard error of what was found.
    pub uncertainty: Option<f64>,
    /// How many random seeds were used.
    pub seeds: usize,
    /// `full` or `reduced`.
    pub scale: String,
    /// What a reader must know to judge the verdict.
    pub reason: String,
}

/// A row of `checks.csv`: one of the numbers a claim rests on.
#[derive(Clone, Debug, PartialEq)]
pub struct CheckRow {
    /// The claim.
    pub id: String,
    /// What was measured.
    pub check: String,
    /// `pass` or `fail`.
    pub status: String,
    /// What was expected.
    pub expected: String,
    /// What was found; none where that is not a number.
    pub measured: Option<f64>,
    /// One standard error of what was found.
    pub uncertainty: Option<f64>,
}

/// Implements [`Row`] from the columns' order, which so is the same both ways. Columns after `appended`
/// are the last ones, and files that are older than they may lack them.
macro_rules! row {
    ($row:ident, $file:literal, [$($before:ident),*], key, [$($after:ident),+]) => {
        row!($row, $file, [$($before),*], key, [$($after),+], appended []);
    };
    ($row:ident, $file:literal, [$($before:ident),*], key, [$($after:ident),+], appended [$($new:ident),*]) => {
        impl Row for $row {
            const FILE: &'static str = $file;
            const BEFORE: &'static [&'static str] = &[$(stringify!($before),)* "cell"];
            const AFTER: &'static [&'static str] = &[$(stringify!($after)),+];
            const APPENDED: &'static [&'static str] = &[$(stringify!($new)),*];
            const HAS_FACTORS: bool = true;

            fn write(&self, fields: &mut FieldWriter) {
                $(fields.write(&self.$before);)*
                fields.write_key(&self.key);
                $(fields.write(&self.$after);)+
                $(fields.write(&self.$new);)*
            }

            fn read(fields: &mut FieldReader<'_>) -> Result<Self, TableError> {
                Ok(Self {
                    $($before: fields.read()?,)*
                    key: fields.read_key()?,
                    $($after: fields.read()?,)+
                    $($new: fields.read_appended()?,)*
                })
            }
        }
    };
}

row!(RunRow, "runs.csv", [run_id], key, [replicate, status]);
row!(
    CurveRow,
    "curves.csv",
    [],
    key,
    [quantity, lag, median, q25, q75, min, max, n]
);
row!(
    FitRow,
    "fits.csv",
    [],
    key,
    [
        quantity,
        rate,
        rate_low,
        rate_high,
        half_life,
        r_squared,
        early_rate,
        late_rate,
        f32_zero_lag,
        verdict,
        n,
        predicted_rate,
        difference_in_se,
        predicted_by
    ],
    appended [f64_zero_lag, exact_zero_lag]
);
row!(
    LawRow,
    "laws.csv",
    [],
    key,
    [quantity, law, relation, rate, rate_low, rate_high, n]
);
row!(
    GateRow,
    "gates.csv",
    [],
    key,
    [
        gate,
        t,
        mean,
        q10,
        q25,
        median,
        q75,
        q90,
        low_fraction,
        high_fraction,
        n
    ]
);
row!(SeriesRow, "series.csv", [], key, [series, unit, t, value]);
row!(
    ParameterRow,
    "parameters.csv",
    [],
    key,
    [parameter, median, q25, q75, min, max, n]
);

row!(
    SingularValueRow,
    "singular-values.csv",
    [],
    key,
    [lag, index, median, q25, q75, n]
);
row!(
    LyapunovRow,
    "lyapunov.csv",
    [],
    key,
    [index, median, q25, q75, standard_error, n]
);
row!(
    LyapunovMeanRow,
    "lyapunov-convergence.csv",
    [],
    key,
    [t, index, median, q25, q75, n]
);
row!(
    LyapunovSummaryRow,
    "lyapunov-summary.csv",
    [],
    key,
    [measure, median, q25, q75, n]
);
row!(
    LossStateRow,
    "loss-state.csv",
    [],
    key,
    [quantity, tau, t, median, q25, q75, n]
);
row!(
    UnitGradientRow,
    "unit-gradients.csv",
    [],
    key,
    [quantity, unit, lag, log10_ratio]
);
row!(
    SequenceRow,
    "sequences.csv",
    [],
    key,
    [quantity, sequence, value]
);
row!(
    UnitQuantileRow,
    "unit-quantiles.csv",
    [],
    key,
    [
        quantity,
        lag,
        min,
        q10,
        q25,
        median,
        q75,
        q90,
        max,
        zero_fraction,
        n
    ]
);

/// The same for a file without factor columns.
macro_rules! plain_row {
    ($row:ident, $file:literal, [$($column:ident),+]) => {
        impl Row for $row {
            const FILE: &'static str = $file;
            const BEFORE: &'static [&'static str] = &[$(stringify!($column)),+];
            const AFTER: &'static [&'static str] = &[];
            const HAS_FACTORS: bool = false;

            fn write(&self, fields: &mut FieldWriter) {
                $(fields.write(&self.$column);)+
            }

            fn read(fields: &mut FieldReader<'_>) -> Result<Self, TableError> {
                Ok(Self {
                    $($column: fields.read()?,)+
                })
            }
        }
    };
}

plain_row!(
    GradientRow,
    "gradients.csv",
    [run_id, quantity, t, lag, log10_norm]
);
plain_row!(
    ClaimRow,
    "claims.csv",
    [
        id,
        status,
        expected,
        measured,
        uncertainty,
        seeds,
        scale,
        reason
    ]
);
plain_row!(
    CheckRow,
    "checks.csv",
    [id, check, status, expected, measured, uncertainty]
);

/// A row of the `gradients.csv` of a trace: one norm of one layer. Its only factor, where several
/// networks were traced, is `weights`, the network's name.
#[derive(Clone, Debug, PartialEq)]
pub struct TraceRow {
    /// The network's name, or nothing.
    pub factors: Vec<String>,
    /// The layer, counted from 0.
    pub layer: usize,
    /// `h`, `h_carried`, `c` or `c_carried`.
    pub quantity: String,
    /// The step.
    pub t: usize,
    /// The lag k = T − t in steps.
    pub lag: usize,
    /// log₁₀ of the norm itself, not of a ratio.
    pub log10_norm: f64,
}

impl Row for TraceRow {
    const FILE: &'static str = "gradients.csv";
    const BEFORE: &'static [&'static str] = &[];
    const AFTER: &'static [&'static str] = &["layer", "quantity", "t", "lag", "log10_norm"];
    const HAS_FACTORS: bool = true;

    fn write(&self, fields: &mut FieldWriter) {
        for value in &self.factors {
            fields.write(value);
        }
        fields.write(&self.layer);
        fields.write(&self.quantity);
        fields.write(&self.t);
        fields.write(&self.lag);
        fields.write(&Precise(self.log10_norm));
    }

    fn read(fields: &mut FieldReader<'_>) -> Result<Self, TableError> {
        Ok(Self {
            factors: fields.read_factors()?,
            layer: fields.read()?,
            quantity: fields.read()?,
            t: fields.read()?,
            lag: fields.read()?,
            log10_norm: fields.read::<Precise>()?.0,
        })
    }
}

/// A row of `sequence-gradients.csv`, a trace's: one norm of one sequence.
#[derive(Clone, Debug, PartialEq)]
pub struct SequenceNormRow {
    /// The layer, counted from 0.
    pub layer: usize,
    /// `h`, `h_carried`, `c` or `c_carried`.
    pub quantity: String,
    /// The sequence, counted from 0 as in the file of inputs.
    pub sequence: usize,
    /// The step.
    pub t: usize,
    /// The lag in steps, from the sequence's own end.
    pub lag: usize,
    /// log₁₀ of the norm itself, not of a ratio.
    pub log10_norm: f64,
}

impl Row for SequenceNormRow {
    const FILE: &'static str = "sequence-gradients.csv";
    const BEFORE: &'static [&'static str] = &[];
    const AFTER: &'static [&'static str] =
        &["layer", "quantity", "sequence", "t", "lag", "log10_norm"];
    const HAS_FACTORS: bool = false;

    fn write(&self, fields: &mut FieldWriter) {
        fields.write(&self.layer);
        fields.write(&self.quantity);
        fields.write(&self.sequence);
        fields.write(&self.t);
        fields.write(&self.lag);
        fields.write(&Precise(self.log10_norm));
    }

    fn read(fields: &mut FieldReader<'_>) -> Result<Self, TableError> {
        Ok(Self {
            layer: fields.read()?,
            quantity: fields.read()?,
            sequence: fields.read()?,
            t: fields.read()?,
            lag: fields.read()?,
            log10_norm: fields.read::<Precise>()?.0,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::super::Table;
    use super::*;

    fn key(cell: &str, factors: [&str; 2]) -> Key {
        Key {
            cell: cell.into(),
            factors: factors.map(String::from).to_vec(),
        }
    }

    fn factors() -> Vec<String> {
        vec!["cell.hidden".into(), "lstm.forget_bias".into()]
    }

    fn fit(key: Key) -> FitRow {
        FitRow {
            key,
            quantity: "h".into(),
            rate: None,
            rate_low: None,
            rate_high: None,
            half_life: None,
            r_squared: None,
            early_rate: None,
            late_rate: None,
            f32_zero_lag: None,
            verdict: "zero".into(),
            n: 0,
            predicted_rate: None,
            difference_in_se: None,
            predicted_by: String::new(),
            f64_zero_lag: None,
            exact_zero_lag: None,
        }
    }

    #[test]
    fn rates_that_are_nothing_but_rounding_are_shown_as_none() {
        let constant = FitRow {
            rate: Some(-4.8e-18),
            rate_low: Some(-8e-18),
            rate_high: Some(1e-18),
            half_life: Some(1.4e17),
            early_rate: Some(-1e-18),
            late_rate: Some(2e-18),
            verdict: "stable".into(),
            n: 10,
            ..fit(key("lstm", ["64", "5"]))
        };
        let shown = constant.shown();
        assert!(constant.is_constant() && shown.is_constant());
        let rates = [shown.rate, shown.rate_low, shown.rate_high];
        assert_eq!(rates, [Some(0.0); 3]);
        assert_eq!([shown.early_rate, shown.late_rate], [Some(0.0); 2]);
        assert_eq!(shown.half_life, Some(f64::INFINITY));
        assert_eq!((shown.verdict.as_str(), shown.n), ("stable", 10));

        // However slow, a decay that a line explains is one, and no rate is not a rate of 0.
        let slow = FitRow {
            r_squared: Some(0.9),
            ..constant
        };
        for row in [slow, fit(key("lstm", ["64", "5"]))] {
            assert!(!row.is_constant());
            assert_eq!(row.shown(), row);
        }
    }

    /// The text is the literal snapshot, and reading it gives the same rows.
    fn assert_written_as<R: Row + Clone + std::fmt::Debug + PartialEq>(
        table: &Table<R>,
        text: &str,
    ) {
        assert_eq!(table.to_csv(), text);
        assert_eq!(Table::from_csv(text).as_ref(), Ok(table));
    }

    #[test]
    fn runs_are_written_as_documented() {
        let table = Table {
            factors: factors(),
            rows: vec![
                RunRow {
                    run_id: "lstm-00112233aabbccdd".into(),
                    key: key("lstm", ["64", "chrono=200"]),
                    replicate: 3,
                    status: "done".into(),
                },
                RunRow {
                    run_id: "vanilla-rnn-0123456789abcdef".into(),
                    key: key("vanilla-rnn", ["64", ""]),
                    replicate: 0,
                    status: "failed: overflow at step 7, \"h\"".into(),
                },
            ],
        };
        assert_written_as(
            &table,
            "run_id,cell,cell.hidden,lstm.forget_bias,replicate,status\n\
             lstm-00112233aabbccdd,lstm,64,chrono=200,3,done\n\
             vanilla-rnn-0123456789abcdef,vanilla-rnn,64,,0,\"failed: overflow at step 7, \"\"h\"\"\"\n",
        );
    }

    #[test]
    fn curves_are_written_as_documented() {
        let table = Table {
            factors: factors(),
            rows: vec![CurveRow {
                key: key("lstm", ["64", "3"]),
                quantity: "h".into(),
                lag: 199,
                median: -94.125,
                q25: f64::NEG_INFINITY,
                q75: -0.333333333333,
                min: f64::NEG_INFINITY,
                max: 2.5e-7,
                n: 10,
            }],
        };
        assert_written_as(
            &table,
            "cell,cell.hidden,lstm.forget_bias,quantity,lag,median,q25,q75,min,max,n\n\
             lstm,64,3,h,199,-94.125,-inf,-0.333333333333,-inf,2.5e-7,10\n",
        );
    }

    #[test]
    fn fits_are_written_as_documented() {
        let vanishing = FitRow {
            rate: Some(-0.105360515658),
            rate_low: Some(-0.11),
            rate_high: Some(-0.1),
            half_life: Some(6.57881347896),
            r_squared: Some(1.0),
            early_rate: Some(-0.1),
            late_rate: Some(0.0),
            f32_zero_lag: Some(987),
            verdict: "vanishes".into(),
            n: 10,
            predicted_rate: Some(-0.1),
            difference_in_se: Some(-2.5),
            predicted_by: "ln(gamma sigma_max), \"b\"".into(),
            f64_zero_lag: Some(6987),
            exact_zero_lag: Some(9001),
            ..fit(key("vanilla-rnn", ["64", ""]))
        };
        let stable = FitRow {
            rate: Some(0.0),
            half_life: Some(f64::INFINITY),
            verdict: "stable".into(),
            n: 2,
            ..fit(key("lstm", ["64", "5"]))
        };
        let zero = FitRow {
            predicted_rate: Some(f64::NEG_INFINITY),
            predicted_by: "lambda_1".into(),
            ..fit(key("lstm", ["32", "0"]))
        };
        let table = Table {
            factors: factors(),
            rows: vec![vanishing, stable, zero],
        };
        assert_written_as(
            &table,
            "cell,cell.hidden,lstm.forget_bias,quantity,rate,rate_low,rate_high,half_life,\
             r_squared,early_rate,late_rate,f32_zero_lag,verdict,n,predicted_rate,difference_in_se,\
             predicted_by,f64_zero_lag,exact_zero_lag\n\
             vanilla-rnn,64,,h,-0.105360515658,-0.11,-0.1,6.57881347896,1,-0.1,0,987,vanishes,10,\
             -0.1,-2.5,\"ln(gamma sigma_max), \"\"b\"\"\",6987,9001\n\
             lstm,64,5,h,0,,,inf,,,,,stable,2,,,,,\n\
             lstm,32,0,h,,,,,,,,,zero,0,-inf,,lambda_1,,\n",
        );
    }

    #[test]
    fn fits_are_read_from_files_without_the_columns_that_were_appended() {
        let old = "cell,gain,quantity,rate,rate_low,rate_high,half_life,r_squared,early_rate,late_rate,\
                   f32_zero_lag,verdict,n,predicted_rate,difference_in_se,predicted_by\n\
                   lstm,2,h,-1,,,,,,,98,vanishes,2,,,lambda_1\n";
        let table = Table::<FitRow>::from_csv(old).unwrap();
        assert_eq!(table.factors, ["gain"]);
        let fit = &table.rows[0];
        assert_eq!((fit.f32_zero_lag, fit.f64_zero_lag), (Some(98), None));
        assert_eq!(
            (fit.predicted_by.as_str(), fit.exact_zero_lag),
            ("lambda_1", None)
        );
        // Of what was appended together nothing is missing alone.
        let one = old.replace("predicted_by", "predicted_by,f64_zero_lag");
        let one = one.replace("lambda_1", "lambda_1,9");
        let refusal = Table::<FitRow>::from_csv(&one).unwrap_err().to_string();
        assert!(refusal.contains("expected the columns"), "{refusal}");
    }

    #[test]
    fn laws_are_written_as_documented() {
        let table = Table {
            factors: vec![],
            rows: vec![LawRow {
                key: Key {
                    cell: "vanilla-rnn".into(),
                    factors: vec![],
                },
                quantity: "h".into(),
                law: "ln rho(W)".into(),
                relation: "rate".into(),
                rate: -0.7,
                rate_low: -0.75,
                rate_high: -0.65,
                n: 3,
            }],
        };
        assert_written_as(
            &table,
            "cell,quantity,law,relation,rate,rate_low,rate_high,n\n\
             vanilla-rnn,h,ln rho(W),rate,-0.7,-0.75,-0.65,3\n",
        );
    }

    #[test]
    fn gates_are_written_as_documented() {
        let table = Table {
            factors: factors(),
            rows: vec![GateRow {
                key: key("lstm", ["64", "1"]),
                gate: "f".into(),
                t: 1,
                mean: 0.7,
                q10: 0.4,
                q25: 0.5,
                median: 0.75,
                q75: 0.8,
                q90: 0.95,
                low_fraction: 0.0,
                high_fraction: 0.125,
                n: 10,
            }],
        };
        assert_written_as(
            &table,
            "cell,cell.hidden,lstm.forget_bias,gate,t,mean,q10,q25,median,q75,q90,\
             low_fraction,high_fraction,n\n\
             lstm,64,1,f,1,0.7,0.4,0.5,0.75,0.8,0.95,0,0.125,10\n",
        );
    }

    #[test]
    fn series_are_written_as_documented() {
        let table = Table {
            factors: factors(),
            rows: vec![SeriesRow {
                key: key("lstm", ["64", "1"]),
                series: "c".into(),
                unit: 63,
                t: 0,
                value: -1e-300,
            }],
        };
        assert_written_as(
            &table,
            "cell,cell.hidden,lstm.forget_bias,series,unit,t,value\nlstm,64,1,c,63,0,-1e-300\n",
        );
    }

    #[test]
    fn parameters_are_written_as_documented() {
        let table = Table {
            factors: factors(),
            rows: vec![ParameterRow {
                key: key("lstm", ["64", "1"]),
                parameter: "weight_hh".into(),
                median: 0.5,
                q25: 0.25,
                q75: 0.75,
                min: 0.0,
                max: 1.0,
                n: 10,
            }],
        };
        assert_written_as(
            &table,
            "cell,cell.hidden,lstm.forget_bias,parameter,median,q25,q75,min,max,n\n\
             lstm,64,1,weight_hh,0.5,0.25,0.75,0,1,10\n",
        );
    }

    #[test]
    fn singular_values_are_written_as_documented() {
        let table = Table {
            factors: factors(),
            rows: vec![SingularValueRow {
                key: key("lstm", ["64", "1"]),
                lag: 100,
                index: 128,
                median: -5000.25,
                q25: f64::NEG_INFINITY,
                q75: -4999.5,
                n: 10,
            }],
        };
        assert_written_as(
            &table,
            "cell,cell.hidden,lstm.forget_bias,lag,index,median,q25,q75,n\n\
             lstm,64,1,100,128,-5000.25,-inf,-4999.5,10\n",
        );
    }

    #[test]
    fn summaries_of_spectra_are_written_as_documented() {
        let table = Table {
            factors: factors(),
            rows: vec![LyapunovSummaryRow {
                key: key("lstm", ["64", "1"]),
                measure: LyapunovSummaryRow::DIMENSION.into(),
                median: 12.5,
                q25: 11.0,
                q75: 128.0,
                n: 10,
            }],
        };
        assert_written_as(
            &table,
            "cell,cell.hidden,lstm.forget_bias,measure,median,q25,q75,n\n\
             lstm,64,1,kaplan-yorke-dimension,12.5,11,128,10\n",
        );
    }

    #[test]
    fn loss_state_matrices_are_written_as_documented() {
        let table = Table {
            factors: factors(),
            rows: vec![LossStateRow {
                key: key("lstm", ["64", "1"]),
                quantity: "c".into(),
                tau: 98,
                t: 0,
                median: -3.5,
                q25: -4.0,
                q75: -3.25,
                n: 10,
            }],
        };
        assert_written_as(
            &table,
            "cell,cell.hidden,lstm.forget_bias,quantity,tau,t,median,q25,q75,n\n\
             lstm,64,1,c,98,0,-3.5,-4,-3.25,10\n",
        );
    }

    #[test]
    fn sequences_are_written_as_documented() {
        let table = Table {
            factors: factors(),
            rows: vec![SequenceRow {
                key: key("lstm", ["64", "1"]),
                quantity: "bias".into(),
                sequence: 7,
                value: -2.5,
            }],
        };
        assert_written_as(
            &table,
            "cell,cell.hidden,lstm.forget_bias,quantity,sequence,value\n\
             lstm,64,1,bias,7,-2.5\n",
        );
    }

    #[test]
    fn gradients_by_unit_are_written_as_documented() {
        let table = Table {
            factors: factors(),
            rows: vec![UnitGradientRow {
                key: key("lstm", ["64", "1"]),
                quantity: "h".into(),
                unit: 63,
                lag: 12,
                log10_ratio: f64::NEG_INFINITY,
            }],
        };
        assert_written_as(
            &table,
            "cell,cell.hidden,lstm.forget_bias,quantity,unit,lag,log10_ratio\n\
             lstm,64,1,h,63,12,-inf\n",
        );
        let table = Table {
            factors: factors(),
            rows: vec![UnitQuantileRow {
                key: key("lstm", ["64", "1"]),
                quantity: "h".into(),
                lag: 12,
                min: f64::NEG_INFINITY,
                q10: -4.0,
                q25: -3.0,
                median: -2.0,
                q75: -1.5,
                q90: -1.0,
                max: -0.5,
                zero_fraction: 0.0625,
                n: 640,
            }],
        };
        assert_written_as(
            &table,
            "cell,cell.hidden,lstm.forget_bias,quantity,lag,min,q10,q25,median,q75,q90,max,\
             zero_fraction,n\n\
             lstm,64,1,h,12,-inf,-4,-3,-2,-1.5,-1,-0.5,0.0625,640\n",
        );
    }

    #[test]
    fn gradients_are_written_as_documented() {
        let table = Table {
            factors: vec![],
            rows: vec![GradientRow {
                run_id: "lstm-00112233aabbccdd".into(),
                quantity: "c_carried".into(),
                t: 200,
                lag: 0,
                log10_norm: f64::NEG_INFINITY,
            }],
        };
        assert_written_as(
            &table,
            "run_id,quantity,t,lag,log10_norm\nlstm-00112233aabbccdd,c_carried,200,0,-inf\n",
        );
    }

    #[test]
    fn traces_are_written_as_documented() {
        let row = |factors: &[&str], log10_norm| TraceRow {
            factors: factors.iter().map(|&value| value.into()).collect(),
            layer: 1,
            quantity: "c_carried".into(),
            t: 198,
            lag: 2,
            log10_norm,
        };
        assert_written_as(
            &Table {
                factors: vec![],
                rows: vec![row(&[], -1170.12345678901), row(&[], f64::NEG_INFINITY)],
            },
            "layer,quantity,t,lag,log10_norm\n\
             1,c_carried,198,2,-1170.12345678901\n1,c_carried,198,2,-inf\n",
        );
        assert_written_as(
            &Table {
                factors: vec!["weights".into()],
                rows: vec![row(&["step-100"], 0.5)],
            },
            "weights,layer,quantity,t,lag,log10_norm\nstep-100,1,c_carried,198,2,0.5\n",
        );
        assert_written_as(
            &Table {
                factors: vec![],
                rows: vec![SequenceNormRow {
                    layer: 1,
                    quantity: "h".into(),
                    sequence: 15,
                    t: 198,
                    lag: 2,
                    log10_norm: f64::NEG_INFINITY,
                }],
            },
            "layer,quantity,sequence,t,lag,log10_norm\n1,h,15,198,2,-inf\n",
        );
    }
}
