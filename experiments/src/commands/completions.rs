//! `completions`: what a shell needs to complete the command line.

use clap::CommandFactory;
use clap_complete::Shell;

use crate::cli::Cli;
use crate::commands::{CommandError, Status, print};

pub fn completions(shell: Shell) -> Result<Status, CommandError> {
    // Generated in full first: the generator panics where its output cannot be written.
    let mut script = Vec::new();
    clap_complete::generate(shell, &mut Cli::command(), "vangrad", &mut script);
    print(&String::from_utf8_lossy(&script))
}
