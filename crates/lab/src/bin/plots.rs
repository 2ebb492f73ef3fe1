//! Pictures of the tables in `results/`, written beside them: `cargo run --release -p absint-lab --bin plots`.

use float_ord::FloatOrd;
use itertools::Itertools;
use plotters::prelude::*;
use std::collections::HashMap;
use std::error::Error;
use std::path::{Path, PathBuf};

type Outcome<T> = Result<T, Box<dyn Error>>;
type Point = (f64, f64);

/// A row of a table by its columns.
type Record = HashMap<String, String>;

/// A line of a chart and what it stands for.
struct Series {
    name: String,
    points: Vec<Point>,
}

/// What a chart says besides its lines.
struct Frame<'a> {
    file: &'a str,
    title: &'a str,
    x: &'a str,
    y: &'a str,
    /// Whether the points' second coordinates are logarithms to base 10.
    is_log: bool,
    legend: SeriesLabelPosition,
}

const COLOURS: [RGBColor; 8] = [
    RGBColor(0x00, 0x64, 0xa6),
    RGBColor(0xc2, 0x41, 0x0c),
    RGBColor(0x04, 0x78, 0x57),
    RGBColor(0x9d, 0x3d, 0x8f),
    RGBColor(0x8a, 0x65, 0x00),
    RGBColor(0x4b, 0x4f, 0xc4),
    RGBColor(0x0e, 0x74, 0x90),
    RGBColor(0xa3, 0x1d, 0x3a),
];

fn main() -> Outcome<()> {
    let folder = PathBuf::from(std::env::args().nth(1).unwrap_or_else(|| "results".into()));
    joint_hulls(&folder)?;
    flips(&folder)?;
    known_answers(&folder)?;
    images(&folder)
}

/// The rows of a table; the lines above it say how it was made.
fn rows(folder: &Path, table: &str) -> Outcome<Vec<Record>> {
    let mut reader = csv::ReaderBuilder::new().comment(Some(b'#')).from_path(folder.join(table))?;
    Ok(reader.deserialize().collect::<Result<_, _>>()?)
}

fn number(row: &Record, column: &str) -> Outcome<f64> {
    let text = row.get(column).ok_or_else(|| format!("there is no column {column}"))?;
    Ok(text.parse().map_err(|_| format!("column {column}: `{text}` is no number"))?)
}

/// A series per value of the column `by`, in the order of the table.
fn series(rows: &[Record], by: &str, point: impl Fn(&Record) -> Outcome<Point>) -> Outcome<Vec<Series>> {
    let names = rows.iter().filter_map(|row| row.get(by)).unique();
    let of = |name: &String| {
        let points = rows.iter().filter(|row| row.get(by) == Some(name)).map(&point).collect::<Outcome<_>>()?;
        Ok(Series { name: name.clone(), points })
    };
    names.map(of).collect()
}

fn joint_hulls(folder: &Path) -> Outcome<()> {
    let joined = |row: &Record| row.get("method")?.strip_prefix("kpoly(k=")?.strip_suffix(")")?.parse().ok();
    let rows: Vec<Record> = rows(folder, "kpoly_table3.csv")?.into_iter().filter(|row| joined(row).is_some()).collect();
    let frame = Frame {
        file: "kpoly_table3.svg",
        title: "Joint hulls: what larger groups verify",
        x: "neurons joined, k",
        y: "verified, of the first 100 images",
        is_log: false,
        legend: SeriesLabelPosition::LowerRight,
    };
    let lines = series(&rows, "network", |row| Ok((joined(row).unwrap_or_default(), number(row, "verified")?)))?;
    draw(folder, &frame, &lines)
}

fn flips(folder: &Path) -> Outcome<()> {
    let rows: Vec<Record> = rows(folder, "signum_table1.csv")?
        .into_iter()
        .filter(|row| row.get("network").is_some_and(|name| name == "mnist_bnn_2x128"))
        .collect();
    let frame = Frame {
        file: "signum_table1.svg",
        title: "Flipped pixels: certified upper bound on 2x128 signs",
        x: "pixels flipped at most",
        y: "mean bound (below 0: certified)",
        is_log: false,
        legend: SeriesLabelPosition::UpperLeft,
    };
    let point = |row: &Record| Ok((number(row, "flips")?, number(row, "mean_upper_bound")?));
    draw(folder, &frame, &series(&rows, "method", point)?)
}

/// How many queries are decided in how much time, from the quickest to the slowest.
fn known_answers(folder: &Path) -> Outcome<()> {
    const SHORTEST: f64 = 1e-3;
    let decided: Vec<Record> = rows(folder, "exact_vnncomp.csv")?
        .into_iter()
        .filter(|row| row.get("verdict").is_some_and(|verdict| ["sat", "unsat"].contains(&verdict.as_str())))
        .collect();
    let mut lines = series(&decided, "benchmark", |row| Ok((0.0, number(row, "time_s")?.max(SHORTEST).log10())))?;
    for line in &mut lines {
        line.points.sort_by_key(|p| FloatOrd(p.1));
        line.points.iter_mut().enumerate().for_each(|(i, p)| p.0 = i as f64 + 1.0);
    }
    let frame = Frame {
        file: "exact_vnncomp.svg",
        title: "Exact engines: queries decided within a time",
        x: "queries decided",
        y: "seconds per query (logarithmic)",
        is_log: true,
        legend: SeriesLabelPosition::LowerRight,
    };
    draw(folder, &frame, &lines)
}

/// How many images `auto` verifies in how much time, beside what others publish: percent of a thousand images, and mean
/// seconds per image (PRIMA: Müller et al. 2022, table 2; beta-CROWN: Wang et al. 2021, table 3; one GPU each).
fn images(folder: &Path) -> Outcome<()> {
    const SHORTEST: f64 = 1e-2;
    const PUBLISHED: [(&str, &str, Point); 6] = [
        ("mnist_6_100", "PRIMA", (51.0, 159.0)),
        ("mnist_6_100", "beta-CROWN", (68.6, 136.0)),
        ("mnist_9_200", "PRIMA", (62.4, 395.0)),
        ("mnist_9_200", "beta-CROWN", (69.5, 133.0)),
        ("mnist_conv_small", "PRIMA", (59.8, 42.0)),
        ("mnist_conv_small", "beta-CROWN", (71.6, 46.0)),
    ];
    let is = |row: &Record, column: &str, value: &str| row.get(column).is_some_and(|v| v == value);
    let mut rows = rows(folder, "kpoly_table3_images.csv")?;
    rows.retain(|row| is(row, "method", "auto"));
    let longest = rows.iter().filter_map(|row| row.get("timeout_s")?.parse().ok()).max_by_key(|&t: &f64| FloatOrd(t));
    let mut lines = Vec::new();
    for name in ["mnist_6_100", "mnist_9_200", "mnist_conv_small"] {
        let of_run = |row: &&Record| {
            let timeout = row.get("timeout_s").and_then(|t| t.parse().ok());
            is(row, "network", name) && timeout == longest && is(row, "verdict", "verified")
        };
        let times = rows.iter().filter(of_run).map(|row| number(row, "seconds"));
        let mut times: Vec<f64> = times.collect::<Outcome<_>>()?;
        times.sort_by_key(|&t| FloatOrd(t));
        let points = times.iter().enumerate().map(|(i, t)| (i as f64 + 1.0, t.max(SHORTEST).log10())).collect();
        lines.push(Series { name: format!("{name}, auto"), points });
    }
    for (network, tool, (percent, mean)) in PUBLISHED {
        lines.push(Series { name: format!("{network}, {tool} (mean)"), points: vec![(percent, mean.log10())] });
    }
    let frame = Frame {
        file: "kpoly_table3_images.svg",
        title: "Images verified within a time, beside published means",
        x: "verified, of the first 100 images (published: percent of 1000)",
        y: "seconds per image (logarithmic)",
        is_log: true,
        legend: SeriesLabelPosition::UpperLeft,
    };
    draw(folder, &frame, &lines)
}

/// The least and the largest of some values, with some room.
fn range(values: impl Iterator<Item = f64>) -> Outcome<std::ops::Range<f64>> {
    let (low, high) = values.minmax_by_key(|&x| FloatOrd(x)).into_option().ok_or("there is nothing to draw")?;
    let room = 0.04 * (high - low).max(1e-9);
    Ok(low - room..high + room)
}

fn draw(folder: &Path, frame: &Frame<'_>, lines: &[Series]) -> Outcome<()> {
    let file = folder.join(frame.file);
    let points = || lines.iter().flat_map(|line| &line.points);
    if points().next().is_none() {
        // Its table has no such rows yet.
        return Ok(());
    }
    let (x, y) = (range(points().map(|p| p.0))?, range(points().map(|p| p.1))?);
    let area = SVGBackend::new(&file, (760, 440)).into_drawing_area();
    area.fill(&WHITE)?;
    let mut chart = ChartBuilder::on(&area)
        .caption(frame.title, ("sans-serif", 18))
        .margin(14)
        .x_label_area_size(44)
        .y_label_area_size(64)
        .build_cartesian_2d(x, y)?;
    let value = |y: &f64| if frame.is_log { format!("{}", 10f64.powf(*y) as f32) } else { format!("{y}") };
    chart
        .configure_mesh()
        .light_line_style(TRANSPARENT)
        .bold_line_style(RGBColor(0xe3, 0xe7, 0xee))
        .x_label_formatter(&|x| format!("{x}"))
        .y_label_formatter(&value)
        .x_labels(8)
        .y_labels(8)
        .x_desc(frame.x)
        .y_desc(frame.y)
        .draw()?;
    for (line, colour) in lines.iter().zip(COLOURS.iter().cycle()) {
        let style = colour.stroke_width(2);
        chart
            .draw_series(LineSeries::new(line.points.iter().copied(), style).point_size(2))?
            .label(&line.name)
            .legend(move |(x, y)| PathElement::new([(x, y), (x + 18, y)], style));
    }
    chart
        .configure_series_labels()
        .position(frame.legend.clone())
        .background_style(WHITE.mix(0.85))
        .border_style(RGBColor(0xe3, 0xe7, 0xee))
        .draw()?;
    area.present()?;
    Ok(())
}
