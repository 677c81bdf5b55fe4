//! The plot: a bar per contender, a dot for the same when cold, on a logarithmic scale. Plain SVG, light or dark as the
//! reader's system is, with every number also written out.

use std::fmt::Write as _;

use super::{
    question::{Answer, Column},
    sample::{Figure, thousands},
};

const WIDTH: f64 = 800.0;
const ROW: f64 = 19.0;
const HEAD: f64 = 34.0;
const TOP: f64 = 26.0;
/// Where the scale begins and ends, in pixels and in nanoseconds.
const LEFT: f64 = 196.0;
const RIGHT: f64 = 650.0;
const NS: (f64, f64) = (1.0, 100_000.0);
/// The right edges of the two columns of numbers.
const WARM: f64 = 724.0;
const COLD: f64 = WIDTH - 4.0;

const STYLE: &str = "
  text { font: 12px system-ui, sans-serif; fill: #1f2328 }
  .head { font-weight: 600; font-size: 13px }
  .dim { fill: #59636e }
  .right { text-anchor: end }
  .middle { text-anchor: middle }
  .strong { font-weight: 600 }
  .grid { stroke: #d1d9e0 }
  .bar { fill: #afb8c1 }
  .bar.ours { fill: #2563eb }
  .dot { fill: none; stroke: #59636e; stroke-width: 1.5 }
  @media (prefers-color-scheme: dark) {
    text { fill: #e6edf3 }
    .dim { fill: #9198a1 }
    .grid { stroke: #3d444d }
    .bar { fill: #656c76 }
    .bar.ours { fill: #58a6ff }
    .dot { stroke: #c9d1d9 }
  }
";

/// Draws a group for each pair of a warm column and the same when cold.
pub fn plot(answer: &Answer, contenders: &[&str], groups: &[(Column, Column)]) -> String {
    let height = TOP + groups.len() as f64 * (HEAD + contenders.len() as f64 * ROW) + 24.0;
    let mut svg = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {WIDTH} {height}\" width=\"{WIDTH}\" height=\"{height}\" role=\"img\">\n\
         <title>Nanoseconds per event on the calling thread, shorter is better</title>\n<style>{STYLE}</style>\n"
    );
    text(&mut svg, (WARM, 14.0), "dim right", "warm, ns");
    text(&mut svg, (COLD, 14.0), "dim right", "cold, ns");
    text(&mut svg, (LEFT, 14.0), "dim", "bar: one after the other (warm) · circle: one every 1.5 ms (cold)");
    scale(&mut svg, height);
    let mut y = TOP;
    for (warm, cold) in groups {
        y += HEAD;
        text(&mut svg, (0.0, y - 9.0), "head", &warm.label.replace('`', ""));
        for contender in contenders {
            if let (Some(warm), Some(cold)) = (answer.figure(contender, warm), answer.figure(contender, cold)) {
                row(&mut svg, y, warm, cold);
            }
            y += ROW;
        }
    }
    svg.push_str("</svg>\n");
    svg
}

fn row(svg: &mut String, y: f64, warm: &Figure, cold: &Figure) {
    let is_ours = warm.contender.name == "ours";
    let (ours, strong) = if is_ours { (" ours", " strong") } else { ("", "") };
    let baseline = y + ROW - 6.0;
    text(svg, (LEFT - 10.0, baseline), &format!("right{strong}"), warm.contender.label);
    let _ = writeln!(
        svg,
        "<rect class=\"bar{ours}\" x=\"{LEFT}\" y=\"{:.1}\" width=\"{:.1}\" height=\"{:.1}\" rx=\"2\"/>",
        y + 2.0,
        (x(warm.ns) - LEFT).max(1.0),
        ROW - 5.0
    );
    let _ = writeln!(
        svg,
        "<circle class=\"dot\" cx=\"{:.1}\" cy=\"{:.1}\" r=\"4\"/>",
        x(cold.ns),
        y + 2.0 + (ROW - 5.0) / 2.0
    );
    for (right, figure) in [(WARM, warm), (COLD, cold)] {
        let shown = if figure.lost > 0 { "dropped".to_owned() } else { thousands(figure.ns) };
        text(svg, (right, baseline), &format!("right{strong}"), &shown);
    }
}

fn scale(svg: &mut String, height: f64) {
    for (ns, label) in [(1e0, "1 ns"), (1e1, "10 ns"), (1e2, "100 ns"), (1e3, "1 µs"), (1e4, "10 µs"), (1e5, "100 µs")]
    {
        let x = x(ns);
        let _ = writeln!(svg, "<path class=\"grid\" d=\"M{x:.1} {TOP}V{:.1}\"/>", height - 20.0);
        text(svg, (x, height - 6.0), "dim middle", label);
    }
}

/// The place of a time on the scale.
fn x(ns: f64) -> f64 {
    let share = (ns / NS.0).log10() / (NS.1 / NS.0).log10();
    LEFT + share.clamp(0.0, 1.0) * (RIGHT - LEFT)
}

fn text(svg: &mut String, (x, y): (f64, f64), class: &str, text: &str) {
    let text = text.replace('&', "&amp;").replace('<', "&lt;");
    let _ = writeln!(svg, "<text class=\"{class}\" x=\"{x:.1}\" y=\"{y:.1}\">{text}</text>");
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_scale_is_logarithmic_and_ends() {
        let decade = (RIGHT - LEFT) / 5.0;
        for (ns, expected) in [(0.1, LEFT), (1.0, LEFT), (10.0, LEFT + decade), (1e5, RIGHT), (1e9, RIGHT)] {
            assert!((x(ns) - expected).abs() < 0.01, "{ns}");
        }
    }
}
