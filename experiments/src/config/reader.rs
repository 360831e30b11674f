//! Reading nodes, and saying where they stand when they are wrong.

use std::ops::Range;

use serde::Deserialize;

use super::de::{DeError, Problem};
use super::source::Source;
use super::tree::{Node, TreeError};
use super::{ConfigError, schema};
use crate::nearest::nearest;

/// Reads nodes, and says where they stand when they are wrong.
pub(super) struct Reader {
    pub source: Source,
}

impl Reader {
    pub fn tree_error(&self, error: TreeError) -> ConfigError {
        match error {
            TreeError::Syntax(error) => ConfigError::Syntax {
                at: self.source.locate(&error.span().unwrap_or(0..0)),
                message: error.message().to_owned(),
            },
            TreeError::Number(bad) => ConfigError::Invalid {
                at: self.source.locate(&bad.span),
                key: bad.path.join("."),
                expected: bad.expected.to_owned(),
                found: self.found(&bad.span),
                remedy: None,
            },
        }
    }

    /// The source of a value, as errors quote it.
    pub fn found(&self, span: &Range<usize>) -> String {
        let text = self.source.slice(span);
        if text.is_empty() {
            return "nothing".to_owned();
        }
        let mut short: String = text
            .lines()
            .next()
            .unwrap_or_default()
            .chars()
            .take(60)
            .collect();
        if short.len() < text.len() {
            short.push('…');
        }
        format!("`{short}`")
    }

    pub fn unknown_key<S: AsRef<str>>(
        &self,
        span: &Range<usize>,
        prefix: &str,
        key: &str,
        known: &[S],
    ) -> ConfigError {
        ConfigError::UnknownKey {
            at: self.source.locate(span),
            key: join(prefix, key),
            nearest: inside(key, known).or_else(|| nearest(key, known)),
            known: known.iter().map(|name| name.as_ref().to_owned()).collect(),
        }
    }

    pub fn unknown_name<S: AsRef<str>>(
        &self,
        span: &Range<usize>,
        key: String,
        known: &[S],
    ) -> ConfigError {
        ConfigError::UnknownName {
            at: self.source.locate(span),
            key,
            nearest: nearest(self.source.slice(span).trim_matches(['"', '\'']), known),
            found: self.found(span),
            known: known.iter().map(|name| name.as_ref().to_owned()).collect(),
        }
    }

    /// An error about the value at `path` below `node`, wherever it or its table was written.
    pub fn invalid(
        &self,
        node: &Node,
        prefix: &str,
        path: &str,
        expected: impl Into<String>,
        remedy: Option<String>,
    ) -> ConfigError {
        let keys: Vec<&str> = path.split('.').collect();
        let (place, exact) = node.nearest(&keys);
        ConfigError::Invalid {
            at: self.source.locate(&place.span),
            key: join(prefix, path),
            expected: expected.into(),
            found: if exact {
                self.found(&place.span)
            } else {
                "none".to_owned()
            },
            remedy,
        }
    }

    pub fn require(
        &self,
        holds: bool,
        node: &Node,
        prefix: &str,
        path: &str,
        expected: impl Into<String>,
    ) -> Result<(), ConfigError> {
        if holds {
            Ok(())
        } else {
            Err(self.invalid(node, prefix, path, expected, None))
        }
    }

    /// Reads a node. `prefix` is its path; `also` are keys of it that have been taken out before.
    pub fn read<'n, T: Deserialize<'n>>(
        &self,
        node: &'n Node,
        prefix: &str,
        also: &[&str],
    ) -> Result<T, ConfigError> {
        self.read_with(node, prefix, also, T::deserialize)
    }

    pub fn read_with<'n, T>(
        &self,
        node: &'n Node,
        prefix: &str,
        also: &[&str],
        read: impl FnOnce(&'n Node) -> Result<T, DeError>,
    ) -> Result<T, ConfigError> {
        read(node).map_err(|error| {
            let DeError {
                mut path,
                span,
                problem,
            } = error;
            let span = span.unwrap_or_else(|| node.span.clone());
            let here = path.len() == 1;
            match problem {
                Problem::UnknownKey { known } => {
                    let mut known = known.to_vec();
                    if here {
                        known.extend(also);
                    }
                    let key = path.pop().unwrap_or_default();
                    self.unknown_key(&span, &join(prefix, &path.join(".")), &key, &known)
                }
                Problem::MissingKey => ConfigError::MissingKey {
                    at: self.source.locate(&span),
                    remedy: example(&join(prefix, &path.join("."))),
                    key: join(prefix, &path.join(".")),
                },
                Problem::UnknownName { known } => {
                    self.unknown_name(&span, join(prefix, &path.join(".")), known)
                }
                Problem::Invalid { expected } => {
                    let key = join(prefix, &path.join("."));
                    let text = self.source.slice(&span).trim_matches(['"', '\'']);
                    let remedy = match expected.as_str() {
                        "a table" => Some(format!("give its keys values, as in `{key}.KEY = …`")),
                        "a list" if !text.contains(['[', '\n']) => {
                            Some(format!("put it into brackets: `[\"{text}\"]`"))
                        }
                        _ => None,
                    };
                    ConfigError::Invalid {
                        at: self.source.locate(&span),
                        key,
                        expected,
                        found: self.found(&span),
                        remedy,
                    }
                }
            }
        })
    }
}

/// A path from two parts, either of which may be empty.
pub(super) fn join(prefix: &str, path: &str) -> String {
    match (prefix, path) {
        ("", path) => path.to_owned(),
        (prefix, "") => prefix.to_owned(),
        (prefix, path) => format!("{prefix}.{path}"),
    }
}

/// The keys of this name in the tables among `known`: `sequence.steps` for `steps`.
fn inside<S: AsRef<str>>(key: &str, known: &[S]) -> Option<String> {
    let below_known = |path: String| {
        let table = path.rsplit('.').nth(1)?;
        let is_known = known.iter().any(|name| name.as_ref() == table);
        is_known.then(|| format!("{table}.{key}"))
    };
    let mut found: Vec<String> = schema::paths_to(key)
        .into_iter()
        .filter_map(below_known)
        .collect();
    found.dedup();
    (!found.is_empty()).then(|| found.join("` or `"))
}

/// What to write for a required key, given by its path.
fn example(path: &str) -> String {
    let line = match path.rsplit('.').next().unwrap_or_default() {
        "kind" if path == "figure.kind" => "kind = \"decay\"",
        "name" => "name = \"my-experiment\"",
        "sequence" => "[sequence]` with `steps = 200",
        "steps" => "steps = 200",
        "kind" => "kind = \"lstm\"",
        "hidden" => "hidden = 64",
        "init" => "init = \"gaussian\"",
        other => return format!("add `{other} = …`"),
    };
    format!("add `{line}`")
}

/// Whether a name may be a file's and a key's: `[A-Za-z0-9_-]+`.
pub(super) fn is_name(name: &str) -> bool {
    !name.is_empty()
        && name
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || byte == b'_' || byte == b'-')
}

pub(super) const NAME: &str = "a name of letters, digits, `_` and `-`";

/// Sizes above this fit into no memory; below it, sums and small multiples fit into 64 bits.
pub(super) const MAX_SIZE: usize = 1 << 32;
pub(super) const SIZE: &str = "a whole number from 1 to 4294967296";

pub(super) fn is_size(size: usize) -> bool {
    (1..=MAX_SIZE).contains(&size)
}
