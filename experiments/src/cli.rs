//! The command line.

// Here doc comments are help texts: `<name>` is no HTML, `[0,2]` no link.
#![allow(rustdoc::invalid_html_tags, rustdoc::broken_intra_doc_links)]

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand, ValueEnum};

/// Measures how gradients vanish (or explode) in recurrent networks.
///
/// Write one TOML file, run it, and find curves, fits and figures in results/<name>.
#[derive(Debug, Parser)]
#[command(name = "vangrad", version, max_term_width = 100)]
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
    /// Runs that an earlier call has finished are reused, so an interrupted sweep is resumed by
    /// the same command. Example: vangrad run experiments/configs/decay.toml --set replicates=3
    Run(RunArguments),
    /// Say what `run` would do, and compute nothing
    ///
    /// Example: vangrad plan experiments/configs/decay.toml --set cell.hidden=[32,256]
    Plan {
        /// The experiment.
        #[command(flatten)]
        experiment: Experiment,
    },
    /// Redraw every figure of a results folder from its stored tables
    ///
    /// Example: vangrad plot results/decay --format svg
    Plot {
        /// A folder that `run` has made.
        results: PathBuf,
        /// What to write, separated by commas.
        #[arg(long, value_delimiter = ',', default_values = ["svg", "png"])]
        format: Vec<Format>,
    },
    /// Compute a results folder again and compare, bit for bit
    ///
    /// Exit code 1 if anything differs. Example: vangrad verify results/decay
    Verify {
        /// A folder that `run` has made.
        results: PathBuf,
        /// Runs at a time [default: one per core].
        #[arg(long, value_name = "N", value_parser = positive)]
        jobs: Option<usize>,
    },
    /// Follow the gradient through a PyTorch RNN or LSTM that you have trained
    ///
    /// Reads a state dict saved as safetensors and sequences of inputs, and writes the norm of the
    /// gradient with respect to every layer's h_t and c_t at every step, without underflow, with
    /// rates, half-lives and a figure.
    /// Example: vangrad trace --weights model.safetensors --inputs x.safetensors --out traced
    Trace(TraceArguments),
    /// List the experiments that come with the program
    List,
}

/// A config and what overrides it.
#[derive(Debug, Args)]
pub struct Experiment {
    /// The experiment's TOML file.
    pub config: PathBuf,
    /// Override a key, such as sequence.steps=50 or lstm.forget_bias=[0,2]; a list makes an axis.
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
    #[arg(long, value_name = "N", value_parser = positive)]
    pub jobs: Option<usize>,
    /// The results folder [default: results/<name>].
    #[arg(long, value_name = "DIR")]
    pub out: Option<PathBuf>,
    /// Discard what the results folder holds and compute every run.
    #[arg(long)]
    pub fresh: bool,
    /// Write the tables, draw nothing.
    #[arg(long)]
    pub no_figures: bool,
}

/// The arguments of `trace`.
#[derive(Debug, Args)]
pub struct TraceArguments {
    /// State dicts of an nn.RNN or nn.LSTM, saved as safetensors; several are checkpoints of one
    /// training, in its order.
    #[arg(long, value_name = "FILE", num_args = 1.., required_unless_present = "export_weights")]
    pub weights: Vec<PathBuf>,
    /// The sequences: safetensors with `input` (T, B, I) and optionally `h_0`, `c_0` (layers, B,
    /// H), `grad_output` (T, B, H) and `lengths` (B); or a .npy array (T, B, I) or (T, I); or a
    /// .csv file with one row per step.
    #[arg(long, value_name = "FILE", required_unless_present = "export_weights")]
    pub inputs: Option<PathBuf>,
    /// The recurrent module, if the state dict has several: encoder.lstm.
    #[arg(long, value_name = "NAME")]
    pub module: Option<String>,
    /// What an nn.RNN was made with; ignored for an LSTM.
    #[arg(long, value_enum, default_value_t = Nonlinearity::Tanh)]
    pub nonlinearity: Nonlinearity,
    /// The arrays over time are (B, T, …).
    #[arg(long)]
    pub batch_first: bool,
    /// Instead, write the cells of an experiment as state dicts for PyTorch, with their inputs.
    #[arg(long, value_name = "CONFIG", conflicts_with_all = ["weights", "inputs", "module", "batch_first"])]
    pub export_weights: Option<PathBuf>,
    /// Override a key of that experiment.
    #[arg(long = "set", value_name = "KEY=VALUE", requires = "export_weights")]
    pub sets: Vec<String>,
    /// The folder to write to: a new one, or one that an earlier trace has written.
    #[arg(long, value_name = "DIR")]
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

/// A file format of figures.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Format {
    /// Vector graphics.
    Svg,
    /// Pixels, rendered from the same drawing.
    Png,
}

fn positive(text: &str) -> Result<usize, String> {
    match text.parse() {
        Ok(0) => Err("expected at least 1".to_owned()),
        Ok(number) => Ok(number),
        Err(_) => Err(format!("expected a whole number, found `{text}`")),
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
