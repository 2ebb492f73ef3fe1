//! volume_table1.csv: volume of the box around the outputs, as in table 1 of the k-ReLU paper.

use crate::job::{Job, Outcome, hash};
use absint::analyze::deadline;
use absint::domains::domain::{AbstractDomain, Bounds, LpDomain, Run, Tighten, propagate};
use absint::domains::lp::backends;
use absint::domains::num::parse_decimal;
use absint::domains::query::{LinearForms, Region};
use absint::format::{images, onnx};
use ndarray::Array2;
use serde_json::{Value, json};
use std::time::{Duration, Instant};

/// The published volumes for k = 1, 2, 3.
const PUBLISHED: [&str; 3] = ["4.5272e14", "5.1252e7", "2.9679e5"];

pub fn table1(job: &Job, ks: &[usize], count: usize, refine: bool, timeout: Duration) -> Outcome<()> {
    let model = job.data.join("kpoly_nets/mnist_9_200.onnx");
    let file = job.data.join("images/mnist_test_1000.csv");
    let network = onnx::read(&model)?.network;
    let images = images::read(&file)?;
    let eps = parse_decimal("0.015")?;
    let hash = hash(&[model, file])?;
    let keys: Vec<String> = (0..count.min(images.len())).map(|i| i.to_string()).collect();
    let mut rows = Vec::new();
    for &k in ks {
        let header = json!({
            "network_and_images": hash,
            "k": k,
            "refine": refine,
            "timeout_s": timeout.as_secs_f64(),
            "version": env!("CARGO_PKG_VERSION"),
        });
        let name = format!("volume_k{k}{}", if refine { "_refined" } else { "" });
        let results = job.run(&name, &header, &keys, |i| {
            let image = images.get(i).ok_or("no such image")?;
            let region = Region::linf(&image.pixels, &eps, Some((&parse_decimal("0")?, &parse_decimal("1")?)))?;
            let domain = LpDomain {
                tighten: if refine { Tighten::All } else { Tighten::None },
                ..LpDomain::kpoly(k, backends()[0])
            };
            let start = Instant::now();
            let budget = deadline(Some(timeout));
            let trace = propagate(&domain, &network, &region, &Bounds::unknown(), Run::silent(&budget))?;
            // The minima of y_i and of −y_i.
            let n = network.output_len();
            let signs = Array2::from_shape_fn((2 * n, n), |(r, i)| match r {
                _ if r % n != i => 0.0,
                _ if r < n => 1.0,
                _ => -1.0,
            });
            let minima = domain.minima(&LinearForms::of_node(network.output(), signs), &trace)?;
            let widths: Vec<f64> = (0..n).map(|i| -minima[n + i] - minima[i]).collect();
            let volume: f64 = widths.iter().product();
            let time = start.elapsed().as_secs_f64();
            Ok(json!({ "volume": volume, "widths": widths, "time_s": time, "out_of_time": budget.is_spent() }))
        })?;
        let volumes: Vec<f64> = results.iter().filter_map(|r| r["volume"].as_f64()).collect();
        for (key, result) in keys.iter().zip(&results) {
            rows.push(row(k, refine, key, result, ""));
        }
        let mean = (volumes.iter().map(|v| v.ln()).sum::<f64>() / volumes.len().max(1) as f64).exp();
        let time = results.iter().filter_map(|r| r["time_s"].as_f64()).sum::<f64>() / results.len().max(1) as f64;
        let published = PUBLISHED.get(k.wrapping_sub(1)).copied().unwrap_or_default();
        println!("k = {k}: geometric mean {mean:.4e} (published, for one image that is not named: {published})");
        let mean = json!({ "volume": mean, "time_s": time, "out_of_time": false });
        rows.push(row(k, refine, "geometric mean", &mean, published));
    }
    let header =
        ["network", "eps", "k", "bounds_by_lp", "image", "volume", "published_volume", "time_s", "out_of_time"];
    job.write("volume_table1.csv", &header, &rows)
}

fn row(k: usize, refine: bool, image: &str, result: &Value, published: &str) -> Vec<String> {
    vec![
        "mnist_9_200".into(),
        "0.015".into(),
        k.to_string(),
        if refine { "yes" } else { "no" }.into(),
        image.into(),
        format!("{:.4e}", result["volume"].as_f64().unwrap_or(f64::NAN)),
        published.into(),
        format!("{:.2}", result["time_s"].as_f64().unwrap_or(f64::NAN)),
        result["out_of_time"].to_string(),
    ]
}
