//! Linear programs and bounds on them that hold whatever the solver did.
