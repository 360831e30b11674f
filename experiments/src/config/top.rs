//! `name`, `seed`, `replicates`, `[sequence]`, `[loss]`, `[record]` and `[fit]`.

use serde::Deserialize;

use super::reader::{NAME, Reader, SIZE, is_name, is_size};
use super::tree::Node;
use super::{ConfigError, Fit, Input, Loss, Memory, Record, Sequence, write};

/// Everything outside `[[cell]]`, `[sweep]` and `[[figure]]`.
pub(super) struct Top {
    pub name: String,
    pub seed: u64,
    pub replicates: usize,
    pub memory: Memory,
    pub sequence: Sequence,
    pub loss: Loss,
    pub record: Record,
    pub fit: Fit,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct TopKeys {
    name: String,
    #[serde(default)]
    seed: u64,
    #[serde(default = "ten")]
    replicates: usize,
    #[serde(default)]
    memory: Memory,
    sequence: SequenceKeys,
    #[serde(default)]
    loss: Loss,
    #[serde(default)]
    record: Record,
    #[serde(default)]
    fit: Fit,
}

pub(super) fn ten() -> usize {
    10
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct SequenceKeys {
    steps: usize,
    #[serde(default = "sixteen")]
    batch: usize,
    #[serde(default)]
    input: InputKeys,
    #[serde(default)]
    initial_state: Option<f64>,
}

pub(super) fn sixteen() -> usize {
    16
}

/// The keys of all kinds of inputs together, so that one of another kind can be told from one that
/// does not exist.
#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct InputKeys {
    kind: InputKind,
    size: Option<usize>,
    std: Option<f64>,
    value: Option<f64>,
    at: Option<usize>,
    width: Option<usize>,
    path: Option<String>,
    from: Option<f64>,
    to: Option<f64>,
}

#[derive(Clone, Copy, Default, Deserialize)]
#[serde(rename_all = "lowercase")]
enum InputKind {
    #[default]
    Gaussian,
    Zero,
    Constant,
    Ramp,
    Pulse,
    File,
}

pub(super) fn eight() -> usize {
    8
}

pub(super) fn one() -> f64 {
    1.0
}

pub(super) fn minus_one() -> f64 {
    -1.0
}

pub(super) fn one_step() -> usize {
    1
}

impl Reader {
    /// Reads and checks everything but cells, axes and figures.
    pub fn top(&self, root: &Node) -> Result<Top, ConfigError> {
        let keys: TopKeys = self.read(root, "", &["cell", "sweep", "figure"])?;
        self.require(is_name(&keys.name), root, "", "name", NAME)?;
        self.require(is_size(keys.replicates), root, "", "replicates", SIZE)?;
        let steps = keys.sequence.steps;
        self.require(is_size(steps), root, "", "sequence.steps", SIZE)?;
        let batch = keys.sequence.batch;
        self.require(is_size(batch), root, "", "sequence.batch", SIZE)?;
        let input = self.input(keys.sequence.input, root, steps)?;
        let truncation = keys.loss.truncation;
        let is_some_steps = truncation.is_none_or(is_size);
        self.require(is_some_steps, root, "", "loss.truncation", SIZE)?;
        let quantities = &keys.record.quantities;
        let listed = "record.quantities";
        let some = "at least one quantity";
        self.require(!quantities.is_empty(), root, "", listed, some)?;
        let twice = (1..quantities.len()).find(|&k| quantities[..k].contains(&quantities[k]));
        if let Some(twice) = twice {
            let name = write::name_of(&quantities[twice]);
            let expected = format!("each quantity once, not `{name}` again");
            let remedy = Some("remove the repeated name".to_owned());
            return Err(self.invalid(root, "", listed, expected, remedy));
        }
        self.check_fit(&keys.fit, root, steps)?;
        Ok(Top {
            name: keys.name,
            seed: keys.seed,
            replicates: keys.replicates,
            memory: keys.memory,
            sequence: Sequence {
                steps,
                batch,
                input,
                initial_state: keys.sequence.initial_state,
            },
            loss: keys.loss,
            record: keys.record,
            fit: keys.fit,
        })
    }

    fn input(&self, keys: InputKeys, root: &Node, steps: usize) -> Result<Input, ConfigError> {
        let (kind, applicable): (&str, &[&str]) = match keys.kind {
            InputKind::Gaussian => ("gaussian", &["size", "std"]),
            InputKind::Zero => ("zero", &["size"]),
            InputKind::Constant => ("constant", &["size", "value"]),
            InputKind::Ramp => ("ramp", &["size", "from", "to"]),
            InputKind::Pulse => ("pulse", &["size", "value", "at", "width", "std"]),
            InputKind::File => ("file", &["path", "size"]),
        };
        let (table, given) = root.nearest(&["sequence", "input"]);
        for entry in table.entries().iter().filter(|_| given) {
            let key = entry.key.as_str();
            if key != "kind" && !applicable.contains(&key) {
                return Err(ConfigError::Invalid {
                    at: self.source.locate(&entry.key_span),
                    key: format!("sequence.input.{key}"),
                    expected: format!(
                        "one of {} for an input of kind `{kind}`",
                        applicable.join(", ")
                    ),
                    found: format!("`{key}`"),
                    remedy: Some("remove the key, or choose another `kind`".to_owned()),
                });
            }
        }
        let missing = |key: &str, remedy: &str| ConfigError::MissingKey {
            at: self.source.locate(&table.span),
            key: format!("sequence.input.{key}"),
            remedy: remedy.to_owned(),
        };
        let check = |holds: bool, key: &str, expected: &str| {
            self.require(holds, root, "", &format!("sequence.input.{key}"), expected)
        };
        let size = keys.size.unwrap_or_else(eight);
        check(is_size(size), "size", SIZE)?;
        let non_negative = keys.std.is_none_or(|std| std >= 0.0);
        check(non_negative, "std", "a number of at least 0")?;
        Ok(match keys.kind {
            InputKind::Gaussian => Input::Gaussian {
                size,
                std: keys.std.unwrap_or_else(one),
            },
            InputKind::Zero => Input::Zero { size },
            InputKind::Constant => Input::Constant {
                size,
                value: keys.value.unwrap_or_else(one),
            },
            InputKind::Ramp => Input::Ramp {
                size,
                from: keys.from.unwrap_or_else(minus_one),
                to: keys.to.unwrap_or_else(one),
            },
            InputKind::Pulse => {
                let at = keys.at.ok_or_else(|| {
                    missing("at", "say at which step the pulse starts: `at = 20`")
                })?;
                let in_range = format!("a step from 1 to {steps} (sequence.steps)");
                check((1..=steps).contains(&at), "at", &in_range)?;
                let width = keys.width.unwrap_or_else(one_step);
                let longest = steps - at + 1;
                let fits =
                    format!("a number of steps from 1 to {longest}, the end of the sequence");
                check((1..=longest).contains(&width), "width", &fits)?;
                Input::Pulse {
                    size,
                    value: keys.value.unwrap_or_else(one),
                    at,
                    width,
                    std: keys.std.unwrap_or_default(),
                }
            }
            InputKind::File => Input::File {
                path: keys
                    .path
                    .ok_or_else(|| missing("path", "name the file: `path = \"inputs.npy\"`"))?,
                size,
            },
        })
    }

    /// The window must lie in 1…T and hold three lags, unless nobody chose it: a short sequence is
    /// no mistake, it only has no rate.
    fn check_fit(&self, fit: &Fit, root: &Node, steps: usize) -> Result<(), ConfigError> {
        if *fit == Fit::default() {
            return Ok(());
        }
        let last = fit.to.unwrap_or(steps);
        if !(3..=steps).contains(&last) {
            let (expected, remedy) = match steps {
                ..3 => (
                    format!("no window: sequence.steps = {steps} is too short for a fit"),
                    "remove [fit], or raise `sequence.steps`",
                ),
                _ => (
                    format!("a lag from 3 to {steps} (sequence.steps)"),
                    "a fit takes three lags at least, and there is none beyond the first step",
                ),
            };
            return Err(self.invalid(root, "", "fit.to", expected, Some(remedy.to_owned())));
        }
        if !(1..=last - 2).contains(&fit.from) {
            let (end, remedy) = match fit.to {
                Some(to) => (
                    format!("the window up to `fit.to` = {to}"),
                    "lower `fit.from` or raise `fit.to`",
                ),
                None => (
                    format!("the window up to sequence.steps = {steps}"),
                    "lower `fit.from`",
                ),
            };
            let expected = format!("a lag from 1 to {}, so that {end} holds three", last - 2);
            return Err(self.invalid(root, "", "fit.from", expected, Some(remedy.to_owned())));
        }
        Ok(())
    }
}
