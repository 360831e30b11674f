//! What can be wrong with a configuration.

use super::source::Location;

/// Why a configuration was refused: where, what was expected, what was found, and what to do.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ConfigError {
    /// The text is not TOML.
    #[error("{at}: not valid TOML: {message}\n{}", .at.excerpt())]
    Syntax {
        /// Where.
        at: Box<Location>,
        /// What the parser says.
        message: String,
    },
    /// A `--set` argument is not of the form `key=value`.
    #[error("--set {argument}: expected key=value, as in `--set sequence.steps=100`")]
    Argument {
        /// The argument.
        argument: String,
    },
    /// A key that does not exist.
    #[error("{at}: unknown key `{key}`\n{}\nhelp: {}", .at.excerpt(), suggestion(.nearest, .known, "keys here"))]
    UnknownKey {
        /// Where.
        at: Box<Location>,
        /// Its full path.
        key: String,
        /// The existing key that looks most like it.
        nearest: Option<String>,
        /// The keys that exist there.
        known: Vec<String>,
    },
    /// A required key that is not there.
    #[error("{at}: missing key `{key}`\n{}\nhelp: {remedy}", .at.excerpt())]
    MissingKey {
        /// The table it is missing from.
        at: Box<Location>,
        /// Its full path.
        key: String,
        /// What to write.
        remedy: String,
    },
    /// A value that is none of the names allowed.
    #[error("{at}: `{key}`: unknown name {found}\n{}\nhelp: {}", .at.excerpt(), suggestion(.nearest, .known, "names here"))]
    UnknownName {
        /// Where.
        at: Box<Location>,
        /// The key.
        key: String,
        /// What was written.
        found: String,
        /// The allowed name that looks most like it.
        nearest: Option<String>,
        /// The names allowed.
        known: Vec<String>,
    },
    /// A value of the wrong type, out of range, or at odds with others.
    #[error("{at}: `{key}`: expected {expected}, found {found}\n{}{}", .at.excerpt(), help(.remedy))]
    Invalid {
        /// Where.
        at: Box<Location>,
        /// The key.
        key: String,
        /// What would have been right.
        expected: String,
        /// What was written.
        found: String,
        /// What to do, where that is not plain from what was expected.
        remedy: Option<String>,
    },
    /// The grid is too large to be meant.
    #[error(
        "the grid has {} {what}, more than the {limit} this program handles\nhelp: shorten an axis of [sweep]{}, or split the experiment",
        in_digits(*.found),
        if *.what == "runs" { " or lower `replicates`" } else { "" }
    )]
    TooLarge {
        /// What is counted: `runs`, or `rows in curves.csv`.
        what: &'static str,
        /// How many there would be.
        found: u128,
        /// How many there may be.
        limit: u128,
    },
    /// The plan does not fit into memory.
    #[error("{0}")]
    Memory(Box<OutOfMemory>),
}

/// What a plan needs that does not fit into memory.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "the largest run (`{label}`, hidden = {hidden}, steps = {steps}, batch = {batch}) needs about {} of memory, times {jobs} at once, and what is held beside the runs {}; {} is available\nhelp: {remedy}",
    in_units(*.run), in_units(*.beside), in_units(u128::from(*.available))
)]
pub struct OutOfMemory {
    /// Label of the largest run's cell.
    pub label: String,
    /// H.
    pub hidden: usize,
    /// T.
    pub steps: usize,
    /// B.
    pub batch: usize,
    /// The estimate of one run, in bytes.
    pub run: u128,
    /// How many would run at once.
    pub jobs: u128,
    /// The estimate of everything else, in bytes: records, tables, the program.
    pub beside: u128,
    /// What there is, in bytes.
    pub available: u64,
    /// What to change.
    pub remedy: String,
}

fn suggestion(nearest: &Option<String>, known: &[String], what: &str) -> String {
    let known: Vec<String> = known.iter().map(|name| format!("`{name}`")).collect();
    let known = format!("{what}: {}", known.join(", "));
    match nearest {
        Some(nearest) => format!("did you mean `{nearest}`? ({known})"),
        None => known,
    }
}

fn help(remedy: &Option<String>) -> String {
    remedy
        .as_ref()
        .map_or_else(String::new, |remedy| format!("\nhelp: {remedy}"))
}

/// A whole number, with an exponent where it has more digits than anybody counts.
pub(crate) fn in_digits(number: u128) -> String {
    match number {
        0..1_000_000_000_000_000 => number.to_string(),
        _ => format!("{:.2e}", number as f64),
    }
}

/// A number of bytes in the unit that suits it.
pub(crate) fn in_units(bytes: u128) -> String {
    const UNITS: [&str; 7] = ["B", "KiB", "MiB", "GiB", "TiB", "PiB", "EiB"];
    let mut value = bytes as f64;
    let mut unit = 0;
    while value >= 1024.0 && unit + 1 < UNITS.len() {
        value /= 1024.0;
        unit += 1;
    }
    if value >= 1e6 {
        format!("{value:.1e} {}", UNITS[unit])
    } else if unit == 0 {
        format!("{value} B")
    } else {
        format!("{value:.1} {}", UNITS[unit])
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_are_printed_in_their_unit() {
        assert_eq!(in_units(0), "0 B");
        assert_eq!(in_units(1023), "1023 B");
        assert_eq!(in_units(1536), "1.5 KiB");
        assert_eq!(in_units(10 << 30), "10.0 GiB");
        assert_eq!(in_units(u128::MAX), "3.0e20 EiB");
    }

    #[test]
    fn numbers_too_long_to_count_their_digits_have_an_exponent() {
        assert_eq!(in_digits(359_424_000_000_000), "359424000000000");
        assert_eq!(in_digits(u128::MAX), "3.40e38");
    }
}
