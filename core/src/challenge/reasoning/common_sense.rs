//! Questions of everyday life: time, money, weights, places.

use super::analogy::TIME_ONLY;
use super::draw::{Draw, clock, indefinite, list, plural};
use super::family::{Asked, Category, Family};
use super::words::{KINDS, MONTHS, ROOMS, THINGS};

pub(super) const FAMILIES: &[Family] = &[
    Family::new(Category::CommonSense, "sense-legs", legs),
    Family::new(Category::CommonSense, "sense-change", change),
    Family::new(Category::CommonSense, "sense-evening", evening),
    Family::new(Category::CommonSense, "sense-weight", weights),
    Family::new(Category::CommonSense, "sense-arrival", arrivals),
    Family::new(Category::CommonSense, "sense-where", whereabouts),
    Family::new(Category::CommonSense, "sense-date", dates),
    Family::new(Category::CommonSense, "sense-age", ages),
    Family::new(Category::CommonSense, "sense-units", units),
    Family::new(Category::CommonSense, "sense-queue", queue),
    Family::new(Category::CommonSense, "sense-recipe", recipe),
    Family::new(Category::CommonSense, "sense-fence", fence),
];

fn legs(draw: &mut Draw) -> Asked {
    let mut animals = [
        ("cows", 4),
        ("sheep", 4),
        ("horses", 4),
        ("goats", 4),
        ("hens", 2),
        ("ducks", 2),
        ("geese", 2),
        ("spiders", 8),
        ("beetles", 6),
        ("ants", 6),
        ("bees", 6),
        ("snakes", 0),
        ("trout", 0),
        ("earthworms", 0),
    ];
    draw.shuffle(&mut animals);
    let counted: Vec<(i64, &str, i64)> =
        animals.iter().take(4).map(|&(animal, legs)| (draw.number(3..=40), animal, legs)).collect();
    let answer: i64 = counted.iter().map(|(count, _, legs)| count * legs).sum();
    let shown: Vec<String> = counted.iter().map(|(count, animal, _)| format!("{count} {animal}")).collect();
    let (shown, only) = (list(&shown), draw.number_only());
    let question = draw.wording([
        format!("How many legs do {shown} have altogether, if none is injured? {only}"),
        format!("A child draws {shown}, each with the usual number of legs. How many legs are in the picture? {only}"),
        format!("A toymaker carves {shown} and makes the legs separately, as many as these animals have in nature. How many legs are needed? {only}"),
    ]);
    (question, answer.to_string())
}

fn change(draw: &mut Draw) -> Asked {
    let (count, each, other) = (draw.number(2..=5), draw.number(25..=240), draw.number(105..=700));
    let [first, second] = draw.words(&[
        "bun", "candle", "lemon", "magazine", "map", "muffin", "pencil", "postcard", "ribbon", "stamp",
    ]);
    let (many, one) = (plural(first), indefinite(second));
    let note = if draw.coin() { 20 } else { 50 };
    let (each_price, other_price) = (price(each), price(other));
    let [name] = draw.names();
    let (currency, unit) = draw
        .any(
            [("dollars", "cents"), ("euros", "cents"), ("francs", "centimes"), ("pounds", "pence")]
                .into_iter(),
        )
        .unwrap_or_default();
    let only = draw.number_only();
    let question = draw.wording([
        format!("{name} buys {count} {many} at {each_price} {currency} each and {one} for {other_price} {currency}, and pays with a note of {note} {currency}. How many {unit} is the change in all? {only}"),
        format!("At a stall {one} costs {other_price} {currency} and {} {each_price} {currency}. {name} takes one of the former and {count} of the latter and hands over {note} {currency}. How much is the change, expressed in {unit}? {only}", indefinite(first)),
        format!("{name} has {note} {currency} and spends {other_price} on {one} and {each_price} on each of {count} {many}. How many {unit} are left? {only}"),
    ]);
    (question, (note * 100 - count * each - other).to_string())
}

fn price(cents: i64) -> String {
    format!("{}.{:02}", cents / 100, cents % 100)
}

fn evening(draw: &mut Draw) -> Asked {
    let start = draw.number(605..=1100);
    let (first, pause, second) = (draw.number(21..=140), draw.number(5..=35), draw.number(21..=100));
    let (at, only) = (clock(start), draw.word(&TIME_ONLY));
    let question = draw.wording([
        format!("A play begins at {at}. Its first part lasts {first} minutes, the interval {pause} and the second part {second}. When does the play end? {only}"),
        format!("Someone sets out at {at}, walks for {first} minutes, rests for {pause} minutes and walks on for another {second} minutes. At what time does the walk end? {only}"),
        format!("Dough is put in a bowl at {at}. It rises for {first} minutes, is kneaded for {pause} minutes and then bakes for {second} minutes. At what time is the bread done? {only}"),
    ]);
    (question, clock(start + first + pause + second))
}

fn weights(draw: &mut Draw) -> Asked {
    let kinds = draw.words::<4>(KINDS);
    let grams = draw.numbers::<4>(1005..=2995);
    let is_heaviest = draw.coin();
    let wanted = if is_heaviest { grams.iter().max() } else { grams.iter().min() };
    let answer =
        kinds.iter().zip(&grams).find(|(_, grams)| Some(*grams) == wanted).map_or("", |(kind, _)| kind);
    let weighed: Vec<String> = kinds
        .iter()
        .zip(grams)
        .map(|(kind, grams)| {
            let weight = match draw.index(3) {
                0 => format!("{grams} grams"),
                1 => format!(
                    "{} kilogram{} and {} grams",
                    grams / 1000,
                    if grams < 2000 { "" } else { "s" },
                    grams % 1000
                ),
                _ => format!("{} grams more than half a kilogram", grams - 500),
            };
            format!("the {kind} box weighs {weight}")
        })
        .collect();
    let (weighed, only) = (list(&weighed), draw.word_only());
    let (most, carry) = if is_heaviest { ("heaviest", "the most") } else { ("lightest", "the least") };
    let question = draw.wording([
        format!("Of four boxes, {weighed}. Which of them is the {most}? Name only the word that sets it apart. {only}"),
        format!("Four boxes are on a scale one after another: {weighed}. Which kind of box weighs {carry}? {only}"),
        format!("There are four boxes; {weighed}. You want the {most} one: which word describes it? {only}"),
    ]);
    (question, answer.to_owned())
}

fn arrivals(draw: &mut Draw) -> Asked {
    let names = draw.names::<4>();
    let arrivals = draw.numbers::<4>(700..=790);
    let trips: Vec<String> = names
        .iter()
        .zip(arrivals)
        .map(|(name, arrival)| {
            let takes = draw.number(12..=95);
            let at = clock(arrival - takes);
            draw.wording([
                format!("{name} leaves at {at} and needs {takes} minutes."),
                format!("{name} sets out at {at} on a trip of {takes} minutes."),
                format!("{name}'s trip starts at {at} and lasts {takes} minutes."),
            ])
        })
        .collect();
    let mut order: Vec<(i64, &str)> = arrivals.into_iter().zip(names).collect();
    order.sort_unstable();
    let asked = draw.index(order.len());
    let place = ["first", "second", "third", "last"].get(asked).copied().unwrap_or_default();
    let answer = order.get(asked).map_or("", |(_, name)| name);
    let (trips, only) = (trips.join(" "), draw.name_only());
    let question = draw.wording([
        format!("Four friends travel to the same place on the same day. {trips} Who arrives {place}? {only}"),
        format!("{trips} All four have the same goal. Which of them gets there {place}? {only}"),
        format!("Four people are invited to one party. {trips} Who is the {place} to appear? {only}"),
    ]);
    (question, answer.to_lowercase())
}

/// Where a thing is, after it and the boxes were carried about.
fn whereabouts(draw: &mut Draw) -> Asked {
    let boxes = draw.words::<3>(KINDS);
    let [rooms @ .., next, after] = draw.words::<5>(ROOMS);
    let people = draw.names::<4>();
    let thing = draw.word(THINGS);
    let mut places = rooms;
    let mut holder = draw.index(boxes.len());
    let name = |place: usize| boxes.get(place).copied().unwrap_or_default();
    let mut story: Vec<String> = (0..boxes.len())
        .map(|place| {
            format!(
                "The {} box stands in the {}.",
                name(place),
                places.get(place).copied().unwrap_or_default()
            )
        })
        .collect();
    story.push(format!("The {thing} lies in the {} box.", name(holder)));
    let mut free = [next, after].into_iter();
    for (step, person) in people.into_iter().enumerate() {
        if step % 2 == 0 {
            let other = (holder + 1 + draw.index(2)) % boxes.len();
            story.push(format!(
                "{person} moves the {thing} from the {} box to the {} box.",
                name(holder),
                name(other)
            ));
            holder = other;
        } else if let Some(room) = free.next() {
            let carried = draw.index(boxes.len());
            story.push(format!(
                "{person} carries the {} box, with all that is in it, to the {room}.",
                name(carried)
            ));
            if let Some(place) = places.get_mut(carried) {
                *place = room;
            }
        }
    }
    let (story, only) = (story.join(" "), draw.word_only());
    let question = draw.wording([
        format!("{story} In which room is the {thing} now? {only}"),
        format!(
            "{story} Where would you have to go to find the {thing}? Name the place without the box. {only}"
        ),
        format!("Follow the {thing}. {story} To which room or place did it get in the end? {only}"),
    ]);
    (question, places.get(holder).copied().unwrap_or_default().to_owned())
}

fn dates(draw: &mut Draw) -> Asked {
    let month = draw.index(MONTHS.len());
    let (name, length) = MONTHS.get(month).copied().unwrap_or_default();
    let (day, later) = (draw.number(1..=length), draw.number(15..=75));
    let lengths = MONTHS.iter().cycle().skip(month).map(|(_, days)| *days);
    let answer = lengths
        .scan(day + later, |left, days| {
            let reached = *left;
            *left -= days;
            Some((reached, days))
        })
        .find(|(reached, days)| reached <= days)
        .map_or(0, |(reached, _)| reached);
    let only = draw.number_only();
    let question = draw.wording([
        format!("Today is {name} {day}, and no leap year is near. Which day of the month is it {later} days from now? {only}"),
        format!("A plant is put in the ground on {day} {name} and flowers exactly {later} days later. On which day of the month is that? February has 28 days. {only}"),
        format!("A parcel was sent on {name} {day} and came {later} days after that, with no 29 February in between. On which day of the month did it come? {only}"),
    ]);
    (question, answer.to_string())
}

fn ages(draw: &mut Draw) -> Asked {
    let (older, now, later) = (draw.number(3..=40), draw.number(5..=40), draw.number(2..=20));
    let [elder, younger] = draw.names();
    let only = draw.number_only();
    let question = draw.wording([
        format!("{elder} was {older} years old on the day {younger} was born. Today {younger} turns {now}. How old will {elder} be in {later} years from today? {only}"),
        format!("{younger} and {elder} share a birthday, and {elder} is {older} years older. {younger} is {now} now. What will be the age of {elder} after {later} more years? {only}"),
    ]);
    (question, (older + now + later).to_string())
}

fn units(draw: &mut Draw) -> Asked {
    let (a, b) = (draw.number(2..=40), draw.number(2..=22));
    let only = draw.number_only();
    let (asked, amount, answer) = match draw.index(8) {
        0 => ("hours", format!("{a} days and {b} hours"), a * 24 + b),
        1 => ("minutes", format!("{a} hours and {b} minutes"), a * 60 + b),
        2 => ("days", format!("{a} weeks and {b} days"), a * 7 + b),
        3 => ("pieces", format!("{a} dozen and {b} pieces"), a * 12 + b),
        4 => ("millimetres", format!("{a} metres and {b} centimetres"), a * 1000 + b * 10),
        5 => ("months", format!("{a} years and {b} months"), a * 12 + b),
        6 => ("grams", format!("{a} kilograms and {b} grams"), a * 1000 + b),
        _ => ("seconds", format!("{a} minutes and {b} seconds"), a * 60 + b),
    };
    let question = draw.wording([
        format!("How many {asked} are {amount}? {only}"),
        format!("Express {amount} in {asked}. {only}"),
        format!("A list gives an amount as {amount}. Written in {asked} alone, what is the amount? {only}"),
    ]);
    (question, answer.to_string())
}

fn queue(draw: &mut Draw) -> Asked {
    let (front, back) = (draw.number(4..=95), draw.number(4..=95));
    let [name, other] = draw.names();
    let only = draw.number_only();
    if draw.coin() {
        let question = draw.wording([
            format!("In a queue, {name} is number {front} from the front and number {back} from the back. How many people are in the queue? {only}"),
            format!("Runners pass a bridge one by one. {name} is number {front} to pass, and counted from the last runner {name} is number {back}. How many runners are there? {only}"),
        ]);
        return (question, (front + back - 1).to_string());
    }
    let last = front + back;
    let question = draw.wording([
        format!("{name} is number {front} in a queue and {other} is number {last}. How many people stand between the two? {only}"),
        format!("On one shelf, {name}'s book is number {front} from the left and {other}'s is number {last} from the left. How many books are between them? {only}"),
    ]);
    (question, (back - 1).to_string())
}

fn recipe(draw: &mut Draw) -> Asked {
    let (people, guests, each) = (draw.number(2..=9), draw.number(10..=40), draw.number(15..=120));
    let food = draw.word(&["beans", "flour", "lentils", "noodles", "oats", "potatoes", "rice"]);
    let (amount, only) = (people * each, draw.number_only());
    let question = draw.wording([
        format!("A recipe for {people} people takes {amount} grams of {food}. How many grams are needed for {guests} people? {only}"),
        format!("{people} guests eat {amount} grams of {food}. If everyone eats the same amount, how many grams do {guests} guests eat? {only}"),
        format!("The cook used {amount} grams of {food} for {people} plates. What amount in grams do {guests} such plates take? {only}"),
    ]);
    (question, (guests * each).to_string())
}

fn fence(draw: &mut Draw) -> Asked {
    let (gaps, metres) = (draw.number(12..=240), draw.number(2..=19));
    let (length, only) = (gaps * metres, draw.number_only());
    let (question, answer) = match draw.index(3) {
        0 => (
            format!(
                "A straight fence is {length} metres long and has a post every {metres} metres, with one at either end. How many posts does it have? {only}"
            ),
            gaps + 1,
        ),
        1 => (
            format!(
                "Around a round pond with a path of {length} metres, there is a lamp every {metres} metres along the whole path. How many lamps are there? {only}"
            ),
            gaps,
        ),
        _ => (
            format!(
                "A rope of {length} metres is cut into pieces of {metres} metres. How many cuts are made, if the rope is never folded? {only}"
            ),
            gaps - 1,
        ),
    };
    (question, answer.to_string())
}
