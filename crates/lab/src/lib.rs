//! What makes `results/` and `networks/`: the bit-exact trainer here, the programs in `bin/`.

pub mod train;
