//! How numbers are written.

use super::*;

#[test]
fn numbers_are_whole_fractions_or_scaled_by_powers_of_two() {
    let exactly = |word: &str| number(word).map(|q| q.to_string());
    assert_eq!(exactly("-3"), Some("-3".into()));
    assert_eq!(exactly("6/-4"), None);
    assert_eq!(exactly("-6/4"), Some("-3/2".into()));
    assert_eq!(exactly("3b-2"), Some("3/4".into()));
    assert_eq!(exactly("-5b3"), Some("-40".into()));
    assert_eq!((float("3b-2"), float("-7"), float("1/2")), (Some(0.75), Some(-7.0), None));
    for wrong in ["", "-", "1/0", "1/2/3", "1b", "1b5000", "+1", "1.5", "0x1", "nan", "1b2b3"] {
        assert_eq!(exactly(wrong), None, "{wrong}");
    }
    assert_eq!(number(&"9".repeat(20_000)), None);
}
