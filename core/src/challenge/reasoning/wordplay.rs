//! Questions about letters and words.

use super::draw::{Draw, list, ordinal};
use super::family::{Asked, Category, Family};
use super::words::{NOUNS, SHORT_NOUNS};

pub(super) const FAMILIES: &[Family] = &[
    Family::new(Category::Wordplay, "word-initials", initials),
    Family::new(Category::Wordplay, "word-stride", every_nth_letter),
    Family::new(Category::Wordplay, "word-reverse", reversed),
    Family::new(Category::Wordplay, "word-scramble", scrambled),
    Family::new(Category::Wordplay, "word-consonants", consonants),
    Family::new(Category::Wordplay, "word-cipher", shifted),
    Family::new(Category::Wordplay, "word-without", without_letter),
    Family::new(Category::Wordplay, "word-alphabet", alphabetical),
    Family::new(Category::Wordplay, "word-splice", spliced),
];

fn initials(draw: &mut Draw) -> Asked {
    let hidden = draw.word(SHORT_NOUNS);
    let mut words: Vec<&str> = hidden
        .chars()
        .filter_map(|letter| draw.any(NOUNS.iter().copied().filter(move |noun| noun.starts_with(letter))))
        .collect();
    let is_backwards = draw.coin();
    if is_backwards {
        words.reverse();
    }
    let from =
        if is_backwards { "from the last word to the first" } else { "from the first word to the last" };
    let (words, only) = (words.join(", "), draw.word_only());
    let question = draw.wording([
        format!(
            "Take the first letter of each word, {from}: {words}. Which word do the letters spell? {only}"
        ),
        format!("A word hides in the initials of this list, read {from}: {words}. Which word is it? {only}"),
        format!("Read only the initials of \"{words}\", going {from}. What do they spell? {only}"),
    ]);
    (question, hidden.to_owned())
}

fn every_nth_letter(draw: &mut Draw) -> Asked {
    let hidden = draw.word(SHORT_NOUNS);
    let stride = 2 + draw.index(2);
    let offset = draw.index(stride);
    let mut row = String::new();
    for letter in hidden.chars() {
        for place in 0..stride {
            row.push(if place == offset { letter } else { any_letter(draw) });
        }
    }
    let row: Vec<String> = row.chars().map(|letter| letter.to_uppercase().to_string()).collect();
    let (row, only) = (row.join(" "), draw.word_only());
    let (every, first) = (if stride == 2 { "second" } else { "third" }, ordinal(offset + 1));
    let question = draw.wording([
        format!("In this row of letters, read every {every} letter, beginning with the {first}: {row}. Which word appears? {only}"),
        format!("{row}: begin at the {first} letter and from there take every {every} one. Which word do you get? {only}"),
        format!("A word is hidden in {row}. Its letters are the {first} one and every {every} one after it. What is the word? {only}"),
    ]);
    (question, hidden.to_owned())
}

fn reversed(draw: &mut Draw) -> Asked {
    let [first, second] = draw.words::<2>(SHORT_NOUNS);
    let (answer, task) = if draw.coin() {
        let backwards: String = first.chars().rev().chain(second.chars().rev()).collect();
        (backwards, "each word backwards, keeping their order")
    } else {
        let backwards: String = second.chars().rev().chain(first.chars().rev()).collect();
        (backwards, "the whole of it backwards, from its last letter to its first")
    };
    let only = draw.letters_only();
    let question = draw.wording([
        format!("Put \"{first}\" and \"{second}\" side by side and write {task}. {only}"),
        format!("Take the text \"{first} {second}\" and write {task}, leaving out the space. {only}"),
    ]);
    (question, answer)
}

fn scrambled(draw: &mut Draw) -> Asked {
    let words = draw.nouns::<5>();
    let asked = draw.index(words.len());
    let hidden = words.get(asked).copied().unwrap_or_default();
    let mut letters: Vec<char> = hidden.chars().collect();
    while letters.iter().collect::<String>() == hidden {
        draw.shuffle(&mut letters);
    }
    let letters: Vec<String> = letters.iter().map(|letter| letter.to_uppercase().to_string()).collect();
    let (letters, words, only) = (letters.join(" "), list(&words), draw.word_only());
    let question = draw.wording([
        format!("Which of the words {words} can be written with exactly the letters {letters}? {only}"),
        format!("The letters {letters} are one of these words in disorder: {words}. Which one? {only}"),
        format!("Rearrange {letters} so that you get one of {words}. Which word is it? {only}"),
    ]);
    (question, hidden.to_owned())
}

fn consonants(draw: &mut Draw) -> Asked {
    let [first, second] = draw.nouns();
    let is_vowel = |letter: &char| matches!(letter, 'a' | 'e' | 'i' | 'o' | 'u');
    let answer: String =
        [first, second].iter().flat_map(|word| word.chars()).filter(|letter| !is_vowel(letter)).collect();
    let only = draw.letters_only();
    let question = draw.wording([
        format!("Strike out every a, e, i, o and u in \"{first} {second}\". What is left? {only}"),
        format!("Write \"{first} {second}\" without the letters a, e, i, o and u and without the space. {only}"),
        format!("If the keys A, E, I, O and U of a keyboard are broken and so is the space bar, what appears when you type \"{first} {second}\"? {only}"),
    ]);
    (question, answer)
}

fn shifted(draw: &mut Draw) -> Asked {
    let (plain, shift) = (draw.word(NOUNS), 1 + draw.index(12));
    let is_later = draw.coin();
    let moved = if is_later { shift } else { 26 - shift };
    let secret: String = plain.bytes().map(|letter| letter_at(usize::from(letter - b'a') + moved)).collect();
    let secret = secret.to_uppercase();
    let direction = if is_later { "later" } else { "earlier" };
    let places = if shift == 1 { "one place".to_owned() } else { format!("{shift} places") };
    let only = draw.word_only();
    let question = draw.wording([
        format!("Every letter of a word was replaced by the letter {places} {direction} in the alphabet, going round at its end. The result is {secret}. What was the word? {only}"),
        format!("Decode {secret}: each letter stands {places} {direction} in the alphabet than the one it means (the alphabet is a circle). {only}"),
        format!("A spy moves each letter {places} {direction} in the circular alphabet and writes {secret}. Which word did the spy begin with? {only}"),
    ]);
    (question, plain.to_owned())
}

fn without_letter(draw: &mut Draw) -> Asked {
    let letter = draw.any("aeiorntl".chars()).unwrap_or('e');
    let odd = draw.word_that(NOUNS, |noun| !noun.contains(letter));
    let mut words = vec![odd];
    while words.len() < 5 {
        let noun = draw.word_that(NOUNS, |noun| noun.contains(letter));
        if !words.contains(&noun) {
            words.push(noun);
        }
    }
    draw.shuffle(&mut words);
    let (words, letter, only) = (words.join(", "), letter.to_uppercase(), draw.word_only());
    let question = draw.wording([
        format!("Which of these words lacks the letter {letter}: {words}? {only}"),
        format!(
            "All but one of these words contain the letter {letter}: {words}. Which one does not? {only}"
        ),
        format!("Someone whose {letter} key is broken can type only one of {words}. Which? {only}"),
    ]);
    (question, odd.to_owned())
}

fn alphabetical(draw: &mut Draw) -> Asked {
    let words = draw.nouns::<6>();
    let mut sorted = words;
    sorted.sort_unstable();
    let place = draw.index(sorted.len());
    let from_end = sorted.len() - place;
    let (words, only) = (list(&words), draw.word_only());
    let question = draw.wording([
        format!("Put {words} into alphabetical order. Which word is in place {}? {only}", place + 1),
        format!(
            "In a dictionary that holds only {words}, which word is the {} entry? {only}",
            ordinal(place + 1)
        ),
        format!(
            "Sort {words} from A to Z. Which word is the {} counted from the end? {only}",
            ordinal(from_end)
        ),
    ]);
    (question, sorted.get(place).copied().unwrap_or_default().to_owned())
}

fn spliced(draw: &mut Draw) -> Asked {
    let [first, second] = draw.nouns();
    let (start, end) = (2 + draw.index(3), 2 + draw.index(3));
    let head: String = first.chars().take(start).collect();
    let tail: String = second.chars().skip(second.len() - end).collect();
    let only = draw.letters_only();
    let question = draw.wording([
        format!("Join the first {start} letters of \"{first}\" and the last {end} letters of \"{second}\". {only}"),
        format!("An invented word begins with the first {start} letters of \"{first}\" and ends with the last {end} letters of \"{second}\"; it has no other letters. How is it written? {only}"),
        format!("From \"{first}\" keep only the first {start} letters, from \"{second}\" only the last {end}, and write them together in this order. {only}"),
    ]);
    (question, head + &tail)
}

fn any_letter(draw: &mut Draw) -> char {
    letter_at(draw.index(26))
}

/// The letter at a place of the alphabet, which goes round.
fn letter_at(place: usize) -> char {
    char::from(b'a' + u8::try_from(place % 26).unwrap_or(0))
}
