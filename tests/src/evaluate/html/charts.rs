//! Charts as inline SVG; colours come from the page's style sheet by class.

use std::fmt::Write;

use super::super::metrics::{Calibration, Roc};
use super::super::report::Histogram;
use super::escape;

/// A named curve, drawn in the colour of its class.
pub struct Series<'a, T> {
    /// `plain`, `cv` or `logo`.
    pub class: &'static str,
    /// What is drawn.
    pub value: &'a T,
}

/// The drawing area within a chart, in units of the view box.
struct Frame {
    left: f64,
    top: f64,
    width: f64,
    height: f64,
}

impl Frame {
    fn x(&self, share: f64) -> f64 {
        self.left + share.clamp(0.0, 1.0) * self.width
    }

    fn y(&self, share: f64) -> f64 {
        self.top + (1.0 - share.clamp(0.0, 1.0)) * self.height
    }

    fn bottom(&self) -> f64 {
        self.top + self.height
    }

    fn right(&self) -> f64 {
        self.left + self.width
    }

    fn horizontal(&self, svg: &mut String, share: f64, label: &str) {
        let y = self.y(share);
        line(svg, "rule", [self.left, y, self.right(), y]);
        text(svg, "tick end", self.left - 5.0, y + 3.5, label);
    }

    fn vertical(&self, svg: &mut String, share: f64, label: &str) {
        let x = self.x(share);
        line(svg, "rule", [x, self.top, x, self.bottom()]);
        text(svg, "tick middle", x, self.bottom() + 14.0, label);
    }
}

/// ROC curves of one generator: false positives on a logarithmic axis from 0.1 % to 100 %.
pub fn roc(title: &str, curves: &[Series<Roc>]) -> String {
    let frame = Frame { left: 40.0, top: 8.0, width: 262.0, height: 150.0 };
    chart(320.0, 196.0, &format!("ROC curves of {title}"), |svg| {
        for (share, label) in [(0.0, "0"), (0.5, "50 %"), (1.0, "100 %")] {
            frame.horizontal(svg, share, label);
        }
        for (fpr, label) in [(0.001, "0.1 %"), (0.01, "1 %"), (0.1, "10 %"), (1.0, "100 %")] {
            frame.vertical(svg, logarithmic(fpr), label);
        }
        let x = frame.x(logarithmic(0.01));
        line(svg, "mark", [x, frame.top, x, frame.bottom()]);
        text(svg, "axis middle", frame.x(0.5), frame.bottom() + 30.0, "people called bots");
        for curve in curves {
            let _ =
                write!(svg, r#"<path class="curve {}" d="{}"/>"#, curve.class, steps(&frame, curve.value));
        }
    })
}

/// How likelihoods or scores of people (above) and bots (below) lie, on a square-root scale.
pub fn histogram(title: &str, histogram: &Histogram, ticks: &[(f64, &str)], axis: &str) -> String {
    let frame = Frame { left: 40.0, top: 10.0, width: 400.0, height: 190.0 };
    let middle = frame.y(0.5);
    let bins = histogram.people.len().max(1) as f64;
    chart(460.0, 240.0, title, |svg| {
        for (share, label) in [(0.01, "1 %"), (0.1, "10 %"), (0.5, "50 %"), (1.0_f64, "100 %")] {
            for direction in [1.0, -1.0] {
                frame.horizontal(svg, 0.5 + direction * share.sqrt() / 2.0, label);
            }
        }
        for (share, label) in ticks {
            frame.vertical(svg, *share, label);
        }
        let sides = [("people", &histogram.people, true), ("bots", &histogram.bots, false)];
        for (class, shares, upwards) in sides {
            for (index, share) in shares.iter().enumerate().filter(|(_, share)| **share > 0.0) {
                let height = share.sqrt() * frame.height / 2.0;
                let _ = write!(
                    svg,
                    r#"<rect class="{class}" x="{:.1}" y="{:.1}" width="{:.1}" height="{height:.1}"><title>{}</title></rect>"#,
                    frame.x(index as f64 / bins) + 0.75,
                    if upwards { middle - height } else { middle },
                    frame.width / bins - 1.5,
                    format_args!("{class}: {:.2} %", share * 100.0),
                );
            }
        }
        line(svg, "zero", [frame.left, middle, frame.right(), middle]);
        text(svg, "axis middle", frame.x(0.5), frame.bottom() + 30.0, axis);
        text(svg, "label people-text end", frame.right() - 4.0, frame.top + 12.0, "people ↑");
        text(svg, "label bots-text", frame.left + 4.0, frame.bottom() - 5.0, "bots ↓");
    })
}

/// Likelihood against the share of bots at it; on the diagonal a likelihood is a probability.
pub fn reliability(curves: &[Series<Calibration>]) -> String {
    let frame = Frame { left: 40.0, top: 10.0, width: 400.0, height: 190.0 };
    chart(460.0, 240.0, "Reliability", |svg| {
        for (share, label) in [(0.0, "0"), (0.25, ""), (0.5, "0.5"), (0.75, ""), (1.0, "1")] {
            frame.horizontal(svg, share, label);
            frame.vertical(svg, share, label);
        }
        line(svg, "diagonal", [frame.x(0.0), frame.y(0.0), frame.x(1.0), frame.y(1.0)]);
        text(svg, "axis middle", frame.x(0.5), frame.bottom() + 30.0, "bot likelihood given");
        for curve in curves {
            let bins = || curve.value.bins.iter().filter(|bin| bin.weight > 0.0);
            let places: Vec<String> = bins()
                .map(|bin| format!("{:.1},{:.1}", frame.x(bin.likelihood), frame.y(bin.bots)))
                .collect();
            let _ = write!(svg, r#"<polyline class="curve {}" points="{}"/>"#, curve.class, places.join(" "));
            for bin in bins() {
                let _ = write!(
                    svg,
                    r#"<circle class="{}" cx="{:.1}" cy="{:.1}" r="{:.1}"><title>likelihood {:.2}: {:.1} % bots, {:.1} % of the weight</title></circle>"#,
                    curve.class,
                    frame.x(bin.likelihood),
                    frame.y(bin.bots),
                    2.0 + 8.0 * bin.weight.sqrt(),
                    bin.likelihood,
                    bin.bots * 100.0,
                    bin.weight * 100.0
                );
            }
        }
    })
}

/// Figures by the seconds that were seen: class, name and one value per label.
pub fn lines(title: &str, labels: &[String], series: &[(&'static str, &str, Vec<f64>)]) -> String {
    let frame = Frame { left: 40.0, top: 20.0, width: 400.0, height: 180.0 };
    let place = |index: usize| frame.x((index as f64 + 0.5) / labels.len().max(1) as f64);
    chart(460.0, 240.0, title, |svg| {
        for (share, label) in [(0.0, "0"), (0.25, ""), (0.5, "0.5"), (0.75, ""), (1.0, "1")] {
            frame.horizontal(svg, share, label);
        }
        for (index, label) in labels.iter().enumerate() {
            text(svg, "tick middle", place(index), frame.bottom() + 14.0, label);
        }
        text(svg, "axis middle", frame.x(0.5), frame.bottom() + 30.0, "time seen");
        for (class, name, values) in series {
            let places: Vec<String> = values
                .iter()
                .enumerate()
                .map(|(index, value)| format!("{:.1},{:.1}", place(index), frame.y(*value)))
                .collect();
            let _ = write!(svg, r#"<polyline class="curve {class}" points="{}"/>"#, places.join(" "));
            for (index, value) in values.iter().enumerate() {
                let _ = write!(
                    svg,
                    r#"<circle class="{class}" cx="{:.1}" cy="{:.1}" r="3"><title>{name} {value:.4}</title></circle>"#,
                    place(index),
                    frame.y(*value)
                );
            }
            if let Some(first) = values.first() {
                // Above the first point of a falling corner the curve never passes.
                text(svg, &format!("label {class}-text"), place(0) - 12.0, frame.y(*first) - 9.0, name);
            }
        }
    })
}

fn chart(width: f64, height: f64, title: &str, draw: impl FnOnce(&mut String)) -> String {
    let mut svg = format!(
        r#"<svg viewBox="0 0 {width} {height}" role="img" aria-label="{0}"><title>{0}</title>"#,
        escape(title)
    );
    draw(&mut svg);
    svg.push_str("</svg>");
    svg
}

fn line(svg: &mut String, class: &str, [x1, y1, x2, y2]: [f64; 4]) {
    let _ = write!(svg, r#"<line class="{class}" x1="{x1:.1}" y1="{y1:.1}" x2="{x2:.1}" y2="{y2:.1}"/>"#);
}

fn text(svg: &mut String, class: &str, x: f64, y: f64, label: &str) {
    if !label.is_empty() {
        let _ = write!(svg, r#"<text class="{class}" x="{x:.1}" y="{y:.1}">{}</text>"#, escape(label));
    }
}

/// 0 for 0.1 % and less, 1 for 100 %.
fn logarithmic(fpr: f64) -> f64 {
    (fpr.max(0.001).log10() + 3.0) / 3.0
}

/// A path that keeps each rate until the next threshold gives a better one.
fn steps(frame: &Frame, roc: &Roc) -> String {
    let mut path = String::new();
    let (mut last_x, mut last_y) = (f64::NAN, f64::NAN);
    let start = roc.points().iter().rev().find(|point| point.fpr <= 0.001).map_or(0.0, |point| point.tpr);
    let _ = write!(path, "M{:.1} {:.1}", frame.x(0.0), frame.y(start));
    for point in roc.points().iter().filter(|point| point.fpr > 0.001) {
        let (x, y) = (frame.x(logarithmic(point.fpr)), frame.y(point.tpr));
        if (x - last_x).abs() < 0.3 && (y - last_y).abs() < 0.3 {
            continue;
        }
        let _ = write!(path, "H{x:.1}V{y:.1}");
        (last_x, last_y) = (x, y);
    }
    let _ = write!(path, "H{:.1}", frame.x(1.0));
    path
}

#[cfg(test)]
mod tests {
    use super::super::super::metrics::Weighted;
    use super::*;

    #[test]
    fn rates_of_rare_false_positives_have_room() {
        for (fpr, place) in [(0.0, 0.0), (0.001, 0.0), (0.01, 1.0 / 3.0), (0.1, 2.0 / 3.0), (1.0, 1.0)] {
            assert!((logarithmic(fpr) - place).abs() < 1e-9, "{fpr}");
        }
    }

    #[test]
    fn a_curve_begins_with_what_is_found_without_false_positives() {
        let likelihoods = |values: &[f64]| -> Vec<Weighted> {
            values.iter().map(|&likelihood| Weighted { likelihood, weight: 1.0 }).collect()
        };
        let roc = Roc::of(likelihoods(&[0.1, 0.6]), likelihoods(&[0.9, 0.2])).unwrap();
        let frame = Frame { left: 0.0, top: 0.0, width: 300.0, height: 100.0 };
        // Half is found at once, all from half of the people on; log10 of 0.5 is -0.301.
        assert_eq!(steps(&frame, &roc), "M0.0 50.0H269.9V50.0H269.9V0.0H300.0V0.0H300.0");
    }
}
