CREATE TABLE records (
    kind       TEXT NOT NULL,
    id         TEXT NOT NULL,
    parent     TEXT NOT NULL,
    version    INTEGER NOT NULL,
    expires_at INTEGER,
    body       TEXT NOT NULL,
    PRIMARY KEY (kind, id)
) WITHOUT ROWID;

CREATE INDEX records_by_parent ON records (kind, parent, id);
CREATE INDEX records_by_expiry ON records (expires_at) WHERE expires_at IS NOT NULL;

CREATE TABLE events (
    kind    TEXT NOT NULL,
    project TEXT NOT NULL,
    id      TEXT NOT NULL,
    at      INTEGER NOT NULL,
    label   TEXT NOT NULL,
    score   REAL,
    body    TEXT NOT NULL,
    PRIMARY KEY (kind, project, id)
) WITHOUT ROWID;

CREATE INDEX events_by_time ON events (kind, project, at, id);
CREATE INDEX events_by_label ON events (kind, project, label, at, id);
CREATE INDEX events_by_age ON events (kind, at);

CREATE TABLE rollups (
    kind      TEXT NOT NULL,
    project   TEXT NOT NULL,
    width     INTEGER NOT NULL,
    at        INTEGER NOT NULL,
    label     TEXT NOT NULL,
    count     INTEGER NOT NULL,
    score_sum REAL NOT NULL,
    PRIMARY KEY (kind, project, width, at, label)
) WITHOUT ROWID;

-- A window that the caller names by its start has admitted = 0; one that starts with its first request has 1.
CREATE TABLE counters (
    key        TEXT NOT NULL,
    admitted   INTEGER NOT NULL,
    starts_at  INTEGER NOT NULL,
    value      INTEGER NOT NULL,
    expires_at INTEGER NOT NULL,
    PRIMARY KEY (key, admitted, starts_at)
) WITHOUT ROWID;

CREATE INDEX counters_by_expiry ON counters (expires_at);
