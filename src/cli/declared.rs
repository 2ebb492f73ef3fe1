//! From the networks that a query of VNN-LIB 2.0 declares, and the files that are named for them, to one network.

use super::CliResult;
use crate::domains::network::{Arithmetic, Network};
use crate::domains::num::Interval;
use crate::domains::query::{Region, Variable};
use crate::format::onnx::{self, Endings, Model, Port, Ports};
use crate::format::vnnlib::{DeclaredNetwork, DeclaredTensor, Element, Relation, TensorKind, VnnlibQuery};
use std::collections::HashMap;
use std::path::{Path, PathBuf};

/// The network that a query is about: all that it declares in one.
pub struct Joint {
    pub network: Network,
    pub arithmetic: Arithmetic,
    /// Whether counterexamples must be of the declared types, of which the arithmetic knows nothing.
    pub is_typed: bool,
    /// What was dropped at the network's end.
    pub endings: Endings,
}

/// The file of each network by its name, from `NAME=FILE`.
fn files<'a>(arguments: &'a [PathBuf], query: &VnnlibQuery) -> CliResult<HashMap<&'a str, &'a Path>> {
    let mut files = HashMap::new();
    for argument in arguments {
        let pair = argument.to_str().and_then(|text| text.split_once('='));
        let Some((name, file)) = pair.filter(|(name, file)| !name.is_empty() && !file.is_empty()) else {
            let names: Vec<&str> = query.networks.iter().map(|network| &network.name[..]).collect();
            let argument = argument.display();
            return Err(
                format!("--network {argument}: expected NAME=FILE; the query declares {}", names.join(", ")).into()
            );
        };
        let fail = |what: &str| Err(format!("--network {}: {what}", argument.display()).into());
        match query.networks.iter().find(|network| network.name == name) {
            None => return fail(&format!("the query declares no network `{name}`; leave it out")),
            Some(DeclaredNetwork { relation: Some(Relation::EqualTo(_)), .. }) => {
                return fail(&format!("network `{name}` is equal to another one, whose file it has; leave it out"));
            }
            Some(_) => {}
        }
        if files.insert(name, Path::new(file)).is_some() {
            return fail(&format!("network `{name}` has a file already; name one"));
        }
    }
    Ok(files)
}

/// The arithmetic that the types of the query ask for: that of real numbers where all are `real`, and float32 where
/// all are `float32` or whole numbers. Where the tensors of each network are of one type of float32 or less, they are real
/// numbers to files that round nothing; to others there is an objection.
fn asked(query: &VnnlibQuery) -> CliResult<(Arithmetic, Option<String>)> {
    let tensors = || query.networks.iter().flat_map(|network| &network.tensors);
    if tensors().all(|tensor| tensor.element == Element::REAL) {
        return Ok((Arithmetic::Real, None));
    }
    let is_other = |tensor: &&DeclaredTensor| tensor.element.name != "float32" && !tensor.element.is_whole();
    let is_half = |tensor: &DeclaredTensor| ["float16", "bfloat16"].contains(&tensor.element.name);
    let is_of_one = |network: &DeclaredNetwork| {
        let mut pairs = network.tensors.iter().zip(network.tensors.iter().skip(1));
        pairs.all(|(a, b)| a.element == b.element) && !network.tensors.iter().any(|tensor| tensor.element.is_whole())
    };
    match tensors().filter(is_other).min_by_key(|tensor| is_half(tensor)) {
        None => Ok((Arithmetic::Float32, None)),
        Some(tensor @ DeclaredTensor { name, element, .. }) => {
            let objection = format!(
                "`{name}` is of type {}, for which no sound analysis is known beside those of other types; declare all \
                 tensors `real`, or add --arithmetic real",
                element.name
            );
            let is_narrow = is_half(tensor) && query.networks.iter().all(is_of_one);
            if is_narrow { Ok((Arithmetic::Real, Some(objection))) } else { Err(objection.into()) }
        }
    }
}

/// Reads the networks of the query, checks that they are as it declares them, and joins them.
///
/// Where the arithmetic is named, types of entries are not compared: whoever names it knows what it is about.
pub fn load(query: &VnnlibQuery, arguments: &[PathBuf], arithmetic: Option<Arithmetic>) -> CliResult<Joint> {
    let files = files(arguments, query)?;
    let (arithmetic_asked, objection) = arithmetic.map_or_else(|| asked(query), |named| Ok((named, None)))?;
    let is_typed = arithmetic.is_none() && arithmetic_asked == Arithmetic::Float32;
    let mut models = Vec::with_capacity(query.networks.len());
    let range = range(query);
    for network in &query.networks {
        let named = match network.relation {
            Some(Relation::EqualTo(other)) => &query.networks[other].name,
            _ => &network.name,
        };
        let path = files
            .get(&named[..])
            .ok_or_else(|| format!("network `{named}` of the query has no file; add --network {named}=FILE"))?;
        let mut model = onnx::read_ports(path, &ports(network, range))?;
        check(network, &model, is_typed).map_err(|e| format!("{}: {e}", path.display()))?;
        let only_compares = query.networks.len() == 1 && query.products.is_empty();
        let is_dropped =
            arithmetic_asked == Arithmetic::Real && only_compares && model.check_softmax(&query.query).is_ok();
        if model.final_softmax.is_some() && !is_dropped {
            model = onnx::read_ports(path, &Ports { computes_softmax: true, ..ports(network, range) })?;
        }
        models.push(model.in_arithmetic(arithmetic_asked).map_err(|e| format!("{}: {e}", path.display()))?);
    }
    // Conversions between these two round none of the narrower numbers.
    let is_wide = |port: &Port| port.element.is_some_and(|e| ["float32", "float64"].contains(&&*onnx::type_name(e)));
    let is_rounded = |model: &Model| {
        let is_wide = model.inputs.iter().chain(&model.outputs).all(is_wide);
        !is_wide || model.final_softmax.is_some() || !model.network.copies()
    };
    if let Some(objection) = objection.as_ref().filter(|_| models.iter().any(is_rounded)) {
        return Err(objection.clone().into());
    }
    let endings = Endings::from(models[0].final_softmax);
    let network = join(query, models)?;
    if query.products.is_empty() {
        return Ok(Joint { network, arithmetic: arithmetic_asked, is_typed: objection.is_some(), endings });
    }
    let number = |variable: Variable| match variable {
        Variable::Input(i) => i,
        Variable::Output(i) => query.inputs + i,
    };
    let products: Vec<[usize; 2]> = query.products.iter().map(|factors| factors.map(number)).collect();
    let network = network.with_products(&products)?;
    Ok(Joint { network, arithmetic: arithmetic_asked, is_typed: objection.is_some(), endings })
}

/// Two numbers between which all inputs of the query lie, as they are or rounded to float32.
fn range(query: &VnnlibQuery) -> Option<[f64; 2]> {
    let of_box = |region: &Region| region.bounds().iter().copied().reduce(Interval::join);
    // What is made of a region goes with the clone: there may be thousands.
    let all = query.query.cases.iter().filter_map(|case| of_box(&case.region.clone()));
    let Interval { lo, hi } = all.reduce(Interval::join)?;
    let (lo, hi) = (lo.min(f64::from(lo as f32)), hi.max(f64::from(hi as f32)));
    (lo.is_finite() && hi.is_finite()).then_some([lo, hi])
}

/// The tensors of its file that a network asks for.
fn ports(network: &DeclaredNetwork, range: Option<[f64; 2]>) -> Ports {
    let of = |kind: TensorKind| network.tensors.iter().filter(move |tensor| tensor.kind == kind);
    let names = |kind| of(kind).map(|tensor| tensor.onnx_name.clone()).collect::<Option<Vec<String>>>();
    Ports {
        inputs: names(TensorKind::Input),
        hidden: names(TensorKind::Hidden).unwrap_or_default(),
        outputs: names(TensorKind::Output),
        computes_softmax: false,
        range,
    }
}

/// Whether the file's tensors are those that the query declares.
fn check(network: &DeclaredNetwork, model: &Model, is_typed: bool) -> Result<(), String> {
    let (inputs, others): (Vec<_>, Vec<_>) = network.tensors.iter().partition(|t| t.kind == TensorKind::Input);
    let name = &network.name;
    for (what, declared, found) in
        [("inputs", inputs, &model.inputs), ("hidden tensors and outputs", others, &model.outputs)]
    {
        if declared.len() != found.len() {
            return Err(format!(
                "the query's network `{name}` has {} {what}, the file {}",
                declared.len(),
                found.len()
            ));
        }
        for (declared, found) in declared.into_iter().zip(found) {
            check_port(declared, found, is_typed)?;
        }
    }
    Ok(())
}

fn check_port(declared: &DeclaredTensor, found: &Port, is_typed: bool) -> Result<(), String> {
    let DeclaredTensor { name, shape, element, .. } = declared;
    if *shape != found.shape {
        return Err(format!("the query's `{name}` has shape {shape:?}, the file's `{}` {:?}", found.name, found.shape));
    }
    match (element.onnx, found.element) {
        (Some(declared), Some(in_file)) if is_typed && declared != in_file => Err(format!(
            "the query's `{name}` is of type {}, the file's `{}` of {}; correct the query, declare all tensors `real`, or add \
             --arithmetic real",
            element.name,
            found.name,
            onnx::type_name(in_file)
        )),
        _ => Ok(()),
    }
}

/// One network out of those of the query, whose inputs follow each other.
fn join(query: &VnnlibQuery, mut models: Vec<Model>) -> CliResult<Network> {
    let first = |network: &DeclaredNetwork| network.tensors.first().map_or(0, |tensor| tensor.first);
    let inputs = |(network, model): (&DeclaredNetwork, &Model)| {
        let start = first(network);
        query.input_of[start..start + model.network.input_len()].to_vec()
    };
    let read: Vec<Vec<usize>> = query.networks.iter().zip(&models).map(inputs).collect();
    if let [only] = &read[..]
        && only.iter().copied().eq(0..query.inputs)
        && let Some(model) = models.pop()
    {
        return Ok(model.network);
    }
    let arithmetic = models[0].network.arithmetic();
    let members = models.iter().map(|model| &model.network).zip(read).collect();
    Ok(Network::joined(&[query.inputs], members)?.in_arithmetic(arithmetic).into_owned())
}
