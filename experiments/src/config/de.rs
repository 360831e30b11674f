//! Serde from the tree, with errors as facts instead of sentences.
//!
//! The `toml` crate's own deserialiser would do, but its errors are finished text: neither the
//! path of the key nor the list of names that were allowed can be had from them.

use std::fmt;
use std::ops::Range;

use serde::de::{self, DeserializeSeed, Expected, IntoDeserializer, Unexpected, Visitor};

use super::reader::SIZE;
use super::tree::{Entry, Node, Value};

/// What serde found wrong, and where.
#[derive(Debug)]
pub(super) struct DeError {
    /// Path of the key from the node that was read.
    pub path: Vec<String>,
    /// The innermost place that was being read.
    pub span: Option<Range<usize>>,
    pub problem: Problem,
}

#[derive(Debug)]
pub(super) enum Problem {
    UnknownKey { known: &'static [&'static str] },
    MissingKey,
    UnknownName { known: &'static [&'static str] },
    Invalid { expected: String },
}

impl DeError {
    fn new(problem: Problem) -> Self {
        Self {
            path: Vec::new(),
            span: None,
            problem,
        }
    }

    fn at(mut self, span: &Range<usize>) -> Self {
        self.span.get_or_insert_with(|| span.clone());
        self
    }
}

impl de::Error for DeError {
    fn custom<T: fmt::Display>(message: T) -> Self {
        Self::new(Problem::Invalid {
            expected: message.to_string(),
        })
    }

    fn invalid_type(_: Unexpected, expected: &dyn Expected) -> Self {
        Self::new(Problem::Invalid {
            expected: in_words(&expected.to_string()),
        })
    }

    fn invalid_value(unexpected: Unexpected, expected: &dyn Expected) -> Self {
        Self::invalid_type(unexpected, expected)
    }

    fn unknown_variant(_: &str, known: &'static [&'static str]) -> Self {
        Self::new(Problem::UnknownName { known })
    }

    fn unknown_field(key: &str, known: &'static [&'static str]) -> Self {
        let mut error = Self::new(Problem::UnknownKey { known });
        error.path.push(key.to_owned());
        error
    }

    fn missing_field(key: &'static str) -> Self {
        let mut error = Self::new(Problem::MissingKey);
        error.path.push(key.to_owned());
        error
    }
}

impl fmt::Display for DeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{self:?}")
    }
}

impl std::error::Error for DeError {}

/// Rust's names of types in the reader's words.
fn in_words(expected: &str) -> String {
    match expected {
        // Every `usize` of a configuration is one.
        "usize" => SIZE,
        "u64" => "a whole number of at least 0",
        "f64" => "a number",
        "a boolean" => "true or false",
        "a sequence" => "a list",
        "a map" => "a table",
        "struct Initialization" => "a table, such as { init = \"orthogonal\", gain = 1.0 }",
        other if other.starts_with("struct ") => "a table",
        other => other,
    }
    .to_owned()
}

impl<'de> de::Deserializer<'de> for &'de Node {
    type Error = DeError;

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, DeError> {
        match &self.value {
            Value::String(string) => visitor.visit_borrowed_str(string),
            Value::Integer(integer) => visitor.visit_i64(*integer),
            Value::Float(float) => visitor.visit_f64(*float),
            Value::Boolean(boolean) => visitor.visit_bool(*boolean),
            Value::Datetime(_) => Err(de::Error::invalid_type(Unexpected::Other("date"), &visitor)),
            Value::Array(items) => visitor.visit_seq(Items(items.iter())),
            Value::Table(entries) => visitor.visit_map(Entries {
                rest: entries.iter(),
                current: None,
            }),
        }
        .map_err(|error| error.at(&self.span))
    }

    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, DeError> {
        visitor.visit_some(self)
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(
        self,
        _name: &'static str,
        visitor: V,
    ) -> Result<V::Value, DeError> {
        visitor.visit_newtype_struct(self)
    }

    fn deserialize_enum<V: Visitor<'de>>(
        self,
        _name: &'static str,
        variants: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, DeError> {
        match &self.value {
            Value::String(name) => visitor.visit_enum(name.as_str().into_deserializer()),
            _ => Err(DeError::new(Problem::UnknownName { known: variants })),
        }
        .map_err(|error| error.at(&self.span))
    }

    // A derived struct would also take a list, its items in the order of the fields.
    fn deserialize_struct<V: Visitor<'de>>(
        self,
        _name: &'static str,
        _keys: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, DeError> {
        match &self.value {
            Value::Array(_) => {
                Err(<DeError as de::Error>::invalid_type(Unexpected::Seq, &visitor).at(&self.span))
            }
            _ => self.deserialize_any(visitor),
        }
    }

    serde::forward_to_deserialize_any! {
        bool i8 i16 i32 i64 i128 u8 u16 u32 u64 u128 f32 f64 char str string bytes byte_buf
        unit unit_struct seq tuple tuple_struct map identifier ignored_any
    }
}

struct Items<'de>(std::slice::Iter<'de, Node>);

impl<'de> de::SeqAccess<'de> for Items<'de> {
    type Error = DeError;

    fn next_element_seed<T: DeserializeSeed<'de>>(
        &mut self,
        seed: T,
    ) -> Result<Option<T::Value>, DeError> {
        self.0.next().map(|item| seed.deserialize(item)).transpose()
    }
}

struct Entries<'de> {
    rest: std::slice::Iter<'de, Entry>,
    current: Option<&'de Entry>,
}

impl<'de> de::MapAccess<'de> for Entries<'de> {
    type Error = DeError;

    fn next_key_seed<K: DeserializeSeed<'de>>(
        &mut self,
        seed: K,
    ) -> Result<Option<K::Value>, DeError> {
        self.current = self.rest.next();
        let Some(entry) = self.current else {
            return Ok(None);
        };
        seed.deserialize(entry.key.as_str().into_deserializer())
            .map(Some)
            .map_err(|error: DeError| error.at(&entry.key_span))
    }

    fn next_value_seed<T: DeserializeSeed<'de>>(&mut self, seed: T) -> Result<T::Value, DeError> {
        let entry = self
            .current
            .ok_or_else(|| de::Error::custom("a key before its value"))?;
        seed.deserialize(&entry.node).map_err(|mut error| {
            error.path.insert(0, entry.key.clone());
            error
        })
    }
}
