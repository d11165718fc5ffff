//! `quivive agents`, as a person runs it: the real program.

use std::process::{Command, Output};

use quivive_core::decision::Policy;
use serde_json::Value;

fn run(arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_quivive")).arg("agents").args(arguments).output().unwrap()
}

fn text(arguments: &[&str]) -> String {
    let output = run(arguments);
    assert!(output.status.success(), "{arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}

fn json(arguments: &[&str]) -> Value {
    serde_json::from_str(&text(arguments)).unwrap()
}

fn refusal(arguments: &[&str]) -> String {
    let output = run(arguments);
    assert!(!output.status.success() && output.stdout.is_empty(), "{arguments:?}");
    String::from_utf8(output.stderr).unwrap()
}

#[test]
fn the_list_is_a_table_that_fits_and_has_no_colours_in_a_pipe() {
    let table = text(&[]);
    assert!(table.lines().count() > 700);
    assert!(table.lines().all(|line| line.chars().count() <= 120), "{table}");
    assert!(!table.contains('\u{1b}'));
    assert!(table.starts_with("NAME "));
}

#[test]
fn filters_narrow_the_list() {
    let names = |arguments: &[&str]| -> Vec<String> {
        let arguments = [arguments, &["--json"]].concat();
        let found = json(&arguments);
        let agents = found["agents"].as_array().unwrap().iter();
        agents.map(|agent| agent["name"].as_str().unwrap().to_owned()).collect()
    };
    assert_eq!(names(&["--purpose", "training", "--operator", "openai"]), ["GPTBot"]);
    assert_eq!(names(&["chatgpt-user"]), ["ChatGPT-User"]);
    let verifiable = names(&["--purpose", "ai", "--verifiable"]);
    assert!(verifiable.contains(&"GPTBot".to_owned()) && !verifiable.contains(&"Bytespider".to_owned()));
    let both = names(&["--purpose", "seo,archive"]);
    assert!(
        both.contains(&"AhrefsBot".to_owned()) && both.contains(&"archive.org_bot".to_owned()),
        "{both:?}"
    );
}

#[test]
fn one_agent_is_explained_with_its_sources() {
    let page = text(&["show", "gptbot"]);
    for part in ["OpenAI", "training", "contains gptbot", "https://openai.com/gptbot.json", "MIT", "since 20"]
    {
        assert!(page.contains(part), "{part}: {page}");
    }
    assert!(text(&["show", "Google-Extended"]).contains("never sent"));
    assert!(text(&["show", "Browserbase"]).contains("only its signature tells it"));
    assert!(text(&["show", "Bytespider"]).contains("anybody can send this name"));
    let agent = json(&["show", "GPTBot", "--json"]);
    assert_eq!(agent["purpose"], "training");
    assert!(agent["sources"].as_array().unwrap().iter().all(|source| source["licence"].is_string()));
}

#[test]
fn slips_are_answered_with_what_was_meant() {
    for (arguments, hint) in [
        (&["show", "GTPBot"][..], "did you mean GPTBot?"),
        (&["--purpose", "trainng"], "did you mean training?"),
        (&["robots", "--disallow", "agentic_brwser"], "did you mean agentic_browser?"),
        (&["policy", "--block", "perplexitybt"], "did you mean PerplexityBot?"),
    ] {
        let error = refusal(arguments);
        assert!(error.contains(hint), "{arguments:?}: {error}");
    }
    assert!(refusal(&["robots", "--disallow", "ai", "--allow", "search"]).contains("two lists"));
    assert!(refusal(&["robots", "--sitemap", "sitemap.xml"]).contains("absolute"));
}

#[test]
fn a_robots_file_is_written_and_says_whom_it_cannot_reach() {
    let output = run(&[
        "robots",
        "--disallow",
        "training,agentic_browser",
        "--allow",
        "CCBot",
        "--sitemap",
        "https://example.com/sitemap.xml",
    ]);
    let file = String::from_utf8(output.stdout).unwrap();
    let (disallowed, allowed) = file.split_once("Allow: /").unwrap();
    assert!(disallowed.contains("\nUser-agent: GPTBot\n") && disallowed.contains("\nDisallow: /\n"));
    assert!(disallowed.rsplit("\n\n").next().unwrap().contains("User-agent: CCBot"), "{file}");
    assert!(allowed.ends_with("Sitemap: https://example.com/sitemap.xml\n"));
    assert!(String::from_utf8(output.stderr).unwrap().contains("Browserbase"));
}

#[test]
fn a_policy_is_one_that_guards_accept() {
    let policy =
        text(&["policy", "--block", "training", "--challenge", "agentic_browser", "--allow", "CCBot"]);
    let policy: Policy = serde_json::from_str(&policy).unwrap();
    assert_eq!(policy.rules.len(), 4);
    quivive_core::decision::Decider::new(policy).unwrap();
}
