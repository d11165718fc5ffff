//! `quivive admin`, as an operator runs it: the real program on a database of its own.

use std::path::Path;
use std::process::{Command, Output};

use quivive_server::botcha::codes::{self, Content, Purpose};
use quivive_server::config::{Config, Profile};
use quivive_server::serve;
use serde_json::{Value, json};

use crate::support::Server;

/// A database that commands work on.
struct Desk(tempfile::TempDir);

impl Desk {
    fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    fn run(&self, arguments: &[&str]) -> Output {
        let mut command = Command::new(env!("CARGO_BIN_EXE_quivive"));
        command.arg("admin").arg("--data").arg::<&Path>(self.0.path()).args(arguments).output().unwrap()
    }

    /// The text of a command that succeeds.
    fn text(&self, arguments: &[&str]) -> String {
        let output = self.run(arguments);
        assert!(output.status.success(), "{arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8(output.stdout).unwrap().trim_end().to_owned()
    }

    /// The JSON of a command that succeeds.
    fn json(&self, arguments: &[&str]) -> Value {
        let mut arguments = arguments.to_vec();
        arguments.push("--json");
        serde_json::from_str(&self.text(&arguments)).unwrap()
    }

    /// What a command that fails says.
    fn refusal(&self, arguments: &[&str]) -> String {
        let output = self.run(arguments);
        assert!(!output.status.success() && output.stdout.is_empty(), "{arguments:?}");
        let text = String::from_utf8(output.stderr).unwrap();
        assert!(!text.contains("panicked"), "{text}");
        text
    }
}

#[test]
fn a_project_is_made_from_an_empty_database_to_its_keys() {
    let desk = Desk::new();
    assert_eq!(desk.text(&["create-account", "Acme"]), "account 1");
    assert_eq!(desk.text(&["create-user", "Ada Example", "ada@example.com"]), "user 1");
    assert_eq!(desk.text(&["add-member", "1", "1", "--role", "owner"]), "user 1 is a member of account 1");
    assert_eq!(desk.text(&["create-token", "1", "1"]).len(), 48);
    assert!(desk.text(&["create-project", "1", "Shop"]).starts_with("project 1 proj_"));
    let keys = desk.json(&["enable-scoring", "1"]);
    assert!(keys["site_key"].as_str().unwrap().starts_with("pk_"));
    assert!(keys["private_key"].as_str().unwrap().starts_with("sk_"));
    // Shown this one time.
    assert_eq!(
        desk.json(&["enable-scoring", "1"]),
        json!({ "site_key": keys["site_key"], "private_key": null })
    );
    let rotated = desk.json(&["rotate-key", "1", "private"]);
    assert_eq!(rotated["type"], "private");
    assert!(rotated["key"] != keys["private_key"] && rotated["key"].as_str().unwrap().starts_with("sk_"));
    assert!(desk.text(&["rotate-key", "1", "site"]).starts_with("pk_"));
    assert_eq!(desk.text(&["disable-scoring", "1"]), "project 1: scoring off");
    assert!(desk.refusal(&["rotate-key", "1", "site"]).contains("Scoring is not enabled"));
    assert_eq!(desk.json(&["blocks", "1"]), json!([]));
    assert_eq!(desk.text(&["blocks", "1"]), "TIME  SESSION  VERDICT  SCORE  PATH  REASON");
}

#[test]
fn plans_are_built_in_or_of_the_operators_own_making() {
    let desk = Desk::new();
    desk.text(&["create-account", "Acme", "--plan", "free"]);
    let plan = |desk: &Desk| desk.json(&["accounts"])[0]["plan"].clone();
    assert_eq!((&plan(&desk)["name"], &plan(&desk)["monthly_event_quota"]), (&json!("free"), &Value::Null));
    let said =
        desk.text(&["set-plan", "1", "starter", "--monthly-events", "100000", "--custom-rules", "false"]);
    assert_eq!(said, "account 1: plan starter (100000 events a month, without rules)");
    assert_eq!(
        (&plan(&desk)["name"], &plan(&desk)["monthly_event_quota"], &plan(&desk)["custom_rules"]),
        (&json!("starter"), &json!(100_000), &json!(false))
    );
    // What is not named stays as the account's plan has it.
    desk.text(&["set-plan", "1", "starter", "--custom-rules", "true"]);
    assert_eq!(plan(&desk)["monthly_event_quota"], 100_000);
    desk.text(&["set-plan", "1", "enterprise", "--monthly-events", "unlimited"]);
    assert_eq!(plan(&desk)["monthly_event_quota"], Value::Null);
    let made =
        desk.json(&["create-account", "Own", "--plan", "tiny", "--monthly-events", "0", "--unsubscribed"]);
    assert_eq!((&made["plan"]["monthly_event_quota"], &made["is_subscribed"]), (&json!(0), &json!(false)));
    assert!(desk.refusal(&["set-plan", "1", "enterprize"]).contains("no plan `enterprize`"));
    assert!(desk.refusal(&["set-plan", "1", "pro", "--monthly-events", "-1"]).contains("error"));
    assert!(desk.refusal(&["set-plan", "1", "pro", "--monthly-events", "many"]).contains("unlimited"));
    assert_eq!(desk.text(&["set-subscription", "1", "off"]), "account 1: subscription off");
    assert_eq!(desk.json(&["accounts"])[0]["is_subscribed"], false);
}

#[test]
fn settings_are_shown_and_changed_in_part() {
    let desk = Desk::new();
    desk.text(&["create-account", "Acme"]);
    desk.text(&["create-project", "1", "Shop"]);
    let shown = desk.json(&["settings", "1"]);
    assert_eq!(
        shown,
        json!({
            "bot_settings": {
                "allow_verified": true, "protect_static": true, "block_definite": false, "challenge_likely": false
            },
            "likely_bot_threshold": 30
        })
    );
    let changed = desk.json(&["settings", "1", "--block-definite", "on", "--threshold", "40"]);
    assert_eq!(
        (&changed["bot_settings"]["block_definite"], &changed["likely_bot_threshold"]),
        (&json!(true), &json!(40))
    );
    assert_eq!(desk.json(&["settings", "1"]), changed);
    assert!(desk.text(&["settings", "1"]).ends_with("threshold         40"));
    for threshold in ["0", "100", "x"] {
        assert!(desk.refusal(&["settings", "1", "--threshold", threshold]).contains("1 to 99"));
    }
    assert_eq!(desk.json(&["settings", "1"]), changed);
}

#[test]
fn lists_are_tables_for_people_and_arrays_for_programs() {
    let desk = Desk::new();
    assert_eq!(
        (desk.json(&["accounts"]), desk.json(&["users"]), desk.json(&["projects"])),
        (json!([]), json!([]), json!([]))
    );
    desk.text(&["create-account", "Acme", "--id", "10"]);
    desk.text(&["create-account", "Beta", "--id", "9", "--personal"]);
    desk.text(&["create-user", "Ada", "ada@example.com", "--id", "2"]);
    desk.text(&["create-user", "Ben", "ben@example.com"]);
    desk.text(&["add-member", "10", "2", "--role", "owner"]);
    desk.text(&["create-project", "10", "Shop"]);
    desk.text(&["create-project", "9", "Blog"]);
    let table = desk.text(&["accounts"]);
    let lines: Vec<&str> = table.lines().collect();
    assert_eq!(lines[0], "ID  NAME  PLAN        EVENTS/MONTH  RULES  SUBSCRIPTION");
    assert_eq!(lines[1], "9   Beta  enterprise  unlimited     on     on");
    let ids =
        |list: Value| list.as_array().unwrap().iter().map(|item| item["id"].clone()).collect::<Vec<_>>();
    assert_eq!(ids(desk.json(&["accounts"])), [9, 10], "by number, not by text");
    assert_eq!(ids(desk.json(&["users"])), [2, 3]);
    let members = desk.json(&["users", "--account", "10"]);
    assert_eq!(
        (members[0]["id"].clone(), members[0]["role"].clone(), members[1].clone()),
        (json!(2), json!("owner"), Value::Null)
    );
    assert_eq!(ids(desk.json(&["projects"])), [1, 2]);
    let projects = desk.json(&["projects", "--account", "9"]);
    assert_eq!((&projects[0]["name"], &projects[0]["scoring"]), (&json!("Blog"), &json!(false)));
    assert!(!projects.to_string().contains("hash"));
    assert!(desk.text(&["projects"]).lines().nth(1).unwrap().starts_with("1   proj_"));
}

#[test]
fn what_cannot_be_done_is_said_in_a_line() {
    let desk = Desk::new();
    desk.text(&["create-account", "Acme", "--id", "7"]);
    for (arguments, said) in [
        (vec!["create-account", "Acme", "--id", "7"], "account 7 exists already"),
        (vec!["create-account", " "], "use 1 to 255 characters"),
        (vec!["create-account", "Acme", "--id", "0"], "0"),
        (vec!["create-user", "Ada", "ada"], "ada@example.com"),
        (vec!["create-project", "8", "Shop"], "no account 8"),
        (vec!["add-member", "7", "1"], "no user 1"),
        (vec!["create-token", "7", "1"], "no user 1"),
        (vec!["set-plan", "8", "pro"], "no account 8"),
        (vec!["set-subscription", "8", "on"], "no account 8"),
        (vec!["enable-scoring", "1"], "no project 1"),
        (vec!["rotate-key", "1", "site"], "no project 1"),
        (vec!["rotate-key", "1", "other"], "site"),
        (vec!["settings", "1"], "no project 1"),
        (vec!["blocks", "1"], "no project 1"),
        (vec!["projects", "--account", "8"], "no account 8"),
        (vec!["users", "--account", "8"], "no account 8"),
    ] {
        let refusal = desk.refusal(&arguments);
        assert!(refusal.contains(said), "{arguments:?}: {refusal}");
    }
}

#[test]
fn signing_keys_are_listed_and_rotated() {
    let desk = Desk::new();
    let states = |desk: &Desk| -> Vec<(String, String)> {
        let keys = desk.json(&["keys", "list"]);
        let text = |value: &Value| value.as_str().unwrap().to_owned();
        keys.as_array().unwrap().iter().map(|key| (text(&key["kid"]), text(&key["state"]))).collect()
    };
    let named = |kid: u8, state: &str| (format!("botcha-signing-{kid}"), state.to_owned());
    assert_eq!(states(&desk), [named(1, "signing")]);
    let next = desk.json(&["keys", "rotate"]);
    assert_eq!(next["kid"], "botcha-signing-2");
    assert_eq!(states(&desk), [named(1, "signing"), named(2, "next")]);
    assert!(desk.refusal(&["keys", "rotate"]).contains("--now"));
    assert!(
        desk.text(&["keys", "rotate", "--now"]).starts_with("botcha-signing-2 is published and signs from ")
    );
    assert_eq!(states(&desk), [named(1, "former"), named(2, "signing")]);
    let table = desk.text(&["keys", "list"]);
    assert!(table.starts_with("KEY") && table.contains("PUBLISHED UNTIL"), "{table}");
    assert!(!table.contains("\"d\""));
}

#[tokio::test]
async fn an_operator_without_a_mail_server_verifies_apps_and_logs_their_owners_in() {
    let desk = Desk::new();
    let mut config = Config::defaults(Profile::Secure).unwrap();
    config.data = desk.0.path().to_owned();
    let server = Server::around(serve::open(config).await.unwrap());
    let made = server.post("/v1/apps", &json!({ "email": "ada@example.com", "name": "Shop" })).await.json;
    let id = made["app_id"].as_str().unwrap();

    let listed = desk.json(&["app", "list"]);
    assert!(
        listed.as_array().unwrap().iter().any(|app| app["app_id"] == id && app["email_verified"] == false)
    );
    assert!(desk.text(&["app", "list"]).starts_with("ID"));
    assert_eq!(desk.json(&["app", "show", " ADA@example.com"])["app_id"], id);
    assert!(desk.text(&["app", "show", id]).contains("email_verified       false"));

    assert_eq!(desk.text(&["app", "verify", "ada@example.com"]), format!("{id}: verified"));
    assert_eq!(desk.text(&["app", "verify", id]), format!("{id}: was verified already"));
    let app = server.get(&format!("/v1/apps/{id}")).await.json;
    assert_eq!(app["email_verified"], true, "the running server knows at once");

    let login = desk.json(&["app", "login", id]);
    let code = login["code"].as_str().unwrap();
    assert_eq!((login["link"].clone(), &login["app_id"]), (Value::Null, &json!(id)));
    let taken = codes::take(&server.app, code, &[Purpose::Device]).await.unwrap();
    assert!(matches!(taken, Some(Content::Device { app_id }) if app_id == id), "it opens the running server");
    assert!(desk.text(&["app", "login", id]).contains("/dashboard/code"));

    let trail = desk.json(&["app", "audit", id]);
    let actions: Vec<&str> =
        trail.as_array().unwrap().iter().map(|entry| entry["action"].as_str().unwrap()).collect();
    let expected = ["app.login_code_made", "app.login_code_made", "app.email_verified", "app.created"];
    assert_eq!(actions, expected, "latest first");
    assert_eq!(trail[0]["actor"], json!({ "kind": "operator" }));
    assert!(desk.text(&["app", "audit", id, "--limit", "1"]).lines().count() == 2);

    for arguments in
        [["app", "show", "app_none"], ["app", "verify", "ben@example.com"], ["app", "login", "x"]]
    {
        assert!(desk.refusal(&arguments).contains("quivive admin app list"), "{arguments:?}");
    }
    let demo = desk.refusal(&["app", "login", "app_demo000000000000"]);
    assert!(demo.contains("no owner"), "{demo}");
}
