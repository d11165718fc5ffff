//! Questions about what follows from what is said.

use super::draw::{Draw, indefinite, list, ordinal, plural};
use super::family::{Asked, Category, Family};
use super::words::{KINDS, THINGS};

pub(super) const FAMILIES: &[Family] = &[
    Family::new(Category::Logic, "logic-order", order),
    Family::new(Category::Logic, "logic-seats", seats),
    Family::new(Category::Logic, "logic-culprit", culprit),
    Family::new(Category::Logic, "logic-overlap", overlap),
    Family::new(Category::Logic, "logic-neither", neither),
    Family::new(Category::Logic, "logic-cups", cups),
    Family::new(Category::Logic, "logic-owners", owners),
    Family::new(Category::Logic, "logic-chain", chain),
    Family::new(Category::Logic, "logic-balance", balance),
    Family::new(Category::Logic, "logic-drawer", drawer),
];

/// Five people in an order that a chain of comparisons fixes.
fn order(draw: &mut Draw) -> Asked {
    let names = draw.names::<5>();
    let (more, less, superlative) = match draw.index(4) {
        0 => (
            "finished the race before",
            "finished the race after",
            [
                "was the first to finish",
                "finished second",
                "finished third",
                "finished fourth",
                "was the last to finish",
            ],
        ),
        1 => (
            "is older than",
            "is younger than",
            [
                "is the oldest",
                "is the second oldest",
                "is in the middle by age",
                "is the second youngest",
                "is the youngest",
            ],
        ),
        2 => (
            "is taller than",
            "is shorter than",
            [
                "is the tallest",
                "is the second tallest",
                "is in the middle by height",
                "is the second shortest",
                "is the shortest",
            ],
        ),
        _ => (
            "lives on a higher floor than",
            "lives on a lower floor than",
            [
                "lives highest up",
                "lives second highest",
                "lives on the middle one of the five floors",
                "lives second lowest",
                "lives lowest",
            ],
        ),
    };
    let mut clues = Vec::new();
    for pair in names.windows(2) {
        if let [first, second] = pair {
            clues.push(if draw.coin() {
                format!("{first} {more} {second}.")
            } else {
                format!("{second} {less} {first}.")
            });
        }
    }
    draw.shuffle(&mut clues);
    let asked = draw.index(names.len());
    let (clues, which, only) =
        (clues.join(" "), superlative.get(asked).copied().unwrap_or_default(), draw.name_only());
    let question = draw.wording([
        format!("{clues} Who {which}? {only}"),
        format!("Five people are compared. {clues} Which of them {which}? {only}"),
        format!("Find out who {which}, given this: {clues} {only}"),
    ]);
    (question, name_at(&names, asked))
}

/// Six people in a row, each placed by the one before.
fn seats(draw: &mut Draw) -> Asked {
    let names = draw.names::<6>();
    let mut places = [1_i64, 2, 3, 4, 5, 6];
    draw.shuffle(&mut places);
    let [first, ..] = names;
    let [start, ..] = places;
    let mut clues = vec![format!("{first} has seat {start}.")];
    for (people, places) in names.windows(2).zip(places.windows(2)) {
        if let ([known, next], [from, to]) = (people, places) {
            let side = if to > from { "right" } else { "left" };
            let seats = match (to - from).abs() {
                1 => "one seat".to_owned(),
                distance => format!("{distance} seats"),
            };
            clues.push(format!("{next} sits {seats} to the {side} of {known}."));
        }
    }
    let asked = draw.number(1..=6);
    let holder = places.iter().position(|&place| place == asked).unwrap_or(0);
    let (clues, only) = (clues.join(" "), draw.name_only());
    let question = draw.wording([
        format!("Six friends sit in a row of seats numbered 1 to 6 from left to right. {clues} Who has seat {asked}? {only}"),
        format!("The seats of a bench are numbered from 1 on the far left to 6 on the far right, and all are taken. {clues} Who sits in seat {asked}? {only}"),
        format!("{clues} Seats are counted from the left, 1 to 6, and each holds one person. Whose seat is number {asked}? {only}"),
    ]);
    (question, name_at(&names, holder))
}

/// Four people accuse or clear each other, and the number of true statements leaves one culprit.
fn culprit(draw: &mut Draw) -> Asked {
    const SUSPECTS: usize = 4;
    let names = draw.names::<SUSPECTS>();
    loop {
        let claims: [(usize, bool); SUSPECTS] = std::array::from_fn(|_| (draw.index(SUSPECTS), draw.coin()));
        let truths =
            |culprit: usize| claims.iter().filter(|(who, accuses)| (*who == culprit) == *accuses).count();
        let asked = draw.index(SUSPECTS);
        let true_statements = truths(asked);
        let is_unique = (0..SUSPECTS).filter(|&suspect| truths(suspect) == true_statements).count() == 1;
        let accuses_self =
            claims.iter().enumerate().any(|(speaker, (who, accuses))| speaker == *who && *accuses);
        if !is_unique || accuses_self || !(1..SUSPECTS).contains(&true_statements) {
            continue;
        }
        let thing = draw.word(THINGS);
        let says: Vec<String> = names
            .iter()
            .zip(claims.iter().enumerate())
            .map(|(name, (speaker, (who, accuses)))| {
                let accused = name_as_is(&names, *who);
                match (speaker == *who, accuses) {
                    (true, _) => format!("{name} says: \"It was not me.\""),
                    (false, true) => format!("{name} says: \"It was {accused}.\""),
                    (false, false) => format!("{name} says: \"It was not {accused}.\""),
                }
            })
            .collect();
        let (says, people, only) = (says.join(" "), list(&names), draw.name_only());
        let are = match true_statements {
            1 => "one of these four statements is",
            2 => "two of these four statements are",
            _ => "three of these four statements are",
        };
        let question = draw.wording([
            format!("One of {people} took the {thing}. {says} Exactly {are} true. Who took it? {only}"),
            format!("The {thing} is gone, and exactly one of four people has it: {people}. {says} It is known that exactly {are} true. Who has the {thing}? {only}"),
            format!("{says} Exactly {are} true, and exactly one of the four hid the {thing}. Who did? {only}"),
        ]);
        return (question, name_at(&names, asked));
    }
}

fn overlap(draw: &mut Draw) -> Asked {
    let (total, first) = (draw.number(60..=400), draw.number(55..=95));
    let first = total * first / 100;
    let both = draw.number(3..=first - 20);
    let second = total - first + both;
    let (one, other, both_of) = abilities(draw);
    let only = draw.number_only();
    let question = draw.wording([
        format!("In a club of {total} people, {first} {one} and {second} {other}. What is the smallest possible number of people who {both_of}? {only}"),
        format!("{first} of {total} villagers {one}; {second} of them {other}. At least how many must be people who {both_of}? {only}"),
        format!("Out of {total} students, {first} {one} and {second} {other}. How many {both_of} at the very least? {only}"),
    ]);
    (question, both.to_string())
}

fn neither(draw: &mut Draw) -> Asked {
    let [only_first, only_second, both, neither] = draw.numbers::<4>(6..=90);
    let (total, first, second) =
        (only_first + only_second + both + neither, only_first + both, only_second + both);
    let (one, other, both_of) = abilities(draw);
    let only = draw.number_only();
    let question = draw.wording([
        format!("Of {total} people, {first} {one}, {second} {other}, and {both} {both_of}; these {both} are included in the two numbers before. How many do neither? {only}"),
        format!("A survey of {total} people finds that {first} {one} and {second} {other}. Counted in both groups are the {both} who {both_of}. How many people belong to neither group? {only}"),
        format!("{both} of {total} guests {both_of}. In all, {first} {one} and {second} {other}. How many of the guests are in neither of the two groups? {only}"),
    ]);
    (question, neither.to_string())
}

/// Two abilities and the phrase for having both, as said of several people.
fn abilities(draw: &mut Draw) -> (String, String, String) {
    let (verb, items): (&str, &[&'static str]) = match draw.index(4) {
        0 => (
            "speak",
            &["Dutch", "French", "Greek", "Hindi", "Japanese", "Polish", "Spanish", "Swahili", "Turkish"],
        ),
        1 => ("play", &["chess", "golf", "hockey", "the cello", "the flute", "the piano", "tennis"]),
        2 => ("like", &["cheese", "coffee", "honey", "mushrooms", "olives", "rice", "tea"]),
        _ => ("own", &["a bicycle", "a boat", "a cat", "a dog", "a garden", "a tent"]),
    };
    let [one, other] = draw.words(items);
    (format!("{verb} {one}"), format!("{verb} {other}"), format!("{verb} both {one} and {other}"))
}

/// Five things change places in pairs.
fn cups(draw: &mut Draw) -> Asked {
    const SWAPS: usize = 4;
    let mut things = draw.words::<5>(THINGS);
    let shown = list(&things.map(indefinite));
    let mut swaps: Vec<String> = Vec::with_capacity(SWAPS);
    let mut before = [0; 2];
    while swaps.len() < SWAPS {
        let pair = draw.numbers::<2>(1..=5).map(|place| usize::try_from(place).unwrap_or(1));
        let [first, second] = pair;
        // A swap right after itself would only undo it.
        if before != pair && before != [second, first] {
            things.swap(first - 1, second - 1);
            swaps.push(format!("the {} with the {}", ordinal(first), ordinal(second)));
            before = pair;
        }
    }
    let (swaps, asked, only) = (swaps.join(", then "), draw.index(things.len()), draw.word_only());
    let place = ordinal(asked + 1);
    let question = draw.wording([
        format!("Five cups in a row hide, from left to right, {shown}. The contents of two cups at a time are exchanged: {swaps}. What is under the {place} cup from the left now? {only}"),
        format!("On a shelf stand, from left to right, {shown}. Things on the shelf change places, always by position: {swaps}. Which thing is {place} from the left at the end? {only}"),
        format!("Boxes 1 to 5 contain, in this order, {shown}. The contents of the boxes are swapped, {swaps}. What does the {place} box contain afterwards? {only}"),
    ]);
    (question, things.get(asked).copied().unwrap_or_default().to_owned())
}

/// Who owns what, by elimination: just enough denials to leave one possibility.
fn owners(draw: &mut Draw) -> Asked {
    let (names, kinds) = (draw.names::<4>(), draw.words::<4>(KINDS));
    // The person at a place owns the kind at the same place; the lists themselves are in random order.
    let mut denials: Vec<(usize, usize)> = (0..4)
        .flat_map(|person| (0..4).map(move |kind| (person, kind)))
        .filter(|(person, kind)| person != kind)
        .collect();
    draw.shuffle(&mut denials);
    let mut possible = assignments();
    let mut clues = Vec::new();
    for (person, kind) in denials {
        let before = possible.len();
        possible.retain(|owned| owned.get(person) != Some(&kind));
        if possible.len() < before {
            let kind = kinds.get(kind).copied().unwrap_or_default();
            clues.push(format!("{} does not own the {kind} box.", name_as_is(&names, person)));
        }
        if possible.len() == 1 {
            break;
        }
    }
    draw.shuffle(&mut clues);
    let mut shown = kinds;
    shown.sort_unstable();
    let asked = draw.index(names.len());
    let kind = kinds.get(asked).copied().unwrap_or_default();
    let mut people = names;
    people.sort_unstable();
    let (people, shown, clues, only) = (list(&people), list(&shown), clues.join(" "), draw.name_only());
    let question = draw.wording([
        format!("{people} own one box each; the boxes are {shown}. {clues} Who owns the {kind} box? {only}"),
        format!("There are four boxes ({shown}) and four owners ({people}), one box for each. {clues} To whom does the {kind} box belong? {only}"),
        format!("{clues} {people} own exactly one of the four boxes each, and these are {shown}. Whose box is the {kind} one? {only}"),
    ]);
    (question, name_at(&names, asked))
}

/// All ways to give four things to four people.
fn assignments() -> Vec<[usize; 4]> {
    let digits = 0..4_usize.pow(4);
    digits
        .map(|number| [number & 3, (number >> 2) & 3, (number >> 4) & 3, number >> 6])
        .filter(|owned| (0..4).all(|kind| owned.contains(&kind)))
        .collect()
}

/// One bell sets off the next; a bell that never rings sets off nothing.
fn chain(draw: &mut Draw) -> Asked {
    let [silent, start, second, third, fourth, last] = draw.words::<6>(KINDS);
    let mut rules: Vec<String> =
        [(start, second), (second, third), (third, fourth), (fourth, last), (silent, third)]
            .into_iter()
            .map(|(cause, effect)| {
                draw.wording([
                    format!("When the {cause} bell rings, the {effect} bell rings next."),
                    format!("The {effect} bell rings right after the {cause} bell."),
                    format!("The {cause} bell sets off the {effect} bell."),
                ])
            })
            .collect();
    draw.shuffle(&mut rules);
    let (rules, only) = (rules.join(" "), draw.word_only());
    let question = draw.wording([
        format!("{rules} No other bell is connected. Someone strikes the {start} bell. Which kind of bell rings last? {only}"),
        format!("In a clock tower the bells are linked. {rules} Only the {start} bell is struck. Which is the last kind of bell to ring? {only}"),
        format!("These are all the links between some bells. {rules} After one stroke on the {start} bell, what kind of bell is heard last? {only}"),
    ]);
    (question, last.to_owned())
}

fn balance(draw: &mut Draw) -> Asked {
    let (a, b, c) = (draw.number(3..=19), draw.number(3..=23), draw.number(2..=17));
    let [heavy, middle, light] = draw.words::<3>(THINGS);
    let (one_heavy, one_middle) = (indefinite(heavy), indefinite(middle));
    let (heavies, middles, lights) = (plural(heavy), plural(middle), plural(light));
    let only = draw.number_only();
    let question = draw.wording([
        format!("On a pair of scales {one_heavy} balances {a} {middles}, and {one_middle} balances {b} {lights}. How many {lights} balance {c} {heavies}? {only}"),
        format!("At a market {one_heavy} is traded for {a} {middles} and {one_middle} for {b} {lights}. How many {lights} does one get for {c} {heavies}? {only}"),
        format!("In a game, {b} {lights} buy {one_middle} and {a} {middles} buy {one_heavy}. What do {c} {heavies} cost, paid in {lights}? {only}"),
    ]);
    (question, (a * b * c).to_string())
}

fn drawer(draw: &mut Draw) -> Asked {
    let [first, second, third] = draw.words::<3>(&[
        "black", "blue", "brown", "green", "grey", "orange", "pink", "purple", "red", "white", "yellow",
    ]);
    let [a, b, c] = draw.numbers::<3>(6..=60);
    let wanted = draw.number(1..=5);
    let (things, one) = match draw.index(3) {
        0 => ("socks", "sock"),
        1 => ("marbles", "marble"),
        _ => ("buttons", "button"),
    };
    let wish = if wanted == 1 {
        format!("at least one {second} {one}")
    } else {
        format!("at least {wanted} {second} {things}")
    };
    let only = draw.number_only();
    let question = draw.wording([
        format!("A drawer holds {a} {first}, {b} {second} and {c} {third} {things}. It is dark. How many must you take out to be certain of {wish}? {only}"),
        format!("{a} {first}, {b} {second} and {c} {third} {things} are mixed in a bag. What is the smallest number to draw blindly so that {wish} must be among them? {only}"),
    ]);
    (question, (a + c + wanted).to_string())
}

fn name_as_is<'a>(names: &[&'a str], place: usize) -> &'a str {
    names.get(place).copied().unwrap_or_default()
}

/// A name in the normal form of answers.
fn name_at(names: &[&str], place: usize) -> String {
    name_as_is(names, place).to_lowercase()
}
