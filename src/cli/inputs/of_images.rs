//! The queries about all images of a data set.

use super::super::CliResult;
use super::{Ensemble, QueryArgs, radius};
use crate::domains::network::{Arithmetic, Network};
use crate::domains::query::Query;
use std::path::Path;

/// Gives the query about an image by its number.
pub type QueryOf = Box<dyn Fn(usize) -> CliResult<Query> + Send + Sync>;

impl QueryArgs {
    /// The network, and for each image of the data set the query about it; `None` where no data set is named.
    pub fn of_images(&self) -> CliResult<Option<(Network, QueryOf)>> {
        let (Some(path), Some(data)) = (&self.network, &self.data) else { return Ok(None) };
        let read = |path: &Path| self.images.read_network(path, Arithmetic::Real);
        let Ensemble { network, members, channels, .. } = Ensemble::read(path, read(path)?, &self.ensemble, read)?;
        let set = self.images.read_images(data, &network, channels)?;
        let (eps, images) = (radius(self.eps.as_deref().unwrap_or("0"))?, self.images.clone());
        let query = move |index: usize| {
            let image = images.pick(&set, index).ok_or_else(|| format!("the data set has no image {index}"))?;
            images.ball(members, &image.pixels, &eps, image.label)
        };
        Ok(Some((network, Box::new(query))))
    }
}
