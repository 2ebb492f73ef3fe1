//! What proves a search's bounds: the parts of its trees, with multipliers as coarse as still prove them.

use super::ascent::Workspace;
use super::batch::Member;
use super::kept::{Kept, MOST_KEPT};
use super::relaxed::Relaxed;
use super::tree::{Forest, even};
use crate::network::NodeId;
use rayon::prelude::*;

/// A bound of a neuron that was found by a tree of parts.
#[derive(Clone, Debug)]
pub struct NeuronBound {
    /// The node of the neuron.
    pub node: NodeId,
    /// Its index.
    pub neuron: usize,
    /// Whether the bound is a lower one.
    pub at_least: bool,
    /// The bound.
    pub bound: f64,
    /// Parts that cover the region, each with multipliers that prove the bound there; some or all are missing where they
    /// would have taken too many bytes.
    pub parts: Vec<Member>,
}

/// Who is told how refined bounds are proved, in the order in which later ones rest on earlier ones.
pub trait Record {
    /// A bound that is better than what was known, over the relaxation of the layers before.
    fn bound(&mut self, relaxed: &Relaxed<'_>, bound: NeuronBound);
}

impl Member {
    /// The same with slopes of four bits and multipliers of eight, which take less to write.
    fn coarse(&self) -> Self {
        let digit = |&share: &u16| {
            let digit = (u32::from(share) * 15 + u32::from(u16::MAX) / 2) / u32::from(u16::MAX);
            digit as u16 * 0x1111
        };
        let beta = |beta: &f32| f32::from_bits(beta.to_bits().saturating_add(0x8000) & 0xFFFF_0000);
        let (shares, beta) = (self.shares.iter().map(digit).collect(), self.beta.iter().map(beta).collect());
        Self { shares, beta, ..self.clone() }
    }
}

impl Forest<'_> {
    /// From now on parts that are closed are kept, for [`take_kept`](Self::take_kept).
    pub fn keep(&mut self) {
        self.kept = Some(Kept::up_to(MOST_KEPT));
    }

    /// Takes out the parts that were closed since the last time. Where they were too many to be kept there are none, and
    /// what is left does not cover the region.
    #[must_use]
    pub fn take_kept(&mut self) -> Vec<Member> {
        self.kept.as_mut().map(Kept::take).unwrap_or_default()
    }

    /// Replaces members by coarser ones where these prove a bound that is `enough`: the bounds of those.
    pub(super) fn coarsen(
        &self,
        members: &mut [&mut Member],
        enough: &[f64],
        work: &mut Workspace,
    ) -> Vec<Option<f64>> {
        let coarse: Vec<Member> = members.iter().map(|member| member.coarse()).collect();
        let found = self.relaxed.certified(&self.forms, &coarse.iter().collect::<Vec<_>>(), &mut work.proof);
        let proved: Vec<Option<f64>> =
            found.iter().zip(enough).map(|(found, e)| (found > e).then_some(*found)).collect();
        for ((member, coarse), _) in members.iter_mut().zip(coarse).zip(&proved).filter(|(_, bound)| bound.is_some()) {
            **member = coarse;
        }
        proved
    }

    /// For each form the least bound of its tree's parts, less `loss` and not above zero, with all of them, which are
    /// taken out. Nothing is known where a part is away.
    #[must_use]
    pub(super) fn proved(&mut self, loss: f64) -> Vec<(f64, Vec<Member>)> {
        let bounds = self.bounds().into_iter().map(|bound| (bound - loss).min(0.0));
        let mut found: Vec<(f64, Vec<Member>)> = bounds.map(|bound| (bound, Vec::new())).collect();
        let mut open: Vec<Member> = self.trees.iter_mut().flat_map(|tree| tree.take_open()).collect();
        let size = even(open.len(), self.together());
        open.par_chunks_mut(size).for_each(|chunk| {
            let enough: Vec<f64> = chunk.iter().map(|member| found[member.objective].0).collect();
            let mut own: Vec<&mut Member> = chunk.iter_mut().collect();
            let _ = self.with_workspace(|work| self.coarsen(&mut own, &enough, work));
        });
        for member in self.take_kept().into_iter().chain(open) {
            found[member.objective].1.push(member);
        }
        found
    }
}
