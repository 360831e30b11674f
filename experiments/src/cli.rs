//! The command line.

// Here doc comments are help texts: `<name>` is no HTML, `[0,2]` no link.
#![allow(rustdoc::invalid_html_tags, rustdoc::broken_intra_doc_links)]

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand, ValueEnum, ValueHint};
use clap_complete::Shell;

/// Measures how gradients vanish (or explode) in recurrent networks
///
/// Write one TOML file, run it, and find curves, fits and figures in results/<name>. The same file
/// gives the same numbers, on any number of threads. `vangrad list` shows the experiments that come
/// with the program; `vangrad COMMAND --help` explains a command and its options.
#[derive(Debug, Parser)]
#[command(
    name = "vangrad",
    version,
    max_term_width = 100,
    after_long_help = "\
Exit codes:
  0    done
  1    some runs failed, or something stored differs; everything else is kept
  2    bad usage, config or input, or a folder that cannot be used; nothing is created
  130  stopped by Ctrl-C

Examples:
  vangrad list
  vangrad plan experiments/configs/decay.toml
  vangrad run experiments/configs/decay.toml"
)]
pub struct Cli {
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
}

/// The commands.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Run an experiment: sweep, record, fit, draw
    ///
    /// Every cell is run at every point of the grid that [sweep] spans, as often as `replicates` says.
    /// Runs that an earlier call has finished are reused, so an interrupted sweep is resumed by the
    /// same command; a folder may also be run again with other values in [sweep], more replicates, or
    /// other fits and figures. Ctrl-C lets the runs in progress finish; a second one ends at once and
    /// loses nothing that is stored.
    #[command(after_long_help = "\
Files, in the results folder:
  config.toml      the config with every default spelled out
  curves.csv       gradient ratios by lag, over replicates
  fits.csv         rates, half-lives, verdicts
  runs.csv         one row per run
  figures/         every figure as SVG and PNG
  records/         the raw curves of every run, as safetensors
  manifest.json    version, machine, times
  laws.csv, gates.csv, series.csv, parameters.csv, gradients.csv, singular-values.csv,
  lyapunov.csv, lyapunov-convergence.csv, lyapunov-summary.csv, loss-state.csv, unit-gradients.csv,
  unit-quantiles.csv, sequences.csv where [record] asks for them

Exit codes:
  0    done
  1    some runs failed: manifest.json says which and why, the others are stored
  2    bad usage or config, inputs that cannot be read, a folder of another experiment;
       nothing is created
  130  stopped by Ctrl-C; the same command resumes

Examples:
  vangrad run experiments/configs/decay.toml
  vangrad run experiments/configs/decay.toml --set replicates=3 --out quick
  vangrad run experiments/configs/decay.toml --set 'lstm.forget_bias=[0, 2]'")]
    Run(RunArguments),
    /// Say what `run` would do, and compute nothing
    ///
    /// Checks the config as `run` does and prints the number of runs, the grid, and how much work and
    /// memory it takes. Writes no file.
    #[command(after_long_help = "\
Exit codes:
  0    the experiment can be run
  2    bad usage or config, inputs that cannot be read, too little memory

Examples:
  vangrad plan experiments/configs/decay.toml
  vangrad plan experiments/configs/decay.toml --set 'cell.hidden=[32, 256]'")]
    Plan {
        /// The experiment.
        #[command(flatten)]
        experiment: Experiment,
    },
    /// Redraw every figure of a results folder from its stored tables
    ///
    /// Figures are drawn from config.toml and the CSV files alone; nothing is computed again. Prints
    /// the name of each file it writes.
    #[command(after_long_help = "\
Files, in the results folder:
  figures/*.svg, figures/*.png    replaced
  figures/*.pdf                   for LaTeX, where --format names it

Exit codes:
  0    done
  2    bad usage, no results folder, or tables that are missing or damaged; nothing is drawn

Examples:
  vangrad plot results/decay
  vangrad plot results/decay --format svg
  vangrad plot results/decay --format pdf")]
    Plot {
        /// A folder that `run`, `trace` or `reproduce` has made.
        #[arg(value_hint = ValueHint::DirPath)]
        results: PathBuf,
        /// What to write, separated by commas.
        #[arg(long, value_delimiter = ',', default_values = ["svg", "png"])]
        format: Vec<Format>,
    },
    /// Tell what a results folder holds, as a page to read
    ///
    /// Writes one HTML page that needs nothing but itself, to read on any screen and in print, and the
    /// same as Markdown: what the experiment shows, its figures, rates, laws and gates, what each
    /// quantity is, and the command that reproduces each number. From stored files alone; nothing is
    /// computed or drawn again, so the same folder gives the same report. Prints the name of each file.
    #[command(after_long_help = "\
Files, in the results folder:
  report.html    the page, figures included
  report.md      the same, with figures by their names

Exit codes:
  0    done
  2    bad usage, no results folder, or tables or figures that are missing or
       damaged; nothing is written

Examples:
  vangrad report results/decay")]
    Report {
        /// A folder that `run`, `trace` or `reproduce` has made.
        #[arg(value_hint = ValueHint::DirPath)]
        results: PathBuf,
    },
    /// Compute a results folder again and compare, bit for bit
    ///
    /// Runs the experiment of config.toml into a temporary folder and compares records, as far as they
    /// are stored, tables and figures. On a machine whose processor computes otherwise than the one in
    /// manifest.json, numbers are compared within 1e-9, and those of gradients that explode are not
    /// judged. Of a sweep that was interrupted the runs that are stored are compared. Nothing in the
    /// folder is changed.
    #[command(after_long_help = "\
Exit codes:
  0    the results hold, as far as the sweep has come
  1    something differs, a file of inputs too; what and where is printed
  2    bad usage, or no results folder
  130  stopped by Ctrl-C; nothing was compared

Examples:
  vangrad verify results/decay
  vangrad verify results/decay --jobs 1")]
    Verify {
        /// A folder that `run` has made.
        #[arg(value_hint = ValueHint::DirPath)]
        results: PathBuf,
        /// Runs at a time [default: one per core].
        #[arg(long, value_name = "N", value_parser = positive, allow_negative_numbers = true)]
        jobs: Option<usize>,
    },
    /// Follow the gradient through a PyTorch RNN, GRU or LSTM that you have trained
    ///
    /// Reads a state dict saved as safetensors and sequences of inputs, and writes the norm of the
    /// gradient with respect to every layer's h_t and c_t at every step, without underflow, with
    /// rates, half-lives and a figure. With --export-weights, the other way round: the networks of an
    /// experiment as state dicts, so that PyTorch computes what `run` does.
    #[command(after_long_help = "\
Files, in the folder --out:
  gradients.csv    log10 norms by layer, quantity and step
  summary.json     rates, half-lives, effective memory, verdicts, gates
  figures/         every figure as SVG and PNG
  trace.json       what was traced
With --export-weights:
  networks/        state dict, inputs and gradient of the loss of every run
  runs.csv         which run is which
  trace.json       which experiment it was

Exit codes:
  0    done
  1    some networks failed, which are named; the others are stored
  2    bad usage or config, weights or inputs that cannot be used, a folder that
       holds something else; nothing is created
  130  stopped by Ctrl-C

Examples:
  vangrad trace --weights model.safetensors --inputs x.safetensors --out traced
  vangrad trace --weights step-*.safetensors --inputs x.npy --out training
  vangrad trace --export-weights experiments/configs/gates.toml --out exported")]
    Trace(TraceArguments),
    /// Check what the literature claims, and say what holds
    ///
    /// Every claim is an experiment with a verdict that a machine gives: what was expected, what was
    /// measured with its uncertainty, pass or fail. Without an ID, all of them are checked; with some,
    /// their verdicts replace the ones of an earlier call and the others are kept. The same program
    /// gives the same numbers. Ctrl-C lets the checks in progress finish and keeps their verdicts.
    #[command(after_long_help = "\
Files, in the folder --out:
  claims.csv    one row per claim: the verdict
  checks.csv    one row per number that a verdict rests on
  README.md     both, to read
  plots/        the data of the figures
  figures/      every figure as SVG and PNG

Exit codes:
  0    every claim that was checked holds
  1    one does not, or could not be checked; everything is stored
  2    bad usage, an unknown claim, a folder that holds something else;
       nothing is created
  130  stopped by Ctrl-C; what was finished is stored

Examples:
  vangrad reproduce
  vangrad reproduce --list
  vangrad reproduce --out claims --jobs 1")]
    Reproduce(ReproduceArguments),
    /// List the experiments that come with the program
    ///
    /// Each with what it shows and the command that runs it, from the root of the repository.
    #[command(after_long_help = "\
Exit codes:
  0    done

Examples:
  vangrad list")]
    List,
    /// Print the JSON Schema of the config, for editors
    ///
    /// Every key with its meaning, type, allowed values and default, in draft 2020-12. An editor that
    /// knows it completes keys, shows what they mean and marks mistakes: put `#:schema ./schema.json`
    /// into the first line of a config, for Even Better TOML and others that are built on Taplo.
    #[command(after_long_help = "\
Exit codes:
  0    done

Examples:
  vangrad schema > schema.json")]
    Schema,
    /// Print the completion script of a shell
    ///
    /// Save it where the shell looks for completions, and start a new shell.
    #[command(after_long_help = "\
Exit codes:
  0    done
  2    an unknown shell

Examples:
  vangrad completions bash > ~/.local/share/bash-completion/completions/vangrad
  vangrad completions zsh > ~/.zfunc/_vangrad
  vangrad completions fish > ~/.config/fish/completions/vangrad.fish
  vangrad completions powershell >> $PROFILE
  vangrad completions elvish >> ~/.config/elvish/rc.elv")]
    Completions {
        /// The shell.
        shell: Shell,
    },
}

/// A config and what overrides it.
#[derive(Debug, Args)]
pub struct Experiment {
    /// The experiment's TOML file.
    #[arg(value_hint = ValueHint::FilePath)]
    pub config: PathBuf,
    /// Override a key, such as sequence.steps=50; a list makes an axis
    ///
    /// The value is TOML, or else taken as a string. `cell.KEY` is a key of every cell that has it,
    /// `LABEL.KEY` of one. A list makes an axis of the grid, as in lstm.forget_bias=[0,2], and replaces
    /// that of the same key. May be given several times.
    #[arg(long = "set", value_name = "KEY=VALUE")]
    pub sets: Vec<String>,
}

/// The arguments of `run`.
#[derive(Debug, Args)]
pub struct RunArguments {
    /// The experiment.
    #[command(flatten)]
    pub experiment: Experiment,
    /// Runs at a time [default: one per core].
    #[arg(long, value_name = "N", value_parser = positive, allow_negative_numbers = true)]
    pub jobs: Option<usize>,
    /// The results folder [default: results/<name>].
    #[arg(long, value_name = "DIR", value_hint = ValueHint::DirPath)]
    pub out: Option<PathBuf>,
    /// Discard what the results folder holds and compute every run.
    #[arg(long)]
    pub fresh: bool,
    /// Write the tables, draw nothing.
    #[arg(long)]
    pub no_figures: bool,
}

/// The arguments of `reproduce`.
#[derive(Debug, Args)]
pub struct ReproduceArguments {
    /// The claims to check [default: all]; --list shows them.
    #[arg(value_name = "ID")]
    pub claims: Vec<String>,
    /// Compute nothing; print one line per claim: id, source, what is claimed, seconds on one core.
    #[arg(long)]
    pub list: bool,
    /// Checks at a time [default: one per core].
    #[arg(long, value_name = "N", value_parser = positive, allow_negative_numbers = true)]
    pub jobs: Option<usize>,
    /// The folder to write to.
    #[arg(long, value_name = "DIR", value_hint = ValueHint::DirPath, default_value = "results/claims")]
    pub out: PathBuf,
    /// Write the tables, draw nothing.
    #[arg(long)]
    pub no_figures: bool,
}

/// The arguments of `trace`.
#[derive(Debug, Args)]
pub struct TraceArguments {
    /// State dicts of an nn.RNN, nn.GRU or nn.LSTM, saved as safetensors
    ///
    /// Several are checkpoints of one training, in its order.
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath, num_args = 1.., required_unless_present = "export_weights")]
    pub weights: Vec<PathBuf>,
    /// The sequences: safetensors, .npy or .csv
    ///
    /// Safetensors with `input` (T, B, I) and optionally `h_0`, `c_0` (layers, B, H), `grad_output`
    /// (T, B, H) and `lengths` (B); or a .npy array (T, B, I) or (T, I); or a .csv file with one row
    /// per step.
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath, required_unless_present = "export_weights")]
    pub inputs: Option<PathBuf>,
    /// The recurrent module, if the state dict has several: encoder.lstm.
    #[arg(long, value_name = "NAME")]
    pub module: Option<String>,
    /// What an nn.RNN was made with; ignored for a GRU or LSTM.
    #[arg(long, value_enum, default_value_t = Nonlinearity::Tanh)]
    pub nonlinearity: Nonlinearity,
    /// The arrays over time are (B, T, …).
    #[arg(long)]
    pub batch_first: bool,
    /// Also record, separated by commas, what a config's `record.quantities` has beyond norms: each
    /// with the tables and figures that `run` makes of it.
    #[arg(
        long,
        value_enum,
        value_name = "QUANTITY",
        value_delimiter = ',',
        conflicts_with = "export_weights"
    )]
    pub record: Vec<TraceRecorded>,
    /// Instead, write the cells of an experiment as state dicts for PyTorch, with their inputs.
    #[arg(long, value_name = "CONFIG", value_hint = ValueHint::FilePath, conflicts_with_all = ["weights", "inputs", "module", "batch_first"])]
    pub export_weights: Option<PathBuf>,
    /// Override a key of that experiment.
    #[arg(long = "set", value_name = "KEY=VALUE", requires = "export_weights")]
    pub sets: Vec<String>,
    /// The folder to write to: a new one, or one that an earlier trace has written.
    #[arg(long, value_name = "DIR", value_hint = ValueHint::DirPath)]
    pub out: PathBuf,
    /// Write the tables, draw nothing.
    #[arg(long)]
    pub no_figures: bool,
    /// Say how long reading, computing and writing took.
    #[arg(long)]
    pub verbose: bool,
}

/// The activation of an `nn.RNN`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Nonlinearity {
    /// The default.
    Tanh,
    /// max(a, 0).
    Relu,
}

/// What a trace can record beside norms, called as in a config.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum TraceRecorded {
    /// Statistics of the gates by step: mean, quantiles, share saturated. None in an nn.RNN.
    Gates,
    /// The norms of each sequence beside those over all of them.
    PerSequence,
    /// Singular values of ∂s_T/∂s_t by lag, s the state of all layers, along the first sequence.
    SingularValues,
    /// Lyapunov exponents of the state of all layers, along the first sequence.
    Lyapunov,
    /// Which state each loss hears: a loss of its own at every step, a random unit gradient on the
    /// top layer's h (that of a run with seed 0).
    LossState,
    /// Gradients of every layer unit by unit, and their distribution.
    UnitGradient,
}

/// A file format of figures.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Format {
    /// Vector graphics.
    Svg,
    /// Pixels, rendered from the same drawing.
    Png,
    /// A page of vector graphics for LaTeX, of the same drawing, its text in the shipped font.
    Pdf,
}

fn positive(text: &str) -> Result<usize, String> {
    match text.parse() {
        Ok(0) => Err("expected at least 1".to_owned()),
        Ok(number) => Ok(number),
        Err(_) => Err(format!(
            "expected a whole number of at least 1, found `{text}`"
        )),
    }
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    #[test]
    fn the_command_line_is_consistent() {
        super::Cli::command().debug_assert();
    }
}
