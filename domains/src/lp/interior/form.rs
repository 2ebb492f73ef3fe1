//! The program as the interior-point method wants it: variables in `[0, 1]` ordered by layer and
//! component, equality rows, and short inequality rows.

use super::super::backend::unit_scale;
use super::super::{LinearProgram, LpSolution, Status};

/// Longer inequality rows become equalities with a slack variable.
const LONGEST_INEQUALITY: usize = 24;
/// Inequality rows do not join more variables than this; those that would become equalities too.
const LARGEST_COMPONENT: usize = 64;
/// A row whose sides, scaled, differ by less is an equality.
const EQUALITY: f64 = 1e-9;
/// Rows that miss the range of their left side by more have no solution.
const CONTRADICTION: f64 = 1e-9;

/// Sparse rows, one after the other.
#[derive(Clone, Debug)]
pub(super) struct SparseRows {
    pub starts: Vec<usize>,
    pub columns: Vec<usize>,
    pub values: Vec<f64>,
}

impl SparseRows {
    pub fn new() -> Self {
        Self { starts: vec![0], columns: Vec::new(), values: Vec::new() }
    }

    pub fn push(&mut self, entries: impl IntoIterator<Item = (usize, f64)>) {
        for (column, value) in entries {
            self.columns.push(column);
            self.values.push(value);
        }
        self.starts.push(self.columns.len());
    }

    pub fn len(&self) -> usize {
        self.starts.len() - 1
    }

    pub fn row(&self, i: usize) -> impl Iterator<Item = (usize, f64)> + '_ {
        let range = self.starts[i]..self.starts[i + 1];
        self.columns[range.clone()].iter().copied().zip(self.values[range].iter().copied())
    }

    /// `out += A x`.
    pub fn add_product(&self, x: &[f64], out: &mut [f64]) {
        for (i, out) in out.iter_mut().enumerate() {
            *out += self.row(i).map(|(j, a)| a * x[j]).sum::<f64>();
        }
    }

    /// `out += factor · Aᵀ y`.
    pub fn add_transposed(&self, factor: f64, y: &[f64], out: &mut [f64]) {
        for (i, &y) in y.iter().enumerate() {
            if y != 0.0 {
                self.row(i).for_each(|(j, a)| out[j] += factor * y * a);
            }
        }
    }
}

/// A row of the form: `factor` times a row of the program.
#[derive(Clone, Copy, Debug)]
struct Origin {
    row: usize,
    factor: f64,
}

/// min `c·t`, `A t = b`, `low ≤ G t ≤ high`, `0 ≤ t ≤ upper`, where `x = l + width · t`.
pub(super) struct Form {
    /// `A`, with increasing columns.
    pub equalities: SparseRows,
    /// `b`.
    pub right: Vec<f64>,
    /// `G`: each row within one component.
    pub inequalities: SparseRows,
    pub low: Vec<f64>,
    pub high: Vec<f64>,
    /// 1, or ∞ for the slack of a one-sided row.
    pub upper: Vec<f64>,
    /// First variable of each component, and the end.
    pub components: Vec<usize>,
    /// First variable of each layer, and the end; a component lies in one layer.
    pub layers: Vec<usize>,
    equality_origins: Vec<Origin>,
    inequality_origins: Vec<Origin>,
    /// Variable of the form for each of the program's; `None` when it is fixed.
    variables: Vec<Option<usize>>,
    widths: Vec<f64>,
}

/// A row on the way into the form, over the program's free variables (then the slacks).
struct Draft {
    origin: Origin,
    entries: Vec<(usize, f64)>,
    low: f64,
    high: f64,
}

impl Form {
    /// `None` when a row contradicts the variables' bounds, or every variable is fixed.
    pub fn new(program: &LinearProgram) -> Option<Self> {
        let widths: Vec<f64> = program.lower().iter().zip(program.upper()).map(|(l, u)| u - l).collect();
        let is_free = |j: usize| widths[j].is_normal();
        let n = program.variables();
        let mut layers = layer_of_variables(program);
        let (mut equal, mut between) = (Vec::new(), Vec::new());
        for r in 0..program.rows() {
            let draft = draft(program, r, &widths);
            let (least, most) = range(&draft.entries);
            let scale = CONTRADICTION * (1.0 + least.abs().max(most.abs()));
            if draft.low > most + scale || draft.high < least - scale {
                return None;
            }
            if draft.entries.is_empty() || draft.low <= least && draft.high >= most {
                continue;
            }
            if draft.high - draft.low <= EQUALITY * draft.high.abs().max(1.0) {
                equal.push(draft);
            } else {
                let low = if draft.low <= least { f64::NEG_INFINITY } else { draft.low };
                let high = if draft.high >= most { f64::INFINITY } else { draft.high };
                between.push(Draft { low, high, ..draft });
            }
        }
        let mut components = Joined::new(n);
        let mut upper = vec![1.0; n];
        let mut short = Vec::new();
        for mut draft in between {
            let fits = draft.entries.len() <= LONGEST_INEQUALITY
                && components.size_of_union(draft.entries.iter().map(|e| e.0)) <= LARGEST_COMPONENT;
            if fits {
                components.join(draft.entries.iter().map(|e| e.0));
                short.push(draft);
                continue;
            }
            // a·t = side ± span · slack
            let (least, most) = range(&draft.entries);
            let (side, span, end) = match (draft.low.is_finite(), draft.high.is_finite()) {
                (true, true) => (draft.low, draft.high - draft.low, 1.0),
                (true, false) => (draft.low, most - draft.low, f64::INFINITY),
                _ => (draft.high, least - draft.high, f64::INFINITY),
            };
            layers.push(draft.entries.iter().map(|e| layers[e.0]).max().unwrap_or(0));
            draft.entries.push((components.push(), if span == 0.0 { -1.0 } else { -span }));
            upper.push(end);
            (draft.low, draft.high) = (side, side);
            equal.push(draft);
        }
        let mut uses = vec![0usize; upper.len()];
        equal.iter().flat_map(|draft| &draft.entries).for_each(|e| uses[e.0] += 1);
        let numbering = Numbering::new(&mut components, &layers, &uses, |j| j >= n || is_free(j));
        if numbering.order.is_empty() {
            return None;
        }
        let renumbered = |drafts: &[Draft]| {
            let mut rows = SparseRows::new();
            for draft in drafts {
                let mut entries: Vec<_> = draft.entries.iter().map(|&(j, a)| (numbering.place[j], a)).collect();
                entries.sort_by_key(|entry| entry.0);
                rows.push(entries);
            }
            rows
        };
        Some(Self {
            equalities: renumbered(&equal),
            right: equal.iter().map(|draft| f64::midpoint(draft.low, draft.high)).collect(),
            inequalities: renumbered(&short),
            low: short.iter().map(|draft| draft.low).collect(),
            high: short.iter().map(|draft| draft.high).collect(),
            upper: numbering.order.iter().map(|&j| upper[j]).collect(),
            equality_origins: equal.iter().map(|draft| draft.origin).collect(),
            inequality_origins: short.iter().map(|draft| draft.origin).collect(),
            variables: (0..n).map(|j| is_free(j).then(|| numbering.place[j])).collect(),
            widths,
            components: numbering.components,
            layers: numbering.layers,
        })
    }

    pub fn variables(&self) -> usize {
        self.upper.len()
    }

    /// The objective in the form's variables and of size one, the factor that made it so, and the
    /// constant that it leaves out (not scaled).
    pub fn objective(&self, program: &LinearProgram, objective: &[f64]) -> (Vec<f64>, f64, f64) {
        let mut scaled = vec![0.0; self.variables()];
        for ((&c, &width), place) in objective.iter().zip(&self.widths).zip(&self.variables) {
            if let Some(place) = *place {
                scaled[place] = c * width;
            }
        }
        let factor = unit_scale(&scaled);
        scaled.iter_mut().for_each(|c| *c *= factor);
        let constant = objective.iter().zip(program.lower()).map(|(c, l)| c * l).sum();
        (scaled, factor, constant)
    }

    /// The multipliers of the program's rows.
    pub fn multipliers(&self, program: &LinearProgram, y: &[f64], w: &[f64], factor: f64) -> Vec<f64> {
        let mut multipliers = vec![0.0; program.rows()];
        let origins = self.equality_origins.iter().chain(&self.inequality_origins);
        for (origin, &dual) in origins.zip(y.iter().chain(w)) {
            let value = dual * origin.factor / factor;
            multipliers[origin.row] = if value.is_finite() { value } else { 0.0 };
        }
        multipliers
    }

    /// The answer with the form's point `t` as one of the program.
    pub fn solution(&self, program: &LinearProgram, t: &[f64], multipliers: Vec<f64>, status: Status) -> LpSolution {
        let bounds = program.lower().iter().zip(program.upper());
        let primal = self
            .variables
            .iter()
            .zip(&self.widths)
            .zip(bounds)
            .map(|((place, width), (&l, &u))| place.map_or(l, |place| (l + width * t[place]).clamp(l, u)))
            .collect();
        LpSolution { multipliers, primal, status }
    }
}

fn layer_of_variables(program: &LinearProgram) -> Vec<usize> {
    let mut layers = Vec::with_capacity(program.variables());
    let mut layer = 0;
    for j in 0..program.variables() {
        while program.layers().get(layer).is_some_and(|&start| start <= j) {
            layer += 1;
        }
        layers.push(layer);
    }
    layers
}

/// Row `r` over the unit box, of size one.
fn draft(program: &LinearProgram, r: usize, widths: &[f64]) -> Draft {
    let row = program.row(r);
    let mut entries = Vec::with_capacity(row.columns.len() + 1);
    let mut offset = 0.0;
    for (&j, &a) in row.columns.iter().zip(row.values) {
        offset += a * program.lower()[j];
        let scaled = a * widths[j];
        if widths[j].is_normal() && scaled != 0.0 {
            entries.push((j, scaled));
        }
    }
    let size = entries.iter().fold(0.0f64, |m, e| m.max(e.1.abs()));
    let factor = if size.is_normal() { unit_scale(&[size]) } else { 1.0 };
    entries.iter_mut().for_each(|entry| entry.1 *= factor);
    let (low, high) = ((row.lower - offset) * factor, (row.upper - offset) * factor);
    Draft { origin: Origin { row: r, factor }, entries, low, high }
}

/// Least and largest value of a left side over the unit box.
fn range(entries: &[(usize, f64)]) -> (f64, f64) {
    entries.iter().fold((0.0, 0.0), |(least, most), &(_, a)| (least + a.min(0.0), most + a.max(0.0)))
}

/// Sets of variables that inequality rows join (union–find).
struct Joined {
    parents: Vec<usize>,
    sizes: Vec<usize>,
}

impl Joined {
    fn new(n: usize) -> Self {
        Self { parents: (0..n).collect(), sizes: vec![1; n] }
    }

    fn push(&mut self) -> usize {
        self.parents.push(self.parents.len());
        self.sizes.push(1);
        self.parents.len() - 1
    }

    fn root(&mut self, mut j: usize) -> usize {
        while self.parents[j] != j {
            self.parents[j] = self.parents[self.parents[j]];
            j = self.parents[j];
        }
        j
    }

    fn size_of_union(&mut self, members: impl Iterator<Item = usize>) -> usize {
        let mut roots: Vec<usize> = members.map(|j| self.root(j)).collect();
        roots.sort_unstable();
        roots.dedup();
        roots.iter().map(|&root| self.sizes[root]).sum()
    }

    fn join(&mut self, members: impl Iterator<Item = usize>) {
        let mut first = None;
        for j in members {
            let root = self.root(j);
            match first {
                None => first = Some(root),
                Some(kept) if kept != root => {
                    self.parents[root] = kept;
                    self.sizes[kept] += self.sizes[root];
                }
                Some(_) => {}
            }
        }
    }
}

/// The order of the form's variables: by layer, then by component; within a component, those of few
/// equality rows first, so that rows over the others alone stay clear of them in a factorisation.
struct Numbering {
    order: Vec<usize>,
    place: Vec<usize>,
    components: Vec<usize>,
    layers: Vec<usize>,
}

impl Numbering {
    fn new(joined: &mut Joined, layers: &[usize], uses: &[usize], is_free: impl Fn(usize) -> bool) -> Self {
        let n = layers.len();
        let free: Vec<usize> = (0..n).filter(|&j| is_free(j)).collect();
        // Per root: the layer of the component and its first variable.
        let mut of_root = vec![(0, usize::MAX); n];
        for &j in &free {
            let root = joined.root(j);
            of_root[root] = (layers[j].max(of_root[root].0), of_root[root].1.min(j));
        }
        let mut keyed: Vec<((usize, usize), usize, usize)> =
            free.iter().map(|&j| (of_root[joined.root(j)], uses[j], j)).collect();
        keyed.sort_unstable();
        let mut place = vec![usize::MAX; n];
        let (mut components, mut starts) = (Vec::new(), Vec::new());
        for (at, &(key, _, j)) in keyed.iter().enumerate() {
            place[j] = at;
            let previous = at.checked_sub(1).map(|before| keyed[before].0);
            if previous != Some(key) {
                components.push(at);
            }
            if previous.map(|p| p.0) != Some(key.0) {
                starts.push(at);
            }
        }
        components.push(keyed.len());
        starts.push(keyed.len());
        Self { order: keyed.into_iter().map(|k| k.2).collect(), place, components, layers: starts }
    }
}
