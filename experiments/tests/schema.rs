//! The JSON Schema says what the reader of configurations does: the same keys, values and defaults.
//!
//! Nothing here lists keys: tables, keys and kinds are taken from the schema, what is right from the
//! reader. A new key, kind or cell is tested as soon as it exists.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use experiments::config::{Config, ConfigError};
use serde_json::{Map, Value, json};

/// The largest size there is: as many steps as this leave room for every lag and every pulse.
const LONG: u64 = 1 << 32;

fn load(config: &Value) -> Result<Config, ConfigError> {
    let text = toml::to_string(config).unwrap();
    Config::load(&text, "test.toml", &[]).map(|loaded| loaded.config)
}

fn parse(toml: &str) -> Value {
    serde_json::to_value(toml.parse::<toml::Table>().unwrap()).unwrap()
}

/// Judges by draft 2020-12, and by draft 7, which is all that some TOML editors know.
struct Judge([jsonschema::Validator; 2]);

impl Judge {
    fn new() -> Self {
        let mut schema = Config::schema();
        let newest = jsonschema::draft202012::new(&schema).unwrap();
        schema.as_object_mut().unwrap().remove("$schema");
        Self([newest, jsonschema::draft7::new(&schema).unwrap()])
    }

    /// What is wrong with a configuration; both drafts agree whether there is anything.
    #[track_caller]
    fn problems(&self, config: &Value) -> Vec<String> {
        let [newest, draft7] = self.0.each_ref().map(|validator| {
            let errors = validator.iter_errors(config);
            let errors = errors.map(|error| format!("{}: {error}", error.instance_path()));
            errors.collect::<Vec<_>>()
        });
        assert_eq!(newest.is_empty(), draft7.is_empty(), "{config:#}");
        newest
    }

    #[track_caller]
    fn accepts(&self, config: &Value) {
        let problems = self.problems(config);
        assert!(problems.is_empty(), "{problems:?}\n{config:#}");
    }

    #[track_caller]
    fn refuses(&self, config: &Value) {
        assert!(!self.problems(config).is_empty(), "accepted: {config:#}");
    }
}

// ---- walking the schema -----------------------------------------------------------------------

/// A table of one kind, somewhere in a configuration.
struct Table {
    /// The path to it: keys, and `0` for the only table of a list.
    path: Vec<String>,
    /// Its own schema.
    schema: Value,
    /// A configuration that holds the table with its required keys alone, and is valid.
    config: Value,
}

/// `object` with a value at a path; tables on the way are made.
fn with(config: &Value, path: &[String], value: Value) -> Value {
    let mut config = config.clone();
    let mut place = &mut config;
    for key in path {
        place = match place {
            Value::Array(items) => &mut items[key.parse::<usize>().unwrap()],
            // Where an alternative is no table, the table takes its place.
            Value::Object(_) => &mut place[key],
            other => {
                *other = json!({});
                &mut other[key]
            }
        };
    }
    *place = value;
    config
}

fn below(path: &[String], key: &str) -> Vec<String> {
    [path, &[key.to_owned()]].concat()
}

fn properties(schema: &Value) -> &Map<String, Value> {
    schema["properties"].as_object().unwrap()
}

/// The schemas of a table, one per kind; itself if it has no kinds.
fn kinds(table: &Value) -> Vec<&Value> {
    let mut kinds = Vec::new();
    let mut rest = table;
    while let Some(kind) = rest.get("then") {
        kinds.push(kind);
        rest = &rest["else"];
    }
    if kinds.is_empty() {
        kinds.push(table);
    }
    kinds
}

fn required(schema: &Value) -> BTreeSet<&str> {
    let names = schema["required"].as_array().into_iter().flatten();
    names.map(|name| name.as_str().unwrap()).collect()
}

/// A value for a required key that goes with the others.
fn sample(key: &str, schema: &Value) -> Value {
    match (key, schema["type"].as_str()) {
        ("kind", _) => schema["const"].clone(),
        ("steps", _) => json!(LONG),
        // An axis of every configuration here.
        ("x", _) => json!("seed"),
        ("y", _) => json!("sequence.batch"),
        // The size of the inputs, so that every matrix is square.
        (_, Some("integer")) => json!(if key == "hidden" { 8 } else { 1 }),
        (_, Some("number")) => json!(2.5),
        (_, Some("string")) => json!("some-name"),
        // The layers of a stack.
        (_, Some("array")) => json!([smallest(kinds(&schema["items"])[0])]),
        _ => panic!("no sample for `{key}`: {schema}"),
    }
}

/// The required keys of a table of one kind.
fn smallest(schema: &Value) -> Value {
    let value = |key: &str| (key.to_owned(), sample(key, &properties(schema)[key]));
    Value::Object(required(schema).into_iter().map(value).collect())
}

/// Every table a configuration can have but `[sweep]`, of every kind.
fn tables() -> Vec<Table> {
    let schema = Config::schema();
    let cell = kinds(&schema["properties"]["cell"]["items"])[0].clone();
    let config = json!({
        "name": "small",
        "sequence": smallest(&properties(&schema)["sequence"]),
        "cell": [smallest(&cell)],
        "sweep": { "seed": [1, 2], "sequence.batch": [1, 2] },
        // Whatever is drawn has been recorded.
        "record": { "quantities": schema["properties"]["record"]["properties"]["quantities"]["items"]["enum"] },
    });
    let mut tables = Vec::new();
    collect(&schema, Vec::new(), &config, &mut tables);
    tables
}

fn collect(schema: &Value, path: Vec<String>, config: &Value, tables: &mut Vec<Table>) {
    for kind in kinds(schema) {
        let config = match path.last().map(String::as_str) {
            None | Some("sequence" | "record") => config.clone(),
            _ => with(config, &path, smallest(kind)),
        };
        for (key, value) in properties(kind) {
            let path = below(&path, key);
            let alternatives = value["anyOf"].as_array().into_iter().flatten();
            for value in alternatives.chain([value]) {
                if key == "sweep" || key == "where" {
                    continue;
                } else if value["items"].get("properties").is_some() {
                    let config = with(&config, &path, json!([{}]));
                    collect(&value["items"], below(&path, "0"), &config, tables);
                } else if value.get("properties").is_some() {
                    collect(value, path.clone(), &config, tables);
                }
            }
        }
        tables.push(Table {
            path: path.clone(),
            schema: kind.clone(),
            config,
        });
    }
}

// ---- keys -------------------------------------------------------------------------------------

#[test]
fn the_walk_finds_the_tables_of_a_configuration() {
    let paths: BTreeSet<String> = tables().iter().map(|table| table.path.join(".")).collect();
    for path in [
        "",
        "sequence",
        "sequence.input",
        "loss",
        "record",
        "fit",
        "cell.0",
        "cell.0.recurrent_weights",
        "cell.0.forget_bias",
        "cell.0.layers.0",
        "cell.0.layers.0.recurrent_weights",
        "cell.0.layers.0.forget_bias",
        "figure.0",
    ] {
        assert!(paths.contains(path), "{path} is not in {paths:?}");
    }
}

#[test]
fn every_table_with_its_required_keys_alone_is_valid() {
    let judge = Judge::new();
    for table in tables() {
        if let Err(error) = load(&table.config) {
            panic!("{error}");
        }
        judge.accepts(&table.config);
    }
}

#[test]
fn the_keys_of_the_schema_are_those_of_the_reader() {
    let judge = Judge::new();
    let root = Config::schema();
    for table in tables() {
        let config = with(&table.config, &below(&table.path, "zzz"), json!(1));
        judge.refuses(&config);
        // The keys of all kinds of inputs are known; those of another kind are refused as such.
        let schema = match table.path.join(".").as_str() {
            "sequence.input" => &root["properties"]["sequence"]["properties"]["input"],
            _ => &table.schema,
        };
        match load(&config) {
            Err(ConfigError::UnknownKey { known, .. }) => {
                let known: BTreeSet<&str> = known.iter().map(String::as_str).collect();
                let stated = properties(schema).keys().map(String::as_str).collect();
                // These are keys of every figure to the reader, which says why some have none.
                let has = |key: &str| properties(schema).contains_key(key);
                let of_some = |key: &str| ["x", "y", "quantity"].contains(&key);
                let known: BTreeSet<&str> = known
                    .into_iter()
                    .filter(|key| has(key) || !of_some(key))
                    .collect();
                assert_eq!(known, stated, "{}", table.path.join("."));
            }
            other => panic!("{}: {other:?}", table.path.join(".")),
        }
    }
}

#[test]
fn every_key_has_a_description_and_a_default_unless_it_is_required() {
    let mut seen = 0;
    for table in tables() {
        for (key, schema) in properties(&table.schema) {
            if key == "kind" && schema.get("const").is_some() {
                continue;
            }
            let place = format!("{}.{key}", table.path.join("."));
            let description = schema["description"].as_str().unwrap_or_default();
            assert!(!description.is_empty(), "{place} has no description");
            for markup in ["[`", "](", "\n///"] {
                assert!(!description.contains(markup), "{place}: {description}");
            }
            let has_default = schema.get("default").is_some();
            if required(&table.schema).contains(key.as_str()) {
                assert!(!has_default, "{place} is required and has a default");
            } else {
                let says = description.contains("if not given");
                assert!(has_default || says, "{place} has no default");
            }
            seen += 1;
        }
    }
    assert!(seen > 50, "only {seen} keys");
}

/// Names are explained one by one: those of `kind`, `init`, `activation`, and so on.
#[test]
fn every_name_that_is_allowed_has_a_description() {
    fn check(schema: &Value, seen: &mut usize) {
        match schema {
            Value::Object(object) => {
                let names = object.get("enum").and_then(Value::as_array);
                let docs = &schema["x-taplo"]["docs"]["enumValues"];
                if let Some(names) = names
                    && !docs.is_null()
                {
                    let docs: Vec<&str> = docs.as_array().unwrap().iter().map(text).collect();
                    assert_eq!(names.len(), docs.len());
                    assert!(docs.iter().all(|doc| !doc.is_empty()), "{names:?}");
                    *seen += 1;
                }
                object.values().for_each(|value| check(value, seen));
            }
            Value::Array(items) => items.iter().for_each(|item| check(item, seen)),
            _ => {}
        }
    }
    fn text(value: &Value) -> &str {
        value.as_str().unwrap()
    }
    let mut seen = 0;
    check(&Config::schema(), &mut seen);
    assert!(seen > 5);
}

// ---- values -----------------------------------------------------------------------------------

/// Values of every type, at the edges of every range, and every name that is allowed anywhere.
fn candidates(schema: &Value) -> Vec<Value> {
    let mut values = vec![
        json!(true),
        json!(-1),
        json!(-0.5),
        json!(0),
        json!(1),
        json!(2),
        json!(2.5),
        json!(3),
        json!(LONG),
        json!(LONG + 1),
        json!(i64::MAX),
        json!("some-name"),
        json!("no name"),
        json!(""),
        json!("loss"),
        json!([]),
        json!([1]),
        json!(["adjoint", "adjoint"]),
        json!({}),
        json!({ "chrono": 2 }),
        json!({ "chrono": 2.5 }),
        json!({ "init": "orthogonal", "gain": -1 }),
    ];
    for bound in [&schema["minimum"], &schema["maximum"]] {
        let steps = bound.as_i64().into_iter().flat_map(|bound| {
            let around = [bound.checked_sub(1), Some(bound), bound.checked_add(1)];
            around.into_iter().flatten()
        });
        values.extend(steps.map(|value| json!(value)));
    }
    let listed = schema["anyOf"].as_array().into_iter().flatten();
    let listed = listed.map(|schema| &schema["enum"]);
    for names in listed.chain([&schema["enum"], &schema["items"]["enum"]]) {
        for name in names.as_array().into_iter().flatten() {
            values.push(name.clone());
            values.push(json!([name]));
        }
    }
    values.extend(schema.get("default").cloned());
    values
}

#[test]
fn the_schema_accepts_a_value_where_the_reader_does() {
    let judge = Judge::new();
    let (mut accepted, mut refused) = (0, 0);
    for table in tables() {
        for (key, schema) in properties(&table.schema) {
            if key == "kind" && table.path.is_empty() {
                continue;
            }
            // What only the whole file can tell: which cells and axes there are.
            if ["sweep", "cell", "figure"].contains(&key.as_str()) {
                continue;
            }
            for value in candidates(schema) {
                let is_table = schema.get("properties").is_some() && value.is_object();
                let names_an_axis = (["x", "y"].contains(&key.as_str()) && value.is_string())
                    || (key == "where" && value.is_object());
                if names_an_axis || (is_table && key != "forget_bias") {
                    continue;
                }
                let config = with(&table.config, &below(&table.path, key), value.clone());
                let place = format!("{}.{key} = {value}", table.path.join("."));
                let problems = judge.problems(&config);
                match load(&config) {
                    // A grid of more runs than anyone computes is nothing a schema can count.
                    Ok(_) | Err(ConfigError::TooLarge { .. }) => {
                        accepted += 1;
                        assert!(problems.is_empty(), "{place}: {problems:?}");
                    }
                    // Whether a number divides another key's, or a list is as long as that says, no schema
                    // can tell.
                    Err(error)
                        if ["expected a divisor of", "one for each block"]
                            .iter()
                            .any(|said| error.to_string().contains(said)) => {}
                    Err(error) => {
                        refused += 1;
                        assert!(!problems.is_empty(), "{place} accepted, but {error}");
                    }
                }
            }
        }
    }
    assert!(accepted > 100 && refused > 500, "{accepted}, {refused}");
}

#[test]
fn a_key_of_another_kind_is_refused_as_the_reader_does() {
    let judge = Judge::new();
    let mut refused = 0;
    let tables = tables();
    for table in &tables {
        for other in tables.iter().filter(|other| other.path == table.path) {
            for (key, schema) in properties(&other.schema) {
                if key == "kind" || properties(&table.schema).contains_key(key) {
                    continue;
                }
                let value = match schema.get("default") {
                    Some(default) => default.clone(),
                    None => sample(key, schema),
                };
                let config = with(&table.config, &below(&table.path, key), value);
                judge.refuses(&config);
                assert!(load(&config).is_err());
                refused += 1;
            }
        }
    }
    assert!(refused > 10, "{refused}");
}

// ---- defaults ---------------------------------------------------------------------------------

/// A configuration with every default that the schema states.
fn filled(schema: &Value, value: &Value) -> Value {
    match value {
        Value::Array(items) if schema.get("items").is_some() => {
            let items = items.iter().map(|item| filled(&schema["items"], item));
            Value::Array(items.collect())
        }
        Value::Object(object) => {
            let kind = |schema: &Value| schema["properties"]["kind"]["const"].clone();
            let named = object
                .get("kind")
                .or_else(|| schema.get("properties")?.get("kind")?.get("default"));
            let schema = match named {
                Some(name) => kinds(schema).into_iter().find(|s| kind(s) == *name),
                None => None,
            }
            .unwrap_or(schema);
            let Some(keys) = schema.get("properties").and_then(Value::as_object) else {
                return value.clone();
            };
            let mut object = object.clone();
            if let Some(name) = named {
                object.insert("kind".to_owned(), name.clone());
            }
            for (key, schema) in keys {
                if let Some(default) = schema.get("default") {
                    object.entry(key.clone()).or_insert_with(|| default.clone());
                }
                if let Some(value) = object.get_mut(key) {
                    *value = filled(schema, value);
                }
            }
            Value::Object(object)
        }
        _ => value.clone(),
    }
}

#[test]
fn the_stated_defaults_are_what_the_reader_fills_in() {
    let schema = Config::schema();
    for table in tables() {
        let mut config = table.config.clone();
        // The walk records everything; here the default counts.
        let drawn = config.get("figure").is_some();
        if !drawn && table.path != ["record"] {
            config.as_object_mut().unwrap().remove("record");
        }
        let resolved = parse(&load(&config).unwrap().to_toml());
        let stated = filled(&schema, &config);
        // What the resolved file leaves out (as the quantity of a figure) is filled in both. Which
        // figures are drawn by default depends on what is recorded; the schema states those of the
        // default.
        let (mut found, mut wanted) = (filled(&schema, &resolved), stated.clone());
        if !drawn && config.get("record").is_some() {
            for value in [&mut found, &mut wanted] {
                value.as_object_mut().unwrap().remove("figure");
            }
        }
        assert_eq!(found, wanted, "{config:#}");
        assert_eq!(
            parse(&load(&stated).unwrap().to_toml())["cell"],
            resolved["cell"]
        );
    }
}

// ---- whole files ------------------------------------------------------------------------------

fn files(folder: &str, name: impl Fn(&Path) -> Option<std::path::PathBuf>) -> Vec<Value> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join(folder);
    let entries = fs::read_dir(folder).unwrap();
    let paths = entries.filter_map(|entry| name(&entry.unwrap().path()));
    paths
        .map(|path| parse(&fs::read_to_string(path).unwrap()))
        .collect()
}

#[test]
fn every_shipped_and_every_resolved_configuration_is_valid() {
    let judge = Judge::new();
    let is_toml = |path: &Path| path.extension().is_some_and(|e| e == "toml");
    let shipped = files("configs", |path| is_toml(path).then(|| path.to_owned()));
    let stored = files("../results", |folder| {
        let config = folder.join("config.toml");
        config.exists().then_some(config)
    });
    assert!(shipped.len() >= 8 && stored.len() >= 7);
    for config in shipped.iter().chain(&stored) {
        judge.accepts(config);
    }
}

#[test]
fn axes_are_checked_by_key_and_value() {
    const BASE: &str = "name = \"x\"\nsequence.steps = 9\n[[cell]]\nkind = \"lstm\"\nhidden = 4\n\
                        label = \"a\"\n[[cell]]\nkind = \"stack\"\nlabel = \"s-1\"\nlayers = [\
                        { kind = \"lstm\", hidden = 4 }, { kind = \"vanilla-rnn\", hidden = 4 }]\n[sweep]\n";
    let judge = Judge::new();
    for (line, is_valid) in [
        ("\"cell.hidden\" = [1, 2]", true),
        ("cell.hidden = [1, 2]", true),
        ("\"a.recurrent_weights.gain\" = [0, 0.5]", true),
        ("a.recurrent_weights.gain = [0, 0.5]", true),
        ("a.\"recurrent_weights.gain\" = [0, 0.5]", true),
        (
            "a.recurrent_weights = [{ init = \"zero\" }, { gain = 2 }]",
            true,
        ),
        ("\"a.forget_bias\" = [1, { chrono = 20 }]", true),
        ("a.forget_bias.chrono = [20, 30]", true),
        ("seed = [1, 2]", true),
        ("\"sequence.steps\" = [5, 6]", true),
        ("sequence.input.std = [0, 0.5]", true),
        ("loss.kind = [\"every-step\", \"terminal\"]", true),
        ("a.layers = [1, 1000]", true),
        ("\"cell.layers\" = [1, 2]", true),
        ("\"s-1.hidden\" = [1, 2]", true),
        ("\"s-1.0.hidden\" = [1, 2]", true),
        ("\"cell.0.hidden\" = [1, 2]", true),
        ("\"s-1.1\".activation = [\"tanh\"]", true),
        ("s-1.1.activation = [\"tanh\"]", true),
        ("s-1.\"1.activation\" = [\"tanh\"]", true),
        ("s-1.0.\"recurrent_weights.gain\" = [0, 0.5]", true),
        ("\"s-1.0.recurrent_weights.gain\" = [0, 0.5]", true),
        ("\"s-1.0.forget_bias\" = [{ chrono = 20 }, 1]", true),
        ("\"loss.hidden\" = [1, 2]", false),
        ("\"fit.0.hidden\" = [1, 2]", false),
        ("fit.hidden = [1, 2]", false),
        ("a.layers = [0]", false),
        ("a.layers = [1001]", false),
        ("a.layers = [[{ kind = \"lstm\", hidden = 2 }]]", false),
        ("\"s-1.0.hiden\" = [1, 2]", false),
        ("\"s-1.0.hidden\" = [0]", false),
        ("s-1.0.hiden = [1, 2]", false),
        ("s-1.0.hidden = [0]", false),
        ("s-1.\"0.hiden\" = [1, 2]", false),
        ("\"s-1.00.hidden\" = [1, 2]", false),
        ("\"s-1.+0.hidden\" = [1, 2]", false),
        ("\"s-1.0.kind\" = [\"lstm\"]", false),
        ("\"s-1.0.label\" = [\"b\"]", false),
        ("\"s-1.0.layers\" = [1, 2]", false),
        ("\"s-1.0\" = [{ kind = \"lstm\", hidden = 2 }]", false),
        ("\"s-1.0.0.hidden\" = [1, 2]", false),
        ("\"s-1.layers.0.hidden\" = [1, 2]", false),
        ("\"cell.hiden\" = [1, 2]", false),
        ("cell.hiden = [1, 2]", false),
        ("\"a.recurrent_weights.gian\" = [0, 0.5]", false),
        ("a.recurrent_weights.gian = [0, 0.5]", false),
        ("\"cell.hidden\" = [0]", false),
        ("cell.hidden = [0]", false),
        ("\"cell.hidden\" = []", false),
        ("\"cell.hidden\" = 4", false),
        ("\"cell.hidden\" = [4, 4]", false),
        ("\"cell.kind\" = [\"lstm\"]", false),
        ("\"a.forget_bias\" = [{ chrono = 2 }]", false),
        ("loss.kind = [\"sometimes\"]", false),
        ("replicates = [1, 2]", false),
        ("sequence.input.std = [-1]", false),
    ] {
        let text = format!("{BASE}{line}\n");
        assert_eq!(
            Config::load(&text, "test.toml", &[]).is_ok(),
            is_valid,
            "the reader on {line}"
        );
        let problems = judge.problems(&parse(&text));
        assert_eq!(problems.is_empty(), is_valid, "{line}: {problems:?}");
    }
}

/// Keys and values in layers are tested with those of every other table; here is what a list of them
/// adds, and a number.
#[test]
fn layers_are_checked_as_by_the_reader() {
    let judge = Judge::new();
    for (cell, is_valid) in [
        (r#"kind = "lstm", hidden = 4, layers = 1"#, true),
        (r#"kind = "vanilla-rnn", hidden = 4, layers = 1000"#, true),
        (r#"kind = "lstm", hidden = 4, layers = 0"#, false),
        (r#"kind = "lstm", hidden = 4, layers = 1001"#, false),
        (r#"kind = "lstm", hidden = 4, layers = -1"#, false),
        (r#"kind = "lstm", hidden = 4, layers = 1.5"#, false),
        (r#"kind = "lstm", hidden = 4, layers = "2""#, false),
        (r#"kind = "lstm", hidden = 4, layers = []"#, false),
        (
            r#"kind = "lstm", hidden = 4, layers = [{ kind = "lstm", hidden = 2 }]"#,
            false,
        ),
        (r#"kind = "stack""#, false),
        (r#"kind = "stack", layers = 2"#, false),
        (r#"kind = "stack", layers = []"#, false),
        (r#"kind = "stack", layers = [2]"#, false),
        (r#"kind = "stack", layers = ["lstm"]"#, false),
        (
            r#"kind = "stack", layers = { kind = "lstm", hidden = 2 }"#,
            false,
        ),
        (
            r#"kind = "stack", hidden = 2, layers = [{ kind = "lstm", hidden = 2 }]"#,
            false,
        ),
    ] {
        agree(&judge, cell, is_valid);
    }
    for (layer, is_valid) in [
        (r#"kind = "lstm", hidden = 2"#, true),
        (
            r#"kind = "lstm", hidden = 2, forget_bias = { chrono = 9 }"#,
            true,
        ),
        (
            r#"hidden = 2, kind = "vanilla-rnn", activation = "relu""#,
            true,
        ),
        ("", false),
        ("hidden = 2", false),
        (r#"kind = "lstm""#, false),
        (r#"kind = "lstn", hidden = 2"#, false),
        (r#"kind = "lstm", hidden = 0"#, false),
        (r#"kind = "lstm", hidden = 2, hiden = 2"#, false),
        (r#"kind = "lstm", hidden = 2, activation = "relu""#, false),
        (
            r#"kind = "lstm", hidden = 2, recurrent_weights = { gian = 2 }"#,
            false,
        ),
        (r#"kind = "lstm", hidden = 2, label = "lower""#, false),
        (r#"kind = "lstm", hidden = 2, layers = 2"#, false),
        (r#"kind = "stack""#, false),
        (
            r#"kind = "stack", layers = [{ kind = "lstm", hidden = 2 }]"#,
            false,
        ),
    ] {
        let good = r#"{ kind = "vanilla-rnn", hidden = 3 }"#;
        // The lowest layer, and one above it.
        for layers in [
            format!("{{ {layer} }}, {good}"),
            format!("{good}, {{ {layer} }}"),
        ] {
            agree(
                &judge,
                &format!(r#"kind = "stack", layers = [{layers}]"#),
                is_valid,
            );
        }
    }
}

#[test]
fn as_many_layers_are_listed_as_by_the_reader() {
    let judge = Judge::new();
    let layers = |number| vec![r#"{ kind = "lstm", hidden = 2 }"#; number].join(", ");
    for (number, is_valid) in [(1, true), (1000, true), (1001, false)] {
        let cell = format!(r#"kind = "stack", layers = [{}]"#, layers(number));
        agree(&judge, &cell, is_valid);
    }
}

/// Schema and reader say the same of an experiment with this cell.
#[track_caller]
fn agree(judge: &Judge, cell: &str, is_valid: bool) {
    let text = format!("name = \"x\"\nsequence.steps = 9\ncell = [{{ {cell} }}]\n");
    let read = Config::load(&text, "test.toml", &[]);
    assert_eq!(read.is_ok(), is_valid, "the reader on {cell}: {read:?}");
    let problems = judge.problems(&parse(&text));
    assert_eq!(problems.is_empty(), is_valid, "{cell}: {problems:?}");
}

#[test]
fn a_figure_shows_the_quantities_of_layers_that_the_reader_knows() {
    const BASE: &str = "name = \"x\"\nsequence.steps = 9\n[[cell]]\nkind = \"lstm\"\nhidden = 4\n\
                        layers = 12\n[record]\nquantities = [\"adjoint\", \"input-gradient\"]\n\
                        [[figure]]\nkind = \"decay\"\n";
    let judge = Judge::new();
    for (quantity, is_valid) in [
        ("h", true),
        ("0.h", true),
        ("11.c_carried", true),
        ("x", true),
        ("0.x", false),
        ("0.g", false),
        ("00.h", false),
        ("+0.h", false),
        (".h", false),
        ("0.", false),
        ("0.0.h", false),
        ("h.0", false),
        ("0_h", false),
    ] {
        let text = format!("{BASE}quantity = \"{quantity}\"\n");
        let read = Config::load(&text, "test.toml", &[]);
        assert_eq!(read.is_ok(), is_valid, "the reader on {quantity}: {read:?}");
        let problems = judge.problems(&parse(&text));
        assert_eq!(problems.is_empty(), is_valid, "{quantity}: {problems:?}");
    }
}

#[test]
fn a_filter_is_of_labels_and_of_values_or_lists_of_them() {
    const BASE: &str = "name = \"x\"\nsequence.steps = 9\n[[cell]]\nkind = \"lstm\"\nhidden = 4\n\
                        [sweep]\n\"cell.hidden\" = [4, 8]\n\"lstm.forget_bias\" = [1, { chrono = 20 }]\n\
                        [[figure]]\nkind = \"decay\"\n";
    let judge = Judge::new();
    for (filter, is_valid) in [
        ("{}", true),
        ("{ cell = \"lstm\" }", true),
        ("{ cell = [\"lstm\"], \"cell.hidden\" = 4 }", true),
        ("{ cell.hidden = 4 }", true),
        ("{ \"cell.hidden\" = \"4\" }", true),
        ("{ \"cell.hidden\" = [8, 4] }", true),
        ("{ \"lstm.forget_bias\" = [{ chrono = 20 }, 1] }", true),
        ("{ cell = [] }", false),
        ("{ cell = 4 }", false),
        ("{ cell = [4] }", false),
        ("{ \"cell.hidden\" = [] }", false),
        ("[\"lstm\"]", false),
        ("4", false),
    ] {
        let text = format!("{BASE}where = {filter}\n");
        let read = Config::load(&text, "test.toml", &[]);
        assert_eq!(read.is_ok(), is_valid, "the reader on {filter}: {read:?}");
        let problems = judge.problems(&parse(&text));
        assert_eq!(problems.is_empty(), is_valid, "{filter}: {problems:?}");
    }
}

/// What editors show must name the key, as an `if`/`then` per kind does and a `oneOf` does not.
#[test]
fn a_mistake_in_a_cell_is_told_by_its_key() {
    let judge = Judge::new();
    let config = |line: &str| {
        parse(&format!(
            "name = \"x\"\nsequence.steps = 9\n[[cell]]\nkind = \"lstm\"\nhidden = 4\n{line}\n"
        ))
    };
    let stack = |layer: &str| {
        parse(&format!(
            "name = \"x\"\nsequence.steps = 9\n[[cell]]\nkind = \"stack\"\nlayers = [\
             {{ kind = \"lstm\", hidden = 4 }}, {{ kind = \"vanilla-rnn\", {layer} }}]\n"
        ))
    };
    for (layer, says) in [
        ("hidden = 0", "/cell/0/layers/1/hidden: "),
        ("hidden = 4, forget_bias = 1", "/cell/0/layers/1: "),
        (
            "hidden = 4, recurrent_weights.gain = -1",
            "/cell/0/layers/1/recurrent_weights/gain: ",
        ),
    ] {
        let problems = judge.problems(&stack(layer));
        let all_say = problems.iter().all(|problem| problem.starts_with(says));
        assert!(!problems.is_empty() && all_say, "{layer}: {problems:?}");
    }
    for (line, says) in [
        ("hiden = 3", "hiden"),
        ("activation = \"tanh\"", "activation"),
        ("bias = \"0\"", "/cell/0/bias"),
        (
            "recurrent_weights.gain = -1",
            "/cell/0/recurrent_weights/gain",
        ),
    ] {
        let problems = judge.problems(&config(line));
        let all_say = problems.iter().all(|problem| problem.contains(says));
        assert!(!problems.is_empty() && all_say, "{line}: {problems:?}");
    }
}

#[test]
fn the_schema_is_one() {
    let schema = Config::schema();
    assert_eq!(
        schema["$schema"],
        "https://json-schema.org/draft/2020-12/schema"
    );
    assert!(jsonschema::meta::is_valid(&schema));
}
