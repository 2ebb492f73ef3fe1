#![allow(clippy::all)]
use absint::domains::domain::{Run, Bounds};
use absint::domains::observer::{Event, Observer};
use absint::engine::{deadline, decide, Question, Splitting};
use std::collections::BTreeMap;
use std::sync::Mutex;
#[derive(Default)]
struct O(Mutex<(usize, usize)>);
impl Observer for O { fn event(&self, e: Event<'_>) { if let Event::Search { open, closed, .. } = e { *self.0.lock().unwrap() = (open, closed); } } }
fn main() {
    let a: Vec<String> = std::env::args().skip(1).collect();
    let folder = std::path::PathBuf::from(std::env::var("ABSINT_DATA").unwrap()).join(&a[0]);
    let limit: f64 = a[1].parse().unwrap();
    let kinds: Vec<Splitting> = a[2].chars().map(|c| match c { 'i' => Splitting::Inputs, 'p' => Splitting::Phases, 'n' => Splitting::Neurons, _ => Splitting::Automatic }).collect();
    for row in csv::Reader::from_path(folder.join("truth.csv")).unwrap().deserialize() {
        let row: BTreeMap<String, String> = row.unwrap();
        let id = format!("{}/{}", row["net"], row["spec"]);
        if a.len() > 3 && !a[3..].iter().any(|w| id.contains(w.as_str())) { continue }
        let network = absint::format::onnx::read(&folder.join("onnx").join(&row["net"])).unwrap().network;
        let query = absint::format::vnnlib::read(folder.join("vnnlib").join(&row["spec"])).unwrap().query;
        print!("{id:60} {:6}", row["truth"]);
        for &splitting in &kinds {
            let budget = deadline(Some(std::time::Duration::from_secs_f64(limit)));
            let t = std::time::Instant::now();
            let o = O::default();
            let mut verdict = "unsat";
            for case in &query.cases {
                let open: Vec<usize> = (0..case.property.disjuncts.len()).collect();
                let known = Bounds::unknown();
                let q = Question { network: &network, case, first: 0, open: &open, known: &known, attack: true, splitting, most: usize::MAX };
                match decide(&q, Run { budget: &budget, observer: &o }) {
                    Ok(f) if f.witness.is_some() => { verdict = "sat"; break }
                    Ok(f) if f.bounds.values().all(|b| *b > 0.0) => {}
                    Ok(_) => { verdict = "unknown"; }
                    Err(e) => { print!("{e}"); verdict = "error"; }
                }
            }
            let (open, closed) = *o.0.lock().unwrap();
            print!(" | {splitting:?} {verdict} {:.2}s {open}/{closed}", t.elapsed().as_secs_f64());
        }
        println!();
    }
}
