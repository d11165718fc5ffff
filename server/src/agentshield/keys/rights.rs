//! What a key may give: never more than it has.

use super::Projects;
use super::body::Wanted;
use crate::agentshield::wire::{Failure, Fault, Result};
use crate::tenant::detection_key::{DetectionKey, NewKey, Scope};

/// The key that `caller` may make of what was asked for; what was left open is what the caller has.
///
/// # Errors
/// `FORBIDDEN` with the reason `scope` or `project`, and `INVALID_REQUEST` for an end after the caller's own or when
/// there is no project to work for.
pub(super) fn limit(wanted: Wanted, caller: &DetectionKey, projects: &Projects) -> Result<NewKey> {
    let is_test = wanted.is_test.unwrap_or(caller.is_test());
    if caller.is_test() && !is_test {
        return Err(Failure::forbidden("scope"));
    }
    let scopes = wanted.scopes.unwrap_or_else(|| {
        let usual = [Scope::Detect, Scope::Ingest, Scope::Read].into_iter();
        usual.filter(|scope| caller.scopes.contains(scope)).collect()
    });
    if scopes.is_empty() || !scopes.iter().all(|scope| caller.scopes.contains(scope)) {
        return Err(Failure::forbidden("scope"));
    }
    let seen = wanted.projects.or_else(|| caller.projects.clone());
    if !seen.iter().flatten().chain(&wanted.default_project).all(|id| caller.sees(*id)) {
        return Err(Failure::forbidden("project"));
    }
    if let (Some(wanted), Some(own)) = (wanted.valid_until, caller.valid_until)
        && wanted > own
    {
        let fault = Fault::new("expiresAt", "out_of_range").with("max", own.to_seconds_text());
        return Err(Failure::invalid(&[fault]));
    }
    let is_seen = |id: &i64| seen.as_ref().is_none_or(|seen| seen.contains(id));
    let own = Some(caller.project_id).filter(|id| is_seen(id) && projects.public_ids.contains_key(id));
    let first = || seen.as_ref().and_then(|seen| seen.first().copied());
    let project_id = wanted.default_project.or(own).or_else(first);
    let project_id =
        project_id.ok_or_else(|| Failure::invalid(&[Fault::new("defaultProject", "required")]))?;
    Ok(NewKey {
        name: wanted.name,
        is_test,
        project_id,
        key: None,
        projects: seen,
        scopes: Some(scopes),
        valid_until: wanted.valid_until.or(caller.valid_until),
    })
}

/// Whether a caller may replace or revoke a key: only one that can do nothing which the caller's cannot.
///
/// # Errors
/// `FORBIDDEN` with the reason `scope` or `project`.
pub(super) fn covers(caller: &DetectionKey, key: &DetectionKey) -> Result<()> {
    if !sees_all_of(caller, key) {
        return Err(Failure::forbidden("project"));
    }
    let is_shorter = caller.valid_until.is_none_or(|own| key.valid_until.is_some_and(|end| end <= own));
    let is_within = key.scopes.iter().all(|scope| caller.scopes.contains(scope))
        && (key.is_test() || !caller.is_test())
        && is_shorter;
    if is_within { Ok(()) } else { Err(Failure::forbidden("scope")) }
}

/// Whether a key sees no project that the caller does not.
pub(super) fn sees_all_of(caller: &DetectionKey, key: &DetectionKey) -> bool {
    match (&caller.projects, &key.projects) {
        (None, _) => true,
        (Some(_), None) => false,
        (Some(_), Some(seen)) => seen.iter().all(|id| caller.sees(*id)),
    }
}
