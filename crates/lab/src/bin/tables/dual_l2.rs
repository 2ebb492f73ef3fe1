//! dual_l2.csv: over L2 balls, margins by lines of single neurons and by layers bounded jointly.

use crate::job::{Job, Outcome, hash};
use absint::analyze::deadline;
use absint::domains::domain::{AbstractDomain, Bounds, DeepPoly, Run, propagate};
use absint::domains::dual::{Compiled, Effort, Forest, Limits, Objective, Refinement, Relaxed};
use absint::domains::network::Network;
use absint::domains::num::{Rational, nearest, parse_decimal};
use absint::domains::query::{Case, LinearForms, Query, Region};
use absint::format::images::{self, ImageSet};
use absint::format::onnx;
use serde_json::{Value, json};
use std::time::Duration;

/// MNIST networks with a radius at which some margins are on either side of zero.
const NETWORKS: [(&str, &str); 3] =
    [("kpoly_nets/mnist_6_100", "0.3"), ("kpoly_nets/mnist_9_100", "0.3"), ("kpoly_nets/mnist_6_200", "0.2")];

/// Gradient steps of the margins.
const STEPS: Effort = Effort { rounds: 100, alpha: 0.2, beta: 0.1 };

/// Seconds per image, of which the second half is for the second way.
const SECONDS: u64 = 120;

/// The worst margin after a round of refined neuron bounds, in which slopes alone are optimised.
fn worst(compiled: &Compiled<'_>, case: &Case, mut bounds: Bounds, network: &Network) -> f64 {
    let budget = deadline(Some(Duration::from_secs(SECONDS / 2)));
    Refinement { share: 1.0, ..Refinement::default() }.run(compiled, &case.region, &mut bounds, &budget);
    let forms = LinearForms::of_atoms(network, case.property.atoms());
    let relaxed = Relaxed::new(compiled, &case.region, &bounds);
    let objectives = (0..forms.constants.len()).map(|row| Objective::of_form(&forms, row, &bounds)).collect();
    let limits = Limits::new(f64::MAX, 0, STEPS, STEPS);
    let mut forest = Forest::new(&relaxed, objectives, limits);
    forest.plant(&budget);
    forest.bounds().into_iter().fold(f64::INFINITY, f64::min)
}

fn answer(network: &Network, images: &ImageSet, image: usize, radius: &Rational) -> Outcome<Value> {
    let image = images.get(image).ok_or("no such image")?;
    let output = network.evaluate(&image.pixels.iter().map(nearest).collect::<Vec<f64>>())?;
    let class = (0..output.len()).fold(0, |best, i| if output[i] > output[best] { i } else { best });
    if class != image.label {
        return Ok(json!({ "verdict": "misclassified" }));
    }
    let region = Region::l2(&image.pixels, radius, Some((&Rational::ZERO, &Rational::ONE)))?;
    let query = Query::robustness(region, output.len(), image.label);
    let case = query.cases.first().ok_or("the query is empty")?;
    let budget = deadline(None);
    let domain = DeepPoly::default();
    let trace = propagate(&domain, network, &case.region, &Bounds::unknown(), Run::silent(&budget))?;
    let forms = LinearForms::of_atoms(network, case.property.atoms());
    let deeppoly = domain.minima(&forms, &trace)?.into_iter().fold(f64::INFINITY, f64::min);
    let of = |compiled| worst(&compiled, case, trace.bounds(), network);
    let (lines, jointly) = (of(Compiled::new(network)), of(Compiled::around(network, &case.region)));
    Ok(json!({ "deeppoly": deeppoly, "lines": lines, "jointly": jointly }))
}

/// The first images of some networks.
pub fn dual_l2(job: &Job, count: usize) -> Outcome<()> {
    let mut rows = Vec::new();
    for (name, radius) in NETWORKS {
        let model = job.data.join(format!("{name}.onnx"));
        let file = job.data.join("images").join("mnist_test_1000.csv");
        let (network, images) = (onnx::read(&model)?.network, images::read(&file)?);
        let header = json!({
            "network_and_images": hash(&[model, file])?, "radius": radius, "version": env!("CARGO_PKG_VERSION"),
        });
        let eps = parse_decimal(radius)?;
        let name = name.rsplit('/').next().unwrap_or(name);
        let keys: Vec<String> = (0..count.min(images.len())).map(|i| i.to_string()).collect();
        let results = job.run(&format!("dual_l2_{name}"), &header, &keys, |i| answer(&network, &images, i, &eps))?;
        for (image, result) in results.iter().enumerate() {
            let number = |field: &str| result[field].as_f64();
            let Some(all) = number("deeppoly").zip(number("lines")).zip(number("jointly")) else { continue };
            let ((base, lines), jointly) = all;
            let margins = [base, lines, jointly].map(|margin| format!("{margin:.4}"));
            rows.push(
                [name, radius].map(str::to_owned).into_iter().chain([image.to_string()]).chain(margins).collect(),
            );
        }
        job.write_beside("dual_l2.csv", &COLUMNS, 3, &rows)?;
    }
    Ok(())
}

/// The columns of dual_l2.csv.
const COLUMNS: [&str; 6] = ["network", "radius", "image", "deeppoly", "lines", "jointly"];
