//! From values to pixels: linear, logarithmic and signed logarithmic scales with round ticks.

/// How values are spread along an axis.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Kind {
    Linear,
    /// log₁₀ x, for x > 0.
    Log,
    /// sign(x) log₁₀(1 + |x| / c): linear around zero, logarithmic far from it.
    Signed(f64),
}

/// An axis: which values it shows, and between which pixels.
#[derive(Clone, Debug, PartialEq)]
pub struct Axis {
    kind: Kind,
    low: f64,
    high: f64,
    from: f64,
    to: f64,
}

impl Axis {
    /// A linear axis over the finite `values` (with some room) and `with`, between the pixels `from` and
    /// `to`.
    pub fn linear(values: &[f64], with: &[f64], from: f64, to: f64) -> Self {
        Self::fitted(Kind::Linear, values.iter().chain(with), with, from, to)
    }

    /// A logarithmic axis over the positive finite `values`.
    pub fn log(values: &[f64], from: f64, to: f64) -> Self {
        Self::fitted(Kind::Log, values.iter().filter(|x| **x > 0.0), &[], from, to)
    }

    /// A linear axis where the values are of one size, else one that is logarithmic on both sides of
    /// zero.
    pub fn signed(values: &[f64], from: f64, to: f64) -> Self {
        let mut sizes: Vec<f64> = values.iter().map(|x| x.abs()).filter(|x| x.is_finite() && *x > 0.0).collect();
        sizes.sort_by(f64::total_cmp);
        let largest = sizes.last().copied().unwrap_or(0.0);
        let typical = sizes.get(sizes.len() / 4).copied().unwrap_or(0.0);
        if largest <= 30.0 * typical {
            return Self::linear(values, &[0.0], from, to);
        }
        // At most nine decades on either side: what is smaller is as good as zero beside the largest.
        let unit = 10f64.powf((typical * 0.5).max(largest * 1e-9).log10().floor());
        Self::fitted(Kind::Signed(unit), values.iter().chain(&[0.0]), &[], from, to)
    }

    fn fitted<'a>(kind: Kind, values: impl Iterator<Item = &'a f64>, firm: &[f64], from: f64, to: f64) -> Self {
        let spread = |x: &f64| forward(kind, *x);
        let placed: Vec<f64> = values.filter(|x| x.is_finite()).map(spread).collect();
        let (low, high) = placed.iter().fold((f64::INFINITY, f64::NEG_INFINITY), |(l, h), &x| (l.min(x), h.max(x)));
        let (low, high) = if low > high { (0.0, 1.0) } else { (low, high) };
        let room = if high > low {
            0.05 * (high - low)
        } else {
            0.5 * high.abs().max(if kind == Kind::Log { 1.0 } else { 1e-3 })
        };
        // A value that was asked for stands at the end of the axis where it is the outermost.
        let is_firm = |end: f64| firm.iter().any(|x| spread(x) == end);
        Self {
            kind,
            low: if is_firm(low) && high > low { low } else { low - room },
            high: if is_firm(high) && high > low { high } else { high + room },
            from,
            to,
        }
    }

    /// True for the signed logarithmic scale.
    pub fn is_signed_log(&self) -> bool {
        matches!(self.kind, Kind::Signed(_))
    }

    /// The pixel of a value; `None` when it has none.
    pub fn at(&self, x: f64) -> Option<f64> {
        let placed = forward(self.kind, x);
        let share = (placed - self.low) / (self.high - self.low);
        share.is_finite().then_some(self.from + share * (self.to - self.from))
    }

    /// Round values on the axis with their labels, not too close to each other.
    pub fn ticks(&self) -> Vec<(f64, String)> {
        let values = match self.kind {
            Kind::Linear => self.linear_ticks(),
            Kind::Log => self.log_ticks(),
            Kind::Signed(unit) => self.signed_ticks(unit),
        };
        values.into_iter().filter_map(|x| Some((self.at(x)?, number(x)))).collect()
    }

    fn linear_ticks(&self) -> Vec<f64> {
        let wanted = ((self.to - self.from).abs() / 50.0).clamp(2.0, 10.0);
        let raw = (self.high - self.low) / wanted;
        let power = 10f64.powf(raw.log10().floor());
        let step = [1.0, 2.0, 2.5, 5.0, 10.0].map(|m| m * power).into_iter().find(|s| *s >= raw * 0.999);
        let step = step.unwrap_or(raw);
        let (first, last) = ((self.low / step - 1e-9).ceil(), (self.high / step + 1e-9).floor());
        // Past 2⁵³ steps from zero there are no round values left to tell apart.
        if !(first.abs() < 1e15 && last - first < 100.0) {
            return vec![self.low, self.high];
        }
        (first as i64..=last as i64).map(|i| i as f64 * step).collect()
    }

    fn log_ticks(&self) -> Vec<f64> {
        let decades = self.high - self.low;
        let (first, last) = (self.low.floor() as i32, self.high.ceil() as i32);
        let stride = ((f64::from(last - first) * 45.0 / (self.to - self.from).abs()).ceil() as i32).max(1);
        let multiples: &[f64] = match decades {
            d if d < 0.7 => &[1.0, 1.5, 2.0, 3.0, 4.0, 5.0, 6.0, 8.0],
            d if d < 2.2 => &[1.0, 2.0, 5.0],
            _ => &[1.0],
        };
        let every = (first..=last).filter(|e| e.rem_euclid(stride) == 0);
        let values = every.flat_map(|e| multiples.iter().map(move |m| m * 10f64.powi(e)));
        values.filter(|x| (self.low..=self.high).contains(&x.log10())).collect()
    }

    fn signed_ticks(&self, unit: f64) -> Vec<f64> {
        let largest = self.low.abs().max(self.high.abs());
        let count = largest.ceil() as i32;
        let pixels = (self.to - self.from).abs() / (self.high - self.low);
        let stride = ((34.0 / pixels).ceil() as i32).max(1);
        let side = (1..=count).filter(|e| e % stride == 0).map(|e| unit * 10f64.powi(e));
        let both = side.flat_map(|x| [x, -x]).chain([0.0]);
        let mut values: Vec<f64> = both.filter(|&x| (self.low..=self.high).contains(&forward(self.kind, x))).collect();
        values.sort_by(f64::total_cmp);
        values
    }
}

fn forward(kind: Kind, x: f64) -> f64 {
    match kind {
        Kind::Linear => x,
        Kind::Log => x.log10(),
        Kind::Signed(unit) => x.signum() * (1.0 + x.abs() / unit).log10(),
    }
}

/// A number of few digits: `0.05`, `−12.5`, `3.1e−7`.
#[must_use]
pub fn number(x: f64) -> String {
    if x == 0.0 || !x.is_finite() {
        return if x == 0.0 { "0".into() } else { "–".into() };
    }
    let text = if (1e-3..1e5).contains(&x.abs()) {
        let digits = (3 - x.abs().log10().floor() as i32 - 1).clamp(0, 6) as usize;
        let fixed = format!("{x:.digits$}");
        if fixed.contains('.') { fixed.trim_end_matches('0').trim_end_matches('.').to_owned() } else { fixed }
    } else {
        format!("{x:.2e}").replace(".00e", "e").replace("0e", "e").replace(".e", "e")
    };
    text.replace('-', "−")
}

/// A time in its fitting unit: `2.5 µs`, `13 ms`, `4.2 s`.
#[must_use]
pub fn duration(seconds: f64) -> String {
    match seconds {
        s if s >= 1.0 || s.is_nan() => format!("{} s", number(s)),
        s if s >= 1e-3 => format!("{} ms", number(s * 1e3)),
        s => format!("{} µs", number(s * 1e6)),
    }
}

/// A volume from its log₁₀, as a factor and a power of ten: `(4.53, 14)`.
#[must_use]
pub fn volume(log10: f64) -> (String, String) {
    let power = log10.floor();
    (format!("{:.2}", 10f64.powf(log10 - power)), format!("{power}").replace('-', "−"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn numbers_are_short() {
        let texts = [0.05, -12.5, 100.0, 1000.0, 3.14e-7, 1e-5, 2e10, 0.0, f64::NAN].map(number);
        assert_eq!(texts, ["0.05", "−12.5", "100", "1000", "3.14e−7", "1e−5", "2e10", "0", "–"]);
    }

    #[test]
    fn times_and_volumes_have_fitting_units() {
        assert_eq!([2.5e-6, 0.013, 4.2, 0.0].map(duration), ["2.5 µs", "13 ms", "4.2 s", "0 µs"]);
        assert_eq!(volume(4.5272e14f64.log10()), ("4.53".into(), "14".into()));
        assert_eq!(volume(-1.5), ("3.16".into(), "−2".into()));
    }

    #[test]
    fn a_linear_axis_has_round_ticks_inside() {
        let axis = Axis::linear(&[0.3, 97.0], &[0.0], 0.0, 500.0);
        let labels: Vec<String> = axis.ticks().into_iter().map(|(_, label)| label).collect();
        assert_eq!(labels, ["0", "20", "40", "60", "80", "100"]);
        assert_eq!(axis.at(0.0), Some(0.0));
        let log = Axis::log(&[1e-5, 10.0, 0.0, -1.0], 0.0, 400.0);
        assert!(log.ticks().len() >= 4 && log.at(0.0).is_none());
    }

    proptest! {
        #[test]
        fn every_finite_value_and_tick_lies_on_its_axis(
            values in proptest::collection::vec(
                prop_oneof![-1e3..1e3f64, any::<f64>(), Just(0.0), -1e-9..1e-9f64], 0..12)
        ) {
            // Axes of numbers beyond what a plot could show need not be good, only finite.
            let values: Vec<f64> = values.into_iter().filter(|x| x.is_nan() || x.abs() <= 1e150 || x.is_infinite()).collect();
            for axis in [
                Axis::linear(&values, &[0.0], 400.0, 10.0),
                Axis::log(&values, 10.0, 400.0),
                Axis::signed(&values, 400.0, 10.0),
            ] {
                for x in values.iter().filter(|x| x.is_finite() && (axis.kind != Kind::Log || **x > 0.0)) {
                    let place = axis.at(*x);
                    prop_assert!(place.is_some_and(|p| (9.0..=401.0).contains(&p)), "{x} at {place:?} of {axis:?}");
                }
                let ticks = axis.ticks();
                prop_assert!(ticks.len() < 120);
                for (place, label) in ticks {
                    prop_assert!((9.0..=401.0).contains(&place) && !label.is_empty(), "{label} {place} {axis:?}");
                }
            }
        }
    }
}
