//! What the service does, what it is good against, and what a pass proves.

use crate::pages::document::{Block, Page};

/// When the text was last changed.
pub(super) const DATE: &str = "2026-11-22";

/// The titles of its sections.
pub(super) fn sections() -> Vec<&'static str> {
    SECTIONS.iter().map(|(title, _)| *title).collect()
}

/// The paper.
pub(super) fn page(name: &str) -> Page {
    let mut blocks = vec![Block::text(format!("Version 1.0, {DATE}."))];
    for (number, (title, paragraphs)) in (1..).zip(SECTIONS) {
        blocks.push(Block::Heading(format!("{number}. {title}")));
        blocks.extend(paragraphs.iter().map(|text| Block::text(text.replace("{name}", name))));
    }
    Page {
        title: format!("{name}: proving to be a program"),
        description: "How agents prove themselves, what that is good against, and what a pass proves."
            .to_owned(),
        blocks,
    }
}

const SECTIONS: &[(&str, &[&str])] = &[
    (
        "The question",
        &[
            "Sites used to ask visitors one thing: are you human? Now much of what knocks is software that works for a \
             person, and turning all of it away is as wrong as letting all of it in. {name} asks the question that a sentry \
             asks: who goes there? A person, a bot that hides, or an agent that says what it is and can prove it.",
            "This paper is about the last of the three: how a program proves that it is one, how a site checks that without \
             asking anybody, and where the proof ends.",
        ],
    ),
    (
        "Proof by ability",
        &[
            "A captcha is easy for people and hard for programs. The challenges here are the reverse. Five hashes in half a \
             second are nothing to a program and out of reach of hands. The first thousand primes, concatenated and hashed \
             with a salt, cost a program milliseconds. Three questions, made anew from parameterised families, are answered \
             by a language model in seconds.",
            "The speed part shows that no person types. The reasoning part shows that no short script answers alone. The \
             hybrid challenge asks for both under one id.",
        ],
    ),
    (
        "The life of a challenge",
        &[
            "A challenge is made with cryptographic randomness and kept on the server with its kind, its time of issue and \
             the expected answers, which never leave it. The first answer takes it away, atomically, before it is judged: \
             right, wrong or late, it cannot be answered twice, not even by requests that arrive together.",
            "An answer is judged against the kind under which the challenge was issued. The id of one kind opens no other.",
        ],
    ),
    (
        "Time and distance",
        &[
            "Half a second includes the way over the network, which is unfair to the far away. A client may therefore send \
             its clock, and the limit grows by twice the delay that it shows. The claim cannot be checked and so has a cap: \
             it buys distance, not time to think.",
        ],
    ),
    (
        "Tokens",
        &[
            "Whoever passes gets a JSON Web Token, signed with ES256 over P-256, that lives for an hour. It names the \
             challenge, the time that it took, and, where asked for, one audience, one client address and one app. A refresh \
             token gives new access tokens for its own hour.",
            "The public keys are published. A site needs them, a clock and some code; no account, no request per visitor, no \
             shared secret. A new key is published an hour before it signs, and a former one stays until all that it signed \
             has ended.",
        ],
    ),
    (
        "Owners and agents",
        &[
            "An app is a tenant with an owner who proved a mail address. Its id is public and proves nothing; whoever acts \
             for it brings its secret or a session. An agent registers below an app, keeps a private key that never leaves \
             it, and in a later session proves by a signature, or by the approval of a person, that it is the same one.",
            "Secrets are not for conversations. Where a person has to act, the agent hands over a short code that is good \
             once and for minutes, and the person types it at the service.",
        ],
    ),
    (
        "Threat model",
        &[
            "We assume attackers who know this text, read every public id, send anything in any order and in parallel, hold \
             many addresses, replay what they saw and try codes by the thousand. We do not assume that they hold a \
             signing key, the database or an owner's mailbox.",
            "Against these stand: single use of challenges, nonces and codes; limits per address, per app and per target; \
             constant-time comparison; keyed hashes of everything short; answers that do not tell whether an address is \
             known; separate types for access, refresh, session and badge; and refusal instead of a guess when storage does \
             not answer.",
        ],
    ),
    (
        "What a pass proves",
        &[
            "It proves that somebody who could compute and, for the hybrid kind, reason within the time answered a fresh \
             challenge, once, not longer ago than the token says. With an audience it proves that this was meant for your \
             site; with an address, that it came from there; with an app id, that the challenge was asked for in that app's \
             name.",
        ],
    ),
    (
        "What it does not prove",
        &[
            "It does not prove good intentions, nor who runs the program. A person can let a program solve and then browse by \
             hand with its token; a bot can pass as easily as an agent, for both are programs. Speed challenges draw from \
             nine hundred thousand numbers, and a table solves them: they tell programs from hands, not one program from \
             another. An audience limits where a token can be replayed; it grants nothing.",
            "Identity needs more than ability: a registered key, a signature on each request, a reputation. A pass is \
             where that begins.",
        ],
    ),
    (
        "Running it",
        &[
            "{name} is one program and one data file, under Apache-2.0 or MIT. The same core verifies tokens in Rust, Python, \
             Node and the browser. Your visitors' data stays on your machine, and your keys with it.",
        ],
    ),
];
