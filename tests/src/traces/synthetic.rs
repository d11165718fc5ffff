//! Made-up tools, so that the model is trained on more kinds than the recorded ones: each takes a person's recording,
//! keeps its way-points, rests and presses, and moves between them in a way of its own.
//!
//! They are general families with wide ranges, not copies of any library; a fit that leaves a recorded tool out also
//! leaves out the family nearest to it (`xtask/train/train.py`). Nothing of them is stored.

use super::Trace;

/// The names of the families.
pub const FAMILIES: [&str; 10] = [
    "eased_line",
    "eased_curve",
    "jittered_line",
    "jittered_curve",
    "steered",
    "segmented",
    "replay_white",
    "replay_smooth",
    "affine",
    "splice",
];

/// Rests at least this long separate strokes, in milliseconds.
const REST_MS: f64 = 200.0;

/// Every family's imitation of a person's recording; `donors` are recordings of other people by the same recorder.
pub fn imitations(trace: &Trace, donors: &[&Trace]) -> Vec<Trace> {
    FAMILIES
        .iter()
        .filter_map(|family| {
            let mut chance = Chance::seeded(&format!("{} {family}", trace.name()));
            let (t, x, y, e) = match *family {
                "replay_white" | "replay_smooth" => replay(trace, *family == "replay_white", &mut chance),
                "affine" => affine(trace, &mut chance),
                _ => travel(trace, family, donors, &mut chance)?,
            };
            Some(Trace { t, x, y, e, ..made_up(trace, family) })
        })
        .collect()
}

/// What a made-up recording is called and belongs to, without its events.
fn made_up(trace: &Trace, family: &str) -> Trace {
    Trace {
        folder: "synthetic".to_owned(),
        file: family.to_owned(),
        fold: trace.fold,
        id: trace.name().replace('/', "-"),
        label: 1,
        source: trace.source.clone(),
        generator: Some(family.to_owned()),
        track: Some("synthetic".to_owned()),
        ..Trace::default()
    }
}

type Events = (Vec<f64>, Vec<f64>, Vec<f64>, String);

/// Deterministic pseudo-random numbers (SplitMix64).
struct Chance(u64);

impl Chance {
    fn seeded(text: &str) -> Self {
        // FNV-1a.
        Self(
            text.bytes().fold(0xcbf2_9ce4_8422_2325, |hash, byte| {
                (hash ^ u64::from(byte)).wrapping_mul(0x100_0000_01b3)
            }),
        )
    }

    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    fn between(&mut self, low: f64, high: f64) -> f64 {
        low + (high - low) * ((self.next() >> 11) as f64 / (1_u64 << 53) as f64)
    }

    fn one_in(&mut self, parts: u64) -> bool {
        self.next().is_multiple_of(parts)
    }

    /// About normal, by the sum of twelve.
    fn normal(&mut self, deviation: f64) -> f64 {
        (0..12).map(|_| self.between(-0.5, 0.5)).sum::<f64>() * deviation
    }

    fn direction(&mut self) -> (f64, f64) {
        loop {
            let (x, y) = (self.between(-1.0, 1.0), self.between(-1.0, 1.0));
            let length = (x * x + y * y).sqrt();
            if length > 0.1 && length < 1.0 {
                return (x / length, y / length);
            }
        }
    }
}

/// A session played again with noise on places and times.
fn replay(trace: &Trace, is_white: bool, chance: &mut Chance) -> Events {
    let (pixels, ms) = (chance.between(0.7, 3.0), chance.between(0.0, 8.0));
    let memory = if is_white { 0.0 } else { chance.between(0.6, 0.97) };
    let fresh = (1.0_f64 - memory * memory).sqrt();
    let pixels = if is_white { pixels } else { pixels * 2.0 };
    let (mut noise_x, mut noise_y, mut last) = (0.0, 0.0, 0.0_f64);
    let (mut t, mut x, mut y) = (Vec::new(), Vec::new(), Vec::new());
    for ((time, at_x), at_y) in trace.t.iter().zip(&trace.x).zip(&trace.y) {
        noise_x = memory * noise_x + fresh * chance.normal(pixels);
        noise_y = memory * noise_y + fresh * chance.normal(pixels);
        last = last.max((time + chance.normal(ms)).round());
        t.push(last);
        x.push((at_x + noise_x).round());
        y.push((at_y + noise_y).round());
    }
    (t, x, y, trace.e.clone())
}

/// A session turned, stretched and slowed as a whole, to fit another page.
fn affine(trace: &Trace, chance: &mut Chance) -> Events {
    let (cosine, sine) = chance.direction();
    let (wide, high, slow) = (chance.between(0.6, 1.6), chance.between(0.6, 1.6), chance.between(0.7, 1.4));
    let places = trace.x.iter().zip(&trace.y);
    let x = places.clone().map(|(x, y)| ((x * cosine - y * sine) * wide).round()).collect();
    let y = places.map(|(x, y)| ((x * sine + y * cosine) * high).round()).collect();
    (trace.t.iter().map(|time| (time * slow).round()).collect(), x, y, trace.e.clone())
}

/// A part of a session: a rest, then a stroke to a place or an event at a place.
enum Part {
    Stroke { rest: f64, ms: f64, to: (f64, f64) },
    Event { rest: f64, kind: char, at: (f64, f64) },
}

fn parts(trace: &Trace, is_merging: bool) -> Vec<Part> {
    let mut parts: Vec<Part> = Vec::new();
    let (mut last, mut in_stroke) = (0.0, false);
    for (((kind, time), x), y) in trace.e.chars().zip(&trace.t).zip(&trace.x).zip(&trace.y) {
        let (gap, at) = (time - last, (*x, *y));
        last = *time;
        if kind != 'm' {
            in_stroke = false;
            parts.push(Part::Event { rest: gap, kind, at });
            continue;
        }
        let is_going_on = in_stroke && (gap <= REST_MS || is_merging);
        match parts.last_mut() {
            Some(Part::Stroke { ms, to, .. }) if is_going_on => {
                // What a merged stroke rests inside is not travelled.
                *ms += gap.min(REST_MS);
                *to = at;
            }
            _ => parts.push(Part::Stroke { rest: gap, ms: 0.0, to: at }),
        }
        in_stroke = true;
    }
    parts
}

/// The intervals between a recorder's events while the pointer moves.
fn intervals(trace: &Trace) -> Vec<f64> {
    let moves = trace.e.as_bytes().windows(2).map(|pair| pair == b"mm");
    trace
        .t
        .windows(2)
        .zip(moves)
        .filter_map(|(times, is_move)| match times {
            [before, after] if is_move && after - before <= REST_MS => Some(after - before),
            _ => None,
        })
        .collect()
}

/// Moves from way-point to way-point in the family's manner.
fn travel(trace: &Trace, family: &str, donors: &[&Trace], chance: &mut Chance) -> Option<Events> {
    let intervals = intervals(trace);
    if intervals.iter().sum::<f64>() <= 0.0 {
        return None;
    }
    let manner = Manner::of(family, donors, chance)?;
    let mut next_interval = 0;
    let mut events: Events = Default::default();
    let mut at = (*trace.x.first()?, *trace.y.first()?);
    let mut time = 0.0;
    let push = |events: &mut Events, time: f64, at: (f64, f64), kind: char| {
        events.0.push(f64::round(time));
        events.1.push(f64::round(at.0));
        events.2.push(f64::round(at.1));
        events.3.push(kind);
    };
    let is_merging = chance.one_in(2);
    for part in parts(trace, is_merging) {
        match part {
            Part::Event { rest, kind, at: place } => {
                time += rest;
                if kind == 'x' {
                    at = place;
                }
                push(&mut events, time, at, kind);
            }
            Part::Stroke { rest, ms, to } => {
                time += rest;
                let (dx, dy) = (to.0 - at.0, to.1 - at.1);
                let distance = (dx * dx + dy * dy).sqrt();
                if distance < 6.0 {
                    time += ms;
                    continue;
                }
                let stroke = manner.stroke(distance, ms, chance);
                let (begin, from) = (time, at);
                let mut last = at;
                loop {
                    time += intervals[next_interval % intervals.len()];
                    next_interval += 1;
                    let done = ((time - begin) / stroke.ms).min(1.0);
                    let (along, aside) = stroke.at(done);
                    at = (from.0 + dx * along - dy * aside, from.1 + dy * along + dx * aside);
                    if done < 1.0 && stroke.noise > 0.0 {
                        at = (at.0 + chance.normal(stroke.noise), at.1 + chance.normal(stroke.noise));
                    }
                    let place = (at.0.round(), at.1.round());
                    if place != last {
                        push(&mut events, time, place, 'm');
                        last = place;
                    }
                    if done >= 1.0 {
                        break;
                    }
                }
            }
        }
    }
    Some(events)
}

/// How a made-up tool moves in one session.
struct Manner<'a> {
    family: &'a str,
    /// Exponents of the speed's rise and fall.
    rise: f64,
    fall: f64,
    bend: f64,
    noise: f64,
    wave: f64,
    /// Duration: own (base and per doubling of the distance) or the person's.
    own_duration: Option<(f64, f64)>,
    strokes: Vec<Stroke>,
}

/// One movement: places along and aside the way, at even times.
#[derive(Clone)]
struct Stroke {
    ms: f64,
    noise: f64,
    points: Vec<(f64, f64)>,
}

impl Stroke {
    fn at(&self, done: f64) -> (f64, f64) {
        let place = done * (self.points.len() - 1) as f64;
        let index = (place as usize).min(self.points.len() - 2);
        let part = place - index as f64;
        let (from, to) = (self.points[index], self.points[index + 1]);
        (from.0 + (to.0 - from.0) * part, from.1 + (to.1 - from.1) * part)
    }
}

const POINTS: usize = 129;

impl<'a> Manner<'a> {
    fn of(family: &'a str, donors: &[&Trace], chance: &mut Chance) -> Option<Self> {
        let is_jittered = family.starts_with("jittered");
        let strokes = if family == "splice" {
            let strokes: Vec<Stroke> = (0..3)
                .filter_map(|_| donors.get(chance.next() as usize % donors.len().max(1)))
                .flat_map(|donor| recorded_strokes(donor))
                .collect();
            if strokes.is_empty() {
                return None;
            }
            strokes
        } else {
            Vec::new()
        };
        Some(Self {
            family,
            rise: chance.between(0.0, 3.0),
            fall: chance.between(0.0, 4.0),
            bend: chance.between(0.02, 0.5),
            noise: if is_jittered {
                chance.between(0.2, 2.0) * if chance.one_in(2) { 1.0 } else { 0.0 }
            } else {
                0.0
            },
            wave: if is_jittered { chance.between(0.5, 8.0) } else { 0.0 },
            own_duration: (!chance.one_in(3))
                .then(|| (chance.between(50.0, 400.0), chance.between(30.0, 150.0))),
            strokes,
        })
    }

    fn stroke(&self, distance: f64, ms: f64, chance: &mut Chance) -> Stroke {
        let ms = self.own_duration.map_or(ms.max(50.0), |(base, doubling)| {
            (base + doubling * (distance / 10.0 + 1.0).log2()) * chance.between(0.9, 1.1)
        });
        match self.family {
            "splice" => self.spliced(chance),
            "steered" => Stroke { ms, noise: 0.0, points: steered(chance) },
            "segmented" => Stroke { ms, noise: 0.0, points: self.segmented(chance) },
            _ => self.eased(distance, ms, chance),
        }
    }

    /// A smooth rise and fall of speed over a line or a curve, with or without noise.
    fn eased(&self, distance: f64, ms: f64, chance: &mut Chance) -> Stroke {
        let progress = bell(self.rise, self.fall);
        let is_curve = self.family.ends_with("curve");
        let (first, second) = if is_curve {
            let side = if chance.one_in(2) { self.bend } else { -self.bend };
            (side * chance.between(0.3, 1.0), side * chance.between(-0.4, 1.0))
        } else {
            (0.0, 0.0)
        };
        let wave_x = wave(chance, self.wave / distance);
        let wave_y = wave(chance, self.wave / distance);
        let points = (0..POINTS)
            .map(|index| {
                let s = progress[index];
                let rest = 1.0 - s;
                let aside = 3.0 * rest * rest * s * first + 3.0 * rest * s * s * second;
                (s + wave_x[index], aside + wave_y[index])
            })
            .collect();
        Stroke { ms, noise: self.noise, points }
    }

    /// Two to four smooth sub-movements that overlap or stop in between.
    fn segmented(&self, chance: &mut Chance) -> Vec<(f64, f64)> {
        let count = 2 + chance.next() as usize % 3;
        let pulses: Vec<(f64, f64, f64, f64)> = (0..count)
            .map(|index| {
                let begin = if index == 0 { 0.0 } else { chance.between(0.1, 0.6) };
                let share = if index == 0 { chance.between(0.7, 1.1) } else { chance.between(0.02, 0.3) };
                (begin, chance.between(0.3, 1.0 - begin).max(0.2), share, chance.normal(0.05))
            })
            .collect();
        let smooth = bell(2.0, 2.0);
        let total: f64 = pulses.iter().map(|(.., share, _)| share).sum();
        let aside_total: f64 = pulses.iter().map(|(.., aside)| aside).sum();
        (0..POINTS)
            .map(|index| {
                let done = index as f64 / (POINTS - 1) as f64;
                let (mut along, mut aside) = (0.0, 0.0);
                for (begin, length, share, side) in &pulses {
                    let part = ((done - begin) / length.min(1.0 - begin)).clamp(0.0, 1.0);
                    let s = smooth[(part * (POINTS - 1) as f64) as usize];
                    along += share * s;
                    aside += side * s;
                }
                (along / total, aside - aside_total * along / total)
            })
            .collect()
    }

    /// Any recorded stroke, turned and scaled onto the way by whoever lays it there.
    fn spliced(&self, chance: &mut Chance) -> Stroke {
        self.strokes[chance.next() as usize % self.strokes.len()].clone()
    }
}

/// Progress from 0 to 1 whose speed is t^rise (1 - t)^fall.
fn bell(rise: f64, fall: f64) -> Vec<f64> {
    let mut progress = vec![0.0];
    let mut sum = 0.0;
    for index in 1..POINTS {
        let middle = (index as f64 - 0.5) / (POINTS - 1) as f64;
        sum += middle.powf(rise) * (1.0 - middle).powf(fall);
        progress.push(sum);
    }
    progress.iter().map(|value| value / sum).collect()
}

/// Smooth noise that begins and ends at 0.
fn wave(chance: &mut Chance, size: f64) -> Vec<f64> {
    let knots = 3 + chance.next() as usize % 12;
    let mut values: Vec<f64> = (0..=knots).map(|_| chance.normal(size)).collect();
    (values[0], values[knots]) = (0.0, 0.0);
    (0..POINTS)
        .map(|index| {
            let place = index as f64 / (POINTS - 1) as f64 * knots as f64;
            let knot = (place as usize).min(knots - 1);
            let part = place - knot as f64;
            let smooth = part * part * (3.0 - 2.0 * part);
            values[knot] + (values[knot + 1] - values[knot]) * smooth
        })
        .collect()
}

/// A walk with inertia that is drawn to the target and pushed aside at random.
fn steered(chance: &mut Chance) -> Vec<(f64, f64)> {
    let (pull, drag, push) =
        (chance.between(0.001, 0.01), chance.between(0.85, 0.98), chance.between(0.0005, 0.01));
    let (mut at, mut speed) = ((0.0_f64, 0.0_f64), (0.0_f64, 0.0_f64));
    let mut points = vec![at];
    for _ in 1..POINTS {
        speed.0 = drag * speed.0 + pull * (1.0 - at.0) + chance.normal(push);
        speed.1 = drag * speed.1 - pull * at.1 + chance.normal(push);
        at = (at.0 + speed.0, at.1 + speed.1);
        points.push(at);
    }
    // The walk's end is laid onto the target.
    let size = at.0 * at.0 + at.1 * at.1;
    if size < 0.01 {
        return bell(2.0, 2.0).into_iter().map(|s| (s, 0.0)).collect();
    }
    points.iter().map(|p| ((p.0 * at.0 + p.1 * at.1) / size, (p.1 * at.0 - p.0 * at.1) / size)).collect()
}

/// The strokes of a recording, each laid from (0, 0) to (1, 0), at their own times.
fn recorded_strokes(trace: &Trace) -> Vec<Stroke> {
    let mut strokes = Vec::new();
    let mut open: Vec<(f64, f64, f64)> = Vec::new();
    let mut end = |open: &mut Vec<(f64, f64, f64)>| {
        let points = std::mem::take(open);
        let (Some(first), Some(last)) = (points.first(), points.last()) else { return };
        let (dx, dy, ms) = (last.1 - first.1, last.2 - first.2, last.0 - first.0);
        let size = dx * dx + dy * dy;
        if points.len() < 4 || size < 900.0 || ms < 80.0 {
            return;
        }
        let mut even = Vec::with_capacity(POINTS);
        let mut next = 1;
        for index in 0..POINTS {
            let time = first.0 + ms * index as f64 / (POINTS - 1) as f64;
            while next + 1 < points.len() && points[next].0 < time {
                next += 1;
            }
            let (before, after) = (points[next - 1], points[next]);
            let part = if after.0 > before.0 {
                ((time - before.0) / (after.0 - before.0)).clamp(0.0, 1.0)
            } else {
                1.0
            };
            let (x, y) = (
                before.1 + (after.1 - before.1) * part - first.1,
                before.2 + (after.2 - before.2) * part - first.2,
            );
            even.push(((x * dx + y * dy) / size, (y * dx - x * dy) / size));
        }
        strokes.push(Stroke { ms, noise: 0.0, points: even });
    };
    let mut last = 0.0;
    for (((kind, time), x), y) in trace.e.chars().zip(&trace.t).zip(&trace.x).zip(&trace.y) {
        if kind != 'm' || time - last > REST_MS {
            end(&mut open);
        }
        if kind == 'm' {
            open.push((*time, *x, *y));
        }
        last = *time;
    }
    end(&mut open);
    strokes
}

/// The names of the families that type.
pub const TYPING_FAMILIES: [&str; 3] = ["typed_even", "typed_uniform", "typed_normal"];

/// Every typing family's imitation of a person's typing: the same keys, with delays and holds of a program.
pub fn typings(trace: &Trace) -> Vec<Trace> {
    TYPING_FAMILIES
        .iter()
        .map(|family| {
            let mut chance = Chance::seeded(&format!("{} {family}", trace.name()));
            let (delay, hold) = (chance.between(0.0, 250.0), chance.between(0.0, 120.0));
            let (vary_delay, vary_hold) = (chance.between(0.02, 0.9), chance.between(0.0, 0.6));
            let is_held = chance.one_in(2);
            let mut drawn = |middle: f64, vary: f64| match *family {
                "typed_even" => middle + chance.between(0.0, 1.5),
                "typed_uniform" => middle * chance.between(1.0 - vary, 1.0 + vary),
                _ => (middle + chance.normal(middle * vary * 0.5)).max(0.0),
            };
            let (mut time, mut t, mut k, mut e) = (0.0_f64, Vec::new(), Vec::new(), String::new());
            for (slot, _) in trace.k.iter().zip(trace.e.chars()).filter(|(_, kind)| *kind == 'd') {
                for (kind, pause) in [
                    ('d', drawn(delay, vary_delay)),
                    ('u', if is_held { drawn(hold, vary_hold) } else { 0.0 }),
                ] {
                    time += pause;
                    t.push(time.round());
                    k.push(*slot);
                    e.push(kind);
                }
            }
            Trace { t, k, e, ..made_up(trace, family) }
        })
        .collect()
}
