//! `trace`: gradients through somebody else's trained network, and ours as somebody else's.

use std::io::Write;
use std::path::{Path, PathBuf};

use gradient_tracking::Trainable;
use torch_weights::{Kind, Module, WeightsError};
use vanilla_rnn::Activation;

use crate::analysis;
use crate::cli::{Experiment, Format, Nonlinearity, TraceArguments, TraceRecorded};
use crate::commands::plot::{drawn, write_figures};
use crate::commands::{CommandError, Prepared, Status, jobs_or_cores, prepare, print, read_config};
use crate::config::{Recorded, in_units};
use crate::figures;
use crate::plan::{Plan, PlannedRun};
use crate::record::RunRecord;
use crate::store::{self, Clock, GRADIENTS, LockedFolder, NewFolder, StoreError, available_memory};
use crate::tables::{OF_TRACE_ALONE, Row, RunRow, SequenceNormRow, Table, TraceRow};
use crate::trace::closer;
use crate::trace::compute::{self, Kept, Traced};
use crate::trace::export::{self, export};
use crate::trace::inputs::{self, Sequences};
use crate::trace::request::{GIVEN, HALF_SQUARED_NORM, Network, Over, Request, labels};
use crate::trace::summary::{Found, Summary, in_words};

pub fn trace(arguments: &TraceArguments) -> Result<Status, CommandError> {
    match (&arguments.export_weights, &arguments.inputs) {
        (Some(config), _) => export_weights(config, arguments),
        (None, Some(inputs)) => trace_weights(inputs, arguments),
        (None, None) => Err(CommandError::Usage(
            "expected --inputs FILE, or --export-weights CONFIG".to_owned(),
        )),
    }
}

fn trace_weights(inputs: &Path, arguments: &TraceArguments) -> Result<Status, CommandError> {
    let clock = Clock::start();
    let paths: Vec<&Path> = arguments.weights.iter().map(PathBuf::as_path).collect();
    let labels = labels(&paths);
    let modules = read_modules(&paths, arguments.module.as_deref())?;
    let sequences = read_sequences(inputs, arguments.batch_first, &modules[0])?;
    let request = request(arguments, inputs, &labels, &modules, &sequences);
    check_record(&request, inputs)?;
    let reading = clock.elapsed_seconds();

    // Nothing is written before everything is computed, so there is nothing to finish.
    ctrlc::set_handler(|| std::process::exit(130))?;
    let folder = NewFolder::for_trace(&arguments.out)?;
    let activation = match arguments.nonlinearity {
        Nonlinearity::Tanh => Activation::Tanh,
        Nonlinearity::Relu => Activation::Relu,
    };
    // Beside the trajectory there are the inputs, the weights, and other programs.
    let memory = available_memory() / 4;
    let threads = jobs_or_cores(None);
    let kept = Kept {
        units: request.record.contains(&Recorded::UnitGradient),
        sequences: request.record.contains(&Recorded::PerSequence),
    };
    let mut traced = Vec::new();
    let mut closer = None;
    let mut failed = 0;
    for ((module, label), path) in modules.into_iter().zip(&labels).zip(&paths) {
        let cells = compute::cells(module, activation);
        check_memory(&cells, &sequences, &request.record, threads)?;
        let found = compute::trace(&cells, &sequences, kept, memory, threads).and_then(|found| {
            if !request.record.is_empty() {
                let wanted = &request.record;
                let record = closer::record(cells, &sequences, &found, wanted, memory, threads)?;
                closer = Some(record);
            }
            Ok(found)
        });
        match found {
            Ok(found) => traced.push((label.as_str(), found)),
            Err(error) => {
                failed += 1;
                eprintln!("{}: {error}", path.display());
            }
        }
    }
    let computing = clock.elapsed_seconds() - reading;
    if traced.is_empty() {
        return Ok(Status::Failed);
    }

    let request_json = serde_json::to_value(&request).expect("a request is plain data");
    let folder = folder.begin(&request_json)?;
    let with_label = labels.len() > 1;
    folder.write_with(GRADIENTS, |out| write_gradients(&traced, with_label, out))?;
    if let Some(record) = &closer {
        write_closer(&request, record, &folder)?;
    }
    if let (true, [(_, traced)]) = (kept.sequences, traced.as_slice()) {
        folder.write_with(OF_TRACE_ALONE, |out| write_sequences(traced, out))?;
    }
    let figures = if arguments.no_figures {
        Vec::new()
    } else {
        draw_trace_into(&folder, &[Format::Svg, Format::Png])?
    };
    let found = traced
        .iter()
        .map(|(label, traced)| Found::new(label, traced));
    let mut found: Vec<Found> = found.collect();
    if let (Some(record), [found]) = (&closer, found.as_mut_slice()) {
        found.singular_values = closer::extremes(record, request.sequences.steps);
        found.lyapunov = closer::spectrum(record);
    }
    folder.write_summary(&Summary::new(&request, found.clone()).to_json())?;

    let mut text = format!(
        "{}: {}; loss: {}\n",
        inputs.display(),
        request.sequences.describe(),
        request.loss
    );
    for (index, found) in found.iter().enumerate() {
        // Of a long training its ends say most.
        if found_between(index, traced.len()) {
            continue;
        }
        let mut networks = request.networks.iter();
        if let Some(network) = networks.find(|network| network.label == found.label) {
            text.push_str(&in_words(network, request.sequences.steps, found));
        }
    }
    if traced.len() > MOST_PRINTED {
        let rest = traced.len() - 2;
        text.push_str(&format!("… and {rest} more between them in summary.json\n"));
    }
    text.push_str(&format!("tables in {}\n", arguments.out.display()));
    for figure in figures.iter().filter(|name| name.ends_with(".png")) {
        let figure = arguments.out.join(figure);
        text.push_str(&format!("figure {}\n", figure.display()));
    }
    if arguments.verbose {
        let writing = clock.elapsed_seconds() - computing - reading;
        text.push_str(&format!(
            "reading {reading:.3} s, computing {computing:.3} s, writing {writing:.3} s\n"
        ));
    }
    print(&text)?;
    Ok(if failed == 0 {
        Status::Done
    } else {
        Status::Failed
    })
}

/// Refuses what cannot be recorded of these networks and sequences.
fn check_record(request: &Request, inputs: &Path) -> Result<(), CommandError> {
    if request.record.is_empty() {
        return Ok(());
    }
    if request.networks.len() > 1 {
        return Err(CommandError::Usage(format!(
            "--record looks closer at one network, found {} --weights: trace each alone, or leave out \
             --record",
            request.networks.len()
        )));
    }
    let is_rnn = request
        .networks
        .iter()
        .any(|network| network.kind == Kind::Rnn.to_string());
    if is_rnn && request.record.contains(&Recorded::Gates) {
        return Err(CommandError::Usage(
            "--record gates: an nn.RNN has none; leave `gates` out".to_owned(),
        ));
    }
    // The norms of a sequence are its own, whatever the length of others.
    let of_one_length = |recorded: &Recorded| *recorded != Recorded::PerSequence;
    if request.sequences.shortest < request.sequences.steps
        && request.record.iter().any(of_one_length)
    {
        return Err(CommandError::Inputs {
            path: inputs.to_owned(),
            problem: format!(
                "found `lengths` of {} to {} steps, expected sequences of one length for --record of \
                 anything but `per-sequence`: trace those of each length alone, or leave out --record",
                request.sequences.shortest, request.sequences.steps
            ),
        });
    }
    Ok(())
}

/// Refuses networks that do not fit into memory as one cell.
fn check_memory(
    cells: &[Box<dyn Trainable>],
    sequences: &Sequences,
    record: &[Recorded],
    threads: usize,
) -> Result<(), CommandError> {
    let (bytes, available) = (
        closer::bytes(cells, sequences, record, threads),
        available_memory(),
    );
    if bytes <= u128::from(available) {
        return Ok(());
    }
    let state: usize = cells.iter().map(|cell| cell.shape().state).sum();
    Err(CommandError::Usage(format!(
        "--record needs about {} of memory for a state of S = {state} numbers, all layers together; {} \
         is available\nhelp: record `unit-gradient` alone, which looks at each layer by itself",
        in_units(bytes),
        in_units(u128::from(available))
    )))
}

/// Writes the tables of what was recorded beside norms.
fn write_closer(
    request: &Request,
    record: &RunRecord,
    folder: &LockedFolder,
) -> Result<(), StoreError> {
    let Over { steps, batch, .. } = request.sequences;
    let cell = request.networks.first().map_or("", Network::cell);
    let mut analysis = analysis::closer(cell, steps, batch, record);
    let headers = analysis.headers();
    for ((name, header), lines) in headers.into_iter().zip(analysis.take_lines()) {
        if !lines.is_empty() {
            folder.write(name, (header + &lines).as_bytes())?;
        }
    }
    Ok(())
}

/// Above this many networks only the first and the last are printed.
const MOST_PRINTED: usize = 3;

fn found_between(index: usize, count: usize) -> bool {
    count > MOST_PRINTED && index > 0 && index + 1 < count
}

/// The modules of all files; of several they must be alike.
fn read_modules(paths: &[&Path], name: Option<&str>) -> Result<Vec<Module>, CommandError> {
    let mut modules: Vec<Module> = Vec::new();
    for (index, path) in paths.iter().enumerate() {
        let problem = |problem: String| CommandError::Weights {
            path: (*path).to_owned(),
            problem,
        };
        if paths[..index].contains(path) {
            return Err(problem("named twice in --weights".to_owned()));
        }
        let bytes = store::read_bytes(path)?;
        let module = torch_weights::read(&bytes, name).map_err(|error| {
            let remedy = match &error {
                WeightsError::SeveralModules { .. } => "; choose one with --module NAME",
                WeightsError::UnknownModule { .. } => "; choose it with --module NAME",
                _ => "",
            };
            problem(format!("{error}{remedy}"))
        })?;
        let kind = |module: &Module| {
            let (layers, input) = (module.layers.len(), module.input());
            (module.kind, layers, input, module.hidden())
        };
        if let Some(first) = modules.first()
            && kind(first) != kind(&module)
        {
            let describe = |module: &Module| network("", path, module).describe();
            return Err(problem(format!(
                "found {}, expected {} as in {}: several --weights are checkpoints of one network",
                describe(&module),
                describe(first),
                paths[0].display()
            )));
        }
        modules.push(module);
    }
    Ok(modules)
}

fn read_sequences(
    path: &Path,
    batch_first: bool,
    module: &Module,
) -> Result<Sequences, CommandError> {
    let bytes = store::read_bytes(path)?;
    let problem = |problem: String| CommandError::Inputs {
        path: path.to_owned(),
        problem,
    };
    let sequences = inputs::decode(path, &bytes, batch_first).map_err(problem)?;
    let has_cell_state = module.kind == torch_weights::Kind::Lstm;
    sequences
        .fits(
            module.layers.len(),
            module.input(),
            module.hidden(),
            has_cell_state,
        )
        .map_err(problem)?;
    Ok(sequences)
}

fn network(label: &str, path: &Path, module: &Module) -> Network {
    Network {
        label: label.to_owned(),
        file: path.display().to_string(),
        module: module.name.clone(),
        kind: module.kind.to_string(),
        layers: module.layers.len(),
        input: module.input(),
        hidden: module.hidden(),
        ignored_tensors: module.ignored,
    }
}

fn request(
    arguments: &TraceArguments,
    inputs: &Path,
    labels: &[String],
    modules: &[Module],
    sequences: &Sequences,
) -> Request {
    let networks = labels.iter().zip(&arguments.weights).zip(modules);
    let is_rnn = modules[0].kind == torch_weights::Kind::Rnn;
    let nonlinearity = match arguments.nonlinearity {
        Nonlinearity::Tanh => "tanh",
        Nonlinearity::Relu => "relu",
    };
    let shortest = (0..sequences.batch).map(|j| sequences.length(j)).min();
    Request {
        networks: networks
            .map(|((label, path), module)| network(label, path, module))
            .collect(),
        sequences: Over {
            file: inputs.display().to_string(),
            steps: sequences.longest(),
            shortest: shortest.unwrap_or(sequences.steps),
            batch: sequences.batch,
        },
        nonlinearity: is_rnn.then(|| nonlinearity.to_owned()),
        loss: match sequences.grad_output {
            Some(_) => GIVEN,
            None => HALF_SQUARED_NORM,
        }
        .to_owned(),
        record: recorded(&arguments.record),
    }
}

/// Each once, in the order of a config's documentation.
fn recorded(asked: &[TraceRecorded]) -> Vec<Recorded> {
    let all = [
        (TraceRecorded::Gates, Recorded::Gates),
        (TraceRecorded::PerSequence, Recorded::PerSequence),
        (TraceRecorded::SingularValues, Recorded::SingularValues),
        (TraceRecorded::Lyapunov, Recorded::Lyapunov),
        (TraceRecorded::LossState, Recorded::LossState),
        (TraceRecorded::UnitGradient, Recorded::UnitGradient),
    ];
    let asked = all.into_iter().filter(|(name, _)| asked.contains(name));
    asked.map(|(_, recorded)| recorded).collect()
}

/// Curve by curve, each from t = 0 to T.
fn write_gradients(
    traced: &[(&str, Traced)],
    with_label: bool,
    out: &mut dyn Write,
) -> std::io::Result<()> {
    let factors: Vec<String> = with_label
        .then(|| "weights".to_owned())
        .into_iter()
        .collect();
    let table = Table::<TraceRow>::new(factors);
    out.write_all(table.header().as_bytes())?;
    for (label, traced) in traced {
        let label: Vec<String> = with_label
            .then(|| (*label).to_owned())
            .into_iter()
            .collect();
        for (layer, gradients) in traced.layers.iter().enumerate() {
            for quantity in &gradients.quantities {
                let row = |(t, log10_norm): (usize, &f64)| TraceRow {
                    factors: label.clone(),
                    layer,
                    quantity: quantity.name.clone(),
                    t,
                    lag: traced.steps - t,
                    log10_norm: *log10_norm,
                };
                let rows = quantity.log10_norm.iter().enumerate().map(row);
                let mut parts = table.lines_in_parts(rows);
                parts.try_for_each(|part| out.write_all(part.as_bytes()))?;
            }
        }
    }
    Ok(())
}

/// Sequence by sequence, each from t = 0 to its own end.
fn write_sequences(traced: &Traced, out: &mut dyn Write) -> std::io::Result<()> {
    let table = Table::<SequenceNormRow>::new(Vec::new());
    out.write_all(table.header().as_bytes())?;
    for (layer, gradients) in traced.layers.iter().enumerate() {
        for quantity in &gradients.quantities {
            for (sequence, norms) in &quantity.sequences {
                let row = |(t, log10_norm): (usize, &f64)| SequenceNormRow {
                    layer,
                    quantity: quantity.name.clone(),
                    sequence: *sequence,
                    t,
                    lag: norms.len() - 1 - t,
                    log10_norm: *log10_norm,
                };
                let mut parts = table.lines_in_parts(norms.iter().enumerate().map(row));
                parts.try_for_each(|part| out.write_all(part.as_bytes()))?;
            }
        }
    }
    Ok(())
}

/// Draws the figures of a trace into its folder and returns the names of the files.
pub fn draw_trace_into(
    folder: &LockedFolder,
    formats: &[Format],
) -> Result<Vec<String>, CommandError> {
    let figures = drawn(&folder.folder, figures::draw_trace)?;
    write_figures(folder, &figures, formats)
}

/// Writes every run's network and inputs.
fn export_weights(config: &Path, arguments: &TraceArguments) -> Result<Status, CommandError> {
    let experiment = Experiment {
        config: config.to_owned(),
        sets: arguments.sets.clone(),
    };
    let text = read_config(&experiment.config)?;
    let Prepared { plan, inputs } = prepare(&text, &experiment.config, &experiment.sets)?;
    check_export_memory(&plan)?;
    let folder = NewFolder::for_trace(&arguments.out)?;
    // The first run of each kind says whether it can be exported at all, before anything is written.
    for point in &plan.points {
        if let Some(run) = point.runs.first() {
            export(&plan.config, run, &inputs).map_err(CommandError::Usage)?;
        }
    }
    let folder = folder.begin(&serde_json::json!({ "export": config.display().to_string() }))?;
    for run in plan.runs() {
        let exported = export(&plan.config, run, &inputs).map_err(CommandError::Usage)?;
        folder.write(&store::network_name(&run.id), &exported.weights)?;
        folder.write(&store::inputs_name(&run.id), &exported.inputs)?;
    }
    folder.write(
        RunRow::FILE,
        analysis::runs(&plan, &|_| None).to_csv().as_bytes(),
    )?;
    print(&format!(
        "{}: {} networks and their inputs in {}; runs.csv says which is which\n",
        plan.config.name,
        plan.runs().count(),
        arguments.out.display()
    ))
}

/// Refuses an export of which a run does not fit into memory.
fn check_export_memory(plan: &Plan) -> Result<(), CommandError> {
    let first_runs = plan.points.iter().filter_map(|point| point.runs.first());
    let available = available_memory();
    let bytes = |run: &&PlannedRun| export::bytes(&run.spec);
    let Some(largest) = first_runs.max_by_key(bytes) else {
        return Ok(());
    };
    let (bytes, spec) = (bytes(&largest), &largest.spec);
    if bytes <= u128::from(available) {
        return Ok(());
    }
    Err(CommandError::Usage(format!(
        "exporting the largest run (`{}`, hidden = {}, steps = {}, batch = {}) needs about {} of memory; \
         {} is available\nhelp: lower `sequence.steps`, `sequence.batch` or `hidden`",
        spec.label,
        spec.cell.hidden(),
        spec.sequence.steps,
        spec.sequence.batch,
        in_units(bytes),
        in_units(u128::from(available))
    )))
}
