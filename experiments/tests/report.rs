//! Reports: what they say, that they need nothing but themselves, and that they do not churn.

// Of what the tests share, only a part is needed here.
#[allow(dead_code)]
mod common;

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use common::{EVERYTHING, Ended, Lab, TINY};

/// [`TINY`] with everything recorded, and a comment that would like to be markup.
fn everything() -> Lab {
    let about = "# Is <b>this</b> & \"that\" | seen? <script>alert(1)</script>\n#\n# Look at `h_carried`, and *not* \
                 only\n# there.\n";
    Lab::with(&format!("{about}{TINY}{EVERYTHING}"))
}

fn reported(lab: &Lab) -> [String; 2] {
    lab.vangrad(&["report", "out"])
        .exits_with(0)
        .says(&["out/report.html", "out/report.md"]);
    ["out/report.html", "out/report.md"].map(|name| text(lab, name))
}

fn text(lab: &Lab, name: &str) -> String {
    String::from_utf8(lab.bytes(name)).unwrap()
}

/// What stands between `start` and `end`, each time.
fn between<'a>(text: &'a str, start: &str, end: &str) -> Vec<&'a str> {
    let parts = text.split(start).skip(1);
    parts.map(|part| part.split(end).next().unwrap()).collect()
}

fn unescaped_html(text: &str) -> String {
    [
        ("&lt;", "<"),
        ("&gt;", ">"),
        ("&quot;", "\""),
        ("&#39;", "'"),
        ("&amp;", "&"),
    ]
    .iter()
    .fold(text.to_owned(), |text, (entity, character)| {
        text.replace(entity, character)
    })
}

/// The rows of all tables, headings first, as texts.
fn html_rows(page: &str) -> Vec<Vec<String>> {
    let cell = |cell: &str| {
        let (_, text) = cell.split_once('>').unwrap();
        unescaped_html(text.split("</t").next().unwrap())
    };
    let rows = between(page, "<tr>", "</tr>").into_iter();
    rows.map(|row| {
        let cells = row.split("<t").skip(1);
        cells.map(cell).collect()
    })
    .collect()
}

fn markdown_rows(file: &str) -> Vec<Vec<String>> {
    let lines = file.lines().filter(|line| line.starts_with("| "));
    let is_rule = |line: &&str| line.contains("---") && !line.contains(char::is_alphanumeric);
    let rows = lines.filter(|line| !is_rule(line)).map(|line| {
        let inner = line.strip_prefix("| ").unwrap().strip_suffix(" |").unwrap();
        let cells = inner.split(" | ");
        cells.map(|cell| cell.replace('\\', "")).collect()
    });
    rows.collect()
}

#[test]
fn a_report_tells_all_of_an_experiment() {
    let lab = everything();
    lab.run(&[]).exits_with(0);
    let [html, markdown] = reported(&lab);
    for said in [
        "How much of the gradient is left",
        "Rates, half-lives, verdicts",
        "What theory says",
        "The gates in brief",
        "A closer look",
        "What is measured",
        "How it was run",
        "How to reproduce each number",
        "This run",
        "Seed",
        "4 grid points × 2 replicates = 8 runs; all done",
        "through the gates and the recurrent weights",
        "cargo run --release -- verify results/out",
        "normal inputs of size I = 3",
    ] {
        assert!(html.contains(said), "no `{said}` in the page");
        assert!(markdown.contains(said), "no `{said}` in the Markdown");
    }
    // Every figure, with what it shows as its alternative text.
    let drawings = html.matches("<svg role=\"img\" aria-label=\"").count();
    assert_eq!(drawings, 6);
    assert_eq!(markdown.matches("![").count(), drawings);
    for name in [
        "decay",
        "rate",
        "singular-values",
        "lyapunov",
        "loss-state",
        "unit-gradient",
    ] {
        assert!(
            markdown.contains(&format!("](figures/{name}.svg)")),
            "{name}"
        );
    }
    // Who cannot see a wide one whole is told how.
    let wide = |figure: &&str| {
        let width = figure
            .split(" width=\"")
            .nth(1)
            .unwrap()
            .split('"')
            .next()
            .unwrap();
        width.parse::<f64>().unwrap() > 880.0
    };
    let wide = between(&html, "<figure ", "</figure>")
        .iter()
        .filter(|figure| wide(figure))
        .count();
    assert_eq!(html.matches(" class=\"wide\">").count(), wide);
    // Every rate that is stored.
    let fits = text(&lab, "out/fits.csv");
    assert_eq!(
        html_rows(&html)
            .iter()
            .filter(|row| row.contains(&"vanishes".to_owned()))
            .count()
            - 1,
        fits.lines()
            .filter(|line| line.contains(",vanishes,"))
            .count()
    );
    // The whole config, comment included.
    let config = text(&lab, "out/config.toml");
    assert!(unescaped_html(&html).contains(&config));
    assert!(markdown.contains(&config));
}

#[test]
fn both_formats_list_the_same_numbers() {
    let lab = everything();
    lab.run(&[]).exits_with(0);
    let [html, markdown] = reported(&lab);
    let (html, markdown) = (html_rows(&html), markdown_rows(&markdown));
    assert!(html.len() > 40, "{}", html.len());
    assert_eq!(html, markdown);
    // And the numbers are those of the tables: −0.5 of `−0.512…` and the like.
    let fits = text(&lab, "out/fits.csv");
    let mut lines = fits.lines();
    let columns: Vec<&str> = lines.next().unwrap().split(',').collect();
    let rate = columns.iter().position(|name| *name == "rate").unwrap();
    for line in lines {
        let stored: f64 = line.split(',').nth(rate).unwrap().parse().unwrap();
        let is_shown = |cell: &String| {
            let number = cell.replace('−', "-").parse::<f64>();
            // Four digits are shown.
            number.is_ok_and(|number| (number - stored).abs() <= 5.1e-4 * stored.abs())
        };
        assert!(
            html.iter().flatten().any(is_shown),
            "{stored} is not in the report"
        );
    }
}

#[test]
fn what_a_config_says_is_text_in_a_report() {
    let lab = everything();
    lab.run(&[]).exits_with(0);
    let [html, markdown] = reported(&lab);
    assert!(!html.contains("<script"), "a script in the page");
    assert!(html.contains(
        "<h1>Is &lt;b&gt;this&lt;/b&gt; &amp; &quot;that&quot; | seen? &lt;script&gt;alert(1)&lt;/script&gt;</h1>"
    ));
    assert!(html.contains("Look at <code>h_carried</code>, and *not* only there."));
    assert!(markdown.starts_with(
        "# Is \\<b\\>this\\</b\\> \\& \"that\" \\| seen? \\<script\\>alert(1)\\</script\\>\n"
    ));
    assert!(markdown.contains("Look at `h_carried`, and \\*not\\* only there."));
}

#[test]
fn a_page_needs_nothing_but_itself_and_its_links_lead_somewhere() {
    let lab = everything();
    lab.run(&[]).exits_with(0);
    let [html, markdown] = reported(&lab);
    assert!(html.contains("<html lang=\"en\">"));
    assert!(html.contains("http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; style-src 'unsafe-inline'"));
    for forbidden in [
        "http:", "https:", " src=", "@import", "url(", "<script", "<link", "<img", "<iframe",
    ] {
        assert!(!html.contains(forbidden), "{forbidden}");
    }
    let ids = between(&html, " id=\"", "\"");
    let distinct: BTreeSet<&str> = ids.iter().copied().collect();
    assert_eq!(ids.len(), distinct.len(), "an id stands twice");
    let labels = between(&html, " aria-labelledby=\"", "\"");
    for id in labels {
        assert!(distinct.contains(id), "no element is called {id}");
    }
    let mut links: Vec<&str> = between(&html, " href=\"", "\"");
    links.extend(between(&markdown, "](", ")"));
    assert!(links.len() > 20);
    for link in links {
        match link.strip_prefix('#') {
            Some(id) => assert!(distinct.contains(id), "{link}"),
            None => assert!(lab.path("out").join(link).is_file(), "{link}"),
        }
    }
}

#[test]
fn a_page_has_one_title_its_headings_in_order_and_headers_in_every_table() {
    let lab = everything();
    lab.run(&[]).exits_with(0);
    let [html, _] = reported(&lab);
    assert_eq!(html.matches("<h1>").count(), 1);
    assert!(html.find("<h1>").unwrap() < html.find("<h2").unwrap());
    assert!(html.contains("<main id=\"content\">"));
    let tables = between(&html, "<table>", "</table>");
    assert!(tables.len() > 6);
    for table in tables {
        assert!(table.contains("<caption"), "{table}");
        assert!(table.contains("<th scope=\"col\""), "{table}");
        assert!(table.contains("<th scope=\"row\""), "{table}");
    }
}

#[test]
fn the_same_results_give_the_same_report_wherever_and_whenever() {
    let lab = Lab::with(TINY);
    lab.run(&[]).exits_with(0);
    let first = reported(&lab);
    // Computed again: another time in the manifest.
    let earlier = lab.manifest("out")["started"].clone();
    std::thread::sleep(std::time::Duration::from_millis(1100));
    lab.run(&["--fresh"]).exits_with(0);
    assert_ne!(lab.manifest("out")["started"], earlier);
    assert!(
        !lab.path("out/report.html").exists(),
        "a report of what was there before"
    );
    assert_eq!(reported(&lab), first);
    // From within the folder.
    let mut command = lab.command(&["report", "."]);
    let status = command.current_dir(lab.path("out")).status().unwrap();
    assert!(status.success());
    assert_eq!(
        ["out/report.html", "out/report.md"].map(|name| text(&lab, name)),
        first
    );
    // And the results hold with it.
    lab.vangrad(&["verify", "out"]).exits_with(0);
}

#[test]
fn without_a_comment_the_figures_say_what_is_seen() {
    let lab = Lab::with(TINY);
    lab.run(&[]).exits_with(0);
    let [html, _] = reported(&lab);
    assert!(html.contains("<h1>tiny</h1>"));
    assert!(
        html.contains("<p class=\"lead\">At lag 12 the gradient"),
        "{html}"
    );
}

/// What holds for the grid points that `where` has chosen is never said of all of them.
#[test]
fn a_report_says_of_which_grid_points_a_figure_is() {
    let lab = Lab::with(&format!(
        "{TINY}\n[[figure]]\nkind = \"decay\"\n\
         where = {{ \"vanilla-rnn.recurrent_weights.gain\" = 1.5, \"lstm.forget_bias\" = [1.0, 0.0] }}\n\
         [[figure]]\nkind = \"rate\"\nx = \"lstm.forget_bias\"\n\
         where = {{ \"vanilla-rnn.recurrent_weights.gain\" = 1.5 }}\n\
         [[figure]]\nkind = \"rate\"\nname = \"gains\"\n\
         x = \"vanilla-rnn.recurrent_weights.gain\"\nwhere = {{ cell = \"vanilla-rnn\" }}\n"
    ));
    lab.run(&[]).exits_with(0);
    let chosen = "gain = 1.5 (vanilla-rnn), forget bias = 0.0 or 1.0 (lstm)";
    for text in reported(&lab).map(|text| unescaped_html(&text).replace('\\', "")) {
        let sentence = format!("For {chosen} only: At lag 12 the gradient");
        assert!(text.contains(&sentence), "{text}");
        assert!(text.contains(&format!("Only {chosen}. How to read it: the lag k")));
        // It is a figure of LSTMs, which have no such gain.
        assert!(!text.contains("only: lstm: ") && text.contains("lstm: rates from"));
        assert!(text.contains("For cell vanilla-rnn only: vanilla-rnn: "));
        assert!(text.contains("Only cell vanilla-rnn. How to read it:"));
    }
}

#[test]
fn one_replicate_has_no_quartiles_and_no_interval_in_words() {
    let rate =
        "[[figure]]\nkind = \"decay\"\n[[figure]]\nkind = \"rate\"\nx = \"lstm.forget_bias\"\n";
    let said = |replicates: usize| {
        let lab = Lab::with(&format!("{TINY}\n{rate}"));
        lab.run(&["--set", &format!("replicates={replicates}")])
            .exits_with(0);
        let [_, markdown] = reported(&lab);
        let bands =
            markdown.contains("Lines are medians over replicates, bands their quartiles; theory");
        let one = markdown.contains("Lines are of one replicate; theory");
        assert_ne!(bands, one);
        (
            bands,
            markdown.contains("in nats per step, with its interval. Below"),
        )
    };
    assert_eq!(said(1), (false, false));
    assert_eq!(said(2), (true, false));
    assert_eq!(said(3), (true, true));
}

/// A linear network whose state overflows at gain 1000.
const OVERFLOWING: &str = r#"
name = "overflowing"
replicates = 2
sequence.steps = 150
[[cell]]
kind = "vanilla-rnn"
hidden = 4
activation = "identity"
recurrent_weights = { init = "orthogonal" }
[sweep]
"vanilla-rnn.recurrent_weights.gain" = [1e3, 1.0]
"#;

#[test]
fn a_report_opens_with_what_failed_and_the_remedy() {
    let lab = Lab::with(OVERFLOWING);
    lab.run(&[]).exits_with(1);
    let [html, markdown] = reported(&lab);
    for text in [&html, &markdown] {
        let lead = &text[..text.find("At lag").unwrap()];
        assert!(lead.contains("2 of 4 runs failed; no number here has any part of them."));
        assert!(lead.contains("the state overflowed (NaN or infinite) at step "));
        assert!(lead.contains("A smaller gain"));
    }

    let gain = "vanilla-rnn.recurrent_weights.gain=1e3";
    lab.run(&["--fresh", "--set", gain]).exits_with(1);
    let [html, markdown] = reported(&lab);
    let lead = "All 2 runs failed, so there are no numbers and nothing to draw.";
    assert!(
        html.contains(&format!("<p class=\"lead\">{lead} <code>vanilla-rnn-")),
        "{html}"
    );
    assert!(!html.contains("<p class=\"lead\">Nothing to draw"));
    assert!(markdown.starts_with("# overflowing\n") && markdown.contains(lead));

    lab.run(&["--fresh", "--set", "vanilla-rnn.recurrent_weights.gain=1.0"])
        .exits_with(0);
    let [html, _] = reported(&lab);
    assert!(!html.contains("runs failed"));
}

#[test]
fn a_gradient_that_is_constant_to_rounding_is_called_so() {
    let lab = Lab::with(OVERFLOWING);
    let gain = "vanilla-rnn.recurrent_weights.gain=1.0";
    let ended = lab.run(&["--set", gain]).exits_with(0);
    ended.says(&["stable; constant to rounding", "  0  ", "  ∞  "]);
    let fits = text(&lab, "out/fits.csv");
    // What rounding has left is in the table.
    let mut lines = fits.lines().map(|line| line.split(',').collect::<Vec<_>>());
    let (header, row) = (lines.next().unwrap(), lines.next().unwrap());
    let at = |name: &str| row[header.iter().position(|column| *column == name).unwrap()];
    let rate: f64 = at("rate").parse().unwrap();
    assert!(rate != 0.0 && rate.abs() < 1e-15, "{rate}");
    assert_eq!((at("r_squared"), at("verdict")), ("", "stable"));

    let [html, markdown] = reported(&lab);
    for text in [html, markdown] {
        assert!(text.contains("stable, constant to rounding"));
        // No gradient becomes that small.
        assert!(!text.contains("prints 0 from lag") && !text.contains("exactly 0 from lag"));
        let tiny = ["10⁻¹⁵", "10⁻¹⁶", "10⁻¹⁷", "10⁻¹⁸", "10¹⁵", "10¹⁶", "10¹⁷"];
        for number in tiny {
            assert!(!text.contains(number), "{number}");
        }
    }
}

/// The columns of `fits.csv` by name, a row each.
fn fits(lab: &Lab) -> Vec<BTreeMap<String, String>> {
    let text = text(lab, "out/fits.csv");
    let mut lines = text.lines().map(|line| line.split(',').map(str::to_owned));
    let header: Vec<String> = lines.next().unwrap().collect();
    let rows = lines.map(|row| header.iter().cloned().zip(row).collect());
    rows.collect()
}

/// A bias below 0 lets some networks of four rectified units fall silent for good, and others not.
const DYING: &str = r#"
name = "dying"
replicates = 6

[sequence]
steps = 12
batch = 1

[[cell]]
kind = "vanilla-rnn"
hidden = 4
activation = "relu"
bias = -0.3

[[figure]]
kind = "decay"
"#;

#[test]
fn a_rate_of_fewer_replicates_than_there_are_says_so() {
    let lab = Lab::with(DYING);
    let ended = lab.run(&[]).exits_with(0);
    let row = fits(&lab)
        .into_iter()
        .find(|row| row["quantity"] == "h")
        .unwrap();
    let n: usize = row["n"].parse().unwrap();
    assert!(0 < n && n < 6 && !row["rate"].is_empty(), "{row:?}");
    let said = format!("{n} of 6");
    let in_words = format!("; {said} replicates");
    ended.says(&[in_words.as_str()]);
    let counts = || {
        let [html, markdown] = reported(&lab);
        [html_rows(&html), markdown_rows(&markdown)].map(|rows| {
            let mut cells: Vec<String> = rows.into_iter().flatten().collect();
            cells.retain(|cell| cell.ends_with(" of 6"));
            cells
        })
    };
    // Of h and of h_carried.
    assert_eq!(counts(), [[said.as_str(); 2]; 2]);

    // With a bias above 0 all of them live.
    let ended = lab.run(&["--fresh", "--set", "vanilla-rnn.bias=1.0"]);
    let ended = ended.exits_with(0);
    assert!(
        !ended.stdout.contains("of 6 replicates"),
        "{}",
        ended.stdout
    );
    assert_eq!(counts(), [[""; 0]; 2]);
}

#[test]
fn a_loss_at_every_step_has_no_laws_and_the_report_says_why() {
    let lab = Lab::with(TINY);
    let why = "With a loss at every step nothing is predicted";
    let both = "loss.kind=[\"terminal\", \"every-step\"]";
    for (loss, has_terminal, has_every_step) in [
        ("loss.kind=terminal", true, false),
        ("loss.kind=every-step", false, true),
        (both, true, true),
    ] {
        lab.run(&["--fresh", "--set", loss]).exits_with(0);
        let predicts = |row: &BTreeMap<String, String>| !row["predicted_rate"].is_empty();
        let is_every_step = |row: &BTreeMap<String, String>| match row.get("loss.kind") {
            Some(kind) => kind == "every-step",
            None => has_every_step,
        };
        let (every_step, terminal): (Vec<_>, Vec<_>) =
            fits(&lab).into_iter().partition(is_every_step);
        assert!(!every_step.iter().any(predicts), "{loss}");
        assert_eq!(terminal.iter().any(predicts), has_terminal, "{loss}");
        assert_eq!(lab.path("out/laws.csv").exists(), has_terminal, "{loss}");
        for text in reported(&lab) {
            assert_eq!(text.contains(why), has_every_step, "{loss}");
        }
    }
}

#[test]
fn a_column_that_is_new_is_shown_by_its_name() {
    let lab = Lab::with(TINY);
    lab.run(&[]).exits_with(0);
    let fits = text(&lab, "out/fits.csv");
    let wider: Vec<String> = fits
        .lines()
        .enumerate()
        .map(|(k, line)| match (k, line.strip_suffix(",,")) {
            (0, _) => format!("{line},something_new"),
            // With lags in the columns that are empty.
            (_, Some(line)) => format!("{line},77,99,0.25"),
            (_, None) => panic!("{line}"),
        })
        .collect();
    lab.write("out/fits.csv", wider.join("\n") + "\n");
    let [html, markdown] = reported(&lab);
    assert!(html.contains(">something_new</th>"));
    assert!(markdown.contains("something\\_new"));
    for heading in ["f64 prints 0 from lag", "exactly 0 from lag"] {
        assert!(html.contains(heading) && markdown.contains(heading));
    }
    assert_eq!(
        html.matches("<td class=\"number\">0.2500</td>").count(),
        fits.lines().count() - 1
    );
}

fn assert_refused(lab: &Lab, said: &[&str]) -> Ended {
    let ended = lab.vangrad(&["report", "out"]).exits_with(2).says(said);
    for name in ["out/report.html", "out/report.md"] {
        assert!(!lab.path(name).exists(), "{name} was written");
    }
    ended
}

#[test]
fn what_is_missing_or_damaged_is_named_with_what_mends_it() {
    let lab = Lab::with(TINY);
    assert_refused(&lab, &["no results folder at out"]);
    lab.run(&[]).exits_with(0);
    let restore = |name: &str, damage: &dyn Fn(), said: &[&str]| {
        let bytes = lab.bytes(name);
        damage();
        assert_refused(&lab, said);
        lab.write(name, bytes);
    };
    for name in ["fits.csv", "curves.csv", "runs.csv"] {
        let path = format!("out/{name}");
        let remove = || std::fs::remove_file(lab.path(&path)).unwrap();
        restore(&path, &remove, &["in out", name, "`vangrad run` writes it"]);
    }
    let fits = text(&lab, "out/fits.csv");
    let rename = || lab.write("out/fits.csv", fits.replacen(",half_life,", ",half,", 1));
    restore(
        "out/fits.csv",
        &rename,
        &["fits.csv", "half_life", "found `cell,"],
    );
    let drawing = "out/figures/decay.svg";
    let remove = || std::fs::remove_file(lab.path(drawing)).unwrap();
    restore(
        drawing,
        &remove,
        &["figures/decay.svg", "`vangrad plot` writes it"],
    );
    let svg = text(&lab, drawing);
    let script = || {
        lab.write(
            drawing,
            svg.replace("</svg>", "<script>alert(1)</script></svg>"),
        )
    };
    restore(
        drawing,
        &script,
        &[
            "figures/decay.svg",
            "found the element `script`",
            "vangrad plot",
        ],
    );
    reported(&lab);
}

/// A trained network that comes with the program.
fn example(name: &str) -> String {
    let examples = Path::new(env!("CARGO_MANIFEST_DIR")).join("examples/trace");
    examples.join(name).to_str().unwrap().to_owned()
}

#[test]
fn a_trace_has_a_report_too() {
    let lab = Lab::with(TINY);
    let [first, last, inputs] =
        ["update-000", "update-100", "inputs"].map(|name| example(&format!("{name}.safetensors")));
    let trace = ["trace", "--inputs", &inputs, "--out", "out", "--weights"];
    lab.vangrad(&[&trace[..], &[&last]].concat()).exits_with(0);
    let [html, markdown] = reported(&lab);
    assert!(
        html.contains(
            "<h1>Gradients through update-100: LSTM lstm, 2 layers, input 4, hidden 24</h1>"
        ),
        "{html}"
    );
    for said in [
        "effective memory",
        "half the squared norm",
        "The gates in brief",
        "log10",
        "--module lstm",
    ] {
        assert!(html.contains(said) && markdown.contains(said), "{said}");
    }
    assert_eq!(html_rows(&html), markdown_rows(&markdown));
    assert!(html_rows(&html).len() > 20);
    // Another trace into the same folder removes it; of several networks there is one, too.
    lab.vangrad(&[&trace[..], &[&first, &last]].concat())
        .exits_with(0);
    assert!(!lab.path("out/report.html").exists());
    let [html, _] = reported(&lab);
    assert!(html.contains("Gradients through 2 networks"));
    assert!(html.contains(">update-000</th>") && html.contains(">update-100</th>"));
    // What is missing is named.
    std::fs::remove_file(lab.path("out/report.html")).unwrap();
    std::fs::remove_file(lab.path("out/report.md")).unwrap();
    std::fs::remove_file(lab.path("out/summary.json")).unwrap();
    assert_refused(&lab, &["summary.json", "`vangrad trace` writes it"]);
}

#[test]
fn verdicts_have_a_report_too() {
    let lab = Lab::with(TINY);
    lab.write(
        "out/claims.csv",
        "id,status,expected,measured,uncertainty,seeds,scale,reason\n\
         someone-2000-slope,pass,-0.5 ± 0.01,-0.501,0.002,10,full,\n\
         other-2001-<b>,fail,≤ 1,2,,0,reduced,too long (reduced: short)\n",
    );
    lab.write(
        "out/checks.csv",
        "id,check,status,expected,measured,uncertainty\n\
         someone-2000-slope,slope | nats,pass,-0.5 ± 0.01,-0.501,0.002\n\
         other-2001-<b>,length,fail,≤ 1,2,\n",
    );
    lab.write(
        "out/figures/someone-2000-slope.svg",
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 1 1\"><text font-weight=\"bold\">It falls</text></svg>",
    );
    let [html, markdown] = reported(&lab);
    assert!(html.contains("<h1>1 of 2 claims hold</h1>"));
    assert!(html.contains("<svg role=\"img\" aria-label=\"It falls\""));
    assert!(html.contains("other-2001-&lt;b&gt;: fail</h3>"));
    // In headings, lists and the cells of tables alike.
    assert!(!html.contains("<b>") && html.contains(">other-2001-&lt;b&gt;</th>"));
    assert!(markdown.contains("| other-2001-\\<b\\> |"));
    assert!(html.contains("too long (reduced: short)"));
    assert!(
        html.contains(
            "<li><code>other-2001-&lt;b&gt;</code> (fail): too long (reduced: short)</li>"
        )
    );
    assert!(!html.contains("<li><code>someone-2000-slope</code>"));
    assert_eq!(html_rows(&html), markdown_rows(&markdown));
    std::fs::remove_file(lab.path("out/report.html")).unwrap();
    std::fs::remove_file(lab.path("out/report.md")).unwrap();
    std::fs::remove_file(lab.path("out/checks.csv")).unwrap();
    assert_refused(&lab, &["checks.csv", "`vangrad reproduce` writes it"]);
}
