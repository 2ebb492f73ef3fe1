//! Which facets contain which points, by point: 64 facets are tested at a time.

/// The facets through each point, as bitsets over the facets.
pub(super) struct Incidence {
    /// Words per point.
    words: usize,
    facets: Vec<u64>,
}

impl Incidence {
    /// The transpose of `on`: the points (W words) on each facet.
    pub(super) fn new<const W: usize>(on: &[[u64; W]]) -> Self {
        let words = on.len().div_ceil(64);
        let mut facets = vec![0; 64 * W * words];
        for (facet, points) in on.iter().enumerate() {
            for point in members(points) {
                facets[point * words + facet / 64] |= 1 << (facet % 64);
            }
        }
        Self { words, facets }
    }

    /// Calls `found` with every facet of `among` that shares at least `count` (1 to 7) of `points`.
    pub(super) fn sharing<const W: usize>(
        &self,
        points: &[u64; W],
        count: usize,
        among: &[u64],
        mut found: impl FnMut(usize),
    ) {
        debug_assert!(count < 8);
        // A three-bit counter per facet, kept as three words of bits, that overflows at `count`.
        let start = 8 - count;
        let digit = |i: usize| if start >> i & 1 == 1 { u64::MAX } else { 0 };
        for (w, &among) in among.iter().enumerate() {
            let (mut ones, mut twos, mut fours) = (digit(0), digit(1), digit(2));
            let mut enough = if count == 0 { u64::MAX } else { 0 };
            for point in members(points) {
                let on = self.facets[point * self.words + w];
                let carry = ones & on;
                ones ^= on;
                let carry_twos = twos & carry;
                twos ^= carry;
                enough |= fours & carry_twos;
                fours ^= carry_twos;
            }
            let mut rest = enough & among;
            while rest != 0 {
                found(64 * w + rest.trailing_zeros() as usize);
                rest &= rest - 1;
            }
        }
    }

    /// True when at most two facets contain all of `points`: the two that share exactly those.
    pub(super) fn only_two_contain<const W: usize>(&self, points: &[u64; W]) -> bool {
        let mut containing = 0;
        for w in 0..self.words {
            let all = members(points).fold(u64::MAX, |all, point| all & self.facets[point * self.words + w]);
            containing += all.count_ones();
        }
        containing <= 2
    }
}

/// The members of a bitset, ascending.
fn members<const W: usize>(set: &[u64; W]) -> impl Iterator<Item = usize> {
    (0..W).flat_map(move |w| {
        let mut rest = set[w];
        std::iter::from_fn(move || {
            (rest != 0).then(|| {
                let bit = rest.trailing_zeros() as usize;
                rest &= rest - 1;
                64 * w + bit
            })
        })
    })
}

/// Adds a member.
pub(super) fn set(bits: &mut [u64], j: usize) {
    bits[j / 64] |= 1 << (j % 64);
}

/// `a ∩ b`.
pub(super) fn intersect<const W: usize>(a: &[u64; W], b: &[u64; W]) -> [u64; W] {
    std::array::from_fn(|w| a[w] & b[w])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counting_by_bits_agrees_with_counting() {
        // Facet f contains point p when this mixture of both says so.
        let on: Vec<[u64; 2]> = (0..150)
            .map(|f: usize| {
                let mut points = [0; 2];
                (0..100).filter(|p| (f * 31 + p * 17 + f * p).is_multiple_of(5)).for_each(|p| set(&mut points, p));
                points
            })
            .collect();
        let incidence = Incidence::new(&on);
        let all = [u64::MAX; 3];
        for (f, points) in on.iter().enumerate() {
            let mut query = *points;
            query[0] &= 0xffff_ffff << (f % 32);
            query[1] &= 0xf;
            for count in 1..8 {
                let mut found = Vec::new();
                incidence.sharing(&query, count, &all, |g| found.push(g));
                let shared = |g: &usize| {
                    let common = intersect(&on[*g], &query);
                    (common[0].count_ones() + common[1].count_ones()) as usize >= count
                };
                assert_eq!(found, (0..150).filter(shared).collect::<Vec<_>>());
            }
            let containing = on.iter().filter(|o| intersect(o, &query) == query).count();
            assert_eq!(incidence.only_two_contain(&query), containing <= 2);
        }
    }
}
