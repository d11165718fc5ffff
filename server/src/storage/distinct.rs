//! How many distinct ones there are: exactly while they are few, by a `HyperLogLog` sketch beyond.

use std::borrow::Cow;
use std::collections::BTreeMap;

use datasketches::hll::{HllSketch, HllType, HllUnion};
use serde::{Deserialize, Serialize};
use serde_bytes::ByteBuf;

use super::rollups::Digest;

/// A set of identities, each with the classes that it was seen as.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(try_from = "Stored", into = "Stored")]
pub enum Distinct {
    /// Every identity is known.
    Exact(Exact),
    /// There were too many: a sketch for each class.
    Sketched(BTreeMap<String, HllUnion>),
}

/// At most [`MOST_EXACT`] identities.
#[derive(Clone, Debug, Default)]
pub struct Exact {
    classes: Vec<String>,
    /// In the order of identity and class, each pair once; but for the last ones.
    entries: Vec<Entry>,
    /// Entries at the end that were added since they were last put in order.
    loose: usize,
}

/// An identity, its class as an index, and how often it was seen as that.
type Entry = (u64, u16, u64);

impl Default for Distinct {
    fn default() -> Self {
        Self::Exact(Exact::default())
    }
}

impl Distinct {
    /// The set of these members: class and identity.
    pub fn of<'a>(members: impl IntoIterator<Item = (&'a str, u64)>) -> Self {
        let mut exact = Exact::default();
        for (class, identity) in members {
            let class = exact.class(class);
            exact.entries.push((identity, class, 1));
        }
        exact.tidied()
    }

    /// How many there are.
    pub fn count(&self) -> u64 {
        match &*self.settled() {
            Self::Exact(exact) => exact.identities().count() as u64,
            Self::Sketched(sketches) => rounded(union(sketches.values()).estimate()),
        }
    }

    /// How many there are of each class; the sum is [`Distinct::count`]. An identity that was seen as several classes
    /// belongs to the one that it was seen as most often, of like ones to the first of `order`. When they are too many
    /// to be known, the classes' estimates are scaled to the whole's.
    pub fn by_class(&self, order: &[&str]) -> Vec<(String, u64)> {
        let rank = |class: &str| order.iter().position(|known| *known == class).unwrap_or(order.len());
        let mut counts: Vec<(String, u64)> = match &*self.settled() {
            Self::Exact(exact) => exact.by_class(rank),
            Self::Sketched(sketches) => {
                let total = rounded(union(sketches.values()).estimate());
                let parts = sketches.iter().map(|(class, sketch)| (class.as_str(), sketch.estimate()));
                scaled(parts.collect(), total)
            }
        };
        counts.retain(|(_, count)| *count > 0);
        counts.sort_by_key(|(class, _)| rank(class));
        counts
    }

    /// Whether the figures are exact.
    pub fn is_exact(&self) -> bool {
        matches!(&*self.settled(), Self::Exact(_))
    }

    /// With nothing loose.
    fn settled(&self) -> Cow<'_, Self> {
        match self {
            Self::Exact(exact) if exact.loose > 0 => Cow::Owned(exact.clone().tidied()),
            _ => Cow::Borrowed(self),
        }
    }
}

impl Digest for Distinct {
    fn merge(&mut self, other: Self) {
        *self = match (std::mem::take(self), other) {
            (Self::Exact(mut left), Self::Exact(right)) => {
                let classes: Vec<u16> = right.classes.iter().map(|class| left.class(class)).collect();
                left.loose += right.entries.len();
                left.entries.extend(right.entries.iter().map(|(identity, class, count)| {
                    (*identity, classes.get(usize::from(*class)).copied().unwrap_or_default(), *count)
                }));
                if left.loose > MOST_LOOSE { left.tidied() } else { Self::Exact(left) }
            }
            (Self::Exact(exact), Self::Sketched(mut sketches))
            | (Self::Sketched(mut sketches), Self::Exact(exact)) => {
                exact.sketch_into(&mut sketches);
                Self::Sketched(sketches)
            }
            (Self::Sketched(mut left), Self::Sketched(right)) => {
                for (class, sketch) in right {
                    match left.get_mut(&class) {
                        Some(known) => known.update(&sketch.to_sketch(HllType::Hll8)),
                        None => drop(left.insert(class, sketch)),
                    }
                }
                Self::Sketched(left)
            }
        };
    }

    fn shrink(&mut self) {
        if let Self::Exact(exact) = self {
            *self = std::mem::take(exact).tidied();
        }
    }
}

impl Exact {
    fn class(&mut self, name: &str) -> u16 {
        let known = self.classes.iter().position(|class| class == name);
        let index = known.unwrap_or_else(|| {
            self.classes.push(name.to_owned());
            self.classes.len() - 1
        });
        u16::try_from(index).unwrap_or(u16::MAX)
    }

    /// In order, each pair once; a sketch if there are too many.
    fn tidied(mut self) -> Distinct {
        // Some sorted runs: the stable sort finds them.
        self.entries.sort_by_key(|(identity, class, _)| (*identity, *class));
        self.entries.dedup_by(|next, kept| {
            let is_same = (next.0, next.1) == (kept.0, kept.1);
            kept.2 += if is_same { next.2 } else { 0 };
            is_same
        });
        self.loose = 0;
        if self.entries.len() > MOST_EXACT && self.identities().count() > MOST_EXACT {
            let mut sketches = BTreeMap::new();
            self.sketch_into(&mut sketches);
            return Distinct::Sketched(sketches);
        }
        Distinct::Exact(self)
    }

    /// The entries of each identity.
    fn identities(&self) -> impl Iterator<Item = &[Entry]> {
        self.entries.chunk_by(|left, right| left.0 == right.0)
    }

    fn by_class(&self, rank: impl Fn(&str) -> usize) -> Vec<(String, u64)> {
        let name = |class: u16| self.classes.get(usize::from(class)).map_or("", String::as_str);
        let mut counts: BTreeMap<&str, u64> = BTreeMap::new();
        for entries in self.identities() {
            let most = entries
                .iter()
                .max_by_key(|(_, class, count)| (*count, std::cmp::Reverse(rank(name(*class)))));
            if let Some((_, class, _)) = most {
                *counts.entry(name(*class)).or_default() += 1;
            }
        }
        counts.into_iter().map(|(class, count)| (class.to_owned(), count)).collect()
    }

    fn sketch_into(&self, sketches: &mut BTreeMap<String, HllUnion>) {
        let mut of_class: Vec<HllUnion> =
            self.classes.iter().map(|class| sketches.remove(class).unwrap_or_else(empty)).collect();
        for (identity, class, _) in &self.entries {
            if let Some(sketch) = of_class.get_mut(usize::from(*class)) {
                sketch.update_value(identity);
            }
        }
        sketches.extend(self.classes.iter().cloned().zip(of_class));
    }
}

/// The form in storage: identities as eight bytes each, sketches as the bytes that their library documents.
#[derive(Deserialize, Serialize)]
enum Stored {
    Exact { classes: Vec<String>, identities: ByteBuf, seen: Vec<(u16, u64)> },
    Sketched(Vec<(String, ByteBuf)>),
}

impl From<Distinct> for Stored {
    fn from(distinct: Distinct) -> Self {
        match distinct.settled().into_owned() {
            Distinct::Exact(Exact { classes, entries, .. }) => Self::Exact {
                classes,
                identities: entries
                    .iter()
                    .flat_map(|entry| entry.0.to_le_bytes())
                    .collect::<Vec<u8>>()
                    .into(),
                seen: entries.iter().map(|(_, class, count)| (*class, *count)).collect(),
            },
            Distinct::Sketched(sketches) => Self::Sketched(
                sketches
                    .into_iter()
                    .map(|(class, sketch)| (class, sketch.to_sketch(HllType::Hll4).serialize().into()))
                    .collect(),
            ),
        }
    }
}

impl TryFrom<Stored> for Distinct {
    type Error = String;

    fn try_from(stored: Stored) -> Result<Self, String> {
        Ok(match stored {
            Stored::Exact { classes, identities, seen } => {
                let identities = identities.as_chunks().0.iter().map(|bytes| u64::from_le_bytes(*bytes));
                let entries = identities.zip(seen).map(|(identity, (class, count))| (identity, class, count));
                Self::Exact(Exact { classes, entries: entries.collect(), loose: 0 })
            }
            Stored::Sketched(sketches) => Self::Sketched(
                sketches
                    .into_iter()
                    .map(|(class, bytes)| {
                        let sketch = HllSketch::deserialize(&bytes).map_err(|error| error.to_string())?;
                        Ok((class, union([&sketch])))
                    })
                    .collect::<Result<_, String>>()?,
            ),
        })
    }
}

/// Something that can be put into a union.
trait Sketch {
    fn put_into(&self, union: &mut HllUnion);
}

impl Sketch for &HllSketch {
    fn put_into(&self, union: &mut HllUnion) {
        union.update(self);
    }
}

impl Sketch for &HllUnion {
    fn put_into(&self, union: &mut HllUnion) {
        union.update(&self.to_sketch(HllType::Hll8));
    }
}

fn union(sketches: impl IntoIterator<Item = impl Sketch>) -> HllUnion {
    let mut union = empty();
    sketches.into_iter().for_each(|sketch| sketch.put_into(&mut union));
    union
}

#[expect(clippy::expect_used, reason = "the exponent is within the library's bounds, 4 to 21")]
fn empty() -> HllUnion {
    HllUnion::new(LOG_REGISTERS).expect("a union with 2^15 registers")
}

/// Whole numbers in the proportion of the parts that sum to the total (largest remainder).
fn scaled(parts: Vec<(&str, f64)>, total: u64) -> Vec<(String, u64)> {
    let sum: f64 = parts.iter().map(|(_, part)| part).sum();
    let shares = parts.into_iter().map(|(name, part)| (name, part / sum.max(1.0) * total as f64));
    let mut shares: Vec<(&str, f64)> = shares.collect();
    shares.sort_by(|left, right| right.1.fract().total_cmp(&left.1.fract()));
    let mut rest = total - shares.iter().map(|(_, share)| floor(*share)).sum::<u64>().min(total);
    let whole = shares.into_iter().map(|(name, share)| {
        let extra = u64::from(rest > 0);
        rest -= extra;
        (name.to_owned(), floor(share) + extra)
    });
    whole.collect()
}

fn rounded(estimate: f64) -> u64 {
    floor(estimate + 0.5)
}

#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "counts are far below 2^53")]
fn floor(number: f64) -> u64 {
    number.max(0.0) as u64
}

/// Identities that are known one by one.
pub const MOST_EXACT: usize = 10_000;

/// Entries that wait to be put in order.
const MOST_LOOSE: usize = 4 * MOST_EXACT;

/// 2^15 registers: a standard error of 1.04 / sqrt(2^15) = 0.57 %.
const LOG_REGISTERS: u8 = 15;

#[cfg(test)]
mod tests {
    use super::*;

    /// Even hashes from counters (the finisher of `SplitMix64`).
    fn hash(number: u64) -> u64 {
        let mixed = number.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (mixed ^ mixed >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ mixed >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ mixed >> 31
    }

    fn stored_and_read(distinct: &Distinct) -> Distinct {
        Distinct::decode(&distinct.encode().unwrap()).unwrap()
    }

    #[test]
    fn counts_are_exact_up_to_ten_thousand() {
        let mut distinct = Distinct::default();
        for part in 0..9 {
            let members = (0..2_000).map(|number| ("bot", hash(part * 1_000 + number)));
            distinct.merge(stored_and_read(&Distinct::of(members)));
        }
        assert_eq!((distinct.count(), distinct.is_exact()), (10_000, true));
        distinct.merge(Distinct::of([("bot", hash(10_000))]));
        assert!(!distinct.is_exact());
    }

    #[test]
    fn an_identity_belongs_to_the_class_that_it_was_seen_as_most() {
        let order = ["agent", "crawler", "scraper"];
        let distinct = Distinct::of([
            ("crawler", 1),
            ("crawler", 1),
            ("agent", 1),
            ("scraper", 2),
            ("crawler", 2),
            ("scraper", 3),
        ]);
        assert_eq!(distinct.by_class(&order), [("crawler".to_owned(), 2), ("scraper".to_owned(), 1)]);
        assert_eq!(distinct.count(), 3);
    }

    #[test]
    fn sketches_are_within_their_error_and_their_classes_sum_to_the_whole() {
        for size in [10_010, 40_000, 300_000] {
            let mut distinct = Distinct::default();
            for part in 0..10 {
                let members = (0..size / 10).map(|number| {
                    let number = part * (size / 10) + number;
                    (if number % 4 == 0 { "agent" } else { "crawler" }, hash(number))
                });
                distinct.merge(stored_and_read(&Distinct::of(members)));
            }
            let distinct = stored_and_read(&distinct);
            assert!(!distinct.is_exact());
            // Three standard errors.
            let is_near = |found: u64, true_size: f64| (found as f64 / true_size - 1.0).abs() < 0.0172;
            assert!(is_near(distinct.count(), size as f64), "{size}: {}", distinct.count());
            let classes = distinct.by_class(&["agent", "crawler"]);
            assert_eq!(classes.iter().map(|(_, count)| count).sum::<u64>(), distinct.count());
            assert!(is_near(classes[0].1, size as f64 / 4.0), "{size}: {classes:?}");
        }
    }

    #[test]
    fn what_cannot_be_read_is_an_error() {
        assert!(Distinct::decode(&[9, 9, 9]).is_err());
        assert!(Distinct::decode(&[1, 1, 1, b'a', 2, 0, 0]).is_err());
    }
}
