//! The JSON Schema of a configuration file, so that editors complete, explain and check it.
//!
//! Keys, types, defaults and descriptions are derived from [`Config`] and from the cells'
//! configurations: a doc comment there is a description here. This module adds what a derive cannot
//! know: which keys belong to which `kind`, what `[sweep]` may vary, and that every `usize` is a size.
//! It holds no list of keys.
//!
//! The dialect is draft 2020-12, and nothing in it that draft 7 does not read alike, because TOML
//! editors lag behind. For the same reason there are no references, and tables with a `kind` spell
//! out all their keys (for completion) before `if`/`then` picks those of one kind (for errors that
//! name the key, which `oneOf` does not).

use schemars::SchemaGenerator;
use schemars::generate::SchemaSettings;
use serde_json::{Map, Value, json};

use super::grid::SWEPT;
use super::load::TOP_KEYS;
use super::reader::MAX_SIZE;
use super::{Config, FigureKind, Input, OF_NO_LAYER, write};
use crate::network::{Network, STACK};
use crate::registry::Cell;

type Object = Map<String, Value>;

/// The schema of a whole file.
pub(super) fn schema() -> Value {
    let settings = SchemaSettings::draft2020_12().with(|settings| {
        settings.inline_subschemas = true;
        // Titles repeat the names of Rust's types.
        settings.transforms.clear();
    });
    let mut generator = settings.into_generator();
    let mut root = generator.root_schema_for::<Config>().to_value();
    let layers = Layers::new(&mut generator);
    tidy(&mut root);

    let tables = &mut root["properties"];
    by_kind_of_input(&mut tables["sequence"]["properties"]["input"]);
    by_kind_of_cell(&mut tables["cell"]["items"], &layers);
    by_kind_of_figure(&mut tables["figure"]["items"]);
    let axes = axes(tables, &layers);
    tables["sweep"]
        .as_object_mut()
        .expect("a map is an object")
        .extend(axes);
    root["title"] = json!("vangrad experiment");
    root
}

/// Where in a configuration a key of this name stands: `cell.hidden` for `hidden`.
pub(super) fn paths_to(name: &str) -> Vec<String> {
    fn collect(table: &Value, path: &str, name: &str, found: &mut Vec<String>) {
        for (key, schema) in table["properties"].as_object().into_iter().flatten() {
            let path = match path {
                "" => key.clone(),
                path => format!("{path}.{key}"),
            };
            // Neither axes nor figures are set by their path.
            if ["sweep", "figure"].contains(&path.as_str()) {
                continue;
            }
            if key == name && path != name {
                found.push(path.clone());
            }
            // Of the lists, only those of the top level are addressed by their key.
            let items = schema.get("items").filter(|_| path == *key);
            for inner in std::iter::once(schema).chain(items) {
                collect(inner, &path, name, found);
            }
        }
    }
    let mut found = Vec::new();
    collect(&schema(), "", name, &mut found);
    found
}

// ---- tables with a kind -----------------------------------------------------------------------

/// The closed schema of one kind of table.
#[derive(Clone)]
struct Branch {
    kind: String,
    schema: Value,
}

impl Branch {
    /// From the schema that a table of this kind derives.
    fn new(kind: &str, mut schema: Value) -> Self {
        tidy(&mut schema);
        Self {
            kind: kind.to_owned(),
            schema,
        }
    }

    fn properties_mut(&mut self) -> &mut Object {
        self.schema["properties"]
            .as_object_mut()
            .expect("a table has keys")
    }

    fn properties(&self) -> &Object {
        self.schema["properties"]
            .as_object()
            .expect("a table has keys")
    }
}

/// The derived schema of a tagged enum is one closed table per kind.
fn by_kind_of_input(input: &mut Value) {
    let Value::Array(branches) = input["oneOf"].take() else {
        unreachable!("a tagged enum is one of its variants");
    };
    let branches = branches.into_iter().map(|schema| Branch {
        kind: string(&schema["properties"]["kind"]["const"]),
        schema,
    });
    let default = write::to_tree(&Input::default());
    let default = default.get("kind").map(|kind| kind.factor());
    *input = by_kind(input, branches.collect(), "What kind of input.", default);
}

/// What `[[cell]]` and `[sweep]` have in common.
struct Layers {
    /// One cell of each kind, as a layer of a stack has it: without `label` and `layers`.
    cells: Vec<Branch>,
    /// Those together.
    layer: Value,
    /// The key `layers` of a cell of any kind.
    equal: Object,
    /// The keys of a stack.
    stack: Branch,
}

impl Layers {
    fn new(generator: &mut SchemaGenerator) -> Self {
        let cells = Cell::schemas(generator).into_iter();
        let cells: Vec<Branch> = cells
            .map(|(kind, schema)| Branch::new(kind, schema.to_value()))
            .collect();
        let layer = by_kind(&json!({}), cells.clone(), KIND_OF_CELL, None);
        let equal = Branch::new("", Network::equal_schema(generator).to_value());
        let mut stack = Branch::new(STACK, Network::stack_schema(generator).to_value());
        stack.schema["properties"]["layers"]["items"] = layer.clone();
        Self {
            cells,
            layer,
            equal: equal.properties().clone(),
            stack,
        }
    }
}

const KIND_OF_CELL: &str = "What kind of cell.";

fn by_kind_of_cell(cell: &mut Value, layers: &Layers) {
    let mut label = cell["properties"]["label"].take();
    label["not"] = json!({ "enum": TOP_KEYS });
    let single = layers.cells.iter().cloned().map(|mut branch| {
        branch.properties_mut().extend(layers.equal.clone());
        branch
    });
    let branches = single.chain([layers.stack.clone()]).map(|mut branch| {
        let mut label = label.clone();
        label["default"] = json!(branch.kind);
        branch.properties_mut().insert("label".to_owned(), label);
        branch
    });
    *cell = by_kind(cell, branches.collect(), KIND_OF_CELL, None);
}

fn by_kind_of_figure(figure: &mut Value) {
    let kind = figure["properties"]["kind"].clone();
    let docs = &kind["x-taplo"]["docs"]["enumValues"];
    let kinds = kind["enum"].as_array().into_iter().flatten();
    let branches = kinds.enumerate().map(|(k, kind)| {
        let mut schema = figure.clone();
        schema["description"] = docs[k].clone();
        schema["properties"]["name"]["default"] = kind.clone();
        let of_kind: FigureKind =
            serde_json::from_value(kind.clone()).expect("the schema names kinds of figures");
        set_quantities(&mut schema, &of_kind.quantities());
        require(&mut schema, "name", false);
        for (key, has_axis) in [
            ("x", of_kind.has_factor_axis()),
            ("y", of_kind.has_two_factor_axes()),
        ] {
            require(&mut schema, key, has_axis);
            if !has_axis && let Some(properties) = schema["properties"].as_object_mut() {
                properties.remove(key);
            }
        }
        Branch {
            kind: string(kind),
            schema,
        }
    });
    let branches = branches.collect();
    let about = first_paragraph(&kind["description"]);
    *figure = by_kind(figure, branches, &about, None);
}

/// What `quantity` may be in a figure, if it may be anything: one of `names`, of all layers or of one.
fn set_quantities(figure: &mut Value, names: &[&str]) {
    let Some(properties) = figure["properties"].as_object_mut() else {
        return;
    };
    if names.is_empty() {
        properties.remove("quantity");
        return;
    }
    let of_a_layer: Vec<&str> = names
        .iter()
        .filter(|name| **name != OF_NO_LAYER)
        .copied()
        .collect();
    let of_a_layer = format!(r"^{LAYER}\.({})$", of_a_layer.join("|"));
    properties["quantity"]["anyOf"] = json!([{ "enum": names }, { "pattern": of_a_layer }]);
}

/// A table whose other keys depend on its `kind`. What is said of `table` as a whole stays.
fn by_kind(table: &Value, branches: Vec<Branch>, about: &str, default: Option<String>) -> Value {
    let docs: Vec<(String, String)> = branches
        .iter()
        .map(|branch| {
            let about = first_paragraph(&branch.schema["description"]);
            (branch.kind.clone(), about)
        })
        .collect();
    let mut kind = json!({ "description": about });
    enumerate(&mut kind, &docs);
    if let Some(default) = &default {
        kind["default"] = json!(default);
    }
    let mut keys = Object::new();
    for branch in &branches {
        for key in branch.properties().keys().filter(|key| *key != "kind") {
            if !keys.contains_key(key) {
                keys.insert(key.clone(), merged(key, &branches));
            }
        }
    }
    keys.insert("kind".to_owned(), kind);

    let required = |key: &&String| match key.as_str() {
        "kind" => default.is_none(),
        key => branches.iter().all(|branch| requires(&branch.schema, key)),
    };
    let mut whole = json!({ "type": "object", "properties": keys });
    whole["required"] = json!(keys.keys().filter(required).collect::<Vec<_>>());
    for note in ["description", "default"] {
        if let Some(note_of_table) = table.get(note) {
            whole[note] = note_of_table.clone();
        }
    }
    // The last branch first, because each is the `else` of the one before it.
    for mut branch in branches.into_iter().rev() {
        let is_default = default.as_ref() == Some(&branch.kind);
        branch.schema["properties"]["kind"] = json!({ "const": branch.kind });
        require(&mut branch.schema, "kind", !is_default);
        branch.schema["type"] = json!("object");
        let mut condition = json!({ "properties": { "kind": { "const": branch.kind } } });
        if !is_default {
            condition["required"] = json!(["kind"]);
        }
        if let Value::Object(chain) = &mut whole {
            let before = chain.remove("if").zip(chain.remove("then"));
            if let Some((condition, schema)) = before {
                let mut rest = json!({ "if": condition, "then": schema });
                if let Some(last) = chain.remove("else") {
                    rest["else"] = last;
                }
                chain.insert("else".to_owned(), rest);
            }
            chain.insert("if".to_owned(), condition);
            chain.insert("then".to_owned(), branch.schema);
        }
    }
    whole
}

/// One schema for a key of several kinds of table, which accepts what any of them does.
fn merged(key: &str, branches: &[Branch]) -> Value {
    let with_key: Vec<(&str, &Value)> = branches
        .iter()
        .filter_map(|branch| Some((branch.kind.as_str(), branch.properties().get(key)?)))
        .collect();
    let everywhere = with_key.len() == branches.len();
    let mut whole = either(with_key.iter().map(|(_, schema)| *schema));
    let descriptions = with_key
        .iter()
        .map(|(kind, schema)| (*kind, string(&schema["description"])));
    let mut described: Vec<(Vec<&str>, String)> = Vec::new();
    for (kind, description) in descriptions {
        match described.iter_mut().find(|(_, d)| *d == description) {
            Some((kinds, _)) => kinds.push(kind),
            None => described.push((vec![kind], description)),
        }
    }
    let paragraphs: Vec<String> = match described.as_slice() {
        [(_, description)] if everywhere => vec![description.clone()],
        described => described
            .iter()
            .map(|(kinds, description)| format!("`{}`: {description}", kinds.join("`, `")))
            .collect(),
    };
    whole["description"] = json!(paragraphs.join("\n\n"));
    let (_, first) = with_key[0];
    if let Some(default) = first.get("default")
        && with_key
            .iter()
            .all(|(_, schema)| schema.get("default") == Some(default))
    {
        whole["default"] = default.clone();
    }
    whole
}

/// What any of these accepts, without their descriptions and defaults.
fn either<'s>(schemas: impl Iterator<Item = &'s Value>) -> Value {
    let mut different: Vec<Value> = Vec::new();
    for schema in schemas {
        let mut schema = schema.clone();
        if let Value::Object(schema) = &mut schema {
            schema.remove("description");
            schema.remove("default");
        }
        if !different.contains(&schema) {
            different.push(schema);
        }
    }
    match <[Value; 1]>::try_from(different) {
        Ok([only]) => only,
        Err(different) => by_type(&different).unwrap_or_else(|| json!({ "anyOf": different })),
    }
}

/// One schema for whole numbers and lists, if each keyword is of one of the two alone. Unlike `anyOf`,
/// it tells a mistake in a list by its place in there.
fn by_type(schemas: &[Value]) -> Option<Value> {
    const OF_ONE_TYPE: [&str; 6] = [
        "minimum",
        "maximum",
        "items",
        "minItems",
        "maxItems",
        "uniqueItems",
    ];
    let mut types: Vec<&str> = Vec::new();
    let mut whole = Object::new();
    for schema in schemas {
        for (key, value) in schema.as_object()? {
            match (key.as_str(), value.as_str()) {
                ("type", Some(name @ ("integer" | "array"))) if !types.contains(&name) => {
                    types.push(name);
                }
                (key, _) if OF_ONE_TYPE.contains(&key) && !whole.contains_key(key) => {
                    whole.insert(key.to_owned(), value.clone());
                }
                _ => return None,
            }
        }
    }
    (types.len() == schemas.len()).then(|| {
        whole.insert("type".to_owned(), json!(types));
        Value::Object(whole)
    })
}

// ---- [sweep] ----------------------------------------------------------------------------------

/// What may stand for a label and for the number of a layer.
const LABEL: &str = "[A-Za-z0-9_-]+";
const LAYER: &str = "(0|[1-9][0-9]*)";

/// What `[sweep]` may hold: every key of a run as a path, dotted or in nested tables, with a list of
/// its values. Cells have labels and numbers of layers that only the file knows, hence patterns.
fn axes(tables: &Value, layers: &Layers) -> Object {
    let of_top = |key: &&str| (tables.get(*key)).map(|schema| ((*key).to_owned(), schema.clone()));
    let top: Object = SWEPT.iter().filter_map(of_top).collect();
    let top = axes_below(&top);
    let mut layer = layers.layer.clone();
    if let Some(keys) = layer["properties"].as_object_mut() {
        keys.remove("kind");
    }
    let (layer, number) = (axes_of(&layer), axes_below(&layers.equal));
    let mut cell = layer.clone();
    cell.extend(number.clone());

    let escaped = |path: &String| path.replace('.', r"\.");
    let names = |axes: &Object| axes.keys().map(escaped).collect::<Vec<_>>().join("|");
    let patterns = |below: &str, axes: &Object| -> Object {
        axes.iter()
            .map(|(path, axis)| (format!(r"^{below}\.{}$", escaped(path)), axis.clone()))
            .collect()
    };
    let of_a_layer = json!({
        "description": "Axes of this layer of a stack, counted from 0 at the inputs.",
        "type": "object",
        "properties": layer,
        "additionalProperties": false,
    });
    let mut of_layers = patterns(LAYER, &layer);
    of_layers.insert(format!("^{LAYER}$"), of_a_layer.clone());
    let of_a_cell = json!({
        "description": "Axes of the cell with this label, or of every cell for `cell`.",
        "type": "object",
        "properties": cell,
        "patternProperties": of_layers,
        "additionalProperties": false,
    });
    let mut by_label = patterns(&format!(r"{LABEL}(\.{LAYER})?"), &layer);
    by_label.extend(patterns(LABEL, &number));
    by_label.insert(format!(r"^{LABEL}\.{LAYER}$"), of_a_layer);
    let (of_cell, of_layer) = (names(&cell), names(&layer));
    let labelled = format!(r"^{LABEL}(\.({of_cell}|{LAYER}(\.({of_layer}))?))?$");
    let no_label: Vec<&str> = TOP_KEYS.into_iter().filter(|key| *key != "cell").collect();
    let no_label = format!(r"^({})(\.|$)", no_label.join("|"));
    let known = json!({ "anyOf": [
        { "pattern": format!("^({})$", names(&top)) },
        { "pattern": labelled, "not": { "pattern": no_label } },
    ] });
    let mut sweep = Object::new();
    sweep.insert("properties".to_owned(), Value::Object(top));
    sweep.insert("patternProperties".to_owned(), Value::Object(by_label));
    sweep.insert("additionalProperties".to_owned(), of_a_cell);
    sweep.insert("propertyNames".to_owned(), known);
    sweep
}

/// The axes over the keys of a table, by path.
fn axes_of(table: &Value) -> Object {
    match table.get("properties").and_then(Value::as_object) {
        Some(keys) => axes_below(keys),
        None => alternatives(table).flat_map(axes_of).collect(),
    }
}

fn axes_below(keys: &Object) -> Object {
    let mut axes = Object::new();
    for (key, schema) in keys {
        let below = axes_of(schema);
        let mut list = json!({
            "type": "array",
            "items": either(std::iter::once(schema)),
            "minItems": 1,
            "uniqueItems": true,
        });
        let description = schema["description"].clone();
        let axis = if below.is_empty() {
            list["description"] = description;
            list
        } else {
            let nested = json!({
                "type": "object",
                "properties": below,
                "additionalProperties": false,
            });
            json!({ "description": description, "anyOf": [list, nested] })
        };
        axes.insert(key.clone(), axis);
        axes.extend(
            below
                .into_iter()
                .map(|(path, axis)| (format!("{key}.{path}"), axis)),
        );
    }
    axes
}

fn alternatives(schema: &Value) -> impl Iterator<Item = &Value> {
    let any = schema.get("anyOf").and_then(Value::as_array);
    any.into_iter().flatten()
}

// ---- what derives leave -----------------------------------------------------------------------

/// Brings a derived schema and everything in it into the form that this module promises.
fn tidy(schema: &mut Value) {
    match schema {
        Value::Array(items) => items.iter_mut().for_each(tidy),
        Value::Object(object) => {
            tidy_one(object);
            for (key, inner) in object.iter_mut() {
                match key.as_str() {
                    // A key of the file may have the name of a keyword.
                    "properties" => {
                        let keys = inner.as_object_mut().into_iter();
                        keys.flat_map(Map::values_mut).for_each(tidy);
                    }
                    "default" | "enum" | "const" | "x-taplo" => {}
                    _ => tidy(inner),
                }
            }
        }
        _ => {}
    }
}

fn tidy_one(schema: &mut Object) {
    schema.remove("title");
    if let Some(Value::String(text)) = schema.get_mut("description") {
        *text = prose(text);
    }
    // TOML has no null: a key without a value is absent.
    if schema.get("default") == Some(&Value::Null) {
        schema.remove("default");
    }
    if let Some(Value::Array(types)) = schema.get("type")
        && let [only, Value::String(null)] = types.as_slice()
        && null == "null"
    {
        let only = only.clone();
        schema.insert("type".to_owned(), only);
    }
    match schema.remove("format") {
        Some(format) if format == "uint" => {
            let minimum = schema.get("minimum").and_then(Value::as_u64).unwrap_or(0);
            schema.insert("minimum".to_owned(), json!(minimum.max(1)));
            schema
                .entry("maximum")
                .or_insert_with(|| json!(MAX_SIZE as u64));
        }
        // The integers of TOML are signed.
        Some(format) if format == "uint64" => {
            schema.entry("maximum").or_insert_with(|| json!(i64::MAX));
        }
        _ => {}
    }
    let names = |value: &Value| -> Option<(String, String)> {
        let name = value.get("const")?.as_str()?.to_owned();
        let about = value["description"].as_str().unwrap_or_default();
        Some((name, prose(about)))
    };
    if let Some(Value::Array(values)) = schema.get("oneOf")
        && let Some(values) = values.iter().map(names).collect::<Option<Vec<_>>>()
    {
        schema.remove("oneOf");
        let mut value = Value::Object(std::mem::take(schema));
        enumerate(&mut value, &values);
        if let Value::Object(object) = value {
            *schema = object;
        }
    }
}

/// Allows these names alone, each with its description.
fn enumerate(schema: &mut Value, names: &[(String, String)]) {
    let mut description = string(&schema["description"]);
    for (name, about) in names {
        description.push_str(&format!("\n\n`{name}`: {about}"));
    }
    let (names, abouts): (Vec<_>, Vec<_>) = names.iter().cloned().unzip();
    schema["type"] = json!("string");
    schema["enum"] = json!(names);
    schema["description"] = json!(description);
    // Shown beside each name that is offered; ignored by other tools.
    schema["x-taplo"] = json!({ "docs": { "enumValues": abouts } });
}

/// A doc comment as text for a tooltip: one line per paragraph or item, links as their words.
fn prose(comment: &str) -> String {
    let mut text = String::new();
    for line in comment.lines().map(str::trim) {
        if line.is_empty() {
            text.push_str("\n\n");
        } else if line.starts_with("- ") {
            text.push('\n');
        } else if !text.is_empty() && !text.ends_with('\n') {
            text.push(' ');
        }
        text.push_str(line);
    }
    // Of `[words](target)` and of "[`words`]" only the words are meant for readers.
    let mut plain = String::new();
    let mut rest = text.as_str();
    while let Some((before, link)) = rest.split_once("[`") {
        let Some((words, after)) = link.split_once("`]") else {
            break;
        };
        plain.push_str(&format!("{before}`{words}`"));
        rest = match after.strip_prefix('(').and_then(|a| a.split_once(')')) {
            Some((_, after)) => after,
            None => after,
        };
    }
    plain.push_str(rest);
    plain
}

fn first_paragraph(description: &Value) -> String {
    let description = string(description);
    let first = description.split("\n\n").next();
    first.unwrap_or_default().to_owned()
}

fn string(value: &Value) -> String {
    value.as_str().unwrap_or_default().to_owned()
}

fn requires(schema: &Value, key: &str) -> bool {
    let required = schema["required"].as_array();
    required.is_some_and(|required| required.iter().any(|name| name == key))
}

fn require(schema: &mut Value, key: &str, required: bool) {
    let names = schema["required"].as_array().into_iter().flatten();
    let mut names: Vec<Value> = names.filter(|name| *name != key).cloned().collect();
    if required {
        names.push(json!(key));
    }
    schema["required"] = Value::Array(names);
}
