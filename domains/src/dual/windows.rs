//! Neurons of a first layer bounded jointly over the inputs that they read.
//!
//! A group are neurons that read the same inputs `x_G`, such as the channels of a convolution at one place. For any slopes
//! `g_G` of the groups' inputs, over a box of inputs,
//! ```text
//! Σ_i a_i σ(z_i) + c·x ≥ Σ_G min over x of (Σ_{i∈G} a_i σ(z_i) − g_G·x_G) + min over x of (c·x + Σ_G g_G·x_G),
//! ```
//! with the best slopes the least value over the joint hulls of every group's outputs with its inputs: the k-neuron
//! relaxation (Singh et al. 2019) over the box itself in place of an octahedron around the pre-activations. In a group
//! `a_i σ(z_i)` with `a_i < 0` is the smaller of its two pieces, so that all choices of pieces are gone through; with
//! `a_i > 0` it is at least any line between them, and the best line for each choice gives the least value itself, since
//! the choice leaves a convex function.
//!
//! * requires: one activation node, of functions with one convex corner at zero, that reads the network's input through
//!   one affine node; bounds of its neurons;
//! * returns: certified lower bounds of forms over a box;
//! * sound, whatever slopes and lines the gradient steps end with.

use super::batch::Objective;
use super::relaxed::corner;
use super::steps::{Moments, Step};
use crate::budget::Budget;
use crate::domain::{Bounds, allowance};
use crate::network::{Activation, Affine, Arithmetic, Coefficients, Network, NodeId, NodeKind};
use crate::num::Interval;
use crate::num::round::{add_down, lower_or_nothing, mul_up, sub_down};
use crate::query::{Ball, Region};
use std::collections::BTreeMap;

/// Neurons of a group: its choices of pieces are up to two to this power.
const TOGETHER: usize = 4;

/// A layer of more products has no groups: each takes some bytes, and a group's multipliers a kilobyte.
const MOST_PRODUCTS: usize = 1 << 24;

/// Gradient steps, and between how many of them a bound that looks positive is proved.
const STEPS: usize = 300;
const BETWEEN: usize = 20;

/// Length of the first and of the last step, as shares of a group's largest coefficient and of a line's range.
const RATES: (f32, f32) = (0.05, 0.002);

/// Neurons that read the same inputs.
#[derive(Clone, Debug)]
struct Group {
    inputs: Vec<usize>,
    neurons: Vec<usize>,
}

/// The groups of a network's unstable neurons.
#[derive(Debug)]
pub struct Windows<'a> {
    network: &'a Network,
    bounds: &'a Bounds,
    range: &'a [Interval],
    activation: NodeId,
    source: NodeId,
    bias: &'a Coefficients,
    /// Slopes below and above zero.
    corner: (f64, f64),
    /// By neuron the inputs that it reads, in order, and their weights.
    rows: Vec<Vec<(usize, f64)>>,
    groups: Vec<Group>,
}

/// What is shown of a group: `Σ a_i σ(z_i) − Σ g_j x_j` is at least so much, for these coefficients of neurons and inputs.
#[derive(Clone, Debug)]
pub struct Together {
    /// `i` and `a_i`.
    pub neurons: Vec<(usize, f64)>,
    /// `j` and `g_j`.
    pub inputs: Vec<(usize, f64)>,
    /// The lower bound.
    pub least: f64,
    /// For each choice of pieces the slopes of the lines in use, by neuron: the pieces' own where the coefficient is below
    /// zero. Of these neurons the first changes its piece most often.
    pub lines: Vec<Vec<f64>>,
}

/// A form over the neurons and the inputs: `Σ a_i σ(z_i) + c·x + constant`, with a lower bound of the constant.
struct Form {
    a: Vec<f64>,
    c: Vec<Interval>,
    constant: f64,
}

/// A group as a form sees it.
struct Part<'a> {
    group: &'a Group,
    /// By neuron `a_i`, and in single precision `a_i w_i`, input by input, and `a_i b_i`.
    a: Vec<f64>,
    weights: Vec<f32>,
    bias: Vec<f32>,
    /// The largest of the weights: in what slopes are measured.
    scale: f32,
    /// Middle and half the width of each input's range.
    range: Vec<(f32, f32)>,
}

/// Slopes of a group's inputs, and by choice of pieces and neuron the share of the way from the left piece to the right:
/// what is chosen where `a_i < 0`, any where `a_i > 0`.
#[derive(Clone, Debug)]
struct Multipliers {
    slopes: Vec<f32>,
    shares: Vec<f32>,
}

fn affine(network: &Network, id: NodeId) -> Option<&Affine> {
    match &network.node(id).kind {
        NodeKind::Affine(affine) => Some(affine).filter(|affine| affine.terms.iter().all(|t| t.map.is_exact())),
        _ => None,
    }
}

impl<'a> Windows<'a> {
    /// The groups over a region; `None` where the network or the region is of another kind, or the layer too large.
    #[must_use]
    pub fn new(network: &'a Network, region: &'a Region, bounds: &'a Bounds) -> Option<Self> {
        let mut activations = network.activations();
        let (Some((activation, &Activation { source, ref function, .. })), None) =
            (activations.next(), activations.next())
        else {
            return None;
        };
        let is_plain = network.arithmetic() == Arithmetic::Real && network.products().next().is_none();
        let corner = function.pieces().and_then(corner)?;
        let z = bounds.get(source)?;
        let Affine { terms, bias, .. } = affine(network, source)?;
        let [term] = &terms[..] else { return None };
        if !is_plain || region.ball() != &Ball::Box || term.source != 0 || bounds.get(activation).is_none() {
            return None;
        }
        if z.len().saturating_mul(term.map.fan_in()) > MOST_PRODUCTS {
            return None;
        }
        let mut rows = vec![Vec::new(); z.len()];
        term.map.for_each_product(|i, input, w| rows[i].push((input, w)));
        let mut together: BTreeMap<Vec<usize>, Vec<usize>> = BTreeMap::new();
        for (i, row) in rows.iter_mut().enumerate() {
            row.sort_by_key(|&(input, _)| input);
            let range = z.get(i);
            if range.lo < 0.0 && range.hi > 0.0 {
                together.entry(row.iter().map(|&(input, _)| input).collect()).or_default().push(i);
            }
        }
        let of_inputs = |(inputs, neurons): (Vec<usize>, Vec<usize>)| {
            let group = move |neurons: &[usize]| Group { inputs: inputs.clone(), neurons: neurons.to_vec() };
            neurons.chunks(TOGETHER).map(group).collect::<Vec<_>>()
        };
        let groups = together.into_iter().flat_map(of_inputs).collect();
        let range = region.bounds();
        Some(Self { network, bounds, range, activation, source, bias, corner, rows, groups })
    }

    /// How many neurons are in groups of several.
    #[must_use]
    pub fn joined(&self) -> usize {
        self.groups.iter().map(|group| group.neurons.len()).filter(|&count| count > 1).sum()
    }

    /// The node that the activation reads, and the activation.
    #[must_use]
    pub fn nodes(&self) -> (NodeId, NodeId) {
        (self.source, self.activation)
    }

    /// The most neurons and inputs of a group.
    #[must_use]
    pub fn widest(&self) -> usize {
        self.groups.iter().map(|group| group.neurons.len() + group.inputs.len()).max().unwrap_or(0)
    }

    /// A certified lower bound of a form over the region, the best that gradient steps find in time; they end once it is
    /// above `goal`. Where it `is_written` down groups say less by what somebody else may lose, with multipliers of few digits.
    #[must_use]
    pub fn lower_bound(&self, form: &Objective, goal: f64, is_written: bool, budget: &Budget) -> (f64, Vec<Together>) {
        let Some(form) = self.pulled_back(form) else { return (f64::NEG_INFINITY, Vec::new()) };
        let parts: Vec<Part> = self.groups.iter().map(|group| self.part(group, &form)).collect();
        let mut found: Vec<Multipliers> = parts.iter().map(|part| self.first(part)).collect();
        let mut ascent = Ascent::new(self, &form, &parts);
        let mut best = (f64::NEG_INFINITY, found.clone());
        let mut proved = (f64::NEG_INFINITY, Vec::new());
        let mut prove = |found: &[Multipliers]| {
            let new = self.certified(&form, &parts, found, is_written);
            if new.0 > proved.0 {
                proved = new;
            }
            proved.0 > goal
        };
        for step in 0..STEPS {
            if budget.is_spent() {
                break;
            }
            ascent.step(&parts, &mut found, &mut best, step);
            if (step + 1) % BETWEEN == 0 && best.0 > goal && prove(&best.1) {
                return proved;
            }
        }
        prove(&best.1);
        proved
    }

    /// The form over neurons and inputs, with what is stable passed as the line that it is; `None` where it reads anything
    /// else.
    fn pulled_back(&self, form: &Objective) -> Option<Form> {
        let network = self.network;
        let zeros = |id: NodeId| vec![Interval::ZERO; network.node(id).len];
        let mut coefficients: BTreeMap<NodeId, Vec<Interval>> = BTreeMap::new();
        for (id, entries) in &form.terms {
            let of_node = coefficients.entry(*id).or_insert_with(|| zeros(*id));
            entries.iter().for_each(|&(i, c)| of_node[i] = of_node[i] + Interval::point(c));
        }
        let mut constant = form.constant;
        let mut a = vec![0.0; network.node(self.activation).len];
        while let Some((id, of_node)) = coefficients.pop_last() {
            if id == 0 {
                return Some(Form { a, c: of_node, constant });
            }
            if id == self.activation {
                let z = coefficients.entry(self.source).or_insert_with(|| zeros(self.source));
                for (i, of_neuron) in of_node.into_iter().enumerate() {
                    let range = self.bounds.get(self.source)?.get(i);
                    if range.lo < 0.0 && range.hi > 0.0 {
                        // One float stands for what is known of the coefficient.
                        a[i] = of_neuron.middle();
                        let away = (of_neuron - Interval::point(a[i])).magnitude();
                        constant = sub_down(constant, mul_up(away, self.bounds.get(id)?.get(i).magnitude()));
                    } else {
                        let slope = if range.lo >= 0.0 { self.corner.1 } else { self.corner.0 };
                        z[i] = z[i] + of_neuron.scale(slope);
                    }
                }
                continue;
            }
            let affine = affine(network, id)?;
            for (i, &of_neuron) in of_node.iter().enumerate() {
                constant = add_down(constant, (of_neuron * affine.bias.enclosure(i)).lo);
            }
            for term in &affine.terms {
                let of_source = coefficients.entry(term.source).or_insert_with(|| zeros(term.source));
                term.map.for_each_product(|i, j, w| of_source[j] = of_source[j] + of_node[i].scale(w));
            }
        }
        Some(Form { a, c: zeros(0), constant })
    }

    fn part<'b>(&self, group: &'b Group, form: &Form) -> Part<'b> {
        let bias = self.bias.values();
        let a: Vec<f64> = group.neurons.iter().map(|&i| form.a[i]).collect();
        let of_neuron = |(&i, &a): (&usize, &f64)| self.rows[i].iter().map(move |&(_, w)| (a * w) as f32);
        let weights: Vec<f32> = group.neurons.iter().zip(&a).flat_map(of_neuron).collect();
        Part {
            group,
            bias: group.neurons.iter().zip(&a).map(|(&i, a)| (a * bias[i]) as f32).collect(),
            scale: weights.iter().fold(0.0, |largest, w| w.abs().max(largest)),
            weights,
            a,
            range: group.inputs.iter().map(|&input| middle_and_half(self.range[input])).collect(),
        }
    }

    /// Lines that lose the least area.
    fn first(&self, part: &Part) -> Multipliers {
        let choices = part.choices();
        let (left, right) = (self.corner.0 as f32, self.corner.1 as f32);
        let mut slopes = vec![0.0; part.group.inputs.len()];
        let mut shares = vec![0.0; choices * part.a.len()];
        for (place, (&i, &a)) in part.group.neurons.iter().zip(&part.a).enumerate() {
            let range = self.bounds.get(self.source).map_or(Interval::ALL, |z| z.get(i));
            let chord = (range.hi / (range.hi - range.lo)) as f32;
            let area = f32::from(u8::from(range.hi > -range.lo));
            let share = if a < 0.0 { chord } else { area };
            let line = left + share * (right - left);
            slopes.iter_mut().zip(part.of_neuron(place)).for_each(|(sum, w)| *sum += line * w);
            let concave = part.a[..place].iter().filter(|a| **a < 0.0).count();
            for choice in 0..choices {
                let chosen = f32::from(u8::from(choice >> concave & 1 == 1));
                shares[choice * part.a.len() + place] = if a < 0.0 { chosen } else { area };
            }
        }
        Multipliers { slopes, shares }
    }

    /// The bound that multipliers give, every rounding counted, and what it rests on, if that is to be written.
    fn certified(&self, form: &Form, parts: &[Part], found: &[Multipliers], is_written: bool) -> (f64, Vec<Together>) {
        let mut at_input = form.c.clone();
        let mut sum = form.constant;
        let mut written = Vec::new();
        for (part, multipliers) in parts.iter().zip(found) {
            let together = match is_written {
                true => self.together(part, &multipliers.rounded(part.scale), true),
                false => self.together(part, multipliers, false),
            };
            for &(input, slope) in &together.inputs {
                at_input[input] = at_input[input] + Interval::point(slope);
            }
            sum = add_down(sum, together.least);
            if is_written {
                written.push(together);
            }
        }
        let of_inputs = at_input.iter().zip(self.range).map(|(&c, &range)| (c * range).lo);
        (of_inputs.fold(sum, add_down), written)
    }

    /// What multipliers show of a group, less what somebody else may lose where that `is_lowered`.
    fn together(&self, part: &Part, multipliers: &Multipliers, is_lowered: bool) -> Together {
        let inputs: Vec<(usize, f64)> = part
            .group
            .inputs
            .iter()
            .zip(&multipliers.slopes)
            .map(|(&input, &slope)| (input, f64::from(slope)))
            .collect();
        let line = |(&a, &share): (&f64, &f32)| self.line(a, share);
        let of_choice = |shares: &[f32]| part.a.iter().zip(shares).map(line).collect::<Vec<f64>>();
        let lines: Vec<Vec<f64>> = multipliers.shares.chunks_exact(part.a.len()).map(of_choice).collect();
        let neurons: Vec<(usize, f64)> = part.group.neurons.iter().copied().zip(part.a.iter().copied()).collect();
        let least = lines.iter().map(|lines| lower_or_nothing(self.least(&neurons, &inputs, lines)));
        let least = least.fold(f64::INFINITY, f64::min);
        let loss = if is_lowered { allowance(self.reach(&neurons, &inputs)) } else { 0.0 };
        Together { neurons, inputs, least: sub_down(least, loss), lines }
    }

    /// The slope of a neuron's line: exactly one of the pieces' where `a < 0`, or any between them.
    fn line(&self, a: f64, share: f32) -> f64 {
        let (left, right) = self.corner;
        match a < 0.0 {
            true if share > 0.5 => right,
            true => left,
            false => (left + (right - left) * f64::from(share)).clamp(left, right),
        }
    }

    /// How large what is summed up to a group's form is, at most.
    fn reach(&self, neurons: &[(usize, f64)], inputs: &[(usize, f64)]) -> f64 {
        let of_input = |&(input, c): &(usize, f64)| c.abs() * self.range[input].magnitude();
        let of_neuron = |&(i, a): &(usize, f64)| {
            let z = self.bias.enclosure(i).magnitude() + self.rows[i].iter().map(of_input).sum::<f64>();
            a.abs() * self.corner.0.abs().max(self.corner.1.abs()).max(1.0) * z
        };
        inputs.iter().map(of_input).sum::<f64>() + neurons.iter().map(of_neuron).sum::<f64>()
    }

    /// A lower bound of what one choice of a group's pieces leaves: the same float is the slope of all of a neuron's terms.
    fn least(&self, neurons: &[(usize, f64)], inputs: &[(usize, f64)], lines: &[f64]) -> f64 {
        let mut c: Vec<Interval> = inputs.iter().map(|&(_, slope)| -Interval::point(slope)).collect();
        let mut sum = 0.0;
        for (&(i, a), &line) in neurons.iter().zip(lines) {
            let a = Interval::point(a).scale(line);
            sum = add_down(sum, (a * self.bias.enclosure(i)).lo);
            c.iter_mut().zip(&self.rows[i]).for_each(|(c, &(_, w))| *c = *c + a.scale(w));
        }
        let of_inputs = c.iter().zip(inputs).map(|(&c, &(input, _))| (c * self.range[input]).lo);
        of_inputs.fold(sum, add_down)
    }
}

impl Multipliers {
    /// With few digits: slopes in 4096ths of a power of two below `scale`, shares in 256ths.
    fn rounded(&self, scale: f32) -> Self {
        let unit = scale.log2().floor().exp2() / 4096.0;
        let coarse = |value: &f32, unit: f32| if unit > 0.0 { (value / unit).round() * unit } else { *value };
        Self {
            slopes: self.slopes.iter().map(|slope| coarse(slope, unit)).collect(),
            shares: self.shares.iter().map(|share| coarse(share, 1.0 / 256.0)).collect(),
        }
    }
}

impl Part<'_> {
    /// How many choices of pieces there are.
    fn choices(&self) -> usize {
        1 << self.a.iter().filter(|a| **a < 0.0).count()
    }

    /// The weights of one of its neurons.
    fn of_neuron(&self, place: usize) -> &[f32] {
        let inputs = self.group.inputs.len();
        &self.weights[place * inputs..(place + 1) * inputs]
    }
}

/// Gradient steps for all groups at once.
struct Ascent {
    corner: (f32, f32),
    constant: f64,
    /// Coefficients of the inputs, and the middles and half widths of their ranges.
    c: Vec<f32>,
    range: Vec<(f32, f32)>,
    slopes: Vec<Moments>,
    shares: Vec<Moments>,
    spare: Vec<f32>,
}

fn middle_and_half(Interval { lo, hi }: Interval) -> (f32, f32) {
    ((lo / 2.0 + hi / 2.0) as f32, (hi / 2.0 - lo / 2.0) as f32)
}

fn zeros(len: usize) -> Moments {
    Moments { first: vec![0.0; len], second: vec![0.0; len] }
}

impl Ascent {
    fn new(windows: &Windows, form: &Form, parts: &[Part]) -> Self {
        Self {
            corner: (windows.corner.0 as f32, windows.corner.1 as f32),
            constant: form.constant,
            c: form.c.iter().map(|c| c.middle() as f32).collect(),
            range: windows.range.iter().copied().map(middle_and_half).collect(),
            slopes: parts.iter().map(|part| zeros(part.group.inputs.len())).collect(),
            shares: parts.iter().map(|part| zeros(part.choices() * part.a.len())).collect(),
            spare: Vec::new(),
        }
    }

    /// Keeps what was found so far where its value, nearly, is the best, and takes a step from there.
    fn step(&mut self, parts: &[Part], found: &mut [Multipliers], best: &mut (f64, Vec<Multipliers>), round: usize) {
        let way = round as f32 / STEPS as f32;
        let step = Step::new(RATES.0 * (RATES.1 / RATES.0).powf(way), round);
        let mut c = self.c.clone();
        for (part, multipliers) in parts.iter().zip(&*found) {
            part.group.inputs.iter().zip(&multipliers.slopes).for_each(|(&input, slope)| c[input] += slope);
        }
        let of_inputs = c.iter().zip(&self.range).map(|(c, (middle, half))| f64::from(c * middle - c.abs() * half));
        let mut value = self.constant + of_inputs.sum::<f64>();
        let mut leasts: Vec<(f32, usize)> = Vec::with_capacity(parts.len());
        parts.iter().zip(&*found).for_each(|(part, m)| leasts.push(self.least(part, m)));
        value += leasts.iter().map(|(least, _)| f64::from(*least)).sum::<f64>();
        if value > best.0 {
            *best = (value, found.to_vec());
        }
        let (left, right) = self.corner;
        for (g, (part, m)) in parts.iter().zip(found).enumerate() {
            let k = part.a.len();
            let shares = &mut m.shares[leasts[g].1 * k..][..k];
            let at = &mut self.spare;
            line_of(part, &m.slopes, shares, (left, right), at);
            let least_at = |place: usize| {
                let (middle, half) = part.range[place];
                middle - half * at[place].signum()
            };
            let Moments { first, second } = &mut self.shares[g];
            for place in (0..k).filter(|&place| part.a[place] >= 0.0) {
                let at_inputs = part.of_neuron(place).iter().enumerate().map(|(i, w)| w * least_at(i));
                let gradient = (right - left) * (part.bias[place] + at_inputs.sum::<f32>());
                let index = leasts[g].1 * k + place;
                let moved = step.of(gradient, &mut first[index], &mut second[index]);
                shares[place] = (shares[place] + moved).clamp(0.0, 1.0);
            }
            let Moments { first, second } = &mut self.slopes[g];
            for (place, &input) in part.group.inputs.iter().enumerate() {
                let (middle, half) = self.range[input];
                let gradient = middle - half * c[input].signum() - least_at(place);
                m.slopes[place] += part.scale * step.of(gradient, &mut first[place], &mut second[place]);
            }
        }
    }

    /// The least value of a group's choices, and which it is.
    fn least(&mut self, part: &Part, multipliers: &Multipliers) -> (f32, usize) {
        let ((left, right), at) = (self.corner, &mut self.spare);
        let of_choice = |(choice, shares): (usize, &[f32])| {
            line_of(part, &multipliers.slopes, shares, (left, right), at);
            let of_bias = shares.iter().zip(&part.bias).map(|(share, bias)| (left + (right - left) * share) * bias);
            let of_inputs = at.iter().zip(&part.range).map(|(c, (middle, half))| c * middle - c.abs() * half);
            (of_bias.sum::<f32>() + of_inputs.sum::<f32>(), choice)
        };
        let choices = multipliers.shares.chunks_exact(part.a.len()).enumerate().map(of_choice);
        choices.fold((f32::INFINITY, 0), |least, next| if next.0 < least.0 { next } else { least })
    }
}

/// The coefficients of a group's inputs under a choice of lines.
fn line_of(part: &Part, slopes: &[f32], shares: &[f32], (left, right): (f32, f32), c: &mut Vec<f32>) {
    c.clear();
    c.extend(slopes.iter().map(|slope| -slope));
    for (place, share) in shares.iter().enumerate() {
        let line = left + (right - left) * share;
        c.iter_mut().zip(part.of_neuron(place)).for_each(|(c, w)| *c += line * w);
    }
}
