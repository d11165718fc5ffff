//! Questions about numbers.

use super::draw::{Draw, indefinite, list};
use super::family::{Asked, Category, Family};
use super::words::THINGS;

pub(super) const FAMILIES: &[Family] = &[
    Family::new(Category::Math, "math-mix", product_and_sum),
    Family::new(Category::Math, "math-rest", remainder),
    Family::new(Category::Math, "math-sheep", all_but),
    Family::new(Category::Math, "math-double", doubling),
    Family::new(Category::Math, "math-machines", machines),
    Family::new(Category::Math, "math-steps", repeated_steps),
    Family::new(Category::Math, "math-series", growing_gaps),
    Family::new(Category::Math, "math-digits", digits),
    Family::new(Category::Math, "math-discount", discount),
    Family::new(Category::Math, "math-mean", missing_number),
];

fn product_and_sum(draw: &mut Draw) -> Asked {
    let (a, b, c) = (draw.number(12..=99), draw.number(12..=99), draw.number(100..=999));
    let [name] = draw.names();
    let only = draw.number_only();
    let question = draw.wording([
        format!("What is {a} times {b}, plus {c}? {only}"),
        format!("Multiply {a} by {b} and then add {c}. What do you get? {only}"),
        format!("{name} fills {b} boxes with {a} marbles each and has {c} marbles left over. How many marbles are there in all? {only}"),
        format!("A hall has {b} rows of {a} seats, and {c} people stand. If every seat is taken, how many people are in the hall? {only}"),
        format!("Add {c} to the product of {a} and {b}. {only}"),
    ]);
    (question, (a * b + c).to_string())
}

fn remainder(draw: &mut Draw) -> Asked {
    let (a, b) = (draw.number(1000..=9999), draw.number(23..=97));
    let only = draw.number_only();
    let question = draw.wording([
        format!("What remains when {a} is divided by {b}? {only}"),
        format!("{a} cards are dealt evenly to {b} players, as many to each as possible. How many cards are left over? {only}"),
        format!("A baker packs {a} rolls into bags of exactly {b}. How many rolls do not fill a bag? {only}"),
        format!("From {a} you take away {b} as often as you can without going below zero. What is left? {only}"),
    ]);
    (question, (a % b).to_string())
}

fn all_but(draw: &mut Draw) -> Asked {
    let (total, rest, back) = (draw.number(220..=990), draw.number(21..=180), draw.number(3..=40));
    let only = draw.number_only();
    let question = draw.wording([
        format!("A shepherd has {total} sheep. All but {rest} run away, and then {back} of the runaways come back. How many sheep are with the shepherd now? {only}"),
        format!("Of {total} guests at a party, all except {rest} go home. Later {back} of those who left return. How many guests are at the party then? {only}"),
        format!("A shop has {total} candles and sells all but {rest} of them. Customers bring {back} candles back. How many candles does the shop have now? {only}"),
        format!("There are {total} birds on a roof. Every one of them flies off except {rest}; after a while {back} land there again. How many birds are on the roof? {only}"),
    ]);
    (question, (rest + back).to_string())
}

fn doubling(draw: &mut Draw) -> Asked {
    let last = draw.number(20..=900);
    let steps = draw.number(1..=3);
    let part = match steps {
        1 => ["half", "one third"],
        2 => ["a quarter", "one ninth"],
        _ => ["an eighth", "one twenty-seventh"],
    };
    let (grows, part) = if draw.coin() { ("doubles", part[0]) } else { ("triples", part[1]) };
    let only = draw.number_only();
    let question = draw.wording([
        format!("A patch of water lilies {grows} in area every day and covers the whole lake on day {last}. On which day did it cover {part} of the lake? {only}"),
        format!("The number of bacteria in a jar {grows} every hour, and the jar is full at hour {last}. At which hour was the jar filled to {part}? {only}"),
        format!("Every minute the amount of sand in a box {grows}. The box is full after minute {last}. After which minute did the sand fill {part} of the box? {only}"),
    ]);
    (question, (last - steps).to_string())
}

fn machines(draw: &mut Draw) -> Asked {
    let (n, m, times) = (draw.number(5..=60), draw.number(70..=400), draw.number(2..=9));
    let goods = draw.word(&["bottles", "chairs", "lamps", "bricks", "toys", "spoons", "bells"]);
    let (many, only) = (m * times, draw.number_only());
    let question = draw.wording([
        format!("{n} machines make {n} {goods} in {n} minutes. At the same rate, how many minutes do {m} machines need for {many} {goods}? {only}"),
        format!("It takes {n} workers {n} hours to make {n} {goods}. How many hours do {m} equally fast workers need to make {many} {goods}? {only}"),
        format!("If {n} robots build {n} {goods} within {n} days, how many days will {m} such robots take to build {many} {goods}? {only}"),
    ]);
    (question, (n * times).to_string())
}

fn repeated_steps(draw: &mut Draw) -> Asked {
    let (start, factor, change) = (draw.number(16..=60), draw.number(2..=4), draw.number(1..=15));
    let times = draw.number(2..=4);
    let is_sum = draw.coin();
    let step = |number: i64| number * factor + if is_sum { change } else { -change };
    let answer = (0..times).fold(start, |number, _| step(number));
    let (verb, noun) = if is_sum { ("add", "added") } else { ("subtract", "subtracted") };
    let times = match times {
        2 => "Twice",
        3 => "Three times",
        _ => "Four times",
    };
    let only = draw.number_only();
    let question = draw.wording([
        format!("Start with {start}. {times} in a row, multiply by {factor} and then {verb} {change}. Where do you end? {only}"),
        format!("A number begins as {start}. {times} in succession it is multiplied by {factor}, and after each multiplication {change} is {noun}. What is it at the end? {only}"),
        format!("Take {start}. {times} over, do this: multiply by {factor}, then {verb} {change}. Which number comes out? {only}"),
    ]);
    (question, answer.to_string())
}

fn growing_gaps(draw: &mut Draw) -> Asked {
    let (first, gap, growth) = (draw.number(2..=60), draw.number(2..=20), draw.number(2..=9));
    let terms: Vec<String> =
        (0..6).map(|place| (first + place * gap + growth * place * (place - 1) / 2).to_string()).collect();
    let (next, shown) =
        terms.split_last().map_or_else(Default::default, |(next, shown)| (next.clone(), shown.join(", ")));
    let only = draw.number_only();
    let question = draw.wording([
        format!("Which number comes next: {shown}? The gaps between neighbours grow by the same amount each time. {only}"),
        format!("In the series {shown}, each step is larger than the step before it by a constant amount. Continue it by one number. {only}"),
        format!("The differences in this list rise evenly: {shown}. What follows? {only}"),
    ]);
    (question, next)
}

fn digits(draw: &mut Draw) -> Asked {
    let (number, factor) = (draw.number(100_000_000..=999_999_999), draw.number(3..=9));
    let sum: i64 = number.to_string().bytes().map(|digit| i64::from(digit - b'0')).sum();
    let only = draw.number_only();
    let question = draw.wording([
        format!("Add up the digits of {number} and multiply the sum by {factor}. {only}"),
        format!("What is {factor} times the sum of all digits of {number}? {only}"),
        format!("A code is {number}. Its check value is the sum of its digits, times {factor}. What is the check value? {only}"),
    ]);
    (question, (sum * factor).to_string())
}

fn discount(draw: &mut Draw) -> Asked {
    let (k, j) = (draw.number(5..=99), draw.number(1..=15));
    let (price, percent) = (20 * k, 5 * j);
    let thing = indefinite(draw.word(THINGS));
    let only = draw.number_only();
    let question = draw.wording([
        format!("The price of {thing} is {price} coins. In a sale it is cut by {percent} percent. How many coins does it cost in the sale? {only}"),
        format!("{percent}% is taken off the price of {thing}, which was {price} coins. What is the new price in coins? {only}"),
        format!("Someone owes {price} coins for {thing} and is let off {percent} percent of it. How many coins are still owed? {only}"),
    ]);
    (question, (price - k * j).to_string())
}

fn missing_number(draw: &mut Draw) -> Asked {
    let mean = draw.number(40..=90);
    let known: [i64; 4] = std::array::from_fn(|_| mean + draw.number(-9..=9));
    let missing = 5 * mean - known.iter().sum::<i64>();
    let known = list(&known.map(|number| number.to_string()));
    let [name] = draw.names();
    let only = draw.number_only();
    let question = draw.wording([
        format!("The average of five numbers is {mean}. Four of them are {known}. What is the fifth? {only}"),
        format!("{name} played five rounds and scored {mean} points per round on average. Four of the rounds brought {known} points. How many points did the other round bring? {only}"),
        format!("Five parcels weigh {mean} kg each on average. Four of them weigh {known} kg. How many kilograms does the remaining one weigh? {only}"),
    ]);
    (question, missing.to_string())
}
