//! The geometry that Conv and the pooling operators share.

use super::fault::Fault;
use super::lowering::Operator;

/// A sliding window over `channels × height × width`; one-dimensional data have height 1.
#[derive(Clone, Debug)]
pub(super) struct Window {
    /// Channels, height and width of the input.
    pub input: [usize; 3],
    /// Height and width of the output.
    pub output: [usize; 2],
    /// Height and width of the kernel.
    pub kernel: [usize; 2],
    /// Step per output row and column.
    pub stride: [usize; 2],
    /// Distance between kernel taps.
    pub dilation: [usize; 2],
    /// Padding above and left.
    pub before: [usize; 2],
    /// Padding below and right.
    pub after: [usize; 2],
    /// Number of spatial axes, 1 or 2.
    pub rank: usize,
}

/// Puts a height of `missing` before one-dimensional lengths.
pub(super) fn two(lengths: &[usize], missing: usize) -> [usize; 2] {
    match *lengths {
        [height, width] => [height, width],
        [width] => [missing, width],
        _ => [missing; 2],
    }
}

/// The channels of data that windows move over, and the lengths of its one or two spatial axes.
pub(super) fn channels_and_lengths(data: &[usize]) -> Result<(usize, &[usize]), Fault> {
    match data {
        [1, channels, spatial @ ..] if (1..=2).contains(&spatial.len()) => Ok((*channels, spatial)),
        _ => Err(format!("expected data of shape [1, channels, height, width], found {data:?}").into()),
    }
}

impl Window {
    /// A window as wide as the input, which moves down its rows.
    pub fn of_rows(input: [usize; 3]) -> Self {
        let [_, rows, length] = input;
        let (output, kernel) = ([rows, 1], [1, length]);
        Self { input, output, kernel, stride: [1; 2], dilation: [1; 2], before: [0; 2], after: [0; 2], rank: 2 }
    }

    /// The window of an operator with this kernel over data of this shape.
    pub fn new(op: &Operator, data: &[usize], kernel: &[usize], ceil_mode: bool) -> Result<Self, Fault> {
        let (channels, spatial) = channels_and_lengths(data)?;
        let rank = spatial.len();
        if kernel.len() != rank {
            return Err(format!("a kernel of shape {kernel:?} does not fit data of shape {data:?}").into());
        }
        let stride = op.attributes.lengths("strides", rank, 1)?;
        let dilation = op.attributes.lengths("dilations", rank, 1)?;
        if kernel.contains(&0) || stride.contains(&0) || dilation.contains(&0) {
            return Err("kernel, strides and dilations must be positive".into());
        }
        const LARGEST: usize = 1 << 20;
        if kernel.iter().chain(spatial).any(|&n| n > LARGEST) {
            return Err(format!("kernel {kernel:?} or data {data:?} are longer than {LARGEST} along an axis").into());
        }
        let reach: Vec<usize> = (0..rank).map(|i| (kernel[i] - 1) * dilation[i] + 1).collect();
        let (before, after) = padding(op, spatial, &stride, &reach)?;
        let mut output = Vec::with_capacity(rank);
        for i in 0..rank {
            let Some(room) = (spatial[i] + before[i] + after[i]).checked_sub(reach[i]) else {
                return Err(format!("the kernel reaches over {reach:?}, more than the padded data {data:?}").into());
            };
            let mut steps = if ceil_mode { room.div_ceil(stride[i]) } else { room / stride[i] };
            // A last window that would start beyond the data does not exist.
            if ceil_mode && steps * stride[i] >= spatial[i] + before[i] {
                steps -= 1;
            }
            output.push(steps + 1);
        }
        let [height, width] = two(spatial, 1);
        Ok(Self {
            input: [channels, height, width],
            output: two(&output, 1),
            kernel: two(kernel, 1),
            stride: two(&stride, 1),
            dilation: two(&dilation, 1),
            before: two(&before, 0),
            after: two(&after, 0),
            rank,
        })
    }

    /// The shape of the result with this many channels, batch axis included.
    pub fn output_shape(&self, channels: usize) -> Vec<usize> {
        let [height, width] = self.output;
        if self.rank == 1 { vec![1, channels, width] } else { vec![1, channels, height, width] }
    }

    /// The input positions along `axis` that the window at `o` covers, padding left out.
    pub fn taps(&self, axis: usize, o: usize) -> impl Iterator<Item = usize> + '_ {
        self.padded_taps(axis, o)
            .filter_map(move |at| at.checked_sub(self.before[axis]))
            .filter(move |&at| at < self.input[axis + 1])
    }

    /// The positions in the padded input along `axis` that the window at `o` covers.
    pub fn padded_taps(&self, axis: usize, o: usize) -> impl Iterator<Item = usize> + '_ {
        let end = self.before[axis] + self.input[axis + 1] + self.after[axis];
        (0..self.kernel[axis]).map(move |k| o * self.stride[axis] + k * self.dilation[axis]).filter(move |&at| at < end)
    }
}

/// Padding before and after each axis, as `pads` or `auto_pad` say.
fn padding(
    op: &Operator,
    size: &[usize],
    stride: &[usize],
    reach: &[usize],
) -> Result<(Vec<usize>, Vec<usize>), Fault> {
    let rank = size.len();
    let same = |larger_after: bool| {
        let both = (0..rank).map(|i| {
            let output = size[i].div_ceil(stride[i]);
            let total = ((output - 1) * stride[i] + reach[i]).saturating_sub(size[i]);
            let (small, large) = (total / 2, total - total / 2);
            if larger_after { (small, large) } else { (large, small) }
        });
        both.unzip()
    };
    match op.attributes.text("auto_pad", "NOTSET")? {
        "NOTSET" => {
            let pads = op.attributes.lengths("pads", 2 * rank, 0)?;
            Ok((pads[..rank].to_vec(), pads[rank..].to_vec()))
        }
        "VALID" => Ok((vec![0; rank], vec![0; rank])),
        "SAME_UPPER" => Ok(same(true)),
        "SAME_LOWER" => Ok(same(false)),
        other => Err(format!("auto_pad = `{other}` is not known").into()),
    }
}
