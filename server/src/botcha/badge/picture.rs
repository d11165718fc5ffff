//! The picture of a badge: 400 by 120, for pages of others.

use maud::{Markup, html};

use super::Seen;

/// What a valid badge looks like.
pub(super) fn valid(name: &str, seen: &Seen) -> String {
    let (label, accent) = seen.label();
    let time = seen.solve_time.map_or_else(|| "Passed".to_owned(), |time| format!("Solved in {time} ms"));
    let title = format!("{name}: {} passed on {}. {time}.", seen.method, seen.day());
    card(&title, label, accent, "#17324d", &time, &format!("{} · {name}", seen.day())).into_string()
}

/// What stands in the place of a badge that this server did not sign.
pub(super) fn invalid(name: &str) -> String {
    let title = format!("{name}: this badge is invalid");
    card(&title, "INVALID BADGE", "#9aa4af", "#3b4450", "Not signed by this server", name).into_string()
}

fn card(title: &str, label: &str, accent: &str, ground: &str, line: &str, foot: &str) -> Markup {
    html! {
        svg xmlns="http://www.w3.org/2000/svg" width="400" height="120" viewBox="0 0 400 120" role="img"
            aria-labelledby="title" font-family="system-ui, -apple-system, 'Segoe UI', Roboto, 'Noto Sans', sans-serif" {
            title id="title" { (title) }
            rect width="400" height="120" rx="14" fill=(ground) {}
            rect x="1" y="1" width="398" height="118" rx="13" fill="none" stroke=(accent) stroke-width="2" {}
            g transform="translate(22 26)" fill="none" stroke="#f5efe2" stroke-width="4.6" stroke-linecap="round"
                stroke-linejoin="round" {
                path d="M12 60V26a22 22 0 0 1 44 0v34M2 60h64" {}
                circle cx="34" cy="34" r="8" fill=(accent) stroke="none" {}
            }
            text x="112" y="43" fill=(accent) font-size="16" font-weight="700" letter-spacing="1.2" { (label) }
            text x="112" y="72" fill="#ffffff" font-size="20" font-weight="600" { (line) }
            text x="112" y="96" fill="#d5dbe2" font-size="13" { (foot) }
        }
    }
}

#[cfg(test)]
mod tests {
    use quivive_core::Timestamp;

    use super::*;

    #[test]
    fn text_cannot_leave_its_place() {
        let seen = Seen {
            method: "<script>".to_owned(),
            solve_time: Some(47),
            verified_at: Timestamp::from_seconds(1_771_156_800),
        };
        let picture = valid("A & <b>", &seen);
        assert!(!picture.contains("<script>") && !picture.contains("<b>"), "{picture}");
        assert!(picture.contains("Solved in 47 ms") && picture.contains("2026-02-15"), "{picture}");
    }
}
