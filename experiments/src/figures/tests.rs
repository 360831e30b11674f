//! Figures from synthetic tables of realistic shape, and of shapes nobody plans for.

use std::collections::BTreeMap;

use super::*;
use crate::config::{FigureSpec, Filter, Input, Sequence};
use crate::tables::{
    CurveRow, FitRow, Key, LawRow, LossStateRow, LyapunovMeanRow, LyapunovRow, Row, SequenceRow,
    SeriesRow, SingularValueRow, Table, UnitGradientRow, UnitQuantileRow,
};

/// Stored files by name.
type Files = BTreeMap<&'static str, String>;

fn put<R: Row>(files: &mut Files, table: &Table<R>) {
    files.insert(R::FILE, table.to_csv());
}

fn spec(kind: FigureKind) -> FigureSpec {
    FigureSpec {
        kind,
        name: "figure".into(),
        quantity: None,
        x: None,
        y: None,
        filter: Filter::default(),
        title: None,
    }
}

fn filter(entries: &[(&str, &[&str])]) -> Filter {
    let entries = entries.iter();
    Filter(
        entries
            .map(|(key, values)| ((*key).into(), strings(values)))
            .collect(),
    )
}

fn with_x(kind: FigureKind, x: &str) -> FigureSpec {
    FigureSpec {
        x: Some(x.into()),
        ..spec(kind)
    }
}

/// An RNN, an LSTM, and as many layers of that.
fn cells(layers: usize) -> Vec<CellStyle> {
    let colours = palette::cell_colours(&["vanilla-rnn", "lstm"]);
    let of_layer = |layer| (data::layer_label("lstm", layer), colours[1]);
    let layers = (0..layers).map(of_layer);
    let labels = ["vanilla-rnn", "lstm"].map(str::to_owned);
    labels
        .into_iter()
        .zip(colours.iter().copied())
        .chain(layers)
        .map(|(label, colour)| CellStyle {
            label,
            colour,
            hidden: 64,
            logistic_unit: None,
        })
        .collect()
}

fn try_draw(spec: &FigureSpec, files: &Files) -> Result<String, FigureError> {
    drawing(spec.kind)(&Request {
        spec,
        cells: &cells(4),
        sequence: &Sequence {
            steps: 200,
            batch: 16,
            input: Input::Zero { size: 8 },
            initial_state: None,
        },
        has_where: true,
        files: &|name| files.get(name).cloned(),
    })
}

/// Draws, and checks what must hold of every figure.
fn drawn(spec: &FigureSpec, files: &Files) -> String {
    let svg = try_draw(spec, files).unwrap();
    assert!(!svg.contains("NaN") && !svg.contains("inf\""));
    assert_eq!(
        svg,
        try_draw(spec, files).unwrap(),
        "same input, same bytes"
    );
    assert!(render_png(&svg).starts_with(b"\x89PNG"));
    svg
}

fn key(cell: &str, factors: &[&str]) -> Key {
    Key {
        cell: cell.into(),
        factors: factors.iter().map(|&value| value.into()).collect(),
    }
}

/// A number in [−1, 1] that looks random.
fn noise(seed: usize) -> f64 {
    ((seed as f64 * 12.9898).sin() * 43758.5453).fract()
}

fn curve(key: &Key, quantity: &str, lags: impl Iterator<Item = usize>, rate: f64) -> Vec<CurveRow> {
    let seed = key.factors.concat().bytes().map(usize::from).sum::<usize>();
    lags.map(|lag| {
        let wiggle = 0.3 * (lag as f64).sqrt().min(4.0) * noise(seed + lag / 4) * 0.2;
        let median = rate * lag as f64 + wiggle;
        let spread = 0.03 * rate.abs() * lag as f64 + 0.02 * (lag as f64).sqrt();
        CurveRow {
            key: key.clone(),
            quantity: quantity.into(),
            lag,
            median,
            q25: median - spread,
            q75: median + spread,
            min: median - 3.0 * spread,
            max: median + 3.0 * spread,
            n: 10,
        }
    })
    .collect()
}

const DECAY_FACTORS: [&str; 3] = [
    "cell.hidden",
    "vanilla-rnn.recurrent_weights.gain",
    "lstm.forget_bias",
];

fn strings(texts: &[&str]) -> Vec<String> {
    texts.iter().map(|&text| text.into()).collect()
}

/// The headline grid: 3 hidden sizes × (5 gains, 3 forget biases), down to 10⁻⁹⁴.
fn decay_files() -> Files {
    let mut curves = Table::new(strings(&DECAY_FACTORS));
    let mut laws = Table::new(strings(&DECAY_FACTORS));
    for hidden in ["32", "64", "128"] {
        let size: f64 = hidden.parse().unwrap();
        for (gain, end) in [
            ("0.5", -94.0),
            ("0.9", -47.0),
            ("1", -39.0),
            ("1.2", -26.0),
            ("1.5", -12.0),
        ] {
            let point = key("vanilla-rnn", &[hidden, gain, ""]);
            let rate = (end / 199.0) * (1.0 + 2.0 / size);
            curves.rows.extend(curve(&point, "h", 0..=200, rate));
            laws.rows.push(LawRow {
                rate: gain.parse::<f64>().unwrap().ln(),
                ..law(point, "ln rho(W)", "rate")
            });
        }
        for (bias, end) in [("0", -38.0), ("1", -17.0), ("3", -0.7)] {
            let point = key("lstm", &[hidden, "", bias]);
            curves.rows.extend(curve(&point, "h", 0..=200, end / 199.0));
            curves.rows.extend(curve(&point, "c", 0..=200, end / 190.0));
        }
    }
    let mut files = Files::new();
    put(&mut files, &curves);
    put(&mut files, &laws);
    files
}

fn law(key: Key, law: &str, relation: &str) -> LawRow {
    LawRow {
        key,
        quantity: "h".into(),
        law: law.into(),
        relation: relation.into(),
        rate: 0.0,
        rate_low: 0.0,
        rate_high: 0.0,
        n: 10,
    }
}

/// Two cells to 10⁻³⁰⁰⁰ over 10,000 steps, lags thinned as stored.
fn horizon_files() -> Files {
    let mut curves = Table::new(strings(&DECAY_FACTORS));
    let lags: Vec<usize> = (0..=1000)
        .chain((1..=100).map(|i| (1000.0 * 10f64.powf(f64::from(i) / 100.0)).round() as usize))
        .collect();
    for (cell, gain, bias, end) in [
        ("vanilla-rnn", "0.5", "", -3005.0),
        ("vanilla-rnn", "0.9", "", -1400.0),
        ("lstm", "", "1", -860.0),
        ("lstm", "", "5", -31.0),
    ] {
        let point = key(cell, &["64", gain, bias]);
        let rate = end / 10_000.0;
        curves
            .rows
            .extend(curve(&point, "h", lags.iter().copied(), rate));
    }
    let mut files = Files::new();
    put(&mut files, &curves);
    files
}

fn fit(key: Key, rate: f64) -> FitRow {
    FitRow {
        key,
        quantity: "h".into(),
        rate: Some(rate),
        rate_low: Some(rate - 0.02),
        rate_high: Some(rate + 0.02),
        half_life: Some(if rate < 0.0 {
            std::f64::consts::LN_2 / -rate
        } else {
            f64::INFINITY
        }),
        r_squared: Some(0.99),
        early_rate: Some(rate * 1.4),
        late_rate: Some(rate * 0.9),
        f32_zero_lag: None,
        verdict: "vanishes".into(),
        n: 10,
        predicted_rate: None,
        difference_in_se: None,
        predicted_by: String::new(),
        f64_zero_lag: None,
        exact_zero_lag: None,
    }
}

const GAIN: &str = "vanilla-rnn.recurrent_weights.gain";

/// 31 gains from 0.5 to 2 at two hidden sizes: curves, fits and laws.
fn transition_files() -> Files {
    let names = strings(&["cell.hidden", GAIN]);
    let (mut curves, mut fits, mut laws) = (
        Table::new(names.clone()),
        Table::new(names.clone()),
        Table::new(names),
    );
    for hidden in ["32", "128"] {
        for step in 0..31 {
            let gain = 0.5 + 0.05 * f64::from(step);
            let text = crate::tables::format_number(gain);
            let point = key("vanilla-rnn", &[hidden, &text]);
            let rate = gain.ln() - 0.45 * (gain - 0.4).max(0.0).powf(0.7) + 0.12 * gain;
            curves
                .rows
                .extend(curve(&point, "h", 0..=200, rate / std::f64::consts::LN_10));
            fits.rows.push(fit(point.clone(), rate));
            for (name, relation, value) in [
                ("ln rho(W)", "rate", gain.ln()),
                ("ln(gamma sigma_max)", "upper-bound", gain.ln() + 0.66),
            ] {
                laws.rows.push(LawRow {
                    rate: value,
                    ..law(point.clone(), name, relation)
                });
            }
        }
    }
    let mut files = Files::new();
    put(&mut files, &curves);
    put(&mut files, &fits);
    put(&mut files, &laws);
    files
}

/// Forget biases 0…5 and chrono, with an infinite half-life.
fn forget_bias_files() -> Files {
    let names = strings(&["cell.hidden", "lstm.forget_bias"]);
    let (mut curves, mut fits, mut laws) = (
        Table::new(names.clone()),
        Table::new(names.clone()),
        Table::new(names),
    );
    for hidden in ["32", "64", "128"] {
        for (bias, rate) in [
            ("0", -0.44),
            ("1", -0.2),
            ("2", -0.07),
            ("3", -0.02),
            ("4", -0.006),
            ("5", 0.0),
            ("chrono=200", -0.012),
        ] {
            let point = key("lstm", &[hidden, bias]);
            let rate = rate * (1.0 + 3.0 / hidden.parse::<f64>().unwrap());
            curves.rows.extend(curve(&point, "h", 0..=200, rate / 2.3));
            fits.rows.push(fit(point.clone(), rate));
            laws.rows.push(match bias.parse::<f64>() {
                Ok(bias) => LawRow {
                    rate: -(1.0 + (-bias).exp()).ln(),
                    ..law(point, "ln sigma(b)", "rate")
                },
                Err(_) => LawRow {
                    rate: -0.02,
                    ..law(point, "ln rms sigma(b)^k", "rate")
                },
            });
        }
    }
    let mut files = Files::new();
    put(&mut files, &curves);
    put(&mut files, &fits);
    put(&mut files, &laws);
    files
}

/// Words as factor values, several of them long.
fn initialization_files() -> Files {
    let init = "cell.recurrent_weights.init";
    let names = strings(&[init]);
    let (mut curves, mut fits) = (Table::new(names.clone()), Table::new(names));
    for (cell, offset) in [("vanilla-rnn", 0.0), ("lstm", 0.1)] {
        for (name, rate) in [
            ("gaussian", -0.3),
            ("orthogonal", -0.15),
            ("identity", -0.2),
            ("uniform", -0.8),
            ("spectral-radius", -0.31),
            ("zero", -1.0),
        ] {
            let point = key(cell, &[name]);
            curves.rows.extend(curve(&point, "h", 0..=200, rate / 2.3));
            fits.rows.push(fit(point, rate + offset));
        }
    }
    for row in &mut curves.rows {
        if row.key.factors[0] == "zero" && row.lag > 0 {
            (row.median, row.q25, row.q75) =
                (f64::NEG_INFINITY, f64::NEG_INFINITY, f64::NEG_INFINITY);
        }
    }
    let mut files = Files::new();
    put(&mut files, &curves);
    put(&mut files, &fits);
    files
}

/// One LSTM of 48 units over 100 steps with an event at 20.
fn gates_files() -> Files {
    let names = strings(&["lstm.forget_bias"]);
    let (mut series, mut curves) = (Table::new(names.clone()), Table::new(names));
    let point = key("lstm", &["2"]);
    let sigmoid = |x: f64| 1.0 / (1.0 + (-x).exp());
    for unit in 0..48 {
        let (mut c, mut h) = (0.0, 0.0);
        for t in 1..=100 {
            let event = if (20..23).contains(&t) {
                3.0
            } else {
                0.2 * noise(t)
            };
            let drive = |gate: usize| noise(unit * 7 + gate) * event + noise(unit + gate * 31) * h;
            let (i, f) = (sigmoid(drive(1)), sigmoid(2.0 + drive(2)));
            let (g, o) = (drive(3).tanh(), sigmoid(drive(4)));
            c = f * c + i * g;
            h = o * c.tanh();
            for (name, value) in [("i", i), ("f", f), ("g", g), ("o", o), ("c", c), ("h", h)] {
                series.rows.push(SeriesRow {
                    key: point.clone(),
                    series: name.into(),
                    unit,
                    t,
                    value,
                });
            }
            if unit == 0 {
                series.rows.push(SeriesRow {
                    key: point.clone(),
                    series: "x".into(),
                    unit,
                    t,
                    value: event,
                });
            }
        }
    }
    for (quantity, rate) in [
        ("c", -0.055),
        ("c_direct", -0.057),
        ("c_gated", -0.075),
        ("h", -0.07),
    ] {
        curves.rows.extend(curve(&point, quantity, 0..=100, rate));
    }
    let mut files = Files::new();
    put(&mut files, &series);
    put(&mut files, &curves);
    files
}

const INIT: &str = "cell.recurrent_weights.init";

/// Every kind of figure, for tables with this factor.
fn every_kind(factor: &str) -> [FigureSpec; 9] {
    [
        spec(FigureKind::Decay),
        with_x(FigureKind::Phase, factor),
        with_x(FigureKind::Rate, factor),
        with_x(FigureKind::HalfLife, factor),
        spec(FigureKind::Gates),
        spec(FigureKind::SingularValues),
        spec(FigureKind::Lyapunov),
        spec(FigureKind::LossState),
        spec(FigureKind::UnitGradient),
    ]
}

/// The files of one factor column `gain`, from curves, with a fit and a series row per point, and the
/// curve as that of two singular values, two units and a loss at every lag.
fn files_of(curves: Vec<CurveRow>) -> Files {
    let names = strings(&[GAIN]);
    let (mut fits, mut series) = (Table::new(names.clone()), Table::new(names.clone()));
    for row in &curves {
        if fits.rows.iter().all(|fit: &FitRow| fit.key != row.key) {
            fits.rows.push(FitRow {
                rate: None,
                rate_low: None,
                rate_high: None,
                half_life: None,
                ..fit(row.key.clone(), 0.0)
            });
            series.rows.push(SeriesRow {
                key: row.key.clone(),
                series: "h".into(),
                unit: 0,
                t: 1,
                value: 0.0,
            });
        }
    }
    let mut files = closer_files(&names, &curves, 2);
    put(
        &mut files,
        &Table {
            factors: names,
            rows: curves,
        },
    );
    put(&mut files, &fits);
    put(&mut files, &series);
    files
}

/// The tables of a closer look at curves of h: `size` singular values and units, of which number i
/// decays i times as fast, and losses at every lag.
fn closer_files(names: &[String], curves: &[CurveRow], size: usize) -> Files {
    let (mut values, mut losses) = (Table::new(names.to_vec()), Table::new(names.to_vec()));
    let (mut units, mut quantiles) = (Table::new(names.to_vec()), Table::new(names.to_vec()));
    for row in curves {
        for i in 1..=size {
            let median = i as f64 * row.median;
            values.rows.push(SingularValueRow {
                key: row.key.clone(),
                lag: row.lag,
                index: i,
                median,
                q25: 1.1 * median,
                q75: 0.9 * median,
                n: row.n,
            });
            units.rows.push(UnitGradientRow {
                key: row.key.clone(),
                quantity: "h".into(),
                unit: size - i,
                lag: row.lag,
                log10_ratio: median,
            });
        }
        for t in (0..=row.lag).step_by(10) {
            losses.rows.push(LossStateRow {
                key: row.key.clone(),
                quantity: "h".into(),
                tau: row.lag,
                t: row.lag - t,
                median: if row.median.is_finite() {
                    row.median * t as f64 / row.lag.max(1) as f64
                } else {
                    row.median
                },
                q25: row.q25,
                q75: row.q75,
                n: row.n,
            });
        }
        quantiles.rows.push(UnitQuantileRow {
            key: row.key.clone(),
            quantity: "h".into(),
            lag: row.lag,
            min: size as f64 * row.median,
            q10: 0.9 * size as f64 * row.median,
            q25: 0.75 * size as f64 * row.median,
            median: 0.5 * size as f64 * row.median,
            q75: 0.25 * size as f64 * row.median,
            q90: 0.1 * size as f64 * row.median,
            max: row.median,
            zero_fraction: f64::from(u8::from(row.median.is_infinite())),
            n: size * row.n,
        });
    }
    let mut exponents = Table::new(names.to_vec());
    let mut means = Table::new(names.to_vec());
    for row in curves.iter().filter(|row| row.lag == 0) {
        for i in 1..=size {
            let median = if i > 1 && i == size {
                f64::NEG_INFINITY
            } else {
                0.5 - 0.1 * i as f64
            };
            exponents.rows.push(LyapunovRow {
                key: row.key.clone(),
                index: i,
                median,
                q25: median - 0.05,
                q75: median + 0.05,
                standard_error: median.is_finite().then_some(0.01),
                n: row.n,
            });
        }
        means.rows.extend([10, 20].map(|t| LyapunovMeanRow {
            key: row.key.clone(),
            t,
            index: 1,
            median: 0.4,
            q25: 0.35,
            q75: 0.45,
            n: row.n,
        }));
    }
    let mut files = Files::new();
    put(&mut files, &values);
    put(&mut files, &exponents);
    put(&mut files, &means);
    put(&mut files, &losses);
    put(&mut files, &units);
    put(&mut files, &quantiles);
    files
}

/// A surface with one steep place among twelve.
#[test]
fn an_error_surface_says_how_steep_its_steepest_place_is() {
    let mut table = Table::<SequenceRow>::new(strings(&[GAIN]));
    for gain in ["4", "4.5", "5", "5.5"] {
        for sequence in 0..3 {
            let is_steep = gain == "5" && sequence == 1;
            let log10 = if is_steep { 2.5 } else { -1.0 };
            let values = [
                ("loss", 0.25),
                ("weight_hh", log10),
                ("bias", f64::NEG_INFINITY),
                ("weight_ih", 9.0),
            ];
            table
                .rows
                .extend(values.map(|(quantity, value)| SequenceRow {
                    key: key("vanilla-rnn", &[gain]),
                    quantity: quantity.into(),
                    sequence,
                    value,
                }));
        }
    }
    let mut files = Files::new();
    put(&mut files, &table);
    let figure = with_x(FigureKind::ErrorSurface, GAIN);
    let svg = drawn(&figure, &files);
    assert!(words(&svg).contains("is 3.5 decades steeper than the median"));
    assert!(svg.contains("error E") && svg.contains(">hh</tspan>"));
    assert!(svg.contains("‖∂E/∂(W<tspan "));
    // That is theory of a single logistic unit, which these cells are not.
    assert!(!words(&svg).contains("two attractors"));

    table.rows.clear();
    put(&mut files, &table);
    let svg = drawn(&figure, &files);
    assert!(words(&svg).contains("no rows with a value of"));
}

/// What a figure says, wherever its lines are broken.
fn words(svg: &str) -> String {
    let lines: Vec<&str> = svg.lines().filter(|line| !line.starts_with('<')).collect();
    lines.join(" ")
}

#[test]
fn a_spectrum_says_its_largest_exponent_and_counts_what_is_lost() {
    let curves: Vec<CurveRow> = ["0.5", "0.9"]
        .iter()
        .flat_map(|gain| curve(&key("lstm", &[gain]), "h", 0..=2, -0.02))
        .collect();
    let files = closer_files(&strings(&[GAIN]), &curves, 3);
    let svg = words(&drawn(&spec(FigureKind::Lyapunov), &files));
    assert!(
        svg.contains("Largest Lyapunov exponent: +0.400 (lstm)"),
        "{svg}"
    );
    assert!(svg.contains("2 exponents of −∞"), "{svg}");
}

#[test]
fn singular_values_fan_out_and_say_how_far() {
    let point = key("lstm", &["0.5"]);
    let curves = curve(&point, "h", 0..=100, -0.02);
    let last = curves[100].median;
    let mut files = closer_files(&strings(&[GAIN]), &curves, 40);
    let svg = drawn(&spec(FigureKind::SingularValues), &files);
    let ends = [last, 40.0 * last].map(labels::approximate_power);
    let title = format!(
        "At lag 100 the singular values reach from {} down to {} (lstm)",
        ends[0], ends[1]
    );
    assert!(words(&svg).contains(&title), "{title}");
    assert!(svg.contains("σ₁") && svg.contains("σ₄₀"));
    assert!(svg.contains("Singular values drawn: 24 of 40 (lstm)."));
    assert!(!words(&svg).contains("Black:"), "curves.csv is not there");
    let table = Table {
        factors: strings(&[GAIN]),
        rows: curves,
    };
    put(&mut files, &table);
    let svg = drawn(&spec(FigureKind::SingularValues), &files);
    assert!(words(&svg).contains("Black: the gradient ratio of h.") && svg.contains("∂L/∂h"));
}

#[test]
fn losses_and_states_are_a_triangle_with_zeros_apart() {
    let point = key("vanilla-rnn", &["0.5"]);
    let curves: Vec<CurveRow> = curve(&point, "h", (10..=100).step_by(10), -0.2);
    let mut files = closer_files(&strings(&[GAIN]), &curves, 1);
    let svg = drawn(&spec(FigureKind::LossState), &files);
    let heard = labels::approximate_power(curves[9].median);
    let title = format!("Of the state at step 0 the loss at step 100 hears {heard} (vanilla-rnn)");
    assert!(words(&svg).contains(&title), "{title}");
    assert!(svg.contains("Losses are 10 steps apart."));
    let grey = hex(palette::Rgb::NO_VALUE);
    assert!(!svg.contains("exactly zero") && !svg.contains(&grey));

    let mut table = Table::<LossStateRow>::from_csv(&files["loss-state.csv"]).unwrap();
    for row in table.rows.iter_mut().filter(|row| row.t == 0) {
        row.median = f64::NEG_INFINITY;
    }
    put(&mut files, &table);
    let svg = drawn(&spec(FigureKind::LossState), &files);
    assert!(svg.contains("Grey: 10 points where the median is exactly zero."));
    assert!(svg.contains(&grey));
    assert!(words(&svg).contains("the loss at step 100 hears 0 (vanilla-rnn)"));

    let mut spec = spec(FigureKind::LossState);
    spec.quantity = Some("c".into());
    assert!(drawn(&spec, &files).contains("loss-state.csv has no rows of c for this figure."));
}

#[test]
fn units_are_sorted_by_what_they_keep() {
    let point = key("lstm", &["0.5"]);
    let curves = curve(&point, "h", 0..=100, -0.02);
    let files = closer_files(&strings(&[GAIN]), &curves, 100);
    let svg = drawn(&spec(FigureKind::UnitGradient), &files);
    let [best, middle] = [1.0, 50.0].map(|i| labels::approximate_power(i * curves[100].median));
    let title = format!(
        "At lag 100 the gradient of h is {best} in the best unit and {middle} in the median one"
    );
    assert!(words(&svg).contains(&title), "{title}");
    assert!(words(&svg).contains("of the 1000 units of all"));
    assert!(svg.contains("64 of 100 units are mapped (lstm)."));
    // Unit 99 keeps most, and the dark end of the colour map is at the top.
    let dark = hex(palette::ColourMap::SEQUENTIAL.at(1.0));
    let light = hex(palette::ColourMap::SEQUENTIAL.at(0.0));
    assert!(svg.contains(&dark) && svg.contains(&light));
}

fn constant(row: &CurveRow, value: f64) -> CurveRow {
    CurveRow {
        median: value,
        q25: value,
        q75: value,
        min: value,
        max: value,
        ..row.clone()
    }
}

#[test]
fn decay_title_says_how_far_each_cell_has_shrunk() {
    let mut spec = spec(FigureKind::Decay);
    spec.filter = filter(&[("cell.hidden", &["64"])]);
    let svg = drawn(&spec, &decay_files());
    for text in [
        "At lag 200 the gradient has shrunk to 10⁻⁹⁷\u{a0}…\u{a0}10⁻¹² (vanilla-rnn) and",
        "10⁻³⁸\u{a0}…\u{a0}10⁻⁰·⁷ (lstm)",
        "Median and quartile band of 10 replicates; H = 64, T = 200, B = 16.",
        "theory in its line’s shade: rate ln ρ(W)\n",
        "f32 prints 0 below 10⁻⁴⁵ (dots: from this lag on)",
        "lag k = T − t (steps)",
    ] {
        assert!(svg.contains(text), "{text}");
    }
    assert!(!svg.contains("H = 32"), "`where` keeps one hidden size");
}

/// Of every kind that shows several grid points, with a cell and two values chosen.
#[test]
fn a_figure_says_what_where_has_chosen() {
    let gains = ["0.5", "0.8", "1.3"];
    let curves: Vec<CurveRow> = ["vanilla-rnn", "lstm"]
        .iter()
        .flat_map(|cell| gains.map(|gain| key(cell, &[gain])))
        .flat_map(|key| curve(&key, "h", 0..=20, -0.1))
        .collect();
    let files = files_of(curves);
    for kind in every_kind(GAIN) {
        let (kind, all) = (kind.kind, FigureSpec { ..kind });
        let words_of = |spec: &FigureSpec| words(&drawn(spec, &files));
        assert!(!words_of(&all).contains(" Only "), "{kind:?}");
        let some = FigureSpec {
            filter: filter(&[("cell", &["lstm"]), (GAIN, &["0.8", "1.3"])]),
            ..all
        };
        let said = words_of(&some);
        assert!(!said.contains("vanilla-rnn"), "{kind:?}: {said}");
        match kind {
            // It shows one, names that, and says where others are chosen.
            FigureKind::Gates => {
                assert!(said.contains("(lstm, gain = 0.8)"), "{said}");
                assert!(said.contains("lstm, gain = 0.8. Maps"), "{said}");
                assert!(said.contains("One of 2 grid points; “where” chooses another."));
            }
            _ => assert!(
                said.contains(" Only cell lstm, gain\u{a0}=\u{a0}0.8 or 1.3."),
                "{kind:?}: {said}"
            ),
        }
    }
    let one = FigureSpec {
        filter: filter(&[("cell", &["lstm"]), (GAIN, &["0.8"])]),
        ..spec(FigureKind::Gates)
    };
    let said = words(&drawn(&one, &files));
    assert!(
        said.contains("lstm, gain = 0.8. Maps") && !said.contains("chooses"),
        "{said}"
    );
}

#[test]
fn a_figure_with_a_ramp_says_what_where_has_chosen() {
    let mut table = Table::<SequenceRow>::new(strings(&[GAIN, "cell.hidden"]));
    for gain in ["4", "5"] {
        for (quantity, value) in [("loss", 0.25), ("weight_hh", 1.0)] {
            table.rows.push(SequenceRow {
                key: key("vanilla-rnn", &[gain, "1"]),
                quantity: quantity.into(),
                sequence: 0,
                value,
            });
        }
    }
    let mut files = Files::new();
    put(&mut files, &table);
    let figure = FigureSpec {
        filter: filter(&[("cell.hidden", &["1"])]),
        ..with_x(FigureKind::ErrorSurface, GAIN)
    };
    assert!(words(&drawn(&figure, &files)).contains("replicate 0. Only H\u{a0}=\u{a0}1."));
}

/// A panel that is left out is another grid point, which `where` chooses, or another layer of the only one.
#[test]
fn a_note_names_the_key_that_chooses_other_panels() {
    let note = |kind: FigureKind, keys: &[Key], quantities: &[&str]| {
        let curves: Vec<CurveRow> = keys
            .iter()
            .flat_map(|key| curve(key, "h", 0..=20, -0.1))
            .collect();
        let mut files = closer_files(&strings(&[GAIN]), &curves, 2);
        let mut units = Table::<UnitQuantileRow>::from_csv(&files["unit-quantiles.csv"]).unwrap();
        units.rows = units
            .rows
            .iter()
            .flat_map(|row| {
                quantities.iter().map(|quantity| UnitQuantileRow {
                    quantity: (*quantity).into(),
                    ..row.clone()
                })
            })
            .collect();
        put(&mut files, &units);
        let drawn = words(&drawn(&spec(kind), &files));
        let from = drawn.find("3 of 4 panels").map(|at| &drawn[at..]);
        from.unwrap_or_else(|| panic!("{drawn}")).to_owned()
    };
    let gains = ["1", "2", "3", "4"].map(|gain| key("lstm", &[gain]));
    for kind in [
        FigureKind::SingularValues,
        FigureKind::UnitGradient,
        FigureKind::LossState,
    ] {
        let note = note(kind, &gains, &["h"]);
        let expected = "3 of 4 panels are shown; “where” chooses, the tables have all.";
        assert!(note.starts_with(expected), "{kind:?}: {note}");
    }
    let layers = ["0.h", "1.h", "2.h", "3.h"];
    let note = note(FigureKind::UnitGradient, &gains[..1], &layers);
    let expected = "3 of 4 panels are shown; “quantity” chooses a layer, the tables have all.";
    assert!(note.starts_with(expected), "{note}");
}

/// Three of four hidden sizes have a panel; the one that has none falls fastest.
#[test]
fn a_title_is_about_the_panels_that_are_not_shown_too() {
    let names = strings(&["cell.hidden", "seed"]);
    let mut curves = Table::new(names);
    for (hidden, rate) in [("8", -0.1), ("16", -1.0), ("32", -0.1), ("64", -0.1)] {
        for seed in ["1", "2", "3", "4", "5"] {
            curves
                .rows
                .extend(curve(&key("lstm", &[hidden, seed]), "h", 0..=20, rate));
        }
    }
    let mut files = Files::new();
    put(&mut files, &curves);
    let said = words(&drawn(&spec(FigureKind::Decay), &files));
    assert!(
        said.contains("3 of 4 combinations of H are shown; “where” chooses"),
        "{said}"
    );
    assert!(!said.contains("H = 16"), "{said}");
    assert!(said.contains("has shrunk to 10⁻²⁰"), "{said}");
}

/// One replicate has no quartiles, no mean and no interval; two have no interval.
#[test]
fn what_is_said_of_replicates_is_what_there_is() {
    let with = |n: usize| {
        let mut files = transition_files();
        let mut curves = Table::<CurveRow>::from_csv(&files["curves.csv"]).unwrap();
        curves.rows.iter_mut().for_each(|row| row.n = n);
        put(&mut files, &curves);
        let mut fits = Table::<FitRow>::from_csv(&files["fits.csv"]).unwrap();
        for fit in &mut fits.rows {
            fit.n = n;
            if n < 3 {
                (fit.rate_low, fit.rate_high) = (None, None);
            }
        }
        put(&mut files, &fits);
        files
    };
    let plane = |n: usize| {
        let mut files = plane_files();
        let mut fits = Table::<FitRow>::from_csv(&files["fits.csv"]).unwrap();
        fits.rows.iter_mut().for_each(|fit| fit.n = n);
        put(&mut files, &fits);
        let spec = FigureSpec {
            y: Some(NOISE.into()),
            ..with_x(FigureKind::Plane, GAIN)
        };
        words(&drawn(&spec, &files))
    };
    let gates = |n: usize| {
        let mut files = gates_files();
        let mut curves = Table::<CurveRow>::from_csv(&files["curves.csv"]).unwrap();
        curves.rows.iter_mut().for_each(|row| row.n = n);
        curves.rows[0].median = f64::NEG_INFINITY;
        put(&mut files, &curves);
        words(&drawn(&spec(FigureKind::Gates), &files))
    };
    let decay = |n: usize| words(&drawn(&spec(FigureKind::Decay), &with(n)));
    let phase = |n: usize| words(&drawn(&with_x(FigureKind::Phase, GAIN), &with(n)));
    let rate = |n: usize| words(&drawn(&with_x(FigureKind::Rate, GAIN), &with(n)));
    for (said, expected) in [
        (decay(1), " 1 replicate; T = 200, B = 16."),
        (
            decay(2),
            "Median and quartile band of 2 replicates; T = 200",
        ),
        (phase(1), " 1 replicate. Colour:"),
        (phase(2), "Median of 2 replicates. Colour:"),
        (rate(1), "Gradient of h: 1 replicate. Dashed"),
        (rate(2), "Gradient of h: mean over 2 replicates. Dashed"),
        (
            rate(3),
            "mean over 3 replicates, with Student’s 95 % interval. Dashed",
        ),
        (plane(1), "(nats per step), 1 replicate."),
        (plane(2), "(nats per step), mean over 2 replicates."),
        (gates(1), "Gradient: 1 replicate."),
        (gates(2), "Gradient: median of 2 replicates."),
    ] {
        assert!(said.contains(expected), "{expected}: {said}");
    }
    assert!(gates(2).contains("where the median gradient is exactly zero"));
    for said in [decay(1), phase(1), rate(1), plane(1), gates(1)] {
        for word in ["edian", "mean over", "interval", "band"] {
            assert!(!said.contains(word), "{word}: {said}");
        }
    }
}

/// The heights of the labels beside a bar of this height, and the labels.
#[test]
fn labels_of_a_colour_bar_never_overprint() {
    for height in [150.0, 200.0, 280.0, 330.0] {
        for step in 0..400 {
            let high = 0.03 * f64::from(step) + 0.5;
            let marks = chart::bar_ticks((0.0, high), height);
            let at = |tick: &ticks::Tick| {
                let from_bottom = height * tick.at / high;
                from_bottom.clamp(chart::BAR_INSET, height - chart::BAR_INSET)
            };
            let mut heights: Vec<f64> = marks.iter().map(at).collect();
            heights.sort_by(f64::total_cmp);
            for pair in heights.windows(2) {
                let gap = pair[1] - pair[0];
                // One rounding error below a text's height is as good.
                assert!(
                    gap > chart::SMALL - 1e-9,
                    "{gap} in 0…{high}, {height} high"
                );
            }
            // Wherever there is room, the end is there.
            let below = heights.iter().rev().find(|at| **at < height - 30.0);
            assert!(heights.last() > below, "no end of 0…{high}");
        }
    }
}

#[test]
fn characters_that_the_font_lacks_are_named_once_each() {
    let titled = |title: &str| {
        let mut spec = spec(FigureKind::Decay);
        spec.title = Some(title.into());
        missing_characters(&drawn(&spec, &decay_files()))
    };
    assert_eq!(titled("Grüße, ‖∂L/∂h‖ ≤ 10⁻⁴⁵ & “where” – λ₁"), []);
    assert_eq!(titled("und 你好 & 你"), ['你', '好']);
}

#[test]
fn no_more_than_64_lines_are_drawn_and_a_note_says_so() {
    let figure = |gains: usize| {
        let mut curves = Table::new(strings(&["vanilla-rnn.recurrent_weights.gain"]));
        let mut laws = Table::new(curves.factors.clone());
        for gain in 1..=gains {
            let point = key("vanilla-rnn", &[&format!("{}", gain as f64 / 1000.0)]);
            let rows = curve(&point, "h", (0..=200).step_by(50), -0.01 * gain as f64);
            curves.rows.extend(rows);
            laws.rows.push(LawRow {
                rate: -0.02 * gain as f64,
                ..law(point, "ln rho(W)", "rate")
            });
        }
        let mut files = Files::new();
        put(&mut files, &curves);
        put(&mut files, &laws);
        let svg = drawn(&spec(FigureKind::Decay), &files);
        let bands = svg.matches("<polygon").count();
        (svg, bands)
    };
    let (all, bands) = figure(64);
    assert_eq!(bands, 64);
    assert!(!all.contains("the tables have all"));
    for (gains, note) in [
        (
            65,
            "64 of 65 values of gain are shown; the tables have all.",
        ),
        (
            2000,
            "64 of 2000 values of gain are shown; the tables have all.",
        ),
    ] {
        let (thinned, bands) = figure(gains);
        assert_eq!(bands, 64);
        assert!(thinned.contains(note), "{gains}");
        // The first and the last are among them: to 10⁻²⁰⁰ at a gain of 1.
        let last = format!(
            "10⁻{}",
            if gains == 65 {
                "¹³⁰"
            } else {
                "⁴⁰⁰⁰"
            }
        );
        assert!(thinned.contains(&last), "{last}");
    }
}

#[test]
fn a_title_of_the_config_replaces_the_default() {
    let mut spec = spec(FigureKind::Decay);
    spec.title = Some("Ours <& yours".into());
    let svg = drawn(&spec, &decay_files());
    assert!(svg.contains("Ours &lt;&amp; yours") && !svg.contains("has shrunk"));
}

#[test]
fn a_cell_has_its_colour_in_every_figure() {
    let colours = ["#0072B2", "#D55E00"];
    let init = initialization_files();
    let decay = drawn(&with_x(FigureKind::Rate, INIT), &init);
    assert!(colours.iter().all(|colour| decay.contains(colour)));
    let gates = drawn(&spec(FigureKind::Gates), &gates_files());
    assert!(gates.contains(colours[1]));
}

#[test]
fn both_precisions_are_marked_where_the_horizon_is_far() {
    let svg = drawn(&spec(FigureKind::Decay), &horizon_files());
    assert!(svg.contains("f32 prints 0 below 10⁻⁴⁵, f64 prints 0 below 10⁻³²⁴"));
    assert!(svg.contains("10⁻³⁰⁰⁰"));
}

/// Stored lags are 1072 and 1096, and 1000 and 1023, when f64 prints 0 and when the gradient is cut off.
#[test]
fn lags_between_stored_ones_are_those_of_the_fits_or_approximate() {
    let mut files = horizon_files();
    let mut curves = Table::<CurveRow>::from_csv(&files["curves.csv"]).unwrap();
    for row in &mut curves.rows {
        if row.key.factors[2] == "5" && row.lag > 1000 {
            *row = constant(row, f64::NEG_INFINITY);
        }
    }
    put(&mut files, &curves);
    let svg = drawn(&spec(FigureKind::Decay), &files);
    assert!(svg.contains("≈1096") && svg.contains("5 (0 from ≈1023)"));

    let mut with_fits = |f64_zero_lag, exact_zero_lag| {
        let mut fits = Table::new(strings(&DECAY_FACTORS));
        fits.rows = vec![
            FitRow {
                f64_zero_lag,
                ..fit(key("vanilla-rnn", &["64", "0.5", ""]), -0.7)
            },
            FitRow {
                exact_zero_lag,
                ..fit(key("lstm", &["64", "", "5"]), -0.01)
            },
        ];
        put(&mut files, &fits);
        drawn(&spec(FigureKind::Decay), &files)
    };
    let svg = with_fits(Some(1077), Some(1011));
    assert!(svg.contains("1077") && svg.contains("5 (0 from 1011)"));
    // What lies elsewhere is not what is drawn there.
    let svg = with_fits(Some(500), None);
    assert!(svg.contains("≈1096") && svg.contains("5 (0 from ≈1023)"));
}

#[test]
fn the_largest_exponent_is_measured_and_no_theory() {
    let mut files = forget_bias_files();
    let mut laws = Table::<LawRow>::from_csv(&files["laws.csv"]).unwrap();
    for law in &mut laws.rows {
        law.law = LawRow::LARGEST_EXPONENT.into();
    }
    put(&mut files, &laws);
    let rate = words(&drawn(
        &with_x(FigureKind::Rate, "lstm.forget_bias"),
        &files,
    ));
    assert!(rate.contains("Dash-dotted: λ₁, measured in the same runs."));
    let decay = words(&drawn(&spec(FigureKind::Decay), &files));
    for svg in [rate, decay] {
        assert!(
            svg.contains("λ₁, measured") && !svg.contains("theory"),
            "{svg}"
        );
    }
}

#[test]
fn phase_and_rate_find_the_transition() {
    let files = transition_files();
    let phase = drawn(&with_x(FigureKind::Phase, GAIN), &files);
    assert!(phase.contains("At lag 200 the gradient passes 10⁰ at gain 1.3"));
    let rate = drawn(&with_x(FigureKind::Rate, GAIN), &files);
    assert!(rate.contains("vanilla-rnn: the rate is negative up to gain 1.25"));
    assert!(rate.contains("ln ρ(W)") && rate.contains("ln(γ σₘₐₓ) (bound)"));
}

/// Rates that are zero on noise = gain − 1 as measured, and on noise = gain − 1.2 in theory.
fn plane_files() -> Files {
    let names = strings(&[GAIN, NOISE]);
    let (mut fits, mut laws) = (Table::new(names.clone()), Table::new(names));
    for gain in 0..=10 {
        for noise in 0..=10 {
            let (gain, noise) = (0.5 + 0.15 * f64::from(gain), 0.1 * f64::from(noise));
            let key = key("vanilla-rnn", &[&gain.to_string(), &noise.to_string()]);
            fits.rows.push(fit(key.clone(), gain - 1.0 - noise));
            for (relation, rate) in [("rate", gain - 1.2 - noise), ("upper-bound", gain)] {
                laws.rows.push(LawRow {
                    key: key.clone(),
                    quantity: "h".into(),
                    law: "1/2 ln chi_1".into(),
                    relation: relation.into(),
                    rate,
                    rate_low: rate,
                    rate_high: rate,
                    n: 10,
                });
            }
        }
    }
    let mut files = Files::new();
    put(&mut files, &fits);
    put(&mut files, &laws);
    files
}

const NOISE: &str = "sequence.input.std";

#[test]
fn a_plane_shows_where_the_rate_is_zero_and_where_theory_has_it() {
    let spec = FigureSpec {
        y: Some(NOISE.into()),
        ..with_x(FigureKind::Plane, GAIN)
    };
    let mut files = plane_files();
    let both = drawn(&spec, &files);
    assert!(both.contains("λ = 0, measured") && both.contains("½ ln χ₁ = 0, theory"));
    // The title takes two lines.
    assert!(both.contains("rates from −1.5 (gain 0.5, input std 1) to 1 (gain 2,"));
    assert!(both.contains("input std 0)"));
    files.remove("laws.csv");
    let measured = drawn(&spec, &files);
    assert!(measured.contains("λ = 0, measured") && !measured.contains("theory"));

    // Nothing turns: no line, and no legend for it.
    let mut fits = Table::<FitRow>::from_csv(&files["fits.csv"]).unwrap();
    for fit in &mut fits.rows {
        fit.rate = fit.rate.map(|rate| rate - 2.0);
    }
    put(&mut files, &fits);
    assert!(!drawn(&spec, &files).contains("measured"));
    let message = |spec: &FigureSpec| try_draw(spec, &files).unwrap_err().to_string();
    assert_eq!(
        message(&with_x(FigureKind::Plane, GAIN)),
        "figure `figure`: expected a sweep key in `y`, found none"
    );
}

#[test]
fn infinite_half_lives_are_arrows() {
    let files = forget_bias_files();
    let svg = drawn(&with_x(FigureKind::HalfLife, "lstm.forget_bias"), &files);
    assert!(svg.contains("∞") && svg.contains("Arrows: infinite"));
    // Of rate 0 ± 0.02: from 34.7 steps on.
    assert!(svg.contains("Intervals with a tip at the top reach to infinity."));
    assert!(svg.contains("lstm: half-life from 1.44 steps (forget bias 0, H = 32) to"));
}

#[test]
fn words_are_a_factor_as_well_as_numbers() {
    let files = initialization_files();
    for kind in [FigureKind::Phase, FigureKind::Rate, FigureKind::HalfLife] {
        let svg = drawn(&with_x(kind, INIT), &files);
        assert!(svg.contains("spectral-radius"));
    }
    let svg = drawn(&spec(FigureKind::Decay), &files);
    assert!(svg.contains("zero (0 from 1)"));
    assert!(svg.contains("400 points where the median is exactly zero"));
}

#[test]
fn gates_follow_the_cell_in_its_own_order() {
    let svg = drawn(&spec(FigureKind::Gates), &gates_files());
    let place = |text: &str| {
        svg.find(text)
            .unwrap_or_else(|| panic!("{text} is missing"))
    };
    let labels = [
        "input x",
        "forget gate f",
        "input gate i",
        "candidate g",
        "cell state c",
        "output gate o",
        "hidden state h",
        "c, direct path",
    ];
    assert!(labels.is_sorted_by_key(|label| place(label)));
}

/// How a colour is written in SVG.
fn hex(palette::Rgb(red, green, blue): palette::Rgb) -> String {
    format!("#{red:02X}{green:02X}{blue:02X}")
}

/// The attributes of the element that holds this text.
fn attributes<'a>(svg: &'a str, text: &str) -> &'a str {
    let end = svg.find(&format!("\n{text}\n")).unwrap();
    &svg[svg[..end].rfind("<text").unwrap()..end]
}

#[test]
fn sizes_that_differ_between_lines_are_not_in_the_subtitle() {
    let svg = drawn(&spec(FigureKind::Decay), &decay_files());
    assert!(svg.contains("10 replicates; T = 200, B = 16."));
}

#[test]
fn rates_of_every_line_are_in_the_title_and_have_their_slopes() {
    let files = forget_bias_files();
    let svg = drawn(&with_x(FigureKind::Rate, "lstm.forget_bias"), &files);
    assert!(svg.contains("lstm: rates from −0.481 (forget bias 0, H = 32) to 0 (5, H = 32)"));
    assert!(
        words(&svg).contains("Thin: slope over the lags up to 10 (pale) and over the last half.")
    );
    let lstm = palette::cell_colours(&["lstm"])[0];
    for shade in palette::shades(lstm, 3) {
        for paleness in [0.55, 0.1] {
            assert!(svg.contains(&hex(shade.mix(palette::Rgb::WHITE, paleness))));
        }
    }
}

#[test]
fn straight_lines_have_no_slopes_of_their_own() {
    let mut files = forget_bias_files();
    let mut fits = Table::<FitRow>::from_csv(&files["fits.csv"]).unwrap();
    for fit in &mut fits.rows {
        (fit.early_rate, fit.late_rate) = (fit.rate, fit.rate);
    }
    put(&mut files, &fits);
    let svg = drawn(&with_x(FigureKind::Rate, "lstm.forget_bias"), &files);
    assert!(!svg.contains("Thin:"));
}

#[test]
fn bounds_are_named_at_their_end_or_where_they_leave_the_panel() {
    let bound = "ln(γ σₘₐₓ) (bound)";
    let with_bound = |slope: f64, at_one: f64| {
        let mut files = transition_files();
        let mut laws = Table::<LawRow>::from_csv(&files["laws.csv"]).unwrap();
        for law in laws.rows.iter_mut().filter(|law| law.relation != "rate") {
            law.rate = slope * (law.rate - 0.66) + at_one;
        }
        put(&mut files, &laws);
        drawn(&with_x(FigureKind::Rate, GAIN), &files)
    };
    let svg = with_bound(1.0, 0.3);
    for text in ["Dashed: theory.", "Dotted: upper bound."] {
        assert!(words(&svg).contains(text), "{text}");
    }
    assert!(!attributes(&svg, bound).contains("text-anchor=\"end\""));
    let svg = with_bound(2.0, 0.4);
    assert!(attributes(&svg, bound).contains("text-anchor=\"end\""));
}

#[test]
fn a_law_and_its_root_mean_square_are_one_entry() {
    let files = forget_bias_files();
    let decay = drawn(&spec(FigureKind::Decay), &files);
    assert!(words(&decay).contains("theory in its line’s shade: rate ln σ(b) or ln rms σ(b)"));
    assert!(words(&decay).contains("(a curve: its slope only)"));
    let rate = drawn(&with_x(FigureKind::Rate, "lstm.forget_bias"), &files);
    for svg in [decay, rate] {
        assert_eq!(svg.matches("ln σ(b)").count(), 1);
    }
}

#[test]
fn a_line_that_is_zero_throughout_has_no_theory() {
    let mut files = initialization_files();
    let mut laws = Table::new(strings(&[INIT]));
    laws.rows = vec![law(key("vanilla-rnn", &["zero"]), "ln rho(W)", "rate")];
    put(&mut files, &laws);
    assert!(!drawn(&spec(FigureKind::Decay), &files).contains("theory"));
    laws.rows = vec![law(key("vanilla-rnn", &["identity"]), "ln rho(W)", "rate")];
    put(&mut files, &laws);
    assert!(drawn(&spec(FigureKind::Decay), &files).contains("theory"));
}

#[test]
fn the_colour_bar_of_a_phase_is_labelled_at_its_ends() {
    let files = transition_files();
    let svg = drawn(&with_x(FigureKind::Phase, GAIN), &files);
    let curves = Table::<CurveRow>::from_csv(&files["curves.csv"]).unwrap();
    let medians = curves.rows.iter().map(|row| row.median);
    let highest = labels::approximate_power(medians.fold(0.0, f64::max));
    assert!(svg.contains(&format!("\n{highest}\n")), "{highest}");
}

#[test]
fn the_walk_says_how_rows_are_sorted_and_what_its_share_is_of() {
    let svg = drawn(&spec(FigureKind::Gates), &gates_files());
    assert!(svg.contains("the highest mean forget"));
    assert!(svg.contains("% of the two paths’ norms is direct"));
    // Only theory is dashed: every gradient is one path of its own colour.
    let lstm = palette::cell_colours(&["lstm"])[0];
    let total = hex(lstm.mix(palette::Rgb::BLACK, 0.7));
    assert_eq!(svg.matches(&total).count(), 2, "the line and its sample");
    // The event is marked as high as it is.
    assert!(svg.contains("\n3\n"));
}

#[test]
fn odd_tables_are_drawn_too() {
    let point = key("vanilla-rnn", &["0.5"]);
    let other = key("vanilla-rnn", &["1.5"]);
    let line = curve(&point, "h", 0..=200, -0.5);
    let zeros: Vec<CurveRow> = [&point, &other]
        .into_iter()
        .flat_map(|key| curve(key, "h", 0..=20, 0.0))
        .map(|row| constant(&row, f64::NEG_INFINITY))
        .collect();
    let huge: Vec<CurveRow> = [(&point, -400.0), (&other, 400.0)]
        .into_iter()
        .flat_map(|(key, rate)| curve(key, "h", 0..=100, rate))
        .collect();
    let many: Vec<CurveRow> = (0..30)
        .flat_map(|line| {
            let key = key("vanilla-rnn", &[&format!("{}", 0.1 * f64::from(line))]);
            curve(&key, "h", 0..=50, -0.02 * f64::from(line))
        })
        .collect();
    for (name, curves) in [
        ("empty", vec![]),
        ("one point", vec![line[1].clone()]),
        ("single lag", vec![line[0].clone(), constant(&line[0], 0.0)]),
        ("one curve", line.clone()),
        ("all zero", zeros),
        ("huge", huge),
        ("many lines", many),
    ] {
        for spec in every_kind(GAIN) {
            let svg = drawn(&spec, &files_of(curves.clone()));
            assert!(svg.len() > 500, "{name}, {:?}", spec.kind);
        }
    }
}

#[test]
fn missing_and_wrong_input_is_an_error_with_its_facts() {
    let files = decay_files();
    let message = |spec: &FigureSpec, files: &Files| try_draw(spec, files).unwrap_err().to_string();
    assert_eq!(
        message(&spec(FigureKind::Decay), &Files::new()),
        "figure `figure` is drawn from curves.csv, which is not there; `vangrad run` writes it"
    );
    assert_eq!(
        message(&spec(FigureKind::Phase), &files),
        "figure `figure`: expected a sweep key in `x`, found none"
    );
    assert_eq!(
        message(&with_x(FigureKind::Phase, "cell.depth"), &files),
        "figure `figure`: curves.csv has no column `cell.depth`; its factors are `cell.hidden`, \
         `vanilla-rnn.recurrent_weights.gain`, `lstm.forget_bias`"
    );
    let mut broken = files;
    broken.insert("curves.csv", "cell\n".into());
    assert!(message(&spec(FigureKind::Decay), &broken).starts_with("curves.csv, line 1"));
}
