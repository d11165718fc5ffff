//! Questions that carry a relation over to something else.

use super::draw::{Draw, clock, list};
use super::family::{Asked, Category, Family};
use super::words::{KINDS, SHORT_NOUNS};

pub(super) const FAMILIES: &[Family] = &[
    Family::new(Category::Analogy, "analogy-letters", letters),
    Family::new(Category::Analogy, "analogy-spelling", spelling),
    Family::new(Category::Analogy, "analogy-numbers", numbers),
    Family::new(Category::Analogy, "analogy-kin", kin),
    Family::new(Category::Analogy, "analogy-compass", compass),
    Family::new(Category::Analogy, "analogy-clock", times),
    Family::new(Category::Analogy, "analogy-row", row),
    Family::new(Category::Analogy, "analogy-language", language),
];

/// Letter strings, each letter moved by the same number of places.
fn letters(draw: &mut Draw) -> Asked {
    let shift = u8::try_from(draw.number(1..=6)).unwrap_or(1);
    let mut pair = || {
        // The first 20 letters can be moved by 6 without leaving the alphabet.
        let from: [u8; 3] = draw.numbers::<3>(0..=19).map(|place| b'A' + u8::try_from(place).unwrap_or(0));
        let to = from.map(|letter| letter + shift);
        (String::from_utf8_lossy(&from).into_owned(), String::from_utf8_lossy(&to).into_owned())
    };
    let ((a, b), (c, d), (e, answer)) = (pair(), pair(), pair());
    let only = draw.letters_only();
    let question = draw.wording([
        format!("{a} is to {b}, and {c} is to {d}, as {e} is to what? {only}"),
        format!("If {a} becomes {b} and {c} becomes {d}, what does {e} become by the same rule? {only}"),
        format!("By moving letters along the alphabet, {a} turns into {b} and {c} into {d}. Into what does {e} turn? {only}"),
    ]);
    (question, answer.to_lowercase())
}

/// Words changed by the same rule; the examples leave only one rule.
fn spelling(draw: &mut Draw) -> Asked {
    let (words, rule) = loop {
        let words = draw.words::<3>(SHORT_NOUNS);
        let rule = draw.any(RULES.iter()).copied().unwrap_or(backwards);
        let [first, second, asked] = words.map(rule);
        let fits = |other: &Rule| words.map(other).starts_with(&[first.clone(), second.clone()]);
        if RULES
            .iter()
            .filter(|other| fits(other))
            .all(|other| words.map(other).ends_with(std::slice::from_ref(&asked)))
        {
            break (words, rule);
        }
    };
    let ([a, c, e], [b, d, answer]) = (words, words.map(rule));
    let only = draw.letters_only();
    let question = draw.wording([
        format!("\"{a}\" is to \"{b}\", and \"{c}\" is to \"{d}\", as \"{e}\" is to what? {only}"),
        format!("A machine turns \"{a}\" into \"{b}\" and \"{c}\" into \"{d}\". What does it make of \"{e}\"? {only}"),
        format!("By one and the same change of spelling {a} gives {b} and {c} gives {d}. What does {e} give? {only}"),
    ]);
    (question, answer)
}

type Rule = fn(&str) -> String;

const RULES: &[Rule] = &[
    backwards,
    |word| word.chars().skip(1).collect(),
    |word| word.chars().take(word.len() - 1).collect(),
    |word| word.chars().skip(1).chain(word.chars().take(1)).collect(),
    |word| word.chars().skip(word.len() - 1).chain(word.chars().take(word.len() - 1)).collect(),
    |word| word.chars().take(1).chain(word.chars()).collect(),
    |word| word.chars().chain(word.chars().skip(word.len() - 1)).collect(),
    |word| {
        let middle = word.chars().skip(1).take(word.len() - 2);
        word.chars().skip(word.len() - 1).chain(middle).chain(word.chars().take(1)).collect()
    },
];

fn backwards(word: &str) -> String {
    word.chars().rev().collect()
}

fn numbers(draw: &mut Draw) -> Asked {
    let (factor, added) = (draw.number(2..=9), draw.number(1..=30));
    let from = draw.numbers::<4>(2..=30);
    let [(a, b), (c, d), (e, f), (g, answer)] = from.map(|number| (number, factor * number + added));
    let only = draw.number_only();
    let question = draw.wording([
        format!("{a} is to {b}, {c} is to {d} and {e} is to {f} as {g} is to what? The rule is one multiplication and then one addition. {only}"),
        format!("A machine multiplies by a fixed number and then adds another fixed number. It turns {a} into {b}, {c} into {d} and {e} into {f}. Into what does it turn {g}? {only}"),
        format!("Multiplying by a secret number and adding a second one relates {a} to {b}, {c} to {d} and {e} to {f}. To what does the same rule relate {g}? {only}"),
    ]);
    (question, answer.to_string())
}

/// Two families of the same shape: a grandparent, two children, one grandchild.
fn kin(draw: &mut Draw) -> Asked {
    let [here @ .., a, b, c, d] = draw.names::<8>();
    let there = [a, b, c, d];
    let family = |[elder, parent, other, child]: [&str; 4]| {
        [
            format!("{parent} and {other} are the only children of {elder}."),
            format!("{child} is the only child of {parent}."),
            format!("{other} has no children."),
        ]
    };
    let mut facts: Vec<String> = [here, there].into_iter().flat_map(family).collect();
    draw.shuffle(&mut facts);
    let (from, to) = draw
        .any([(0, 3), (3, 0), (1, 3), (3, 1), (1, 2), (2, 1), (2, 3), (3, 2), (1, 0), (2, 0)].into_iter())
        .unwrap_or_default();
    let name = |family: [&'static str; 4], place: usize| family.get(place).copied().unwrap_or_default();
    let (one, other, asked, answer) = (name(here, from), name(here, to), name(there, from), name(there, to));
    let (facts, only) = (facts.join(" "), draw.name_only());
    let question = draw.wording([
        format!("{facts} {one} is to {other} as {asked} is to whom? {only}"),
        format!("In two families the following is true. {facts} Who is to {asked} what {other} is to {one}? {only}"),
        format!("{facts} Find the person who is related to {asked} in the same way as {other} is related to {one}. {only}"),
    ]);
    (question, answer.to_lowercase())
}

fn compass(draw: &mut Draw) -> Asked {
    let (turn, [first, second]) = (draw.number(11..=170), draw.numbers(0..=359));
    let is_right = draw.coin();
    let turned = |heading: i64| (heading + if is_right { turn } else { 360 - turn }) % 360;
    let (side, way) = if is_right { ("right", "clockwise") } else { ("left", "anticlockwise") };
    let (to, only) = (turned(first), draw.number_only());
    let question = draw.wording([
        format!("A ship on heading {first} degrees turns to the {side} and is then on heading {to}. To which heading (0 to 359) does exactly the same turn bring a ship on heading {second}? {only}"),
        format!("On a dial of 360 degrees, numbered clockwise from 0 to 359, a hand moves {way} from {first} to {to}. A second hand makes the same movement from {second}. Where does it end? {only}"),
        format!("Turning {way}, {first} degrees is to {to} degrees as {second} degrees is to how many degrees, counted from 0 to 359? {only}"),
    ]);
    (question, turned(second).to_string())
}

fn times(draw: &mut Draw) -> Asked {
    let (later, [first, second]) = (draw.number(17..=175), draw.numbers(600..=1260));
    let (a, b, c) = (clock(first), clock(first + later), clock(second));
    let only = draw.word(&TIME_ONLY);
    let question = draw.wording([
        format!("{a} is to {b} as {c} is to what time of the same day? {only}"),
        format!("A train leaves at {a} and arrives at {b}. The next one leaves at {c} and takes just as long. When does it arrive? {only}"),
        format!("A shop's first shift begins at {a} and ends at {b}. Another shift of the same length begins at {c}. When does it end? {only}"),
    ]);
    (question, clock(second + later))
}

/// How a bare time of day is asked for; the times are all between 10:00 and 23:59.
pub(super) const TIME_ONLY: [&str; 3] = [
    "Answer with the time only, on the 24-hour clock, as HH:MM.",
    "Give only the time in the form HH:MM (24 hours).",
    "Reply with just the 24-hour time, written HH:MM.",
];

/// Places in a row: the same number of steps in the same direction.
fn row(draw: &mut Draw) -> Asked {
    let words = draw.nouns::<7>();
    let distance = 1 + draw.index(3);
    let mut pairs: Vec<(&str, &str)> =
        words.iter().copied().zip(words.iter().copied().skip(distance)).collect();
    if draw.coin() {
        pairs.iter_mut().for_each(|(from, to)| std::mem::swap(from, to));
    }
    draw.shuffle(&mut pairs);
    let mut pairs = pairs.into_iter();
    let [(a, b), (c, d), (e, answer)] = std::array::from_fn(|_| pairs.next().unwrap_or_default());
    let (words, only) = (list(&words), draw.word_only());
    let question = draw.wording([
        format!("Look at the places in this row: {words}. By its place, {a} is to {b} and {c} is to {d} as {e} is to which word? {only}"),
        format!("Beads in a line are labelled {words}. The same number of steps in the same direction leads from {a} to {b} and from {c} to {d}. Where does it lead from {e}? {only}"),
        format!("In the ordered list {words}, one fixed jump takes you from {a} to {b}; it also takes you from {c} to {d}. On which word do you land from {e}? {only}"),
    ]);
    (question, answer.to_owned())
}

/// An invented language: the meaning of a word follows from phrases that share it.
fn language(draw: &mut Draw) -> Asked {
    let [kind, other_kind] = draw.words(KINDS);
    let [noun, other_noun] = draw.words(SHORT_NOUNS);
    let [a, b, c, d] = invented_words(draw);
    let is_kind_first = draw.coin();
    let said = |kind: &str, noun: &str| {
        if is_kind_first { format!("{kind} {noun}") } else { format!("{noun} {kind}") }
    };
    let mut phrases = [
        format!("\"{kind} {noun}\" is \"{}\"", said(&a, &c)),
        format!("\"{kind} {other_noun}\" is \"{}\"", said(&a, &d)),
        format!("\"{other_kind} {noun}\" is \"{}\"", said(&b, &c)),
    ];
    draw.shuffle(&mut phrases);
    let (asked, answer) = draw
        .any([(kind, &a), (other_kind, &b), (noun, &c), (other_noun, &d)].into_iter())
        .map(|(asked, answer)| (asked, answer.clone()))
        .unwrap_or_default();
    let (phrases, only) = (phrases.join(", "), draw.word_only());
    let question = draw.wording([
        format!("In an invented language {phrases}. Which word of that language means \"{asked}\"? {only}"),
        format!(
            "A traveller notes how the islanders speak: {phrases}. What is their word for \"{asked}\"? {only}"
        ),
        format!("Translations from a made-up tongue: {phrases}. Give its word for \"{asked}\". {only}"),
    ]);
    (question, answer)
}

fn invented_words(draw: &mut Draw) -> [String; 4] {
    let mut words: Vec<String> = Vec::with_capacity(4);
    while words.len() < 4 {
        let mut letter = |letters: &str| draw.any(letters.chars()).unwrap_or('a');
        let (consonants, vowels) = ("bdfgklmnprstvz", "aeiou");
        let word: String =
            [letter(consonants), letter(vowels), letter(consonants), letter(vowels), letter(consonants)]
                .iter()
                .collect();
        if !words.contains(&word) {
            words.push(word);
        }
    }
    words.try_into().unwrap_or_default()
}
