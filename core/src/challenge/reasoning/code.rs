//! Questions about what a short program or expression gives.

use super::draw::Draw;
use super::family::{Asked, Category, Family};
use super::words::THINGS;

pub(super) const FAMILIES: &[Family] = &[
    Family::new(Category::Code, "code-mod", modulo),
    Family::new(Category::Code, "code-bit", bits),
    Family::new(Category::Code, "code-loop", loop_sum),
    Family::new(Category::Code, "code-while", while_loop),
    Family::new(Category::Code, "code-branch", branches),
    Family::new(Category::Code, "code-list", list_steps),
    Family::new(Category::Code, "code-stack", stack_or_queue),
    Family::new(Category::Code, "code-slice", slice),
    Family::new(Category::Code, "code-base", bases),
    Family::new(Category::Code, "code-compose", composed_functions),
    Family::new(Category::Code, "code-map", map_sum),
];

fn modulo(draw: &mut Draw) -> Asked {
    let (a, b, c, d) =
        (draw.number(12..=60), draw.number(12..=40), draw.number(5..=99), draw.number(23..=97));
    let expression = format!("({a} * {b} + {c}) % {d}");
    (value_of(draw, &expression), ((a * b + c) % d).to_string())
}

fn bits(draw: &mut Draw) -> Asked {
    let (a, b, c) = (draw.number(64..=255), draw.number(64..=255), draw.number(16..=63));
    let (expression, answer) = match draw.index(4) {
        0 => (format!("({a} & {b}) + {c}"), (a & b) + c),
        1 => (format!("({a} | {b}) - {c}"), (a | b) - c),
        2 => (format!("({a} ^ {b}) + {c}"), (a ^ b) + c),
        _ => (format!("({a} >> 2) * {c}"), (a >> 2) * c),
    };
    (value_of(draw, &expression), answer.to_string())
}

/// Asks for an expression that means the same in many languages.
fn value_of(draw: &mut Draw, expression: &str) -> String {
    let language = draw.word(&["C", "Go", "Java", "JavaScript", "Python", "Ruby", "Rust"]);
    let only = draw.number_only();
    draw.wording([
        format!("What is the value of `{expression}` in {language}? {only}"),
        format!("A {language} program prints the result of `{expression}`. What does it print? {only}"),
        format!("Evaluate this {language} expression over integers: `{expression}`. {only}"),
        format!("In {language}, a variable is set to `{expression}`. Which value does it hold? {only}"),
    ])
}

fn loop_sum(draw: &mut Draw) -> Asked {
    let (start, first, factor) = (draw.number(10..=90), draw.number(2..=9), draw.number(3..=9));
    let end = first + draw.number(4..=6);
    let answer = start + factor * (first..end).sum::<i64>();
    let [total, i] = variables(draw);
    let program = draw.wording([
        format!("{total} = {start}\nfor {i} in range({first}, {end}):\n    {total} += {i} * {factor}\nprint({total})"),
        format!("let {total} = {start};\nfor (let {i} = {first}; {i} < {end}; {i}++) {{\n  {total} += {factor} * {i};\n}}\nconsole.log({total});"),
        format!("let mut {total} = {start};\nfor {i} in {first}..{end} {{\n    {total} += {factor} * {i};\n}}\nprintln!(\"{{}}\", {total});"),
    ]);
    (printed_by(draw, &program), answer.to_string())
}

fn while_loop(draw: &mut Draw) -> Asked {
    let (number, step) = (draw.number(300..=900), draw.number(37..=90));
    let [rest, count] = variables(draw);
    let program = draw.wording([
        format!("{rest} = {number}\n{count} = 0\nwhile {rest} >= {step}:\n    {rest} -= {step}\n    {count} += 1\nprint({rest} + {count})"),
        format!("let {rest} = {number}, {count} = 0;\nwhile ({rest} >= {step}) {{\n  {rest} -= {step};\n  {count} += 1;\n}}\nconsole.log({rest} + {count});"),
        format!("{rest} = {number}\n{count} = 0\nuntil {rest} < {step}\n  {rest} -= {step}\n  {count} += 1\nend\nputs {rest} + {count}"),
    ]);
    (printed_by(draw, &program), (number % step + number / step).to_string())
}

fn branches(draw: &mut Draw) -> Asked {
    let (start, times, odd) = (draw.number(31..=400), draw.number(3..=4), 2 * draw.number(0..=9) + 1);
    let step = |number: i64| if number % 2 == 0 { number / 2 } else { 3 * number + odd };
    let answer = (0..times).fold(start, |number, _| step(number));
    let [function, n] = variables(draw);
    let calls = |call: &str| (0..times).fold(start.to_string(), |inner, _| format!("{call}({inner})"));
    let called = calls(function);
    let program = draw.wording([
        format!("def {function}({n}):\n    if {n} % 2 == 0:\n        return {n} // 2\n    return 3 * {n} + {odd}\n\nprint({called})"),
        format!("const {function} = ({n}) => {n} % 2 === 0 ? {n} / 2 : 3 * {n} + {odd};\nconsole.log({called});"),
        format!("fn {function}({n}: i64) -> i64 {{\n    if {n} % 2 == 0 {{ {n} / 2 }} else {{ 3 * {n} + {odd} }}\n}}\nprintln!(\"{{}}\", {called});"),
    ]);
    (printed_by(draw, &program), answer.to_string())
}

fn list_steps(draw: &mut Draw) -> Asked {
    let [added, numbers @ ..] = draw.numbers::<6>(10..=99);
    let is_python = draw.coin();
    let [list, _] = variables(draw);
    let shown = numbers.map(|number| number.to_string()).join(", ");
    let mut values = numbers.to_vec();
    let mut lines =
        vec![if is_python { format!("{list} = [{shown}]") } else { format!("const {list} = [{shown}];") }];
    let mut steps = [0, 1, 2, 3];
    draw.shuffle(&mut steps);
    for step in steps {
        lines.push(match step {
            0 => {
                values.push(added);
                if is_python { format!("{list}.append({added})") } else { format!("{list}.push({added});") }
            }
            1 => {
                values.remove(0);
                if is_python { format!("{list}.pop(0)") } else { format!("{list}.shift();") }
            }
            2 => {
                values.reverse();
                if is_python { format!("{list}.reverse()") } else { format!("{list}.reverse();") }
            }
            _ => {
                values.sort_unstable();
                if is_python { format!("{list}.sort()") } else { format!("{list}.sort((a, b) => a - b);") }
            }
        });
    }
    let (first, second) = (draw.number(0..=1), draw.number(2..=4));
    let at =
        |place: i64| usize::try_from(place).ok().and_then(|place| values.get(place)).copied().unwrap_or(0);
    let sum = format!("{list}[{first}] + {list}[{second}]");
    lines.push(if is_python { format!("print({sum})") } else { format!("console.log({sum});") });
    (printed_by(draw, &lines.join("\n")), (at(first) + at(second)).to_string())
}

fn stack_or_queue(draw: &mut Draw) -> Asked {
    let numbers = draw.numbers::<6>(10..=99);
    let is_stack = draw.coin();
    let mut held: Vec<i64> = Vec::new();
    let mut steps = Vec::new();
    for number in numbers {
        if held.len() > 1 && draw.coin() {
            held.remove(if is_stack { held.len() - 1 } else { 0 });
            steps.push("remove".to_owned());
        }
        held.push(number);
        steps.push(format!("add {number}"));
    }
    if held.len() > 1 {
        held.remove(if is_stack { held.len() - 1 } else { 0 });
        steps.push("remove".to_owned());
    }
    let next = if is_stack { held.last() } else { held.first() };
    let (kind, order) =
        if is_stack { ("stack", "last in, first out") } else { ("queue", "first in, first out") };
    let (steps, only) = (steps.join(", "), draw.number_only());
    let question = draw.wording([
        format!("An empty {kind} ({order}) goes through these operations in order: {steps}. Which number would the next removal return? {only}"),
        format!("These calls are made on a new {kind}: {steps}. If one more item is removed after that, which number is it? Remember: {order}. {only}"),
        format!("Elements of a {kind} leave it by the rule {order}. Beginning with an empty one, a program does this: {steps}. What comes out next? {only}"),
    ]);
    (question, next.copied().unwrap_or(0).to_string())
}

fn slice(draw: &mut Draw) -> Asked {
    let text = draw.nouns::<2>().concat();
    let length = 4 + draw.index(3);
    let start = draw.index(text.len() - length);
    let end = start + length;
    let answer = text.get(start..end).unwrap_or_default().to_owned();
    let only = draw.letters_only();
    let question = draw.wording([
        format!("What does the Python expression `\"{text}\"[{start}:{end}]` give? {only}"),
        format!("In JavaScript, what is `\"{text}\".slice({start}, {end})`? {only}"),
        format!("In Rust, which letters does `&\"{text}\"[{start}..{end}]` hold? {only}"),
        format!("Go strings are indexed from 0 and a slice leaves out its end. What is `\"{text}\"[{start}:{end}]`? {only}"),
    ]);
    (question, answer)
}

fn bases(draw: &mut Draw) -> Asked {
    let number = draw.number(70..=4000);
    let literal = match draw.index(3) {
        0 => format!("0b{number:b}"),
        1 => format!("0o{number:o}"),
        _ => format!("0x{number:x}"),
    };
    let added = draw.number(2..=9);
    let only = draw.number_only();
    let question = draw.wording([
        format!("Which decimal number does `{literal} + {added}` stand for? {only}"),
        format!("What does Python print for `print({literal} + {added})`? {only}"),
        format!("Write the value of the JavaScript expression `{literal} + {added}` in base ten. {only}"),
    ]);
    (question, (number + added).to_string())
}

fn composed_functions(draw: &mut Draw) -> Asked {
    let (factor, plus) = (draw.number(3..=12), draw.number(5..=60));
    let (minus, start) = (draw.number(2..=20), draw.number(21..=90));
    let [f, g] = variables(draw);
    let is_f_first = draw.coin();
    let answer = if is_f_first { factor * start + plus - minus } else { factor * (start - minus) + plus };
    let called = if is_f_first { format!("{g}({f}({start}))") } else { format!("{f}({g}({start}))") };
    let program = draw.wording([
        format!("{f} = lambda x: {factor} * x + {plus}\n{g} = lambda x: x - {minus}\nprint({called})"),
        format!("const {f} = (x) => {factor} * x + {plus};\nconst {g} = (x) => x - {minus};\nconsole.log({called});"),
        format!("def {f}(x)\n  {factor} * x + {plus}\nend\n\ndef {g}(x)\n  x - {minus}\nend\n\nputs {called}"),
    ]);
    (printed_by(draw, &program), answer.to_string())
}

fn map_sum(draw: &mut Draw) -> Asked {
    let [a, b, c] = draw.words::<3>(THINGS);
    let [first, second, third] = draw.numbers::<3>(11..=99);
    let (added, factor) = (draw.number(2..=40), draw.number(2..=5));
    let [map, _] = variables(draw);
    let pairs = format!("\"{a}\": {first}, \"{b}\": {second}, \"{c}\": {third}");
    let program = draw.wording([
        format!("{map} = {{{pairs}}}\n{map}[\"{a}\"] += {added}\n{map}[\"{b}\"] = {map}[\"{a}\"] * {factor}\ndel {map}[\"{a}\"]\nprint(sum({map}.values()))"),
        format!("const {map} = {{{pairs}}};\n{map}[\"{a}\"] += {added};\n{map}[\"{b}\"] = {map}[\"{a}\"] * {factor};\ndelete {map}[\"{a}\"];\nconsole.log(Object.values({map}).reduce((x, y) => x + y));"),
    ]);
    (printed_by(draw, &program), ((first + added) * factor + third).to_string())
}

fn printed_by(draw: &mut Draw, program: &str) -> String {
    let only = draw.number_only();
    draw.wording([
        format!("What does this program print?\n\n{program}\n\n{only}"),
        format!("Read this program:\n\n{program}\n\nWhich number does it print? {only}"),
        format!("{program}\n\nThe lines above are run once. What is printed? {only}"),
    ])
}

/// Two names for variables that differ and are keywords nowhere.
fn variables(draw: &mut Draw) -> [&'static str; 2] {
    draw.words(&[
        "alpha", "beta", "count", "delta", "gamma", "height", "k", "m", "p", "q", "score", "t", "v", "w",
    ])
}
