//! Where the channels of a network's input stand, by which means, deviations and layouts are meant.

use super::set::Layout;
use std::str::FromStr;

/// How many channels an input has, and in which order its values stand.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Channels {
    /// Channel by channel, or the channels of a pixel together.
    pub layout: Layout,
    /// How many there are, at least one.
    pub count: usize,
}

impl Channels {
    /// One channel has no order.
    #[must_use]
    pub fn new(layout: Layout, count: usize) -> Self {
        Self { layout: if count == 1 { Layout::Chw } else { layout }, count }
    }

    /// The channel of value `i` of `len`.
    #[must_use]
    pub fn of(self, i: usize, len: usize) -> usize {
        match self.layout {
            Layout::Chw => i / (len / self.count).max(1),
            Layout::Hwc => i % self.count,
        }
    }

    /// What a shape of three axes says by itself: an axis of length 1 at one end is that of the channels,
    /// unless the other end could be one of two to four. `None` where nothing is sure.
    #[must_use]
    pub fn of_shape(shape: &[usize]) -> Option<Self> {
        const USUAL: std::ops::RangeInclusive<usize> = 2..=4;
        match *shape {
            [1, _, other] | [other, _, 1] if !USUAL.contains(&other) => Some(Self::new(Layout::Chw, 1)),
            _ => None,
        }
    }
}

impl std::fmt::Display for Channels {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match (self.count, self.layout) {
            (1, _) => f.write_str("1 channel"),
            (n, Layout::Chw) => write!(f, "{n} channels, first"),
            (n, Layout::Hwc) => write!(f, "{n} channels, last"),
        }
    }
}

/// What a user says of a network's channels: `first`, `last`, or for an input of one axis with their number,
/// `first,3`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct StatedChannels {
    layout: Layout,
    count: Option<usize>,
}

impl StatedChannels {
    /// The channels of an input of this shape.
    ///
    /// # Errors
    /// When the shape cannot be meant.
    pub fn within(self, shape: &[usize]) -> Result<Channels, String> {
        let at_end = match (self.layout, shape) {
            (_, [_] | []) => None,
            (Layout::Chw, [first, ..]) => Some(*first),
            (Layout::Hwc, [.., last]) => Some(*last),
        };
        let len: usize = shape.iter().product();
        match (at_end, self.count) {
            (Some(found), Some(stated)) if found != stated => {
                Err(format!("there are {found} channels, not {stated}, in an input of shape {shape:?}"))
            }
            (Some(found), _) => Ok(Channels::new(self.layout, found)),
            (None, Some(stated)) if len.is_multiple_of(stated) => Ok(Channels::new(self.layout, stated)),
            (None, Some(stated)) => Err(format!("{len} values are no {stated} channels of equal size")),
            (None, None) => Err("an input of one axis needs their number too, such as `first,3`".into()),
        }
    }
}

/// As it is parsed.
impl std::fmt::Display for StatedChannels {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(if self.layout == Layout::Chw { "first" } else { "last" })?;
        self.count.map_or(Ok(()), |count| write!(f, ",{count}"))
    }
}

impl FromStr for StatedChannels {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let (axis, count) = text.split_once(',').map_or((text, None), |(axis, count)| (axis, Some(count)));
        let layout = match axis {
            "first" => Some(Layout::Chw),
            "last" => Some(Layout::Hwc),
            _ => None,
        };
        let count = count.map(|count| count.parse::<usize>().ok().filter(|&n| n > 0));
        match (layout, count) {
            (Some(layout), None) => Ok(Self { layout, count: None }),
            (Some(layout), Some(Some(count))) => Ok(Self { layout, count: Some(count) }),
            _ => Err(format!("`{text}` is no place of channels; `first`, `last`, or with their number, `first,3`")),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shapes_tell_channels_only_where_there_is_one_reading() {
        let one = Some(Channels::new(Layout::Chw, 1));
        let shapes: [(&[usize], _); 7] = [
            (&[1, 28, 28], one),
            (&[28, 28, 1], one),
            (&[1, 28, 3], None),
            (&[3, 32, 32], None),
            (&[32, 32, 3], None),
            (&[784], None),
            (&[28, 28], None),
        ];
        for (shape, channels) in shapes {
            assert_eq!(Channels::of_shape(shape), channels, "{shape:?}");
        }
    }

    #[test]
    fn stated_channels_must_fit_the_shape() {
        let within = |text: &str, shape: &[usize]| text.parse::<StatedChannels>().and_then(|s| s.within(shape)).ok();
        assert_eq!(within("first", &[3, 4, 5]), Some(Channels::new(Layout::Chw, 3)));
        assert_eq!(within("last", &[3, 4, 5]), Some(Channels::new(Layout::Hwc, 5)));
        assert_eq!(within("last,5", &[3, 4, 5]), Some(Channels::new(Layout::Hwc, 5)));
        assert_eq!(within("first,3", &[12]), Some(Channels::new(Layout::Chw, 3)));
        for (text, shape) in
            [("last,3", &[3, 4, 5][..]), ("first", &[12]), ("first,5", &[12]), ("first,0", &[12]), ("middle", &[3, 4])]
        {
            assert_eq!(within(text, shape), None, "{text}");
        }
        let last = Channels::new(Layout::Hwc, 3);
        assert_eq!((0..6).map(|i| last.of(i, 6)).collect::<Vec<_>>(), [0, 1, 2, 0, 1, 2]);
        let first = Channels::new(Layout::Chw, 3);
        assert_eq!((0..6).map(|i| first.of(i, 6)).collect::<Vec<_>>(), [0, 0, 1, 1, 2, 2]);
    }
}
