//! Whatever order the file of images and the network have their values in, the network reads the same image.

#![allow(clippy::unwrap_used)]

use absint::format::onnx::{Attribute, OnnxWriter, parse};
use assert_cmd::Command;
use ndarray::{Array2, Array4};
use std::path::Path;

const CHANNELS: usize = 3;
/// Height and width.
const SIDES: [usize; 2] = [2, 3];
const AREA: usize = SIDES[0] * SIDES[1];
const MEAN: [f64; CHANNELS] = [0.1, 0.4, 0.7];
const STD: [f64; CHANNELS] = [0.5, 0.25, 2.0];

/// The byte and the weight of a channel's pixel; no two pairs are alike.
fn byte(channel: usize, pixel: usize) -> u8 {
    (7 + 61 * channel + 29 * pixel + 13 * channel * pixel) as u8
}

fn weight(channel: usize, pixel: usize) -> f32 {
    (1 + (5 * channel + 3 * pixel + channel * pixel) % 11) as f32 / 4.0
}

/// `Σ w (x − mean) / std` over all channels and pixels.
fn expected() -> f64 {
    let of = |c: usize, p: usize| f64::from(weight(c, p)) * (f64::from(byte(c, p)) / 255.0 - MEAN[c]) / STD[c];
    (0..CHANNELS).flat_map(|c| (0..AREA).map(move |p| of(c, p))).sum()
}

/// A line of a file of images of label 0.
fn image(layout: &str) -> String {
    let place = |i: usize| if layout == "chw" { (i / AREA, i % AREA) } else { (i % CHANNELS, i / CHANNELS) };
    let values: Vec<String> = (0..CHANNELS * AREA).map(place).map(|(c, p)| byte(c, p).to_string()).collect();
    format!("0,{}\n", values.join(","))
}

/// How a network takes its input.
#[derive(Clone, Copy)]
struct Reader {
    name: &'static str,
    shape: &'static [usize],
    /// The order in which it reads.
    layout: &'static str,
    /// What has to be said about it.
    said: Option<&'static str>,
    /// Brings the input to channels × height × width for a convolution over everything, or leaves it to a
    /// dense layer.
    before: Option<fn(&mut OnnxWriter)>,
}

fn transposed(w: &mut OnnxWriter) {
    let x = w.current().to_owned();
    w.node("Transpose", &[&x], &[("perm", Attribute::Ints(vec![0, 3, 1, 2]))]);
}

fn reshaped(w: &mut OnnxWriter, shape: &[i64]) {
    let x = w.current().to_owned();
    let shape = w.integers(shape);
    w.node("Reshape", &[&x, &shape], &[]);
}

const READERS: [Reader; 8] = [
    Reader { name: "conv", shape: &[3, 2, 3], layout: "chw", said: None, before: Some(|_| {}) },
    Reader { name: "transpose, conv", shape: &[2, 3, 3], layout: "hwc", said: None, before: Some(transposed) },
    Reader {
        name: "sub, transpose, conv",
        shape: &[2, 3, 3],
        layout: "hwc",
        said: None,
        before: Some(|w| {
            w.sub(&[1], &[0.0]);
            transposed(w);
        }),
    },
    Reader {
        name: "one axis, reshape, conv",
        shape: &[18],
        layout: "chw",
        said: None,
        before: Some(|w| reshaped(w, &[1, 3, 2, 3])),
    },
    Reader {
        name: "one axis, reshape, transpose, conv",
        shape: &[18],
        layout: "hwc",
        said: None,
        before: Some(|w| {
            reshaped(w, &[1, 2, 3, 3]);
            transposed(w);
        }),
    },
    Reader { name: "dense over chw", shape: &[3, 2, 3], layout: "chw", said: Some("first"), before: None },
    Reader { name: "dense over hwc", shape: &[2, 3, 3], layout: "hwc", said: Some("last"), before: None },
    Reader { name: "dense over one axis", shape: &[18], layout: "hwc", said: Some("last,3"), before: None },
];

/// `(sign · (s − center) + 0.001, 0)`, where `s` is what [`expected`] says if everything is read in its place.
fn network(reader: &Reader, sign: f32, center: f64) -> Vec<u8> {
    let mut w = OnnxWriter::input(reader.shape);
    let bias = [(-f64::from(sign) * center + 0.001) as f32, 0.0];
    if let Some(before) = reader.before {
        before(&mut w);
        let kernel = Array4::from_shape_fn((2, CHANNELS, SIDES[0], SIDES[1]), |(o, c, r, s)| {
            if o == 0 { sign * weight(c, r * SIDES[1] + s) } else { 0.0 }
        });
        w.conv(kernel.view(), &bias, [1, 1], [0; 4]).flatten();
    } else {
        let place = |i: usize| if reader.layout == "chw" { (i / AREA, i % AREA) } else { (i % CHANNELS, i / CHANNELS) };
        let dense = Array2::from_shape_fn((2, CHANNELS * AREA), |(o, i)| {
            let (c, p) = place(i);
            if o == 0 { sign * weight(c, p) } else { 0.0 }
        });
        w.flatten().gemm(dense.view(), &bias);
    }
    w.finish(&[2])
}

/// The exit status and the complaint of `analyze net.onnx --data i.csv --eps 0` with more arguments.
fn run(folder: &Path, network: &[u8], image: &str, arguments: &[&str]) -> (i32, String) {
    std::fs::write(folder.join("net.onnx"), network).unwrap();
    std::fs::write(folder.join("i.csv"), image).unwrap();
    let mut command = Command::cargo_bin("absint").unwrap();
    command.current_dir(folder).args(["-q", "analyze", "net.onnx", "--data", "i.csv", "--eps", "0"]).args(arguments);
    let output = command.output().unwrap();
    (output.status.code().unwrap(), String::from_utf8(output.stderr).unwrap())
}

#[test]
fn every_order_of_the_file_fits_every_order_of_the_network() {
    let folder = tempfile::tempdir().unwrap();
    let list = |values: &[f64]| values.iter().map(ToString::to_string).collect::<Vec<_>>().join(",");
    for reader in &READERS {
        for file in ["chw", "hwc", "network"] {
            for sign in [1.0, -1.0] {
                let mut arguments = vec!["--layout", file];
                let (mean, std) = (list(&MEAN), list(&STD));
                arguments.extend(["--mean", &mean, "--std", &std]);
                arguments.extend(reader.said.iter().flat_map(|said| ["--channels", said]));
                let pixels = image(if file == "network" { reader.layout } else { file });
                let (status, error) = run(folder.path(), &network(reader, sign, expected()), &pixels, &arguments);
                assert_eq!(status, 0, "{}, file {file}, sign {sign}: {error}", reader.name);
            }
        }
    }
}

#[test]
fn what_cannot_be_told_is_refused_and_says_how_to_say_it() {
    let folder = tempfile::tempdir().unwrap();
    let three = ["--mean", "0,0,0", "--std", "1,1,1"];
    for reader in &READERS {
        let net = network(reader, 1.0, 0.0);
        let refused = |arguments: &[&str], words: &str| {
            let said = reader.said.iter().flat_map(|said| ["--channels", said]);
            let all: Vec<&str> = arguments.iter().copied().chain(said).collect();
            let (status, error) = run(folder.path(), &net, &image("chw"), &all);
            assert!(status == 2 && error.contains(words), "{} {arguments:?}: {status} {error}", reader.name);
        };
        refused(&["--mean", "0.49,0.1", "--std", "0.2,0.9"], "--mean has 2 values");
        refused(&["--mean", "0.5", "--std", "0.2,0.9"], "--std has 2 values");
        refused(&["--mean", "0.5", "--std", "0"], "positive");
        refused(&["--mean", "0,0,0", "--std", "1,-1,1"], "positive");
        for arguments in [&three[..], &["--layout", "hwc"], &["--layout", "chw"]] {
            if reader.said.is_some() {
                let (status, error) = run(folder.path(), &net, &image("chw"), arguments);
                assert!(status == 2 && error.contains("--channels"), "{} {arguments:?}: {error}", reader.name);
            }
        }
    }
    let (conv, flat) = (network(&READERS[0], 1.0, 0.0), network(&READERS[7], 1.0, 0.0));
    for (net, channels) in [(&conv, "last"), (&conv, "first,2"), (&flat, "first"), (&flat, "first,4")] {
        let (status, error) = run(folder.path(), net, &image("chw"), &["--channels", channels]);
        assert!(status == 2 && error.contains("--channels"), "{channels}: {error}");
    }
    // One value is that of every channel.
    let (status, error) = run(folder.path(), &flat, &image("chw"), &["--mean", "0.5", "--std", "0.5,0.5,0.5"]);
    assert!(status == 2 && error.contains("--channels"), "{error}");
    assert_ne!(run(folder.path(), &flat, &image("chw"), &["--mean", "0.5", "--std", "0.5"]).0, 2);
}

#[test]
fn a_network_tells_its_channels() {
    for reader in &READERS {
        let channels = parse(&network(reader, 1.0, 0.0), reader.name).unwrap().channels;
        let told = channels.map(|c| (c.count, format!("{:?}", c.layout).to_lowercase()));
        let expected = reader.said.is_none().then(|| (CHANNELS, reader.layout.to_owned()));
        assert_eq!(told, expected, "{}", reader.name);
    }
}
