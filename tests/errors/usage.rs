//! Command lines that ask for what is not there.

use super::cases::Case;
use super::onnx::two_by_two;

/// With a network of two inputs and one image.
fn case(kind: &'static str, arguments: &'static str, names: &[&'static str]) -> Case {
    Case::new(kind, arguments, names).file("net.onnx", two_by_two()).file("i.csv", "1,1,2\n")
}

pub fn cases() -> Vec<Case> {
    let page = case("usage.page", "man prove", &["prove"]);
    asked().into_iter().chain(written()).chain([page]).collect()
}

/// What is asked makes no sense.
fn asked() -> Vec<Case> {
    let arguments = |line, names: &[&'static str]| case("usage.arguments", line, names);
    let boxed = |text: &str, names: &[&'static str]| {
        case("usage.box", "analyze net.onnx --box c.csv --label 0", names).file("c.csv", text)
    };
    vec![
        arguments("analyze net.onnx --domain magic", &["`magic`", "deeppoly"]),
        arguments("analyze net.onnx --lp gurobi", &["solvers", "interior"]),
        arguments("analyze net.onnx --data i.csv", &["--eps"]),
        arguments("analyze net.onnx --k 0", &["--k"]),
        arguments("analyze --timeout -1", &["zero or more seconds"]),
        arguments("certify net.onnx --data i.csv --eps 1 --shard 3/2", &["`3/2`", "`1/4`"]),
        arguments("certify net.onnx --data i.csv --eps 1 --range 7..5", &["`7..5`"]),
        arguments("certify net.onnx --data i.csv --eps 1 --resume", &["--out"]),
        arguments("radius net.onnx --data i.csv --tol 0", &["1e-15"]),
        case("usage.threads", "analyze --threads 0", &["--threads"]),
        case("usage.threads", "analyze --threads 4000000000", &["--threads", "1024"]),
        case("usage.nothing-asked", "analyze net.onnx", &["--vnnlib", "--query", "--data"]),
        case("usage.nothing-asked", "compare net.onnx", &["--vnnlib", "--query", "--data"]),
        case("usage.no-network", "analyze --data i.csv --eps 0.1", &["absint analyze NETWORK.onnx"]),
        case("usage.eps", "analyze net.onnx --data i.csv --eps tiny", &["--eps", "`tiny`"]),
        case("usage.eps", "analyze net.onnx --data i.csv --eps -1", &["--eps -1", "negative"]),
        case("usage.no-image", "analyze net.onnx --data i.csv --image 5 --eps 0.1", &["i.csv: ", "image 5", "has 1"]),
        case("usage.no-class", "analyze net.onnx --data i.csv --label 7 --eps 0.1", &["class 7", "2 outputs"]),
        case(
            "usage.range",
            "certify net.onnx --data i.csv --eps 0.1 --range 0..9",
            &["--range 0..9", "i.csv", "1 images"],
        ),
        case("usage.labels", "certify net.onnx --data l.csv --eps 0.1", &["l.csv: image 1", "label 3"])
            .file("l.csv", "0,1,2\n3,1,2\n"),
        case("usage.image-size", "analyze net.onnx --data s.csv --eps 0.1", &["s.csv: ", "3 values", "expects 2"])
            .file("s.csv", "0,1,2,3\n"),
        case("usage.layout", "analyze net.onnx --data i.csv --eps 0.1 --layout hwc", &["--layout hwc", "--channels"]),
        case(
            "usage.normalisation",
            "analyze net.onnx --data i.csv --eps 0.1 --mean 0.1,0.2,0.3 --std 1,1,1",
            &["--mean", "--channels"],
        ),
        case(
            "usage.normalisation",
            "analyze net.onnx --data i.csv --eps 0.1 --mean 0.1,0.2,0.3 --std 1,1,1 --channels first,2",
            &["--mean has 3 values", "2 channels", "one per channel"],
        ),
        case(
            "usage.normalisation",
            "analyze net.onnx --data i.csv --eps 0.1 --mean 0.1 --std 0",
            &["--std", "positive"],
        ),
        case("usage.channels", "analyze net.onnx --data i.csv --eps 0.1 --channels last", &["--channels", "`first,3`"]),
        case("usage.hamming", "analyze net.onnx --data i.csv --eps 1 --norm hamming", &["--binarize"]),
        case("usage.hamming", "analyze net.onnx --data i.csv --eps 0.5 --norm hamming --binarize 9", &["whole number"]),
        case("usage.hamming", "radius net.onnx --data i.csv --norm hamming", &["linf, l1 and l2"]),
        case("usage.radii", "radius net.onnx --data i.csv --lo 0.2 --hi 0.1", &["--hi", "--lo"]),
        boxed("0,1\n0;1\n", &["c.csv:2: ", "`lower,upper`"]),
        boxed("0,1\n0,x\n", &["c.csv:2: ", "`x`"]),
        boxed("0,1\n", &["c.csv: ", "1 lines", "2 inputs"]),
        boxed("0,1\n1,0\n", &["c.csv: ", "X_1"]),
        case("usage.box", "analyze net.onnx --box none.csv --label 0", &["none.csv: "]),
        case("usage.disjunct", "attack net.onnx --data i.csv --eps 0.1 --disjunct 7", &["--disjunct 7"]),
        case(
            "usage.domains",
            "compare net.onnx --data i.csv --eps 0.1 --domains interval,interval",
            &["interval", "twice"],
        ),
    ]
}

/// What is to be written cannot be.
fn written() -> Vec<Case> {
    vec![
        case("usage.output", "analyze net.onnx --data i.csv --eps 0.001 --bounds no/b.json", &["no/b.json"]),
        case(
            "usage.output",
            "compare net.onnx --data i.csv --eps 0.001 --domains interval --report no/r.html",
            &["no/r.html"],
        ),
        case("usage.output", "analyze net.onnx --data i.csv --eps 0.001 --bounds i.csv --force", &["i.csv", "input"]),
        case("usage.output", "analyze net.onnx --data i.csv --eps 0.001 --bounds .", &["is no file"]),
        case("usage.output", "analyze net.onnx --data i.csv --eps 0.001 --bounds b.json", &["b.json", "--force"])
            .file("b.json", "dear diary"),
        case("usage.output", "compare net.onnx --data i.csv --eps 0.001 --out r.csv", &["r_layers.csv", "--force"])
            .file("r_layers.csv", "dear diary"),
        case(
            "usage.output",
            "analyze net.onnx --data i.csv --eps 0.001 --domain exact --proof .",
            &["case-3.pbp", "--force"],
        )
        .file("case-3.pbp", "an older one"),
    ]
}
