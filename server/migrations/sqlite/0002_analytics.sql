-- How many events a row stands for, when only a share of its like is kept.
ALTER TABLE events ADD COLUMN weight REAL;

-- Rollups of a day, and of all time (one slot that starts at the epoch).
INSERT INTO rollups (kind, project, width, at, label, count, score_sum)
SELECT kind, project, 86400000, at - at % 86400000, label, SUM(count), SUM(score_sum)
FROM rollups WHERE width = 3600000 GROUP BY kind, project, at - at % 86400000, label;

INSERT INTO rollups (kind, project, width, at, label, count, score_sum)
SELECT kind, project, 9223372036854775807, 0, label, SUM(count), SUM(score_sum)
FROM rollups WHERE width = 3600000 GROUP BY kind, project, label;

CREATE INDEX rollups_by_age ON rollups (width, at);

-- Tallies (name is empty) and sets of distinct things (by their name) of a slot. Each write adds a segment; when there
-- are many, they become one.
CREATE TABLE digests (
    kind    TEXT NOT NULL,
    project TEXT NOT NULL,
    width   INTEGER NOT NULL,
    name    TEXT NOT NULL,
    at      INTEGER NOT NULL,
    segment INTEGER NOT NULL,
    body    BLOB NOT NULL,
    PRIMARY KEY (kind, project, width, name, at, segment)
);

CREATE INDEX digests_by_age ON digests (width, at);
