//! Help texts that are true, and completions that work.

// Of what the tests share, only a part is needed here.
#[allow(dead_code)]
mod common;

use std::path::Path;
use std::process::Command;

use clap::{CommandFactory, Parser};
use common::{Lab, TINY};
use experiments::cli::{self, Cli};
use experiments::config::Config;

/// Every command by name, with its long help as a terminal of 80 columns shows it.
fn commands() -> Vec<(String, String)> {
    let mut root = Cli::command().term_width(80);
    root.build();
    let names = root.get_subcommands().map(|c| c.get_name().to_owned());
    let names: Vec<String> = names.filter(|name| name != "help").collect();
    let helps = names.into_iter().map(|name| {
        let command = root.find_subcommand_mut(&name).unwrap();
        let help = command.clone().term_width(80).render_long_help();
        (name, help.to_string())
    });
    helps.collect()
}

/// The command lines under `Examples:`.
fn examples(help: &str) -> Vec<&str> {
    let (_, examples) = help.split_once("\nExamples:\n").expect("no examples");
    examples.lines().map(str::trim).collect()
}

/// The words of a command line as a shell splits them, as far as the examples need it.
fn words(line: &str) -> Vec<String> {
    let (mut words, mut word, mut is_quoted) = (Vec::new(), String::new(), false);
    for character in line.chars().chain([' ']) {
        match character {
            '\'' => is_quoted = !is_quoted,
            ' ' if !is_quoted => {
                if word.starts_with('>') {
                    return words;
                }
                if !word.is_empty() {
                    words.push(std::mem::take(&mut word));
                }
            }
            other => word.push(other),
        }
    }
    words
}

#[test]
fn every_command_explains_itself_with_exit_codes_and_examples_that_parse() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    for (name, help) in commands() {
        assert!(help.contains("\nExit codes:\n"), "{name}");
        let examples = examples(&help);
        assert!(!examples.is_empty(), "{name}");
        for example in examples {
            let start = format!("vangrad {name}");
            assert!(example.starts_with(&start), "{name}: {example}");
            let cli = Cli::try_parse_from(words(example)).unwrap_or_else(|e| panic!("{e}"));
            match cli.command {
                cli::Command::Run(cli::RunArguments { experiment, .. })
                | cli::Command::Plan { experiment } => {
                    let text = std::fs::read_to_string(root.join(&experiment.config)).unwrap();
                    Config::load(&text, "example", &experiment.sets)
                        .unwrap_or_else(|error| panic!("{example}: {error}"));
                }
                cli::Command::Trace(arguments) => {
                    if let Some(config) = arguments.export_weights {
                        let text = std::fs::read_to_string(root.join(config)).unwrap();
                        Config::load(&text, "example", &arguments.sets).unwrap();
                    }
                }
                cli::Command::Plot { results, .. }
                | cli::Command::Report { results }
                | cli::Command::Verify { results, .. } => {
                    assert!(
                        root.join(&results).join("config.toml").exists(),
                        "{example}"
                    );
                }
                _ => {}
            }
        }
    }
}

#[test]
fn the_program_explains_itself_with_examples_that_parse() {
    let help = Cli::command().render_long_help().to_string();
    for example in examples(&help) {
        Cli::try_parse_from(words(example)).unwrap_or_else(|e| panic!("{e}"));
    }
    for (name, _) in commands() {
        assert!(help.contains(&format!("  {name} ")), "{name} in {help}");
    }
}

#[test]
fn help_fits_a_terminal_of_80_columns() {
    for (name, help) in commands() {
        for line in help.lines() {
            assert!(line.chars().count() <= 80, "{name}: {line}");
        }
    }
}

#[test]
fn short_help_is_short_and_long_help_goes_on() {
    let lab = Lab::with(TINY);
    for (name, _) in commands() {
        let short = lab.vangrad(&[&name, "-h"]).exits_with(0).stdout;
        let long = lab.vangrad(&[&name, "--help"]).exits_with(0).stdout;
        assert_eq!(lab.vangrad(&["help", &name]).exits_with(0).stdout, long);
        assert!(!short.contains("Examples:"), "{short}");
        assert!(long.starts_with(short.lines().next().unwrap()), "{long}");
        assert!(short.lines().next().unwrap().chars().count() <= 80);
        let described = long.split("\n\nUsage:").next().unwrap();
        assert!(
            described.lines().count() > 2,
            "{name} has one line:\n{long}"
        );
    }
}

/// What `run --help` promises is what a run leaves.
#[test]
fn the_files_of_a_run_are_those_its_help_names() {
    let lab = Lab::with(&format!("{TINY}{}", common::EVERYTHING));
    lab.run(&[]).exits_with(0);
    let help = lab.vangrad(&["run", "--help"]).stdout;
    for file in lab.files("out").keys() {
        let top = file.split_inclusive('/').next().unwrap();
        assert!(
            top == ".lock" || help.contains(top),
            "{file} is not in {help}"
        );
    }
}

#[test]
fn the_schema_is_printed_as_json() {
    let lab = Lab::with(TINY);
    let printed = lab.vangrad(&["schema"]).exits_with(0).stdout;
    let schema: serde_json::Value = serde_json::from_str(&printed).unwrap();
    assert_eq!(schema, Config::schema());
    assert!(printed.ends_with("}\n"));
}

const SHELLS: [&str; 5] = ["bash", "zsh", "fish", "powershell", "elvish"];

#[test]
fn every_shell_has_completions_for_every_command() {
    let lab = Lab::with(TINY);
    for shell in SHELLS {
        let script = lab.vangrad(&["completions", shell]).exits_with(0).stdout;
        for (name, _) in commands() {
            assert!(script.contains(&name), "{name} is not completed in {shell}");
        }
        assert!(script.contains("no-figures"), "{shell}");
    }
    let other = lab.vangrad(&["completions", "tcsh"]).exits_with(2);
    other.says(&SHELLS).says(&["tcsh"]);
}

#[test]
fn bash_completes_commands_and_options() {
    let bash = |arguments: &[&str]| Command::new("bash").args(arguments).output();
    if bash(&["--version"]).is_err() {
        eprintln!("no bash here: nothing was tested");
        return;
    }
    let lab = Lab::with(TINY);
    let script = lab.vangrad(&["completions", "bash"]).stdout;
    lab.write("vangrad.bash", &script);
    let path = lab.path("vangrad.bash");
    let path = path.to_str().unwrap();
    assert!(bash(&["-n", path]).unwrap().status.success());
    for (line, last, expected) in [
        ("vangrad ver", "ver", "verify"),
        ("vangrad sch", "sch", "schema"),
        ("vangrad run --no", "--no", "--no-figures"),
        ("vangrad completions el", "el", "elvish"),
        ("vangrad tr", "tr", "trace"),
        ("vangrad trace --exp", "--exp", "--export-weights"),
        ("vangrad trace --nonlinearity re", "re", "relu"),
        ("vangrad plot results --format pn", "pn", "png"),
        ("vangrad plot results --format pd", "pd", "pdf"),
        ("vangrad rep", "rep", "report reproduce"),
    ] {
        let words: Vec<&str> = line.split(' ').collect();
        let before = words[words.len() - 2];
        let complete = format!(
            "source '{path}'; COMP_WORDS=({line}); COMP_CWORD={}; _vangrad vangrad '{last}' '{before}'; \
             echo \"${{COMPREPLY[@]}}\"",
            words.len() - 1
        );
        let output = bash(&["--norc", "-c", &complete]).unwrap();
        let completed = String::from_utf8(output.stdout).unwrap();
        assert_eq!(completed.trim(), expected, "{line}");
    }
}

/// `vangrad list | head -1` has had enough after a line.
#[cfg(unix)]
#[test]
fn a_reader_that_stops_early_is_no_error() {
    use std::io::Read;
    let lab = Lab::with(TINY);
    let examples = Path::new(env!("CARGO_MANIFEST_DIR")).join("examples/trace");
    let example = |name: &str| examples.join(name).to_str().unwrap().to_owned();
    let (weights, inputs) = (
        example("update-100.safetensors"),
        example("inputs.safetensors"),
    );
    let trace = ["trace", "--weights", &weights, "--inputs", &inputs];
    let export = ["trace", "--export-weights", "experiment.toml"];
    for arguments in [
        &["schema"][..],
        &["completions", "bash"],
        &["list"],
        &["plan", "experiment.toml"],
        &[&trace[..], &["--out", "traced", "--verbose"]].concat(),
        &["plot", "traced"],
        &[&export[..], &["--out", "exported"]].concat(),
    ] {
        let mut child = lab.command(arguments).spawn().unwrap();
        // Closed before the program has written anything, or after its first bytes.
        drop(child.stdout.take());
        let mut said = String::new();
        let status = child.wait().unwrap();
        child
            .stderr
            .take()
            .unwrap()
            .read_to_string(&mut said)
            .unwrap();
        assert_eq!(
            (status.code(), said.as_str()),
            (Some(0), ""),
            "{arguments:?}"
        );
    }
}
