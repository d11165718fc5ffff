//! What every backend must do, as one function that the test of each backend calls.

use std::collections::HashSet;
use std::fmt::Debug;
use std::sync::Arc;

use quivive_core::Timestamp;

use super::{
    Condition, Content, Counters, Error, Event, EventQuery, Events, Keep, Member, Put, Records, Result, Slot,
    Summary, SummaryQuery,
};

/// What a backend did otherwise than the traits say.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub struct Deviation(String);

impl From<Error> for Deviation {
    fn from(error: Error) -> Self {
        Self(error.to_string())
    }
}

/// Checks [`Records`]: conditions, atomic writes, one-time taking, expiry, lists.
///
/// # Errors
/// The first deviation found.
pub async fn check_records<B: Records + 'static>(backend: Arc<B>) -> Result<(), Deviation> {
    check_conditions(&*backend).await?;
    check_expiry(&*backend).await?;
    check_lists(&*backend).await?;
    check_room(&backend).await?;
    check_concurrent_take(&backend).await?;
    check_concurrent_versions(&backend).await
}

/// Checks [`Counters`]: sums, windows, limits under concurrency.
///
/// # Errors
/// The first deviation found.
pub async fn check_counters<B: Counters + 'static>(backend: Arc<B>) -> Result<(), Deviation> {
    let (one, two) = (at(1_000), at(2_000));
    equal("first amount", &backend.add("sum", one, 3, at(9_000)).await?, &3)?;
    equal("sum", &backend.add("sum", one, 4, at(9_000)).await?, &7)?;
    equal("taking back", &backend.add("sum", one, -2, at(9_000)).await?, &5)?;
    equal("another window", &backend.add("sum", two, 1, at(9_000)).await?, &1)?;
    equal("reading", &backend.read("sum", one).await?, &5)?;
    equal("reading nothing", &backend.read("none", one).await?, &0)?;
    backend.reset("sum").await?;
    equal("after reset", &backend.read("sum", one).await?, &0)?;

    let first = backend.admit("window", 1_000, 2, at(5_000)).await?;
    equal("first of two", &(first.admitted, first.count, first.resets_at), &(true, 1, at(6_000)))?;
    let second = backend.admit("window", 1_000, 2, at(5_500)).await?;
    equal("the window starts with its first request", &second.resets_at, &at(6_000))?;
    let third = backend.admit("window", 1_000, 2, at(5_999)).await?;
    equal("refused requests are not counted", &(third.admitted, third.count), &(false, 2))?;
    equal("looking", &backend.peek("window", at(5_999)).await?.map(|window| window.count), &Some(2))?;
    equal("an ended window", &backend.peek("window", at(6_000)).await?, &None)?;
    let next = backend.admit("window", 1_000, 2, at(6_000)).await?;
    equal("a new window", &(next.admitted, next.count, next.resets_at), &(true, 1, at(7_000)))?;
    equal("sums and windows of one key are apart", &backend.read("window", at(6_000)).await?, &0)?;

    let tasks: Vec<_> = (0..50)
        .map(|_| {
            let backend = backend.clone();
            tokio::spawn(async move { backend.admit("crowd", 1_000, 20, at(5_000)).await })
        })
        .collect();
    let mut admitted = 0;
    for task in tasks {
        admitted += i32::from(finished(task.await)??.admitted);
    }
    equal("50 at once through a limit of 20", &admitted, &20)?;

    backend.sweep(at(20_000)).await?;
    equal("after sweeping", &backend.peek("crowd", at(5_000)).await?, &None)
}

/// Checks [`Events`]: order, cursors, duplicates, rollups.
///
/// # Errors
/// The first deviation found.
pub async fn check_events<B: Events + 'static>(backend: Arc<B>) -> Result<(), Deviation> {
    let events = vec![
        event("b", 2_000, "click", Some(1.5)),
        event("a", 2_000, "click", Some(2.0)),
        event("c", 1_000, "page", None),
        event("d", 400_000, "click", None),
    ];
    equal("new events", &backend.append(events.clone()).await?, &vec![true; 4])?;
    let again = vec![
        event("a", 9_000, "other", None),
        event("e", 500_000, "page", None),
        event("e", 1, "page", None),
    ];
    equal("known ids change nothing", &backend.append(again).await?, &vec![false, true, false])?;

    let all = EventQuery { kind: "k".into(), project: "p".into(), limit: 10, ..EventQuery::default() };
    let ids = |events: Vec<Event>| events.into_iter().map(|event| event.id).collect::<String>();
    equal("order of time, then id", &ids(backend.scan(all.clone()).await?), &"cabde".to_owned())?;
    let newest = EventQuery { newest_first: true, limit: 3, ..all.clone() };
    equal("newest first", &ids(backend.scan(newest.clone()).await?), &"edb".to_owned())?;
    let after = EventQuery { after: Some((at(2_000), "a".into())), ..all.clone() };
    equal("after a cursor", &ids(backend.scan(after).await?), &"bde".to_owned())?;
    let before = EventQuery { after: Some((at(2_000), "b".into())), ..newest };
    equal("after a cursor, newest first", &ids(backend.scan(before).await?), &"ac".to_owned())?;
    let part = EventQuery { from: at(2_000), to: Some(at(400_000)), ..all.clone() };
    equal("from inclusive, to exclusive", &ids(backend.scan(part).await?), &"ab".to_owned())?;
    let label = EventQuery { labels: vec!["click".into()], ..all.clone() };
    equal("one label", &ids(backend.scan(label).await?), &"abd".to_owned())?;
    let other = EventQuery { project: "q".into(), ..all.clone() };
    equal("another tenant", &ids(backend.scan(other).await?), &String::new())?;
    let whole = backend.scan(EventQuery { limit: 1, from: at(2_000), ..all.clone() }).await?;
    equal("the whole event", &whole, &vec![event("a", 2_000, "click", Some(2.0))])?;

    let query = SummaryQuery {
        kind: "k".into(),
        project: "p".into(),
        slot: Slot::FiveMinutes,
        from: at(0),
        to: at(600_000),
    };
    let row =
        |time, label: &str, count, score_sum| Summary { at: at(time), label: label.into(), count, score_sum };
    let expected = vec![
        row(0, "click", 2, 3.5),
        row(0, "page", 1, 0.0),
        row(300_000, "click", 1, 0.0),
        row(300_000, "page", 1, 0.0),
    ];
    equal("rollups of five minutes", &backend.summarize(query.clone()).await?, &expected)?;
    let hours = SummaryQuery { slot: Slot::Hour, ..query.clone() };
    let expected = vec![row(0, "click", 3, 3.5), row(0, "page", 2, 0.0)];
    equal("rollups of an hour", &backend.summarize(hours).await?, &expected)?;

    equal("forgetting", &backend.forget("k", None, at(2_001)).await?, &3)?;
    equal("what is left", &ids(backend.scan(all).await?), &"de".to_owned())?;
    equal("rollups stay", &backend.summarize(query).await?.len(), &4)?;
    check_filters(&*backend).await?;
    check_rollups(&*backend).await?;
    check_removal(&*backend).await
}

async fn check_filters<B: Events>(backend: &B) -> Result<(), Deviation> {
    let row = |id: &str, time, label: &str, score, body: &str| Event {
        project: "filters".to_owned(),
        body: body.to_owned(),
        weight: Some(2.5),
        ..event(id, time, label, Some(score))
    };
    let rows = vec![
        row("a", 1, "x", 0.25, r#"{"agent":"one"}"#),
        row("b", 1, "y", 0.5, r#"{"agent":"two"}"#),
        row("c", 2, "z", 0.75, r#"{"agent":"one"}"#),
        row("d", 3, "y", 1.0, r#"{"agent":null}"#),
        row("e", 3, "x", 0.5, r#"{"agent":"one","more":"O'Brien"}"#),
    ];
    backend.append(rows).await?;
    let all = EventQuery { kind: "k".into(), project: "filters".into(), limit: 10, ..EventQuery::default() };
    let labels = |labels: &[&str]| labels.iter().map(ToString::to_string).collect::<Vec<_>>();
    let agent = |name: &str| vec![("agent", name.to_owned())];
    for (what, query, expected) in [
        ("everything", all.clone(), "abcde"),
        ("two labels", EventQuery { labels: labels(&["x", "z"]), ..all.clone() }, "ace"),
        ("a label named twice", EventQuery { labels: labels(&["x", "x"]), ..all.clone() }, "ae"),
        (
            "two labels, newest first",
            EventQuery { labels: labels(&["y", "x"]), newest_first: true, ..all.clone() },
            "edba",
        ),
        (
            "a page of two labels",
            EventQuery { labels: labels(&["y", "x"]), skip: 1, limit: 2, ..all.clone() },
            "bd",
        ),
        ("the second page", EventQuery { skip: 2, limit: 2, newest_first: true, ..all.clone() }, "cb"),
        ("past the end", EventQuery { skip: 9, ..all.clone() }, ""),
        ("at least a score", EventQuery { least_score: Some(0.5), ..all.clone() }, "bcde"),
        (
            "between scores",
            EventQuery { least_score: Some(0.5), most_score: Some(0.75), ..all.clone() },
            "bce",
        ),
        ("a member of the body", EventQuery { members: agent("one"), ..all.clone() }, "ace"),
        ("a member that nothing has", EventQuery { members: agent("three"), ..all.clone() }, ""),
        (
            "a text with a quote",
            EventQuery { members: vec![("more", "O'Brien".to_owned())], ..all.clone() },
            "e",
        ),
        (
            "all at once",
            EventQuery {
                labels: labels(&["x", "y"]),
                members: agent("one"),
                most_score: Some(0.3),
                from: at(1),
                to: Some(at(2)),
                ..all.clone()
            },
            "a",
        ),
    ] {
        let found: String = backend.scan(query.clone()).await?.into_iter().map(|event| event.id).collect();
        equal(what, &found, &expected.to_owned())?;
        let whole = EventQuery { skip: 0, limit: usize::MAX, ..query };
        let count = backend.scan(whole.clone()).await?.len() as u64;
        equal(&format!("{what}, counted"), &backend.count(whole).await?, &count)?;
    }
    equal("counting ends at the limit", &backend.count(EventQuery { limit: 3, ..all }).await?, &3)?;
    let found = backend.find("k", "filters", "b").await?;
    equal("one event", &found.map(|event| (event.score, event.weight)), &Some((Some(0.5), Some(2.5))))?;
    equal("another tenant's event", &backend.find("k", "p", "b").await?, &None)
}

async fn check_rollups<B: Events>(backend: &B) -> Result<(), Deviation> {
    let member = |class, identity| Member { set: "bot", class, identity };
    let counted = |id: &str, time, path: &str, members| Event {
        project: "rolled".to_owned(),
        tallies: vec![("path", path.to_owned())],
        members,
        ..event(id, time, "x", Some(0.5))
    };
    let (hour, day) = (3_600_000, 86_400_000);
    let first = vec![
        counted("a", 0, "/", vec![member("agent", 1)]),
        counted("b", 299_999, "/a", vec![member("crawler", 1), member("agent", 2)]),
        counted("c", 300_000, "/", vec![member("crawler", 1)]),
        Event { keep: Keep::Row, ..counted("only-row", 0, "/row", vec![member("agent", 77)]) },
        Event { keep: Keep::Rollups, ..counted("only-rollup", hour, "/", vec![member("agent", 3)]) },
    ];
    equal("all are new", &backend.append(first.clone()).await?, &vec![true; 5])?;
    equal(
        "known rows are not counted again",
        &backend.append(first.iter().take(4).cloned().collect()).await?,
        &vec![false; 4],
    )?;
    // More writes than segments, one by one and over a day's end.
    for number in 0..20_i64 {
        let late = counted(&format!("n{number}"), day - 10 + number, "/late", vec![member("agent", 4)]);
        backend.append(vec![late]).await?;
    }
    let rows = EventQuery { kind: "k".into(), project: "rolled".into(), limit: 99, ..EventQuery::default() };
    equal("rows", &backend.count(rows).await?, &24)?;
    for (slot, from, to, paths, total, classes) in [
        (Slot::FiveMinutes, 0, 1, vec![("/", 1), ("/a", 1)], 2, vec![("agent", 2)]),
        (Slot::FiveMinutes, 0, 300_001, vec![("/", 2), ("/a", 1)], 2, vec![("agent", 1), ("crawler", 1)]),
        (Slot::Hour, 0, hour, vec![("/", 2), ("/a", 1)], 2, vec![("agent", 1), ("crawler", 1)]),
        (Slot::Hour, hour, 2 * hour, vec![("/", 1)], 1, vec![("agent", 1)]),
        (Slot::Day, 0, day, vec![("/late", 10), ("/", 3), ("/a", 1)], 4, vec![("agent", 3), ("crawler", 1)]),
        (Slot::Day, day, 2 * day, vec![("/late", 10)], 1, vec![("agent", 1)]),
        (Slot::Ever, 0, 1, vec![("/late", 20), ("/", 3), ("/a", 1)], 4, vec![("agent", 3), ("crawler", 1)]),
        (Slot::Day, 2 * day, 3 * day, vec![], 0, vec![]),
    ] {
        let (from, to) = (at(from), at(to));
        let query = SummaryQuery { kind: "k".into(), project: "rolled".into(), slot, from, to };
        let what = format!("{slot:?} {from}");
        let tallies = backend.tallies(query.clone()).await?;
        let top: Vec<_> =
            tallies.top("path").into_iter().map(|(path, counted)| (path, counted.count)).collect();
        equal(&format!("{what}, paths"), &top, &paths)?;
        let set = backend.distinct("bot", query.clone()).await?;
        equal(&format!("{what}, distinct"), &set.count(), &total)?;
        equal(&format!("{what}, classes"), &set.by_class(&["agent", "crawler"]), &named(&classes))?;
        equal(&format!("{what}, another set"), &backend.distinct("other", query.clone()).await?.count(), &0)?;
        let count: i64 = backend.summarize(query).await?.iter().map(|row| row.count).sum();
        let tallied: u64 = paths.iter().map(|(_, count)| count).sum();
        equal(&format!("{what}, counted"), &count, &i64::try_from(tallied).unwrap_or(i64::MAX))?;
    }
    let query =
        SummaryQuery { kind: "k".into(), project: "rolled".into(), slot: Slot::Ever, from: at(0), to: at(1) };
    let tallies = backend.tallies(query).await?;
    let last = tallies.values("path").find(|(path, _)| *path == "/late").map(|(_, counted)| counted.last_at);
    equal("when a value was seen last", &last, &Some(at(day + 9)))
}

async fn check_removal<B: Events>(backend: &B) -> Result<(), Deviation> {
    equal("tenants", &backend.tenants("k").await?, &vec!["filters".into(), "p".into(), "rolled".to_owned()])?;
    equal("tenants of another stream", &backend.tenants("j").await?, &Vec::new())?;
    equal("forgetting for one tenant", &backend.forget("k", Some("filters"), at(3)).await?, &3)?;
    let left = |project: &str| EventQuery {
        kind: "k".into(),
        project: project.into(),
        limit: 99,
        ..EventQuery::default()
    };
    equal("its own are gone", &backend.count(left("filters")).await?, &2)?;
    equal("others' stay", &backend.count(left("rolled")).await?, &24)?;
    let slots = |slot| SummaryQuery {
        kind: "k".into(),
        project: "rolled".into(),
        slot,
        from: at(0),
        to: at(i64::MAX),
    };
    backend.trim(Slot::FiveMinutes, at(300_000)).await?;
    let five = backend.summarize(slots(Slot::FiveMinutes)).await?;
    equal("slots from before are gone", &five.first().map(|row| row.at), &Some(at(300_000)))?;
    let paths = backend.tallies(slots(Slot::FiveMinutes)).await?;
    equal("tallies too", &paths.values("path").any(|(path, _)| path == "/a"), &false)?;
    let day = backend.distinct("bot", slots(Slot::Day)).await?;
    equal("wider slots stay", &day.count(), &4)?;
    backend.erase("k", "rolled").await?;
    equal("after erasing", &backend.tenants("k").await?, &vec!["filters".into(), "p".to_owned()])?;
    equal("nothing is left", &backend.count(left("rolled")).await?, &0)?;
    equal("no counts", &backend.summarize(slots(Slot::Ever)).await?, &Vec::new())?;
    equal("no sets", &backend.distinct("bot", slots(Slot::Ever)).await?.count(), &0)
}

async fn check_conditions<B: Records>(backend: &B) -> Result<(), Deviation> {
    let now = at(1_000);
    backend.put(vec![put("one", Condition::Absent, None)], now).await?;
    let found = backend.get("thing", "one", now).await?.map(|row| (row.version, row.body, row.parent));
    equal("a new row", &found, &Some((1, "{}".to_owned(), "parent".to_owned())))?;
    equal(
        "taken id",
        &backend.put(vec![put("one", Condition::Absent, None)], now).await,
        &Err(Error::Conflict),
    )?;
    backend.put(vec![put("one", Condition::Version(1), None)], now).await?;
    let stale = backend.put(vec![put("one", Condition::Version(1), None)], now).await;
    equal("an old version", &stale, &Err(Error::Conflict))?;
    let half = vec![put("two", Condition::Absent, None), put("one", Condition::Version(1), None)];
    equal("one of two conditions fails", &backend.put(half, now).await, &Err(Error::Conflict))?;
    equal("then nothing is written", &backend.get("thing", "two", now).await?, &None)?;
    let missing = backend.put(vec![put("three", Condition::Version(1), None)], now).await;
    equal("a version of nothing", &missing, &Err(Error::Conflict))?;
    backend.put(vec![put("two", Condition::Any, None), removal("one")], now).await?;
    equal("written and removed at once", &backend.get("thing", "one", now).await?, &None)?;
    equal("another kind", &backend.get("other", "two", now).await?, &None)?;
    equal("deleting", &backend.delete("thing", "two", now).await?, &true)?;
    equal("deleting nothing", &backend.delete("thing", "two", now).await?, &false)
}

async fn check_expiry<B: Records>(backend: &B) -> Result<(), Deviation> {
    let (now, end) = (at(1_000), at(2_000));
    let rows = vec![
        put("brief", Condition::Any, Some(end)),
        put("taken", Condition::Any, Some(end)),
        put("kept", Condition::Any, None),
    ];
    backend.put(rows, now).await?;
    equal("before its end", &backend.get("thing", "brief", at(1_999)).await?.is_some(), &true)?;
    equal("at its end", &backend.get("thing", "brief", end).await?, &None)?;
    equal("taking an expired row", &backend.take("thing", "taken", end).await?, &None)?;
    equal("listing", &backend.list("thing", "parent", None, 10, end).await?.len(), &1)?;
    backend.put(vec![put("brief", Condition::Absent, Some(at(9_000)))], end).await?;
    let version = backend.get("thing", "brief", end).await?.map(|row| row.version);
    equal("an expired id is free", &version, &Some(1))?;
    backend.sweep(at(9_000)).await?;
    equal("sweeping leaves live rows", &backend.get("thing", "kept", now).await?.is_some(), &true)?;
    equal("and removes expired ones", &backend.get("thing", "brief", now).await?, &None)?;
    backend.delete("thing", "kept", now).await.map(|_| ()).map_err(Into::into)
}

async fn check_lists<B: Records>(backend: &B) -> Result<(), Deviation> {
    let now = at(1_000);
    for id in ["b", "a", "d", "c"] {
        backend.put(vec![put(id, Condition::Any, None)], now).await?;
    }
    let page = async |after: Option<&str>, limit| -> Result<String, Deviation> {
        let rows = backend.list("thing", "parent", after, limit, now).await?;
        Ok(rows.into_iter().map(|row| row.id).collect())
    };
    equal("first page", &page(None, 3).await?, &"abc".to_owned())?;
    equal("next page", &page(Some("c"), 3).await?, &"d".to_owned())?;
    equal("another parent", &backend.list("thing", "else", None, 3, now).await?.len(), &0)
}

async fn check_room<B: Records + 'static>(backend: &Arc<B>) -> Result<(), Deviation> {
    let put = |id: &str, parent: &str, most| {
        let mut put = put(id, Condition::AbsentOf(most), None);
        if let Some(content) = &mut put.content {
            parent.clone_into(&mut content.parent);
        }
        put
    };
    backend.put(vec![put("r1", "room", 2)], at(0)).await?;
    equal("a taken id", &backend.put(vec![put("r1", "room", 2)], at(0)).await, &Err(Error::Conflict))?;
    backend.put(vec![put("r2", "room", 2)], at(0)).await?;
    let full = backend.put(vec![put("r0", "other", 9), put("r3", "room", 2)], at(0)).await;
    equal("as many as there may be", &full, &Err(Error::Full))?;
    equal("nothing was written", &backend.get("thing", "r0", at(0)).await?, &None)?;
    backend.put(vec![put("r4", "elsewhere", 2)], at(0)).await?;
    backend.delete("thing", "r1", at(0)).await?;
    backend.put(vec![put("r5", "room", 2)], at(0)).await?;
    let tasks: Vec<_> = (0..40)
        .map(|number| {
            let (backend, put) = (backend.clone(), put(&format!("crowd{number}"), "crowd", 10));
            tokio::spawn(async move { backend.put(vec![put], at(0)).await })
        })
        .collect();
    let mut written = 0;
    for task in tasks {
        written += i32::from(finished(task.await)?.is_ok());
    }
    equal("40 at once into a room of 10", &written, &10)?;
    let none = backend.put(vec![put("z1", "empty", 0)], at(0)).await;
    equal("a room for none", &none, &Err(Error::Full))
}

async fn check_concurrent_take<B: Records + 'static>(backend: &Arc<B>) -> Result<(), Deviation> {
    let now = at(1_000);
    backend.put(vec![put("once", Condition::Any, None)], now).await?;
    let tasks: Vec<_> = (0..50)
        .map(|_| {
            let backend = backend.clone();
            tokio::spawn(async move { backend.take("thing", "once", now).await })
        })
        .collect();
    let mut winners = 0;
    for task in tasks {
        winners += i32::from(finished(task.await)??.is_some());
    }
    equal("50 take one row", &winners, &1)
}

async fn check_concurrent_versions<B: Records + 'static>(backend: &Arc<B>) -> Result<(), Deviation> {
    let now = at(1_000);
    backend.put(vec![put("guarded", Condition::Any, None)], now).await?;
    let tasks: Vec<_> = (0..20)
        .map(|_| {
            let backend = backend.clone();
            tokio::spawn(
                async move { backend.put(vec![put("guarded", Condition::Version(1), None)], now).await },
            )
        })
        .collect();
    let mut outcomes = Vec::new();
    for task in tasks {
        outcomes.push(finished(task.await)?);
    }
    equal("20 write over version 1", &outcomes.iter().filter(|outcome| outcome.is_ok()).count(), &1)?;
    let conflicts: HashSet<_> =
        outcomes.iter().filter_map(|outcome| outcome.as_ref().err().map(ToString::to_string)).collect();
    equal("the others conflict", &conflicts, &HashSet::from([Error::Conflict.to_string()]))
}

fn put(id: &str, condition: Condition, expires_at: Option<Timestamp>) -> Put {
    let content = Content { parent: "parent".to_owned(), expires_at, body: "{}".to_owned() };
    Put { kind: "thing", id: id.to_owned(), condition, content: Some(content), short_lived: false }
}

fn removal(id: &str) -> Put {
    Put { kind: "thing", id: id.to_owned(), condition: Condition::Any, content: None, short_lived: false }
}

fn event(id: &str, time: i64, label: &str, score: Option<f64>) -> Event {
    Event {
        kind: "k".to_owned(),
        project: "p".to_owned(),
        id: id.to_owned(),
        at: at(time),
        label: label.to_owned(),
        score,
        body: "{}".to_owned(),
        ..Event::default()
    }
}

fn named(counts: &[(&str, u64)]) -> Vec<(String, u64)> {
    counts.iter().map(|(name, count)| ((*name).to_owned(), *count)).collect()
}

fn at(milliseconds: i64) -> Timestamp {
    Timestamp::from_milliseconds(milliseconds)
}

fn equal<T: Debug + PartialEq>(what: &str, found: &T, expected: &T) -> Result<(), Deviation> {
    if found == expected {
        return Ok(());
    }
    Err(Deviation(format!("{what}: found {found:?}, expected {expected:?}")))
}

fn finished<T>(joined: std::result::Result<T, tokio::task::JoinError>) -> Result<T, Deviation> {
    joined.map_err(|error| Deviation(format!("a task failed: {error}")))
}

#[cfg(test)]
mod tests {
    use super::super::memory::Memory;
    use super::super::sqlite::{Sqlite, Sync};
    use super::*;

    #[tokio::test(flavor = "multi_thread", worker_threads = 4)]
    async fn memory_conforms() {
        let memory = Arc::new(Memory::new(10_000));
        check_records(memory.clone()).await.unwrap();
        check_counters(memory.clone()).await.unwrap();
        check_events(memory).await.unwrap();
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 4)]
    async fn sqlite_in_memory_conforms() {
        let sqlite = Arc::new(Sqlite::in_memory().unwrap());
        check_records(sqlite.clone()).await.unwrap();
        check_counters(sqlite.clone()).await.unwrap();
        check_events(sqlite).await.unwrap();
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 4)]
    async fn sqlite_on_disk_conforms() {
        for sync in [Sync::Normal, Sync::Full] {
            let folder = tempfile::tempdir().unwrap();
            let sqlite = Arc::new(Sqlite::open(&folder.path().join("t.db"), sync, 3).unwrap());
            check_records(sqlite.clone()).await.unwrap();
            check_counters(sqlite.clone()).await.unwrap();
            check_events(sqlite).await.unwrap();
        }
    }

    #[tokio::test]
    async fn what_was_written_is_there_after_opening_again() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("t.db");
        let sqlite = Sqlite::open(&path, Sync::Normal, 1).unwrap();
        sqlite.put(vec![put("kept", Condition::Any, None)], at(0)).await.unwrap();
        drop(sqlite);
        let sqlite = Sqlite::open(&path, Sync::Normal, 1).unwrap();
        assert!(sqlite.get("thing", "kept", at(0)).await.unwrap().is_some());
    }

    #[tokio::test]
    async fn wider_rollups_of_an_older_database_are_made_from_its_hours() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("t.db");
        let connection = rusqlite::Connection::open(&path).unwrap();
        connection.execute_batch(include_str!("../../migrations/sqlite/0001_tables.sql")).unwrap();
        connection.pragma_update(None, "user_version", 1).unwrap();
        for (hour, count) in [(1, 2), (23, 3), (24, 4)] {
            for width in [300_000, 3_600_000_i64] {
                let values = rusqlite::params![width, hour * 3_600_000_i64, count];
                connection
                    .execute("INSERT INTO rollups VALUES ('k', 'p', ?1, ?2, 'x', ?3, 0.5)", values)
                    .unwrap();
            }
        }
        drop(connection);
        let sqlite = Sqlite::open(&path, Sync::Normal, 1).unwrap();
        let read = async |slot, to| {
            let (kind, project) = ("k".to_owned(), "p".to_owned());
            let query = SummaryQuery { kind, project, slot, from: at(0), to: at(to) };
            let rows = sqlite.summarize(query).await.unwrap();
            rows.iter().map(|row| (row.at.milliseconds(), row.count, row.score_sum)).collect::<Vec<_>>()
        };
        assert_eq!(read(Slot::Day, i64::MAX).await, [(0, 5, 1.0), (86_400_000, 4, 0.5)]);
        assert_eq!(read(Slot::Ever, 1).await, [(0, 9, 1.5)]);
        sqlite.append(vec![event("new", 1, "x", None)]).await.unwrap();
        assert_eq!(read(Slot::Ever, 1).await, [(0, 10, 1.5)]);
    }

    #[tokio::test]
    async fn a_database_of_a_newer_program_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("t.db");
        rusqlite::Connection::open(&path).unwrap().pragma_update(None, "user_version", 999).unwrap();
        let error = Sqlite::open(&path, Sync::Normal, 1).err().unwrap();
        assert!(error.to_string().contains("newer"), "{error}");
    }

    #[tokio::test]
    async fn a_full_memory_forgets_what_ends_first() {
        let memory = Memory::new(2);
        for (id, end) in [("late", 9_000), ("soon", 2_000), ("later", 10_000)] {
            memory.put(vec![put(id, Condition::Any, Some(at(end)))], at(0)).await.unwrap();
        }
        assert!(memory.get("thing", "soon", at(0)).await.unwrap().is_none());
        assert!(memory.get("thing", "late", at(0)).await.unwrap().is_some());
    }
}
