//! Points of a region as people read them: decimals that lie in it themselves.

use super::Region;
use crate::num::{Rational, nearest, parse_decimal};
use dashu_int::{IBig, UBig};

/// Digits after the point that are tried where those of the nearest floats lie outside; the last have room for every
/// float.
const PLACES: [usize; 7] = [20, 40, 80, 160, 320, 640, 1280];

impl Region {
    /// A point of the region as decimals without exponents: the shortest of the nearest floats where the region holds
    /// them, else with more digits. Those of the nearest floats where no decimals are found, as for 1/3 alone.
    #[must_use]
    pub fn decimals(&self, x: &[Rational]) -> Vec<String> {
        let (lower, upper) = self.exact_box();
        let center = self.center();
        let floats = || x.iter().map(|x| nearest(x).to_string());
        // Each as short as the box allows, then all alike as long as the region asks.
        let boxed = x.iter().zip(floats()).enumerate().map(|(i, (x, short))| {
            let fits = |text: &String| parse_decimal(text).is_ok_and(|d| lower[i] <= d && d <= upper[i]);
            let longer = || PLACES.iter().map(|&places| towards(x, &center[i], places)).find(fits);
            Some(short).filter(fits).or_else(longer)
        });
        let all_alike =
            PLACES.iter().map(|&places| x.iter().zip(&center).map(|(x, c)| towards(x, c, places)).collect());
        std::iter::once(boxed.collect::<Option<Vec<_>>>())
            .flatten()
            .chain(all_alike)
            .find(|decimals| self.holds(decimals))
            .unwrap_or_else(|| floats().collect())
    }

    fn holds(&self, decimals: &[String]) -> bool {
        let point: Result<Vec<Rational>, _> = decimals.iter().map(|d| parse_decimal(d)).collect();
        point.is_ok_and(|point| self.contains(&point))
    }
}

/// `x` rounded to so many digits after the point, in the direction of `center`.
fn towards(x: &Rational, center: &Rational, places: usize) -> String {
    let scaled = x * Rational::from(IBig::from(UBig::from(10u8).pow(places)));
    let whole = if x > center { scaled.floor() } else { scaled.ceil() };
    let (sign, digits) = if whole < IBig::ZERO { ("-", (-whole).to_string()) } else { ("", whole.to_string()) };
    let digits = format!("{digits:0>width$}", width = places + 1);
    let (whole, fraction) = digits.split_at(digits.len() - places);
    match fraction.trim_end_matches('0') {
        "" => format!("{sign}{whole}"),
        fraction => format!("{sign}{whole}.{fraction}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rational(text: &str) -> Rational {
        parse_decimal(text).unwrap()
    }

    #[test]
    fn decimals_lie_in_the_region_and_are_as_short_as_that_allows() {
        let of = |l: &str, u: &str, x: &str| {
            Region::new_box(vec![rational(l)], vec![rational(u)]).unwrap().decimals(&[rational(x)]).remove(0)
        };
        let narrow = of("0.10000000000000000000001", "0.10000000000000000000002", "0.10000000000000000000002");
        assert_eq!(narrow, "0.10000000000000000000002");
        assert_eq!(of("-1", "1", "-0.1"), "-0.1");
        assert_eq!(of("-1e-25", "-1e-26", "-1e-25"), "-0.0000000000000000000000001");
        assert_eq!(of("0.33333333333333333333333333333", "1/3", "1/3"), "0.3333333333333333333333333333333333333333");
        assert_eq!(of("3", "3", "3"), "3");
        // No decimal is a third.
        assert_eq!(of("1/3", "1/3", "1/3"), nearest(&rational("1/3")).to_string());
        let ball = Region::l2(&[rational("0"), rational("0")], &rational("1/3"), None).unwrap();
        let decimals = ball.decimals(&[rational("1/5"), rational("-4/15")]);
        assert!(ball.holds(&decimals), "{decimals:?}");
    }
}
