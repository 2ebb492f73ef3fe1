//! What only the messages can say: old and odd ways to write a model, and extreme numbers in each field.

use super::proto::{self, AttributeProto, ModelProto, TensorProto};
use super::{Attribute, Model, OnnxError, OnnxWriter, parse};
use ndarray::{Array4, array};
use proptest::prelude::*;
use prost::Message;

fn ints(values: &[i64]) -> Attribute {
    Attribute::Ints(values.to_vec())
}

/// `relu(2 x₀ − x₁)`.
fn small() -> ModelProto {
    let mut w = OnnxWriter::input(&[2]);
    w.gemm(array![[2.0, -1.0]].view(), &[0.0]).relu();
    w.to_model(&[1])
}

fn read(model: &ModelProto) -> Result<Model, OnnxError> {
    parse(&model.encode_to_vec(), "test")
}

/// The model after `change` computes 2·3 − 1; or is refused with these words.
fn after(change: impl FnOnce(&mut ModelProto), refused: Option<&str>) {
    let mut model = small();
    change(&mut model);
    match (read(&model), refused) {
        (Ok(model), None) => assert_eq!(model.network.evaluate(&[3.0, 1.0]), Ok(vec![5.0])),
        (Err(e), Some(words)) => assert!(e.to_string().contains(words), "{e}"),
        (Ok(_), Some(words)) => panic!("not refused: {words}"),
        (Err(e), None) => panic!("{e}"),
    }
}

fn graph(model: &mut ModelProto) -> &mut proto::GraphProto {
    model.graph.as_mut().unwrap()
}

fn dims(info: &mut proto::ValueInfoProto) -> &mut Vec<proto::DimensionProto> {
    &mut info.r#type.as_mut().unwrap().tensor_type.as_mut().unwrap().shape.as_mut().unwrap().dim
}

#[test]
fn initializers_may_be_listed_as_inputs() {
    let listed = |m: &mut ModelProto| {
        let g = graph(m);
        let mut info = g.input[0].clone();
        info.name.clone_from(&g.initializer[0].name);
        g.input.insert(0, info);
    };
    after(listed, None);
    let second = |m: &mut ModelProto| {
        let mut info = graph(m).input[0].clone();
        info.name = Some("other".into());
        graph(m).input.push(info);
    };
    after(second, Some("expected one input"));
    after(|m| graph(m).input.clear(), Some("no input"));
}

#[test]
fn a_batch_axis_without_a_length_is_one() {
    let batch = |value, param: Option<&str>| {
        let dim = proto::DimensionProto { dim_value: value, dim_param: param.map(Into::into) };
        move |m: &mut ModelProto| dims(&mut graph(m).input[0])[0] = dim
    };
    after(batch(None, Some("N")), None);
    after(batch(None, None), None);
    after(batch(Some(-1), None), None);
    after(batch(Some(0), None), Some("length 0"));
    after(|m| dims(&mut graph(m).input[0])[1].dim_value = None, Some("symbolic"));
    after(|m| graph(m).input[0].r#type = None, Some("no tensor shape"));
    let quantised = |m: &mut ModelProto| {
        graph(m).input[0].r#type.as_mut().unwrap().tensor_type.as_mut().unwrap().elem_type = Some(3);
    };
    after(quantised, Some("int8"));
}

#[test]
fn names_are_unique_and_defined() {
    after(
        |m| graph(m).initializer[1].name.clone_from(&small().graph.unwrap().initializer[0].name),
        Some("two constants"),
    );
    after(|m| graph(m).node[1].output[0] = "t0".into(), Some("name of another tensor"));
    after(|m| graph(m).node[1].output.clear(), Some("no node computes"));
    after(|m| graph(m).node.swap(0, 1), None);
    after(|m| graph(m).node[1].name = None, None);
    after(|m| graph(m).node[1].op_type = Some("Floor".into()), Some("node `Relu_1`"));
    let nameless = |m: &mut ModelProto| {
        graph(m).node[1].name = None;
        graph(m).node[1].op_type = None;
    };
    after(nameless, Some("node `#1 ?`"));
    after(|m| graph(m).node[1].domain = Some("ai.onnx".into()), None);
    after(|m| graph(m).node[1].domain = Some("com.example".into()), Some("of domain `com.example`"));
    after(|m| m.graph = None, Some("no graph"));
    after(|m| m.opset_import.clear(), Some("no version"));
    after(|m| graph(m).output.clear(), Some("expected one output"));
    after(|m| graph(m).sparse_initializer.push(proto::SparseTensorProto {}), Some("sparse"));
}

#[test]
fn an_operator_that_nothing_reads_does_not_matter() {
    let unused = |m: &mut ModelProto| {
        let mut node = graph(m).node[1].clone();
        (node.op_type, node.output) = (Some("Floor".into()), vec!["unused".into()]);
        graph(m).node.push(node);
    };
    after(unused, None);
}

#[test]
fn constants_come_in_every_encoding() {
    let weight = |t: TensorProto| {
        move |m: &mut ModelProto| {
            let old = &mut graph(m).initializer[0];
            *old = TensorProto { name: old.name.clone(), dims: vec![1, 2], ..t };
        }
    };
    let empty = TensorProto::default;
    after(weight(TensorProto { data_type: Some(proto::FLOAT), float_data: vec![2.0, -1.0], ..empty() }), None);
    after(weight(TensorProto { data_type: Some(proto::DOUBLE), double_data: vec![2.0, -1.0], ..empty() }), None);
    after(weight(TensorProto { data_type: Some(proto::FLOAT16), int32_data: vec![0x4000, 0xbc00], ..empty() }), None);
    after(weight(TensorProto { data_type: Some(proto::INT64), int64_data: vec![2, -1], ..empty() }), None);
    after(weight(TensorProto { data_type: Some(proto::INT32), int32_data: vec![2, -1], ..empty() }), None);
    after(weight(TensorProto { data_type: Some(3), int32_data: vec![2, -1], ..empty() }), None);
    after(weight(TensorProto { data_type: Some(14), int32_data: vec![2, 1], ..empty() }), Some("complex64"));
    after(weight(TensorProto { data_type: Some(proto::INT16), int32_data: vec![2, -1], ..empty() }), None);
    after(weight(TensorProto { data_type: Some(proto::FLOAT), float_data: vec![2.0], ..empty() }), Some("holds 1"));
    let float = || Some(proto::FLOAT);
    after(weight(TensorProto { data_type: float(), data_location: Some(1), ..empty() }), Some("another file"));
    // The weight as the tensor of a Constant node.
    let node = |m: &mut ModelProto| {
        let mut tensor = graph(m).initializer.remove(0);
        let name = tensor.name.take().unwrap();
        let value = AttributeProto { name: Some("value".into()), t: Some(tensor), ..AttributeProto::default() };
        let constant = proto::NodeProto {
            output: vec![name],
            op_type: Some("Constant".into()),
            attribute: vec![value],
            ..proto::NodeProto::default()
        };
        graph(m).node.insert(0, constant);
    };
    after(node, None);
}

#[test]
fn what_was_read_is_what_was_written() {
    let model = read(&small()).unwrap();
    assert_eq!(model.operators, [("Gemm".to_owned(), 1), ("Relu".to_owned(), 1)]);
    assert_eq!((model.opset, model.final_softmax.is_some(), model.producer.as_str()), (13, false, "absint"));
    assert_eq!((model.inputs[0].name.as_str(), model.outputs[0].name.as_str()), ("input", "t1"));
    assert_eq!(ModelProto::decode(&small().encode_to_vec()[..]).unwrap(), small());
}

/// The weight of [`small`] as eight bytes from `offset` on in a file `location`.
fn elsewhere(location: &str, offset: &str) -> ModelProto {
    let mut model = small();
    let weight = &mut graph(&mut model).initializer[0];
    let entry = |key: &str, value: &str| proto::EntryProto { key: Some(key.into()), value: Some(value.into()) };
    (weight.raw_data, weight.data_location) = (None, Some(1));
    weight.external_data = vec![entry("location", location), entry("offset", offset), entry("length", "8")];
    model
}

#[test]
fn constants_are_read_from_files_beside_the_model_and_nowhere_else() {
    let outer = tempfile::tempdir().unwrap();
    let folder = outer.path().join("models");
    std::fs::create_dir_all(folder.join("deeper")).unwrap();
    let bytes = [2f32.to_le_bytes(), (-1f32).to_le_bytes()].concat();
    for place in ["weights", "deeper/weights", "../weights"] {
        std::fs::write(folder.join(place), [&[7; 4][..], &bytes].concat()).unwrap();
    }
    std::fs::create_dir(folder.join("folder")).unwrap();
    let path = folder.join("net.onnx");
    let read_it = |location: &str, offset: &str| {
        std::fs::write(&path, elsewhere(location, offset).encode_to_vec()).unwrap();
        super::read_fingerprinted(&path)
    };
    let (model, fingerprint) = read_it("weights", "4").unwrap();
    assert_eq!(model.network.evaluate(&[3.0, 1.0]), Ok(vec![5.0]));
    // The fingerprint is of the weights too.
    let other = [&[7; 4][..], &bytes[..4], &bytes[..4]].concat();
    std::fs::write(folder.join("weights"), other).unwrap();
    assert_ne!(read_it("weights", "4").unwrap().1.to_string(), fingerprint.to_string());
    let absolute = folder.join("weights").display().to_string();
    for location in ["../weights", "deeper/weights", "deeper/../weights", &absolute, "", ".", ".."] {
        assert!(read_it(location, "4").unwrap_err().to_string().contains("own folder"), "{location}");
    }
    assert!(read_it("none", "4").unwrap_err().to_string().contains("cannot be read"));
    assert!(read_it("folder", "4").unwrap_err().to_string().contains("no plain file"));
    for (offset, words) in [("5", "cut off"), ("18446744073709551615", "cut off"), ("-1", "no number")] {
        assert!(read_it("weights", offset).unwrap_err().to_string().contains(words), "{offset}");
    }
    #[cfg(unix)]
    {
        std::os::unix::fs::symlink("weights", folder.join("link")).unwrap();
        assert!(read_it("link", "4").unwrap_err().to_string().contains("a link"));
    }
    let in_memory = parse(&elsewhere("weights", "4").encode_to_vec(), "test").unwrap_err().to_string();
    assert!(in_memory.contains("another file"), "{in_memory}");
}

#[test]
fn nodes_may_stand_in_any_order() {
    let chain = || {
        let mut w = OnnxWriter::input(&[2]);
        w.gemm(array![[2.0, -1.0]].view(), &[0.0]);
        let x = w.current().to_owned();
        let one = w.node("Neg", &[&x], &[]);
        let two = w.node("Neg", &[&one], &[]);
        w.node("Max", &[&two, &one, &x], &[]);
        w.to_model(&[1])
    };
    let sorted = read(&chain()).unwrap().network;
    for rotation in 0..4 {
        for reverse in [false, true] {
            let mut model = chain();
            graph(&mut model).node.rotate_left(rotation);
            if reverse {
                graph(&mut model).node.reverse();
            }
            let network = read(&model).unwrap().network;
            for x in [[3.0f64, 1.0], [-3.0, 1.0]] {
                assert_eq!(network.evaluate(&x), sorted.evaluate(&x));
                assert_eq!(network.evaluate(&x), Ok(vec![(2.0 * x[0] - x[1]).abs()]));
            }
        }
    }
}

/// A model per operator whose attributes or integer operands steer it.
fn steered() -> Vec<ModelProto> {
    let mut models = Vec::new();
    let mut add = |op: &str, operands: &[&[i64]], attributes: &[(&str, Attribute)]| {
        let mut w = OnnxWriter::input(&[2, 4, 4]);
        let names: Vec<String> = operands.iter().map(|values| w.integers(values)).collect();
        let inputs: Vec<&str> = std::iter::once("input").chain(names.iter().map(String::as_str)).collect();
        w.node(op, &inputs, attributes);
        models.push(w.to_model(&[1]));
    };
    let window = [
        ("kernel_shape", ints(&[2, 2])),
        ("strides", ints(&[2, 1])),
        ("pads", ints(&[1, 0, 0, 1])),
        ("dilations", ints(&[1, 1])),
        ("ceil_mode", Attribute::Int(1)),
        ("count_include_pad", Attribute::Int(1)),
    ];
    add("MaxPool", &[], &window);
    add("AveragePool", &[], &window);
    add("Pad", &[&[0, 0, 1, 0, 0, 0, 0, 1]], &[]);
    add("Pad", &[&[0, 0, 1, 0, 0, 0, 0, 1]], &[("mode", Attribute::Text("edge".into()))]);
    add("Pad", &[&[0, 0, 1, 0, 0, 0, 0, 1]], &[("mode", Attribute::Text("reflect".into()))]);
    add("Slice", &[&[0, 1], &[2, 3], &[1, -1], &[1, -1]], &[]);
    add("Gather", &[&[0, 1]], &[("axis", Attribute::Int(1))]);
    add("Transpose", &[], &[("perm", ints(&[0, 2, 3, 1]))]);
    add("Concat", &[], &[("axis", Attribute::Int(1))]);
    add("Flatten", &[], &[("axis", Attribute::Int(1))]);
    add("Softmax", &[], &[("axis", Attribute::Int(1))]);
    add("Squeeze", &[&[0]], &[]);
    add("Unsqueeze", &[&[0, -1]], &[]);
    add("Reshape", &[&[0, -1, 2]], &[("allowzero", Attribute::Int(0))]);
    add("Expand", &[&[2, 1, 2, 4, 4]], &[]);
    add("Cast", &[], &[("to", Attribute::Int(1))]);
    let mut w = OnnxWriter::input(&[2, 4, 4]);
    let shape = w.node("Shape", &["input"], &[("start", Attribute::Int(0)), ("end", Attribute::Int(-1))]);
    let two = w.integers(&[2]);
    let sizes = w.node("Div", &[&shape, &two], &[]);
    let more = w.node("Mul", &[&sizes, &shape], &[]);
    w.node("Expand", &["input", &more], &[]);
    models.push(w.to_model(&[1]));
    let mut w = OnnxWriter::input(&[2, 4, 4]);
    let c = w.floats(&[2, 1, 2, 2], Array4::<f32>::ones((2, 1, 2, 2)));
    let attributes = [&window[..4], &[("group", Attribute::Int(2))]].concat();
    w.node("Conv", &["input", &c], &attributes);
    models.push(w.to_model(&[1]));
    models
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(4000))]

    #[test]
    fn extreme_numbers_are_refused_or_meant(
        which in any::<prop::sample::Index>(),
        changes in prop::collection::vec((any::<prop::sample::Index>(), prop_oneof![
            prop::sample::select(vec![i64::MIN, i64::MAX, -1, 0, 1, 2, 3, 1 << 20, 1 << 32, 1 << 53, -(1 << 32)]),
            -8..8i64,
            any::<i64>(),
        ]), 1..4),
    ) {
        let mut models = steered();
        let mut model = models.swap_remove(which.index(models.len()));
        for (at, value) in changes {
            let graph = graph(&mut model);
            // Every integer of the model: attributes, shapes of constants, and the integers in them.
            let mut places: Vec<&mut i64> = Vec::new();
            for attribute in graph.node.iter_mut().flat_map(|n| &mut n.attribute) {
                places.extend(attribute.i.iter_mut().chain(&mut attribute.ints));
            }
            for tensor in &mut graph.initializer {
                if tensor.data_type == Some(proto::INT64) && let Some(raw) = tensor.raw_data.take() {
                    let (words, _) = raw.as_chunks::<8>();
                    tensor.int64_data = words.iter().map(|w| i64::from_le_bytes(*w)).collect();
                }
                places.extend(tensor.dims.iter_mut().chain(&mut tensor.int64_data));
            }
            let count = places.len();
            if count > 0 {
                *places[at.index(count)] = value;
            }
        }
        if let Ok(model) = read(&model) {
            prop_assert!(model.network.output_len() > 0);
        }
    }
}
