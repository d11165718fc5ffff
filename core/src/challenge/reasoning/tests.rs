use std::collections::{BTreeMap, HashMap, HashSet};

use proptest::prelude::*;
use serde_json::{Value, json};

use super::draw::Draw;
use super::family::{self, Family};
use super::matching::normalize;
use super::*;

const NOW: Timestamp = Timestamp::from_seconds(1_771_156_800);
const CATEGORIES: [Category; 6] = [
    Category::Analogy,
    Category::Code,
    Category::CommonSense,
    Category::Logic,
    Category::Math,
    Category::Wordplay,
];

fn seed(number: u32) -> [u8; 32] {
    let mut seed = [0; 32];
    seed[..4].copy_from_slice(&number.to_be_bytes());
    seed
}

fn right(challenge: &ReasoningChallenge) -> BTreeMap<String, Value> {
    challenge.expected.iter().map(|right| (right.id.clone(), json!(right.answer))).collect()
}

fn reason(challenge: &ReasoningChallenge, answers: &Value, after_ms: i64) -> String {
    check(challenge, answers, NOW.plus_milliseconds(after_ms)).unwrap_err().reason
}

/// Questions and answers of one family.
fn drawn(family: &Family, count: u32) -> Vec<(String, String)> {
    (0..count).map(|number| (family.make)(&mut Draw::new(&seed(number)))).collect()
}

#[test]
fn bank_has_thirty_families_and_five_in_each_category() {
    let prefixes: HashSet<&str> = family::all().map(|family| family.prefix).collect();
    assert_eq!(prefixes.len(), family::all().count());
    assert!(prefixes.len() >= 30);
    for category in CATEGORIES {
        assert!(family::all().filter(|family| family.category == category).count() >= 5, "{category:?}");
        assert_eq!(json!(category), category.name());
    }
}

/// Differences in wording do not count: words that stand in more than a fifth of the questions are left out.
#[test]
fn every_family_has_thousands_of_variants() {
    const DRAWN: u32 = 5000;
    let mut too_few = Vec::new();
    for family in family::all() {
        let drawn: Vec<(Vec<String>, String)> = drawn(family, DRAWN)
            .into_iter()
            .map(|(question, answer)| {
                let is_mark = |character: char| !character.is_alphanumeric();
                (
                    question.split_whitespace().map(|word| word.trim_matches(is_mark).to_owned()).collect(),
                    answer,
                )
            })
            .collect();
        let mut frequency: HashMap<&str, u32> = HashMap::new();
        for (words, _) in &drawn {
            for word in words.iter().collect::<HashSet<_>>() {
                *frequency.entry(word).or_default() += 1;
            }
        }
        let is_letter =
            |word: &str| word.len() == 1 && word.bytes().all(|letter| letter.is_ascii_uppercase());
        let is_content = |word: &&String| {
            let is_rare = frequency[word.as_str()] < DRAWN * 22 / 100;
            is_rare || is_letter(word) || word.bytes().any(|letter| letter.is_ascii_digit())
        };
        let variants: HashSet<(Vec<&String>, &str)> = drawn
            .iter()
            .map(|(words, answer)| (words.iter().filter(is_content).collect(), answer.as_str()))
            .collect();
        if variants.len() < 2000 {
            too_few.push((family.prefix, variants.len()));
        }
    }
    assert_eq!(too_few, []);
}

#[test]
fn no_answer_is_worth_guessing() {
    for family in family::all() {
        let mut frequency: HashMap<String, u32> = HashMap::new();
        for (_, answer) in drawn(family, 3000) {
            *frequency.entry(answer).or_default() += 1;
        }
        let (favourite, times) = frequency.iter().max_by_key(|(_, times)| **times).unwrap();
        assert!(*times <= 200, "{}: {favourite} {times} of 3000", family.prefix);
    }
}

#[test]
fn questions_are_clean_and_answers_are_bare() {
    for family in family::all() {
        for (question, answer) in drawn(family, 400) {
            assert_eq!(normalize(&answer), answer, "{question}");
            assert!(!answer.is_empty() && answer.len() <= 20 && !answer.contains(' '), "{question} {answer}");
            assert!(question.is_ascii() && (40..=900).contains(&question.len()), "{question}");
            let (first, last) = (question.chars().next().unwrap(), question.chars().last().unwrap());
            assert!(last == '.', "{question}");
            let is_program = family.category == Category::Code;
            assert!(is_program || !first.is_ascii_lowercase(), "{question}");
            assert!(is_program || !question.contains("  "), "{question}");
            for mistake in [" a a", " a e", " a i", " a o", " an b", " an t", "..", " ,", "? ?", " 1 days"] {
                let is_fine =
                    mistake == " a o" && (question.contains(" a one") || question.contains(" a once"));
                assert!(is_program || is_fine || !question.contains(mistake), "{mistake:?} in {question}");
            }
        }
    }
}

#[test]
fn challenge_has_three_families_and_the_third_is_of_another_category() {
    let mut seen = HashSet::new();
    for number in 0..600 {
        let made = generate(None, &seed(number), NOW);
        let [first, second, third] = <[_; 3]>::try_from(made.question.questions.clone()).unwrap();
        assert!(third.category != first.category && third.category != second.category);
        let prefix = |question: &NaturalQuestion| question.id.rsplit_once('-').unwrap().0.to_owned();
        assert_ne!(prefix(&first), prefix(&second));
        for question in [first, second, third] {
            let (prefix, random) = question.id.rsplit_once('-').unwrap();
            assert!(random.len() == 8 && random.bytes().all(|digit| b"0123456789abcdef".contains(&digit)));
            let family = family::all().find(|family| family.prefix == prefix).unwrap();
            assert_eq!(family.category, question.category);
            seen.insert(family.prefix);
        }
    }
    assert_eq!(seen.len(), family::all().count());
}

#[test]
fn same_seed_gives_same_challenge_and_own_id_is_kept() {
    assert_eq!(generate(None, &[7; 32], NOW), generate(None, &[7; 32], NOW));
    assert_ne!(
        generate(None, &[7; 32], NOW).question.questions,
        generate(None, &[8; 32], NOW).question.questions
    );
    let made = generate(Some("mine".into()), &[7; 32], NOW);
    assert_eq!((made.challenge.id.as_str(), made.question.id.as_str()), ("mine", "mine"));
    let challenge = made.challenge;
    assert_eq!((challenge.limit_ms, challenge.deadline), (30_000, NOW.plus_milliseconds(35_000)));
}

#[test]
fn outcomes_are_the_published_ones() {
    let challenge = generate(None, &[7; 32], NOW).challenge;
    let answers = right(&challenge);
    let passed = check(&challenge, &json!(answers), NOW.plus_milliseconds(35_000)).unwrap();
    assert_eq!((passed.solve_time_ms, passed.score().as_str()), (35_000, "3/3"));
    assert_eq!(reason(&challenge, &json!(answers), 35_001), "Too slow! Took 35001ms, limit was 30 seconds");
    for sent in [json!(null), json!([]), json!("x"), json!(3), json!([answers])] {
        let expected = "Answers must be an object mapping question IDs to answers";
        assert_eq!(reason(&challenge, &sent, 1), expected);
    }
    let ids: Vec<&str> = challenge.expected.iter().map(|right| right.id.as_str()).collect();
    let mut wrong = answers.clone();
    wrong.insert(ids[1].to_owned(), json!("no idea"));
    let failed = check(&challenge, &json!(wrong), NOW.plus_milliseconds(9)).unwrap_err();
    assert_eq!(failed.reason, format!("Only 2/3 correct. Wrong: {}", ids[1]));
    assert_eq!((failed.solve_time_ms, failed.correct, failed.total), (Some(9), Some(2), Some(3)));
    let error = Error::from(failed);
    assert_eq!((error.kind(), &error.details()["correct"]), (ErrorKind::WrongAnswer, &json!(2)));
    assert_eq!(reason(&challenge, &json!({}), 1), format!("Only 0/3 correct. Wrong: {}", ids.join(", ")));
    let late = check(&challenge, &json!(answers), NOW.plus_milliseconds(40_000)).unwrap_err();
    assert_eq!((late.is_late, late.solve_time_ms), (true, None));
    assert_eq!(Error::from(late).kind(), ErrorKind::ChallengeExpired);
}

#[test]
fn other_kinds_and_empty_challenges_are_not_found() {
    let challenge = generate(None, &[7; 32], NOW).challenge;
    let answers = json!(right(&challenge));
    for kind in
        [ChallengeKind::Speed, ChallengeKind::Standard, ChallengeKind::Hybrid, ChallengeKind::Dashboard]
    {
        let other = ReasoningChallenge { kind, ..challenge.clone() };
        assert_eq!(reason(&other, &answers, 1), NOT_FOUND);
    }
    let empty = ReasoningChallenge { expected: vec![], ..challenge };
    assert_eq!(reason(&empty, &json!({}), 1), NOT_FOUND);
}

#[test]
fn kept_half_survives_storage_and_refuses_another_shape() {
    let challenge = generate(None, &[7; 32], NOW).challenge;
    let stored = serde_json::to_value(&challenge).unwrap();
    assert_eq!(serde_json::from_value::<ReasoningChallenge>(stored.clone()).unwrap(), challenge);
    assert!(serde_json::from_value::<crate::challenge::Challenge>(stored).is_err());
}

/// Whoever writes down every question that was ever asked does not meet one of them again.
#[test]
fn table_of_seen_questions_answers_no_fresh_challenge() {
    let mut table = HashMap::new();
    let mut favourites: HashMap<String, HashMap<String, u32>> = HashMap::new();
    for number in 0..6000 {
        let made = generate(None, &seed(number), NOW);
        for (asked, right) in made.question.questions.into_iter().zip(made.challenge.expected) {
            let prefix = asked.id.rsplit_once('-').unwrap().0.to_owned();
            *favourites.entry(prefix).or_default().entry(right.answer.clone()).or_default() += 1;
            table.insert(asked.question, right.answer);
        }
    }
    let mut known = 0;
    for number in 6000..8000 {
        let made = generate(None, &seed(number), NOW);
        let look_up = |asked: &NaturalQuestion| {
            let prefix = asked.id.rsplit_once('-').unwrap().0;
            let favourite = favourites[prefix].iter().max_by_key(|(_, times)| **times).unwrap().0;
            (asked.id.clone(), json!(table.get(&asked.question).unwrap_or(favourite)))
        };
        known += made.question.questions.iter().filter(|asked| table.contains_key(&asked.question)).count();
        let answers: BTreeMap<String, Value> = made.question.questions.iter().map(look_up).collect();
        assert!(check(&made.challenge, &json!(answers), NOW).is_err());
    }
    assert!(known < 30, "{known} of 6000 questions came again");
}

/// One answer that holds every name, thing and number there is, is no answer.
#[test]
fn answer_that_lists_every_guess_is_wrong() {
    let words =
        [words::NAMES, words::NOUNS, words::SHORT_NOUNS, words::THINGS, words::ROOMS, words::KINDS].concat();
    let every = format!(
        "{} {}",
        words.join(" "),
        (0..2000).map(|guess| guess.to_string()).collect::<Vec<_>>().join(" ")
    );
    for number in 0..200 {
        let made = generate(None, &seed(number), NOW);
        let expected = made.challenge.expected.clone();
        let several = |right: &ExpectedAnswer| format!("{} or lantern or 12", right.answer);
        for guess in [|_: &str| String::new(), |every: &str| every.to_owned()] {
            let answers: BTreeMap<&str, String> =
                expected.iter().map(|right| (right.id.as_str(), guess(&every))).collect();
            assert_eq!(check(&made.challenge, &json!(answers), NOW).unwrap_err().correct, Some(0));
        }
        let answers: BTreeMap<&str, String> =
            expected.iter().map(|right| (right.id.as_str(), several(right))).collect();
        assert_eq!(check(&made.challenge, &json!(answers), NOW).unwrap_err().correct, Some(0));
    }
}

#[test]
fn answers_may_be_dressed_up() {
    for number in 0..200 {
        let challenge = generate(None, &seed(number), NOW).challenge;
        let answers: BTreeMap<&str, String> = challenge
            .expected
            .iter()
            .map(|right| (right.id.as_str(), format!(" \"{}\". ", right.answer.to_uppercase())))
            .collect();
        assert!(check(&challenge, &json!(answers), NOW).is_ok());
        let numbers: BTreeMap<&str, Value> = challenge
            .expected
            .iter()
            .map(|right| {
                (right.id.as_str(), right.answer.parse::<i64>().map_or(json!(right.answer), Value::from))
            })
            .collect();
        assert!(check(&challenge, &json!(numbers), NOW).is_ok());
    }
}

/// What the culprits' statements say is counted again from the text, for every suspect.
#[test]
fn culprit_follows_from_the_text_alone() {
    let family = family::all().find(|family| family.prefix == "logic-culprit").unwrap();
    for (question, answer) in drawn(family, 500) {
        let claims: Vec<(&str, &str)> = question
            .split("says: \"It was ")
            .collect::<Vec<_>>()
            .windows(2)
            .map(|parts| (parts[0].split_whitespace().last().unwrap(), parts[1].split('.').next().unwrap()))
            .collect();
        assert_eq!(claims.len(), 4, "{question}");
        let wanted = ["", "Exactly one", "exactly two", "exactly three"]
            .iter()
            .position(|words| {
                !words.is_empty()
                    && question.to_lowercase().contains(&format!("{} of these four", words.to_lowercase()))
            })
            .unwrap();
        let is_true = |culprit: &str, (speaker, claim): &(&str, &str)| match claim.strip_prefix("not ") {
            Some("me") => *speaker != culprit,
            Some(cleared) => cleared != culprit,
            None => *claim == culprit,
        };
        let culprits: Vec<String> = claims
            .iter()
            .map(|(suspect, _)| *suspect)
            .filter(|suspect| claims.iter().filter(|claim| is_true(suspect, claim)).count() == wanted)
            .map(str::to_lowercase)
            .collect();
        assert_eq!(culprits, [answer], "{question}");
    }
}

/// Gives each box to each person in turn and keeps what the denials allow.
#[test]
fn owner_follows_from_the_text_alone() {
    let family = family::all().find(|family| family.prefix == "logic-owners").unwrap();
    for (question, answer) in drawn(family, 300) {
        let denials: Vec<(&str, &str)> = question
            .split(['.', ':'])
            .filter_map(|sentence| {
                let (person, kind) = sentence.split_once(" does not own the ")?;
                Some((person.split_whitespace().last()?, kind.strip_suffix(" box")?))
            })
            .collect();
        let people: Vec<&str> = super::words::NAMES
            .iter()
            .copied()
            .filter(|name| question.split(|letter: char| !letter.is_alphabetic()).any(|word| word == *name))
            .collect();
        let kinds: Vec<&str> = super::words::KINDS
            .iter()
            .copied()
            .filter(|kind| question.split(|letter: char| !letter.is_alphabetic()).any(|word| word == *kind))
            .collect();
        assert_eq!((people.len(), kinds.len()), (4, 4), "{question}");
        let asked = kinds.iter().position(|kind| {
            let phrases = [
                format!("owns the {kind} box"),
                format!("does the {kind} box"),
                format!("is the {kind} one"),
            ];
            phrases.iter().any(|phrase| question.contains(phrase.as_str()))
        });
        let mut owners = HashSet::new();
        for order in 0..256_usize {
            let owned = [order & 3, (order >> 2) & 3, (order >> 4) & 3, order >> 6];
            let is_assignment = owned.iter().collect::<HashSet<_>>().len() == 4;
            let is_denied = denials.iter().any(|(person, kind)| {
                people.iter().zip(owned).any(|(owner, owned)| owner == person && kinds[owned] == *kind)
            });
            if is_assignment && !is_denied {
                let owner = owned.iter().position(|kind| Some(*kind) == asked).unwrap();
                owners.insert(people[owner].to_lowercase());
            }
        }
        assert_eq!(owners, HashSet::from([answer]), "{question}");
    }
}

proptest! {
    #[test]
    fn any_seed_gives_questions_whose_answers_pass(seed in any::<[u8; 32]>(), guess in any::<String>(), place in 0..3_usize) {
        let made = generate(None, &seed, NOW);
        let mut answers = right(&made.challenge);
        prop_assert!(check(&made.challenge, &json!(answers), NOW).is_ok());
        let asked = &made.challenge.expected[place];
        prop_assume!(normalize(&guess) != asked.answer);
        answers.insert(asked.id.clone(), json!(guess));
        prop_assert!(check(&made.challenge, &json!(answers), NOW).is_err());
    }
}
