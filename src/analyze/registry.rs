//! The registry: a row per method. Command line, comparison, radii, results, tables and documentation read it.

use super::method::{Completeness, Context, Cost, Joins, MadeFor, Method, MethodRow, Options, Step};
#[cfg(feature = "highs")]
use super::steps::Milp;
use super::steps::{Attacks, Decide, Domain, LinearProgram, Rational, Recomputed, Refine, Windows};
use crate::domains::activation::Slopes;
use crate::domains::domain::{Concretise, DeepPoly, IntervalDomain, Tighten, Zonotope};
use crate::domains::dual::has_corners;
use crate::exact::signum;

type Steps = Vec<Box<dyn Step>>;

/// What most rows have in common: bounds by linear programs, for every network.
const LP: MethodRow = MethodRow {
    name: "",
    help: "",
    cost: Cost::Costly,
    completeness: Completeness::Incomplete,
    made_for: MadeFor::All,
    joins: Joins::Nothing,
    refines: false,
    proves: true,
    plan: |_| Vec::new(),
};

/// What the rows without linear programs have in common.
const CHEAP: MethodRow = MethodRow { cost: Cost::Cheap, ..LP };

impl Method {
    /// Interval arithmetic.
    pub const INTERVAL: Self = Self::of(&MethodRow {
        name: "interval",
        help: "interval arithmetic: microseconds, loose",
        plan: |_| vec![interval(), attack()],
        ..CHEAP
    });
    /// Zonotopes.
    pub const ZONOTOPE: Self = Self::of(&MethodRow {
        name: "zonotope",
        help: "affine forms with one noise symbol per unstable neuron",
        plan: |_| vec![Box::new(Domain { name: "zonotope", domain: Zonotope, neurons: Recomputed::Bands }), attack()],
        ..CHEAP
    });
    /// DeepPoly by back-substitution.
    pub const DEEPPOLY: Self = Self::of(&MethodRow {
        name: "deeppoly",
        help: "two lines per neuron and back-substitution: milliseconds",
        plan: |context| deeppoly(context).chain([attack()]).collect(),
        ..CHEAP
    });
    /// DeepPoly in exact rationals, for small networks.
    pub const RATIONAL: Self = Self::of(&MethodRow {
        name: "rational",
        help: "deeppoly in exact rationals: small networks, no rounding at all",
        plan: |_| vec![Box::new(Rational { only_if_affordable: false }), attack()],
        ..CHEAP
    });
    /// Back-substitution with the greedy dual solution's slopes.
    pub const LP_GREEDY: Self = Self::of(&MethodRow {
        name: "lp-greedy",
        help: "back-substitution with parallel lines: the greedy solution of the LP's dual",
        plan: |context| vec![greedy(context), attack()],
        ..CHEAP
    });
    /// The greedy bounds for neurons, the LP for the property.
    pub const LP_LAST: Self = Self::of(&MethodRow {
        name: "lp-last",
        help: "the greedy bounds for neurons, a linear program (triangles) for the property",
        plan: |context| {
            vec![
                greedy(context),
                attack(),
                Box::new(LinearProgram { base: DeepPoly::greedy(), ..LinearProgram::new("lp-last") }),
            ]
        },
        ..LP
    });
    /// Every unstable neuron's bounds by the LP, layer by layer; then the property.
    pub const LP_ALL: Self = Self::of(&MethodRow {
        name: "lp-all",
        help: "linear programs for every unstable neuron, layer by layer, and for the property",
        plan: |context| vec![greedy(context), attack(), lp_all(context)],
        ..LP
    });
    /// DeepPoly, then the LP with joint cuts of k neurons.
    pub const KPOLY: Self = Self::of(&MethodRow {
        name: "kpoly",
        help: "deeppoly, then a linear program with joint constraints of k neurons: seconds",
        joins: Joins::ByName,
        refines: true,
        plan: |context| relaxed(context, true, false),
        ..LP
    });
    /// DeepPoly, then the LP with Proposition 1 for signum neurons.
    pub const NAT: Self = Self::of(&MethodRow {
        name: "nat",
        help: "signum networks: a linear program with each neuron's own relaxation",
        made_for: MadeFor::Signum,
        refines: true,
        plan: |context| relaxed(context, false, false),
        ..LP
    });
    /// DeepPoly, then the LP with the ideal hull of every signum neuron.
    pub const HULL: Self = Self::of(&MethodRow {
        name: "hull",
        help: "signum networks: the ideal convex hull of each neuron with its inputs",
        made_for: MadeFor::Signum,
        refines: true,
        plan: |context| relaxed(context, false, true),
        ..LP
    });
    /// The ideal hulls together with joint cuts of k neurons.
    pub const HULL_KPOLY: Self = Self::of(&MethodRow {
        name: "hull+kpoly",
        help: "signum networks: both kinds of joint constraints",
        made_for: MadeFor::Signum,
        joins: Joins::ByName,
        refines: true,
        plan: |context| relaxed(context, true, true),
        ..LP
    });
    /// The bounds of `lp-all`, then the LP with joint cuts of k neurons.
    pub const LP_ALL_KPOLY: Self = Self::of(&MethodRow {
        name: "lp-all+kpoly",
        help: "kpoly on the bounds of lp-all: slow, and the tightest",
        joins: Joins::ByName,
        refines: true,
        plan: |context| vec![greedy(context), attack(), lp_all(context), joint(context, true, false)],
        ..LP
    });
    /// DeepPoly, then splitting of inputs or neurons until the query is decided; for signum networks
    /// conflict-driven search.
    pub const EXACT: Self = Self::of(&MethodRow {
        name: "exact",
        help: "splits inputs or neurons, or solves signum networks, until the query is decided: as long as it takes",
        completeness: Completeness::Decides,
        plan: |context| first(context).chain(deeppoly(context)).chain([attack(), Box::new(Windows), exact()]).collect(),
        ..LP
    });
    /// DeepPoly, then a mixed-integer program; since its bound is no proof, what it holds to be safe is proven
    /// as by `EXACT`. The program's optimum is its own attack.
    #[cfg(feature = "highs")]
    pub const MILP: Self = Self::of(&MethodRow {
        name: "milp",
        help: "a mixed-integer program (HiGHS) for the margin, which is no proof; then as exact",
        completeness: Completeness::Decides,
        proves: false,
        plan: |context| deeppoly(context).chain([Box::new(Milp) as Box<dyn Step>, exact()]).collect(),
        ..LP
    });
    /// The cascade: each step only where the one before left something open.
    pub const AUTO: Self = Self::of(&MethodRow {
        name: "auto",
        help: "the cascade of these, stopping as soon as the query is decided",
        completeness: Completeness::Decides,
        joins: Joins::Within,
        refines: true,
        plan: cascade,
        ..LP
    });

    /// Every method, with the parameters that it has by default.
    pub const ALL: [Self; 14 + cfg!(feature = "highs") as usize] = [
        Self::INTERVAL,
        Self::ZONOTOPE,
        Self::DEEPPOLY,
        Self::RATIONAL,
        Self::LP_GREEDY,
        Self::LP_LAST,
        Self::LP_ALL,
        Self::KPOLY,
        Self::NAT,
        Self::HULL,
        Self::HULL_KPOLY,
        Self::LP_ALL_KPOLY,
        Self::EXACT,
        #[cfg(feature = "highs")]
        Self::MILP,
        Self::AUTO,
    ];
}

/// The steps of the method that is asked for, as far as they are wanted.
pub(crate) fn plan(context: &Context) -> Steps {
    let Options { certify, method, .. } = *context.options;
    // Nothing but the exact engine certifies signum networks.
    let of_signum = certify && context.network.is_signum();
    let steps = if of_signum { vec![attack(), exact()] } else { (method.row().plan)(context) };
    let runs = |step: &dyn Step| step.wanted(context) && (step.proves() || !certify || of_signum);
    steps.into_iter().filter(|step| runs(&**step)).collect()
}

fn interval() -> Box<dyn Step> {
    Box::new(Domain { name: "interval", domain: IntervalDomain, neurons: Recomputed::Intervals })
}

fn attack() -> Box<dyn Step> {
    Box::new(Attacks)
}

fn exact() -> Box<dyn Step> {
    Box::new(Decide::Fully)
}

/// The exact engine where it comes before everything else.
fn first(context: &Context) -> impl Iterator<Item = Box<dyn Step>> + use<> {
    signum::quantises(context.network).then(|| Box::new(Decide::First) as Box<dyn Step>).into_iter()
}

fn greedy(context: &Context) -> Box<dyn Step> {
    // A checker takes the best bound on the way: what is stable for it has one line, whatever slope is named.
    let concretise = if context.options.certify { Concretise::Every } else { Concretise::Input };
    let domain = DeepPoly { concretise, ..DeepPoly::greedy() };
    Box::new(Domain { name: "lp-greedy", domain, neurons: Recomputed::Lines(Slopes::Parallel) })
}

/// Back-substitution with each kind of lines in turn.
fn deeppoly<'a>(context: &'a Context) -> impl Iterator<Item = Box<dyn Step>> + 'a {
    let options = context.options;
    let others = options.slopes.iter().skip(1).copied();
    let all = std::iter::once(options.first_slopes()).chain(others);
    all.map(move |slopes| {
        let domain = options.back_substitution(slopes);
        Box::new(Domain { name: "deeppoly", domain, neurons: Recomputed::Lines(slopes) }) as Box<dyn Step>
    })
}

fn lp_all(context: &Context) -> Box<dyn Step> {
    Box::new(LinearProgram { base: context.options.base(), tighten: Tighten::All, ..LinearProgram::new("lp-all") })
}

/// A linear program, with joint cuts of k neurons, with the hulls of signs.
fn joint(context: &Context, joint: bool, hull: bool) -> Box<dyn Step> {
    let name = match (joint, hull) {
        (true, false) => "kpoly",
        (false, false) => "nat",
        (false, true) => "hull",
        (true, true) => "hull+kpoly",
    };
    let method = context.options.method;
    let tighten = if method.refine() && !splits(context) { Tighten::All } else { Tighten::None };
    let k = if joint { method.k() } else { 1 };
    Box::new(LinearProgram { base: context.options.base(), k, hull, tighten, ..LinearProgram::new(name) })
}

/// Whether neurons are refined by splitting those before them; elsewhere linear programs do it.
fn splits(context: &Context) -> bool {
    has_corners(context.network)
}

fn relaxed(context: &Context, joins: bool, hull: bool) -> Steps {
    let refine = (context.options.method.refine() && splits(context)).then(|| Box::new(Refine) as Box<dyn Step>);
    deeppoly(context).chain([attack()]).chain(refine).chain([joint(context, joins, hull)]).collect()
}

/// Where back-substitution takes longer than a short attack, the attack comes first: a product for each neuron against
/// some hundred for the attack.
const MANY_NEURONS: usize = 1024;

fn cascade(context: &Context) -> Steps {
    let neurons: usize = context.network.activations().map(|(id, _)| context.network.node(id).len).sum();
    let early = (neurons > MANY_NEURONS).then(attack);
    let late = (neurons <= MANY_NEURONS).then(attack);
    // What the search leaves open when it ends early is left to linear programs.
    let rest: [Box<dyn Step>; 4] = [
        Box::new(Rational { only_if_affordable: true }),
        Box::new(Windows),
        Box::new(Decide::Limited),
        joint(context, true, context.network.has_steps()),
    ];
    first(context).chain([interval()]).chain(early).chain(deeppoly(context)).chain(late).chain(rest).collect()
}
