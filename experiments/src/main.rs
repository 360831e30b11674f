//! `vangrad`: the command line of the workspace.

use std::process::ExitCode;

use clap::Parser;
use experiments::cli::Cli;

fn main() -> ExitCode {
    let cli = Cli::parse();
    match experiments::commands::execute(cli.command) {
        Ok(status) => status.into(),
        Err(error) => {
            eprintln!("error: {error}");
            ExitCode::from(2)
        }
    }
}
