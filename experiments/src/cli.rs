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
