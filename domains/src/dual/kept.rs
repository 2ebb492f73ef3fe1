//! Parts that are closed, kept for a record within a limit of memory.

use super::batch::Member;

/// Bytes of closed parts that are kept, at most: more than the statements about them may take.
pub(super) const MOST_KEPT: usize = 1 << 30;

/// Parts that are closed, as long as they take no more bytes than they may: none of them after that.
#[derive(Debug)]
pub(super) struct Kept {
    members: Vec<Member>,
    bytes: usize,
    most: usize,
}

impl Kept {
    /// None yet, and never more than so many bytes of them.
    pub fn up_to(most: usize) -> Self {
        Self { members: Vec::new(), bytes: 0, most }
    }

    pub fn push(&mut self, member: &Member) {
        let Member { shares, sides, beta, .. } = member;
        self.bytes += size_of::<Member>() + size_of_val(&shares[..]) + size_of_val(&sides[..]) + size_of_val(&beta[..]);
        if self.bytes <= self.most {
            self.members.push(member.clone());
        } else {
            self.members = Vec::new();
        }
    }

    /// Takes them out. Once some were lost there are none for ever: those after them would prove nothing.
    pub fn take(&mut self) -> Vec<Member> {
        if self.bytes <= self.most {
            self.bytes = 0;
        }
        std::mem::take(&mut self.members)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_beyond_the_limit_are_lost_with_all_others() {
        let shares = vec![0_u16; 100].into();
        let member = Member { objective: 0, shares, sides: Vec::new(), beta: vec![0.0; 10], bound: 0.0 };
        let mut kept = Kept::up_to(2 * (size_of::<Member>() + 240));
        for _ in 0..3 {
            (0..2).for_each(|_| kept.push(&member));
            assert_eq!(kept.take().len(), 2);
        }
        (0..3).for_each(|_| kept.push(&member));
        assert!(kept.take().is_empty());
        kept.push(&member);
        assert!(kept.take().is_empty());
    }
}
