//! The rules editor: checked as it is typed, tried on what came, saved, deleted.

use quivive_server::flows::scoring::rules;
use quivive_server::tenant::Plan;

use super::*;

const RULE: &str = "name=Guard&action=block&sort_order=5&expression=score+%3C+99";

fn base(site: &Site) -> String {
    format!("/-/console/projects/{}/rules", site.project)
}

#[tokio::test]
async fn a_wrong_expression_is_marked_at_its_place() {
    let site = Site::start().await;
    let browser = log_in(&site.server, owner(&site).await).await;
    for (typed, marked, place) in [
        ("scorre+%3C+30", "<mark>scorre</mark> &lt; 30", "Go to character 1"),
        ("score+%3C+30+AND%0D%0A+pth+%3D%3D+%22%2Fa%22", "\n <mark>pth</mark> ==", "Go to character 17"),
        ("country+%3D%3D+%22%C3%A4%22+AND+scorre+%3C+1", "<mark>scorre</mark>", "Go to character 20"),
        ("score+%3C", "score &lt;<mark>\u{a0}</mark>", "Go to character 8"),
    ] {
        let check = browser
            .post(&site.server, &format!("{}/check", base(&site)), &format!("expression={typed}"))
            .await;
        assert_eq!(check.status, 200, "a check always answers");
        let check = text(&check);
        assert!(check.contains("data-state=\"bad\"") && check.contains(marked), "{typed}: {check}");
        assert!(check.contains(place), "{typed}: {check}");
        let save =
            browser.post(&site.server, &base(&site), &format!("name=x&action=log&expression={typed}")).await;
        assert_eq!(save.status, 422);
        assert!(text(&save).contains(marked), "the saved one is marked as well and nothing typed is lost");
    }
    assert!(rules::list(&site.server.app, site.project).await.unwrap().is_empty());
    let empty = browser.post(&site.server, &format!("{}/check", base(&site)), "expression=+").await;
    assert_eq!((empty.status.as_u16(), text(&empty).as_str()), (200, ""));
    let markup = "expression=%3Cscript%3Ealert(1)%3C%2Fscript%3E";
    let markup = browser.post(&site.server, &format!("{}/check", base(&site)), markup).await;
    assert!(!text(&markup).contains("<script>"));
}

#[tokio::test]
async fn a_right_expression_tells_whom_it_would_have_touched() {
    let site = Site::start().await;
    let bot = json!({ "mouse_moves": 40, "mouse_entropy": 0.0, "click_events": 1 });
    let bot = site.session(&[("snapshot", bot)]).await;
    let human = site.session(&[("snapshot", human_snapshot())]).await;
    site.scored(&bot).await;
    site.scored(&human).await;
    let browser = log_in(&site.server, owner(&site).await).await;
    let check = |fields: &'static str| async {
        text(&browser.post(&site.server, &format!("{}/check", base(&site)), fields).await)
    };
    let found = check("action=block&expression=score+%3C+30").await;
    assert!(found.contains("would have touched <b>1</b> of 2 sessions of the last 24 hours"), "{found}");
    assert!(found.contains("changed the action of <b>1</b>") && found.contains(&bot), "{found}");
    assert!(!found.contains(&human));
    let with_path = check("action=block&expression=path+%3D%3D+%22%2Fa%22").await;
    assert!(with_path.contains("touched <b>0</b>") && with_path.contains("Not tried: <code>path</code>"));
    let with_path = check("action=block&path=%2Fa&expression=path+%3D%3D+%22%2Fa%22").await;
    assert!(with_path.contains("touched <b>2</b>") && !with_path.contains("Not tried"), "{with_path}");
    assert!(rules::list(&site.server.app, site.project).await.unwrap().is_empty(), "a trial makes no rule");
}

#[tokio::test]
async fn a_rule_is_made_used_shown_and_deleted() {
    let site = Site::start().await;
    let browser = log_in(&site.server, owner(&site).await).await;
    let token = site.session(&[("snapshot", human_snapshot())]).await;
    assert_eq!(site.scored(&token).await["action"], "allow");
    let made = browser.post(&site.server, &base(&site), RULE).await;
    assert_eq!(
        (made.status.as_u16(), made.header("location")),
        (303, &*format!("{}?done=made", base(&site)))
    );
    let verdict = site.verdict(&token, "").await.json;
    assert_eq!(
        (&verdict["action"], &verdict["reason"]),
        (&"block".into(), &"Rule \"Guard\" matched (block).".into())
    );
    let detail = format!("/-/console/projects/{}/sessions/{token}", site.project);
    assert!(
        text(&browser.get(&site.server, &detail).await).contains("Rule &quot;Guard&quot; matched (block).")
    );
    let page = text(&browser.get(&site.server, &base(&site)).await);
    assert!(
        page.contains("<b>Guard</b>") && page.contains("score &lt; 99") && page.contains("1 of at most 100")
    );

    let rule = rules::list(&site.server.app, site.project).await.unwrap().remove(0).id;
    for wrong in ["x", "999", "-1"] {
        assert_eq!(
            browser.post(&site.server, &format!("{}/{wrong}/delete", base(&site)), "").await.status,
            404
        );
    }
    let deleted = browser.post(&site.server, &format!("{}/{rule}/delete", base(&site)), "").await;
    assert_eq!(deleted.status, 303);
    assert_eq!(site.verdict(&token, "").await.json["action"], "allow");
}

#[tokio::test]
async fn another_tenants_rule_cannot_be_deleted() {
    let site = Site::start().await;
    let browser = log_in(&site.server, owner(&site).await).await;
    browser.post(&site.server, &base(&site), RULE).await;
    let rule = rules::list(&site.server.app, site.project).await.unwrap().remove(0).id;
    let tenant = site.other_tenant(true).await;
    let user = directory::api_token(&site.server.app, &tenant.token).await.unwrap().unwrap().user_id;
    let other = log_in(&site.server, user).await;
    for project in [tenant.project, site.project] {
        let path = format!("/-/console/projects/{project}/rules/{rule}/delete");
        assert_eq!(other.post(&site.server, &path, "").await.status, 404);
    }
    assert_eq!(rules::list(&site.server.app, site.project).await.unwrap().len(), 1);
}

#[tokio::test]
async fn what_is_missing_in_a_rule_is_said_and_the_rest_kept() {
    let site = Site::start().await;
    let browser = log_in(&site.server, owner(&site).await).await;
    for (fields, said) in [
        ("name=&action=log&expression=score+%3C+31", "name"),
        ("name=x&action=ban&expression=score+%3C+31", "Choose one of the five actions."),
        ("name=x&action=log&sort_order=1.5&expression=score+%3C+31", "The order is a whole number"),
        ("name=x&action=log&sort_order=99999999999&expression=score+%3C+31", "The order is a whole number"),
    ] {
        let answer = browser.post(&site.server, &base(&site), fields).await;
        assert_eq!(answer.status, 422, "{fields}");
        let page = text(&answer);
        assert!(page.contains(said) && page.contains("score &lt; 31</textarea>"), "{fields}: {page}");
    }
}

#[tokio::test]
async fn a_plan_without_rules_of_ones_own_has_no_editor() {
    let site = Site::start().await;
    let browser = log_in(&site.server, owner(&site).await).await;
    let app = &site.server.app;
    directory::change_account(app, site.account, |account| {
        account.plan = Plan { custom_rules: false, ..account.plan.clone() };
    })
    .await
    .unwrap();
    let page = text(&browser.get(&site.server, &base(&site)).await);
    assert!(page.contains("does not include rules of your own") && !page.contains("<textarea"));
    assert_eq!(browser.post(&site.server, &base(&site), RULE).await.status, 403);
    assert_eq!(browser.post(&site.server, &format!("{}/check", base(&site)), RULE).await.status, 403);
}
