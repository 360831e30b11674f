//! The report of an experiment.

use std::collections::HashSet;

use csv::StringRecord;

use super::content::{Block, Column, Report, Section, Table, Text};
use super::numbers::{NONE, field, interval, logarithm, rate_field, significant};
use super::parts::{PointColumns, VANGRAD, distinct, quantities, shown_lags};
use super::{Folder, ReportError, words};
use crate::config::{Config, Input, LossKind, readable};
use crate::figures::{chosen_in_words, labels};
use crate::store::Manifest;
use crate::tables::{CONSTANT, FILES, Key, LyapunovSummaryRow, NamedTable};

const RUN: &str = "vangrad run";
const CURVES: &str = "curves.csv";

/// The report of an experiment from its config, as loaded and as stored, its manifest, if there is one, and
/// its files.
///
/// # Errors
///
/// If a file is missing or is not what it should be.
pub fn of_run(
    config: &Config,
    text: &str,
    manifest: Option<&Manifest>,
    folder: &Folder,
) -> Result<Report, ReportError> {
    let fits = shown_fits(folder.required("fits.csv", RUN)?)?;
    let curves = shown_curves(&folder.required_text(CURVES, RUN)?)?;
    let runs = folder.required("runs.csv", RUN)?;
    let gates = folder.table("gates.csv")?;

    let mut figures = Vec::new();
    let (names, grid) = grid(&runs)?;
    for spec in &config.figures {
        let how = words::figure(spec, config.replicates);
        let chosen = chosen_in_words(spec, &names, &grid);
        let caption = match &chosen {
            Some(chosen) => Text::literal(&format!("Only {chosen}. ")).and(&how),
            None => Text::new(&how),
        };
        let figure = folder.figure(&spec.name, caption, words::tables(spec.kind))?;
        figures.push((figure, chosen));
    }
    let failed = Failed::of(&runs)?;
    let (title, mut lead) = heading(config, &figures, &failed);
    lead.splice(0..0, failed.in_words());
    let mut sections = vec![Section {
        id: "figures",
        heading: "Figures".to_owned(),
        blocks: figures.into_iter().map(|(figure, _)| figure).collect(),
    }];
    // A run may have kept no norms over lags.
    if !curves.rows.is_empty() {
        sections.push(Section {
            id: "gradient",
            heading: "How much of the gradient is left".to_owned(),
            blocks: vec![left(&curves)?],
        });
    }
    if !fits.rows.is_empty() {
        sections.push(rates(config, &fits)?);
    }
    let laws = folder.table("laws.csv")?;
    let tables = [
        laws.map(|laws| laws_section(&laws, &fits)).transpose()?,
        gates.as_ref().map(gates_section).transpose()?,
        closer(folder)?,
    ];
    sections.extend(tables.into_iter().flatten());
    let measured = distinct(&curves, curves.column("quantity")?);
    let gates = match &gates {
        Some(gates) => distinct(gates, gates.column("gate")?),
        None => Vec::new(),
    };
    sections.push(quantities(&measured, &gates));
    sections.push(setup(config, text, manifest, &runs)?);
    sections.push(reproduce(config, folder));
    sections.extend(manifest.map(this_run));
    Ok(Report {
        kind: format!("Experiment {}", config.name),
        title,
        lead,
        sections,
    })
}

/// The runs that failed.
struct Failed<'a> {
    /// How many runs there are, and how many of them failed.
    runs: usize,
    failed: usize,
    /// Why, each reason once, in their order, with the first run that it ended.
    reasons: Vec<(&'a str, &'a str)>,
}

impl<'a> Failed<'a> {
    fn of(runs: &'a NamedTable) -> Result<Self, ReportError> {
        let (id, status) = (runs.column("run_id")?, runs.column("status")?);
        let mut found = Failed {
            runs: runs.rows.len(),
            failed: 0,
            reasons: Vec::new(),
        };
        for row in &runs.rows {
            if let Some(reason) = row[status].strip_prefix("failed: ") {
                found.failed += 1;
                if found.reasons.iter().all(|(_, known)| *known != reason) {
                    found.reasons.push((&row[id], reason));
                }
            }
        }
        Ok(found)
    }

    fn is_all(&self) -> bool {
        self.failed > 0 && self.failed == self.runs
    }

    /// What failed and what to do about it, before anything else; nothing if nothing failed.
    fn in_words(&self) -> Vec<Text> {
        const MOST: usize = 3;
        if self.failed == 0 {
            return Vec::new();
        }
        let count = match (self.is_all(), self.runs) {
            (true, 1) => {
                "The only run failed, so there are no numbers and nothing to draw.".to_owned()
            }
            (true, runs) => {
                format!("All {runs} runs failed, so there are no numbers and nothing to draw.")
            }
            (false, runs) => format!(
                "{} of {runs} runs failed; no number here has any part of {}.",
                self.failed,
                if self.failed == 1 { "it" } else { "them" }
            ),
        };
        let mut words = Text::literal(&count);
        for (id, reason) in self.reasons.iter().take(MOST) {
            words = words.and(&format!(" `{id}`: "));
            words.0.extend(Text::literal(&format!("{reason}.")).0);
        }
        words = words.and(" All of them are in ").file("runs.csv").and(".");
        let has_overflown = |(_, reason): &(&str, &str)| reason.contains("overflowed");
        let remedy = if self.reasons.iter().any(has_overflown) {
            "What to do: numbers that overflow have left the range of f64, which holds 10³⁰⁸. A smaller gain of the \
             weights, fewer steps (`--set sequence.steps=…`) or an activation that saturates keeps them within; \
             `vangrad run` with `--fresh`, or `--out` and another folder, computes the changed experiment."
        } else {
            "What to do: change the config as the reason says, and `vangrad run` it again with `--fresh`, or `--out` \
             and another folder."
        };
        vec![words, Text::new(remedy)]
    }
}

/// The keys of `[sweep]`, and every grid point once.
fn grid(runs: &NamedTable) -> Result<(Vec<String>, Vec<Key>), ReportError> {
    let points = PointColumns::before("replicate", runs)?;
    let [_, factors @ ..] = points.indices.as_slice() else {
        return Ok(Default::default());
    };
    let names = factors.iter().map(|&index| runs.header[index].clone());
    let mut seen = HashSet::new();
    let mut grid = Vec::new();
    for row in &runs.rows {
        let mut fields = points.key(row).into_iter();
        let key = Key {
            cell: fields.next().unwrap_or_default(),
            factors: fields.collect(),
        };
        if seen.insert(key.clone()) {
            grid.push(key);
        }
    }
    Ok((names.collect(), grid))
}

/// What the comment at the head of the config says; without one, what the figures say, if there is anything
/// in them, and of which grid points.
fn heading(
    config: &Config,
    figures: &[(Block, Option<String>)],
    failed: &Failed<'_>,
) -> (String, Vec<Text>) {
    let mut paragraphs = config
        .about
        .split("\n\n")
        .map(|paragraph| paragraph.replace('\n', " ").trim().to_owned())
        .filter(|paragraph| !paragraph.is_empty());
    if let Some(title) = paragraphs.next() {
        let title = title.strip_suffix('.').unwrap_or(&title).to_owned();
        return (title, paragraphs.map(|text| Text::new(&text)).collect());
    }
    let seen = figures.iter().filter_map(|(block, chosen)| match block {
        Block::Figure(figure) if !failed.is_all() => {
            let title = &figure.title;
            Some(Text::literal(&match chosen {
                Some(chosen) => format!("For {chosen} only: {title}."),
                None => format!("{title}."),
            }))
        }
        _ => None,
    });
    (config.name.clone(), seen.collect())
}

/// The rows of `curves.csv` that are shown: of each grid point and quantity the first one, and those at a few
/// lags. All of them take several times the memory of their text.
fn shown_curves(text: &str) -> Result<NamedTable, ReportError> {
    let header = NamedTable::from_csv(CURVES, text.lines().next().unwrap_or_default())?;
    let (quantity, lag) = (header.column("quantity")?, header.column("lag")?);
    let lag_of = |row: &StringRecord| row[lag].parse::<usize>().unwrap_or(0);
    let mut last = 0;
    NamedTable::from_rows(CURVES, text, |row| {
        last = last.max(lag_of(row));
        false
    })?;
    let lags = shown_lags(last);
    let mut before = Vec::new();
    Ok(NamedTable::from_rows(CURVES, text, |row| {
        let key = || row.iter().take(quantity + 1);
        let is_first = !key().eq(before.iter().map(String::as_str));
        if is_first {
            before = key().map(str::to_owned).collect();
        }
        is_first || lags.binary_search(&lag_of(row)).is_ok()
    })?)
}

/// The medians of the curves at a few lags.
fn left(curves: &NamedTable) -> Result<Block, ReportError> {
    let points = PointColumns::before("quantity", curves)?;
    let [quantity, lag, median, n] =
        ["quantity", "lag", "median", "n"].map(|name| curves.column(name));
    let (quantity, lag, median, n) = (quantity?, lag?, median?, n?);
    let lag_of = |row: &Vec<String>| row[lag].parse::<usize>().unwrap_or(0);
    let lags = shown_lags(curves.rows.iter().map(lag_of).max().unwrap_or(0));
    let mut rows: Vec<(Vec<String>, Vec<String>)> = Vec::new();
    for row in &curves.rows {
        let mut key = points.key(row);
        key.push(row[quantity].clone());
        if rows.last().is_none_or(|(last, _)| *last != key) {
            let mut shown = points.shown(row);
            shown.push(row[quantity].clone());
            shown.extend(lags.iter().map(|_| NONE.to_owned()));
            shown.push(row[n].clone());
            rows.push((key, shown));
        }
        if let (Ok(place), Some((_, shown))) = (lags.binary_search(&lag_of(row)), rows.last_mut()) {
            let value = row[median].parse().unwrap_or(f64::NAN);
            shown[points.indices.len() + 1 + place] = logarithm(value, 2);
        }
    }
    let mut columns = points.columns;
    let row_headers = columns.len() + 1;
    columns.push(Column::words("quantity"));
    let lags = lags.into_iter().map(labels::thousands);
    columns.extend(lags.map(|lag| Column::numbers(format!("lag {lag}"))));
    columns.push(Column::numbers("n"));
    Ok(Block::Table(Table {
        caption: "log₁₀ of the gradient ratio, median over n replicates".to_owned(),
        columns,
        rows: rows.into_iter().map(|(_, shown)| shown).collect(),
        row_headers,
        source: Text::default().file("curves.csv").and(
            ": column `median` at these values of `lag`; quartiles and extremes stand beside it.",
        ),
    }))
}

/// Columns of `fits.csv` that are shown together, or under another name; the others follow under their own.
const FIT_COLUMNS: [(&str, &str); 12] = [
    ("half_life", "half-life (steps)"),
    ("verdict", "verdict"),
    ("early_rate", "early rate"),
    ("late_rate", "late rate"),
    ("r_squared", "R²"),
    ("f32_zero_lag", "f32 prints 0 from lag"),
    ("f64_zero_lag", "f64 prints 0 from lag"),
    ("exact_zero_lag", "exactly 0 from lag"),
    ("predicted_rate", "predicted rate"),
    ("predicted_by", "predicted by"),
    ("difference_in_se", "difference (standard errors)"),
    ("n", "n"),
];

/// The fits with what [`FitRow::shown`](crate::tables::FitRow::shown) makes of gradients that are constant
/// to rounding.
fn shown_fits(mut fits: NamedTable) -> Result<NamedTable, ReportError> {
    let rates = ["rate", "rate_low", "rate_high", "early_rate", "late_rate"]
        .map(|name| fits.column(name))
        .into_iter()
        .collect::<Result<Vec<usize>, _>>()?;
    let [half_life, r_squared] = ["half_life", "r_squared"].map(|name| fits.column(name));
    let (half_life, r_squared) = (half_life?, r_squared?);
    for row in &mut fits.rows {
        if is_constant(row, rates[0], r_squared) {
            for &rate in &rates {
                if !row[rate].is_empty() {
                    row[rate] = "0".to_owned();
                }
            }
            row[half_life] = "inf".to_owned();
        }
    }
    Ok(fits)
}

/// The replicates of a row, and of how many they are if some are missing.
fn shown_count(n: &str, replicates: usize) -> String {
    match n.parse::<usize>() {
        Ok(count) if count < replicates => format!("{n} of {replicates}"),
        _ => n.to_owned(),
    }
}

fn is_constant(row: &[String], rate: usize, r_squared: usize) -> bool {
    !row[rate].is_empty() && row[r_squared].is_empty()
}

fn rates(config: &Config, fits: &NamedTable) -> Result<Section, ReportError> {
    let points = PointColumns::before("quantity", fits)?;
    let [quantity, rate, low, high, half_life, verdict] = [
        "quantity",
        "rate",
        "rate_low",
        "rate_high",
        "half_life",
        "verdict",
    ]
    .map(|name| fits.column(name));
    let (quantity, rate, low, high) = (quantity?, rate?, low?, high?);
    let (half_life, verdict) = (half_life?, verdict?);

    let known: Vec<(usize, &str)> = FIT_COLUMNS
        .iter()
        .filter_map(|(name, heading)| Some((fits.column(name).ok()?, *heading)))
        .collect();
    // Where no gradient becomes that small, a column of lags would be empty.
    let is_told = |&&(index, _): &&(usize, &str)| {
        !fits.header[index].ends_with("_zero_lag")
            || fits.rows.iter().any(|row| !row[index].is_empty())
    };
    let is_shown = |index: &usize| {
        let apart = [quantity, rate, low, high].contains(index) || points.indices.contains(index);
        !apart && known.iter().all(|(known, _)| known != index)
    };
    let further = (0..fits.header.len()).filter(is_shown);
    let further: Vec<(usize, &str)> = further
        .map(|index| (index, fits.header[index].as_str()))
        .collect();
    let others = || known.iter().filter(is_told).chain(&further);

    let mut columns = points.columns.clone();
    let row_headers = columns.len() + 1;
    columns.push(Column::words("quantity"));
    columns.push(Column::numbers("rate (nats per step)"));
    columns.push(Column::numbers("95 % interval"));
    let (law, r_squared) = (fits.column("predicted_by").ok(), fits.column("r_squared")?);
    let predicted = fits.column("predicted_rate").ok();
    let n = fits.column("n").ok();
    columns.extend(others().map(|&(index, heading)| {
        match index == verdict || Some(index) == law {
            true => Column::words(heading),
            false => Column::numbers(heading),
        }
    }));
    let rows = fits.rows.iter().map(|row| {
        let mut shown = points.shown(row);
        shown.push(row[quantity].clone());
        shown.push(field(&row[rate], 4));
        shown.push(interval(&row[low], &row[high], 4));
        shown.extend(others().map(|&(index, _)| match index {
            _ if Some(index) == law => field(&labels::law_name(&row[index]), 4),
            _ if Some(index) == predicted => rate_field(&row[index], 4),
            _ if Some(index) == n => shown_count(&row[index], config.replicates),
            _ if index == verdict && is_constant(row, rate, r_squared) => {
                format!("{}, {CONSTANT}", row[index])
            }
            _ => field(&row[index], 4),
        }));
        shown
    });
    let full = Table {
        caption: "Fitted rates of every grid point".to_owned(),
        columns,
        rows: rows.collect(),
        row_headers,
        source: Text::default().file("fits.csv").and(
            ": columns `rate`, `rate_low`, `rate_high` and those of the headings. Mean over n replicates: \
             those are missing that have fewer than three lags whose gradient is not exactly zero, or whose run \
             failed. The interval is Student’s t over them. Where early rate (lags 1…10) and late rate (the last half of the \
             window) differ much, one line does not tell it all. The predicted rate is the mean over replicates \
             of the law named beside it; λ₁ is no theory, but measured in the same runs.",
        ),
    };

    let cells = distinct(fits, points.indices[0]);
    let names = distinct(fits, quantity);
    let mut overview = Vec::new();
    for cell in &cells {
        for name in &names {
            let is_of =
                |row: &&Vec<String>| row[points.indices[0]] == *cell && row[quantity] == *name;
            let of: Vec<&Vec<String>> = fits.rows.iter().filter(is_of).collect();
            if of.is_empty() {
                continue;
            }
            let range = |column: usize| {
                let values = of.iter().filter_map(|row| row[column].parse::<f64>().ok());
                let (low, high) = values
                    .fold((f64::INFINITY, f64::NEG_INFINITY), |(low, high), value| {
                        (low.min(value), high.max(value))
                    });
                match low.total_cmp(&high) {
                    std::cmp::Ordering::Greater => NONE.to_owned(),
                    std::cmp::Ordering::Equal => significant(low, 4),
                    std::cmp::Ordering::Less => {
                        format!("{} … {}", significant(low, 4), significant(high, 4))
                    }
                }
            };
            let mut shown = vec![cell.clone(), name.clone(), of.len().to_string()];
            shown.extend([range(rate), range(half_life)]);
            for word in VERDICTS {
                let count = of.iter().filter(|row| row[verdict] == word).count();
                shown.push(count.to_string());
            }
            overview.push(shown);
        }
    }
    let mut columns: Vec<Column> = ["cell", "quantity"].map(Column::words).to_vec();
    let numbers = ["grid points", "rate (nats per step)", "half-life (steps)"];
    columns.extend(numbers.into_iter().chain(VERDICTS).map(Column::numbers));
    let overview = Table {
        caption: "Rates and verdicts by cell: the lowest and the highest, and how many grid points"
            .to_owned(),
        columns,
        rows: overview,
        row_headers: 2,
        source: Text::new("From the table of every grid point, below."),
    };
    let to = config
        .fit
        .to
        .map_or("the last".to_owned(), |to| to.to_string());
    let mut blocks = vec![Block::Paragraph(Text::new(&format!(
        "Slopes of ln r_k over lags {}…{to}, in nats per step: negative where the gradient vanishes.",
        config.fit.from
    )))];
    if has_loss_at_every_step(config) {
        blocks.push(Block::Paragraph(Text::new(
            "With a loss at every step nothing is predicted: laws and bounds speak of one gradient on its way back, \
             and here those of all later losses add up, to a sum that hardly changes with the lag where each of \
             them vanishes.",
        )));
    }
    blocks.extend([Block::Table(overview), Block::Table(full)]);
    Ok(Section {
        id: "rates",
        heading: "Rates, half-lives, verdicts".to_owned(),
        blocks,
    })
}

/// Whether the loss is one at every step, at some grid point at least.
fn has_loss_at_every_step(config: &Config) -> bool {
    let mut axes = config.sweep.iter();
    match axes.find(|axis| axis.key == "loss.kind") {
        Some(axis) => axis
            .values
            .iter()
            .any(|value| value.as_str() == Some("every-step")),
        None => config.loss.kind == LossKind::EveryStep,
    }
}

const VERDICTS: [&str; 4] = ["vanishes", "stable", "explodes", "zero"];

fn laws_section(laws: &NamedTable, fits: &NamedTable) -> Result<Section, ReportError> {
    let points = PointColumns::before("quantity", laws)?;
    let [quantity, law, relation, rate, low, high, n] = [
        "quantity",
        "law",
        "relation",
        "rate",
        "rate_low",
        "rate_high",
        "n",
    ]
    .map(|name| laws.column(name));
    let (quantity, law, relation, rate) = (quantity?, law?, relation?, rate?);
    let (low, high, n) = (low?, high?, n?);
    let fitted = PointColumns::before("quantity", fits)?;
    let (fitted_quantity, fitted_rate) = (fits.column("quantity")?, fits.column("rate")?);
    let measured = |row: &[String]| {
        let key = points.key(row);
        let same =
            |fit: &&Vec<String>| fitted.key(fit) == key && fit[fitted_quantity] == row[quantity];
        let fit = fits.rows.iter().find(same);
        fit.map_or(NONE.to_owned(), |fit| field(&fit[fitted_rate], 4))
    };
    let rows = laws.rows.iter().map(|row| {
        let mut shown = points.shown(row);
        shown.extend([
            row[quantity].clone(),
            labels::law_name(&row[law]),
            match row[relation].as_str() {
                "upper-bound" => "upper bound".to_owned(),
                relation => relation.to_owned(),
            },
            rate_field(&row[rate], 4),
            interval(&row[low], &row[high], 4),
            measured(row),
            row[n].clone(),
        ]);
        shown
    });
    let rows = rows.collect();
    let mut columns = points.columns.clone();
    columns.extend(["quantity", "law", "gives"].map(Column::words));
    let row_headers = columns.len() - 1;
    columns.extend(["rate", "quartiles", "measured rate", "n"].map(Column::numbers));
    Ok(Section {
        id: "laws",
        heading: "What theory says".to_owned(),
        blocks: vec![Block::Table(Table {
            caption: "Rates that theory gives for the weights that were drawn, in nats per step".to_owned(),
            columns,
            rows,
            row_headers,
            source: Text::default()
                .file("laws.csv")
                .and(": columns `law`, `relation`, `rate`, `rate_low`, `rate_high`, median and quartiles over n \
                      replicates; the measured rate is column `rate` of ")
                .file("fits.csv")
                .and(" at the same grid point and quantity."),
        })],
    })
}

/// The gates, over all steps.
fn gates_section(gates: &NamedTable) -> Result<Section, ReportError> {
    let points = PointColumns::before("gate", gates)?;
    let [gate, mean, low, high, n] =
        ["gate", "mean", "low_fraction", "high_fraction", "n"].map(|name| gates.column(name));
    let (gate, mean, low, high, n) = (gate?, mean?, low?, high?, n?);
    struct Sum {
        key: Vec<String>,
        shown: Vec<String>,
        sums: [f64; 3],
        steps: usize,
        n: String,
    }
    let mut sums: Vec<Sum> = Vec::new();
    for row in &gates.rows {
        let mut key = points.key(row);
        key.push(row[gate].clone());
        if sums.last().is_none_or(|last| last.key != key) {
            let mut shown = points.shown(row);
            shown.push(row[gate].clone());
            sums.push(Sum {
                key,
                shown,
                sums: [0.0; 3],
                steps: 0,
                n: row[n].clone(),
            });
        }
        let Some(sum) = sums.last_mut() else { continue };
        sum.steps += 1;
        for (sum, column) in sum.sums.iter_mut().zip([mean, low, high]) {
            *sum += row[column].parse::<f64>().unwrap_or(f64::NAN);
        }
    }
    let rows = sums.into_iter().map(|sum| {
        let steps = sum.steps as f64;
        let [mean, low, high] = sum.sums.map(|sum| sum / steps);
        let percent = |part: f64| labels::number(100.0 * part, 1);
        let mut shown = sum.shown;
        shown.extend([significant(mean, 3), percent(low), percent(high), sum.n]);
        shown
    });
    let rows = rows.collect();
    let mut columns = points.columns.clone();
    columns.push(Column::words("gate"));
    let row_headers = columns.len();
    columns.extend(["mean", "below 0.1 (%)", "above 0.9 (%)", "n"].map(Column::numbers));
    Ok(Section {
        id: "gates",
        heading: "The gates in brief".to_owned(),
        blocks: vec![Block::Table(Table {
            caption: "Gates over all steps: mean activation, and how often they are all but closed or open".to_owned(),
            columns,
            rows,
            row_headers,
            source: Text::default().file("gates.csv").and(
                ": columns `mean`, `low_fraction` and `high_fraction`, averaged over `t`.",
            ),
        })],
    })
}

/// What was recorded beside norms, in brief.
fn closer(folder: &Folder) -> Result<Option<Section>, ReportError> {
    let mut blocks = Vec::new();
    if let Some(parameters) = folder.table("parameters.csv")? {
        let points = PointColumns::before("parameter", &parameters)?;
        let [parameter, median, low, high, n] =
            ["parameter", "median", "q25", "q75", "n"].map(|name| parameters.column(name));
        let (parameter, median, low, high, n) = (parameter?, median?, low?, high?, n?);
        let log = |text: &str| logarithm(text.parse().unwrap_or(f64::NAN), 2);
        let rows = parameters.rows.iter().map(|row| {
            let mut shown = points.shown(row);
            shown.push(row[parameter].clone());
            shown.push(log(&row[median]));
            shown.push(format!("{} … {}", log(&row[low]), log(&row[high])));
            shown.push(row[n].clone());
            shown
        });
        let rows = rows.collect();
        let mut columns = points.columns.clone();
        columns.push(Column::words("parameter"));
        let row_headers = columns.len();
        columns.extend(["log₁₀ norm", "quartiles", "n"].map(Column::numbers));
        blocks.push(Block::Table(Table {
            caption: "Gradients of whole parameters, ‖∂L/∂W‖: median over n replicates".to_owned(),
            columns,
            rows,
            row_headers,
            source: Text::default()
                .file("parameters.csv")
                .and(": columns `median`, `q25`, `q75`."),
        }));
    }
    if let Some(exponents) = folder.table("lyapunov.csv")? {
        let summaries = folder.table("lyapunov-summary.csv")?;
        blocks.push(lyapunov(&exponents, summaries.as_ref())?);
    }
    if let Some(values) = folder.table("singular-values.csv")? {
        blocks.push(extremes(&values)?);
    }
    if let Some(units) = folder.table("unit-quantiles.csv")? {
        blocks.push(units_at_the_end(&units)?);
    }
    Ok((!blocks.is_empty()).then(|| Section {
        id: "closer",
        heading: "A closer look".to_owned(),
        blocks,
    }))
}

/// The largest exponents, and what the whole spectra say, if that is stored.
pub(super) fn lyapunov(
    exponents: &NamedTable,
    summaries: Option<&NamedTable>,
) -> Result<Block, ReportError> {
    let points = PointColumns::before("index", exponents)?;
    let [index, median, low, high, error, n] =
        ["index", "median", "q25", "q75", "standard_error", "n"].map(|name| exponents.column(name));
    let (index, median, low, high) = (index?, median?, low?, high?);
    let (error, n) = (error?, n?);
    let of_spectrum = |row: &[String], measure: &str| match summaries {
        Some(summaries) => summary_of(summaries, &points.key(row), measure),
        None => Ok(NONE.to_owned()),
    };
    let mut rows = Vec::new();
    for row in exponents.rows.iter().filter(|row| row[index] == "1") {
        let mut shown = points.shown(row);
        shown.extend([
            rate_field(&row[median], 4),
            interval(&row[low], &row[high], 4),
            rate_field(&row[error], 2),
        ]);
        if summaries.is_some() {
            shown.push(of_spectrum(row, LyapunovSummaryRow::DIMENSION)?);
            shown.push(of_spectrum(row, LyapunovSummaryRow::ENTROPY)?);
        }
        shown.push(row[n].clone());
        rows.push(shown);
    }
    let mut columns = points.columns.clone();
    let row_headers = columns.len();
    let numbers = ["λ₁ (nats per step)", "quartiles", "standard error in time"];
    columns.extend(numbers.map(Column::numbers));
    let mut source = Text::default().file("lyapunov.csv").and(
        ": columns `median`, `q25`, `q75`, `standard_error` where `index` is 1; the others of the spectrum follow \
         there.",
    );
    if summaries.is_some() {
        let numbers = ["Kaplan–Yorke dimension", "entropy bound (nats per step)"];
        columns.extend(numbers.map(Column::numbers));
        source = source
            .and(" Dimension and bound are medians of ")
            .file("lyapunov-summary.csv")
            .and(
                ": how many dimensions the states settle in, D = j + Σ_{i≤j} λᵢ/|λⱼ₊₁|, and the sum of the positive \
                 exponents, above which the entropy cannot lie.",
            );
    }
    columns.push(Column::numbers("n"));
    Ok(Block::Table(Table {
        caption: "The largest Lyapunov exponent of the whole state: median over n replicates"
            .to_owned(),
        columns,
        rows,
        row_headers,
        source,
    }))
}

/// The median of a measure at a grid point.
fn summary_of(
    summaries: &NamedTable,
    point: &[String],
    measure: &str,
) -> Result<String, ReportError> {
    let points = PointColumns::before("measure", summaries)?;
    let (name, median) = (summaries.column("measure")?, summaries.column("median")?);
    let is_it = |row: &&Vec<String>| row[name] == measure && points.key(row) == point;
    let found = summaries.rows.iter().find(is_it);
    Ok(found.map_or(NONE.to_owned(), |row| field(&row[median], 4)))
}

/// The largest and the smallest singular value at the largest lag.
pub(super) fn extremes(values: &NamedTable) -> Result<Block, ReportError> {
    let points = PointColumns::before("lag", values)?;
    let [lag, index, median, n] = ["lag", "index", "median", "n"].map(|name| values.column(name));
    let (lag, index, median, n) = (lag?, index?, median?, n?);
    let number = |row: &[String], column: usize| row[column].parse::<usize>().unwrap_or(0);
    let mut found: Vec<(Vec<String>, &Vec<String>, &Vec<String>)> = Vec::new();
    for row in &values.rows {
        let key = points.key(row);
        match found.last_mut() {
            Some((last, largest, smallest)) if *last == key => {
                if number(row, lag) > number(largest, lag) {
                    (*largest, *smallest) = (row, row);
                }
                if number(row, lag) == number(largest, lag) {
                    if number(row, index) < number(largest, index) {
                        *largest = row;
                    }
                    if number(row, index) > number(smallest, index) {
                        *smallest = row;
                    }
                }
            }
            _ => found.push((key, row, row)),
        }
    }
    let log = |row: &[String]| logarithm(row[median].parse().unwrap_or(f64::NAN), 2);
    let rows = found.iter().map(|(_, largest, smallest)| {
        let mut shown = points.shown(largest);
        shown.extend([
            largest[lag].clone(),
            smallest[index].clone(),
            log(largest),
            log(smallest),
            largest[n].clone(),
        ]);
        shown
    });
    let rows = rows.collect();
    let mut columns = points.columns.clone();
    let row_headers = columns.len();
    let numbers = [
        "lag",
        "how many",
        "log₁₀ of the largest",
        "log₁₀ of the smallest",
        "n",
    ];
    columns.extend(numbers.map(Column::numbers));
    Ok(Block::Table(Table {
        caption: "Singular values of ∂s_T/∂s_{T−k} at the largest lag: median over n replicates"
            .to_owned(),
        columns,
        rows,
        row_headers,
        source: Text::default()
            .file("singular-values.csv")
            .and(": column `median` where `index` is the first and the last."),
    }))
}

/// The distribution over units at the largest lag.
pub(super) fn units_at_the_end(units: &NamedTable) -> Result<Block, ReportError> {
    const SHOWN: [&str; 5] = ["min", "q25", "median", "q75", "max"];
    let points = PointColumns::before("quantity", units)?;
    let [quantity, lag, zero, n] =
        ["quantity", "lag", "zero_fraction", "n"].map(|name| units.column(name));
    let (quantity, lag, zero, n) = (quantity?, lag?, zero?, n?);
    let shown_columns = SHOWN.iter().map(|name| units.column(name));
    let shown_columns = shown_columns.collect::<Result<Vec<usize>, _>>()?;
    let number = |row: &[String]| row[lag].parse::<usize>().unwrap_or(0);
    let mut last: Vec<(Vec<String>, &Vec<String>)> = Vec::new();
    for row in &units.rows {
        let mut key = points.key(row);
        key.push(row[quantity].clone());
        match last.iter_mut().find(|(known, _)| *known == key) {
            Some((_, kept)) if number(row) > number(kept) => *kept = row,
            Some(_) => {}
            None => last.push((key, row)),
        }
    }
    let mut rows = Vec::new();
    for (_, row) in last {
        let mut shown = points.shown(row);
        shown.extend([row[quantity].clone(), row[lag].clone()]);
        for column in &shown_columns {
            let value = row[*column].parse().unwrap_or(f64::NAN);
            shown.push(logarithm(value, 2));
        }
        let share = 100.0 * row[zero].parse::<f64>().unwrap_or(f64::NAN);
        shown.extend([labels::number(share, 1), row[n].clone()]);
        rows.push(shown);
    }
    let mut columns = points.columns.clone();
    columns.push(Column::words("quantity"));
    let row_headers = columns.len();
    columns.push(Column::numbers("lag"));
    columns.extend(SHOWN.map(Column::numbers));
    columns.extend(["exactly zero (%)", "units"].map(Column::numbers));
    Ok(Block::Table(Table {
        caption: "log₁₀ of the units’ gradient ratios at the largest lag, over the units of all replicates"
            .to_owned(),
        columns,
        rows,
        row_headers,
        source: Text::default().file("unit-quantiles.csv").and(": the columns of the headings, and `zero_fraction`."),
    }))
}

fn setup(
    config: &Config,
    text: &str,
    manifest: Option<&Manifest>,
    runs: &NamedTable,
) -> Result<Section, ReportError> {
    let term = |term: &str, what: Text| (Text::new(term), what);
    let mut terms = Vec::new();
    let table: toml::Table = text.parse().unwrap_or_default();
    let cells = table.get("cell").and_then(toml::Value::as_array);
    for cell in cells
        .into_iter()
        .flatten()
        .filter_map(toml::Value::as_table)
    {
        let word = |key: &str| cell.get(key).and_then(toml::Value::as_str).unwrap_or("");
        let (kind, label) = (word("kind"), word("label"));
        let own = cell
            .iter()
            .filter(|(key, _)| !matches!(key.as_str(), "kind" | "label"));
        let own: Vec<String> = own
            .map(|(key, value)| format!("`{key} = {value}`"))
            .collect();
        let kind = if kind == label {
            String::new()
        } else {
            format!("{kind}; ")
        };
        terms.push(term(
            &format!("Cell `{label}`"),
            Text::new(&format!("{kind}{}", own.join(", "))),
        ));
    }
    let sequence = &config.sequence;
    terms.push(term(
        "Sequences",
        Text::new(&format!(
            "T = {} steps, B = {} sequences in each network, {}",
            labels::thousands(sequence.steps),
            sequence.batch,
            input(&sequence.input, manifest)
        )),
    ));
    let placed = match config.loss.kind {
        LossKind::Terminal => "a random unit gradient on h_T of every sequence",
        LossKind::EveryStep => "a random unit gradient on every h_t of every sequence",
        LossKind::SquaredError => "the squared distance of h_T from its target in every sequence",
    };
    let truncation = match config.loss.truncation {
        Some(steps) => format!(", carried back {steps} steps at most"),
        None => String::new(),
    };
    terms.push(term("Loss", Text::new(&format!("{placed}{truncation}"))));
    for axis in &config.sweep {
        let values: Vec<String> = axis.values.iter().map(readable).collect();
        terms.push(term(
            &format!("Axis `{}`", axis.key),
            Text::literal(&values.join(", ")),
        ));
    }
    let status = runs.column("status")?;
    let (_, grid) = grid(runs)?;
    let done = runs.rows.iter().filter(|row| row[status] == "done").count();
    let failed = match runs.rows.len() - done {
        0 => "all done".to_owned(),
        failed => format!("{done} done, {failed} failed"),
    };
    terms.push(term(
        "Runs",
        Text::new(&format!(
            "{} × {} = {}; {failed}",
            labels::count(grid.len(), "grid point"),
            labels::count(config.replicates, "replicate"),
            labels::count(runs.rows.len(), "run"),
        )),
    ));
    terms.push(term(
        "Seed",
        Text::new(&format!(
            "{}; replicates 0…{} have their own weights, inputs and losses, the same at every grid point",
            config.seed,
            config.replicates.saturating_sub(1)
        )),
    ));
    Ok(Section {
        id: "setup",
        heading: "How it was run".to_owned(),
        blocks: vec![
            Block::Terms(terms),
            Block::File {
                summary: "The whole config, with every default (config.toml)".to_owned(),
                text: text.to_owned(),
            },
        ],
    })
}

fn input(input: &Input, manifest: Option<&Manifest>) -> String {
    let size = input.size();
    match input {
        Input::Gaussian { std, .. } => {
            format!("normal inputs of size I = {size} and standard deviation {std}")
        }
        Input::Zero { .. } => format!("no inputs (zeros of size I = {size})"),
        Input::Constant { value, .. } => format!("constant inputs of {value}, size I = {size}"),
        Input::Ramp { from, to, .. } => format!(
            "constant inputs of size I = {size}, from {from} in the first sequence to {to} in the last"
        ),
        Input::Pulse {
            value,
            at,
            width,
            std,
            ..
        } => format!(
            "inputs of size I = {size} with one event of height {value} at step {at}, {}, over noise of standard \
             deviation {std}",
            labels::count(*width, "step") + " long"
        ),
        Input::File { path, .. } => {
            let hash = manifest.and_then(|manifest| manifest.inputs.get(path)?.get(..16));
            let hash = hash.map_or(String::new(), |hash| format!(" (SHA-256 {hash}…)"));
            format!("inputs of size I = {size} from `{path}`{hash}")
        }
    }
}

fn reproduce(config: &Config, folder: &Folder) -> Section {
    let place = folder.place();
    let first = config.sweep.iter().filter_map(|axis| {
        let value = axis.values.first()?;
        Some(format!(" \\\n    --set '{}=[{value}]'", axis.key))
    });
    let first: String = first.collect();
    let mut commands = vec![
        (
            "Every number again, into a folder of its own:",
            format!("{VANGRAD} run {place}/config.toml --out again"),
        ),
        (
            "The same, compared bit for bit with what is stored here:",
            format!("{VANGRAD} verify {place}"),
        ),
        (
            "Figures, from the tables alone, also as PDF for a paper:",
            format!("{VANGRAD} plot {place} --format svg,png,pdf"),
        ),
        (
            "This report, from tables and figures alone:",
            format!("{VANGRAD} report {place}"),
        ),
    ];
    if !first.is_empty() {
        commands.insert(
            1,
            (
                "One grid point alone, which has the same numbers (random numbers are keyed by names, so no value on \
                 an axis changes another’s runs):",
                format!("{VANGRAD} run {place}/config.toml --out one{first}"),
            ),
        );
    }
    let mut blocks = vec![Block::Paragraph(Text::new(
        "Commands are for the root of the repository. Where this folder lies elsewhere, give its path instead.",
    ))];
    for (what, command) in commands {
        blocks.push(Block::Paragraph(Text::new(what)));
        blocks.push(Block::Verbatim(command));
    }
    blocks.push(folder.inventory(&FILES.map(|table| table.name), "`run`"));
    Section {
        id: "reproduce",
        heading: "How to reproduce each number".to_owned(),
        blocks,
    }
}

/// What is not a function of the config, as far as it may matter to the numbers; times stand in the manifest.
fn this_run(manifest: &Manifest) -> Section {
    let machine = &manifest.machine;
    let mut terms = vec![
        (
            "vangrad",
            format!("{} of commit `{}`", manifest.version, manifest.commit),
        ),
        ("Compiler", manifest.rustc.clone()),
        (
            "Machine",
            format!("{} on {} ({})", machine.cpu, machine.os, machine.arch),
        ),
        ("Kernels", machine.kernel_path.clone()),
    ];
    terms.extend(manifest.failures.iter().map(|failure| {
        (
            "Failed",
            format!("`{}`: {}", failure.run_id, failure.reason),
        )
    }));
    let terms = terms.into_iter();
    Section {
        id: "this-run",
        heading: "This run".to_owned(),
        blocks: vec![
            Block::Paragraph(
                Text::new("What the config does not decide. The same config gives the same bits on every machine of \
                           one architecture and operating system whose kernels are the same; times and counts are in ")
                    .file("manifest.json")
                    .and("."),
            ),
            Block::Terms(
                terms
                    .map(|(term, what)| (Text::new(term), Text::new(&what)))
                    .collect(),
            ),
        ],
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_of_few_lags_is_that_of_all_rows() {
        let mut text = "cell,gain,quantity,lag,median,n\n".to_owned();
        for (point, first, last, n) in [
            ("a,0.5,h", 0, 200, 3),
            ("a,0.5,x", 0, 199, 3),
            // As of a cell without the lags that are shown.
            ("a,1,h", 2, 9, 2),
            ("b,1,h", 0, 200, 1),
        ] {
            for lag in first..=last {
                text.push_str(&format!("{point},{lag},-{lag}.5,{n}\n"));
            }
        }
        let all = NamedTable::from_csv(CURVES, &text).unwrap();
        let shown = shown_curves(&text).unwrap();
        assert_eq!(shown.rows.len(), 5 + 4 + 1 + 5);
        assert_eq!(left(&shown), left(&all));
        let short = shown_curves(&format!("{text}b,1\n")).unwrap_err();
        assert!(short.to_string().contains("curves.csv"), "{short}");
    }
}
