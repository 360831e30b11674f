//! A configuration as TOML, and the difference between two.

use serde::Serialize;

use super::tree::{Node, Value};
use super::{CellEntry, Config};

/// The configuration in the order of the documentation, every default spelled out.
pub(super) fn to_toml(config: &Config) -> String {
    let mut text = String::new();
    for about in config.about.lines() {
        text.push_str(format!("# {about}").trim_end());
        text.push('\n');
    }
    line(&mut text, "name", &config.name);
    line(&mut text, "seed", &config.seed);
    line(&mut text, "replicates", &config.replicates);
    line(&mut text, "memory", &config.memory);
    table(&mut text, "[sequence]", &config.sequence);
    table(&mut text, "[loss]", &config.loss);
    for entry in &config.cells {
        cell(&mut text, entry);
    }
    if !config.sweep.is_empty() {
        text.push_str("\n[sweep]\n");
        for axis in &config.sweep {
            line(&mut text, &inline(&axis.key), &axis.values);
        }
    }
    table(&mut text, "[record]", &config.record);
    table(&mut text, "[fit]", &config.fit);
    for figure in &config.figures {
        table(&mut text, "[[figure]]", figure);
    }
    text
}

/// The names of the figures of a configuration that [`Config::to_toml`] has written, whatever the version;
/// `None` if the text is none: not TOML, or without a key that is always there.
pub fn figure_names(text: &str) -> Option<Vec<String>> {
    let table: toml::Table = text.parse().ok()?;
    let always = [
        "name",
        "seed",
        "replicates",
        "sequence",
        "loss",
        "cell",
        "record",
        "fit",
    ];
    if !always.iter().all(|key| table.contains_key(*key)) {
        return None;
    }
    let figures = table.get("figure").and_then(toml::Value::as_array);
    let names = figures
        .into_iter()
        .flatten()
        .map(|figure| figure.get("name"));
    Some(
        names
            .filter_map(|name| Some(name?.as_str()?.to_owned()))
            .collect(),
    )
}

fn cell(text: &mut String, entry: &CellEntry) {
    text.push_str("\n[[cell]]\n");
    for (k, (key, value)) in entries(&entry.cell).into_iter().enumerate() {
        text.push_str(&format!("{key} = {value}\n"));
        if k == 0 {
            line(text, "label", &entry.label);
        }
    }
}

fn table(text: &mut String, header: &str, value: &impl Serialize) {
    text.push_str(&format!("\n{header}\n"));
    for (key, value) in entries(value) {
        text.push_str(&format!("{key} = {value}\n"));
    }
}

fn line(text: &mut String, key: &str, value: &impl Serialize) {
    text.push_str(&format!("{key} = {}\n", inline(value)));
}

/// A value of an axis, as it is written in a configuration, but for numbers of hundreds of digits: `1e300`.
pub(crate) fn readable(value: &toml::Value) -> String {
    match value {
        toml::Value::Float(number) => format!("{number:?}"),
        _ => value.to_string(),
    }
}

/// A value on one line.
fn inline(value: &impl Serialize) -> String {
    let mut text = String::new();
    value
        .serialize(toml::ser::ValueSerializer::new(&mut text))
        .expect("a configuration holds nothing TOML cannot");
    text
}

/// The entries of something that serialises as a table, in its own order, each on one line.
///
/// Written through the inline form, because the TOML crate's document form puts all tables behind
/// all scalars and its `Value` sorts by name.
fn entries(value: &impl Serialize) -> Vec<(String, String)> {
    let text = inline(value);
    tree(&text)
        .entries()
        .iter()
        .map(|entry| {
            let value = text[entry.node.span.clone()].to_owned();
            (entry.key.clone(), value)
        })
        .collect()
}

/// The tree of something that serialises as TOML; its places mean nothing outside.
pub(super) fn to_tree(value: &impl Serialize) -> Node {
    tree(&inline(value))
}

fn tree(text: &str) -> Node {
    Node::value(text, 0).expect("what was just written can be read")
}

/// The name of a unit variant as it is written in a configuration.
pub(super) fn name_of(variant: &impl Serialize) -> String {
    match to_tree(variant).value {
        Value::String(name) => name,
        other => unreachable!("a unit variant is a string, not {other:?}"),
    }
}

/// The first key in which two configurations differ that cannot share a results folder, with both
/// values: `sequence.steps` is 200 in `a` and 300 in `b`.
///
/// They can share one if they differ only in the values on the axes of `[sweep]`, in `replicates`, in
/// `memory`, and in what is fitted and drawn.
pub fn difference(a: &Config, b: &Config) -> Option<String> {
    let (a, b) = (leaves(a), leaves(b));
    let value = |leaves: &[(String, String)], key: &str| {
        let leaf = leaves.iter().find(|(name, _)| name == key);
        leaf.map(|(_, value)| value.clone())
    };
    let differs = |(key, _): &&(String, String)| value(&a, key) != value(&b, key);
    let (key, _) = a.iter().chain(&b).find(differs)?;
    let shown = |value: Option<String>| match value {
        None => "absent".to_owned(),
        Some(value) if value.is_empty() => "an axis".to_owned(),
        Some(value) => value,
    };
    Some(format!(
        "`{key}` is {} there and {} here",
        shown(value(&a, key)),
        shown(value(&b, key))
    ))
}

/// Every key that matters for a results folder, with its value; axes without theirs.
fn leaves(config: &Config) -> Vec<(String, String)> {
    let mut leaves = Vec::new();
    collect(&mut leaves, "name", &to_tree(&config.name));
    collect(&mut leaves, "seed", &to_tree(&config.seed));
    collect(&mut leaves, "sequence", &to_tree(&config.sequence));
    collect(&mut leaves, "loss", &to_tree(&config.loss));
    for entry in &config.cells {
        collect(&mut leaves, &entry.label, &to_tree(&entry.cell));
    }
    for axis in &config.sweep {
        leaves.push((format!("sweep.\"{}\"", axis.key), String::new()));
    }
    collect(&mut leaves, "record", &to_tree(&config.record));
    leaves
}

fn collect(leaves: &mut Vec<(String, String)>, path: &str, node: &Node) {
    match &node.value {
        Value::Table(entries) => {
            for entry in entries {
                collect(leaves, &format!("{path}.{}", entry.key), &entry.node);
            }
        }
        _ => leaves.push((path.to_owned(), node.to_toml().to_string())),
    }
}
