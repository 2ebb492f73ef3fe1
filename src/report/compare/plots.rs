//! The plots of a comparison.

use super::Comparison;
use super::axis::{Axis, duration, number};
use super::summary::{mean, quantile};
use super::svg::{Anchor, Entry, SERIES, Svg, series};
use crate::compare::Measurement;

/// A plot with what belongs beneath it.
pub struct Plot {
    /// A short name, fit for a file.
    pub name: &'static str,
    /// Its title.
    pub title: &'static str,
    /// What it shows and how to read it.
    pub caption: String,
    picture: Svg,
}

impl Plot {
    /// To stand inside a page.
    #[must_use]
    pub fn inline(&self) -> String {
        self.picture.inline(self.title)
    }

    /// As a file of its own.
    #[must_use]
    pub fn standalone(&self) -> String {
        self.picture.standalone(self.title)
    }
}

const WIDTH: f64 = 660.0;
const RIGHT: f64 = WIDTH - 18.0;
const LEFT: f64 = 72.0;

/// The most queries that are drawn point by point; of more, evenly spread ones are.
const DRAWN: usize = 400;

/// The names of all plots.
pub const PLOTS: [&str; 5] = ["gap", "margin-time", "unstable", "volume", "widths"];

/// All plots that the data allow.
#[must_use]
pub fn plots(comparison: &Comparison) -> Vec<Plot> {
    if comparison.compared().next().is_none() {
        return Vec::new();
    }
    let per_layer = [unstable(comparison), widths(comparison)].into_iter().flatten();
    let volume = strips(
        comparison,
        "volume",
        "Volume of the certified output box",
        "log₁₀ of the volume",
        "The product of the outputs' widths. One step to the left is a box ten times smaller.",
        &|_, m| m.log10_volume,
    );
    // Interval arithmetic is 100 % by definition and would only squeeze the others together.
    let is_base = |i: usize| comparison.contestants[i] == "interval" && comparison.contestants.len() > 1;
    let gap = strips(
        comparison,
        "gap",
        "Gap to exact",
        "gap in percent of that of interval arithmetic (at most)",
        "0 % is the exact minimum, 100 % the bound of interval arithmetic. Measured up to the smallest margin attained at \
         a point, so the true gap is at most this.",
        &|i, m| m.gap.most.filter(|_| !is_base(i)),
    );
    [margin_and_time(comparison), gap].into_iter().flatten().chain(per_layer).chain(volume).collect()
}

fn legend(comparison: &Comparison, class: &str) -> Vec<Entry> {
    let entry =
        |(i, name): (usize, &String)| Entry { shape: i, class: format!("{class} {}", series(i)), name: name.clone() };
    comparison.contestants.iter().enumerate().map(entry).collect()
}

/// Title and legend; returns where the plot itself may begin.
fn head(picture: &mut Svg, title: &str, entries: &[Entry]) -> f64 {
    picture.text((16.0, 24.0), Anchor::Start, "title", title);
    38.0 + picture.legend((16.0, 44.0), entries)
}

fn vertical_axis(picture: &mut Svg, axis: &Axis, label: &str, (top, bottom): (f64, f64)) {
    for (y, text) in axis.ticks() {
        picture.line((LEFT, y), (RIGHT, y), "grid");
        picture.text((LEFT - 8.0, y + 4.0), Anchor::End, "soft", &text);
    }
    picture.vertical_text((18.0, (top + bottom) / 2.0), label);
}

fn horizontal_axis(picture: &mut Svg, axis: &Axis, label: &str, (left, top, bottom): (f64, f64, f64)) {
    let mut free = f64::NEG_INFINITY;
    for (x, text) in axis.ticks() {
        picture.line((x, top), (x, bottom), "grid");
        let half = super::svg::text_width(&text) / 2.0;
        if x - half > free {
            picture.text((x, bottom + 18.0), Anchor::Middle, "soft", &text);
            free = x + half + 6.0;
        }
    }
    picture.line((left, bottom), (RIGHT, bottom), "axis");
    picture.text(((left + RIGHT) / 2.0, bottom + 38.0), Anchor::Middle, "soft", label);
}

/// Certified margin against time, one point per query and contestant.
fn margin_and_time(comparison: &Comparison) -> Option<Plot> {
    const TITLE: &str = "Certified margin against time";
    let queries = comparison.compared().count();
    let stride = queries.div_ceil(DRAWN).max(1);
    let mut points: Vec<(usize, f64, f64, String)> = Vec::new();
    for (query, compared) in comparison.compared().step_by(stride) {
        for (i, m) in compared.measurements.iter().enumerate() {
            let tip = format!(
                "{query}: {} certifies {} in {}, {}",
                comparison.contestants[i],
                number(m.margin),
                duration(m.time.as_secs_f64()),
                m.outcome.name()
            );
            points.push((i, m.time.as_secs_f64(), m.margin, tip));
        }
        if let Some(attained) = compared.reference.upper {
            let time = compared.reference.attack_time.as_secs_f64();
            let tip = format!("{query}: a point has the margin {}", number(attained));
            points.push((usize::MAX, time, attained, tip));
        }
    }
    points.retain(|(_, time, margin, _)| margin.is_finite() && *time > 0.0);
    if points.is_empty() {
        return None;
    }
    let mut picture = Svg::new(WIDTH, 440.0);
    let mut entries = legend(comparison, "dot");
    if comparison.has_attack {
        entries.push(Entry { shape: ATTACK_SHAPE, class: "hollow mark".into(), name: "attained at a point".into() });
    }
    let top = head(&mut picture, TITLE, &entries);
    let bottom = 440.0 - 56.0;
    let times: Vec<f64> = points.iter().map(|p| p.1).collect();
    let margins: Vec<f64> = points.iter().map(|p| p.2).collect();
    let x = Axis::log(&times, LEFT, RIGHT);
    let y = Axis::signed(&margins, bottom, top);
    horizontal_axis(&mut picture, &x, "time per query in seconds (logarithmic)", (LEFT, top, bottom));
    let label = if y.is_signed_log() { "margin (signed logarithmic)" } else { "margin" };
    vertical_axis(&mut picture, &y, label, (top, bottom));
    if let Some(zero) = y.at(0.0) {
        picture.line((LEFT, zero), (RIGHT, zero), "zero");
    }
    for (i, time, margin, tip) in &points {
        if let (Some(x), Some(y)) = (x.at(*time), y.at(*margin)) {
            match *i {
                usize::MAX => picture.marker(ATTACK_SHAPE, (x, y), "hollow mark", tip),
                i => picture.marker(i, (x, y), &format!("dot {}", series(i)), tip),
            }
        }
    }
    let thinned = if stride > 1 { format!(" Every {stride}th query is drawn.") } else { String::new() };
    let caption = format!(
        "Up and to the left is better: tight and fast. Above the dashed line the query is proved. The exact minimum of a \
         query lies between its highest certified margin and the margin attained at a point.{thinned}"
    );
    Some(Plot { name: "margin-time", title: TITLE, caption, picture })
}

/// The cross: of all shapes the one that differs most from those of the first series.
const ATTACK_SHAPE: usize = SERIES - 1;

/// The distribution of one number: a row per contestant with every query, the quartiles and the median.
fn strips(
    comparison: &Comparison,
    name: &'static str,
    title: &'static str,
    label: &str,
    caption: &str,
    value: &dyn Fn(usize, &Measurement) -> Option<f64>,
) -> Option<Plot> {
    let of = |i: usize| comparison.of(i).filter_map(move |(q, m)| Some((q, value(i, m).filter(|x| x.is_finite())?)));
    let shown: Vec<usize> = (0..comparison.contestants.len()).filter(|&i| of(i).next().is_some()).collect();
    let values: Vec<f64> = shown.iter().flat_map(|&i| of(i).map(|(_, x)| x)).collect();
    if values.is_empty() {
        return None;
    }
    let widest = shown.iter().map(|&i| super::svg::text_width(&comparison.contestants[i])).fold(0.0, f64::max);
    let row_height = (250.0 / shown.len() as f64).clamp(38.0, 64.0);
    let (left, top) = ((widest + 34.0).min(WIDTH / 2.0), 44.0);
    let bottom = top + row_height * shown.len() as f64;
    let mut picture = Svg::new(WIDTH, bottom + 54.0);
    head(&mut picture, title, &[]);
    let firm: &[f64] = if name == "gap" { &[0.0] } else { &[] };
    let axis = Axis::linear(&values, firm, left + 6.0, RIGHT - 6.0);
    horizontal_axis(&mut picture, &axis, label, (left, top, bottom));
    for (row, &i) in shown.iter().enumerate() {
        let middle = top + row_height * (row as f64 + 0.5);
        let class = series(i);
        picture.text((left - 12.0, middle + 4.0), Anchor::End, "", &comparison.contestants[i]);
        let all: Vec<f64> = of(i).map(|(_, x)| x).collect();
        let quartiles = [0.25, 0.5, 0.75].map(|share| quantile(all.clone(), share).and_then(|q| axis.at(q)));
        if let [Some(low), Some(median), Some(high)] = quartiles {
            let tip = quantile(all.clone(), 0.5).map_or(String::new(), |m| format!("median {}", number(m)));
            picture.rect((low, middle - 12.0), high - low, 24.0, &format!("box {class}"), &tip);
            picture.line((median, middle - 12.0), (median, middle + 12.0), &format!("strong {class}"));
        }
        let stride = all.len().div_ceil(DRAWN).max(1);
        for (n, (query, x)) in of(i).step_by(stride).enumerate() {
            if let Some(at) = axis.at(x) {
                // Neighbours in the list take turns above and below the middle, so that they stay apart.
                let aside = [0.0, -6.0, 6.0, -3.0, 3.0][n % 5];
                let tip = format!("{query}: {}", number(x));
                picture.marker(i, (at, middle + aside), &format!("dot {class}"), &tip);
            }
        }
    }
    let caption = format!("{caption} A point per query; box: the middle half of them; bar: the median.");
    Some(Plot { name, title, caption, picture })
}

/// Places of the layers along the horizontal axis, with their numbers and kinds beneath.
fn layer_axis(picture: &mut Svg, comparison: &Comparison, layers: &[usize], bottom: f64) -> Vec<f64> {
    let pitch = (RIGHT - LEFT) / layers.len() as f64;
    let place = |n: usize| LEFT + pitch * (n as f64 + 0.5);
    let widest =
        layers.iter().map(|&l| second_line(comparison, l)).map(|t| super::svg::text_width(&t)).fold(0.0, f64::max);
    let stride = ((widest + 6.0) / pitch).ceil().max(1.0) as usize;
    for (n, &layer) in layers.iter().enumerate().filter(|(n, _)| n % stride == 0) {
        picture.text((place(n), bottom + 17.0), Anchor::Middle, "", &(layer + 1).to_string());
        picture.text((place(n), bottom + 31.0), Anchor::Middle, "soft", &second_line(comparison, layer));
    }
    picture.line((LEFT, bottom), (RIGHT, bottom), "axis");
    picture.text(((LEFT + RIGHT) / 2.0, bottom + 50.0), Anchor::Middle, "soft", "layer, and its neurons");
    (0..layers.len()).map(place).collect()
}

fn second_line(comparison: &Comparison, layer: usize) -> String {
    let layer = &comparison.layers[layer];
    format!("{} {}", layer.neurons, layer.kind)
}

/// Mean number of unstable neurons of each activation layer.
fn unstable(comparison: &Comparison) -> Option<Plot> {
    const TITLE: &str = "Unstable neurons per layer";
    let layers: Vec<usize> = (0..comparison.layers.len()).filter(|&l| comparison.layers[l].kind != "output").collect();
    let value = |i: usize, layer: usize| {
        mean(comparison.of(i).filter_map(|(_, m)| m.layers.get(layer).copied()??.unstable).map(|u| u as f64))
    };
    let contestants = comparison.contestants.len();
    let known: Vec<f64> = layers.iter().flat_map(|&l| (0..contestants).filter_map(move |i| value(i, l))).collect();
    if known.is_empty() {
        return None;
    }
    let mut picture = Svg::new(WIDTH, 360.0);
    let top = head(&mut picture, TITLE, &legend(comparison, "dot"));
    let bottom = 360.0 - 66.0;
    let y = Axis::linear(&known, &[0.0], bottom, top);
    vertical_axis(&mut picture, &y, "unstable neurons, mean", (top, bottom));
    let places = layer_axis(&mut picture, comparison, &layers, bottom);
    let bar = ((RIGHT - LEFT) / layers.len() as f64 * 0.78 / contestants as f64).min(34.0);
    for (&place, &layer) in places.iter().zip(&layers) {
        for i in 0..contestants {
            let Some((value, height)) = value(i, layer).and_then(|v| Some((v, y.at(v)?))) else { continue };
            let left = place + bar * (i as f64 - contestants as f64 / 2.0);
            let tip = format!("{}, layer {}: {}", comparison.contestants[i], layer + 1, number(value));
            let thick = (bar - 1.5).max(0.8);
            picture.rect((left, height), thick, bottom - height, &format!("bar {}", series(i)), &tip);
        }
    }
    let caption = "Neurons that more than one segment of their activation passes through, by each domain's bounds: \
         the ones that have to be relaxed. Mean over the queries.";
    Some(Plot { name: "unstable", title: TITLE, caption: caption.into(), picture })
}

/// Mean width of the bounds of each layer.
fn widths(comparison: &Comparison) -> Option<Plot> {
    const TITLE: &str = "Width of neuron bounds per layer";
    let layers: Vec<usize> = (0..comparison.layers.len()).collect();
    let value =
        |i: usize, layer: usize| mean(comparison.of(i).filter_map(|(_, m)| Some(m.layers.get(layer).copied()??.mean)));
    let contestants = comparison.contestants.len();
    let known: Vec<f64> = layers.iter().flat_map(|&l| (0..contestants).filter_map(move |i| value(i, l))).collect();
    if !known.iter().any(|x| *x > 0.0) {
        return None;
    }
    let mut picture = Svg::new(WIDTH, 360.0);
    let top = head(&mut picture, TITLE, &legend(comparison, "dot"));
    let bottom = 360.0 - 66.0;
    let y = Axis::log(&known, bottom, top);
    vertical_axis(&mut picture, &y, "mean width (logarithmic)", (top, bottom));
    let places = layer_axis(&mut picture, comparison, &layers, bottom);
    let pitch = (RIGHT - LEFT) / layers.len() as f64;
    for i in 0..contestants {
        // Domains with the same bounds would hide each other: each stands a little aside.
        let aside = (pitch * 0.5).min(48.0) * ((i as f64 + 0.5) / contestants as f64 - 0.5);
        let points: Vec<(f64, f64, f64, usize)> = places
            .iter()
            .zip(&layers)
            .filter_map(|(&x, &l)| value(i, l).and_then(|v| Some((x + aside, y.at(v)?, v, l))))
            .collect();
        let line: Vec<(f64, f64)> = points.iter().map(|p| (p.0, p.1)).collect();
        picture.path(&line, &format!("thin {}", series(i)));
        for (x, y, value, layer) in points {
            let tip = format!("{}, layer {}: mean width {}", comparison.contestants[i], layer + 1, number(value));
            picture.marker(i, (x, y), &format!("dot {}", series(i)), &tip);
        }
    }
    let caption = "Upper minus lower bound, mean over neurons and queries. A domain that only adds linear programs for the \
         margins has the neuron bounds of the domain beneath it. Points are set side by side.";
    Some(Plot { name: "widths", title: TITLE, caption: caption.into(), picture })
}
