//! The answers: *verified* with what proved it, *falsified* with a replayed witness, or *unknown*.

use crate::network::{Arithmetic, EvaluateError, Network, Order};
use crate::num::{Interval, Rational, enclose, exact, nearest};
use crate::query::{Atom, Case, Disjunct};

/// The answer to a query.
#[derive(Clone, Debug, PartialEq)]
pub enum Verdict {
    /// Every disjunct of the unsafe set is refuted by a certified bound that is positive, or 0 where all its atoms are
    /// strict.
    Verified(Proof),
    /// A point of the region reaches the unsafe set.
    Falsified(Witness),
    /// Neither was shown.
    Unknown(Gap),
}

impl Verdict {
    /// The word for it: `verified`, `falsified` or `unknown`.
    #[must_use]
    pub fn name(&self) -> &'static str {
        match self {
            Self::Verified(_) => "verified",
            Self::Falsified(_) => "falsified",
            Self::Unknown(_) => "unknown",
        }
    }
}

/// What proved a query: for each disjunct the certified positive lower bound of the maximum of its
/// margins.
#[derive(Clone, Debug, PartialEq)]
pub struct Proof {
    /// One positive bound per disjunct.
    pub bounds: Vec<f64>,
}

/// Why a query is open.
#[derive(Clone, Debug, PartialEq)]
pub struct Gap {
    /// The disjuncts that are not refuted.
    pub open: Vec<usize>,
    /// True when the time was up.
    pub out_of_time: bool,
}

/// An input that was replayed: it lies exactly in the region and satisfies every atom of a disjunct.
///
/// It can only be made by [`Witness::replay`].
#[derive(Clone, Debug, PartialEq)]
pub struct Witness {
    input: Vec<Rational>,
    decimals: Vec<String>,
    output: Vec<Interval>,
    disjunct: usize,
    order: Option<Order>,
}

impl Witness {
    /// Replays `input` for a disjunct of `case`: exactly where the network's parameters are rational,
    /// by a rigorous enclosure where they are not. `None` when it does not show the violation.
    ///
    /// A network in float32 is given the nearest float32 input of the region, and every order of
    /// summation in turn ([`Order::ALL`]) until one reaches the unsafe set, however far functions of the runtime are off
    /// within what is [assumed](Network::assuming).
    ///
    /// `disjunct` indexes the case's property.
    #[must_use]
    pub fn replay(network: &Network, case: &Case, disjunct: usize, input: Vec<Rational>) -> Option<Self> {
        let unsafe_set = case.property.disjuncts.get(disjunct)?;
        let number = case.first + disjunct;
        if network.arithmetic() == Arithmetic::Float32 {
            return Self::replay_float32(network, case, unsafe_set, number, &input);
        }
        if !case.region.contains(&input) {
            return None;
        }
        let enclosed: Vec<Interval> = input.iter().map(enclose).collect();
        let output = network.evaluate::<Interval>(&enclosed).ok()?;
        if output.iter().all(|y| y.magnitude().is_finite()) {
            // The enclosure decides nearly always; exact arithmetic is for ties.
            match Self::decided_by_enclosure(unsafe_set, &enclosed, &output) {
                Some(true) => return Some(Self::shown(case, input, output, number, None)),
                Some(false) => return None,
                None => {}
            }
        }
        match network.evaluate::<Rational>(&input) {
            Ok(exact) => {
                let holds = unsafe_set.atoms.iter().all(|a| a.holds(&input, &exact));
                let output = exact.iter().map(enclose).collect();
                holds.then(|| Self::shown(case, input, output, number, None))
            }
            Err(EvaluateError::Length { .. } | EvaluateError::Irrational(_)) => None,
        }
    }

    fn replay_float32(
        network: &Network,
        case: &Case,
        unsafe_set: &Disjunct,
        number: usize,
        input: &[Rational],
    ) -> Option<Self> {
        let (lower, upper) = case.region.exact_box();
        let rounded = |(x, (l, u)): (&Rational, (&Rational, &Rational))| {
            let x = nearest(x) as f32;
            let inside = |x: &f32| exact(f64::from(*x)).is_some_and(|x| l <= &x && &x <= u);
            [x, x.next_up(), x.next_down()].into_iter().find(inside)
        };
        let x: Vec<f32> = input.iter().zip(lower.iter().zip(upper)).map(rounded).collect::<Option<_>>()?;
        let input = x.iter().map(|&x| exact(f64::from(x))).collect::<Option<Vec<Rational>>>()?;
        if !case.region.contains(&input) {
            return None;
        }
        Order::ALL.into_iter().find_map(|order| {
            // What overflows, or is no number, shows nothing.
            let y = network.outputs_float32(&x, order)?;
            let output: Vec<Interval> = y.iter().map(|[least, most]| enclose(least).join(enclose(most))).collect();
            let holds = if y.iter().all(|[least, most]| least == most) {
                let y: Vec<Rational> = y.into_iter().map(|[y, _]| y).collect();
                unsafe_set.atoms.iter().all(|a| a.holds(&input, &y))
            } else {
                // Whatever functions of the runtime do.
                let enclosed: Vec<Interval> = input.iter().map(enclose).collect();
                Self::decided_by_enclosure(unsafe_set, &enclosed, &output) == Some(true)
            };
            holds.then(|| Self::shown(case, input.clone(), output, number, Some(order)))
        })
    }

    fn shown(case: &Case, input: Vec<Rational>, output: Vec<Interval>, disjunct: usize, order: Option<Order>) -> Self {
        Self { decimals: case.region.decimals(&input), input, output, disjunct, order }
    }

    /// Whether all atoms hold, where the enclosures of their margins tell.
    fn decided_by_enclosure(disjunct: &Disjunct, input: &[Interval], output: &[Interval]) -> Option<bool> {
        let margin = |a: &Atom| (a.margin_enclosure(input, output), a.is_strict);
        let margins: Vec<(Interval, bool)> = disjunct.atoms.iter().map(margin).collect();
        if margins.iter().all(|&(m, is_strict)| m.hi < 0.0 || !is_strict && m.hi == 0.0) {
            Some(true)
        } else if margins.iter().any(|&(m, is_strict)| m.lo > 0.0 || is_strict && m.lo == 0.0) {
            Some(false)
        } else {
            None
        }
    }

    /// The input, exactly.
    #[must_use]
    pub fn input(&self) -> &[Rational] {
        &self.input
    }

    /// The input as decimals without exponents, with as many digits as it takes for them to lie in the region; where
    /// no decimals do, those of the nearest floats.
    #[must_use]
    pub fn decimals(&self) -> &[String] {
        &self.decimals
    }

    /// The output, enclosed.
    #[must_use]
    pub fn output(&self) -> &[Interval] {
        &self.output
    }

    /// The order of summation that shows it, for a network in float32.
    #[must_use]
    pub fn order(&self) -> Option<Order> {
        self.order
    }

    /// The disjunct that it satisfies, numbered through the query.
    #[must_use]
    pub fn disjunct(&self) -> usize {
        self.disjunct
    }
}
