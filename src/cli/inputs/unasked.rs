//! A network of which the command line need not ask anything.

use super::{QueryArgs, named};
use crate::cli::CliResult;
use crate::domains::network::{Arithmetic, Network};
use crate::domains::query::Query;
use crate::format::onnx;

impl QueryArgs {
    /// The network that the arguments name, and the query where they name one.
    pub fn network_with_query(&self) -> CliResult<Option<(Network, Option<Query>)>> {
        let Some(path) = &self.network else { return Ok(None) };
        if self.files().len() > 1 {
            let problem = self.load(Arithmetic::Real)?;
            return Ok(Some((problem.network, Some(problem.query))));
        }
        let model = self.images.read_network(path, Arithmetic::Real)?;
        match model.final_softmax {
            Some(_) => Err(named(path, onnx::SOFTMAX_IS_DROPPED)),
            None => Ok(Some((model.network, None))),
        }
    }
}
