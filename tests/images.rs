//! Image files: exact pixels, layouts, and that bad ones are refused with a place.

#![allow(clippy::unwrap_used, clippy::print_stderr)]

use absint::domains::num::{Rational, parse_decimal};
use absint::format::images::{self, ImageSet, Layout};
use proptest::prelude::*;
use std::path::PathBuf;

/// The folder with measured networks and queries, or a note that the test is skipped.
fn data() -> Option<PathBuf> {
    let folder = std::env::var_os("ABSINT_DATA").map(PathBuf::from);
    if folder.is_none() {
        eprintln!("skipped: ABSINT_DATA names no data folder");
    }
    folder
}

fn q(text: &str) -> Rational {
    parse_decimal(text).unwrap()
}

#[test]
fn images_are_read_from_csv() {
    let text = "\u{FEFF}label,px0,px1,px2\r\n7, 0,255 ,51\r\n\r\n0,1.0,2,3\r\n";
    let set = ImageSet::parse_csv(text.as_bytes(), "t").unwrap();
    assert_eq!((set.len(), set.pixels_per_image()), (2, 3));
    let image = set.get(0).unwrap();
    assert_eq!((image.label, &image.pixels[..]), (7, &[q("0"), q("1"), q("1/5")][..]));
    assert_eq!(set.bytes(1), Some((0, &[1, 2, 3][..])));
    assert_eq!(set.get(2), None);
    let cases = [
        ("1,2,3\n1,2\n", "t:2: 1 pixels where the first image has 2"),
        ("1,2,3\n\n1,2,256\n", "t:3: field 3 is `256`, expected an integer from 0 to 255"),
        ("1,2,0.5\n", "t:1: field 3 is `0.5`"),
        ("h\nx,2\n", "t:2: field 1 is `x`, expected a class number"),
        ("-1,2\n", "t:1: field 1 is `-1`"),
        ("1,\n", "t:1: field 2 is ``"),
        ("1\n", "t:1: a label without pixels"),
        ("99999999999,1\n", "t:1: field 1"),
        ("", "holds no images"),
        ("label,px\n", "holds no images"),
    ];
    for (text, start) in cases {
        let message = ImageSet::parse_csv(text.as_bytes(), "t").unwrap_err().to_string();
        assert!(message.contains(start), "{text:?}: {message}");
    }
    assert!(images::read("no/such.csv").unwrap_err().to_string().starts_with("no/such.csv: cannot be read"));
}

#[test]
fn layouts_are_permutations_of_each_other() {
    // Two channels, one row of three pixels.
    let hwc = ImageSet::new(vec![0, 1], vec![0, 10, 1, 11, 2, 12, 5, 15, 6, 16, 7, 17], 6).unwrap();
    let chw = hwc.clone().rearranged(Layout::Hwc, Layout::Chw, [2, 1, 3]).unwrap();
    assert_eq!(chw.bytes(0).unwrap().1, [0, 1, 2, 10, 11, 12]);
    assert_eq!(chw.bytes(1).unwrap().1, [5, 6, 7, 15, 16, 17]);
    assert_eq!(chw.clone().rearranged(Layout::Chw, Layout::Chw, [2, 1, 3]).unwrap(), chw);
    assert_eq!(chw.rearranged(Layout::Chw, Layout::Hwc, [2, 1, 3]).unwrap(), hwc);
    assert_eq!(hwc.rearranged(Layout::Hwc, Layout::Chw, [3, 1, 3]), None);
    assert!("CHW".parse::<Layout>().is_err() && "hwc".parse() == Ok(Layout::Hwc));
}

#[test]
fn hostile_idx_headers_are_refused() {
    let folder = tempfile::tempdir().unwrap();
    let write = |name: &str, bytes: &[u8]| {
        let path = folder.path().join(name);
        std::fs::write(&path, bytes).unwrap();
        path
    };
    let labels = write("labels", &[0, 0, 8, 1, 0, 0, 0, 2, 7, 3]);
    let good = write("good", &[0, 0, 8, 3, 0, 0, 0, 2, 0, 0, 0, 1, 0, 0, 0, 2, 1, 2, 3, 4]);
    let set = ImageSet::read_idx(&good, &labels).unwrap();
    assert_eq!((set.len(), set.bytes(1)), (2, Some((3, &[3, 4][..]))));
    let cases: [(&[u8], &str); 6] = [
        (
            &[0, 0, 8, 3, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 1],
            "promises 79228162458924105385300197375",
        ),
        (&[0, 0, 8, 255, 255, 255], "not an idx file"),
        (&[0, 0, 13, 1, 0, 0, 0, 0], "not an idx file of unsigned bytes"),
        (&[0, 0, 8, 3, 0, 0, 0, 2, 0, 0, 0, 1, 0, 0, 0, 2, 1, 2, 3], "the file has 3; is it cut off"),
        (&[0, 0, 8, 1, 0, 0, 0, 2, 1, 2], "has 1 dimensions where 2 or more"),
        (&[0, 0, 8, 2, 0, 0, 0, 1, 0, 0, 0, 1, 9], "holds 2 labels for 1 images"),
    ];
    for (bytes, part) in cases {
        let message = ImageSet::read_idx(write("bad", bytes), &labels).unwrap_err().to_string();
        assert!(message.contains(part) && message.starts_with(folder.path().to_str().unwrap()), "{message}");
    }
    let no_pixels = write("none", &[0, 0, 8, 2, 0, 0, 0, 2, 0, 0, 0, 0]);
    assert!(ImageSet::read_idx(no_pixels, &labels).unwrap_err().to_string().contains("holds no images"));
    assert!(images::read(good).unwrap_err().to_string().contains("name both"));
}

#[test]
fn the_mnist_images_agree_in_both_formats() {
    let Some(data) = data() else { return };
    let idx = images::read(data.join("images/t10k-images.idx3-ubyte")).unwrap();
    let csv = images::read(data.join("images/mnist_test_1000.csv")).unwrap();
    assert_eq!((idx.len(), csv.len(), idx.pixels_per_image()), (10_000, 1000, 784));
    assert!((0..1000).all(|i| idx.bytes(i) == csv.bytes(i)));
    let paths = std::fs::read_dir(data.join("images")).unwrap().map(|entry| entry.unwrap().path());
    for path in paths.filter(|p| p.extension().is_some_and(|e| e == "csv")) {
        let set = images::read(&path).unwrap_or_else(|e| panic!("{e}"));
        assert!(matches!(set.pixels_per_image(), 784 | 3072), "{}", path.display());
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2000))]

    #[test]
    fn mutated_images_never_panic(
        at in any::<prop::sample::Index>(),
        replacement in "[-0-9., \r\nx]{0,4}",
        bytes in prop::collection::vec(any::<u8>(), 0..40),
    ) {
        let mut text = "label,a,b\n1,2,3\n4,255,0\n".to_owned();
        let at = at.index(text.len());
        text.replace_range(at..at + 1, &replacement);
        if let Err(e) = ImageSet::parse_csv(text.as_bytes(), "t") {
            prop_assert!(e.to_string().starts_with("t:"));
        }
        let _ = ImageSet::parse_csv(&bytes, "t");
    }
}
