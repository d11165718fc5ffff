//! The words that questions are built from. No list holds a pair of anagrams, so that a scrambled word has one
//! reading.

/// First names, each a different one in every spelling that is compared.
pub(super) const NAMES: &[&str] = &[
    "Ada", "Amir", "Anna", "Boris", "Bruno", "Carla", "Chen", "Cora", "Dario", "Diana", "Elena", "Emil",
    "Farid", "Felix", "Flora", "Greta", "Hana", "Hugo", "Iris", "Ivan", "Jonas", "Julia", "Kenji", "Lars",
    "Leila", "Linus", "Luca", "Maria", "Milo", "Mina", "Naomi", "Nils", "Nora", "Omar", "Oscar", "Paula",
    "Petra", "Rafael", "Rosa", "Samir", "Selma", "Tariq", "Theo", "Uma", "Vera", "Viktor", "Wanda", "Yara",
    "Yusuf", "Zara",
];

/// Nouns of five to nine letters, several for nearly every initial.
pub(super) const NOUNS: &[&str] = &[
    "acorn", "almond", "anchor", "apple", "apron", "arrow", "atlas", "award", "badge", "basket", "beacon",
    "blanket", "bottle", "bridge", "bucket", "button", "cabin", "candle", "carpet", "castle", "chimney",
    "circle", "copper", "curtain", "daisy", "desert", "diamond", "dinner", "dolphin", "domino", "dragon",
    "drawer", "eagle", "easel", "elbow", "emerald", "engine", "envelope", "evening", "express", "fabric",
    "falcon", "feather", "ferry", "fiddle", "flower", "forest", "fountain", "galaxy", "garden", "garlic",
    "giraffe", "glacier", "goblet", "granite", "guitar", "hammer", "hammock", "harvest", "hazel", "helmet",
    "hornet", "hotel", "hurdle", "iceberg", "igloo", "image", "indigo", "insect", "invoice", "island",
    "ivory", "jacket", "jaguar", "jasmine", "jelly", "jersey", "jewel", "jungle", "juniper", "kayak",
    "kennel", "kettle", "kiosk", "kitten", "knight", "knuckle", "koala", "ladder", "lantern", "laptop",
    "lemon", "lizard", "lobster", "locket", "lumber", "magnet", "mango", "marble", "market", "meadow",
    "mirror", "monkey", "mountain", "napkin", "nectar", "needle", "nephew", "nickel", "noodle", "notebook",
    "nutmeg", "oasis", "ocean", "olive", "onion", "orange", "orchard", "otter", "oyster", "paddle",
    "panther", "parcel", "pebble", "pencil", "pepper", "pillow", "planet", "quarry", "quartz", "queen",
    "quilt", "rabbit", "raisin", "ribbon", "river", "robin", "rocket", "rubber", "ruler", "saddle", "salmon",
    "scarf", "shadow", "silver", "spider", "statue", "sugar", "table", "tailor", "teapot", "thunder",
    "ticket", "tiger", "tomato", "tunnel", "umbrella", "uncle", "unicorn", "uniform", "union", "urchin",
    "usher", "utensil", "valley", "vanilla", "velvet", "village", "vinegar", "violin", "volcano", "voyage",
    "wagon", "walnut", "walrus", "weasel", "whistle", "willow", "window", "winter", "yacht", "yeast",
    "yogurt", "zebra", "zenith", "zipper",
];

/// Short nouns, four or five letters.
pub(super) const SHORT_NOUNS: &[&str] = &[
    "bark", "barn", "bead", "bell", "bird", "boat", "bone", "book", "bowl", "bread", "brick", "brush",
    "cake", "camel", "chair", "chalk", "chess", "cliff", "clock", "cloud", "coat", "coin", "crane", "crown",
    "cube", "deer", "desk", "dish", "door", "dove", "drum", "duck", "fern", "field", "flag", "flame",
    "flute", "foam", "fork", "frog", "gate", "glass", "globe", "glove", "goat", "gold", "grape", "grass",
    "hill", "honey", "horn", "horse", "house", "jade", "juice", "kite", "lake", "lamp", "light", "lily",
    "lion", "maple", "match", "medal", "melon", "milk", "moon", "mouse", "nail", "nest", "night", "oven",
    "paint", "paper", "peach", "pearl", "piano", "plate", "plum", "pond", "radio", "rain", "ring", "road",
    "roof", "rope", "rose", "salt", "sand", "shell", "ship", "silk", "snow", "soap", "spoon", "star",
    "stone", "storm", "swan", "tent", "torch", "tower", "train", "tree", "truck", "tulip", "vase", "wave",
    "whale", "wheel", "wolf", "wood",
];

/// Things that one can carry and put somewhere; their plurals are regular.
pub(super) const THINGS: &[&str] = &[
    "acorn", "apple", "badge", "bell", "bottle", "button", "candle", "coin", "compass", "feather", "fork",
    "glove", "hammer", "helmet", "key", "lantern", "lemon", "magnet", "marble", "medal", "mirror", "mug",
    "needle", "notebook", "orange", "parcel", "pearl", "pebble", "pencil", "ribbon", "ring", "ruler",
    "saucer", "shell", "spoon", "stamp", "teapot", "ticket", "torch", "whistle",
];

/// Places in and around a house.
pub(super) const ROOMS: &[&str] = &[
    "attic",
    "balcony",
    "barn",
    "bathroom",
    "bedroom",
    "cellar",
    "corridor",
    "garage",
    "garden",
    "greenhouse",
    "kitchen",
    "laundry",
    "library",
    "lobby",
    "nursery",
    "office",
    "pantry",
    "porch",
    "shed",
    "stable",
    "studio",
    "terrace",
    "veranda",
    "workshop",
];

/// Colours and materials that set one of several things apart.
pub(super) const KINDS: &[&str] = &[
    "amber",
    "black",
    "blue",
    "bronze",
    "brown",
    "copper",
    "crimson",
    "crystal",
    "glass",
    "golden",
    "green",
    "grey",
    "iron",
    "ivory",
    "leather",
    "orange",
    "paper",
    "pink",
    "purple",
    "red",
    "silver",
    "stone",
    "tin",
    "turquoise",
    "velvet",
    "violet",
    "white",
    "wooden",
    "yellow",
];

/// The months and their days in a year that is no leap year.
pub(super) const MONTHS: &[(&str, i64)] = &[
    ("January", 31),
    ("February", 28),
    ("March", 31),
    ("April", 30),
    ("May", 31),
    ("June", 30),
    ("July", 31),
    ("August", 31),
    ("September", 30),
    ("October", 31),
    ("November", 30),
    ("December", 31),
];

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn no_list_has_doubles_or_anagrams() {
        for words in [NAMES, NOUNS, SHORT_NOUNS, THINGS, ROOMS, KINDS] {
            let sorted = |word: &&str| {
                let mut letters: Vec<char> = word.to_lowercase().chars().collect();
                letters.sort_unstable();
                letters
            };
            let distinct: HashSet<Vec<char>> = words.iter().map(sorted).collect();
            assert_eq!(distinct.len(), words.len(), "{:?}", words.first());
        }
        assert_eq!(MONTHS.iter().map(|(_, days)| days).sum::<i64>(), 365);
    }

    #[test]
    fn words_are_lower_case_ascii() {
        for words in [NOUNS, SHORT_NOUNS, THINGS, ROOMS, KINDS] {
            assert!(words.iter().all(|word| word.bytes().all(|letter| letter.is_ascii_lowercase())));
        }
    }
}
