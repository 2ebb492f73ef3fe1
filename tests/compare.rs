//! `absint compare`: ordering laws of what it measures, and files that other programs can read.

#![allow(clippy::unwrap_used)]

use absint::analyze::{Method, Options};
use absint::attack::Attack;
use absint::compare::{Compared, Outcome, Setting, compare, layers};
use absint::domains::num::{Rational, parse_decimal};
use absint::domains::observer::Silent;
use absint::domains::query::{Query, Region};
use absint::format::images;
use absint::format::onnx;
use absint::report::compare::{
    Comparison, PLOTS, QueryResult, QueryRow, comparison_html, comparison_json, layers_csv, measurements_csv, plots,
    summaries,
};
use assert_cmd::Command;
use std::path::Path;
use std::time::Duration;

const DOMAINS: [&str; 4] = ["interval", "deeppoly", "kpoly(k=1)", "kpoly(k=2)"];

fn method(name: &str) -> Options {
    Options::from(name.parse::<Method>().unwrap())
}

fn setting() -> Setting {
    Setting {
        methods: DOMAINS.map(method).into(),
        exact: None,
        attack: Some(Attack::thorough(1)),
        timeout: None,
        volume: true,
    }
}

fn at_root(name: &str) -> std::path::PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("networks").join(name)
}

/// The domains on one digit; its image is classified correctly.
fn digit(network: &str, image: usize, eps: &str, setting: &Setting) -> (Vec<absint::compare::BoundedLayer>, Compared) {
    let network = onnx::read(&at_root(network)).unwrap().network;
    let image = images::read(at_root("digits.csv")).unwrap().get(image).unwrap();
    let range = (Rational::ZERO, Rational::ONE);
    let eps = parse_decimal(eps).unwrap();
    let region = Region::linf(&image.pixels, &eps, Some((&range.0, &range.1))).unwrap();
    let query = Query::robustness(region, network.output_len(), image.label);
    (layers(&network), compare(&network, &query, setting, &Silent).unwrap())
}

/// A report with awkward names, an image that is misclassified, and one whose time was up at once.
fn sample() -> Comparison {
    let row = |query: &str, compared| QueryRow { query: query.into(), result: QueryResult::Compared(compared) };
    let (layers, first) = digit("digits_mlp.onnx", 0, "0.05", &setting());
    let spent = Setting { timeout: Some(Duration::ZERO), ..setting() };
    let rows = vec![
        row("image 0, <\"a&b\">", first),
        QueryRow { query: "image 5".into(), result: QueryResult::Misclassified { label: 5, predicted: 9 } },
        row("late", digit("digits_mlp.onnx", 1, "0.05", &spent).1),
        row("falsified", digit("digits_mlp.onnx", 1, "0.4", &setting()).1),
    ];
    Comparison {
        network: "<net> & \"quotes\" 'too' \u{1}.onnx".into(),
        question: "a < b".into(),
        is_example: false,
        contestants: DOMAINS.map(Into::into).into(),
        has_exact: false,
        has_attack: true,
        has_volume: true,
        timeout: None,
        layers,
        planned: rows.len(),
        rows,
    }
}

#[test]
fn tighter_domains_have_larger_margins_narrower_bounds_smaller_boxes_and_smaller_gaps() {
    for (network, image, eps) in
        [("digits_mlp.onnx", 0, "0.05"), ("digits_mlp.onnx", 3, "0.1"), ("digits_cnn.onnx", 2, "0.05")]
    {
        let (layers, compared) = digit(network, image, eps, &setting());
        let reference = compared.reference;
        assert_eq!(reference.base, compared.measurements[0].margin);
        for pair in compared.measurements.windows(2) {
            let (loose, tight) = (&pair[0], &pair[1]);
            let slack = 1e-6 * (1.0 + loose.margin.abs());
            assert!(tight.margin >= loose.margin - slack, "{} < {}", tight.margin, loose.margin);
            assert!(tight.log10_volume.unwrap() <= loose.log10_volume.unwrap() + 1e-6);
            assert!(tight.gap.most.unwrap() <= loose.gap.most.unwrap() + 1e-6);
            for (loose, tight) in loose.layers.iter().zip(&tight.layers) {
                assert!(tight.unwrap().mean <= loose.unwrap().mean * (1.0 + 1e-9));
                assert!(tight.unwrap().unstable <= loose.unwrap().unstable);
            }
        }
        for m in &compared.measurements {
            assert!(m.margin <= reference.upper.unwrap(), "no bound exceeds what a point attains");
            let (least, most) = (m.gap.least.unwrap(), m.gap.most.unwrap());
            assert!(0.0 <= least && least <= most + 1e-9 && most <= 100.0, "{least} {most}");
            assert_eq!(m.layers.len(), layers.len());
            assert_eq!(m.outcome == Outcome::Verified, m.margin > 0.0);
        }
        assert_eq!(layers.last().unwrap().kind, "output");
    }
}

#[test]
fn a_point_region_has_no_gap_and_a_counterexample_is_shared_by_all() {
    let (_, point) = digit("digits_mlp.onnx", 0, "0", &setting());
    let upper = point.reference.upper.unwrap();
    for m in &point.measurements {
        assert!(upper - m.margin < 1e-9 && m.outcome == Outcome::Verified);
        assert!(m.gap.most.is_none_or(|gap| gap <= 100.0 + 1e-6));
    }
    let (_, violated) = digit("digits_mlp.onnx", 0, "0.4", &setting());
    assert!(violated.reference.is_falsified && violated.reference.upper.unwrap() <= 0.0);
    assert!(violated.measurements.iter().all(|m| m.outcome == Outcome::Falsified && m.margin <= 0.0));
    let no_attack = Setting { attack: None, volume: false, ..setting() };
    let (_, without) = digit("digits_mlp.onnx", 0, "0.4", &no_attack);
    assert!(without.reference.upper.is_none() && without.measurements.iter().all(|m| m.gap.most.is_none()));
    assert!(without.measurements.iter().all(|m| m.log10_volume.is_none()));
}

/// Of a safe query the search proves it; of another it finds a counterexample by itself, which bounds the gaps of
/// those that minimise.
#[test]
fn the_exact_engine_looks_for_counterexamples_of_its_own() {
    for (eps, is_falsified) in [("0.05", false), ("0.2", true)] {
        let exact = method("exact");
        let alone = Setting { exact: Some(exact), attack: None, volume: false, ..setting() };
        let (_, compared) = digit("digits_mlp.onnx", 0, eps, &alone);
        let expected = if is_falsified { Outcome::Falsified } else { Outcome::Verified };
        assert_eq!(compared.measurements.last().unwrap().outcome, expected);
        assert_eq!(compared.reference.is_falsified, is_falsified);
        if is_falsified {
            assert!(compared.reference.upper.unwrap() <= 0.0);
            assert!(
                compared
                    .measurements
                    .iter()
                    .all(|m| m.gap.most.is_some() != m.decides && m.outcome == Outcome::Falsified)
            );
        }
    }
}

#[test]
fn the_tables_have_a_line_per_query_and_domain_and_no_number_that_is_none() {
    let sample = sample();
    let text = measurements_csv(&sample);
    let mut reader = csv::Reader::from_reader(text.as_bytes());
    let columns = reader.headers().unwrap().clone();
    assert_eq!(columns.iter().take(5).collect::<Vec<_>>(), ["query", "domain", "verdict", "margin", "gap_percent"]);
    let lines: Vec<csv::StringRecord> = reader.records().collect::<Result<_, _>>().unwrap();
    assert_eq!(lines.len(), sample.rows.len() * DOMAINS.len());
    let verdicts: Vec<&str> = lines.iter().map(|l| &l[2]).collect();
    assert_eq!(verdicts[4..8], ["misclassified"; 4]);
    assert!(verdicts[8..12].iter().all(|v| *v == "timeout"), "{verdicts:?}");
    assert_eq!(verdicts[12..], ["falsified"; 4]);
    assert_eq!(&lines[0][0], "image 0, <\"a&b\">");
    for line in &lines {
        for (name, value) in columns.iter().zip(line).skip(3) {
            assert!(value.is_empty() || value.parse::<f64>().unwrap().is_finite(), "{name}: {value}");
            if name.starts_with("gap") && !value.is_empty() {
                assert!((0.0..=100.0 + 1e-9).contains(&value.parse::<f64>().unwrap()), "{value}");
            }
        }
    }
    let text = layers_csv(&sample);
    let mut reader = csv::Reader::from_reader(text.as_bytes());
    assert_eq!(reader.records().map(Result::unwrap).count(), 3 * DOMAINS.len() * sample.layers.len());
    assert!(!text.contains("inf") && !text.contains("NaN"));
}

/// Checks that `text` is well-formed XML as far as this project writes it: balanced tags, quoted
/// attributes, no stray markup. Returns the values of all attributes.
fn attributes(text: &str) -> Vec<(String, String)> {
    let (mut open, mut found, mut rest) = (Vec::new(), Vec::new(), text);
    while let Some(start) = rest.find('<') {
        assert!(!rest[..start].contains('>'), "stray `>` in {}", &rest[..start]);
        for (at, _) in rest[..start].match_indices('&') {
            let entity = &rest[at..start];
            assert!(["&amp;", "&lt;", "&gt;", "&quot;", "&#39;"].iter().any(|e| entity.starts_with(e)), "{entity}");
        }
        rest = &rest[start + 1..];
        let end = rest.find('>').expect("a tag ends");
        let (tag, after) = (&rest[..end], &rest[end + 1..]);
        rest = after;
        if let Some(name) = tag.strip_prefix('/') {
            assert_eq!(open.pop().as_deref(), Some(name), "closing tag");
            continue;
        }
        if tag.starts_with('!') {
            continue;
        }
        let (tag, is_empty) = tag.strip_suffix('/').map_or((tag, false), |t| (t, true));
        let (name, mut list) = tag.split_once(' ').unwrap_or((tag, ""));
        while let Some((key, value)) = list.trim_start().split_once("=\"") {
            let (value, after) = value.split_once('"').expect("a quoted attribute");
            assert!(!value.contains('<') && !key.contains([' ', '"']), "{key}={value}");
            found.push((key.to_owned(), value.to_owned()));
            list = after;
        }
        assert!(list.trim().is_empty(), "{list}");
        if !is_empty {
            open.push(name.to_owned());
            // The content of a style is no markup.
            if name == "style" {
                rest = &rest[rest.find('<').unwrap()..];
            }
        }
    }
    assert_eq!(open, Vec::<String>::new(), "unclosed tags");
    found
}

#[test]
fn the_page_is_well_formed_escapes_names_loads_nothing_and_draws_only_numbers() {
    let sample = sample();
    let page = comparison_html(&sample);
    let found = attributes(&page);
    assert!(page.contains("&lt;net&gt; &amp; &quot;quotes&quot; &#39;too&#39; \u{FFFD}.onnx"));
    assert!(page.contains("misclassified as 9 (label 5)") && page.contains("<svg") && !page.contains("<script"));
    let geometry = ["x", "y", "x1", "x2", "y1", "y2", "cx", "cy", "r", "width", "height", "points", "viewBox"];
    let mut numbers = 0;
    for (key, value) in &found {
        assert!(!["href", "src", "xlink:href"].contains(&key.as_str()), "{key}={value}");
        if geometry.contains(&key.as_str()) {
            for number in value.split([' ', ',']) {
                let number: f64 = number.parse().unwrap_or_else(|e| panic!("{key}={value}: {e}"));
                assert!(number.is_finite() && number.abs() < 1e4, "{key}={value}");
                numbers += 1;
            }
        }
    }
    assert!(numbers > 200, "{numbers}");
    assert!(!page.contains("NaN") && !page.contains("inf<"));
    assert_eq!(page.matches("http").count(), page.matches("http://www.w3.org/2000/svg").count());
    let names: Vec<&str> = plots(&sample).iter().map(|p| p.name).collect();
    assert_eq!(names, ["margin-time", "gap", "unstable", "widths", "volume"]);
    for plot in plots(&sample) {
        attributes(&plot.standalone());
    }
}

#[test]
fn a_report_without_a_compared_query_is_still_a_report() {
    let mut empty = sample();
    empty.rows.retain(|row| matches!(row.result, QueryResult::Misclassified { .. }));
    assert!(plots(&empty).is_empty());
    attributes(&comparison_html(&empty));
    assert_eq!(summaries(&empty)[0].mean_time, None);
    empty.rows.clear();
    attributes(&comparison_html(&empty));
    assert_eq!(measurements_csv(&empty).lines().count(), 1);
    assert_eq!(comparison_json(&empty)["results"], serde_json::json!([]));
}

fn absint() -> Command {
    let mut command = Command::cargo_bin("absint").unwrap();
    command.current_dir(env!("CARGO_MANIFEST_DIR")).arg("compare");
    command
}

#[test]
fn the_command_writes_what_it_was_asked_for() {
    let folder = tempfile::tempdir().unwrap();
    let file = |name: &str| folder.path().join(name);
    let mut command = absint();
    command.args(["networks/digits_mlp.onnx", "--data", "networks/digits.csv", "--eps", "0.05", "--range", "4..7"]);
    command.args(["--domains", "interval,deeppoly,kpoly", "--k", "1,2", "--format", "json", "-q"]);
    command.arg("--out").arg(file("r.csv")).arg("--report").arg(file("r.html")).arg("--svg").arg(file("svg"));
    let output = command.output().unwrap();
    assert_eq!(output.status.code(), Some(0), "{}", String::from_utf8_lossy(&output.stderr));
    let answer: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    let names: Vec<&str> =
        answer["summary"].as_array().unwrap().iter().map(|s| s["domain"].as_str().unwrap()).collect();
    assert_eq!(names, ["interval", "deeppoly", "kpoly(k=1)", "kpoly(k=2)"]);
    // Image 5 is a 5 that the network takes for a 9.
    assert_eq!(answer["results"][1]["misclassified"], serde_json::json!({"label": 5, "predicted": 9}));
    let page = std::fs::read_to_string(file("r.html")).unwrap();
    attributes(&page);
    assert!(page.contains("networks/digits_mlp.onnx"));
    assert_eq!(std::fs::read_to_string(file("r.csv")).unwrap().lines().count(), 1 + 3 * 4);
    assert_eq!(std::fs::read_to_string(file("r_layers.csv")).unwrap().lines().count(), 1 + 2 * 4 * 3);
    assert_eq!(std::fs::read_dir(file("svg")).unwrap().count(), 5);
}

/// As all other outputs: a plot replaces nothing that is there, unless it is told to.
#[test]
fn plots_replace_nothing_unasked() {
    let folder = tempfile::tempdir().unwrap();
    for plot in PLOTS {
        let file = folder.path().join(format!("{plot}.svg"));
        std::fs::write(&file, "mine").unwrap();
        let mut command = absint();
        command.args(["--domains", "interval", "--no-volume", "-q"]).arg("--svg").arg(folder.path());
        let refused = command.output().unwrap();
        let said = String::from_utf8(refused.stderr).unwrap();
        assert!(refused.status.code() == Some(2) && said.contains("--force"), "{said}");
        assert_eq!(std::fs::read_to_string(&file).unwrap(), "mine");
        std::fs::remove_file(&file).unwrap();
    }
    let drawn: Vec<&str> = plots(&sample()).iter().map(|plot| plot.name).collect();
    assert!(drawn.iter().all(|name| PLOTS.contains(name)), "{drawn:?}");
}

#[test]
fn without_a_network_the_built_in_example_is_compared() {
    let output = absint().args(["--domains", "deeppoly,kpoly", "--no-volume"]).output().unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    assert!(output.status.success() && text.contains("built-in example") && text.contains("kpoly(k=3)"), "{text}");
}

#[test]
fn bad_usage_is_refused_in_one_line() {
    let digits = ["networks/digits_mlp.onnx", "--data", "networks/digits.csv", "--eps", "0.01"];
    let mut cases: Vec<(&[&str], &str)> = vec![
        (&["--range", "5..5"], "empty"),
        (&["--range", "1790..1800"], "1797 images"),
        (&["--domains", "interval,magic"], "magic"),
        (&["--domains", "interval,interval"], "twice"),
        (&["--k", "0"], "0"),
        (&["--report", "/nonexistent/folder/out.html"], "/nonexistent/folder/out.html"),
        (&["--exact", "deeppoly"], "what decides is exact"),
    ];
    if !cfg!(feature = "highs") {
        cases.push((&["--exact", "milp"], "cargo build --release --features highs"));
    }
    for (arguments, expected) in cases {
        let output = absint().args(digits).args(arguments).arg("-q").output().unwrap();
        let error = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(2), "{error}");
        assert!(error.contains(expected) && !error.contains("panicked") && output.stdout.is_empty(), "{error}");
    }
    let output = absint().arg("networks/digits_mlp.onnx").output().unwrap();
    assert!(output.status.code() == Some(2) && String::from_utf8_lossy(&output.stderr).contains("--data"));
    assert!(Method::ALL.len() > 4);
}
