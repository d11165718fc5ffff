//! What a test has to know of an operation.

/// An operation, with a request that it answers.
pub struct Operation {
    pub method: &'static str,
    /// With `{projectId}`, `{pixelId}`, `{webhookId}`, `{keyId}` and `{id}` for what the stage holds.
    pub path: &'static str,
    /// A body that is accepted; empty for none.
    pub body: &'static str,
    /// What is refused.
    pub wrong: Wrong,
    /// How callers prove themselves.
    pub credential: Credential,
    /// Whether it answers a known caller when storage is down.
    pub fails_open: bool,
}

/// What an operation refuses.
#[derive(Clone, Copy)]
pub enum Wrong {
    Nothing,
    Query(&'static str),
    Body(&'static str),
}

/// How callers prove themselves.
#[derive(Clone, Copy, Eq, PartialEq)]
pub enum Credential {
    None,
    Key,
}

impl Operation {
    /// A GET with a key, and without anything that could be wrong.
    pub const USUAL: Self = Self {
        method: "GET",
        path: "",
        body: "",
        wrong: Wrong::Nothing,
        credential: Credential::Key,
        fails_open: false,
    };

    /// Whether it is about one project, of the path or of the header.
    pub fn names_project(&self) -> bool {
        self.path.contains("{projectId}") || self.takes_project_header()
    }

    /// Whether the header `X-AgentShield-Project` names its project.
    pub fn takes_project_header(&self) -> bool {
        ["detect", "enforce", "event", "batch"].iter().any(|end| self.path.ends_with(end))
    }
}

/// The status of a name.
pub fn status(name: &str) -> u16 {
    match name {
        "ok" => 200,
        "created" => 201,
        "accepted" => 202,
        "no_content" => 204,
        "not_modified" => 304,
        "invalid" => 400,
        "unauthorized" => 401,
        "forbidden" => 403,
        "missing" => 404,
        "too_large" => 413,
        "limited" => 429,
        "fault" => 500,
        _ => panic!("{name} is no status"),
    }
}
