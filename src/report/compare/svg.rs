//! A picture as SVG text: shapes, axes and legends, enough for the plots of a report.
//!
//! Colours are classes (`s0`, `s1`, … for series), which [`STYLE`] resolves for light and for dark
//! surroundings; shapes differ as well, so that nothing hangs on colour alone.
//!
//! `plotters` draws the static pictures of `results/`, not these: its SVG has fixed colours, neither tooltips nor
//! labels that are read out, one shape for all series, and no axis that is logarithmic on both sides of zero.

use std::fmt::Write;

/// How many series have a colour and a shape of their own; further ones repeat colours.
pub const SERIES: usize = 8;

/// The style of plots: inside a page, or inside a picture that stands alone.
pub const STYLE: &str = "\
:root{--ink:#1d2430;--soft:#5a6475;--grid:#e3e7ee;--paper:#ffffff;--panel:#f7f8fb;--mark:#8a93a3;\
--s0:#0064a6;--s1:#c2410c;--s2:#047857;--s3:#9d3d8f;--s4:#8a6500;--s5:#4b4fc4;--s6:#0e7490;--s7:#a31d3a}\
@media(prefers-color-scheme:dark){:root{--ink:#e8ebf1;--soft:#a7b0c0;--grid:#333b49;--paper:#161a21;--panel:#1d222b;\
--mark:#8b95a7;--s0:#5fb3f0;--s1:#ff9a5c;--s2:#4fd1a5;--s3:#e59ad8;--s4:#e3c04f;--s5:#a9adff;--s6:#5fd3e6;--s7:#ff8fa3}}\
svg{font:12px system-ui,-apple-system,'Segoe UI',Roboto,'DejaVu Sans',sans-serif}\
svg text{fill:var(--ink)}svg .soft{fill:var(--soft)}svg .title{font-weight:600;font-size:14px}\
svg .paper{fill:var(--paper)}svg .grid{stroke:var(--grid);stroke-width:1}svg .axis{stroke:var(--soft);stroke-width:1}\
svg .zero{stroke:var(--soft);stroke-width:1.5;stroke-dasharray:5 4}svg .thin{fill:none;stroke-width:1.75}\
svg .box{fill-opacity:.16;stroke-width:1.25}svg .strong{stroke-width:3}svg .dot{fill-opacity:.72;stroke-width:.75}\
svg .hollow{fill:none;stroke-width:1.5}svg .ghost{fill:var(--grid)}\
svg .s0{fill:var(--s0);stroke:var(--s0)}svg .s1{fill:var(--s1);stroke:var(--s1)}svg .s2{fill:var(--s2);stroke:var(--s2)}\
svg .s3{fill:var(--s3);stroke:var(--s3)}svg .s4{fill:var(--s4);stroke:var(--s4)}svg .s5{fill:var(--s5);stroke:var(--s5)}\
svg .s6{fill:var(--s6);stroke:var(--s6)}svg .s7{fill:var(--s7);stroke:var(--s7)}\
svg .mark{fill:var(--mark);stroke:var(--mark)}svg .thin{fill:none}svg .hollow{fill:none}";

/// Text that is safe inside elements and attributes; characters that XML forbids become `�`.
#[must_use]
pub fn escape(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            '\'' => out.push_str("&#39;"),
            '\t' | '\n' | '\r' => out.push(' '),
            c if c.is_control() || matches!(c, '\u{FFFE}' | '\u{FFFF}') => out.push('\u{FFFD}'),
            c => out.push(c),
        }
    }
    out
}

/// The class of a series.
#[must_use]
pub fn series(index: usize) -> String {
    format!("s{}", index % SERIES)
}

/// Width of a text in pixels, roughly: enough to keep labels apart.
pub fn text_width(text: &str) -> f64 {
    text.chars().map(|c| if "il.,:;|'1 ".contains(c) { 4.6 } else { 7.1 }).sum()
}

/// Where a text is anchored.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Anchor {
    /// Its left end.
    Start,
    /// Its middle.
    Middle,
    /// Its right end.
    End,
}

impl Anchor {
    fn name(self) -> &'static str {
        match self {
            Self::Start => "start",
            Self::Middle => "middle",
            Self::End => "end",
        }
    }
}

/// A picture under construction.
pub struct Svg {
    width: f64,
    height: f64,
    body: String,
}

/// A coordinate; what is not finite is left out by the callers, and never reaches the text.
fn at(x: f64) -> String {
    let text = format!("{:.2}", if x.is_finite() { x } else { 0.0 });
    text.trim_end_matches('0').trim_end_matches('.').to_owned()
}

impl Svg {
    /// An empty picture of this size in pixels.
    pub fn new(width: f64, height: f64) -> Self {
        Self { width, height, body: String::new() }
    }

    // Writing to a string cannot fail.
    fn push(&mut self, text: std::fmt::Arguments<'_>) {
        let _ = self.body.write_fmt(text);
    }

    /// A line.
    pub fn line(&mut self, (x1, y1): (f64, f64), (x2, y2): (f64, f64), class: &str) {
        let [x1, y1, x2, y2] = [x1, y1, x2, y2].map(at);
        self.push(format_args!("<line class=\"{class}\" x1=\"{x1}\" y1=\"{y1}\" x2=\"{x2}\" y2=\"{y2}\"/>"));
    }

    /// A line through several points.
    pub fn path(&mut self, points: &[(f64, f64)], class: &str) {
        let points: Vec<String> = points.iter().map(|&(x, y)| format!("{},{}", at(x), at(y))).collect();
        self.push(format_args!("<polyline class=\"{class}\" points=\"{}\"/>", points.join(" ")));
    }

    /// A rectangle with a tooltip.
    pub fn rect(&mut self, (x, y): (f64, f64), width: f64, height: f64, class: &str, tip: &str) {
        let [x, y, width, height] = [x, y, width.max(0.0), height.max(0.0)].map(at);
        self.push(format_args!(
            "<rect class=\"{class}\" x=\"{x}\" y=\"{y}\" width=\"{width}\" height=\"{height}\">{}</rect>",
            title(tip)
        ));
    }

    /// A text; `class` may be empty.
    pub fn text(&mut self, (x, y): (f64, f64), anchor: Anchor, class: &str, text: &str) {
        let ([x, y], anchor) = ([x, y].map(at), anchor.name());
        self.push(format_args!(
            "<text class=\"{class}\" x=\"{x}\" y=\"{y}\" text-anchor=\"{anchor}\">{}</text>",
            escape(text)
        ));
    }

    /// A text that runs upwards, centred.
    pub fn vertical_text(&mut self, (x, y): (f64, f64), text: &str) {
        let [x, y] = [x, y].map(at);
        self.push(format_args!(
            "<text class=\"soft\" transform=\"translate({x} {y}) rotate(-90)\" text-anchor=\"middle\">{}</text>",
            escape(text)
        ));
    }

    /// The marker of a series, about 9 pixels across, with a tooltip.
    pub fn marker(&mut self, index: usize, (x, y): (f64, f64), class: &str, tip: &str) {
        let r = 4.2;
        let corners = |corners: &[(f64, f64)]| -> String {
            let corner = |&(dx, dy): &(f64, f64)| format!("{},{}", at(x + r * dx), at(y + r * dy));
            let points: Vec<String> = corners.iter().map(corner).collect();
            points.join(" ")
        };
        let tip = title(tip);
        let points = match index % SERIES {
            0 => {
                let [x, y] = [x, y].map(at);
                return self
                    .push(format_args!("<circle class=\"{class}\" cx=\"{x}\" cy=\"{y}\" r=\"{r}\">{tip}</circle>"));
            }
            1 => corners(&[(-0.9, -0.9), (0.9, -0.9), (0.9, 0.9), (-0.9, 0.9)]),
            2 => corners(&[(0.0, -1.2), (1.1, 0.8), (-1.1, 0.8)]),
            3 => corners(&[(0.0, -1.3), (1.3, 0.0), (0.0, 1.3), (-1.3, 0.0)]),
            4 => corners(&[(0.0, 1.2), (1.1, -0.8), (-1.1, -0.8)]),
            5 => corners(&[(1.2, 0.0), (-0.8, 1.1), (-0.8, -1.1)]),
            6 => corners(&[(-1.2, 0.0), (0.8, 1.1), (0.8, -1.1)]),
            _ => corners(&[
                (-0.4, -1.2),
                (0.4, -1.2),
                (0.4, -0.4),
                (1.2, -0.4),
                (1.2, 0.4),
                (0.4, 0.4),
                (0.4, 1.2),
                (-0.4, 1.2),
                (-0.4, 0.4),
                (-1.2, 0.4),
                (-1.2, -0.4),
                (-0.4, -0.4),
            ]),
        };
        self.push(format_args!("<polygon class=\"{class}\" points=\"{points}\">{tip}</polygon>"));
    }

    /// A legend that starts at `(x, y)` and wraps at the right edge; returns its height.
    pub fn legend(&mut self, (x, y): (f64, f64), entries: &[Entry]) -> f64 {
        const ROW: f64 = 18.0;
        let (mut left, mut top) = (x, y);
        for entry in entries {
            let needed = 16.0 + text_width(&entry.name) + 16.0;
            if left > x && left + needed > self.width {
                (left, top) = (x, top + ROW);
            }
            self.marker(entry.shape, (left + 5.0, top), &entry.class, "");
            self.text((left + 15.0, top + 4.0), Anchor::Start, "", &entry.name);
            left += needed;
        }
        if entries.is_empty() { 0.0 } else { top - y + ROW }
    }

    /// The picture, to stand inside a page; `label` is read out in its place.
    pub fn inline(&self, label: &str) -> String {
        self.document(label, "")
    }

    /// The picture as a file of its own.
    pub fn standalone(&self, label: &str) -> String {
        let paper = format!("<rect class=\"paper\" width=\"{}\" height=\"{}\"/>", at(self.width), at(self.height));
        self.document(label, &format!("<style>{}</style>{paper}", escape_style(STYLE)))
    }

    fn document(&self, label: &str, head: &str) -> String {
        let [w, h] = [self.width, self.height].map(at);
        let (label, body) = (escape(label), &self.body);
        format!(
            "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {w} {h}\" width=\"{w}\" height=\"{h}\" role=\"img\" \
             aria-label=\"{label}\"><title>{label}</title>{head}{body}</svg>"
        )
    }
}

/// Quotes need no escape in an element, `<` and `&` would.
fn escape_style(style: &str) -> String {
    style.replace('&', "&amp;").replace('<', "&lt;")
}

fn title(tip: &str) -> String {
    if tip.is_empty() { String::new() } else { format!("<title>{}</title>", escape(tip)) }
}

/// One line of a legend.
pub struct Entry {
    /// Which shape.
    pub shape: usize,
    /// Its classes.
    pub class: String,
    /// What it stands for.
    pub name: String,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn markup_in_a_text_stays_text() {
        assert_eq!(escape("a<b>&\"c'\u{0}\n"), "a&lt;b&gt;&amp;&quot;c&#39;\u{FFFD} ");
    }

    #[test]
    fn coordinates_are_short_and_finite() {
        assert_eq!([1.0, 1.25, -0.001, f64::NAN, f64::INFINITY].map(at), ["1", "1.25", "-0", "0", "0"]);
    }
}
