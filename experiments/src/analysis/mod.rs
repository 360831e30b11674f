//! From records to tables: curves, fits and laws over replicates.
//!
//! The analysis of a grid point is a function of its records and of nothing else, so grid points can
//! be analysed in any order and at the same time; the tables are their rows in the order of the plan.
//! A run without a record (it failed, or was never finished) lowers n, and a grid point without any
//! has no rows.

mod arrays;
mod closer;
mod gradients;

use std::f64::consts::LN_10;

use cell_config::Relation;
use decay_analysis::{DecayFit, Summary, Window, in_standard_errors, mean, thinned_lags};

pub(crate) use closer::rounded;
pub use gradients::write_gradients;

use crate::config::{Config, LossKind};
use crate::plan::{GridPoint, Plan, PlannedRun};
use crate::record::{GATE, RunRecord, SERIES, TOTAL, series_times};
use crate::tables::{
    CurveRow, FILES, FitRow, GateRow, Key, LawRow, LossStateRow, LyapunovMeanRow, LyapunovRow,
    LyapunovSummaryRow, ParameterRow, Row, RunRow, SequenceRow, SeriesRow, SingularValueRow, Table,
    UnitGradientRow, UnitQuantileRow,
};

/// What the records of one grid point say.
#[derive(Debug, Clone, PartialEq)]
pub struct Analysis {
    /// Log-ratio against lag.
    pub curves: Table<CurveRow>,
    /// Rates, half-lives and verdicts.
    pub fits: Table<FitRow>,
    /// What theory says.
    pub laws: Table<LawRow>,
    /// Gate statistics by step, as the lines of their table: there are too many to hold as rows.
    pub gates: String,
    /// States and gates of replicate 0, likewise.
    pub series: String,
    /// Norms of whole parameter gradients.
    pub parameters: Table<ParameterRow>,
    /// Singular values of ∂s_T/∂s_t.
    pub singular_values: Table<SingularValueRow>,
    /// Lyapunov exponents.
    pub lyapunov: Table<LyapunovRow>,
    /// Their means as of some steps.
    pub lyapunov_means: Table<LyapunovMeanRow>,
    /// What the whole spectra say.
    pub lyapunov_summaries: Table<LyapunovSummaryRow>,
    /// Which loss hears which state.
    pub loss_state: Table<LossStateRow>,
    /// Gradients by unit of replicate 0.
    pub unit_gradients: Table<UnitGradientRow>,
    /// Their distribution over the units of all replicates.
    pub unit_quantiles: Table<UnitQuantileRow>,
    /// `sequences.csv`.
    pub sequences: Table<SequenceRow>,
    /// The fits that one line describes badly: their early and late rates differ significantly
    /// (see [`DecayFit::new`]).
    pub two_regimes: Vec<FitRow>,
}

/// How many tables there are besides that of the runs and that of every norm.
pub const TABLES: usize = FILES.len() - 2;

impl Analysis {
    /// Nothing yet.
    pub fn new(config: &Config) -> Self {
        Self::with_factors(factor_names(config))
    }

    fn with_factors(factors: Vec<String>) -> Self {
        Analysis {
            curves: Table::new(factors.clone()),
            fits: Table::new(factors.clone()),
            laws: Table::new(factors.clone()),
            gates: String::new(),
            series: String::new(),
            parameters: Table::new(factors.clone()),
            singular_values: Table::new(factors.clone()),
            lyapunov: Table::new(factors.clone()),
            lyapunov_means: Table::new(factors.clone()),
            lyapunov_summaries: Table::new(factors.clone()),
            loss_state: Table::new(factors.clone()),
            unit_gradients: Table::new(factors.clone()),
            unit_quantiles: Table::new(factors.clone()),
            sequences: Table::new(factors),
            two_regimes: Vec::new(),
        }
    }

    /// The name of each file and its first line.
    pub fn headers(&self) -> [(&'static str, String); TABLES] {
        let factors = &self.curves.factors;
        [
            (CurveRow::FILE, self.curves.header()),
            (FitRow::FILE, self.fits.header()),
            (LawRow::FILE, self.laws.header()),
            (
                GateRow::FILE,
                Table::<GateRow>::new(factors.clone()).header(),
            ),
            (
                SeriesRow::FILE,
                Table::<SeriesRow>::new(factors.clone()).header(),
            ),
            (ParameterRow::FILE, self.parameters.header()),
            (SingularValueRow::FILE, self.singular_values.header()),
            (LyapunovRow::FILE, self.lyapunov.header()),
            (LyapunovMeanRow::FILE, self.lyapunov_means.header()),
            (LyapunovSummaryRow::FILE, self.lyapunov_summaries.header()),
            (LossStateRow::FILE, self.loss_state.header()),
            (UnitGradientRow::FILE, self.unit_gradients.header()),
            (UnitQuantileRow::FILE, self.unit_quantiles.header()),
            (SequenceRow::FILE, self.sequences.header()),
        ]
    }

    /// The other lines of each file, in the same order. What is held as lines is taken from here.
    pub fn take_lines(&mut self) -> [String; TABLES] {
        [
            self.curves.lines(),
            self.fits.lines(),
            self.laws.lines(),
            std::mem::take(&mut self.gates),
            std::mem::take(&mut self.series),
            self.parameters.lines(),
            self.singular_values.lines(),
            self.lyapunov.lines(),
            self.lyapunov_means.lines(),
            self.lyapunov_summaries.lines(),
            self.loss_state.lines(),
            self.unit_gradients.lines(),
            self.unit_quantiles.lines(),
            self.sequences.lines(),
        ]
    }
}

/// Analyses one grid point. `records` are those of its runs, with the replicates' indices, in their
/// order.
pub fn analyse(config: &Config, point: &GridPoint, records: &[(usize, &RunRecord)]) -> Analysis {
    let mut analysis = Analysis::new(config);
    if let Some(run) = point.runs.first() {
        let replicates = Replicates {
            key: &point.key,
            steps: run.spec.sequence.steps,
            batch: run.spec.sequence.batch,
            has_laws: run.spec.loss.kind != LossKind::EveryStep,
            records,
        };
        replicates.decay(config, &mut analysis);
        replicates.laws(config, &mut analysis.laws);
        let factors = factor_names(config);
        replicates.gates(&Table::new(factors.clone()), &mut analysis.gates);
        replicates.series(&Table::new(factors), &mut analysis.series);
        replicates.parameters(&mut analysis.parameters);
        replicates.look_closer(&mut analysis);
        replicates.sequences(&mut analysis.sequences);
    }
    analysis
}

/// The tables of a closer look at one network, called `cell`, over `batch` sequences of `steps` steps:
/// those of one replicate and of no factors.
pub fn closer(cell: &str, steps: usize, batch: usize, record: &RunRecord) -> Analysis {
    let mut analysis = Analysis::with_factors(Vec::new());
    let key = Key {
        cell: cell.to_owned(),
        factors: Vec::new(),
    };
    let replicates = Replicates {
        key: &key,
        steps,
        batch,
        has_laws: false,
        records: &[(0, record)],
    };
    replicates.gates(&Table::new(Vec::new()), &mut analysis.gates);
    replicates.look_closer(&mut analysis);
    analysis
}

/// The table of all runs; `failure` says why a run failed, if it did.
pub fn runs(plan: &Plan, failure: &dyn Fn(&PlannedRun) -> Option<String>) -> Table<RunRow> {
    let row = |point: &GridPoint, run: &PlannedRun| RunRow {
        run_id: run.id.clone(),
        key: point.key.clone(),
        replicate: run.replicate,
        status: failure(run)
            .map_or_else(|| "done".to_owned(), |reason| format!("failed: {reason}")),
    };
    let mut table = Table::new(factor_names(&plan.config));
    for point in &plan.points {
        table
            .rows
            .extend(point.runs.iter().map(|run| row(point, run)));
    }
    table
}

fn factor_names(config: &Config) -> Vec<String> {
    config.sweep.iter().map(|axis| axis.key.clone()).collect()
}

/// What theory says of the rate of a quantity at one grid point.
struct Prediction<'a> {
    /// The law's name.
    law: &'a str,
    /// The mean over replicates, in nats per step.
    rate: f64,
    /// Measured minus predicted, in standard errors of its mean over replicates.
    difference_in_se: Option<f64>,
}

/// The finished runs of one grid point.
struct Replicates<'a> {
    key: &'a Key,
    steps: usize,
    batch: usize,
    /// Whether laws speak of the loss, which they do of one at the last step. They say what becomes of one
    /// gradient on its way back; of a loss at every step the gradients of all after t add up at t, and that
    /// sum hardly changes with the lag where each of its parts vanishes, nor does what bounds one bound it.
    has_laws: bool,
    /// With the replicate's index.
    records: &'a [(usize, &'a RunRecord)],
}

impl<'a> Replicates<'a> {
    fn records(&self) -> impl Iterator<Item = &'a RunRecord> {
        self.records.iter().map(|(_, record)| *record)
    }

    /// A record to take names from: all runs of a grid point record the same arrays.
    fn first(&self) -> Option<&'a RunRecord> {
        self.records().next()
    }

    /// The laws of the records, if they speak of the loss.
    fn laws_of_records(&self) -> Vec<arrays::LawName<'a>> {
        let record = self.first().filter(|_| self.has_laws);
        record.map(arrays::laws).unwrap_or_default()
    }

    /// The lags that rates are fitted over.
    fn window(&self, config: &Config) -> Window {
        Window {
            from: config.fit.from,
            to: config.fit.to.unwrap_or(self.steps),
        }
    }

    /// Curves and fits of every quantity with norms by step.
    fn decay(&self, config: &Config, analysis: &mut Analysis) {
        let window = self.window(config);
        for quantity in self.first().map(arrays::quantities).unwrap_or_default() {
            let (records, mut curves): (Vec<&RunRecord>, Vec<Vec<f64>>) = self
                .records()
                .filter_map(|record| Some((record, arrays::log10_ratios(record, quantity)?)))
                .unzip();
            self.curves(quantity, &curves, &mut analysis.curves);

            for log10_ratio in curves.iter_mut().flatten() {
                *log10_ratio *= LN_10;
            }
            let ln_ratios: Vec<&[f64]> = curves.iter().map(Vec::as_slice).collect();
            let fit = DecayFit::new(&ln_ratios, window);
            // The rate of a law may take a curve of its own.
            drop(curves);
            let prediction = self.prediction(quantity, window, &records, &fit.slopes);
            let row = FitRow {
                key: self.key.clone(),
                quantity: quantity.to_owned(),
                rate: fit.rate,
                rate_low: fit.interval.map(|interval| interval.low),
                rate_high: fit.interval.map(|interval| interval.high),
                half_life: fit.half_life,
                r_squared: fit.r_squared,
                early_rate: fit.early_rate,
                late_rate: fit.late_rate,
                f32_zero_lag: fit.f32_zero_lag,
                verdict: fit.verdict.map_or_else(String::new, |v| v.to_string()),
                n: fit.n,
                predicted_rate: prediction.as_ref().map(|prediction| prediction.rate),
                difference_in_se: prediction
                    .as_ref()
                    .and_then(|prediction| prediction.difference_in_se),
                predicted_by: prediction
                    .map_or_else(String::new, |prediction| prediction.law.to_owned()),
                f64_zero_lag: fit.f64_zero_lag,
                exact_zero_lag: fit.exact_zero_lag,
            };
            if fit.one_line_is_wrong {
                analysis.two_regimes.push(row.clone());
            }
            analysis.fits.rows.push(row);
        }
    }

    fn curves(&self, quantity: &str, curves: &[Vec<f64>], table: &mut Table<CurveRow>) {
        let lags = curves.first().map_or(0, Vec::len);
        let Some(last) = lags.checked_sub(1) else {
            return;
        };
        for lag in thinned_lags(last) {
            let mut values: Vec<f64> = curves.iter().map(|curve| curve[lag]).collect();
            let summary = Summary::new(&mut values);
            table.rows.extend(summary.map(|summary| CurveRow {
                key: self.key.clone(),
                quantity: quantity.to_owned(),
                lag,
                median: summary.median,
                q25: summary.q25,
                q75: summary.q75,
                min: summary.min,
                max: summary.max,
                n: summary.n,
            }));
        }
    }

    /// The value over replicates of every one-number array whose name begins with `prefix`.
    fn summaries(&self, prefix: &'static str) -> impl Iterator<Item = (&'a str, Summary)> {
        let names = self.first().into_iter();
        let names = names.flat_map(move |record| arrays::with_prefix(record, prefix));
        names.filter_map(move |(name, _)| Some((name, self.summary(&format!("{prefix}{name}"))?)))
    }

    /// The first value over replicates of the array of this name.
    fn summary(&self, name: &str) -> Option<Summary> {
        let value = |record: &RunRecord| record.arrays.get(name)?.values.first().copied();
        let mut values: Vec<f64> = self.records().filter_map(value).collect();
        Summary::new(&mut values)
    }

    /// What theory says of a quantity, and how far the slopes of its replicates are from that: by the
    /// first of the cell's laws that gives a rate.
    fn prediction(
        &self,
        quantity: &str,
        window: Window,
        records: &[&RunRecord],
        slopes: &[Option<f64>],
    ) -> Option<Prediction<'a>> {
        let laws = self.laws_of_records();
        let law = laws
            .iter()
            .find(|law| law.quantity == quantity && law.relation == Relation::Rate.name())?;
        let rate_of = |record: &&RunRecord| arrays::law_rate(record, law, self.steps, window);
        let rates: Vec<Option<f64>> = records.iter().map(rate_of).collect();
        let pairs = slopes.iter().zip(&rates);
        let (differences, predicted): (Vec<f64>, Vec<f64>) = pairs
            .filter_map(|(slope, rate)| Some(((*slope)? - (*rate)?, (*rate)?)))
            .unzip();
        let all: Vec<f64> = rates.into_iter().flatten().collect();
        Some(Prediction {
            law: law.name,
            // Of those replicates that the measured rate is the mean of, if there are any.
            rate: mean(&predicted).or_else(|| mean(&all))?,
            difference_in_se: in_standard_errors(&differences),
        })
    }

    fn laws(&self, config: &Config, table: &mut Table<LawRow>) {
        let window = self.window(config);
        for law in self.laws_of_records() {
            let rate_of = |record| arrays::law_rate(record, &law, self.steps, window);
            let mut rates: Vec<f64> = self.records().filter_map(rate_of).collect();
            let Some(summary) = Summary::new(&mut rates) else {
                continue;
            };
            table.rows.push(LawRow {
                key: self.key.clone(),
                quantity: law.quantity.to_owned(),
                relation: law.relation.to_owned(),
                law: law.name.to_owned(),
                rate: summary.median,
                rate_low: summary.q25,
                rate_high: summary.q75,
                n: summary.n,
            });
        }
    }

    fn parameters(&self, table: &mut Table<ParameterRow>) {
        for (name, summary) in self.summaries(TOTAL) {
            table.rows.push(ParameterRow {
                key: self.key.clone(),
                parameter: name.to_owned(),
                median: summary.median,
                q25: summary.q25,
                q75: summary.q75,
                min: summary.min,
                max: summary.max,
                n: summary.n,
            });
        }
    }

    /// Every statistic is the mean over replicates of that of each run, which pools its own units
    /// and sequences. The lines are those of rows of `table`.
    fn gates(&self, table: &Table<GateRow>, lines: &mut String) {
        let Some(record) = self.first() else { return };
        for (gate, _) in arrays::with_prefix(record, GATE) {
            let name = format!("{GATE}{gate}");
            let gates = self.records().filter_map(|record| record.arrays.get(&name));
            let replicates: Vec<&[[f64; 8]]> =
                gates.map(|array| array.values.as_chunks().0).collect();
            let steps = replicates.iter().map(|rows| rows.len()).min().unwrap_or(0);
            let first_step = arrays::first_step(steps, self.steps);
            let row = |row: usize| {
                let sum = replicates.iter().fold([0.0; 8], |sum, rows| {
                    std::array::from_fn(|column| sum[column] + rows[row][column])
                });
                let [
                    mean,
                    q10,
                    q25,
                    median,
                    q75,
                    q90,
                    low_fraction,
                    high_fraction,
                ] = sum.map(|sum| sum / replicates.len() as f64);
                GateRow {
                    key: self.key.clone(),
                    gate: gate.to_owned(),
                    t: first_step + row,
                    mean,
                    q10,
                    q25,
                    median,
                    q75,
                    q90,
                    low_fraction,
                    high_fraction,
                    n: replicates.len(),
                }
            };
            lines.extend(table.lines_in_parts((0..steps).map(row)));
        }
    }

    /// The lines are those of rows of `table`.
    fn series(&self, table: &Table<SeriesRow>, lines: &mut String) {
        let Some((_, record)) = self.records.iter().find(|(replicate, _)| *replicate == 0) else {
            return;
        };
        let times = series_times(self.steps);
        for (series, array) in arrays::with_prefix(record, SERIES) {
            let rows: Vec<&[f64]> = arrays::rows(array).collect();
            for unit in 0..rows.first().map_or(0, |row| row.len()) {
                let row = |(t, values): (&usize, &&[f64])| SeriesRow {
                    key: self.key.clone(),
                    series: series.to_owned(),
                    unit,
                    t: *t,
                    value: values[unit],
                };
                lines.extend(table.lines_in_parts(times.iter().zip(&rows).map(row)));
            }
        }
    }
}

#[cfg(test)]
mod tests;
