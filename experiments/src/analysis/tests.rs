//! Tables of records whose answers are known.

use std::collections::BTreeSet;

use super::*;
use crate::config::Memory;
use crate::input_file::InputFiles;
use crate::record::Array;
use crate::run::Worker;
use crate::tables::{FILES, GradientRow, TableFile};

const ZERO: f64 = f64::NEG_INFINITY;
const STEPS: usize = 40;

fn plan(replicates: usize, gains: &str) -> Plan {
    let text = format!(
        r#"
        name = "test"
        seed = 20
        replicates = {replicates}
        [sequence]
        steps = {STEPS}
        [[cell]]
        kind = "vanilla-rnn"
        hidden = 4
        [[cell]]
        kind = "lstm"
        hidden = 4
        [sweep]
        "vanilla-rnn.recurrent_weights.gain" = [{gains}]
        "#
    );
    let loaded = Config::load(&text, "test.toml", &[]).unwrap();
    Plan::new(&loaded, &InputFiles::default())
}

/// All grid points of `plan`, one after the other; `load` returns the record of a run, if it has one.
fn analyse(plan: &Plan, load: &mut dyn FnMut(&PlannedRun) -> Option<RunRecord>) -> Analysis {
    let mut all = Analysis::new(&plan.config);
    for point in &plan.points {
        let loaded = point.runs.iter().map(|run| (run.replicate, load(run)));
        let loaded: Vec<(usize, Option<RunRecord>)> = loaded.collect();
        let present = loaded.iter();
        let records: Vec<(usize, &RunRecord)> = present
            .filter_map(|(replicate, record)| Some((*replicate, record.as_ref()?)))
            .collect();
        let one = super::analyse(&plan.config, point, &records);
        all.curves.rows.extend(one.curves.rows);
        all.fits.rows.extend(one.fits.rows);
        all.laws.rows.extend(one.laws.rows);
        all.gates.push_str(&one.gates);
        all.series.push_str(&one.series);
        all.parameters.rows.extend(one.parameters.rows);
        all.singular_values.rows.extend(one.singular_values.rows);
        all.lyapunov.rows.extend(one.lyapunov.rows);
        all.lyapunov_means.rows.extend(one.lyapunov_means.rows);
        let summaries = one.lyapunov_summaries.rows;
        all.lyapunov_summaries.rows.extend(summaries);
        all.loss_state.rows.extend(one.loss_state.rows);
        all.unit_gradients.rows.extend(one.unit_gradients.rows);
        all.unit_quantiles.rows.extend(one.unit_quantiles.rows);
        all.two_regimes.extend(one.two_regimes);
    }
    all
}

fn array(shape: &[usize], values: Vec<f64>) -> Array {
    Array {
        shape: shape.to_vec(),
        values,
    }
}

fn record(arrays: Vec<(&str, Array)>) -> RunRecord {
    let arrays = arrays.into_iter();
    RunRecord {
        spec: "{}".to_owned(),
        arrays: arrays
            .map(|(name, array)| (name.to_owned(), array))
            .collect(),
    }
}

/// Norms at t = `first` … T of a gradient that changes by `rate` nats per step of lag, from
/// 10² at lag 0; the reference is that norm.
fn decaying(first: usize, rate: f64) -> Array {
    let norm = |t: usize| 2.0 + rate / LN_10 * (STEPS - t) as f64;
    let values: Vec<f64> = (first..=STEPS).map(norm).collect();
    array(&[values.len()], values)
}

fn reference() -> (&'static str, Array) {
    ("reference", array(&[2], vec![2.0, STEPS as f64]))
}

fn rnn_key(gain: &str) -> Key {
    Key {
        cell: "vanilla-rnn".to_owned(),
        factors: vec![gain.to_owned()],
    }
}

/// A table that is not in the list would survive a rerun that does not write it.
#[test]
fn every_table_is_in_the_list_of_tables() {
    let text = r#"
        name = "closer"
        replicates = 1
        sequence = { steps = 5, batch = 2 }
        record = { quantities = ["gates", "singular-values", "lyapunov", "loss-state", "unit-gradient"] }
        cell = [{ kind = "lstm", hidden = 2 }]
    "#;
    let loaded = Config::load(text, "test.toml", &[]).unwrap();
    let plan = Plan::new(&loaded, &InputFiles::default());
    let Config { record, memory, .. } = &plan.config;
    let spec = &plan.points[0].runs[0].spec;
    let record = Worker::default().execute(spec, record, *memory, None);
    let mut of_trace = closer("network", 5, 2, &record.unwrap());

    let listed = |is_listed: fn(&&TableFile) -> bool| -> BTreeSet<&str> {
        let tables = FILES.iter().filter(is_listed);
        tables.map(|table| table.name).collect()
    };
    let others = [RunRow::FILE, GradientRow::FILE];
    let names = of_trace.headers().map(|(name, _)| name);
    assert_eq!(
        listed(|_| true),
        names.into_iter().chain(others).collect::<BTreeSet<_>>()
    );
    let tables = names.into_iter().zip(of_trace.take_lines());
    let written = tables.filter(|(_, lines)| !lines.is_empty());
    assert_eq!(
        listed(|table| table.is_of_trace),
        written.map(|(name, _)| name).chain(others).collect()
    );
}

#[test]
fn a_known_rate_comes_out_of_every_quantity() {
    let plan = plan(3, "0.5");
    let rate = 0.9_f64.ln();
    let analysis = analyse(&plan, &mut |_| {
        let (h, x) = (decaying(0, rate), decaying(1, rate));
        Some(record(vec![reference(), ("x", x), ("h", h)]))
    });
    let quantities: Vec<(&str, &str)> = analysis
        .fits
        .rows
        .iter()
        .map(|row| (row.key.cell.as_str(), row.quantity.as_str()))
        .collect();
    let expected = [
        ("vanilla-rnn", "h"),
        ("vanilla-rnn", "x"),
        ("lstm", "h"),
        ("lstm", "x"),
    ];
    assert_eq!(quantities, expected);
    for fit in &analysis.fits.rows {
        assert!((fit.rate.unwrap() - rate).abs() < 1e-12, "{fit:?}");
        assert!((fit.r_squared.unwrap() - 1.0).abs() < 1e-12, "{fit:?}");
        assert_eq!((fit.n, fit.verdict.as_str()), (3, "vanishes"));
    }
    assert!(analysis.two_regimes.is_empty());
}

#[test]
fn lag_zero_is_the_last_step_of_every_array() {
    let analysis = analyse(&plan(1, "0.5"), &mut |_| {
        let (h, x) = (decaying(0, -1.0), decaying(1, -1.0));
        Some(record(vec![reference(), ("x", x), ("h", h)]))
    });
    let lags = |quantity: &str| -> Vec<(usize, f64)> {
        let rows = analysis.curves.rows.iter();
        rows.filter(|row| row.key.cell == "lstm" && row.quantity == quantity)
            .map(|row| (row.lag, row.median))
            .collect()
    };
    let (h, x) = (lags("h"), lags("x"));
    assert_eq!((h.len(), x.len()), (STEPS + 1, STEPS));
    assert_eq!(h[..STEPS], x);
    for (lag, log10_ratio) in h {
        assert!((log10_ratio + lag as f64 / LN_10).abs() < 1e-12);
    }
}

#[test]
fn every_quantity_is_relative_to_the_one_reference_of_its_run() {
    let analysis = analyse(&plan(1, "0.5"), &mut |_| {
        let c = array(&[STEPS + 1], vec![3.5; STEPS + 1]);
        Some(record(vec![reference(), ("c", c)]))
    });
    assert!(analysis.curves.rows.iter().all(|row| row.median == 1.5));
}

#[test]
fn a_run_without_a_reference_has_a_zero_gradient_and_no_rate() {
    let analysis = analyse(&plan(3, "0.5"), &mut |_| {
        let h = array(&[STEPS + 1], vec![ZERO; STEPS + 1]);
        Some(record(vec![("reference", array(&[0], vec![])), ("h", h)]))
    });
    let fit = &analysis.fits.rows[0];
    assert_eq!((fit.verdict.as_str(), fit.rate, fit.n), ("zero", None, 3));
    assert!(analysis.curves.rows.iter().all(|row| row.median == ZERO));
    // No field is NaN: the table would not read back.
    assert_eq!(
        Table::from_csv(&analysis.curves.to_csv()),
        Ok(analysis.curves)
    );
}

#[test]
fn curves_are_quantiles_over_replicates_at_each_lag() {
    let analysis = analyse(&plan(3, "0.5"), &mut |run| {
        let level = [0.0, 1.0, 4.0][run.replicate];
        let h = array(&[STEPS + 1], vec![2.0 + level; STEPS + 1]);
        Some(record(vec![reference(), ("h", h)]))
    });
    let row = &analysis.curves.rows[7];
    assert_eq!((row.lag, row.n), (7, 3));
    assert_eq!(
        (row.min, row.q25, row.median, row.q75, row.max),
        (0.0, 0.5, 1.0, 2.5, 4.0)
    );
}

#[test]
fn missing_runs_lower_n_and_a_grid_point_without_runs_has_no_rows() {
    let analysis = analyse(&plan(4, "0.5, 0.9"), &mut |_| None);
    assert!(analysis.curves.rows.is_empty() && analysis.fits.rows.is_empty());

    let plan = plan(4, "0.5, 0.9");
    let lost = plan.points[0].runs[0].id.clone();
    let analysis = analyse(&plan, &mut |run| {
        let is_kept = run.id != lost && plan.points[1].runs.iter().all(|other| other.id != run.id);
        is_kept.then(|| record(vec![reference(), ("h", decaying(0, -0.1))]))
    });
    let fits: Vec<(&Key, usize)> = analysis
        .fits
        .rows
        .iter()
        .map(|row| (&row.key, row.n))
        .collect();
    let lstm = Key {
        cell: "lstm".to_owned(),
        factors: vec![String::new()],
    };
    assert_eq!(fits, [(&rnn_key("0.5"), 3), (&lstm, 4)]);
}

#[test]
fn another_value_on_an_axis_moves_no_other_interval() {
    let rate = |run: &PlannedRun| -0.1 - 0.01 * (run.replicate as f64).powi(2);
    let mut load =
        |run: &PlannedRun| Some(record(vec![reference(), ("h", decaying(0, rate(run)))]));
    let few = analyse(&plan(5, "0.9"), &mut load).fits.rows;
    let more = analyse(&plan(5, "0.5, 0.9"), &mut load).fits.rows;
    let find = |rows: &[FitRow], key: Key| rows.iter().find(|row| row.key == key).cloned().unwrap();
    assert_eq!(find(&few, rnn_key("0.9")), find(&more, rnn_key("0.9")));
    // The same slopes have the same interval, whatever they are called.
    let [other, same] = ["0.5", "0.9"].map(|gain| find(&more, rnn_key(gain)));
    assert_eq!(
        (other.rate, other.rate_low, other.rate_high),
        (same.rate, same.rate_low, same.rate_high)
    );
    assert!(same.rate_low < same.rate && same.rate < same.rate_high);
}

#[test]
fn two_regimes_are_reported() {
    let analysis = analyse(&plan(3, "0.5"), &mut |_| {
        let norm = |t: usize| {
            let lag = (STEPS - t) as f64;
            2.0 - 0.3 * lag.min(10.0) - 0.1 * (lag - 10.0).max(0.0)
        };
        let h = array(&[STEPS + 1], (0..=STEPS).map(norm).collect());
        Some(record(vec![reference(), ("h", h)]))
    });
    assert_eq!(analysis.two_regimes, analysis.fits.rows);
    let fit = &analysis.two_regimes[0];
    assert!((fit.early_rate.unwrap() + 0.3 * LN_10).abs() < 1e-12);
    assert!((fit.late_rate.unwrap() + 0.1 * LN_10).abs() < 1e-12);
}

#[test]
fn laws_and_parameters_are_quantiles_over_replicates() {
    let analysis = analyse(&plan(3, "0.5"), &mut |run| {
        let value = || array(&[1], vec![run.replicate as f64]);
        Some(record(vec![
            reference(),
            ("law:h:upper-bound:ln(gamma sigma_max)", value()),
            ("total.weight_hh", value()),
        ]))
    });
    let law = &analysis.laws.rows[0];
    assert_eq!(
        (
            law.quantity.as_str(),
            law.relation.as_str(),
            law.law.as_str()
        ),
        ("h", "upper-bound", "ln(gamma sigma_max)")
    );
    assert_eq!(
        (law.rate_low, law.rate, law.rate_high, law.n),
        (0.5, 1.0, 1.5, 3)
    );
    let parameter = &analysis.parameters.rows[0];
    assert_eq!(parameter.parameter, "weight_hh");
    assert_eq!(
        (parameter.min, parameter.median, parameter.max),
        (0.0, 1.0, 2.0)
    );
    assert!(analysis.fits.rows.is_empty() && analysis.curves.rows.is_empty());
}

/// Three replicates whose rates differ from the law's by 0.1, 0.2 and 0.3: mean 0.2, standard error
/// 0.1/√3.
#[test]
fn a_fit_is_compared_with_the_first_law_that_gives_a_rate() {
    let analysis = analyse(&plan(3, "0.5"), &mut |run| {
        let replicate = run.replicate as f64;
        let predicted = -0.5 + replicate;
        let measured = predicted + 0.1 * (1.0 + replicate);
        let law = |rate, place: f64| array(&[1, 2], vec![rate, place]);
        Some(record(vec![
            reference(),
            ("h", decaying(0, measured)),
            ("c", decaying(0, measured)),
            // By name in another order than by place.
            ("law:h:upper-bound:a", law(9.0, 0.0)),
            ("law:h:rate:b", law(7.0, 2.0)),
            ("law:h:rate:c", law(predicted, 1.0)),
        ]))
    });
    let laws: Vec<&str> = analysis.laws.rows[..3]
        .iter()
        .map(|row| row.law.as_str())
        .collect();
    assert_eq!(laws, ["a", "c", "b"]);
    let fit = &analysis.fits.rows[0];
    assert_eq!(fit.quantity, "h");
    assert!((fit.predicted_rate.unwrap() - 0.5).abs() < 1e-12);
    assert_eq!(fit.predicted_by, "c");
    let expected = 0.2 / (0.1 / 3f64.sqrt());
    assert!((fit.difference_in_se.unwrap() - expected).abs() < 1e-9);
    // The law is none of c.
    let other = &analysis.fits.rows[1];
    assert_eq!(
        (
            other.quantity.as_str(),
            other.predicted_rate,
            other.difference_in_se,
            other.predicted_by.as_str()
        ),
        ("c", None, None, "")
    );
}

#[test]
fn one_replicate_and_replicates_that_agree_are_no_measure() {
    for replicates in [1, 3] {
        let analysis = analyse(&plan(replicates, "0.5"), &mut |_| {
            Some(record(vec![
                reference(),
                ("h", decaying(0, -0.2)),
                // As records held laws before they knew their order.
                ("law:h:rate:a", array(&[1], vec![-0.3])),
            ]))
        });
        let fit = &analysis.fits.rows[0];
        assert_eq!(
            (fit.predicted_rate, fit.difference_in_se),
            (Some(-0.3), None)
        );
    }
}

/// The laws of a replicate differ from what is measured by 0.1 more than those of the one before.
#[test]
fn two_replicates_are_too_few_to_measure_a_difference_in() {
    for (replicates, is_measured) in [(2, false), (3, true)] {
        let analysis = analyse(&plan(replicates, "0.5"), &mut |run| {
            let law = array(&[1], vec![-0.3 - 0.1 * run.replicate as f64]);
            let h = decaying(0, -0.2);
            Some(record(vec![reference(), ("h", h), ("law:h:rate:a", law)]))
        });
        let fit = &analysis.fits.rows[0];
        assert!(fit.predicted_rate.is_some());
        assert_eq!(fit.difference_in_se.is_some(), is_measured);
        assert_eq!(fit.rate_low.is_some(), is_measured);
    }
}

/// Of a loss at every step, all later ones add up at a step.
#[test]
fn no_law_is_compared_with_a_loss_at_every_step() {
    for (loss, has_laws) in [
        (LossKind::Terminal, true),
        (LossKind::SquaredError, true),
        (LossKind::EveryStep, false),
    ] {
        let mut plan = plan(3, "0.5");
        let runs = plan.points.iter_mut().flat_map(|point| &mut point.runs);
        runs.for_each(|run| run.spec.loss.kind = loss);
        let analysis = analyse(&plan, &mut |_| {
            Some(record(vec![
                reference(),
                ("h", decaying(0, -0.2)),
                ("law:h:rate:a", array(&[1], vec![-0.3])),
                ("law:h:upper-bound:b", array(&[1], vec![-0.1])),
            ]))
        });
        assert_eq!(analysis.laws.rows.is_empty(), !has_laws, "{loss:?}");
        for fit in &analysis.fits.rows {
            assert!(fit.rate.is_some());
            assert_eq!(fit.predicted_rate.is_some(), has_laws, "{loss:?}");
            assert_eq!(fit.predicted_by.is_empty(), !has_laws, "{loss:?}");
        }
    }
}

/// Two units of rates −1 and −0.01: after three lags the slower one is all there is.
#[test]
fn a_law_with_a_rate_for_each_unit_is_fitted_as_the_gradient_is() {
    let ln_rms = |lag: f64| 0.5 * (0.5 * (-2.0 * lag).exp() + 0.5 * (-0.02 * lag).exp()).ln();
    let analysed = |from: usize, to: Option<usize>, last: usize| {
        let mut plan = plan(2, "0.5");
        (plan.config.fit.from, plan.config.fit.to) = (from, to);
        analyse(&plan, &mut |_| {
            let ln = |t: usize| match STEPS - t {
                lag if lag <= last => 2.0 + ln_rms(lag as f64) / LN_10,
                _ => ZERO,
            };
            let h = array(&[STEPS + 1], (0..=STEPS).map(ln).collect());
            let law = array(&[2, 2], vec![-1.0, 0.0, -0.01, 0.0]);
            Some(record(vec![reference(), ("h", h), ("law:h:rate:a", law)]))
        })
    };
    for (from, last) in [(1, STEPS), (20, STEPS), (1, 10)] {
        let analysis = analysed(from, None, last);
        let measured = analysis.fits.rows[0].rate.unwrap();
        let predicted = analysis.fits.rows[0].predicted_rate.unwrap();
        // Logarithms of ratios of about 1, and back.
        assert!((predicted - measured).abs() <= 1e-14, "{from} {last}");
        assert_eq!(analysis.laws.rows[0].rate, predicted);
    }
    let rate = |from, last| analysed(from, None, last).laws.rows[0].rate;
    // e^−38 is left of the faster unit's square.
    assert!((rate(20, STEPS) + 0.01).abs() <= 1e-14);
    assert!(rate(1, 10) < 1.3 * rate(1, STEPS));
    // Nothing is measured, but the law holds.
    assert_eq!(rate(1, 0), rate(1, STEPS));
    // Two lags make no line.
    assert!(analysed(1, Some(2), STEPS).laws.rows.is_empty());
}

/// Without weights and at rest all units start with the same gradient, and each keeps its own gate: the
/// law is exact, of chrono biases and of one for all.
#[test]
fn without_weights_a_gate_alone_sets_the_rate() {
    let text = |bias: &str| {
        format!(
            r#"
            name = "gates-alone"
            replicates = 2
            sequence = {{ steps = {STEPS}, batch = 1 }}
            loss = {{ kind = "squared-error", target = 1.0 }}
            [[cell]]
            kind = "lstm"
            hidden = 16
            forget_bias = {bias}
            recurrent_weights = {{ init = "zero" }}
            input_weights = {{ init = "zero" }}
            [[cell]]
            kind = "gru"
            hidden = 16
            update_bias = {bias}
            recurrent_weights = {{ init = "zero" }}
            input_weights = {{ init = "zero" }}
            "#
        )
    };
    for (bias, law) in [
        ("1.5", "ln sigma(b)"),
        ("{ chrono = 60 }", "ln rms sigma(b)^k"),
    ] {
        let config = Config::load(&text(bias), "test.toml", &[]).unwrap();
        let plan = Plan::new(&config, &InputFiles::default());
        let mut worker = Worker::default();
        let analysis = analyse(&plan, &mut |run| {
            let record = &plan.config.record;
            Some(
                worker
                    .execute(&run.spec, record, Memory::Full, None)
                    .unwrap(),
            )
        });
        let fits = analysis.fits.rows.iter();
        let fits: Vec<&FitRow> = fits.filter(|fit| fit.predicted_by == law).collect();
        let names: Vec<(&str, &str)> = fits
            .iter()
            .map(|fit| (fit.key.cell.as_str(), fit.quantity.as_str()))
            .collect();
        assert_eq!(names, [("lstm", "c"), ("gru", "h")]);
        for fit in fits {
            let (rate, predicted) = (fit.rate.unwrap(), fit.predicted_rate.unwrap());
            // A gate is known to 2 ulp, and loses that at every step.
            assert!((rate - predicted).abs() <= 1e-14, "{rate} {predicted}");
        }
    }
}

/// A gradient that is exactly zero has no slope, and a law that says so no distance.
#[test]
fn a_law_of_minus_infinity_is_a_prediction_without_a_distance() {
    let analysis = analyse(&plan(3, "0.5"), &mut |_| {
        Some(record(vec![
            reference(),
            ("h", array(&[STEPS + 1], vec![ZERO; STEPS + 1])),
            ("law:h:rate:a", array(&[1, 2], vec![ZERO, 0.0])),
        ]))
    });
    let fit = &analysis.fits.rows[0];
    assert_eq!(
        (fit.rate, fit.predicted_rate, fit.difference_in_se),
        (None, Some(ZERO), None)
    );
}

#[test]
fn gate_statistics_are_means_over_replicates() {
    let analysis = analyse(&plan(2, "0.5"), &mut |run| {
        let statistics = (0..STEPS).flat_map(|row| {
            (0..8).map(move |column| (100 * row + 10 * column + 2 * run.replicate) as f64)
        });
        let gate = array(&[STEPS, 8], statistics.collect());
        Some(record(vec![reference(), ("gate.f", gate)]))
    });
    let table = Table::<GateRow>::new(analysis.fits.factors.clone());
    let table = Table::<GateRow>::from_csv(&(table.header() + &analysis.gates)).unwrap();
    let row = &table.rows[3];
    assert_eq!((row.gate.as_str(), row.t, row.n), ("f", 4, 2));
    assert_eq!(
        [row.mean, row.q10, row.q25, row.median, row.q75, row.q90],
        [301.0, 311.0, 321.0, 331.0, 341.0, 351.0]
    );
    assert_eq!((row.low_fraction, row.high_fraction), (361.0, 371.0));
}

#[test]
fn series_are_those_of_replicate_zero_from_their_first_step() {
    let analysis = analyse(&plan(2, "0.5"), &mut |run| {
        let offset = 1000 * run.replicate;
        let values = |start: usize| {
            let values = (0..2 * STEPS).map(|i| (i + start + offset) as f64);
            array(&[STEPS, 2], values.collect())
        };
        Some(record(vec![
            reference(),
            ("series.c", values(500)),
            ("series.f", values(0)),
        ]))
    });
    let table = Table::<SeriesRow>::new(analysis.fits.factors.clone());
    let table = Table::<SeriesRow>::from_csv(&(table.header() + &analysis.series)).unwrap();
    let rows: Vec<_> = table
        .rows
        .iter()
        .filter(|row| row.key.cell == "lstm" && row.t <= 2)
        .map(|row| (row.series.as_str(), row.unit, row.t, row.value))
        .collect();
    let expected = [
        ("c", 0, 1, 500.0),
        ("c", 0, 2, 502.0),
        ("c", 1, 1, 501.0),
        ("c", 1, 2, 503.0),
        ("f", 0, 1, 0.0),
        ("f", 0, 2, 2.0),
        ("f", 1, 1, 1.0),
        ("f", 1, 2, 3.0),
    ];
    assert_eq!(rows, expected);
    assert_eq!(table.rows.len(), 2 * 2 * (2 * STEPS));
}

#[test]
fn runs_have_a_status_each() {
    let plan = plan(2, "0.5");
    let bad = plan.points[0].runs[1].id.clone();
    let table = runs(&plan, &|run| {
        (run.id == bad).then(|| "overflow at step 3".to_owned())
    });
    let status: Vec<&str> = table.rows.iter().map(|row| row.status.as_str()).collect();
    assert_eq!(
        status,
        ["done", "failed: overflow at step 3", "done", "done"]
    );
    assert_eq!(table.factors, ["vanilla-rnn.recurrent_weights.gain"]);
}

#[test]
fn gradients_are_written_with_step_and_lag() {
    let plan = plan(1, "0.5");
    let id = plan.points[0].runs[0].id.clone();
    let mut text = Vec::new();
    let mut load = |_, run: &PlannedRun| {
        let x = array(&[STEPS], (1..=STEPS).map(|t| t as f64).collect());
        (run.id == id).then(|| record(vec![reference(), ("x", x)]))
    };
    write_gradients(&plan, &mut load, &mut text).unwrap();
    let text = String::from_utf8(text).unwrap();
    let lines: Vec<&str> = text.lines().collect();
    assert_eq!(lines.len(), STEPS + 1);
    assert_eq!(lines[0], "run_id,quantity,t,lag,log10_norm");
    assert_eq!(lines[1], format!("{id},x,1,39,1"));
    assert_eq!(lines[STEPS], format!("{id},x,40,0,40"));
}

/// T + 1 lags of two values, of which the second is ten times as far down; the run is `shift` lower.
fn by_lag(shift: f64) -> Array {
    let values = (0..=STEPS).flat_map(|t| {
        let lag = (STEPS - t) as f64;
        [-lag - shift, -10.0 * lag - shift]
    });
    array(&[STEPS + 1, 2], values.collect())
}

#[test]
fn exponents_are_by_index_and_their_errors_those_of_the_runs() {
    let plan = plan(3, "0.5");
    let times = crate::grids::exponent_times(STEPS);
    let analysis = analyse(&plan, &mut |run| {
        let shift = run.replicate as f64;
        let none = f64::NEG_INFINITY;
        let exponents = array(&[2, 2], vec![0.1 - shift, 0.01 + shift, none, none]);
        let means = times.iter().flat_map(|t| [*t as f64 - shift, none]);
        let means = array(&[times.len(), 2], means.collect());
        let arrays = vec![
            reference(),
            ("lyapunov", exponents),
            ("lyapunov.by_step", means),
        ];
        (run.spec.label == "lstm").then(|| record(arrays))
    });
    let rows = &analysis.lyapunov.rows;
    assert_eq!(rows.len(), 2);
    assert_eq!((rows[0].index, rows[0].n), (1, 3));
    assert_eq!(
        (rows[0].median, rows[0].q25, rows[0].q75),
        (-0.9, -1.4, -0.4)
    );
    assert_eq!(rows[0].standard_error, Some(1.01));
    assert_eq!(
        (rows[1].median, rows[1].standard_error),
        (f64::NEG_INFINITY, None)
    );
    // Replicate by replicate: one dimension of the first, none of the others.
    let summaries: Vec<_> = analysis
        .lyapunov_summaries
        .rows
        .iter()
        .map(|row| (row.measure.as_str(), row.median, row.q75, row.n))
        .collect();
    assert_eq!(
        summaries,
        [
            ("kaplan-yorke-dimension", 0.0, 0.5, 3),
            ("entropy-bound", 0.0, 0.05, 3)
        ]
    );
    let means = &analysis.lyapunov_means.rows;
    assert_eq!(means.len(), 2 * times.len());
    assert_eq!((means[2].t, means[2].index), (times[1], 1));
    assert_eq!(means[2].median, times[1] as f64 - 1.0);
    // They are no curve of norms.
    assert!(analysis.curves.rows.is_empty());
}

#[test]
fn exponents_that_are_nothing_but_rounding_are_zero_in_what_a_spectrum_says() {
    let plan = plan(1, "0.5");
    let analysis = analyse(&plan, &mut |run| {
        let exponents = array(&[2, 2], vec![-1e-17, 1e-17, -2e-17, 1e-17]);
        (run.spec.label == "lstm").then(|| record(vec![reference(), ("lyapunov", exponents)]))
    });
    // The volume is kept: all dimensions are left.
    let summaries = &analysis.lyapunov_summaries.rows;
    assert_eq!((summaries[0].median, summaries[1].median), (2.0, 0.0));
    assert_eq!(analysis.lyapunov.rows[0].median, -1e-17);
}

#[test]
fn singular_values_are_by_lag_and_index() {
    let plan = plan(3, "0.5");
    let analysis = analyse(&plan, &mut |run| {
        let values = by_lag(run.replicate as f64);
        (run.spec.label == "lstm").then(|| record(vec![reference(), ("singular_values", values)]))
    });
    let rows = &analysis.singular_values.rows;
    assert_eq!(rows.len(), 2 * (STEPS + 1));
    // Singular values are no ratios: the reference plays no part.
    let row = &rows[2 * 7 + 1];
    assert_eq!((row.lag, row.index, row.n), (7, 2, 3));
    assert_eq!((row.median, row.q25, row.q75), (-71.0, -71.5, -70.5));
    assert_eq!((rows[0].lag, rows[0].index, rows[0].median), (0, 1, -1.0));
    // They are no curve of norms.
    assert!(analysis.curves.rows.is_empty());
}

/// B = 16 unit adjoints have the norm 4.
#[test]
fn losses_are_relative_to_their_own_adjoint_and_end_at_their_own_step() {
    let plan = plan(2, "0.5");
    let states = STEPS + 1;
    let norm = |tau: usize, t: usize| {
        if t > tau {
            ZERO
        } else {
            4.0_f64.log10() - (tau - t) as f64
        }
    };
    let values = (1..=STEPS).flat_map(|tau| (0..=STEPS).map(move |t| norm(tau, t)));
    let matrix = array(&[STEPS, states], values.collect());
    let mut zero = matrix.clone();
    zero.values[states] = ZERO;
    let analysis = analyse(&plan, &mut |run| {
        let c = if run.replicate == 0 { &matrix } else { &zero };
        let arrays = vec![
            reference(),
            ("loss_state.c", c.clone()),
            ("loss_state.h", matrix.clone()),
        ];
        (run.spec.label == "lstm").then(|| record(arrays))
    });
    let rows = &analysis.loss_state.rows;
    let per_block = STEPS * (STEPS + 3) / 2;
    assert_eq!(rows.len(), 2 * per_block);
    assert_eq!(rows[0].quantity, "h");
    let find = |quantity: &str, tau, t| {
        let is_it =
            |row: &&LossStateRow| (row.quantity.as_str(), row.tau, row.t) == (quantity, tau, t);
        rows.iter().find(is_it).unwrap()
    };
    for (tau, t) in [(1, 0), (1, 1), (40, 0), (40, 40), (17, 3)] {
        let row = find("h", tau, t);
        assert!((row.median - (t as f64 - tau as f64)).abs() < 1e-14);
        assert_eq!(row.n, 2);
    }
    assert_eq!(find("c", 2, 0).q25, ZERO);
}

#[test]
fn units_are_mapped_in_replicate_0_and_pooled_over_all() {
    let plan = plan(3, "0.5");
    let analysis = analyse(&plan, &mut |run| {
        let mut values = by_lag(run.replicate as f64);
        if run.replicate == 2 {
            let last = values.values.len() - 1;
            values.values[last] = ZERO;
        }
        (run.spec.label == "lstm").then(|| record(vec![reference(), ("unit.h", values)]))
    });
    let rows = &analysis.unit_gradients.rows;
    assert_eq!(rows.len(), 2 * (STEPS + 1));
    // The reference is 10².
    let row = &rows[STEPS + 1 + 7];
    assert_eq!((row.unit, row.lag, row.log10_ratio), (1, 7, -72.0));
    let quantiles = &analysis.unit_quantiles.rows;
    assert_eq!(quantiles.len(), STEPS + 1);
    let row = &quantiles[7];
    assert_eq!((row.lag, row.n, row.zero_fraction), (7, 6, 0.0));
    // −9, −10, −11 and −72, −73, −74.
    assert_eq!((row.min, row.median, row.max), (-74.0, -41.5, -9.0));
    assert_eq!((row.q25, row.q75), (-72.75, -10.25));
    let row = &quantiles[0];
    assert_eq!((row.min, row.zero_fraction), (ZERO, 1.0 / 6.0));
    assert_eq!(row.max, -2.0);
}
