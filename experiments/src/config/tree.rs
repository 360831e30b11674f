//! TOML as a tree that remembers where everything was written, in the order it was written.

use std::hash::{DefaultHasher, Hash, Hasher};
use std::ops::Range;

use toml::de::{DeTable, DeValue};
use toml::value::Datetime;

/// A value and its place in the source.
#[derive(Clone, Debug)]
pub(super) struct Node {
    pub span: Range<usize>,
    pub value: Value,
}

#[derive(Clone, Debug)]
pub(super) enum Value {
    String(String),
    Integer(i64),
    Float(f64),
    Boolean(bool),
    Datetime(Datetime),
    Array(Vec<Node>),
    Table(Vec<Entry>),
}

/// A key of a table, with its value.
#[derive(Clone, Debug)]
pub(super) struct Entry {
    pub key: String,
    pub key_span: Range<usize>,
    pub node: Node,
}

/// What TOML allows and no configuration can mean.
#[derive(Debug)]
pub(super) struct BadNumber {
    pub span: Range<usize>,
    pub path: Vec<String>,
    pub expected: &'static str,
}

/// Why a text gave no tree.
#[derive(Debug)]
pub(super) enum TreeError {
    Syntax(toml::de::Error),
    Number(BadNumber),
}

impl Node {
    /// Reads a whole document.
    pub fn document(text: &str) -> Result<Self, TreeError> {
        let table = DeTable::parse(text).map_err(TreeError::Syntax)?;
        let span = table.span();
        let value = DeValue::Table(table.into_inner());
        Self::convert(span, &value, 0).map_err(TreeError::Number)
    }

    /// Reads one value that starts at byte `offset` of the source.
    pub fn value(text: &str, offset: usize) -> Result<Self, TreeError> {
        let value = DeValue::parse(text).map_err(TreeError::Syntax)?;
        Self::convert(value.span(), value.get_ref(), offset).map_err(TreeError::Number)
    }

    fn convert(span: Range<usize>, value: &DeValue<'_>, offset: usize) -> Result<Self, BadNumber> {
        let span = span.start + offset..span.end + offset;
        let bad = |expected| BadNumber {
            span: span.clone(),
            path: Vec::new(),
            expected,
        };
        let value = match value {
            DeValue::String(string) => Value::String(string.clone().into_owned()),
            DeValue::Integer(integer) => Value::Integer(
                i64::from_str_radix(integer.as_str(), integer.radix())
                    .map_err(|_| bad("a whole number that fits into 64 bits"))?,
            ),
            DeValue::Float(float) => match float.as_str().parse::<f64>() {
                Ok(number) if number.is_finite() => Value::Float(number),
                _ => return Err(bad("a finite number")),
            },
            DeValue::Boolean(boolean) => Value::Boolean(*boolean),
            DeValue::Datetime(datetime) => Value::Datetime(*datetime),
            DeValue::Array(array) => Value::Array(
                array
                    .iter()
                    .map(|item| Self::convert(item.span(), item.get_ref(), offset))
                    .collect::<Result<_, _>>()?,
            ),
            DeValue::Table(table) => {
                let mut entries = Vec::with_capacity(table.len());
                for (key, node) in table {
                    let key_span = key.span();
                    let key = key.get_ref().clone().into_owned();
                    match Self::convert(node.span(), node.get_ref(), offset) {
                        Ok(node) => entries.push(Entry {
                            key,
                            key_span: key_span.start + offset..key_span.end + offset,
                            node,
                        }),
                        Err(mut bad) => {
                            bad.path.insert(0, key);
                            return Err(bad);
                        }
                    }
                }
                // The parser sorts by name; axes and cells have the order of the file.
                entries.sort_by_key(|entry| entry.key_span.start);
                Value::Table(entries)
            }
        };
        Ok(Self { span, value })
    }

    /// The entries of a table; none for anything else.
    pub fn entries(&self) -> &[Entry] {
        match &self.value {
            Value::Table(entries) => entries,
            _ => &[],
        }
    }

    /// The value of a key of this table.
    pub fn get(&self, key: &str) -> Option<&Node> {
        let entry = self.entries().iter().find(|entry| entry.key == key)?;
        Some(&entry.node)
    }

    /// Takes an entry out of this table.
    pub fn take(&mut self, key: &str) -> Option<Entry> {
        match &mut self.value {
            Value::Table(entries) => {
                let at = entries.iter().position(|entry| entry.key == key)?;
                Some(entries.remove(at))
            }
            _ => None,
        }
    }

    /// The node at a path, or the nearest one above it, and whether it is the node itself.
    pub fn nearest(&self, path: &[&str]) -> (&Node, bool) {
        match path {
            [] => (self, true),
            [key, rest @ ..] => match self.get(key) {
                Some(node) => node.nearest(rest),
                None => (self, false),
            },
        }
    }

    /// Puts `value` at a path, making the tables on the way. A value in the way that is no table
    /// is replaced: `forget_bias.chrono` after `forget_bias = 1.0` means the table. A number is a
    /// place in a list.
    pub fn assign(&mut self, path: &[String], key_span: &Range<usize>, value: &Node) {
        let [key, rest @ ..] = path else {
            *self = value.clone();
            return;
        };
        if let Value::Array(items) = &mut self.value
            && let Some(item) = key.parse().ok().and_then(|at: usize| items.get_mut(at))
        {
            return item.assign(rest, key_span, value);
        }
        if !matches!(self.value, Value::Table(_)) {
            *self = Self {
                span: key_span.clone(),
                value: Value::Table(Vec::new()),
            };
        }
        if let Value::Table(entries) = &mut self.value {
            let at = entries.iter().position(|entry| entry.key == *key);
            let at = at.unwrap_or_else(|| {
                entries.push(Entry {
                    key: key.clone(),
                    key_span: key_span.clone(),
                    node: Self {
                        span: key_span.clone(),
                        value: Value::Table(Vec::new()),
                    },
                });
                entries.len() - 1
            });
            entries[at].key_span = key_span.clone();
            entries[at].node.assign(rest, key_span, value);
        }
    }

    /// Whether two values mean the same; numbers do if they are equal, whatever their type.
    pub fn same(&self, other: &Self) -> bool {
        match (&self.value, &other.value) {
            (Value::Integer(a), Value::Float(b)) | (Value::Float(b), Value::Integer(a)) => {
                *a as f64 == *b
            }
            (Value::Integer(a), Value::Integer(b)) => a == b,
            (Value::Float(a), Value::Float(b)) => a == b,
            (Value::String(a), Value::String(b)) => a == b,
            (Value::Boolean(a), Value::Boolean(b)) => a == b,
            (Value::Datetime(a), Value::Datetime(b)) => a == b,
            (Value::Array(a), Value::Array(b)) => {
                a.len() == b.len() && a.iter().zip(b).all(|(a, b)| a.same(b))
            }
            (Value::Table(a), Value::Table(b)) => {
                a.len() == b.len()
                    && a.iter().all(|entry| {
                        other
                            .get(&entry.key)
                            .is_some_and(|node| node.same(&entry.node))
                    })
            }
            _ => false,
        }
    }

    /// A number that values share which are the [`same`](Self::same), and hardly any others.
    pub fn fingerprint(&self) -> u64 {
        let mut hasher = DefaultHasher::new();
        match &self.value {
            Value::Integer(integer) => (*integer as f64).to_bits().hash(&mut hasher),
            // Zero has two signs; adding zero leaves it the positive one.
            Value::Float(float) => (float + 0.0).to_bits().hash(&mut hasher),
            Value::String(string) => string.hash(&mut hasher),
            Value::Boolean(boolean) => boolean.hash(&mut hasher),
            Value::Datetime(datetime) => datetime.to_string().hash(&mut hasher),
            Value::Array(items) => {
                let items: Vec<u64> = items.iter().map(Self::fingerprint).collect();
                items.hash(&mut hasher);
            }
            // In whatever order its keys stand.
            Value::Table(entries) => {
                let entries = entries.iter();
                let mut entries: Vec<(&str, u64)> = entries
                    .map(|entry| (entry.key.as_str(), entry.node.fingerprint()))
                    .collect();
                entries.sort_unstable();
                entries.hash(&mut hasher);
            }
        }
        hasher.finish()
    }

    /// The value as a factor is printed: `0.5`, `64`, `tanh`, `chrono=200`.
    pub fn factor(&self) -> String {
        match &self.value {
            Value::String(string) => string.clone(),
            Value::Integer(integer) => integer.to_string(),
            // Debug keeps the point of 1.0, so that the column reads as it was written.
            Value::Float(float) => format!("{float:?}"),
            Value::Boolean(boolean) => boolean.to_string(),
            Value::Datetime(datetime) => datetime.to_string(),
            Value::Array(items) => {
                let items: Vec<String> = items.iter().map(Self::factor).collect();
                items.join(" ")
            }
            Value::Table(entries) => {
                let entries: Vec<String> = entries
                    .iter()
                    .map(|entry| format!("{}={}", entry.key, entry.node.factor()))
                    .collect();
                entries.join(" ")
            }
        }
    }

    /// The value without its places.
    pub fn to_toml(&self) -> toml::Value {
        match &self.value {
            Value::String(string) => toml::Value::String(string.clone()),
            Value::Integer(integer) => toml::Value::Integer(*integer),
            Value::Float(float) => toml::Value::Float(*float),
            Value::Boolean(boolean) => toml::Value::Boolean(*boolean),
            Value::Datetime(datetime) => toml::Value::Datetime(*datetime),
            Value::Array(items) => toml::Value::Array(items.iter().map(Self::to_toml).collect()),
            Value::Table(entries) => toml::Value::Table(
                entries
                    .iter()
                    .map(|entry| (entry.key.clone(), entry.node.to_toml()))
                    .collect(),
            ),
        }
    }
}
