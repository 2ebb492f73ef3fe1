//! `absint attack`, and the options of gradient descent.

use super::inputs::QueryArgs;
use super::limit::Answer;
use super::{CliResult, Exit, Format, Global};
use crate::analyze::{check_query, deadline};
use crate::attack::{Aim, Attack, Schedule};
use crate::domains::network::Arithmetic;
use crate::report::{self, Attacked};
use clap::{Args, ValueEnum};
use std::time::Instant;

/// How the attack looks for a counterexample.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Method {
    /// Projected gradient descent from many points
    Pgd,
    /// One gradient step across the region, for every disjunct
    SingleStep,
}

/// How the length of a step changes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum ScheduleName {
    /// It stays
    Constant,
    /// It falls linearly towards zero
    Linear,
}

/// What a point goes down on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum AimName {
    /// Every disjunct of the unsafe set (every other class) is a target of its own
    Targeted,
    /// Whichever disjunct is nearest at the moment
    Untargeted,
}

/// How gradient descent goes about it.
#[derive(Args)]
pub struct PgdArgs {
    /// Starts per target: the centre, then random points
    #[arg(long, value_name = "N", default_value_t = Attack::pgd(0).restarts)]
    restarts: usize,
    /// Steps per start
    #[arg(long, value_name = "N", default_value_t = Attack::pgd(0).steps)]
    steps: usize,
    /// Length of the first step as a multiple of the radius, in the norm of the region
    #[arg(long, value_name = "LENGTH", default_value_t = Attack::pgd(0).step_size, allow_negative_numbers = true, value_parser = step_size)]
    step_size: f64,
    /// How the length goes on
    #[arg(long, value_enum, default_value = "linear")]
    schedule: ScheduleName,
    /// What the steps aim at
    #[arg(long, value_enum, default_value = "targeted")]
    aim: AimName,
    /// How many targets are followed, the most promising ones [default: all]
    #[arg(long, value_name = "N")]
    targets: Option<usize>,
}

fn step_size(text: &str) -> Result<f64, String> {
    let length: f64 = text.parse().map_err(|_| format!("`{text}` is not a number"))?;
    if length > 0.0 && length <= 1e6 { Ok(length) } else { Err("the step size must be positive".into()) }
}

impl PgdArgs {
    pub fn attack(&self, seed: u64) -> Attack {
        Attack {
            steps: self.steps,
            restarts: self.restarts,
            step_size: self.step_size,
            schedule: match self.schedule {
                ScheduleName::Constant => Schedule::Constant,
                ScheduleName::Linear => Schedule::Linear,
            },
            aim: match self.aim {
                AimName::Targeted => Aim::Targeted,
                AimName::Untargeted => Aim::Untargeted,
            },
            targets: self.targets.unwrap_or(usize::MAX),
            seed,
        }
    }
}

#[derive(Args)]
#[command(after_help = "\
Examples:
  absint attack net.onnx --data mnist_test.csv --image 0 --eps 0.1
  absint attack net.onnx --vnnlib property.vnnlib --restarts 100 --timeout 60
  absint attack net.onnx --data test.csv --image 3 --eps 1.5 --norm l2 --aim untargeted --steps 200

A counterexample counts only after it was replayed exactly. Exit status: 1 when there is one, 3 when none
was found, which proves nothing.")]
pub struct AttackArgs {
    #[command(flatten)]
    problem: QueryArgs,
    /// How to look for a counterexample
    #[arg(long, value_enum, default_value = "pgd")]
    method: Method,
    #[command(flatten)]
    pgd: PgdArgs,
    /// Attack only this disjunct of the unsafe set, from 0; several times for several
    #[arg(long = "disjunct", value_name = "D")]
    disjuncts: Vec<usize>,
}

pub fn run(args: &AttackArgs, global: &Global) -> CliResult<Answer> {
    let budget = deadline(global.timeout);
    let problem = args.problem.load(Arithmetic::Real)?;
    check_query(&problem.network, &problem.query)?;
    if let Some(d) = args.disjuncts.iter().find(|&&d| d >= problem.query.disjuncts()) {
        let count = problem.query.disjuncts();
        return Err(format!("--disjunct {d}: the unsafe set has {count} disjuncts (from 0)").into());
    }
    let (method, attack) = match args.method {
        Method::Pgd => ("pgd", args.pgd.attack(global.seed)),
        Method::SingleStep => ("single-step", Attack::single_step(global.seed)),
    };
    let start = Instant::now();
    let wanted = (!args.disjuncts.is_empty()).then_some(&args.disjuncts[..]);
    let found = attack.run_query(&problem.network, &problem.query, wanted, &budget);
    let attacked = Attacked {
        method,
        out_of_time: found.witness.is_none() && budget.is_spent(),
        witness: found.witness,
        closest: found.closest,
        points: found.points,
        time: start.elapsed(),
    };
    let context = report::Context {
        arithmetic: Arithmetic::Real,
        network: &problem.network_name,
        query: &problem.query_name,
        domain: String::new(),
        endings: problem.endings,
        is_example: problem.is_example,
    };
    let text = match global.format {
        Format::Text => report::attack_text(&attacked, &problem.query, &context, global.is_coloured()),
        Format::Json => report::attack_json(&attacked, &context).to_string(),
    };
    Ok((text, if attacked.witness.is_some() { Exit::Falsified } else { Exit::Unknown }))
}
