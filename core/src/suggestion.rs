//! The word that a slip was meant for.

/// `did you mean …?` for the known word that is close to this one.
pub(crate) fn suggestion<'a>(word: &str, known: impl IntoIterator<Item = &'a str>) -> Option<String> {
    let folded = word.to_ascii_lowercase();
    let distance = |known: &str| strsim::osa_distance(&folded, &known.to_ascii_lowercase());
    let closest = known.into_iter().map(|known| (distance(known), known)).min()?;
    let (distance, known) = closest;
    (distance <= MOST_SLIPS && distance * 3 <= known.len()).then(|| format!("did you mean {known}?"))
}

/// Mistyped letters that still are a slip; beside, at most one in three.
const MOST_SLIPS: usize = 3;
