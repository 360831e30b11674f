//! What a trace was asked for, as stored: `trace.json`. The figures take their captions from it.

use serde::{Deserialize, Serialize};
use torch_weights::Kind;

use crate::config::Recorded;

/// Everything that decides the numbers.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Request {
    /// The networks, in the order of the command line.
    pub networks: Vec<Network>,
    /// What they were traced over.
    pub sequences: Over,
    /// An RNN's activation; empty for a GRU or LSTM.
    pub nonlinearity: Option<String>,
    /// Where the adjoint comes from, in words.
    pub loss: String,
    /// What was recorded beside the norms; of one network alone.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub record: Vec<Recorded>,
}

/// One network.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Network {
    /// Its name in tables and figures: the file's, without folder and extension if that is enough
    /// to tell it from the others.
    pub label: String,
    /// The file of its weights.
    pub file: String,
    /// The module in it; empty if it is the whole model.
    pub module: String,
    /// `RNN`, `GRU` or `LSTM`.
    pub kind: String,
    /// The number of layers.
    pub layers: usize,
    /// I.
    pub input: usize,
    /// H.
    pub hidden: usize,
    /// Tensors of the file outside the module.
    pub ignored_tensors: usize,
}

/// The sequences.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Over {
    /// Their file.
    pub file: String,
    /// T, of the longest.
    pub steps: usize,
    /// Steps of the shortest.
    pub shortest: usize,
    /// B.
    pub batch: usize,
}

/// The default loss.
pub const HALF_SQUARED_NORM: &str =
    "half the squared norm of the top layer's last output, summed over sequences";
/// A given one.
pub const GIVEN: &str = "grad_output of the inputs file";

impl Network {
    /// `LSTM \`encoder\`, 2 layers, input 8, hidden 64`.
    pub fn describe(&self) -> String {
        let module = match self.module.as_str() {
            "" => String::new(),
            module => format!(" `{module}`"),
        };
        let plural = if self.layers == 1 { "" } else { "s" };
        format!(
            "{}{module}, {} layer{plural}, input {}, hidden {}",
            self.kind, self.layers, self.input, self.hidden
        )
    }

    /// What it is called in the tables of a closer look: the module's name, `network` if it has none.
    pub fn cell(&self) -> &str {
        match self.module.as_str() {
            "" => "network",
            module => module,
        }
    }

    /// Whether it has a cell state.
    pub fn is_lstm(&self) -> bool {
        self.kind == Kind::Lstm.to_string()
    }

    /// What a config calls such a cell.
    pub fn cell_kind(&self) -> &'static str {
        let kind = Kind::ALL.into_iter().find(|k| k.to_string() == self.kind);
        match kind {
            Some(Kind::Lstm) => "lstm",
            Some(Kind::Gru) => "gru",
            Some(Kind::Rnn) | None => "vanilla-rnn",
        }
    }
}

impl Over {
    /// `16 sequences of 200 steps`.
    pub fn describe(&self) -> String {
        let plural = |count: usize, word: &str| {
            format!("{count} {word}{}", if count == 1 { "" } else { "s" })
        };
        let steps = if self.shortest == self.steps {
            plural(self.steps, "step")
        } else {
            format!(
                "{} to {} steps, aligned at their ends",
                self.shortest, self.steps
            )
        };
        format!("{} of {steps}", plural(self.batch, "sequence"))
    }
}

/// A name for each path: file names without extension where they differ, else the paths.
pub fn labels(paths: &[&std::path::Path]) -> Vec<String> {
    let stem = |path: &&std::path::Path| {
        path.file_stem()
            .unwrap_or(path.as_os_str())
            .to_string_lossy()
            .into_owned()
    };
    let stems: Vec<String> = paths.iter().map(stem).collect();
    let distinct: std::collections::BTreeSet<&String> = stems.iter().collect();
    if distinct.len() == stems.len() {
        return stems;
    }
    paths
        .iter()
        .map(|path| path.display().to_string())
        .collect()
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;

    #[test]
    fn labels_are_as_short_as_they_can_be() {
        let labels = |paths: &[&str]| {
            super::labels(
                &paths
                    .iter()
                    .map(|path| Path::new(*path))
                    .collect::<Vec<_>>(),
            )
        };
        assert_eq!(
            labels(&["a/step-1.safetensors", "a/step-2.safetensors"]),
            ["step-1", "step-2"]
        );
        assert_eq!(
            labels(&["a/model.safetensors", "b/model.safetensors"]),
            ["a/model.safetensors", "b/model.safetensors"]
        );
    }

    #[test]
    fn descriptions_are_sentences() {
        let over = Over {
            file: "x".into(),
            steps: 20,
            shortest: 3,
            batch: 1,
        };
        assert_eq!(
            over.describe(),
            "1 sequence of 3 to 20 steps, aligned at their ends"
        );
    }
}
