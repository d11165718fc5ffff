//! `quivive detect`, as a person runs it: the real program on logs and lists.

use std::io::Write;
use std::process::{Command, Output, Stdio};

use flate2::Compression;
use flate2::write::GzEncoder;
use serde_json::{Value, json};

const GPTBOT: &str = "Mozilla/5.0 (compatible; GPTBot/1.3; +https://openai.com/gptbot)";
const GOOGLEBOT: &str = "Mozilla/5.0 (compatible; Googlebot/2.1; +http://www.google.com/bot.html)";
const CHROME: &str = "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/142.0.0.0 Safari/537.36";

fn run(arguments: &[&str], input: impl AsRef<[u8]>) -> Output {
    let mut child = Command::new(env!("CARGO_BIN_EXE_quivive"))
        .arg("detect")
        .args(arguments)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut stdin = child.stdin.take().unwrap();
    let input = input.as_ref().to_vec();
    // The program may end before it has read everything.
    let writer = std::thread::spawn(move || drop(stdin.write_all(&input)));
    let output = child.wait_with_output().unwrap();
    writer.join().unwrap();
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(!errors.contains("panicked"), "{errors}");
    output
}

fn text(arguments: &[&str], input: impl AsRef<[u8]>) -> String {
    let output = run(arguments, input);
    assert!(output.status.success(), "{arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}

fn json_lines(arguments: &[&str], input: impl AsRef<[u8]>) -> Vec<Value> {
    let arguments = [&["--json"], arguments].concat();
    text(&arguments, input).lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

/// A line of a combined log.
fn log(ip: &str, time: &str, path: &str, user_agent: &str) -> String {
    format!("{ip} - - [{time} +0000] \"GET {path} HTTP/1.1\" 200 512 \"-\" \"{user_agent}\"\n")
}

/// A day on which the bundled ranges were new.
const FRESH: &str = "23/Aug/2026:10:00:00";
const LATER: &str = "23/Nov/2026:10:00:00";

#[test]
fn user_agents_are_told_line_by_line() {
    let lines = json_lines(&[], format!("{GPTBOT}\n{CHROME}\n\ncurl/8.5.0\r\n"));
    let told: Vec<_> = lines.iter().map(|line| (&line["botType"], &line["agent"], &line["line"])).collect();
    assert_eq!(
        told,
        [
            (&json!("crawler"), &json!("GPTBot"), &json!(1)),
            (&json!("unknown"), &Value::Null, &json!(2)),
            (&json!("automation"), &json!("curl"), &json!(4)),
        ]
    );
    assert_eq!(lines[0]["operator"], "OpenAI");
    assert_eq!(lines[0]["purpose"], "training");
    assert_eq!(lines[2]["userAgent"], "curl/8.5.0");
    assert_eq!(lines[1]["isBot"], false);
}

#[test]
fn json_lines_steer_no_terminal() {
    let user_agent = "a\u{7f}b\u{9b}2Jc\u{9d}0;x\u{9c}d\u{202e}e\u{1b}[31mf";
    let line = json!({ "userAgent": user_agent }).to_string();
    let shown = text(&["--json"], format!("{line}\n"));
    assert!(
        shown.trim_end().chars().all(|character| !character.is_control() && character != '\u{202e}'),
        "{shown}"
    );
    assert!(shown.contains(r"b\u009b2Jc\u009d0"), "{shown}");
    assert_eq!(serde_json::from_str::<Value>(&shown).unwrap()["userAgent"], user_agent);
}

#[test]
fn a_log_is_summed_up() {
    let mut input = String::new();
    for number in 0..6 {
        input += &log("192.0.2.1", &format!("22/Nov/2026:{:02}:00:00", 10 + number), "/", CHROME);
    }
    for _ in 0..3 {
        input += &log("192.0.2.9", "22/Nov/2026:11:30:00", "/docs/?page=2", GPTBOT);
    }
    input += &log("192.0.2.7", "22/Nov/2026:12:30:00", "/secret", "sqlmap/1.8#stable (https://sqlmap.org)");
    let page = text(&[], &input);
    for part in [
        "10 requests in standard input, 2026-11-22 10:00 to 2026-11-22 16:00",
        "60.0 %",
        "30.0 %",
        "GPTBot",
        "OpenAI",
        "AI crawlers",
        "security scanners",
        "When, by the hour",
        "3  /docs/\n",
    ] {
        assert!(page.contains(part), "{part}:\n{page}");
    }
    assert!(!page.contains("/secret"), "paths are those that AI asks for:\n{page}");
    assert!(!page.contains('\u{1b}') && !page.contains("Not read"), "{page}");
    assert!(page.lines().all(|line| line.chars().count() <= 100), "{page}");
}

#[test]
fn addresses_prove_and_refute_while_the_ranges_are_new() {
    let input = log("66.249.66.1", FRESH, "/", GOOGLEBOT) + &log("203.0.113.7", FRESH, "/", GOOGLEBOT);
    let lines = json_lines(&[], &input);
    assert_eq!((&lines[0]["verification"], &lines[0]["botType"]), (&json!("verified"), &json!("crawler")));
    assert_eq!(
        (&lines[1]["verification"], &lines[1]["subType"]),
        (&json!("spoofed"), &json!("spoofed_identity"))
    );
    let page = text(&[], &input);
    assert!(page.contains("1 verified, 1 spoofed") && page.contains("false identities"), "{page}");
}

#[test]
fn old_ranges_are_shown_and_prove_nothing() {
    let input = log("66.249.66.1", LATER, "/", GOOGLEBOT) + &log("203.0.113.7", LATER, "/", GOOGLEBOT);
    assert!(json_lines(&[], &input).iter().all(|line| line["verification"] == "claimed"));
    let page = text(&[], &input);
    assert!(page.contains("1 own, 1 foreign") && page.contains("too old to prove"), "{page}");
}

#[test]
fn ranges_of_ones_own_are_taken() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("ranges.json");
    std::fs::write(&file, r#"{"date": "2026-11-22", "feeds": {"openai-gptbot": ["198.51.100.0/24"]}}"#)
        .unwrap();
    let file = file.to_str().unwrap();
    let input = log("198.51.100.7", LATER, "/", GPTBOT) + &log("203.0.113.7", LATER, "/", GPTBOT);
    let lines = json_lines(&["--ranges", file], &input);
    assert_eq!([&lines[0]["verification"], &lines[1]["verification"]], ["verified", "spoofed"]);
    let bad = folder.path().join("bad.json");
    std::fs::write(&bad, r#"{"date": "2026-11-22", "feeds": {"openai-gptbot": ["0.0.0.0/0"]}}"#).unwrap();
    let output = run(&["--ranges", bad.to_str().unwrap()], "");
    assert!(!output.status.success() && String::from_utf8_lossy(&output.stderr).contains("wider"));
}

#[test]
fn json_lines_bring_headers_and_addresses() {
    let browser = json!({"userAgent": CHROME, "headers": {
        "accept": "text/html", "accept-language": "en", "accept-encoding": "gzip", "sec-fetch-mode": "navigate",
        "sec-fetch-dest": "document", "sec-fetch-site": "none", "sec-ch-ua": "\"Chromium\";v=\"142\""
    }});
    let facts = json!({"user_agent": "curl/8.5.0", "ip": "::ffff:192.0.2.1", "client": {"webdriver": true}});
    let lines = json_lines(&[], format!("{browser}\n{facts}\n{{\"broken\n[]\n"));
    assert_eq!(lines[0]["botType"], "human", "{}", lines[0]);
    assert_eq!(lines[1]["isBot"], true);
    assert!(lines[1]["evidence"].as_array().unwrap().contains(&json!("cl.webdriver")), "{}", lines[1]);
    assert_eq!((&lines[2]["error"], &lines[3]["line"]), (&json!("it is no JSON object"), &json!(4)));
}

#[test]
fn lines_that_cannot_be_read_are_counted_and_the_first_is_shown() {
    let good = log("192.0.2.1", LATER, "/", GPTBOT);
    let output =
        run(&[], format!("{good}something \u{1b}[31melse\n192.0.2.1 - - [{LATER} +0000] \"GET\n{good}"));
    let page = String::from_utf8(output.stdout).unwrap();
    assert!(page.contains("2 requests in") && page.contains("2 lines; standard input, line 2:"), "{page}");
    assert!(!page.contains('\u{1b}'), "a log steers no terminal");
    let output = run(&["--format", "log"], "one\ntwo\n");
    let error = String::from_utf8(output.stderr).unwrap();
    assert!(!output.status.success() && error.contains("none of 2 lines"), "{error}");
}

#[test]
fn bytes_that_are_no_text_and_lines_of_any_length_are_borne() {
    let mut input = vec![0xff, 0xfe, 0x00, b'\n'];
    input.extend(std::iter::repeat_n(b'A', 64 * 1024));
    input.push(b'\n');
    input.extend(std::iter::repeat_n(b'B', 3 << 20));
    input.push(b'\n');
    input.extend(GPTBOT.as_bytes());
    let lines = json_lines(&["--format", "ua"], &input);
    assert_eq!(lines.len(), 4);
    assert!(lines[0]["userAgent"].as_str().unwrap().starts_with('\u{fffd}'));
    assert_eq!(lines[1]["userAgent"].as_str().unwrap().len(), 64 * 1024);
    assert!(lines[2]["error"].as_str().unwrap().contains("1 MiB"));
    assert_eq!(lines[3]["agent"], "GPTBot");
}

#[test]
fn nothing_is_no_failure() {
    for input in ["", "\n\n"] {
        assert!(text(&[], input).starts_with("0 requests in standard input"));
        assert!(json_lines(&[], input).is_empty());
    }
}

#[test]
fn several_files_also_packed_ones_are_one_result() {
    let folder = tempfile::tempdir().unwrap();
    let plain = folder.path().join("access.log");
    let packed = folder.path().join("access.log.2.gz");
    std::fs::write(&plain, log("192.0.2.1", LATER, "/a", GPTBOT)).unwrap();
    let mut encoder = GzEncoder::new(std::fs::File::create(&packed).unwrap(), Compression::fast());
    encoder.write_all(log("192.0.2.1", LATER, "/b", GPTBOT).as_bytes()).unwrap();
    encoder.finish().unwrap();
    let files = [plain.to_str().unwrap(), packed.to_str().unwrap()];
    let page = text(&files, "");
    assert!(page.contains("2 requests in") && page.contains("and 1 more"), "{page}");
    let lines = json_lines(&files, "");
    assert_eq!((&lines[1]["file"], &lines[1]["path"]), (&json!(files[1]), &json!("/b")));
    let missing = folder.path().join("missing.log");
    let output = run(&[missing.to_str().unwrap()], "");
    assert!(String::from_utf8_lossy(&output.stderr).contains("missing.log cannot be read"));
    assert!(!run(&[folder.path().to_str().unwrap()], "").status.success(), "a folder");
    std::fs::write(&packed, [0x1f, 0x8b, 0, 1, 2]).unwrap();
    assert!(!run(&[files[1]], "").status.success(), "a broken pack");
}

#[test]
fn a_reader_that_goes_away_is_no_failure() {
    let mut child = Command::new(env!("CARGO_BIN_EXE_quivive"))
        .args(["detect", "--json", "--format", "ua"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    drop(child.stdout.take());
    let mut stdin = child.stdin.take().unwrap();
    let written = stdin.write_all(format!("{GPTBOT}\n").repeat(20_000).as_bytes());
    drop(stdin);
    let output = child.wait_with_output().unwrap();
    assert!(output.status.success() && output.stderr.is_empty(), "{output:?}, {written:?}");
}

#[test]
fn more_user_agents_than_are_remembered_are_all_told() {
    let input: String = (0..45_000).map(|number| format!("curl/8.{number}\n")).collect();
    let page = text(&["--format", "ua"], input);
    assert!(page.contains("45,000  curl"), "{page}");
}
