//! A proof is read line by line, and what is shown on a part that is closed is forgotten. (In a process of its own, whose
//! memory is measured.)

use absint_check::{check_refutation, read_network, read_query};
use std::io::{BufReader, Cursor, Read, Result};

const NETWORK: &str = "absint network 2\ninput 2\naffine\nbias 0 0\ndense 0\n1 1\n1 0\nend\nactivation 1 2\n\
                       piece -inf 0] 0 0\npiece [0 +inf 1 0\naffine\nbias 0\ndense 2\n1 -1\nend\noutput 3\n";
const QUERY: &str = "absint query 2\ncase\nx -1 1\nx -1 1\nunsafe\natom 7/4 -1 Y0\n";

/// A part with bounds, a lemma, a row and slopes of its own, which shows on either side of zero what is to be shown.
const PART: &str = "split 0 0 0\nbound 1\nlemma 3 0 <= 2\nprove\nend\nrow -2 1 0 1\nprove\nend\nsplit 1 1 0\n\
                    lines 2 0 1b-1 1b-1\nrefute 0 1 ; 1 1 -1/2\nelse\nrefute 0 1 ; 1 1 1/2\nend\nelse\nend\n";

/// The same bytes, so many times.
struct Repeated {
    bytes: &'static [u8],
    at: usize,
    left: usize,
}

impl Read for Repeated {
    fn read(&mut self, out: &mut [u8]) -> Result<usize> {
        if self.at == self.bytes.len() {
            (self.at, self.left) = (0, self.left - 1);
        }
        let rest = if self.left == 0 { &[][..] } else { &self.bytes[self.at..] };
        let len = rest.len().min(out.len());
        out[..len].copy_from_slice(&rest[..len]);
        self.at += len;
        Ok(len)
    }
}

/// The most memory that this process had so far, in KiB, where the system says so.
fn peak() -> Option<usize> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    status.lines().find_map(|line| line.strip_prefix("VmHWM:")?.trim().strip_suffix("kB")?.trim().parse().ok())
}

#[test]
fn memory_does_not_grow_with_the_proof() {
    let network = read_network(NETWORK.as_bytes()).unwrap();
    let query = read_query(QUERY.as_bytes(), &network).unwrap();
    let check = |parts: usize| {
        let repeated = Repeated { bytes: PART.as_bytes(), at: 0, left: parts };
        let proof = Cursor::new("absint proof 2\ncase 0\n").chain(repeated);
        let proof = proof.chain(Cursor::new("bound 1\nfree 2 0 1\nslopes 2 ffff7fff\nrefute 0 1\nend\n"));
        check_refutation(&network, &query, BufReader::new(proof)).unwrap().refutations
    };
    let few = check(10);
    let before = peak();
    const PARTS: usize = 50_000;
    assert_eq!(check(PARTS) - 1, (few - 1) / 10 * PARTS);
    let Some((before, after)) = before.zip(peak()) else { return println!("skipped: /proc/self/status is not there") };
    let bytes = PARTS * PART.len();
    assert!((after - before) * 1024 < bytes / 10, "{bytes} bytes of proof: {before} KiB, then {after} KiB");
}
