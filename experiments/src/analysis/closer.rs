//! The tables of a closer look: singular values, loss × state, units.

use decay_analysis::{ROUNDING, Summary, quantile};
use lyapunov::{entropy_bound, kaplan_yorke_dimension};

use super::{Analysis, Replicates, arrays};
use crate::grids;
use crate::record::{
    Array, LOSS_STATE, LYAPUNOV, LYAPUNOV_BY_STEP, RunRecord, SEQUENCE, SINGULAR_VALUES, UNIT,
};
use crate::tables::{
    LossStateRow, LyapunovMeanRow, LyapunovRow, LyapunovSummaryRow, SequenceRow, SingularValueRow,
    Table, UnitGradientRow, UnitQuantileRow,
};

/// A spectrum in which what differs from 0 by rounding is 0: an orthogonal network has the dimension S, not
/// what the signs of 10⁻¹⁷ make of it.
pub fn rounded(exponents: &[f64]) -> Vec<f64> {
    let round = |value: &f64| if value.abs() < ROUNDING { 0.0 } else { *value };
    exponents.iter().map(round).collect()
}

impl<'a> Replicates<'a> {
    pub(super) fn look_closer(&self, analysis: &mut Analysis) {
        self.singular_values(&mut analysis.singular_values);
        self.lyapunov(analysis);
        self.loss_state(&mut analysis.loss_state);
        self.units(analysis);
    }

    fn singular_values(&self, table: &mut Table<SingularValueRow>) {
        let arrays = self.arrays(SINGULAR_VALUES);
        let Some(size) = arrays.first().map(|array| array.shape[1]) else {
            return;
        };
        for (row, lag) in grids::lags(self.steps).into_iter().rev().enumerate().rev() {
            for index in 0..size {
                let place = row * size + index;
                let Some(summary) = summary(&arrays, place, 0.0) else {
                    continue;
                };
                table.rows.push(SingularValueRow {
                    key: self.key.clone(),
                    lag,
                    index: index + 1,
                    median: summary.median,
                    q25: summary.q25,
                    q75: summary.q75,
                    n: summary.n,
                });
            }
        }
    }

    fn lyapunov(&self, analysis: &mut Analysis) {
        let arrays = self.arrays(LYAPUNOV);
        let size = arrays.first().map_or(0, |array| array.shape[0]);
        for index in 0..size {
            let Some(exponent) = summary(&arrays, 2 * index, 0.0) else {
                continue;
            };
            let errors = arrays.iter().map(|array| array.values[2 * index + 1]);
            let mut errors: Vec<f64> = errors.filter(|error| error.is_finite()).collect();
            analysis.lyapunov.rows.push(LyapunovRow {
                key: self.key.clone(),
                index: index + 1,
                median: exponent.median,
                q25: exponent.q25,
                q75: exponent.q75,
                standard_error: Summary::new(&mut errors).map(|error| error.median),
                n: exponent.n,
            });
        }
        self.lyapunov_summaries(&arrays, &mut analysis.lyapunov_summaries);
        // λ_1, λ_S and three between them.
        let mut shown = [0, size / 4, size / 2, 3 * size / 4, size.saturating_sub(1)].to_vec();
        shown.dedup();
        let arrays = self.arrays(LYAPUNOV_BY_STEP);
        for (row, t) in grids::exponent_times(self.steps).into_iter().enumerate() {
            for &index in &shown {
                let Some(mean) = summary(&arrays, row * size + index, 0.0) else {
                    continue;
                };
                analysis.lyapunov_means.rows.push(LyapunovMeanRow {
                    key: self.key.clone(),
                    t,
                    index: index + 1,
                    median: mean.median,
                    q25: mean.q25,
                    q75: mean.q75,
                    n: mean.n,
                });
            }
        }
    }

    /// Of each replicate by its own spectrum, [`rounded`].
    fn lyapunov_summaries(&self, spectra: &[&Array], table: &mut Table<LyapunovSummaryRow>) {
        let spectra: Vec<Vec<f64>> = spectra
            .iter()
            .map(|array| {
                let exponents: Vec<f64> = array.values.iter().copied().step_by(2).collect();
                rounded(&exponents)
            })
            .collect();
        let mut add = |measure: &str, of: &dyn Fn(&[f64]) -> Option<f64>| {
            let mut values: Vec<f64> = spectra.iter().filter_map(|spectrum| of(spectrum)).collect();
            let summary = Summary::new(&mut values);
            table.rows.extend(summary.map(|summary| LyapunovSummaryRow {
                key: self.key.clone(),
                measure: measure.to_owned(),
                median: summary.median,
                q25: summary.q25,
                q75: summary.q75,
                n: summary.n,
            }));
        };
        add(LyapunovSummaryRow::DIMENSION, &|spectrum| {
            kaplan_yorke_dimension(spectrum, spectrum.len())
        });
        add(LyapunovSummaryRow::ENTROPY, &|spectrum| {
            Some(entropy_bound(spectrum))
        });
    }

    /// Every loss starts from a unit adjoint for each sequence: ‖∂L_τ/∂h_τ‖ = √B.
    fn loss_state(&self, table: &mut Table<LossStateRow>) {
        let log10_reference = 0.5 * (self.batch as f64).log10();
        let states = grids::state_times(self.steps);
        for quantity in self.names(LOSS_STATE) {
            let arrays = self.arrays(&format!("{LOSS_STATE}{quantity}"));
            for (row, tau) in grids::loss_times(self.steps).into_iter().enumerate() {
                for (column, &t) in states.iter().enumerate().filter(|(_, t)| **t <= tau) {
                    let place = row * states.len() + column;
                    let Some(summary) = summary(&arrays, place, log10_reference) else {
                        continue;
                    };
                    table.rows.push(LossStateRow {
                        key: self.key.clone(),
                        quantity: quantity.to_owned(),
                        tau,
                        t,
                        median: summary.median,
                        q25: summary.q25,
                        q75: summary.q75,
                        n: summary.n,
                    });
                }
            }
        }
    }

    fn units(&self, analysis: &mut Analysis) {
        for quantity in self.names(UNIT) {
            let name = format!("{UNIT}{quantity}");
            let first = self.records.iter().find(|(replicate, _)| *replicate == 0);
            if let Some((_, record)) = first {
                self.unit_gradients(quantity, &name, record, &mut analysis.unit_gradients);
            }
            self.unit_quantiles(quantity, &name, &mut analysis.unit_quantiles);
        }
    }

    fn unit_gradients(
        &self,
        quantity: &str,
        name: &str,
        record: &RunRecord,
        table: &mut Table<UnitGradientRow>,
    ) {
        let Some(array) = record.arrays.get(name) else {
            return;
        };
        let log10_ratio = arrays::log10_ratio(record);
        let rows: Vec<&[f64]> = arrays::rows(array).collect();
        for unit in 0..rows.first().map_or(0, |row| row.len()) {
            // Rows are in the order of time.
            let by_lag = grids::lags(self.steps).into_iter().zip(rows.iter().rev());
            table.rows.extend(by_lag.map(|(lag, row)| UnitGradientRow {
                key: self.key.clone(),
                quantity: quantity.to_owned(),
                unit,
                lag,
                log10_ratio: log10_ratio(row[unit]),
            }));
        }
    }

    fn unit_quantiles(&self, quantity: &str, name: &str, table: &mut Table<UnitQuantileRow>) {
        let lags = grids::lags(self.steps);
        for (place, &lag) in lags.iter().enumerate() {
            let mut values: Vec<f64> = Vec::new();
            for record in self.records() {
                let array = record.arrays.get(name).into_iter();
                let mut rows = array.flat_map(arrays::rows);
                let row = rows.nth(lags.len() - 1 - place).unwrap_or_default();
                values.extend(row.iter().copied().map(arrays::log10_ratio(record)));
            }
            if values.is_empty() {
                continue;
            }
            values.sort_by(f64::total_cmp);
            let zeros = values.partition_point(|value| *value == f64::NEG_INFINITY);
            table.rows.push(UnitQuantileRow {
                key: self.key.clone(),
                quantity: quantity.to_owned(),
                lag,
                min: values[0],
                q10: quantile(&values, 0.1),
                q25: quantile(&values, 0.25),
                median: quantile(&values, 0.5),
                q75: quantile(&values, 0.75),
                q90: quantile(&values, 0.9),
                max: values[values.len() - 1],
                zero_fraction: zeros as f64 / values.len() as f64,
                n: values.len(),
            });
        }
    }

    /// What the sequences of replicate 0 have on their own.
    pub(super) fn sequences(&self, table: &mut Table<SequenceRow>) {
        let first = self.records.iter().find(|(replicate, _)| *replicate == 0);
        let Some((_, record)) = first else {
            return;
        };
        let mut names: Vec<&str> = arrays::with_prefix(record, SEQUENCE)
            .map(|(name, _)| name)
            .collect();
        arrays::sort(&mut names);
        for name in names {
            let array = &record.arrays[&format!("{SEQUENCE}{name}")];
            let rows = array.values.iter().enumerate();
            table
                .rows
                .extend(rows.map(|(sequence, &value)| SequenceRow {
                    key: self.key.clone(),
                    quantity: name.to_owned(),
                    sequence,
                    value,
                }));
        }
    }

    /// The array of this name in every record.
    fn arrays(&self, name: &str) -> Vec<&'a Array> {
        let records = self.records();
        records
            .filter_map(|record| record.arrays.get(name))
            .collect()
    }

    /// What follows `prefix` in the names of arrays, `h` before `c`.
    fn names(&self, prefix: &'static str) -> Vec<&'a str> {
        let first = self.first().into_iter();
        let found = first.flat_map(move |record| arrays::with_prefix(record, prefix));
        let mut names: Vec<&str> = found.map(|(name, _)| name).collect();
        arrays::sort(&mut names);
        names
    }
}

/// Over replicates, of the value at one place, less a reference.
fn summary(arrays: &[&Array], place: usize, reference: f64) -> Option<Summary> {
    let values = arrays.iter().filter_map(|array| array.values.get(place));
    let mut values: Vec<f64> = values.map(|value| value - reference).collect();
    Summary::new(&mut values)
}
