//! The report of a trace.

use serde_json::Value;

use super::content::{Block, Column, Report, Section, Table, Text};
use super::numbers::{NONE, logarithm, significant};
use super::parts::{VANGRAD, distinct, quantities, shown_lags};
use super::run::{extremes, lyapunov, units_at_the_end};
use super::{Folder, ReportError};
use crate::config::Recorded;
use crate::figures::{TRACE_FIGURES, labels};
use crate::tables::{CONSTANT, FILES, OF_TRACE_ALONE};
use crate::trace::request::{Network, Request};

const TRACE: &str = "vangrad trace";
const REQUEST: &str = "trace.json";
const SUMMARY: &str = "summary.json";
const GRADIENTS: &str = "gradients.csv";

/// The report of a folder that `trace` has made, from its files.
///
/// # Errors
///
/// If a file is missing or is not what it should be.
pub fn of_trace(folder: &Folder) -> Result<Report, ReportError> {
    let request: Request = json(folder, REQUEST)?;
    let summary: Value = json(folder, SUMMARY)?;
    let gradients = folder.required(GRADIENTS, TRACE)?;

    let mut figures = Vec::new();
    for name in TRACE_FIGURES {
        if (folder.has)(&format!("figures/{name}.svg")) {
            figures.push(folder.figure(name, Text::new(caption(name)), data(name))?);
        }
    }
    if figures.is_empty() {
        return Err(ReportError::Missing {
            file: "a figure".to_owned(),
            remedy: "vangrad plot",
        });
    }
    let mut lead = vec![Text::new(&format!(
        "Gradients of {} with respect to every layer’s states at every step, over {}.",
        match request.loss.as_str() {
            crate::trace::request::GIVEN => "a loss given by `grad_output` of the inputs file",
            loss => loss,
        },
        request.sequences.describe()
    ))];
    lead.extend(figures.iter().filter_map(|block| match block {
        Block::Figure(figure) => Some(Text::literal(&format!("{}.", figure.title))),
        _ => None,
    }));
    // With one network its entries stand at the top.
    let found: Vec<&Value> = match summary["found"].as_array() {
        Some(found) => found.iter().collect(),
        None => vec![&summary],
    };
    let mut sections = vec![
        Section {
            id: "figures",
            heading: "Figures".to_owned(),
            blocks: figures,
        },
        rates(&found),
        Section {
            id: "gradient",
            heading: "How much of the gradient is left".to_owned(),
            blocks: vec![left(&gradients)?],
        },
    ];
    sections.extend(gates(&found));
    let mut closer = Vec::new();
    if let Some(values) = folder.table("singular-values.csv")? {
        closer.push(extremes(&values)?);
    }
    if let Some(exponents) = folder.table("lyapunov.csv")? {
        let summaries = folder.table("lyapunov-summary.csv")?;
        closer.push(lyapunov(&exponents, summaries.as_ref())?);
    }
    if let Some(units) = folder.table("unit-quantiles.csv")? {
        closer.push(units_at_the_end(&units)?);
    }
    if !closer.is_empty() {
        sections.push(Section {
            id: "closer",
            heading: "A closer look".to_owned(),
            blocks: closer,
        });
    }
    let measured = distinct(&gradients, gradients.column("quantity")?);
    let mut words = quantities(&measured, &["f", "i", "o"].map(str::to_owned));
    if let (Some(Block::Terms(terms)), Some(memory)) = (
        words.blocks.first_mut(),
        summary["effective_memory"].as_str(),
    ) {
        terms.insert(3, (Text::new("effective memory"), Text::new(memory)));
    }
    sections.push(words);
    sections.push(setup(&request));
    sections.push(reproduce(&request, folder));
    Ok(Report {
        kind: format!("Trace {}", folder.name),
        title: title(&request.networks),
        lead,
        sections,
    })
}

fn json<T: serde::de::DeserializeOwned>(
    folder: &Folder,
    file: &'static str,
) -> Result<T, ReportError> {
    let text = (folder.text)(file).ok_or_else(|| ReportError::Missing {
        file: file.to_owned(),
        remedy: TRACE,
    })?;
    serde_json::from_str(&text).map_err(|error| ReportError::Json {
        file,
        reason: error.to_string(),
        remedy: TRACE,
    })
}

fn title(networks: &[Network]) -> String {
    match networks {
        [network] => format!(
            "Gradients through {}: {}",
            network.label,
            network.describe()
        ),
        networks => {
            let kind = networks.first().map_or(String::new(), Network::describe);
            format!("Gradients through {} networks: {kind}", networks.len())
        }
    }
}

fn caption(name: &str) -> &'static str {
    match name {
        "gradients" => {
            "How to read it: the lag to the right, steps back from each sequence’s end; upwards log₁₀ of the norm over \
             all sequences, absolute, a panel for each layer. A straight line is exponential decay."
        }
        "checkpoints" => {
            "How to read it: one network after the other to the right, the lag upwards; the colour is the gradient \
             relative to the network’s own ‖∂L/∂h_T‖, in powers of ten."
        }
        "gates" => {
            "How to read it: the step to the right, upwards how open each gate is, 0 closed and 1 open. Lines are means \
             over units and sequences, bands their quartiles."
        }
        name if name.starts_with("singular") => {
            "How to read it: the lag to the right; upwards the singular values of ∂s_T/∂s_{T−k}, in powers of ten: how \
             far the network stretches or squeezes what it carries back."
        }
        "lyapunov" => {
            "How to read it: above, the exponents in falling order, in nats per step: how fast perturbations of the \
             state grow or die in the long run, in each direction. Below, how the largest one converges over time."
        }
        name if name.starts_with("loss-state") => {
            "How to read it: the step of the state to the right, that of the loss upwards; the colour is how much of \
             the gradient arrives, in powers of ten."
        }
        _ => {
            "How to read it: the lag to the right. Above, one unit a row, the colour its gradient ratio; below, the \
             distribution over units."
        }
    }
}

fn data(name: &str) -> &'static [&'static str] {
    match name {
        "gates" => &["gates.csv"],
        name if name.starts_with("singular") => &["singular-values.csv", GRADIENTS],
        "lyapunov" => &["lyapunov.csv", "lyapunov-convergence.csv"],
        name if name.starts_with("loss-state") => &["loss-state.csv"],
        name if name.starts_with("unit") => &["unit-gradients.csv", "unit-quantiles.csv"],
        _ => &[GRADIENTS],
    }
}

/// A number of the summary; nothing where it is null.
fn number(value: &Value) -> String {
    match (value.as_u64(), value.as_f64()) {
        (Some(whole), _) => whole.to_string(),
        (None, Some(value)) => significant(value, 4),
        (None, None) => NONE.to_owned(),
    }
}

fn word(value: &Value) -> String {
    value.as_str().unwrap_or(NONE).to_owned()
}

/// The layers of all networks, each with what a row begins with.
fn layers<'a>(found: &[&'a Value]) -> Vec<(Vec<String>, &'a Value)> {
    let of = |network: &&'a Value| -> Vec<(Vec<String>, &'a Value)> {
        let layers = network["layers"].as_array();
        let layers = layers.into_iter().flatten();
        layers
            .map(|layer| {
                (
                    vec![word(&network["label"]), number(&layer["layer"])],
                    layer,
                )
            })
            .collect()
    };
    found.iter().flat_map(of).collect()
}

fn rates(found: &[&Value]) -> Section {
    let mut rows = Vec::new();
    for (start, layer) in layers(found) {
        for (quantity, of) in layer["quantities"].as_object().into_iter().flatten() {
            let mut row = start.clone();
            row.push(quantity.clone());
            // JSON has no infinity: null beside a rate is a gradient that does not decay. Without an R² it
            // is constant to rounding, as in [`FitRow::is_constant`](crate::tables::FitRow::is_constant).
            let has_rate = !of["rate"].is_null();
            let is_constant = has_rate && of["r_squared"].is_null();
            let rate = |key: &str| match is_constant && !of[key].is_null() {
                true => "0".to_owned(),
                false => number(&of[key]),
            };
            row.push(rate("rate"));
            row.push(match is_constant || has_rate && of["half_life"].is_null() {
                true => "∞".to_owned(),
                false => number(&of["half_life"]),
            });
            let verdict = word(&of["verdict"]);
            row.push(match is_constant {
                true => format!("{verdict}, {CONSTANT}"),
                false => verdict,
            });
            row.push(number(&of["effective_memory"]));
            row.extend(["early_rate", "late_rate"].map(rate));
            row.extend(["r_squared", "f32_zero_lag", "exact_zeros"].map(|key| number(&of[key])));
            rows.push(row);
        }
    }
    let mut columns = ["network", "layer", "quantity"].map(Column::words).to_vec();
    columns.extend(["rate (nats per step)", "half-life (steps)"].map(Column::numbers));
    columns.push(Column::words("verdict"));
    columns.extend(
        [
            "effective memory (steps)",
            "early rate",
            "late rate",
            "R²",
            "f32 prints 0 from lag",
            "exact zeros",
        ]
        .map(Column::numbers),
    );
    Section {
        id: "rates",
        heading: "Rates, half-lives, verdicts".to_owned(),
        blocks: vec![Block::Table(Table {
            caption: "Every layer and quantity".to_owned(),
            columns,
            rows,
            row_headers: 3,
            source: Text::default().file(SUMMARY).and(
                ": under `layers`, `quantities`. Slopes of the norm’s logarithm over all lags, in nats per step; layers \
                 are counted from 0 at the inputs. Early: lags 1…10; late: the last half.",
            ),
        })],
    }
}

fn left(gradients: &crate::tables::NamedTable) -> Result<Block, ReportError> {
    let [layer, quantity, lag, norm] =
        ["layer", "quantity", "lag", "log10_norm"].map(|name| gradients.column(name));
    let (layer, quantity, lag, norm) = (layer?, quantity?, lag?, norm?);
    let lag_of = |row: &Vec<String>| row[lag].parse::<usize>().unwrap_or(0);
    let mut lags = shown_lags(gradients.rows.iter().map(lag_of).max().unwrap_or(0));
    if lags.first() != Some(&0) {
        lags.insert(0, 0);
    }
    let mut rows: Vec<Vec<String>> = Vec::new();
    // The columns before the layer say which network it is, where there are several.
    let key = |row: &Vec<String>| {
        row[..=layer]
            .iter()
            .chain([&row[quantity]])
            .cloned()
            .collect::<Vec<_>>()
    };
    for row in &gradients.rows {
        let key = key(row);
        if rows.last().is_none_or(|last| last[..key.len()] != key) {
            let mut shown = key.clone();
            shown.extend(lags.iter().map(|_| NONE.to_owned()));
            rows.push(shown);
        }
        if let (Ok(place), Some(shown)) = (lags.binary_search(&lag_of(row)), rows.last_mut()) {
            shown[key.len() + place] = logarithm(row[norm].parse().unwrap_or(f64::NAN), 2);
        }
    }
    let networks = gradients.header[..layer].iter().map(Column::words);
    let mut columns: Vec<Column> = networks.collect();
    columns.extend(["layer", "quantity"].map(Column::words));
    let row_headers = columns.len();
    let lags = lags.into_iter().map(labels::thousands);
    columns.extend(lags.map(|lag| Column::numbers(format!("lag {lag}"))));
    Ok(Block::Table(Table {
        caption: "log₁₀ of the gradient’s norm over all sequences".to_owned(),
        columns,
        rows,
        row_headers,
        source: Text::default()
            .file(GRADIENTS)
            .and(": column `log10_norm` at these values of `lag`."),
    }))
}

fn gates(found: &[&Value]) -> Option<Section> {
    let mut rows = Vec::new();
    for (start, layer) in layers(found) {
        for (gate, of) in layer["gates"].as_object().into_iter().flatten() {
            let mut row = start.clone();
            let share = |key: &str| labels::number(100.0 * of[key].as_f64().unwrap_or(f64::NAN), 1);
            let mean = significant(of["mean"].as_f64().unwrap_or(f64::NAN), 3);
            row.extend([
                gate.clone(),
                mean,
                share("low_fraction"),
                share("high_fraction"),
            ]);
            rows.push(row);
        }
    }
    let mut columns = ["network", "layer", "gate"].map(Column::words).to_vec();
    columns.extend(["mean", "below 0.1 (%)", "above 0.9 (%)"].map(Column::numbers));
    (!rows.is_empty()).then(|| Section {
        id: "gates",
        heading: "The gates in brief".to_owned(),
        blocks: vec![Block::Table(Table {
            caption: "Gates over all steps, units and sequences".to_owned(),
            columns,
            rows,
            row_headers: 3,
            source: Text::default()
                .file(SUMMARY)
                .and(": under `layers`, `gates`: `mean`, `low_fraction`, `high_fraction`."),
        })],
    })
}

fn setup(request: &Request) -> Section {
    let networks = request.networks.iter().map(|network| {
        let ignored = match network.ignored_tensors {
            0 => String::new(),
            ignored => format!("; {} outside it ignored", labels::count(ignored, "tensor")),
        };
        (
            Text::new(&format!("Network `{}`", network.label)),
            Text::new(&format!(
                "{} from `{}`{ignored}",
                network.describe(),
                network.file
            )),
        )
    });
    let mut terms: Vec<(Text, Text)> = networks.collect();
    let over = &request.sequences;
    terms.push((
        Text::new("Sequences"),
        Text::new(&format!("{} from `{}`", over.describe(), over.file)),
    ));
    if let Some(nonlinearity) = &request.nonlinearity {
        terms.push((Text::new("Nonlinearity"), Text::new(nonlinearity)));
    }
    terms.push((Text::new("Loss"), Text::new(&request.loss)));
    Section {
        id: "setup",
        heading: "What was traced".to_owned(),
        blocks: vec![Block::Terms(terms)],
    }
}

fn reproduce(request: &Request, folder: &Folder) -> Section {
    let place = folder.place();
    let mut command = format!("{VANGRAD} trace --weights");
    for network in &request.networks {
        command.push_str(&format!(" \\\n    {}", shell(&network.file)));
    }
    command.push_str(&format!(
        " \\\n    --inputs {}",
        shell(&request.sequences.file)
    ));
    match request
        .networks
        .first()
        .map(|network| network.module.as_str())
    {
        None | Some("") => {}
        Some(module) => command.push_str(&format!(" --module {}", shell(module))),
    }
    if let Some(nonlinearity) = &request.nonlinearity {
        command.push_str(&format!(" --nonlinearity {nonlinearity}"));
    }
    if !request.record.is_empty() {
        let names: Vec<&str> = request.record.iter().map(name).collect();
        command.push_str(&format!(" --record {}", names.join(",")));
    }
    command.push_str(" --out again");
    let commands = [
        (
            "Every number again, into a folder of its own (with `--batch-first` if the arrays are (B, T, …)):",
            command,
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
    let mut blocks = vec![Block::Paragraph(Text::new(
        "Commands are for the root of the repository. Where this folder or the weights lie elsewhere, give their \
         paths instead.",
    ))];
    for (what, command) in commands {
        blocks.push(Block::Paragraph(Text::new(what)));
        blocks.push(Block::Verbatim(command));
    }
    // What every trace has comes first.
    let closer = FILES.iter().filter(|table| table.is_of_trace);
    let closer = closer
        .map(|table| table.name)
        .filter(|name| *name != GRADIENTS);
    let first = [SUMMARY, GRADIENTS, OF_TRACE_ALONE].into_iter();
    let files: Vec<&str> = first.chain(closer).collect();
    blocks.push(folder.inventory(&files, "`trace`"));
    Section {
        id: "reproduce",
        heading: "How to reproduce each number".to_owned(),
        blocks,
    }
}

/// A word of a command line, between quotes where a shell would see more in it.
fn shell(word: &str) -> String {
    let is_plain = |c: char| c.is_alphanumeric() || "-_./".contains(c);
    if word.chars().all(is_plain) {
        return word.to_owned();
    }
    format!("'{}'", word.replace('\'', "'\\''"))
}

/// What `--record` calls it.
fn name(recorded: &Recorded) -> &'static str {
    match recorded {
        Recorded::Gates => "gates",
        Recorded::PerSequence => "per-sequence",
        Recorded::SingularValues => "singular-values",
        Recorded::Lyapunov => "lyapunov",
        Recorded::LossState => "loss-state",
        _ => "unit-gradient",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_quoted_where_a_shell_needs_it() {
        assert_eq!(shell("a/b-1.npy"), "a/b-1.npy");
        assert_eq!(shell("my model's.npy"), "'my model'\\''s.npy'");
    }
}
