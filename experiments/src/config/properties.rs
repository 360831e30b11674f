//! Any valid configuration survives being written and read.

use std::sync::OnceLock;

use proptest::prelude::*;
use proptest::sample::subsequence;

use super::{Config, difference};

fn load(text: &str) -> Config {
    match Config::load(text, "test.toml", &[]) {
        Ok(loaded) => loaded.config,
        Err(error) => panic!("{error}\n{text}"),
    }
}

/// A line of a table, or none.
fn line<T: ToString>(
    key: &'static str,
    value: impl Strategy<Value = T>,
) -> impl Strategy<Value = String> {
    let line = move |value: T| format!("{key} = {}\n", value.to_string());
    prop::option::of(value).prop_map(move |value| value.map_or(String::new(), line))
}

fn one_of(names: &'static [&'static str]) -> impl Strategy<Value = String> {
    prop::sample::select(names).prop_map(|name| format!("{name:?}"))
}

fn text() -> impl Strategy<Value = toml::Value> {
    any::<String>().prop_map(toml::Value::String)
}

/// Any finite number, as TOML writes it.
fn number() -> impl Strategy<Value = String> {
    use proptest::num::f64::{NEGATIVE, NORMAL, POSITIVE, SUBNORMAL, ZERO};
    (POSITIVE | NEGATIVE | NORMAL | SUBNORMAL | ZERO).prop_map(|number| format!("{number:?}"))
}

fn size() -> impl Strategy<Value = usize> {
    prop_oneof![1..9_usize, 1..1000_usize]
}

fn positive() -> impl Strategy<Value = String> {
    number().prop_map(|number| number.trim_start_matches('-').to_owned())
}

const LOSSES: &[&str] = &["terminal", "every-step", "squared-error"];
const SCHEMES: &[&str] = &["gaussian", "orthogonal", "identity", "uniform", "zero"];

fn weights() -> impl Strategy<Value = String> {
    let keys = (one_of(SCHEMES), prop::option::of(positive()));
    keys.prop_map(|(init, gain)| {
        let gain = gain.map_or(String::new(), |gain| format!(", gain = {gain}"));
        format!("{{ init = {init}{gain} }}")
    })
}

/// The keys that every kind of cell has.
fn cell(label: &'static str, kind: &'static str) -> impl Strategy<Value = String> {
    let keys = (
        size(),
        line("recurrent_weights", weights()),
        line("input_weights", weights()),
        line("bias", number()),
    );
    let head = format!("[[cell]]\nkind = \"{kind}\"\nlabel = \"{label}\"\n");
    keys.prop_map(move |(hidden, recurrent, input, bias)| {
        format!("{head}hidden = {hidden}\n{recurrent}{input}{bias}")
    })
}

fn cells() -> impl Strategy<Value = String> {
    let activation = one_of(&["tanh", "relu", "logistic", "identity"]);
    let forget = prop_oneof![
        line("forget_bias", number()),
        line("forget_gate", any::<bool>()),
        (3..1000).prop_map(|t_max| format!("forget_bias = {{ chrono = {t_max}.5 }}\n")),
    ];
    (
        (
            cell("a", "vanilla-rnn"),
            line("activation", activation),
            line("layers", 1..5),
        ),
        (cell("b", "lstm"), forget),
        prop::option::of((size(), size(), number())),
    )
        .prop_map(|(rnn, lstm, stack)| {
            let stack = stack.map(|(lower, upper, bias)| {
                format!(
                    "[[cell]]\nkind = \"stack\"\nlabel = \"s\"\nlayers = [\n\
                     {{ kind = \"lstm\", hidden = {lower} }},\n\
                     {{ kind = \"vanilla-rnn\", hidden = {upper}, bias = {bias} }}]\n"
                )
            });
            let stack = stack.unwrap_or_default();
            [rnn.0, rnn.1, rnn.2, lstm.0, lstm.1, stack].concat()
        })
}

fn input() -> impl Strategy<Value = String> {
    prop_oneof![
        (size(), positive()).prop_map(|(size, std)| format!(
            "{{ kind = \"gaussian\", size = {size}, std = {std} }}"
        )),
        size().prop_map(|size| format!("{{ kind = \"zero\", size = {size} }}")),
        number().prop_map(|value| format!("{{ kind = \"constant\", value = {value} }}")),
        (number(), number())
            .prop_map(|(from, to)| format!("{{ kind = \"ramp\", from = {from}, to = {to} }}")),
        (1..5, 1..5, number(), positive()).prop_map(|(at, width, value, std)| format!(
            "{{ kind = \"pulse\", at = {at}, width = {width}, value = {value}, std = {std} }}"
        )),
        (size(), text()).prop_map(|(size, path)| format!(
            "{{ kind = \"file\", size = {size}, path = {path} }}"
        )),
    ]
}

fn names(names: &'static [&'static str]) -> impl Strategy<Value = Vec<String>> {
    let quoted = |name: &&str| format!("{name:?}");
    subsequence(names, 1..=names.len()).prop_map(move |names| names.iter().map(quoted).collect())
}

fn sizes() -> impl Strategy<Value = Vec<String>> {
    let sizes = prop::collection::btree_set(size(), 1..4);
    sizes.prop_map(|sizes| sizes.iter().map(ToString::to_string).collect())
}

fn depths() -> impl Strategy<Value = Vec<String>> {
    let depths = prop::collection::btree_set(1..5, 1..4);
    depths.prop_map(|depths| depths.iter().map(ToString::to_string).collect())
}

fn halves() -> impl Strategy<Value = Vec<String>> {
    let half = |number: &i32| format!("{:?}", f64::from(*number) / 2.0);
    let numbers = prop::collection::btree_set(-999..999, 1..4);
    numbers.prop_map(move |numbers| numbers.iter().map(half).collect())
}

/// Up to three axes with their values.
fn axes() -> impl Strategy<Value = Vec<(&'static str, Vec<String>)>> {
    let axes = (
        (Just("cell.hidden"), sizes()),
        (Just("seed"), sizes()),
        (Just("sequence.batch"), sizes()),
        (Just("a.bias"), halves()),
        (Just("b.bias"), halves()),
        (Just("cell.recurrent_weights.init"), names(SCHEMES)),
        (Just("loss.kind"), names(LOSSES)),
        (Just("a.layers"), depths()),
        (Just("s.1.bias"), halves()),
        (Just("s.forget_bias"), halves()),
    );
    axes.prop_flat_map(|(a, b, c, d, e, f, g, h, i, j)| {
        subsequence(vec![a, b, c, d, e, f, g, h, i, j], 0..=3).prop_shuffle()
    })
}

const RECORDED: &[&str] = &[
    "adjoint",
    "input-gradient",
    "parameter-gradient",
    "parameter-contributions",
    "gates",
    "path-split",
    "per-sequence",
    "series",
    "spectrum",
];

fn figures(axes: &[(&str, Vec<String>)], titles: &[toml::Value]) -> String {
    let mut text = String::new();
    for (index, title) in titles.iter().enumerate() {
        text.push_str(&format!(
            "[[figure]]\nname = \"f{index}\"\ntitle = {title}\n"
        ));
        text.push_str(&match axes.get(index) {
            Some((axis, values)) => format!(
                "kind = \"rate\"\nx = \"{axis}\"\nwhere = {{ cell = [\"b\", \"a\"], \"{axis}\" = {} }}\n",
                if index == 0 {
                    values[0].clone()
                } else {
                    format!("[{}]", values.join(", "))
                }
            ),
            None => "kind = \"decay\"\n".to_owned(),
        });
    }
    text
}

/// The text of any configuration that is valid.
fn experiments() -> impl Strategy<Value = String> {
    let head = (
        "[A-Za-z0-9_-]{1,20}",
        line("seed", 0..=i64::MAX),
        line("replicates", 1..50),
    );
    let sequence = (10..5000, line("batch", size()), line("input", input()));
    let loss = (line("kind", one_of(LOSSES)), line("truncation", size()));
    let record = (
        subsequence(RECORDED, 1..=RECORDED.len()).prop_shuffle(),
        any::<bool>(),
    );
    let fit = prop_oneof![
        Just(""),
        Just("from = 2"),
        Just("to = 9"),
        Just("from = 8\nto = 10")
    ];
    let titles = prop::collection::vec(text(), 0..4);
    let network = (head, sequence, loss, cells());
    let rest = (axes(), record, fit, titles);
    (network, rest).prop_map(|((head, sequence, loss, cells), rest)| {
        let (name, seed, replicates) = head;
        let (steps, batch, input) = sequence;
        let (kind, truncation) = loss;
        let (mut axes, (quantities, gradients), fit, titles) = rest;
        // Not every configuration has the stack.
        let has_stack = cells.contains("\"stack\"");
        axes.retain(|(key, _)| has_stack || !key.starts_with("s."));
        let axis =
            |(key, values): &(&str, Vec<String>)| format!("\"{key}\" = [{}]\n", values.join(", "));
        let sweep: String = axes.iter().map(axis).collect();
        let figures = match quantities.contains(&"adjoint") {
            true => figures(&axes, &titles),
            false => String::new(),
        };
        format!(
            "name = \"{name}\"\n{seed}{replicates}\
             [sequence]\nsteps = {steps}\n{batch}{input}\
             [loss]\n{kind}{truncation}{cells}\
             [sweep]\n{sweep}\
             [record]\nquantities = {quantities:?}\ngradients = {gradients}\n\
             [fit]\n{fit}\n{figures}"
        )
    })
}

/// Compiled once, because that takes longer than to judge.
static VALIDATOR: OnceLock<jsonschema::Validator> = OnceLock::new();

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn any_valid_configuration_is_valid_by_its_schema(text in experiments()) {
        let validator = VALIDATOR.get_or_init(|| jsonschema::validator_for(&Config::schema()).unwrap());
        let written = load(&text).to_toml();
        for text in [text, written] {
            let table: toml::Table = text.parse().unwrap();
            let value = serde_json::to_value(table).unwrap();
            if let Err(error) = validator.validate(&value) {
                panic!("{}: {error}\n{text}", error.instance_path());
            }
        }
    }

    #[test]
    fn any_resolved_configuration_loads_back_to_an_equal_one(text in experiments()) {
        let first = load(&text);
        let written = first.to_toml();
        let second = load(&written);
        prop_assert_eq!(&second, &first, "{}", written);
        prop_assert_eq!(second.to_toml(), written);
        prop_assert_eq!(difference(&first, &second), None);
    }
}
