//! Lemmas that hold, and those that do not.

use super::*;

fn q(p: i32, q: u8) -> RBig {
    RBig::from_parts(p.into(), q.into())
}

/// One input in [0, 1]: `x1` says x ≥ 3/4, `x2` says −x ≥ −1/2, `h0` is x > 1/2.
fn inputs() -> RealInputs {
    let half_space = |a, bound, is_strict| HalfSpace { terms: vec![(0, a)], bound, is_strict };
    RealInputs {
        lower: vec![q(0, 1)],
        upper: vec![q(1, 1)],
        always: vec![half_space(q(1, 1), q(1, 2), true)],
        sides: vec![(1, half_space(q(1, 1), q(3, 4), false)), (2, half_space(q(-1, 1), q(-1, 2), false))],
    }
}

#[test]
fn a_lemma_holds_only_with_positive_multipliers_that_add_up_to_a_contradiction() {
    let check = |comment: &str, clause: &str| Lemma::parse(&[comment, clause]).and_then(|l| inputs().check(&l));
    assert_eq!(check("* lemma x1 1 x2 1", "+1 ~x1 +1 ~x2 >= 1 ;"), Ok(()));
    // x > 1/2 and x ≤ 1/2: only strictness contradicts.
    assert_eq!(check("* lemma x2 3/2 h0 3/2", "+1 ~x2 >= 1 ;"), Ok(()));
    assert_eq!(check("* lemma x2 1", "+1 ~x2 >= 1 ;"), Err(NO_CONTRADICTION));
    assert_eq!(check("* lemma x1 1 x2 2", "+1 ~x1 +1 ~x2 >= 1 ;"), Err(NO_CONTRADICTION));
    assert_eq!(check("* lemma ~x1 1 x2 1", "+1 x1 +1 ~x2 >= 1 ;"), Err(NO_CONTRADICTION));
    assert_eq!(check("* lemma x1 1 x2 -1", "+1 ~x1 +1 ~x2 >= 1 ;"), Err(MULTIPLIER));
    assert_eq!(check("* lemma x1 0 x2 1", "+1 ~x1 +1 ~x2 >= 1 ;"), Err(MULTIPLIER));
    assert_eq!(check("* lemma x3 1", "+1 ~x3 >= 1 ;"), Err(UNKNOWN));
    assert_eq!(check("* lemma x1 1 h1 1", "+1 ~x1 >= 1 ;"), Err(UNKNOWN));
}

/// A lemma with fractions that have nothing in common is refused before their sum takes long.
#[test]
fn long_sums_are_refused() {
    let by = |k: usize| number(&format!("1/1{}{}", "0".repeat(8000), 2 * k + 1)).unwrap();
    let sides = (0..300).map(|k| ((1, k % 2 == 0), by(k))).collect();
    assert_eq!(inputs().check(&Lemma { sides, always: Vec::new() }), Err(TOO_LONG));
}

#[test]
fn only_the_two_lines_of_a_lemma_are_read() {
    for (comment, clause) in [
        ("* lemma x1 1 x2 1", "+1 ~x1 >= 1 ;"),
        ("* lemma x1 1 x2 1", "+1 ~x1 +1 ~x2 >= 0 ;"),
        ("* lemma x1 1/0 x2 1", "+1 ~x1 +1 ~x2 >= 1 ;"),
        ("* lemma x1 1/-2 x2 1", "+1 ~x1 +1 ~x2 >= 1 ;"),
        ("* lemma x1 1/2/2 x2 1", "+1 ~x1 +1 ~x2 >= 1 ;"),
        ("* lemma x1 / x2 1", "+1 ~x1 +1 ~x2 >= 1 ;"),
        ("* lemma x1 1_0 x2 1", "+1 ~x1 +1 ~x2 >= 1 ;"),
        ("* lemma x1 1 x2", "+1 ~x1 +1 ~x2 >= 1 ;"),
        ("* lemma x1 1 y2 1", "+1 ~x1 +1 ~y2 >= 1 ;"),
        ("* a lemma", "+1 ~x1 >= 1 ;"),
    ] {
        assert_eq!(Lemma::parse(&[comment, clause]), Err(MALFORMED), "{comment}");
    }
    assert_eq!(Lemma::parse(&["* lemma x1 1"]), Err(MALFORMED));
    let lemma = Lemma { sides: vec![((1, false), q(3, 4)), ((2, true), q(7, 1))], always: vec![(0, q(1, 2))] };
    let text = lemma.to_string();
    assert_eq!(Lemma::parse(&text.lines().collect::<Vec<_>>()), Ok(lemma));
}
