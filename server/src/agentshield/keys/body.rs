//! The body of a key to be made.

use quivive_core::Timestamp;
use serde::Deserialize;
use serde_json::{Map, Value};
use utoipa::ToSchema;

use super::Projects;
use crate::agentshield::body::Reader;
use crate::agentshield::dates::{self, Moment};
use crate::agentshield::wire::{Fault, Result};
use crate::tenant::detection_key::Scope;

/// A key to be made.
#[derive(Deserialize, ToSchema)]
#[schema(as = AgentshieldKeyToMake)]
#[serde(rename_all = "camelCase")]
#[expect(dead_code, reason = "documents the body, which is read strictly and by hand")]
pub struct NewKeyBody {
    /// The owner's name for it.
    #[schema(max_length = 100, nullable = false)]
    name: Option<String>,
    /// What it may do; `detect`, `ingest` and `read` when absent, as far as the caller's key may do that.
    #[schema(min_items = 1, max_items = 4, nullable = false)]
    scopes: Option<Vec<Scope>>,
    /// The projects that it may see; those that the caller's key may see when absent.
    #[schema(min_items = 1, max_items = 100, nullable = false)]
    projects: Option<Vec<String>>,
    /// The project that it works for when a request names none; the first of `projects`, else the caller's, when absent.
    #[schema(nullable = false)]
    default_project: Option<String>,
    /// When it stops being accepted, with any offset; never when absent.
    #[schema(format = DateTime, nullable = false, example = "2030-01-01T00:00:00Z")]
    expires_at: Option<String>,
    /// Whether what it makes is a test that analytics leave out; what the caller's key is when absent.
    #[schema(nullable = false)]
    test: Option<bool>,
}

/// How a key is replaced.
#[derive(Deserialize, ToSchema)]
#[schema(as = AgentshieldKeyRotation)]
#[serde(rename_all = "camelCase")]
#[expect(dead_code, reason = "documents the body, which is read strictly and by hand")]
pub struct RotationBody {
    /// For how long the former key is still accepted; 0 when absent.
    #[schema(minimum = 0, maximum = 86_400, nullable = false)]
    overlap_seconds: Option<u32>,
}

/// What a body asks for.
pub(super) struct Wanted {
    pub name: String,
    pub scopes: Option<Vec<Scope>>,
    pub projects: Option<Vec<i64>>,
    pub default_project: Option<i64>,
    pub valid_until: Option<Timestamp>,
    pub is_test: Option<bool>,
}

/// Reads the body.
///
/// # Errors
/// `INVALID_REQUEST` with every fault that was found.
pub(super) fn read(body: &Map<String, Value>, projects: &Projects, now: Timestamp) -> Result<Wanted> {
    let mut reader = Reader::default();
    let seen = reader.choices::<String>(body, "projects", "projects", 100);
    let seen = seen.map(|ids| {
        let found = ids.iter().enumerate();
        found
            .filter_map(|(index, id)| project(&mut reader, projects, id, &format!("projects[{index}]")))
            .collect::<Vec<i64>>()
    });
    let default_project = reader
        .choice::<String>(body, "defaultProject", "defaultProject")
        .and_then(|id| project(&mut reader, projects, &id, "defaultProject"));
    if let (Some(seen), Some(default)) = (&seen, default_project)
        && !seen.contains(&default)
    {
        reader.fault("defaultProject", "unknown_value");
    }
    let wanted = Wanted {
        name: name(&mut reader, body),
        scopes: reader.choices(body, "scopes", "scopes", 4),
        projects: seen,
        default_project,
        valid_until: end(&mut reader, body, now),
        is_test: reader.truth(body, "test", "test"),
    };
    reader.finish(wanted)
}

fn project(reader: &mut Reader, projects: &Projects, id: &str, path: &str) -> Option<i64> {
    let found = projects.by_public_id.get(id).copied();
    if found.is_none() {
        reader.fault(path, "unknown_value");
    }
    found
}

fn name(reader: &mut Reader, body: &Map<String, Value>) -> String {
    let name = reader.text(body, "name", "name", 4 * MOST_NAME_CHARACTERS).unwrap_or_default();
    if name.chars().count() > MOST_NAME_CHARACTERS {
        reader.push(Fault::new("name", "too_long").with("max", MOST_NAME_CHARACTERS));
    } else if name.chars().any(char::is_control) {
        reader.fault("name", "format");
    }
    name.trim().to_owned()
}

fn end(reader: &mut Reader, body: &Map<String, Value>, now: Timestamp) -> Option<Timestamp> {
    let text = reader.text(body, "expiresAt", "expiresAt", 64)?;
    let end = match dates::read(&text) {
        Some(Moment::Point(end)) => Some(end),
        _ => None,
    };
    match end {
        None => reader.fault("expiresAt", "format"),
        Some(end) if end <= now => {
            reader.push(Fault::new("expiresAt", "out_of_range").with("min", now.to_seconds_text()));
        }
        Some(_) => {}
    }
    end
}

const MOST_NAME_CHARACTERS: usize = 100;
