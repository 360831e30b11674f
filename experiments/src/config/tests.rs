use super::*;

/// The configuration of the design document.
const DECAY: &str = r#"name = "decay"
seed = 20
replicates = 10

[sequence]
steps = 200
batch = 16
input = { kind = "gaussian", size = 8, std = 1.0 }

[loss]
kind = "terminal"

[[cell]]
kind = "vanilla-rnn"
hidden = 64
activation = "tanh"
recurrent_weights = { init = "gaussian", gain = 0.9 }
input_weights = { init = "gaussian", gain = 1.0 }
bias = 0.0

[[cell]]
kind = "lstm"
hidden = 64
forget_bias = 1.0

[sweep]
"cell.hidden" = [32, 64, 128]
"vanilla-rnn.recurrent_weights.gain" = [0.5, 0.9, 1.0, 1.2, 1.5]
"lstm.forget_bias" = [0.0, 1.0, 3.0]

[record]
quantities = ["adjoint", "gates", "path-split"]
"#;

/// Two cells without axes, small enough to change by hand.
const SMALL: &str = r#"name = "small"

[sequence]
steps = 50

[[cell]]
kind = "vanilla-rnn"
hidden = 8

[[cell]]
kind = "lstm"
hidden = 8
"#;

fn load_with(text: &str, sets: &[&str]) -> Result<Loaded, ConfigError> {
    let sets: Vec<String> = sets.iter().map(|set| (*set).to_owned()).collect();
    Config::load(text, "test.toml", &sets)
}

fn config(text: &str, sets: &[&str]) -> Config {
    match load_with(text, sets) {
        Ok(loaded) => loaded.config,
        Err(error) => panic!("{error}"),
    }
}

#[track_caller]
fn refused(text: &str, sets: &[&str]) -> String {
    match load_with(text, sets) {
        Ok(_) => panic!("accepted:\n{text}\n{sets:?}"),
        Err(error) => error.to_string(),
    }
}

fn with_sweep(line: &str) -> String {
    format!("{SMALL}\n[sweep]\n{line}\n")
}

fn with_figure(lines: &str) -> String {
    with_sweep(&format!("\"cell.hidden\" = [4, 8]\n\n[[figure]]\n{lines}"))
}

fn with_input(input: &str) -> String {
    SMALL.replace("steps = 50", &format!("steps = 50\ninput = {input}"))
}

// ---- completing and writing -------------------------------------------------------------------

#[test]
fn resolved_configuration_spells_out_every_default_in_the_documented_order() {
    assert_eq!(
        config(SMALL, &[]).to_toml(),
        r#"name = "small"
seed = 0
replicates = 10
memory = "full"

[sequence]
steps = 50
batch = 16
input = { kind = "gaussian", size = 8, std = 1.0 }

[loss]
kind = "terminal"

[[cell]]
kind = "vanilla-rnn"
label = "vanilla-rnn"
hidden = 8
activation = "tanh"
recurrent_weights = { init = "gaussian", gain = 1.0 }
input_weights = { init = "gaussian", gain = 1.0 }
bias = 0.0

[[cell]]
kind = "lstm"
label = "lstm"
hidden = 8
recurrent_weights = { init = "gaussian", gain = 1.0 }
input_weights = { init = "gaussian", gain = 1.0 }
forget_bias = 1.0
forget_gate = true
bias = 0.0

[record]
quantities = ["adjoint"]
gradients = false

[fit]
from = 1

[[figure]]
kind = "decay"
name = "decay"
"#
    );
}

#[test]
fn axes_keep_the_order_of_the_file() {
    let loaded = load_with(DECAY, &[]).unwrap();
    let keys: Vec<&str> = loaded
        .config
        .sweep
        .iter()
        .map(|axis| axis.key.as_str())
        .collect();
    assert_eq!(
        keys,
        [
            "cell.hidden",
            "vanilla-rnn.recurrent_weights.gain",
            "lstm.forget_bias"
        ]
    );
    assert_eq!(loaded.grid.len(), 3 * 5 + 3 * 3);
    assert_eq!(loaded.grid[1].factors, ["32", "0.9", ""]);
    assert_eq!(loaded.grid[23].factors, ["128", "", "3.0"]);
}

/// Every alternative of every key, alone and with axes and figures.
#[test]
fn resolved_configurations_load_back_to_equal_ones() {
    let inputs = [
        "{ kind = \"gaussian\", size = 3, std = 0.25 }",
        "{ kind = \"zero\", size = 1 }",
        "{ kind = \"constant\", value = -1e-7 }",
        "{ kind = \"pulse\", at = 20, width = 31, value = 2, std = 0.1 }",
        "{ kind = \"file\", path = 'a \"b\" \\c.npy', size = 5 }",
    ];
    let schemes = [
        "gaussian",
        "orthogonal",
        "identity",
        "uniform",
        "spectral-radius",
        "zero",
    ];
    let recurrent: Vec<String> = schemes
        .iter()
        .map(|scheme| format!("cell.recurrent_weights={{ init = \"{scheme}\", gain = 0.1 }}"))
        .collect();
    let mut cases: Vec<(String, Vec<&str>)> = vec![
        (DECAY.to_owned(), vec![]),
        (
            SMALL.to_owned(),
            vec!["loss.kind=every-step", "loss.truncation=7"],
        ),
        (
            SMALL.to_owned(),
            vec!["lstm.forget_bias={ chrono = 200 }", "cell.bias=0.1"],
        ),
        (
            SMALL.to_owned(),
            vec!["lstm.forget_gate=false", "seed=9223372036854775807"],
        ),
        (
            SMALL.to_owned(),
            vec!["lstm.forget_bias=[0.5, { chrono = 200 }]", "seed=[1, 2]"],
        ),
        (
            SMALL.to_owned(),
            vec!["cell.recurrent_weights.init=[\"zero\", \"identity\"]"],
        ),
        (
            SMALL.to_owned(),
            vec!["sequence.steps=[10, 20]", "fit.from=2", "fit.to=9"],
        ),
        (
            SMALL.to_owned(),
            vec!["record.gradients=true", "record.quantities=[\"gates\"]"],
        ),
        (
            SMALL.to_owned(),
            vec![
                r#"record.quantities=["adjoint", "input-gradient", "parameter-gradient",
                "parameter-contributions", "gates", "path-split", "per-sequence", "series", "spectrum",
                "singular-values", "lyapunov", "loss-state", "unit-gradient"]"#,
            ],
        ),
        (
            SMALL
                .replace("hidden = 8", "hidden = 8\nlabel = \"a-1\"")
                .replacen("a-1", "b_2", 1),
            vec![],
        ),
        (
            with_figure(
                "kind = \"rate\"\nx = \"cell.hidden\"\nname = \"r\"\ntitle = \"‖h‖ \\\"\"\n\
                 where = { cell = \"lstm\", \"cell.hidden\" = [8, 4] }\nquantity = \"c_carried\"\n\
                 [[figure]]\nkind = \"half-life\"\nx = \"cell.hidden\"\n\
                 [[figure]]\nkind = \"phase\"\nx = \"cell.hidden\"\n",
            ),
            vec![],
        ),
    ];
    cases.extend(inputs.iter().map(|input| (with_input(input), vec![])));
    cases.extend(
        recurrent
            .iter()
            .map(|set| (SMALL.to_owned(), vec![set.as_str()])),
    );
    for activation in ["tanh", "relu", "logistic", "identity"] {
        let text = SMALL.replacen(
            "hidden = 8",
            &format!("hidden = 8\nactivation = \"{activation}\""),
            1,
        );
        cases.push((text, vec![]));
    }
    for (text, sets) in cases {
        let first = config(&text, &sets);
        let written = first.to_toml();
        assert_eq!(config(&written, &[]), first, "{written}");
        assert_eq!(config(&written, &[]).to_toml(), written);
        assert_eq!(difference(&first, &config(&written, &[])), None);
        let figures = first.figures.iter().map(|figure| figure.name.clone());
        assert_eq!(figure_names(&written), Some(figures.collect()));
    }
}

#[test]
fn two_configurations_of_one_folder_differ_only_where_they_may() {
    let decay = config(DECAY, &[]);
    for allowed in [
        "cell.hidden=[16, 32]",
        "lstm.forget_bias=[5.0]",
        "replicates=3",
        "replicates=30",
        "fit.from=5",
    ] {
        assert_eq!(
            difference(&decay, &config(DECAY, &[allowed])),
            None,
            "{allowed}"
        );
    }
    let figure = format!("{DECAY}\n[[figure]]\nkind = \"decay\"\nname = \"other\"\n");
    assert_eq!(difference(&decay, &config(&figure, &[])), None);

    for (set, expected) in [
        ("name=other", "`name` is \"decay\" there and \"other\" here"),
        ("seed=21", "`seed` is 20 there and 21 here"),
        (
            "sequence.steps=100",
            "`sequence.steps` is 200 there and 100 here",
        ),
        (
            "sequence.input.std=2",
            "`sequence.input.std` is 1.0 there and 2.0 here",
        ),
        (
            "loss.truncation=5",
            "`loss.truncation` is absent there and 5 here",
        ),
        ("lstm.bias=1", "`lstm.bias` is 0.0 there and 1.0 here"),
        (
            "record.gradients=true",
            "`record.gradients` is false there and true here",
        ),
        (
            "cell.bias=[0, 1]",
            "`sweep.\"cell.bias\"` is absent there and an axis here",
        ),
        (
            "cell.hidden=64",
            "`sweep.\"cell.hidden\"` is an axis there and absent here",
        ),
    ] {
        assert_eq!(
            difference(&decay, &config(DECAY, &[set])).as_deref(),
            Some(expected)
        );
    }
}

// ---- axes and --set ---------------------------------------------------------------------------

#[test]
fn a_key_that_only_some_cells_have_is_an_axis_of_those() {
    let loaded = load_with(&with_sweep("\"cell.forget_bias\" = [0, 1]"), &[]).unwrap();
    let points: Vec<(&str, &str)> = loaded
        .grid
        .iter()
        .map(|point| (point.label.as_str(), point.factors[0].as_str()))
        .collect();
    assert_eq!(points, [("vanilla-rnn", ""), ("lstm", "0"), ("lstm", "1")]);
}

#[test]
fn axes_of_the_top_level_apply_to_every_cell() {
    let loaded = load_with(SMALL, &["sequence.input.std=[0.5, 2]", "seed=[1, 2]"]).unwrap();
    assert_eq!(loaded.grid.len(), 2 * 4);
    let point = &loaded.grid[2];
    assert_eq!(point.factors, ["2", "1"]);
    assert_eq!(point.sequence.input, Input::Gaussian { size: 8, std: 2.0 });
    assert_eq!(point.seed, 1);
}

#[test]
fn quoted_and_bare_paths_are_the_same_axis() {
    let quoted = config(&with_sweep("\"cell.hidden\" = [4, 8]"), &[]);
    assert_eq!(config(&with_sweep("cell.hidden = [4, 8]"), &[]), quoted);
}

#[test]
fn a_single_key_of_a_table_leaves_the_others_at_their_values() {
    let text = SMALL.replacen(
        "hidden = 8",
        "hidden = 8\nrecurrent_weights = { init = \"zero\" }",
        1,
    );
    let set = config(&text, &["cell.recurrent_weights.gain=0.5"]).to_toml();
    assert!(set.contains("recurrent_weights = { init = \"zero\", gain = 0.5 }"));
    assert!(set.contains("recurrent_weights = { init = \"gaussian\", gain = 0.5 }"));
}

#[test]
fn set_takes_toml_and_anything_else_as_a_string() {
    let set = |argument: &str| config(SMALL, &[argument]);
    assert_eq!(set("sequence.steps=60").sequence.steps, 60);
    assert_eq!(set("name=other").name, "other");
    assert_eq!(set("name=\"other\"").name, "other");
    assert_eq!(set("loss.kind = every-step").loss.kind, LossKind::EveryStep);
    assert_eq!(
        set("record.quantities=[\"gates\"]").record.quantities,
        [Recorded::Gates]
    );
    assert_eq!(set("cell.hidden=[4, 8]").sweep.len(), 1);
    assert_eq!(config(SMALL, &["seed=1", "seed=2"]).seed, 2);
    assert_eq!(config(SMALL, &["seed=1", "seed=[2]"]).sweep.len(), 1);
    assert_eq!(config(SMALL, &["seed=[1]", "seed=2"]).sweep.len(), 0);
}

#[test]
fn set_replaces_the_axis_of_the_same_key() {
    let fixed = load_with(DECAY, &["cell.hidden=16"]).unwrap();
    assert_eq!(fixed.config.sweep.len(), 2);
    assert!(fixed.grid.iter().all(|point| point.cell.hidden() == 16));

    let other = load_with(DECAY, &["cell.hidden=[16]"]).unwrap();
    assert_eq!(other.config.sweep[0].values, [toml::Value::Integer(16)]);
    assert_eq!(other.grid.len(), 5 + 3);
}

#[test]
fn set_supplies_what_the_file_lacks() {
    let text = SMALL.replace("[sequence]\nsteps = 50\n", "");
    assert_eq!(config(&text, &["sequence.steps=30"]).sequence.steps, 30);
}

#[test]
fn figures_give_way_to_an_axis_that_set_fixes() {
    let text = with_figure(
        "kind = \"rate\"\nx = \"cell.hidden\"\n\
         [[figure]]\nkind = \"decay\"\nwhere = { \"cell.hidden\" = 8 }",
    );
    let loaded = load_with(&text, &["cell.hidden=6"]).unwrap();
    assert_eq!(loaded.config.figures.len(), 1);
    assert!(loaded.config.figures[0].filter.is_empty());
    assert_eq!(
        loaded.notes,
        [
            "figure `rate` is left out: --set fixes its x-axis `cell.hidden`",
            "figure `decay` is not filtered by `cell.hidden`: --set fixes it",
        ]
    );
    let loaded = load_with(&text, &["cell.hidden=[6, 7]"]).unwrap();
    assert_eq!(loaded.config.figures.len(), 2);
    assert_eq!(
        loaded.notes,
        ["figure `decay` is not filtered by `cell.hidden`: --set leaves out 8"]
    );
    let text = with_figure("kind = \"decay\"\nwhere = { \"cell.hidden\" = [4, 8] }");
    let loaded = load_with(&text, &["cell.hidden=[8, 9]"]).unwrap();
    assert_eq!(loaded.config.figures[0].filter.0["cell.hidden"], ["8"]);
    assert_eq!(
        loaded.notes,
        ["figure `decay` is filtered by what is left of `cell.hidden`: --set leaves out 4"]
    );
}

#[test]
fn what_no_cell_has_is_recorded_in_vain_and_said_to_be() {
    let notes = |kinds: &[&str], quantities: &str| {
        let cells: String = kinds
            .iter()
            .map(|kind| format!("[[cell]]\nkind = \"{kind}\"\nhidden = 4\n"))
            .collect();
        let text = format!("name = \"a\"\nsequence.steps = 9\n{cells}");
        let set = format!("record.quantities=[{quantities}]");
        load_with(&text, &[&set]).unwrap().notes
    };
    let both = "\"path-split\", \"gates\"";
    let said = notes(&["vanilla-rnn"], both);
    assert_eq!(said.len(), 2);
    assert!(said[0].contains("`path-split` in record.quantities records nothing here"));
    assert!(said[1].contains("no cell has gates"));
    // A GRU has gates, and no cell state.
    let said = notes(&["vanilla-rnn", "gru"], both);
    assert_eq!(said.len(), 1);
    assert!(said[0].contains("no cell has one"));
    assert_eq!(notes(&["vanilla-rnn", "lstm"], both), [""; 0]);
    assert_eq!(notes(&["vanilla-rnn"], "\"adjoint\""), [""; 0]);
}

#[test]
fn a_filter_may_name_a_value_that_is_a_table() {
    let sweep = "\"lstm.forget_bias\" = [1, { chrono = 200 }]\n\n[[figure]]\nkind = \"decay\"\n";
    for value in ["{ chrono = 200.0 }", "\"chrono=200\""] {
        let text = with_sweep(&format!(
            "{sweep}where = {{ \"lstm.forget_bias\" = {value} }}"
        ));
        let filter = &config(&text, &[]).figures[0].filter;
        assert_eq!(filter.0["lstm.forget_bias"], ["chrono=200"]);
    }
}

#[test]
fn a_filter_chooses_cells_by_label_and_any_of_several_values() {
    let sweep = "\"cell.hidden\" = [4, 8, 16]\n\"lstm.forget_bias\" = [1, { chrono = 200 }, 2.5]\n\n\
                 [[figure]]\nkind = \"decay\"\n";
    let chosen = |filter: &str, key: &str| {
        let first = config(&with_sweep(&format!("{sweep}where = {{ {filter} }}")), &[]);
        let written = first.to_toml();
        assert_eq!(config(&written, &[]), first, "{written}");
        first.figures[0].filter.0[key].clone()
    };
    for (filter, key, expected) in [
        ("cell = \"lstm\"", "cell", &["lstm"][..]),
        ("cell = [\"lstm\"]", "cell", &["lstm"]),
        // In the order of the config, each once.
        (
            "cell = [\"lstm\", \"vanilla-rnn\", \"lstm\"]",
            "cell",
            &["vanilla-rnn", "lstm"],
        ),
        ("\"cell.hidden\" = [16, 4.0]", "cell.hidden", &["4", "16"]),
        ("cell.hidden = [16, \"4\"]", "cell.hidden", &["4", "16"]),
        (
            "cell = \"lstm\", \"lstm.forget_bias\" = [{ chrono = 200 }, 2.5]",
            "lstm.forget_bias",
            &["chrono=200", "2.5"],
        ),
    ] {
        assert_eq!(chosen(filter, key), expected, "{filter}");
    }
}

/// `[-2, -4]` is the value of an axis of lists, and no choice of two others.
#[test]
fn a_list_that_is_a_value_of_the_axis_means_itself() {
    let text = "name = \"a\"\nsequence.steps = 9\n[[cell]]\nkind = \"lstm-1997\"\nhidden = 4\n\
                cells_per_block = 2\n[sweep]\n\"lstm-1997.input_gate_bias\" = [[-2, -4], -2, -4]\n\
                [[figure]]\nkind = \"decay\"\n";
    for (value, expected) in [
        ("[-2, -4]", &["-2 -4"][..]),
        ("[[-2, -4]]", &["-2 -4"]),
        ("[[-2, -4], -4]", &["-2 -4", "-4"]),
        ("[-4]", &["-4"]),
        ("[\"-4\", \"-2\"]", &["-2", "-4"]),
    ] {
        let text = format!("{text}where = {{ \"lstm-1997.input_gate_bias\" = {value} }}\n");
        let first = config(&text, &[]);
        assert_eq!(
            first.figures[0].filter.0["lstm-1997.input_gate_bias"],
            expected
        );
        assert_eq!(config(&first.to_toml(), &[]), first);
    }
}

#[test]
fn nothing_is_drawn_by_default_that_is_not_recorded() {
    assert!(
        config(SMALL, &["record.quantities=[\"gates\"]"])
            .figures
            .is_empty()
    );
}

#[test]
fn what_has_a_figure_to_itself_is_drawn_by_default_where_it_is_recorded() {
    let drawn = |quantities: &str| {
        let set = format!("record.quantities=[{quantities}]");
        let figures = config(SMALL, &[&set]).figures;
        figures
            .into_iter()
            .map(|figure| figure.name)
            .collect::<Vec<_>>()
    };
    assert_eq!(
        drawn(r#""unit-gradient", "lyapunov", "node", "singular-values", "loss-state""#),
        [
            "decay",
            "singular-values",
            "lyapunov",
            "loss-state",
            "unit-gradient"
        ]
    );
    assert_eq!(drawn(r#""gates", "loss-state""#), ["loss-state"]);
}

#[test]
fn a_figure_of_one_quantity_needs_that_one_alone() {
    let set = r#"record.quantities=["unit-gradient"]"#;
    let text = with_figure("kind = \"unit-gradient\"\nquantity = \"c\"");
    assert_eq!(
        config(&text, &[set]).figures[0].quantity.as_deref(),
        Some("c")
    );
}

#[test]
fn a_sequence_too_short_for_a_fit_is_no_error() {
    assert_eq!(config(SMALL, &["sequence.steps=1"]).sequence.steps, 1);
}

// ---- refusals ---------------------------------------------------------------------------------

/// A text, the arguments of `--set`, and the whole message.
#[track_caller]
fn assert_refused(text: &str, sets: &[&str], message: &str) {
    assert_eq!(
        refused(text, sets),
        message.trim_start_matches('\n').trim_end_matches('\n')
    );
}

#[test]
fn an_unknown_key_is_refused_with_the_nearest_one() {
    assert_refused(
        &DECAY.replace("gain = 0.9", "gian = 0.9"),
        &[],
        r#"
test.toml:17:42: unknown key `vanilla-rnn.recurrent_weights.gian`
17 | recurrent_weights = { init = "gaussian", gian = 0.9 }
                                              ^^^^
help: did you mean `gain`? (keys here: `init`, `gain`)
"#,
    );
}

#[test]
fn an_unknown_name_is_refused_with_the_nearest_one() {
    assert_refused(
        &DECAY.replace("\"tanh\"", "\"tahn\""),
        &[],
        r#"
test.toml:16:14: `vanilla-rnn.activation`: unknown name `"tahn"`
16 | activation = "tahn"
                  ^^^^^^
help: did you mean `tanh`? (names here: `tanh`, `relu`, `logistic`, `identity`)
"#,
    );
}

#[test]
fn an_unknown_kind_is_refused_with_the_nearest_one() {
    let names = crate::registry::KINDS.join("`, `");
    assert_refused(
        &DECAY.replace("\"lstm\"", "\"lsmt\""),
        &[],
        &format!(
            r#"
test.toml:22:8: `cell.kind`: unknown name `"lsmt"`
22 | kind = "lsmt"
            ^^^^^^
help: did you mean `lstm`? (names here: `{names}`, `stack`)
"#
        ),
    );
}

/// All of the top level but cells, axes and figures, which are no values.
#[test]
fn every_key_that_can_be_set_is_suggested_where_it_was_meant() {
    for key in super::load::TOP_KEYS {
        if ["cell", "sweep", "figure"].contains(&key) {
            continue;
        }
        let message = refused(SMALL, &[&format!("{key}s=1")]);
        assert!(
            message.contains(&format!("did you mean `{key}`?")),
            "{message}"
        );
    }
}

#[test]
fn an_unknown_table_is_refused() {
    assert_refused(
        &SMALL.replace("[sequence]", "[sequense]"),
        &[],
        r#"
test.toml:3:2: unknown key `sequense`
3 | [sequense]
     ^^^^^^^^
help: did you mean `sequence`? (keys here: `name`, `seed`, `replicates`, `memory`, `sequence`, `loss`, `cell`, `sweep`, `record`, `fit`, `figure`)
"#,
    );
}

#[test]
fn a_wrong_type_is_refused() {
    assert_refused(
        &DECAY.replace("hidden = 64", "hidden = \"64\""),
        &[],
        r#"
test.toml:15:10: `vanilla-rnn.hidden`: expected a whole number from 1 to 4294967296, found `"64"`
15 | hidden = "64"
              ^^^^
"#,
    );
}

#[test]
fn a_negative_size_is_refused() {
    assert_refused(
        &DECAY.replace("hidden = 64", "hidden = -3"),
        &[],
        r#"
test.toml:15:10: `vanilla-rnn.hidden`: expected a whole number from 1 to 4294967296, found `-3`
15 | hidden = -3
              ^^
"#,
    );
}

#[test]
fn an_empty_cell_is_refused() {
    assert_refused(
        &DECAY.replace("hidden = 64", "hidden = 0"),
        &[],
        r#"
test.toml:15:10: `vanilla-rnn.hidden`: expected a whole number from 1 to 4294967296, found `0`
15 | hidden = 0
              ^
"#,
    );
}

#[test]
fn an_immense_size_is_refused() {
    assert_refused(
        SMALL,
        &["cell.hidden=9223372036854775807"],
        r#"
--set, column 13: `vanilla-rnn.hidden`: expected a whole number from 1 to 4294967296, found `9223372036854775807`
--set cell.hidden=9223372036854775807
                  ^^^^^^^^^^^^^^^^^^^
"#,
    );
}

#[test]
fn a_missing_key_is_refused_with_what_to_write() {
    assert_refused(
        &SMALL.replace("steps = 50\n", ""),
        &[],
        r#"
test.toml:3:1: missing key `sequence.steps`
3 | [sequence]
    ^^^^^^^^^^
help: add `steps = 200`
"#,
    );
}

#[test]
fn a_cell_without_size_is_refused() {
    assert_refused(
        &SMALL.replace("hidden = 8\n", ""),
        &[],
        r#"
test.toml:6:1: missing key `vanilla-rnn.hidden`
6 | [[cell]]
    ^^^^^^^^
help: add `hidden = 64`
"#,
    );
}

#[test]
fn a_file_without_cells_is_refused() {
    assert_refused(
        "name = \"x\"\n",
        &[],
        r#"
test.toml:1:1: missing key `cell`
1 | name = "x"
    ^
help: add a `[[cell]]` with `kind` and `hidden`
"#,
    );
}

#[test]
fn an_infinite_number_is_refused() {
    assert_refused(
        &DECAY.replace("bias = 0.0", "bias = inf"),
        &[],
        r#"
test.toml:19:8: `cell.bias`: expected a finite number, found `inf`
19 | bias = inf
            ^^^
"#,
    );
}

#[test]
fn broken_toml_is_refused() {
    assert_refused(
        &DECAY.replace("seed = 20", "seed = "),
        &[],
        r#"
test.toml:2:8: not valid TOML: string values must be quoted, expected literal string
2 | seed = 
           ^
"#,
    );
}

#[test]
fn a_value_a_cell_refuses_is_shown_in_its_place() {
    assert_refused(
        &DECAY.replace("forget_bias = 1.0", "forget_bias = { chrono = 1 }"),
        &[],
        r#"
test.toml:24:26: `lstm.forget_bias.chrono`: expected a finite number above 2, found 1
24 | forget_bias = { chrono = 1 }
                              ^
"#,
    );
}

#[test]
fn a_key_of_another_kind_of_input_is_refused() {
    assert_refused(
        &DECAY.replace("std = 1.0", "value = 1.0"),
        &[],
        r#"
test.toml:8:40: `sequence.input.value`: expected one of size, std for an input of kind `gaussian`, found `value`
8 | input = { kind = "gaussian", size = 8, value = 1.0 }
                                           ^^^^^
help: remove the key, or choose another `kind`
"#,
    );
}

#[test]
fn a_pulse_outside_the_sequence_is_refused() {
    assert_refused(
        &with_input("{ kind = \"pulse\", at = 51 }"),
        &[],
        r#"
test.toml:5:32: `sequence.input.at`: expected a step from 1 to 50 (sequence.steps), found `51`
5 | input = { kind = "pulse", at = 51 }
                                   ^^
"#,
    );
}

#[test]
fn a_pulse_that_outlasts_the_sequence_is_refused() {
    assert_refused(
        &with_input("{ kind = \"pulse\", at = 50, width = 2 }"),
        &[],
        r#"
test.toml:5:44: `sequence.input.width`: expected a number of steps from 1 to 1, the end of the sequence, found `2`
5 | input = { kind = "pulse", at = 50, width = 2 }
                                               ^
"#,
    );
}

#[test]
fn a_pulse_without_a_step_is_refused() {
    assert_refused(
        &with_input("{ kind = \"pulse\" }"),
        &[],
        r#"
test.toml:5:9: missing key `sequence.input.at`
5 | input = { kind = "pulse" }
            ^^^^^^^^^^^^^^^^^^
help: say at which step the pulse starts: `at = 20`
"#,
    );
}

#[test]
fn an_axis_over_no_key_of_any_cell_is_refused() {
    assert_refused(
        &with_sweep("\"cell.hiden\" = [1]"),
        &[],
        r#"
test.toml:15:1: unknown key `cell.hiden`
15 | "cell.hiden" = [1]
     ^^^^^^^^^^^^
help: did you mean `hidden`? (keys here: `activation`, `bias`, `forget_bias`, `forget_gate`, `hidden`, `input_weights`, `layers`, `recurrent_weights`)
"#,
    );
}

#[test]
fn an_axis_over_no_cell_is_refused() {
    assert_refused(
        &with_sweep("\"lsmt.forget_bias\" = [1]"),
        &[],
        r#"
test.toml:15:1: unknown key `lsmt.forget_bias`
15 | "lsmt.forget_bias" = [1]
     ^^^^^^^^^^^^^^^^^^
help: did you mean `lstm.forget_bias`? (keys here: `vanilla-rnn`, `lstm`, `cell`, `seed`, `sequence`, `loss`)
"#,
    );
}

#[test]
fn an_axis_over_no_key_of_a_table_is_refused() {
    assert_refused(
        &with_sweep("\"lstm.recurrent_weights.gian\" = [1]"),
        &[],
        r#"
test.toml:15:1: unknown key `lstm.recurrent_weights.gian`
15 | "lstm.recurrent_weights.gian" = [1]
     ^^^^^^^^^^^^^^^^^^^^^^^^^^^^^
help: did you mean `gain`? (keys here: `init`, `gain`)
"#,
    );
}

#[test]
fn an_axis_over_what_is_no_part_of_a_run_is_refused() {
    assert_refused(
        &with_sweep("replicates = [2]"),
        &[],
        r#"
test.toml:15:1: `replicates`: expected an axis over `seed`, a key of `sequence` or `loss`, or a cell's key, found `replicates`
15 | replicates = [2]
     ^^^^^^^^^^
help: give it one value instead of a list of them
"#,
    );
}

#[test]
fn an_empty_axis_is_refused() {
    assert_refused(
        &with_sweep("\"cell.hidden\" = []"),
        &[],
        r#"
test.toml:15:17: `cell.hidden`: expected at least one value, found `[]`
15 | "cell.hidden" = []
                     ^^
help: list the values of the axis, or remove it
"#,
    );
}

#[test]
fn a_repeated_axis_value_is_refused() {
    assert_refused(
        &with_sweep("\"lstm.forget_bias\" = [1, 2, 1.0]"),
        &[],
        r#"
test.toml:15:29: `lstm.forget_bias`: expected different values, found `1.0`
15 | "lstm.forget_bias" = [1, 2, 1.0]
                                 ^^^
help: remove the repeated value
"#,
    );
}

#[test]
fn an_axis_value_is_checked_on_its_cell() {
    assert_refused(
        &with_sweep("\"cell.hidden\" = [4, -2]"),
        &[],
        r#"
test.toml:15:21: `vanilla-rnn.hidden`: expected a whole number from 1 to 4294967296, found `-2`
15 | "cell.hidden" = [4, -2]
                         ^^
"#,
    );
}

#[test]
fn two_axes_over_one_key_are_refused() {
    assert_refused(
        &with_sweep("\"cell.hidden\" = [1]\n\"lstm.hidden\" = [2]"),
        &[],
        r#"
test.toml:16:1: `lstm.hidden`: expected a key that no other axis sets, found the axis `cell.hidden`
16 | "lstm.hidden" = [2]
     ^^^^^^^^^^^^^
help: keep one of the two, or address each cell by its label
"#,
    );
}

#[test]
fn numbers_of_hundreds_of_digits_are_not_printed_in_full() {
    let text = with_sweep("\"lstm.forget_bias\" = [0.0]");
    for set in [
        "vanilla-rnn.recurrent_weights.gain=-1e300",
        "lstm.forget_bias={ chrono = -1e300 }",
    ] {
        let error = load_with(&text, &[set]).unwrap_err().to_string();
        assert!(error.contains("found -1e300\n"), "{error}");
    }
}

/// Equal whatever the type and sign of a number and the order of keys; big numbers are told apart that
/// are equal as floating-point numbers.
#[test]
fn axis_values_are_repeated_if_they_mean_the_same() {
    for (values, is_repeated) in [
        ("[0.0, -0.0]", true),
        ("[0, -0.0]", true),
        ("[3, 3.0]", true),
        ("[{ chrono = 2 }, { chrono = 2.0 }]", true),
        ("[{ chrono = 2 }, { chrono = 3 }]", false),
        ("[2, 3.0]", false),
    ] {
        let text = with_sweep(&format!("\"lstm.forget_bias\" = {values}"));
        let refused = load_with(&text, &[]).map_err(|error| error.to_string());
        let is_refused = refused.is_err_and(|error| error.contains("different values"));
        assert_eq!(is_refused, is_repeated, "{values}");
    }
    let text = with_sweep("seed = [9007199254740992, 9007199254740993]");
    assert!(load_with(&text, &[]).is_ok());
}

/// Comparing each with each would take 2 · 10¹⁰ steps.
#[test]
fn a_repeated_value_is_found_at_once_among_many() {
    let seeds: Vec<String> = (0..200_000).map(|seed| seed.to_string()).collect();
    let text = with_sweep(&format!("seed = [{}, 7]", seeds.join(", ")));
    let error = load_with(&text, &[]).unwrap_err().to_string();
    assert!(error.contains("expected different values, found `7`"));
}

#[test]
fn too_many_runs_are_refused() {
    assert_refused(
        DECAY,
        &["replicates=1000000"],
        r#"
the grid has 24000000 runs, more than the 1000000 this program handles
help: shorten an axis of [sweep] or lower `replicates`, or split the experiment
"#,
    );
}

#[test]
fn set_without_a_value_is_refused() {
    assert_refused(
        SMALL,
        &["abc"],
        r#"
--set abc: expected key=value, as in `--set sequence.steps=100`
"#,
    );
}

#[test]
fn an_error_in_set_is_shown_in_the_argument() {
    assert_refused(
        SMALL,
        &["cell.hidden=abc"],
        r#"
--set, column 13: `vanilla-rnn.hidden`: expected a whole number from 1 to 4294967296, found `abc`
--set cell.hidden=abc
                  ^^^
"#,
    );
}

#[test]
fn a_list_in_set_that_is_no_toml_is_refused() {
    assert_refused(
        SMALL,
        &["vanilla-rnn.activation=[tanh,relu]"],
        r#"
--set, column 24: `vanilla-rnn.activation`: expected a value in TOML, found `[tanh,relu]`
--set vanilla-rnn.activation=[tanh,relu]
                             ^^^^^^^^^^^
help: strings in lists and tables need quotes, also from the shell: `--set 'vanilla-rnn.activation=["tanh", "relu"]'`
"#,
    );
}

#[test]
fn an_unknown_table_in_set_is_refused() {
    assert_refused(
        SMALL,
        &["records.gradients=true"],
        r#"
--set, column 1: unknown key `records.gradients`
--set records.gradients=true
      ^^^^^^^^^^^^^^^^^
help: did you mean `record.gradients`? (keys here: `vanilla-rnn`, `lstm`, `cell`, `name`, `seed`, `replicates`, `memory`, `sequence`, `loss`, `record`, `fit`)
"#,
    );
}

#[test]
fn an_unknown_key_in_set_is_refused() {
    assert_refused(
        SMALL,
        &["cell.hiden=3"],
        r#"
--set, column 1: unknown key `cell.hiden`
--set cell.hiden=3
      ^^^^^^^^^^
help: did you mean `hidden`? (keys here: `activation`, `bias`, `forget_bias`, `forget_gate`, `hidden`, `input_weights`, `layers`, `recurrent_weights`)
"#,
    );
}

#[test]
fn a_set_that_an_axis_would_undo_is_refused() {
    assert_refused(
        &with_sweep("\"cell.hidden\" = [1, 2]"),
        &["lstm.hidden=3"],
        r#"
--set, column 1: `lstm.hidden`: expected a key that no axis of [sweep] sets, found the axis `cell.hidden`
--set lstm.hidden=3
      ^^^^^^^^^^^
help: set the axis instead: `--set cell.hidden=…`
"#,
    );
}

#[test]
fn a_set_of_a_whole_section_of_lists_is_refused() {
    assert_refused(
        SMALL,
        &["figure.kind=decay"],
        r#"
--set, column 1: `figure.kind`: expected a key of one value, found `figure`
--set figure.kind=decay
      ^^^^^^^^^^^
help: `--set cell.hidden=[32, 64]` makes an axis; edit the file to change figures
"#,
    );
}

#[test]
fn two_cells_of_one_label_are_refused() {
    assert_refused(
        &format!("{SMALL}\n[[cell]]\nkind = \"lstm\"\nhidden = 4\n"),
        &[],
        r#"
test.toml:14:1: `cell.label`: expected a different label for each cell, found `lstm` twice
14 | [[cell]]
     ^^^^^^^^
help: add `label = "lstm-2"` here
"#,
    );
}

#[test]
fn a_label_like_a_table_is_refused() {
    assert_refused(
        &SMALL.replacen("hidden = 8", "hidden = 8\nlabel = \"loss\"", 1),
        &[],
        r#"
test.toml:9:9: `cell.label`: expected a label that is no table or key of the top level, found `"loss"`
9 | label = "loss"
            ^^^^^^
"#,
    );
}

#[test]
fn a_name_that_is_no_file_name_is_refused() {
    assert_refused(
        &SMALL.replace("\"small\"", "\"../small\""),
        &[],
        r#"
test.toml:1:8: `name`: expected a name of letters, digits, `_` and `-`, found `"../small"`
1 | name = "../small"
           ^^^^^^^^^^
"#,
    );
}

#[test]
fn a_fit_beyond_the_sequence_is_refused() {
    assert_refused(
        &format!("{SMALL}\n[fit]\nto = 51\n"),
        &[],
        r#"
test.toml:15:6: `fit.to`: expected a lag from 3 to 50 (sequence.steps), found `51`
15 | to = 51
          ^^
help: a fit takes three lags at least, and there is none beyond the first step
"#,
    );
}

#[test]
fn a_fit_over_two_lags_is_refused() {
    assert_refused(
        &format!("{SMALL}\n[fit]\nfrom = 49\n"),
        &[],
        r#"
test.toml:15:8: `fit.from`: expected a lag from 1 to 48, so that the window up to sequence.steps = 50 holds three, found `49`
15 | from = 49
            ^^
help: lower `fit.from`
"#,
    );
}

#[test]
fn a_fit_that_ends_before_it_begins_is_refused_with_both_ends() {
    assert_refused(
        &format!("{SMALL}\n[fit]\nfrom = 20\nto = 10\n"),
        &[],
        r#"
test.toml:15:8: `fit.from`: expected a lag from 1 to 8, so that the window up to `fit.to` = 10 holds three, found `20`
15 | from = 20
            ^^
help: lower `fit.from` or raise `fit.to`
"#,
    );
    assert_refused(
        SMALL,
        &["sequence.steps=2", "fit.to=2"],
        r#"
--set, column 8: `fit.to`: expected no window: sequence.steps = 2 is too short for a fit, found `2`
--set fit.to=2
             ^
help: remove [fit], or raise `sequence.steps`
"#,
    );
}

#[test]
fn labels_and_kinds_are_neither_set_nor_swept() {
    for key in ["lstm.label", "cell.kind"] {
        let fixed = key.split_once('.').unwrap().1;
        let set = refused(SMALL, &[&format!("{key}=other")]);
        let swept = refused(&with_sweep(&format!("\"{key}\" = [\"other\"]")), &[]);
        assert!(set.starts_with("--set, column 1: "), "{set}");
        assert!(swept.starts_with("test.toml:15:1: "), "{swept}");
        for message in [set, swept] {
            let expected = format!(
                "`{key}`: expected a key other than a cell's `label` and `kind`, which are fixed, found `{key}`"
            );
            assert!(message.contains(&expected), "{message}");
            let help = format!("help: edit `{fixed}` in the `[[cell]]` of the file");
            assert!(message.ends_with(&help), "{message}");
        }
    }
}

#[test]
fn a_whole_cell_is_neither_set_nor_swept() {
    for key in ["lstm", "cell"] {
        let swept = refused(&with_sweep(&format!("{key} = [3]")), &[]);
        for message in [refused(SMALL, &[&format!("{key}=3")]), swept] {
            let expected = format!("`{key}`: expected a key of a cell, found `{key}`");
            assert!(message.contains(&expected), "{message}");
            assert!(
                message.contains(&format!("name the key: `{key}.hidden`")),
                "{message}"
            );
        }
    }
}

#[test]
fn a_key_without_its_table_is_refused_with_its_whole_path() {
    for (key, path) in [
        ("hidden", "`cell.hidden`"),
        ("steps", "`sequence.steps`"),
        ("forget_bias", "`cell.forget_bias`"),
        (
            "gain",
            "`cell.input_weights.gain` or `cell.recurrent_weights.gain`",
        ),
    ] {
        let swept = refused(&with_sweep(&format!("{key} = [3, 4]")), &[]);
        for message in [refused(SMALL, &[&format!("{key}=3")]), swept] {
            let help = format!("help: did you mean {path}?");
            assert!(message.contains(&help), "{message}");
        }
    }
}

#[test]
fn an_unknown_kind_of_figure_is_refused_with_the_nearest_one() {
    assert_refused(
        &with_figure("kind = \"half_life\""),
        &[],
        r#"
test.toml:18:8: `figure.kind`: unknown name `"half_life"`
18 | kind = "half_life"
            ^^^^^^^^^^^
help: did you mean `half-life`? (names here: `decay`, `phase`, `rate`, `half-life`, `plane`, `gates`, `singular-values`, `lyapunov`, `loss-state`, `unit-gradient`, `error-surface`)
"#,
    );
}

#[test]
fn a_figure_without_a_kind_is_refused_with_what_to_write() {
    assert_refused(
        &with_figure("title = \"x\""),
        &[],
        r#"
test.toml:17:1: missing key `figure.kind`
17 | [[figure]]
     ^^^^^^^^^^
help: add `kind = "decay"`
"#,
    );
}

#[test]
fn lists_of_tables_in_single_brackets_are_refused_with_what_to_write() {
    let figure = refused(&format!("{SMALL}\n[figure]\nkind = \"decay\"\n"), &[]);
    assert!(
        figure.ends_with("help: write `[[figure]]`, then `kind = \"decay\"` below it"),
        "{figure}"
    );
    let cell = "name = \"x\"\nsequence.steps = 5\n[cell]\nkind = \"lstm\"\nhidden = 3\n";
    let cell = refused(cell, &[]);
    assert!(
        cell.ends_with("help: write `[[cell]]`, with `kind` and `hidden` below it"),
        "{cell}"
    );
}

#[test]
fn a_filter_that_is_no_table_is_refused() {
    assert_refused(
        &with_figure("kind = \"decay\"\nwhere = 8"),
        &[],
        r#"
test.toml:19:9: `figure.where`: expected a table of cells, and of values by keys of [sweep], found `8`
19 | where = 8
             ^
help: as in `where = { cell = "lstm", "cell.hidden" = [32, 64] }`
"#,
    );
}

#[test]
fn a_key_of_an_inner_table_is_refused_with_its_table() {
    let gain = refused(
        &SMALL.replacen("hidden = 8", "hidden = 8\ngain = 2", 1),
        &[],
    );
    let help = "help: did you mean `input_weights.gain` or `recurrent_weights.gain`?";
    assert!(gain.contains(help), "{gain}");
    let steps = refused(&format!("steps = 3\n{SMALL}"), &[]);
    let help = "help: did you mean `sequence.steps`?";
    assert!(steps.contains(help), "{steps}");
}

/// Serde's derived structs would take the items of a list for their fields.
#[test]
fn a_list_where_a_table_belongs_is_refused() {
    assert_refused(
        &SMALL.replacen(
            "hidden = 8",
            "hidden = 8\nrecurrent_weights = [\"zero\", 2]",
            1,
        ),
        &[],
        r#"
test.toml:9:21: `vanilla-rnn.recurrent_weights`: expected a table, such as { init = "orthogonal", gain = 1.0 }, found `["zero", 2]`
9 | recurrent_weights = ["zero", 2]
                        ^^^^^^^^^^^
"#,
    );
}

#[test]
fn a_value_where_a_table_belongs_is_refused_with_what_to_write() {
    assert_refused(
        SMALL,
        &["sequence.input=pulse"],
        r#"
--set, column 16: `sequence.input`: expected a table, found `pulse`
--set sequence.input=pulse
                     ^^^^^
help: give its keys values, as in `sequence.input.KEY = …`
"#,
    );
}

#[test]
fn a_quantity_that_is_no_list_or_repeated_is_refused_with_the_remedy() {
    let record = |quantities: &str| format!("{SMALL}\n[record]\nquantities = {quantities}\n");
    let single = refused(&record("\"gates\""), &[]);
    assert!(
        single.ends_with("help: put it into brackets: `[\"gates\"]`"),
        "{single}"
    );
    let unquoted = refused(SMALL, &["record.quantities=gates"]);
    assert!(
        unquoted.ends_with("help: put it into brackets: `[\"gates\"]`"),
        "{unquoted}"
    );
    let twice = refused(&record("[\"gates\", \"node\", \"gates\"]"), &[]);
    assert!(
        twice.contains("expected each quantity once, not `gates` again"),
        "{twice}"
    );
    let none = refused(&record("[]"), &[]);
    assert!(
        none.contains("expected at least one quantity, found `[]`"),
        "{none}"
    );
}

#[test]
fn a_slip_in_set_is_refused_with_the_remedy() {
    for (set, says) in [
        ("sequence.steps=", "found nothing"),
        ("lstm.hidden=[3", "help: close the bracket"),
        (
            "sweep.lstm.hidden=[3]",
            "help: leave out `sweep.`: `lstm.hidden`",
        ),
        ("figure=[1]", "help: edit [figure] in the file"),
        ("replicates=[1, 2]", "help: give it one value"),
    ] {
        let message = refused(SMALL, &[set]);
        assert!(message.contains(says), "{message}");
    }
}

#[test]
fn a_rate_figure_needs_an_axis() {
    assert_refused(
        &with_figure("kind = \"rate\""),
        &[],
        r#"
test.toml:17:1: missing key `figure.x`
17 | [[figure]]
     ^^^^^^^^^^
help: name a key of [sweep], as in `x = "cell.hidden"`
"#,
    );
}

#[test]
fn a_plane_needs_two_axes() {
    let plane = |keys: &str| with_figure(&format!("kind = \"plane\"\nx = \"cell.hidden\"{keys}"));
    assert_refused(
        &plane(""),
        &[],
        r#"
test.toml:17:1: missing key `figure.y`
17 | [[figure]]
     ^^^^^^^^^^
help: add an axis to [sweep] and name its key here
"#,
    );
    assert_refused(
        &plane("\ny = \"cell.hidden\""),
        &[],
        r#"
test.toml:20:5: `figure.y`: expected another key of [sweep] than on the x-axis, found `"cell.hidden"`
20 | y = "cell.hidden"
         ^^^^^^^^^^^^^
"#,
    );
    assert_refused(
        &with_figure("kind = \"rate\"\nx = \"cell.hidden\"\ny = \"cell.hidden\""),
        &[],
        r#"
test.toml:20:5: `figure.y`: expected no y-axis for a figure of kind `rate`, found `"cell.hidden"`
20 | y = "cell.hidden"
         ^^^^^^^^^^^^^
help: remove `y`: this figure has what is measured on its y-axis
"#,
    );
}

#[test]
fn a_figure_over_no_axis_is_refused() {
    assert_refused(
        &with_figure("kind = \"rate\"\nx = \"cell.hiden\""),
        &[],
        r#"
test.toml:19:5: `figure.x`: unknown name `"cell.hiden"`
19 | x = "cell.hiden"
         ^^^^^^^^^^^^
help: did you mean `cell.hidden`? (names here: `cell.hidden`)
"#,
    );
}

#[test]
fn a_filter_on_no_value_of_the_axis_is_refused() {
    assert_refused(
        &with_figure("kind = \"decay\"\nwhere = { \"cell.hidden\" = 7 }"),
        &[],
        r#"
test.toml:19:27: `figure.where.cell.hidden`: unknown name `7`
19 | where = { "cell.hidden" = 7 }
                               ^
help: names here: `4`, `8`
"#,
    );
    assert_refused(
        &with_figure("kind = \"decay\"\nwhere = { \"cell.hidden\" = [4, 7] }"),
        &[],
        r#"
test.toml:19:31: `figure.where.cell.hidden`: unknown name `7`
19 | where = { "cell.hidden" = [4, 7] }
                                   ^
help: names here: `4`, `8`
"#,
    );
    assert_refused(
        &with_figure("kind = \"decay\"\nwhere = { \"cell.hidden\" = [] }"),
        &[],
        r#"
test.toml:19:27: `figure.where.cell.hidden`: expected at least one value, found `[]`
19 | where = { "cell.hidden" = [] }
                               ^^
help: list what is to be shown, or leave the key out to show all
"#,
    );
}

/// Also where there is no [sweep], and nothing but cells to choose from.
#[test]
fn a_filter_on_what_there_is_not_is_refused_with_what_there_is() {
    let figure = |filter: &str| format!("{SMALL}\n[[figure]]\nkind = \"decay\"\nwhere = {filter}");
    assert_refused(
        &figure("{ cell = [\"vanilla-rnn\", \"lsmt\"] }"),
        &[],
        r#"
test.toml:16:34: `figure.where.cell`: unknown name `"lsmt"`
16 | where = { cell = ["vanilla-rnn", "lsmt"] }
                                      ^^^^^^
help: did you mean `lstm`? (names here: `vanilla-rnn`, `lstm`)
"#,
    );
    for key in ["label", "cell.label", "cell.hidden"] {
        let message = refused(&figure(&format!("{{ {key} = 8 }}")), &[]);
        let expected = format!("test.toml:16:11: `figure.where`: unknown name `{key}`\n");
        let help = "help: names here: `cell`";
        assert!(message.ends_with(help), "{message}");
        // The last part of a dotted key is what is marked.
        let is_dotted = key.contains('.');
        assert!(is_dotted || message.starts_with(&expected), "{message}");
    }
    let message = refused(
        &with_figure("kind = \"decay\"\nwhere = { \"cell.hiden\" = 8 }"),
        &[],
    );
    let help = "help: did you mean `cell.hidden`? (names here: `cell`, `cell.hidden`)";
    assert!(message.ends_with(help), "{message}");
}

#[test]
fn a_figure_of_what_is_not_recorded_is_refused() {
    assert_refused(
        &with_figure("kind = \"decay\"\nquantity = \"c_direct\""),
        &[],
        r#"
test.toml:19:12: `figure`: expected `path-split` in record.quantities, for figure `decay`, found nothing of it recorded
19 | quantity = "c_direct"
                ^^^^^^^^^^
help: add "path-split" to `quantities` in [record]
"#,
    );
}

#[test]
fn a_figure_of_one_quantity_refuses_what_it_cannot_show() {
    assert_refused(
        &with_figure("kind = \"loss-state\""),
        &[],
        r#"
test.toml:17:1: `figure`: expected `loss-state` in record.quantities, for figure `loss-state`, found nothing of it recorded
17 | [[figure]]
     ^^^^^^^^^^
help: add "loss-state" to `quantities` in [record]
"#,
    );
    assert_refused(
        &with_figure("kind = \"unit-gradient\"\nquantity = \"c_direct\""),
        &[],
        r#"
test.toml:19:12: `figure.quantity`: expected `h` or `c` for a figure of kind `unit-gradient`, found `"c_direct"`
19 | quantity = "c_direct"
                ^^^^^^^^^^
help: name a block of the state
"#,
    );
    assert_refused(
        &with_figure("kind = \"singular-values\"\nquantity = \"h\""),
        &[],
        r#"
test.toml:19:12: `figure.quantity`: expected no quantity for a figure of kind `singular-values`, found `"h"`
19 | quantity = "h"
                ^^^
help: remove `quantity`: this figure shows the whole state
"#,
    );
}

#[test]
fn two_figures_of_one_name_are_refused() {
    assert_refused(
        &with_figure("kind = \"decay\"\n[[figure]]\nkind = \"decay\""),
        &[],
        r#"
test.toml:19:1: `figure.name`: expected a different name for each figure, found `decay` twice
19 | [[figure]]
     ^^^^^^^^^^
help: add `name = "decay-2"` here
"#,
    );
}

#[test]
fn too_many_rows_of_curves_are_refused() {
    // 1,071 lags of two quantities of the one cell and four of the other.
    let seeds: Vec<String> = (0..4000).map(|seed| seed.to_string()).collect();
    let seeds = format!("seed=[{}]", seeds.join(", "));
    assert_refused(
        SMALL,
        &[&seeds, "replicates=1", "sequence.steps=5000"],
        r#"
the grid has 25704000 rows in curves.csv, more than the 20000000 this program handles
help: shorten an axis of [sweep], or split the experiment
"#,
    );
}

#[test]
fn an_error_on_a_line_with_tabs_and_wide_letters_is_marked_in_its_place() {
    let text = "name = \"x\"\n\t\"größe\" = 3\n";
    assert_refused(
        text,
        &[],
        "test.toml:2:2: unknown key `größe`\n2 | \t\"größe\" = 3\n    \t^^^^^^^\nhelp: keys here: `name`, \
         `seed`, `replicates`, `memory`, `sequence`, `loss`, `cell`, `sweep`, `record`, `fit`, `figure`",
    );
}

#[test]
fn no_damage_to_a_file_or_an_argument_makes_the_program_panic() {
    let text = DECAY.replace("1.0", "[\"é\"]");
    for text in [DECAY, &text] {
        for (at, character) in text.char_indices() {
            let (before, after) = text.split_at(at);
            let after_it = &after[character.len_utf8()..];
            for damaged in [
                before.to_owned(),
                format!("{before}{after_it}"),
                format!("{before}\"{after_it}"),
                format!("{before}-9{after_it}"),
                format!("{before}\u{1F300}.{after}"),
            ] {
                let _ = load_with(&damaged, &[]);
                let _ = load_with(DECAY, &[&damaged, "cell.hidden=[é]"]);
            }
        }
    }
}

const STACKS: &str = r#"
name = "stacks"
sequence.steps = 20

[[cell]]
kind = "lstm"
hidden = 4
layers = 2

[[cell]]
kind = "stack"
label = "mixed"
layers = [
    { kind = "lstm", hidden = 6, forget_bias = 2.0 },
    { kind = "vanilla-rnn", hidden = 5, activation = "relu" },
]
"#;

fn stacks(sets: &[&str]) -> Result<Loaded, String> {
    let sets: Vec<String> = sets.iter().map(|set| (*set).to_owned()).collect();
    Config::load(STACKS, "test.toml", &sets).map_err(|error| error.to_string())
}

/// Kind and hidden size of every layer, cell by cell of the grid.
fn layers(loaded: &Loaded) -> Vec<Vec<(&'static str, usize)>> {
    let cells = loaded.grid.iter().map(|point| point.cell.layers());
    cells
        .map(|layers| {
            layers
                .iter()
                .map(|cell| (cell.kind(), cell.hidden()))
                .collect()
        })
        .collect()
}

#[test]
fn a_cell_may_have_equal_layers_or_list_them() {
    let loaded = stacks(&[]).unwrap();
    assert_eq!(
        layers(&loaded),
        [
            vec![("lstm", 4), ("lstm", 4)],
            vec![("lstm", 6), ("vanilla-rnn", 5)]
        ]
    );
    let written = loaded.config.to_toml();
    let again = Config::load(&written, "test.toml", &[]).unwrap();
    assert_eq!(again.config, loaded.config, "{written}");
    // The identity of a single cell does not know of layers.
    let single = stacks(&["lstm.layers=1"]).unwrap().config.to_toml();
    assert_eq!(single.matches("layers").count(), 1, "{single}");
}

#[test]
fn a_figure_may_show_one_layer_that_there_is() {
    let figure = |quantity: &str| {
        let text = format!("{STACKS}\n[[figure]]\nkind = \"decay\"\nquantity = \"{quantity}\"\n");
        Config::load(&text, "test.toml", &[])
    };
    let loaded = figure("1.c_carried").unwrap();
    assert_eq!(
        loaded.config.figures[0].quantity.as_deref(),
        Some("1.c_carried")
    );
    for (quantity, expected) in [
        ("2.h", "`figure.quantity`: expected a layer from 0 to 1"),
        ("0.g", "`figure.quantity`: unknown name"),
        ("00.h", "`figure.quantity`: unknown name"),
        (
            "0.x",
            "`figure.quantity`: expected `x` without a layer: it is the network's",
        ),
    ] {
        let error = figure(quantity).unwrap_err().to_string();
        assert!(error.contains(expected), "{error}");
    }
    let single = STACKS
        .split("[[cell]]\nkind = \"stack\"")
        .next()
        .unwrap()
        .to_owned()
        + "[[figure]]\nkind = \"decay\"\nquantity = \"1.h\"\n";
    let sets = ["lstm.layers=1".to_owned()];
    let loaded = Config::load(&single, "test.toml", &sets).unwrap();
    assert!(loaded.notes[0].contains("left out"), "{:?}", loaded.notes);
}

#[test]
fn an_axis_sets_a_key_of_every_layer_or_of_one() {
    let all = stacks(&["cell.hidden=[3]"]).unwrap();
    assert_eq!(
        layers(&all),
        [
            vec![("lstm", 3), ("lstm", 3)],
            vec![("lstm", 3), ("vanilla-rnn", 3)]
        ]
    );
    let one = stacks(&["mixed.1.hidden=[7]", "lstm.layers=[1, 3]"]).unwrap();
    let mixed = vec![("lstm", 6), ("vanilla-rnn", 7)];
    assert_eq!(
        layers(&one),
        [vec![("lstm", 4)], vec![("lstm", 4); 3], mixed]
    );
    // Only the LSTM has one.
    let bias = stacks(&["mixed.forget_bias=[0, 1]"]).unwrap();
    assert_eq!(bias.grid.len(), 3);
    let error = stacks(&["mixed.hidden=[3]", "mixed.0.hidden=[4]"]).unwrap_err();
    assert!(
        error.contains("`mixed.0.hidden`: expected a key that no other axis sets"),
        "{error}"
    );
}

/// A layer's keys are addressed by its number, not through `layers`.
#[test]
fn a_key_of_a_layer_is_sought_in_the_cell() {
    assert_eq!(super::schema::paths_to("hidden"), ["cell.hidden"]);
    let text = STACKS.replace("label = \"mixed\"", "hidden = 3");
    let error = Config::load(&text, "test.toml", &[]).unwrap_err();
    assert!(!error.to_string().contains("layers.hidden"), "{error}");
}

#[test]
fn mistakes_in_layers_are_named_with_their_layer() {
    for (sets, expected) in [
        (
            &["mixed.0.hidden=0"][..],
            "`mixed.0.hidden`: expected a whole number from 1",
        ),
        (&["mixed.2.hidden=3"], "unknown key `mixed.2.hidden`"),
        (
            &["mixed.0.activation=relu"],
            "unknown key `mixed.0.activation`",
        ),
        (&["mixed.layers=2"], "unknown key `mixed.layers`"),
        (
            &["lstm.layers=0"],
            "`lstm.layers`: expected a whole number from 1 to 1000, found `0`",
        ),
        (
            &["lstm.layers=-1"],
            "`lstm.layers`: expected a whole number from 1 to 1000, found `-1`",
        ),
        (
            &["lstm.layers=2.5"],
            "`lstm.layers`: expected a whole number from 1 to 1000, found `2.5`",
        ),
        (
            &["lstm.layers=two"],
            "`lstm.layers`: expected a whole number from 1 to 1000, found `two`",
        ),
        (
            &["mixed.1.recurrent_weights.gain=-1", "mixed.1.hidden=2"],
            "`mixed.1.recurrent_weights.gain`",
        ),
    ] {
        let error = stacks(sets).unwrap_err();
        assert!(error.contains(expected), "{sets:?}: {error}");
    }
    for (layers, expected) in [
        ("", "`mixed.layers`"),
        (
            "layers = []",
            "`mixed.layers`: expected a list of 1 to 1000 cells",
        ),
        (
            "layers = 2",
            "`mixed.layers`: expected a list of 1 to 1000 cells",
        ),
        ("layers = [{ hidden = 2 }]", "`mixed.0.kind`"),
        (
            "layers = [{ kind = \"lstn\", hidden = 2 }]",
            "`mixed.0.kind`",
        ),
        ("layers = [{ kind = \"lstm\" }]", "`mixed.0.hidden`"),
        (
            "layers = [{ kind = \"lstm\", hiden = 2 }]",
            "`mixed.0.hiden`",
        ),
        (
            "hidden = 2\nlayers = [{ kind = \"lstm\", hidden = 2 }]",
            "`mixed.hidden`",
        ),
    ] {
        let text = format!(
            "name = \"a\"\nsequence.steps = 3\n[[cell]]\nkind = \"stack\"\nlabel = \"mixed\"\n{layers}\n"
        );
        let error = Config::load(&text, "test.toml", &[])
            .unwrap_err()
            .to_string();
        assert!(error.contains(expected), "{layers}: {error}");
    }
}
