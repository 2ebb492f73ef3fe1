#![allow(clippy::all)]
use absint::domains::domain::Run;
use absint::domains::query::Disjunct;
use absint::engine::{deadline, minimum};
use std::collections::BTreeMap;
fn main() {
    let micro = std::path::PathBuf::from(std::env::var("ABSINT_DATA").unwrap()).join("micro");
    let want: Vec<String> = std::env::args().skip(1).collect();
    let mut slow = 0.0; let mut n = 0;
    for row in csv::Reader::from_path(micro.join("truth.csv")).unwrap().deserialize() {
        let row: BTreeMap<String, String> = row.unwrap();
        let id = row["id"].clone();
        if !want.iter().any(|w| id.starts_with(w.as_str())) { continue }
        let network = absint::format::onnx::read(&micro.join(&row["onnx"])).unwrap().network;
        let q = micro.join(&row["query"]);
        let query = if q.extension().unwrap() == "json" { absint::format::json_query::read(&q, network.input_len()).unwrap() } else { absint::format::vnnlib::read(q.clone()).unwrap().query };
        let (d, atom) = match row["margin_index"].split_once('.') { Some((a, b)) => (a.parse::<usize>().unwrap(), Some(b.parse::<usize>().unwrap())), None => (row["margin_index"].parse().unwrap(), None) };
        let mut left = d;
        let mut found = None;
        for case in &query.cases { if left < case.property.disjuncts.len() { found = Some((case, left)); break } left -= case.property.disjuncts.len(); }
        let (case, k) = found.unwrap();
        let dis = &case.property.disjuncts[k];
        let atoms = atom.map_or_else(|| dis.atoms.clone(), |a| vec![dis.atoms[a].clone()]);
        let budget = deadline(Some(std::time::Duration::from_secs(20)));
        let t = std::time::Instant::now();
        let m = minimum(&network, &case.region, &Disjunct { atoms }, 9e-7, Run::silent(&budget)).unwrap();
        let s = t.elapsed().as_secs_f64();
        slow += s; n += 1;
        if s > 0.5 { println!("{id} {} {:.2}s [{}, {}] truth {} in {} unstable? {:?}", row["margin_index"], s, m.lower, m.upper, row["exact_min_decimal"], network.input_len(), case.region.ball()); }
    }
    println!("{n} rows {slow:.1}s");
}
